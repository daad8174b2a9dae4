//! From a photo of one person to the aligned face: which face is meant, where exactly, and whether it is good enough.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use phiz_face::{Choice, DetectOptions, Plan, TEMPLATE_POINTS, quality};
use phiz_image::Limits;
use phiz_service::Code;
use phiz_train::data::inputs::{Photo, Source};

use super::consensus;
use crate::faces::{self, Looking, Problem};
use crate::{Analyzer, DecodeOptions, Detection, Failure, Image};

/// The long sides to which a quick look brings a picture: below the first faces lack detail, above the second a look takes
/// longer and shows a face that fills its picture no better.
const QUICK_SIDES: (u32, u32) = (96, 160);
/// How far a quick look reaches around a box that the list gives, as a share of the box.
const QUICK_REACH: f32 = 0.75;

/// How faces are cut out of photos.
#[derive(Args, Clone, Debug)]
pub(crate) struct Cutting {
    /// Which of several faces is taken. If the list gives one box for a photo, the face in it is taken
    #[arg(long, value_enum, default_value = "one")]
    face: Which,
    /// Take the photos as they are, as aligned faces of 112×112 pixels
    #[arg(long, conflicts_with_all = ["cropped", "careful"])]
    aligned: bool,
    /// The photos are tight crops of a face: look for it with the edge pixels repeated around the photo
    #[arg(long)]
    cropped: bool,
    /// The photos were squashed, and had this shape before, such as 178:218
    #[arg(long, value_name = "W:H")]
    restore: Option<Shape>,
    /// Look at each face up to six times and take the mean of the landmarks, for better crops in more time
    #[arg(long)]
    careful: bool,
    /// Look once, in a picture brought to 96 to 160 pixels (or around the box that the list gives), in about half the time: for
    /// photos that one face fills. Each face is described as without it
    // Has the name of the option of all commands, and replaces it here.
    #[arg(long)]
    quick: bool,
    /// Leave out faces with fewer pixels between the eyes
    #[arg(long, value_name = "PIXELS", default_value_t = 8.0)]
    min_eyes: f32,
    /// Leave out faces of lower quality, from 0 to 1
    #[arg(long, value_name = "QUALITY", default_value_t = 0.2)]
    min_quality: f32,
    #[command(flatten)]
    pub(crate) looking: Looking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The only face, or one at least 1.5 times as large as every other; otherwise the photo is left out
    One,
    /// The largest face
    Largest,
    /// The face nearest to the middle
    Central,
}

/// Width and height of a shape, in any unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape(f32, f32);

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let numbers = text.split_once(':').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        match numbers {
            Some((w, h)) if w > 0.0 && h > 0.0 && f32::is_finite(w / h) => Ok(Shape(w, h)),
            _ => Err("a shape is two numbers, as 178:218".into()),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// An aligned face.
pub(crate) struct Cut {
    pub(crate) crop: Image,
    pub(crate) quality: f32,
}

/// Reads a photo of a list at full resolution.
pub(crate) fn open(photo: &Photo) -> Result<Image, Problem> {
    match &photo.source {
        Source::File(path) => faces::open(path),
        source => {
            let bytes = source.read(Limits::default().max_bytes).map_err(|e| Problem::unreadable(&e))?;
            Ok(Image::decode(&bytes, &DecodeOptions::default())?)
        }
    }
}

impl Cutting {
    /// The text by which the way of cutting enters the identity of shards. Shards of earlier versions hold it: it must
    /// stay as it is, whatever the fields are called.
    pub(crate) fn identity(&self) -> String {
        let Cutting { face, aligned, cropped, restore, careful, quick, min_eyes, min_quality, looking } =
            self;
        let face = match face {
            Which::One => "One",
            Which::Largest => "Largest",
            Which::Central => "Central",
        };
        let restore = restore.map_or("None".into(), |Shape(w, h)| format!("Some(Shape({w:?}, {h:?}))"));
        let looking = looking.identity();
        let quick = if *quick { ", quick: true" } else { "" };
        format!(
            "Cutting {{ face: {face}, aligned: {aligned}, cropped: {cropped}, restore: {restore}, careful: {careful}, \
             min_eyes: {min_eyes:?}, min_quality: {min_quality:?}, looking: {looking}{quick} }}"
        )
    }

    /// Refuses options that contradict each other. The parser does not see an option of all commands that stands before the
    /// command's name.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let other = match self {
            Cutting { quick: true, careful: true, .. } => "--careful",
            Cutting { quick: true, aligned: true, .. } => "--aligned",
            _ => return Ok(()),
        };
        Err(Failure::new(format!("--quick cannot be used with {other}")).hint("leave one of them out"))
    }

    /// The face that a photo shows.
    pub(crate) fn cut(&self, engine: &Analyzer, photo: &Photo) -> Result<Cut, Problem> {
        let mut picture = open(photo)?;
        if let Some(shape) = self.restore {
            picture = restored(&picture, shape);
        }
        if self.aligned {
            if (picture.width(), picture.height()) != (112, 112) {
                let reason = format!("is {}×{}, not 112×112", picture.width(), picture.height());
                return Err(Problem::new(
                    Code::NotAligned,
                    reason,
                    "leave --aligned out, and faces are looked for",
                ));
            }
            let whole = [0.0, 0.0, 112.0, 112.0];
            let here = Detection { bbox: whole, score: 1.0, landmarks: TEMPLATE_POINTS };
            return self.judged(picture, &here);
        }
        let margin = match self.cropped {
            true => {
                let margin = picture.width().max(picture.height()).div_ceil(5);
                picture = with_margin(&picture, margin);
                margin as f32
            }
            false => 0.0,
        };
        let boxed = match photo.boxes.as_slice() {
            [[x, y, w, h]] => Some([x + margin, y + margin, *w, *h]),
            _ => None,
        };
        let found = engine.detect(&picture, &self.looks(&picture, boxed))?;
        let mut face = self.meant(&found, &picture, boxed)?.clone();
        if self.careful {
            let refined = consensus::refine(engine, &picture, &face, 0.3)?;
            if refined.agreed >= 0.75 {
                (face.bbox, face.landmarks) = (refined.bbox, refined.landmarks);
            }
        }
        self.judged(engine.align(&picture, &face), &face)
    }

    /// How a picture is looked at, in which the list may give the box of a face.
    fn looks(&self, picture: &Image, boxed: Option<[f32; 4]>) -> DetectOptions {
        let options = self.looking.options();
        match boxed {
            _ if !self.quick => options,
            Some(boxed) => options.plan(Plan::Region { boxes: vec![boxed], reach: QUICK_REACH }),
            None => {
                let (least, most) = QUICK_SIDES;
                options.plan(Plan::Single { side: picture.width().max(picture.height()).clamp(least, most) })
            }
        }
    }

    fn meant<'a>(
        &self,
        found: &'a [Detection],
        picture: &Image,
        boxed: Option<[f32; 4]>,
    ) -> Result<&'a Detection, Problem> {
        let best =
            |score: &dyn Fn(&Detection) -> f32| found.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
        if let Some(boxed) = boxed {
            let overlap = |d: &Detection| phiz_face::iou(&d.bbox, &boxed);
            return best(&overlap).filter(|d| overlap(d) > 0.3).ok_or_else(|| {
                Problem::new(Code::NoFace, "no face found in the box that the list gives", "check the box")
            });
        }
        let middle = [picture.width() as f32 / 2.0, picture.height() as f32 / 2.0];
        let central = |d: &Detection| {
            let [x, y, w, h] = d.bbox;
            let off = (x + w / 2.0 - middle[0]).hypot(y + h / 2.0 - middle[1]);
            d.score - 0.5 * off / d.size().max(1.0)
        };
        match (self.face, best(&central)) {
            (Which::Central, Some(face)) => Ok(face),
            (which, _) => {
                let choice = if which == Which::Largest { Choice::Largest } else { Choice::Dominant };
                Ok(choice.of(found)?)
            }
        }
    }

    fn judged(&self, crop: Image, face: &Detection) -> Result<Cut, Problem> {
        let [right, left, ..] = face.landmarks;
        let eyes = (left[0] - right[0]).hypot(left[1] - right[1]);
        let quality = quality(face, &crop);
        if eyes < self.min_eyes {
            let reason = format!("{eyes:.0} pixels between the eyes, {} are needed", self.min_eyes);
            return Err(Problem::new(Code::FaceTooSmall, reason, "lower --min-eyes to take it"));
        }
        if quality < self.min_quality {
            let reason = format!("quality {quality:.2}, {} is needed", self.min_quality);
            return Err(Problem::new(Code::FaceTooPoor, reason, "lower --min-quality to take it"));
        }
        Ok(Cut { crop, quality })
    }
}

/// The picture in another shape, no side shorter than it was.
fn restored(picture: &Image, Shape(w, h): Shape) -> Image {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let stretch = (w / h) / (width / height);
    let (width, height) = (width * stretch.max(1.0), height * (1.0 / stretch).max(1.0));
    anew(&picture.resize(width.round() as u32, height.round() as u32))
}

/// The picture as one of its own, whatever it was made from: pixels are its pixels.
pub(crate) fn anew(picture: &Image) -> Image {
    Image::from_rgb(picture.width(), picture.height(), picture.pixels().to_vec())
        .unwrap_or_else(|_| picture.clone())
}

/// The picture with its edge drawn out by so many pixels to each side.
fn with_margin(picture: &Image, margin: u32) -> Image {
    let (w, h, m) = (picture.width() as usize, picture.height() as usize, margin as usize);
    let mut pixels = Vec::with_capacity((w + 2 * m) * (h + 2 * m) * 3);
    for y in 0..h + 2 * m {
        let row = &picture.pixels()[y.saturating_sub(m).min(h - 1) * w * 3..][..w * 3];
        pixels.extend(row[..3].iter().copied().cycle().take(3 * m));
        pixels.extend_from_slice(row);
        pixels.extend(row[(w - 1) * 3..].iter().copied().cycle().take(3 * m));
    }
    let size = |length: u32| length + 2 * margin;
    Image::from_rgb(size(picture.width()), size(picture.height()), pixels).unwrap_or_else(|_| picture.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(w: u32, h: u32) -> Image {
        Image::from_rgb(w, h, (0..w * h * 3).map(|i| (i * 7 % 251) as u8).collect()).unwrap()
    }

    #[test]
    fn shapes_are_restored_without_loss() {
        for (text, size, expected) in [
            ("178:218", (64, 64), (64, 78)),
            ("2:1", (10, 10), (20, 10)),
            ("1:1", (10, 20), (20, 20)),
            ("4:2", (40, 20), (40, 20)),
        ] {
            let out = restored(&picture(size.0, size.1), text.parse().unwrap());
            assert_eq!((out.width(), out.height()), expected, "{text}");
            assert_eq!(out.scale(), 1.0, "{text}: a picture of its own");
        }
        for bad in ["", "3", "0:1", "1:-2", "a:b", "1:2:3"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_margin_repeats_the_edge() {
        let p = picture(3, 2);
        let wide = with_margin(&p, 2);
        assert_eq!((wide.width(), wide.height()), (7, 6));
        let at = |i: &Image, x: usize, y: usize| i.pixels()[(y * i.width() as usize + x) * 3..][..3].to_vec();
        for (x, y, u, v) in [(0, 0, 0, 0), (6, 5, 2, 1), (3, 0, 1, 0), (2, 3, 0, 1), (4, 2, 2, 0)] {
            assert_eq!(at(&wide, x, y), at(&p, u, v), "{x} {y}");
        }
    }
}
