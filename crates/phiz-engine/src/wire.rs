//! Whether bytes are a whole ONNX file, before the runtime reads them.
//!
//! rten's reader (0.27) turns for ever on a number of more than ten bytes, and goes as deep as graphs lie within graphs.
//! This pass over the file's Protocol Buffers takes microseconds and no memory. Only what rten itself looks into is
//! looked into: <https://protobuf.dev/programming-guides/encoding/>, <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

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

/// The reason for which the bytes cannot be an ONNX file, if there is one.
pub(crate) fn check(onnx: &[u8]) -> Result<(), &'static str> {
    message(onnx, Message::Model, MOST_LEVELS)
}

fn message(mut bytes: &[u8], kind: Message, levels: usize) -> Result<(), &'static str> {
    let levels = levels.checked_sub(1).ok_or("it lies too deep in itself")?;
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        match key & 7 {
            0 => _ = number(&mut bytes)?,
            1 => _ = take(&mut bytes, 8)?,
            5 => _ = take(&mut bytes, 4)?,
            2 => {
                let length = number(&mut bytes)?;
                let mut part = take(&mut bytes, length)?;
                match kind.content(key >> 3) {
                    Content::Message(inner) => message(part, inner, levels)?,
                    Content::Numbers => {
                        while !part.is_empty() {
                            number(&mut part)?;
                        }
                    }
                    Content::Bytes => {}
                }
            }
            _ => return Err("a field of an unknown kind"),
        }
    }
    Ok(())
}

fn number(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first().ok_or("it is cut off")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            return Ok(value);
        }
    }
    Err("a number without end")
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], &'static str> {
    let (taken, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or("it is cut off")?;
    *bytes = rest;
    Ok(taken)
}
