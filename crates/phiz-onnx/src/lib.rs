//! ONNX files: read, written and checked. Runs nothing.
//!
//! ONNX is Protocol Buffers, and a network for faces needs few of its messages, so this crate holds the one parser
//! that all of Phiz uses: [`read`] gives the operations and constants of any file, [`check`] says whether bytes are a
//! whole ONNX file at all, and [`mod@write`] puts files together. Field numbers are those of
//! [`onnx.proto`](https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
//!
//! Bytes may come from strangers: damage is an error and never a panic, and no more memory is taken than a small
//! multiple of the file's own size.
//!
//! ```
//! use phiz_onnx::write::{self, GraphWriter};
//! let mut graph = GraphWriter::new("positive");
//! graph.node("Relu", &["x"], "y", &[]);
//! graph.input("x", &[write::Axis::Named("n")]);
//! graph.output("y", &[write::Axis::Named("n")]);
//! let bytes = graph.finish("example");
//! let read = phiz_onnx::read(&bytes)?;
//! assert_eq!(read.operations[0].kind, "Relu");
//! # Ok::<(), phiz_onnx::ReadError>(())
//! ```

mod check;
mod graph;
mod tensor;
mod wire;
pub mod write;

pub use check::check;
pub use graph::{Graph, Operation, Value, read, read_packed};
pub use tensor::{Packed, element, initialisers};

/// Values by name, each with its shape: `(shape, values)`, row-major.
pub type Tensors<T> = std::collections::BTreeMap<String, (Vec<usize>, Vec<T>)>;

/// Why bytes could not be read as an ONNX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a whole ONNX file ({reason}); copy it again")]
pub struct ReadError {
    /// What is wrong with the bytes.
    pub reason: &'static str,
}

impl ReadError {
    pub(crate) const fn new(reason: &'static str) -> ReadError {
        ReadError { reason }
    }
}
