//! Which files Phiz reads, which it knows but does not read, and which are no pictures; by name and by content.
//!
//! A walk through folders asks [`by_name`] and can so tell its user what it leaves out and why. Decoding never looks at
//! the name: [`by_content`] tells what bytes are.
//!
//! | Format | Names end in | Read? |
//! |---|---|---|
//! | JPEG, also with a second picture behind the first (MPO) | `jpg` `jpeg` `jpe` `jfif` `jif` `mpo` | yes |
//! | PNG | `png` `apng` | yes, the first picture |
//! | WebP | `webp` | yes, the first picture |
//! | GIF | `gif` | yes, the first picture |
//! | BMP | `bmp` `dib` | yes |
//! | TIFF and BigTIFF | `tif` `tiff` `btf` `tf8` | yes, the first page |
//! | HEIC | `heic` `heif` `hif` | yes, the main picture |
//! | JPEG XL | `jxl` | yes, the first picture |
//! | AVIF | `avif` `avifs` | yes, the main picture, by an `ffmpeg` that is installed |
//! | JPEG 2000, JPEG XR | `jp2` `j2k` `jpf` `jpx` `jpm` `j2c`; `jxr` `wdp` `hdp` | no: convert it |
//! | raw photos | `dng` `cr2` `cr3` `crw` `nef` `nrw` `arw` `srf` `sr2` `raf` `orf` `rw2` `pef` `srw` `x3f` `3fr` and others | no: develop it |
//! | Photoshop, GIMP, OpenEXR, Radiance, icons, PNM, QOI, TGA | `psd` `psb` `xcf` `exr` `hdr` `ico` `pnm` `ppm` `pgm` `pbm` `pam` `qoi` `tga` | no: convert it |
//!
//! ```
//! use phiz_image::formats::{self, Naming};
//! assert!(matches!(formats::by_name("party.JPE".as_ref()), Naming::Read(format) if format.name == "JPEG"));
//! assert!(matches!(formats::by_name("IMG_1.jp2".as_ref()), Naming::Known(format) if format.name == "JPEG 2000"));
//! assert_eq!(formats::by_name("notes.txt".as_ref()), Naming::Other);
//! ```

use std::path::Path;

pub(crate) const DEVELOP: &str = "export it as JPEG from the program that develops your raw photos, or use the JPEG that the camera wrote beside it";
const MAGICK: &str = "convert it to JPEG or PNG, for example with ImageMagick: magick photo photo.png";

/// A picture format.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Format {
    /// Its usual name.
    pub name: &'static str,
    /// How names of such files end, in lower case, without the dot.
    pub extensions: &'static [&'static str],
    /// Whether Phiz reads it.
    pub read: bool,
    /// What a person can do with a file that Phiz does not read; empty if it does.
    pub remedy: &'static str,
}

/// What a file's name lets expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Naming {
    /// A picture that Phiz reads.
    Read(&'static Format),
    /// A picture of a format that Phiz does not read.
    Known(&'static Format),
    /// No picture, as far as the name tells.
    Other,
}

const fn read(name: &'static str, extensions: &'static [&'static str]) -> Format {
    Format { name, extensions, read: true, remedy: "" }
}

const fn known(name: &'static str, extensions: &'static [&'static str], remedy: &'static str) -> Format {
    Format { name, extensions, read: false, remedy }
}

/// All formats that Phiz knows, those that it reads first.
pub static FORMATS: [Format; 22] = [
    read("JPEG", &["jpg", "jpeg", "jpe", "jfif", "jif", "mpo"]),
    read("PNG", &["png", "apng"]),
    read("WebP", &["webp"]),
    read("GIF", &["gif"]),
    read("BMP", &["bmp", "dib"]),
    read("TIFF", &["tif", "tiff", "btf", "tf8"]),
    read("HEIC", &["heic", "heif", "hif", "heics", "heifs"]),
    read("JPEG XL", &["jxl"]),
    read("AVIF", &["avif", "avifs"]),
    known("JPEG 2000", &["jp2", "j2k", "jpf", "jpx", "jpm", "j2c", "jpc"], MAGICK),
    known("JPEG XR", &["jxr", "wdp", "hdp"], MAGICK),
    known(
        "raw photo",
        &[
            "dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "raf", "orf", "ori", "rw2", "rwl",
            "pef", "srw", "x3f", "3fr", "fff", "iiq", "erf", "kdc", "dcr", "mef", "mos", "mrw", "gpr", "raw",
        ],
        DEVELOP,
    ),
    known("Photoshop file", &["psd", "psb"], MAGICK),
    known("GIMP file", &["xcf"], MAGICK),
    known("OpenEXR", &["exr"], MAGICK),
    known("Radiance HDR", &["hdr"], MAGICK),
    known("icon", &["ico", "cur", "icns"], MAGICK),
    known("PNM", &["pnm", "ppm", "pgm", "pbm", "pam", "pfm"], MAGICK),
    known("QOI", &["qoi"], MAGICK),
    known("TGA", &["tga"], MAGICK),
    known("PCX", &["pcx"], MAGICK),
    known("DirectDraw surface", &["dds"], MAGICK),
];

/// What a file's name lets expect, by how it ends, in upper or lower case.
#[must_use]
pub fn by_name(path: &Path) -> Naming {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match FORMATS.iter().find(|format| format.extensions.contains(&ending.as_str())) {
        Some(format) if format.read => Naming::Read(format),
        Some(format) => Naming::Known(format),
        None => Naming::Other,
    }
}

/// How names of files end that Phiz reads, for messages and file dialogues.
pub fn extensions() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().filter(|format| format.read).flat_map(|format| format.extensions).copied()
}

/// The format of a file by its first bytes, of which 32 are enough. A raw photo that is laid out as a TIFF is told to be a
/// TIFF; decoding looks deeper.
#[must_use]
pub fn by_content(bytes: &[u8]) -> Option<&'static Format> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |place: usize, magic: &[u8]| bytes.get(place..).is_some_and(|rest| rest.starts_with(magic));
    let tiff = [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| starts(magic));
    let name = if starts(b"\xff\xd8\xff") {
        "JPEG"
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        "PNG"
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        "WebP"
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        "GIF"
    } else if starts(b"BM") {
        "BMP"
    } else if tiff && at(8, b"CR") {
        "raw photo"
    } else if tiff {
        "TIFF"
    } else if at(4, b"ftyp") {
        brand(bytes)?
    } else if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL \r\n\x87\n") {
        "JPEG XL"
    } else if starts(b"\0\0\0\x0cjP  \r\n\x87\n") || starts(b"\xff\x4f\xff\x51") {
        "JPEG 2000"
    } else if starts(b"II\xbc") {
        "JPEG XR"
    } else if [&b"FUJIFILMCCD-RAW"[..], b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"]
        .iter()
        .any(|m| starts(m))
        || starts(b"II\x1a\0") && at(6, b"HEAPCCDR")
    {
        "raw photo"
    } else if starts(b"8BPS") {
        "Photoshop file"
    } else if starts(b"gimp xcf") {
        "GIMP file"
    } else if starts(b"\x76\x2f\x31\x01") {
        "OpenEXR"
    } else if starts(b"#?RADIANCE") || starts(b"#?RGBE") {
        "Radiance HDR"
    } else if starts(b"\0\0\x01\0") && bytes.get(4).is_some_and(|&n| n > 0) && bytes.get(9) == Some(&0)
        || starts(b"icns")
    {
        "icon"
    } else if matches!(bytes, [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..]) {
        "PNM"
    } else if starts(b"qoif") {
        "QOI"
    } else if starts(b"DDS ") {
        "DirectDraw surface"
    } else {
        return None;
    };
    FORMATS.iter().find(|format| format.name == name)
}

/// The picture format of an ISO base media file, by the brands it says to be compatible with.
fn brand(bytes: &[u8]) -> Option<&'static str> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let brands = || bytes.get(8..length.clamp(16, 256).min(bytes.len())).unwrap_or_default().chunks_exact(4);
    let has = |wanted: &[&[u8]]| brands().any(|brand| wanted.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        Some("AVIF")
    } else if has(&[b"crx "]) {
        Some("raw photo")
    } else if has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"]) {
        Some("HEIC")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ending_and_no_name_is_told_twice() {
        let mut endings: Vec<_> = FORMATS.iter().flat_map(|f| f.extensions).collect();
        let mut names: Vec<_> = FORMATS.iter().map(|f| f.name).collect();
        let (many, kinds) = (endings.len(), names.len());
        endings.sort();
        endings.dedup();
        names.sort();
        names.dedup();
        assert_eq!((endings.len(), names.len()), (many, kinds));
        assert!(endings.iter().all(|e| e.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())));
        assert!(FORMATS.iter().all(|f| f.read == f.remedy.is_empty()));
    }

    #[test]
    fn the_documented_list_is_the_list() {
        let docs: String =
            include_str!("formats.rs").lines().filter(|line| line.starts_with("//! |")).collect();
        let raw = FORMATS.iter().filter(|f| f.name != "raw photo" && f.extensions.len() < 7);
        for ending in raw.flat_map(|f| f.extensions.iter().take(4)) {
            let known = ["cur", "icns", "pcx", "dds", "heics"];
            assert!(known.contains(ending) || docs.contains(&format!("`{ending}`")), "{ending}");
        }
    }
}
