//! `phiz data scenes`: photos of any kind with the boxes and landmarks of their faces, for training a detector.
//!
//! Boxes that a list gives are taken as they are. Where it gives none, and for faces that it forgot, the detector in
//! use marks them (so name a good one with `--detector`): each face is looked at several times, and one that few of
//! the looks see, or with a low score, is marked as not sure: it is neither learnt nor unlearnt. Landmarks are the
//! mean of the looks.

use std::path::PathBuf;

use clap::Args;
use phiz_face::iou;
use phiz_train::data::inputs::Photo;
use phiz_train::data::scene_set::SceneSet;
use phiz_train::scenes::Marked;
use phiz_train::shards::LeftOut;
use serde_json::json;

use super::consensus::refine;
use super::cut::{anew, open};
use super::{Inputs, Wanted, fingerprint};
use crate::out::{self, note, say};
use crate::{Analyzer, DetectOptions, Detection, Image, Model};
use crate::{Done, Failure, Shared, photos};
use phiz_service::{Code, Problem};

/// Arguments of `phiz data scenes`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz data scenes --manifest scenes.csv negatives.csv --out scenes --detector teacher.toml
  phiz data scenes photos/ --out scenes --side 448")]
pub(crate) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// The folder for the scenes, which gets one folder per split
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    marking: Marking,
    /// Also store what the first stage of this detector takes for faces, rightly or not, to train its refinement stage
    #[arg(long, value_name = "CARD")]
    candidates: Option<PathBuf>,
    /// Make scenes again that were made from other photos, models or options
    #[arg(long)]
    redo: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// How scenes are kept and faces marked.
#[derive(Args, Debug)]
struct Marking {
    /// The longer side of the pictures; larger photos are shrunk
    #[arg(long, value_name = "PIXELS", default_value_t = 640, value_parser = clap::value_parser!(u32).range(64..=4096))]
    side: u32,
    /// The lowest score of a face that the detector marks at all
    #[arg(long, value_name = "SCORE", default_value_t = 0.3)]
    floor: f32,
    /// The score from which a face that the list does not give counts as sure, if most looks see it
    #[arg(long, value_name = "SCORE", default_value_t = 0.72)]
    sure: f32,
    /// Smallest face that is looked for, in pixels of the picture
    #[arg(long, value_name = "PIXELS", default_value_t = 10.0)]
    min_face: f32,
    /// If a photo shows one face, also use the part below it as a picture without a face
    #[arg(long)]
    bodies: bool,
}

impl Marking {
    /// The text by which the way of marking enters the identity of a set. Sets of earlier versions hold it: it must stay
    /// as it is, whatever the fields are called.
    fn identity(&self) -> String {
        let Marking { side, floor, sure, min_face, bodies } = self;
        format!(
            "Marking {{ side: {side}, floor: {floor:?}, sure: {sure:?}, min_face: {min_face:?}, bodies: {bodies} }}"
        )
    }
}

/// First looks are noted as candidates from this score on.
const CANDIDATE: f32 = 0.08;
/// Boxes that the list gives with a side below this are not learnt: nobody could.
const TOO_SMALL: f32 = 5.0;
/// What is below a face is worth a picture of its own from so many rows on.
const LEAST_BODY: u32 = 128;

/// A picture of the set.
struct Piece {
    path: String,
    picture: Image,
    faces: Vec<Marked>,
    candidates: Vec<[f32; 4]>,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let mut sets = arguments.inputs.open()?;
    arguments.wanted.choose(&mut sets)?;
    let all: Vec<Photo> = sets.into_iter().flat_map(|set| set.photos).collect();
    let (engine, models) = super::engine(shared, None)?;
    let judged = arguments.candidates.as_deref().map(Model::open).transpose()?;
    let judged_id = judged.as_ref().map_or("None".into(), |model| format!("Some(\"{}\")", model.id()));
    let judged = judged.map(|model| Analyzer::builder().detector(model).build()).transpose()?;
    let from = fingerprint(&format!("2 {models} {judged_id} {}", arguments.marking.identity()), all.iter());
    let out = &arguments.out;
    std::fs::create_dir_all(out).map_err(|e| Failure::writing(out, &e))?;
    let mut set = SceneSet::open(out, &from, arguments.redo)?;
    let begun = set.state().photos;
    if begun > 0 && !shared.quiet {
        note!("{begun} of {} photos are there already", all.len());
    }
    let rest = all.get(begun..).unwrap_or_default();
    let bar = shared.progress(rest.len());
    let work = |photo: &Photo| -> Result<Vec<Piece>, Problem> {
        let mut pieces = arguments.marking.mark(&engine, photo)?;
        if let Some(judged) = &judged {
            for piece in &mut pieces {
                let found = judged.candidates(&piece.picture, arguments.marking.min_face, CANDIDATE)?;
                piece.candidates = found.iter().map(|d| d.bbox).collect();
            }
        }
        Ok(pieces)
    };
    photos::in_order(rest, shared.threads()?, &bar, work, |photo, pieces| {
        match pieces {
            Ok(pieces) => {
                for piece in &pieces {
                    set.add(&photo.split, &piece.path, &piece.picture, &piece.faces, &piece.candidates)?;
                }
            }
            Err(problem) if problem.code() == Code::Model => {
                return Err(Failure::new(&problem).hint(problem.remedy()));
            }
            Err(problem) => {
                set.leave_out(LeftOut {
                    path: photo.path.clone(),
                    kind: problem.code().as_str().into(),
                    reason: problem.to_string(),
                });
            }
        }
        Ok(set.photo_done()?)
    })?;
    let state = set.finish()?;
    let mut counts = std::collections::BTreeMap::new();
    for photo in &state.left_out {
        *counts.entry(photo.kind.clone()).or_default() += 1;
        note!("{}: {}", photo.path, photo.reason);
    }
    if arguments.json {
        out::json(&json!({ "out": out, "splits": state.splits, "left_out": counts }));
    } else {
        for (split, share) in &state.splits {
            say!("{split}: {} scenes, {} faces to learn, {} unsure", share.scenes, share.sure, share.unsure);
        }
        if !counts.is_empty() {
            say!("left out: {}", super::listed(&counts));
        }
    }
    // A photo without a clear face is no fault of the photo.
    Ok(if state.left_out.iter().all(|photo| photo.kind == "no_face") { Done::Well } else { Done::Partly })
}

impl Marking {
    fn mark(&self, engine: &Analyzer, photo: &Photo) -> Result<Vec<Piece>, Problem> {
        let original = open(photo)?;
        let shrunk = (self.side as f32 / original.width().max(original.height()) as f32).min(1.0);
        let size = |length: u32| ((length as f32 * shrunk).round() as u32).max(1);
        let picture = anew(&original.resize(size(original.width()), size(original.height())));
        if photo.shows_none {
            return Ok(vec![Piece {
                path: photo.path.clone(),
                picture,
                faces: Vec::new(),
                candidates: Vec::new(),
            }]);
        }
        let given: Vec<[f32; 4]> = photo.boxes.iter().map(|b| b.map(|v| v * shrunk)).collect();
        let options = DetectOptions::default().score(self.floor).min_face(self.min_face);
        let found = engine.detect(&picture, &options)?;
        let faces = self.faces(engine, &picture, &given, &found)?;
        if !faces.iter().any(|face| face.sure) {
            let hint = "use a photo with a clear face, or note `no face` in the list if it shows none";
            return Err(Problem::new(Code::NoFace, "no face is sure enough to be learnt", hint));
        }
        let body = self.bodies.then(|| below(&picture, &faces)).flatten();
        let body = body.map(|picture| Piece {
            path: format!("{}#body", photo.path),
            picture,
            faces: Vec::new(),
            candidates: Vec::new(),
        });
        Ok([Piece { path: photo.path.clone(), picture, faces, candidates: Vec::new() }]
            .into_iter()
            .chain(body)
            .collect())
    }

    fn faces(
        &self,
        engine: &Analyzer,
        picture: &Image,
        given: &[[f32; 4]],
        found: &[Detection],
    ) -> Result<Vec<Marked>, Problem> {
        let mut used = vec![false; found.len()];
        let mut faces = Vec::new();
        for bbox in given {
            let mut face =
                Marked { bbox: *bbox, points: Vec::new(), sure: bbox[2].min(bbox[3]) >= TOO_SMALL };
            let overlap = |i: &usize| iou(&found[*i].bbox, bbox);
            let best = (0..found.len()).max_by(|a, b| overlap(a).total_cmp(&overlap(b)));
            if let Some(best) = best.filter(|i| face.sure && overlap(i) > 0.35) {
                used[best] = true;
                let refined = refine(engine, picture, &found[best], self.floor)?;
                // Half of the looks see it, or the whole picture does clearly.
                if refined.agreed >= 0.5 || refined.agreed > 0.0 && found[best].score > 0.6 {
                    face.points = refined.landmarks.concat();
                }
            }
            faces.push(face);
        }
        for (detection, used) in found.iter().zip(used) {
            if used || given.iter().any(|bbox| iou(bbox, &detection.bbox) > 0.3) {
                continue;
            }
            let refined = refine(engine, picture, detection, self.floor)?;
            let agreed = refined.agreed >= 0.5;
            faces.push(Marked {
                bbox: refined.bbox,
                points: if agreed { refined.landmarks.concat() } else { Vec::new() },
                sure: detection.score >= self.sure && refined.agreed >= 0.75,
            });
        }
        Ok(faces)
    }
}

/// What is below the only face of a picture.
fn below(picture: &Image, faces: &[Marked]) -> Option<Image> {
    let [face] = faces else { return None };
    let top = (face.bbox[1] + 1.35 * face.bbox[3]).max(0.0) as u32;
    let rows = picture.height().checked_sub(top).filter(|rows| *rows >= LEAST_BODY)?;
    picture.crop(0, top, picture.width(), rows).ok()
}
