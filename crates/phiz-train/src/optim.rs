//! AdamW, its schedule, gradient clipping and the average of weights that is exported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::model::learns;

/// How the learning rate moves: up from zero over `warmup` steps, level, and down to zero at the end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Schedule {
    /// Highest learning rate.
    pub rate: f64,
    /// Steps of the rise.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
    /// Fraction of the steps over which the rate falls along a half cosine; 1 is the usual cosine schedule.
    pub fall: f64,
}

impl Schedule {
    /// The learning rate of step `step`, counted from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.rate * (step + 1) as f64 / self.warmup as f64;
        }
        let falling = (self.steps as f64 * self.fall).max(1.0);
        let done = (step as f64 - (self.steps as f64 - falling)) / falling;
        self.rate * 0.5 * (1.0 + (done.clamp(0.0, 1.0) * std::f64::consts::PI).cos())
    }
}

/// AdamW (Loshchilov and Hutter 2019), decaying only weights, never norms or biases.
pub struct AdamW<B: Backend> {
    /// First and second moments by parameter.
    pub moments: BTreeMap<String, (B::Tensor, B::Tensor)>,
    /// Steps taken.
    pub steps: u64,
    decay: f64,
    clip: f64,
}

const BETA: (f64, f64) = (0.9, 0.99);
const EPSILON: f64 = 1e-8;

impl<B: Backend> AdamW<B> {
    /// With a weight decay (as a fraction of the learning rate) and a bound on the gradient's norm.
    #[must_use]
    pub fn new(decay: f64, clip: f64) -> AdamW<B> {
        AdamW { moments: BTreeMap::new(), steps: 0, decay, clip }
    }

    /// Moves every learning parameter that has a gradient; returns the gradient's norm, infinite or NaN if the
    /// loss was not finite, and then leaves everything as it was.
    pub fn step(&mut self, b: &B, tensors: &mut BTreeMap<String, B::Tensor>, rate: f64) -> f32 {
        b.without_gradients(|| {
            let gradients: Vec<(String, B::Tensor)> = tensors
                .iter()
                .filter(|(name, _)| learns(name))
                .filter_map(|(name, p)| Some((name.clone(), b.gradient(p)?)))
                .collect();
            let squares = gradients.iter().map(|(_, g)| f64::from(b.scalar(&b.sum(&b.mul(g, g)))));
            let norm = squares.sum::<f64>().sqrt();
            if !norm.is_finite() {
                return norm as f32;
            }
            self.steps += 1;
            let shrink = (self.clip / norm.max(1e-12)).min(1.0);
            let unbias = |beta: f64| 1.0 / (1.0 - beta.powi(self.steps.min(1 << 30) as i32));
            for (name, gradient) in gradients {
                let p = &tensors[&name];
                let g = b.affine(&gradient, shrink, 0.0);
                let squared = b.mul(&g, &g);
                let moved = |old: &B::Tensor, new: &B::Tensor, beta: f64| {
                    b.add(&b.affine(old, beta, 0.0), &b.affine(new, 1.0 - beta, 0.0))
                };
                let (m, v) = match self.moments.get(&name) {
                    Some((m, v)) => (moved(m, &g, BETA.0), moved(v, &squared, BETA.1)),
                    None => (b.affine(&g, 1.0 - BETA.0, 0.0), b.affine(&squared, 1.0 - BETA.1, 0.0)),
                };
                let deviation = b.affine(&b.sqrt(&b.affine(&v, unbias(BETA.1), 0.0)), 1.0, EPSILON);
                let change = b.div(&b.affine(&m, rate * unbias(BETA.0), 0.0), &deviation);
                let decay = if name.ends_with(".weight") { self.decay * rate } else { 0.0 };
                let next = b.sub(&b.affine(p, 1.0 - decay, 0.0), &change);
                let next = b.leaf(&next);
                tensors.insert(name.clone(), next);
                self.moments.insert(name, (m, v));
            }
            norm as f32
        })
    }
}

/// Exponential moving average of all values, the form that is judged and exported.
pub struct Average<B: Backend> {
    /// Averages by name.
    pub tensors: BTreeMap<String, B::Tensor>,
    decay: f64,
}

impl<B: Backend> Average<B> {
    /// Begins at the present values.
    pub fn new(b: &B, tensors: &BTreeMap<String, B::Tensor>, decay: f64) -> Average<B> {
        let copy = |(n, t): (&String, &B::Tensor)| (n.clone(), b.affine(&b.detach(t), 1.0, 0.0));
        Average { tensors: tensors.iter().map(copy).collect(), decay }
    }

    /// Moves towards the present values; early in a run faster, so that the first weights are soon forgotten.
    pub fn update(&mut self, b: &B, tensors: &BTreeMap<String, B::Tensor>, step: u64) {
        let decay = self.decay.min((1.0 + step as f64) / (10.0 + step as f64));
        b.without_gradients(|| {
            for (name, average) in &mut self.tensors {
                let now = b.detach(&tensors[name]);
                *average = b.add(&b.affine(average, decay, 0.0), &b.affine(&now, 1.0 - decay, 0.0));
            }
        });
    }
}
