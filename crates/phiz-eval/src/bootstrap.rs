//! How sure are we: confidence intervals by drawing people, not pairs, again.
//!
//! Pairs that share a person rise and fall together, so treating eighty million pairs as eighty
//! million independent trials makes intervals that are far too narrow. Here each round draws as many
//! people as there are, with replacement. A genuine pair of a person drawn `w` times counts `w`
//! times; an impostor pair counts `w·w'` times; two draws of one person are never compared with each
//! other (they would be perfect matches). The interval is what the middle 95 % of the rounds span.
//!
//! Speed. Two hundred rounds of a hundred million pairs are not two hundred passes: scores fall into
//! at most a few thousand bins ([`edges`]), and while the pairs are walked once, each pair adds one
//! row of the weight matrix (a person's draws in all rounds) to the row of its bin, which is one run
//! over contiguous whole numbers. Whole numbers also make the sums the same for any number of threads.

use crate::Result;
use crate::all_pairs::{BINS, Progress, bin_of, walk};
use crate::curve::Curve;
use crate::error::{EvalError, same_length};
use crate::random::Random;
use crate::samples::{Samples, pair_counts};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How often to draw, from which seed, and how sure to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Rounds; 200 give an interval, 2,000 a good one.
    pub rounds: usize,
    /// The seed of the draws.
    pub seed: u64,
    /// Share of the rounds that the interval holds, such as 0.95.
    pub confidence: f64,
}

impl Bootstrap {
    /// So many rounds from a seed; the intervals hold this share of them.
    ///
    /// # Errors
    /// No rounds; a confidence outside 0..1, or 0 or 1, which no rounds can give.
    pub fn new(rounds: usize, seed: u64, confidence: f64) -> Result<Self> {
        if rounds == 0 {
            return Err(EvalError::input(
                "rounds of the bootstrap",
                "0",
                "give 200 for an interval, 2,000 for a good one",
            ));
        }
        if !(confidence > 0.0 && confidence < 1.0) {
            let hint = "give a share between 0 and 1, such as 0.95";
            return Err(EvalError::input("confidence", format!("{confidence} makes no interval"), hint));
        }
        Ok(Self { rounds, seed, confidence })
    }
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { rounds: 200, seed: 1, confidence: 0.95 }
    }
}

/// How often each person was drawn in each round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws {
    rounds: usize,
    /// Shape `[people, rounds]`.
    weights: Vec<u32>,
}

impl Draws {
    /// Draws `people` of `people` with replacement, in each round anew.
    ///
    /// # Errors
    /// No people or no rounds.
    pub fn new(people: usize, options: &Bootstrap) -> Result<Self> {
        if people < 2 || options.rounds == 0 {
            return Err(EvalError::undefined(
                "the bootstrap",
                format!("{people} people and {} rounds", options.rounds),
            ));
        }
        let mut weights = vec![0; people * options.rounds];
        for round in 0..options.rounds {
            // A generator a round: more rounds do not change the first ones.
            let mut random = Random::new(options.seed ^ (round as u64).wrapping_mul(0xa076_1d64_78bd_642f));
            for _ in 0..people {
                weights[random.below(people) * options.rounds + round] += 1;
            }
        }
        Ok(Self { rounds: options.rounds, weights })
    }
    /// How many rounds.
    pub fn rounds(&self) -> usize {
        self.rounds
    }
    /// How many people.
    pub fn people(&self) -> usize {
        self.weights.len() / self.rounds
    }
    /// How often a person was drawn, round by round.
    pub fn of(&self, person: u32) -> &[u32] {
        let start = person as usize * self.rounds;
        self.weights.get(start..start + self.rounds).unwrap_or_default()
    }
    /// How often a person was drawn in a round.
    pub fn weight(&self, person: u32, round: usize) -> u32 {
        self.of(person).get(round).copied().unwrap_or(0)
    }
}

/// A metric's value in each round; none where the round did not define it.
pub type Replicates = Vec<Option<f64>>;

/// What the middle rounds span.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The middle `confidence` of the rounds, by linear interpolation between order statistics.
///
/// # Errors
/// A confidence outside 0..1; undefined when more than one round in twenty does not define the metric.
pub fn interval(replicates: &[Option<f64>], confidence: f64) -> Result<Interval> {
    crate::error::check_rate("confidence", confidence)?;
    let mut values: Vec<f64> = replicates.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    let missing = replicates.len() - values.len();
    if values.is_empty() || missing * 20 > replicates.len() {
        return Err(EvalError::undefined(
            "the interval",
            format!("{missing} of {} rounds do not define the metric", replicates.len()),
        ));
    }
    values.sort_unstable_by(f64::total_cmp);
    let quantile = |q: f64| {
        let place = q * (values.len() - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        values[below] + (values[above] - values[below]) * (place - place.floor())
    };
    let tail = (1.0 - confidence) / 2.0;
    Ok(Interval { low: quantile(tail), high: quantile(1.0 - tail) })
}

/// Where the scores of a curve are cut into bins for the rounds: falling lower edges, such that from
/// one to the next the false match rate grows by at most a sixty-fourth of itself and the false
/// non-match rate falls by at most a thousandth, or only one distinct score lies between.
pub fn edges(curve: &Curve) -> Vec<f64> {
    let genuine_step = curve.genuine() / 1000;
    let (mut g0, mut i0) = (0, 0);
    let mut edges = Vec::new();
    let mut steps = curve.steps().peekable();
    while let Some((threshold, genuine, impostors)) = steps.next() {
        let fits = steps.peek().is_some_and(|&(_, g, i)| g - g0 <= genuine_step && i - i0 <= i0 / 64);
        // A step is an edge unless the next one may lie in its bin, too.
        if !fits || (genuine == g0 && impostors == i0) {
            edges.push(threshold);
            (g0, i0) = (genuine, impostors);
        }
    }
    edges
}

/// The counts of all rounds: one [`Curve`] a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    rounds: usize,
    edges: Vec<f64>,
    /// Shape `[edges, rounds]`; pairs in each bin, not cumulative.
    genuine: Vec<u64>,
    impostors: Vec<u64>,
    /// Pairs without a score, a round.
    failed: Vec<(u64, u64)>,
}

impl Resampled {
    /// From a list of pairs, with the two people of each (the same one twice for genuine pairs).
    ///
    /// # Errors
    /// Lists of different length, people beyond the draws, scores that are no numbers.
    pub fn from_pairs(
        outcomes: &[(Option<f64>, bool)],
        people: &[(u32, u32)],
        draws: &Draws,
    ) -> Result<Self> {
        same_length("pairs and people", outcomes.len(), people.len())?;
        if let Some(pair) = people.iter().find(|p| p.0.max(p.1) as usize >= draws.people()) {
            let reason = format!("{pair:?} of {}", draws.people());
            return Err(EvalError::input("people of the pairs", reason, "number people from 0"));
        }
        let edges = edges(&Curve::from_outcomes(outcomes)?);
        let rounds = draws.rounds();
        let mut this = Self {
            rounds,
            genuine: vec![0; edges.len() * rounds],
            impostors: vec![0; edges.len() * rounds],
            failed: vec![(0, 0); rounds],
            edges,
        };
        for (&(score, same), &(a, b)) in outcomes.iter().zip(people) {
            let (left, right) = (draws.of(a), draws.of(b));
            let weight = |round: usize| pair_weight(left[round], right[round], a == b);
            match score {
                Some(score) => {
                    let bin = this.edges.partition_point(|&e| e > score);
                    let counts = if same { &mut this.genuine } else { &mut this.impostors };
                    let row = &mut counts[bin * rounds..(bin + 1) * rounds];
                    row.iter_mut().enumerate().for_each(|(round, cell)| *cell += weight(round));
                }
                None => {
                    for (round, (genuine, impostors)) in this.failed.iter_mut().enumerate() {
                        *if same { genuine } else { impostors } += weight(round);
                    }
                }
            }
        }
        Ok(this)
    }

    /// From all pairs of photos. `curve` is what [`crate::all_pairs::all_pairs`] said about them.
    ///
    /// # Errors
    /// Draws of another number of people.
    pub fn from_all_pairs(
        samples: &Samples,
        curve: &Curve,
        draws: &Draws,
        progress: Progress<'_>,
    ) -> Result<Self> {
        same_length("people and draws", samples.people().count(), draws.people())?;
        let (edges, rounds) = (edges(curve), draws.rounds());
        // From the fine bins of the walk to the coarse ones of the rounds.
        let coarse = {
            let mut coarse = vec![0u16; BINS];
            let mut next = BINS;
            for (place, &edge) in edges.iter().enumerate() {
                let first = bin_of(edge as f32);
                coarse[first..next].fill(place as u16);
                next = first;
            }
            coarse[..next].fill(edges.len().saturating_sub(1) as u16);
            coarse
        };
        // Photos of one person side by side, so that one flush serves all of a person's rows in a tile.
        let mut order: Vec<usize> = (0..samples.templates().len()).collect();
        order.sort_by_key(|&row| samples.person_of()[row]);
        let templates = samples.templates().select(&order)?;
        let person: Vec<u32> = order.iter().map(|&row| samples.person_of()[row]).collect();
        let cells = edges.len() * rounds;
        struct State {
            genuine: Vec<u64>,
            impostors: Vec<u64>,
            /// Sum of the second people's draws, by bin, for the first person at hand.
            row: Vec<u32>,
            touched: Vec<u16>,
            is_touched: Vec<bool>,
        }
        let states = walk(
            &templates,
            &templates,
            true,
            || State {
                genuine: vec![0; cells],
                impostors: vec![0; cells],
                row: vec![0; cells],
                touched: Vec::new(),
                is_touched: vec![false; edges.len()],
            },
            |state, tile| {
                let rows = tile.scores.len() / tile.columns;
                for (r, row) in tile.scores.chunks_exact(tile.columns).enumerate() {
                    let a = tile.row0 + r;
                    let first = (a + 1).saturating_sub(tile.column0);
                    for (c, &score) in row.iter().enumerate().skip(first) {
                        let b = tile.column0 + c;
                        let bin = coarse[bin_of(score)] as usize;
                        let weights = draws.of(person[b]);
                        if person[a] == person[b] {
                            let cells = &mut state.genuine[bin * rounds..(bin + 1) * rounds];
                            cells.iter_mut().zip(weights).for_each(|(cell, &w)| *cell += u64::from(w));
                            continue;
                        }
                        if !state.is_touched[bin] {
                            state.is_touched[bin] = true;
                            state.touched.push(bin as u16);
                        }
                        let cells = &mut state.row[bin * rounds..(bin + 1) * rounds];
                        cells.iter_mut().zip(weights).for_each(|(cell, &w)| *cell += w);
                    }
                    if r + 1 == rows || person[a + 1] != person[a] {
                        let weights = draws.of(person[a]);
                        for bin in state.touched.drain(..) {
                            let bin = bin as usize;
                            state.is_touched[bin] = false;
                            let span = bin * rounds..(bin + 1) * rounds;
                            let sums = state.impostors[span.clone()].iter_mut();
                            for ((sum, cell), &w) in sums.zip(&mut state.row[span]).zip(weights) {
                                *sum += u64::from(*cell) * u64::from(w);
                                *cell = 0;
                            }
                        }
                    }
                }
            },
            progress,
        )?;
        let (mut genuine, mut impostors) = (Vec::new(), Vec::new());
        for state in states {
            crate::all_pairs::add(&mut genuine, state.genuine);
            crate::all_pairs::add(&mut impostors, state.impostors);
        }
        let (all, acquired) = samples.counts();
        let failed = (0..rounds).map(|round| {
            let weight = |p: usize| u64::from(draws.weight(p as u32, round));
            let ((g, i), (ga, ia)) = (pair_counts(&all, weight), pair_counts(&acquired, weight));
            (g - ga, i - ia)
        });
        Ok(Self { rounds, edges, genuine, impostors, failed: failed.collect() })
    }

    /// What one round says.
    ///
    /// # Errors
    /// Undefined when the round drew no pair, and beyond the last round.
    pub fn curve(&self, round: usize) -> Result<Curve> {
        if round >= self.rounds {
            let reason = format!("round {round} (from 0) of {}", self.rounds);
            return Err(EvalError::undefined("a round of the bootstrap", reason));
        }
        let cell = |bin: usize| bin * self.rounds + round;
        let bins = self.edges.iter().enumerate();
        let bins = bins.map(|(bin, &edge)| (edge, self.genuine[cell(bin)], self.impostors[cell(bin)]));
        let (genuine, impostors) = self.failed[round];
        Curve::from_bins(bins, genuine, impostors)
    }

    /// Metrics of each round: `result[m][round]`.
    pub fn replicate(&self, metrics: impl Fn(&Curve) -> Vec<Option<f64>> + Sync) -> Vec<Replicates> {
        let rounds: Vec<Vec<Option<f64>>> = (0..self.rounds)
            .into_par_iter()
            .map(|round| self.curve(round).map_or_else(|_| Vec::new(), |curve| metrics(&curve)))
            .collect();
        let count = rounds.iter().map(Vec::len).max().unwrap_or(0);
        (0..count).map(|m| rounds.iter().map(|r| r.get(m).copied().flatten()).collect()).collect()
    }
}

/// How often a pair counts in a round.
pub(crate) fn pair_weight(left: u32, right: u32, one_person: bool) -> u64 {
    if one_person { u64::from(left) } else { u64::from(left) * u64::from(right) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_pairs::{all_pairs, silent, tests::clouds};
    use crate::templates::{People, Templates};

    fn with_failures(templates: &Templates, people: People) -> Samples {
        let n = people.of().len();
        let acquired: Vec<bool> = (0..n).map(|i| i % 11 != 5).collect();
        let kept: Vec<usize> = (0..n).filter(|&i| acquired[i]).collect();
        let photos = (0..n).map(|i| format!("{i}.jpg")).collect();
        Samples::new(photos, people, &acquired, templates.select(&kept).unwrap()).unwrap()
    }

    fn some_failures() -> Samples {
        let (templates, people) = clouds(40, 6, 24, 1.4, 9);
        with_failures(&templates, people)
    }

    /// Corners of a cube: every score is a multiple of 1/128, exactly, in whatever order it is added up.
    fn exact_scores() -> Samples {
        let (templates, people) = clouds(40, 6, 256, 1.4, 9);
        let corners = templates.data().iter().map(|x| x.signum()).collect();
        with_failures(&Templates::new(256, corners).unwrap(), people)
    }

    /// The definition: every pair of every two drawn people, one by one.
    fn slow(samples: &Samples, edges: &[f64], draws: &Draws, round: usize) -> Curve {
        let rows = samples.rows();
        let of = samples.people().of();
        let mut outcomes = Vec::new();
        for a in 0..of.len() {
            for b in a + 1..of.len() {
                let bin = |s: f64| edges.iter().find(|&&e| e <= s).copied().unwrap();
                let score = samples.similarity(&rows, a, b).map(bin);
                let (v, w) = (draws.weight(of[a], round), draws.weight(of[b], round));
                let times = if of[a] == of[b] { v } else { v * w };
                outcomes.extend((0..times).map(|_| (score, of[a] == of[b])));
            }
        }
        Curve::from_outcomes(&outcomes).unwrap()
    }

    #[test]
    fn equals_the_slow_twin() {
        let samples = exact_scores();
        let curve = all_pairs(&samples, 0, &silent).unwrap().curve;
        let draws = Draws::new(40, &Bootstrap { rounds: 5, ..Default::default() }).unwrap();
        let fast = Resampled::from_all_pairs(&samples, &curve, &draws, &silent).unwrap();
        assert!(fast.edges.len() < curve.steps().count(), "bins join no scores");
        for round in 0..5 {
            assert_eq!(fast.curve(round).unwrap(), slow(&samples, &fast.edges, &draws, round));
        }
    }

    #[test]
    fn a_list_of_all_pairs_says_the_same() {
        let samples = some_failures();
        let curve = all_pairs(&samples, 0, &silent).unwrap().curve;
        let draws = Draws::new(40, &Bootstrap { rounds: 7, ..Default::default() }).unwrap();
        let matrix = Resampled::from_all_pairs(&samples, &curve, &draws, &silent).unwrap();
        let (rows, of) = (samples.rows(), samples.people().of());
        let (mut outcomes, mut people) = (Vec::new(), Vec::new());
        for a in 0..of.len() {
            for b in a + 1..of.len() {
                outcomes.push((samples.similarity(&rows, a, b), of[a] == of[b]));
                people.push((of[a], of[b]));
            }
        }
        let list = Resampled::from_pairs(&outcomes, &people, &draws).unwrap();
        for metric in [|c: &Curve| c.auc(), |c: &Curve| c.eer().map(|e| e.rate)] {
            let values = |r: &Resampled| r.replicate(|c| vec![metric(c).ok()]).remove(0);
            for (m, l) in values(&matrix).iter().zip(values(&list)) {
                assert!((m.unwrap() - l.unwrap()).abs() < 2e-3, "{m:?} {l:?}");
            }
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let samples = some_failures();
        let run = |threads: usize| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let curve = all_pairs(&samples, 0, &silent).unwrap().curve;
                let draws = Draws::new(40, &Bootstrap::default()).unwrap();
                Resampled::from_all_pairs(&samples, &curve, &draws, &silent).unwrap()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn edges_are_fine_and_complete() {
        let samples = some_failures();
        let curve = all_pairs(&samples, 0, &silent).unwrap().curve;
        let edges = edges(&curve);
        assert!(edges.windows(2).all(|w| w[0] > w[1]));
        assert_eq!(edges.last().copied(), curve.range().map(|r| r.1));
        let counts: Vec<(u64, u64)> = edges.iter().map(|&e| curve.accepted(e)).collect();
        for (k, w) in counts.windows(2).enumerate() {
            let steps = curve.steps().filter(|s| s.0 < edges[k] && s.0 >= edges[k + 1]).count();
            assert!(steps == 1 || w[1].1 - w[0].1 <= w[0].1 / 64, "{w:?}");
        }
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        // People differ: some are always taken for others. Intervals by pairs would be too narrow.
        let mut random = Random::new(11);
        let (mut covered, trials) = (0, 60);
        for trial in 0..trials {
            let people = 60u32;
            let (mut outcomes, mut who) = (Vec::new(), Vec::new());
            for p in 0..people {
                let hard = random.unit() < 0.5;
                for _ in 0..8 {
                    outcomes.push((Some(if hard { 0.0 } else { 1.0 }), true));
                    who.push((p, p));
                }
            }
            let draws =
                Draws::new(people as usize, &Bootstrap { seed: trial, ..Default::default() }).unwrap();
            let rounds = Resampled::from_pairs(&outcomes, &who, &draws).unwrap();
            let fnmr = rounds.replicate(|c| vec![c.fnmr(0.5).ok()]).remove(0);
            let interval = interval(&fnmr, 0.95).unwrap();
            covered += usize::from((interval.low..=interval.high).contains(&0.5));
        }
        assert!((50..=60).contains(&covered), "{covered} of {trials}");
    }

    #[test]
    fn undefined_rounds_are_not_hidden() {
        assert!(interval(&[], 0.95).unwrap_err().is_undefined());
        assert!(interval(&[Some(1.0), None], 0.95).unwrap_err().is_undefined());
        assert!(interval(&[Some(1.0)], 1.5).is_err());
        let values: Vec<_> = (0..=100).map(|i| Some(f64::from(i))).collect();
        let middle = interval(&values, 0.9).unwrap();
        assert!((middle.low - 5.0).abs() < 1e-9 && (middle.high - 95.0).abs() < 1e-9);
        assert!(Draws::new(1, &Bootstrap::default()).is_err());
        let two = Draws::new(2, &Bootstrap::default()).unwrap();
        assert!(Resampled::from_pairs(&[(Some(0.1), true)], &[(2, 2)], &two).is_err());
        let people = People::from_names(["a", "b", "c"]);
        let samples = Samples::complete(Templates::new(1, vec![1.0; 3]).unwrap(), people).unwrap();
        let curve = all_pairs(&samples, 0, &silent).unwrap().curve;
        assert!(Resampled::from_all_pairs(&samples, &curve, &two, &silent).is_err());
    }
}
