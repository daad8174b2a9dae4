//! Any bytes are decoded within the limits or refused, in time and without a panic that reaches the caller.
//!
//! Whole and reduced decoding are both run, so that both JPEG decoders are reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phiz_image::{DecodeOptions, Image, Limits};

fuzz_target!(|bytes: &[u8]| {
    // Small limits keep an execution fast; how limits hold is the same at any size.
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
});
