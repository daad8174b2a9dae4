//! Tidiness as tests: what reviewers would otherwise have to look for in every change.

use std::collections::{BTreeMap, BTreeSet};
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

/// Which crate uses which, as docs/architecture.md draws it: lines `crate → crates` and their continuations.
fn drawn() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/architecture.md")).expect("is there");
    let (_, section) = text.split_once("## Which crate may use which?").expect("has the section");
    let block = section.split("```").nth(1).expect("has the drawing");
    let names = |part: &str| -> Vec<String> {
        let words = part.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| *word == "phiz" || word.starts_with("phiz-")).map(str::to_owned).collect()
    };
    let (mut uses, mut current) = (BTreeMap::<String, BTreeSet<String>>::new(), String::new());
    for line in block.lines() {
        let used = match line.split_once('→') {
            Some((name, used)) => {
                current = name.trim().to_owned();
                used
            }
            None => line,
        };
        if !current.is_empty() {
            uses.entry(current.clone()).or_default().extend(names(used));
        }
    }
    uses
}

#[test]
fn each_crate_uses_exactly_what_the_architecture_draws() {
    let drawn = drawn();
    let mut bad = Vec::new();
    let mut seen = BTreeSet::new();
    let manifests = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for folder in manifests.chain([root().join("xtask")]) {
        let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let mut used = BTreeSet::new();
        // Tests may use more than the product does: dev-dependencies are left out.
        for kind in ["dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(kind).and_then(|d| d.as_table()) else { continue };
            used.extend(dependencies.keys().filter(|used| drawn.contains_key(*used)).cloned());
        }
        match drawn.get(&name) {
            Some(arrows) if *arrows == used => {}
            Some(arrows) => bad.push(format!("{name} uses {used:?}, docs/architecture.md draws {arrows:?}")),
            None => bad.push(format!("{name} is not drawn in docs/architecture.md")),
        }
        seen.insert(name);
    }
    bad.extend(
        drawn
            .keys()
            .filter(|name| !seen.contains(*name))
            .map(|name| format!("{name} is drawn, but is no crate")),
    );
    report(&bad);
}
