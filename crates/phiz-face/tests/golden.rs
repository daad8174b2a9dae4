//! The faces of synthetic photos are the same as those that the build of commit a7d064d found: boxes, scores,
//! landmarks, quality, pose. Templates are those of the embedders that ship since 30 November (the
//! small one since 1 December) 2026. A change of the pipeline's shape must not change its answers.
//!
//! `golden/faces.txt` was written by this test. It has one line per face: the case, then numbers separated
//! by spaces in the order of [`numbers`]. After new weights, or a change that is meant to change answers, write it again:
//! `PHIZ_WRITE_GOLDEN=$PWD/crates/phiz-face/tests/golden/faces.txt cargo test -p phiz-face --test golden same`.
//!
//! It was computed with rten. With rten the answers are the same to the last digits; another runtime adds in another
//! order, which moves landmarks by parts of a thousandth of a pixel, and through the pixels of the aligned face the template.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use phiz_face::{Analyzer, AnalyzerBuilder, DetectOptions, Detection, Model, Precision, Rotate, Runtime};
use phiz_image::Image;
use phiz_synth::{FaceModel, Scene, SceneOptions};

fn compose(width: u32, height: u32, people: u64, face_height: (f32, f32), seed: u64) -> Scene {
    let people = (1..=people).collect();
    let options = SceneOptions { width, height, people, face_height, ..SceneOptions::default() };
    Scene::compose(FaceModel::bundled(), &options, seed).unwrap()
}

fn scene(width: u32, height: u32, people: u64, face_height: (f32, f32), seed: u64) -> Image {
    compose(width, height, people, face_height, seed).image
}

/// A face that fills a photo of 600×600 pixels and reaches beyond it.
fn close() -> Image {
    let whole = compose(1200, 1200, 1, (540.0, 540.0), 6);
    let [x, y, w, h] = whole.faces[0].bbox;
    let corner = |start: f32, length: f32| (start + 0.5 * length - 300.0).clamp(0.0, 600.0) as u32;
    whole.image.crop(corner(x, w), corner(y, h), 600, 600).unwrap()
}

fn options(score: Option<f32>, min_face: f32, rotate: Rotate) -> DetectOptions {
    DetectOptions::default().score(score).min_face(min_face).rotate(rotate)
}

/// The bundled detector without the network of its refinement stage, so that it refines by itself.
fn without_refinement() -> Model {
    let mut card = Model::bundled_detector().unwrap().card().clone();
    card.refinement = None;
    Model::new(card, phiz_net::bundled::DETECTOR.1.to_vec(), None).unwrap()
}

struct Case {
    name: &'static str,
    analyzer: Analyzer,
    image: Image,
    options: DetectOptions,
    /// So many faces are embedded.
    embedded: usize,
}

fn cases(runtime: Runtime) -> Vec<Case> {
    let plain = || options(None, 20.0, Rotate::Never);
    let load = |choose: fn(AnalyzerBuilder) -> AnalyzerBuilder| {
        choose(Analyzer::builder().runtime(runtime).precision(Precision::F32)).build().unwrap()
    };
    let bundled = || load(|builder| builder);
    let case = |name, analyzer, image, options, embedded| Case { name, analyzer, image, options, embedded };
    vec![
        case("group", bundled(), scene(640, 480, 4, (60.0, 120.0), 3), plain(), 4),
        case("tiles", bundled(), scene(1600, 1200, 12, (24.0, 28.0), 3), plain(), 1),
        case("many", bundled(), scene(1000, 700, 40, (40.0, 70.0), 4), plain(), 0),
        case("large", bundled(), close(), plain(), 1),
        case("small photo", bundled(), scene(160, 120, 1, (40.0, 50.0), 7), plain(), 1),
        case(
            "low score",
            bundled(),
            scene(640, 480, 4, (60.0, 120.0), 8),
            options(Some(0.3), 40.0, Rotate::Never),
            0,
        ),
        case(
            "turned",
            bundled(),
            scene(480, 360, 3, (60.0, 110.0), 5).rotate90(1),
            options(None, 20.0, Rotate::Auto),
            1,
        ),
        case(
            "small pair",
            load(|builder| {
                builder.detector(Model::small_detector().unwrap()).embedder(Model::small_embedder().unwrap())
            }),
            scene(640, 480, 4, (60.0, 120.0), 3),
            plain(),
            2,
        ),
        case(
            "refined by itself",
            load(|builder| builder.detector(without_refinement())),
            scene(640, 480, 4, (60.0, 120.0), 3),
            plain(),
            0,
        ),
        case(
            "no mirror",
            load(|builder| builder.mirror(false)),
            scene(320, 240, 1, (80.0, 90.0), 4),
            plain(),
            1,
        ),
    ]
}

/// Score, box, landmarks; then, where the face is embedded, quality, yaw, pitch, roll and the template.
fn numbers(case: &Case, index: usize, detection: &Detection) -> Vec<f32> {
    let mut numbers = vec![detection.score];
    numbers.extend(detection.bbox);
    numbers.extend(detection.landmarks.iter().flatten());
    if index < case.embedded {
        let face = case.analyzer.describe(&case.image, detection.clone()).unwrap();
        numbers.extend([face.quality, face.pose.yaw, face.pose.pitch, face.pose.roll]);
        numbers.extend(face.template.vector());
    }
    numbers
}

/// Each face's case and numbers.
fn faces(runtime: Runtime) -> Vec<(String, Vec<f32>)> {
    let mut faces = Vec::new();
    for case in cases(runtime) {
        let found = case.analyzer.detect(&case.image, &case.options).unwrap();
        assert!(!found.is_empty(), "{}: nothing found", case.name);
        for (index, detection) in found.iter().enumerate() {
            faces.push((case.name.replace(' ', "-"), numbers(&case, index, detection)));
        }
    }
    faces
}

/// How far numbers may lie apart: score, box and landmarks (by their size, if that is above 1), quality, angles in
/// degrees, and each value of a template.
struct Tolerance {
    place: f32,
    quality: f32,
    angle: f32,
    template: f32,
}

fn compare(faces: &[(String, Vec<f32>)], tolerance: &Tolerance) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/faces.txt");
    let golden = std::fs::read_to_string(golden).unwrap();
    assert_eq!(faces.len(), golden.lines().count(), "faces");
    let mut bad = Vec::new();
    let mut worst = [0f32; 4];
    for (line, (name, numbers)) in golden.lines().zip(faces) {
        let (golden_name, golden) = line.split_once(' ').unwrap();
        let golden: Vec<f32> = golden.split(' ').map(|v| v.parse().unwrap()).collect();
        assert_eq!((golden_name, golden.len()), (name.as_str(), numbers.len()));
        for (position, (new, old)) in numbers.iter().zip(&golden).enumerate() {
            let (kind, most) = match position {
                0..15 => (0, tolerance.place * old.abs().max(1.0)),
                15 => (1, tolerance.quality),
                16..19 => (2, tolerance.angle),
                _ => (3, tolerance.template),
            };
            worst[kind] =
                worst[kind].max((new - old).abs() / if kind == 0 { old.abs().max(1.0) } else { 1.0 });
            if (new - old).abs() > most {
                bad.push(format!("{name}: number {position} is {new}, not {old}"));
            }
        }
    }
    println!("largest differences (place, quality, angle, template): {worst:?}");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn the_same_runtime_gives_the_same_faces() {
    let faces = faces(Runtime::Rten);
    if let Some(path) = std::env::var_os("PHIZ_WRITE_GOLDEN") {
        let text = faces.iter().map(|(name, numbers)| {
            let numbers: Vec<String> = numbers.iter().map(|v| format!("{v:?}")).collect();
            format!("{name} {}\n", numbers.join(" "))
        });
        std::fs::write(path, text.collect::<String>()).unwrap();
        return;
    }
    compare(&faces, &Tolerance { place: 1e-5, quality: 1e-5, angle: 1e-4, template: 1e-6 });
}

#[test]
fn the_runtime_that_is_chosen_unless_set_gives_the_same_faces_but_for_rounding() {
    compare(&faces(Runtime::Auto), &Tolerance { place: 1e-4, quality: 1e-3, angle: 1e-2, template: 1e-3 });
}
