//! Finding faces in scenes whose truth is known: large, small, many and turned ones, all found and none twice.
//!
//! The people are synthetic, so this says that the looks, their merging and the way back to the photo's coordinates are
//! right, not how accurate the detector is on people. With `PHIZ_TEST_DETECTOR` set to a model card the same tests run
//! with that detector.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_face::{DetectOptions, Detection, Engine, Model, Rotate, iou};
use phiz_image::Image;
use phiz_synth::{FaceModel, Scene, SceneOptions, Truth};

fn engine() -> Engine {
    let mut builder = Engine::builder();
    if let Some(card) = std::env::var_os("PHIZ_TEST_DETECTOR") {
        builder = builder.detector(Model::open(card.as_ref()).unwrap());
    }
    builder.build().unwrap()
}

fn scene(width: u32, height: u32, people: u64, face_height: (f32, f32), seed: u64) -> Scene {
    let options = SceneOptions {
        width,
        height,
        people: (1..=people).collect(),
        face_height,
        ..SceneOptions::default()
    };
    Scene::compose(FaceModel::bundled(), &options, seed).unwrap()
}

/// What is wrong with the detections of a scene: faces missed, found twice, or found where nobody is.
fn faults(found: &[Detection], truth: &[Truth]) -> Vec<String> {
    let mut faults = Vec::new();
    for face in truth {
        let hits = found.iter().filter(|d| iou(&d.bbox, &face.bbox) >= 0.4).count();
        if hits != 1 {
            faults.push(format!("{:?} found {hits} times", face.bbox.map(f32::round)));
        }
    }
    for d in found {
        if truth.iter().all(|face| iou(&d.bbox, &face.bbox) < 0.4) {
            faults.push(format!("nobody at {:?}, score {:.2}", d.bbox.map(f32::round), d.score));
        }
    }
    faults
}

fn report(bad: &[String]) {
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn check(name: &str, engine: &Engine, scene: &Scene, options: &DetectOptions, bad: &mut Vec<String>) {
    let found = engine.detect(&scene.image, options).unwrap();
    bad.extend(faults(&found, &scene.faces).into_iter().map(|fault| format!("{name}: {fault}")));
}

#[test]
fn faces_that_fill_the_photo_are_found_once() {
    let engine = engine();
    let mut bad = Vec::new();
    for (i, side) in [120u32, 300, 640, 1500].into_iter().enumerate() {
        for person in 1..=2u64 {
            // The head reaches beyond the photo: 90 % of its height is face.
            let whole =
                scene(2 * side, 2 * side, 1, (0.9 * side as f32, 0.9 * side as f32), 10 * i as u64 + person);
            let [x, y, w, h] = whole.faces[0].bbox;
            let corner = |start: f32, length: f32| (start + 0.5 * length - 0.5 * side as f32).max(0.0) as u32;
            let (left, top) = (corner(x, w), corner(y, h));
            let image = whole.image.crop(left, top, side, side).unwrap();
            let mut truth = whole.faces.clone();
            (truth[0].bbox[0], truth[0].bbox[1]) = (x - left as f32, y - top as f32);
            let found = engine.detect(&image, &DetectOptions::default()).unwrap();
            bad.extend(
                faults(&found, &truth).into_iter().map(|fault| format!("{side} pixels, {person}: {fault}")),
            );
        }
    }
    report(&bad);
}

#[test]
fn small_faces_are_found() {
    let engine = engine();
    let mut bad = Vec::new();
    // Faces are narrower than high: at 24 pixels of height the smallest are just over `min_face`.
    for (width, height, people, seed) in [(320, 240, 3, 1), (640, 480, 6, 2), (1600, 1200, 12, 3)] {
        let scene = scene(width, height, people, (24.0, 28.0), seed);
        check(&format!("{width}×{height}"), &engine, &scene, &DetectOptions::default(), &mut bad);
    }
    report(&bad);
}

#[test]
fn a_hundred_faces_are_found_each_once() {
    let mut bad = Vec::new();
    let scene = scene(1800, 1200, 100, (48.0, 80.0), 4);
    check("a hundred", &engine(), &scene, &DetectOptions::default(), &mut bad);
    report(&bad);
}

#[test]
fn photos_on_their_side_are_found_with_rotation() {
    let engine = engine();
    let upright = scene(480, 360, 3, (60.0, 110.0), 5);
    let options = DetectOptions { rotate: Rotate::Auto, ..DetectOptions::default() };
    let mut bad = Vec::new();
    for turns in 0..4u8 {
        let image = upright.image.rotate90(turns);
        let (w, h) = (480.0, 360.0);
        let turn = |[x, y]: [f32; 2]| match turns {
            0 => [x, y],
            1 => [h - y, x],
            2 => [w - x, h - y],
            _ => [y, w - x],
        };
        let truth: Vec<Truth> = upright
            .faces
            .iter()
            .map(|face| {
                let [x, y, w, h] = face.bbox;
                let (a, b) = (turn([x, y]), turn([x + w, y + h]));
                let bbox = [a[0].min(b[0]), a[1].min(b[1]), (a[0] - b[0]).abs(), (a[1] - b[1]).abs()];
                Truth { bbox, landmarks: face.landmarks.map(turn), ..face.clone() }
            })
            .collect();
        let found = engine.detect(&image, &options).unwrap();
        bad.extend(faults(&found, &truth).into_iter().map(|fault| format!("{turns} turns: {fault}")));
        for d in &found {
            let Some(face) = truth.iter().find(|face| iou(&d.bbox, &face.bbox) >= 0.4) else { continue };
            // The person's right eye is the first, however the photo lies.
            let apart = |i: usize| {
                let ([x, y], [u, v]) = (d.landmarks[i], face.landmarks[i]);
                (x - u).hypot(y - v)
            };
            let eyes = (face.landmarks[0][0] - face.landmarks[1][0])
                .hypot(face.landmarks[0][1] - face.landmarks[1][1]);
            if apart(0) > 0.4 * eyes || apart(1) > 0.4 * eyes {
                bad.push(format!(
                    "{turns} turns: eyes at {:?}, not {:?}",
                    &d.landmarks[..2],
                    &face.landmarks[..2]
                ));
            }
        }
    }
    report(&bad);
}

#[test]
fn nobody_is_found_where_nobody_is() {
    let engine = engine();
    let mut bad = Vec::new();
    for seed in 0..6 {
        check(
            &format!("seed {seed}"),
            &engine,
            &scene(480, 360, 0, (40.0, 60.0), seed),
            &DetectOptions::default(),
            &mut bad,
        );
    }
    report(&bad);
}

#[test]
fn a_batch_is_its_photos_one_by_one() {
    let engine = engine();
    let mut images: Vec<Image> =
        (0..5).map(|seed| scene(320, 240, seed % 3, (50.0, 90.0), seed).image).collect();
    images.push(Image::from_rgb(1, 1, vec![0; 3]).unwrap());
    let options = DetectOptions::default();
    let alone: Vec<_> = images.iter().map(|image| engine.analyze_with(image, &options).unwrap()).collect();
    for threads in [0, 1, 3, 64] {
        let batch = engine.analyze_batch(&images, &options, threads);
        let batch: Vec<_> = batch.into_iter().map(|faces| faces.unwrap()).collect();
        assert_eq!(batch, alone, "{threads} threads");
    }
    assert!(engine.analyze_batch(&[], &options, 4).is_empty());
}

#[test]
fn beside_a_sure_face_less_is_enough() {
    let image = scene(640, 480, 4, (60.0, 120.0), 3).image;
    let least = DetectOptions { score: Some(0.3), ..DetectOptions::default() };
    let mut scores: Vec<f32> =
        Engine::new().unwrap().detect(&image, &least).unwrap().iter().map(|d| d.score).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    assert_eq!(scores.len(), 4);
    let between = (scores[0] + scores[1]) / 2.0;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("phiz-detect.onnx"), phiz_net::bundled::DETECTOR.1).unwrap();
    std::fs::write(at("phiz-second.onnx"), phiz_net::bundled::SECOND).unwrap();
    let found = |score: f32, options: &DetectOptions| {
        let mut card: Vec<String> = phiz_net::bundled::DETECTOR.0.lines().map(str::to_owned).collect();
        for line in &mut card {
            if line.starts_with("score = ") {
                *line = format!("score = {score}");
            } else if line.starts_with("beside = ") {
                *line = "beside = 0.3".into();
            }
        }
        std::fs::write(at("card.toml"), card.join("\n")).unwrap();
        let model = Model::open(&at("card.toml")).unwrap();
        Engine::builder().detector(model).build().unwrap().detect(&image, options).unwrap().len()
    };
    let options = DetectOptions::default();
    assert_eq!((found(between, &options), found(scores[0] + 1e-3, &options)), (4, 0));
    // Whoever asks for a score gets faces of that score.
    assert_eq!(found(0.5, &DetectOptions { score: Some(between), ..options }), 1);
}

#[test]
fn a_face_and_its_mirror_image_have_one_template() {
    let (both, once) = (engine(), Engine::builder().mirror(false).build().unwrap());
    let image = scene(320, 240, 1, (80.0, 90.0), 4).image;
    let face = both.detect(&image, &DetectOptions::default()).unwrap().remove(0);
    let (aligned, mirrored) = (both.align(&image, &face), both.align(&image, &face).mirrored());
    let [own, other] = [&aligned, &mirrored].map(|picture| once.embed_aligned(picture).unwrap());
    assert_ne!(own, other);
    let template = both.embed_aligned(&aligned).unwrap();
    assert_eq!(template, both.embed_aligned(&mirrored).unwrap());
    // Halfway between the two, and comparable with either.
    let [to_own, to_other] = [&own, &other].map(|one| template.similarity(one).unwrap());
    let apart = own.similarity(&other).unwrap();
    assert!((to_own - to_other).abs() < 1e-5 && (to_own - ((1.0 + apart) / 2.0).sqrt()).abs() < 1e-5);
    assert_eq!(both.describe(&image, face).unwrap().template, template);
}

#[test]
fn pictures_of_any_size_are_looked_at() {
    let engine = engine();
    for (w, h) in [(1, 1), (1, 900), (900, 1), (31, 33), (7, 5)] {
        let image = Image::from_rgb(w, h, vec![128; (w * h * 3) as usize]).unwrap();
        for rotate in [Rotate::Never, Rotate::Auto] {
            let faces = engine.detect(&image, &DetectOptions { rotate, ..DetectOptions::default() }).unwrap();
            assert!(faces.is_empty(), "{w}×{h}: {faces:?}");
        }
    }
}
