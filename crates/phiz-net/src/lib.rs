//! Our networks and their cards: architecture as data, ONNX in and out.
//!
//! [`zoo`] holds the networks by name, [`graph`] the language in which they are described, [`onnx`] the exporter that
//! turns a description and trained weights into a file that any engine runs, and the way back, [`form`] the numbers in
//! which a file holds weights, [`mod@reference`] what such a network computes by definition, [`card`] what must be known
//! to use a file, and [`bundled`] the networks inside the binary.

#[cfg(feature = "bundled")]
pub mod bundled;
pub mod card;
pub mod form;
pub mod graph;
pub mod onnx;
pub mod reference;
pub mod zoo;
