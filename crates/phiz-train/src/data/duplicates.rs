//! The same photo twice: other size, other cropping, other compression, other name.
//!
//! Compared are aligned faces, so that what was cut off or scaled plays no part. A sketch is small enough to compare
//! everything with everything: 242 bits (is the next patch brighter?) sort out nearly all pairs with a few
//! instructions; what is left is compared by the correlation of thumbnails, and by templates.
//!
//! On photos that two collections share, each aligned on its own, nine in ten pairs are found; photos of one person
//! on one occasion, which a photographer took within a second, count as the same.

use crate::shards::{CROP, CROP_BYTES};

/// Side of the grids that bits and thumbnails are made of.
const BITS: usize = 12;
const THUMB: usize = 16;
/// The middle of the crop, without the edge that alignments disagree about.
const INNER: usize = 96;
/// Bits in which two sketches of one photo may differ.
const FEW_BITS: u32 = 48;
/// Thumbnails that agree so well are one photo whatever the templates say.
const CERTAIN: f32 = 0.98;
/// Thumbnails that agree so well are one photo if templates agree too.
const LIKELY: f32 = 0.92;
const SAME_FACE: f32 = 0.9;

/// What is left of an aligned face for this purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    bits: [u64; 4],
    /// Luminance, mean zero, unit length.
    thumb: Vec<f32>,
}

impl Sketch {
    /// Of a crop of 112×112 interleaved RGB; none of another size.
    #[must_use]
    pub fn new(crop: &[u8]) -> Option<Sketch> {
        if crop.len() != CROP_BYTES {
            return None;
        }
        let margin = (CROP - INNER) / 2;
        let grid = |side: usize| -> Vec<f32> {
            let patch = INNER / side;
            let mut sums = vec![0f32; side * side];
            for y in 0..INNER {
                for x in 0..INNER {
                    let p = &crop[((y + margin) * CROP + x + margin) * 3..][..3];
                    let light = 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
                    sums[y / patch * side + x / patch] += light;
                }
            }
            sums
        };
        let coarse = grid(BITS);
        let mut bits = [0u64; 4];
        for y in 0..BITS - 1 {
            for x in 0..BITS - 1 {
                let here = coarse[y * BITS + x];
                for (kind, next) in
                    [coarse[y * BITS + x + 1], coarse[(y + 1) * BITS + x]].into_iter().enumerate()
                {
                    let place = (y * (BITS - 1) + x) * 2 + kind;
                    bits[place / 64] |= u64::from(next > here) << (place % 64);
                }
            }
        }
        let mut thumb = grid(THUMB);
        let mean = thumb.iter().sum::<f32>() / thumb.len() as f32;
        thumb.iter_mut().for_each(|v| *v -= mean);
        let length = thumb.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        thumb.iter_mut().for_each(|v| *v /= length);
        Some(Sketch { bits, thumb })
    }

    fn differs(&self, other: &Sketch) -> u32 {
        self.bits.iter().zip(&other.bits).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Correlation of the thumbnails, −1 to 1.
    #[must_use]
    pub fn correlation(&self, other: &Sketch) -> f32 {
        dot(&self.thumb, &other.thumb)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Groups of faces that are one photo, each with the faces in their order, by their first.
///
/// `template` gives a face's unit template.
pub fn groups<'a>(sketches: &[Sketch], template: impl Fn(usize) -> &'a [f32]) -> Vec<Vec<usize>> {
    // Each face points to an earlier one of its group, the first to itself.
    let mut first: Vec<usize> = (0..sketches.len()).collect();
    fn root(first: &mut [usize], mut i: usize) -> usize {
        while first[i] != i {
            first[i] = first[first[i]];
            i = first[i];
        }
        i
    }
    for i in 0..sketches.len() {
        for j in 0..i {
            if sketches[i].differs(&sketches[j]) > FEW_BITS {
                continue;
            }
            let alike = sketches[i].correlation(&sketches[j]);
            if alike >= CERTAIN || alike >= LIKELY && dot(template(i), template(j)) >= SAME_FACE {
                let (a, b) = (root(&mut first, i), root(&mut first, j));
                first[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); sketches.len()];
    for i in 0..sketches.len() {
        let root = root(&mut first, i);
        groups[root].push(i);
    }
    groups.retain(|group| group.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{Strength, augment};
    use crate::random::Random;

    /// A smooth picture of a seed.
    fn picture(seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        let waves: Vec<[f32; 4]> = (0..12)
            .map(|_| {
                [
                    random.normal() * 0.09,
                    random.normal() * 0.09,
                    random.unit() * 6.3,
                    random.between(8.0, 30.0),
                ]
            })
            .collect();
        (0..CROP_BYTES)
            .map(|i| {
                let (x, y) = ((i / 3 % CROP) as f32, (i / 3 / CROP) as f32);
                let v: f32 = waves.iter().map(|w| w[3] * (w[0] * x + w[1] * y + w[2]).sin()).sum();
                (128.0 + v).clamp(0.0, 255.0) as u8
            })
            .collect()
    }

    #[test]
    fn copies_are_found_and_others_are_not() {
        let mut crops: Vec<Vec<u8>> = (0..30).map(picture).collect();
        // Copies: lightened, shifted a little, compressed.
        for original in [3usize, 7, 7] {
            let mut copy = Vec::new();
            let change = Strength { shift: 1.0, colour: 0.15, noise: 4.0, ..Strength::NONE };
            augment(&crops[original], CROP, &change, &mut Random::new(original as u64), &mut copy, None);
            crops.push(copy);
        }
        let sketches: Vec<Sketch> = crops.iter().map(|c| Sketch::new(c).expect("a crop")).collect();
        let one = [1.0f32];
        assert_eq!(groups(&sketches, |_| &one), [vec![3, 30], vec![7, 31, 32]]);
        assert!(Sketch::new(&[0; 12]).is_none());
        assert!((sketches[0].correlation(&sketches[0]) - 1.0).abs() < 1e-5);
    }
}
