//! `phiz eval video`: tracks and names of a video against its truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use phiz_eval::tracking::{Box as Face, Frame as Judged, Tracking, tracking};
use phiz_gallery::{Filter, Gallery, Rate};
use phiz_service::IdentifyOptions;
use phiz_video::{Frames, ReadOptions, Source, WatchOptions, Watcher};
use serde::Serialize;

use super::check_rate;
use crate::out::{self, say};
use crate::{Done, Failure, Shared, table};

/// Arguments of `phiz eval video`.
#[derive(Args)]
#[command(after_help = "Example: phiz eval video crossing.mp4 --truth crossing.csv

The truth has one line per face and frame, under the heading `time,person,left,top,width,height`: seconds from the beginning of the video, the person's name as in the gallery (or any other for people who are not in it), and the box in pixels.")]
pub(crate) struct Arguments {
    /// The video
    #[arg(value_name = "VIDEO")]
    video: PathBuf,
    /// CSV file that says who is where, and when
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// Also judge the tracks of another program: a CSV file with `time,track,left,top,width,height`
    #[arg(long, value_name = "FILE")]
    other: Option<PathBuf>,
    /// Least overlap (intersection over union) of a box with a true one that is a hit; low, because programs and people draw
    /// boxes around faces differently
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    overlap: f64,
    /// Seconds between two looks at the whole picture; 0 looks at every frame
    #[arg(long, value_name = "SECONDS", default_value_t = 0.12)]
    interval: f64,
    /// The share of people who are not enrolled that may be given a name (false positive identification rate)
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Print the figures as a JSON object
    #[arg(long)]
    json: bool,
}

/// How well tracks follow people.
#[derive(Serialize)]
struct Figures {
    idf1: f64,
    mota: f64,
    switches: u64,
    switches_per_minute: f64,
    /// Faces that are there, over all frames; those that no track follows; found faces that are none.
    faces: u64,
    missed: u64,
    false_faces: u64,
}

impl Figures {
    fn new(quality: &Tracking, seconds: f64) -> Figures {
        Figures {
            idf1: quality.idf1(),
            mota: quality.mota(),
            switches: quality.switches,
            switches_per_minute: quality.switches as f64 / (seconds / 60.0).max(1e-9),
            faces: quality.truth,
            missed: quality.missed,
            false_faces: quality.false_faces,
        }
    }
}

/// Tracks by what they were called in the end.
#[derive(Default, Serialize)]
struct Names {
    /// The right name, or none for somebody who is not in the gallery.
    right: usize,
    /// Another name.
    wrong: usize,
    /// No name, though the person is in the gallery.
    nameless: usize,
}

#[derive(Serialize)]
struct Answer {
    path: phiz_service::PathName,
    frames: usize,
    seconds: f64,
    #[serde(flatten)]
    figures: Figures,
    tracks: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<Figures>,
}

/// A line of a file of boxes.
struct Line {
    time: f64,
    who: String,
    bbox: [f64; 4],
}

/// Reads boxes, under a heading whose second column is `who`.
fn read(option: &str, path: &Path, who: &str) -> Result<Vec<Line>, Failure> {
    let name = path.display();
    let wrong = |reason: String| {
        Failure::new(format!("{option} {name}: {reason}"))
            .hint(format!("give a CSV file with the heading time,{who},left,top,width,height"))
    };
    let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(error.to_string()))?;
    let headings = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let column = |wanted: &str| {
        let found = headings.iter().position(|heading| heading.trim() == wanted);
        found.ok_or_else(|| wrong(format!("has no column {wanted}")))
    };
    let who = column(who)?;
    let numbers: Vec<usize> =
        ["time", "left", "top", "width", "height"].into_iter().map(column).collect::<Result<_, _>>()?;
    let mut lines = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let number = |column: usize| {
            let text = record.get(column).unwrap_or_default().trim();
            text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| {
                let heading = headings.get(column).unwrap_or_default();
                wrong(format!("line {}: {heading} is {text:?}, which is no number", index + 2))
            })
        };
        let values: Vec<f64> = numbers.iter().map(|column| number(*column)).collect::<Result<_, _>>()?;
        let who = record.get(who).unwrap_or_default().trim().to_owned();
        lines.push(Line { time: values[0], who, bbox: [values[1], values[2], values[3], values[4]] });
    }
    if lines.is_empty() {
        return Err(wrong("holds no box".into()));
    }
    Ok(lines)
}

/// Numbers for names, in the order in which they come.
#[derive(Default)]
struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    fn of(&mut self, name: &str) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(name.to_owned()).or_insert(next)
    }
}

/// The boxes of each frame: each line belongs to the frame whose time is nearest.
fn by_frame<'a>(lines: &'a [Line], times: &[f64]) -> Vec<Vec<&'a Line>> {
    let mut frames = vec![Vec::new(); times.len()];
    for line in lines {
        let after = times.partition_point(|time| *time < line.time);
        let nearest = [after.checked_sub(1), Some(after)].into_iter().flatten().filter(|i| *i < times.len());
        let nearest =
            nearest.min_by(|a, b| (times[*a] - line.time).abs().total_cmp(&(times[*b] - line.time).abs()));
        if let Some(frame) = nearest {
            frames[frame].push(line);
        }
    }
    frames
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fpir", arguments.fpir)?;
    check_rate("--overlap", arguments.overlap)?;
    let truth = read("--truth", &arguments.truth, "person")?;
    let other = arguments.other.as_ref().map(|path| read("--other", path, "track")).transpose()?;
    let service = shared.service()?;
    let gallery = shared.open_gallery_if_any(&service)?;
    let source = Source::parse(arguments.video.as_os_str())?;
    let mut frames = Frames::open(source, ReadOptions::default(), Arc::default())?;
    let seconds = frames.probe().duration.unwrap_or(0.0);
    let options = WatchOptions {
        identify: IdentifyOptions { rate: Rate::Fpir(arguments.fpir), ..IdentifyOptions::default() },
        interval: arguments.interval,
        ..WatchOptions::default()
    };
    let mut watcher = Watcher::new(&service, gallery.as_ref(), options)?;
    let bar = shared.progress((seconds * 10.0) as usize);
    let (mut times, mut found) = (Vec::new(), Vec::new());
    let mut said: BTreeMap<u64, Option<String>> = BTreeMap::new();
    while let Some(frame) = frames.next_frame()? {
        watcher.frame(&frame)?;
        bar.set_position((frame.time * 10.0) as u64);
        times.push(frame.time);
        let present = watcher.present();
        for face in &present {
            said.insert(face.track, face.who.person.clone());
        }
        found.push(
            present
                .iter()
                .map(|face| Face { id: face.track, bbox: face.bbox.map(f64::from) })
                .collect::<Vec<_>>(),
        );
    }
    bar.finish_and_clear();
    let mut numbers = Numbers::default();
    let shown = by_frame(&truth, &times);
    let true_faces: Vec<Vec<Face>> = shown
        .iter()
        .map(|lines| lines.iter().map(|line| Face { id: numbers.of(&line.who), bbox: line.bbox }).collect())
        .collect();
    let judge = |found: Vec<Vec<Face>>| -> Result<Tracking, Failure> {
        let frames: Vec<Judged> = true_faces
            .iter()
            .zip(found)
            .map(|(truth, found)| Judged { truth: truth.clone(), found })
            .collect();
        Ok(tracking(&frames, arguments.overlap)?)
    };
    let seconds = times.last().copied().unwrap_or(0.0) - times.first().copied().unwrap_or(0.0);
    let tracks = names(&shown, &found, &said, gallery.as_ref(), arguments.overlap)?;
    let other = match &other {
        Some(lines) => {
            let mut numbers = Numbers::default();
            let of_frame = |lines: &Vec<&Line>| {
                lines.iter().map(|line| Face { id: numbers.of(&line.who), bbox: line.bbox }).collect()
            };
            Some(judge(by_frame(lines, &times).iter().map(of_frame).collect())?)
        }
        None => None,
    };
    let answer = Answer {
        path: arguments.video.as_path().into(),
        frames: times.len(),
        seconds,
        figures: Figures::new(&judge(found)?, seconds),
        tracks,
        other: other.map(|quality| Figures::new(&quality, seconds)),
    };
    if arguments.json {
        out::json(&answer);
    } else {
        show(&answer);
    }
    Ok(Done::Well)
}

/// What tracks were called in the end, against whom they covered most.
fn names(
    shown: &[Vec<&Line>],
    found: &[Vec<Face>],
    said: &BTreeMap<u64, Option<String>>,
    gallery: Option<&Gallery>,
    overlap: f64,
) -> Result<Names, Failure> {
    let mut covered: BTreeMap<u64, BTreeMap<&str, usize>> = BTreeMap::new();
    for (lines, faces) in shown.iter().zip(found) {
        for face in faces {
            let near = |line: &&&Line| phiz_eval::detection::iou(&line.bbox, &face.bbox);
            let best = lines.iter().max_by(|a, b| near(a).total_cmp(&near(b)));
            if let Some(line) = best.filter(|line| near(line) >= overlap) {
                *covered.entry(face.id).or_default().entry(line.who.as_str()).or_default() += 1;
            }
        }
    }
    let mut names = Names::default();
    for (track, people) in covered {
        let Some((person, _)) = people.into_iter().max_by_key(|(_, count)| *count) else { continue };
        let known = match gallery {
            Some(gallery) => {
                let filter = Filter { name: Some(person.to_owned()), ..Filter::default() };
                !gallery.people(&filter, None, 1)?.is_empty()
            }
            None => false,
        };
        match said.get(&track).and_then(Option::as_deref) {
            Some(name) if known && name.eq_ignore_ascii_case(person) => names.right += 1,
            None if !known => names.right += 1,
            None => names.nameless += 1,
            Some(_) => names.wrong += 1,
        }
    }
    Ok(names)
}

fn show(answer: &Answer) {
    let row = |who: &str, figures: &Figures| {
        vec![
            who.to_owned(),
            format!("{:.3}", figures.idf1),
            format!("{:.3}", figures.mota),
            figures.switches.to_string(),
            format!("{:.2}", figures.switches_per_minute),
            format!("{} of {}", figures.missed, figures.faces),
            figures.false_faces.to_string(),
        ]
    };
    let mut rows = vec![row("phiz", &answer.figures)];
    rows.extend(answer.other.as_ref().map(|other| row("other", other)));
    table::print(&["tracks of", "IDF1", "MOTA", "switches", "a minute", "missed", "no faces"], &rows);
    let Names { right, wrong, nameless } = &answer.tracks;
    say!("names of tracks: {right} right, {wrong} wrong, {nameless} missing");
}
