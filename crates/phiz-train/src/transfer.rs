//! Weights to begin from: our own checkpoints and exported models, taken over without changing what they compute.
//!
//! An exported network has its normalisation folded away. Training wants it back, and the function must not change
//! the moment training begins. So the statistics of every convolution's output are measured on a batch, and the
//! normalisation gets `scale = √(variance + ε)` and `shift = mean + bias`: dividing by the deviation and multiplying
//! by it again, it does nothing, neither with the batch's statistics nor with the running ones.

use std::path::{Path, PathBuf};

use phiz_net::graph::{Architecture, Op};
use phiz_net::onnx::{self, NORM_EPSILON, Weights};

use crate::backend::Backend;
use crate::error::TrainError;
use crate::model::Model;
use crate::weights::read_weights;

/// Weights to begin a run from.
#[derive(Clone, Debug)]
pub enum Start {
    /// In the form in which they are trained.
    Trained(Weights),
    /// Folded, as exported.
    Folded(Weights),
}

impl Start {
    /// Reads a `.onnx` file that we exported, or a `.safetensors` file of trained or folded weights.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not of this network.
    pub fn open(path: &Path, net: &Architecture) -> Result<Start, TrainError> {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
            let bytes = std::fs::read(path).map_err(|e| TrainError::file(path, &e))?;
            return Start::from_onnx(&bytes, net, path);
        }
        let found = read_weights(path)?;
        let fits = |training: bool| -> Result<usize, TrainError> {
            let all = net.parameters(training)?;
            Ok(all.iter().filter(|p| found.get(&p.name).is_some_and(|(shape, _)| *shape == p.shape)).count())
        };
        let (trained, folded) = (fits(true)?, fits(false)?);
        if folded == net.parameters(false)?.len() && trained < net.parameters(true)?.len() {
            return Ok(Start::Folded(found));
        }
        if trained == 0 {
            let reason = format!("holds no parameter of {}: give weights of the same architecture", net.name);
            return Err(TrainError::file(path, &reason));
        }
        Ok(Start::Trained(found))
    }

    /// The weights in an ONNX file that we exported; `path` is named in errors.
    ///
    /// # Errors
    /// Bytes that are no ONNX file of this network.
    pub fn from_onnx(bytes: &[u8], net: &Architecture, path: &Path) -> Result<Start, TrainError> {
        let read = onnx::read_weights(net, bytes);
        read.map(Start::Folded)
            .map_err(|e| TrainError::File { path: PathBuf::from(path), reason: e.to_string() })
    }

    /// Whether every parameter of the network is there.
    ///
    /// # Errors
    /// The description is not a network.
    pub fn complete(&self, net: &Architecture) -> Result<bool, TrainError> {
        let (weights, training) = match self {
            Start::Trained(weights) => (weights, true),
            Start::Folded(weights) => (weights, false),
        };
        let all = net.parameters(training)?;
        Ok(all.iter().all(|p| weights.get(&p.name).is_some_and(|(shape, _)| *shape == p.shape)))
    }

    /// The weights in their trained form; `pictures` are a batch like those that will be learnt.
    ///
    /// # Errors
    /// Weights that lack a parameter of the network.
    pub fn weights<B: Backend>(
        &self,
        b: &B,
        net: &Architecture,
        pictures: &B::Tensor,
    ) -> Result<Weights, TrainError> {
        match self {
            Start::Trained(weights) => Ok(grown(net, weights)),
            Start::Folded(folded) => measured(b, net, folded, pictures),
        }
    }
}

/// With residual blocks that `weights` do not have beginning as identities (Goyal et al. 2017, section 5.1), so that a
/// network grows without losing what it has learnt.
fn grown(net: &Architecture, weights: &Weights) -> Weights {
    let mut weights = weights.clone();
    let sums = net.nodes.iter().filter(|node| matches!(node.op, Op::Add { .. }));
    for last in sums.filter_map(|sum| net.nodes.get(*sum.inputs.last()?)) {
        let scale = format!("{}.scale", last.name);
        if let Op::Conv { out, norm: true, .. } = last.op
            && !weights.contains_key(&format!("{}.weight", last.name))
        {
            weights.insert(scale, (vec![out], vec![0.0; out]));
        }
    }
    weights
}

/// The weighted mean of folded weights of one network; the shares should sum to 1.
///
/// # Errors
/// A parameter that one of them lacks, has in another shape, or has with a value that is no finite number.
pub fn mean(parts: &[(f64, Weights)]) -> Result<Weights, TrainError> {
    let mut all = Weights::new();
    for (name, (shape, values)) in parts.first().map(|(_, weights)| weights).into_iter().flatten() {
        let mut sum = vec![0.0; values.len()];
        for (share, weights) in parts {
            let values = weights.get(name).filter(|(other, _)| other == shape).map(|(_, values)| values);
            let values = values.ok_or_else(|| {
                TrainError::Form(format!("the weights differ in {name:?}: they are not of one network"))
            })?;
            sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += share * f64::from(*v));
        }
        let values: Vec<f32> = sum.into_iter().map(|v| v as f32).collect();
        if !values.iter().all(|v| v.is_finite()) {
            return Err(TrainError::Form(format!("{name:?} holds a value that is no finite number")));
        }
        all.insert(name.clone(), (shape.clone(), values));
    }
    Ok(all)
}

/// Folded weights in the trained form, with a normalisation that is the identity by its running statistics (and
/// only by those).
///
/// # Errors
/// A parameter that is missing.
pub fn unfolded(net: &Architecture, folded: &Weights) -> Result<Weights, TrainError> {
    let mut weights = Weights::new();
    let get = |name: String| {
        let lack = || TrainError::Form(format!("the weights lack {name:?}: they are not of {}", net.name));
        folded.get(&name).cloned().ok_or_else(lack)
    };
    for node in &net.nodes {
        let name = |suffix: &str| format!("{}.{suffix}", node.name);
        match node.op {
            Op::Conv { norm: true, .. } => {
                weights.insert(name("weight"), get(name("weight"))?);
                let (shape, bias) = get(name("bias"))?;
                let all = |value: f32| (shape.clone(), vec![value; bias.len()]);
                weights.insert(name("scale"), all(1.0));
                weights.insert(name("mean"), all(0.0));
                weights.insert(name("var"), all(1.0 - NORM_EPSILON));
                weights.insert(name("shift"), (shape, bias));
            }
            Op::Conv { norm: false, .. } | Op::Linear { .. } => {
                weights.insert(name("weight"), get(name("weight"))?);
                weights.insert(name("bias"), get(name("bias"))?);
            }
            Op::GlobalDepthwise { .. } => {
                weights.insert(name("weight"), get(name("weight"))?);
            }
            _ => {}
        }
    }
    Ok(weights)
}

fn measured<B: Backend>(
    b: &B,
    net: &Architecture,
    folded: &Weights,
    pictures: &B::Tensor,
) -> Result<Weights, TrainError> {
    let mut weights = unfolded(net, folded)?;
    let model = Model::from_weights(b, net, &weights);
    b.without_gradients(|| {
        let _ = model.observe(b, pictures, false, &mut |node, x| {
            let shape = b.shape(x);
            let (channels, pixels) = (shape[1], shape[2] * shape[3]);
            let mut moments = vec![(0f64, 0f64); channels];
            let count = (shape[0] * pixels) as f64;
            let values = b.values(x);
            let planes = || values.chunks_exact(pixels.max(1)).enumerate().map(|(i, p)| (i % channels, p));
            for (c, plane) in planes() {
                moments[c].0 += plane.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            }
            for (c, plane) in planes() {
                let mean = moments[c].0;
                moments[c].1 += plane.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
            }
            let mut put = |suffix: &str, value: &dyn Fn(f64, f64, f32) -> f64| {
                if let Some((_, old)) = weights.get_mut(&format!("{node}.{suffix}")) {
                    old.iter_mut().zip(&moments).for_each(|(o, (m, v))| *o = value(*m, *v, *o) as f32);
                }
            };
            put("scale", &|_, var, _| (var + f64::from(NORM_EPSILON)).sqrt());
            put("shift", &|mean, _, bias| mean + f64::from(bias));
            put("mean", &|mean, _, _| mean);
            put("var", &|_, var, _| var);
        });
    });
    Ok(weights)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    use super::*;
    use crate::flex::Flex;
    use crate::random::Random;
    use phiz_net::zoo::Slim;

    #[test]
    fn a_mean_lies_between_its_parts() {
        let of = |name: &str, values: [f32; 2]| Weights::from([(name.into(), (vec![2], values.to_vec()))]);
        let (a, b) = (of("a", [0.0, 4.0]), of("a", [8.0, -4.0]));
        assert_eq!(mean(&[(0.25, a.clone()), (0.75, b.clone())]).unwrap(), of("a", [6.0, -2.0]));
        assert_eq!(mean(&[(1.0, a.clone())]).unwrap(), a);
        for other in [of("b", [0.0; 2]), Weights::from([("a".into(), (vec![1, 2], vec![0.0; 2]))])] {
            let error = mean(&[(0.5, a.clone()), (0.5, other)]).unwrap_err().to_string();
            assert!(error.contains("\"a\""), "{error}");
        }
        let error = mean(&[(0.5, a), (0.5, of("a", [f32::NAN, 0.0]))]).unwrap_err().to_string();
        assert!(error.contains("no finite number"), "{error}");
    }

    #[test]
    fn a_network_that_grows_computes_what_it_did() {
        let net = |blocks| Slim { stem: 8, stages: vec![(8, blocks)], weighted: false, dim: 4 }.build("slim");
        let b = Flex::new(1).unwrap();
        let mut random = Random::new(3);
        let small = Model::new(&b, &net(1), &mut random).unwrap();
        let mut weights = Model::new(&b, &net(3), &mut random).unwrap().weights(&b);
        let bytes: Vec<u8> = (0..2 * 16 * 16 * 3).map(|_| random.bits() as u8).collect();
        let pictures = b.pictures(&bytes, 2, 16, 16, [127.5; 3], [127.5; 3]);
        let start = Start::Trained(small.weights(&b));
        weights.extend(start.weights(&b, &net(3), &pictures).unwrap());
        let large = Model::from_weights(&b, &net(3), &weights);
        for training in [false, true] {
            let values = |model: &Model<Flex>| b.values(&model.forward(&b, &pictures, training)[0]);
            let (before, after) = (values(&small), values(&large));
            assert!(before.iter().any(|v| v.abs() > 1e-3));
            for (x, y) in before.iter().zip(&after) {
                assert!((x - y).abs() < 1e-5, "{before:?} {after:?}");
            }
        }
    }
}
