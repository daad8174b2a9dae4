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

/// A picture with its faces marked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Marked {
    /// The picture.
    pub image: Image,
    /// Characters of the labels that no font on this machine can draw; a frame stands in their place.
    pub missing: String,
}

/// The picture with boxes, landmarks and labels, which stand where they cover no face. Labels are drawn with the system's
/// fonts, in any script that they have.
#[must_use]
pub fn marked<'a>(mut image: Image, marks: impl IntoIterator<Item = Mark<'a>>) -> Marked {
    let marks: Vec<Mark<'a>> = marks.into_iter().collect();
    marks.iter().for_each(|mark| mark.frame(&mut image));
    let fonts = draw::Fonts::system();
    // One size for all labels of a photo.
    let size = (image.width().max(image.height()) as f32 / 45.0).clamp(10.0, 60.0);
    let boxes: Vec<[f32; 4]> = marks.iter().map(|mark| mark.place(&image)).collect();
    let measured: Vec<[f32; 2]> = marks
        .iter()
        .map(|mark| draw::measure(fonts, &mark.label, size))
        .map(|drawn| [drawn.width, drawn.height])
        .collect();
    let places = draw::place_labels([image.width(), image.height()], &boxes, &measured);
    let mut missing = String::new();
    for (mark, place) in marks.iter().zip(places) {
        let drawn = draw::text(&mut image, fonts, &mark.label, place, size, INK, mark.colour);
        let new: String = drawn.missing.chars().filter(|c| !missing.contains(*c)).collect();
        missing.push_str(&new);
    }
    Marked { image, missing }
}

impl Mark<'_> {
    /// The box in pixels of the picture.
    fn place(&self, image: &Image) -> [f32; 4] {
        self.face.bbox.map(|v| v * image.scale())
    }

    fn frame(&self, image: &mut Image) {
        let scale = image.scale();
        let [x, y, w, h] = self.place(image);
        let line = (image.width().max(image.height()) as f32 / 500.0).min(w.min(h) / 12.0).max(1.0);
        draw::rectangle(image, [x, y, w, h], line.round() as u32, self.colour);
        for point in self.face.landmarks {
            draw::disc(image, point.map(|v| v * scale), line, self.colour);
        }
    }
}
