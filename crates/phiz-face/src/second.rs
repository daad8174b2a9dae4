//! The second look: each face that was found is shown to the detector once more, alone and at a size that suits it, and
//! once again in the mirror.
//!
//! A small face in a large photo is a handful of cells to the detector; a pattern that looks like one, too. Shown
//! again at [`FACE`] pixels, a face becomes surer and a pattern does not, and box and landmarks become exacter. It
//! costs an eighth of a look at 640 pixels a face, so that even weak candidates ([`FLOOR`]) may have their second
//! chance. The idea is that of cascades (Viola and Jones 2001), with one network for all stages.

use phiz_image::{Image, Similarity};

use crate::detect::{Detection, iou};

/// First looks may be this much less sure than what is asked for.
pub(crate) const FLOOR: f32 = 0.5;
/// Second looks below this count as this.
pub(crate) const LEAST: f32 = 0.05;
/// So many faces of a photo, the surest first, are looked at again.
pub(crate) const MOST: usize = 400;
/// Side of the picture that the detector sees.
const SIDE: u32 = 160;
/// Size of the face in it (root of the box's area), in the middle of what stride 16 learns.
const FACE: f32 = 60.0;
/// A face in the second look is the same if it overlaps the first one's box by so much.
const SAME: f32 = 0.4;

/// One face's second look.
pub(crate) struct SecondLook {
    /// From pixels of the decoded picture to those of the view.
    there: Similarity,
    /// From pixels of the original to those of the view.
    scale: f32,
    shift: [f32; 2],
}

impl SecondLook {
    /// At a face given in pixels of the original; `scale` is the decoded picture's size over the original's.
    pub(crate) fn at(face: &Detection, scale: f32) -> SecondLook {
        let [x, y, w, h] = face.bbox;
        let zoom = FACE / face.size().max(1.0);
        let centre = SIDE as f32 / 2.0;
        let shift = [centre - zoom * (x + w / 2.0), centre - zoom * (y + h / 2.0)];
        let there = Similarity { a: zoom / scale, b: 0.0, tx: shift[0], ty: shift[1] };
        SecondLook { there, scale: zoom, shift }
    }

    pub(crate) fn view(&self, picture: &Image) -> Image {
        picture.warp(&self.there, SIDE, SIDE)
    }

    /// Takes into account what the looks at it have seen: the score is the geometric mean of the first one's and the
    /// mean of theirs; box and landmarks are the mean of all by score.
    pub(crate) fn combine<const N: usize>(&self, face: &mut Detection, seen: [Vec<Detection>; N]) {
        let back = |[x, y]: [f32; 2]| [(x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale];
        let best = |seen: Vec<Detection>| {
            let same = seen.into_iter().map(|d| d.map(back)).filter(|d| iou(&d.bbox, &face.bbox) >= SAME);
            same.max_by(|a, b| a.score.total_cmp(&b.score))
        };
        let again: [Option<Detection>; N] = seen.map(best);
        let sure = again.iter().map(|d| d.as_ref().map_or(LEAST, |d| d.score)).sum::<f32>() / N as f32;
        let mut weight = face.score;
        for d in again.iter().flatten() {
            weight += d.score;
            let mean = |a: &mut f32, b: f32| *a += (b - *a) * d.score / weight;
            face.bbox.iter_mut().zip(d.bbox).for_each(|(a, b)| mean(a, b));
            face.landmarks
                .iter_mut()
                .flatten()
                .zip(d.landmarks.iter().flatten())
                .for_each(|(a, b)| mean(a, *b));
        }
        face.score = (face.score * sure).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> Detection {
        let landmarks = [[110.0, 215.0], [120.0, 215.0], [115.0, 220.0], [111.0, 226.0], [119.0, 226.0]];
        Detection { bbox: [105.0, 205.0, 20.0, 28.0], score: 0.5, landmarks }
    }

    /// The face as the second look shows it.
    fn shown(look: &SecondLook, score: f32) -> Detection {
        let there = |[x, y]: [f32; 2]| [x * look.scale + look.shift[0], y * look.scale + look.shift[1]];
        Detection { score, ..face().map(there) }
    }

    #[test]
    fn the_face_is_in_the_middle_at_its_size() {
        for scale in [1.0, 0.5] {
            let look = SecondLook::at(&face(), scale);
            let seen = shown(&look, 0.8);
            assert!((seen.size() - FACE).abs() < 1e-3, "{seen:?}");
            let [x, y, w, h] = seen.bbox;
            assert!((x + w / 2.0 - 80.0).abs() < 1e-3 && (y + h / 2.0 - 80.0).abs() < 1e-3, "{seen:?}");
            // The decoded picture's pixels go to the same place.
            let [u, v] = look.there.apply([115.0 * scale, 219.0 * scale]);
            assert!((u - 80.0).abs() < 1e-2 && (v - 80.0).abs() < 1e-2, "{u} {v}");
        }
    }

    #[test]
    fn more_looks_are_surer_or_less_sure_than_one() {
        let look = SecondLook::at(&face(), 1.0);
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
        let look = SecondLook::at(&face(), 1.0);
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
}
