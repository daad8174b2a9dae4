//! What can go wrong between an ONNX file and a tensor, sorted by who must act.

/// What can go wrong between an ONNX file and a tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model cannot be loaded: something is wrong with the file.
    #[error(
        "cannot load the network: {reason}; is it a complete ONNX file, exported with standard operators?"
    )]
    Load {
        /// What the runtime found.
        reason: String,
    },
    /// The runtime that was asked for lacks something that the network needs; another runtime may have it.
    #[error("the runtime {runtime} cannot run this network: {reason}; load it with the runtime \"auto\"")]
    Unsupported {
        /// The runtime's name.
        runtime: &'static str,
        /// What it lacks: an operator and its node, or a precision.
        reason: String,
    },
    /// A tensor or picture does not fit: the caller made a mistake, or the card describes another network.
    #[error("{port}: wrong shape: {reason}; check the input size in the model card")]
    Shape {
        /// Name of the input or output, or `tensor`.
        port: String,
        /// Both sizes.
        reason: String,
    },
    /// The runtime failed on a well-formed input.
    #[error("the network failed: {reason}; try a model exported with another opset and report this one")]
    Run {
        /// What the runtime said.
        reason: String,
    },
    /// Zero threads were asked for.
    #[error("threads: 0 threads cannot compute; give 1 or more")]
    Threads,
}
