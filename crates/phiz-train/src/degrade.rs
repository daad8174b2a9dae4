//! Bad photos made of good ones, to see what bad photos cost: the same for every model that is judged.

use std::str::FromStr;

use phiz_image::{Image, ImageError, Similarity};

use crate::augment::{camera, wear};
use crate::random::Random;

/// What is done to a photo of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degradation {
    /// Out of focus: a Gaussian blur of 1/30 of the face's size (root of the box's area).
    Blur,
    /// Shrunk until the face measures 24 pixels.
    Small,
    /// Compressed as JPEG of quality 20.
    Jpeg,
    /// A sixth of the light, with the noise of so little, half lightened again.
    Dark,
    /// A medical mask drawn over mouth and nose.
    Mask,
}

/// The size of faces in [`Degradation::Small`].
const SMALL: f32 = 24.0;

impl Degradation {
    /// All, by name.
    pub const NAMES: [&str; 5] = ["blur", "small", "jpeg", "dark", "mask"];

    /// The photo's file after what happened to it, as JPEG. `size` and `landmarks` are the face's, in the photo's pixels.
    ///
    /// # Errors
    /// A photo too large for the format.
    pub fn apply(
        self,
        photo: &Image,
        size: f32,
        landmarks: &[[f32; 2]; 5],
        random: &mut Random,
    ) -> Result<Vec<u8>, ImageError> {
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        let floats = || -> Vec<f32> { photo.pixels().iter().map(|v| f32::from(*v)).collect() };
        let done = |pixels: Vec<f32>| {
            let bytes = pixels.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
            Image::from_rgb(photo.width(), photo.height(), bytes)
        };
        const GOOD: u8 = 92;
        match self {
            Degradation::Jpeg => photo.encode_jpeg(20),
            Degradation::Small => {
                let scale = (SMALL / size.max(1.0)).min(1.0);
                let side = |length: usize| ((length as f32 * scale).round() as u32).max(1);
                photo.resize(side(width), side(height)).encode_jpeg(GOOD)
            }
            Degradation::Blur => {
                let mut pixels = floats();
                camera::blur(&mut pixels, width, (size / 30.0).max(0.3));
                done(pixels)?.encode_jpeg(GOOD)
            }
            Degradation::Dark => {
                let mut pixels = floats();
                camera::Dusk { light: 1.0 / 6.0, cast: [1.0, 0.93, 0.85], shot: 0.7, read: 2.0, gain: 3.0 }
                    .darken(&mut pixels, random);
                done(pixels)?.encode_jpeg(GOOD)
            }
            Degradation::Mask => {
                let mut pixels = floats();
                if let Some(to) = Similarity::estimate(&wear::TEMPLATE, landmarks) {
                    wear::mask(&mut wear::Surface { pixels: &mut pixels, width, to }, random);
                }
                done(pixels)?.encode_jpeg(GOOD)
            }
        }
    }
}

impl FromStr for Degradation {
    type Err = String;

    fn from_str(name: &str) -> Result<Degradation, String> {
        Ok(match name {
            "blur" => Degradation::Blur,
            "small" => Degradation::Small,
            "jpeg" => Degradation::Jpeg,
            "dark" => Degradation::Dark,
            "mask" => Degradation::Mask,
            _ => return Err(format!("is none of {}", Degradation::NAMES.join(", "))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phiz_image::DecodeOptions;

    fn photo() -> Image {
        let pixels = (0..240 * 200).flat_map(|i| {
            let (x, y) = (i % 240, i / 240);
            [(x * 5 % 256) as u8, (y * 7 % 256) as u8, if (x / 6 + y / 6) % 2 == 0 { 220 } else { 60 }]
        });
        Image::from_rgb(240, 200, pixels.collect()).expect("fits")
    }

    const LANDMARKS: [[f32; 2]; 5] =
        [[100.0, 90.0], [140.0, 90.0], [120.0, 115.0], [105.0, 135.0], [135.0, 135.0]];

    fn after(how: &str) -> Image {
        let how: Degradation = how.parse().expect("is known");
        let bytes = || how.apply(&photo(), 96.0, &LANDMARKS, &mut Random::new(3)).expect("writes");
        let (bytes, again) = (bytes(), bytes());
        assert!(bytes == again, "repeatable");
        Image::decode(&bytes, &DecodeOptions::default()).expect("reads")
    }

    fn spread(image: &Image, x: u32, y: u32, w: u32, h: u32) -> (f32, f32) {
        let part = image.crop(x, y, w, h).expect("lies within");
        let values: Vec<f32> = part.pixels().chunks_exact(3).map(|p| f32::from(p[2])).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let away: f32 = values.iter().map(|v| (v - mean).abs()).sum();
        (mean, away / values.len() as f32)
    }

    #[test]
    fn each_does_what_its_name_says() {
        let (mean, contrast) = spread(&photo(), 0, 0, 240, 200);
        let small = after("small");
        assert_eq!((small.width(), small.height()), (60, 50));
        assert!(spread(&after("blur"), 0, 0, 240, 200).1 < 0.7 * contrast);
        assert!(spread(&after("dark"), 0, 0, 240, 200).0 < 0.7 * mean);
        let jpeg = after("jpeg");
        assert_eq!((jpeg.width(), jpeg.height()), (240, 200));
        let masked = after("mask");
        assert!(spread(&masked, 112, 122, 16, 16).1 < 0.5 * spread(&photo(), 112, 122, 16, 16).1);
        assert!((spread(&masked, 80, 20, 60, 40).1 - contrast).abs() < 0.15 * contrast, "only the mouth");
        assert!("bright".parse::<Degradation>().is_err());
    }
}
