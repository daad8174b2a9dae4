//! Search in a gallery: closed set (CMC, rank-k) and open set (FNIR at FPIR).
//!
//! A person's score is the best over the templates enrolled for them. A mated search is one whose
//! person is enrolled. FPIR(t): share of non-mated searches that return anybody at threshold t.
//! FNIR(t, R): share of mated searches whose person is not among the first R at or above t.
//! Ties are counted against the system: whoever scores as high as the right person ranks before.

use crate::Result;
use crate::all_pairs::{Progress, walk};
use crate::curve::{Answer, rule_of_three};
use crate::error::{EvalError, check_rate, same_length};
use crate::random::Random;
use crate::templates::{People, Templates};
use serde::{Deserialize, Serialize};

/// What one search found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// The right person's score and rank (from 1); `None` when they are not enrolled.
    pub mate: Option<Mate>,
    /// The best score of anyone else.
    pub best_other: Option<f64>,
    /// Whose that is (the gallery's person number).
    pub other: Option<u32>,
    /// No face was found in the probe: a failure for mated searches, silence for others.
    pub failed: bool,
}

/// Where the right person came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mate {
    /// Their score; minus infinity when the probe failed.
    pub score: f64,
    /// Their rank, from 1.
    pub rank: usize,
}

impl Search {
    /// From one person's-score list: `scores[p]` belongs to gallery person `p`, minus infinity if
    /// they have no template; `truth` is the right one, if enrolled.
    fn new(scores: &[f64], truth: Option<u32>) -> Self {
        let (mut best_other, mut other) = (None, None);
        for (person, &score) in scores.iter().enumerate() {
            let person = person as u32;
            if Some(person) != truth && score > f64::NEG_INFINITY && best_other.is_none_or(|b| score > b) {
                (best_other, other) = (Some(score), Some(person));
            }
        }
        let mate = truth.and_then(|t| scores.get(t as usize).map(|&s| (t, s))).map(|(t, score)| Mate {
            score,
            rank: 1 + scores.iter().enumerate().filter(|&(p, &s)| p as u32 != t && s >= score).count(),
        });
        Self { mate, best_other, other, failed: false }
    }

    /// A probe in which no face was found; `enrolled` says whether its person is in the gallery,
    /// which has `people` people.
    pub fn failure(enrolled: bool, people: usize) -> Self {
        let mate = enrolled.then_some(Mate { score: f64::NEG_INFINITY, rank: people.max(1) });
        Self { mate, best_other: None, other: None, failed: true }
    }
}

/// The outcomes of many searches of one gallery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identification {
    /// People in the gallery.
    pub gallery_people: usize,
    /// One a probe, in the probes' order.
    pub searches: Vec<Search>,
}

/// FNIR at a stated FPIR.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdentificationPoint {
    /// Searches return people with this score or more.
    pub threshold: f64,
    /// Share of non-mated searches that return somebody. Down is good.
    pub fpir: f64,
    /// Share of mated searches that miss the right person. Down is good.
    pub fnir: f64,
}

impl Identification {
    /// Searches a gallery with every probe. `gallery_people[i]` and `probe_people[j]` are numbers of
    /// one numbering; a probe whose person has no gallery template is non-mated.
    ///
    /// # Errors
    /// Lists of different length, another dimension, an empty gallery or no probe.
    pub fn run(
        gallery: &Templates,
        gallery_people: &[u32],
        probes: &Templates,
        probe_people: &[u32],
        progress: Progress<'_>,
    ) -> Result<Self> {
        Self::search(gallery, gallery_people, probes, probe_people, false, progress)
    }

    /// Searches a set with each of its own templates, which is left out of the gallery meanwhile. A
    /// person's only template makes a non-mated search.
    ///
    /// # Errors
    /// Lists of different length, no template.
    pub fn leave_one_out(templates: &Templates, people: &[u32], progress: Progress<'_>) -> Result<Self> {
        let mut all = Self::search(templates, people, templates, people, true, progress)?;
        for search in &mut all.searches {
            search.mate = search.mate.filter(|mate| mate.score > f64::NEG_INFINITY);
        }
        Ok(all)
    }

    fn search(
        gallery: &Templates,
        gallery_people: &[u32],
        probes: &Templates,
        probe_people: &[u32],
        skip_self: bool,
        progress: Progress<'_>,
    ) -> Result<Self> {
        same_length("gallery templates and people", gallery.len(), gallery_people.len())?;
        same_length("probe templates and people", probes.len(), probe_people.len())?;
        let (enrolled, numbers) = enrolled(gallery_people);
        if gallery.is_empty() || probes.is_empty() {
            return Err(EvalError::undefined("identification", "the gallery or the list of probes is empty"));
        }
        // Column tiles of one row block go to different workers, so each row's best scores are
        // gathered per block of probes: one block, all of the gallery, at a time.
        let mut searches = Vec::with_capacity(probes.len());
        let all = (probes.len() * gallery.len()) as u64;
        for (block, truths) in probe_people.chunks(1024).enumerate() {
            let first = block * 1024;
            let places: Vec<usize> = (first..first + truths.len()).collect();
            let part = probes.select(&places)?;
            let best = walk(
                gallery,
                &part,
                false,
                || vec![f64::NEG_INFINITY; truths.len() * enrolled],
                |best, tile| {
                    for (r, row) in tile.scores.chunks_exact(tile.columns).enumerate() {
                        let person = numbers[&gallery_people[tile.row0 + r]] as usize;
                        for (c, &score) in row.iter().enumerate() {
                            if skip_self && tile.row0 + r == first + tile.column0 + c {
                                continue;
                            }
                            let cell = &mut best[(tile.column0 + c) * enrolled + person];
                            *cell = cell.max(f64::from(score));
                        }
                    }
                },
                &|_, _| {},
            )?;
            let mut best = best.into_iter();
            let mut joined = best.next().unwrap_or_default();
            for part in best {
                joined.iter_mut().zip(part).for_each(|(a, b)| *a = a.max(b));
            }
            let found = joined.chunks_exact(enrolled).zip(truths);
            let back: Vec<u32> = {
                let mut back = vec![0; enrolled];
                numbers.iter().for_each(|(&person, &number)| back[number as usize] = person);
                back
            };
            searches.extend(found.map(|(scores, truth)| {
                let mut search = Search::new(scores, numbers.get(truth).copied());
                search.other = search.other.map(|o| back[o as usize]);
                search
            }));
            progress(((first + truths.len()) * gallery.len()) as u64, all);
        }
        Ok(Self { gallery_people: enrolled, searches })
    }

    /// From a matrix of scores, `scores[probe * people + person]`, and for each probe the enrolled
    /// person it shows, or `None`.
    ///
    /// # Errors
    /// A matrix of another size, NaN scores, a person beyond the columns, nothing at all.
    pub fn from_scores(scores: &[f64], people: usize, truth: &[Option<u32>]) -> Result<Self> {
        same_length("scores and probes × people", scores.len(), people * truth.len())?;
        if scores.is_empty() {
            return Err(EvalError::undefined("identification", "there is no search"));
        }
        if let Some(place) = scores.iter().position(|s| !s.is_finite()) {
            return Err(EvalError::input(
                format!("score of probe {}, person {}", place / people, place % people),
                "is no finite number",
                "leave failed probes out and add them with Search::failure",
            ));
        }
        if let Some(wrong) = truth.iter().flatten().find(|&&t| t as usize >= people) {
            return Err(EvalError::input(
                "truth",
                format!("person {wrong} of {people}"),
                "count people from 0",
            ));
        }
        let searches = scores.chunks_exact(people).zip(truth).map(|(row, &t)| Search::new(row, t)).collect();
        Ok(Self { gallery_people: people, searches })
    }

    fn mates(&self) -> impl Iterator<Item = Mate> + '_ {
        self.searches.iter().filter_map(|s| s.mate)
    }
    fn need_mated(&self, metric: &str) -> Result<f64> {
        match self.mates().count() {
            0 => Err(EvalError::undefined(metric, "no probe's person is in the gallery")),
            n => Ok(n as f64),
        }
    }
    /// The best score of each non-mated search, falling; failures are absent.
    fn strangers(&self) -> (Vec<f64>, u64) {
        let strangers = self.searches.iter().filter(|s| s.mate.is_none());
        let mut best: Vec<f64> = strangers.clone().filter_map(|s| s.best_other).collect();
        best.sort_unstable_by(|a, b| b.total_cmp(a));
        (best, strangers.count() as u64)
    }

    /// Share of mated searches whose person is among the first `k`. Up is good.
    ///
    /// # Errors
    /// Undefined without mated searches or for `k` = 0.
    pub fn rank(&self, k: usize) -> Result<f64> {
        if k == 0 {
            return Err(EvalError::undefined("rank-0", "ranks count from 1"));
        }
        let mated = self.need_mated("rank-k")?;
        Ok(self.mates().filter(|m| m.rank <= k && m.score > f64::NEG_INFINITY).count() as f64 / mated)
    }
    /// Rank-1, rank-2, … up to `max_rank` or the gallery's size: the CMC. Up is good.
    ///
    /// # Errors
    /// Undefined without mated searches.
    pub fn cmc(&self, max_rank: usize) -> Result<Vec<f64>> {
        (1..=max_rank.min(self.gallery_people)).map(|k| self.rank(k)).collect()
    }
    /// Share of non-mated searches that return somebody at a threshold. Down is good.
    ///
    /// # Errors
    /// Undefined without non-mated searches.
    pub fn fpir(&self, threshold: f64) -> Result<f64> {
        match self.strangers() {
            (_, 0) => Err(EvalError::undefined("FPIR", "no probe's person is outside the gallery")),
            (best, all) => Ok(best.iter().filter(|&&s| s >= threshold).count() as f64 / all as f64),
        }
    }
    /// Share of mated searches whose person is not among the first `rank` at or above a threshold. Down is good.
    ///
    /// # Errors
    /// Undefined without mated searches.
    pub fn fnir(&self, threshold: f64, rank: usize) -> Result<f64> {
        let mated = self.need_mated("FNIR")?;
        Ok(self.mates().filter(|m| !(m.score >= threshold && m.rank <= rank)).count() as f64 / mated)
    }
    /// FNIR at rank `rank` at the lowest threshold whose FPIR does not exceed `fpir`.
    ///
    /// # Errors
    /// A rate outside 0..1; undefined unless there are mated and non-mated searches.
    pub fn fnir_at_fpir(&self, fpir: f64, rank: usize) -> Result<Answer<IdentificationPoint>> {
        check_rate("FPIR", fpir)?;
        let (best, all) = self.strangers();
        if all == 0 {
            return Err(EvalError::undefined("FNIR at FPIR", "no probe's person is outside the gallery"));
        }
        // Accept k strangers at most; the threshold lies just above the (k+1)-th.
        let mut k = best.len();
        while k > 0 && k as f64 / all as f64 > fpir {
            k -= 1;
        }
        let threshold = best.get(k).map_or(f64::NEG_INFINITY, |s| s.next_up());
        // The mates say how far the threshold may sink without a stranger more: not below any of them.
        let threshold = if threshold.is_finite() {
            threshold
        } else {
            let mates = self.mates().map(|m| m.score).filter(|s| s.is_finite());
            mates.chain(best.iter().copied()).fold(f64::INFINITY, f64::min)
        };
        let point =
            IdentificationPoint { threshold, fpir: self.fpir(threshold)?, fnir: self.fnir(threshold, rank)? };
        Ok(match rule_of_three(fpir, all) {
            Ok(()) => Answer::Value(point),
            Err((have, needed)) => Answer::TooFew { have, needed },
        })
    }
    /// Share of all probes in which no face was found. Down is good.
    ///
    /// # Errors
    /// Undefined without searches.
    pub fn failure_to_acquire(&self) -> Result<f64> {
        match self.searches.len() {
            0 => Err(EvalError::undefined("failure to acquire", "there is no search")),
            n => Ok(self.searches.iter().filter(|s| s.failed).count() as f64 / n as f64),
        }
    }
}

fn enrolled(people: &[u32]) -> (usize, std::collections::HashMap<u32, u32>) {
    let mut numbers = std::collections::HashMap::new();
    for &person in people {
        let next = numbers.len() as u32;
        numbers.entry(person).or_insert(next);
    }
    (numbers.len(), numbers)
}

/// How photos are split into gallery and probes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitOptions {
    /// Photos enrolled a person.
    pub enroll: usize,
    /// Share of the people with enough photos who stay outside the gallery (0 = closed set).
    pub outside: f64,
    /// Enrol people who have too few photos to be searched for, too: they make the gallery larger.
    pub distractors: bool,
    /// The seed of the choice.
    pub seed: u64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { enroll: 1, outside: 0.5, distractors: false, seed: 1 }
    }
}

/// Indices of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Enrolled samples.
    pub gallery: Vec<usize>,
    /// Samples searched with: the enrolled people's others, and all of the people outside.
    pub probes: Vec<usize>,
}

/// Splits at random by seed. People with no more photos than `enroll` are distractors, or, unless
/// `distractors`, stay outside (a share of 0 leaves them out altogether).
///
/// # Errors
/// `enroll` 0; a share outside 0..1; a split without gallery or probes.
pub fn split(people: &People, options: &SplitOptions) -> Result<Split> {
    check_rate("share of people outside the gallery", options.outside)?;
    if options.enroll == 0 {
        return Err(EvalError::input("enroll", "0 photos a person", "enrol at least one"));
    }
    let mut random = Random::new(options.seed);
    let samples = people.samples();
    let (mut enough, few): (Vec<usize>, Vec<usize>) =
        (0..samples.len()).partition(|&p| samples[p].len() > options.enroll);
    random.shuffle(&mut enough);
    let outside = (enough.len() as f64 * options.outside).round() as usize;
    let mut split = Split { gallery: Vec::new(), probes: Vec::new() };
    for (place, &person) in enough.iter().enumerate() {
        if place < outside {
            split.probes.extend(&samples[person]);
            continue;
        }
        let mut own = samples[person].clone();
        random.shuffle(&mut own);
        split.gallery.extend(&own[..options.enroll]);
        split.probes.extend(&own[options.enroll..]);
    }
    for person in few {
        if options.distractors {
            split.gallery.extend(&samples[person]);
        } else if options.outside > 0.0 {
            split.probes.extend(&samples[person]);
        }
    }
    split.gallery.sort_unstable();
    split.probes.sort_unstable();
    if split.gallery.is_empty() || split.probes.is_empty() {
        return Err(EvalError::undefined(
            "the gallery and probe split",
            format!("no person has more than {} photos, or all stay outside", options.enroll),
        ));
    }
    Ok(split)
}

/// Fails when a declared impostor is enrolled, or one photo is both enrolled and searched with:
/// both make a system look worse or better than it is.
///
/// # Errors
/// Names the first such person or photo, and how many there are.
pub fn check_disjoint(
    gallery: &[(String, String)],
    probes: &[(String, String)],
    impostors: &[(String, String)],
) -> Result<()> {
    use std::collections::HashSet;
    let enrolled: HashSet<&str> = gallery.iter().map(|(_, person)| person.as_str()).collect();
    let photos: HashSet<&str> = gallery.iter().map(|(photo, _)| photo.as_str()).collect();
    let known: Vec<_> = impostors.iter().filter(|(_, p)| enrolled.contains(p.as_str())).collect();
    if let Some((photo, person)) = known.first() {
        return Err(EvalError::input(
            "impostors",
            format!("{person} ({photo}) is in the gallery, too; {} such photos", known.len()),
            "take these people out of the impostors or out of the gallery",
        ));
    }
    let twice: Vec<_> = probes.iter().chain(impostors).filter(|(p, _)| photos.contains(p.as_str())).collect();
    if let Some((photo, _)) = twice.first() {
        return Err(EvalError::input(
            "probes",
            format!("{photo} is enrolled, too; {} such photos", twice.len()),
            "search with other photos than the enrolled ones",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_pairs::{silent, tests::clouds};

    #[test]
    fn ranks_count_ties_against_the_system() {
        let scores = [0.9, 0.5, 0.5, 0.1, /* stranger */ 0.3, 0.2, 0.2, 0.8];
        let id = Identification::from_scores(&scores, 4, &[Some(1), None]).unwrap();
        assert_eq!(id.searches[0].mate, Some(Mate { score: 0.5, rank: 3 }));
        assert_eq!(id.cmc(10).unwrap(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!((id.fpir(0.8).unwrap(), id.fpir(0.81).unwrap()), (1.0, 0.0));
        assert_eq!(id.searches[1].other, Some(3));
    }

    #[test]
    fn undefined_without_mates_or_strangers() {
        let closed = Identification::from_scores(&[0.5, 0.4], 2, &[Some(0)]).unwrap();
        assert!(closed.fpir(0.1).unwrap_err().is_undefined() && closed.fnir_at_fpir(0.1, 1).is_err());
        let open = Identification::from_scores(&[0.5, 0.4], 2, &[None]).unwrap();
        assert!(open.rank(1).unwrap_err().is_undefined() && open.fnir(0.1, 1).is_err());
        assert!(Identification::from_scores(&[f64::NAN], 1, &[None]).is_err());
        assert!(Identification::from_scores(&[0.1], 1, &[Some(1)]).is_err());
    }

    #[test]
    fn fnir_at_fpir_lets_no_more_strangers_in_than_asked() {
        let mut random = Random::new(5);
        let (people, probes) = (5, 400);
        let truth: Vec<Option<u32>> = (0..probes).map(|i| (i % 2 == 0).then_some((i % 5) as u32)).collect();
        let scores: Vec<f64> = (0..probes * people)
            .map(|k| random.normal() + if truth[k / people] == Some((k % people) as u32) { 2.0 } else { 0.0 })
            .collect();
        let id = Identification::from_scores(&scores, people, &truth).unwrap();
        for fpir in [0.02, 0.1, 0.5, 1.0] {
            let point = id.fnir_at_fpir(fpir, 1).unwrap().value().unwrap();
            assert!(point.fpir <= fpir && point.fpir > fpir - 0.0051, "{point:?}");
            assert_eq!(point.fnir, id.fnir(point.threshold, 1).unwrap());
        }
        assert!(matches!(id.fnir_at_fpir(0.01, 1).unwrap(), Answer::TooFew { have: 200, needed: 300 }));
    }

    #[test]
    fn run_equals_the_slow_twin() {
        let (all, people) = clouds(30, 5, 16, 1.2, 3);
        let parts = split(&people, &SplitOptions { enroll: 2, outside: 0.3, ..Default::default() }).unwrap();
        let of = |places: &[usize]| places.iter().map(|&i| people.of()[i]).collect::<Vec<_>>();
        let (gp, pp) = (of(&parts.gallery), of(&parts.probes));
        let (g, p) = (all.select(&parts.gallery).unwrap(), all.select(&parts.probes).unwrap());
        let fast = Identification::run(&g, &gp, &p, &pp, &silent).unwrap();
        assert_eq!(fast.gallery_people, 21);
        let (mut mated, mut strangers) = (0, 0);
        for (j, search) in fast.searches.iter().enumerate() {
            let score = |person: u32| {
                let own = parts.gallery.iter().filter(|&&i| people.of()[i] == person);
                own.map(|&i| all.similarity(i, parts.probes[j]).unwrap()).fold(f64::NEG_INFINITY, f64::max)
            };
            match search.mate {
                Some(mate) => {
                    mated += 1;
                    assert!((mate.score - score(pp[j])).abs() < 1e-6);
                    let before = (0..30).filter(|&q| q != pp[j] && score(q) >= score(pp[j])).count();
                    assert_eq!(mate.rank, before + 1);
                }
                None => strangers += 1,
            }
            let other = search.other.unwrap();
            assert!(other != pp[j] && (score(other) - search.best_other.unwrap()).abs() < 1e-6);
        }
        assert_eq!((mated, strangers), (21 * 3, 9 * 5));
    }

    #[test]
    fn leaving_one_out_equals_the_slow_twin() {
        let (all, people) = clouds(12, 4, 16, 1.2, 5);
        // The last person keeps one photo only, beyond the first block of probes or not.
        let kept: Vec<usize> = (0..45).collect();
        let (all, of) = (all.select(&kept).unwrap(), &people.of()[..45]);
        let fast = Identification::leave_one_out(&all, of, &silent).unwrap();
        for (i, search) in fast.searches.iter().enumerate() {
            let best = |own: bool| {
                let others = (0..45).filter(|&j| j != i && (of[i] == of[j]) == own);
                others.map(|j| all.similarity(i, j).unwrap()).fold(f64::NEG_INFINITY, f64::max)
            };
            assert!((search.best_other.unwrap() - best(false)).abs() < 1e-6);
            match search.mate {
                Some(mate) => assert!((mate.score - best(true)).abs() < 1e-6),
                None => assert_eq!(i, 44, "only a single photo has no mate"),
            }
        }
    }

    #[test]
    fn a_failed_probe_is_a_miss_at_every_rank() {
        let mut id = Identification::from_scores(&[0.9, 0.1], 2, &[Some(0)]).unwrap();
        id.searches.push(Search::failure(true, 2));
        id.searches.push(Search::failure(false, 2));
        assert_eq!((id.rank(2).unwrap(), id.fnir(-1.0, 2).unwrap(), id.fpir(-1.0).unwrap()), (0.5, 0.5, 0.0));
        assert_eq!(id.failure_to_acquire().unwrap(), 2.0 / 3.0);
    }

    #[test]
    fn an_enrolled_impostor_is_named() {
        let row = |a: &str, b: &str| vec![(a.to_owned(), b.to_owned())];
        let error = check_disjoint(&row("1.jpg", "Ada"), &[], &row("2.jpg", "Ada")).unwrap_err();
        assert!(error.to_string().contains("Ada (2.jpg)"));
        assert!(check_disjoint(&row("1.jpg", "Ada"), &row("1.jpg", "Ada"), &[]).is_err());
        assert!(check_disjoint(&row("1.jpg", "Ada"), &row("2.jpg", "Ada"), &row("3.jpg", "Bob")).is_ok());
    }
}
