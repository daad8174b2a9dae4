//! Chance from a seed: splitmix64 (Steele, Lea and Flood 2014), which is small and good enough for pictures.

/// A seeded generator. Two with the same seed and stream give the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// `stream` sets apart what is drawn from one seed for different purposes.
    pub(crate) fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        random.0 = random.bits();
        random
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n`, `n > 0`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Standard normal (Box and Muller 1958), drawn again while it is farther out than `limit`: a linear model
    /// makes no faces any more out there.
    pub(crate) fn normal(&mut self, limit: f32) -> f32 {
        loop {
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let x = radius * (std::f32::consts::TAU * self.unit()).cos();
            if x.abs() <= limit {
                return x;
            }
        }
    }

    /// Any colour, linear in nothing: three bytes as floats.
    pub(crate) fn colour(&mut self) -> [f32; 3] {
        [0; 3].map(|_| self.between(20.0, 235.0))
    }
}

/// Smooth noise in `[0, 1]` over the plane: values on a lattice of unit cells, and four octaves of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    fn at(self, i: i64, j: i64) -> f32 {
        let cell =
            (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (j as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        (mix(cell ^ self.0) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// One octave.
    pub(crate) fn smooth(self, x: f32, y: f32) -> f32 {
        let (i, j) = (x.floor(), y.floor());
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (ease(x - i), ease(y - j));
        let (i, j) = (i as i64, j as i64);
        let top = self.at(i, j) * (1.0 - u) + self.at(i + 1, j) * u;
        let bottom = self.at(i, j + 1) * (1.0 - u) + self.at(i + 1, j + 1) * u;
        top * (1.0 - v) + bottom * v
    }

    /// Four octaves, each half as strong and twice as fine as the one before.
    pub(crate) fn fractal(self, x: f32, y: f32) -> f32 {
        let (mut sum, mut weight) = (0.0, 0.5);
        for octave in 0..4u64 {
            let fine = (1u32 << octave) as f32;
            sum += weight * Noise(self.0 ^ octave).smooth(x * fine, y * fine);
            weight *= 0.5;
        }
        sum / 0.9375
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Noise, Random};

    #[test]
    fn normals_have_the_moments_of_the_cut_normal() {
        let mut random = Random::new(3, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(random.normal(2.5))).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.02, "{mean}");
        // 1 − 2·2.5·φ(2.5) / (2Φ(2.5) − 1)
        assert!((variance - 0.9113).abs() < 0.02, "{variance}");
        assert!(draws.iter().all(|x| x.abs() <= 2.5));
    }

    #[test]
    fn noise_is_smooth_and_stays_in_its_range() {
        let noise = Noise(5);
        for step in 0..2_000 {
            let (x, y) = (step as f32 * 0.037 - 30.0, step as f32 * 0.011);
            let (here, near) = (noise.smooth(x, y), noise.smooth(x + 0.001, y));
            assert!((0.0..=1.0).contains(&noise.fractal(x, y)));
            assert!((here - near).abs() < 0.002, "at {x}, {y}: {here} {near}");
        }
    }
}
