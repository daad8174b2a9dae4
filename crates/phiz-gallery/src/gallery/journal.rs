//! What was done, and taking it back.
//!
//! An entry of the journal holds an operation's steps. Undoing checks that everything it would change is still as the
//! operation left it; if a later operation has changed it, that one is to be undone first.

use std::collections::BTreeSet;

use serde::Serialize;

use super::operation::{Operation, OperationKind};
use super::steps::{Entry, Step, TRASH, entry};
use super::take_back::take_back;
use super::trash::expire;
use super::{Gallery, json, now, read_settings};
use crate::error::{Cause, GalleryError, Result};
use crate::model::{OperationId, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, RowsMut};

/// An operation that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// The operation.
    pub operation: Operation,
    /// People who are as they were.
    pub people: Vec<PersonId>,
}

/// Writes an operation down, and destroys what can no longer be undone.
pub(crate) fn record(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    kind: OperationKind,
    steps: Vec<Step>,
) -> Result<OperationId> {
    let entry = Entry { at: now(), what: kind.to_string(), kind: Some(kind), steps };
    let id = rows.next_id(Kind::Journal)?;
    rows.put(Kind::Journal, id, &codec.row(Kind::Journal, id, 0, Vec::new(), &json(&entry)?)?)?;
    let settings = read_settings(rows, codec)?;
    expire(rows, codec, settings.undo_days)?;
    Ok(OperationId(id))
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
                    all.push(entry(codec, OperationId(*id), row)?.operation(OperationId(*id)));
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
        let none = || GalleryError::missing(Cause::NoOperation { operation: None });
        let operation = match operation {
            Some(id) => id,
            None => self.history()?.first().map(|o| o.id).ok_or_else(none)?,
        };
        self.write(|rows, codec| {
            let row = rows.get(Kind::Journal, operation.0)?;
            let row = row.ok_or_else(|| {
                GalleryError::missing(Cause::NoOperation { operation: Some(operation) })
                    .with_hint("it was undone or purged already; the history lists what can be undone")
            })?;
            let entry = entry(codec, operation, &row)?;
            let mut people = BTreeSet::new();
            for step in entry.steps.iter().rev() {
                take_back(rows, codec, step, operation, &mut people)?;
            }
            rows.delete(Kind::Journal, operation.0)?;
            people.remove(&TRASH);
            let people = people.into_iter().collect();
            Ok(Undone { operation: entry.operation(operation), people })
        })
    }
}
