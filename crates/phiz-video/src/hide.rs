//! Making faces unrecognisable in a picture.

use phiz_image::{Image, draw};

/// How a face is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hiding {
    /// Blurred so much that no feature is left.
    #[default]
    Blur,
    /// A few large squares of one colour each.
    Pixelate,
    /// Covered by one colour.
    Cover,
}

/// A face is hidden together with so much of its surroundings, as a share of the box's sides: chin, hair and ears, and what
/// a box may be wrong by.
pub const AROUND: f32 = 0.25;
/// Squares across a pixelated face.
const SQUARES: f32 = 4.0;

/// Hides what lies within an ellipse around a face's box, given in pixels of the picture. The corners of the box stay, so
/// that as little as possible is lost beside the face.
pub fn hide(image: &mut Image, [x, y, w, h]: [f32; 4], how: Hiding) {
    let (cx, cy) = (x + w / 2.0, y + h / 2.0);
    // The ellipse goes through the corners of the box.
    let (rx, ry) = (w * (0.5 + AROUND), h * (0.5 + AROUND));
    let (width, height) = (image.width(), image.height());
    let clamp = |from: f32, to: f32, end: u32| {
        let from = from.floor().clamp(0.0, end as f32) as u32;
        (from, (to.ceil().clamp(0.0, end as f32) as u32).saturating_sub(from))
    };
    let ((left, columns), (top, rows)) = (clamp(cx - rx, cx + rx, width), clamp(cy - ry, cy + ry, height));
    let Ok(part) = image.crop(left, top, columns, rows) else { return };
    let hidden = match how {
        Hiding::Cover => {
            let mut covered = part.clone();
            draw::fill(&mut covered, [0.0, 0.0, columns as f32, rows as f32], mean(&part));
            covered
        }
        // Few samples, each a mean over its part of the face, are all that is left; then they are drawn large.
        Hiding::Pixelate => squares(&part, SQUARES),
        Hiding::Blur => smooth(&part),
    };
    let row_bytes = width as usize * 3;
    let pixels = image.pixels_mut();
    for j in 0..rows as usize {
        for i in 0..columns as usize {
            let (u, v) = ((left as f32 + i as f32 + 0.5 - cx) / rx, (top as f32 + j as f32 + 0.5 - cy) / ry);
            if u * u + v * v <= 1.0 {
                let to = (top as usize + j) * row_bytes + (left as usize + i) * 3;
                let from = (j * columns as usize + i) * 3;
                pixels[to..to + 3].copy_from_slice(&hidden.pixels()[from..from + 3]);
            }
        }
    }
}

fn mean(image: &Image) -> [u8; 3] {
    let count = (image.pixels().len() / 3).max(1) as u64;
    [0, 1, 2].map(|c| {
        let sum: u64 = image.pixels().iter().skip(c).step_by(3).map(|v| u64::from(*v)).sum();
        (sum / count) as u8
    })
}

/// So many squares along the shorter side.
fn squares(image: &Image, count: f32) -> Image {
    let side = (image.width().min(image.height()) as f32 / count).max(1.0);
    let cells = |length: u32| ((length as f32 / side).round() as u32).max(1);
    let small = image.resize(cells(image.width()), cells(image.height()));
    let mut pixels = Vec::with_capacity(image.pixels().len());
    for j in 0..image.height() {
        for i in 0..image.width() {
            let at = |k: u32, length: u32, cells: u32| {
                (u64::from(k) * u64::from(cells) / u64::from(length.max(1))) as usize
            };
            let (column, row) = (at(i, image.width(), small.width()), at(j, image.height(), small.height()));
            let from = (row * small.width() as usize + column) * 3;
            pixels.extend_from_slice(&small.pixels()[from..from + 3]);
        }
    }
    Image::from_rgb(image.width(), image.height(), pixels).unwrap_or(small)
}

/// Blurred by a wide bell curve: shrunk to a handful of samples and enlarged smoothly, so that what was between them is gone.
fn smooth(image: &Image) -> Image {
    let short = image.width().min(image.height()) as f32;
    let cells = |length: u32| ((length as f32 / short * 3.0).round() as u32).clamp(1, length.max(1));
    image.resize(cells(image.width()), cells(image.height())).resize(image.width(), image.height())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ellipse_changes_and_nothing_of_it_is_left() {
        let pixels: Vec<u8> = (0..100 * 80 * 3).map(|i| (i * 7919 % 251) as u8).collect();
        let before = Image::from_rgb(100, 80, pixels).unwrap();
        for how in [Hiding::Blur, Hiding::Pixelate, Hiding::Cover] {
            let mut after = before.clone();
            hide(&mut after, [30.0, 20.0, 40.0, 40.0], how);
            let at = |image: &Image, x: usize, y: usize| image.pixels()[(y * 100 + x) * 3..][..3].to_vec();
            assert_eq!(at(&after, 5, 5), at(&before, 5, 5), "{how:?}");
            // Neighbours inside hardly differ, where they differed at random.
            let rough = |image: &Image| -> i32 {
                (35..60)
                    .map(|x| (i32::from(at(image, x, 40)[0]) - i32::from(at(image, x + 1, 40)[0])).abs())
                    .sum()
            };
            assert!(rough(&after) * 8 < rough(&before), "{how:?} {} {}", rough(&after), rough(&before));
        }
    }

    #[test]
    fn faces_at_the_edge_and_outside_are_no_trouble() {
        let before = Image::from_rgb(20, 10, vec![100; 600]).unwrap();
        for bbox in [
            [-5.0, -5.0, 10.0, 10.0],
            [18.0, 8.0, 30.0, 30.0],
            [50.0, 50.0, 5.0, 5.0],
            [3.0, 3.0, 0.0, 0.0],
            [0.0, 0.0, 500.0, 500.0],
        ] {
            for how in [Hiding::Blur, Hiding::Pixelate, Hiding::Cover] {
                hide(&mut before.clone(), bbox, how);
            }
        }
    }
}
