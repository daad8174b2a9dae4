//! Changes to an aligned crop that leave the person the same.
//!
//! One affine resampling does flip, jitter and change of resolution at once; then come colour, grey, noise and
//! erased rectangles. Everything follows from one [`Random`], so a sample can be repeated.

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::shards::CROP;

/// How strongly a crop is changed. All are probabilities or largest amounts; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Strength {
    /// Probability of a mirror image.
    pub flip: f32,
    /// Largest shift in pixels of the 112 px crop.
    pub shift: f32,
    /// Largest relative change of size.
    pub scale: f32,
    /// Largest rotation in degrees.
    pub rotate: f32,
    /// Largest relative change of brightness, contrast and each channel's gain.
    pub colour: f32,
    /// Probability of grey.
    pub grey: f32,
    /// Probability of a coarser picture (sampled at 0.25 to 0.8 of the resolution and enlarged again).
    pub coarse: f32,
    /// Largest standard deviation of noise, in grey levels.
    pub noise: f32,
    /// Probability of an erased rectangle.
    pub erase: f32,
}

impl Strength {
    /// Nothing is changed.
    pub const NONE: Strength = Strength {
        flip: 0.0,
        shift: 0.0,
        scale: 0.0,
        rotate: 0.0,
        colour: 0.0,
        grey: 0.0,
        coarse: 0.0,
        noise: 0.0,
        erase: 0.0,
    };
}

impl Default for Strength {
    fn default() -> Strength {
        Strength {
            flip: 0.5,
            shift: 3.0,
            scale: 0.05,
            rotate: 5.0,
            colour: 0.25,
            grey: 0.1,
            coarse: 0.2,
            noise: 6.0,
            erase: 0.1,
        }
    }
}

/// The crop (112×112 interleaved RGB) at `side` pixels, changed; appended to `out`.
pub fn augment(crop: &[u8], side: usize, strength: &Strength, random: &mut Random, out: &mut Vec<u8>) {
    let flip = random.chance(strength.flip);
    let angle = random.between(-1.0, 1.0) * strength.rotate.to_radians();
    let zoom = 1.0 + random.between(-1.0, 1.0) * strength.scale;
    let (dx, dy) = (random.between(-1.0, 1.0) * strength.shift, random.between(-1.0, 1.0) * strength.shift);
    let coarse = if random.chance(strength.coarse) { random.between(0.25, 0.8) } else { 1.0 };
    let size = ((side as f32 * coarse) as usize).max(8);
    let step = CROP as f32 / size as f32 * zoom;
    let (sin, cos) = angle.sin_cos();
    let centre = CROP as f32 / 2.0;

    // Where one output pixel covers several input pixels, take the mean of a grid of samples within it.
    let grid = if step > 1.3 { (step.round() as usize).max(2) } else { 1 };
    let mut small = vec![0f32; size * size * 3];
    for y in 0..size {
        for x in 0..size {
            let pixel = &mut small[(y * size + x) * 3..][..3];
            for sub in 0..grid * grid {
                let at = |i: usize, k: usize| {
                    (i as f32 + (k as f32 + 0.5) / grid as f32 - size as f32 / 2.0) * step
                };
                let (u, v) = (at(x, sub % grid), at(y, sub / grid));
                let u = if flip { -u } else { u };
                sample(crop, cos * u - sin * v + centre + dx, sin * u + cos * v + centre + dy, pixel);
            }
            pixel.iter_mut().for_each(|p| *p /= (grid * grid) as f32);
        }
    }
    if size != side {
        small = enlarge(&small, size, side);
    }

    recolour(&mut small, strength, random);
    if random.chance(strength.erase) {
        let (w, h) = (random.between(0.1, 0.4), random.between(0.1, 0.4));
        let (left, top) = (random.between(0.0, 1.0 - w), random.between(0.0, 1.0 - h));
        let span = |start: f32, length: f32| {
            (start * side as f32) as usize..((start + length) * side as f32) as usize
        };
        let level = random.between(0.0, 255.0);
        for y in span(top, h) {
            for x in span(left, w) {
                small[(y * side + x) * 3..][..3].fill(level);
            }
        }
    }
    out.extend(small.iter().map(|v| v.round().clamp(0.0, 255.0) as u8));
}

/// Changes brightness, contrast, each channel's gain and noise of interleaved RGB; now and then to grey.
pub fn recolour(picture: &mut [f32], strength: &Strength, random: &mut Random) {
    let brightness = random.between(-1.0, 1.0) * strength.colour * 128.0;
    let contrast = 1.0 + random.between(-1.0, 1.0) * strength.colour;
    let gains = [0; 3].map(|_| contrast * (1.0 + random.between(-0.4, 0.4) * strength.colour));
    let grey = random.chance(strength.grey);
    let noise = random.unit() * random.unit() * strength.noise;
    for pixel in picture.chunks_exact_mut(3) {
        if grey {
            pixel.fill(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]);
        }
        for (value, gain) in pixel.iter_mut().zip(gains) {
            // The mean of three uniform numbers is close enough to a normal one, and much cheaper.
            let n = if noise > 0.5 {
                noise * 2.0 * (random.unit() + random.unit() + random.unit() - 1.5)
            } else {
                0.0
            };
            *value = (*value - 128.0) * gain + 128.0 + brightness + n;
        }
    }
}

/// Adds the bilinear value at `(x, y)`, the edge repeated outside.
fn sample(crop: &[u8], x: f32, y: f32, into: &mut [f32]) {
    let last = (CROP - 1) as f32;
    let (x, y) = ((x - 0.5).clamp(0.0, last), (y - 0.5).clamp(0.0, last));
    let (i, j) = (x as usize, y as usize);
    let (fx, fy) = (x - i as f32, y - j as f32);
    let (i1, j1) = ((i + 1).min(CROP - 1), (j + 1).min(CROP - 1));
    for (c, value) in into.iter_mut().enumerate() {
        let p = |i: usize, j: usize| f32::from(crop[(j * CROP + i) * 3 + c]);
        let top = p(i, j) + (p(i1, j) - p(i, j)) * fx;
        let bottom = p(i, j1) + (p(i1, j1) - p(i, j1)) * fx;
        *value += top + (bottom - top) * fy;
    }
}

/// Bilinear enlargement of a square picture.
fn enlarge(small: &[f32], size: usize, side: usize) -> Vec<f32> {
    let mut out = vec![0f32; side * side * 3];
    let taps: Vec<(usize, usize, f32)> = (0..side)
        .map(|i| {
            let x = ((i as f32 + 0.5) * size as f32 / side as f32 - 0.5).clamp(0.0, (size - 1) as f32);
            (x as usize, (x as usize + 1).min(size - 1), x.fract())
        })
        .collect();
    for (y, &(j0, j1, fy)) in taps.iter().enumerate() {
        for (x, &(i0, i1, fx)) in taps.iter().enumerate() {
            for c in 0..3 {
                let p = |i: usize, j: usize| small[(j * size + i) * 3 + c];
                let top = p(i0, j0) + (p(i1, j0) - p(i0, j0)) * fx;
                let bottom = p(i0, j1) + (p(i1, j1) - p(i0, j1)) * fx;
                out[(y * side + x) * 3 + c] = top + (bottom - top) * fy;
            }
        }
    }
    out
}
