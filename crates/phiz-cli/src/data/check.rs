//! `phiz data check`: what is wrong with photos of people, as a report and as a list that can be applied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use phiz_train::data::duplicates::{self, Sketch};
use phiz_train::data::inputs::Photo;
use phiz_train::data::noise::{self, Doubt};
use phiz_train::random::Random;
use serde_json::json;

use super::cut::Cutting;
use super::list::{self, Action, Correction};
use super::{Inputs, listed};
use crate::Analyzer;
use crate::out::{self, note, say};
use crate::{Done, Failure, Shared, photos};
use phiz_service::{Code, Problem};

/// Arguments of `phiz data check`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz data check photos/ --list found.csv
  phiz data prepare photos/ --out shards --apply found.csv")]
pub(crate) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// Write what was found to this CSV file, which `phiz data prepare --apply` applies
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// How likely it must be that a name is wrong, from 0 to 1
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.9)]
    sure: f32,
    /// Give photos with a wrong name the name of the person whom they are like, instead of none
    #[arg(long)]
    rename: bool,
    /// Only measure how well this works on these photos: shuffle this percentage of the names, in memory only, and count
    /// how many of them are found and how many others are reported
    #[arg(long, value_name = "PERCENT", conflicts_with = "list", value_parser = clap::value_parser!(u8).range(1..=50))]
    trial: Option<u8>,
    #[command(flatten)]
    cutting: Cutting,
    /// Print one JSON object per finding, one per line, and a summary at the end
    #[arg(long)]
    json: bool,
}

/// A face that can be compared.
struct Seen<'a> {
    photo: &'a Photo,
    quality: f32,
    sketch: Sketch,
    template: Vec<f32>,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    arguments.cutting.check()?;
    let all: Vec<Photo> = arguments.inputs.open()?.into_iter().flat_map(|set| set.photos).collect();
    let (engine, _) = super::engine(shared, None)?;
    let places: Vec<usize> = (0..all.len()).collect();
    let bar = shared.progress(all.len());
    let work = |&i: &usize| describe(&engine, &all[i], &arguments.cutting);
    let (mut seen, mut found) = (Vec::new(), Vec::new());
    photos::in_order(&places, shared.threads()?, &bar, work, |&i, face| {
        let photo = &all[i];
        match face {
            Ok((quality, sketch, template)) => seen.push(Seen { photo, quality, sketch, template }),
            Err(problem) if problem.code() == Code::Model => {
                return Err(Failure::new(&problem).hint(problem.remedy()));
            }
            Err(problem) => found.push(finding(photo, Action::Drop, problem.code().as_str(), "", None)),
        }
        Ok(())
    })?;
    let mut names: Vec<&str> = all.iter().map(|p| p.person.as_str()).filter(|p| !p.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let people: Vec<Option<usize>> =
        seen.iter().map(|face| names.binary_search(&face.photo.person.as_str()).ok()).collect();
    if let Some(percent) = arguments.trial {
        return trial(&seen, people, names.len(), percent, arguments);
    }
    let doubts = doubts(&seen, &people, names.len());
    let wrong = wrong_names(&seen, &names, doubts.as_deref(), arguments, &mut found);
    same_photos(&seen, &mut found);
    lone_photos(&all, &mut found);
    // In the order of the input; what was found of one photo stays together.
    let place: BTreeMap<&str, usize> = all.iter().enumerate().map(|(i, p)| (p.path.as_str(), i)).collect();
    found.sort_by_key(|row| place.get(row.path.as_str()).copied());
    if let Some(path) = &arguments.list {
        list::write(path, &found)?;
    }
    report(arguments, &all, &names, &found, doubts.is_some().then_some(wrong))
}

/// Quality, sketch and template of the face.
fn describe(engine: &Analyzer, photo: &Photo, cutting: &Cutting) -> Result<(f32, Sketch, Vec<f32>), Problem> {
    let cut = cutting.cut(engine, photo)?;
    let template = engine.embed_aligned(&cut.crop)?.vector().to_vec();
    let bad = || Problem::new(Code::NotAligned, "is no aligned face", "leave --aligned out");
    Ok((cut.quality, Sketch::new(cut.crop.pixels()).ok_or_else(bad)?, template))
}

fn finding(photo: &Photo, action: Action, reason: &str, other: &str, sure: Option<f32>) -> Correction {
    Correction {
        path: photo.path.clone(),
        person: photo.person.clone(),
        action,
        reason: reason.into(),
        other: other.into(),
        sure,
    }
}

fn doubts(seen: &[Seen<'_>], people: &[Option<usize>], count: usize) -> Option<Vec<Option<Doubt>>> {
    let dim = seen.first()?.template.len();
    let templates: Vec<f32> = seen.iter().flat_map(|face| face.template.iter().copied()).collect();
    noise::doubts(&templates, dim, people, count)
}

/// Judges the photos with some of their names shuffled and says how many of these were found.
fn trial(
    seen: &[Seen<'_>],
    mut people: Vec<Option<usize>>,
    count: usize,
    percent: u8,
    arguments: &Arguments,
) -> Result<Done, Failure> {
    let truth = people.clone();
    let mut random = Random::new(TRIAL_SEED);
    let chance = f32::from(percent) / 100.0;
    let chosen: Vec<usize> =
        (0..people.len()).filter(|&i| people[i].is_some() && random.chance(chance)).collect();
    // Each takes the name of one that is drawn: whoever draws a photo of the same person keeps the right name.
    let mut drawn = chosen.clone();
    random.shuffle(&mut drawn);
    for (&to, &from) in chosen.iter().zip(&drawn) {
        people[to] = truth[from];
    }
    let doubts = doubts(seen, &people, count).ok_or_else(|| Failure::new(NOT_JUDGED))?;
    let (mut wrong, mut found, mut right, mut accused) = (0, 0, 0, 0);
    for (i, doubt) in doubts.iter().enumerate().filter(|(i, _)| people[*i].is_some()) {
        let flagged = usize::from(doubt.is_some_and(|doubt| doubt.wrong >= arguments.sure));
        let shuffled = people[i] != truth[i];
        *(if shuffled { &mut wrong } else { &mut right }) += 1;
        *(if shuffled { &mut found } else { &mut accused }) += flagged;
    }
    if arguments.json {
        say!(
            "{}",
            json!({ "trial": { "wrong": wrong, "found": found, "right": right, "accused": accused } })
        );
        return Ok(Done::Well);
    }
    let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    say!("{found} of {wrong} names that were shuffled are found ({:.1} %)", share(found, wrong));
    say!(
        "{accused} of {right} others are accused ({:.1} %), with those that were wrong before",
        share(accused, right)
    );
    Ok(Done::Well)
}

/// Each trial of the same photos shuffles the same names.
const TRIAL_SEED: u64 = 1;
const NOT_JUDGED: &str = "names cannot be judged: that needs 20 photos of people with two or more";

/// Notes photos whose name is probably wrong; how many of these are expected to be right all the same.
fn wrong_names(
    seen: &[Seen<'_>],
    names: &[&str],
    doubts: Option<&[Option<Doubt>]>,
    arguments: &Arguments,
    found: &mut Vec<Correction>,
) -> f32 {
    let mut mistaken = 0.0;
    for (face, doubt) in seen.iter().zip(doubts.into_iter().flatten()) {
        let Some(doubt) = doubt.filter(|doubt| doubt.wrong >= arguments.sure) else { continue };
        mistaken += 1.0 - doubt.wrong;
        // Whom it is like is only told if it is more like them than like their own.
        let known = doubt.own.is_none_or(|own| doubt.like_other > own);
        let other = if known { names[doubt.other] } else { "" };
        let action = if arguments.rename && known { Action::Rename } else { Action::Unname };
        found.push(finding(face.photo, action, "wrong_name", other, Some(doubt.wrong)));
    }
    mistaken
}

/// Notes all but one of the copies of a photo.
fn same_photos(seen: &[Seen<'_>], found: &mut Vec<Correction>) {
    let sketches: Vec<Sketch> = seen.iter().map(|face| face.sketch.clone()).collect();
    let groups = duplicates::groups(&sketches, |i| &seen[i].template);
    if groups.is_empty() {
        return;
    }
    let mut of_person: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, face) in seen.iter().enumerate().filter(|(_, face)| !face.photo.person.is_empty()) {
        of_person.entry(&face.photo.person).or_default().push(i);
    }
    for group in groups {
        // Mean similarity to the person's photos that are not this one: of two names the likelier has the higher.
        let like_own = |i: usize| {
            let others = of_person.get(seen[i].photo.person.as_str()).into_iter().flatten();
            let alike: Vec<f32> = others
                .filter(|other| !group.contains(other))
                .map(|&other| seen[i].template.iter().zip(&seen[other].template).map(|(a, b)| a * b).sum())
                .collect();
            alike.iter().sum::<f32>() / alike.len().max(1) as f32
        };
        // What judges stays with the judges; then the likelier name, then the better picture.
        let worth = |&i: &usize| {
            let split = ["train", "tune", "test"].iter().position(|s| *s == seen[i].photo.split);
            let hundredths = (100.0 * like_own(i)).round() as i32;
            (split.unwrap_or(0), hundredths, (1000.0 * seen[i].quality) as i32)
        };
        let Some(kept) = group.iter().copied().max_by_key(worth) else { continue };
        for &i in group.iter().filter(|&&i| i != kept) {
            let (copy, original) = (seen[i].photo, seen[kept].photo);
            let two =
                !copy.person.is_empty() && !original.person.is_empty() && copy.person != original.person;
            let reason = if two { "same_photo_of_two_people" } else { "same_photo" };
            let sure = seen[i].sketch.correlation(&seen[kept].sketch).min(1.0);
            found.push(finding(copy, Action::Drop, reason, &original.path, Some(sure)));
        }
    }
}

fn lone_photos(all: &[Photo], found: &mut Vec<Correction>) {
    let mut of_person: BTreeMap<&str, Vec<&Photo>> = BTreeMap::new();
    for photo in all.iter().filter(|photo| !photo.person.is_empty()) {
        of_person.entry(&photo.person).or_default().push(photo);
    }
    let lone = of_person.values().filter_map(|photos| match photos[..] {
        [photo] => Some(photo),
        _ => None,
    });
    found.extend(lone.map(|photo| finding(photo, Action::Keep, "only_photo", "", None)));
}

/// What a kind of finding means, in a few words.
fn meaning(kind: &str) -> &'static str {
    match kind {
        "wrong_name" => "probably another person than named",
        "same_photo" => "a copy of another photo",
        "same_photo_of_two_people" => "a copy of another person's photo",
        "only_photo" => "the only photo of a person",
        "no_face" => "no face found",
        "several_faces" => "several faces of similar size",
        "face_too_small" | "face_too_poor" => "not good enough",
        _ => "not to be read",
    }
}

fn report(
    arguments: &Arguments,
    all: &[Photo],
    names: &[&str],
    found: &[Correction],
    mistaken: Option<f32>,
) -> Result<Done, Failure> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in found {
        *counts.entry(row.reason.clone()).or_default() += 1;
    }
    let done = if found.iter().all(|row| row.action == Action::Keep) { Done::Well } else { Done::Partly };
    if arguments.json {
        for row in found {
            out::json(row);
        }
        let summary =
            json!({ "photos": all.len(), "people": names.len(), "found": counts, "mistaken": mistaken });
        out::json(&json!({ "summary": summary }));
        return Ok(done);
    }
    for row in found.iter().filter(|row| row.action != Action::Keep) {
        let other = if row.other.is_empty() { String::new() } else { format!(": {}", row.other) };
        let sure = row.sure.map(|sure| format!(" ({sure:.2})")).unwrap_or_default();
        let person = if row.person.is_empty() { String::new() } else { format!(" [{}]", row.person) };
        say!("{}{person}: {}{other}{sure}", row.path, meaning(&row.reason));
    }
    say!("{} photos of {} people", all.len(), names.len());
    for (kind, count) in &counts {
        say!("{count:>8}  {kind}: {}", meaning(kind));
    }
    match mistaken {
        Some(mistaken) if counts.contains_key("wrong_name") => {
            say!("of the wrong names about {mistaken:.1} are expected to be right");
        }
        None if !names.is_empty() => {
            note!("{NOT_JUDGED}")
        }
        _ => {}
    }
    match &arguments.list {
        Some(path) => {
            say!("{} ({}): look it over, then `phiz data prepare --apply`", path.display(), listed(&counts))
        }
        None if done == Done::Partly => {
            note!("hint: --list FILE writes a list that `phiz data prepare --apply` applies")
        }
        None => {}
    }
    Ok(done)
}
