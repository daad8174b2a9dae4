//! Where pictures come from: readers, pipes and files that cannot tell their size; and which names are looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{self, Read};
use std::path::Path;

use common::golden;
use phiz_image::formats::{self, Naming};
use phiz_image::{DecodeOptions, ErrorKind, Image, Limit, Limits};

/// Gives a byte at a time, then fails or never ends.
struct Drops<'a>(&'a [u8], Option<io::ErrorKind>);

impl Read for Drops<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match (self.0.split_first(), self.1) {
            (Some((&byte, rest)), _) => {
                out[0] = byte;
                self.0 = rest;
                Ok(1)
            }
            (None, Some(kind)) => Err(kind.into()),
            (None, None) => Ok(0),
        }
    }
}

#[test]
fn a_reader_gives_the_same_picture() {
    let bytes = golden("large.jpg");
    let options = DecodeOptions::default();
    let whole = Image::decode(&bytes, &options).unwrap();
    assert_eq!(Image::from_reader(Drops(&bytes, None), &options).unwrap(), whole);
    let error = Image::from_reader(Drops(&bytes, Some(io::ErrorKind::BrokenPipe)), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn a_reader_without_end_stops_at_the_limit() {
    let limits = Limits { max_bytes: 1000, ..Limits::default() };
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    let error = Image::from_reader(io::repeat(7), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.limit(), Some(Limit::Bytes { found: None, allowed: 1000 }));
}

#[test]
fn every_limit_says_which_it_is() {
    let bytes = golden("large.jpg");
    let error = |limits| {
        Image::decode(&bytes, &DecodeOptions { limits, ..DecodeOptions::default() }).unwrap_err().limit()
    };
    let size = bytes.len() as u64;
    assert_eq!(
        error(Limits { max_bytes: 9, ..Limits::default() }),
        Some(Limit::Bytes { found: Some(size), allowed: 9 })
    );
    assert_eq!(
        error(Limits { max_pixels: 9, ..Limits::default() }),
        Some(Limit::Pixels { found: 30_000, allowed: 9 })
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_with_a_name_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no mkfifo here");
        return;
    }
    let bytes = golden("large.jpg");
    let (sent, to) = (bytes.clone(), path.clone());
    let writer = std::thread::spawn(move || std::fs::write(to, sent));
    let image = Image::open(&path, &DecodeOptions::default()).unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(image, Image::decode(&bytes, &DecodeOptions::default()).unwrap());
}

#[test]
fn names_are_sorted_into_read_known_and_other() {
    let read = [
        "a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.MPO", "b.png", "c.webp", "d.gif", "e.bmp", "f.tif",
        "f.tiff", "a.avif", "a.AVIFS",
    ];
    let known = ["a.jp2", "a.dng", "a.CR2", "a.cr3", "a.nef", "a.arw", "a.psd"];
    let other = ["notes.txt", "jpg", "a.jpg.txt", "a.mp4", ".jpg", ""];
    for name in read {
        assert!(matches!(formats::by_name(Path::new(name)), Naming::Read(f) if f.read), "{name}");
    }
    for name in known {
        let naming = formats::by_name(Path::new(name));
        assert!(matches!(naming, Naming::Known(f) if !f.read && !f.remedy.is_empty()), "{name}");
    }
    for name in other {
        assert_eq!(formats::by_name(Path::new(name)), Naming::Other, "{name}");
    }
    assert!(formats::extensions().any(|e| e == "jfif") && !formats::extensions().any(|e| e == "jp2"));
}

#[test]
fn content_tells_what_names_do_not() {
    for (name, format) in [
        ("large.jpg", "JPEG"),
        ("rgb16.png", "PNG"),
        ("lossy.webp", "WebP"),
        ("palette.gif", "GIF"),
        ("rgb.bmp", "BMP"),
        ("raw.tif", "TIFF"),
        ("tiff/bigtiff.tif", "TIFF"),
        ("tiff/bigtiff-mm.tif", "TIFF"),
    ] {
        assert_eq!(formats::by_content(&golden(name)).map(|f| f.name), Some(format), "{name}");
    }
    assert_eq!(formats::by_content(b"a text"), None);
}
