//! Reads the operations of any ONNX file.
//!
//! Only what a convolutional network for faces is made of: operations with their inputs, outputs and attributes, and
//! constants. What cannot be read as such is left out, and whoever needs it says so.

use std::collections::BTreeMap;

use crate::tensor::{Constant, Packed, tensor};
use crate::wire::{Field, fields, numbers, text};
use crate::{ReadError, Tensors};

/// Constants of no more elements are read at once in any case.
const FEW: usize = 1024;

/// The operations of a network in their order, and its constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The operations, each after those whose results it reads.
    pub operations: Vec<Operation>,
    /// Constants of f32, f16, bf16, int8 or uint8 by name, all as f32, each with its shape.
    pub constants: Tensors<f32>,
    /// Constants of whole numbers by name: shapes, sizes, axes.
    pub integers: Tensors<i64>,
    /// What is fed, constants left out.
    pub inputs: Vec<Value>,
    /// The results.
    pub outputs: Vec<Value>,
}

/// An input or a result of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// Its element type, see [`crate::element`]; 0 where the file does not say.
    pub element: u64,
    /// Size along each axis, none where the file leaves it open; no shape where the file declares none.
    pub shape: Option<Vec<Option<usize>>>,
}

/// An operation of ONNX.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operation {
    /// Its type, as `Conv`.
    pub kind: String,
    /// Names of what it reads; empty for an optional input that is left out.
    pub inputs: Vec<String>,
    /// Names of its results.
    pub outputs: Vec<String>,
    /// Attributes that are whole numbers, or lists of such.
    pub ints: BTreeMap<String, Vec<i64>>,
    /// Attributes that are other numbers.
    pub floats: BTreeMap<String, f32>,
    /// Attributes that are text.
    pub texts: BTreeMap<String, String>,
}

impl Operation {
    /// A whole number, or what ONNX takes when it is not there.
    #[must_use]
    pub fn int(&self, name: &str, absent: i64) -> i64 {
        self.ints.get(name).and_then(|v| v.first()).copied().unwrap_or(absent)
    }

    /// A number, or what ONNX takes when it is not there.
    #[must_use]
    pub fn float(&self, name: &str, absent: f32) -> f32 {
        self.floats.get(name).copied().unwrap_or(absent)
    }

    /// A text, or what ONNX takes when it is not there.
    #[must_use]
    pub fn text<'a>(&'a self, name: &str, absent: &'a str) -> &'a str {
        self.texts.get(name).map_or(absent, String::as_str)
    }

    /// The name of its first result; empty if it has none.
    #[must_use]
    pub fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }
}

/// Reads the graph of an ONNX file.
///
/// # Errors
/// Bytes that are not a whole ONNX file.
pub fn read(onnx: &[u8]) -> Result<Graph, ReadError> {
    let (mut graph, packed) = read_packed(onnx)?;
    for (name, packed) in packed {
        graph.constants.insert(name, (packed.shape().to_vec(), packed.values()));
    }
    Ok(graph)
}

/// Reads the graph of an ONNX file without the weights of its larger layers (constants of f32, f16, bf16, int8 and uint8
/// with two or four axes), which are returned beside it as they stand in the file: whoever packs weights in an order of
/// his own needs each of them once, and not all of them at the same time.
///
/// # Errors
/// Bytes that are not a whole ONNX file.
pub fn read_packed(onnx: &[u8]) -> Result<(Graph, BTreeMap<String, Packed<'_>>), ReadError> {
    let (mut read, mut packed) = (Graph::default(), BTreeMap::new());
    for field in fields(onnx) {
        let (7, Field::Bytes(graph)) = field? else { continue };
        for field in fields(graph) {
            let (field, Field::Bytes(bytes)) = field? else { continue };
            match field {
                1 => operation(bytes, &mut read)?,
                5 => match tensor(bytes)? {
                    Some((name, Constant::Packed(constant))) if is_large(&constant) => {
                        read.constants.remove(&name);
                        packed.insert(name, constant);
                    }
                    Some((name, constant)) => {
                        packed.remove(&name);
                        read.keep(name, constant);
                    }
                    None => {}
                },
                11 => read.inputs.push(value(bytes)?),
                12 => read.outputs.push(value(bytes)?),
                _ => {}
            }
        }
    }
    // Older files name their initialisers among the inputs as well.
    let Graph { inputs, constants, integers, .. } = &mut read;
    inputs.retain(|v| {
        let name = &v.name;
        !constants.contains_key(name) && !integers.contains_key(name) && !packed.contains_key(name)
    });
    if read.operations.is_empty() || read.inputs.is_empty() || read.outputs.is_empty() {
        return Err(ReadError::new("it holds no graph"));
    }
    Ok((read, packed))
}

/// Whether a constant is the weights of a layer that is worth leaving where it is.
fn is_large(constant: &Packed<'_>) -> bool {
    matches!(constant.shape().len(), 2 | 4) && constant.shape().iter().product::<usize>() > FEW
}

impl Graph {
    fn keep(&mut self, name: String, constant: Constant<'_>) {
        match constant {
            Constant::Packed(packed) => {
                self.constants.insert(name, (packed.shape().to_vec(), packed.values()));
            }
            Constant::Floats(shape, data) => _ = self.constants.insert(name, (shape, data)),
            Constant::Integers(shape, data) => _ = self.integers.insert(name, (shape, data)),
        }
    }
}

/// A `ValueInfoProto`.
fn value(message: &[u8]) -> Result<Value, ReadError> {
    let mut value = Value::default();
    for field in fields(message) {
        match field? {
            (1, Field::Bytes(name)) => value.name = text(name),
            (2, Field::Bytes(kind)) => {
                for field in fields(kind) {
                    if let (1, Field::Bytes(tensor)) = field? {
                        tensor_type(tensor, &mut value)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(value)
}

fn tensor_type(message: &[u8], value: &mut Value) -> Result<(), ReadError> {
    for field in fields(message) {
        match field? {
            (1, Field::Number(element)) => value.element = element,
            (2, Field::Bytes(shape)) => {
                let axes = value.shape.get_or_insert_default();
                for field in fields(shape) {
                    let (1, Field::Bytes(axis)) = field? else { continue };
                    let mut size = None;
                    for field in fields(axis) {
                        if let (1, Field::Number(n)) = field? {
                            size = usize::try_from(n).ok().filter(|_| n.cast_signed() >= 0);
                        }
                    }
                    axes.push(size);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds a node; a `Constant` becomes one.
fn operation(node: &[u8], read: &mut Graph) -> Result<(), ReadError> {
    let mut operation = Operation::default();
    let mut held = None;
    for field in fields(node) {
        let (field, Field::Bytes(bytes)) = field? else { continue };
        match field {
            1 => operation.inputs.push(text(bytes)),
            2 => operation.outputs.push(text(bytes)),
            4 => operation.kind = text(bytes),
            5 => held = attribute(bytes, &mut operation)?.or(held),
            _ => {}
        }
    }
    match (operation.kind.as_str(), operation.outputs.first(), held) {
        ("Constant", Some(name), Some(constant)) => read.keep(name.clone(), constant),
        // A constant of an element type that is not read.
        ("Constant", ..) => {}
        _ => read.operations.push(operation),
    }
    Ok(())
}

/// Adds an attribute to the operation; returns it if it is a tensor.
fn attribute<'a>(bytes: &'a [u8], operation: &mut Operation) -> Result<Option<Constant<'a>>, ReadError> {
    let (mut name, mut ints, mut float, mut word, mut held) = (String::new(), Vec::new(), None, None, None);
    for field in fields(bytes) {
        match field? {
            (1, Field::Bytes(b)) => name = text(b),
            (2, Field::Bytes(b)) => float = b.try_into().map(f32::from_le_bytes).ok(),
            (3 | 8, Field::Number(n)) => ints.push(n.cast_signed()),
            (4, Field::Bytes(b)) => word = Some(text(b)),
            (5, Field::Bytes(b)) => held = tensor(b)?.map(|(_, constant)| constant),
            (8, Field::Bytes(packed)) => {
                for n in numbers(packed) {
                    ints.push(n?.cast_signed());
                }
            }
            _ => {}
        }
    }
    if let Some(value) = float {
        operation.floats.insert(name.clone(), value);
    }
    if let Some(word) = word {
        operation.texts.insert(name.clone(), word);
    }
    if !ints.is_empty() {
        operation.ints.insert(name, ints);
    }
    Ok(held)
}
