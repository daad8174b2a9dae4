//! One entry for each question: prepared data in, a [`Report`] out.
//!
//! | question | entry |
//! |---|---|
//! | Do these pairs show one person or two? | [`pairs`] |
//! | The same, every photo against every other, and by group | [`all_pairs`] |
//! | Who is this, among the enrolled, and is it nobody? | [`identification`] |
//! | Is this gallery sound? | [`gallery`] |
//! | Are the faces found? | [`detection`] |
//! | Where are eyes, nose and mouth? | [`landmarks`] |
//! | Does the quality score know what will fail? | [`quality`] |
//! | Which similarity stands for which false match rate? | [`thresholds`] |
//! | Is one system better than another, or was it luck? | [`compare`] |
//!
//! An entry decides everything that makes a figure mean what it says: what is counted, what is drawn again for the
//! intervals, which threshold is taken, what is said about data that do not define a figure. It runs no network and opens no
//! file: templates come from an [`Embeddings`](crate::embeddings::Embeddings), boxes and landmarks as numbers.
//!
//! ```
//! use phiz_eval::protocol::{self, Cut, Options, System, Unwatched};
//! use phiz_eval::pairs::read_csv_pairs;
//!
//! let csv = "a,b,same,score\nx,y,1,0.9\nx,z,0,0.1\n";
//! let (pairs, _) = read_csv_pairs(csv.as_bytes(), "pairs.csv".as_ref())?;
//! let report = protocol::pairs(System::new("theirs"), &pairs, &Options::default())?;
//! assert_eq!(report.figure("verification", "auc").and_then(|f| f.value.known()), Some(1.0));
//! # Ok::<(), phiz_eval::EvalError>(())
//! ```

mod detection;
mod identification;
mod landmarks;
mod verification;

pub use detection::{DetectionOptions, Shown, detection};
pub use identification::{gallery, identification};
pub use landmarks::{CentralFace, LANDMARKS, landmarks};
pub use verification::{AllPairsReport, ThresholdTable, all_pairs, embed_pairs, pairs, quality, thresholds};

use crate::Result;
use crate::bootstrap::Bootstrap;
use crate::curve::Curve;
use crate::error::check_rate;
use crate::groups::Grouping;
use crate::report::{LeftOut, Report, Section};
use std::fmt;
use std::sync::Arc;

/// The system that is judged, and what is known of it beside its answers.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct System {
    /// Its name in tables.
    pub name: String,
    /// What is needed to repeat the run, `(what, value)`: command, version, models, data.
    pub facts: Vec<(String, String)>,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// What could not be used.
    pub left_out: Vec<LeftOut>,
    /// The similarity that the system's card states for a false match rate, if it has a card.
    pub card: Option<Card>,
}

/// From a false match rate to the similarity that a model card states for it.
pub type Card = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

impl System {
    /// A system of which only the name is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
    /// Adds what is needed to repeat the run.
    pub fn fact(&mut self, what: &str, value: impl ToString) {
        self.facts.push((what.to_owned(), value.to_string()));
    }
    /// The report of this system, with its sections.
    fn report(self, question: String, bootstrap: Option<Bootstrap>, sections: Vec<Section>) -> Report {
        let mut report = Report::new(self.name, question, bootstrap);
        report.facts = self.facts;
        report.warnings = self.warnings;
        report.left_out = self.left_out;
        report.sections = sections;
        report
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("name", &self.name)
            .field("facts", &self.facts)
            .field("warnings", &self.warnings)
            .field("left_out", &self.left_out)
            .field("has_card", &self.card.is_some())
            .finish()
    }
}

impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        let parts = |s: &Self| (s.name.clone(), s.facts.clone(), s.warnings.clone(), s.left_out.clone());
        parts(self) == parts(other) && self.card.is_some() == other.card.is_some()
    }
}

/// What an entry is asked for. All of it has defaults; not every entry uses all of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// How to draw again for the intervals; none for no intervals.
    pub bootstrap: Option<Bootstrap>,
    /// Where rates are taken.
    pub cut: Cut,
    /// Columns by whose values rates are told apart.
    pub by: Vec<Grouping>,
    /// How many of the worst pairs of each kind are listed.
    pub worst: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { bootstrap: None, cut: Cut::Fmr(1e-3), by: Vec::new(), worst: 10 }
    }
}

impl Options {
    fn confidence(&self) -> f64 {
        self.bootstrap.unwrap_or_default().confidence
    }
}

/// Where figures at a threshold are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Cut {
    /// At this similarity.
    Similarity(f64),
    /// Where no more than this share of impostor pairs is accepted: by the system's card, or without one as measured on
    /// the data at hand.
    Fmr(f64),
}

impl Cut {
    /// The threshold, and where it comes from. None, with a warning, where the data do not define it.
    fn choose(self, curve: &Curve, system: &mut System) -> Result<Option<f64>> {
        let (threshold, origin) = match (self, &system.card) {
            (Self::Similarity(t), _) if t.is_finite() => (t, "as asked for".to_owned()),
            (Self::Similarity(t), _) => {
                let hint = "give a finite number";
                return Err(crate::EvalError::input("threshold", format!("{t} is no similarity"), hint));
            }
            (Self::Fmr(rate), Some(card)) => {
                check_rate("false match rate", rate)?;
                (card(rate), format!("the card's for a false match rate of {rate:e}"))
            }
            (Self::Fmr(rate), None) => match curve.threshold_at_fmr(rate) {
                Ok(threshold) => {
                    if curve.range().is_some_and(|(highest, _)| threshold > highest) {
                        system.warnings.push(format!(
                            "no similarity keeps to a false match rate of {rate:e} here: more pairs of different people share \
                             the highest score, so the threshold lies above all scores and nothing is accepted"
                        ));
                    }
                    (threshold, format!("measured here for a false match rate of {rate:e}"))
                }
                Err(error) if error.is_undefined() => {
                    system.warnings.push(format!("there are no figures at a threshold: {error}"));
                    return Ok(None);
                }
                Err(error) => return Err(error),
            },
        };
        if !threshold.is_finite() {
            system
                .warnings
                .push("there are no figures at a threshold: the card states no finite similarity".into());
            return Ok(None);
        }
        system.fact("threshold", format!("{threshold:.4}, {origin}"));
        Ok(Some(threshold))
    }
}

/// Told how far long work is. Called from several threads.
pub trait Watch: Sync {
    /// A part of the work begins.
    fn stage(&self, what: &str) {
        let _ = what;
    }
    /// So much of the part is done, of so much in all.
    fn progress(&self, done: u64, all: u64) {
        let _ = (done, all);
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Several reports side by side, and what stands in the way of comparing them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The reports, each with a name of its own.
    pub reports: Vec<Report>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// Puts reports side by side, `(where it comes from, report)`. Two of one name are told apart by where they come from.
///
/// # Errors
/// No report.
pub fn compare(reports: Vec<(String, Report)>) -> Result<Comparison> {
    let mut named: Vec<Report> = Vec::new();
    for (origin, mut report) in reports {
        if named.iter().any(|r| r.name == report.name) {
            report.name = format!("{} ({origin})", report.name);
        }
        let (name, mut n) = (report.name.clone(), 2);
        while named.iter().any(|r| r.name == report.name) {
            report.name = format!("{name} {n}");
            n += 1;
        }
        named.push(report);
    }
    let Some((first, others)) = named.split_first() else {
        return Err(crate::EvalError::undefined("the comparison", "there is no report"));
    };
    let apart = others.iter().filter(|other| other.basis != first.basis || other.basis.is_empty());
    let warnings = apart.map(|other| {
        format!(
            "{} and {} stand on other people or draws: no paired test\n  hint: make both with the same list, --seed and \
             --rounds",
            first.name, other.name
        )
    });
    Ok(Comparison { warnings: warnings.collect(), reports: named })
}

#[cfg(test)]
mod tests;
