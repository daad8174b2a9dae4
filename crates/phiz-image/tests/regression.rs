//! What the fuzzer found, kept; and what it does, in small, on any toolchain.
//!
//! Files in `regression/` once crashed decoding or broke one of the promises in [`check`].
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use phiz_image::{DecodeOptions, Image, Limits};
use proptest::prelude::*;

/// Decodes within the limits or refuses, whole and reduced.
fn check(bytes: &[u8]) {
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20 };
    for min_long_side in [None, Some(16)] {
        let options = DecodeOptions { limits, min_long_side, upright: true };
        match Image::decode(bytes, &options) {
            Ok(image) => {
                let (w, h) = (u64::from(image.width()), u64::from(image.height()));
                assert!(w * h > 0 && w * h <= limits.max_pixels, "{w}×{h}");
                assert_eq!(image.pixels().len() as u64, w * h * 3);
                assert!(image.scale() > 0.0 && image.scale() <= 1.0);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    // No folder: nothing was found yet.
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
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
        let all = files("golden");
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
