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
    #[error("the loss was not finite in {steps} steps in a row; {advice}", advice = after_divergence(*.kept))]
    Diverged {
        /// Steps in a row.
        steps: u32,
        /// The step of the last checkpoint, if there is one.
        kept: Option<u64>,
    },
    /// Weights that are no numbers any more, noticed before they would have replaced good ones.
    #[error("{name} holds what is no number; {advice}", advice = after_divergence(*.kept))]
    Ruined {
        /// A parameter.
        name: String,
        /// The step of the last checkpoint, if there is one.
        kept: Option<u64>,
    },
    /// Somebody ended the run before its last step; no fault, but no result either.
    #[error("stopped at step {0}: the same command goes on from there")]
    Interrupted(u64),
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

/// What helps after a loss that was no number.
fn after_divergence(kept: Option<u64>) -> String {
    let lower =
        "lower the learning rate (`rate` of the recipe's stages) or `clip`, and give the same command:";
    match kept {
        Some(step) => format!("the checkpoint of step {step} is kept: {lower} it goes on from there"),
        None => format!("nothing was saved: {lower} it begins anew"),
    }
}

impl TrainError {
    /// A file and what is wrong with it.
    pub fn file(path: &Path, reason: &dyn Display) -> TrainError {
        TrainError::File { path: path.into(), reason: reason.to_string() }
    }
}
