//! `phiz data composites`: scenes with known truth, to judge a detector by, composed of photos that it has not learnt.

use std::path::PathBuf;

use clap::Args;
use phiz_train::composite::Composer;
use phiz_train::scenes::Scenes;
use phiz_train::weights::write_atomically;

use crate::out::say;
use crate::{Done, Failure, Shared};

/// Arguments of `phiz data composites`.
#[derive(Args)]
#[command(after_help = "Example:
  phiz data scenes --manifest people.csv places.csv --split test --out scenes --detector card.toml
  phiz data composites scenes/test --out composites
  phiz eval detect composites/composites.csv")]
pub(crate) struct Arguments {
    /// The folder of one split that `phiz data scenes` made, such as scenes/test
    #[arg(value_name = "SCENES")]
    scenes: PathBuf,
    /// The folder for the pictures and their list, composites.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The number of pictures
    #[arg(long, value_name = "N", default_value_t = 300)]
    count: u64,
    /// Seed of the random numbers; another seed makes other pictures
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let folder = &arguments.scenes;
    let resolved = std::fs::canonicalize(folder).map_err(|e| Failure::reading(folder, &e))?;
    let split = resolved.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let scenes = Scenes::open(folder, &split)?;
    let composer = Composer::new(&scenes)?;
    let out = &arguments.out;
    std::fs::create_dir_all(out).map_err(|e| Failure::writing(out, &e))?;
    let bar = shared.progress(arguments.count as usize);
    let mut list = String::from("path,split,boxes\n");
    let mut faces = 0;
    for number in 0..arguments.count {
        let (image, marked) = composer.compose(arguments.seed, number)?;
        let name = format!("{number:05}.jpg");
        let path = out.join(&name);
        image.save(&path).map_err(|e| Failure::new(&e).hint(e.hint()))?;
        let boxes: Vec<String> =
            marked.iter().map(|face| face.bbox.map(|v| format!("{v:.1}")).join(" ")).collect();
        faces += marked.len();
        list.push_str(&format!("{name},{split},{}\n", boxes.join(";")));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let path = out.join("composites.csv");
    write_atomically(&path, list.as_bytes())?;
    say!("{}: {} pictures, {faces} faces", path.display(), arguments.count);
    Ok(Done::Well)
}
