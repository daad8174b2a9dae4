//! Our own operations as entries of Burn's tape.

use std::sync::Arc;

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_backend::TensorMetadata;
use burn_flex::{Flex as Plain, FlexTensor};

use super::Recorded;
use super::conv;
use super::geometry::{Geometry, slice, tensor};
use super::norm::{self, Maps};
use super::workers::Workers;

#[derive(Debug)]
struct Conv;

#[derive(Clone, Debug)]
struct ConvState {
    workers: Arc<Workers>,
    geometry: Geometry,
    x: FlexTensor,
    weight: FlexTensor,
}

impl Backward<Plain, 2> for Conv {
    type State = ConvState;

    fn backward(self, ops: Ops<ConvState, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [x, weight] = ops.parents;
        let dy = gradients.consume::<Plain>(&ops.node).to_contiguous();
        let s = ops.state;
        let (dx, dw) = conv::backward(&s.workers, &s.geometry, &s.x, &s.weight, &dy, x.is_some());
        if let (Some(x), Some(dx)) = (x, dx) {
            gradients.register::<Plain>(x.id, tensor(dx, &s.x.shape().to_vec()));
        }
        if let Some(weight) = weight {
            gradients.register::<Plain>(weight.id, tensor(dw, &s.weight.shape().to_vec()));
        }
    }
}

/// Convolution without bias.
pub(super) fn conv(
    workers: &Arc<Workers>,
    x: Recorded,
    weight: Recorded,
    stride: usize,
    padding: usize,
    groups: usize,
) -> Recorded {
    let nodes = [x.node(), weight.node()];
    let (x, weight) = (x.into_primitive().to_contiguous(), weight.into_primitive().to_contiguous());
    let geometry = Geometry::new(&x.shape().to_vec(), &weight.shape().to_vec(), stride, padding, groups);
    let y = conv::forward(workers, &geometry, &x, &weight);
    let [o, h, w] = geometry.output;
    let y = tensor(y, &[geometry.batch, o, h, w]);
    match Conv.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(ConvState { workers: workers.clone(), geometry, x, weight }, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

#[derive(Debug)]
struct Normalise;

#[derive(Clone, Debug)]
struct NormState {
    workers: Arc<Workers>,
    x: FlexTensor,
    scale: FlexTensor,
    /// Mean and `1 / √(variance + ε)` of each channel.
    used: Vec<(f32, f32)>,
    /// Whether they are the batch's own, and so depend on `x`.
    own: bool,
}

impl Backward<Plain, 3> for Normalise {
    type State = NormState;

    fn backward(self, ops: Ops<NormState, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [x, scale, shift] = ops.parents;
        let dy = gradients.consume::<Plain>(&ops.node).to_contiguous();
        let s = ops.state;
        let maps = Maps::new(&s.x.shape().to_vec());
        let means: Vec<f32> = s.used.iter().map(|u| u.0).collect();
        let sums = maps.sums(&s.workers, slice(&s.x), slice(&dy), &means);
        let each = |f: &dyn Fn(usize) -> f64| -> FlexTensor {
            tensor((0..maps.channels).map(|c| f(c) as f32).collect(), &[maps.channels])
        };
        if let Some(scale) = scale {
            gradients.register::<Plain>(scale.id, each(&|c| sums[c].1 * f64::from(s.used[c].1)));
        }
        if let Some(shift) = shift {
            gradients.register::<Plain>(shift.id, each(&|c| sums[c].0));
        }
        let Some(x) = x else { return };
        // dx = γ·i·(dy − mean(dy) − (x − μ)·i²·mean(dy·(x − μ))), i = 1/√(σ² + ε).
        let coefficients: Vec<[f32; 3]> = slice(&s.scale)
            .iter()
            .enumerate()
            .map(|(c, scale)| {
                let (mean, inverse) = (f64::from(s.used[c].0), f64::from(s.used[c].1));
                let a = f64::from(*scale) * inverse;
                if !s.own {
                    return [a as f32, 0.0, 0.0];
                }
                let b = -a * inverse * inverse * sums[c].1 / maps.count();
                [a as f32, b as f32, (-a * sums[c].0 / maps.count() - b * mean) as f32]
            })
            .collect();
        let dx = maps.combine(&s.workers, slice(&dy), slice(&s.x), &coefficients);
        gradients.register::<Plain>(x.id, tensor(dx, &s.x.shape().to_vec()));
    }
}

/// Mean and unbiased variance of each channel over a batch.
type Statistics = (Vec<f64>, Vec<f64>);

/// Batch normalisation by the running mean and variance, or by the batch's own, which are then returned.
pub(super) fn normalise(
    workers: &Arc<Workers>,
    x: Recorded,
    scale: Recorded,
    shift: Recorded,
    running: Option<(FlexTensor, FlexTensor)>,
) -> (Recorded, Option<Statistics>) {
    let nodes = [x.node(), scale.node(), shift.node()];
    let [x, scale, shift] = [x, scale, shift].map(|t| t.into_primitive().to_contiguous());
    let shape = x.shape().to_vec();
    let maps = Maps::new(&shape);
    let own = running.is_none();
    let statistics: Vec<(f64, f64)> = match &running {
        None => maps.statistics(workers, slice(&x)),
        Some((mean, var)) => {
            slice(mean).iter().zip(slice(var)).map(|(m, v)| ((*m).into(), (*v).into())).collect()
        }
    };
    let epsilon = f64::from(phiz_net::onnx::NORM_EPSILON);
    let used: Vec<(f32, f32)> =
        statistics.iter().map(|(m, v)| (*m as f32, (1.0 / (v + epsilon).sqrt()) as f32)).collect();
    let factors: Vec<f32> = used.iter().zip(slice(&scale)).map(|((_, i), s)| i * s).collect();
    let offsets: Vec<f32> =
        used.iter().zip(&factors).zip(slice(&shift)).map(|(((m, _), f), b)| b - m * f).collect();
    let y = tensor(maps.affine(workers, slice(&x), &factors, &offsets), &shape);
    let y = match Normalise.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(NormState { workers: workers.clone(), x, scale, used, own }, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    let unbiased = maps.count() / (maps.count() - 1.0).max(1.0);
    let statistics = own.then(|| statistics.into_iter().map(|(m, v)| (m, v * unbiased)).unzip());
    (y, statistics)
}

#[derive(Debug)]
struct Relu;

impl Backward<Plain, 1> for Relu {
    type State = (Arc<Workers>, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (workers, y) = ops.state;
        unary::<Plain, _>(ops.parents, ops.node, gradients, |dy| {
            let dy = dy.to_contiguous();
            let kept = norm::zip(&workers, slice(&dy), slice(&y), |d, y| if y > 0.0 { d } else { 0.0 });
            tensor(kept, &y.shape().to_vec())
        });
    }
}

/// `max(x, 0)`.
pub(super) fn relu(workers: &Arc<Workers>, x: Recorded) -> Recorded {
    let nodes = [x.node()];
    let x = x.into_primitive().to_contiguous();
    // A NaN stays one, so that a diverged run is seen.
    let kept = norm::zip(workers, slice(&x), slice(&x), |v, _| if v < 0.0 { 0.0 } else { v });
    let y = tensor(kept, &x.shape().to_vec());
    match Relu.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((workers.clone(), y.clone()), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}
