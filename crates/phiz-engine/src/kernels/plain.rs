//! A tile in plain Rust: what every other one is held to, and what runs where there is none.

use super::tile::{MOST_BLOCKS, MOST_HALF, TileArgs};
use super::{LANES, SHORT};

/// The sums of a tile: by block, pixel and lane.
type Sums<T> = [[[T; LANES]; 2 * MOST_HALF]; MOST_BLOCKS];

/// Computes `count` blocks of `2 · half` pixels, which lie `pixel` elements apart in the input.
///
/// # Safety
/// For each half and each of its pixels: `args.x` may be read at `blocks` blocks, `rows` rows and `steps` elements,
/// `args.w` at `blocks · rows · steps · count · 8`, `args.bias` at `count · 8`; `args.out` may be written, and `args.add`
/// (if it is not null) read, at eight elements of each of `count` blocks.
pub(super) unsafe fn tile<const BF16: bool>(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    let size = size_of::<f32>();
    let mut sums: Sums<f32> = [[[0.0; LANES]; 2 * MOST_HALF]; MOST_BLOCKS];
    for (block, pixels) in sums.iter_mut().enumerate().take(count) {
        for (lane, value) in (0..LANES).map(|lane| (lane, block * LANES + lane)) {
            // SAFETY: `bias` holds a number for each channel of the tile.
            let bias = unsafe { *args.bias.add(value) };
            pixels.iter_mut().for_each(|sum| sum[lane] = bias);
        }
    }
    let at = |h: usize, side: usize| h * pixel + side * args.x_half / size;
    let mut w = args.w;
    for block in 0..args.blocks {
        for row in 0..args.rows {
            for step in 0..args.steps {
                for (b, pixels) in sums.iter_mut().enumerate().take(count) {
                    // SAFETY: a weight for each input and each channel of the tile.
                    let weights = unsafe { w.add(b * LANES).cast::<[f32; LANES]>().read() };
                    for (index, sum) in pixels.iter_mut().enumerate().take(2 * half) {
                        let offset = block * args.x_block / size + row * args.x_row / size + step;
                        // SAFETY: an input of a pixel of the tile.
                        let x = unsafe { *args.x.add(offset + at(index / 2, index % 2)) };
                        for (sum, w) in sum.iter_mut().zip(weights) {
                            if BF16 {
                                let ([a, b], [c, d]) = (pair(x), pair(w));
                                *sum += a * c + b * d;
                            } else {
                                *sum += x * w;
                            }
                        }
                    }
                }
                // SAFETY: at most one past the last weight.
                w = unsafe { w.add(count * LANES) };
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { finish(count, half, &sums, args) };
}

/// Adds, clamps and stores the sums of a tile.
///
/// # Safety
/// As [`tile`].
unsafe fn finish(count: usize, half: usize, sums: &Sums<f32>, args: &TileArgs) {
    let size = size_of::<f32>();
    let [least, most] = args.clamp;
    for (b, pixels) in sums.iter().enumerate().take(count) {
        for (index, sum) in pixels.iter().enumerate().take(2 * half) {
            let (h, side) = (index / 2, index % 2);
            let mut sum = *sum;
            if !args.add.is_null() {
                let offset = (b * args.add_block + side * args.add_half) / size;
                let more = if args.add_short == 1 {
                    // SAFETY: four elements of a pixel and a block of what is added.
                    expand(unsafe { args.add.add(offset + h * SHORT).cast::<[f32; SHORT]>().read() })
                } else {
                    // SAFETY: eight elements of a pixel and a block of what is added.
                    unsafe { args.add.add(offset + h * LANES).cast::<[f32; LANES]>().read() }
                };
                sum.iter_mut().zip(more).for_each(|(sum, v)| *sum += v);
            }
            let sum = sum.map(|v| if v < least { least } else { v }).map(|v| if v > most { most } else { v });
            let offset = (b * args.out_block + side * args.out_half) / size;
            if args.out_short == 1 {
                // SAFETY: four elements of a pixel and a block of what goes out.
                unsafe { args.out.add(offset + h * SHORT).cast::<[f32; SHORT]>().write(shorten(sum)) };
            } else {
                // SAFETY: eight elements of a pixel and a block of what goes out.
                unsafe { args.out.add(offset + h * LANES).cast::<[f32; LANES]>().write(sum) };
            }
        }
    }
}

/// Computes a tile of whole numbers: inputs are fours of bytes without a sign, weights such with one.
///
/// # Safety
/// As [`tile`]; `args.bias` holds whole numbers of 32 bits, `args.scale` and `args.offset` may be read at `count · 8`.
pub(super) unsafe fn tile_int8(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    let size = size_of::<f32>();
    let mut sums: Sums<i32> = [[[0; LANES]; 2 * MOST_HALF]; MOST_BLOCKS];
    let at = |h: usize, side: usize| h * pixel + side * args.x_half / size;
    let mut w = args.w;
    for block in 0..args.blocks {
        for row in 0..args.rows {
            for step in 0..args.steps {
                for (b, pixels) in sums.iter_mut().enumerate().take(count) {
                    // SAFETY: a weight for each input and each channel of the tile.
                    let weights = unsafe { w.add(b * LANES).cast::<[[i8; 4]; LANES]>().read() };
                    for (index, sum) in pixels.iter_mut().enumerate().take(2 * half) {
                        let offset = block * args.x_block / size + row * args.x_row / size + step;
                        // SAFETY: an input of a pixel of the tile.
                        let x =
                            unsafe { args.x.add(offset + at(index / 2, index % 2)).cast::<[u8; 4]>().read() };
                        for (sum, w) in sum.iter_mut().zip(weights) {
                            *sum += (0..4).map(|i| i32::from(x[i]) * i32::from(w[i])).sum::<i32>();
                        }
                    }
                }
                // SAFETY: at most one past the last weight.
                w = unsafe { w.add(count * LANES) };
            }
        }
    }
    let mut real: Sums<f32> = [[[0.0; LANES]; 2 * MOST_HALF]; MOST_BLOCKS];
    for b in 0..count {
        for lane in 0..LANES {
            let channel = b * LANES + lane;
            // SAFETY: each holds a number for each channel of the tile.
            let (start, scale, offset) = unsafe {
                (*args.bias.cast::<i32>().add(channel), *args.scale.add(channel), *args.offset.add(channel))
            };
            for index in 0..2 * half {
                real[b][index][lane] = (sums[b][index][lane] + start) as f32 * scale + offset;
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { finish(count, half, &real, args) };
}

/// The two numbers of a pair in bf16, the even channel first.
pub(super) fn pair(word: f32) -> [f32; 2] {
    let bits = word.to_bits();
    [f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000)]
}

/// Two numbers as a pair in bf16, rounded to the nearest, to even if it is a tie.
pub(super) fn paired(even: f32, odd: f32) -> f32 {
    let short = |v: f32| {
        let bits = v.to_bits();
        if v.is_nan() { bits >> 16 | 0x40 } else { (bits + 0x7fff + (bits >> 16 & 1)) >> 16 }
    };
    f32::from_bits(short(even) | short(odd) << 16)
}

/// A block of channels of its pairs in bf16.
pub(super) fn expand(words: [f32; SHORT]) -> [f32; LANES] {
    let mut values = [0.0; LANES];
    values.as_chunks_mut::<2>().0.iter_mut().zip(words).for_each(|(to, word)| *to = pair(word));
    values
}

/// The way back, rounded.
pub(super) fn shorten(values: [f32; LANES]) -> [f32; SHORT] {
    let mut words = [0.0; SHORT];
    words.iter_mut().zip(values.as_chunks::<2>().0).for_each(|(to, [even, odd])| *to = paired(*even, *odd));
    words
}
