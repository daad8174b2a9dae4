//! From pictures of eight bits to what a network is fed.

use crate::Normalisation;

use super::{Isa, Level};

/// Pixels whose factors repeat: a whole number of vectors.
const PIXELS: usize = 8;

/// Normalises a row of interleaved pixels; `swap` exchanges the first and the last channel.
pub(crate) fn normalise(from: &[u8], to: &mut [f32], normalisation: &Normalisation, swap: bool, isa: Isa) {
    if swap {
        for (to, from) in to.as_chunks_mut::<3>().0.iter_mut().zip(from.as_chunks::<3>().0) {
            for (channel, to) in to.iter_mut().enumerate() {
                let (factor, offset) = normalisation.affine(channel);
                *to = f32::from(from[2 - channel]) * factor + offset;
            }
        }
        return;
    }
    match isa.0 {
        Level::Plain => row(from, to, normalisation),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => row(from, to, normalisation),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX2 and FMA, else there was no such `Isa`.
        Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe { row_avx2(from, to, normalisation) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn row_avx2(from: &[u8], to: &mut [f32], normalisation: &Normalisation) {
    row(from, to, normalisation);
}

#[inline(always)]
fn row(from: &[u8], to: &mut [f32], normalisation: &Normalisation) {
    let (mut factors, mut offsets) = ([0f32; 3 * PIXELS], [0f32; 3 * PIXELS]);
    for (i, (factor, offset)) in factors.iter_mut().zip(&mut offsets).enumerate() {
        (*factor, *offset) = normalisation.affine(i % 3);
    }
    let (from, rest_from) = from.as_chunks::<{ 3 * PIXELS }>();
    let (to, rest_to) = to.as_chunks_mut::<{ 3 * PIXELS }>();
    for (to, from) in to.iter_mut().zip(from) {
        for i in 0..3 * PIXELS {
            to[i] = f32::from(from[i]) * factors[i] + offsets[i];
        }
    }
    for (i, (to, from)) in rest_to.iter_mut().zip(rest_from).enumerate() {
        *to = f32::from(*from) * factors[i] + offsets[i];
    }
}
