//! Similarity transforms: turn, scale and shift, as faces are aligned with.

/// `x' = a·x − b·y + tx`, `y' = b·x + a·y + ty`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Scale times the cosine of the turn.
    pub a: f32,
    /// Scale times the sine of the turn.
    pub b: f32,
    /// Shift to the right.
    pub tx: f32,
    /// Shift down.
    pub ty: f32,
}

impl Similarity {
    /// The least-squares similarity without reflection that takes `from` to `to` (Umeyama 1991). None for fewer
    /// than two pairs, points that all coincide, or numbers that are not finite.
    ///
    /// In two dimensions and without reflection the singular value decomposition of the paper has a closed form:
    /// with both sets centred, `a = Σ from·to / Σ |from|²` and `b = Σ from×to / Σ |from|²`.
    #[must_use]
    pub fn estimate(from: &[[f32; 2]], to: &[[f32; 2]]) -> Option<Similarity> {
        if from.len() != to.len() || from.len() < 2 {
            return None;
        }
        let n = from.len() as f64;
        let mean = |points: &[[f32; 2]], i: usize| points.iter().map(|p| f64::from(p[i])).sum::<f64>() / n;
        let (fx, fy) = (mean(from, 0), mean(from, 1));
        let (gx, gy) = (mean(to, 0), mean(to, 1));
        let (mut spread, mut dot, mut cross) = (0.0, 0.0, 0.0);
        for (f, g) in from.iter().zip(to) {
            let (x, y) = (f64::from(f[0]) - fx, f64::from(f[1]) - fy);
            let (u, v) = (f64::from(g[0]) - gx, f64::from(g[1]) - gy);
            spread += x * x + y * y;
            dot += x * u + y * v;
            cross += x * v - y * u;
        }
        if !(spread > 1e-12 && (dot * dot + cross * cross).is_finite()) {
            return None;
        }
        let (a, b) = (dot / spread, cross / spread);
        let (tx, ty) = (gx - a * fx + b * fy, gy - b * fx - a * fy);
        Some(Similarity { a: a as f32, b: b as f32, tx: tx as f32, ty: ty as f32 })
    }

    /// Where a point goes.
    #[must_use]
    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty]
    }

    /// The transform back; none if this one takes everything to one point.
    #[must_use]
    pub fn inverse(&self) -> Option<Similarity> {
        let square = self.a * self.a + self.b * self.b;
        if !(square > f32::MIN_POSITIVE && square.is_finite()) {
            return None;
        }
        let (a, b) = (self.a / square, -self.b / square);
        Some(Similarity { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) })
    }

    /// Size of the output over that of the input.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// Turn in radians, from x towards y (clockwise on a screen).
    #[must_use]
    pub fn rotation(&self) -> f32 {
        self.b.atan2(self.a)
    }
}
