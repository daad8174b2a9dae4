//! Tensors, and what is known of a network's inputs and outputs.

use crate::EngineError;

/// The most elements that a [`Tensor`] may have (4 GiB of `f32`); a shape beyond it is a mistake or an
/// attack, and is refused before memory is taken.
pub const MAX_ELEMENTS: usize = 1 << 30;

/// A dense row-major array of `f32`: the last axis is contiguous.
#[derive(Clone, Debug, Default, PartialEq)]
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
        let tensor = Tensor { shape, data };
        tensor.check()?;
        Ok(tensor)
    }

    /// A tensor of `shape` full of zeros.
    ///
    /// # Errors
    /// [`EngineError::Shape`] when `shape` has more than [`MAX_ELEMENTS`] elements.
    pub fn zeros(shape: Vec<usize>) -> Result<Tensor, EngineError> {
        let count = element_count(&shape)?;
        Ok(Tensor { shape, data: vec![0.0; count] })
    }

    /// Fields are public, so that a tensor can be put together wrongly.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let expected = element_count(&self.shape)?;
        if self.data.len() == expected {
            return Ok(());
        }
        Err(EngineError::Shape {
            port: "tensor".into(),
            reason: format!(
                "the shape {:?} has {expected} elements, the data {}",
                self.shape,
                self.data.len()
            ),
        })
    }
}

pub(crate) fn element_count(shape: &[usize]) -> Result<usize, EngineError> {
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
