//! Tiles for ARM's NEON: thirty-two registers of four lanes, two of which hold a block.
//!
//! Written with intrinsics: twenty-four sums, six weights and an input fit into the registers, so the compiler has no
//! reason to spill. Tested under an emulator against plain Rust; nobody has measured it on a processor yet.

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_n_f32, vld1q_f32, vmaxq_f32, vminq_f32, vst1q_f32,
};

use super::LANES;
use super::tile::{MOST_BLOCKS, TileArgs};

/// Most pixels of half a tile by number of blocks.
pub(super) const HALVES: [usize; MOST_BLOCKS + 1] = [0, 6, 3, 2, 0];

/// Computes a tile.
///
/// # Safety
/// As [`super::plain::tile`]; neither what is added nor what goes out is bf16.
pub(super) unsafe fn tile(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    // SAFETY: the caller's promise.
    unsafe {
        match (count, half) {
            (1, 1) => run::<1, 1>(pixel, args),
            (1, 2) => run::<1, 2>(pixel, args),
            (1, 3) => run::<1, 3>(pixel, args),
            (1, 4) => run::<1, 4>(pixel, args),
            (1, 5) => run::<1, 5>(pixel, args),
            (1, 6) => run::<1, 6>(pixel, args),
            (2, 1) => run::<2, 1>(pixel, args),
            (2, 2) => run::<2, 2>(pixel, args),
            (2, 3) => run::<2, 3>(pixel, args),
            (3, 1) => run::<3, 1>(pixel, args),
            (3, 2) => run::<3, 2>(pixel, args),
            _ => unreachable!("no tile of {count} blocks and twice {half} pixels"),
        }
    }
}

/// A block of a pixel.
type Block = [float32x4_t; 2];

/// # Safety
/// As [`tile`].
unsafe fn run<const COUNT: usize, const HALF: usize>(pixel: usize, args: &TileArgs) {
    const SIZE: usize = size_of::<f32>();
    // SAFETY: the caller promises that there is a block at each address that is read or written below.
    let load = |from: *const f32| -> Block { unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] } };
    // SAFETY: a bias for each channel of the tile.
    let bias: [Block; COUNT] = std::array::from_fn(|c| load(unsafe { args.bias.add(c * LANES) }));
    let mut sums = [[bias; HALF]; 2];
    let mut w = args.w;
    for block in 0..args.blocks {
        for row in 0..args.rows {
            // SAFETY: the first input of this row of the kernel.
            let mut x = unsafe { args.x.byte_add(block * args.x_block + row * args.x_row) };
            for _ in 0..args.steps {
                // SAFETY: a weight for each channel of the tile.
                let weights: [Block; COUNT] = std::array::from_fn(|c| load(unsafe { w.add(c * LANES) }));
                for side in 0..2 {
                    for h in 0..HALF {
                        // SAFETY: this input of a pixel of the tile.
                        let input = unsafe { *x.byte_add(side * args.x_half).add(h * pixel) };
                        for c in 0..COUNT {
                            for part in 0..2 {
                                let sum = &mut sums[side][h][c][part];
                                // SAFETY: NEON is part of every processor of this kind.
                                *sum = unsafe { vfmaq_n_f32(*sum, weights[c][part], input) };
                            }
                        }
                    }
                }
                // SAFETY: at most one past the last.
                (x, w) = unsafe { (x.add(1), w.add(COUNT * LANES)) };
            }
        }
    }
    // SAFETY: NEON is part of every processor of this kind; it keeps what is no number.
    let [least, most] = args.clamp.map(|v| unsafe { vdupq_n_f32(v) });
    for side in 0..2 {
        for h in 0..HALF {
            for c in 0..COUNT {
                let mut sum = sums[side][h][c];
                // SAFETY: a pixel of the tile in what is added and in what goes out.
                unsafe {
                    if !args.add.is_null() {
                        let offset = (c * args.add_block + side * args.add_half) / SIZE + h * LANES;
                        let more = load(args.add.add(offset));
                        sum = [vaddq_f32(sum[0], more[0]), vaddq_f32(sum[1], more[1])];
                    }
                    let out = args.out.add((c * args.out_block + side * args.out_half) / SIZE + h * LANES);
                    vst1q_f32(out, vminq_f32(vmaxq_f32(sum[0], least), most));
                    vst1q_f32(out.add(4), vminq_f32(vmaxq_f32(sum[1], least), most));
                }
            }
        }
    }
}
