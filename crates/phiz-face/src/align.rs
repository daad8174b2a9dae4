//! Where the face goes in the 112×112 picture that embedders read.

use phiz_image::Similarity;

/// Side of an aligned face in pixels.
pub const ALIGNED_SIZE: u32 = 112;

/// The usual five-point template (InsightFace's, half a pixel added because our origin is a pixel's corner).
pub const TEMPLATE_POINTS: [[f32; 2]; 5] =
    [[38.7946, 52.1963], [74.0318, 52.0014], [56.5252, 72.2366], [42.0493, 92.8655], [71.2299, 92.7041]];

/// From pixels of the photo to pixels of the aligned face; none if the landmarks coincide.
#[must_use]
pub fn alignment(landmarks: &[[f32; 2]; 5]) -> Option<Similarity> {
    Similarity::estimate(landmarks, &TEMPLATE_POINTS)
}
