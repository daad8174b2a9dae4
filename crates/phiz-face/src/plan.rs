//! Which parts of a photo are looked at, and at which size: an image pyramid with tiles.
//!
//! A detector finds faces of about 10 to 300 pixels in its input. [`Plan::Photo`] therefore looks at a photo several times:
//! - small (long side 192, with a margin), for faces that fill the photo;
//! - at its working size (long side 640, or twice its own if smaller);
//! - enlarged or at full size in overlapping tiles, if faces of [`crate::DetectOptions::min_face`] pixels would otherwise
//!   be too small to be seen.
//!
//! A detector whose card fixes its input size sees each of these in a picture of that size, with black around it.

use phiz_image::{Image, ImageView};

/// How a photo is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Plan {
    /// Finds faces of every size: an overview, the working size, and tiles where small faces need them.
    #[default]
    Photo,
    /// Looks once, at one size, for frames of a video: faces of about 10 to 300 pixels at that size are found.
    Single {
        /// Long side in pixels of what the detector sees; the whole photo is enlarged or shrunk to it.
        side: u32,
    },
    /// Looks only around boxes where a face is expected, once for each: for faces that were in the frame before. Faces
    /// of half to twice a box's size are found.
    Region {
        /// Boxes `[x, y, w, h]` in pixels of the upright original photo; they may overlap or reach outside.
        boxes: Vec<[f32; 4]>,
        /// How far around a box is looked, as a share of its longer side on each side; 0.75 is a good value.
        reach: f32,
    },
}

/// What the detector takes: pictures of one size only, or of any size whose sides are multiples of [`STRIDE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    /// Width and height in pixels.
    pub fixed: Option<(u32, u32)>,
}

/// Sides of a detector's input are multiples of its largest stride.
pub(crate) const STRIDE: u32 = 32;
/// Long side of the photo at its working size.
const WORKING_SIDE: f32 = 640.0;
/// The most that a photo is enlarged by [`Plan::Photo`].
const LARGEST_ZOOM: f32 = 2.0;
/// Long side of the overview for faces that fill the photo, of which a quarter is margin.
const OVERVIEW_SIDE: f32 = 192.0;
/// Of what the overview finds, faces smaller than this share of its side are left to the other views.
const OVERVIEW_SHARE: f32 = 0.3;
/// Faces of so many pixels of the input (root of the box's area) are found reliably. With the refinement stage the synthetic
/// ones of `tests/scenes.rs` are all found at 12; there are worse faces than those.
const RELIABLE_FACE: f32 = 14.0;
/// Tiles are used where they show faces larger than the working size does by this factor.
const WORTH_TILES: f32 = 1.25;
/// Side of a tile, and by how much tiles overlap (the largest face that only tiles see).
const TILE: f32 = 960.0;
const TILE_OVERLAP: f32 = 96.0;
/// The size at which [`Plan::Region`] shows an expected face: in the middle of what stride 16 learns.
const EXPECTED_FACE: f32 = 64.0;

/// A view of the photo: `[x, y, w, h]` of the decoded picture shown at `scale`, with a margin around.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    pub rect: [f32; 4],
    pub scale: f32,
    pub margin: f32,
    /// Faces smaller than this many pixels of the input are left to other views.
    pub at_least: f32,
}

impl View {
    fn plain(rect: [f32; 4], scale: f32) -> View {
        View { rect, scale, margin: 0.0, at_least: 0.0 }
    }
}

/// How many tiles a photo needs, across and down, and at which scale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tiling {
    scale: f32,
    counts: [f32; 2],
    overlap: f32,
}

/// A decoded picture's width and height, and its size over the original's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    pub width: u32,
    pub height: u32,
    pub scale: f32,
}

impl Size {
    pub(crate) fn of(picture: &ImageView<'_>) -> Size {
        Size { width: picture.width(), height: picture.height(), scale: picture.scale() }
    }

    fn sides(self) -> [f32; 2] {
        [self.width as f32, self.height as f32]
    }

    fn long(self) -> f32 {
        self.width.max(self.height) as f32
    }
}

impl Frame {
    /// The scale at which a part of this width and height fills the frame; none if the frame is as large as it needs to be.
    fn fill(self, [w, h]: [f32; 2]) -> Option<f32> {
        self.fixed.map(|(width, height)| (width as f32 / w).min(height as f32 / h))
    }

    /// The scale of the working size.
    fn working(self, size: Size) -> f32 {
        // Small pictures are enlarged: half of a face of 20 pixels is no face.
        self.fill(size.sides()).unwrap_or(WORKING_SIDE / size.long()).min(LARGEST_ZOOM)
    }

    /// The tiles that faces of `min_face` pixels need beside the working size.
    fn tiling(self, size: Size, min_face: f32) -> Option<Tiling> {
        let scale = (RELIABLE_FACE / (min_face.max(1.0) * size.scale)).min(LARGEST_ZOOM);
        if scale <= self.working(size) * WORTH_TILES {
            return None;
        }
        let tile = self.fixed.map_or([TILE; 2], |(w, h)| [w as f32, h as f32]);
        let overlap = TILE_OVERLAP.min(tile[0] / 4.0).min(tile[1] / 4.0);
        let count =
            |axis: usize| ((size.sides()[axis] * scale - overlap) / (tile[axis] - overlap)).ceil().max(1.0);
        Some(Tiling { scale, counts: [count(0), count(1)], overlap: overlap / scale })
    }

    /// How many tiles [`Plan::Photo`] looks at.
    pub(crate) fn tiles(self, size: Size, min_face: f32) -> usize {
        self.tiling(size, min_face).map_or(0, |tiling| (tiling.counts[0] * tiling.counts[1]) as usize)
    }

    /// The smallest `min_face` in whole pixels of the original for which so many tiles suffice, at least `min_face`.
    pub(crate) fn fitting(self, size: Size, min_face: f32, tiles: usize) -> f32 {
        let mut face = min_face.ceil().max(1.0);
        while self.tiles(size, face) > tiles {
            face += 1.0;
        }
        face
    }

    /// The views of a picture under a plan. `min_face` is in pixels of the original.
    pub(crate) fn views(self, plan: &Plan, size: Size, min_face: f32) -> Vec<View> {
        match plan {
            Plan::Photo => self.photo(size, min_face),
            Plan::Single { side } => {
                let scale = *side as f32 / size.long();
                let scale = self.fill(size.sides()).map_or(scale, |fill| fill.min(scale));
                let [w, h] = size.sides();
                vec![View::plain([0.0, 0.0, w, h], scale)]
            }
            Plan::Region { boxes, reach } => {
                boxes.iter().filter_map(|bbox| self.region(size, bbox, *reach)).collect()
            }
        }
    }

    fn photo(self, size: Size, min_face: f32) -> Vec<View> {
        let [w, h] = size.sides();
        let whole = [0.0, 0.0, w, h];
        let side = self.fixed.map_or(OVERVIEW_SIDE, |(w, h)| OVERVIEW_SIDE.min(w as f32).min(h as f32));
        let inner = side * 0.75;
        let (scale, margin) = (inner / size.long(), (side - inner) / 2.0);
        let mut views = vec![
            View { rect: whole, scale, margin, at_least: OVERVIEW_SHARE * side },
            View::plain(whole, self.working(size)),
        ];
        if let Some(Tiling { scale, counts: [columns, rows], overlap }) = self.tiling(size, min_face) {
            let (tile_w, tile_h) =
                ((w + (columns - 1.0) * overlap) / columns, (h + (rows - 1.0) * overlap) / rows);
            for row in 0..rows as usize {
                for column in 0..columns as usize {
                    let (x, y) = (column as f32 * (tile_w - overlap), row as f32 * (tile_h - overlap));
                    views.push(View::plain([x, y, tile_w.min(w - x), tile_h.min(h - y)], scale));
                }
            }
        }
        views
    }

    /// The view around a box in pixels of the original; none if all of it lies outside.
    fn region(self, size: Size, bbox: &[f32; 4], reach: f32) -> Option<View> {
        let [x, y, w, h] = bbox.map(|v| v * size.scale);
        let around = reach * w.max(h);
        let side = |start: f32, length: f32, end: f32| {
            let from = (start - around).clamp(0.0, end).floor();
            (from, (start + length + around).clamp(0.0, end).ceil() - from)
        };
        let ((left, width), (top, height)) = (side(x, w, size.sides()[0]), side(y, h, size.sides()[1]));
        if width < 1.0 || height < 1.0 {
            return None;
        }
        // Neither a long box nor a wide reach makes the input larger than a tile.
        let scale = (EXPECTED_FACE / (w * h).sqrt().max(1.0)).min(TILE / width.max(height));
        let scale = self.fill([width, height]).map_or(scale, |fill| fill.min(scale));
        Some(View::plain([left, top, width, height], scale))
    }

    /// The size of the detector's input that shows something of this size.
    pub(crate) fn around(self, width: u32, height: u32) -> (u32, u32) {
        self.fixed.unwrap_or_else(|| (width.next_multiple_of(STRIDE), height.next_multiple_of(STRIDE)))
    }
}

impl View {
    /// What the detector sees: black around the picture up to the frame, or up to multiples of [`STRIDE`]. Returns also
    /// the factors from pixels of the picture to pixels of the view, which differ a little from `scale` by rounding.
    pub(crate) fn picture(&self, picture: &ImageView<'_>, frame: Frame) -> (Image, [f32; 2]) {
        let [x, y, w, h] = self.rect;
        let (x, y) = (x as u32, y as u32);
        let w = (w.ceil() as u32).clamp(1, picture.width() - x);
        let h = (h.ceil() as u32).clamp(1, picture.height() - y);
        let m = self.margin.round() as u32;
        let most = frame.fixed.map_or([u32::MAX; 2], |(w, h)| [w - 2 * m, h - 2 * m]);
        let size = |length: u32, most: u32| ((length as f32 * self.scale).round() as u32).clamp(1, most);
        let part = picture.crop(x, y, w, h).unwrap_or(*picture);
        let small = part.resize(size(w, most[0]), size(h, most[1]));
        let factors = [small.width() as f32 / w as f32, small.height() as f32 / h as f32];
        let around = frame.around(small.width() + 2 * m, small.height() + 2 * m);
        (pad(small, m, around), factors)
    }

    /// From pixels of the view to pixels of the original.
    pub(crate) fn to_original(self, [x, y]: [f32; 2], factors: [f32; 2], scale: f32) -> [f32; 2] {
        let m = self.margin.round();
        let back = |v: f32, start: f32, factor: f32| ((v - m) / factor + (start as u32) as f32) / scale;
        [back(x, self.rect[0], factors[0]), back(y, self.rect[1], factors[1])]
    }
}

/// A picture with its top left corner at `(margin, margin)` of a black one of this width and height.
pub(crate) fn pad(picture: Image, margin: u32, (width, height): (u32, u32)) -> Image {
    if margin == 0 && (picture.width(), picture.height()) == (width, height) {
        return picture;
    }
    let mut pixels = vec![0u8; width as usize * height as usize * 3];
    let row_bytes = picture.width() as usize * 3;
    for (row, line) in picture.pixels().chunks_exact(row_bytes).enumerate() {
        let start = ((row + margin as usize) * width as usize + margin as usize) * 3;
        pixels[start..start + row_bytes].copy_from_slice(line);
    }
    Image::from_rgb(width, height, pixels).unwrap_or(picture)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: Frame = Frame { fixed: None };

    fn size(width: u32, height: u32) -> Size {
        Size { width, height, scale: 1.0 }
    }

    fn shows(view: &View, [x, y]: [f32; 2]) -> bool {
        let [left, top, w, h] = view.rect;
        x >= left && y >= top && x <= left + w + 0.5 && y <= top + h + 0.5
    }

    proptest! {
        #[test]
        fn views_cover_every_pixel_and_small_faces(
            w in 1u32..6000,
            h in 1u32..6000,
            fixed in prop::option::of((1u32..30, 1u32..30)),
        ) {
            let frame = Frame { fixed: fixed.map(|(w, h)| (w * STRIDE, h * STRIDE)) };
            let views = frame.views(&Plan::Photo, size(w, h), 20.0);
            let best = views.iter().map(|view| view.scale).fold(0.0, f32::max);
            prop_assert!(best * 20.0 >= RELIABLE_FACE / 1.26);
            for point in [[0.0, 0.0], [w as f32 - 0.5, h as f32 - 0.5], [w as f32 / 2.0, h as f32 / 2.0]] {
                prop_assert!(views.iter().any(|v| v.scale == best && shows(v, point)), "{:?} is in no view", point);
            }
            prop_assert_eq!(views.len(), 2 + frame.tiles(size(w, h), 20.0));
        }

        #[test]
        fn a_region_shows_its_box_and_no_more_than_the_photo(
            w in 1u32..3000,
            h in 1u32..3000,
            (x, y) in (-200f32..3000.0, -200f32..3000.0),
            (bw, bh) in (1f32..900.0, 1f32..900.0),
            reach in 0f32..2.0,
            fixed in prop::option::of((1u32..30, 1u32..30)),
        ) {
            let frame = Frame { fixed: fixed.map(|(w, h)| (w * STRIDE, h * STRIDE)) };
            let plan = Plan::Region { boxes: vec![[x, y, bw, bh]], reach };
            for view in frame.views(&plan, size(w, h), 20.0) {
                let [left, top, width, height] = view.rect;
                prop_assert!(left >= 0.0 && top >= 0.0 && left + width <= w as f32 && top + height <= h as f32);
                for (start, length, from, shown, end) in [(x, bw, left, width, w as f32), (y, bh, top, height, h as f32)] {
                    prop_assert!(from <= start.max(0.0) && from + shown >= (start + length).min(end));
                }
                let most = frame.fixed.map_or([TILE; 2], |(w, h)| [w as f32, h as f32]);
                prop_assert!(width * view.scale <= most[0] + 0.5 && height * view.scale <= most[1] + 0.5);
            }
        }
    }

    #[test]
    fn a_view_and_back_is_where_it_was() {
        let picture = Image::from_rgb(1000, 700, vec![7; 1000 * 700 * 3]).expect("fits");
        let half = Size { scale: 0.5, ..Size::of(&(&picture).into()) };
        let region =
            Plan::Region { boxes: vec![[1900.0, 60.0, 50.0, 60.0], [9000.0, 0.0, 9.0, 9.0]], reach: 0.75 };
        for frame in [ANY, Frame { fixed: Some((640, 480)) }, Frame { fixed: Some((32, 64)) }] {
            for plan in [Plan::Photo, Plan::Single { side: 320 }, region.clone()] {
                let views = frame.views(&plan, half, 8.0);
                assert!(!views.is_empty(), "{plan:?}");
                for view in views {
                    let (shown, factors) = view.picture(&(&picture).into(), frame);
                    match frame.fixed {
                        Some(fixed) => assert_eq!((shown.width(), shown.height()), fixed),
                        None => assert_eq!((shown.width() % 32, shown.height() % 32), (0, 0)),
                    }
                    let m = view.margin.round();
                    let [x, y] = view.to_original([m, m], factors, 0.5);
                    let [left, top, ..] = view.rect.map(|v| 2.0 * v.floor());
                    assert!((x - left).abs() < 1e-3 && (y - top).abs() < 1e-3, "{plan:?} {view:?}: {x} {y}");
                    // The whole part of the photo is shown, none of it cut off at the edge of the input.
                    let [_, _, w, h] = view.rect;
                    let fits = |length: f32, factor: f32, side: u32| {
                        length.floor() * factor + m <= side as f32 + 0.5
                    };
                    assert!(
                        fits(w, factors[0], shown.width()) && fits(h, factors[1], shown.height()),
                        "{view:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn tiles_are_as_many_as_small_faces_need() {
        for (w, h, min_face, fixed, tiles) in [
            (640, 480, 20.0, None, 0),
            (1600, 1200, 20.0, None, 2),
            (16330, 12250, 20.0, None, 140),
            (16330, 12250, 5.0, None, 1102),
            (16330, 12250, 5.0, Some((640, 640)), 2700),
        ] {
            let frame = Frame { fixed };
            assert_eq!(frame.tiles(size(w, h), min_face), tiles, "{w}×{h}, {min_face}, {fixed:?}");
            let fitting = frame.fitting(size(w, h), min_face, 140);
            assert!(frame.tiles(size(w, h), fitting) <= 140);
            assert!(fitting == min_face || frame.tiles(size(w, h), fitting - 1.0) > 140, "{fitting}");
        }
    }
}
