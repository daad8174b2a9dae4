//! Batch normalisation, and ReLU behind it, in vectors over channels.
//!
//! Maps are large and the arithmetic is little: what counts is how often a map passes through memory. Forward reads it
//! twice and writes once. Backward reads input and gradient twice and writes once: whether ReLU let a number through is
//! computed anew instead of read.

use std::ops::Range;

use super::vector::{Number, Vector};
use super::{Level, Shared, on_threads, shares};
use crate::Statistics;

/// Rows whose sums are added in f32, before the f64 of all.
const BLOCK: usize = 64;

with_vectors!(sums_of_rows<N> => sums(
    x: &[N], dy: Option<&[N]>, line: [&[f32]; 3], relu: bool, rows: Range<usize>, totals: &mut [f64],
));
with_vectors!(write_rows<N> => write(
    x: &[N], slope: &[f32], offset: &[f32], relu: bool, rows: Range<usize>, y: Shared<'_, N>,
));
with_vectors!(write_gradients<N> => write_back(
    x: &[N], dy: &[N], line: [&[f32]; 4], relu: bool, rows: Range<usize>, dx: Shared<'_, N>,
));

/// What a normalisation computes with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) epsilon: f32,
    pub(crate) relu: bool,
    pub(crate) level: Level,
    pub(crate) threads: usize,
}

impl Rule<'_> {
    fn channels(&self) -> usize {
        self.scale.len()
    }

    /// `slope · x + offset` is the normalised x.
    fn line(&self, statistics: &Statistics) -> [Vec<f32>; 2] {
        let inverse = |variance: f32| 1.0 / (variance + self.epsilon).sqrt();
        let slope: Vec<f32> = self
            .scale
            .iter()
            .zip(&statistics.variance)
            .map(|(scale, variance)| scale * inverse(*variance))
            .collect();
        let offset = self
            .shift
            .iter()
            .zip(&statistics.mean)
            .zip(&slope)
            .map(|((shift, mean), slope)| shift - mean * slope);
        let offset = offset.collect();
        [slope, offset]
    }

    /// Two sums a channel: of `x − mean` and its square, or with gradients of those and of their products with `x − mean`.
    fn sums<N: Number>(
        &self,
        x: &[N],
        dy: Option<&[N]>,
        means: &[f32],
        [slope, offset]: [&[f32]; 2],
    ) -> [Vec<f64>; 2] {
        let channels = self.channels();
        let own = shares(x.len() / channels, self.threads);
        let mut totals = vec![vec![0f64; 2 * channels]; own.len()];
        on_threads(totals.iter_mut().zip(own).collect(), &|(totals, rows): (&mut Vec<f64>, _)| {
            // SAFETY: maps of whole rows and lists of as many numbers as there are channels (asserted by the callers).
            unsafe { sums_of_rows(self.level, x, dy, [means, slope, offset], self.relu, rows, totals) };
        });
        let total = |i: usize| totals.iter().map(|totals| totals[i]).sum::<f64>();
        [(0..channels).map(total).collect(), (channels..2 * channels).map(total).collect()]
    }

    fn check(&self, maps: &[usize]) {
        let channels = self.channels();
        assert!(channels > 0 && channels.is_multiple_of(self.level.panel()) && self.shift.len() == channels);
        let whole = |map: &usize| *map == maps[0] && *map > 0 && map.is_multiple_of(channels);
        assert!(maps.iter().all(whole), "maps of {channels} channels: {maps:?}");
    }
}

/// Normalises by the batch's own mean and variance, which it returns.
pub(crate) fn forward<N: Number>(rule: &Rule<'_>, x: &[N], y: &mut [N]) -> Statistics {
    rule.check(&[x.len(), y.len()]);
    let channels = rule.channels();
    let count = (x.len() / channels) as f64;
    // Sums of differences from the first row, which is as far from nought as the others: squares lose no digits then.
    let first: Vec<f32> = x[..channels].iter().map(|x| x.value()).collect();
    let [differences, squares] = rule.sums(x, None, &first, [&first, &first]);
    let mean = first.iter().zip(&differences).map(|(first, sum)| (f64::from(*first) + sum / count) as f32);
    let variance = differences
        .iter()
        .zip(&squares)
        .map(|(sum, square)| (square / count - (sum / count).powi(2)).max(0.0) as f32);
    let statistics = Statistics { mean: mean.collect(), variance: variance.collect() };
    let [slope, offset] = rule.line(&statistics);
    let y = Shared::of(y);
    on_threads(shares(x.len() / channels, rule.threads), &|rows| {
        // SAFETY: lengths were asserted; each thread writes its own rows.
        unsafe { write_rows(rule.level, x, &slope, &offset, rule.relu, rows, y) };
    });
    statistics
}

/// Gradients of scale and shift; that of the input is written.
pub(crate) fn backward<N: Number>(
    rule: &Rule<'_>,
    x: &[N],
    dy: &[N],
    statistics: &Statistics,
    dx: &mut [N],
) -> [Vec<f32>; 2] {
    rule.check(&[x.len(), dy.len(), dx.len()]);
    let channels = rule.channels();
    assert!(
        statistics.mean.len() == channels && statistics.variance.len() == channels,
        "statistics of {channels} channels"
    );
    let count = (x.len() / channels) as f64;
    let [slope, offset] = rule.line(statistics);
    let [sums, products] = rule.sums(x, Some(dy), &statistics.mean, [&slope, &offset]);
    let inverse = |c: usize| 1.0 / (f64::from(statistics.variance[c]) + f64::from(rule.epsilon)).sqrt();
    // dx = slope · dy + factor · x + rest, with dy what ReLU let through.
    let factor: Vec<f32> = (0..channels)
        .map(|c| (-f64::from(slope[c]) * inverse(c).powi(2) * products[c] / count) as f32)
        .collect();
    let rest: Vec<f32> = (0..channels)
        .map(|c| {
            let mean = f64::from(statistics.mean[c]);
            (-f64::from(slope[c]) * sums[c] / count - mean * f64::from(factor[c])) as f32
        })
        .collect();
    let line = [&slope[..], &offset, &factor, &rest];
    let dx = Shared::of(dx);
    on_threads(shares(x.len() / channels, rule.threads), &|rows| {
        // SAFETY: lengths were asserted; each thread writes its own rows.
        unsafe { write_gradients(rule.level, x, dy, line, rule.relu, rows, dx) };
    });
    let dscale = (0..channels).map(|c| (products[c] * inverse(c)) as f32).collect();
    [dscale, sums.iter().map(|sum| *sum as f32).collect()]
}

/// Loads vectors of as many channels as a panel has.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
unsafe fn load<V: Vector, const WIDTH: usize>(from: *const f32) -> [V; WIDTH] {
    // SAFETY: passed on.
    unsafe {
        let mut vectors = [V::all(0.0); WIDTH];
        for (c, vector) in vectors.iter_mut().enumerate() {
            *vector = V::load(from.add(c * V::LANES));
        }
        vectors
    }
}

/// The first rows of blocks and the first channels of panels.
fn blocks(rows: &Range<usize>, channels: usize, panel: usize) -> impl Iterator<Item = (usize, usize)> {
    rows.clone()
        .step_by(BLOCK)
        .flat_map(move |row| (0..channels).step_by(panel).map(move |channel| (row, channel)))
}

/// The sums of [`Rule::sums`] over some rows, added to `totals`.
///
/// # Safety
/// The processor has the vector's instructions; maps have these rows; lists have a number for each channel, which are whole panels,
/// and `totals` two.
#[inline(always)]
unsafe fn sums<V: Vector, N: Number, const WIDTH: usize>(
    x: &[N],
    dy: Option<&[N]>,
    [means, slope, offset]: [&[f32]; 3],
    relu: bool,
    rows: Range<usize>,
    totals: &mut [f64],
) {
    let (channels, panel) = (means.len(), WIDTH * V::LANES);
    let mut numbers = [0f32; 64];
    for (first, channel) in blocks(&rows, channels, panel) {
        // SAFETY: as above; `numbers` holds the widest panel.
        unsafe {
            let mean = load::<V, WIDTH>(means.as_ptr().add(channel));
            let slope = load::<V, WIDTH>(slope.as_ptr().add(channel));
            let offset = load::<V, WIDTH>(offset.as_ptr().add(channel));
            let mut sums = [[V::all(0.0); WIDTH]; 2];
            for row in first..(first + BLOCK).min(rows.end) {
                let at = row * channels + channel;
                for c in 0..WIDTH {
                    let x: V = N::load(x.as_ptr().add(at + c * V::LANES));
                    let difference = x.sub(mean[c]);
                    let value = match dy {
                        None => difference,
                        Some(dy) => {
                            let dy: V = N::load(dy.as_ptr().add(at + c * V::LANES));
                            if relu { dy.where_positive(x.times(slope[c], offset[c])) } else { dy }
                        }
                    };
                    sums[0][c] = sums[0][c].add(value);
                    sums[1][c] = value.times(difference, sums[1][c]);
                }
            }
            for (which, sums) in sums.into_iter().enumerate() {
                for (c, sum) in sums.into_iter().enumerate() {
                    sum.store(numbers.as_mut_ptr().add(c * V::LANES));
                }
                let totals = &mut totals[which * channels + channel..][..panel];
                totals.iter_mut().zip(&numbers).for_each(|(total, sum)| *total += f64::from(*sum));
            }
        }
    }
}

/// `slope · x + offset` of some rows, or the greater of that and zero.
///
/// # Safety
/// As [`sums`]; nobody else reads or writes these rows of `y`.
#[inline(always)]
unsafe fn write<V: Vector, N: Number, const WIDTH: usize>(
    x: &[N],
    slope: &[f32],
    offset: &[f32],
    relu: bool,
    rows: Range<usize>,
    y: Shared<'_, N>,
) {
    let channels = slope.len();
    for (first, channel) in blocks(&rows, channels, WIDTH * V::LANES) {
        // SAFETY: as above.
        unsafe {
            let slope = load::<V, WIDTH>(slope.as_ptr().add(channel));
            let offset = load::<V, WIDTH>(offset.as_ptr().add(channel));
            for row in first..(first + BLOCK).min(rows.end) {
                for c in 0..WIDTH {
                    let at = row * channels + channel + c * V::LANES;
                    let value = N::load::<V>(x.as_ptr().add(at)).times(slope[c], offset[c]);
                    N::store(if relu { value.positive() } else { value }, y.0.add(at));
                }
            }
        }
    }
}

/// The input's gradient of some rows.
///
/// # Safety
/// As [`sums`]; nobody else reads or writes these rows of `dx`.
#[inline(always)]
unsafe fn write_back<V: Vector, N: Number, const WIDTH: usize>(
    x: &[N],
    dy: &[N],
    [slope, offset, factor, rest]: [&[f32]; 4],
    relu: bool,
    rows: Range<usize>,
    dx: Shared<'_, N>,
) {
    let channels = slope.len();
    for (first, channel) in blocks(&rows, channels, WIDTH * V::LANES) {
        // SAFETY: as above.
        unsafe {
            let slope = load::<V, WIDTH>(slope.as_ptr().add(channel));
            let offset = load::<V, WIDTH>(offset.as_ptr().add(channel));
            let factor = load::<V, WIDTH>(factor.as_ptr().add(channel));
            let rest = load::<V, WIDTH>(rest.as_ptr().add(channel));
            for row in first..(first + BLOCK).min(rows.end) {
                for c in 0..WIDTH {
                    let at = row * channels + channel + c * V::LANES;
                    let (x, dy): (V, V) = (N::load(x.as_ptr().add(at)), N::load(dy.as_ptr().add(at)));
                    let dy = if relu { dy.where_positive(x.times(slope[c], offset[c])) } else { dy };
                    N::store(dy.times(slope[c], x.times(factor[c], rest[c])), dx.0.add(at));
                }
            }
        }
    }
}
