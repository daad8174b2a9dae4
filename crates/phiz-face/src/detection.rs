//! A face that was found, and how overlapping ones are merged.

/// A face in a photo. Coordinates are pixels of the upright original photo, whose origin is the top left corner of the top
/// left pixel.
///
/// Box and landmarks may reach outside the photo where a face is cut off by its edge: they say where the whole face
/// would be. [`Detection::clipped`] gives the part inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Left, top, width and height of the box around the face. Width and height are positive.
    pub bbox: [f32; 4],
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// The person's right eye, left eye, tip of the nose, right corner and left corner of the mouth, each as x and y. In an
    /// upright photo the person's right eye is the one further left for the viewer.
    pub landmarks: [[f32; 2]; 5],
}

impl Detection {
    /// The size of the face in pixels: the root of the box's area.
    #[must_use]
    pub fn size(&self) -> f32 {
        (self.bbox[2] * self.bbox[3]).max(0.0).sqrt()
    }

    /// The same face with its box cut off at the edges of a photo of this width and height
    /// ([`phiz_image::Image::original_size`]). The landmarks stay where they are. A box that lies outside altogether
    /// becomes an empty one at the nearest edge.
    ///
    /// ```
    /// use phiz_face::Detection;
    /// let face = Detection { bbox: [-10.0, 5.0, 30.0, 40.0], score: 0.9, landmarks: [[0.0, 20.0]; 5] };
    /// assert_eq!(face.clipped((100, 30)).bbox, [0.0, 5.0, 20.0, 25.0]);
    /// ```
    #[must_use]
    pub fn clipped(&self, (width, height): (u32, u32)) -> Detection {
        let [x, y, w, h] = self.bbox;
        let side = |start: f32, length: f32, end: u32| {
            let (from, to) = (start.clamp(0.0, end as f32), (start + length).clamp(0.0, end as f32));
            (from, (to - from).max(0.0))
        };
        let ((x, w), (y, h)) = (side(x, w, width), side(y, h, height));
        Detection { bbox: [x, y, w, h], score: self.score, landmarks: self.landmarks }
    }

    /// The face as it lies in the mirror image of a picture of this width; right and left change places.
    #[must_use]
    pub fn mirrored(&self, width: f32) -> Detection {
        let [x, y, w, h] = self.bbox;
        let [right, left, nose, mouth_right, mouth_left] = self.landmarks.map(|[x, y]| [width - x, y]);
        Detection {
            bbox: [width - x - w, y, w, h],
            score: self.score,
            landmarks: [left, right, nose, mouth_left, mouth_right],
        }
    }

    pub(crate) fn map(&self, f: impl Fn([f32; 2]) -> [f32; 2]) -> Detection {
        let landmarks = self.landmarks.map(&f);
        Detection { bbox: map_box(&self.bbox, f), score: self.score, landmarks }
    }
}

/// The box around the images of a box's corners.
pub(crate) fn map_box([x, y, w, h]: &[f32; 4], f: impl Fn([f32; 2]) -> [f32; 2]) -> [f32; 4] {
    let (a, b) = (f([*x, *y]), f([x + w, y + h]));
    [a[0].min(b[0]), a[1].min(b[1]), (b[0] - a[0]).abs(), (b[1] - a[1]).abs()]
}

/// Something that lies inside a face by this share of its area, and is less than a third of the face's area, is a part of
/// the face and not a face.
const INSIDE: f32 = 0.8;

/// Intersection over union of two boxes `[x, y, w, h]`, from 0 to 1; 0 if either is empty.
#[must_use]
pub fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let overlap = overlap(a, b);
    let union = a[2] * a[3] + b[2] * b[3] - overlap;
    if union > 0.0 { overlap / union } else { 0.0 }
}

fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let along = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    along(0) * along(1)
}

/// Greedy non-maximum suppression: by falling score, a detection that overlaps one that was kept by more than `limit`
/// (intersection over union), or that is a part of one that was kept, is dropped. The result is in order of falling score;
/// of equal scores the earlier comes first.
#[must_use]
pub fn suppress(mut found: Vec<Detection>, limit: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in found {
        let area = candidate.bbox[2] * candidate.bbox[3];
        let covered = kept.iter().any(|k| {
            iou(&k.bbox, &candidate.bbox) > limit
                || area < k.bbox[2] * k.bbox[3] / 3.0 && overlap(&k.bbox, &candidate.bbox) > INSIDE * area
        });
        if !covered {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detection(bbox: [f32; 4], score: f32) -> Detection {
        Detection { bbox, score, landmarks: [[0.0; 2]; 5] }
    }

    /// The definition, word by word: a detection stays unless one that stays, has a higher score (or the same and
    /// an earlier place) and conflicts with it.
    fn naive(found: &[Detection], limit: f32) -> Vec<Detection> {
        fn stays(i: usize, found: &[Detection], limit: f32) -> bool {
            let c = &found[i].bbox;
            !(0..found.len()).any(|j| {
                let before = found[j].score > found[i].score || found[j].score == found[i].score && j < i;
                let k = &found[j].bbox;
                let x = ((k[0] + k[2]).min(c[0] + c[2]) - k[0].max(c[0])).max(0.0);
                let y = ((k[1] + k[3]).min(c[1] + c[3]) - k[1].max(c[1])).max(0.0);
                let (ka, ca) = (k[2] * k[3], c[2] * c[3]);
                let conflict = x * y / (ka + ca - x * y) > limit || (ca < ka / 3.0 && x * y > 0.8 * ca);
                j != i && before && conflict && stays(j, found, limit)
            })
        }
        let mut kept: Vec<Detection> =
            (0..found.len()).filter(|&i| stays(i, found, limit)).map(|i| found[i].clone()).collect();
        kept.sort_by(|a, b| b.score.total_cmp(&a.score));
        kept
    }

    #[test]
    fn a_mirror_of_a_mirror_is_the_face() {
        let landmarks = [[10.0, 20.0], [30.0, 21.0], [20.0, 30.0], [12.0, 40.0], [28.0, 41.0]];
        let face = Detection { bbox: [5.0, 6.0, 30.0, 40.0], score: 0.5, landmarks };
        let mirror = face.mirrored(100.0);
        assert_eq!(mirror.bbox, [65.0, 6.0, 30.0, 40.0]);
        assert!(mirror.landmarks[0][0] < mirror.landmarks[1][0], "the right eye is further left again");
        assert_eq!(mirror.mirrored(100.0), face);
    }
    proptest! {
        #[test]
        fn suppression_equals_its_definition(
            boxes in prop::collection::vec((0.0f32..50.0, 0.0f32..50.0, 1.0f32..60.0, 1.0f32..60.0, 0u8..20), 0..9),
            limit in 0.1f32..0.9,
        ) {
            let found: Vec<Detection> = boxes.iter()
                .map(|&(x, y, w, h, s)| detection([x, y, w, h], f32::from(s) / 20.0)).collect();
            prop_assert_eq!(suppress(found.clone(), limit), naive(&found, limit));
        }
    }

    #[test]
    fn iou_of_known_boxes() {
        for (a, b, expected) in [
            ([0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], 1.0),
            ([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 2.0, 2.0], 1.0 / 3.0),
            ([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0], 0.0),
            ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], 0.0),
            ([0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 2.0, 2.0], 0.25),
        ] {
            assert!((iou(&a, &b) - expected).abs() < 1e-6, "{a:?} {b:?}");
        }
    }

    #[test]
    fn boxes_are_clipped_at_every_edge() {
        for (bbox, expected) in [
            ([10.0, 10.0, 20.0, 20.0], [10.0, 10.0, 20.0, 20.0]),
            ([-5.0, -6.0, 20.0, 20.0], [0.0, 0.0, 15.0, 14.0]),
            ([90.0, 70.0, 20.0, 20.0], [90.0, 70.0, 10.0, 10.0]),
            ([-5.0, -5.0, 200.0, 200.0], [0.0, 0.0, 100.0, 80.0]),
            ([150.0, 10.0, 20.0, 20.0], [100.0, 10.0, 0.0, 20.0]),
            ([-50.0, 10.0, 20.0, 20.0], [0.0, 10.0, 0.0, 20.0]),
        ] {
            let face = detection(bbox, 0.5);
            let clipped = face.clipped((100, 80));
            assert_eq!(clipped.bbox, expected, "{bbox:?}");
            assert_eq!((clipped.score, clipped.landmarks), (face.score, face.landmarks));
        }
    }
}
