//! Which label was given against which was true: accuracy, precision, recall, F1, confusion.
//!
//! Labels are of any ordered type: people's names, `Option<name>` where `None` is "unknown", groups.
//! The matrix is kept sparse, because a gallery has thousands of people and few confusions.

use crate::Result;
use crate::error::{EvalError, same_length};
use std::collections::BTreeMap;

/// What an average over classes does with a class whose metric is undefined
/// (precision of a class that was never predicted, recall of one that never occurs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUndefined {
    /// Fail and name the class. The default: an average over holes is a decision, make it yourself.
    #[default]
    Fail,
    /// Leave the class out (scikit-learn's `zero_division=nan`).
    Skip,
    /// Count it as 0 (scikit-learn's `zero_division=0`).
    Zero,
}

/// One class's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// True and predicted.
    pub true_positives: u64,
    /// Predicted, and not true.
    pub false_positives: u64,
    /// True, and not predicted.
    pub false_negatives: u64,
}

impl Counts {
    /// tp / (tp + fp). Up is good. Undefined when the class was never predicted.
    pub fn precision(&self) -> Result<f64> {
        ratio("precision", "the class was never predicted", self.true_positives, self.false_positives)
    }
    /// tp / (tp + fn). Up is good. Undefined when the class never occurs.
    pub fn recall(&self) -> Result<f64> {
        ratio("recall", "the class never occurs", self.true_positives, self.false_negatives)
    }
    /// 2 tp / (2 tp + fp + fn). Up is good. Undefined when the class neither occurs nor was predicted.
    pub fn f1(&self) -> Result<f64> {
        let errors = self.false_positives + self.false_negatives;
        ratio("F1", "the class neither occurs nor was predicted", 2 * self.true_positives, errors)
    }
}

fn ratio(metric: &str, reason: &str, good: u64, bad: u64) -> Result<f64> {
    if good + bad == 0 {
        return Err(EvalError::undefined(metric, reason));
    }
    Ok(good as f64 / (good + bad) as f64)
}

/// Precision, recall and F1 together, as averaged.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Averages {
    /// Share of the predictions that are right.
    pub precision: f64,
    /// Share of the truths that were found.
    pub recall: f64,
    /// Their harmonic mean, class by class (macro) or over all counts (micro).
    pub f1: f64,
}

/// A confusion matrix over the labels that occur in truth or prediction.
#[derive(Debug, Clone)]
pub struct Confusion<L> {
    labels: Vec<L>,
    cells: BTreeMap<(usize, usize), u64>,
    counts: Vec<Counts>,
    total: u64,
}

impl<L: Ord + Clone> Confusion<L> {
    /// Counts `truth[i]` against `predicted[i]`.
    ///
    /// # Errors
    /// Lists of different length; empty lists.
    pub fn new(truth: &[L], predicted: &[L]) -> Result<Self> {
        same_length("truth and predicted labels", truth.len(), predicted.len())?;
        if truth.is_empty() {
            return Err(EvalError::undefined("the confusion matrix", "there is no label"));
        }
        let mut labels: Vec<L> = truth.iter().chain(predicted).cloned().collect();
        labels.sort();
        labels.dedup();
        let index = |label: &L| labels.binary_search(label).unwrap_or_else(|place| place);
        let mut cells = BTreeMap::new();
        let mut counts = vec![Counts::default(); labels.len()];
        for (t, p) in truth.iter().zip(predicted) {
            let (t, p) = (index(t), index(p));
            *cells.entry((t, p)).or_insert(0) += 1;
            if t == p {
                counts[t].true_positives += 1;
            } else {
                counts[t].false_negatives += 1;
                counts[p].false_positives += 1;
            }
        }
        Ok(Self { labels, cells, counts, total: truth.len() as u64 })
    }

    /// The labels in ascending order; row and column `i` belong to `labels()[i]`.
    pub fn labels(&self) -> &[L] {
        &self.labels
    }
    /// How often row `truth` was called column `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.cells.get(&(truth, predicted)).copied().unwrap_or(0)
    }
    /// The wrong cells, most frequent first: `(true label, predicted label, times)`.
    pub fn confusions(&self) -> Vec<(&L, &L, u64)> {
        let wrong = self.cells.iter().filter(|((t, p), _)| t != p);
        let mut wrong: Vec<_> = wrong.map(|(&(t, p), &n)| (&self.labels[t], &self.labels[p], n)).collect();
        wrong.sort_by_key(|&(_, _, n)| std::cmp::Reverse(n));
        wrong
    }
    /// Counts of each class, in the order of [`Confusion::labels`].
    pub fn per_class(&self) -> &[Counts] {
        &self.counts
    }
    /// Share of the labels that are right. Up is good.
    pub fn accuracy(&self) -> f64 {
        self.micro().precision
    }
    /// Over all counts. With one label a sample all three equal the accuracy.
    pub fn micro(&self) -> Averages {
        let right: u64 = self.counts.iter().map(|c| c.true_positives).sum();
        let share = right as f64 / self.total as f64;
        Averages { precision: share, recall: share, f1: share }
    }
    /// The unweighted mean over classes.
    ///
    /// # Errors
    /// A class whose metric is undefined under [`WhenUndefined::Fail`]; every class undefined.
    pub fn macro_average(&self, when: WhenUndefined) -> Result<Averages> {
        let mean = |name: &str, of: fn(&Counts) -> Result<f64>| -> Result<f64> {
            let (mut sum, mut n) = (0.0, 0u64);
            for (place, counts) in self.counts.iter().enumerate() {
                match (of(counts), when) {
                    (Ok(value), _) => {
                        sum += value;
                        n += 1;
                    }
                    (Err(_), WhenUndefined::Zero) => n += 1,
                    (Err(_), WhenUndefined::Skip) => {}
                    (Err(e), WhenUndefined::Fail) => {
                        return Err(EvalError::undefined(
                            format!("macro {name}"),
                            format!("class {place}: {e}"),
                        ));
                    }
                }
            }
            if n == 0 {
                return Err(EvalError::undefined(format!("macro {name}"), "no class defines it"));
            }
            Ok(sum / n as f64)
        };
        Ok(Averages {
            precision: mean("precision", Counts::precision)?,
            recall: mean("recall", Counts::recall)?,
            f1: mean("F1", Counts::f1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_never_predicted_has_no_precision() {
        let confusion = Confusion::new(&["a", "a", "b"], &["a", "a", "a"]).unwrap();
        assert_eq!(confusion.accuracy(), 2.0 / 3.0);
        assert!(confusion.per_class()[1].precision().unwrap_err().is_undefined());
        assert!(confusion.macro_average(WhenUndefined::Fail).is_err());
        assert_eq!(confusion.macro_average(WhenUndefined::Skip).unwrap().precision, 2.0 / 3.0);
        assert_eq!(confusion.macro_average(WhenUndefined::Zero).unwrap().precision, 1.0 / 3.0);
        assert_eq!(confusion.confusions(), [(&"b", &"a", 1)]);
    }

    #[test]
    fn nothing_and_unequal_lists_are_errors() {
        assert!(Confusion::<u8>::new(&[], &[]).unwrap_err().is_undefined());
        assert!(Confusion::new(&[1], &[1, 2]).is_err());
    }
}
