//! Groups made less alike: directions of an embedder's templates by which members of a group resemble each other, and
//! nobody is told apart, are taken out of its last layer.
//!
//! Small children, or people of an origin of which a network has seen few, get templates that share a part: the group's mean.
//! The part says "a child" and not which child, but it makes any two of them similar. What all members of a group have in common
//! tells no two of them apart, so it can be left out of templates: the means of many groups span a few strong directions, and a
//! projection along them is a product with the last layer's weights, which costs nothing when templates are made. The idea is
//! that of erasing a concept from a representation by projections (Ravfogel et al. 2020, "Null it out"; Belrose et al.
//! 2023, "LEACE"), here with the plain means of the groups.

use phiz_net::graph::{Architecture, Op};
use phiz_net::onnx::Weights;

use crate::error::TrainError;

/// Fewest faces from which the mean of a group is taken.
pub const FEWEST: usize = 8;

/// The means of groups of unit templates (rows of `dim` numbers): of those groups that have [`FEWEST`] faces or more.
#[must_use]
pub fn means(templates: &[f32], dim: usize, group_of: &[Option<usize>], groups: usize) -> Vec<Vec<f64>> {
    let mut sums = vec![(0usize, vec![0f64; dim]); groups];
    for (row, group) in templates.chunks_exact(dim).zip(group_of) {
        if let Some((count, sum)) = group.and_then(|group| sums.get_mut(group)) {
            *count += 1;
            sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v));
        }
    }
    let enough = sums.into_iter().filter(|(count, _)| *count >= FEWEST);
    enough.map(|(count, sum)| sum.into_iter().map(|v| v / count as f64).collect()).collect()
}

/// The strongest directions of some means, the strongest first, as orthonormal rows, with their singular values.
///
/// # Errors
/// Fewer means than directions, or means that span fewer.
pub fn directions(means: &[Vec<f64>], count: usize) -> Result<Vec<(f64, Vec<f64>)>, TrainError> {
    let spans = || {
        TrainError::Recipe(format!(
            "{} groups of {FEWEST} faces or more do not span {count} directions: give more groups, or ask for fewer \
             directions",
            means.len()
        ))
    };
    let mut rest: Vec<Vec<f64>> = means.to_vec();
    let mut found: Vec<(f64, Vec<f64>)> = Vec::new();
    let whole = rest.iter().map(|row| dot(row, row)).sum::<f64>().sqrt();
    for _ in 0..count {
        let start = rest.iter().max_by(|a, b| dot(a, a).total_cmp(&dot(b, b))).ok_or_else(spans)?;
        let mut v = start.clone();
        let mut value = 0.0;
        // The power method, from the longest row. Directions of nearly equal strength mix, which does no harm: they go together.
        for _ in 0..500 {
            let norm = dot(&v, &v).sqrt();
            if norm <= 1e-6 * whole || norm == 0.0 {
                return Err(spans());
            }
            v.iter_mut().for_each(|v| *v /= norm);
            let shares: Vec<f64> = rest.iter().map(|row| dot(row, &v)).collect();
            value = dot(&shares, &shares).sqrt();
            let mut next = vec![0.0; v.len()];
            for (row, share) in rest.iter().zip(&shares) {
                next.iter_mut().zip(row).for_each(|(next, r)| *next += share * r);
            }
            v = next;
        }
        // What was found before is in no row any more, but rounding brings a little of it back.
        for (_, before) in &found {
            let share = dot(&v, before);
            v.iter_mut().zip(before).for_each(|(v, b)| *v -= share * b);
        }
        let norm = dot(&v, &v).sqrt();
        v.iter_mut().for_each(|v| *v /= norm);
        for row in &mut rest {
            let share = dot(row, &v);
            row.iter_mut().zip(&v).for_each(|(row, v)| *row -= share * v);
        }
        found.push((value, v));
    }
    Ok(found)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Takes directions out of an embedder's templates: out of the weights and the bias of its last layer.
///
/// # Errors
/// A network whose output is no linear layer, or whose templates have another length than the directions.
pub fn without(
    net: &Architecture,
    weights: &Weights,
    directions: &[Vec<f64>],
) -> Result<Weights, TrainError> {
    let last = &net.nodes[net.outputs[0].node];
    let Op::Linear { out } = last.op else {
        return Err(TrainError::Form(format!(
            "{}: the last layer of an embedder must be a linear one",
            net.name
        )));
    };
    if directions.iter().any(|v| v.len() != out) {
        return Err(TrainError::Form(format!("{}: templates have {out} numbers", net.name)));
    }
    let mut weights = weights.clone();
    for suffix in ["weight", "bias"] {
        let Some((_, data)) = weights.get_mut(&format!("{}.{suffix}", last.name)) else { continue };
        let columns = data.len() / out;
        for direction in directions {
            for column in 0..columns {
                let share: f64 = direction
                    .iter()
                    .enumerate()
                    .map(|(row, v)| v * f64::from(data[row * columns + column]))
                    .sum();
                for (row, v) in direction.iter().enumerate() {
                    let value = &mut data[row * columns + column];
                    *value = (f64::from(*value) - share * v) as f32;
                }
            }
        }
    }
    Ok(weights)
}

/// The share of the pairs within a group that reach a similarity; none without a pair.
#[must_use]
pub fn matches(templates: &[f32], dim: usize, members: &[usize], similarity: f64) -> Option<f64> {
    let row = |member: usize| &templates[members[member] * dim..][..dim];
    let pairs = (0..members.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let (mut all, mut reached) = (0u64, 0u64);
    for (a, b) in pairs {
        all += 1;
        let cosine: f32 = row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum();
        reached += u64::from(f64::from(cosine) >= similarity);
    }
    (all > 0).then(|| reached as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    use super::*;
    use crate::backend::Backend as _;
    use crate::flex::Flex;
    use crate::loss;
    use crate::model::Model;
    use crate::random::Random;
    use phiz_net::zoo::Slim;

    #[test]
    fn the_strongest_directions_are_those_of_an_independent_decomposition() {
        // Rows with known singular vectors: u · s · vᵀ of axes turned by Householder's reflection.
        let axis = |i: usize| (0..7).map(|j| f64::from(u8::from(i == j))).collect::<Vec<_>>();
        let mirror: Vec<f64> = (1..=7).map(f64::from).collect();
        let turned = |x: &[f64]| -> Vec<f64> {
            let share = 2.0 * dot(x, &mirror) / dot(&mirror, &mirror);
            x.iter().zip(&mirror).map(|(x, m)| x - share * m).collect()
        };
        let values = [5.0, 3.0, 0.5];
        let rows: Vec<Vec<f64>> =
            (0..3).map(|i| turned(&axis(i)).into_iter().map(|v| v * values[i]).collect()).collect();
        let found = directions(&rows, 2).unwrap();
        for (i, (value, v)) in found.iter().enumerate() {
            assert!((value - values[i]).abs() < 1e-9, "{value}");
            assert!((dot(v, &turned(&axis(i))).abs() - 1.0).abs() < 1e-9, "{v:?}");
        }
        let error = directions(&rows, 4).unwrap_err().to_string();
        assert!(error.contains("3 groups") && error.contains("4 directions"), "{error}");
        assert!(directions(&[], 1).is_err());
        assert!(directions(&[vec![0.0; 3]], 1).is_err(), "no direction at all");
    }

    #[test]
    fn small_groups_have_no_mean() {
        let templates: Vec<f32> = (0..2 * 20).map(|i| i as f32).collect();
        let group_of: Vec<Option<usize>> =
            (0..20).map(|i| (i > 0).then_some(usize::from(i < FEWEST + 1))).collect();
        let found = means(&templates, 2, &group_of, 3);
        // Faces 1 to 8 and 9 to 19; group 2 has nobody.
        assert_eq!(found, [vec![28.0, 29.0], vec![9.0, 10.0]]);
        let few: Vec<Option<usize>> = (0..20).map(|i| (i < FEWEST - 1).then_some(0)).collect();
        assert!(means(&templates, 2, &few, 1).is_empty());
    }

    #[test]
    fn what_is_taken_out_of_the_last_layer_is_out_of_templates_and_nothing_else_is() {
        let b = Flex::new(1).unwrap();
        let net = Slim { stem: 8, stages: vec![(8, 1)], weighted: true, dim: 12 }.build("small");
        let mut random = Random::new(3);
        let weights = Model::new(&b, &net, &mut random).unwrap().weights(&b);
        let rows: Vec<Vec<f64>> =
            (0..3).map(|_| (0..12).map(|_| f64::from(random.normal())).collect()).collect();
        let out: Vec<Vec<f64>> = directions(&rows, 2).unwrap().into_iter().map(|(_, v)| v).collect();
        let changed = without(&net, &weights, &out).unwrap();
        let pictures: Vec<u8> = (0..4 * 112 * 112 * 3).map(|_| random.bits() as u8).collect();
        let x = b.pictures(&pictures, 4, 112, 112, [127.5; 3], [127.5; 3]);
        let raw =
            |weights: &Weights| b.values(&Model::from_weights(&b, &net, weights).forward(&b, &x, false)[0]);
        let (before, after) = (raw(&weights), raw(&changed));
        for (before, after) in before.chunks(12).zip(after.chunks(12)) {
            let mut expected: Vec<f64> = before.iter().map(|v| f64::from(*v)).collect();
            for v in &out {
                let share = dot(&expected, v);
                expected.iter_mut().zip(v).for_each(|(e, v)| *e -= share * v);
            }
            for (after, expected) in after.iter().zip(expected) {
                assert!((f64::from(*after) - expected).abs() < 1e-4, "{after} {expected}");
            }
        }
        let unit = b.values(&loss::unit(&b, &b.constant(&after, &[4, 12])));
        assert_eq!(matches(&unit, 12, &[0, 1, 2, 3], -1.1), Some(1.0));
        assert_eq!(matches(&unit, 12, &[0, 1, 2, 3], 1.1), Some(0.0));
        assert_eq!(matches(&unit, 12, &[2], 0.0), None);
        let error = without(&net, &weights, &[vec![1.0; 3]]).unwrap_err().to_string();
        assert!(error.contains("12 numbers"), "{error}");
    }
}
