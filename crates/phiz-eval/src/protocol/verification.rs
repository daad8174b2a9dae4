//! Verification: pairs from a list, all pairs of a list, by group; quality; and the thresholds of a model card.

use super::{Options, System, Watch};
use crate::Result;
use crate::all_pairs::{self, AllPairs, ScoredPair};
use crate::bootstrap::{Draws, Resampled};
use crate::curve::Curve;
use crate::discard::{ErrorVersusDiscard, GenuinePair};
use crate::embeddings::{Embeddings, Prepared, samples, sort_out};
use crate::error::{EvalError, same_length};
use crate::groups::by_group;
use crate::pairs::{CsvPair, k_fold, k_fold_weighted};
use crate::report::build;
use crate::report::{Better, Figure, Report, Table, Unit};
use crate::samples::Samples;
use std::collections::{BTreeSet, HashMap};

/// Gives every pair of a list the similarity of its photos' templates. Pairs with a photo that nobody could look at leave
/// the list; pairs with a photo of which the system made nothing stay, without a score.
///
/// # Errors
/// No photo that could be looked at; no template at all.
pub fn embed_pairs<E: Embeddings>(
    pairs: Vec<CsvPair>,
    source: &mut E,
) -> std::result::Result<(Vec<CsvPair>, System), E::Error> {
    let names: Vec<String> =
        pairs.iter().flat_map(|p| [&p.a, &p.b]).collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let seen = source.embed(&names)?;
    same_length("photos and what was made of them", names.len(), seen.len())?;
    let mut system = source.system();
    let (kept, faces, _) = sort_out(&names, seen, &mut system.left_out);
    let names: Vec<String> = kept.iter().map(|&k| names[k].clone()).collect();
    let samples = samples(names.clone(), &names, &faces)?;
    let place: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
    let rows = samples.rows();
    let all = pairs.len();
    let scored: Vec<CsvPair> = pairs
        .into_iter()
        .filter_map(|mut pair| {
            let (a, b) = (*place.get(pair.a.as_str())?, *place.get(pair.b.as_str())?);
            pair.score = samples.similarity(&rows, a, b);
            Some(pair)
        })
        .collect();
    system.fact("photos", names.len());
    system.fact("photos without a face", samples.failures());
    if scored.len() < all {
        system.fact("pairs left out", all - scored.len());
        system.warnings.push(format!(
            "{} of {all} pairs were left out, because one of their photos could not be looked at",
            all - scored.len()
        ));
    }
    Ok((scored, system))
}

/// Judges pairs that have their scores; a pair without one is a failure to acquire.
///
/// # Errors
/// No pair, a score that is no number, a cut that is none.
pub fn pairs(mut system: System, pairs: &[CsvPair], options: &Options) -> Result<Report> {
    let outcomes: Vec<(Option<f64>, bool)> = pairs.iter().map(|p| (p.score, p.same)).collect();
    let curve = Curve::from_outcomes(&outcomes)?;
    system.warnings.extend(curve.warnings());
    let threshold = options.cut.choose(&curve, &mut system)?;
    let people = numbered(pairs);
    let drawn = match (&people, options.bootstrap) {
        (Some((names, numbers)), Some(bootstrap)) => {
            Some((names, numbers.as_slice(), Draws::new(names.len(), &bootstrap)?))
        }
        _ => None,
    };
    if people.is_none() {
        system.warnings.push(
            "the list names no people, so nothing can be drawn for intervals: add person_a and person_b"
                .into(),
        );
    }
    let resampled = drawn
        .as_ref()
        .map(|(_, numbers, draws)| Resampled::from_pairs(&outcomes, numbers, draws))
        .transpose()?;
    let confidence = options.confidence();
    let mut section = build::verification(&curve, resampled.as_ref(), threshold, confidence);
    if let Some(folds) = folds(pairs, drawn.as_ref().map(|(_, n, d)| (*n, d)), confidence)? {
        section.figures.insert(3, folds);
    }
    section.figures.extend(promises(&curve, &system));
    let mut report =
        system.report(format!("verification, {} pairs", pairs.len()), options.bootstrap, vec![section]);
    if let Some((names, ..)) = drawn {
        report.drawn_from(options.bootstrap, names);
    }
    Ok(report)
}

/// People by number, if every pair names them.
type Numbered = (Vec<String>, Vec<(u32, u32)>);
fn numbered(pairs: &[CsvPair]) -> Option<Numbered> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut names = Vec::new();
    let mut all = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let (a, b) = pair.people.as_ref().filter(|(a, b)| !a.is_empty() && !b.is_empty())?;
        let mut number = |name| {
            *numbers.entry(name).or_insert_with(|| {
                names.push(String::from(name));
                names.len() as u32 - 1
            })
        };
        all.push((number(a.as_str()), number(b.as_str())));
    }
    (names.len() > 1).then_some((names, all))
}

/// Accuracy by folds, if there are two or more.
fn folds(
    pairs: &[CsvPair],
    drawn: Option<(&[(u32, u32)], &Draws)>,
    confidence: f64,
) -> Result<Option<Figure>> {
    let Some(folds) = pairs.iter().map(|p| p.fold).collect::<Option<Vec<u32>>>() else { return Ok(None) };
    if folds.iter().all(|f| *f == folds[0]) {
        return Ok(None);
    }
    let scores: Vec<_> = pairs.iter().map(|p| p.score).collect();
    let same: Vec<_> = pairs.iter().map(|p| p.same).collect();
    let result = k_fold(&scores, &same, &folds)?;
    let name = format!(
        "accuracy, {} folds (± {:.2} standard error)",
        result.accuracies.len(),
        100.0 * result.standard_error
    );
    let accuracy = Figure::new("k_fold", &name, Ok(result.mean), Unit::Percent, Better::Up)
        .of_trials(pairs.len() as u64);
    let Some((people, draws)) = drawn else { return Ok(Some(accuracy)) };
    let rounds = (0..draws.rounds())
        .map(|round| {
            let weight = |pair: usize| {
                let (a, b) = people[pair];
                let w = u64::from(draws.weight(a, round));
                if a == b { w } else { w * u64::from(draws.weight(b, round)) }
            };
            k_fold_weighted(&scores, &same, &folds, weight).map(|k| k.mean).ok()
        })
        .collect();
    Ok(Some(accuracy.with_rounds(rounds, confidence)))
}

/// What the card's thresholds do on these pairs.
fn promises(curve: &Curve, system: &System) -> Vec<Figure> {
    let Some(card) = &system.card else { return Vec::new() };
    [1e-2, 1e-3, 1e-4, 1e-5]
        .into_iter()
        .filter(|rate| curve.impostors() as f64 * rate >= 3.0)
        .map(|rate| {
            let name = format!("FMR at the card's threshold for {rate:e}");
            let id = format!("promise_{rate:e}");
            let fmr = curve.fmr(card(rate));
            Figure::new(&id, &name, fmr, Unit::Percent, Better::Down).of_trials(curve.impostors())
        })
        .collect()
}

/// A report on all pairs, and its worst pairs: indices of photos.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AllPairsReport {
    /// The report.
    pub report: Report,
    /// The most similar pairs of different people: false matches, or wrong labels.
    pub closest_impostors: Vec<ScoredPair>,
    /// The least similar pairs of one person: false non-matches, or wrong labels.
    pub farthest_genuine: Vec<ScoredPair>,
}

/// Compares every photo with every other; also by group.
///
/// # Errors
/// Fewer than two templates; groups of another number of photos; a cut that is none.
pub fn all_pairs(prepared: &Prepared, options: &Options, watch: &dyn Watch) -> Result<AllPairsReport> {
    let (samples, mut system) = (&prepared.samples, prepared.system.clone());
    let progress = |done, all| watch.progress(done, all);
    watch.stage("comparing");
    let AllPairs { curve, closest_impostors, farthest_genuine } =
        all_pairs::all_pairs(samples, options.worst.max(10), &progress)?;
    system.warnings.extend(curve.warnings());
    let threshold = options.cut.choose(&curve, &mut system)?;
    let (draws, resampled) = drawn_again(samples, &curve, options, &mut system, watch)?;
    let confidence = options.confidence();
    let mut section = build::verification(&curve, resampled.as_ref(), threshold, confidence);
    section.figures.extend(promises(&curve, &system));
    section.tables.push(worst("Most similar pairs of different people", samples, &closest_impostors));
    section.tables.push(worst("Least similar pairs of one person", samples, &farthest_genuine));
    let mut sections = vec![section];
    for grouping in &options.by {
        let Some(threshold) = threshold else {
            system.warnings.push(format!("there are no rates by {}: there is no threshold", grouping.column));
            continue;
        };
        watch.stage(&grouping.column);
        let groups = by_group(samples, &grouping.of, threshold, draws.as_ref(), &progress)?;
        sections.push(build::groups(&grouping.column, &groups, threshold, confidence));
    }
    let (photos, people) = (samples.photos().len(), samples.people().count());
    let question = format!("verification, all pairs of {photos} photos of {people} people");
    let mut report = system.report(question, options.bootstrap, sections);
    if draws.is_some() {
        report.drawn_from(options.bootstrap, samples.people().names());
    }
    Ok(AllPairsReport { report, closest_impostors, farthest_genuine })
}

/// The rounds of the bootstrap. With one person there is nobody to draw: no rounds, and a warning.
pub(super) fn drawn_again(
    samples: &Samples,
    curve: &Curve,
    options: &Options,
    system: &mut System,
    watch: &dyn Watch,
) -> Result<(Option<Draws>, Option<Resampled>)> {
    let Some(draws) = draws(samples, options, system)? else { return Ok((None, None)) };
    watch.stage("drawing again");
    let progress = |done, all| watch.progress(done, all);
    let resampled = Resampled::from_all_pairs(samples, curve, &draws, &progress)?;
    Ok((Some(draws), Some(resampled)))
}

pub(super) fn draws(samples: &Samples, options: &Options, system: &mut System) -> Result<Option<Draws>> {
    let Some(bootstrap) = options.bootstrap else { return Ok(None) };
    match Draws::new(samples.people().count(), &bootstrap) {
        Ok(draws) => Ok(Some(draws)),
        Err(error) if error.is_undefined() => {
            system.warnings.push("there are no intervals: they need two people or more to draw from".into());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The first ten pairs as a table.
pub(super) fn worst(title: &str, samples: &Samples, pairs: &[ScoredPair]) -> Table {
    let photo = |k: usize| samples.photos().get(k).cloned().unwrap_or_default();
    let rows = pairs.iter().take(10).map(|p| vec![photo(p.a), photo(p.b), format!("{:.4}", p.score)]);
    Table::new(title, &["photo", "photo", "similarity"], rows.collect())
}

/// Error versus discard: pairs of one person are left out from the worst quality up, at the threshold for a false match
/// rate. `qualities` has one number for each photo; a photo without a face has the lowest there is.
///
/// # Errors
/// Another number of qualities than of photos; undefined without pairs of one person and without impostor pairs.
pub fn quality(prepared: &Prepared, qualities: &[f64], fmr: f64, watch: &dyn Watch) -> Result<Report> {
    let samples = &prepared.samples;
    same_length("photos and qualities", samples.photos().len(), qualities.len())?;
    watch.stage("comparing");
    let curve = all_pairs::all_pairs(samples, 0, &|done, all| watch.progress(done, all))?.curve;
    let threshold = curve.threshold_at_fmr(fmr)?;
    let rows = samples.rows();
    let mut pairs = Vec::new();
    for photos in samples.people().samples() {
        for (k, &a) in photos.iter().enumerate() {
            for &b in &photos[k + 1..] {
                let score = samples.similarity(&rows, a, b);
                pairs.push(GenuinePair { score, quality_a: qualities[a], quality_b: qualities[b] });
            }
        }
    }
    let edc = ErrorVersusDiscard::new(&pairs, threshold)?;
    let question = format!("quality, {} pairs of one person at a false match rate of {fmr:e}", pairs.len());
    let mut system = prepared.system.clone();
    if edc.points().len() == 1 {
        system.warnings.push("every pair has the same quality: discarding has nothing to choose by".into());
    }
    Ok(system.report(question, None, vec![build::quality(&edc)]))
}

/// What a model card's `[thresholds]` want.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ThresholdTable {
    /// `[false match rate, similarity]`, the rates falling, the similarities rising; two or more.
    pub quantiles: Vec<[f64; 2]>,
    /// Photos of people that they were measured on.
    pub photos: usize,
    /// People.
    pub people: usize,
    /// Photos without a face.
    pub failures: usize,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// The similarities that pairs of different people reach at false match rates from loose to strict. A rate of which
/// fewer than thirty false matches are seen is left out (Doddington's rule of thirty); of rates that fall on one similarity,
/// written with four digits, the strictest stays.
///
/// # Errors
/// Undefined when fewer than two rates remain: too few pairs, or scores that are all alike.
pub fn thresholds(prepared: &Prepared, watch: &dyn Watch) -> Result<ThresholdTable> {
    let samples = &prepared.samples;
    watch.stage("comparing");
    let curve = all_pairs::all_pairs(samples, 0, &|done, all| watch.progress(done, all))?.curve;
    let impostors = curve.impostors();
    let rates = [0.5, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6];
    let sure: Vec<f64> = rates.into_iter().filter(|r| r * impostors as f64 >= 30.0).collect();
    let mut quantiles: Vec<[f64; 2]> = Vec::new();
    for (rate, similarity) in curve.impostor_quantiles(&sure)? {
        let written = (similarity * 1e4).round() / 1e4;
        // A rate that no similarity on the scale keeps: more impostor pairs than that share it at the top.
        if written > 1.0 || similarity > curve.range().map_or(1.0, |r| r.0) {
            break;
        }
        match quantiles.last_mut() {
            Some(last) if written <= last[1] => *last = [rate, last[1]],
            _ => quantiles.push([rate, written]),
        }
    }
    if quantiles.len() < 2 {
        let reason = if sure.len() < 2 {
            format!("{impostors} impostor pairs are too few; photos of a hundred people make a start")
        } else {
            "pairs of different people have hardly any different scores".to_owned()
        };
        return Err(EvalError::undefined("a table of thresholds", reason));
    }
    Ok(ThresholdTable {
        quantiles,
        photos: samples.photos().len(),
        people: samples.people().count(),
        failures: samples.failures(),
        warnings: curve.warnings(),
    })
}
