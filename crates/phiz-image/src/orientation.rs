//! What EXIF says of a picture, wherever a format keeps it: how the picture lies in its file (or else XMP says so), and
//! when it was taken.
//!
//! Cameras write the tag as a 16-bit number; phones, editors and scripts write it in every other type that TIFF has, in
//! either byte order, behind other segments. Of two places the EXIF tag outweighs XMP, as in ExifTool, whose reading
//! `tests/golden/orientation` holds. The second directory of EXIF describes the thumbnail and does not count.

use std::io::Read;

use image::metadata::Orientation;

use crate::taken::time_in;
use crate::tiff::{self, Directory};
use crate::{formats, heif, jxl};

/// Text that is looked at, unpacked: the largest that a JPEG segment could hold is a hundredth of this.
const MOST_TEXT: u64 = 8 << 20;

/// What was found on the way: EXIF before XMP.
#[derive(Default)]
struct Found {
    exif: Option<u8>,
    xmp: Option<u8>,
    taken: Option<i64>,
}

impl Found {
    fn exif(&mut self, block: &[u8]) {
        let Some((block, directory)) = exif(block) else { return };
        self.exif = self.exif.or_else(|| directory.number(block, 0x0112).and_then(number));
        self.taken = self.taken.or_else(|| time_in(block, &directory));
    }

    fn xmp(&mut self, packet: &[u8]) {
        self.xmp = self.xmp.or_else(|| xmp(packet));
    }
}

/// Formats that keep it in ways of their own; a TIFF has it in its directory.
pub(crate) enum Source {
    Jpeg,
    Png,
    WebP,
    Gif,
}

/// How to turn a picture upright. [`Orientation::NoTransforms`] if its file does not say.
pub(crate) fn orientation(bytes: &[u8], source: Source) -> Orientation {
    let found = look(bytes, source);
    turn(found.exif.or(found.xmp))
}

/// When a picture was taken, in seconds since 1970, as its EXIF says: the time of taking it, or else of scanning it in. In
/// UTC if EXIF states the offset of the camera's clock; otherwise the clock is taken to have shown UTC. None if the file
/// does not say, or is no picture.
#[must_use]
pub fn taken(bytes: &[u8]) -> Option<i64> {
    match formats::by_content(bytes)?.name {
        "JPEG" => look(bytes, Source::Jpeg).taken,
        "PNG" => look(bytes, Source::Png).taken,
        "WebP" => look(bytes, Source::WebP).taken,
        "TIFF" => time_in(bytes, &Directory::first(bytes)?),
        name => {
            let block = match name {
                "HEIC" | "AVIF" => heif::exif(bytes),
                "JPEG XL" => jxl::exif(bytes),
                _ => None,
            };
            let mut found = Found::default();
            found.exif(&block?);
            found.taken
        }
    }
}

fn look(bytes: &[u8], source: Source) -> Found {
    let mut found = Found::default();
    match source {
        Source::Jpeg => jpeg(bytes, &mut found),
        Source::Png => drop(png(bytes, &mut found)),
        Source::WebP => drop(webp(bytes, &mut found)),
        Source::Gif => {
            if let Some(at) = bytes.windows(11).position(|window| window == b"XMP DataXMP") {
                found.xmp(&bytes[at..]);
            }
        }
    }
    found
}

/// The number of the EXIF tag Orientation that tells how a stored picture is turned upright; 1 if its file does not say,
/// or is no picture.
#[must_use]
pub fn stored_orientation(bytes: &[u8]) -> u8 {
    let found = match formats::by_content(bytes).map(|format| format.name) {
        Some("JPEG") => orientation(bytes, Source::Jpeg),
        Some("PNG") => orientation(bytes, Source::Png),
        Some("WebP") => orientation(bytes, Source::WebP),
        Some("GIF") => orientation(bytes, Source::Gif),
        Some("TIFF") => tiff::orientation(bytes),
        Some("HEIC" | "AVIF") => heif::orientation(bytes),
        Some("JPEG XL") => jxl::orientation(bytes),
        _ => Orientation::NoTransforms,
    };
    found.to_exif()
}

/// What a number from 1 to 8 stands for.
pub(crate) fn turn(number: Option<u8>) -> Orientation {
    number.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

/// Segments up to the first scan.
fn jpeg(bytes: &[u8], found: &mut Found) {
    let mut at = 2;
    while let Some((marker, start)) = crate::jpeg::marker(bytes, at) {
        let Some((body, next)) = crate::jpeg::segment(bytes, start) else { return };
        match marker {
            0xda | 0xd9 => return,
            0xe1 => {
                found.exif(body);
                if let Some(packet) = body.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    found.xmp(packet);
                }
            }
            _ => {}
        }
        at = next;
    }
}

/// Chunks of a PNG, of which those that tell something may stand behind the picture.
fn png(bytes: &[u8], found: &mut Found) -> Option<()> {
    let mut rest = bytes.get(8..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let (name, body) = (rest.get(4..8)?, rest.get(8..)?.get(..length)?);
        match name {
            b"eXIf" => found.exif(body),
            b"tEXt" | b"zTXt" | b"iTXt" => drop(png_text(name, body, found)),
            b"IEND" => return Some(()),
            _ => {}
        }
        rest = rest.get(12 + length..)?;
    }
}

/// XMP, or EXIF in hexadecimal digits as ImageMagick keeps it.
fn png_text(name: &[u8], body: &[u8], found: &mut Found) -> Option<()> {
    let end = body.iter().position(|&b| b == 0)?;
    let (key, mut text) = (&body[..end], &body[end + 1..]);
    let profile =
        matches!(key, b"Raw profile type exif" | b"Raw profile type APP1" | b"Raw profile type xmp");
    if !profile && key != b"XML:com.adobe.xmp" {
        return None;
    }
    let packed = match name {
        b"tEXt" => false,
        b"zTXt" => {
            text = text.get(1..)?;
            true
        }
        // Two bytes of compression, then a language and a translated key, each up to a zero.
        _ => {
            let packed = *text.first()? == 1;
            text = text.get(2..)?;
            for _ in 0..2 {
                text = &text[text.iter().position(|&b| b == 0)? + 1..];
            }
            packed
        }
    };
    let unpacked;
    if packed {
        let mut out = Vec::new();
        // What is damaged at its end may still tell.
        let _ = flate2::read::ZlibDecoder::new(text).take(MOST_TEXT).read_to_end(&mut out);
        unpacked = out;
        text = &unpacked;
    }
    if !profile {
        found.xmp(text);
        return Some(());
    }
    // A line break, the profile's name, its length, and the digits.
    let mut lines = text.splitn(4, |&b| b == b'\n').skip(3);
    let digits = lines.next()?.iter().filter_map(|&b| (b as char).to_digit(16).map(|d| d as u8));
    let digits: Vec<u8> = digits.collect();
    let block: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    found.exif(&block);
    found.xmp(&block);
    Some(())
}

fn webp(bytes: &[u8], found: &mut Found) -> Option<()> {
    let mut rest = bytes.get(12..)?;
    loop {
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
        let (name, body) = (rest.get(..4)?, rest.get(8..)?);
        let body = body.get(..length).unwrap_or(body);
        match name {
            b"EXIF" => found.exif(body),
            b"XMP " => found.xmp(body),
            _ => {}
        }
        rest = rest.get(8 + length.checked_add(length % 2)?..)?;
    }
}

/// The first directory of a block of EXIF, which may begin with its name, and the block that it counts from.
fn exif(block: &[u8]) -> Option<(&[u8], Directory)> {
    // Some programs write a few bytes before the name.
    let named = |start: &usize| {
        block.get(*start..*start + 5).is_some_and(|name| name.eq_ignore_ascii_case(b"Exif\0"))
    };
    let block = match (0..=4).find(named) {
        Some(start) => block.get(start + 6..)?,
        None => block,
    };
    Some((block, Directory::first(block)?))
}

fn number(value: u64) -> Option<u8> {
    u8::try_from(value).ok().filter(|value| (1..=8).contains(value))
}

/// The property `tiff:Orientation` of an XMP packet, written as an attribute or as an element, under whatever prefix its
/// namespace has.
pub(crate) fn xmp(packet: &[u8]) -> Option<u8> {
    let text = String::from_utf8_lossy(packet);
    let space = text
        .find("\"http://ns.adobe.com/tiff/1.0/\"")
        .or_else(|| text.find("'http://ns.adobe.com/tiff/1.0/'"))?;
    let before = text[..space].trim_end().strip_suffix('=')?.trim_end();
    let prefix = &before[before.rfind("xmlns:")? + 6..];
    let name = format!("{prefix}:Orientation");
    text.match_indices(&name).find_map(|(at, _)| {
        let rest = text[at + name.len()..].trim_start();
        let rest = match rest.strip_prefix('=') {
            Some(value) => value.trim_start().strip_prefix(['"', '\''])?,
            None => rest.strip_prefix('>')?,
        };
        let rest = rest.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
        number(digits.parse().ok()?)
    })
}
