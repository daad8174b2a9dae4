//! From the samples of each component to rows of RGB: larger where colour was stored smaller, then another colour space.
//!
//! Colour that was stored at half the resolution is filled in as libjpeg does by default, with the triangle filter that
//! weighs the nearer sample three times; other ratios repeat samples.

use super::transform;
use super::transform::Block;
use super::{Component, Frame, damaged, unsupported};
use crate::ImageError;
use crate::error::zeros;

/// How components become RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// One component, repeated.
    Grey,
    /// Three, as they are.
    Rgb,
    /// Brightness and two differences of colour.
    Ycc,
    /// Four inks; all values inverted, as Adobe's programs began and all others followed.
    Cmyk,
    /// Black, and the other three as [`Colour::Ycc`].
    Ycck,
}

/// The samples of a component, as many stripes of them as neighbours need. A stripe is what one row of MCUs holds.
struct Plane {
    /// The sides of its blocks are `8 >> reduction` samples.
    reduction: u32,
    /// Samples, without the padding that fills up the last blocks.
    width: usize,
    height: usize,
    /// Of the padded rows.
    stride: usize,
    rows: usize,
    /// How often a sample is repeated.
    across: usize,
    down: usize,
    /// Whether it is filled in smoothly.
    smooth: bool,
    /// The last three stripes, and where the present one begins.
    samples: Vec<u8>,
    begin: usize,
    /// Factors of its frequencies.
    table: [i32; 64],
}

impl Plane {
    /// A row, or the nearest that there is.
    #[inline(always)]
    fn row(&self, y: usize) -> &[u8] {
        let y = y.min(self.height - 1);
        let start = (y / self.rows % 3 * self.rows + y % self.rows) * self.stride;
        &self.samples[start..start + self.stride]
    }
}

/// The picture as it comes to be, stripe by stripe.
pub(super) struct Output {
    colour: Colour,
    planes: Vec<Plane>,
    width: usize,
    height: usize,
    /// Rows of the picture in a stripe.
    rows: usize,
    /// Rows that are done.
    done: usize,
    lines: Vec<Vec<u8>>,
    sums: Vec<u16>,
    pixels: Vec<u8>,
}

impl Output {
    /// # Errors
    /// Components whose sizes have no whole ratio, too little memory.
    pub(super) fn new(frame: &Frame, colour: Colour, reduction: u32) -> Result<Output, ImageError> {
        let side = 8usize >> reduction;
        let (max_h, max_v) = frame.most();
        let size = |length: usize, factor: usize, most: usize| (length * factor).div_ceil(most * 8);
        let (width, height) = (size(frame.width, side, 1), size(frame.height, side, 1));
        let mut planes = Vec::new();
        for component in &frame.components {
            planes.push(plane(frame, component, reduction)?);
        }
        let pixels = zeros(0, width * height * 3)?;
        // Every row is written in whole samples of the coarsest component.
        let longest = width + 4 * side.max(8);
        Ok(Output {
            colour,
            lines: vec![vec![0; longest + max_h]; planes.len()],
            sums: vec![0; longest],
            planes,
            width,
            height,
            rows: max_v * side,
            done: 0,
            pixels,
        })
    }

    /// Before a row of MCUs.
    pub(super) fn begin(&mut self, stripe: usize) {
        for plane in &mut self.planes {
            plane.begin = stripe % 3 * plane.rows * plane.stride;
        }
    }

    /// Writes a block of a component, counted in blocks from the beginning of the stripe.
    #[inline(always)]
    pub(super) fn block(&mut self, component: usize, [x, y]: [usize; 2], block: &Block, last: usize) {
        let plane = &mut self.planes[component];
        let shift = 3 - plane.reduction;
        let start = plane.begin + (y << shift) * plane.stride + (x << shift);
        let out = &mut plane.samples[start..];
        transform::inverse(block, last, &plane.table, plane.reduction, out, plane.stride);
    }

    /// After a row of MCUs: writes the rows of the picture whose neighbours are now known.
    #[inline(always)]
    pub(super) fn stripe(&mut self, index: usize) {
        // The last row of a stripe may look at the first of the next.
        let known = ((index + 1) * self.rows).min(self.height);
        let end = if known == self.height { known } else { index * self.rows };
        self.write(end);
    }

    #[inline(always)]
    fn write(&mut self, end: usize) {
        let row_length = self.width * 3;
        while self.done < end {
            let y = self.done;
            for (plane, line) in self.planes.iter().zip(&mut self.lines) {
                if (plane.across, plane.down) != (1, 1) {
                    enlarge(plane, y, line, &mut self.sums);
                }
            }
            let line = |i: usize| match (self.planes[i].across, self.planes[i].down) {
                (1, 1) => &self.planes[i].row(y)[..self.width],
                _ => &self.lines[i][..self.width],
            };
            let out = &mut self.pixels[y * row_length..(y + 1) * row_length];
            match self.colour {
                Colour::Grey => grey(line(0), out),
                Colour::Rgb => rgb([line(0), line(1), line(2)], out),
                Colour::Ycc => ycc([line(0), line(1), line(2)], out),
                Colour::Cmyk => {
                    rgb([line(0), line(1), line(2)], out);
                    ink(out, line(3));
                }
                Colour::Ycck => {
                    ycc([line(0), line(1), line(2)], out);
                    // Inks are what is left of white.
                    out.iter_mut().for_each(|value| *value = 255 - *value);
                    ink(out, line(3));
                }
            }
            self.done += 1;
        }
    }

    /// Width, height and RGB.
    pub(super) fn finish(self) -> (u32, u32, Vec<u8>) {
        (self.width as u32, self.height as u32, self.pixels)
    }
}

fn plane(frame: &Frame, component: &Component, reduction: u32) -> Result<Plane, ImageError> {
    let least = 8usize >> reduction;
    let (max_h, max_v) = frame.most();
    // Where the picture becomes smaller, colour that is stored smaller is decoded larger instead of being enlarged.
    let mut side = least;
    while side < 8
        && (max_h * least).is_multiple_of(component.h * side * 2)
        && (max_v * least).is_multiple_of(component.v * side * 2)
    {
        side *= 2;
    }
    let (h, v) = (component.h * side, component.v * side);
    if !(max_h * least).is_multiple_of(h) || !(max_v * least).is_multiple_of(v) {
        return Err(unsupported("is a JPEG whose colours are stored at sizes without a whole ratio"));
    }
    let (across, down) = (max_h * least / h, max_v * least / v);
    let width = (frame.width * h).div_ceil(max_h * 8);
    let stride = component.stride * side;
    let rows = component.v * side;
    let smooth = least > 1 && matches!((across, down), (2, 1) | (2, 2) | (1, 2));
    let samples = zeros(0, stride * rows * 3)?;
    Ok(Plane {
        reduction: 3 - side.trailing_zeros(),
        width,
        height: (frame.height * v).div_ceil(max_v * 8),
        stride,
        rows,
        across,
        down,
        // libjpeg's filter needs three samples across.
        smooth: smooth && (across == 1 || width > 2),
        samples,
        begin: 0,
        table: *component.factors.as_ref().ok_or_else(|| damaged("a quantisation table is missing"))?,
    })
}

/// A row of a component at the size of the picture.
#[inline(always)]
fn enlarge(plane: &Plane, y: usize, out: &mut [u8], sums: &mut [u16]) {
    let n = plane.width;
    let near = &plane.row(y / plane.down)[..n];
    if !plane.smooth {
        for (out, &value) in out.chunks_exact_mut(plane.across).zip(near) {
            out.fill(value);
        }
        return;
    }
    // The nearer of two rows counts three times.
    let far = match y % 2 {
        _ if plane.down == 1 => near,
        0 => plane.row((y / 2).saturating_sub(1)),
        _ => plane.row(y / 2 + 1),
    };
    let far = &far[..n];
    match (plane.across, plane.down) {
        (1, _) => {
            let bias = 1 + (y % 2) as u16;
            for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
                *out = ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
            }
        }
        (_, 1) => {
            for (sum, &near) in sums.iter_mut().zip(near) {
                *sum = u16::from(near);
            }
            widen::<2>(&sums[..n], [1, 2], out);
            // At the ends a sample stands for itself.
            (out[0], out[2 * n - 1]) = (near[0], near[n - 1]);
        }
        _ => {
            for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
                *sum = u16::from(near) * 3 + u16::from(far);
            }
            widen::<4>(&sums[..n], [8, 7], out);
            out[0] = ((sums[0] * 4 + 8) >> 4) as u8;
            out[2 * n - 1] = ((sums[n - 1] * 4 + 7) >> 4) as u8;
        }
    }
}

/// Twice as many values, each three parts of the nearer and one of the farther; but for the first and the last.
#[inline(always)]
fn widen<const BITS: u32>(from: &[u16], bias: [u16; 2], out: &mut [u8]) {
    let n = from.len();
    let out = &mut out[..2 * n];
    out[1] = ((from[0] * 3 + from[1.min(n - 1)] + bias[1]) >> BITS) as u8;
    for (three, out) in from.windows(3).zip(out[2..].chunks_exact_mut(2)) {
        out[0] = ((three[1] * 3 + three[0] + bias[0]) >> BITS) as u8;
        out[1] = ((three[1] * 3 + three[2] + bias[1]) >> BITS) as u8;
    }
    out[2 * n - 2] = ((from[n - 1] * 3 + from[n.saturating_sub(2)] + bias[0]) >> BITS) as u8;
}

#[inline(always)]
fn grey(line: &[u8], out: &mut [u8]) {
    for (out, &value) in out.chunks_exact_mut(3).zip(line) {
        out.copy_from_slice(&[value; 3]);
    }
}

#[inline(always)]
fn rgb([r, g, b]: [&[u8]; 3], out: &mut [u8]) {
    for (((out, &r), &g), &b) in out.chunks_exact_mut(3).zip(r).zip(g).zip(b) {
        out.copy_from_slice(&[r, g, b]);
    }
}

/// Pixels that are converted together.
const RUN: usize = 32;

/// ITU-R BT.601 at full range, in libjpeg's fixed point.
#[inline(always)]
fn ycc([y, cb, cr]: [&[u8]; 3], out: &mut [u8]) {
    // A pixel in the lower three bytes.
    let convert = |y: u8, cb: u8, cr: u8| {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let r = y + ((91_881 * cr + 32_768) >> 16);
        let g = y + ((-22_554 * cb - 46_802 * cr + 32_768) >> 16);
        let b = y + ((116_130 * cb + 32_768) >> 16);
        (r.clamp(0, 255) | g.clamp(0, 255) << 8 | b.clamp(0, 255) << 16) as u32
    };
    let runs = y.len() / RUN;
    for ((out, y), (cb, cr)) in out
        .chunks_exact_mut(3 * RUN)
        .zip(y.chunks_exact(RUN))
        .zip(cb.chunks_exact(RUN).zip(cr.chunks_exact(RUN)))
    {
        // Apart from the writing, because the compiler can do this for many pixels at once.
        let mut pixels = [0; RUN];
        for i in 0..RUN {
            pixels[i] = convert(y[i], cb[i], cr[i]);
        }
        // One store a pixel; the next pixel overwrites its fourth byte.
        for i in 0..RUN - 1 {
            out[3 * i..3 * i + 4].copy_from_slice(&pixels[i].to_le_bytes());
        }
        out[3 * RUN - 3..].copy_from_slice(&pixels[RUN - 1].to_le_bytes()[..3]);
    }
    for i in runs * RUN..y.len() {
        out[3 * i..3 * i + 3].copy_from_slice(&convert(y[i], cb[i], cr[i]).to_le_bytes()[..3]);
    }
}

/// Darkens by the fourth ink.
#[inline(always)]
fn ink(out: &mut [u8], black: &[u8]) {
    for (out, &k) in out.chunks_exact_mut(3).zip(black) {
        for value in out {
            *value = ((u32::from(*value) * u32::from(k) + 127) / 255) as u8;
        }
    }
}
