//! Runs a network: ONNX in, tensors out. Knows no face.
//!
//! One trait, [`Network`], stands between the rest of Phiz and whatever computes. Behind it lies
//! `rten`, a pure Rust runtime ([`load`]); another one is added as a module that implements the trait.
//!
//! A network here has one input and any number of outputs, all `f32`. That is all that face detectors
//! and embedders need, and it keeps the trait small enough to implement in an afternoon.
//!
//! # Threads
//! A [`Network`] may be called from many threads at once; each call computes on
//! [`LoadOptions::threads`] threads. For throughput keep that at 1 and run one photo a thread: a face
//! is too small a job to be worth splitting.
//!
//! ```no_run
//! use phiz_engine::{LoadOptions, Tensor, load};
//! let bytes = std::fs::read("embedder.onnx")?;
//! let network = load(&bytes, &LoadOptions::default())?;
//! let output = network.run(&Tensor::zeros(vec![1, 3, 112, 112])?)?;
//! println!("{}: {:?}", network.outputs()[0].name, output[0].shape);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod rten_network;
mod wire;

/// The most elements that a [`Tensor`] may have (4 GiB of `f32`); a shape beyond it is a mistake or an
/// attack, and is refused before memory is taken.
pub const MAX_ELEMENTS: usize = 1 << 30;

/// A dense row-major array of `f32`: the last axis is contiguous.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Elements along each axis, outermost first; `[batch, channels, height, width]` for images.
    pub shape: Vec<usize>,
    /// The elements; their number is the product of `shape`.
    pub data: Vec<f32>,
}

impl Tensor {
    /// Wraps `data`, row-major, as a tensor of `shape`.
    ///
    /// # Errors
    /// [`EngineError::Shape`] when the number of elements is not the product of `shape`.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Tensor, EngineError> {
        let expected = element_count(&shape)?;
        if data.len() != expected {
            return Err(EngineError::Shape {
                port: "tensor".into(),
                reason: format!("the shape {shape:?} has {expected} elements, the data {}", data.len()),
            });
        }
        Ok(Tensor { shape, data })
    }

    /// A tensor of `shape` full of zeros.
    ///
    /// # Errors
    /// [`EngineError::Shape`] when `shape` has more than [`MAX_ELEMENTS`] elements.
    pub fn zeros(shape: Vec<usize>) -> Result<Tensor, EngineError> {
        let count = element_count(&shape)?;
        Ok(Tensor { shape, data: vec![0.0; count] })
    }
}

fn element_count(shape: &[usize]) -> Result<usize, EngineError> {
    shape
        .iter()
        .try_fold(1usize, |product, &axis| product.checked_mul(axis))
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| EngineError::Shape {
            port: "tensor".into(),
            reason: format!("the shape {shape:?} has more than {MAX_ELEMENTS} elements"),
        })
}

/// An input or output of a network: its name in the ONNX file and what is known of its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name in the ONNX graph.
    pub name: String,
    /// Size along each axis, `None` where the network leaves it open. Empty when the file declares no
    /// shape at all (then any shape is accepted).
    pub shape: Vec<Option<usize>>,
}

impl Port {
    /// Checks that `shape` fits what the port declares.
    ///
    /// # Errors
    /// [`EngineError::Shape`] naming the port, the axis, and both sizes.
    pub fn check(&self, shape: &[usize]) -> Result<(), EngineError> {
        let mismatch = |reason: String| Err(EngineError::Shape { port: self.name.clone(), reason });
        if self.shape.is_empty() {
            return Ok(());
        }
        if shape.len() != self.shape.len() {
            return mismatch(format!(
                "it has {} axes, the tensor {} {shape:?}",
                self.shape.len(),
                shape.len()
            ));
        }
        for (axis, (&got, &want)) in shape.iter().zip(&self.shape).enumerate() {
            if want.is_some_and(|want| want != got) {
                return mismatch(format!(
                    "axis {axis} must be {}, got {got} in {shape:?}",
                    want.unwrap_or(0)
                ));
            }
        }
        Ok(())
    }
}

/// A network that is ready to run. Implementations hold everything that they need: no file is read and
/// nothing is fetched after loading.
pub trait Network: Send + Sync {
    /// The inputs; exactly one in every network that [`load`] accepts.
    fn inputs(&self) -> &[Port];

    /// The outputs in the order of the file.
    fn outputs(&self) -> &[Port];

    /// Computes all outputs for one input.
    ///
    /// Requires: `input.shape` fits `inputs()[0]`. Ensures: one tensor for each of `outputs()`, in that
    /// order; equal inputs give equal outputs. Safe to call from many threads at once.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for an input that does not fit, [`EngineError::Run`] when the runtime
    /// fails or an output is not `f32`.
    fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, EngineError>;
}

/// How to load a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Threads that one call of [`Network::run`] computes on. Default 1.
    pub threads: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { threads: 1 }
    }
}

/// Reads an ONNX model from `onnx` (the bytes of the file) and prepares it to run.
///
/// # Errors
/// [`EngineError::Load`] when the bytes are not an ONNX model, use an operator that the runtime lacks,
/// or describe a network without exactly one input and at least one output;
/// [`EngineError::Threads`] for a thread count of 0.
pub fn load(onnx: &[u8], options: &LoadOptions) -> Result<Box<dyn Network>, EngineError> {
    if options.threads == 0 {
        return Err(EngineError::Threads);
    }
    Ok(Box::new(rten_network::RtenNetwork::load(onnx, options)?))
}

/// What can go wrong between an ONNX file and a tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model cannot be loaded: the file is the matter.
    #[error(
        "cannot load the network: {reason}; is it a complete ONNX file, exported with standard operators?"
    )]
    Load {
        /// What the runtime found.
        reason: String,
    },
    /// A tensor does not fit: the caller, or a card that describes another network, is the matter.
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
