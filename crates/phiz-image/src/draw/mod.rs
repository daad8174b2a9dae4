//! Marks on a picture: frames, dots and labels. Whatever lies outside is cut off.

mod place;
mod text;

use font8x8::UnicodeFonts;

pub use place::place_labels;
pub use text::{Drawn, Fonts, measure, text};

use crate::Image;

/// The frame of `[x, y, w, h]`, `thickness` pixels wide, drawn inwards.
pub fn rectangle(image: &mut Image, [x, y, w, h]: [f32; 4], thickness: u32, colour: [u8; 3]) {
    let t = thickness.max(1) as f32;
    for side in [[x, y, w, t], [x, y + h - t, w, t], [x, y, t, h], [x + w - t, y, t, h]] {
        fill(image, side, colour);
    }
}

/// A filled `[x, y, w, h]`.
pub fn fill(image: &mut Image, [x, y, w, h]: [f32; 4], colour: [u8; 3]) {
    let bound = |v: f32, size: u32| v.round().clamp(0.0, size as f32) as usize;
    let (left, right) = (bound(x, image.width), bound(x + w, image.width));
    let (top, bottom) = (bound(y, image.height), bound(y + h, image.height));
    let width = image.width as usize;
    for row in top..bottom {
        for pixel in
            image.pixels[(row * width + left.min(right)) * 3..(row * width + right) * 3].chunks_exact_mut(3)
        {
            pixel.copy_from_slice(&colour);
        }
    }
}

/// A filled disc.
pub fn disc(image: &mut Image, [x, y]: [f32; 2], radius: f32, colour: [u8; 3]) {
    let mut row = (y - radius).floor();
    while row <= y + radius {
        let dy = row + 0.5 - y;
        let half = (radius * radius - dy * dy).max(0.0).sqrt();
        if half > 0.0 {
            fill(image, [x - half, row, 2.0 * half, 1.0], colour);
        }
        row += 1.0;
    }
}

/// Text on a filled ground, its top left corner at `(x, y)`; each letter is 8·`scale` pixels square. Letters that
/// the built-in font lacks are shown as `?`. Returns the label's width.
pub fn label(
    image: &mut Image,
    text: &str,
    [x, y]: [f32; 2],
    scale: u32,
    ink: [u8; 3],
    ground: [u8; 3],
) -> f32 {
    let s = scale.max(1) as f32;
    let width = label_width(text, scale);
    fill(image, [x, y, width, 10.0 * s], ground);
    for (position, letter) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS
            .get(letter)
            .or_else(|| font8x8::LATIN_FONTS.get(letter))
            .or_else(|| font8x8::GREEK_FONTS.get(letter))
            .or_else(|| font8x8::BASIC_FONTS.get('?'))
            .unwrap_or_default();
        for (row, bits) in glyph.into_iter().enumerate() {
            for column in (0..8).filter(|c| bits >> c & 1 == 1) {
                let left = x + (position * 8 + column + 1) as f32 * s;
                fill(image, [left, y + (row + 1) as f32 * s, s, s], ink);
            }
        }
    }
    width
}

/// Width of a label in pixels.
#[must_use]
pub fn label_width(text: &str, scale: u32) -> f32 {
    ((text.chars().count() * 8 + 2) * scale.max(1) as usize) as f32
}
