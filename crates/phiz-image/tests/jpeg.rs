//! JPEGs against libjpeg-turbo: every way to sample a picture times many ways to code it. `golden/jpeg/make.py` made the
//! files and says what they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "common/variants.rs"]
mod variants;

use phiz_image::{DecodeOptions, ErrorKind, Image};

fn decode(bytes: &[u8]) -> Result<Image, phiz_image::ImageError> {
    Image::decode(bytes, &DecodeOptions::default())
}

#[test]
fn every_variant_has_the_pixels_of_libjpeg_turbo() {
    variants::check("jpeg", 180);
}

/// Where the data of the first scan begin, and where those of the last end.
fn data(bytes: &[u8]) -> (usize, usize) {
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    (scan + 2 + usize::from(bytes[scan + 3]), bytes.len() - 2)
}

/// Whatever a JPEG lacks, it is damaged: in no case are other pixels shown without a word. Arithmetic coding is left out:
/// there zeros at the end may be left out by the encoder, and what is missing cannot be told from them.
#[test]
fn data_that_are_missing_are_reported() {
    let folder = variants::folder("jpeg");
    let (mut bad, mut cases) = (Vec::new(), 0);
    for variant in variants::variants(&folder) {
        if variant.expected == "unsupported" || variant.file.contains("arithmetic") {
            continue;
        }
        let bytes = std::fs::read(folder.join(&variant.file)).unwrap();
        let whole = decode(&bytes).unwrap();
        let (start, end) = data(&bytes);
        let length = end - start;
        let without = |from: usize, to: usize| [&bytes[..from], &bytes[to..]].concat();
        for (name, cut) in [
            ("its second half", bytes[..start + length / 2].to_vec()),
            ("its second half but for the end marker", without(start + length / 2, end)),
            ("a third in its middle", without(start + length / 3, start + 2 * length / 3)),
            ("its first half", without(start, start + length / 2)),
            ("all its data", without(start, end)),
        ] {
            cases += 1;
            match decode(&cut) {
                Err(error) if error.kind() == ErrorKind::Damaged => {}
                Err(error) => bad.push(format!("{} without {name}: {error}", variant.file)),
                Ok(image) if image == whole => {}
                Ok(_) => bad.push(format!("{} without {name}: decodes", variant.file)),
            }
        }
    }
    assert!(bad.is_empty(), "{} of {cases} cases:\n{}", bad.len(), bad.join("\n"));
}

/// Whether the pixels are those of libjpeg-turbo at this scale, and of every family one file at every scale.
#[test]
fn reduced_pictures_have_the_pixels_of_libjpeg_turbo() {
    let folder = variants::folder("jpeg");
    let mut reader = csv::Reader::from_path(folder.join("reduced.csv")).unwrap();
    let (mut bad, mut cases) = (Vec::new(), 0);
    for row in reader.records().map(Result::unwrap) {
        let (file, factor, expected) = (&row[0], row[1].parse::<u32>().unwrap(), &row[2]);
        cases += 1;
        let (w, h, rgb) = variants::ppm(&folder.join(expected));
        let options = DecodeOptions { min_long_side: Some(w.max(h)), ..DecodeOptions::default() };
        let image = Image::open(&folder.join(file), &options).unwrap();
        if (image.width(), image.height()) != (w, h) {
            bad.push(format!("{file} at 1/{factor} is {}×{}", image.width(), image.height()));
        } else if image.pixels() != rgb {
            let most = image.pixels().iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max();
            bad.push(format!("{file} at 1/{factor} is up to {most:?} off"));
        }
    }
    assert!(cases >= 60 && bad.is_empty(), "{} of {cases}:\n{}", bad.len(), bad.join("\n"));
}
