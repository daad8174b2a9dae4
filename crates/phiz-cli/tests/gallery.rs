//! `phiz people` and `phiz gallery` as people and scripts use them.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

use phiz_synth::{FaceModel, Scene, SceneOptions};
use serde_json::Value;
use tempfile::TempDir;

struct Desk(TempDir);

impl Desk {
    /// A gallery of Ada (two photos), Ben and Cleo.
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        for (name, person, seed) in [
            ("people/Ada/1.png", 11, 1),
            ("people/Ada/2.png", 11, 2),
            ("people/Ben/1.png", 22, 3),
            ("people/Cleo/1.png", 33, 4),
        ] {
            desk.photo(name, person, seed);
        }
        desk.run(0, &["enroll", "people", "--force"]);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn photo(&self, name: &str, person: u64, seed: u64) {
        let options =
            SceneOptions { people: vec![person], face_height: (110.0, 170.0), ..SceneOptions::default() };
        let scene = Scene::compose(FaceModel::bundled(), &options, seed).unwrap();
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        scene.image.save(&path).unwrap();
    }

    fn phiz(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("PHIZ_HOME", self.path("home"))
            .env_remove("PHIZ_PASSPHRASE")
            .env("PHIZ_NEW_PASSPHRASE", "a long new sentence")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs, expects an exit code, and gives stdout and stderr.
    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.phiz(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let (out, _) = self.run(0, &[arguments, &["--json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn names(&self) -> Vec<String> {
        self.json(&["people", "list"]).iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn people_are_put_right_and_back() {
    let desk = Desk::new();
    let (out, err) = desk.run(0, &["people", "list"]);
    assert_eq!(desk.run(0, &["people"]).0, out, "what the README says");
    assert!(
        out.starts_with("id  name  faces") && out.contains("p1  Ada   2") && err.contains("3 people"),
        "{out}{err}"
    );
    assert_eq!(desk.run(1, &["people", "list", "nobody"]).0, "");

    desk.run(0, &["people", "rename", "ada", "Ada Lima"]);
    desk.run(0, &["people", "set", "Ben", "team=red", "--list", "vip"]);
    let red = desk.json(&["people", "list", "--with", "team=red", "--list", "vip"]);
    assert_eq!((red.len(), red[0]["id"].as_str()), (1, Some("p2")));
    let ada = &desk.json(&["people", "show", "Ada Lima"])[0];
    assert_eq!(ada["faces"].as_array().unwrap().len(), 2);
    assert!(ada["faces"][0]["source"].as_str().unwrap().contains("1.png"));

    // One is two, two are one, and back.
    let (out, _) = desk.run(0, &["people", "split", "p1", "f2", "--name", "Eve"]);
    assert!(out.contains("p4") && out.contains("undo with: phiz people undo o6"), "{out}");
    assert_eq!(desk.names(), ["Ada Lima", "Ben", "Cleo", "Eve"]);
    desk.run(0, &["people", "merge", "Ben", "Cleo", "Eve"]);
    assert_eq!(desk.names(), ["Ada Lima", "Ben"]);
    let (_, err) = desk.run(2, &["people", "undo", "o6"]);
    assert!(
        err.contains("o6 cannot be undone") && err.contains("hint: undo the later operations first"),
        "{err}"
    );
    for _ in 0..3 {
        desk.run(0, &["people", "undo"]);
    }
    assert_eq!(desk.names(), ["Ada Lima", "Ben", "Cleo"]);
    assert_eq!(desk.json(&["people", "history"]).len(), 5);

    // "This is not Ada", by a face of hers and by a photo.
    let (out, _) = desk.run(0, &["people", "not", "p1", "f2"]);
    assert!(out.contains("(n1)"), "{out}");
    desk.photo("again.png", 11, 9);
    desk.run(0, &["people", "not", "p1", "again.png"]);
    let found = &desk.json(&["identify", "again.png", "--fpir", "0.5"])[0];
    assert_ne!(found["faces"][0]["person"], "Ada Lima");
    let (_, err) = desk.run(2, &["people", "not", "p1", "f3"]);
    assert!(err.contains("f3 is not Ada Lima (p1)'s but p2's"), "{err}");
    desk.run(0, &["people", "allow", "n2"]);

    for (arguments, says) in [
        (&["people", "show", "Nobody"][..], "no person of that name"),
        (&["people", "show", "p99"], "no person p99"),
        (&["people", "set", "p1"], "nothing to set"),
        (&["people", "undo", "o99"], "no operation o99"),
        (&["people", "remove", "Ben"], "nothing was changed"),
    ] {
        let (out, err) = desk.run(2, arguments);
        assert!(out.is_empty() && err.contains(says) && err.contains("hint: "), "{arguments:?}: {err}");
    }
}

#[test]
fn one_to_one() {
    let desk = Desk::new();
    desk.photo("ada.png", 11, 9);
    desk.photo("stranger.png", 77, 10);
    let verify = |code, arguments: &[&str]| {
        let (out, _) = desk.run(code, &[&["verify", "--json", "--fmr", "0.05"], arguments].concat());
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let yes = verify(0, &["--as", "ada", "ada.png"]);
    assert_eq!((&yes["same"], &yes["person"], &yes["id"]), (&true.into(), &"Ada".into(), &"p1".into()));
    assert!(yes["fmr"].as_f64().unwrap() <= 0.05 && yes["similarity"].as_f64().unwrap() > 0.3, "{yes}");
    assert_eq!(yes["denied"], false);
    for (person, photo) in [("p2", "ada.png"), ("Ada", "stranger.png")] {
        let no = verify(1, &["--as", person, photo]);
        assert_eq!((&no["same"], &no["denied"]), (&false.into(), &false.into()), "{no}");
    }
    let (out, _) = desk.run(0, &["verify", "--as", "Ada", "ada.png", "--fmr", "0.05"]);
    assert!(out.starts_with("this is Ada (p1): similarity 0.") && out.contains("reached by"), "{out}");

    // What was said not to be Ada counts, however similar; and no more once it is taken back.
    desk.run(0, &["people", "not", "Ada", "ada.png"]);
    let denied = verify(1, &["--as", "Ada", "ada.png"]);
    assert_eq!((&denied["same"], &denied["denied"]), (&false.into(), &true.into()));
    assert_eq!(denied["similarity"], yes["similarity"]);
    let (out, _) = desk.run(1, &["verify", "--as", "Ada", "ada.png"]);
    assert!(out.starts_with("this is not Ada (p1)") && out.contains("it was said"), "{out}");
    desk.run(0, &["people", "allow", "n1"]);
    assert_eq!(verify(0, &["--as", "Ada", "ada.png"]), yes);

    desk.run(0, &["people", "rename", "Cleo", "Ada"]);
    desk.run(0, &["people", "remove", "Ben", "--yes"]);
    for (arguments, says) in [
        (&["--as", "Ada", "ada.png"][..], "2 people have that name"),
        (&["--as", "Nobody", "ada.png"], "no person of that name"),
        (&["--as", "p2", "ada.png"], "no person p2"),
        (&["--as", "p1", "none.png"], "none.png"),
        (&["--as", "p1", "ada.png", "--fmr", "2"], "--fmr"),
        (&["--as", "p1", "ada.png", "stranger.png"], "cannot be used with"),
        (&["ada.png"], "required"),
    ] {
        let (out, err) = desk.run(2, &[&["verify"], arguments].concat());
        assert!(out.is_empty() && err.contains(says), "{arguments:?}: {err}");
    }
}

#[test]
fn removing_and_destroying() {
    let desk = Desk::new();
    let (out, err) = desk.run(0, &["people", "remove", "Ben", "f1", "--yes"]);
    assert!(out.contains("Ben (p2) with 1 face, face f1") && out.contains("people undo o5"), "{out}");
    assert!(err.contains("phiz gallery purge --verify"), "{err}");
    let stats = &desk.json(&["gallery", "stats"])[0];
    assert_eq!(
        (&stats["people"], &stats["removed_faces"], &stats["operations"]),
        (&2.into(), &2.into(), &5.into())
    );
    let (_, err) = desk.run(2, &["gallery", "purge", "--verify"]);
    assert!(err.contains("--yes"), "{err}");
    let (out, _) = desk.run(0, &["gallery", "purge", "--verify", "--yes"]);
    assert!(out.contains("destroyed 2 faces and 5 operations") && out.contains("none found"), "{out}");
    desk.run(2, &["people", "undo"]);
    desk.run(0, &["people", "remove", "Cleo", "--yes", "--purge"]);
    assert_eq!(desk.names(), ["Ada"]);
    let (out, _) = desk.run(0, &["gallery", "check"]);
    assert_eq!(out, "all is well\n");
}

#[test]
fn the_gallery_as_a_whole() {
    let desk = Desk::new();
    let (out, err) = desk.run(0, &["gallery", "export", "archive"]);
    assert!(out.contains("3 people with 4 faces") && err.contains("not sealed"), "{out}{err}");
    desk.run(2, &["gallery", "export", "archive"]);
    let (out, _) = desk.run(0, &["gallery", "import", "archive"]);
    assert!(out.contains("0 people with 0 faces taken in"), "{out}");
    assert!(out.contains("known already: 3 people, 4 faces"), "{out}");
    // Into a home without a gallery, and back.
    let elsewhere = ["--gallery", "elsewhere/g.phiz"];
    let (out, err) = desk.run(0, &[&["gallery", "import", "archive"][..], &elsewhere].concat());
    assert!(out.contains("3 people with 4 faces taken in") && err.contains("made a gallery"), "{out}{err}");
    desk.run(0, &[&["people", "undo"][..], &elsewhere].concat());
    assert_eq!(desk.run(1, &[&["people"][..], &elsewhere].concat()).0, "");
    let (_, err) = desk.run(2, &["gallery", "calibrate"]);
    assert!(err.contains("50 are needed"), "{err}");
    desk.run(0, &["gallery", "undo-days", "7", "--yes"]);
    desk.run(0, &["gallery", "compact"]);
    let (out, _) = desk.run(0, &["gallery", "stats"]);
    assert!(
        out.contains("7 days") && out.contains("key file") && out.contains("gallery.phiz.index"),
        "{out}"
    );

    // Keys: another one in its place, then everything anew.
    desk.run(0, &["gallery", "key", "exchange", "--to-file", "home/gallery.key2"]);
    let (_, err) = desk.run(2, &["gallery", "stats"]);
    assert!(err.contains("does not open"), "{err}");
    desk.run(0, &["--key", "home/gallery.key2", "gallery", "key", "rotate", "--to-passphrase", "--yes"]);
    let (_, err) = desk.run(2, &["gallery", "stats"]);
    assert!(err.contains("sealed by a passphrase"), "{err}");
    // Damage is found.
    let path = desk.path("home/gallery.phiz");
    let mut bytes = std::fs::read(&path).unwrap();
    // More than a page, because one of them may hold nothing any more.
    let (from, to) = (bytes.len() / 4, bytes.len() * 3 / 4);
    bytes[from..to].iter_mut().for_each(|b| *b ^= 0x55);
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
        .args(["gallery", "check"])
        .env("PHIZ_HOME", desk.path("home"))
        .env("PHIZ_PASSPHRASE", "a long new sentence")
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
}

#[test]
fn a_gallery_belongs_to_one_pair_of_models() {
    let desk = Desk::new();
    let (_, err) = desk.run(2, &["identify", "people/Ada/1.png", "--small"]);
    assert!(err.contains("holds templates of model") && err.contains("hint: leave out --small"), "{err}");

    let gallery = ["--gallery", "small.phiz"];
    desk.run(0, &[&["enroll", "people", "--force", "--small"][..], &gallery].concat());
    let found = desk.json(&[&["identify", "people/Ada/2.png", "--small"][..], &gallery].concat());
    assert_eq!(found[0]["faces"][0]["person"].as_str(), Some("Ada"), "{found:?}");
    let (_, err) = desk.run(2, &[&["identify", "people/Ada/2.png"][..], &gallery].concat());
    assert!(err.contains("hint: add --small"), "{err}");
}
