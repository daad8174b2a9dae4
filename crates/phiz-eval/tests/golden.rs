//! Figures against scikit-learn, pycocotools and the official arithmetic of WIDER FACE, to 1e-9.
//!
//! `golden/make.py` made the values; its set names say why each set is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use phiz_eval::classify::{Averages, Confusion, WhenUndefined};
use phiz_eval::detection::coco::Coco;
use phiz_eval::detection::wider::Wider;
use phiz_eval::detection::{Found, PhotoBoxes, Truth};
use phiz_eval::{Curve, Result};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn rows(file: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

/// Collects what differs, so that all bad rows are seen at once.
#[derive(Default)]
struct Check {
    bad: Vec<String>,
    compared: usize,
}

impl Check {
    fn value(&mut self, set: &Value, what: &str, ours: Result<f64>, theirs: &Value) {
        self.compared += 1;
        let right = match (&ours, theirs.as_f64()) {
            (Ok(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE,
            (Err(e), None) => e.is_undefined(),
            _ => false,
        };
        if !right {
            self.bad.push(format!("{}: {what} is {ours:?}, should be {theirs}", set["name"]));
        }
    }
    fn done(self, least: usize) {
        assert!(self.bad.is_empty(), "\n{}", self.bad.join("\n"));
        assert!(self.compared >= least, "only {} values were compared", self.compared);
    }
}

#[test]
fn scores() {
    let mut check = Check::default();
    let sets = rows("scores.json");
    assert!(sets.len() >= 20, "{} sets", sets.len());
    for set in &sets {
        let same: Vec<bool> = numbers(&set["same"]).iter().map(|&s| s == 1.0).collect();
        let curve = Curve::from_scores(&numbers(&set["scores"]), &same);
        if !set["valid"].as_bool().unwrap() {
            if curve.is_ok() {
                check.bad.push(format!("{}: taken for valid", set["name"]));
            }
            continue;
        }
        let curve = curve.unwrap();
        check.value(set, "AUC", curve.auc(), &set["auc"]);
        check.value(set, "average precision", curve.average_precision(), &set["ap"]);
        check.value(set, "EER", curve.eer().map(|e| e.rate), &set["eer"]);
        check.value(set, "best accuracy", Ok(curve.best_accuracy().1), &set["best_accuracy"]);
        for point in set["at"].as_array().unwrap() {
            let t = number(&point["threshold"]);
            check.value(set, "accuracy", Ok(curve.accuracy(t)), &point["accuracy"]);
            check.value(set, "precision", curve.precision(t), &point["precision"]);
            check.value(set, "recall", curve.recall(t), &point["recall"]);
        }
        let empty = Vec::new();
        let list = |key: &str| set[key].as_array().unwrap_or(&empty).iter();
        // Infinity, where nothing is accepted, is null in JSON.
        let threshold = |point: &Value| point[0].as_f64().unwrap_or(f64::INFINITY);
        for point in list("roc") {
            let t = threshold(point);
            check.value(set, "FMR of the ROC", curve.fmr(t), &point[1]);
            check.value(set, "TAR of the ROC", curve.fnmr(t).map(|f| 1.0 - f), &point[2]);
        }
        for point in list("det") {
            check.value(set, "FMR of the DET", curve.fmr(threshold(point)), &point[1]);
            check.value(set, "FNMR of the DET", curve.fnmr(threshold(point)), &point[2]);
        }
        for point in list("tar") {
            let at = curve.threshold_at_fmr(number(&point[0])).and_then(|t| curve.at(t));
            check.value(set, "TAR at FAR", at.map(|p| p.tar()), &point[1]);
        }
    }
    check.done(1000);
}

#[test]
fn labels() {
    let mut check = Check::default();
    for set in &rows("labels.json") {
        let list = |key: &str| numbers(&set[key]);
        let ints = |key: &str| list(key).iter().map(|&x| x as i64).collect::<Vec<_>>();
        let confusion = Confusion::new(&ints("truth"), &ints("predicted")).unwrap();
        check.value(set, "accuracy", Ok(confusion.accuracy()), &set["accuracy"]);
        for (i, row) in set["confusion"].as_array().unwrap().iter().enumerate() {
            for (j, cell) in row.as_array().unwrap().iter().enumerate() {
                check.value(set, "a cell", Ok(confusion.count(i, j) as f64), cell);
            }
        }
        let mut averages = |key: &str, ours: Result<Averages>| {
            let parts: [fn(&Averages) -> f64; 3] = [|a| a.precision, |a| a.recall, |a| a.f1];
            for (part, theirs) in parts.iter().zip(set[key].as_array().unwrap()) {
                let ours = ours.as_ref().map(part).map_err(|e| phiz_eval::EvalError::Undefined {
                    metric: key.into(),
                    reason: e.to_string(),
                });
                check.value(set, key, ours, theirs);
            }
        };
        averages("micro", Ok(confusion.micro()));
        averages("zero", confusion.macro_average(WhenUndefined::Zero));
        averages("skip", confusion.macro_average(WhenUndefined::Skip));
    }
    check.done(1000);
}

#[test]
fn boxes() {
    let mut check = Check::default();
    let bbox = |v: &Value| <[f64; 4]>::try_from(&numbers(v)[..4]).unwrap();
    for set in &rows("boxes.json") {
        let scenes: Vec<PhotoBoxes> = set["scenes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| {
                let truths = s["truth"].as_array().unwrap().iter().zip(s["ignore"].as_array().unwrap());
                let found = s["found"].as_array().unwrap().iter();
                PhotoBoxes {
                    photo: String::new(),
                    truths: truths
                        .map(|(b, i)| Truth { ignore: i.as_bool().unwrap(), ..Truth::new(bbox(b)) })
                        .collect(),
                    found: found.map(|f| Found { bbox: bbox(f), score: number(&f[4]) }).collect(),
                }
            })
            .collect();
        let wider = Wider::new(&scenes, 0.5).and_then(|w| w.average_precision(|_| 1));
        check.value(set, "WIDER FACE's AP", wider, &set["wider"]);
        // pycocotools takes no box as ignored but a crowd's.
        let mut crowds = scenes;
        crowds.iter_mut().flat_map(|s| &mut s.truths).for_each(|t| t.crowd = std::mem::take(&mut t.ignore));
        let c = Coco::new(&crowds).unwrap();
        let ours = [[c.ap, c.ap50, c.ap75], c.ap_by_size, c.ar_by_count, c.ar_by_size].concat();
        for (k, (ours, theirs)) in ours.iter().zip(set["coco"].as_array().unwrap()).enumerate() {
            let undefined = phiz_eval::EvalError::Undefined { metric: String::new(), reason: String::new() };
            check.value(set, &format!("COCO's figure {k}"), ours.ok_or(undefined), theirs);
        }
    }
    check.done(150);
}
