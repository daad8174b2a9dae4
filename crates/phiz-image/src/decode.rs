//! From bytes to an upright picture, within limits.
//!
//! The format is told by content, never by the file's name. Limits are checked against the header before any
//! memory for pixels is taken. JPEGs may be decoded at 1/2, 1/4 or 1/8 straight from their frequencies
//! ([`DecodeOptions::min_long_side`]), which is several times faster than decoding all and shrinking.
//!
//! Alpha is laid on white; 16 bits are cut to 8; grey becomes RGB; CMYK is converted without a colour profile.

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::error::Limit;
use crate::jpeg::Jpeg;
use crate::orientation::{Source, orientation};
use crate::{ErrorKind, Image, ImageError, formats, heif, jxl, tiff};

/// How to decode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecodeOptions {
    /// Limits on the file and the picture.
    pub limits: Limits,
    /// If set, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its longer side keeps this many pixels.
    pub min_long_side: Option<u32>,
    /// The smallest part of its size at which a JPEG may be decoded; it holds together with `min_long_side`.
    pub min_scale: f32,
    /// Whether the EXIF orientation is applied.
    pub upright: bool,
}

impl Default for DecodeOptions {
    fn default() -> DecodeOptions {
        DecodeOptions { limits: Limits::default(), min_long_side: None, min_scale: 0.0, upright: true }
    }
}

/// Limits on the file and the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that the file may have.
    pub max_bytes: u64,
    /// The most pixels that the picture may have.
    pub max_pixels: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_bytes: 256 << 20, max_pixels: 200_000_000 }
    }
}

/// Decoders may need this many bytes a pixel for themselves (16-bit RGBA and a copy of it).
const BYTES_PER_PIXEL: u64 = 16;
/// Bytes that a colour profile and the like may take; those of printers have two or three million.
const LARGEST_PROFILE: u64 = 8 << 20;

impl Image {
    /// Reads and decodes a file, which may also be a pipe or another that cannot tell its size.
    ///
    /// # Errors
    /// A file that cannot be read, is no picture, is damaged, or exceeds the limits; the error names the file.
    pub fn open(path: &Path, options: &DecodeOptions) -> Result<Image, ImageError> {
        let io = |e: std::io::Error| ImageError::new(ErrorKind::Io, format!("cannot be read ({e})")).at(path);
        let file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if meta.is_dir() {
            return Err(ImageError::new(ErrorKind::Io, "is a folder, not a picture").at(path));
        }
        // The length of what is no ordinary file means nothing; that of one may be wrong, as in /proc, but only be 0.
        if meta.len() > options.limits.max_bytes {
            return Err(too_long(Some(meta.len()), &options.limits).at(path));
        }
        Image::from_reader(file, options).map_err(|e| e.at(path))
    }

    /// Reads to the end, as far as the limits allow, and decodes what was read.
    ///
    /// # Errors
    /// A reader that fails, or bytes that are no picture, are damaged, or exceed the limits.
    pub fn from_reader(reader: impl Read, options: &DecodeOptions) -> Result<Image, ImageError> {
        let mut bytes = Vec::new();
        let most = options.limits.max_bytes;
        reader.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::OutOfMemory => {
                ImageError::new(ErrorKind::TooLarge, "needs more memory than this machine can give")
                    .with_limit(Limit::Memory)
            }
            _ => ImageError::new(ErrorKind::Io, format!("cannot be read ({e})")),
        })?;
        if bytes.len() as u64 > most {
            return Err(too_long(None, &options.limits));
        }
        Image::decode(&bytes, options)
    }

    /// Decodes a file's bytes.
    ///
    /// # Errors
    /// Bytes that are no picture, are damaged, or exceed the limits.
    pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
        if bytes.is_empty() {
            return Err(ImageError::new(ErrorKind::Damaged, "is empty"));
        }
        if bytes.len() as u64 > options.limits.max_bytes {
            return Err(too_long(Some(bytes.len() as u64), &options.limits));
        }
        // A decoder's panic is a fault of the file to us: pictures come from strangers, and one must not end the
        // work on all others.
        catch_unwind(AssertUnwindSafe(|| decode(bytes, options)))
            .unwrap_or_else(|_| Err(ImageError::new(ErrorKind::Damaged, "is damaged (the decoder gave up)")))
    }
}

fn too_long(found: Option<u64>, limits: &Limits) -> ImageError {
    let allowed = limits.max_bytes;
    let reason = match found {
        Some(found) => format!("has {found} bytes, more than the limit of {allowed}"),
        None => format!("has more bytes than the limit of {allowed}"),
    };
    ImageError::new(ErrorKind::TooLarge, reason).with_limit(Limit::Bytes { found, allowed })
}

/// The number of pixels, if there are any and not too many.
pub(crate) fn check_pixels(width: u32, height: u32, limits: &Limits) -> Result<u64, ImageError> {
    let found = u64::from(width) * u64::from(height);
    if found == 0 {
        return Err(ImageError::new(ErrorKind::Damaged, "says that it has no pixels"));
    }
    let allowed = limits.max_pixels;
    if found > allowed {
        let reason = format!("is {width}×{height} = {found} pixels, more than the limit of {allowed}");
        return Err(ImageError::new(ErrorKind::TooLarge, reason).with_limit(Limit::Pixels { found, allowed }));
    }
    Ok(found)
}

/// A picture may be put together from so many times its pixels, and so many more.
const MOST_TIMES: u64 = 16;
const MOST_PIXELS_BESIDE: u64 = 64 << 20;

/// Refuses a picture of `pixels` for which far more than that must be decoded.
pub(crate) fn check_effort(effort: u64, pixels: u64) -> Result<(), ImageError> {
    if effort <= pixels.saturating_mul(MOST_TIMES).saturating_add(MOST_PIXELS_BESIDE) {
        return Ok(());
    }
    let reason =
        format!("has {pixels} pixels, but is put together from {effort}: its parts are used too often");
    Err(ImageError::new(ErrorKind::TooLarge, reason).with_limit(Limit::Scans))
}

fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
    let format = formats::by_content(bytes).ok_or_else(|| unknown(bytes))?;
    match format.name {
        "JPEG" => decode_jpeg(bytes, options),
        "TIFF" => decode_tiff(bytes, options),
        "PNG" => decode_other(bytes, ImageFormat::Png, options),
        "WebP" => decode_other(bytes, ImageFormat::WebP, options),
        "GIF" => decode_other(bytes, ImageFormat::Gif, options),
        "BMP" => decode_other(bytes, ImageFormat::Bmp, options),
        "HEIC" => {
            let (w, h, samples, orientation) = heif::decode(bytes, &options.limits)?;
            turned((w, h), samples, 4, orientation, options)
        }
        "AVIF" => {
            let (w, h, rgba, orientation) = crate::avif::decode(bytes, &options.limits)?;
            let picture = image::RgbaImage::from_raw(w, h, rgba).unwrap_or_default();
            let rgb = opaque(DynamicImage::ImageRgba8(picture)).into_raw();
            upright((w, h), rgb, orientation, (w, h), options)
        }
        "JPEG XL" => {
            let (w, h, samples, channels, orientation) = jxl::decode(bytes, &options.limits)?;
            turned((w, h), samples, channels, orientation, options)
        }
        name => {
            let article = if name.starts_with(['A', 'H', 'O', 'i']) && name != "HEIC" { "an" } else { "a" };
            let noun = if name.ends_with(['e', 'o', 'n']) { "" } else { " picture" };
            let reason = format!("is {article} {name}{noun}, which Phiz does not read");
            Err(ImageError::new(ErrorKind::Unsupported, reason).with_hint(format.remedy))
        }
    }
}

fn decode_jpeg(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
    let jpeg = Jpeg::read(bytes)?;
    let (width, height) = jpeg.size();
    check_pixels(width, height, &options.limits)?;
    let long = width.max(height);
    let enough = |reduction: &u32| {
        let factor = 1u32 << reduction;
        1.0 / factor as f32 >= options.min_scale
            && options.min_long_side.is_some_and(|side| long.div_ceil(factor) >= side)
    };
    let reduction = [3, 2, 1].into_iter().find(enough).unwrap_or(0);
    let (w, h, rgb) = jpeg.decode(reduction, None)?;
    let orientation = orientation(bytes, Source::Jpeg);
    upright((w, h), rgb, orientation, (width, height), options)
}

fn decode_tiff(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
    let (w, h, rgb, orientation) = tiff::decode(bytes, &options.limits)?;
    upright((w, h), rgb, orientation, (w, h), options)
}

/// From samples of which a decoder has turned them upright already: turned back where that is not wanted.
fn turned(
    (width, height): (u32, u32),
    samples: Vec<u8>,
    channels: usize,
    orientation: Orientation,
    options: &DecodeOptions,
) -> Result<Image, ImageError> {
    let picture = match channels {
        1 => image::GrayImage::from_raw(width, height, samples).map(DynamicImage::ImageLuma8),
        2 => image::GrayAlphaImage::from_raw(width, height, samples).map(DynamicImage::ImageLumaA8),
        3 => image::RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
        _ => image::RgbaImage::from_raw(width, height, samples).map(DynamicImage::ImageRgba8),
    };
    let Some(mut picture) = picture else {
        return Err(ImageError::new(ErrorKind::Damaged, "is damaged (it has too few pixels)"));
    };
    if !options.upright {
        picture.apply_orientation(match orientation {
            Orientation::Rotate90 => Orientation::Rotate270,
            Orientation::Rotate270 => Orientation::Rotate90,
            // Everything else is its own opposite.
            same => same,
        });
    }
    let (width, height) = (picture.width(), picture.height());
    Image::from_rgb(width, height, opaque(picture).into_raw())
}

/// Turns pixels upright; `original` is the size of the picture as it lies.
fn upright(
    (width, height): (u32, u32),
    rgb: Vec<u8>,
    orientation: Orientation,
    original: (u32, u32),
    options: &DecodeOptions,
) -> Result<Image, ImageError> {
    use Orientation::{NoTransforms, Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let picture = Image { original, ..Image::from_rgb(width, height, rgb)? };
    if !options.upright || orientation == NoTransforms {
        return Ok(picture);
    }
    let turned = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    let pixels = image::RgbImage::from_raw(width, height, picture.pixels).unwrap_or_default();
    let mut pixels = DynamicImage::ImageRgb8(pixels);
    pixels.apply_orientation(orientation);
    let pixels = pixels.into_rgb8();
    let (width, height) = pixels.dimensions();
    let original = if turned { (original.1, original.0) } else { original };
    Ok(Image { width, height, pixels: pixels.into_raw(), original })
}

/// Width and height from the header of a BMP.
fn bmp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    // The oldest header has numbers of 16 bits.
    (number(14)? >= 40).then_some(())?;
    Some((number(18)?.unsigned_abs(), number(22)?.unsigned_abs()))
}

/// Width and height from the first chunk of a PNG, which always stands at the same place.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then_some(())?;
    Some((number(16)?, number(20)?))
}

fn decode_other(bytes: &[u8], format: ImageFormat, options: &DecodeOptions) -> Result<Image, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    let mut memory = options.limits.max_pixels.saturating_mul(BYTES_PER_PIXEL);
    if format == ImageFormat::Png
        && let Some((width, height)) = png_size(bytes)
    {
        // The decoder unpacks a colour profile before it tells the size: a small picture may carry no large one.
        let pixels = check_pixels(width, height, &options.limits)?;
        memory = memory.min(pixels * BYTES_PER_PIXEL + LARGEST_PROFILE);
    }
    if format == ImageFormat::Bmp
        && let Some((width, height)) = bmp_size(bytes)
    {
        check_pixels(width, height, &options.limits)?;
    }
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| describe(&e))?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height, &options.limits)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(|e| describe(&e))?;
    let orientation = match format {
        ImageFormat::Png => orientation(bytes, Source::Png),
        ImageFormat::WebP => orientation(bytes, Source::WebP),
        ImageFormat::Gif => orientation(bytes, Source::Gif),
        _ => Orientation::NoTransforms,
    };
    let rgb = opaque(picture).into_raw();
    upright((width, height), rgb, orientation, (width, height), options)
}

/// RGB, with transparent parts laid on white.
fn opaque(picture: DynamicImage) -> image::RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba = picture.into_rgba8();
    let mut rgb = image::RgbImage::new(rgba.width(), rgba.height());
    let blend = |c: u8, a: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
    let (from, to) = (rgba.as_raw().as_chunks::<4>().0, rgb.as_chunks_mut::<3>().0);
    for (&[r, g, b, a], to) in from.iter().zip(to) {
        *to = [r, g, b].map(|c| blend(c, a));
    }
    rgb
}

/// What bytes are that are no picture, where we can tell.
fn unknown(bytes: &[u8]) -> ImageError {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let kinds: [(&str, bool); 9] = [
        ("a video, or another file of the MP4 family", bytes.get(4..8) == Some(b"ftyp")),
        ("a video", starts(b"\x1a\x45\xdf\xa3") || starts(b"RIFF") && bytes.get(8..12) == Some(b"AVI ")),
        ("a PDF document", starts(b"%PDF")),
        ("a ZIP archive", starts(b"PK\x03\x04") || starts(b"PK\x05\x06")),
        ("a GZIP archive", starts(b"\x1f\x8b")),
        ("an SVG or HTML text", bytes.trim_ascii_start().starts_with(b"<")),
        ("a program", starts(b"\x7fELF") || starts(b"MZ")),
        ("text", bytes.iter().take(512).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())),
        ("nothing but zeros: its content was lost", bytes.iter().all(|&b| b == 0)),
    ];
    let kind = kinds.iter().find(|(_, is)| *is).map_or("no picture that Phiz knows", |(kind, _)| kind);
    ImageError::new(ErrorKind::UnknownFormat, format!("is {kind}"))
}

fn describe(error: &image::ImageError) -> ImageError {
    use image::ImageError as E;
    match error {
        E::Limits(_) => {
            ImageError::new(ErrorKind::TooLarge, format!("needs more memory than the limits allow ({error})"))
                .with_limit(Limit::Memory)
        }
        E::Unsupported(_) => ImageError::new(
            ErrorKind::Unsupported,
            format!("uses a variant of its format that Phiz does not read ({error})"),
        ),
        E::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::new(ErrorKind::Damaged, "is cut off")
        }
        _ => ImageError::new(ErrorKind::Damaged, format!("is damaged ({error})")),
    }
}
