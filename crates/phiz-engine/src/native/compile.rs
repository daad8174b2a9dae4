//! From an ONNX graph to steps.
//!
//! Constants are computed, batch normalisation goes into the weights of the convolution before it, and what follows a
//! convolution (a sum, an activation that clamps) becomes part of it. What is not known is refused by name, so that
//! the network runs elsewhere instead of answering wrongly.

use std::collections::BTreeMap;

use phiz_onnx::{Graph, Operation, Packed, Tensors};

use super::weights::{Scales, Weights};
use crate::Precision;
use crate::kernels::{BYTES, Conv, ConvShape, Depthwise, Isa, LANES, SHORT, Unary, Winograd};

/// Nothing is clamped.
const OPEN: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];
/// What convolutions in groups may hold in weights after they were expanded, all of a network together: 64 MiB.
const MOST_EXPANDED: usize = 1 << 24;
/// Products for each input from which eight bits gain more than rounding to them costs: where the alternative is bf16, and
/// where it is single precision.
const WORTH_ROUNDING: [usize; 2] = [220, 48];

/// A network ready to be laid out.
#[derive(Debug)]
pub(super) struct Program {
    /// What is computed, in order.
    pub(super) steps: Vec<Step>,
    /// What is known of each activation; the first is the picture.
    pub(super) values: Vec<Value>,
    /// The results.
    pub(super) results: Vec<Outcome>,
    /// Values that were given a shape of so many elements a picture, which holds for one size of picture only.
    pub(super) features: Vec<(usize, usize)>,
}

/// An activation.
#[derive(Clone, Debug, Default)]
pub(super) struct Value {
    pub(super) channels: usize,
    /// The widest padding of those that read it.
    pub(super) pad: usize,
    /// Lanes of a pixel in a block.
    pub(super) lanes: usize,
}

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) input: usize,
    /// What is added.
    pub(super) other: Option<usize>,
    pub(super) output: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// By its definition and, where it has something to gain, by Winograd's method on maps that suit it.
    Conv(Conv, Option<Winograd>),
    /// By Winograd's method: the network's pictures have one size, which suits it.
    Winograd(Winograd),
    /// A convolution whose kernel must be as large as the map: a layer that reads the whole of it.
    Whole(Conv),
    Depthwise(Depthwise),
    /// Writes its output where its input was, if both are the same.
    Unary(Unary),
    Add([f32; 2]),
    Upsample(usize),
    /// The second part of a transposed convolution.
    Apart(usize),
    /// Kernel, stride, padding.
    MaxPool([usize; 3]),
    GlobalMean,
}

impl Kind {
    /// Elements of weights that its convolution holds.
    pub(super) fn weights(&self) -> usize {
        match self {
            Kind::Conv(conv, _) | Kind::Whole(conv) => conv.weights(),
            Kind::Winograd(winograd) => winograd.weights(),
            _ => 0,
        }
    }

    /// What it is called, and its multiplications for each pixel that it computes.
    pub(super) fn describe(&self) -> (String, usize) {
        match self {
            Kind::Conv(conv, _) | Kind::Whole(conv) => describe(&conv.shape),
            Kind::Winograd(winograd) => describe(winograd.shape()),
            Kind::Depthwise(depthwise) => ("depthwise".into(), depthwise.macs()),
            Kind::Unary(_) => ("activation".into(), 0),
            Kind::Add(_) => ("sum".into(), 0),
            Kind::Upsample(_) | Kind::Apart(_) => ("upsampling".into(), 0),
            Kind::MaxPool(_) => ("max pooling".into(), 0),
            Kind::GlobalMean => ("mean".into(), 0),
        }
    }
}

fn describe(shape: &ConvShape) -> (String, usize) {
    let &ConvShape { kernel: [rows, columns], stride, inputs, outputs, .. } = shape;
    (format!("conv {rows}×{columns}/{stride}"), inputs * outputs * rows * columns)
}

/// A result.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) value: usize,
    /// Applied while the result is written.
    pub(super) unary: Option<Unary>,
    /// Whether its shape is `[batch, channels]`.
    pub(super) flat: bool,
    /// Whether channels come last, and how.
    pub(super) last: Last,
}

/// Whether a value's channels come last. Only results may be so: nothing is moved before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// They come before rows and columns.
    No,
    /// `[batch, rows, columns, channels]`.
    Pixels,
    /// `[batch, rows · columns, channels]`.
    List,
}

/// A step before its weights are packed.
enum Draft<'g> {
    /// Dense, or each channel by itself.
    Conv {
        shape: ConvShape,
        depthwise: bool,
        weight: Weights<'g>,
        bias: Vec<f32>,
        whole: bool,
    },
    Unary(Unary),
    Add([f32; 2]),
    Upsample(usize),
    Apart(usize),
    MaxPool([usize; 3]),
    GlobalMean,
}

struct Drafted<'g> {
    draft: Draft<'g>,
    input: usize,
    other: Option<usize>,
    output: usize,
}

/// A named activation.
#[derive(Clone, Copy)]
struct Named {
    value: usize,
    flat: bool,
    last: Last,
}

struct Compiler<'g> {
    graph: &'g Graph,
    /// Constants, of the file and computed from those; what was used up is gone.
    constants: Tensors<f32>,
    /// The larger of them, as they stand in the file.
    packed: BTreeMap<String, (Packed<'g>, Option<Scales>)>,
    names: BTreeMap<&'g str, Named>,
    /// How often each name is read, as a result of the network as well.
    uses: BTreeMap<&'g str, usize>,
    values: Vec<Value>,
    steps: Vec<Drafted<'g>>,
    /// Weights of convolutions in groups.
    expanded: usize,
    /// See [`Program::features`].
    features: Vec<(usize, usize)>,
}

/// Why a network is not for this engine.
type Refusal = String;

/// Compiles a graph for a set of instructions. In bf16, what only convolutions read is kept and multiplied so; in int8,
/// dense convolutions are multiplied so, and all is kept in single precision. `constants` are the graph's, which it need not
/// hold itself, `packed` those that [`phiz_onnx::read_packed`] left in the file.
///
/// # Errors
/// The operator or the form of one that is not known, with the name of its node.
pub(super) fn compile<'g>(
    graph: &'g Graph,
    constants: Tensors<f32>,
    packed: BTreeMap<String, Packed<'g>>,
    isa: Isa,
    precision: Precision,
) -> Result<Program, Refusal> {
    let [input] = &graph.inputs[..] else { return Err(format!("it has {} inputs", graph.inputs.len())) };
    if input.shape.as_ref().is_none_or(|shape| shape.len() != 4 || shape[1] != Some(3)) {
        return Err(format!("input {} is not of the shape [batch, 3, height, width]", input.name));
    }
    let mut compiler = Compiler {
        graph,
        constants,
        packed: packed.into_iter().map(|(name, packed)| (name, (packed, None))).collect(),
        names: BTreeMap::from([(input.name.as_str(), Named { value: 0, flat: false, last: Last::No })]),
        uses: BTreeMap::new(),
        values: vec![Value { channels: 3, pad: 0, lanes: 3 }],
        steps: Vec::new(),
        expanded: 0,
        features: Vec::new(),
    };
    let read = graph.operations.iter().flat_map(|o| &o.inputs);
    for name in read.chain(graph.outputs.iter().map(|v| &v.name)) {
        *compiler.uses.entry(name).or_default() += 1;
    }
    for operation in &graph.operations {
        compiler.operation(operation).map_err(|reason| {
            format!("operator {} (node {:?}) {reason}", operation.kind, operation.output())
        })?;
    }
    compiler.finish(isa, precision)
}

impl<'g> Compiler<'g> {
    fn operation(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let unknown = || "is not known".to_string();
        match o.kind.as_str() {
            "Cast" | "DequantizeLinear" => self.constant(o),
            "Identity" | "Dropout" => self.alias(o, None),
            "Transpose" => {
                let x = self.named(o, 0)?;
                if x.flat || o.ints.get("perm").is_none_or(|axes| axes[..] != [0, 2, 3, 1]) {
                    return Err("of such axes is not known".into());
                }
                self.alias_as(o, Named { last: Last::Pixels, ..x })
            }
            "Flatten" => {
                if o.int("axis", 1) != 1 {
                    return Err("with this axis is not known".into());
                }
                self.alias(o, Some(true))
            }
            "Reshape" => {
                let shape = o.inputs.get(1).and_then(|name| self.graph.integers.get(name));
                let input = self.graph.inputs[0].shape.as_deref().unwrap_or_default();
                let single = input.first() == Some(&Some(1));
                match shape.map(|(_, shape)| &shape[..]) {
                    Some([0, -1]) => {}
                    Some([1, -1]) if single => {}
                    Some(&[batch, -1, channels]) if batch == 0 || batch == 1 && single => {
                        let x = self.named_as_is(o, 0)?;
                        if x.last != Last::Pixels
                            || usize::try_from(channels) != Ok(self.values[x.value].channels)
                        {
                            return Err("to this shape is not known".into());
                        }
                        return self.alias_as(o, Named { last: Last::List, ..x });
                    }
                    Some(&[batch, features])
                        if features > 0 && (batch == -1 || batch == 0 || batch == 1 && single) =>
                    {
                        let features = usize::try_from(features).unwrap_or(0);
                        self.features.push((self.named(o, 0)?.value, features));
                    }
                    _ => return Err("to this shape is not known".into()),
                }
                self.alias(o, Some(true))
            }
            "Conv" => self.conv(o),
            "ConvTranspose" => self.conv_transpose(o),
            "Gemm" => self.gemm(o),
            "BatchNormalization" => self.batch_norm(o),
            "Relu" => self.clamp(o, [0.0, f32::INFINITY]),
            "Clip" => {
                let bound =
                    |i: usize, name: &str, absent: f32| match o.inputs.get(i).filter(|n| !n.is_empty()) {
                        Some(_) => match self.constant_at(o, i).map(|(_, v)| &v[..]) {
                            Ok([v]) => Ok(*v),
                            _ => Err("with a bound that is no constant is not known".to_string()),
                        },
                        None => Ok(o.float(name, absent)),
                    };
                let bounds = [bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?];
                if bounds.iter().any(|v| v.is_nan()) || bounds[0] > bounds[1] {
                    return Err("with such bounds is not known".into());
                }
                self.clamp(o, bounds)
            }
            "PRelu" => {
                let channels = self.values[self.named(o, 0)?.value].channels;
                let (_, slopes) = self.constant_at(o, 1)?;
                let slopes = match slopes.len() {
                    1 => vec![slopes[0]; channels],
                    n if n == channels => slopes.clone(),
                    _ => return Err("with such slopes is not known".into()),
                };
                self.unary(o, prelu(slopes))
            }
            "LeakyRelu" => {
                let channels = self.values[self.named(o, 0)?.value].channels;
                self.unary(o, prelu(vec![o.float("alpha", 0.01); channels]))
            }
            "Sigmoid" => self.unary(o, Unary::Sigmoid),
            "Exp" => self.unary(o, Unary::Exp),
            "HardSwish" => self.unary(o, Unary::HardSwish),
            "HardSigmoid" => self.unary(o, Unary::HardSigmoid([o.float("alpha", 0.2), o.float("beta", 0.5)])),
            "Add" => self.add(o),
            "Mul" => self.silu(o),
            "Resize" => self.resize(o),
            "MaxPool" => {
                let x = self.named(o, 0)?;
                let kernel = square(o, "kernel_shape", None)?;
                let (stride, pad) = (square(o, "strides", Some(1))?, square(o, "pads", Some(0))?);
                let plain = o.int("ceil_mode", 0) == 0 && square(o, "dilations", Some(1))? == 1;
                if !plain
                    || o.outputs.len() != 1
                    || stride == 0
                    || pad >= kernel
                    || o.text("auto_pad", "NOTSET") != "NOTSET"
                {
                    return Err("in this form is not known".into());
                }
                self.step(o, Draft::MaxPool([kernel, stride, pad]), x, None, self.values[x.value].channels)
            }
            "GlobalAveragePool" => {
                let x = self.named(o, 0)?;
                self.step(o, Draft::GlobalMean, x, None, self.values[x.value].channels)
            }
            _ => Err(unknown()),
        }
    }

    /// The activation that an operation reads, channels first.
    fn named(&self, o: &Operation, input: usize) -> Result<Named, Refusal> {
        match self.named_as_is(o, input)? {
            named if named.last == Last::No => Ok(named),
            _ => Err(format!("reads {:?}, whose axes were exchanged", o.inputs[input])),
        }
    }

    /// The same, wherever its channels are: for operations to which every element is alike.
    fn named_as_is(&self, o: &Operation, input: usize) -> Result<Named, Refusal> {
        let name = o.inputs.get(input).map_or("", String::as_str);
        self.names.get(name).copied().ok_or_else(|| format!("reads {name:?}, which is no activation"))
    }

    /// A constant other than weights: those are larger, and may still be where they stand in the file.
    fn constant_at(&self, o: &Operation, input: usize) -> Result<&(Vec<usize>, Vec<f32>), Refusal> {
        let name = o.inputs.get(input).map_or("", String::as_str);
        self.constants.get(name).ok_or_else(|| format!("reads {name:?}, which is no constant"))
    }

    /// Weights to change or keep, and their shape: a copy only if somebody else reads them as well.
    fn weights_at(&mut self, o: &Operation, input: usize) -> Result<(Vec<usize>, Weights<'g>), Refusal> {
        let name = o.inputs.get(input).map_or("", String::as_str);
        if let Some((packed, scales)) = self.packed.get(name) {
            return Ok((packed.shape().to_vec(), Weights::Packed(packed.clone(), scales.clone())));
        }
        let (shape, values) = match self.once(name).then(|| self.constants.remove(name)).flatten() {
            Some(constant) => constant,
            None => self.constant_at(o, input)?.clone(),
        };
        Ok((shape, Weights::Values(values)))
    }

    /// The shape of a constant.
    fn shape_at(&self, o: &Operation, input: usize) -> Result<&[usize], Refusal> {
        let packed = o.inputs.get(input).and_then(|name| self.packed.get(name));
        packed.map_or_else(|| Ok(&self.constant_at(o, input)?.0[..]), |(packed, _)| Ok(packed.shape()))
    }

    /// Whether a name is read only once.
    fn once(&self, name: &str) -> bool {
        self.uses.get(name) == Some(&1)
    }

    /// The step that computed what an operation reads, if nobody else reads it.
    fn own(&self, o: &Operation, input: usize) -> Option<usize> {
        let name = o.inputs.get(input)?;
        let value = self.names.get(name.as_str())?.value;
        self.steps.iter().rposition(|s| s.output == value).filter(|_| self.once(name))
    }

    fn name(&mut self, o: &'g Operation, named: Named) -> Result<(), Refusal> {
        let [name] = &o.outputs[..] else { return Err("with several results is not known".into()) };
        match self.names.insert(name, named) {
            None => Ok(()),
            Some(_) => Err("computes a name that there is already".into()),
        }
    }

    fn step(
        &mut self,
        o: &'g Operation,
        draft: Draft<'g>,
        x: Named,
        other: Option<usize>,
        channels: usize,
    ) -> Result<(), Refusal> {
        let picture = self.values[x.value].lanes != LANES;
        if picture && !matches!(draft, Draft::Conv { depthwise: false, .. }) {
            return Err("on the picture itself is not known".into());
        }
        let output = self.values.len();
        self.values.push(Value { channels, pad: 0, lanes: LANES });
        self.steps.push(Drafted { draft, input: x.value, other, output });
        self.name(o, Named { value: output, flat: false, last: Last::No })
    }

    /// A name for the same activation.
    fn alias(&mut self, o: &'g Operation, flat: Option<bool>) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        self.alias_as(o, Named { flat: flat.unwrap_or(x.flat), ..x })
    }

    /// A name for the activation that an operation reads, as `named` says.
    fn alias_as(&mut self, o: &'g Operation, named: Named) -> Result<(), Refusal> {
        // Another name is another reader, so that whoever asks whether there is only one is told the truth.
        let name = o.inputs[0].as_str();
        if !self.once(name) && o.outputs.len() == 1 {
            *self.uses.entry(o.outputs[0].as_str()).or_default() += 1;
        }
        self.name(o, named)
    }

    /// Computes what shorter forms of weights stand for, or notes how it is computed.
    fn constant(&mut self, o: &Operation) -> Result<(), Refusal> {
        let (shape, weights) = self.weights_at(o, 0)?;
        let name = o.output().to_string();
        match o.kind.as_str() {
            "Cast" if o.int("to", 1) == phiz_onnx::element::F32.cast_signed() => {
                match weights {
                    Weights::Packed(packed, scales) => _ = self.packed.insert(name, (packed, scales)),
                    Weights::Values(values) => _ = self.constants.insert(name, (shape, values)),
                }
                Ok(())
            }
            "DequantizeLinear" => {
                let scales = self.constant_at(o, 1)?.1.clone();
                let zeros = match o.inputs.get(2).filter(|name| !name.is_empty()) {
                    Some(name) => match self.graph.integers.get(name) {
                        Some((_, zeros)) => zeros.iter().map(|z| *z as f32).collect(),
                        None => self.constant_at(o, 2)?.1.clone(),
                    },
                    None => vec![0.0],
                };
                let axis = usize::try_from(o.int("axis", 1)).unwrap_or(usize::MAX);
                let along = if scales.len() == 1 { 1 } else { shape.get(axis).copied().unwrap_or(0) };
                let each: usize = shape.iter().skip(axis.saturating_add(1)).product();
                if along == 0 || along != scales.len() || zeros.len() != 1 && zeros.len() != along {
                    return Err("with such scales is not known".into());
                }
                let scales = Scales { scales, zeros };
                match weights {
                    // A scale for each output, or one for all, as weights are written.
                    Weights::Packed(packed, None) if axis == 0 || along == 1 => {
                        self.packed.insert(name, (packed, Some(scales)));
                    }
                    weights => {
                        let mut values = weights.into_values();
                        let each = if along == 1 { values.len() } else { each };
                        scales.apply(&mut values, each);
                        self.constants.insert(name, (shape, values));
                    }
                }
                Ok(())
            }
            _ => Err("to this type is not known".into()),
        }
    }

    fn conv(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        let inputs = self.values[x.value].channels;
        let shape = self.shape_at(o, 1)?;
        let &[outputs, each, rows, columns] = shape else {
            return Err(format!("with weights of {} axes is not known", shape.len()));
        };
        let bias = match o.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(_) => self.constant_at(o, 2)?.1.clone(),
            None => vec![0.0; outputs],
        };
        let groups = usize::try_from(o.int("group", 1)).unwrap_or(0);
        let (stride, pad) = (square(o, "strides", Some(1))?, square(o, "pads", Some(0))?);
        let consistent = groups > 0
            && each.checked_mul(groups) == Some(inputs)
            && outputs % groups == 0
            && outputs > 0
            && rows > 0
            && columns > 0
            && bias.len() == outputs
            && o.ints.get("kernel_shape").is_none_or(|k| k[..] == [rows as i64, columns as i64]);
        if !consistent {
            return Err(format!(
                "of {inputs} channels with weights {shape:?} in {groups} groups does not fit"
            ));
        }
        let known = matches!(stride, 1 | 2)
            && pad < rows.max(columns)
            && square(o, "dilations", Some(1))? == 1
            && o.text("auto_pad", "NOTSET") == "NOTSET"
            && !x.flat;
        if !known {
            return Err("in this form is not known".into());
        }
        // One channel to one channel as well: the picture has three.
        let depthwise = groups == inputs && groups == outputs && self.values[x.value].lanes == LANES;
        let (_, weight) = self.weights_at(o, 1)?;
        let weight = if groups == 1 || depthwise {
            weight
        } else {
            let weight = weight.into_values();
            self.expanded = self.expanded.saturating_add(weight.len().saturating_mul(groups));
            if self.expanded > MOST_EXPANDED {
                return Err("in groups has too many weights".into());
            }
            Weights::Values(expanded(&weight, outputs, groups))
        };
        let lanes = self.values[x.value].lanes;
        let shape = ConvShape { inputs, outputs, lanes, kernel: [rows, columns], stride, pad, clamp: OPEN };
        self.step(o, Draft::Conv { shape, depthwise, weight, bias, whole: false }, x, None, outputs)
    }

    /// A transposed convolution is one that computes for each pixel all `stride · stride` pixels that lie in its place
    /// afterwards, as so many groups of channels, which are then laid apart.
    fn conv_transpose(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        let inputs = self.values[x.value].channels;
        let shape = self.shape_at(o, 1)?;
        let &[read, each, rows, columns] = shape else {
            return Err(format!("with weights of {} axes is not known", shape.len()));
        };
        let groups = usize::try_from(o.int("group", 1)).unwrap_or(0);
        let outputs = each.saturating_mul(groups);
        let bias = match o.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(_) => self.constant_at(o, 2)?.1.clone(),
            None => vec![0.0; outputs],
        };
        let consistent = read == inputs
            && groups > 0
            && inputs.is_multiple_of(groups)
            && outputs > 0
            && bias.len() == outputs
            && o.ints.get("kernel_shape").is_none_or(|k| k[..] == [rows as i64, columns as i64]);
        if !consistent {
            return Err(format!(
                "of {inputs} channels with weights {shape:?} in {groups} groups does not fit"
            ));
        }
        let (stride, pad) = (square(o, "strides", Some(1))?, square(o, "pads", Some(0))?);
        let beyond = square(o, "output_padding", Some(0))?;
        // The map becomes exactly `stride` times as large.
        let known = rows == columns
            && (1..=4).contains(&stride)
            && beyond < stride
            && rows + beyond == stride + 2 * pad
            && square(o, "dilations", Some(1))? == 1
            && o.text("auto_pad", "NOTSET") == "NOTSET"
            && !o.ints.contains_key("output_shape")
            && !x.flat;
        if !known {
            return Err("in this form is not known".into());
        }
        // Which pixels around its own one each new pixel is computed from: `around` to every side.
        let around = ((rows - 1 - pad) / stride).max(pad.div_ceil(stride));
        let (side, whole) = (2 * around + 1, outputs.next_multiple_of(LANES));
        let parts = stride * stride * whole;
        let size = parts.saturating_mul(inputs).saturating_mul(side * side);
        self.expanded = self.expanded.saturating_add(size);
        if self.expanded > MOST_EXPANDED {
            return Err("has too many weights".into());
        }
        let (_, weight) = self.weights_at(o, 1)?;
        let weight = gathered(&weight.into_values(), [inputs, each, rows], groups, [stride, pad], around);
        let mut biases = Vec::with_capacity(parts);
        for _ in 0..stride * stride {
            biases.extend_from_slice(&bias);
            biases.resize(biases.len().next_multiple_of(LANES), 0.0);
        }
        let lanes = self.values[x.value].lanes;
        let shape = ConvShape {
            inputs,
            outputs: parts,
            lanes,
            kernel: [side; 2],
            stride: 1,
            pad: around,
            clamp: OPEN,
        };
        let draft = Draft::Conv {
            shape,
            depthwise: false,
            weight: Weights::Values(weight),
            bias: biases,
            whole: false,
        };
        let value = self.values.len();
        self.values.push(Value { channels: parts, pad: 0, lanes: LANES });
        self.steps.push(Drafted { draft, input: x.value, other: None, output: value });
        self.step(o, Draft::Apart(stride), Named { value, flat: false, last: Last::No }, None, outputs)
    }

    /// A fully connected layer is a convolution whose kernel is the map.
    fn gemm(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        let inputs = self.values[x.value].channels;
        let shape = self.shape_at(o, 1)?;
        let plain = o.int("transA", 0) == 0 && o.float("alpha", 1.0) == 1.0 && o.float("beta", 1.0) == 1.0;
        let (&[a, b], true) = (shape, plain) else { return Err("in this form is not known".into()) };
        let transposed = o.int("transB", 0) != 0;
        let (outputs, width) = if transposed { (a, b) } else { (b, a) };
        let side = (width / inputs.max(1)).isqrt();
        if side == 0
            || outputs == 0
            || side.checked_mul(side).and_then(|n| n.checked_mul(inputs)) != Some(width)
        {
            return Err(format!("of {inputs} channels with weights {shape:?} does not fit"));
        }
        let (_, weight) = self.weights_at(o, 1)?;
        let weight = if transposed {
            weight
        } else {
            let weight = weight.into_values();
            let places = (0..outputs).flat_map(|o| (0..width).map(move |i| i * outputs + o));
            Weights::Values(places.map(|i| weight[i]).collect())
        };
        let bias = match o.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(_) => self.constant_at(o, 2)?.1.clone(),
            None => vec![0.0; outputs],
        };
        if bias.len() != outputs || !x.flat {
            return Err("with such a bias or input is not known".into());
        }
        let shape =
            ConvShape { inputs, outputs, lanes: LANES, kernel: [side; 2], stride: 1, pad: 0, clamp: OPEN };
        self.step(o, Draft::Conv { shape, depthwise: false, weight, bias, whole: true }, x, None, outputs)?;
        if let Some(named) = self.names.get_mut(o.output()) {
            named.flat = true;
        }
        Ok(())
    }

    /// `x · factor + offset` for each channel, into the weights of the convolution before it, or by itself.
    fn batch_norm(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        let channels = self.values[x.value].channels;
        let mut parts = Vec::new();
        for i in 1..5 {
            let part = self.constant_at(o, i)?.1.clone();
            if part.len() != channels {
                return Err("with such constants is not known".into());
            }
            parts.push(part);
        }
        let epsilon = o.float("epsilon", 1e-5);
        let factor: Vec<f32> =
            parts[0].iter().zip(&parts[3]).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let offset: Vec<f32> =
            parts[1].iter().zip(&parts[2]).zip(&factor).map(|((b, m), f)| b - m * f).collect();
        if let Some(step) = self.own(o, 0) {
            let Drafted { draft, other, .. } = &mut self.steps[step];
            if let (Draft::Conv { shape, weight, bias, .. }, None) = (draft, other)
                && shape.clamp == OPEN
            {
                let weight = weight.values_mut();
                let each = weight.len() / channels;
                for (channel, filter) in weight.chunks_exact_mut(each).enumerate() {
                    filter.iter_mut().for_each(|w| *w *= factor[channel]);
                    bias[channel] = bias[channel] * factor[channel] + offset[channel];
                }
                return self.name(o, x);
            }
        }
        let shape = ConvShape {
            inputs: channels,
            outputs: channels,
            lanes: LANES,
            kernel: [1, 1],
            stride: 1,
            pad: 0,
            clamp: OPEN,
        };
        let weight = Weights::Values(factor);
        let draft = Draft::Conv { shape, depthwise: true, weight, bias: offset, whole: false };
        self.step(o, draft, x, None, channels)
    }

    fn clamp(&mut self, o: &'g Operation, bounds: [f32; 2]) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        if let Some(step) = self.own(o, 0) {
            let clamp = match &mut self.steps[step].draft {
                Draft::Conv { shape, .. } => Some(&mut shape.clamp),
                Draft::Add(clamp) => Some(clamp),
                _ => None,
            };
            if let Some(clamp) = clamp.filter(|clamp| **clamp == OPEN) {
                *clamp = bounds;
                return self.name(o, x);
            }
        }
        self.unary(o, Unary::Clamp(bounds))
    }

    fn unary(&mut self, o: &'g Operation, unary: Unary) -> Result<(), Refusal> {
        let x = match unary {
            Unary::PRelu(_) => self.named(o, 0)?,
            _ => self.named_as_is(o, 0)?,
        };
        let draft = Draft::Unary(unary);
        if self.own(o, 0).is_some() {
            self.steps.push(Drafted { draft, input: x.value, other: None, output: x.value });
            return self.name(o, x);
        }
        self.step(o, draft, x, None, self.values[x.value].channels)?;
        if let Some(named) = self.names.get_mut(o.output()) {
            (named.flat, named.last) = (x.flat, x.last);
        }
        Ok(())
    }

    /// A sum: part of the convolution that computes one of its sides, if nobody else reads that.
    fn add(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let (a, b) = (self.named(o, 0)?, self.named(o, 1)?);
        let channels = self.values[a.value].channels;
        if channels != self.values[b.value].channels || a.flat != b.flat {
            return Err("of different shapes is not known".into());
        }
        let free = |compiler: &Self, input: usize| {
            compiler.own(o, input).filter(|&step| {
                let Drafted { draft, other, .. } = &compiler.steps[step];
                other.is_none()
                    && matches!(draft, Draft::Conv { shape, depthwise: false, .. } if shape.clamp == OPEN)
            })
        };
        if a.value != b.value {
            let candidates = [(free(self, 0), b), (free(self, 1), a)];
            let last =
                candidates.into_iter().filter_map(|(step, other)| Some((step?, other))).max_by_key(|c| c.0);
            if let Some((step, other)) = last {
                // Computed now, where what is added is there already.
                let mut step = self.steps.remove(step);
                step.other = Some(other.value);
                let named = Named { value: step.output, ..a };
                self.steps.push(step);
                return self.name(o, named);
            }
        }
        self.step(o, Draft::Add(OPEN), a, Some(b.value), channels)?;
        if let Some(named) = self.names.get_mut(o.output()) {
            named.flat = a.flat;
        }
        Ok(())
    }

    /// `x · sigmoid(x)`; other products are not known.
    fn silu(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        for (x, gate) in [(0, 1), (1, 0)] {
            let (named, Some(step)) = (self.named(o, x)?, self.own(o, gate)) else { continue };
            let step = &mut self.steps[step];
            if matches!(step.draft, Draft::Unary(Unary::Sigmoid))
                && step.input == named.value
                && step.output != step.input
            {
                step.draft = Draft::Unary(Unary::Silu);
                let output = step.output;
                return self.name(o, Named { value: output, ..named });
            }
        }
        Err("of two activations is not known".into())
    }

    fn resize(&mut self, o: &'g Operation) -> Result<(), Refusal> {
        let x = self.named(o, 0)?;
        let (_, scales) =
            self.constant_at(o, 2).map_err(|_| "without constant scales is not known".to_string())?;
        let factor = match scales[..] {
            [1.0, 1.0, a, b] if a == b && a.fract() == 0.0 && (1.0..=16.0).contains(&a) => a as usize,
            _ => return Err("by such factors is not known".into()),
        };
        let coordinates = o.text("coordinate_transformation_mode", "half_pixel");
        let nearest = o.text("mode", "nearest") == "nearest";
        // By whole factors both ways to round come to the same pixel: the one in which the new one lies.
        let floor = coordinates == "asymmetric" && o.text("nearest_mode", "round_prefer_floor") == "floor";
        let half =
            coordinates == "half_pixel" && o.text("nearest_mode", "round_prefer_floor").starts_with("round");
        if !nearest || !(floor || half) || o.inputs.get(3).is_some_and(|name| !name.is_empty()) {
            return Err("in this form is not known".into());
        }
        self.step(o, Draft::Upsample(factor), x, None, self.values[x.value].channels)
    }

    /// Keeps in bf16 what convolutions compute and only convolutions read. Everything else stays in single precision: it
    /// costs little, and the results are as exact as can be.
    fn shorten(&mut self, results: &[Outcome], isa: Isa) {
        let dense = |s: &Drafted<'_>| match &s.draft {
            Draft::Conv { depthwise: false, .. } => true,
            Draft::Conv { shape, .. } => Depthwise::takes_short(shape.kernel, isa),
            Draft::MaxPool(window) => *window == [2, 2, 0],
            _ => false,
        };
        for value in 1..self.values.len() {
            let touches = |s: &&Drafted<'_>| s.input == value || s.other == Some(value) || s.output == value;
            let computed = self.steps.iter().any(|s| s.output == value);
            if computed
                && self.steps.iter().filter(touches).all(dense)
                && results.iter().all(|r| r.value != value)
            {
                self.values[value].lanes = SHORT;
            }
        }
        // Pooling does not convert.
        let apart = |s: &Drafted<'_>, values: &[Value]| {
            matches!(s.draft, Draft::MaxPool(_)) && values[s.input].lanes != values[s.output].lanes
        };
        while let Some(step) = self.steps.iter().find(|s| apart(s, &self.values)) {
            for value in [step.input, step.output] {
                self.values[value].lanes = LANES;
            }
        }
    }

    fn finish(mut self, isa: Isa, precision: Precision) -> Result<Program, Refusal> {
        let mut results = Vec::new();
        for output in &self.graph.outputs {
            let named = self.names.get(output.name.as_str()).copied();
            let named = named.ok_or_else(|| format!("output {:?} is computed by nobody", output.name))?;
            if named.value == 0 {
                return Err(format!("output {:?} is the input", output.name));
            }
            let mut outcome = Outcome { value: named.value, unary: None, flat: named.flat, last: named.last };
            let readers = |s: &Drafted<'_>| s.input == named.value || s.other == Some(named.value);
            // An activation that only the result shows is computed while the result is written.
            let last = self.steps.iter().rposition(|s| s.output == named.value);
            if let Some(last) = last
                && let Drafted { draft: Draft::Unary(unary), input, .. } = &self.steps[last]
                && !matches!(unary, Unary::PRelu(_))
                && *input == named.value
                && self.uses.get(output.name.as_str()) == Some(&1)
                && !self.steps[last + 1..].iter().any(readers)
            {
                outcome.unary = Some(unary.clone());
                self.steps.remove(last);
            }
            results.push(outcome);
        }
        // In eight bits, layers that would gain nothing from so few compute in bf16, which then also lies between the layers,
        // or in single precision where that is faster.
        if precision == Precision::Bf16 || precision == Precision::Int8 && isa.gains_from_bf16() {
            self.shorten(&results, isa);
        }
        let sides = self.sides();
        let mut steps = Vec::new();
        // Where weights are unpacked that are needed as a whole, one layer after the other.
        let mut scratch = Vec::new();
        for Drafted { draft, input, other, output } in self.steps {
            let kind = match draft {
                Draft::Conv { mut shape, depthwise: false, weight, bias, whole } => {
                    shape.lanes = self.values[input].lanes;
                    let pad = &mut self.values[input].pad;
                    *pad = shape.pad.max(*pad);
                    let each =
                        shape.outputs * shape.kernel[0] * shape.kernel[1] / (shape.stride * shape.stride);
                    let [least, least_long] = WORTH_ROUNDING;
                    let worth = match shape.lanes {
                        SHORT => each >= least,
                        LANES => each >= least_long,
                        _ => false,
                    };
                    if precision == Precision::Int8 && worth {
                        shape.lanes = BYTES;
                    }
                    let short = self.values[output].lanes == SHORT
                        || other.is_some_and(|other: usize| self.values[other].lanes == SHORT);
                    // Weights are packed for what runs: for both methods only where sizes may be of either kind.
                    let suits = !whole && !short && Winograd::suits(&shape);
                    let known = sides[output].map(|[height, width]| Winograd::fits(height, width));
                    let winograd = match suits && known != Some(false) {
                        true => Winograd::new(shape, weight.unpacked(&mut scratch), &bias, isa),
                        false => None,
                    };
                    match (winograd, known) {
                        (Some(winograd), Some(true)) => Kind::Winograd(winograd),
                        (winograd, _) => {
                            let each = shape.inputs * shape.kernel[0] * shape.kernel[1];
                            let filter =
                                |output: usize, to: &mut Vec<f32>| weight.of_output(output, each, to);
                            let conv = Conv::of_outputs(shape, &bias, isa, filter);
                            if whole { Kind::Whole(conv) } else { Kind::Conv(conv, winograd) }
                        }
                    }
                }
                Draft::Conv { shape, weight, bias, .. } => {
                    let pad = &mut self.values[input].pad;
                    *pad = shape.pad.max(*pad);
                    let ConvShape { kernel, stride, pad, clamp, .. } = shape;
                    let weight = weight.unpacked(&mut scratch);
                    Kind::Depthwise(Depthwise::new(kernel, stride, pad, clamp, weight, &bias, isa))
                }
                Draft::Unary(unary) => Kind::Unary(unary),
                Draft::Add(clamp) => Kind::Add(clamp),
                Draft::Upsample(factor) => Kind::Upsample(factor),
                Draft::Apart(factor) => Kind::Apart(factor),
                Draft::MaxPool(window) => Kind::MaxPool(window),
                Draft::GlobalMean => Kind::GlobalMean,
            };
            steps.push(Step { kind, input, other, output });
        }
        Ok(Program { steps, values: self.values, results, features: self.features })
    }
}

impl Compiler<'_> {
    /// Rows and columns of each value, if the network's pictures have one size.
    fn sides(&self) -> Vec<Option<[usize; 2]>> {
        let mut sides = vec![None; self.values.len()];
        let input = self.graph.inputs[0].shape.as_deref().unwrap_or_default();
        if let [_, _, Some(height), Some(width)] = input {
            sides[0] = Some([*height, *width]);
        }
        for step in &self.steps {
            let slide = |pad: usize, kernel: [usize; 2], stride: usize| {
                let [height, width] = sides[step.input]?;
                let side = |size: usize, kernel: usize| {
                    Some(size.checked_add(2 * pad)?.checked_sub(kernel)? / stride.max(1) + 1)
                };
                Some([side(height, kernel[0])?, side(width, kernel[1])?])
            };
            sides[step.output] = match &step.draft {
                Draft::Conv { shape, .. } => slide(shape.pad, shape.kernel, shape.stride),
                Draft::MaxPool([kernel, stride, pad]) => slide(*pad, [*kernel; 2], *stride),
                Draft::Upsample(factor) | Draft::Apart(factor) => sides[step.input]
                    .and_then(|[h, w]: [usize; 2]| Some([h.checked_mul(*factor)?, w.checked_mul(*factor)?])),
                Draft::GlobalMean => sides[step.input].map(|_| [1, 1]),
                Draft::Unary(_) | Draft::Add(_) => sides[step.input],
            };
        }
        sides
    }
}

/// Slopes, padded to whole blocks.
fn prelu(mut slopes: Vec<f32>) -> Unary {
    slopes.resize(slopes.len().next_multiple_of(LANES), 0.0);
    Unary::PRelu(slopes)
}

/// Weights in groups as a matrix over all inputs that is zero between groups.
fn expanded(weight: &[f32], outputs: usize, groups: usize) -> Vec<f32> {
    let mut dense = Vec::new();
    for (output, filter) in weight.chunks_exact(weight.len() / outputs).enumerate() {
        let group = output / (outputs / groups);
        let begin = dense.len() + group * filter.len();
        dense.resize(dense.len() + groups * filter.len(), 0.0);
        dense[begin..begin + filter.len()].copy_from_slice(filter);
    }
    dense
}

/// Weights of a transposed convolution, `[inputs, outputs of a group, kernel, kernel]`, as those of the convolution that computes its
/// pixels in `stride · stride` parts, each of whole blocks of channels: `[parts, inputs, side, side]`, where a side reaches `around`
/// pixels to both sides of the one in the middle.
fn gathered(
    weight: &[f32],
    [inputs, each, kernel]: [usize; 3],
    groups: usize,
    [stride, pad]: [usize; 2],
    around: usize,
) -> Vec<f32> {
    let (side, whole) = (2 * around + 1, (each * groups).next_multiple_of(LANES));
    let mut to = vec![0.0; stride * stride * whole * inputs * side * side];
    // The part to which a row, or a column, of the kernel belongs, and its place there.
    let place = |k: usize| {
        let part = (k + stride * pad - pad) % stride;
        (part, (around * stride + part + pad - k) / stride)
    };
    for (input, filters) in weight.chunks_exact(each * kernel * kernel).enumerate() {
        let first = input / (inputs / groups) * each;
        for (output, filter) in filters.chunks_exact(kernel * kernel).enumerate() {
            for (at, value) in filter.iter().enumerate() {
                let [(part_y, y), (part_x, x)] = [at / kernel, at % kernel].map(place);
                let part = (part_y * stride + part_x) * whole + first + output;
                to[((part * inputs + input) * side + y) * side + x] = *value;
            }
        }
    }
    to
}

/// A whole number that is the same in all directions.
fn square(o: &Operation, name: &str, absent: Option<usize>) -> Result<usize, Refusal> {
    let wrong = || format!("with such {name} is not known");
    match (o.ints.get(name).map(|v| &v[..]), absent) {
        (None | Some([]), Some(absent)) => Ok(absent),
        (Some([first, rest @ ..]), _) if rest.iter().all(|n| n == first) => {
            usize::try_from(*first).ok().filter(|n| *n <= 64).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}
