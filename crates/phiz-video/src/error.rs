//! What can go wrong with a video, with the reason and a remedy.

use std::path::PathBuf;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, VideoError>;

/// Why a video cannot be read, written or judged. Names of sources stand in it without their credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// The program that decodes and encodes is missing.
    #[error("{program} cannot be run ({reason})")]
    NoFfmpeg {
        /// `ffmpeg` or `ffprobe`, or what the environment names instead.
        program: String,
        /// What the operating system said.
        reason: String,
    },
    /// The source does not exist, or is nothing that can be a source.
    #[error("{source_name}: {reason}")]
    NoSource {
        /// The source.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `ffmpeg` cannot open the source, or finds no picture in it.
    #[error("{source_name}: {reason}{}", told(.said))]
    Unreadable {
        /// The source.
        source_name: String,
        /// What is wrong with it.
        reason: String,
        /// What `ffmpeg` said last.
        said: Vec<String>,
    },
    /// The source delivers nothing any more.
    #[error("{source_name}: no picture came for {seconds:.0} seconds{}", told(.said))]
    Stalled {
        /// The source.
        source_name: String,
        /// For how long was waited.
        seconds: f64,
        /// What `ffmpeg` said last.
        said: Vec<String>,
    },
    /// The result cannot be encoded or written.
    #[error("{}: cannot be written{}", path.display(), told(.said))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What `ffmpeg` or the operating system said.
        said: Vec<String>,
    },
    /// Faces cannot be judged: a network or the gallery fails.
    #[error(transparent)]
    Service(#[from] phiz_service::Error),
}

fn told(lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        lines => format!(" (ffmpeg says: {})", lines.join("; ")),
    }
}

impl VideoError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            VideoError::NoFfmpeg { .. } => {
                "install ffmpeg (Debian and Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg; Windows: winget install \
                 ffmpeg), or name it in PHIZ_FFMPEG and PHIZ_FFPROBE"
            }
            VideoError::NoSource { .. } => {
                "name a video file, a folder or pattern of pictures, a camera such as /dev/video0, an rtsp:// or http:// \
                 address, or - for standard input"
            }
            VideoError::Unreadable { .. } => {
                "check with `ffprobe` that it is a video that ffmpeg can read, and that name and password are right"
            }
            VideoError::Stalled { .. } => "check the camera and the network, or wait longer with --stall",
            VideoError::Unwritable { .. } => {
                "check that the folder exists and has free space, and that the name ends in .mp4, .mkv or .mov"
            }
            VideoError::Service(_) => "check the gallery with `phiz gallery check`",
        }
    }

    pub(crate) fn photo(error: impl Into<phiz_service::Problem>) -> VideoError {
        VideoError::Service(phiz_service::Error::Photo(error.into()))
    }
}
