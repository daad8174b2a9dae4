//! JPEG XL, bare or in a container, of any kind of compression.
//!
//! The picture's header says how it lies; an EXIF orientation beside that is not applied, as the standard demands. Memory
//! is counted by the decoder while it works, so that a small file cannot ask for much.

use std::io::Cursor;

use image::metadata::Orientation;
use jxl_oxide::{AllocTracker, EnumColourEncoding, JxlImage, JxlThreadPool, RenderingIntent};

use crate::decode::check_pixels;
use crate::error::{Limit, zeros};
use crate::orientation::turn;
use crate::{ErrorKind, ImageError, Limits};

/// Channels are computed as f32, several times over where filters and blending need it.
const BYTES_PER_PIXEL: u64 = 64;
/// What small pictures may need beside their pixels.
const LEAST_MEMORY: u64 = 64 << 20;
const REMEDY: &str = "convert it to JPEG or PNG, for example with libjxl: djxl photo.jxl photo.png";

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged JPEG XL picture ({error})"))
}

fn open(bytes: &[u8], memory: u64) -> Result<JxlImage, ImageError> {
    let memory = usize::try_from(memory).unwrap_or(usize::MAX);
    let builder =
        JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(AllocTracker::with_limit(memory));
    builder.read(Cursor::new(bytes)).map_err(|error| described(&*error))
}

fn described(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ImageError {
    let text = error.to_string();
    if text.to_lowercase().contains("memory") {
        return ImageError::new(ErrorKind::TooLarge, "needs more memory than the limits allow")
            .with_limit(Limit::Memory);
    }
    damaged(text)
}

/// Decodes the first picture, turned as its header says: width, height, samples, how many of them a pixel has (1 to 4:
/// grey or RGB, with or without alpha), and how it was turned.
///
/// # Errors
/// A file that is damaged, exceeds the limits or holds what is not read.
pub(crate) fn decode(
    bytes: &[u8],
    limits: &Limits,
) -> Result<(u32, u32, Vec<u8>, usize, Orientation), ImageError> {
    let memory = limits.max_pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(LEAST_MEMORY);
    let mut picture = open(bytes, memory)?;
    let (width, height) = (picture.width(), picture.height());
    check_pixels(width, height, limits)?;
    picture.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
    let format = picture.pixel_format();
    if format.has_black() {
        let reason = "is a JPEG XL picture in CMYK, which Phiz does not read";
        return Err(ImageError::new(ErrorKind::Unsupported, reason).with_hint(REMEDY));
    }
    let render = picture.render_frame(0).map_err(|error| described(&*error))?;
    let mut stream = render.stream();
    if (stream.width(), stream.height()) != (width, height) {
        return Err(damaged("its picture has another size than its header says"));
    }
    let channels = stream.channels() as usize;
    if !(1..=4).contains(&channels) {
        let reason = format!("is a JPEG XL picture of {channels} channels, which Phiz does not read");
        return Err(ImageError::new(ErrorKind::Unsupported, reason).with_hint(REMEDY));
    }
    let mut samples = zeros(0u8, width as usize * height as usize * channels)?;
    stream.write_to_buffer(&mut samples);
    Ok((width, height, samples, channels, orientation_of(&picture)))
}

/// How the picture lies in its file.
pub(crate) fn orientation(bytes: &[u8]) -> Orientation {
    open(bytes, LEAST_MEMORY).map_or(Orientation::NoTransforms, |picture| orientation_of(&picture))
}

fn orientation_of(picture: &JxlImage) -> Orientation {
    turn(u8::try_from(picture.image_header().metadata.orientation).ok())
}
