//! What can go wrong while training, each with what to do about it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// An error of the trainer.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file or folder that cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A recipe that asks for what cannot be.
    #[error("recipe: {0}")]
    Recipe(String),
    /// A back end or device that cannot be had.
    #[error("device: {0}")]
    Device(String),
    /// The loss is no number any more.
    #[error(
        "the loss was not finite in {0} steps in a row; \
         the last checkpoint is kept: lower the learning rate and resume"
    )]
    Diverged(u32),
    /// The network or its weights do not fit.
    #[error(transparent)]
    Graph(#[from] phiz_net::graph::GraphError),
    /// A form of the weights that says something else than the trained network.
    #[error("export: {0}")]
    Form(String),
    /// Fine-tuning that made things worse.
    #[error("{0}; the embedder stays as it was: give more photos, or keep the result with --force")]
    Worse(String),
    /// The network could not be exported.
    #[error(transparent)]
    Export(#[from] phiz_net::onnx::ExportError),
}

impl TrainError {
    /// A file and what is wrong with it.
    pub fn file(path: &Path, reason: &dyn Display) -> TrainError {
        TrainError::File { path: path.into(), reason: reason.to_string() }
    }
}
