//! The memory in which a network computes.

use crate::Tensor;

/// The memory that a run needs, owned by the caller and kept from one run to the next.
///
/// A workspace belongs to no network: one may serve several in turn, and it grows to what the largest of them needs.
/// Once it has grown, running allocates nothing in our own engine. Each thread that runs networks needs its own.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(crate) outputs: Vec<Tensor>,
    /// The input as the runtime wants it, where pictures had to be converted.
    pub(crate) input: Vec<f32>,
    pub(crate) scratch: crate::native::Scratch,
}

impl Workspace {
    /// The results of the last run, one for each of the network's outputs; empty before the first.
    #[must_use]
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// Takes the results of the last run out of the workspace.
    #[must_use]
    pub fn take_outputs(&mut self) -> Vec<Tensor> {
        std::mem::take(&mut self.outputs)
    }

    /// The output at `index`, brought to a shape; its values are left as they are or set to zero.
    pub(crate) fn output(&mut self, index: usize, shape: &[usize]) -> &mut [f32] {
        if self.outputs.len() <= index {
            self.outputs.resize_with(index + 1, Tensor::default);
        }
        let tensor = &mut self.outputs[index];
        tensor.shape.clear();
        tensor.shape.extend_from_slice(shape);
        tensor.data.resize(shape.iter().product(), 0.0);
        &mut tensor.data
    }
}
