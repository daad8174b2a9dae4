//! JPEG XL, bare or in a container, of any kind of compression.
//!
//! The picture's header says how it lies; an EXIF orientation beside that is not applied, as the standard demands. Memory
//! is counted by the decoder while it works, so that a small file cannot ask for much; and the layers that a picture is put
//! together from are counted before, so that it cannot keep the decoder busy.

use std::borrow::Cow;
use std::io::Read as _;

use image::metadata::Orientation;
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, InitializeResult, JxlImage, JxlThreadPool, RenderingIntent,
};

use crate::decode::{check_effort, check_pixels};
use crate::error::{Limit, zeros};
use crate::orientation::turn;
use crate::{ErrorKind, ImageError, Limits};

/// Channels are computed as f32, several times over where filters and blending need it; layers are held until the end.
const BYTES_PER_PIXEL: u64 = 128;
/// Bytes that are handed to the decoder at once: it puts layers together as they come.
const CHUNK: usize = 1 << 12;
/// The largest block of EXIF, unpacked.
const MOST_EXIF: u64 = 8 << 20;
/// What small pictures may need beside their pixels.
const LEAST_MEMORY: usize = 64 << 20;
const REMEDY: &str = "convert it to JPEG or PNG, for example with libjxl: djxl photo.jxl photo.png";

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged JPEG XL picture ({error})"))
}

/// The boxes of a container, by their type; none of a bare picture.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = if bytes.starts_with(b"\xff\x0a") { &[][..] } else { bytes };
    std::iter::from_fn(move || {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let (kind, mut body) = after.split_first_chunk::<4>()?;
        let length = match u32::from_be_bytes(*size) {
            // To the end.
            0 => body.len(),
            1 => {
                let (long, after) = body.split_first_chunk::<8>()?;
                body = after;
                usize::try_from(u64::from_be_bytes(*long).checked_sub(16)?).ok()?
            }
            size => (size as usize).checked_sub(8)?,
        };
        // What is cut off is shown as far as it goes.
        let (body, after) = body.split_at(length.min(body.len()));
        rest = after;
        Some((kind, body))
    })
}

/// The coded picture alone: what lies beside it in a container could be packed, and grow without a limit.
fn codestream(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.starts_with(b"\xff\x0a") {
        return Cow::Borrowed(bytes);
    }
    if let Some((_, body)) = boxes(bytes).find(|(kind, _)| *kind == b"jxlc") {
        return Cow::Borrowed(body);
    }
    // Parts with a number before each; the highest bit marks the last.
    let mut parts: Vec<(u32, &[u8])> = Vec::new();
    for (_, body) in boxes(bytes).filter(|(kind, _)| *kind == b"jxlp") {
        if let Some((number, rest)) = body.split_first_chunk::<4>() {
            parts.push((u32::from_be_bytes(*number) & 0x7fff_ffff, rest));
        }
    }
    parts.sort_by_key(|(number, _)| *number);
    Cow::Owned(parts.into_iter().flat_map(|(_, body)| body.iter().copied()).collect())
}

/// A picture as far as it is read.
enum Reading {
    Header(Box<jxl_oxide::UninitializedJxlImage>),
    Picture(Box<JxlImage>),
}

/// Reads a picture before it is decoded: all of it, or (without limits) its header alone.
fn open(bytes: &[u8], limits: Option<&Limits>) -> Result<JxlImage, ImageError> {
    let memory = AllocTracker::with_limit(LEAST_MEMORY);
    let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(memory.clone());
    let mut reading = Reading::Header(Box::new(builder.build_uninit()));
    let stream = codestream(bytes);
    let (mut at, mut chunk, mut pixels, mut effort, mut frames) = (0, CHUNK.min(512), 0, 0u64, 0);
    loop {
        let next = &stream[at..(at + chunk).min(stream.len())];
        let taken = match &mut reading {
            Reading::Header(header) => header.feed_bytes(next),
            Reading::Picture(picture) => picture.feed_bytes(next),
        };
        let taken = taken.map_err(|error| described(&*error))?;
        at += taken;
        let ended = at >= stream.len() || (taken == 0 && at + chunk >= stream.len());
        // A piece that is too short for what must be seen at once.
        chunk = if taken == 0 { chunk * 2 } else { CHUNK };
        reading = match reading {
            Reading::Header(header) => match header.try_init().map_err(|error| described(&*error))? {
                InitializeResult::NeedMoreData(_) if ended => return Err(damaged("it is cut off")),
                InitializeResult::NeedMoreData(header) => Reading::Header(Box::new(header)),
                InitializeResult::Initialized(picture) => {
                    let Some(limits) = limits else { return Ok(picture) };
                    pixels = check_pixels(picture.width(), picture.height(), limits)?;
                    // What the picture itself may need, not what the largest would.
                    let room = usize::try_from(pixels.saturating_mul(BYTES_PER_PIXEL));
                    memory.expand_limit(room.unwrap_or(usize::MAX >> 1));
                    Reading::Picture(Box::new(picture))
                }
            },
            picture => picture,
        };
        if let Reading::Picture(picture) = &mut reading {
            let mut shown = false;
            while let Some(frame) =
                (frames < picture.num_loaded_frames()).then(|| picture.frame(frames)).flatten()
            {
                let header = frame.header();
                effort = effort.saturating_add(u64::from(header.width) * u64::from(header.height));
                frames += 1;
                shown |= header.is_keyframe();
            }
            check_effort(effort, pixels)?;
            // What follows the first picture of an animation is not looked at.
            if ended || (shown && picture.num_loaded_keyframes() > 0) {
                break;
            }
        }
    }
    match reading {
        Reading::Picture(picture) => Ok(*picture),
        Reading::Header(_) => Err(damaged("it is cut off")),
    }
}

fn described(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ImageError {
    let text = error.to_string();
    if ["memory", "allocate"].iter().any(|word| text.to_lowercase().contains(word)) {
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
    let mut picture = open(bytes, Some(limits))?;
    let (width, height) = (picture.width(), picture.height());
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
    open(bytes, None).map_or(Orientation::NoTransforms, |picture| orientation_of(&picture))
}

/// The block of EXIF in the container.
pub(crate) fn exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let block = boxes(bytes).find_map(|(kind, body)| match kind {
        b"Exif" => Some(Cow::Borrowed(body)),
        // Packed: the type of what is inside, and it.
        b"brob" => {
            let mut out = Vec::new();
            let packed = body.strip_prefix(b"Exif")?;
            let unpacked =
                brotli_decompressor::Decompressor::new(packed, 4096).take(MOST_EXIF).read_to_end(&mut out);
            // What is damaged at its end may still tell.
            (unpacked.is_ok() || !out.is_empty()).then_some(Cow::Owned(out))
        }
        _ => None,
    })?;
    // Where the block begins, counted from behind that number.
    let (start, rest) = block.split_first_chunk::<4>()?;
    Some(rest.get(u32::from_be_bytes(*start) as usize..)?.to_vec())
}

fn orientation_of(picture: &JxlImage) -> Orientation {
    turn(u8::try_from(picture.image_header().metadata.orientation).ok())
}
