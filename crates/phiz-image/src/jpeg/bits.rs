//! The data of a scan: bytes between two markers, read bit by bit or byte by byte.

/// Reads the data of a scan. It ends at the next marker; what is asked for behind that is zero, and counted.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits that were read from the bytes and not yet taken, from the highest on.
    buffer: u64,
    count: u32,
    /// How many of those at the end are not in the file.
    made_up: u32,
    /// The next thing in the bytes is a marker, or they are over.
    ended: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Bits<'a> {
        Bits { bytes, at, buffer: 0, count: 0, made_up: 0, ended: false }
    }

    /// The next byte of data, if a marker does not stand there.
    #[inline(always)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        if self.ended {
            return None;
        }
        match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
            (Some(0xff), Some(0)) => {
                self.at += 2;
                Some(0xff)
            }
            (Some(0xff), _) | (None, _) => {
                self.ended = true;
                None
            }
            (Some(&byte), _) => {
                self.at += 1;
                Some(byte)
            }
        }
    }

    /// Makes at least 32 bits ready: a code and the number behind it.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(next) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) {
            let word = u32::from_be_bytes(*next);
            // No byte of it is ff: none of their complements is zero.
            let zeros = !word;
            if zeros.wrapping_sub(0x0101_0101) & !zeros & 0x8080_8080 == 0 {
                self.buffer |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        *self = self.filled_slowly();
    }

    /// By value, so that on the usual way all fields stay in registers.
    #[cold]
    #[inline(never)]
    fn filled_slowly(mut self) -> Bits<'a> {
        while self.count <= 56 {
            let byte = self.byte();
            self.made_up += if byte.is_none() { 8 } else { 0 };
            self.buffer |= u64::from(byte.unwrap_or(0)) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// The next bits, 1 to 16 of them, without taking them. Only after [`Bits::fill`].
    #[inline(always)]
    pub(super) fn peek(&self, bits: u32) -> usize {
        (self.buffer >> (64 - bits)) as usize
    }

    /// Only of bits that are ready.
    #[inline(always)]
    pub(super) fn take(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count = self.count.wrapping_sub(bits);
    }

    /// The next number of 0 to 16 bits. Only of bits that are ready.
    #[inline(always)]
    pub(super) fn number(&mut self, bits: u32) -> i32 {
        // In two steps, because nothing can be shifted by 64.
        let value = (self.buffer >> 1 >> (63 - bits)) as i32;
        self.take(bits);
        value
    }

    /// The next bit.
    #[inline(always)]
    pub(super) fn bit(&mut self) -> bool {
        self.fill();
        let bit = self.buffer >> 63 == 1;
        self.take(1);
        bit
    }

    /// Whether more was taken than there is.
    #[inline(always)]
    pub(super) fn overrun(&self) -> bool {
        self.made_up > self.count
    }

    /// Bytes of data up to the next marker that nobody has taken; bits that fill up a byte do not count.
    pub(super) fn rest(&mut self) -> usize {
        let mut rest = (self.count.saturating_sub(self.made_up) / 8) as usize;
        while self.byte().is_some() {
            rest += 1;
        }
        rest
    }

    /// Whether the bytes are over, rather than that a marker follows.
    pub(super) fn is_at_end(&self) -> bool {
        !matches!(self.bytes.get(self.at..), Some([0xff, marker, ..]) if *marker != 0xff)
    }

    /// Where the next marker stands, once the data before it are read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Begins anew behind the restart marker that stands here, if it is this one.
    pub(super) fn restart(&mut self, number: u8) -> bool {
        // A marker may be preceded by any number of fill bytes.
        while self.bytes.get(self.at) == Some(&0xff) && self.bytes.get(self.at + 1) == Some(&0xff) {
            self.at += 1;
        }
        let fits = self.bytes.get(self.at..self.at + 2) == Some(&[0xff, 0xd0 + number]);
        *self = Bits::new(self.bytes, self.at + if fits { 2 } else { 0 });
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_and_stuffing_is_left_out() {
        let bytes = [0b1010_0101, 0xff, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xff, 0xd9];
        let mut bits = Bits::new(&bytes, 0);
        bits.fill();
        assert_eq!((bits.number(3), bits.number(5), bits.number(8)), (0b101, 0b00101, 0xff));
        bits.fill();
        assert_eq!(bits.peek(16), 0x1234);
        assert_eq!((bits.number(16), bits.number(0)), (0x1234, 0));
        bits.fill();
        assert_eq!(bits.number(16), 0x5678);
        assert!(!bits.overrun());
        assert_eq!(bits.rest(), 1);
        assert_eq!(bits.position(), 8);
    }

    #[test]
    fn what_is_not_there_is_zero_and_counted() {
        for end in [&[0xff, 0xd9][..], &[0xff], &[], &[0xff, 0xff, 0xd9]] {
            let mut bits = Bits::new(&[&[0xab][..], end].concat().leak()[..], 0);
            bits.fill();
            assert_eq!(bits.number(8), 0xab);
            assert!(!bits.overrun());
            assert!(!bits.bit());
            assert!(bits.overrun());
        }
    }

    #[test]
    fn restarts_are_numbered() {
        let bytes = [0x80, 0xff, 0xff, 0xd3, 0xc0, 0xff, 0xd9];
        let mut bits = Bits::new(&bytes, 0);
        assert!(bits.bit());
        assert_eq!(bits.rest(), 0);
        assert!(!Bits { bytes: &bytes, ..Bits::new(&bytes, bits.position()) }.restart(2));
        assert!(bits.restart(3));
        assert!(bits.bit() && bits.bit() && !bits.bit());
    }
}
