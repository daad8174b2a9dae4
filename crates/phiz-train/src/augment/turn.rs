//! A head turned a little: the crop is laid over a simple surface of a face, the surface is rotated in space, and what
//! the camera then sees is aligned again by its landmarks, as a detector would do it.
//!
//! The surface is one for everybody, half an ellipsoid and a nose, and nothing that was hidden comes to light. Up to about 25
//! degrees that looks like the same person turned; the teacher, who sees the same picture, says how like.

use phiz_image::Similarity;

use super::wear::TEMPLATE;

/// Middle of the head in the aligned crop.
const MIDDLE: [f32; 2] = [56.5, 66.0];
/// Half the width, height and depth of the ellipsoid, in pixels of the aligned crop.
const HALF: [f32; 3] = [50.0, 66.0, 46.0];
/// How far the tip of the nose stands out, and how wide the nose is.
const NOSE: (f32, f32) = (13.0, 9.0);
/// Steps by which the place on the surface behind a pixel is found.
const STEPS: usize = 4;

/// A rotation in space, and the alignment that follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Sine and cosine of the turn to the side.
    yaw: (f32, f32),
    /// Sine and cosine of the nod.
    pitch: (f32, f32),
    /// From the aligned crop to the plane of the rotated head.
    aligned: Similarity,
}

/// How far the face stands out before the plane of its rim at a place relative to its middle.
#[inline]
fn depth(x: f32, y: f32) -> f32 {
    let [dx, dy] = [x * (1.0 / HALF[0]), y * (1.0 / HALF[1])];
    let dome = HALF[2] * (1.0 - dx * dx - dy * dy).max(0.0).sqrt();
    let [nx, ny] = [x - (TEMPLATE[2][0] - MIDDLE[0]), y - (TEMPLATE[2][1] - MIDDLE[1])];
    // (1 - r²/16)⁸ is nearly e^(-r²/2), but takes a handful of multiplications.
    let near = (1.0 - (nx * nx + ny * ny) * (1.0 / (16.0 * NOSE.1 * NOSE.1))).max(0.0);
    let square = near * near;
    let fourth = square * square;
    dome + NOSE.0 * (fourth * fourth)
}

impl Turn {
    /// A turn to the side and a nod, in radians; none where landmarks would fall together.
    pub(super) fn new(yaw: f32, pitch: f32) -> Option<Turn> {
        let here = Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };
        let turn = Turn { yaw: yaw.sin_cos(), pitch: pitch.sin_cos(), aligned: here };
        let rotated = TEMPLATE.map(|point| turn.seen(point));
        Some(Turn { aligned: Similarity::estimate(&TEMPLATE, &rotated)?, ..turn })
    }

    /// Where a place on the face is seen after the rotation, before it is aligned.
    fn seen(&self, point: [f32; 2]) -> [f32; 2] {
        let ((s, c), (t, d)) = (self.yaw, self.pitch);
        let (x, y) = (point[0] - MIDDLE[0], point[1] - MIDDLE[1]);
        let z = depth(x, y);
        let (x, z) = (x * c + z * s, z * c - x * s);
        [x + MIDDLE[0], y * d - z * t + MIDDLE[1]]
    }

    /// Places of the turned and aligned crop become those of the unturned one that are seen there.
    pub(super) fn sources(&self, places: &mut [[f32; 2]]) {
        let ((s, c), (t, d)) = (self.yaw, self.pitch);
        let (per_c, per_d) = (1.0 / c, 1.0 / d);
        for place in places {
            let [u, v] = self.aligned.apply(*place);
            let (u, v) = (u - MIDDLE[0], v - MIDDLE[1]);
            // Where a place is seen hangs on its depth, and its depth on the place: a few rounds settle it.
            let (mut x, mut y) = (u, v);
            for _ in 0..STEPS {
                let z = depth(x, y);
                x = (u - z * s) * per_c;
                y = (v + (z * c - x * s) * t) * per_d;
            }
            *place = [x + MIDDLE[0], y + MIDDLE[1]];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_turn_moves_nothing() {
        let none = Turn::new(0.0, 0.0).expect("a turn");
        for at in [[0.0, 0.0], [56.0, 72.0], [111.0, 3.0]] {
            let mut source = [at];
            none.sources(&mut source);
            let [source] = source;
            assert!(
                (source[0] - at[0]).abs() < 1e-3 && (source[1] - at[1]).abs() < 1e-3,
                "{at:?}: {source:?}"
            );
        }
    }

    #[test]
    fn what_is_seen_comes_from_where_it_was() {
        for (yaw, pitch) in [(0.3f32, 0.0f32), (-0.35, 0.1), (0.0, 0.2), (0.2, -0.15)] {
            let turn = Turn::new(yaw, pitch).expect("a turn");
            let back = turn.aligned.inverse().expect("an inverse");
            for place in [[38.0, 52.0], [74.0, 52.0], [45.0, 92.0], [70.0, 92.0], [56.0, 40.0]] {
                let mut found = [back.apply(turn.seen(place))];
                turn.sources(&mut found);
                let [found] = found;
                let off = (found[0] - place[0]).hypot(found[1] - place[1]);
                assert!(off < 0.6, "{yaw} {pitch}: {place:?} came from {found:?}");
            }
        }
    }

    #[test]
    fn landmarks_stay_near_where_alignment_brings_them() {
        let turn = Turn::new(25f32.to_radians(), 0.0).expect("a turn");
        let back = turn.aligned.inverse().expect("an inverse");
        let [nose, eyes] = [back.apply(turn.seen(TEMPLATE[2])), back.apply(turn.seen(TEMPLATE[0]))];
        assert!((eyes[0] - TEMPLATE[0][0]).abs() < 6.0, "{eyes:?}");
        // The nose of a head that turns moves to the side of it.
        assert!(nose[0] - TEMPLATE[2][0] > 3.0, "{nose:?}");
    }
}
