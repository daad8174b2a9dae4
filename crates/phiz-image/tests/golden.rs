//! The golden files: pictures of every kind, changes of size, warps and transforms, as independent programs have them.
//!
//! `golden/make.py` made them and says what each column means. A file there that no table names is an error here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phiz_image::{DecodeOptions, Image, Similarity};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn table(name: &str, header: bool) -> Vec<Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(header).flexible(true).from_path(folder().join(name)).unwrap();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    assert!(rows.len() > 3, "{name} has {} rows", rows.len());
    rows
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// A binary PPM as `make.py` writes it, read without any decoder of ours.
fn ppm(name: &str) -> Image {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    let end = bytes.iter().position(|&b| b == b'\n').unwrap();
    let header: Vec<&str> = std::str::from_utf8(&bytes[..end]).unwrap().split(' ').collect();
    assert_eq!((header[0], header[3]), ("P6", "255"), "{name}");
    Image::from_rgb(number(header[1]), number(header[2]), bytes[end + 1..].to_vec()).unwrap()
}

/// Says how `image` differs from what is expected by more than is allowed.
fn differs(image: &Image, expected: &str, most: &str, mean: &str) -> Option<String> {
    let expected = ppm(expected);
    let (size, wanted) = ((image.width(), image.height()), (expected.width(), expected.height()));
    if size != wanted {
        return Some(format!("is {size:?}, not {wanted:?}"));
    }
    let apart: Vec<u8> = image.pixels().iter().zip(expected.pixels()).map(|(a, b)| a.abs_diff(*b)).collect();
    let greatest = *apart.iter().max().unwrap();
    let usual = apart.iter().map(|&v| f64::from(v)).sum::<f64>() / apart.len() as f64;
    let fine = greatest <= number(most) && usual <= number::<f64>(mean) + 1e-9;
    (!fine).then(|| format!("is up to {greatest} off, {usual:.3} in the mean; allowed are {most} and {mean}"))
}

fn report(bad: &[String]) {
    assert!(bad.is_empty(), "{} bad rows:\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn files_of_every_kind_decode_as_pillow_and_opencv_have_them() {
    let mut bad = Vec::new();
    for row in table("decode.csv", true) {
        let [file, expected, most, mean, why] = &row[..] else { panic!("{row:?}") };
        match Image::open(&folder().join(file), &DecodeOptions::default()) {
            Ok(image) => {
                bad.extend(differs(&image, expected, most, mean).map(|d| format!("{file} ({why}) {d}")))
            }
            Err(error) => bad.push(format!("{file} ({why}): {error}")),
        }
    }
    report(&bad);
}

#[test]
fn sizes_change_as_in_opencv() {
    let mut bad = Vec::new();
    for row in table("resize.csv", true) {
        let [source, w, h, expected, most, mean, why] = &row[..] else { panic!("{row:?}") };
        let image = ppm(source).resize(number(w), number(h));
        bad.extend(differs(&image, expected, most, mean).map(|d| format!("{w}×{h} ({why}) {d}")));
    }
    report(&bad);
}

#[test]
fn warps_are_those_of_opencv() {
    let mut bad = Vec::new();
    for row in table("warp.csv", true) {
        let [source, a, b, tx, ty, w, h, expected, most, mean, why] = &row[..] else { panic!("{row:?}") };
        let to = Similarity { a: number(a), b: number(b), tx: number(tx), ty: number(ty) };
        let image = ppm(source).warp(&to, number(w), number(h));
        bad.extend(differs(&image, expected, most, mean).map(|d| format!("{to:?} ({why}) {d}")));
    }
    report(&bad);
}

#[test]
fn similarities_are_those_of_the_singular_value_decomposition() {
    let mut bad = Vec::new();
    for row in table("umeyama.csv", false) {
        let numbers: Vec<f64> = row.iter().map(|text| number(text)).collect();
        let n = numbers[0] as usize;
        let points =
            |part: &[f64]| part.chunks_exact(2).map(|p| [p[0] as f32, p[1] as f32]).collect::<Vec<_>>();
        let (from, to) = (points(&numbers[1..=2 * n]), points(&numbers[2 * n + 1..=4 * n]));
        let found = Similarity::estimate(&from, &to).unwrap();
        let expected = &numbers[4 * n + 1..];
        let pairs = [found.a, found.b, found.tx, found.ty].into_iter().zip(expected);
        for ((got, want), allowed) in pairs.zip([1e-5, 1e-5, 2e-3, 2e-3]) {
            if (f64::from(got) - want).abs() > allowed {
                bad.push(format!("{n} points: {found:?}, not {expected:?}"));
                break;
            }
        }
    }
    report(&bad);
}

#[test]
fn every_golden_file_is_used() {
    let mut named: BTreeSet<String> = [
        "make.py",
        "decode.csv",
        "resize.csv",
        "warp.csv",
        "umeyama.csv",
        "jpeg",
        "tiff",
        "orientation",
        "modern",
    ]
    .map(str::to_owned)
    .into();
    for name in ["decode.csv", "resize.csv", "warp.csv"] {
        named.extend(table(name, true).into_iter().flatten());
    }
    let files = std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let unused: Vec<String> = files.filter(|file| !named.contains(file)).collect();
    assert!(unused.is_empty(), "no table names {unused:?}");
}
