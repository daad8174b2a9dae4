//! HEIC: pictures of phones, in the HEIF container and coded with HEVC.
//!
//! The container says how the picture is turned (`irot`, `imir`); an EXIF orientation beside that is not applied, as the
//! HEIF standard demands. Limits are checked against the sizes that the container states before anything is decoded: of
//! the picture, and of all tiles that it is put together from.

use heifer::heifer_isobmff::HeifFile;
use heifer::heifer_isobmff::boxes::Property;
use heifer::{Error, Options, decode_rgba8};
use image::metadata::Orientation;

use crate::decode::check_pixels;
use crate::orientation::turn;
use crate::{ErrorKind, ImageError, Limits};

/// Tiles may reach beyond the picture, but not more often than they fill it.
const TILES_OVER_PICTURE: u64 = 4;
const REMEDY: &str = "convert it to JPEG, for example with libheif: heif-convert photo.heic photo.jpg";

/// A decoded picture, upright: width, height and RGBA.
pub(crate) type Decoded = (u32, u32, Vec<u8>, Orientation);

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged HEIC picture ({error})"))
}

/// Decodes the main picture, turned as the container says, and says how it was turned.
///
/// # Errors
/// A file that is damaged, exceeds the limits or holds what is not read.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let file = HeifFile::parse(bytes).map_err(damaged)?;
    let (width, height) =
        file.image_size(file.primary_id).map_err(damaged)?.ok_or_else(|| damaged("its size is missing"))?;
    check_pixels(width, height, limits)?;
    let mut tiled = 0u64;
    for tile in file.referenced_items(file.primary_id, b"dimg") {
        if let Some((w, h)) = file.image_size(*tile).map_err(damaged)? {
            tiled = tiled.saturating_add(u64::from(w) * u64::from(h));
        }
    }
    if tiled > limits.max_pixels.saturating_mul(TILES_OVER_PICTURE) {
        check_pixels(u32::try_from(tiled).unwrap_or(u32::MAX), 1, limits)?;
    }
    let orientation = orientation_of(&file);
    // In the caller's thread, as everything else.
    let options = Options { max_threads: 1, max_pixels: limits.max_pixels };
    let picture = decode_rgba8(bytes, &options).map_err(|error| match error {
        Error::Unsupported(what) => {
            let reason = format!("is a HEIC picture of a kind that Phiz does not read ({what})");
            ImageError::new(ErrorKind::Unsupported, reason).with_hint(REMEDY)
        }
        error => damaged(error),
    })?;
    check_pixels(picture.width, picture.height, limits)?;
    Ok((picture.width, picture.height, picture.data, orientation))
}

/// How the main picture lies in its file.
pub(crate) fn orientation(bytes: &[u8]) -> Orientation {
    HeifFile::parse(bytes).map_or(Orientation::NoTransforms, |file| orientation_of(&file))
}

fn orientation_of(file: &HeifFile<'_>) -> Orientation {
    // First mirrored or not, then turned clockwise by quarters: every sequence of turns and mirrors comes to that.
    let (mut mirrored, mut turns) = (false, 0u8);
    for property in file.item_properties(file.primary_id).into_iter().flatten() {
        match property {
            Property::Rotation(quarters) => turns = (turns + 4 - quarters % 4) % 4,
            Property::Mirror(top_and_bottom) => {
                mirrored = !mirrored;
                turns = (if *top_and_bottom { 6 } else { 4 } - turns) % 4;
            }
            _ => {}
        }
    }
    let number = match (mirrored, turns) {
        (false, 0) => 1,
        (false, 1) => 6,
        (false, 2) => 3,
        (false, _) => 8,
        (true, 0) => 2,
        (true, 1) => 7,
        (true, 2) => 4,
        (true, _) => 5,
    };
    turn(Some(number))
}
