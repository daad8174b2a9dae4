//! Vectors of the processors that there are kernels for, and the numbers that they are read from and written as.

use crate::Bf16;

/// A number of a map in memory. Kernels compute with f32 whatever it is.
pub trait Number: Copy + Send + Sync {
    /// A vector of such numbers.
    ///
    /// # Safety
    /// As [`Vector`].
    #[doc(hidden)]
    unsafe fn load<V: Vector>(from: *const Self) -> V;
    /// Writes the nearest such numbers.
    ///
    /// # Safety
    /// As [`Vector`].
    #[doc(hidden)]
    unsafe fn store<V: Vector>(vector: V, to: *mut Self);
    /// One of them.
    #[doc(hidden)]
    fn value(self) -> f32;
}

impl Number for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const f32) -> V {
        // SAFETY: passed on.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(vector: V, to: *mut f32) {
        // SAFETY: passed on.
        unsafe { vector.store(to) }
    }
    fn value(self) -> f32 {
        self
    }
}

impl Number for Bf16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Bf16) -> V {
        // SAFETY: passed on.
        unsafe { V::load_bf16(from) }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(vector: V, to: *mut Bf16) {
        // SAFETY: passed on.
        unsafe { vector.store_bf16(to) }
    }
    fn value(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// Sixteen or eight numbers in a register.
///
/// # Safety
/// The processor has the vector's instructions; pointers are valid for a vector's numbers, which need no alignment.
pub trait Vector: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn load_bf16(from: *const Bf16) -> Self;
    /// Rounds to the nearest, to the even one of two; what is no number stays so.
    unsafe fn store_bf16(self, to: *mut Bf16);
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
        __m128i, __m256, __m256i, __m512, _CMP_GT_OQ, _CMP_UNORD_Q, _mm_loadu_si128, _mm_storeu_si128,
        _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_blendv_ps,
        _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps,
        _mm256_cvtepu16_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps,
        _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_ps,
        _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps,
        _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_mask_mov_epi32, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_set1_epi32, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_sub_ps,
    };

    use super::Vector;
    use crate::Bf16;

    /// What is no number, as bf16 in the lower half.
    const NO_NUMBER: i32 = 0x7fc0;

    macro_rules! vector {
        ($name:ident($register:ty), $lanes:literal, $load:ident, $store:ident, $all:ident, $add:ident,
         $sub:ident, $times:ident, $max:ident, |$number:ident, $test:ident| $where_positive:expr,
         |$from:ident| $load_bf16:expr, |$value:ident, $to:ident| $store_bf16:expr $(,)?) => {
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
                unsafe fn load_bf16($from: *const Bf16) -> $name {
                    // SAFETY: passed on.
                    $name(unsafe { $load_bf16 })
                }
                #[inline(always)]
                unsafe fn store_bf16(self, $to: *mut Bf16) {
                    let $value = self.0;
                    // SAFETY: passed on.
                    unsafe { $store_bf16 }
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
        ),
        |from| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(
            from.cast::<__m256i>()
        )))),
        |value, to| {
            let bits = _mm512_castps_si512(value);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            let none = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
            let halves =
                _mm512_mask_mov_epi32(_mm512_srli_epi32::<16>(rounded), none, _mm512_set1_epi32(NO_NUMBER));
            _mm256_storeu_si256(to.cast::<__m256i>(), _mm512_cvtepi32_epi16(halves));
        },
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
        |number, test| _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(test, _mm256_setzero_ps()), number),
        |from| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(
            from.cast::<__m128i>()
        )))),
        |value, to| {
            let bits = _mm256_castps_si256(value);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
            let none = _mm256_cmp_ps::<_CMP_UNORD_Q>(value, value);
            let halves = _mm256_castps_si256(_mm256_blendv_ps(
                _mm256_castsi256_ps(_mm256_srli_epi32::<16>(rounded)),
                _mm256_castsi256_ps(_mm256_set1_epi32(NO_NUMBER)),
                none,
            ));
            // Four of them lie in each half of the register.
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(halves, halves));
            _mm_storeu_si128(to.cast::<__m128i>(), _mm256_castsi256_si128(packed));
        },
    );
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};
