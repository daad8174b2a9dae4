//! What stands behind people: gradients, clouds, walls and clutter, none of it from a photo.

use crate::canvas::{Canvas, mix, smoothstep};
use crate::random::{Noise, Random};

/// A backdrop of so many pixels.
pub(crate) fn paint(width: usize, height: usize, random: &mut Random) -> Canvas {
    let (first, second) = (random.colour(), random.colour());
    let noise = Noise(random.bits());
    // Sizes are fractions of the longer side, so that a scene looks the same at any resolution.
    let long = width.max(height) as f32;
    let slope = std::f32::consts::TAU * random.unit();
    let gradient =
        move |x: f32, y: f32| ((x * slope.cos() + y * slope.sin()) / long * 0.7 + 0.5).clamp(0.0, 1.0);
    let kind = random.below(4);
    let (cell, joint) = (long * random.between(0.03, 0.12), random.between(0.04, 0.1));
    let mut canvas = Canvas::paint(width, height, |x, y| match kind {
        0 => mix(first, second, gradient(x, y)),
        1 => mix(first, second, noise.fractal(4.0 * x / long, 4.0 * y / long)),
        2 => {
            // A wall of bricks.
            let row = (y / cell).floor();
            let shift = if row.rem_euclid(2.0) == 0.0 { 0.0 } else { cell };
            let (u, v) = (((x + shift) / (2.0 * cell)).fract(), (y / cell).fract());
            let edge = smoothstep(0.0, joint, u.min(1.0 - u) * 2.0) * smoothstep(0.0, joint, v.min(1.0 - v));
            let shade = 0.75 + 0.5 * noise.fractal(20.0 * x / long, 20.0 * y / long);
            mix(second, first, edge).map(|c| c * shade)
        }
        _ => {
            // Planks or a curtain.
            let t = 0.5 + 0.5 * (x / cell * std::f32::consts::PI).sin();
            let grain = noise.fractal(40.0 * x / long, 3.0 * y / long);
            mix(first, mix(first, second, 0.5), 0.5 * t + 0.5 * grain)
        }
    });
    for _ in 0..random.below(14) {
        clutter(&mut canvas, long, random);
    }
    canvas
}

/// A soft-edged box or disc.
fn clutter(canvas: &mut Canvas, long: f32, random: &mut Random) {
    let colour = random.colour();
    let (cx, cy) = (random.unit() * canvas.width as f32, random.unit() * canvas.height as f32);
    let (rx, ry) = (long * random.between(0.01, 0.15), long * random.between(0.01, 0.15));
    let (round, blur) = (random.below(2) == 0, random.between(0.01, 0.4));
    let opacity = random.between(0.3, 1.0);
    let noise = Noise(random.bits());
    canvas.lay([cx - rx, cy - ry, cx + rx + 1.0, cy + ry + 1.0], |x, y| {
        let (u, v) = (((x - cx) / rx).abs(), ((y - cy) / ry).abs());
        let radius = if round { u.hypot(v) } else { u.max(v) };
        let shade = 0.8 + 0.4 * noise.fractal(12.0 * x / long, 12.0 * y / long);
        (colour.map(|c| c * shade), opacity * smoothstep(1.0, 1.0 - blur, radius))
    });
}
