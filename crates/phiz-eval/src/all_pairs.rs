//! Every template against every other, by blocked matrix products, in memory that does not grow
//! with the number of pairs.
//!
//! Scores are counted in bins of 2⁻²¹ (4.8e-7), which is about the rounding error of a dot product
//! of 512 f32 numbers, so the [`Curve`] is as exact as the scores are, and 88 million pairs take
//! 64 MB instead of a sorted gigabyte. A bin's lower edge is its threshold.

use crate::Result;
use crate::curve::Curve;
use crate::error::{EvalError, same_length};
use crate::samples::{Samples, pair_counts};
use crate::templates::Templates;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Told how much is done: `(pairs done, pairs in all)`. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Says nothing.
pub fn silent(_done: u64, _all: u64) {}

const TILE_ROWS: usize = 128;
const TILE_COLUMNS: usize = 1024;
const HALF: f64 = 2_097_152.0; // 2^21 bins a unit of similarity
pub(crate) const BINS: usize = 2 * 2_097_152 + 1;

#[inline]
pub(crate) fn bin_of(score: f32) -> usize {
    // A float cast saturates, so rounding beyond ±1 stays inside.
    (((f64::from(score) + 1.0) * HALF) as usize).min(BINS - 1)
}

fn edge_of(bin: usize) -> f64 {
    bin as f64 / HALF - 1.0
}

/// A rectangle of scores: `scores[r * columns + c]` belongs to row `row0 + r`, column `column0 + c`.
pub(crate) struct Tile<'a> {
    pub(crate) row0: usize,
    pub(crate) column0: usize,
    pub(crate) columns: usize,
    pub(crate) scores: &'a [f32],
}

/// Multiplies `a · bᵀ` tile by tile on all threads; each worker visits its tiles with its own state.
/// With `upper`, tiles wholly on or below the diagonal are left out (the diagonal ones are whole).
pub(crate) fn walk<S: Send>(
    a: &Templates,
    b: &Templates,
    upper: bool,
    start: impl Fn() -> S + Sync,
    visit: impl Fn(&mut S, &Tile<'_>) + Sync,
    progress: Progress<'_>,
) -> Result<Vec<S>> {
    same_length("dimensions of the two template sets", a.dim(), b.dim())?;
    let (left, right) = (matrix(a)?, matrix(b)?);
    let mut tiles = Vec::new();
    for row0 in (0..a.len()).step_by(TILE_ROWS) {
        for column0 in (0..b.len()).step_by(TILE_COLUMNS) {
            if !upper || column0 + TILE_COLUMNS > row0 + 1 {
                tiles.push((row0, column0));
            }
        }
    }
    let area = |&(row0, column0): &(usize, usize)| {
        ((a.len() - row0).min(TILE_ROWS) * (b.len() - column0).min(TILE_COLUMNS)) as u64
    };
    let all: u64 = tiles.iter().map(area).sum();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let workers = rayon::current_num_threads().max(1);
    (0..workers)
        .into_par_iter()
        .map(|_| {
            let mut state = start();
            let mut buffer = vec![0f32; TILE_ROWS * TILE_COLUMNS];
            while let Some(tile) = tiles.get(next.fetch_add(1, Ordering::Relaxed)) {
                let &(row0, column0) = tile;
                let rows = (a.len() - row0).min(TILE_ROWS);
                let columns = (b.len() - column0).min(TILE_COLUMNS);
                let scores = &mut buffer[..rows * columns];
                let mut out =
                    ArrayViewMut2::from_shape((rows, columns), &mut *scores).map_err(shape_error)?;
                let l = left.slice_axis(Axis(0), (row0..row0 + rows).into());
                let r = right.slice_axis(Axis(0), (column0..column0 + columns).into());
                general_mat_mul(1.0, &l, &r.t(), 0.0, &mut out);
                visit(&mut state, &Tile { row0, column0, columns, scores });
                progress(done.fetch_add(area(tile), Ordering::Relaxed) + area(tile), all);
            }
            Ok(state)
        })
        .collect()
}

fn matrix(t: &Templates) -> Result<ArrayView2<'_, f32>> {
    ArrayView2::from_shape((t.len(), t.dim()), t.data()).map_err(shape_error)
}

fn shape_error(e: ndarray::ShapeError) -> EvalError {
    EvalError::input("templates", e.to_string(), "give n × dim numbers")
}

/// Two photos and how alike they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoredPair {
    /// The one photo's index.
    pub a: usize,
    /// The other's, larger than `a`.
    pub b: usize,
    /// Cosine similarity.
    pub score: f32,
}

/// The `limit` most extreme pairs seen, cheaply.
pub(crate) struct Extremes {
    limit: usize,
    sign: f32,
    gate: f32,
    pairs: Vec<ScoredPair>,
}

impl Extremes {
    /// Keeps the highest scores, or with `lowest` the lowest.
    pub(crate) fn new(limit: usize, lowest: bool) -> Self {
        let gate = if limit == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { limit, sign: if lowest { -1.0 } else { 1.0 }, gate, pairs: Vec::new() }
    }
    #[inline]
    pub(crate) fn offer(&mut self, a: usize, b: usize, score: f32) {
        // Not `>`: among equal scores the choice must not depend on which thread came first.
        if score * self.sign >= self.gate {
            self.pairs.push(ScoredPair { a, b, score });
            if self.pairs.len() > 8 * self.limit + 64 {
                self.trim();
            }
        }
    }
    fn trim(&mut self) {
        let sign = self.sign;
        self.pairs.sort_unstable_by(|p, q| {
            (q.score * sign).total_cmp(&(p.score * sign)).then(p.a.cmp(&q.a)).then(p.b.cmp(&q.b))
        });
        self.pairs.truncate(self.limit);
        if self.pairs.len() == self.limit
            && let Some(last) = self.pairs.last()
        {
            self.gate = last.score * sign;
        }
    }
    pub(crate) fn join(parts: impl IntoIterator<Item = Self>) -> Vec<ScoredPair> {
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next() else { return Vec::new() };
        for part in parts {
            all.pairs.extend(part.pairs);
        }
        all.trim();
        all.pairs
    }
}

/// What all pairs of a set of photos say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AllPairs {
    /// Error rates at every threshold.
    pub curve: Curve,
    /// The most similar pairs of different people, most similar first: false matches, or wrong labels.
    pub closest_impostors: Vec<ScoredPair>,
    /// The least similar pairs of one person, least similar first: false non-matches, or wrong labels.
    pub farthest_genuine: Vec<ScoredPair>,
}

/// Compares every photo with every other once, and lists the `worst` pairs of each kind. Pairs with
/// a photo that has no template count as failures.
///
/// Needs 64 MB a thread beyond the templates, and some more, however many pairs there are.
///
/// # Errors
/// Fewer than two templates.
pub fn all_pairs(samples: &Samples, worst: usize, progress: Progress<'_>) -> Result<AllPairs> {
    let (templates, of) = (samples.templates(), samples.person_of());
    if of.len() < 2 {
        return Err(EvalError::undefined("all pairs", "there are fewer than two templates"));
    }
    struct State {
        genuine: Vec<u64>,
        impostors: Vec<u64>,
        close: Extremes,
        far: Extremes,
    }
    let states = walk(
        templates,
        templates,
        true,
        || State {
            genuine: vec![0; BINS],
            impostors: vec![0; BINS],
            close: Extremes::new(worst, false),
            far: Extremes::new(worst, true),
        },
        |state, tile| {
            for (r, row) in tile.scores.chunks_exact(tile.columns).enumerate() {
                let a = tile.row0 + r;
                let first = (a + 1).saturating_sub(tile.column0);
                for (c, &score) in row.iter().enumerate().skip(first) {
                    let b = tile.column0 + c;
                    if of[a] == of[b] {
                        state.genuine[bin_of(score)] += 1;
                        state.far.offer(a, b, score);
                    } else {
                        state.impostors[bin_of(score)] += 1;
                        state.close.offer(a, b, score);
                    }
                }
            }
        },
        progress,
    )?;
    let (mut close, mut far) = (Vec::new(), Vec::new());
    let (mut genuine, mut impostors): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    for state in states {
        close.push(state.close);
        far.push(state.far);
        add(&mut genuine, state.genuine);
        add(&mut impostors, state.impostors);
    }
    let bins = (0..BINS).rev().map(|bin| (edge_of(bin), genuine[bin], impostors[bin]));
    let (all, acquired) = samples.counts();
    let ((g, i), (ga, ia)) = (pair_counts(&all, |_| 1), pair_counts(&acquired, |_| 1));
    let photos = |pairs: Vec<ScoredPair>| {
        let photo = |row: usize| samples.photo_of()[row];
        pairs.into_iter().map(|p| ScoredPair { a: photo(p.a), b: photo(p.b), ..p }).collect()
    };
    Ok(AllPairs {
        curve: Curve::from_bins(bins, g - ga, i - ia)?,
        closest_impostors: photos(Extremes::join(close)),
        farthest_genuine: photos(Extremes::join(far)),
    })
}

pub(crate) fn add(sum: &mut Vec<u64>, part: Vec<u64>) {
    if sum.is_empty() {
        *sum = part;
    } else {
        sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::random::Random;
    use crate::templates::People;

    /// `people` clouds of `photos` templates each.
    pub(crate) fn clouds(
        people: usize,
        photos: usize,
        dim: usize,
        spread: f64,
        seed: u64,
    ) -> (Templates, People) {
        let mut random = Random::new(seed);
        let (mut data, mut names) = (Vec::new(), Vec::new());
        for person in 0..people {
            let centre: Vec<f64> = (0..dim).map(|_| random.normal()).collect();
            for _ in 0..photos {
                data.extend(centre.iter().map(|c| (c + spread * random.normal()) as f32));
                names.push(format!("p{person}"));
            }
        }
        (Templates::new(dim, data).unwrap(), People::from_names(names))
    }

    #[test]
    fn equals_the_slow_twin_at_sizes_around_tile_edges() {
        for (n, photos) in [(1, 2), (1, 127), (2, 64), (43, 3), (1, 1025), (257, 5)] {
            let (templates, people) = clouds(n, photos, 24, 1.0, n as u64);
            let samples = Samples::complete(templates.clone(), people.clone()).unwrap();
            let fast = all_pairs(&samples, 7, &silent).unwrap();
            let (mut scores, mut same, mut listed) = (vec![], vec![], vec![]);
            for a in 0..templates.len() {
                for b in a + 1..templates.len() {
                    scores.push(templates.similarity(a, b).unwrap());
                    same.push(people.of()[a] == people.of()[b]);
                    listed.push((a, b));
                }
            }
            let slow = Curve::from_scores(&scores, &same).unwrap();
            assert_eq!(
                (fast.curve.genuine(), fast.curve.impostors()),
                (slow.genuine(), slow.impostors()),
                "{n}"
            );
            let mut order: Vec<usize> = (0..scores.len()).filter(|&k| !same[k]).collect();
            order.sort_by(|&x, &y| scores[y].total_cmp(&scores[x]));
            for (k, pair) in order.iter().zip(&fast.closest_impostors) {
                assert!((scores[*k] - f64::from(pair.score)).abs() < 1e-6 && pair.a < pair.b);
            }
            assert_eq!(fast.closest_impostors.len(), order.len().min(7));
            if n > 1 {
                assert!((fast.curve.auc().unwrap() - slow.auc().unwrap()).abs() < 1e-6);
                assert!((fast.curve.eer().unwrap().rate - slow.eer().unwrap().rate).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn progress_ends_at_the_whole() {
        let (templates, people) = clouds(300, 1, 8, 1.0, 1);
        let last = std::sync::Mutex::new((0, 1));
        let samples = Samples::complete(templates, people).unwrap();
        all_pairs(&samples, 0, &|done, all| {
            let mut last = last.lock().unwrap();
            *last = (last.0.max(done), all);
        })
        .unwrap();
        let (done, all) = *last.lock().unwrap();
        assert_eq!(done, all);
    }
}
