//! Thin-plate splines (Bookstein 1989): the smoothest warp of the plane that takes given points to given points.

/// The number of landmarks of a face: right eye, left eye, nose, right and left corner of the mouth, the person's
/// right first.
pub(crate) const POINTS: usize = 5;
const ROWS: usize = POINTS + 3;

/// A warp of the plane through five pairs of points.
#[derive(Clone, Debug)]
pub struct Spline {
    centres: [[f32; 2]; POINTS],
    /// For each of x and y: a weight a centre, then the affine part (1, x, y).
    weights: [[f32; ROWS]; 2],
}

impl Spline {
    /// Through all pairs exactly. None if the points of `from` lie on one line, coincide, or are not finite.
    #[must_use]
    pub fn through(from: &[[f32; 2]; POINTS], to: &[[f32; 2]; POINTS]) -> Option<Spline> {
        let mut rows = [[0.0f64; ROWS + 2]; ROWS];
        for i in 0..POINTS {
            for j in 0..POINTS {
                rows[i][j] = kernel(from[i], from[j]).into();
            }
            for (k, value) in [1.0, from[i][0], from[i][1]].into_iter().enumerate() {
                rows[i][POINTS + k] = value.into();
                rows[POINTS + k][i] = value.into();
            }
            rows[i][ROWS] = to[i][0].into();
            rows[i][ROWS + 1] = to[i][1].into();
        }
        let solved = solve(rows)?;
        let weights = [0, 1].map(|axis| solved.map(|row| row[axis] as f32));
        weights.iter().flatten().all(|w| w.is_finite()).then_some(Spline { centres: *from, weights })
    }

    /// Where a point goes.
    #[must_use]
    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let bends = self.centres.map(|centre| kernel(centre, [x, y]));
        self.weights.each_ref().map(|w| {
            let bent: f32 = bends.iter().zip(w).map(|(bend, weight)| bend * weight).sum();
            bent + w[POINTS] + w[POINTS + 1] * x + w[POINTS + 2] * y
        })
    }
}

/// `r² ln r²`, and its limit 0 at the centre.
fn kernel(a: [f32; 2], b: [f32; 2]) -> f32 {
    let square = (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    if square > 0.0 { square * square.ln() } else { 0.0 }
}

/// Gaussian elimination with partial pivoting for two right sides.
fn solve(mut rows: [[f64; ROWS + 2]; ROWS]) -> Option<[[f64; 2]; ROWS]> {
    for column in 0..ROWS {
        let pivot =
            (column..ROWS).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let head = rows[column];
        // Points are pixels, so that well-placed landmarks leave pivots far above this.
        if head[column].is_nan() || head[column].abs() <= 1e-6 {
            return None;
        }
        for (i, row) in rows.iter_mut().enumerate() {
            if i != column {
                let factor = row[column] / head[column];
                row.iter_mut().zip(&head).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    let mut solved = [[0.0; 2]; ROWS];
    for (i, row) in rows.iter().enumerate() {
        solved[i] = [row[ROWS] / row[i], row[ROWS + 1] / row[i]];
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::Spline;
    use proptest::prelude::*;

    const FACE: [[f32; 2]; 5] = [[28.0, 46.0], [52.0, 46.0], [40.0, 60.0], [30.0, 74.0], [50.0, 74.0]];

    proptest! {
        #[test]
        fn takes_every_point_to_its_partner(moves in prop::array::uniform5(prop::array::uniform2(-6.0f32..6.0))) {
            let mut to = FACE;
            for (point, shift) in to.iter_mut().zip(moves) {
                point[0] += shift[0];
                point[1] += shift[1];
            }
            let spline = Spline::through(&FACE, &to).unwrap();
            for (from, to) in FACE.iter().zip(to) {
                let [x, y] = spline.apply(*from);
                prop_assert!((x - to[0]).hypot(y - to[1]) < 0.02, "{x} {y} {to:?}");
            }
        }

        #[test]
        fn an_affine_map_stays_affine_everywhere(x in -100.0f32..200.0, y in -100.0f32..200.0) {
            let affine = |[x, y]: [f32; 2]| [1.5 * x - 0.2 * y + 3.0, 0.1 * x + 0.8 * y - 7.0];
            let spline = Spline::through(&FACE, &FACE.map(affine)).unwrap();
            let ([u, v], [p, q]) = (spline.apply([x, y]), affine([x, y]));
            prop_assert!((u - p).hypot(v - q) < 0.1, "{u} {v} is not {p} {q}");
        }
    }

    #[test]
    fn points_without_an_area_have_no_spline() {
        let line = [0.0, 1.0, 2.0, 3.0, 4.0].map(|t| [t, 2.0 * t]);
        assert!(Spline::through(&line, &FACE).is_none());
        assert!(Spline::through(&[[1.0, 1.0]; 5], &FACE).is_none());
        let mut broken = FACE;
        broken[2] = [f32::NAN, 0.0];
        assert!(Spline::through(&broken, &FACE).is_none());
    }
}
