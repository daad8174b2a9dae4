//! Layers of a network in training on an x86 processor: forward and gradients, channels last, in f32.
//!
//! This is the arithmetic in which training on a processor spends its time, and which general libraries do by slower ways:
//! dense 3×3 convolutions by Winograd's method ([`Conv3`]), and batch normalisation with ReLU in as few passes over memory as there can
//! be ([`Norm`], whose maps may lie in memory as bf16). Maps are `[pictures, height, width, channels]`, filters
//! `[outputs, inputs, 3, 3]`, all without gaps. `phiz-train` hands it LibTorch's memory.
//!
//! Instructions are chosen when a layer is made: AVX-512, or AVX2 with FMA. On other processors there are no layers, and
//! the caller takes its library's own.

mod kernels;

pub use kernels::vector::Number;
use kernels::{Level, norm, winograd};

/// A number in bfloat16, as its bits: the upper half of those of an f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

/// Mean and variance of each channel over a batch; the variance is that of the batch itself, not an estimate of a larger whole's.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Mean square of the distance from it.
    pub variance: Vec<f32>,
}

/// Batch normalisation in training (Ioffe and Szegedy 2015), with ReLU behind it or without: every channel of `[rows, channels]` is
/// brought to mean 0 and variance 1, then scaled and shifted.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    channels: usize,
    epsilon: f32,
    relu: bool,
    level: Level,
    threads: usize,
}

impl Norm {
    /// A normalisation on so many threads, which adds `epsilon` to variances. None for channels that do not fill vectors, and on a
    /// processor without AVX2.
    #[must_use]
    pub fn new(channels: usize, epsilon: f32, relu: bool, threads: usize) -> Option<Norm> {
        let level = Level::fitting([channels; 2])?;
        Some(Norm { channels, epsilon, relu, level, threads: threads.max(1) })
    }

    /// Writes what becomes of `x` and returns the batch's statistics.
    ///
    /// # Panics
    /// When a slice has not whole rows, or not as many as the others; when there is no row.
    pub fn forward<N: Number>(&self, x: &[N], scale: &[f32], shift: &[f32], y: &mut [N]) -> Statistics {
        norm::forward(&self.rule(scale, shift), x, y)
    }

    /// Writes the gradient of `x`, of that of the output, and returns those of scale and shift.
    ///
    /// # Panics
    /// As [`Norm::forward`].
    pub fn backward<N: Number>(
        &self,
        x: &[N],
        dy: &[N],
        [scale, shift]: [&[f32]; 2],
        statistics: &Statistics,
        dx: &mut [N],
    ) -> [Vec<f32>; 2] {
        norm::backward(&self.rule(scale, shift), x, dy, statistics, dx)
    }

    fn rule<'a>(&self, scale: &'a [f32], shift: &'a [f32]) -> norm::Rule<'a> {
        let Norm { channels, epsilon, relu, level, threads } = *self;
        assert!(scale.len() == channels && shift.len() == channels, "{channels} channels");
        norm::Rule { scale, shift, epsilon, relu, level, threads }
    }
}

/// Maps and filters of a convolution: `inputs` channels in, `outputs` channels out, maps of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pictures of a batch.
    pub pictures: usize,
    /// Rows of a map.
    pub height: usize,
    /// Columns of a map.
    pub width: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
}

impl Shape {
    /// Numbers of the input.
    #[must_use]
    pub fn input(&self) -> usize {
        self.pictures * self.height * self.width * self.inputs
    }

    /// Numbers of the output.
    #[must_use]
    pub fn output(&self) -> usize {
        self.pictures * self.height * self.width * self.outputs
    }

    /// Numbers of the filters.
    #[must_use]
    pub fn filters(&self) -> usize {
        9 * self.inputs * self.outputs
    }

    /// The convolution that carries gradients back.
    fn reversed(self) -> Shape {
        Shape { inputs: self.outputs, outputs: self.inputs, ..self }
    }
}

/// A dense 3×3 convolution of stride 1 with a border of one pixel of zeros, by Winograd's minimal filtering
/// F(4×4, 3×3) (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"): 36 products for sixteen pixels
/// instead of 144.
///
/// Sums differ from those of the plain way by about 2e-5 of the size of a typical result. The same input gives the same bits for
/// the same number of threads.
#[derive(Clone, Copy, Debug)]
pub struct Conv3 {
    shape: Shape,
    level: Level,
    threads: usize,
}

impl Conv3 {
    /// A convolution on so many threads. None where the plain way is as fast: maps that tiles of 4×4 cover badly, channels
    /// that do not fill vectors, a processor without AVX2.
    #[must_use]
    pub fn new(shape: Shape, threads: usize) -> Option<Conv3> {
        let level = Level::fitting([shape.inputs, shape.outputs])?;
        let covered = 16 * shape.height.div_ceil(4) * shape.width.div_ceil(4);
        let suits = shape.pictures > 0 && covered > 0 && 10 * shape.height * shape.width >= 7 * covered;
        suits.then_some(Conv3 { shape, level, threads: threads.max(1) })
    }

    /// What it convolves.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Output of an input.
    ///
    /// # Panics
    /// When a slice has not the length that the shape says.
    pub fn forward(&self, x: &[f32], filters: &[f32], y: &mut [f32]) {
        let filters = self.filters(filters, false);
        winograd::convolve(&self.shape, x, &filters, y, self.level, self.threads);
    }

    /// Gradient of the input, of that of the output.
    ///
    /// # Panics
    /// As [`Conv3::forward`].
    pub fn input_gradient(&self, dy: &[f32], filters: &[f32], dx: &mut [f32]) {
        let filters = self.filters(filters, true);
        winograd::convolve(&self.shape.reversed(), dy, &filters, dx, self.level, self.threads);
    }

    /// Gradient of the filters, of the input and of the output's gradient.
    ///
    /// # Panics
    /// As [`Conv3::forward`].
    pub fn filter_gradient(&self, x: &[f32], dy: &[f32], dfilters: &mut [f32]) {
        winograd::filter_gradient(&self.shape, x, dy, dfilters, self.level, self.threads);
    }

    fn filters(&self, filters: &[f32], reversed: bool) -> Vec<f32> {
        let size = [self.shape.outputs, self.shape.inputs];
        winograd::transformed(filters, size, reversed, self.level, self.threads)
    }
}

#[cfg(test)]
mod tests;
