//! `phiz data` from a folder of people who do not exist to what the trainer reads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};
use std::process::Command;

use phiz_image::{DecodeOptions, Image};
use phiz_synth::{FaceModel, Scene, SceneOptions};
use phiz_train::scenes::Scenes;
use phiz_train::shards::Faces;
use serde_json::Value;
use tempfile::TempDir;

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn save(&self, name: &str, image: &Image) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(&path).unwrap();
    }

    /// People of consecutive seeds, so many photos each: `people/P1/0.jpg`, …
    fn people(&self, count: u64, photos: u64) {
        for person in 1..=count {
            for photo in 0..photos {
                let scene = Scene::portrait(FaceModel::bundled(), person, 224, 100 * person + photo).unwrap();
                self.save(&format!("people/P{person}/{photo}.jpg"), &scene.image);
            }
        }
    }

    /// Runs and expects an exit code; standard output and error.
    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phiz"));
        let output = command.arg("data").args(arguments).current_dir(self.folder.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "phiz data {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        let out = self.run(code, &[arguments, &["--json"]].concat()).0;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_folder_of_people_becomes_shards_and_an_interrupted_preparation_goes_on() {
    let desk = Desk::new();
    desk.people(6, 3);
    std::fs::write(desk.path("people/P2/broken.jpg"), b"no picture at all").unwrap();
    let grey = Image::from_rgb(200, 200, vec![90; 120_000]).unwrap();
    desk.save("people/P2/wall.png", &grey);

    let (out, _) = desk.run(0, &["split", "people", "--out", "list.csv", "--tune", "40", "--seed", "3"]);
    assert!(out.contains("train: ") && out.contains("tune: "), "{out}");
    let prepare = ["prepare", "list.csv", "--out", "shards", "--people", "mine:", "--shard", "4"];
    let report = desk.json(1, &prepare).remove(0);
    assert_eq!(report["left_out"]["no_face"], 1, "{report}");
    assert_eq!(report["left_out"]["unknown_format"], 1, "{report}");
    let left = std::fs::read_to_string(desk.path("shards/left-out.csv")).unwrap();
    assert!(left.contains("people/P2/broken.jpg,unknown_format,"), "{left}");

    let (train, tune) = (desk.path("shards/train"), desk.path("shards/tune"));
    let (learnt, judged) = (Faces::open(&train, "train").unwrap(), Faces::open(&tune, "tune").unwrap());
    assert_eq!(learnt.len() + judged.len(), 18);
    assert!(learnt.names().iter().all(|name| name.starts_with("mine:P") && !judged.names().contains(name)));
    for faces in [&learnt, &judged] {
        for face in 0..faces.len() {
            let length: f32 = faces.template(face).iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 1e-4 && faces.person(face).is_some());
        }
    }

    // A shard without its last file was interrupted: it is made again, the others stay, all end the same.
    let before = files(&train);
    let first = before.iter().find(|(name, _)| name.ends_with("0000.done.json")).unwrap().0.clone();
    std::fs::remove_file(train.join(&first)).unwrap();
    std::fs::write(train.join(first.replace("done.json", "crops.npy")), b"half").unwrap();
    let (_, err) = desk.run(1, &prepare);
    assert!(err.contains("shards are there already"), "{err}");
    assert_eq!(files(&train), before);

    // Shards of two ways of preparing do not stand together.
    let otherwise = [&prepare[..], &["--face", "largest"]].concat();
    let (_, err) = desk.run(2, &otherwise);
    assert!(err.contains("--redo"), "{err}");
    desk.run(1, &[&otherwise[..], &["--redo"]].concat());
    assert_eq!(Faces::open(&train, "train").unwrap().len(), learnt.len());

    let (out, _) =
        desk.run(0, &["preview", "shards", "--out", "sheet.png", "--columns", "3", "--size", "64"]);
    assert!(out.contains("sheet.png"));
    assert_eq!(Image::open(&desk.path("sheet.png"), &DecodeOptions::default()).unwrap().width(), 3 * 68 + 4);
}

#[test]
fn a_quick_look_cuts_the_same_faces() {
    let desk = Desk::new();
    desk.people(4, 2);
    let prepare = ["prepare", "people", "--min-quality", "0.1"];
    let faces = |options: &[&str], out: &str| {
        desk.run(0, &[&prepare[..], options, &["--out", out]].concat());
        Faces::open(&desk.path(out).join("train"), "train").unwrap()
    };
    let careful = faces(&[], "careful");
    for detector in ["phiz-detect", "phiz-detect-small"] {
        let card = format!("{}/../../models/{detector}.toml", env!("CARGO_MANIFEST_DIR"));
        let quick = faces(&["--quick", "--detector", &card], detector);
        assert_eq!(quick.len(), careful.len());
        for face in 0..quick.len() {
            let pairs = quick.template(face).iter().zip(careful.template(face));
            let cosine: f32 = pairs.map(|(a, b)| a * b).sum();
            assert!(cosine > 0.8, "{detector}: face {face}: {cosine}");
        }
    }

    // It is another way of preparing, and it stands before the command's name as well.
    let quick = ["--quick", "prepare", "people", "--min-quality", "0.1", "--out", "phiz-detect"];
    let card = format!("{}/../../models/phiz-detect.toml", env!("CARGO_MANIFEST_DIR"));
    let (_, err) = desk.run(0, &[&quick[..], &["--detector", &card]].concat());
    assert!(err.contains("are there already"), "{err}");
    let (_, err) = desk.run(2, &["prepare", "people", "--min-quality", "0.1", "--out", "phiz-detect"]);
    assert!(err.contains("--redo"), "{err}");
    for other in ["--careful", "--aligned"] {
        for arguments in [["--quick", "prepare", "people", other], ["prepare", "people", "--quick", other]] {
            let (_, err) = desk.run(2, &[&arguments[..], &["--out", "none"]].concat());
            assert!(err.contains("--quick cannot be used with") && err.contains(other), "{err}");
        }
    }
}

#[test]
fn a_quick_look_sees_squashed_and_tight_photos_and_faces_in_boxes() {
    let desk = Desk::new();
    let portrait = Scene::portrait(FaceModel::bundled(), 3, 224, 7).unwrap();
    let [x, y, w, h] = portrait.faces[0].bbox;
    desk.save("list/squashed.png", &portrait.image.resize(224, 150));
    let tight = portrait.image.crop(x as u32, y as u32, w as u32, h as u32).unwrap();
    desk.save("list/tight.png", &tight.resize(tight.width(), tight.height()));
    // A small face in a large photo: one look at all of it misses the face, and a look around its box does not.
    let mut pixels = vec![120u8; 1600 * 1200 * 3];
    let small = portrait.image.resize(64, 64);
    for (row, line) in small.pixels().chunks_exact(64 * 3).enumerate() {
        pixels[((400 + row) * 1600 + 1000) * 3..][..64 * 3].copy_from_slice(line);
    }
    desk.save("list/small.png", &Image::from_rgb(1600, 1200, pixels).unwrap());
    let [x, y, w, h] = portrait.faces[0].bbox.map(|v| v * 64.0 / 224.0);
    let boxed = format!("small.png,{} {} {w} {h}", 1000.0 + x, 400.0 + y);
    for (list, row) in
        [("squashed", "squashed.png,"), ("tight", "tight.png,"), ("none", "small.png,"), ("boxed", &boxed)]
    {
        std::fs::write(desk.path(&format!("list/{list}.csv")), format!("path,boxes\n{row}\n")).unwrap();
    }
    for (code, list, option) in [
        (0, "squashed", &["--restore", "224:224"][..]),
        (0, "tight", &["--cropped"]),
        (2, "none", &[]),
        (0, "boxed", &[]),
        (0, "boxed", &["--face", "central", "--rotate", "auto"]),
    ] {
        let (list, out) = (format!("list/{list}.csv"), format!("{list}{}", option.len()));
        let all = ["prepare", &list, "--out", &out, "--quick", "--min-quality", "0", "--min-eyes", "4"];
        desk.run(code, &[&all[..], option].concat());
    }
}

#[test]
fn what_is_wrong_is_found_and_a_list_of_it_applied() {
    let desk = Desk::new();
    desk.people(8, 4);
    std::fs::rename(desk.path("people/P1/0.jpg"), desk.path("people/P2/strange.jpg")).unwrap();
    let open = |name: &str| Image::open(&desk.path(name), &DecodeOptions::default()).unwrap();
    // The same photo once more, smaller and with less around it; and again as somebody else's.
    let photo = open("people/P3/1.jpg");
    let smaller = photo.crop(10, 8, 200, 204).unwrap().resize(160, 163);
    desk.save("people/P3/again.jpg", &smaller);
    desk.save("people/P4/borrowed.png", &photo);
    desk.save("people/P9/only.jpg", &Scene::portrait(FaceModel::bundled(), 9, 224, 1).unwrap().image);
    std::fs::write(desk.path("people/P5/broken.jpg"), b"\xff\xd8\xff").unwrap();
    let two = SceneOptions { people: vec![11, 12], face_height: (90.0, 100.0), ..SceneOptions::default() };
    desk.save("people/P5/two.jpg", &Scene::compose(FaceModel::bundled(), &two, 4).unwrap().image);

    let found = desk.json(1, &["check", "people", "--list", "found.csv"]);
    let of = |reason: &str| -> Vec<&str> {
        found.iter().filter(|row| row["reason"] == reason).map(|row| row["path"].as_str().unwrap()).collect()
    };
    assert_eq!(of("several_faces"), ["P5/two.jpg"], "{found:?}");
    assert_eq!(of("only_photo"), ["P9/only.jpg"], "{found:?}");
    // Two looks of a person who does not exist may be nearly as alike as one photo twice.
    let twice = of("same_photo");
    let sure = |row: &&Value| row["reason"] == "same_photo" && row["sure"].as_f64() > Some(0.95);
    let surely: Vec<&Value> = found.iter().filter(sure).collect();
    assert!(surely.len() == 1 && twice.len() <= 2, "{found:?}");
    assert!([&surely[0]["path"], &surely[0]["other"]].contains(&&Value::from("P3/again.jpg")), "{found:?}");
    assert_eq!(of("same_photo_of_two_people"), ["P4/borrowed.png"], "{found:?}");
    assert!(of("wrong_name").contains(&"P2/strange.jpg"), "{found:?}");
    assert!(found.iter().any(|row| row["path"] == "P5/broken.jpg" && row["action"] == "drop"), "{found:?}");
    let strange = found.iter().find(|row| row["path"] == "P2/strange.jpg").unwrap();
    assert_eq!((strange["other"].as_str(), strange["action"].as_str()), (Some("P1"), Some("unname")));

    let report = desk.json(0, &["prepare", "people", "--out", "shards", "--apply", "found.csv"]).remove(0);
    let (dropped, faces) =
        (report["left_out"]["dropped"].as_u64(), report["splits"]["train"]["faces"].as_u64());
    let alike = twice.len() as u64 - 1;
    assert_eq!((dropped, faces), (Some(4 + alike), Some(33 - alike)), "{report}");
    let faces = Faces::open(&desk.path("shards/train"), "train").unwrap();
    assert!(
        (0..faces.len()).any(|face| faces.person(face).is_none()),
        "the strange photo stays, without a name"
    );

    let trial = &desk.json(0, &["check", "people", "--trial", "25"])[0]["trial"];
    let count = |name: &str| trial[name].as_u64().unwrap();
    assert!(count("wrong") >= 5 && 10 * count("found") >= 8 * count("wrong"), "{trial}");
    assert!(count("wrong") + count("right") > 30 && count("accused") <= 3, "{trial}");

    desk.save("others/Q/q.jpg", &photo);
    let (_, err) = desk.run(2, &["prepare", "others", "--out", "other", "--apply", "found.csv"]);
    assert!(err.contains("none of these photos"), "{err}");
}

#[test]
fn photos_become_scenes_with_boxes_and_landmarks() {
    let desk = Desk::new();
    let mut truths = Vec::new();
    let mut list = String::from("path,split,boxes,note\n");
    for seed in 0..4u64 {
        let options = SceneOptions {
            people: vec![seed, seed + 20],
            face_height: (50.0, 90.0),
            ..SceneOptions::default()
        };
        let scene = Scene::compose(FaceModel::bundled(), &options, seed).unwrap();
        desk.save(&format!("{seed}.png"), &scene.image);
        // Half of the boxes are given, half are left to the detector.
        let boxes: Vec<String> =
            scene.faces.iter().map(|f| f.bbox.map(|v| v.to_string()).join(" ")).collect();
        let boxes = if seed % 2 == 0 { boxes.join(";") } else { String::new() };
        list += &format!("{seed}.png,,{boxes},\n");
        truths.push(scene.faces);
    }
    desk.save("none.png", &Image::from_rgb(300, 200, vec![120; 180_000]).unwrap());
    list += "none.png,,,no face\n";
    std::fs::write(desk.path("list.csv"), list).unwrap();

    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/phiz-detect.toml");
    let marking = ["scenes", "list.csv", "--out", "scenes", "--candidates", card.to_str().unwrap()];
    let report = desk.json(0, &marking).remove(0);
    assert_eq!(report["splits"]["train"]["scenes"], 5, "{report}");
    let scenes = Scenes::open(&desk.path("scenes/train"), "train").unwrap();
    assert_eq!(scenes.len(), 5);
    let lines = std::fs::read_to_string(desk.path("scenes/train/scenes.jsonl")).unwrap();
    for (line, truth) in lines.lines().zip(&truths) {
        let scene: Value = serde_json::from_str(line).unwrap();
        for face in truth {
            let numbers = |v: &Value| -> Vec<f32> {
                v.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect()
            };
            let marked = scene["faces"].as_array().unwrap();
            let near = marked.iter().find(|m| {
                let b = numbers(&m["box"]);
                phiz_face::iou(&[b[0], b[1], b[2], b[3]], &face.bbox) > 0.5
            });
            let near = near.unwrap_or_else(|| panic!("{face:?} is not in {line}"));
            let points = numbers(&near["points"]);
            for (point, truth) in points.chunks_exact(2).zip(&face.landmarks) {
                let off = (point[0] - truth[0]).hypot(point[1] - truth[1]);
                assert!(off < 0.15 * face.bbox[3], "{off} pixels off: {line}");
            }
            let mut candidates = scene["candidates"].as_array().unwrap().iter().map(numbers);
            assert!(
                candidates.any(|b| phiz_face::iou(&[b[0], b[1], b[2], b[3]], &face.bbox) > 0.5),
                "{line}"
            );
        }
    }
    // The same again has nothing to do; another way of marking is refused.
    let (_, err) = desk.run(0, &marking);
    assert!(err.contains("5 of 5 photos are there already"), "{err}");
    let (_, err) = desk.run(2, &[&marking[..], &["--side", "320"]].concat());
    assert!(err.contains("--redo"), "{err}");
    desk.run(0, &["preview", "scenes", "--out", "sheet.png", "--columns", "2", "--size", "160"]);

    let (out, _) =
        desk.run(0, &["composites", "scenes/train", "--out", "composites", "--count", "4", "--seed", "3"]);
    assert!(out.contains("4 pictures"), "{out}");
    let list = std::fs::read_to_string(desk.path("composites/composites.csv")).unwrap();
    let (header, rows) = list.split_once('\n').unwrap();
    assert_eq!(header, "path,split,boxes");
    let mut boxes = 0;
    for row in rows.lines() {
        let [name, split, faces] = row.splitn(3, ',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        assert_eq!(split, "train");
        let picture = desk.path("composites").join(name);
        Image::open(&picture, &DecodeOptions::default()).unwrap();
        boxes += faces.split(';').count();
    }
    assert!(rows.lines().count() == 4 && boxes > 4, "{list}");
}

#[test]
fn bad_photos_are_made_of_good_ones() {
    let desk = Desk::new();
    desk.people(1, 2);
    desk.save("people/P1/none.jpg", &Image::from_rgb(64, 64, vec![90; 12_288]).unwrap());
    let (out, err) = desk.run(1, &["degrade", "people", "--how", "small", "--out", "small"]);
    assert!(out.contains("2 photos, 1 left out") && err.contains("none.jpg"), "{out}{err}");
    for photo in ["0.jpg", "1.jpg"] {
        let small = Image::open(&desk.path("small/P1").join(photo), &DecodeOptions::default()).unwrap();
        let engine = phiz_face::Analyzer::new().unwrap();
        let found = engine.detect(&small, &phiz_face::DetectOptions::default()).unwrap();
        assert!(found.iter().any(|f| (17.0..32.0).contains(&f.size())), "{found:?}");
    }
    // Neither the photos nor what is there are written over, and no list leads elsewhere.
    for out in ["people", "small"] {
        let (_, err) = desk.run(2, &["degrade", "people", "--how", "dark", "--out", out]);
        assert!(err.contains("not overwritten"), "{err}");
    }
    std::fs::create_dir(desk.path("lists")).unwrap();
    std::fs::write(desk.path("lists/list.csv"), "path\n../people/P1/0.jpg\n").unwrap();
    let (_, err) = desk.run(2, &["degrade", "lists/list.csv", "--how", "dark", "--out", "a/b"]);
    assert!(err.contains("leads out"), "{err}");
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let desk = Desk::new();
    desk.save("people/Ada/1.png", &Image::from_rgb(64, 64, vec![0; 12_288]).unwrap());
    std::fs::create_dir(desk.path("empty")).unwrap();
    std::fs::write(desk.path("mine.csv"), "path,person\npeople/Ada/1.png,Ada\n").unwrap();
    std::fs::write(desk.path("mine.png"), "mine").unwrap();
    for (arguments, expected) in [
        (&["prepare", "empty", "--out", "s"][..], "holds no photo"),
        (&["prepare", "nowhere", "--out", "s"], "nowhere"),
        (&["prepare", "people", "--out", "s", "--split", "tune"], "--split"),
        (&["prepare", "people", "--out", "s", "--split", "test=train"], "never teach"),
        (&["prepare", "people", "--out", "s"], "no face at all"),
        (&["split", "people", "--out", "l.csv", "--tune", "100"], "less than 100"),
        (&["preview", "people", "--out", "a.png"], "prepare data first"),
        (&["split", "people", "--out", "mine.csv"], "exists already"),
        (&["split", "mine.csv", "--out", "mine.csv", "--force"], "is one of the inputs"),
        (&["split", "people", "--out", "people/Ada/1.png", "--force"], "is one of the inputs"),
        (&["preview", "people", "--out", "mine.png"], "exists already"),
        (&["preview", "people", "--out", "mine.gif"], "is no picture file"),
    ] {
        let (_, err) = desk.run(2, arguments);
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    assert_eq!(std::fs::read(desk.path("mine.png")).unwrap(), b"mine");
}

#[test]
fn the_trainer_and_the_engine_align_alike() {
    assert_eq!(phiz_train::augment::wear::TEMPLATE, phiz_face::TEMPLATE_POINTS);
}
