//! Folders of golden files with a table: file, expected picture or kind of error, greatest difference allowed, why.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phiz_image::{DecodeOptions, Image};

pub(crate) struct Variant {
    pub(crate) file: String,
    pub(crate) expected: String,
    pub(crate) most: u8,
    pub(crate) why: String,
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub(crate) fn variants(folder: &Path) -> Vec<Variant> {
    let mut reader = csv::Reader::from_path(folder.join("variants.csv")).unwrap();
    let variant = |row: csv::StringRecord| Variant {
        file: row[0].to_owned(),
        expected: row[1].to_owned(),
        most: row[2].parse().unwrap(),
        why: row[3].to_owned(),
    };
    reader.records().map(|row| variant(row.unwrap())).collect()
}

/// Width, height and RGB of a binary PPM as `make.py` writes it, read without any decoder of ours.
pub(crate) fn ppm(path: &Path) -> (u32, u32, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.iter().position(|&b| b == b'\n').unwrap();
    let header: Vec<&str> = std::str::from_utf8(&bytes[..end]).unwrap().split(' ').collect();
    assert_eq!((header[0], header[3]), ("P6", "255"), "{}", path.display());
    (header[1].parse().unwrap(), header[2].parse().unwrap(), bytes[end + 1..].to_vec())
}

/// What is wrong with a variant.
fn fault(folder: &Path, variant: &Variant) -> Option<String> {
    let result = Image::open(&folder.join(&variant.file), &DecodeOptions::default());
    let image = match result {
        Err(error) if error.kind().code() == variant.expected => {
            return error.hint().is_empty().then(|| "has no hint".to_owned());
        }
        Err(error) => return Some(error.reason().to_owned()),
        Ok(image) => image,
    };
    if !variant.expected.ends_with(".ppm") {
        return Some(format!("decodes, but should be {}", variant.expected));
    }
    let (w, h, rgb) = ppm(&folder.join(&variant.expected));
    if (image.width(), image.height()) != (w, h) {
        return Some(format!("is {}×{}, not {w}×{h}", image.width(), image.height()));
    }
    let apart = image.pixels().iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b));
    let greatest = apart.clone().max().unwrap();
    let many = apart.filter(|d| *d > variant.most).count();
    (many > 0).then(|| format!("has {many} values that are up to {greatest} off"))
}

/// Decodes all variants of a folder, of which there are at least so many, and reports all that are not as expected.
pub(crate) fn check(name: &str, least: usize) {
    let folder = folder(name);
    let variants = variants(&folder);
    assert!(variants.len() >= least, "{}", variants.len());
    let fault = |v: &Variant| fault(&folder, v).map(|fault| format!("{} ({}) {fault}", v.file, v.why));
    let bad: Vec<String> = variants.iter().filter_map(fault).collect();
    assert!(bad.is_empty(), "{} of {} variants:\n{}", bad.len(), variants.len(), bad.join("\n"));
    let entries = std::fs::read_dir(&folder).unwrap();
    let found: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let pictures = variants.iter().map(|v| &v.expected).filter(|expected| expected.ends_with(".ppm"));
    let mut named: BTreeSet<String> = variants.iter().map(|v| &v.file).chain(pictures).cloned().collect();
    named.extend(["make.py".to_owned(), "variants.csv".to_owned()]);
    if let Ok(mut reader) = csv::Reader::from_path(folder.join("reduced.csv")) {
        named.insert("reduced.csv".to_owned());
        named.extend(reader.records().map(|row| row.unwrap()[2].to_owned()));
    }
    let lost: Vec<_> = found.symmetric_difference(&named).collect();
    assert!(lost.is_empty(), "on one side only: {lost:?}");
}
