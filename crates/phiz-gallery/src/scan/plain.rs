//! The plain kernel: what every machine runs, and what the others are held to.

use super::{LANES, block_bytes};

pub(super) fn plain(blocks: &[u8], probes: &[i8], dim: usize, out: &mut [i32]) {
    let rows = blocks.len() / block_bytes(dim) * LANES;
    for (probe, out) in probes.chunks_exact(dim).zip(out.chunks_exact_mut(rows)) {
        for (block, out) in blocks.chunks_exact(block_bytes(dim)).zip(out.chunks_exact_mut(LANES)) {
            let mut sums = [0i32; LANES];
            for (bytes, values) in block.as_chunks::<{ LANES * 4 }>().0.iter().zip(probe.as_chunks::<8>().0) {
                let values = values.map(i32::from);
                for (sum, four) in sums.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    for (i, byte) in four.iter().enumerate() {
                        *sum += i32::from(byte & 15) * values[i] + i32::from(byte >> 4) * values[i + 4];
                    }
                }
            }
            out.copy_from_slice(&sums);
        }
    }
}
