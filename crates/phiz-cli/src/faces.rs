//! How faces are looked for and which one is meant, as arguments of commands.

use clap::{Args, ValueEnum};
use phiz_face::{Choice, DetectOptions, Rotate};
use phiz_image::Limits;
pub(crate) use phiz_service::Problem;

/// How faces are looked for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Finding faces")]
pub(crate) struct Looking {
    /// Smallest face worth finding, in pixels of the photo; larger numbers are faster
    #[arg(long, value_name = "PIXELS", default_value_t = 20.0, value_parser = pixels)]
    min_face: f32,
    /// Lowest detection score that counts as a face, from 0 to 1 [default: the detector's own]
    #[arg(long, value_name = "SCORE", value_parser = score)]
    score: Option<f32>,
    /// `auto` also finds faces in photos that lie on their side although their EXIF data do not say so; this takes four
    /// times as long
    #[arg(long, value_enum, default_value = "never")]
    rotate: RotateArgument,
    /// Largest photo that is read, in millions of pixels
    #[arg(long, value_name = "MEGAPIXELS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=4000))]
    max_megapixels: u64,
    /// Largest file that is read, in millions of bytes
    #[arg(long, value_name = "MEGABYTES", default_value_t = 268, value_parser = clap::value_parser!(u64).range(1..=16000))]
    max_megabytes: u64,
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
        DetectOptions::default().score(self.score).min_face(self.min_face).rotate(rotate)
    }

    /// The text by which the way of looking enters the identity of prepared data. Data of earlier versions holds it: it
    /// must stay as it is, whatever the fields are called.
    #[cfg(feature = "train")]
    pub(crate) fn identity(&self) -> String {
        let score = self.score.map_or("None".into(), |score| format!("Some({score:?})"));
        let rotate = match self.rotate {
            RotateArgument::Never => "Never",
            RotateArgument::Auto => "Auto",
        };
        format!("Looking {{ min_face: {:?}, score: {score}, rotate: {rotate} }}", self.min_face)
    }

    /// As the service takes it.
    pub(crate) fn service(&self) -> phiz_service::Looking {
        let limits =
            Limits { max_bytes: self.max_megabytes * 1_000_000, max_pixels: self.max_megapixels * 1_000_000 };
        phiz_service::Looking { detect: self.options(), limits, max_faces: None }
    }
}

/// Which face of a photo is meant where one is needed. Without any of these: the only face, or one that is at least 1.5
/// times as large as every other.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
#[command(next_help_heading = "Which face is meant")]
pub(crate) struct Selection {
    /// Take the largest of several faces
    #[arg(long)]
    largest: bool,
    /// Take the face with this number in the list that `phiz detect` prints
    #[arg(long = "face", value_name = "N")]
    number: Option<usize>,
    /// Take the face at this point of the photo, in pixels from the top left corner
    #[arg(long, value_name = "X,Y", value_parser = point)]
    at: Option<[f32; 2]>,
}

fn point(text: &str) -> Result<[f32; 2], String> {
    let number = |text: &str| text.trim().parse().ok().filter(|n: &f32| n.is_finite());
    let numbers = text.split_once(',').and_then(|(x, y)| Some([number(x)?, number(y)?]));
    numbers.ok_or("give two numbers, as 120,80".into())
}

impl Selection {
    /// Whether anything says which face is meant.
    pub(crate) fn is_given(&self) -> bool {
        self.largest || self.number.is_some() || self.at.is_some()
    }

    pub(crate) fn choice(&self) -> Choice {
        match (self.largest, self.number, self.at) {
            (true, ..) => Choice::Largest,
            (_, Some(number), _) => Choice::Number(number),
            (.., Some(at)) => Choice::At(at),
            _ => Choice::Dominant,
        }
    }
}

/// Reads a photo at full resolution.
pub(crate) fn open(path: &std::path::Path) -> Result<phiz_image::Image, Problem> {
    phiz_service::Photo::from_path(path).decode(&phiz_image::DecodeOptions::default())
}
