//! What the ways to convolve share: the shapes of a convolution, and tensors as plain slices.

use burn_backend::ops::FloatTensorOps;
use burn_backend::{DType, Shape, TensorData};
use burn_flex::{Flex, FlexTensor};

/// Everything that a convolution's loops need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) groups: usize,
}

impl Geometry {
    /// Of `x` `[n, i, h, w]` and a weight `[o, i/groups, k, k]`.
    pub(crate) fn new(
        x: &[usize],
        weight: &[usize],
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> Geometry {
        let kernel = weight[2];
        let along = |n: usize| (n + 2 * padding - kernel) / stride + 1;
        Geometry {
            batch: x[0],
            input: [x[1], x[2], x[3]],
            output: [weight[0], along(x[2]), along(x[3])],
            kernel,
            stride,
            padding,
            groups,
        }
    }

    pub(super) fn in_size(&self) -> usize {
        self.input.iter().product()
    }

    pub(super) fn out_size(&self) -> usize {
        self.output.iter().product()
    }
}

/// Wraps values without copying them.
pub(crate) fn tensor(data: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, Shape::from(shape.to_vec())))
}

/// The values of a tensor that lies in one piece.
pub(crate) fn slice(x: &FlexTensor) -> &[f32] {
    debug_assert_eq!(x.dtype(), DType::F32);
    x.as_slice().unwrap_or_default()
}

/// The matrix product.
pub(super) fn product(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    Flex::float_matmul(a, b).to_contiguous()
}
