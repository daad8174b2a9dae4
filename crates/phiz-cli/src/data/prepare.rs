//! `phiz data prepare`: finds, aligns and describes the face of every photo, and writes shards.
//!
//! A shard is the unit of work: what is finished stays, what was interrupted is done again. A shard remembers what it
//! was made from, so that shards of two ways of preparing never stand together by accident.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_train::data::inputs::Photo;
use phiz_train::shards::{LeftOut, Made, Shard};
use serde_json::json;

use super::cut::{Cut, Cutting};
use super::{Inputs, Set, Wanted, fingerprint, listed};
use crate::Analyzer;
use crate::out::{self, note, say};
use crate::{Done, Failure, Shared, photos};
use phiz_service::{Code, Problem};

/// Arguments of `phiz data prepare`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz data prepare photos/ --out shards            photos/Ada/1.jpg, photos/Ben/1.jpg, …
  phiz data prepare --manifest a.csv b.csv --out shards --teacher teacher.toml
  phiz data prepare small.csv --restore 178:218 --min-eyes 6 --out shards
  phiz data prepare portraits/ --quick --out shards     one look at each photo")]
pub(crate) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// The folder for the shards, which gets one folder per split
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The model card of the embedder whose templates are learnt [default: that of --embedder]
    #[arg(long, value_name = "CARD")]
    teacher: Option<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    cutting: Cutting,
    /// The number of photos in one shard
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=16384))]
    shard: u32,
    /// Make shards again that were made from other photos, models or options
    #[arg(long)]
    redo: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// A shard to be made.
struct Job<'a> {
    /// The shards of one input and split.
    series: PathBuf,
    stem: PathBuf,
    from: String,
    photos: Vec<&'a Photo>,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    arguments.cutting.check()?;
    let mut sets = arguments.inputs.open()?;
    let unwanted = arguments.wanted.choose(&mut sets)?;
    let (engine, models) = super::engine(shared, arguments.teacher.as_deref())?;
    let how = format!("1 {models} {}", arguments.cutting.identity());
    let jobs = jobs(&sets, arguments, &how);
    let mut made = finished(&jobs, arguments)?;
    let kept = made.len();
    let open: Vec<&Job<'_>> = jobs.iter().filter(|job| !made.contains_key(&job.stem)).collect();
    if kept > 0 && !shared.quiet {
        note!("{kept} of {} shards are there already", jobs.len());
    }
    make(&engine, &open, arguments, shared, &mut made)?;
    report(arguments, &jobs, &made, &unwanted)
}

/// The shards of all photos, by split and input.
fn jobs<'a>(sets: &'a [Set], arguments: &Arguments, how: &str) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for set in sets {
        let splits: BTreeSet<&str> = set.photos.iter().map(|photo| photo.split.as_str()).collect();
        for split in splits {
            let of: Vec<&Photo> = set.photos.iter().filter(|photo| photo.split == split).collect();
            let series = arguments.out.join(split).join(&set.name);
            for (number, chunk) in of.chunks(arguments.shard as usize).enumerate() {
                let from = fingerprint(how, chunk.iter().copied());
                let (series, stem) = (series.clone(), numbered(&series, number));
                jobs.push(Job { series, stem, from, photos: chunk.to_vec() });
            }
        }
    }
    jobs
}

fn numbered(series: &Path, number: usize) -> PathBuf {
    let name = series.file_name().unwrap_or_default().to_string_lossy();
    series.with_file_name(format!("{name}_{number:04}"))
}

/// What is done already. Shards of the same inputs that were made in another way are refused, or removed.
fn finished(jobs: &[Job<'_>], arguments: &Arguments) -> Result<BTreeMap<PathBuf, Made>, Failure> {
    let mut made = BTreeMap::new();
    let folders: BTreeSet<&Path> = jobs.iter().filter_map(|job| job.stem.parent()).collect();
    for folder in &folders {
        std::fs::create_dir_all(folder).map_err(|e| Failure::writing(folder, &e))?;
    }
    let other = |stem: &Path| {
        Failure::new(format!("{}: was made from other photos, models or options", stem.display()))
            .hint("give another --out, or --redo to make such shards again")
    };
    for job in jobs {
        match Made::read(&job.stem) {
            Some(found) if found.from == job.from => {
                made.insert(job.stem.clone(), found);
            }
            Some(_) if !arguments.redo => return Err(other(&job.stem)),
            // Interrupted, or to be made again.
            _ => Shard::remove(&job.stem)?,
        }
    }
    // More shards than there are photos for are of an earlier, longer list.
    let mut ends: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for job in jobs {
        *ends.entry(job.series.clone()).or_default() += 1;
    }
    for (series, end) in ends {
        for stem in
            (end..).map(|number| numbered(&series, number)).take_while(|stem| Made::read(stem).is_some())
        {
            if !arguments.redo {
                return Err(other(&stem));
            }
            Shard::remove(&stem)?;
        }
    }
    Ok(made)
}

/// Makes what is missing, each shard written as soon as its last photo is done.
fn make(
    engine: &Analyzer,
    jobs: &[&Job<'_>],
    arguments: &Arguments,
    shared: &Shared,
    made: &mut BTreeMap<PathBuf, Made>,
) -> Result<(), Failure> {
    let all: Vec<(&Job<'_>, &Photo)> =
        jobs.iter().flat_map(|job| job.photos.iter().map(move |photo| (*job, *photo))).collect();
    let bar = shared.progress(all.len());
    let work = |(_, photo): &(&Job<'_>, &Photo)| -> Result<(Cut, Vec<f32>), Problem> {
        let cut = arguments.cutting.cut(engine, photo)?;
        let template = engine.embed_aligned(&cut.crop)?.vector().to_vec();
        Ok((cut, template))
    };
    let (mut shard, mut seen) = (Shard::default(), 0);
    photos::in_order(&all, shared.threads()?, &bar, work, |(job, photo), face| {
        match face {
            Ok((cut, template)) => {
                let row = [photo.path.clone(), photo.person.clone(), photo.split.clone()];
                shard.push(cut.crop.pixels(), &template, row)?;
            }
            // What is wrong with a model is wrong with every photo.
            Err(problem) if problem.code() == Code::Model => {
                return Err(Failure::new(&problem).hint(problem.remedy()));
            }
            Err(problem) => {
                shard.leave_out(LeftOut {
                    path: photo.path.clone(),
                    kind: problem.code().as_str().into(),
                    reason: problem.to_string(),
                });
            }
        }
        seen += 1;
        if seen == job.photos.len() {
            let done = std::mem::take(&mut shard).write(&job.stem, &job.from)?;
            made.insert(job.stem.clone(), done);
            seen = 0;
        }
        Ok(())
    })
}

/// Why photos are left out because somebody asked for it: that is no failure.
const ASKED_FOR: [&str; 2] = ["face_too_small", "face_too_poor"];

/// Says what there is, and writes the list of photos that were left out.
fn report(
    arguments: &Arguments,
    jobs: &[Job<'_>],
    made: &BTreeMap<PathBuf, Made>,
    unwanted: &BTreeMap<&'static str, usize>,
) -> Result<Done, Failure> {
    let mut splits: BTreeMap<&str, (usize, usize, BTreeSet<&str>)> = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = unwanted.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
    let list = arguments.out.join("left-out.csv");
    let failed = |e: csv::Error| Failure::writing(&list, &e.into());
    let mut table = csv::Writer::from_path(&list).map_err(failed)?;
    table.write_record(["path", "kind", "reason"]).map_err(failed)?;
    let mut done = Done::Well;
    for job in jobs {
        let (Some(made), Some(first)) = (made.get(&job.stem), job.photos.first()) else { continue };
        let entry = splits.entry(first.split.as_str()).or_default();
        entry.0 += made.faces;
        entry.1 += 1;
        let gone: BTreeSet<&str> = made.left_out.iter().map(|photo| photo.path.as_str()).collect();
        let there = job.photos.iter().filter(|photo| !gone.contains(photo.path.as_str()));
        entry.2.extend(there.map(|photo| photo.person.as_str()).filter(|person| !person.is_empty()));
        for photo in &made.left_out {
            *counts.entry(photo.kind.clone()).or_default() += 1;
            table.write_record([&photo.path, &photo.kind, &photo.reason]).map_err(failed)?;
            if !ASKED_FOR.contains(&photo.kind.as_str()) {
                done = Done::Partly;
            }
        }
    }
    table.flush().map_err(|e| Failure::writing(&list, &e))?;
    if splits.values().all(|(faces, ..)| *faces == 0) {
        return Err(Failure::new(format!("no face at all: {}", listed(&counts)))
            .hint(format!("{} says why for each photo", list.display())));
    }
    if arguments.json {
        let splits: BTreeMap<&str, serde_json::Value> = splits
            .iter()
            .map(|(split, (faces, shards, people))| {
                (*split, json!({ "faces": faces, "people": people.len(), "shards": shards }))
            })
            .collect();
        out::json(&json!({ "out": arguments.out, "splits": splits, "left_out": counts }));
        return Ok(done);
    }
    for (split, (faces, shards, people)) in &splits {
        say!("{split}: {faces} faces of {} people in {shards} shards", people.len());
    }
    if !counts.is_empty() {
        say!("left out: {} ({})", listed(&counts), list.display());
    }
    if !splits.contains_key("tune") && !arguments.out.join("tune").exists() {
        note!("hint: a run is judged by other people than it learns: `phiz data split` keeps some apart");
    }
    Ok(done)
}
