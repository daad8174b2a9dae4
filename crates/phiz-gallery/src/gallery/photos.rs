//! The photos of an archive and the faces that were seen in them.
//!
//! A photo is its content: two files with the same bytes are one photo with two files. A photo whose last file is gone
//! keeps its faces, so that it is known again wherever it turns up, until it is purged.

use std::collections::BTreeSet;
use std::path::PathBuf;

use phiz_template::Template;
use serde::Serialize;

use super::kept::{forget_decisions, forget_sightings};
use super::trash::expire_photos;
use super::{Gallery, now};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::model::{FileBody, NewPhoto, NewSighting, PhotoBody, PhotoId, SeenPhoto, Sighting, SightingId};
use crate::rows::Codec;
use crate::store::{Kind, Row, Rows, RowsMut};

/// Rows that are read together.
const PAGE: usize = 1000;

/// What became of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kept {
    /// It is new.
    New,
    /// Its content is known, and its file was not: the other files are gone, so it was moved.
    Moved,
    /// Its content is known and lies in another file, too.
    Copied,
    /// Its content is known in this file: it was looked at by other networks or options, or only its time has changed.
    Renewed,
    /// It was not looked at because its content was known, and is known no longer: nothing was kept.
    Forgotten,
}

impl Gallery {
    /// Keeps photos that were looked at, all in one transaction. Photos whose content is known get the file in addition;
    /// they keep their sightings, unless they were looked at by other means.
    ///
    /// # Errors
    /// A template is not of this gallery's model, or the gallery cannot be written. Nothing is kept then.
    pub fn keep_photos(&self, photos: &[NewPhoto]) -> Result<Vec<(PhotoId, Kept)>> {
        for faces in photos.iter().filter_map(|photo| photo.faces.as_ref()) {
            self.check_faces(faces)?;
        }
        self.write(|rows, codec| photos.iter().map(|photo| keep(rows, codec, photo)).collect())
    }

    /// Says that files are no longer there. A photo of which no file is left is gone: nobody is found in it, but it is known
    /// again if it turns up elsewhere. It is destroyed with what was removed, by [`Gallery::purge`] or in time. Says how
    /// many photos are gone now.
    ///
    /// # Errors
    /// The gallery cannot be written.
    pub fn lose_files(&self, paths: &[PathBuf]) -> Result<usize> {
        self.write(|rows, codec| {
            let mut gone = 0;
            for path in paths {
                for id in rows.tagged(Kind::Photo, &codec.path_tag(path))? {
                    gone += usize::from(lose(rows, codec, id, path)?);
                }
            }
            let undo_days = super::read_settings(rows, codec)?.undo_days;
            expire_photos(rows, codec, undo_days)?;
            Ok(gone)
        })
    }

    /// All photos of the archive, by id.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn photos(&self) -> Result<Vec<SeenPhoto>> {
        self.read(|rows, codec| {
            let (mut all, mut after) = (Vec::new(), 0);
            while let Some(page) = rows.next_page(Kind::Photo, &mut after, PAGE)? {
                for (id, row) in &page {
                    all.push(codec.seen_photo(*id, row)?);
                }
            }
            Ok(all)
        })
    }

    /// A photo of the archive.
    ///
    /// # Errors
    /// There is none of that id, or the gallery cannot be read.
    pub fn photo(&self, id: PhotoId) -> Result<SeenPhoto> {
        self.read(|rows, codec| {
            let row = rows.get(Kind::Photo, id.0)?.ok_or_else(|| no_photo(id))?;
            codec.seen_photo(id.0, &row)
        })
    }

    /// Keeps a photo that was sent, of which there is no file: its faces, each with its aligned crop as a JPEG. A photo whose
    /// content is known keeps what was seen in it. Says which faces those are, in the order of their ids, and whether the
    /// photo is new.
    ///
    /// # Errors
    /// As [`Gallery::keep_photos`].
    pub fn keep_sent(&self, new: &NewPhoto, crops: &[Vec<u8>]) -> Result<(PhotoId, Vec<Sighting>, bool)> {
        let faces = new.faces.as_deref().unwrap_or_default();
        if crops.len() != faces.len() {
            let reason = format!("{} crops were given for {} faces", crops.len(), faces.len());
            return Err(GalleryError::new(ErrorKind::Caller, reason));
        }
        self.check_faces(faces)?;
        self.write(|rows, codec| {
            let photo = crate::bytes::hex(&new.photo);
            let known = of_content(rows, codec, &photo)?;
            let is_new = known.is_none();
            let id = match known {
                Some((id, mut body)) => {
                    // Sent, or turned up, again after it was forgotten.
                    if body.gone.take().is_some() {
                        if !body.sent {
                            (body.files, body.sent) = (vec![FileBody::new(&new.file)], true);
                        }
                        body.seen = now();
                        codec.put_photo(rows, id, &body)?;
                    }
                    // One that was scanned has no crops: its file was there to cut them from.
                    if body.sent {
                        add_crops(rows, codec, id, faces, crops)?;
                    }
                    id
                }
                None => {
                    let id = PhotoId(rows.next_id(Kind::Photo)?);
                    let body = PhotoBody {
                        photo,
                        files: vec![FileBody::new(&new.file)],
                        size: new.size,
                        taken: new.taken,
                        seen: now(),
                        looked: new.looked.clone(),
                        gone: None,
                        problem: None,
                        dated: true,
                        sent: true,
                    };
                    codec.put_photo(rows, id, &body)?;
                    for (face, crop) in faces.iter().zip(crops) {
                        let sighting = SightingId(rows.next_id(Kind::Sighting)?);
                        codec.put_sighting(rows, sighting, id, face)?;
                        let row = codec.row(Kind::SightingCrop, sighting.0, id.0, Vec::new(), crop)?;
                        rows.put(Kind::SightingCrop, sighting.0, &row)?;
                    }
                    id
                }
            };
            let mut sightings = Vec::new();
            for (id, row) in rows.get_many(Kind::Sighting, &rows.owned(Kind::Sighting, id.0)?)? {
                sightings.push(codec.seen(id, &row)?.sighting);
            }
            Ok((id, sightings, is_new))
        })
    }

    /// Says that a photo is to be forgotten, whatever files hold it: nobody is found in it any more, and it is destroyed as
    /// one whose files are gone, see [`Gallery::lose_files`].
    ///
    /// # Errors
    /// There is none of that id, or it is forgotten already; or the gallery cannot be written.
    pub fn forget_photo(&self, id: PhotoId) -> Result<()> {
        self.write(|rows, codec| {
            let row = rows.get(Kind::Photo, id.0)?.ok_or_else(|| no_photo(id))?;
            let mut body = codec.photo_body(id, &row)?;
            if body.gone.is_some() {
                return Err(no_photo(id));
            }
            body.gone = Some(now());
            codec.put_photo(rows, id, &body)?;
            let undo_days = super::read_settings(rows, codec)?.undo_days;
            expire_photos(rows, codec, undo_days)
        })
    }

    /// The aligned crop of a sighting, if one is kept: of photos that were sent.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn sighting_crop(&self, id: SightingId) -> Result<Option<Vec<u8>>> {
        self.read(|rows, codec| {
            let row = rows.get(Kind::SightingCrop, id.0)?;
            row.map(|row| codec.open(Kind::SightingCrop, id.0, &row)).transpose()
        })
    }

    /// Sightings of sent photos that have no template of the gallery's model, with their crops: at most so many of those that
    /// `after` has not passed. See [`Gallery::adopt`].
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn sent_waiting(&self, after: &mut u64, most: usize) -> Result<Vec<(SightingId, Vec<u8>)>> {
        self.read(|rows, codec| {
            let (mut found, mut from) = (Vec::new(), *after);
            while let Some(page) = rows.next_page(Kind::SightingCrop, &mut from, 64)? {
                for (id, row) in &page {
                    *after = *id;
                    let Some(seen) = rows.get(Kind::Sighting, *id)? else { continue };
                    if codec.seen(*id, &seen)?.template.iter().all(|value| *value == 0.0) {
                        found.push((SightingId(*id), codec.open(Kind::SightingCrop, *id, row)?));
                    }
                    if found.len() >= most {
                        return Ok(found);
                    }
                }
            }
            Ok(found)
        })
    }

    /// Gives sightings templates of the gallery's model.
    ///
    /// # Errors
    /// A template is of another model, there is no such sighting, or the gallery cannot be written.
    pub fn describe_sent(&self, templates: &[(SightingId, Template)]) -> Result<()> {
        for (_, template) in templates {
            self.check_template(template)?;
        }
        self.write(|rows, codec| {
            for (id, template) in templates {
                let row = rows.get(Kind::Sighting, id.0)?.ok_or_else(|| no_sighting(*id))?;
                let Sighting { photo, quality, bbox, score, landmarks, .. } =
                    codec.seen(id.0, &row)?.sighting;
                let face = NewSighting { template: template.clone(), quality, bbox, score, landmarks };
                codec.put_sighting(rows, *id, photo, &face)?;
            }
            forget_decisions(rows)
        })
    }

    fn check_faces(&self, faces: &[NewSighting]) -> Result<()> {
        for face in faces {
            self.check_template(&face.template)?;
            if !(0.0..=1.0).contains(&face.quality) {
                let reason = format!("a face's quality is {}, not between 0 and 1", face.quality);
                return Err(GalleryError::new(ErrorKind::Caller, reason));
            }
        }
        Ok(())
    }

    /// A sighting.
    ///
    /// # Errors
    /// There is none of that id, or the gallery cannot be read.
    pub fn sighting(&self, id: SightingId) -> Result<Sighting> {
        self.read(|rows, codec| {
            let row = rows.get(Kind::Sighting, id.0)?.ok_or_else(|| no_sighting(id))?;
            Ok(codec.seen(id.0, &row)?.sighting)
        })
    }
}

pub(super) fn no_sighting(sighting: SightingId) -> GalleryError {
    GalleryError::missing(Cause::NoSighting { sighting })
        .with_hint("`phiz find --unknown --json` lists faces with their ids")
}

/// Keeps the crops of those faces of a photo of which there is none yet: of each sighting, the crop of the face that lies where
/// it lies.
fn add_crops(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    id: PhotoId,
    faces: &[NewSighting],
    crops: &[Vec<u8>],
) -> Result<()> {
    for (sighting, row) in rows.get_many(Kind::Sighting, &rows.owned(Kind::Sighting, id.0)?)? {
        if rows.get(Kind::SightingCrop, sighting)?.is_some() {
            continue;
        }
        let bbox = codec.seen(sighting, &row)?.sighting.bbox;
        let shares = faces.iter().zip(crops).map(|(face, crop)| (overlap(&face.bbox, &bbox), crop));
        let best = shares.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(share, _)| *share >= SAME_FACE);
        if let Some((_, crop)) = best {
            let row = codec.row(Kind::SightingCrop, sighting, id.0, Vec::new(), crop)?;
            rows.put(Kind::SightingCrop, sighting, &row)?;
        }
    }
    Ok(())
}

fn no_photo(photo: PhotoId) -> GalleryError {
    GalleryError::missing(Cause::NoPhoto { photo }).with_hint("`phiz find --json` lists photos")
}

/// The photo of a content.
pub(crate) fn of_content(
    rows: &dyn Rows,
    codec: Codec<'_>,
    photo: &str,
) -> Result<Option<(PhotoId, PhotoBody)>> {
    for id in rows.tagged(Kind::Photo, &codec.content_tag(photo))? {
        if let Some(row) = rows.get(Kind::Photo, id)? {
            let body = codec.photo_body(PhotoId(id), &row)?;
            if body.photo == photo {
                return Ok(Some((PhotoId(id), body)));
            }
        }
    }
    Ok(None)
}

pub(super) fn keep(rows: &mut dyn RowsMut, codec: Codec<'_>, new: &NewPhoto) -> Result<(PhotoId, Kept)> {
    let photo = crate::bytes::hex(&new.photo);
    let file = FileBody::new(&new.file);
    // The file may have held another photo before.
    for id in rows.tagged(Kind::Photo, &codec.path_tag(&new.file.path))? {
        let row = rows.get(Kind::Photo, id)?;
        let other = row.map(|row| codec.photo_body(PhotoId(id), &row)).transpose()?;
        if other.is_some_and(|other| other.photo != photo) {
            lose(rows, codec, id, &new.file.path)?;
        }
    }
    let Some((id, mut body)) = of_content(rows, codec, &photo)? else {
        let Some(faces) = &new.faces else { return Ok((PhotoId(0), Kept::Forgotten)) };
        let id = PhotoId(rows.next_id(Kind::Photo)?);
        let body = PhotoBody {
            photo,
            files: vec![file],
            size: new.size,
            taken: new.taken,
            dated: true,
            seen: now(),
            looked: new.looked.clone(),
            gone: None,
            problem: new.problem.clone(),
            sent: false,
        };
        codec.put_photo(rows, id, &body)?;
        for face in faces {
            let sighting = SightingId(rows.next_id(Kind::Sighting)?);
            codec.put_sighting(rows, sighting, id, face)?;
        }
        return Ok((id, Kept::New));
    };
    if body.sent {
        // Now there is a file.
        body.files.clear();
        body.sent = false;
    }
    let same = |known: &FileBody| known.path() == new.file.path;
    let kept = if body.files.iter().any(same) {
        Kept::Renewed
    } else if body.gone.is_some() {
        Kept::Moved
    } else {
        Kept::Copied
    };
    if body.gone.take().is_some() {
        body.files.clear();
    }
    body.files.retain(|known| !same(known));
    body.files.push(file);
    body.files.sort_by_key(FileBody::path);
    // The same content says the same of its time; but who kept it may not have asked.
    (body.taken, body.dated) = (new.taken, true);
    if let Some(faces) = new.faces.as_ref().filter(|_| body.looked != new.looked) {
        body.size = new.size;
        (body.looked, body.problem) = (new.looked.clone(), new.problem.clone());
        look_anew(rows, codec, id, faces)?;
    }
    codec.put_photo(rows, id, &body)?;
    Ok((id, kept))
}

/// Two boxes that overlap as much show one face.
const SAME_FACE: f32 = 0.5;

pub(crate) fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let side = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let common = side(0) * side(1);
    common / (a[2] * a[3] + b[2] * b[3] - common).max(f32::MIN_POSITIVE)
}

/// Puts the faces that are seen now in place of those that were seen: a face that is seen again keeps its id.
fn look_anew(rows: &mut dyn RowsMut, codec: Codec<'_>, photo: PhotoId, faces: &[NewSighting]) -> Result<()> {
    let mut old = Vec::new();
    for (id, row) in rows.get_many(Kind::Sighting, &rows.owned(Kind::Sighting, photo.0)?)? {
        old.push((SightingId(id), codec.seen(id, &row)?.sighting.bbox));
    }
    for face in faces {
        let best = old.iter().enumerate().map(|(i, (_, bbox))| (i, overlap(bbox, &face.bbox)));
        let best = best.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share >= SAME_FACE);
        let id = match best {
            Some((i, _)) => old.swap_remove(i).0,
            None => SightingId(rows.next_id(Kind::Sighting)?),
        };
        codec.put_sighting(rows, id, photo, face)?;
    }
    let gone: BTreeSet<u64> = old.into_iter().map(|(id, _)| id.0).collect();
    for id in &gone {
        rows.delete(Kind::SightingCrop, *id)?;
        rows.delete(Kind::Sighting, *id)?;
    }
    forget_sightings(rows, codec, &gone)?;
    forget_decisions(rows)
}

/// Takes a file from a photo; says whether it was the last.
fn lose(rows: &mut dyn RowsMut, codec: Codec<'_>, id: u64, path: &std::path::Path) -> Result<bool> {
    let Some(row) = rows.get(Kind::Photo, id)? else { return Ok(false) };
    let mut body = codec.photo_body(PhotoId(id), &row)?;
    if body.gone.is_some() || !body.files.iter().any(|file| file.path() == path) {
        return Ok(false);
    }
    if body.files.len() > 1 {
        body.files.retain(|file| file.path() != path);
    } else {
        body.gone = Some(now());
    }
    codec.put_photo(rows, PhotoId(id), &body)?;
    Ok(body.gone.is_some())
}

/// All sightings with their templates, by rising id; but not those that wait to be looked at by a new model.
pub(super) fn all_seen(
    rows: &dyn Rows,
    codec: Codec<'_>,
    mut take: impl FnMut(crate::rows::Seen) -> Result<()>,
) -> Result<()> {
    let mut after = 0;
    while let Some(page) = rows.next_page(Kind::Sighting, &mut after, PAGE)? {
        page.iter().try_for_each(|(id, row): &(u64, Row)| {
            let seen = codec.seen(*id, row)?;
            if seen.template.iter().all(|value| *value == 0.0) { Ok(()) } else { take(seen) }
        })?;
    }
    Ok(())
}
