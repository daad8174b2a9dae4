//! Finding faces in scenes whose truth is known: large, small, many and turned ones, all found and none twice.
//!
//! The people are synthetic, so this says that the looks, their merging and the way back to the photo's coordinates are
//! right, not how accurate the detector is on people. With `PHIZ_TEST_DETECTOR` set to a model card the same tests run
//! with that detector.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_face::{
    ALIGNED_SIZE, Analyzer, DetectOptions, Detection, Detector, Embedder, FaceError, LoadOptions, Model,
    Plan, Precision, Rotate, UNSURE_SCORE, align, iou,
};
use phiz_image::{Image, ImageView, PixelFormat};
use phiz_synth::{FaceModel, Scene, SceneOptions, Truth};

fn detector() -> Detector {
    let model = match std::env::var_os("PHIZ_TEST_DETECTOR") {
        Some(card) => Model::open(card.as_ref()).unwrap(),
        None => Model::bundled_detector().unwrap(),
    };
    Detector::load(&model, &LoadOptions::default()).unwrap()
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

fn check(name: &str, detector: &Detector, scene: &Scene, options: &DetectOptions, bad: &mut Vec<String>) {
    let found = detector.detect(&scene.image, options).unwrap();
    bad.extend(faults(&found, &scene.faces).into_iter().map(|fault| format!("{name}: {fault}")));
}

#[test]
fn faces_that_fill_the_photo_are_found_once() {
    let detector = detector();
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
            let found = detector.detect(&image, &DetectOptions::default()).unwrap();
            bad.extend(
                faults(&found, &truth).into_iter().map(|fault| format!("{side} pixels, {person}: {fault}")),
            );
        }
    }
    report(&bad);
}

#[test]
fn small_faces_are_found() {
    let detector = detector();
    let mut bad = Vec::new();
    // Faces are narrower than high: at 24 pixels of height the smallest are just over `min_face`.
    for (width, height, people, seed) in [(320, 240, 3, 1), (640, 480, 6, 2), (1600, 1200, 12, 3)] {
        let scene = scene(width, height, people, (24.0, 28.0), seed);
        check(&format!("{width}×{height}"), &detector, &scene, &DetectOptions::default(), &mut bad);
    }
    report(&bad);
}

#[test]
fn a_hundred_faces_are_found_each_once() {
    let mut bad = Vec::new();
    let scene = scene(1800, 1200, 100, (48.0, 80.0), 4);
    check("a hundred", &detector(), &scene, &DetectOptions::default(), &mut bad);
    report(&bad);
}

#[test]
fn photos_on_their_side_are_found_with_rotation() {
    let detector = detector();
    let upright = scene(480, 360, 3, (60.0, 110.0), 5);
    let options = DetectOptions::default().rotate(Rotate::Auto);
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
        let found = detector.detect(&image, &options).unwrap();
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
    let detector = detector();
    let mut bad = Vec::new();
    for seed in 0..6 {
        check(
            &format!("seed {seed}"),
            &detector,
            &scene(480, 360, 0, (40.0, 60.0), seed),
            &DetectOptions::default(),
            &mut bad,
        );
    }
    report(&bad);
}

#[test]
fn beside_a_sure_face_less_is_enough() {
    let image = scene(640, 480, 4, (60.0, 120.0), 3).image;
    let bundled = Detector::bundled().unwrap();
    let mut scores: Vec<f32> = bundled
        .detect(&image, &DetectOptions::default().score(0.3))
        .unwrap()
        .iter()
        .map(|d| d.score)
        .collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    assert_eq!(scores.len(), 4);
    let between = (scores[0] + scores[1]) / 2.0;

    let found = |score: f32, options: &DetectOptions| {
        with_card(|card| {
            card.output.score = score;
            card.output.hysteresis = Some(0.3);
        })
        .detect(&image, options)
        .unwrap()
        .len()
    };
    let options = DetectOptions::default();
    assert_eq!((found(between, &options), found(scores[0] + 1e-3, &options)), (4, 0));
    // Whoever asks for a score gets faces of that score.
    assert_eq!(found(0.5, &options.score(between)), 1);
}

/// The bundled detector with a changed card.
fn with_card(change: impl FnOnce(&mut phiz_net::card::Card)) -> Detector {
    let mut card = Model::bundled_detector().unwrap().card().clone();
    change(&mut card);
    let refinement = card.refinement.is_some().then(|| phiz_net::bundled::SECOND.to_vec());
    let model = Model::new(card, phiz_net::bundled::DETECTOR.1.to_vec(), refinement).unwrap();
    Detector::load(&model, &LoadOptions::default()).unwrap()
}

#[test]
fn where_a_face_is_expected_less_is_enough() {
    let image = scene(640, 480, 3, (60.0, 120.0), 8).image;
    let options = DetectOptions::default();
    // A changed card's model is computed in f32, so the bundled one is, too.
    let exact = LoadOptions::default().precision(Precision::F32);
    let bundled = Detector::load(&Model::bundled_detector().unwrap(), &exact).unwrap();
    // Where the card's score is reached, nothing changes.
    let sure = bundled.detect_expected(&image, &options).unwrap();
    assert!(!sure.unsure);
    assert_eq!(sure.detections, bundled.detect(&image, &options).unwrap());

    let strict = |image: &Image, options: &DetectOptions| {
        let detector = with_card(|card| (card.output.score, card.output.hysteresis) = (0.999, None));
        assert_eq!(detector.detect(image, options).unwrap(), []);
        detector.detect_expected(image, options).unwrap()
    };
    for (image, options) in
        [(image.clone(), options.clone()), (image.rotate90(3), options.clone().rotate(Rotate::Auto))]
    {
        let unsure = strict(&image, &options);
        assert!(unsure.unsure);
        assert_eq!(
            unsure.detections,
            bundled.detect(&image, &options.clone().score(UNSURE_SCORE)).unwrap(),
            "those of the lower score"
        );
        assert!(unsure.detections.len() >= 3);
    }
    // Whoever names a score gets faces of that score.
    let named = strict(&image, &options.clone().score(0.999));
    assert_eq!((named.detections.len(), named.unsure), (0, false));
    // Where there is nothing, nothing is found, and nothing is unsure.
    let nobody = strict(&scene(320, 240, 0, (40.0, 60.0), 1).image, &options);
    assert_eq!((nobody.detections.len(), nobody.unsure), (0, false));
}

#[test]
fn one_size_finds_what_is_large_enough_at_that_size() {
    let mut bad = Vec::new();
    let scene = scene(1600, 1200, 5, (120.0, 220.0), 3);
    let detector = detector();
    for (side, refine) in [(640, true), (640, false), (480, true)] {
        let options = DetectOptions::default().plan(Plan::Single { side }).refine(refine).score(0.5);
        check(&format!("{side}, {refine}"), &detector, &scene, &options, &mut bad);
    }
    report(&bad);
    // At 64 pixels the faces have 5 to 9 pixels.
    let small = DetectOptions::default().plan(Plan::Single { side: 64 });
    assert_eq!(detector.detect(&scene.image, &small).unwrap(), []);
}

#[test]
fn a_region_is_where_faces_are_found() {
    let detector = detector();
    for (turns, rotate) in [(0u8, Rotate::Never), (0, Rotate::Auto)] {
        let scene = scene(1600, 1200, 6, (40.0, 240.0), 3);
        let image = scene.image.rotate90(turns);
        let moved = |bbox: &[f32; 4], share: f32| {
            let [x, y, w, h] = *bbox;
            [x + share * w, y - share * h, w * 1.2, h * 0.8]
        };
        let (asked, others) = scene.faces.split_at(3);
        let boxes: Vec<[f32; 4]> = asked.iter().map(|face| moved(&face.bbox, 0.15)).collect();
        let plan = Plan::Region { boxes, reach: 0.75 };
        let found = detector.detect(&image, &DetectOptions::default().rotate(rotate).plan(plan)).unwrap();
        for face in asked {
            let hits = found.iter().filter(|d| iou(&d.bbox, &face.bbox) >= 0.4).count();
            assert_eq!(hits, 1, "{:?} in {found:?}", face.bbox);
        }
        for face in others {
            // Neighbours may be seen only where a region reaches them.
            let hits = found.iter().filter(|d| iou(&d.bbox, &face.bbox) >= 0.4).count();
            assert!(hits <= 1, "{:?} in {found:?}", face.bbox);
        }
    }
    // Nothing is looked at where nothing is asked, or where the photo does not reach.
    for boxes in [vec![], vec![[5000.0, 5000.0, 90.0, 90.0]]] {
        let image = scene(640, 480, 2, (90.0, 120.0), 3).image;
        let plan = Plan::Region { boxes, reach: 0.75 };
        assert_eq!(detector.detect(&image, &DetectOptions::default().plan(plan)).unwrap(), []);
    }
}

#[test]
fn tiles_beyond_the_budget_are_an_error_that_helps() {
    let image = Image::from_rgb(4000, 3000, vec![128; 4000 * 3000 * 3]).unwrap();
    let detector = Detector::bundled().unwrap();
    let options = DetectOptions::default().min_face(5.0).max_tiles(12);
    let error = detector.detect(&image, &options).unwrap_err();
    let FaceError::TooManyTiles { needed, allowed, min_face, fitting } = error else {
        panic!("{error}");
    };
    assert_eq!((needed, allowed, min_face), (70, 12, 5.0));
    assert!(error.to_string().contains("70 tiles"), "{error}");
    let fits = DetectOptions::default().min_face(fitting).max_tiles(12);
    assert_eq!(detector.detect(&image, &fits).unwrap(), []);
    // One size needs no tiles.
    let single = options.plan(Plan::Single { side: 640 });
    assert_eq!(detector.detect(&image, &single).unwrap(), []);
}

#[test]
fn a_face_and_its_mirror_image_have_one_template() {
    let (both, once) = (Embedder::bundled().unwrap(), Embedder::bundled().unwrap().mirror(false));
    let image = scene(320, 240, 1, (80.0, 90.0), 4).image;
    let face = detector().detect(&image, &DetectOptions::default()).unwrap().remove(0);
    let aligned = align(&image, &face);
    let mirrored = aligned.mirrored();
    let [own, other] = [&aligned, &mirrored].map(|picture| once.embed_one(picture).unwrap());
    assert_ne!(own, other);
    let template = both.embed_one(&aligned).unwrap();
    // Each value is a sum of the same two, whichever comes first; a batch may be computed in another order.
    let again = both.embed_one(&mirrored).unwrap();
    assert!(template.vector().iter().zip(again.vector()).all(|(a, b)| (a - b).abs() < 1e-6));
    // Halfway between the two, and comparable with either.
    let [to_own, to_other] = [&own, &other].map(|one| template.similarity(one).unwrap());
    let apart = own.similarity(&other).unwrap();
    assert!((to_own - to_other).abs() < 1e-5 && (to_own - ((1.0 + apart) / 2.0).sqrt()).abs() < 1e-5);
}

#[test]
fn a_borrowed_frame_shows_the_same_faces_without_a_copy() {
    let analyzer = Analyzer::new().unwrap();
    let image = scene(640, 480, 3, (60.0, 110.0), 6).image;
    // As a video decoder gives it: blue first, a fourth byte, rows that end in a filling.
    let stride = 640 * 4 + 64;
    let mut frame = vec![99; stride * 480];
    for (row, line) in frame.chunks_exact_mut(stride).zip(image.pixels().chunks_exact(640 * 3)) {
        for (to, from) in row.chunks_exact_mut(4).zip(line.chunks_exact(3)) {
            to[..3].copy_from_slice(&[from[2], from[1], from[0]]);
        }
    }
    let view = ImageView::new(&frame, 640, 480, stride, PixelFormat::Bgra).unwrap();
    for rotate in [Rotate::Never, Rotate::Auto] {
        let options = DetectOptions::default().rotate(rotate);
        let faces = analyzer.analyze_with(view, &options).unwrap();
        assert_eq!(faces.len(), 3);
        assert_eq!(faces, analyzer.analyze_with(&image, &options).unwrap());
    }
}

#[test]
fn faces_embedded_together_have_the_templates_of_each_alone() {
    let analyzer = Analyzer::new().unwrap();
    let image = scene(1000, 700, 19, (40.0, 80.0), 4).image;
    let faces = analyzer.analyze(&image).unwrap();
    // More than go through the network at a time.
    assert!(faces.len() > 16, "{}", faces.len());
    assert_eq!(analyzer.embedder().embed(&[]).unwrap(), []);
    for face in &faces {
        let alone = analyzer.describe(&image, face.detection.clone()).unwrap();
        assert_eq!((alone.quality, alone.pose), (face.quality, face.pose));
        let off = alone.template.vector().iter().zip(face.template.vector()).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0f32, f32::max) < 1e-6);
        assert_eq!(face.template.vector().len(), analyzer.dim());
    }
    let wrong = Image::from_rgb(ALIGNED_SIZE, 96, vec![0; 112 * 96 * 3]).unwrap();
    let right = align(&image, &faces[0].detection);
    let error = analyzer.embedder().embed(&[right, wrong]).unwrap_err();
    assert!(matches!(error, FaceError::NotAligned(112, 96)), "{error}");
}

#[test]
fn all_three_may_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Detector>();
    shared::<Embedder>();
    shared::<Analyzer>();
    let analyzer = Analyzer::new().unwrap();
    let images: Vec<Image> = (0..3).map(|seed| scene(320, 240, 2, (50.0, 90.0), seed).image).collect();
    let alone: Vec<_> = images.iter().map(|image| analyzer.analyze(image).unwrap()).collect();
    std::thread::scope(|scope| {
        let analyzer = &analyzer;
        let spawn = |image| scope.spawn(move || analyzer.analyze(image).unwrap());
        let work: Vec<_> = images.iter().map(spawn).collect();
        let together: Vec<_> = work.into_iter().map(|work| work.join().unwrap()).collect();
        assert_eq!(together, alone);
    });
}

#[test]
fn pictures_of_any_size_are_looked_at() {
    let detector = detector();
    for (w, h) in [(1, 1), (1, 900), (900, 1), (31, 33), (7, 5)] {
        let image = Image::from_rgb(w, h, vec![128; (w * h * 3) as usize]).unwrap();
        for rotate in [Rotate::Never, Rotate::Auto] {
            let faces = detector.detect(&image, &DetectOptions::default().rotate(rotate)).unwrap();
            assert!(faces.is_empty(), "{w}×{h}: {faces:?}");
        }
    }
}
