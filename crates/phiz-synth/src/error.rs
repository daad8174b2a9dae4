//! What can go wrong, sorted by who must act.

/// Why a model or a scene could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The bytes are no face model, or one of another version.
    #[error("not a face model: {0}; fit one with `cargo xtask fit-faces`")]
    Model(String),
    /// The caller asks for a scene that cannot be.
    #[error("no such scene: {0}")]
    Scene(String),
    /// The finished picture was refused.
    #[error(transparent)]
    Image(#[from] phiz_image::ImageError),
}
