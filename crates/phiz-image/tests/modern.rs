//! HEIC and JPEG XL against the pictures that they were made from. `golden/modern/make.py` made the files and says how.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/promises.rs"]
mod promises;

use std::path::{Path, PathBuf};

use heifer::heifer_isobmff::HeifFile;
use heifer::heifer_isobmff::writer::{HeifWriter, ImageSpec};
use phiz_image::{DecodeOptions, ErrorKind, Image, Limit, Limits, stored_orientation};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/modern")
}

fn ppm(name: &str) -> Image {
    let bytes = std::fs::read(folder().join("..").join(name)).unwrap();
    let text = String::from_utf8_lossy(&bytes[..32.min(bytes.len())]).into_owned();
    let mut words = text.split_ascii_whitespace();
    assert_eq!(words.next(), Some("P6"));
    let (w, h): (u32, u32) = (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
    Image::from_rgb(w, h, bytes[bytes.len() - (w * h * 3) as usize..].to_vec()).unwrap()
}

struct Case {
    file: String,
    expected: String,
    most: f64,
    mean: f64,
    why: String,
}

fn cases() -> Vec<Case> {
    let mut reader = csv::Reader::from_path(folder().join("decode.csv")).unwrap();
    let row = |row: csv::StringRecord| Case {
        file: row[0].into(),
        expected: row[1].into(),
        most: row[2].parse().unwrap(),
        mean: row[3].parse().unwrap(),
        why: row[4].into(),
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn files_decode_as_what_they_were_made_from() {
    let mut bad = Vec::new();
    let cases = cases();
    assert!(cases.len() > 20);
    for Case { file, expected, most, mean, why } in &cases {
        let image = match Image::open(&folder().join(file), &DecodeOptions::default()) {
            Ok(image) => image,
            Err(error) => {
                bad.push(format!("{file} ({why}): {error}"));
                continue;
            }
        };
        let right = ppm(expected);
        if (image.width(), image.height()) != (right.width(), right.height()) {
            bad.push(format!("{file} ({why}): {}×{}", image.width(), image.height()));
            continue;
        }
        assert_eq!(image.original_size(), (image.width(), image.height()));
        let apart: Vec<f64> =
            image.pixels().iter().zip(right.pixels()).map(|(a, b)| f64::from(a.abs_diff(*b))).collect();
        let (worst, average) =
            (apart.iter().fold(0.0, |a: f64, b| a.max(*b)), apart.iter().sum::<f64>() / apart.len() as f64);
        if worst > *most || average > *mean {
            bad.push(format!("{file} ({why}): differs by {worst}, by {average:.2} in the mean"));
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn the_way_that_a_picture_lies_is_told_and_can_be_left() {
    for number in 1..=8u8 {
        for ending in ["heic", "jxl"] {
            let name = format!("turned_{number}.{ending}");
            let bytes = std::fs::read(folder().join(&name)).unwrap();
            assert_eq!(stored_orientation(&bytes), number, "{name}");
            let upright = Image::decode(&bytes, &DecodeOptions::default()).unwrap();
            let lying =
                Image::decode(&bytes, &DecodeOptions { upright: false, ..DecodeOptions::default() }).unwrap();
            // As the PNG of the same orientation lies, which another decoder reads.
            let png = std::fs::read(folder().join(format!("../orientation_{number}.png"))).unwrap();
            let same =
                Image::decode(&png, &DecodeOptions { upright: false, ..DecodeOptions::default() }).unwrap();
            assert_eq!((lying.width(), lying.height()), (same.width(), same.height()), "{name}");
            let apart = lying.pixels().iter().zip(same.pixels()).map(|(a, b)| f64::from(a.abs_diff(*b)));
            assert!(apart.sum::<f64>() / (lying.pixels().len() as f64) < 4.0, "{name}");
            assert_eq!(upright.width() * upright.height(), 48 * 32);
        }
    }
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    for name in ["turned_1.heic", "lossless.heic", "turned_1.jxl", "from_jpeg.jxl"] {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let limits = Limits { max_pixels: 48 * 32 - 1, ..Limits::default() };
        let error = Image::decode(&bytes, &DecodeOptions { limits, ..DecodeOptions::default() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{name}: {error}");
        assert!(matches!(error.limit(), Some(Limit::Pixels { .. })), "{name}: {error}");
    }
}

#[test]
fn cut_and_changed_files_are_refused_or_shown_but_never_panic() {
    for Case { file, .. } in cases() {
        let bytes = std::fs::read(folder().join(&file)).unwrap();
        for length in (0..bytes.len()).step_by(bytes.len().div_ceil(12)) {
            promises::check(&bytes[..length]);
        }
        let mut seed = 7u32;
        for _ in 0..12 {
            let mut changed = bytes.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = seed as usize % changed.len();
                changed[at] = (seed >> 24) as u8;
            }
            promises::check(&changed);
        }
    }
}

/// A coded picture of 48×32 pixels that its container says to be of 16×16.
fn lying(writer: &mut HeifWriter) -> u32 {
    let bytes = std::fs::read(folder().join("lossless.heic")).unwrap();
    let file = HeifFile::parse(&bytes).unwrap();
    let item = common::coded(&file);
    let config = file.hevc_config(item).unwrap().unwrap().clone();
    let data = file.item_data(item).unwrap();
    let (mut rest, mut slices) = (&data[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (slice, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        slices.push(slice.to_vec());
        rest = after;
    }
    writer.add_image(&ImageSpec::new(16, 16, config, &slices))
}

#[test]
fn a_small_heic_cannot_keep_the_decoder_busy() {
    // The same tile in every place of the largest grid, of which a corner is shown.
    let mut writer = HeifWriter::new();
    let tile = lying(&mut writer);
    writer.add_grid(256, 256, 16, 16, &vec![tile; 65_535], None, None);
    let bytes = writer.finish();
    let error = Image::decode(&bytes, &DecodeOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.limit()), (ErrorKind::TooLarge, Some(Limit::Scans)), "{error}");
    assert!(error.to_string().contains("256 pixels"), "{error}");

    // Grids of grids of grids.
    let mut writer = HeifWriter::new();
    let mut part = lying(&mut writer);
    for _ in 0..3 {
        part = writer.add_grid(16, 16, 16, 16, &[part; 256], None, None);
    }
    let error = Image::decode(&writer.finish(), &DecodeOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.limit()), (ErrorKind::TooLarge, Some(Limit::Scans)), "{error}");

    // Parts of each other.
    let mut writer = HeifWriter::new();
    let tile = lying(&mut writer);
    let grid = writer.add_grid(1, 2, 16, 16, &[tile; 2], None, None);
    writer.add_reference(*b"dimg", tile, &[grid]);
    let error = Image::decode(&writer.finish(), &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");

    // An honest grid is read.
    let mut writer = HeifWriter::new();
    let tile = lying(&mut writer);
    writer.add_grid(2, 3, 40, 30, &[tile; 6], None, None);
    let image = Image::decode(&writer.finish(), &DecodeOptions::default()).unwrap();
    assert_eq!((image.width(), image.height()), (40, 30));
}

/// A hundred layers without a duration, each of the whole picture, in 12 kB: an animated PNG of a hundred pictures, alternately
/// black and white, of which each was said to last no time, given to `cjxl -d 1 -e 1`.
#[test]
fn a_small_jpeg_xl_cannot_keep_the_decoder_busy() {
    let bytes = std::fs::read(folder().join("layers.jxl")).unwrap();
    let error = Image::decode(&bytes, &DecodeOptions::default()).unwrap_err();
    // By the memory that they take, or by their number.
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(matches!(error.limit(), Some(Limit::Memory | Limit::Scans)), "{error}");
}
