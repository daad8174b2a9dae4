//! Files from strangers: each that cannot be shown is an error that names the file, whom it concerns and what to do.

mod common;

use std::fs;

use common::{bmp_of, cut, find, gif_of, golden, ihdr, jpeg_of, png, tiff, tiff_of, vp8l, webp, with};
use phiz_image::ErrorKind::{Damaged, TooLarge, UnknownFormat, Unsupported};
use phiz_image::{DecodeOptions, ErrorKind, Image, Limits};

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    kind: ErrorKind,
    /// A word of the reason.
    says: &'static str,
}

fn case(name: &'static str, bytes: impl Into<Vec<u8>>, kind: ErrorKind, says: &'static str) -> Case {
    Case { name, bytes: bytes.into(), kind, says }
}

fn no_pictures() -> Vec<Case> {
    let scattered: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    vec![
        case("empty", [], Damaged, "empty"),
        case("one byte", [0x89], UnknownFormat, "no picture"),
        case("zeros", [0; 1000], UnknownFormat, "zeros"),
        case("scattered bytes", scattered, UnknownFormat, "no picture"),
        case("text", *b"a photo of Ada, taken in spring", UnknownFormat, "text"),
        case("JSON", *b"{\"photo\": \"ada.jpg\"}", UnknownFormat, "text"),
        case("web page", *b"<!DOCTYPE html><p>not found", UnknownFormat, "HTML"),
        case("drawing", *b"  <svg xmlns='http://www.w3.org/2000/svg'/>", UnknownFormat, "SVG"),
        case("document", *b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", UnknownFormat, "PDF"),
        case("archive", *b"PK\x03\x04\x14\0\0\0", UnknownFormat, "ZIP"),
        case("program", *b"\x7fELF\x02\x01\x01\0\0\0", UnknownFormat, "program"),
        case("program for Windows", *b"MZ\x90\0\x03\0\0\0", UnknownFormat, "program"),
        case("HEIC", *b"\0\0\0\x24ftypheic\0\0\0\0", Damaged, "HEIC"),
        case("HEIC by its second brand", *b"\0\0\0\x18ftypmsf2\0\0\0\0msf2heix", Damaged, "HEIC"),
        case("AVIF", *b"\0\0\0\x20ftypavif\0\0\0\0", Damaged, "AVIF"),
        case("AVIF that is HEIF too", *b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Damaged, "AVIF"),
        case("video", *b"\0\0\0\x18ftypisom\0\0\0\0isommp42", UnknownFormat, "video"),
        case("JPEG XL", *b"\xff\x0a\xfa\x3f", Damaged, "JPEG XL"),
        case("JPEG XL in boxes", *b"\0\0\0\x0cJXL \r\n\x87\n", Damaged, "JPEG XL"),
        case("JPEG 2000", *b"\0\0\0\x0cjP  \r\n\x87\n", Unsupported, "JPEG 2000"),
        case("JPEG XR", *b"II\xbc\x01\x20\0\0\0", Unsupported, "JPEG XR"),
        case("raw of Canon", *b"II*\0\x10\0\0\0CR\x02\0", Unsupported, "raw photo"),
        case("raw of Canon, new", *b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", Unsupported, "raw photo"),
        case("raw of Fujifilm", *b"FUJIFILMCCD-RAW 0201", Unsupported, "raw photo"),
        case("raw of Olympus", *b"IIRO\x08\0\0\0", Unsupported, "raw photo"),
        case("raw of Panasonic", *b"IIU\0\x18\0\0\0", Unsupported, "raw photo"),
        case("OpenEXR", *b"\x76\x2f\x31\x01\x02\0\0\0", Unsupported, "OpenEXR"),
        case("PNM", *b"P6\n1 1\n255\nabc", Unsupported, "PNM"),
        case("QOI", *b"qoif\0\0\0\x01", Unsupported, "QOI"),
        case("icon", *b"\0\0\x01\0\x01\0\x10\x10\0\0", Unsupported, "icon"),
        case("Photoshop", *b"8BPS\0\x01\0\0\0\0\0\0", Unsupported, "Photoshop"),
        case("sound in a RIFF", *b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", UnknownFormat, "no picture"),
    ]
}

/// A JPEG with an empty scan, once more and a hundred times more.
fn scanned(jpeg: &[u8]) -> Vec<u8> {
    let scan = find(jpeg, &[0xff, 0xda]);
    let length = 2 + usize::from(jpeg[scan + 3]);
    [&jpeg[..scan], &jpeg[scan..scan + length].repeat(100), &jpeg[scan..]].concat()
}

fn damaged() -> Vec<Case> {
    let large = golden("large.jpg");
    let frame = find(&large, &[0xff, 0xc0]);
    let tables = find(&large, &[0xff, 0xdb]);
    let rgb = golden("orientation_1.png");
    let data = find(&rgb, b"IDAT");
    let lossless = golden("lossless.webp");
    let gif = golden("palette.gif");
    let bmp = golden("rgb.bmp");
    let raw = golden("raw.tif");
    vec![
        case("JPEG: three bytes", [0xff, 0xd8, 0xff], Damaged, "cut off"),
        case("JPEG: beginning and end only", [0xff, 0xd8, 0xff, 0xd9], Damaged, "damaged"),
        case("JPEG: half", cut("large.jpg", 0.5), Damaged, "cut off"),
        case("JPEG: without its last hundred bytes", &large[..large.len() - 100], Damaged, "cut off"),
        case("JPEG: header only", &large[..frame + 4], Damaged, "damaged"),
        case("JPEG: half, a whole thumbnail before it", cut("thumbnail.jpg", 0.6), Damaged, "cut off"),
        case("JPEG: half of a progressive one", cut("progressive.jpg", 0.6), Damaged, "cut off"),
        case("JPEG: a hundred scans too many", scanned(&cut("progressive.jpg", 1.0)), TooLarge, "times over"),
        case("JPEG: no columns", jpeg_of(0, 32), Damaged, ""),
        case("JPEG: tables gone", with(large.clone(), tables, &[0xff, 0xe7]), Damaged, "damaged"),
        case("JPEG: 7 bits a sample", with(large.clone(), frame + 4, &[7]), Damaged, ""),
        case("JPEG: five components", with(large.clone(), frame + 9, &[5]), Damaged, ""),
        case("PNG: signature only", &rgb[..8], Damaged, "cut off"),
        case("PNG: header only", &rgb[..33], Damaged, "cut off"),
        case("PNG: half", cut("orientation_1.png", 0.5), Damaged, "cut off"),
        case("PNG: wrong checksum of the header", with(rgb.clone(), 29, &[0, 0, 0, 0]), Damaged, "damaged"),
        case("PNG: scratched data", with(rgb.clone(), data + 40, &[0; 30]), Damaged, "damaged"),
        case("PNG: no columns", png(&[(b"IHDR", &ihdr(0, 5, 2)), (b"IEND", &[])]), Damaged, ""),
        case("PNG: colour type 5", png(&[(b"IHDR", &ihdr(5, 5, 5)), (b"IEND", &[])]), Damaged, "damaged"),
        case("PNG: no data", png(&[(b"IHDR", &ihdr(5, 5, 2)), (b"IEND", &[])]), Damaged, ""),
        case(
            "PNG: data of something else",
            png(&[(b"IHDR", &ihdr(5, 5, 2)), (b"IDAT", b"nonsense"), (b"IEND", &[])]),
            Damaged,
            "damaged",
        ),
        case("WebP: twelve bytes", &lossless[..12], Damaged, "cut off"),
        case("WebP: half", cut("lossless.webp", 0.5), Damaged, ""),
        case("WebP: half of a lossy one", cut("lossy.webp", 0.5), Damaged, ""),
        case("WebP: nonsense", webp(&[(b"VP8L", &vp8l(30, 30))]), Damaged, ""),
        case("WebP: no picture inside", webp(&[(b"EXIF", &[1, 2, 3, 4])]), Damaged, ""),
        case("GIF: six bytes", &gif[..6], Damaged, "damaged"),
        case("GIF: header only", &gif[..13], Damaged, ""),
        case("GIF: half", cut("palette.gif", 0.6), Damaged, ""),
        case("GIF: no picture inside", [&gif[..10], &[0, 0, 0, 0x3b]].concat(), Damaged, ""),
        case("GIF: no columns", gif_of(0, 10), Damaged, ""),
        case("GIF: nonsense", gif_of(30, 30), Damaged, ""),
        case("BMP: two bytes", &bmp[..2], Damaged, "cut off"),
        case("BMP: header only", &bmp[..54], Damaged, "cut off"),
        case("BMP: half", cut("rgb.bmp", 0.5), Damaged, "cut off"),
        case("BMP: no columns", bmp_of(0, 3, 24), Damaged, "no pixels"),
        case("BMP: 7 bits a pixel", bmp_of(3, 3, 7), Damaged, ""),
        case("TIFF: eight bytes", &raw[..8], Damaged, ""),
        case("TIFF: half", cut("tiff_lzw.tif", 0.5), Damaged, ""),
        case("TIFF: directory beyond the end", *b"II*\0\xff\xff\xff\0", Damaged, ""),
        case("TIFF: directory of nothing", tiff(&[]), Damaged, "damaged"),
        case("TIFF: no columns", tiff_of(0, 9, 1), Damaged, ""),
        case("TIFF: data beyond the end", tiff_of(900, 900, 1), Damaged, ""),
        case("TIFF: unknown compression", tiff_of(9, 9, 9999), Unsupported, "9999"),
        case(
            "TIFF: a number of a billion values",
            tiff(&[(256, 4, 1_000_000_000, 8), (257, 4, 1, 9)]),
            Damaged,
            "size is missing",
        ),
    ]
}

/// Each under a name that says JPEG, which must help nothing and harm nothing.
#[test]
fn each_bad_file_is_named_with_the_reason_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let bombs = common::bombs().into_iter().map(|(name, bytes)| case(name, bytes, TooLarge, ""));
    let cases: Vec<Case> = no_pictures().into_iter().chain(damaged()).chain(bombs).collect();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut bad = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let path = folder.path().join(format!("holiday {i}.jpg"));
        fs::write(&path, &case.bytes).unwrap();
        for min_long_side in [None, Some(16)] {
            let options = DecodeOptions { min_long_side, ..DecodeOptions::default() };
            let Err(error) = Image::open(&path, &options) else {
                bad.push(format!("{}: decodes", case.name));
                continue;
            };
            let text = error.to_string();
            let named = text.starts_with(&format!("{}: ", path.display())) && error.path() == Some(&path);
            if !named || error.kind() != case.kind || !text.contains(case.says) || error.hint().is_empty() {
                bad.push(format!("{}: {:?}, {text}", case.name, error.kind()));
            }
            // The same bytes without a file give the same reason.
            let again = Image::decode(&case.bytes, &options).unwrap_err();
            if !text.ends_with(&again.to_string()) || again.path().is_some() {
                bad.push(format!("{}: from bytes {again}", case.name));
            }
        }
    }
    assert!(bad.is_empty(), "{} of {} cases:\n{}", bad.len(), cases.len(), bad.join("\n"));
}

#[test]
fn what_is_no_file_is_named_too() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("gone.jpg");
    for (path, says) in [(missing.as_path(), "cannot be read"), (folder.path(), "folder")] {
        let error = Image::open(path, &DecodeOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains(says) && error.path() == Some(path), "{error}");
    }
}

#[test]
fn limits_are_the_callers() {
    let bytes = golden("large.jpg");
    let size = bytes.len() as u64;
    let fine = Limits { max_bytes: size, max_pixels: 200 * 150 };
    let decode = |limits| Image::decode(&bytes, &DecodeOptions { limits, ..DecodeOptions::default() });
    assert!(decode(fine).is_ok());
    for (limits, says) in [
        (Limits { max_bytes: size - 1, ..fine }, "bytes, more than the limit"),
        (
            Limits { max_pixels: 200 * 150 - 1, ..fine },
            "200×150 = 30000 pixels, more than the limit of 29999",
        ),
        (Limits { max_pixels: 0, ..fine }, "pixels"),
    ] {
        let error = decode(limits).unwrap_err();
        assert!(error.kind() == TooLarge && error.to_string().contains(says), "{error}");
    }
}

#[test]
fn the_content_tells_the_format_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    for (content, name) in [
        ("grey.png", "a.jpg"),
        ("large.jpg", "b.png"),
        ("palette.gif", "c.tif"),
        ("lossless.webp", "d"),
        ("raw.tif", "e.bmp"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, golden(content)).unwrap();
        let (open, decode) = (
            Image::open(&path, &DecodeOptions::default()).unwrap(),
            Image::decode(&golden(content), &DecodeOptions::default()).unwrap(),
        );
        assert_eq!(open, decode, "{content} as {name}");
    }
}
