//! `phiz gallery adopt`: a gallery made with the small models is brought to the others and back, on synthetic people.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PHIZ_HOME", self.folder.path().join("home"))
            .env_remove("PHIZ_PASSPHRASE")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "phiz {arguments:?}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Value {
        serde_json::from_str(self.run(code, arguments).0.lines().next().unwrap()).unwrap()
    }

    /// Who is in a person's third photo, which is not enrolled.
    fn named(&self, person: &str, options: &[&str]) -> Option<String> {
        let photo = fixture(&format!("people/{person}/3.jpg"));
        let arguments = [&["identify", "--json", photo.to_str().unwrap()], options].concat();
        self.json(0, &arguments)["faces"][0]["person"].as_str().map(str::to_owned)
    }
}

#[test]
fn new_models_lose_nobody() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let photo = |person: &str, number: usize| fixture(&format!("people/{person}/{number}.jpg"));
    for person in ["Ada", "Ben", "Cleo"] {
        let (one, two) = (photo(person, 1), photo(person, 2));
        desk.run(0, &["enroll", person, one.to_str().unwrap(), two.to_str().unwrap(), "--small"]);
    }
    // Of Dan no crop is kept, and the photo moves away.
    let moved = desk.folder.path().join("dan.jpg");
    std::fs::copy(photo("Dan", 1), &moved).unwrap();
    desk.run(0, &["enroll", "Dan", "dan.jpg", "--no-crop", "--small"]);
    desk.run(0, &["people", "set", "Ada", "team=red", "--list", "door"]);
    std::fs::create_dir(desk.folder.path().join("album")).unwrap();
    std::fs::rename(&moved, desk.folder.path().join("album/renamed.jpg")).unwrap();
    assert_eq!(desk.named("Ada", &["--small"]).as_deref(), Some("Ada"));

    // Another model is refused, and what helps is named; nothing happens by itself.
    let (_, err) = desk.run(2, &["identify", photo("Ada", 3).to_str().unwrap()]);
    assert!(err.contains("holds templates of model") && err.contains("phiz gallery adopt"), "{err}");
    let would = desk.json(1, &["gallery", "adopt", "--dry-run", "--json"]);
    assert_eq!((&would["adopted"], &would["described"]), (&false.into(), &6.into()), "{would}");
    assert_eq!(would["waiting"][0]["name"], "Dan");
    assert_eq!(desk.named("Ada", &["--small"]).as_deref(), Some("Ada"));

    let done = desk.json(1, &["gallery", "adopt", "--json"]);
    assert_eq!((&done["adopted"], &done["described"]), (&true.into(), &6.into()), "{done}");
    assert_eq!((&done["waiting"][0]["name"], &done["waiting"][0]["id"]), (&"Dan".into(), &"f7".into()));
    for person in ["Ada", "Ben", "Cleo"] {
        assert_eq!(desk.named(person, &[]).as_deref(), Some(person));
    }
    assert_eq!(desk.named("Dan", &[]), None);
    let ada = desk.json(0, &["people", "show", "Ada", "--json"]);
    assert!(ada.to_string().contains("\"team\":\"red\"") && ada.to_string().contains("door"), "{ada}");
    desk.run(0, &["gallery", "check"]);

    // The photo is found by its content, whatever it is called now.
    let found = desk.json(0, &["gallery", "adopt", "--photos", "album", "--json"]);
    assert_eq!((&found["adopted"], &found["described"]), (&false.into(), &1.into()), "{found}");
    assert_eq!(desk.named("Dan", &[]).as_deref(), Some("Dan"));
    let (out, _) = desk.run(0, &["gallery", "adopt"]);
    assert!(out.contains("nothing to do"), "{out}");

    desk.run(0, &["gallery", "adopt", "--undo"]);
    for person in ["Ada", "Ben", "Cleo", "Dan"] {
        assert_eq!(desk.named(person, &["--small"]).as_deref(), Some(person));
    }
    let (_, err) = desk.run(2, &["gallery", "adopt", "--undo"]);
    assert!(err.contains("no adoption"), "{err}");
    desk.run(0, &["gallery", "check"]);
}
