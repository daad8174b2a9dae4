//! Fine-tuning: an embedder that is already good learns the people of one user, of whom there are 2 to 30 photos
//! each, without unlearning the rest.
//!
//! Four things make shallow data enough. Only the last layer learns: a few photos say which of the things that the
//! network already sees tell these people apart, not what to see. The centres of the head begin at the people's mean
//! templates, so that the first step already points the right way. The embedder as it was is its own teacher: the same
//! losses that once distilled another network now hold every template near where it stood. And what is kept is judged:
//! some photos of each person are held out, other people are held out altogether, and a result that is worse on either
//! is refused.

use phiz_net::graph::Architecture;
use phiz_net::onnx::Weights;

use crate::augment::{Strength, augment};
use crate::backend::Backend;
use crate::embed::{EmbedTask, MEAN, STD};
use crate::error::TrainError;
use crate::loss;
use crate::model::Model;
use crate::random::Random;
use crate::recipe::{EmbedLosses, Recipe, Stage};
use crate::run::{self, Ending, Figures, RunOptions};
use crate::schedule::{Schedule, Shape};
use crate::shards::{CROP, Faces};
use crate::transfer::Start;
use crate::watch::{Watch, listed};
use crate::weights::read_weights;

/// Photos held out of a person's: a third, at least one, none of a single photo.
#[must_use]
pub fn held_out(photos: usize) -> usize {
    if photos < 2 { 0 } else { (photos / 3).max(1) }
}

/// Splits faces into those to learn and those to judge by, person by person, by a seed; faces without a name are
/// learnt from (as pictures that the teacher knows).
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

/// Unit templates of faces, one row each, as the model sees them unchanged.
pub fn templates<B: Backend>(b: &B, model: &Model<B>, faces: &Faces) -> Vec<f32> {
    let mut all = Vec::new();
    for first in (0..faces.len()).step_by(32) {
        let mut pictures = Vec::new();
        let last = (first + 32).min(faces.len());
        for face in first..last {
            augment(faces.crop(face), CROP, &Strength::NONE, &mut Random::new(0), &mut pictures);
        }
        let x = b.pictures(&pictures, last - first, CROP, CROP, MEAN, STD);
        all.extend(b.without_gradients(|| b.values(&loss::unit(b, &model.forward(b, &x, false)[0]))));
    }
    all
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

/// Judges a model by the user's held-out photos and by other people.
pub fn judge<B: Backend>(
    b: &B,
    model: &Model<B>,
    learnt: &Faces,
    photos: &Faces,
    others: &Faces,
) -> Judgement {
    let gallery = templates(b, model, learnt);
    let probes = templates(b, model, photos);
    let dim = gallery.len() / learnt.len().max(1);
    let names = learnt.names();
    let centres = centres(&gallery, dim, learnt);
    let mut judgement = Judgement { errors: 0, photos: 0, equal_error: None };
    for (i, probe) in probes.chunks_exact(dim.max(1)).enumerate() {
        let Some(person) = photos.person(i) else { continue };
        judgement.photos += 1;
        let score = |c: &[f32]| -> f32 { c.iter().zip(probe).map(|(a, b)| a * b).sum() };
        let best = centres.chunks_exact(dim).map(score).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let named = best.map(|(n, _)| &names[n]);
        judgement.errors += usize::from(named != Some(&photos.names()[person]));
    }
    judgement.equal_error = equal_error(&templates(b, model, others), dim, others);
    judgement
}

/// Mean templates of people, of unit length, in the order of their numbers.
#[must_use]
pub fn centres(templates: &[f32], dim: usize, faces: &Faces) -> Vec<f32> {
    let mut centres = vec![0f32; faces.names().len() * dim];
    for (i, template) in templates.chunks_exact(dim.max(1)).enumerate() {
        if let Some(person) = faces.person(i) {
            centres[person * dim..][..dim].iter_mut().zip(template).for_each(|(c, t)| *c += t);
        }
    }
    for centre in centres.chunks_exact_mut(dim.max(1)) {
        let length = centre.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        centre.iter_mut().for_each(|v| *v /= length);
    }
    centres
}

/// The rate at which false matches and false non-matches are equal, over all pairs.
fn equal_error(templates: &[f32], dim: usize, faces: &Faces) -> Option<f64> {
    let rows: Vec<&[f32]> = templates.chunks_exact(dim.max(1)).collect();
    let mut pairs: Vec<(f32, bool)> = Vec::new();
    for i in 0..rows.len() {
        for j in 0..i {
            if let (Some(a), Some(c)) = (faces.person(i), faces.person(j)) {
                let score = rows[i].iter().zip(rows[j]).map(|(x, y)| x * y).sum();
                pairs.push((score, a == c));
            }
        }
    }
    let genuine = pairs.iter().filter(|p| p.1).count();
    let impostor = pairs.len() - genuine;
    if genuine == 0 || impostor == 0 {
        return None;
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut matched, mut false_matched) = (0usize, 0usize);
    for (_, same) in pairs {
        *(if same { &mut matched } else { &mut false_matched }) += 1;
        let miss = 1.0 - matched as f64 / genuine as f64;
        let false_match = false_matched as f64 / impostor as f64;
        if false_match >= miss {
            return Some((miss + false_match) / 2.0);
        }
    }
    None
}

/// What fine-tuning did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The embedder as it was.
    pub before: Judgement,
    /// The embedder as it is.
    pub after: Judgement,
    /// How the run ended.
    pub ending: Ending,
}

/// The recipe of fine-tuning: the last layer, at full size, with the embedder itself as teacher.
#[must_use]
pub fn recipe(net: &Architecture, faces: usize, steps: u64) -> Recipe {
    let mut recipe = Recipe::plain(&net.name);
    recipe.learns = vec![format!("{}.", net.nodes[net.outputs[0].node].name)];
    recipe.batch = faces.clamp(2, 64);
    recipe.decay = 0.0;
    recipe.average = 0.97;
    recipe.augment = Strength { mixed: 0.3, erase: 0.0, ..Strength::default() };
    let schedule = Schedule { rate: 1e-3, warmup: steps / 10, steps, fall: 1.0, shape: Shape::Cosine };
    recipe.stages = vec![Stage { size: CROP, schedule }];
    recipe.embed = EmbedLosses {
        distil: 0.2,
        relations: 0.4,
        margin_loss: 1.0,
        margin: 0.2,
        scale: 32.0,
        ..EmbedLosses::default()
    };
    recipe
}

/// Fine-tunes the embedder `trained` on `faces`, judged by photos held out of them and by `others`; the result
/// stands in the run's folder.
///
/// # Errors
/// Fewer than two people with a name, or whatever ends a run.
#[allow(clippy::too_many_arguments, reason = "a run's parts, each another kind of thing")]
pub fn tune<B: Backend>(
    b: &B,
    net: &Architecture,
    trained: Weights,
    faces: &Faces,
    others: &Faces,
    steps: u64,
    options: &RunOptions,
    watch: &mut dyn Watch,
) -> Result<Outcome, TrainError> {
    let named = (0..faces.len()).filter(|&i| faces.person(i).is_some()).count();
    if faces.names().len() < 2 {
        return Err(TrainError::Recipe(format!(
            "{named} photos of {} people with a name: telling people apart needs two; give each person a name in \
             the `person` column",
            faces.names().len()
        )));
    }
    let recipe = recipe(net, faces.len(), steps);
    let (learn, judged) = split(faces, recipe.seed);
    let (mut learn, judged) = (faces.some(&learn), faces.some(&judged));
    if judged.is_empty() {
        let reason =
            "nobody has two photos, so nothing could be held out to judge by: add a photo of some people";
        return Err(TrainError::Recipe(reason.into()));
    }
    let dim = net.channels()?[net.outputs[0].node];
    let start = Model::from_weights(b, net, &trained);
    let before = judge(b, &start, &learn, &judged, others);
    watch.note(&format!("before: {}", listed(&before.figures())));
    let own = templates(b, &start, &learn);
    let mut begun = trained;
    begun.insert(HEAD.into(), (vec![learn.names().len(), dim], centres(&own, dim, &learn)));
    learn.teach(own, dim);
    let mut options = options.clone();
    options.from = Some(Start::Trained(begun));
    let task = EmbedTask::new(&learn, others, &recipe, dim, None)?;
    let ending = run::run(b, net, &recipe, &task, &options, watch)?;
    let after = read_weights(&options.folder.join("model.safetensors"))?;
    let after = judge(b, &Model::from_weights(b, net, &after), &learn, &judged, others);
    watch.note(&format!("after: {}", listed(&after.figures())));
    Ok(Outcome { before, after, ending })
}

/// Where [`EmbedTask`] keeps the centres of its short head.
const HEAD: &str = "head.centres.weight";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_held_out_of_everyone_who_has_two() {
        for (photos, expected) in [(0, 0), (1, 0), (2, 1), (3, 1), (5, 1), (6, 2), (30, 10)] {
            assert_eq!(held_out(photos), expected, "{photos} photos");
        }
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
