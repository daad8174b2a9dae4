//! Reads the operations of any ONNX file, so that a network of somebody else's making can be run where no engine is:
//! on the tensors with which one trains.
//!
//! Only what a convolutional network for faces is made of: operations with their inputs, outputs and numbers, and
//! constants of single precision (or shorter). What cannot be read as such is left out, and whoever needs it says so.

use std::collections::BTreeMap;

use crate::onnx::Weights;
use crate::onnx_read::{ReadError, Value, fields, initialiser, messages, number};

/// The operations of a network in their order, and its constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The operations, each after those whose results it reads.
    pub operations: Vec<Operation>,
    /// Constants by name, each with its shape.
    pub constants: Weights,
    /// Names of what is fed, constants left out.
    pub inputs: Vec<String>,
    /// Names of the results.
    pub outputs: Vec<String>,
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
    /// Numbers that are whole, or lists of such.
    pub ints: BTreeMap<String, Vec<i64>>,
    /// Other numbers.
    pub floats: BTreeMap<String, f32>,
}

impl Operation {
    /// A whole number, or what ONNX takes when it is not there.
    #[must_use]
    pub fn int(&self, name: &str, absent: i64) -> i64 {
        self.ints.get(name).and_then(|v| v.first()).copied().unwrap_or(absent)
    }
}

/// The graph of an ONNX file.
///
/// # Errors
/// Bytes that are not a whole ONNX file.
pub fn graph(onnx: &[u8]) -> Result<Graph, ReadError> {
    let mut read = Graph::default();
    for graph in messages(onnx, 7)? {
        for (field, value) in fields(graph)? {
            let Value::Bytes(bytes) = value else { continue };
            match field {
                1 => operation(bytes, &mut read)?,
                5 => read.constants.extend(initialiser(bytes)?),
                11 => read.inputs.push(text(bytes, 1)?),
                12 => read.outputs.push(text(bytes, 1)?),
                _ => {}
            }
        }
    }
    // Older files name their initialisers among the inputs as well.
    read.inputs.retain(|name| !read.constants.contains_key(name));
    if read.operations.is_empty() || read.inputs.is_empty() || read.outputs.is_empty() {
        return Err(ReadError::Format("it holds no graph"));
    }
    Ok(read)
}

fn text(message: &[u8], field: u64) -> Result<String, ReadError> {
    let first = messages(message, field)?.first().map(|b| String::from_utf8_lossy(b).into_owned());
    Ok(first.unwrap_or_default())
}

/// Adds a node; a `Constant` becomes one.
fn operation(node: &[u8], read: &mut Graph) -> Result<(), ReadError> {
    let mut operation = Operation::default();
    let mut tensor = None;
    for (field, value) in fields(node)? {
        let Value::Bytes(bytes) = value else { continue };
        let name = || String::from_utf8_lossy(bytes).into_owned();
        match field {
            1 => operation.inputs.push(name()),
            2 => operation.outputs.push(name()),
            4 => operation.kind = name(),
            5 => tensor = attribute(bytes, &mut operation)?.or(tensor),
            _ => {}
        }
    }
    match (operation.kind.as_str(), operation.outputs.first(), tensor) {
        ("Constant", Some(name), Some(value)) => {
            read.constants.insert(name.clone(), value);
        }
        // A constant of another kind, such as the shape of a `Reshape`.
        ("Constant", ..) => {}
        _ => read.operations.push(operation),
    }
    Ok(())
}

type Tensor = (Vec<usize>, Vec<f32>);

/// Adds an attribute to the operation; returns it if it is a tensor.
fn attribute(bytes: &[u8], operation: &mut Operation) -> Result<Option<Tensor>, ReadError> {
    let (mut name, mut ints, mut float, mut tensor) = (String::new(), Vec::new(), None, None);
    for (field, value) in fields(bytes)? {
        match (field, value) {
            (1, Value::Bytes(b)) => name = String::from_utf8_lossy(b).into_owned(),
            (2, Value::Bytes(b)) => float = b.try_into().map(f32::from_le_bytes).ok(),
            (3 | 8, Value::Number(n)) => ints.push(n.cast_signed()),
            (5, Value::Bytes(b)) => tensor = initialiser(b)?.map(|(_, value)| value),
            (8, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    ints.push(number(&mut packed)?.cast_signed());
                }
            }
            _ => {}
        }
    }
    if let Some(value) = float {
        operation.floats.insert(name.clone(), value);
    }
    if !ints.is_empty() {
        operation.ints.insert(name, ints);
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::export;
    use crate::zoo::Slim;

    fn file() -> Vec<u8> {
        let net = Slim { stem: 4, stages: vec![(4, 1), (8, 1)], weighted: true, dim: 6 }.build("small");
        let weights = net.parameters(true).expect("a network").into_iter().map(|p| {
            let count = p.shape.iter().product();
            (p.name, (p.shape, vec![0.5; count]))
        });
        export(&net, &weights.collect()).expect("exports")
    }

    #[test]
    fn our_own_files_are_read() {
        let graph = graph(&file()).expect("reads");
        assert_eq!((graph.inputs.as_slice(), graph.outputs.len()), (&["image".to_string()][..], 1));
        let convolutions: Vec<_> = graph.operations.iter().filter(|o| o.kind == "Conv").collect();
        assert!(convolutions.len() >= 5);
        let stem = convolutions[0];
        assert_eq!((&stem.ints["kernel_shape"][..], stem.int("strides", 1)), (&[3, 3][..], 2));
        assert_eq!(graph.constants[&stem.inputs[1]].0, [4, 3, 3, 3]);
        assert_eq!(stem.int("group", 1), 1);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let bytes = file();
        let whole = graph(&bytes).expect("reads");
        for end in 0..bytes.len() {
            if let Ok(read) = graph(&bytes[..end]) {
                assert_eq!(read, whole, "cut off at {end}");
            }
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            let _ = graph(&damaged);
        }
    }
}
