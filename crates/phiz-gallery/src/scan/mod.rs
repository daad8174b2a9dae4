//! Products of many 4-bit templates with a few probes: the inner loop of every search.
//!
//! The only module with `unsafe`: vector instructions, and the mapping of the index file.
//!
//! # Layout
//! A row is codes from 0 to 15, two a byte. Rows are packed in blocks of [`LANES`]. Within a block, four bytes of each row
//! follow each other, row by row, then the next four of each; four bytes hold eight codes, of values 0 to 3 in their lower
//! halves and 4 to 7 in their upper ones. So a vector register of 64 bytes holds eight values of all 16 rows, meets eight
//! values of a probe in all its lanes, and adds to 16 sums at once, one a row: no sum across a register is ever needed,
//! which would cost as much as the products.
//!
//! Codes are multiplied as they are, unsigned, with the probe's signed bytes, as VNNI does; what a code stands for is its
//! caller's affair.
//!
//! All kernels give the same integers, exactly; tests hold each to the plain one.

#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

mod map;

use std::sync::OnceLock;

pub(crate) use map::map;

/// Rows in a block.
pub const LANES: usize = 16;

/// What a row's number of values is a multiple of.
pub(crate) const GROUP: usize = 16;

/// A way to compute products.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// Instruction set.
    pub name: &'static str,
    run: fn(&[u8], &[i8], usize, &mut [i32]),
}

impl Kernel {
    /// `out[probe × rows + row] = Σ code × probe value`, over whole blocks of rows.
    ///
    /// `blocks` holds `rows × dim` codes in the layout above, `probes` one or more probes of `dim` values.
    ///
    /// # Panics
    /// If lengths disagree, or `dim` is no multiple of 16.
    pub fn products(&self, blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
        assert!(dim > 0 && dim.is_multiple_of(GROUP), "dim {dim}");
        assert!(blocks.len().is_multiple_of(block_bytes(dim)) && probes.len().is_multiple_of(dim));
        assert_eq!(out.len(), blocks.len() / block_bytes(dim) * LANES * (probes.len() / dim));
        (self.run)(blocks, probes, dim, out);
    }
}

/// All kernels that this machine can run, the fastest first; the last is plain Rust.
#[must_use]
pub fn kernels() -> Vec<Kernel> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            all.push(Kernel { name: "avx512-vnni", run: x86::avx512_vnni });
        }
        if is_x86_feature_detected!("avx2") {
            all.push(Kernel { name: "avx2", run: x86::avx2 });
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        all.push(Kernel { name: "neon", run: neon::neon });
    }
    all.push(Kernel { name: "plain", run: plain::plain });
    all
}

/// The fastest kernel here.
pub(crate) fn fastest() -> Kernel {
    static FASTEST: OnceLock<Kernel> = OnceLock::new();
    *FASTEST.get_or_init(|| kernels()[0])
}

/// Bytes of a block of rows of `dim` codes.
pub(crate) const fn block_bytes(dim: usize) -> usize {
    LANES * dim / 2
}

/// Writes a row's codes (0 to 15) into its place among blocks.
pub(crate) fn pack(blocks: &mut [u8], row: usize, codes: &[u8]) {
    let block = &mut blocks[row / LANES * block_bytes(codes.len())..][..block_bytes(codes.len())];
    for (group, eight) in codes.as_chunks::<8>().0.iter().enumerate() {
        let bytes = &mut block[(group * LANES + row % LANES) * 4..][..4];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = eight[i] | eight[i + 4] << 4;
        }
    }
}

/// Reads a row's codes back.
pub(crate) fn unpack(blocks: &[u8], dim: usize, row: usize) -> impl Iterator<Item = u8> {
    let block = &blocks[row / LANES * block_bytes(dim)..][..block_bytes(dim)];
    (0..dim).map(move |d| block[(d / 8 * LANES + row % LANES) * 4 + d % 4] >> (d % 8 / 4 * 4) & 15)
}

/// Copies a row as it lies into another place.
pub(crate) fn copy(from: &[u8], row: usize, to: &mut [u8], at: usize, dim: usize) {
    let from = &from[row / LANES * block_bytes(dim)..][..block_bytes(dim)];
    let to = &mut to[at / LANES * block_bytes(dim)..][..block_bytes(dim)];
    let (from, to) = (from.as_chunks::<4>().0, to.as_chunks_mut::<4>().0);
    for (from, to) in from.chunks_exact(LANES).zip(to.chunks_exact_mut(LANES)) {
        to[at % LANES] = from[row % LANES];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Xorshift: the tests need bytes, not statistics.
    struct Random(u64);

    impl Random {
        fn byte(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 24) as u8
        }
    }

    /// The definition, without layout.
    fn naive(rows: &[Vec<u8>], probe: &[i8]) -> Vec<i32> {
        rows.iter()
            .map(|row| row.iter().zip(probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum())
            .collect()
    }

    #[test]
    fn all_kernels_equal_the_definition_around_tile_edges() {
        let mut random = Random(7);
        let mut bad = Vec::new();
        for dim in [16, 48, 64, 128, 512] {
            for count in [1, 2, 15, 16, 17, 32, 33, 48, 80] {
                for probes in [1, 2, 3, 4, 7, 8, 9, 12, 17] {
                    // The extremes must not overflow: every tenth value is one.
                    let rows: Vec<Vec<u8>> =
                        (0..count).map(|_| (0..dim).map(|_| random.byte() & 15).collect()).collect();
                    let mut value = || match random.byte() % 10 {
                        0 => 127,
                        1 => -127,
                        _ => random.byte().cast_signed().max(-127),
                    };
                    let probe: Vec<i8> = (0..probes * dim).map(|_| value()).collect();
                    let padded = rows.len().next_multiple_of(LANES);
                    let mut blocks = vec![0; padded * dim / 2];
                    for (i, row) in rows.iter().enumerate() {
                        pack(&mut blocks, i, row);
                        assert!(unpack(&blocks, dim, i).eq(row.iter().copied()));
                    }
                    for kernel in kernels() {
                        let mut out = vec![i32::MIN; padded * probes];
                        kernel.products(&blocks, &probe, dim, &mut out);
                        for (p, one) in probe.chunks_exact(dim).enumerate() {
                            if out[p * padded..][..count] != naive(&rows, one) {
                                bad.push(format!(
                                    "{} dim {dim} rows {count} probe {p} of {probes}",
                                    kernel.name
                                ));
                            }
                        }
                    }
                }
            }
        }
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let dim = 512;
        for (code, value) in [(15, 127i8), (15, -127), (0, 127), (0, -127)] {
            let mut blocks = vec![0; block_bytes(dim)];
            (0..LANES).for_each(|i| pack(&mut blocks, i, &vec![code; dim]));
            let probe = vec![value; dim];
            for kernel in kernels() {
                let mut out = vec![0; LANES];
                kernel.products(&blocks, &probe, dim, &mut out);
                let wanted = i32::from(code) * i32::from(value) * dim as i32;
                assert!(out.iter().all(|v| *v == wanted), "{}", kernel.name);
            }
        }
    }

    #[test]
    fn rows_are_copied_as_they_lie() {
        let mut random = Random(3);
        let dim = 32;
        let rows: Vec<Vec<u8>> = (0..40).map(|_| (0..dim).map(|_| random.byte() & 15).collect()).collect();
        let (mut from, mut to) = (vec![0; 48 * dim / 2], vec![0; 48 * dim / 2]);
        rows.iter().enumerate().for_each(|(i, row)| pack(&mut from, i, row));
        (0..40).for_each(|i| copy(&from, i, &mut to, 39 - i, dim));
        assert!((0..40).all(|i| unpack(&to, dim, 39 - i).eq(rows[i].iter().copied())));
    }
}
