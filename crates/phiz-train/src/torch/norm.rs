//! Batch normalisation in training on the processor in f32, with ReLU behind it or without, by [`phiz_layers::Norm`].

use phiz_layers::{Norm, Statistics};
use tch::Tensor;

use super::map::{self, channels_first, channels_last};
use super::record::{Operation, numbers, numbers_mut, record};
use crate::backend::NORM_MOMENTUM;

/// What the gradients are computed of.
struct Kept {
    norm: Norm,
    /// `[pictures, height, width, channels]`.
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    statistics: Statistics,
}

/// Output of `[pictures, channels, height, width]`, its memory in channels-last order, and the running statistics moved; none
/// where LibTorch's own way has to do.
pub(super) fn normalise(
    x: &Tensor,
    [scale, shift]: [&Tensor; 2],
    [mean, variance]: [&Tensor; 2],
    relu: bool,
) -> Option<Tensor> {
    if [x, scale, shift].iter().any(|x| !map::is_ours(x)) {
        return None;
    }
    let (pictures, channels, height, width) = x.size4().ok()?;
    let rows = usize::try_from(pictures * height * width).ok().filter(|rows| *rows > 1)?;
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    let norm = Norm::new(usize::try_from(channels).ok()?, phiz_net::onnx::NORM_EPSILON, relu, threads)?;
    let (mut y, kept) = tch::no_grad(|| {
        let x = channels_last(x);
        let [scale, shift] = [scale, shift].map(|list| list.detach().contiguous());
        let mut y = x.empty_like();
        let statistics = norm.forward(numbers(&x), numbers(&scale), numbers(&shift), numbers_mut(&mut y));
        let unbiased = rows as f64 / (rows - 1) as f64;
        let moved = [(mean, &statistics.mean, 1.0), (variance, &statistics.variance, unbiased)];
        for (running, batch, factor) in moved {
            let batch = Tensor::from_slice(batch) * factor;
            let _ = running.shallow_clone().lerp_(&batch, NORM_MOMENTUM);
        }
        (channels_first(&y), Kept { norm, x, scale, shift, statistics })
    });
    record(&mut y, &[x, scale, shift], Box::new(kept));
    Some(y)
}

impl Operation for Kept {
    fn gradients(&self, gradient: &Tensor, _: &[bool]) -> Vec<Option<Tensor>> {
        let gradient = channels_last(gradient);
        let mut dx = self.x.empty_like();
        let lists = [numbers(&self.scale), numbers(&self.shift)];
        let [dscale, dshift] = self.norm.backward(
            numbers(&self.x),
            numbers(&gradient),
            lists,
            &self.statistics,
            numbers_mut(&mut dx),
        );
        [channels_first(&dx), Tensor::from_slice(&dscale), Tensor::from_slice(&dshift)].map(Some).into()
    }
}
