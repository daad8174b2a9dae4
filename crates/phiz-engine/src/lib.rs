//! Runs a network: ONNX in, tensors out. Knows no face.
//!
//! One trait, [`Network`], stands between the rest of Phiz and whatever computes. [`load`] chooses the runtime behind
//! it: `rten`, a ready-made runtime in pure Rust that knows many operators, or `native`, our own engine
//! ([`Runtime`]).
//!
//! A network here has one input and any number of outputs, all `f32`. That is all that face detectors and embedders
//! need. The input is a tensor, or pictures of eight bits that the network normalises itself ([`Pictures`],
//! [`Normalisation`]).
//!
//! # Threads
//! A [`Network`] may be called from many threads at once, each with a [`Workspace`] of its own; each call computes on
//! [`LoadOptions::threads`] threads. For throughput keep that at 1 and run one photo per thread: a face is too small a
//! job to be worth splitting, and several threads on one picture are for who waits for that one (`docs/engine.md`).
//!
//! ```no_run
//! use phiz_engine::{Input, LoadOptions, Normalisation, Pictures, Workspace, load};
//! let bytes = std::fs::read("embedder.onnx")?;
//! let normalisation = Normalisation { mean: [127.5; 3], std: [127.5; 3], ..Normalisation::default() };
//! let network = load(&bytes, &LoadOptions::default().normalisation(normalisation))?;
//! let mut workspace = Workspace::default();
//! let face = vec![0u8; 112 * 112 * 3];
//! let outputs = network.run_into(Pictures::rgb(112, 112, &[&face]).into(), &mut workspace)?;
//! println!("{}: {:?}", network.outputs()[0].name, outputs[0].shape);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bench;
mod error;
mod input;
mod kernels;
mod native;
mod network;
mod rten_network;
mod tensor;
mod workspace;

pub use error::EngineError;
pub use input::{ChannelOrder, Input, Normalisation, Pictures};
pub use network::{Instructions, LoadOptions, Network, Precision, Runtime, load};
pub use tensor::{MAX_ELEMENTS, Port, Tensor};
pub use workspace::Workspace;
