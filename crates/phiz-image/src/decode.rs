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
/// Scans of a JPEG, each of which goes over all pixels. Progressive ones of cameras and encoders have about ten; each of
/// thousands may cost its file a few bytes only.
const MOST_SCANS: usize = 100;
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
    let orientation = match (options.upright, format) {
        (false, _) => None,
        (true, ImageFormat::WebP) => webp_orientation(bytes),
        (true, _) => decoder.orientation().ok(),
    };
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    if format == ImageFormat::Jpeg {
        check_scans(bytes)?;
    }
    let reduced = match (format, options.min_long_side) {
        (ImageFormat::Jpeg, Some(side)) if width.max(height) / 2 >= side.max(1) => {
            reduced_jpeg(bytes, width, height, side, options.min_scale)
        }
        _ => None,
    };
    let mut picture = match reduced {
        Some(picture) => picture,
        None => DynamicImage::from_decoder(decoder).map_err(|e| describe(&e, bytes))?,
    };
    picture.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let rgb = opaque(picture);
    let (w, h) = rgb.dimensions();
    let original = if turned { (height, width) } else { (width, height) };
    Ok(Image { width: w, height: h, pixels: rgb.into_raw(), original })
}

/// The orientation that a WebP's EXIF chunk tells. A chunk may say to be larger than its file, and memory would be taken
/// for it.
fn webp_orientation(bytes: &[u8]) -> Option<Orientation> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).ok()?;
    decoder.set_memory_limit(bytes.len());
    Orientation::from_exif_chunk(&decoder.exif_metadata().ok()??)
}

/// Refuses a JPEG that ends too early or is drawn too often.
fn check_scans(bytes: &[u8]) -> Result<(), ImageError> {
    let scans = jpeg_scans(bytes)
        .ok_or_else(|| ImageError::new(ErrorKind::Damaged, "is cut off (the end of the JPEG is missing)"))?;
    if scans > MOST_SCANS {
        let reason = format!("draws its picture {scans} times over, more than the limit of {MOST_SCANS}");
        return Err(ImageError::new(ErrorKind::TooLarge, reason));
    }
    Ok(())
}

/// Scans of the first picture of a JPEG file, if it goes on to its end-of-image marker. Decoders fill up what is missing
/// with grey, which would silently hide faces. Segments are stepped over by their length, because one may hold a
/// thumbnail with a marker of its own; cameras append data behind the end, so that the file's last bytes tell nothing.
fn jpeg_scans(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut scans) = (2, 0);
    // Until a scan begins, what stands between markers is a segment; behind its header a scan's data goes on to the
    // next marker that is neither stuffing (00) nor a restart.
    loop {
        at += 1 + bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match *bytes.get(at)? {
            0xd9 => return Some(scans),
            // Fill bytes, stuffing, restarts and markers without a length.
            0xff => {}
            0x00 | 0x01 | 0xd0..=0xd8 => at += 1,
            marker => {
                scans += usize::from(marker == 0xda);
                at += 1 + usize::from(u16::from_be_bytes(bytes.get(at + 1..at + 3)?.try_into().ok()?));
            }
        }
    }
}

/// A JPEG at the smallest of 1/2, 1/4, 1/8 that is `scale` at least and whose longer side keeps `side` pixels; none where
/// the decoder cannot.
fn reduced_jpeg(bytes: &[u8], width: u32, height: u32, side: u32, scale: f32) -> Option<DynamicImage> {
    let long = width.max(height);
    let factor = [8u32, 4, 2].into_iter().find(|&f| 1.0 / f as f32 >= scale && long.div_ceil(f) >= side)?;
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let ask = |length: u32| u16::try_from(length.div_ceil(factor)).ok();
    let (w, h) = decoder.scale(ask(width)?, ask(height)?).ok()?;
    let pixels = decoder.decode().ok()?;
    let (w, h) = (u32::from(w), u32::from(h));
    match decoder.info()?.pixel_format {
        jpeg_decoder::PixelFormat::RGB24 => {
            image::RgbImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgb8)
        }
        jpeg_decoder::PixelFormat::L8 => {
            image::GrayImage::from_raw(w, h, pixels).map(DynamicImage::ImageLuma8)
        }
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::jpeg_scans;

    #[test]
    fn the_end_of_a_jpeg_is_its_own() {
        // Beginning, a segment with an end marker inside, scan header of 4 bytes, data with stuffing and a restart.
        let whole = [
            &[0xff, 0xd8, 0xff, 0xe5, 0, 6, 0xff, 0xd9, 1, 2][..],
            &[0xff, 0xda, 0, 4, 1, 1, 7, 0xff, 0x00, 0xd9, 0xff, 0xd3, 9, 0xff, 0xff, 0xd9],
        ]
        .concat();
        assert_eq!(jpeg_scans(&whole), Some(1));
        assert_eq!(jpeg_scans(&[&whole[..], &[5; 100]].concat()), Some(1), "data behind the end");
        for length in 0..whole.len() {
            assert_eq!(jpeg_scans(&whole[..length]), None, "{length} bytes");
        }
    }
}
