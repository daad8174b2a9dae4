//! `unsafe` stands only where speed needs it, and every block says why it is sound.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

/// Where code may be `unsafe`: the kernels of inference, of the scan and of training, and what speaks to LibTorch.
const ALLOWED: [&str; 4] = [
    "crates/phiz-engine/src/kernels",
    "crates/phiz-gallery/src/scan",
    "crates/phiz-layers/src/kernels",
    "crates/phiz-train/src/torch/record.rs",
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "tests") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_stands_only_in_kernels_and_says_why() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for krate in std::fs::read_dir(root.join("crates")).unwrap() {
        let source = krate.unwrap().path().join("src");
        if source.is_dir() {
            rust_files(&source, &mut files);
        }
    }
    assert!(files.len() > 50, "only {} files were looked at", files.len());
    let mut bad = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let allowed = ALLOWED.iter().any(|folder| path.starts_with(root.join(folder)));
        if text.contains("allow(unsafe_code") && !allowed {
            bad.push(format!("{}: allows unsafe code", path.display()));
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}
