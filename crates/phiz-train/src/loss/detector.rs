//! The detector's losses over one stride's cells: quality focal loss of the score, GIoU of the box, distance of
//! landmarks.

use serde::{Deserialize, Serialize};

use crate::backend::Backend;

/// What the score of a cell that stands for a face learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The overlap (IoU) that the cell's own box reaches.
    #[default]
    Overlap,
    /// The root of that overlap: surer faces, so that a higher threshold leaves out more that is none.
    Root,
}

/// How scores are taught.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRule {
    /// Target where a cell stands for a face.
    pub quality: Quality,
    /// Weight of the cells that stand for none.
    pub background: f32,
}

/// Below this the root's target does not fall: an overlap of nothing is no certainty of nothing.
const LEAST_OVERLAP: f64 = 1e-6;

/// What the cells of one stride should say; all maps have the batch's `[n, channels, h, w]`, or `[n, channels]`.
#[derive(Clone, Debug, Default)]
pub struct CellTargets {
    /// Batch, then height and width, or nothing more if a whole picture has one answer.
    pub shape: Vec<usize>,
    /// 1 where a cell stands for a face, else 0: `[n, 1, h, w]`.
    pub positive: Vec<f32>,
    /// 0 where nothing may be learnt of the score (a half-hidden face): `[n, 1, h, w]`.
    pub counts: Vec<f32>,
    /// Left, top, right, bottom in strides, 1 where not positive: `[n, 4, h, w]`.
    pub sides: Vec<f32>,
    /// Landmarks in strides from the centre: `[n, 10, h, w]`.
    pub points: Vec<f32>,
    /// Strides a face's size, inverted, where landmarks are known, else 0: `[n, 1, h, w]`.
    pub point_weight: Vec<f32>,
}

/// Sums of the parts of a detector's loss over one stride, each to be divided by the number of positives.
pub struct DetectorLoss<T> {
    /// Quality focal loss of the score (Li et al. 2020), its target made of the box's IoU.
    pub score: T,
    /// `1 − GIoU` of boxes (Rezatofighi et al. 2019).
    pub sides: T,
    /// Mean distance of landmarks as a fraction of the face, ten numbers summed.
    pub points: T,
}

/// The detector's loss at one stride: `score` `[n, 1, h, w]` after the sigmoid, `sides` positive.
pub fn loss<B: Backend>(
    b: &B,
    score: &B::Tensor,
    sides: &B::Tensor,
    points: &B::Tensor,
    target: &CellTargets,
    rule: ScoreRule,
) -> DetectorLoss<B::Tensor> {
    let map = |data: &[f32], channels: usize| {
        let mut shape = target.shape.clone();
        shape.insert(1, channels);
        b.constant(data, &shape)
    };
    let positive = map(&target.positive, 1);
    let weight =
        |(counts, positive): (&f32, &f32)| if *positive > 0.0 { *counts } else { rule.background * counts };
    let counts: Vec<f32> = target.counts.iter().zip(&target.positive).map(weight).collect();
    let counts = map(&counts, 1);
    let wanted = map(&target.sides, 4);

    let side = |x: &B::Tensor, i: usize| b.narrow(x, 1, i, 1);
    let area = |x: &B::Tensor| b.mul(&b.add(&side(x, 0), &side(x, 2)), &b.add(&side(x, 1), &side(x, 3)));
    // Both boxes hold the cell's centre, so overlap and hull are boxes of the smaller and larger distances.
    let overlap = area(&b.minimum(sides, &wanted));
    let union = b.sub(&b.add(&area(sides), &area(&wanted)), &overlap);
    let iou = b.div(&overlap, &union);
    let hull = area(&b.maximum(sides, &wanted));
    let giou = b.sub(&iou, &b.div(&b.sub(&hull, &union), &hull));
    let sides_loss = b.sum(&b.mul(&positive, &b.affine(&giou, -1.0, 1.0)));

    let overlap_target = match rule.quality {
        Quality::Overlap => b.clamp(&iou, 0.0, 1.0),
        Quality::Root => b.sqrt(&b.clamp(&iou, LEAST_OVERLAP, 1.0)),
    };
    let quality = b.detach(&b.mul(&positive, &overlap_target));
    let p = b.clamp(score, 1e-6, 1.0 - 1e-6);
    let away = b.sub(&quality, &p);
    let entropy = b.affine(
        &b.add(
            &b.mul(&quality, &b.ln(&p)),
            &b.mul(&b.affine(&quality, -1.0, 1.0), &b.ln(&b.affine(&p, -1.0, 1.0))),
        ),
        -1.0,
        0.0,
    );
    let score_loss = b.sum(&b.mul(&counts, &b.mul(&b.mul(&away, &away), &entropy)));

    let off = b.abs(&b.sub(points, &map(&target.points, 10)));
    let points_loss = b.sum(&b.mul(&off, &map(&target.point_weight, 1)));
    DetectorLoss { score: score_loss, sides: sides_loss, points: points_loss }
}
