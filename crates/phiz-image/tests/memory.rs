//! What a file says to need is checked before it is given: the memory of hostile files is measured.
//!
//! One test in a program of its own, because the allocator counts for the whole process.

mod common;

use std::fs::File;

use common::{golden, ihdr, png, vp8x, webp};
use peak_alloc::PeakAlloc;
use phiz_image::{DecodeOptions, ErrorKind, Image, Limits};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes taken at most at once beyond what was in use before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

/// More than so many zero bytes, compressed as PNG compresses (RFC 1950 and 1951): one literal, then as often as
/// needed "the last byte again, 258 times", in 13 bits.
fn zeros(bytes: usize) -> Vec<u8> {
    let (mut out, mut pending, mut bits) = (vec![0x78, 0x9c], 0u32, 0);
    let mut put = |value: u32, count: u32| {
        pending |= value << bits;
        bits += count;
        while bits >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            bits -= 8;
        }
    };
    let repeats = bytes.div_ceil(258);
    // Last block, fixed codes; codes are written from their highest bit.
    put(0b011, 3);
    put(0b0000_1100, 8);
    for _ in 0..repeats {
        put(0b1010_0011, 8);
        put(0, 5);
    }
    put(0, 7 + 7);
    let total = 1 + 258 * repeats;
    out.extend((((total % 65_521) as u32) << 16 | 1).to_be_bytes());
    out
}

#[test]
fn hostile_files_take_little_memory() {
    let mut bad = Vec::new();
    let mut check = |name: &str,
                     most: usize,
                     kind: Option<ErrorKind>,
                     work: &dyn Fn() -> Option<ErrorKind>| {
        let (found, taken) = peak(work);
        if taken > most || found != kind {
            bad.push(format!("{name}: {found:?} with {} kB, at most {} kB allowed", taken >> 10, most >> 10));
        }
    };
    let all = DecodeOptions::default();
    let outcome =
        |bytes: &[u8], options: &DecodeOptions| Image::decode(bytes, options).err().map(|e| e.kind());

    for (name, bytes) in common::bombs() {
        check(name, 1 << 20, Some(ErrorKind::TooLarge), &|| outcome(&bytes, &all));
    }

    // A file that is too long is not even read.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.png");
    File::create(&path).unwrap().set_len(Limits::default().max_bytes + 1).unwrap();
    let open = || Image::open(&path, &all).err().map(|e| e.kind());
    check("a file of 256 MB", 1 << 16, Some(ErrorKind::TooLarge), &open);

    // Small pictures that carry much: what is not asked for is not unpacked.
    let packed = zeros(256 << 20);
    let header = ihdr(1, 1, 2);
    let one = zeros(1 << 16);
    let notes = |name: &[u8; 4], start: &[u8]| {
        let note = [start, &packed].concat();
        png(&[(b"IHDR", &header), (name, &note), (b"IDAT", &one), (b"IEND", &[])])
    };
    let profile = notes(b"iCCP", b"profile\0\0");
    check("PNG, 256 MB of colour profile", 16 << 20, None, &|| outcome(&profile, &all));
    let text = notes(b"zTXt", b"comment\0\0");
    check("PNG, 256 MB of comment", 16 << 20, None, &|| outcome(&text, &all));
    let data = png(&[(b"IHDR", &header), (b"IDAT", &packed), (b"IEND", &[])]);
    check("PNG, 256 MB for one pixel", 16 << 20, None, &|| outcome(&data, &all));

    // A note that says to be larger than its file.
    let whole = golden("lossless.webp");
    let mut header = vp8x(48, 32);
    header[0] = 0x08;
    let mut noted =
        webp(&[(b"VP8X", &header), (&whole[12..16].try_into().unwrap(), &whole[20..]), (b"EXIF", b"MM\0*")]);
    let size = noted.len() - 8;
    noted[size..size + 4].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    check("WebP, 4 GB of EXIF", 1 << 20, None, &|| outcome(&noted, &all));

    // An honest picture stays within a few times its pixels, and far below when it is reduced.
    let large = golden("large.jpg");
    let pixels = 200 * 150;
    check("a JPEG", 12 * pixels + (1 << 18), None, &|| outcome(&large, &all));
    let limits = Limits { max_pixels: 100 * 100, ..Limits::default() };
    let refused = DecodeOptions { limits, ..all };
    check("a JPEG beyond the caller's limit", 1 << 18, Some(ErrorKind::TooLarge), &|| {
        outcome(&large, &refused)
    });
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
