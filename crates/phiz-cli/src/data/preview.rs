//! `phiz data preview`: a sheet of what training makes of prepared data, every change by name.

use std::path::PathBuf;

use clap::Args;
use phiz_train::augment::Strength;
use phiz_train::data::sheet;
use phiz_train::recipe::{DetectRule, Recipe};
use phiz_train::scenes::Scenes;
use phiz_train::shards::Faces;

use crate::out::say;
use crate::output::Target;
use crate::{Done, Failure};

/// Arguments of `phiz data preview`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder of prepared shards or scenes: the one that contains `train`, or that of one split
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The picture to write, .png or .jpg
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Let --out overwrite a file that exists
    #[arg(long)]
    force: bool,
    /// The recipe whose augmentation the last row shows
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// The number of pictures in a row
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    columns: u32,
    /// The side of each picture in pixels [default: 112 for faces, 320 for scenes]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=1024))]
    size: Option<u32>,
    /// Seed of the random numbers; another seed shows other pictures
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let target = Target::picture("--out", &arguments.out, [], arguments.force)?;
    let inner = arguments.data.join("train");
    let folder = if inner.is_dir() { inner } else { arguments.data.clone() };
    let resolved = std::fs::canonicalize(&folder).map_err(|e| Failure::reading(&folder, &e))?;
    let split = resolved.file_name().unwrap_or_default().to_string_lossy();
    let (strength, empty) = match &arguments.recipe {
        Some(path) => {
            let recipe = Recipe::open(path)?;
            (recipe.augment, recipe.detect.empty)
        }
        None => (Strength::default(), DetectRule::default().empty),
    };
    let (columns, seed) = (arguments.columns as usize, arguments.seed);
    let side = |usual: u32| arguments.size.unwrap_or(usual) as usize;
    let sheet = if folder.join("scenes.jsonl").is_file() {
        sheet::of_scenes(&Scenes::open(&folder, &split)?, &strength, empty, columns, side(320), seed)?
    } else {
        sheet::of_faces(&Faces::open(&folder, &split)?, &strength, columns, side(112), seed)?
    };
    target.write_picture(&sheet).map_err(|e| Failure::writing(target.path(), &e))?;
    say!("{}", arguments.out.display());
    Ok(Done::Well)
}
