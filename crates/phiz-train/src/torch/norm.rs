//! Batch normalisation in training on the processor, of maps in f32 or bf16, with ReLU behind it or without, by [`phiz_layers::Norm`].

use phiz_layers::{Bf16, Norm, Number, Statistics};
use tch::{Kind, Tensor};

use super::map::{self, channels_first, channels_last};
use super::record::{Kinded, Operation, numbers, numbers_mut, record};
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
    if [scale, shift].iter().any(|list| !map::is_ours(list)) {
        return None;
    }
    match x.kind() {
        _ if !map::is_here(x) => None,
        Kind::Float => normalise_numbers::<f32>(x, [scale, shift], [mean, variance], relu),
        Kind::BFloat16 => normalise_numbers::<Bf16>(x, [scale, shift], [mean, variance], relu),
        _ => None,
    }
}

/// [`normalise`] of a map of such numbers.
fn normalise_numbers<N: Number + Kinded>(
    x: &Tensor,
    [scale, shift]: [&Tensor; 2],
    [mean, variance]: [&Tensor; 2],
    relu: bool,
) -> Option<Tensor> {
    let (pictures, channels, height, width) = x.size4().ok()?;
    let rows = usize::try_from(pictures * height * width).ok().filter(|rows| *rows > 1)?;
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    let norm = Norm::new(usize::try_from(channels).ok()?, phiz_net::onnx::NORM_EPSILON, relu, threads)?;
    let (mut y, kept) = tch::no_grad(|| {
        let x = channels_last(x);
        let [scale, shift] = [scale, shift].map(|list| list.detach().contiguous());
        let mut y = x.empty_like();
        let statistics =
            norm.forward::<N>(numbers(&x), numbers(&scale), numbers(&shift), numbers_mut(&mut y));
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
        if self.x.kind() == Kind::Float {
            self.backward::<f32>(gradient)
        } else {
            self.backward::<Bf16>(gradient)
        }
    }
}

impl Kept {
    fn backward<N: Number + Kinded>(&self, gradient: &Tensor) -> Vec<Option<Tensor>> {
        let gradient = channels_last(gradient);
        let mut dx = self.x.empty_like();
        let lists = [numbers(&self.scale), numbers(&self.shift)];
        let [dscale, dshift] = self.norm.backward::<N>(
            numbers(&self.x),
            numbers(&gradient),
            lists,
            &self.statistics,
            numbers_mut(&mut dx),
        );
        [channels_first(&dx), Tensor::from_slice(&dscale), Tensor::from_slice(&dshift)].map(Some).into()
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// In bf16 LibTorch's own way is the reference: its sums are in f32, too.
    #[test]
    fn maps_in_bf16_are_normalised_as_by_libtorch() {
        tch::manual_seed(3);
        let random = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        let half =
            |x: Tensor| x.to_kind(Kind::BFloat16).permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let (x, weights) = (half(random(&[4, 64, 5, 3]) + 1.0), half(random(&[4, 64, 5, 3])));
        let (scale, shift) = (random(&[64]), random(&[64]));
        for relu in [false, true] {
            let pass = |ours: bool| {
                let leaves = [&x, &scale, &shift].map(|x| x.copy().set_requires_grad(true));
                let running = [Tensor::zeros_like(&scale), Tensor::ones_like(&scale)];
                let [x, scale, shift] = &leaves;
                let [mean, variance] = &running;
                let y = if ours {
                    normalise(x, [scale, shift], [mean, variance], relu).expect("a processor with AVX2")
                } else {
                    let (mean, variance) = (Some(mean), Some(variance));
                    let epsilon = f64::from(phiz_net::onnx::NORM_EPSILON);
                    let momentum = NORM_MOMENTUM;
                    let y = Tensor::batch_norm(
                        x,
                        Some(scale),
                        Some(shift),
                        mean,
                        variance,
                        true,
                        momentum,
                        epsilon,
                        true,
                    );
                    if relu { y.relu() } else { y }
                };
                assert_eq!(y.kind(), Kind::BFloat16);
                let loss = (&y * &weights).sum(Kind::Float);
                let gradients = Tensor::run_backward(&[loss], &[x, scale, shift], false, false);
                let mut all = vec![y.detach()];
                all.extend(gradients);
                all.extend(running);
                all
            };
            for (i, (ours, theirs)) in pass(true).iter().zip(pass(false)).enumerate() {
                let [ours, theirs] = [ours, &theirs].map(|x| x.to_kind(Kind::Float));
                let off = (&ours - &theirs).norm().double_value(&[]) / theirs.norm().double_value(&[]);
                assert!(off < 4e-3, "ReLU {relu}, result {i}: {off}");
            }
        }
    }
}
