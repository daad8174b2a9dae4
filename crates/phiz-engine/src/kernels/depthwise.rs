//! Depthwise convolutions: each channel by itself, so a block of channels is a vector.
//!
//! Those of 3×3, which nearly all are, have a kernel of their own, which also reads and writes bf16. Others compute in single
//! precision.

use super::plain::{expand, shorten};
use super::{Aligned, Isa, LANES, Level, Map, SHORT};
use crate::Precision;

/// Columns that are computed together.
const COLUMNS: usize = 6;
/// The same for 3×3: as many sums as multipliers need so as not to wait for one another.
#[cfg(target_arch = "x86_64")]
const MANY: usize = 8;
/// The same where two columns fit a vector.
#[cfg(target_arch = "x86_64")]
const MORE: usize = 16;

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

    /// Whether its kernel is 3×3.
    pub(super) fn is_three_by_three(&self) -> bool {
        self.kernel == [3, 3]
    }

    /// Its stride and padding.
    pub(super) fn steps(&self) -> (usize, usize) {
        (self.stride, self.pad)
    }

    /// Whether it can read and write maps in bf16.
    pub(crate) fn takes_short(kernel: [usize; 2], isa: Isa) -> bool {
        kernel == [3, 3] && isa.has(Precision::Bf16)
    }

    /// Computes a row of a block, without its border; `out` holds bf16 if `short`.
    ///
    /// # Panics
    /// When the map does not fit, or the row is none of the map that comes out; when anything is in bf16 and must not be
    /// ([`Depthwise::takes_short`]).
    pub(crate) fn row(
        &self,
        block: usize,
        y: usize,
        (x_map, x): (&Map, &[f32]),
        out: &mut [f32],
        short: bool,
    ) {
        if self.kernel == [3, 3] {
            let start = x_map.pad - self.pad;
            let first = x_map.at(0, start + y * self.stride, start);
            let lines = [0, 1, 2].map(|ky| first + ky * x_map.row());
            self.line(block, lines, (x, x_map.lanes == SHORT), out, short);
            return;
        }
        assert!(x_map.lanes == LANES && !short, "single precision");
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

    /// Computes a row of a block of a 3×3 convolution. `lines` tells where in `x` the three rows begin that it reads, each at
    /// the column that its first pixel reads first.
    ///
    /// # Panics
    /// When a row does not lie within `x`; as [`Depthwise::row`].
    pub(super) fn line(
        &self,
        block: usize,
        lines: [usize; 3],
        (x, x_short): (&[f32], bool),
        out: &mut [f32],
        short: bool,
    ) {
        assert!(self.kernel == [3, 3] && matches!(self.stride, 1 | 2), "a shape that this kernel knows");
        assert!(!(x_short || short) || self.isa.has(Precision::Bf16), "a processor with bf16");
        let lanes = |short: bool| if short { SHORT } else { LANES };
        let width = out.len() / lanes(short);
        if width == 0 {
            return;
        }
        let length = ((width - 1) * self.stride + 3) * lanes(x_short);
        let lines = lines.map(|begin| &x[begin..begin + length]);
        let job = Line {
            lines,
            weights: self.weights[block * 9 * LANES..].as_chunks().0.first_chunk().expect("nine taps"),
            bias: self.bias[block * LANES..].first_chunk().expect("a block"),
            clamp: self.clamp,
        };
        match self.isa.0 {
            Level::Plain => job.plainly(self.stride, x_short, out, short),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => job.plainly(self.stride, x_short, out, short),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has the instructions, else there was no such `Isa`, and BF16 where it is needed, as was
            // asserted.
            Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe {
                match (self.stride, x_short, short) {
                    (1, false, false) if self.isa.0 == Level::Avx2 => job.avx2::<1>(out),
                    (_, false, false) if self.isa.0 == Level::Avx2 => job.avx2::<2>(out),
                    (1, false, false) if self.isa.0 == Level::Avx512Full => job.pairs(out),
                    (1, false, false) => job.avx512::<1>(out),
                    (_, false, false) => job.avx512::<2>(out),
                    (1, false, true) => job.bf16::<1, false, true>(out),
                    (_, false, true) => job.bf16::<2, false, true>(out),
                    (1, true, false) => job.bf16::<1, true, false>(out),
                    (_, true, false) => job.bf16::<2, true, false>(out),
                    (1, true, true) => job.bf16::<1, true, true>(out),
                    (_, true, true) => job.bf16::<2, true, true>(out),
                }
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

/// A row of a block of a 3×3 convolution: what it reads.
struct Line<'a> {
    /// Rows of the input, each as long as is read of it.
    lines: [&'a [f32]; 3],
    weights: &'a [[f32; LANES]; 9],
    bias: &'a [f32; LANES],
    clamp: [f32; 2],
}

impl Line<'_> {
    fn plainly(&self, stride: usize, x_short: bool, out: &mut [f32], short: bool) {
        let lanes = |short: bool| if short { SHORT } else { LANES };
        for (column, to) in out.chunks_exact_mut(lanes(short)).enumerate() {
            let mut sum = *self.bias;
            for (tap, w) in self.weights.iter().enumerate() {
                let x = &self.lines[tap / 3][(column * stride + tap % 3) * lanes(x_short)..];
                let x = match x_short {
                    true => expand(*x.first_chunk().expect("a block")),
                    false => *x.first_chunk().expect("a block"),
                };
                multiply(&mut sum, &x, w);
            }
            let sum = sum.map(|v| clamped(v, self.clamp));
            match short {
                true => to.copy_from_slice(&shorten(sum)),
                false => to.copy_from_slice(&sum),
            }
        }
    }

    /// # Safety
    /// The processor has AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const STRIDE: usize>(&self, out: &mut [f32]) {
        // SAFETY: the processor has the instructions.
        unsafe { self.vectors::<STRIDE, false, false>(0, out) };
    }

    /// The same with twice as many registers.
    ///
    /// # Safety
    /// The processor has AVX-512 F and VL.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    unsafe fn avx512<const STRIDE: usize>(&self, out: &mut [f32]) {
        // SAFETY: the processor has the instructions.
        unsafe { self.vectors::<STRIDE, false, false>(0, out) };
    }

    /// The same of stride 1, two columns in a vector, which is faster where vectors of 512 bits are executed in one step.
    ///
    /// # Safety
    /// The processor has AVX-512 F and VL.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    unsafe fn pairs(&self, out: &mut [f32]) {
        use std::arch::x86_64::{
            __m512, _mm256_castps_pd, _mm256_loadu_ps, _mm512_broadcast_f64x4, _mm512_castpd_ps,
            _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_set1_ps, _mm512_storeu_ps,
        };
        let width = out.len() / LANES;
        let [least, most] = self.clamp.map(|v| _mm512_set1_ps(v));
        let mut column = 0;
        // The last group may compute columns again; what is left of a row and fits the narrower kernel is left to that.
        while width >= MORE && column + MANY < width {
            let first = column.min(width - MORE);
            // SAFETY: each line holds what its columns read, as whoever made it saw to, and `out` the columns.
            unsafe {
                let twice = |block: &[f32; LANES]| {
                    let block = _mm256_castps_pd(_mm256_loadu_ps(block.as_ptr()));
                    _mm512_castpd_ps(_mm512_broadcast_f64x4(block))
                };
                let mut sums: [__m512; MORE / 2] = [twice(self.bias); MORE / 2];
                for (ky, line) in self.lines.iter().enumerate() {
                    let [left, middle, right] = [0, 1, 2].map(|kx| twice(&self.weights[3 * ky + kx]));
                    // Each input once, for all columns that read it, and each column's from left to right.
                    for pair in 0..=MORE / 2 {
                        let x =
                            |at: usize| _mm512_loadu_ps(line.as_ptr().add((first + 2 * pair + at) * LANES));
                        let even = x(0);
                        if pair > 0 {
                            sums[pair - 1] = _mm512_fmadd_ps(even, right, sums[pair - 1]);
                        }
                        if pair < MORE / 2 {
                            sums[pair] = _mm512_fmadd_ps(even, left, sums[pair]);
                            sums[pair] = _mm512_fmadd_ps(x(1), middle, sums[pair]);
                        }
                    }
                }
                for (pair, sum) in sums.into_iter().enumerate() {
                    // What is no number stays so: the second operand is taken then.
                    let sum = _mm512_min_ps(most, _mm512_max_ps(least, sum));
                    _mm512_storeu_ps(out.as_mut_ptr().add((first + 2 * pair) * LANES), sum);
                }
            }
            column = first + MORE;
        }
        // SAFETY: passed on.
        unsafe { self.vectors::<1, false, false>(column, out) };
    }

    /// The same where the input (`IN`) or the output (`OUT`) is bf16.
    ///
    /// # Safety
    /// The processor has AVX-512 F, VL and BF16.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bf16")]
    unsafe fn bf16<const STRIDE: usize, const IN: bool, const OUT: bool>(&self, out: &mut [f32]) {
        // SAFETY: the processor has the instructions.
        unsafe { self.vectors::<STRIDE, IN, OUT>(0, out) };
    }

    /// Computes the columns from one on.
    ///
    /// # Safety
    /// The processor has AVX2 and FMA, and AVX-512 VL and BF16 if `OUT`.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn vectors<const STRIDE: usize, const IN: bool, const OUT: bool>(
        &self,
        mut column: usize,
        out: &mut [f32],
    ) {
        let width = out.len() / if OUT { SHORT } else { LANES };
        // Groups of eight, of two and of one. The last group may compute columns again.
        while column < width {
            let left = width - column;
            // SAFETY: passed on; the columns are within the row.
            unsafe {
                if width >= MANY {
                    self.columns::<STRIDE, IN, OUT, MANY>(column.min(width - MANY), out);
                    column += MANY;
                } else if left >= 2 {
                    self.columns::<STRIDE, IN, OUT, 2>(column, out);
                    column += 2;
                } else {
                    self.columns::<STRIDE, IN, OUT, 1>(column, out);
                    column += 1;
                }
            }
        }
    }

    /// Computes `N` columns.
    ///
    /// # Safety
    /// As [`Line::vectors`]; `first + N` columns are within `out`.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn columns<const STRIDE: usize, const IN: bool, const OUT: bool, const N: usize>(
        &self,
        first: usize,
        out: &mut [f32],
    ) {
        use std::arch::x86_64::{
            __m128i, __m256, _mm_loadu_si128, _mm_storeu_si128, _mm256_castsi256_ps, _mm256_cvtepu16_epi32,
            _mm256_cvtneps_pbh, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps,
            _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps,
        };
        let lanes = if IN { SHORT } else { LANES };
        let [least, most] = self.clamp;
        // SAFETY: the processor has AVX2 and FMA; each line holds what its columns read, as whoever made it saw to; `out`
        // holds the columns that are written.
        unsafe {
            let mut sums: [__m256; N] = [_mm256_loadu_ps(self.bias.as_ptr()); N];
            for (ky, line) in self.lines.iter().enumerate() {
                let line = line.as_ptr().add(first * STRIDE * lanes);
                let w: [__m256; 3] =
                    std::array::from_fn(|kx| _mm256_loadu_ps(self.weights[3 * ky + kx].as_ptr()));
                // Each input once, for all columns that read it.
                for at in 0..(N - 1) * STRIDE + 3 {
                    let x = line.add(at * lanes);
                    let x = if IN {
                        let pairs = _mm_loadu_si128(x.cast::<__m128i>());
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(pairs)))
                    } else {
                        _mm256_loadu_ps(x)
                    };
                    for (kx, w) in w.iter().enumerate() {
                        if at >= kx && (at - kx) % STRIDE == 0 && (at - kx) / STRIDE < N {
                            let sum = &mut sums[(at - kx) / STRIDE];
                            *sum = _mm256_fmadd_ps(x, *w, *sum);
                        }
                    }
                }
            }
            let (least, most) = (_mm256_set1_ps(least), _mm256_set1_ps(most));
            for (column, sum) in sums.into_iter().enumerate() {
                // What is no number stays so: the second operand is taken then.
                let sum = _mm256_min_ps(most, _mm256_max_ps(least, sum));
                if OUT {
                    let to = out.as_mut_ptr().add((first + column) * SHORT);
                    let short: __m128i = std::mem::transmute(_mm256_cvtneps_pbh(sum));
                    _mm_storeu_si128(to.cast::<__m128i>(), short);
                } else {
                    _mm256_storeu_ps(out.as_mut_ptr().add((first + column) * LANES), sum);
                }
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
