//! 3×3 convolutions of stride 1 with 2.25 times fewer multiplications (Winograd 1980; Lavin and Gray 2016, F(2×2, 3×3)).
//!
//! Two by two outputs need four by four inputs. Both inputs and weights are transformed so that each of the sixteen
//! places of a tile is multiplied by itself: sixteen convolutions of 1×1, whose pixels are the tiles, and which the
//! ordinary tiles compute. What comes out is transformed back. The transformations of inputs and results only add,
//! which costs about two bits of exactness; larger tiles would save more and cost more of both exactness and memory.
//!
//! A map is computed strip by strip, so that what is transformed stays in the cache. Each strip is one thread's.

use super::conv::{Job, Soon};
use super::pointwise::vectorised;
use super::simd::{Plain, Vector};
use super::team::Pointer;
use super::{Aligned, Conv, ConvShape, Crew, Isa, LANES, Level, Map};

/// Places in a tile.
const PLACES: usize = 16;
/// Tiles in a strip, about: enough that weights are read for many pixels.
const STRIP: usize = 56;
/// Fewer channels gain nothing, more want too much memory for their weights.
const CHANNELS: std::ops::RangeInclusive<usize> = 16..=160;

/// A 3×3 convolution by Winograd's method.
#[derive(Clone, Debug)]
pub(crate) struct Winograd {
    shape: ConvShape,
    isa: Isa,
    /// For each place of a tile, the convolution of its transformed values.
    places: Vec<Conv>,
    bias: Aligned,
}

/// What the transformations are told; distances in elements.
struct Strip<'a> {
    x_map: &'a Map,
    out_map: &'a Map,
    /// Tiles in a row, and the rows of tiles of this strip.
    across: usize,
    rows: std::ops::Range<usize>,
}

impl Winograd {
    /// Transforms weights; none for a convolution that has nothing to gain.
    pub(crate) fn new(shape: ConvShape, weights: &[f32], bias: &[f32], isa: Isa) -> Option<Winograd> {
        if !Winograd::suits(&shape) {
            return None;
        }
        let open = [f32::NEG_INFINITY, f32::INFINITY];
        let small = ConvShape { kernel: [1, 1], pad: 0, clamp: open, ..shape };
        let zeros = vec![0.0; shape.outputs];
        let mut places: Vec<Conv> = (0..PLACES).map(|_| Conv::open(small, &zeros, isa)).collect();
        vectorised!(isa, || transform(&shape, weights, &mut places));
        let mut padded = Aligned::zeros(shape.outputs.next_multiple_of(LANES));
        padded[..bias.len()].copy_from_slice(bias);
        Some(Winograd { shape, isa, places, bias: padded })
    }

    /// Whether a convolution has something to gain, if its map is made of whole tiles ([`Winograd::fits`]).
    pub(crate) fn suits(shape: &ConvShape) -> bool {
        shape.kernel == [3, 3]
            && shape.stride == 1
            && shape.pad == 1
            && shape.lanes == LANES
            && CHANNELS.contains(&shape.inputs)
            && CHANNELS.contains(&shape.outputs)
    }

    /// Whether a map that comes out is made of whole tiles.
    pub(crate) fn fits(height: usize, width: usize) -> bool {
        height > 0 && width > 0 && height.is_multiple_of(2) && width.is_multiple_of(2)
    }

    /// Elements of its transformed weights.
    pub(crate) fn weights(&self) -> usize {
        self.places.iter().map(Conv::weights).sum()
    }

    /// The convolution's properties.
    pub(crate) fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Elements of memory that each thread of a run needs beside the maps; none if the map is not made of whole tiles.
    pub(crate) fn scratch(&self, out: &Map) -> Option<usize> {
        let tiles = (out.height / 2).div_ceil(strips(out)) * (out.width / 2);
        let blocks = self.shape.inputs.div_ceil(LANES) + self.shape.outputs.div_ceil(LANES);
        Winograd::fits(out.height, out.width).then_some(PLACES * blocks * tiles * LANES)
    }

    /// Computes the convolution of `pictures` pictures; the border of `out` becomes zero. `scratch` has room for all
    /// threads.
    ///
    /// # Panics
    /// When a map does not fit the shape, a slice the map, or the map the tiles (see [`Winograd::scratch`]); when `scratch`
    /// is too small.
    pub(crate) fn run(
        &self,
        (x_map, x): (&Map, &[f32]),
        add: Option<(&Map, &[f32])>,
        (out_map, out): (&Map, &mut [f32]),
        pictures: usize,
        scratch: &mut [f32],
        crew: &mut Crew,
    ) {
        let same = |map: &Map, channels: usize| {
            (map.channels, map.height, map.width, map.lanes) == (channels, x_map.height, x_map.width, LANES)
        };
        assert!(same(x_map, self.shape.inputs) && x_map.pad >= 1 && x.len() >= pictures * x_map.picture());
        assert!(same(out_map, self.shape.outputs) && out.len() >= pictures * out_map.picture());
        if let Some((map, data)) = add {
            assert!(same(map, self.shape.outputs) && data.len() >= pictures * map.picture());
        }
        let needed = self.scratch(out_map).expect("a map of whole tiles");
        let (in_blocks, out_blocks) = (x_map.blocks(), out_map.blocks());
        let (across, rows) = (out_map.width / 2, out_map.height / 2);
        // A strip for each thread at least. How a map is cut changes no value.
        let strips = strips(out_map).max(crew.threads().min(rows));
        assert!(scratch.len() >= needed * crew.threads(), "room for each thread");
        let (scratch, out) = (Pointer(scratch.as_mut_ptr()), Pointer(out.as_mut_ptr()));
        let groups = self.places[0].groups.len();
        let work = pictures * self.shape.inputs * self.shape.outputs * 4 * out_map.height * out_map.width;
        crew.lines(1, pictures * strips, work, &|_, line, thread| {
            let (picture, part) = (line / strips, line % strips);
            let rows = rows * part / strips..rows * (part + 1) / strips;
            let strip = Strip { x_map, out_map, across, rows };
            let tiles = strip.rows.len() * across;
            // SAFETY: `scratch` is borrowed exclusively and has room for this thread (asserted), which does one part at a
            // time.
            let scratch =
                unsafe { std::slice::from_raw_parts_mut(scratch.get().add(thread * needed), needed) };
            let (inputs, results) = scratch.split_at_mut(PLACES * in_blocks * tiles * LANES);
            let results = &mut results[..PLACES * out_blocks * tiles * LANES];
            let x = &x[picture * x_map.picture()..][..x_map.picture()];
            let add = add.map(|(map, data)| (map, &data[picture * map.picture()..][..map.picture()]));
            for block in 0..in_blocks {
                // SAFETY: `inputs` holds sixteen places of `in_blocks` blocks of `tiles` tiles; `x` is a picture with a
                // border of at least one pixel.
                unsafe { self.inputs(&strip, block, x.as_ptr(), inputs.as_mut_ptr()) };
            }
            let tile_map = |channels: usize| Map { channels, height: 1, width: tiles, pad: 0, lanes: LANES };
            let (from, to) = (tile_map(self.shape.inputs), tile_map(self.shape.outputs));
            for (place, conv) in self.places.iter().enumerate() {
                let x = &inputs[place * from.picture()..][..from.picture()];
                let out = Pointer(results[place * to.picture()..][..to.picture()].as_mut_ptr());
                let soon = Soon::NOTHING;
                let job = Job { conv, x_map: &from, x, add: None, out_map: &to, out, scales: &[], soon };
                for group in 0..groups {
                    // SAFETY: the maps fit the convolution of this place; `out` holds a picture of `to`.
                    unsafe { job.rows(group, 0, 0) };
                }
            }
            for block in 0..out_blocks {
                // SAFETY: `results` is filled; `out` is borrowed exclusively, and this part writes its strip's rows of its
                // picture.
                unsafe {
                    let out = out.get().add(picture * out_map.picture());
                    let rows = 2 * strip.rows.start..2 * strip.rows.end;
                    out_map.clear_beside(out, block, rows);
                    self.results(&strip, block, results.as_ptr(), add, out);
                }
            }
        });
    }

    /// # Safety
    /// As [`inputs`].
    unsafe fn inputs(&self, strip: &Strip<'_>, block: usize, x: *const f32, to: *mut f32) {
        match self.isa.0 {
            // SAFETY: passed on.
            Level::Plain => unsafe { inputs::<Plain>(strip, block, x, to) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: passed on; NEON is part of every processor of this kind.
            Level::Neon => unsafe { inputs::<super::simd::Neon>(strip, block, x, to) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: passed on; the processor has AVX2, else there was no such `Isa`.
            Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe { inputs_avx2(strip, block, x, to) },
        }
    }

    /// # Safety
    /// As [`results`].
    unsafe fn results(
        &self,
        strip: &Strip<'_>,
        block: usize,
        from: *const f32,
        add: Option<(&Map, &[f32])>,
        out: *mut f32,
    ) {
        let bias = &self.bias[block * LANES..][..LANES];
        let clamp = self.shape.clamp;
        match self.isa.0 {
            // SAFETY: passed on.
            Level::Plain => unsafe { results::<Plain>(strip, block, from, bias, clamp, add, out) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: passed on; NEON is part of every processor of this kind.
            Level::Neon => unsafe {
                results::<super::simd::Neon>(strip, block, from, bias, clamp, add, out);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: passed on; the processor has AVX2, else there was no such `Isa`.
            Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe {
                results_avx2(strip, block, from, bias, clamp, add, out);
            },
        }
    }
}

/// In how many strips a map is computed.
fn strips(out: &Map) -> usize {
    let (across, rows) = ((out.width / 2).max(1), (out.height / 2).max(1));
    rows.div_ceil((STRIP / across).max(1))
}

/// `G g Gᵀ` of each filter, a block of outputs at a time, into the packed weights of each place.
#[inline(always)]
fn transform(shape: &ConvShape, weights: &[f32], places: &mut [Conv]) {
    type Block = [f64; LANES];
    let each =
        |a: &Block, b: &Block, f: fn(f64, f64) -> f64| -> Block { std::array::from_fn(|i| f(a[i], b[i])) };
    let line = |[a, b, c]: [Block; 3]| -> [Block; 4] {
        let sum = each(&a, &c, |a, c| a + c);
        [a, each(&sum, &b, |s, b| (s + b) / 2.0), each(&sum, &b, |s, b| (s - b) / 2.0), c]
    };
    let (filters, _) = weights.as_chunks::<9>();
    for [first, count, offset] in places[0].groups.clone() {
        for input in 0..shape.inputs {
            for block in 0..count {
                let mut g = [[0.0; LANES]; 9];
                let outputs = (first + block) * LANES..shape.outputs.min((first + block + 1) * LANES);
                for (lane, output) in outputs.enumerate() {
                    let filter = &filters[output * shape.inputs + input];
                    (0..9).for_each(|tap| g[tap][lane] = f64::from(filter[tap]));
                }
                let columns = [0, 1, 2].map(|x| line([g[x], g[3 + x], g[6 + x]]));
                let at = offset + (input * count + block) * LANES;
                for y in 0..4 {
                    let row = line([columns[0][y], columns[1][y], columns[2][y]]);
                    for (x, values) in row.iter().enumerate() {
                        let to = &mut places[4 * y + x].weights[at..at + LANES];
                        to.iter_mut().zip(values).for_each(|(to, v)| *to = *v as f32);
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn inputs_avx2(strip: &Strip<'_>, block: usize, x: *const f32, to: *mut f32) {
    // SAFETY: passed on; the processor has AVX2.
    unsafe { inputs::<super::simd::Avx>(strip, block, x, to) };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn results_avx2(
    strip: &Strip<'_>,
    block: usize,
    from: *const f32,
    bias: &[f32],
    clamp: [f32; 2],
    add: Option<(&Map, &[f32])>,
    out: *mut f32,
) {
    // SAFETY: passed on; the processor has AVX2.
    unsafe { results::<super::simd::Avx>(strip, block, from, bias, clamp, add, out) };
}

/// `Bᵀ d B` of each tile of a block: writes `[place][block][tile][lane]`.
///
/// # Safety
/// `x` is a picture of `x_map` with a border of at least one pixel; `to` has room for sixteen places of all blocks of the
/// strip's tiles; the processor has the vector's instructions.
#[inline(always)]
unsafe fn inputs<V: Vector>(strip: &Strip<'_>, block: usize, x: *const f32, to: *mut f32) {
    let map = strip.x_map;
    let tiles = strip.rows.len() * strip.across;
    let place = map.blocks() * tiles * LANES;
    let row = map.row();
    for (index, tile_row) in strip.rows.clone().enumerate() {
        // SAFETY: the row above the tile's first is at least the border's last.
        let line = unsafe { x.add(map.at(block, map.pad - 1 + 2 * tile_row, map.pad - 1)) };
        // SAFETY: four rows of a column that the map has, its border counted: a map of whole tiles.
        let column = |at: usize| unsafe {
            let [a, b, c, d] = [0, 1, 2, 3].map(|y| V::load(line.add(y * row + at * LANES)));
            [a.sub(c), b.add(c), c.sub(b), b.sub(d)]
        };
        let [mut first, mut second] = [column(0), column(1)];
        for across in 0..strip.across {
            let [third, fourth] = [column(2 * across + 2), column(2 * across + 3)];
            // SAFETY: the tile's place in each of the sixteen.
            unsafe {
                let to = to.add((block * tiles + index * strip.across + across) * LANES);
                for i in 0..4 {
                    let to = to.add(4 * i * place);
                    first[i].sub(third[i]).store(to);
                    second[i].add(third[i]).store(to.add(place));
                    third[i].sub(second[i]).store(to.add(2 * place));
                    second[i].sub(fourth[i]).store(to.add(3 * place));
                }
            }
            [first, second] = [third, fourth];
        }
    }
}

/// `Aᵀ m A` of each tile of a block, with bias, what is added, and clamp: writes two by two pixels a tile.
///
/// # Safety
/// `from` holds sixteen places of all blocks of the strip's tiles; `out` is a picture of `out_map`; nobody else reads or
/// writes the strip's rows of this block; the processor has the vector's instructions.
#[inline(always)]
unsafe fn results<V: Vector>(
    strip: &Strip<'_>,
    block: usize,
    from: *const f32,
    bias: &[f32],
    clamp: [f32; 2],
    add: Option<(&Map, &[f32])>,
    out: *mut f32,
) {
    let map = strip.out_map;
    let tiles = strip.rows.len() * strip.across;
    let place = map.blocks() * tiles * LANES;
    // SAFETY: a block of biases; the processor has the vector's instructions.
    let (bias, [least, most]) = unsafe { (V::load(bias[..LANES].as_ptr()), clamp.map(|v| V::splat(v))) };
    for (index, tile_row) in strip.rows.clone().enumerate() {
        for across in 0..strip.across {
            // SAFETY: the tile's values at sixteen places; the two by two pixels that it has in `out` and in what is
            // added.
            unsafe {
                let from = from.add((block * tiles + index * strip.across + across) * LANES);
                let column = |x: usize| {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|y| V::load(from.add((4 * y + x) * place)));
                    [a.add(b).add(c), b.sub(c).sub(d)]
                };
                let [a, b, c, d] = [column(0), column(1), column(2), column(3)];
                for y in 0..2 {
                    let pixels = [a[y].add(b[y]).add(c[y]), b[y].sub(c[y]).sub(d[y])];
                    for (x, pixel) in pixels.into_iter().enumerate() {
                        let at = |map: &Map| map.inner(block) + map.at(0, 2 * tile_row + y, 2 * across + x);
                        let mut sum = pixel.add(bias);
                        if let Some((map, data)) = add {
                            sum = sum.add(V::load(data.as_ptr().add(at(map))));
                        }
                        sum.clamp(least, most).store(out.add(at(map)));
                    }
                }
            }
        }
    }
}
