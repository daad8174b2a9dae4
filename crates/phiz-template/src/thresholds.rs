//! Which similarity stands for which false match rate.

use serde::{Deserialize, Serialize};

use crate::TemplateError;

/// Which similarity stands for which false match rate, measured on pairs of different people.
///
/// There are always two quantiles or more, with falling rates and rising similarities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Thresholds {
    quantiles: Vec<[f64; 2]>,
    measured_on: String,
}

/// The fields as files hold them, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    quantiles: Vec<[f64; 2]>,
    #[serde(default)]
    measured_on: String,
}

impl TryFrom<Written> for Thresholds {
    type Error = TemplateError;
    fn try_from(written: Written) -> Result<Thresholds, TemplateError> {
        Thresholds::new(written.quantiles, written.measured_on)
    }
}

impl Thresholds {
    /// From pairs `[false match rate, similarity]`, and a text that says on whom they were measured.
    ///
    /// # Errors
    /// [`TemplateError::Thresholds`] unless there are two pairs or more, with falling rates in (0, 1] and rising
    /// similarities in [−1, 1].
    pub fn new(
        quantiles: Vec<[f64; 2]>,
        measured_on: impl Into<String>,
    ) -> Result<Thresholds, TemplateError> {
        let ordered = quantiles.windows(2).all(|w| w[0][0] > w[1][0] && w[0][1] < w[1][1]);
        let valid = quantiles.iter().all(|[f, s]| *f > 0.0 && *f <= 1.0 && (-1.0..=1.0).contains(s));
        if quantiles.len() < 2 || !ordered || !valid {
            return Err(TemplateError::Thresholds);
        }
        Ok(Thresholds { quantiles, measured_on: measured_on.into() })
    }

    /// Pairs `[false match rate, similarity]`, with falling rates and rising similarities; two or more.
    #[must_use]
    pub fn quantiles(&self) -> &[[f64; 2]] {
        &self.quantiles
    }

    /// On whom they were measured; may be empty.
    #[must_use]
    pub fn measured_on(&self) -> &str {
        &self.measured_on
    }

    /// The similarity at a false match rate, linear in the rate's logarithm; beyond the measured range the
    /// nearest two quantiles are continued.
    #[must_use]
    pub fn similarity_at(&self, fmr: f64) -> f64 {
        let x = fmr.max(1e-300).ln();
        let (a, b) = self.segment(|[rate, _]| rate.ln() <= x);
        let (xa, xb) = (a[0].ln(), b[0].ln());
        (a[1] + (b[1] - a[1]) * (x - xa) / (xb - xa)).min(1.0)
    }

    /// The smallest rate that was measured. What [`Thresholds::similarity_at`] and [`Thresholds::fmr_at`] say beyond it
    /// is continued along an exponential tail: on the safe side for impostor scores that fall off as a normal
    /// distribution does, not for twins.
    #[must_use]
    pub fn least_measured(&self) -> f64 {
        self.quantiles.last().map_or(1.0, |[rate, _]| *rate)
    }

    /// The false match rate of a similarity, at most 1.
    #[must_use]
    pub fn fmr_at(&self, similarity: f64) -> f64 {
        let (a, b) = self.segment(|[_, s]| *s >= similarity);
        let (xa, xb) = (a[0].ln(), b[0].ln());
        (xa + (xb - xa) * (similarity - a[1]) / (b[1] - a[1])).exp().min(1.0)
    }

    /// The two neighbouring quantiles around the first for which `beyond` holds.
    fn segment(&self, beyond: impl Fn(&[f64; 2]) -> bool) -> ([f64; 2], [f64; 2]) {
        let after = self.quantiles.iter().position(beyond).unwrap_or(self.quantiles.len() - 1);
        let after = after.clamp(1, self.quantiles.len() - 1);
        (self.quantiles[after - 1], self.quantiles[after])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_similarities_are_inverse() {
        let t = Thresholds::new(vec![[1e-1, 0.1], [1e-2, 0.2], [1e-3, 0.3], [1e-4, 0.35]], "").unwrap();
        for fmr in [0.5, 0.1, 0.05, 1e-2, 3e-3, 1e-3, 5e-4, 1e-4, 1e-5, 1e-6] {
            let back = t.fmr_at(t.similarity_at(fmr));
            assert!((back / fmr - 1.0).abs() < 1e-9, "{fmr} came back as {back}");
        }
        assert!((t.similarity_at(1e-3) - 0.3).abs() < 1e-12);
        assert!((t.similarity_at(1e-5) - 0.4).abs() < 1e-12, "continued");
        assert_eq!(t.fmr_at(-1.0), 1.0);
    }

    #[test]
    fn what_tells_no_rates_is_refused() {
        for (name, quantiles) in [
            ("none", vec![]),
            ("one", vec![[0.1, 0.1]]),
            ("rates rise", vec![[0.1, 0.1], [0.2, 0.2]]),
            ("similarities fall", vec![[0.2, 0.2], [0.1, 0.1]]),
            ("no rate", vec![[0.2, 0.2], [0.0, 0.3]]),
            ("no similarity", vec![[0.2, 0.2], [0.1, 1.3]]),
            ("not a number", vec![[f64::NAN, 0.2], [0.1, 0.3]]),
        ] {
            assert_eq!(Thresholds::new(quantiles, ""), Err(TemplateError::Thresholds), "{name}");
        }
    }

    #[test]
    fn files_are_held_to_the_same_rules() {
        let read = |text: &str| serde_json::from_str::<Thresholds>(text);
        let good = r#"{"quantiles":[[0.1,0.2],[0.01,0.3]],"measured_on":"us"}"#;
        assert_eq!(serde_json::to_string(&read(good).unwrap()).unwrap(), good);
        assert!(read(r#"{"quantiles":[[0.1,0.2]]}"#).is_err());
        assert!(read(r#"{"quantiles":[[0.1,0.2],[0.01,0.3]],"colour":1}"#).is_err());
    }
}
