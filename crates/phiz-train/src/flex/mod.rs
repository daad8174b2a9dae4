//! [`Backend`] in pure Rust, always there: Burn's tape and `flex` tensors.
//!
//! The operations that cost time (convolution, normalisation, ReLU) are ours, recorded on Burn's tape as
//! operations of its own kind; the rest is Burn's. Results do not depend on the number of threads, and equal
//! inputs give equal bits: two runs with one seed are the same run.

mod conv;
mod norm;
mod record;
mod workers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use burn_autodiff::Autodiff;
use burn_backend::ops::{ActivationOps, FloatTensorOps};
use burn_backend::{AutodiffBackend, Scalar, Shape, Slice, TensorMetadata};
use burn_flex::{Flex as Plain, FlexTensor};

use crate::backend::{Backend, NORM_MOMENTUM, Padding};
use crate::error::TrainError;
use conv::{slice, tensor};
use workers::Workers;

type Tape = Autodiff<Plain>;
type Recorded = <Tape as burn_backend::BackendTypes>::FloatTensorPrimitive;

/// The pure Rust back end.
#[derive(Debug)]
pub struct Flex {
    workers: Arc<Workers>,
    recording: Cell<bool>,
}

/// A shared handle: running statistics are replaced in place.
#[derive(Clone, Debug)]
pub struct FlexValue(Rc<RefCell<Recorded>>);

/// What makes a handle; `From` would collide with the identity in the compiler's eyes.
trait Hold {
    fn hold(self) -> FlexValue;
}

impl Hold for Recorded {
    fn hold(self) -> FlexValue {
        FlexValue(Rc::new(RefCell::new(self)))
    }
}

impl FlexValue {
    fn plain(&self) -> FlexTensor {
        self.0.borrow().primitive().to_contiguous()
    }

    fn dims(&self) -> Vec<usize> {
        self.0.borrow().shape().to_vec()
    }
}

impl Flex {
    /// With so many threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn new(threads: usize) -> Result<Flex, TrainError> {
        let workers = Workers::new(threads).map_err(|e| {
            TrainError::Device(format!("{threads} threads: {e}; ask for fewer with --threads"))
        })?;
        Ok(Flex { workers: Arc::new(workers), recording: Cell::new(true) })
    }

    /// The tensor as an operation reads it: with its history, or without while nothing is recorded.
    fn read(&self, x: &FlexValue) -> Recorded {
        let x = x.0.borrow();
        if self.recording.get() { x.clone() } else { Tape::from_inner(x.primitive().clone()) }
    }

    /// Two tensors brought to one number of axes by leading axes of length one.
    fn pair(&self, a: &FlexValue, b: &FlexValue) -> (Recorded, Recorded) {
        let (a, b) = (self.read(a), self.read(b));
        let rank = a.rank().max(b.rank());
        let widen = |x: Recorded| {
            let mut shape = vec![1; rank - x.rank()];
            shape.extend(x.shape().iter());
            if x.rank() == rank { x } else { Tape::float_reshape(x, Shape::from(shape)) }
        };
        (widen(a), widen(b))
    }

    /// `a` where `choose` says 1, `b` where it says 0, halves of both where 0.5: what a comparison picks, with
    /// the gradient shared where the two are equal.
    fn pick(&self, a: &FlexValue, b: &FlexValue, choose: impl Fn(f32, f32) -> bool) -> FlexValue {
        let (a, b) = self.pair(a, b);
        let both: Vec<usize> = a.shape().iter().zip(b.shape().iter()).map(|(x, y)| *x.max(y)).collect();
        let [a, b] = [a, b].map(|x| Tape::float_expand(x, Shape::from(both.clone())));
        let share = |x: &f32, y: &f32| if x == y { 0.5 } else { f32::from(u8::from(choose(*x, *y))) };
        let (pa, pb) = (a.primitive().to_contiguous(), b.primitive().to_contiguous());
        let part: Vec<f32> = slice(&pa).iter().zip(slice(&pb)).map(|(x, y)| share(x, y)).collect();
        let rest = part.iter().map(|p| 1.0 - p).collect();
        let shape = pa.shape().to_vec();
        let constant = |data| Tape::from_inner(tensor(data, &shape));
        Tape::float_add(Tape::float_mul(a, constant(part)), Tape::float_mul(b, constant(rest))).hold()
    }
}

impl Backend for Flex {
    type Tensor = FlexValue;

    fn describe(&self) -> String {
        format!("flex (pure Rust) cpu {} threads f32", self.workers.threads())
    }
    fn constant(&self, data: &[f32], shape: &[usize]) -> FlexValue {
        Tape::from_inner(tensor(data.to_vec(), shape)).hold()
    }
    fn pictures(
        &self,
        bytes: &[u8],
        n: usize,
        h: usize,
        w: usize,
        mean: [f32; 3],
        std: [f32; 3],
    ) -> FlexValue {
        let mut planes = vec![0f32; n * 3 * h * w];
        for (picture, planes) in bytes.chunks_exact(h * w * 3).zip(planes.chunks_exact_mut(3 * h * w)) {
            for (c, plane) in planes.chunks_exact_mut(h * w).enumerate() {
                let values = picture[c..].iter().step_by(3);
                plane.iter_mut().zip(values).for_each(|(p, v)| *p = (f32::from(*v) - mean[c]) / std[c]);
            }
        }
        Tape::from_inner(tensor(planes, &[n, 3, h, w])).hold()
    }
    fn leaf(&self, x: &FlexValue) -> FlexValue {
        Tape::from_inner(x.plain()).require_grad().hold()
    }
    fn detach(&self, x: &FlexValue) -> FlexValue {
        Tape::from_inner(x.0.borrow().primitive().clone()).hold()
    }
    fn gradients(&self, loss: &FlexValue, leaves: &[&FlexValue]) -> Vec<Option<FlexValue>> {
        let gradients = Tape::backward(loss.0.borrow().clone());
        leaves.iter().map(|leaf| Some(Tape::from_inner(leaf.0.borrow().grad(&gradients)?).hold())).collect()
    }
    fn without_gradients<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = self.recording.replace(false);
        let result = f();
        self.recording.set(before);
        result
    }
    fn assign(&self, x: &FlexValue, values: &[f32]) {
        let new = Tape::from_inner(tensor(values.to_vec(), &x.dims()));
        x.0.replace(new);
    }
    fn values(&self, x: &FlexValue) -> Vec<f32> {
        slice(&x.plain()).to_vec()
    }
    fn scalar(&self, x: &FlexValue) -> f32 {
        slice(&x.plain()).first().copied().unwrap_or(f32::NAN)
    }
    fn shape(&self, x: &FlexValue) -> Vec<usize> {
        x.dims()
    }
    fn conv(
        &self,
        x: &FlexValue,
        weight: &FlexValue,
        bias: Option<&FlexValue>,
        stride: usize,
        groups: usize,
        padding: Padding,
    ) -> FlexValue {
        let (x, weight) = (self.read(x), self.read(weight));
        let width = padding.width(weight.shape()[2]);
        let y = record::conv(&self.workers, x, weight, stride, width, groups);
        let Some(bias) = bias else { return y.hold() };
        let bias = self.read(bias);
        let channels = bias.shape()[0];
        Tape::float_add(y, Tape::float_reshape(bias, Shape::from(vec![1, channels, 1, 1]))).hold()
    }
    fn normalise(
        &self,
        x: &FlexValue,
        scale: &FlexValue,
        shift: &FlexValue,
        mean: &FlexValue,
        var: &FlexValue,
        training: bool,
    ) -> FlexValue {
        let (x, scale, shift) = (self.read(x), self.read(scale), self.read(shift));
        let running = (!training).then(|| (mean.plain(), var.plain()));
        let (y, statistics) = record::normalise(&self.workers, x, scale, shift, running);
        if let Some((means, variances)) = statistics {
            for (running, new) in [(mean, means), (var, variances)] {
                let old = running.plain();
                let moved = slice(&old).iter().zip(new);
                let moved =
                    moved.map(|(o, n)| (f64::from(*o) * (1.0 - NORM_MOMENTUM) + n * NORM_MOMENTUM) as f32);
                let moved = tensor(moved.collect(), &running.dims());
                running.0.replace(Tape::from_inner(moved));
            }
        }
        y.hold()
    }
    fn relu(&self, x: &FlexValue) -> FlexValue {
        record::relu(&self.workers, self.read(x)).hold()
    }
    fn sigmoid(&self, x: &FlexValue) -> FlexValue {
        Tape::sigmoid(self.read(x)).hold()
    }
    fn exp(&self, x: &FlexValue) -> FlexValue {
        Tape::float_exp(self.read(x)).hold()
    }
    fn ln(&self, x: &FlexValue) -> FlexValue {
        Tape::float_log(self.read(x)).hold()
    }
    fn sqrt(&self, x: &FlexValue) -> FlexValue {
        Tape::float_sqrt(self.read(x)).hold()
    }
    fn abs(&self, x: &FlexValue) -> FlexValue {
        Tape::float_abs(self.read(x)).hold()
    }
    fn clamp(&self, x: &FlexValue, low: f64, high: f64) -> FlexValue {
        let (low, high) = (low as f32, high as f32);
        let plain = x.plain();
        let within = |v: &f32| v.is_nan() || (low..=high).contains(v);
        let part = slice(&plain).iter().map(|v| f32::from(u8::from(within(v)))).collect();
        let rest = slice(&plain).iter().map(|v| if within(v) { 0.0 } else { v.clamp(low, high) }).collect();
        let constant = |data| Tape::from_inner(tensor(data, &x.dims()));
        Tape::float_add(Tape::float_mul(self.read(x), constant(part)), constant(rest)).hold()
    }
    fn add(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        let (a, b) = self.pair(a, b);
        Tape::float_add(a, b).hold()
    }
    fn sub(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        let (a, b) = self.pair(a, b);
        Tape::float_sub(a, b).hold()
    }
    fn mul(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        let (a, b) = self.pair(a, b);
        Tape::float_mul(a, b).hold()
    }
    fn div(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        let (a, b) = self.pair(a, b);
        Tape::float_div(a, b).hold()
    }
    fn minimum(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        self.pick(a, b, |x, y| x < y)
    }
    fn maximum(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        self.pick(a, b, |x, y| x > y)
    }
    fn affine(&self, x: &FlexValue, scale: f64, offset: f64) -> FlexValue {
        let scaled = Tape::float_mul_scalar(self.read(x), Scalar::from(scale));
        if offset == 0.0 {
            scaled.hold()
        } else {
            Tape::float_add_scalar(scaled, Scalar::from(offset)).hold()
        }
    }
    fn matmul_transposed(&self, a: &FlexValue, b: &FlexValue) -> FlexValue {
        Tape::float_matmul(self.read(a), Tape::float_swap_dims(self.read(b), 0, 1)).hold()
    }
    fn sum_axis(&self, x: &FlexValue, axis: usize) -> FlexValue {
        Tape::float_sum_dim(self.read(x), axis).hold()
    }
    fn sum(&self, x: &FlexValue) -> FlexValue {
        Tape::float_sum(self.read(x)).hold()
    }
    fn global_pool(&self, x: &FlexValue) -> FlexValue {
        let x = self.read(x);
        let shape = x.shape();
        let flat = Tape::float_reshape(x, Shape::from(vec![shape[0], shape[1], shape[2] * shape[3]]));
        Tape::float_reshape(Tape::float_mean_dim(flat, 2), Shape::from(vec![shape[0], shape[1]])).hold()
    }
    fn upsample2(&self, x: &FlexValue) -> FlexValue {
        let x = self.read(x);
        let s = x.shape();
        let split = Tape::float_reshape(x, Shape::from(vec![s[0] * s[1], s[2], 1, s[3], 1]));
        let wide = Tape::float_expand(split, Shape::from(vec![s[0] * s[1], s[2], 2, s[3], 2]));
        Tape::float_reshape(wide, Shape::from(vec![s[0], s[1], 2 * s[2], 2 * s[3]])).hold()
    }
    fn narrow(&self, x: &FlexValue, axis: usize, start: usize, length: usize) -> FlexValue {
        let x = self.read(x);
        let slices: Vec<Slice> = (0..x.rank())
            .map(|a| if a == axis { Slice::from(start..start + length) } else { Slice::full() })
            .collect();
        Tape::float_slice(x, &slices).hold()
    }
    fn log_softmax(&self, x: &FlexValue) -> FlexValue {
        let x = self.read(x);
        let last = x.rank() - 1;
        Tape::log_softmax(x, last).hold()
    }
}
