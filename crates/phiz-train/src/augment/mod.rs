//! Changes to an aligned crop, or to a composed scene, that leave the people the same.
//!
//! In the order in which a picture comes about: what the person wears ([`wear`]), the resolution at which somebody
//! kept it and what their cropping cut off; then one resampling that does turn, flip, jitter and coarseness at once;
//! colour, grey and noise; light, focus and motion; erased rectangles; and the compression of the file. Everything follows from one [`Random`], so a sample can be repeated; [`EFFECTS`] lists
//! every change, for tests and for sheets to look at.

pub(crate) mod camera;
mod strength;
mod turn;
pub mod wear;

use phiz_image::Similarity;

pub use strength::{EFFECTS, Strength};

use crate::random::Random;
use crate::shards::CROP;
use turn::Turn;

/// From where a crop is seen: what one resampling does to it, which spoils nothing.
struct View {
    flip: bool,
    /// Sine and cosine of the rotation in the picture.
    rotation: (f32, f32),
    zoom: f32,
    shift: [f32; 2],
    turn: Option<Turn>,
}

impl View {
    fn sampled(&self, crop: &[u8], size: usize) -> Vec<f32> {
        let step = CROP as f32 / size as f32 * self.zoom;
        let ((sin, cos), [dx, dy]) = (self.rotation, self.shift);
        let centre = CROP as f32 / 2.0;
        // Where one output pixel covers several input pixels, take the mean of a grid of samples within it.
        let grid = if step > 1.3 { (step.round() as usize).max(2) } else { 1 };
        let mut picture = vec![0f32; size * size * 3];
        let mut places = Vec::with_capacity(size * grid * grid);
        for (y, row) in picture.chunks_exact_mut(size * 3).enumerate() {
            places.clear();
            for (x, sub) in (0..size).flat_map(|x| (0..grid * grid).map(move |sub| (x, sub))) {
                let at = |i: usize, k: usize| {
                    (i as f32 + (k as f32 + 0.5) / grid as f32 - size as f32 / 2.0) * step
                };
                let (u, v) = (at(x, sub % grid), at(y, sub / grid));
                let u = if self.flip { -u } else { u };
                places.push([cos * u - sin * v + centre + dx, sin * u + cos * v + centre + dy]);
            }
            if let Some(turn) = self.turn {
                turn.sources(&mut places);
            }
            for (pixel, places) in row.chunks_exact_mut(3).zip(places.chunks_exact(grid * grid)) {
                places.iter().for_each(|[x, y]| sample(crop, *x, *y, pixel));
                pixel.iter_mut().for_each(|p| *p /= (grid * grid) as f32);
            }
        }
        picture
    }
}

/// The crop (112×112 interleaved RGB) at `side` pixels, changed; appended to `out`. To `clean`, if it is given, the crop is appended as
/// it is seen from there before anything spoils it.
pub fn augment(
    original: &[u8],
    side: usize,
    strength: &Strength,
    random: &mut Random,
    out: &mut Vec<u8>,
    clean: Option<&mut Vec<u8>>,
) {
    let mut later = strength.is_late().then(|| aside(random));
    let changed = later.as_mut().and_then(|random| before_alignment(original, strength, random));
    let crop = changed.as_deref().unwrap_or(original);
    let turn = later.as_mut().filter(|_| strength.turn > 0.0).and_then(|random| {
        let mut angle = || random.between(-1.0, 1.0) * strength.turn.to_radians();
        Turn::new(angle(), angle() / 2.0)
    });
    let flip = random.chance(strength.flip);
    let angle = random.between(-1.0, 1.0) * strength.rotate.to_radians();
    let zoom = 1.0 + random.between(-1.0, 1.0) * strength.scale;
    let (dx, dy) = (random.between(-1.0, 1.0) * strength.shift, random.between(-1.0, 1.0) * strength.shift);
    let view = View { flip, rotation: angle.sin_cos(), zoom, shift: [dx, dy], turn };
    let coarse = if random.chance(strength.coarse) { random.between(0.25, 0.8) } else { 1.0 };
    let size = ((side as f32 * coarse) as usize).max(8);
    let mut small = view.sampled(crop, size);
    if let Some(clean) = clean {
        if size == side && changed.is_none() {
            clean.extend(bytes(&small));
        } else {
            clean.extend(bytes(&view.sampled(original, side)));
        }
    }
    if size != side {
        small = enlarge(&small, size, side);
    }

    recolour(&mut small, strength, random);
    if let Some(random) = &mut later {
        camera::expose(&mut small, side, side as f32 / CROP as f32, strength, random);
    }
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
    let start = out.len();
    out.extend(bytes(&small));
    if let Some(random) = &mut later {
        camera::compress(&mut out[start..], side, strength, random);
    }
}

/// The nearest bytes: casts saturate.
fn bytes(picture: &[f32]) -> impl Iterator<Item = u8> + '_ {
    picture.iter().map(|v| (v + 0.5) as u8)
}

/// Chance for the later changes. It is a generator of its own, so that what the earlier ones draw, and with it every
/// run of an earlier recipe, stays the same.
fn aside(random: &Random) -> Random {
    Random::new(random.clone().bits() ^ 0x6d61_736b_735f_6574)
}

/// What happened to the crop before it was aligned; none if nothing did.
fn before_alignment(crop: &[u8], strength: &Strength, random: &mut Random) -> Option<Vec<u8>> {
    let chances = [strength.mask, strength.glasses, strength.mixed, strength.chin];
    let [mask, glasses, mixed, chin] = chances.map(|p| random.chance(p));
    if !(mask || glasses || mixed || chin) {
        return None;
    }
    let mut crop = crop.to_vec();
    let here = Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };
    if glasses {
        wear::glasses(&mut wear::Surface { pixels: &mut crop, width: CROP, to: here }, random);
    }
    if mask {
        wear::mask(&mut wear::Surface { pixels: &mut crop, width: CROP, to: here }, random);
    }
    if mixed {
        crop = camera::reduce(&crop, random);
    }
    if chin {
        // What lies outside of a photo is black after alignment, or its edge drawn out.
        let first = (CROP as f32 * random.between(0.84, 0.98)) as usize;
        let edge: Vec<u8> = crop[(first - 1) * CROP * 3..][..CROP * 3].to_vec();
        let black = random.chance(0.5);
        for row in crop[first * CROP * 3..].chunks_exact_mut(CROP * 3) {
            if black { row.fill(0) } else { row.copy_from_slice(&edge) }
        }
    }
    Some(crop)
}

/// What is changed on a composed scene after its colours: what faces wear is drawn by [`worn`], before them.
pub(crate) fn photograph(canvas: &mut [f32], side: usize, strength: &Strength, random: &mut Random) {
    camera::expose(canvas, side, 1.0, strength, random);
}

/// The compression of a scene's bytes.
pub(crate) fn compress(bytes: &mut [u8], side: usize, strength: &Strength, random: &mut Random) {
    camera::compress(bytes, side, strength, random);
}

/// Chance for a scene's later changes; none where none is asked for.
pub(crate) fn later(strength: &Strength, random: &Random) -> Option<Random> {
    strength.is_late().then(|| aside(random))
}

/// Draws on a face of a scene, by its landmarks (x and y of five), what it wears.
pub(crate) fn worn(
    canvas: &mut [f32],
    side: usize,
    points: &[f32],
    strength: &Strength,
    random: &mut Random,
) {
    let [glasses, mask] = [strength.glasses, strength.mask].map(|p| random.chance(p));
    let landmarks: Vec<[f32; 2]> = points.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
    let Some(to) = Similarity::estimate(&wear::TEMPLATE, &landmarks) else { return };
    if glasses {
        wear::glasses(&mut wear::Surface { pixels: canvas, width: side, to }, random);
    }
    if mask {
        wear::mask(&mut wear::Surface { pixels: canvas, width: side, to }, random);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn crop() -> Vec<u8> {
        (0..CROP * CROP * 3).map(|i| ((i * 7 + i / 336 * 13) % 200 + 20) as u8).collect()
    }

    fn changed(strength: &Strength, seed: u64, side: usize) -> Vec<u8> {
        let mut out = vec![9];
        augment(&crop(), side, strength, &mut Random::new(seed), &mut out, None);
        assert_eq!((out.len(), out[0]), (side * side * 3 + 1, 9), "appended");
        out.split_off(1)
    }

    #[test]
    fn every_effect_is_repeatable_seeded_and_changes_something() {
        let plain = changed(&Strength::NONE, 1, CROP);
        for (name, strength) in EFFECTS {
            assert_eq!(strength.fault(), None, "{name}");
            let once = changed(&strength, 1, CROP);
            assert_eq!(once, changed(&strength, 1, CROP), "{name} is repeatable");
            assert_ne!(once, plain, "{name} changes something");
            if !["flip", "grey"].contains(&name) {
                assert_ne!(once, changed(&strength, 2, CROP), "{name} follows its seed");
            }
            changed(&strength, 1, 64);
        }
    }

    #[test]
    fn no_strength_is_missing_from_the_effects() {
        // serde's complaint about an unknown field lists all that there are, in backticks.
        let error = toml::from_str::<Strength>("nonsense = 1").expect_err("unknown").to_string();
        let expected = error.split_once("expected one of").expect("a list").1;
        let fields: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        assert_eq!(fields, EFFECTS.map(|(name, _)| name));
    }

    #[test]
    fn later_effects_leave_earlier_draws_alone() {
        // A chance so small that it never happens: the earlier effects must draw as if it were not there.
        let earlier = Strength::default();
        for seed in 0..20 {
            let with = Strength { mask: 1e-12, jpeg: 1e-12, ..earlier };
            assert_eq!(changed(&earlier, seed, CROP), changed(&with, seed, CROP), "seed {seed}");
        }
    }

    #[test]
    fn a_view_shows_the_crop_before_it_is_spoilt() {
        let strengths = [
            Strength { turn: 10.0, ..Strength::default() },
            Strength {
                mask: 1.0,
                dark: 1.0,
                coarse: 1.0,
                colour: 0.5,
                jpeg: 1.0,
                turn: 10.0,
                ..Strength::default()
            },
        ];
        // Geometry alone, without chance.
        let seen = Strength { colour: 0.0, grey: 0.0, coarse: 0.0, noise: 0.0, erase: 0.0, ..strengths[0] };
        for seed in 0..20 {
            for strength in strengths {
                let (mut spoilt, mut clean) = (Vec::new(), Vec::new());
                augment(&crop(), CROP, &strength, &mut Random::new(seed), &mut spoilt, Some(&mut clean));
                assert_eq!(spoilt, changed(&strength, seed, CROP), "seed {seed}");
                assert_eq!(clean.len(), spoilt.len());
                if strength == strengths[0] {
                    assert_eq!(clean, changed(&seen, seed, CROP), "seed {seed}");
                }
                assert_ne!(clean, spoilt, "seed {seed}");
            }
        }
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(changed(&Strength::NONE, 1, CROP), crop());
    }
}
