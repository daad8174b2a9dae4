//! Reading everything, and saying what is wrong.

use std::collections::BTreeSet;

use super::Gallery;
use super::steps::{entry, referenced};
use crate::error::Result;
use crate::faults::Fault;
use crate::index::{self, Index, Loaded};
use crate::model::{FaceId, NegativeId, OperationId, Part, PersonId, PhotoId};
use crate::rows::{Codec, combine};
use crate::store::{Kind, Row, Rows};

/// Rows that are read together.
const PAGE: usize = 256;

impl Gallery {
    /// Reads everything and says what is wrong; nothing if all is well. Looks at every byte that matters: the
    /// database's own structure, each row's seal, that rows belong together, that tags find what they stand for, and
    /// that the index file holds what the gallery holds. Searches and changes go on meanwhile.
    ///
    /// # Errors
    /// The gallery cannot be read at all.
    pub fn check(&self) -> Result<Vec<Fault>> {
        let own = self.store.maintenance().map_or_else(|| Ok(Vec::new()), |store| store.faults())?;
        let mut faults: Vec<Fault> = own.into_iter().map(|detail| Fault::Store { detail }).collect();
        faults.extend(self.read(|rows, codec| Ok(check_rows(rows, codec)))?);
        if let Some(path) = &self.index_file {
            match index::load(path, self.dim, &self.id, &self.keys().sealer) {
                Loaded::Absent => {}
                Loaded::Unusable(why) => faults.push(Fault::IndexUnusable { path: path.clone(), why }),
                Loaded::Index(mut index) => match self.follow(&mut index) {
                    Ok(()) => faults.extend(self.check_index(&index)?),
                    Err(e) => faults.push(Fault::IndexBehind { detail: e.to_string() }),
                },
            }
        }
        Ok(faults)
    }

    fn check_index(&self, index: &Index) -> Result<Vec<Fault>> {
        self.read(|rows, codec| {
            let mut faults = Vec::new();
            if index.mark != rows.mark()? {
                return Ok(faults);
            }
            let mut stray: BTreeSet<u64> = index.people().collect();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Person, &mut after, PAGE)? {
                let ids: Vec<u64> = page.iter().map(|(id, _)| *id).collect();
                let together = codec.templates_of(rows, &ids).ok();
                for id in ids {
                    stray.remove(&id);
                    let templates = match &together {
                        Some(all) => all.get(&id).cloned().unwrap_or_default(),
                        // Rows that do not open are told of already.
                        None => match codec.templates(rows, PersonId(id)) {
                            Ok(templates) => templates,
                            Err(_) => continue,
                        },
                    };
                    if !index.holds(id, combine(templates.iter().map(|(_, t)| t)).as_deref()) {
                        faults.push(Fault::IndexDiffers { person: PersonId(id) });
                    }
                }
            }
            faults.extend(stray.iter().map(|id| Fault::IndexStray { person: PersonId(*id) }));
            Ok(faults)
        })
    }
}

/// Opens every row and holds it to those that it belongs with.
fn check_rows(rows: &dyn Rows, codec: Codec<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut needed = BTreeSet::new();
    for kind in Kind::ALL.into_iter().rev() {
        let mut after = 0;
        loop {
            let page = match rows.page(kind, after, PAGE) {
                Ok(page) => page,
                Err(e) => {
                    let part = Part::of(kind, after);
                    faults.push(Fault::Unreadable { part, detail: format!("rows after {part}: {e}") });
                    break;
                }
            };
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (id, row) in &page {
                match check_row(rows, codec, kind, *id, row, &mut needed) {
                    Ok(None) => {}
                    Ok(Some(fault)) => faults.push(fault),
                    Err(e) => {
                        faults.push(Fault::Unreadable { part: Part::of(kind, *id), detail: e.to_string() })
                    }
                }
            }
        }
    }
    faults
}

fn is_unit(template: &[f32]) -> bool {
    let length = template.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    (0.99..=1.01).contains(&length)
}

fn check_row(
    rows: &dyn Rows,
    codec: Codec<'_>,
    kind: Kind,
    id: u64,
    row: &Row,
    needed: &mut BTreeSet<(Kind, u64)>,
) -> Result<Option<Fault>> {
    let part = Part::of(kind, id);
    let owner_is_there = |owner: u64| -> Result<bool> {
        Ok(owner == 0 && needed.contains(&(kind, id)) || rows.get(Kind::Person, owner)?.is_some())
    };
    let no_owner = Fault::NoOwner { part, owner: PersonId(row.owner) };
    codec.open(kind, id, row)?;
    match kind {
        Kind::Person => {
            if let Some(body) = codec.person_body(rows, PersonId(id))?
                && row.tags != codec.person_tags(&body.details)
                && row.tags != codec.older_person_tags(&body.details)
            {
                return Ok(Some(Fault::Lookup { part }));
            }
        }
        Kind::Face => {
            if !owner_is_there(row.owner)? {
                return Ok(Some(no_owner));
            }
            let template = rows.get(Kind::Template, id)?;
            if template.is_none_or(|template| template.owner != row.owner) {
                return Ok(Some(Fault::NoTemplate { part }));
            }
            let body = codec.face_body(rows, FaceId(id))?;
            if body.is_some_and(|(_, body)| body.crop) != rows.get(Kind::Crop, id)?.is_some() {
                return Ok(Some(Fault::Crop { part }));
            }
        }
        Kind::Template => {
            let found = codec.weighted(FaceId(id), row)?;
            // All zeros: the face waits for a template of this model, see `adopt`.
            if found.template.iter().any(|v| *v != 0.0) && !is_unit(&found.template) {
                return Ok(Some(Fault::NotUnit { part }));
            }
            if rows.get(Kind::Face, id)?.is_none() {
                return Ok(Some(Fault::NoFace { part }));
            }
        }
        Kind::Crop => {
            if rows.get(Kind::Face, id)?.is_none() {
                return Ok(Some(Fault::NoFace { part }));
            }
        }
        Kind::Negative => {
            if row.owner != 0 {
                codec.negative(rows, NegativeId(id))?;
            }
            if !owner_is_there(row.owner)? {
                return Ok(Some(no_owner));
            }
        }
        Kind::Photo => {
            let body = codec.photo_body(PhotoId(id), row)?;
            if row.tags != codec.photo_tags(&body) {
                return Ok(Some(Fault::Lookup { part }));
            }
        }
        Kind::Sighting => {
            let template = codec.seen(id, row)?.template;
            // All zeros: it waits for the next scan, see `adopt`.
            if !is_unit(&template) && template.iter().any(|value| *value != 0.0) {
                return Ok(Some(Fault::NotUnit { part }));
            }
            if rows.get(Kind::Photo, row.owner)?.is_none() {
                return Ok(Some(Fault::NoPhoto { part }));
            }
        }
        Kind::Group => {
            if row.owner != 0 && rows.get(Kind::Person, row.owner)?.is_none() {
                return Ok(Some(no_owner));
            }
            let body = codec.group_body(id, row)?;
            if rows.get_many(Kind::Sighting, &body.sightings)?.len() != body.sightings.len() {
                return Ok(Some(Fault::NoSighting { part }));
            }
        }
        Kind::SightingCrop => {
            if rows.get(Kind::Sighting, id)?.is_none() {
                return Ok(Some(Fault::NoSighting { part }));
            }
        }
        Kind::Spare => {
            codec.spare(rows, kind, id)?;
            if rows.get(Kind::Face, id)?.is_none() {
                return Ok(Some(Fault::NoFace { part }));
            }
        }
        Kind::SpareNegative => {
            codec.spare(rows, kind, id)?;
            if rows.get(Kind::Negative, id)?.is_none() {
                return Ok(Some(Fault::NoFace { part }));
            }
        }
        Kind::Journal => needed.extend(referenced(&entry(codec, OperationId(id), row)?)),
    }
    for tag in &row.tags {
        if rows.tagged(kind, tag)?.binary_search(&id).is_err() {
            return Ok(Some(Fault::Lookup { part }));
        }
    }
    Ok(None)
}
