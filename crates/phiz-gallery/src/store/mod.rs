//! Where rows live: one small trait, so that another database can take SQLite's place without touching a caller.
//! Another crate can implement it with public items only, and hold itself to it by [`contract::check`].
//!
//! A store knows nothing of faces. It keeps *rows*: a kind, an id, an owner, tags to find it by, and a body that is
//! sealed before it gets here. Everything that a gallery means (people, merging, undo) is written once above this
//! trait. What a store owes:
//!
//! - **Transactions.** [`Store::write`] is all or nothing, durable when it returns, and isolated: its closure may be
//!   run again from the start, and sees nothing of writers beside it. [`Store::read`] sees one state throughout.
//! - **Many threads.** Readers wait neither for each other nor for a writer; writers take turns.
//! - **A log of changes.** [`Rows::changed_since`] lists the people who were touched since a [`Mark`], so that the
//!   index follows its store, whoever wrote. A store that cannot say (its log was cut, it was restored from a copy)
//!   says so, and the index is rebuilt.
//! - **Ids** that are never given twice, not even after a deletion.

pub mod contract;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use crate::error::Result;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A person: name, attributes, lists.
    Person = 1,
    /// A face; its owner is a person, or 0 while it waits in the trash to be restored or purged.
    Face = 2,
    /// A face's template, under the face's id.
    Template = 3,
    /// A face's aligned crop, under the face's id.
    Crop = 4,
    /// A template that is said not to be its owner, a person.
    Negative = 5,
    /// An operation that can be undone.
    Journal = 6,
    /// A photo of an archive: its files, its size, and whether they are still there.
    Photo = 7,
    /// A face that was seen in a photo, with its template; its owner is the photo.
    Sighting = 8,
    /// Sightings of one person; its owner is that person, or 0 while nobody knows who it is.
    Group = 9,
    /// The aligned crop of a face that was seen in a photo of which no file is kept, under the sighting's id.
    SightingCrop = 10,
    /// A face's template by another model than the gallery's, under the face's id.
    Spare = 20,
    /// A negative's template by another model than the gallery's, under the negative's id.
    SpareNegative = 21,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 12] = [
        Kind::Person,
        Kind::Face,
        Kind::Template,
        Kind::Crop,
        Kind::Negative,
        Kind::Journal,
        Kind::Photo,
        Kind::Sighting,
        Kind::Group,
        Kind::SightingCrop,
        Kind::Spare,
        Kind::SpareNegative,
    ];

    /// The kinds whose rows are found by their owner.
    pub const OWNED: [Kind; 4] = [Kind::Face, Kind::Negative, Kind::Sighting, Kind::Group];
}

/// By what rows are found without being opened.
pub type Tag = [u8; 16];

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The id of the row that it belongs to; 0 for none.
    pub owner: u64,
    /// By what it is found, see [`Rows::tagged`].
    pub tags: Vec<Tag>,
    /// Its content, sealed.
    pub body: Vec<u8>,
}

/// A state of a store, to ask for what has changed since. The stamp tells two histories apart that have come to the
/// same version, as when a copy was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Grows with each transaction that wrote.
    pub version: u64,
    /// Random, one for each version.
    pub stamp: u64,
}

/// What can be read within a transaction.
pub trait Rows {
    /// The current state.
    ///
    /// # Errors
    /// The store cannot be read. The other methods fail for the same reason.
    fn mark(&self) -> Result<Mark>;
    /// A value by name, for what belongs to the gallery as a whole.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// A row.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn get(&self, kind: Kind, id: u64) -> Result<Option<Row>>;
    /// The rows of some ids, by rising id; ids that have no row are left out. One query, whatever the number of ids.
    ///
    /// The default asks for each row on its own: replace it wherever a query costs a journey.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn get_many(&self, kind: Kind, ids: &[u64]) -> Result<Vec<(u64, Row)>> {
        let ids: BTreeSet<u64> = ids.iter().copied().collect();
        ids.into_iter().filter_map(|id| Some(self.get(kind, id).transpose()?.map(|row| (id, row)))).collect()
    }
    /// Ids of the rows that belong to an owner, rising; for the kinds in [`Kind::OWNED`].
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn owned(&self, kind: Kind, owner: u64) -> Result<Vec<u64>>;
    /// Owner and id of all rows that belong to some owners, by rising owner, then id; for the kinds in
    /// [`Kind::OWNED`]. One query, whatever the number of owners. The default asks for each owner, see [`Rows::get_many`].
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn owned_many(&self, kind: Kind, owners: &[u64]) -> Result<Vec<(u64, u64)>> {
        let mut pairs = Vec::new();
        for owner in owners.iter().copied().collect::<BTreeSet<u64>>() {
            pairs.extend(self.owned(kind, owner)?.into_iter().map(|id| (owner, id)));
        }
        Ok(pairs)
    }
    /// Ids of the rows that carry a tag, rising.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn tagged(&self, kind: Kind, tag: &Tag) -> Result<Vec<u64>>;
    /// Up to `limit` rows with ids above `after`, rising.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn page(&self, kind: Kind, after: u64, limit: usize) -> Result<Vec<(u64, Row)>>;
    /// The page behind `after`, which moves to its end; none behind the last row.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn next_page(&self, kind: Kind, after: &mut u64, limit: usize) -> Result<Option<Vec<(u64, Row)>>> {
        let page = self.page(kind, *after, limit)?;
        Ok(page.last().map(|(last, _)| *last).map(|last| {
            *after = last;
            page
        }))
    }
    /// How many rows of a kind there are.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn count(&self, kind: Kind) -> Result<u64>;
    /// Ids of all people who, or one of whose faces, were put or deleted since a state, rising; none if the store
    /// cannot say.
    ///
    /// # Errors
    /// The same errors as [`Rows::mark`].
    fn changed_since(&self, mark: &Mark) -> Result<Option<Vec<u64>>>;
}

/// What can be done within a writing transaction.
pub trait RowsMut: Rows {
    /// Sets or removes a value by name.
    ///
    /// # Errors
    /// The store cannot be written. The other methods fail for the same reason.
    fn set_meta(&mut self, name: &str, value: Option<&[u8]>) -> Result<()>;
    /// An id that no row of this kind ever had.
    ///
    /// # Errors
    /// The same errors as [`RowsMut::set_meta`].
    fn next_id(&mut self, kind: Kind) -> Result<u64>;
    /// Adds or replaces a row.
    ///
    /// # Errors
    /// The same errors as [`RowsMut::set_meta`].
    fn put(&mut self, kind: Kind, id: u64, row: &Row) -> Result<()>;
    /// Deletes a row, its bytes too; says whether it was there.
    ///
    /// # Errors
    /// The same errors as [`RowsMut::set_meta`].
    fn delete(&mut self, kind: Kind, id: u64) -> Result<bool>;
    /// Forgets the log of changes before the state that this transaction began with.
    ///
    /// # Errors
    /// The same errors as [`RowsMut::set_meta`].
    fn cut_log(&mut self) -> Result<()>;
}

/// The work of a transaction that reads.
pub type Read<'a> = &'a mut dyn FnMut(&dyn Rows) -> Result<()>;
/// The work of a transaction that writes.
pub type Write<'a> = &'a mut dyn FnMut(&mut dyn RowsMut) -> Result<()>;

/// A store, see the module's text for what it owes.
pub trait Store: Send + Sync {
    /// Reads one state.
    ///
    /// # Errors
    /// The work's own, or the store cannot be read.
    fn read(&self, work: Read<'_>) -> Result<()>;
    /// Writes all or, if the work fails, nothing.
    ///
    /// # Errors
    /// The work's own, or the store cannot be written.
    fn write(&self, work: Write<'_>) -> Result<()>;
    /// What the store needs done to it from time to time; none if it looks after itself.
    fn maintenance(&self) -> Option<&dyn Maintenance> {
        None
    }
}

/// What a store that lives in files needs done to it.
pub trait Maintenance {
    /// Gives back unused space and overwrites what deleted rows have left.
    ///
    /// # Errors
    /// The store cannot be written, or somebody reads from it for too long.
    fn compact(&self) -> Result<()>;
    /// What the store finds wrong with itself, in words; nothing if all is well.
    ///
    /// # Errors
    /// The store cannot be read at all.
    fn faults(&self) -> Result<Vec<String>>;
    /// The files that it consists of at this moment.
    fn files(&self) -> Vec<PathBuf>;
    /// Writes a copy as it is at one moment into a new file, while others go on reading and writing.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    fn copy_to(&self, path: &Path) -> Result<()>;
}
