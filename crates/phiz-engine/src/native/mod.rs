//! Our own engine: an ONNX file is compiled to a short list of steps over blocked activations ([`compile`]), whose
//! buffers are laid out for each size of input ([`plan`]), and run by the kernels ([`crate::kernels`]).
//!
//! `docs/engine.md` tells how it works, how to add an operator and how to hunt a wrong number.

mod compile;
mod network;
mod plan;
mod weights;

pub(crate) use network::NativeNetwork;
pub(crate) use plan::Scratch;
