//! Depthwise convolutions: each channel by itself, so a block of channels is a vector.

use super::{Aligned, Isa, LANES, Level, Map};

/// Columns that are computed together.
const COLUMNS: usize = 6;

/// A depthwise convolution with its weights.
#[derive(Clone, Debug)]
pub(crate) struct Depthwise {
    channels: usize,
    kernel: [usize; 2],
    stride: usize,
    pad: usize,
    clamp: [f32; 2],
    /// `[block][tap][lane]`.
    weights: Aligned,
    bias: Aligned,
    isa: Isa,
}

impl Depthwise {
    /// Packs weights `[channels, rows, columns]` and a bias for each channel.
    ///
    /// # Panics
    /// When the weights are not as many as the shape says.
    pub(crate) fn new(
        kernel: [usize; 2],
        stride: usize,
        pad: usize,
        clamp: [f32; 2],
        weights: &[f32],
        bias: &[f32],
        isa: Isa,
    ) -> Depthwise {
        let (channels, taps) = (bias.len(), kernel[0] * kernel[1]);
        assert_eq!(weights.len(), channels * taps, "as many weights as the shape says");
        assert!(stride > 0 && taps > 0);
        let blocks = channels.div_ceil(LANES);
        let mut packed = Aligned::zeros(blocks * taps * LANES);
        for (channel, filter) in weights.chunks_exact(taps).enumerate() {
            for (tap, w) in filter.iter().enumerate() {
                packed[(channel / LANES * taps + tap) * LANES + channel % LANES] = *w;
            }
        }
        let mut padded = Aligned::zeros(blocks * LANES);
        padded[..channels].copy_from_slice(bias);
        Depthwise { channels, kernel, stride, pad, clamp, weights: packed, bias: padded, isa }
    }

    /// Multiplications for each pixel.
    pub(crate) fn macs(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// The map that comes out, without a border; none if the kernel is larger than the map.
    pub(crate) fn out_map(&self, x: &Map) -> Option<Map> {
        let side =
            |size: usize, kernel: usize| Some((size + 2 * self.pad).checked_sub(kernel)? / self.stride + 1);
        Some(Map {
            channels: self.channels,
            height: side(x.height, self.kernel[0])?,
            width: side(x.width, self.kernel[1])?,
            pad: 0,
            lanes: LANES,
        })
    }

    /// Computes a row of a block, without its border.
    ///
    /// # Panics
    /// When the map does not fit, or the row is none of the map that comes out.
    pub(crate) fn row(&self, block: usize, y: usize, (x_map, x): (&Map, &[f32]), out: &mut [f32]) {
        match self.isa.0 {
            Level::Plain => self.plainly(block, y, (x_map, x), out),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => self.plainly(block, y, (x_map, x), out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2 and FMA, else there was no such `Isa`.
            Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe {
                self.avx2(block, y, (x_map, x), out);
            },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, block: usize, y: usize, (x_map, x): (&Map, &[f32]), out: &mut [f32]) {
        use std::arch::x86_64::{
            _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_set1_ps, _mm256_storeu_ps,
        };
        let [rows, columns] = self.kernel;
        let taps = rows * columns;
        let weights = &self.weights[block * taps * LANES..][..taps * LANES];
        let bias = &self.bias[block * LANES..][..LANES];
        let [least, most] = self.clamp.map(|v| _mm256_set1_ps(v));
        let start = x_map.pad - self.pad;
        let width = out.len() / LANES;
        let mut column = 0;
        while column < width {
            // The last whole group may compute columns again, so that no group is short unless the map is.
            let count = width.min(COLUMNS);
            let first = column.min(width - count);
            let from = x_map.at(0, start + y * self.stride, start + first * self.stride);
            let length = (rows - 1) * x_map.row() + ((count - 1) * self.stride + columns) * LANES;
            let lines = &x[from..from + length];
            let to = &mut out[first * LANES..][..count * LANES];
            if count == COLUMNS {
                // SAFETY: `bias` holds a block.
                let mut sums = [unsafe { _mm256_loadu_ps(bias.as_ptr()) }; COLUMNS];
                for ky in 0..rows {
                    for kx in 0..columns {
                        // SAFETY: `weights` holds a block for each tap.
                        let w = unsafe { _mm256_loadu_ps(weights.as_ptr().add((ky * columns + kx) * LANES)) };
                        for (i, sum) in sums.iter_mut().enumerate() {
                            let offset = ky * x_map.row() + (i * self.stride + kx) * LANES;
                            // SAFETY: within `lines`: the last row, column and tap end at its end.
                            let x = unsafe { _mm256_loadu_ps(lines.as_ptr().add(offset)) };
                            *sum = _mm256_fmadd_ps(x, w, *sum);
                        }
                    }
                }
                for (to, sum) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
                    // What is no number stays so: the second operand is taken then.
                    let sum = _mm256_min_ps(most, _mm256_max_ps(least, sum));
                    // SAFETY: `to` is a block.
                    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), sum) };
                }
            } else {
                for (i, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                    let mut sum = [0f32; LANES];
                    sum.copy_from_slice(bias);
                    for (tap, w) in weights.as_chunks::<LANES>().0.iter().enumerate() {
                        let offset = tap / columns * x_map.row() + (i * self.stride + tap % columns) * LANES;
                        let x = lines[offset..].as_chunks::<LANES>().0[0];
                        for ((sum, x), w) in sum.iter_mut().zip(x).zip(w) {
                            *sum = x.mul_add(*w, *sum);
                        }
                    }
                    *to = sum.map(|v| clamped(v, self.clamp));
                }
            }
            column = first + count;
        }
    }

    fn plainly(&self, block: usize, y: usize, (x_map, x): (&Map, &[f32]), out: &mut [f32]) {
        let [rows, columns] = self.kernel;
        let taps = rows * columns;
        let weights = self.weights[block * taps * LANES..][..taps * LANES].as_chunks::<LANES>().0;
        let bias = self.bias[block * LANES..].as_chunks::<LANES>().0[0];
        let start = x_map.pad - self.pad;
        for (index, to) in out.chunks_mut(COLUMNS * LANES).enumerate() {
            let (column, count) = (index * COLUMNS, to.len() / LANES);
            let mut sums = [bias; COLUMNS];
            for ky in 0..rows {
                let from = x_map.at(0, start + y * self.stride + ky, start + column * self.stride);
                let length = ((count - 1) * self.stride + columns) * LANES;
                let line = x[from..from + length].as_chunks::<LANES>().0;
                for (kx, w) in weights[ky * columns..][..columns].iter().enumerate() {
                    for (i, sum) in sums.iter_mut().enumerate().take(count) {
                        multiply(sum, &line[i * self.stride + kx], w);
                    }
                }
            }
            for (to, sum) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(&sums) {
                *to = sum.map(|v| clamped(v, self.clamp));
            }
        }
    }
}

#[inline(always)]
fn multiply(sum: &mut [f32; LANES], x: &[f32; LANES], w: &[f32; LANES]) {
    for ((sum, x), w) in sum.iter_mut().zip(x).zip(w) {
        *sum += x * w;
    }
}

/// Not below the first bound nor above the second; what is no number stays so.
#[inline(always)]
pub(super) fn clamped(v: f32, [least, most]: [f32; 2]) -> f32 {
    let v = if v < least { least } else { v };
    if v > most { most } else { v }
}
