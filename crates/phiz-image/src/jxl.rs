//! JPEG XL, bare or in a container, of any kind of compression.
//!
//! The picture's header says how it lies; an EXIF orientation beside that is not applied, as the standard demands. Memory
//! is counted by the decoder while it works, so that a small file cannot ask for much; and the layers that a picture is put
//! together from are counted before, so that it cannot keep the decoder busy.

use std::io::Cursor;

use image::metadata::Orientation;
use jxl_oxide::{AllocTracker, AuxBoxData, EnumColourEncoding, JxlImage, JxlThreadPool, RenderingIntent};

use crate::decode::{check_effort, check_pixels};
use crate::error::{Limit, zeros};
use crate::orientation::turn;
use crate::{ErrorKind, ImageError, Limits};

/// Channels are computed as f32, several times over where filters and blending need it.
const BYTES_PER_PIXEL: u64 = 64;
/// What small pictures may need beside their pixels.
const LEAST_MEMORY: usize = 64 << 20;
const REMEDY: &str = "convert it to JPEG or PNG, for example with libjxl: djxl photo.jxl photo.png";

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged JPEG XL picture ({error})"))
}

/// The picture before it is decoded, and by what its memory is counted.
fn open(bytes: &[u8]) -> Result<(JxlImage, AllocTracker), ImageError> {
    let memory = AllocTracker::with_limit(LEAST_MEMORY);
    let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(memory.clone());
    let picture = builder.read(Cursor::new(bytes)).map_err(|error| described(&*error))?;
    Ok((picture, memory))
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
    let (mut picture, memory) = open(bytes)?;
    let (width, height) = (picture.width(), picture.height());
    let pixels = check_pixels(width, height, limits)?;
    // What the picture itself may need, not what the largest would.
    memory.expand_limit(usize::try_from(pixels.saturating_mul(BYTES_PER_PIXEL)).unwrap_or(usize::MAX >> 1));
    let mut effort = 0u64;
    for frame in (0..picture.num_loaded_frames()).map_while(|i| picture.frame(i)) {
        let header = frame.header();
        effort = effort.saturating_add(u64::from(header.width) * u64::from(header.height));
        // What follows the first picture of an animation is not decoded.
        if header.is_keyframe() {
            break;
        }
    }
    check_effort(effort, pixels)?;
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
    open(bytes).map_or(Orientation::NoTransforms, |(picture, _)| orientation_of(&picture))
}

/// The block of EXIF in the container.
pub(crate) fn exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let (picture, _) = open(bytes).ok()?;
    let AuxBoxData::Data(exif) = picture.aux_boxes().first_exif().ok()? else { return None };
    Some(exif.payload().get(exif.tiff_header_offset() as usize..)?.to_vec())
}

fn orientation_of(picture: &JxlImage) -> Orientation {
    turn(u8::try_from(picture.image_header().metadata.orientation).ok())
}
