//! Whole outputs of commands, compared with what stands in `tests/snapshots/`: each case is a story that a user could
//! type, with everything that the program answers. After a wanted change: `INSTA_UPDATE=always cargo test --test outputs`,
//! then read the difference.
//!
//! Times, temporary folders and digits that depend on the processor's rounding are replaced.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs each line as `phiz LINE` in a folder that contains the fixtures; what was typed, printed and returned.
fn story(lines: &[&str]) -> String {
    let desk = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures"), desk.path());
    std::fs::write(desk.path().join("broken.jpg"), b"\xff\xd8\xff").unwrap();
    std::fs::write(desk.path().join("phone.heic"), b"\0\0\0\x18ftypheic").unwrap();
    let mut told = String::new();
    for line in lines {
        let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
            .args(["--precision", "f32"])
            .args(line.split_whitespace().map(|word| word.replace('_', " ")))
            .current_dir(desk.path())
            .env("PHIZ_HOME", "home")
            .env("COLUMNS", "100")
            .env_remove("PHIZ_PASSPHRASE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        writeln!(told, "$ phiz {line}").unwrap();
        for (name, bytes) in [("", output.stdout), ("! ", output.stderr)] {
            for text in String::from_utf8(bytes).unwrap().lines() {
                writeln!(told, "{name}{text}").unwrap();
            }
        }
        writeln!(told, "= {}\n", output.status.code().unwrap()).unwrap();
    }
    told
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(|_| ()).unwrap(),
        }
    }
}

/// Compares with the snapshot of that name.
fn hold(name: &str, lines: &[&str]) {
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => vec![
            (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?", "[time]"),
            (r#""(since|when|at|created|enrolled)":\d+"#, r#""$1":[time]"#),
            // Digits behind the second are the processor's own; a whole box in JSON is such digits.
            (r"-?\d+\.\d{3,}(e-?\d+)?", "[n]"),
            (r"-?\d+(\.\d+)?e-\d+", "[n]"),
            (r#""(yaw|pitch|roll)":-?\d+\.\d+"#, r#""$1":[n]"#),
        ],
    }, {
        insta::assert_snapshot!(name, story(lines));
    });
}

#[test]
fn people_from_enrolment_to_undo() {
    hold(
        "people",
        &[
            "people",
            "enroll people",
            "enroll people",
            "enroll Eve strangers/1.jpg --json",
            "people",
            "people --json",
            "people show Ada",
            "people rename Ada Ada_Lovelace",
            "people rename Nobody Somebody",
            "people merge p2 p3",
            "people remove Dan",
            "people history",
            "people undo",
            "people undo o1",
            "gallery check",
        ],
    );
}

#[test]
fn who_is_in_a_photo() {
    hold(
        "identify",
        &[
            "identify party.jpg",
            "enroll people --quiet",
            "identify party.jpg nobody.jpg",
            "identify party.jpg --json",
            "identify . --quiet",
            "identify broken.jpg none.jpg --json",
        ],
    );
}

#[test]
fn the_same_person_or_not() {
    hold(
        "verify",
        &[
            "verify people/Ada/1.jpg people/Ada/2.jpg",
            "verify people/Ada/1.jpg people/Ben/1.jpg",
            "verify people/Ada/1.jpg people/Ada/2.jpg --json",
            "verify people/Ada/1.jpg nobody.jpg",
            "verify people/Ada/1.jpg party.jpg",
            "verify people/Ada/1.jpg nobody.jpg --json",
        ],
    );
}

#[test]
fn which_faces_there_are() {
    hold(
        "detect",
        &[
            "detect party.jpg sideways.jpg nobody.jpg",
            "detect sideways.jpg --rotate auto",
            "detect people/Ada/1.jpg --json",
            "detect phone.heic broken.jpg",
            "detect none.jpg",
            "detect party.jpg --annotate party.jpg",
        ],
    );
}

#[test]
fn how_good_it_is() {
    hold(
        "eval",
        &[
            "eval all-pairs people --bootstrap 50",
            "eval gallery",
            "enroll people --quiet",
            "eval gallery",
            "model info",
        ],
    );
}

#[test]
fn what_was_typed_wrong() {
    hold("wrong", &["enrol Ada a.jpg", "identify", "verify people/Ada/1.jpg", "enroll", "people undo o9"]);
}
