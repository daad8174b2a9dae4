//! Architecture as data: a network is a list of nodes, each naming the nodes that it reads.
//!
//! Three things read the same description: the trainer (which adds batch normalisation and gradients), the
//! exporter ([`crate::onnx`], which folds the normalisation away) and, through the exported file, the engine.
//! The description is serialisable, so a checkpoint carries the network it belongs to.
//!
//! ```
//! use phiz_net::graph::{Act, Builder};
//! let mut b = Builder::new("tiny", 3);
//! let x = b.input();
//! let x = b.conv("stem", x, 8, 3, 2, 1, Act::Relu);
//! let net = b.finish(&[("features", x)]);
//! assert_eq!(net.cost(64, 64).parameters, 3 * 8 * 9 + 8);
//! ```
//!
//! # Shapes
//! Tensors are `[batch, channels, height, width]`, or `[batch, channels]` behind [`Op::GlobalPool`] and
//! [`Op::GlobalDepthwise`].

use serde::{Deserialize, Serialize};

/// What follows a convolution's normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// The picture, `[batch, channels, height, width]`.
    Input {
        /// Channels of the picture.
        channels: usize,
    },
    /// Square convolution, padded by `kernel / 2`, then batch normalisation (if `norm`), then `act`.
    Conv {
        /// Output channels.
        out: usize,
        /// Side of the kernel; odd.
        kernel: usize,
        /// Stride in both directions.
        stride: usize,
        /// Groups; equal to the channels for a depthwise convolution.
        groups: usize,
        /// Batch normalisation while training, folded into weight and bias on export.
        norm: bool,
        /// Activation.
        act: Act,
    },
    /// Sum of two nodes of one shape, then `act`.
    Add {
        /// Activation.
        act: Act,
    },
    /// Nearest-neighbour enlargement by two.
    Upsample2,
    /// Mean over height and width: `[batch, channels]`.
    GlobalPool,
    /// Mean over height and width with a learnt weight for each place of each channel: `[batch, channels]`.
    ///
    /// A depthwise convolution as large as the map (Chen et al. 2018, MobileFaceNet), begun at `1 / kernel²`. A map
    /// of another size has other places: there the trainer takes the plain mean, so that stages at low resolution
    /// prepare a network for full size. The exported file is for the full size only.
    GlobalDepthwise {
        /// Side of the map.
        kernel: usize,
    },
    /// Fully connected layer with bias over `[batch, channels]`.
    Linear {
        /// Output channels.
        out: usize,
    },
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `e^x`, made safe while training by clamping `x` to at most [`EXP_MAX`].
    Exp,
}

/// Largest argument that [`Op::Exp`] passes on: distances of `e^6 = 403` strides are beyond any picture.
pub const EXP_MAX: f32 = 6.0;

/// One step of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name; parameters are called `name.weight`, `name.bias` and so on.
    pub name: String,
    /// What it computes.
    #[serde(flatten)]
    pub op: Op,
    /// The earlier nodes that it reads, by position.
    pub inputs: Vec<usize>,
}

/// A named result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name in the exported file.
    pub name: String,
    /// Position of the node.
    pub node: usize,
}

/// A network's description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Name, as in file names and cards.
    pub name: String,
    /// Nodes in an order in which each stands behind what it reads.
    pub nodes: Vec<Node>,
    /// Results.
    pub outputs: Vec<Output>,
}

/// A learnable (or running) tensor of a network: name and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `node.weight`, `node.bias`, `node.scale`, `node.shift`, `node.mean`, `node.var`.
    pub name: String,
    /// Shape; convolution weights are `[out, in / groups, kernel, kernel]`, linear ones `[out, in]`.
    pub shape: Vec<usize>,
}

/// What one forward pass costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Weights and biases of the exported form.
    pub parameters: usize,
    /// Multiply-accumulate operations of convolutions and linear layers.
    pub macs: u64,
}

/// Why a description is not a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("node {node:?} of architecture {architecture:?}: {reason}")]
pub struct GraphError {
    /// The architecture's name.
    pub architecture: String,
    /// The node's name.
    pub node: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Architecture {
    /// Channels that come out of each node.
    ///
    /// # Errors
    /// A node that reads what does not stand before it, sums unequal channels, or divides by unequal groups.
    pub fn channels(&self) -> Result<Vec<usize>, GraphError> {
        let mut channels: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for (position, node) in self.nodes.iter().enumerate() {
            let fail = |reason: String| GraphError {
                architecture: self.name.clone(),
                node: node.name.clone(),
                reason,
            };
            let arity = match node.op {
                Op::Input { .. } => 0,
                Op::Add { .. } => 2,
                _ => 1,
            };
            if node.inputs.len() != arity {
                return Err(fail(format!("reads {} nodes, needs {arity}", node.inputs.len())));
            }
            if let Some(&late) = node.inputs.iter().find(|&&i| i >= position) {
                return Err(fail(format!("reads node {late}, which does not stand before it")));
            }
            let read = |i: usize| channels[node.inputs[i]];
            channels.push(match node.op {
                Op::Input { channels } => channels,
                Op::Conv { out, kernel, stride, groups, .. } => {
                    if groups == 0 || read(0) % groups != 0 || out % groups != 0 {
                        return Err(fail(format!("{groups} groups do not divide {} and {out}", read(0))));
                    }
                    if kernel % 2 == 0 || stride == 0 {
                        return Err(fail(format!(
                            "kernel {kernel} must be odd and stride {stride} positive"
                        )));
                    }
                    out
                }
                Op::Linear { out } => out,
                Op::Add { .. } if read(0) != read(1) => {
                    return Err(fail(format!("sums {} and {} channels", read(0), read(1))));
                }
                _ => read(0),
            });
        }
        if let Some(output) = self.outputs.iter().find(|o| o.node >= self.nodes.len()) {
            return Err(GraphError {
                architecture: self.name.clone(),
                node: output.name.clone(),
                reason: "is an output of no node".into(),
            });
        }
        Ok(channels)
    }

    /// All parameters in the order of the nodes: with normalisation apart (`training`) or folded into a bias.
    ///
    /// # Errors
    /// The same errors as [`Architecture::channels`].
    pub fn parameters(&self, training: bool) -> Result<Vec<Parameter>, GraphError> {
        let channels = self.channels()?;
        let mut all = Vec::new();
        for node in &self.nodes {
            let mut push = |suffix: &str, shape: Vec<usize>| {
                all.push(Parameter { name: format!("{}.{suffix}", node.name), shape });
            };
            match node.op {
                Op::Conv { out, kernel, groups, norm, .. } => {
                    push("weight", vec![out, channels[node.inputs[0]] / groups, kernel, kernel]);
                    if norm && training {
                        for suffix in ["scale", "shift", "mean", "var"] {
                            push(suffix, vec![out]);
                        }
                    } else {
                        push("bias", vec![out]);
                    }
                }
                Op::GlobalDepthwise { kernel } => {
                    push("weight", vec![channels[node.inputs[0]], 1, kernel, kernel]);
                }
                Op::Linear { out } => {
                    push("weight", vec![out, channels[node.inputs[0]]]);
                    push("bias", vec![out]);
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// Parameters and multiply-accumulates of one picture of `height` × `width`.
    ///
    /// # Panics
    /// If the description is not a network: see [`Architecture::channels`].
    #[must_use]
    pub fn cost(&self, height: usize, width: usize) -> Cost {
        let channels = self.channels().expect("a checked architecture");
        let mut sizes: Vec<(usize, usize)> = Vec::new();
        let mut macs = 0u64;
        for node in &self.nodes {
            let size = node.inputs.first().map_or((height, width), |&i| sizes[i]);
            let size = match node.op {
                Op::Conv { out, kernel, stride, groups, .. } => {
                    let size = (size.0.div_ceil(stride), size.1.div_ceil(stride));
                    let each = channels[node.inputs[0]] / groups * kernel * kernel * out;
                    macs += (each * size.0 * size.1) as u64;
                    size
                }
                Op::Linear { out } => {
                    macs += (channels[node.inputs[0]] * out) as u64;
                    size
                }
                Op::Upsample2 => (size.0 * 2, size.1 * 2),
                Op::GlobalPool => (1, 1),
                Op::GlobalDepthwise { kernel } => {
                    macs += (channels[node.inputs[0]] * kernel * kernel) as u64;
                    (1, 1)
                }
                _ => size,
            };
            sizes.push(size);
        }
        let parameters = self.parameters(false).expect("a checked architecture");
        Cost { parameters: parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum(), macs }
    }
}

/// Writes an [`Architecture`] node by node; each method returns the new node's position.
#[derive(Debug)]
pub struct Builder {
    net: Architecture,
}

impl Builder {
    /// A network that reads pictures of `channels` channels.
    #[must_use]
    pub fn new(name: &str, channels: usize) -> Builder {
        let input = Node { name: "image".into(), op: Op::Input { channels }, inputs: vec![] };
        Builder { net: Architecture { name: name.into(), nodes: vec![input], outputs: vec![] } }
    }

    /// The picture.
    #[must_use]
    pub fn input(&self) -> usize {
        0
    }

    /// Any node.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[usize]) -> usize {
        self.net.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec() });
        self.net.nodes.len() - 1
    }

    /// Normalised convolution.
    #[allow(clippy::too_many_arguments, reason = "a convolution has that many properties")]
    pub fn conv(
        &mut self,
        name: &str,
        x: usize,
        out: usize,
        kernel: usize,
        stride: usize,
        groups: usize,
        act: Act,
    ) -> usize {
        self.node(name, Op::Conv { out, kernel, stride, groups, norm: true, act }, &[x])
    }

    /// `relu(x + conv(relu(conv(x))))` of 3×3 convolutions, channels kept (He et al. 2016).
    pub fn residual(&mut self, name: &str, x: usize, channels: usize) -> usize {
        let y = self.conv(&format!("{name}.a"), x, channels, 3, 1, 1, Act::Relu);
        let y = self.conv(&format!("{name}.b"), y, channels, 3, 1, 1, Act::None);
        self.node(&format!("{name}.sum"), Op::Add { act: Act::Relu }, &[x, y])
    }

    /// Names the results and gives the description away.
    #[must_use]
    pub fn finish(mut self, outputs: &[(&str, usize)]) -> Architecture {
        self.net.outputs = outputs.iter().map(|&(name, node)| Output { name: name.into(), node }).collect();
        self.net
    }
}
