//! Bringing a gallery to another model, so that new weights lose nobody.
//!
//! Templates of the new model are computed from the stored crops and kept beside the old ones ([`Kind::Spare`]), a few at
//! a time; meanwhile the gallery is used as before. [`Gallery::adopt`] then exchanges them in one transaction: what was
//! spare is what is searched, and the old templates are spare. So the exchange can be taken back
//! ([`Gallery::undo_adoption`]) until it expires or is purged like every other change, and a process that is killed at any
//! moment leaves one or the other.
//!
//! A face of which no template of the new model could be made *waits*: its template is all zeros, which resembles nobody,
//! and its old template stays beside it. [`Gallery::to_adopt`] names it until its photo comes. People, names, lists,
//! negatives and the journal are not touched. Faces that were seen in an archive's photos (sightings) stay in their groups
//! and wait for the next scan, which looks at their photos anew. Thresholds are those of the new model's card.

use phiz_template::{ModelId, Template, Thresholds};
use serde::{Deserialize, Serialize};

use super::kept::forget_decisions;
use super::{
    AdoptedModel, Gallery, Keys, Model, json, lock, now, other_model, read_settings, remove, write_head,
    write_settings,
};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{FaceBody, FaceId, NegativeId, PersonId, PhotoHash, PhotoId};
use crate::rates::Calibration;
use crate::rows::{Codec, SAME_IN_PHOTO, similarity};
use crate::store::{Kind, Row, Rows, RowsMut};

/// What can be done to take an adoption back; sealed.
const RECORD: &str = "adoption";

/// What needs a template of another model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Adoptee {
    /// An enrolled face, or one that was removed and can be restored.
    Face(FaceId),
    /// A face that is said not to be somebody.
    Negative(NegativeId),
}

impl std::fmt::Display for Adoptee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Adoptee::Face(id) => id.fmt(f),
            Adoptee::Negative(id) => id.fmt(f),
        }
    }
}

/// What needs a template of another model, and from what it can be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToAdopt {
    /// What it is.
    pub id: Adoptee,
    /// Whose it is; none if it was removed.
    pub person: Option<PersonId>,
    /// The aligned crop.
    pub crop: Option<Vec<u8>>,
    /// The photo that it comes from.
    pub photo: Option<PhotoHash>,
    /// Where the photo was.
    pub source: Option<String>,
}

/// What bringing a gallery to another model came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Adopted {
    /// The model before.
    pub from: ModelId,
    /// The model now.
    pub to: ModelId,
    /// Faces that have a template of the new model; those that were removed and can be restored count, too.
    pub faces: usize,
    /// Negatives that have one.
    pub negatives: usize,
    /// What has none yet, and waits for its photo.
    pub waiting: Vec<Adoptee>,
    /// Faces that were seen in photos of an archive. They stay in their groups, and say nothing until the photos are
    /// scanned again, which looks at them by the new model.
    pub sightings: usize,
}

#[derive(Serialize, Deserialize)]
struct Record {
    at: i64,
    model: ModelId,
    dim: usize,
    thresholds: Thresholds,
    calibration: Option<Calibration>,
}

/// A face's or a negative's row in one form.
struct Held {
    owner: PersonId,
    quality: f32,
    body: FaceBody,
    template: Vec<f32>,
}

const BOTH: [(Kind, Kind); 2] = [(Kind::Face, Kind::Spare), (Kind::Negative, Kind::SpareNegative)];

fn adoptee(kind: Kind, id: u64) -> Adoptee {
    if kind == Kind::Face { Adoptee::Face(FaceId(id)) } else { Adoptee::Negative(NegativeId(id)) }
}

fn kinds(id: Adoptee) -> (Kind, Kind, u64) {
    match id {
        Adoptee::Face(FaceId(id)) => (Kind::Face, Kind::Spare, id),
        Adoptee::Negative(NegativeId(id)) => (Kind::Negative, Kind::SpareNegative, id),
    }
}

fn waits(template: &[f32]) -> bool {
    template.iter().all(|value| *value == 0.0)
}

fn held(rows: &dyn Rows, codec: Codec<'_>, kind: Kind, id: u64, row: &Row) -> Result<Held> {
    if kind == Kind::Negative {
        let (owner, body, template) = codec.any_negative(id, row)?;
        return Ok(Held { owner, quality: 0.0, body, template });
    }
    let weighted = codec.template(rows, FaceId(id))?;
    let body = codec.open_json(kind, id, row)?;
    Ok(Held { owner: PersonId(row.owner), quality: weighted.quality, body, template: weighted.template })
}

fn put(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    kind: Kind,
    id: u64,
    held: &Held,
    template: &[f32],
) -> Result<()> {
    match kind {
        Kind::Negative => codec.put_negative(rows, NegativeId(id), held.owner, &held.body, template),
        _ => codec.put_template(rows, FaceId(id), held.owner, held.quality, template),
    }
}

/// Whether a face or negative lacks a template of a model.
fn lacks(
    rows: &dyn Rows,
    codec: Codec<'_>,
    own: bool,
    model: &ModelId,
    held: &Held,
    spare: Kind,
    id: u64,
) -> Result<bool> {
    if own {
        return Ok(waits(&held.template));
    }
    Ok(codec.spare(rows, spare, id)?.is_none_or(|spare| spare.model != *model))
}

/// The spare template of an enrolled face that is the face that a negative was made of: from the same photo, and equal by
/// the old model.
fn of_same_face(
    rows: &dyn Rows,
    codec: Codec<'_>,
    model: &ModelId,
    negative: &Held,
) -> Result<Option<Vec<f32>>> {
    if waits(&negative.template) {
        return Ok(None);
    }
    for tag in codec.face_tags(&negative.body) {
        for id in rows.tagged(Kind::Face, &tag)? {
            let Some(spare) = codec.spare(rows, Kind::Spare, id)?.filter(|spare| spare.model == *model)
            else {
                continue;
            };
            if similarity(&codec.template(rows, FaceId(id))?.template, &negative.template) >= SAME_IN_PHOTO {
                return Ok(Some(spare.template));
            }
        }
    }
    Ok(None)
}

/// Deletes old templates once an adoption cannot be taken back any more, if `due` says so of the time at which it was
/// made. Those of faces that wait stay.
pub(super) fn forget(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    due: impl Fn(i64) -> bool,
    mut seen: impl FnMut(&dyn Rows, Kind, u64, &Row) -> Result<()>,
) -> Result<()> {
    let Some(record) = read_record(rows, codec)? else { return Ok(()) };
    if !due(record.at) {
        return Ok(());
    }
    for (kind, spare) in BOTH {
        let mut after = 0;
        while let Some(page) = rows.next_page(spare, &mut after, 256)? {
            for (id, row) in &page {
                let old = codec.spare(rows, spare, *id)?.is_some_and(|old| old.model == record.model);
                let living = match rows.get(kind, *id)? {
                    Some(row) => !waits(&held(rows, codec, kind, *id, &row)?.template),
                    None => true,
                };
                if old && living {
                    seen(rows, spare, *id, row)?;
                    rows.delete(spare, *id)?;
                }
            }
        }
    }
    rows.set_meta(RECORD, None)
}

fn read_record(rows: &dyn Rows, codec: Codec<'_>) -> Result<Option<Record>> {
    let Some(sealed) = rows.meta(RECORD)? else { return Ok(None) };
    let damaged = || GalleryError::damaged("what was written down of an adoption");
    let bytes = codec.sealer.open(&bound_to(codec), &sealed).ok_or_else(damaged)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| damaged())
}

fn write_record(rows: &mut dyn RowsMut, codec: Codec<'_>, record: &Record) -> Result<()> {
    rows.set_meta(RECORD, Some(&codec.sealer.seal(&bound_to(codec), &json(record)?)?))
}

fn bound_to(codec: Codec<'_>) -> Vec<u8> {
    [b"adoption ", codec.identity].concat()
}

/// Seals the record anew when the data key changes.
pub(super) fn seal_record_anew(rows: &mut dyn RowsMut, old: Codec<'_>, new: Codec<'_>) -> Result<()> {
    match read_record(rows, old)? {
        Some(record) => write_record(rows, new, &record),
        None => Ok(()),
    }
}

/// Bringing a gallery to another model.
impl Gallery {
    /// Up to `limit` faces and negatives that lack a template of a model, behind the one that `after` names; it moves on.
    /// Empty when all were named. Of the gallery's own model, these are those that wait.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn to_adopt(
        &self,
        model: &ModelId,
        after: &mut Option<Adoptee>,
        limit: usize,
    ) -> Result<Vec<ToAdopt>> {
        let own = self.model == *model;
        let (found, last) = self.read(|rows, codec| {
            let mut found = Vec::new();
            let mut last = *after;
            for (kind, spare) in BOTH {
                let mut behind = match last.map(kinds) {
                    None => 0,
                    Some((of, _, id)) if of == kind => id,
                    // Negatives come after faces.
                    Some((Kind::Negative, ..)) => continue,
                    Some(_) => 0,
                };
                while let Some(page) = rows.next_page(kind, &mut behind, 256)? {
                    for (id, row) in &page {
                        let held = held(rows, codec, kind, *id, row)?;
                        last = Some(adoptee(kind, *id));
                        if !lacks(rows, codec, own, model, &held, spare, *id)? {
                            continue;
                        }
                        let crop = match rows.get(Kind::Crop, *id)?.filter(|_| kind == Kind::Face) {
                            Some(crop) => Some(codec.open(Kind::Crop, *id, &crop)?),
                            None => None,
                        };
                        found.push(ToAdopt {
                            id: adoptee(kind, *id),
                            person: (held.owner.0 != 0).then_some(held.owner),
                            crop,
                            photo: held.body.photo(),
                            source: held.body.source,
                        });
                        if found.len() >= limit {
                            return Ok((found, last));
                        }
                    }
                }
            }
            Ok((found, last))
        })?;
        *after = last;
        Ok(found)
    }

    /// How many faces and negatives lack a template of a model, and how many of them have a crop to make it from; and how
    /// many there are in all.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn lacking(&self, model: &ModelId) -> Result<[usize; 3]> {
        let own = self.model == *model;
        self.read(|rows, codec| {
            let [mut lacking, mut with_crop, mut all] = [0; 3];
            for (kind, spare) in BOTH {
                let mut after = 0;
                while let Some(page) = rows.next_page(kind, &mut after, 256)? {
                    for (id, row) in &page {
                        all += 1;
                        let held = held(rows, codec, kind, *id, row)?;
                        if lacks(rows, codec, own, model, &held, spare, *id)? {
                            lacking += 1;
                            with_crop += usize::from(kind == Kind::Face && held.body.crop);
                        }
                    }
                }
            }
            Ok([lacking, with_crop, all])
        })
    }

    /// Keeps templates of another model beside those that are searched; or, of the gallery's own model, gives them to
    /// faces that wait. What is not there any more is passed over.
    ///
    /// # Errors
    /// The templates are not all of one model, or the gallery cannot be written.
    pub fn keep_adopted(&self, model: &ModelId, templates: &[(Adoptee, Template)]) -> Result<()> {
        if let Some((_, template)) = templates.iter().find(|(_, template)| template.model() != model) {
            return Err(other_model(model, template.model()));
        }
        if templates.is_empty() {
            return Ok(());
        }
        if self.model == *model {
            templates.iter().try_for_each(|(_, template)| self.check_template(template))?;
        }
        self.write(|rows, codec| {
            // The old templates of an earlier adoption give way to these.
            if let Some(record) = read_record(rows, codec)?
                && record.model != *model
                && self.model != *model
            {
                rows.set_meta(RECORD, None)?;
            }
            for (id, template) in templates {
                let (kind, spare, id) = kinds(*id);
                let Some(row) = rows.get(kind, id)? else { continue };
                if self.model != *model {
                    codec.put_spare(rows, spare, id, model, template.vector())?;
                    continue;
                }
                let held = held(rows, codec, kind, id, &row)?;
                if waits(&held.template) {
                    put(rows, codec, kind, id, &held, template.vector())?;
                    // Its person is to be searched by it.
                    if kind == Kind::Face {
                        rows.put(kind, id, &row)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Brings the gallery to a model whose templates were kept: from now on it is searched by them. One transaction.
    /// Faces without such a template wait.
    ///
    /// # Errors
    /// The gallery is of this model already, or it cannot be written.
    pub fn adopt(&mut self, model: &Model) -> Result<Adopted> {
        self.exchange(model, None, true)
    }

    /// Goes back to the model before the last adoption. Faces that were enrolled since have no template of it, and wait;
    /// adopting the newer model again loses nothing.
    ///
    /// # Errors
    /// There is nothing to take back, because nothing was adopted or the old templates were purged; or the gallery cannot
    /// be written.
    pub fn undo_adoption(&mut self) -> Result<Adopted> {
        let record = self.read(|rows, codec| read_record(rows, codec))?.ok_or_else(|| {
            GalleryError::new(ErrorKind::NotFound, "there is no adoption that could be taken back").with_hint(
                "what was adopted can be taken back until it is purged or older than the days of undo",
            )
        })?;
        let model = Model { id: record.model, dim: record.dim, thresholds: record.thresholds };
        self.exchange(&model, record.calibration, false)
    }

    fn exchange(
        &mut self,
        model: &Model,
        calibration: Option<Calibration>,
        can_be_undone: bool,
    ) -> Result<Adopted> {
        if model.id == self.model {
            let reason = format!("the gallery is of model {} already", model.id);
            return Err(GalleryError::new(ErrorKind::Conflict, reason));
        }
        if model.dim == 0 || model.dim > 1 << 14 {
            return Err(GalleryError::new(ErrorKind::Caller, "a model's templates have 1 to 16384 values"));
        }
        let old = self.keys();
        let mut head = old.head.clone();
        head.adopted = (head.model != model.id || head.dim != model.dim)
            .then(|| AdoptedModel { id: model.id.clone(), dim: model.dim });
        let from = self.model.clone();
        self.may_write()?;
        // A cache of the old templates, which is built anew: given up first, so that it is not there whatever happens.
        if let Some(path) = &self.index_file {
            let _turn = lock(&self.saving);
            remove(path)?;
        }
        let (adopted, settings) = self.write(|rows, codec| {
            let new = Codec { dim: model.dim, ..codec };
            let mut adopted = Adopted {
                from: from.clone(),
                to: model.id.clone(),
                faces: 0,
                negatives: 0,
                waiting: Vec::new(),
                sightings: 0,
            };
            // Negatives first: they look for their faces by the old templates.
            for (kind, spare) in BOTH.into_iter().rev() {
                let mut after = 0;
                while let Some(page) = rows.next_page(kind, &mut after, 256)? {
                    for (id, row) in &page {
                        let held = held(rows, codec, kind, *id, row)?;
                        let kept = codec.spare(rows, spare, *id)?;
                        let kept = kept.filter(|k| k.model == model.id && k.template.len() == model.dim);
                        let template = match kept {
                            Some(kept) => Some(kept.template),
                            None if kind == Kind::Negative => of_same_face(rows, codec, &model.id, &held)?,
                            None => None,
                        };
                        // The old one stays beside the new; of a face that waited, there is only an older one.
                        if !waits(&held.template) {
                            codec.put_spare(rows, spare, *id, &from, &held.template)?;
                        } else if template.is_some() {
                            rows.delete(spare, *id)?;
                        }
                        match &template {
                            Some(_) if kind == Kind::Face => adopted.faces += 1,
                            Some(_) => adopted.negatives += 1,
                            None => adopted.waiting.push(adoptee(kind, *id)),
                        }
                        let template = template.unwrap_or_else(|| vec![0.0; model.dim]);
                        put(rows, new, kind, *id, &held, &template)?;
                    }
                }
            }
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Sighting, &mut after, 256)? {
                for (id, row) in &page {
                    rows.put(Kind::Sighting, *id, &codec.waiting_sighting(*id, row, model.dim)?)?;
                    adopted.sightings += 1;
                }
            }
            // A photo that was looked at by nothing is looked at by the next scan.
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Photo, &mut after, 256)? {
                for (id, row) in &page {
                    let mut body = codec.photo_body(PhotoId(*id), row)?;
                    if !rows.owned(Kind::Sighting, *id)?.is_empty() {
                        body.looked.clear();
                        codec.put_photo(rows, PhotoId(*id), &body)?;
                    }
                }
            }
            forget_decisions(rows)?;
            // Everybody has changed for the index.
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Person, &mut after, 256)? {
                for (id, row) in &page {
                    rows.put(Kind::Person, *id, row)?;
                }
            }
            adopted.waiting.sort_unstable();
            let mut settings = read_settings(rows, codec)?;
            let record = Record {
                at: now(),
                model: from.clone(),
                dim: codec.dim,
                thresholds: std::mem::replace(&mut settings.thresholds, model.thresholds.clone()),
                calibration: std::mem::replace(&mut settings.calibration, calibration.clone()),
            };
            match can_be_undone {
                true => write_record(rows, codec, &record)?,
                false => rows.set_meta(RECORD, None)?,
            }
            settings.adopted.clone_from(&head.adopted);
            write_head(rows, &head)?;
            write_settings(rows, codec, &settings)?;
            Ok((adopted, settings))
        })?;
        let sealer = old.sealer.again()?;
        *self.keys.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) =
            std::sync::Arc::new(Keys::new(head, sealer));
        *self.index.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        *self.settings.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) = settings;
        (self.model, self.dim) = (model.id.clone(), model.dim);
        Ok(adopted)
    }
}
