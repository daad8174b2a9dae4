//! `phiz detect`: where the faces are.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_face::{Detection, Pose, pose, quality};
use phiz_image::{Image, draw};
use serde_json::{Value, json};

use super::faces::{self, Looking, Problem};
use super::tell::{self, Tell};
use super::{Done, Failure, Shared, photos};
use crate::Engine;

/// Arguments of `phiz detect`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Photos, or folders of photos
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// One JSON object a photo and line
    #[arg(long)]
    json: bool,
    /// Write the photo with its faces marked, as .jpg or .png; a folder if there are several photos
    #[arg(long, value_name = "FILE")]
    annotate: Option<PathBuf>,
    #[command(flatten)]
    looking: Looking,
}

struct Found {
    size: (u32, u32),
    faces: Vec<(Detection, f32)>,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let paths = photos::find(&arguments.photos)?;
    let engine = shared.engine()?;
    let annotate = Annotate::new(arguments.annotate.as_deref(), &paths)?;
    tell::each(&paths, shared, arguments.json, |path| Ok(look(&engine, path, arguments, &annotate)))
}

fn look(
    engine: &Engine,
    path: &Path,
    arguments: &Arguments,
    annotate: &Annotate<'_>,
) -> Result<Found, Problem> {
    let options = arguments.looking.options();
    let image = if annotate.wanted() { faces::open(path)? } else { arguments.looking.open(path)? };
    let detections = engine.detect(&image, &options)?;
    let faces: Vec<(Detection, f32)> = detections
        .into_iter()
        .map(|d| {
            let quality = quality(&d, &engine.align(&image, &d));
            (d, quality)
        })
        .collect();
    if annotate.wanted() {
        let marks =
            faces.iter().map(|(d, _)| Mark { at: d, label: format!("{:.2}", d.score), colour: FOUND });
        annotate.write(path, image.clone(), marks)?;
    }
    Ok(Found { size: image.original_size(), faces })
}

/// What every command's JSON says of a face, in pixels of the upright photo.
pub(crate) fn face_json(d: &Detection, quality: f32) -> Value {
    let Pose { yaw, pitch, roll } = pose(&d.landmarks);
    let [yaw, pitch, roll] = [yaw, pitch, roll].map(|angle| (f64::from(angle) * 10.0).round() / 10.0);
    json!({ "box": d.bbox, "score": d.score, "landmarks": d.landmarks, "quality": quality,
            "pose": { "yaw": yaw, "pitch": pitch, "roll": roll } })
}

impl Tell for Found {
    fn to_json(&self, path: &Path) -> Value {
        let faces: Vec<_> = self.faces.iter().map(|(d, quality)| face_json(d, *quality)).collect();
        json!({ "path": path, "width": self.size.0, "height": self.size.1, "faces": faces })
    }

    fn print(&self, out: &mut dyn Write, path: &Path) -> std::io::Result<()> {
        let (w, h) = self.size;
        let count = match self.faces.len() {
            0 => "no face".into(),
            1 => "1 face".into(),
            n => format!("{n} faces"),
        };
        writeln!(out, "{} ({w}×{h}): {count}", path.display())?;
        for (number, (d, quality)) in self.faces.iter().enumerate() {
            let [x, y, w, h] = d.bbox;
            writeln!(
                out,
                "{:>4}  {w:>5.0} × {h:<5.0} at ({x:.0}, {y:.0})   score {:.2}   quality {quality:.2}",
                number + 1,
                d.score
            )?;
        }
        Ok(())
    }
}

/// Where marked photos go.
pub(crate) struct Annotate<'a> {
    target: Option<&'a Path>,
    /// Several photos go into a folder.
    folder: bool,
}

impl<'a> Annotate<'a> {
    /// # Errors
    /// A target of the wrong kind, before any work is done.
    pub(crate) fn new(target: Option<&'a Path>, photos: &[PathBuf]) -> Result<Annotate<'a>, Failure> {
        let Some(path) = target else { return Ok(Annotate { target, folder: false }) };
        let folder = photos.len() > 1 || path.is_dir();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if folder {
            if path.is_file() || matches!(ending.as_str(), "jpg" | "jpeg" | "png") {
                let reason =
                    format!("--annotate {}: is a file, and there are several photos", path.display());
                return Err(Failure::new(reason).hint("name a folder"));
            }
            std::fs::create_dir_all(path).map_err(|e| Failure::writing(path, &e))?;
        } else if !matches!(ending.as_str(), "jpg" | "jpeg" | "png") {
            return Err(Failure::new(format!("--annotate {}: is no picture file", path.display()))
                .hint("let it end in .jpg or .png"));
        }
        Ok(Annotate { target, folder })
    }

    pub(crate) fn wanted(&self) -> bool {
        self.target.is_some()
    }

    /// Writes `image` with its faces marked.
    pub(crate) fn write<'d>(
        &self,
        photo: &Path,
        mut image: Image,
        marks: impl IntoIterator<Item = Mark<'d>>,
    ) -> Result<(), Problem> {
        let Some(target) = self.target else { return Ok(()) };
        for mark in marks {
            mark.draw(&mut image);
        }
        let path = match self.folder {
            true => target.join(photo.file_stem().unwrap_or_default()).with_extension("jpg"),
            false => target.into(),
        };
        Ok(image.save(&path)?)
    }
}

/// A face to be marked in a picture.
pub(crate) struct Mark<'d> {
    pub(crate) at: &'d Detection,
    pub(crate) label: String,
    pub(crate) colour: [u8; 3],
}

/// Colour of a face that was found, or of somebody who was recognised.
pub(crate) const FOUND: [u8; 3] = [64, 224, 128];
/// Colour of somebody unknown.
pub(crate) const UNKNOWN: [u8; 3] = [255, 196, 64];
const INK: [u8; 3] = [16, 32, 24];

impl Mark<'_> {
    fn draw(&self, image: &mut Image) {
        let scale = image.scale();
        let [x, y, w, h] = self.at.bbox.map(|v| v * scale);
        let line = (image.width().max(image.height()) as f32 / 500.0).min(w.min(h) / 12.0).max(1.0);
        draw::rectangle(image, [x, y, w, h], line.round() as u32, self.colour);
        for point in self.at.landmarks {
            draw::disc(image, point.map(|v| v * scale), line, self.colour);
        }
        // One size for all labels of a photo.
        let size = (image.width().max(image.height()) / 550).clamp(1, 6);
        let height = 10.0 * size as f32;
        let top = if y >= height { y - height } else { y + h };
        let left = x.min(image.width() as f32 - draw::label_width(&self.label, size)).max(0.0);
        draw::label(image, &self.label, [left, top], size, INK, self.colour);
    }
}
