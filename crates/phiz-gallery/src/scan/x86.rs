//! Kernels for x86-64.
//!
//! Both walk tiles of a few blocks × a few probes whose sums stay in registers; a probe's four values are broadcast
//! from memory, which the load ports do for nothing.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::LANES;

/// Four values of a probe as one 32-bit number.
fn four(probe: &[i8], at: usize) -> i32 {
    i32::from_ne_bytes([probe[at], probe[at + 1], probe[at + 2], probe[at + 3]].map(i8::cast_unsigned))
}

/// Splits the work into tiles and hands each to the kernel with that many blocks and probes.
macro_rules! tiles {
    ($blocks:ident, $probes:ident, $dim:ident, $out:ident, $tile:ident, [$(($b:literal, $p:literal)),+]) => {{
        let (rows, count) = ($blocks.len() / $dim, $probes.len() / $dim);
        let size = LANES * $dim;
        let mut block = 0;
        while block * LANES < rows {
            let left = rows / LANES - block;
            // Few probes wait for memory, and memory comes fastest in one stream; more have sums to keep busy.
            let many = if left >= 2 && count > 3 { 2 } else { 1 };
            let mut probe = 0;
            while probe < count {
                let taken = match (many, count - probe) {
                    $(($b, $p..) => {
                        let part = &$blocks[block * size..][..$b * size];
                        let few = &$probes[probe * $dim..][..$p * $dim];
                        let out = &mut $out[probe * rows + block * LANES..];
                        // SAFETY: this is only reached from a kernel that `super::kernels` lists after it has found
                        // the instructions on this machine.
                        unsafe { $tile::<$b, $p>(part, few, $dim, rows, out) };
                        $p
                    })+
                    _ => unreachable!("one block and one probe always fit"),
                };
                probe += taken;
            }
            block += many;
        }
    }};
}

/// Needs AVX-512 F, BW and VNNI.
pub(super) fn avx512_vnni(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    tiles!(
        blocks,
        probes,
        dim,
        out,
        avx512_tile,
        [(2, 8), (2, 4), (2, 2), (2, 1), (1, 8), (1, 4), (1, 2), (1, 1)]
    );
}

/// `B` blocks × `P` probes; `out` begins at the first probe's first row, `rows` values a probe.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn avx512_tile<const B: usize, const P: usize>(
    blocks: &[u8],
    probes: &[i8],
    dim: usize,
    rows: usize,
    out: &mut [i32],
) {
    let size = LANES * dim;
    assert!(blocks.len() == B * size && probes.len() == P * dim && out.len() >= (P - 1) * rows + B * LANES);
    let mut sums = [[_mm512_setzero_si512(); B]; P];
    for d in (0..dim).step_by(4) {
        let mut bytes = [_mm512_setzero_si512(); B];
        for (b, bytes) in bytes.iter_mut().enumerate() {
            // SAFETY: within `blocks`: b < B, d + 4 ≤ dim, and 16 rows × 4 bytes are 64.
            *bytes = unsafe { _mm512_loadu_si512(blocks.as_ptr().add(b * size + d * LANES).cast()) };
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            // SAFETY: within `probes`: p < P and d + 4 ≤ dim; the read needs no alignment.
            let values = unsafe { probes.as_ptr().add(p * dim + d).cast::<i32>().read_unaligned() };
            let values = _mm512_set1_epi32(values);
            for (sum, bytes) in sums.iter_mut().zip(bytes) {
                *sum = _mm512_dpbusd_epi32(*sum, bytes, values);
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        for (b, sum) in sums.iter().enumerate() {
            // SAFETY: the assertion above has room for 16 values at p × rows + b × 16.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(p * rows + b * LANES).cast(), *sum) };
        }
    }
}

/// Needs AVX2.
pub(super) fn avx2(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    tiles!(blocks, probes, dim, out, avx2_tile, [(2, 2), (2, 1), (1, 2), (1, 1)]);
}

/// As [`avx512_tile`]. `vpmaddubsw` would saturate with full 8-bit values, so even and odd bytes are widened to 16
/// bits by a mask and a shift, and multiplied there, exactly.
#[target_feature(enable = "avx2")]
fn avx2_tile<const B: usize, const P: usize>(
    blocks: &[u8],
    probes: &[i8],
    dim: usize,
    rows: usize,
    out: &mut [i32],
) {
    let size = LANES * dim;
    assert!(blocks.len() == B * size && probes.len() == P * dim && out.len() >= (P - 1) * rows + B * LANES);
    // Half a block (8 rows) fills a register.
    let mut sums = [[[_mm256_setzero_si256(); 2]; B]; P];
    let low = _mm256_set1_epi16(0xff);
    for d in (0..dim).step_by(4) {
        let mut values = [[_mm256_setzero_si256(); 2]; P];
        for (p, values) in values.iter_mut().enumerate() {
            let all = _mm256_set1_epi32(four(probes, p * dim + d));
            *values = [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(all)), _mm256_srai_epi16::<8>(all)];
        }
        for b in 0..B {
            for half in 0..2 {
                // SAFETY: within `blocks`: b < B, d + 4 ≤ dim, and two halves of 32 bytes are 16 rows × 4 bytes.
                let bytes = unsafe {
                    _mm256_loadu_si256(blocks.as_ptr().add(b * size + d * LANES + half * 32).cast())
                };
                let (even, odd) = (_mm256_and_si256(bytes, low), _mm256_srli_epi16::<8>(bytes));
                for (sums, values) in sums.iter_mut().zip(values) {
                    let products = _mm256_add_epi32(
                        _mm256_madd_epi16(even, values[0]),
                        _mm256_madd_epi16(odd, values[1]),
                    );
                    sums[b][half] = _mm256_add_epi32(sums[b][half], products);
                }
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        for (b, halves) in sums.iter().enumerate() {
            for (half, sum) in halves.iter().enumerate() {
                // SAFETY: the assertion above has room for 8 values at p × rows + b × 16 + half × 8.
                unsafe {
                    _mm256_storeu_si256(out.as_mut_ptr().add(p * rows + b * LANES + half * 8).cast(), *sum);
                }
            }
        }
    }
}
