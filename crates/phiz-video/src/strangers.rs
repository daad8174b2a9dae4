//! Numbers for people whom nobody has enrolled.
//!
//! This is the one place in which a stranger gets a number: [`Strangers`]. [`StrangersOfRun`] keeps numbers for as long as
//! the program runs; [`StrangersOfGallery`](crate::StrangersOfGallery) keeps them in the gallery.

use std::collections::BTreeSet;

use phiz_template::{Rate, Template, Thresholds};

use crate::evidence::Evidence;

/// Somebody whom nobody has enrolled, as a track shows them.
#[derive(Clone, Copy, Debug)]
pub struct Stranger<'a> {
    /// All views of the track, combined.
    pub template: &'a Template,
    /// Quality of the best view.
    pub quality: f32,
    /// Where the face is, in pixels of the video.
    pub bbox: [f32; 4],
    /// Columns and rows of the video.
    pub size: [f32; 2],
    /// When it is, in seconds from the beginning of the video.
    pub time: f64,
}

/// Gives strangers their numbers.
pub trait Strangers: Send {
    /// The number of the stranger whom several good views show: one that was given before, or a new one. None while the
    /// views are too like a known stranger for a new number and too unlike for the old one. Strangers in `busy` stand
    /// elsewhere in front of the same camera, so it is none of them.
    fn number(&mut self, seen: &Stranger<'_>, busy: &BTreeSet<u64>) -> Option<u64>;

    /// A stranger was not one: the number is of a person whom the gallery knows, and is not used again.
    fn named(&mut self, number: u64);
}

/// How often a new face may get the number of another stranger. It is less than may be named wrongly by default, since nobody
/// looks at numbers before they are given.
const STRICT: f64 = 1e-3;
/// From here on a face is too like a stranger to get a number of its own at once.
const DOUBT: f64 = 0.05;

/// Strangers who are known, by their numbers.
pub(crate) struct Known {
    thresholds: Thresholds,
    pub(crate) all: Vec<(u64, Evidence)>,
}

/// Who a stranger is among those who are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// This one.
    Same(u64),
    /// Perhaps one of them, perhaps not.
    Doubtful,
    /// None of them.
    New,
}

impl Known {
    pub(crate) fn new(thresholds: Thresholds) -> Known {
        Known { thresholds, all: Vec::new() }
    }

    fn similarity_at(&self, fpir: f64) -> f32 {
        let fmr = Rate::Fpir(fpir).fmr(self.all.len().max(1) as f64).unwrap_or(fpir);
        self.thresholds.similarity_at(fmr) as f32
    }

    pub(crate) fn who(&self, template: &Template, busy: &BTreeSet<u64>) -> Likeness {
        let (same, doubt) = (self.similarity_at(STRICT), self.similarity_at(DOUBT));
        let free = self.all.iter().filter(|(number, _)| !busy.contains(number));
        let nearest = free
            .filter_map(|(number, evidence)| Some((evidence.similarity(template)?, *number)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((similarity, number)) if similarity >= same => Likeness::Same(number),
            Some((similarity, _)) if similarity >= doubt => Likeness::Doubtful,
            _ => Likeness::New,
        }
    }

    /// Takes a view of a stranger into account, known or new.
    pub(crate) fn add(&mut self, number: u64, template: &Template, quality: f32) {
        let place = self.all.iter().position(|(known, _)| *known == number).unwrap_or_else(|| {
            self.all.push((number, Evidence::default()));
            self.all.len() - 1
        });
        self.all[place].1.add(template, quality);
    }
}

/// Strangers of one run. They are forgotten when the program ends.
pub struct StrangersOfRun {
    known: Known,
    next: u64,
}

impl StrangersOfRun {
    /// Nobody yet; the thresholds are the embedder's.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> StrangersOfRun {
        StrangersOfRun { known: Known::new(thresholds), next: 1 }
    }
}

impl Strangers for StrangersOfRun {
    fn number(&mut self, seen: &Stranger<'_>, busy: &BTreeSet<u64>) -> Option<u64> {
        let number = match self.known.who(seen.template, busy) {
            Likeness::Same(number) => number,
            Likeness::Doubtful => return None,
            Likeness::New => {
                self.next += 1;
                self.next - 1
            }
        };
        self.known.add(number, seen.template, seen.quality);
        Some(number)
    }

    fn named(&mut self, number: u64) {
        self.known.all.retain(|(known, _)| *known != number);
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
        let number = |strangers: &mut StrangersOfRun, template: &Template, busy: &BTreeSet<u64>| {
            let seen = Stranger { template, quality: 0.7, bbox: [0.0; 4], size: [1.0; 2], time: 0.0 };
            strangers.number(&seen, busy)
        };
        let (a, b) = (template([1.0, 0.0, 0.0, 0.0]), template([0.0, 1.0, 0.0, 0.0]));
        assert_eq!(number(&mut strangers, &a, &nobody), Some(1));
        assert_eq!(number(&mut strangers, &b, &nobody), Some(2));
        assert_eq!(number(&mut strangers, &template([1.0, 0.1, 0.2, 0.0]), &nobody), Some(1));
        // Half like the first: neither the old number nor a new one.
        let half = template([1.0, 0.0, 2.0, 0.0]);
        assert_eq!(number(&mut strangers, &half, &nobody), None);
        // The first stands elsewhere, so this is somebody new.
        assert_eq!(number(&mut strangers, &a, &BTreeSet::from([1])), Some(3));
        strangers.named(2);
        assert_eq!(number(&mut strangers, &b, &nobody), Some(4), "numbers are never given twice");
    }
}
