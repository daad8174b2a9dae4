//! Huffman coding: sequential and progressive.

use super::bits::Bits;
use super::transform::Block;
use super::{Entropy, NATURAL, Part, Scan, damaged};
use crate::ImageError;

/// Codes up to this length are looked up at once.
const FAST: u32 = 10;

/// A table of codes.
#[derive(Clone)]
pub(super) struct Table {
    /// For the next [`FAST`] bits: symbol << 8 | length of its code; zero if the code is longer.
    short: Vec<u16>,
    /// The same with the number behind the code, where both fit: value << 16 | run << 8 | bits of both; zero if not. The
    /// end of a block is a run of 64.
    pair: Vec<i32>,
    /// For each length: the first code that is longer, aligned to 16 bits.
    limit: [u32; 17],
    /// What to add to a code of a length to have the place of its symbol.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length and their symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Table> {
        let mut table = Table {
            short: vec![0; 1 << FAST],
            pair: vec![0; 1 << FAST],
            limit: [0; 17],
            offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = usize::from(counts[length as usize - 1]);
            table.offset[length as usize] = place as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(place)?;
                if code >= 1 << length {
                    return None;
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    let entry = u16::from(symbol) << 8 | length as u16;
                    table.short[first..first + (1 << (FAST - length))].fill(entry);
                }
                code += 1;
                place += 1;
            }
            table.limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        for bits in 0..1 << FAST {
            table.pair[bits] = table.paired(bits as u32);
        }
        Some(table)
    }

    /// The entry of `pair` for the next bits.
    fn paired(&self, bits: u32) -> i32 {
        let entry = u32::from(self.short[bits as usize]);
        let (symbol, length) = (entry >> 8, entry & 0xff);
        let (run, size) = (symbol >> 4, symbol & 15);
        if length == 0 || length + size > FAST {
            return 0;
        }
        match (run, size) {
            (0, 0) => (64 << 8 | length) as i32,
            // Sixteen zeros, or many ends of blocks: not a value.
            (_, 0) => 0,
            _ => {
                let number = bits >> (FAST - length - size) & ((1 << size) - 1);
                extend(number as i32, size) << 16 | (run << 8 | (length + size)) as i32
            }
        }
    }

    /// The next symbol. At least 16 bits must be ready.
    #[inline(always)]
    fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, ImageError> {
        let entry = self.short[bits.peek(FAST)];
        if entry != 0 {
            bits.take(u32::from(entry & 0xff));
            return Ok((entry >> 8) as u8);
        }
        let (symbol, length) = self.long(bits.peek(16) as u32)?;
        bits.take(length);
        Ok(symbol)
    }

    /// A symbol whose code is long, and the length of its code.
    #[cold]
    #[inline(never)]
    fn long(&self, next: u32) -> Result<(u8, u32), ImageError> {
        let length = (FAST as usize..=16).find(|&length| next < self.limit[length]);
        let symbol = length.and_then(|length| {
            let place = (next >> (16 - length)) as i32 + self.offset[length];
            Some((*self.symbols.get(place as usize)?, length as u32))
        });
        symbol.ok_or_else(|| damaged("its data hold a code that is in no table"))
    }
}

/// The value that a number of so many bits stands for (T.81, figure F.12).
#[inline(always)]
fn extend(number: i32, bits: u32) -> i32 {
    if bits == 0 {
        return 0;
    }
    if number >> (bits - 1) == 0 { number - (1 << bits) + 1 } else { number }
}

/// What a scan's decoder remembers.
pub(super) struct Huffman<'a, 't> {
    bits: Bits<'a>,
    /// Tables of each component of the scan.
    tables: Vec<(Option<&'t Table>, Option<&'t Table>)>,
    /// The last mean of each component.
    means: [i32; 4],
    /// Blocks for which the present band is over.
    over: u32,
}

impl<'a, 't> Huffman<'a, 't> {
    pub(super) fn new(
        bits: Bits<'a>,
        scan: &Scan,
        means: &'t [Option<Table>; 4],
        others: &'t [Option<Table>; 4],
    ) -> Huffman<'a, 't> {
        let tables = scan
            .parts
            .iter()
            .map(|part| (means[part.mean_table].as_ref(), others[part.other_table].as_ref()));
        Huffman { bits, tables: tables.collect(), means: [0; 4], over: 0 }
    }
}

fn missing() -> ImageError {
    damaged("a table of codes is missing")
}

impl<'a> Entropy<'a> for Huffman<'a, '_> {
    fn bits(&mut self) -> &mut Bits<'a> {
        &mut self.bits
    }

    fn forget(&mut self) {
        self.means = [0; 4];
        self.over = 0;
    }

    fn lacks(&self) -> bool {
        self.bits.overrun()
    }

    #[inline(always)]
    fn block(&mut self, part: &Part, block: &mut Block) -> Result<usize, ImageError> {
        let (mean, other) = self.tables[part.place];
        let (Some(mean), Some(other)) = (mean, other) else { return Err(missing()) };
        let mut bits = self.bits;
        bits.fill();
        let size = u32::from(mean.symbol(&mut bits)?);
        if size > 16 {
            return Err(damaged("its data hold a number that is too long"));
        }
        let difference = extend(bits.number(size), size);
        let value = self.means[part.place].wrapping_add(difference);
        self.means[part.place] = value;
        block[0] = value as i16;
        let (mut k, mut last) = (1, 0);
        while k < 64 {
            bits.fill();
            let pair = other.pair[bits.peek(FAST)];
            if pair != 0 {
                bits.take((pair & 0xff) as u32);
                k += (pair >> 8 & 0xff) as usize;
                if k >= 64 {
                    if pair >> 8 & 0xff == 64 {
                        break;
                    }
                    return Err(damaged("its data hold more frequencies than a block has"));
                }
                block[NATURAL[k & 63]] = (pair >> 16) as i16;
                last = k;
                k += 1;
                continue;
            }
            let symbol = other.symbol(&mut bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run != 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            if k >= 64 {
                return Err(damaged("its data hold more frequencies than a block has"));
            }
            block[NATURAL[k & 63]] = extend(bits.number(size), size) as i16;
            last = k;
            k += 1;
        }
        self.bits = bits;
        Ok(last)
    }

    #[inline(always)]
    fn first_mean(&mut self, part: &Part, low: u32, block: &mut Block) -> Result<(), ImageError> {
        let table = self.tables[part.place].0.ok_or_else(missing)?;
        self.bits.fill();
        let size = u32::from(table.symbol(&mut self.bits)?);
        if size > 16 {
            return Err(damaged("its data hold a number that is too long"));
        }
        let difference = extend(self.bits.number(size), size);
        self.means[part.place] = self.means[part.place].wrapping_add(difference);
        block[0] = self.means[part.place].wrapping_shl(low) as i16;
        Ok(())
    }

    #[inline(always)]
    fn next_mean(&mut self, low: u32, block: &mut Block) {
        block[0] |= i16::from(self.bits.bit()) << low;
    }

    #[inline(always)]
    fn first_band(&mut self, part: &Part, scan: &Scan, block: &mut Block) -> Result<(), ImageError> {
        if self.over > 0 {
            self.over -= 1;
            return Ok(());
        }
        let table = self.tables[part.place].1.ok_or_else(missing)?;
        let mut k = scan.start;
        while k <= scan.end {
            self.bits.fill();
            let symbol = table.symbol(&mut self.bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    self.over = (1 << run) - 1 + self.bits.number(run as u32) as u32;
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            if k > scan.end {
                return Err(damaged("its data hold more frequencies than a band has"));
            }
            block[NATURAL[k & 63]] = extend(self.bits.number(size), size).wrapping_shl(scan.low) as i16;
            k += 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn next_band(&mut self, part: &Part, scan: &Scan, block: &mut Block) -> Result<(), ImageError> {
        let table = self.tables[part.place].1.ok_or_else(missing)?;
        let one = 1i16.wrapping_shl(scan.low);
        let mut k = scan.start;
        if self.over == 0 {
            while k <= scan.end {
                self.bits.fill();
                let symbol = table.symbol(&mut self.bits)?;
                let (mut run, size) = (i32::from(symbol >> 4), symbol & 15);
                let mut new = 0;
                match size {
                    0 if run < 15 => {
                        // The blocks behind this one; this one's remaining frequencies are refined below.
                        self.over = (1 << run) + self.bits.number(run as u32) as u32;
                        break;
                    }
                    0 => {}
                    1 => new = if self.bits.bit() { one } else { -one },
                    _ => return Err(damaged("its data refine by more than a bit")),
                }
                // Over as many zeros as the run says; values on the way are refined.
                while k <= scan.end {
                    let value = &mut block[NATURAL[k & 63]];
                    if *value != 0 {
                        self.bits.refine(value, one);
                    } else {
                        if run == 0 {
                            break;
                        }
                        run -= 1;
                    }
                    k += 1;
                }
                if new != 0 {
                    if k > scan.end {
                        return Err(damaged("its data hold more frequencies than a band has"));
                    }
                    block[NATURAL[k & 63]] = new;
                }
                k += 1;
            }
        }
        if self.over > 0 {
            while k <= scan.end {
                let value = &mut block[NATURAL[k & 63]];
                if *value != 0 {
                    self.bits.refine(value, one);
                }
                k += 1;
            }
            self.over -= 1;
        }
        Ok(())
    }
}

impl Bits<'_> {
    /// One more bit of a value that is known to be none or more.
    #[inline(always)]
    fn refine(&mut self, value: &mut i16, one: i16) {
        if self.bit() && *value & one == 0 {
            *value = if *value >= 0 { value.wrapping_add(one) } else { value.wrapping_sub(one) };
        }
    }
}
