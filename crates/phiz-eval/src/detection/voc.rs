//! Average precision of Pascal VOC (2010 and later) over all photos together, and precision and
//! recall at a threshold.
//!
//! By falling score, each found box is held against the true box of its photo that it overlaps most.
//! Reaching the overlap wanted, it is a hit; or, if that box was hit before, a false alarm; or, if
//! that box is ignored, nothing. AP is the area under precision over recall after precision was made
//! monotone, without thresholds or sampling.

use super::{PhotoBoxes, PrPoint, check, iou, monotone_area};
use crate::Result;
use crate::error::EvalError;

/// A found box that counts.
#[derive(Debug, Clone, Copy)]
struct Judged {
    score: f64,
    scene: usize,
    hit: bool,
}

/// Judged boxes of all photos.
#[derive(Debug, Clone)]
pub struct Voc {
    /// By falling score.
    judged: Vec<Judged>,
    /// True boxes that count, a photo.
    truths: Vec<u64>,
}

impl Voc {
    /// Judges all found boxes. Those whose shorter side is below `small` are no false alarms (0: all are).
    ///
    /// # Errors
    /// Boxes that cannot be; undefined without a true box that counts.
    pub fn new(scenes: &[PhotoBoxes], min_iou: f64, small: f64) -> Result<Self> {
        crate::error::check_rate("IoU", min_iou)?;
        check(scenes)?;
        let mut judged = Vec::new();
        let mut truths = Vec::with_capacity(scenes.len());
        for (place, scene) in scenes.iter().enumerate() {
            truths.push(scene.truths.iter().filter(|t| !t.ignore && !t.crowd).count() as u64);
            let mut found = scene.found.clone();
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut taken = vec![false; scene.truths.len()];
            for f in &found {
                let overlaps = scene.truths.iter().map(|t| iou(&f.bbox, &t.bbox)).enumerate();
                // Among equals the first.
                let best = overlaps.fold((0, -1.0), |best, o| if o.1 > best.1 { o } else { best });
                let hit = match scene.truths.get(best.0).filter(|_| best.1 >= min_iou) {
                    Some(t) if t.ignore || t.crowd => continue,
                    Some(_) => !std::mem::replace(&mut taken[best.0], true),
                    None if f.bbox[2].min(f.bbox[3]) < small => continue,
                    None => false,
                };
                judged.push(Judged { score: f.score, scene: place, hit });
            }
        }
        judged.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Self { judged, truths })
    }

    /// True boxes that count.
    pub fn truths(&self) -> u64 {
        self.truths.iter().sum()
    }

    /// One point a distinct score, by falling score, where photo `s` counts `weight(s)` times.
    ///
    /// # Errors
    /// Undefined when no photo with a true box has a weight.
    pub fn curve(&self, weight: impl Fn(usize) -> u64) -> Result<Vec<PrPoint>> {
        let truths: u64 = self.truths.iter().enumerate().map(|(scene, n)| n * weight(scene)).sum();
        if truths == 0 {
            return Err(EvalError::undefined("AP", "there is no true box that counts"));
        }
        let (mut hits, mut all) = (0, 0);
        let mut points: Vec<PrPoint> = Vec::new();
        for j in &self.judged {
            let w = weight(j.scene);
            hits += if j.hit { w } else { 0 };
            all += w;
            if all == 0 {
                continue;
            }
            let point = PrPoint {
                threshold: j.score,
                recall: hits as f64 / truths as f64,
                precision: hits as f64 / all as f64,
            };
            match points.last_mut() {
                Some(last) if last.threshold == j.score => *last = point,
                _ => points.push(point),
            }
        }
        Ok(points)
    }

    /// Average precision, where photo `s` counts `weight(s)` times. Up is good.
    ///
    /// # Errors
    /// Undefined when no photo with a true box has a weight.
    pub fn average_precision(&self, weight: impl Fn(usize) -> u64) -> Result<f64> {
        let points: Vec<_> = self.curve(weight)?.iter().map(|p| (p.recall, p.precision)).collect();
        Ok(monotone_area(&points))
    }

    /// `(hits, false alarms)` at a threshold, where photo `s` counts `weight(s)` times.
    pub fn at(&self, threshold: f64, weight: impl Fn(usize) -> u64) -> (u64, u64) {
        let taken = self.judged.iter().take_while(|j| j.score >= threshold);
        taken.fold((0, 0), |(hits, alarms), j| {
            let w = weight(j.scene);
            if j.hit { (hits + w, alarms) } else { (hits, alarms + w) }
        })
    }

    /// True boxes that count, weighted.
    pub fn weighted_truths(&self, weight: impl Fn(usize) -> u64) -> u64 {
        self.truths.iter().enumerate().map(|(scene, n)| n * weight(scene)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Truth};
    use super::*;

    fn scene(truths: &[[f64; 4]], found: &[([f64; 4], f64)]) -> PhotoBoxes {
        PhotoBoxes {
            photo: String::new(),
            truths: truths.iter().map(|&b| Truth::new(b)).collect(),
            found: found.iter().map(|&(bbox, score)| Found { bbox, score }).collect(),
        }
    }
    const A: [f64; 4] = [0.0, 0.0, 10.0, 10.0];
    const B: [f64; 4] = [50.0, 0.0, 10.0, 10.0];
    const C: [f64; 4] = [90.0, 0.0, 10.0, 10.0];

    #[test]
    fn cases() {
        for (name, truths, found, expected) in [
            ("all found", vec![A, B], vec![(A, 0.9), (B, 0.8)], 1.0),
            ("one missed", vec![A, B], vec![(A, 0.9)], 0.5),
            ("alarm after", vec![A], vec![(A, 0.9), (B, 0.8)], 1.0),
            ("alarm before", vec![A], vec![(B, 0.9), (A, 0.8)], 0.5),
            ("alarm at the same score", vec![A], vec![(B, 0.8), (A, 0.8)], 0.5),
            ("found twice", vec![A, B], vec![(A, 0.9), (A, 0.8), (B, 0.7)], 0.5 + 0.5 * 2.0 / 3.0),
            ("nothing found", vec![A], vec![], 0.0),
            ("only alarms", vec![A], vec![(B, 0.9)], 0.0),
        ] {
            let ap = Voc::new(&[scene(&truths, &found)], 0.5, 0.0).unwrap().average_precision(|_| 1).unwrap();
            assert!((ap - expected).abs() < 1e-12, "{name}: {ap}");
        }
    }

    #[test]
    fn ignored_boxes_neither_count_nor_harm() {
        let mut s = scene(&[A, B], &[(A, 0.9), (B, 0.8), (B, 0.7), (C, 0.6)]);
        s.truths[1].ignore = true;
        let voc = Voc::new(&[s.clone()], 0.5, 0.0).unwrap();
        assert_eq!((voc.truths(), voc.at(0.0, |_| 1), voc.at(0.65, |_| 1)), (1, (1, 1), (1, 0)));
        assert_eq!(Voc::new(&[s], 0.5, 11.0).unwrap().at(0.0, |_| 1), (1, 0));
    }

    #[test]
    fn a_weight_is_a_copy() {
        let scenes = [scene(&[A, B], &[(A, 0.9), (C, 0.85)]), scene(&[A], &[(C, 0.95), (A, 0.5)])];
        let copies = [scenes[0].clone(), scenes[1].clone(), scenes[1].clone()];
        let weighted = Voc::new(&scenes, 0.5, 0.0).unwrap().average_precision(|s| [1, 2][s]).unwrap();
        let copied = Voc::new(&copies, 0.5, 0.0).unwrap().average_precision(|_| 1).unwrap();
        assert!((weighted - copied).abs() < 1e-12);
        assert!(Voc::new(&scenes, 0.5, 0.0).unwrap().average_precision(|_| 0).unwrap_err().is_undefined());
    }
}
