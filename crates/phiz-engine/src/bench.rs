//! How fast networks run on this machine: what `phiz bench` prints.

use crate::kernels::Isa;
use crate::native::NativeNetwork;
use crate::{EngineError, LoadOptions, Tensor};

/// How long one step of a network takes.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTime {
    /// What it computes, and the shapes that go in and come out.
    pub name: String,
    /// Multiplications with addition.
    pub macs: usize,
    /// The least time of all rounds.
    pub milliseconds: f64,
}

/// The time of each step of a network in our own engine, on one picture and one thread.
///
/// # Errors
/// As [`crate::load`] with [`crate::Runtime::Native`], and as [`crate::Network::run`].
pub fn steps(
    onnx: &[u8],
    options: &LoadOptions,
    input: &Tensor,
    rounds: usize,
) -> Result<Vec<StepTime>, EngineError> {
    NativeNetwork::load(onnx, options, Isa::best())?.profile(input, rounds)
}
