//! Why one photo, or the face in it, cannot be used.

use std::fmt;

use phiz_face::{ChoiceError, FaceError};
use phiz_image::{ErrorKind, ImageError, Limit};
use serde::{Serialize, Serializer};

/// Names a [`Problem`] for programs. The names stay the same between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The file does not exist, may not be read, or is a folder.
    Unreadable,
    /// The content is of no picture format that Phiz reads.
    UnknownFormat,
    /// The picture is broken or cut off.
    Damaged,
    /// The picture needs more memory than the limits allow.
    TooLarge,
    /// Anything else about the picture.
    Unusable,
    /// No face was found where one is needed.
    NoFace,
    /// Several faces of similar size were found where one is needed.
    SeveralFaces,
    /// The photo has no face of that number or at that place.
    NoSuchFace,
    /// The face has too few pixels to be enrolled.
    FaceTooSmall,
    /// The face is too blurred, dark or turned away to be enrolled.
    FaceTooPoor,
    /// The gallery does not take the face.
    Refused,
    /// A network failed.
    Model,
    /// The result cannot be written.
    Unwritable,
    /// The photo is not the aligned face that it was said to be.
    NotAligned,
    /// The metadata of the photo cannot be understood, or not be changed safely.
    Metadata,
}

impl Code {
    /// The name, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Unreadable => "unreadable",
            Code::UnknownFormat => "unknown_format",
            Code::Damaged => "damaged",
            Code::TooLarge => "too_large",
            Code::Unusable => "unusable",
            Code::NoFace => "no_face",
            Code::SeveralFaces => "several_faces",
            Code::NoSuchFace => "no_such_face",
            Code::FaceTooSmall => "face_too_small",
            Code::FaceTooPoor => "face_too_poor",
            Code::Refused => "refused",
            Code::Model => "model",
            Code::Unwritable => "unwritable",
            Code::NotAligned => "not_aligned",
            Code::Metadata => "metadata",
        }
    }
}

impl Code {
    /// All codes.
    const ALL: [Code; 14] = [
        Code::Unreadable,
        Code::UnknownFormat,
        Code::Damaged,
        Code::TooLarge,
        Code::Unusable,
        Code::NoFace,
        Code::SeveralFaces,
        Code::NoSuchFace,
        Code::FaceTooSmall,
        Code::FaceTooPoor,
        Code::Refused,
        Code::Model,
        Code::Unwritable,
        Code::NotAligned,
    ];
}

impl std::str::FromStr for Code {
    type Err = ();

    fn from_str(name: &str) -> Result<Code, ()> {
        Code::ALL.into_iter().find(|code| code.as_str() == name).ok_or(())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why one photo, or the face in it, cannot be used: a code for programs, a reason and a remedy for people.
///
/// Serialised as `{"kind", "reason", "hint"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    reason: String,
    remedy: String,
}

impl Problem {
    /// A problem of the caller's own.
    pub fn new(code: Code, reason: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { code, reason: reason.into(), remedy: remedy.into() }
    }

    /// A file that cannot be read.
    #[must_use]
    pub fn unreadable(error: &std::io::Error) -> Problem {
        let remedy = "check that the file exists and may be read";
        Problem::new(Code::Unreadable, format!("cannot be read ({error})"), remedy)
    }

    /// The name for programs.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            kind: Code,
            reason: &'a str,
            hint: &'a str,
        }
        Written { kind: self.code, reason: &self.reason, hint: &self.remedy }.serialize(serializer)
    }
}

impl From<ImageError> for Problem {
    fn from(error: ImageError) -> Problem {
        let code = match error.kind() {
            ErrorKind::Io => Code::Unreadable,
            ErrorKind::Damaged => Code::Damaged,
            ErrorKind::UnknownFormat | ErrorKind::Unsupported => Code::UnknownFormat,
            ErrorKind::TooLarge => Code::TooLarge,
            _ => Code::Unusable,
        };
        // The path is shown beside the reason already.
        let text = error.to_string();
        let path = error.path().map(|path| format!("{}: ", path.display())).unwrap_or_default();
        // The options of the command line, and the fields of the API, are called so.
        let remedy = match error.limit() {
            Some(Limit::Pixels { found, .. }) => {
                let needed = found.div_ceil(1_000_000);
                format!(
                    "make the picture smaller, or, if you trust its source, read it with --max-megapixels {needed}"
                )
            }
            Some(Limit::Bytes { found, allowed }) => {
                let needed = found.map_or(allowed / 500_000, |found| found.div_ceil(1_000_000));
                format!(
                    "make the file smaller, or, if you trust its source, read it with --max-megabytes {needed}"
                )
            }
            _ => error.hint().into(),
        };
        Problem::new(code, text.strip_prefix(&path).unwrap_or(&text), remedy)
    }
}

impl From<ChoiceError> for Problem {
    fn from(error: ChoiceError) -> Problem {
        let (code, remedy) = match error {
            ChoiceError::NoFace => (
                Code::NoFace,
                "use a photo with a visible face; --score 0.3 finds unclear faces, --rotate auto turned ones",
            ),
            ChoiceError::SeveralFaces { .. } => (
                Code::SeveralFaces,
                "say which one is meant: --face 2 takes the second of those that `phiz detect` lists, --at X,Y the one at \
                 that point, --largest the largest",
            ),
            _ => {
                (Code::NoSuchFace, "`phiz detect` lists the faces of the photo with their numbers and places")
            }
        };
        Problem::new(code, error.to_string(), remedy)
    }
}

impl From<FaceError> for Problem {
    fn from(error: FaceError) -> Problem {
        if let FaceError::TooManyTiles { fitting, .. } = error {
            let remedy = format!("look for larger faces with --min-face {fitting:.0}");
            return Problem::new(Code::TooLarge, error.to_string(), remedy);
        }
        if let FaceError::NotAligned(..) = error {
            let remedy = "leave --aligned out to have the face found, or cut it out first";
            return Problem::new(Code::NotAligned, error.to_string(), remedy);
        }
        if let FaceError::TooLarge { .. } = error {
            return Problem::new(Code::TooLarge, error.to_string(), "make the picture smaller");
        }
        let remedy = "check the cards that --detector and --embedder name, or leave them out";
        Problem::new(Code::Model, error.to_string(), remedy)
    }
}
