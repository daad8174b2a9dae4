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
}

/// All scenes of a folder.
#[derive(Debug)]
pub struct Scenes {
    pixels: Vec<u8>,
    scenes: Vec<Scene>,
    with_faces: Vec<usize>,
    crowded: Vec<usize>,
    empty: Vec<usize>,
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
        Ok(Scenes { pixels, scenes, with_faces, crowded, empty })
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
                let [x, y, w, h] = face.bbox;
                let level =
                    [random.between(0.0, 255.0), random.between(0.0, 255.0), random.between(0.0, 255.0)];
                let (top, bottom) = if random.chance(0.7) { (0.55, 0.95) } else { (0.25, 0.45) };
                fill(&mut canvas, side, [x + 0.1 * w, y + top * h, x + 0.9 * w, y + bottom * h], level);
            }
        }
        let mut later = augment::later(strength, random);
        if let Some(random) = &mut later {
            for face in faces.iter().filter(|f| f.sure && f.points.len() == 10) {
                augment::worn(&mut canvas, side, &face.points, strength, random);
            }
        }
        recolour(&mut canvas, strength, random);
        if random.chance(strength.coarse) {
            soften(&mut canvas, side);
        }
        if let Some(random) = &mut later {
            augment::photograph(&mut canvas, side, strength, random);
        }
        let start = out.len();
        out.extend(canvas.iter().map(|v| v.round().clamp(0.0, 255.0) as u8));
        if let Some(random) = &mut later {
            augment::compress(&mut out[start..], side, strength, random);
        }
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
        let side = (canvas.len() / 3).isqrt();
        let source = &self.pixels[s.offset..][..s.width * s.height * 3];
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
        let flip = random.chance(0.5);
        let (sin, cos) = angle.sin_cos();
        let mirror = if flip { -1.0 } else { 1.0 };
        let forward = |x: f32, y: f32| {
            let (u, v) = ((x - focus[0]) * zoom * mirror, (y - focus[1]) * zoom);
            [cos * u - sin * v + target[0], sin * u + cos * v + target[1]]
        };

        // Shrinking by whole numbers first takes the mean; what remains is less than half an octave too sharp.
        let factor = ((1.0 / zoom) as usize).clamp(1, 16);
        let small;
        let (pixels, w, h) = if factor > 1 {
            small = shrink(source, s.width, s.height, factor);
            (small.as_slice(), s.width / factor, s.height / factor)
        } else {
            (source, s.width, s.height)
        };
        if w < 2 || h < 2 {
            return;
        }
        let f = factor as f32;
        for y in rect[1]..rect[1] + rect[3] {
            for x in rect[0]..rect[0] + rect[2] {
                let (dx, dy) = (x as f32 + 0.5 - target[0], y as f32 + 0.5 - target[1]);
                let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
                let u = (u * mirror / zoom + focus[0]) / f - 0.5;
                let v = (v / zoom + focus[1]) / f - 0.5;
                if u < 0.0 || v < 0.0 || u >= (w - 1) as f32 || v >= (h - 1) as f32 {
                    continue;
                }
                let (i, j) = (u as usize, v as usize);
                let (fu, fv) = (u - i as f32, v - j as f32);
                for c in 0..3 {
                    let p = |i: usize, j: usize| f32::from(pixels[(j * w + i) * 3 + c]);
                    let above = p(i, j) + (p(i + 1, j) - p(i, j)) * fu;
                    let below = p(i, j + 1) + (p(i + 1, j + 1) - p(i, j + 1)) * fu;
                    canvas[(y * side + x) * 3 + c] = above + (below - above) * fv;
                }
            }
        }

        for face in &s.faces {
            let [x, y, w, h] = face.bbox;
            let middle = forward(x + w / 2.0, y + h / 2.0);
            // The bounding box of the turned ellipse: heads are round.
            let across = ((w * cos).powi(2) + (h * sin).powi(2)).sqrt() * zoom;
            let down = ((w * sin).powi(2) + (h * cos).powi(2)).sqrt() * zoom;
            let bbox = [middle[0] - across / 2.0, middle[1] - down / 2.0, across, down];
            let seen = |start: f32, length: f32, low: f32, extent: f32| {
                ((start + length).min(low + extent) - start.max(low)).max(0.0) / length.max(1e-3)
            };
            let share = seen(bbox[0], across, left, width) * seen(bbox[1], down, top, height);
            if share < 0.15 {
                continue;
            }
            let mut points: Vec<f32> =
                face.points.chunks_exact(2).flat_map(|p| forward(p[0], p[1])).collect();
            if flip && points.len() == 10 {
                for (a, b) in [(0, 1), (3, 4)] {
                    points.swap(2 * a, 2 * b);
                    points.swap(2 * a + 1, 2 * b + 1);
                }
            }
            let sure = face.sure && share > 0.6 && (across * down).sqrt() >= 8.0;
            faces.push(Marked { bbox, points, sure });
        }
    }
}

/// Box mean over `factor` × `factor`; a remainder at the right and bottom is dropped.
fn shrink(source: &[u8], width: usize, height: usize, factor: usize) -> Vec<u8> {
    let (w, h) = (width / factor, height / factor);
    let mut out = Vec::with_capacity(w * h * 3);
    let mut sums = vec![0u32; w * 3];
    let count = (factor * factor) as u32;
    for y in 0..h {
        sums.fill(0);
        for row in 0..factor {
            let line = &source[(y * factor + row) * width * 3..][..w * factor * 3];
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
