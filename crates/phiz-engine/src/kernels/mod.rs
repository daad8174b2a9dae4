//! What computes: the kernels of our own engine. The only module of this crate with `unsafe` code.
//!
//! # Layout
//! An activation is stored in blocks of [`LANES`] channels: `[picture][block][row][column][lane]`, with a border of
//! zeros of [`Map::pad`] pixels around each plane, so that no convolution has to look out for the edge of a picture.
//! Channels beyond the last are zero. The picture that comes in is one block of three lanes.
//!
//! # Tiles
//! A convolution is computed tile by tile ([`tile`]): up to fourteen pixels times up to three blocks of channels are
//! held in registers while all inputs pass by. Tiles for x86 are inline assembly, because LLVM spills registers when
//! so many are alive; [`plain`] does the same in plain Rust for every other processor, and tests hold each of the
//! others to it.

#![warn(clippy::undocumented_unsafe_blocks, clippy::missing_safety_doc)]
#![allow(unsafe_code, reason = "speed: everything that the compiler cannot check lies in this module")]

mod aligned;
mod amx;
pub(crate) mod chain;
mod conv;
mod depthwise;
#[cfg(target_arch = "aarch64")]
mod neon;
mod normalise;
mod plain;
mod pointwise;
mod quantise;
mod simd;
mod team;
#[cfg(test)]
mod tests;
mod tile;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::{Instructions, Precision};

pub(crate) use aligned::Aligned;
pub(crate) use conv::{Conv, ConvShape};
pub(crate) use depthwise::Depthwise;
pub(crate) use normalise::normalise;
pub(crate) use pointwise::{Unary, add, apart, copy, global_mean, max_pool, upsample};
pub(crate) use team::{Crew, SIMPLE};
pub(crate) use winograd::Winograd;

/// Channels in a block.
pub(crate) const LANES: usize = 8;

/// Elements that hold a block of channels in bf16, the even channel of a pair in the lower half.
pub(crate) const SHORT: usize = LANES / 2;

/// Elements that hold a block of channels in eight bits each.
pub(crate) const BYTES: usize = LANES / 4;

/// The instructions that kernels use. Only [`Isa::all`] makes one other than `Plain`, after it has asked the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Level, Matrices);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Plain,
    /// AVX2 and FMA: sixteen registers of eight lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 VL: thirty-two registers of sixteen lanes, which are executed in two steps (Zen 4).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The same, executed in one step.
    #[cfg(target_arch = "x86_64")]
    Avx512Full,
    /// NEON: thirty-two registers of four lanes. Every 64-bit ARM has it.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Whether dense convolutions in bf16 and in eight bits are products of small matrices ([`amx`]) where that suits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matrices {
    No,
    /// In plain Rust, for tests.
    #[cfg(test)]
    Plain,
    /// By AMX.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Isa {
    /// All that this processor has, the plainest first. AVX-512 comes twice, with the same instructions and different
    /// speed, and AMX last. Tests get matrices in plain Rust as well.
    pub(crate) fn all() -> Vec<Isa> {
        let mut all = vec![Isa(Level::Plain, Matrices::No)];
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        all.push(Isa(Level::Neon, Matrices::No));
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Isa(Level::Avx2, Matrices::No));
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                all.push(Isa(Level::Avx512, Matrices::No));
                all.push(Isa(Level::Avx512Full, Matrices::No));
            }
        }
        // Not with NEON, whose bytes have a sign.
        #[cfg(test)]
        for level in all
            .iter()
            .map(|isa| isa.0)
            .filter(|level| *level == Level::Plain || cfg!(target_arch = "x86_64"))
            .collect::<Vec<_>>()
        {
            all.push(Isa(level, Matrices::Plain));
        }
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            let wide = Isa(Level::Avx512Full, Matrices::No);
            let rest = all.contains(&wide) && wide.has(Precision::Bf16) && wide.has(Precision::Int8);
            if rest && amx::is_granted() {
                all.push(Isa(Level::Avx512Full, Matrices::Amx));
            }
        }
        all
    }

    /// What a network is computed with: for a set of instructions that was asked for, none if this processor lacks it.
    pub(crate) fn choose(instructions: Instructions, precision: Precision) -> Option<Isa> {
        let all = Isa::all();
        let fewer_bits = matches!(precision, Precision::Bf16 | Precision::Int8);
        #[cfg(target_arch = "x86_64")]
        let find = |level, matrices| all.iter().copied().find(|isa| *isa == Isa(level, matrices));
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Auto | Instructions::Measured if fewer_bits => {
                find(Level::Avx512Full, Matrices::Amx).or(Some(Isa::best()))
            }
            Instructions::Auto | Instructions::Measured => Some(Isa::best()),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => find(Level::Avx2, Matrices::No),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => {
                Some(Isa::best()).filter(|isa| !matches!(isa.0, Level::Plain | Level::Avx2))
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Amx => find(Level::Avx512Full, Matrices::Amx),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Avx512 | Instructions::Amx => {
                None.filter(|_: &Isa| fewer_bits)
            }
        }
    }

    /// The best that this processor has, of the sets of instructions whose speed was measured on x86.
    pub(crate) fn best() -> Isa {
        let mut all = Isa::all().into_iter().filter(|isa| isa.1 == Matrices::No);
        #[cfg(target_arch = "x86_64")]
        if let Some(isa) = all.clone().find(|isa| isa.0 == Level::Avx512)
            && two_steps()
        {
            return isa;
        }
        all.next_back().unwrap_or(Isa(Level::Plain, Matrices::No))
    }

    /// What its instructions for a precision are called.
    pub(crate) fn name(self, precision: Precision) -> &'static str {
        match (self.0, precision) {
            #[cfg(target_arch = "x86_64")]
            (_, Precision::Bf16 | Precision::Int8) if self.1 == Matrices::Amx => "AMX",
            (Level::Plain, _) => "plain Rust",
            #[cfg(target_arch = "aarch64")]
            (Level::Neon, Precision::Bf16) => "NEON BF16",
            #[cfg(target_arch = "aarch64")]
            (Level::Neon, Precision::Int8) => "NEON DotProd",
            #[cfg(target_arch = "aarch64")]
            (Level::Neon, _) => "NEON",
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, Precision::Int8) => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, _) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512 | Level::Avx512Full, Precision::Bf16) => "AVX-512 BF16",
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512 | Level::Avx512Full, Precision::Int8) => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512 | Level::Avx512Full, _) => "AVX-512",
        }
    }

    /// Whether it computes in a precision.
    pub(crate) fn has(self, precision: Precision) -> bool {
        match (self.0, precision) {
            (Level::Plain, _) | (_, Precision::Auto | Precision::F32) => true,
            #[cfg(target_arch = "aarch64")]
            (Level::Neon, Precision::Bf16) => std::arch::is_aarch64_feature_detected!("bf16"),
            #[cfg(target_arch = "aarch64")]
            (Level::Neon, Precision::Int8) => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, Precision::Bf16) => false,
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, Precision::Int8) => x86::avx2_has_int8(),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512 | Level::Avx512Full, Precision::Bf16) => is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512 | Level::Avx512Full, Precision::Int8) => is_x86_feature_detected!("avx512vnni"),
        }
    }

    /// Whether it is faster in bf16 than in single precision. AMD's processors multiply twice as much in a second, Intel's by
    /// AVX-512 half as much (measured on an Emerald Rapids: 87 against 177 GFLOP/s).
    pub(crate) fn gains_from_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.has(Precision::Bf16) && (self.1 != Matrices::No || is_by_amd());
        #[cfg(not(target_arch = "x86_64"))]
        self.has(Precision::Bf16)
    }

    /// Whether a core may write what another has written as fast as what it wrote itself: two threads take no longer in the same memory
    /// on Intel's processors (measured on an Emerald Rapids, a line goes there and back in 0.17 µs), and take longer on AMD's if the two
    /// cores share no cache (on a Zen 4 0.4 to 0.6 µs).
    pub(crate) fn shares_memory(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return !is_by_amd();
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Whether its products of bytes take inputs with a sign: ARM's do, x86's want them without.
    pub(crate) fn signed_bytes(self) -> bool {
        #[cfg(target_arch = "aarch64")]
        return self.0 == Level::Neon;
        #[cfg(not(target_arch = "aarch64"))]
        false
    }

    /// Whether it is more than plain Rust.
    pub(crate) fn is_vector(self) -> bool {
        self.0 != Level::Plain
    }
}

#[cfg(target_arch = "x86_64")]
fn is_by_amd() -> bool {
    std::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Auth")
}

/// Whether the processor executes vectors of 512 bits in two steps: AMD's family 25, Zen 4.
#[cfg(target_arch = "x86_64")]
fn two_steps() -> bool {
    let version = std::arch::x86_64::__cpuid(1).eax;
    let family = (version >> 8 & 0xf) + (version >> 20 & 0xff);
    is_by_amd() && family == 25
}

/// Multiplications with addition that one core does in a second if nothing keeps it waiting, in thousand millions; none
/// without vector kernels for the precision, and for AMX, whose peak is not measured.
pub(crate) fn peak(isa: Isa, precision: Precision) -> Option<f64> {
    if !isa.is_vector() || !isa.has(precision) || isa.1 != Matrices::No {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the processor has the instructions, else there was no such `Isa`.
    return Some(unsafe { x86::peak(isa.0 != Level::Avx2, precision) });
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// An activation's shape and its border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    /// Channels.
    pub(crate) channels: usize,
    /// Rows without the border.
    pub(crate) height: usize,
    /// Columns without the border.
    pub(crate) width: usize,
    /// Pixels of zeros on each side.
    pub(crate) pad: usize,
    /// Elements of a pixel within a block: [`LANES`], or [`SHORT`] where each holds two channels in bf16, or [`BYTES`]
    /// where each holds four in eight bits, or 3 for the picture that comes in.
    pub(crate) lanes: usize,
}

impl Map {
    pub(crate) fn blocks(&self) -> usize {
        if self.lanes == 3 { self.channels.div_ceil(3) } else { self.channels.div_ceil(LANES) }
    }

    /// Whether it is in bf16.
    pub(crate) fn is_short(&self) -> bool {
        self.lanes == SHORT
    }

    /// Elements from one row to the next.
    pub(crate) fn row(&self) -> usize {
        (self.width + 2 * self.pad) * self.lanes
    }

    /// Elements from one block to the next.
    pub(crate) fn plane(&self) -> usize {
        (self.height + 2 * self.pad) * self.row()
    }

    /// Elements from one picture to the next.
    pub(crate) fn picture(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// The element at which a pixel of the map begins, the border counted: `(0, 0)` is the border's first pixel if
    /// there is a border.
    pub(crate) fn at(&self, block: usize, row: usize, column: usize) -> usize {
        block * self.plane() + row * self.row() + column * self.lanes
    }

    /// Where the map without its border begins in a block.
    pub(crate) fn inner(&self, block: usize) -> usize {
        self.at(block, self.pad, self.pad)
    }

    /// Sets the border beside some rows of a block to zero, and above the first and below the last row of the map.
    ///
    /// # Safety
    /// `picture` may be written at a picture of this map, and nobody else reads or writes these rows, nor what lies
    /// above the first and below the last.
    unsafe fn clear_beside(&self, picture: *mut f32, block: usize, rows: std::ops::Range<usize>) {
        if self.pad == 0 {
            return;
        }
        // SAFETY: within the block's plane.
        let clear = |at: usize, count: usize| unsafe { picture.add(at).write_bytes(0, count) };
        let (row, side) = (self.row(), self.pad * self.lanes);
        if rows.start == 0 {
            clear(self.at(block, 0, 0), self.pad * row);
        }
        if rows.end == self.height {
            clear(self.at(block, self.pad + self.height, 0), self.pad * row);
        }
        for y in rows {
            let line = self.at(block, self.pad + y, 0);
            clear(line, side);
            clear(line + row - side, side);
        }
    }
}
