//! Whether bytes are a whole ONNX file, before a runtime of somebody else's making reads them.
//!
//! rten's reader (0.27) never ends on a number of more than ten bytes, and descends as deep as graphs lie within
//! graphs; and its operations ask for as much memory as a constant of the file says, which ends the program if there is not so much.
//! This pass over the file's messages takes microseconds and next to no memory. It looks only into what rten itself looks into.

use crate::graph::read_packed;
use crate::wire::{Field, fields, numbers};
use crate::{Graph, Operation, ReadError};

/// Graphs within graphs within graphs; networks for faces have none.
const MOST_LEVELS: usize = 40;

/// By so much one operation may enlarge a side of a map; networks for faces double it.
const MOST_SCALE: u16 = 16;
/// Repeats of a tensor, over all axes together.
const MOST_REPEATS: u64 = 1 << 8;
/// Elements of a tensor whose shape a constant names.
const MOST_ELEMENTS: u64 = 1 << 26;
/// Rows of padding around a map, the side of a window, and the step from one window to the next.
const MOST_WINDOW: u64 = 1 << 8;
/// The bounds of a range of numbers.
const MOST_RANGE: u64 = 1 << 16;

/// The messages of `onnx.proto` that matter here.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// No field of it holds another message.
    Leaf,
}

/// What a field with a length holds.
enum Content {
    Message(Message),
    /// Numbers one after another.
    Numbers,
    /// Text, raw data, or what nobody reads.
    Bytes,
}

impl Message {
    fn content(self, field: u64) -> Content {
        use Content::{Bytes, Numbers};
        use Message::{Attribute, Graph, Leaf, Model, Node, Shape, Tensor, TensorType, Type, ValueInfo};
        Content::Message(match (self, field) {
            (Model, 7) | (Attribute, 6) => Graph,
            (Model, 8 | 14) | (Tensor, 13) | (Shape, 1) => Leaf,
            (Graph, 1) => Node,
            (Graph, 5) | (Attribute, 5) => Tensor,
            (Graph, 11..=13) => ValueInfo,
            (Node, 5) => Attribute,
            (ValueInfo, 2) | (TensorType, 1) => Type,
            (Type, 1 | 4) => TensorType,
            (TensorType, 2) => Shape,
            (Attribute, 8) | (Tensor, 1 | 5 | 7 | 11) => return Numbers,
            _ => return Bytes,
        })
    }
}

/// Checks that every message of an ONNX file is whole, that graphs are not nested without end, and that no operation is told by
/// a constant to make a tensor that no network for faces has. Sizes that a network computes while it runs are not looked at.
///
/// # Errors
/// The reason for which the bytes cannot be an ONNX file, or not one that can be computed.
pub fn check(onnx: &[u8]) -> Result<(), ReadError> {
    message(onnx, Message::Model, MOST_LEVELS)?;
    // What has no graph is for the runtime to refuse.
    let Ok((graph, _)) = read_packed(onnx) else { return Ok(()) };
    graph.operations.iter().try_for_each(|operation| {
        grows_within_reason(operation, &graph)
            .then_some(())
            .ok_or(ReadError::new("an operation of it makes a tensor larger than any network for faces has"))
    })
}

/// Whether the constants and attributes that say how large an operation's result is are those of a network that exists.
fn grows_within_reason(operation: &Operation, graph: &Graph) -> bool {
    let integers = |i: usize| Some(&graph.integers.get(operation.inputs.get(i)?)?.1);
    let floats = |i: usize| Some(&graph.constants.get(operation.inputs.get(i)?)?.1);
    let each = |i: usize, most: u64| integers(i).is_none_or(|v| v.iter().all(|n| n.unsigned_abs() <= most));
    let together = |i: usize, most: u64| {
        let product = |all: u64, n: &i64| all.saturating_mul(n.unsigned_abs().max(1));
        integers(i).is_none_or(|v| v.iter().fold(1, product) <= most)
    };
    let attributes = |names: &[&str], most: u64| {
        let numbers = names.iter().filter_map(|name| operation.ints.get(*name)).flatten();
        numbers.into_iter().all(|n| n.unsigned_abs() <= most)
    };
    let windows = ["pads", "strides", "dilations", "kernel_shape", "output_padding"];
    attributes(&windows, MOST_WINDOW)
        && match operation.kind.as_str() {
            "Resize" => {
                let enlarges = |scale: &f32| *scale > 0.0 && *scale <= f32::from(MOST_SCALE);
                floats(2).is_none_or(|v| v.iter().all(enlarges)) && together(3, MOST_ELEMENTS)
            }
            "ConvTranspose" => attributes(&["strides"], MOST_SCALE.into()),
            "Expand" => together(1, MOST_ELEMENTS),
            "ConstantOfShape" => together(0, MOST_ELEMENTS),
            "Tile" => together(1, MOST_REPEATS),
            "Pad" => each(1, MOST_WINDOW),
            "Range" => (0..3).all(|i| each(i, MOST_RANGE)),
            _ => true,
        }
}

fn message(bytes: &[u8], kind: Message, levels: usize) -> Result<(), ReadError> {
    let levels = levels.checked_sub(1).ok_or(ReadError::new("it lies too deep in itself"))?;
    for field in fields(bytes) {
        // A number of fixed length is no message, but no message's field has one.
        let (field, Field::Bytes(part)) = field? else { continue };
        match kind.content(field) {
            Content::Message(inner) => message(part, inner, levels)?,
            Content::Numbers => numbers(part).try_for_each(|n| n.map(|_| ()))?,
            Content::Bytes => {}
        }
    }
    Ok(())
}
