//! The plain kernel: what every machine runs, and what the others are held to.

use super::LANES;

pub(super) fn plain(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    let rows = blocks.len() / dim;
    for (probe, out) in probes.chunks_exact(dim).zip(out.chunks_exact_mut(rows)) {
        for (block, out) in blocks.chunks_exact(LANES * dim).zip(out.chunks_exact_mut(LANES)) {
            let mut sums = [0i32; LANES];
            for (bytes, values) in block.as_chunks::<{ LANES * 4 }>().0.iter().zip(probe.as_chunks::<4>().0) {
                let values = values.map(i32::from);
                for (sum, four) in sums.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *sum += i32::from(four[0]) * values[0]
                        + i32::from(four[1]) * values[1]
                        + i32::from(four[2]) * values[2]
                        + i32::from(four[3]) * values[3];
                }
            }
            out.copy_from_slice(&sums);
        }
    }
}
