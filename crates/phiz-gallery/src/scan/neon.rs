//! The kernel for 64-bit ARM; every such processor has NEON.
#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::LANES;

/// Needs NEON.
pub(super) fn neon(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    let rows = blocks.len() / dim;
    for (probe, out) in probes.chunks_exact(dim).zip(out.chunks_exact_mut(rows)) {
        for (block, out) in blocks.chunks_exact(LANES * dim).zip(out.chunks_exact_mut(LANES)) {
            // SAFETY: `super::kernels` lists this kernel only where NEON was found.
            unsafe { neon_block(block, probe, out) };
        }
    }
}

/// One block × one probe. Eight bytes hold four values of two rows; their products are added in pairs, so that each
/// row keeps two partial sums until the end.
#[target_feature(enable = "neon")]
fn neon_block(block: &[u8], probe: &[i8], out: &mut [i32]) {
    assert!(block.len() == LANES * probe.len() && out.len() == LANES);
    let sign = vdup_n_u8(0x80);
    let mut sums = [vdupq_n_s32(0); LANES / 2];
    for (bytes, four) in block.as_chunks::<{ LANES * 4 }>().0.iter().zip(probe.as_chunks::<4>().0) {
        let values = vreinterpret_s8_s32(vdup_n_s32(i32::from_ne_bytes(four.map(i8::cast_unsigned))));
        for (pair, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `bytes` has 64 bytes and pair < 8.
            let rows = unsafe { vld1_u8(bytes.as_ptr().add(pair * 8)) };
            let rows = vreinterpret_s8_u8(veor_u8(rows, sign));
            *sum = vpadalq_s16(*sum, vmull_s8(rows, values));
        }
    }
    // The sign bit was taken off each value: put 128 × the probe's sum back, so that all kernels agree.
    let back = vdupq_n_s32(super::offset(probe));
    for (pairs, out) in sums.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        let four = vaddq_s32(vpaddq_s32(pairs[0], pairs[1]), back);
        // SAFETY: `out` has room for four values.
        unsafe { vst1q_s32(out.as_mut_ptr(), four) };
    }
}
