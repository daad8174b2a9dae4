//! Batch normalisation and the other operations on whole maps, over plain slices.
//!
//! Statistics are gathered channel by channel in double precision, values are then changed picture by picture;
//! both are shared among threads without changing any sum's order.

use super::workers::Workers;

/// Pictures that one thread takes at a time.
const PARTS: usize = 8;

/// A batch of maps: pictures, channels, pixels of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maps {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) pixels: usize,
}

impl Maps {
    /// Of a shape `[n, c, …]`.
    pub(crate) fn new(shape: &[usize]) -> Maps {
        Maps { batch: shape[0], channels: shape[1], pixels: shape[2..].iter().product() }
    }

    /// Values of one channel over the batch.
    pub(crate) fn count(&self) -> f64 {
        (self.batch * self.pixels) as f64
    }

    fn planes<'a>(&self, x: &'a [f32], channel: usize) -> impl Iterator<Item = &'a [f32]> {
        let (pixels, channels) = (self.pixels, self.channels);
        (0..self.batch).map(move |n| &x[(n * channels + channel) * pixels..][..pixels])
    }

    /// Mean and biased variance of each channel.
    pub(crate) fn statistics(&self, workers: &Workers, x: &[f32]) -> Vec<(f64, f64)> {
        workers.map((0..self.channels).collect(), |_, channel| {
            let sum: f64 = self.planes(x, channel).map(|p| f64::from(sum(p))).sum();
            let mean = sum / self.count();
            let off = mean as f32;
            let squares: f64 = self.planes(x, channel).map(|p| f64::from(sum_of_squares(p, off))).sum();
            let rounding = mean - f64::from(off);
            (mean, (squares / self.count() - rounding * rounding).max(0.0))
        })
    }

    /// `x·factor + offset`, both by channel.
    pub(crate) fn affine(&self, workers: &Workers, x: &[f32], factors: &[f32], offsets: &[f32]) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        self.by_picture(workers, &mut out, |channel, range, out| {
            let (factor, offset) = (factors[channel], offsets[channel]);
            out.iter_mut().zip(&x[range]).for_each(|(o, v)| *o = v * factor + offset);
        });
        out
    }

    /// Sums over a channel of `dy` and of `dy · (x − mean)`.
    pub(crate) fn sums(&self, workers: &Workers, x: &[f32], dy: &[f32], means: &[f32]) -> Vec<(f64, f64)> {
        workers.map((0..self.channels).collect(), |_, channel| {
            let mean = means[channel];
            let mut totals = (0f64, 0f64);
            for (x, dy) in self.planes(x, channel).zip(self.planes(dy, channel)) {
                totals.0 += f64::from(sum(dy));
                totals.1 += f64::from(centred_dot(x, mean, dy));
            }
            totals
        })
    }

    /// `a·dy + b·x + c`, all by channel: the gradient of a normalisation's input.
    pub(crate) fn combine(
        &self,
        workers: &Workers,
        dy: &[f32],
        x: &[f32],
        coefficients: &[[f32; 3]],
    ) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        self.by_picture(workers, &mut out, |channel, range, out| {
            let [a, b, c] = coefficients[channel];
            let (dy, x) = (&dy[range.clone()], &x[range]);
            out.iter_mut().zip(dy).zip(x).for_each(|((o, d), v)| *o = a * d + (b * v + c));
        });
        out
    }

    /// Calls `each(channel, range of the plane, plane of out)` for every plane.
    fn by_picture(
        &self,
        workers: &Workers,
        out: &mut [f32],
        each: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync,
    ) {
        let pictures = self.batch.div_ceil(PARTS).max(1);
        let size = (pictures * self.channels * self.pixels).max(1);
        workers.map(out.chunks_mut(size).collect(), |part, out: &mut [f32]| {
            for (i, plane) in out.chunks_exact_mut(self.pixels).enumerate() {
                let start = part * size + i * self.pixels;
                each(i % self.channels, start..start + self.pixels, plane);
            }
        });
    }
}

/// `each` of the elements of two arrays of one length.
pub(crate) fn zip(
    workers: &Workers,
    a: &[f32],
    b: &[f32],
    each: impl Fn(f32, f32) -> f32 + Sync,
) -> Vec<f32> {
    let mut out = vec![0f32; a.len()];
    let size = a.len().div_ceil(PARTS).max(1 << 14);
    workers.map(out.chunks_mut(size).collect(), |part, out: &mut [f32]| {
        let range = part * size..part * size + out.len();
        out.iter_mut().zip(&a[range.clone()]).zip(&b[range]).for_each(|((o, a), b)| *o = each(*a, *b));
    });
    out
}

/// Sums in eight lanes, which the compiler turns into vectors.
fn sum_by(a: &[f32], b: &[f32], each: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| each(*x, *y)).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            lanes[i] += each(x[i], y[i]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

fn sum(x: &[f32]) -> f32 {
    sum_by(x, x, |v, _| v)
}

fn sum_of_squares(x: &[f32], off: f32) -> f32 {
    sum_by(x, x, |v, _| (v - off) * (v - off))
}

fn centred_dot(x: &[f32], off: f32, dy: &[f32]) -> f32 {
    sum_by(x, dy, |v, d| (v - off) * d)
}

/// Sum of products.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_by(a, b, |x, y| x * y)
}
