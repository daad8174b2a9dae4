//! From single precision, or bf16, to eight bits.

use super::{Isa, Level};

/// Values that are looked at together: a whole number of vectors.
const TOGETHER: usize = 32;
/// The size of the numbers whose last bit stands for 1: adding it rounds, to even if it is a tie.
const ROUND: f32 = 8_388_608.0;
/// What makes of a byte without a sign the one with a sign that stands for 128 less.
#[cfg(target_arch = "aarch64")]
const SIGN: u8 = 0x80;

/// What eight bits stand for: `(byte − zero) · step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps {
    pub(super) step: f32,
    /// As bytes without a sign count.
    pub(super) zero: i32,
}

impl Steps {
    /// 256 steps over a range, and over 0, which is one of the steps.
    pub(super) fn of(range: &[f32]) -> Steps {
        // Far enough from what is no number that neither their difference nor a quotient is one.
        let [least, most] = joined(range).map(|v| v.clamp(-1e37, 1e37));
        let step = (most - least) / 255.0;
        if step < 1e-30 {
            return Steps { step: 1.0, zero: 0 };
        }
        Steps { step, zero: (-least / step).round_ties_even() as i32 }
    }

    /// The byte that stands for 0, as the bytes of these instructions count.
    pub(super) fn zero(self, isa: Isa) -> i32 {
        if isa.signed_bytes() { self.zero - 128 } else { self.zero }
    }

    /// Rounds values, four to an element; what is no number becomes 0 in some way. `from` holds bf16 if `short`.
    pub(super) fn quantise(self, from: &[f32], short: bool, to: &mut [f32], isa: Isa) {
        match isa.0 {
            Level::Plain => self.row::<0>(from, short, to),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => self.row::<SIGN>(from, short, to),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX2 and FMA, else there was no such `Isa`.
            Level::Avx2 => unsafe { self.row_avx2(from, short, to) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has AVX-512 F and VL, else there was no such `Isa`.
            Level::Avx512 | Level::Avx512Full => unsafe { self.row_avx512(from, short, to) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn row_avx2(self, from: &[f32], short: bool, to: &mut [f32]) {
        self.row::<0>(from, short, to);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    fn row_avx512(self, from: &[f32], short: bool, to: &mut [f32]) {
        self.row::<0>(from, short, to);
    }

    #[inline(always)]
    fn row<const FLIPPED: u8>(self, from: &[f32], short: bool, to: &mut [f32]) {
        if short {
            self.values::<u16, FLIPPED>(halves(from), long, to);
        } else {
            self.values::<f32, FLIPPED>(from, |v| v, to);
        }
    }

    #[inline(always)]
    fn values<T: Copy, const FLIPPED: u8>(self, from: &[T], value: impl Fn(T) -> f32, to: &mut [f32]) {
        let (times, zero) = (1.0 / self.step, ROUND + self.zero as f32);
        let byte = |v: T| {
            let rounded = value(v) * times + zero;
            let rounded = if rounded > ROUND { rounded } else { ROUND };
            let rounded = if rounded < ROUND + 255.0 { rounded } else { ROUND + 255.0 };
            rounded.to_bits() as u8 ^ FLIPPED
        };
        let (many, rest) = from.as_chunks::<TOGETHER>();
        let (to_many, to_rest) = to.as_chunks_mut::<{ TOGETHER / 4 }>();
        for (to, from) in to_many.iter_mut().zip(many) {
            let bytes = from.map(&byte);
            for (to, four) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *to = f32::from_bits(u32::from_le_bytes(*four));
            }
        }
        for (to, four) in to_rest.iter_mut().zip(rest.as_chunks::<4>().0) {
            *to = f32::from_bits(u32::from_le_bytes(four.map(&byte)));
        }
    }
}

/// Pairs of bf16 as they lie in memory.
#[inline(always)]
fn halves(words: &[f32]) -> &[u16] {
    // SAFETY: a word is two halves without a gap, and any bits are a half.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), 2 * words.len()) }
}

/// A number in bf16.
#[inline(always)]
fn long(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The range that holds some ranges, and 0.
pub(super) fn joined(ranges: &[f32]) -> [f32; 2] {
    let ranges = ranges.as_chunks::<2>().0;
    ranges.iter().fold([0.0; 2], |[least, most]: [f32; 2], [a, b]| [least.min(*a), most.max(*b)])
}

/// The least and the largest of some values, and of 0. They are bf16 if `short`.
pub(super) fn range(values: &[f32], short: bool, isa: Isa) -> [f32; 2] {
    match isa.0 {
        Level::Plain => extremes(values, short),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => extremes(values, short),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX2 and FMA, else there was no such `Isa`.
        Level::Avx2 | Level::Avx512 | Level::Avx512Full => unsafe { extremes_avx2(values, short) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn extremes_avx2(values: &[f32], short: bool) -> [f32; 2] {
    extremes(values, short)
}

#[inline(always)]
fn extremes(values: &[f32], short: bool) -> [f32; 2] {
    if short { extremes_of(halves(values), long) } else { extremes_of(values, |v| v) }
}

#[inline(always)]
fn extremes_of<T: Copy>(values: &[T], value: impl Fn(T) -> f32) -> [f32; 2] {
    let (mut least, mut most) = ([0f32; TOGETHER], [0f32; TOGETHER]);
    let (many, rest) = values.as_chunks::<TOGETHER>();
    for values in many {
        for (i, v) in values.iter().enumerate() {
            let v = value(*v);
            least[i] = if v < least[i] { v } else { least[i] };
            most[i] = if v > most[i] { v } else { most[i] };
        }
    }
    let rest = rest.iter().map(|v| value(*v));
    [
        least.into_iter().chain(rest.clone()).fold(0.0, |least, v| if v < least { v } else { least }),
        most.into_iter().chain(rest).fold(0.0, |most, v| if v > most { v } else { most }),
    ]
}
