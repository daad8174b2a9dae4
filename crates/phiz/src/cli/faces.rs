//! From a path to faces, and to the one face where one is needed; every way in which that fails has a name, a reason
//! and a remedy.

use std::fmt;
use std::path::Path;

use clap::{Args, ValueEnum};
use phiz_image::ErrorKind;
use serde::Serialize;

use crate::{DecodeOptions, DetectOptions, Detection, Engine, Face, Image, Rotate};

/// Twice what the detector's main look shows, and twice the smallest face that its closest look is sure of.
const LONG_SIDE_TO_FIND: u32 = 1280;
const SMALLEST_TO_FIND: f32 = 28.0;

/// How faces are looked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Looking {
    /// Smallest face worth finding, in pixels of the photo; larger is faster
    #[arg(long, value_name = "PIXELS", default_value_t = 20.0, value_parser = pixels)]
    min_face: f32,
    /// Lowest detection score, 0 to 1 [default: the detector's own]
    #[arg(long, value_name = "SCORE", value_parser = score)]
    score: Option<f32>,
    /// `auto` also finds faces in photos that lie on their side or head without saying so; takes four times as long
    #[arg(long, value_enum, default_value = "never")]
    rotate: RotateArgument,
}

fn pixels(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|p: &f32| *p >= 1.0 && p.is_finite())
        .ok_or("give a number of pixels, 1 or more".into())
}

fn score(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|s| (0.0..=1.0).contains(s)).ok_or("give a number from 0 to 1".into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RotateArgument {
    Never,
    Auto,
}

impl Looking {
    pub(crate) fn options(&self) -> DetectOptions {
        let rotate = if self.rotate == RotateArgument::Auto { Rotate::Auto } else { Rotate::Never };
        DetectOptions { score: self.score, min_face: self.min_face, rotate }
    }

    /// Reads a photo at a resolution at which such faces can be found, though not described: large JPEGs need not be
    /// decoded at their full size for that.
    pub(crate) fn open(&self, path: &Path) -> Result<Image, Problem> {
        let options = DecodeOptions {
            min_long_side: Some(LONG_SIDE_TO_FIND),
            min_scale: SMALLEST_TO_FIND / self.min_face,
            ..DecodeOptions::default()
        };
        Ok(Image::open(path, &options)?)
    }
}

/// Why a photo, or the face in it, cannot be used. `kind` is for programs and stays the same between versions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    pub(crate) kind: &'static str,
    pub(crate) reason: String,
    pub(crate) hint: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Problem {
    pub(crate) fn new(kind: &'static str, reason: impl Into<String>, hint: &'static str) -> Problem {
        Problem { kind, reason: reason.into(), hint }
    }

    pub(crate) fn unreadable(error: &std::io::Error) -> Problem {
        let hint = "check that the file exists and may be read";
        Problem::new("unreadable", format!("cannot be read ({error})"), hint)
    }

    /// Says it on stderr, as every command does for each photo.
    pub(crate) fn warn(&self, path: &Path) {
        eprintln!("{}: {self}\n  hint: {}", path.display(), self.hint);
    }
}

impl From<crate::ImageError> for Problem {
    fn from(error: crate::ImageError) -> Problem {
        let kind = match error.kind() {
            ErrorKind::Io => "unreadable",
            ErrorKind::Damaged => "damaged",
            ErrorKind::UnknownFormat | ErrorKind::Unsupported => "unknown_format",
            ErrorKind::TooLarge => "too_large",
            _ => "unusable",
        };
        // The path stands before the reason wherever it is shown.
        let text = error.to_string();
        let path = error.path().map(|p| format!("{}: ", p.display())).unwrap_or_default();
        Problem::new(kind, text.strip_prefix(&path).unwrap_or(&text), error.hint())
    }
}

impl From<crate::FaceError> for Problem {
    fn from(error: crate::FaceError) -> Problem {
        Problem::new(
            "model",
            error.to_string(),
            "check the model cards, or leave --detector and --embedder out",
        )
    }
}

/// Reads a photo at full resolution.
pub(crate) fn open(path: &Path) -> Result<Image, Problem> {
    Ok(Image::open(path, &DecodeOptions::default())?)
}

/// All faces of a photo with their templates, largest first.
pub(crate) fn all(engine: &Engine, path: &Path, looking: &Looking) -> Result<(Image, Vec<Face>), Problem> {
    let image = open(path)?;
    let faces = engine.analyze_with(&image, &looking.options())?;
    Ok((image, faces))
}

/// The face meant by a photo of one person: the only one, or one at least half as large again as every other.
pub(crate) fn one(engine: &Engine, image: &Image, looking: &Looking, largest: bool) -> Result<Face, Problem> {
    let found = engine.detect(image, &looking.options())?;
    let chosen = choose(&found, largest)?;
    Ok(engine.describe(image, chosen.clone())?)
}

/// A face counts as the one that is meant if it is so many times as large as every other (root of the area).
const DOMINANT: f32 = 1.5;

/// Of several faces the one that is meant, see [`one`].
pub(crate) fn choose(found: &[Detection], largest: bool) -> Result<&Detection, Problem> {
    match found {
        [] => Err(Problem::new(
            "no_face",
            "no face found",
            "use a photo with a visible face; --score 0.3 finds unclear ones, --rotate auto turned ones",
        )),
        [first, second, ..] if !largest && first.size() < DOMINANT * second.size() => Err(Problem::new(
            "several_faces",
            format!("{} faces of similar size where one is needed", found.len()),
            "cut out the one that you mean, or take the largest with --largest",
        )),
        [first, ..] => Ok(first),
    }
}

/// Whether a face is good enough to be kept for later comparisons.
pub(crate) fn fit_to_enrol(face: &Face) -> Result<(), Problem> {
    let [right, left, ..] = face.detection.landmarks;
    let eyes = (left[0] - right[0]).hypot(left[1] - right[1]);
    if eyes < MIN_EYES {
        return Err(Problem::new(
            "face_too_small",
            format!("the face is too small ({eyes:.0} pixels between the eyes, {MIN_EYES} are needed)"),
            "use a larger photo, or keep it all the same with --force",
        ));
    }
    if face.quality < MIN_QUALITY {
        return Err(Problem::new(
            "face_too_poor",
            format!(
                "the face is too blurred, dark or turned away (quality {:.2}, {MIN_QUALITY} is needed)",
                face.quality
            ),
            "use a sharper photo from the front, or keep it all the same with --force",
        ));
    }
    Ok(())
}

/// Fewer pixels between the eyes make templates that are alike for everybody.
const MIN_EYES: f32 = 16.0;
/// See [`phiz_face::quality`].
const MIN_QUALITY: f32 = 0.35;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_face_is_the_dominant_one() {
        let face =
            |size: f32| Detection { bbox: [0.0, 0.0, size, size], score: 0.9, landmarks: [[0.0; 2]; 5] };
        let kind = |sizes: &[f32], largest| {
            let found: Vec<_> = sizes.iter().map(|s| face(*s)).collect();
            choose(&found, largest).map(|d| d.size()).map_err(|p| p.kind)
        };
        assert_eq!(kind(&[], true), Err("no_face"));
        assert_eq!(kind(&[30.0], false), Ok(30.0));
        assert_eq!(kind(&[90.0, 50.0, 20.0], false), Ok(90.0));
        assert_eq!(kind(&[90.0, 70.0], false), Err("several_faces"));
        assert_eq!(kind(&[90.0, 70.0], true), Ok(90.0));
    }
}
