//! A recipe: everything that decides what a run comes to, in one TOML file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::augment::Strength;
use crate::error::TrainError;
use crate::optim::Schedule;

/// A run's recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Network by name, see `phiz_net::zoo`.
    pub network: String,
    /// Seed of weights, order and augmentation.
    pub seed: u64,
    /// Samples a step.
    pub batch: usize,
    /// Weight decay as a fraction of the learning rate.
    #[serde(default = "Recipe::default_decay")]
    pub decay: f64,
    /// Bound on the norm of the gradient.
    #[serde(default = "Recipe::default_clip")]
    pub clip: f64,
    /// Decay of the average of weights that is judged and exported.
    #[serde(default = "Recipe::default_average")]
    pub average: f64,
    /// What happens one after another.
    pub stages: Vec<Stage>,
    /// Weights of an embedder's losses.
    #[serde(default)]
    pub embed: EmbedLosses,
    /// Strength of an embedder's augmentation.
    #[serde(default)]
    pub augment: Strength,
}

/// A part of a run at one input size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Side of the input in pixels.
    pub size: usize,
    /// Learning rate over the stage.
    pub schedule: Schedule,
}

/// Weights of the losses of an embedder; zero is off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedLosses {
    /// `1 − cos` to the teacher's template.
    pub distil: f64,
    /// Squared difference of the batch's cosines to the teacher's.
    pub relations: f64,
    /// CosFace over the labelled faces.
    pub margin_loss: f64,
    /// CosFace's margin.
    pub margin: f32,
    /// CosFace's scale.
    pub scale: f64,
    /// Prefix of the people that one head tells apart; others count as unlabelled.
    pub people: String,
}

impl Default for EmbedLosses {
    fn default() -> EmbedLosses {
        EmbedLosses {
            distil: 1.0,
            relations: 0.0,
            margin_loss: 0.0,
            margin: 0.35,
            scale: 48.0,
            people: String::new(),
        }
    }
}

impl Recipe {
    fn default_decay() -> f64 {
        0.05
    }
    fn default_clip() -> f64 {
        5.0
    }
    fn default_average() -> f64 {
        0.999
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// A file that cannot be read, is no TOML, or has an unknown or impossible field.
    pub fn open(path: &Path) -> Result<Recipe, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|e| TrainError::file(path, &e))?;
        let recipe: Recipe = toml::from_str(&text).map_err(|e| TrainError::file(path, &e))?;
        let wrong = |reason: &str| Err(TrainError::file(path, &reason));
        if recipe.batch < 2 {
            return wrong("batch must be at least 2");
        }
        if recipe.stages.is_empty()
            || recipe.stages.iter().any(|s| s.schedule.steps == 0 || s.size % 32 != 0 && s.size != 112)
        {
            return wrong("needs stages, each with steps > 0 and a size that is 112 or a multiple of 32");
        }
        Ok(recipe)
    }

    /// Steps of all stages.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.stages.iter().map(|s| s.schedule.steps).sum()
    }

    /// The stage of a step, and the step's number within it.
    #[must_use]
    pub fn stage(&self, mut step: u64) -> (Stage, u64) {
        for stage in &self.stages {
            if step < stage.schedule.steps {
                return (*stage, step);
            }
            step -= stage.schedule.steps;
        }
        let last = self.stages[self.stages.len() - 1];
        (last, last.schedule.steps)
    }
}
