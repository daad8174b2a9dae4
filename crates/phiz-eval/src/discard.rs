//! What is a quality score worth? Error versus discard (ISO/IEC 29794-1).
//!
//! A pair is as good as its worse photo. Pairs are discarded from the worst up, at a threshold that
//! stays what it was, and the false non-matches among the rest are counted: a quality score that
//! knows what the embedder cannot do makes the curve fall at once. Pairs of equal quality go
//! together, so their order means nothing.

use crate::Result;
use crate::error::EvalError;

/// A genuine pair: its score (none if a face was not found) and the quality of both photos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GenuinePair {
    /// Similarity; none: failure to acquire.
    pub score: Option<f64>,
    /// Quality of the one photo; higher is better.
    pub quality_a: f64,
    /// Quality of the other.
    pub quality_b: f64,
}

/// FNMR after discarding.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorVersusDiscard {
    threshold: f64,
    /// Never empty.
    points: Vec<[f64; 2]>,
}

impl ErrorVersusDiscard {
    /// The threshold that pairs are judged at.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
    /// `[share discarded, FNMR of the rest]`, from nothing discarded up.
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }
    /// Discards pairs from the worst up.
    ///
    /// # Errors
    /// No pair; a quality or score that is no number.
    pub fn new(pairs: &[GenuinePair], threshold: f64) -> Result<Self> {
        if pairs.is_empty() {
            return Err(EvalError::undefined("error versus discard", "there is no genuine pair"));
        }
        let mut ordered = Vec::with_capacity(pairs.len());
        for (place, pair) in pairs.iter().enumerate() {
            let numbers = [pair.quality_a, pair.quality_b, pair.score.unwrap_or(0.0), threshold];
            if numbers.iter().any(|n| !n.is_finite()) {
                return Err(EvalError::input(
                    format!("genuine pair {place} (from 0)"),
                    "has a quality or score that is no finite number",
                    "give photos without a face the lowest quality",
                ));
            }
            ordered.push((pair.quality_a.min(pair.quality_b), pair.score.is_none_or(|s| s < threshold)));
        }
        ordered.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let all = ordered.len() as f64;
        let mut wrong = ordered.iter().filter(|p| p.1).count();
        let mut points = vec![[0.0, wrong as f64 / all]];
        for (k, pair) in ordered.iter().enumerate() {
            wrong -= usize::from(pair.1);
            let left = ordered.len() - k - 1;
            if left > 0 && ordered[k + 1].0 > pair.0 {
                points.push([(k + 1) as f64 / all, wrong as f64 / left as f64]);
            }
        }
        Ok(Self { threshold, points })
    }
    /// FNMR after discarding at most this share. Down is good.
    pub fn at(&self, discarded: f64) -> f64 {
        let n = self.points.partition_point(|p| p[0] <= discarded);
        self.points[n.max(1) - 1][1]
    }
    /// Mean FNMR while the discarded share goes from 0 to `until`. Down is good; a score that knows
    /// nothing stays at the first FNMR.
    ///
    /// # Errors
    /// A share outside 0..1, or 0.
    pub fn area(&self, until: f64) -> Result<f64> {
        crate::error::check_rate("discarded share", until)?;
        if until == 0.0 {
            return Err(EvalError::undefined("the area", "it ends where it begins"));
        }
        let mut area = 0.0;
        for (k, p) in self.points.iter().enumerate().take_while(|(_, p)| p[0] < until) {
            let end = self.points.get(k + 1).map_or(1.0, |next| next[0]).min(until);
            area += p[1] * (end - p[0]);
        }
        Ok(area / until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(score: f64, a: f64, b: f64) -> GenuinePair {
        GenuinePair { score: (score >= 0.0).then_some(score), quality_a: a, quality_b: b }
    }

    #[test]
    fn the_worse_photo_decides() {
        let pairs = [pair(0.9, 0.9, 0.8), pair(0.1, 0.95, 0.1), pair(-1.0, 0.0, 0.9), pair(0.8, 0.5, 0.5)];
        let edc = ErrorVersusDiscard::new(&pairs, 0.5).unwrap();
        assert_eq!(edc.points, [[0.0, 0.5], [0.25, 1.0 / 3.0], [0.5, 0.0], [0.75, 0.0]]);
        assert_eq!((edc.at(0.3), edc.at(0.0)), (1.0 / 3.0, 0.5));
        assert!((edc.area(0.5).unwrap() - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn equal_quality_says_nothing() {
        let edc = ErrorVersusDiscard::new(&[pair(0.1, 0.5, 0.5), pair(0.9, 0.5, 0.5)], 0.5).unwrap();
        assert_eq!(edc.points, [[0.0, 0.5]]);
        assert_eq!(edc.area(1.0).unwrap(), 0.5);
        assert!(ErrorVersusDiscard::new(&[], 0.5).unwrap_err().is_undefined());
        assert!(ErrorVersusDiscard::new(&[pair(0.1, f64::NAN, 0.5)], 0.5).is_err());
    }
}
