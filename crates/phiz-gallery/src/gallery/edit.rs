//! Changing people.
//!
//! Each change is one transaction, and leaves an entry in the [journal](super::journal): the steps it consisted of, small,
//! for what is removed is not copied but moved, to the *bin* (owner 0), where nothing but [`Gallery::undo`] and purging
//! looks.

use std::collections::BTreeSet;

use super::journal::{Entry, Step};
use super::{Gallery, now};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{Details, FaceBody, FaceId, NegativeId, NewFace, OperationId, PersonBody, PersonId};
use crate::rows::{Codec, SAME, similarity};
use crate::store::{Kind, RowsMut};

/// The bin: no person has this id.
pub(super) const BIN: PersonId = PersonId(0);

/// An operation under way: does steps and remembers them.
struct Change<'a> {
    rows: &'a mut dyn RowsMut,
    codec: Codec<'a>,
    steps: Vec<Step>,
}

impl Change<'_> {
    fn body(&self, id: PersonId) -> Result<PersonBody> {
        self.codec.person_body(self.rows, id)?.ok_or_else(|| GalleryError::missing(format!("person {id}")))
    }

    fn set_person(&mut self, id: PersonId, after: Option<PersonBody>) -> Result<()> {
        let before = self.codec.person_body(self.rows, id)?;
        if before != after {
            put_person(self.rows, self.codec, id, after.as_ref())?;
            self.steps.push(Step::Person { id: id.0, before, after });
        }
        Ok(())
    }

    fn move_face(&mut self, id: FaceId, to: PersonId) -> Result<()> {
        let from = move_face(self.rows, self.codec, id, to)?;
        self.steps.push(Step::Face { id: id.0, from: from.0, to: to.0 });
        Ok(())
    }

    fn move_negative(&mut self, id: NegativeId, to: PersonId) -> Result<()> {
        let from = move_row(self.rows, self.codec, Kind::Negative, id.0, to)?;
        self.steps.push(Step::Negative { id: id.0, from: from.0, to: to.0 });
        Ok(())
    }

    fn faces(&self, person: PersonId) -> Result<Vec<FaceId>> {
        Ok(self.rows.owned(Kind::Face, person.0)?.into_iter().map(FaceId).collect())
    }

    fn negatives(&self, person: PersonId) -> Result<Vec<NegativeId>> {
        Ok(self.rows.owned(Kind::Negative, person.0)?.into_iter().map(NegativeId).collect())
    }

    /// Fails if a face would come to a person of whom it was said that it is not them.
    fn check_negatives(&self, faces_of: PersonId, negatives_of: PersonId) -> Result<()> {
        let faces = self.codec.templates(self.rows, faces_of)?;
        for (negative, template) in self.codec.negatives(self.rows, negatives_of)? {
            if let Some((face, _)) = faces.iter().find(|(_, t)| similarity(&t.template, &template) >= SAME) {
                let reason =
                    format!("it was said ({}) that face {face} is not person {negatives_of}", negative.id);
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .hint_at(format!("take {} back first, if it was wrong", negative.id)));
            }
        }
        Ok(())
    }
}

pub(super) fn put_person(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    id: PersonId,
    body: Option<&PersonBody>,
) -> Result<()> {
    match body {
        Some(body) => codec.put_person(rows, id, body),
        None => rows.delete(Kind::Person, id.0).map(|_| ()),
    }
}

/// Gives a row to another owner; says whose it was.
pub(super) fn move_row(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    kind: Kind,
    id: u64,
    to: PersonId,
) -> Result<PersonId> {
    let row = rows.get(kind, id)?.ok_or_else(|| GalleryError::missing(crate::rows::named(kind, id)))?;
    rows.put(kind, id, &codec.moved(kind, id, &row, to.0)?)?;
    Ok(PersonId(row.owner))
}

pub(super) fn move_face(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    id: FaceId,
    to: PersonId,
) -> Result<PersonId> {
    move_row(rows, codec, Kind::Template, id.0, to)?;
    move_row(rows, codec, Kind::Face, id.0, to)
}

/// Operations on people. Each can be taken back with [`Gallery::undo`] until it is purged.
impl Gallery {
    /// Does a change in one transaction and writes it into the journal.
    fn change<T>(
        &self,
        what: impl Fn(&T) -> String,
        mut work: impl FnMut(&mut Change<'_>) -> Result<T>,
    ) -> Result<(T, OperationId)> {
        self.write(|rows, codec| {
            let mut change = Change { rows, codec, steps: Vec::new() };
            let done = work(&mut change)?;
            let done_by = Entry { at: now(), what: what(&done), steps: std::mem::take(&mut change.steps) };
            let id = rows.next_id(Kind::Journal)?;
            let value = serde_json::to_vec(&done_by)
                .map_err(|e| GalleryError::new(ErrorKind::Caller, e.to_string()))?;
            rows.put(Kind::Journal, id, &codec.row(Kind::Journal, id, 0, Vec::new(), &value)?)?;
            let settings = super::read_settings(rows, codec.sealer, &self.head)?;
            super::upkeep::expire(rows, codec, settings.undo_days)?;
            Ok((done, OperationId(id)))
        })
    }

    /// Changes what is said of a person: name, attributes, watch lists.
    ///
    /// # Errors
    /// There is no such person, or the gallery cannot be written. So throughout.
    pub fn update(&self, person: PersonId, edit: impl Fn(&mut Details)) -> Result<OperationId> {
        let what = |_: &()| format!("change what is said of {person}");
        let done = self.change(what, |change| {
            let mut body = change.body(person)?;
            edit(&mut body.details);
            change.set_person(person, Some(body))
        })?;
        Ok(done.1)
    }

    /// Gives a person another name.
    ///
    /// # Errors
    /// See [`Gallery::update`].
    pub fn rename(&self, person: PersonId, name: &str) -> Result<OperationId> {
        let done = self.change(
            |_: &()| format!("rename {person}"),
            |change| {
                let mut body = change.body(person)?;
                body.details.name = name.into();
                change.set_person(person, Some(body))
            },
        )?;
        Ok(done.1)
    }

    /// Removes a person with all faces and negatives. They are found no more, and are destroyed by
    /// [`Gallery::purge`], or by and by (see [`Gallery::set_undo_days`]); until then it can be undone.
    ///
    /// # Errors
    /// See [`Gallery::update`].
    pub fn remove_person(&self, person: PersonId) -> Result<OperationId> {
        let done = self.change(
            |faces: &usize| format!("remove {person} with {faces} faces"),
            |change| {
                change.body(person)?;
                let faces = change.faces(person)?;
                faces.iter().try_for_each(|face| change.move_face(*face, BIN))?;
                let negatives = change.negatives(person)?;
                negatives.into_iter().try_for_each(|negative| change.move_negative(negative, BIN))?;
                change.set_person(person, None)?;
                Ok(faces.len())
            },
        )?;
        Ok(done.1)
    }

    /// Removes one face. Its person stays, with no face perhaps.
    ///
    /// # Errors
    /// There is no such face, or the gallery cannot be written.
    pub fn remove_face(&self, face: FaceId) -> Result<OperationId> {
        let done = self.change(
            |person: &PersonId| format!("remove face {face} of {person}"),
            |change| {
                let person = owner_of(change, face)?;
                change.move_face(face, BIN)?;
                Ok(person)
            },
        )?;
        Ok(done.1)
    }

    /// Two people are one: `from`'s faces and negatives become `into`'s, and `from` ceases. Attributes and lists are
    /// joined; where both have an attribute, `into`'s stays.
    ///
    /// # Errors
    /// They are the same person; it was said that a face of one is not the other; and as [`Gallery::update`].
    pub fn merge(&self, into: PersonId, from: PersonId) -> Result<OperationId> {
        if into == from {
            let reason = format!("person {into} cannot be merged into themselves");
            return Err(GalleryError::new(ErrorKind::Caller, reason));
        }
        let done = self.change(
            |_: &()| format!("merge {from} into {into}"),
            |change| {
                let (mut kept, gone) = (change.body(into)?, change.body(from)?);
                change.check_negatives(from, into)?;
                change.check_negatives(into, from)?;
                for face in change.faces(from)? {
                    change.move_face(face, into)?;
                }
                for negative in change.negatives(from)? {
                    change.move_negative(negative, into)?;
                }
                for (key, value) in gone.details.attributes {
                    kept.details.attributes.entry(key).or_insert(value);
                }
                kept.details.lists.extend(gone.details.lists);
                if kept.details.name.is_empty() {
                    kept.details.name = gone.details.name;
                }
                change.set_person(into, Some(kept))?;
                change.set_person(from, None)
            },
        )?;
        Ok(done.1)
    }

    /// One person is two: some faces become a new person's.
    ///
    /// # Errors
    /// No face is named, or one that is not the person's; and as [`Gallery::update`].
    pub fn split(
        &self,
        person: PersonId,
        faces: &[FaceId],
        details: &Details,
    ) -> Result<(PersonId, OperationId)> {
        if faces.is_empty() {
            return Err(GalleryError::new(
                ErrorKind::Caller,
                "no face is named that should become another person's",
            ));
        }
        let faces: BTreeSet<FaceId> = faces.iter().copied().collect();
        self.change(
            |new: &PersonId| format!("split {} faces from {person} as {new}", faces.len()),
            |change| {
                change.body(person)?;
                let new = PersonId(change.rows.next_id(Kind::Person)?);
                change.set_person(new, Some(PersonBody { details: details.clone(), created: now() }))?;
                for face in &faces {
                    check_owner(change, *face, person)?;
                    change.move_face(*face, new)?;
                }
                Ok(new)
            },
        )
    }

    /// Gives a face to another person.
    ///
    /// # Errors
    /// There is no such face or person, or it was said that the face is not that person.
    pub fn move_face(&self, face: FaceId, to: PersonId) -> Result<OperationId> {
        let done = self.change(
            |from: &PersonId| format!("move face {face} from {from} to {to}"),
            |change| {
                change.body(to)?;
                let from = owner_of(change, face)?;
                let template = change.codec.template(change.rows, face)?.template;
                for (negative, other) in change.codec.negatives(change.rows, to)? {
                    if similarity(&template, &other) >= SAME {
                        let reason =
                            format!("it was said ({}) that face {face} is not person {to}", negative.id);
                        return Err(GalleryError::new(ErrorKind::Conflict, reason)
                            .hint_at(format!("take {} back first, if it was wrong", negative.id)));
                    }
                }
                change.move_face(face, to)?;
                Ok(from)
            },
        )?;
        Ok(done.1)
    }

    /// "This is not that person": the face, and faces that are more like it than like any of the person's, are not
    /// taken for the person again. The face need not be enrolled; if the person has it, it is removed.
    ///
    /// # Errors
    /// The template cannot be one of this gallery's; and as [`Gallery::update`].
    pub fn add_negative(&self, person: PersonId, face: &NewFace) -> Result<(NegativeId, OperationId)> {
        self.check_template(&face.template)?;
        self.change(
            |id: &NegativeId| format!("say ({id}) that a face is not {person}"),
            |change| {
                change.body(person)?;
                for (own, template) in change.codec.templates(change.rows, person)? {
                    if similarity(&template.template, &face.template) >= SAME {
                        change.move_face(own, BIN)?;
                    }
                }
                let id = NegativeId(change.rows.next_id(Kind::Negative)?);
                let body = FaceBody {
                    added: now(),
                    photo: face.photo.as_ref().map(|hash| crate::seal::hex(hash)),
                    taken: face.taken,
                    source: face.source.clone(),
                    ..FaceBody::default()
                };
                change.codec.put_negative(change.rows, id, person, &body, &face.template)?;
                change.steps.push(Step::Negative { id: id.0, from: BIN.0, to: person.0 });
                Ok(id)
            },
        )
    }

    /// Says of an enrolled face that it is not its person: it is removed from them and kept as a negative.
    ///
    /// # Errors
    /// There is no such face, or the gallery cannot be written.
    pub fn not_this_person(&self, face: FaceId) -> Result<(NegativeId, OperationId)> {
        let known = self.face(face)?;
        let (photo, taken, source) = (known.photo, known.taken, known.source);
        let template = self.template(face)?;
        self.add_negative(known.person, &NewFace { template, photo, taken, source, ..NewFace::default() })
    }

    /// Takes back that a face is not a person.
    ///
    /// # Errors
    /// There is no such negative, or the gallery cannot be written.
    pub fn remove_negative(&self, negative: NegativeId) -> Result<OperationId> {
        let done = self.change(
            |person: &PersonId| format!("take back ({negative}) that a face is not {person}"),
            |change| {
                let known = change.codec.negative(change.rows, negative)?;
                let (known, _) =
                    known.ok_or_else(|| GalleryError::missing(format!("negative {negative}")))?;
                change.move_negative(negative, BIN)?;
                Ok(known.person)
            },
        )?;
        Ok(done.1)
    }
}

fn owner_of(change: &Change<'_>, face: FaceId) -> Result<PersonId> {
    let body = change.codec.face_body(change.rows, face)?;
    let owner = body.map(|(person, _)| person).filter(|person| *person != BIN);
    owner.ok_or_else(|| GalleryError::missing(format!("face {face}")))
}

fn check_owner(change: &Change<'_>, face: FaceId, person: PersonId) -> Result<()> {
    let owner = owner_of(change, face)?;
    if owner == person {
        return Ok(());
    }
    Err(GalleryError::new(ErrorKind::Conflict, format!("face {face} is person {owner}'s, not {person}'s")))
}
