//! The orientation, wherever a file tells it, against ExifTool. `golden/orientation/make.py` made the files and says what
//! they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use phiz_image::{DecodeOptions, Image};

/// A pixel of the upright picture, from the picture as it lies (EXIF 2.32, tag 274).
fn lying(orientation: u8, x: u32, y: u32, w: u32, h: u32) -> (u32, u32) {
    let (right, below) = (w - 1 - x.min(w - 1), h - 1 - y.min(h - 1));
    match orientation {
        1 => (x, y),
        2 => (right, y),
        3 => (right, below),
        4 => (x, below),
        5 => (y, x),
        6 => (y, h - 1 - x),
        7 => (w - 1 - y, h - 1 - x),
        _ => (w - 1 - y, x),
    }
}

fn turned(image: &Image, orientation: u8) -> Image {
    let (w, h) = (image.width(), image.height());
    let (out_w, out_h) = if orientation >= 5 { (h, w) } else { (w, h) };
    let mut rgb = Vec::new();
    for y in 0..out_h {
        for x in 0..out_w {
            let (i, j) = lying(orientation, x, y, w, h);
            rgb.extend_from_slice(&image.pixels()[((j * w + i) * 3) as usize..][..3]);
        }
    }
    Image::from_rgb(out_w, out_h, rgb).unwrap()
}

#[test]
fn every_file_is_turned_as_exiftool_reads_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/orientation");
    let mut reader = csv::Reader::from_path(folder.join("orientations.csv")).unwrap();
    let (mut bad, mut files) = (Vec::new(), 0);
    for row in reader.records().map(Result::unwrap) {
        let (file, orientation, why) = (&row[0], row[1].parse().unwrap(), &row[2]);
        files += 1;
        let open = |upright| {
            Image::open(&folder.join(file), &DecodeOptions { upright, ..DecodeOptions::default() }).unwrap()
        };
        let (upright, lying) = (open(true), open(false));
        if upright != turned(&lying, orientation) {
            let found: Vec<u8> = (1..=8).filter(|&o| upright == turned(&lying, o)).collect();
            bad.push(format!("{file} ({why}): turned as {found:?}, not {orientation}"));
        }
    }
    assert!(bad.is_empty(), "{} of {files}:\n{}", bad.len(), bad.join("\n"));
    let entries = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, entries - 2, "files that the table does not name");
}
