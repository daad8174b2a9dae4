//! Optimisers, gradient clipping, and the average of weights that is judged and exported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::{AdamwStep, Backend, Remembered};
use crate::model::learns;

/// How gradients become changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// AdamW (Loshchilov and Hutter 2019).
    Adamw {
        /// Decay of the first moment.
        #[serde(default = "Rule::default_first")]
        first: f64,
        /// Decay of the second moment.
        #[serde(default = "Rule::default_second")]
        second: f64,
    },
    /// Stochastic gradient descent with momentum; the decay is added to the gradient.
    Sgd {
        /// Decay of the velocity.
        #[serde(default = "Rule::default_first")]
        momentum: f64,
    },
}

impl Default for Rule {
    fn default() -> Rule {
        Rule::Adamw { first: Rule::default_first(), second: Rule::default_second() }
    }
}

impl Rule {
    fn default_first() -> f64 {
        0.9
    }
    fn default_second() -> f64 {
        0.99
    }
}

const EPSILON: f64 = 1e-8;

/// Gradients by parameter.
pub type Gradients<T> = BTreeMap<String, T>;

/// Adds to sums of gradients, for steps of several batches.
pub fn accumulate<B: Backend>(b: &B, sums: &mut Gradients<B::Tensor>, more: Gradients<B::Tensor>) {
    b.without_gradients(|| {
        for (name, gradient) in more {
            let sum = sums.get(&name).map(|sum| b.add(sum, &gradient));
            sums.insert(name, sum.unwrap_or(gradient));
        }
    });
}

/// Gradients of a loss with respect to all that learns.
pub fn gradients<B: Backend>(
    b: &B,
    loss: &B::Tensor,
    tensors: &BTreeMap<String, B::Tensor>,
) -> Gradients<B::Tensor> {
    let (names, leaves): (Vec<&String>, Vec<&B::Tensor>) = tensors.iter().filter(|(n, _)| learns(n)).unzip();
    let found = names.into_iter().zip(b.gradients(loss, &leaves));
    found.filter_map(|(name, gradient)| Some((name.clone(), gradient?))).collect()
}

/// Changes parameters by their gradients, decaying only weights, never norms or biases.
pub struct Optimiser<B: Backend> {
    /// First moments (AdamW) or velocities (SGD) by parameter.
    pub first: BTreeMap<String, B::Tensor>,
    /// Second moments by parameter; empty for SGD.
    pub second: BTreeMap<String, B::Tensor>,
    /// Steps taken.
    pub steps: u64,
    rule: Rule,
    decay: f64,
    clip: f64,
}

impl<B: Backend> Optimiser<B> {
    /// With a weight decay and a bound on the gradient's norm.
    #[must_use]
    pub fn new(rule: Rule, decay: f64, clip: f64) -> Optimiser<B> {
        Optimiser { first: BTreeMap::new(), second: BTreeMap::new(), steps: 0, rule, decay, clip }
    }

    /// Moves every parameter that has a gradient; returns the gradient's norm, infinite or NaN if the loss was not
    /// finite, and then leaves everything as it was.
    pub fn step(
        &mut self,
        b: &B,
        tensors: &mut BTreeMap<String, B::Tensor>,
        gradients: &Gradients<B::Tensor>,
        rate: f64,
    ) -> f32 {
        b.without_gradients(|| {
            // One number is fetched from the device, not one for each parameter.
            let squares = gradients.values().map(|g| b.squares(g));
            let square = squares.reduce(|sum, square| b.add(&sum, &square));
            let norm = f64::from(square.map_or(0.0, |square| b.scalar(&square))).sqrt();
            if !norm.is_finite() {
                return norm as f32;
            }
            self.steps += 1;
            let shrink = (self.clip / norm.max(1e-12)).min(1.0);
            for (name, gradient) in gradients {
                let decay = if name.ends_with(".weight") { self.decay } else { 0.0 };
                match self.rule {
                    Rule::Adamw { first, second } => {
                        let unbias = |beta: f64| 1.0 / (1.0 - beta.powi(self.steps.min(1 << 30) as i32));
                        let step = AdamwStep {
                            shrink,
                            rate,
                            decay,
                            beta: (first, second),
                            unbias: (unbias(first), unbias(second)),
                            epsilon: EPSILON,
                        };
                        let Some(value) = tensors.remove(name) else { continue };
                        let (first, second) = (self.first.remove(name), self.second.remove(name));
                        let next = b.adamw(Remembered { value, first, second }, gradient, &step);
                        tensors.insert(name.clone(), next.value);
                        self.first.extend(next.first.map(|m| (name.clone(), m)));
                        self.second.extend(next.second.map(|v| (name.clone(), v)));
                    }
                    Rule::Sgd { momentum } => {
                        let p = &tensors[name];
                        let g = b.add(&b.affine(gradient, shrink, 0.0), &b.affine(p, decay, 0.0));
                        let v = self.first.get(name).map(|v| b.add(&b.affine(v, momentum, 0.0), &g));
                        let v = v.unwrap_or(g);
                        let next = b.sub(p, &b.affine(&v, rate, 0.0));
                        self.first.insert(name.clone(), v);
                        tensors.insert(name.clone(), b.leaf(&next));
                    }
                }
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
            for (name, now) in tensors {
                if let Some(average) = self.tensors.remove(name) {
                    self.tensors.insert(name.clone(), b.averaged(average, &b.detach(now), decay));
                }
            }
        });
    }
}
