//! Faces marked in a picture, for people to look at.

use phiz_image::{Image, draw};

use crate::FaceAnswer;

/// Colour of a face that was detected, or of a person who was recognised.
pub const KNOWN: [u8; 3] = [64, 224, 128];
/// Colour of a face that was not recognised.
pub const NOT_KNOWN: [u8; 3] = [255, 196, 64];
const INK: [u8; 3] = [16, 32, 24];

/// A face to be marked in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark<'a> {
    /// The face, which says where it is.
    pub face: &'a FaceAnswer,
    /// The text beside it.
    pub label: String,
    /// Its colour.
    pub colour: [u8; 3],
}

/// The picture with boxes, landmarks and labels.
#[must_use]
pub fn marked<'a>(mut image: Image, marks: impl IntoIterator<Item = Mark<'a>>) -> Image {
    for mark in marks {
        mark.draw(&mut image);
    }
    image
}

impl Mark<'_> {
    fn draw(&self, image: &mut Image) {
        let scale = image.scale();
        let [x, y, w, h] = self.face.bbox.map(|v| v * scale);
        let line = (image.width().max(image.height()) as f32 / 500.0).min(w.min(h) / 12.0).max(1.0);
        draw::rectangle(image, [x, y, w, h], line.round() as u32, self.colour);
        for point in self.face.landmarks {
            draw::disc(image, point.map(|v| v * scale), line, self.colour);
        }
        // One size for all labels of a photo.
        let size = (image.width().max(image.height()) / 550).clamp(1, 6);
        let height = 10.0 * size as f32;
        let top = if y >= height { y - height } else { y + h };
        let left = x.min(image.width() as f32 - draw::label_width(&self.label, size)).max(0.0);
        draw::label(image, &self.label, [left, top], size, INK, self.colour);
    }
}
