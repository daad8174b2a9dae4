//! Everything that is not a convolution: activations, sums, pooling, enlargement.

use super::depthwise::clamped;
use super::{Isa, LANES, Level, Map, SHORT};

/// An activation that is computed by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unary {
    /// `min(max(x, first), second)`.
    Clamp([f32; 2]),
    /// `x` where it is positive, else `x` times the slope of its channel (padded to whole blocks).
    PRelu(Vec<f32>),
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `e^x`.
    Exp,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `min(max(first · x + second, 0), 1)`.
    HardSigmoid([f32; 2]),
    /// `x · min(max(x / 6 + 1/2, 0), 1)`.
    HardSwish,
}

/// Runs a function under the instructions of the processor, so that its loops become vectors.
macro_rules! vectorised {
    ($isa:expr, $body:expr) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2(body: impl FnOnce()) {
            body();
        }
        match $isa.0 {
            Level::Plain => $body(),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => $body(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2 and FMA, else there was no such `Isa`.
            Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe { avx2($body) },
        }
    }};
}

pub(super) use vectorised;

impl Unary {
    /// Applies it to values of one channel or, if `first` is a whole block, to pixels of a block.
    #[inline(always)]
    fn apply(&self, values: &mut [f32], block: usize) {
        match self {
            Unary::Clamp(bounds) => values.iter_mut().for_each(|v| *v = clamped(*v, *bounds)),
            Unary::PRelu(slopes) => {
                let slopes = slopes[block * LANES..].as_chunks::<LANES>().0[0];
                for pixel in values.as_chunks_mut::<LANES>().0 {
                    for (v, slope) in pixel.iter_mut().zip(slopes) {
                        *v = if *v < 0.0 { *v * slope } else { *v };
                    }
                }
            }
            Unary::Sigmoid => values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + exp(-*v))),
            Unary::Exp => values.iter_mut().for_each(|v| *v = exp(*v)),
            Unary::Silu => values.iter_mut().for_each(|v| *v /= 1.0 + exp(-*v)),
            Unary::HardSigmoid([a, b]) => {
                values.iter_mut().for_each(|v| *v = clamped(a * *v + b, [0.0, 1.0]))
            }
            Unary::HardSwish => {
                values.iter_mut().for_each(|v| *v *= clamped(*v * (1.0 / 6.0) + 0.5, [0.0, 1.0]));
            }
        }
    }

    /// Applies it to pixels of a block.
    pub(crate) fn run(&self, pixels: &mut [f32], block: usize, isa: Isa) {
        vectorised!(isa, || self.apply(pixels, block));
    }

    /// Applies it to values of one channel.
    ///
    /// # Panics
    /// When it is [`Unary::PRelu`], which needs whole blocks.
    pub(crate) fn channel(&self, values: &mut [f32], isa: Isa) {
        assert!(!matches!(self, Unary::PRelu(_)), "slopes are for blocks");
        vectorised!(isa, || self.apply(values, 0));
    }
}

/// `e^x` within two units in the last place for normal results; 0 below them.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 · 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 89.0);
    let n = clamped * std::f32::consts::LOG2_E + ROUND;
    let power = n - ROUND;
    // ln 2 in two parts, of which the first has zeros at its end so that its product is exact.
    let r = clamped - power * 0.693_359_4 + power * 2.121_944_4e-4;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // Half the power twice, since 2^128 is no f32.
    let whole = n.to_bits() as i32 - ROUND.to_bits() as i32;
    let half = whole >> 1;
    let two = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    let y = p * two(half) * two(whole - half);
    let y = if x < -87.3 { 0.0 } else { y };
    if x.is_nan() { x } else { y }
}

/// Writes the sum of a row of two planes, clamped.
pub(crate) fn add(
    y: usize,
    (a_map, a): (&Map, &[f32]),
    (b_map, b): (&Map, &[f32]),
    out: &mut [f32],
    clamp: [f32; 2],
    isa: Isa,
) {
    vectorised!(isa, || {
        let row = |map: &Map| map.inner(0) + y * map.row();
        let (a, b) = (&a[row(a_map)..][..out.len()], &b[row(b_map)..][..out.len()]);
        for ((to, a), b) in out.iter_mut().zip(a).zip(b) {
            *to = clamped(a + b, clamp);
        }
    });
}

/// Copies a row of a plane.
pub(crate) fn copy(y: usize, (x_map, x): (&Map, &[f32]), out: &mut [f32]) {
    out.copy_from_slice(&x[x_map.inner(0) + y * x_map.row()..][..out.len()]);
}

/// Writes a row of a plane that is enlarged by whole factors, repeating pixels.
pub(crate) fn upsample(y: usize, (x_map, x): (&Map, &[f32]), out: &mut [f32], factor: usize) {
    let from = &x[x_map.inner(0) + y / factor * x_map.row()..][..x_map.width * LANES];
    for (to, pixel) in out.chunks_exact_mut(factor * LANES).zip(from.as_chunks::<LANES>().0) {
        to.as_chunks_mut::<LANES>().0.fill(*pixel);
    }
}

/// Writes a row of a block whose pixels lie in `factor · factor` groups of blocks: what is computed for each pixel of the input lies
/// in its place afterwards, `factor` rows of `factor` pixels.
pub(crate) fn apart(
    y: usize,
    (x_map, x): (&Map, &[f32]),
    [block, blocks]: [usize; 2],
    out: &mut [f32],
    factor: usize,
) {
    let pixels = out.as_chunks_mut::<LANES>().0;
    for column in 0..factor {
        let group = y % factor * factor + column;
        let from =
            &x[x_map.inner(group * blocks + block) + y / factor * x_map.row()..][..x_map.width * LANES];
        let to = pixels[column..].iter_mut().step_by(factor);
        to.zip(from.as_chunks::<LANES>().0).for_each(|(to, pixel)| *to = *pixel);
    }
}

/// Writes a row of the largest values of two by two pixels, which stand in two rows; all are bf16 if `short`.
pub(super) fn max_pool_lines([above, below]: [&[f32]; 2], out: &mut [f32], short: bool, isa: Isa) {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let most = |values: [f32; 4]| values.into_iter().fold(f32::NEG_INFINITY, larger);
    vectorised!(isa, || {
        if short {
            let [above, below] = [above, below].map(|line| line.as_chunks::<{ 2 * SHORT }>().0);
            for ((to, above), below) in out.as_chunks_mut::<SHORT>().0.iter_mut().zip(above).zip(below) {
                for i in 0..SHORT {
                    let words = [above[i], above[SHORT + i], below[i], below[SHORT + i]].map(f32::to_bits);
                    let even = most(words.map(|word| f32::from_bits(word << 16))).to_bits() >> 16;
                    let odd = most(words.map(|word| f32::from_bits(word & 0xffff_0000))).to_bits();
                    to[i] = f32::from_bits(even | odd & 0xffff_0000);
                }
            }
            return;
        }
        let [above, below] = [above, below].map(|line| line.as_chunks::<{ 2 * LANES }>().0);
        for ((to, above), below) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(above).zip(below) {
            for i in 0..LANES {
                to[i] = most([above[i], above[LANES + i], below[i], below[LANES + i]]);
            }
        }
    });
}

/// Writes a row of the largest values of windows of `kernel` pixels; pixels beyond the map do not count.
pub(crate) fn max_pool(
    y: usize,
    (x_map, x): (&Map, &[f32]),
    out: &mut [f32],
    [kernel, stride, pad]: [usize; 3],
    isa: Isa,
) {
    let window = |at: usize, size: usize| {
        (at * stride).saturating_sub(pad)..(at * stride + kernel).saturating_sub(pad).min(size)
    };
    if [kernel, stride, pad] == [2, 2, 0] {
        let short = x_map.is_short();
        let lines = [2 * y, 2 * y + 1].map(|row| {
            let from = x_map.inner(0) + row * x_map.row();
            &x[from..][..2 * out.len()]
        });
        max_pool_lines(lines, out, short, isa);
        return;
    }
    vectorised!(isa, || {
        for (column, to) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut most = [f32::NEG_INFINITY; LANES];
            let columns = window(column, x_map.width);
            for from_y in window(y, x_map.height) {
                let from = x_map.inner(0) + x_map.at(0, from_y, columns.start);
                for pixel in x[from..][..columns.len() * LANES].as_chunks::<LANES>().0 {
                    for (m, v) in most.iter_mut().zip(pixel) {
                        *m = if *v > *m { *v } else { *m };
                    }
                }
            }
            *to = most;
        }
    });
}

/// Writes the mean of each channel of a plane to its only pixel.
pub(crate) fn global_mean((x_map, x): (&Map, &[f32]), out: &mut [f32]) {
    let scale = 1.0 / (x_map.height * x_map.width) as f32;
    let mut sums = [0f32; LANES];
    for y in 0..x_map.height {
        let line = &x[x_map.inner(0) + y * x_map.row()..][..x_map.width * LANES];
        for pixel in line.as_chunks::<LANES>().0 {
            sums.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += v);
        }
    }
    out[..LANES].copy_from_slice(&sums.map(|v| v * scale));
}
