//! `phiz scan`, `phiz find` and `phiz strangers` as people and scripts use them. All people are synthetic.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde_json::Value;
use tempfile::TempDir;

struct Desk(TempDir);

impl Desk {
    /// An archive: Ada (1) and Ben (3) in four photos each, in one of them together, Cleo (18) in three, Dan (4) in one.
    /// People of the fixtures, who were chosen not to look like each other.
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        for (name, people, seed) in [
            ("album/2023/a1.png", &[1][..], 1),
            ("album/2023/a2.png", &[1], 2),
            ("album/2024/a3.png", &[1], 3),
            ("album/2023/b1.png", &[3], 4),
            ("album/2023/b2.png", &[3], 5),
            ("album/2024/b3.png", &[3], 6),
            ("album/2024/both.png", &[1, 3], 7),
            ("album/c1.png", &[18], 8),
            ("album/c2.png", &[18], 9),
            ("album/c3.png", &[18], 10),
            ("album/d.png", &[4], 11),
            ("new/a.png", &[1], 12),
        ] {
            desk.photo(name, people, seed);
        }
        std::fs::write(desk.path("album/broken.jpg"), b"no picture").unwrap();
        std::fs::write(desk.path("album/notes.txt"), b"text").unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        // As the program names it: without links on the way.
        std::fs::canonicalize(self.0.path()).unwrap().join(name)
    }

    fn photo(&self, name: &str, people: &[u64], seed: u64) {
        let options =
            SceneOptions { people: people.to_vec(), face_height: (110.0, 150.0), ..SceneOptions::default() };
        let scene = Scene::compose(FaceModel::bundled(), &options, seed).unwrap();
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        scene.image.save(&path).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phiz"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("PHIZ_HOME", self.path("home"))
            .env_remove("PHIZ_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        let (out, _) = self.run(code, arguments);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The files that `phiz find` lists, without the folder of the archive.
    fn found(&self, arguments: &[&str]) -> BTreeSet<String> {
        let lines = self.command(&[&["find", "--json"], arguments].concat()).output().unwrap().stdout;
        let lines = String::from_utf8(lines).unwrap();
        let photos = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let name = |photo: Value| photo["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        photos.map(name).collect()
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A synthetic person as AVIF, which ffmpeg decodes; the test says that it skips where there is none.
fn avif() -> Option<PathBuf> {
    let found = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("PHIZ_NEED_FFMPEG").is_none(), "ffmpeg is missing");
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: there is no ffmpeg\n").unwrap();
        return None;
    }
    Some(PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../phiz-image/tests/golden/modern/avif_person.avif"
    )))
}

#[test]
fn avif_is_tried_again_once_there_is_an_ffmpeg() {
    let Some(avif) = avif() else { return };
    let desk = Desk(tempfile::tempdir().unwrap());
    desk.photo("album/a.png", &[1], 1);
    std::fs::copy(avif, desk.path("album/b.avif")).unwrap();
    let without = |arguments: &[&str]| {
        let output = desk.command(arguments).env("PHIZ_FFMPEG", "/nowhere/ffmpeg").output().unwrap();
        let (out, err) = (output.stdout, output.stderr);
        (output.status.code(), String::from_utf8(out).unwrap() + &String::from_utf8(err).unwrap())
    };
    let (code, told) = without(&["detect", "album/b.avif"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("decoded by ffmpeg, which was not found") && told.contains("install ffmpeg"),
        "{told}"
    );
    // The other photo is taken in.
    let (code, told) = without(&["scan", "album"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("2 photos: 1 new, 1 could not be used"), "{told}");
    // With it, the same folder has one photo more, and after that nothing is due.
    let (_, told) = desk.run(0, &["scan", "album"]);
    assert!(told.contains("2 photos: 1 new, 1 as before"), "{told}");
    let (_, told) = desk.run(0, &["scan", "album"]);
    assert!(told.contains("2 photos: 2 as before"), "{told}");
    let faces = desk.json(0, &["detect", "--json", "album/b.avif"]);
    assert_eq!(faces[0]["faces"].as_array().unwrap().len(), 1, "{faces:?}");
    // A damaged one is not the machine's fault.
    let mut bytes = std::fs::read(desk.path("album/b.avif")).unwrap();
    let end = bytes.len() - 200;
    bytes.truncate(end);
    std::fs::write(desk.path("album/c.avif"), bytes).unwrap();
    let (_, told) = desk.run(1, &["detect", "album/c.avif"]);
    assert!(told.contains("damaged AVIF"), "{told}");
}

#[test]
fn three_commands_are_enough() {
    let desk = Desk::new();
    // One photo cannot be used, and the others are.
    let (_, err) = desk.run(1, &["scan", "album"]);
    assert!(err.contains("12 photos: 11 new, 1 could not be used"), "{err}");
    assert!(err.contains("not looked at: 1 other file"), "{err}");
    // The largest first; who is in one photo is no stranger.
    let strangers = desk.json(0, &["strangers", "--json"]);
    let sizes: Vec<usize> = strangers.iter().map(|s| s["faces"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [4, 4, 3], "{strangers:?}");
    for stranger in &strangers {
        for face in stranger["faces"].as_array().unwrap() {
            assert!(PathBuf::from(face["path"].as_str().unwrap()).is_file());
            assert_eq!(face["box"].as_array().unwrap().len(), 4);
            assert!((0.0..=1.0).contains(&face["quality"].as_f64().unwrap()));
        }
    }
    // The one who is in a1.png is Ada.
    let with = |name: &str| {
        let shows = |s: &&Value| s["faces"].to_string().contains(name);
        strangers.iter().find(shows).unwrap()["stranger"].as_u64().unwrap().to_string()
    };
    let (ada, ben) = (with("a1.png"), with("b1.png"));
    let named = desk.json(0, &["strangers", "name", &ada, "Ada", "--json"]);
    assert_eq!((named[0]["person"].as_str(), named[0]["enrolled"].as_u64()), (Some("Ada"), Some(4)));
    assert_eq!(desk.found(&["Ada"]), set(&["a1.png", "a2.png", "a3.png", "both.png"]));
    let photos = desk.json(0, &["find", "--json", "Ada"]);
    for photo in &photos {
        let faces = photo["faces"].as_array().unwrap();
        assert_eq!(faces.len(), 1, "{photo}");
        assert_eq!(faces[0]["person"], "Ada");
        assert!(faces[0]["fpir"].is_number() && faces[0]["box"].is_array());
    }
    desk.run(0, &["strangers", "name", &ben, "Ben"]);
    assert_eq!(desk.found(&["Ada", "--with", "Ben"]), set(&["both.png"]));
    assert_eq!(desk.found(&["Ada", "--without", "Ben"]), set(&["a1.png", "a2.png", "a3.png"]));
    assert_eq!(desk.found(&["--unknown"]), set(&["c1.png", "c2.png", "c3.png", "d.png"]));
    assert_eq!(desk.found(&["Ada", "--before", "2001-01-01"]).len(), 0);
    assert_eq!(desk.found(&["Ada", "--since", "2001-01-01"]).len(), 4);
    // As the glossary says: `identify` knows them now, in a photo that was never scanned.
    let identified = desk.json(0, &["identify", "--json", "new/a.png"]);
    assert_eq!(identified[0]["faces"][0]["person"], "Ada");
    assert!(identified[0]["faces"][0]["candidates"][0]["face"].as_str().unwrap().starts_with('f'));
    desk.run(0, &["gallery", "check"]);
    // Taken back: the strangers are there again, under their numbers.
    desk.run(0, &["strangers", "undo"]);
    desk.run(0, &["strangers", "undo"]);
    assert_eq!(desk.json(0, &["strangers", "--json"]), strangers);
}

#[test]
fn a_second_scan_looks_at_what_is_new_changed_or_moved_alone() {
    let desk = Desk::new();
    let first = desk.json(1, &["scan", "--json", "album"]);
    // One object per photo, as `identify` prints them.
    let identified = desk.json(1, &["identify", "--json", "album"]);
    assert_eq!(first, identified);
    let again = desk.json(1, &["scan", "--json", "album"]);
    assert_eq!(again, first, "known photos are told, too");
    let summary = |code| desk.run(code, &["scan", "album"]).1;
    assert!(summary(1).contains("12 photos: 11 as before, 1 could not be used"));
    std::fs::rename(desk.path("album/2023/a1.png"), desk.path("album/moved.png")).unwrap();
    std::fs::copy(desk.path("album/2023/a2.png"), desk.path("album/copy.png")).unwrap();
    std::fs::remove_file(desk.path("album/d.png")).unwrap();
    std::fs::copy(desk.path("new/a.png"), desk.path("album/c3.png")).unwrap();
    std::fs::remove_file(desk.path("album/broken.jpg")).unwrap();
    let told = summary(0);
    assert!(
        told.contains("11 photos: 1 changed, 1 moved, 1 copied, 8 as before; 2 photos are gone"),
        "{told}"
    );
    let told = summary(0);
    assert!(told.contains("11 photos: 11 as before"), "{told}");
    // An empty folder is a disk that is not there.
    std::fs::rename(desk.path("album"), desk.path("elsewhere")).unwrap();
    std::fs::create_dir(desk.path("album")).unwrap();
    let (_, told) = desk.run(2, &["scan", "album"]);
    assert!(told.contains("holds none of the photos that were there"), "{told}");
    assert!(!desk.found(&["--unknown"]).is_empty());
    // At another place all are known by their content.
    std::fs::remove_dir(desk.path("album")).unwrap();
    let (_, told) = desk.run(0, &["scan", "elsewhere"]);
    assert!(told.contains("11 photos: 10 moved, 1 copied"), "{told}");
    assert_eq!(desk.json(0, &["scan", "--forget", "elsewhere", "--json"])[0]["files"], 11);
    assert_eq!(desk.found(&["--unknown"]).len(), 0);
    let purged = desk.json(0, &["gallery", "purge", "--yes", "--verify", "--json"]);
    assert_eq!(purged[0]["proof"]["found"].as_array().unwrap().len(), 0);
    assert!(purged[0]["sightings"].as_u64().unwrap() >= 12, "{purged:?}");
}

#[test]
fn photos_are_sorted_shown_and_piped() {
    let desk = Desk::new();
    desk.run(1, &["scan", "album"]);
    desk.run(0, &["enroll", "Ada", "album/2023/a1.png", "album/2023/a2.png", "--force"]);
    let (out, _) = desk.run(0, &["find", "Ada", "-0"]);
    let paths: Vec<&str> = out.split_terminator('\0').collect();
    assert_eq!(paths.len(), 4, "who is enrolled later is found in photos that were scanned before");
    assert!(paths.iter().all(|path| PathBuf::from(path).is_file()));
    desk.run(0, &["find", "Ada", "--link-to", "links"]);
    let (_, told) = desk.run(0, &["find", "Ada", "--link-to", "links"]);
    assert!(told.contains("0 links made, 4 there already"), "{told}");
    assert_eq!(std::fs::read_dir(desk.path("links/Ada")).unwrap().count(), 4);
    desk.run(0, &["find", "Ada", "--copy-to", "copies"]);
    let copied = std::fs::read(desk.path("copies/Ada/a1.png")).unwrap();
    assert_eq!(copied, std::fs::read(desk.path("album/2023/a1.png")).unwrap());
    desk.run(0, &["find", "Ada", "--sheet", "faces.jpg", "--html", "ada.html"]);
    let page = std::fs::read_to_string(desk.path("ada.html")).unwrap();
    assert!(page.matches("data:image/jpeg;base64,").count() >= 8 && page.contains("<li>"), "{}", page.len());
    assert!(!page.contains("://"), "it needs no network");
    let (_, told) = desk.run(2, &["find", "Ada", "--html", "ada.html"]);
    assert!(told.contains("exists already"), "{told}");
    desk.run(0, &["strangers", "--sheet", "strangers.png"]);
    assert!(desk.path("strangers.png").is_file() && desk.path("faces.jpg").is_file());
    let (_, told) = desk.run(2, &["find", "Nobody"]);
    assert!(told.contains("no person of that name"), "{told}");
}

#[test]
fn a_scan_that_is_killed_goes_on_where_it_was() {
    let desk = Desk::new();
    for wait in [300, 700, 1200, 2000] {
        let mut child =
            desk.command(&["scan", "album", "--threads", "1"]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        _ = child.kill();
        child.wait().unwrap();
    }
    let (_, told) = desk.run(1, &["scan", "album"]);
    assert!(told.contains("the archive: 11 photos, 12 faces"), "{told}");
    desk.run(0, &["gallery", "check"]);
}

#[test]
fn questions_are_asked_answered_and_taken_back() {
    let desk = Desk::new();
    desk.run(1, &["scan", "album"]);
    desk.run(0, &["enroll", "Ada", "album/2023/a1.png", "--force"]);
    let questions = desk.json(0, &["review", "--json"]);
    let about = |name: &str| {
        let right = |q: &&Value| q["question"] == "who_is" && q["faces"].to_string().contains(name);
        questions.iter().find(right).unwrap()["key"].as_str().unwrap().to_owned()
    };
    // What decides more faces is asked first.
    let worths: Vec<f64> = questions.iter().map(|q| q["worth"].as_f64().unwrap()).collect();
    assert!(worths.is_sorted_by(|a, b| a >= b), "{worths:?}");
    let done = desk.json(0, &["review", "--answer", &about("b1.png"), "Ben"]);
    assert!(done[0]["done"].as_str().unwrap().ends_with("is Ben"), "{done:?}");
    assert_eq!(desk.found(&["Ben"]).len(), 4);
    let (_, told) = desk.run(2, &["review", "--answer", &about("b1.png"), "Ben"]);
    assert!(told.contains("this is not asked"), "{told}");
    // Cleo is ignored and comes back; each line is an answer.
    let mut child = desk.command(&["review"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"i\nu\nq\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("is ignored") && said.contains("undone: ignore"),
        "{said}"
    );
    assert!(said.contains("c1.png") || said.contains("c2.png"), "without pictures, a path to open: {said}");
    assert_eq!(desk.json(0, &["strangers", "--json"]).len(), 1);
    // An enrolled face that is somebody else's.
    desk.run(1, &["people", "doubts"]);
    let faces = ["album/c1.png", "album/c2.png", "album/c3.png", "album/d.png", "--force"];
    desk.run(0, &[&["enroll", "Cleo"][..], &faces].concat());
    let doubts = desk.json(0, &["people", "doubts", "--json"]);
    assert_eq!(doubts[0]["question"], "belongs_to", "{doubts:?}");
    let key = doubts[0]["key"].as_str().unwrap();
    desk.json(0, &["review", "--answer", key, "no"]);
    desk.run(1, &["people", "doubts"]);
}

#[test]
fn a_decision_is_explained() {
    let desk = Desk::new();
    desk.run(1, &["scan", "album"]);
    desk.run(0, &["enroll", "Ada", "album/2023/a1.png", "album/2023/a2.png", "--force"]);
    desk.run(0, &["people", "not", "Ada", "album/2023/b1.png"]);
    let faces = desk.json(0, &["explain", "album/2024/both.png", "--json"]);
    assert_eq!(faces.len(), 2);
    let ada = faces.iter().find(|face| face["person"] == "Ada").unwrap();
    let other = faces.iter().find(|face| face["person"].is_null()).unwrap();
    let reason = &ada["candidates"][0];
    assert_eq!(reason["faces"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&reason["denied"], &reason["negatives"][0]["negative"]),
        (&Value::from(false), &Value::from("n1"))
    );
    assert_eq!(other["candidates"][0]["denied"], true, "what was said of Ben speaks: {other}");
    let number = ada["face"].to_string();
    let (out, _) = desk.run(0, &["explain", "album/2024/both.png", "--face", &number, "--sheet", "why.png"]);
    assert!(out.contains("Ada, by similarity") && desk.path("why.png").is_file(), "{out}");
    // Of a face that resembles her enough, but was said not to be her, both is told.
    desk.run(0, &["people", "not", "Ada", "album/2024/a3.png"]);
    let photo = &desk.json(0, &["identify", "--json", "album/2024/a3.png"])[0];
    let face = &photo["faces"][0];
    assert_eq!((&face["decision"], &face["person"]), (&Value::from("unknown"), &Value::Null), "{face}");
    assert_eq!(
        (&face["denied"][0]["person"], &face["denied"][0]["id"]),
        (&"Ada".into(), &"p1".into()),
        "{face}"
    );
    assert!(face["denied"][0]["similarity"].as_f64() >= face["threshold"].as_f64(), "{face}");
    let (out, _) = desk.run(0, &["identify", "album/2024/a3.png"]);
    assert!(out.contains("like Ada, but it was said that a face like this is not Ada"), "{out}");
    desk.run(0, &["people", "undo"]);
    // A photo that was enrolled is said to be its person; one that was never scanned is looked at.
    assert!(desk.run(0, &["explain", "album/2023/a1.png"]).0.contains("because you have said so"));
    assert!(desk.run(0, &["explain", "new/a.png"]).0.contains("Ada, by similarity"));
    let (_, told) = desk.run(2, &["explain", "album/2024/both.png", "--face", "3"]);
    assert!(told.contains("there is no face 3"), "{told}");
}
