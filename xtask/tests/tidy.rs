//! Tidiness as tests: what reviewers would otherwise have to look for in every change.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files that git holds, or would hold: the build's leavings and a developer's own files do not count.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let names = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        // A source archive without git: nothing to tell our files from others by.
        _ => return Vec::new(),
    };
    names.split('\0').filter(|n| !n.is_empty()).map(|n| root().join(n)).filter(|p| p.is_file()).collect()
}

fn report(bad: &[String]) {
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn every_rust_file_says_what_it_is() {
    let mut bad = Vec::new();
    for path in files().iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(path).unwrap();
        if !text.starts_with("//!") && !text.starts_with("#![") {
            bad.push(format!("{}: does not begin with `//!`, what it is and why", path.display()));
        }
    }
    report(&bad);
}

#[test]
fn nothing_is_left_half_done() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["#[ign", "ore"], ["todo", "!("], ["unimplemented", "!("]];
    let mut bad = Vec::new();
    for path in
        files().iter().filter(|p| p.extension().is_some_and(|e| e == "rs" || e == "svelte" || e == "ts"))
    {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for (line, row) in text.lines().enumerate() {
            for mark in marks.map(|m| m.concat()) {
                if row.contains(&mark) {
                    bad.push(format!("{}:{}: {mark}", path.display(), line + 1));
                }
            }
        }
    }
    report(&bad);
}

#[test]
fn only_weights_are_large() {
    let mut bad = Vec::new();
    for path in files() {
        let size = std::fs::metadata(&path).unwrap().len();
        if size > 1_000_000 && !path.starts_with(root().join("models")) {
            bad.push(format!("{}: {} kB", path.display(), size / 1000));
        }
    }
    report(&bad);
}

/// The rooms of the house (docs/architecture.md), with the crates that each uses. No arrow may be added without the
/// document, and none that is no longer used may stay.
const USES: [(&str, &[&str]); 14] = [
    ("phiz-image", &[]),
    ("phiz-template", &[]),
    ("phiz-onnx", &[]),
    ("phiz-engine", &["phiz-onnx"]),
    ("phiz-net", &["phiz-onnx", "phiz-template"]),
    ("phiz-face", &["phiz-engine", "phiz-image", "phiz-net", "phiz-template"]),
    ("phiz-gallery", &["phiz-template"]),
    ("phiz-eval", &[]),
    ("phiz-service", &["phiz-face", "phiz-gallery", "phiz-image", "phiz-template"]),
    ("phiz-train", &["phiz-eval", "phiz-image", "phiz-net", "phiz-onnx"]),
    ("phiz-synth", &["phiz-image"]),
    (
        "phiz-cli",
        &[
            "phiz-engine",
            "phiz-eval",
            "phiz-face",
            "phiz-gallery",
            "phiz-image",
            "phiz-net",
            "phiz-template",
            // Behind the feature `train`, which the product is built without.
            "phiz-train",
        ],
    ),
    ("phiz", &["phiz-face", "phiz-gallery", "phiz-image"]),
    ("xtask", &["phiz-face", "phiz-image", "phiz-synth"]),
];

#[test]
fn each_crate_uses_exactly_what_the_architecture_draws() {
    let mut bad = Vec::new();
    let mut seen = 0;
    let manifests = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for folder in manifests.chain([root().join("xtask")]) {
        let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let Some((_, drawn)) = USES.iter().find(|(known, _)| *known == name) else {
            bad.push(format!("{name} has no room in the house: docs/architecture.md and this table"));
            continue;
        };
        seen += 1;
        // Tests may use more than the product does: dev-dependencies are left out.
        let mut used: Vec<&str> = Vec::new();
        for kind in ["dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(kind).and_then(|d| d.as_table()) else { continue };
            used.extend(dependencies.keys().map(String::as_str).filter(|n| USES.iter().any(|(k, _)| k == n)));
        }
        used.sort_unstable();
        used.dedup();
        if used != *drawn {
            bad.push(format!("{name} uses {used:?}, docs/architecture.md and this table say {drawn:?}"));
        }
    }
    assert!(seen >= 8, "only {seen} crates were looked at");
    report(&bad);
}
