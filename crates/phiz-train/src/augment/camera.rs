//! What cameras, their owners and file formats do to a picture: little light, bad focus, motion, reduction, JPEG.

use phiz_image::{DecodeOptions, Image};

use super::Strength;
use crate::random::Random;
use crate::shards::CROP;

/// Light, focus and motion, on interleaved RGB of so many columns and rows. `size` is the scale of lengths: 1 where a
/// face is about 100 pixels.
pub(super) fn expose(picture: &mut [f32], side: usize, size: f32, strength: &Strength, random: &mut Random) {
    if random.chance(strength.dark) {
        darken(picture, random);
    }
    if random.chance(strength.blur) {
        blur(picture, side, random.between(0.7, 2.4) * size);
    }
    if random.chance(strength.motion) {
        let (length, angle) = (random.between(3.0, 9.0) * size, random.between(0.0, std::f32::consts::PI));
        smear(picture, side, length, angle);
    }
}

/// A picture in little light: less of it, in a cast, with shot noise (its variance grows with the light) and read
/// noise, and only partly lightened again.
fn darken(picture: &mut [f32], random: &mut Random) {
    let light = random.between(0.12, 0.5);
    let cast = [1.0, random.between(0.85, 1.0), random.between(0.6, 1.05)];
    let shot = random.between(0.2, 1.2);
    let read = random.between(0.5, 3.0);
    let gain = random.between(1.0, 0.8 / light);
    Dusk { light, cast, shot, read, gain }.darken(picture, random);
}

/// How little light there is, and what becomes of it.
pub(crate) struct Dusk {
    /// Share of the light that is left.
    pub light: f32,
    /// The same of each channel of it.
    pub cast: [f32; 3],
    /// Variance of the noise for each unit of light.
    pub shot: f32,
    /// Deviation of the noise without light.
    pub read: f32,
    /// By how much the picture is lightened again.
    pub gain: f32,
}

impl Dusk {
    pub(crate) fn darken(&self, picture: &mut [f32], random: &mut Random) {
        for pixel in picture.chunks_exact_mut(3) {
            for (value, cast) in pixel.iter_mut().zip(self.cast) {
                let arrived = value.max(0.0) * self.light * cast;
                // The mean of three uniform numbers is close enough to a normal one, and much cheaper.
                let noise = 2.0 * (random.unit() + random.unit() + random.unit() - 1.5);
                let seen = arrived + noise * (self.shot * arrived + self.read * self.read).sqrt();
                *value = seen.round().max(0.0) * self.gain;
            }
        }
    }
}

/// Gaussian blur, along rows and then along columns; the edge is repeated.
pub(crate) fn blur(picture: &mut [f32], side: usize, sigma: f32) {
    let radius = (2.5 * sigma).ceil().max(1.0) as usize;
    let mut kernel: Vec<f32> =
        (0..=2 * radius).map(|i| (-0.5 * ((i as f32 - radius as f32) / sigma).powi(2)).exp()).collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= sum);
    let width = side * 3;
    let mut padded = vec![0f32; width + 6 * radius];
    for row in picture.chunks_exact_mut(width) {
        for (i, pixel) in padded.chunks_exact_mut(3).enumerate() {
            let from = i.saturating_sub(radius).min(side - 1) * 3;
            pixel.copy_from_slice(&row[from..from + 3]);
        }
        row.fill(0.0);
        for (i, weight) in kernel.iter().enumerate() {
            row.iter_mut().zip(&padded[3 * i..]).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    let before = picture.to_vec();
    let rows = picture.len() / width;
    for (y, row) in picture.chunks_exact_mut(width).enumerate() {
        row.fill(0.0);
        for (i, weight) in kernel.iter().enumerate() {
            let from = (y + i).saturating_sub(radius).min(rows - 1);
            row.iter_mut().zip(&before[from * width..]).for_each(|(sum, v)| *sum += weight * v);
        }
    }
}

/// The mean along a line of this length and angle: how a picture looks that moved while it was taken.
fn smear(picture: &mut [f32], side: usize, length: f32, angle: f32) {
    let count = (length.round() as usize).max(2);
    let (width, rows) = (side * 3, picture.len() / (side * 3));
    let before = picture.to_vec();
    picture.fill(0.0);
    let share = 1.0 / count as f32;
    for step in 0..count {
        let along = (step as f32 + 0.5) / count as f32 * length - length / 2.0;
        let (dx, dy) = ((along * angle.cos()).round() as isize, (along * angle.sin()).round() as isize);
        for (y, row) in picture.chunks_exact_mut(width).enumerate() {
            let from = &before[y.saturating_add_signed(dy).min(rows - 1) * width..][..width];
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                let at = x.saturating_add_signed(dx).min(side - 1) * 3;
                pixel.iter_mut().zip(&from[at..at + 3]).for_each(|(sum, v)| *sum += share * v);
            }
        }
    }
}

/// Through JPEG and back, by the strength's chance.
pub(super) fn compress(bytes: &mut [u8], side: usize, strength: &Strength, random: &mut Random) {
    if random.chance(strength.jpeg) {
        let quality = random.between(10.0, 60.0) as u8;
        let picture = Image::from_rgb(side as u32, (bytes.len() / side / 3) as u32, bytes.to_vec());
        if let Some(done) = picture.ok().and_then(|p| through_jpeg(&p, quality)) {
            bytes.copy_from_slice(done.pixels());
        }
    }
}

fn through_jpeg(picture: &Image, quality: u8) -> Option<Image> {
    let bytes = picture.encode_jpeg(quality).ok()?;
    Image::decode(&bytes, &DecodeOptions::default()).ok()
}

/// A crop that was kept at 24 to 80 pixels, squashed, often as JPEG, and is restored to its size.
pub(super) fn reduce(crop: &[u8], random: &mut Random) -> Vec<u8> {
    let size = 24.0 * (80.0f32 / 24.0).powf(random.unit());
    let squash = random.between(0.85, 1.18);
    let jpeg = random.chance(0.7).then(|| random.between(60.0, 95.0) as u8);
    let restored = Image::from_rgb(CROP as u32, CROP as u32, crop.to_vec()).ok().map(|picture| {
        let small = picture.resize((size * squash).round() as u32, (size / squash).round() as u32);
        let kept = jpeg.and_then(|quality| through_jpeg(&small, quality)).unwrap_or(small);
        kept.resize(CROP as u32, CROP as u32).pixels().to_vec()
    });
    restored.unwrap_or_else(|| crop.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(side: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..side * side * 3).map(|_| random.between(0.0, 255.0)).collect()
    }

    /// The definition: each value the weighted mean of those around it, the edge repeated.
    fn naive_blur(picture: &[f32], side: usize, sigma: f32) -> Vec<f32> {
        let radius = (2.5 * sigma).ceil().max(1.0) as isize;
        let weight = |d: isize| (-0.5 * (d as f64 / f64::from(sigma)).powi(2)).exp();
        let total: f64 = (-radius..=radius).map(weight).sum();
        let at = |x: isize, y: isize, c: usize| {
            let hold = |v: isize| v.clamp(0, side as isize - 1) as usize;
            f64::from(picture[(hold(y) * side + hold(x)) * 3 + c])
        };
        (0..picture.len())
            .map(|i| {
                let (x, y, c) = ((i / 3 % side) as isize, (i / 3 / side) as isize, i % 3);
                let mut sum = 0.0;
                for dy in -radius..=radius {
                    for dx in -radius..=radius {
                        sum += weight(dx) * weight(dy) * at(x + dx, y + dy, c);
                    }
                }
                (sum / total / total) as f32
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn blur_equals_its_definition(side in 1usize..14, sigma in 0.3f32..4.0, seed in 0u64..100) {
            let mut picture = noise(side, seed);
            let expected = naive_blur(&picture, side, sigma);
            blur(&mut picture, side, sigma);
            for (a, b) in picture.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-2, "{a} {b}");
            }
        }

        #[test]
        fn a_level_picture_stays_level_whatever_moves(side in 1usize..20, length in 1.0f32..12.0, angle in 0.0f32..3.2) {
            let mut picture = vec![77.0; side * side * 3];
            smear(&mut picture, side, length, angle);
            prop_assert!(picture.iter().all(|v| (v - 77.0).abs() < 1e-2));
        }
    }

    #[test]
    fn motion_smears_along_its_angle_only() {
        let side = 21;
        let mut picture = vec![0.0; side * side * 3];
        for y in 0..side {
            picture[(y * side + 10) * 3] = 90.0;
        }
        let mut along = picture.clone();
        smear(&mut along, side, 7.0, std::f32::consts::FRAC_PI_2);
        assert!(
            along.iter().zip(&picture).all(|(a, b)| (a - b).abs() < 1e-3),
            "along the line nothing changes"
        );
        smear(&mut picture, side, 7.0, 0.0);
        assert!(picture[(5 * side + 10) * 3] < 20.0 && picture[(5 * side + 8) * 3] > 5.0);
    }

    #[test]
    fn reduced_crops_lose_detail_and_darkened_ones_light() {
        let sharp: Vec<u8> = (0..CROP * CROP)
            .flat_map(|i| [if (i % CROP + i / CROP).is_multiple_of(2) { 0 } else { 200 }; 3])
            .collect();
        let flat = reduce(&sharp, &mut Random::new(3));
        let spread = |p: &[u8]| p.iter().map(|v| (f32::from(*v) - 100.0).abs()).sum::<f32>() / p.len() as f32;
        assert!(spread(&flat) < 0.5 * spread(&sharp));
        let mut picture = vec![200.0; 300];
        darken(&mut picture, &mut Random::new(1));
        assert!(picture.iter().sum::<f32>() / 300.0 < 190.0 && picture.iter().any(|v| *v != picture[0]));
    }
}
