//! The refinement stage: each candidate of the first stage is shown once more, alone and at a size that suits the network,
//! and once again in the mirror.
//!
//! A small face in a large photo is a handful of cells to the detector; a pattern that looks like one, too. Shown
//! again at [`Shown::face`] pixels, a face becomes surer and a pattern does not, and box and landmarks become exacter.
//! Even weak candidates ([`FLOOR`]) have this second chance. The idea is that of cascades (Viola and Jones 2001). The
//! network that looks is one that has learnt nothing else ([`phiz_net::zoo::second`]); where a card names none, it is the
//! detector itself.

use phiz_engine::{Port, Tensor};
use phiz_image::{Image, ImageView, Similarity};
use phiz_net::zoo::{SECOND_FACE, SECOND_SIDE, SECOND_UNIT};

use crate::detection::{Detection, iou};

/// Candidates of the first stage may be this much less sure than what is asked for.
pub(crate) const FLOOR: f32 = 0.5;
/// What the detector itself sees in a close-up below this score counts as this.
pub(crate) const LEAST: f32 = 0.05;
/// So many candidates of a photo, the surest first, are looked at again.
pub(crate) const MOST: usize = 400;
/// So many faces are shown to the specialist in one go.
pub(crate) const TOGETHER: usize = 16;
/// How much the specialist's score weighs in the geometric mean with the first stage's. Chosen on 112 scenes with masks
/// that were kept from training: AP 91.1 % at 0.5, 91.8 at 0.7, 92.1 at 0.85, where false faces begin to gain.
const SURER: f32 = 0.75;
/// Faces of fewer pixels gain nothing that can be used from the exacter landmarks of another look.
const SMALL: f32 = 48.0;
/// From here on a view's score is sure enough for a small face.
const SURE: f32 = 0.9;
/// A face that the detector sees in a close-up is the same if it overlaps the candidate's box by so much.
const SAME: f32 = 0.4;

/// How a face is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shown {
    /// Side of the picture.
    side: u32,
    /// Size of the face in its middle (root of the box's area).
    face: f32,
}

/// To the network that only looks again.
pub(crate) const SPECIALIST: Shown = Shown { side: SECOND_SIDE as u32, face: SECOND_FACE };
/// To the detector: in the middle of what stride 16 learns.
const DETECTOR: Shown = Shown { side: 160, face: 60.0 };

/// How a face is shown to a detector that takes pictures of this size only, or of any size.
pub(crate) fn detector(fixed: Option<(u32, u32)>) -> Shown {
    let side = fixed.map_or(DETECTOR.side, |(width, height)| DETECTOR.side.min(width).min(height));
    Shown { side, face: DETECTOR.face * side as f32 / DETECTOR.side as f32 }
}

/// One face, shown alone.
pub(crate) struct CloseUp {
    /// From pixels of the decoded picture to those of the view.
    there: Similarity,
    /// From pixels of the original to those of the view.
    scale: f32,
    shift: [f32; 2],
    side: u32,
}

impl CloseUp {
    /// Of a face given in pixels of the original; `scale` is the decoded picture's size over the original's.
    pub(crate) fn of(face: &Detection, scale: f32, shown: Shown) -> CloseUp {
        let [x, y, w, h] = face.bbox;
        let zoom = shown.face / face.size().max(1.0);
        let centre = shown.side as f32 / 2.0;
        let shift = [centre - zoom * (x + w / 2.0), centre - zoom * (y + h / 2.0)];
        let there = Similarity { a: zoom / scale, b: 0.0, tx: shift[0], ty: shift[1] };
        CloseUp { there, scale: zoom, shift, side: shown.side }
    }

    pub(crate) fn view(&self, picture: &ImageView<'_>) -> Image {
        picture.warp(&self.there, self.side, self.side)
    }

    fn back(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale]
    }

    /// Takes into account what the specialist has seen, once or twice: the score is the geometric mean of the first
    /// stage's and the mean of the specialist's, which weighs [`SURER`]; box and landmarks are the mean weighted by score,
    /// in which the first stage's counts half.
    pub(crate) fn judge(&self, face: &mut Detection, seen: &[Detection]) {
        let sure = seen.iter().map(|d| d.score).sum::<f32>() / seen.len().max(1) as f32;
        average(face, face.score / 2.0, seen.iter().map(|d| d.map(|p| self.back(p))));
        face.score = fused(face.score, sure);
    }

    /// Takes into account what the detector itself has seen: the score is the geometric mean of the first stage's and the
    /// mean of these; box and landmarks are the mean of all, weighted by score.
    pub(crate) fn combine<const N: usize>(&self, face: &mut Detection, seen: [Vec<Detection>; N]) {
        let best = |seen: Vec<Detection>| {
            let same = seen
                .into_iter()
                .map(|d| d.map(|p| self.back(p)))
                .filter(|d| iou(&d.bbox, &face.bbox) >= SAME);
            same.max_by(|a, b| a.score.total_cmp(&b.score))
        };
        let again: [Option<Detection>; N] = seen.map(best);
        let sure = again.iter().map(|d| d.as_ref().map_or(LEAST, |d| d.score)).sum::<f32>() / N as f32;
        average(face, face.score, again.into_iter().flatten());
        face.score = (face.score * sure).sqrt();
    }
}

/// The score that follows from the first stage's and the specialist's.
fn fused(first: f32, again: f32) -> f32 {
    first.powf(1.0 - SURER) * again.powf(SURER)
}

/// Whether the specialist should see a face in the mirror, too, after it gave it this score: not if it could not reach
/// the score that is `asked` even then, nor if it is small ([`SMALL`]) and [`SURE`].
pub(crate) fn undecided(face: &Detection, score: f32, asked: f32) -> bool {
    fused(face.score, (score + 1.0) / 2.0) >= asked && (score < SURE || face.size() >= SMALL)
}

/// Makes a face's box and landmarks the mean of its own, which weigh so much, and of others, which weigh their scores.
fn average(face: &mut Detection, mut weight: f32, others: impl Iterator<Item = Detection>) {
    for d in others {
        weight += d.score;
        let mean = |a: &mut f32, b: f32| *a += (b - *a) * d.score / weight.max(1e-6);
        face.bbox.iter_mut().zip(d.bbox).for_each(|(a, b)| mean(a, b));
        face.landmarks.iter_mut().flatten().zip(d.landmarks.iter().flatten()).for_each(|(a, b)| mean(a, *b));
    }
}

/// Checks that outputs are those of [`phiz_net::zoo::second`] as far as the file declares them.
pub(crate) fn check(outputs: &[Port]) -> Result<(), String> {
    if outputs.len() != 3 {
        return Err(format!("has {} outputs in its second network, not 3", outputs.len()));
    }
    for (port, each) in outputs.iter().zip([1, 4, 10]) {
        if port.shape.last().copied().flatten().is_some_and(|declared| declared != each) {
            return Err(format!(
                "has {:?} of shape {:?} in its second network, not [n, {each}]",
                port.name, port.shape
            ));
        }
    }
    Ok(())
}

/// What [`phiz_net::zoo::second`] says of so many views, each in its pixels.
pub(crate) fn read(outputs: &[Tensor], views: usize) -> Result<Vec<Detection>, String> {
    let [score, sides, points] = outputs else {
        return Err(format!("has {} outputs in its second network, not 3", outputs.len()));
    };
    for (tensor, each) in [(score, 1), (sides, 4), (points, 10)] {
        if tensor.data.len() != views * each || !tensor.data.iter().all(|v| v.is_finite()) {
            return Err(format!(
                "answers {:?} with its second network to {views} faces, not [{views}, {each}] of numbers",
                tensor.shape
            ));
        }
    }
    let middle = SECOND_SIDE as f32 / 2.0;
    let look = |i: usize| {
        let d = |k: usize| sides.data[i * 4 + k] * SECOND_UNIT;
        let p = |k: usize| points.data[i * 10 + k] * SECOND_UNIT + middle;
        Detection {
            bbox: [middle - d(0), middle - d(1), d(0) + d(2), d(1) + d(3)],
            score: score.data[i],
            landmarks: [0, 1, 2, 3, 4].map(|k| [p(2 * k), p(2 * k + 1)]),
        }
    };
    Ok((0..views).map(look).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> Detection {
        let landmarks = [[110.0, 215.0], [120.0, 215.0], [115.0, 220.0], [111.0, 226.0], [119.0, 226.0]];
        Detection { bbox: [105.0, 205.0, 20.0, 28.0], score: 0.5, landmarks }
    }

    /// The face as the refinement stage sees it.
    fn shown(look: &CloseUp, score: f32) -> Detection {
        let there = |[x, y]: [f32; 2]| [x * look.scale + look.shift[0], y * look.scale + look.shift[1]];
        Detection { score, ..face().map(there) }
    }

    #[test]
    fn the_face_is_in_the_middle_at_its_size() {
        for scale in [1.0, 0.5] {
            let look = CloseUp::of(&face(), scale, DETECTOR);
            let seen = shown(&look, 0.8);
            assert!((seen.size() - DETECTOR.face).abs() < 1e-3, "{seen:?}");
            let [x, y, w, h] = seen.bbox;
            assert!((x + w / 2.0 - 80.0).abs() < 1e-3 && (y + h / 2.0 - 80.0).abs() < 1e-3, "{seen:?}");
            // The decoded picture's pixels go to the same place.
            let [u, v] = look.there.apply([115.0 * scale, 219.0 * scale]);
            assert!((u - 80.0).abs() < 1e-2 && (v - 80.0).abs() < 1e-2, "{u} {v}");
        }
    }

    #[test]
    fn more_looks_are_surer_or_less_sure_than_one() {
        let look = CloseUp::of(&face(), 1.0, DETECTOR);
        let mut same = face();
        look.combine(&mut same, [vec![shown(&look, 0.9), shown(&look, 0.2)], vec![shown(&look, 0.7)]]);
        assert!((same.score - (0.5f32 * 0.8).sqrt()).abs() < 1e-6);
        for (a, b) in same.bbox.iter().zip(face().bbox) {
            assert!((a - b).abs() < 1e-3);
        }
        let mut gone = face();
        let elsewhere = Detection { bbox: [0.0, 0.0, 30.0, 30.0], ..shown(&look, 0.9) };
        look.combine(&mut gone, [vec![elsewhere]]);
        assert!((gone.score - (0.5 * LEAST).sqrt()).abs() < 1e-6 && gone.bbox == face().bbox);
    }

    #[test]
    fn positions_are_means_by_score() {
        let look = CloseUp::of(&face(), 1.0, DETECTOR);
        let mut moved = face();
        let away = |by: f32, score: f32| {
            vec![Detection { score, ..shown(&look, score).map(|[x, y]| [x + by * look.scale, y]) }]
        };
        look.combine(&mut moved, [away(3.0, 0.9), away(-2.0, 0.6)]);
        // 0.5 of 0, 0.9 of 3, 0.6 of -2, over 2.
        let by = (0.9 * 3.0 - 0.6 * 2.0) / 2.0;
        assert!((moved.bbox[0] - face().bbox[0] - by).abs() < 1e-3, "{moved:?}");
        assert!((moved.landmarks[2][0] - face().landmarks[2][0] - by).abs() < 1e-3);
    }

    /// What the specialist would answer about faces of a view each.
    fn answers(shown: &[Detection]) -> Vec<Tensor> {
        let middle = SECOND_SIDE as f32 / 2.0;
        let tensor = |each: usize, data: Vec<f32>| Tensor::new(vec![shown.len(), each], data).expect("fits");
        let sides = shown.iter().flat_map(|d| {
            let [x, y, w, h] = d.bbox;
            [middle - x, middle - y, x + w - middle, y + h - middle].map(|v| v / SECOND_UNIT)
        });
        let points = shown.iter().flat_map(|d| d.landmarks.concat()).map(|v| (v - middle) / SECOND_UNIT);
        let scores = shown.iter().map(|d| d.score);
        vec![tensor(1, scores.collect()), tensor(4, sides.collect()), tensor(10, points.collect())]
    }

    #[test]
    fn the_specialist_outweighs_the_first_look() {
        let truth = face().map(|[x, y]| [x + 1.5, y - 0.5]);
        for scores in [vec![0.9], vec![0.9, 0.7]] {
            let mut first = face();
            let look = CloseUp::of(&first, 0.5, SPECIALIST);
            let there = truth.map(|[x, y]| [x * look.scale + look.shift[0], y * look.scale + look.shift[1]]);
            let shown: Vec<_> = scores.iter().map(|&score| Detection { score, ..there.clone() }).collect();
            look.judge(&mut first, &read(&answers(&shown), shown.len()).expect("reads"));
            let sum = scores.iter().sum::<f32>();
            let expected = 0.5f32.powf(1.0 - SURER) * (sum / scores.len() as f32).powf(SURER);
            assert!((first.score - expected).abs() < 1e-6);
            let numbers = |d: &Detection| [d.bbox.to_vec(), d.landmarks.concat()].concat();
            // The first look weighs 0.25, the others their scores.
            for ((a, b), old) in numbers(&first).iter().zip(numbers(&truth)).zip(numbers(&face())) {
                assert!((a - (b * sum + old * 0.25) / (sum + 0.25)).abs() < 1e-3, "{first:?}");
            }
        }
    }

    #[test]
    fn the_mirror_is_for_faces_that_it_can_decide_or_make_exacter() {
        let of = |size: f32, score: f32| Detection { bbox: [0.0, 0.0, size, size], score, ..face() };
        for (face, seen, asked, expected) in [
            (of(100.0, 0.9), 0.95, 0.7, true),
            (of(100.0, 0.9), 0.05, 0.7, false),
            (of(100.0, 0.9), 0.05, 0.3, true),
            (of(20.0, 0.9), 0.95, 0.7, false),
            (of(20.0, 0.9), 0.6, 0.7, true),
        ] {
            assert_eq!(undecided(&face, seen, asked), expected, "{face:?} {seen} {asked}");
        }
    }

    #[test]
    fn answers_of_another_shape_are_refused() {
        let good = answers(&[face(), face()]);
        for bad in [&good[..2], &[good[1].clone(), good[0].clone(), good[2].clone()]] {
            let reason = read(bad, 2).expect_err("is refused");
            assert!(reason.contains("second"), "{reason}");
        }
        read(&good, 1).expect_err("is refused");
        let mut nan = good;
        nan[2].data[3] = f32::NAN;
        read(&nan, 2).expect_err("is refused");
    }
}
