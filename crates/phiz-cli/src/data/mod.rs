//! `phiz data`: a user's own photos on their way to training.
//!
//! What to do with photos and numbers is in `phiz_train::data`; here faces are found and described, which that crate
//! knows nothing of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use phiz_train::data::inputs::{self, Photo};
use phiz_train::data::naming;
use phiz_train::error::TrainError;
use sha2::{Digest as _, Sha256};

use super::{Done, Failure, Shared};
use crate::{Analyzer, Model};

mod check;
mod composites;
mod consensus;
mod cut;
mod degrade;
mod list;
mod prepare;
mod preview;
mod scenes;
mod split;

/// Arguments of `phiz data`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look for what is wrong with photos of people: unreadable, no face, several faces, copies, wrong names
    Check(check::Arguments),
    /// Choose which people a network learns from and which are kept apart to judge it by
    Split(split::Arguments),
    /// Make shards to train an embedder on: faces that are found, aligned and described by a teacher
    Prepare(prepare::Arguments),
    /// Make scenes to train a detector on: pictures with the boxes and landmarks of their faces
    Scenes(scenes::Arguments),
    /// Compose pictures whose every face is known, to judge a detector by
    Composites(composites::Arguments),
    /// Make bad photos from good ones, to measure what they cost
    Degrade(degrade::Arguments),
    /// Show on one picture what training makes of prepared data
    Preview(preview::Arguments),
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments, shared),
        Command::Split(arguments) => split::run(arguments),
        Command::Prepare(arguments) => prepare::run(arguments, shared),
        Command::Scenes(arguments) => scenes::run(arguments, shared),
        Command::Composites(arguments) => composites::run(arguments, shared),
        Command::Degrade(arguments) => degrade::run(arguments, shared),
        Command::Preview(arguments) => preview::run(arguments),
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Failure {
        Failure::new(error)
    }
}

/// Which photos.
#[derive(Args)]
pub(crate) struct Inputs {
    /// A folder or .tar file that contains one folder per person, a list (.csv, .json, .jsonl) or LFW's pairs.txt
    #[arg(value_name = "INPUT", required_unless_present = "manifest")]
    inputs: Vec<PathBuf>,
    /// More inputs of the same kinds
    #[arg(long, value_name = "FILE", num_args = 1..)]
    manifest: Vec<PathBuf>,
    /// Put this prefix before every person's name. People with different prefixes are never taught to be different people
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    people: String,
}

/// The photos of one input.
pub(crate) struct Set {
    /// What the input is called, for the names of shards.
    pub(crate) name: String,
    pub(crate) photos: Vec<Photo>,
}

impl Inputs {
    /// The folders, lists and archives that are named.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().chain(&self.manifest).map(PathBuf::as_path)
    }

    fn open(&self) -> Result<Vec<Set>, Failure> {
        let mut sets: Vec<Set> = Vec::new();
        for input in self.inputs.iter().chain(&self.manifest) {
            // `.` and `..` have no name before they are resolved.
            let resolved = std::fs::canonicalize(input).map_err(|e| Failure::reading(input, &e))?;
            let stem = if resolved.is_dir() { resolved.file_name() } else { resolved.file_stem() };
            let name = stem.unwrap_or_default().to_string_lossy().into_owned();
            if sets.iter().any(|set| set.name == name) {
                return Err(Failure::new(format!("{}: another input is called {name} too", input.display()))
                    .hint("prepare them one after the other into the same --out, under names of their own"));
            }
            let mut photos = inputs::open(input)?;
            for photo in photos.iter_mut().filter(|photo| !photo.person.is_empty()) {
                photo.person.insert_str(0, &self.people);
            }
            sets.push(Set { name, photos });
        }
        Ok(sets)
    }
}

/// Which splits are taken, and under which names they are written.
#[derive(Args)]
pub(crate) struct Wanted {
    /// Take the photos of these splits. NAME=NEW writes a split under another name. Photos without a split count as train
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "train,tune")]
    split: Vec<String>,
    /// Leave out all photos and people of this list, such as those by whom models are judged
    #[arg(long, value_name = "LIST")]
    refuse: Vec<PathBuf>,
    /// Apply this list that `phiz data check --list` wrote: leave photos out, or change their names
    #[arg(long, value_name = "LIST")]
    apply: Option<PathBuf>,
}

/// Photos that were left out before they were looked at, by why.
type Unwanted = BTreeMap<&'static str, usize>;

impl Wanted {
    /// Keeps the photos of `sets` that are wanted, each with its final split and person.
    fn choose(&self, sets: &mut [Set]) -> Result<Unwanted, Failure> {
        let mut splits: BTreeMap<&str, &str> = BTreeMap::new();
        for name in &self.split {
            let (from, to) = name.split_once('=').unwrap_or((name, name));
            if from == "test" && to != "test" {
                return Err(Failure::new(format!(
                    "--split {name}: test photos judge models and never teach them"
                ))
                .hint("leave them out"));
            }
            splits.insert(from, to);
        }
        let (mut paths, mut people) = (BTreeSet::new(), BTreeSet::new());
        for list in &self.refuse {
            for photo in inputs::open(list)? {
                paths.insert(photo.path);
                people.insert(photo.person);
            }
        }
        people.remove("");
        let corrections = self.apply.as_deref().map(list::read).transpose()?.unwrap_or_default();
        let (mut unwanted, mut used) = (Unwanted::new(), 0);
        for set in sets.iter_mut() {
            // A list made from a folder and one that lies beside it call the same photo differently.
            let known: Vec<String> = set.photos.iter().map(|photo| photo.path.clone()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let refused: Vec<&str> = paths.iter().map(String::as_str).collect();
            let refused: BTreeSet<usize> = naming::meant(&refused, &known).into_iter().flatten().collect();
            let listed: Vec<&str> = corrections.keys().map(String::as_str).collect();
            let mut corrected: BTreeMap<usize, &list::Correction> = BTreeMap::new();
            for (name, meant) in listed.iter().zip(naming::meant(&listed, &known)) {
                let all: BTreeSet<&str> = meant.iter().map(|&i| known[i]).collect();
                if all.len() > 1 {
                    let all: Vec<&str> = all.into_iter().collect();
                    return Err(Failure::new(format!("{name}: may mean any of {}", all.join(", "))).hint(
                        "give the same input to `phiz data check` and here, so that they call photos alike",
                    ));
                }
                corrected.extend(meant.into_iter().map(|i| (i, &corrections[*name])));
            }
            let mut number = 0..;
            set.photos.retain_mut(|photo| {
                let number = number.next().unwrap_or_default();
                let split = if photo.split.is_empty() { "train" } else { photo.split.as_str() };
                let Some(split) = splits.get(split) else {
                    *unwanted.entry("other_split").or_default() += 1;
                    return false;
                };
                photo.split = (*split).to_owned();
                if let Some(correction) = corrected.get(&number) {
                    used += 1;
                    if !correction.apply(photo) {
                        *unwanted.entry("dropped").or_default() += 1;
                        return false;
                    }
                }
                let refused = refused.contains(&number) || people.contains(&photo.person);
                *unwanted.entry("refused").or_default() += usize::from(refused);
                !refused
            });
        }
        unwanted.retain(|_, count| *count > 0);
        if let Some(list) = self.apply.as_deref().filter(|_| used == 0 && !corrections.is_empty()) {
            return Err(Failure::new(format!("{}: names none of these photos", list.display()))
                .hint("give the same input to `phiz data check` and here, so that they call photos alike"));
        }
        if sets.iter().all(|set| set.photos.is_empty()) {
            let all: Vec<String> = unwanted.iter().map(|(why, count)| format!("{count} {why}")).collect();
            return Err(Failure::new(format!("no photo is left: {}", all.join(", ")))
                .hint("name the splits that you want with --split"));
        }
        Ok(unwanted)
    }
}

/// The engine with another embedder, if one is named, and what identifies its two models. It embeds each face twice whatever
/// `--quick` says: shards made at two times are one set.
fn engine(shared: &Shared, teacher: Option<&Path>) -> Result<(Analyzer, String), Failure> {
    let detector = shared.detector()?;
    let embedder = match teacher {
        Some(card) => Model::open(card)?,
        None => shared.embedder()?,
    };
    let models = format!("{} {}", detector.id(), embedder.id());
    Ok((Analyzer::builder().detector(detector).embedder(embedder).build()?, models))
}

/// Identifies what photos are made into: the photos as they are listed, and `how`.
fn fingerprint<'a>(how: &str, photos: impl Iterator<Item = &'a Photo>) -> String {
    let mut hash = Sha256::new();
    hash.update(how);
    for photo in photos {
        let all = identity(photo);
        hash.update(all);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The text by which a photo enters the identity of what is made from it. Data of earlier versions holds it: it must
/// stay as it is.
fn identity(photo: &Photo) -> String {
    let Photo { path, person, split, boxes, shows_none, .. } = photo;
    format!("\n({path:?}, {person:?}, {split:?}, {boxes:?}, {shows_none})")
}

/// `12 no_face, 3 damaged`.
fn listed(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}
