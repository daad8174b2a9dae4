//! What sets people apart and what sets photos of one person apart, told from people with several photos.
//!
//! The model is `x = mean + F·identity + G·nuisance` with coefficients of unit variance (as in Prince and Elder 2007,
//! without their noise term). The covariance within people, `G·Gᵀ`, and the one between them, `F·Fᵀ`, are estimated as
//! in an analysis of variance with groups of unequal size (Searle 1971), then each is cut to its largest directions.

use ndarray::{Array1, Array2, Axis};

use super::linear::eigen;

/// Columns are directions, each as long as its standard deviation, the longest first.
pub(crate) struct Split {
    pub(crate) identity: Array2<f64>,
    pub(crate) nuisance: Array2<f64>,
}

/// Splits rows of few numbers (centred), one a photo, by the person of each; at most so many directions of each kind.
/// Needs two people or more and one person at least with two photos.
pub(crate) fn split(rows: &Array2<f32>, people: &[usize], identity: usize, nuisance: usize) -> Option<Split> {
    let wide = rows.ncols();
    let groups = people.iter().max()? + 1;
    let mut sums = Array2::<f64>::zeros((groups, wide));
    let mut counts = vec![0usize; groups];
    for (row, &person) in rows.axis_iter(Axis(0)).zip(people) {
        sums.row_mut(person).zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
        counts[person] += 1;
    }
    let photos = rows.nrows() as f64;
    let filled = counts.iter().filter(|&&n| n > 0).count() as f64;
    if filled < 2.0 || photos <= filled {
        return None;
    }
    let mut within = Array2::<f64>::zeros((wide, wide));
    let mut between = within.clone();
    for (row, &person) in rows.axis_iter(Axis(0)).zip(people) {
        let mean = &sums.row(person) / counts[person] as f64;
        add_square(&mut within, &(row.mapv(f64::from) - mean));
    }
    for (sum, &count) in sums.axis_iter(Axis(0)).zip(&counts).filter(|(_, count)| **count > 0) {
        add_square(&mut between, &(&sum / (count as f64).sqrt()));
    }
    within /= photos - filled;
    between /= filled - 1.0;
    // Means of few photos vary by what sets photos apart, too: that share is taken out.
    let squares = counts.iter().map(|&n| (n * n) as f64).sum::<f64>();
    let usual = (photos - squares / photos) / (filled - 1.0);
    between = (between - &within) / usual;
    Some(Split { identity: deviations(&between, identity), nuisance: deviations(&within, nuisance) })
}

fn add_square(sum: &mut Array2<f64>, row: &Array1<f64>) {
    for (mut line, &v) in sum.axis_iter_mut(Axis(0)).zip(row) {
        line.scaled_add(v, row);
    }
}

/// The largest directions of a covariance; what chance made negative is no direction.
fn deviations(covariance: &Array2<f64>, count: usize) -> Array2<f64> {
    let (values, vectors) = eigen(covariance);
    let count = values.iter().take(count).filter(|v| **v > 0.0).count();
    Array2::from_shape_fn((vectors.nrows(), count), |(i, k)| vectors[[i, k]] * values[k].sqrt())
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::split;
    use crate::faces::linear::chance;

    /// People differ along x by 5, photos along y by 2, and people have one, two or three photos.
    #[test]
    fn directions_and_sizes_are_found_again() {
        // Uniform of unit variance.
        let draw = |i: usize| (chance(i as u64) - 0.5) * 12f64.sqrt();
        let people: Vec<usize> = (0..3000).flat_map(|p| vec![p; 1 + p % 3]).collect();
        let rows = Array2::from_shape_fn((people.len(), 2), |(i, axis)| {
            (if axis == 0 { 5.0 * draw(people[i]) } else { 2.0 * draw(3000 + i) }) as f32
        });
        let found = split(&rows, &people, 5, 5).unwrap();
        let (f, g) = (found.identity.column(0), found.nuisance.column(0));
        assert!((f[0] - 5.0).abs() < 0.2 && f[1].abs() < 0.2, "{f}");
        assert!((g[1] - 2.0).abs() < 0.1 && g[0].abs() < 0.1, "{g}");
        // Nothing else sets people apart, and nothing else photos.
        for (rest, most) in [(&found.identity, 0.4), (&found.nuisance, 0.1)] {
            let second = rest.columns().into_iter().nth(1).map_or(0.0, |c| c.dot(&c).sqrt());
            assert!(second < most, "{second}");
        }
    }

    #[test]
    fn photos_without_pairs_cannot_be_split() {
        assert!(split(&Array2::zeros((3, 2)), &[0, 1, 2], 1, 1).is_none());
        assert!(split(&Array2::zeros((3, 2)), &[0, 0, 0], 1, 1).is_none());
        assert!(split(&Array2::zeros((0, 2)), &[], 1, 1).is_none());
    }
}
