//! Teaching an embedder: a teacher's templates, and the people's names where they are known.
//!
//! The teacher's `d` numbers are placed into our `D ≥ d` by a fixed matrix of orthonormal columns, which keeps
//! every cosine; the other dimensions are free for what the labels teach beyond the teacher, where `within` leaves them
//! out of the comparison.
//!
//! A part of each batch may be blends of two faces. They are nobody, so only a teacher that looks at the blend itself
//! can say what they are: [`Teacher`].

use phiz_net::card::Card;
use phiz_net::graph::{Architecture, Op};
use phiz_net::onnx::Weights;

use crate::augment::{Strength, augment};
use crate::backend::{Backend, Padding};
use crate::card::{self, MEAN, STD};
use crate::error::TrainError;
use crate::head::{self, Head, Present};
use crate::held_out;
use crate::loss;
use crate::model::{Model, pooled};
use crate::random::Random;
use crate::recipe::Recipe;
use crate::run::{Load, Loss, Task};
use crate::shards::{CROP, CROP_BYTES, Faces};
use crate::teacher::{Said, Teacher};
use crate::watch::Figures;

/// The matrix that brings the network's last map to the teacher's channels.
const MAPS: &str = "maps.weight";
/// Faces of a person from which the network's own centre is made.
const LOOKS: usize = 2;

/// The task.
pub struct EmbedTask<'a, B: Backend> {
    lessons: Lessons<'a>,
    held_out: &'a Faces,
    /// Looks at blends.
    teacher: Option<Teacher<B>>,
    /// Channels of the teacher's and of the network's last map, where they are compared.
    maps: Option<[usize; 2]>,
}

/// What is known of the faces that are learnt; makes the batches.
pub struct Lessons<'a> {
    faces: &'a Faces,
    recipe: &'a Recipe,
    dim: usize,
    placement: Vec<f32>,
    /// Nobody if the recipe does not ask for them.
    people: People,
    heads: Vec<Head>,
}

/// Samples of one step.
pub struct EmbedBatch {
    pictures: Vec<u8>,
    size: usize,
    targets: Vec<f32>,
    /// The same pictures as a teacher sees them, where that is not what the network sees: larger, or not spoilt.
    full: Vec<u8>,
    /// The mean of the teacher's templates of each sample's person; nought for those of whom there is one photo. Empty if the recipe
    /// does not ask for it.
    means: Vec<f32>,
    /// So many samples at the beginning are blends, without target and label.
    blends: usize,
    /// By head, then by sample; numbers of those who are present, where not everybody is.
    labels: Vec<Vec<Option<usize>>>,
    /// Those of each head's people who take part in the step; none where everybody does.
    present: Vec<Option<Present>>,
}

/// What the teacher says of the people of the data.
#[derive(Default)]
struct People {
    /// The unit mean of the teacher's templates of each person's faces, one after another.
    means: Vec<f32>,
    /// Whether it is that of several faces.
    several: Vec<bool>,
    dim: usize,
}

impl People {
    fn of(faces: &Faces) -> People {
        let (people, dim) = (faces.names().len(), faces.dim());
        let (mut means, mut counts) = (vec![0f32; people * dim], vec![0usize; people]);
        for face in 0..faces.len() {
            let Some(person) = faces.person(face) else { continue };
            counts[person] += 1;
            means[person * dim..][..dim].iter_mut().zip(faces.template(face)).for_each(|(sum, v)| *sum += v);
        }
        for mean in means.chunks_exact_mut(dim.max(1)) {
            let length = mean.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            mean.iter_mut().for_each(|v| *v /= length);
        }
        People { means, several: counts.iter().map(|count| *count > 1).collect(), dim }
    }

    /// The mean of a person of several faces.
    fn mean(&self, person: usize) -> Option<&[f32]> {
        self.several.get(person)?.then(|| &self.means[person * self.dim..][..self.dim])
    }
}

impl<'a, B: Backend> EmbedTask<'a, B> {
    /// Teaches `net` the `faces`, judged on `held_out`; its templates are at least as long as the teacher's.
    ///
    /// `teacher` is needed by a recipe that blends, and no other.
    ///
    /// # Errors
    /// No face, a teacher's templates that are longer than ours or unlike the prepared ones, a head with fewer than two
    /// people, blends without a teacher, or last maps that cannot be compared.
    pub fn new(
        faces: &'a Faces,
        held_out: &'a Faces,
        recipe: &'a Recipe,
        net: &Architecture,
        teacher: Option<Teacher<B>>,
    ) -> Result<EmbedTask<'a, B>, TrainError> {
        let channels = net.channels().map_err(|e| TrainError::Recipe(e.to_string()))?;
        let dim = channels[net.outputs[0].node];
        if faces.is_empty() {
            return Err(TrainError::Recipe("the data holds no face to learn: prepare some first".into()));
        }
        let losses = &recipe.embed;
        let taught = losses.distil > 0.0 || losses.relations > 0.0;
        if taught && (faces.dim() == 0 || faces.dim() > dim) {
            return Err(TrainError::Recipe(format!(
                "the teacher's templates have {} numbers and the network's {dim}: distillation needs at least as \
                 many; choose a wider network or set embed.distil and embed.relations to 0",
                faces.dim()
            )));
        }
        if losses.imprint && !taught {
            return Err(TrainError::Recipe(
                "embed.imprint: centres begin at a teacher's templates: leave embed.distil or embed.relations on"
                    .into(),
            ));
        }
        for (field, wanted) in [("blend", losses.blend > 0.0), ("live_teacher", losses.live_teacher)] {
            if wanted && (!taught || teacher.is_none()) {
                return Err(TrainError::Recipe(format!(
                    "embed.{field}: only a teacher that looks knows what these pictures are: give its card with \
                     --teacher, and leave embed.distil or embed.relations on"
                )));
            }
        }
        if losses.clean_teacher && !losses.live_teacher && losses.blend == 0.0 {
            return Err(TrainError::Recipe(
                "embed.clean_teacher: no picture is shown to a teacher: turn embed.live_teacher on".into(),
            ));
        }
        if let Some(said) = teacher.as_ref().map(Teacher::dim).filter(|said| *said != faces.dim()) {
            return Err(TrainError::Recipe(format!(
                "the teacher's templates have {said} numbers and the prepared ones {}: prepare the data with the \
                 same --teacher",
                faces.dim()
            )));
        }
        let recipes = losses.all_heads();
        if !taught && recipes.is_empty() {
            return Err(TrainError::Recipe("embed: all losses are off, nothing would be learnt".into()));
        }
        let heads = recipes
            .into_iter()
            .enumerate()
            .map(|(i, head)| {
                // The head of the short form keeps the name that older checkpoints know it by.
                let short = i == 0 && losses.margin_loss > 0.0;
                let name = if short { "centres".into() } else { head::name(&head.people, i) };
                Head::new(head, name, faces)
            })
            .collect::<Result<_, _>>()?;
        let columns = if taught { faces.dim() } else { 0 };
        // A teacher as wide as we are is ourselves, earlier: nothing is turned.
        let placement = if columns == dim {
            (0..dim * dim).map(|i| f32::from(u8::from(i / dim == i % dim))).collect()
        } else {
            orthonormal(dim, columns, &mut Random::new(0x7068697a))
        };
        let maps = match &teacher {
            _ if losses.maps == 0.0 => None,
            Some(teacher) if losses.live_teacher || losses.blend > 0.0 => {
                Some(compared_maps(teacher, recipe, net, &channels)?)
            }
            _ => {
                return Err(TrainError::Recipe(
                    "embed.maps: only a teacher that looks shows its maps: give its card with --teacher, and turn \
                     embed.live_teacher on"
                        .into(),
                ));
            }
        };
        let asked = taught && (losses.person_mean > 0.0 || losses.neighbours > 0.0);
        let people = if asked { People::of(faces) } else { People::default() };
        if losses.neighbours > 0.0 && people.several.len() < 2 {
            return Err(TrainError::Recipe(
                "embed.neighbours: a picture can resemble nobody, since the data names fewer than two people: set it to 0".into(),
            ));
        }
        let lessons = Lessons { faces, recipe, dim, placement, people, heads };
        Ok(EmbedTask { lessons, held_out, teacher, maps })
    }
}

/// Channels of the teacher's last map and of the network's, which must have the same places at every size of the recipe.
fn compared_maps<B: Backend>(
    teacher: &Teacher<B>,
    recipe: &Recipe,
    net: &Architecture,
    channels: &[usize],
) -> Result<[usize; 2], TrainError> {
    let fault = |reason: &str| Err(TrainError::Recipe(format!("embed.maps: {reason}; set it to 0")));
    let (Some([theirs, height, width]), Some(node)) = (teacher.map(), pooled(net)) else {
        return fault("the teacher or the network has no map that it pools at its end");
    };
    let halves = |op: &Op| matches!(op, Op::Conv { stride: 2, .. });
    let side = |size: usize| {
        net.nodes[..=node].iter().filter(|n| halves(&n.op)).fold(size, |side, _| side.div_ceil(2))
    };
    if let Some(stage) = recipe.stages.iter().find(|stage| [height, width] != [side(stage.size); 2]) {
        return fault(&format!(
            "the teacher's last map has {height}×{width} places and the network's {0}×{0} at {1} pixels",
            side(stage.size),
            stage.size
        ));
    }
    Ok([theirs, channels[node]])
}

/// `rows` × `columns` with orthonormal columns, row-major, by Gram and Schmidt.
fn orthonormal(rows: usize, columns: usize, random: &mut Random) -> Vec<f32> {
    let mut basis: Vec<Vec<f32>> = Vec::new();
    while basis.len() < columns {
        let mut v: Vec<f32> = (0..rows).map(|_| random.normal()).collect();
        for _ in 0..2 {
            for u in &basis {
                let dot: f32 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(u).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = v.iter().map(|a| a * a).sum::<f32>().sqrt();
        basis.push(v.into_iter().map(|a| a / norm).collect());
    }
    (0..rows).flat_map(|r| basis.iter().map(move |u| u[r])).collect()
}

impl Lessons<'_> {
    /// The matrix that places the teacher's `d` numbers among our `D`: `[D, d]`.
    fn placement<B: Backend>(&self, b: &B) -> B::Tensor {
        b.constant(&self.placement, &[self.dim, self.placement.len() / self.dim])
    }

    /// The teacher's template of a face, placed into our dimensions.
    fn target(&self, face: usize) -> Vec<f32> {
        self.placed(self.faces.template(face))
    }

    /// The face of a batch's sample, before it may be blended with another.
    fn face(&self, batch: u64, sample: usize) -> usize {
        let n = self.recipe.batch;
        let per_epoch = (self.faces.len() / n).max(1) as u64;
        let (epoch, within) = (batch / per_epoch, (batch % per_epoch) as usize);
        shuffled(within * n + sample, self.faces.len(), self.recipe.seed ^ epoch)
    }

    /// The step of a batch: batches are as many as steps, or several of them are a step's.
    fn step(&self, batch: u64) -> u64 {
        batch / self.recipe.accumulate as u64
    }

    /// Those of a head's people who take part in the step of a batch, all of its batches being alike in that.
    fn present(&self, head: &Head, batch: u64) -> Option<Present> {
        let (step, batches) = (self.step(batch), self.recipe.accumulate as u64);
        let faces = (step * batches..(step + 1) * batches)
            .flat_map(|batch| (0..self.recipe.batch).map(move |sample| self.face(batch, sample)));
        head.present(step, self.recipe.seed, faces)
    }

    fn placed(&self, template: &[f32]) -> Vec<f32> {
        let columns = self.placement.len() / self.dim;
        let dot = |i: usize| {
            let row = &self.placement[i * columns..][..columns];
            row.iter().zip(template).map(|(a, b)| a * b).sum()
        };
        (0..self.dim).map(dot).collect()
    }
}

impl Load for Lessons<'_> {
    type Batch = EmbedBatch;

    fn load(&self, number: u64, size: usize) -> EmbedBatch {
        let n = self.recipe.batch;
        let mut batch = EmbedBatch {
            pictures: Vec::with_capacity(n * size * size * 3),
            size,
            full: Vec::new(),
            targets: vec![0.0; n * self.dim],
            means: if self.recipe.embed.person_mean > 0.0 { vec![0.0; n * self.dim] } else { Vec::new() },
            blends: (self.recipe.embed.blend * n as f64).round() as usize,
            labels: vec![Vec::with_capacity(n); self.heads.len()],
            present: self.heads.iter().map(|head| self.present(head, number)).collect(),
        };
        // A teacher looks at pictures of its own size; the network then sees the same ones, shrunk.
        let embed = &self.recipe.embed;
        let drawn = if embed.blend > 0.0 || embed.live_teacher { CROP } else { size };
        let strength = &self.recipe.augment;
        let (mut second, mut clean) = (Vec::new(), Vec::new());
        let last = |pictures: &[u8]| pictures.len() - drawn * drawn * 3;
        for sample in 0..n {
            let mut random = Random::for_sample(self.recipe.seed, number, sample as u64);
            let face = self.face(number, sample);
            let crop = self.faces.crop(face);
            let full = embed.clean_teacher.then_some(&mut batch.full);
            augment(crop, drawn, strength, &mut random, &mut batch.pictures, full);
            if sample < batch.blends {
                let crop = self.faces.crop(random.below(self.faces.len()));
                second.clear();
                clean.clear();
                let full = embed.clean_teacher.then_some(&mut clean);
                augment(crop, drawn, strength, &mut random, &mut second, full);
                let share = random.unit();
                let first = last(&batch.pictures);
                blend(&mut batch.pictures[first..], &second, share);
                if embed.clean_teacher {
                    let first = last(&batch.full);
                    blend(&mut batch.full[first..], &clean, share);
                }
                batch.labels.iter_mut().for_each(|labels| labels.push(None));
                continue;
            }
            batch.targets[sample * self.dim..][..self.dim].copy_from_slice(&self.target(face));
            let mean = self.faces.person(face).and_then(|person| self.people.mean(person));
            if let Some(mean) = mean.filter(|_| !batch.means.is_empty()) {
                batch.means[sample * self.dim..][..self.dim].copy_from_slice(&self.placed(mean));
            }
            for ((labels, head), present) in batch.labels.iter_mut().zip(&self.heads).zip(&batch.present) {
                let person = head.person(face).filter(|_| head.learns_in(self.step(number)));
                labels.push(person.and_then(|p| present.as_ref().map_or(Some(p), |all| all.place(p))));
            }
        }
        if drawn != size {
            let large = std::mem::take(&mut batch.pictures);
            for picture in large.chunks_exact(drawn * drawn * 3) {
                augment(picture, size, &Strength::NONE, &mut Random::new(0), &mut batch.pictures, None);
            }
            if !embed.clean_teacher {
                batch.full = large;
            }
        }
        batch
    }
}

impl<B: Backend> EmbedTask<'_, B> {
    /// What the teacher says of the first `n` pictures of a batch, its templates placed into our dimensions.
    fn asked(&self, b: &B, batch: &EmbedBatch, n: usize) -> Result<Said<B::Tensor>, TrainError> {
        let none = || TrainError::Recipe("a picture to be judged without a teacher".into());
        let teacher = self.teacher.as_ref().ok_or_else(none)?;
        let pictures = if batch.full.is_empty() { &batch.pictures } else { &batch.full };
        let said = teacher.look(b, &pictures[..n * CROP_BYTES], n)?;
        Ok(Said { templates: b.matmul_transposed(&said.templates, &self.lessons.placement(b)), ..said })
    }
}

impl<'a, B: Backend> Task<B> for EmbedTask<'a, B> {
    type Loader = Lessons<'a>;

    fn loader(&self) -> &Lessons<'a> {
        &self.lessons
    }

    fn extras(&self, random: &mut Random) -> Weights {
        let template = |face| self.lessons.target(face);
        let template = self.lessons.recipe.embed.imprint.then_some(&template as &dyn Fn(usize) -> Vec<f32>);
        let heads = self.lessons.heads.iter();
        let mut weights: Weights =
            heads.flat_map(|head| head.fresh(self.lessons.dim, random, template)).collect();
        if let Some([theirs, ours]) = self.maps {
            let deviation = 1.0 / (ours as f32).sqrt();
            let matrix = (0..theirs * ours).map(|_| random.normal() * deviation).collect();
            weights.insert(MAPS.into(), (vec![theirs, ours, 1, 1], matrix));
        }
        weights
    }

    fn extras_of(&self, b: &B, model: &Model<B>) -> Weights {
        let Lessons { faces, recipe, dim, heads, .. } = &self.lessons;
        let mut weights = Weights::new();
        if !recipe.embed.imprint_own {
            return weights;
        }
        let mut random = Random::new(recipe.seed);
        for head in heads {
            let few = head.few(LOOKS);
            let crops: Vec<&[u8]> = few.iter().map(|(face, _)| faces.crop(*face)).collect();
            let templates = templates_of(b, model, &crops);
            let rows = templates.chunks_exact(*dim).map(<[f32]>::to_vec);
            let mut known = few.iter().map(|(_, class)| *class).zip(rows);
            weights.extend(head.imprinted(*dim, &mut random, &mut known));
        }
        weights
    }

    fn rows(&self, batch: &EmbedBatch) -> Vec<(String, Vec<usize>)> {
        let heads = self.lessons.heads.iter().zip(&batch.present);
        heads.filter_map(|(head, present)| Some(head.rows(present.as_ref()?))).flatten().collect()
    }

    fn pictures(&self, b: &B, batch: &EmbedBatch) -> B::Tensor {
        let n = batch.targets.len() / self.lessons.dim;
        b.pictures(&batch.pictures, n, batch.size, batch.size, MEAN, STD)
    }

    fn loss(&self, b: &B, model: &Model<B>, batch: &EmbedBatch) -> Result<Loss<B::Tensor>, TrainError> {
        let n = batch.targets.len() / self.lessons.dim;
        let x = Task::<B>::pictures(self, b, batch);
        let (mut outputs, map) = model.forward_with_map(b, &x, self.lessons.recipe.learns.is_empty());
        let raw = outputs.swap_remove(0);
        let x = loss::unit(b, &raw);
        let weights = &self.lessons.recipe.embed;
        let mut parts: Vec<(String, f64, B::Tensor)> = Vec::new();
        let mut follow = |name: &str, x: &B::Tensor, target: &B::Tensor| {
            let share = b.shape(x)[0] as f64 / n as f64;
            if weights.distil > 0.0 {
                let loss = if weights.within {
                    loss::cosine_distillation_within(b, x, target, &self.lessons.placement(b))
                } else {
                    loss::cosine_distillation(b, x, target)
                };
                parts.push((format!("{name}distil"), weights.distil * share, loss));
            }
            if weights.neighbours > 0.0 {
                let People { means, several, dim } = &self.lessons.people;
                let known = b.constant(means, &[several.len(), *dim]);
                let placement = self.lessons.placement(b);
                let [x, target] = [x, target].map(|t| loss::part_within(b, t, &placement));
                let loss = loss::neighbours(b, &loss::unit(b, &x), &target, &known, weights.temperature);
                parts.push((format!("{name}neighbours"), weights.neighbours * share, loss));
            }
            if weights.relations > 0.0 {
                let loss = loss::relational_distillation(b, x, target);
                parts.push((format!("{name}relations"), weights.relations * share, loss));
            }
        };
        let blends = batch.blends;
        // What the teacher says of the first pictures, or of all of them.
        let looked = if weights.live_teacher { n } else { blends };
        let asked = if looked > 0 { Some(self.asked(b, batch, looked)?) } else { None };
        if let Some(asked) = asked.as_ref().filter(|_| blends > 0) {
            follow("blend_", &b.narrow(&x, 0, 0, blends), &b.narrow(&asked.templates, 0, 0, blends));
        }
        if blends < n {
            let rest = |t: &B::Tensor| b.narrow(t, 0, blends, n - blends);
            let target = match &asked {
                Some(asked) if looked == n => rest(&asked.templates),
                _ => rest(&b.constant(&batch.targets, &[n, self.lessons.dim])),
            };
            let target = if batch.means.is_empty() {
                target
            } else {
                let means = rest(&b.constant(&batch.means, &[n, self.lessons.dim]));
                let share = weights.person_mean;
                loss::unit(b, &b.add(&b.affine(&target, 1.0 - share, 0.0), &b.affine(&means, share, 0.0)))
            };
            follow("", &rest(&x), &target);
        }
        if let (Some(_), Some(map), Some(theirs)) = (self.maps, map, asked.and_then(|asked| asked.map)) {
            let ours = b.narrow(&map, 0, 0, looked);
            let ours = b.conv(&ours, &model.tensors[MAPS], None, 1, 1, Padding::None);
            let share = looked as f64 / n as f64;
            parts.push(("maps".into(), weights.maps * share, loss::cosine_of_maps(b, &ours, &theirs)));
        }
        for ((head, labels), present) in self.lessons.heads.iter().zip(&batch.labels).zip(&batch.present) {
            if labels.iter().any(Option::is_some) {
                parts.push((
                    head.loss_name(),
                    head.weight(),
                    head.loss(b, model, &raw, labels, present.as_ref()),
                ));
            }
        }
        let weighted = parts.iter().map(|(_, weight, part)| b.affine(part, *weight, 0.0));
        let total = weighted.reduce(|a, c| b.add(&a, &c)).unwrap_or_else(|| b.constant(&[0.0], &[1]));
        Ok((total, parts.into_iter().map(|(name, _, part)| (name, part)).collect()))
    }

    /// Whatever the size at which a stage learns: people are embedded at [`CROP`] pixels, so that is what is judged.
    fn evaluate(&self, b: &B, model: &Model<B>, _: usize) -> Figures {
        let templates = templates(b, model, self.held_out);
        let curve = held_out::curve(self.held_out, &templates, self.lessons.dim);
        curve.map_or_else(Vec::new, |curve| held_out::figures(&curve))
    }

    fn card(&self, b: &B, model: &Model<B>, name: &str, file: &str) -> Option<Card> {
        Some(card(b, model, name, file, self.held_out, self.lessons.dim))
    }
}

/// The card of an embedder with templates of `dim` numbers, with thresholds from people that it did not learn.
pub(crate) fn card<B: Backend>(
    b: &B,
    model: &Model<B>,
    name: &str,
    file: &str,
    held_out: &Faces,
    dim: usize,
) -> Card {
    let people = held_out.names().len();
    let people = if people == 1 { "one person".into() } else { format!("{people} people") };
    let measured_on = format!("{} held-out faces of {people}, one look each", held_out.len());
    let curve = held_out::curve(held_out, &templates(b, model, held_out), dim);
    let known = curve.and_then(|curve| card::thresholds(&curve, &measured_on));
    card::of(model.network(), name, file, known)
}

/// Unit templates of all faces as they are, one row each.
pub(crate) fn templates<B: Backend>(b: &B, model: &Model<B>, faces: &Faces) -> Vec<f32> {
    let crops: Vec<&[u8]> = (0..faces.len()).map(|face| faces.crop(face)).collect();
    templates_of(b, model, &crops)
}

fn templates_of<B: Backend>(b: &B, model: &Model<B>, crops: &[&[u8]]) -> Vec<f32> {
    let look = |crops: &[&[u8]]| {
        let x = b.pictures(&crops.concat(), crops.len(), CROP, CROP, MEAN, STD);
        b.without_gradients(|| b.values(&loss::unit(b, &model.forward(b, &x, false)[0])))
    };
    crops.chunks(64).flat_map(look).collect()
}

/// `first`, with the share `other` of a second picture over it.
fn blend(first: &mut [u8], second: &[u8], other: f32) {
    for (a, b) in first.iter_mut().zip(second) {
        *a = (f32::from(*a) + (f32::from(*b) - f32::from(*a)) * other).round() as u8;
    }
}

/// The `i`-th element of a seeded permutation of `0..n`, without holding it: a Feistel network over the next
/// power of four, walked until it lands within.
fn shuffled(i: usize, n: usize, seed: u64) -> usize {
    let half = (usize::BITS - n.max(2).leading_zeros()).div_ceil(2);
    let mask = (1usize << half) - 1;
    let mut x = i % n;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4u64 {
            let key = Random::for_sample(seed, round, right as u64).bits() as usize;
            (left, right) = (right, left ^ (key & mask));
        }
        x = left << half | right;
        if x < n {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::Shard;

    #[test]
    fn shuffled_is_a_permutation() {
        for n in [1, 2, 3, 10, 63, 64, 65, 1000] {
            let mut all: Vec<usize> = (0..n).map(|i| shuffled(i, n, 7)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>(), "n = {n}");
        }
    }

    /// Nine faces of three people.
    fn nine(folder: &std::path::Path) -> Faces {
        let mut shard = Shard::default();
        let mut random = Random::new(1);
        for i in 0..9 {
            let crop: Vec<u8> = (0..CROP_BYTES).map(|_| random.bits() as u8).collect();
            let person = format!("a:{}", i % 3);
            shard.push(&crop, &[1.0, 0.0], [format!("{i}.jpg"), person, "train".into()]).expect("fits");
        }
        shard.write(&folder.join("s"), "s").expect("written");
        Faces::open(folder, "train").expect("read")
    }

    fn lessons<'a>(faces: &'a Faces, recipe: &'a Recipe, heads: Vec<Head>) -> Lessons<'a> {
        let placement = vec![1.0, 0.0, 0.0, 1.0];
        Lessons { faces, recipe, dim: 2, placement, people: People::of(faces), heads }
    }

    #[test]
    fn a_head_learns_in_every_so_many_steps() {
        let folder = tempfile::tempdir().expect("a folder");
        let faces = nine(folder.path());
        let mut recipe = Recipe::plain("x");
        recipe.batch = 6;
        let head = |every: u64| {
            let text = format!("people = \"a:\"\nweight = 1.0\nevery = {every}");
            Head::new(toml::from_str(&text).expect("a head"), "a".into(), &faces).expect("three people")
        };
        for (accumulate, expected) in [(1, [true, false, false, true]), (2, [true, true, false, false])] {
            recipe.accumulate = accumulate;
            let lessons = lessons(&faces, &recipe, vec![head(1), head(3)]);
            for (number, expected) in expected.into_iter().enumerate() {
                let labels = lessons.load(number as u64, CROP).labels;
                assert!(labels[0].iter().all(Option::is_some));
                assert!(labels[1].iter().all(|label| label.is_some() == expected), "batch {number}");
            }
        }
    }

    #[test]
    fn the_mean_of_a_person_is_that_of_all_photos_and_of_several() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shard = Shard::default();
        for (person, template) in
            [("a:1", [1.0, 0.0]), ("a:1", [0.0, 1.0]), ("a:2", [0.6, 0.8]), ("", [0.8, 0.6])]
        {
            let row = ["x.jpg".into(), person.into(), "train".into()];
            shard.push(&[0; CROP_BYTES], &template, row).expect("fits");
        }
        shard.write(&folder.path().join("s"), "s").expect("written");
        let faces = Faces::open(folder.path(), "train").expect("read");
        let mut recipe = Recipe::plain("x");
        recipe.batch = 4;
        assert!(lessons(&faces, &recipe, vec![]).load(0, CROP).means.is_empty());
        recipe.embed.person_mean = 0.5;
        let batch = lessons(&faces, &recipe, vec![]).load(0, CROP);
        let root = 0.5f32.sqrt();
        for (target, mean) in batch.targets.chunks_exact(2).zip(batch.means.chunks_exact(2)) {
            let expected = if target[0] * target[1] == 0.0 { [root, root] } else { [0.0, 0.0] };
            assert!(
                (mean[0] - expected[0]).abs() < 1e-6 && (mean[1] - expected[1]).abs() < 1e-6,
                "{mean:?} of {target:?}"
            );
        }
    }

    #[test]
    fn a_clean_teacher_sees_what_the_network_sees_before_it_is_spoilt() {
        let folder = tempfile::tempdir().expect("a folder");
        let faces = nine(folder.path());
        let load = |size: usize, clean: bool, spoilt: bool| {
            let mut recipe = Recipe::plain("x");
            recipe.batch = 6;
            recipe.embed.blend = 0.5;
            recipe.embed.live_teacher = true;
            recipe.embed.clean_teacher = clean;
            recipe.augment = Strength { flip: 0.5, shift: 4.0, rotate: 9.0, turn: 9.0, ..Strength::NONE };
            if spoilt {
                recipe.augment = Strength { grey: 1.0, coarse: 1.0, dark: 1.0, ..recipe.augment };
            }
            lessons(&faces, &recipe, vec![]).load(3, size)
        };
        let blends = 3 * CROP_BYTES;
        for size in [CROP, 64] {
            let (plain, spoilt) = (load(size, false, true), load(size, true, true));
            assert_eq!(plain.pictures, spoilt.pictures, "the network sees the same");
            // Blends draw their second face after the first is spoilt, single faces before.
            let large = load(CROP, false, false).pictures;
            assert_eq!(spoilt.full.len(), large.len());
            assert!(spoilt.full[blends..] == large[blends..]);
            assert!(spoilt.full[..blends] != large[..blends]);
            assert!(
                load(CROP, true, false).full == large,
                "where nothing is spoilt, blends are the same, too"
            );
        }
    }

    #[test]
    fn placement_keeps_cosines() {
        let q = orthonormal(20, 6, &mut Random::new(1));
        for a in 0..6 {
            for b in 0..6 {
                let dot: f32 = (0..20).map(|r| q[r * 6 + a] * q[r * 6 + b]).sum();
                assert!((dot - if a == b { 1.0 } else { 0.0 }).abs() < 1e-5, "{a} {b} {dot}");
            }
        }
    }
}
