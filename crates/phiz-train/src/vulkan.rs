//! The back end on GPUs of any maker, through Vulkan (feature `vulkan`): Burn's `wgpu` tensors and kernels, compiled from
//! WGSL.
//!
//! Not from SPIR-V, for which Burn has a compiler of its own: those kernels crash Mesa's driver for processors, on which the
//! golden tests hold this back end to the others.

use std::sync::OnceLock;

use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::{AutodiffBackend, BackendTypes, Scalar, Shape, TensorMetadata};
use burn_wgpu::wgpu::DeviceType;
use burn_wgpu::{RuntimeOptions, Wgpu, WgpuBackend, WgpuDevice, WgpuInitError, graphics, try_init_setup};

use crate::backend::NORM_MOMENTUM;
use crate::error::TrainError;
use crate::taped::{Kernels, Moved, Plain, Recorded, Tape, Taped};

/// The back end on a device of Vulkan's.
pub type Vulkan = Taped<Gpu>;

/// A device and its kernels.
#[derive(Clone, Debug)]
pub struct Gpu {
    device: <Wgpu as BackendTypes>::Device,
    name: String,
    /// It is no GPU at all.
    software: bool,
}

/// Why there is no device.
#[derive(Clone, Debug)]
enum Missing {
    /// No driver offers one.
    Driver,
    /// One is there, and fails.
    Failure(String),
}

/// A device can be set up once in a process.
static FOUND: OnceLock<Result<Gpu, Missing>> = OnceLock::new();

fn found() -> &'static Result<Gpu, Missing> {
    FOUND.get_or_init(|| {
        let device = WgpuDevice::default().on(WgpuBackend::Vulkan);
        let options = RuntimeOptions::try_default();
        let setup = options.and_then(|options| try_init_setup::<graphics::Vulkan>(&device, options));
        let setup = setup.map_err(|error| match error {
            WgpuInitError::AdapterUnavailable { .. } => Missing::Driver,
            other => Missing::Failure(other.to_string()),
        })?;
        let info = setup.adapter.get_info();
        Ok(Gpu { device: device.into(), name: info.name, software: info.device_type == DeviceType::Cpu })
    })
}

impl Vulkan {
    /// On the best device that Vulkan offers: a GPU, or where there is none a driver that computes on the processor
    /// ([`Vulkan::is_software`]), which is slower than [`crate::flex`].
    ///
    /// # Errors
    /// There is no device, or it fails.
    pub fn new() -> Result<Vulkan, TrainError> {
        let why = match found() {
            Ok(gpu) => return Ok(Taped::over(gpu.clone())),
            Err(Missing::Driver) => "Vulkan finds no GPU: is its driver installed?".to_owned(),
            Err(Missing::Failure(why)) => {
                format!("Vulkan has a GPU that does not start ({why}): is its driver in order?")
            }
        };
        Err(TrainError::Device(format!(
            "{why} `vulkaninfo --summary` lists what is there. Nothing was begun on the processor instead; ask for \
             `--backend flex` if you want that"
        )))
    }

    /// Whether any driver offers a device, be it one that fails.
    #[must_use]
    pub fn is_offered() -> bool {
        !matches!(found(), Err(Missing::Driver))
    }

    /// Whether the device is a program on the processor.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.kernels.software
    }
}

/// Mean over pictures and pixels of `[n, c, pixels]`: `[1, c, 1]`.
fn by_channel(x: Recorded<Wgpu>) -> Recorded<Wgpu> {
    <Tape<Wgpu>>::float_mean_dim(<Tape<Wgpu>>::float_mean_dim(x, 2), 0)
}

impl Kernels for Gpu {
    type Tensors = Wgpu;

    fn describe(&self) -> String {
        let kind = if self.software { "a driver on the processor, no GPU, " } else { "" };
        format!("vulkan {} {kind}f32", self.name)
    }
    fn threads(&self) -> Option<usize> {
        None
    }
    fn device(&self) -> <Wgpu as BackendTypes>::Device {
        self.device.clone()
    }
    fn conv(
        &self,
        x: Recorded<Wgpu>,
        weight: Recorded<Wgpu>,
        stride: usize,
        padding: usize,
        groups: usize,
    ) -> Recorded<Wgpu> {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups);
        <Tape<Wgpu>>::conv2d(x, weight, None, options)
    }
    fn normalise(
        &self,
        x: Recorded<Wgpu>,
        scale: Recorded<Wgpu>,
        shift: Recorded<Wgpu>,
        running: [Plain<Wgpu>; 2],
        training: bool,
    ) -> (Recorded<Wgpu>, Moved<Wgpu>) {
        type T = Tape<Wgpu>;
        let shape = x.shape();
        let (n, channels) = (shape[0], shape[1]);
        let pixels: usize = shape[2..].iter().product();
        let wide = |x| T::float_reshape(x, Shape::from(vec![1, channels, 1]));
        let x = T::float_reshape(x, Shape::from(vec![n, channels, pixels]));
        let [fixed_mean, fixed_var] = running.clone().map(|r| wide(T::from_inner(r)));
        let mean = if training { by_channel(x.clone()) } else { fixed_mean };
        let centred = T::float_sub(x, mean.clone());
        let var =
            if training { by_channel(T::float_mul(centred.clone(), centred.clone())) } else { fixed_var };
        let epsilon = Scalar::from(f64::from(phiz_net::onnx::NORM_EPSILON));
        let deviation = T::float_sqrt(T::float_add_scalar(var.clone(), epsilon));
        let y = T::float_add(T::float_mul(T::float_div(centred, deviation), wide(scale)), wide(shift));
        let y = T::float_reshape(y, shape);
        if !training {
            return (y, None);
        }
        let count = (n * pixels) as f64;
        let [old_mean, old_var] = running;
        let moved = |old, new: Recorded<Wgpu>, factor: f64| {
            let new = Wgpu::float_reshape(new.into_primitive(), Shape::from(vec![channels]));
            Wgpu::float_add(
                Wgpu::float_mul_scalar(old, Scalar::from(1.0 - NORM_MOMENTUM)),
                Wgpu::float_mul_scalar(new, Scalar::from(NORM_MOMENTUM * factor)),
            )
        };
        // The running variance is the unbiased one.
        let unbiased = count / (count - 1.0).max(1.0);
        (y, Some([moved(old_mean, mean, 1.0), moved(old_var, var, unbiased)]))
    }
    fn relu(&self, x: Recorded<Wgpu>) -> Recorded<Wgpu> {
        <Tape<Wgpu>>::relu(x)
    }
    fn sum(&self, x: Recorded<Wgpu>) -> Recorded<Wgpu> {
        // Burn's sum over everything may add by atomics, in no particular order.
        let length: usize = x.shape().iter().product();
        <Tape<Wgpu>>::float_sum_dim(<Tape<Wgpu>>::float_reshape(x, Shape::from(vec![length])), 0)
    }
}
