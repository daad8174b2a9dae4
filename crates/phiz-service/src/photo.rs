//! A photo as it comes in: a file, or bytes that somebody holds.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use phiz_image::{DecodeOptions, Image};

use crate::{Code, Problem};

/// A photo to be worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Photo {
    /// A file; also a pipe or a device, whose size is not known beforehand.
    File(PathBuf),
    /// Bytes of a file, with a name by which the photo is remembered.
    Bytes {
        /// The name, such as a file name that was sent along.
        name: String,
        /// The file's bytes.
        bytes: Vec<u8>,
    },
}

impl Photo {
    /// A file's photo. The file is read when it is needed.
    pub fn from_path(path: impl Into<PathBuf>) -> Photo {
        Photo::File(path.into())
    }

    /// A photo of which the file's bytes are at hand.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Photo {
        Photo::Bytes { name: name.into(), bytes }
    }

    /// By what it is remembered.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Photo::File(path) => path.to_string_lossy(),
            Photo::Bytes { name, .. } => Cow::Borrowed(name),
        }
    }

    /// The path, if it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Photo::File(path) => Some(path),
            Photo::Bytes { .. } => None,
        }
    }

    /// The file's bytes, no more than the limits allow.
    ///
    /// # Errors
    /// A file that cannot be read, or is larger than the limits allow.
    pub fn read(&self, options: &DecodeOptions) -> Result<Cow<'_, [u8]>, Problem> {
        match self {
            Photo::Bytes { bytes, .. } => Ok(Cow::Borrowed(bytes)),
            Photo::File(path) => {
                let io = |error: std::io::Error| Problem::unreadable(&error);
                if std::fs::metadata(path).map_err(io)?.is_dir() {
                    let remedy = "name a photo, or give the folder to a command that takes folders";
                    return Err(Problem::new(Code::Unreadable, "is a folder, not a photo", remedy));
                }
                let most = options.limits.max_bytes;
                let mut bytes = Vec::new();
                // What tells no size (a pipe) is read to its end; one byte more than allowed shows that it is too much.
                File::open(path)
                    .map_err(io)?
                    .take(most.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(io)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// The picture.
    ///
    /// # Errors
    /// A file that cannot be read, or is no picture within the limits.
    pub fn decode(&self, options: &DecodeOptions) -> Result<Image, Problem> {
        Ok(Image::decode(&self.read(options)?, options)?)
    }
}
