//! Verification: pairs from a list, all pairs of a list, by group; and the thresholds of a model card.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use phiz_eval::all_pairs::{AllPairs as Pairwise, ScoredPair, all_pairs as compare_all};
use phiz_eval::bootstrap::{Bootstrap, Draws, Resampled};
use phiz_eval::groups::by_group;
use phiz_eval::pairs::{CsvPair, k_fold, k_fold_weighted, parse_lfw_pairs, read_csv_pairs};
use phiz_eval::report::build::{figure, verification, with_rounds};
use phiz_eval::report::{Better, Figure, PicturePair, Section, Unit};
use phiz_eval::{Curve, Samples};

use super::report::{Draft, Output, finish};
use super::subject::{Facts, Source, Subject, hex};
use super::{Choice, Sureness};
use crate::verify::check_rate;
use crate::{DecodeOptions, Image};
use crate::{Done, Failure, Shared};

/// Where figures at a threshold are taken.
#[derive(Args, Clone)]
struct Cut {
    /// Judge at this similarity [default: the one that --fmr stands for]
    #[arg(long, value_name = "SIMILARITY", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Judge where no more than this share of pairs of different people is accepted: by the embedder's card, or
    /// without one as measured here
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    fmr: f64,
}

impl Cut {
    fn choose(
        &self,
        curve: &Curve,
        card: Option<&phiz_template::Thresholds>,
        facts: &mut Facts,
    ) -> Result<f64, Failure> {
        check_rate("--fmr", self.fmr)?;
        let (threshold, origin) = match (self.threshold, card) {
            (Some(t), _) if t.is_finite() => (t, "as asked for".to_owned()),
            (Some(t), _) => return Err(Failure::new(format!("--threshold: {t} is no similarity"))),
            (None, Some(card)) => {
                (card.similarity_at(self.fmr), format!("the card's for a false match rate of {:e}", self.fmr))
            }
            (None, None) => (
                curve.threshold_at_fmr(self.fmr)?,
                format!("measured here for a false match rate of {:e}", self.fmr),
            ),
        };
        facts.push(("threshold".into(), format!("{threshold:.4}, {origin}")));
        Ok(threshold)
    }
}

/// Arguments of `phiz eval pairs`.
#[derive(Args)]
pub(crate) struct Pairs {
    /// LFW's pairs.txt, or CSV: a,b,same[,score,fold,person_a,person_b]
    pairs: PathBuf,
    /// Folder that the pairs' photos are in [default: the list's own]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Only every n-th pair, for a first impression
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    #[command(flatten)]
    cut: Cut,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval pairs`.
pub(crate) fn pairs(arguments: &Pairs, shared: &Shared) -> Result<Done, Failure> {
    let bootstrap = arguments.sureness.bootstrap()?;
    let (mut pairs, mut warnings, mut facts) = read_pairs(&arguments.pairs)?;
    if arguments.every == 0 {
        return Err(Failure::new("--every: 0 leaves no pair").hint("give 1 or more"));
    }
    pairs = pairs.into_iter().step_by(arguments.every).collect();
    let scored = pairs.iter().any(|p| p.score.is_some());
    if scored && arguments.source.reads_embeddings() {
        return Err(Failure::new("the pairs have scores already")
            .hint("leave --embeddings out, or the column `score`"));
    }
    let (mut name, mut unreadable, mut card) = ("scores".to_owned(), 0, None);
    if !scored {
        let root = arguments.photos.clone().or_else(|| arguments.pairs.parent().map(Path::to_path_buf));
        let root = root.unwrap_or_default();
        let names: Vec<String> =
            pairs.iter().flat_map(|p| [&p.a, &p.b]).collect::<BTreeSet<_>>().into_iter().cloned().collect();
        if !arguments.source.reads_embeddings() {
            missing(&pairs, &root, &arguments.pairs)?;
        }
        let described = arguments.source.describe(&root, &names, shared)?;
        let vectors = described.vectors();
        let place: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let samples = phiz_eval::embeddings::samples(names.clone(), &names, &vectors)?;
        let rows = samples.rows();
        for pair in &mut pairs {
            let found = place.get(pair.a.as_str()).zip(place.get(pair.b.as_str()));
            pair.score = found.and_then(|(&a, &b)| samples.similarity(&rows, a, b));
        }
        facts.push(("photos".into(), names.len().to_string()));
        facts.push(("photos without a face".into(), samples.failures().to_string()));
        facts.extend(described.facts);
        (name, unreadable, card) = (described.name, described.unreadable, described.thresholds);
    } else if let Some(given) = arguments.source.given_name() {
        name = given;
    }
    let outcomes: Vec<(Option<f64>, bool)> = pairs.iter().map(|p| (p.score, p.same)).collect();
    let curve = Curve::from_outcomes(&outcomes)?;
    warnings.extend(curve.warnings());
    let threshold = arguments.cut.choose(&curve, card.as_ref(), &mut facts)?;
    let people = numbered(&pairs);
    let drawn = match (&people, bootstrap) {
        (Some((names, numbers)), Some(options)) => {
            Some((names.as_slice(), numbers, Draws::new(names.len(), &options)?))
        }
        _ => None,
    };
    if people.is_none() {
        warnings
            .push("the list names no people, so there are no intervals: add person_a and person_b".into());
    }
    let resampled = drawn
        .as_ref()
        .map(|(_, numbers, draws)| Resampled::from_pairs(&outcomes, numbers, draws))
        .transpose()?;
    let mut section =
        verification(&curve, resampled.as_ref(), Some(threshold), arguments.sureness.confidence);
    if let Some(folds) =
        folds(&pairs, drawn.as_ref().map(|(_, n, d)| (n.as_slice(), d)), arguments.sureness.confidence)?
    {
        section.figures.insert(3, folds);
    }
    section.figures.extend(promises(&curve, card.as_ref()));
    let draft = Draft {
        name,
        question: format!("verification, {} pairs", pairs.len()),
        facts,
        warnings,
        bootstrap: drawn.as_ref().and(bootstrap),
        drawn: drawn.as_ref().map_or(&[], |d| d.0),
        sections: vec![section],
    };
    finish(draft, &arguments.output, unreadable)
}

fn read_pairs(path: &Path) -> Result<(Vec<CsvPair>, Vec<String>, Facts), Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::reading(path, &e))?;
    let facts = vec![("pairs".to_owned(), format!("{}, SHA-256 {}", path.display(), hex(&bytes)))];
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        let (pairs, warnings) = read_csv_pairs(&bytes[..], path)?;
        return Ok((pairs, warnings, facts));
    }
    let text = String::from_utf8(bytes).map_err(|e| Failure::reading(path, &e))?;
    let pairs = parse_lfw_pairs(&text, path)?.into_iter().enumerate().map(|(k, pair)| CsvPair {
        a: pair.a.path(),
        b: pair.b.path(),
        same: pair.same,
        score: None,
        fold: Some(pair.fold),
        people: Some((pair.a.person, pair.b.person)),
        // The header is line 1.
        line: k as u64 + 2,
    });
    Ok((pairs.collect(), Vec::new(), facts))
}

/// Fails before any work if photos are missing, and says which pair wants the first.
fn missing(pairs: &[CsvPair], root: &Path, list: &Path) -> Result<(), Failure> {
    let wanted = pairs.iter().flat_map(|p| [(p, &p.a), (p, &p.b)]);
    let lost: Vec<_> = wanted.filter(|(_, name)| !root.join(name).is_file()).collect();
    let Some((pair, name)) = lost.first() else { return Ok(()) };
    let photos = lost.iter().map(|(_, name)| name).collect::<BTreeSet<_>>().len();
    Err(Failure::new(format!(
        "{}:{}: there is no photo {} ({photos} photos are missing)",
        list.display(),
        pair.line,
        root.join(name).display()
    ))
    .hint("name the folder that the photos are in by --photos"))
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
) -> Result<Option<Figure>, Failure> {
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
    let accuracy = figure("k_fold", &name, Ok(result.mean), Unit::Percent, Better::Up);
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
    Ok(Some(with_rounds(accuracy, rounds, confidence)))
}

/// What the card's thresholds do on these pairs.
fn promises(curve: &Curve, card: Option<&phiz_template::Thresholds>) -> Vec<Figure> {
    let Some(card) = card else { return Vec::new() };
    [1e-2, 1e-3, 1e-4, 1e-5]
        .into_iter()
        .filter(|rate| curve.impostors() as f64 * rate >= 3.0)
        .map(|rate| {
            let name = format!("FMR at the card's threshold for {rate:e}");
            let id = format!("promise_{rate:e}");
            figure(&id, &name, curve.fmr(card.similarity_at(rate)), Unit::Percent, Better::Down)
        })
        .collect()
}

/// Arguments of `phiz eval all-pairs`.
#[derive(Args)]
pub(crate) struct AllPairs {
    #[command(flatten)]
    choice: Choice,
    /// Rates by the values of this column of the list; may be given several times
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Put so many of the worst pairs of each kind on the page, as pictures
    #[arg(long, value_name = "N", default_value_t = 0)]
    pictures: usize,
    #[command(flatten)]
    cut: Cut,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval all-pairs`.
pub(crate) fn all_pairs(arguments: &AllPairs, shared: &Shared) -> Result<Done, Failure> {
    let bootstrap = arguments.sureness.bootstrap()?;
    for column in &arguments.by {
        // Before the work, not after it.
        arguments.choice.read()?.0.column(column)?;
    }
    let Subject { manifest, root, samples, described, mut facts } =
        Subject::new(&arguments.choice, &arguments.source, shared)?;
    let Pairwise { curve, closest_impostors, farthest_genuine } =
        with_bar(shared, "comparing", |bar| compare_all(&samples, arguments.pictures.max(10), bar))?;
    let mut warnings = curve.warnings();
    let threshold = arguments.cut.choose(&curve, described.thresholds.as_ref(), &mut facts)?;
    let draws = draws(&samples, bootstrap)?;
    let resampled = match &draws {
        Some(draws) => Some(with_bar(shared, "drawing again", |bar| {
            Resampled::from_all_pairs(&samples, &curve, draws, bar)
        })?),
        None => None,
    };
    let confidence = arguments.sureness.confidence;
    let mut section = verification(&curve, resampled.as_ref(), Some(threshold), confidence);
    section.figures.extend(promises(&curve, described.thresholds.as_ref()));
    section.tables.push(worst("Most similar pairs of different people", &samples, &closest_impostors));
    section.tables.push(worst("Least similar pairs of one person", &samples, &farthest_genuine));
    if arguments.pictures > 0 {
        if arguments.source.reads_embeddings() {
            warnings.push("--pictures shows nothing: templates came from a file, not from photos".into());
        } else {
            for (kind, pairs) in [("false match", &closest_impostors), ("miss", &farthest_genuine)] {
                let shown = &pairs[..arguments.pictures.min(pairs.len())];
                section.pictures.extend(pictures(kind, &samples, shown, &root));
            }
        }
    }
    let mut sections = vec![section];
    for column in &arguments.by {
        sections.push(by(column, &manifest, &samples, threshold, draws.as_ref(), confidence, shared)?);
    }
    let draft = Draft {
        name: described.name,
        question: format!(
            "verification, all pairs of {} photos of {} people",
            samples.photos().len(),
            samples.people().count()
        ),
        facts,
        warnings,
        bootstrap: draws.as_ref().and(bootstrap),
        drawn: samples.people().names(),
        sections,
    };
    finish(draft, &arguments.output, described.unreadable)
}

fn by(
    column: &str,
    manifest: &phiz_eval::manifest::Manifest,
    samples: &Samples,
    threshold: f64,
    draws: Option<&Draws>,
    confidence: f64,
    shared: &Shared,
) -> Result<Section, Failure> {
    let named = |v: &&str| Some((*v).to_owned()).filter(|v| !v.is_empty());
    let values: Vec<Option<String>> = manifest.column(column)?.iter().map(named).collect();
    let distinct = values.iter().flatten().collect::<BTreeSet<_>>().len();
    if distinct > 100 {
        return Err(Failure::new(format!("--by {column}: {distinct} values are too many groups"))
            .hint("group the values first, such as ages by decade"));
    }
    let groups = with_bar(shared, column, |bar| by_group(samples, &values, threshold, draws, bar))?;
    Ok(phiz_eval::report::build::groups(column, &groups, threshold, confidence))
}

pub(crate) fn draws(samples: &Samples, bootstrap: Option<Bootstrap>) -> Result<Option<Draws>, Failure> {
    Ok(bootstrap.map(|options| Draws::new(samples.people().count(), &options)).transpose()?)
}

/// A bar for work that counts pairs.
pub(crate) fn with_bar<T>(
    shared: &Shared,
    what: &str,
    work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> phiz_eval::Result<T>,
) -> Result<T, Failure> {
    const STEPS: u64 = 1000;
    let bar: ProgressBar = shared.progress(STEPS as usize);
    bar.set_message(what.to_owned());
    let result = work(&|done, all| {
        bar.set_position((done as u128 * u128::from(STEPS) / u128::from(all.max(1))) as u64)
    });
    bar.finish_and_clear();
    Ok(result?)
}

pub(crate) fn worst(title: &str, samples: &Samples, pairs: &[ScoredPair]) -> phiz_eval::report::Table {
    let photo = |k: usize| samples.photos().get(k).cloned().unwrap_or_default();
    phiz_eval::report::Table {
        title: title.to_owned(),
        head: ["photo", "photo", "similarity"].map(str::to_owned).to_vec(),
        rows: pairs
            .iter()
            .take(10)
            .map(|p| vec![photo(p.a), photo(p.b), format!("{:.4}", p.score)])
            .collect(),
    }
}

fn pictures(kind: &str, samples: &Samples, pairs: &[ScoredPair], root: &Path) -> Vec<PicturePair> {
    let photo = |k: usize| {
        let name = samples.photos().get(k)?.clone();
        let person = samples.people().names().get(*samples.people().of().get(k)? as usize)?.clone();
        let address = thumbnail(&root.join(&name))?;
        Some((name, person, address))
    };
    let pair = |p: &ScoredPair| {
        let photos = [photo(p.a)?, photo(p.b)?];
        Some(PicturePair { kind: kind.to_owned(), score: f64::from(p.score), photos })
    };
    pairs.iter().filter_map(pair).collect()
}

/// A small picture inside an address.
fn thumbnail(path: &Path) -> Option<String> {
    let image = Image::open(path, &DecodeOptions::default()).ok()?;
    let (w, h) = (image.width() as f32, image.height() as f32);
    let scale = (160.0 / w.max(h)).min(1.0);
    let side = |length: f32| ((length * scale).round() as u32).max(1);
    let jpeg = image.resize(side(w), side(h)).encode_jpeg(80).ok()?;
    Some(format!("data:image/jpeg;base64,{}", base64(&jpeg)))
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |g, &b| g << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for k in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * k)) as usize & 63];
            out.push(if k <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Arguments of `phiz eval thresholds`.
#[derive(Args)]
pub(crate) struct Thresholds {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    source: Source,
}

/// `phiz eval thresholds`: what a card's `[thresholds]` wants.
pub(crate) fn thresholds(arguments: &Thresholds, shared: &Shared) -> Result<Done, Failure> {
    let subject = Subject::new(&arguments.choice, &arguments.source, shared)?;
    let samples = &subject.samples;
    let curve = with_bar(shared, "comparing", |bar| compare_all(samples, 0, bar))?.curve;
    curve.warnings().iter().for_each(|w| crate::out::note!("warning: {w}"));
    // Below thirty false matches a rate is too unsure to bind a threshold (Doddington's rule of thirty).
    let rates = [0.5, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6];
    let sure: Vec<f64> = rates.into_iter().filter(|r| r * curve.impostors() as f64 >= 30.0).collect();
    let quantiles: Vec<String> =
        curve.impostor_quantiles(&sure)?.iter().map(|(rate, s)| format!("[{rate:e}, {s:.4}]")).collect();
    if quantiles.len() < 2 {
        return Err(Failure::new(format!("{} impostor pairs are too few for thresholds", curve.impostors()))
            .hint("give photos of more people; a hundred people make a start"));
    }
    crate::out::say!("[thresholds]");
    crate::out::say!("quantiles = [{}]", quantiles.join(", "));
    let stem = |l: &PathBuf| l.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    crate::out::say!(
        "measured_on = \"{}: {} photos of {} people, {} without a face\"",
        arguments.choice.lists.iter().map(stem).collect::<Vec<_>>().join(", "),
        samples.photos().len(),
        samples.people().count(),
        samples.failures()
    );
    Ok(if subject.described.unreadable > 0 { Done::Partly } else { Done::Well })
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
