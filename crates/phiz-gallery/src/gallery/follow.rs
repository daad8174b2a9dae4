//! The index in step with the store: loaded or built, brought up to date before each search, written now and then.

use std::sync::{PoisonError, RwLockReadGuard, TryLockError};

use super::{Gallery, lock, read_settings};
use crate::error::Result;
use crate::faults::Note;
use crate::index::{self, Index, Loaded};
use crate::rows::combine;
use crate::store::Kind;

/// People whose templates are read together.
const PAGE: usize = 1000;

/// The index.
impl Gallery {
    pub(super) fn note(&self, note: Note) {
        lock(&self.notes).push(note);
    }

    fn held(&self) -> RwLockReadGuard<'_, Option<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index, in step with the store; loaded or built if need be.
    pub(super) fn index(&self) -> Result<RwLockReadGuard<'_, Option<Index>>> {
        // Another writer may come between bringing the index up to date and reading it: what is searched is a state
        // not older than this call, which is all that is promised.
        {
            let index = self.held();
            let mark = self.read(|rows, _| rows.mark())?;
            if index.as_ref().is_some_and(|index| index.mark == mark) {
                return Ok(index);
            }
        }
        let worth_saving = {
            let mut held = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let mut index = match held.take() {
                Some(index) => index,
                None => self.load_index(),
            };
            let followed = self.follow(&mut index);
            let pending = index.pending() > Self::worth_saving(index.len());
            *held = Some(index);
            followed?;
            pending
        };
        // Others search while one writes the file. Who finds somebody else writing goes on.
        if worth_saving {
            let turn = match self.saving.try_lock() {
                Ok(turn) => Some(turn),
                Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if turn.is_some() {
                self.save_index();
            }
        }
        Ok(self.held())
    }

    /// Fewer changes than this are read again from the store in less time than the file takes to be written.
    fn worth_saving(people: usize) -> usize {
        (people / 64).max(256)
    }

    fn load_index(&self) -> Index {
        if let Some(path) = &self.index_file {
            match index::load(path, self.dim, &self.id, &self.keys().sealer) {
                Loaded::Index(index) => return *index,
                Loaded::Absent => {}
                Loaded::Unusable(why) => self.note(Note::IndexUnusable { path: path.clone(), why }),
            }
        }
        Index::new(self.dim)
    }

    /// Writes the index as it is. Only for who holds `saving`.
    pub(super) fn save_index(&self) {
        let Some(path) = self.index_file.as_ref().filter(|_| !self.read_only) else { return };
        let saved = {
            let held = self.held();
            let Some(index) = held.as_ref() else { return };
            index::save(index, path, &self.id, &self.keys().sealer)
        };
        match saved {
            Ok(packed) => {
                let mut held = self.index.write().unwrap_or_else(PoisonError::into_inner);
                // What came meanwhile is not in the file; it counts as pending until the next time.
                if held.as_ref().is_some_and(|index| index.mark == packed.mark) {
                    *held = Some(packed);
                }
            }
            // It is a cache: not being able to write it costs time at the next start, nothing else.
            Err(e) => self.note(Note::IndexNotWritten { detail: e.to_string() }),
        }
    }

    /// Brings an index to the store's present state, and the settings with it. The number of queries does not depend on
    /// how many faces people have.
    pub(super) fn follow(&self, index: &mut Index) -> Result<()> {
        let settings = self.read(|rows, codec| {
            let mark = rows.mark()?;
            let changed = rows.changed_since(&index.mark)?;
            if changed.is_none() {
                *index = Index::new(self.dim);
            }
            let mut bring = |people: &[u64]| -> Result<()> {
                let templates = codec.templates_of(rows, people)?;
                for person in people {
                    let faces = templates.get(person).into_iter().flatten();
                    index.set(*person, combine(faces.map(|(_, t)| t)).as_deref());
                }
                Ok(())
            };
            match changed {
                Some(changed) => changed.chunks(PAGE).try_for_each(&mut bring)?,
                None => {
                    let mut after = 0;
                    while let Some(page) = rows.next_page(Kind::Person, &mut after, PAGE)? {
                        bring(&page.iter().map(|(id, _)| *id).collect::<Vec<u64>>())?;
                    }
                }
            }
            index.mark = mark;
            read_settings(rows, codec)
        })?;
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        let held = self.index.get_mut().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|index| index.pending() > Self::worth_saving(index.len())) {
            self.save_index();
        }
    }
}
