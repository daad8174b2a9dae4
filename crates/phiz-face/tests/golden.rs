//! The faces of synthetic photos are the same as those that the build of commit a7d064d found: boxes, scores,
//! landmarks, quality, pose and templates. A change of the pipeline's shape must not change its answers.
//!
//! `golden/faces.txt` was written by this test in that commit. It has one line per face: the case, then numbers separated
//! by spaces in the order of [`numbers`]. After new weights, or a change that is meant to change answers, write it again:
//! `PHIZ_WRITE_GOLDEN=$PWD/crates/phiz-face/tests/golden/faces.txt cargo test -p phiz-face --test golden`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use phiz_face::{Analyzer, DetectOptions, Detection, Model, Rotate};
use phiz_image::Image;
use phiz_synth::{FaceModel, Scene, SceneOptions};

/// Coordinates, quality and angles may differ by this share of their size (at least of 1), scores by so much.
const SAME: f32 = 1e-5;
/// Values of a template may differ by so much.
const SAME_TEMPLATE: f32 = 1e-6;

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
fn without_second() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let (card, onnx) = phiz_net::bundled::DETECTOR;
    let card: Vec<&str> = card.lines().filter(|line| !line.starts_with("refinement")).collect();
    std::fs::write(folder.path().join("phiz-detect.onnx"), onnx).unwrap();
    let path = folder.path().join("card.toml");
    std::fs::write(&path, card.join("\n")).unwrap();
    Model::open(&path).unwrap()
}

struct Case {
    name: &'static str,
    analyzer: Analyzer,
    image: Image,
    options: DetectOptions,
    /// So many faces are embedded.
    embedded: usize,
}

fn cases() -> Vec<Case> {
    let plain = || options(None, 20.0, Rotate::Never);
    let bundled = || Analyzer::new().unwrap();
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
            Analyzer::builder()
                .detector(Model::small_detector().unwrap())
                .embedder(Model::small_embedder().unwrap())
                .build()
                .unwrap(),
            scene(640, 480, 4, (60.0, 120.0), 3),
            plain(),
            2,
        ),
        case(
            "refined by itself",
            Analyzer::builder().detector(without_second()).build().unwrap(),
            scene(640, 480, 4, (60.0, 120.0), 3),
            plain(),
            0,
        ),
        case(
            "no mirror",
            Analyzer::builder().mirror(false).build().unwrap(),
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

#[test]
fn faces_are_those_of_a7d064d() {
    let mut lines: Vec<(String, Vec<f32>)> = Vec::new();
    for case in cases() {
        let found = case.analyzer.detect(&case.image, &case.options).unwrap();
        assert!(!found.is_empty(), "{}: nothing found", case.name);
        for (index, detection) in found.iter().enumerate() {
            lines.push((case.name.replace(' ', "-"), numbers(&case, index, detection)));
        }
    }
    if let Some(path) = std::env::var_os("PHIZ_WRITE_GOLDEN") {
        let text: Vec<String> = lines
            .iter()
            .map(|(name, numbers)| {
                let numbers: Vec<String> = numbers.iter().map(|v| format!("{v:?}")).collect();
                format!("{name} {}\n", numbers.join(" "))
            })
            .collect();
        std::fs::write(path, text.concat()).unwrap();
        return;
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/faces.txt");
    let golden = std::fs::read_to_string(golden).unwrap();
    let mut bad = Vec::new();
    let (mut off, mut off_template) = (0f32, 0f32);
    for (line, (name, numbers)) in golden.lines().zip(&lines) {
        let (golden_name, golden_numbers) = line.split_once(' ').unwrap();
        let golden: Vec<f32> = golden_numbers.split(' ').map(|v| v.parse().unwrap()).collect();
        if golden_name != name || golden.len() != numbers.len() {
            bad.push(format!(
                "{name}: {} numbers instead of {} of {golden_name}",
                numbers.len(),
                golden.len()
            ));
            continue;
        }
        for (position, (new, old)) in numbers.iter().zip(&golden).enumerate() {
            // Behind score, box, landmarks, quality and pose.
            let template = position >= 19;
            let difference = (new - old).abs() / if template { 1.0 } else { old.abs().max(1.0) };
            let worst = if template { &mut off_template } else { &mut off };
            *worst = worst.max(difference);
            if difference > if template { SAME_TEMPLATE } else { SAME } {
                bad.push(format!("{name}: number {position} is {new}, not {old}"));
            }
        }
    }
    assert_eq!(lines.len(), golden.lines().count(), "faces");
    println!("largest difference: {off:e} of a detection, {off_template:e} of a template");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
