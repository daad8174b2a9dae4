//! Tiles for ARM's NEON: thirty-two registers of four lanes, two of which hold a block.
//!
//! Written with intrinsics: twenty-four sums, six weights and an input fit into the registers, so the compiler has no
//! reason to spill. Two products have no intrinsic in stable Rust and are one instruction each: those of pairs in bf16 and of fours
//! of bytes. Tested under an emulator against plain Rust; nobody has measured it on a processor yet.

use std::arch::aarch64::{
    float32x4_t, uint16x4_t, vaddq_f32, vaddq_u32, vandq_u32, vbslq_u32, vceqq_f32, vcombine_u16,
    vcvtq_f32_s32, vdupq_n_f32, vdupq_n_u32, vfmaq_n_f32, vget_high_u16, vget_low_u16, vld1q_f32, vld1q_u16,
    vmaxq_f32, vminq_f32, vmovl_u16, vmovn_u32, vmulq_f32, vorrq_u32, vreinterpretq_f32_u32,
    vreinterpretq_s32_f32, vreinterpretq_u32_f32, vshlq_n_u32, vshrq_n_u32, vst1q_f32, vst1q_u16,
};
use std::arch::asm;

use super::tile::{MOST_BLOCKS, TileArgs};
use super::{LANES, SHORT};

/// Most pixels of half a tile by number of blocks.
pub(super) const HALVES: [usize; MOST_BLOCKS + 1] = [0, 6, 3, 2, 0];

/// The function that computes a tile of so many blocks and pixels.
macro_rules! by_size {
    ($products:ty, $count:expr, $half:expr, $pixel:expr, $args:expr) => {
        match ($count, $half) {
            (1, 1) => run::<$products, 1, 1>($pixel, $args),
            (1, 2) => run::<$products, 1, 2>($pixel, $args),
            (1, 3) => run::<$products, 1, 3>($pixel, $args),
            (1, 4) => run::<$products, 1, 4>($pixel, $args),
            (1, 5) => run::<$products, 1, 5>($pixel, $args),
            (1, 6) => run::<$products, 1, 6>($pixel, $args),
            (2, 1) => run::<$products, 2, 1>($pixel, $args),
            (2, 2) => run::<$products, 2, 2>($pixel, $args),
            (2, 3) => run::<$products, 2, 3>($pixel, $args),
            (3, 1) => run::<$products, 3, 1>($pixel, $args),
            (3, 2) => run::<$products, 3, 2>($pixel, $args),
            (count, half) => unreachable!("no tile of {count} blocks and twice {half} pixels"),
        }
    };
}

/// Computes a tile of single precision.
///
/// # Safety
/// As [`super::plain::tile`].
pub(super) unsafe fn f32(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    // SAFETY: the caller's promise.
    unsafe { by_size!(Single, count, half, pixel, args) }
}

/// Computes a tile whose input and weights are pairs of bf16.
///
/// # Safety
/// As [`super::plain::tile`], and the processor has BF16.
#[target_feature(enable = "bf16")]
pub(super) unsafe fn bf16(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    // SAFETY: the caller's promise.
    unsafe { by_size!(Pairs, count, half, pixel, args) }
}

/// Computes a tile whose input and weights are fours of bytes with a sign.
///
/// # Safety
/// As [`super::plain::tile_int8`] but for the sign, and the processor has DotProd.
#[target_feature(enable = "dotprod")]
pub(super) unsafe fn int8(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    // SAFETY: the caller's promise.
    unsafe { by_size!(Fours, count, half, pixel, args) }
}

/// What an input and a weight are, each an element of 32 bits, and how they are multiplied.
trait Products {
    /// Whether sums are whole numbers, of which a factor and an offset make what they stand for.
    const WHOLE: bool;
    /// `sum + x · w` in each lane.
    ///
    /// # Safety
    /// The processor has the instruction.
    unsafe fn add(sum: float32x4_t, x: f32, w: float32x4_t) -> float32x4_t;
}

struct Single;
struct Pairs;
struct Fours;

impl Products for Single {
    const WHOLE: bool = false;

    #[inline(always)]
    unsafe fn add(sum: float32x4_t, x: f32, w: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every processor of this kind.
        unsafe { vfmaq_n_f32(sum, w, x) }
    }
}

impl Products for Pairs {
    const WHOLE: bool = false;

    #[inline(always)]
    unsafe fn add(mut sum: float32x4_t, x: f32, w: float32x4_t) -> float32x4_t {
        // SAFETY: reads and writes the registers that it names.
        unsafe {
            asm!("bfdot {sum:v}.4s, {w:v}.8h, {x:v}.2h[0]", sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x,
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }
}

impl Products for Fours {
    const WHOLE: bool = true;

    #[inline(always)]
    unsafe fn add(mut sum: float32x4_t, x: f32, w: float32x4_t) -> float32x4_t {
        // SAFETY: reads and writes the registers that it names.
        unsafe {
            asm!("sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[0]", sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x,
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }
}

/// A block of a pixel.
type Block = [float32x4_t; 2];

/// # Safety
/// As [`f32`], [`bf16`] or [`int8`].
#[inline(always)]
unsafe fn run<P: Products, const COUNT: usize, const HALF: usize>(pixel: usize, args: &TileArgs) {
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
                for (side, sums) in sums.iter_mut().enumerate() {
                    for (h, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: this input of a pixel of the tile.
                        let input = unsafe { *x.byte_add(side * args.x_half).add(h * pixel) };
                        for (sum, w) in sums.iter_mut().flatten().zip(weights.iter().flatten()) {
                            // SAFETY: the caller's promise.
                            *sum = unsafe { P::add(*sum, input, *w) };
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
                // SAFETY: a factor and an offset for each channel of the tile; a pixel of the tile in what is added and in what
                // goes out.
                unsafe {
                    if P::WHOLE {
                        let (scale, offset) =
                            (load(args.scale.add(c * LANES)), load(args.offset.add(c * LANES)));
                        for (part, sum) in sum.iter_mut().enumerate() {
                            let real = vcvtq_f32_s32(vreinterpretq_s32_f32(*sum));
                            *sum = vaddq_f32(vmulq_f32(real, scale[part]), offset[part]);
                        }
                    }
                    if !args.add.is_null() {
                        let from = args.add.add((c * args.add_block + side * args.add_half) / SIZE);
                        let more = match args.add_short {
                            1 => expand(from.add(h * SHORT)),
                            _ => load(from.add(h * LANES)),
                        };
                        sum = [vaddq_f32(sum[0], more[0]), vaddq_f32(sum[1], more[1])];
                    }
                    let sum = sum.map(|v| vminq_f32(vmaxq_f32(v, least), most));
                    let out = args.out.add((c * args.out_block + side * args.out_half) / SIZE);
                    if args.out_short == 1 {
                        let [low, high] = sum.map(|v| shorten(v));
                        vst1q_u16(out.add(h * SHORT).cast(), vcombine_u16(low, high));
                    } else {
                        vst1q_f32(out.add(h * LANES), sum[0]);
                        vst1q_f32(out.add(h * LANES + 4), sum[1]);
                    }
                }
            }
        }
    }
}

/// A block of bf16.
///
/// # Safety
/// There is one at the address.
#[inline(always)]
unsafe fn expand(from: *const f32) -> Block {
    // SAFETY: the caller's promise; NEON is part of every processor of this kind.
    unsafe {
        let halves = vld1q_u16(from.cast());
        [vget_low_u16(halves), vget_high_u16(halves)]
            .map(|halves| vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(halves))))
    }
}

/// Four numbers in bf16, rounded to the nearest, to even if it is a tie; what is no number stays so.
#[inline(always)]
fn shorten(values: float32x4_t) -> uint16x4_t {
    // SAFETY: NEON is part of every processor of this kind.
    unsafe {
        let bits = vreinterpretq_u32_f32(values);
        let upper = vshrq_n_u32::<16>(bits);
        let even = vandq_u32(upper, vdupq_n_u32(1));
        let rounded = vshrq_n_u32::<16>(vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), even));
        let none = vorrq_u32(upper, vdupq_n_u32(0x40));
        vmovn_u32(vbslq_u32(vceqq_f32(values, values), rounded, none))
    }
}
