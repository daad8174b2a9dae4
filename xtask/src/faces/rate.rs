//! `cargo xtask rate-faces`: whether synthetic people are found, and told apart, by real networks.
//!
//! Draws people and several photos of each, and prints for each pair of scales: the share of faces found (IoU at least
//! 0.5 with the true box), faces found beyond those, the landmark error in eye distances, and how similarities of the
//! same and of different people lie. The scales of the bundled model were chosen by this table.

use std::path::PathBuf;

use phiz_face::{Analyzer, DetectOptions, Model, iou};
use phiz_synth::{FaceModel, Scene, SceneOptions};
use rayon::prelude::*;

/// Arguments of `cargo xtask rate-faces`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Card of another detector than the bundled one
    #[arg(long, value_name = "CARD")]
    detector: Option<PathBuf>,
    /// Card of another embedder than the bundled one
    #[arg(long, value_name = "CARD")]
    embedder: Option<PathBuf>,
    /// Another model than the one in the crate
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// People to draw
    #[arg(long, default_value_t = 50)]
    people: u64,
    /// Photos of each
    #[arg(long, default_value_t = 4)]
    photos: u64,
    /// Identity scales to try, instead of the model's
    #[arg(long, value_delimiter = ',', value_name = "SCALE,…")]
    identity_scale: Vec<f32>,
    /// Nuisance scales to try, instead of the model's
    #[arg(long, value_delimiter = ',', value_name = "SCALE,…")]
    nuisance_scale: Vec<f32>,
}

/// What came of one photo.
struct Seen {
    person: u64,
    found: bool,
    surplus: usize,
    /// Mean distance of the landmarks over the eye distance.
    error: f32,
    template: Option<Vec<f32>>,
}

/// Prints the table.
///
/// # Errors
/// A model or card that cannot be read, or a network that fails.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let mut builder = Analyzer::builder();
    if let Some(card) = &arguments.detector {
        builder = builder.detector(Model::open(card).map_err(|e| e.to_string())?);
    }
    if let Some(card) = &arguments.embedder {
        builder = builder.embedder(Model::open(card).map_err(|e| e.to_string())?);
    }
    let engine = builder.build().map_err(|e| e.to_string())?;
    let mut model = match &arguments.model {
        None => FaceModel::bundled().clone(),
        Some(path) => {
            let wrong = |reason: String| format!("{}: {reason}", path.display());
            let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
            FaceModel::from_bytes(&bytes).map_err(|e| wrong(e.to_string()))?
        }
    };
    let or = |given: &[f32], own: f32| if given.is_empty() { vec![own] } else { given.to_vec() };
    let nuisances = or(&arguments.nuisance_scale, model.nuisance_scale);
    println!(
        "identity nuisance  found % surplus  error %  same: mean lowest  other: mean 99.9 %  TAR at 1e-3 %"
    );
    for identity in or(&arguments.identity_scale, model.identity_scale) {
        for &nuisance in &nuisances {
            (model.identity_scale, model.nuisance_scale) = (identity, nuisance);
            println!("{identity:8.2} {nuisance:8.2}  {}", rate(&engine, &model, arguments)?);
        }
    }
    Ok(())
}

fn rate(engine: &Analyzer, model: &FaceModel, arguments: &Arguments) -> Result<String, String> {
    let photos: Vec<(u64, u64)> =
        (0..arguments.people).flat_map(|p| (0..arguments.photos).map(move |k| (p, k))).collect();
    let seen: Result<Vec<Seen>, String> =
        photos.par_iter().map(|&(person, photo)| look(engine, model, person, photo)).collect();
    let seen = seen?;
    let count = seen.len() as f32;
    let found: Vec<&Seen> = seen.iter().filter(|s| s.found).collect();
    let surplus: usize = seen.iter().map(|s| s.surplus).sum();
    let error = found.iter().map(|s| s.error).sum::<f32>() / found.len().max(1) as f32;
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for (i, a) in found.iter().enumerate() {
        for b in &found[i + 1..] {
            if let (Some(x), Some(y)) = (&a.template, &b.template) {
                let similarity: f32 = x.iter().zip(y).map(|(p, q)| p * q).sum();
                if a.person == b.person { same.push(similarity) } else { other.push(similarity) }
            }
        }
    }
    if same.is_empty() || other.is_empty() {
        return Err("hardly a face was found: is the model fitted, and the card the detector's?".into());
    }
    same.sort_by(f32::total_cmp);
    other.sort_by(f32::total_cmp);
    let mean = |list: &[f32]| list.iter().sum::<f32>() / list.len() as f32;
    let far = other[other.len() - 1 - other.len() / 1000];
    let tar = same.iter().filter(|s| **s > far).count() as f32 / same.len() as f32;
    Ok(format!(
        "{:7.2} {surplus:7}  {:7.2}  {:10.3} {:6.3}  {:11.3} {far:6.3}  {:13.2}",
        100.0 * found.len() as f32 / count,
        100.0 * error,
        mean(&same),
        same[0],
        mean(&other),
        100.0 * tar,
    ))
}

/// One person in a scene of 480×360, the face 80 to 160 pixels high.
fn look(engine: &Analyzer, model: &FaceModel, person: u64, photo: u64) -> Result<Seen, String> {
    let options = SceneOptions {
        width: 480,
        height: 360,
        people: vec![person],
        face_height: (80.0, 160.0),
        ..SceneOptions::default()
    };
    let scene = Scene::compose(model, &options, person * 1000 + photo).map_err(|e| e.to_string())?;
    let truth = &scene.faces[0];
    let faces = engine.detect(&scene.image, &DetectOptions::default()).map_err(|e| e.to_string())?;
    let surplus = faces.len();
    let Some(face) = faces.into_iter().find(|face| iou(&face.bbox, &truth.bbox) >= 0.5) else {
        return Ok(Seen { person, found: false, surplus, error: 0.0, template: None });
    };
    let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let apart = face.landmarks.iter().zip(&truth.landmarks).map(|(a, b)| distance(*a, *b)).sum::<f32>() / 5.0;
    let error = apart / distance(truth.landmarks[0], truth.landmarks[1]).max(1.0);
    let described = engine.describe(&scene.image, face).map_err(|e| e.to_string())?;
    let template = Some(described.template.vector().to_vec());
    Ok(Seen { person, found: true, surplus: surplus - 1, error, template })
}
