//! What decoding promises of any bytes; for the tests and for the fuzzer.

use phiz_image::{DecodeOptions, Image, Limits, stored_orientation};

/// Decodes within the limits or refuses, whole and reduced, and reads one of eight orientations. Small limits keep it
/// fast; how limits hold is the same at any size.
pub(crate) fn check(bytes: &[u8]) {
    assert!((1..=8).contains(&stored_orientation(bytes)));
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20 };
    for min_long_side in [None, Some(16)] {
        let options = DecodeOptions { limits, min_long_side, ..DecodeOptions::default() };
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
