//! Losses that tell people apart: softmax and its kin with a margin on the angle to the own class.
//!
//! All are the cross entropy of logits that differ only in what happens to the logit of a row's own class. With
//! unit rows and unit class centres the logits are cosines; `θ` is the angle to the own centre, `s` the scale,
//! `m` the margin:
//!
//! | | own logit | others |
//! |---|---|---|
//! | softmax | `w·x + b`, lengths free | the same |
//! | NormFace (Wang et al. 2017) | `s cos θ` | `s cos` |
//! | CosFace (Wang et al. 2018) | `s (cos θ − m)` | `s cos` |
//! | ArcFace (Deng et al. 2019) | `s cos(θ + m)`, beyond `π − m`: `s (cos θ − m sin m)` | `s cos` |
//! | AdaFace (Kim et al. 2022) | `s (cos(θ + g) − a)`, `g`, `a` by the row's length | `s cos` |

use serde::{Deserialize, Serialize};

use super::{length, unit};
use crate::backend::Backend;

/// Which loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Plain softmax with biases.
    Softmax,
    /// Unit rows and centres, no margin.
    NormFace,
    /// Margin on the angle.
    ArcFace,
    /// Margin on the cosine.
    #[default]
    CosFace,
    /// Margin by the picture's quality, of which the template's length speaks.
    AdaFace,
}

/// A loss with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Which.
    pub kind: Kind,
    /// `m`.
    pub margin: f64,
    /// `s`.
    pub scale: f64,
    /// Centres of each class; a row counts for the nearest (Deng et al. 2020).
    pub centres: usize,
}

/// AdaFace's `h`: how far the length's deviation reaches.
const CONCENTRATION: f64 = 0.333;
/// AdaFace keeps angles away from 0 and π, where the arc cosine's gradient has no bound.
const ANGLE_EPSILON: f64 = 1e-3;
/// AdaFace's share of a new batch in the running mean and deviation of lengths.
const NORM_SHARE: f32 = 0.01;
/// The same for ArcFace's sine.
const COSINE_LIMIT: f64 = 1.0 - 1e-6;

/// What a head holds beside its centres.
#[derive(Clone, Copy)]
pub struct Head<'a, T> {
    /// `[centres · classes, d]`: all first centres, then all second ones.
    pub weight: &'a T,
    /// `[classes]`, for softmax.
    pub bias: Option<&'a T>,
    /// `[1, classes]`, added to the logits: where the classes are a sample of more, what each of them stands for.
    pub stands_for: Option<&'a T>,
    /// Running mean and deviation of the templates' lengths, `[1]` each, for AdaFace.
    pub lengths: Option<(&'a T, &'a T)>,
}

/// Mean cross entropy over the rows that have a label. `x` `[n, d]`, not yet of unit length; `labels[i]` is none
/// for rows without one. Zero if no row has a label.
pub fn loss<B: Backend>(
    b: &B,
    x: &B::Tensor,
    head: Head<'_, B::Tensor>,
    labels: &[Option<usize>],
    spec: &Margin,
) -> B::Tensor {
    let rows = b.shape(head.weight)[0];
    let classes = rows / spec.centres.max(1);
    let own = b.one_hot(labels, classes);
    let nearest = |logits: B::Tensor| {
        let block = |k: usize| b.narrow(&logits, 1, k * classes, classes);
        (1..spec.centres).fold(block(0), |best, k| b.maximum(&best, &block(k)))
    };
    let logits = if spec.kind == Kind::Softmax {
        let logits = nearest(b.matmul_transposed(x, head.weight));
        head.bias.map_or(logits.clone(), |bias| b.add(&logits, bias))
    } else {
        let cosines = nearest(b.matmul_transposed(&unit(b, x), &unit(b, head.weight)));
        let cosine = b.sum_axis(&b.mul(&own, &cosines), 1);
        let change = match spec.kind {
            Kind::CosFace => Some(b.constant(&vec![-spec.margin as f32; labels.len()], &[labels.len(), 1])),
            Kind::ArcFace => Some(b.sub(&arcface(b, &cosine, spec.margin), &cosine)),
            Kind::AdaFace => Some(b.sub(&adaface(b, x, &cosine, &head, labels, spec.margin), &cosine)),
            Kind::NormFace | Kind::Softmax => None,
        };
        let moved = change.map_or(cosines.clone(), |change| b.add(&cosines, &b.mul(&own, &change)));
        b.affine(&moved, spec.scale, 0.0)
    };
    let logits = head.stands_for.map_or(logits.clone(), |more| b.add(&logits, more));
    let likelihood = b.mul(&own, &b.log_softmax(&logits));
    let labelled = labels.iter().flatten().count().max(1) as f64;
    b.affine(&b.sum(&likelihood), -1.0 / labelled, 0.0)
}

/// `cos(θ + g)` of `cosine` `[n, 1]` for angles `g` by row, none of which depends on anything learnt.
fn turned<B: Backend>(b: &B, cosine: &B::Tensor, angles: &[f64]) -> B::Tensor {
    let column = |f: fn(f64) -> f64| {
        b.constant(&angles.iter().map(|g| f(*g) as f32).collect::<Vec<_>>(), &[angles.len(), 1])
    };
    let c = b.clamp(cosine, -COSINE_LIMIT, COSINE_LIMIT);
    let sine = b.sqrt(&b.affine(&b.mul(&c, &c), -1.0, 1.0));
    b.sub(&b.mul(&c, &column(f64::cos)), &b.mul(&sine, &column(f64::sin)))
}

/// `a` in the rows where `choose` is true, else `otherwise`.
fn by_row<B: Backend>(b: &B, choose: &[bool], a: &B::Tensor, otherwise: &B::Tensor) -> B::Tensor {
    let column = |yes: bool| {
        let part: Vec<f32> = choose.iter().map(|c| f32::from(u8::from(*c == yes))).collect();
        b.constant(&part, &[choose.len(), 1])
    };
    b.add(&b.mul(a, &column(true)), &b.mul(otherwise, &column(false)))
}

fn arcface<B: Backend>(b: &B, cosine: &B::Tensor, margin: f64) -> B::Tensor {
    let n = b.shape(cosine)[0];
    let near: Vec<bool> =
        b.values(cosine).iter().map(|c| f64::from(*c) > (std::f64::consts::PI - margin).cos()).collect();
    let far = b.affine(cosine, 1.0, -margin * margin.sin());
    by_row(b, &near, &turned(b, cosine, &vec![margin; n]), &far)
}

fn adaface<B: Backend>(
    b: &B,
    x: &B::Tensor,
    cosine: &B::Tensor,
    head: &Head<'_, B::Tensor>,
    labels: &[Option<usize>],
    margin: f64,
) -> B::Tensor {
    let lengths: Vec<f32> = b.values(&length(b, &b.detach(x))).iter().map(|l| l.clamp(1e-3, 100.0)).collect();
    let known: Vec<f32> = lengths.iter().zip(labels).filter(|(_, l)| l.is_some()).map(|(v, _)| *v).collect();
    let count = known.len().max(1) as f32;
    let mean = known.iter().sum::<f32>() / count;
    let spread = known.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / (count - 1.0).max(1.0);
    let (mean, deviation) = match head.lengths {
        Some((running_mean, running_deviation)) if known.len() > 1 => {
            let blend = |t: &B::Tensor, new: f32| {
                let blended = b.scalar(t) * (1.0 - NORM_SHARE) + new * NORM_SHARE;
                b.assign(t, &[blended]);
                blended
            };
            (blend(running_mean, mean), blend(running_deviation, spread.sqrt()))
        }
        _ => (mean, spread.sqrt()),
    };
    let quality: Vec<f64> = lengths
        .iter()
        .map(|l| {
            (f64::from(l - mean) / (f64::from(deviation) + ANGLE_EPSILON) * CONCENTRATION).clamp(-1.0, 1.0)
        })
        .collect();
    let angles: Vec<f64> = quality.iter().map(|q| -margin * q).collect();
    // An angle that the margin would turn beyond the ends stands still there, without a gradient.
    let reached = b.values(cosine);
    let reached = reached.iter().zip(&angles).map(|(c, g)| f64::from(c.clamp(-1.0, 1.0)).acos() + g);
    let (low, high) = (ANGLE_EPSILON, std::f64::consts::PI - ANGLE_EPSILON);
    let (inside, ends): (Vec<bool>, Vec<f32>) =
        reached.map(|t| ((low..=high).contains(&t), t.clamp(low, high).cos() as f32)).unzip();
    let n = ends.len();
    let turned = by_row(b, &inside, &turned(b, cosine, &angles), &b.constant(&ends, &[n, 1]));
    let additive: Vec<f32> = quality.iter().map(|q| (margin + margin * q) as f32).collect();
    b.sub(&turned, &b.constant(&additive, &[n, 1]))
}
