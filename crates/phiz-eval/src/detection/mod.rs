//! Detection: found boxes against true ones, by the official arithmetic of three benchmarks.
//!
//! - [`voc`]: found boxes of all photos by falling score, area under the monotone precision
//!   (Pascal VOC 2010 and later); what a single figure "AP at IoU 0.5" should mean.
//! - [`wider`]: WIDER FACE's own evaluation, with its 1,000 thresholds and its "+ 1 pixel".
//! - [`coco`]: the mean over ten overlaps from 0.50 to 0.95, 101 recalls, and by size.
//!
//! They differ by a point or more on the same boxes, so a figure without its arithmetic is no figure.
//! A true box marked `ignore` neither counts when it is missed nor harms when it is found.

pub mod coco;
pub mod voc;
pub mod wider;

use crate::Result;
use crate::error::EvalError;
use serde::{Deserialize, Serialize};

/// A true box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Left, top, width, height in pixels.
    pub bbox: [f64; 4],
    /// Neither a hit nor a miss: too small, too unclear, marked invalid.
    pub ignore: bool,
    /// A region that holds any number of faces (COCO's `iscrowd`); it is ignored, too.
    pub crowd: bool,
    /// Area in pixels for COCO's size classes; width × height unless the annotation says otherwise.
    pub area: f64,
}

impl Truth {
    /// A box that counts.
    pub fn new(bbox: [f64; 4]) -> Self {
        Self { bbox, ignore: false, crowd: false, area: bbox[2] * bbox[3] }
    }
}

/// A found box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Left, top, width, height in pixels.
    pub bbox: [f64; 4],
    /// Higher means surer.
    pub score: f64,
}

/// A photo with its true and its found boxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotoBoxes {
    /// The photo's name.
    pub photo: String,
    /// All faces in it.
    pub truths: Vec<Truth>,
    /// What the detector found.
    pub found: Vec<Found>,
}

impl PhotoBoxes {
    /// Marks true boxes whose shorter side is below `pixels` as ignored.
    pub fn ignore_under(&mut self, pixels: f64) {
        for truth in &mut self.truths {
            truth.ignore |= truth.bbox[2].min(truth.bbox[3]) < pixels;
        }
    }
}

/// Intersection over union of two boxes `[x, y, w, h]`; 0 when both are empty.
pub fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    overlap(a, b, 0.0)
}

/// Intersection over union where a box from pixel 3 to pixel 5 is `border` wider than 2 (WIDER FACE and
/// VOC's scripts count pixels, so 1; everyone else measures, so 0).
pub(crate) fn overlap(a: &[f64; 4], b: &[f64; 4], border: f64) -> f64 {
    let (aw, ah, bw, bh) = (a[2] + border, a[3] + border, b[2] + border, b[3] + border);
    let w = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]) + border;
    let h = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]) + border;
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    w * h / (aw * ah + bw * bh - w * h)
}

/// Precision and recall at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PrPoint {
    /// Boxes with this score or more count.
    pub threshold: f64,
    /// Share of the true boxes found. Up is good.
    pub recall: f64,
    /// Share of the found boxes that are true. Up is good.
    pub precision: f64,
}

/// Area under precision over recall after precision was made monotone from the right; recall rising.
pub(crate) fn monotone_area(points: &[(f64, f64)]) -> f64 {
    let (mut area, mut ceiling, mut right) = (0.0, 0.0f64, points.last().map_or(0.0, |p| p.0));
    for &(recall, precision) in points.iter().rev() {
        area += (right - recall) * ceiling;
        ceiling = ceiling.max(precision);
        right = recall;
    }
    area + right * ceiling
}

pub(crate) fn check(scenes: &[PhotoBoxes]) -> Result<()> {
    for scene in scenes {
        let numbers = scene.found.iter().flat_map(|f| f.bbox.into_iter().chain([f.score]));
        let numbers = numbers.chain(scene.truths.iter().flat_map(|t| t.bbox));
        if let Some(wrong) = numbers.into_iter().find(|n| !n.is_finite()) {
            return Err(EvalError::input(
                format!("boxes of {}", scene.photo),
                format!("{wrong} is no number"),
                "give finite pixels and scores",
            ));
        }
        let sides = scene.found.iter().map(|f| f.bbox).chain(scene.truths.iter().map(|t| t.bbox));
        if let Some(wrong) = sides.into_iter().find(|b| b[2] < 0.0 || b[3] < 0.0) {
            return Err(EvalError::input(
                format!("boxes of {}", scene.photo),
                format!("{wrong:?} has a negative side"),
                "give left, top, width, height (not the right and bottom edges)",
            ));
        }
    }
    if scenes.iter().all(|s| s.truths.iter().all(|t| t.ignore || t.crowd)) {
        return Err(EvalError::undefined("AP", "there is no true box that counts"));
    }
    Ok(())
}

/// Joins truths and findings by photo: `(scenes, warnings)`. Photos without findings stay, with none.
///
/// # Errors
/// A finding in a photo that the truth does not list; a photo listed twice on one side.
pub fn join(
    truths: Vec<(String, Vec<Truth>)>,
    found: Vec<(String, Vec<Found>)>,
) -> Result<(Vec<PhotoBoxes>, Vec<String>)> {
    use std::collections::HashMap;
    let mut found_in: HashMap<String, Vec<Found>> = HashMap::with_capacity(found.len());
    for (photo, boxes) in found {
        if found_in.insert(photo.clone(), boxes).is_some() {
            return Err(EvalError::input(photo, "is listed twice in the findings", "list each photo once"));
        }
    }
    let mut scenes = Vec::with_capacity(truths.len());
    let mut without = 0usize;
    let mut seen = std::collections::HashSet::new();
    for (photo, truths) in truths {
        if !seen.insert(photo.clone()) {
            return Err(EvalError::input(photo, "is listed twice in the truth", "list each photo once"));
        }
        let found = found_in.remove(&photo).unwrap_or_else(|| {
            without += 1;
            Vec::new()
        });
        scenes.push(PhotoBoxes { photo, truths, found });
    }
    if let Some(stray) = found_in.keys().min() {
        return Err(EvalError::input(
            stray.as_str(),
            format!("has findings but no truth; {} such photos", found_in.len()),
            "give findings for the photos of the truth only, under the same names",
        ));
    }
    let warnings = (without > 0).then(|| {
        format!("{without} of {} photos have no findings listed; they count as empty", scenes.len())
    });
    Ok((scenes, warnings.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_divides_by_the_true_union() {
        let a = [0.0, 0.0, 2.0, 2.0];
        for (b, expected) in [
            (a, 1.0),
            ([1.0, 0.0, 2.0, 2.0], 1.0 / 3.0),
            ([2.0, 0.0, 2.0, 2.0], 0.0),
            ([0.5, 0.5, 1.0, 1.0], 0.25),
            ([0.0, 0.0, 0.0, 0.0], 0.0),
        ] {
            assert_eq!(iou(&a, &b), expected, "{b:?}");
            assert_eq!(iou(&b, &a), expected, "{b:?}");
        }
        assert_eq!(overlap(&[0.0, 0.0, 1.0, 1.0], &[1.0, 0.0, 1.0, 1.0], 1.0), 2.0 / 6.0);
    }

    #[test]
    fn joining_names_strays_and_twins() {
        let truth = || vec![("a".to_owned(), vec![]), ("b".to_owned(), vec![])];
        let (scenes, warnings) = join(truth(), vec![("b".to_owned(), vec![])]).unwrap();
        assert_eq!((scenes.len(), warnings.len()), (2, 1));
        let stray = join(truth(), vec![("c".to_owned(), vec![])]).unwrap_err().to_string();
        assert!(stray.contains("c: has findings but no truth"), "{stray}");
        assert!(join(truth(), vec![("b".to_owned(), vec![]), ("b".to_owned(), vec![])]).is_err());
        assert!(join(vec![truth().remove(0), truth().remove(0)], vec![]).is_err());
    }

    #[test]
    fn impossible_boxes_are_refused() {
        let scene = |t: [f64; 4], f: [f64; 4]| PhotoBoxes {
            photo: "p".into(),
            truths: vec![Truth::new(t)],
            found: vec![Found { bbox: f, score: 0.5 }],
        };
        let good = [1.0, 1.0, 5.0, 5.0];
        assert!(check(&[scene(good, good)]).is_ok());
        assert!(check(&[scene(good, [f64::NAN, 0.0, 1.0, 1.0])]).is_err());
        assert!(check(&[scene([9.0, 9.0, -3.0, 1.0], good)]).unwrap_err().to_string().contains("negative"));
        assert!(check(&[]).unwrap_err().is_undefined());
        let mut ignored = scene(good, good);
        ignored.ignore_under(6.0);
        assert!(check(&[ignored]).unwrap_err().is_undefined());
    }
}
