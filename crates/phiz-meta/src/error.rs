//! What can be wrong with metadata: the reason, and what a person can do about it.

use std::io;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, MetaError>;

/// Why metadata could not be read or written. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// The packet is no XMP that can be understood.
    #[error("is not XMP that Phiz understands ({0})")]
    NotXmp(String),
    /// A property is there in a form into which nothing can be put without a risk to what others wrote.
    #[error("writes {0} in a form into which Phiz can put nothing")]
    Unusual(&'static str),
    /// The regions that are there refer to a picture of another shape.
    #[error(
        "holds regions of a picture of {}×{}, but the photo has {}×{}",
        regions.0, regions.1, photo.0, photo.1
    )]
    OtherPicture {
        /// Width and height that the regions refer to.
        regions: (u32, u32),
        /// Width and height of the photo as it is stored.
        photo: (u32, u32),
    },
    /// The file is no JPEG whose segments can be followed.
    #[error("is not a JPEG whose parts can be told apart ({0})")]
    NotJpeg(&'static str),
    /// The packet is too long for a JPEG.
    #[error("would hold {bytes} bytes of XMP, and a JPEG can hold {most} in one piece")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest that fits.
        most: usize,
    },
    /// The JPEG holds its regions in the second part of a packet in two parts.
    #[error("holds names or regions in an extended XMP packet")]
    Extended,
    /// Further pictures lie behind the first one, by distances that would no longer hold.
    #[error("holds further pictures whose places would change")]
    FurtherPictures,
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl MetaError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            MetaError::NotXmp(_) => {
                "look at it with `exiftool -validate -warning`, or move it away and let a new one be written"
            }
            MetaError::Unusual(_) => {
                "let exiftool write it anew (`exiftool -tagsfromfile FILE -all:all FILE`), or move it away"
            }
            MetaError::OtherPicture { .. } => {
                "the photo was cropped or turned after its regions were written: remove them in the program that wrote them"
            }
            MetaError::NotJpeg(_) => "leave --embed out, which writes a sidecar beside the photo",
            MetaError::TooLong { .. } | MetaError::Extended | MetaError::FurtherPictures => {
                "leave --embed out, which writes a sidecar beside the photo"
            }
            MetaError::Io(_) => "check that the file and its folder may be written to, and have free space",
        }
    }
}
