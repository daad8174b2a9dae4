//! Looking at people and faces.

use super::{Filter, Gallery, lock, other_model};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{Face, FaceId, Negative, Person, PersonId};
use crate::store::{Kind, Rows, Tag};

/// Looking.
impl Gallery {
    /// The identity of the model that the gallery is bound to.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.head.model
    }

    /// Values that a template has.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.head.dim
    }

    /// Fails unless the gallery is bound to this model: templates of two models are never compared.
    ///
    /// # Errors
    /// It is bound to another.
    pub fn expect_model(&self, id: &str) -> Result<()> {
        if id == self.head.model { Ok(()) } else { Err(other_model(&self.head.model, id)) }
    }

    /// Whether what lies on the disk is sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealer.is_sealed()
    }

    /// What the user should know, since last asked: an index that had to be built anew, a key that others may read.
    pub fn notes(&self) -> Vec<String> {
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
        self.read(|rows, codec| {
            codec.person(rows, id)?.ok_or_else(|| GalleryError::missing(format!("person {id}")))
        })
    }

    /// All people of a name, whatever its case; by id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn named(&self, name: &str) -> Result<Vec<Person>> {
        let filter = Filter { name: Some(name.into()), ..Filter::default() };
        self.people(&filter, None, usize::MAX)
    }

    /// The one person that a user means: by id (`p12`) or by a name that only one has.
    ///
    /// # Errors
    /// Nobody or several people are called so.
    pub fn resolve(&self, text: &str) -> Result<Person> {
        let mut named = self.named(text)?;
        if let (true, Ok(id)) = (named.is_empty(), text.parse::<PersonId>()) {
            return self.person(id);
        }
        match named.len() {
            0 => Err(GalleryError::missing("person of that name")),
            1 => Ok(named.remove(0)),
            _ => {
                let ids: Vec<String> = named.iter().map(|p| p.id.to_string()).collect();
                let reason = format!("{} people have that name", ids.len());
                Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .hint_at(format!("say which by id: {}", ids.join(", "))))
            }
        }
    }

    /// Up to `limit` people that pass a filter, by rising id, from after an id on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn people(&self, filter: &Filter, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>> {
        let after = after.map_or(0, |id| id.0);
        self.read(|rows, codec| {
            let mut found = Vec::new();
            let mut take = |id: u64| -> Result<bool> {
                if let Some(person) = codec.person(rows, PersonId(id))?
                    && filter.passes(&person)
                {
                    found.push(person);
                }
                Ok(found.len() < limit)
            };
            match filter.tagged(rows, &codec)? {
                Some(ids) => {
                    for id in ids.into_iter().filter(|id| *id > after) {
                        if !take(id)? {
                            break;
                        }
                    }
                }
                None => {
                    let mut after = after;
                    'pages: while let Some(page) = rows.next_page(Kind::Person, &mut after, 256)? {
                        for (id, _) in &page {
                            if !take(*id)? {
                                break 'pages;
                            }
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
                return Err(GalleryError::missing(format!("person {person}")));
            }
            let ids = rows.owned(Kind::Face, person.0)?;
            ids.into_iter().filter_map(|id| codec.face(rows, FaceId(id)).transpose()).collect()
        })
    }

    /// A face.
    ///
    /// # Errors
    /// There is none of that id, or the store cannot be read.
    pub fn face(&self, id: FaceId) -> Result<Face> {
        self.read(|rows, codec| {
            codec.face(rows, id)?.ok_or_else(|| GalleryError::missing(format!("face {id}")))
        })
    }

    /// A face's template.
    ///
    /// # Errors
    /// There is no such face, or the store cannot be read.
    pub fn template(&self, id: FaceId) -> Result<Vec<f32>> {
        self.face(id)?;
        self.read(|rows, codec| Ok(codec.template(rows, id)?.template))
    }

    /// A face's aligned crop, if it is kept: the encoded picture.
    ///
    /// # Errors
    /// There is no such face, or the store cannot be read.
    pub fn crop(&self, id: FaceId) -> Result<Option<Vec<u8>>> {
        self.face(id)?;
        self.read(|rows, codec| {
            let row = rows.get(Kind::Crop, id.0)?;
            row.map(|row| codec.open(Kind::Crop, id.0, &row)).transpose()
        })
    }

    /// The faces that are said not to be a person.
    ///
    /// # Errors
    /// There is no such person, or the store cannot be read.
    pub fn negatives(&self, person: PersonId) -> Result<Vec<Negative>> {
        self.person(person)?;
        self.read(|rows, codec| Ok(codec.negatives(rows, person)?.into_iter().map(|(n, _)| n).collect()))
    }
}

/// Ids that carry all of some tags.
pub(crate) fn with_all(rows: &dyn Rows, tags: &[Tag]) -> Result<Option<Vec<u64>>> {
    let Some((first, rest)) = tags.split_first() else { return Ok(None) };
    let mut ids = rows.tagged(Kind::Person, first)?;
    for tag in rest {
        let others = rows.tagged(Kind::Person, tag)?;
        ids.retain(|id| others.binary_search(id).is_ok());
    }
    Ok(Some(ids))
}
