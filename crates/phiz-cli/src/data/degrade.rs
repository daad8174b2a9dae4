//! `phiz data degrade`: what bad photos cost. A copy of a set of photos in which something has happened to each.

use std::path::{Component, Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use phiz_train::data::inputs::Photo;
use phiz_train::degrade::Degradation;
use phiz_train::random::Random;

use super::Inputs;
use super::cut::open;
use crate::out::say;
use crate::{DetectOptions, Detection};
use crate::{Done, Failure, Shared, photos};
use phiz_service::{Code, Problem};

/// Arguments of `phiz data degrade`.
#[derive(Args)]
#[command(after_help = "Example:
  phiz data degrade lfw/ --how blur --out lfw-blur --detector reference.toml
  phiz eval pairs pairs.txt --photos lfw-blur")]
pub(crate) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// The folder for the copies, which keep the names of the photos
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What happens to each photo: blur by 1/30 of the face's size, shrinking until the face has 24 pixels, JPEG
    /// compression of quality 20, a sixth of the light, or a mask over mouth and nose
    #[arg(long, value_name = "HOW", value_parser = kinds())]
    how: Degradation,
    /// Seed of the random numbers; another seed makes other masks and other noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn kinds() -> impl TypedValueParser<Value = Degradation> {
    PossibleValuesParser::new(Degradation::NAMES).try_map(|name| name.parse::<Degradation>())
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let sets = arguments.inputs.open()?;
    let all: Vec<Photo> = sets.into_iter().flat_map(|set| set.photos).collect();
    let (engine, _) = super::engine(shared, None)?;
    let options = DetectOptions::default();
    let work = |photo: &Photo| -> Result<Vec<u8>, Problem> {
        let image = open(photo)?;
        // Detections are in pixels of the original, which may be larger than what was decoded of it.
        let scale = image.scale();
        let middle = [image.width() as f32 / 2.0, image.height() as f32 / 2.0];
        let found = engine.detect(&image, &options)?;
        // The one meant is the largest near the middle, as in photos of one person.
        let worth = |d: &Detection| {
            let [x, y, w, h] = d.bbox.map(|v| v * scale);
            let away = (x + w / 2.0 - middle[0]).hypot(y + h / 2.0 - middle[1]);
            d.size() / (1.0 + away / middle[0].max(1.0))
        };
        let face = found.iter().max_by(|a, b| worth(a).total_cmp(&worth(b))).ok_or_else(|| {
            Problem::new(Code::NoFace, "no face found", "its size is needed: leave the photo out")
        })?;
        let (size, landmarks) = (face.size() * scale, face.landmarks.map(|p| p.map(|v| v * scale)));
        let mut random = Random::named(arguments.seed, photo.path.bytes());
        Ok(arguments.how.apply(&image, size, &landmarks, &mut random)?)
    };
    // Photos of the input's own folder would be lost, and a list may name any place.
    for photo in &all {
        let path = Path::new(&photo.path);
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(Failure::new(format!("{}: leads out of --out", photo.path))
                .hint("name photos in the list's own folder or below it"));
        }
        let to = arguments.out.join(path);
        if to.exists() {
            return Err(Failure::new(format!("{}: is there already, and is not overwritten", to.display()))
                .hint("name another folder with --out, or delete this one"));
        }
    }
    let bar = shared.progress(all.len());
    let mut left_out = 0;
    photos::in_order(&all, shared.threads()?, &bar, work, |photo, done| {
        match done {
            Ok(bytes) => {
                let path = arguments.out.join(&photo.path);
                let folder = path.parent().unwrap_or(&arguments.out);
                let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes));
                written.map_err(|e| Failure::writing(&path, &e))?;
            }
            Err(problem) => {
                photos::warn(Path::new(&photo.path), &problem);
                left_out += 1;
            }
        }
        Ok(())
    })?;
    say!("{}: {} photos, {left_out} left out", arguments.out.display(), all.len() - left_out);
    Ok(if left_out == 0 { Done::Well } else { Done::Partly })
}
