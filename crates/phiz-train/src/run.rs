//! The loop that all tasks share: load ahead, step, report, judge, checkpoint, resume.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use phiz_net::card::Card;
use phiz_net::graph::Architecture;
use phiz_net::onnx::{self, Weights};

use crate::backend::Backend;
use crate::card;
use crate::checkpoint::Checkpoint;
use crate::error::TrainError;
use crate::model::{Model, learns};
use crate::optim::{self, Average, Optimiser};
use crate::random::Random;
use crate::recipe::{Recipe, Stage, Stop};
use crate::record::{Changes, Record, Source};
use crate::rows::Taken;
use crate::transfer::Start;
use crate::watch::{Figures, Progress, Watch};
use crate::weights::{write_atomically, write_weights};

/// What stands before the name of a loss, where it is counted.
const COUNT: &str = "count.";

/// A loss and its parts by name.
pub type Loss<T> = (T, Vec<(String, T)>);

/// A source of batches, asked by several threads at once.
pub trait Load: Sync {
    /// Samples of one step.
    type Batch: Send;
    /// The batch of that number, at the input size of its stage; depends on nothing else.
    fn load(&self, number: u64, size: usize) -> Self::Batch;
}

/// What a task's loader gives.
pub type Batch<B, T> = <<T as Task<B>>::Loader as Load>::Batch;

/// What is learnt: a source of batches and the loss of one.
pub trait Task<B: Backend> {
    /// Makes its batches.
    type Loader: Load;
    /// The maker of its batches.
    fn loader(&self) -> &Self::Loader;
    /// Parameters beside the network's, such as class centres: name, shape, values.
    fn extras(&self, random: &mut Random) -> Weights;
    /// The same where a run begins from weights that have learnt: those of [`Task::extras`] that `model` itself can say.
    fn extras_of(&self, _b: &B, _model: &Model<B>) -> Weights {
        Weights::new()
    }
    /// Parameters of which only some rows take part in the step of a batch, and those: in [`Task::loss`] they stand in the place of
    /// the whole. All batches of a step say the same.
    fn rows(&self, _batch: &Batch<B, Self>) -> Vec<(String, Vec<usize>)> {
        Vec::new()
    }
    /// The pictures of a batch as the network reads them.
    fn pictures(&self, b: &B, batch: &Batch<B, Self>) -> B::Tensor;
    /// The loss and its parts by name.
    ///
    /// # Errors
    /// What a batch needs cannot be computed.
    fn loss(&self, b: &B, model: &Model<B>, batch: &Batch<B, Self>) -> Result<Loss<B::Tensor>, TrainError>;
    /// Figures on held-out people or scenes at an input size.
    fn evaluate(&self, b: &B, model: &Model<B>, size: usize) -> Figures;
    /// The model card of a trained network, for an ONNX file beside it; none for a network that is no model by itself.
    fn card(&self, _b: &B, _model: &Model<B>, _name: &str, _file: &str) -> Option<Card> {
        None
    }
}

/// Where a run lives and how often it speaks.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's folder; a checkpoint in it is resumed.
    pub folder: PathBuf,
    /// Weights to begin from when there is no checkpoint, see [`crate::transfer`].
    pub from: Option<Start>,
    /// The network that is asked about pictures, as it is to be recorded; a run goes on with the same one only.
    pub teacher: Option<String>,
    /// A fingerprint of the data; a run goes on with the same only.
    pub data: Option<String>,
    /// Whether a run goes on although its recipe or data have changed.
    pub amend: bool,
    /// Steps between checkpoints.
    pub save_every: u64,
    /// A checkpoint is also written when so much time has passed since the last.
    pub save_after: Duration,
    /// Steps between held-out figures.
    pub evaluate_every: u64,
    /// Threads that make batches ready; 0 for as many as leave one core to the training thread.
    pub loaders: usize,
    /// Set from outside to end the run at the next step with a checkpoint.
    pub stop: Arc<AtomicBool>,
}

impl RunOptions {
    /// The usual intervals.
    #[must_use]
    pub fn new(folder: PathBuf) -> RunOptions {
        RunOptions {
            folder,
            from: None,
            teacher: None,
            data: None,
            amend: false,
            save_every: 500,
            save_after: Duration::from_secs(300),
            evaluate_every: 1000,
            loaders: 0,
            stop: Arc::default(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Complete,
    /// The held-out figure did not become better any more.
    Early {
        /// Steps done.
        step: u64,
    },
    /// It was asked to stop and can be resumed.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

const CHECKPOINT: &str = "checkpoint.safetensors";
/// The checkpoint before the last.
const PREVIOUS: &str = "checkpoint.previous.safetensors";
const REPORT_EVERY: u64 = 20;
const LOADED_AHEAD: usize = 4;
const MAX_BAD_STEPS: u32 = 20;

/// Trains to the recipe's end, or on from the folder's checkpoint. The averaged weights (of the best evaluation,
/// if the recipe stops early) stand in `model.safetensors` and `model.onnx` of the folder, and the model's card beside them in
/// `model.toml`.
///
/// # Errors
/// Files that cannot be read or written, weights of another network, or a loss that stays not finite.
pub fn run<B: Backend, T: Task<B>>(
    b: &B,
    net: &Architecture,
    recipe: &Recipe,
    task: &T,
    options: &RunOptions,
    watch: &mut dyn Watch,
) -> Result<Ending, TrainError> {
    let (mut trainer, changes) = Trainer::new(b, net, recipe, task, options)?;
    if let Some(step) = trainer.resumed {
        watch.note(&format!("resumed at step {step} from {}", options.folder.display()));
        if options.from.is_some() {
            watch.note("the run goes on from its own checkpoint: the weights of --from are not used");
        }
    }
    changes.iter().for_each(|note| watch.note(note));
    let cost = net.cost(recipe.stages[0].size, recipe.stages[0].size);
    watch.note(&format!(
        "{}: {} parameters, {} MMAC at {} px, {}",
        net.name,
        cost.parameters,
        cost.macs / 1_000_000,
        recipe.stages[0].size,
        b.describe()
    ));
    let (start, total, each) = (trainer.step, recipe.steps(), recipe.accumulate as u64);
    let ending = std::thread::scope(|scope| {
        // Each loader makes every n-th batch, so that their order is the same for any number of loaders.
        let loaders = loaders(options.loaders);
        let (first, loader) = (start * each, task.loader());
        let receivers: Vec<_> = (first..first + loaders as u64)
            .map(|first| {
                let (send, receive) = sync_channel(LOADED_AHEAD.div_ceil(loaders));
                scope.spawn(move || {
                    for number in (first..total * each).step_by(loaders) {
                        let (stage, _) = recipe.stage(number / each);
                        if send.send(loader.load(number, stage.size)).is_err() {
                            return;
                        }
                    }
                });
                receive
            })
            .collect();
        let mut turns = (0..loaders).cycle();
        let mut next = || {
            let batch = turns.next().and_then(|turn| receivers[turn].recv().ok());
            batch.ok_or_else(|| TrainError::Recipe("the loader stopped".into()))
        };
        trainer.train(&mut next, watch)
    })?;
    if let Some(warning) = trainer.skipped_warning() {
        watch.note(&warning);
    }
    trainer.export_card()?;
    trainer.record.finish()?;
    Ok(ending)
}

fn loaders(wanted: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if wanted > 0 { wanted } else { cores.saturating_sub(1).max(1) }
}

/// A run in the making.
struct Trainer<'a, B: Backend, T: Task<B>> {
    b: &'a B,
    net: &'a Architecture,
    recipe: &'a Recipe,
    task: &'a T,
    options: &'a RunOptions,
    record: Record,
    model: Model<B>,
    average: Average<B>,
    optimiser: Optimiser<B>,
    /// Sums since the last report: losses by name, and under `count.` and the name of how many steps they are, since not every loss is
    /// computed in every step.
    sums: BTreeMap<String, f64>,
    best: Option<(f64, u32)>,
    best_weights: Weights,
    step: u64,
    resumed: Option<u64>,
    /// The step of the last checkpoint.
    kept: Option<u64>,
    /// Steps in a row whose loss was no number, and all such steps since the run began.
    bad_steps: u32,
    skipped: u64,
}

impl<'a, B: Backend, T: Task<B>> Trainer<'a, B, T> {
    fn new(
        b: &'a B,
        net: &'a Architecture,
        recipe: &'a Recipe,
        task: &'a T,
        options: &'a RunOptions,
    ) -> Result<(Trainer<'a, B, T>, Vec<String>), TrainError> {
        let path = options.folder.join(CHECKPOINT);
        let saved = if path.exists() { Some(Checkpoint::read(&path)?) } else { None };
        let resumed = saved.as_ref().map(|s| s.step);
        let source = Source {
            backend: &b.describe(),
            teacher: options.teacher.as_deref(),
            data: options.data.as_deref(),
            amend: options.amend,
        };
        let since = resumed.map(|step| Changes::since(step, &options.folder, net, recipe, &source));
        let changes = since.transpose()?.unwrap_or_default();
        let mut random = Random::new(recipe.seed);
        let mut weights = Model::new(b, net, &mut random)?.weights(b);
        weights.extend(task.extras(&mut random));
        let saved = saved.unwrap_or_default();
        if resumed.is_some() {
            for (name, (shape, _)) in &weights {
                if saved.now.get(name).is_none_or(|(other, _)| other != shape) {
                    let reason =
                        format!("lacks {name:?} of shape {shape:?}: it is of another network or data");
                    return Err(TrainError::file(&path, &reason));
                }
            }
            weights.clone_from(&saved.now);
        } else if let Some(from) = &options.from {
            let batch = task.loader().load(0, recipe.stages[0].size);
            let begun = from.weights(b, net, &task.pictures(b, &batch))?;
            adopt(&mut weights, &begun);
            let known = task.extras_of(b, &Model::from_weights(b, net, &weights));
            weights.extend(known);
        }
        for prefix in &recipe.learns {
            if !weights.keys().any(|name| name.starts_with(prefix)) {
                let reason = format!("learns: no parameter's name begins with {prefix:?}");
                return Err(TrainError::Recipe(reason));
            }
        }
        let chosen = |name: &str| {
            let any = |prefix: &String| name.starts_with(prefix);
            let chosen =
                recipe.learns.is_empty() || name.starts_with("head.") || recipe.learns.iter().any(any);
            chosen && learns(name)
        };
        let model = Model::with_learning(b, net, &weights, &chosen);
        let mut average = Average::new(b, &model.tensors, recipe.average);
        let tensors = |part: &Weights| -> BTreeMap<String, B::Tensor> {
            part.iter().map(|(n, (shape, data))| (n.clone(), b.constant(data, shape))).collect()
        };
        average.tensors.extend(tensors(&saved.average));
        let mut optimiser = Optimiser::new(recipe.optimiser, recipe.decay, recipe.clip, net);
        // What one optimiser remembers means nothing to another.
        if !changes.recipe.iter().any(|difference| difference.field == "optimiser.kind") {
            optimiser.first = tensors(&saved.first);
            optimiser.second = tensors(&saved.second);
            optimiser.steps = saved.updates;
        }
        // All that could be refused has been looked at: from here on the folder is changed.
        let notes = &changes.notes;
        let record = Record::open(&options.folder, net, recipe, &source, resumed, notes)?;
        // The card is of the weights that stood here before.
        remove(&options.folder.join("model.toml"))?;
        let trainer = Trainer {
            b,
            net,
            recipe,
            task,
            options,
            record,
            model,
            average,
            optimiser,
            sums: saved.sums,
            best: saved.best,
            best_weights: saved.best_weights,
            step: saved.step,
            resumed,
            kept: resumed,
            bad_steps: 0,
            skipped: saved.skipped,
        };
        Ok((trainer, changes.notes))
    }

    fn train(
        &mut self,
        next: &mut dyn FnMut() -> Result<Batch<B, T>, TrainError>,
        watch: &mut dyn Watch,
    ) -> Result<Ending, TrainError> {
        let total = self.recipe.steps();
        let (began, start) = (Instant::now(), self.step);
        let mut recent = VecDeque::from([(began, start)]);
        let (mut saved, mut due) = (Instant::now(), false);
        if self.step >= total {
            self.export()?;
        }
        if let (Some(stop), Some((_, since))) = (&self.recipe.stop, self.best)
            && since >= stop.patience
        {
            return Ok(Ending::Early { step: self.step });
        }
        if let Some(stop) = self.recipe.stop.as_ref().filter(|_| self.step == 0) {
            // What these people cannot show is said before anything is trained, not after.
            self.decisive(stop, &self.judge(self.recipe.stage(0).0))?;
        }
        while self.step < total {
            let (stage, within) = self.recipe.stage(self.step);
            let rate = stage.schedule.at(within);
            let norm = self.update(next, rate)?;
            self.step += 1;
            let done = self.step;
            let last = done == total;
            if done.is_multiple_of(REPORT_EVERY) || last {
                recent.push_back((Instant::now(), done));
                if recent.len() > 20 {
                    recent.pop_front();
                }
                let (since, first) = recent[0];
                let speed = (done - first) as f64 / since.elapsed().as_secs_f64().max(1e-9);
                let progress = Progress {
                    step: done,
                    total,
                    size: stage.size,
                    rate,
                    losses: self.take_means(),
                    gradient: norm,
                    skipped: self.skipped,
                    images_per_second: speed * (self.recipe.batch * self.recipe.accumulate) as f64,
                    left: Duration::from_secs_f64((total - done) as f64 / speed.max(1e-9)),
                };
                self.record.progress(&progress, began.elapsed())?;
                watch.progress(&progress);
            }
            let mut early = false;
            if done.is_multiple_of(self.options.evaluate_every) || last {
                let figures = self.judge(stage);
                self.record.held_out(done, &figures)?;
                watch.held_out(done, &figures);
                early = self.had_enough(&figures)? && !last;
            }
            let asked = self.options.stop.load(Ordering::Relaxed) || watch.wants_to_stop();
            let late = saved.elapsed() >= self.options.save_after;
            due |= done.is_multiple_of(self.options.save_every) || last || early || asked || late;
            // While losses are no numbers the last step before them may have been the ruinous one: what stands stays.
            if due && (self.bad_steps == 0 || last || early || asked) {
                self.save()?;
                (saved, due) = (Instant::now(), false);
            }
            if early {
                return Ok(Ending::Early { step: done });
            }
            if asked && !last {
                return Ok(Ending::Interrupted { step: done });
            }
        }
        Ok(Ending::Complete)
    }

    /// One step; returns the gradient's norm.
    fn update(
        &mut self,
        next: &mut dyn FnMut() -> Result<Batch<B, T>, TrainError>,
        rate: f64,
    ) -> Result<f32, TrainError> {
        let b = self.b;
        let first = next()?;
        let tensors = &mut self.model.tensors;
        let taken: Vec<Taken<B>> = (self.task.rows(&first).into_iter())
            .filter_map(|(name, rows)| Taken::new(b, name, rows, tensors, &mut self.optimiser))
            .collect();
        let moved = self.moved(first, next, rate);
        for taken in taken {
            taken.put_back(b, &mut self.model.tensors, &mut self.optimiser);
        }
        let (norm, losses) = moved?;
        if norm.is_finite() && losses.iter().all(|(_, v)| v.is_finite()) {
            self.bad_steps = 0;
            self.average.update(b, &self.model.tensors, self.step);
            for (name, value) in losses {
                *self.sums.entry(name).or_default() += value;
            }
            return Ok(norm);
        }
        self.heal();
        self.bad_steps += 1;
        self.skipped += 1;
        if self.bad_steps >= MAX_BAD_STEPS {
            self.forget_ruined()?;
            return Err(TrainError::Diverged { steps: self.bad_steps, kept: self.kept });
        }
        Ok(norm)
    }

    /// Moves all that has a part in a step by its batches; returns the gradient's norm and the losses.
    fn moved(
        &mut self,
        first: Batch<B, T>,
        next: &mut dyn FnMut() -> Result<Batch<B, T>, TrainError>,
        rate: f64,
    ) -> Result<(f32, Vec<(String, f64)>), TrainError> {
        let b = self.b;
        let share = 1.0 / self.recipe.accumulate as f64;
        let mut gradients = optim::Gradients::new();
        let mut losses: Vec<(String, f64)> = Vec::new();
        let mut first = Some(first);
        for _ in 0..self.recipe.accumulate {
            let batch = first.take().map_or_else(&mut *next, Ok)?;
            let (loss, parts) = self.task.loss(b, &self.model, &batch)?;
            let values = std::iter::once(("loss".to_string(), b.scalar(&loss)))
                .chain(parts.into_iter().map(|(name, part)| (name, b.scalar(&part))));
            let counted = values.flat_map(|(name, value)| {
                [(format!("{COUNT}{name}"), share), (name, f64::from(value) * share)]
            });
            losses.extend(counted);
            let loss = if self.recipe.accumulate == 1 { loss } else { b.affine(&loss, share, 0.0) };
            let more = optim::gradients(b, &loss, &self.model.tensors);
            optim::accumulate(b, &mut gradients, more);
        }
        Ok((self.optimiser.step(b, &mut self.model.tensors, &gradients, rate), losses))
    }

    /// Puts the checkpoint before the last one back, if the last one holds the very weights whose loss is no number: skipped
    /// steps change nothing, so going on from it could only come to the same end.
    fn forget_ruined(&mut self) -> Result<(), TrainError> {
        let begin = self.step + 1 - u64::from(self.bad_steps);
        if self.kept.is_none_or(|step| step < begin) {
            return Ok(());
        }
        let (path, previous) = (self.checkpoint(), self.options.folder.join(PREVIOUS));
        self.kept = None;
        if let Ok(before) = Checkpoint::read(&previous)
            && before.step < begin
        {
            std::fs::rename(&previous, &path).map_err(|e| TrainError::file(&path, &e))?;
            self.kept = Some(before.step);
            return Ok(());
        }
        remove(&path)
    }

    fn checkpoint(&self) -> PathBuf {
        self.options.folder.join(CHECKPOINT)
    }

    /// What somebody should know of steps that changed nothing.
    fn skipped_warning(&self) -> Option<String> {
        (self.skipped > 0).then(|| {
            format!(
                "warning: {} of {} steps changed nothing, because their loss was no number: lower `rate` or `clip`, or \
                 look at the data",
                self.skipped, self.step
            )
        })
    }

    /// Puts running statistics that are no numbers any more back to their averages: they change while a batch is
    /// read, before anybody knows what its loss will be.
    fn heal(&self) {
        for (name, tensor) in self.model.tensors.iter().filter(|(name, _)| !learns(name)) {
            if self.b.values(tensor).iter().any(|v| !v.is_finite()) {
                self.b.assign(tensor, &self.b.values(&self.average.tensors[name]));
            }
        }
    }

    fn take_means(&mut self) -> Figures {
        let sums = std::mem::take(&mut self.sums);
        let mean = |(name, sum): (&String, &f64)| {
            let count = sums.get(&format!("{COUNT}{name}"))?;
            Some((name.clone(), (sum / count) as f32))
        };
        sums.iter().filter_map(mean).collect()
    }

    fn judge(&self, stage: Stage) -> Figures {
        let judged = Model::from_weights(self.b, self.net, &self.averaged());
        self.b.without_gradients(|| self.task.evaluate(self.b, &judged, stage.size))
    }

    /// Of these figures the one that early stopping goes by.
    fn decisive(&self, stop: &Stop, figures: &Figures) -> Result<f64, TrainError> {
        if let Some((_, figure)) = figures.iter().find(|(name, _)| *name == stop.figure) {
            return Ok(f64::from(*figure));
        }
        let known: Vec<&str> = figures.iter().map(|(name, _)| name.as_str()).collect();
        let known = if known.is_empty() {
            "nothing is: it takes two people, one of them with two photos".into()
        } else {
            format!("measured are {}", known.join(", "))
        };
        let reason = format!("stop.figure {:?} is not measured on these held-out data; {known}", stop.figure);
        Err(TrainError::Recipe(reason))
    }

    /// Whether early stopping ends the run after these figures.
    fn had_enough(&mut self, figures: &Figures) -> Result<bool, TrainError> {
        let Some(stop) = &self.recipe.stop else { return Ok(false) };
        let figure = self.decisive(stop, figures)?;
        let better = match self.best {
            None => true,
            Some((best, _)) if stop.less_is_better => figure < best,
            Some((best, _)) => figure > best,
        };
        if better {
            self.best = Some((figure, 0));
            self.best_weights = self.averaged();
            return Ok(false);
        }
        let (best, since) = self.best.unwrap_or((figure, 0));
        self.best = Some((best, since + 1));
        Ok(since + 1 >= stop.patience)
    }

    fn values(&self, tensors: &BTreeMap<String, B::Tensor>) -> Weights {
        tensors.iter().map(|(n, t)| (n.clone(), (self.b.shape(t), self.b.values(t)))).collect()
    }

    fn averaged(&self) -> Weights {
        self.values(&self.average.tensors)
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let checkpoint = Checkpoint {
            step: self.step,
            updates: self.optimiser.steps,
            skipped: self.skipped,
            now: self.model.weights(self.b),
            average: self.averaged(),
            first: self.values(&self.optimiser.first),
            second: self.values(&self.optimiser.second),
            sums: self.sums.clone(),
            best: self.best,
            best_weights: self.best_weights.clone(),
        };
        // What the record says of these steps must last before the checkpoint says that they are done.
        self.record.make_last()?;
        if let Some(name) = no_number(&checkpoint.now) {
            return Err(TrainError::Ruined { name, kept: self.kept });
        }
        let path = self.checkpoint();
        keep(&path, &self.options.folder.join(PREVIOUS))?;
        checkpoint.write(&path)?;
        self.kept = Some(self.step);
        self.export()
    }

    /// The result's weights: those of the best evaluation, if the recipe stops early, else their average.
    fn result(&self) -> Weights {
        if self.best_weights.is_empty() { self.averaged() } else { self.best_weights.clone() }
    }

    /// Writes the card of the result beside it, with thresholds from the held-out people.
    fn export_card(&self) -> Result<(), TrainError> {
        let folder = &self.options.folder;
        let run =
            folder.canonicalize().ok().and_then(|f| Some(f.file_name()?.to_string_lossy().into_owned()));
        let name = format!("{}.{}", self.net.name, run.unwrap_or_else(|| "run".into()));
        let model = Model::from_weights(self.b, self.net, &self.result());
        let card = self.b.without_gradients(|| self.task.card(self.b, &model, &name, "model.onnx"));
        card.map_or(Ok(()), |card| card::write(&folder.join("model.toml"), &card))
    }

    fn export(&self) -> Result<(), TrainError> {
        let weights = self.result();
        let folder = &self.options.folder;
        write_weights(&folder.join("model.safetensors"), &weights)?;
        write_atomically(&folder.join("model.onnx"), &onnx::export(self.net, &weights)?)
    }
}

/// The first parameter that holds something that is no number.
fn no_number(weights: &Weights) -> Option<String> {
    let bad = |(_, (_, data)): &(&String, &(Vec<usize>, Vec<f32>))| data.iter().any(|v| !v.is_finite());
    weights.iter().find(bad).map(|(name, _)| name.clone())
}

/// Lets a file be known under a second name, too, or copies it where the disk knows no second names. Whenever the machine stops, the
/// file itself is whole.
fn keep(path: &Path, second: &Path) -> Result<(), TrainError> {
    if !path.exists() {
        return Ok(());
    }
    remove(second)?;
    if std::fs::hard_link(path, second).is_err() {
        std::fs::copy(path, second).map_err(|e| TrainError::file(second, &e))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), TrainError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(TrainError::file(path, &e)),
        _ => Ok(()),
    }
}

/// Takes over what has the same name and shape.
fn adopt(weights: &mut Weights, other: &Weights) {
    for (name, value) in other {
        if let Some(mine) = weights.get_mut(name)
            && mine.0 == value.0
        {
            mine.clone_from(value);
        }
    }
}
