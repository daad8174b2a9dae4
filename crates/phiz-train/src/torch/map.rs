//! Maps as [`phiz_layers`] knows them, `[pictures, height, width, channels]` without gaps, and as LibTorch knows the same memory.

use tch::{Device, Kind, Tensor};

/// Whether it lies in the processor's memory.
pub(super) fn is_here(x: &Tensor) -> bool {
    x.device() == Device::Cpu
}

/// Whether all our layers compute with it: f32 on the processor.
pub(super) fn is_ours(x: &Tensor) -> bool {
    is_here(x) && x.kind() == Kind::Float
}

/// A map of LibTorch's; copied if its channels do not lie last.
pub(super) fn channels_last(x: &Tensor) -> Tensor {
    x.detach().permute([0, 2, 3, 1]).contiguous()
}

/// The same memory as LibTorch sees it.
pub(super) fn channels_first(x: &Tensor) -> Tensor {
    x.permute([0, 3, 1, 2])
}

/// An empty map.
pub(super) fn empty(size: [usize; 4]) -> Tensor {
    Tensor::empty(size.map(|d| d as i64), (Kind::Float, Device::Cpu))
}
