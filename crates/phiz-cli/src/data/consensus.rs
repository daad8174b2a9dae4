//! A face looked at several times: at up to three sizes, each also mirrored. Where the looks agree is where the face
//! is; a face that few of them see is doubtful.

use phiz_face::iou;
use phiz_image::Similarity;

use crate::{Analyzer, Detection, FaceError, Image};

/// Height of the face in pixels and side of the view. A detector's landmarks shift with the size at which it sees the
/// face (YuNet-n's by up to 3.6 % of the eye distance); at these sizes it sees the most.
const VIEWS: [(f32, u32); 3] = [(150.0, 320), (210.0, 448), (290.0, 576)];
/// A face is not enlarged more often than this, except for the first view: there is no more to see.
const LARGEST_ZOOM: f32 = 4.0;

/// What the looks come to.
pub(crate) struct Refined {
    pub(crate) bbox: [f32; 4],
    pub(crate) landmarks: [[f32; 2]; 5],
    /// The share of looks that saw the face.
    pub(crate) agreed: f32,
}

/// Looks again at a face that was found in `picture` (whose pixels are its own), with scores down to `floor`; the
/// mean of what is seen, weighted by the squared score.
///
/// # Errors
/// A network that fails.
pub(crate) fn refine(
    engine: &Analyzer,
    picture: &Image,
    found: &Detection,
    floor: f32,
) -> Result<Refined, FaceError> {
    let size = found.size().max(1.0);
    let [x, y, w, h] = found.bbox;
    let mut seen: Vec<Detection> = Vec::new();
    let mut looks = 0;
    for (face, side) in VIEWS {
        if looks > 0 && face > LARGEST_ZOOM * size {
            break;
        }
        let (zoom, half) = (face / size, side as f32 / 2.0);
        let (tx, ty) = (half - zoom * (x + w / 2.0), half - zoom * (y + h / 2.0));
        let view = picture.warp(&Similarity { a: zoom, b: 0.0, tx, ty }, side, side);
        let back = |[u, v]: [f32; 2]| [(u - tx) / zoom, (v - ty) / zoom];
        for mirror in [false, true] {
            looks += 1;
            let shown = if mirror { engine.look(&view.mirrored(), floor) } else { engine.look(&view, floor) };
            let all = shown?.into_iter().map(|d| {
                let d = if mirror { d.mirrored(side as f32) } else { d };
                let [left, top] = back([d.bbox[0], d.bbox[1]]);
                let bbox = [left, top, d.bbox[2] / zoom, d.bbox[3] / zoom];
                Detection { bbox, score: d.score, landmarks: d.landmarks.map(back) }
            });
            let same = all.filter(|d| iou(&d.bbox, &found.bbox) > 0.5);
            seen.extend(same.max_by(|a, b| a.score.total_cmp(&b.score)));
        }
    }
    if seen.is_empty() {
        return Ok(Refined { bbox: found.bbox, landmarks: found.landmarks, agreed: 0.0 });
    }
    let total: f32 = seen.iter().map(|d| d.score * d.score).sum();
    let (mut bbox, mut landmarks) = ([0.0; 4], [[0.0; 2]; 5]);
    for d in &seen {
        let weight = d.score * d.score / total.max(1e-12);
        bbox.iter_mut().zip(d.bbox).for_each(|(sum, v)| *sum += weight * v);
        for (sum, point) in landmarks.iter_mut().zip(d.landmarks) {
            sum.iter_mut().zip(point).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    Ok(Refined { bbox, landmarks, agreed: seen.len() as f32 / looks as f32 })
}
