//! From results to sections: which figures answer which question, and in which order.

use super::{Axis, Better, Figure, GroupRates, Plot, Scores, Section, Table, Unit, Value, count};
use crate::Result;
use crate::bootstrap::{Draws, Resampled};
use crate::classify::WhenUndefined;
use crate::curve::{Answer, Curve};
use crate::detection::PrPoint;
use crate::discard::ErrorVersusDiscard;
use crate::error::EvalError;
use crate::experiment::Experiment;
use crate::groups::{Group, Rate, worst_over_mean};
use crate::identification::Identification;
use crate::landmarks::Landmarks;

/// False match rates that tables list, from loose to strict.
pub const RATES: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
const POINTS: usize = 400;
const SLIDER_STEPS: usize = 1000;

fn exponent(rate: f64) -> String {
    format!("{rate:e}")
}

/// The decade at or below one in `trials`: where an axis of rates begins.
fn decade(trials: u64, least: f64) -> f64 {
    10f64.powf((1.0 / trials.max(10) as f64).log10().floor()).max(least)
}

/// What a rate of a curve is a share of.
#[derive(Clone, Copy)]
enum Of {
    Genuine,
    Impostors,
    All,
    Accepted(f64),
    Nothing,
}

impl Of {
    fn trials(self, curve: &Curve) -> Option<u64> {
        match self {
            Self::Genuine => Some(curve.genuine()),
            Self::Impostors => Some(curve.impostors()),
            Self::All => Some(curve.genuine() + curve.impostors()),
            Self::Accepted(threshold) => {
                let (genuine, impostors) = curve.accepted(threshold);
                Some(genuine + impostors)
            }
            Self::Nothing => None,
        }
    }
}

/// A figure as a function of what a round of the bootstrap draws.
type InRounds = Box<dyn Fn(&Curve, &Mix) -> Result<f64> + Sync>;

/// A metric of a curve, as a table row.
struct Row {
    id: String,
    name: String,
    unit: Unit,
    better: Better,
    share_of: Of,
    of: Box<dyn Fn(&Curve) -> Value + Sync>,
    /// What it is in a round of the bootstrap, if it hangs on how many pairs are genuine.
    in_rounds: Option<InRounds>,
}

impl Row {
    fn in_round(&self, round: &Curve, mix: &Mix) -> Option<f64> {
        match &self.in_rounds {
            Some(of) => of(round, mix).ok(),
            None => (self.of)(round).known(),
        }
    }
}

/// How many pairs of each kind the data have. A round has fewer impostor pairs, because two draws of one person are never
/// compared; what hangs on the mixture (accuracy, precision, F1) is therefore taken from the round's rates and the
/// mixture of the data. Else an interval would lie beside its own value.
struct Mix {
    genuine: f64,
    impostors: f64,
}

impl Mix {
    fn of(curve: &Curve) -> Self {
        Self { genuine: curve.genuine() as f64, impostors: curve.impostors() as f64 }
    }
    /// Genuine and impostor pairs accepted at a threshold, by the rates of a round.
    fn accepted(&self, round: &Curve, threshold: f64) -> Result<(f64, f64)> {
        let genuine = if self.genuine > 0.0 { self.genuine * (1.0 - round.fnmr(threshold)?) } else { 0.0 };
        let impostors = if self.impostors > 0.0 { self.impostors * round.fmr(threshold)? } else { 0.0 };
        Ok((genuine, impostors))
    }
    fn accuracy(&self, round: &Curve, threshold: f64) -> Result<f64> {
        let (genuine, impostors) = self.accepted(round, threshold)?;
        Ok((genuine + self.impostors - impostors) / (self.genuine + self.impostors))
    }
    fn precision(&self, round: &Curve, threshold: f64) -> Result<f64> {
        let (genuine, impostors) = self.accepted(round, threshold)?;
        if genuine + impostors == 0.0 {
            return Err(EvalError::undefined("precision", "no pair reaches the threshold"));
        }
        Ok(genuine / (genuine + impostors))
    }
}

/// The harmonic mean of precision and recall.
fn harmonic(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

fn curve_rows(threshold: Option<f64>) -> Vec<Row> {
    type Metric = Box<dyn Fn(&Curve) -> Value + Sync>;
    let row = |id: &str, name: &str, better, share_of, of: Metric| Row {
        id: id.to_owned(),
        name: name.to_owned(),
        unit: Unit::Percent,
        better,
        share_of,
        of,
        in_rounds: None,
    };
    let (up, down) = (Better::Up, Better::Down);
    let auc = row("auc", "AUC", up, Of::Nothing, Box::new(|c| c.auc().into()));
    let mut rows = vec![
        Row { unit: Unit::Number, ..auc },
        row("eer", "EER", down, Of::Nothing, Box::new(|c| c.eer().map(|e| e.rate).into())),
    ];
    for rate in RATES {
        let (id, name) = (format!("tar_at_{}", exponent(rate)), format!("TAR at FAR {}", exponent(rate)));
        let of = move |c: &Curve| Value::from(c.tar_at_far(rate).map(|a| a.map(|p| p.tar())));
        rows.push(row(&id, &name, up, Of::Genuine, Box::new(of)));
    }
    if let Some(t) = threshold {
        let f1 = move |c: &Curve| -> Result<f64> { Ok(harmonic(c.precision(t)?, c.recall(t)?)) };
        let at: [(&str, &str, Better, Of, Metric); 6] = [
            ("fmr", "FMR", down, Of::Impostors, Box::new(move |c| c.fmr(t).into())),
            ("fnmr", "FNMR", down, Of::Genuine, Box::new(move |c| c.fnmr(t).into())),
            ("accuracy", "accuracy", up, Of::All, Box::new(move |c| Ok(c.accuracy(t)).into())),
            ("precision", "precision", up, Of::Accepted(t), Box::new(move |c| c.precision(t).into())),
            ("recall", "recall", up, Of::Genuine, Box::new(move |c| c.recall(t).into())),
            ("f1", "F1", up, Of::Nothing, Box::new(move |c| f1(c).into())),
        ];
        rows.extend(at.map(|(id, name, better, share_of, of)| {
            row(id, &format!("{name} at the threshold"), better, share_of, of)
        }));
        for row in &mut rows {
            row.in_rounds = match row.id.as_str() {
                "accuracy" => Some(Box::new(move |c, mix| mix.accuracy(c, t))),
                "precision" => Some(Box::new(move |c, mix| mix.precision(c, t))),
                "f1" => Some(Box::new(move |c, mix| Ok(harmonic(mix.precision(c, t)?, c.recall(t)?)))),
                _ => None,
            };
        }
    }
    rows
}

/// Verification: pairs of photos, the same person or not.
pub fn verification(
    curve: &Curve,
    resampled: Option<&Resampled>,
    threshold: Option<f64>,
    confidence: f64,
) -> Section {
    let (rows, mix) = (curve_rows(threshold), Mix::of(curve));
    let mut rounds = resampled
        .map(|r| r.replicate(|c| rows.iter().map(|row| row.in_round(c, &mix)).collect()))
        .unwrap_or_default()
        .into_iter();
    let (genuine_failed, impostors_failed) = curve.failed();
    let mut figures = vec![
        Figure::count("genuine", "genuine pairs", curve.genuine()),
        Figure::count("impostors", "impostor pairs", curve.impostors()),
        Figure::count("failed", "of them without a score", genuine_failed + impostors_failed),
    ];
    if let Some(t) = threshold {
        figures.push(Figure::new("threshold", "threshold", Value::Number(t), Unit::Number, Better::Neither));
    }
    figures.extend(rows.iter().map(|row| {
        let mut figure = Figure::new(&row.id, &row.name, (row.of)(curve), row.unit, row.better);
        if let Some(trials) = row.share_of.trials(curve) {
            figure = figure.of_trials(trials);
        }
        match rounds.next() {
            Some(rounds) => figure.with_rounds(rounds, confidence),
            None => figure,
        }
    }));
    let points = curve.thinned(POINTS).unwrap_or_default();
    let (floor, fnmr_floor) = (decade(curve.impostors(), 1e-8), decade(curve.genuine(), 1e-6));
    let of = |y: fn(f64) -> f64| points.iter().map(|p| [p.fmr, y(p.fnmr)]).collect();
    let fmr = || Axis::rate("false match rate (FMR)", floor, 1.0);
    let roc = Axis::share("true match rate (TAR)", 0.0, 1.0);
    let det = Axis::rate("false non-match rate (FNMR)", fnmr_floor, 1.0);
    let plots = [
        Plot::new("roc", "ROC", fmr(), roc, of(|fnmr| 1.0 - fnmr)),
        Plot::new("det", "DET", fmr(), det, of(|fnmr| fnmr)),
    ];
    let start = threshold.or_else(|| curve.eer().ok().map(|e| e.threshold)).and_then(|t| curve.at(t).ok());
    let scores = start.filter(|_| curve.range().is_some()).map(|start| {
        let histogram = curve.histogram(80);
        let span = histogram.width * histogram.genuine.len() as f64;
        let at = |k: usize| histogram.low + span * k as f64 / SLIDER_STEPS as f64;
        let rates = (0..=SLIDER_STEPS).filter_map(|k| curve.at(at(k)).ok()).map(|p| [p.fmr, p.fnmr]);
        Scores { rates: rates.collect(), histogram, start }
    });
    let note = "A pair without a score, because no face was found, counts as rejected. Intervals come from \
                drawing people again, not pairs; where every trial ended alike, from the rule of 3."
        .to_owned();
    Section {
        id: "verification".into(),
        title: "Verification".into(),
        note,
        figures,
        plots: plots.into_iter().flatten().collect(),
        scores,
        ..Default::default()
    }
}

/// A share of errors: undefined without trials.
fn share(id: &str, name: &str, errors: u64, trials: u64) -> Figure {
    let value = match trials {
        0 => Err(EvalError::undefined(name, "there is no trial")),
        n => Ok(errors as f64 / n as f64),
    };
    Figure::new(id, name, value, Unit::Percent, Better::Down).of_trials(trials)
}

/// Identification: searches of a gallery.
///
/// # Errors
/// Undefined without mated searches.
pub fn identification(
    experiment: &Experiment,
    names: &[String],
    draws: Option<&Draws>,
    confidence: f64,
) -> Result<Section> {
    type Metric = (String, String, Better, Box<dyn Fn(&Identification) -> Value + Sync>);
    let id = &experiment.identification;
    let mut metrics: Vec<Metric> = Vec::new();
    for k in [1, 5, 20] {
        let of = move |id: &Identification| Value::from(id.rank(k));
        metrics.push((format!("rank_{k}"), format!("rank-{k}"), Better::Up, Box::new(of)));
    }
    for rate in [1e-1, 1e-2, 1e-3] {
        let of = move |id: &Identification| Value::from(id.fnir_at_fpir(rate, 1).map(|a| a.map(|p| p.fnir)));
        let (key, name) = (format!("fnir_at_{}", exponent(rate)), format!("FNIR at FPIR {}", exponent(rate)));
        metrics.push((key, name, Better::Down, Box::new(of)));
    }
    let mut rounds = draws
        .map(|d| experiment.replicate(d, |id| metrics.iter().map(|m| (m.3)(id).known()).collect()))
        .unwrap_or_default()
        .into_iter();
    let mated = id.searches.iter().filter(|s| s.mate.is_some()).count() as u64;
    let searches = id.searches.len() as u64;
    let (meant, lost) = experiment.enrolled;
    let mut figures = vec![
        Figure::count("people", "people in the gallery", id.gallery_people as u64),
        Figure::count("mated", "searches for enrolled people", mated),
        Figure::count("strangers", "searches for people not enrolled", searches - mated),
        share(
            "fta",
            "failure to acquire (FTA)",
            id.searches.iter().filter(|s| s.failed).count() as u64,
            searches,
        ),
        share("fte", "failure to enrol (FTE)", lost as u64, meant as u64),
    ];
    for (key, name, better, of) in &metrics {
        let f = Figure::new(key, name, of(id), Unit::Percent, *better).of_trials(mated);
        figures.push(match rounds.next() {
            Some(rounds) => f.with_rounds(rounds, confidence),
            None => f,
        });
    }
    let mut tables = Vec::new();
    // Names are given at the strictest rate that the strangers can speak about, else without a threshold.
    let threshold = [1e-3, 1e-2, 1e-1].iter().find_map(|&r| id.fnir_at_fpir(r, 1).ok()?.value());
    let cut = threshold.map_or(f64::NEG_INFINITY, |p| p.threshold);
    let confusion = experiment.confusion(cut)?;
    let at = threshold.map_or("without a threshold".to_owned(), |p| {
        format!("at similarity {:.4} (FPIR {:.2} %)", p.threshold, 100.0 * p.fpir)
    });
    let (micro, all) = (confusion.micro(), confusion.macro_average(WhenUndefined::Zero)?);
    let percent = |x: f64| format!("{:.2} %", 100.0 * x);
    tables.push(Table {
        title: format!("Names given {at}; “unknown” is a name like any other"),
        head: ["average", "precision", "recall", "F1"].map(str::to_owned).to_vec(),
        rows: [("micro (each search)", micro), ("macro (each person)", all)]
            .map(|(name, a)| vec![name.to_owned(), percent(a.precision), percent(a.recall), percent(a.f1)])
            .to_vec(),
    });
    let label =
        |l: &Option<u32>| l.and_then(|p| names.get(p as usize)).map_or("unknown", String::as_str).to_owned();
    let show = |r: Result<f64>| r.map_or("–".to_owned(), percent);
    let mut people: Vec<_> = confusion.labels().iter().zip(confusion.per_class()).collect();
    people.sort_by(|a, b| {
        let f1 = |c: &crate::classify::Counts| c.f1().unwrap_or(1.0);
        f1(a.1).total_cmp(&f1(b.1)).then(b.1.false_positives.cmp(&a.1.false_positives)).then(a.0.cmp(b.0))
    });
    tables.push(Table {
        title: "People with the lowest F1".into(),
        head: ["person", "searches", "precision", "recall", "F1"].map(str::to_owned).to_vec(),
        rows: people
            .iter()
            .take(20)
            .map(|(l, c)| {
                let searches = count(c.true_positives + c.false_negatives);
                vec![label(l), searches, show(c.precision()), show(c.recall()), show(c.f1())]
            })
            .collect(),
    });
    let confusions = confusion.confusions().into_iter().filter(|c| c.1.is_some()).take(20);
    tables.push(Table {
        title: "Most frequent wrong names".into(),
        head: ["shows", "named", "times"].map(str::to_owned).to_vec(),
        rows: confusions.map(|(t, p, n)| vec![label(t), label(p), count(n)]).collect(),
    });
    let cmc = id.cmc(50).unwrap_or_default();
    // The axis keeps an extent when everybody is found at once.
    let low = cmc.first().map_or(0.0, |c| ((c * 10.0).floor() / 10.0).min(0.9));
    let ranks = cmc.iter().enumerate().map(|(k, &c)| [(k + 1) as f64, c]).collect();
    let floor = decade(searches - mated, 1e-8);
    let rates = (0..=120).map(|k| floor.powf(1.0 - f64::from(k) / 120.0));
    let point = |rate: f64| match id.fnir_at_fpir(rate, 1).ok()? {
        Answer::Value(p) => Some([p.fpir, p.fnir]),
        Answer::TooFew { .. } => None,
    };
    let found = Axis::share("found within rank", low, 1.0);
    let (fpir, fnir) = (
        Axis::rate("false positive identification rate (FPIR)", floor, 1.0),
        Axis::rate("false negative identification rate (FNIR)", 1e-3, 1.0),
    );
    let plots = [
        Plot::new("cmc", "CMC", Axis::multiplying("rank", 1.0, 50.0), found, ranks),
        Plot::new("fnir_fpir", "FNIR over FPIR", fpir, fnir, rates.filter_map(point).collect()),
    ];
    let note =
        "A person's score is the best over their enrolled photos. Rates hold for a gallery of this size. \
                Intervals draw the people searched for again; the gallery stays."
            .to_owned();
    let (id, title) = ("identification".into(), "Identification".into());
    let plots = plots.into_iter().flatten().collect();
    Ok(Section { id, title, note, figures, plots, tables, ..Default::default() })
}

/// Rates by group at one threshold.
pub fn groups(column: &str, groups: &[Group], threshold: f64, confidence: f64) -> Section {
    let rates: Vec<GroupRates> = groups.iter().map(|g| group_rates(g, confidence)).collect();
    let rows = rates.iter().map(|g| {
        vec![
            g.name.clone(),
            count(g.photos as u64),
            count(g.people as u64),
            count(g.failures as u64),
            g.fmr.shown(),
            g.fmr.shown_interval(),
            g.fnmr.shown(),
            g.fnmr.shown_interval(),
        ]
    });
    let table = Table::new(
        format!("By {column}, at similarity {threshold:.4} for all"),
        &["group", "photos", "people", "no face", "FMR", "interval", "FNMR", "interval"],
        rows.collect(),
    );
    let worst = |what: &str, id: &str, of: fn(&Group) -> Rate| {
        let rated = groups.iter().filter_map(|g| Some((of(g).value()?, g.name.as_str())));
        let (value, name) = match rated.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((value, group)) => (Ok(value), format!("{what} of the worst group ({group})")),
            None => {
                (Err(EvalError::undefined(what, "no group has a pair")), format!("{what} of the worst group"))
            }
        };
        Figure::new(id, &name, value, Unit::Percent, Better::Down)
    };
    let ratio = |what: &str, id: &str, of: fn(&Group) -> Rate| {
        let name = format!("{what}, worst group over geometric mean");
        let value = worst_over_mean(groups.iter().map(|g| (g.name.as_str(), of(g))));
        Figure::new(id, &name, value, Unit::Number, Better::Down)
    };
    let figures = vec![
        Figure::new("threshold", "threshold", Value::number(threshold), Unit::Number, Better::Neither),
        worst("FMR", "fmr_worst", |g| g.fmr),
        ratio("FMR", "fmr_ratio", |g| g.fmr),
        worst("FNMR", "fnmr_worst", |g| g.fnmr),
        ratio("FNMR", "fnmr_ratio", |g| g.fnmr),
    ];
    let note = "Both photos of a pair are of the group. A ratio of 1 means equal for all; NIST FRTE reports the same ratio."
        .to_owned();
    Section {
        id: format!("by_{column}"),
        title: format!("By {column}"),
        note,
        figures,
        groups: rates,
        tables: vec![table],
        ..Default::default()
    }
}

fn group_rates(group: &Group, confidence: f64) -> GroupRates {
    let rate = |id: &str, name: &str, rate: Rate, pairs: &str, rounds: &[Option<f64>]| {
        let value =
            rate.value().ok_or_else(|| EvalError::undefined(name, format!("the group has no {pairs} pair")));
        let figure = Figure::new(id, name, value, Unit::Percent, Better::Down).of_trials(rate.trials);
        if rounds.is_empty() { figure } else { figure.with_rounds(rounds.to_vec(), confidence) }
    };
    GroupRates {
        name: group.name.clone(),
        photos: group.photos,
        failures: group.failures,
        people: group.people,
        fmr: rate("fmr", "FMR", group.fmr, "impostor", &group.fmr_rounds),
        fnmr: rate("fnmr", "FNMR", group.fnmr, "genuine", &group.fnmr_rounds),
    }
}

/// Landmarks.
pub fn landmarks(landmarks: &Landmarks, limit: f64) -> Section {
    let (faces, found) = landmarks.faces();
    let percent = 100.0 * limit;
    let figures = vec![
        Figure::count("faces", "faces", faces as u64),
        Figure::count("found", "of them found", found as u64),
        Figure::new("nme", "mean error (NME) of the found", landmarks.mean(), Unit::Percent, Better::Down),
        Figure::new("auc", &format!("AUC to {percent} %"), landmarks.auc(limit), Unit::Percent, Better::Up),
        Figure::new(
            "failures",
            &format!("NME above {percent} %, or not found"),
            landmarks.failure_rate(limit),
            Unit::Percent,
            Better::Down,
        )
        .of_trials(faces as u64),
    ];
    let (x, y) = (Axis::share("NME", 0.0, limit), Axis::share("share of faces", 0.0, 1.0));
    let note =
        "A face that was not found counts as a failure at every error. NME is the mean distance of the \
                landmarks in shares of the eye distance."
            .to_owned();
    Section {
        id: "landmarks".into(),
        title: "Landmarks".into(),
        note,
        figures,
        plots: Plot::new("ced", "CED", x, y, landmarks.curve(limit, 200)).into_iter().collect(),
        ..Default::default()
    }
}

/// Error versus discard.
pub fn quality(edc: &ErrorVersusDiscard) -> Section {
    let mut figures =
        vec![Figure::new("start", "FNMR, nothing discarded", Ok(edc.at(0.0)), Unit::Percent, Better::Down)];
    for share in [0.05, 0.1, 0.2] {
        let name = format!("FNMR, worst {:.0} % discarded", 100.0 * share);
        let id = format!("fnmr_{share}");
        figures.push(Figure::new(&id, &name, Ok(edc.at(share)), Unit::Percent, Better::Down));
    }
    figures.push(Figure::new("area", "mean FNMR up to 20 %", edc.area(0.2), Unit::Percent, Better::Down));
    let top = edc.points().iter().map(|p| p[1]).fold(0.01, f64::max);
    // Steps, as the curve has them.
    let steps =
        edc.points().windows(2).flat_map(|w| [w[0], [w[1][0], w[0][1]]]).chain(edc.points().last().copied());
    let (x, y) = (
        Axis::share("share of pairs discarded", 0.0, 0.5),
        Axis::share("false non-match rate (FNMR)", 0.0, top),
    );
    let points = steps.filter(|p| p[0] <= 0.5).collect();
    let note = format!("Threshold {:.4} throughout. A pair is as good as its worse photo.", edc.threshold());
    Section {
        id: "quality".into(),
        title: "Quality".into(),
        note,
        figures,
        plots: Plot::new("edc", "Error versus discard", x, y, points).into_iter().collect(),
        ..Default::default()
    }
}

/// A precision-recall curve for a detection section; none if nothing was found.
pub fn precision_recall(points: &[PrPoint]) -> Option<Plot> {
    let every = (points.len() / POINTS).max(1);
    let kept = points.iter().enumerate().filter(|(k, _)| k % every == 0 || k + 1 == points.len());
    let (x, y) = (Axis::share("recall", 0.0, 1.0), Axis::share("precision", 0.0, 1.0));
    Plot::new("pr", "Precision over recall", x, y, kept.map(|(_, p)| [p.recall, p.precision]).collect())
}
