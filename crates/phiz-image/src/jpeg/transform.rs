//! From frequencies to samples: the inverse cosine transform of 8×8 blocks, whole and at 1/2, 1/4 and 1/8.
//!
//! Arithmetic is that of libjpeg's accurate integer transform (Loeffler, Ligtenberg and Moschytz 1989, 13 fractional
//! bits) and of its reduced transforms, so that results are equal to the last bit. Additions and products wrap: tables
//! and coefficients come from strangers, and in a file that an encoder wrote nothing overflows.

/// The frequencies of a block, row by row.
pub(super) type Block = [i16; 64];

/// Fractional bits of the constants.
const BITS: u32 = 13;
/// Fractional bits kept between the passes.
const KEPT: u32 = 2;

/// One dimension of the transform, on all columns. A plain loop over memory, because that is what compilers turn into
/// vector instructions, eight columns at once. With `FEW`, the last four rows are zero.
#[inline(always)]
fn pass<const FEW: bool>(values: &mut [i32; 64], bits: u32) {
    for i in 0..8 {
        let (r0, r1, r2, r3) = (values[i], values[8 + i], values[16 + i], values[24 + i]);
        let (r4, r5, r6, r7) = match FEW {
            true => (0, 0, 0, 0),
            false => (values[32 + i], values[40 + i], values[48 + i], values[56 + i]),
        };
        let m = i32::wrapping_mul;
        let (add, sub) = (i32::wrapping_add, i32::wrapping_sub);
        // Even part.
        let z1 = m(add(r2, r6), 4433);
        let t2 = add(z1, m(r6, -15137));
        let t3 = add(z1, m(r2, 6270));
        let t0 = add(r0, r4).wrapping_shl(BITS);
        let t1 = sub(r0, r4).wrapping_shl(BITS);
        let (e0, e3) = (add(t0, t3), sub(t0, t3));
        let (e1, e2) = (add(t1, t2), sub(t1, t2));
        // Odd part.
        let z5 = m(add(add(r7, r3), add(r5, r1)), 9633);
        let z1 = m(add(r7, r1), -7373);
        let z2 = m(add(r5, r3), -20995);
        let z3 = add(m(add(r7, r3), -16069), z5);
        let z4 = add(m(add(r5, r1), -3196), z5);
        let o0 = add(m(r7, 2446), add(z1, z3));
        let o1 = add(m(r5, 16819), add(z2, z4));
        let o2 = add(m(r3, 25172), add(z2, z3));
        let o3 = add(m(r1, 12299), add(z1, z4));
        let d = |v: i32| add(v, 1 << (bits - 1)) >> bits;
        values[i] = d(add(e0, o3));
        values[8 + i] = d(add(e1, o2));
        values[16 + i] = d(add(e2, o1));
        values[24 + i] = d(add(e3, o0));
        values[32 + i] = d(sub(e3, o0));
        values[40 + i] = d(sub(e2, o1));
        values[48 + i] = d(sub(e1, o2));
        values[56 + i] = d(sub(e0, o3));
    }
}

/// Weaves the second half into the first, which turns the bits of a place by one: as many rounds as a column's place has
/// bits make rows of columns. Vector units can weave, but not gather.
#[inline(always)]
fn weave<T: Copy + Default, const N: usize>(values: &mut [T; N]) {
    let mut woven = [T::default(); N];
    for i in 0..N / 2 {
        woven[2 * i] = values[i];
        woven[2 * i + 1] = values[N / 2 + i];
    }
    *values = woven;
}

#[inline(always)]
fn transpose<T: Copy + Default>(values: &mut [T; 64]) {
    weave(values);
    weave(values);
    weave(values);
}

#[inline(always)]
fn dequantised(block: &Block, table: &[i32; 64]) -> [i32; 64] {
    let mut values = [0; 64];
    for i in 0..64 {
        values[i] = i32::from(block[i]).wrapping_mul(table[i]);
    }
    values
}

/// A sample from a value that is centred on zero.
#[inline(always)]
fn sample(value: i32) -> u8 {
    value.wrapping_add(128).clamp(0, 255) as u8
}

/// What one block becomes: `8 >> reduction` samples square, written to `out` whose rows are `stride` apart.
///
/// `last` is the zigzag place of the last
/// frequency that is not zero: where there is only the mean, the block is even.
#[inline(always)]
pub(super) fn inverse(
    block: &Block,
    last: usize,
    table: &[i32; 64],
    reduction: u32,
    out: &mut [u8],
    stride: usize,
) {
    if last == 0 || reduction == 3 {
        let side = 8 >> reduction;
        let mean = i32::from(block[0]).wrapping_mul(table[0]);
        let value = sample(descale(mean, 3));
        for row in out.chunks_mut(stride).take(side) {
            row[..side].fill(value);
        }
        return;
    }
    match reduction {
        // The first ten places of the zigzag are in the corner of 4×4.
        0 if last < 10 => whole::<true>(block, table, out, stride),
        0 => whole::<false>(block, table, out, stride),
        1 => half(block, table, out, stride),
        _ => quarter(block, table, out, stride),
    }
}

#[inline(always)]
fn whole<const FEW: bool>(block: &Block, table: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut values = dequantised(block, table);
    pass::<FEW>(&mut values, BITS - KEPT);
    // What is between the passes fits into half the memory.
    let mut narrow = [0i16; 64];
    for i in 0..64 {
        narrow[i] = values[i] as i16;
    }
    transpose(&mut narrow);
    for i in 0..64 {
        values[i] = i32::from(narrow[i]);
    }
    pass::<FEW>(&mut values, BITS + KEPT + 3);
    let mut samples = [0i16; 64];
    for i in 0..64 {
        samples[i] = i16::from(sample(values[i]));
    }
    transpose(&mut samples);
    for (row, out) in samples.chunks_exact(8).zip(out.chunks_mut(stride)) {
        let out = &mut out[..8];
        for i in 0..8 {
            out[i] = row[i] as u8;
        }
    }
}

#[inline(always)]
fn descale(value: i32, bits: u32) -> i32 {
    value.wrapping_add(1 << (bits - 1)) >> bits
}

/// One dimension of the transform to four samples, on all columns: of eight rows become the four of `to`. Row 4 does not
/// count.
#[inline(always)]
fn four(values: &[i32], to: &mut [i32], bits: u32) {
    let n = to.len() / 4;
    let m = i32::wrapping_mul;
    let sum = |a: i32, b: i32, c: i32, d: i32| a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
    let values = &values[..8 * n];
    for i in 0..n {
        let (r0, r1, r2, r3) = (values[i], values[n + i], values[2 * n + i], values[3 * n + i]);
        let (r5, r6, r7) = (values[5 * n + i], values[6 * n + i], values[7 * n + i]);
        let even = r0.wrapping_shl(BITS + 1);
        let t2 = m(r2, 15137).wrapping_add(m(r6, -6270));
        let (e0, e1) = (even.wrapping_add(t2), even.wrapping_sub(t2));
        let o1 = sum(m(r7, -1730), m(r5, 11893), m(r3, -17799), m(r1, 8697));
        let o0 = sum(m(r7, -4176), m(r5, -4926), m(r3, 7373), m(r1, 20995));
        to[i] = descale(e0.wrapping_add(o0), bits);
        to[n + i] = descale(e1.wrapping_add(o1), bits);
        to[2 * n + i] = descale(e1.wrapping_sub(o1), bits);
        to[3 * n + i] = descale(e0.wrapping_sub(o0), bits);
    }
}

#[inline(always)]
fn half(block: &Block, table: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut rows = [0; 32];
    four(&dequantised(block, table), &mut rows, BITS - KEPT + 1);
    // Four rows of eight become eight of four.
    weave(&mut rows);
    weave(&mut rows);
    let mut samples = [0; 16];
    four(&rows, &mut samples, BITS + KEPT + 3 + 1);
    weave(&mut samples);
    weave(&mut samples);
    write::<4>(&samples, out, stride);
}

/// One dimension of the transform to two samples; as [`four`].
#[inline(always)]
fn two(values: &[i32], to: &mut [i32], bits: u32) {
    let n = to.len() / 2;
    let m = i32::wrapping_mul;
    let values = &values[..8 * n];
    for i in 0..n {
        let (r0, r1, r3) = (values[i], values[n + i], values[3 * n + i]);
        let (r5, r7) = (values[5 * n + i], values[7 * n + i]);
        let even = r0.wrapping_shl(BITS + 2);
        let odd = m(r7, -5906).wrapping_add(m(r5, 6967));
        let odd = odd.wrapping_add(m(r3, -10426)).wrapping_add(m(r1, 29692));
        to[i] = descale(even.wrapping_add(odd), bits);
        to[n + i] = descale(even.wrapping_sub(odd), bits);
    }
}

#[inline(always)]
fn quarter(block: &Block, table: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut rows = [0; 16];
    two(&dequantised(block, table), &mut rows, BITS - KEPT + 2);
    weave(&mut rows);
    let mut samples = [0; 4];
    two(&rows, &mut samples, BITS + KEPT + 3 + 2);
    weave(&mut samples);
    write::<2>(&samples, out, stride);
}

/// Values as samples, `N` a row.
#[inline(always)]
fn write<const N: usize>(values: &[i32], out: &mut [u8], stride: usize) {
    for (row, out) in values.chunks_exact(N).zip(out.chunks_mut(stride)) {
        let out = &mut out[..N];
        for i in 0..N {
            out[i] = sample(row[i]);
        }
    }
}
