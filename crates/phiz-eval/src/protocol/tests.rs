//! Every protocol on every kind of data that could make a figure mean nothing: no figure is NaN or a plausible value
//! that nothing stands behind, no chart holds a NaN, and what cannot be said has its reason.

use super::*;
use crate::detection::{Found, PhotoBoxes, Truth};
use crate::embeddings::{Embeddings, Prepared, Seen};
use crate::error::EvalError;
use crate::identification::SplitOptions;
use crate::manifest::Manifest;
use crate::pairs::CsvPair;
use crate::report::{Unit, Value, html, text};
use std::path::Path;

/// Templates by photo; a photo without one has no face.
struct Fixed(Vec<Option<[f32; 3]>>);

impl Embeddings for Fixed {
    type Error = EvalError;
    fn embed(&mut self, photos: &[String]) -> Result<Vec<Seen>> {
        assert_eq!(photos.len(), self.0.len());
        let seen = |v: &Option<[f32; 3]>| match v {
            Some(v) => Seen::Face { vector: v.to_vec(), quality: Some(0.5) },
            None => Seen::NoFace,
        };
        Ok(self.0.iter().map(seen).collect())
    }
    fn system(&self) -> System {
        System::new("fixed")
    }
}

const A: Option<[f32; 3]> = Some([1.0, 0.0, 0.0]);
const B: Option<[f32; 3]> = Some([0.0, 1.0, 0.0]);
const C: Option<[f32; 3]> = Some([0.0, 0.0, 1.0]);
const NONE: Option<[f32; 3]> = None;

/// A kind of data: `(person, template)` of each photo.
type Kind = (&'static str, Vec<(&'static str, Option<[f32; 3]>)>);

fn kinds() -> Vec<Kind> {
    vec![
        ("one photo", vec![("p", A)]),
        ("one person", vec![("p", A), ("p", A), ("p", B)]),
        ("all right", vec![("p", A), ("p", A), ("q", B), ("q", B), ("r", C), ("r", C)]),
        ("all wrong", vec![("p", A), ("p", B), ("q", A), ("q", B), ("r", A), ("r", B)]),
        ("all alike", vec![("p", A), ("p", A), ("q", A), ("q", A), ("r", A), ("r", A)]),
        ("no genuine pair", vec![("p", A), ("q", B), ("r", C)]),
        ("no impostor pair", vec![("p", A), ("p", A), ("p", A), ("p", B)]),
        ("no face at all", vec![("p", NONE), ("p", NONE), ("q", NONE)]),
        ("one face", vec![("p", A), ("p", NONE), ("q", NONE), ("q", NONE)]),
        (
            "nobody twice with a face",
            vec![("p", A), ("p", NONE), ("q", B), ("q", NONE), ("r", C), ("r", NONE)],
        ),
    ]
}

fn prepared(photos: &[(&str, Option<[f32; 3]>)]) -> Result<Prepared> {
    let mut list = "path,person,group,age\n".to_owned();
    for (k, (person, _)) in photos.iter().enumerate() {
        list.push_str(&format!("{k}.jpg,{person},{},{}\n", ["x", "y"][k % 2], 5 + 20 * k));
    }
    let manifest = Manifest::read(list.as_bytes(), Path::new("list.csv"))?;
    Prepared::new(&manifest, &mut Fixed(photos.iter().map(|p| p.1).collect()))
}

fn options() -> Options {
    Options { bootstrap: Some(Bootstrap { rounds: 20, ..Bootstrap::default() }), ..Options::default() }
}

/// What no report may hold, whatever the data.
fn check(what: &str, report: &Report, bad: &mut Vec<String>) {
    let page = html::page("t", std::slice::from_ref(report)).unwrap();
    let json = report.to_json().unwrap();
    let markdown = text::markdown(std::slice::from_ref(report));
    let terminal = format!("{:?}", text::terminal(report));
    for (place, shown) in [("page", &page), ("JSON", &json), ("Markdown", &markdown), ("terminal", &terminal)]
    {
        for forbidden in ["NaN", "inf ", "inf<", "-inf", "no error seen"] {
            if shown.contains(forbidden) {
                bad.push(format!("{what}: {forbidden:?} in the {place}"));
            }
        }
    }
    match Report::from_json(&json, Path::new("r.json")) {
        Ok(again) if again == *report => {}
        other => bad.push(format!("{what}: comes back from JSON as {other:?}")),
    }
    for section in &report.sections {
        let groups = section.groups.iter().flat_map(|g| [&g.fmr, &g.fnmr]);
        for figure in section.figures.iter().chain(groups) {
            match &figure.value {
                Value::Number(v) if !v.is_finite() => bad.push(format!("{what}: {} is {v}", figure.id)),
                Value::Number(v) if figure.unit == Unit::Percent && !(0.0..=1.0).contains(v) => {
                    bad.push(format!("{what}: {} is the share {v}", figure.id));
                }
                Value::Undefined(reason) if reason.is_empty() => {
                    bad.push(format!("{what}: {} is undefined without a reason", figure.id));
                }
                _ => {}
            }
            if figure.interval.is_some_and(|i| !(i.low < i.high && i.low.is_finite() && i.high.is_finite())) {
                bad.push(format!("{what}: the interval of {} is {:?}", figure.id, figure.interval));
            }
            if figure.trials == Some(0) && figure.value.known().is_some() {
                bad.push(format!("{what}: {} is a number without a trial", figure.id));
            }
        }
        for plot in &section.plots {
            if plot.points.is_empty() || plot.x.low >= plot.x.high || plot.y.low >= plot.y.high {
                bad.push(format!("{what}: plot {} is empty or has no extent", plot.id));
            }
        }
    }
}

/// A protocol's entry.
type Entry = dyn Fn(&Prepared) -> Result<Report>;

#[test]
fn no_kind_of_data_makes_a_figure_that_means_nothing() {
    let entries: [(&str, Box<Entry>); 6] = [
        (
            "all-pairs",
            Box::new(|p| {
                let mut options = options();
                for column in ["group", "age", "group,age"] {
                    options.by.push(Grouping::by_column(&p.manifest, column)?);
                }
                Ok(all_pairs(p, &options, &Unwatched)?.report)
            }),
        ),
        (
            "all-pairs at a similarity",
            Box::new(|p| {
                let options = Options {
                    cut: Cut::Similarity(0.5),
                    by: vec![Grouping::by_column(&p.manifest, "group")?],
                    ..options()
                };
                Ok(all_pairs(p, &options, &Unwatched)?.report)
            }),
        ),
        ("identify", Box::new(|p| identification(p, &SplitOptions::default(), &options(), &Unwatched))),
        (
            "identify, closed",
            Box::new(|p| {
                identification(
                    p,
                    &SplitOptions { outside: 0.0, ..SplitOptions::default() },
                    &options(),
                    &Unwatched,
                )
            }),
        ),
        ("gallery", Box::new(|p| gallery(p.system.clone(), &p.samples, 0.01, &options(), &Unwatched))),
        (
            "quality",
            Box::new(|p| {
                let qualities: Vec<f64> = p.qualities.iter().map(|q| q.unwrap_or(0.0)).collect();
                quality(p, &qualities, 1e-3, &Unwatched)
            }),
        ),
    ];
    let (mut bad, mut reports, mut refusals) = (Vec::new(), 0, 0);
    for (kind, photos) in kinds() {
        for (name, entry) in &entries {
            match prepared(&photos).and_then(|p| entry(&p)) {
                Ok(report) => {
                    reports += 1;
                    check(&format!("{name}, {kind}"), &report, &mut bad);
                }
                Err(error) if error.is_undefined() => refusals += 1,
                Err(error) => bad.push(format!("{name}, {kind}: {error}")),
            }
        }
        match prepared(&photos).and_then(|p| thresholds(&p, &Unwatched)) {
            Ok(table) => bad.push(format!("thresholds, {kind}: {table:?}")),
            Err(error) if error.is_undefined() => refusals += 1,
            Err(error) => bad.push(format!("thresholds, {kind}: {error}")),
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
    assert!(reports >= 35 && refusals >= 15, "{reports} reports, {refusals} refusals");
}

fn pair(score: Option<f64>, same: bool, k: usize, people: Option<(&str, &str)>) -> CsvPair {
    CsvPair {
        a: format!("{k}a"),
        b: format!("{k}b"),
        same,
        score,
        fold: Some((k % 2) as u32),
        people: people.map(|(a, b)| (a.to_owned(), b.to_owned())),
        line: k as u64,
    }
}

#[test]
fn pairs_of_every_kind() {
    let mut bad = Vec::new();
    for (kind, outcomes) in [
        ("all right", vec![(Some(0.9), true), (Some(0.9), true), (Some(0.1), false), (Some(0.1), false)]),
        ("all wrong", vec![(Some(0.1), true), (Some(0.1), true), (Some(0.9), false), (Some(0.9), false)]),
        ("ties", vec![(Some(0.5), true), (Some(0.5), true), (Some(0.5), false), (Some(0.5), false)]),
        ("one", vec![(Some(0.5), true)]),
        ("no genuine", vec![(Some(0.5), false), (Some(0.1), false)]),
        ("no impostor", vec![(Some(0.5), true), (Some(0.1), true)]),
        ("no face found", vec![(None, true), (None, false), (None, true), (None, false)]),
    ] {
        for named in [false, true] {
            let people = |same: bool, k: usize| match (named, same) {
                (false, _) => None,
                (true, true) => Some(["p", "q"][k % 2]).map(|p| (p, p)),
                (true, false) => Some(("p", "q")),
            };
            let list: Vec<CsvPair> =
                outcomes.iter().enumerate().map(|(k, o)| pair(o.0, o.1, k, people(o.1, k))).collect();
            for cut in [Cut::Fmr(1e-3), Cut::Similarity(0.5)] {
                let what = format!("pairs, {kind}, people {named}, {cut:?}");
                match pairs(System::new("s"), &list, &Options { cut, ..options() }) {
                    Ok(report) => {
                        check(&what, &report, &mut bad);
                        if kind == "no face found" {
                            let auc = &report.figure("verification", "auc").unwrap().value;
                            assert!(matches!(auc, Value::Undefined(_)), "AUC without a score is {auc:?}");
                        }
                    }
                    Err(error) => bad.push(format!("{what}: {error}")),
                }
            }
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
    assert!(pairs(System::new("s"), &[], &options()).unwrap_err().is_undefined());
}

#[test]
fn nobody_accepted_is_no_feat() {
    let p = prepared(&kinds()[4].1).unwrap();
    let options = Options { cut: Cut::Similarity(1.5), ..options() };
    let report = all_pairs(&p, &options, &Unwatched).unwrap().report;
    let fnmr = report.figure("verification", "fnmr").unwrap();
    assert_eq!(
        (fnmr.shown().as_str(), fnmr.shown_interval().as_str()),
        ("100.00 %", "0.00 – 100.00 (rule of 3)")
    );
    let fmr = report.figure("verification", "fmr").unwrap();
    assert_eq!((fmr.shown().as_str(), fmr.shown_interval().as_str()), ("0.00 %", "0.00 – 25.00 (rule of 3)"));
}

/// A round compares nobody with their own copy, so it has fewer impostor pairs than the data.
#[test]
fn an_interval_does_not_lie_beside_its_value() {
    let person = |k: u32| ["p", "q", "r", "s", "t", "u"][(k / 4) as usize];
    let alike: Vec<_> = (0..24).map(|k| (person(k), A)).collect();
    let report = all_pairs(&prepared(&alike).unwrap(), &options(), &Unwatched).unwrap().report;
    assert!(report.warnings.iter().any(|w| w.contains("nothing is accepted")), "{:?}", report.warnings);
    let accuracy = report.figure("verification", "accuracy").unwrap();
    // Nothing is accepted, in no round: the 240 impostor pairs of 276 are right.
    assert_eq!(accuracy.value.known(), Some(240.0 / 276.0));
    assert_eq!(accuracy.shown_interval(), "every round alike");
    let photos: Vec<(&str, Option<[f32; 3]>)> = (0..24u32)
        .map(|k| {
            let angle = (k / 4) as f32 + 0.1 * ((k * 37 % 11) as f32 - 5.0);
            (person(k), Some([angle.cos(), angle.sin(), 0.3]))
        })
        .collect();
    let options = Options { cut: Cut::Similarity(0.7), ..options() };
    let report = all_pairs(&prepared(&photos).unwrap(), &options, &Unwatched).unwrap().report;
    for id in ["accuracy", "precision", "recall", "f1", "fmr", "fnmr"] {
        let figure = report.figure("verification", id).unwrap();
        let (value, ends) = (figure.value.known().unwrap(), figure.interval.unwrap());
        assert!((ends.low..=ends.high).contains(&value), "{id}: {value} outside {ends:?}");
    }
}

#[test]
fn one_person_gives_figures_without_intervals() {
    let p = prepared(&kinds()[1].1).unwrap();
    let report = all_pairs(&p, &options(), &Unwatched).unwrap().report;
    assert!(report.basis.is_empty());
    for told in ["no intervals", "no figures at a threshold"] {
        assert!(report.warnings.iter().any(|w| w.contains(told)), "{told}: {:?}", report.warnings);
    }
}

#[test]
fn boxes_of_every_kind() {
    let bbox = [0.0, 0.0, 9.0, 9.0];
    let far = [50.0, 50.0, 9.0, 9.0];
    let photo = |k: usize, truths: &[[f64; 4]], found: &[([f64; 4], f64)]| PhotoBoxes {
        photo: format!("{k}.jpg"),
        truths: truths.iter().map(|b| Truth::new(*b)).collect(),
        found: found.iter().map(|&(bbox, score)| Found { bbox, score }).collect(),
    };
    let mut ignored = photo(0, &[bbox], &[(bbox, 0.9)]);
    ignored.truths[0].ignore = true;
    let mut bad = Vec::new();
    for (kind, photos) in [
        ("one", vec![photo(0, &[bbox], &[(bbox, 0.9)])]),
        ("all right", (0..5).map(|k| photo(k, &[bbox], &[(bbox, 0.9)])).collect()),
        ("all wrong", (0..5).map(|k| photo(k, &[bbox], &[(far, 0.9)])).collect()),
        ("ties", (0..5).map(|k| photo(k, &[bbox], &[(bbox, 0.5), (far, 0.5)])).collect()),
        ("no face found", (0..5).map(|k| photo(k, &[bbox], &[])).collect()),
        ("no face there", (0..5).map(|k| photo(k, &[], &[])).collect()),
        ("faces where there are none", (0..5).map(|k| photo(k, &[], &[(bbox, 0.9)])).collect()),
        ("none that counts", vec![ignored.clone(), ignored]),
        (
            "a box of no size",
            vec![photo(0, &[[3.0, 3.0, 0.0, 0.0]], &[([3.0, 3.0, 0.0, 0.0], 0.9)]), photo(1, &[bbox], &[])],
        ),
    ] {
        for shown in
            [None, Some(Shown { score: 0.7, beside: 0.6 }), Some(Shown { score: 0.95, beside: 0.95 })]
        {
            let how = DetectionOptions { shown, ..DetectionOptions::default() };
            match detection(System::new("d"), photos.clone(), &how, &options()) {
                Ok(report) => check(&format!("detection, {kind}, {shown:?}"), &report, &mut bad),
                Err(error) => bad.push(format!("detection, {kind}: {error}")),
            }
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
    assert!(
        detection(System::new("d"), vec![], &DetectionOptions::default(), &options())
            .unwrap_err()
            .is_undefined()
    );
    let report = detection(
        System::new("d"),
        (0..5).map(|k| photo(k, &[bbox], &[])).collect(),
        &DetectionOptions::default(),
        &options(),
    )
    .unwrap();
    let figure = |id: &str| report.figure("detection", id).unwrap();
    assert_eq!(figure("precision").value, Value::Undefined("nothing is found".into()));
    assert_eq!((figure("ap").value.known(), figure("recall").value.known()), (Some(0.0), Some(0.0)));
}

#[test]
fn landmarks_of_every_kind() {
    let found = |error: f64| CentralFace::new(0.9, Some(vec![[error, 0.0]; 5]), false);
    let missed = || CentralFace::new(0.0, None, false);
    let mut bad = Vec::new();
    for (kind, faces) in [
        ("empty", vec![]),
        ("one", vec![found(0.02)]),
        ("all right", vec![found(0.0), found(0.0)]),
        ("all wrong", vec![found(0.9), found(0.9)]),
        ("no face found", vec![missed(), missed()]),
    ] {
        match landmarks(System::new("d"), 3, &faces, 0.1) {
            Ok(report) => {
                check(&format!("landmarks, {kind}"), &report, &mut bad);
                let nme = report.figure("landmarks", "nme").unwrap();
                let wanted = match kind {
                    "empty" | "no face found" => None,
                    "one" => Some(0.02),
                    "all right" => Some(0.0),
                    _ => Some(0.9),
                };
                match (nme.value.known(), wanted) {
                    (Some(is), Some(wanted)) if (is - wanted).abs() < 1e-9 => {}
                    (None, None) => {}
                    other => bad.push(format!("landmarks, {kind}: the mean error is {other:?}")),
                }
            }
            Err(error) => bad.push(format!("landmarks, {kind}: {error}")),
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
    let nan = CentralFace::new(f64::NAN, None, false);
    assert!(landmarks(System::new("d"), 1, &[nan], 0.1).is_err());
    assert!(
        landmarks(
            System::new("d"),
            1,
            &[found(0.1), CentralFace::new(0.9, Some(vec![[0.0; 2]; 4]), false)],
            0.1
        )
        .is_err()
    );
}

#[test]
fn thresholds_fit_a_card() {
    let (templates, people) = crate::all_pairs::tests::clouds(60, 2, 16, 0.5, 4);
    let samples = crate::samples::Samples::complete(templates, people).unwrap();
    let mut p = prepared(&kinds()[2].1).unwrap();
    p.samples = samples;
    let table = thresholds(&p, &Unwatched).unwrap();
    assert!(table.quantiles.len() >= 3, "{table:?}");
    assert!(table.quantiles.windows(2).all(|w| w[1][0] < w[0][0] && w[1][1] > w[0][1]), "{table:?}");
}

#[test]
fn reports_of_one_name_are_told_apart() {
    let report = |name: &str| Report::new(name, "q", None);
    let named =
        compare(vec![("1".into(), report("a")), ("2".into(), report("a")), ("2".into(), report("a"))])
            .unwrap();
    let names: Vec<&str> = named.reports.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["a", "a (2)", "a (2) 2"]);
    assert_eq!(named.warnings.len(), 2);
    assert!(compare(vec![]).unwrap_err().is_undefined());
}

#[test]
fn an_observed_difference_is_shown_as_observed() {
    let people = |noise: f32| {
        (0..24u32)
            .map(|k| {
                let person = ["p", "q", "r", "s", "t", "u"][(k / 4) as usize];
                let angle = (k / 4) as f32 + noise * ((k * 37 % 11) as f32 - 5.0);
                (person, Some([angle.cos(), angle.sin(), 0.3]))
            })
            .collect::<Vec<_>>()
    };
    let run = |noise: f32, name: &str| {
        let mut p = prepared(&people(noise)).unwrap();
        p.system.name = name.to_owned();
        all_pairs(&p, &options(), &Unwatched).unwrap().report
    };
    let (a, b) = (run(0.02, "a"), run(0.2, "b"));
    let observed = b.figure("verification", "auc").unwrap().value.known().unwrap()
        - a.figure("verification", "auc").unwrap().value.known().unwrap();
    let difference = a.difference(&b, "verification", "auc").unwrap();
    assert_eq!(difference.observed, observed);
    let shown = text::markdown(&[a, b]);
    let wanted = format!("{observed:.4}").replace('-', "−");
    assert!(shown.contains(&format!("| {wanted} (")), "{wanted}: {shown}");
}
