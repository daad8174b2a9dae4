//! From similarities and rates to decisions. What `n` people amount to as comparisons in a gallery of one's own is
//! measured by [`crate::Gallery::calibrate`].

use phiz_template::Thresholds;
pub use phiz_template::{Rate, fpir};
use serde::{Deserialize, Serialize};

use crate::model::{FaceId, PersonId};

/// What similarities are worth on a gallery, as measured on its own people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Which similarity stands for which false match rate.
    pub thresholds: Thresholds,
    /// Independent comparisons that one comparison in a search amounts to, at most 1: a stranger who resembles one
    /// person of a family resembles them all, and is taken for somebody but once.
    pub share: f64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// How many people there were.
    pub people: usize,
    /// How many comparisons of different people.
    pub comparisons: u64,
}

/// Histogram bins over the similarities −1 to 1.
pub(crate) const BINS: usize = 8192;

pub(crate) fn bin(similarity: f32) -> usize {
    (((f64::from(similarity) + 1.0) / 2.0 * BINS as f64) as usize).min(BINS - 1)
}

/// Somebody who a face may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The person.
    pub person: PersonId,
    /// What they were called when the decision was made; empty if nobody knows.
    pub name: String,
    /// Cosine between the face and the person's faces, combined.
    pub similarity: f32,
    /// The false match rate that the similarity stands for.
    pub fmr: f64,
    /// The chance that a stranger looks as much like anybody among those searched.
    pub fpir: f64,
    /// Which of the person's faces is the most similar: the one that carried the comparison.
    pub face: FaceId,
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
        return Decision::Unknown { best: Some(first.clone()) };
    }
    let near =
        candidates.iter().take_while(|c| c.fmr < first.fmr * margin || c.similarity == first.similarity);
    let near: Vec<Candidate> = near.cloned().collect();
    if near.len() > 1 { Decision::Ambiguous { candidates: near } } else { Decision::Match(first.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        let c = |id, similarity, fmr| Candidate {
            person: PersonId(id),
            name: format!("{id}"),
            similarity,
            fmr,
            fpir: fmr,
            face: FaceId(id),
        };
        let (a, b, far) = (c(1, 0.8, 1e-6), c(2, 0.78, 5e-6), c(3, 0.5, 1e-3));
        for (name, candidates, wanted) in [
            ("empty", vec![], Decision::Unknown { best: None }),
            ("too weak", vec![far.clone()], Decision::Unknown { best: Some(far.clone()) }),
            ("alone", vec![a.clone()], Decision::Match(a.clone())),
            ("second far off", vec![a.clone(), far.clone()], Decision::Match(a.clone())),
            ("second near", vec![a.clone(), b.clone(), far], Decision::Ambiguous { candidates: vec![a, b] }),
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
