//! The bundled models on photos of real people, which are not in this repository.
//!
//! `PHIZ_PACKS` names a folder with the sets of docs/accuracy.md. Without it these tests say that they skip and pass; the
//! figures are floors well under what docs/accuracy.md states, so that a broken pipeline falls through them and chance
//! does not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder of photo sets, if it holds `needed`.
fn photos(needed: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PHIZ_PACKS").map(PathBuf::from);
    let skip = match &folder {
        None => "PHIZ_PACKS names no folder of photo sets".to_owned(),
        Some(folder) if folder.join(needed).exists() => return Some(folder.clone()),
        Some(folder) => format!("{} holds no {needed}", folder.display()),
    };
    // Not by `eprintln!`, which a test that passes keeps to itself.
    let mut out = std::io::stderr();
    writeln!(out, "skipped: {skip}").unwrap();
    None
}

/// Figures that `phiz eval` gives, by their ids.
fn eval(folder: &Path, arguments: &[&str]) -> impl Fn(&str) -> f64 + use<> {
    let out = tempfile::tempdir().unwrap();
    let json = out.path().join("out.json");
    let output = Command::new(env!("CARGO_BIN_EXE_phiz"))
        .current_dir(folder)
        .arg("eval")
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let all: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let figures = all["sections"][0]["figures"].as_array().unwrap().clone();
    move |id| {
        let figure = figures.iter().find(|f| f["id"] == id).unwrap_or_else(|| panic!("no {id}"));
        figure["value"].as_f64().unwrap()
    }
}

#[test]
fn people_are_told_apart_on_lfw() {
    let Some(folder) = photos("lfw_pairs/pairs.txt") else { return };
    let figure = eval(&folder, &["pairs", "lfw_pairs/pairs.txt", "--photos", "lfw", "--every", "20"]);
    assert_eq!(figure("genuine") + figure("impostors"), 300.0);
    assert_eq!(figure("failed"), 0.0, "a photo without a face");
    assert!(figure("k_fold") > 0.95, "accuracy {}", figure("k_fold"));
}

#[test]
fn faces_are_rarely_found_where_there_is_none() {
    let Some(folder) = photos("negatives.csv") else { return };
    let figure = eval(&folder, &["detect", "negatives.csv", "--where", "split=test", "--every", "3"]);
    assert!(
        figure("empty") >= 50.0 && figure("alarms") < 0.05,
        "{} of {}",
        figure("alarms"),
        figure("empty")
    );
}

#[test]
fn faces_in_a_crowd_are_found() {
    let Some(folder) = photos("scenes_masks.csv") else { return };
    let choice = ["--where", "split=test", "--every", "5", "--ignore-under", "10"];
    let figure = eval(&folder, &[&["detect", "scenes_masks.csv"][..], &choice].concat());
    assert!(figure("ap") > 0.75, "AP {}", figure("ap"));
}
