//! From a detector's maps to detections, in pixels of the network's input.

use phiz_engine::Tensor;
use phiz_net::card::Decode;

use crate::Detection;

const STRIDES: [usize; 3] = [8, 16, 32];

/// Reads the outputs of one picture of `width` × `height` (multiples of 32), named `names`; detections below
/// `score` are left out. An error names what is missing or of the wrong size.
pub(crate) fn decode(
    kind: Decode,
    names: &[String],
    outputs: &[Tensor],
    (width, height): (usize, usize),
    score: f32,
) -> Result<Vec<Detection>, String> {
    let mut found = Vec::new();
    for (level, s) in STRIDES.into_iter().enumerate() {
        let (columns, rows) = (width / s, height / s);
        let cells = columns * rows;
        let part = |name: String, position: usize, each: usize| -> Result<&[f32], String> {
            let index = names.iter().position(|n| *n == name).unwrap_or(position);
            let tensor = outputs.get(index).ok_or_else(|| format!("has no output {name:?}"))?;
            if tensor.data.len() != cells * each {
                return Err(format!(
                    "output {name:?} has shape {:?} for {rows}×{columns} cells",
                    tensor.shape
                ));
            }
            Ok(&tensor.data)
        };
        let stride = s as f32;
        let at = |cell: usize| [(cell % columns) as f32 * stride, (cell / columns) as f32 * stride];
        match kind {
            Decode::Phiz => {
                let scores = part(format!("score_{s}"), level * 3, 1)?;
                let sides = part(format!("box_{s}"), level * 3 + 1, 4)?;
                let points = part(format!("points_{s}"), level * 3 + 2, 10)?;
                for cell in (0..cells).filter(|&c| scores[c] >= score) {
                    let [x, y] = at(cell).map(|v| v + stride / 2.0);
                    let d = |i: usize| sides[i * cells + cell] * stride;
                    let p = |i: usize| points[i * cells + cell] * stride;
                    found.push(Detection {
                        bbox: [x - d(0), y - d(1), d(0) + d(2), d(1) + d(3)],
                        score: scores[cell],
                        landmarks: [0, 1, 2, 3, 4].map(|k| [x + p(2 * k), y + p(2 * k + 1)]),
                    });
                }
            }
            Decode::Yunet => {
                let class = part(format!("cls_{s}"), level, 1)?;
                let object = part(format!("obj_{s}"), 3 + level, 1)?;
                let boxes = part(format!("bbox_{s}"), 6 + level, 4)?;
                let points = part(format!("kps_{s}"), 9 + level, 10)?;
                for cell in 0..cells {
                    let value = (class[cell].clamp(0.0, 1.0) * object[cell].clamp(0.0, 1.0)).sqrt();
                    if value < score {
                        continue;
                    }
                    // YuNet counts from the cell's corner; its pixels are points, so their centres are at whole
                    // numbers and half a pixel is added.
                    let [x, y] = at(cell);
                    let b = &boxes[cell * 4..][..4];
                    let (w, h) = (b[2].exp() * stride, b[3].exp() * stride);
                    let p = &points[cell * 10..][..10];
                    let landmark = |k: usize| [x + p[2 * k] * stride + 0.5, y + p[2 * k + 1] * stride + 0.5];
                    found.push(Detection {
                        bbox: [x + b[0] * stride - w / 2.0, y + b[1] * stride - h / 2.0, w, h],
                        score: value,
                        landmarks: [0, 1, 2, 3, 4].map(landmark),
                    });
                }
            }
            Decode::Scrfd => {
                let scores = part(format!("score_{s}"), level, 2)?;
                let sides = part(format!("bbox_{s}"), 3 + level, 8)?;
                let points = part(format!("kps_{s}"), 6 + level, 20)?;
                for anchor in (0..cells * 2).filter(|&a| scores[a] >= score) {
                    let [x, y] = at(anchor / 2);
                    let d = |i: usize| sides[anchor * 4 + i] * stride;
                    let p = |i: usize| points[anchor * 10 + i] * stride;
                    found.push(Detection {
                        bbox: [x - d(0), y - d(1), d(0) + d(2), d(1) + d(3)],
                        score: scores[anchor],
                        landmarks: [0, 1, 2, 3, 4].map(|k| [x + p(2 * k) + 0.5, y + p(2 * k + 1) + 0.5]),
                    });
                }
            }
            Decode::Arcface => return Err("is an embedder, not a detector".into()),
        }
    }
    found.retain(|d| {
        let numbers = d.bbox.iter().chain(d.landmarks.iter().flatten());
        numbers.copied().all(f32::is_finite) && d.bbox[2] > 0.0 && d.bbox[3] > 0.0
    });
    Ok(found)
}
