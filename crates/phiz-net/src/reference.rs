//! What a network computes, by definition: every operation as a plain loop.
//!
//! The trainer, the exporter and the engine are held to this by tests. Slow on purpose, and never used by the product.

use crate::graph::{Act, Architecture, Op};
use crate::onnx::{ExportError, NORM_EPSILON, Weights, check};

/// Values in the order of their shape, the last axis contiguous.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// `[batch, channels, height, width]` or `[batch, channels]`.
    pub shape: Vec<usize>,
    /// As many as the product of `shape`.
    pub data: Vec<f32>,
}

impl Map {
    /// Axes of height and width that are missing count 1.
    fn size(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|axis| self.shape.get(axis).copied().unwrap_or(1))
    }

    fn at(&self, n: usize, c: usize, y: usize, x: usize) -> f64 {
        let [_, channels, height, width] = self.size();
        self.data[((n * channels + c) * height + y) * width + x].into()
    }

    fn filled(shape: Vec<usize>, value: impl Fn([usize; 4]) -> f64) -> Map {
        let mut map = Map { shape, data: Vec::new() };
        let [batch, channels, height, width] = map.size();
        for n in 0..batch {
            for c in 0..channels {
                for y in 0..height {
                    map.data.extend((0..width).map(|x| value([n, c, y, x]) as f32));
                }
            }
        }
        map
    }
}

/// The outputs of a network in their order, with weights as the trainer has them (normalisation apart).
///
/// Requires: `image` has the shape `[batch, channels, height, width]` with the network's channels.
///
/// # Errors
/// A tensor that is missing, of another shape, or not finite.
pub fn forward(net: &Architecture, weights: &Weights, image: &Map) -> Result<Vec<Map>, ExportError> {
    check(net, weights)?;
    let mut maps: Vec<Map> = Vec::new();
    for node in &net.nodes {
        let read = |i: usize| &maps[node.inputs[i]];
        let parameter = |suffix: &str| &weights[&format!("{}.{suffix}", node.name)].1;
        let act = |act: Act, v: f64| if act == Act::Relu { v.max(0.0) } else { v };
        let map = match node.op {
            Op::Input { .. } => image.clone(),
            Op::Conv { out, kernel, stride, groups, norm, act: after } => {
                let x = read(0);
                let [batch, channels, height, width] = x.size();
                let each = channels / groups;
                let weight = parameter("weight");
                let shape = vec![batch, out, height.div_ceil(stride), width.div_ceil(stride)];
                Map::filled(shape, |[n, c, row, column]| {
                    let mut sum = 0.0;
                    for i in 0..each {
                        for (ky, kx) in (0..kernel * kernel).map(|k| (k / kernel, k % kernel)) {
                            let y = (row * stride + ky).checked_sub(kernel / 2).filter(|y| *y < height);
                            let x_at = (column * stride + kx).checked_sub(kernel / 2).filter(|x| *x < width);
                            if let (Some(y), Some(x_at)) = (y, x_at) {
                                let w = weight[((c * each + i) * kernel + ky) * kernel + kx];
                                sum += f64::from(w) * x.at(n, c / (out / groups) * each + i, y, x_at);
                            }
                        }
                    }
                    let value = |suffix: &str| f64::from(parameter(suffix)[c]);
                    let sum = if norm {
                        let deviation = (value("var") + f64::from(NORM_EPSILON)).sqrt();
                        (sum - value("mean")) / deviation * value("scale") + value("shift")
                    } else {
                        sum + value("bias")
                    };
                    act(after, sum)
                })
            }
            Op::Add { act: after } => {
                let (a, b) = (read(0), read(1));
                Map::filled(a.shape.clone(), |[n, c, y, x]| act(after, a.at(n, c, y, x) + b.at(n, c, y, x)))
            }
            Op::Upsample2 => {
                let a = read(0);
                let [batch, channels, height, width] = a.size();
                Map::filled(vec![batch, channels, 2 * height, 2 * width], |[n, c, y, x]| {
                    a.at(n, c, y / 2, x / 2)
                })
            }
            Op::GlobalPool => {
                let a = read(0);
                let [batch, channels, height, width] = a.size();
                let all = |n, c| (0..height * width).map(move |k| a.at(n, c, k / width, k % width));
                Map::filled(vec![batch, channels], |[n, c, ..]| {
                    all(n, c).sum::<f64>() / (height * width) as f64
                })
            }
            Op::GlobalDepthwise { kernel } => {
                let a = read(0);
                let [batch, channels, height, width] = a.size();
                let weight = parameter("weight");
                let places = height * width;
                // On a map of another size the weights have no places of their own.
                let part = |c: usize, k: usize| match (height, width) == (kernel, kernel) {
                    true => f64::from(weight[c * places + k]),
                    false => 1.0 / places as f64,
                };
                Map::filled(vec![batch, channels], |[n, c, ..]| {
                    (0..places).map(|k| part(c, k) * a.at(n, c, k / width, k % width)).sum()
                })
            }
            Op::Linear { out } => {
                let a = read(0);
                let [batch, channels, ..] = a.size();
                let (weight, bias) = (parameter("weight"), parameter("bias"));
                Map::filled(vec![batch, out], |[n, c, ..]| {
                    let products =
                        (0..channels).map(|i| f64::from(weight[c * channels + i]) * a.at(n, i, 0, 0));
                    products.sum::<f64>() + f64::from(bias[c])
                })
            }
            Op::Sigmoid => pointwise(read(0), |v| 1.0 / (1.0 + (-v).exp())),
            Op::Exp => pointwise(read(0), f64::exp),
        };
        maps.push(map);
    }
    Ok(net.outputs.iter().map(|output| maps[output.node].clone()).collect())
}

fn pointwise(a: &Map, f: impl Fn(f64) -> f64) -> Map {
    Map { shape: a.shape.clone(), data: a.data.iter().map(|&v| f(v.into()) as f32).collect() }
}
