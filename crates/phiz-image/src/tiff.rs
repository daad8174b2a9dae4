//! The directories of a TIFF, classic or big: which pictures a file holds, and which of them is meant.
#![allow(dead_code, reason = "the next change uses it")]

/// Tags that are asked for.
pub(crate) mod tag {
    pub(crate) const SUBFILE: u16 = 254;
    pub(crate) const WIDTH: u16 = 256;
    pub(crate) const HEIGHT: u16 = 257;
}

/// Entries that a directory may have; more are damage or an attack.
const MOST_ENTRIES: u64 = 4096;

/// How a file writes its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    little: bool,
    /// Offsets of 64 bits.
    pub(crate) big: bool,
}

impl Layout {
    /// From the first bytes of a file.
    pub(crate) fn of(bytes: &[u8]) -> Option<Layout> {
        let little = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let layout = Layout { little, big: false };
        match layout.read(bytes, 2, 2)? {
            42 => Some(layout),
            43 => Some(Layout { big: true, ..layout }),
            _ => None,
        }
    }

    /// An unsigned number of 1 to 8 bytes.
    pub(crate) fn read(self, bytes: &[u8], at: u64, size: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }

    /// Where the first directory begins.
    fn first(self, bytes: &[u8]) -> Option<u64> {
        if self.big { self.read(bytes, 8, 8) } else { self.read(bytes, 4, 4) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the value, or the offset of the values, stands.
    at: u64,
}

/// A directory: what is told of one picture.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) layout: Layout,
    /// Where it stands.
    pub(crate) at: u64,
    /// Where the next one stands, if there is one.
    pub(crate) next: Option<u64>,
    entries: Vec<Entry>,
}

/// Bytes of a value of a type.
fn size(kind: u16) -> Option<usize> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => return None,
    })
}

impl Directory {
    /// The first directory of a file, or of a block of EXIF.
    pub(crate) fn first(bytes: &[u8]) -> Option<Directory> {
        let layout = Layout::of(bytes)?;
        Directory::read(bytes, layout, layout.first(bytes)?)
    }

    /// The directory that stands somewhere, as much of it as there is.
    pub(crate) fn read(bytes: &[u8], layout: Layout, at: u64) -> Option<Directory> {
        let (head, length, field) = if layout.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = layout.read(bytes, at, head)?;
        let mut entries = Vec::new();
        let start = at.checked_add(head as u64)?;
        for i in 0..count.min(MOST_ENTRIES) {
            let at = start + i * length;
            let entry = || {
                Some(Entry {
                    tag: layout.read(bytes, at, 2)? as u16,
                    kind: layout.read(bytes, at + 2, 2)? as u16,
                    count: layout.read(bytes, at + 4, field)?,
                    at: at + 4 + field as u64,
                })
            };
            let Some(entry) = entry() else { break };
            entries.push(entry);
        }
        let next = start.checked_add(count.checked_mul(length)?);
        let next = next.and_then(|at| layout.read(bytes, at, field)).filter(|&next| next != 0);
        Some(Directory { layout, at, next, entries })
    }

    /// All values of a tag as whole numbers, at most so many; those of a type that has none are left out.
    pub(crate) fn numbers(&self, bytes: &[u8], tag: u16, most: usize) -> Vec<u64> {
        let Some(entry) = self.entries.iter().find(|entry| entry.tag == tag) else { return Vec::new() };
        let Some(size) = size(entry.kind) else { return Vec::new() };
        let field = if self.layout.big { 8 } else { 4 };
        let at = match entry.count.checked_mul(size as u64) {
            Some(length) if length <= field => Some(entry.at),
            _ => self.layout.read(bytes, entry.at, field as usize),
        };
        let Some(at) = at else { return Vec::new() };
        if entry.kind == 2 {
            // Digits.
            let text = bytes.get(at as usize..).unwrap_or_default();
            let digits = text.iter().take(20).take_while(|b| b.is_ascii_digit());
            let value = digits.fold(None, |sum: Option<u64>, b| {
                sum.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(b - b'0'))
            });
            return value.into_iter().collect();
        }
        let value = |i: u64| {
            let at = at.checked_add(i.checked_mul(size as u64)?)?;
            let bits = self.layout.read(bytes, at, size)?;
            match entry.kind {
                // Fractions and floating point, where they are whole.
                5 | 10 => {
                    let (over, under) =
                        (self.layout.read(bytes, at, 4)?, self.layout.read(bytes, at + 4, 4)?);
                    (under != 0 && over % under == 0).then(|| over / under)
                }
                11 => whole(f64::from(f32::from_bits(bits as u32))),
                12 => whole(f64::from_bits(bits)),
                _ => Some(bits),
            }
        };
        (0..entry.count.min(most as u64)).map_while(value).collect()
    }

    /// The first value of a tag.
    pub(crate) fn number(&self, bytes: &[u8], tag: u16) -> Option<u64> {
        self.numbers(bytes, tag, 1).first().copied()
    }

    /// Whether it has a tag.
    pub(crate) fn has(&self, tag: u16) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }
}

fn whole(value: f64) -> Option<u64> {
    (value.fract() == 0.0 && (0.0..1e15).contains(&value)).then_some(value as u64)
}
