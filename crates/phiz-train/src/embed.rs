//! Teaching an embedder: a teacher's templates, and the people's names where they are known.
//!
//! The teacher's `d` numbers are placed into our `D ≥ d` by a fixed matrix of orthonormal columns, which keeps
//! every cosine; the other dimensions are free for what the labels teach beyond the teacher.

use phiz_net::onnx::Weights;

use crate::augment::{Strength, augment};
use crate::backend::Backend;
use crate::loss;
use crate::model::Model;
use crate::random::Random;
use crate::recipe::Recipe;
use crate::run::Task;
use crate::shards::Faces;

/// Preprocessing of all our embedders: `(x − 127.5) / 127.5`.
pub const MEAN: [f32; 3] = [127.5; 3];
/// See [`MEAN`].
pub const STD: [f32; 3] = [127.5; 3];

const CENTRES: &str = "head.centres.weight";

/// The task.
pub struct EmbedTask<'a> {
    faces: &'a Faces,
    held_out: &'a Faces,
    recipe: &'a Recipe,
    dim: usize,
    placement: Vec<f32>,
    labels: Vec<Option<usize>>,
    classes: usize,
}

/// Samples of one step.
pub struct EmbedBatch {
    pictures: Vec<u8>,
    size: usize,
    targets: Vec<f32>,
    labels: Vec<Option<usize>>,
}

impl<'a> EmbedTask<'a> {
    /// Learns `faces`, judged on `held_out`, with templates of `dim` numbers (at least the teacher's).
    #[must_use]
    pub fn new(faces: &'a Faces, held_out: &'a Faces, recipe: &'a Recipe, dim: usize) -> EmbedTask<'a> {
        let people: Vec<bool> = faces.names().iter().map(|n| n.starts_with(&recipe.embed.people)).collect();
        let mut numbers = vec![None; people.len()];
        let mut classes = 0;
        for (number, _) in numbers.iter_mut().zip(&people).filter(|(_, counts)| **counts) {
            *number = Some(classes);
            classes += 1;
        }
        let labels = (0..faces.len()).map(|i| faces.person(i).and_then(|p| numbers[p])).collect();
        let placement = orthonormal(dim, faces.dim(), &mut Random::new(0x7068697a));
        EmbedTask { faces, held_out, recipe, dim, placement, labels, classes }
    }
}

/// `rows` × `columns` with orthonormal columns, row-major, by Gram and Schmidt.
fn orthonormal(rows: usize, columns: usize, random: &mut Random) -> Vec<f32> {
    let mut basis: Vec<Vec<f32>> = Vec::new();
    while basis.len() < columns {
        let mut v: Vec<f32> = (0..rows).map(|_| random.normal()).collect();
        for _ in 0..2 {
            for u in &basis {
                let dot: f32 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(u).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = v.iter().map(|a| a * a).sum::<f32>().sqrt();
        basis.push(v.into_iter().map(|a| a / norm).collect());
    }
    (0..rows).flat_map(|r| basis.iter().map(move |u| u[r])).collect()
}

impl<B: Backend> Task<B> for EmbedTask<'_> {
    type Batch = EmbedBatch;

    fn extras(&self, random: &mut Random) -> Weights {
        let mut extras = Weights::new();
        if self.recipe.embed.margin_loss > 0.0 {
            let count = self.classes * self.dim;
            let data = (0..count).map(|_| random.normal() * 0.05).collect();
            extras.insert(CENTRES.into(), (vec![self.classes, self.dim], data));
        }
        extras
    }

    fn load(&self, step: u64, size: usize) -> EmbedBatch {
        let n = self.recipe.batch;
        let d = self.faces.dim();
        let mut batch =
            EmbedBatch { pictures: Vec::new(), size, targets: vec![0.0; n * self.dim], labels: Vec::new() };
        let per_epoch = (self.faces.len() / n).max(1) as u64;
        let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
        for sample in 0..n {
            let mut random = Random::for_sample(self.recipe.seed, step, sample as u64);
            let face = shuffled(within * n + sample, self.faces.len(), self.recipe.seed ^ epoch);
            augment(self.faces.crop(face), size, &self.recipe.augment, &mut random, &mut batch.pictures);
            let target = &mut batch.targets[sample * self.dim..][..self.dim];
            for (value, row) in target.iter_mut().zip(self.placement.chunks_exact(d)) {
                *value = row.iter().zip(self.faces.template(face)).map(|(a, b)| a * b).sum();
            }
            batch.labels.push(self.labels[face]);
        }
        batch
    }

    fn loss(
        &self,
        b: &B,
        model: &Model<B>,
        batch: &EmbedBatch,
    ) -> (B::Tensor, Vec<(&'static str, B::Tensor)>) {
        let n = batch.labels.len();
        let x = b.pictures(&batch.pictures, n, batch.size, batch.size, MEAN, STD);
        let x = loss::unit(b, &model.forward(b, &x, true)[0]);
        let target = b.constant(&batch.targets, &[n, self.dim]);
        let weights = &self.recipe.embed;
        let distil = loss::cosine_distillation(b, &x, &target);
        let mut total = b.affine(&distil, weights.distil, 0.0);
        let mut parts = vec![("distil", distil)];
        if weights.relations > 0.0 {
            let relations = loss::relational_distillation(b, &x, &target);
            total = b.add(&total, &b.affine(&relations, weights.relations, 0.0));
            parts.push(("relations", relations));
        }
        if weights.margin_loss > 0.0 {
            let centres = loss::unit(b, &model.tensors[CENTRES]);
            let margin = loss::cosface(b, &x, &centres, &batch.labels, weights.scale, weights.margin);
            total = b.add(&total, &b.affine(&margin, weights.margin_loss, 0.0));
            parts.push(("margin", margin));
        }
        (total, parts)
    }

    fn evaluate(&self, b: &B, model: &Model<B>, size: usize) -> Vec<(&'static str, f32)> {
        let faces = self.held_out;
        let none = Strength {
            flip: 0.0,
            shift: 0.0,
            scale: 0.0,
            rotate: 0.0,
            colour: 0.0,
            grey: 0.0,
            coarse: 0.0,
            noise: 0.0,
            erase: 0.0,
        };
        let mut templates: Vec<f32> = Vec::new();
        for first in (0..faces.len()).step_by(64) {
            let mut pictures = Vec::new();
            let last = (first + 64).min(faces.len());
            for face in first..last {
                augment(faces.crop(face), size, &none, &mut Random::new(0), &mut pictures);
            }
            let x = b.pictures(&pictures, last - first, size, size, MEAN, STD);
            templates.extend(b.values(&loss::unit(b, &model.forward(b, &x, false)[0])));
        }
        let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
        let rows: Vec<&[f32]> = templates.chunks_exact(self.dim).collect();
        for i in 0..rows.len() {
            for j in 0..i {
                let score: f32 = rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum();
                let same = faces.person(i).is_some() && faces.person(i) == faces.person(j);
                if same { &mut genuine } else { &mut impostor }.push(score);
            }
        }
        let rate = |far: f64, impostor: &mut Vec<f32>| {
            let allowed = (impostor.len() as f64 * far) as usize;
            let (_, threshold, _) = impostor.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a));
            let threshold = *threshold;
            genuine.iter().filter(|&&s| s > threshold).count() as f32 / genuine.len().max(1) as f32
        };
        if impostor.is_empty() {
            return Vec::new();
        }
        let (coarse, fine) = (rate(1e-3, &mut impostor), rate(1e-4, &mut impostor));
        vec![("tar_at_far_1e-3", coarse), ("tar_at_far_1e-4", fine)]
    }
}

/// The `i`-th element of a seeded permutation of `0..n`, without holding it: a Feistel network over the next
/// power of four, walked until it lands within.
fn shuffled(i: usize, n: usize, seed: u64) -> usize {
    let half = (usize::BITS - n.max(2).leading_zeros()).div_ceil(2);
    let mask = (1usize << half) - 1;
    let mut x = i % n;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4u64 {
            let key = Random::for_sample(seed, round, right as u64).bits() as usize;
            (left, right) = (right, left ^ (key & mask));
        }
        x = left << half | right;
        if x < n {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_is_a_permutation() {
        for n in [1, 2, 3, 10, 63, 64, 65, 1000] {
            let mut all: Vec<usize> = (0..n).map(|i| shuffled(i, n, 7)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>(), "n = {n}");
        }
    }

    #[test]
    fn placement_keeps_cosines() {
        let q = orthonormal(20, 6, &mut Random::new(1));
        for a in 0..6 {
            for b in 0..6 {
                let dot: f32 = (0..20).map(|r| q[r * 6 + a] * q[r * 6 + b]).sum();
                assert!((dot - if a == b { 1.0 } else { 0.0 }).abs() < 1e-5, "{a} {b} {dot}");
            }
        }
    }
}
