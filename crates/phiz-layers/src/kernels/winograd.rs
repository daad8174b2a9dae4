//! Winograd's method in vectors over channels.
//!
//! Tiles of 4×4 output pixels are numbered through all pictures and computed [`BLOCK`] at a time, so that what is
//! transformed stays in the near cache: the input `V = Bᵀ d B` as `[point][tile][channel]`, then for each panel of output
//! channels 36 matrix products `M = V U` and the output `Aᵀ M A`. The input's gradient is the same convolution with turned filters. The
//! filters' gradient is `dU = Vᵀ dM` with `dM = A dY Aᵀ`, summed over all tiles, and then `Gᵀ dU G`.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::tile::{self, IN, OUT, POINTS};
use super::vector::Vector;
use super::{Level, Shared, on_threads, shares};
use crate::Shape;

/// Tiles that are computed together.
const BLOCK: usize = 42;

with_vectors!(transform_filters => filters_in(
    filters: &[f32], size: [usize; 2], reversed: bool, chosen: Range<usize>, u: Shared<'_>,
));
with_vectors!(gradient_of_filters => filters_back(
    sums: &[Vec<f32>], size: [usize; 2], chosen: Range<usize>, dfilters: Shared<'_>,
));
with_vectors!(convolve_block => convolve_tiles(
    shape: &Shape, x: &[f32], u: &[f32], y: Shared<'_>, room: &mut Room, block: usize,
));
with_vectors!(gradient_of_block => gradient_of_tiles(
    shape: &Shape, x: &[f32], dy: &[f32], du: &mut [f32], room: &mut Room, block: usize,
));

/// Transformed filters `U = G g Gᵀ`, `[panel of outputs][point][input][output of the panel]`, of filters `[outputs, inputs, 3, 3]`;
/// `reversed`, with inputs and outputs exchanged and every filter turned by half a circle.
pub(crate) fn transformed(
    filters: &[f32],
    size: [usize; 2],
    reversed: bool,
    level: Level,
    threads: usize,
) -> Vec<f32> {
    let [outputs, inputs] = size;
    assert_eq!(filters.len(), 9 * outputs * inputs, "filters of {outputs} by {inputs} channels");
    let mut u = vec![0f32; POINTS * outputs * inputs];
    let shared = Shared::of(&mut u);
    on_threads(shares(if reversed { outputs } else { inputs }, threads), &|rows| {
        // SAFETY: both have the lengths of so many channels, which are whole panels; each thread has rows of its own.
        unsafe { transform_filters(level, filters, size, reversed, rows, shared) };
    });
    u
}

/// Output of an input by transformed filters.
pub(crate) fn convolve(shape: &Shape, x: &[f32], u: &[f32], y: &mut [f32], level: Level, threads: usize) {
    assert!(x.len() == shape.input() && y.len() == shape.output(), "maps of {shape:?}");
    assert_eq!(u.len(), POINTS * shape.inputs * shape.outputs, "filters of {shape:?}");
    let y = Shared::of(y);
    let blocks = tiles(shape).div_ceil(BLOCK);
    // Each thread has blocks of its own, one after another; who is done helps the others. Which thread computes a block changes
    // no bit.
    let own = shares(blocks, threads);
    let next: Vec<AtomicUsize> = own.iter().map(|blocks| AtomicUsize::new(blocks.start)).collect();
    on_threads((0..own.len()).collect(), &|thread: usize| {
        let mut room = Room::new(shape.width, shape.inputs, level.panel());
        for whose in (thread..own.len()).chain(0..thread) {
            loop {
                let block = next[whose].fetch_add(1, Ordering::Relaxed);
                if block >= own[whose].end {
                    break;
                }
                // SAFETY: lengths were asserted; a block is taken once and writes its own pixels only.
                unsafe { convolve_block(level, shape, x, u, y, &mut room, block) };
            }
        }
    });
}

/// Gradient `[outputs, inputs, 3, 3]` of filters.
pub(crate) fn filter_gradient(
    shape: &Shape,
    x: &[f32],
    dy: &[f32],
    dfilters: &mut [f32],
    level: Level,
    threads: usize,
) {
    assert!(x.len() == shape.input() && dy.len() == shape.output(), "maps of {shape:?}");
    assert_eq!(dfilters.len(), shape.filters(), "filters of {shape:?}");
    let blocks = tiles(shape).div_ceil(BLOCK);
    // Each thread adds up the same blocks always, so that the same sums are added in the same order.
    let own = shares(blocks, threads);
    let mut sums = vec![vec![0f32; POINTS * shape.inputs * shape.outputs]; own.len()];
    on_threads(sums.iter_mut().zip(own).collect(), &|(du, blocks): (&mut Vec<f32>, _)| {
        let mut room = Room::new(shape.width, shape.inputs, shape.outputs);
        for block in blocks {
            // SAFETY: lengths were asserted.
            unsafe { gradient_of_block(level, shape, x, dy, du, &mut room, block) };
        }
    });
    let shared = Shared::of(dfilters);
    on_threads(shares(shape.inputs, threads), &|rows| {
        // SAFETY: lengths were asserted, and each sum has that of its parts; each thread writes the filters of its own inputs.
        unsafe { gradient_of_filters(level, &sums, [shape.outputs, shape.inputs], rows, shared) };
    });
}

/// Room of one thread.
struct Room {
    /// What is transformed, `[point][tile][channel]`.
    v: Vec<f32>,
    m: Vec<f32>,
    /// What stands for a row outside of a map.
    zeros: Vec<f32>,
}

impl Room {
    /// For maps that are so wide, so many channels of inputs, and of outputs at a time.
    fn new(width: usize, inputs: usize, outputs: usize) -> Room {
        let [v, m] = [inputs, outputs].map(|channels| vec![0f32; POINTS * step(channels)]);
        Room { v, m, zeros: vec![0f32; width * inputs.max(outputs)] }
    }
}

/// From one point to the next in a [`Room`]: a line of the cache more than there are numbers, so that all points of a tile do not
/// meet in the same set of the cache.
fn step(channels: usize) -> usize {
    BLOCK * channels + 16
}

/// Rows and columns of tiles of a picture.
fn grid(shape: &Shape) -> [usize; 2] {
    [shape.height.div_ceil(OUT), shape.width.div_ceil(OUT)]
}

/// Tiles of all pictures.
fn tiles(shape: &Shape) -> usize {
    let [rows, columns] = grid(shape);
    shape.pictures * rows * columns
}

/// A tile of a map.
struct Tile {
    /// Where its picture's pixels begin, in pixels of the batch.
    picture: usize,
    /// First row and column of its output.
    y: usize,
    x: usize,
}

impl Tile {
    /// A tile by its number.
    #[inline(always)]
    fn at(shape: &Shape, number: usize) -> Tile {
        let [rows, columns] = grid(shape);
        Tile {
            picture: number / (rows * columns) * shape.height * shape.width,
            y: number / columns % rows * OUT,
            x: number % columns * OUT,
        }
    }
}

/// The tiles of a block.
#[inline(always)]
fn block_of(shape: &Shape, block: usize) -> impl ExactSizeIterator<Item = Tile> {
    (block * BLOCK..((block + 1) * BLOCK).min(tiles(shape))).map(move |number| Tile::at(shape, number))
}

/// `U = G g Gᵀ` of the filters of some inputs, or of some outputs if they are `reversed`.
///
/// # Safety
/// The processor has the vector's instructions; `filters` and `u` hold so many outputs and inputs, which are whole panels; nobody
/// else reads or writes what belongs to the chosen.
#[inline(always)]
unsafe fn filters_in<V: Vector, const WIDTH: usize>(
    filters: &[f32],
    [outputs, inputs]: [usize; 2],
    reversed: bool,
    chosen: Range<usize>,
    u: Shared<'_>,
) {
    let [rows, columns] = if reversed { [outputs, inputs] } else { [inputs, outputs] };
    let (all, _) = filters.as_chunks::<9>();
    for row in chosen {
        for first in (0..columns).step_by(V::LANES) {
            let mut places = [[0f32; 16]; 9];
            for lane in 0..V::LANES {
                let column = first + lane;
                let filter = &all[if reversed { row * inputs + column } else { column * inputs + row }];
                for (place, values) in places.iter_mut().enumerate() {
                    values[lane] = filter[if reversed { 8 - place } else { place }];
                }
            }
            let panel = WIDTH * V::LANES;
            // SAFETY: places of a vector's numbers; the row's place at each point in `u`.
            unsafe {
                let g = |place: usize| V::load(places[place].as_ptr());
                let columns = [
                    tile::filter([g(0), g(3), g(6)]),
                    tile::filter([g(1), g(4), g(7)]),
                    tile::filter([g(2), g(5), g(8)]),
                ];
                let [c0, c1, c2] = &columns;
                let to = u.0.add((first / panel * POINTS * rows + row) * panel + first % panel);
                for a in 0..IN {
                    for (b, value) in tile::filter([c0[a], c1[a], c2[a]]).into_iter().enumerate() {
                        value.store(to.add((a * IN + b) * rows * panel));
                    }
                }
            }
        }
    }
}

/// `Gᵀ dU G` of the filters of some inputs, `dU` the sum of `sums`.
///
/// # Safety
/// As [`filters_in`].
#[inline(always)]
unsafe fn filters_back<V: Vector, const WIDTH: usize>(
    sums: &[Vec<f32>],
    [outputs, inputs]: [usize; 2],
    chosen: Range<usize>,
    dfilters: Shared<'_>,
) {
    let panel = WIDTH * V::LANES;
    for input in chosen {
        for first in (0..outputs).step_by(V::LANES) {
            let from = (first / panel * POINTS * inputs + input) * panel + first % panel;
            let mut places = [[0f32; 16]; 9];
            // SAFETY: the input's place at each point; places of a vector's numbers.
            unsafe {
                let point = |p: usize| {
                    let mut sum = V::all(0.0);
                    for part in sums {
                        sum = sum.add(V::load(part.as_ptr().add(from + p * inputs * panel)));
                    }
                    sum
                };
                let mut rows = [[V::all(0.0); 3]; IN];
                for (a, row) in rows.iter_mut().enumerate() {
                    let p = a * IN;
                    let points =
                        [point(p), point(p + 1), point(p + 2), point(p + 3), point(p + 4), point(p + 5)];
                    *row = tile::filter_gradient(points);
                }
                let [r0, r1, r2, r3, r4, r5] = &rows;
                for c in 0..3 {
                    let column = tile::filter_gradient([r0[c], r1[c], r2[c], r3[c], r4[c], r5[c]]);
                    for (r, value) in column.into_iter().enumerate() {
                        value.store(places[3 * r + c].as_mut_ptr());
                    }
                }
                for lane in 0..V::LANES {
                    let to = dfilters.0.add(((first + lane) * inputs + input) * 9);
                    for (place, values) in places.iter().enumerate() {
                        *to.add(place) = values[lane];
                    }
                }
            }
        }
    }
}

/// Output of a block's tiles.
///
/// # Safety
/// The processor has the vector's instructions; slices have their lengths, and `room` is that of the inputs and of a panel; channels
/// are whole panels; nobody else reads or writes the block's pixels of `y`.
#[inline(always)]
unsafe fn convolve_tiles<V: Vector, const WIDTH: usize>(
    shape: &Shape,
    x: &[f32],
    u: &[f32],
    y: Shared<'_>,
    room: &mut Room,
    block: usize,
) {
    let (inputs, panel) = (shape.inputs, WIDTH * V::LANES);
    let (v, m) = (room.v.as_mut_ptr(), room.m.as_mut_ptr());
    let count = block_of(shape, block).len();
    // SAFETY: as above; the room holds a block's tiles at each point.
    unsafe {
        enter::<V>(shape, x.as_ptr(), &room.zeros, block, v);
        for number in 0..shape.outputs / panel {
            for point in 0..POINTS {
                let product = Product {
                    rows: count,
                    depth: inputs,
                    a: v.add(point * step(inputs)),
                    a_steps: [inputs, 1],
                    b: u.as_ptr().add((number * POINTS + point) * inputs * panel),
                    b_step: panel,
                    sum: m.add(point * step(panel)),
                };
                product.compute::<V, WIDTH>(false);
            }
            leave::<V, WIDTH>(shape, number, m, block, y.0);
        }
    }
}

/// `dU` of a block's tiles, added to `du`.
///
/// # Safety
/// As [`convolve_tiles`]; `room` is that of the inputs and outputs.
#[inline(always)]
unsafe fn gradient_of_tiles<V: Vector, const WIDTH: usize>(
    shape: &Shape,
    x: &[f32],
    dy: &[f32],
    du: &mut [f32],
    room: &mut Room,
    block: usize,
) {
    let Shape { inputs, outputs, .. } = *shape;
    let panel = WIDTH * V::LANES;
    let (v, m) = (room.v.as_mut_ptr(), room.m.as_mut_ptr());
    let count = block_of(shape, block).len();
    // SAFETY: as above; the room holds a block's tiles at each point, and `du` a panel's sums.
    unsafe {
        enter::<V>(shape, x.as_ptr(), &room.zeros, block, v);
        enter_gradient::<V>(shape, dy.as_ptr(), &room.zeros, block, m);
        for point in 0..POINTS {
            for number in 0..outputs / panel {
                let product = Product {
                    rows: inputs,
                    depth: count,
                    a: v.add(point * step(inputs)),
                    a_steps: [1, inputs],
                    b: m.add(point * step(outputs) + number * panel),
                    b_step: outputs,
                    sum: du.as_mut_ptr().add((number * POINTS + point) * inputs * panel),
                };
                product.compute::<V, WIDTH>(true);
            }
        }
    }
}

/// `V = Bᵀ d B` of a block's tiles.
///
/// # Safety
/// As [`convolve_tiles`]; `v` has room for a block, and `zeros` are a row of the map.
#[inline(always)]
unsafe fn enter<V: Vector>(shape: &Shape, x: *const f32, zeros: &[f32], block: usize, v: *mut f32) {
    let Shape { height, width, inputs, .. } = *shape;
    for (number, tile) in block_of(shape, block).enumerate() {
        // The border is a row and a column of zeros, which is why both begin one earlier.
        let mut rows = [zeros.as_ptr(); IN];
        for (a, start) in rows.iter_mut().enumerate() {
            let row = (tile.y + a).wrapping_sub(1);
            if row < height {
                // SAFETY: a row of the map.
                *start = unsafe { x.add((tile.picture + row * width) * inputs) };
            }
        }
        for channel in (0..inputs).step_by(V::LANES) {
            // SAFETY: pixels of the map, or of a row of zeros; the tile's place at each point is in the room.
            unsafe {
                let zero = V::all(0.0);
                let mut columns = [[zero; IN]; IN];
                for (b, transformed) in columns.iter_mut().enumerate() {
                    let across = (tile.x + b).wrapping_sub(1);
                    let pixel = |a: usize| V::load(rows[a].add(across * inputs + channel));
                    *transformed = if across < width {
                        tile::input([pixel(0), pixel(1), pixel(2), pixel(3), pixel(4), pixel(5)])
                    } else {
                        [zero; IN]
                    };
                }
                let [c0, c1, c2, c3, c4, c5] = &columns;
                let mut to = v.add(number * inputs + channel);
                for a in 0..IN {
                    for value in tile::input([c0[a], c1[a], c2[a], c3[a], c4[a], c5[a]]) {
                        value.store(to);
                        to = to.wrapping_add(step(inputs));
                    }
                }
            }
        }
    }
}

/// `dM = A dY Aᵀ` of a block's tiles.
///
/// # Safety
/// As [`convolve_tiles`]; `m` has room for a block, and `zeros` are a row of the map.
#[inline(always)]
unsafe fn enter_gradient<V: Vector>(shape: &Shape, dy: *const f32, zeros: &[f32], block: usize, m: *mut f32) {
    let Shape { height, width, outputs, .. } = *shape;
    for (number, tile) in block_of(shape, block).enumerate() {
        let mut rows = [zeros.as_ptr(); OUT];
        for (a, start) in rows.iter_mut().enumerate().take(height - tile.y) {
            // SAFETY: a row of the map.
            *start = unsafe { dy.add((tile.picture + (tile.y + a) * width) * outputs) };
        }
        for channel in (0..outputs).step_by(V::LANES) {
            // SAFETY: as in [`enter`].
            unsafe {
                let zero = V::all(0.0);
                let mut columns = [[zero; IN]; OUT];
                for (b, transformed) in columns.iter_mut().enumerate() {
                    let pixel = |a: usize| V::load(rows[a].add((tile.x + b) * outputs + channel));
                    *transformed = if tile.x + b < width {
                        tile::output_gradient([pixel(0), pixel(1), pixel(2), pixel(3)])
                    } else {
                        [zero; IN]
                    };
                }
                let [c0, c1, c2, c3] = &columns;
                let mut to = m.add(number * outputs + channel);
                for a in 0..IN {
                    for value in tile::output_gradient([c0[a], c1[a], c2[a], c3[a]]) {
                        value.store(to);
                        to = to.wrapping_add(step(outputs));
                    }
                }
            }
        }
    }
}

/// `Y = Aᵀ M A` of a block's tiles in one panel of channels, the `chosen`.
///
/// # Safety
/// As [`convolve_tiles`]; `m` holds the block.
#[inline(always)]
unsafe fn leave<V: Vector, const WIDTH: usize>(
    shape: &Shape,
    chosen: usize,
    m: *const f32,
    block: usize,
    y: *mut f32,
) {
    let Shape { height, width, outputs, .. } = *shape;
    let panel = WIDTH * V::LANES;
    for (number, tile) in block_of(shape, block).enumerate() {
        let [down, across] = [height - tile.y, width - tile.x].map(|left| left.min(OUT));
        for channel in (0..panel).step_by(V::LANES) {
            // SAFETY: the tile's place at each point is in the room; pixels of the map only are written.
            unsafe {
                let mut rows = [[V::all(0.0); OUT]; IN];
                let mut from = m.add(number * panel + channel);
                for transformed in &mut rows {
                    let mut points = [V::all(0.0); IN];
                    for point in &mut points {
                        *point = V::load(from);
                        from = from.wrapping_add(step(panel));
                    }
                    *transformed = tile::output(points);
                }
                let [r0, r1, r2, r3, r4, r5] = &rows;
                let start = (tile.picture + tile.y * width + tile.x) * outputs + chosen * panel + channel;
                for b in 0..across {
                    let column = tile::output([r0[b], r1[b], r2[b], r3[b], r4[b], r5[b]]);
                    for (a, value) in column.into_iter().enumerate().take(down) {
                        value.store(y.add(start + (a * width + b) * outputs));
                    }
                }
            }
        }
    }
}

/// A product of matrices, `[rows, depth] × [depth, panel]`.
struct Product {
    rows: usize,
    depth: usize,
    a: *const f32,
    /// From one row of `a` to the next, and from one column.
    a_steps: [usize; 2],
    b: *const f32,
    /// From one row of `b` to the next.
    b_step: usize,
    /// `[rows, panel]` without gaps.
    sum: *mut f32,
}

impl Product {
    /// Writes the product, or adds it to what is there.
    ///
    /// # Safety
    /// The processor has the vector's instructions; pointers are valid for the sizes.
    #[inline(always)]
    unsafe fn compute<V: Vector, const WIDTH: usize>(&self, more: bool) {
        let mut row = 0;
        while row < self.rows {
            // SAFETY: passed on.
            row += unsafe {
                match self.rows - row {
                    6.. => self.some::<V, WIDTH, 6>(row, more),
                    4.. => self.some::<V, WIDTH, 4>(row, more),
                    2.. => self.some::<V, WIDTH, 2>(row, more),
                    _ => self.some::<V, WIDTH, 1>(row, more),
                }
            };
        }
    }

    /// So many rows, which it returns: six rows of four vectors fill 24 of the 32 registers of AVX-512, of two vectors 12 of AVX2's 16.
    ///
    /// # Safety
    /// As [`Product::compute`].
    #[inline(always)]
    unsafe fn some<V: Vector, const WIDTH: usize, const ROWS: usize>(&self, row: usize, more: bool) -> usize {
        let [a_row, a_column] = self.a_steps;
        let width = WIDTH * V::LANES;
        // SAFETY: rows and columns of the matrices.
        unsafe {
            let (mut a, mut b) = (self.a.add(row * a_row), self.b);
            let sum = self.sum.add(row * width);
            let mut sums = [[V::all(0.0); WIDTH]; ROWS];
            if more {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (c, value) in sums.iter_mut().enumerate() {
                        *value = V::load(sum.add(r * width + c * V::LANES));
                    }
                }
            }
            for _ in 0..self.depth {
                let mut columns = [V::all(0.0); WIDTH];
                for (c, column) in columns.iter_mut().enumerate() {
                    *column = V::load(b.add(c * V::LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let factor = V::all(*a.add(r * a_row));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = column.times(factor, *sum);
                    }
                }
                (a, b) = (a.add(a_column), b.add(self.b_step));
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (c, value) in sums.into_iter().enumerate() {
                    value.store(sum.add(r * width + c * V::LANES));
                }
            }
        }
        ROWS
    }
}
