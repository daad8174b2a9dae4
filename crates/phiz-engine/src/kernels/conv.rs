//! Convolutions of any number of channels, tile by tile; a fully connected layer is one whose map is its kernel.

use super::pointwise::vectorised;
use super::quantise::{self, Steps};
use super::team::{Pointer, SIMPLE};
use super::tile::{MOST_BLOCKS, MOST_HALF, TileArgs};
use super::{Aligned, BYTES, Crew, Isa, LANES, Level, Map, SHORT, amx, plain};
use crate::Precision;

/// The properties of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConvShape {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Lanes of an input pixel, see [`Map::lanes`].
    pub(crate) lanes: usize,
    /// Rows and columns of the kernel.
    pub(crate) kernel: [usize; 2],
    /// 1 or 2.
    pub(crate) stride: usize,
    /// Zeros around the map.
    pub(crate) pad: usize,
    /// Results are not below the first nor above the second.
    pub(crate) clamp: [f32; 2],
}

impl ConvShape {
    /// Elements that hold the weights of a block of outputs.
    fn block_elements(&self) -> usize {
        let blocks = if self.lanes == 3 { self.inputs.div_ceil(3) } else { self.inputs.div_ceil(LANES) };
        blocks * self.kernel[0] * self.kernel[1] * self.lanes * LANES
    }

    /// The precision of its products.
    pub(super) fn precision(&self) -> Precision {
        match self.lanes {
            BYTES => Precision::Int8,
            SHORT => Precision::Bf16,
            _ => Precision::F32,
        }
    }
}

/// A convolution with its weights, packed for one set of instructions.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    pub(crate) shape: ConvShape,
    isa: Isa,
    pub(super) weights: Aligned,
    bias: Aligned,
    /// Blocks of output channels that are computed together: first block, their number, where their weights begin.
    pub(super) groups: Vec<[usize; 3]>,
    /// Most pixels of half a tile, by number of blocks.
    halves: [usize; MOST_BLOCKS + 1],
    /// If inputs have eight bits: what a weight stands for, and the sum of all weights, of each output channel.
    steps: Vec<(f32, i32)>,
    /// The weights, in place of [`Conv::weights`], where products of matrices compute it.
    matrices: Option<amx::Weights>,
}

impl Conv {
    /// Packs weights `[outputs, inputs, rows, columns]` and a bias for each output.
    ///
    /// # Panics
    /// When the weights are not as many as the shape says.
    #[cfg(test)]
    pub(crate) fn new(shape: ConvShape, weights: &[f32], bias: &[f32], isa: Isa) -> Conv {
        let each = shape.inputs * shape.kernel[0] * shape.kernel[1];
        assert_eq!(weights.len(), shape.outputs * each, "as many weights as the shape says");
        Conv::of_outputs(shape, bias, isa, |output, to| {
            to.clear();
            to.extend_from_slice(&weights[output * each..][..each]);
        })
    }

    /// Packs weights that are made output by output: the function puts those of one, `[inputs, rows,
    /// columns]`, in place of what it is given.
    ///
    /// # Panics
    /// When the weights are not as many as the shape says.
    pub(crate) fn of_outputs(
        shape: ConvShape,
        bias: &[f32],
        isa: Isa,
        filter: impl Fn(usize, &mut Vec<f32>),
    ) -> Conv {
        if amx::suits(&shape, isa) {
            let mut conv = Conv::with_room(shape, bias, isa, 0);
            vectorised!(isa, || conv.pack_matrices(&filter));
            return conv;
        }
        let mut conv = Conv::open(shape, bias, isa);
        vectorised!(isa, || conv.pack(&filter));
        conv
    }

    /// Packs weights, a block of outputs at a time.
    #[inline(always)]
    fn pack(&mut self, filter_of: &impl Fn(usize, &mut Vec<f32>)) {
        let Conv { shape, weights: packed, groups, steps, .. } = self;
        let (inputs, taps) = (shape.inputs, shape.kernel[0] * shape.kernel[1]);
        let elements = shape.block_elements() / LANES;
        // The elements of a block's outputs, output by output, so far apart that they find room in a cache together.
        // Behind the last input zeros.
        let apart = elements.next_multiple_of(4) + LANES;
        let mut lines = vec![0f32; LANES * apart];
        let mut filter = Vec::new();
        for (&[first, count, offset], block) in groups.iter().flat_map(|g| (0..g[1]).map(move |b| (g, b))) {
            for (lane, line) in lines.chunks_exact_mut(apart).enumerate() {
                let line = &mut line[..elements];
                let output = (first + block) * LANES + lane;
                if output >= shape.outputs {
                    line.fill(0.0);
                    continue;
                }
                filter_of(output, &mut filter);
                assert_eq!(filter.len(), inputs * taps, "as many weights as the shape says");
                match shape.precision() {
                    Precision::Int8 => {
                        let step = step_of(&filter);
                        steps.push((step, bytes_of(&filter, taps, step, line)));
                    }
                    Precision::Bf16 => {
                        elements_of(&filter, taps, SHORT, line, |[even, odd]| plain::paired(even, odd));
                    }
                    _ => elements_of(&filter, taps, shape.lanes, line, |[w]| w),
                }
            }
            // Outputs side by side.
            let rows = packed[offset + block * LANES..].as_chunks_mut::<LANES>().0.iter_mut().step_by(count);
            let mut rows = rows.take(elements);
            for index in (0..elements).step_by(4) {
                let four: [[f32; 4]; LANES] = std::array::from_fn(|lane| {
                    *lines[lane * apart + index..].as_chunks().0.first().unwrap_or(&[0.0; 4])
                });
                for (n, row) in rows.by_ref().take(4).enumerate() {
                    *row = four.map(|line| line[n]);
                }
            }
        }
    }

    /// Packs weights for products of matrices.
    #[inline(always)]
    fn pack_matrices(&mut self, filter_of: &impl Fn(usize, &mut Vec<f32>)) {
        let shape = &self.shape;
        let each = shape.inputs * shape.kernel[0] * shape.kernel[1];
        let mut weights = amx::Weights::zeros(shape);
        let mut filter = Vec::new();
        for output in 0..shape.outputs {
            filter_of(output, &mut filter);
            assert_eq!(filter.len(), each, "as many weights as the shape says");
            let step = if shape.lanes == BYTES { step_of(&filter) } else { 1.0 };
            let sum = weights.pack(shape, output, &filter, |w| quantised(w, step));
            if shape.lanes == BYTES {
                self.steps.push((step, sum));
            }
        }
        self.matrices = Some(weights);
    }

    /// A convolution whose weights are zero, for whoever packs them.
    pub(super) fn open(shape: ConvShape, bias: &[f32], isa: Isa) -> Conv {
        Conv::with_room(shape, bias, isa, shape.block_elements())
    }

    /// The same, with so many elements of weights for each block of outputs.
    fn with_room(shape: ConvShape, bias: &[f32], isa: Isa, each: usize) -> Conv {
        assert_eq!(bias.len(), shape.outputs, "a bias for each output");
        assert!(
            matches!(shape.stride, 1 | 2) && matches!(shape.lanes, 3 | BYTES | SHORT | LANES),
            "a shape that tiles know"
        );
        assert!(isa.has(shape.precision()), "a processor with this precision");
        let blocks = shape.outputs.div_ceil(LANES);
        let halves = most_halves(isa);
        #[cfg(target_arch = "x86_64")]
        let full = isa.0 == Level::Avx512Full;
        #[cfg(not(target_arch = "x86_64"))]
        let full = false;
        let mut groups = Vec::new();
        let mut first = 0;
        while first < blocks {
            // As many as possible. Where vectors of two blocks are executed in two steps, rather two and three than four
            // and one, which would be computed alone.
            let count = match blocks - first {
                4 | 6.. if halves[4] > 0 => 4,
                5 if full => 4,
                3 if !full => 3,
                left => left.min(2),
            };
            groups.push([first, count, first * each]);
            first += count;
        }
        let mut padded = Aligned::zeros(blocks * LANES);
        padded[..bias.len()].copy_from_slice(bias);
        let weights = Aligned::zeros(blocks * each);
        Conv { shape, isa, weights, bias: padded, groups, halves, steps: Vec::new(), matrices: None }
    }

    /// The map that comes out, without a border; none if the kernel is larger than the map.
    pub(crate) fn out_map(&self, x: &Map) -> Option<Map> {
        let side = |size: usize, kernel: usize| {
            Some((size + 2 * self.shape.pad).checked_sub(kernel)? / self.shape.stride + 1)
        };
        Some(Map {
            channels: self.shape.outputs,
            height: side(x.height, self.shape.kernel[0])?,
            width: side(x.width, self.shape.kernel[1])?,
            pad: 0,
            lanes: LANES,
        })
    }

    /// Computes the convolution of `pictures` pictures; the border of `out` becomes zero. `room` holds [`Conv::room`] for
    /// each thread.
    ///
    /// # Panics
    /// When a map does not fit the shape or a slice the map; when `room` is too small.
    pub(crate) fn run(
        &self,
        (x_map, x): (&Map, &[f32]),
        add: Option<(&Map, &[f32])>,
        (out_map, out): (&Map, &mut [f32]),
        pictures: usize,
        room: &mut [f32],
        crew: &mut Crew,
    ) {
        if self.matrices.is_none() {
            self.run_scaled((x_map, x), add, (out_map, out), pictures, &[], crew);
            return;
        }
        self.known(x_map, add, out_map, pictures);
        assert_eq!(
            (x_map.channels, x_map.lanes),
            (self.shape.inputs, self.shape.lanes),
            "the map that comes in"
        );
        self.run_matrices((x_map, x), None, add, (out_map, out), pictures, room, crew);
    }

    /// Elements of memory that each thread needs beside the maps, and beside [`Conv::scratch`]: none but for products of
    /// matrices.
    pub(crate) fn room(&self, x: &Map, pictures: usize) -> usize {
        match (&self.matrices, self.out_map(x)) {
            (Some(_), Some(out)) => amx::room(&self.shape, x, &out, pictures),
            _ => 0,
        }
    }

    /// Whether products of matrices compute it.
    pub(crate) fn takes_matrices(&self) -> bool {
        self.matrices.is_some()
    }

    /// As [`Conv::run`]; if inputs have eight bits, with what they stand for: see [`Job::scales`].
    fn run_scaled(
        &self,
        (x_map, x): (&Map, &[f32]),
        add: Option<(&Map, &[f32])>,
        (out_map, out): (&Map, &mut [f32]),
        pictures: usize,
        scales: &[f32],
        crew: &mut Crew,
    ) {
        self.known(x_map, add, out_map, pictures);
        assert_eq!(
            (x_map.channels, x_map.lanes),
            (self.shape.inputs, self.shape.lanes),
            "the map that comes in"
        );
        assert!(x.len() >= pictures * x_map.picture() && out.len() >= pictures * out_map.picture());
        assert!(self.steps.is_empty() || scales.len() >= pictures * self.scales(), "scales of each picture");
        let out = Pointer(out.as_mut_ptr());
        let soon = match self.shape.kernel {
            [1, 1] if self.shape.stride == 1 => Soon::reading(x_map),
            _ => Soon::NOTHING,
        };
        let job = Job { conv: self, x_map, x, add, out_map, out, scales, soon };
        let rows = row_groups(out_map).0;
        let work = pictures * (self.macs(out_map) + SIMPLE * x_map.picture());
        crew.lines(self.groups.len(), pictures * rows, work, &|group, line, _| {
            // SAFETY: the maps fit the convolution and the slices the maps, as was asserted; `out` is borrowed
            // exclusively, and each part, which is given to one thread once, has rows and blocks of its own.
            unsafe { job.rows(group, line / rows, line % rows) };
        });
    }

    /// Checks what is read and written beside `x`.
    fn known(&self, x_map: &Map, add: Option<(&Map, &[f32])>, out_map: &Map, pictures: usize) {
        let fits = self.out_map(x_map).expect("a kernel within the map");
        let same = |map: &Map| (map.channels, map.height, map.width);
        let known = |map: &Map| map.lanes == LANES || (map.lanes == SHORT && self.isa.has(Precision::Bf16));
        assert!(same(out_map) == same(&fits) && known(out_map), "the map that comes out");
        assert!(x_map.pad >= self.shape.pad, "a border as wide as the padding");
        if let Some((map, data)) = add {
            assert!(same(map) == same(&fits) && known(map), "the map that is added");
            assert!(data.len() >= pictures * map.picture());
        }
    }

    /// Computes it by products of matrices, from single precision or bf16; if inputs are rounded to eight bits, with what each
    /// picture's stand for and with its scales (see [`Job::scales`]).
    #[expect(clippy::too_many_arguments, reason = "maps, data and scales of one call")]
    fn run_matrices(
        &self,
        (x_map, x): (&Map, &[f32]),
        bytes: Option<amx::Bytes<'_>>,
        add: Option<(&Map, &[f32])>,
        (out_map, out): (&Map, &mut [f32]),
        pictures: usize,
        room: &mut [f32],
        crew: &mut Crew,
    ) {
        let weights = self.matrices.as_ref().expect("weights of matrices");
        assert!(x.len() >= pictures * x_map.picture() && out.len() >= pictures * out_map.picture());
        let needed = amx::room(&self.shape, x_map, out_map, pictures);
        assert!(room.len() >= needed * crew.threads(), "room for each thread");
        let job = amx::Job {
            shape: &self.shape,
            isa: self.isa,
            weights,
            bias: &self.bias,
            x_map,
            x,
            bytes,
            add,
            out_map,
            out: Pointer(out.as_mut_ptr()),
            pictures,
        };
        let parts = job.parts(crew.threads());
        let work = pictures * (self.macs(out_map) + SIMPLE * x_map.picture());
        let room = Pointer(room.as_mut_ptr());
        crew.lines(1, parts, work, &|_, part, thread| {
            // SAFETY: `room` is borrowed exclusively and has room for this thread (asserted), which does one part at a time.
            let room = unsafe { std::slice::from_raw_parts_mut(room.get().add(thread * needed), needed) };
            // SAFETY: the maps fit the convolution and the slices the maps, as was asserted; `out` is borrowed exclusively, and
            // each part, which is given to one thread once, has rows or blocks of its own.
            unsafe { job.part(part, parts, room) };
        });
    }

    /// Elements that say for one picture what inputs of eight bits stand for.
    fn scales(&self) -> usize {
        2 * self.bias.len()
    }

    /// The map in eight bits that is made of an input map.
    fn byte_map(&self, x: &Map) -> Map {
        Map { lanes: BYTES, pad: self.shape.pad, ..*x }
    }

    /// Elements of a picture in eight bits; none where products of matrices compute it, which round a few rows at a time.
    fn byte_elements(&self, x: &Map) -> usize {
        if self.takes_matrices() { 0 } else { self.byte_map(x).picture() }
    }

    /// Whether inputs have eight bits: then [`Conv::run_bytes`] makes them so.
    pub(crate) fn takes_bytes(&self) -> bool {
        self.shape.lanes == BYTES
    }

    /// Elements of memory that [`Conv::run_bytes`] needs beside its maps.
    pub(crate) fn scratch(&self, x: &Map, pictures: usize) -> usize {
        let bytes = self.byte_elements(x).next_multiple_of(16);
        pictures * (bytes + self.scales() + range_map(x).picture())
    }

    /// Computes the convolution of single precision or bf16 in eight bits: each picture's values are rounded to 256 steps
    /// between the least and the largest of its own.
    ///
    /// # Panics
    /// As [`Conv::run`], and when `scratch` is too small.
    #[expect(clippy::too_many_arguments, reason = "maps, data and memory of one call")]
    pub(crate) fn run_bytes(
        &self,
        (x_map, x): (&Map, &[f32]),
        add: Option<(&Map, &[f32])>,
        (out_map, out): (&Map, &mut [f32]),
        pictures: usize,
        scratch: &mut [f32],
        room: &mut [f32],
        crew: &mut Crew,
    ) {
        let short = x_map.is_short();
        assert!((short || x_map.lanes == LANES) && x_map.pad >= self.shape.pad, "a map to be rounded");
        assert!(x.len() >= pictures * x_map.picture());
        let map = self.byte_map(x_map);
        let (bytes, rest) = scratch.split_at_mut(pictures * self.byte_elements(x_map));
        let (scales, rest) = rest.split_at_mut(pictures * self.scales());
        let range_map = range_map(x_map);
        let ranges = &mut rest[..pictures * range_map.picture()];
        let planes = &x[..pictures * x_map.picture()];
        crew.rows(&range_map, ranges, SIMPLE * planes.len(), &|plane, y, range| {
            let row = &planes[plane * x_map.plane() + x_map.inner(0) + y * x_map.row()..];
            range.copy_from_slice(&quantise::range(&row[..x_map.width * x_map.lanes], short, self.isa));
        });
        for (ranges, scales) in
            ranges.chunks_exact_mut(range_map.picture()).zip(scales.chunks_exact_mut(self.scales()))
        {
            // The range of the picture in place of the first row's.
            let whole = quantise::joined(ranges);
            ranges[..2].copy_from_slice(&whole);
            let steps = Steps::of(&whole);
            let (start, scale) = scales.split_at_mut(self.bias.len());
            let each = start.iter_mut().zip(scale).zip(&self.steps);
            for ((start, scale), (step, sum)) in each {
                *start = f32::from_bits((-steps.zero(self.isa) * sum).cast_unsigned());
                *scale = steps.step * step;
            }
        }
        let (ranges, scales) = (&*ranges, &*scales);
        if self.takes_matrices() {
            assert_eq!(x_map.channels, self.shape.inputs, "the map that comes in");
            self.known(x_map, add, out_map, pictures);
            let bytes = amx::Bytes { ranges, apart: range_map.picture(), scales };
            self.run_matrices((x_map, x), Some(bytes), add, (out_map, out), pictures, room, crew);
            return;
        }
        // A border is what 0 is rounded to.
        let whole = Map { height: map.height + 2 * map.pad, width: map.width + 2 * map.pad, pad: 0, ..map };
        crew.rows(&whole, bytes, SIMPLE * planes.len(), &|plane, y, row| {
            let picture = plane / x_map.blocks();
            let steps = Steps::of(&ranges[picture * range_map.picture()..][..2]);
            let begin = plane * x_map.plane() + x_map.at(0, x_map.pad - map.pad + y, x_map.pad - map.pad);
            steps.quantise(&x[begin..][..x_map.lanes / BYTES * row.len()], short, row, self.isa);
        });
        self.run_scaled((&map, bytes), add, (out_map, out), pictures, scales, crew);
    }

    /// Elements of its weights.
    pub(crate) fn weights(&self) -> usize {
        self.weights.len() + self.matrices.as_ref().map_or(0, amx::Weights::len)
    }

    /// Whether it reads one map and computes the other.
    pub(super) fn fits(&self, x: &Map, out: &Map) -> bool {
        let known = out.lanes == LANES || out.is_short() && self.isa.has(Precision::Bf16);
        let same = |map: Map| (map.channels, map.height, map.width) == (out.channels, out.height, out.width);
        (x.channels, x.lanes) == (self.shape.inputs, self.shape.lanes)
            && x.pad >= self.shape.pad
            && known
            && self.out_map(x).is_some_and(same)
    }

    /// Multiplications for a picture.
    pub(super) fn macs(&self, out: &Map) -> usize {
        let ConvShape { inputs, outputs, kernel: [rows, columns], .. } = self.shape;
        inputs * outputs * rows * columns * out.height * out.width
    }
}

/// Most pixels of half a tile, by number of blocks; 0 where there is no such tile.
fn most_halves(isa: Isa) -> [usize; MOST_BLOCKS + 1] {
    match isa.0 {
        Level::Plain => [0, 7, 7, 4, 0],
        #[cfg(target_arch = "aarch64")]
        Level::Neon => super::neon::HALVES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => super::x86::AVX2_HALVES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Full => super::x86::AVX512_HALVES,
    }
}

/// How many parts of rows an output map is computed in, and how many rows each has: two where rows are so short that
/// half a tile holds one.
fn row_groups(out: &Map) -> (usize, usize) {
    let rows = if out.width <= MOST_HALF && out.height > 1 { 2 } else { 1 };
    (out.height.div_ceil(rows), rows)
}

/// A convolution with everything that it reads and writes.
pub(super) struct Job<'a> {
    pub(super) conv: &'a Conv,
    pub(super) x_map: &'a Map,
    pub(super) x: &'a [f32],
    pub(super) add: Option<(&'a Map, &'a [f32])>,
    pub(super) out_map: &'a Map,
    pub(super) out: Pointer,
    /// If inputs have eight bits, for each picture: what the sum of each output channel begins with (whole numbers), then
    /// what each is multiplied by.
    pub(super) scales: &'a [f32],
    /// What is read or written soon and is worth fetching while tiles are computed.
    pub(super) soon: Soon,
}

/// Memory that will be needed soon, for maps that are too large for a core's cache.
#[derive(Clone, Copy)]
pub(super) struct Soon {
    /// Whether the next row of the input is fetched.
    pub(super) read: bool,
    /// A row that is written next, block by block; null for none.
    pub(super) write: Pointer,
    /// Its blocks, elements from one to the next, and elements for each pixel of the tile.
    pub(super) blocks: usize,
    pub(super) plane: usize,
    pub(super) pixel: usize,
}

impl Soon {
    /// Nothing.
    pub(super) const NOTHING: Soon =
        Soon { read: false, write: Pointer(std::ptr::null_mut()), blocks: 0, plane: 0, pixel: 0 };

    /// The next row of the input if the map is too large to be in the cache.
    pub(super) fn reading(x: &Map) -> Soon {
        Soon { read: x.picture() > LARGE, ..Soon::NOTHING }
    }
}

/// Elements of a map of which a core's cache holds little more.
const LARGE: usize = if cfg!(test) { 64 } else { 160 * 1024 };

impl Job<'_> {
    /// Computes a group of blocks of one or two rows of a picture.
    ///
    /// # Safety
    /// The maps fit the convolution (as `Conv::run` asserts), the slices hold `picture + 1` pictures, `out` may be
    /// written at as many, and nobody else reads or writes these rows.
    pub(super) unsafe fn rows(&self, group: usize, picture: usize, part: usize) {
        let Job { out_map, out, .. } = self;
        let [first, count, _] = self.conv.groups[group];
        let (_, rows) = row_groups(out_map);
        let row = part * rows;
        let rows = rows.min(out_map.height - row);
        for block in first..first + count {
            // SAFETY: the caller's promise: the rows are this call's alone.
            unsafe {
                out_map.clear_beside(out.get().add(picture * out_map.picture()), block, row..row + rows);
            }
        }
        // SAFETY: passed on.
        unsafe { self.tiles(group, picture, [row; 3], rows, 0..out_map.width) };
    }

    /// Computes a group of blocks of some columns of some rows of a picture, without their borders. The rows may stand at
    /// different places in what comes in (where `row` is one of the rows that would go out), what goes out and what is
    /// added.
    ///
    /// # Safety
    /// As [`Job::rows`] of these rows and columns; several rows are whole ones.
    pub(super) unsafe fn tiles(
        &self,
        group: usize,
        picture: usize,
        [row, to, more]: [usize; 3],
        rows: usize,
        columns: std::ops::Range<usize>,
    ) {
        let Job { conv, x_map, x, add, out_map, out, scales, soon } = self;
        let shape = &conv.shape;
        let [first, count, offset] = conv.groups[group];
        let width = columns.len();
        let most = conv.halves[count];
        let start = x_map.pad - shape.pad;
        let pixel = shape.lanes * shape.stride;
        let size = size_of::<f32>();
        // Elements from the beginning of the picture.
        let x_at = |y: usize, column: usize| {
            picture * x_map.picture() + x_map.at(0, start + y * shape.stride, start + column * shape.stride)
        };
        let out_at = |map: &Map, y: usize, column: usize| {
            picture * map.picture() + map.inner(first) + map.at(0, y, column)
        };
        let bias = conv.bias[first * LANES..].as_ptr();
        let (start, scale) = match conv.steps[..] {
            [] => (bias, std::ptr::null()),
            _ => {
                let scales = &scales[picture * conv.scales()..][..conv.scales()];
                (scales[first * LANES..].as_ptr(), scales[conv.bias.len() + first * LANES..].as_ptr())
            }
        };
        let tile = |y: usize, column: usize, half: usize, [x_half, out_half, add_half]: [usize; 3]| {
            let args = TileArgs {
                x: x[x_at(y, column)..].as_ptr(),
                w: conv.weights[offset..].as_ptr(),
                bias: start,
                // SAFETY: a pixel of the map, so within what `out` holds.
                out: unsafe { out.get().add(out_at(out_map, to + y - row, column)) },
                add: add.map_or(std::ptr::null(), |(map, data)| {
                    data[out_at(map, more + y - row, column)..].as_ptr()
                }),
                x_half: x_half * size,
                out_half: out_half * size,
                add_half: add_half * size,
                x_block: x_map.plane() * size,
                out_block: out_map.plane() * size,
                add_block: add.map_or(0, |(map, _)| map.plane()) * size,
                x_row: x_map.row() * size,
                blocks: x_map.blocks(),
                rows: shape.kernel[0],
                steps: shape.kernel[1] * shape.lanes,
                clamp: shape.clamp,
                add_short: add.map_or(0, |(map, _)| usize::from(map.lanes == SHORT)),
                out_short: usize::from(out_map.lanes == SHORT),
                scale,
                offset: bias,
            };
            // SAFETY: the tile is one of this processor's (`Isa`), and reads and writes `half` pixels twice: pixels of
            // the output map as `tile` is called below, whose inputs lie within the input map with its border.
            unsafe { conv.tile(count, half, pixel, &args) };
        };
        let add_map = add.map(|(map, _)| map);
        if rows == 2 && width <= most {
            let halves = [x_map.row() * shape.stride, out_map.row(), add_map.map_or(0, Map::row)];
            tile(row, 0, width, halves);
            return;
        }
        for y in row..row + rows {
            // As few tiles as possible, of about the same number of pixels.
            let tiles = width.div_ceil(2 * most);
            let each = width.div_ceil(tiles).next_multiple_of(2);
            let mut column = columns.start;
            while column < columns.end {
                let pixels = (columns.end - column).min(each);
                let half = pixels.div_ceil(2);
                if group == 0 && soon.read {
                    let next = x.as_ptr().wrapping_add(x_at(y, column) + x_map.row());
                    fetch(next, pixels * pixel, x_map.blocks(), x_map.plane());
                }
                if group == 0 && !soon.write.get().is_null() {
                    let next = soon.write.get().wrapping_add(column * soon.pixel);
                    fetch_to_write(next, pixels * soon.pixel, soon.blocks, soon.plane);
                }
                // An odd number of pixels: the one in the middle is computed in both halves.
                let second = pixels - half;
                tile(
                    y,
                    column,
                    half,
                    [second * pixel, second * out_map.lanes, second * add_map.map_or(0, |map| map.lanes)],
                );
                column += pixels;
            }
        }
    }
}

/// Asks for some elements of each of some planes. An address that is nobody's does no harm.
#[inline(always)]
fn fetch(from: *const f32, elements: usize, planes: usize, plane: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for plane in (0..planes).map(|index| from.wrapping_add(index * plane)) {
        for line in (0..elements).step_by(16) {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: fetching changes nothing and fails silently; every processor of this kind can.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(plane.wrapping_add(line).cast()) };
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (from, elements, planes, plane);
}

/// The same for memory that will be written.
#[inline(always)]
fn fetch_to_write(to: *mut f32, elements: usize, planes: usize, plane: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for plane in (0..planes).map(|index| to.wrapping_add(index * plane)) {
        for line in (0..elements).step_by(16) {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            // SAFETY: as in `fetch`.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(plane.wrapping_add(line).cast()) };
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (to, elements, planes, plane);
}

impl Conv {
    /// # Safety
    /// What [`TileArgs`] points to may be read and written, see [`plain::tile`].
    unsafe fn tile(&self, count: usize, half: usize, pixel: usize, args: &TileArgs) {
        match (self.isa.0, self.shape.precision()) {
            // SAFETY: passed on; `rows` gives scales where inputs have eight bits.
            (Level::Plain, Precision::Int8) => unsafe { plain::tile_int8(count, half, pixel, args) },
            // SAFETY: passed on.
            (Level::Plain, Precision::Bf16) => unsafe { plain::tile::<true>(count, half, pixel, args) },
            // SAFETY: passed on.
            (Level::Plain, _) => unsafe { plain::tile::<false>(count, half, pixel, args) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: passed on; the processor has bf16 or products of bytes where they are needed (`new` and `run` asked).
            (Level::Neon, precision) => unsafe {
                match precision {
                    Precision::Int8 => super::neon::int8(count, half, pixel, args),
                    Precision::Bf16 => super::neon::bf16(count, half, pixel, args),
                    _ => super::neon::f32(count, half, pixel, args),
                }
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: passed on; the processor has AVX-VNNI too, as `new` asked; nothing is bf16.
            (Level::Avx2, Precision::Int8) => unsafe { super::x86::avx2_int8(count, half, pixel, args) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: passed on; the processor has AVX2 and FMA, else there was no such `Isa`; all is of single precision
            // (`new` and `run` asked).
            (Level::Avx2, _) => unsafe { super::x86::avx2(count, half, pixel, args) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: passed on; the processor has AVX-512 F and VL, else there was no such `Isa`, and BF16 or VNNI where
            // they are needed (`new` and `run` asked).
            (Level::Avx512, precision) => unsafe {
                match precision {
                    Precision::Int8 => super::x86::int8::<false>(count, half, pixel, args),
                    Precision::Bf16 => super::x86::bf16::<false>(count, half, pixel, args),
                    _ => super::x86::avx512::<false>(count, half, pixel, args),
                }
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Level::Avx512Full, precision) => unsafe {
                match precision {
                    Precision::Int8 => super::x86::int8::<true>(count, half, pixel, args),
                    Precision::Bf16 => super::x86::bf16::<true>(count, half, pixel, args),
                    _ => super::x86::avx512::<true>(count, half, pixel, args),
                }
            },
        }
    }
}

/// The least and the largest value of each row of a map.
fn range_map(x: &Map) -> Map {
    Map { width: 1, pad: 0, lanes: 2, ..*x }
}

/// Puts the weights `[inputs, taps]` of an output in the order in which tiles read them, `[blocks, taps, lanes]`: `FOLD`
/// inputs in an element.
#[inline(always)]
fn elements_of<const FOLD: usize>(
    filter: &[f32],
    taps: usize,
    lanes: usize,
    to: &mut [f32],
    element: impl Fn([f32; FOLD]) -> f32,
) {
    let weight = |input: usize, tap: usize| filter.get(input * taps + tap).copied().unwrap_or(0.0);
    if taps == 1 {
        // The order is the same: whole elements, one that is part of zeros, and zeros.
        let whole = filter.as_chunks::<FOLD>().0;
        let (first, last) = to.split_at_mut(whole.len());
        first.iter_mut().zip(whole).for_each(|(to, w)| *to = element(*w));
        for (index, to) in last.iter_mut().enumerate() {
            *to = element(std::array::from_fn(|n| weight((whole.len() + index) * FOLD + n, 0)));
        }
        return;
    }
    for (block, to) in to.chunks_exact_mut(taps * lanes).enumerate() {
        for (tap, to) in to.chunks_exact_mut(lanes).enumerate() {
            for (lane, to) in to.iter_mut().enumerate() {
                let first = (block * lanes + lane) * FOLD;
                *to = element(std::array::from_fn(|n| weight(first + n, tap)));
            }
        }
    }
}

/// The same in eight bits: four inputs in an element. Returns the sum of all.
#[inline(always)]
fn bytes_of(filter: &[f32], taps: usize, step: f32, to: &mut [f32]) -> i32 {
    let mut sum = 0;
    elements_of(filter, taps, BYTES, to, |four: [f32; 4]| {
        let four = four.map(|w| quantised(w, step));
        f32::from_bits(u32::from_le_bytes(four.map(|byte| byte.to_le_bytes()[0])))
    });
    for w in filter {
        sum += i32::from(quantised(*w, step));
    }
    sum
}

/// What a weight of eight bits stands for.
#[inline(always)]
fn step_of(filter: &[f32]) -> f32 {
    let larger = |most: f32, w: f32| if w.abs() > most { w.abs() } else { most };
    // Several at a time, which become vectors.
    let (chunks, rest) = filter.as_chunks::<LANES>();
    let lanes = chunks.iter().fold([0f32; LANES], |most, w| std::array::from_fn(|i| larger(most[i], w[i])));
    let most = lanes.iter().chain(rest).fold(0f32, |most, w| larger(most, *w));
    if most > 0.0 && most.is_finite() { most / 127.0 } else { 1.0 }
}

/// A weight in steps.
#[inline(always)]
fn quantised(weight: f32, step: f32) -> i8 {
    // Adding 1.5 · 2^23 rounds to a whole number, which then stands in the last bits.
    (weight / step + 12_582_912.0).to_bits() as i8
}
