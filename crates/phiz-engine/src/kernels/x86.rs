//! Tiles for x86 in inline assembly.
//!
//! A tile holds `2 · half` pixels times `count` blocks of eight channels in registers. For each input it loads the
//! weights of its blocks, then for each pixel broadcasts the input and multiplies it into all blocks. Pixels come in
//! two halves that may lie anywhere, so that one kernel serves fourteen pixels of a row and seven of two rows alike.
//!
//! With AVX-512 two blocks side by side are one vector of sixteen lanes, in tiles of two and of four blocks. Blocks
//! stay eight lanes wide all the same: our networks have many layers of 8, 24 or 40 channels, and one layout serves
//! AVX2 as well.

use std::arch::asm;

use super::tile::{MOST_BLOCKS, TileArgs};
use crate::Precision;

/// Most pixels of half a tile by number of blocks: what sixteen registers hold.
pub(super) const AVX2_HALVES: [usize; MOST_BLOCKS + 1] = [0, 6, 3, 2, 0];
/// The same for thirty-two registers, which two and four blocks use at full width.
pub(super) const AVX512_HALVES: [usize; MOST_BLOCKS + 1] = [0, 7, 7, 4, 7];

/// Gives a macro the registers of the pixels at one place of both halves, by number of blocks and place: first those of
/// the first half's pixel, then those of the second's.
macro_rules! registers {
    ($m:ident, $d:literal, 1, 0) => { $m!($d; 0; 0; 1) };
    ($m:ident, $d:literal, 1, 1) => { $m!($d; 1; 2; 3) };
    ($m:ident, $d:literal, 1, 2) => { $m!($d; 2; 4; 5) };
    ($m:ident, $d:literal, 1, 3) => { $m!($d; 3; 6; 7) };
    ($m:ident, $d:literal, 1, 4) => { $m!($d; 4; 8; 9) };
    ($m:ident, $d:literal, 1, 5) => { $m!($d; 5; 10; 11) };
    ($m:ident, $d:literal, 1, 6) => { $m!($d; 6; 12; 16) };
    ($m:ident, $d:literal, 2, 0) => { $m!($d; 0; 0, 1; 2, 3) };
    ($m:ident, $d:literal, 2, 1) => { $m!($d; 1; 4, 5; 6, 7) };
    ($m:ident, $d:literal, 2, 2) => { $m!($d; 2; 8, 9; 10, 11) };
    ($m:ident, $d:literal, 2, 3) => { $m!($d; 3; 16, 17; 18, 19) };
    ($m:ident, $d:literal, 2, 4) => { $m!($d; 4; 20, 21; 22, 23) };
    ($m:ident, $d:literal, 2, 5) => { $m!($d; 5; 24, 25; 26, 27) };
    ($m:ident, $d:literal, 2, 6) => { $m!($d; 6; 28, 29; 30, 31) };
    ($m:ident, $d:literal, 3, 0) => { $m!($d; 0; 0, 1, 2; 3, 4, 5) };
    ($m:ident, $d:literal, 3, 1) => { $m!($d; 1; 6, 7, 8; 9, 10, 11) };
    ($m:ident, $d:literal, 3, 2) => { $m!($d; 2; 16, 17, 18; 19, 20, 21) };
    ($m:ident, $d:literal, 3, 3) => { $m!($d; 3; 22, 23, 24; 25, 26, 27) };
}

/// Registers 13 to 15 hold weights, 12 the input that is multiplied (with one block: 14 and 15).
macro_rules! begin {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!("vmovaps ymm", $a, ", ymm13\n", "vmovaps ymm", $b, ", ymm13")
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            "vmovaps ymm",
            $a,
            ", ymm13\n",
            "vmovaps ymm",
            $b,
            ", ymm14\n",
            "vmovaps ymm",
            $c,
            ", ymm13\n",
            "vmovaps ymm",
            $d,
            ", ymm14"
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $d:literal, $e:literal, $f:literal) => {
        concat!(
            "vmovaps ymm",
            $a,
            ", ymm13\n",
            "vmovaps ymm",
            $b,
            ", ymm14\n",
            "vmovaps ymm",
            $c,
            ", ymm15\n",
            "vmovaps ymm",
            $d,
            ", ymm13\n",
            "vmovaps ymm",
            $e,
            ", ymm14\n",
            "vmovaps ymm",
            $f,
            ", ymm15"
        )
    };
}

macro_rules! multiply {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            "vbroadcastss ymm14, dword ptr [{x0} + {px}*",
            $h,
            "]\n",
            $dot,
            " ymm",
            $a,
            ", ymm14, ymm13\n",
            "vbroadcastss ymm15, dword ptr [{x1} + {px}*",
            $h,
            "]\n",
            $dot,
            " ymm",
            $b,
            ", ymm15, ymm13"
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            "vbroadcastss ymm12, dword ptr [{x0} + {px}*",
            $h,
            "]\n",
            $dot,
            " ymm",
            $a,
            ", ymm12, ymm13\n",
            $dot,
            " ymm",
            $b,
            ", ymm12, ymm14\n",
            "vbroadcastss ymm15, dword ptr [{x1} + {px}*",
            $h,
            "]\n",
            $dot,
            " ymm",
            $c,
            ", ymm15, ymm13\n",
            $dot,
            " ymm",
            $d,
            ", ymm15, ymm14"
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $d:literal, $e:literal, $f:literal) => {
        concat!(
            "vbroadcastss ymm12, dword ptr [{x0} + {px}*",
            $h,
            "]\n",
            $dot,
            " ymm",
            $a,
            ", ymm12, ymm13\n",
            $dot,
            " ymm",
            $b,
            ", ymm12, ymm14\n",
            $dot,
            " ymm",
            $c,
            ", ymm12, ymm15\n",
            "vbroadcastss ymm12, dword ptr [{x1} + {px}*",
            $h,
            "]\n",
            $dot,
            " ymm",
            $d,
            ", ymm12, ymm13\n",
            $dot,
            " ymm",
            $e,
            ", ymm12, ymm14\n",
            $dot,
            " ymm",
            $f,
            ", ymm12, ymm15"
        )
    };
}

macro_rules! add {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            "vaddps ymm",
            $a,
            ", ymm",
            $a,
            ", [{x0} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $b,
            ", ymm",
            $b,
            ", [{x1} + 32*",
            $h,
            "]"
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            "vaddps ymm",
            $a,
            ", ymm",
            $a,
            ", [{x0} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $b,
            ", ymm",
            $b,
            ", [{x0} + {w} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $c,
            ", ymm",
            $c,
            ", [{x1} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $d,
            ", ymm",
            $d,
            ", [{x1} + {w} + 32*",
            $h,
            "]"
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $d:literal, $e:literal, $f:literal) => {
        concat!(
            "vaddps ymm",
            $a,
            ", ymm",
            $a,
            ", [{x0} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $b,
            ", ymm",
            $b,
            ", [{x0} + {w} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $c,
            ", ymm",
            $c,
            ", [{x0} + 2*{w} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $d,
            ", ymm",
            $d,
            ", [{x1} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $e,
            ", ymm",
            $e,
            ", [{x1} + {w} + 32*",
            $h,
            "]\n",
            "vaddps ymm",
            $f,
            ", ymm",
            $f,
            ", [{x1} + 2*{w} + 32*",
            $h,
            "]"
        )
    };
}

/// Clamps one register (the bound comes first, so that what is no number stays so) and stores it.
macro_rules! store_one {
    ($r:literal, $($to:tt)+) => {
        concat!(
            "vmaxps ymm", $r, ", ymm13, ymm", $r, "\n",
            "vminps ymm", $r, ", ymm14, ymm", $r, "\n",
            "vmovups [", $($to)+, "], ymm", $r, "\n"
        )
    };
}

macro_rules! store {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(store_one!($a, "{x0} + 32*", $h), store_one!($b, "{x1} + 32*", $h))
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            store_one!($a, "{x0} + 32*", $h),
            store_one!($b, "{x0} + {w} + 32*", $h),
            store_one!($c, "{x1} + 32*", $h),
            store_one!($d, "{x1} + {w} + 32*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $d:literal, $e:literal, $f:literal) => {
        concat!(
            store_one!($a, "{x0} + 32*", $h),
            store_one!($b, "{x0} + {w} + 32*", $h),
            store_one!($c, "{x0} + 2*{w} + 32*", $h),
            store_one!($d, "{x1} + 32*", $h),
            store_one!($e, "{x1} + {w} + 32*", $h),
            store_one!($f, "{x1} + 2*{w} + 32*", $h)
        )
    };
}

/// Loads the weights of one input, or the biases.
macro_rules! load {
    (1, $from:literal) => {
        concat!("vmovups ymm13, [", $from, "]")
    };
    (2, $from:literal) => {
        concat!("vmovups ymm13, [", $from, "]\nvmovups ymm14, [", $from, " + 32]")
    };
    (3, $from:literal) => {
        concat!(
            "vmovups ymm13, [",
            $from,
            "]\nvmovups ymm14, [",
            $from,
            " + 32]\nvmovups ymm15, [",
            $from,
            " + 64]"
        )
    };
}

/// The same for vectors of sixteen lanes, which hold two blocks.
macro_rules! begin_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!("vmovaps zmm", $a, ", zmm13\n", "vmovaps zmm", $b, ", zmm13")
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            "vmovaps zmm",
            $a,
            ", zmm13\n",
            "vmovaps zmm",
            $b,
            ", zmm14\n",
            "vmovaps zmm",
            $c,
            ", zmm13\n",
            "vmovaps zmm",
            $d,
            ", zmm14"
        )
    };
}

macro_rules! multiply_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            "vbroadcastss zmm14, dword ptr [{x0} + {px}*",
            $h,
            "]\n",
            $dot,
            " zmm",
            $a,
            ", zmm14, zmm13\n",
            "vbroadcastss zmm15, dword ptr [{x1} + {px}*",
            $h,
            "]\n",
            $dot,
            " zmm",
            $b,
            ", zmm15, zmm13"
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            "vbroadcastss zmm12, dword ptr [{x0} + {px}*",
            $h,
            "]\n",
            $dot,
            " zmm",
            $a,
            ", zmm12, zmm13\n",
            $dot,
            " zmm",
            $b,
            ", zmm12, zmm14\n",
            "vbroadcastss zmm15, dword ptr [{x1} + {px}*",
            $h,
            "]\n",
            $dot,
            " zmm",
            $c,
            ", zmm15, zmm13\n",
            $dot,
            " zmm",
            $d,
            ", zmm15, zmm14"
        )
    };
}

/// Adds two blocks to one register.
macro_rules! add_one_z {
    ($r:literal; $($from:literal),+; $($more:literal),+) => {
        concat!(
            "vmovups ymm13, [", $($from),+, "]\n",
            "vinsertf64x4 zmm13, zmm13, [", $($more),+, "], 1\n",
            "vaddps zmm", $r, ", zmm", $r, ", zmm13\n"
        )
    };
}

macro_rules! add_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            add_one_z!($a; "{x0} + 32*", $h; "{x0} + {w} + 32*", $h),
            add_one_z!($b; "{x1} + 32*", $h; "{x1} + {w} + 32*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            add_one_z!($a; "{x0} + 32*", $h; "{x0} + {w} + 32*", $h),
            add_one_z!($b; "{x0} + 2*{w} + 32*", $h; "{x0} + {xb} + 32*", $h),
            add_one_z!($c; "{x1} + 32*", $h; "{x1} + {w} + 32*", $h),
            add_one_z!($d; "{x1} + 2*{w} + 32*", $h; "{x1} + {xb} + 32*", $h)
        )
    };
}

/// Clamps one register and stores its two blocks.
macro_rules! store_one_z {
    ($r:literal; $($to:literal),+; $($more:literal),+) => {
        concat!(
            "vmaxps zmm", $r, ", zmm13, zmm", $r, "\n",
            "vminps zmm", $r, ", zmm14, zmm", $r, "\n",
            "vmovups [", $($to),+, "], ymm", $r, "\n",
            "vextractf64x4 [", $($more),+, "], zmm", $r, ", 1\n"
        )
    };
}

macro_rules! store_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            store_one_z!($a; "{x0} + 32*", $h; "{x0} + {w} + 32*", $h),
            store_one_z!($b; "{x1} + 32*", $h; "{x1} + {w} + 32*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $d:literal) => {
        concat!(
            store_one_z!($a; "{x0} + 32*", $h; "{x0} + {w} + 32*", $h),
            store_one_z!($b; "{x0} + 2*{w} + 32*", $h; "{x0} + {xb} + 32*", $h),
            store_one_z!($c; "{x1} + 32*", $h; "{x1} + {w} + 32*", $h),
            store_one_z!($d; "{x1} + 2*{w} + 32*", $h; "{x1} + {xb} + 32*", $h)
        )
    };
}

macro_rules! load_z {
    (1, $from:literal) => {
        concat!("vmovups zmm13, [", $from, "]")
    };
    (2, $from:literal) => {
        concat!("vmovups zmm13, [", $from, "]\nvmovups zmm14, [", $from, " + 64]")
    };
}

/// Adds a block of bf16 to one register.
macro_rules! add_one_16 {
    ($r:literal; $($from:literal),+) => {
        concat!(
            "vpmovzxwd ymm13, [", $($from),+, "]\n",
            "vpslld ymm13, ymm13, 16\n",
            "vaddps ymm", $r, ", ymm", $r, ", ymm13\n"
        )
    };
}

macro_rules! add_16 {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(add_one_16!($a; "{x0} + 16*", $h), add_one_16!($b; "{x1} + 16*", $h))
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $e:literal) => {
        concat!(
            add_one_16!($a; "{x0} + 16*", $h),
            add_one_16!($b; "{x0} + {w} + 16*", $h),
            add_one_16!($c; "{x1} + 16*", $h),
            add_one_16!($e; "{x1} + {w} + 16*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $e:literal, $f:literal, $g:literal) => {
        concat!(
            add_one_16!($a; "{x0} + 16*", $h),
            add_one_16!($b; "{x0} + {w} + 16*", $h),
            add_one_16!($c; "{x0} + 2*{w} + 16*", $h),
            add_one_16!($e; "{x1} + 16*", $h),
            add_one_16!($f; "{x1} + {w} + 16*", $h),
            add_one_16!($g; "{x1} + 2*{w} + 16*", $h)
        )
    };
}

/// Adds two blocks of bf16 to one register of sixteen lanes.
macro_rules! add_one_16_z {
    ($r:literal; $($from:literal),+; $($more:literal),+) => {
        concat!(
            "vmovdqu xmm13, [", $($from),+, "]\n",
            "vinserti128 ymm13, ymm13, [", $($more),+, "], 1\n",
            "vpmovzxwd zmm13, ymm13\n",
            "vpslld zmm13, zmm13, 16\n",
            "vaddps zmm", $r, ", zmm", $r, ", zmm13\n"
        )
    };
}

macro_rules! add_16_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            add_one_16_z!($a; "{x0} + 16*", $h; "{x0} + {w} + 16*", $h),
            add_one_16_z!($b; "{x1} + 16*", $h; "{x1} + {w} + 16*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $e:literal) => {
        concat!(
            add_one_16_z!($a; "{x0} + 16*", $h; "{x0} + {w} + 16*", $h),
            add_one_16_z!($b; "{x0} + 2*{w} + 16*", $h; "{x0} + {xb} + 16*", $h),
            add_one_16_z!($c; "{x1} + 16*", $h; "{x1} + {w} + 16*", $h),
            add_one_16_z!($e; "{x1} + 2*{w} + 16*", $h; "{x1} + {xb} + 16*", $h)
        )
    };
}

/// Clamps one register and stores it as bf16.
macro_rules! store_one_16 {
    ($r:literal, $($to:literal),+) => {
        concat!(
            "vmaxps ymm", $r, ", ymm13, ymm", $r, "\n",
            "vminps ymm", $r, ", ymm14, ymm", $r, "\n",
            "vcvtneps2bf16 xmm", $r, ", ymm", $r, "\n",
            "vmovups [", $($to),+, "], xmm", $r, "\n"
        )
    };
}

macro_rules! store_16 {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(store_one_16!($a, "{x0} + 16*", $h), store_one_16!($b, "{x1} + 16*", $h))
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $e:literal) => {
        concat!(
            store_one_16!($a, "{x0} + 16*", $h),
            store_one_16!($b, "{x0} + {w} + 16*", $h),
            store_one_16!($c, "{x1} + 16*", $h),
            store_one_16!($e, "{x1} + {w} + 16*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $e:literal, $f:literal, $g:literal) => {
        concat!(
            store_one_16!($a, "{x0} + 16*", $h),
            store_one_16!($b, "{x0} + {w} + 16*", $h),
            store_one_16!($c, "{x0} + 2*{w} + 16*", $h),
            store_one_16!($e, "{x1} + 16*", $h),
            store_one_16!($f, "{x1} + {w} + 16*", $h),
            store_one_16!($g, "{x1} + 2*{w} + 16*", $h)
        )
    };
}

/// Clamps one register of sixteen lanes and stores its two blocks as bf16.
macro_rules! store_one_16_z {
    ($r:literal; $($to:literal),+; $($more:literal),+) => {
        concat!(
            "vmaxps zmm", $r, ", zmm13, zmm", $r, "\n",
            "vminps zmm", $r, ", zmm14, zmm", $r, "\n",
            "vcvtneps2bf16 ymm", $r, ", zmm", $r, "\n",
            "vmovups [", $($to),+, "], xmm", $r, "\n",
            "vextracti32x4 [", $($more),+, "], ymm", $r, ", 1\n"
        )
    };
}

macro_rules! store_16_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(
            store_one_16_z!($a; "{x0} + 16*", $h; "{x0} + {w} + 16*", $h),
            store_one_16_z!($b; "{x1} + 16*", $h; "{x1} + {w} + 16*", $h)
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $e:literal) => {
        concat!(
            store_one_16_z!($a; "{x0} + 16*", $h; "{x0} + {w} + 16*", $h),
            store_one_16_z!($b; "{x0} + 2*{w} + 16*", $h; "{x0} + {xb} + 16*", $h),
            store_one_16_z!($c; "{x1} + 16*", $h; "{x1} + {w} + 16*", $h),
            store_one_16_z!($e; "{x1} + 2*{w} + 16*", $h; "{x1} + {xb} + 16*", $h)
        )
    };
}

/// Sums of single precision need nothing more.
macro_rules! no_scale {
    ($dot:literal; $h:literal; $($r:literal),+; $($more:literal),+) => {
        ""
    };
}

/// From sums of whole numbers to what they stand for: times a factor for each channel, and an offset.
macro_rules! scale_one {
    ($vector:literal, $r:literal, $at:literal) => {
        concat!(
            "vcvtdq2ps ",
            $vector,
            $r,
            ", ",
            $vector,
            $r,
            "\n",
            "vmulps ",
            $vector,
            $r,
            ", ",
            $vector,
            $r,
            ", [{w} + ",
            $at,
            "]\n",
            "vaddps ",
            $vector,
            $r,
            ", ",
            $vector,
            $r,
            ", [{xb} + ",
            $at,
            "]\n"
        )
    };
}

macro_rules! scale {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(scale_one!("ymm", $a, "0"), scale_one!("ymm", $b, "0"))
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $e:literal) => {
        concat!(
            scale_one!("ymm", $a, "0"),
            scale_one!("ymm", $b, "32"),
            scale_one!("ymm", $c, "0"),
            scale_one!("ymm", $e, "32")
        )
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal, $c:literal; $e:literal, $f:literal, $g:literal) => {
        concat!(
            scale_one!("ymm", $a, "0"),
            scale_one!("ymm", $b, "32"),
            scale_one!("ymm", $c, "64"),
            scale_one!("ymm", $e, "0"),
            scale_one!("ymm", $f, "32"),
            scale_one!("ymm", $g, "64")
        )
    };
}

macro_rules! scale_z {
    ($dot:literal; $h:literal; $a:literal; $b:literal) => {
        concat!(scale_one!("zmm", $a, "0"), scale_one!("zmm", $b, "0"))
    };
    ($dot:literal; $h:literal; $a:literal, $b:literal; $c:literal, $e:literal) => {
        concat!(
            scale_one!("zmm", $a, "0"),
            scale_one!("zmm", $b, "64"),
            scale_one!("zmm", $c, "0"),
            scale_one!("zmm", $e, "64")
        )
    };
}

/// The whole of a tile: `$count` blocks, at the places `$h` of both halves, whose inputs lie `PX` bytes apart.
macro_rules! tile {
    (
        $name:ident, $count:tt, [$($h:tt)+], $feature:literal, $vector:literal, $bytes:literal,
        $dot:literal, $scale:ident, $load:ident, $begin:ident, $multiply:ident, $add:ident, $store:ident, $add_16:ident, $store_16:ident, [$($clobbered:tt)*]
    ) => {
        /// # Safety
        /// As [`super::plain::tile`], and the processor has the instructions of the module's name for it.
        #[target_feature(enable = $feature)]
        unsafe fn $name<const PX: usize>(args: &TileArgs) {
            // SAFETY: reads and writes what `plain::tile` does, as its caller promises; all registers that it changes
            // are named; it leaves the stack alone.
            unsafe {
                asm!(
                    "mov {w}, [{a} + 16]",
                    $load!($count, "{w}"),
                    $(registers!($begin, $dot, $count, $h),)+
                    "mov {xb}, [{a}]",
                    "mov {w}, [{a} + 8]",
                    "mov {blocks}, [{a} + 96]",
                    "2:",
                    "mov {xr}, {xb}",
                    "mov {rows}, [{a} + 104]",
                    "3:",
                    "mov {x0}, {xr}",
                    "mov {x1}, {xr}",
                    "add {x1}, [{a} + 40]",
                    "mov {steps}, [{a} + 112]",
                    ".p2align 5",
                    "4:",
                    $load!($count, "{w}"),
                    $(registers!($multiply, $dot, $count, $h),)+
                    "add {x0}, 4",
                    "add {x1}, 4",
                    concat!("add {w}, ", $bytes, "*", $count),
                    "dec {steps}",
                    "jnz 4b",
                    "add {xr}, [{a} + 88]",
                    "dec {rows}",
                    "jnz 3b",
                    "add {xb}, [{a} + 64]",
                    "dec {blocks}",
                    "jnz 2b",
                    "mov {w}, [{a} + 144]",
                    "mov {xb}, [{a} + 152]",
                    $(registers!($scale, $dot, $count, $h),)+
                    "mov {x0}, [{a} + 32]",
                    "test {x0}, {x0}",
                    "jz 5f",
                    "mov {x1}, {x0}",
                    "add {x1}, [{a} + 56]",
                    "mov {w}, [{a} + 80]",
                    "lea {xb}, [{w} + 2*{w}]",
                    "cmp qword ptr [{a} + 128], 1",
                    "je 6f",
                    $(registers!($add, $dot, $count, $h),)+
                    "jmp 5f",
                    "6:",
                    $(registers!($add_16, $dot, $count, $h),)+
                    "5:",
                    concat!("vbroadcastss ", $vector, "13, dword ptr [{a} + 120]"),
                    concat!("vbroadcastss ", $vector, "14, dword ptr [{a} + 124]"),
                    "mov {x0}, [{a} + 24]",
                    "mov {x1}, {x0}",
                    "add {x1}, [{a} + 48]",
                    "mov {w}, [{a} + 72]",
                    "lea {xb}, [{w} + 2*{w}]",
                    "cmp qword ptr [{a} + 136], 1",
                    "je 7f",
                    $(registers!($store, $dot, $count, $h),)+
                    "jmp 8f",
                    "7:",
                    $(registers!($store_16, $dot, $count, $h),)+
                    "8:",
                    "vzeroupper",
                    a = in(reg) args,
                    x0 = out(reg) _,
                    x1 = out(reg) _,
                    xb = out(reg) _,
                    xr = out(reg) _,
                    w = out(reg) _,
                    blocks = out(reg) _,
                    rows = out(reg) _,
                    steps = out(reg) _,
                    px = const PX,
                    $($clobbered)*
                    options(nostack),
                );
            }
        }
    };
}

const _: () = {
    // The offsets that the assembly uses.
    assert!(std::mem::offset_of!(TileArgs, x) == 0);
    assert!(std::mem::offset_of!(TileArgs, w) == 8);
    assert!(std::mem::offset_of!(TileArgs, bias) == 16);
    assert!(std::mem::offset_of!(TileArgs, out) == 24);
    assert!(std::mem::offset_of!(TileArgs, add) == 32);
    assert!(std::mem::offset_of!(TileArgs, x_half) == 40);
    assert!(std::mem::offset_of!(TileArgs, out_half) == 48);
    assert!(std::mem::offset_of!(TileArgs, add_half) == 56);
    assert!(std::mem::offset_of!(TileArgs, x_block) == 64);
    assert!(std::mem::offset_of!(TileArgs, out_block) == 72);
    assert!(std::mem::offset_of!(TileArgs, add_block) == 80);
    assert!(std::mem::offset_of!(TileArgs, x_row) == 88);
    assert!(std::mem::offset_of!(TileArgs, blocks) == 96);
    assert!(std::mem::offset_of!(TileArgs, rows) == 104);
    assert!(std::mem::offset_of!(TileArgs, steps) == 112);
    assert!(std::mem::offset_of!(TileArgs, clamp) == 120);
    assert!(std::mem::offset_of!(TileArgs, add_short) == 128);
    assert!(std::mem::offset_of!(TileArgs, out_short) == 136);
    assert!(std::mem::offset_of!(TileArgs, scale) == 144);
    assert!(std::mem::offset_of!(TileArgs, offset) == 152);
};

/// Tiles for sixteen registers.
macro_rules! narrow {
    ($name:ident, $count:tt, [$($h:tt)+]) => {
        narrow!($name, "vfmadd231ps", no_scale, $count, [$($h)+]);
    };
    ($name:ident, $dot:literal, $scale:ident, $count:tt, [$($h:tt)+]) => {
        tile!($name, $count, [$($h)+], "avx2,fma", "ymm", "32", $dot, $scale, load, begin, multiply, add, store,
            add_16, store_16, [
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
            out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
        ]);
    };
}

narrow!(f32_1x1, 1, [0]);
narrow!(f32_1x2, 1, [0 1]);
narrow!(f32_1x3, 1, [0 1 2]);
narrow!(f32_1x4, 1, [0 1 2 3]);
narrow!(f32_1x5, 1, [0 1 2 3 4]);
narrow!(f32_1x6, 1, [0 1 2 3 4 5]);
narrow!(f32_2x1, 2, [0]);
narrow!(f32_2x2, 2, [0 1]);
narrow!(f32_2x3, 2, [0 1 2]);
narrow!(f32_3x1, 3, [0]);
narrow!(f32_3x2, 3, [0 1]);

/// Tiles for thirty-two registers of eight lanes.
macro_rules! many {
    ($name:ident, $dot:literal, $count:tt, [$($h:tt)+]) => {
        many!($name, $dot, no_scale, $count, [$($h)+]);
    };
    ($name:ident, $dot:literal, $scale:ident, $count:tt, [$($h:tt)+]) => {
        tile!($name, $count, [$($h)+], "avx2,fma,avx512f,avx512vl", "ymm", "32", $dot, $scale, load, begin, multiply, add, store,
            add_16, store_16, [
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
            out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _, out("ymm16") _, out("ymm17") _,
            out("ymm18") _, out("ymm19") _, out("ymm20") _, out("ymm21") _, out("ymm22") _, out("ymm23") _,
            out("ymm24") _, out("ymm25") _, out("ymm26") _, out("ymm27") _, out("ymm28") _, out("ymm29") _,
            out("ymm30") _, out("ymm31") _,
        ]);
    };
}

many!(f32_1x7, "vfmadd231ps", 1, [0 1 2 3 4 5 6]);
many!(f32_2x4, "vfmadd231ps", 2, [0 1 2 3]);
many!(f32_2x5, "vfmadd231ps", 2, [0 1 2 3 4]);
many!(f32_2x6, "vfmadd231ps", 2, [0 1 2 3 4 5]);
many!(f32_2x7, "vfmadd231ps", 2, [0 1 2 3 4 5 6]);
many!(f32_3x3, "vfmadd231ps", 3, [0 1 2]);
many!(f32_3x4, "vfmadd231ps", 3, [0 1 2 3]);
many!(bf16_1x1, "vdpbf16ps", 1, [0]);
many!(bf16_1x2, "vdpbf16ps", 1, [0 1]);
many!(bf16_1x3, "vdpbf16ps", 1, [0 1 2]);
many!(bf16_1x4, "vdpbf16ps", 1, [0 1 2 3]);
many!(bf16_1x5, "vdpbf16ps", 1, [0 1 2 3 4]);
many!(bf16_1x6, "vdpbf16ps", 1, [0 1 2 3 4 5]);
many!(bf16_1x7, "vdpbf16ps", 1, [0 1 2 3 4 5 6]);
many!(bf16_2x1, "vdpbf16ps", 2, [0]);
many!(bf16_2x2, "vdpbf16ps", 2, [0 1]);
many!(bf16_2x3, "vdpbf16ps", 2, [0 1 2]);
many!(bf16_2x4, "vdpbf16ps", 2, [0 1 2 3]);
many!(bf16_2x5, "vdpbf16ps", 2, [0 1 2 3 4]);
many!(bf16_2x6, "vdpbf16ps", 2, [0 1 2 3 4 5]);
many!(bf16_2x7, "vdpbf16ps", 2, [0 1 2 3 4 5 6]);
many!(bf16_3x1, "vdpbf16ps", 3, [0]);
many!(bf16_3x2, "vdpbf16ps", 3, [0 1]);
many!(bf16_3x3, "vdpbf16ps", 3, [0 1 2]);
many!(bf16_3x4, "vdpbf16ps", 3, [0 1 2 3]);
many!(int8_1x1, "vpdpbusd", scale, 1, [0]);
many!(int8_1x2, "vpdpbusd", scale, 1, [0 1]);
many!(int8_1x3, "vpdpbusd", scale, 1, [0 1 2]);
many!(int8_1x4, "vpdpbusd", scale, 1, [0 1 2 3]);
many!(int8_1x5, "vpdpbusd", scale, 1, [0 1 2 3 4]);
many!(int8_1x6, "vpdpbusd", scale, 1, [0 1 2 3 4 5]);
many!(int8_1x7, "vpdpbusd", scale, 1, [0 1 2 3 4 5 6]);
many!(int8_2x1, "vpdpbusd", scale, 2, [0]);
many!(int8_2x2, "vpdpbusd", scale, 2, [0 1]);
many!(int8_2x3, "vpdpbusd", scale, 2, [0 1 2]);
many!(int8_2x4, "vpdpbusd", scale, 2, [0 1 2 3]);
many!(int8_2x5, "vpdpbusd", scale, 2, [0 1 2 3 4]);
many!(int8_2x6, "vpdpbusd", scale, 2, [0 1 2 3 4 5]);
many!(int8_2x7, "vpdpbusd", scale, 2, [0 1 2 3 4 5 6]);
many!(int8_3x1, "vpdpbusd", scale, 3, [0]);
many!(int8_3x2, "vpdpbusd", scale, 3, [0 1]);
many!(int8_3x3, "vpdpbusd", scale, 3, [0 1 2]);
many!(int8_3x4, "vpdpbusd", scale, 3, [0 1 2 3]);

/// Tiles for thirty-two registers of sixteen lanes.
macro_rules! wide {
    ($name:ident, $dot:literal, $count:tt, [$($h:tt)+]) => {
        wide!($name, $dot, no_scale, $count, [$($h)+]);
    };
    ($name:ident, $dot:literal, $scale:ident, $count:tt, [$($h:tt)+]) => {
        tile!($name, $count, [$($h)+], "avx2,fma,avx512f,avx512vl", "zmm", "64", $dot, $scale, load_z, begin_z, multiply_z, add_z,
            store_z, add_16_z, store_16_z, [
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
            out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
            out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
            out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _,
            out("zmm30") _, out("zmm31") _,
        ]);
    };
}

wide!(f32_wide_1x1, "vfmadd231ps", 1, [0]);
wide!(f32_wide_1x2, "vfmadd231ps", 1, [0 1]);
wide!(f32_wide_1x3, "vfmadd231ps", 1, [0 1 2]);
wide!(f32_wide_1x4, "vfmadd231ps", 1, [0 1 2 3]);
wide!(f32_wide_1x5, "vfmadd231ps", 1, [0 1 2 3 4]);
wide!(f32_wide_1x6, "vfmadd231ps", 1, [0 1 2 3 4 5]);
wide!(f32_wide_1x7, "vfmadd231ps", 1, [0 1 2 3 4 5 6]);
wide!(f32_wide_2x1, "vfmadd231ps", 2, [0]);
wide!(f32_wide_2x2, "vfmadd231ps", 2, [0 1]);
wide!(f32_wide_2x3, "vfmadd231ps", 2, [0 1 2]);
wide!(f32_wide_2x4, "vfmadd231ps", 2, [0 1 2 3]);
wide!(f32_wide_2x5, "vfmadd231ps", 2, [0 1 2 3 4]);
wide!(f32_wide_2x6, "vfmadd231ps", 2, [0 1 2 3 4 5]);
wide!(f32_wide_2x7, "vfmadd231ps", 2, [0 1 2 3 4 5 6]);
wide!(bf16_wide_1x1, "vdpbf16ps", 1, [0]);
wide!(bf16_wide_1x2, "vdpbf16ps", 1, [0 1]);
wide!(bf16_wide_1x3, "vdpbf16ps", 1, [0 1 2]);
wide!(bf16_wide_1x4, "vdpbf16ps", 1, [0 1 2 3]);
wide!(bf16_wide_1x5, "vdpbf16ps", 1, [0 1 2 3 4]);
wide!(bf16_wide_1x6, "vdpbf16ps", 1, [0 1 2 3 4 5]);
wide!(bf16_wide_1x7, "vdpbf16ps", 1, [0 1 2 3 4 5 6]);
wide!(bf16_wide_2x1, "vdpbf16ps", 2, [0]);
wide!(bf16_wide_2x2, "vdpbf16ps", 2, [0 1]);
wide!(bf16_wide_2x3, "vdpbf16ps", 2, [0 1 2]);
wide!(bf16_wide_2x4, "vdpbf16ps", 2, [0 1 2 3]);
wide!(bf16_wide_2x5, "vdpbf16ps", 2, [0 1 2 3 4]);
wide!(bf16_wide_2x6, "vdpbf16ps", 2, [0 1 2 3 4 5]);
wide!(bf16_wide_2x7, "vdpbf16ps", 2, [0 1 2 3 4 5 6]);
wide!(int8_wide_1x1, "vpdpbusd", scale_z, 1, [0]);
wide!(int8_wide_1x2, "vpdpbusd", scale_z, 1, [0 1]);
wide!(int8_wide_1x3, "vpdpbusd", scale_z, 1, [0 1 2]);
wide!(int8_wide_1x4, "vpdpbusd", scale_z, 1, [0 1 2 3]);
wide!(int8_wide_1x5, "vpdpbusd", scale_z, 1, [0 1 2 3 4]);
wide!(int8_wide_1x6, "vpdpbusd", scale_z, 1, [0 1 2 3 4 5]);
wide!(int8_wide_1x7, "vpdpbusd", scale_z, 1, [0 1 2 3 4 5 6]);
wide!(int8_wide_2x1, "vpdpbusd", scale_z, 2, [0]);
wide!(int8_wide_2x2, "vpdpbusd", scale_z, 2, [0 1]);
wide!(int8_wide_2x3, "vpdpbusd", scale_z, 2, [0 1 2]);
wide!(int8_wide_2x4, "vpdpbusd", scale_z, 2, [0 1 2 3]);
wide!(int8_wide_2x5, "vpdpbusd", scale_z, 2, [0 1 2 3 4]);
wide!(int8_wide_2x6, "vpdpbusd", scale_z, 2, [0 1 2 3 4 5]);
wide!(int8_wide_2x7, "vpdpbusd", scale_z, 2, [0 1 2 3 4 5 6]);

/// Bytes between pixels of an input of eight lanes, or of three, at stride 1 and 2.
macro_rules! by_pixel {
    ($pixel:expr, $tile:ident, $args:expr) => {
        // SAFETY: the caller's promise.
        unsafe {
            match $pixel {
                8 => $tile::<32>($args),
                16 => $tile::<64>($args),
                3 => $tile::<12>($args),
                6 => $tile::<24>($args),
                _ => unreachable!("inputs lie 8, 16, 3 or 6 elements apart"),
            }
        }
    };
}

/// The same for an input of eight lanes in bf16.
macro_rules! by_pixel_16 {
    ($pixel:expr, $tile:ident, $args:expr) => {
        // SAFETY: the caller's promise.
        unsafe {
            match $pixel {
                4 => $tile::<16>($args),
                8 => $tile::<32>($args),
                _ => unreachable!("inputs lie 4 or 8 elements apart"),
            }
        }
    };
}

/// The same for an input of eight lanes of eight bits.
macro_rules! by_pixel_8 {
    ($pixel:expr, $tile:ident, $args:expr) => {
        // SAFETY: the caller's promise.
        unsafe {
            match $pixel {
                2 => $tile::<8>($args),
                4 => $tile::<16>($args),
                _ => unreachable!("inputs lie 2 or 4 elements apart"),
            }
        }
    };
}

/// Tiles of bytes for sixteen registers, in one of the two encodings that the instruction has: AVX-VNNI's, or AVX-512 VL's.
macro_rules! vnni {
    ($module:ident, $dot:literal) => {
        mod $module {
            use super::*;

            narrow!(int8_1x1, $dot, scale, 1, [0]);
            narrow!(int8_1x2, $dot, scale, 1, [0 1]);
            narrow!(int8_1x3, $dot, scale, 1, [0 1 2]);
            narrow!(int8_1x4, $dot, scale, 1, [0 1 2 3]);
            narrow!(int8_1x5, $dot, scale, 1, [0 1 2 3 4]);
            narrow!(int8_1x6, $dot, scale, 1, [0 1 2 3 4 5]);
            narrow!(int8_2x1, $dot, scale, 2, [0]);
            narrow!(int8_2x2, $dot, scale, 2, [0 1]);
            narrow!(int8_2x3, $dot, scale, 2, [0 1 2]);
            narrow!(int8_3x1, $dot, scale, 3, [0]);
            narrow!(int8_3x2, $dot, scale, 3, [0 1]);

            /// # Safety
            /// As [`super::avx2_int8`], and the processor has this encoding.
            #[rustfmt::skip]
            pub(super) unsafe fn tile(count: usize, half: usize, pixel: usize, args: &TileArgs) {
                match (count, half) {
                    (1, 1) => by_pixel_8!(pixel, int8_1x1, args),
                    (1, 2) => by_pixel_8!(pixel, int8_1x2, args),
                    (1, 3) => by_pixel_8!(pixel, int8_1x3, args),
                    (1, 4) => by_pixel_8!(pixel, int8_1x4, args),
                    (1, 5) => by_pixel_8!(pixel, int8_1x5, args),
                    (1, 6) => by_pixel_8!(pixel, int8_1x6, args),
                    (2, 1) => by_pixel_8!(pixel, int8_2x1, args),
                    (2, 2) => by_pixel_8!(pixel, int8_2x2, args),
                    (2, 3) => by_pixel_8!(pixel, int8_2x3, args),
                    (3, 1) => by_pixel_8!(pixel, int8_3x1, args),
                    (3, 2) => by_pixel_8!(pixel, int8_3x2, args),
                    _ => unreachable!("no tile of {count} blocks and twice {half} pixels"),
                }
            }
        }
    };
}

vnni!(avx_vnni, "{{vex}} vpdpbusd");
// A processor with AVX-512 has the same instruction in another encoding, so that these tiles can be tested there.
#[cfg(test)]
vnni!(avx512_vnni, "vpdpbusd");

/// Whether a processor with AVX2 multiplies bytes.
pub(super) fn avx2_has_int8() -> bool {
    is_x86_feature_detected!("avxvnni") || cfg!(test) && avx512_has_int8()
}

fn avx512_has_int8() -> bool {
    is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512vnni")
}

/// Computes a tile with AVX2 whose input are fours of bytes without a sign and whose weights are such with one.
///
/// # Safety
/// As [`super::plain::tile_int8`], and [`avx2_has_int8`]; neither what is added nor what goes out is bf16.
pub(super) unsafe fn avx2_int8(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    #[cfg(test)]
    if !is_x86_feature_detected!("avxvnni") {
        // SAFETY: passed on; without AVX-VNNI there is AVX-512 VNNI.
        return unsafe { avx512_vnni::tile(count, half, pixel, args) };
    }
    // SAFETY: passed on.
    unsafe { avx_vnni::tile(count, half, pixel, args) };
}

/// Computes a tile with AVX2 and FMA.
///
/// # Safety
/// As [`super::plain::tile`], and the processor has AVX2 and FMA; neither what is added nor what goes out is bf16.
#[rustfmt::skip]
pub(super) unsafe fn avx2(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    match (count, half) {
        (1, 1) => by_pixel!(pixel, f32_1x1, args),
        (1, 2) => by_pixel!(pixel, f32_1x2, args),
        (1, 3) => by_pixel!(pixel, f32_1x3, args),
        (1, 4) => by_pixel!(pixel, f32_1x4, args),
        (1, 5) => by_pixel!(pixel, f32_1x5, args),
        (1, 6) => by_pixel!(pixel, f32_1x6, args),
        (2, 1) => by_pixel!(pixel, f32_2x1, args),
        (2, 2) => by_pixel!(pixel, f32_2x2, args),
        (2, 3) => by_pixel!(pixel, f32_2x3, args),
        (3, 1) => by_pixel!(pixel, f32_3x1, args),
        (3, 2) => by_pixel!(pixel, f32_3x2, args),
        _ => unreachable!("no tile of {count} blocks and twice {half} pixels"),
    }
}

/// Computes a tile with AVX-512. Two blocks are one vector of sixteen lanes only where the processor executes it in one
/// step (`FULL`): in two steps it is as fast as two of eight, and they are stored more easily.
///
/// # Safety
/// As [`super::plain::tile`], and the processor has AVX-512 F and VL, and AVX-512 BF16 if anything is bf16.
#[rustfmt::skip]
pub(super) unsafe fn avx512<const FULL: bool>(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    match (count, half) {
        (1, 7) => by_pixel!(pixel, f32_1x7, args),
        (2, 1) if FULL => by_pixel!(pixel, f32_wide_1x1, args),
        (2, 2) if FULL => by_pixel!(pixel, f32_wide_1x2, args),
        (2, 3) if FULL => by_pixel!(pixel, f32_wide_1x3, args),
        (2, 4) if FULL => by_pixel!(pixel, f32_wide_1x4, args),
        (2, 5) if FULL => by_pixel!(pixel, f32_wide_1x5, args),
        (2, 6) if FULL => by_pixel!(pixel, f32_wide_1x6, args),
        (2, 7) if FULL => by_pixel!(pixel, f32_wide_1x7, args),
        (2, 4) => by_pixel!(pixel, f32_2x4, args),
        (2, 5) => by_pixel!(pixel, f32_2x5, args),
        (2, 6) => by_pixel!(pixel, f32_2x6, args),
        (2, 7) => by_pixel!(pixel, f32_2x7, args),
        (3, 3) => by_pixel!(pixel, f32_3x3, args),
        (3, 4) => by_pixel!(pixel, f32_3x4, args),
        (4, 1) => by_pixel!(pixel, f32_wide_2x1, args),
        (4, 2) => by_pixel!(pixel, f32_wide_2x2, args),
        (4, 3) => by_pixel!(pixel, f32_wide_2x3, args),
        (4, 4) => by_pixel!(pixel, f32_wide_2x4, args),
        (4, 5) => by_pixel!(pixel, f32_wide_2x5, args),
        (4, 6) => by_pixel!(pixel, f32_wide_2x6, args),
        (4, 7) => by_pixel!(pixel, f32_wide_2x7, args),
        // SAFETY: a processor with AVX-512 has AVX2 and FMA (`Isa::all` asked for them first).
        _ => unsafe { avx2(count, half, pixel, args) },
    }
}

/// Computes a tile whose input and weights are pairs of bf16.
///
/// # Safety
/// As [`super::plain::tile`], and the processor has AVX-512 F, VL and BF16.
#[rustfmt::skip]
pub(super) unsafe fn bf16<const FULL: bool>(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    match (count, half) {
        (1, 1) => by_pixel_16!(pixel, bf16_1x1, args),
        (1, 2) => by_pixel_16!(pixel, bf16_1x2, args),
        (1, 3) => by_pixel_16!(pixel, bf16_1x3, args),
        (1, 4) => by_pixel_16!(pixel, bf16_1x4, args),
        (1, 5) => by_pixel_16!(pixel, bf16_1x5, args),
        (1, 6) => by_pixel_16!(pixel, bf16_1x6, args),
        (1, 7) => by_pixel_16!(pixel, bf16_1x7, args),
        (2, 1) if FULL => by_pixel_16!(pixel, bf16_wide_1x1, args),
        (2, 2) if FULL => by_pixel_16!(pixel, bf16_wide_1x2, args),
        (2, 3) if FULL => by_pixel_16!(pixel, bf16_wide_1x3, args),
        (2, 4) if FULL => by_pixel_16!(pixel, bf16_wide_1x4, args),
        (2, 5) if FULL => by_pixel_16!(pixel, bf16_wide_1x5, args),
        (2, 6) if FULL => by_pixel_16!(pixel, bf16_wide_1x6, args),
        (2, 7) if FULL => by_pixel_16!(pixel, bf16_wide_1x7, args),
        (2, 1) => by_pixel_16!(pixel, bf16_2x1, args),
        (2, 2) => by_pixel_16!(pixel, bf16_2x2, args),
        (2, 3) => by_pixel_16!(pixel, bf16_2x3, args),
        (2, 4) => by_pixel_16!(pixel, bf16_2x4, args),
        (2, 5) => by_pixel_16!(pixel, bf16_2x5, args),
        (2, 6) => by_pixel_16!(pixel, bf16_2x6, args),
        (2, 7) => by_pixel_16!(pixel, bf16_2x7, args),
        (3, 1) => by_pixel_16!(pixel, bf16_3x1, args),
        (3, 2) => by_pixel_16!(pixel, bf16_3x2, args),
        (3, 3) => by_pixel_16!(pixel, bf16_3x3, args),
        (3, 4) => by_pixel_16!(pixel, bf16_3x4, args),
        (4, 1) => by_pixel_16!(pixel, bf16_wide_2x1, args),
        (4, 2) => by_pixel_16!(pixel, bf16_wide_2x2, args),
        (4, 3) => by_pixel_16!(pixel, bf16_wide_2x3, args),
        (4, 4) => by_pixel_16!(pixel, bf16_wide_2x4, args),
        (4, 5) => by_pixel_16!(pixel, bf16_wide_2x5, args),
        (4, 6) => by_pixel_16!(pixel, bf16_wide_2x6, args),
        (4, 7) => by_pixel_16!(pixel, bf16_wide_2x7, args),
        _ => unreachable!("no tile of {count} blocks and twice {half} pixels"),
    }
}

/// Computes a tile whose input are fours of bytes without a sign and whose weights are such with one.
///
/// # Safety
/// As [`super::plain::tile`], and the processor has AVX-512 F, VL and VNNI.
#[rustfmt::skip]
pub(super) unsafe fn int8<const FULL: bool>(count: usize, half: usize, pixel: usize, args: &TileArgs) {
    match (count, half) {
        (1, 1) => by_pixel_8!(pixel, int8_1x1, args),
        (1, 2) => by_pixel_8!(pixel, int8_1x2, args),
        (1, 3) => by_pixel_8!(pixel, int8_1x3, args),
        (1, 4) => by_pixel_8!(pixel, int8_1x4, args),
        (1, 5) => by_pixel_8!(pixel, int8_1x5, args),
        (1, 6) => by_pixel_8!(pixel, int8_1x6, args),
        (1, 7) => by_pixel_8!(pixel, int8_1x7, args),
        (2, 1) if FULL => by_pixel_8!(pixel, int8_wide_1x1, args),
        (2, 2) if FULL => by_pixel_8!(pixel, int8_wide_1x2, args),
        (2, 3) if FULL => by_pixel_8!(pixel, int8_wide_1x3, args),
        (2, 4) if FULL => by_pixel_8!(pixel, int8_wide_1x4, args),
        (2, 5) if FULL => by_pixel_8!(pixel, int8_wide_1x5, args),
        (2, 6) if FULL => by_pixel_8!(pixel, int8_wide_1x6, args),
        (2, 7) if FULL => by_pixel_8!(pixel, int8_wide_1x7, args),
        (2, 1) => by_pixel_8!(pixel, int8_2x1, args),
        (2, 2) => by_pixel_8!(pixel, int8_2x2, args),
        (2, 3) => by_pixel_8!(pixel, int8_2x3, args),
        (2, 4) => by_pixel_8!(pixel, int8_2x4, args),
        (2, 5) => by_pixel_8!(pixel, int8_2x5, args),
        (2, 6) => by_pixel_8!(pixel, int8_2x6, args),
        (2, 7) => by_pixel_8!(pixel, int8_2x7, args),
        (3, 1) => by_pixel_8!(pixel, int8_3x1, args),
        (3, 2) => by_pixel_8!(pixel, int8_3x2, args),
        (3, 3) => by_pixel_8!(pixel, int8_3x3, args),
        (3, 4) => by_pixel_8!(pixel, int8_3x4, args),
        (4, 1) => by_pixel_8!(pixel, int8_wide_2x1, args),
        (4, 2) => by_pixel_8!(pixel, int8_wide_2x2, args),
        (4, 3) => by_pixel_8!(pixel, int8_wide_2x3, args),
        (4, 4) => by_pixel_8!(pixel, int8_wide_2x4, args),
        (4, 5) => by_pixel_8!(pixel, int8_wide_2x5, args),
        (4, 6) => by_pixel_8!(pixel, int8_wide_2x6, args),
        (4, 7) => by_pixel_8!(pixel, int8_wide_2x7, args),
        _ => unreachable!("no tile of {count} blocks and twice {half} pixels"),
    }
}

/// How many multiplications are measured: 2 million times twelve registers.
const TURNS: u64 = 2_000_000;

// All registers are zero at first: what lay in them before may be numbers below the smallest normal one, which take an Intel processor
// a hundred times as long.
macro_rules! peak {
    ($name:ident, $feature:literal, $dot:literal, $vector:literal, [$($r:literal)+], [$($out:tt)*]) => {
        #[target_feature(enable = $feature)]
        fn $name() {
            // SAFETY: reads and writes registers only; all that it changes are named.
            unsafe {
                asm!(
                    $(concat!("vxorps xmm", $r, ", xmm", $r, ", xmm", $r),)+
                    "vxorps xmm14, xmm14, xmm14",
                    "vxorps xmm15, xmm15, xmm15",
                    "2:",
                    $(concat!($dot, " ", $vector, $r, ", ", $vector, "14, ", $vector, "15"),)+
                    "dec {n}",
                    "jnz 2b",
                    n = inout(reg) TURNS => _,
                    $($out)*
                    options(nostack, nomem),
                );
            }
        }
    };
}

peak!(peak_f32, "avx2,fma", "vfmadd231ps", "ymm", [0 1 2 3 4 5 6 7 8 9 10 11], [
    out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
    out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
    out("ymm14") _, out("ymm15") _,
]);
peak!(peak_f32_wide, "avx512f", "vfmadd231ps", "zmm", [0 1 2 3 4 5 6 7 8 9 10 11], [
    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
    out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
    out("zmm14") _, out("zmm15") _,
]);
peak!(peak_int8, "avx2", "{{vex}} vpdpbusd", "ymm", [0 1 2 3 4 5 6 7 8 9 10 11], [
    out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
    out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
    out("ymm14") _, out("ymm15") _,
]);
peak!(peak_int8_wide, "avx512f", "vpdpbusd", "zmm", [0 1 2 3 4 5 6 7 8 9 10 11], [
    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
    out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
    out("zmm14") _, out("zmm15") _,
]);
peak!(peak_bf16_wide, "avx512f", "vdpbf16ps", "zmm", [0 1 2 3 4 5 6 7 8 9 10 11], [
    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
    out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
    out("zmm14") _, out("zmm15") _,
]);

/// Multiplications with addition in a thousand-millionth of a second.
///
/// # Safety
/// The processor has AVX2 and FMA; AVX-512 F if `wide`; and it computes in the precision (`Isa::has`).
pub(super) unsafe fn peak(wide: bool, precision: Precision) -> f64 {
    let began = std::time::Instant::now();
    // SAFETY: the caller's promise.
    let lanes = unsafe {
        match (wide, precision) {
            (false, Precision::Int8) => {
                peak_int8();
                32.0
            }
            (true, Precision::Int8) => {
                peak_int8_wide();
                64.0
            }
            (_, Precision::Bf16) => {
                peak_bf16_wide();
                32.0
            }
            (true, _) => {
                peak_f32_wide();
                16.0
            }
            (false, _) => {
                peak_f32();
                8.0
            }
        }
    };
    TURNS as f64 * 12.0 * lanes / began.elapsed().as_secs_f64() / 1e9
}
