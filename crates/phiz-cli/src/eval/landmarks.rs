//! `phiz eval landmarks`: landmarks of the face in the middle of each photo against another detector's.

use std::path::PathBuf;

use clap::Args;
use phiz_eval::landmarks::{Normaliser, offsets};
use phiz_eval::protocol::{self, CentralFace, System};

use super::report::{Output, finish};
use super::subject::{Problem, central, left_out, models, open};
use super::{Choice, check_rate};
use crate::{Analyzer, DetectOptions, Detection, Image, Model};
use crate::{Done, Failure, Shared, photos};

/// Arguments of `phiz eval landmarks`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    choice: Choice,
    /// The model card of the detector whose central face and landmarks are taken as the truth
    #[arg(long, value_name = "CARD")]
    reference: PathBuf,
    /// Take as the truth what the reference says on average of the photo and its mirror image, each at three sizes. One
    /// look of a small detector is wrong by several percent itself
    #[arg(long)]
    consensus: bool,
    /// Count errors above this share of the eye distance as failures
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    limit: f64,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval landmarks`.
pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--limit", arguments.limit)?;
    arguments.output.check(arguments.choice.inputs())?;
    let list = arguments.choice.read()?;
    let engine = shared.analyzer()?;
    let truth = Model::open(&arguments.reference)?;
    let detector = models(shared)?.remove(0);
    let mut system = System::new(detector.1.as_str());
    system.facts.push(detector);
    system.fact("reference", format!("{}, {}", truth.card().name, truth.id()));
    system.warnings.push("the truth is another detector's: errors of both are counted as ours".into());
    let reference = Analyzer::builder().detector(truth).build()?;
    let paths = list.manifest.paths()?;
    let work = |path: &String| -> Result<Option<CentralFace>, Problem> {
        let image = open(&list.root.join(path))?;
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
        let more = ours.len() > 1 && theirs.len() == 1;
        Ok(Some(CentralFace::new(best.map_or(0.0, overlap), offsets, more)))
    };
    let (mut faces, mut seen) = (Vec::new(), 0);
    photos::in_order(&paths, shared.threads()?, &shared.progress(paths.len()), work, |path, result| {
        match result {
            Ok(face) => {
                seen += 1;
                faces.extend(face);
            }
            Err(problem) => system.left_out.push(left_out(path, &list.root.join(path), &problem)),
        }
        Ok(())
    })?;
    if seen == 0 {
        return Err(Failure::new("none of the photos could be used")
            .hint("name the folder in which the list's paths begin with --photos"));
    }
    // Nothing is known of the faces in a photo that cannot be used, so it counts nowhere.
    system.left_out.iter_mut().for_each(|item| item.counts_as_failure = false);
    list.tell(&mut system);
    finish(protocol::landmarks(system, seen, &faces, arguments.limit)?, &arguments.output)
}

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
