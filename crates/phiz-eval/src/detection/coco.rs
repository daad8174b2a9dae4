//! COCO: its annotation and result files, and its official arithmetic (bounding boxes, one category).
//!
//! By falling score, each found box takes the free true box that it overlaps most, and an ignored one
//! only if no other will do. AP is the mean of the monotone precision at 101 recalls, then over the
//! ten overlaps 0.50, 0.55 … 0.95. Small is below 32², large from 96² pixels of area; boxes outside
//! of a size class are ignored on both sides. At most 100 boxes a photo count.

use super::{Found, PhotoBoxes, Truth, check, overlap};
use crate::Result;
use crate::error::EvalError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// COCO's size classes by area in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Any.
    All,
    /// Below 32².
    Small,
    /// From 32² to 96².
    Medium,
    /// From 96².
    Large,
}

impl Size {
    fn range(self) -> (f64, f64) {
        match self {
            Self::All => (0.0, 1e10),
            Self::Small => (0.0, 1024.0),
            Self::Medium => (1024.0, 9216.0),
            Self::Large => (9216.0, 1e10),
        }
    }
}

/// The twelve figures of COCO, of which those that the data do not define are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coco {
    /// Mean AP over the overlaps 0.50 to 0.95. Up is good.
    pub ap: Option<f64>,
    /// AP at overlap 0.50.
    pub ap50: Option<f64>,
    /// AP at overlap 0.75.
    pub ap75: Option<f64>,
    /// Mean AP of small, medium and large boxes.
    pub ap_by_size: [Option<f64>; 3],
    /// Mean recall with at most 1, 10 and 100 boxes a photo.
    pub ar_by_count: [Option<f64>; 3],
    /// Mean recall of small, medium and large boxes.
    pub ar_by_size: [Option<f64>; 3],
}

/// The ten overlaps, from 0.50 to 0.95.
pub fn overlaps() -> [f64; 10] {
    // As numpy's linspace makes them: start + k · step.
    std::array::from_fn(|k| 0.5 + k as f64 * (0.95 - 0.5) / 9.0)
}

impl Coco {
    /// All figures.
    ///
    /// # Errors
    /// Boxes that cannot be; undefined without a true box that counts.
    pub fn new(scenes: &[PhotoBoxes]) -> Result<Self> {
        check(scenes)?;
        let mean = |values: &[Option<(f64, f64)>; 10], pick: fn((f64, f64)) -> f64| {
            let values: Option<Vec<f64>> = values.iter().map(|v| v.map(pick)).collect();
            values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
        };
        let all = accumulate(scenes, Size::All, 100);
        let sizes = [Size::Small, Size::Medium, Size::Large].map(|size| accumulate(scenes, size, 100));
        let counts = [1, 10, 100].map(|count| accumulate(scenes, Size::All, count));
        Ok(Self {
            ap: mean(&all, |v| v.0),
            ap50: all[0].map(|v| v.0),
            ap75: all[5].map(|v| v.0),
            ap_by_size: sizes.map(|v| mean(&v, |v| v.0)),
            ar_by_count: counts.map(|v| mean(&v, |v| v.1)),
            ar_by_size: sizes.map(|v| mean(&v, |v| v.1)),
        })
    }
}

/// `(AP, highest recall)` at each overlap; `None` without a true box in the size class.
fn accumulate(scenes: &[PhotoBoxes], size: Size, most: usize) -> [Option<(f64, f64)>; 10] {
    let overlaps = overlaps();
    let mut truths = 0u64;
    // (score, hit at each overlap, counts at each overlap)
    let mut all: Vec<(f64, [Judgement; 10])> = Vec::new();
    for scene in scenes {
        let judged = judge(scene, size, most, &overlaps);
        truths += judged.truths;
        all.extend(judged.found);
    }
    // A stable sort, as the official one is.
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    std::array::from_fn(|o| {
        if truths == 0 {
            return None;
        }
        let (mut hits, mut alarms) = (0u64, 0u64);
        let (mut recall, mut precision) = (Vec::new(), Vec::new());
        for (_, judgements) in &all {
            match judgements[o] {
                Judgement::Hit => hits += 1,
                Judgement::Alarm => alarms += 1,
                Judgement::Ignored => {}
            }
            recall.push(hits as f64 / truths as f64);
            // Before the first that counts there is nothing to be precise about.
            precision.push(hits as f64 / (hits + alarms).max(1) as f64);
        }
        for k in (1..precision.len()).rev() {
            precision[k - 1] = f64::max(precision[k - 1], precision[k]);
        }
        let at = |k: usize| {
            let wanted = k as f64 * 0.01;
            let place = recall.partition_point(|&r| r < wanted);
            precision.get(place).copied().unwrap_or(0.0)
        };
        Some(((0..=100).map(at).sum::<f64>() / 101.0, recall.last().copied().unwrap_or(0.0)))
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Judgement {
    Hit,
    Alarm,
    Ignored,
}

struct Judged {
    truths: u64,
    found: Vec<(f64, [Judgement; 10])>,
}

fn judge(scene: &PhotoBoxes, size: Size, most: usize, wanted: &[f64; 10]) -> Judged {
    let (low, high) = size.range();
    let outside = |area: f64| area < low || area > high;
    let mut truths: Vec<(&Truth, bool)> =
        scene.truths.iter().map(|t| (t, t.ignore || t.crowd || outside(t.area))).collect();
    // Those that count first; a stable sort.
    truths.sort_by_key(|t| t.1);
    let mut found = scene.found.clone();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(most);
    let mut taken = vec![[false; 10]; truths.len()];
    let found = found.iter().map(|f| {
        let overlaps: Vec<f64> = truths
            .iter()
            .map(|(t, _)| if t.crowd { covered(&f.bbox, &t.bbox) } else { overlap(&f.bbox, &t.bbox, 0.0) })
            .collect();
        let judgement = std::array::from_fn(|o| {
            let mut best: Option<usize> = None;
            let mut least = wanted[o].min(1.0 - 1e-10);
            for (g, &(truth, ignored)) in truths.iter().enumerate() {
                if taken[g][o] && !truth.crowd {
                    continue;
                }
                // One that counts is found already: the ignored ones behind cannot be better.
                if best.is_some_and(|b| !truths[b].1) && ignored {
                    break;
                }
                if overlaps[g] >= least {
                    least = overlaps[g];
                    best = Some(g);
                }
            }
            match best {
                Some(g) => {
                    taken[g][o] = true;
                    if truths[g].1 { Judgement::Ignored } else { Judgement::Hit }
                }
                None if outside(f.bbox[2] * f.bbox[3]) => Judgement::Ignored,
                None => Judgement::Alarm,
            }
        });
        (f.score, judgement)
    });
    let found = found.collect();
    Judged { truths: truths.iter().filter(|t| !t.1).count() as u64, found }
}

/// The part of a found box that lies in a crowd's region.
fn covered(found: &[f64; 4], crowd: &[f64; 4]) -> f64 {
    let w = (found[0] + found[2]).min(crowd[0] + crowd[2]) - found[0].max(crowd[0]);
    let h = (found[1] + found[3]).min(crowd[1] + crowd[3]) - found[1].max(crowd[1]);
    if w <= 0.0 || h <= 0.0 { 0.0 } else { w * h / (found[2] * found[3]) }
}

#[derive(Deserialize)]
struct File {
    images: Vec<Picture>,
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}
#[derive(Deserialize)]
struct Picture {
    id: u64,
    file_name: String,
}
#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}
#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    ignore: u8,
}
#[derive(Deserialize)]
struct ResultRow {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    score: f64,
}

/// What an annotation file says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Annotations {
    /// True boxes by photo, in the file's order.
    pub photos: Vec<(String, Vec<Truth>)>,
    ids: HashMap<u64, usize>,
    category: u64,
}

/// Reads COCO annotations. With several categories `category` names the one to take.
///
/// # Errors
/// No COCO JSON; a box of a photo that is not listed; a category that must be named or is not there.
pub fn read_truth(text: &str, name: &Path, category: Option<&str>) -> Result<Annotations> {
    let fail = |reason: String, hint: &str| EvalError::file(name, 0, reason, hint);
    let format = "expected COCO's `images`, `annotations` and `categories`";
    let file: File = serde_json::from_str(text)
        .map_err(|e| EvalError::file(name, e.line() as u64, e.to_string(), format))?;
    let list = || file.categories.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let category = match (category, &file.categories[..]) {
        (Some(wanted), all) => {
            let found = all.iter().find(|c| c.name == wanted);
            found
                .ok_or_else(|| {
                    fail(format!("there is no category `{wanted}`"), &format!("categories: {}", list()))
                })?
                .id
        }
        (None, [only]) => only.id,
        (None, []) => file.annotations.first().map_or(1, |a| a.category_id),
        (None, _) => {
            return Err(fail(
                format!("there are {} categories", file.categories.len()),
                &format!("name the one that means faces: {}", list()),
            ));
        }
    };
    let mut photos: Vec<(String, Vec<Truth>)> = Vec::with_capacity(file.images.len());
    let mut ids = HashMap::with_capacity(file.images.len());
    for image in file.images {
        if ids.insert(image.id, photos.len()).is_some() {
            return Err(fail(format!("image id {} is listed twice", image.id), format));
        }
        photos.push((image.file_name, Vec::new()));
    }
    for (k, a) in file.annotations.iter().enumerate().filter(|(_, a)| a.category_id == category) {
        let photo = ids.get(&a.image_id).and_then(|&p| photos.get_mut(p)).ok_or_else(|| {
            fail(
                format!("annotation {k} (from 0) is of image id {}, which is not listed", a.image_id),
                format,
            )
        })?;
        let area = a.area.unwrap_or(a.bbox[2] * a.bbox[3]);
        photo.1.push(Truth { bbox: a.bbox, ignore: a.ignore != 0, crowd: a.iscrowd != 0, area });
    }
    Ok(Annotations { photos, ids, category })
}

/// Reads COCO results for the photos of `truth`.
///
/// # Errors
/// No COCO results; a box of a photo that the truth does not list.
pub fn read_found(text: &str, name: &Path, truth: &Annotations) -> Result<Vec<(String, Vec<Found>)>> {
    let format = "expected a list of {\"image_id\", \"category_id\", \"bbox\", \"score\"}";
    let rows: Vec<ResultRow> = serde_json::from_str(text)
        .map_err(|e| EvalError::file(name, e.line() as u64, e.to_string(), format))?;
    let mut photos: Vec<(String, Vec<Found>)> =
        truth.photos.iter().map(|(photo, _)| (photo.clone(), Vec::new())).collect();
    for (k, row) in rows.iter().enumerate().filter(|(_, r)| r.category_id == truth.category) {
        let photo = truth.ids.get(&row.image_id).and_then(|&p| photos.get_mut(p)).ok_or_else(|| {
            let reason =
                format!("result {k} (from 0) is of image id {}, which the truth does not list", row.image_id);
            EvalError::file(name, 0, reason, "use the ids of the annotation file")
        })?;
        photo.1.push(Found { bbox: row.bbox, score: row.score });
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_faults_named() {
        let good = r#"{"images":[{"id":7,"file_name":"a.jpg"},{"id":9,"file_name":"b.jpg"}],
            "categories":[{"id":1,"name":"cat"},{"id":2,"name":"face"}],
            "annotations":[{"image_id":7,"category_id":2,"bbox":[0,0,5,5],"iscrowd":1},{"image_id":7,"category_id":1,"bbox":[0,0,5,5]}]}"#;
        let name = Path::new("gt.json");
        let truth = read_truth(good, name, Some("face")).unwrap();
        assert_eq!(
            (truth.photos[0].1.len(), truth.photos[0].1[0].crowd, truth.photos[1].1.len()),
            (1, true, 0)
        );
        let row = r#"[{"image_id":9,"category_id":2,"bbox":[0,0,5,5],"score":0.5}]"#;
        assert_eq!(read_found(row, name, &truth).unwrap()[1].1[0].score, 0.5);
        for (text, category, expected) in [
            ("[", None, "gt.json:1"),
            (good, None, "cat, face"),
            (good, Some("dog"), "no category `dog`"),
            (&good.replace("\"id\":9", "\"id\":7"), Some("face"), "twice"),
            (
                &good.replace("\"image_id\":7,\"category_id\":2", "\"image_id\":8,\"category_id\":2"),
                Some("face"),
                "image id 8",
            ),
        ] {
            let error = read_truth(text, name, category).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            read_found(&row.replace('9', "3"), name, &truth).is_err()
                && read_found("{}", name, &truth).is_err()
        );
    }
}
