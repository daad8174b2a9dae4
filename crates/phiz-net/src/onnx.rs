//! Writes a trained network as an ONNX file (opset 17), without any ONNX library.
//!
//! ONNX is Protocol Buffers; a writer needs only varints and length-prefixed fields. Field numbers are those
//! of `onnx.proto3`. Batch normalisation is folded into the convolution before it:
//! `w' = w · scale / √(var + ε)`, `b' = shift − mean · scale / √(var + ε)`.

use std::collections::BTreeMap;

use half::f16;

use crate::form::{Form, quantise};
use crate::graph::{Act, Architecture, GraphError, Op};

/// The ε of batch normalisation, the same in the trainer.
pub const NORM_EPSILON: f32 = 1e-5;

/// Values by parameter name, each with its shape.
pub type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

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
/// As [`fold`].
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
    let mut graph = Message::default();
    let mut initialisers = Vec::new();
    for (name, (shape, data)) in &folded {
        let (expansion, stored) = stored(name, shape, data, form.of(name))?;
        expansion.iter().for_each(|node| graph.message(1, node));
        initialisers.extend(stored);
    }
    for (position, node) in net.nodes.iter().enumerate() {
        let input = |i: usize| value_name(net, node.inputs[i]);
        let output = value_name(net, position);
        let plain = |out: &str, act: Act| {
            if act == Act::Relu { format!("{out}.before_relu") } else { out.to_string() }
        };
        let mut emit = |kind: &str, inputs: &[String], output: &str, attributes: &[Message]| {
            graph.message(1, &operation(kind, inputs, output, attributes));
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
    graph.text(2, &net.name);
    initialisers.iter().for_each(|tensor| graph.message(5, tensor));
    if net.nodes.iter().any(|n| n.op == Op::Upsample2) {
        graph.message(5, &singles(UPSAMPLE_SCALES, &[4], &[1.0, 1.0, 2.0, 2.0]));
    }
    let mut flat: Vec<bool> = Vec::new();
    for node in &net.nodes {
        flat.push(match node.op {
            Op::Linear { .. } | Op::GlobalPool | Op::GlobalDepthwise { .. } => true,
            _ => node.inputs.first().is_some_and(|&i| flat[i]),
        });
    }
    graph.message(11, &value_info("image", channels[0], false));
    for output in &net.outputs {
        graph.message(12, &value_info(&output.name, channels[output.node], flat[output.node]));
    }
    let mut opset = Message::default();
    opset.int(2, 17);
    let mut model = Message::default();
    model.int(1, 8); // IR version of opset 17
    model.text(2, "phiz");
    model.message(7, &graph);
    model.message(8, &opset);
    Ok(model.bytes)
}

/// What stands behind a weight's name where it is in half precision.
pub const HALF: &str = ".f16";
/// What stands behind a weight's name where it is in eight bits, …
pub const EIGHT: &str = ".int8";
/// … and where its scales are.
pub const SCALE: &str = ".scale";

/// Element types of `TensorProto`.
pub(crate) mod element {
    pub(crate) const F32: u64 = 1;
    pub(crate) const I8: u64 = 3;
    pub(crate) const F16: u64 = 10;
}

/// A parameter's initialisers, and the node that makes single precision of them, if one is needed.
fn stored(
    name: &str,
    shape: &[usize],
    data: &[f32],
    form: Form,
) -> Result<(Option<Message>, Vec<Message>), ExportError> {
    let named = |suffix: &str| format!("{name}{suffix}");
    Ok(match form {
        Form::F32 => (None, vec![singles(name, shape, data)]),
        Form::F16 => {
            let half: Vec<f16> = data.iter().map(|v| f16::from_f32(*v)).collect();
            if half.iter().any(|v| !v.is_finite()) {
                return Err(ExportError::NotFinite { name: name.into() });
            }
            let bytes: Vec<u8> = half.iter().flat_map(|v| v.to_le_bytes()).collect();
            let cast = operation("Cast", &[named(HALF)], name, &[int("to", element::F32 as i64)]);
            (Some(cast), vec![initialiser(&named(HALF), shape, element::F16, &bytes)])
        }
        Form::Int8 => {
            let q = quantise(data, shape[0]);
            let bytes: Vec<u8> = q.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let inputs = [named(EIGHT), named(SCALE)];
            let expand = operation("DequantizeLinear", &inputs, name, &[int("axis", 0)]);
            let eight = initialiser(&inputs[0], shape, element::I8, &bytes);
            (Some(expand), vec![eight, singles(&inputs[1], &[shape[0]], &q.scales)])
        }
    })
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

/// A Protocol Buffers message under construction.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn int(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value as u64);
    }

    fn blob(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.blob(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.blob(field, &message.bytes);
    }
}

fn operation(kind: &str, inputs: &[String], output: &str, attributes: &[Message]) -> Message {
    let mut m = Message::default();
    inputs.iter().for_each(|i| m.text(1, i));
    m.text(2, output);
    m.text(3, output);
    m.text(4, kind);
    attributes.iter().for_each(|a| m.message(5, a));
    m
}

fn attribute(name: &str, kind: i64) -> Message {
    let mut m = Message::default();
    m.text(1, name);
    m.int(20, kind);
    m
}

fn int(name: &str, value: i64) -> Message {
    let mut m = attribute(name, 2);
    m.int(3, value);
    m
}

fn ints(name: &str, values: &[i64]) -> Message {
    let mut m = attribute(name, 7);
    values.iter().for_each(|&v| m.int(8, v));
    m
}

fn text(name: &str, value: &str) -> Message {
    let mut m = attribute(name, 3);
    m.text(4, value);
    m
}

fn initialiser(name: &str, shape: &[usize], element: u64, bytes: &[u8]) -> Message {
    let mut m = Message::default();
    shape.iter().for_each(|&d| m.int(1, d as i64));
    m.int(2, element as i64);
    m.text(8, name);
    m.blob(9, bytes);
    m
}

fn singles(name: &str, shape: &[usize], data: &[f32]) -> Message {
    let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
    initialiser(name, shape, element::F32, &bytes)
}

/// `[batch, channels, height, width]` or, if `flat`, `[batch, channels]`; only channels are fixed.
fn value_info(name: &str, channels: usize, flat: bool) -> Message {
    let named = |dim: &str| {
        let mut d = Message::default();
        d.text(2, dim);
        d
    };
    let mut fixed = Message::default();
    fixed.int(1, channels as i64);
    let mut shape = Message::default();
    shape.message(1, &named("batch"));
    shape.message(1, &fixed);
    if !flat {
        shape.message(1, &named(&format!("{name}.height")));
        shape.message(1, &named(&format!("{name}.width")));
    }
    let mut tensor = Message::default();
    tensor.int(1, 1);
    tensor.message(2, &shape);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name);
    info.message(2, &kind);
    info
}
