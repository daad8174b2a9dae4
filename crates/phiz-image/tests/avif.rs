//! AVIF against another decoder's pixels. `golden/modern/make_avif.py` made the files and says how.
//!
//! Needs ffmpeg. Where it is missing, each test that needs it says so and ends, unless `PHIZ_NEED_FFMPEG` is set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/variants.rs"]
mod variants;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use heifer::heifer_isobmff::HeifFile;
use phiz_image::{DecodeOptions, ErrorKind, Image, Limit, Limits, stored_orientation};

fn folder() -> PathBuf {
    variants::folder("modern")
}

fn rows() -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(folder().join("avif.csv")).unwrap();
    reader.records().map(|row| row.unwrap()).collect()
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn no_ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return false;
    }
    assert!(std::env::var_os("PHIZ_NEED_FFMPEG").is_none(), "ffmpeg is missing");
    // Not by `eprintln!`, which a test that passes keeps to itself.
    let mut out = std::io::stderr();
    writeln!(out, "skipped: there is no ffmpeg").unwrap();
    true
}

#[test]
fn files_decode_as_another_decoder_shows_them() {
    if no_ffmpeg() {
        return;
    }
    let mut bad = Vec::new();
    let rows = rows();
    assert!(rows.len() > 30);
    for row in &rows {
        let (file, why) = (&row[0], &row[4]);
        let (most, mean): (f64, f64) = (row[2].parse().unwrap(), row[3].parse().unwrap());
        let image = match Image::open(&folder().join(file), &DecodeOptions::default()) {
            Ok(image) => image,
            Err(error) => {
                bad.push(format!("{file} ({why}): {error}"));
                continue;
            }
        };
        let (w, h, right) = variants::ppm(&folder().join(&row[1]));
        if (image.width(), image.height()) != (w, h) {
            bad.push(format!("{file} ({why}): {}×{}", image.width(), image.height()));
            continue;
        }
        let apart = image.pixels().iter().zip(&right).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let (worst, sum) = apart.fold((0.0, 0.0), |(a, b): (f64, f64), d| (a.max(d), b + d));
        if worst > most || sum / right.len() as f64 > mean {
            bad.push(format!(
                "{file} ({why}): differs by {worst}, by {:.2} in the mean",
                sum / right.len() as f64
            ));
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn the_way_that_a_picture_lies_is_told_and_can_be_left() {
    if no_ffmpeg() {
        return;
    }
    for (name, number) in [
        ("444_8", 1),
        ("exif", 1),
        ("turned_90", 8),
        ("turned_180", 3),
        ("turned_270", 6),
        ("mirror_0", 4),
        ("mirror_1", 2),
    ] {
        let bytes = read(&format!("avif_{name}.avif"));
        assert_eq!(stored_orientation(&bytes), number, "{name}");
        let lying =
            Image::decode(&bytes, &DecodeOptions { upright: false, ..DecodeOptions::default() }).unwrap();
        assert_eq!((lying.width(), lying.height()), (49, 33), "{name}");
    }
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    if no_ffmpeg() {
        return;
    }
    for (name, pixels) in [("444_8", 49 * 33), ("grid", 128 * 128), ("alpha", 49 * 33)] {
        let bytes = read(&format!("avif_{name}.avif"));
        let decode = |max_pixels| {
            let limits = Limits { max_pixels, ..Limits::default() };
            Image::decode(&bytes, &DecodeOptions { limits, ..DecodeOptions::default() })
        };
        assert!(decode(pixels).is_ok(), "{name}");
        let error = decode(pixels - 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{name}: {error}");
        assert!(matches!(error.limit(), Some(Limit::Pixels { .. })), "{name}: {error}");
    }
}

#[test]
fn cut_files_are_refused() {
    if no_ffmpeg() {
        return;
    }
    for name in ["444_8", "grid_alpha"] {
        let bytes = read(&format!("avif_{name}.avif"));
        for length in 0..bytes.len() {
            let error = Image::decode(&bytes[..length], &DecodeOptions::default()).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Damaged | ErrorKind::UnknownFormat),
                "{name}, {length}: {error}"
            );
        }
    }
    // What is coded is cut off, in a container that is whole: the decoder must say so, or the headers do.
    let whole = coded();
    for length in (0..whole.len()).step_by(whole.len().div_ceil(24)) {
        let file = avif(&[(*b"av01", (49, 33), whole[..length].to_vec(), Vec::new())]);
        let error = Image::decode(&file, &DecodeOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{length}: {error}");
    }
}

#[test]
fn changed_files_are_refused_or_shown() {
    if no_ffmpeg() {
        return;
    }
    let mut seed = 7u32;
    let mut shown = 0;
    for name in ["420_8", "444_12", "lossless", "grid_alpha", "person"] {
        let bytes = read(&format!("avif_{name}.avif"));
        // Each one that reaches the decoder takes a process.
        for _ in 0..8 {
            let mut changed = bytes.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % changed.len();
                changed[at] = (seed >> 24) as u8;
            }
            assert!((1..=8).contains(&stored_orientation(&changed)));
            match Image::decode(&changed, &DecodeOptions::default()) {
                Ok(_) => shown += 1,
                Err(error) => assert!(!error.reason().is_empty()),
            }
        }
    }
    assert!(shown > 0, "every change was found out: nothing reached the decoder");
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// An item: its type, the size that it states, its bytes, and what it is made of.
type Item = ([u8; 4], (u32, u32), Vec<u8>, Vec<u16>);

/// A file of items, numbered from 1, of which the last is the main one.
fn avif(items: &[Item]) -> Vec<u8> {
    let count = (items.len() as u16).to_be_bytes();
    let (mut infe, mut ispe, mut ipma, mut iloc, mut iref, mut idat) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), vec![0; 4], Vec::new());
    for (i, (kind, (w, h), data, parts)) in items.iter().enumerate() {
        let id = (i as u16 + 1).to_be_bytes();
        infe.extend(boxed(b"infe", &[&[2, 0, 0, 0], &id[..], &[0, 0], kind, b"\0"].concat()));
        ispe.extend(boxed(b"ispe", &[&[0; 4], &w.to_be_bytes()[..], &h.to_be_bytes()].concat()));
        ipma.extend([&id[..], &[1, i as u8 + 1]].concat());
        let (at, length) = ((idat.len() as u32).to_be_bytes(), (data.len() as u32).to_be_bytes());
        iloc.extend([&id[..], &[0, 1, 0, 0, 0, 1], &at, &length].concat());
        idat.extend(data);
        if !parts.is_empty() {
            let to: Vec<u8> = parts.iter().flat_map(|id| id.to_be_bytes()).collect();
            iref.extend(boxed(b"dimg", &[&id[..], &(parts.len() as u16).to_be_bytes(), &to].concat()));
        }
    }
    let properties = [
        boxed(b"ipco", &ispe),
        boxed(b"ipma", &[&[0; 4], &(items.len() as u32).to_be_bytes()[..], &ipma].concat()),
    ];
    let meta = [
        vec![0; 4],
        boxed(b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        boxed(b"pitm", &[&[0; 4], &count[..]].concat()),
        boxed(b"iinf", &[&[0; 4], &count[..], &infe].concat()),
        boxed(b"iloc", &[&[1, 0, 0, 0, 0x44, 0], &count[..], &iloc].concat()),
        boxed(b"iprp", &properties.concat()),
        boxed(b"iref", &iref),
        boxed(b"idat", &idat),
    ];
    [boxed(b"ftyp", b"avif\0\0\0\0avifmif1"), boxed(b"meta", &meta.concat())].concat()
}

fn coded() -> Vec<u8> {
    let bytes = read("avif_444_8.avif");
    let file = HeifFile::parse(&bytes).unwrap();
    file.item_data(file.primary_id).unwrap().into_owned()
}

fn grid(rows: u16, columns: u16, w: u16, h: u16) -> Vec<u8> {
    let size = [w.to_be_bytes(), h.to_be_bytes()].concat();
    [&[0, 0, (rows - 1) as u8, (columns - 1) as u8], &size[..]].concat()
}

#[test]
fn a_small_file_cannot_keep_the_decoder_busy() {
    if no_ffmpeg() {
        return;
    }
    let decode = |items: &[Item]| Image::decode(&avif(items), &DecodeOptions::default());
    let tile = || (*b"av01", (49, 33), coded(), Vec::new());
    let fine = decode(&[tile()]).unwrap();
    assert_eq!((fine.width(), fine.height()), (49, 33));

    // The same tile in every place of the largest grid, of which a corner is shown.
    let most = (*b"grid", (16, 16), grid(256, 255, 16, 16), vec![1; 256 * 255]);
    let error = decode(&[tile(), most]).unwrap_err();
    assert_eq!((error.kind(), error.limit()), (ErrorKind::TooLarge, Some(Limit::Scans)), "{error}");

    // Many pictures in one item.
    let many = [coded(), [6 << 3 | 2, 1, 0].repeat(45_000)].concat();
    let error = decode(&[(*b"av01", (49, 33), many, Vec::new())]).unwrap_err();
    assert_eq!((error.kind(), error.limit()), (ErrorKind::TooLarge, Some(Limit::Scans)), "{error}");

    // A picture that is larger than it states, and one that is smaller.
    for size in [(16, 16), (50, 33)] {
        let error = decode(&[(*b"av01", size, coded(), Vec::new())]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }

    // Grids of what is no coded picture, of too few tiles, and that their tiles do not cover.
    let small = |id| (*b"grid", (49, 33), grid(1, 1, 49, 33), vec![id]);
    for (items, kind) in [
        (vec![tile(), small(1), small(2)], ErrorKind::Unsupported),
        (vec![small(1)], ErrorKind::Unsupported),
        (vec![tile(), (*b"grid", (49, 33), grid(2, 2, 49, 33), vec![1])], ErrorKind::Damaged),
        (vec![tile(), (*b"grid", (49, 99), grid(1, 2, 49, 99), vec![1, 1])], ErrorKind::Damaged),
        (vec![tile(), (*b"iovl", (49, 33), Vec::new(), vec![1])], ErrorKind::Unsupported),
    ] {
        let error = decode(&items).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }

    // An honest grid is read, and cut to its size.
    let two = (*b"grid", (80, 60), grid(2, 2, 80, 60), vec![1; 4]);
    let image = decode(&[tile(), two]).unwrap();
    assert_eq!((image.width(), image.height()), (80, 60));
    for (x, y) in [(0, 0), (48, 32), (49, 33), (79, 59), (49, 0), (10, 40)] {
        let at = |image: &Image, x: usize, y: usize| {
            let start = (y * image.width() as usize + x) * 3;
            image.pixels()[start..start + 3].to_vec()
        };
        assert_eq!(at(&image, x, y), at(&fine, x % 49, y % 33), "{x}, {y}");
    }
}

#[test]
fn a_grid_of_subsampled_tiles_may_end_at_an_odd_place() {
    if no_ffmpeg() {
        return;
    }
    let bytes = read("avif_420_even.avif");
    let file = HeifFile::parse(&bytes).unwrap();
    let data = file.item_data(file.primary_id).unwrap().into_owned();
    let fine = Image::decode(&bytes, &DecodeOptions::default()).unwrap();
    let tile = (*b"av01", (64, 48), data, Vec::new());
    let whole = (*b"grid", (101, 77), grid(2, 2, 101, 77), vec![1; 4]);
    let image = Image::decode(&avif(&[tile, whole]), &DecodeOptions::default()).unwrap();
    assert_eq!((image.width(), image.height()), (101, 77));
    // Away from the seams, across which colour is interpolated, a tile shows what it shows alone.
    for y in (0..77).filter(|y| y % 48 > 1 && y % 48 < 46 && *y < 76) {
        for x in (0..101).filter(|x| x % 64 > 1 && x % 64 < 62 && *x < 100) {
            let at = |image: &Image, x: usize, y: usize| {
                let start = (y * image.width() as usize + x) * 3;
                image.pixels()[start..start + 3].to_vec()
            };
            assert_eq!(at(&image, x, y), at(&fine, x % 64, y % 48), "{x}, {y}");
        }
    }
}
