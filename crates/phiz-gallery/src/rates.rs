//! From similarities to error rates, and from rates to decisions.
//!
//! A *false match rate* (FMR) is the share of pairs of different people that are as similar as this or more; the
//! model's card says which similarity stands for which rate. A search compares with everybody: with `n` people in
//! the gallery a stranger is taken for somebody at the *false positive identification rate*
//!
//! `FPIR = 1 − (1 − FMR)ⁿ`
//!
//! if the comparisons are independent. They are not wholly: some strangers resemble many. For given mean FMR that
//! only lowers the FPIR (the right side is concave in FMR, Jensen), so the formula errs to the safe side;
//! what `n` amounts to in a gallery of one's own is measured by [`crate::Gallery::calibrate`].

use phiz_net::card::Thresholds;
use serde::Serialize;

use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::PersonId;

/// How often a stranger may be taken for somebody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// In each comparison of two faces.
    Fmr(f64),
    /// In each search of the whole gallery, whatever its size.
    Fpir(f64),
}

impl Rate {
    /// The false match rate that each of `people` comparisons may have.
    ///
    /// # Errors
    /// The rate is not between 0 and 1.
    pub fn fmr(self, people: f64) -> Result<f64> {
        let (Rate::Fmr(rate) | Rate::Fpir(rate)) = self;
        if !(rate > 0.0 && rate < 1.0) {
            return Err(GalleryError::new(ErrorKind::Caller, format!("{rate} is no rate between 0 and 1"))
                .hint_at("ask for a rate such as 0.001 or 1e-5"));
        }
        Ok(match self {
            Rate::Fmr(fmr) => fmr,
            Rate::Fpir(fpir) => -((-fpir).ln_1p() / people.max(1.0)).exp_m1(),
        })
    }
}

/// `1 − (1 − fmr)ⁿ`, see the module's text.
#[must_use]
pub fn fpir(fmr: f64, people: f64) -> f64 {
    -(people * (-fmr).max(-1.0).ln_1p()).exp_m1()
}

/// Somebody who a face may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Who.
    pub person: PersonId,
    /// Cosine between the face and the person's faces, combined.
    pub similarity: f32,
    /// The false match rate that the similarity stands for.
    pub fmr: f64,
    /// The chance that a stranger looks as much like anybody among those searched.
    pub fpir: f64,
}

/// Who a face is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// This person, within the rate that was asked for.
    Match(Candidate),
    /// Somebody is similar enough, but a second person is nearly as similar: twins, siblings, one person enrolled
    /// twice. By falling similarity.
    Ambiguous {
        /// The first and those too near to it.
        candidates: Vec<Candidate>,
    },
    /// Nobody within the rate that was asked for.
    Unknown {
        /// The most similar person nevertheless, none if the gallery is empty. No identity: do not show it as one.
        best: Option<Candidate>,
    },
}

/// Is the first candidate it? `candidates` by falling similarity; `fmr` is what one comparison may have.
pub(crate) fn decide(candidates: &[Candidate], fmr: f64, margin: f64) -> Decision {
    let Some(first) = candidates.first() else { return Decision::Unknown { best: None } };
    if first.fmr > fmr {
        return Decision::Unknown { best: Some(*first) };
    }
    let near =
        candidates.iter().take_while(|c| c.fmr < first.fmr * margin || c.similarity == first.similarity);
    let near: Vec<Candidate> = near.copied().collect();
    if near.len() > 1 { Decision::Ambiguous { candidates: near } } else { Decision::Match(*first) }
}

/// What [`Thresholds`] must keep, whoever made them: two or more quantiles, rates falling, similarities rising.
pub(crate) fn validate(thresholds: &Thresholds) -> Result<()> {
    let q = &thresholds.quantiles;
    let ordered = q.windows(2).all(|w| w[0][0] > w[1][0] && w[0][1] < w[1][1]);
    let valid = q.iter().all(|[fmr, s]| *fmr > 0.0 && *fmr <= 1.0 && (-1.0..=1.0).contains(s));
    if q.len() < 2 || !ordered || !valid {
        let reason = "thresholds need two or more [rate, similarity], rates falling, similarities rising";
        return Err(GalleryError::new(ErrorKind::Caller, reason).hint_at("see the model's card"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_comparisons_and_searches_are_inverse() {
        for people in [1.0, 2.0, 1000.0, 1e6] {
            for rate in [1e-9, 1e-4, 0.01, 0.5] {
                let fmr = Rate::Fpir(rate).fmr(people).unwrap();
                assert!((fpir(fmr, people) / rate - 1.0).abs() < 1e-6, "{people} {rate}");
                assert!(fmr <= rate);
            }
        }
        assert!((fpir(1e-5, 1000.0) - 0.009_950_2).abs() < 1e-6);
        assert_eq!((fpir(1.0, 3.0), fpir(0.0, 3.0), fpir(0.1, 0.0)), (1.0, 0.0, 0.0));
        for bad in [0.0, 1.0, -0.1, 2.0, f64::NAN] {
            assert!(Rate::Fmr(bad).fmr(1.0).is_err() && Rate::Fpir(bad).fmr(1.0).is_err());
        }
    }

    #[test]
    fn decisions() {
        let c = |id, similarity, fmr| Candidate { person: PersonId(id), similarity, fmr, fpir: fmr };
        let (a, b, far) = (c(1, 0.8, 1e-6), c(2, 0.78, 5e-6), c(3, 0.5, 1e-3));
        for (name, candidates, wanted) in [
            ("empty", vec![], Decision::Unknown { best: None }),
            ("too weak", vec![far], Decision::Unknown { best: Some(far) }),
            ("alone", vec![a], Decision::Match(a)),
            ("second far off", vec![a, far], Decision::Match(a)),
            ("second near", vec![a, b, far], Decision::Ambiguous { candidates: vec![a, b] }),
            (
                "equal",
                vec![c(1, 1.0, 0.0), c(2, 1.0, 0.0)],
                Decision::Ambiguous { candidates: vec![c(1, 1.0, 0.0), c(2, 1.0, 0.0)] },
            ),
        ] {
            assert_eq!(decide(&candidates, 1e-4, 10.0), wanted, "{name}");
        }
    }
}
