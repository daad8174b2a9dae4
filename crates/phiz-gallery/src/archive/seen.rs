//! What was scanned, in an archive: photos, the faces that were seen in them, and groups of those.
//!
//! Photos are known by their content wherever they lie, so that on another machine one scan finds them again without looking
//! at them. Groups keep their numbers where these were never given.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use super::files::{Lines, Npy, create, lines, npy_rows, read};
use super::{GROUPS, GroupLine, PHOTOS, PhotoLine, SIGHTING_TEMPLATES, SIGHTINGS, SightingLine, crop_path};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::{Step, forget_decisions, of_content, overlap, own_group};
use crate::model::{FileBody, GroupBody, GroupId, PersonId, PhotoId, SightingBody, SightingId};
use crate::rows::Codec;
use crate::store::{Kind, Rows, RowsMut};

/// Rows that are read together.
const PAGE: usize = 1000;
/// Two boxes in one photo that overlap as much are one face.
const SAME_FACE: f32 = 0.5;
/// A group keeps its number if it is no further than so many numbers from the last that was given.
const FURTHEST: u64 = 1_000_000;

/// Writes the photos that are there, their sightings and the groups; says how many.
pub(super) fn export(folder: &Path, rows: &dyn Rows, codec: Codec<'_>) -> Result<(usize, usize, usize)> {
    let (mut counts, mut there, mut after) = ((0, 0, 0), BTreeSet::new(), 0);
    let mut photos = Lines::new(&folder.join(PHOTOS))?;
    while let Some(page) = rows.next_page(Kind::Photo, &mut after, PAGE)? {
        for (id, row) in &page {
            let (id, body) = (PhotoId(*id), codec.photo_body(PhotoId(*id), row)?);
            // What is gone was removed, and waits to be destroyed.
            if body.gone.is_none() {
                photos.write(&PhotoLine { id, body })?;
                there.insert(id);
                counts.0 += 1;
            }
        }
    }
    photos.finish()?;
    let mut sightings = Lines::new(&folder.join(SIGHTINGS))?;
    let mut templates = Npy::new(&folder.join(SIGHTING_TEMPLATES), codec.dim)?;
    let (mut written, mut after) = (BTreeSet::new(), 0);
    while let Some(page) = rows.next_page(Kind::Sighting, &mut after, PAGE)? {
        for (id, row) in &page {
            let seen = codec.seen(*id, row)?;
            let (own, template) = (seen.sighting, seen.template);
            if there.contains(&own.photo) {
                let body = SightingBody { bbox: own.bbox, score: own.score, landmarks: own.landmarks };
                let (id, photo, quality) = (own.id, own.photo, own.quality);
                sightings.write(&SightingLine { id, photo, quality, body })?;
                templates.write(&template)?;
                // Of photos that were sent there is nothing else.
                if let Some(row) = rows.get(Kind::SightingCrop, id.0)? {
                    let path = crop_path(folder, id);
                    let crops = path.parent().unwrap_or(folder);
                    std::fs::create_dir_all(crops).map_err(|e| GalleryError::io(crops, &e))?;
                    let crop = codec.open(Kind::SightingCrop, id.0, &row)?;
                    create(&path)?.write_all(&crop).map_err(|e| GalleryError::io(&path, &e))?;
                }
                written.insert(id);
                counts.1 += 1;
            }
        }
    }
    sightings.finish()?;
    templates.finish()?;
    let (mut groups, mut after) = (Lines::new(&folder.join(GROUPS))?, 0);
    while let Some(page) = rows.next_page(Kind::Group, &mut after, PAGE)? {
        for (id, row) in &page {
            let GroupBody { head, sightings } = codec.group_body(*id, row)?;
            let person = (row.owner != 0).then_some(PersonId(row.owner));
            let members = sightings.into_iter().map(SightingId).filter(|id| written.contains(id));
            groups.write(&GroupLine { stranger: *id, person, head, sightings: members.collect() })?;
            counts.2 += 1;
        }
    }
    groups.finish()?;
    Ok(counts)
}

/// Takes in what was scanned. Says by which steps the names of groups can be taken back.
pub(super) fn import(
    folder: &Path,
    dim: usize,
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    person: impl Fn(PersonId) -> Option<PersonId>,
    done: &mut super::Imported,
) -> Result<Vec<Step>> {
    let wrong = |file: &str, reason: String| {
        GalleryError::new(ErrorKind::Damaged, reason).at(&folder.join(file)).with_hint("export it again")
    };
    let mut photos: BTreeMap<PhotoId, PhotoId> = BTreeMap::new();
    // Photos that the gallery had, with the faces that it knows in them.
    let mut known: BTreeMap<PhotoId, Vec<(SightingId, [f32; 4])>> = BTreeMap::new();
    for line in lines::<PhotoLine>(&folder.join(PHOTOS))? {
        let PhotoLine { id, mut body } = line?;
        if crate::bytes::unhex(&body.photo).is_none_or(|hash| hash.len() != 32) {
            return Err(wrong(PHOTOS, format!("photo {id} has no SHA-256")));
        }
        // A file that holds another photo here stays that photo's.
        let mut free = Vec::new();
        for file in std::mem::take(&mut body.files) {
            if !holds_another(rows, codec, &file, &body.photo)? {
                free.push(file);
            }
        }
        match of_content(rows, codec, &body.photo)? {
            Some((own, mut have)) => {
                let mut seen = Vec::new();
                for (id, row) in rows.get_many(Kind::Sighting, &rows.owned(Kind::Sighting, own.0)?)? {
                    seen.push((SightingId(id), codec.seen(id, &row)?.sighting.bbox));
                }
                if have.sent && !body.sent && !free.is_empty() {
                    (have.files, have.sent) = (Vec::new(), false);
                }
                // The name that a photo was sent under leads to no file.
                if have.gone.is_none() && !body.sent {
                    let paths: BTreeSet<_> = have.files.iter().map(FileBody::path).collect();
                    free.retain(|file| !paths.contains(&file.path()));
                    have.files.extend(free);
                    have.files.sort_by_key(FileBody::path);
                    codec.put_photo(rows, own, &have)?;
                }
                known.insert(own, seen);
                photos.insert(id, own);
                done.known_photos += 1;
            }
            None => {
                body.gone = None;
                if free.is_empty() {
                    // Its place is another's; it is known again where it turns up.
                    body.gone = Some(crate::gallery::now());
                }
                body.files = free;
                let own = PhotoId(rows.next_id(Kind::Photo)?);
                codec.put_photo(rows, own, &body)?;
                photos.insert(id, own);
                done.photos += 1;
            }
        }
    }
    let mut sightings: BTreeMap<SightingId, SightingId> = BTreeMap::new();
    let templates = folder.join(SIGHTING_TEMPLATES);
    let mut vectors = npy_rows(&templates, dim)?;
    for line in lines::<SightingLine>(&folder.join(SIGHTINGS))? {
        let SightingLine { id, photo, quality, body } = line?;
        let vector = vectors.next().ok_or_else(|| wrong(SIGHTINGS, format!("{id} has no template")))??;
        let length = vector.iter().map(|v| v * v).sum::<f32>();
        // Zeros wait to be looked at by this model.
        if !(0.0..=1.0).contains(&quality) || !(length == 0.0 || (length - 1.0).abs() < 1e-2) {
            return Err(wrong(SIGHTINGS, format!("{id} has no quality or no template of length 1")));
        }
        let Some(own) = photos.get(&photo) else {
            return Err(wrong(SIGHTINGS, format!("{id} is in photo {photo}, which is not in {PHOTOS}")));
        };
        if let Some(seen) = known.get_mut(own) {
            let best = seen.iter().enumerate().map(|(i, (_, bbox))| (i, overlap(bbox, &body.bbox)));
            let best = best.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share >= SAME_FACE);
            if let Some((place, _)) = best {
                sightings.insert(id, seen.swap_remove(place).0);
            }
            continue;
        }
        let new = SightingId(rows.next_id(Kind::Sighting)?);
        codec.put_seen(rows, new, *own, quality, &vector, &body)?;
        let crop = crop_path(folder, id);
        if crop.is_file() {
            let row = codec.row(Kind::SightingCrop, new.0, own.0, Vec::new(), &read(&crop)?)?;
            rows.put(Kind::SightingCrop, new.0, &row)?;
        }
        sightings.insert(id, new);
        done.sightings += 1;
    }
    if vectors.next().is_some() {
        return Err(wrong(SIGHTING_TEMPLATES, format!("has more rows than {SIGHTINGS} has lines")));
    }
    forget_decisions(rows)?;
    groups(folder, rows, codec, &sightings, person, done)
}

/// Whether a file is known to hold another photo.
fn holds_another(rows: &dyn Rows, codec: Codec<'_>, file: &FileBody, photo: &str) -> Result<bool> {
    for id in rows.tagged(Kind::Photo, &codec.path_tag(&file.path()))? {
        if let Some(row) = rows.get(Kind::Photo, id)? {
            let other = codec.photo_body(PhotoId(id), &row)?;
            let same = |own: &FileBody| own.path() == file.path();
            if other.photo != photo && other.gone.is_none() && other.files.iter().any(same) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn groups(
    folder: &Path,
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    sightings: &BTreeMap<SightingId, SightingId>,
    person: impl Fn(PersonId) -> Option<PersonId>,
    done: &mut super::Imported,
) -> Result<Vec<Step>> {
    let mut all = lines::<GroupLine>(&folder.join(GROUPS))?.collect::<Result<Vec<_>>>()?;
    all.sort_by_key(|line| line.stranger);
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    let mut after = 0;
    while let Some(page) = rows.next_page(Kind::Group, &mut after, PAGE)? {
        for (id, row) in &page {
            taken.extend(codec.group_body(*id, row)?.sightings.into_iter().map(|sighting| (sighting, *id)));
        }
    }
    // The number that each group of the archive has here.
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    let mut made = Vec::new();
    for line in all {
        let members: BTreeSet<u64> =
            line.sightings.iter().filter_map(|id| sightings.get(id)).map(|id| id.0).collect();
        let free: Vec<u64> = members.iter().copied().filter(|id| !taken.contains_key(id)).collect();
        if free.is_empty() && !members.is_empty() {
            // All are in groups of this gallery: it is the one that has most of them.
            let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
            members
                .iter()
                .filter_map(|id| taken.get(id))
                .for_each(|group| *votes.entry(*group).or_default() += 1);
            if let Some((group, _)) =
                votes.iter().max_by_key(|(group, count)| (**count, std::cmp::Reverse(**group)))
            {
                numbers.insert(line.stranger, *group);
            }
            continue;
        }
        let mut id = rows.next_id(Kind::Group)?;
        while id < line.stranger && line.stranger - id < FURTHEST {
            id = rows.next_id(Kind::Group)?;
        }
        // A number that only stands for another, or is kept from being given again, is of use only as the same number.
        if (line.head.into.is_some() || members.is_empty()) && id != line.stranger {
            continue;
        }
        numbers.insert(line.stranger, id);
        taken.extend(free.iter().map(|sighting| (*sighting, id)));
        made.push((id, line, free));
    }
    let mut steps = Vec::new();
    for (id, line, members) in made {
        let mut head = line.head;
        head.into = head.into.and_then(|into| numbers.get(&into).copied()).filter(|into| *into != id);
        head.apart = head.apart.iter().filter_map(|other| numbers.get(other).copied()).collect();
        codec.put_group(rows, GroupId(id), PersonId(0), &GroupBody { head, sightings: members })?;
        done.groups += 1;
        if id != line.stranger {
            done.renumbered.push((line.stranger, id));
        }
        if let Some(person) = line.person.and_then(&person) {
            steps.push(own_group(rows, codec, GroupId(id), person)?);
        }
    }
    Ok(steps)
}
