//! What people wear in front of their faces, drawn from landmarks: masks and glasses.
//!
//! Shapes are given in pixels of the aligned crop by signed distances, positive outside, and drawn with soft edges
//! through a similarity to wherever the face is.

use phiz_image::Similarity;

use crate::random::Random;

/// Where the landmarks of an aligned crop are: right eye, left eye, nose, right and left corner of the mouth.
pub const TEMPLATE: [[f32; 2]; 5] =
    [[38.7946, 52.1963], [74.0318, 52.0014], [56.5252, 72.2366], [42.0493, 92.8655], [71.2299, 92.7041]];

/// A value of a channel, 0 to 255.
pub trait Level: Copy {
    /// As a number.
    fn value(self) -> f32;
    /// From a number.
    fn of(value: f32) -> Self;
}

impl Level for u8 {
    fn value(self) -> f32 {
        f32::from(self)
    }
    fn of(value: f32) -> u8 {
        value.round().clamp(0.0, 255.0) as u8
    }
}

impl Level for f32 {
    fn value(self) -> f32 {
        self
    }
    fn of(value: f32) -> f32 {
        value
    }
}

/// A picture to draw on, interleaved RGB, and where on it the aligned crop is.
pub struct Surface<'a, L> {
    /// Its pixels.
    pub pixels: &'a mut [L],
    /// Its columns.
    pub width: usize,
    /// From pixels of the aligned crop to pixels of the picture.
    pub to: Similarity,
}

impl<L: Level> Surface<'_, L> {
    /// Lays a colour over the part of the crop within `[left, top, right, bottom]`, as much of it as `paint` says.
    fn lay(&mut self, area: [f32; 4], paint: impl Fn([f32; 2]) -> ([f32; 3], f32)) {
        let Some(back) = self.to.inverse() else { return };
        let [l, t, r, b] = area;
        let corners = [[l, t], [r, t], [l, b], [r, b]].map(|p| self.to.apply(p));
        let height = self.pixels.len() / self.width.max(1) / 3;
        let span = |axis: usize, most: usize| {
            let low = corners.iter().map(|c| c[axis]).fold(f32::INFINITY, f32::min);
            let high = corners.iter().map(|c| c[axis]).fold(f32::NEG_INFINITY, f32::max);
            (low.floor().max(0.0) as usize).min(most)..(high.ceil().max(0.0) as usize).min(most)
        };
        for y in span(1, height) {
            for x in span(0, self.width) {
                let (colour, share) = paint(back.apply([x as f32 + 0.5, y as f32 + 0.5]));
                if share > 0.0 {
                    let pixel = &mut self.pixels[(y * self.width + x) * 3..][..3];
                    for (p, c) in pixel.iter_mut().zip(colour) {
                        *p = L::of(p.value() + share.min(1.0) * (c - p.value()));
                    }
                }
            }
        }
    }

    /// How much of a pixel a shape covers whose edge is so far away, in pixels of the crop.
    fn covered(&self) -> impl Fn(f32) -> f32 + use<L> {
        let scale = self.to.scale();
        move |distance| (0.5 - distance * scale).clamp(0.0, 1.0)
    }
}

/// Distance to the line from `a` to `b`.
fn line([x, y]: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (u, v) = (b[0] - a[0], b[1] - a[1]);
    let t = (((x - a[0]) * u + (y - a[1]) * v) / (u * u + v * v).max(1e-6)).clamp(0.0, 1.0);
    (x - a[0] - t * u).hypot(y - a[1] - t * v)
}

fn any_colour(random: &mut Random) -> [f32; 3] {
    let grey = random.between(20.0, 235.0);
    let tint = if random.chance(0.4) { 0.0 } else { 70.0 };
    [0; 3].map(|_| (grey + random.between(-tint, tint)).clamp(0.0, 255.0))
}

/// A mask over mouth and nose, now and then worn below the nose; cloth or surgical, with straps.
pub fn mask<L: Level>(surface: &mut Surface<'_, L>, random: &mut Random) {
    let colour = match random.below(4) {
        0 => [140.0, 185.0, 210.0],
        1 => [228.0, 228.0, 226.0],
        2 => [28.0, 28.0, 30.0],
        _ => any_colour(random),
    };
    let below_nose = if random.chance(0.12) { 16.0 } else { 0.0 };
    let top = 62.0 + below_nose + random.between(-4.0, 4.0);
    let (width, depth) = (random.between(29.0, 35.0), random.between(40.0, 50.0));
    let middle = 56.5 + random.between(-1.5, 1.5);
    let arch = random.between(3.0, 10.0);
    let pleats = if random.chance(0.5) { random.between(0.03, 0.1) } else { 0.0 };
    let covered = surface.covered();
    let strap = colour.map(|c| 0.9 * c);
    for (side, ear) in [(-1.0, 4.0), (1.0, 108.0)] {
        for (from, to) in [(top + arch + 2.0, 46.0), (100.0, 74.0)] {
            let (a, b) = ([middle + side * (width - 2.0), from], [ear, to]);
            surface.lay([a[0].min(b[0]), to - 2.0, a[0].max(b[0]), from + 2.0], |p| {
                (strap, covered(line(p, a, b) - 0.6))
            });
        }
    }
    surface.lay([middle - width - 1.0, top - 1.0, middle + width + 1.0, 76.0 + depth], |[x, y]| {
        let across = (x - middle) / width;
        let upper = top + arch * across * across - y;
        // Down to the jaw an ellipse, above its middle the cheeks.
        let down = ((y - 74.0) / depth).max(0.0);
        let round = ((across * across + down * down).sqrt() - 1.0) * width;
        let shade = 1.0 - 0.3 * across * across - 0.12 * down + pleats * (y * 0.55).sin();
        (colour.map(|c| (c * shade).clamp(0.0, 255.0)), covered(upper.max(round)))
    });
}

/// Glasses with a frame, bridge and temples; one pair in four is dark, some reflect.
pub fn glasses<L: Level>(surface: &mut Surface<'_, L>, random: &mut Random) {
    let frame = if random.chance(0.6) { [30.0, 26.0, 26.0] } else { any_colour(random) };
    let thick = random.between(1.0, 3.2);
    let (rx, ry) = (random.between(11.5, 16.0), random.between(8.0, 13.0));
    // From round to nearly square.
    let square = random.between(2.0, 5.0);
    let drop = random.between(-1.0, 3.5);
    let dark = random.chance(0.25);
    let (lens, tint) = if dark {
        (any_colour(random).map(|c| 0.25 * c), random.between(0.75, 0.97))
    } else {
        ([235.0, 240.0, 245.0], random.between(0.0, 0.12))
    };
    let glare = if random.chance(0.35) { random.between(0.15, 0.6) } else { 0.0 };
    let at = random.between(-0.6, 0.6);
    let covered = surface.covered();
    let eyes = [TEMPLATE[0], TEMPLATE[1]].map(|[x, y]| [x, y + drop]);
    for (eye, side) in eyes.into_iter().zip([-1.0, 1.0]) {
        let reach = [rx + thick, ry + thick];
        let area = [eye[0] - reach[0], eye[1] - reach[1], eye[0] + reach[0], eye[1] + reach[1]];
        let rim = |[x, y]: [f32; 2]| {
            let (u, v) = (((x - eye[0]) / rx).abs(), ((y - eye[1]) / ry).abs());
            ((u.powf(square) + v.powf(square)).powf(1.0 / square) - 1.0) * rx.min(ry)
        };
        surface.lay(area, |p| {
            let slant = ((p[0] - eye[0]) / rx + (p[1] - eye[1]) / ry) * 0.7 - at;
            let bright = glare * (1.0 - (slant / 0.25).abs()).clamp(0.0, 1.0);
            let colour = lens.map(|c| c + bright * (250.0 - c));
            (colour, covered(rim(p)) * tint.max(bright))
        });
        surface.lay(area, |p| (frame, covered(rim(p).abs() - thick / 2.0)));
        let (hinge, ear) = ([eye[0] + side * rx, eye[1] - 2.0], [56.5 + side * 54.0, eye[1] - 4.0]);
        let temple = [hinge[0].min(ear[0]), ear[1] - 4.0, hinge[0].max(ear[0]), hinge[1] + 4.0];
        surface.lay(temple, |p| (frame, covered(line(p, hinge, ear) - thick / 2.0)));
    }
    let (a, b) = ([eyes[0][0] + rx, eyes[0][1] - 2.0], [eyes[1][0] - rx, eyes[1][1] - 2.0]);
    surface.lay([a[0], a[1] - 4.0, b[0], b[1] + 4.0], |p| (frame, covered(line(p, a, b) - thick / 2.0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 112;

    fn drawn(
        to: Similarity,
        side: usize,
        draw: fn(&mut Surface<'_, f32>, &mut Random),
        seed: u64,
    ) -> Vec<bool> {
        let mut pixels = vec![-1000.0f32; side * side * 3];
        draw(&mut Surface { pixels: &mut pixels, width: side, to }, &mut Random::new(seed));
        pixels.chunks_exact(3).map(|p| p[0] > -500.0).collect()
    }

    #[test]
    fn masks_cover_the_mouth_and_glasses_frame_the_eyes() {
        let here = Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };
        for seed in 0..40 {
            let masked = drawn(here, SIDE, mask, seed);
            let at = |all: &[bool], [x, y]: [f32; 2]| all[y as usize * SIDE + x as usize];
            assert!(at(&masked, TEMPLATE[3]) && at(&masked, TEMPLATE[4]), "seed {seed}: the mouth shows");
            assert!(!at(&masked, TEMPLATE[0]) && !at(&masked, TEMPLATE[1]), "seed {seed}: an eye is covered");
            let framed = drawn(here, SIDE, glasses, seed);
            for eye in [TEMPLATE[0], TEMPLATE[1]] {
                let around = (0..24).any(|dy| at(&framed, [eye[0], eye[1] - 6.0 + dy as f32]));
                assert!(around, "seed {seed}: no frame around an eye");
            }
            assert!(!at(&framed, TEMPLATE[3]), "seed {seed}: glasses at the mouth");
        }
    }

    #[test]
    fn they_go_where_the_face_is_and_may_reach_outside() {
        let turned = Similarity { a: 0.6, b: 0.3, tx: 40.0, ty: 20.0 };
        let all = drawn(turned, 160, mask, 5);
        let [x, y] = turned.apply([56.5, 92.0]);
        assert!(all[y as usize * 160 + x as usize]);
        for outside in [[-300.0, 0.0], [150.0, 150.0], [0.0, -60.0]] {
            drawn(Similarity { a: 1.0, b: 0.0, tx: outside[0], ty: outside[1] }, 160, mask, 5);
            drawn(Similarity { a: 1.0, b: 0.0, tx: outside[0], ty: outside[1] }, 160, glasses, 5);
        }
        assert!(drawn(Similarity { a: 0.0, b: 0.0, tx: 0.0, ty: 0.0 }, 16, mask, 1).iter().all(|d| !d));
    }
}
