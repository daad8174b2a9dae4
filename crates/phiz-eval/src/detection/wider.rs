//! WIDER FACE: its annotation and result files, and its official arithmetic.
//!
//! The official evaluation differs from others in ways that change the figure: scores are stretched
//! to 0..1 over the whole set; precision and recall are taken at 1,000 even thresholds; a box from
//! pixel 3 to pixel 5 is 3 wide; a found box is held against the true box that it overlaps most,
//! and further ones on a box already found are false alarms, unless that box is ignored; photos
//! without a face, and photos in which nothing was found, add no false alarm. Where no box has been
//! proposed yet, the official script divides 0 by 0; here precision is 0 there, which changes no
//! area. Found boxes are sorted by score first, which the official script takes for granted.
//!
//! The easy, medium and hard sets of the benchmark are lists that come with it, not properties of the
//! annotation text: mark what is outside of a set as `ignore` to get its figure.

use super::{Found, PhotoBoxes, PrPoint, Truth, check, monotone_area, overlap};
use crate::Result;
use crate::error::EvalError;
use std::collections::{HashMap, HashSet};
use std::path::Path;

const THRESHOLDS: usize = 1000;

/// Proposals and hits of each photo at each threshold.
#[derive(Debug, Clone)]
pub struct Wider {
    /// Shape `[photos][1000]`: `(proposals, hits)`; photos that the official evaluation passes over are empty.
    counts: Vec<Vec<(u32, u32)>>,
    truths: Vec<u64>,
}

impl Wider {
    /// Judges all found boxes at an overlap, 0.5 in the benchmark.
    ///
    /// # Errors
    /// Boxes that cannot be; undefined without a true box that counts or without any finding.
    pub fn new(scenes: &[PhotoBoxes], min_iou: f64) -> Result<Self> {
        crate::error::check_rate("IoU", min_iou)?;
        check(scenes)?;
        let scores = || scenes.iter().flat_map(|s| s.found.iter().map(|f| f.score));
        let (low, high) = scores().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| (l.min(s), h.max(s)));
        if high.is_nan() || high <= low {
            return Err(EvalError::undefined(
                "WIDER FACE's AP",
                "it stretches scores to 0..1, and there are no two different scores",
            ));
        }
        let judge = |scene: &PhotoBoxes| {
            if scene.truths.is_empty() || scene.found.is_empty() {
                return Vec::new();
            }
            let mut found = scene.found.clone();
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            // After each found box: its score, proposals and hits so far.
            let (mut proposals, mut hits) = (0, 0);
            let mut taken = vec![false; scene.truths.len()];
            let mut steps = Vec::with_capacity(found.len());
            for f in &found {
                let overlaps = scene.truths.iter().map(|t| overlap(&f.bbox, &t.bbox, 1.0)).enumerate();
                let best = overlaps.fold((0, -1.0), |best, o| if o.1 > best.1 { o } else { best });
                let truth = &scene.truths[best.0];
                let ignored = best.1 >= min_iou && (truth.ignore || truth.crowd);
                proposals += u32::from(!ignored);
                if best.1 >= min_iou && !ignored && !std::mem::replace(&mut taken[best.0], true) {
                    hits += 1;
                }
                steps.push(((f.score - low) / (high - low), proposals, hits));
            }
            let at = |k: usize| {
                let threshold = 1.0 - (k + 1) as f64 / THRESHOLDS as f64;
                let n = steps.partition_point(|s| s.0 >= threshold);
                n.checked_sub(1).map_or((0, 0), |last| (steps[last].1, steps[last].2))
            };
            (0..THRESHOLDS).map(at).collect()
        };
        let truths = scenes.iter().map(|s| s.truths.iter().filter(|t| !t.ignore && !t.crowd).count() as u64);
        Ok(Self { counts: scenes.iter().map(judge).collect(), truths: truths.collect() })
    }

    /// Precision and recall at the 1,000 thresholds (of stretched scores), where photo `s` counts
    /// `weight(s)` times.
    ///
    /// # Errors
    /// Undefined when no photo with a true box has a weight.
    pub fn curve(&self, weight: impl Fn(usize) -> u64) -> Result<Vec<PrPoint>> {
        let truths: u64 = self.truths.iter().enumerate().map(|(scene, n)| n * weight(scene)).sum();
        if truths == 0 {
            return Err(EvalError::undefined("WIDER FACE's AP", "there is no true box that counts"));
        }
        let mut sums = vec![(0u64, 0u64); THRESHOLDS];
        for (scene, counts) in self.counts.iter().enumerate() {
            let w = weight(scene);
            for (sum, &(proposals, hits)) in sums.iter_mut().zip(counts) {
                sum.0 += w * u64::from(proposals);
                sum.1 += w * u64::from(hits);
            }
        }
        Ok(sums
            .iter()
            .enumerate()
            .map(|(k, &(proposals, hits))| PrPoint {
                threshold: 1.0 - (k + 1) as f64 / THRESHOLDS as f64,
                recall: hits as f64 / truths as f64,
                precision: if proposals == 0 { 0.0 } else { hits as f64 / proposals as f64 },
            })
            .collect())
    }

    /// Average precision, where photo `s` counts `weight(s)` times. Up is good.
    ///
    /// # Errors
    /// The same errors as [`Wider::curve`].
    pub fn average_precision(&self, weight: impl Fn(usize) -> u64) -> Result<f64> {
        let points: Vec<_> = self.curve(weight)?.iter().map(|p| (p.recall, p.precision)).collect();
        Ok(monotone_area(&points))
    }
}

/// Reads `wider_face_val_bbx_gt.txt`: a photo's name, the number of faces, then a line a face,
/// `x y w h blur expression illumination invalid occlusion pose`; only the first four are a must.
/// Faces marked invalid, and those without any extent, are ignored.
///
/// # Errors
/// A line of another shape: its number is named.
pub fn read_truth(text: &str, name: &Path) -> Result<Vec<(String, Vec<Truth>)>> {
    read(text, name, "x y w h [blur expression illumination invalid occlusion pose]", 4, |numbers| {
        let bbox = [numbers[0], numbers[1], numbers[2], numbers[3]];
        let invalid = numbers.get(7).is_some_and(|&v| v != 0.0) || bbox[2] <= 0.0 || bbox[3] <= 0.0;
        Truth { ignore: invalid, ..Truth::new(bbox) }
    })
}

/// Reads a result file: a photo's name, the number of boxes, then `x y w h score` a box. Files of
/// many photos may be joined into one.
///
/// # Errors
/// A line of another shape: its number is named.
pub fn read_found(text: &str, name: &Path) -> Result<Vec<(String, Vec<Found>)>> {
    read(text, name, "x y w h score", 5, |n| Found { bbox: [n[0], n[1], n[2], n[3]], score: n[4] })
}

/// Gives findings the names that the truth has for their photos: results name photos without an
/// ending, and inside an event's file without its folder. Names that fit none or several stay.
pub fn fit_names(found: &mut [(String, Vec<Found>)], truth: &[(String, Vec<Truth>)]) {
    let stem = |path: &str| Path::new(path).with_extension("").to_string_lossy().into_owned();
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut by_stem: HashMap<String, Option<&str>> = HashMap::new();
    for (photo, _) in truth {
        let whole = stem(photo);
        let short = last(&whole);
        let names = if whole == short { vec![whole] } else { vec![whole, short] };
        for name in names {
            by_stem.entry(name).and_modify(|known| *known = None).or_insert(Some(photo));
        }
    }
    let known: HashSet<&str> = truth.iter().map(|t| t.0.as_str()).collect();
    for (photo, _) in found.iter_mut().filter(|f| !known.contains(f.0.as_str())) {
        let fits = [photo.clone(), stem(photo)].iter().find_map(|name| by_stem.get(name).copied().flatten());
        if let Some(name) = fits {
            *photo = name.to_owned();
        }
    }
}

fn read<T>(
    text: &str,
    name: &Path,
    shape: &str,
    least: usize,
    make: impl Fn(&[f64]) -> T,
) -> Result<Vec<(String, Vec<T>)>> {
    let hint = format!("expected a photo's name, then the number of boxes, then that many lines `{shape}`");
    let fail = |line: usize, reason: String| EvalError::file(name, line as u64, reason, hint.clone());
    let mut photos = Vec::new();
    let mut lines =
        text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| !l.is_empty()).peekable();
    let numbers =
        |line: &str| line.split_whitespace().map(|w| w.parse::<f64>().ok()).collect::<Option<Vec<_>>>();
    while let Some((line, photo)) = lines.next() {
        if numbers(photo).is_some() {
            return Err(fail(line, format!("`{photo}` is no photo's name; does the count above fit?")));
        }
        let (line, count) =
            lines.next().ok_or_else(|| fail(line, "the file ends after a photo's name".into()))?;
        let count: usize =
            count.parse().map_err(|_| fail(line, format!("`{count}` is no number of boxes")))?;
        let mut boxes = Vec::new();
        for _ in 0..count {
            let (line, text) = lines.next().ok_or_else(|| {
                fail(line, format!("{photo} should have {count} boxes, the file ends after {}", boxes.len()))
            })?;
            match numbers(text) {
                Some(n) if n.len() >= least && n.iter().all(|v| v.is_finite()) => boxes.push(make(&n)),
                _ => return Err(fail(line, format!("`{text}` is no box"))),
            }
        }
        // The official annotation has one line of zeros after a count of 0.
        if count == 0
            && let Some((_, next)) = lines.peek()
            && numbers(next).is_some_and(|n| n.iter().all(|&v| v == 0.0))
        {
            lines.next();
        }
        photos.push((photo.to_owned(), boxes));
    }
    if photos.is_empty() {
        return Err(fail(0, "there is no photo".into()));
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read() {
        let text = "a/1.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n5 6 7 8 0 0 0 1 0 0\na/2.jpg\n0\n0 0 0 0 0 0 0 0 0 0\r\na/3.jpg\n1\n1 1 0 5\n";
        let photos = read_truth(text, Path::new("gt.txt")).unwrap();
        let ignored: Vec<Vec<bool>> = photos.iter().map(|p| p.1.iter().map(|t| t.ignore).collect()).collect();
        assert_eq!(ignored, [vec![false, true], vec![], vec![true]]);
        let found = read_found("a/1\n1\n1 2 3 4 0.5\na/2\n0\n", Path::new("r.txt")).unwrap();
        assert_eq!((found[0].1[0].score, found[1].1.len()), (0.5, 0));
    }

    #[test]
    fn bad_files_name_their_line() {
        for (text, expected) in [
            ("", "no photo"),
            ("a.jpg", "ends after a photo"),
            ("a.jpg\nmany\n", ":2"),
            ("a.jpg\n2\n1 1 1 1 1\n", "should have 2"),
            ("a.jpg\n1\n1 1 1 1\n", ":3"),
            ("a.jpg\n1\n1 1 1 1 nan\n", ":3"),
            ("a.jpg\n1\n1 1 1 1 1\n2 2 2 2 1\n", ":4"),
        ] {
            let error = read_found(text, Path::new("r.txt")).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn findings_get_the_truths_names() {
        let truth: Vec<_> =
            ["a/1.jpg", "a/2.jpg", "b/2.jpg", "3.jpg"].map(|p| (p.to_owned(), vec![])).to_vec();
        for (name, expected) in [
            ("1", "a/1.jpg"),
            ("a/1", "a/1.jpg"),
            ("a/1.jpg", "a/1.jpg"),
            ("1.png", "a/1.jpg"),
            ("2", "2"),
            ("b/2", "b/2.jpg"),
            ("3", "3.jpg"),
            ("4", "4"),
        ] {
            let mut found = vec![(name.to_owned(), vec![])];
            fit_names(&mut found, &truth);
            assert_eq!(found[0].0, expected, "{name}");
        }
    }

    #[test]
    fn one_score_for_all_is_undefined() {
        let bbox = [0.0, 0.0, 9.0, 9.0];
        let scene = |found| PhotoBoxes { photo: "a".into(), truths: vec![Truth::new(bbox)], found };
        assert!(Wider::new(&[scene(vec![Found { bbox, score: 1.0 }])], 0.5).unwrap_err().is_undefined());
        assert!(Wider::new(&[scene(vec![])], 0.5).unwrap_err().is_undefined());
    }
}
