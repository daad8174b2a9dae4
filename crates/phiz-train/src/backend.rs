//! The few dozen differentiable tensor operations over which networks, losses and optimisers are written once.
//!
//! A back end is a value (it knows its device and precision); tensors are its associated type. All values
//! that cross the border are `f32` in row-major order. Shapes follow `[batch, channels, height, width]`.

/// Statistics of a batch normalisation while it trains: the fraction of the new batch in the running mean.
pub const NORM_MOMENTUM: f64 = 0.1;

/// What surrounds a map while it is convolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Half a kernel of zeros, so that stride 1 keeps the map's size.
    Half,
    /// Nothing: the kernel stays within the map.
    None,
}

impl Padding {
    /// Zeros on each side for a kernel of side `kernel`.
    #[must_use]
    pub fn width(self, kernel: usize) -> usize {
        match self {
            Padding::Half => kernel / 2,
            Padding::None => 0,
        }
    }
}

/// A parameter and what AdamW remembers of it.
#[derive(Clone, Debug)]
pub struct Remembered<T> {
    /// The parameter, a leaf.
    pub value: T,
    /// Average of its gradients; none before the first step.
    pub first: Option<T>,
    /// Average of their squares; none before the first step.
    pub second: Option<T>,
}

/// What a batch normalisation holds for each channel: two lists that learn, and the running mean and variance.
#[derive(Debug)]
pub struct Normalisation<'a, T> {
    /// Factor on the normalised value.
    pub scale: &'a T,
    /// What is added to it.
    pub shift: &'a T,
    /// Running mean, which training moves in place.
    pub mean: &'a T,
    /// Running variance, likewise.
    pub var: &'a T,
}

impl<T> Clone for Normalisation<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Normalisation<'_, T> {}

/// The numbers of one step of AdamW (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamwStep {
    /// Factor on the gradient, which clips it.
    pub shrink: f64,
    /// Learning rate.
    pub rate: f64,
    /// Fraction of the parameter that is lost at a rate of one.
    pub decay: f64,
    /// Decay of both averages.
    pub beta: (f64, f64),
    /// What makes up for averages that began at zero: `1 / (1 − βᵗ)`.
    pub unbias: (f64, f64),
    /// Keeps the divisor from zero.
    pub epsilon: f64,
}

/// The polynomial of a Newton-Schulz step, `a·X + b·(X·Xᵀ)·X + c·(X·Xᵀ)²·X`, that moves every singular value of `X` from
/// (0, 1] to about 1 in five steps (Jordan et al. 2024, "Muon").
pub const NEWTON_SCHULZ: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Newton-Schulz steps of one orthogonalisation.
pub const NEWTON_SCHULZ_STEPS: usize = 5;

/// A source of differentiable tensors.
pub trait Backend {
    /// A tensor; cloning shares its memory.
    type Tensor: Clone;

    /// Name and precision for reports, as `libtorch cpu bf16`.
    fn describe(&self) -> String;
    /// Threads of the processor that computes; none where a GPU does.
    fn threads(&self) -> Option<usize>;
    /// Whether convolutions compute in bf16.
    fn bf16(&self) -> bool {
        false
    }
    /// A constant.
    fn constant(&self, data: &[f32], shape: &[usize]) -> Self::Tensor;
    /// A constant `[labels, classes]` with a one where the label of the row is; a row without a label is zero.
    fn one_hot(&self, labels: &[Option<usize>], classes: usize) -> Self::Tensor {
        let mut rows = vec![0f32; labels.len() * classes];
        for (row, label) in rows.chunks_exact_mut(classes.max(1)).zip(labels) {
            if let Some(one) = label.and_then(|label| row.get_mut(label)) {
                *one = 1.0;
            }
        }
        self.constant(&rows, &[labels.len(), classes])
    }
    /// A constant made of bytes: `(value − mean) / std` by channel of interleaved pictures `[n, h, w, c]`,
    /// given as `[n, c, h, w]` in the precision and layout in which convolutions run fastest.
    fn pictures(
        &self,
        bytes: &[u8],
        n: usize,
        h: usize,
        w: usize,
        mean: [f32; 3],
        std: [f32; 3],
    ) -> Self::Tensor;
    /// A new leaf with the value of `x`, for which [`Backend::gradients`] can be asked.
    fn leaf(&self, x: &Self::Tensor) -> Self::Tensor;
    /// The value without its history.
    fn detach(&self, x: &Self::Tensor) -> Self::Tensor;
    /// The gradients of a scalar with respect to leaves, in their order; none (or zeros) for a leaf on which the
    /// loss does not depend. The history of `loss` is used up.
    fn gradients(&self, loss: &Self::Tensor, leaves: &[&Self::Tensor]) -> Vec<Option<Self::Tensor>>;
    /// One step of AdamW, without history. What is given is used up: a back end may write into it.
    fn adamw(
        &self,
        x: Remembered<Self::Tensor>,
        gradient: &Self::Tensor,
        step: &AdamwStep,
    ) -> Remembered<Self::Tensor> {
        let g = self.affine(gradient, step.shrink, 0.0);
        let moved = |old: Option<Self::Tensor>, new: &Self::Tensor, beta: f64| {
            let new = self.affine(new, 1.0 - beta, 0.0);
            old.map_or(new.clone(), |old| self.add(&self.affine(&old, beta, 0.0), &new))
        };
        let first = moved(x.first, &g, step.beta.0);
        let second = moved(x.second, &self.mul(&g, &g), step.beta.1);
        let deviation = self.affine(&self.sqrt(&self.affine(&second, step.unbias.1, 0.0)), 1.0, step.epsilon);
        let change = self.div(&self.affine(&first, step.rate * step.unbias.0, 0.0), &deviation);
        let value = self.sub(&self.affine(&x.value, 1.0 - step.decay * step.rate, 0.0), &change);
        Remembered { value: self.leaf(&value), first: Some(first), second: Some(second) }
    }
    /// The matrix `[n, m]` with all its singular values moved to about 1, its singular vectors kept: the direction in which
    /// Muon steps. Called without a history.
    ///
    /// Five Newton-Schulz steps, each a polynomial in the matrix, in place of a singular value decomposition: a few matrix
    /// products, which every device computes fast. Values end between about 0.7 and 1.2, which training does not notice.
    fn orthogonal(&self, x: &Self::Tensor) -> Self::Tensor {
        let shape = self.shape(x);
        // The product of rows with rows is the smaller one of a wide matrix.
        let tall = shape[0] > shape[1];
        let wide = if tall { self.transposed(x) } else { x.clone() };
        // Divided by the largest first: squares of very small or large gradients would leave single precision.
        let largest = f64::from(self.values(x).iter().fold(0f32, |m, v| m.max(v.abs())));
        let scaled = self.affine(&wide, 1.0 / largest.max(f64::from(f32::MIN_POSITIVE)), 0.0);
        let norm = f64::from(self.scalar(&self.squares(&scaled))).sqrt();
        let mut x = self.affine(&scaled, 1.0 / (norm + 1e-7), 0.0);
        let [a, b, c] = NEWTON_SCHULZ;
        for _ in 0..NEWTON_SCHULZ_STEPS {
            let gram = self.matmul_transposed(&x, &x);
            let square = self.matmul_transposed(&gram, &gram);
            let mixed = self.add(&self.affine(&gram, b, 0.0), &self.affine(&square, c, 0.0));
            let moved = self.matmul_transposed(&mixed, &self.transposed(&x));
            x = self.add(&self.affine(&x, a, 0.0), &moved);
        }
        if tall { self.transposed(&x) } else { x }
    }
    /// `decay · average + (1 − decay) · now`, without history. The average is used up: a back end may write into it.
    fn averaged(&self, average: Self::Tensor, now: &Self::Tensor, decay: f64) -> Self::Tensor {
        self.add(&self.affine(&average, decay, 0.0), &self.affine(now, 1.0 - decay, 0.0))
    }
    /// Runs `f` without recording history.
    fn without_gradients<R>(&self, f: impl FnOnce() -> R) -> R;

    /// Replaces the values of a tensor that does not learn, for all its holders: running statistics.
    fn assign(&self, x: &Self::Tensor, values: &[f32]);
    /// Rows of a matrix or numbers of a list, without history.
    fn rows(&self, x: &Self::Tensor, rows: &[usize]) -> Self::Tensor {
        let (values, mut shape) = (self.values(x), self.shape(x));
        let width = shape[1..].iter().product::<usize>();
        shape[0] = rows.len();
        let taken: Vec<f32> = rows.iter().flat_map(|row| &values[row * width..][..width]).copied().collect();
        self.constant(&taken, &shape)
    }
    /// `x` with other rows in the place of some, without history. `x` is used up: a back end may write into it. A leaf stays one.
    fn with_rows(&self, x: Self::Tensor, rows: &[usize], new: &Self::Tensor) -> Self::Tensor {
        let (mut values, shape) = (self.values(&x), self.shape(&x));
        let width = shape[1..].iter().product::<usize>().max(1);
        for (row, new) in rows.iter().zip(self.values(new).chunks_exact(width)) {
            values[row * width..][..width].copy_from_slice(new);
        }
        self.leaf(&self.constant(&values, &shape))
    }
    /// Values in row-major order.
    fn values(&self, x: &Self::Tensor) -> Vec<f32>;
    /// The only value of a scalar.
    fn scalar(&self, x: &Self::Tensor) -> f32;
    /// Shape.
    fn shape(&self, x: &Self::Tensor) -> Vec<usize>;

    /// Convolution: `x` `[n, i, h, w]`, `weight` `[o, i/groups, k, k]`, `bias` `[o]`.
    fn conv(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: Option<&Self::Tensor>,
        stride: usize,
        groups: usize,
        padding: Padding,
    ) -> Self::Tensor;
    /// Batch normalisation over all but the channels, by the batch's own mean and variance while `training`.
    fn normalise(
        &self,
        x: &Self::Tensor,
        by: Normalisation<'_, Self::Tensor>,
        training: bool,
    ) -> Self::Tensor;
    /// [`Backend::normalise`] and then [`Backend::relu`].
    fn normalise_relu(
        &self,
        x: &Self::Tensor,
        by: Normalisation<'_, Self::Tensor>,
        training: bool,
    ) -> Self::Tensor {
        self.relu_over(self.normalise(x, by, training))
    }
    /// `max(x, 0)`.
    fn relu(&self, x: &Self::Tensor) -> Self::Tensor;
    /// [`Backend::relu`] of a tensor that nothing else reads and no gradient needs: the result may take its memory.
    fn relu_over(&self, x: Self::Tensor) -> Self::Tensor {
        self.relu(&x)
    }
    /// `1 / (1 + e^-x)`.
    fn sigmoid(&self, x: &Self::Tensor) -> Self::Tensor;
    /// `e^x`.
    fn exp(&self, x: &Self::Tensor) -> Self::Tensor;
    /// Natural logarithm.
    fn ln(&self, x: &Self::Tensor) -> Self::Tensor;
    /// Square root.
    fn sqrt(&self, x: &Self::Tensor) -> Self::Tensor;
    /// Absolute value.
    fn abs(&self, x: &Self::Tensor) -> Self::Tensor;
    /// `min(max(x, low), high)`.
    fn clamp(&self, x: &Self::Tensor, low: f64, high: f64) -> Self::Tensor;
    /// [`Backend::clamp`] of a tensor that nothing else reads and no gradient needs: the result may take its memory.
    fn clamp_over(&self, x: Self::Tensor, low: f64, high: f64) -> Self::Tensor {
        self.clamp(&x, low, high)
    }
    /// `a + b`, broadcasting.
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// `a − b`, broadcasting.
    fn sub(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// `a · b` element by element, broadcasting.
    fn mul(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// `a / b` element by element, broadcasting.
    fn div(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// Smaller of two, element by element.
    fn minimum(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// Larger of two, element by element.
    fn maximum(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// `scale · x + offset`.
    fn affine(&self, x: &Self::Tensor, scale: f64, offset: f64) -> Self::Tensor;
    /// Matrix product of `[n, k]` and the transpose of `[m, k]`: `[n, m]`.
    fn matmul_transposed(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// Transpose of a matrix.
    fn transposed(&self, x: &Self::Tensor) -> Self::Tensor;
    /// The same values in the same order under another shape.
    fn reshape(&self, x: &Self::Tensor, shape: &[usize]) -> Self::Tensor;
    /// Sum over one axis, which stays with length one.
    fn sum_axis(&self, x: &Self::Tensor, axis: usize) -> Self::Tensor;
    /// Sum of everything, a scalar.
    fn sum(&self, x: &Self::Tensor) -> Self::Tensor;
    /// Sum of the squares of everything, a scalar.
    fn squares(&self, x: &Self::Tensor) -> Self::Tensor {
        self.sum(&self.mul(x, x))
    }
    /// Mean over height and width: `[n, c, h, w]` to `[n, c]`.
    fn global_pool(&self, x: &Self::Tensor) -> Self::Tensor;
    /// Nearest-neighbour enlargement by two.
    fn upsample2(&self, x: &Self::Tensor) -> Self::Tensor;
    /// A part of one axis.
    fn narrow(&self, x: &Self::Tensor, axis: usize, start: usize, length: usize) -> Self::Tensor;
    /// Tensors one after another along the first axis. There is at least one, and they are alike in the others.
    fn joined(&self, parts: &[Self::Tensor]) -> Self::Tensor;
    /// Logarithm of the softmax over the last axis.
    fn log_softmax(&self, x: &Self::Tensor) -> Self::Tensor;
}
