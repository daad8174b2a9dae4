//! Our networks and their cards: architecture as data, ONNX in and out.
//!
//! [`zoo`] holds the networks by name, [`graph`] the language in which they are described, [`onnx`] the
//! exporter that turns a description and trained weights into a file that any engine runs, [`form`] the numbers in
//! which it holds them, [`onnx_read`] the way back,
//! [`onnx_graph`] the operations of anybody's file, [`mod@reference`] what such a network computes by definition, [`card`] what must be known to use such a file, and
//! [`bundled`] the pair inside the binary.

pub mod bundled;
pub mod card;
pub mod form;
pub mod graph;
pub mod onnx;
pub mod onnx_graph;
pub mod onnx_read;
pub mod reference;
pub mod zoo;
