//! Teaching a detector: which cell stands for which face, and what it should say.
//!
//! A face belongs to the strides whose range holds its size (ranges overlap, so that no size falls between two),
//! there to the cells near its centre (Tian et al. 2019, FCOS with centre sampling); where faces overlap, to the
//! smaller one. The score of a cell learns the overlap that its own box reaches (Li et al. 2020), or its root.

use phiz_net::card::Card;
use phiz_net::onnx::Weights;

use crate::backend::Backend;
use crate::card::{self, MEAN, STD};
use crate::error::TrainError;
use crate::loss::detector::{self, CellTargets};
use crate::model::Model;
use crate::random::Random;
use crate::recipe::Recipe;
use crate::run::{Load, Loss, Task};
use crate::scenes::{Marked, Scenes, iou};
use crate::watch::Figures;

/// Each stride and the face sizes (root of the area, in pixels) that it learns.
pub const LEVELS: [(usize, f32, f32); 3] = [(8, 0.0, 48.0), (16, 32.0, 112.0), (32, 80.0, f32::INFINITY)];

/// Cells within so many strides of a face's centre stand for it.
const RADIUS: f32 = 1.5;
const SIDES_WEIGHT: f64 = 1.0;
const POINTS_WEIGHT: f64 = 3.0;

/// The task.
pub struct DetectTask<'a> {
    scenes: &'a Scenes,
    held_out: &'a Scenes,
    recipe: &'a Recipe,
}

/// Samples of one step.
pub struct DetectBatch {
    pictures: Vec<u8>,
    size: usize,
    targets: Vec<CellTargets>,
    faces: Vec<Vec<Marked>>,
}

impl<'a> DetectTask<'a> {
    /// Learns from `scenes`, judged on pictures composed of `held_out`.
    #[must_use]
    pub fn new(scenes: &'a Scenes, held_out: &'a Scenes, recipe: &'a Recipe) -> DetectTask<'a> {
        DetectTask { scenes, held_out, recipe }
    }

    fn compose(&self, scenes: &Scenes, seed: u64, step: u64, n: usize, size: usize) -> DetectBatch {
        let recipe = self.recipe;
        let mut pictures = Vec::with_capacity(n * size * size * 3);
        let faces: Vec<Vec<Marked>> = (0..n)
            .map(|sample| {
                let mut random = Random::for_sample(seed, step, sample as u64);
                scenes.compose(size, &recipe.augment, recipe.detect.empty, &mut random, &mut pictures)
            })
            .collect();
        let targets = LEVELS.iter().map(|&level| assign(&faces, size, level)).collect();
        DetectBatch { pictures, size, targets, faces }
    }
}

/// The loss of a batch and its parts, from the sums over its cells of score, boxes and landmarks.
pub(crate) fn weighed<B: Backend>(
    b: &B,
    [score, sides, points]: &[B::Tensor; 3],
    positives: f32,
    with_points: usize,
) -> Loss<B::Tensor> {
    let count = f64::from(positives.max(1.0));
    let score = b.affine(score, 1.0 / count, 0.0);
    let sides = b.affine(sides, SIDES_WEIGHT / count, 0.0);
    let points = b.affine(points, POINTS_WEIGHT / with_points.max(1) as f64, 0.0);
    let total = b.add(&score, &b.add(&sides, &points));
    (total, vec![("score".into(), score), ("sides".into(), sides), ("points".into(), points)])
}

/// What the cells of one stride should say about a batch's faces.
#[must_use]
pub fn assign(
    faces: &[Vec<Marked>],
    size: usize,
    (stride, smallest, largest): (usize, f32, f32),
) -> CellTargets {
    let side = size / stride;
    let cells = side * side;
    let n = faces.len();
    let mut t = CellTargets {
        shape: vec![n, side, side],
        positive: vec![0.0; n * cells],
        counts: vec![1.0; n * cells],
        sides: vec![1.0; n * 4 * cells],
        points: vec![0.0; n * 10 * cells],
        point_weight: vec![0.0; n * cells],
    };
    let s = stride as f32;
    for (picture, faces) in faces.iter().enumerate() {
        // Large faces first, so that smaller ones take their cells.
        let mut order: Vec<&Marked> = faces.iter().collect();
        order.sort_by(|a, b| (b.bbox[2] * b.bbox[3]).total_cmp(&(a.bbox[2] * a.bbox[3])));
        for face in order {
            let [x, y, w, h] = face.bbox;
            let size = (w * h).sqrt();
            let middle = [x + w / 2.0, y + h / 2.0];
            let learnt = face.sure && size >= smallest && size < largest;
            for cell in 0..cells {
                let centre = [(cell % side) as f32 * s + s / 2.0, (cell / side) as f32 * s + s / 2.0];
                let at = picture * cells + cell;
                let inside = centre[0] > x && centre[0] < x + w && centre[1] > y && centre[1] < y + h;
                if !face.sure {
                    if inside {
                        t.counts[at] = 0.0;
                    }
                    continue;
                }
                if !learnt || !inside {
                    continue;
                }
                let reach = [(RADIUS * s).min(0.35 * w), (RADIUS * s).min(0.35 * h)];
                let near = |i: usize| (centre[i] - middle[i]).abs() <= reach[i].max(s / 2.0);
                if !(near(0) && near(1)) {
                    continue;
                }
                t.positive[at] = 1.0;
                t.counts[at] = 1.0;
                let sides = [centre[0] - x, centre[1] - y, x + w - centre[0], y + h - centre[1]];
                for (i, d) in sides.into_iter().enumerate() {
                    t.sides[(picture * 4 + i) * cells + cell] = d / s;
                }
                t.point_weight[at] =
                    if face.points.is_empty() { 0.0 } else { s / size * (size / 32.0).min(1.0) };
                for (i, p) in face.points.iter().enumerate() {
                    t.points[(picture * 10 + i) * cells + cell] = (p - centre[i % 2]) / s;
                }
            }
        }
    }
    t
}

impl Load for DetectTask<'_> {
    type Batch = DetectBatch;

    fn load(&self, number: u64, size: usize) -> DetectBatch {
        self.compose(self.scenes, self.recipe.seed, number, self.recipe.batch, size)
    }
}

impl<B: Backend> Task<B> for DetectTask<'_> {
    type Loader = Self;

    fn loader(&self) -> &Self {
        self
    }

    fn extras(&self, _: &mut Random) -> Weights {
        Weights::new()
    }

    fn pictures(&self, b: &B, batch: &DetectBatch) -> B::Tensor {
        b.pictures(&batch.pictures, batch.faces.len(), batch.size, batch.size, MEAN, STD)
    }

    fn loss(&self, b: &B, model: &Model<B>, batch: &DetectBatch) -> Result<Loss<B::Tensor>, TrainError> {
        let x = Task::<B>::pictures(self, b, batch);
        let outputs = model.forward(b, &x, self.recipe.learns.is_empty());
        let positives: f32 = batch.targets.iter().flat_map(|t| &t.positive).sum();
        let with_points = batch.targets.iter().flat_map(|t| &t.point_weight).filter(|w| **w > 0.0).count();
        let rule = self.recipe.detect.rule();
        let mut sums: Option<[B::Tensor; 3]> = None;
        for (level, target) in batch.targets.iter().enumerate() {
            let [score, sides, points] = [0, 1, 2].map(|i| &outputs[level * 3 + i]);
            let l = detector::loss(b, score, sides, points, target, rule);
            let parts = [l.score, l.sides, l.points];
            sums = Some(match sums {
                None => parts,
                Some(sums) => [0, 1, 2].map(|i| b.add(&sums[i], &parts[i])),
            });
        }
        let sums = sums.unwrap_or_else(|| [0; 3].map(|_| b.constant(&[0.0], &[1])));
        Ok(weighed(b, &sums, positives, with_points))
    }

    fn card(&self, _: &B, model: &Model<B>, name: &str, file: &str) -> Option<Card> {
        Some(card::of(model.network(), name, file, None))
    }

    /// On composed pictures: the share of faces that some cell above 0.5 covers with IoU ≥ 0.5, the mean landmark
    /// error of the best cell in parts of the face's size, and pictures with a cell above 0.5 that overlaps none.
    fn evaluate(&self, b: &B, model: &Model<B>, size: usize) -> Figures {
        let (mut faces, mut found, mut off, mut pointed, mut false_pictures, mut pictures) =
            (0, 0, 0.0, 0, 0, 0);
        for step in 0..16 {
            let batch = self.compose(self.held_out, 0x7475_6e65, step, 16, size);
            let x = b.pictures(&batch.pictures, 16, size, size, MEAN, STD);
            let outputs: Vec<Vec<f32>> = model.forward(b, &x, false).iter().map(|o| b.values(o)).collect();
            for (picture, truth) in batch.faces.iter().enumerate() {
                let mut best: Vec<(f32, f32)> = vec![(0.0, f32::NAN); truth.len()];
                let mut wrong = false;
                for (level, &(stride, ..)) in LEVELS.iter().enumerate() {
                    let (side, s) = (size / stride, stride as f32);
                    let cells = side * side;
                    for cell in 0..cells {
                        let score = outputs[level * 3][picture * cells + cell];
                        if score < 0.5 {
                            continue;
                        }
                        let centre = [(cell % side) as f32 * s + s / 2.0, (cell / side) as f32 * s + s / 2.0];
                        let d = |i: usize| outputs[level * 3 + 1][(picture * 4 + i) * cells + cell] * s;
                        let found = [centre[0] - d(0), centre[1] - d(1), d(0) + d(2), d(1) + d(3)];
                        let mut overlaps = false;
                        for (face, best) in truth.iter().zip(&mut best) {
                            let iou = iou(&found, &face.bbox);
                            overlaps |= iou > 0.2;
                            if iou >= 0.5 && score > best.0 {
                                let size = (face.bbox[2] * face.bbox[3]).sqrt();
                                let point = |i: usize| {
                                    outputs[level * 3 + 2][(picture * 10 + i) * cells + cell] * s
                                        + centre[i % 2]
                                };
                                let each = face
                                    .points
                                    .chunks_exact(2)
                                    .enumerate()
                                    .map(|(k, p)| (point(2 * k) - p[0]).hypot(point(2 * k + 1) - p[1]));
                                *best = (score, each.sum::<f32>() / 5.0 / size);
                            }
                        }
                        wrong |= !overlaps;
                    }
                }
                for (face, (score, error)) in truth.iter().zip(best) {
                    if face.sure {
                        faces += 1;
                        found += usize::from(score > 0.0);
                        if score > 0.0 && !face.points.is_empty() {
                            off += error;
                            pointed += 1;
                        }
                    }
                }
                pictures += 1;
                false_pictures += usize::from(wrong);
            }
        }
        let mut figures = vec![
            ("recall".into(), found as f32 / faces.max(1) as f32),
            ("false_pictures".into(), false_pictures as f32 / pictures.max(1) as f32),
        ];
        // Where no face was found, nothing is known of landmarks: zero would look perfect.
        if pointed > 0 {
            figures.push(("landmark_error".into(), off / pointed as f32));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_learnt_face_has_a_cell_at_each_size() {
        for size in [9.0, 12.0, 20.0, 33.0, 47.0, 60.0, 100.0, 150.0, 300.0] {
            for shift in [0.0, 3.0, 7.5, 13.0] {
                let face = Marked { bbox: [shift, shift, size, size], points: vec![], sure: true };
                let cells: f32 =
                    LEVELS.iter().flat_map(|&l| assign(&[vec![face.clone()]], 320, l).positive).sum();
                assert!(cells >= 1.0, "size {size} at {shift}");
            }
        }
    }

    #[test]
    fn an_unsure_face_counts_for_nothing() {
        let face = Marked { bbox: [100.0, 100.0, 40.0, 40.0], points: vec![], sure: false };
        let t = assign(&[vec![face]], 320, LEVELS[0]);
        assert_eq!(t.positive.iter().sum::<f32>(), 0.0);
        assert_eq!(t.counts.iter().filter(|c| **c == 0.0).count(), 16);
    }
}
