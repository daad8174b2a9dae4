//! The best few of many.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Hit;
use crate::scan::LANES;

/// Ordered by how similar they are at most, then by falling id, so that of equals the lower id is kept.
#[derive(PartialEq)]
struct Ranked(Hit);

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.at_most.total_cmp(&other.0.at_most).then(other.0.id.cmp(&self.0.id))
    }
}

/// Keeps the `most` best hits that it is offered.
pub(super) struct Top {
    most: usize,
    kept: BinaryHeap<Reverse<Ranked>>,
    floor: f32,
}

impl Top {
    pub(super) fn new(most: usize) -> Top {
        Top {
            most,
            kept: BinaryHeap::new(),
            floor: if most == 0 { f32::INFINITY } else { f32::NEG_INFINITY },
        }
    }

    /// Who is below this is not kept.
    pub(super) fn floor(&self) -> f32 {
        self.floor
    }

    /// Offers a block of rows, of which those in `wanted` count.
    pub(super) fn offer(&mut self, at_most: &[f32; LANES], wanted: u16, ids: &[u64]) {
        for (lane, (at_most, id)) in at_most.iter().zip(ids).enumerate() {
            if wanted >> lane & 1 == 1 && *at_most >= self.floor {
                self.kept.push(Reverse(Ranked(Hit { id: *id, at_most: *at_most })));
                if self.kept.len() > self.most {
                    self.kept.pop();
                }
                if self.kept.len() == self.most {
                    self.floor = self.kept.peek().map_or(f32::INFINITY, |worst| worst.0.0.at_most);
                }
            }
        }
    }

    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.kept.into_sorted_vec().into_iter().map(|ranked| ranked.0.0).collect()
    }
}
