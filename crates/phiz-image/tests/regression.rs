//! What the fuzzer found, kept; and what it does, in small, on any toolchain.
//!
//! Files in `regression/` once crashed decoding or broke one of the promises in [`check`].
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/promises.rs"]
mod promises;

use std::path::Path;
use std::sync::OnceLock;

use promises::check;
use proptest::prelude::*;

/// Every file in a folder and the folders in it.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        // No folder: nothing was found yet.
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn what_once_crashed_does_not() {
    files("regression").iter().for_each(|bytes| check(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn scratched_files_of_every_kind_keep_the_promises(
        file in any::<prop::sample::Index>(),
        scratches in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..8),
        keep in 0.1f64..2.0,
    ) {
        static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        // Read once, not for every case.
        let all = ALL.get_or_init(|| files("golden"));
        let mut bytes = all[file.index(all.len())].clone();
        prop_assume!(bytes.len() < 10_000);
        for (at, value) in scratches {
            // Headers are at the beginning, and there each byte matters.
            let at = (at * at * bytes.len() as f64) as usize;
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        check(&bytes);
    }
}
