//! Planes of luma and colour as AV1 codes them, and how they become RGB.
//!
//! Colour of a lower resolution lies in the middle between the pixels that share it and is interpolated, as libavif and web
//! browsers do it.

use super::coded::Coded;
use super::zeros;
use crate::ImageError;

/// A picture of one plane, or of three.
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bits of a sample.
    pub(super) depth: u32,
    /// Whether the colours' planes are half as wide, and half as high.
    pub(super) shift: (usize, usize),
    /// The matrix, by its number in H.273.
    pub(super) matrix: u16,
    /// Whether samples use all values of their bits, or those that video uses.
    pub(super) full_range: bool,
    /// Luma, and blue and red less luma, which are empty for a grey picture. If the matrix is 0: green, blue and red.
    pub(super) planes: [Vec<u16>; 3],
}

/// What the matrix makes of planes.
enum Kind {
    Grey,
    Gbr,
    YCgCo,
    /// The weights of red and blue in luma.
    Weights(f32, f32),
}

impl Planes {
    /// Width and height of a plane.
    pub(super) fn size(&self, plane: usize) -> (usize, usize) {
        match plane {
            0 => (self.width, self.height),
            _ => (self.width.div_ceil(1 << self.shift.0), self.height.div_ceil(1 << self.shift.1)),
        }
    }

    /// A picture of a kind and a size, of nothing yet.
    pub(super) fn empty(kind: &Coded, (width, height): (u32, u32)) -> Result<Planes, ImageError> {
        let mut whole = Planes {
            width: width as usize,
            height: height as usize,
            depth: kind.depth,
            shift: if kind.grey { (0, 0) } else { kind.shift },
            matrix: kind.matrix,
            full_range: kind.full_range,
            planes: [Vec::new(), Vec::new(), Vec::new()],
        };
        for i in 0..if kind.grey { 1 } else { 3 } {
            let (w, h) = whole.size(i);
            whole.planes[i] = zeros(0, w * h)?;
        }
        Ok(whole)
    }

    /// Puts a tile at its place: planes, one behind the other, of a byte for each sample or of two. What lies outside is left
    /// out.
    pub(super) fn put(
        &mut self,
        tile: &[u8],
        kind: &Coded,
        (x, y): (usize, usize),
    ) -> Result<(), &'static str> {
        if x & self.shift.0 != 0 || y & self.shift.1 != 0 {
            return Err("its tiles lie at odd places");
        }
        let bytes = if self.depth > 8 { 2 } else { 1 };
        let mut rest = tile;
        for i in 0..3 {
            if self.planes[i].is_empty() {
                continue;
            }
            let (sx, sy) = if i == 0 { (0, 0) } else { self.shift };
            let (tw, th) =
                ((kind.size.0 as usize).div_ceil(1 << sx), (kind.size.1 as usize).div_ceil(1 << sy));
            let (plane, after) = rest.split_at_checked(tw * th * bytes).ok_or("a tile is cut off")?;
            rest = after;
            let ((w, _), (x, y)) = (self.size(i), (x >> sx, y >> sy));
            let Some(wide) = w.checked_sub(x).map(|rest| rest.min(tw)).filter(|wide| *wide > 0) else {
                continue;
            };
            let rows = self.planes[i].chunks_exact_mut(w).skip(y);
            for (to, from) in rows.zip(plane.chunks_exact(tw * bytes)) {
                let to = &mut to[x..x + wide];
                match bytes {
                    1 => to.iter_mut().zip(from).for_each(|(to, from)| *to = u16::from(*from)),
                    _ => {
                        let pairs = from.as_chunks::<2>().0;
                        to.iter_mut().zip(pairs).for_each(|(to, from)| *to = u16::from_ne_bytes(*from));
                    }
                }
            }
        }
        Ok(())
    }

    fn kind(&self) -> Result<Kind, ImageError> {
        Ok(match self.matrix {
            _ if self.planes[1].is_empty() => Kind::Grey,
            0 if self.shift == (0, 0) => Kind::Gbr,
            1 => Kind::Weights(0.2126, 0.0722),
            4 => Kind::Weights(0.30, 0.11),
            7 => Kind::Weights(0.212, 0.087),
            8 => Kind::YCgCo,
            9 => Kind::Weights(0.2627, 0.0593),
            // Where nothing is stated, what libavif takes it for.
            2 | 5 | 6 => Kind::Weights(0.299, 0.114),
            other => return Err(super::unsupported(format!("the colour matrix {other}"))),
        })
    }

    /// The value of black, and of a step to white, of luma; the size of a step of colour.
    fn range(&self) -> (f32, f32, f32) {
        let most = ((1u32 << self.depth) - 1) as f32;
        let scale = (1u32 << (self.depth - 8)) as f32;
        if self.full_range {
            (0.0, 1.0 / most, 1.0 / most)
        } else {
            (16.0 * scale, 1.0 / (219.0 * scale), 1.0 / (224.0 * scale))
        }
    }

    /// RGBA of 8 bits, opaque.
    pub(super) fn rgba(&self) -> Result<Vec<u8>, ImageError> {
        let kind = self.kind()?;
        let mut rgba = zeros(255u8, self.width * self.height * 4)?;
        let (black, step, colour_step) = self.range();
        let middle = (1u32 << (self.depth - 1)) as f32;
        let colours = |wanted: bool| if wanted { vec![0f32; self.width] } else { Vec::new() };
        let coloured = !matches!(kind, Kind::Grey);
        let (mut blue, mut red) = (colours(coloured), colours(coloured));
        let mut column = Vec::new();
        let rows = rgba.chunks_exact_mut(self.width * 4).zip(self.planes[0].chunks_exact(self.width));
        for (y, (out, luma)) in rows.enumerate() {
            if coloured {
                self.colour_row(1, y, &mut column, &mut blue);
                self.colour_row(2, y, &mut column, &mut red);
            }
            let luma = luma.iter().map(|v| (f32::from(*v) - black) * step);
            let pixels = out.as_chunks_mut::<4>().0.iter_mut().zip(luma);
            match kind {
                Kind::Grey => pixels.for_each(|(p, y)| *p = pixel(y, y, y)),
                Kind::Gbr => {
                    for ((p, g), (b, r)) in pixels.zip(blue.iter().zip(&red)) {
                        *p = pixel((r - black) * step, g, (b - black) * step);
                    }
                }
                Kind::YCgCo => {
                    for ((p, y), (cg, co)) in pixels.zip(blue.iter().zip(&red)) {
                        let (cg, co) = ((cg - middle) * colour_step, (co - middle) * colour_step);
                        *p = pixel(y - cg + co, y + cg, y - cg - co);
                    }
                }
                Kind::Weights(kr, kb) => {
                    let kg = 1.0 - kr - kb;
                    let (to_r, to_b) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
                    let (g_of_r, g_of_b) = (kr * to_r / kg, kb * to_b / kg);
                    for ((p, y), (cb, cr)) in pixels.zip(blue.iter().zip(&red)) {
                        let (cb, cr) = ((cb - middle) * colour_step, (cr - middle) * colour_step);
                        *p = pixel(y + to_r * cr, y - g_of_b * cb - g_of_r * cr, y + to_b * cb);
                    }
                }
            }
        }
        Ok(rgba)
    }

    /// A row of a colour's plane at the picture's resolution.
    fn colour_row(&self, plane: usize, y: usize, column: &mut Vec<f32>, out: &mut [f32]) {
        let (w, h) = self.size(plane);
        let (near, far) = beside(y, h, self.shift.1);
        let row = |y: usize| &self.planes[plane][y * w..(y + 1) * w];
        column.clear();
        if near == far {
            column.extend(row(near).iter().map(|v| f32::from(*v)));
        } else {
            let both = row(near).iter().zip(row(far));
            column.extend(both.map(|(a, b)| f32::from(*a) * 0.75 + f32::from(*b) * 0.25));
        }
        if self.shift.0 == 0 {
            out.copy_from_slice(column);
            return;
        }
        for (x, out) in out.iter_mut().enumerate() {
            let (near, far) = beside(x, w, 1);
            *out = column[near] * 0.75 + column[far] * 0.25;
        }
    }

    /// Makes the picture's luma the transparency of an opaque one of the same size, by whose alpha the colours may be
    /// multiplied already.
    pub(super) fn lay_alpha(&self, rgba: &mut [u8], multiplied: bool) {
        let (black, step, _) = self.range();
        for (pixel, alpha) in rgba.as_chunks_mut::<4>().0.iter_mut().zip(&self.planes[0]) {
            let alpha = byte((f32::from(*alpha) - black) * step);
            if multiplied && alpha > 0 {
                let whole =
                    |v: u8| ((u32::from(v) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8;
                *pixel = [whole(pixel[0]), whole(pixel[1]), whole(pixel[2]), alpha];
            }
            pixel[3] = alpha;
        }
    }
}

/// The samples between which a pixel lies, the nearer first, in a row of so many that may be of half the resolution.
fn beside(at: usize, length: usize, shift: usize) -> (usize, usize) {
    if shift == 0 {
        return (at, at);
    }
    let near = at / 2;
    let far = if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(length - 1) };
    (near, far)
}

fn byte(value: f32) -> u8 {
    // A cast clamps.
    (value * 255.0 + 0.5) as u8
}

fn pixel(r: f32, g: f32, b: f32) -> [u8; 4] {
    [byte(r), byte(g), byte(b), 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(matrix: u16, full_range: bool, depth: u32, samples: [u16; 3]) -> Planes {
        let planes = samples.map(|sample| vec![sample]);
        Planes { width: 1, height: 1, depth, shift: (0, 0), matrix, full_range, planes }
    }

    fn rgb(planes: &Planes) -> [u8; 3] {
        let rgba = planes.rgba().unwrap();
        [rgba[0], rgba[1], rgba[2]]
    }

    /// By the formulas of H.273, computed apart from this code.
    #[test]
    fn known_colours() {
        for (matrix, full, depth, samples, expected) in [
            (6, true, 8, [76, 85, 255], [254, 0, 0]),
            (6, false, 8, [81, 90, 240], [254, 0, 0]),
            (1, true, 8, [54, 99, 255], [254, 0, 1]),
            (1, false, 10, [64, 512, 512], [0, 0, 0]),
            (9, false, 12, [3760, 2048, 2048], [255, 255, 255]),
            (0, true, 8, [10, 20, 30], [30, 10, 20]),
            (0, true, 10, [1023, 0, 512], [128, 255, 0]),
            (8, true, 8, [64, 64, 128], [128, 0, 128]),
            (2, true, 12, [2048, 2048, 2048], [128, 128, 128]),
        ] {
            let made = rgb(&planes(matrix, full, depth, samples));
            assert!(
                made.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1),
                "{matrix} {samples:?}: {made:?}"
            );
        }
        let grey = Planes { planes: [vec![16], Vec::new(), Vec::new()], ..planes(0, false, 8, [0; 3]) };
        assert_eq!(rgb(&grey), [0, 0, 0]);
        assert!(planes(14, true, 8, [0; 3]).rgba().is_err());
    }

    #[test]
    fn colour_lies_between_the_pixels_that_share_it() {
        let red = vec![0u16, 100, 200, 40];
        let picture = Planes {
            width: 3,
            height: 3,
            shift: (1, 1),
            planes: [vec![0; 9], vec![128; 4], red],
            ..planes(6, true, 8, [0; 3])
        };
        let (mut column, mut out) = (Vec::new(), vec![0.0; 3]);
        picture.colour_row(2, 0, &mut column, &mut out);
        assert_eq!(out, [0.0, 25.0, 75.0]);
        picture.colour_row(2, 1, &mut column, &mut out);
        // A quarter of the row below: 50 and 85.
        assert_eq!(out, [50.0, 58.75, 76.25]);
        picture.colour_row(2, 2, &mut column, &mut out);
        assert_eq!(out, [150.0, 126.25, 78.75]);
    }
}
