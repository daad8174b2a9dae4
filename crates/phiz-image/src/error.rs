//! What can be wrong with a picture, sorted by who must act.

use std::fmt;
use std::path::{Path, PathBuf};

/// Kind of an error: it says who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be read or written at all.
    Io,
    /// The bytes are damaged or cut off: the owner should copy the file again.
    Damaged,
    /// The bytes are no picture that Phiz knows: the file does not belong here.
    UnknownFormat,
    /// The bytes are an undamaged picture of a format, or a variant of a format, that Phiz does not read: the owner
    /// should convert it.
    Unsupported,
    /// The picture needs more than the caller's limits allow; [`ImageError::limit`] says which.
    TooLarge,
    /// The caller asked for something impossible.
    Caller,
}

impl ErrorKind {
    /// A word for programs, which stays the same between versions.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Io => "io",
            ErrorKind::Damaged => "damaged",
            ErrorKind::UnknownFormat => "unknown_format",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::TooLarge => "limits",
            ErrorKind::Caller => "caller",
        }
    }
}

/// Which limit a picture exceeds, so that a program can name its own option for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_bytes`](crate::Limits::max_bytes). `found` is unknown where reading stopped at the limit.
    Bytes {
        /// Bytes of the file.
        found: Option<u64>,
        /// Bytes that are allowed.
        allowed: u64,
    },
    /// [`Limits::max_pixels`](crate::Limits::max_pixels).
    Pixels {
        /// Pixels of the picture.
        found: u64,
        /// Pixels that are allowed.
        allowed: u64,
    },
    /// Memory: what the limits allow for a picture, or what the machine has.
    Memory,
    /// A JPEG goes over its picture too often, a HEIC, AVIF or JPEG XL is put together from far more than it shows, or an
    /// AVIF takes too long. No option changes that.
    Scans,
}

/// Why a picture could not be read or written: the file (if there is one), the reason and a remedy.
#[derive(Debug)]
pub struct ImageError {
    kind: ErrorKind,
    path: Option<PathBuf>,
    reason: String,
    hint: Option<&'static str>,
    limit: Option<Limit>,
    passing: bool,
}

impl ImageError {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<String>) -> ImageError {
        ImageError { kind, path: None, reason: reason.into(), hint: None, limit: None, passing: false }
    }

    pub(crate) fn at(mut self, path: &Path) -> ImageError {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> ImageError {
        self.hint = Some(hint);
        self
    }

    pub(crate) fn with_limit(mut self, limit: Limit) -> ImageError {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn of_this_machine(mut self) -> ImageError {
        self.passing = true;
        self
    }

    /// Whether it is not the picture's fault but that of the machine, now: a program that is missing or too slow. The same
    /// bytes may be read when they are tried again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.passing
    }

    /// The kind, which says who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file, if the picture came from one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The reason, without the file's name.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The limit that was exceeded, if the kind is [`ErrorKind::TooLarge`].
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// What a person can do about it. A program that has an option for [`ImageError::limit`] should name it instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        let general = match self.kind {
            ErrorKind::Io => "check that the file exists and may be read",
            ErrorKind::Damaged => "the file is incomplete or damaged: copy it again from its source",
            ErrorKind::UnknownFormat => {
                "use a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF or JPEG XL picture"
            }
            ErrorKind::Unsupported => "convert it to JPEG or PNG, for example with ImageMagick",
            ErrorKind::TooLarge => "make a smaller copy of the picture and use that",
            ErrorKind::Caller => "check the size and place that were asked for",
        };
        self.hint.unwrap_or(general)
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

/// This many zeros, if the machine has room for them: a size that a file states may be too large.
pub(crate) fn zeros<T: Clone>(zero: T, length: usize) -> Result<Vec<T>, ImageError> {
    // Asked for and given back first: a vector of zeros comes from the system without being written to, but ends the
    // program where there is no memory.
    Vec::<T>::new().try_reserve_exact(length).map_err(|_| {
        ImageError::new(ErrorKind::TooLarge, "needs more memory than this machine can give")
            .with_limit(Limit::Memory)
    })?;
    Ok(vec![zero; length])
}
