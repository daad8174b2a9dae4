//! JPEGs decoded at 1/2, 1/4 and 1/8 show what the whole picture shows, smaller.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{golden, with};
use phiz_image::{DecodeOptions, Image};

fn decode(bytes: &[u8], min_long_side: Option<u32>) -> Image {
    Image::decode(bytes, &DecodeOptions { min_long_side, ..DecodeOptions::default() }).unwrap()
}

/// Mean difference of two pictures of one size.
fn apart(a: &Image, b: &Image) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let sum: u64 = a.pixels().iter().zip(b.pixels()).map(|(x, y)| u64::from(x.abs_diff(*y))).sum();
    sum as f64 / a.pixels().len() as f64
}

#[test]
fn the_least_scale_that_keeps_enough_is_taken() {
    let large = golden("large.jpg");
    let whole = decode(&large, None);
    let mut bad = Vec::new();
    for (least, size) in [
        (1, (25, 19)),
        (25, (25, 19)),
        (26, (50, 38)),
        (50, (50, 38)),
        (51, (100, 75)),
        (100, (100, 75)),
        (101, (200, 150)),
        (200, (200, 150)),
        (5000, (200, 150)),
        (0, (25, 19)),
    ] {
        let image = decode(&large, Some(least));
        let off = apart(&image, &whole.resize(image.width(), image.height()));
        let scale = image.width() as f32 / 200.0;
        let fine = (image.width(), image.height()) == size
            && image.original_size() == (200, 150)
            && (image.scale() - scale).abs() < 1e-6
            && off < 4.0;
        if !fine {
            bad.push(format!("{least}: {}×{}, {off:.2} off", image.width(), image.height()));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn nothing_is_smaller_than_the_scale_that_is_asked_for() {
    let large = golden("large.jpg");
    for (min_scale, width) in
        [(0.0, 25), (0.125, 25), (0.13, 50), (0.26, 100), (0.5, 100), (0.51, 200), (7.0, 200)]
    {
        let options = DecodeOptions { min_long_side: Some(1), min_scale, ..DecodeOptions::default() };
        assert_eq!(Image::decode(&large, &options).unwrap().width(), width, "{min_scale}");
    }
    let without = DecodeOptions { min_scale: 0.2, ..DecodeOptions::default() };
    assert_eq!(Image::decode(&large, &without).unwrap().width(), 200, "reducing was not asked for");
}

#[test]
fn every_kind_of_jpeg_can_be_reduced_or_is_shown_whole() {
    for name in ["progressive.jpg", "grey.jpg", "cmyk.jpg", "thumbnail.jpg", "trailer.jpg", "large.jpg"] {
        let (whole, small) = (decode(&golden(name), None), decode(&golden(name), Some(16)));
        assert_eq!(small.original_size(), whole.original_size(), "{name}");
        assert!(small.width().max(small.height()) >= 16 && small.width() <= whole.width(), "{name}");
        let off = apart(&small, &whole.resize(small.width(), small.height()));
        assert!(off < 5.0, "{name} is {off:.2} off");
    }
}

#[test]
fn a_reduced_picture_is_turned_upright_and_knows_its_upright_size() {
    for tag in 1..=8u8 {
        let bytes = golden(&format!("orientation_{tag}.jpg"));
        let (whole, small) = (decode(&bytes, None), decode(&bytes, Some(24)));
        assert_eq!((small.width(), small.height()), (24, 16), "{tag}");
        assert_eq!(small.original_size(), (48, 32), "{tag}");
        let off = apart(&small, &whole.resize(24, 16));
        assert!(off < 6.0, "orientation {tag} is {off:.2} off");
    }
}

#[test]
fn a_caller_may_ask_for_the_picture_as_it_lies() {
    let bytes = golden("orientation_6.jpg");
    let lying = Image::decode(&bytes, &DecodeOptions { upright: false, ..DecodeOptions::default() }).unwrap();
    assert_eq!((lying.width(), lying.height(), lying.original_size()), (32, 48, (32, 48)));
    assert_eq!(lying.rotate90(1), decode(&bytes, None));
}

#[test]
fn an_orientation_that_does_not_exist_turns_nothing() {
    let bytes = golden("orientation_6.jpg");
    // The tag's value, big or little endian as the file has it.
    let at = common::find(&bytes, b"Exif\0\0") + 6;
    let little = bytes[at] == b'I';
    let entry = at + 10;
    let value = entry + 8 + usize::from(!little);
    assert_eq!(bytes[value], 6);
    for wrong in [0u8, 9, 255] {
        let image = decode(&with(bytes.clone(), value, &[wrong]), None);
        assert_eq!((image.width(), image.height()), (32, 48), "{wrong}");
    }
}
