//! Photos under a wrong name, told by their templates.
//!
//! Two things are asked of each photo: how like it is to the other photos of its person (itself left out), and how
//! like to the person it is most like otherwise. What is likely of each is learnt from the data itself:
//! - how like a photo is to *some other* person needs no labels to be right: that is measured, over all people;
//! - how like it is to its *own* person, if the name is right, is fitted to all photos, each counting as much as its
//!   name is believed (Student's t with 4 degrees of freedom, since bad photos of the right person are common), apart
//!   for people of few and many photos, since a mean of many is nearer to everyone;
//! - if a name is wrong, the right one is among the others as often as not.
//!
//! Bayes' rule makes of these a probability for each photo that its name is wrong; with it the means and the fit are
//! made again, a few times (expectation and maximisation). So wrong photos soon stop pulling their person's mean. The
//! other photos of a person may be wrong as well: where there is but one, disagreement says that one of the two is
//! wrong, not which, and only a third person who is like one of them can tell.

use rayon::prelude::*;

/// What is believed of one photo's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Probability that the name is wrong.
    pub wrong: f32,
    /// Similarity to the mean of the person's other photos; none if there is no other.
    pub own: Option<f32>,
    /// The person whom the photo is most like otherwise.
    pub other: usize,
    /// Similarity to that person's mean.
    pub like_other: f32,
}

/// Fewer photos with a second one of their person say too little about what is usual.
const ENOUGH: usize = 20;
const ROUNDS: usize = 8;
/// Where a name is wrong, the right one is among the others with this probability.
const KNOWN: f64 = 0.5;
/// Bounds between people of few and many photos, in other photos.
const FEW_AND_MANY: [f64; 3] = [1.5, 3.5, 7.5];

/// A location and scale.
#[derive(Clone, Copy, Debug)]
struct Usual {
    mean: f64,
    deviation: f64,
}

impl Usual {
    /// Weighted; none of less than this weight altogether.
    fn of(values: &[(f64, f64)], least: f64) -> Option<Usual> {
        let total: f64 = values.iter().map(|(_, w)| w).sum();
        if total < least.max(1e-9) {
            return None;
        }
        let mean = values.iter().map(|(v, w)| v * w).sum::<f64>() / total;
        let variance = values.iter().map(|(v, w)| w * (v - mean).powi(2)).sum::<f64>() / total;
        Some(Usual { mean, deviation: variance.sqrt().max(0.03) })
    }

    fn normal(&self, v: f64) -> f64 {
        (-0.5 * ((v - self.mean) / self.deviation).powi(2)).exp()
            / self.deviation
            / std::f64::consts::TAU.sqrt()
    }

    /// Density of Student's t with 4 degrees of freedom, of this mean and deviation:
    /// `3/8 · (1 + t²/4)^(−5/2)` with `t` in units of `deviation/√2`.
    fn heavy(&self, v: f64) -> f64 {
        let scale = self.deviation / std::f64::consts::SQRT_2;
        let t = (v - self.mean) / scale;
        0.375 * (1.0 + t * t / 4.0).powf(-2.5) / scale
    }
}

/// What one look at all photos says, under the beliefs so far.
struct Seen {
    own: f64,
    /// Weight of the person's other photos.
    others: f64,
    best: usize,
    like_best: f64,
    /// Sum and sum of squares over all other people.
    sums: [f64; 2],
}

/// What is believed of each photo's name; none for photos without a name. `templates` are unit vectors of `dim`
/// numbers, `people` numbers from 0 to `count`.
///
/// None at all if there are fewer than two people, or too few photos to tell what is usual.
#[must_use]
pub fn doubts(
    templates: &[f32],
    dim: usize,
    people: &[Option<usize>],
    count: usize,
) -> Option<Vec<Option<Doubt>>> {
    let named: Vec<usize> = (0..people.len()).filter(|&i| people[i].is_some()).collect();
    let mut photos = vec![0usize; count];
    named.iter().filter_map(|&i| people[i]).for_each(|p| photos[p] += 1);
    let paired = photos.iter().filter(|&&n| n > 1).sum::<usize>();
    if photos.iter().filter(|&&n| n > 0).count() < 2 || paired < ENOUGH {
        return None;
    }
    let row = |i: usize| &templates[i * dim..][..dim];
    let mut wrong = vec![0.1f64; people.len()];
    let mut share = 0.1f64;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        seen = look(&row, dim, &named, people, count, &wrong);
        let believed = |k: usize| 1.0 - wrong[named[k]];
        let n = (seen.len() * (count - 1).max(1)) as f64;
        let sums = seen.iter().fold([0.0; 2], |s, v| [s[0] + v.sums[0], s[1] + v.sums[1]]);
        let mean = sums[0] / n;
        let stranger = Usual { mean, deviation: (sums[1] / n - mean * mean).max(0.0).sqrt().max(0.03) };
        let nearest: Vec<_> = seen.iter().enumerate().map(|(k, v)| (v.like_best, believed(k))).collect();
        let nearest = Usual::of(&nearest, 0.0)?;
        let class = |others: f64| FEW_AND_MANY.iter().filter(|&&bound| others >= bound).count();
        let paired = |v: &Seen| v.others >= 0.5;
        let of = |wanted: Option<usize>| {
            let chosen = seen
                .iter()
                .enumerate()
                .filter(|(_, v)| paired(v) && wanted.is_none_or(|c| class(v.others) == c));
            let values: Vec<_> = chosen.map(|(k, v)| (v.own, believed(k))).collect();
            Usual::of(&values, if wanted.is_some() { 30.0 } else { 0.0 })
        };
        let all = of(None)?;
        let usual: Vec<Usual> = (0..=FEW_AND_MANY.len()).map(|c| of(Some(c)).unwrap_or(all)).collect();
        for (k, v) in seen.iter().enumerate() {
            let found = KNOWN * all.heavy(v.like_best) + (1.0 - KNOWN) * nearest.heavy(v.like_best);
            let (mut against, mut for_it) = (share * found, (1.0 - share) * nearest.heavy(v.like_best));
            if paired(v) {
                let strange = stranger.normal(v.own);
                // The others are wrong themselves with this probability; then a right photo is a stranger to them.
                let misled = share.powf((v.others / 2.0).max(1.0));
                against *= strange;
                for_it *= (1.0 - misled) * usual[class(v.others)].heavy(v.own) + misled * strange;
            }
            wrong[named[k]] = against / (against + for_it).max(f64::MIN_POSITIVE);
        }
        share = (named.iter().map(|&i| wrong[i]).sum::<f64>() / named.len() as f64).clamp(1e-3, 0.5);
    }
    let mut all = vec![None; people.len()];
    for (v, &i) in seen.iter().zip(&named) {
        all[i] = Some(Doubt {
            wrong: wrong[i] as f32,
            own: (v.others >= 0.5).then_some(v.own as f32),
            other: v.best,
            like_other: v.like_best as f32,
        });
    }
    Some(all)
}

fn look<'a>(
    row: &(impl Fn(usize) -> &'a [f32] + Sync),
    dim: usize,
    named: &[usize],
    people: &[Option<usize>],
    count: usize,
    wrong: &[f64],
) -> Vec<Seen> {
    let (mut sums, mut weights) = (vec![0f32; count * dim], vec![0f64; count]);
    for &i in named {
        let Some(person) = people[i] else { continue };
        let weight = 1.0 - wrong[i];
        weights[person] += weight;
        for (sum, v) in sums[person * dim..][..dim].iter_mut().zip(row(i)) {
            *sum += weight as f32 * v;
        }
    }
    let lengths: Vec<f32> = sums.chunks_exact(dim).map(|s| dot(s, s).sqrt().max(1e-9)).collect();
    let seen = |&i: &usize| {
        let (template, person) = (row(i), people[i].unwrap_or(count));
        let mut v = Seen { own: 0.0, others: 0.0, best: 0, like_best: f64::NEG_INFINITY, sums: [0.0; 2] };
        for (other, (sum, length)) in sums.chunks_exact(dim).zip(&lengths).enumerate() {
            if other == person {
                let weight = 1.0 - wrong[i];
                let rest: Vec<f32> = sum.iter().zip(template).map(|(s, t)| s - weight as f32 * t).collect();
                v.others = weights[person] - weight;
                v.own = f64::from(dot(&rest, template) / dot(&rest, &rest).sqrt().max(1e-6));
                continue;
            }
            let like = f64::from(dot(sum, template) / length);
            v.sums = [v.sums[0] + like, v.sums[1] + like * like];
            if like > v.like_best {
                (v.best, v.like_best) = (other, like);
            }
        }
        v
    };
    named.par_iter().map(seen).collect()
}

/// Eight sums at once, which the compiler turns into vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (mut sums, (a8, b8)) = ([0f32; 8], (a.chunks_exact(8), b.chunks_exact(8)));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const DIM: usize = 64;

    /// Templates of people with so many photos each, whose photos are about `like` alike, a tenth under a name that
    /// was shuffled; who is named, and whether that is wrong.
    fn made(people: usize, photos: usize, like: f32, seed: u64) -> (Vec<f32>, Vec<Option<usize>>, Vec<bool>) {
        let mut random = Random::new(seed);
        let unit = |mut v: Vec<f32>| {
            let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
            v.iter_mut().for_each(|x| *x /= length);
            v
        };
        let (mut templates, mut truth) = (Vec::new(), Vec::new());
        for person in 0..people {
            let centre = unit((0..DIM).map(|_| random.normal()).collect());
            for _ in 0..photos {
                let own = unit((0..DIM).map(|_| random.normal()).collect());
                // A few photos are bad.
                let a = if random.chance(0.05) { 0.5 * like } else { like }.sqrt();
                let b = (1.0 - a * a).sqrt();
                templates.extend(unit(centre.iter().zip(&own).map(|(c, o)| a * c + b * o).collect()));
                truth.push(person);
            }
        }
        let shuffled: Vec<usize> = (0..truth.len()).filter(|_| random.chance(0.1)).collect();
        let mut labels: Vec<Option<usize>> = truth.iter().map(|&p| Some(p)).collect();
        for k in 0..shuffled.len() {
            labels[shuffled[k]] = Some(truth[shuffled[(k + 1) % shuffled.len()]]);
        }
        let wrong = labels.iter().zip(&truth).map(|(l, t)| *l != Some(*t)).collect();
        (templates, labels, wrong)
    }

    #[test]
    fn wrong_names_are_found_and_right_ones_left_alone() {
        for (photos, like, least, most) in [(20, 0.6, 0.98, 0.01), (5, 0.6, 0.9, 0.02), (10, 0.4, 0.85, 0.02)]
        {
            let (templates, labels, wrong) = made(40, photos, like, photos as u64);
            let doubts = doubts(&templates, DIM, &labels, 40).expect("enough");
            let flagged = |i: usize| doubts[i].is_some_and(|d| d.wrong > 0.7);
            let rate = |of: bool| {
                let all: Vec<usize> = (0..wrong.len()).filter(|&i| wrong[i] == of).collect();
                all.iter().filter(|&&i| flagged(i)).count() as f32 / all.len() as f32
            };
            assert!(
                rate(true) >= least && rate(false) <= most,
                "{photos} {like}: {} {}",
                rate(true),
                rate(false)
            );
        }
    }

    #[test]
    fn of_two_photos_neither_is_accused_without_a_third_person() {
        let (templates, mut labels, _) = made(30, 2, 0.7, 9);
        // Nobody is wrong but the second photo of person 0, who is somebody unknown.
        labels.iter_mut().enumerate().for_each(|(i, l)| *l = Some(i / 2));
        let mut templates = templates;
        let mut random = Random::new(77);
        let stranger: Vec<f32> = (0..DIM).map(|_| random.normal()).collect();
        let length = stranger.iter().map(|v| v * v).sum::<f32>().sqrt();
        templates[DIM..2 * DIM].iter_mut().zip(&stranger).for_each(|(t, s)| *t = s / length);
        let all = doubts(&templates, DIM, &labels, 30).expect("enough");
        assert!(all[0].expect("named").wrong < 0.7 && all[1].expect("named").wrong < 0.7);
        // Somebody known, though, is told.
        let (head, tail) = templates.split_at_mut(4 * DIM);
        head[DIM..2 * DIM].copy_from_slice(&tail[..DIM]);
        let all = doubts(&templates, DIM, &labels, 30).expect("enough");
        let (first, second) = (all[0].expect("named"), all[1].expect("named"));
        assert!(second.wrong > 0.7 && first.wrong < 0.7 && second.other == 2, "{first:?} {second:?}");
    }

    #[test]
    fn too_little_is_not_judged() {
        let (templates, labels, _) = made(3, 3, 0.7, 1);
        assert!(doubts(&templates, DIM, &labels, 3).is_none());
        let (templates, labels, _) = made(1, 30, 0.7, 1);
        assert!(doubts(&templates, DIM, &labels, 1).is_none());
        let (templates, mut labels, _) = made(10, 5, 0.7, 1);
        labels[7] = None;
        let all = doubts(&templates, DIM, &labels, 10).expect("enough");
        assert!(all[7].is_none() && all[8].is_some());
    }
}
