//! The little linear algebra that fitting needs: eigenvectors of small symmetric matrices, and the directions in which
//! many long rows vary most.

use ndarray::{Array1, Array2, Axis};

/// Eigenvalues of a symmetric matrix, largest first, and its eigenvectors as columns of unit length whose largest
/// entry is positive. Cyclic Jacobi rotations: slow, exact, and all that a hundred rows ask for.
pub(crate) fn eigen(matrix: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = matrix.nrows();
    let mut a = matrix.clone();
    let mut vectors = Array2::<f64>::eye(n);
    let size: f64 = a.iter().map(|v| v * v).sum();
    for _sweep in 0..60 {
        let off: f64 = a.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, v)| v * v).sum();
        if off <= 1e-22 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    (a[[k, p]], a[[k, q]]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    (a[[p, k]], a[[q, k]]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[[k, p]], vectors[[k, q]]);
                    (vectors[[k, p]], vectors[[k, q]]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[[j, j]].total_cmp(&a[[i, i]]));
    let values = order.iter().map(|&i| a[[i, i]]).collect();
    let mut sorted = Array2::zeros((n, n));
    for (to, &from) in order.iter().enumerate() {
        let column = vectors.column(from);
        let largest = column.iter().copied().fold(0.0f64, |m, v| if v.abs() > m.abs() { v } else { m });
        sorted.column_mut(to).assign(&(&column * largest.signum()));
    }
    (values, sorted)
}

/// An orthonormal basis, as columns, of the `count` directions in which `rows` (centred) vary most, by subspace
/// iteration (Halko, Martinsson and Tropp 2011), started from sums of the rows with signs by chance: single rows may
/// be zero or alike, and a direction that the start lacks never comes back.
pub(crate) fn principal(rows: &Array2<f32>, count: usize) -> Array2<f32> {
    let count = count.min(rows.nrows()).min(rows.ncols());
    let signs = Array2::from_shape_fn((rows.nrows(), count), |(i, k)| {
        if chance((i * count + k) as u64) < 0.5 { -1.0 } else { 1.0 }
    });
    let mut basis = orthonormal(rows.t().dot(&signs));
    for _ in 0..6 {
        basis = orthonormal(rows.t().dot(&rows.dot(&basis)));
    }
    basis
}

/// Gram and Schmidt's columns, twice over because once is not enough in `f32` (Giraud et al. 2005).
pub(super) fn orthonormal(mut columns: Array2<f32>) -> Array2<f32> {
    for k in 0..columns.ncols() {
        let mut column = columns.column(k).to_owned();
        for _ in 0..2 {
            for earlier in 0..k {
                let other = columns.column(earlier);
                column.scaled_add(-column.dot(&other), &other);
            }
        }
        let length = column.dot(&column).sqrt().max(f32::MIN_POSITIVE);
        columns.column_mut(k).assign(&(column / length));
    }
    columns
}

/// The `i`-th of a fixed sequence of numbers in `[0, 1)` that pass for independent (splitmix64).
pub(super) fn chance(i: u64) -> f64 {
    let mut z = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Mean of the rows.
pub(crate) fn mean(rows: &Array2<f32>) -> Array1<f32> {
    let sum = rows.fold_axis(Axis(0), 0.0f64, |sum, &v| sum + f64::from(v));
    sum.mapv(|s| (s / rows.nrows() as f64) as f32)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{eigen, principal};

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        let known = array![[4.0, 1.0, -2.0], [1.0, 2.0, 0.0], [-2.0, 0.0, 3.0]];
        let (values, vectors) = eigen(&known);
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]), "{values:?}");
        let back = vectors.dot(&Array2::from_diag(&ndarray::Array1::from(values))).dot(&vectors.t());
        assert!((&back - &known).iter().all(|v| v.abs() < 1e-10), "{back}");
        assert!((vectors.t().dot(&vectors) - Array2::<f64>::eye(3)).iter().all(|v| v.abs() < 1e-12));
    }

    #[test]
    fn principal_directions_are_those_of_the_covariance() {
        // Rows with standard deviations in the ratio of 9, 3 and 1 along rotated axes; the first row is zero.
        let (s, c) = 0.6f32.sin_cos();
        let rows = Array2::from_shape_fn((400, 3), |(i, j)| {
            let wave = |f: f32| (i as f32 * f).sin();
            let (x, y, z) = (9.0 * wave(0.91), 3.0 * wave(1.73), wave(2.39));
            [c * x - s * y, s * x + c * y, z][j]
        });
        let basis = principal(&rows, 2);
        let first = basis.column(0);
        assert!((first[0] * c + first[1] * s).abs() > 0.999, "{first}");
        assert!(basis.column(1)[2].abs() < 0.02 && first.dot(&basis.column(1)).abs() < 1e-5);
    }
}
