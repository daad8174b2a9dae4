//! Kernels for x86-64.
//!
//! Both walk tiles of a few blocks × a few probes whose sums stay in registers; a probe's values are broadcast from
//! memory, which the load ports do for nothing.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{GROUP, LANES, block_bytes};

/// So few probes wait for memory.
const FEW: usize = 3;
/// Bytes ahead at which memory is asked for in time: a machine that looks ahead by itself does so only within a page.
const AHEAD: usize = 8192;

/// Asks for the 64 bytes that will be read when those at `at` are done.
#[inline(always)]
fn ahead(blocks: &[u8], at: usize) {
    // SAFETY: a prefetch neither faults nor reads for the program, whatever lies there.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(blocks.as_ptr().wrapping_add(at + AHEAD).cast()) };
}

/// Splits the work into tiles and hands each to the kernel with that many blocks and probes.
macro_rules! tiles {
    ($blocks:ident, $probes:ident, $dim:ident, $out:ident, $tile:ident, [$(($b:literal, $p:literal, $s:literal)),+]) => {{
        let size = block_bytes($dim);
        let (rows, count) = ($blocks.len() / size * LANES, $probes.len() / $dim);
        let mut block = 0;
        while block * LANES < rows {
            let left = rows / LANES - block;
            // Memory comes fastest in one stream; more probes have sums to keep busy.
            let many = if left >= 2 && count > FEW { 2 } else { 1 };
            let mut probe = 0;
            while probe < count {
                let taken = match (many, count - probe) {
                    $(($b, $p..) => {
                        let part = &$blocks[block * size..][..$b * size];
                        let few = &$probes[probe * $dim..][..$p * $dim];
                        let out = &mut $out[probe * rows + block * LANES..];
                        // SAFETY: this is only reached from a kernel that `super::kernels` lists after it has found
                        // the instructions on this machine.
                        unsafe { $tile::<$b, $p, $s>(part, few, $dim, rows, out) };
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
        [(2, 8, 1), (2, 4, 1), (2, 2, 2), (2, 1, 4), (1, 8, 1), (1, 4, 2), (1, 2, 4), (1, 1, 4)]
    );
}

/// `B` blocks × `P` probes; `out` begins at the first probe's first row, `rows` values a probe. Each sum is kept in `S`
/// parts: a product waits for the one before it in its part, which few sums would not hide.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn avx512_tile<const B: usize, const P: usize, const S: usize>(
    blocks: &[u8],
    probes: &[i8],
    dim: usize,
    rows: usize,
    out: &mut [i32],
) {
    let size = block_bytes(dim);
    assert!(blocks.len() == B * size && probes.len() == P * dim && out.len() >= (P - 1) * rows + B * LANES);
    let low = _mm512_set1_epi8(15);
    let mut sums = [[[_mm512_setzero_si512(); S]; B]; P];
    for d in (0..dim).step_by(GROUP) {
        let mut codes = [[_mm512_setzero_si512(); 4]; B];
        for (b, codes) in codes.iter_mut().enumerate() {
            for half in 0..2 {
                let at = b * size + d / 2 * LANES + half * 64;
                if P <= FEW {
                    ahead(blocks, at);
                }
                // SAFETY: within `blocks`: b < B, d + 16 ≤ dim, and two halves of 16 rows × 4 bytes are 128.
                let bytes = unsafe { _mm512_loadu_si512(blocks.as_ptr().add(at).cast()) };
                codes[half * 2] = _mm512_and_si512(bytes, low);
                codes[half * 2 + 1] = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
            }
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            for i in 0..4 {
                // SAFETY: within `probes`: p < P and d + 16 ≤ dim; the read needs no alignment.
                let values =
                    unsafe { probes.as_ptr().add(p * dim + d + i * 4).cast::<i32>().read_unaligned() };
                let values = _mm512_set1_epi32(values);
                for (sum, codes) in sums.iter_mut().zip(&codes) {
                    sum[i % S] = _mm512_dpbusd_epi32(sum[i % S], codes[i], values);
                }
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        for (b, parts) in sums.iter().enumerate() {
            let sum = parts.iter().fold(_mm512_setzero_si512(), |all, part| _mm512_add_epi32(all, *part));
            // SAFETY: the assertion above has room for 16 values at p × rows + b × 16.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(p * rows + b * LANES).cast(), sum) };
        }
    }
}

/// Needs AVX2.
pub(super) fn avx2(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    tiles!(
        blocks,
        probes,
        dim,
        out,
        avx2_tile,
        [(2, 8, 1), (2, 4, 1), (2, 2, 2), (2, 1, 2), (1, 8, 1), (1, 4, 1), (1, 2, 2), (1, 1, 2)]
    );
}

/// As [`avx512_tile`], block by block. Half a block fills a register: `H` halves are walked at once, both where memory is
/// what is waited for, one where its sums with eight probes leave just the registers that sixteen values of it need.
/// `vpmaddubsw` adds two products in 16 bits, where even eight of 15 × 127 have room. No closure may come between: what a
/// library's function calls is compiled without these instructions.
#[target_feature(enable = "avx2")]
fn avx2_tile<const B: usize, const P: usize, const H: usize>(
    blocks: &[u8],
    probes: &[i8],
    dim: usize,
    rows: usize,
    out: &mut [i32],
) {
    let size = block_bytes(dim);
    assert!(blocks.len() == B * size && probes.len() == P * dim && out.len() >= (P - 1) * rows + B * LANES);
    assert!(2usize.is_multiple_of(H));
    let (low, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    for place in 0..B * 2 / H {
        // In halves of blocks.
        let (block, first) = (place * H / 2, place * H % 2);
        let mut sums = [[_mm256_setzero_si256(); P]; H];
        for d in (0..dim).step_by(GROUP) {
            let at = block * size + d / 2 * LANES;
            if P <= FEW {
                ahead(blocks, at);
                ahead(blocks, at + 64);
            }
            for (half, sums) in sums.iter_mut().enumerate() {
                // SAFETY: within `blocks`: block < B, d + 16 ≤ dim, first + half < 2, and two times two halves of 32 bytes
                // are 16 rows × 8 bytes.
                let (bytes, more) = unsafe {
                    let at = blocks.as_ptr().add(at + (first + half) * 32);
                    (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(64).cast()))
                };
                let codes = [
                    _mm256_and_si256(bytes, low),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low),
                    _mm256_and_si256(more, low),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(more), low),
                ];
                for (p, sum) in sums.iter_mut().enumerate() {
                    let mut products = _mm256_setzero_si256();
                    for (i, codes) in codes.iter().enumerate() {
                        // SAFETY: within `probes`: p < P and d + 16 ≤ dim; the read needs no alignment.
                        let values = unsafe {
                            probes.as_ptr().add(p * dim + d + i * 4).cast::<i32>().read_unaligned()
                        };
                        let two = _mm256_maddubs_epi16(*codes, _mm256_set1_epi32(values));
                        products = _mm256_add_epi16(products, two);
                    }
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(products, ones));
                }
            }
        }
        for (half, sums) in sums.iter().enumerate() {
            for (p, sum) in sums.iter().enumerate() {
                let at = p * rows + block * LANES + (first + half) * 8;
                // SAFETY: the assertion above has room for 8 values there: p < P, and 16 for each of the B blocks.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at).cast(), *sum) };
            }
        }
    }
}
