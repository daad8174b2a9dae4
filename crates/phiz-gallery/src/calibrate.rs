//! What a similarity is worth on this gallery: measured on its own people, not on the model's test photos.

use phiz_net::card::Thresholds;
use serde::{Deserialize, Serialize};

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Which similarity stands for which false match rate.
    pub thresholds: Thresholds,
    /// Independent comparisons that one comparison amounts to in a search, at most 1: people who resemble each other
    /// are not independent.
    pub share: f64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// How many people it was measured on.
    pub people: usize,
    /// How many comparisons of different people.
    pub comparisons: u64,
}
