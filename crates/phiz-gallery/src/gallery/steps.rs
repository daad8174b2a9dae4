//! The steps of an operation: how each is written down, and how it is taken back.
//!
//! What is removed is not copied but moved to the *trash* (owner 0), where nothing but undoing and purging looks; so
//! steps are small. What was enrolled is written down as ranges of ids: a million people take a few bytes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::groups;
use super::operation::{Operation, OperationKind};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::model::{FaceId, GroupHead, OperationId, Part, PersonBody, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, Row, Rows, RowsMut};

/// The owner of what was removed: no person has this id.
pub(super) const TRASH: PersonId = PersonId(0);

/// A row of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) at: i64,
    /// The operation in words: all that an older Phiz wrote of it.
    pub(super) what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<OperationKind>,
    pub(super) steps: Vec<Step>,
}

/// Ids that rise: the first and how many follow each other, several times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds an id that is larger than all before.
    pub(crate) fn push(&mut self, id: u64) {
        match self.0.last_mut() {
            Some((first, count)) if *first + *count == id => *count += 1,
            _ => self.0.push((id, 1)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, count)| *count as usize).sum()
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= id);
        after > 0 && id - self.0[after - 1].0 < self.0[after - 1].1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(first, count)| *first..*first + *count)
    }
}

/// `before` and `after`, `from` and `to`: enough to check that a step can be taken back, and to do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    Person {
        id: u64,
        before: Option<PersonBody>,
        after: Option<PersonBody>,
    },
    Face {
        id: u64,
        from: u64,
        to: u64,
    },
    Negative {
        id: u64,
        from: u64,
        to: u64,
    },
    /// What is said of a group of sightings; none where there was none.
    Group {
        id: u64,
        before: Option<GroupHead>,
        after: Option<GroupHead>,
    },
    /// Whose a group is; 0 for nobody's.
    GroupOwner {
        id: u64,
        from: u64,
        to: u64,
    },
    /// Sightings that went from one group to another; 0 for none.
    Members {
        sightings: Vec<u64>,
        from: u64,
        to: u64,
    },
    /// New people, and new faces and negatives of those and of people who were there before.
    Enrolled {
        people: Ranges,
        faces: Ranges,
        #[serde(default, skip_serializing_if = "Ranges::is_empty")]
        negatives: Ranges,
        /// Who was there before.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        into: BTreeSet<u64>,
    },
}

pub(super) fn entry(codec: Codec<'_>, id: OperationId, row: &Row) -> Result<Entry> {
    codec.open_json(Kind::Journal, id.0, row)
}

impl Entry {
    pub(super) fn operation(self, id: OperationId) -> Operation {
        let kind = self.kind.unwrap_or(OperationKind::Text { text: self.what });
        Operation { id, at: self.at, kind }
    }
}

/// The faces and negatives in the trash that an entry needs to be taken back.
pub(super) fn referenced(entry: &Entry) -> impl Iterator<Item = (Kind, u64)> {
    entry.steps.iter().filter_map(|step| match step {
        Step::Person { .. }
        | Step::Enrolled { .. }
        | Step::Group { .. }
        | Step::GroupOwner { .. }
        | Step::Members { .. } => None,
        Step::Face { id, .. } => Some((Kind::Face, *id)),
        Step::Negative { id, .. } => Some((Kind::Negative, *id)),
    })
}

/// Names that an entry remembers.
pub(super) fn names(entry: &Entry) -> impl Iterator<Item = &str> {
    entry
        .steps
        .iter()
        .flat_map(|step| match step {
            Step::Person { before, after, .. } => {
                [before, after].map(|b| b.as_ref().map(|b| &*b.details.name))
            }
            _ => [None, None],
        })
        .flatten()
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
    let row = rows.get(kind, id)?.ok_or_else(|| GalleryError::damaged(Part::of(kind, id)))?;
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

pub(super) fn changed(operation: OperationId, part: Part) -> GalleryError {
    let reason = format!("{operation} cannot be undone: {part} was changed since");
    GalleryError::new(ErrorKind::Conflict, reason)
        .with_hint("undo the later operations first")
        .because(Cause::ChangedSince { operation })
}

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
        Step::Group { id, before, after } => {
            groups::take_back_head(rows, codec, *id, before, after, operation)
        }
        Step::GroupOwner { id, from, to } => {
            let owner = rows.get(Kind::Group, *id)?.map(|row| row.owner);
            if owner != Some(*to) {
                return Err(changed(operation, Part::of(Kind::Group, *id)));
            }
            people.extend([PersonId(*from), PersonId(*to)]);
            move_row(rows, codec, Kind::Group, *id, PersonId(*from)).map(|_| ())
        }
        Step::Members { sightings, from, to } => {
            groups::take_back_members(rows, codec, sightings, *from, *to, operation)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_was_pushed() {
        let ids = [3, 4, 5, 9, 11, 12];
        let mut ranges = Ranges::default();
        ids.iter().for_each(|id| ranges.push(*id));
        assert_eq!(ranges, Ranges(vec![(3, 3), (9, 1), (11, 2)]));
        assert!(ranges.iter().eq(ids));
        for id in 0..20 {
            assert_eq!(ranges.contains(id), ids.contains(&id), "{id}");
        }
    }
}
