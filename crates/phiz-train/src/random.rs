//! The one source of chance: a small seeded generator, so that a run can be repeated and resumed.
//!
//! xoshiro256++ (Blackman and Vigna 2019), seeded through splitmix64. A generator of its own for each sample
//! ([`Random::for_sample`]) makes augmentation independent of the number of loader threads.

/// A generator.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        let mut state = seed;
        Random([0; 4].map(|_: u64| splitmix(&mut state)))
    }

    /// The generator of one sample of one run, whoever draws it and when.
    #[must_use]
    pub fn for_sample(seed: u64, step: u64, sample: u64) -> Random {
        Random::new(
            seed ^ step.wrapping_mul(0xd134_2543_de82_ef95) ^ sample.wrapping_mul(0xaf25_1af3_b0f0_25b5),
        )
    }

    /// The generator of something that has a name (FNV-1a of its bytes).
    pub fn named(seed: u64, name: impl Iterator<Item = u8>) -> Random {
        let hash =
            name.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Random::for_sample(seed, hash, 0)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..n`; `n` must be positive.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Puts a list into an order of chance (Fisher and Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }
}
