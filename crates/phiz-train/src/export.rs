//! The forms in which a trained network leaves: ONNX, and safetensors in f32, f16 or int8 weights, each checked
//! against the trained form.
//!
//! In int8 every output channel of a weight has its own scale: `w ≈ scale · q`, `q` from −127 to 127. The scale is
//! calibrated: of a row of clipping points the one with the least squared error is taken, which gives up a few
//! outliers for a finer step everywhere else. Biases stay in f32; a matrix costs four times less, a bias nothing.

use std::path::Path;

use half::f16;
use phiz_net::graph::Architecture;
use phiz_net::onnx::{self, Weights};
use phiz_net::onnx_read;
use safetensors::tensor::Dtype;

use crate::backend::Backend;
use crate::error::TrainError;
use crate::model::Model;
use crate::transfer::unfolded;
use crate::weights::{write_atomically, write_tensors, write_weights};

/// In which numbers weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Single precision
    #[default]
    F32,
    /// Half precision, safetensors only
    F16,
    /// Eight bits with a scale for each output channel, safetensors only
    Int8,
}

/// A weight in eight bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// One for each output channel.
    pub scales: Vec<f32>,
    /// Rounded values.
    pub values: Vec<i8>,
}

/// Clipping points that are tried, as fractions of the largest value.
const CLIPS: usize = 24;

/// Quantises a weight whose first axis is the output channel.
#[must_use]
pub fn quantise(data: &[f32], channels: usize) -> Quantised {
    let mut result = Quantised { scales: Vec::new(), values: Vec::with_capacity(data.len()) };
    for row in data.chunks_exact((data.len() / channels.max(1)).max(1)) {
        let largest = row.iter().fold(0f32, |m, v| m.max(v.abs()));
        let round = |v: f32, scale: f32| (v / scale).round().clamp(-127.0, 127.0);
        let error =
            |scale: f32| -> f64 { row.iter().map(|v| f64::from(v - scale * round(*v, scale)).powi(2)).sum() };
        let candidates = (0..CLIPS).map(|i| largest * (1.0 - 0.025 * i as f32) / 127.0);
        let best = candidates.map(|s| (error(s), s)).min_by(|a, b| a.0.total_cmp(&b.0));
        // A channel that is zero throughout has no scale of its own.
        let scale = best.map_or(1.0, |(_, s)| s);
        let scale = if largest > 0.0 && scale > 0.0 { scale } else { 1.0 };
        result.scales.push(scale);
        result.values.extend(row.iter().map(|v| round(*v, scale) as i8));
    }
    result
}

impl Quantised {
    /// The weight that the eight bits stand for.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let each = (self.values.len() / self.scales.len().max(1)).max(1);
        let rows = self.values.chunks_exact(each).zip(&self.scales);
        rows.flat_map(|(row, scale)| row.iter().map(move |q| f32::from(*q) * scale)).collect()
    }
}

/// What a form of folded weights stands for, in single precision: with this the loss by rounding can be measured.
#[must_use]
pub fn rounded(folded: &Weights, form: Form) -> Weights {
    let round = |(name, (shape, data)): (&String, &(Vec<usize>, Vec<f32>))| {
        let data = match form {
            Form::F32 => data.clone(),
            Form::F16 => data.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
            Form::Int8 if name.ends_with(".weight") => quantise(data, shape[0]).values(),
            Form::Int8 => data.clone(),
        };
        (name.clone(), (shape.clone(), data))
    };
    folded.iter().map(round).collect()
}

/// Writes trained weights: `.onnx`, or `.safetensors` in any form. F32 safetensors keep the trained form, from which
/// training can go on; the shorter forms are folded.
///
/// # Errors
/// A name that ends otherwise, a form that the file cannot have, incomplete weights, a file that cannot be written.
pub fn write(path: &Path, net: &Architecture, trained: &Weights, form: Form) -> Result<(), TrainError> {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let folded = onnx::fold(net, trained)?;
    match (kind.as_str(), form) {
        ("onnx", Form::F32) => write_atomically(path, &onnx::export(net, trained)?),
        ("onnx", _) => {
            Err(TrainError::file(path, &"ONNX is written in f32 only; name a .safetensors file for less"))
        }
        ("safetensors", Form::F32) => {
            let names: Vec<String> = net.parameters(true)?.into_iter().map(|p| p.name).collect();
            let own = trained.iter().filter(|(name, _)| names.contains(name));
            write_weights(path, &own.map(|(n, v)| (n.clone(), v.clone())).collect())
        }
        ("safetensors", Form::F16) => {
            let half = |data: &[f32]| data.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
            let all: Vec<_> =
                folded.iter().map(|(n, (s, d))| (n.clone(), Dtype::F16, s.clone(), half(d))).collect();
            write_tensors(path, &all)
        }
        ("safetensors", Form::Int8) => {
            let single = |data: &[f32]| data.iter().flat_map(|v| v.to_le_bytes()).collect();
            let mut all = Vec::new();
            for (name, (shape, data)) in &folded {
                if !name.ends_with(".weight") {
                    all.push((name.clone(), Dtype::F32, shape.clone(), single(data)));
                    continue;
                }
                let q = quantise(data, shape[0]);
                let bytes = q.values.iter().map(|v| v.to_le_bytes()[0]).collect();
                all.push((name.clone(), Dtype::I8, shape.clone(), bytes));
                all.push((format!("{name}.scale"), Dtype::F32, vec![shape[0]], single(&q.scales)));
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

/// Compares the trained form with what `form` stands for. With [`Form::F32`] the weights go through an ONNX file and
/// back, so that the exporter itself is checked.
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
    let exported = onnx_read::weights(net, &onnx::export(net, trained)?);
    let exported = exported.map_err(|e| TrainError::Form(format!("the ONNX file {e}")))?;
    let other = unfolded(net, &rounded(&exported, form))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn eight_bits_are_calibrated_channel_by_channel() {
        let mut random = Random::new(5);
        let mut data: Vec<f32> = (0..4 * 200).map(|_| random.normal()).collect();
        data[200..400].iter_mut().for_each(|v| *v *= 1e-3);
        data[400..600].fill(0.0);
        let q = quantise(&data, 4);
        assert_eq!(q.scales.len(), 4);
        let back = q.values();
        for (channel, (row, back)) in data.chunks(200).zip(back.chunks(200)).enumerate() {
            let error = |b: &[f32]| row.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
            let power = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            assert!(error(back) <= power * 1e-4, "channel {channel}");
            let largest = row.iter().fold(0f32, |m, v| m.max(v.abs()));
            if largest > 0.0 {
                let plain: Vec<f32> =
                    row.iter().map(|v| (v / largest * 127.0).round() * largest / 127.0).collect();
                assert!(
                    error(back) <= error(&plain) * 1.000_01 + 1e-12,
                    "channel {channel}: no worse than without calibration"
                );
            }
        }
        assert!(q.values[400..600].iter().all(|v| *v == 0));
    }
}
