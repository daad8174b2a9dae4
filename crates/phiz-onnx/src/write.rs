//! Writes ONNX files (opset 17) without any ONNX library.
//!
//! A writer needs only varints and length-prefixed fields, so a file is put together message by message.

use crate::tensor::element;
use crate::wire::Message;

/// An attribute of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute(Message);

fn attribute(name: &str, kind: i64) -> Message {
    let mut m = Message::default();
    m.text(1, name);
    m.int(20, kind);
    m
}

/// An attribute that is a whole number.
#[must_use]
pub fn int(name: &str, value: i64) -> Attribute {
    let mut m = attribute(name, 2);
    m.int(3, value);
    Attribute(m)
}

/// An attribute that is a list of whole numbers.
#[must_use]
pub fn ints(name: &str, values: &[i64]) -> Attribute {
    let mut m = attribute(name, 7);
    values.iter().for_each(|&v| m.int(8, v));
    Attribute(m)
}

/// An attribute that is a number.
#[must_use]
pub fn float(name: &str, value: f32) -> Attribute {
    let mut m = attribute(name, 1);
    m.float(2, value);
    Attribute(m)
}

/// An attribute that is text.
#[must_use]
pub fn text(name: &str, value: &str) -> Attribute {
    let mut m = attribute(name, 3);
    m.text(4, value);
    Attribute(m)
}

/// The size of an input or output along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis<'a> {
    /// Always this size.
    Fixed(usize),
    /// Any size; axes of one name have the same.
    Named(&'a str),
}

/// A file under construction. Operations must be added in an order in which each stands after those that it reads.
#[derive(Clone, Debug, Default)]
pub struct GraphWriter {
    name: String,
    nodes: Vec<Message>,
    initialisers: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
}

impl GraphWriter {
    /// A graph of this name, empty so far.
    #[must_use]
    pub fn new(name: &str) -> GraphWriter {
        GraphWriter { name: name.into(), ..GraphWriter::default() }
    }

    /// Adds an operation with one result.
    pub fn node<S: AsRef<str>>(&mut self, kind: &str, inputs: &[S], output: &str, attributes: &[Attribute]) {
        let mut m = Message::default();
        inputs.iter().for_each(|input| m.text(1, input.as_ref()));
        m.text(2, output);
        m.text(3, output);
        m.text(4, kind);
        attributes.iter().for_each(|a| m.message(5, &a.0));
        self.nodes.push(m);
    }

    /// Adds a constant of any element type (see [`element`]), given as its bytes, little-endian.
    pub fn initialiser(&mut self, name: &str, shape: &[usize], element: u64, bytes: &[u8]) {
        let mut m = Message::default();
        shape.iter().for_each(|&d| m.int(1, d as i64));
        m.int(2, element.cast_signed());
        m.text(8, name);
        m.blob(9, bytes);
        self.initialisers.push(m);
    }

    /// Adds a constant of single precision.
    pub fn floats(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initialiser(name, shape, element::F32, &bytes);
    }

    /// Adds a constant of whole numbers.
    pub fn integers(&mut self, name: &str, shape: &[usize], data: &[i64]) {
        let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initialiser(name, shape, element::I64, &bytes);
    }

    /// Declares an input of single precision.
    pub fn input(&mut self, name: &str, shape: &[Axis<'_>]) {
        self.inputs.push(value_info(name, shape));
    }

    /// Declares an output of single precision.
    pub fn output(&mut self, name: &str, shape: &[Axis<'_>]) {
        self.outputs.push(value_info(name, shape));
    }

    /// The file's bytes; `producer` is the name of the program that writes it.
    #[must_use]
    pub fn finish(&self, producer: &str) -> Vec<u8> {
        let mut graph = Message::default();
        self.nodes.iter().for_each(|node| graph.message(1, node));
        graph.text(2, &self.name);
        self.initialisers.iter().for_each(|tensor| graph.message(5, tensor));
        self.inputs.iter().for_each(|value| graph.message(11, value));
        self.outputs.iter().for_each(|value| graph.message(12, value));
        let mut opset = Message::default();
        opset.int(2, 17);
        let mut model = Message::default();
        model.int(1, 8); // IR version of opset 17
        model.text(2, producer);
        model.message(7, &graph);
        model.message(8, &opset);
        model.bytes
    }
}

fn value_info(name: &str, axes: &[Axis<'_>]) -> Message {
    let mut shape = Message::default();
    for axis in axes {
        let mut m = Message::default();
        match axis {
            Axis::Fixed(size) => m.int(1, *size as i64),
            Axis::Named(name) => m.text(2, name),
        }
        shape.message(1, &m);
    }
    let mut tensor = Message::default();
    tensor.int(1, element::F32.cast_signed());
    tensor.message(2, &shape);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name);
    info.message(2, &kind);
    info
}
