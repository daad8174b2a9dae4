//! Losses, written over [`Backend`].

use crate::backend::Backend;

const TINY: f64 = 1e-12;

/// Rows of `[n, d]` brought to unit length.
pub fn unit<B: Backend>(b: &B, x: &B::Tensor) -> B::Tensor {
    let squared = b.sum_axis(&b.mul(x, x), 1);
    b.div(x, &b.sqrt(&b.affine(&squared, 1.0, TINY)))
}

/// Mean over the batch of `1 − cos(x, target)`; both `[n, d]` of unit rows.
pub fn cosine_distillation<B: Backend>(b: &B, x: &B::Tensor, target: &B::Tensor) -> B::Tensor {
    let n = b.shape(x)[0] as f64;
    b.affine(&b.sum(&b.mul(x, target)), -1.0 / n, 1.0)
}

/// Relational distillation (Park et al. 2019): mean squared difference of all cosines within the batch.
pub fn relational_distillation<B: Backend>(b: &B, x: &B::Tensor, target: &B::Tensor) -> B::Tensor {
    let n = b.shape(x)[0] as f64;
    let d = b.sub(&b.matmul_transposed(x, x), &b.matmul_transposed(target, target));
    b.affine(&b.sum(&b.mul(&d, &d)), 1.0 / (n * n), 0.0)
}

/// CosFace (Wang et al. 2018): cross entropy of `scale · (cos θ − margin·[own class])` over the rows that have
/// a label. `x` `[n, d]` and `centres` `[classes, d]` of unit rows; `labels[i]` is none for rows without one.
/// Zero if no row has a label.
pub fn cosface<B: Backend>(
    b: &B,
    x: &B::Tensor,
    centres: &B::Tensor,
    labels: &[Option<usize>],
    scale: f64,
    margin: f32,
) -> B::Tensor {
    let classes = b.shape(centres)[0];
    let mut own = vec![0f32; labels.len() * classes];
    for (row, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            own[row * classes + label] = 1.0;
        }
    }
    let own = b.constant(&own, &[labels.len(), classes]);
    let logits = b.sub(&b.matmul_transposed(x, centres), &b.affine(&own, f64::from(margin), 0.0));
    let likelihood = b.mul(&own, &b.log_softmax(&b.affine(&logits, scale, 0.0)));
    let labelled = labels.iter().flatten().count().max(1) as f64;
    b.affine(&b.sum(&likelihood), -1.0 / labelled, 0.0)
}

/// What the cells of one stride should say; all maps have the batch's `[n, channels, h, w]`.
#[derive(Clone, Debug, Default)]
pub struct CellTargets {
    /// Batch, height, width.
    pub shape: [usize; 3],
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
    /// Quality focal loss of the score (Li et al. 2020), its target being the box's IoU.
    pub score: T,
    /// `1 − GIoU` of boxes (Rezatofighi et al. 2019).
    pub sides: T,
    /// Mean distance of landmarks as a fraction of the face, ten numbers summed.
    pub points: T,
}

/// The detector's loss at one stride: `score` `[n, 1, h, w]` after the sigmoid, `sides` positive.
pub fn detector<B: Backend>(
    b: &B,
    score: &B::Tensor,
    sides: &B::Tensor,
    points: &B::Tensor,
    target: &CellTargets,
) -> DetectorLoss<B::Tensor> {
    let [n, h, w] = target.shape;
    let map = |data: &[f32], channels: usize| b.constant(data, &[n, channels, h, w]);
    let (positive, counts) = (map(&target.positive, 1), map(&target.counts, 1));
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

    let quality = b.detach(&b.mul(&positive, &b.clamp(&iou, 0.0, 1.0)));
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
