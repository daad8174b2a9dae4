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
    cosine_distillation(b, &unit(b, &part_within(b, x, placement)), &part_within(b, target, placement))
}

/// The part `[n, d]` of `[n, D]` that lies in the span of `placement` `[D, d]`.
pub fn part_within<B: Backend>(b: &B, x: &B::Tensor, placement: &B::Tensor) -> B::Tensor {
    b.matmul_transposed(x, &b.transposed(placement))
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

/// Mean over the batch of the Kullback-Leibler divergence of whom a picture resembles, from what a teacher says of it: softmax over `known`
/// people `[m, d]` of the cosines divided by `temperature` (after Fang et al. 2021, "SEED"). `x` and `target` `[n, d]`, all of unit rows. Cosines to near
/// people, which decide about false matches, weigh more than others.
pub fn neighbours<B: Backend>(
    b: &B,
    x: &B::Tensor,
    target: &B::Tensor,
    known: &B::Tensor,
    temperature: f64,
) -> B::Tensor {
    let n = b.shape(x)[0] as f64;
    let resembles =
        |x: &B::Tensor| b.log_softmax(&b.matmul_transposed(&b.affine(x, 1.0 / temperature, 0.0), known));
    let (wanted, share) = b.without_gradients(|| {
        let wanted = resembles(&b.detach(target));
        let share = b.exp(&wanted);
        (wanted, share)
    });
    let said = resembles(x);
    b.affine(&b.sum(&b.mul(&share, &b.sub(&wanted, &said))), 1.0 / n, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::Flex;
    use crate::random::Random;

    #[test]
    fn neighbours_are_compared_as_by_hand() {
        let b = Flex::new(1).expect("a thread");
        let (n, m, d, temperature) = (3, 7, 5, 0.2);
        let mut random = Random::new(4);
        let mut rows = |count: usize| -> Vec<Vec<f64>> {
            let row = |_| (0..d).map(|_| f64::from(random.normal())).collect::<Vec<_>>();
            let rows: Vec<Vec<f64>> = (0..count).map(row).collect();
            let unit = |row: Vec<f64>| {
                let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                row.into_iter().map(|v| v / length).collect()
            };
            rows.into_iter().map(unit).collect()
        };
        let (x, target, known) = (rows(n), rows(n), rows(m));
        let shares = |row: &[f64]| {
            let dot = |other: &Vec<f64>| row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
            let powers: Vec<f64> = known.iter().map(|other| (dot(other) / temperature).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(|p| p / sum).collect::<Vec<f64>>()
        };
        let divergence = |x: &[f64], target: &[f64]| {
            shares(target).iter().zip(shares(x)).map(|(p, q)| p * (p / q).ln()).sum::<f64>()
        };
        let expected = x.iter().zip(&target).map(|(x, t)| divergence(x, t)).sum::<f64>() / n as f64;
        let tensor = |rows: &[Vec<f64>]| {
            let flat: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
            b.constant(&flat, &[rows.len(), d])
        };
        let [x, target, known] = [&x, &target, &known].map(|rows| tensor(rows));
        let found = b.scalar(&neighbours(&b, &x, &target, &known, temperature));
        assert!((f64::from(found) - expected).abs() < 1e-4 * expected, "{found} {expected}");
        assert!(b.scalar(&neighbours(&b, &target, &target, &known, temperature)).abs() < 1e-5);
    }
}
