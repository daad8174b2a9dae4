//! A network that trains: an [`Architecture`] and its parameters as leaves of a back end.

use std::collections::BTreeMap;

use phiz_net::graph::{Act, Architecture, EXP_MAX, GraphError, Op};
use phiz_net::onnx::Weights;

use crate::backend::{Backend, Normalisation, Padding};
use crate::random::Random;

/// Parameters by name; `mean` and `var` of normalisations are state, everything else learns.
pub struct Model<B: Backend> {
    net: Architecture,
    /// Leaves and running statistics by name.
    pub tensors: BTreeMap<String, B::Tensor>,
    shapes: BTreeMap<String, Vec<usize>>,
}

/// Whether an optimiser may change the parameter.
#[must_use]
pub fn learns(name: &str) -> bool {
    !(name.ends_with(".mean") || name.ends_with(".var"))
}

/// The node whose map the network pools last, if it pools.
#[must_use]
pub fn pooled(net: &Architecture) -> Option<usize> {
    let pools = |op: &Op| matches!(op, Op::GlobalPool | Op::GlobalDepthwise { .. });
    net.nodes.iter().rev().find(|node| pools(&node.op)).map(|node| node.inputs[0])
}

impl<B: Backend> Model<B> {
    /// A network with fresh weights: normal of variance `2 / fan-in` (He et al. 2015), identity normalisation,
    /// zero bias, except that a score's bias says "rarely a face" (Lin et al. 2017, focal loss).
    ///
    /// # Errors
    /// The description is not a network.
    pub fn new(backend: &B, net: &Architecture, random: &mut Random) -> Result<Model<B>, GraphError> {
        let mut weights = Weights::new();
        let means = |name: &str| {
            let node =
                name.strip_suffix(".weight").and_then(|n| net.nodes.iter().find(|node| node.name == n));
            node.is_some_and(|node| matches!(node.op, Op::GlobalDepthwise { .. }))
        };
        for p in net.parameters(true)? {
            let count: usize = p.shape.iter().product();
            let data = match p.name.rsplit('.').next() {
                _ if means(&p.name) => vec![1.0 / (p.shape[2] * p.shape[3]) as f32; count],
                Some("weight") => {
                    let deviation = (2.0 / p.shape[1..].iter().product::<usize>() as f32).sqrt();
                    (0..count).map(|_| random.normal() * deviation).collect()
                }
                Some("scale" | "var") => vec![1.0; count],
                Some("bias") if p.name.contains(".score.") => vec![-4.0; count],
                _ => vec![0.0; count],
            };
            weights.insert(p.name, (p.shape, data));
        }
        Ok(Model::from_weights(backend, net, &weights))
    }

    /// A network with given weights, which must be complete.
    #[must_use]
    pub fn from_weights(backend: &B, net: &Architecture, weights: &Weights) -> Model<B> {
        Model::with_learning(backend, net, weights, &learns)
    }

    /// As [`Model::from_weights`], where only such parameters learn as `learns` says by their name.
    #[must_use]
    pub fn with_learning(
        backend: &B,
        net: &Architecture,
        weights: &Weights,
        learns: &dyn Fn(&str) -> bool,
    ) -> Model<B> {
        let mut tensors = BTreeMap::new();
        let mut shapes = BTreeMap::new();
        for (name, (shape, data)) in weights {
            let value = backend.constant(data, shape);
            tensors.insert(name.clone(), if learns(name) { backend.leaf(&value) } else { value });
            shapes.insert(name.clone(), shape.clone());
        }
        Model { net: net.clone(), tensors, shapes }
    }

    /// The network's description.
    #[must_use]
    pub fn network(&self) -> &Architecture {
        &self.net
    }

    /// All values, for checkpoints and export.
    #[must_use]
    pub fn weights(&self, backend: &B) -> Weights {
        let value =
            |(name, t): (&String, &B::Tensor)| (name.clone(), (self.shapes[name].clone(), backend.values(t)));
        self.tensors.iter().map(value).collect()
    }

    /// Runs the network on `[n, c, h, w]`; results in the order of the architecture's outputs.
    #[must_use]
    pub fn forward(&self, b: &B, image: &B::Tensor, training: bool) -> Vec<B::Tensor> {
        self.observe(b, image, training, &mut |_, _| {})
    }

    /// As [`Model::forward`], and the map `[n, c, h, w]` that the network pools into its first output: none if it pools
    /// none.
    pub fn forward_with_map(
        &self,
        b: &B,
        image: &B::Tensor,
        training: bool,
    ) -> (Vec<B::Tensor>, Option<B::Tensor>) {
        let values = self.values(b, image, training, &mut |_, _| {});
        let map = pooled(&self.net).map(|node| values[node].clone());
        (self.outputs(&values), map)
    }

    /// As [`Model::forward`], calling `see` with a node's name and the output of each convolution before it is
    /// normalised.
    pub fn observe(
        &self,
        b: &B,
        image: &B::Tensor,
        training: bool,
        see: &mut dyn FnMut(&str, &B::Tensor),
    ) -> Vec<B::Tensor> {
        self.outputs(&self.values(b, image, training, see))
    }

    fn outputs(&self, values: &[B::Tensor]) -> Vec<B::Tensor> {
        self.net.outputs.iter().map(|o| values[o.node].clone()).collect()
    }

    /// What comes out of every node.
    fn values(
        &self,
        b: &B,
        image: &B::Tensor,
        training: bool,
        see: &mut dyn FnMut(&str, &B::Tensor),
    ) -> Vec<B::Tensor> {
        let mut values: Vec<B::Tensor> = Vec::with_capacity(self.net.nodes.len());
        for node in &self.net.nodes {
            let read = |i: usize| &values[node.inputs[i]];
            let p = |suffix: &str| &self.tensors[&format!("{}.{suffix}", node.name)];
            let activate = |x: B::Tensor, act: Act| if act == Act::Relu { b.relu_over(x) } else { x };
            let value = match node.op {
                Op::Input { .. } => image.clone(),
                Op::Conv { stride, groups, norm: true, act, .. } => {
                    let x = b.conv(read(0), p("weight"), None, stride, groups, Padding::Half);
                    see(&node.name, &x);
                    let by = Normalisation {
                        scale: p("scale"),
                        shift: p("shift"),
                        mean: p("mean"),
                        var: p("var"),
                    };
                    match act {
                        Act::Relu => b.normalise_relu(&x, by, training),
                        Act::None => b.normalise(&x, by, training),
                    }
                }
                Op::Conv { stride, groups, norm: false, act, .. } => {
                    let bias = Some(p("bias"));
                    activate(b.conv(read(0), p("weight"), bias, stride, groups, Padding::Half), act)
                }
                Op::Add { act } => activate(b.add(read(0), read(1)), act),
                Op::Upsample2 => b.upsample2(read(0)),
                Op::GlobalPool => b.global_pool(read(0)),
                Op::GlobalDepthwise { kernel } => {
                    let shape = b.shape(read(0));
                    let fits = shape[2..] == [kernel, kernel];
                    let x = fits.then(|| b.conv(read(0), p("weight"), None, 1, shape[1], Padding::None));
                    b.global_pool(x.as_ref().unwrap_or_else(|| read(0)))
                }
                Op::Linear { .. } => b.add(&b.matmul_transposed(read(0), p("weight")), p("bias")),
                Op::Sigmoid => b.sigmoid(read(0)),
                Op::Exp => b.exp(&b.clamp(read(0), -f64::from(EXP_MAX), f64::from(EXP_MAX))),
            };
            values.push(value);
        }
        values
    }
}
