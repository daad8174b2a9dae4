//! The steps of an operation and how each is written down.
//!
//! What is removed is not copied but moved to the *trash* (owner 0), where nothing but undoing and purging looks; so
//! steps are small. What was enrolled is written down as ranges of ids: a million people take a few bytes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::operation::{Operation, OperationKind};
use crate::error::{Cause, ErrorKind, GalleryError, Result};
use crate::model::{FaceId, GroupHead, OperationId, Part, PersonBody, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, Row, RowsMut};

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
