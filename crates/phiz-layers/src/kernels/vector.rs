//! Vectors of the processors that there are kernels for.

/// Sixteen or eight numbers in a register.
///
/// # Safety
/// The processor has the vector's instructions; pointers are valid for a vector's numbers, which need no alignment.
pub(super) trait Vector: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn all(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `self · factor + other`.
    unsafe fn times(self, factor: Self, other: Self) -> Self;
    /// The greater of zero and each number; what is no number stays so.
    unsafe fn positive(self) -> Self;
    /// Each number where that of `test` is greater than zero, zero elsewhere.
    unsafe fn where_positive(self, test: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _CMP_GT_OQ, _mm256_add_ps, _mm256_and_ps, _mm256_cmp_ps, _mm256_fmadd_ps,
        _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps,
        _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_mov_ps,
        _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    use super::Vector;

    macro_rules! vector {
        ($name:ident($register:ty), $lanes:literal, $load:ident, $store:ident, $all:ident, $add:ident,
         $sub:ident, $times:ident, $max:ident, |$number:ident, $test:ident| $where_positive:expr) => {
            #[derive(Clone, Copy, Debug)]
            pub(in super::super) struct $name($register);

            // SAFETY of every method: as the trait says.
            impl Vector for $name {
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn load(from: *const f32) -> $name {
                    // SAFETY: passed on.
                    $name(unsafe { $load(from) })
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: passed on.
                    unsafe { $store(to, self.0) }
                }
                #[inline(always)]
                unsafe fn all(value: f32) -> $name {
                    // SAFETY: passed on.
                    $name(unsafe { $all(value) })
                }
                #[inline(always)]
                unsafe fn add(self, other: $name) -> $name {
                    // SAFETY: passed on.
                    $name(unsafe { $add(self.0, other.0) })
                }
                #[inline(always)]
                unsafe fn sub(self, other: $name) -> $name {
                    // SAFETY: passed on.
                    $name(unsafe { $sub(self.0, other.0) })
                }
                #[inline(always)]
                unsafe fn times(self, factor: $name, other: $name) -> $name {
                    // SAFETY: passed on.
                    $name(unsafe { $times(self.0, factor.0, other.0) })
                }
                #[inline(always)]
                unsafe fn positive(self) -> $name {
                    // The second of both where either is no number.
                    // SAFETY: passed on.
                    $name(unsafe { $max($all(0.0), self.0) })
                }
                #[inline(always)]
                unsafe fn where_positive(self, test: $name) -> $name {
                    let ($number, $test) = (self.0, test.0);
                    // SAFETY: passed on.
                    $name(unsafe { $where_positive })
                }
            }
        };
    }

    vector!(
        Avx512(__m512),
        16,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        |number, test| _mm512_maskz_mov_ps(
            _mm512_cmp_ps_mask::<_CMP_GT_OQ>(test, _mm512_setzero_ps()),
            number
        )
    );
    vector!(
        Avx2(__m256),
        8,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        |number, test| _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(test, _mm256_setzero_ps()), number)
    );
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};
