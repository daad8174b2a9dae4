//! What was done, and taking it back.
//!
//! An entry of the journal holds an operation's steps, each with before and after. Undoing checks that everything it
//! would change is still as the operation left it; if a later operation has changed it, that one is to be undone first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Gallery;
use super::edit::{BIN, move_face, move_row, put_person};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{FaceId, NegativeId, OperationId, PersonBody, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, Row, RowsMut};

/// What an operation did, for people to read; without names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Which.
    pub id: OperationId,
    /// When, in seconds since 1970.
    pub at: i64,
    /// Such as `merge p7 into p3`.
    pub what: String,
}

/// An operation that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Which.
    pub operation: Operation,
    /// People who are as they were.
    pub people: Vec<PersonId>,
}

/// A row of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) at: i64,
    pub(super) what: String,
    pub(super) steps: Vec<Step>,
}

/// `before` and `after`, `from` and `to`: enough to check that a step can be taken back, and to do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Step {
    Person { id: u64, before: Option<PersonBody>, after: Option<PersonBody> },
    Face { id: u64, from: u64, to: u64 },
    Negative { id: u64, from: u64, to: u64 },
}

pub(super) fn entry(codec: Codec<'_>, id: OperationId, row: &Row) -> Result<Entry> {
    codec.open_json(Kind::Journal, id.0, row)
}

/// The faces and negatives that an entry needs to be taken back.
pub(super) fn referenced(entry: &Entry) -> impl Iterator<Item = (Kind, u64)> {
    entry.steps.iter().filter_map(|step| match step {
        Step::Person { .. } => None,
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

/// The journal.
impl Gallery {
    /// Operations that can be undone, the latest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn history(&self) -> Result<Vec<Operation>> {
        self.read(|rows, codec| {
            let mut all = Vec::new();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Journal, &mut after, 256)? {
                for (id, row) in &page {
                    let Entry { at, what, .. } = entry(codec, OperationId(*id), row)?;
                    all.push(Operation { id: OperationId(*id), at, what });
                }
            }
            all.reverse();
            Ok(all)
        })
    }

    /// Takes an operation back, the latest if none is named.
    ///
    /// # Errors
    /// There is none, or what it changed has been changed since.
    pub fn undo(&self, operation: Option<OperationId>) -> Result<Undone> {
        let operation = match operation {
            Some(id) => id,
            None => self
                .history()?
                .first()
                .map(|o| o.id)
                .ok_or_else(|| GalleryError::missing("operation to undo"))?,
        };
        self.write(|rows, codec| {
            let row = rows.get(Kind::Journal, operation.0)?;
            let row = row.ok_or_else(|| {
                GalleryError::missing(format!("operation {operation}"))
                    .hint_at("it was undone or purged already; the history lists what can be undone")
            })?;
            let entry = entry(codec, operation, &row)?;
            let mut people = BTreeSet::new();
            for step in entry.steps.iter().rev() {
                take_back(rows, codec, step, operation, &mut people)?;
            }
            rows.delete(Kind::Journal, operation.0)?;
            people.remove(&BIN);
            let people = people.into_iter().collect();
            Ok(Undone { operation: Operation { id: operation, at: entry.at, what: entry.what }, people })
        })
    }
}

fn take_back(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    step: &Step,
    operation: OperationId,
    people: &mut BTreeSet<PersonId>,
) -> Result<()> {
    let changed = |what: String| {
        let reason = format!("{operation} cannot be undone: {what} was changed since");
        GalleryError::new(ErrorKind::Conflict, reason).hint_at("undo the later operations first")
    };
    match step {
        Step::Person { id, before, after } => {
            let id = PersonId(*id);
            if codec.person_body(rows, id)? != *after {
                return Err(changed(format!("person {id}")));
            }
            // Faces may have come to a person who would cease.
            let bereft = before.is_none()
                && (!rows.owned(Kind::Face, id.0)?.is_empty()
                    || !rows.owned(Kind::Negative, id.0)?.is_empty());
            if bereft {
                return Err(changed(format!("person {id}")));
            }
            people.insert(id);
            put_person(rows, codec, id, before.as_ref())
        }
        Step::Face { id, from, to } => {
            let owner = rows.get(Kind::Face, *id)?.map(|row| row.owner);
            if owner != Some(*to) {
                return Err(changed(format!("face {}", FaceId(*id))));
            }
            people.extend([PersonId(*from), PersonId(*to)]);
            move_face(rows, codec, FaceId(*id), PersonId(*from)).map(|_| ())
        }
        Step::Negative { id, from, to } => {
            let owner = rows.get(Kind::Negative, *id)?.map(|row| row.owner);
            if owner != Some(*to) {
                return Err(changed(format!("negative {}", NegativeId(*id))));
            }
            people.extend([PersonId(*from), PersonId(*to)]);
            if *from == BIN.0 {
                return rows.delete(Kind::Negative, *id).map(|_| ());
            }
            move_row(rows, codec, Kind::Negative, *id, PersonId(*from)).map(|_| ())
        }
    }
}
