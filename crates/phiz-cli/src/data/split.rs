//! `phiz data split`: writes a list in which every photo has its use.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_train::data::inputs::{Photo, Source};
use phiz_train::data::manifest::{self, Boxes, Row};
use phiz_train::data::split::{Shares, divide};

use super::Inputs;
use crate::out::say;
use crate::output::Target;
use crate::{Done, Failure};

/// Arguments of `phiz data split`.
#[derive(Args)]
#[command(after_help = "Photos that have a split already keep it, with everybody on them. Examples:
  phiz data split photos/ --out photos.csv
  phiz data split all.csv --out divided.csv --tune 5 --test 10 --seed 7")]
pub(crate) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// The list to write, a CSV file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Let --out overwrite a file that exists (but never a list or a photo that is being read)
    #[arg(long)]
    force: bool,
    /// Percentage of the people who are kept apart to judge a run while it goes on
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    tune: f32,
    /// Percentage of the people who are kept apart to judge the result
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    test: f32,
    /// Seed of the random numbers; another seed divides the people differently
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let shares = Shares { tune: arguments.tune / 100.0, test: arguments.test / 100.0 };
    if !(shares.tune >= 0.0 && shares.test >= 0.0 && shares.tune + shares.test < 1.0) {
        return Err(Failure::new("--tune and --test: nobody is left to learn from")
            .hint("give percentages of 0 or more that add up to less than 100"));
    }
    let out = &arguments.out;
    let mut photos: Vec<Photo> = arguments.inputs.open()?.into_iter().flat_map(|set| set.photos).collect();
    let read = photos.iter().map(|photo| photo.source.file());
    let target = Target::new("--out", out, arguments.inputs.paths().chain(read), arguments.force)?;
    let mut splits: Vec<String> = photos.iter_mut().map(|photo| std::mem::take(&mut photo.split)).collect();
    let paths: Vec<&str> = photos.iter().map(|photo| photo.path.as_str()).collect();
    let people: Vec<&str> = photos.iter().map(|photo| photo.person.as_str()).collect();
    divide(&paths, &people, &mut splits, shares, arguments.seed);

    // The list's paths are relative to its own folder.
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(folder).map_err(|e| Failure::reading(folder, &e))?;
    let mut rows = Vec::new();
    for (photo, split) in photos.iter().zip(&splits) {
        rows.push(Row {
            path: from_folder(photo, &folder)?,
            person: photo.person.clone(),
            split: split.clone(),
            boxes: Boxes::text(&photo.boxes),
            note: photo.note.clone(),
        });
    }
    target.write(&manifest::text(out, &rows)?).map_err(|e| Failure::writing(out, &e))?;
    for split in ["train", "tune", "test"] {
        let of = |i: &usize| splits[*i] == split;
        let mut names: Vec<&str> =
            (0..people.len()).filter(of).map(|i| people[i]).filter(|p| !p.is_empty()).collect();
        let photos = (0..people.len()).filter(of).count();
        names.sort_unstable();
        names.dedup();
        if photos > 0 {
            say!("{split}: {photos} photos, {} people", names.len());
        }
    }
    Ok(Done::Well)
}

/// What a list in `folder` calls the photo: relative where the photo lies within it.
fn from_folder(photo: &Photo, folder: &Path) -> Result<String, Failure> {
    let (file, inner) = match &photo.source {
        Source::File(path) => (path, None),
        Source::Tar { file, .. } => {
            (file, Some(photo.path.rsplit_once(".tar/").map_or(photo.path.as_str(), |p| p.1)))
        }
    };
    let file = std::path::absolute(file).map_err(|e| Failure::reading(file, &e))?;
    // The folder is resolved, the file may be named through links: both ways of naming it are tried.
    let resolved = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
    let relative = file.strip_prefix(folder).or_else(|_| resolved.strip_prefix(folder)).unwrap_or(&file);
    let name =
        relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/").replace("//", "/");
    Ok(inner.map_or(name.clone(), |inner| format!("{name}/{inner}")))
}
