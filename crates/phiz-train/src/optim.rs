//! Optimisers, gradient clipping, and the average of weights that is judged and exported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
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
            let squares = gradients.values().map(|g| b.sum(&b.mul(g, g)));
            let square = squares.reduce(|sum, square| b.add(&sum, &square));
            let norm = f64::from(square.map_or(0.0, |square| b.scalar(&square))).sqrt();
            if !norm.is_finite() {
                return norm as f32;
            }
            self.steps += 1;
            let shrink = (self.clip / norm.max(1e-12)).min(1.0);
            for (name, gradient) in gradients {
                let g = b.affine(gradient, shrink, 0.0);
                let p = &tensors[name];
                let decay = if name.ends_with(".weight") { self.decay } else { 0.0 };
                let next = match self.rule {
                    Rule::Adamw { first, second } => self.adamw(b, name, p, &g, rate, decay, (first, second)),
                    Rule::Sgd { momentum } => {
                        let g = b.add(&g, &b.affine(p, decay, 0.0));
                        let v = self.first.get(name).map(|v| b.add(&b.affine(v, momentum, 0.0), &g));
                        let v = v.unwrap_or(g);
                        let next = b.sub(p, &b.affine(&v, rate, 0.0));
                        self.first.insert(name.clone(), v);
                        next
                    }
                };
                tensors.insert(name.clone(), b.leaf(&next));
            }
            norm as f32
        })
    }

    #[allow(clippy::too_many_arguments, reason = "one private caller, each argument another kind of thing")]
    fn adamw(
        &mut self,
        b: &B,
        name: &str,
        p: &B::Tensor,
        g: &B::Tensor,
        rate: f64,
        decay: f64,
        beta: (f64, f64),
    ) -> B::Tensor {
        let unbias = |beta: f64| 1.0 / (1.0 - beta.powi(self.steps.min(1 << 30) as i32));
        let moved = |old: Option<&B::Tensor>, new: &B::Tensor, beta: f64| {
            let new = b.affine(new, 1.0 - beta, 0.0);
            old.map_or(new.clone(), |old| b.add(&b.affine(old, beta, 0.0), &new))
        };
        let m = moved(self.first.get(name), g, beta.0);
        let v = moved(self.second.get(name), &b.mul(g, g), beta.1);
        let deviation = b.affine(&b.sqrt(&b.affine(&v, unbias(beta.1), 0.0)), 1.0, EPSILON);
        let change = b.div(&b.affine(&m, rate * unbias(beta.0), 0.0), &deviation);
        let next = b.sub(&b.affine(p, 1.0 - decay * rate, 0.0), &change);
        self.first.insert(name.into(), m);
        self.second.insert(name.into(), v);
        next
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
