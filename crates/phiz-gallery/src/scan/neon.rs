//! The kernel for 64-bit ARM; every such processor has NEON.
#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::{LANES, block_bytes};

/// Needs NEON.
pub(super) fn neon(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    let rows = blocks.len() / block_bytes(dim) * LANES;
    for (probe, out) in probes.chunks_exact(dim).zip(out.chunks_exact_mut(rows)) {
        for (block, out) in blocks.chunks_exact(block_bytes(dim)).zip(out.chunks_exact_mut(LANES)) {
            // SAFETY: `super::kernels` lists this kernel only where NEON was found.
            unsafe { neon_block(block, probe, out) };
        }
    }
}

/// One block × one probe. Eight bytes hold eight values of two rows; their products are added in pairs, so that each
/// row keeps two partial sums until the end. Two products of 15 × 127 fit 16 bits.
#[target_feature(enable = "neon")]
fn neon_block(block: &[u8], probe: &[i8], out: &mut [i32]) {
    assert!(block.len() == block_bytes(probe.len()) && out.len() == LANES);
    let low = vdup_n_u8(15);
    let all =
        |four: [i8; 4]| vreinterpret_s8_s32(vdup_n_s32(i32::from_ne_bytes(four.map(i8::cast_unsigned))));
    let mut sums = [vdupq_n_s32(0); LANES / 2];
    for (bytes, &[a, b, c, d, e, f, g, h]) in
        block.as_chunks::<{ LANES * 4 }>().0.iter().zip(probe.as_chunks::<8>().0)
    {
        let (first, second) = (all([a, b, c, d]), all([e, f, g, h]));
        for (pair, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `bytes` has 64 bytes and pair < 8.
            let rows = unsafe { vld1_u8(bytes.as_ptr().add(pair * 8)) };
            let lower = vreinterpret_s8_u8(vand_u8(rows, low));
            let upper = vreinterpret_s8_u8(vshr_n_u8::<4>(rows));
            *sum = vpadalq_s16(*sum, vmlal_s8(vmull_s8(lower, first), upper, second));
        }
    }
    for (pairs, out) in sums.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        // SAFETY: `out` has room for four values.
        unsafe { vst1q_s32(out.as_mut_ptr(), vpaddq_s32(pairs[0], pairs[1])) };
    }
}
