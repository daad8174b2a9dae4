//! Convolution over plain slices: forward, and the gradients of input and weight.
//!
//! Burn's own convolution copies the input into another layout on one thread and computes gradients by
//! convolutions of unfavourable shapes. Here every part of the batch is unrolled tile by tile (im2col: one row
//! of the matrix for each weight of a filter, one column for each output pixel), so that all three directions
//! are matrix products of the same large shapes, and parts of the batch go to different threads:
//!
//! - output `[o, pixels] = weight [o, i·k·k] × unrolled [i·k·k, pixels]`
//! - gradient of the weight `+= gradient of the output × unrolledᵀ`
//! - gradient of the input `+= roll up (weightᵀ × gradient of the output)`
//!
//! Depthwise convolutions have too little arithmetic for that; they add shifted rows directly. Dense 3×3 convolutions of
//! stride 1 have a way of their own ([`super::winograd`]).

use std::ops::Range;

use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};

use super::geometry::{Geometry, product, slice, tensor};
use super::norm::dot;
use super::winograd;
use super::workers::Workers;

/// Columns of an unrolled tile: enough for the matrix product, few enough for the cache.
const TILE: usize = 512;
/// Parts into which a batch is cut; fixed, so that results do not depend on the number of threads.
const PARTS: usize = 8;

/// Rows `rows` of the output map of picture `picture`.
#[derive(Clone, Debug)]
struct Span {
    picture: usize,
    rows: Range<usize>,
}

impl Geometry {
    fn depthwise(&self) -> bool {
        self.groups == self.input[0] && self.groups == self.output[0]
    }

    fn pictures_each(&self) -> usize {
        self.batch.div_ceil(PARTS).max(1)
    }

    /// Rows of the unrolled matrix of one group.
    fn depth(&self) -> usize {
        self.input[0] / self.groups * self.kernel * self.kernel
    }

    /// Tiles of about [`TILE`] output pixels: several small pictures, or some rows of a large one.
    fn tiles(&self, pictures: usize) -> Vec<Vec<Span>> {
        let [_, h, w] = self.output;
        let rows = (TILE / w).max(1);
        if rows >= h {
            let each = (rows / h).max(1);
            let whole = |picture| Span { picture, rows: 0..h };
            return (0..pictures)
                .step_by(each)
                .map(|p| (p..(p + each).min(pictures)).map(whole).collect())
                .collect();
        }
        let part = |picture, first| vec![Span { picture, rows: first..(first + rows).min(h) }];
        (0..pictures).flat_map(|p| (0..h).step_by(rows).map(move |first| part(p, first))).collect()
    }

    /// Output pixels of a tile.
    fn columns(&self, tile: &[Span]) -> usize {
        tile.iter().map(|s| s.rows.len() * self.output[2]).sum()
    }

    /// Output columns whose input column `o·stride + tap − padding` lies within the map.
    fn inside(&self, tap: usize, length: usize, outputs: usize) -> Range<usize> {
        let first = self.padding.saturating_sub(tap).div_ceil(self.stride);
        let end = (length + self.padding).saturating_sub(tap).div_ceil(self.stride).min(outputs);
        first.min(end)..end
    }

    /// Calls `each(row of the matrix, column of the matrix, start in the input, pixels)` for every run of output
    /// pixels of one row that a tap sees; what is not called lies in the padding.
    fn runs(&self, tile: &[Span], group: usize, mut each: impl FnMut(usize, usize, usize, usize)) {
        let [_, h, w] = self.input;
        let channels = self.input[0] / self.groups;
        let width = self.output[2];
        for c in 0..channels {
            let plane = (group * channels + c) * h * w;
            for ky in 0..self.kernel {
                let rows = self.inside(ky, h, self.output[1]);
                for kx in 0..self.kernel {
                    let row = (c * self.kernel + ky) * self.kernel + kx;
                    let span = self.inside(kx, w, width);
                    if span.is_empty() {
                        continue;
                    }
                    let left = span.start * self.stride + kx - self.padding;
                    let mut column = 0;
                    for part in tile {
                        let start = part.picture * self.in_size() + plane;
                        for y in part.rows.clone() {
                            if rows.contains(&y) {
                                let top = y * self.stride + ky - self.padding;
                                each(row, column + span.start, start + top * w + left, span.len());
                            }
                            column += width;
                        }
                    }
                }
            }
        }
    }

    fn unroll(&self, x: &[f32], tile: &[Span], group: usize) -> Vec<f32> {
        let columns = self.columns(tile);
        let mut matrix = vec![0f32; self.depth() * columns];
        self.runs(tile, group, |row, column, start, count| {
            let into = &mut matrix[row * columns + column..][..count];
            if self.stride == 1 {
                into.copy_from_slice(&x[start..start + count]);
            } else {
                into.iter_mut().zip(x[start..].iter().step_by(self.stride)).for_each(|(m, v)| *m = *v);
            }
        });
        matrix
    }

    fn roll_up(&self, matrix: &[f32], tile: &[Span], group: usize, dx: &mut [f32]) {
        let columns = self.columns(tile);
        self.runs(tile, group, |row, column, start, count| {
            let from = &matrix[row * columns + column..][..count];
            if self.stride == 1 {
                dx[start..start + count].iter_mut().zip(from).for_each(|(d, v)| *d += v);
            } else {
                dx[start..].iter_mut().step_by(self.stride).zip(from).for_each(|(d, v)| *d += v);
            }
        });
    }

    /// Calls `each(column of the matrix, start in the output map, pixels)` for one output channel of a tile.
    fn pixels(&self, tile: &[Span], channel: usize, mut each: impl FnMut(usize, usize, usize)) {
        let [_, h, w] = self.output;
        let mut column = 0;
        for part in tile {
            let count = part.rows.len() * w;
            each(column, part.picture * self.out_size() + channel * h * w + part.rows.start * w, count);
            column += count;
        }
    }
}

/// Pictures cut into parts, each with the piece of a buffer that belongs to it.
fn parts(data: &mut [f32], each: usize) -> Vec<&mut [f32]> {
    data.chunks_mut(each.max(1)).collect()
}

/// The output map, `[n, o, h, w]`.
pub(crate) fn forward(workers: &Workers, g: &Geometry, x: &FlexTensor, weight: &FlexTensor) -> Vec<f32> {
    let (x, filters) = (slice(x), slice(weight));
    let mut out = vec![0f32; g.batch * g.out_size()];
    let each = g.pictures_each();
    let transformed = winograd::suits(g).then(|| winograd::transformed(g, filters));
    workers.map(parts(&mut out, each * g.out_size()), |part, out| {
        let pictures = out.len() / g.out_size();
        let x = &x[part * each * g.in_size()..][..pictures * g.in_size()];
        if g.depthwise() {
            return depthwise_forward(g, x, filters, out);
        }
        if let Some(transformed) = &transformed {
            return winograd::forward(g, x, transformed, out);
        }
        let outs = g.output[0] / g.groups;
        for tile in g.tiles(pictures) {
            let columns = g.columns(&tile);
            for group in 0..g.groups {
                let w = tensor(
                    filters[group * outs * g.depth()..][..outs * g.depth()].to_vec(),
                    &[outs, g.depth()],
                );
                let y = product(w, tensor(g.unroll(x, &tile, group), &[g.depth(), columns]));
                for (o, row) in slice(&y).chunks_exact(columns).enumerate() {
                    g.pixels(&tile, group * outs + o, |column, start, count| {
                        out[start..start + count].copy_from_slice(&row[column..column + count]);
                    });
                }
            }
        }
    });
    out
}

/// Gradients of weight and, if `wanted`, of the input.
pub(crate) fn backward(
    workers: &Workers,
    g: &Geometry,
    x: &FlexTensor,
    weight: &FlexTensor,
    gradient: &FlexTensor,
    wanted: bool,
) -> (Option<Vec<f32>>, Vec<f32>) {
    let (x, filters, dy) = (slice(x), slice(weight), slice(gradient));
    let mut dx = vec![0f32; if wanted { g.batch * g.in_size() } else { 0 }];
    let each = g.pictures_each();
    let counts: Vec<usize> = (0..g.batch).step_by(each).map(|first| each.min(g.batch - first)).collect();
    let mut pieces: Vec<Option<&mut [f32]>> =
        parts(&mut dx, each * g.in_size()).into_iter().map(Some).collect();
    pieces.resize_with(counts.len(), || None);
    let work = counts.into_iter().zip(pieces).collect();
    let transformed = winograd::suits(g).then(|| winograd::transformed(g, filters));
    let sums = workers.map(work, |part, (pictures, mut dx): (usize, Option<&mut [f32]>)| {
        let x = &x[part * each * g.in_size()..][..pictures * g.in_size()];
        let dy = &dy[part * each * g.out_size()..][..pictures * g.out_size()];
        if let Some(transformed) = &transformed {
            return winograd::backward(g, x, transformed, dy, dx);
        }
        let mut dw = vec![0f32; filters.len()];
        if g.depthwise() {
            depthwise_backward(g, x, filters, dy, dx, &mut dw);
            return dw;
        }
        let outs = g.output[0] / g.groups;
        for tile in g.tiles(pictures) {
            let columns = g.columns(&tile);
            for group in 0..g.groups {
                let mut gathered = vec![0f32; outs * columns];
                for (o, row) in gathered.chunks_exact_mut(columns).enumerate() {
                    g.pixels(&tile, group * outs + o, |column, start, count| {
                        row[column..column + count].copy_from_slice(&dy[start..start + count]);
                    });
                }
                let gathered = tensor(gathered, &[outs, columns]);
                let unrolled = tensor(g.unroll(x, &tile, group), &[g.depth(), columns]);
                let here = group * outs * g.depth()..(group + 1) * outs * g.depth();
                let sum = product(gathered.clone(), Flex::float_swap_dims(unrolled, 0, 1));
                dw[here.clone()].iter_mut().zip(slice(&sum)).for_each(|(d, v)| *d += v);
                if let Some(dx) = dx.as_deref_mut() {
                    let w = tensor(filters[here].to_vec(), &[outs, g.depth()]);
                    let rolled = product(Flex::float_swap_dims(w, 0, 1), gathered);
                    g.roll_up(slice(&rolled), &tile, group, dx);
                }
            }
        }
        dw
    });
    let mut sums = sums.into_iter();
    let Some(mut dw) = sums.next() else { return (wanted.then_some(dx), vec![0.0; filters.len()]) };
    for sum in sums {
        dw.iter_mut().zip(sum).for_each(|(d, v)| *d += v);
    }
    if transformed.is_some() {
        dw = winograd::gradient_of_filters(g, &dw);
    }
    (wanted.then_some(dx), dw)
}

/// Calls `each(tap, start in the output plane, start in the input plane, pixels)` for every run of one plane.
fn shifts(g: &Geometry, mut each: impl FnMut(usize, usize, usize, usize)) {
    let ([_, h, w], [_, rows, columns]) = (g.input, g.output);
    for ky in 0..g.kernel {
        for kx in 0..g.kernel {
            let span = g.inside(kx, w, columns);
            if span.is_empty() {
                continue;
            }
            let left = span.start * g.stride + kx - g.padding;
            for y in g.inside(ky, h, rows) {
                let top = y * g.stride + ky - g.padding;
                each(ky * g.kernel + kx, y * columns + span.start, top * w + left, span.len());
            }
        }
    }
}

fn depthwise_forward(g: &Geometry, x: &[f32], filters: &[f32], out: &mut [f32]) {
    let (taps, plane_in, plane_out) =
        (g.kernel * g.kernel, g.input[1] * g.input[2], g.output[1] * g.output[2]);
    for (i, (x, out)) in x.chunks_exact(plane_in).zip(out.chunks_exact_mut(plane_out)).enumerate() {
        let filter = &filters[i % g.groups * taps..][..taps];
        shifts(g, |tap, to, from, count| {
            let weight = filter[tap];
            let out = &mut out[to..to + count];
            if g.stride == 1 {
                out.iter_mut().zip(&x[from..from + count]).for_each(|(o, v)| *o += weight * v);
            } else {
                out.iter_mut().zip(x[from..].iter().step_by(g.stride)).for_each(|(o, v)| *o += weight * v);
            }
        });
    }
}

fn depthwise_backward(
    g: &Geometry,
    x: &[f32],
    filters: &[f32],
    dy: &[f32],
    mut dx: Option<&mut [f32]>,
    dw: &mut [f32],
) {
    let (taps, plane_in, plane_out) =
        (g.kernel * g.kernel, g.input[1] * g.input[2], g.output[1] * g.output[2]);
    for (i, (x, dy)) in x.chunks_exact(plane_in).zip(dy.chunks_exact(plane_out)).enumerate() {
        let channel = i % g.groups * taps;
        let filter = &filters[channel..channel + taps];
        let sums = &mut dw[channel..channel + taps];
        shifts(g, |tap, to, from, count| {
            let dy = &dy[to..to + count];
            sums[tap] += if g.stride == 1 {
                dot(dy, &x[from..from + count])
            } else {
                dy.iter().zip(x[from..].iter().step_by(g.stride)).map(|(d, v)| d * v).sum::<f32>()
            };
        });
        if let Some(dx) = dx.as_deref_mut() {
            let dx = &mut dx[i * plane_in..][..plane_in];
            shifts(g, |tap, to, from, count| {
                let weight = filter[tap];
                let dy = &dy[to..to + count];
                if g.stride == 1 {
                    dx[from..from + count].iter_mut().zip(dy).for_each(|(d, v)| *d += weight * v);
                } else {
                    dx[from..].iter_mut().step_by(g.stride).zip(dy).for_each(|(d, v)| *d += weight * v);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    /// Calls `each(output, input, weight)` with the positions of every product of a convolution.
    fn products(g: &Geometry, mut each: impl FnMut(usize, usize, usize)) {
        let ([channels, h, w], [outs, rows, columns]) = (g.input, g.output);
        let (ins, outs_each) = (channels / g.groups, outs / g.groups);
        for n in 0..g.batch {
            for (o, y, x) in
                (0..outs * rows * columns).map(|i| (i / columns / rows, i / columns % rows, i % columns))
            {
                for (i, ky, kx) in (0..ins * g.kernel * g.kernel)
                    .map(|t| (t / g.kernel / g.kernel, t / g.kernel % g.kernel, t % g.kernel))
                {
                    let (top, left) = (y * g.stride + ky, x * g.stride + kx);
                    let inside = |at: usize, length: usize| (g.padding..g.padding + length).contains(&at);
                    if inside(top, h) && inside(left, w) {
                        let channel = o / outs_each * ins + i;
                        each(
                            ((n * outs + o) * rows + y) * columns + x,
                            ((n * channels + channel) * h + top - g.padding) * w + left - g.padding,
                            ((o * ins + i) * g.kernel + ky) * g.kernel + kx,
                        );
                    }
                }
            }
        }
    }

    fn close(got: &[f32], expected: &[f64]) -> bool {
        got.len() == expected.len()
            && got.iter().zip(expected).all(|(g, e)| (f64::from(*g) - e).abs() <= 1e-4 * (1.0 + e.abs()))
    }

    /// Holds all directions of a convolution of `[n, i, h, w]` by `[o, i/groups, k, k]` to the plain sums.
    fn hold(
        x: [usize; 4],
        weight: [usize; 4],
        (stride, padding, groups): (usize, usize, usize),
        threads: usize,
        seed: u64,
    ) -> Result<(), TestCaseError> {
        let mut random = Random::new(seed);
        let mut draw = |shape: &[usize]| {
            tensor((0..shape.iter().product()).map(|_| random.between(-1.0, 1.0)).collect(), shape)
        };
        let (x, weight) = (draw(&x), draw(&weight));
        let shape = |t: &FlexTensor| t.layout().shape().to_vec();
        let g = Geometry::new(&shape(&x), &shape(&weight), stride, padding, groups);
        let dy = draw(&[g.batch, g.output[0], g.output[1], g.output[2]]);
        let workers = Workers::new(threads).expect("threads");
        let mut y = vec![0f64; slice(&dy).len()];
        let mut dx = vec![0f64; slice(&x).len()];
        let mut dw = vec![0f64; slice(&weight).len()];
        let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
        products(&g, |o, i, k| {
            y[o] += product(slice(&x)[i], slice(&weight)[k]);
            dx[i] += product(slice(&dy)[o], slice(&weight)[k]);
            dw[k] += product(slice(&dy)[o], slice(&x)[i]);
        });
        prop_assert!(close(&forward(&workers, &g, &x, &weight), &y));
        let (got_x, got_w) = backward(&workers, &g, &x, &weight, &dy, true);
        prop_assert!(close(&got_x.unwrap_or_default(), &dx));
        prop_assert!(close(&got_w, &dw));
        let (none, again) = backward(&Workers::new(1).expect("a thread"), &g, &x, &weight, &dy, false);
        prop_assert!(none.is_none());
        prop_assert_eq!(again, got_w, "the same bits on one thread");
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn all_directions_equal_the_plain_sums(
            batch in 1usize..10,
            (channels, outs, groups) in prop_oneof![
                (1usize..5, 1usize..5).prop_map(|(i, o)| (i, o, 1)),
                (1usize..5).prop_map(|c| (c, c, c)),
                (1usize..3, 1usize..3).prop_map(|(i, o)| (2 * i, 2 * o, 2)),
            ],
            // Tall, wide and large maps: several pictures a tile, some rows of one, and single rows.
            (h, w) in prop_oneof![(1usize..9, 1usize..9), (1usize..4, 300usize..700), (30usize..40, 30usize..40)],
            kernel in prop_oneof![Just(1usize), Just(3), Just(5)],
            stride in 1usize..3,
            padded: bool,
            threads in 1usize..4,
            seed: u64,
        ) {
            let padding = if padded { kernel / 2 } else { 0 };
            prop_assume!(h + 2 * padding >= kernel && w + 2 * padding >= kernel);
            hold(
                [batch, channels, h, w],
                [outs, channels / groups, kernel, kernel],
                (stride, padding, groups),
                threads,
                seed,
            )?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// So many channels that it is computed in Winograd's way.
        #[test]
        fn all_directions_of_winograd_equal_the_plain_sums(
            (channels, outs) in (16usize..19, 16usize..19),
            // Several pictures a block, odd edges, single rows of tiles, and some rows of a picture.
            [batch, h, w] in prop_oneof![
                [1usize..10, 1usize..9, 1usize..9],
                [1usize..3, 1usize..4, 500usize..600],
                [1usize..3, 30usize..40, 30usize..40],
            ],
            threads in 1usize..4,
            seed: u64,
        ) {
            hold([batch, channels, h, w], [outs, channels, 3, 3], (1, 1, 1), threads, seed)?;
        }
    }
}
