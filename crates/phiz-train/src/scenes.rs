//! Prepared scenes on disk, and the training pictures of a detector that are composed of them.
//!
//! A set is two files in one folder: `scenes.bin`, raw interleaved RGB one picture after the other, and
//! `scenes.jsonl`, one JSON object a picture: `{"path", "split", "offset", "width", "height", "faces":
//! [{"box": [x, y, w, h], "points": [10 numbers or none], "sure": bool}]}`. A face that is not `sure` is neither
//! learnt nor unlearnt.
//!
//! A composed picture is a background without faces on which a grid of 1 to 16 cells is laid; each cell shows
//! one scene, turned, scaled and placed so that one of its faces has a chosen size. That gives every size,
//! many faces at once, cut-off faces and hard edges that mean nothing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::augment::{self, Strength, recolour};
use crate::detect::iou;
use crate::error::TrainError;
use crate::random::Random;

/// A face of a scene or of a composed picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marked {
    /// `[x, y, w, h]` in pixels.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// x and y of five landmarks, or nothing where unknown.
    pub points: Vec<f32>,
    /// Whether the detector shall learn it; otherwise the place does not count.
    pub sure: bool,
}

/// A picture of a set, as its line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The photo that it comes from.
    #[serde(default)]
    pub path: String,
    /// What it is for.
    pub split: String,
    /// Where its pixels begin in `scenes.bin`, in bytes.
    pub offset: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Its faces.
    pub faces: Vec<Marked>,
    /// `[x, y, w, h]` of what a detector's first looks take for faces, rightly or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<[f32; 4]>,
}

/// All scenes of a folder.
#[derive(Debug)]
pub struct Scenes {
    pixels: Vec<u8>,
    scenes: Vec<Scene>,
    with_faces: Vec<usize>,
    crowded: Vec<usize>,
    empty: Vec<usize>,
    /// Candidates that are no face: the scene and the box.
    mistakes: Vec<(usize, [f32; 4])>,
}

impl Scenes {
    /// Reads the set in `folder`, all of whose pictures must belong to `split`.
    ///
    /// # Errors
    /// A file that cannot be read, places outside of it, or a picture of another split.
    pub fn open(folder: &Path, split: &str) -> Result<Scenes, TrainError> {
        let (bin, list) = (folder.join("scenes.bin"), folder.join("scenes.jsonl"));
        let pixels = std::fs::read(&bin).map_err(|e| TrainError::file(&bin, &e))?;
        let text = std::fs::read_to_string(&list).map_err(|e| TrainError::file(&list, &e))?;
        let mut scenes: Vec<Scene> = Vec::new();
        for (line, row) in text.lines().enumerate() {
            let bad = |reason: String| TrainError::file(&list, &format!("line {}: {reason}", line + 1));
            let scene: Scene = serde_json::from_str(row).map_err(|e| bad(e.to_string()))?;
            if scene.split != split {
                return Err(bad(format!("is of split {:?}, not {split:?}: refused", scene.split)));
            }
            let length = scene.width.checked_mul(scene.height).and_then(|n| n.checked_mul(3));
            let end = length.and_then(|n| n.checked_add(scene.offset));
            if scene.width == 0 || scene.height == 0 || end.is_none_or(|end| end > pixels.len()) {
                return Err(bad("its pixels lie outside of scenes.bin".into()));
            }
            if scene.faces.iter().any(|f| !(f.points.is_empty() || f.points.len() == 10)) {
                return Err(bad("a face has neither no points nor ten numbers".into()));
            }
            scenes.push(scene);
        }
        let choose = |test: &dyn Fn(&Scene) -> bool| -> Vec<usize> {
            (0..scenes.len()).filter(|&i| test(&scenes[i])).collect()
        };
        let with_faces = choose(&|s| s.faces.iter().any(|f| f.sure));
        let crowded = choose(&|s| s.faces.len() > 1 || (!s.faces.is_empty() && s.width.max(s.height) > 420));
        let empty = choose(&|s| s.faces.is_empty());
        if with_faces.is_empty() {
            return Err(TrainError::file(&list, &"marks no face"));
        }
        let mut mistakes = Vec::new();
        for (i, scene) in scenes.iter().enumerate() {
            mistakes.extend(scene.candidates.iter().filter(|c| scene.shows_none(c)).map(|c| (i, *c)));
        }
        Ok(Scenes { pixels, scenes, with_faces, crowded, empty, mistakes })
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scenes.is_empty()
    }

    /// A composed picture of `side` × `side` interleaved RGB, appended to `out`, and its faces; with probability
    /// `empty` it shows none.
    pub fn compose(
        &self,
        side: usize,
        strength: &Strength,
        empty: f32,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Vec<Marked> {
        let mut canvas = vec![random.between(0.0, 255.0); side * side * 3];
        let mut faces = Vec::new();
        let whole = [0, 0, side, side];
        if !self.empty.is_empty() && random.chance(0.9) {
            let scene = self.empty[random.below(self.empty.len())];
            let s = &self.scenes[scene];
            let fit = side as f32 / s.width.min(s.height) as f32 * random.between(0.5, 1.8).max(0.5);
            self.paste(scene, None, fit, 0.0, whole, &mut canvas, &mut faces, random);
        }
        let grid = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4][random.below(10)];
        let cell = side / grid;
        let rows = if random.chance(empty) { 0 } else { grid };
        for place in 0..rows * grid {
            if grid > 1 && random.chance(0.2) {
                continue;
            }
            let from = if grid <= 2 && !self.crowded.is_empty() && random.chance(0.6) {
                &self.crowded
            } else {
                &self.with_faces
            };
            let scene = from[random.below(from.len())];
            let known: Vec<usize> =
                (0..self.scenes[scene].faces.len()).filter(|&i| self.scenes[scene].faces[i].sure).collect();
            if known.is_empty() {
                continue;
            }
            let anchor = known[random.below(known.len())];
            let [_, _, w, h] = self.scenes[scene].faces[anchor].bbox;
            let largest = cell as f32 * if grid == 1 { 0.95 } else { 0.8 };
            let wanted = 10.0 * (largest / 10.0).powf(random.unit().powf(0.8));
            let zoom = (wanted / (w * h).sqrt().max(1.0)).min(3.0);
            let wild = random.chance(0.15);
            let angle = if wild { random.between(-0.8, 0.8) } else { random.normal() * 0.2 };
            let rect = [place % grid * cell, place / grid * cell, cell, cell];
            self.paste(scene, Some(anchor), zoom, angle, rect, &mut canvas, &mut faces, random);
        }
        for face in faces.iter().filter(|f| f.sure) {
            if random.chance(0.06) {
                cover(&mut canvas, side, face, random);
            }
        }
        let mut later = augment::later(strength, random);
        if let Some(random) = &mut later {
            for face in faces.iter().filter(|f| f.sure && f.points.len() == 10) {
                augment::worn(&mut canvas, side, &face.points, strength, random);
            }
        }
        finish(&mut canvas, side, strength, later, random, out);
        faces
    }

    /// Shows a scene in `rect` `[x, y, w, h]` of the canvas, `zoom` times as large and turned by `angle`, with the
    /// anchor face (or any place) somewhere in the rectangle; adds the faces that are seen.
    #[allow(clippy::too_many_arguments, reason = "one private caller, each argument another kind of thing")]
    fn paste(
        &self,
        scene: usize,
        anchor: Option<usize>,
        zoom: f32,
        angle: f32,
        rect: [usize; 4],
        canvas: &mut [f32],
        faces: &mut Vec<Marked>,
        random: &mut Random,
    ) {
        let s = &self.scenes[scene];
        let (focus, size) = match anchor {
            Some(i) => {
                let [x, y, w, h] = s.faces[i].bbox;
                ([x + w / 2.0, y + h / 2.0], (w * h).sqrt() * zoom)
            }
            None => ([random.unit() * s.width as f32, random.unit() * s.height as f32], 0.0),
        };
        let [left, top, width, height] = rect.map(|v| v as f32);
        let mut place = |start: f32, length: f32| {
            let free = (length - size).max(0.0) / 2.0 + 0.08 * size;
            start + length / 2.0 + random.between(-1.0, 1.0) * free
        };
        let target = [place(left, width), place(top, height)];
        let placed = Placed { focus, target, zoom, angle, flip: random.chance(0.5) };
        self.draw(s, &placed, 1, rect, canvas);
        for face in &s.faces {
            let mut face = placed.face(face);
            let [x, y, w, h] = face.bbox;
            let seen = |start: f32, length: f32, low: f32, extent: f32| {
                ((start + length).min(low + extent) - start.max(low)).max(0.0) / length.max(1e-3)
            };
            let share = seen(x, w, left, width) * seen(y, h, top, height);
            if share < 0.15 {
                continue;
            }
            face.sure &= share > 0.6 && (w * h).sqrt() >= 8.0;
            faces.push(face);
        }
    }

    /// Draws what is seen of a scene in `rect` of the square canvas, first made `coarse` times smaller than it need be.
    fn draw(&self, s: &Scene, placed: &Placed, coarse: usize, rect: [usize; 4], canvas: &mut [f32]) {
        let width = (canvas.len() / 3).isqrt();
        self.blend(s, placed, coarse, rect, canvas, width, |_, _| 1.0);
    }

    /// As [`Scenes::draw`] on a canvas of any `width`; `share` says how much of the scene shows at a pixel.
    #[allow(clippy::too_many_arguments, reason = "what, how, and where to")]
    pub(crate) fn blend(
        &self,
        s: &Scene,
        placed: &Placed,
        coarse: usize,
        rect: [usize; 4],
        canvas: &mut [f32],
        width: usize,
        share: impl Fn(f32, f32) -> f32,
    ) {
        let Placed { focus, target, zoom, angle, flip } = *placed;
        let source = &self.pixels[s.offset..][..s.width * s.height * 3];
        let (sin, cos) = angle.sin_cos();
        let mirror = if flip { -1.0 } else { 1.0 };
        // Shrinking by whole numbers first takes the mean; what remains is less than half an octave too sharp.
        let factor = ((1.0 / zoom) as usize).clamp(1, 16) * coarse;
        let f = factor as f32;
        let there = |x: f32, y: f32| {
            let (dx, dy) = (x - target[0], y - target[1]);
            let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
            [(u * mirror / zoom + focus[0]) / f - 0.5, (v / zoom + focus[1]) / f - 0.5]
        };
        let part;
        let (pixels, stride, w, h, [left, top]) = if factor > 1 {
            // Only what is seen.
            let [x, y, across, down] = rect.map(|v| v as f32);
            let corners =
                [[x, y], [x + across, y], [x, y + down], [x + across, y + down]].map(|[x, y]| there(x, y));
            let whole = [s.width / factor, s.height / factor];
            let bounds = [0, 1].map(|i| {
                let low = corners.iter().map(|c| c[i]).fold(f32::INFINITY, f32::min);
                let high = corners.iter().map(|c| c[i]).fold(f32::NEG_INFINITY, f32::max);
                [(low.max(0.0) as usize).min(whole[i]), ((high.max(0.0) as usize) + 2).min(whole[i])]
            });
            part = shrink(source, s.width, bounds, factor);
            let [[left, right], [top, _]] = bounds;
            (part.as_slice(), right - left, whole[0], whole[1], [left, top])
        } else {
            (source, s.width, s.width, s.height, [0, 0])
        };
        if w < 2 || h < 2 {
            return;
        }
        for y in rect[1]..rect[1] + rect[3] {
            for x in rect[0]..rect[0] + rect[2] {
                let (x_middle, y_middle) = (x as f32 + 0.5, y as f32 + 0.5);
                let share = share(x_middle, y_middle);
                if share <= 0.0 {
                    continue;
                }
                let [u, v] = there(x_middle, y_middle);
                if u < 0.0 || v < 0.0 || u >= (w - 1) as f32 || v >= (h - 1) as f32 {
                    continue;
                }
                let (i, j) = (u as usize, v as usize);
                let (fu, fv) = (u - i as f32, v - j as f32);
                for c in 0..3 {
                    let p = |i: usize, j: usize| f32::from(pixels[((j - top) * stride + i - left) * 3 + c]);
                    let above = p(i, j) + (p(i + 1, j) - p(i, j)) * fu;
                    let below = p(i, j + 1) + (p(i + 1, j + 1) - p(i, j + 1)) * fu;
                    let value = above + (below - above) * fv;
                    let there = &mut canvas[(y * width + x) * 3 + c];
                    *there += (value - *there) * share;
                }
            }
        }
    }

    /// Its pictures.
    pub(crate) fn all(&self) -> &[Scene] {
        &self.scenes
    }

    /// A view of `side` × `side` for a second look, appended to `out`: in its middle, about `size` pixels large, is a
    /// face, which is returned, or, with probability `empty`, something else: what first looks took for a face, or any
    /// place.
    pub fn view(
        &self,
        side: usize,
        size: f32,
        strength: &Strength,
        empty: f32,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Option<Marked> {
        let (scene, anchor, bbox) = if random.chance(empty) {
            let (scene, bbox) = self.no_face(random);
            (scene, None, bbox)
        } else {
            let from =
                if !self.crowded.is_empty() && random.chance(0.5) { &self.crowded } else { &self.with_faces };
            let scene = from[random.below(from.len())];
            let known: Vec<&Marked> = self.scenes[scene].faces.iter().filter(|f| f.sure).collect();
            match known.get(random.below(known.len().max(1))) {
                Some(face) => (scene, Some(*face), face.bbox),
                None => {
                    let (scene, bbox) = self.no_face(random);
                    (scene, None, bbox)
                }
            }
        };
        let [x, y, w, h] = bbox;
        let there = (w * h).sqrt().max(1.0);
        // First looks are off by about so much.
        let mut off = || random.normal() * 0.08 * there;
        let focus = [x + w / 2.0 + off(), y + h / 2.0 + off()];
        let zoom = size / there * (0.14 * random.normal()).exp();
        let angle = if random.chance(0.15) { random.between(-0.8, 0.8) } else { random.normal() * 0.2 };
        let middle = side as f32 / 2.0;
        let placed = Placed { focus, target: [middle; 2], zoom, angle, flip: random.chance(0.5) };
        // Now and then as if the photo had been so small that the face had but a few pixels.
        let most = there.min(size) / 9.0;
        let coarse =
            if random.chance(0.3) { random.between(1.0, most.clamp(1.0, 5.0)).round() as usize } else { 1 };
        let mut canvas = vec![0.0; side * side * 3];
        self.draw(&self.scenes[scene], &placed, coarse, [0, 0, side, side], &mut canvas);
        let face = anchor.map(|face| placed.face(face));
        let mut later = augment::later(strength, random);
        if let Some(face) = &face {
            if random.chance(0.06) {
                cover(&mut canvas, side, face, random);
            }
            if let Some(random) = later.as_mut().filter(|_| face.points.len() == 10) {
                augment::worn(&mut canvas, side, &face.points, strength, random);
            }
        }
        finish(&mut canvas, side, strength, later, random, out);
        face
    }

    /// A place where no face is.
    fn no_face(&self, random: &mut Random) -> (usize, [f32; 4]) {
        if !self.mistakes.is_empty() && random.chance(0.7) {
            return self.mistakes[random.below(self.mistakes.len())];
        }
        loop {
            let empty = !self.empty.is_empty() && random.chance(0.5);
            let scene = if empty {
                self.empty[random.below(self.empty.len())]
            } else {
                random.below(self.scenes.len())
            };
            let s = &self.scenes[scene];
            let long = s.width.max(s.height) as f32;
            let side = 10.0 * (0.6 * long / 10.0).max(1.0).powf(random.unit());
            let at = |length: usize, random: &mut Random| random.unit() * length as f32 - side / 2.0;
            let bbox = [at(s.width, random), at(s.height, random), side * 0.85, side * 1.15];
            if s.shows_none(&bbox) {
                return (scene, bbox);
            }
        }
    }
}

impl Scene {
    /// Whether a box is surely no face: it overlaps none by much, nor any place that may hold one.
    fn shows_none(&self, bbox: &[f32; 4]) -> bool {
        self.faces.iter().all(|face| iou(&face.bbox, bbox) < if face.sure { 0.25 } else { 0.02 })
    }
}

/// How a scene is shown: its `focus` lies at `target`, enlarged, turned and perhaps mirrored.
pub(crate) struct Placed {
    pub focus: [f32; 2],
    pub target: [f32; 2],
    pub zoom: f32,
    pub angle: f32,
    pub flip: bool,
}

impl Placed {
    fn point(&self, x: f32, y: f32) -> [f32; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let mirror = if self.flip { -1.0 } else { 1.0 };
        let (u, v) = ((x - self.focus[0]) * self.zoom * mirror, (y - self.focus[1]) * self.zoom);
        [cos * u - sin * v + self.target[0], sin * u + cos * v + self.target[1]]
    }

    pub(crate) fn face(&self, face: &Marked) -> Marked {
        let (sin, cos) = self.angle.sin_cos();
        let [x, y, w, h] = face.bbox;
        let middle = self.point(x + w / 2.0, y + h / 2.0);
        // The bounding box of the turned ellipse: heads are round.
        let across = ((w * cos).powi(2) + (h * sin).powi(2)).sqrt() * self.zoom;
        let down = ((w * sin).powi(2) + (h * cos).powi(2)).sqrt() * self.zoom;
        let bbox = [middle[0] - across / 2.0, middle[1] - down / 2.0, across, down];
        let mut points: Vec<f32> = face.points.chunks_exact(2).flat_map(|p| self.point(p[0], p[1])).collect();
        if self.flip && points.len() == 10 {
            for (a, b) in [(0, 1), (3, 4)] {
                points.swap(2 * a, 2 * b);
                points.swap(2 * a + 1, 2 * b + 1);
            }
        }
        Marked { bbox, points, sure: face.sure }
    }
}

/// Hides a part of a face, mostly the lower one, behind a rectangle.
fn cover(canvas: &mut [f32], side: usize, face: &Marked, random: &mut Random) {
    let [x, y, w, h] = face.bbox;
    let level = [random.between(0.0, 255.0), random.between(0.0, 255.0), random.between(0.0, 255.0)];
    let (top, bottom) = if random.chance(0.7) { (0.55, 0.95) } else { (0.25, 0.45) };
    fill(canvas, side, [x + 0.1 * w, y + top * h, x + 0.9 * w, y + bottom * h], level);
}

/// Colours, blur, camera and compression of a canvas, then its bytes, appended to `out`.
fn finish(
    canvas: &mut [f32],
    side: usize,
    strength: &Strength,
    mut later: Option<Random>,
    random: &mut Random,
    out: &mut Vec<u8>,
) {
    recolour(canvas, strength, random);
    if random.chance(strength.coarse) {
        soften(canvas, side);
    }
    if let Some(random) = &mut later {
        augment::photograph(canvas, side, strength, random);
    }
    let start = out.len();
    out.extend(canvas.iter().map(|v| v.round().clamp(0.0, 255.0) as u8));
    if let Some(random) = &mut later {
        augment::compress(&mut out[start..], side, strength, random);
    }
}

/// Box mean over `factor` × `factor` of the part whose `bounds` (first and last column, first and last row) are given in
/// pixels of the result.
fn shrink(source: &[u8], width: usize, bounds: [[usize; 2]; 2], factor: usize) -> Vec<u8> {
    let [[left, right], [top, bottom]] = bounds;
    let w = right - left;
    let mut out = Vec::with_capacity(w * (bottom - top) * 3);
    let mut sums = vec![0u32; w * 3];
    let count = (factor * factor) as u32;
    for y in top..bottom {
        sums.fill(0);
        for row in 0..factor {
            let line = &source[((y * factor + row) * width + left * factor) * 3..][..w * factor * 3];
            for (x, block) in line.chunks_exact(factor * 3).enumerate() {
                for pixel in block.chunks_exact(3) {
                    for c in 0..3 {
                        sums[x * 3 + c] += u32::from(pixel[c]);
                    }
                }
            }
        }
        out.extend(sums.iter().map(|s| ((s + count / 2) / count) as u8));
    }
    out
}

/// Fills `[left, top, right, bottom]` with a colour.
fn fill(canvas: &mut [f32], side: usize, [left, top, right, bottom]: [f32; 4], level: [f32; 3]) {
    let bound = |v: f32| (v.max(0.0) as usize).min(side);
    for y in bound(top)..bound(bottom) {
        for x in bound(left)..bound(right) {
            canvas[(y * side + x) * 3..][..3].copy_from_slice(&level);
        }
    }
}

/// A 3×3 mean along rows, then columns: the blur of a cheap lens.
fn soften(canvas: &mut [f32], side: usize) {
    for step in [3, side * 3] {
        let before = canvas.to_vec();
        for i in step..canvas.len() - step {
            canvas[i] = (before[i - step] + before[i] + before[i + step]) / 3.0;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One scene of two faces, of which one is not sure, and one without a face; a colour that no other place has marks
    /// the sure face's middle.
    pub(crate) fn scenes(candidates: Vec<[f32; 4]>) -> Scenes {
        let (width, height) = (200, 160);
        let mut pixels = vec![90u8; width * height * 3 * 2];
        for (y, x) in (66..74).flat_map(|y| (46..54).map(move |x| (y, x))) {
            pixels[(y * width + x) * 3..][..3].copy_from_slice(&[255, 0, 0]);
        }
        let face = |x: f32, sure| Marked { bbox: [x, 45.0, 40.0, 50.0], points: vec![60.0; 10], sure };
        let scene = |offset, faces, candidates| Scene {
            path: String::new(),
            split: "train".into(),
            offset,
            width,
            height,
            faces,
            candidates,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let lines: Vec<String> = [
            scene(0, vec![face(30.0, true), face(130.0, false)], candidates),
            scene(width * height * 3, Vec::new(), Vec::new()),
        ]
        .iter()
        .map(|s| serde_json::to_string(s).expect("serialises"))
        .collect();
        std::fs::write(folder.path().join("scenes.bin"), &pixels).expect("writes");
        std::fs::write(folder.path().join("scenes.jsonl"), lines.join("\n")).expect("writes");
        Scenes::open(folder.path(), "train").expect("opens")
    }

    #[test]
    fn a_view_shows_the_face_near_its_middle_at_about_its_size() {
        let scenes = scenes(Vec::new());
        for seed in 0..200 {
            let mut out = Vec::new();
            let mut random = Random::new(seed);
            let face = scenes.view(112, 60.0, &Strength::NONE, 0.0, &mut random, &mut out).expect("a face");
            let [x, y, w, h] = face.bbox;
            let (cx, cy) = (x + w / 2.0, y + h / 2.0);
            assert!((cx - 56.0).abs() < 30.0 && (cy - 56.0).abs() < 30.0, "{face:?}");
            assert!((30.0..120.0).contains(&(w * h).sqrt()), "{face:?}");
            let pixel = &out[(cy as usize * 112 + cx as usize) * 3..][..3];
            assert!(pixel[0] > pixel[1] + 30, "seed {seed}: {pixel:?} at the face's middle");
        }
    }

    #[test]
    fn mistakes_are_what_overlaps_no_face() {
        let (on, off) = ([32.0, 46.0, 40.0, 50.0], [90.0, 100.0, 30.0, 40.0]);
        let unsure = [131.0, 46.0, 40.0, 50.0];
        let scenes = scenes(vec![on, off, unsure]);
        assert_eq!(scenes.mistakes, [(0, off)]);
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let (scene, bbox) = scenes.no_face(&mut random);
            assert!(scenes.scenes[scene].shows_none(&bbox));
            assert!(scenes.view(112, 60.0, &Strength::NONE, 1.0, &mut random, &mut Vec::new()).is_none());
        }
    }

    #[test]
    fn a_part_is_shrunk_as_the_whole_is() {
        let source: Vec<u8> = (0..40 * 30 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let whole = shrink(&source, 40, [[0, 13], [0, 10]], 3);
        let part = shrink(&source, 40, [[4, 9], [2, 7]], 3);
        for (row, line) in part.chunks_exact(5 * 3).enumerate() {
            assert_eq!(line, &whole[((row + 2) * 13 + 4) * 3..][..15]);
        }
    }
}
