//! The crate's one error: sorted by who must act, with a code for what programs tell apart.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::{FaceId, GroupId, NegativeId, OperationId, PersonId, PhotoId, SightingId};

/// Why a text cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NameFault {
    /// There is nothing in it that can be seen.
    Blank,
    /// It holds control characters, line breaks or changes of the writing direction, which would garble lists.
    Control,
    /// It reads like an id (`p7`, `f3`, `n1`, `o2`), and would be taken for one.
    LikeAnId,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameFault::Blank => "a name must not be blank",
            NameFault::Control => {
                "a name must not hold control characters, line breaks or changes of the writing direction"
            }
            NameFault::LikeAnId => "a name must not read like an id, such as p7, f3, n1 or o2",
        })
    }
}

/// Kind of an error: it says who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refuses.
    Io,
    /// Bytes on the disk are not what was written.
    Damaged,
    /// The key does not open this gallery.
    WrongKey,
    /// The gallery was made with another model.
    OtherModel,
    /// The gallery was written by another version of Phiz.
    OtherVersion,
    /// There is no such gallery, person, face or operation.
    NotFound,
    /// The request contradicts what the gallery holds.
    Conflict,
    /// Another process keeps the gallery locked for too long.
    Busy,
    /// The disk is full.
    Full,
    /// The gallery may not be written to.
    ReadOnly,
    /// The caller asked for something impossible.
    Caller,
}

/// What exactly is wrong, where a program may want to act on it or say it in words of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A text cannot be a name.
    Name {
        /// What is wrong with the text.
        fault: NameFault,
    },
    /// There is no such person.
    NoPerson {
        /// The id, unless a name was given.
        person: Option<PersonId>,
    },
    /// The person has no face to compare with.
    NoFaceOfPerson {
        /// The person.
        person: PersonId,
    },
    /// There is no such face.
    NoFace {
        /// The face.
        face: FaceId,
    },
    /// There is no such negative.
    NoNegative {
        /// The negative.
        negative: NegativeId,
    },
    /// There is no such operation, or none at all.
    NoOperation {
        /// The operation.
        operation: Option<OperationId>,
    },
    /// There is no such photo in the archive.
    NoPhoto {
        /// The photo.
        photo: PhotoId,
    },
    /// There is no such sighting.
    NoSighting {
        /// The sighting.
        sighting: SightingId,
    },
    /// There is no such group of sightings.
    NoGroup {
        /// The group.
        group: GroupId,
    },
    /// Several people have the name that was given.
    SeveralPeople {
        /// All of them.
        people: Vec<PersonId>,
    },
    /// Nobody is on the watch list that was searched.
    NobodyOnList,
    /// A person cannot be merged into themselves.
    SamePerson {
        /// The person.
        person: PersonId,
    },
    /// One command names a person twice, and the second time they would no longer be there.
    NamedTwice {
        /// The person.
        person: PersonId,
    },
    /// One command names a face twice, and the second time it would no longer be there.
    FaceNamedTwice {
        /// The face.
        face: FaceId,
    },
    /// It was said that the face is not the person.
    SaidNotToBe {
        /// The negative that says so.
        negative: NegativeId,
        /// The face.
        face: FaceId,
        /// The person who the face is not.
        person: PersonId,
    },
    /// The face belongs to somebody else.
    FaceOfAnother {
        /// The face.
        face: FaceId,
        /// The person whose face it is.
        person: PersonId,
    },
    /// What the operation left was changed by a later one, which must be undone first.
    ChangedSince {
        /// The operation that was to be undone.
        operation: OperationId,
    },
    /// A passphrase must hold something other than blanks.
    EmptyPassphrase,
    /// The gallery was given another key by somebody else after it was opened.
    KeyChanged,
}

/// Why a gallery could not do something: the file, the reason and a remedy. It never contains a name or a template.
#[derive(Debug)]
pub struct GalleryError {
    kind: ErrorKind,
    cause: Option<Box<Cause>>,
    path: Option<PathBuf>,
    reason: String,
    hint: Option<String>,
}

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, GalleryError>;

impl GalleryError {
    /// An error with its reason in words, as a [store](crate::store::Store) of one's own gives it.
    pub fn new(kind: ErrorKind, reason: impl Into<String>) -> GalleryError {
        GalleryError { kind, cause: None, path: None, reason: reason.into(), hint: None }
    }

    /// The same error, about a file, unless it is about one already.
    #[must_use]
    pub fn at(mut self, path: &Path) -> GalleryError {
        self.path.get_or_insert_with(|| path.into());
        self
    }

    /// The same error with a remedy of its own instead of its kind's.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> GalleryError {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with a cause that programs can tell.
    #[must_use]
    pub fn because(mut self, cause: Cause) -> GalleryError {
        self.cause = Some(Box::new(cause));
        self
    }

    /// What the operating system says of a file.
    #[must_use]
    pub fn io(path: &Path, error: &std::io::Error) -> GalleryError {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull => ErrorKind::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        GalleryError::new(kind, error.to_string()).at(path)
    }

    /// Bytes that are not what was written.
    pub fn damaged(what: impl fmt::Display) -> GalleryError {
        GalleryError::new(ErrorKind::Damaged, format!("{what} is damaged: it is not what was written"))
    }

    pub(crate) fn missing(cause: Cause) -> GalleryError {
        let what = match &cause {
            Cause::NoPerson { person: Some(person) } => format!("person {person}"),
            Cause::NoPerson { person: None } => "person of that name".into(),
            Cause::NoFaceOfPerson { person } => format!("face of person {person}"),
            Cause::NoFace { face } => format!("face {face}"),
            Cause::NoNegative { negative } => format!("negative {negative}"),
            Cause::NoOperation { operation: Some(operation) } => format!("operation {operation}"),
            Cause::NoPhoto { photo } => format!("photo {photo}"),
            Cause::NoSighting { sighting } => format!("sighting {sighting}"),
            Cause::NoGroup { group } => format!("stranger {}", group.0),
            _ => "operation to undo".into(),
        };
        GalleryError::new(ErrorKind::NotFound, format!("there is no {what} in this gallery")).because(cause)
    }

    pub(crate) fn no_person(person: PersonId) -> GalleryError {
        GalleryError::missing(Cause::NoPerson { person: Some(person) })
    }

    pub(crate) fn no_face(face: FaceId) -> GalleryError {
        GalleryError::missing(Cause::NoFace { face })
    }

    pub(crate) fn several(people: Vec<PersonId>) -> GalleryError {
        let ids: Vec<String> = people.iter().map(PersonId::to_string).collect();
        GalleryError::new(ErrorKind::Conflict, format!("{} people have that name", people.len()))
            .with_hint(format!("say which by id: {}", ids.join(", ")))
            .because(Cause::SeveralPeople { people })
    }

    /// The kind, which says who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What exactly is wrong, where that has a code.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// The file that it is about, if one is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The reason alone, without the file.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        if let Some(hint) = &self.hint {
            return hint;
        }
        match self.kind {
            ErrorKind::Io => "check that the file exists and may be read and written",
            ErrorKind::Damaged => {
                "restore the gallery from a backup copy or an archive; `phiz gallery check` lists all damage"
            }
            ErrorKind::WrongKey => "give the key file or passphrase that the gallery was made with",
            ErrorKind::OtherModel => "use the model that the gallery was made with, or make another gallery",
            ErrorKind::OtherVersion => "use the version of Phiz that wrote it, or a newer one",
            ErrorKind::NotFound => {
                "check the spelling; `phiz people` lists everybody, and `phiz people show PERSON` their faces"
            }
            ErrorKind::Conflict => "look at what the gallery holds (`phiz people`), and try again",
            ErrorKind::Busy => "somebody else is using the gallery: try again when they have finished",
            ErrorKind::Full => "free some space on the disk; nothing that was reported as done is lost",
            ErrorKind::ReadOnly => "make the file and its folder writable",
            ErrorKind::Caller => "check the values that were given",
        }
    }
}

impl fmt::Display for GalleryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for GalleryError {}

impl From<phiz_template::TemplateError> for GalleryError {
    fn from(error: phiz_template::TemplateError) -> GalleryError {
        let kind = match error {
            phiz_template::TemplateError::OtherModel(..) => ErrorKind::OtherModel,
            _ => ErrorKind::Caller,
        };
        GalleryError::new(kind, error.to_string())
    }
}

#[cfg(feature = "sqlite")]
impl From<rusqlite::Error> for GalleryError {
    fn from(error: rusqlite::Error) -> GalleryError {
        use rusqlite::ErrorCode as Code;
        let kind = match error.sqlite_error_code() {
            Some(Code::DiskFull) => ErrorKind::Full,
            Some(Code::ReadOnly) => ErrorKind::ReadOnly,
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => ErrorKind::Busy,
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => ErrorKind::Damaged,
            // A damaged table can hold a value of another type, or none, where one must be.
            None => ErrorKind::Damaged,
            Some(_) => ErrorKind::Io,
        };
        GalleryError::new(kind, format!("database: {error}"))
    }
}
