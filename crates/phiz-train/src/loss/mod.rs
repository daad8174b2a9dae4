//! Losses, written over [`Backend`]: distillation here, margin losses in [`margin`], the detector's in
//! [`detector`].

pub mod detector;
pub mod margin;

use crate::backend::Backend;

const TINY: f64 = 1e-12;

/// Rows of `[n, d]` brought to unit length.
pub fn unit<B: Backend>(b: &B, x: &B::Tensor) -> B::Tensor {
    b.div(x, &length(b, x))
}

/// Lengths of the rows of `[n, d]`: `[n, 1]`.
pub fn length<B: Backend>(b: &B, x: &B::Tensor) -> B::Tensor {
    b.sqrt(&b.affine(&b.sum_axis(&b.mul(x, x), 1), 1.0, TINY))
}

/// Mean over the batch of `1 − cos(x, target)`; both `[n, d]` of unit rows.
pub fn cosine_distillation<B: Backend>(b: &B, x: &B::Tensor, target: &B::Tensor) -> B::Tensor {
    let n = b.shape(x)[0] as f64;
    b.affine(&b.sum(&b.mul(x, target)), -1.0 / n, 1.0)
}

/// The same over the part of `x` that lies in the teacher's dimensions, brought to length 1 there: `placement` `[D, d]` has
/// orthonormal columns, among whose span `target` `[n, D]` lies. What lies outside has no part in the loss.
pub fn cosine_distillation_within<B: Backend>(
    b: &B,
    x: &B::Tensor,
    target: &B::Tensor,
    placement: &B::Tensor,
) -> B::Tensor {
    let inwards = b.transposed(placement);
    let part = |x: &B::Tensor| b.matmul_transposed(x, &inwards);
    cosine_distillation(b, &unit(b, &part(x)), &part(target))
}

/// Mean over all places of two maps `[n, c, h, w]` of `1 − cos` between their channels: what a teacher sees at each place, not only in
/// sum (Zagoruyko and Komodakis 2017 and Tian et al. 2020 discuss such targets). Places where the target is nothing count as 1.
pub fn cosine_of_maps<B: Backend>(b: &B, x: &B::Tensor, target: &B::Tensor) -> B::Tensor {
    let shape = b.shape(x);
    let places = shape[2] * shape[3];
    let flat = |t: &B::Tensor| b.reshape(t, &[shape[0], shape[1], places]);
    let (x, target) = (flat(x), flat(target));
    let length = |t: &B::Tensor| b.sqrt(&b.affine(&b.sum_axis(&b.mul(t, t), 1), 1.0, TINY));
    let cosines = b.div(&b.sum_axis(&b.mul(&x, &target), 1), &b.mul(&length(&x), &length(&target)));
    b.affine(&b.sum(&cosines), -1.0 / (shape[0] * places) as f64, 1.0)
}

/// Relational distillation (Park et al. 2019): mean squared difference of all cosines within the batch.
pub fn relational_distillation<B: Backend>(b: &B, x: &B::Tensor, target: &B::Tensor) -> B::Tensor {
    let n = b.shape(x)[0] as f64;
    let d = b.sub(&b.matmul_transposed(x, x), &b.matmul_transposed(target, target));
    b.affine(&b.sum(&b.mul(&d, &d)), 1.0 / (n * n), 0.0)
}
