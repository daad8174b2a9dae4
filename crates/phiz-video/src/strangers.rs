//! Numbers for people whom nobody has enrolled.
//!
//! This is the one place in which a stranger gets a number: [`Strangers`]. [`StrangersOfRun`] keeps numbers for as long as
//! the program runs; a store of sightings that keeps them longer implements the same trait.

use std::collections::BTreeSet;

use phiz_template::{Rate, Template, Thresholds};

use crate::evidence::Evidence;

/// Gives strangers their numbers.
pub trait Strangers: Send {
    /// The number of the stranger whom a combined template of several good views shows: one that was given before, or a new
    /// one. None while the views are too like a known stranger for a new number and too unlike for the old one.
    /// Strangers in `busy` stand elsewhere in front of the same camera, so it is none of them.
    fn number(&mut self, template: &Template, quality: f32, busy: &BTreeSet<u64>) -> Option<u64>;

    /// A stranger was not one: the number is of a person whom the gallery knows, and is not used again.
    fn named(&mut self, number: u64);
}

/// How often a new face may get the number of another stranger. It is less than may be named wrongly by default, since nobody
/// looks at numbers before they are given.
const STRICT: f64 = 1e-3;
/// From here on a face is too like a stranger to get a number of its own at once.
const DOUBT: f64 = 0.05;

/// Strangers of one run. They are forgotten when the program ends.
pub struct StrangersOfRun {
    thresholds: Thresholds,
    known: Vec<(u64, Evidence)>,
    next: u64,
}

impl StrangersOfRun {
    /// Nobody yet; the thresholds are the embedder's.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> StrangersOfRun {
        StrangersOfRun { thresholds, known: Vec::new(), next: 1 }
    }

    fn similarity_at(&self, fpir: f64) -> f32 {
        let fmr = Rate::Fpir(fpir).fmr(self.known.len().max(1) as f64).unwrap_or(fpir);
        self.thresholds.similarity_at(fmr) as f32
    }
}

impl Strangers for StrangersOfRun {
    fn number(&mut self, template: &Template, quality: f32, busy: &BTreeSet<u64>) -> Option<u64> {
        let (same, doubt) = (self.similarity_at(STRICT), self.similarity_at(DOUBT));
        let nearest = self
            .known
            .iter_mut()
            .filter(|(number, _)| !busy.contains(number))
            .filter_map(|(number, evidence)| Some((evidence.similarity(template)?, *number, evidence)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((similarity, number, evidence)) if similarity >= same => {
                evidence.add(template, quality);
                Some(number)
            }
            Some((similarity, ..)) if similarity >= doubt => None,
            _ => {
                let mut evidence = Evidence::default();
                evidence.add(template, quality);
                self.known.push((self.next, evidence));
                self.next += 1;
                Some(self.next - 1)
            }
        }
    }

    fn named(&mut self, number: u64) {
        self.known.retain(|(known, _)| *known != number);
    }
}

#[cfg(test)]
mod tests {
    use phiz_template::ModelId;

    use super::*;

    fn template(vector: [f32; 4]) -> Template {
        Template::normalised(ModelId::new("m").unwrap(), vector.to_vec()).unwrap()
    }

    #[test]
    fn a_number_is_kept_given_once_and_never_guessed() {
        let thresholds =
            Thresholds::new(vec![[0.5, 0.0], [0.05, 0.3], [1e-3, 0.6], [1e-5, 0.8]], "").unwrap();
        let mut strangers = StrangersOfRun::new(thresholds);
        let nobody = BTreeSet::new();
        let (a, b) = (template([1.0, 0.0, 0.0, 0.0]), template([0.0, 1.0, 0.0, 0.0]));
        assert_eq!(strangers.number(&a, 0.7, &nobody), Some(1));
        assert_eq!(strangers.number(&b, 0.7, &nobody), Some(2));
        assert_eq!(strangers.number(&template([1.0, 0.1, 0.2, 0.0]), 0.7, &nobody), Some(1));
        // Half like the first: neither the old number nor a new one.
        let half = template([1.0, 0.0, 2.0, 0.0]);
        assert_eq!(strangers.number(&half, 0.7, &nobody), None);
        // The first stands elsewhere, so this is somebody new.
        assert_eq!(strangers.number(&a, 0.7, &BTreeSet::from([1])), Some(3));
        strangers.named(2);
        assert_eq!(strangers.number(&b, 0.7, &nobody), Some(4), "numbers are never given twice");
    }
}
