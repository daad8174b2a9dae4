//! When a picture was taken, wherever a format keeps EXIF.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{golden, ihdr, png, vp8x, webp};
use heifer::heifer_isobmff::HeifFile;
use heifer::heifer_isobmff::writer::{HeifWriter, ImageSpec};
use phiz_image::taken;

/// Little-endian entries of a directory that begins at `at`: texts that do not fit stand behind it.
fn directory(at: u32, texts: &[(u16, &str)], child: Option<u16>) -> Vec<u8> {
    let entries = texts.len() + usize::from(child.is_some());
    let mut behind = at + 2 + 12 * entries as u32 + 4;
    let (mut out, mut rest) = ((entries as u16).to_le_bytes().to_vec(), Vec::new());
    for (tag, text) in texts {
        let text = [text.as_bytes(), b"\0"].concat();
        out.extend(tag.to_le_bytes());
        out.extend(2u16.to_le_bytes());
        out.extend((text.len() as u32).to_le_bytes());
        if text.len() <= 4 {
            let mut text = text;
            text.resize(4, 0);
            out.extend(text);
        } else {
            out.extend(behind.to_le_bytes());
            behind += text.len() as u32;
            rest.extend(text);
        }
    }
    if let Some(tag) = child {
        out.extend(tag.to_le_bytes());
        out.extend(4u16.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(behind.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    out.extend(rest);
    out
}

/// A block of EXIF: the first directory, which says when the file was changed, and EXIF's own.
fn exif(texts: &[(u16, &str)]) -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend(directory(8, &[(0x0132, "2020:01:01 00:00:00")], Some(0x8769)));
    let at = out.len() as u32;
    out.extend(directory(at, texts, None));
    out
}

fn jpeg(exif: &[u8]) -> Vec<u8> {
    let picture = golden("grey.jpg");
    let body = [b"Exif\0\0", exif].concat();
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&picture[..2], b"\xff\xe1", &length, &body, &picture[2..]].concat()
}

/// The 1 June 2024, 18:30:05, in UTC.
const TAKEN: i64 = 1_717_266_605;

#[test]
fn the_time_of_taking_counts_and_its_offset() {
    let original = (0x9003, "2024:06:01 18:30:05");
    for (texts, wanted) in [
        (vec![original], Some(TAKEN)),
        (vec![original, (0x9011, "+02:00")], Some(TAKEN - 7200)),
        (vec![original, (0x9011, "-07:00")], Some(TAKEN + 7 * 3600)),
        (vec![original, (0x9011, "   :  ")], Some(TAKEN)),
        (vec![original, (0x9004, "2010:01:01 00:00:00")], Some(TAKEN)),
        // Scanned in: what it shows is older, but that is all that the file knows.
        (vec![(0x9004, "2024:06:01 18:30:05"), (0x9012, "Z")], Some(TAKEN)),
        // The clock was not set.
        (vec![(0x9003, "0000:00:00 00:00:00")], None),
        // Only when the file was changed.
        (vec![(0x9286, "a note")], None),
    ] {
        assert_eq!(taken(&jpeg(&exif(&texts))), wanted, "{texts:?}");
    }
    assert_eq!(taken(&golden("grey.jpg")), None);
    assert_eq!(taken(b"no picture"), None);
}

#[test]
fn every_format_that_carries_exif_is_read() {
    let exif = exif(&[(0x9003, "2024:06:01 18:30:05")]);
    let picture = golden("lossless.webp");
    let mut header = vp8x(48, 32);
    header[0] = 0x08;
    let webp = webp(&[(b"VP8X", &header), (b"VP8L", &picture[20..]), (b"EXIF", &exif)]);
    let png = png(&[(b"IHDR", &ihdr(1, 1, 2)), (b"eXIf", &exif), (b"IDAT", &[]), (b"IEND", &[])]);
    let heic = golden("modern/lossless.heic");
    let file = HeifFile::parse(&heic).unwrap();
    let config = file.hevc_config(common::coded(&file)).unwrap().unwrap().clone();
    let mut writer = HeifWriter::new();
    let image = writer.add_image(&ImageSpec::new(48, 32, config, &[]));
    writer.add_exif(image, &exif);
    let jxl = golden("modern/lossy.jxl");
    // A box of EXIF: the place of its first byte, counted from behind that number, and the block.
    let body = [&0u32.to_be_bytes(), &exif[..]].concat();
    let length = (body.len() as u32 + 8).to_be_bytes();
    let jxl = [&jxl[..32], &length, b"Exif", &body, &jxl[32..]].concat();
    // The same packed, as libjxl's tools write it: brotli, in a block that is not compressed.
    let head = ((body.len() as u32 - 1) << 4 | 1 << 20).to_le_bytes();
    let packed = [b"Exif", &head[..3], &body, b"\x03"].concat();
    let whole = golden("modern/lossy.jxl");
    let length = (packed.len() as u32 + 8).to_be_bytes();
    let brob = [&whole[..32], &length, b"brob", &packed, &whole[32..]].concat();
    let all = [
        ("WebP", webp),
        ("PNG", png),
        ("HEIC", writer.finish()),
        ("JPEG XL", jxl),
        ("JPEG XL, packed", brob),
        ("TIFF", exif.clone()),
    ];
    for (name, bytes) in all {
        assert_eq!(taken(&bytes), Some(TAKEN), "{name}");
        // Cut or changed anywhere, it says another time or none.
        for at in 0..bytes.len() {
            let _ = taken(&bytes[..at]);
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            let _ = taken(&changed);
        }
    }
}
