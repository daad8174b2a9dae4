//! Fine-tuning: an embedder that is already good learns the people of one user, of whom there are 2 to 30 photos
//! each, without unlearning the rest.
//!
//! Only the last layer learns: a few photos say which of the things that the network already sees tell these people
//! apart, not what to see. And it learns by no gradient: which matrix would send every look at a photo to the mean
//! template of its person is a least-squares problem of a few hundred unknowns, solved in a second. Five photos a
//! person know that answer for themselves only, so the layer goes a [`STEP`] of the way to it. What is kept is judged:
//! some photos of each person are held out, other people are held out altogether, and a result that is worse on either
//! is refused.

use phiz_net::graph::{Architecture, Op};
use phiz_net::onnx::Weights;

use crate::augment::{Strength, augment};
use crate::backend::Backend;
use crate::card::{MEAN, STD};
use crate::error::TrainError;
use crate::held_out;
use crate::model::Model;
use crate::random::Random;
use crate::shards::{CROP, Faces};
use crate::watch::{Figures, Watch, listed};

/// The part of the way to the least-squares answer. With more of it other people are told apart worse; ADR 54 has the
/// figures.
pub const STEP: f64 = 0.15;
/// What is added to the diagonal of the normal equations, as a part of its mean: directions that the photos hardly
/// show stay as they are, and people of few photos leave nothing undetermined.
const RIDGE: f64 = 0.003;
/// Looks at each photo to learn: itself, its mirror image, and changed ones.
const LOOKS: usize = 6;
/// Of the division into photos to learn and to judge by, and of the changes.
const SEED: u64 = 1;

/// Photos held out of a person's: a third, at least one, none of a single photo.
#[must_use]
pub fn held_out(photos: usize) -> usize {
    if photos < 2 { 0 } else { (photos / 3).max(1) }
}

/// Splits faces into those to learn and those to judge by, person by person, by a seed; faces without a name are
/// among those to learn.
#[must_use]
pub fn split(faces: &Faces, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut by_person: Vec<Vec<usize>> = vec![Vec::new(); faces.names().len()];
    let (mut learn, mut judge) = (Vec::new(), Vec::new());
    for face in 0..faces.len() {
        match faces.person(face) {
            Some(person) => by_person[person].push(face),
            None => learn.push(face),
        }
    }
    for (person, mut photos) in by_person.into_iter().enumerate() {
        let mut random = Random::for_sample(seed, 0, person as u64);
        random.shuffle(&mut photos);
        let kept = photos.len() - held_out(photos.len());
        judge.extend_from_slice(&photos[kept..]);
        learn.extend_from_slice(&photos[..kept]);
    }
    learn.sort_unstable();
    judge.sort_unstable();
    (learn, judge)
}

/// What the last layer of an embedder reads of faces, one row a look, so many looks a face: the face itself first,
/// then its mirror image, then changed ones.
fn seen<B: Backend>(b: &B, body: &Model<B>, faces: &Faces, looks: usize) -> Vec<f32> {
    let plain = Strength::NONE;
    let mirror = Strength { flip: 1.0, ..Strength::NONE };
    let changed = Strength { mixed: 0.3, erase: 0.0, ..Strength::default() };
    let mut all = Vec::new();
    for first in (0..faces.len()).step_by(32) {
        let last = (first + 32).min(faces.len());
        let mut pictures = Vec::new();
        for (face, look) in (first..last).flat_map(|face| (0..looks).map(move |look| (face, look))) {
            let strength = [&plain, &mirror].get(look).copied().unwrap_or(&changed);
            let mut random = Random::for_sample(SEED, look as u64, face as u64);
            augment(faces.crop(face), CROP, strength, &mut random, &mut pictures, None);
        }
        let x = b.pictures(&pictures, (last - first) * looks, CROP, CROP, MEAN, STD);
        all.extend(b.without_gradients(|| b.values(&body.forward(b, &x, false)[0])));
    }
    all
}

/// The last layer: a matrix `[out, inputs]` and a bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// Row by row.
    pub weight: Vec<f32>,
    /// One number a row.
    pub bias: Vec<f32>,
}

impl Last {
    fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Templates of unit length and the lengths that they had, one for each row of `seen`.
    fn templates(&self, seen: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut templates, mut lengths) = (Vec::new(), Vec::new());
        for row in seen.chunks_exact(self.inputs()) {
            let start = templates.len();
            for (weights, bias) in self.weight.chunks_exact(self.inputs()).zip(&self.bias) {
                templates.push(weights.iter().zip(row).map(|(w, x)| w * x).sum::<f32>() + bias);
            }
            let length = templates[start..].iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            templates[start..].iter_mut().for_each(|v| *v /= length);
            lengths.push(length);
        }
        (templates, lengths)
    }

    /// A step toward the layer that sends every look to the mean template of its person.
    ///
    /// With `x` a look as the layer reads it, a one behind it, both divided by the length of its template `t`, and `c`
    /// its person's mean template, the change `D` minimises `Σ |D x − (c − t)|² + ridge |D|²`. `seen` has a row for each
    /// number in `people`; there are `count` people.
    ///
    /// # Panics
    /// If rows and people differ in number.
    #[must_use]
    pub fn fitted(&self, seen: &[f32], people: &[usize], count: usize) -> Last {
        let (inputs, out) = (self.inputs(), self.bias.len());
        assert_eq!(seen.len(), people.len() * inputs, "a row of numbers for each look");
        let (templates, lengths) = self.templates(seen);
        let centres = centres(&templates, out, people, count);
        let side = inputs + 1;
        let (mut squares, mut products) = (vec![0f64; side * side], vec![0f64; side * out]);
        let mut x = vec![0f64; side];
        for (((row, template), length), person) in
            seen.chunks_exact(inputs).zip(templates.chunks_exact(out)).zip(&lengths).zip(people)
        {
            x.iter_mut().zip(row.iter().chain(&[1.0])).for_each(|(x, v)| *x = f64::from(v / length));
            let miss: Vec<f64> =
                centres[person * out..][..out].iter().zip(template).map(|(c, t)| f64::from(c - t)).collect();
            for (i, xi) in x.iter().enumerate() {
                squares[i * side..][..side].iter_mut().zip(&x).for_each(|(s, xj)| *s += xi * xj);
                products[i * out..][..out].iter_mut().zip(&miss).for_each(|(p, m)| *p += xi * m);
            }
        }
        let trace: f64 = (0..side).map(|i| squares[i * side + i]).sum();
        for i in 0..side {
            squares[i * side + i] += RIDGE * trace / side as f64;
        }
        solve(&mut squares, side, &mut products, out);
        let mut fitted = self.clone();
        for (o, (weights, bias)) in fitted.weight.chunks_exact_mut(inputs).zip(&mut fitted.bias).enumerate() {
            for (i, w) in weights.iter_mut().chain([bias]).enumerate() {
                *w += (STEP * products[i * out + o]) as f32;
            }
        }
        fitted
    }
}

/// Solves `A X = B` for a positive definite `A` (`side` × `side`, its lower half is read), by Cholesky; `B` (`side` ×
/// `columns`) becomes `X`, and `A` its factor.
fn solve(a: &mut [f64], side: usize, b: &mut [f64], columns: usize) {
    for j in 0..side {
        for i in j..side {
            let dot: f64 = (0..j).map(|k| a[i * side + k] * a[j * side + k]).sum();
            let rest = a[i * side + j] - dot;
            // The diagonal comes first, so that what is below can be divided by it.
            a[i * side + j] = if i == j { rest.max(1e-300).sqrt() } else { rest / a[j * side + j] };
        }
    }
    // `row i −= factor · row k`, first down the factor, then up its transpose.
    let mut combine = |order: &mut dyn Iterator<Item = usize>, below: bool| {
        for i in order {
            let (others, factor): (std::ops::Range<usize>, &dyn Fn(usize) -> f64) =
                if below { (0..i, &|k| a[i * side + k]) } else { (i + 1..side, &|k| a[k * side + i]) };
            for k in others {
                let factor = factor(k);
                for c in 0..columns {
                    b[i * columns + c] -= factor * b[k * columns + c];
                }
            }
            b[i * columns..][..columns].iter_mut().for_each(|v| *v /= a[i * side + i]);
        }
    };
    combine(&mut (0..side), true);
    combine(&mut (0..side).rev(), false);
}

/// How well people are told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Held-out photos whose nearest person among the learnt photos' mean templates is another.
    pub errors: usize,
    /// Held-out photos.
    pub photos: usize,
    /// Equal error rate over all pairs of the held-out people; none without two of them.
    pub equal_error: Option<f64>,
}

impl Judgement {
    /// As figures for a record.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let rate = self.errors as f32 / self.photos.max(1) as f32;
        let mut all = vec![("identification_error".to_string(), rate)];
        all.extend(self.equal_error.map(|e| ("equal_error".to_string(), e as f32)));
        all
    }

    /// Why this is no better than before, if so.
    #[must_use]
    pub fn fault(&self, before: &Judgement) -> Option<String> {
        // A tenth of a percentage point of equal error is within what another choice of photos would do.
        if let (Some(old), Some(new)) = (before.equal_error, self.equal_error)
            && new > old + 0.001
        {
            return Some(format!(
                "people who were not learnt are told apart worse: equal error {:.2} % instead of {:.2} %",
                new * 100.0,
                old * 100.0
            ));
        }
        let (new, old) = (self.errors, before.errors);
        (new > old)
            .then(|| format!("{new} of {} held-out photos are misnamed, {old} were before", self.photos))
    }
}

/// Judges templates by the user's held-out photos and by other people: of learnt faces, held-out ones, others, each
/// with its templates.
#[must_use]
pub fn judge(learnt: (&Faces, &[f32]), photos: (&Faces, &[f32]), others: (&Faces, &[f32])) -> Judgement {
    let (learnt, gallery) = learnt;
    let dim = (gallery.len() / learnt.len().max(1)).max(1);
    let names = learnt.names();
    let (rows, people): (Vec<&[f32]>, Vec<usize>) =
        gallery.chunks_exact(dim).enumerate().filter_map(|(i, t)| Some((t, learnt.person(i)?))).unzip();
    let centres = centres(&rows.concat(), dim, &people, names.len());
    let mut judgement = Judgement { errors: 0, photos: 0, equal_error: None };
    for (i, probe) in photos.1.chunks_exact(dim).enumerate() {
        let Some(person) = photos.0.person(i) else { continue };
        judgement.photos += 1;
        let score = |c: &[f32]| -> f32 { c.iter().zip(probe).map(|(a, b)| a * b).sum() };
        let best = centres.chunks_exact(dim).map(score).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let named = best.map(|(n, _)| &names[n]);
        judgement.errors += usize::from(named != Some(&photos.0.names()[person]));
    }
    let curve = held_out::curve(others.0, others.1, dim);
    judgement.equal_error = curve.and_then(|c| Some(c.eer().ok()?.rate));
    judgement
}

/// Mean templates of people, of unit length, in the order of their numbers; `people` has one for each template.
#[must_use]
pub fn centres(templates: &[f32], dim: usize, people: &[usize], count: usize) -> Vec<f32> {
    let mut centres = vec![0f32; count * dim];
    for (template, person) in templates.chunks_exact(dim.max(1)).zip(people) {
        centres[person * dim..][..dim].iter_mut().zip(template).for_each(|(c, t)| *c += t);
    }
    for centre in centres.chunks_exact_mut(dim.max(1)) {
        let length = centre.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        centre.iter_mut().for_each(|v| *v /= length);
    }
    centres
}

/// What fine-tuning did.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The embedder as it was.
    pub before: Judgement,
    /// The embedder as it is.
    pub after: Judgement,
    /// Its weights.
    pub weights: Weights,
}

/// Fine-tunes the embedder `trained` on `faces`, judged by photos held out of them and by `others`. Faces without a name
/// are left out.
///
/// What is judged by the held-out photos has not learnt them; the result has learnt all, and it is the result by which
/// others are told apart.
///
/// # Errors
/// Fewer than two people with a name, nobody with two photos, a network that does not end in a matrix.
pub fn tune<B: Backend>(
    b: &B,
    net: &Architecture,
    mut trained: Weights,
    faces: &Faces,
    others: &Faces,
    watch: &mut dyn Watch,
) -> Result<Outcome, TrainError> {
    let named: Vec<usize> = (0..faces.len()).filter(|&i| faces.person(i).is_some()).collect();
    if faces.names().len() < 2 {
        return Err(TrainError::Recipe(format!(
            "{} photos of {} people with a name: telling people apart needs two; give each person a name in \
             the `person` column",
            named.len(),
            faces.names().len()
        )));
    }
    let faces = faces.some(&named);
    let (learn, judged) = split(&faces, SEED);
    if judged.is_empty() {
        let reason =
            "nobody has two photos, so nothing could be held out to judge by: add a photo of some people";
        return Err(TrainError::Recipe(reason.into()));
    }
    let end = &net.nodes[net.outputs[0].node];
    let names = [format!("{}.weight", end.name), format!("{}.bias", end.name)];
    let (Op::Linear { .. }, [Some(weight), Some(bias)]) = (&end.op, names.each_ref().map(|n| trained.get(n)))
    else {
        return Err(TrainError::Recipe(format!("{} does not end in a matrix that could learn", net.name)));
    };
    let was = Last { weight: weight.1.clone(), bias: bias.1.clone() };
    let mut cut = net.clone();
    cut.outputs[0].node = end.inputs[0];
    let body = Model::from_weights(b, &cut, &trained);
    watch.note(&format!(
        "looking {LOOKS} times at {} photos, once at {} of others",
        faces.len(),
        others.len()
    ));
    let own = seen(b, &body, &faces, LOOKS);
    let other = seen(b, &body, others, 1);
    let inputs = was.inputs();

    let looks = |chosen: &[usize], looks: usize| -> Vec<f32> {
        chosen.iter().flat_map(|face| &own[face * LOOKS * inputs..][..looks * inputs]).copied().collect()
    };
    let fit = |chosen: &[usize]| {
        let person = |&face: &usize| faces.person(face).map(|person| [person; LOOKS]);
        let people: Vec<usize> = chosen.iter().filter_map(person).flatten().collect();
        was.fitted(&looks(chosen, LOOKS), &people, faces.names().len())
    };
    let judged_by = |held_out: &Last, all: &Last| {
        let [a, b] = [&learn, &judged].map(|chosen| held_out.templates(&looks(chosen, 1)).0);
        judge((&faces.some(&learn), &a), (&faces.some(&judged), &b), (others, &all.templates(&other).0))
    };
    let before = judged_by(&was, &was);
    watch.note(&format!("before: {}", listed(&before.figures())));
    let all: Vec<usize> = (0..faces.len()).collect();
    let is = fit(&all);
    let after = judged_by(&fit(&learn), &is);
    watch.note(&format!("after: {}", listed(&after.figures())));
    for (name, values) in names.iter().zip([is.weight, is.bias]) {
        if let Some((_, old)) = trained.get_mut(name) {
            *old = values;
        }
    }
    Ok(Outcome { before, after, weights: trained })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_held_out_of_everyone_who_has_two() {
        for (photos, expected) in [(0, 0), (1, 0), (2, 1), (3, 1), (5, 1), (6, 2), (30, 10)] {
            assert_eq!(held_out(photos), expected, "{photos} photos");
        }
    }

    /// Faces of three people as a network might see them: a person's own numbers, a disturbance that all share, noise.
    fn looks(random: &mut Random, each: usize) -> (Vec<f32>, Vec<usize>) {
        let people: Vec<usize> = (0..3 * each).map(|i| i / each).collect();
        let row = |&person: &usize| {
            let shared = random.normal();
            let value =
                |i: usize| f32::from(i == person) + 2.0 * shared * f32::from(i == 3) + 0.2 * random.normal();
            (0..6).map(value).collect::<Vec<f32>>()
        };
        (people.iter().flat_map(row).collect(), people)
    }

    fn layer(random: &mut Random) -> Last {
        Last { weight: (0..8 * 6).map(|_| random.normal()).collect(), bias: vec![0.1; 8] }
    }

    #[test]
    fn the_fitted_layer_is_where_no_direction_is_better() {
        let mut random = Random::new(5);
        let (was, (seen, people)) = (layer(&mut random), looks(&mut random, 5));
        let (templates, lengths) = was.templates(&seen);
        let centres = centres(&templates, 8, &people, 3);
        let is = was.fitted(&seen, &people, 3);
        // The definition: the sum that is minimised, of a change of the whole way, in double precision.
        let rows: Vec<Vec<f64>> = seen
            .chunks_exact(6)
            .zip(&lengths)
            .map(|(row, length)| row.iter().chain(&[1.0]).map(|v| f64::from(v / length)).collect())
            .collect();
        let ridge = RIDGE * rows.iter().flatten().map(|v| v * v).sum::<f64>() / 7.0;
        let sum = |change: &[f64]| -> f64 {
            let misses = rows.iter().enumerate().flat_map(|(i, x)| {
                let (c, t) = (&centres[people[i] * 8..][..8], &templates[i * 8..][..8]);
                (0..8).map(move |o| {
                    let moved: f64 = change[o * 7..][..7].iter().zip(x).map(|(d, x)| d * x).sum();
                    (moved - f64::from(c[o] - t[o])).powi(2)
                })
            });
            misses.sum::<f64>() + ridge * change.iter().map(|d| d * d).sum::<f64>()
        };
        let row = |last: &Last, o: usize| [&last.weight[o * 6..][..6], &last.bias[o..=o]].concat();
        let change: Vec<f64> = (0..8)
            .flat_map(|o| row(&is, o).into_iter().zip(row(&was, o)).map(|(a, b)| f64::from(a - b) / STEP))
            .collect();
        let least = sum(&change);
        assert!(least < 0.9 * sum(&[0.0; 56]));
        for i in 0..56 {
            for off in [-0.01, 0.01] {
                let mut other = change.clone();
                other[i] += off;
                assert!(sum(&other) > least, "{i} {off}");
            }
        }
    }

    #[test]
    fn people_move_together_and_a_photo_that_is_alone_changes_nothing() {
        let mut random = Random::new(7);
        let (was, (seen, people)) = (layer(&mut random), looks(&mut random, 4));
        let spread = |last: &Last| {
            let templates = last.templates(&seen).0;
            let centres = centres(&templates, 8, &people, 3);
            let near = |(t, p): (&[f32], &usize)| -> f32 {
                t.iter().zip(&centres[p * 8..][..8]).map(|(a, b)| a * b).sum()
            };
            1.0 - templates.chunks_exact(8).zip(&people).map(near).sum::<f32>() / people.len() as f32
        };
        assert!(spread(&was.fitted(&seen, &people, 3)) < 0.9 * spread(&was));
        let alone = was.fitted(&seen[..18], &[0, 1, 2], 3);
        let off = alone.weight.iter().zip(&was.weight).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(off < 1e-5, "{off}");
    }

    #[test]
    fn worse_on_either_side_is_a_fault() {
        let judged = |errors, equal_error| Judgement { errors, photos: 20, equal_error };
        let before = judged(4, Some(0.05));
        assert_eq!(judged(2, Some(0.05)).fault(&before), None);
        assert_eq!(judged(4, Some(0.0505)).fault(&before), None);
        assert!(judged(5, Some(0.04)).fault(&before).is_some_and(|f| f.contains("5 of 20")));
        assert!(judged(0, Some(0.06)).fault(&before).is_some_and(|f| f.contains("6.00 %")));
        assert_eq!(judged(0, None).fault(&before), None);
    }
}
