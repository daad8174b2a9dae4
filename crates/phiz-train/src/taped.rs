//! [`Backend`] over Burn's tape: what every back end of Burn's tensors shares.
//!
//! Burn computes and records the small operations. Those in which a network spends its time come from [`Kernels`], of
//! which there is one for each kind of device: [`crate::flex`] on processors, `crate::vulkan` on GPUs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use burn_autodiff::Autodiff;
use burn_backend::ops::{ActivationOps, BoolTensorOps, FloatTensorOps};
use burn_backend::{
    AutodiffBackend, Backend as Tensors, BackendTypes, FloatDType, Scalar, Shape, Slice, TensorData,
    TensorMetadata, get_device_settings, try_read_sync,
};

use crate::backend::{Backend, Normalisation, Padding};

/// The tape over a back end of Burn's.
pub(crate) type Tape<P> = Autodiff<P>;
/// A tensor without history.
pub(crate) type Plain<P> = <P as BackendTypes>::FloatTensorPrimitive;
/// A tensor with history.
pub(crate) type Recorded<P> = <Tape<P> as BackendTypes>::FloatTensorPrimitive;
/// What a running mean and variance have become, if they have moved.
pub(crate) type Moved<P> = Option<[Plain<P>; 2]>;

/// What differs from device to device.
pub trait Kernels {
    /// Burn's tensors there.
    type Tensors: Tensors;
    /// Name and precision for reports.
    fn describe(&self) -> String;
    /// [`Backend::threads`].
    fn threads(&self) -> Option<usize>;
    /// Where tensors lie.
    fn device(&self) -> <Self::Tensors as BackendTypes>::Device;
    /// Convolution without bias, `padding` zeros on each side.
    fn conv(
        &self,
        x: Recorded<Self::Tensors>,
        weight: Recorded<Self::Tensors>,
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> Recorded<Self::Tensors>;
    /// Batch normalisation by the running mean and variance; while `training` by the batch's own, and then what the running
    /// ones become is returned too.
    fn normalise(
        &self,
        x: Recorded<Self::Tensors>,
        scale: Recorded<Self::Tensors>,
        shift: Recorded<Self::Tensors>,
        running: [Plain<Self::Tensors>; 2],
        training: bool,
    ) -> (Recorded<Self::Tensors>, Moved<Self::Tensors>);
    /// `max(x, 0)`; what is no number stays so.
    fn relu(&self, x: Recorded<Self::Tensors>) -> Recorded<Self::Tensors>;
    /// Sum of everything, `[1]`.
    fn sum(&self, x: Recorded<Self::Tensors>) -> Recorded<Self::Tensors>;
}

/// A back end made of Burn's tape and some kernels.
#[derive(Debug)]
pub struct Taped<K> {
    pub(crate) kernels: K,
    recording: Cell<bool>,
}

/// A shared handle: running statistics are replaced in place.
pub struct Value<P: Tensors>(Rc<RefCell<Recorded<P>>>);

impl<P: Tensors> Clone for Value<P> {
    fn clone(&self) -> Self {
        Value(self.0.clone())
    }
}

impl<P: Tensors> std::fmt::Debug for Value<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({:?})", self.dims())
    }
}

fn hold<P: Tensors>(x: Recorded<P>) -> Value<P> {
    Value(Rc::new(RefCell::new(x)))
}

impl<P: Tensors> Value<P> {
    fn plain(&self) -> Plain<P> {
        self.0.borrow().primitive().clone()
    }

    fn dims(&self) -> Vec<usize> {
        self.0.borrow().shape().to_vec()
    }
}

impl<K: Kernels> Taped<K> {
    pub(crate) fn over(kernels: K) -> Taped<K> {
        Taped { kernels, recording: Cell::new(true) }
    }

    fn tensor(&self, data: Vec<f32>, shape: &[usize]) -> Plain<K::Tensors> {
        <K::Tensors>::float_from_data(
            TensorData::new(data, Shape::from(shape.to_vec())),
            &self.kernels.device(),
        )
    }

    fn constant(&self, data: Vec<f32>, shape: &[usize]) -> Recorded<K::Tensors> {
        <Tape<K::Tensors>>::from_inner(self.tensor(data, shape))
    }

    /// The tensor as an operation reads it: with its history, or without while nothing is recorded.
    fn read(&self, x: &Value<K::Tensors>) -> Recorded<K::Tensors> {
        let x = x.0.borrow();
        if self.recording.get() { x.clone() } else { <Tape<K::Tensors>>::from_inner(x.primitive().clone()) }
    }

    /// Two tensors brought to one number of axes by leading axes of length one.
    fn pair(&self, a: &Value<K::Tensors>, b: &Value<K::Tensors>) -> [Recorded<K::Tensors>; 2] {
        let (a, b) = (self.read(a), self.read(b));
        let rank = a.rank().max(b.rank());
        [a, b].map(|x| {
            let mut shape = vec![1; rank - x.rank()];
            shape.extend(x.shape().iter());
            if x.rank() == rank { x } else { <Tape<K::Tensors>>::float_reshape(x, Shape::from(shape)) }
        })
    }

    /// `low` where it is less than `high`, else `high`, and half of each where they are equal, so that they share the
    /// gradient; `a` and `b` in the order that makes it the smaller or the larger of the two.
    fn pick(&self, a: &Value<K::Tensors>, b: &Value<K::Tensors>, smaller: bool) -> Value<K::Tensors> {
        type P<K> = <K as Kernels>::Tensors;
        let [a, b] = self.pair(a, b);
        let both: Vec<usize> = a.shape().iter().zip(b.shape().iter()).map(|(x, y)| *x.max(y)).collect();
        let [a, b] = [a, b].map(|x| <Tape<P<K>>>::float_expand(x, Shape::from(both.clone())));
        let (pa, pb) = (a.primitive().clone(), b.primitive().clone());
        let bools = get_device_settings::<P<K>>(&self.kernels.device()).bool_dtype;
        let float = |mask| <P<K>>::bool_into_float(mask, FloatDType::F32);
        let first = if smaller { (pa.clone(), pb.clone()) } else { (pb.clone(), pa.clone()) };
        let chosen = float(<P<K>>::float_lower(first.0, first.1, bools));
        let equal = float(<P<K>>::float_equal(pa, pb, bools));
        let part = <P<K>>::float_add(chosen, <P<K>>::float_mul_scalar(equal, Scalar::from(0.5)));
        let minus = <P<K>>::float_mul_scalar(part.clone(), Scalar::from(-1.0));
        let rest = <P<K>>::float_add_scalar(minus, Scalar::from(1.0));
        let weigh = |x, part| <Tape<P<K>>>::float_mul(x, <Tape<P<K>>>::from_inner(part));
        hold(<Tape<P<K>>>::float_add(weigh(a, part), weigh(b, rest)))
    }
}

impl<K: Kernels> Backend for Taped<K> {
    type Tensor = Value<K::Tensors>;

    fn describe(&self) -> String {
        self.kernels.describe()
    }
    fn threads(&self) -> Option<usize> {
        self.kernels.threads()
    }
    fn constant(&self, data: &[f32], shape: &[usize]) -> Self::Tensor {
        hold(self.constant(data.to_vec(), shape))
    }
    fn pictures(
        &self,
        bytes: &[u8],
        n: usize,
        h: usize,
        w: usize,
        mean: [f32; 3],
        std: [f32; 3],
    ) -> Self::Tensor {
        let mut planes = vec![0f32; n * 3 * h * w];
        for (picture, planes) in bytes.chunks_exact(h * w * 3).zip(planes.chunks_exact_mut(3 * h * w)) {
            for (c, plane) in planes.chunks_exact_mut(h * w).enumerate() {
                let values = picture[c..].iter().step_by(3);
                plane.iter_mut().zip(values).for_each(|(p, v)| *p = (f32::from(*v) - mean[c]) / std[c]);
            }
        }
        hold(self.constant(planes, &[n, 3, h, w]))
    }
    fn leaf(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::from_inner(x.plain()).require_grad())
    }
    fn detach(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::from_inner(x.plain()))
    }
    fn gradients(&self, loss: &Self::Tensor, leaves: &[&Self::Tensor]) -> Vec<Option<Self::Tensor>> {
        let gradients = <Tape<K::Tensors>>::backward(loss.0.borrow().clone());
        let own = |leaf: &&Self::Tensor| leaf.0.borrow().grad(&gradients);
        leaves.iter().map(|leaf| Some(hold(<Tape<K::Tensors>>::from_inner(own(leaf)?)))).collect()
    }
    fn without_gradients<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = self.recording.replace(false);
        let result = f();
        self.recording.set(before);
        result
    }
    fn assign(&self, x: &Self::Tensor, values: &[f32]) {
        let new = self.constant(values.to_vec(), &x.dims());
        x.0.replace(new);
    }
    /// # Panics
    /// The device fails: there is nothing left to compute with.
    fn values(&self, x: &Self::Tensor) -> Vec<f32> {
        let read = try_read_sync(<K::Tensors>::float_into_data(x.plain()));
        let values = read.and_then(Result::ok).and_then(|data| data.try_into_vec::<f32>().ok());
        values.unwrap_or_else(|| panic!("{} does not answer", self.describe()))
    }
    fn scalar(&self, x: &Self::Tensor) -> f32 {
        self.values(x).first().copied().unwrap_or(f32::NAN)
    }
    fn shape(&self, x: &Self::Tensor) -> Vec<usize> {
        x.dims()
    }
    fn conv(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: Option<&Self::Tensor>,
        stride: usize,
        groups: usize,
        padding: Padding,
    ) -> Self::Tensor {
        let (x, weight) = (self.read(x), self.read(weight));
        let width = padding.width(weight.shape()[2]);
        let y = self.kernels.conv(x, weight, stride, width, groups);
        let Some(bias) = bias else { return hold(y) };
        let bias = self.read(bias);
        let channels = bias.shape()[0];
        let bias = <Tape<K::Tensors>>::float_reshape(bias, Shape::from(vec![1, channels, 1, 1]));
        hold(<Tape<K::Tensors>>::float_add(y, bias))
    }
    fn normalise(
        &self,
        x: &Self::Tensor,
        by: Normalisation<'_, Self::Tensor>,
        training: bool,
    ) -> Self::Tensor {
        let (x, scale, shift) = (self.read(x), self.read(by.scale), self.read(by.shift));
        let (y, moved) = self.kernels.normalise(x, scale, shift, [by.mean.plain(), by.var.plain()], training);
        for (running, new) in [by.mean, by.var].into_iter().zip(moved.into_iter().flatten()) {
            running.0.replace(<Tape<K::Tensors>>::from_inner(new));
        }
        hold(y)
    }
    fn relu(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(self.kernels.relu(self.read(x)))
    }
    fn sigmoid(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::sigmoid(self.read(x)))
    }
    fn exp(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_exp(self.read(x)))
    }
    fn ln(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_log(self.read(x)))
    }
    fn sqrt(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_sqrt(self.read(x)))
    }
    fn abs(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_abs(self.read(x)))
    }
    fn clamp(&self, x: &Self::Tensor, low: f64, high: f64) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_clamp(self.read(x), Scalar::from(low), Scalar::from(high)))
    }
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        let [a, b] = self.pair(a, b);
        hold(<Tape<K::Tensors>>::float_add(a, b))
    }
    fn sub(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        let [a, b] = self.pair(a, b);
        hold(<Tape<K::Tensors>>::float_sub(a, b))
    }
    fn mul(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        let [a, b] = self.pair(a, b);
        hold(<Tape<K::Tensors>>::float_mul(a, b))
    }
    fn div(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        let [a, b] = self.pair(a, b);
        hold(<Tape<K::Tensors>>::float_div(a, b))
    }
    fn minimum(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        self.pick(a, b, true)
    }
    fn maximum(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        self.pick(a, b, false)
    }
    fn affine(&self, x: &Self::Tensor, scale: f64, offset: f64) -> Self::Tensor {
        let scaled = <Tape<K::Tensors>>::float_mul_scalar(self.read(x), Scalar::from(scale));
        hold(if offset == 0.0 {
            scaled
        } else {
            <Tape<K::Tensors>>::float_add_scalar(scaled, Scalar::from(offset))
        })
    }
    fn matmul_transposed(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        let b = <Tape<K::Tensors>>::float_swap_dims(self.read(b), 0, 1);
        hold(<Tape<K::Tensors>>::float_matmul(self.read(a), b))
    }
    fn transposed(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_swap_dims(self.read(x), 0, 1))
    }
    fn reshape(&self, x: &Self::Tensor, shape: &[usize]) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_reshape(self.read(x), Shape::from(shape.to_vec())))
    }
    fn sum_axis(&self, x: &Self::Tensor, axis: usize) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_sum_dim(self.read(x), axis))
    }
    fn sum(&self, x: &Self::Tensor) -> Self::Tensor {
        hold(self.kernels.sum(self.read(x)))
    }
    fn global_pool(&self, x: &Self::Tensor) -> Self::Tensor {
        let x = self.read(x);
        let s = x.shape();
        let flat = <Tape<K::Tensors>>::float_reshape(x, Shape::from(vec![s[0], s[1], s[2] * s[3]]));
        let mean = <Tape<K::Tensors>>::float_mean_dim(flat, 2);
        hold(<Tape<K::Tensors>>::float_reshape(mean, Shape::from(vec![s[0], s[1]])))
    }
    fn upsample2(&self, x: &Self::Tensor) -> Self::Tensor {
        let x = self.read(x);
        let s = x.shape();
        let split = <Tape<K::Tensors>>::float_reshape(x, Shape::from(vec![s[0] * s[1], s[2], 1, s[3], 1]));
        let wide = <Tape<K::Tensors>>::float_expand(split, Shape::from(vec![s[0] * s[1], s[2], 2, s[3], 2]));
        hold(<Tape<K::Tensors>>::float_reshape(wide, Shape::from(vec![s[0], s[1], 2 * s[2], 2 * s[3]])))
    }
    fn narrow(&self, x: &Self::Tensor, axis: usize, start: usize, length: usize) -> Self::Tensor {
        let x = self.read(x);
        let slices: Vec<Slice> = (0..x.rank())
            .map(|a| if a == axis { Slice::from(start..start + length) } else { Slice::full() })
            .collect();
        hold(<Tape<K::Tensors>>::float_slice(x, &slices))
    }
    fn joined(&self, parts: &[Self::Tensor]) -> Self::Tensor {
        hold(<Tape<K::Tensors>>::float_cat(parts.iter().map(|part| self.read(part)).collect(), 0))
    }
    fn log_softmax(&self, x: &Self::Tensor) -> Self::Tensor {
        let x = self.read(x);
        let last = x.rank() - 1;
        hold(<Tape<K::Tensors>>::log_softmax(x, last))
    }
}
