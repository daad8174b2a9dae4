//! Optimisers, gradient clipping, and the average of weights that is judged and exported.

use std::collections::{BTreeMap, BTreeSet};

use phiz_net::graph::{Architecture, Node, Op};
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
    /// Muon (Jordan et al. 2024) for the weights of dense layers behind the first: momentum after Nesterov, orthogonalised, so
    /// that every direction of a layer moves alike. AdamW for all other parameters: the first layer, depthwise layers,
    /// normalisations, biases, heads.
    Muon {
        /// Decay of the velocity.
        #[serde(default = "Rule::default_muon_momentum")]
        momentum: f64,
        /// The other parameters' learning rate as a part of the schedule's.
        #[serde(default = "Rule::default_others")]
        others: f64,
        /// Decay of the first moment of the other parameters.
        #[serde(default = "Rule::default_first")]
        first: f64,
        /// Decay of their second moment.
        #[serde(default = "Rule::default_second")]
        second: f64,
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
    fn default_muon_momentum() -> f64 {
        0.95
    }
    fn default_others() -> f64 {
        0.1
    }

    /// What is impossible in the numbers, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let (decays, others) = match *self {
            Rule::Adamw { first, second } => (vec![("first", first), ("second", second)], 1.0),
            Rule::Sgd { momentum } => (vec![("momentum", momentum)], 1.0),
            Rule::Muon { momentum, others, first, second } => {
                (vec![("momentum", momentum), ("first", first), ("second", second)], others)
            }
        };
        if let Some((name, value)) = decays.into_iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
            return Some(format!("optimiser.{name} must be in [0, 1), not {value}"));
        }
        (!(others > 0.0 && others.is_finite()))
            .then(|| format!("optimiser.others must be a positive number, not {others}"))
    }
}

/// Names of the weights that Muon orthogonalises: those of dense convolutions with a normalisation that do not read the
/// picture, and of linear layers. A first layer's filters and a depthwise one's are no matrices between features.
#[must_use]
pub fn matrices(net: &Architecture) -> BTreeSet<String> {
    let reads_picture =
        |inputs: &[usize]| inputs.iter().any(|&i| matches!(net.nodes[i].op, Op::Input { .. }));
    let matrix = |node: &&Node| match node.op {
        Op::Conv { groups, norm, .. } => groups == 1 && norm && !reads_picture(&node.inputs),
        Op::Linear { .. } => true,
        _ => false,
    };
    net.nodes.iter().filter(matrix).map(|node| format!("{}.weight", node.name)).collect()
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
    /// First moments (AdamW) or velocities (SGD, Muon) by parameter.
    pub first: BTreeMap<String, B::Tensor>,
    /// Second moments by parameter, of those that AdamW moves.
    pub second: BTreeMap<String, B::Tensor>,
    /// Steps taken.
    pub steps: u64,
    rule: Rule,
    decay: f64,
    clip: f64,
    /// What Muon moves.
    matrices: BTreeSet<String>,
}

impl<B: Backend> Optimiser<B> {
    /// With a weight decay and a bound on the gradient's norm, for the parameters of `net` and heads.
    #[must_use]
    pub fn new(rule: Rule, decay: f64, clip: f64, net: &Architecture) -> Optimiser<B> {
        let (first, second) = (BTreeMap::new(), BTreeMap::new());
        Optimiser { first, second, steps: 0, rule, decay, clip, matrices: matrices(net) }
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
                match self.rule {
                    Rule::Adamw { first, second } => {
                        self.adamw(b, tensors, (name, gradient), shrink, rate, (first, second));
                    }
                    Rule::Muon { momentum, .. } if self.matrices.contains(name) => {
                        self.muon(b, tensors, (name, gradient), shrink, rate, momentum);
                    }
                    Rule::Muon { others, first, second, .. } => {
                        self.adamw(b, tensors, (name, gradient), shrink, rate * others, (first, second));
                    }
                    Rule::Sgd { momentum } => {
                        let p = &tensors[name];
                        let g = b.add(&b.affine(gradient, shrink, 0.0), &b.affine(p, self.decays(name), 0.0));
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

    /// The weight decay of a parameter.
    fn decays(&self, name: &str) -> f64 {
        if name.ends_with(".weight") { self.decay } else { 0.0 }
    }

    fn adamw(
        &mut self,
        b: &B,
        tensors: &mut BTreeMap<String, B::Tensor>,
        (name, gradient): (&String, &B::Tensor),
        shrink: f64,
        rate: f64,
        beta: (f64, f64),
    ) {
        let unbias = |beta: f64| 1.0 / (1.0 - beta.powi(self.steps.min(1 << 30) as i32));
        let step = AdamwStep {
            shrink,
            rate,
            decay: self.decays(name),
            beta,
            unbias: (unbias(beta.0), unbias(beta.1)),
            epsilon: EPSILON,
        };
        let Some(value) = tensors.remove(name) else { return };
        let (first, second) = (self.first.remove(name), self.second.remove(name));
        let next = b.adamw(Remembered { value, first, second }, gradient, &step);
        tensors.insert(name.clone(), next.value);
        self.first.extend(next.first.map(|m| (name.clone(), m)));
        self.second.extend(next.second.map(|v| (name.clone(), v)));
    }

    /// One step of Muon: `p ← (1 − decay·rate)·p − rate·√max(1, rows/columns)·orthogonal(momentum·v + (1 − momentum)·g)` where
    /// `v ← momentum·v + (1 − momentum)·g`. A convolution's filters are the rows of its matrix.
    fn muon(
        &mut self,
        b: &B,
        tensors: &mut BTreeMap<String, B::Tensor>,
        (name, gradient): (&String, &B::Tensor),
        shrink: f64,
        rate: f64,
        momentum: f64,
    ) {
        let Some(p) = tensors.get(name) else { return };
        let shape = b.shape(p);
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let g = b.affine(gradient, (1.0 - momentum) * shrink, 0.0);
        let velocity = match self.first.get(name) {
            Some(v) => b.add(&b.affine(v, momentum, 0.0), &g),
            None => g.clone(),
        };
        let ahead = b.add(&b.affine(&velocity, momentum, 0.0), &g);
        let direction = b.orthogonal(&b.reshape(&ahead, &[rows, columns]));
        // A tall matrix with unit singular values changes its outputs by less than a wide one.
        let aspect = (rows as f64 / columns as f64).max(1.0).sqrt();
        let change = b.affine(&b.reshape(&direction, &shape), rate * aspect, 0.0);
        let next = b.sub(&b.affine(p, 1.0 - self.decays(name) * rate, 0.0), &change);
        tensors.insert(name.clone(), b.leaf(&next));
        self.first.insert(name.clone(), velocity);
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
