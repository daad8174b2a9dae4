//! From genuine and impostor scores to error rates: ROC, DET, AUC, EER, TAR at FAR, thresholds.
//!
//! A [`Curve`] holds, for each distinct score from high to low, how many genuine and how many
//! impostor pairs reach it. Everything else is read off those whole numbers, so ties are exact and
//! the same type serves a list of six thousand pairs, a histogram of a hundred million, and one
//! round of a bootstrap (where counts are weights).
//!
//! Words (ISO/IEC 19795-1): FMR, the share of impostor pairs accepted (FAR here is the same thing);
//! FNMR, the share of genuine pairs rejected; TAR = 1 − FNMR.

use crate::Result;
use crate::error::{EvalError, check_rate, same_length};
use serde::{Deserialize, Serialize};

/// An answer that the data may be too few to give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// The data are enough.
    Value(T),
    /// Too few pairs to say: the rule of 3 (no error in n trials bounds the rate by 3/n at 95 %)
    /// asks for `needed`.
    TooFew {
        /// Pairs (or searches) there are.
        have: u64,
        /// Pairs (or searches) that the rate asks for.
        needed: u64,
    },
}

impl<T> Answer<T> {
    /// The value, if the data are enough.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::TooFew { .. } => None,
        }
    }
    /// The same answer about something derived.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Value(value) => Answer::Value(f(value)),
            Self::TooFew { have, needed } => Answer::TooFew { have, needed },
        }
    }
}

/// Whether `trials` can speak about a rate: `Err((have, needed))` if not.
pub(crate) fn rule_of_three(rate: f64, trials: u64) -> std::result::Result<(), (u64, u64)> {
    // The tolerance keeps 3/0.001 = 3000.0000000000005 from asking for 3001 pairs.
    let needed = (3.0 / rate - 1e-6).ceil();
    if rate > 0.0 && (trials as f64) >= needed {
        return Ok(());
    }
    Err((trials, if rate > 0.0 && needed < u64::MAX as f64 { needed as u64 } else { u64::MAX }))
}

/// The upper 95 % bound of a rate when no error was seen in `trials`: 3 / trials.
pub fn rule_of_three_bound(trials: u64) -> f64 {
    if trials == 0 { 1.0 } else { (3.0 / trials as f64).min(1.0) }
}

/// The equal error rate and the threshold where it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Eer {
    /// FMR = FNMR, by linear interpolation along the ROC. Down is good.
    pub rate: f64,
    /// The score there.
    pub threshold: f64,
}

/// One threshold and its two error rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperatingPoint {
    /// Pairs with this score or more are accepted.
    pub threshold: f64,
    /// Share of impostor pairs accepted. Down is good.
    pub fmr: f64,
    /// Share of genuine pairs rejected, failures to acquire included. Down is good.
    pub fnmr: f64,
}

impl OperatingPoint {
    /// 1 − FNMR. Up is good.
    pub fn tar(&self) -> f64 {
        1.0 - self.fnmr
    }
}

/// One step of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    threshold: f64,
    genuine: u64,
    impostors: u64,
}

/// Genuine and impostor pairs by falling score.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Strictly falling thresholds; counts of pairs that reach them.
    steps: Vec<Step>,
    genuine_failed: u64,
    impostors_failed: u64,
}

impl Curve {
    /// From one score a pair; `same[i]` says whether pair `i` is genuine.
    ///
    /// One of the two kinds may be missing: then only the rates of the other are defined.
    ///
    /// # Errors
    /// Lists of different length, no pair, a score that is NaN or infinite.
    pub fn from_scores(scores: &[f64], same: &[bool]) -> Result<Self> {
        same_length("scores and labels", scores.len(), same.len())?;
        let outcomes: Vec<_> = scores.iter().zip(same).map(|(&s, &g)| (Some(s), g)).collect();
        Self::from_outcomes(&outcomes)
    }

    /// From pairs of which some gave no score, because a face was not found (failure to acquire).
    ///
    /// Such a pair counts in the denominators and is never accepted: a genuine one is a false
    /// non-match at every threshold, an impostor one is rightly rejected at every threshold.
    ///
    /// # Errors
    /// No pair, a score that is NaN or infinite.
    pub fn from_outcomes(outcomes: &[(Option<f64>, bool)]) -> Result<Self> {
        let mut order = Vec::with_capacity(outcomes.len());
        let (mut genuine_failed, mut impostors_failed) = (0, 0);
        for (place, &(score, genuine)) in outcomes.iter().enumerate() {
            match score {
                Some(score) if score.is_finite() => order.push((score, genuine)),
                Some(score) => {
                    return Err(EvalError::input(
                        format!("score of pair {} (from 0)", place),
                        format!("{score} is no score"),
                        "leave pairs without a score empty: they count as failures to acquire",
                    ));
                }
                None if genuine => genuine_failed += 1,
                None => impostors_failed += 1,
            }
        }
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let bins = order.into_iter().map(|(score, genuine)| (score, u64::from(genuine), u64::from(!genuine)));
        Self::from_bins(bins, genuine_failed, impostors_failed)
    }

    /// From `(score, genuine pairs, impostor pairs)` by falling score; equal scores are joined and
    /// empty bins dropped. The two last arguments are pairs that gave no score.
    ///
    /// # Errors
    /// Scores that rise or are no numbers; no pair at all.
    pub fn from_bins(
        bins: impl IntoIterator<Item = (f64, u64, u64)>,
        genuine_failed: u64,
        impostors_failed: u64,
    ) -> Result<Self> {
        let mut steps: Vec<Step> = Vec::new();
        let (mut genuine, mut impostors) = (0u64, 0u64);
        for (score, g, i) in bins {
            if g == 0 && i == 0 {
                continue;
            }
            genuine += g;
            impostors += i;
            match steps.last_mut() {
                Some(last) if last.threshold == score => {
                    last.genuine = genuine;
                    last.impostors = impostors;
                }
                Some(last) if score.is_nan() || score > last.threshold => {
                    return Err(EvalError::input(
                        "bins",
                        format!("score {score} after {}", last.threshold),
                        "give bins by falling score",
                    ));
                }
                _ if !score.is_finite() => {
                    return Err(EvalError::input(
                        "bins",
                        format!("{score} is no score"),
                        "give finite scores",
                    ));
                }
                _ => steps.push(Step { threshold: score, genuine, impostors }),
            }
        }
        if genuine + impostors + genuine_failed + impostors_failed == 0 {
            return Err(EvalError::undefined("the curve", "there is no pair"));
        }
        Ok(Self { steps, genuine_failed, impostors_failed })
    }

    /// Genuine pairs, failures included.
    pub fn genuine(&self) -> u64 {
        self.steps.last().map_or(0, |s| s.genuine) + self.genuine_failed
    }
    /// Impostor pairs, failures included.
    pub fn impostors(&self) -> u64 {
        self.steps.last().map_or(0, |s| s.impostors) + self.impostors_failed
    }
    /// Pairs without a score: `(genuine, impostor)`.
    pub fn failed(&self) -> (u64, u64) {
        (self.genuine_failed, self.impostors_failed)
    }
    /// Each distinct score, falling, with the genuine and impostor pairs that reach it.
    pub fn steps(&self) -> impl Iterator<Item = (f64, u64, u64)> + '_ {
        self.steps.iter().map(|s| (s.threshold, s.genuine, s.impostors))
    }
    /// Highest and lowest score, if any pair has one.
    pub fn range(&self) -> Option<(f64, f64)> {
        Some((self.steps.first()?.threshold, self.steps.last()?.threshold))
    }

    fn need_genuine(&self, metric: &str) -> Result<f64> {
        match self.genuine() {
            0 => Err(EvalError::undefined(metric, "there is no genuine pair (two photos of one person)")),
            n => Ok(n as f64),
        }
    }
    fn need_scores(&self, metric: &str) -> Result<()> {
        if self.steps.is_empty() {
            return Err(EvalError::undefined(metric, "no pair has a score: no face was found"));
        }
        Ok(())
    }
    fn need_impostors(&self, metric: &str) -> Result<f64> {
        match self.impostors() {
            0 => Err(EvalError::undefined(metric, "there is no impostor pair (photos of two people)")),
            n => Ok(n as f64),
        }
    }

    /// `(genuine, impostor)` pairs accepted at a threshold.
    pub fn accepted(&self, threshold: f64) -> (u64, u64) {
        let n = self.steps.partition_point(|s| s.threshold >= threshold);
        n.checked_sub(1).map_or((0, 0), |last| (self.steps[last].genuine, self.steps[last].impostors))
    }
    /// Share of impostor pairs accepted at a threshold. Down is good. Undefined without impostor pairs.
    pub fn fmr(&self, threshold: f64) -> Result<f64> {
        Ok(self.accepted(threshold).1 as f64 / self.need_impostors("FMR")?)
    }
    /// Share of genuine pairs rejected at a threshold. Down is good. Undefined without genuine pairs.
    pub fn fnmr(&self, threshold: f64) -> Result<f64> {
        let genuine = self.need_genuine("FNMR")?;
        Ok((genuine - self.accepted(threshold).0 as f64) / genuine)
    }
    /// Both rates at a threshold.
    pub fn at(&self, threshold: f64) -> Result<OperatingPoint> {
        Ok(OperatingPoint { threshold, fmr: self.fmr(threshold)?, fnmr: self.fnmr(threshold)? })
    }
    /// Share of pairs decided rightly at a threshold. Up is good.
    pub fn accuracy(&self, threshold: f64) -> f64 {
        let (genuine, impostors) = self.accepted(threshold);
        let right = genuine + (self.impostors() - impostors);
        right as f64 / (self.genuine() + self.impostors()) as f64
    }
    /// Share of the accepted pairs that are genuine. Up is good. Undefined when none is accepted.
    pub fn precision(&self, threshold: f64) -> Result<f64> {
        match self.accepted(threshold) {
            (0, 0) => Err(EvalError::undefined("precision", "no pair reaches the threshold")),
            (genuine, impostors) => Ok(genuine as f64 / (genuine + impostors) as f64),
        }
    }
    /// Share of the genuine pairs accepted (TAR). Up is good.
    pub fn recall(&self, threshold: f64) -> Result<f64> {
        Ok(self.accepted(threshold).0 as f64 / self.need_genuine("recall")?)
    }

    /// The ROC from the strictest point (nothing accepted) down, one point a distinct score.
    ///
    /// # Errors
    /// Undefined unless there are genuine and impostor pairs.
    pub fn points(&self) -> Result<Vec<OperatingPoint>> {
        self.need_scores("the ROC")?;
        let (genuine, impostors) = (self.need_genuine("the ROC")?, self.need_impostors("the ROC")?);
        let first = OperatingPoint { threshold: self.above_all(), fmr: 0.0, fnmr: 1.0 };
        let rest = self.steps.iter().map(|s| OperatingPoint {
            threshold: s.threshold,
            fmr: s.impostors as f64 / impostors,
            fnmr: (genuine - s.genuine as f64) / genuine,
        });
        Ok(std::iter::once(first).chain(rest).collect())
    }

    /// The smallest number above every score: a threshold that accepts nothing.
    fn above_all(&self) -> f64 {
        self.steps.first().map_or(0.0, |s| s.threshold.next_up())
    }

    /// The steps as an ROC needs them: from nothing to everything. Pairs that failed are tied at the
    /// very end, below any score.
    fn walk(&self) -> impl Iterator<Item = Step> + '_ {
        let failed = self.genuine_failed + self.impostors_failed > 0;
        let last =
            Step { threshold: f64::NEG_INFINITY, genuine: self.genuine(), impostors: self.impostors() };
        self.steps.iter().copied().chain(failed.then_some(last))
    }

    /// Area under the ROC: the chance that a genuine pair scores above an impostor pair, ties
    /// counting half. Up is good; below 0.5 the labels are probably swapped.
    ///
    /// # Errors
    /// Undefined unless there are genuine and impostor pairs.
    pub fn auc(&self) -> Result<f64> {
        self.need_scores("AUC")?;
        let (genuine, impostors) = (self.need_genuine("AUC")?, self.need_impostors("AUC")?);
        let (mut twice_area, mut g, mut i) = (0u128, 0u64, 0u64);
        for step in self.walk() {
            twice_area += u128::from(step.impostors - i) * (u128::from(g) + u128::from(step.genuine));
            (g, i) = (step.genuine, step.impostors);
        }
        Ok(twice_area as f64 / 2.0 / (genuine * impostors))
    }

    /// Average precision: Σ (recall − previous recall) · precision over falling thresholds, without
    /// interpolation. Up is good.
    ///
    /// # Errors
    /// Undefined without genuine pairs, and with pairs that have no score (they have no place in a ranking).
    pub fn average_precision(&self) -> Result<f64> {
        let genuine = self.need_genuine("average precision")?;
        if self.genuine_failed + self.impostors_failed > 0 {
            return Err(EvalError::undefined("average precision", "some pairs have no score"));
        }
        let (mut sum, mut before) = (0.0, 0u64);
        for s in &self.steps {
            sum +=
                (s.genuine - before) as f64 / genuine * (s.genuine as f64 / (s.genuine + s.impostors) as f64);
            before = s.genuine;
        }
        Ok(sum)
    }

    /// Where FMR = FNMR, by linear interpolation between the two neighbouring ROC points.
    ///
    /// # Errors
    /// Undefined unless there are genuine and impostor pairs.
    pub fn eer(&self) -> Result<Eer> {
        self.need_scores("EER")?;
        let (genuine, impostors) = (self.need_genuine("EER")?, self.need_impostors("EER")?);
        let (mut fmr0, mut fnmr0, mut threshold0) = (0.0, 1.0, self.above_all());
        for s in self.walk() {
            let (fmr, fnmr) = (s.impostors as f64 / impostors, (genuine - s.genuine as f64) / genuine);
            if fmr >= fnmr {
                let (d0, d1) = (fmr0 - fnmr0, fmr - fnmr);
                let share = d0 / (d0 - d1);
                let threshold = if s.threshold.is_finite() {
                    threshold0 + share * (s.threshold - threshold0)
                } else {
                    threshold0
                };
                return Ok(Eer { rate: fmr0 + share * (fmr - fmr0), threshold });
            }
            (fmr0, fnmr0, threshold0) = (fmr, fnmr, s.threshold);
        }
        // The last step accepts everything, so FMR = 1 ≥ FNMR = 0 was met above.
        Err(EvalError::undefined("EER", "the ROC has no crossing"))
    }

    /// The lowest observed threshold whose FMR does not exceed `fmr`, whether or not the pairs are
    /// enough to state it. One above every score if no observed score will do.
    ///
    /// # Errors
    /// A rate outside 0..1; undefined without impostor pairs, and when no pair has a score.
    pub fn threshold_at_fmr(&self, fmr: f64) -> Result<f64> {
        check_rate("FMR", fmr)?;
        let impostors = self.need_impostors("threshold at FMR")?;
        self.need_scores("threshold at FMR")?;
        let n = self.steps.partition_point(|s| s.impostors as f64 / impostors <= fmr);
        Ok(n.checked_sub(1).map_or_else(|| self.above_all(), |last| self.steps[last].threshold))
    }

    /// TAR at FAR: the operating point at [`Curve::threshold_at_fmr`], without interpolation, so the
    /// rate asked for is never exceeded on these data.
    ///
    /// [`Answer::TooFew`] when the impostor pairs are fewer than 3 / `far`.
    ///
    /// # Errors
    /// A rate outside 0..1; undefined unless there are genuine and impostor pairs.
    pub fn tar_at_far(&self, far: f64) -> Result<Answer<OperatingPoint>> {
        let threshold = self.threshold_at_fmr(far)?;
        let point = self.at(threshold)?;
        Ok(match rule_of_three(far, self.impostors()) {
            Ok(()) => Answer::Value(point),
            Err((have, needed)) => Answer::TooFew { have, needed },
        })
    }

    /// The similarity to be reached for each false match rate: what a model card stores.
    /// Rates that the pairs are too few for are left out, never extrapolated.
    ///
    /// # Errors
    /// A rate outside 0..1; undefined without impostor pairs.
    pub fn impostor_quantiles(&self, rates: &[f64]) -> Result<Vec<(f64, f64)>> {
        let mut quantiles = Vec::with_capacity(rates.len());
        for &rate in rates {
            let threshold = self.threshold_at_fmr(rate)?;
            if rule_of_three(rate, self.impostors()).is_ok() {
                quantiles.push((rate, threshold));
            }
        }
        Ok(quantiles)
    }

    /// The threshold with the highest accuracy; among equals the middle one. Between two scores the
    /// middle of the gap is taken, so that it does not hang on one pair.
    pub fn best_accuracy(&self) -> (f64, f64) {
        let count = |k: usize| -> u64 {
            let (g, i) =
                k.checked_sub(1).map_or((0, 0), |k| (self.steps[k].genuine, self.steps[k].impostors));
            g + self.impostors() - i
        };
        // k steps accepted, k = 0..=n.
        let best = (0..=self.steps.len()).map(count).max().unwrap_or(0);
        let at: Vec<usize> = (0..=self.steps.len()).filter(|&k| count(k) == best).collect();
        let k = at[at.len() / 2];
        let threshold = match (k.checked_sub(1).map(|k| self.steps[k].threshold), self.steps.get(k)) {
            (Some(above), Some(below)) => {
                let middle = above + (below.threshold - above) / 2.0;
                // Neighbouring floats have no middle.
                if middle > below.threshold { middle } else { above }
            }
            (Some(above), None) => above,
            (None, _) => self.above_all(),
        };
        (threshold, best as f64 / (self.genuine() + self.impostors()) as f64)
    }

    /// At most about `limit` points of the ROC for drawing, dense where FMR is small (even on a
    /// logarithmic scale) and everywhere that FNMR moves.
    ///
    /// # Errors
    /// Undefined unless there are genuine and impostor pairs.
    pub fn thinned(&self, limit: usize) -> Result<Vec<OperatingPoint>> {
        let points = self.points()?;
        if points.len() <= limit.max(2) {
            return Ok(points);
        }
        let floor = 0.5 / self.impostors() as f64;
        let span = -floor.ln();
        // A point is kept when the drawn curve would otherwise jump by more than its share.
        let step = 3.0 / limit.max(3) as f64;
        let place = |p: &OperatingPoint| (((p.fmr.max(floor) / floor).ln() / span), p.fnmr, p.fmr);
        let mut kept = vec![points[0]];
        let mut last = place(&points[0]);
        for (p, next) in points.iter().zip(points.iter().skip(1).chain(points.last())) {
            let here = place(next);
            let far = |a: f64, b: f64| (a - b).abs() > step;
            if far(here.0, last.0) || far(here.1, last.1) || far(here.2, last.2) {
                if kept.last() != Some(p) {
                    kept.push(*p);
                }
                last = place(p);
            }
        }
        if kept.last() != points.last() {
            kept.extend(points.last());
        }
        Ok(kept)
    }

    /// Counts of genuine and impostor pairs in `bins` equal bins from the lowest to the highest
    /// score, or around the only one. Empty without scores.
    pub fn histogram(&self, bins: usize) -> Histogram {
        let Some((high, low)) = self.range() else { return Histogram::default() };
        let bins = bins.max(1);
        let (low, high) = if high > low { (low, high) } else { (low - 0.05, low + 0.05) };
        let width = (high - low) / bins as f64;
        let mut histogram = Histogram { low, width, genuine: vec![0; bins], impostors: vec![0; bins] };
        let (mut g, mut i) = (0, 0);
        for s in &self.steps {
            let bin = (((s.threshold - low) / width) as usize).min(bins - 1);
            histogram.genuine[bin] += s.genuine - g;
            histogram.impostors[bin] += s.impostors - i;
            (g, i) = (s.genuine, s.impostors);
        }
        histogram
    }

    /// What a careful reader would want to be told about these scores before trusting them.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Ok(auc) = self.auc()
            && auc < 0.5
        {
            warnings.push(format!(
                "AUC is {auc:.3}, below chance: are the labels swapped, or are these distances instead of similarities?"
            ));
        }
        if self.steps.len() == 1 {
            warnings.push(format!("every pair has the same score, {}", self.steps[0].threshold));
        } else if let Ok(auc) = self.auc()
            && auc == 1.0
        {
            warnings.push("every genuine pair scores above every impostor pair: is the test too easy, or was it trained on?".to_owned());
        }
        let (g, i) = self.failed();
        let (all, failed) = (self.genuine() + self.impostors(), g + i);
        if failed * 20 > all {
            warnings.push(format!(
                "{failed} of {all} pairs have no score (no face found); they count as non-matches"
            ));
        }
        warnings
    }
}

/// Scores in equal bins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Width of a bin.
    pub width: f64,
    /// Genuine pairs a bin.
    pub genuine: Vec<u64>,
    /// Impostor pairs a bin.
    pub impostors: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_definition_at_ties() {
        let curve = Curve::from_scores(&[0.5, 0.5, 0.7, 0.2], &[true, false, true, false]).unwrap();
        assert_eq!(curve.accepted(0.5), (2, 1));
        assert_eq!(curve.fmr(0.5).unwrap(), 0.5);
        assert_eq!(curve.fnmr(0.500_000_1).unwrap(), 0.5);
        assert_eq!(curve.auc().unwrap(), 0.875);
        assert_eq!(curve.precision(0.5).unwrap(), 2.0 / 3.0);
        assert!(curve.precision(0.9).unwrap_err().is_undefined());
    }

    #[test]
    fn one_class_defines_its_own_rate_only() {
        let curve = Curve::from_scores(&[0.1, 0.2], &[false, false]).unwrap();
        assert_eq!(curve.fmr(0.2).unwrap(), 0.5);
        for undefined in [curve.auc(), curve.eer().map(|e| e.rate), curve.fnmr(0.1)] {
            assert!(undefined.unwrap_err().is_undefined());
        }
    }

    #[test]
    fn outside_data_is_refused() {
        for (scores, same) in [
            (&[][..], &[][..]),
            (&[f64::NAN], &[true]),
            (&[f64::INFINITY], &[true]),
            (&[0.1], &[true, false]),
        ] {
            assert!(Curve::from_scores(scores, same).is_err(), "{scores:?}");
        }
        assert!(Curve::from_bins([(0.1, 1, 0), (0.2, 1, 0)], 0, 0).is_err());
        let curve = Curve::from_scores(&[0.5, 0.1], &[true, false]).unwrap();
        assert!(curve.tar_at_far(1.5).is_err() && curve.tar_at_far(f64::NAN).is_err());
    }

    #[test]
    fn the_rule_of_three_silences_small_sets() {
        let scores: Vec<f64> = (0..3001).map(|i| f64::from(i) / 4000.0).collect();
        let same: Vec<bool> = (0..3001).map(|i| i == 3000).collect();
        let curve = Curve::from_scores(&scores, &same).unwrap();
        assert_eq!(curve.tar_at_far(1e-3).unwrap().value().unwrap().fmr, 1e-3);
        assert_eq!(curve.tar_at_far(9e-4).unwrap(), Answer::TooFew { have: 3000, needed: 3334 });
        assert_eq!(curve.impostor_quantiles(&[0.1, 1e-3, 1e-4]).unwrap().len(), 2);
        assert!(matches!(curve.tar_at_far(0.0).unwrap(), Answer::TooFew { .. }));
    }

    #[test]
    fn failures_are_false_non_matches_and_never_false_matches() {
        let outcomes = [(Some(0.9), true), (None, true), (Some(0.1), false), (None, false)];
        let curve = Curve::from_outcomes(&outcomes).unwrap();
        assert_eq!((curve.genuine(), curve.impostors(), curve.failed()), (2, 2, (1, 1)));
        assert_eq!(curve.fnmr(0.0).unwrap(), 0.5);
        assert_eq!(curve.fmr(0.0).unwrap(), 0.5);
        // Ranking: 0.9 > 0.1 > {two failures}: (1 + 1 + 0 + 0.5) / 4.
        assert_eq!(curve.auc().unwrap(), 0.625);
    }

    #[test]
    fn best_accuracy_sits_in_the_gap() {
        let curve = Curve::from_scores(&[0.9, 0.8, 0.4, 0.2], &[true, true, false, false]).unwrap();
        let (threshold, accuracy) = curve.best_accuracy();
        assert!((threshold - 0.6).abs() < 1e-12 && accuracy == 1.0);
        assert_eq!(curve.accuracy(threshold), 1.0);
    }

    #[test]
    fn swapped_labels_are_noticed() {
        let curve = Curve::from_scores(&[0.9, 0.1], &[false, true]).unwrap();
        assert!(curve.warnings().iter().any(|w| w.contains("swapped")), "{:?}", curve.warnings());
    }

    #[test]
    fn thinning_keeps_ends_and_is_close() {
        let mut random = crate::random::Random::new(1);
        let same: Vec<bool> = (0..20_000).map(|i| i % 2 == 0).collect();
        let scores: Vec<f64> = same.iter().map(|&s| random.normal() + if s { 2.0 } else { 0.0 }).collect();
        let curve = Curve::from_scores(&scores, &same).unwrap();
        let (all, thin) = (curve.points().unwrap(), curve.thinned(300).unwrap());
        assert!(thin.len() < 900 && thin.len() > 100, "{}", thin.len());
        assert_eq!((thin.first(), thin.last()), (all.first(), all.last()));
        for p in &all {
            let k = thin.partition_point(|t| t.threshold >= p.threshold).min(thin.len() - 1).max(1);
            assert!((thin[k - 1].fnmr - p.fnmr).abs() < 0.03 && (thin[k].fmr - p.fmr).abs() < 0.03);
        }
    }
}
