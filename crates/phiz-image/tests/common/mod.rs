//! Files made by hand: what no encoder would write.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

/// A golden file.
pub fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

/// The first so many bytes.
pub fn cut(name: &str, share: f32) -> Vec<u8> {
    let bytes = golden(name);
    bytes[..(bytes.len() as f32 * share) as usize].to_vec()
}

/// With some bytes at a place replaced.
pub fn with(mut bytes: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// Where `needle` first stands.
pub fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).unwrap()
}

/// A JPEG golden whose frame header says another size.
pub fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let bytes = golden("grey.jpg");
    let at = find(&bytes, &[0xff, 0xc0]) + 5;
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    with(bytes, at, &size)
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// A PNG of chunks.
pub fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        bytes.extend((data.len() as u32).to_be_bytes());
        let body = [&name[..], data].concat();
        bytes.extend(&body);
        bytes.extend(crc(&body).to_be_bytes());
    }
    bytes
}

/// The header of an 8-bit PNG of a colour type.
pub fn ihdr(width: u32, height: u32, colour: u8) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, colour, 0, 0, 0]].concat()
}

/// A little-endian TIFF of one directory: tag, type (3 short, 4 long), count, value or offset.
pub fn tiff(entries: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for &(tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 64]);
    bytes
}

/// A grey 8-bit TIFF of one strip, without compression unless told.
pub fn tiff_of(width: u32, height: u32, compression: u32) -> Vec<u8> {
    let strip = width.saturating_mul(height);
    let tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, strip),
    ];
    tiff(&tags)
}

/// A WebP of chunks.
pub fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend(&name[..]);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(&data[..]);
        body.extend(vec![0; data.len() % 2]);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// An extended WebP's header for a canvas of so many pixels.
pub fn vp8x(width: u32, height: u32) -> Vec<u8> {
    let three = |n: u32| (n - 1).to_le_bytes()[..3].to_vec();
    [vec![0; 4], three(width), three(height)].concat()
}

/// A lossless WebP's header for so many pixels, then nonsense.
pub fn vp8l(width: u32, height: u32) -> Vec<u8> {
    let packed = (width - 1) | (height - 1) << 14;
    [&[0x2f][..], &packed.to_le_bytes(), &[0x55; 40]].concat()
}

/// A GIF's header and a frame's, both of so many pixels, then nonsense.
pub fn gif_of(width: u16, height: u16) -> Vec<u8> {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    let palette = [0, 0, 0, 255, 255, 255];
    [
        &b"GIF89a"[..],
        &size,
        &[0x80, 0, 0],
        &palette,
        &[0x2c, 0, 0, 0, 0],
        &size,
        &[0, 2, 3, 0xff, 0xff, 0xff, 0],
    ]
    .concat()
}

/// A BMP's header for so many pixels of so many bits, then a little grey.
pub fn bmp_of(width: i32, height: i32, bits: u16) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend([0; 24]);
    bytes.extend([99; 64]);
    bytes
}

/// Every kind of file that says to be larger than the default limits allow, and is not.
pub fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("JPEG of 65,500²", jpeg_of(65_500, 65_500)),
        (
            "PNG of 100,000²",
            png(&[(b"IHDR", &ihdr(100_000, 100_000, 2)), (b"IDAT", &[0x78, 0x9c]), (b"IEND", &[])]),
        ),
        ("PNG of 2,000,000,000 columns", png(&[(b"IHDR", &ihdr(2_000_000_000, 1, 6)), (b"IEND", &[])])),
        (
            "WebP canvas of 16,000,000²",
            webp(&[(b"VP8X", &vp8x(16_000_000, 200)), (b"VP8L", &vp8l(16_000, 200))]),
        ),
        ("lossless WebP of 16,000²", webp(&[(b"VP8L", &vp8l(16_000, 16_000))])),
        ("GIF of 65,535²", gif_of(65_535, 65_535)),
        ("BMP of 60,000²", bmp_of(60_000, 60_000, 24)),
        ("BMP of 60,000², upside down, 1 bit", bmp_of(60_000, -60_000, 1)),
        ("TIFF of 1,000,000²", tiff_of(1_000_000, 1_000_000, 1)),
        ("TIFF of 40,000², packed bits", tiff_of(40_000, 40_000, 32_773)),
    ]
}

/// A coded picture in a HEIC: the main one, or its first tile.
pub fn coded(file: &heifer::heifer_isobmff::HeifFile<'_>) -> u32 {
    match file.referenced_items(file.primary_id, b"dimg").first() {
        Some(tile) => *tile,
        None => file.primary_id,
    }
}
