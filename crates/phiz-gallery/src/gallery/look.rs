//! Looking at people and faces.

use std::collections::BTreeMap;

use phiz_template::{ModelId, Template};

use super::{Filter, Gallery, lock, other_model};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::faults::Note;
use crate::model::{Face, FaceId, Negative, NegativeId, Person, PersonBody, PersonId};
use crate::store::{Kind, Mark, Row};

/// People who are read together.
const PAGE: usize = 256;

/// Looking.
impl Gallery {
    /// The identity of the model that the gallery is bound to.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// Values that a template has.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Names the gallery's state: as long as it stays the same, nothing has changed.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn mark(&self) -> Result<Mark> {
        self.read(|rows, _| rows.mark())
    }

    /// Fails unless the gallery is bound to this model: templates of two models are never compared.
    ///
    /// # Errors
    /// It is bound to another.
    pub fn expect_model(&self, id: &ModelId) -> Result<()> {
        if *id == self.model { Ok(()) } else { Err(other_model(&self.model, id)) }
    }

    /// Whether what lies on the disk is sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.keys().sealer.is_sealed()
    }

    /// What the user should know, since last asked: an index that had to be built anew, a key that others may read.
    pub fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut lock(&self.notes))
    }

    /// How many people there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn len(&self) -> Result<usize> {
        self.read(|rows, _| Ok(rows.count(Kind::Person)? as usize))
    }

    /// Whether there is nobody.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A person.
    ///
    /// # Errors
    /// There is none of that id, or the store cannot be read.
    pub fn person(&self, id: PersonId) -> Result<Person> {
        self.read(|rows, codec| codec.person(rows, id)?.ok_or_else(|| GalleryError::no_person(id)))
    }

    /// All people of a name, whatever its case, its form in Unicode and the space around it; by id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn named(&self, name: &str) -> Result<Vec<Person>> {
        let filter = Filter { name: Some(name.into()), ..Filter::default() };
        self.people(&filter, None, usize::MAX)
    }

    /// The one person that a user means: by id (`p12`) or by a name that only one has. What reads like an id is one,
    /// even if somebody is called so: an older Phiz did not refuse such names.
    ///
    /// # Errors
    /// Nobody or several people are called so.
    pub fn resolve(&self, text: &str) -> Result<Person> {
        if let Ok(id) = text.trim().to_ascii_lowercase().parse::<PersonId>() {
            return self.person(id);
        }
        let mut named = self.named(text)?;
        match named.len() {
            0 => Err(GalleryError::missing(Cause::NoPerson { person: None })),
            1 => Ok(named.remove(0)),
            _ => Err(GalleryError::several(named.iter().map(|person| person.id).collect())),
        }
    }

    /// All watch lists, with how many people are on each.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn lists(&self) -> Result<BTreeMap<String, usize>> {
        self.read(|rows, codec| {
            let mut lists = BTreeMap::new();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Person, &mut after, PAGE)? {
                for (id, row) in &page {
                    let body: PersonBody = codec.open_json(Kind::Person, *id, row)?;
                    for list in body.details.lists {
                        *lists.entry(list).or_default() += 1;
                    }
                }
            }
            Ok(lists)
        })
    }

    /// Up to `limit` people that pass a filter, by rising id, from after an id on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn people(&self, filter: &Filter, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>> {
        let after = after.map_or(0, |id| id.0);
        // Without a filter no more are opened than are asked for.
        let page = if filter.is_empty() { PAGE.min(limit) } else { PAGE };
        self.read(|rows, codec| {
            let mut found: Vec<Person> = Vec::new();
            let mut take = |page: Vec<(u64, Row)>| -> Result<bool> {
                let people = codec.people(rows, page)?;
                let room = limit - found.len();
                found.extend(people.into_iter().filter(|person| filter.passes(person)).take(room));
                Ok(found.len() < limit)
            };
            match filter.tagged(rows, &codec)? {
                _ if limit == 0 => {}
                Some(ids) => {
                    let ids: Vec<u64> = ids.into_iter().filter(|id| *id > after).collect();
                    for ids in ids.chunks(page) {
                        if !take(rows.get_many(Kind::Person, ids)?)? {
                            break;
                        }
                    }
                }
                None => {
                    let mut after = after;
                    while let Some(page) = rows.next_page(Kind::Person, &mut after, page)? {
                        if !take(page)? {
                            break;
                        }
                    }
                }
            }
            Ok(found)
        })
    }

    /// A person's faces, by id.
    ///
    /// # Errors
    /// There is no such person, or the store cannot be read.
    pub fn faces(&self, person: PersonId) -> Result<Vec<Face>> {
        self.read(|rows, codec| {
            if rows.get(Kind::Person, person.0)?.is_none() {
                return Err(GalleryError::no_person(person));
            }
            codec.faces(rows, &rows.owned(Kind::Face, person.0)?)
        })
    }

    /// A face.
    ///
    /// # Errors
    /// There is none of that id, or the store cannot be read.
    pub fn face(&self, id: FaceId) -> Result<Face> {
        self.read(|rows, codec| codec.face(rows, id)?.ok_or_else(|| GalleryError::no_face(id)))
    }

    /// A face's template.
    ///
    /// # Errors
    /// There is no such face, it waits for a template ([`Gallery::adopt`]), or the store cannot be read.
    pub fn template(&self, id: FaceId) -> Result<Template> {
        let vector = self.read(|rows, codec| {
            codec
                .face_body(rows, id)?
                .filter(|(owner, _)| owner.0 != 0)
                .ok_or_else(|| GalleryError::no_face(id))?;
            let weighted = codec.template(rows, id)?;
            if weighted.waits() {
                let reason = format!("face {id} has no template of the gallery's model yet");
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint("it waits for its photo since the gallery was brought to this model"));
            }
            Ok(weighted.template)
        })?;
        Ok(Template::new(self.model.clone(), vector)?)
    }

    /// All templates of a person, with their faces' ids: by a number of queries that does not depend on how many there
    /// are.
    ///
    /// # Errors
    /// There is no such person, or the store cannot be read.
    pub fn templates(&self, person: PersonId) -> Result<Vec<(FaceId, Template)>> {
        let templates = self.read(|rows, codec| {
            if rows.get(Kind::Person, person.0)?.is_none() {
                return Err(GalleryError::no_person(person));
            }
            codec.templates(rows, person)
        })?;
        let template = |(id, weighted): (FaceId, crate::rows::Weighted)| {
            Ok((id, Template::new(self.model.clone(), weighted.template)?))
        };
        templates.into_iter().filter(|(_, weighted)| !weighted.waits()).map(template).collect()
    }

    /// A face's aligned crop, if it is kept: the encoded picture.
    ///
    /// # Errors
    /// There is no such face, or the store cannot be read.
    pub fn crop(&self, id: FaceId) -> Result<Option<Vec<u8>>> {
        self.read(|rows, codec| {
            codec
                .face_body(rows, id)?
                .filter(|(owner, _)| owner.0 != 0)
                .ok_or_else(|| GalleryError::no_face(id))?;
            let row = rows.get(Kind::Crop, id.0)?;
            row.map(|row| codec.open(Kind::Crop, id.0, &row)).transpose()
        })
    }

    /// The templates of what is said not to be a person, by their ids.
    ///
    /// # Errors
    /// There is no such person, or the store cannot be read.
    pub fn negative_templates(&self, person: PersonId) -> Result<Vec<(NegativeId, Template)>> {
        let known = self.read(|rows, codec| {
            if rows.get(Kind::Person, person.0)?.is_none() {
                return Err(GalleryError::no_person(person));
            }
            codec.negatives(rows, person)
        })?;
        let one = |(negative, vector): (Negative, Vec<f32>)| {
            Ok((negative.id, Template::new(self.model.clone(), vector)?))
        };
        known.into_iter().map(one).collect()
    }

    /// The faces that are said not to be a person.
    ///
    /// # Errors
    /// There is no such person, or the store cannot be read.
    pub fn negatives(&self, person: PersonId) -> Result<Vec<Negative>> {
        self.read(|rows, codec| {
            if rows.get(Kind::Person, person.0)?.is_none() {
                return Err(GalleryError::no_person(person));
            }
            Ok(codec.negatives(rows, person)?.into_iter().map(|(negative, _)| negative).collect())
        })
    }
}
