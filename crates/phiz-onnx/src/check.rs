//! Whether bytes are a whole ONNX file, before a runtime of somebody else's making reads them.
//!
//! rten's reader (0.27) never ends on a number of more than ten bytes, and descends as deep as graphs lie within
//! graphs. This pass over the file's messages takes microseconds and no memory. It looks only into what rten itself
//! looks into.

use crate::ReadError;
use crate::wire::{Field, fields, numbers};

/// Graphs within graphs within graphs; networks for faces have none.
const MOST_LEVELS: usize = 40;

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

/// Checks that every message of an ONNX file is whole and that graphs are not nested without end.
///
/// # Errors
/// The reason for which the bytes cannot be an ONNX file.
pub fn check(onnx: &[u8]) -> Result<(), ReadError> {
    message(onnx, Message::Model, MOST_LEVELS)
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
