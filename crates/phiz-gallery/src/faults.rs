//! What is wrong with a gallery, and what its user should know: codes for programs, English by `Display`.

use std::path::PathBuf;

use serde::Serialize;

use crate::model::{Part, PersonId};

/// Why an index file cannot be used. It is only a cache: the index is then built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexFault {
    /// The operating system does not map it.
    NotMapped,
    /// It is of another version, or no index at all.
    OtherFormat,
    /// Its header is damaged, or was sealed by another key.
    OtherKey,
    /// It belongs to another gallery.
    OtherGallery,
    /// Its end is missing.
    CutShort,
    /// Its bytes are not what was written.
    Damaged,
}

impl std::fmt::Display for IndexFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            IndexFault::NotMapped => "cannot be mapped",
            IndexFault::OtherFormat => "is of another format",
            IndexFault::OtherKey => "has a damaged header, or another key",
            IndexFault::OtherGallery => "belongs to another gallery",
            IndexFault::CutShort => "is cut short",
            IndexFault::Damaged => "is damaged",
        })
    }
}

/// Something that [`Gallery::check`](crate::Gallery::check) found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The database finds a fault in itself.
    Store {
        /// In the database's own words.
        detail: String,
    },
    /// Something cannot be read: damaged, or of another version.
    Unreadable {
        /// What it is.
        part: Part,
        /// Why, in words.
        detail: String,
    },
    /// Something is found by other names or labels than its own, or not by one of its own.
    Lookup {
        /// What it is.
        part: Part,
    },
    /// Something belongs to a person who is not there.
    NoOwner {
        /// What it is.
        part: Part,
        /// Who is not there.
        owner: PersonId,
    },
    /// A face's template is not there, or is another person's.
    NoTemplate {
        /// The face.
        part: Part,
    },
    /// A face's crop is missing, or there is one that should not be.
    Crop {
        /// The face.
        part: Part,
    },
    /// A template or a crop has no face.
    NoFace {
        /// What it is.
        part: Part,
    },
    /// A sighting has no photo.
    NoPhoto {
        /// The sighting.
        part: Part,
    },
    /// A group holds a sighting that is not there.
    NoSighting {
        /// The group.
        part: Part,
    },
    /// A template is not of unit length.
    NotUnit {
        /// What it is.
        part: Part,
    },
    /// The index file cannot be used; it will be built anew.
    IndexUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: IndexFault,
    },
    /// The index cannot be brought up to date.
    IndexBehind {
        /// Why, in words.
        detail: String,
    },
    /// The index holds another template of a person than the gallery.
    IndexDiffers {
        /// The person.
        person: PersonId,
    },
    /// The index holds a person who is not in the gallery.
    IndexStray {
        /// The person.
        person: PersonId,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Store { detail } => f.write_str(detail),
            Fault::Unreadable { detail, .. } => f.write_str(detail),
            Fault::Lookup { part } => write!(f, "{part}: is found by other names than its own"),
            Fault::NoOwner { part, owner } => write!(f, "{part}: its person {owner} is not there"),
            Fault::NoTemplate { part } => {
                write!(f, "{part}: its template is not there, or is another person's")
            }
            Fault::Crop { part } => write!(f, "{part}: its crop is missing, or there is one too many"),
            Fault::NoFace { part } => write!(f, "{part}: has no face"),
            Fault::NoPhoto { part } => write!(f, "{part}: its photo is not there"),
            Fault::NoSighting { part } => write!(f, "{part}: holds a sighting that is not there"),
            Fault::NotUnit { part } => write!(f, "{part}: is not of unit length"),
            Fault::IndexUnusable { path, why } => {
                write!(f, "{}: the index {why} (it will be built anew)", path.display())
            }
            Fault::IndexBehind { detail } => f.write_str(detail),
            Fault::IndexDiffers { person } => {
                write!(f, "the index holds another template of person {person}")
            }
            Fault::IndexStray { person } => write!(f, "the index holds person {person}, who is not there"),
        }
    }
}

/// Something that a user should know, though nothing failed; see [`Gallery::notes`](crate::Gallery::notes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// Others on this machine may read the key file.
    KeyExposed {
        /// The key file.
        path: PathBuf,
    },
    /// The gallery is not sealed, so the key that was given is not used.
    KeyNotUsed,
    /// The gallery's medium cannot be written: it is open for reading only.
    ReadOnly,
    /// The index file cannot be used and is built anew.
    IndexUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: IndexFault,
    },
    /// The index could not be written and will be built again.
    IndexNotWritten {
        /// Why, in words.
        detail: String,
    },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::KeyExposed { path } => {
                write!(f, "{}: others on this machine may read this key file: chmod 600 it", path.display())
            }
            Note::KeyNotUsed => f.write_str("this gallery is not sealed; the key that was given is not used"),
            Note::ReadOnly => f.write_str("the gallery cannot be written here; it is open for reading only"),
            Note::IndexUnusable { path, why } => {
                write!(f, "{}: the index {why}; it is built anew from the gallery", path.display())
            }
            Note::IndexNotWritten { detail } => {
                write!(f, "the index could not be written and will be built again: {detail}")
            }
        }
    }
}
