//! [`Backend`] over LibTorch: the fast one on a CPU, and the way to a GPU.
//!
//! `tch::autocast` does nothing on a CPU, so with `bf16` pictures and weights are cast by hand around each
//! convolution; activations stay bf16 in channels-last order, normalisation statistics and everything after the
//! last map are f32. Only shape errors can make LibTorch panic, and shapes come from a checked architecture.

mod conv3;
mod map;
mod norm;
mod record;

use tch::{Device, Kind, Tensor};

use crate::backend::{
    AdamwStep, Backend, NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS, NORM_MOMENTUM, Normalisation, Padding, Remembered,
};

/// LibTorch on one device.
#[derive(Clone, Copy, Debug)]
pub struct Torch {
    device: Device,
    bf16: bool,
}

impl Torch {
    /// On the CPU with so many threads.
    #[must_use]
    pub fn cpu(threads: usize, bf16: bool) -> Torch {
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        Torch { device: Device::Cpu, bf16 }
    }

    /// Whether the processor computes.
    pub(crate) fn on_processor(&self) -> bool {
        self.device == Device::Cpu
    }

    /// On the first CUDA device; none if there is no usable one.
    #[must_use]
    pub fn cuda(bf16: bool) -> Option<Torch> {
        if !tch::Cuda::is_available() {
            return None;
        }
        // Pictures come in few sizes: the time to try all ways to convolve them is soon earned back. And LibTorch's idle
        // threads, which wait by spinning, would take the processors that make batches ready.
        tch::Cuda::cudnn_set_benchmark(true);
        tch::set_num_threads(1);
        Some(Torch { device: Device::Cuda(0), bf16 })
    }

    /// A batch normalised by our own kernels, if they can.
    fn normalised(
        &self,
        x: &TorchTensor,
        by: Normalisation<'_, TorchTensor>,
        training: bool,
        relu: bool,
    ) -> Option<TorchTensor> {
        let [learnt, running] = [[by.scale, by.shift], [by.mean, by.var]].map(|pair| pair.map(|x| &x.0));
        training.then(|| norm::normalise(&x.0, learnt, running, relu)).flatten().map(TorchTensor)
    }

    fn indices(&self, rows: &[usize]) -> Tensor {
        Tensor::from_slice(&dims(rows)).to_device(self.device)
    }

    fn fast(&self, x: &Tensor) -> Tensor {
        if self.bf16 { x.to_kind(Kind::BFloat16) } else { x.shallow_clone() }
    }
}

fn dims(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&d| d as i64).collect()
}

fn full(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Float)
}

/// Numbers of a parameter that are changed together: with their averages and their gradient, a megabyte.
const NEAR: i64 = 1 << 16;

/// A step of AdamW in place: x − rate·u₁·m / (√(u₂·v) + ε), with all factors drawn to the divisor.
fn adamw(mut value: Tensor, mut first: Tensor, mut second: Tensor, gradient: &Tensor, step: &AdamwStep) {
    let root = step.unbias.1.sqrt();
    let scaled = gradient * (step.shrink * (1.0 - step.beta.1).sqrt());
    if step.shrink == 1.0 {
        let _ = first.lerp_(gradient, 1.0 - step.beta.0);
    } else {
        let _ = first.lerp_(&(gradient * step.shrink), 1.0 - step.beta.0);
    }
    second *= step.beta.1;
    let _ = second.addcmul_(&scaled, &scaled);
    let mut divisor = second.sqrt();
    divisor += step.epsilon / root;
    divisor *= -root / (step.rate * step.unbias.0);
    if step.decay > 0.0 {
        value *= 1.0 - step.decay * step.rate;
    }
    let _ = value.addcdiv_(&first, &divisor);
}

impl Backend for Torch {
    type Tensor = TorchTensor;

    fn describe(&self) -> String {
        format!(
            "libtorch {:?} {} threads {}",
            self.device,
            tch::get_num_threads(),
            if self.bf16 { "bf16" } else { "f32" }
        )
    }
    fn threads(&self) -> Option<usize> {
        self.on_processor().then(|| usize::try_from(tch::get_num_threads()).unwrap_or(1))
    }
    fn bf16(&self) -> bool {
        self.bf16
    }
    fn constant(&self, data: &[f32], shape: &[usize]) -> TorchTensor {
        Tensor::from_slice(data).reshape(dims(shape)).to_device(self.device).into()
    }
    fn one_hot(&self, labels: &[Option<usize>], classes: usize) -> TorchTensor {
        // A row without a label points behind the last class, which is cut off again.
        let index: Vec<i64> = labels.iter().map(|l| l.map_or(classes, |l| l.min(classes)) as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.device).unsqueeze(1);
        let rows = Tensor::zeros(dims(&[labels.len(), classes + 1]), (Kind::Float, self.device));
        rows.scatter_value(1, &index, 1.0).narrow(1, 0, classes as i64).into()
    }
    fn pictures(
        &self,
        bytes: &[u8],
        n: usize,
        h: usize,
        w: usize,
        mean: [f32; 3],
        std: [f32; 3],
    ) -> TorchTensor {
        let x = Tensor::from_slice(bytes).to_device(self.device).reshape(dims(&[n, h, w, 3]));
        let mut x = x.to_kind(Kind::Float);
        x -= Tensor::from_slice(&mean).to_device(self.device);
        x /= Tensor::from_slice(&std).to_device(self.device);
        // The memory stays interleaved: a permuted view is what LibTorch calls channels-last.
        self.fast(&x).permute([0, 3, 1, 2]).into()
    }
    fn leaf(&self, x: &TorchTensor) -> TorchTensor {
        x.0.detach().copy().set_requires_grad(true).into()
    }
    fn detach(&self, x: &TorchTensor) -> TorchTensor {
        x.0.detach().into()
    }
    fn gradients(&self, loss: &TorchTensor, leaves: &[&TorchTensor]) -> Vec<Option<TorchTensor>> {
        // LibTorch refuses a list in which anything does not learn.
        let learning: Vec<&Tensor> =
            leaves.iter().map(|leaf| &leaf.0).filter(|x| x.requires_grad()).collect();
        let mut gradients = Tensor::run_backward(&[&loss.0], &learning, false, false).into_iter();
        let mut of = |leaf: &&TorchTensor| {
            let gradient = leaf.0.requires_grad().then(|| gradients.next()).flatten()?;
            gradient.defined().then(|| gradient.into())
        };
        leaves.iter().map(&mut of).collect()
    }
    fn adamw(
        &self,
        x: Remembered<TorchTensor>,
        gradient: &TorchTensor,
        step: &AdamwStep,
    ) -> Remembered<TorchTensor> {
        // In place: the parameter stays the leaf that it was.
        let TorchTensor(value) = x.value;
        tch::no_grad(|| {
            let zero = |t: Option<TorchTensor>| t.map_or_else(|| value.zeros_like(), |t| t.0);
            let (first, second) = (zero(x.first), zero(x.second));
            // A million numbers pass through a processor's near memory in pieces, once, and not whole for every operation.
            let rows = value.size().first().copied().unwrap_or(1).max(1);
            let piece = (NEAR * rows / (value.numel() as i64).max(1)).max(1);
            if self.on_processor() && piece < rows {
                for start in (0..rows).step_by(piece as usize) {
                    let part = |t: &Tensor| t.narrow(0, start, piece.min(rows - start));
                    adamw(part(&value), part(&first), part(&second), &part(&gradient.0), step);
                }
            } else {
                let whole = Tensor::shallow_clone;
                adamw(whole(&value), whole(&first), whole(&second), &gradient.0, step);
            }
            Remembered { value: value.into(), first: Some(first.into()), second: Some(second.into()) }
        })
    }
    fn orthogonal(&self, x: &TorchTensor) -> TorchTensor {
        // Nothing is fetched from the device, and products are in bf16 where convolutions are.
        tch::no_grad(|| {
            let tall = x.0.size()[0] > x.0.size()[1];
            let wide = if tall { x.0.tr() } else { x.0.shallow_clone() };
            let scaled = &wide / wide.abs().max().clamp_min(f64::from(f32::MIN_POSITIVE));
            let norm = scaled.square().sum(Kind::Float).sqrt() + 1e-7;
            let mut x = self.fast(&(scaled / norm));
            let [a, b, c] = NEWTON_SCHULZ;
            for _ in 0..NEWTON_SCHULZ_STEPS {
                let gram = x.matmul(&x.tr());
                let mixed = &gram * b + gram.matmul(&gram) * c;
                x = &x * a + mixed.matmul(&x);
            }
            full(&if tall { x.tr() } else { x }).into()
        })
    }
    fn averaged(&self, average: TorchTensor, now: &TorchTensor, decay: f64) -> TorchTensor {
        let TorchTensor(mut average) = average;
        let _ = tch::no_grad(|| average.lerp_(&now.0, 1.0 - decay));
        average.into()
    }
    fn without_gradients<R>(&self, f: impl FnOnce() -> R) -> R {
        tch::no_grad(f)
    }
    fn assign(&self, x: &TorchTensor, values: &[f32]) {
        let new = Tensor::from_slice(values).reshape(x.0.size()).to_device(self.device);
        tch::no_grad(|| x.0.shallow_clone().copy_(&new));
    }
    fn rows(&self, x: &TorchTensor, rows: &[usize]) -> TorchTensor {
        x.0.detach().index_select(0, &self.indices(rows)).into()
    }
    fn with_rows(&self, TorchTensor(mut x): TorchTensor, rows: &[usize], new: &TorchTensor) -> TorchTensor {
        let _ = tch::no_grad(|| x.index_copy_(0, &self.indices(rows), &new.0.detach()));
        x.into()
    }
    fn values(&self, x: &TorchTensor) -> Vec<f32> {
        let flat = full(&x.0).to_device(Device::Cpu).contiguous().view([-1]);
        let mut values = vec![0f32; flat.numel()];
        let count = values.len();
        flat.copy_data(&mut values, count);
        values
    }
    fn scalar(&self, x: &TorchTensor) -> f32 {
        x.0.double_value(&[]) as f32
    }
    fn shape(&self, x: &TorchTensor) -> Vec<usize> {
        x.0.size().iter().map(|&d| d as usize).collect()
    }
    fn conv(
        &self,
        x: &TorchTensor,
        weight: &TorchTensor,
        bias: Option<&TorchTensor>,
        stride: usize,
        groups: usize,
        padding: Padding,
    ) -> TorchTensor {
        let (s, p) = (stride as i64, padding.width(weight.0.size()[3] as usize) as i64);
        let ours = (s, p, groups) == (1, 1, 1) && bias.is_none() && !self.bf16;
        if let Some(y) = ours.then(|| conv3::conv3(&x.0, &weight.0)).flatten() {
            return y.into();
        }
        let bias = bias.map(|b| self.fast(&b.0));
        self.fast(&x.0).conv2d(&self.fast(&weight.0), bias, [s, s], [p, p], [1, 1], groups as i64).into()
    }
    fn normalise(&self, x: &TorchTensor, by: Normalisation<'_, TorchTensor>, training: bool) -> TorchTensor {
        if let Some(y) = self.normalised(x, by, training, false) {
            return y;
        }
        let epsilon = f64::from(phiz_net::onnx::NORM_EPSILON);
        Tensor::batch_norm(
            &x.0,
            Some(&by.scale.0),
            Some(&by.shift.0),
            Some(&by.mean.0),
            Some(&by.var.0),
            training,
            NORM_MOMENTUM,
            epsilon,
            true,
        )
        .into()
    }
    fn normalise_relu(
        &self,
        x: &TorchTensor,
        by: Normalisation<'_, TorchTensor>,
        training: bool,
    ) -> TorchTensor {
        self.normalised(x, by, training, true)
            .unwrap_or_else(|| self.relu_over(self.normalise(x, by, training)))
    }
    fn relu(&self, x: &TorchTensor) -> TorchTensor {
        x.0.relu().into()
    }
    fn relu_over(&self, TorchTensor(mut x): TorchTensor) -> TorchTensor {
        x.relu_().into()
    }
    fn sigmoid(&self, x: &TorchTensor) -> TorchTensor {
        full(&x.0).sigmoid().into()
    }
    fn exp(&self, x: &TorchTensor) -> TorchTensor {
        full(&x.0).exp().into()
    }
    fn ln(&self, x: &TorchTensor) -> TorchTensor {
        x.0.log().into()
    }
    fn sqrt(&self, x: &TorchTensor) -> TorchTensor {
        x.0.sqrt().into()
    }
    fn abs(&self, x: &TorchTensor) -> TorchTensor {
        x.0.abs().into()
    }
    fn clamp(&self, x: &TorchTensor, low: f64, high: f64) -> TorchTensor {
        x.0.clamp(low, high).into()
    }
    fn clamp_over(&self, TorchTensor(mut x): TorchTensor, low: f64, high: f64) -> TorchTensor {
        x.clamp_(low, high).into()
    }
    fn add(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        (&a.0 + &b.0).into()
    }
    fn sub(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        (&a.0 - &b.0).into()
    }
    fn mul(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        (&a.0 * &b.0).into()
    }
    fn div(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        (&a.0 / &b.0).into()
    }
    fn minimum(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        a.0.minimum(&b.0).into()
    }
    fn maximum(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        a.0.maximum(&b.0).into()
    }
    fn affine(&self, x: &TorchTensor, scale: f64, offset: f64) -> TorchTensor {
        (&x.0 * scale + offset).into()
    }
    fn matmul_transposed(&self, a: &TorchTensor, b: &TorchTensor) -> TorchTensor {
        full(&a.0).matmul(&b.0.tr()).into()
    }
    fn transposed(&self, x: &TorchTensor) -> TorchTensor {
        x.0.tr().into()
    }
    fn reshape(&self, x: &TorchTensor, shape: &[usize]) -> TorchTensor {
        x.0.reshape(dims(shape)).into()
    }
    fn sum_axis(&self, x: &TorchTensor, axis: usize) -> TorchTensor {
        x.0.sum_dim_intlist([axis as i64].as_slice(), true, Kind::Float).into()
    }
    fn sum(&self, x: &TorchTensor) -> TorchTensor {
        x.0.sum(Kind::Float).into()
    }
    fn squares(&self, x: &TorchTensor) -> TorchTensor {
        let flat = x.0.reshape([-1]);
        flat.dot(&flat).into()
    }
    fn global_pool(&self, x: &TorchTensor) -> TorchTensor {
        x.0.mean_dim([2i64, 3].as_slice(), false, Kind::Float).into()
    }
    fn upsample2(&self, x: &TorchTensor) -> TorchTensor {
        let size = x.0.size();
        x.0.upsample_nearest2d([size[2] * 2, size[3] * 2], None, None).into()
    }
    fn narrow(&self, x: &TorchTensor, axis: usize, start: usize, length: usize) -> TorchTensor {
        x.0.narrow(axis as i64, start as i64, length as i64).into()
    }
    fn joined(&self, parts: &[TorchTensor]) -> TorchTensor {
        let parts: Vec<&Tensor> = parts.iter().map(|part| &part.0).collect();
        Tensor::cat(&parts, 0).into()
    }
    fn log_softmax(&self, x: &TorchTensor) -> TorchTensor {
        x.0.log_softmax(-1, Kind::Float).into()
    }
}

/// A shared handle of a LibTorch tensor.
#[derive(Debug)]
pub struct TorchTensor(Tensor);

impl From<Tensor> for TorchTensor {
    fn from(tensor: Tensor) -> TorchTensor {
        TorchTensor(tensor)
    }
}

impl Clone for TorchTensor {
    fn clone(&self) -> TorchTensor {
        TorchTensor(self.0.shallow_clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_changed_in_pieces_changes_as_a_whole_does() {
        let b = Torch::cpu(1, false);
        let step = AdamwStep {
            shrink: 0.5,
            rate: 1e-2,
            decay: 0.1,
            beta: (0.9, 0.99),
            unbias: (2.0, 4.0),
            epsilon: 1e-8,
        };
        // Two whole pieces and a part of one.
        let rows = 5 * NEAR / 2 / 1000;
        tch::manual_seed(4);
        let [value, first, second, gradient] =
            [0; 4].map(|_| Tensor::randn([rows, 1000], (Kind::Float, Device::Cpu)).abs());
        let remembered = |part: &dyn Fn(&Tensor) -> Tensor| Remembered {
            value: part(&value).copy().set_requires_grad(true).into(),
            first: Some(part(&first).copy().into()),
            second: Some(part(&second).copy().into()),
        };
        let whole = b.adamw(remembered(&Tensor::shallow_clone), &gradient.shallow_clone().into(), &step);
        assert!(whole.value.0.requires_grad() && whole.value.0.is_leaf());
        for row in 0..rows {
            let alone = |t: &Tensor| t.narrow(0, row, 1);
            let one = b.adamw(remembered(&alone), &alone(&gradient).into(), &step);
            assert_eq!(alone(&whole.value.0), one.value.0, "row {row}");
            assert_eq!(alone(&whole.second.as_ref().expect("second").0), one.second.expect("second").0);
        }
    }

    #[test]
    fn rows_are_those_of_pure_rust() {
        let (torch, flex) = (Torch::cpu(1, false), crate::flex::Flex::new(1).expect("a back end"));
        fn both<B: Backend>(b: &B) -> [Vec<f32>; 4] {
            let numbers: Vec<f32> = (0..12).map(|v| v as f32).collect();
            let (matrix, list) =
                (b.leaf(&b.constant(&numbers, &[6, 2])), b.leaf(&b.constant(&numbers, &[12])));
            let rows = [4, 0, 3];
            let (of_matrix, of_list) = (b.rows(&matrix, &rows), b.rows(&list, &rows));
            assert_eq!((b.shape(&of_matrix), b.shape(&of_list)), (vec![3, 2], vec![3]));
            let taken = [b.values(&of_matrix), b.values(&of_list)];
            let other = |x: &B::Tensor| b.affine(x, -1.0, -1.0);
            let matrix = b.with_rows(matrix, &rows, &other(&of_matrix));
            let list = b.with_rows(list, &rows, &other(&of_list));
            let sum = b.add(&b.squares(&matrix), &b.squares(&list));
            assert!(b.gradients(&sum, &[&matrix, &list]).iter().all(Option::is_some), "both still learn");
            let [of_matrix, of_list] = taken;
            [of_matrix, of_list, b.values(&matrix), b.values(&list)]
        }
        assert_eq!(both(&torch), both(&flex));
        let [of_matrix, of_list, matrix, list] = both(&torch);
        assert_eq!(of_matrix, [8.0, 9.0, 0.0, 1.0, 6.0, 7.0]);
        assert_eq!(of_list, [4.0, 0.0, 3.0]);
        assert_eq!(matrix, [-1.0, -2.0, 2.0, 3.0, 4.0, 5.0, -7.0, -8.0, -9.0, -10.0, 10.0, 11.0]);
        assert_eq!(list[..5], [-1.0, 1.0, 2.0, -4.0, -5.0]);
    }
}
