//! Products of many 8-bit templates with a few probes: the inner loop of every search.
//!
//! The only module with `unsafe`: vector instructions, and the mapping of the index file.
//!
//! # Layout
//! Templates are packed in blocks of [`LANES`] rows. Within a block, four bytes of each row follow each other, row by
//! row, then the next four of each: a vector register of 64 bytes holds four values of all 16 rows, meets four values
//! of a probe in all its lanes, and adds to 16 sums at once, one a row. So no sum across a register is ever
//! needed, which would cost as much as the products.
//!
//! Rows are stored with 128 added (so unsigned): VNNI multiplies unsigned by signed. A product with a probe is then
//! too large by 128 × the probe's sum, which the caller takes off ([`offset`]).
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

/// A way to compute products.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// Instruction set.
    pub name: &'static str,
    run: fn(&[u8], &[i8], usize, &mut [i32]),
}

impl Kernel {
    /// `out[probe × rows + row] = Σ block value × probe value`, over whole blocks of rows.
    ///
    /// `blocks` holds `rows × dim` bytes in the layout above, `probes` one or more probes of `dim` values.
    ///
    /// # Panics
    /// If lengths disagree, or `dim` is no multiple of 4.
    pub fn products(&self, blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
        assert!(dim > 0 && dim.is_multiple_of(4), "dim {dim}");
        assert!(blocks.len().is_multiple_of(LANES * dim) && probes.len().is_multiple_of(dim));
        assert_eq!(out.len(), blocks.len() / dim * (probes.len() / dim));
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

/// What must be taken off each product of a probe, see the module's text.
#[must_use]
pub fn offset(probe: &[i8]) -> i32 {
    128 * probe.iter().map(|v| i32::from(*v)).sum::<i32>()
}

/// Writes a row's values into its place among blocks.
pub(crate) fn pack(blocks: &mut [u8], dim: usize, row: usize, values: &[i8]) {
    let block = &mut blocks[row / LANES * LANES * dim..][..LANES * dim];
    for (group, four) in values.chunks_exact(4).enumerate() {
        for (i, value) in four.iter().enumerate() {
            block[(group * LANES + row % LANES) * 4 + i] = value.cast_unsigned() ^ 0x80;
        }
    }
}

/// Reads a row's values back.
pub(crate) fn unpack(blocks: &[u8], dim: usize, row: usize) -> impl Iterator<Item = i8> {
    let block = &blocks[row / LANES * LANES * dim..][..LANES * dim];
    (0..dim).map(move |d| (block[(d / 4 * LANES + row % LANES) * 4 + d % 4] ^ 0x80).cast_signed())
}

/// Copies a row as it lies into another place.
pub(crate) fn copy(from: &[u8], row: usize, to: &mut [u8], at: usize, dim: usize) {
    let from = &from[row / LANES * LANES * dim..][..LANES * dim];
    let to = &mut to[at / LANES * LANES * dim..][..LANES * dim];
    let (from, to) = (from.as_chunks::<4>().0, to.as_chunks_mut::<4>().0);
    for (from, to) in from.chunks_exact(LANES).zip(to.chunks_exact_mut(LANES)) {
        to[at % LANES] = from[row % LANES];
    }
}

/// A template in 8 bits: `value ≈ scale × code`, codes −127 to 127, padded with zeros to `dim`.
pub(crate) fn quantise(template: &[f32], dim: usize) -> (Vec<i8>, f32) {
    let largest = template.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    let mut codes: Vec<i8> =
        template.iter().map(|v| (v / scale).round().clamp(-127.0, 127.0) as i8).collect();
    codes.resize(dim, 0);
    (codes, scale)
}

/// How far a quantised template lies from the true one, as a length.
pub(crate) fn error(template: &[f32], codes: &[i8], scale: f32) -> f32 {
    let squares = template.iter().zip(codes).map(|(v, c)| (v - f32::from(*c) * scale).powi(2));
    squares.sum::<f32>().sqrt()
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
    fn naive(rows: &[Vec<i8>], probe: &[i8]) -> Vec<i32> {
        rows.iter()
            .map(|row| row.iter().zip(probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum())
            .collect()
    }

    #[test]
    fn all_kernels_equal_the_definition_around_tile_edges() {
        let mut random = Random(7);
        let mut bad = Vec::new();
        for dim in [4, 16, 60, 64, 128, 512] {
            for count in [1, 2, 15, 16, 17, 32, 33, 48, 80] {
                for probes in [1, 2, 3, 4, 7, 8, 9, 12, 17] {
                    // The extremes must not overflow: every tenth value is one.
                    let mut value = || match random.byte() % 10 {
                        0 => 127,
                        1 => -127,
                        _ => random.byte().cast_signed().max(-127),
                    };
                    let rows: Vec<Vec<i8>> =
                        (0..count).map(|_| (0..dim).map(|_| value()).collect()).collect();
                    let probe: Vec<i8> = (0..probes * dim).map(|_| value()).collect();
                    let padded = rows.len().next_multiple_of(LANES);
                    let mut blocks = vec![0x80; padded * dim];
                    for (i, row) in rows.iter().enumerate() {
                        pack(&mut blocks, dim, i, row);
                        assert!(unpack(&blocks, dim, i).eq(row.iter().copied()));
                    }
                    for kernel in kernels() {
                        let mut out = vec![i32::MIN; padded * probes];
                        kernel.products(&blocks, &probe, dim, &mut out);
                        for (p, one) in probe.chunks_exact(dim).enumerate() {
                            let got: Vec<i32> =
                                out[p * padded..][..count].iter().map(|v| v - offset(one)).collect();
                            if got != naive(&rows, one) {
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
        for (row, probe) in [(127i8, 127i8), (-127, 127), (127, -127), (-127, -127)] {
            let mut blocks = vec![0x80; LANES * dim];
            (0..LANES).for_each(|i| pack(&mut blocks, dim, i, &vec![row; dim]));
            let probe = vec![probe; dim];
            for kernel in kernels() {
                let mut out = vec![0; LANES];
                kernel.products(&blocks, &probe, dim, &mut out);
                let wanted = i32::from(row) * i32::from(probe[0]) * dim as i32;
                assert!(out.iter().all(|v| v - offset(&probe) == wanted), "{}", kernel.name);
            }
        }
    }

    #[test]
    fn rows_are_copied_as_they_lie() {
        let mut random = Random(3);
        let dim = 24;
        let rows: Vec<Vec<i8>> =
            (0..40).map(|_| (0..dim).map(|_| random.byte().cast_signed()).collect()).collect();
        let (mut from, mut to) = (vec![0; 48 * dim], vec![0; 48 * dim]);
        rows.iter().enumerate().for_each(|(i, row)| pack(&mut from, dim, i, row));
        (0..40).for_each(|i| copy(&from, i, &mut to, 39 - i, dim));
        assert!((0..40).all(|i| unpack(&to, dim, 39 - i).eq(rows[i].iter().copied())));
    }

    #[test]
    fn quantising_stays_within_half_a_step() {
        let template: Vec<f32> = (0..100).map(|i| ((i * 37 % 101) as f32 - 50.0) / 500.0).collect();
        let (codes, scale) = quantise(&template, 128);
        assert_eq!(codes.len(), 128);
        assert!(
            template.iter().zip(&codes).all(|(v, c)| (v - f32::from(*c) * scale).abs() <= scale * 0.5001)
        );
        assert!(error(&template, &codes, scale) <= scale * 0.5001 * 10.0);
        assert_eq!(quantise(&[0.0; 8], 8), (vec![0; 8], 1.0));
    }
}
