//! A recipe: everything that decides what a run comes to, in one TOML file.
//!
//! Fields are only ever added, with defaults that mean what was meant without them: a recipe of yesterday still
//! describes yesterday's run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::augment::Strength;
use crate::error::TrainError;
use crate::loss::detector::{Quality, ScoreRule};
use crate::loss::margin::{Kind, Margin};
use crate::optim::Rule;
use crate::schedule::Schedule;

/// A run's recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Network by name, see `phiz_net::zoo`.
    pub network: String,
    /// Seed of weights, order and augmentation.
    pub seed: u64,
    /// Samples of one forward and backward pass.
    pub batch: usize,
    /// Passes of one step, whose gradients are averaged.
    #[serde(default = "Recipe::default_accumulate")]
    pub accumulate: usize,
    /// Weight decay: with AdamW a fraction of the learning rate, with SGD added to the gradient.
    #[serde(default = "Recipe::default_decay")]
    pub decay: f64,
    /// Bound on the norm of the gradient.
    #[serde(default = "Recipe::default_clip")]
    pub clip: f64,
    /// Decay of the average of weights that is judged and exported.
    #[serde(default = "Recipe::default_average")]
    pub average: f64,
    /// How gradients become changes.
    #[serde(default)]
    pub optimiser: Rule,
    /// Prefixes of the parameters that learn, beside those of heads; none is all. What does not learn keeps its
    /// statistics too: normalisations then use those that they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learns: Vec<String>,
    /// When to end before the last step.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// What happens one after another.
    pub stages: Vec<Stage>,
    /// Weights of an embedder's losses.
    #[serde(default)]
    pub embed: EmbedLosses,
    /// What a detector is taught.
    #[serde(default)]
    pub detect: DetectRule,
    /// Strength of augmentation.
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

/// Early stopping: the run ends when a held-out figure has not become better for a while. The weights of the best
/// evaluation are the run's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Which held-out figure, such as `tar_at_far_1e-3`.
    pub figure: String,
    /// Evaluations in a row without a better one that end the run.
    pub patience: u32,
    /// Whether less is better.
    #[serde(default)]
    pub less_is_better: bool,
}

/// Whether a weight is left at nothing: recipes of before it keep their text.
fn is_zero(weight: &f64) -> bool {
    *weight == 0.0
}

/// Weights of the losses of an embedder; zero is off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedLosses {
    /// `1 − cos` to the teacher's template.
    pub distil: f64,
    /// Whether `distil` compares only the part of a template that lies in the teacher's dimensions, brought to length 1. The
    /// others stay free for what names teach; without it they are drawn to zero.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub within: bool,
    /// Share, below 1, of the mean of the teacher's templates of a person's photos in what `distil` and `relations` follow, where a
    /// person has several: what the teacher sees in one photo is partly the photo.
    #[serde(skip_serializing_if = "is_zero")]
    pub person_mean: f64,
    /// Weight of the divergence of whom a picture resembles among the people of the data, from what the teacher says.
    #[serde(skip_serializing_if = "is_zero")]
    pub neighbours: f64,
    /// Cosines are divided by it there, before they become shares: the lower, the more the nearest people count.
    pub temperature: f64,
    /// Squared difference of the batch's cosines to the teacher's.
    pub relations: f64,
    /// `1 − cos` at each place of the last map to the teacher's, where a teacher looks: at more numbers than a template has.
    /// The network's map is brought to the teacher's channels by a matrix that is learnt beside it and not exported.
    #[serde(skip_serializing_if = "is_zero")]
    pub maps: f64,
    /// Share of each batch that is blends of two faces, of which a teacher is asked while the network learns.
    pub blend: f64,
    /// Whether a teacher looks at every picture that the network sees, changed as it is, instead of the prepared templates
    /// of the unchanged one.
    pub live_teacher: bool,
    /// Whether a teacher that looks sees each picture before it is spoilt: cropped, turned and mirrored as the network's, but
    /// sharp, in its own light and without what is drawn on the face.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clean_teacher: bool,
    /// Whether the centres of people begin at their teacher's templates, so that a margin loss joins a network that has
    /// learnt without a shock.
    pub imprint: bool,
    /// Whether the centres begin at the mean template that the network itself gives to their people, where a run begins from
    /// weights.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub imprint_own: bool,
    /// CosFace over the labelled faces: the short way to write one head.
    pub margin_loss: f64,
    /// CosFace's margin.
    pub margin: f32,
    /// CosFace's scale.
    pub scale: f64,
    /// Prefix of the people that this head tells apart; others count as unlabelled.
    pub people: String,
    /// Further heads, one for each label space.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadRecipe>,
}

impl Default for EmbedLosses {
    fn default() -> EmbedLosses {
        EmbedLosses {
            distil: 1.0,
            within: false,
            person_mean: 0.0,
            neighbours: 0.0,
            temperature: 0.05,
            relations: 0.0,
            maps: 0.0,
            blend: 0.0,
            live_teacher: false,
            clean_teacher: false,
            imprint: false,
            imprint_own: false,
            margin_loss: 0.0,
            margin: 0.35,
            scale: 48.0,
            people: String::new(),
            heads: Vec::new(),
        }
    }
}

/// A head: the people of one label space, told apart by one loss. People of different spaces are never taken for
/// different people, since they may be the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadRecipe {
    /// Prefix of the people's names, as `celeba:`.
    pub people: String,
    /// Weight in the sum of losses.
    pub weight: f64,
    /// Which loss.
    #[serde(default)]
    pub loss: Kind,
    /// Margin.
    #[serde(default = "HeadRecipe::default_margin")]
    pub margin: f64,
    /// Scale of the cosines.
    #[serde(default = "HeadRecipe::default_scale")]
    pub scale: f64,
    /// Centres of each person.
    #[serde(default = "HeadRecipe::default_centres")]
    pub centres: usize,
    /// It learns in every so many steps, and counts so many times then.
    #[serde(default = "HeadRecipe::default_every")]
    pub every: u64,
    /// So many of the people take part in a step: those of its faces, and others at random, who stand for all others
    /// (An et al. 2022, "Partial FC"). Everybody if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
}

impl HeadRecipe {
    fn default_margin() -> f64 {
        0.35
    }
    fn default_scale() -> f64 {
        48.0
    }
    fn default_centres() -> usize {
        1
    }
    fn default_every() -> u64 {
        1
    }

    /// The loss with its numbers.
    #[must_use]
    pub fn spec(&self) -> Margin {
        Margin { kind: self.loss, margin: self.margin, scale: self.scale, centres: self.centres }
    }
}

impl EmbedLosses {
    /// All heads, the one of the short way first.
    #[must_use]
    pub fn all_heads(&self) -> Vec<HeadRecipe> {
        let short = HeadRecipe {
            people: self.people.clone(),
            weight: self.margin_loss,
            loss: Kind::CosFace,
            margin: f64::from(self.margin),
            scale: self.scale,
            centres: 1,
            every: 1,
            sample: None,
        };
        (self.margin_loss > 0.0).then_some(short).into_iter().chain(self.heads.iter().cloned()).collect()
    }
}

/// What a detector is taught beside boxes and landmarks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectRule {
    /// What the score of a face learns.
    pub quality: Quality,
    /// Weight of places without a face in the score's loss.
    pub background: f32,
    /// Share of composed pictures that show no face at all.
    pub empty: f32,
}

impl Default for DetectRule {
    fn default() -> DetectRule {
        DetectRule { quality: Quality::Overlap, background: 1.0, empty: 1.0 / 12.0 }
    }
}

impl DetectRule {
    /// The part that the loss needs.
    #[must_use]
    pub fn rule(&self) -> ScoreRule {
        ScoreRule { quality: self.quality, background: self.background }
    }
}

/// A field in which two recipes differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name, as `stages[0].schedule.rate`.
    pub field: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub now: String,
}

impl Difference {
    /// Whether a run may go on with the field changed: how fast and how long it learns may be decided while it learns. What it
    /// learns may not: that would be another run.
    #[must_use]
    pub fn is_pace(&self) -> bool {
        self.field.contains("].schedule.")
            || ["clip", "decay"].contains(&self.field.as_str())
            || self.field.starts_with("stop")
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {} to {}", self.field, self.before, self.now)
    }
}

/// The leaves of a value by their names.
fn flatten(value: &toml::Value, name: String, fields: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(value, name, fields);
            }
        }
        toml::Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                flatten(value, format!("{name}[{i}]"), fields);
            }
        }
        leaf => {
            fields.insert(name, leaf.to_string());
        }
    }
}

impl Recipe {
    fn default_accumulate() -> usize {
        1
    }
    fn default_decay() -> f64 {
        0.05
    }
    fn default_clip() -> f64 {
        5.0
    }
    fn default_average() -> f64 {
        0.999
    }

    /// A recipe of nothing but a network, where one is needed only to judge.
    #[must_use]
    pub fn plain(network: &str) -> Recipe {
        Recipe {
            network: network.into(),
            seed: 1,
            batch: 2,
            accumulate: Recipe::default_accumulate(),
            decay: Recipe::default_decay(),
            clip: Recipe::default_clip(),
            average: Recipe::default_average(),
            optimiser: Rule::default(),
            learns: Vec::new(),
            stop: None,
            stages: Vec::new(),
            embed: EmbedLosses { distil: 1.0, ..EmbedLosses::default() },
            detect: DetectRule::default(),
            augment: Strength::default(),
        }
    }

    /// Reads a recipe.
    ///
    /// # Errors
    /// A file that cannot be read, is no TOML, or has an unknown or impossible field.
    pub fn open(path: &Path) -> Result<Recipe, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|e| TrainError::file(path, &e))?;
        let recipe: Recipe = toml::from_str(&text).map_err(|e| TrainError::file(path, &e))?;
        match recipe.fault() {
            Some(fault) => Err(TrainError::file(path, &fault)),
            None => Ok(recipe),
        }
    }

    /// What is impossible in the recipe, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let wrong = |reason: String| Some(reason);
        if self.batch < 2 {
            return wrong("batch must be at least 2: normalisation needs a batch".into());
        }
        if self.accumulate == 0 {
            return wrong("accumulate must be at least 1".into());
        }
        if self.clip.is_nan()
            || self.clip <= 0.0
            || !(0.0..1.0).contains(&self.average)
            || self.decay.is_nan()
            || self.decay < 0.0
        {
            return wrong("clip must be positive, average in [0, 1) and decay not negative".into());
        }
        if let Some(fault) = self.optimiser.fault() {
            return wrong(fault);
        }
        if self.stages.is_empty() {
            return wrong("stages: needs at least one".into());
        }
        for (i, stage) in self.stages.iter().enumerate() {
            if stage.size == 0 || stage.size % 32 != 0 && stage.size != 112 {
                return wrong(format!(
                    "stages[{i}].size must be 112 or a multiple of 32, not {}",
                    stage.size
                ));
            }
            if let Some(fault) = stage.schedule.fault() {
                return wrong(format!("stages[{i}].{fault}"));
            }
        }
        let detect = &self.detect;
        if !(detect.background > 0.0 && detect.background.is_finite() && (0.0..1.0).contains(&detect.empty)) {
            return wrong("detect.background must be positive and detect.empty in [0, 1)".into());
        }
        if !(self.embed.maps >= 0.0 && self.embed.maps.is_finite()) {
            return wrong("embed.maps is a weight: zero or a positive number".into());
        }
        if !(0.0..1.0).contains(&self.embed.person_mean) {
            return wrong("embed.person_mean is a share, 0 to less than 1".into());
        }
        if !(self.embed.neighbours >= 0.0
            && self.embed.neighbours.is_finite()
            && self.embed.temperature > 0.0)
        {
            return wrong(
                "embed.neighbours is a weight, zero or a positive number, and embed.temperature positive"
                    .into(),
            );
        }
        if !(0.0..=1.0).contains(&self.embed.blend) {
            return wrong("embed.blend is a share, 0 to 1".into());
        }
        if let Some(fault) = self.augment.fault() {
            return wrong(fault);
        }
        let heads = self.embed.all_heads();
        for (i, head) in heads.iter().enumerate() {
            let right = head.weight > 0.0 && head.scale > 0.0 && head.margin >= 0.0;
            if !(right && head.centres >= 1 && head.every >= 1) {
                return wrong(format!(
                    "embed.heads {:?}: weight and scale must be positive, margin not negative, centres and every at least 1",
                    head.people
                ));
            }
            if head.sample.is_some_and(|people| people < 2) {
                return wrong(format!(
                    "embed.heads {:?}: sample must be at least 2 people; leave it out for everybody",
                    head.people
                ));
            }
            if let Some(other) = heads[..i].iter().find(|h| h.people == head.people) {
                return wrong(format!("embed.heads: two heads for the people {:?}; keep one", other.people));
            }
        }
        None
    }

    /// The fields in which two recipes differ.
    #[must_use]
    pub fn differences(before: &Recipe, now: &Recipe) -> Vec<Difference> {
        let [before, now] = [before, now].map(|recipe| {
            let mut fields = BTreeMap::new();
            if let Ok(value) = toml::Value::try_from(recipe) {
                flatten(&value, String::new(), &mut fields);
            }
            fields
        });
        let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let get = |fields: &BTreeMap<String, String>, name: &String| {
            fields.get(name).cloned().unwrap_or_else(|| "nothing".into())
        };
        names
            .into_iter()
            .map(|name| Difference { field: name.clone(), before: get(&before, name), now: get(&now, name) })
            .filter(|difference| difference.before != difference.now)
            .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(extra: &str) -> Result<Recipe, String> {
        let text = format!(
            "network = \"phiz-embed\"\nseed = 1\nbatch = 8\n{extra}\n\
             [[stages]]\nsize = 64\nschedule = {{ rate = 1e-3, warmup = 2, steps = 10, fall = 0.5 }}\n"
        );
        let recipe: Recipe = toml::from_str(&text).map_err(|e| e.to_string())?;
        recipe.fault().map_or(Ok(recipe), Err)
    }

    #[test]
    fn recipes_of_the_first_models_are_still_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("recipes") {
            let path = entry.expect("entry").path();
            let recipe = Recipe::open(&path).unwrap_or_else(|e| panic!("{e}"));
            let text = toml::to_string(&recipe).expect("writes");
            assert_eq!(toml::from_str::<Recipe>(&text).expect("reads"), recipe, "{}", path.display());
            count += 1;
        }
        assert!(count >= 3);
    }

    #[test]
    fn what_is_impossible_is_named() {
        let plain = read("").expect("the plain one");
        assert_eq!(plain.optimiser, Rule::Adamw { first: 0.9, second: 0.99 });
        assert_eq!(plain.accumulate, 1);
        for (extra, expected) in [
            ("accumulate = 0", "accumulate"),
            ("clip = 0.0", "clip"),
            ("optimiser = { kind = \"adam\" }", "adam"),
            ("stop = { figure = \"x\", patience = 2, better = 1 }", "better"),
            ("embed = { heads = [{ people = \"a:\", weight = 0.0 }] }", "weight"),
            ("embed = { heads = [{ people = \"a:\", weight = 1.0, every = 0 }] }", "every"),
            ("embed = { heads = [{ people = \"a:\", weight = 1.0, sample = 1 }] }", "sample"),
            ("embed = { person_mean = 1.0 }", "person_mean"),
            ("embed = { blend = 1.5 }", "embed.blend"),
            ("embed = { maps = -0.5 }", "embed.maps"),
            ("detect = { background = 0.0 }", "detect.background"),
            ("detect = { empty = 1.0 }", "detect.empty"),
            ("detect = { quality = \"iou\" }", "overlap"),
            (
                "embed = { heads = [{ people = \"a:\", weight = 1.0 }, { people = \"a:\", weight = 1.0 }] }",
                "two heads",
            ),
            ("embed = { heads = [{ people = \"a:\", weight = 1.0, loss = \"triplet\" }] }", "triplet"),
        ] {
            let error = read(extra).expect_err(extra);
            assert!(error.contains(expected), "{extra}: {error}");
        }
        let full = read(
            "optimiser = { kind = \"sgd\" }\n\
             embed = { heads = [{ people = \"a:\", weight = 1.0, loss = \"adaface\", centres = 3 }] }",
        )
        .expect("the full one");
        assert_eq!(full.optimiser, Rule::Sgd { momentum: 0.9 });
        assert_eq!(full.embed.all_heads().len(), 1);
    }
}
