//! Landmarks of the face in the middle of each photo against another detector's.

use std::path::PathBuf;

use clap::Args;
use phiz_eval::landmarks::{Landmarks, Normaliser, mean_length, offsets};
use phiz_eval::report::build::{figure, landmarks as section_of, number_of};
use phiz_eval::report::{Better, Table, Unit};

use super::Choice;
use super::report::{Draft, Output, finish};
use super::subject::{central, models};
use crate::faces::{self, Problem};
use crate::verify::check_rate;
use crate::{Analyzer, DetectOptions, Detection, Image, Model};
use crate::{Done, Failure, Shared, photos};

/// Arguments of `phiz eval landmarks`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    choice: Choice,
    /// Card of the detector whose central face and landmarks are taken for true
    #[arg(long, value_name = "CARD")]
    reference: PathBuf,
    /// Take for true what the reference says on average of the photo and its mirror image, each at three sizes: a
    /// single look of a small detector is off by several percent itself
    #[arg(long)]
    consensus: bool,
    /// Errors above this share of the eye distance are failures
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    limit: f64,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval landmarks`.
pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--limit", arguments.limit)?;
    let (manifest, root, mut facts) = arguments.choice.read()?;
    let engine = shared.analyzer()?;
    let truth = Model::open(&arguments.reference)?;
    facts.push(models(shared)?.remove(0));
    facts.push(("reference".into(), format!("{}, {}", truth.card().name, truth.id())));
    let reference = Analyzer::builder().detector(truth).build()?;
    let paths = manifest.paths()?;
    let work = |path: &String| -> Result<Option<Central>, Problem> {
        let image = faces::open(&root.join(path))?;
        let theirs = reference.detect(&image, &DetectOptions::default())?;
        let Some(truth) = central(&theirs, &image) else { return Ok(None) };
        let truth = match arguments.consensus {
            true => &consensus(&reference, &image, truth)?,
            false => truth,
        };
        let ours = engine.detect(&image, &DetectOptions::default())?;
        let overlap =
            |d: &Detection| phiz_eval::detection::iou(&d.bbox.map(f64::from), &truth.bbox.map(f64::from));
        let best = ours.iter().max_by(|a, b| overlap(a).total_cmp(&overlap(b)));
        let points = |d: &Detection| d.landmarks.map(|p| p.map(f64::from));
        let offsets = best
            .filter(|d| overlap(d) >= 0.5)
            .and_then(|d| offsets(&points(truth), &points(d), None, Normaliser::Eyes).ok());
        Ok(Some(Central {
            overlap: best.map_or(0.0, overlap),
            offsets,
            more: ours.len() > 1 && theirs.len() == 1,
        }))
    };
    let (mut judged, mut unreadable, mut none) = (Vec::new(), 0, 0);
    photos::in_order(&paths, shared.threads()?, &shared.progress(paths.len()), work, |path, result| {
        match result {
            Ok(Some(one)) => judged.push(one),
            Ok(None) => none += 1,
            Err(problem) => {
                crate::photos::warn(&root.join(path), &problem);
                unreadable += 1;
            }
        }
        Ok(())
    })?;
    let errors: Vec<Option<f64>> = judged.iter().map(|j| j.offsets.as_deref().map(mean_length)).collect();
    let mut section = section_of(&Landmarks::new(&errors)?, arguments.limit);
    section.tables.push(mean_offsets(&judged));
    let n = judged.len() as f64;
    let found = judged.iter().filter(|j| j.overlap >= 0.5).count() as f64;
    section.figures.push(figure(
        "overlap",
        "central face found (IoU ≥ 0.5)",
        Ok(found / n),
        Unit::Percent,
        Better::Up,
    ));
    let mean = judged.iter().map(|j| j.overlap).sum::<f64>() / n;
    section.figures.push(figure("iou", "mean IoU", Ok(mean), Unit::Number, Better::Up));
    let more = judged.iter().filter(|j| j.more).count() as u64;
    section.figures.push(number_of("more", "photos with more faces than the reference's one", more));
    section.figures.push(number_of("none", "photos in which the reference finds no face", none));
    let draft = Draft {
        name: facts.iter().find(|f| f.0 == "detector").map_or_else(String::new, |f| f.1.clone()),
        question: format!("landmarks of the central face, {} photos", paths.len()),
        facts,
        warnings: vec!["the truth is another detector's: errors of both are counted as ours".into()],
        bootstrap: None,
        drawn: &[],
        sections: vec![section],
    };
    finish(draft, &arguments.output, unreadable)
}

/// What became of the face in the middle of a photo.
struct Central {
    /// Overlap of the box that overlaps its most; 0 if none does.
    overlap: f64,
    /// Of our landmarks from the true ones, in shares of the eye distance; none if the face was not found.
    offsets: Option<Vec<[f64; 2]>>,
    /// Whether we saw more faces than the only one of the reference.
    more: bool,
}

/// Where landmarks lie on average beside the true ones: a bias, which their mean error does not tell from scatter.
fn mean_offsets(judged: &[Central]) -> Table {
    let faces: Vec<&Vec<[f64; 2]>> = judged.iter().filter_map(|j| j.offsets.as_ref()).collect();
    let mean = |k: usize, axis: usize| {
        let share = faces.iter().map(|offsets| offsets[k][axis]).sum::<f64>() / faces.len() as f64;
        format!("{:+.2} %", 100.0 * share)
    };
    let rows = LANDMARKS.iter().enumerate().map(|(k, name)| vec![(*name).into(), mean(k, 0), mean(k, 1)]);
    Table {
        title: "Mean offset from the reference's landmarks, in shares of the eye distance".into(),
        head: ["the person's", "rightward", "downward"].map(str::to_owned).to_vec(),
        rows: if faces.is_empty() { Vec::new() } else { rows.collect() },
    }
}

/// The five landmarks; right and left are the person's.
const LANDMARKS: [&str; 5] =
    ["right eye", "left eye", "nose", "right corner of the mouth", "left corner of the mouth"];

/// The mean of what a detector says of a face in the photo and its mirror image, each at three sizes.
fn consensus(engine: &Analyzer, image: &Image, face: &Detection) -> Result<Detection, Problem> {
    let (width, height) = image.original_size();
    let mut seen = vec![face.clone()];
    for (scale, mirrored) in [(1.0, true), (0.7, false), (0.7, true), (1.4, false), (1.4, true)] {
        let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
        let resized = image.resize(side(width), side(height));
        let (sx, sy) = (resized.width() as f32 / width as f32, resized.height() as f32 / height as f32);
        let view = afresh(&resized, mirrored)?;
        let back = |[x, y]: [f32; 2]| {
            let x = if mirrored { view.width() as f32 - x } else { x };
            [x / sx, y / sy]
        };
        let found = engine.detect(&view, &DetectOptions::default())?.into_iter().map(|mut d| {
            let [x, y, w, h] = d.bbox;
            let [left, top] = back([if mirrored { x + w } else { x }, y]);
            d.bbox = [left, top, w / sx, h / sy];
            d.landmarks = d.landmarks.map(back);
            if mirrored {
                d.landmarks.swap(0, 1);
                d.landmarks.swap(3, 4);
            }
            d
        });
        let overlap = |d: &Detection| phiz_face::iou(&d.bbox, &face.bbox);
        let best = found.max_by(|a, b| overlap(a).total_cmp(&overlap(b)));
        seen.extend(best.filter(|d| overlap(d) >= 0.5));
    }
    let share = 1.0 / seen.len() as f32;
    let mean = |number: &dyn Fn(&Detection) -> f32| seen.iter().map(number).sum::<f32>() * share;
    Ok(Detection {
        bbox: [0, 1, 2, 3].map(|i| mean(&|d| d.bbox[i])),
        score: face.score,
        landmarks: [0, 1, 2, 3, 4].map(|k| [0, 1].map(|axis| mean(&|d| d.landmarks[k][axis]))),
    })
}

/// A picture of its own, whose detections are in its own pixels.
fn afresh(image: &Image, mirrored: bool) -> Result<Image, Problem> {
    let row = image.width() as usize * 3;
    let lines = image.pixels().chunks_exact(row);
    let pixels = match mirrored {
        true => lines.flat_map(|line| line.chunks_exact(3).rev()).flatten().copied().collect(),
        false => image.pixels().to_vec(),
    };
    Ok(Image::from_rgb(image.width(), image.height(), pixels)?)
}
