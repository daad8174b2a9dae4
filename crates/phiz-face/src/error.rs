//! Why faces could not be found or described.

use phiz_net::card::CardError;

use crate::align::ALIGNED_SIZE;

/// Why faces could not be found or described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaceError {
    /// A model card cannot be used.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A network cannot be loaded or run.
    #[error("model {model:?}: {source}")]
    Network {
        /// The model's name.
        model: String,
        /// What the runtime says.
        source: phiz_engine::EngineError,
    },
    /// A network is not what its card says, or answers in another way.
    #[error("model {model:?} {reason}: does its card name the right output.decode?")]
    Decode {
        /// The model's name.
        model: String,
        /// What is unexpected.
        reason: String,
    },
    /// A network takes pictures of another size than its card says.
    #[error("model {model:?} {reason}: set input.width and input.height in its card")]
    InputSize {
        /// The model's name.
        model: String,
        /// Both sizes.
        reason: String,
    },
    /// No model was chosen, and the library is built without the bundled ones.
    #[error("no {0} was chosen, and this build holds no models: open one by its card")]
    NoModel(&'static str),
    /// A picture that should be an aligned face has another size, given in pixels.
    #[error("an aligned face is {ALIGNED_SIZE}×{ALIGNED_SIZE} pixels, not {0}×{1}")]
    NotAligned(u32, u32),
    /// A picture is larger than the only size that the detector takes, both given as width and height in pixels.
    #[error("the picture has {}×{} pixels, and the detector takes {}×{}", got.0, got.1, takes.0, takes.1)]
    TooLarge {
        /// The picture's size.
        got: (u32, u32),
        /// The detector's size.
        takes: (u32, u32),
    },
    /// An option has a value that means nothing.
    #[error("the option {option} is {value}: {needed}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        needed: &'static str,
    },
    /// Faces as small as asked for need more tiles of a photo than [`crate::DetectOptions::max_tiles`] allows.
    #[error(
        "faces of {min_face} pixels need {needed} tiles of this photo, and {allowed} are allowed (faces of {fitting:.0} \
         pixels or more need no more than that)"
    )]
    TooManyTiles {
        /// Tiles that would be looked at.
        needed: usize,
        /// Tiles that are allowed.
        allowed: usize,
        /// The smallest face that was asked for, in pixels of the original photo.
        min_face: f32,
        /// A smallest face for which the tiles suffice, in whole pixels of the original photo.
        fitting: f32,
    },
}
