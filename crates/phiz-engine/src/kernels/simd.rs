//! Vectors of eight lanes: one definition of a kernel for all processors that have them.

/// Eight numbers. Its functions are only called where the processor has their instructions: see each kernel's `run`.
pub(super) trait Vector: Copy {
    /// # Safety
    /// Eight numbers may be read at `from`, and the processor has the vector's instructions.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// Eight numbers may be written at `to`, and the processor has the vector's instructions.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// The processor has the vector's instructions; so for all that follow.
    unsafe fn splat(value: f32) -> Self;
    /// # Safety
    /// As [`Vector::splat`].
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As [`Vector::splat`].
    unsafe fn sub(self, other: Self) -> Self;
    /// The values, but not below `least` nor above `most`; what is no number stays so.
    ///
    /// # Safety
    /// As [`Vector::splat`].
    unsafe fn clamp(self, least: Self, most: Self) -> Self;
}

/// Eight numbers in plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; 8]);

impl Vector for Plain {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Plain(unsafe { from.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 8]>().write(self.0) };
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Plain([value; 8])
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn clamp(self, least: Self, most: Self) -> Self {
        let below = |i: usize| if self.0[i] < least.0[i] { least.0[i] } else { self.0[i] };
        Plain(std::array::from_fn(|i| if below(i) > most.0[i] { most.0[i] } else { below(i) }))
    }
}

/// Eight numbers in a register of AVX.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx(std::arch::x86_64::__m256);

#[cfg(target_arch = "x86_64")]
impl Vector for Avx {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Avx(unsafe { std::arch::x86_64::_mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { std::arch::x86_64::_mm256_storeu_ps(to, self.0) };
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise.
        Avx(unsafe { std::arch::x86_64::_mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Avx(unsafe { std::arch::x86_64::_mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Avx(unsafe { std::arch::x86_64::_mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn clamp(self, least: Self, most: Self) -> Self {
        use std::arch::x86_64::{_mm256_max_ps, _mm256_min_ps};
        // SAFETY: the caller's promise. Where one operand is no number, the second is taken.
        Avx(unsafe { _mm256_min_ps(most.0, _mm256_max_ps(least.0, self.0)) })
    }
}

/// Eight numbers in two registers of NEON.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub(super) struct Neon([std::arch::aarch64::float32x4_t; 2]);

#[cfg(target_arch = "aarch64")]
impl Vector for Neon {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Neon(unsafe { [std::arch::aarch64::vld1q_f32(from), std::arch::aarch64::vld1q_f32(from.add(4))] })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            std::arch::aarch64::vst1q_f32(to, self.0[0]);
            std::arch::aarch64::vst1q_f32(to.add(4), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise.
        Neon(unsafe { [std::arch::aarch64::vdupq_n_f32(value); 2] })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Neon(std::array::from_fn(|i| unsafe { std::arch::aarch64::vaddq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Neon(std::array::from_fn(|i| unsafe { std::arch::aarch64::vsubq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn clamp(self, least: Self, most: Self) -> Self {
        use std::arch::aarch64::{vmaxq_f32, vminq_f32};
        // SAFETY: the caller's promise. What is no number stays so.
        Neon(std::array::from_fn(|i| unsafe { vminq_f32(vmaxq_f32(self.0[i], least.0[i]), most.0[i]) }))
    }
}
