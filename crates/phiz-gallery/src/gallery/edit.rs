//! Changing people.
//!
//! Each change leaves an entry in the [journal](super::journal). [`Gallery::apply`] makes several changes in one
//! transaction: all of them, or none.

use std::collections::BTreeSet;

use super::operation::OperationKind;
use super::steps::{Step, TRASH, move_face, move_row, put_person};
use super::trash::{Purge, Purged};
use super::{Gallery, now, record};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::model::{Details, FaceBody, FaceId, NegativeId, NewFace, OperationId, PersonBody, PersonId};
use crate::names;
use crate::rows::{Codec, SAME, similarity};
use crate::store::{Kind, RowsMut};

/// A change, for [`Gallery::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// Removes a person with all faces, as [`Gallery::remove_person`] does.
    RemovePerson(PersonId),
    /// Removes one face, as [`Gallery::remove_face`] does.
    RemoveFace(FaceId),
    /// Joins two people, as [`Gallery::merge`] does.
    Merge {
        /// The person who stays.
        into: PersonId,
        /// The person whose faces become theirs, and who is then removed.
        from: PersonId,
    },
    /// Gives a face to another person, as [`Gallery::move_face`] does.
    MoveFace {
        /// The face.
        face: FaceId,
        /// The person whose face it is.
        to: PersonId,
    },
    /// Gives a person another name, as [`Gallery::rename`] does.
    Rename {
        /// The person.
        person: PersonId,
        /// The new name.
        name: String,
    },
    /// Takes back that a face is not a person, as [`Gallery::remove_negative`] does.
    RemoveNegative(NegativeId),
}

impl Edit {
    /// The person who no longer exists afterwards.
    fn ends(&self) -> Option<PersonId> {
        match self {
            Edit::RemovePerson(person) => Some(*person),
            Edit::Merge { from, .. } => Some(*from),
            _ => None,
        }
    }

    /// Who must be there.
    fn needs(&self) -> Vec<PersonId> {
        match self {
            Edit::RemovePerson(person) | Edit::Rename { person, .. } => vec![*person],
            Edit::Merge { into, from } => vec![*into, *from],
            Edit::MoveFace { to, .. } => vec![*to],
            Edit::RemoveFace(_) | Edit::RemoveNegative(_) => Vec::new(),
        }
    }
}

/// Fails if a list of changes cannot be meant: it names somebody whom it has removed or merged before.
fn check(edits: &[Edit]) -> Result<()> {
    let (mut gone, mut faces) = (BTreeSet::new(), BTreeSet::new());
    for edit in edits {
        if let Some(person) = edit.needs().into_iter().find(|person| gone.contains(person)) {
            let reason = format!("person {person} is named twice, and would be gone the second time");
            return Err(GalleryError::new(ErrorKind::Caller, reason)
                .with_hint("name each person once")
                .because(Cause::NamedTwice { person }));
        }
        if let Edit::RemoveFace(face) = *edit
            && !faces.insert(face)
        {
            let reason = format!("face {face} is named twice");
            return Err(GalleryError::new(ErrorKind::Caller, reason)
                .with_hint("name each face once")
                .because(Cause::FaceNamedTwice { face }));
        }
        gone.extend(edit.ends());
    }
    Ok(())
}

/// An operation under way: does steps and remembers them.
struct Change<'a> {
    rows: &'a mut dyn RowsMut,
    codec: Codec<'a>,
    steps: Vec<Step>,
}

impl Change<'_> {
    fn body(&self, id: PersonId) -> Result<PersonBody> {
        self.codec.person_body(self.rows, id)?.ok_or_else(|| GalleryError::no_person(id))
    }

    fn set_person(&mut self, id: PersonId, after: Option<PersonBody>) -> Result<()> {
        let before = self.codec.person_body(self.rows, id)?;
        if before != after {
            put_person(self.rows, self.codec, id, after.as_ref())?;
            self.steps.push(Step::Person { id: id.0, before, after });
        }
        Ok(())
    }

    fn put_face(&mut self, id: FaceId, to: PersonId) -> Result<()> {
        let from = move_face(self.rows, self.codec, id, to)?;
        self.steps.push(Step::Face { id: id.0, from: from.0, to: to.0 });
        Ok(())
    }

    fn put_negative(&mut self, id: NegativeId, to: PersonId) -> Result<()> {
        let from = move_row(self.rows, self.codec, Kind::Negative, id.0, to)?;
        self.steps.push(Step::Negative { id: id.0, from: from.0, to: to.0 });
        Ok(())
    }

    /// Gives a person's groups of sightings to another; 0 for nobody.
    fn put_groups(&mut self, from: PersonId, to: PersonId) -> Result<()> {
        for id in self.rows.owned(Kind::Group, from.0)? {
            move_row(self.rows, self.codec, Kind::Group, id, to)?;
            self.steps.push(Step::GroupOwner { id, from: from.0, to: to.0 });
        }
        Ok(())
    }

    fn faces(&self, person: PersonId) -> Result<Vec<FaceId>> {
        Ok(self.rows.owned(Kind::Face, person.0)?.into_iter().map(FaceId).collect())
    }

    fn negatives(&self, person: PersonId) -> Result<Vec<NegativeId>> {
        Ok(self.rows.owned(Kind::Negative, person.0)?.into_iter().map(NegativeId).collect())
    }

    fn owner_of(&self, face: FaceId) -> Result<PersonId> {
        let body = self.codec.face_body(self.rows, face)?;
        let owner = body.map(|(person, _)| person).filter(|person| *person != TRASH);
        owner.ok_or_else(|| GalleryError::no_face(face))
    }

    /// Fails if one of some faces was said not to be a person.
    fn check_negatives(&self, faces: &[(FaceId, Vec<f32>)], person: PersonId) -> Result<()> {
        for (negative, template) in self.codec.negatives(self.rows, person)? {
            if let Some((face, _)) = faces.iter().find(|(_, t)| similarity(t, &template) >= SAME) {
                let (face, negative) = (*face, negative.id);
                let reason = format!("it was said ({negative}) that face {face} is not person {person}");
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .with_hint(format!("take {negative} back first, if it was wrong"))
                    .because(Cause::SaidNotToBe { negative, face, person }));
            }
        }
        Ok(())
    }

    fn templates(&self, person: PersonId) -> Result<Vec<(FaceId, Vec<f32>)>> {
        let templates = self.codec.templates(self.rows, person)?;
        Ok(templates.into_iter().map(|(face, weighted)| (face, weighted.template)).collect())
    }

    fn run(&mut self, edit: &Edit) -> Result<OperationKind> {
        match edit {
            Edit::RemovePerson(person) => self.remove_person(*person),
            Edit::RemoveFace(face) => self.remove_face(*face),
            Edit::Merge { into, from } => self.merge(*into, *from),
            Edit::MoveFace { face, to } => self.move_face(*face, *to),
            Edit::Rename { person, name } => self.rename(*person, name),
            Edit::RemoveNegative(negative) => self.remove_negative(*negative),
        }
    }

    fn remove_person(&mut self, person: PersonId) -> Result<OperationKind> {
        self.body(person)?;
        let faces = self.faces(person)?;
        faces.iter().try_for_each(|face| self.put_face(*face, TRASH))?;
        for negative in self.negatives(person)? {
            self.put_negative(negative, TRASH)?;
        }
        self.put_groups(person, TRASH)?;
        self.set_person(person, None)?;
        Ok(OperationKind::RemovePerson { person, faces: faces.len() })
    }

    fn remove_face(&mut self, face: FaceId) -> Result<OperationKind> {
        let person = self.owner_of(face)?;
        self.put_face(face, TRASH)?;
        Ok(OperationKind::RemoveFace { face, person })
    }

    fn merge(&mut self, into: PersonId, from: PersonId) -> Result<OperationKind> {
        if into == from {
            let reason = format!("person {into} cannot be merged into themselves");
            return Err(
                GalleryError::new(ErrorKind::Caller, reason).because(Cause::SamePerson { person: into })
            );
        }
        let (mut kept, gone) = (self.body(into)?, self.body(from)?);
        self.check_negatives(&self.templates(from)?, into)?;
        self.check_negatives(&self.templates(into)?, from)?;
        for face in self.faces(from)? {
            self.put_face(face, into)?;
        }
        for negative in self.negatives(from)? {
            self.put_negative(negative, into)?;
        }
        self.put_groups(from, into)?;
        for (key, value) in gone.details.attributes {
            kept.details.attributes.entry(key).or_insert(value);
        }
        kept.details.lists.extend(gone.details.lists);
        if kept.details.name.is_empty() {
            kept.details.name = gone.details.name;
        }
        self.set_person(into, Some(kept))?;
        self.set_person(from, None)?;
        Ok(OperationKind::Merge { from, into })
    }

    fn move_face(&mut self, face: FaceId, to: PersonId) -> Result<OperationKind> {
        self.body(to)?;
        let from = self.owner_of(face)?;
        let template = self.codec.template(self.rows, face)?.template;
        self.check_negatives(&[(face, template)], to)?;
        self.put_face(face, to)?;
        Ok(OperationKind::MoveFace { face, from, to })
    }

    fn rename(&mut self, person: PersonId, name: &str) -> Result<OperationKind> {
        let mut body = self.body(person)?;
        body.details.name = names::clean_name(name)?;
        self.set_person(person, Some(body))?;
        Ok(OperationKind::Rename { person })
    }

    fn remove_negative(&mut self, negative: NegativeId) -> Result<OperationKind> {
        let known = self.codec.negative(self.rows, negative)?;
        let (known, _) = known.ok_or_else(|| GalleryError::missing(Cause::NoNegative { negative }))?;
        self.put_negative(negative, TRASH)?;
        Ok(OperationKind::RemoveNegative { negative, person: known.person })
    }
}

/// Does one change, and writes it down.
fn change<T>(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    mut work: impl FnMut(&mut Change<'_>) -> Result<(T, OperationKind)>,
) -> Result<(T, OperationId)> {
    let mut change = Change { rows, codec, steps: Vec::new() };
    let (done, kind) = work(&mut change)?;
    let steps = std::mem::take(&mut change.steps);
    Ok((done, record(rows, codec, kind, steps)?))
}

fn apply(rows: &mut dyn RowsMut, codec: Codec<'_>, edits: &[Edit]) -> Result<Vec<OperationId>> {
    // Faces first: one who is removed takes their faces along.
    let mut order: Vec<usize> = (0..edits.len()).collect();
    order.sort_by_key(|i| !matches!(edits[*i], Edit::RemoveFace(_)));
    let mut operations = vec![OperationId(0); edits.len()];
    for i in order {
        operations[i] = change(rows, codec, |change| Ok(((), change.run(&edits[i])?)))?.1;
    }
    Ok(operations)
}

/// Operations on people. Each can be taken back with [`Gallery::undo`] until it is purged.
impl Gallery {
    fn change<T>(
        &self,
        mut work: impl FnMut(&mut Change<'_>) -> Result<(T, OperationKind)>,
    ) -> Result<(T, OperationId)> {
        self.write(|rows, codec| change(rows, codec, &mut work))
    }

    fn one(&self, edit: &Edit) -> Result<OperationId> {
        Ok(self.change(|change| Ok(((), change.run(edit)?)))?.1)
    }

    /// Makes several changes in one transaction, and says by which operation each can be taken back. If one of them
    /// cannot be made, none is.
    ///
    /// ```
    /// # use phiz_gallery::*;
    /// # fn clean_up(gallery: &Gallery) -> Result<()> {
    /// let edits = [Edit::Merge { into: PersonId(1), from: PersonId(2) }, Edit::RemoveFace(FaceId(7))];
    /// let operations = gallery.apply(&edits)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Cause::NamedTwice`] or [`Cause::FaceNamedTwice`] if the list names somebody again whom it has removed or
    /// merged; and what each change may give.
    pub fn apply(&self, edits: &[Edit]) -> Result<Vec<OperationId>> {
        check(edits)?;
        self.write(|rows, codec| apply(rows, codec, edits))
    }

    /// Makes several changes and destroys at once all that was ever removed, as [`Gallery::purge`] does: in one
    /// transaction, so that nothing is removed that is not destroyed too. Of people who are removed, what was seen of them in
    /// an archive's photos is destroyed as well: all that was said to be them, or was decided to be them at the usual rate.
    /// (Removed without this, they are strangers in the archive.)
    ///
    /// # Errors
    /// See [`Gallery::apply`] and [`Gallery::purge`].
    pub fn apply_and_purge(&self, edits: &[Edit], verify: bool) -> Result<Purged> {
        check(edits)?;
        let seen = self.seen_of(edits)?;
        self.purge_with(Purge::All, verify, &seen, |rows, codec| apply(rows, codec, edits).map(|_| ()))
    }

    /// The sightings of those who would be removed.
    fn seen_of(&self, edits: &[Edit]) -> Result<BTreeSet<u64>> {
        let removed = edits.iter().filter_map(|edit| match edit {
            Edit::RemovePerson(person) => Some(*person),
            _ => None,
        });
        let removed: BTreeSet<PersonId> = removed.collect();
        // Those that wait to be looked at anew are decided by nothing but what was said.
        let mut seen: BTreeSet<u64> = self.read(|rows, codec| {
            let mut said = BTreeSet::new();
            for person in &removed {
                for id in rows.owned(Kind::Group, person.0)? {
                    if let Some(row) = rows.get(Kind::Group, id)? {
                        said.extend(codec.group_body(id, &row)?.sightings);
                    }
                }
            }
            Ok(said)
        })?;
        if !removed.is_empty() && self.read(|rows, _| rows.count(Kind::Photo))? > 0 {
            let archive = self.archive(&super::Deciding::default())?;
            let decided = archive.sightings.iter().zip(&archive.decided);
            let theirs =
                decided.filter(|(_, decided)| decided.person().is_some_and(|p| removed.contains(&p)));
            seen.extend(theirs.map(|(sighting, _)| sighting.id.0));
        }
        Ok(seen)
    }

    /// Makes a person who has no face yet, whoever else has the name.
    ///
    /// # Errors
    /// A text that cannot be kept ([`Cause::Name`]), or the gallery cannot be written.
    pub fn add_person(&self, details: &Details) -> Result<(PersonId, OperationId)> {
        let mut details = details.clone();
        names::clean(&mut details, &Details::default())?;
        self.change(|change| {
            let id = PersonId(change.rows.next_id(Kind::Person)?);
            change.set_person(id, Some(PersonBody { details: details.clone(), created: now() }))?;
            Ok((id, OperationKind::Enroll { person: Some(id), people: 1, faces: 0 }))
        })
    }

    /// Changes what is said of a person: name, attributes, watch lists.
    ///
    /// # Errors
    /// There is no such person, a text that was changed cannot be kept ([`Cause::Name`]), or the gallery cannot be
    /// written. The other operations fail for the same reasons.
    pub fn update(&self, person: PersonId, edit: impl Fn(&mut Details)) -> Result<OperationId> {
        let done = self.change(|change| {
            let mut body = change.body(person)?;
            let before = body.details.clone();
            edit(&mut body.details);
            names::clean(&mut body.details, &before)?;
            change.set_person(person, Some(body))?;
            Ok(((), OperationKind::Update { person }))
        })?;
        Ok(done.1)
    }

    /// Gives a person another name.
    ///
    /// # Errors
    /// See [`Gallery::update`] and [`clean_name`](crate::clean_name).
    pub fn rename(&self, person: PersonId, name: &str) -> Result<OperationId> {
        self.one(&Edit::Rename { person, name: name.into() })
    }

    /// Removes a person with all faces and negatives. No search finds them any more. They are destroyed by
    /// [`Gallery::purge`], or after the days of [`Gallery::set_undo_days`]; until then the removal can be undone.
    ///
    /// # Errors
    /// The same errors as [`Gallery::update`].
    pub fn remove_person(&self, person: PersonId) -> Result<OperationId> {
        self.one(&Edit::RemovePerson(person))
    }

    /// Removes one face. Its person stays, perhaps without a face.
    ///
    /// # Errors
    /// There is no such face, or the gallery cannot be written.
    pub fn remove_face(&self, face: FaceId) -> Result<OperationId> {
        self.one(&Edit::RemoveFace(face))
    }

    /// Two people are one: `from`'s faces and negatives become `into`'s, and `from` ceases. Attributes and lists are
    /// joined; where both have an attribute, `into`'s stays.
    ///
    /// # Errors
    /// They are the same person; it was said that a face of one is not the other; and as [`Gallery::update`].
    pub fn merge(&self, into: PersonId, from: PersonId) -> Result<OperationId> {
        self.one(&Edit::Merge { into, from })
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
        let mut details = details.clone();
        names::clean(&mut details, &Details::default())?;
        self.change(|change| {
            change.body(person)?;
            let new = PersonId(change.rows.next_id(Kind::Person)?);
            change.set_person(new, Some(PersonBody { details: details.clone(), created: now() }))?;
            for face in &faces {
                let owner = change.owner_of(*face)?;
                if owner != person {
                    let reason = format!("face {face} is person {owner}'s, not {person}'s");
                    return Err(GalleryError::new(ErrorKind::Conflict, reason)
                        .because(Cause::FaceOfAnother { face: *face, person: owner }));
                }
                change.put_face(*face, new)?;
            }
            Ok((new, OperationKind::Split { person, new, faces: faces.len() }))
        })
    }

    /// Gives a face to another person.
    ///
    /// # Errors
    /// There is no such face or person, or it was said that the face is not that person.
    pub fn move_face(&self, face: FaceId, to: PersonId) -> Result<OperationId> {
        self.one(&Edit::MoveFace { face, to })
    }

    /// "This is not that person": the face, and faces that are more like it than like any of the person's, are not
    /// taken for the person again. The face need not be enrolled; if the person has it, it is removed.
    ///
    /// # Errors
    /// The template is not of this gallery's model; and as [`Gallery::update`].
    pub fn add_negative(&self, person: PersonId, face: &NewFace) -> Result<(NegativeId, OperationId)> {
        self.check_template(&face.template)?;
        self.change(|change| {
            change.body(person)?;
            let template = face.template.vector();
            for (own, known) in change.templates(person)? {
                if similarity(&known, template) >= SAME {
                    change.put_face(own, TRASH)?;
                }
            }
            let id = NegativeId(change.rows.next_id(Kind::Negative)?);
            let body = FaceBody {
                added: now(),
                photo: face.photo.as_ref().map(|hash| crate::bytes::hex(hash)),
                taken: face.taken,
                source: face.source.clone(),
                ..FaceBody::default()
            };
            change.codec.put_negative(change.rows, id, person, &body, template)?;
            change.steps.push(Step::Negative { id: id.0, from: TRASH.0, to: person.0 });
            Ok((id, OperationKind::AddNegative { negative: id, person }))
        })
    }

    /// Says of an enrolled face that it is not its person: it is removed from them and kept as a negative.
    ///
    /// # Errors
    /// There is no such face, or the gallery cannot be written.
    pub fn not_this_person(&self, face: FaceId) -> Result<(NegativeId, OperationId)> {
        let known = self.face(face)?;
        let (photo, taken, source) = (known.photo, known.taken, known.source);
        let template = self.template(face)?;
        self.add_negative(known.person, &NewFace { photo, taken, source, ..NewFace::new(template, 0.0) })
    }

    /// Takes back that a face is not a person.
    ///
    /// # Errors
    /// There is no such negative, or the gallery cannot be written.
    pub fn remove_negative(&self, negative: NegativeId) -> Result<OperationId> {
        self.one(&Edit::RemoveNegative(negative))
    }
}
