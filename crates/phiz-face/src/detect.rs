//! Finding faces: which sizes of the photo are looked at, and how what they show is merged.
//!
//! A detector finds faces of about 10 to 300 pixels in its input. A photo is therefore looked at several times:
//! - small (long side 192, with a margin), for faces that fill the photo;
//! - at its working size (long side 640, or twice its own if smaller);
//! - enlarged or at full size in overlapping tiles, if faces of [`DetectOptions::min_face`] pixels would otherwise
//!   be too small to be seen.
//!
//! All that is found is merged by exact greedy suppression.

use phiz_image::Image;

/// A face in a photo, in pixels of the upright original.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Left, top, width, height.
    pub bbox: [f32; 4],
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// The person's right eye, left eye, nose tip, right and left corner of the mouth.
    pub landmarks: [[f32; 2]; 5],
}

impl Detection {
    /// Root of the box's area.
    #[must_use]
    pub fn size(&self) -> f32 {
        (self.bbox[2] * self.bbox[3]).max(0.0).sqrt()
    }

    /// As it lies in the mirror image of a picture so wide; right and left change places.
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
        let [x, y, w, h] = self.bbox;
        let (a, b) = (f([x, y]), f([x + w, y + h]));
        Detection {
            bbox: [a[0].min(b[0]), a[1].min(b[1]), (b[0] - a[0]).abs(), (b[1] - a[1]).abs()],
            score: self.score,
            landmarks: self.landmarks.map(f),
        }
    }
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectOptions {
    /// Lowest score; none for the model card's.
    pub score: Option<f32>,
    /// Smallest face worth finding, by [`Detection::size`], in pixels of the original. Smaller costs more time on
    /// large photos.
    pub min_face: f32,
    /// Whether the photo may lie on its side or head although its EXIF data does not say so.
    pub rotate: Rotate,
}

impl Default for DetectOptions {
    fn default() -> DetectOptions {
        DetectOptions { score: None, min_face: 20.0, rotate: Rotate::Never }
    }
}

/// Whether quarter turns are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// The photo is upright.
    #[default]
    Never,
    /// All four quarter turns are tried, and each face is found in the one that suits it.
    Auto,
}

/// Long side of the main look.
const WORKING_SIDE: f32 = 640.0;
/// Long side of the look for faces that fill the photo, of which a quarter is margin.
const OVERVIEW_SIDE: f32 = 192.0;
/// Of what the overview finds, faces smaller than this part of its side are left to the closer looks.
const OVERVIEW_SHARE: f32 = 0.3;
/// Faces of so many pixels of the input (root of the box's area) are found reliably. With second looks the synthetic
/// ones of `tests/scenes.rs` are all found at 12; there are worse faces than those.
const RELIABLE_FACE: f32 = 14.0;
/// Side of a tile of the closest look, and by how much tiles overlap (the largest face that only tiles see).
const TILE: f32 = 960.0;
const TILE_OVERLAP: f32 = 96.0;
/// Within one face, something found that lies inside it by this share and is less than a third of its size is a
/// part of the face, not a face.
const INSIDE: f32 = 0.8;

/// A part of the photo to look at: `[x, y, w, h]` of the decoded picture shown at `scale`, with a margin around.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    pub rect: [f32; 4],
    pub scale: f32,
    pub margin: f32,
    /// Faces smaller than this many pixels of the input are left to other looks.
    pub at_least: f32,
}

/// The looks that a picture needs. `scale` is the picture's size over the original's.
pub(crate) fn looks(width: u32, height: u32, scale: f32, min_face: f32) -> Vec<Look> {
    let (w, h) = (width as f32, height as f32);
    let long = w.max(h);
    let whole = [0.0, 0.0, w, h];
    let mut looks = Vec::new();
    let inner = OVERVIEW_SIDE * 0.75;
    looks.push(Look {
        rect: whole,
        scale: inner / long,
        margin: (OVERVIEW_SIDE - inner) / 2.0,
        at_least: OVERVIEW_SHARE * OVERVIEW_SIDE,
    });
    // Small pictures are enlarged: half of a face of 20 pixels is no face.
    let working = (WORKING_SIDE / long).min(2.0);
    looks.push(Look { rect: whole, scale: working, margin: 0.0, at_least: 0.0 });
    let wanted = (RELIABLE_FACE / (min_face.max(1.0) * scale)).min(2.0);
    if wanted > working * 1.25 {
        let count = |length: f32| ((length * wanted - TILE_OVERLAP) / (TILE - TILE_OVERLAP)).ceil().max(1.0);
        let (columns, rows) = (count(w), count(h));
        let overlap = TILE_OVERLAP / wanted;
        let (tile_w, tile_h) =
            ((w + (columns - 1.0) * overlap) / columns, (h + (rows - 1.0) * overlap) / rows);
        for row in 0..rows as usize {
            for column in 0..columns as usize {
                let (x, y) = (column as f32 * (tile_w - overlap), row as f32 * (tile_h - overlap));
                let rect = [x, y, tile_w.min(w - x), tile_h.min(h - y)];
                looks.push(Look { rect, scale: wanted, margin: 0.0, at_least: 0.0 });
            }
        }
    }
    looks
}

impl Look {
    /// What the detector sees: sides are multiples of 32, black around the picture. Returns also the factors from
    /// pixels of the picture to pixels of the view, which differ a little from `scale` by rounding.
    pub(crate) fn view(&self, picture: &Image) -> (Image, [f32; 2]) {
        let [x, y, w, h] = self.rect;
        let (x, y) = (x as u32, y as u32);
        let w = (w.ceil() as u32).clamp(1, picture.width() - x);
        let h = (h.ceil() as u32).clamp(1, picture.height() - y);
        let size = |length: u32| ((length as f32 * self.scale).round() as u32).max(1);
        let part = match (x, y, w, h) == (0, 0, picture.width(), picture.height()) {
            true => None,
            false => picture.crop(x, y, w, h).ok(),
        };
        let small = part.as_ref().unwrap_or(picture).resize(size(w), size(h));
        let m = self.margin.round() as u32;
        let side = |length: u32| (length + 2 * m).next_multiple_of(32);
        let (out_w, out_h) = (side(small.width()), side(small.height()));
        let mut pixels = vec![0u8; out_w as usize * out_h as usize * 3];
        let row_bytes = small.width() as usize * 3;
        for (row, line) in small.pixels().chunks_exact(row_bytes).enumerate() {
            let start = ((row + m as usize) * out_w as usize + m as usize) * 3;
            pixels[start..start + row_bytes].copy_from_slice(line);
        }
        let factors = [small.width() as f32 / w as f32, small.height() as f32 / h as f32];
        let view = Image::from_rgb(out_w, out_h, pixels);
        (view.unwrap_or(small), factors)
    }

    /// From pixels of the view to pixels of the original.
    pub(crate) fn to_original(self, [x, y]: [f32; 2], factors: [f32; 2], scale: f32) -> [f32; 2] {
        let m = self.margin.round();
        let back = |v: f32, start: f32, factor: f32| ((v - m) / factor + (start as u32) as f32) / scale;
        [back(x, self.rect[0], factors[0]), back(y, self.rect[1], factors[1])]
    }
}

/// Intersection over union of two `[x, y, w, h]`; 0 if either is empty.
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

/// Greedy suppression: by falling score, whatever overlaps a kept detection by more than `limit`
/// (intersection over union), or is a part of a kept face, is dropped. The result is in order of falling score.
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
    use super::*;

    #[test]
    fn a_mirror_of_a_mirror_is_the_face() {
        let landmarks = [[10.0, 20.0], [30.0, 21.0], [20.0, 30.0], [12.0, 40.0], [28.0, 41.0]];
        let face = Detection { bbox: [5.0, 6.0, 30.0, 40.0], score: 0.5, landmarks };
        let mirror = face.mirrored(100.0);
        assert_eq!(mirror.bbox, [65.0, 6.0, 30.0, 40.0]);
        assert!(mirror.landmarks[0][0] < mirror.landmarks[1][0], "the right eye is further left again");
        assert_eq!(mirror.mirrored(100.0), face);
    }
    use proptest::prelude::*;

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

        #[test]
        fn looks_cover_every_pixel_and_small_faces(w in 1u32..6000, h in 1u32..6000) {
            let looks = looks(w, h, 1.0, 20.0);
            let best = looks.iter().map(|l| l.scale).fold(0.0, f32::max);
            prop_assert!(best * 20.0 >= RELIABLE_FACE / 1.26);
            for point in [[0.0, 0.0], [w as f32 - 0.5, h as f32 - 0.5], [w as f32 / 2.0, h as f32 / 2.0]] {
                let seen = looks.iter().filter(|l| l.scale == best).any(|l| {
                    let [x, y, lw, lh] = l.rect;
                    point[0] >= x && point[1] >= y && point[0] <= x + lw + 0.5 && point[1] <= y + lh + 0.5
                });
                prop_assert!(seen, "{:?} is in no look", point);
            }
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
    fn a_view_and_back_is_where_it_was() {
        let picture = Image::from_rgb(1000, 700, vec![7; 1000 * 700 * 3]).expect("fits");
        for look in looks(1000, 700, 0.5, 8.0) {
            let (view, factors) = look.view(&picture);
            assert_eq!((view.width() % 32, view.height() % 32), (0, 0));
            let m = look.margin.round();
            let [x, y] = look.to_original([m, m], factors, 0.5);
            assert!(
                (x - 2.0 * look.rect[0].floor()).abs() < 1e-3
                    && (y - 2.0 * look.rect[1].floor()).abs() < 1e-3
            );
        }
    }
}
