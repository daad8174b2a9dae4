//! Arithmetic coding: sequential and progressive (T.81, annex D and sections F.1.4, F.2.4, G.1.3).
//!
//! Rare, because it was covered by patents for long, but every libjpeg reads and writes it. An encoder may leave out
//! zero bytes at the end of its data, so that data which are missing there cannot be told from zeros.

use super::bits::Bits;
use super::transform::Block;
use super::{Entropy, NATURAL, Part, Scan, damaged};
use crate::ImageError;

/// Estimates of probability (T.81, table D.3): the size of the less probable part; the next state if that came, if the
/// other came; and whether they then change places.
#[rustfmt::skip]
const STATES: [(u16, u8, u8, u8); 114] = [
    (0x5a1d, 1, 1, 1), (0x2586, 14, 2, 0), (0x1114, 16, 3, 0), (0x080b, 18, 4, 0), (0x03d8, 20, 5, 0),
    (0x01da, 23, 6, 0), (0x00e5, 25, 7, 0), (0x006f, 28, 8, 0), (0x0036, 30, 9, 0), (0x001a, 33, 10, 0),
    (0x000d, 35, 11, 0), (0x0006, 9, 12, 0), (0x0003, 10, 13, 0), (0x0001, 12, 13, 0), (0x5a7f, 15, 15, 1),
    (0x3f25, 36, 16, 0), (0x2cf2, 38, 17, 0), (0x207c, 39, 18, 0), (0x17b9, 40, 19, 0), (0x1182, 42, 20, 0),
    (0x0cef, 43, 21, 0), (0x09a1, 45, 22, 0), (0x072f, 46, 23, 0), (0x055c, 48, 24, 0), (0x0406, 49, 25, 0),
    (0x0303, 51, 26, 0), (0x0240, 52, 27, 0), (0x01b1, 54, 28, 0), (0x0144, 56, 29, 0), (0x00f5, 57, 30, 0),
    (0x00b7, 59, 31, 0), (0x008a, 60, 32, 0), (0x0068, 62, 33, 0), (0x004e, 63, 34, 0), (0x003b, 32, 35, 0),
    (0x002c, 33, 9, 0), (0x5ae1, 37, 37, 1), (0x484c, 64, 38, 0), (0x3a0d, 65, 39, 0), (0x2ef1, 67, 40, 0),
    (0x261f, 68, 41, 0), (0x1f33, 69, 42, 0), (0x19a8, 70, 43, 0), (0x1518, 72, 44, 0), (0x1177, 73, 45, 0),
    (0x0e74, 74, 46, 0), (0x0bfb, 75, 47, 0), (0x09f8, 77, 48, 0), (0x0861, 78, 49, 0), (0x0706, 79, 50, 0),
    (0x05cd, 48, 51, 0), (0x04de, 50, 52, 0), (0x040f, 50, 53, 0), (0x0363, 51, 54, 0), (0x02d4, 52, 55, 0),
    (0x025c, 53, 56, 0), (0x01f8, 54, 57, 0), (0x01a4, 55, 58, 0), (0x0160, 56, 59, 0), (0x0125, 57, 60, 0),
    (0x00f6, 58, 61, 0), (0x00cb, 59, 62, 0), (0x00ab, 61, 63, 0), (0x008f, 61, 32, 0), (0x5b12, 65, 65, 1),
    (0x4d04, 80, 66, 0), (0x412c, 81, 67, 0), (0x37d8, 82, 68, 0), (0x2fe8, 83, 69, 0), (0x293c, 84, 70, 0),
    (0x2379, 86, 71, 0), (0x1edf, 87, 72, 0), (0x1aa9, 87, 73, 0), (0x174e, 72, 74, 0), (0x1424, 72, 75, 0),
    (0x119c, 74, 76, 0), (0x0f6b, 74, 77, 0), (0x0d51, 75, 78, 0), (0x0bb6, 77, 79, 0), (0x0a40, 77, 48, 0),
    (0x5832, 80, 81, 1), (0x4d1c, 88, 82, 0), (0x438e, 89, 83, 0), (0x3bdd, 90, 84, 0), (0x34ee, 91, 85, 0),
    (0x2eae, 92, 86, 0), (0x299a, 93, 87, 0), (0x2516, 86, 71, 0), (0x5570, 88, 89, 1), (0x4ca9, 95, 90, 0),
    (0x44d9, 96, 91, 0), (0x3e22, 97, 92, 0), (0x3824, 99, 93, 0), (0x32b4, 99, 94, 0), (0x2e17, 93, 86, 0),
    (0x56a8, 95, 96, 1), (0x4f46, 101, 97, 0), (0x47e5, 102, 98, 0), (0x41cf, 103, 99, 0), (0x3c3d, 104, 100, 0),
    (0x375e, 99, 93, 0), (0x5231, 105, 102, 0), (0x4c0f, 106, 103, 0), (0x4639, 107, 104, 0), (0x415e, 103, 99, 0),
    (0x5627, 105, 106, 1), (0x50e7, 108, 107, 0), (0x4b85, 109, 103, 0), (0x5597, 110, 109, 0), (0x504f, 111, 107, 0),
    (0x5a10, 110, 111, 1), (0x5522, 112, 109, 0), (0x59eb, 112, 111, 1),
    // Not in the table: even odds for ever, which signs have.
    (0x5a1d, 113, 113, 0),
];

/// How tables are conditioned: the bounds of a small and a large difference of means, and the frequency from which on
/// other statistics count (T.81, F.1.4.4).
#[derive(Clone, Copy)]
pub(super) struct Conditioning {
    pub(super) small: [u8; 4],
    pub(super) large: [u8; 4],
    pub(super) middle: [u8; 4],
}

impl Default for Conditioning {
    fn default() -> Conditioning {
        Conditioning { small: [0; 4], large: [1; 4], middle: [5; 4] }
    }
}

/// What a scan's decoder remembers.
pub(super) struct Arithmetic<'a> {
    bits: Bits<'a>,
    conditioning: Conditioning,
    /// The code, the interval, and how far both are shifted; negative until the first bytes are read.
    code: u32,
    interval: u32,
    count: i32,
    /// The last mean of each component, and the class of the last difference.
    means: [i32; 4],
    classes: [usize; 4],
    mean_states: [[u8; 64]; 4],
    other_states: [[u8; 256]; 4],
    even: u8,
}

/// Which state decides: of a table of means, of a table of other frequencies, or the one that never changes.
#[derive(Clone, Copy)]
enum At {
    Mean(usize, usize),
    Other(usize, usize),
    Even,
}

const TOO_LARGE: &str = "its data hold a number that is too long";
const TOO_MANY: &str = "its data hold more frequencies than a block has";

impl<'a> Arithmetic<'a> {
    pub(super) fn new(bits: Bits<'a>, conditioning: Conditioning) -> Arithmetic<'a> {
        Arithmetic {
            bits,
            conditioning,
            code: 0,
            interval: 0,
            count: -16,
            means: [0; 4],
            classes: [0; 4],
            mean_states: [[0; 64]; 4],
            other_states: [[0; 256]; 4],
            even: 113,
        }
    }

    /// The next decision (T.81, figures D.16 to D.21).
    fn decide(&mut self, at: At) -> bool {
        while self.interval < 0x8000 {
            self.count -= 1;
            if self.count < 0 {
                let byte = self.bits.byte().unwrap_or(0);
                self.code = self.code << 8 | u32::from(byte);
                self.count += 8;
                if self.count < 0 {
                    self.count += 1;
                    // The first two bytes are there.
                    if self.count == 0 {
                        self.interval = 0x8000;
                    }
                }
            }
            self.interval <<= 1;
        }
        let state = match at {
            At::Mean(table, i) => &mut self.mean_states[table & 3][i & 63],
            At::Other(table, i) => &mut self.other_states[table & 3][i & 255],
            At::Even => &mut self.even,
        };
        let (likely, index) = (*state & 0x80, usize::from(*state & 0x7f));
        let (size, if_less, if_more, switch) = STATES[index];
        let size = u32::from(size);
        self.interval -= size;
        let bound = self.interval << self.count;
        let less = likely ^ (switch << 7) | if_less;
        let more = likely | if_more;
        let mut answer = likely;
        if self.code >= bound {
            self.code -= bound;
            if self.interval < size {
                *state = more;
            } else {
                *state = less;
                answer ^= 0x80;
            }
            self.interval = size;
        } else if self.interval < 0x8000 {
            if self.interval < size {
                *state = less;
                answer ^= 0x80;
            } else {
                *state = more;
            }
        }
        answer != 0
    }

    /// The bits below the highest of a magnitude, then the value with its sign.
    fn value(&mut self, negative: bool, highest: i32, at: impl Fn(usize) -> At, place: usize) -> i32 {
        let (mut value, mut bit) = (highest, highest >> 1);
        while bit != 0 {
            if self.decide(at(place + 14)) {
                value |= bit;
            }
            bit >>= 1;
        }
        value += 1;
        if negative { -value } else { value }
    }

    /// The highest bit of a magnitude, by one decision after another, and the place of the last.
    fn highest(
        &mut self,
        start: i32,
        at: impl Fn(usize) -> At,
        mut place: usize,
    ) -> Result<(i32, usize), ImageError> {
        let mut highest = start;
        while self.decide(at(place)) {
            highest <<= 1;
            if highest == 0x8000 {
                return Err(damaged(TOO_LARGE));
            }
            place += 1;
        }
        Ok((highest, place))
    }

    /// The next mean of a component (T.81, figure F.19).
    fn mean(&mut self, part: &Part) -> Result<i32, ImageError> {
        let table = part.mean_table & 3;
        let at = |i: usize| At::Mean(table, i);
        let place = self.classes[part.place];
        if !self.decide(at(place)) {
            self.classes[part.place] = 0;
            return Ok(self.means[part.place]);
        }
        let negative = self.decide(at(place + 1));
        let mut place = place + 2 + usize::from(negative);
        let mut highest = i32::from(self.decide(at(place)));
        if highest != 0 {
            (highest, place) = self.highest(highest, at, 20)?;
        }
        let bound = |bits: u8| (1i32 << (bits & 15)) >> 1;
        self.classes[part.place] = if highest < bound(self.conditioning.small[table]) {
            0
        } else {
            let large = highest > bound(self.conditioning.large[table]);
            (if large { 12 } else { 4 }) + 4 * usize::from(negative)
        };
        let difference = self.value(negative, highest, at, place);
        let mean = i32::from(self.means[part.place].wrapping_add(difference) as i16);
        self.means[part.place] = mean;
        Ok(mean)
    }

    /// A value that is not zero, at this place of the zigzag (T.81, figures F.21 to F.24).
    fn other(&mut self, table: usize, k: usize) -> Result<i32, ImageError> {
        let at = |i: usize| At::Other(table, i);
        let negative = self.decide(At::Even);
        let mut place = 3 * (k - 1) + 2;
        let mut highest = i32::from(self.decide(at(place)));
        if highest != 0 && self.decide(at(place)) {
            let middle = usize::from(self.conditioning.middle[table & 3]);
            (highest, place) = self.highest(2, at, if k <= middle { 189 } else { 217 })?;
        }
        Ok(self.value(negative, highest, at, place))
    }

    /// The frequencies from `start` to `end`, shifted.
    fn band(
        &mut self,
        table: usize,
        [start, end]: [usize; 2],
        low: u32,
        block: &mut Block,
    ) -> Result<usize, ImageError> {
        let (mut k, mut last) = (start, 0);
        while k <= end {
            if self.decide(At::Other(table, 3 * (k - 1))) {
                break;
            }
            while !self.decide(At::Other(table, 3 * (k - 1) + 1)) {
                k += 1;
                if k > end {
                    return Err(damaged(TOO_MANY));
                }
            }
            block[NATURAL[k & 63]] = self.other(table, k)?.wrapping_shl(low) as i16;
            last = k;
            k += 1;
        }
        Ok(last)
    }
}

impl<'a> Entropy<'a> for Arithmetic<'a> {
    fn bits(&mut self) -> &mut Bits<'a> {
        &mut self.bits
    }

    fn forget(&mut self) {
        // The bits have moved on.
        let bits = std::mem::replace(&mut self.bits, Bits::new(&[], 0));
        *self = Arithmetic::new(bits, self.conditioning);
    }

    fn lacks(&self) -> bool {
        false
    }

    fn block(&mut self, part: &Part, block: &mut Block) -> Result<usize, ImageError> {
        block[0] = self.mean(part)? as i16;
        self.band(part.other_table, [1, 63], 0, block)
    }

    fn first_mean(&mut self, part: &Part, low: u32, block: &mut Block) -> Result<(), ImageError> {
        block[0] = self.mean(part)?.wrapping_shl(low) as i16;
        Ok(())
    }

    fn next_mean(&mut self, low: u32, block: &mut Block) {
        block[0] |= i16::from(self.decide(At::Even)) << low;
    }

    fn first_band(&mut self, part: &Part, scan: &Scan, block: &mut Block) -> Result<(), ImageError> {
        self.band(part.other_table, [scan.start, scan.end], scan.low, block).map(|_| ())
    }

    fn next_band(&mut self, part: &Part, scan: &Scan, block: &mut Block) -> Result<(), ImageError> {
        let table = part.other_table;
        let one = 1i16.wrapping_shl(scan.low);
        // Up to the last frequency that is known not to be zero, no end is told.
        let known = (scan.start..=scan.end).rev().find(|&k| block[NATURAL[k & 63]] != 0).unwrap_or(0);
        let mut k = scan.start;
        while k <= scan.end {
            if k > known && self.decide(At::Other(table, 3 * (k - 1))) {
                break;
            }
            loop {
                let place = 3 * (k - 1);
                let value = block[NATURAL[k & 63]];
                if value != 0 {
                    if self.decide(At::Other(table, place + 2)) {
                        let by = if value < 0 { -one } else { one };
                        block[NATURAL[k & 63]] = value.wrapping_add(by);
                    }
                    break;
                }
                if self.decide(At::Other(table, place + 1)) {
                    block[NATURAL[k & 63]] = if self.decide(At::Even) { -one } else { one };
                    break;
                }
                k += 1;
                if k > scan.end {
                    return Err(damaged(TOO_MANY));
                }
            }
            k += 1;
        }
        Ok(())
    }
}
