//! `phiz detect`: where the faces are.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_service::{FaceAnswer, KNOWN, Mark, PhotoAnswer, marked};

use super::faces::Looking;
use super::out::say;
use super::output::Marked;
use super::photos::PhotoArguments;
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz detect`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,
    /// Print one JSON object per photo, one per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    annotate: AnnotateArguments,
    #[command(flatten)]
    looking: Looking,
}

/// Marked copies of photos.
#[derive(Args)]
pub(crate) struct AnnotateArguments {
    /// Write a copy of the photo with its faces marked to this .jpg or .png file, or, for several photos, to this folder
    #[arg(long, value_name = "FILE")]
    pub(crate) annotate: Option<PathBuf>,
    /// Let --annotate overwrite files that exist (but never the photos that are being read)
    #[arg(long, requires = "annotate")]
    pub(crate) force: bool,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let batch = arguments.photos.find()?;
    let copies =
        Marked::plan(arguments.annotate.annotate.as_deref(), &batch.items, arguments.annotate.force)?;
    let service = shared.service_for(batch.items.len())?;
    let looking = arguments.looking.service();
    let look = |photo: &phiz_service::Photo, path: &Path| {
        if !copies.wanted() {
            return service.detect(photo, &looking);
        }
        let image = service.decode(photo, &looking)?;
        let found = service.detect_in(&image, &looking)?;
        let mark = |face| Mark { face, label: format!("{:.2}", face.score), colour: KNOWN };
        copies.write(path, &marked(image, found.faces.iter().map(mark)))?;
        Ok(found)
    };
    batch.tell(shared, arguments.json, |photo, item| Ok(look(photo, &item.path)), print)
}

fn print(path: &Path, found: &PhotoAnswer<FaceAnswer>) {
    let count = match found.faces.len() {
        0 => "no face".into(),
        faces => table::count(faces, "face", "faces"),
    };
    say!("{} ({}×{}): {count}", path.display(), found.width, found.height);
    for (number, face) in found.faces.iter().enumerate() {
        let [x, y, w, h] = face.bbox;
        say!(
            "{:>4}  {w:>5.0} × {h:<5.0} at ({x:.0}, {y:.0})   score {:.2}   quality {:.2}",
            number + 1,
            face.score,
            face.quality
        );
    }
}
