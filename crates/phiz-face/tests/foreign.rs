//! Other people's networks: what their cards say is done, or refused when they are loaded.
//!
//! The detectors here are made for the test. They take red squares for faces: one cell of a map is as sure as its part of
//! the picture is red. So it is known what must be found, and where.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_face::{DetectOptions, Detection, Detector, Embedder, FaceError, LoadOptions, Model, Plan, Rotate};
use phiz_image::Image;
use phiz_net::card::Card;
use phiz_onnx::write::{Axis, GraphWriter, ints};

const STRIDES: [usize; 3] = [8, 16, 32];

/// How a network made here differs from YuNet's: the size of its input (none: any), and whether its outputs are YuNet's.
#[derive(Clone, Copy)]
struct Made {
    fixed: Option<(usize, usize)>,
    batch: Option<usize>,
    channels: usize,
    whole: bool,
}

const YUNET: Made = Made { fixed: Some((640, 480)), batch: Some(1), channels: 3, whole: true };

/// A network with YuNet's twelve outputs. Channels are blue, green, red, from 0 to 255.
fn made(Made { fixed, batch, channels, whole }: Made) -> Vec<u8> {
    let mut graph = GraphWriter::new("red squares");
    let side = |name, size: Option<usize>| size.map_or(Axis::Named(name), Axis::Fixed);
    let (w, h) = (fixed.map(|f| f.0), fixed.map(|f| f.1));
    let batch = side("batch", batch);
    graph.input("image", &[batch, Axis::Fixed(channels), side("height", h), side("width", w)]);
    for s in STRIDES {
        let attributes = |graph: &mut GraphWriter,
                          name: &str,
                          out: usize,
                          weights: Vec<f32>,
                          bias: Vec<f32>| {
            let (weight, offset) = (format!("{name}.weight"), format!("{name}.bias"));
            graph.floats(&weight, &[out, channels, s, s], &weights);
            graph.floats(&offset, &[out], &bias);
            let side = s as i64;
            let shape = [ints("kernel_shape", &[side, side]), ints("strides", &[side, side])];
            graph.node("Conv", &["image", weight.as_str(), offset.as_str()], &format!("{name}.map"), &shape);
            graph.node("Transpose", &[format!("{name}.map")], name, &[ints("perm", &[0, 2, 3, 1])]);
            graph.output(name, &[batch, Axis::Named("rows"), Axis::Named("columns"), Axis::Fixed(out)]);
        };
        // The mean of red minus green and blue.
        let share = 1.0 / (255.0 * (s * s) as f32);
        let red: Vec<f32> =
            (0..channels * s * s).map(|i| if i / (s * s) == 2 { share } else { -share }).collect();
        let nothing = |out: usize| vec![0.0; out * channels * s * s];
        attributes(&mut graph, &format!("cls_{s}"), 1, red.clone(), vec![0.0]);
        attributes(&mut graph, &format!("obj_{s}"), 1, red, vec![0.0]);
        if whole {
            // In the middle of the cell, as large as the cell.
            attributes(&mut graph, &format!("bbox_{s}"), 4, nothing(4), vec![0.5, 0.5, 0.0, 0.0]);
            attributes(&mut graph, &format!("kps_{s}"), 10, nothing(10), vec![0.5; 10]);
        }
    }
    // YuNet's outputs stand kind by kind.
    graph.finish("test")
}

fn card(width: u32, height: u32, more: &str) -> Card {
    let text = format!(
        "name='red squares'\nfile='a.onnx'\nlicence='MIT'\n[input]\nwidth={width}\nheight={height}\norder='bgr'\n\
         mean=[0,0,0]\nstd=[1,1,1]\n[output]\ndecode='yunet'\nscore=0.9\niou=0.3\n{more}"
    );
    Card::from_toml(&text).unwrap()
}

fn load(card: Card, onnx: Vec<u8>) -> Result<Detector, FaceError> {
    Detector::load(&Model::new(card, onnx, None)?, &LoadOptions::default())
}

/// A black photo with red squares `[x, y, side]`.
fn photo(width: u32, height: u32, squares: &[[u32; 3]]) -> Image {
    let mut pixels = vec![0u8; (width * height * 3) as usize];
    for &[left, top, side] in squares {
        for y in top..top + side {
            for x in left..left + side {
                pixels[((y * width + x) * 3) as usize] = 255;
            }
        }
    }
    Image::from_rgb(width, height, pixels).unwrap()
}

/// Squares that no detection shows, and detections that lie in no square. A cell may be a tenth black.
fn faults(found: &[Detection], squares: &[[u32; 3]]) -> Vec<String> {
    let within = |d: &Detection, square: &[u32; 3]| {
        let [left, top, side] = square.map(|v| v as f32);
        let [x, y, w, h] = d.bbox;
        let along = |start: f32, length: f32, from: f32| (start + length).min(from + side) - start.max(from);
        along(x, w, left).max(0.0) * along(y, h, top).max(0.0) > 0.85 * w * h
    };
    let missed = squares.iter().filter(|square| !found.iter().any(|d| within(d, square)));
    let missed = missed.map(|square| format!("{square:?} is missed"));
    let nowhere = found.iter().filter(|d| !squares.iter().any(|square| within(d, square)));
    missed.chain(nowhere.map(|d| format!("nothing at {:?}", d.bbox))).collect()
}

#[test]
fn a_detector_of_one_size_is_fed_that_size() {
    let detector = load(card(640, 480, ""), made(YUNET)).unwrap();
    let mut bad = Vec::new();
    for (width, height, squares) in [
        (640, 480, vec![[64, 64, 32], [320, 160, 64]]),
        // Wider, higher, smaller and larger than the input.
        (1280, 480, vec![[128, 128, 64], [1152, 192, 64]]),
        (480, 1280, vec![[256, 1152, 128], [64, 64, 128]]),
        (100, 80, vec![[32, 32, 32]]),
        (3000, 2000, vec![[512, 512, 160], [2600, 1700, 192]]),
    ] {
        // Cells of the enlarged small photo are small faces.
        let small = DetectOptions::default().min_face(if width < 200 { 8.0 } else { 14.0 });
        for (rotate, plan) in [
            (Rotate::Never, Plan::Photo),
            (Rotate::Auto, Plan::Photo),
            (Rotate::Never, Plan::Single { side: 640 }),
            (Rotate::Never, Plan::Single { side: 4000 }),
        ] {
            let name = format!("{width}×{height}, {rotate:?}, {plan:?}");
            let image = photo(width, height, &squares);
            let options = small.clone().rotate(rotate).plan(plan.clone());
            let found = detector.detect(&image, &options).unwrap();
            bad.extend(faults(&found, &squares).into_iter().map(|fault| format!("{name}: {fault}")));
        }
        let boxes =
            squares.iter().map(|&[x, y, side]| [x as f32, y as f32, side as f32, side as f32]).collect();
        let region = small.clone().plan(Plan::Region { boxes, reach: 0.75 });
        let found = detector.detect(&photo(width, height, &squares), &region).unwrap();
        bad.extend(
            faults(&found, &squares).into_iter().map(|fault| format!("{width}×{height}, region: {fault}")),
        );
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    // Small squares in a large photo need tiles, which are of that size, too.
    let squares = [[1200, 900, 24], [96, 240, 24], [1800, 1000, 24]];
    let found =
        detector.detect(&photo(1920, 1080, &squares), &DetectOptions::default().min_face(7.0)).unwrap();
    assert_eq!(faults(&found, &squares), Vec::<String>::new());
}

#[test]
fn a_picture_larger_than_the_only_size_is_not_cut_off() {
    let detector = load(card(640, 480, ""), made(YUNET)).unwrap();
    let seen = detector.infer(&photo(320, 240, &[[32, 32, 32]]), 0.9).unwrap();
    assert!(!seen.is_empty());
    let error = detector.infer(&photo(641, 100, &[]), 0.9).unwrap_err();
    assert!(matches!(error, FaceError::TooLarge { got: (641, 100), takes: (640, 480) }), "{error}");
}

#[test]
fn cards_that_do_not_fit_the_network_are_refused_when_loaded() {
    let open = Made { fixed: None, batch: None, ..YUNET };
    for (name, card, network, says) in [
        ("any size for a fixed network", card(0, 0, ""), YUNET, "640×480"),
        ("another width", card(320, 480, ""), YUNET, "640×480"),
        ("another height", card(640, 640, ""), YUNET, "640×480"),
        ("four channels", card(0, 0, ""), Made { channels: 4, ..open }, "4 channels"),
        ("two pictures at once", card(640, 480, ""), Made { batch: Some(2), ..YUNET }, "2 pictures at once"),
        ("half the outputs", card(0, 0, ""), Made { whole: false, ..open }, "output"),
    ] {
        let Err(error) = load(card, made(network)) else { panic!("{name} is loaded") };
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(error.to_string().contains("red squares"), "{name}: {error}");
    }
    for decode in ["phiz", "scrfd"] {
        let mut other = card(640, 480, "");
        other.output.decode =
            if decode == "phiz" { phiz_net::card::Decode::Phiz } else { phiz_net::card::Decode::Scrfd };
        let Err(error) = load(other, made(YUNET)) else { panic!("{decode} is loaded") };
        assert!(error.to_string().contains("output"), "{decode}: {error}");
    }
    let embedder = Model::bundled_embedder().unwrap();
    let error = Detector::load(&embedder, &LoadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("no detector"), "{error}");
    let detector = Model::bundled_detector().unwrap();
    let error = Embedder::load(&detector, &LoadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("no embedder"), "{error}");
    // The network of the refinement stage is one, and is there if the card names one.
    let text = phiz_net::bundled::DETECTOR.0;
    let card = Card::from_toml(text).unwrap();
    let onnx = || phiz_net::bundled::DETECTOR.1.to_vec();
    assert!(Model::new(card.clone(), onnx(), None).is_err());
    let wrong = Model::new(card, onnx(), Some(onnx())).unwrap();
    let error = Detector::load(&wrong, &LoadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("second network"), "{error}");
}

#[test]
fn each_field_of_a_detectors_card_is_used() {
    let image = photo(640, 480, &[[64, 64, 32], [320, 160, 64]]);
    let open = made(Made { fixed: None, batch: None, ..YUNET });
    let found =
        |card: Card| load(card, open.clone()).unwrap().detect(&image, &DetectOptions::default()).unwrap();
    let usual = found(card(0, 0, ""));
    assert!(!usual.is_empty());

    // Order: with red first, blue squares would be faces.
    let mut other = card(0, 0, "");
    other.input.order = phiz_net::card::Order::Rgb;
    assert_eq!(found(other), []);
    // Mean and std: half the red is left.
    for (mean, std, score, any) in [
        ([0.0; 3], [1.0, 1.0, 2.0], 0.45, true),
        ([0.0; 3], [1.0, 1.0, 2.0], 0.55, false),
        ([0.0, 0.0, 127.5], [1.0; 3], 0.45, true),
        ([0.0, 0.0, 127.5], [1.0; 3], 0.55, false),
    ] {
        let mut other = card(0, 0, "");
        (other.input.mean, other.input.std, other.output.score) = (mean, std, score);
        assert_eq!(!found(other).is_empty(), any, "{mean:?} {std:?} {score}");
    }
    // Width and height: what the network is fed.
    let fixed = Made { fixed: None, batch: None, ..YUNET };
    assert_eq!(
        faults(
            &load(card(320, 256, ""), made(fixed))
                .unwrap()
                .detect(&image, &DetectOptions::default())
                .unwrap(),
            &[[64, 64, 32], [320, 160, 64]]
        ),
        Vec::<String>::new()
    );
    // Overlap: at 1 nothing is dropped for overlapping, only as a part of a face.
    let mut other = card(0, 0, "");
    other.output.iou = 0.0;
    let fewer = found(other.clone());
    other.output.iou = 1.0;
    assert!(fewer.len() < found(other).len());
    // The hysteresis threshold: a paler square beside a red one.
    let mut pale = image.clone();
    for y in 160..224usize {
        for x in 320..384usize {
            pale.pixels_mut()[(y * 640 + x) * 3] = 204;
        }
    }
    let beside = |more: &str| {
        let detector = load(card(0, 0, more), open.clone()).unwrap();
        detector.detect(&pale, &DetectOptions::default()).unwrap().iter().any(|d| d.bbox[0] > 300.0)
    };
    assert!(!beside("") && beside("hysteresis=0.7") && beside("beside=0.7"));
}

/// An embedder whose output says nothing of its shape, and which takes one picture at a time though its input does not
/// say so.
fn one_at_a_time() -> Vec<u8> {
    let mut graph = GraphWriter::new("one at a time");
    graph.input("image", &[Axis::Named("batch"), Axis::Fixed(3), Axis::Fixed(112), Axis::Fixed(112)]);
    graph.floats(
        "weight",
        &[4, 3, 56, 56],
        &(0..4 * 3 * 56 * 56).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect::<Vec<_>>(),
    );
    graph.node(
        "Conv",
        &["image", "weight"],
        "map",
        &[ints("kernel_shape", &[56, 56]), ints("strides", &[56, 56])],
    );
    graph.node("Flatten", &["map"], "flat", &[phiz_onnx::write::int("axis", 0)]);
    graph.output("flat", &[Axis::Named("one"), Axis::Named("numbers")]);
    graph.finish("test")
}

#[test]
fn an_embedder_that_tells_no_size_and_takes_one_picture_works() {
    let card = Card::from_toml(
        "name='one'\nfile='a.onnx'\nlicence='MIT'\n[input]\nwidth=112\nheight=112\norder='rgb'\n\
         mean=[127.5,127.5,127.5]\nstd=[127.5,127.5,127.5]\n[output]\ndecode='arcface'\n\
         [thresholds]\nquantiles=[[0.1,0.2],[0.01,0.3]]\n",
    )
    .unwrap();
    let model = Model::new(card, one_at_a_time(), None).unwrap();
    let embedder = Embedder::load(&model, &LoadOptions::default()).unwrap();
    assert_eq!(embedder.dim(), 16);
    assert!((embedder.thresholds().unwrap().similarity_at(0.01) - 0.3).abs() < 1e-9);
    assert_eq!(embedder.model_id(), &model.id());
    let face = |seed: u32| {
        let pixels = (0..112 * 112 * 3u32).map(|i| (i.wrapping_mul(seed * 2 + 1) >> 3) as u8).collect();
        Image::from_rgb(112, 112, pixels).unwrap()
    };
    let faces: Vec<Image> = (1..=3).map(face).collect();
    let together = embedder.embed(&faces).unwrap();
    for (face, template) in faces.iter().zip(&together) {
        assert_eq!(&embedder.embed_one(face).unwrap(), template);
        assert_eq!(template.vector().len(), 16);
    }
    assert_ne!(together[0], together[1]);
}
