//! The crate's one error, sorted by who must act.

use std::fmt;
use std::path::{Path, PathBuf};

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// No such gallery, person, face, operation.
    NotFound,
    /// What was asked for is at odds with what the gallery holds.
    Conflict,
    /// Another process holds the gallery for too long.
    Busy,
    /// No room on the disk.
    Full,
    /// The gallery may not be written to.
    ReadOnly,
    /// The caller asked for what cannot be.
    Caller,
}

/// Why a gallery could not do it: what it is about, the reason, a remedy. Never holds a name or a template.
#[derive(Debug)]
pub struct GalleryError {
    kind: ErrorKind,
    path: Option<PathBuf>,
    reason: String,
    hint: Option<String>,
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, GalleryError>;

impl GalleryError {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<String>) -> GalleryError {
        GalleryError { kind, path: None, reason: reason.into(), hint: None }
    }

    pub(crate) fn at(mut self, path: &Path) -> GalleryError {
        self.path.get_or_insert_with(|| path.into());
        self
    }

    pub(crate) fn hint_at(mut self, hint: impl Into<String>) -> GalleryError {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn io(path: &Path, error: &std::io::Error) -> GalleryError {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull => ErrorKind::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        GalleryError::new(kind, error.to_string()).at(path)
    }

    pub(crate) fn damaged(what: impl fmt::Display) -> GalleryError {
        GalleryError::new(ErrorKind::Damaged, format!("{what} is damaged: it is not what was written"))
    }

    pub(crate) fn missing(what: impl fmt::Display) -> GalleryError {
        GalleryError::new(ErrorKind::NotFound, format!("there is no {what} in this gallery"))
    }

    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file that it is about, if one is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        if let Some(hint) = &self.hint {
            return hint;
        }
        match self.kind {
            ErrorKind::Io => "check that the file exists and may be read and written",
            ErrorKind::Damaged => "restore the gallery from a copy or an export; `check` lists all damage",
            ErrorKind::WrongKey => "give the key file or passphrase that the gallery was made with",
            ErrorKind::OtherModel => "use the model that the gallery was made with, or make another gallery",
            ErrorKind::OtherVersion => "use the version of Phiz that wrote it, or a newer one",
            ErrorKind::NotFound => "list what there is, and check the spelling",
            ErrorKind::Conflict => "look at what the gallery holds, and ask again",
            ErrorKind::Busy => "another process is writing: try again when it has finished",
            ErrorKind::Full => "make room on the disk; nothing that was acknowledged is lost",
            ErrorKind::ReadOnly => "make the file and its folder writable, or only read",
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
