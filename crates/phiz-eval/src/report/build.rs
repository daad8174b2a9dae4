//! From results to sections: which figures answer which question, and in which order.

use super::{Axis, Better, Figure, Plot, Scores, Section, Table, Unit, Value, count};
use crate::Result;
use crate::bootstrap::{Replicates, Resampled, interval};
use crate::classify::WhenUndefined;
use crate::curve::{Answer, Curve};
use crate::detection::PrPoint;
use crate::discard::ErrorVersusDiscard;
use crate::experiment::Experiment;
use crate::groups::{Group, Rate, worst_over_mean};
use crate::identification::Identification;
use crate::landmarks::Landmarks;

/// False match rates that tables list, from loose to strict.
pub const RATES: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
const POINTS: usize = 400;
const SLIDER_STEPS: usize = 1000;

/// A figure without an interval.
pub fn figure(id: &str, name: &str, value: impl Into<Value>, unit: Unit, better: Better) -> Figure {
    let (id, name) = (id.to_owned(), name.to_owned());
    Figure { id, name, value: value.into(), interval: None, unit, better, rounds: Vec::new() }
}

/// A whole number that only informs.
pub fn number_of(id: &str, name: &str, n: u64) -> Figure {
    figure(id, name, Value::Number(n as f64), Unit::Count, Better::Neither)
}

/// The figure with its rounds, and the interval if the rounds define one.
pub fn with_rounds(figure: Figure, rounds: Replicates, confidence: f64) -> Figure {
    Figure { interval: interval(&rounds, confidence).ok(), rounds, ..figure }
}

fn axis(label: &str, log: bool, percent: bool, low: f64, high: f64) -> Axis {
    Axis { label: label.to_owned(), log, percent, low, high }
}

fn exponent(rate: f64) -> String {
    format!("{rate:e}")
}

/// A metric of a curve, as a table row.
struct Row {
    id: String,
    name: String,
    unit: Unit,
    better: Better,
    of: Box<dyn Fn(&Curve) -> Value + Sync>,
}

fn curve_rows(threshold: Option<f64>) -> Vec<Row> {
    let row = |id: &str, name: &str, unit, better, of: Box<dyn Fn(&Curve) -> Value + Sync>| Row {
        id: id.to_owned(),
        name: name.to_owned(),
        unit,
        better,
        of,
    };
    let mut rows = vec![
        row("auc", "AUC", Unit::Number, Better::Up, Box::new(|c| c.auc().into())),
        row("eer", "EER", Unit::Percent, Better::Down, Box::new(|c| c.eer().map(|e| e.rate).into())),
    ];
    for rate in RATES {
        let (id, name) = (format!("tar_at_{}", exponent(rate)), format!("TAR at FAR {}", exponent(rate)));
        let of = move |c: &Curve| Value::from(c.tar_at_far(rate).map(|a| a.map(|p| p.tar())));
        rows.push(row(&id, &name, Unit::Percent, Better::Up, Box::new(of)));
    }
    if let Some(t) = threshold {
        let at = |name: &str| format!("{name} at the threshold");
        let (up, down) = (Better::Up, Better::Down);
        rows.push(row("fmr", &at("FMR"), Unit::Percent, down, Box::new(move |c| c.fmr(t).into())));
        rows.push(row("fnmr", &at("FNMR"), Unit::Percent, down, Box::new(move |c| c.fnmr(t).into())));
        rows.push(row(
            "accuracy",
            &at("accuracy"),
            Unit::Percent,
            up,
            Box::new(move |c| Ok(c.accuracy(t)).into()),
        ));
        rows.push(row(
            "precision",
            &at("precision"),
            Unit::Percent,
            up,
            Box::new(move |c| c.precision(t).into()),
        ));
        rows.push(row("recall", &at("recall"), Unit::Percent, up, Box::new(move |c| c.recall(t).into())));
        let f1 = move |c: &Curve| -> Result<f64> {
            let (p, r) = (c.precision(t)?, c.recall(t)?);
            Ok(if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 })
        };
        rows.push(row("f1", &at("F1"), Unit::Percent, up, Box::new(move |c| f1(c).into())));
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
    let rows = curve_rows(threshold);
    let known = |value: Value| match value {
        Value::Number(n) => Some(n),
        _ => None,
    };
    let mut rounds = resampled
        .map(|r| r.replicate(|c| rows.iter().map(|row| known((row.of)(c))).collect()))
        .unwrap_or_default()
        .into_iter();
    let (genuine_failed, impostors_failed) = curve.failed();
    let mut figures = vec![
        number_of("genuine", "genuine pairs", curve.genuine()),
        number_of("impostors", "impostor pairs", curve.impostors()),
        number_of("failed", "of them without a score", genuine_failed + impostors_failed),
    ];
    if let Some(t) = threshold {
        figures.push(figure("threshold", "threshold", Value::Number(t), Unit::Number, Better::Neither));
    }
    figures.extend(rows.iter().map(|row| {
        let figure = figure(&row.id, &row.name, (row.of)(curve), row.unit, row.better);
        match rounds.next() {
            Some(rounds) => with_rounds(figure, rounds, confidence),
            None => figure,
        }
    }));
    let points = curve.thinned(POINTS).unwrap_or_default();
    let floor = 10f64.powf((1.0 / curve.impostors().max(10) as f64).log10().floor()).max(1e-8);
    let fnmr_floor = 10f64.powf((1.0 / curve.genuine().max(10) as f64).log10().floor()).max(1e-6);
    let mut plots = Vec::new();
    if points.len() > 1 {
        let of = |y: fn(f64) -> f64| points.iter().map(|p| [p.fmr, y(p.fnmr)]).collect();
        plots.push(Plot {
            id: "roc".into(),
            title: "ROC".into(),
            x: axis("false match rate", true, true, floor, 1.0),
            y: axis("true match rate", false, true, 0.0, 1.0),
            points: of(|fnmr| 1.0 - fnmr),
        });
        plots.push(Plot {
            id: "det".into(),
            title: "DET".into(),
            x: axis("false match rate", true, true, floor, 1.0),
            y: axis("false non-match rate", true, true, fnmr_floor, 1.0),
            points: of(|fnmr| fnmr),
        });
    }
    let start = threshold.or_else(|| curve.eer().ok().map(|e| e.threshold)).and_then(|t| curve.at(t).ok());
    let scores = start.map(|start| {
        let histogram = curve.histogram(80);
        let span = histogram.width * histogram.genuine.len() as f64;
        let at = |k: usize| histogram.low + span * k as f64 / SLIDER_STEPS as f64;
        let rates = (0..=SLIDER_STEPS).filter_map(|k| curve.at(at(k)).ok()).map(|p| [p.fmr, p.fnmr]);
        Scores { rates: rates.collect(), histogram, start }
    });
    let note = "A pair without a score, because no face was found, counts as rejected. Intervals come from \
                drawing people again, not pairs."
        .to_owned();
    Section {
        id: "verification".into(),
        title: "Verification".into(),
        note,
        figures,
        plots,
        scores,
        ..Default::default()
    }
}

/// Identification: searches of a gallery.
///
/// # Errors
/// Undefined without mated searches.
pub fn identification(
    experiment: &Experiment,
    names: &[String],
    draws: Option<&crate::bootstrap::Draws>,
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
    let known = |value: Value| if let Value::Number(n) = value { Some(n) } else { None };
    let mut rounds = draws
        .map(|d| experiment.replicate(d, |id| metrics.iter().map(|m| known((m.3)(id))).collect()))
        .unwrap_or_default()
        .into_iter();
    let mated = id.searches.iter().filter(|s| s.mate.is_some()).count() as u64;
    let mut figures = vec![
        number_of("people", "people in the gallery", id.gallery_people as u64),
        number_of("mated", "searches for enrolled people", mated),
        number_of("strangers", "searches for strangers", id.searches.len() as u64 - mated),
        figure("fta", "failure to acquire", Ok(id.failure_to_acquire()), Unit::Percent, Better::Down),
        figure(
            "fte",
            "failure to enrol",
            Ok(experiment.enrolled.1 as f64 / experiment.enrolled.0.max(1) as f64),
            Unit::Percent,
            Better::Down,
        ),
    ];
    for (key, name, better, of) in &metrics {
        let f = figure(key, name, of(id), Unit::Percent, *better);
        figures.push(match rounds.next() {
            Some(rounds) => with_rounds(f, rounds, confidence),
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
    let mut plots = Vec::new();
    if let Ok(cmc) = id.cmc(50) {
        plots.push(Plot {
            id: "cmc".into(),
            title: "CMC".into(),
            x: axis("rank", true, false, 1.0, 50.0),
            y: axis(
                "found within rank",
                false,
                true,
                cmc.first().map_or(0.0, |c| (c * 10.0).floor() / 10.0),
                1.0,
            ),
            points: cmc.iter().enumerate().map(|(k, &c)| [(k + 1) as f64, c]).collect(),
        });
    }
    let strangers = id.searches.len() as u64 - mated;
    if strangers > 0 {
        let floor = 10f64.powf((1.0 / strangers.max(10) as f64).log10().floor());
        let rates = (0..=120).map(|k| floor.powf(1.0 - f64::from(k) / 120.0));
        let point = |rate: f64| match id.fnir_at_fpir(rate, 1).ok()? {
            Answer::Value(p) => Some([p.fpir, p.fnir]),
            Answer::TooFew { .. } => None,
        };
        plots.push(Plot {
            id: "fnir_fpir".into(),
            title: "FNIR over FPIR".into(),
            x: axis("false positive identification rate", true, true, floor, 1.0),
            y: axis("false negative identification rate", true, true, 1e-3, 1.0),
            points: rates.filter_map(point).collect(),
        });
    }
    let note =
        "A person's score is the best over their enrolled photos. Rates hold for a gallery of this size. \
                Intervals draw the people searched for again; the gallery stays."
            .to_owned();
    let (id, title) = ("identification".into(), "Identification".into());
    Ok(Section { id, title, note, figures, plots, tables, ..Default::default() })
}

/// Rates by group at one threshold.
pub fn groups(column: &str, groups: &[Group], threshold: f64, confidence: f64) -> Section {
    let rate = |r: Rate| match r.value() {
        None => "no pairs".to_owned(),
        Some(0.0) => format!(
            "0 of {} (≤ {})",
            count(r.trials),
            Unit::Percent.show(crate::curve::rule_of_three_bound(r.trials))
        ),
        Some(v) => Unit::Percent.show(v),
    };
    let ends = |rounds: &Replicates| {
        interval(rounds, confidence).map_or(String::new(), |i| {
            format!("{} – {}", Unit::Percent.show(i.low), Unit::Percent.show(i.high))
        })
    };
    let rows = groups.iter().map(|g| {
        vec![
            g.name.clone(),
            count(g.photos as u64),
            count(g.people as u64),
            count(g.failures as u64),
            rate(g.fmr),
            ends(&g.fmr_rounds),
            rate(g.fnmr),
            ends(&g.fnmr_rounds),
        ]
    });
    let table = Table {
        title: format!("By {column}, at similarity {threshold:.4} for all"),
        head: ["group", "photos", "people", "no face", "FMR", "interval", "FNMR", "interval"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
    };
    let ratio = |of: fn(&Group) -> Rate| worst_over_mean(groups.iter().map(|g| (g.name.as_str(), of(g))));
    let name = |rate: &str| format!("{rate}, worst over geometric mean");
    let figures = vec![
        figure("fmr_ratio", &name("FMR"), ratio(|g| g.fmr), Unit::Number, Better::Down),
        figure("fnmr_ratio", &name("FNMR"), ratio(|g| g.fnmr), Unit::Number, Better::Down),
    ];
    let note =
        "Both photos of a pair are of the group. 1 means equal for all; NIST FRTE reports the same ratio."
            .to_owned();
    Section {
        id: format!("by_{column}"),
        title: format!("By {column}"),
        note,
        figures,
        tables: vec![table],
        ..Default::default()
    }
}

/// Landmarks.
pub fn landmarks(landmarks: &Landmarks, limit: f64) -> Section {
    let (faces, found) = landmarks.faces();
    let percent = 100.0 * limit;
    let figures = vec![
        number_of("faces", "faces", faces as u64),
        number_of("found", "of them found", found as u64),
        figure("nme", "mean NME", landmarks.mean(), Unit::Percent, Better::Down),
        figure("auc", &format!("AUC to {percent} %"), landmarks.auc(limit), Unit::Percent, Better::Up),
        figure(
            "failures",
            &format!("NME above {percent} %, or missed"),
            Ok(landmarks.failure_rate(limit)),
            Unit::Percent,
            Better::Down,
        ),
    ];
    let plot = Plot {
        id: "ced".into(),
        title: "CED".into(),
        x: axis("NME", false, true, 0.0, limit),
        y: axis("share of faces", false, true, 0.0, 1.0),
        points: landmarks.curve(limit, 200),
    };
    let note = "A face that was not found counts as a failure at every error.".to_owned();
    Section {
        id: "landmarks".into(),
        title: "Landmarks".into(),
        note,
        figures,
        plots: vec![plot],
        ..Default::default()
    }
}

/// Error versus discard.
pub fn quality(edc: &ErrorVersusDiscard) -> Section {
    let mut figures =
        vec![figure("start", "FNMR, nothing discarded", Ok(edc.at(0.0)), Unit::Percent, Better::Down)];
    for share in [0.05, 0.1, 0.2] {
        let name = format!("FNMR, worst {:.0} % discarded", 100.0 * share);
        figures.push(figure(&format!("fnmr_{share}"), &name, Ok(edc.at(share)), Unit::Percent, Better::Down));
    }
    figures.push(figure("area", "mean FNMR up to 20 %", edc.area(0.2), Unit::Percent, Better::Down));
    let top = edc.points.iter().map(|p| p[1]).fold(0.01, f64::max);
    // Steps, as the curve has them.
    let steps =
        edc.points.windows(2).flat_map(|w| [w[0], [w[1][0], w[0][1]]]).chain(edc.points.last().copied());
    let plot = Plot {
        id: "edc".into(),
        title: "Error versus discard".into(),
        x: axis("share of pairs discarded", false, true, 0.0, 0.5),
        y: axis("false non-match rate", false, true, 0.0, top),
        points: steps.filter(|p| p[0] <= 0.5).collect(),
    };
    let note = format!("Threshold {:.4} throughout. A pair is as good as its worse photo.", edc.threshold);
    Section {
        id: "quality".into(),
        title: "Quality".into(),
        note,
        figures,
        plots: vec![plot],
        ..Default::default()
    }
}

/// A precision-recall curve for a detection section.
pub fn precision_recall(points: &[PrPoint]) -> Plot {
    let every = (points.len() / POINTS).max(1);
    let kept = points.iter().enumerate().filter(|(k, _)| k % every == 0 || k + 1 == points.len());
    Plot {
        id: "pr".into(),
        title: "Precision over recall".into(),
        x: axis("recall", false, true, 0.0, 1.0),
        y: axis("precision", false, true, 0.0, 1.0),
        points: kept.map(|(_, p)| [p.recall, p.precision]).collect(),
    }
}
