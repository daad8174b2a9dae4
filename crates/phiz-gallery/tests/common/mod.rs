//! What the integration tests share: a model, templates from a seed, keys.
#![allow(dead_code)]

use std::path::Path;

use phiz_eval::random::Random;
#[cfg(feature = "sqlite")]
use phiz_gallery::Gallery;
use phiz_gallery::{Key, Model, ModelId, NewFace, Template, Thresholds};

/// Values of the tests' templates: few, so that strangers resemble each other and rates can be seen.
pub(crate) const DIM: usize = 24;

pub(crate) fn model() -> Model {
    let quantiles = vec![[0.1, 0.26], [0.01, 0.46], [1e-3, 0.59], [1e-4, 0.68], [1e-6, 0.79]];
    Model { id: model_id(), dim: DIM, thresholds: Thresholds::new(quantiles, "").unwrap() }
}

pub(crate) fn model_id() -> ModelId {
    ModelId::new("test-model").unwrap()
}

/// A vector as a template of the tests' model.
pub(crate) fn template(vector: &[f32]) -> Template {
    Template::new(model_id(), vector.to_vec()).unwrap()
}

/// A template in a random direction.
pub(crate) fn stranger(random: &mut Random, dim: usize) -> Vec<f32> {
    near(random, &vec![0.0; dim], 1.0)
}

/// A template about `center`, the farther the larger `noise` (the length of what is added, on average).
pub(crate) fn near(random: &mut Random, center: &[f32], noise: f64) -> Vec<f32> {
    let each = noise / (center.len() as f64).sqrt();
    let v: Vec<f64> = center.iter().map(|c| f64::from(*c) + each * random.normal()).collect();
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.iter().map(|x| (x / length) as f32).collect()
}

pub(crate) fn face(vector: Vec<f32>) -> NewFace {
    NewFace::new(template(&vector), 0.8)
}

#[cfg(feature = "sqlite")]
pub(crate) fn create(folder: &Path, sealed: bool) -> Gallery {
    Gallery::create(&folder.join("g.phiz"), &model(), &key(folder, sealed)).unwrap()
}

#[cfg(feature = "sqlite")]
pub(crate) fn open(folder: &Path, sealed: bool) -> Gallery {
    Gallery::open(&folder.join("g.phiz"), &key(folder, sealed)).unwrap()
}

pub(crate) fn key(folder: &Path, sealed: bool) -> Key {
    if sealed { Key::File(folder.join("g.key")) } else { Key::None }
}
