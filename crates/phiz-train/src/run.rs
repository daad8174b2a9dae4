//! The loop that all tasks share: load ahead, step, report, checkpoint, resume.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use phiz_net::graph::Architecture;
use phiz_net::onnx::{self, Weights};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::backend::Backend;
use crate::error::TrainError;
use crate::model::Model;
use crate::optim::{AdamW, Average};
use crate::random::Random;
use crate::recipe::Recipe;

/// What is learnt: a source of batches and the loss of one.
pub trait Task<B: Backend>: Sync {
    /// Samples of one step.
    type Batch: Send;
    /// Parameters beside the network's, such as class centres: name, shape, values.
    fn extras(&self, random: &mut Random) -> Weights;
    /// The batch of a step, at the input size of its stage; depends on nothing but `step`.
    fn load(&self, step: u64, size: usize) -> Self::Batch;
    /// The loss and its parts by name.
    fn loss(
        &self,
        b: &B,
        model: &Model<B>,
        batch: &Self::Batch,
    ) -> (B::Tensor, Vec<(&'static str, B::Tensor)>);
    /// Figures on held-out people or scenes at an input size.
    fn evaluate(&self, b: &B, model: &Model<B>, size: usize) -> Vec<(&'static str, f32)>;
}

/// Where a run lives and how often it speaks.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's folder; a checkpoint in it is resumed.
    pub folder: PathBuf,
    /// Weights to begin from when there is no checkpoint.
    pub from: Option<PathBuf>,
    /// Steps between checkpoints.
    pub save_every: u64,
    /// Steps between held-out figures.
    pub evaluate_every: u64,
}

const REPORT_EVERY: u64 = 20;
const MAX_BAD_STEPS: u32 = 20;

/// Trains to the recipe's end, or on from the folder's checkpoint; the averaged weights stand in
/// `model.safetensors` and `model.onnx` of the folder.
///
/// # Errors
/// Files that cannot be read or written, weights of another network, or a loss that stays not finite.
pub fn run<B: Backend, T: Task<B>>(
    b: &B,
    net: &Architecture,
    recipe: &Recipe,
    task: &T,
    options: &RunOptions,
) -> Result<(), TrainError> {
    let folder = &options.folder;
    fs::create_dir_all(folder).map_err(|e| TrainError::file(folder, &e))?;
    let checkpoint = folder.join("checkpoint.safetensors");
    let mut random = Random::new(recipe.seed);
    let mut model = Model::new(b, net, &mut random)?;
    let mut weights = model.weights(b);
    weights.extend(task.extras(&mut random));
    let mut optimiser = AdamW::new(recipe.decay, recipe.clip);
    let mut start = 0;
    let mut saved = None;
    if checkpoint.exists() {
        let all = read_weights(&checkpoint)?;
        let part = |prefix: &str| -> Weights {
            all.iter().filter_map(|(n, v)| Some((n.strip_prefix(prefix)?.to_string(), v.clone()))).collect()
        };
        start = all.get("step").map_or(0, |(_, v)| v[0] as u64 * (1 << 20) + v[1] as u64);
        adopt(&mut weights, part("now."));
        saved = Some((part("average."), part("m."), part("v.")));
    } else if let Some(from) = &options.from {
        adopt(&mut weights, read_weights(from)?);
    }
    model = Model::from_weights(b, net, &weights);
    let mut average = Average::new(b, &model.tensors, recipe.average);
    if let Some((averages, m, v)) = saved {
        let tensor = |(shape, data): &(Vec<usize>, Vec<f32>)| b.constant(data, shape);
        average.tensors.extend(averages.iter().map(|(n, w)| (n.clone(), tensor(w))));
        optimiser.moments = m.iter().map(|(n, w)| (n.clone(), (tensor(w), tensor(&v[n])))).collect();
        optimiser.steps = start;
        println!("resumed at step {start} from {}", checkpoint.display());
    }
    let log = folder.join("metrics.jsonl");
    let mut log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|e| TrainError::file(&log, &e))?;
    let cost = net.cost(recipe.stages[0].size, recipe.stages[0].size);
    println!(
        "{}: {} parameters, {} MMAC, {}",
        net.name,
        cost.parameters,
        cost.macs / 1_000_000,
        b.describe()
    );

    let total = recipe.steps();
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(4);
        scope.spawn(move || {
            for step in start..total {
                let (stage, _) = recipe.stage(step);
                if send.send(task.load(step, stage.size)).is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        let mut recent: VecDeque<(Instant, u64)> = VecDeque::from([(began, start)]);
        let mut sums: BTreeMap<&'static str, f32> = BTreeMap::new();
        let mut bad_steps = 0;
        for step in start..total {
            let Ok(batch) = receive.recv() else { break };
            let (stage, within) = recipe.stage(step);
            let rate = stage.schedule.at(within);
            let (loss, parts) = task.loss(b, &model, &batch);
            b.backward(&loss);
            let norm = optimiser.step(b, &mut model.tensors, rate);
            if norm.is_finite() {
                bad_steps = 0;
                average.update(b, &model.tensors, step);
            } else {
                bad_steps += 1;
                if bad_steps >= MAX_BAD_STEPS {
                    return Err(TrainError::Diverged(bad_steps));
                }
            }
            *sums.entry("loss").or_default() += b.scalar(&loss);
            for (name, part) in &parts {
                *sums.entry(name).or_default() += b.scalar(part);
            }
            let done = step + 1;
            if done % REPORT_EVERY == 0 || done == total {
                recent.push_back((Instant::now(), done));
                if recent.len() > 20 {
                    recent.pop_front();
                }
                let (since, first) = recent[0];
                let speed = (done - first) as f64 / since.elapsed().as_secs_f64();
                let parts: Vec<String> =
                    sums.iter().map(|(n, v)| format!("{n} {:.4}", v / REPORT_EVERY as f32)).collect();
                println!(
                    "step {done}/{total} size {} rate {rate:.2e} {} grad {norm:.2} {:.0} images/s {:.0} min left",
                    stage.size,
                    parts.join(" "),
                    speed * recipe.batch as f64,
                    (total - done) as f64 / speed / 60.0
                );
                let mut line =
                    serde_json::json!({"step": done, "rate": rate, "seconds": began.elapsed().as_secs_f64()});
                for (name, value) in &sums {
                    line[*name] = (value / REPORT_EVERY as f32).into();
                }
                let _ = writeln!(log, "{line}");
                sums.clear();
            }
            if done % options.evaluate_every == 0 || done == total {
                let judged = Model::from_weights(b, net, &values(b, &average.tensors, &weights));
                let figures = b.without_gradients(|| task.evaluate(b, &judged, stage.size));
                let text: Vec<String> = figures.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
                println!("held out at step {done}: {}", text.join(" "));
                let mut line = serde_json::json!({"step": done});
                for (name, value) in &figures {
                    line[*name] = (*value).into();
                }
                let _ = writeln!(log, "{line}");
            }
            if done % options.save_every == 0 || done == total {
                let mut all = Weights::new();
                let mut put = |prefix: &str, part: Weights| {
                    all.extend(part.into_iter().map(|(n, v)| (format!("{prefix}{n}"), v)));
                };
                put("now.", model.weights(b));
                let averaged = values(b, &average.tensors, &weights);
                put("average.", averaged.clone());
                let moments = |second: bool| -> BTreeMap<String, B::Tensor> {
                    let one = |(n, (m, v)): (&String, &(B::Tensor, B::Tensor))| {
                        (n.clone(), if second { v.clone() } else { m.clone() })
                    };
                    optimiser.moments.iter().map(one).collect()
                };
                put("m.", values(b, &moments(false), &weights));
                put("v.", values(b, &moments(true), &weights));
                // An f32 holds integers exactly to 2^24 only, so the step is kept in two.
                all.insert("step".into(), (vec![2], vec![(done >> 20) as f32, (done & 0xf_ffff) as f32]));
                write_weights(&checkpoint, &all)?;
                write_weights(&folder.join("model.safetensors"), &averaged)?;
                write_atomically(&folder.join("model.onnx"), &onnx::export(net, &averaged)?)?;
            }
        }
        Ok(())
    })
}

/// Takes over what has the same name and shape.
fn adopt(weights: &mut Weights, other: Weights) {
    for (name, value) in other {
        if let Some(mine) = weights.get_mut(&name)
            && mine.0 == value.0
        {
            *mine = value;
        }
    }
}

fn values<B: Backend>(b: &B, tensors: &BTreeMap<String, B::Tensor>, shapes: &Weights) -> Weights {
    tensors.iter().map(|(n, t)| (n.clone(), (shapes[n].0.clone(), b.values(t)))).collect()
}

/// Reads a safetensors file of f32.
///
/// # Errors
/// A file that cannot be read or holds something else.
pub fn read_weights(path: &Path) -> Result<Weights, TrainError> {
    let bytes = fs::read(path).map_err(|e| TrainError::file(path, &e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| TrainError::file(path, &e))?;
    let mut weights = Weights::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(TrainError::file(path, &format!("tensor {name:?} is {:?}, not F32", view.dtype())));
        }
        let data = view.data().chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        weights.insert(name.to_string(), (view.shape().to_vec(), data.collect()));
    }
    Ok(weights)
}

/// Writes a safetensors file of f32, whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn write_weights(path: &Path, weights: &Weights) -> Result<(), TrainError> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(n, (shape, data))| (n, shape, data.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::new();
    for (name, shape, data) in &bytes {
        let view =
            TensorView::new(Dtype::F32, shape.to_vec(), data).map_err(|e| TrainError::file(path, &e))?;
        views.push((name.as_str(), view));
    }
    let file = safetensors::serialize(views, None).map_err(|e| TrainError::file(path, &e))?;
    write_atomically(path, &file)
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let partial = path.with_extension("partial");
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write()
        .map_err(|e| TrainError::file(path, &format!("cannot be written ({e}); free some space and resume")))
}
