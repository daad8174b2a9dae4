//! What can be wrong with a picture, sorted by who must act.

use std::fmt;
use std::path::{Path, PathBuf};

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be read or written at all.
    Io,
    /// The bytes are damaged or cut off.
    Damaged,
    /// The bytes are no picture of a known format.
    UnknownFormat,
    /// The picture needs more than the caller's limits allow.
    TooLarge,
    /// The caller asked for what cannot be.
    Caller,
}

/// Why a picture could not be had: the file (if there is one), the reason and a remedy.
#[derive(Debug)]
pub struct ImageError {
    kind: ErrorKind,
    path: Option<PathBuf>,
    reason: String,
}

impl ImageError {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<String>) -> ImageError {
        ImageError { kind, path: None, reason: reason.into() }
    }

    pub(crate) fn at(mut self, path: &Path) -> ImageError {
        self.path = Some(path.into());
        self
    }

    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file, if the picture came from one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ErrorKind::Io => "check that the file exists and may be read",
            ErrorKind::Damaged => "the file is incomplete or damaged: copy it again from its source",
            ErrorKind::UnknownFormat => "use a JPEG, PNG, WebP, GIF, BMP or TIFF picture",
            ErrorKind::TooLarge => "make the picture smaller, or raise the limits if you trust its source",
            ErrorKind::Caller => "check the size and place that were asked for",
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for ImageError {}
