//! Scenes on a canvas of interleaved RGB in single precision, and what happens to the canvas afterwards.

use super::{Marked, Scene, Scenes};
use crate::augment::{self, Strength, recolour};
use crate::random::Random;

/// How a scene is shown: its `focus` lies at `target`, enlarged, turned and perhaps mirrored.
pub(crate) struct Placed {
    pub focus: [f32; 2],
    pub target: [f32; 2],
    pub zoom: f32,
    pub angle: f32,
    pub flip: bool,
    /// First made so many times smaller than it need be; 1 for as sharp as it is.
    pub coarse: usize,
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

impl Scenes {
    /// Draws what is seen of a scene in `rect` of the square canvas.
    pub(super) fn draw(&self, s: &Scene, placed: &Placed, rect: [usize; 4], canvas: &mut [f32]) {
        let width = (canvas.len() / 3).isqrt();
        self.blend(s, placed, rect, canvas, width, |_, _| 1.0);
    }

    /// As [`Scenes::draw`] on a canvas of any `width`; `share` says how much of the scene shows at a pixel.
    pub(crate) fn blend(
        &self,
        s: &Scene,
        placed: &Placed,
        rect: [usize; 4],
        canvas: &mut [f32],
        width: usize,
        share: impl Fn(f32, f32) -> f32,
    ) {
        let Placed { focus, target, zoom, angle, flip, coarse } = *placed;
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
                // One more than is needed on either side: rounding.
                let last = (high.max(0.0) as usize).saturating_add(2);
                [((low - 1.0).max(0.0) as usize).min(whole[i]), last.min(whole[i])]
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
}

/// Hides a part of a face, mostly the lower one, behind a rectangle.
pub(super) fn cover(canvas: &mut [f32], side: usize, face: &Marked, random: &mut Random) {
    let [x, y, w, h] = face.bbox;
    let level = [random.between(0.0, 255.0), random.between(0.0, 255.0), random.between(0.0, 255.0)];
    let (top, bottom) = if random.chance(0.7) { (0.55, 0.95) } else { (0.25, 0.45) };
    fill(canvas, side, [x + 0.1 * w, y + top * h, x + 0.9 * w, y + bottom * h], level);
}

/// Colours, blur, camera and compression of a canvas, then its bytes, appended to `out`.
pub(super) fn finish(
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
mod tests {
    use super::*;

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
