//! Writes a trained network as an ONNX file and reads its weights back, by [`phiz_onnx`].
//!
//! Batch normalisation is folded into the convolution before it:
//! `w' = w · scale / √(var + ε)`, `b' = shift − mean · scale / √(var + ε)`.

use half::f16;
use phiz_onnx::write::{Attribute, Axis, GraphWriter, int, ints, text};
use phiz_onnx::{ReadError, Tensors, element};

use crate::form::{Form, expanded, quantise};
use crate::graph::{Act, Architecture, GraphError, Op};

/// The ε of batch normalisation, the same in the trainer.
pub const NORM_EPSILON: f32 = 1e-5;

/// Values by parameter name, each with its shape.
pub type Weights = Tensors<f32>;

/// Why a network could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The description is not a network.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A tensor is missing or has another shape.
    #[error("weights lack {name:?} of shape {shape:?}: were they trained for another architecture?")]
    Missing {
        /// The parameter.
        name: String,
        /// The shape that the architecture asks for.
        shape: Vec<usize>,
    },
    /// A value is not a finite number, or beyond what half precision can hold.
    #[error(
        "weights hold a value in {name:?} that is not finite, or too large for the form: the training run diverged"
    )]
    NotFinite {
        /// The parameter.
        name: String,
    },
}

/// Whether the weights are those of the network, in its form for training.
///
/// # Errors
/// A tensor that is missing, of another shape, or not finite.
pub(crate) fn check(net: &Architecture, weights: &Weights) -> Result<(), ExportError> {
    for p in net.parameters(true)? {
        match weights.get(&p.name) {
            Some((shape, data)) if *shape == p.shape && data.len() == p.shape.iter().product::<usize>() => {
                if data.iter().any(|v| !v.is_finite()) {
                    return Err(ExportError::NotFinite { name: p.name });
                }
            }
            _ => return Err(ExportError::Missing { name: p.name, shape: p.shape }),
        }
    }
    Ok(())
}

/// Weights with the normalisation folded into `weight` and `bias` of each convolution.
///
/// # Errors
/// A tensor that is missing, of another shape, or not finite.
pub fn fold(net: &Architecture, weights: &Weights) -> Result<Weights, ExportError> {
    check(net, weights)?;
    let mut folded = Weights::new();
    for node in &net.nodes {
        let get = |suffix: &str| weights[&format!("{}.{suffix}", node.name)].clone();
        let (weight, bias) = match node.op {
            Op::Conv { norm: true, .. } => {
                let (shape, mut weight) = get("weight");
                let [scale, shift, mean, var] = ["scale", "shift", "mean", "var"].map(|s| get(s).1);
                let each = weight.len() / scale.len();
                let mut bias = shift;
                for (channel, filter) in weight.chunks_exact_mut(each).enumerate() {
                    let factor = scale[channel] / (var[channel] + NORM_EPSILON).sqrt();
                    filter.iter_mut().for_each(|w| *w *= factor);
                    bias[channel] -= mean[channel] * factor;
                }
                ((shape, weight), (vec![bias.len()], bias))
            }
            Op::Conv { norm: false, .. } | Op::Linear { .. } => (get("weight"), get("bias")),
            Op::GlobalDepthwise { .. } => {
                folded.insert(format!("{}.weight", node.name), get("weight"));
                continue;
            }
            _ => continue,
        };
        folded.insert(format!("{}.weight", node.name), weight);
        folded.insert(format!("{}.bias", node.name), bias);
    }
    Ok(folded)
}

/// The ONNX file of a network in single precision, see [`export_as`].
///
/// # Errors
/// The same errors as [`fold`].
pub fn export(net: &Architecture, weights: &Weights) -> Result<Vec<u8>, ExportError> {
    export_as(net, weights, Form::F32)
}

/// The ONNX file of a network: input `image` `[batch, channels, height, width]`, outputs by their names.
///
/// Weights of a shorter form stand in the file as [`HALF`] or [`EIGHT`], and a node `Cast` or `DequantizeLinear` makes
/// single precision of them. An engine that computes constants when it loads runs the same network afterwards.
///
/// # Errors
/// As [`fold`], and a weight that half precision cannot hold.
pub fn export_as(net: &Architecture, weights: &Weights, form: Form) -> Result<Vec<u8>, ExportError> {
    let folded = fold(net, weights)?;
    let channels = net.channels()?;
    let mut graph = GraphWriter::new(&net.name);
    for (name, (shape, data)) in &folded {
        store(&mut graph, name, shape, data, form.of(name))?;
    }
    for (position, node) in net.nodes.iter().enumerate() {
        let input = |i: usize| value_name(net, node.inputs[i]);
        let output = value_name(net, position);
        let plain = |out: &str, act: Act| {
            if act == Act::Relu { format!("{out}.before_relu") } else { out.to_string() }
        };
        let mut emit = |kind: &str, inputs: &[String], output: &str, attributes: &[Attribute]| {
            graph.node(kind, inputs, output, attributes);
        };
        let (weight, bias) = (format!("{}.weight", node.name), format!("{}.bias", node.name));
        let mut relu_of = None;
        match node.op {
            Op::Input { .. } => {}
            Op::Conv { kernel, stride, groups, act, .. } => {
                let (k, s, p) = (kernel as i64, stride as i64, (kernel / 2) as i64);
                let attributes = [
                    ints("kernel_shape", &[k, k]),
                    ints("strides", &[s, s]),
                    ints("pads", &[p, p, p, p]),
                    int("group", groups as i64),
                ];
                emit("Conv", &[input(0), weight, bias], &plain(&output, act), &attributes);
                relu_of = (act == Act::Relu).then(|| plain(&output, act));
            }
            Op::Add { act } => {
                emit("Add", &[input(0), input(1)], &plain(&output, act), &[]);
                relu_of = (act == Act::Relu).then(|| plain(&output, act));
            }
            Op::Upsample2 => {
                let modes = [
                    text("mode", "nearest"),
                    text("coordinate_transformation_mode", "asymmetric"),
                    text("nearest_mode", "floor"),
                ];
                emit("Resize", &[input(0), String::new(), UPSAMPLE_SCALES.into()], &output, &modes);
            }
            Op::GlobalPool => {
                let pooled = format!("{output}.map");
                emit("GlobalAveragePool", &[input(0)], &pooled, &[]);
                emit("Flatten", &[pooled], &output, &[int("axis", 1)]);
            }
            Op::GlobalDepthwise { kernel } => {
                let (k, map) = (kernel as i64, format!("{output}.map"));
                let attributes = [
                    ints("kernel_shape", &[k, k]),
                    ints("strides", &[1, 1]),
                    ints("pads", &[0, 0, 0, 0]),
                    int("group", channels[node.inputs[0]] as i64),
                ];
                emit("Conv", &[input(0), weight], &map, &attributes);
                emit("Flatten", &[map], &output, &[int("axis", 1)]);
            }
            Op::Linear { .. } => emit("Gemm", &[input(0), weight, bias], &output, &[int("transB", 1)]),
            Op::Sigmoid => emit("Sigmoid", &[input(0)], &output, &[]),
            Op::Exp => emit("Exp", &[input(0)], &output, &[]),
        }
        if let Some(before) = relu_of {
            emit("Relu", &[before], &output, &[]);
        }
    }
    if net.nodes.iter().any(|n| n.op == Op::Upsample2) {
        graph.floats(UPSAMPLE_SCALES, &[4], &[1.0, 1.0, 2.0, 2.0]);
    }
    let mut flat: Vec<bool> = Vec::new();
    for node in &net.nodes {
        flat.push(match node.op {
            Op::Linear { .. } | Op::GlobalPool | Op::GlobalDepthwise { .. } => true,
            _ => node.inputs.first().is_some_and(|&i| flat[i]),
        });
    }
    declare(&mut graph, "image", channels[0], false, GraphWriter::input);
    for output in &net.outputs {
        let (channels, flat) = (channels[output.node], flat[output.node]);
        declare(&mut graph, &output.name, channels, flat, GraphWriter::output);
    }
    Ok(graph.finish("phiz"))
}

/// What stands behind a weight's name where it is in half precision.
pub const HALF: &str = ".f16";
/// What stands behind a weight's name where it is in eight bits, …
pub const EIGHT: &str = ".int8";
/// … and where its scales are.
pub const SCALE: &str = ".scale";

/// Adds a parameter's initialisers, and the operation that makes single precision of them, if one is needed.
fn store(
    graph: &mut GraphWriter,
    name: &str,
    shape: &[usize],
    data: &[f32],
    form: Form,
) -> Result<(), ExportError> {
    let named = |suffix: &str| format!("{name}{suffix}");
    match form {
        Form::F32 => graph.floats(name, shape, data),
        Form::F16 => {
            let half: Vec<f16> = data.iter().map(|v| f16::from_f32(*v)).collect();
            if half.iter().any(|v| !v.is_finite()) {
                return Err(ExportError::NotFinite { name: name.into() });
            }
            let bytes: Vec<u8> = half.iter().flat_map(|v| v.to_le_bytes()).collect();
            graph.node("Cast", &[named(HALF)], name, &[int("to", element::F32.cast_signed())]);
            graph.initialiser(&named(HALF), shape, element::F16, &bytes);
        }
        Form::Int8 => {
            let q = quantise(data, shape[0]);
            let bytes: Vec<u8> = q.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let inputs = [named(EIGHT), named(SCALE)];
            graph.node("DequantizeLinear", &inputs, name, &[int("axis", 0)]);
            graph.initialiser(&inputs[0], shape, element::I8, &bytes);
            graph.floats(&inputs[1], &[shape[0]], &q.scales);
        }
    }
    Ok(())
}

/// Declares an input or output `[batch, channels, height, width]` or, if `flat`, `[batch, channels]`; only channels are
/// fixed.
fn declare(
    graph: &mut GraphWriter,
    name: &str,
    channels: usize,
    flat: bool,
    add: fn(&mut GraphWriter, &str, &[Axis<'_>]),
) {
    let (height, width) = (format!("{name}.height"), format!("{name}.width"));
    let shape = [Axis::Named("batch"), Axis::Fixed(channels), Axis::Named(&height), Axis::Named(&width)];
    add(graph, name, if flat { &shape[..2] } else { &shape });
}

const UPSAMPLE_SCALES: &str = "upsample2.scales";

/// An output's value carries the output's name, an inner value the node's.
fn value_name(net: &Architecture, node: usize) -> String {
    let output = net.outputs.iter().find(|o| o.node == node);
    output.map_or_else(
        || format!("{}.out", net.nodes[node].name).replace("image.out", "image"),
        |o| o.name.clone(),
    )
}

/// Why weights could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The bytes are not an ONNX file, or are cut off.
    #[error(transparent)]
    File(#[from] ReadError),
    /// The architecture is no network.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An initialiser that the architecture needs is not there.
    #[error("holds no {name:?} of shape {shape:?}: it is not the network {network}")]
    Missing {
        /// The parameter.
        name: String,
        /// The shape that the architecture asks for.
        shape: Vec<usize>,
        /// The architecture.
        network: String,
    },
}

/// Reads the folded weights (`node.weight`, `node.bias`) of a network, whatever the form in which the file holds them.
///
/// # Errors
/// A file that is not ONNX or holds another network.
pub fn read_weights(net: &Architecture, onnx: &[u8]) -> Result<Weights, WeightsError> {
    let mut found = phiz_onnx::initialisers(onnx)?;
    let mut weights = Weights::new();
    for p in net.parameters(false)? {
        let mut stored = |suffix: &str| found.remove(&format!("{}{suffix}", p.name));
        let value = stored("").or_else(|| stored(HALF)).or_else(|| {
            let ((shape, values), (_, scales)) = (stored(EIGHT)?, stored(SCALE)?);
            (shape.first() == Some(&scales.len())).then(|| (shape, expanded(&values, &scales)))
        });
        match value {
            Some((shape, data)) if shape == p.shape => weights.insert(p.name, (shape, data)),
            _ => {
                return Err(WeightsError::Missing {
                    name: p.name,
                    shape: p.shape,
                    network: net.name.clone(),
                });
            }
        };
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;

    fn network() -> (Architecture, Weights) {
        let mut b = Builder::new("tiny", 3);
        let x = b.conv("stem", b.input(), 4, 3, 2, 1, Act::Relu);
        let x = b.node("pool", Op::GlobalDepthwise { kernel: 4 }, &[x]);
        let x = b.node("out", Op::Linear { out: 2 }, &[x]);
        let net = b.finish(&[("template", x)]);
        let mut value = 0.5f32;
        let weights = net.parameters(true).expect("a network").into_iter().map(|p| {
            let data = (0..p.shape.iter().product::<usize>()).map(|_| {
                value = (value * 1.7 + 0.1) % 2.0;
                value
            });
            let data = data.collect();
            (p.name, (p.shape, data))
        });
        let weights = weights.collect();
        (net, weights)
    }

    #[test]
    fn what_was_written_is_read() {
        let (net, trained) = network();
        let bytes = export(&net, &trained).expect("exports");
        let folded = fold(&net, &trained).expect("folds");
        assert_eq!(read_weights(&net, &bytes).expect("reads"), folded);
        for form in [Form::F16, Form::Int8] {
            let bytes = export_as(&net, &trained, form).expect("exports");
            let read = read_weights(&net, &bytes).expect("reads");
            for (name, (shape, data)) in &folded {
                let rounded = match form.of(name) {
                    Form::F32 => data.clone(),
                    Form::F16 => data.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
                    Form::Int8 => quantise(data, shape[0]).expanded(),
                };
                assert_eq!(read[name], (shape.clone(), rounded), "{form:?} {name}");
            }
        }
    }

    #[test]
    fn what_half_precision_cannot_hold_is_refused() {
        let (net, mut trained) = network();
        if let Some((_, data)) = trained.get_mut("out.weight") {
            data[1] = 1e5;
        }
        assert!(export_as(&net, &trained, Form::Int8).is_ok());
        let error = export_as(&net, &trained, Form::F16).expect_err("too large").to_string();
        assert!(error.contains("out.weight"), "{error}");
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let (net, trained) = network();
        for form in [Form::F32, Form::F16, Form::Int8] {
            let bytes = export_as(&net, &trained, form).expect("exports");
            let whole = read_weights(&net, &bytes).expect("reads");
            for end in 0..bytes.len() {
                // Behind the graph stand fields that say nothing of the weights: without them the file is still whole.
                if let Ok(read) = read_weights(&net, &bytes[..end]) {
                    assert_eq!(read, whole, "{form:?} cut off at {end}");
                }
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x80;
                let _ = read_weights(&net, &damaged);
            }
        }
        let bytes = export(&net, &trained).expect("exports");
        let mut b = Builder::new("other", 3);
        let x = b.conv("stem", b.input(), 5, 3, 2, 1, Act::Relu);
        let error = read_weights(&b.finish(&[("x", x)]), &bytes).expect_err("another network").to_string();
        assert!(error.contains("stem.weight") && error.contains("not the network other"), "{error}");
    }
}
