//! From a directory of a TIFF to RGB: what scanners, cameras, editors and network drives write.
//!
//! What samples mean is decided here, because a face must not be looked for in a negative, in one of three planes or in a
//! palette's numbers. JPEGs inside are read by the decoder that reads all others.

use image::metadata::Orientation;

use super::unpack::{Shape, undo_prediction, unpack};
use super::{Directory, meant, tag};
use crate::decode::check_pixels;
use crate::error::{Limit, zeros};
use crate::jpeg::{Colour, Jpeg};
use crate::orientation::{turn, xmp};
use crate::{ErrorKind, ImageError, Limits};

/// Decoders may need this many bytes a pixel for themselves.
const BYTES_PER_PIXEL: u64 = 16;
/// Bytes by which a tile may reach beyond a small picture.
const LARGEST_TILE: u64 = 4 << 20;
/// Strips and tiles of a file.
const MOST_CHUNKS: usize = 1 << 20;

/// Of a decoded TIFF: width, height, RGB and how it lies.
type Decoded = (u32, u32, Vec<u8>, Orientation);

fn damaged(reason: &str) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged TIFF: {reason}"))
}

fn unsupported(what: &str) -> ImageError {
    ImageError::new(ErrorKind::Unsupported, format!("is a TIFF {what}, which Phiz does not read"))
        .with_hint("convert it to an ordinary TIFF, JPEG or PNG, for example with ImageMagick: magick photo.tif photo.png")
}

/// Decodes the picture that a TIFF is about.
///
/// # Errors
/// A file that is damaged, exceeds the limits or holds what is not read.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let (directory, raw) = meant(bytes).ok_or_else(|| damaged("its directory is missing"))?;
    if raw {
        let what = if directory.has(tag::DNG_VERSION) { "a DNG raw photo" } else { "a camera's raw photo" };
        let reason = format!("is {what}, which Phiz does not read");
        return Err(ImageError::new(ErrorKind::Unsupported, reason).with_hint(crate::formats::DEVELOP));
    }
    let (width, height) = directory.size(bytes).ok_or_else(|| damaged("its size is missing"))?;
    let pixels = check_pixels(width, height, limits)?;
    let number = |tag| directory.number(bytes, tag);
    let orientation = lies(bytes, &directory);
    let picture = Picture { bytes, directory: &directory, width, height, pixels };
    let rgb = match number(tag::COMPRESSION) {
        Some(6) => picture.old_jpeg()?,
        Some(7) => picture.jpeg()?,
        Some(compression) => {
            if let Some(name) = unreadable(compression) {
                return Err(unsupported(&format!("compressed with {name}")));
            }
            picture.samples(compression)?
        }
        None => picture.samples(1)?,
    };
    Ok((width, height, rgb, orientation))
}

/// How the picture that a TIFF is about lies in its file.
pub(crate) fn orientation(bytes: &[u8]) -> Orientation {
    meant(bytes).map_or(Orientation::NoTransforms, |(directory, _)| lies(bytes, &directory))
}

fn lies(bytes: &[u8], directory: &Directory) -> Orientation {
    let number = directory.number(bytes, tag::ORIENTATION);
    let number = number.and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=8).contains(n));
    turn(number.or_else(|| {
        let packet: Vec<u8> = directory.numbers(bytes, tag::XMP, 1 << 20).iter().map(|&b| b as u8).collect();
        xmp(&packet)
    }))
}

/// The name of a way to compress that is not read.
fn unreadable(compression: u64) -> Option<String> {
    Some(match compression {
        // None, fax, LZW, deflate, packed bits.
        1 | 4 | 5 | 8 | 32_773 | 32_946 => return None,
        2 | 3 | 32_771 => "an old fax method (group 3)".into(),
        9 | 10 | 34_661 => "JBIG".into(),
        32_766 => "NeXT's 2 bits".into(),
        32_809 => "ThunderScan's 4 bits".into(),
        32_908 | 32_909 => "PixarFilm or PixarLog".into(),
        34_676 | 34_677 => "SGI's LogLuv".into(),
        34_712 | 33_003 | 33_004 | 33_005 => "JPEG 2000".into(),
        34_887 => "LERC".into(),
        34_892 => "lossy DNG".into(),
        34_925 => "LZMA".into(),
        34_926 | 50_000 => "Zstandard".into(),
        34_927 | 50_001 => "WebP".into(),
        50_002 | 52_546 => "JPEG XL".into(),
        34_933 => "PNG".into(),
        34_934 | 22_610 => "JPEG XR".into(),
        34_713 | 32_769 | 65_535 | 34_316 => "a camera's own method for raw photos".into(),
        other => format!("method {other}"),
    })
}

struct Picture<'a> {
    bytes: &'a [u8],
    directory: &'a Directory,
    width: u32,
    height: u32,
    pixels: u64,
}

impl Picture<'_> {
    fn number(&self, tag: u16) -> Option<u64> {
        self.directory.number(self.bytes, tag)
    }

    fn numbers(&self, tag: u16, most: usize) -> Vec<u64> {
        self.directory.numbers(self.bytes, tag, most)
    }

    /// Bytes from an offset on.
    fn part(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    }

    /// One whole JPEG, as the first edition of TIFF 6 had it.
    fn old_jpeg(&self) -> Result<Vec<u8>, ImageError> {
        let start = self.number(tag::JPEG_START).or_else(|| self.number(tag::STRIPS));
        let length = self.number(tag::JPEG_LENGTH).or_else(|| self.number(tag::STRIP_BYTES));
        let body = start.zip(length).and_then(|(start, length)| self.part(start, length));
        let jpeg = body.filter(|body| body.starts_with(&[0xff, 0xd8])).map(Jpeg::read);
        match jpeg {
            Some(Ok(jpeg)) if jpeg.size() == (self.width, self.height) => Ok(jpeg.decode(0, None)?.2),
            _ => Err(unsupported("with JPEG in its old form")),
        }
    }

    /// A JPEG for each strip or tile, whose tables may stand apart.
    fn jpeg(&self) -> Result<Vec<u8>, ImageError> {
        let samples = self.number(tag::SAMPLES).unwrap_or(1);
        if self.number(tag::PLANAR) == Some(2) && samples > 1 {
            return Err(unsupported("with JPEG in separate planes"));
        }
        let colour = match (self.number(tag::PHOTOMETRIC), samples) {
            (Some(0 | 1), 1) => Colour::Grey,
            (Some(2), 3) => Colour::Rgb,
            (Some(6), 3) => Colour::Ycc,
            (Some(5), 4) => Colour::Cmyk,
            _ => return Err(unsupported("with JPEG in unusual colours")),
        };
        let tables: Vec<u8> = self.numbers(tag::JPEG_TABLES, 1 << 16).iter().map(|&b| b as u8).collect();
        let chunks = self.chunks(1)?;
        let (across, w, h) = (chunks.across, chunks.width, chunks.height);
        let mut rgb = zeros(0, self.pixels as usize * 3)?;
        for (index, (&start, &length)) in chunks.starts.iter().zip(&chunks.lengths).enumerate() {
            let body = self.part(start, length).ok_or_else(|| damaged("a strip is cut off"))?;
            let jpeg = Jpeg::with_tables(&tables, body)?;
            let (x, y) = (index % across * w, index / across * h);
            let (width, height) = (self.width as usize, self.height as usize);
            let (columns, rows) = (w.min(width - x), h.min(height - y));
            let (has_w, has_h) = jpeg.size();
            let (has_w, has_h) = (has_w as usize, has_h as usize);
            // A strip may be padded to whole blocks.
            if has_w < columns || has_h < rows || has_w > w + 64 || has_h > h + 64 {
                return Err(damaged("a strip has another size"));
            }
            let (_, _, part) = jpeg.decode(0, Some(colour))?;
            for row in 0..rows {
                let from = &part[row * has_w * 3..][..columns * 3];
                rgb[((y + row) * width + x) * 3..][..columns * 3].copy_from_slice(from);
            }
        }
        // In the negative, black is the highest value.
        if self.number(tag::PHOTOMETRIC) == Some(0) {
            rgb.iter_mut().for_each(|value| *value = 255 - *value);
        }
        Ok(rgb)
    }

    /// All other ways: samples of one to 32 bits.
    fn samples(&self, compression: u64) -> Result<Vec<u8>, ImageError> {
        let meaning = self.meaning()?;
        let planes = if self.number(tag::PLANAR) == Some(2) { usize::from(meaning.samples) } else { 1 };
        let (bits, together) = (meaning.bits as usize, usize::from(meaning.samples) / planes);
        if matches!(compression, 2..=4) && (bits, together) != (1, 1) {
            return Err(damaged("it is a fax in colour"));
        }
        let prediction = self.number(tag::PREDICTOR).unwrap_or(1);
        let turned = self.number(tag::FILL_ORDER) == Some(2);
        let chunks = self.chunks(planes)?;
        let (width, height) = (self.width as usize, self.height as usize);
        let (across, down) = (chunks.across, chunks.down);
        let read = usize::min(meaning.read(), usize::from(meaning.samples));
        let mut rgb = zeros(0, width * height * 3)?;
        // Where each colour has a plane, what they mean together is known when all are there.
        let mut apart = zeros(0, if planes > 1 { width * height * read } else { 0 })?;
        for (index, (&start, &length)) in chunks.starts.iter().zip(&chunks.lengths).enumerate() {
            let (plane, place) = (index / (across * down), index % (across * down));
            if plane >= read {
                break;
            }
            let (x0, y0) = (place % across * chunks.width, place / across * chunks.height);
            let rows = if chunks.tiled { chunks.height } else { chunks.height.min(height - y0) };
            let little = self.directory.layout.little;
            let shape = Shape { width: chunks.width, rows, samples: together, bits, little };
            if (shape.row() as u64).saturating_mul(rows as u64) > self.pixels * BYTES_PER_PIXEL + LARGEST_TILE
            {
                return Err(too_large());
            }
            let body = self.part(start, length).ok_or_else(|| damaged("a strip is cut off"))?;
            let reversed: Vec<u8>;
            let body = if turned {
                reversed = body.iter().map(|byte| byte.reverse_bits()).collect();
                &reversed
            } else {
                body
            };
            let mut bytes = unpack(compression, body, &shape)?;
            if !undo_prediction(prediction, &mut bytes, &shape) {
                return Err(unsupported("compressed with an unusual prediction"));
            }
            let columns = shape.width.min(width - x0);
            for (y, row) in bytes.chunks_exact(shape.row().max(1)).take(height - y0).enumerate() {
                let to = (y0 + y) * width + x0;
                for x in 0..columns {
                    let sample = |channel: usize| meaning.sample(row, x * together + channel, little);
                    if planes > 1 {
                        apart[(to + x) * read + plane] = sample(0);
                    } else {
                        rgb[(to + x) * 3..][..3].copy_from_slice(&meaning.rgb(sample));
                    }
                }
            }
        }
        if planes > 1 {
            for (out, samples) in rgb.chunks_exact_mut(3).zip(apart.chunks_exact(read)) {
                out.copy_from_slice(&meaning.rgb(|channel| samples[channel]));
            }
        }
        Ok(rgb)
    }

    /// Where the strips or tiles are.
    fn chunks(&self, planes: usize) -> Result<Chunks, ImageError> {
        let tiled = self.directory.has(tag::TILES);
        let side = |tag, whole: u32| self.number(tag).map_or(whole, |n| n.min(u64::from(u32::MAX)) as u32);
        let (width, height, starts, lengths) = match tiled {
            true => (
                side(tag::TILE_WIDTH, self.width),
                side(tag::TILE_HEIGHT, self.height),
                tag::TILES,
                tag::TILE_BYTES,
            ),
            false => {
                let rows = side(tag::STRIP_ROWS, self.height).min(self.height);
                (self.width, rows, tag::STRIPS, tag::STRIP_BYTES)
            }
        };
        if width == 0 || height == 0 {
            return Err(damaged("its strips have no rows"));
        }
        let (across, down) = (self.width.div_ceil(width) as usize, self.height.div_ceil(height) as usize);
        let count = across.saturating_mul(down).saturating_mul(planes);
        if count > MOST_CHUNKS {
            return Err(damaged("it has too many strips"));
        }
        let (starts, mut lengths) = (self.numbers(starts, count), self.numbers(lengths, count));
        if lengths.is_empty() && starts.len() == 1 {
            // Old programs leave out how long the only strip is.
            lengths.push((self.bytes.len() as u64).saturating_sub(starts[0]));
        }
        if starts.len() < count || lengths.len() < count {
            return Err(damaged("strips are missing"));
        }
        Ok(Chunks { tiled, width: width as usize, height: height as usize, across, down, starts, lengths })
    }

    /// What samples stand for.
    fn meaning(&self) -> Result<Meaning, ImageError> {
        let samples = self.number(tag::SAMPLES).unwrap_or(1);
        let bits = self.numbers(tag::BITS, 8);
        let first = bits.first().copied().unwrap_or(1);
        if bits.iter().any(|&b| b != first) {
            return Err(unsupported("with colours of different bits"));
        }
        if samples == 0 || samples > 8 || first == 0 || first > 64 {
            return Err(damaged("it has a wrong number of colours or bits"));
        }
        let formats = self.numbers(tag::SAMPLE_FORMAT, 8);
        let float = formats.first() == Some(&3);
        if formats.iter().any(|&format| !matches!(format, 1 | 3 | 4) || (format == 3) != float) {
            return Err(unsupported("with numbers that may be negative"));
        }
        if !matches!((first, float), (1 | 2 | 4 | 8 | 16 | 32, false) | (32, true)) {
            return Err(unsupported(&format!("with numbers of {first} bits")));
        }
        let photometric = self.number(tag::PHOTOMETRIC);
        let colours = match photometric {
            Some(0) => Colours::Negative,
            Some(1) => Colours::Grey,
            None if samples == 1 => Colours::Grey,
            Some(2) => Colours::Rgb,
            None if samples >= 3 => Colours::Rgb,
            Some(3) => Colours::Palette(self.palette(first)?),
            Some(5) => Colours::Cmyk,
            Some(6) => {
                let subsampling = self.numbers(tag::SUBSAMPLING, 2);
                if subsampling != [1, 1] {
                    return Err(unsupported("whose colours are stored smaller without JPEG"));
                }
                Colours::Ycc
            }
            Some(4) => return Err(unsupported("that is a mask")),
            Some(8..=10) => return Err(unsupported("in the colour space Lab")),
            Some(32_844 | 32_845) => return Err(unsupported("in SGI's LogLuv")),
            Some(other) => return Err(unsupported(&format!("with colours of kind {other}"))),
            None => return Err(damaged("it does not say what its colours are")),
        };
        let extra = self.numbers(tag::EXTRA_SAMPLES, 8);
        let meaning = Meaning { samples: samples as u16, bits: first as u32, float, colours, alpha: None };
        let needed = meaning.needed() as u64;
        if samples < needed {
            return Err(damaged("colours are missing"));
        }
        if samples > 1 && matches!(meaning.colours, Colours::Palette(_)) {
            return Err(unsupported("with a palette and more"));
        }
        // A fourth sample of RGB that nothing is said of has been transparency for as long as there are such files.
        let alpha = match (samples > needed, extra.first()) {
            (false, _) => None,
            (true, Some(1)) => Some(Alpha::Multiplied),
            (true, Some(2)) => Some(Alpha::Apart),
            (true, None) if matches!(meaning.colours, Colours::Rgb) => Some(Alpha::Apart),
            (true, _) => None,
        };
        Ok(Meaning { alpha, ..meaning })
    }

    fn palette(&self, bits: u64) -> Result<Vec<[u8; 3]>, ImageError> {
        if bits > 8 {
            return Err(unsupported("with a palette of more than 256 colours"));
        }
        let colours = 1usize << bits;
        let values = self.numbers(tag::PALETTE, 3 * colours);
        if values.len() < 3 * colours {
            return Err(damaged("its palette is missing"));
        }
        // Of sixteen bits by the book, but of eight in files of old programs.
        let shift = if values.iter().all(|&value| value < 256) { 0 } else { 8 };
        Ok((0..colours).map(|i| [0, 1, 2].map(|c| (values[c * colours + i] >> shift) as u8)).collect())
    }
}

/// Strips or tiles, from left to right and down, then the next plane.
struct Chunks {
    tiled: bool,
    width: usize,
    height: usize,
    across: usize,
    down: usize,
    starts: Vec<u64>,
    lengths: Vec<u64>,
}

/// What the samples of a pixel stand for.
struct Meaning {
    samples: u16,
    bits: u32,
    float: bool,
    colours: Colours,
    alpha: Option<Alpha>,
}

enum Colours {
    Grey,
    /// Grey whose black is the highest value.
    Negative,
    Rgb,
    Palette(Vec<[u8; 3]>),
    Cmyk,
    Ycc,
}

#[derive(Clone, Copy)]
enum Alpha {
    /// Colours are multiplied by it already.
    Multiplied,
    Apart,
}

impl Meaning {
    /// Samples that make a colour.
    fn needed(&self) -> usize {
        match self.colours {
            Colours::Grey | Colours::Negative | Colours::Palette(_) => 1,
            Colours::Rgb | Colours::Ycc => 3,
            Colours::Cmyk => 4,
        }
    }

    /// Samples that make a pixel.
    fn read(&self) -> usize {
        self.needed() + usize::from(self.alpha.is_some())
    }

    /// A sample of a row: the eight highest bits of a long one, all of a short one.
    fn sample(&self, row: &[u8], place: usize, little: bool) -> u8 {
        let bits = self.bits as usize;
        match bits {
            8 => row[place],
            16 => row[2 * place + usize::from(little)],
            32 if self.float => {
                let bytes = [0, 1, 2, 3].map(|i| row[4 * place + i]);
                let value = if little { f32::from_le_bytes(bytes) } else { f32::from_be_bytes(bytes) };
                (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
            }
            32 => row[4 * place + 3 * usize::from(little)],
            _ => {
                let bit = place * bits;
                row[bit / 8] >> (8 - bits - bit % 8) & ((1u32 << bits) - 1) as u8
            }
        }
    }

    /// A pixel on white, from its samples: whole ones of eight bits, or smaller numbers.
    fn rgb(&self, sample: impl Fn(usize) -> u8) -> [u8; 3] {
        let most = if self.bits < 8 { (1u32 << self.bits) - 1 } else { 255 };
        let full = |channel: usize| u32::from(sample(channel)) * 255 / most;
        let colour = match &self.colours {
            Colours::Grey => [full(0); 3],
            Colours::Negative => [255 - full(0); 3],
            Colours::Rgb => [0, 1, 2].map(full),
            Colours::Palette(colours) => {
                colours.get(usize::from(sample(0))).copied().unwrap_or_default().map(u32::from)
            }
            Colours::Cmyk => {
                let light = 255 - full(3);
                [0, 1, 2].map(|ink| ((255 - full(ink)) * light + 127) / 255)
            }
            Colours::Ycc => {
                let [y, cb, cr] = [0, 1, 2].map(|c| full(c) as f32);
                let (cb, cr) = (cb - 128.0, cr - 128.0);
                [y + 1.402 * cr, y - 0.344_14 * cb - 0.714_14 * cr, y + 1.772 * cb]
                    .map(|v| (v + 0.5).clamp(0.0, 255.0) as u32)
            }
        };
        let alpha = self.alpha.map(|kind| (kind, full(self.needed())));
        colour.map(|value| match alpha {
            None => value as u8,
            Some((Alpha::Apart, a)) => ((value * a + 255 * (255 - a) + 127) / 255) as u8,
            Some((Alpha::Multiplied, a)) => (value + 255 - a).min(255) as u8,
        })
    }
}

fn too_large() -> ImageError {
    ImageError::new(ErrorKind::TooLarge, "needs more memory than the limits allow").with_limit(Limit::Memory)
}
