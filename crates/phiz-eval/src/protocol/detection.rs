//! Detection: found boxes against true ones.

use super::{Options, System};
use crate::Result;
use crate::bootstrap::Draws;
use crate::detection::coco::Coco;
use crate::detection::voc::Voc;
use crate::detection::wider::Wider;
use crate::detection::{Found, PhotoBoxes};
use crate::error::{EvalError, check_rate};
use crate::report::build::precision_recall;
use crate::report::{Better, Figure, Report, Section, Unit, Value};
use std::fmt;

/// How found boxes are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct DetectionOptions {
    /// Overlap (intersection over union) that makes a hit.
    pub min_iou: f64,
    /// True boxes whose shorter side has fewer pixels neither count nor harm.
    pub ignore_under: f64,
    /// Which of the found boxes the detector shows; all without it. Precision, recall and false alarms are theirs; average
    /// precision is all boxes'.
    pub shown: Option<Shown>,
}

impl Default for DetectionOptions {
    fn default() -> Self {
        Self { min_iou: 0.5, ignore_under: 0.0, shown: None }
    }
}

/// The score from which a box is shown, and the lower one (a hysteresis threshold) that is enough in a photo where another
/// box reaches the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// Enough for each.
    pub score: f64,
    /// Enough beside one that reaches `score`.
    pub beside: f64,
}

impl Shown {
    /// What the detector shows of a photo's boxes.
    fn of(self, found: &[Found]) -> Vec<Found> {
        let sure = found.iter().any(|f| f.score >= self.score);
        let least = if sure { self.beside } else { self.score };
        found.iter().copied().filter(|f| f.score >= least).collect()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from score {:.2} up", self.score)?;
        if self.beside < self.score { write!(f, " ({:.2} beside a face)", self.beside) } else { Ok(()) }
    }
}

/// Judges what was found in photos. Photos without a true box tell how often a detector sees faces where there are none.
///
/// # Errors
/// No photo; boxes that cannot be; an overlap outside 0..1.
pub fn detection(
    mut system: System,
    mut photos: Vec<PhotoBoxes>,
    detection: &DetectionOptions,
    options: &Options,
) -> Result<Report> {
    check_rate("overlap (IoU)", detection.min_iou)?;
    if photos.is_empty() {
        return Err(EvalError::undefined("detection", "there is no photo"));
    }
    photos.iter_mut().for_each(|photo| photo.ignore_under(detection.ignore_under));
    if detection.ignore_under > 0.0 {
        system.fact("ignored", format!("boxes under {} pixels", detection.ignore_under));
    }
    // Photos are drawn again: faces of one photo share its light and its crowd.
    let draws = match options.bootstrap {
        Some(bootstrap) if photos.len() > 1 => Some(Draws::new(photos.len(), &bootstrap)?),
        Some(_) => {
            system.warnings.push("there are no intervals: they need two photos or more to draw from".into());
            None
        }
        None => None,
    };
    let section = section(&photos, detection, draws.as_ref(), options.confidence())?;
    let mut report =
        system.report(format!("detection, {} photos", photos.len()), options.bootstrap, vec![section]);
    if draws.is_some() {
        let names: Vec<String> = photos.iter().map(|photo| photo.photo.clone()).collect();
        report.drawn_from(options.bootstrap, &names);
    }
    Ok(report)
}

/// A metric of all photos, each with a weight.
type Metric<'a> = dyn Fn(&dyn Fn(usize) -> u64) -> Result<f64> + 'a;

fn section(
    photos: &[PhotoBoxes],
    options: &DetectionOptions,
    draws: Option<&Draws>,
    confidence: f64,
) -> Result<Section> {
    let shown: Vec<PhotoBoxes> = photos
        .iter()
        .map(|photo| match options.shown {
            Some(shown) => PhotoBoxes { found: shown.of(&photo.found), ..photo.clone() },
            None => photo.clone(),
        })
        .collect();
    let at = options.shown.map_or(String::new(), |shown| format!(" {shown}"));
    let mut figures = vec![Figure::count("photos", "photos", photos.len() as u64)];
    let rated = |whole: Figure, of: &Metric<'_>| match draws {
        None => whole,
        Some(draws) => {
            let round = |round| of(&|photo| u64::from(draws.weight(photo as u32, round))).ok();
            whole.with_rounds((0..draws.rounds()).map(round).collect(), confidence)
        }
    };
    let empty: Vec<bool> = shown.iter().map(|s| s.truths.is_empty()).collect();
    let faceless = empty.iter().filter(|e| **e).count() as u64;
    if faceless > 0 {
        figures.push(Figure::count("empty", "photos without a face", faceless));
        let alarms: &Metric<'_> = &|weight| {
            let (mut all, mut alarms) = (0, 0);
            for (k, photo) in shown.iter().enumerate().filter(|(k, _)| empty[*k]) {
                all += weight(k);
                alarms += if photo.found.is_empty() { 0 } else { weight(k) };
            }
            ratio("false alarms", "there is no photo without a face", alarms, all)
        };
        let name = format!("of them with one found{at}");
        let whole = Figure::new("alarms", &name, alarms(&|_| 1), Unit::Percent, Better::Down);
        figures.push(rated(whole.of_trials(faceless), alarms));
    }
    let mut plot = None;
    if (faceless as usize) < photos.len() {
        let min_iou = options.min_iou;
        let judged = |of: &[PhotoBoxes]| match Voc::new(of, min_iou, options.ignore_under) {
            Ok(voc) => Ok(Some(voc)),
            // Faces there are, but none that counts: figures without a value, not a run without figures.
            Err(e) if e.is_undefined() => Ok(None),
            Err(e) => Err(e),
        };
        let (voc, voc_shown) = (judged(photos)?, judged(&shown)?);
        let faces = voc.as_ref().map_or(0, Voc::truths);
        figures.push(Figure::count("faces", "faces that count", faces));
        let none = || EvalError::undefined("detection", "there is no true box that counts");
        let hits = |w: &dyn Fn(usize) -> u64| {
            voc_shown.as_ref().map(|v| v.at(f64::NEG_INFINITY, w)).ok_or_else(none)
        };
        let mut add = |id: &str, name: &str, trials: Option<u64>, of: &Metric<'_>| {
            let whole = Figure::new(id, name, of(&|_| 1), Unit::Percent, Better::Up);
            let whole = trials.map_or(whole.clone(), |n| whole.of_trials(n));
            figures.push(rated(whole, of));
        };
        let average = |w: &dyn Fn(usize) -> u64| voc.as_ref().ok_or_else(none)?.average_precision(w);
        add("ap", &format!("AP at IoU {min_iou}"), None, &average);
        let boxes = hits(&|_| 1).ok().map(|(hits, alarms)| hits + alarms);
        add("precision", &format!("precision{at}"), boxes, &|w| {
            let (hits, alarms) = hits(w)?;
            ratio("precision", "nothing is found", hits, hits + alarms)
        });
        add("recall", &format!("recall{at}"), Some(faces), &|w| {
            let all = voc.as_ref().ok_or_else(none)?.weighted_truths(w);
            ratio("recall", "there is no true box that counts", hits(w)?.0, all)
        });
        let wider = "AP by WIDER FACE's arithmetic";
        match Wider::new(photos, min_iou) {
            Ok(judged) => add("wider", wider, None, &|w| judged.average_precision(w)),
            Err(e) => figures.push(Figure::new("wider", wider, Value::from(e), Unit::Percent, Better::Up)),
        }
        let (coco, by_size) = match Coco::new(photos) {
            Ok(coco) => (coco.ap, coco.ap_by_size),
            Err(e) if e.is_undefined() => (None, [None; 3]),
            Err(e) => return Err(e),
        };
        let sizes = ["small (under 32² pixels)", "medium", "large (from 96² pixels)"];
        let mut all = vec![("coco".to_owned(), "AP by COCO (0.50:0.95)".to_owned(), coco)];
        for (k, size) in sizes.iter().enumerate() {
            all.push((format!("coco_{k}"), format!("the same, {size}"), by_size[k]));
        }
        for (id, name, value) in all {
            let value = value.map_or_else(|| Value::Undefined("there is no such face".into()), Value::number);
            figures.push(Figure::new(&id, &name, value, Unit::Percent, Better::Up));
        }
        plot = voc.as_ref().and_then(|v| precision_recall(&v.curve(|_| 1).unwrap_or_default()));
    }
    let note = "AP is Pascal VOC's (area under the monotone precision) unless named otherwise. Intervals draw \
                photos again.";
    Ok(Section {
        id: "detection".into(),
        title: "Detection".into(),
        note: note.into(),
        figures,
        plots: plot.into_iter().collect(),
        ..Section::default()
    })
}

fn ratio(metric: &str, reason: &str, part: u64, all: u64) -> Result<f64> {
    if all == 0 { Err(EvalError::undefined(metric, reason)) } else { Ok(part as f64 / all as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_judged_is_what_the_detector_shows() {
        let shown = Shown { score: 0.7, beside: 0.5 };
        let of = |scores: &[f64]| {
            let found: Vec<Found> =
                scores.iter().map(|score| Found { bbox: [0.0, 0.0, 9.0, 9.0], score: *score }).collect();
            shown.of(&found).iter().map(|f| f.score).collect::<Vec<_>>()
        };
        assert_eq!(of(&[0.4, 0.5, 0.7]), [0.5, 0.7]);
        assert!(of(&[0.4, 0.5, 0.69]).is_empty());
        assert_eq!(shown.to_string(), "from score 0.70 up (0.50 beside a face)");
    }
}
