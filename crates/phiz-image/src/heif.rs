//! HEIC: pictures of phones, in the HEIF container and coded with HEVC.
//!
//! The container says how the picture is turned (`irot`, `imir`); an EXIF orientation beside that is not applied, as the
//! HEIF standard demands. Limits are checked before anything is decoded: against the size that the container states, and
//! against all that the picture is put together from, by the sizes that the coded pictures themselves state, as often as
//! each is used. So a small file cannot keep the decoder busy by a picture that is used ten thousand times.

use std::collections::BTreeMap;

use heifer::heifer_hevc_dec::nal::{NalHeader, NalUnit, NalUnitType, split_annex_b};
use heifer::heifer_hevc_dec::params::Sps;
use heifer::heifer_isobmff::HeifFile;
use heifer::heifer_isobmff::boxes::Property;
use heifer::{Error, Options, decode_rgba8};
use image::metadata::Orientation;

use crate::decode::{check_effort, check_pixels};
use crate::orientation::turn;
use crate::{ErrorKind, ImageError, Limits};

/// Pictures that are made of pictures, one in another; the decoder takes no more.
const DEEPEST: usize = 5;
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
    let pixels = check_pixels(width, height, limits)?;
    check_effort(effort(&file, file.primary_id, DEEPEST, &mut BTreeMap::new())?, pixels)?;
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

/// Pixels that are decoded for a picture: its own, or those of what it is made of, each as often as it is used, and those
/// of its transparency. `known` holds what was counted before, so that counting is quick even where decoding would not be.
fn effort(
    file: &HeifFile<'_>,
    id: u32,
    deepest: usize,
    known: &mut BTreeMap<(u32, usize), u64>,
) -> Result<u64, ImageError> {
    if let Some(pixels) = known.get(&(id, deepest)) {
        return Ok(*pixels);
    }
    let Some(below) = deepest.checked_sub(1) else {
        return Err(damaged("its parts are made of each other"));
    };
    let stated = file.image_size(id).map_err(damaged)?.map_or(0, |(w, h)| u64::from(w) * u64::from(h));
    let mut pixels = stated;
    if let Ok(stream) = file.hevc_bitstream(id) {
        for nal in split_annex_b(&stream) {
            if NalHeader::parse(nal).is_ok_and(|header| header.unit_type == NalUnitType::Sps)
                && let Ok(Ok(set)) = NalUnit::parse(nal).map(|nal| Sps::parse(&nal.rbsp))
            {
                let (w, h) = (set.pic_width_in_luma_samples, set.pic_height_in_luma_samples);
                pixels = pixels.max(u64::from(w) * u64::from(h));
            }
        }
    }
    let parts = file.referenced_items(id, b"dimg").to_vec();
    for part in parts.into_iter().chain(file.referencing_items(id, b"auxl")) {
        pixels = pixels.saturating_add(effort(file, part, below, known)?);
    }
    known.insert((id, deepest), pixels);
    Ok(pixels)
}

/// How the main picture lies in its file.
pub(crate) fn orientation(bytes: &[u8]) -> Orientation {
    HeifFile::parse(bytes).map_or(Orientation::NoTransforms, |file| orientation_of(&file))
}

/// The block of EXIF that belongs to the main picture.
pub(crate) fn exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = HeifFile::parse(bytes).ok()?;
    file.exif(file.primary_id).ok().flatten()
}

pub(crate) fn orientation_of(file: &HeifFile<'_>) -> Orientation {
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
