//! Where a face goes in the 112×112 picture that embedders read.

use phiz_image::{Image, ImageView, Similarity};

use crate::Detection;

/// Side of an aligned face in pixels.
pub const ALIGNED_SIZE: u32 = 112;

/// Where the landmarks of a [`Detection`] lie in an aligned face, in pixels and in the same order: the usual five-point
/// template (InsightFace's, with half a pixel added because our origin is a pixel's corner).
pub const TEMPLATE_POINTS: [[f32; 2]; 5] =
    [[38.7946, 52.1963], [74.0318, 52.0014], [56.5252, 72.2366], [42.0493, 92.8655], [71.2299, 92.7041]];

/// The least-squares similarity (Umeyama 1991) from pixels of the photo to pixels of the aligned face; none if the
/// landmarks coincide.
#[must_use]
pub fn alignment(landmarks: &[[f32; 2]; 5]) -> Option<Similarity> {
    Similarity::estimate(landmarks, &TEMPLATE_POINTS)
}

/// The aligned face: a picture of 112×112 pixels in which eyes, nose and mouth lie where the embedder expects them, black
/// where it reaches outside of the photo. `detection` is in pixels of the original photo.
///
/// Where landmarks coincide, and so tell no turn, the box is used.
#[must_use]
pub fn align<'a>(image: impl Into<ImageView<'a>>, detection: &Detection) -> Image {
    let image = image.into();
    let scaled = detection.landmarks.map(|p| p.map(|v| v * image.scale()));
    let [x, y, w, h] = detection.bbox.map(|v| v * image.scale());
    let transform = alignment(&scaled)
        .or_else(|| Similarity::estimate(&[[x, y], [x + w, y + h]], &[[16.0, 4.0], [96.0, 108.0]]));
    match transform {
        Some(t) => image.warp(&t, ALIGNED_SIZE, ALIGNED_SIZE),
        None => image.resize(ALIGNED_SIZE, ALIGNED_SIZE),
    }
}
