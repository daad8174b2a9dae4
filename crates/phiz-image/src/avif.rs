//! AVIF: pictures of web sites, in the container of HEIC and coded with AV1.
//!
//! The container is read here; AV1 is decoded by an `ffmpeg` child (`child.rs`), which is the way for video as well. The
//! container says how the picture is cut and turned (`clap`, `irot`, `imir`); an EXIF orientation beside that is not
//! applied, as for HEIC. Limits are checked before a child is started: against the size that the container states, and
//! against all that the picture is put together from. What is coded says its own size, which must be the stated one, and
//! how many pictures there are of it is counted, so a small file cannot keep the decoder busy.
//!
//! Of a sequence (`avis`), the still picture that stands beside it is read. Colours are taken as sRGB, as those of all
//! formats but HEIC are: primaries, the curves of HDR and colour profiles are not applied.

mod child;
mod coded;
mod colour;

use std::collections::BTreeMap;
use std::sync::Arc;

use heifer::heifer_isobmff::HeifFile;
use heifer::heifer_isobmff::boxes::{ColorInfo, Grid, Property};
use image::metadata::Orientation;

use self::coded::Coded;
use self::colour::Planes;
use crate::decode::{check_effort, check_pixels};
use crate::error::zeros;
use crate::{ErrorKind, ImageError, Limits, heif};

const REMEDY: &str = "convert it to JPEG or PNG, for example with libavif: avifdec photo.avif photo.png";

/// A decoded picture as it lies: width, height, RGBA, and how it is turned upright.
pub(crate) type Decoded = (u32, u32, Vec<u8>, Orientation);

fn damaged(error: impl std::fmt::Display) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged AVIF picture ({error})"))
}

fn unsupported(what: impl std::fmt::Display) -> ImageError {
    let reason = format!("is an AVIF picture of a kind that Phiz does not read ({what})");
    ImageError::new(ErrorKind::Unsupported, reason).with_hint(REMEDY)
}

/// Decodes the main picture as it lies, cut to what it shows.
///
/// # Errors
/// A file that is damaged, exceeds the limits or holds what is not read.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    let file = HeifFile::parse(bytes).map_err(|error| match error {
        heifer::heifer_isobmff::Error::MissingBox(kind) if &kind.0 == b"meta" && contains(bytes, b"moov") => {
            unsupported("a sequence without a still picture")
        }
        error => damaged(error),
    })?;
    let id = file.primary_id;
    let (width, height) = size(&file, id)?;
    let pixels = check_pixels(width, height, limits)?;
    let main = Parts::of(&file, id)?;
    let alpha = alpha_of(&file, id);
    let alpha_parts = alpha.map(|id| Parts::of(&file, id)).transpose()?;
    let mut effort = 0;
    let main = main.read(&file, pixels, &mut effort)?;
    let alpha_parts = alpha_parts.map(|parts| parts.read(&file, pixels, &mut effort)).transpose()?;
    let patience = child::patience(effort);
    let planes = main.decode(patience)?;
    let shown = (planes.width, planes.height);
    let mut rgba = planes.rgba()?;
    // Freed before the next is decoded.
    drop(planes);
    if let (Some(tiles), Some(alpha)) = (alpha_parts, alpha) {
        let planes = tiles.decode(patience)?;
        if (planes.width, planes.height) != shown {
            return Err(damaged("its transparency is of another size"));
        }
        let multiplied = file.referenced_items(id, b"prem").contains(&alpha);
        planes.lay_alpha(&mut rgba, multiplied);
    }
    let (width, height, rgba) = cut(&file, id, (width, height), rgba)?;
    check_pixels(width, height, limits)?;
    Ok((width, height, rgba, heif::orientation_of(&file)))
}

fn contains(bytes: &[u8], name: &[u8; 4]) -> bool {
    heifer::heifer_isobmff::BoxIter::new(bytes).map_while(Result::ok).any(|b| &b.header.box_type.0 == name)
}

fn size(file: &HeifFile<'_>, id: u32) -> Result<(u32, u32), ImageError> {
    file.image_size(id).map_err(damaged)?.ok_or_else(|| damaged("its size is missing"))
}

/// The picture of a picture's transparency.
fn alpha_of(file: &HeifFile<'_>, id: u32) -> Option<u32> {
    let is_alpha = |property: &Property| match property {
        Property::AuxiliaryType(kind) => {
            kind == "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha" || kind == "urn:mpeg:hevc:2015:auxid:1"
        }
        _ => false,
    };
    let mut all = file.referencing_items(id, b"auxl").into_iter();
    all.find(|id| file.item_properties(*id).is_ok_and(|mut all| all.any(is_alpha)))
}

/// What a picture is put together from: itself, or the tiles of a grid, by rows.
struct Parts {
    id: u32,
    size: (u32, u32),
    columns: usize,
    tiles: Vec<u32>,
}

impl Parts {
    fn of(file: &HeifFile<'_>, id: u32) -> Result<Parts, ImageError> {
        let size = size(file, id)?;
        match &file.item(id).map_err(damaged)?.item_type.0 {
            b"av01" => Ok(Parts { id, size, columns: 1, tiles: vec![id] }),
            b"grid" => {
                let Grid { rows, columns, output_width, output_height } = file.grid(id).map_err(damaged)?;
                let tiles = file.referenced_items(id, b"dimg").to_vec();
                let columns = usize::from(columns);
                if tiles.len() != usize::from(rows) * columns || tiles.is_empty() {
                    return Err(damaged("its grid has not as many tiles as it states"));
                }
                if (output_width, output_height) != size {
                    return Err(damaged("its grid is of another size than the picture"));
                }
                Ok(Parts { id, size, columns, tiles })
            }
            kind => Err(unsupported(format!("of type {}", String::from_utf8_lossy(kind).escape_debug()))),
        }
    }

    /// Reads what is coded, adds what decoding it will cost, in pixels and in bytes, and refuses what is too much for a
    /// picture of `pixels`.
    fn read(self, file: &HeifFile<'_>, pixels: u64, effort: &mut u64) -> Result<Tiles, ImageError> {
        let mut known: BTreeMap<u32, (Coded, Arc<[u8]>)> = BTreeMap::new();
        let mut data = Vec::new();
        let mut kind: Option<Coded> = None;
        for id in &self.tiles {
            let (coded, bytes) = match known.get(id) {
                Some(known) => known,
                None => {
                    let read = read_coded(file, *id, pixels, *effort)?;
                    known.entry(*id).or_insert(read)
                }
            };
            *effort = effort.saturating_add(cost(coded, bytes));
            check_effort(*effort, pixels)?;
            if !kind.get_or_insert(*coded).same_kind(coded) {
                return Err(damaged("its tiles are of different sizes or kinds"));
            }
            data.push(Arc::clone(bytes));
        }
        let Some(mut kind) = kind else { return Err(damaged("its grid has no tiles")) };
        if let Some(stated) = matrix(file, self.id).or_else(|| matrix(file, *self.tiles.first()?)) {
            (kind.matrix, kind.full_range) = stated;
        }
        let rows = (data.len() / self.columns) as u64;
        let (w, h) = (u64::from(kind.size.0) * self.columns as u64, u64::from(kind.size.1) * rows);
        if w < u64::from(self.size.0) || h < u64::from(self.size.1) {
            return Err(damaged("its tiles do not cover it"));
        }
        Ok(Tiles { size: self.size, columns: self.columns, kind, data })
    }
}

fn cost(coded: &Coded, bytes: &[u8]) -> u64 {
    let each = u64::from(coded.size.0) * u64::from(coded.size.1);
    each.saturating_mul(coded.pictures).saturating_add(bytes.len() as u64)
}

/// The data of a coded picture, and what it says of itself.
fn read_coded(
    file: &HeifFile<'_>,
    id: u32,
    pixels: u64,
    effort: u64,
) -> Result<(Coded, Arc<[u8]>), ImageError> {
    let kind = file.item(id).map_err(damaged)?.item_type;
    if &kind.0 != b"av01" {
        return Err(unsupported("a grid of other pictures than coded ones"));
    }
    let stated = size(file, id)?;
    let data = file.item_data(id).map_err(damaged)?;
    let coded =
        Coded::read(&data).ok_or_else(|| damaged("a coded picture has no header, or a damaged one"))?;
    check_effort(effort.saturating_add(cost(&coded, &data)), pixels)?;
    if coded.size != stated {
        let ((w, h), (stated_w, stated_h)) = (coded.size, stated);
        let reason = format!("{w}×{h} pixels are coded where its container states {stated_w}×{stated_h}");
        return Err(damaged(reason));
    }
    Ok((coded, data.into()))
}

/// What a picture is put together from, read and found to be within limits.
struct Tiles {
    size: (u32, u32),
    columns: usize,
    /// What all of them are, with the colours of the whole.
    kind: Coded,
    data: Vec<Arc<[u8]>>,
}

impl Tiles {
    fn decode(self, patience: std::time::Duration) -> Result<Planes, ImageError> {
        let Tiles { size, columns, kind, data } = self;
        let mut whole = Planes::empty(&kind, size)?;
        let (width, height) = (kind.size.0 as usize, kind.size.1 as usize);
        child::decode(&child::program(), &kind, data, patience, |i, bytes| {
            whole.put(bytes, &kind, (i % columns * width, i / columns * height)).map_err(damaged)
        })?;
        Ok(whole)
    }
}

/// The matrix and whether the full range is used, where the container states them.
fn matrix(file: &HeifFile<'_>, id: u32) -> Option<(u16, bool)> {
    file.item_properties(id).ok()?.find_map(|property| match property {
        Property::Color(ColorInfo::Nclx { matrix, full_range, .. }) => Some((*matrix, *full_range)),
        _ => None,
    })
}

/// Cuts the picture to its clean aperture, if it has one.
fn cut(
    file: &HeifFile<'_>,
    id: u32,
    (w, h): (u32, u32),
    rgba: Vec<u8>,
) -> Result<(u32, u32, Vec<u8>), ImageError> {
    let mut all = file.item_properties(id).map_err(damaged)?;
    let Some((width, height, x, y)) = all.find_map(|property| match property {
        Property::CleanAperture { width, height, horiz_offset, vert_offset } => {
            Some((*width, *height, *horiz_offset, *vert_offset))
        }
        _ => None,
    }) else {
        return Ok((w, h, rgba));
    };
    let span = |length: u32, part: (u32, u32), offset: (i32, u32)| {
        let kept = f64::from(part.0) / f64::from(part.1);
        let start = f64::from(offset.0) / f64::from(offset.1) + (f64::from(length) - kept) / 2.0;
        let (kept, start) = (kept.round(), start.round());
        (kept >= 1.0 && start >= 0.0 && start + kept <= f64::from(length))
            .then_some((start as u32, kept as u32))
    };
    let (Some((left, width)), Some((top, height))) = (span(w, width, x), span(h, height, y)) else {
        return Err(damaged("it is cut to what lies outside of it"));
    };
    let whole = image::RgbaImage::from_raw(w, h, rgba).ok_or_else(|| damaged("its size is wrong"))?;
    let part = image::imageops::crop_imm(&whole, left, top, width, height).to_image();
    Ok((width, height, part.into_raw()))
}
