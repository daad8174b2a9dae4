//! Taking a step of an operation back: everything that it would change must be as the operation left it.

use std::collections::BTreeSet;

use super::groups::{take_back_head, take_back_members};
use super::steps::{Ranges, Step, TRASH, changed, entry, move_face, move_row, put_person};
use crate::error::Result;
use crate::model::{FaceId, OperationId, Part, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, Rows, RowsMut};

/// Takes one step of an operation back; adds to `people` who was touched.
pub(super) fn take_back(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    step: &Step,
    operation: OperationId,
    people: &mut BTreeSet<PersonId>,
) -> Result<()> {
    match step {
        Step::Person { id, before, after } => {
            let id = PersonId(*id);
            if codec.person_body(rows, id)? != *after {
                return Err(changed(operation, Part::Person(id)));
            }
            // Faces may have come to a person who would cease.
            let bereft = before.is_none()
                && (!rows.owned(Kind::Face, id.0)?.is_empty()
                    || !rows.owned(Kind::Negative, id.0)?.is_empty()
                    || !rows.owned(Kind::Group, id.0)?.is_empty());
            if bereft {
                return Err(changed(operation, Part::Person(id)));
            }
            people.insert(id);
            put_person(rows, codec, id, before.as_ref())
        }
        Step::Face { id, from, to } => {
            let owner = rows.get(Kind::Face, *id)?.map(|row| row.owner);
            if owner != Some(*to) {
                return Err(changed(operation, Part::of(Kind::Face, *id)));
            }
            people.extend([PersonId(*from), PersonId(*to)]);
            move_face(rows, codec, FaceId(*id), PersonId(*from)).map(|_| ())
        }
        Step::Negative { id, from, to } => {
            let owner = rows.get(Kind::Negative, *id)?.map(|row| row.owner);
            if owner != Some(*to) {
                return Err(changed(operation, Part::of(Kind::Negative, *id)));
            }
            people.extend([PersonId(*from), PersonId(*to)]);
            if *from == TRASH.0 {
                rows.delete(Kind::SpareNegative, *id)?;
                return rows.delete(Kind::Negative, *id).map(|_| ());
            }
            move_row(rows, codec, Kind::Negative, *id, PersonId(*from)).map(|_| ())
        }
        Step::Group { id, before, after } => take_back_head(rows, codec, *id, before, after, operation),
        Step::GroupOwner { id, from, to } => {
            let owner = rows.get(Kind::Group, *id)?.map(|row| row.owner);
            if owner != Some(*to) {
                return Err(changed(operation, Part::of(Kind::Group, *id)));
            }
            people.extend([PersonId(*from), PersonId(*to)]);
            move_row(rows, codec, Kind::Group, *id, PersonId(*from)).map(|_| ())
        }
        Step::Members { sightings, from, to } => {
            take_back_members(rows, codec, sightings, *from, *to, operation)
        }
        Step::Enrolled { people: made, faces, negatives, into } => {
            let came = Came { made, faces, negatives, into };
            came.check(rows, codec, operation)?;
            came.delete(rows)?;
            people.extend(made.iter().chain(into.iter().copied()).map(PersonId));
            Ok(())
        }
    }
}

/// What an enrolment or an import brought.
struct Came<'a> {
    made: &'a Ranges,
    faces: &'a Ranges,
    negatives: &'a Ranges,
    into: &'a BTreeSet<u64>,
}

impl Came<'_> {
    /// All must be as it was left: no later operation that could be undone has touched it, everything is there, and
    /// nobody who would cease has come to own anything else.
    fn check(&self, rows: &dyn Rows, codec: Codec<'_>, operation: OperationId) -> Result<()> {
        let mut after = operation.0;
        while let Some(page) = rows.next_page(Kind::Journal, &mut after, 64)? {
            for (id, row) in &page {
                let later = entry(codec, OperationId(*id), row)?;
                if let Some(part) = later.steps.iter().find_map(|step| self.touched(step)) {
                    return Err(changed(operation, part));
                }
            }
        }
        for person in self.made.iter() {
            if !rows.owned(Kind::Group, person)?.is_empty() {
                return Err(changed(operation, Part::of(Kind::Person, person)));
            }
        }
        for (kind, ids) in [(Kind::Face, self.faces), (Kind::Negative, self.negatives)] {
            for id in ids.iter() {
                let owner = rows.get(kind, id)?.map(|row| row.owner);
                if !owner.is_some_and(|owner| self.made.contains(owner) || self.into.contains(&owner)) {
                    return Err(changed(operation, Part::of(kind, id)));
                }
            }
            for person in self.made.iter() {
                if rows.owned(kind, person)?.iter().any(|id| !ids.contains(*id)) {
                    return Err(changed(operation, Part::of(Kind::Person, person)));
                }
            }
        }
        Ok(())
    }

    fn touched(&self, step: &Step) -> Option<Part> {
        match step {
            Step::Person { id, .. } => self.made.contains(*id).then_some(Part::of(Kind::Person, *id)),
            Step::Face { id, .. } => self.faces.contains(*id).then_some(Part::of(Kind::Face, *id)),
            Step::Negative { id, .. } => {
                self.negatives.contains(*id).then_some(Part::of(Kind::Negative, *id))
            }
            Step::GroupOwner { to, .. } => self.made.contains(*to).then_some(Part::of(Kind::Person, *to)),
            Step::Enrolled { .. } | Step::Group { .. } | Step::Members { .. } => None,
        }
    }

    fn delete(&self, rows: &mut dyn RowsMut) -> Result<()> {
        for id in self.faces.iter() {
            for kind in [Kind::Spare, Kind::Crop, Kind::Template, Kind::Face] {
                rows.delete(kind, id)?;
            }
        }
        for id in self.negatives.iter() {
            rows.delete(Kind::SpareNegative, id)?;
            rows.delete(Kind::Negative, id)?;
        }
        for id in self.made.iter() {
            rows.delete(Kind::Person, id)?;
        }
        Ok(())
    }
}
