//! From bytes to an upright picture, within limits.
//!
//! The format is told by content, never by the file's name. Limits are checked against the header before any
//! memory for pixels is taken. JPEGs may be decoded at 1/2, 1/4 or 1/8 straight from their frequencies
//! ([`DecodeOptions::min_long_side`]), which is several times faster than decoding all and shrinking.
//!
//! Alpha is laid on white; 16 bits are cut to 8; grey becomes RGB; CMYK is converted without a colour profile.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::jpeg::Jpeg;
use crate::orientation::orientation;
use crate::{ErrorKind, Image, ImageError};

/// How to decode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecodeOptions {
    /// What a picture may cost.
    pub limits: Limits,
    /// If set, a JPEG may be decoded at 1/2, 1/4 or 1/8 as long as its longer side keeps so many pixels.
    pub min_long_side: Option<u32>,
    /// And only down to this part of its size.
    pub min_scale: f32,
    /// Whether the EXIF orientation is applied.
    pub upright: bool,
}

impl Default for DecodeOptions {
    fn default() -> DecodeOptions {
        DecodeOptions { limits: Limits::default(), min_long_side: None, min_scale: 0.0, upright: true }
    }
}

/// What a picture may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Pixels of the picture.
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
    /// Reads and decodes a file.
    ///
    /// # Errors
    /// A file that cannot be read, is no picture, is damaged, or exceeds the limits; the error names the file.
    pub fn open(path: &Path, options: &DecodeOptions) -> Result<Image, ImageError> {
        let io = |e: std::io::Error| ImageError::new(ErrorKind::Io, format!("cannot be read ({e})")).at(path);
        let meta = std::fs::metadata(path).map_err(io)?;
        if meta.is_dir() {
            return Err(ImageError::new(ErrorKind::Io, "is a folder, not a picture").at(path));
        }
        check_bytes(meta.len(), &options.limits).map_err(|e| e.at(path))?;
        let bytes = std::fs::read(path).map_err(io)?;
        Image::decode(&bytes, options).map_err(|e| e.at(path))
    }

    /// Decodes a file's bytes.
    ///
    /// # Errors
    /// Bytes that are no picture, are damaged, or exceed the limits.
    pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
        check_bytes(bytes.len() as u64, &options.limits)?;
        // A decoder's panic is a fault of the file to us: pictures come from strangers, and one must not end the
        // work on all others.
        catch_unwind(AssertUnwindSafe(|| decode(bytes, options)))
            .unwrap_or_else(|_| Err(ImageError::new(ErrorKind::Damaged, "is damaged (the decoder gave up)")))
    }
}

fn check_bytes(bytes: u64, limits: &Limits) -> Result<(), ImageError> {
    if bytes == 0 {
        return Err(ImageError::new(ErrorKind::Damaged, "is empty"));
    }
    if bytes > limits.max_bytes {
        let reason = format!("has {bytes} bytes, more than the limit of {}", limits.max_bytes);
        return Err(ImageError::new(ErrorKind::TooLarge, reason));
    }
    Ok(())
}

/// The number of pixels, if there are any and not too many.
fn check_pixels(width: u32, height: u32, limits: &Limits) -> Result<u64, ImageError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(ImageError::new(ErrorKind::Damaged, "says that it has no pixels"));
    }
    if pixels > limits.max_pixels {
        let limit = limits.max_pixels;
        let reason = format!("is {width}×{height} = {pixels} pixels, more than the limit of {limit}");
        return Err(ImageError::new(ErrorKind::TooLarge, reason));
    }
    Ok(pixels)
}

/// Width and height from the first chunk of a PNG, which always stands at the same place.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then_some(())?;
    Some((number(16)?, number(20)?))
}

fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Image, ImageError> {
    let format = image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled);
    let format = format.ok_or_else(|| unknown(bytes))?;
    if format == ImageFormat::Jpeg {
        return decode_jpeg(bytes, options);
    }
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
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| describe(&e, bytes))?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height, &options.limits)?;
    let orientation = match options.upright {
        false => Orientation::NoTransforms,
        true if format == ImageFormat::Tiff => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        true => orientation(bytes, format),
    };
    let picture = DynamicImage::from_decoder(decoder).map_err(|e| describe(&e, bytes))?;
    Ok(upright(opaque(picture), orientation, (width, height)))
}

/// Turns pixels upright; `original` is the size of the picture as it lies.
fn upright(picture: image::RgbImage, orientation: Orientation, original: (u32, u32)) -> Image {
    let mut picture = DynamicImage::ImageRgb8(picture);
    picture.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let picture = picture.into_rgb8();
    let (width, height) = picture.dimensions();
    let original = if turned { (original.1, original.0) } else { original };
    Image { width, height, pixels: picture.into_raw(), original }
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
    let picture = image::RgbImage::from_raw(w, h, rgb)
        .ok_or_else(|| ImageError::new(ErrorKind::Damaged, "is a damaged JPEG"))?;
    let orientation = match options.upright {
        true => orientation(bytes, ImageFormat::Jpeg),
        false => Orientation::NoTransforms,
    };
    Ok(upright(picture, orientation, (width, height)))
}

/// RGB, with transparent parts laid on white.
fn opaque(picture: DynamicImage) -> image::RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba = picture.into_rgba8();
    let (w, h) = rgba.dimensions();
    let blend = |c: u8, a: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
    let pixels = rgba.pixels().flat_map(|p| [0, 1, 2].map(|i| blend(p.0[i], p.0[3]))).collect();
    image::RgbImage::from_raw(w, h, pixels).unwrap_or_else(|| image::RgbImage::new(w, h))
}

/// What the bytes are, where we can tell, when no decoder knows them.
fn unknown(bytes: &[u8]) -> ImageError {
    let kinds: [(&str, bool); 7] = [
        ("a HEIC or AVIF picture, which is not supported", bytes.get(4..8) == Some(b"ftyp")),
        ("a PDF document", bytes.starts_with(b"%PDF")),
        ("a ZIP archive", bytes.starts_with(b"PK")),
        ("an SVG or HTML text", bytes.trim_ascii_start().starts_with(b"<")),
        ("a Photoshop file", bytes.starts_with(b"8BPS")),
        ("a program", bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"MZ")),
        ("text", bytes.iter().take(512).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())),
    ];
    let kind = kinds.iter().find(|(_, is)| *is).map_or("no picture that Phiz knows", |(kind, _)| kind);
    ImageError::new(ErrorKind::UnknownFormat, format!("is {kind}"))
}

fn describe(error: &image::ImageError, bytes: &[u8]) -> ImageError {
    use image::ImageError as E;
    match error {
        E::Limits(_) => {
            ImageError::new(ErrorKind::TooLarge, format!("needs more memory than the limits allow ({error})"))
        }
        E::Unsupported(_) if image::guess_format(bytes).is_err() => unknown(bytes),
        E::Unsupported(_) => ImageError::new(
            ErrorKind::UnknownFormat,
            format!("uses a variant that is not supported ({error})"),
        ),
        E::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::new(ErrorKind::Damaged, "is cut off")
        }
        _ => ImageError::new(ErrorKind::Damaged, format!("is damaged ({error})")),
    }
}
