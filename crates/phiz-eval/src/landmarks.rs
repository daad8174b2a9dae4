//! Landmarks: how far found points are from true ones, as a share of the face's own size.
//!
//! NME of a face: mean distance of its points over a normaliser (the distance of the eyes, or the
//! root of the box's area). CED: the share of the faces whose NME is at most x. A face that was not
//! found has no NME; it is a failure at every x, so missing the hard faces does not look like skill.

use crate::Result;
use crate::error::{EvalError, same_length};
use serde::{Deserialize, Serialize};

/// By what distances are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normaliser {
    /// Distance of the true eyes: points 0 and 1, or with 68 points the outer corners (36 and 45).
    Eyes,
    /// √(width × height) of the true box; does not shrink when a head turns.
    Box,
}

/// The NME of one face, in shares of the normaliser (0.05 is 5 %).
///
/// # Errors
/// The same errors as [`offsets`].
pub fn nme(
    truth: &[[f64; 2]],
    found: &[[f64; 2]],
    bbox: Option<[f64; 4]>,
    normaliser: Normaliser,
) -> Result<f64> {
    Ok(mean_length(&offsets(truth, found, bbox, normaliser)?))
}

/// The NME of a face by its [`offsets`].
pub fn mean_length(offsets: &[[f64; 2]]) -> f64 {
    offsets.iter().map(|[x, y]| x.hypot(*y)).sum::<f64>() / offsets.len() as f64
}

/// How far each found point lies to the right of the true one and below it, in shares of the normaliser. Its mean over
/// many faces is a bias, which an NME does not tell from scatter.
///
/// # Errors
/// Lists of different length, no points, NaN, a normaliser of 0 or without its box.
pub fn offsets(
    truth: &[[f64; 2]],
    found: &[[f64; 2]],
    bbox: Option<[f64; 4]>,
    normaliser: Normaliser,
) -> Result<Vec<[f64; 2]>> {
    same_length("true and found landmarks", truth.len(), found.len())?;
    let eyes = match truth.len() {
        68 => Some((truth[36], truth[45])),
        n if n >= 2 => Some((truth[0], truth[1])),
        _ => None,
    };
    let unit = match normaliser {
        Normaliser::Eyes => eyes.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])),
        Normaliser::Box => bbox.map(|b| (b[2] * b[3]).sqrt()),
    };
    let unit = unit.filter(|u| u.is_finite() && *u > 0.0).ok_or_else(|| {
        EvalError::undefined("NME", format!("there is nothing to divide by ({normaliser:?})").to_lowercase())
    })?;
    let offsets: Vec<[f64; 2]> =
        truth.iter().zip(found).map(|(t, f)| [(f[0] - t[0]) / unit, (f[1] - t[1]) / unit]).collect();
    if offsets.is_empty() {
        return Err(EvalError::undefined("NME", "there are no landmarks"));
    }
    if !offsets.iter().flatten().all(|v| v.is_finite()) {
        return Err(EvalError::input("landmarks", "hold NaN or infinity", "give finite pixels"));
    }
    Ok(offsets)
}

/// Errors of many faces; `None` where the face was not found.
#[derive(Debug, Clone, PartialEq)]
pub struct Landmarks {
    /// NME of the faces found, rising.
    sorted: Vec<f64>,
    faces: usize,
}

impl Landmarks {
    /// From an error a face.
    ///
    /// # Errors
    /// An error that is negative or no number.
    pub fn new(errors: &[Option<f64>]) -> Result<Self> {
        let mut sorted: Vec<f64> = errors.iter().flatten().copied().collect();
        if let Some(wrong) = sorted.iter().find(|e| !(e.is_finite() && **e >= 0.0)) {
            return Err(EvalError::input("landmark error", format!("{wrong}"), "give shares of 0 or more"));
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Self { sorted, faces: errors.len() })
    }
    /// Mean NME of the faces that were found. Down is good.
    ///
    /// # Errors
    /// Undefined when none was found.
    pub fn mean(&self) -> Result<f64> {
        if self.sorted.is_empty() {
            return Err(EvalError::undefined("mean NME", "no face was found"));
        }
        Ok(self.sorted.iter().sum::<f64>() / self.sorted.len() as f64)
    }
    /// Share of all faces whose NME is at most `x`. Up is good.
    ///
    /// # Errors
    /// Undefined without a face.
    pub fn ced(&self, x: f64) -> Result<f64> {
        Ok(self.sorted.partition_point(|&e| e <= x) as f64 / self.need_faces("CED")?)
    }
    /// Share of all faces not found or with an NME above `x`. Down is good.
    ///
    /// # Errors
    /// Undefined without a face.
    pub fn failure_rate(&self, x: f64) -> Result<f64> {
        Ok(1.0 - self.ced(x)?)
    }
    fn need_faces(&self, metric: &str) -> Result<f64> {
        match self.faces {
            0 => Err(EvalError::undefined(metric, "there is no face to be found")),
            n => Ok(n as f64),
        }
    }
    /// Area under the CED from 0 to `x`, as a share of the whole (exact, not sampled). Up is good.
    ///
    /// # Errors
    /// An `x` of 0 or less; undefined without a face.
    pub fn auc(&self, x: f64) -> Result<f64> {
        if !(x.is_finite() && x > 0.0) {
            return Err(EvalError::input("NME limit", format!("{x}"), "give a share above 0, such as 0.08"));
        }
        let inside = self.sorted.iter().take_while(|e| **e <= x);
        Ok(inside.map(|e| (x - e) / x).sum::<f64>() / self.need_faces("AUC")?)
    }
    /// `(x, CED)` at `n` even places from 0 to `x`, for drawing; none without a face.
    pub fn curve(&self, x: f64, n: usize) -> Vec<[f64; 2]> {
        let places = (0..=n.max(1)).map(|k| x * k as f64 / n.max(1) as f64);
        places.filter_map(|x| Some([x, self.ced(x).ok()?])).collect()
    }
    /// Faces, and those of them that were found.
    pub fn faces(&self) -> (usize, usize) {
        (self.faces, self.sorted.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nme_by_hand() {
        let truth = [[0.0, 0.0], [10.0, 0.0], [5.0, 5.0]];
        let found = [[3.0, 4.0], [10.0, 0.0], [5.0, 6.0]];
        assert!((nme(&truth, &found, None, Normaliser::Eyes).unwrap() - 0.2).abs() < 1e-12);
        let by_box = nme(&truth, &found, Some([0.0, 0.0, 16.0, 25.0]), Normaliser::Box).unwrap();
        assert!((by_box - 0.1).abs() < 1e-12);
        assert!(nme(&truth, &found, None, Normaliser::Box).unwrap_err().is_undefined());
        assert!(nme(&[[0.0; 2]; 2], &[[1.0; 2]; 2], None, Normaliser::Eyes).unwrap_err().is_undefined());
        assert!(nme(&truth, &found[..2], None, Normaliser::Eyes).is_err());
        assert!(nme(&truth, &[[f64::NAN; 2]; 3], None, Normaliser::Eyes).is_err());
    }

    #[test]
    fn offsets_point_from_the_true_point_to_the_found_one() {
        let (truth, found) = ([[0.0, 0.0], [10.0, 0.0]], [[3.0, -4.0], [10.0, 1.0]]);
        assert_eq!(offsets(&truth, &found, None, Normaliser::Eyes).unwrap(), [[0.3, -0.4], [0.0, 0.1]]);
        assert!(offsets(&truth, &[[f64::INFINITY; 2]; 2], None, Normaliser::Eyes).is_err());
        assert!(
            offsets(&[[1e308, 0.0]; 2], &[[-1e308, 0.0]; 2], Some([0.0, 0.0, 1.0, 1.0]), Normaliser::Box)
                .is_err()
        );
        assert!(offsets(&[], &[], Some([0.0, 0.0, 1.0, 1.0]), Normaliser::Box).unwrap_err().is_undefined());
    }

    #[test]
    fn missed_faces_are_failures() {
        let l = Landmarks::new(&[Some(0.02), Some(0.04), None, Some(0.2)]).unwrap();
        assert_eq!(
            (l.ced(0.04).unwrap(), l.ced(0.0).unwrap(), l.failure_rate(0.1).unwrap(), l.faces()),
            (0.5, 0.0, 0.5, (4, 3))
        );
        assert!((l.mean().unwrap() - 0.26 / 3.0).abs() < 1e-12);
        // (0.08 − 0.02)/0.08 = 0.75, (0.08 − 0.04)/0.08 = 0.5, two nothing.
        assert!((l.auc(0.08).unwrap() - 1.25 / 4.0).abs() < 1e-12);
        // A fine sum is the same area.
        let fine = l.curve(0.08, 8000);
        let sum: f64 = fine.windows(2).map(|w| w[0][1] * (w[1][0] - w[0][0])).sum();
        assert!((sum / 0.08 - l.auc(0.08).unwrap()).abs() < 1e-3);
        let nobody = Landmarks::new(&[]).unwrap();
        for undefined in [nobody.mean(), nobody.ced(0.1), nobody.failure_rate(0.1), nobody.auc(0.1)] {
            assert!(undefined.unwrap_err().is_undefined());
        }
        assert!(nobody.curve(0.1, 9).is_empty() && l.auc(0.0).is_err());
        assert!(Landmarks::new(&[None]).unwrap().mean().unwrap_err().is_undefined());
        assert!(Landmarks::new(&[Some(-1.0)]).is_err());
    }
}
