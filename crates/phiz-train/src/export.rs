//! The forms in which a trained network leaves: ONNX or safetensors in f32, f16 or int8 weights (`phiz_net::form`), each
//! checked against the trained form.

use std::path::Path;

use half::f16;
use phiz_net::form::{Form, quantise};
use phiz_net::graph::Architecture;
use phiz_net::onnx::{self, SCALE, Weights};
use safetensors::tensor::Dtype;

use crate::backend::Backend;
use crate::error::TrainError;
use crate::model::Model;
use crate::transfer::unfolded;
use crate::weights::{write_atomically, write_tensors, write_weights};

/// The folded weights that a file of this form holds, read back from one: what is lost by the form, or by the exporter,
/// is lost here.
///
/// # Errors
/// Incomplete weights, or an export that does not read back.
pub fn held(net: &Architecture, trained: &Weights, form: Form) -> Result<Weights, TrainError> {
    let read = onnx::read_weights(net, &onnx::export_as(net, trained, form)?);
    read.map_err(|e| TrainError::Form(format!("the ONNX file {e}")))
}

/// Writes trained weights as `.onnx` or `.safetensors`. F32 safetensors keep the trained form, from which training can go
/// on; the shorter forms are folded.
///
/// # Errors
/// A name that ends otherwise, incomplete weights, a file that cannot be written.
pub fn write(path: &Path, net: &Architecture, trained: &Weights, form: Form) -> Result<(), TrainError> {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match (kind.as_str(), form) {
        ("onnx", _) => write_atomically(path, &onnx::export_as(net, trained, form)?),
        ("safetensors", Form::F32) => {
            let names: Vec<String> = net.parameters(true)?.into_iter().map(|p| p.name).collect();
            let own = trained.iter().filter(|(name, _)| names.contains(name));
            write_weights(path, &own.map(|(n, v)| (n.clone(), v.clone())).collect())
        }
        ("safetensors", _) => {
            let single = |data: &[f32]| data.iter().flat_map(|v| v.to_le_bytes()).collect();
            let mut all = Vec::new();
            for (name, (shape, data)) in &onnx::fold(net, trained)? {
                let (dtype, bytes) = match form.of(name) {
                    Form::F32 => (Dtype::F32, single(data)),
                    Form::F16 => {
                        (Dtype::F16, data.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect())
                    }
                    Form::Int8 => {
                        let q = quantise(data, shape[0]);
                        all.push((format!("{name}{SCALE}"), Dtype::F32, vec![shape[0]], single(&q.scales)));
                        (Dtype::I8, q.values.iter().flat_map(|v| v.to_le_bytes()).collect())
                    }
                };
                all.push((name.clone(), dtype, shape.clone(), bytes));
            }
            write_tensors(path, &all)
        }
        _ => Err(TrainError::file(path, &"must be named .onnx or .safetensors")),
    }
}

/// How far a network's outputs are from what the trained form says, over pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest difference of any output, as a part of the largest output.
    pub largest: f32,
    /// Smallest cosine of a picture's first output, all numbers taken together.
    pub cosine: f32,
}

/// Compares the trained form with what a file of `form` holds.
///
/// # Errors
/// Incomplete weights, or an export that does not read back.
pub fn difference<B: Backend>(
    b: &B,
    net: &Architecture,
    trained: &Weights,
    form: Form,
    pictures: &B::Tensor,
) -> Result<Difference, TrainError> {
    let other = unfolded(net, &held(net, trained, form)?)?;
    let run = |weights: &Weights| -> Vec<Vec<f32>> {
        let model = Model::from_weights(b, net, weights);
        b.without_gradients(|| model.forward(b, pictures, false).iter().map(|o| b.values(o)).collect())
    };
    let own: Weights = net
        .parameters(true)?
        .into_iter()
        .filter_map(|p| Some((p.name.clone(), trained.get(&p.name)?.clone())))
        .collect();
    let (truth, got) = (run(&own), run(&other));
    let mut difference = Difference { largest: 0.0, cosine: 1.0 };
    for (truth, got) in truth.iter().zip(&got) {
        let scale = truth.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        let off = truth.iter().zip(got).fold(0f32, |m, (t, g)| m.max((t - g).abs() / scale));
        difference.largest = difference.largest.max(off);
    }
    let n = b.shape(pictures)[0];
    let size = (truth[0].len() / n.max(1)).max(1);
    for (t, g) in truth[0].chunks_exact(size).zip(got[0].chunks_exact(size)) {
        let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum() };
        let cosine = dot(t, g) / (dot(t, t) * dot(g, g)).sqrt().max(1e-30);
        difference.cosine = difference.cosine.min(cosine as f32);
    }
    Ok(difference)
}
