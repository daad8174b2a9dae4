//! Heads: the people of one label space, each with a centre among the templates, and the loss that tells them apart.
//!
//! A head of tens of thousands of people costs as much as a part of the network: their centres are compared with every face, and
//! moved and remembered in every step. With `sample` only some people take part in a step: those of its faces, and others at random,
//! each of whom stands for so many that the sum over everybody is right on average.

use std::collections::BTreeSet;

use phiz_net::onnx::Weights;

use crate::backend::Backend;
use crate::error::TrainError;
use crate::loss::margin::{self, Kind};
use crate::model::Model;
use crate::random::Random;
use crate::recipe::HeadRecipe;
use crate::shards::Faces;

/// Deviation of the numbers of a fresh centre.
const CENTRE: f32 = 0.05;

/// The people of one label space and the loss that tells them apart.
#[derive(Debug)]
pub(crate) struct Head {
    recipe: HeadRecipe,
    /// Its parameters are `head.NAME.weight` and so on.
    name: String,
    classes: usize,
    /// The class of each face, if it has one here.
    labels: Vec<Option<usize>>,
}

/// Those of a head's people who take part in a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Present {
    /// Those of the step's faces in rising order, and then others.
    classes: Vec<usize>,
    /// So many are the people of the step's faces.
    own: usize,
    /// How many people each of the others stands for.
    each: f64,
}

impl Present {
    /// `own` and some of all others.
    fn new(own: BTreeSet<usize>, classes: usize, sample: usize, random: &mut Random) -> Present {
        let mut others: Vec<usize> = (0..classes).filter(|class| !own.contains(class)).collect();
        // At least one, if there is one: somebody has to stand for those who are not there.
        let wanted = sample.saturating_sub(own.len()).max(1).min(others.len());
        let each = others.len() as f64 / wanted.max(1) as f64;
        for i in 0..wanted {
            let chosen = i + random.below(others.len() - i);
            others.swap(i, chosen);
        }
        others.truncate(wanted);
        let count = own.len();
        Present { classes: own.into_iter().chain(others).collect(), own: count, each }
    }

    /// Where a person of the step's faces stands among those who are present.
    pub(crate) fn place(&self, class: usize) -> Option<usize> {
        self.classes[..self.own].binary_search(&class).ok()
    }

    /// What is added to the logit of each: the logarithm of how many people it stands for.
    fn stands_for(&self) -> Vec<f32> {
        let others = std::iter::repeat_n(self.each.ln() as f32, self.classes.len() - self.own);
        std::iter::repeat_n(0.0, self.own).chain(others).collect()
    }
}

/// The name of the `number`-th head: the letters and digits of its people's prefix, and the number.
pub(crate) fn name(people: &str, number: usize) -> String {
    let plain = people.chars().filter(char::is_ascii_alphanumeric);
    plain.collect::<String>() + &number.to_string()
}

impl Head {
    /// The head of a recipe, for these faces.
    ///
    /// # Errors
    /// Fewer than two people.
    pub(crate) fn new(recipe: HeadRecipe, name: String, faces: &Faces) -> Result<Head, TrainError> {
        let mut numbers = vec![None; faces.names().len()];
        let mut classes = 0;
        let counts = faces.names().iter().map(|name| name.starts_with(&recipe.people));
        for (number, _) in numbers.iter_mut().zip(counts).filter(|(_, counts)| *counts) {
            *number = Some(classes);
            classes += 1;
        }
        if classes < 2 {
            return Err(TrainError::Recipe(format!(
                "the data has {classes} people whose names begin with {:?}, and telling them apart needs two: \
                 check `people` against the `person` column of the shards",
                recipe.people
            )));
        }
        let labels = (0..faces.len()).map(|i| faces.person(i).and_then(|p| numbers[p])).collect();
        Ok(Head { recipe, name, classes, labels })
    }

    /// The name of its loss in reports.
    pub(crate) fn loss_name(&self) -> String {
        if self.name == "centres" { "margin".into() } else { format!("head_{}", self.name) }
    }

    /// Its weight among the losses of a step in which it learns.
    pub(crate) fn weight(&self) -> f64 {
        self.recipe.weight * self.recipe.every as f64
    }

    /// Whether it learns in a step.
    pub(crate) fn learns_in(&self, step: u64) -> bool {
        step.is_multiple_of(self.recipe.every)
    }

    /// The class of a face.
    pub(crate) fn person(&self, face: usize) -> Option<usize> {
        self.labels[face]
    }

    /// Faces that have a class here, and it.
    fn labelled(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.labels.iter().enumerate().filter_map(|(face, class)| Some((face, (*class)?)))
    }

    /// The first faces of each class, and it.
    pub(crate) fn few(&self, each: usize) -> Vec<(usize, usize)> {
        let mut seen = vec![0; self.classes];
        let few = self.labelled().filter(|(_, class)| {
            seen[*class] += 1;
            seen[*class] <= each
        });
        few.collect()
    }

    fn parameter(&self, suffix: &str) -> String {
        format!("head.{}.{suffix}", self.name)
    }

    /// Those who take part in a step of these faces; none for everybody, or where the head rests.
    pub(crate) fn present(
        &self,
        step: u64,
        seed: u64,
        faces: impl Iterator<Item = usize>,
    ) -> Option<Present> {
        let sample = self.recipe.sample.filter(|sample| *sample < self.classes && self.learns_in(step))?;
        let own: BTreeSet<usize> = faces.filter_map(|face| self.labels[face]).collect();
        // Nobody to be told apart: the head rests in this step.
        let mut random = Random::named(Random::for_sample(seed, step, 0).bits(), self.name.bytes());
        (!own.is_empty()).then(|| Present::new(own, self.classes, sample, &mut random))
    }

    /// The rows of its parameters that belong to those who are present.
    pub(crate) fn rows(&self, present: &Present) -> Vec<(String, Vec<usize>)> {
        let block = |k: usize| present.classes.iter().map(move |class| class + k * self.classes);
        let weight = (self.parameter("weight"), (0..self.recipe.centres).flat_map(block).collect());
        let bias = (self.recipe.loss == Kind::Softmax).then(|| (self.parameter("bias"), block(0).collect()));
        std::iter::once(weight).chain(bias).collect()
    }

    /// Fresh parameters: centres, and what the loss needs beside them. Where `template` says what the teacher thinks of
    /// each face, a person's centres begin about the mean of these (Qi et al. 2018, "imprinted weights").
    pub(crate) fn fresh(
        &self,
        dim: usize,
        random: &mut Random,
        template: Option<&dyn Fn(usize) -> Vec<f32>>,
    ) -> Weights {
        let mut known = self.labelled().filter_map(|(face, class)| Some((class, template?(face))));
        let mut weights = self.imprinted(dim, random, &mut known);
        if self.recipe.loss == Kind::Softmax {
            weights.insert(self.parameter("bias"), (vec![self.classes], vec![0.0; self.classes]));
        }
        if self.recipe.loss == Kind::AdaFace {
            // As the paper's authors begin; `var` here is a deviation, named as what never learns.
            weights.insert(self.parameter("mean"), (vec![1], vec![20.0]));
            weights.insert(self.parameter("var"), (vec![1], vec![100.0]));
        }
        weights
    }

    /// Centres that point at the mean templates of their classes, as long as random ones are on average, with a tenth of the random
    /// numbers left, which tells several centres of a class apart. Those of classes without a template, random.
    pub(crate) fn imprinted(
        &self,
        dim: usize,
        random: &mut Random,
        templates: &mut dyn Iterator<Item = (usize, Vec<f32>)>,
    ) -> Weights {
        let rows = self.classes * self.recipe.centres;
        let mut centres: Vec<f32> = (0..rows * dim).map(|_| random.normal() * CENTRE).collect();
        let length = CENTRE * (dim as f32).sqrt();
        let mut means: Vec<Option<Vec<f32>>> = vec![None; self.classes];
        for (class, template) in templates {
            let mean = means[class].get_or_insert_with(|| vec![0.0; dim]);
            mean.iter_mut().zip(template).for_each(|(m, v)| *m += v);
        }
        for (row, centre) in centres.chunks_exact_mut(dim).enumerate() {
            let Some(mean) = &means[row % self.classes] else { continue };
            let norm = mean.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            centre.iter_mut().zip(mean).for_each(|(c, m)| *c = *c * 0.1 + m / norm * length);
        }
        Weights::from([(self.parameter("weight"), (vec![rows, dim], centres))])
    }

    /// The loss of raw templates `[n, dim]`, whose labels are places among those who are present.
    pub(crate) fn loss<B: Backend>(
        &self,
        b: &B,
        model: &Model<B>,
        x: &B::Tensor,
        labels: &[Option<usize>],
        present: Option<&Present>,
    ) -> B::Tensor {
        let get = |suffix: &str| model.tensors.get(&self.parameter(suffix));
        let stands_for =
            present.map(|present| b.constant(&present.stands_for(), &[1, present.classes.len()]));
        let head = margin::Head {
            weight: &model.tensors[&self.parameter("weight")],
            bias: get("bias"),
            stands_for: stands_for.as_ref(),
            lengths: get("mean").zip(get("var")),
        };
        margin::loss(b, x, head, labels, &self.recipe.spec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::Flex;

    fn own(classes: &[usize]) -> BTreeSet<usize> {
        classes.iter().copied().collect()
    }

    #[test]
    fn those_of_the_step_are_present_and_others_stand_for_everybody_else() {
        for (classes, sample, own) in [
            (100, 20, own(&[7, 3, 99])),
            (100, 3, own(&[0, 1, 2, 3, 4])),
            (5, 4, own(&[2])),
            (6, 2, own(&[0])),
        ] {
            let present = Present::new(own.clone(), classes, sample, &mut Random::new(4));
            let distinct: BTreeSet<usize> = present.classes.iter().copied().collect();
            assert_eq!(distinct.len(), present.classes.len());
            assert!(distinct.iter().all(|class| *class < classes));
            assert_eq!(present.classes.len(), sample.max(own.len() + 1));
            for class in 0..classes {
                let place = present.place(class);
                assert_eq!(place.map(|place| present.classes[place]), own.contains(&class).then_some(class));
            }
            let people: f32 = present.stands_for().iter().map(|more| more.exp()).sum();
            assert!((people - classes as f32).abs() < 1e-3, "{people} of {classes}");
        }
    }

    /// What a face is compared with is a sum over people; a sample of them has the same sum on average.
    #[test]
    fn a_sample_of_the_people_means_everybody() {
        let b = Flex::new(1).expect("a back end");
        let mut random = Random::new(5);
        let (classes, dim, person) = (60, 8, 17);
        let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal()).collect() };
        let (centres, face) = (numbers(classes * dim), b.constant(&numbers(dim), &[1, dim]));
        for kind in [Kind::CosFace, Kind::Softmax] {
            let spec = margin::Margin { kind, margin: 0.2, scale: 4.0, centres: 1 };
            let loss = |rows: &[usize], label: usize, stands_for: Option<&[f32]>| {
                let weight: Vec<f32> =
                    rows.iter().flat_map(|row| &centres[row * dim..][..dim]).copied().collect();
                let weight = b.constant(&weight, &[rows.len(), dim]);
                let stands_for = stands_for.map(|list| b.constant(list, &[1, rows.len()]));
                let head = margin::Head {
                    weight: &weight,
                    bias: None,
                    stands_for: stands_for.as_ref(),
                    lengths: None,
                };
                f64::from(b.scalar(&margin::loss(&b, &face, head, &[Some(label)], &spec))).exp()
            };
            let everybody = loss(&(0..classes).collect::<Vec<_>>(), person, None);
            let mut chance = Random::new(6);
            let draws = 3000;
            let mean = (0..draws)
                .map(|_| {
                    let present = Present::new(own(&[person]), classes, 12, &mut chance);
                    let place = present.place(person).expect("of the step");
                    loss(&present.classes, place, Some(&present.stands_for()))
                })
                .sum::<f64>()
                / f64::from(draws);
            assert!((mean / everybody - 1.0).abs() < 0.03, "{kind:?}: {mean} for {everybody}");
        }
    }
}
