//! Templates in four bits, and how far similarities are off for it.
//!
//! A template is turned by a fixed random rotation (four rounds of random signs and a fast Walsh-Hadamard transform over
//! the first or last 2ᵏ values, as in Kac's walk), then each value becomes one of 16 levels, `scale × (2 code − 15)`. The
//! scale is chosen so that what rounding changes is perpendicular to the template: `⟨x̂, x⟩ = ⟨x, x⟩`.
//!
//! Then a similarity is right on average, and its error has a known spread (Gao and Long 2024, "RaBitQ", whose theorem
//! this is). For a probe `q` that is `a` along the template and `b` across, the error is `b` times the product of `x̂ − x`
//! with a direction that, for a random rotation, is uniform on the sphere of all directions across `x`, independent of
//! `x̂`: its deviation is `|x̂ − x| / √(dim − 1)`, with tails thinner than the normal distribution's. The probe is rounded
//! too, to 8 bits, by the same rule. [`Coder::reach`] takes [`DEVIATIONS`] of both.

use crate::scan::{GROUP, LANES};

/// Deviations within which an error is taken to lie: all but 2 in 10⁹ do. A search is wrong if the one row that should
/// have been found is among those.
const DEVIATIONS: f32 = 6.0;
/// Distance of two levels, in deviations of a template's values, which a random rotation makes normal ones. A little more
/// than is best on average (0.335, Max 1960), since it leaves fewer templates with a large error.
const STEP: f32 = 0.36;
/// Of signs and transforms.
const ROUNDS: usize = 4;

/// A template in the index.
pub(super) struct Coded {
    /// 0 to 15 each.
    pub(super) codes: Vec<u8>,
    pub(super) fit: Fit,
}

/// With which scale levels stand for a template, and how long what rounding has changed is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fit {
    pub(super) scale: f32,
    pub(super) error: f32,
}

impl Fit {
    /// No scale and no error of these are larger.
    pub(super) fn bound(fits: &[Fit]) -> Fit {
        let larger = |a: Fit, b: &Fit| Fit { scale: a.scale.max(b.scale), error: a.error.max(b.error) };
        fits.iter().fold(Fit::default(), larger)
    }
}

/// A template to search with.
pub(crate) struct Probe {
    pub(super) codes: Vec<i8>,
    pub(super) scale: f32,
    error: f32,
}

impl Probe {
    /// What must be taken off twice a product with codes, since a code stands for `2 code − 15`.
    pub(super) fn offset(&self) -> i32 {
        15 * self.codes.iter().map(|v| i32::from(*v)).sum::<i32>()
    }
}

/// Turns and rounds.
pub(super) struct Coder {
    /// Values that a turned template has: as many, rounded up to whole groups of a kernel.
    pub(super) dim: usize,
    /// 1 or −1, `dim` for each round.
    signs: Vec<f32>,
}

impl Coder {
    /// For templates of `dim` values.
    pub(super) fn new(dim: usize) -> Coder {
        let dim = dim.next_multiple_of(GROUP);
        // The rotation is the same for all galleries and processes: files hold turned templates. SplitMix64.
        let mut state = 0u64;
        let mut sign = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (z ^ z >> 31) & 1 == 0 { 1.0 } else { -1.0 }
        };
        Coder { dim, signs: (0..ROUNDS * dim).map(|_| sign()).collect() }
    }

    fn turn(&self, template: &[f32]) -> Vec<f32> {
        let mut values = template.to_vec();
        values.resize(self.dim, 0.0);
        let part = 1 << self.dim.ilog2();
        let shrink = 1.0 / (part as f32).sqrt();
        for (round, signs) in self.signs.chunks_exact(self.dim).enumerate() {
            values.iter_mut().zip(signs).for_each(|(v, sign)| *v *= sign);
            let from = if round.is_multiple_of(2) { 0 } else { self.dim - part };
            let part = &mut values[from..from + part];
            hadamard(part);
            part.iter_mut().for_each(|v| *v *= shrink);
        }
        values
    }

    /// A template for the index.
    pub(super) fn code(&self, template: &[f32]) -> Coded {
        let x = self.turn(template);
        let squares = dot(&x, &x);
        let steps = (self.dim as f32 / squares).sqrt() / STEP;
        let codes: Vec<u8> = x.iter().map(|v| (v * steps + 8.0).clamp(0.0, 15.0) as u8).collect();
        let levels: Vec<f32> = codes.iter().map(|code| f32::from(2 * code) - 15.0).collect();
        Coded { codes, fit: fit(&levels, &x, squares) }
    }

    /// A template to search with.
    pub(super) fn probe(&self, template: &[f32]) -> Probe {
        let x = self.turn(template);
        let largest = x.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let levels: Vec<f32> = x.iter().map(|v| (v / largest * 127.0).round()).collect();
        let Fit { scale, error } = fit(&levels, &x, dot(&x, &x));
        Probe { codes: levels.iter().map(|v| *v as i8).collect(), scale, error }
    }

    /// How far a similarity with a row may be off, as `(a, b)` of `a + b × the row's error`.
    pub(super) fn reach(&self, probe: &Probe) -> (f32, f32) {
        let share = (DEVIATIONS / (self.dim as f32 - 1.0).sqrt()).min(1.0);
        // And a little for the sums in f32.
        (share * probe.error + 1e-5, share + probe.error)
    }
}

/// Nothing fits a template of zeros.
fn fit(levels: &[f32], x: &[f32], squares: f32) -> Fit {
    let along = dot(levels, x);
    if along <= 0.0 {
        return Fit { scale: 0.0, error: squares.sqrt() };
    }
    let scale = squares / along;
    Fit { scale, error: (scale * scale * dot(levels, levels) - squares).max(0.0).sqrt() }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

/// The Walsh-Hadamard transform of 2ᵏ values, which grow by the root of their number.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::unit;
    use super::*;
    use phiz_eval::random::Random;

    fn similarity(coder: &Coder, probe: &Probe, row: &Coded) -> f32 {
        let product: i32 =
            probe.codes.iter().zip(&row.codes).map(|(p, c)| i32::from(*p) * i32::from(*c)).sum();
        assert_eq!(probe.codes.len(), coder.dim);
        (2 * product - probe.offset()) as f32 * (probe.scale * row.fit.scale)
    }

    #[test]
    fn a_rotation_keeps_lengths_and_angles() {
        let mut random = Random::new(4);
        for dim in [3, 16, 33, 192, 512] {
            let coder = Coder::new(dim);
            let (a, b) = (unit(&mut random, dim), unit(&mut random, dim));
            let naive = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>();
            let (a, b) = (coder.turn(&a), coder.turn(&b));
            assert!((dot(&a, &a) - 1.0).abs() < 1e-5 && (dot(&a, &b) - naive).abs() < 1e-5, "{dim}");
        }
    }

    /// Whatever the templates look like: the rotation makes the error's spread what the theorem says, and right on
    /// average.
    #[test]
    fn errors_spread_as_the_theorem_says() {
        let mut random = Random::new(5);
        for (dim, used) in [(512, 512), (512, 1), (512, 20), (192, 3), (128, 128)] {
            let coder = Coder::new(dim);
            let mut one = || {
                let mut v = unit(&mut random, used);
                v.resize(dim, 0.0);
                v
            };
            let (mut sum, mut squares, mut largest, mut reach) = (0.0, 0.0, 0.0f32, 0.0f32);
            let rounds = 4000;
            for _ in 0..rounds {
                let (a, b) = (one(), one());
                let (row, probe) = (coder.code(&a), coder.probe(&b));
                assert!(row.fit.error < 0.3, "{} of {used} in {dim}", row.fit.error);
                let truth = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>();
                let off = similarity(&coder, &probe, &row) - truth;
                sum += f64::from(off);
                squares += f64::from(off * off);
                let (constant, share) = coder.reach(&probe);
                reach = constant + share * row.fit.error;
                largest = largest.max(off.abs() / reach);
            }
            let deviation = (squares / f64::from(rounds)).sqrt();
            assert!(sum.abs() / f64::from(rounds) < 4.0 * deviation / f64::from(rounds).sqrt(), "{sum}");
            // Four of six deviations are what 4,000 normal errors come to; the probe's own adds to the reach.
            assert!(
                largest < 0.8 && deviation < f64::from(reach) / 5.0,
                "{used} of {dim}: {largest} {deviation}"
            );
        }
    }

    #[test]
    fn a_template_of_zeros_is_like_nobody() {
        let coder = Coder::new(32);
        let (row, probe) = (coder.code(&[0.0; 32]), coder.probe(&[0.0; 32]));
        assert_eq!(similarity(&coder, &probe, &row), 0.0);
    }
}
