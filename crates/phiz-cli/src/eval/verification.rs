//! `phiz eval pairs`, `all-pairs`, `quality` and `thresholds`: pairs of photos.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use phiz_eval::Samples;
use phiz_eval::all_pairs::ScoredPair;
use phiz_eval::groups::Grouping;
use phiz_eval::pairs::{CsvPair, parse_lfw_pairs, read_csv_pairs};
use phiz_eval::protocol::{self, AllPairsReport, Cut, System};
use phiz_eval::report::PicturePair;

use super::report::{Output, finish};
use super::subject::{Facts, Source, hex};
use super::{Bar, Choice, Sureness, check_rate};
use crate::{DecodeOptions, Image};
use crate::{Done, Failure, Shared};

/// Where figures at a threshold are taken.
#[derive(Args, Clone)]
struct At {
    /// Take the figures at this similarity [default: the one that --fmr stands for]
    #[arg(long, value_name = "SIMILARITY", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Take the figures at the similarity at which this share of pairs of different people is accepted: the one that the
    /// embedder's card states or, without a card, the one that is measured here
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    fmr: f64,
}

impl At {
    fn cut(&self) -> Result<Cut, Failure> {
        check_rate("--fmr", self.fmr)?;
        match self.threshold {
            Some(t) if !t.is_finite() => Err(Failure::new(format!("--threshold: {t} is not a similarity"))
                .hint("give a number from -1 to 1, such as 0.4")),
            Some(t) => Ok(Cut::Similarity(t)),
            None => Ok(Cut::Fmr(self.fmr)),
        }
    }
}

/// Arguments of `phiz eval pairs`.
#[derive(Args)]
pub(crate) struct Pairs {
    /// LFW's pairs.txt, or a CSV file with the columns a,b,same[,score,fold,person_a,person_b]
    pairs: PathBuf,
    /// The folder in which the paths of the pairs begin [default: the list's own]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Take only every N-th pair, for a first impression
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval pairs`.
pub(crate) fn pairs(arguments: &Pairs, shared: &Shared) -> Result<Done, Failure> {
    let mut options = arguments.sureness.options()?;
    options.cut = arguments.at.cut()?;
    arguments.output.check([arguments.pairs.as_path()].into_iter().chain(arguments.source.inputs()))?;
    if arguments.every == 0 {
        return Err(Failure::new("--every: 0 leaves no pair").hint("give 1 or more"));
    }
    let (pairs, warnings, facts) = read_pairs(&arguments.pairs)?;
    let mut pairs: Vec<CsvPair> = pairs.into_iter().step_by(arguments.every).collect();
    let scored = pairs.iter().any(|p| p.score.is_some());
    if scored && arguments.source.reads_embeddings() {
        return Err(Failure::new("the pairs have scores already")
            .hint("leave --embeddings out, or the column `score`"));
    }
    let mut system = System::new(arguments.source.given_name().unwrap_or("scores"));
    if !scored {
        let root = arguments.photos.clone().or_else(|| arguments.pairs.parent().map(Path::to_path_buf));
        let root = root.unwrap_or_default();
        (pairs, system) = protocol::embed_pairs(pairs, &mut arguments.source.subject(&root, shared)?)?;
    }
    system.facts = [facts, system.facts].concat();
    system.warnings = [warnings, system.warnings].concat();
    finish(protocol::pairs(system, &pairs, &options)?, &arguments.output)
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

/// Arguments of `phiz eval all-pairs`.
#[derive(Args)]
pub(crate) struct AllPairs {
    #[command(flatten)]
    choice: Choice,
    /// Print error rates for each value of this column of the list, or of several columns with commas between them
    /// (race,age). Ages are divided into bands that keep children apart. You can give this option several times
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Show this many of the worst pairs of each kind as pictures on the HTML page
    #[arg(long, value_name = "N", default_value_t = 0)]
    pictures: usize,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval all-pairs`.
pub(crate) fn all_pairs(arguments: &AllPairs, shared: &Shared) -> Result<Done, Failure> {
    let mut options = arguments.sureness.options()?;
    options.cut = arguments.at.cut()?;
    options.worst = arguments.pictures;
    arguments.output.check(arguments.choice.inputs().chain(arguments.source.inputs()))?;
    // Columns are looked for before the work, not after it.
    let list = arguments.choice.read()?;
    arguments.by.iter().try_for_each(|column| Grouping::by_column(&list.manifest, column).map(drop))?;
    let (prepared, list) = arguments.choice.prepare(&arguments.source, shared)?;
    for column in &arguments.by {
        options.by.push(Grouping::by_column(&prepared.manifest, column)?);
    }
    let bar = Bar::new(shared);
    let AllPairsReport { mut report, closest_impostors, farthest_genuine, .. } =
        protocol::all_pairs(&prepared, &options, &bar)?;
    bar.finish();
    if arguments.pictures > 0 && arguments.source.reads_embeddings() {
        report.warnings.push("--pictures shows nothing: templates came from a file, not from photos".into());
    } else if let Some(section) = report.sections.first_mut() {
        for (kind, pairs) in [("false match", &closest_impostors), ("miss", &farthest_genuine)] {
            let shown = &pairs[..arguments.pictures.min(pairs.len())];
            section.pictures.extend(pictures(kind, &prepared.samples, shown, &list.root));
        }
    }
    finish(report, &arguments.output)
}

fn pictures(kind: &str, samples: &Samples, pairs: &[ScoredPair], root: &Path) -> Vec<PicturePair> {
    let photo = |k: usize| {
        let name = samples.photos().get(k)?.clone();
        let person = samples.people().names().get(*samples.people().of().get(k)? as usize)?.clone();
        let address = thumbnail(&root.join(&name))?;
        Some((name, person, address))
    };
    let pair = |p: &ScoredPair| Some(PicturePair::new(kind, f64::from(p.score), [photo(p.a)?, photo(p.b)?]));
    pairs.iter().filter_map(pair).collect()
}

/// A small picture inside an address.
fn thumbnail(path: &Path) -> Option<String> {
    let image = Image::open(path, &DecodeOptions::default()).ok()?;
    let (w, h) = (image.width() as f32, image.height() as f32);
    let scale = (160.0 / w.max(h)).min(1.0);
    let side = |length: f32| ((length * scale).round() as u32).max(1);
    let jpeg = image.resize(side(w), side(h)).encode_jpeg(80).ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(&jpeg)))
}

/// Arguments of `phiz eval quality`.
#[derive(Args)]
pub(crate) struct Quality {
    #[command(flatten)]
    choice: Choice,
    /// Take the quality from this column of the list instead of our own score
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// Take the figures at the similarity at which this share of pairs of different people is accepted
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    fmr: f64,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval quality`.
pub(crate) fn quality(arguments: &Quality, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fmr", arguments.fmr)?;
    arguments.output.check(arguments.choice.inputs().chain(arguments.source.inputs()))?;
    if arguments.source.reads_embeddings() && arguments.column.is_none() {
        return Err(Failure::new("a file of templates holds no quality")
            .hint("name a column of the list with --column"));
    }
    let (mut prepared, _) = arguments.choice.prepare(&arguments.source, shared)?;
    let qualities = match &arguments.column {
        Some(column) => prepared.manifest.numbers(column)?,
        None => prepared.qualities.iter().map(|q| q.unwrap_or(0.0)).collect(),
    };
    prepared.system.fact("quality", arguments.column.as_deref().unwrap_or("Phiz's own"));
    let bar = Bar::new(shared);
    let report = protocol::quality(&prepared, &qualities, arguments.fmr, &bar)?;
    bar.finish();
    finish(report, &arguments.output)
}

/// Arguments of `phiz eval thresholds`.
#[derive(Args)]
pub(crate) struct Thresholds {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    source: Source,
}

/// `phiz eval thresholds`: what a card's `[thresholds]` want.
pub(crate) fn thresholds(arguments: &Thresholds, shared: &Shared) -> Result<Done, Failure> {
    let (prepared, _) = arguments.choice.prepare(&arguments.source, shared)?;
    let bar = Bar::new(shared);
    let table = protocol::thresholds(&prepared, &bar)?;
    bar.finish();
    table.warnings.iter().for_each(|w| crate::out::note!("warning: {w}"));
    let left_out = &prepared.system.left_out;
    if !left_out.is_empty() {
        crate::out::note!("warning: {} photos could not be used", left_out.len());
    }
    let quantiles: Vec<String> =
        table.quantiles.iter().map(|[rate, similarity]| format!("[{rate:e}, {similarity:.4}]")).collect();
    let stem = |l: &PathBuf| l.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let lists = arguments.choice.lists.iter().map(stem).collect::<Vec<_>>().join(", ");
    super::report::print(&format!(
        "[thresholds]\nquantiles = [{}]\nmeasured_on = \"{lists}: {} photos of {} people, {} without a face\"\n",
        quantiles.join(", "),
        table.photos,
        table.people,
        table.failures
    ));
    Ok(if left_out.is_empty() { Done::Well } else { Done::Partly })
}
