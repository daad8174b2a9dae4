//! The index in step with the store: loaded or built, brought up to date before each search, written now and then.

use std::sync::{PoisonError, RwLockReadGuard};

use super::{Gallery, lock, read_settings};
use crate::error::Result;
use crate::index::{self, Index, Loaded};
use crate::model::PersonId;
use crate::rows::combine;
use crate::store::Kind;

/// The index.
impl Gallery {
    pub(super) fn note(&self, note: impl Into<String>) {
        lock(&self.notes).push(note.into());
    }

    /// The index, in step with the store; loaded or built if need be.
    pub(super) fn index(&self) -> Result<RwLockReadGuard<'_, Option<Index>>> {
        // Another writer may come between bringing the index up to date and reading it: what is searched is a state
        // not older than this call, which is all that is promised.
        {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let mark = self.read(|rows, _| rows.mark())?;
            if index.as_ref().is_some_and(|index| index.mark == mark) {
                return Ok(index);
            }
        }
        let mut held = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let mut index = match held.take() {
            Some(index) => index,
            None => self.load_index(),
        };
        self.follow(&mut index)?;
        if index.pending() > Self::worth_saving(index.len()) {
            self.save_index(&mut index);
        }
        *held = Some(index);
        drop(held);
        Ok(self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fewer changes than this are read again from the store in less time than the file takes to be written.
    fn worth_saving(people: usize) -> usize {
        (people / 64).max(256)
    }

    fn load_index(&self) -> Index {
        if let Some(path) = &self.index_file {
            match index::load(path, self.head.dim, &self.id, &self.sealer) {
                Loaded::Index(index) => return *index,
                Loaded::Absent => {}
                Loaded::Unusable(why) => {
                    self.note(format!(
                        "{}: the index {why}; it is built anew from the gallery",
                        path.display()
                    ));
                }
            }
        }
        Index::new(self.head.dim)
    }

    pub(super) fn save_index(&self, index: &mut Index) {
        let Some(path) = self.index_file.as_ref().filter(|_| !self.read_only) else { return };
        // It is a cache: not being able to write it costs time at the next start, nothing else.
        if let Err(e) = index::save(index, path, &self.id, &self.sealer) {
            self.note(format!("the index could not be written and will be built again: {e}"));
        }
    }

    /// Brings an index to the store's present state, and the settings with it.
    pub(super) fn follow(&self, index: &mut Index) -> Result<()> {
        let dim = self.head.dim;
        let settings = self.read(|rows, codec| {
            let mark = rows.mark()?;
            let changed = rows.changed_since(&index.mark)?;
            if changed.is_none() {
                *index = Index::new(dim);
            }
            let mut bring = |person: u64| -> Result<()> {
                let templates = codec.templates(rows, PersonId(person))?;
                index.set(person, combine(templates.iter().map(|(_, t)| t)).as_deref());
                Ok(())
            };
            match changed {
                Some(changed) => changed.into_iter().try_for_each(&mut bring)?,
                None => {
                    let mut after = 0;
                    while let Some(page) = rows.next_page(Kind::Person, &mut after, 1000)? {
                        page.iter().try_for_each(|(id, _)| bring(*id))?;
                    }
                }
            }
            index.mark = mark;
            read_settings(rows, &self.sealer, &self.head)
        })?;
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        let held = self.index.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut index) = held
            && index.pending() > Self::worth_saving(index.len())
        {
            self.save_index(&mut index);
        }
    }
}
