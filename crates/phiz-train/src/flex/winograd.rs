//! Dense 3×3 convolutions of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray 2016): 16 products for
//! four output pixels instead of 36.
//!
//! A map is cut into tiles of 2×2 output pixels, each of which sees 4×4 input pixels `d`:
//!
//! - output `Y = Aᵀ M A` with `M = U ⊙ V`, `U = G g Gᵀ` of a filter `g`, `V = Bᵀ d B`
//! - over channels, `M` is 16 matrix products `[o, i] × [i, tiles]`
//! - the gradients are the adjoints of the same steps: `dM = A dY Aᵀ`, `dU = dM Vᵀ`, `dV = Uᵀ dM`, `dg = Gᵀ dU G`, and
//!   `dd = B dV Bᵀ`, added where tiles overlap
//!
//! Tiles are never gathered one by one. A plane is divided into its four *phases*, every second row and column of it, in
//! which the pixels of neighbouring tiles are neighbours; each step is then a sum of whole planes. For that a row of tiles
//! ends with one that is not needed, whose outputs are thrown away and whose gradients are zero.

use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};

use super::geometry::{Geometry, product, slice, tensor};

/// Tiles of one matrix product: enough for it, few enough for the cache.
const TILES: usize = 256;
/// Fewer channels than these on either side cost more to transform than the products save.
const CHANNELS: usize = 16;

/// Whether a convolution can be computed in this way, and faster.
pub(super) fn suits(g: &Geometry) -> bool {
    (g.kernel, g.stride, g.padding, g.groups) == (3, 1, 1, 1) && g.input[0].min(g.output[0]) >= CHANNELS
}

/// For each of the 16 points of a transformed tile a matrix.
pub(super) type Points<T> = [T; 16];

/// `U = G g Gᵀ` of all filters, `[o, i]` for each point.
pub(super) fn transformed(g: &Geometry, filters: &[f32]) -> Points<FlexTensor> {
    let count = g.input[0] * g.output[0];
    let mut u: Points<Vec<f32>> = std::array::from_fn(|_| vec![0f32; count]);
    for (at, filter) in filters.chunks_exact(9).enumerate() {
        let column = |c: usize| expand([filter[c], filter[3 + c], filter[6 + c]]);
        let columns = [column(0), column(1), column(2)];
        for a in 0..4 {
            let row = expand([columns[0][a], columns[1][a], columns[2][a]]);
            (0..4).for_each(|b| u[4 * a + b][at] = row[b]);
        }
    }
    u.map(|u| tensor(u, &[g.output[0], g.input[0]]))
}

/// `G` times a column.
fn expand([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

/// `dg = Gᵀ dU G` of all filters; `du` holds one matrix after another.
pub(super) fn gradient_of_filters(g: &Geometry, du: &[f32]) -> Vec<f32> {
    let count = g.input[0] * g.output[0];
    let mut dg = vec![0f32; 9 * count];
    let shrink = |[a, b, c, d]: [f32; 4]| [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d];
    for (at, filter) in dg.chunks_exact_mut(9).enumerate() {
        let point = |a: usize, b: usize| du[(4 * a + b) * count + at];
        let rows: [[f32; 3]; 4] = std::array::from_fn(|a| shrink(std::array::from_fn(|b| point(a, b))));
        for c in 0..3 {
            let column = shrink(std::array::from_fn(|a| rows[a][c]));
            (0..3).for_each(|r| filter[3 * r + c] = column[r]);
        }
    }
    dg
}

/// Output `[pictures, o, h, w]` of some pictures.
pub(super) fn forward(g: &Geometry, x: &[f32], u: &Points<FlexTensor>, out: &mut [f32]) {
    for block in Block::all(g, out.len() / g.out_size()) {
        let v = block.tiles_of(g, x);
        let m: Points<_> = std::array::from_fn(|k| product(u[k].clone(), v[k].clone()));
        block.outputs(g, m.each_ref().map(slice), out);
    }
}

/// `dU`, one matrix after another, and the gradient of the input if there is a place for it, of some pictures.
pub(super) fn backward(
    g: &Geometry,
    x: &[f32],
    u: &Points<FlexTensor>,
    dy: &[f32],
    mut dx: Option<&mut [f32]>,
) -> Vec<f32> {
    let count = g.input[0] * g.output[0];
    let mut du = vec![0f32; u.len() * count];
    for block in Block::all(g, x.len() / g.in_size()) {
        let dm = block.gradients_of_outputs(g, dy);
        for ((du, v), dm) in du.chunks_exact_mut(count).zip(block.tiles_of(g, x)).zip(&dm) {
            let sum = product(dm.clone(), Flex::float_swap_dims(v, 0, 1));
            add(du, [slice(&sum)], |[v]| v);
        }
        if let Some(dx) = dx.as_deref_mut() {
            let back = |k: usize| product(Flex::float_swap_dims(u[k].clone(), 0, 1), dm[k].clone());
            let dv: Points<_> = std::array::from_fn(back);
            block.gradients_of_tiles(g, dv.each_ref().map(slice), dx);
        }
    }
    du
}

/// Rows of tiles of one picture.
#[derive(Clone, Copy, Debug)]
struct Strip {
    picture: usize,
    first: usize,
    rows: usize,
}

/// The tiles of one matrix product: several small pictures, or some rows of a large one.
#[derive(Debug)]
struct Block {
    strips: Vec<Strip>,
    /// Tiles of a row, the last of them not needed.
    across: usize,
    tiles: usize,
}

impl Block {
    fn all(g: &Geometry, pictures: usize) -> Vec<Block> {
        let (rows, across) = (g.output[1].div_ceil(2), g.output[2].div_ceil(2) + 1);
        let wanted = (TILES / across).max(1);
        let each = (wanted / rows).max(1);
        let block = |strips: Vec<Strip>| {
            let tiles = strips.iter().map(|s| s.rows * across).sum();
            Block { strips, across, tiles }
        };
        if wanted >= rows {
            let whole = |picture| Strip { picture, first: 0, rows };
            return (0..pictures)
                .step_by(each)
                .map(|p| block((p..(p + each).min(pictures)).map(whole).collect()))
                .collect();
        }
        let strip = |picture, first| Strip { picture, first, rows: wanted.min(rows - first) };
        let strips = (0..pictures).flat_map(|p| (0..rows).step_by(wanted).map(move |first| strip(p, first)));
        strips.map(|s| block(vec![s])).collect()
    }

    /// Each strip with the number of its first tile.
    fn strips(&self) -> impl Iterator<Item = (Strip, usize)> + '_ {
        let mut next = 0;
        self.strips.iter().map(move |strip| {
            let tile = next;
            next += strip.rows * self.across;
            (*strip, tile)
        })
    }

    /// Matrices of so many rows, empty, and made tensors when they are full.
    fn matrices(&self, rows: usize) -> (Points<Vec<f32>>, impl Fn(Vec<f32>) -> FlexTensor) {
        let shape = [rows, self.tiles];
        (std::array::from_fn(|_| Vec::with_capacity(rows * self.tiles)), move |m| tensor(m, &shape))
    }

    /// `V = Bᵀ d B`, `[i, tiles]` for each point.
    fn tiles_of(&self, g: &Geometry, x: &[f32]) -> Points<FlexTensor> {
        let (mut v, full) = self.matrices(g.input[0]);
        let mut phases = Phases::default();
        let mut lines = Lines::default();
        for (channel, strip) in (0..g.input[0]).flat_map(|c| self.strips.iter().map(move |s| (c, *s))) {
            phases.divide(&x[plane(g.input, strip.picture, channel)], g.input[2], strip, self.across);
            for ([even, odd], [a, b, c, d]) in phases.planes.iter().zip(&mut lines) {
                fill(a, [even, &even[1..]], |[d0, d2]| d0 - d2);
                fill(b, [odd, &even[1..]], |[d1, d2]| d1 + d2);
                fill(c, [odd, &even[1..]], |[d1, d2]| d2 - d1);
                fill(d, [odd, &odd[1..]], |[d1, d3]| d1 - d3);
            }
            for (b, (even, odd)) in lines[0].iter().zip(&lines[1]).enumerate() {
                let (next, last) = (&even[self.across..], &odd[self.across..]);
                append(&mut v[b], [even, next], |[d0, d2]| d0 - d2);
                append(&mut v[4 + b], [odd, next], |[d1, d2]| d1 + d2);
                append(&mut v[8 + b], [odd, next], |[d1, d2]| d2 - d1);
                append(&mut v[12 + b], [odd, last], |[d1, d3]| d1 - d3);
            }
        }
        v.map(full)
    }

    /// `Y = Aᵀ M A`, written where it belongs.
    fn outputs(&self, g: &Geometry, m: Points<&[f32]>, out: &mut [f32]) {
        let [outs, h, w] = g.output;
        let mut lines = Lines::default();
        let mut values: [[Vec<f32>; 2]; 2] = Default::default();
        for o in 0..outs {
            let point = |a: usize, b: usize| &m[4 * a + b][o * self.tiles..][..self.tiles];
            let [upper, lower] = &mut lines;
            for (b, (upper, lower)) in upper.iter_mut().zip(lower).enumerate() {
                let [m0, m1, m2, m3] = std::array::from_fn(|a| point(a, b));
                fill(upper, [m0, m1, m2], |[m0, m1, m2]| m0 + m1 + m2);
                fill(lower, [m1, m2, m3], |[m1, m2, m3]| m1 - m2 - m3);
            }
            for ([a, b, c, d], [left, right]) in lines.iter().zip(&mut values) {
                fill(left, [a, b, c], |[m0, m1, m2]| m0 + m1 + m2);
                fill(right, [b, c, d], |[m1, m2, m3]| m1 - m2 - m3);
            }
            for (strip, first) in self.strips() {
                let out = &mut out[plane(g.output, strip.picture, o)];
                for (line, y) in (2 * strip.first..(2 * (strip.first + strip.rows)).min(h)).enumerate() {
                    let tile = first + line / 2 * self.across;
                    let [left, right] = values[line % 2].each_ref().map(|v| &v[tile..tile + self.across]);
                    weave(&mut out[y * w..(y + 1) * w], left, right, |o, v| *o = v);
                }
            }
        }
    }

    /// `dM = A dY Aᵀ`, `[o, tiles]` for each point.
    fn gradients_of_outputs(&self, g: &Geometry, dy: &[f32]) -> Points<FlexTensor> {
        let [outs, h, w] = g.output;
        let (mut dm, full) = self.matrices(outs);
        let mut values = [[(); 2]; 2].map(|r| r.map(|()| vec![0f32; self.tiles]));
        let mut lines = Lines::default();
        for o in 0..outs {
            for (strip, first) in self.strips() {
                let dy = &dy[plane(g.output, strip.picture, o)];
                // What lies beyond an odd edge stays zero.
                for (line, y) in (2 * strip.first..(2 * (strip.first + strip.rows)).min(h)).enumerate() {
                    let tile = first + line / 2 * self.across;
                    let [left, right] = &mut values[line % 2];
                    unweave(&dy[y * w..(y + 1) * w], &mut left[tile..], &mut right[tile..]);
                }
            }
            let [upper, lower] = &values;
            for (column, (upper, lower)) in upper.iter().zip(lower).enumerate() {
                let [a, b, c, _] = &mut lines[column];
                fill(a, [upper, lower], |[u, l]| u + l);
                fill(b, [upper, lower], |[u, l]| u - l);
                fill(c, [lower], |[l]| -l);
            }
            let rows = |a: usize, column: usize| match a {
                0 => &values[0][column],
                a => &lines[column][a - 1],
            };
            for a in 0..4 {
                let (left, right) = (rows(a, 0), rows(a, 1));
                append(&mut dm[4 * a], [left], |[l]| l);
                append(&mut dm[4 * a + 1], [left, right], |[l, r]| l + r);
                append(&mut dm[4 * a + 2], [left, right], |[l, r]| l - r);
                append(&mut dm[4 * a + 3], [right], |[r]| -r);
            }
        }
        dm.map(full)
    }

    /// `dd = B dV Bᵀ`, added where it belongs.
    fn gradients_of_tiles(&self, g: &Geometry, dv: Points<&[f32]>, dx: &mut [f32]) {
        let mut phases = Phases::default();
        let mut lines = Lines::default();
        for (strip, first) in self.strips() {
            let count = strip.rows * self.across;
            for channel in 0..g.input[0] {
                phases.clear(strip, self.across);
                let [evens, odds] = &mut lines;
                for (b, (even, odd)) in evens.iter_mut().zip(odds).enumerate() {
                    for line in [&mut *even, &mut *odd] {
                        line.clear();
                        line.resize(count + self.across, 0.0);
                    }
                    let at = channel * self.tiles + first;
                    let [v0, v1, v2, v3] = std::array::from_fn(|a| &dv[4 * a + b][at..at + count]);
                    add(even, [v0], |[v0]| v0);
                    add(odd, [v1, v2, v3], |[v1, v2, v3]| v1 - v2 + v3);
                    add(&mut even[self.across..], [v0, v1, v2], |[v0, v1, v2]| v1 + v2 - v0);
                    add(&mut odd[self.across..], [v3], |[v3]| -v3);
                }
                for ([a, b, c, d], [even, odd]) in lines.iter().zip(&mut phases.planes) {
                    add(even, [a], |[v0]| v0);
                    add(odd, [b, c, d], |[v1, v2, v3]| v1 - v2 + v3);
                    add(&mut even[1..], [a, b, c], |[v0, v1, v2]| v1 + v2 - v0);
                    add(&mut odd[1..], [d], |[v3]| -v3);
                }
                phases.unite(&mut dx[plane(g.input, strip.picture, channel)], g.input[2], strip);
            }
        }
    }
}

/// What stands between the two halves of a transform of 4×4 tiles: for each parity of the row, four arrays.
type Lines = [[Vec<f32>; 4]; 2];

/// Where a plane of a map of shape `[c, h, w]` lies.
fn plane([channels, h, w]: [usize; 3], picture: usize, channel: usize) -> std::ops::Range<usize> {
    let start = (picture * channels + channel) * h * w;
    start..start + h * w
}

/// A strip of a plane with a border of one pixel, divided into every second row and column: `planes[row][column]` by their
/// parity. Each has a row more than the strip has tiles, and one element more for the last tile.
#[derive(Debug, Default)]
struct Phases {
    width: usize,
    planes: [[Vec<f32>; 2]; 2],
}

impl Phases {
    fn clear(&mut self, strip: Strip, across: usize) {
        self.width = across;
        for plane in self.planes.iter_mut().flatten() {
            plane.clear();
            plane.resize((strip.rows + 1) * across + 1, 0.0);
        }
    }

    /// Rows of the plane that the strip sees, each with its row of phases.
    fn rows(strip: Strip, h: usize) -> impl Iterator<Item = (usize, usize)> {
        let bordered = 2 * strip.first..2 * (strip.first + strip.rows + 1);
        bordered.enumerate().filter_map(move |(line, y)| Some((y.checked_sub(1).filter(|y| *y < h)?, line)))
    }

    fn divide(&mut self, plane: &[f32], w: usize, strip: Strip, across: usize) {
        self.clear(strip, across);
        for (y, line) in Phases::rows(strip, plane.len() / w) {
            let start = line / 2 * self.width;
            let [even, odd] = &mut self.planes[line % 2];
            unweave(&plane[y * w..(y + 1) * w], &mut odd[start..], &mut even[start + 1..]);
        }
    }

    fn unite(&self, plane: &mut [f32], w: usize, strip: Strip) {
        for (y, line) in Phases::rows(strip, plane.len() / w) {
            let start = line / 2 * self.width;
            let [even, odd] = &self.planes[line % 2];
            weave(&mut plane[y * w..(y + 1) * w], &odd[start..], &even[start + 1..], |d, v| *d += v);
        }
    }
}

/// Calls `each` with the elements of a row and, by turns, those of two others.
fn weave(row: &mut [f32], first: &[f32], second: &[f32], each: impl Fn(&mut f32, f32)) {
    let half = row.len() / 2;
    let mut pairs = row.chunks_exact_mut(2);
    for ((pair, a), b) in pairs.by_ref().zip(first).zip(second) {
        each(&mut pair[0], *a);
        each(&mut pair[1], *b);
    }
    if let [last] = pairs.into_remainder() {
        each(last, first[half]);
    }
}

/// Sets two rows, by turns, to the elements of one.
fn unweave(row: &[f32], first: &mut [f32], second: &mut [f32]) {
    let pairs = row.chunks_exact(2);
    if let [last] = pairs.remainder() {
        first[row.len() / 2] = *last;
    }
    for ((pair, a), b) in pairs.zip(first).zip(second) {
        (*a, *b) = (pair[0], pair[1]);
    }
}

/// The first elements of some arrays, as many as the shortest has.
fn heads<const N: usize>(from: [&[f32]; N]) -> (usize, [&[f32]; N]) {
    let length = from.iter().map(|f| f.len()).min().unwrap_or_default();
    (length, from.map(|f| &f[..length]))
}

/// Appends `each` of the elements of some arrays, as many as the shortest has.
fn append<const N: usize>(to: &mut Vec<f32>, from: [&[f32]; N], each: impl Fn([f32; N]) -> f32) {
    let (length, from) = heads(from);
    to.extend((0..length).map(|i| each(std::array::from_fn(|n| from[n][i]))));
}

/// The same in place of what was there.
fn fill<const N: usize>(to: &mut Vec<f32>, from: [&[f32]; N], each: impl Fn([f32; N]) -> f32) {
    to.clear();
    append(to, from, each);
}

/// The same, added to the first elements of an array.
fn add<const N: usize>(to: &mut [f32], from: [&[f32]; N], each: impl Fn([f32; N]) -> f32) {
    let (length, from) = heads(from);
    (0..length).zip(to).for_each(|(i, to)| *to += each(std::array::from_fn(|n| from[n][i])));
}
