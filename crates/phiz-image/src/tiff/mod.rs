//! The directories of a TIFF, classic or big: which pictures a file holds, and which of them is meant.

mod picture;
mod unpack;

pub(crate) use picture::{decode, orientation};

/// Tags that are asked for.
mod tag {
    pub(super) const SUBFILE: u16 = 254;
    pub(super) const OLD_SUBFILE: u16 = 255;
    pub(super) const WIDTH: u16 = 256;
    pub(super) const HEIGHT: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const FILL_ORDER: u16 = 266;
    pub(super) const STRIPS: u16 = 273;
    pub(super) const ORIENTATION: u16 = 274;
    pub(super) const SAMPLES: u16 = 277;
    pub(super) const STRIP_ROWS: u16 = 278;
    pub(super) const STRIP_BYTES: u16 = 279;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const PALETTE: u16 = 320;
    pub(super) const TILE_WIDTH: u16 = 322;
    pub(super) const TILE_HEIGHT: u16 = 323;
    pub(super) const TILES: u16 = 324;
    pub(super) const TILE_BYTES: u16 = 325;
    pub(super) const SUB_DIRECTORIES: u16 = 330;
    pub(super) const EXTRA_SAMPLES: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const JPEG_TABLES: u16 = 347;
    pub(super) const JPEG_START: u16 = 513;
    pub(super) const JPEG_LENGTH: u16 = 514;
    pub(super) const SUBSAMPLING: u16 = 530;
    pub(super) const XMP: u16 = 700;
    pub(super) const DNG_VERSION: u16 = 50_706;
}

/// Entries that a directory may have; more are damage or an attack.
const MOST_ENTRIES: u64 = 4096;

/// How a file writes its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    little: bool,
    /// Offsets of 64 bits.
    big: bool,
}

impl Layout {
    /// From the first bytes of a file.
    fn of(bytes: &[u8]) -> Option<Layout> {
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
    fn read(self, bytes: &[u8], at: u64, size: usize) -> Option<u64> {
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
    layout: Layout,
    /// Where it stands.
    at: u64,
    /// Where the next one stands, if there is one.
    next: Option<u64>,
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
    fn read(bytes: &[u8], layout: Layout, at: u64) -> Option<Directory> {
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
    fn numbers(&self, bytes: &[u8], tag: u16, most: usize) -> Vec<u64> {
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

    /// The text of a tag, as much of it as could be a time.
    pub(crate) fn text<'a>(&self, bytes: &'a [u8], tag: u16) -> Option<&'a [u8]> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag && entry.kind == 2)?;
        let field = if self.layout.big { 8 } else { 4 };
        let inside = entry.count <= field;
        let at = if inside { entry.at } else { self.layout.read(bytes, entry.at, field as usize)? };
        let text = bytes.get(usize::try_from(at).ok()?..)?;
        Some(&text[..text.len().min(entry.count.min(64) as usize)])
    }

    /// The directory that a tag points to.
    pub(crate) fn child(&self, bytes: &[u8], tag: u16) -> Option<Directory> {
        Directory::read(bytes, self.layout, self.number(bytes, tag)?)
    }

    /// The first value of a tag.
    pub(crate) fn number(&self, bytes: &[u8], tag: u16) -> Option<u64> {
        self.numbers(bytes, tag, 1).first().copied()
    }

    /// Whether it has a tag.
    fn has(&self, tag: u16) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }
}

fn whole(value: f64) -> Option<u64> {
    (value.fract() == 0.0 && (0.0..1e15).contains(&value)).then_some(value as u64)
}

/// Directories that are looked at; more than a scanner's longest document are an attack.
const MOST_DIRECTORIES: usize = 1000;

/// The pictures of a file: its pages one after another, each with those that belong to it.
fn pages(bytes: &[u8]) -> Vec<(Directory, Vec<Directory>)> {
    let mut pages = Vec::new();
    let mut seen = Vec::new();
    let mut next = Directory::first(bytes);
    while let Some(directory) = next {
        if seen.contains(&directory.at) || seen.len() > MOST_DIRECTORIES {
            break;
        }
        seen.push(directory.at);
        let layout = directory.layout;
        let mut parts = Vec::new();
        for at in directory.numbers(bytes, tag::SUB_DIRECTORIES, 64) {
            if !seen.contains(&at) && seen.len() <= MOST_DIRECTORIES {
                seen.push(at);
                parts.extend(Directory::read(bytes, layout, at));
            }
        }
        next = directory.next.and_then(|at| Directory::read(bytes, layout, at));
        pages.push((directory, parts));
    }
    pages
}

impl Directory {
    /// Width and height.
    fn size(&self, bytes: &[u8]) -> Option<(u32, u32)> {
        let side = |tag| match self.numbers(bytes, tag, 2)[..] {
            [side] => u32::try_from(side).ok(),
            _ => None,
        };
        Some((side(tag::WIDTH)?, side(tag::HEIGHT)?))
    }

    fn pixels(&self, bytes: &[u8]) -> u64 {
        self.size(bytes).map_or(0, |(w, h)| u64::from(w) * u64::from(h))
    }

    /// Whether it says to be a smaller copy or a mask of another picture.
    fn is_secondary(&self, bytes: &[u8]) -> bool {
        self.number(bytes, tag::SUBFILE).is_some_and(|kind| kind & 0b101 != 0)
            || self.number(bytes, tag::OLD_SUBFILE) == Some(2)
    }

    /// Whether it holds what a sensor measured: one colour a pixel, or colours before any development.
    fn is_raw(&self, bytes: &[u8]) -> bool {
        matches!(self.number(bytes, tag::PHOTOMETRIC), Some(32_803 | 34_892 | 34_893 | 51_177 | 52_527))
    }
}

/// The picture that is meant: the first page, or what belongs to it where the page is only a preview.
///
/// Scanners write one page after another, all whole. Cameras and editors begin with a small preview, say so in a tag (or
/// forget to), and keep the photo in a directory below. A pyramid is the other way round: its smaller copies are below.
fn meant(bytes: &[u8]) -> Option<(Directory, bool)> {
    let pages = pages(bytes);
    let all = || pages.iter().flat_map(|(page, parts)| std::iter::once(page).chain(parts));
    let raw = all().any(|directory| directory.is_raw(bytes));
    let (first, parts) = pages.first()?;
    let whole = |directory: &&Directory| !directory.is_secondary(bytes) && directory.pixels(bytes) > 0;
    let larger = parts.iter().filter(whole).max_by_key(|part| part.pixels(bytes));
    let chosen = match larger {
        Some(part) if first.is_secondary(bytes) || part.pixels(bytes) > first.pixels(bytes) => part,
        _ if !first.is_secondary(bytes) => first,
        _ => all().find(whole).or_else(|| all().max_by_key(|d| d.pixels(bytes))).unwrap_or(first),
    };
    Some((chosen.clone(), raw))
}
