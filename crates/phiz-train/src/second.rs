//! Teaching a detector's second look: one face (or what was taken for one) in the middle of a small picture, for which
//! the network says whether it is a face, where exactly, and where its landmarks are.
//!
//! The losses are the detector's, of a map that has but one place: the middle, with distances in [`UNIT`] pixels. What
//! first looks wrongly took for faces is in the scenes (`phiz data scenes --candidates`).

use phiz_net::onnx::Weights;
use phiz_net::zoo::{SECOND_FACE as FACE, SECOND_SIDE as SIDE, SECOND_UNIT as UNIT};

use crate::backend::Backend;
use crate::card::{MEAN, STD};
use crate::detect::weighed;
use crate::error::TrainError;
use crate::loss::detector::{self, CellTargets};
use crate::model::Model;
use crate::random::Random;
use crate::recipe::Recipe;
use crate::run::{Load, Loss, Task};
use crate::scenes::{Marked, Scenes, iou};
use crate::watch::Figures;

/// Held-out views that are judged.
const JUDGED: usize = 2048;

/// The task.
pub struct SecondTask<'a> {
    scenes: &'a Scenes,
    held_out: &'a Scenes,
    recipe: &'a Recipe,
}

/// Samples of one step.
pub struct SecondBatch {
    pictures: Vec<u8>,
    faces: Vec<Option<Marked>>,
}

impl<'a> SecondTask<'a> {
    /// Learns from `scenes`, judged on views of `held_out`.
    #[must_use]
    pub fn new(scenes: &'a Scenes, held_out: &'a Scenes, recipe: &'a Recipe) -> SecondTask<'a> {
        SecondTask { scenes, held_out, recipe }
    }

    fn views(&self, scenes: &Scenes, seed: u64, step: u64, n: usize) -> SecondBatch {
        let recipe = self.recipe;
        let mut pictures = Vec::with_capacity(n * SIDE * SIDE * 3);
        let view = |sample| {
            let mut random = Random::for_sample(seed, step, sample);
            scenes.view(SIDE, FACE, &recipe.augment, recipe.detect.empty, &mut random, &mut pictures)
        };
        let faces = (0..n as u64).map(view).collect();
        SecondBatch { pictures, faces }
    }
}

/// What the network should say of each view.
fn targets(faces: &[Option<Marked>]) -> CellTargets {
    let n = faces.len();
    let mut t = CellTargets {
        shape: vec![n],
        positive: vec![0.0; n],
        counts: vec![1.0; n],
        sides: vec![1.0; n * 4],
        points: vec![0.0; n * 10],
        point_weight: vec![0.0; n],
    };
    let middle = SIDE as f32 / 2.0;
    for (i, face) in faces.iter().enumerate() {
        let Some(face) = face else { continue };
        let [x, y, w, h] = face.bbox;
        t.positive[i] = 1.0;
        for (side, d) in [middle - x, middle - y, x + w - middle, y + h - middle].into_iter().enumerate() {
            t.sides[i * 4 + side] = (d / UNIT).max(0.01);
        }
        if !face.points.is_empty() {
            t.point_weight[i] = UNIT / (w * h).sqrt();
        }
        for (k, p) in face.points.iter().enumerate() {
            t.points[i * 10 + k] = (p - middle) / UNIT;
        }
    }
    t
}

impl Load for SecondTask<'_> {
    type Batch = SecondBatch;

    fn load(&self, number: u64, _: usize) -> SecondBatch {
        self.views(self.scenes, self.recipe.seed, number, self.recipe.batch)
    }
}

impl<B: Backend> Task<B> for SecondTask<'_> {
    type Loader = Self;

    fn loader(&self) -> &Self {
        self
    }

    fn extras(&self, _: &mut Random) -> Weights {
        Weights::new()
    }

    fn pictures(&self, b: &B, batch: &SecondBatch) -> B::Tensor {
        b.pictures(&batch.pictures, batch.faces.len(), SIDE, SIDE, MEAN, STD)
    }

    fn loss(&self, b: &B, model: &Model<B>, batch: &SecondBatch) -> Result<Loss<B::Tensor>, TrainError> {
        let x = Task::<B>::pictures(self, b, batch);
        let outputs = model.forward(b, &x, self.recipe.learns.is_empty());
        let target = targets(&batch.faces);
        let rule = self.recipe.detect.rule();
        let l = detector::loss(b, &outputs[0], &outputs[1], &outputs[2], &target, rule);
        let pointed = target.point_weight.iter().filter(|w| **w > 0.0).count();
        Ok(weighed(b, &[l.score, l.sides, l.points], target.positive.iter().sum(), pointed))
    }

    /// On held-out views: faces with a score above 0.5 and others below it, the mean overlap of boxes, and the mean
    /// landmark error in parts of the face's size.
    fn evaluate(&self, b: &B, model: &Model<B>, _: usize) -> Figures {
        let mut sums = [0f64; 4];
        let mut counts = [0f64; 4];
        let mut add = |i: usize, value: f64| {
            sums[i] += value;
            counts[i] += 1.0;
        };
        let middle = SIDE as f32 / 2.0;
        for step in 0..(JUDGED / 64) as u64 {
            let batch = self.views(self.held_out, 0x7475_6e65, step, 64);
            let x = Task::<B>::pictures(self, b, &batch);
            let outputs: Vec<Vec<f32>> = model.forward(b, &x, false).iter().map(|o| b.values(o)).collect();
            for (i, face) in batch.faces.iter().enumerate() {
                let sure = outputs[0][i] >= 0.5;
                let Some(face) = face else {
                    add(1, f64::from(!sure));
                    continue;
                };
                add(0, f64::from(sure));
                let d = |k: usize| outputs[1][i * 4 + k] * UNIT;
                let found = [middle - d(0), middle - d(1), d(0) + d(2), d(1) + d(3)];
                add(2, f64::from(iou(&found, &face.bbox)));
                if face.points.is_empty() {
                    continue;
                }
                let size = (face.bbox[2] * face.bbox[3]).sqrt();
                let point = |k: usize| outputs[2][i * 10 + k] * UNIT + middle;
                let each = face.points.chunks_exact(2).enumerate();
                let error: f32 =
                    each.map(|(k, p)| (point(2 * k) - p[0]).hypot(point(2 * k + 1) - p[1])).sum();
                add(3, f64::from(error / 5.0 / size));
            }
        }
        let names = ["faces_known", "others_known", "overlap", "landmark_error"];
        let mean = |i: usize| (sums[i] / counts[i].max(1.0)) as f32;
        names.iter().enumerate().map(|(i, name)| ((*name).into(), mean(i))).collect()
    }
}
