//! The program as people and scripts use it: arguments in, stdout, stderr and exit code out, on synthetic photos.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with photos and a home of its own.
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

    /// A photo of people by their seeds; the truth about it.
    fn photo(&self, name: &str, people: &[u64], seed: u64) -> Scene {
        let options = SceneOptions {
            people: people.to_vec(),
            face_height: (90.0, 170.0),
            roll: 8.0,
            ..SceneOptions::default()
        };
        let scene = Scene::compose(FaceModel::bundled(), &options, seed).unwrap();
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        scene.image.save(&path).unwrap();
        scene
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn phiz(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PHIZ_HOME", self.path("home"))
            .output()
            .unwrap()
    }

    /// Runs and expects an exit code.
    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.phiz(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        self.run(code, arguments).0.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn iou(a: &[f32], b: &[f32; 4]) -> f32 {
    phiz_face::iou(&[a[0], a[1], a[2], a[3]], b)
}

#[test]
fn detect_finds_each_face_once_where_it_is() {
    let desk = Desk::new();
    let scene = desk.photo("party.png", &[1, 2, 3], 5);
    let all = desk.json(0, &["detect", "--json", "party.png"]);
    let photo = &all[0];
    assert_eq!((photo["path"].as_str(), photo["width"].as_u64()), (Some("party.png"), Some(640)));
    let faces = photo["faces"].as_array().unwrap();
    assert_eq!(faces.len(), 3, "{photo}");
    for truth in &scene.faces {
        let best = faces.iter().max_by(|a, b| {
            iou(&numbers(&a["box"]), &truth.bbox).total_cmp(&iou(&numbers(&b["box"]), &truth.bbox))
        });
        let face = best.unwrap();
        assert!(iou(&numbers(&face["box"]), &truth.bbox) > 0.5, "{face} is not at {:?}", truth.bbox);
        assert_eq!(face["landmarks"].as_array().unwrap().len(), 5);
        for field in ["score", "quality"] {
            assert!((0.0..=1.0).contains(&face[field].as_f64().unwrap()), "{face}");
        }
        // The people of these scenes look at the camera, more or less.
        for angle in ["yaw", "pitch", "roll"] {
            assert!(face["pose"][angle].as_f64().unwrap().abs() < 60.0, "{face}");
        }
    }
}

/// A large JPEG need not be decoded whole for large faces; what is told of it stays in its own pixels.
#[test]
fn detect_finds_large_faces_of_a_large_jpeg_at_less_cost() {
    let desk = Desk::new();
    let scene = desk.photo("party.png", &[1, 2, 3], 5);
    let (w, h) = (scene.image.width() * 5, scene.image.height() * 5);
    scene.image.resize(w, h).save(&desk.path("large.jpg")).unwrap();
    let look = |least: &str| desk.json(0, &["detect", "--json", "large.jpg", "--min-face", least]).remove(0);
    let (whole, reduced) = (look("50"), look("300"));
    assert_eq!((reduced["width"].as_u64(), reduced["height"].as_u64()), (Some(w.into()), Some(h.into())));
    assert_ne!(whole["faces"], reduced["faces"], "the photo was not reduced");
    let boxes =
        |photo: &Value| photo["faces"].as_array().unwrap().iter().map(|f| numbers(&f["box"])).collect();
    let (whole, reduced): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (boxes(&whole), boxes(&reduced));
    assert_eq!((whole.len(), reduced.len()), (3, 3));
    for (a, b) in whole.iter().zip(&reduced) {
        assert!(iou(a, &[b[0], b[1], b[2], b[3]]) > 0.8, "{a:?} {b:?}");
    }
}

#[test]
fn detect_goes_on_after_a_photo_that_it_cannot_read() {
    let desk = Desk::new();
    desk.photo("folder/b.jpg", &[1], 1);
    desk.file("folder/a.jpg", b"no picture at all");
    let all = desk.json(1, &["detect", "--json", "folder"]);
    assert_eq!(all[0]["error"]["kind"], "unknown_format");
    assert_eq!(all[1]["faces"].as_array().unwrap().len(), 1);
    let (out, err) = desk.run(1, &["detect", "folder"]);
    assert!(out.contains("1 face") && err.contains("a.jpg") && err.contains("hint:"), "{out}{err}");
}

#[test]
fn detect_marks_faces_in_a_copy() {
    let desk = Desk::new();
    desk.photo("a.jpg", &[1], 1);
    desk.photo("b.jpg", &[2], 2);
    desk.run(0, &["detect", "a.jpg", "--annotate", "marked.png"]);
    let marked =
        phiz_image::Image::open(&desk.path("marked.png"), &phiz_image::DecodeOptions::default()).unwrap();
    let plain = phiz_image::Image::open(&desk.path("a.jpg"), &phiz_image::DecodeOptions::default()).unwrap();
    assert_eq!((marked.width(), marked.height()), (plain.width(), plain.height()));
    assert_ne!(marked.pixels(), plain.pixels());
    desk.run(0, &["detect", "a.jpg", "b.jpg", "--annotate", "marked"]);
    assert!(desk.path("marked/a.jpg").is_file() && desk.path("marked/b.jpg").is_file());
    let (_, err) = desk.run(2, &["detect", "a.jpg", "b.jpg", "--annotate", "one.jpg"]);
    assert!(err.contains("several photos") && err.contains("hint:"), "{err}");
}

/// Rows of a `.npy` file of float32.
fn npy(path: &Path) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let shape: Vec<usize> = shape.split(", ").map(|n| n.parse().unwrap()).collect();
    let values: Vec<f32> =
        bytes[128..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(values.len(), shape[0] * shape[1]);
    values.chunks_exact(shape[1]).map(<[f32]>::to_vec).collect()
}

#[test]
fn embed_writes_a_row_a_face() {
    let desk = Desk::new();
    desk.photo("a.png", &[1, 2], 1);
    desk.photo("b.png", &[3], 2);
    phiz_image::Image::from_rgb(200, 200, vec![90; 120_000]).unwrap().save(&desk.path("c.png")).unwrap();
    let photos = ["a.png", "b.png", "c.png"];
    let arguments = ["--out", "t.npy", "--list", "t.csv"];
    desk.run(0, &[&["embed"][..], &photos, &arguments].concat());
    let list = std::fs::read_to_string(desk.path("t.csv")).unwrap();
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["path", "face", "x", "y", "w", "h", "score"]);
    let faces: Vec<(&str, &str)> = rows[1..].iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(faces, [("a.png", "0"), ("a.png", "1"), ("b.png", "0"), ("c.png", "-1")]);
    let templates = npy(&desk.path("t.npy"));
    assert_eq!(templates.len(), 3);
    for template in &templates {
        assert!((template.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let (_, err) = desk.run(2, &[&["embed", "--largest"][..], &photos, &arguments].concat());
    assert!(err.contains("exists already") && err.contains("--force"), "{err}");
    desk.run(0, &[&["embed", "--force", "--largest"][..], &photos, &arguments].concat());
    let largest = npy(&desk.path("t.npy"));
    assert_eq!(largest, [templates[0].clone(), templates[2].clone()]);
}

#[test]
fn embed_takes_aligned_faces_as_they_are() {
    let desk = Desk::new();
    let scene = desk.photo("a.png", &[1], 1);
    let aligned = &scene.aligned()[0];
    aligned.save(&desk.path("face.png")).unwrap();
    desk.run(0, &["embed", "--aligned", "face.png", "--out", "t.npy", "--list", "t.csv"]);
    let expected = phiz_face::Analyzer::new().unwrap().embed_aligned(aligned).unwrap();
    assert_eq!(npy(&desk.path("t.npy")), [expected.vector().to_vec()]);
    let (_, err) =
        desk.run(1, &["embed", "--force", "--aligned", "a.png", "--out", "t.npy", "--list", "t.csv"]);
    assert!(err.contains("112×112") && err.contains("640×480"), "{err}");
    assert!(npy(&desk.path("t.npy")).is_empty());
}

#[test]
fn verify_tells_same_from_different() {
    let desk = Desk::new();
    desk.photo("a.png", &[1], 1);
    desk.photo("b.png", &[1], 2);
    desk.photo("c.png", &[2], 3);
    let itself = &desk.json(0, &["verify", "--json", "a.png", "a.png"])[0];
    assert!(itself["similarity"].as_f64().unwrap() > 0.999 && itself["same"] == true);
    let same = &desk.json(0, &["verify", "--json", "a.png", "b.png", "--fmr", "0.2"])[0];
    let other = &desk.json(1, &["verify", "--json", "a.png", "c.png"])[0];
    assert!(same["similarity"].as_f64() > other["similarity"].as_f64(), "{same} {other}");
    assert!(same["fmr"].as_f64() < other["fmr"].as_f64(), "{same} {other}");
    assert_eq!(other["same"], false);
    let (out, _) = desk.run(1, &["verify", "a.png", "c.png"]);
    assert!(out.starts_with("not the same person: similarity"), "{out}");
}

#[test]
fn what_cannot_be_done_names_the_file_the_reason_and_a_remedy() {
    let desk = Desk::new();
    desk.photo("one.jpg", &[1], 1);
    desk.photo("two.jpg", &[1, 2], 7);
    phiz_image::Image::from_rgb(64, 64, vec![120; 64 * 64 * 3])
        .unwrap()
        .save(&desk.path("wall.png"))
        .unwrap();
    desk.file("empty.jpg", b"");
    desk.file("text.jpg", b"dear diary");
    let whole = std::fs::read(desk.path("one.jpg")).unwrap();
    desk.file("cut.jpg", &whole[..whole.len() / 2]);
    desk.file("bad.toml", b"name = 3");
    std::fs::create_dir(desk.path("void")).unwrap();
    let cases: [(&[&str], &str); 18] = [
        (&["verify", "one.jpg", "nobody.jpg"], "nobody.jpg"),
        (&["verify", "one.jpg", "empty.jpg"], "empty.jpg: is empty"),
        (&["verify", "one.jpg", "text.jpg"], "text.jpg: is text"),
        (&["verify", "one.jpg", "cut.jpg"], "cut.jpg: is cut off"),
        (&["verify", "one.jpg", "void"], "void: is a folder"),
        (&["verify", "one.jpg", "wall.png"], "wall.png: no face found"),
        (&["verify", "one.jpg", "two.jpg"], "two.jpg: 2 faces of similar size"),
        (&["verify", "one.jpg", "one.jpg", "--fmr", "1.5"], "--fmr: 1.5"),
        (&["detect", "one.jpg", "--score", "7"], "--score"),
        (&["detect", "one.jpg", "--score", "nan"], "--score"),
        (&["detect", "one.jpg", "--min-face", "nan"], "--min-face"),
        (&["detect", "one.jpg", "--min-face=-5"], "--min-face"),
        (&["detect", "one.jpg", "--min-face", "0"], "--min-face"),
        (&["identify", "one.jpg", "--people", "void", "--top", "0"], "--top"),
        (&["detect", "void"], "void: holds no photo"),
        (&["detect", "one.jpg", "--detector", "none.toml"], "none.toml"),
        (&["detect", "one.jpg", "--detector", "bad.toml"], "bad.toml"),
        (&["embed", "one.jpg", "--out", "no/t.npy", "--list", "t.csv"], "--out no: cannot be written"),
    ];
    let mut wrong = Vec::new();
    for (arguments, says) in cases {
        let output = desk.phiz(arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        if output.status.code() != Some(2) || !err.contains(says) || !output.stdout.is_empty() {
            wrong.push(format!("{arguments:?}: {:?}: {err}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A folder of people: `people/Ada`, `people/Ben`, three photos each, and a photo of both beside a stranger.
fn two_people(desk: &Desk) {
    for (name, person) in [("Ada", 11), ("Ben", 12)] {
        for n in 0..3 {
            desk.photo(&format!("people/{name}/{n}.png"), &[person], 100 * person + n);
        }
    }
    desk.photo("party.png", &[11, 12, 13], 5);
}

/// Names that `identify --json` gave, with null for nobody.
fn names(photo: &Value) -> Vec<Option<&str>> {
    let mut names: Vec<_> = photo["faces"].as_array().unwrap().iter().map(|f| f["person"].as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn people_are_enrolled_and_recognised() {
    let desk = Desk::new();
    two_people(&desk);
    let enrolled = desk.json(0, &["enroll", "--json", "people"]);
    assert_eq!(enrolled.len(), 2);
    assert_eq!((&enrolled[0]["person"], &enrolled[0]["new"]), (&"Ada".into(), &true.into()));
    assert!(
        enrolled[0]["photos"].as_array().unwrap().iter().all(|p| p["face"].is_string()),
        "{}",
        enrolled[0]
    );

    // Strict enough that a stranger stays unknown: synthetic people are more alike than real ones.
    let photo = &desk.json(0, &["identify", "--json", "party.png", "--fpir", "1e-5"])[0];
    assert_eq!(names(photo), [None, Some("Ada"), Some("Ben")], "{photo}");
    for face in photo["faces"].as_array().unwrap() {
        let candidates = face["candidates"].as_array().unwrap();
        let similarities: Vec<f64> = candidates.iter().map(|c| c["similarity"].as_f64().unwrap()).collect();
        assert!(!similarities.is_empty() && similarities.is_sorted_by(|a, b| a >= b), "{face}");
        let accepted = candidates[0]["similarity"].as_f64() >= face["threshold"].as_f64();
        assert_eq!(accepted, face["decision"] != "unknown", "{face}");
    }
    let (out, _) = desk.run(0, &["identify", "party.png", "--fpir", "1e-5", "--annotate", "named.png"]);
    assert!(out.contains("Ada") && out.contains("Ben") && out.contains("unknown"), "{out}");
    assert!(desk.path("named.png").is_file());

    // Again: nothing is taken in twice, which is said and is no failure.
    let (out, err) = desk.run(0, &["enroll", "Ada", "people/Ada"]);
    assert!(out.contains("0 faces enrolled") && err.contains("already enrolled"), "{out}{err}");
    // Another photo of the same name goes to the same person.
    desk.photo("ada-again.png", &[11], 77);
    let again = &desk.json(0, &["enroll", "--json", "Ada", "ada-again.png"])[0];
    assert_eq!((&again["id"], &again["new"]), (&enrolled[0]["id"], &false.into()));
}

#[test]
fn a_folder_of_people_needs_no_gallery() {
    let desk = Desk::new();
    two_people(&desk);
    let arguments = ["identify", "--json", "party.png", "--people", "people", "--fpir", "1e-5"];
    assert_eq!(names(&desk.json(0, &arguments)[0]), [None, Some("Ada"), Some("Ben")]);
    assert!(!desk.path("home").exists(), "nothing is stored");
}

#[test]
fn a_page_shows_as_many_pairs_as_were_asked_for() {
    let desk = Desk::new();
    two_people(&desk);
    desk.run(0, &["eval", "all-pairs", "people", "--html", "page.html", "--pictures", "1"]);
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    assert_eq!(
        page.matches("src=\"data:image/jpeg").count(),
        4,
        "the closest strangers, the farthest photos of one"
    );
}

#[test]
fn galleries_refuse_what_cannot_be_theirs() {
    let desk = Desk::new();
    desk.photo("a.png", &[1], 1);
    desk.photo("two.png", &[1, 2], 7);
    let (_, err) = desk.run(2, &["identify", "a.png"]);
    assert!(err.contains("there is no gallery yet") && err.contains("phiz enroll"), "{err}");
    let (_, err) = desk.run(2, &["enroll", "Nobody"]);
    assert!(err.contains("no photo is named"), "{err}");
    let (_, err) = desk.run(2, &["enroll", "Ada", "two.png"]);
    assert!(err.contains("2 faces of similar size") && err.contains("nobody was enrolled"), "{err}");
    desk.run(0, &["enroll", "Ada", "two.png", "--largest"]);
    // Another key, a damaged file, no file of ours.
    desk.file("other.key", b"phiz-key-1 00\n");
    let (_, err) = desk.run(2, &["identify", "a.png", "--key", "other.key"]);
    assert!(err.contains("other.key"), "{err}");
    desk.file("not.phiz", b"dear diary, today I met nobody at all whom I knew");
    let (_, err) = desk.run(2, &["identify", "a.png", "--gallery", "not.phiz"]);
    assert!(err.contains("not.phiz"), "{err}");
}

#[test]
fn models_are_listed_with_their_costs_and_others_beside_them() {
    let desk = Desk::new();
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/phiz-detect.toml");
    let card = card.to_str().unwrap();
    let arguments = ["model", "info", "phiz-detect", "slim-small", "--measure", "--detector", card];
    let (out, _) = desk.run(0, &arguments);
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 4, "{out}");
    assert_eq!((rows[1][0], rows[2][0], rows[3][0]), ("phiz-detect", "slim-small", "phiz-detect"), "{out}");
    assert_eq!(rows[1][3], "201901");
    assert!(rows[1..].iter().all(|row| row.last().unwrap().parse::<f64>().unwrap() > 0.0), "{out}");
    let (_, err) = desk.run(2, &["model", "info", "phiz-nothing"]);
    assert!(err.contains("phiz-nothing") && err.contains("slim-small"), "{err}");
}
