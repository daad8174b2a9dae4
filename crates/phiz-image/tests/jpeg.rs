//! JPEGs against libjpeg-turbo: every way to sample a picture times many ways to code it. `golden/jpeg/make.py` made the
//! files and says what they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phiz_image::{DecodeOptions, Image};

struct Variant {
    file: String,
    expected: String,
    most: u8,
    why: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn variants() -> Vec<Variant> {
    let mut reader = csv::Reader::from_path(folder().join("variants.csv")).unwrap();
    let variant = |row: csv::StringRecord| Variant {
        file: row[0].to_owned(),
        expected: row[1].to_owned(),
        most: row[2].parse().unwrap(),
        why: row[3].to_owned(),
    };
    reader.records().map(|row| variant(row.unwrap())).collect()
}

/// Width, height and RGB of a binary PPM as `make.py` writes it.
fn ppm(name: &str) -> (u32, u32, Vec<u8>) {
    let bytes = read(name);
    let end = bytes.iter().position(|&b| b == b'\n').unwrap();
    let header: Vec<&str> = std::str::from_utf8(&bytes[..end]).unwrap().split(' ').collect();
    (header[1].parse().unwrap(), header[2].parse().unwrap(), bytes[end + 1..].to_vec())
}

#[test]
fn every_variant_has_the_pixels_of_libjpeg_turbo() {
    let variants = variants();
    assert!(variants.len() > 150, "{}", variants.len());
    let mut bad = Vec::new();
    for Variant { file, expected, most, why } in &variants {
        let image = match Image::open(&folder().join(file), &DecodeOptions::default()) {
            Ok(image) => image,
            Err(error) => {
                bad.push(format!("{file} ({why}): {}", error.reason()));
                continue;
            }
        };
        let (w, h, rgb) = ppm(expected);
        if (image.width(), image.height()) != (w, h) {
            bad.push(format!("{file} ({why}) is {}×{}", image.width(), image.height()));
            continue;
        }
        let apart = image.pixels().iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b));
        let greatest = apart.clone().max().unwrap();
        if greatest > *most {
            let many = apart.filter(|d| d > most).count();
            bad.push(format!("{file} ({why}): {many} values are up to {greatest} off"));
        }
    }
    assert!(bad.is_empty(), "{} of {} variants:\n{}", bad.len(), variants.len(), bad.join("\n"));
}

#[test]
fn every_file_is_used() {
    let entries = std::fs::read_dir(folder()).unwrap();
    let found: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut named: BTreeSet<String> = variants().into_iter().flat_map(|v| [v.file, v.expected]).collect();
    named.extend(["make.py".to_owned(), "variants.csv".to_owned()]);
    let lost: Vec<_> = found.symmetric_difference(&named).collect();
    assert!(lost.is_empty(), "on one side only: {lost:?}");
}
