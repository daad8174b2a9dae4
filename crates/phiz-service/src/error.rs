//! What ends the work, as opposed to a [`Problem`], which concerns one photo.

use std::path::PathBuf;

use phiz_face::FaceError;
use phiz_gallery::GalleryError;
use phiz_template::{ModelId, TemplateError};

use crate::{Problem, VerifyProblem};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The photo cannot be used.
    #[error("{0}")]
    Photo(Problem),
    /// One of two photos that should be compared cannot be used.
    #[error(transparent)]
    Compared(#[from] VerifyProblem),
    /// The gallery cannot do it.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// The models cannot be loaded.
    #[error(transparent)]
    Models(#[from] FaceError),
    /// Two templates cannot be compared, or a rate is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The embedder's card states no thresholds, so that nothing follows from a similarity.
    #[error("the model card of {model:?} states no thresholds")]
    NoThresholds {
        /// Name of the embedder.
        model: String,
    },
    /// The gallery belongs to another embedder.
    #[error("{}: the gallery holds templates of model {gallery}, not of {engine}", path.display())]
    OtherModel {
        /// The gallery's file.
        path: PathBuf,
        /// The gallery's model.
        gallery: ModelId,
        /// The model that is loaded.
        engine: ModelId,
    },
    /// There is no gallery yet.
    #[error("{}: there is no gallery yet", .0.display())]
    NoGallery(PathBuf),
    /// The gallery's path is a folder's.
    #[error("{}: is a folder, not a gallery's file", .0.display())]
    GalleryIsFolder(PathBuf),
    /// There is no folder in which a gallery could be kept.
    #[error("there is no home folder to keep the gallery in")]
    NoHome,
    /// The name of the home folder is empty, which is taken neither for the current folder nor for the default one.
    #[error("the home folder's name is empty")]
    EmptyHome,
    /// A folder of the gallery cannot be made.
    #[error("{}: cannot be made ({source})", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The reason that the operating system gave.
        source: std::io::Error,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error::Photo(problem)
    }
}

impl Error {
    /// The problem, if the error concerns one photo.
    #[must_use]
    pub fn photo(&self) -> Option<&Problem> {
        match self {
            Error::Photo(problem) | Error::Compared(VerifyProblem { problem, .. }) => Some(problem),
            _ => None,
        }
    }
}
