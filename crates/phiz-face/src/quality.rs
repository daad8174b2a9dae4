//! How a head is turned and how much a face is worth to an embedder, told from five points and the aligned crop.

use phiz_image::Image;

use crate::Detection;
use crate::align::TEMPLATE_POINTS;

/// Turn of a head in degrees, a geometric estimate from five landmarks (about ±10°, no more).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Positive where the person looks towards the right side of the picture.
    pub yaw: f32,
    /// Positive where the person looks up.
    pub pitch: f32,
    /// Positive where the head leans clockwise on the screen.
    pub roll: f32,
}

/// How far the tip of the nose stands before the plane of eyes and mouth, in eye distances (anthropometric mean).
const NOSE: f32 = 0.55;

/// The pose that a rigid head with a nose of `NOSE` eye distances would have.
#[must_use]
pub fn pose(landmarks: &[[f32; 2]; 5]) -> Pose {
    let middle = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let sub = |a: [f32; 2], b: [f32; 2]| [a[0] - b[0], a[1] - b[1]];
    let [right, left, nose, mouth_right, mouth_left] = *landmarks;
    let across = sub(left, right);
    let roll = across[1].atan2(across[0]);
    let (sin, cos) = roll.sin_cos();
    let upright = |v: [f32; 2]| [cos * v[0] + sin * v[1], cos * v[1] - sin * v[0]];
    let eyes = middle(right, left);
    let down = upright(sub(middle(mouth_right, mouth_left), eyes));
    let tip = upright(sub(nose, eyes));
    let eye_distance = across[0].hypot(across[1]).max(1e-6);
    // Where the nose's foot would be on the line from eyes to mouth, seen from the front.
    let [r, l, n, mr, ml] = TEMPLATE_POINTS;
    let rest = (n[1] - (r[1] + l[1]) / 2.0) / ((mr[1] + ml[1]) / 2.0 - (r[1] + l[1]) / 2.0);
    let height = down[1].abs().max(0.3 * eye_distance);
    let yaw = ((tip[0] - down[0] * rest) / eye_distance / NOSE).atan();
    let pitch = ((down[1] * rest - tip[1]) / height / NOSE).atan();
    Pose { yaw: yaw.to_degrees(), pitch: pitch.to_degrees(), roll: roll.to_degrees() }
}

/// Worth of a face to an embedder, 0 to 1: the geometric mean of five factors, each 1 where nothing is lost.
/// - size: eye distance over 32 pixels of the original;
/// - sharpness: mean absolute Laplacian of the aligned crop's luminance over its contrast, over 0.18;
/// - pose: cosine of yaw and of pitch, cubed;
/// - light: contrast (standard deviation of luminance) over 32 levels, and no more than half black or white;
/// - the detector's score.
#[must_use]
pub fn quality(detection: &Detection, aligned: &Image) -> f32 {
    let [right, left, ..] = detection.landmarks;
    let size = ((left[0] - right[0]).hypot(left[1] - right[1]) / 32.0).min(1.0);
    let pose = pose(&detection.landmarks);
    let turned = (pose.yaw.to_radians().cos() * pose.pitch.to_radians().cos()).max(0.0).powi(3);

    // The middle of the crop is face whatever the pose; its edge may be hair, wall or the photo's end.
    let (w, h) = (aligned.width() as usize, aligned.height() as usize);
    let luminance = |x: usize, y: usize| {
        let p = &aligned.pixels()[(y * w + x) * 3..][..3];
        0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])
    };
    let (mut sum, mut squares, mut edges, mut clipped, mut count) = (0.0, 0.0, 0.0, 0.0, 0.0f32);
    for y in h / 4..h * 9 / 10 {
        for x in w / 5..w * 4 / 5 {
            let v = luminance(x, y);
            let around =
                luminance(x - 1, y) + luminance(x + 1, y) + luminance(x, y - 1) + luminance(x, y + 1);
            edges += (4.0 * v - around).abs();
            sum += v;
            squares += v * v;
            clipped += f32::from(!(8.0..=247.0).contains(&v));
            count += 1.0;
        }
    }
    let count = count.max(1.0);
    let mean = sum / count;
    let contrast = (squares / count - mean * mean).max(0.0).sqrt();
    let sharpness = (edges / count / contrast.max(4.0) / 0.18).min(1.0);
    let light = (contrast / 32.0).min(1.0) * (2.0 - 2.0 * clipped / count).min(1.0);

    let factors = [size, sharpness, turned, light, detection.score.clamp(0.0, 1.0)];
    factors.iter().map(|f| f.max(1e-6)).product::<f32>().powf(1.0 / factors.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_looks_straight_ahead() {
        let p = pose(&TEMPLATE_POINTS);
        assert!(p.yaw.abs() < 2.0 && p.pitch.abs() < 2.0 && p.roll.abs() < 1.0, "{p:?}");
    }

    #[test]
    fn a_rotated_head_is_told() {
        // A rigid head: points in eye distances, z towards the viewer, turned and projected.
        let head =
            [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.57, NOSE], [-0.4, 1.15, 0.0], [0.4, 1.15, 0.0]];
        for (yaw, pitch, roll) in [
            (0.0f32, 0.0f32, 20.0f32),
            (30.0, 0.0, 0.0),
            (-25.0, 0.0, 10.0),
            (0.0, 20.0, 0.0),
            (0.0, -20.0, -30.0),
        ] {
            let (ys, yc) = yaw.to_radians().sin_cos();
            let (ps, pc) = pitch.to_radians().sin_cos();
            let (rs, rc) = roll.to_radians().sin_cos();
            let points = head.map(|[x, y, z]| {
                let (x, z) = (x * yc + z * ys, z * yc - x * ys);
                let y = y * pc - z * ps;
                [100.0 * (x * rc - y * rs), 100.0 * (x * rs + y * rc)]
            });
            let p = pose(&points);
            let off = (p.yaw - yaw).abs().max((p.pitch - pitch).abs()).max((p.roll - roll).abs());
            assert!(off < 8.0, "{yaw} {pitch} {roll}: {p:?}");
        }
    }
}
