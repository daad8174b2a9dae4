//! Dense convolutions as products of small matrices, as Intel's AMX computes them.
//!
//! AMX has eight registers that hold a matrix of up to 16 rows of 64 bytes. One instruction adds to 16×16 sums the product
//! of 16 pixels, with 32 channels in bf16 or 64 in eight bits, and the weights of 16 outputs. Four registers are sums (32
//! pixels times 32 outputs), two are pixels and two are weights.
//!
//! # Layout
//! Elsewhere the channels of a pixel lie in blocks far apart; here they must lie together. So the rows of the input that a
//! strip of the output is computed from are laid into a room of the thread's own first: a pixel is a whole number of
//! matrix rows, and what is beyond its channels is zero. With stride 2, even and odd rows and columns are laid apart, into
//! up to four planes ("phases"), so that neighbouring outputs always read neighbouring pixels. A strip is then one line of
//! pixels: an output stands at `row · pitch + column`, each place of the kernel is a distance, and the few outputs at the
//! end of a row that would read beyond it are computed and thrown away. Rows of seven pixels fill matrices like this
//! as well as long ones.
//!
//! Where one pixel comes out (a fully connected layer), the pixels of the line are the pictures of a batch.
//!
//! # Tests
//! The same strips are computed with products in plain Rust in tests ([`Matrices::Plain`]) on every processor. The assembly
//! runs in tests on every x86 Linux with AVX-512 BF16 and VNNI: where there is no AMX, `amx/emulated.rs` does by hand what each
//! of its instructions does.

#[cfg(all(test, target_arch = "x86_64", target_os = "linux", not(miri)))]
mod emulated;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

use super::quantise::Steps;
use super::team::Pointer;
use super::{Aligned, BYTES, ConvShape, Isa, LANES, Level, Map, Matrices, SHORT, plain};
use crate::Precision;

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) use x86::is_granted;
#[cfg(all(test, target_arch = "x86_64", not(miri)))]
pub(super) use x86::ran;

/// Rows of a matrix, and the outputs or fours of bytes in a row.
const SIDE: usize = 16;
/// Elements of a matrix.
const MATRIX: usize = SIDE * SIDE;
/// Matrices side by side that are multiplied at once, of pixels and of outputs.
const PAIR: usize = 2;
/// Elements of a strip's input, about: what stays in a core's cache beside the weights (256 KiB).
const STRIP: usize = if cfg!(test) { 1024 } else { 64 * 1024 };
/// Elements in a cache line.
const LINE: usize = 16;

/// Whether a convolution is computed here: if a pixel fills at least half of a matrix row, and the outputs a matrix. Narrower
/// ones would lay out as much for less.
pub(super) fn suits(shape: &ConvShape, isa: Isa) -> bool {
    let least = [shape.together() * SIDE / 2, SIDE].map(|least| if cfg!(test) { 1 } else { least });
    isa.1 != Matrices::No
        && matches!(shape.lanes, SHORT | BYTES)
        && shape.inputs >= least[0]
        && shape.outputs >= least[1]
}

impl ConvShape {
    /// Channels that an element of four bytes holds.
    fn together(&self) -> usize {
        LANES / self.lanes
    }

    /// Matrix rows that a pixel fills.
    fn chunks(&self) -> usize {
        self.inputs.div_ceil(self.together() * SIDE)
    }

    /// Products of matrices that a sum is made of.
    fn products(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.chunks()
    }
}

/// Weights as matrices: `[pair of 16 outputs][place of the kernel][chunk of channels][one of the pair][row][output]`. A row
/// holds two channels in bf16, or four in eight bits, of each output. A single matrix is left where the outputs end.
#[derive(Clone, Debug)]
pub(super) struct Weights(Aligned);

impl Weights {
    pub(super) fn zeros(shape: &ConvShape) -> Weights {
        Weights(Aligned::zeros(shape.outputs.div_ceil(SIDE) * shape.products() * MATRIX))
    }

    /// Puts in the weights of an output, `[inputs, rows, columns]`; returns the sum of what `byte` makes of them if the
    /// convolution multiplies bytes.
    #[inline(always)]
    pub(super) fn pack(
        &mut self,
        shape: &ConvShape,
        output: usize,
        filter: &[f32],
        byte: impl Fn(f32) -> i8,
    ) -> i32 {
        let (taps, together) = (shape.kernel[0] * shape.kernel[1], shape.together());
        let (pair, one) = (output / (PAIR * SIDE), output / SIDE % PAIR);
        let wide = wide(shape, pair);
        let begin = pair * PAIR * shape.products() * MATRIX;
        let mut sum = 0;
        for tap in 0..taps {
            for (index, first) in (0..shape.inputs).step_by(together).enumerate() {
                let weight = |channel: usize| match first + channel < shape.inputs {
                    true => filter[(first + channel) * taps + tap],
                    false => 0.0,
                };
                let word = if shape.lanes == BYTES {
                    let four: [i8; 4] = std::array::from_fn(|channel| byte(weight(channel)));
                    sum += four.iter().map(|byte| i32::from(*byte)).sum::<i32>();
                    f32::from_bits(u32::from_le_bytes(four.map(i8::cast_unsigned)))
                } else {
                    plain::paired(weight(0), weight(1))
                };
                let product = tap * shape.chunks() + index / SIDE;
                let matrix = begin + (product * wide + one) * MATRIX;
                self.0[matrix + index % SIDE * SIDE + output % SIDE] = word;
            }
        }
        sum
    }

    /// Elements.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Matrices of weights side by side in a pair: one in the last if the outputs end with it.
fn wide(shape: &ConvShape, pair: usize) -> usize {
    (shape.outputs - pair * PAIR * SIDE).div_ceil(SIDE).min(PAIR)
}

/// How the input of some rows of the output lies in the room. Counts pixels unless it says otherwise.
struct Layout {
    /// Elements of a pixel.
    pixel: usize,
    /// Planes of rows and of columns: 2 for even and odd ones.
    phases: [usize; 2],
    /// From one row to the next.
    pitch: usize,
    /// Rows and columns that the kernel reaches on within a plane.
    reach: [usize; 2],
}

impl Layout {
    fn of(shape: &ConvShape, out: &Map) -> Layout {
        let reach = shape.kernel.map(|k| (k - 1) / shape.stride);
        let phases = shape.kernel.map(|k| k.min(shape.stride));
        Layout { pixel: shape.chunks() * SIDE, phases, pitch: out.width + reach[1], reach }
    }

    /// A plane for so many rows of the output.
    fn plane(&self, rows: usize) -> usize {
        (rows + self.reach[0]) * self.pitch
    }

    /// Elements of all planes.
    fn elements(&self, rows: usize) -> usize {
        self.phases[0] * self.phases[1] * self.plane(rows) * self.pixel
    }

    /// Rows of the output whose input stays in the cache, one at least.
    fn rows(&self, out: &Map) -> usize {
        let row = self.phases[0] * self.phases[1] * self.pitch * self.pixel;
        (STRIP / row.max(1)).saturating_sub(self.reach[0]).clamp(1, out.height.max(1))
    }

    /// Pictures of which each is one pixel of the line, at most.
    fn pictures(&self) -> usize {
        (STRIP / self.elements(1).max(1)).clamp(1, SIDE)
    }
}

/// Whether one pixel comes out.
fn is_single(out: &Map) -> bool {
    out.height * out.width == 1
}

/// Elements of memory that each thread needs: distances of the products, a row of bytes, and the input of a strip, behind
/// which the last matrix may reach by its rows.
pub(super) fn room(shape: &ConvShape, x: &Map, out: &Map, pictures: usize) -> usize {
    let layout = Layout::of(shape, out);
    let strip = match is_single(out) {
        true => layout.elements(1) * layout.pictures().min(pictures),
        false => layout.elements(layout.rows(out)) + SIDE * layout.pixel,
    };
    let [distances, row] = lines(shape, x);
    distances + row + strip.next_multiple_of(LINE)
}

/// Elements of the distances and of a row of bytes.
fn lines(shape: &ConvShape, x: &Map) -> [usize; 2] {
    let distances = shape.products() * size_of::<usize>() / size_of::<f32>();
    [distances, (x.width + 2 * shape.pad) * BYTES].map(|n| n.next_multiple_of(LINE))
}

/// What inputs of eight bits stand for.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    /// The range of each picture, so many elements apart.
    pub(super) ranges: &'a [f32],
    pub(super) apart: usize,
    /// See [`super::conv::Job::scales`].
    pub(super) scales: &'a [f32],
}

/// A convolution with everything that it reads and writes.
pub(super) struct Job<'a> {
    pub(super) shape: &'a ConvShape,
    pub(super) isa: Isa,
    pub(super) weights: &'a Weights,
    /// A number for each channel of whole blocks.
    pub(super) bias: &'a [f32],
    pub(super) x_map: &'a Map,
    pub(super) x: &'a [f32],
    pub(super) bytes: Option<Bytes<'a>>,
    pub(super) add: Option<(&'a Map, &'a [f32])>,
    pub(super) out_map: &'a Map,
    pub(super) out: Pointer,
    pub(super) pictures: usize,
}

/// Where a sum goes: its row among the sums, the picture, and elements from the beginning of what goes out and of what is
/// added.
#[derive(Clone, Copy, Default)]
struct Place {
    row: usize,
    picture: usize,
    out: usize,
    add: usize,
}

/// Sums of 32 pixels and 32 outputs.
#[repr(C, align(64))]
struct Sums([[f32; PAIR * SIDE]; PAIR * SIDE]);

impl Job<'_> {
    /// Pairs of matrices of outputs.
    fn pairs(&self) -> usize {
        self.shape.outputs.div_ceil(PAIR * SIDE)
    }

    /// How many parts it has for so many threads: how it is cut changes no value.
    pub(super) fn parts(&self, threads: usize) -> usize {
        let layout = Layout::of(self.shape, self.out_map);
        if is_single(self.out_map) {
            self.pictures.div_ceil(layout.pictures()) * threads.clamp(1, self.pairs())
        } else {
            let height = self.out_map.height;
            self.pictures * height.div_ceil(layout.rows(self.out_map)).max(threads.min(height))
        }
    }

    /// Computes a part: some rows of a picture, or some outputs of some pictures.
    ///
    /// # Safety
    /// The maps fit the convolution (as `Conv::run` asserts), the slices hold as many pictures, `room` as much as [`room`]
    /// says; `out` may be written at as many pictures, and nobody else reads or writes what belongs to another part.
    pub(super) unsafe fn part(&self, part: usize, parts: usize, room: &mut [f32]) {
        let Job { shape, x_map, out_map, .. } = self;
        let layout = Layout::of(shape, out_map);
        let cut = |whole: usize, part: usize, parts: usize| whole * part / parts..whole * (part + 1) / parts;
        let single = is_single(out_map);
        let (pictures, rows, pairs) = if single {
            let together = layout.pictures();
            let splits = parts / self.pictures.div_ceil(together);
            let first = part / splits * together;
            let pictures = first..(first + together).min(self.pictures);
            (pictures, 0..1, cut(self.pairs(), part % splits, splits))
        } else {
            let strips = parts / self.pictures;
            let picture = part / strips;
            (picture..picture + 1, cut(out_map.height, part % strips, strips), 0..self.pairs())
        };
        let [distances, row] = lines(shape, x_map);
        let (distances, room) = room.split_at_mut(distances);
        let (line, strip) = room.split_at_mut(row);
        // SAFETY: words of four bytes of which two are a number; the room begins at a cache line, or else at an element, and
        // what is not aligned is left over.
        let (_, distances, _) = unsafe { distances.align_to_mut::<usize>() };
        let plane = layout.plane(rows.len()) * layout.pixel;
        let mut count = 0;
        for (y, x) in (0..shape.kernel[0]).flat_map(|y| (0..shape.kernel[1]).map(move |x| (y, x))) {
            let stride = shape.stride;
            let phase = y % stride * layout.phases[1] + x % stride;
            let pixel = y / stride * layout.pitch + x / stride;
            for chunk in 0..shape.chunks() {
                let elements = phase * plane + pixel * layout.pixel + chunk * SIDE;
                distances[count] = elements * size_of::<f32>();
                count += 1;
            }
        }
        let distances = &distances[..count];
        let each = layout.elements(rows.len());
        for (picture, strip) in pictures.clone().zip(strip.chunks_mut(each.max(1))) {
            self.lay(&layout, picture, rows.clone(), line, strip);
        }
        let first_block = pairs.start * PAIR * SIDE / LANES;
        let blocks = first_block..(pairs.end * PAIR * SIDE / LANES).min(out_map.blocks());
        for picture in pictures.clone() {
            for block in blocks.clone() {
                // SAFETY: the caller's promise: these rows are this call's alone.
                unsafe {
                    let picture = self.out.get().add(picture * out_map.picture());
                    out_map.clear_beside(picture, block, rows.clone());
                }
            }
        }
        let (positions, apart) = match single {
            true => (pictures.len(), each),
            false => ((rows.len() - 1) * layout.pitch + out_map.width, layout.pixel),
        };
        // SAFETY: with AMX the processor has it and the system has granted it, else there was no such `Isa`.
        let _configured = unsafe { Configured::new(self.isa, positions.min(SIDE)) };
        let mut sums = Sums([[0.0; PAIR * SIDE]; PAIR * SIDE]);
        for pair in pairs {
            for first in (0..positions).step_by(PAIR * SIDE) {
                let left = positions - first;
                let product = Product {
                    pixels: strip[first * apart..].as_ptr(),
                    distances,
                    weights: self.weights.0[pair * PAIR * shape.products() * MATRIX..].as_ptr(),
                    apart: apart * size_of::<f32>(),
                    rows: positions.min(SIDE),
                    tall: left.div_ceil(SIDE).min(PAIR),
                    wide: wide(shape, pair),
                    bytes: self.bytes.is_some(),
                };
                // SAFETY: the strip holds the input of all positions, and behind it as many pixels as a matrix has rows where
                // positions are not fewer than those (`room`); the weights hold `distances` products of each pair. The
                // registers are configured for these rows.
                unsafe { product.run(self.isa, &mut sums) };
                let mut places = [Place::default(); PAIR * SIDE];
                let mut count = 0;
                for row in 0..left.min(PAIR * SIDE) {
                    let position = first + row;
                    let (picture, y, x) = match single {
                        true => (pictures.start + position, 0, 0),
                        false => {
                            (pictures.start, rows.start + position / layout.pitch, position % layout.pitch)
                        }
                    };
                    if x < out_map.width {
                        let at = |map: &Map| {
                            let block = pair * PAIR * SIDE / LANES;
                            picture * map.picture() + map.inner(block) + map.at(0, y, x)
                        };
                        let add = self.add.map_or(0, |(map, _)| at(map));
                        places[count] = Place { row, picture, out: at(out_map), add };
                        count += 1;
                    }
                }
                // SAFETY: places of this part's rows and blocks.
                unsafe { self.finish(pair, &places[..count], &sums) };
            }
        }
    }

    /// Lays the input of some rows of the output into the room; a row of bytes is made in `line`.
    fn lay(
        &self,
        layout: &Layout,
        picture: usize,
        rows: std::ops::Range<usize>,
        line: &mut [f32],
        strip: &mut [f32],
    ) {
        let Job { shape, x_map, out_map, .. } = self;
        let (stride, lanes, pixel) = (shape.stride, shape.lanes, layout.pixel);
        let start = x_map.pad - shape.pad;
        let width = x_map.width + 2 * shape.pad;
        let steps = self.bytes.map(|bytes| Steps::of(&bytes.ranges[picture * bytes.apart..][..2]));
        // Blocks that a pixel has room for; behind the last is zero.
        for block in 0..(pixel / lanes) {
            for phase in 0..layout.phases[0] {
                for y in 0..rows.len() + (shape.kernel[0] - 1 - phase) / stride {
                    let row = start + (rows.start + y) * stride + phase;
                    let begin = picture * x_map.picture() + x_map.at(block, row, start);
                    let from: Option<&[f32]> = match steps {
                        _ if block >= x_map.blocks() => None,
                        Some(steps) => {
                            let line = &mut line[..width * BYTES];
                            let from = &self.x[begin..][..width * x_map.lanes];
                            steps.quantise(from, x_map.is_short(), line, self.isa);
                            Some(line)
                        }
                        None => Some(&self.x[begin..][..width * lanes]),
                    };
                    for side in 0..layout.phases[1] {
                        let plane = (phase * layout.phases[1] + side) * layout.plane(rows.len());
                        let count = out_map.width + (shape.kernel[1] - 1 - side) / stride;
                        let to = &mut strip[(plane + y * layout.pitch) * pixel + block * lanes..];
                        let from = from.map(|from| &from[side * lanes..]);
                        match lanes {
                            SHORT => spread::<SHORT>(from, stride, to, pixel, count),
                            _ => spread::<BYTES>(from, stride, to, pixel, count),
                        }
                    }
                }
            }
        }
    }

    /// Adds, clamps and stores the sums of a pair of matrices of outputs.
    ///
    /// # Safety
    /// `out` may be written, and `add` read, at the blocks of the pair at each place.
    unsafe fn finish(&self, pair: usize, places: &[Place], sums: &Sums) {
        match self.isa.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Full if self.isa.has(Precision::Bf16) => {
                // SAFETY: the processor has AVX-512 F and VL, else there was no such `Isa`, and BF16; the rest is passed on.
                unsafe { self.finish_avx512(pair, places, sums) };
            }
            // SAFETY: passed on.
            _ => unsafe { self.finish_plainly(pair, places, sums) },
        }
    }

    /// # Safety
    /// As [`Job::finish`].
    unsafe fn finish_plainly(&self, pair: usize, places: &[Place], sums: &Sums) {
        let Job { out_map, bias, .. } = self;
        let [least, most] = self.shape.clamp;
        let first = pair * PAIR * SIDE / LANES;
        for block in first..out_map.blocks().min(first + PAIR * SIDE / LANES) {
            let channels = block * LANES..(block + 1) * LANES;
            for place in places {
                let mut values = sums.0[place.row].as_chunks::<LANES>().0[block - first];
                let bias = &bias[channels.clone()];
                if let Some(bytes) = self.bytes {
                    let [start, scale] = self.scales(bytes, place.picture);
                    for ((value, bias), channel) in values.iter_mut().zip(bias).zip(channels.clone()) {
                        let sum = value.to_bits().cast_signed() + start[channel].to_bits().cast_signed();
                        *value = sum as f32 * scale[channel] + bias;
                    }
                } else {
                    values.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
                }
                if let Some((map, data)) = self.add {
                    let data = &data[place.add + (block - first) * map.plane()..];
                    let more = match map.lanes {
                        SHORT => plain::expand(data.as_chunks::<SHORT>().0[0]),
                        _ => data.as_chunks::<LANES>().0[0],
                    };
                    values.iter_mut().zip(more).for_each(|(value, more)| *value += more);
                }
                let values = values
                    .map(|v| if v < least { least } else { v })
                    .map(|v| if v > most { most } else { v });
                let out = place.out + (block - first) * out_map.plane();
                // SAFETY: the caller's promise: a block of channels of a pixel.
                unsafe {
                    let out = self.out.get().add(out);
                    match out_map.lanes {
                        SHORT => out.cast::<[f32; SHORT]>().write(plain::shorten(values)),
                        _ => out.cast::<[f32; LANES]>().write(values),
                    }
                }
            }
        }
    }

    /// What the sums of a picture begin with, and what they are multiplied by.
    #[inline(always)]
    fn scales<'s>(&self, bytes: Bytes<'s>, picture: usize) -> [&'s [f32]; 2] {
        let channels = self.bias.len();
        let scales = &bytes.scales[picture * 2 * channels..][..2 * channels];
        let (start, scale) = scales.split_at(channels);
        [start, scale]
    }

    /// # Safety
    /// As [`Job::finish`], and the processor has AVX-512 F, VL and BF16.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
    unsafe fn finish_avx512(&self, pair: usize, places: &[Place], sums: &Sums) {
        use std::arch::x86_64::*;
        let Job { out_map, .. } = self;
        let [least, most] = self.shape.clamp.map(|bound| _mm512_set1_ps(bound));
        let first = pair * PAIR * SIDE / LANES;
        let blocks = (out_map.blocks() - first).min(PAIR * SIDE / LANES);
        let plane = out_map.plane();
        // Two blocks side by side are a vector.
        for block in (0..blocks).step_by(2) {
            let two = block + 1 < blocks;
            let known = if two { 0xffff } else { 0x00ff };
            let channel = (first + block) * LANES;
            // SAFETY: `bias` holds a number for each channel of the known blocks.
            let bias = unsafe { _mm512_maskz_loadu_ps(known, self.bias[channel..].as_ptr()) };
            for place in places {
                let from = sums.0[place.row][block * LANES..].as_ptr();
                // SAFETY: a row of sums holds sixteen from each even block on; scales hold a number for each channel, as
                // `bias` does.
                let mut values = unsafe {
                    if let Some(bytes) = self.bytes {
                        let [start, scale] = self.scales(bytes, place.picture);
                        let start = _mm512_maskz_loadu_epi32(known, start[channel..].as_ptr().cast());
                        let scale = _mm512_maskz_loadu_ps(known, scale[channel..].as_ptr());
                        let sum = _mm512_add_epi32(_mm512_loadu_si512(from.cast()), start);
                        _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), bias)
                    } else {
                        _mm512_add_ps(_mm512_loadu_ps(from), bias)
                    }
                };
                if let Some((map, data)) = self.add {
                    let at = |block: usize| data[place.add + block * map.plane()..][..map.lanes].as_ptr();
                    // SAFETY: a block of channels of what is added, in its precision.
                    let load = |block: usize| unsafe {
                        if map.is_short() {
                            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(at(block).cast()));
                            _mm256_castsi256_pd(_mm256_slli_epi32(halves, 16))
                        } else {
                            _mm256_castps_pd(_mm256_loadu_ps(at(block)))
                        }
                    };
                    let mut more = _mm512_castpd256_pd512(load(block));
                    if two {
                        more = _mm512_insertf64x4(more, load(block + 1), 1);
                    } else {
                        more = _mm512_insertf64x4(more, _mm256_setzero_pd(), 1);
                    }
                    values = _mm512_add_ps(values, _mm512_castpd_ps(more));
                }
                // The bound comes first, so that what is no number stays so.
                values = _mm512_min_ps(most, _mm512_max_ps(least, values));
                // SAFETY: the caller's promise: one or two blocks of channels of a pixel.
                unsafe {
                    let to = self.out.get().add(place.out + block * plane);
                    let next = to.wrapping_add(plane);
                    if out_map.is_short() {
                        // Both are sixteen halves.
                        let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(values));
                        _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(halves));
                        if two {
                            _mm_storeu_si128(next.cast(), _mm256_extracti128_si256(halves, 1));
                        }
                    } else {
                        _mm256_storeu_ps(to, _mm512_castps512_ps256(values));
                        if two {
                            let upper = _mm512_extractf64x4_pd(_mm512_castps_pd(values), 1);
                            _mm256_storeu_ps(next, _mm256_castpd_ps(upper));
                        }
                    }
                }
            }
        }
    }
}

/// Copies `N` elements of each of so many pixels, from every `stride`-th to every one; zeros from nothing.
#[inline(always)]
fn spread<const N: usize>(from: Option<&[f32]>, stride: usize, to: &mut [f32], pixel: usize, count: usize) {
    let to = to.chunks_mut(pixel).take(count);
    match from {
        Some(from) => {
            to.zip(from.chunks(stride * N)).for_each(|(to, from)| to[..N].copy_from_slice(&from[..N]))
        }
        None => to.for_each(|to| to[..N].fill(0.0)),
    }
}

/// A product of one or two matrices of pixels and one or two of weights, summed over places of the kernel and channels.
struct Product<'a> {
    /// The first pixel.
    pixels: *const f32,
    /// From it to the pixels of each product, in bytes.
    distances: &'a [usize],
    weights: *const f32,
    /// From one pixel to the next, in bytes.
    apart: usize,
    /// Rows of each matrix of pixels.
    rows: usize,
    /// Matrices of pixels and of weights.
    tall: usize,
    wide: usize,
    /// Bytes, not bf16.
    bytes: bool,
}

impl Product<'_> {
    /// Computes the sums; whole numbers if they are of bytes.
    ///
    /// # Safety
    /// `pixels` may be read at 64 bytes of each row of each matrix at each distance, `weights` at `wide` matrices for
    /// each distance; for AMX, its registers are configured for `rows` ([`Configured`]).
    unsafe fn run(&self, isa: Isa, sums: &mut Sums) {
        match isa.1 {
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            // SAFETY: passed on.
            Matrices::Amx => unsafe { self.amx(sums) },
            // SAFETY: passed on.
            _ => unsafe { self.plainly(sums) },
        }
    }

    /// # Safety
    /// As [`Product::run`].
    unsafe fn plainly(&self, sums: &mut Sums) {
        let size = size_of::<f32>();
        for (row, sums) in sums.0.iter_mut().enumerate() {
            if row / SIDE >= self.tall || row % SIDE >= self.rows {
                continue;
            }
            let (mut real, mut whole) = ([0f32; PAIR * SIDE], [0i32; PAIR * SIDE]);
            for (index, distance) in self.distances.iter().enumerate() {
                for four in 0..SIDE {
                    // SAFETY: an element of a pixel.
                    let x = unsafe { *self.pixels.add((distance + row * self.apart) / size + four) };
                    for one in 0..self.wide {
                        let matrix = (index * self.wide + one) * MATRIX + four * SIDE;
                        // SAFETY: a row of a matrix of weights.
                        let w = unsafe { self.weights.add(matrix).cast::<[f32; SIDE]>().read() };
                        for (output, w) in w.into_iter().enumerate() {
                            if self.bytes {
                                let (x, w) = (x.to_bits().to_le_bytes(), w.to_bits().to_le_bytes());
                                let products =
                                    x.iter().zip(w).map(|(x, w)| i32::from(*x) * i32::from(w as i8));
                                whole[one * SIDE + output] += products.sum::<i32>();
                            } else {
                                let ([a, b], [c, d]) = (plain::pair(x), plain::pair(w));
                                real[one * SIDE + output] += a * c + b * d;
                            }
                        }
                    }
                }
            }
            *sums = if self.bytes { whole.map(|sum| f32::from_bits(sum.cast_unsigned())) } else { real };
        }
    }
}

/// Registers of AMX that are configured, until it is dropped: nothing of it is left for others.
struct Configured(Isa);

impl Configured {
    /// Configures matrices of pixels and of sums with so many rows.
    ///
    /// # Safety
    /// With [`Matrices::Amx`] the processor has AMX and the system has granted it.
    unsafe fn new(isa: Isa, rows: usize) -> Configured {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if isa.1 == Matrices::Amx {
            // SAFETY: passed on.
            unsafe { x86::configure(rows) };
        }
        let _ = rows;
        Configured(isa)
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if self.0.1 == Matrices::Amx {
            // SAFETY: the processor has AMX, as whoever made this has promised.
            unsafe { x86::release() };
        }
        let _ = self.0;
    }
}
