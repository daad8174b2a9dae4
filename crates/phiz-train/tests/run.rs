//! Runs from beginning to end on the pure Rust back end: resumed as if never stopped, repeatable to the bit, and
//! ending in words when something is wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use phiz_net::card::Card;
use phiz_net::form::Form;
use phiz_net::graph::{Act, Architecture, Builder, Op};
use phiz_net::onnx::Weights;
use phiz_net::zoo::Slim;
use phiz_train::backend::Backend;
use phiz_train::checkpoint::Checkpoint;
use phiz_train::embed::EmbedTask;
use phiz_train::error::TrainError;
use phiz_train::export;
use phiz_train::flex::Flex;
use phiz_train::loss::{cosine_distillation_within, unit};
use phiz_train::model::Model;
use phiz_train::random::Random;
use phiz_train::recipe::{EmbedLosses, Recipe};
use phiz_train::run::{self, Ending, RunOptions, Task};
use phiz_train::shards::{CROP, CROP_BYTES, Faces};
use phiz_train::teacher::Teacher;
use phiz_train::transfer::{Start, unfolded};
use phiz_train::tune;
#[cfg(feature = "vulkan")]
use phiz_train::vulkan::Vulkan;
use phiz_train::watch::{Figures, Progress, Silent, Watch};

/// A network that learns in moments.
fn network() -> Architecture {
    let mut b = Builder::new("tiny", 3);
    let x = b.conv("stem", b.input(), 8, 3, 2, 1, Act::Relu);
    let x = b.conv("down", x, 12, 3, 2, 1, Act::Relu);
    let x = b.residual("block", x, 12);
    let x = b.conv("depthwise", x, 12, 3, 2, 12, Act::Relu);
    let x = b.node("pool", Op::GlobalDepthwise { kernel: 4 }, &[x]);
    let x = b.node("template", Op::Linear { out: 16 }, &[x]);
    b.finish(&[("template", x)])
}

fn npy(path: &Path, kind: &str, shape: &str, data: &[u8]) {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

/// A shard of people made of waves, each with a pattern of its own, seen through noise.
fn shard(folder: &Path, split: &str, people: &[&str], each: usize) -> Faces {
    fs::create_dir_all(folder).unwrap();
    let mut random = Random::new(split.len() as u64);
    let (mut crops, mut templates, mut list) = (Vec::new(), Vec::new(), String::from("path,person,split\n"));
    for (number, person) in people.iter().enumerate() {
        for face in 0..each {
            for i in 0..CROP_BYTES {
                let (x, y, c) = (i / 3 % CROP, i / 3 / CROP, i % 3);
                let wave = ((x * (number + 1) + y * (3 * number + c)) as f32 * 0.1).sin();
                crops.push((128.0 + 80.0 * wave + 10.0 * random.normal()).clamp(0.0, 255.0) as u8);
            }
            let raw: Vec<f32> = (0..6).map(|d| f32::from(d == number % 6) + 0.1 * random.normal()).collect();
            let length = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
            templates.extend(raw.iter().flat_map(|v| (v / length).to_le_bytes()));
            list += &format!("{person}/{face}.png,{person},{split}\n");
        }
    }
    let n = people.len() * each;
    npy(&folder.join("a.crops.npy"), "|u1", &format!("{n}, 112, 112, 3"), &crops);
    npy(&folder.join("a.templates.npy"), "<f4", &format!("{n}, 6"), &templates);
    fs::write(folder.join("a.csv"), list).unwrap();
    Faces::open(folder, split).unwrap()
}

const RECIPE: &str = r#"
network = "tiny"
seed = 7
batch = 6
average = 0.9
[[stages]]
size = 32
schedule = { rate = 4e-3, warmup = 2, steps = 8, fall = 0.5 }
[[stages]]
size = 64
schedule = { rate = 2e-3, warmup = 1, steps = 5, fall = 1.0 }
[embed]
distil = 1.0
relations = 1.0
heads = [
    { people = "a:", weight = 0.1, loss = "adaface", scale = 8.0 },
    { people = "b:", weight = 0.1, loss = "arcface", scale = 8.0, centres = 2 },
]
"#;

fn recipe(change: impl FnOnce(&mut Recipe)) -> Recipe {
    let mut recipe: Recipe = toml::from_str(RECIPE).unwrap();
    change(&mut recipe);
    assert_eq!(recipe.fault(), None);
    recipe
}

struct Bench {
    folder: tempfile::TempDir,
    train: Faces,
    tune: Faces,
    net: Architecture,
    flex: Flex,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let train = shard(&folder.path().join("train"), "train", &["a:1", "a:2", "b:1", "b:2", "b:3"], 4);
        let tune = shard(&folder.path().join("tune"), "tune", &["t:1", "t:2", "t:3"], 3);
        Bench { folder, train, tune, net: network(), flex: Flex::new(2).unwrap() }
    }

    fn options(&self, name: &str) -> RunOptions {
        let mut options = RunOptions::new(self.folder.path().join(name));
        options.save_every = 4;
        options.evaluate_every = 5;
        options
    }

    fn run(
        &self,
        recipe: &Recipe,
        options: &RunOptions,
        watch: &mut dyn Watch,
    ) -> Result<Ending, TrainError> {
        self.run_on(&self.flex, recipe, options, watch)
    }

    fn run_on<B: Backend>(
        &self,
        b: &B,
        recipe: &Recipe,
        options: &RunOptions,
        watch: &mut dyn Watch,
    ) -> Result<Ending, TrainError> {
        let task = EmbedTask::new(&self.train, &self.tune, recipe, &self.net, None)?;
        run::run(b, &self.net, recipe, &task, options, watch)
    }

    /// The card of a teacher that was never taught, with templates of so many numbers.
    fn teacher(&self, dim: usize) -> PathBuf {
        let net = Slim { stem: 8, stages: vec![(8, 1)], weighted: false, dim }.build("teacher");
        let weights = Model::new(&self.flex, &net, &mut Random::new(9)).unwrap().weights(&self.flex);
        let card = self.folder.path().join(format!("teacher{dim}.toml"));
        let onnx = card.with_extension("onnx");
        fs::write(&onnx, phiz_net::onnx::export(&net, &weights).unwrap()).unwrap();
        let text = format!(
            "name = 't'\nfile = '{}'\nlicence = 'MIT'\n[input]\nwidth = 112\nheight = 112\norder = 'rgb'\n\
             mean = [127.5, 127.5, 127.5]\nstd = [127.5, 127.5, 127.5]\n[output]\ndecode = 'arcface'\n",
            onnx.file_name().unwrap().display()
        );
        fs::write(&card, text).unwrap();
        card
    }

    /// Everything that a run leaves behind but the times.
    fn outcome(&self, name: &str) -> (Checkpoint, Vec<serde_json::Value>, Vec<u8>) {
        let folder = self.folder.path().join(name);
        let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let lines = text.lines().map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            for time in ["seconds", "images_per_second"] {
                line.as_object_mut().unwrap().remove(time);
            }
            line
        });
        let checkpoint = Checkpoint::read(&folder.join("checkpoint.safetensors")).unwrap();
        (checkpoint, lines.collect(), fs::read(folder.join("model.onnx")).unwrap())
    }
}

/// Stops, or dies, when it is asked for the `at`-th time.
struct Interrupt {
    at: u32,
    dies: bool,
    calls: Cell<u32>,
}

impl Watch for Interrupt {
    fn note(&mut self, _: &str) {}
    fn progress(&mut self, _: &Progress) {}
    fn held_out(&mut self, _: u64, _: &Figures) {}
    fn wants_to_stop(&mut self) -> bool {
        self.calls.set(self.calls.get() + 1);
        let now = self.calls.get() == self.at;
        assert!(!(now && self.dies), "killed");
        now
    }
}

#[test]
fn interrupted_anywhere_and_resumed_equals_uninterrupted() {
    for rule in ["kind = \"adamw\"", "kind = \"sgd\"", "kind = \"muon\""] {
        interrupted_and_resumed(&recipe(|r| r.optimiser = toml::from_str(rule).unwrap()));
    }
    interrupted_and_resumed(&recipe(|r| {
        r.accumulate = 2;
        r.batch = 2;
        r.embed.heads[1].sample = Some(2);
    }));
}

fn interrupted_and_resumed(recipe: &Recipe) {
    let bench = Bench::new();
    assert_eq!(bench.run(recipe, &bench.options("whole"), &mut Silent).unwrap(), Ending::Complete);
    let whole = bench.outcome("whole");
    assert_eq!(whole.0.step, 13);
    let mut random = Random::new(u64::from(std::process::id()));
    for dies in [false, true] {
        let at = 1 + random.below(12) as u32;
        let options = bench.options(&format!("{dies}{at}"));
        let mut watch = Interrupt { at, dies, calls: Cell::new(0) };
        let ending = catch_unwind(AssertUnwindSafe(|| bench.run(recipe, &options, &mut watch)));
        match ending {
            Ok(ending) => assert_eq!(ending.unwrap(), Ending::Interrupted { step: at.into() }),
            Err(_) => assert!(dies),
        }
        assert_eq!(bench.run(recipe, &options, &mut Silent).unwrap(), Ending::Complete);
        assert!(
            bench.outcome(&format!("{dies}{at}")) == whole,
            "at step {at}, killed: {dies}, {:?}",
            recipe.optimiser
        );
    }
}

#[test]
fn people_who_have_no_part_in_a_step_stay_as_they_are() {
    let bench = Bench::new();
    let moved = |name: &str, loss: &str, steps: u64| {
        let recipe = recipe(|r| {
            r.batch = 2;
            r.stages.truncate(1);
            r.stages[0].schedule.steps = steps;
            r.embed.heads[1].loss = toml::Value::String(loss.into()).try_into().unwrap();
            r.embed.heads[1].sample = Some(2);
        });
        bench.run(&recipe, &bench.options(name), &mut Silent).unwrap();
        let checkpoint = bench.outcome(name).0;
        let people = |parameter: &str, width: usize| {
            let first = &checkpoint.first[&format!("head.b1.{parameter}")].1;
            assert_eq!(first.len(), checkpoint.now[&format!("head.b1.{parameter}")].1.len());
            let rows = first.chunks_exact(width).map(|row| row.iter().any(|v| *v != 0.0));
            rows.enumerate().filter(|(_, moved)| *moved).map(|(row, _)| row % 3).collect::<BTreeSet<_>>()
        };
        if loss == "softmax" {
            assert_eq!(people("bias", 1), people("weight", 16));
        }
        people("weight", 16)
    };
    for loss in ["arcface", "softmax"] {
        assert_eq!(moved(&format!("{loss}1"), loss, 1).len(), 2, "those who are there");
        assert_eq!(moved(&format!("{loss}8"), loss, 8).len(), 3, "everybody in turn");
    }
}

#[test]
fn two_runs_with_one_seed_are_one_whatever_the_threads() {
    let bench = Bench::new();
    let recipe = recipe(|r| {
        r.accumulate = 2;
        r.stages.truncate(1);
    });
    bench.run(&recipe, &bench.options("a"), &mut Silent).unwrap();
    let three = Flex::new(3).unwrap();
    bench.run_on(&three, &recipe, &bench.options("b"), &mut Silent).unwrap();
    let mut other = recipe.clone();
    other.seed += 1;
    bench.run(&other, &bench.options("c"), &mut Silent).unwrap();
    assert!(bench.outcome("a") == bench.outcome("b"));
    assert!(bench.outcome("a").0.now != bench.outcome("c").0.now);
}

#[test]
fn blends_are_what_the_teacher_says_whatever_the_loaders() {
    let bench = Bench::new();
    let recipe = recipe(|r| {
        r.stages.truncate(1);
        r.stages[0].size = CROP;
        r.stages[0].schedule.steps = 5;
        r.embed.blend = 0.5;
        r.embed.imprint = true;
    });
    let run = |name: &str, loaders: usize| {
        let teacher = Teacher::open(&bench.flex, &bench.teacher(6))?;
        let task = EmbedTask::new(&bench.train, &bench.tune, &recipe, &bench.net, Some(teacher))?;
        let options = RunOptions { loaders, ..bench.options(name) };
        run::run(&bench.flex, &bench.net, &recipe, &task, &options, &mut Silent)
    };
    assert_eq!(run("one", 1).unwrap(), Ending::Complete);
    assert_eq!(run("three", 3).unwrap(), Ending::Complete);
    let (one, three) = (bench.outcome("one"), bench.outcome("three"));
    assert!(one == three);
    let names = ["blend_distil", "blend_relations", "distil", "relations", "head_a0", "head_b1"];
    assert!(names.iter().all(|name| one.1.iter().any(|m| m[name].is_number())), "{:?}", one.1);

    let without = bench.run(&recipe, &bench.options("without"), &mut Silent);
    assert!(without.expect_err("no teacher").to_string().contains("--teacher"));
    let other = Teacher::open(&bench.flex, &bench.teacher(5)).unwrap();
    let other = EmbedTask::new(&bench.train, &bench.tune, &recipe, &bench.net, Some(other)).err().unwrap();
    assert!(other.to_string().contains("5 numbers and the prepared ones 6"), "{other}");
}

#[test]
fn a_teacher_that_looks_at_every_picture_needs_no_prepared_template() {
    let bench = Bench::new();
    let recipe = recipe(|r| {
        r.stages[0].schedule.steps = 2;
        r.stages[1].size = CROP;
        r.stages[1].schedule.steps = 2;
        r.embed.blend = 0.3;
        r.embed.live_teacher = true;
        r.embed.heads.clear();
    });
    // What the shards say the teacher thinks: once the truth, once nonsense.
    let run = |name: &str, train: &Faces, loaders: usize| {
        let teacher = Teacher::open(&bench.flex, &bench.teacher(6)).unwrap();
        let task = EmbedTask::new(train, &bench.tune, &recipe, &bench.net, Some(teacher)).unwrap();
        let options = RunOptions { loaders, ..bench.options(name) };
        run::run(&bench.flex, &bench.net, &recipe, &task, &options, &mut Silent).unwrap();
        bench.outcome(name)
    };
    let one = run("one", &bench.train, 1);
    let mut nonsense = bench.train.some(&(0..bench.train.len()).collect::<Vec<_>>());
    nonsense.teach(vec![1.0; 6 * nonsense.len()], 6);
    assert!(one == run("two", &nonsense, 3), "prepared templates had a part in it");
    let without =
        bench.run(&recipe, &bench.options("without"), &mut Silent).expect_err("no teacher").to_string();
    assert!(without.contains("embed.blend") && without.contains("--teacher"), "{without}");
    let mut blind = recipe.clone();
    (blind.embed.blend, blind.embed.live_teacher, blind.embed.clean_teacher) = (0.0, false, true);
    let blind = bench.run(&blind, &bench.options("blind"), &mut Silent).unwrap_err().to_string();
    assert!(blind.contains("embed.clean_teacher") && blind.contains("live_teacher"), "{blind}");
}

#[test]
fn a_teachers_last_map_is_learnt_where_it_has_the_same_places() {
    let mut bench = Bench::new();
    let recipe = |size: usize, live_teacher: bool| {
        recipe(|r| {
            r.stages.truncate(1);
            r.stages[0].size = size;
            r.stages[0].schedule.steps = 30;
            r.embed.live_teacher = live_teacher;
            r.embed.maps = 0.5;
            r.embed.heads.clear();
        })
    };
    let run = |bench: &Bench, name: &str, recipe: &Recipe| {
        let teacher = Teacher::open(&bench.flex, &bench.teacher(6)).unwrap();
        let task = EmbedTask::new(&bench.train, &bench.tune, recipe, &bench.net, Some(teacher))?;
        run::run(&bench.flex, &bench.net, recipe, &task, &bench.options(name), &mut Silent)
    };
    // The teacher's map has 28×28 places, and this network's 14×14.
    let refused = run(&bench, "other", &recipe(CROP, true)).unwrap_err().to_string();
    assert!(refused.contains("28×28 places and the network's 14×14 at 112 pixels"), "{refused}");

    bench.net = Slim { stem: 8, stages: vec![(12, 1)], weighted: true, dim: 16 }.build("student");
    let refused = run(&bench, "small", &recipe(64, true)).unwrap_err().to_string();
    assert!(refused.contains("16×16 at 64 pixels"), "{refused}");
    let refused = run(&bench, "blind", &recipe(CROP, false)).unwrap_err().to_string();
    assert!(refused.contains("embed.maps") && refused.contains("live_teacher"), "{refused}");

    assert_eq!(run(&bench, "maps", &recipe(CROP, true)).unwrap(), Ending::Complete);
    let (checkpoint, metrics, onnx) = bench.outcome("maps");
    assert_eq!(checkpoint.now["maps.weight"].0, [8, 12, 1, 1]);
    assert!(!String::from_utf8_lossy(&onnx).contains("maps.weight"), "only a part of learning");
    let losses: Vec<f64> = metrics.iter().filter_map(|m| m["maps"].as_f64()).collect();
    assert!(losses.len() > 1 && losses[losses.len() - 1] < 0.7 * losses[0], "{losses:?}");
}

/// Notes what it is told.
#[derive(Default)]
struct Told(Vec<String>);

impl Watch for Told {
    fn note(&mut self, text: &str) {
        self.0.push(text.into());
    }
    fn progress(&mut self, _: &Progress) {}
    fn held_out(&mut self, _: u64, _: &Figures) {}
}

#[test]
fn a_run_that_goes_on_notices_what_has_changed() {
    let bench = Bench::new();
    let plain = recipe(|_| {});
    let options = RunOptions { data: Some("these".into()), ..bench.options("changes") };
    let mut stop = Interrupt { at: 3, dies: false, calls: Cell::new(0) };
    assert_eq!(bench.run(&plain, &options, &mut stop).unwrap(), Ending::Interrupted { step: 3 });

    let refused = |recipe: &Recipe, options: &RunOptions, says: &[&str]| {
        let error = bench.run(recipe, options, &mut Silent).expect_err(says[0]).to_string();
        assert!(says.iter().all(|word| error.contains(word)), "{says:?}: {error}");
    };
    refused(&recipe(|r| r.batch = 5), &options, &["batch from 6 to 5", "--amend", "--from"]);
    refused(&recipe(|r| r.augment.flip = 0.25), &options, &["augment.flip from 0.5 to 0.25"]);
    refused(&recipe(|r| r.embed.heads[1].weight = 0.2), &options, &["embed.heads[1].weight"]);
    let muon = recipe(|r| r.optimiser = toml::from_str("kind = \"muon\"").unwrap());
    refused(&muon, &options, &["optimiser.kind"]);
    let other = RunOptions { data: Some("others".into()), ..options.clone() };
    refused(&plain, &other, &["other data", "these", "others"]);
    let shape = recipe(|r| r.embed.heads[1].centres = 3);
    refused(&shape, &RunOptions { amend: true, ..options.clone() }, &["another network or data"]);

    // How fast and how long it learns may be changed, and is noted; so is a start that is not used.
    let slower = recipe(|r| {
        r.stages[0].schedule.rate = 1e-3;
        r.stages[1].schedule.steps = 7;
        r.clip = 2.0;
    });
    let from = Some(Start::Trained(trained(&bench.net)));
    let mut told = Told::default();
    let mut ends = RunOptions { from, ..options.clone() };
    ends.stop.store(true, Ordering::Relaxed);
    assert_eq!(bench.run(&slower, &ends, &mut told).unwrap(), Ending::Interrupted { step: 4 });
    for says in
        ["--from are not used", "clip from 5.0 to 2.0", "rate from 0.004 to 0.001", "steps from 5 to 7"]
    {
        assert!(told.0.iter().any(|note| note.contains(says)), "{says}: {:?}", told.0);
    }
    let (checkpoint, metrics, _) = bench.outcome("changes");
    assert!(metrics.iter().any(|m| m["note"].as_str().is_some_and(|n| n.contains("from step 3 on"))));
    assert!(!checkpoint.second.is_empty());

    // With --amend all else that fits; another optimiser begins without a memory.
    ends = RunOptions { amend: true, data: Some("others".into()), from: None, ..ends };
    let muon = Recipe { batch: 5, optimiser: muon.optimiser, ..slower.clone() };
    assert_eq!(bench.run(&muon, &ends, &mut Silent).unwrap(), Ending::Interrupted { step: 5 });
    let (checkpoint, ..) = bench.outcome("changes");
    assert_eq!((checkpoint.step, checkpoint.updates), (5, 1));
    assert!(!checkpoint.second.contains_key("down.weight"), "Muon keeps no second moments of matrices");
    ends.stop.store(false, Ordering::Relaxed);
    ends.amend = false;
    assert_eq!(bench.run(&muon, &ends, &mut Silent).unwrap(), Ending::Complete);
    assert_eq!(bench.outcome("changes").0.step, 15);
    // It is now a run of the changed recipe and data.
    let first = RunOptions { data: Some("these".into()), ..ends.clone() };
    refused(&muon, &first, &["other data"]);
    refused(&plain, &ends, &["batch from 5 to 6"]);
}

#[test]
fn a_result_has_a_card_with_thresholds_of_the_held_out_people() {
    let mut bench = Bench::new();
    let people: Vec<String> = (0..30).map(|i| format!("t:{i}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    bench.tune = shard(&bench.folder.path().join("more"), "tune", &people, 3);
    let plain = recipe(|_| {});
    let options = bench.options("card");
    let mut stop = Interrupt { at: 6, dies: false, calls: Cell::new(0) };
    bench.run(&plain, &options, &mut stop).unwrap();
    bench.run(&plain, &options, &mut Silent).unwrap();
    let (card, onnx) = Card::open(&options.folder.join("model.toml")).unwrap();
    assert_eq!(card.name, "tiny.card");
    assert_eq!(onnx, fs::read(options.folder.join("model.onnx")).unwrap());
    let thresholds = card.thresholds.expect("thresholds");
    assert!(
        thresholds.measured_on().contains("90 held-out faces of 30 people"),
        "{}",
        thresholds.measured_on()
    );
    // 90 faces make 3,915 pairs of different people: thirty of them are less than a hundredth.
    assert_eq!(thresholds.least_measured(), 0.01);
    // What the thresholds say is what the pairs do.
    let weights = phiz_train::weights::read_weights(&options.folder.join("model.safetensors")).unwrap();
    let model = Model::from_weights(&bench.flex, &bench.net, &weights);
    let crops: Vec<u8> = (0..90).flat_map(|i| bench.tune.crop(i)).copied().collect();
    let x = bench.flex.pictures(&crops, 90, CROP, CROP, [127.5; 3], [127.5; 3]);
    let templates =
        bench.flex.values(&phiz_train::loss::unit(&bench.flex, &model.forward(&bench.flex, &x, false)[0]));
    let cosine = |i: usize, j: usize| -> f64 {
        (0..16).map(|d| f64::from(templates[i * 16 + d] * templates[j * 16 + d])).sum()
    };
    let pairs: Vec<f64> = (0..90)
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .filter(|(i, j)| i / 3 != j / 3)
        .map(|(i, j)| cosine(i, j))
        .collect();
    for [rate, similarity] in thresholds.quantiles() {
        let share = pairs.iter().filter(|s| **s > similarity - 1e-3).count() as f64 / pairs.len() as f64;
        assert!(
            (share - rate).abs() < 0.2 * rate + 0.02,
            "{rate}: {share} of the pairs are above {similarity}"
        );
    }
    // A run that goes on has no card until it ends: its weights are others by then.
    let longer = recipe(|r| r.stages[1].schedule.steps = 8);
    options.stop.store(true, Ordering::Relaxed);
    bench.run(&longer, &options, &mut Silent).unwrap();
    let (_, onnx) = Card::open(&options.folder.join("model.toml")).unwrap();
    assert_eq!(onnx, fs::read(options.folder.join("model.onnx")).unwrap());
}

#[test]
fn imprinted_centres_point_at_their_people() {
    let bench = Bench::new();
    let mut recipe = recipe(|r| r.embed.imprint = true);
    let narrow = Slim { stem: 8, stages: vec![(12, 1)], weighted: true, dim: 6 }.build("narrow");
    let extras = |recipe: &Recipe| {
        let task = EmbedTask::<Flex>::new(&bench.train, &bench.tune, recipe, &narrow, None).unwrap();
        Task::<Flex>::extras(&task, &mut Random::new(1))
    };
    // As wide as the teacher, nothing is turned: a centre is about its person's mean template, one axis each.
    let weights = extras(&recipe);
    for (head, people, centres) in [("head.a0.weight", 0..2, 1), ("head.b1.weight", 2..5, 2)] {
        let (shape, values) = &weights[head];
        assert_eq!(shape[..], [people.len() * centres, 6]);
        for (row, centre) in values.chunks_exact(6).enumerate() {
            let axis = people.start + row % people.len();
            let length = centre.iter().map(|v| v * v).sum::<f32>().sqrt();
            assert!(centre[axis] / length > 0.9, "{head} {row}: {centre:?}");
        }
    }
    recipe.embed.imprint = false;
    assert!(extras(&recipe)["head.a0.weight"].1 != weights["head.a0.weight"].1);
    recipe.embed = EmbedLosses { imprint: true, distil: 0.0, relations: 0.0, ..recipe.embed };
    let refused = EmbedTask::<Flex>::new(&bench.train, &bench.tune, &recipe, &narrow, None).err().unwrap();
    assert!(refused.to_string().contains("embed.imprint"), "{refused}");
}

#[test]
fn the_networks_own_centres_point_at_what_it_says_of_their_people() {
    let bench = Bench::new();
    let recipe = recipe(|r| r.embed.imprint_own = true);
    let b = &bench.flex;
    let model = Model::new(b, &bench.net, &mut Random::new(4)).unwrap();
    let task = EmbedTask::<Flex>::new(&bench.train, &bench.tune, &recipe, &bench.net, None).unwrap();
    let weights = Task::<Flex>::extras_of(&task, b, &model);
    let faces = &bench.train;
    let template = |face: usize| {
        let x = b.pictures(faces.crop(face), 1, CROP, CROP, [127.5; 3], [127.5; 3]);
        b.values(&unit(b, &model.forward(b, &x, false)[0]))
    };
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for (head, people) in [("head.a0.weight", 0..2), ("head.b1.weight", 2..5)] {
        for (row, centre) in weights[head].1.chunks_exact(16).enumerate() {
            let person = people.start + row % people.len();
            let mut mean = [0.0; 16];
            for face in (0..faces.len()).filter(|face| faces.person(*face) == Some(person)) {
                mean.iter_mut().zip(template(face)).for_each(|(m, v)| *m += v);
            }
            assert!(cosine(centre, &mean) > 0.98, "{head} {row}: {}", cosine(centre, &mean));
        }
    }
    let off = Recipe { embed: EmbedLosses { imprint_own: false, ..recipe.embed.clone() }, ..recipe };
    let task = EmbedTask::<Flex>::new(&bench.train, &bench.tune, &off, &bench.net, None).unwrap();
    assert!(Task::<Flex>::extras_of(&task, b, &model).is_empty());
}

#[test]
fn distillation_within_the_teachers_dimensions_leaves_the_others_alone() {
    let b = Flex::new(1).unwrap();
    // The teacher's two numbers lie in the first and the third of our four dimensions.
    let placement = b.constant(&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], &[4, 2]);
    let target = b.constant(&[0.6, 0.0, 0.8, 0.0], &[1, 4]);
    let loss = |x: &[f32]| {
        let x = b.leaf(&b.constant(x, &[1, 4]));
        let loss = cosine_distillation_within(&b, &x, &target, &placement);
        let gradient = b.gradients(&loss, &[&x]).remove(0).unwrap();
        (b.scalar(&loss), b.values(&gradient))
    };
    // cos((0.3, 0.4), (0.6, 0.8)) is 1, whatever the other two dimensions hold.
    assert!(loss(&[0.3, 0.7, 0.4, -0.5]).0.abs() < 1e-6);
    // cos((1, 0), (0.6, 0.8)) is 0.6; the other dimensions get no gradient.
    let (value, gradient) = loss(&[0.5, 0.7, 0.0, -0.5]);
    assert!((value - 0.4).abs() < 1e-6, "{value}");
    assert_eq!((gradient[1], gradient[3]), (0.0, 0.0), "{gradient:?}");
    assert!(gradient[2] < -1.0, "{gradient:?}");
}

#[test]
fn a_run_learns_what_it_is_shown_and_stops_when_it_gets_no_better() {
    let bench = Bench::new();
    let patient = recipe(|r| {
        r.stages.truncate(1);
        r.stages[0].schedule.steps = 160;
        r.embed.heads.clear();
    });
    bench.run(&patient, &bench.options("patient"), &mut Silent).unwrap();
    let (_, metrics, _) = bench.outcome("patient");
    let losses: Vec<f64> = metrics.iter().filter_map(|m| m["loss"].as_f64()).collect();
    assert!(losses[losses.len() - 1] < 0.5 * losses[0], "{losses:?}");
    let recipe = recipe(|r| {
        r.stages.truncate(1);
        r.stages[0].schedule.steps = 400;
        r.embed.heads.clear();
        r.stop =
            Some(toml::from_str("figure = \"equal_error\"\nless_is_better = true\npatience = 3").unwrap());
    });
    let mut options = bench.options("learns");
    options.evaluate_every = 10;
    let ending = bench.run(&recipe, &options, &mut Silent).unwrap();
    let Ending::Early { step } = ending else { panic!("{ending:?}") };
    assert!(step >= 40 && step % 10 == 0, "{step}");
    let (checkpoint, ..) = bench.outcome("learns");
    let (_, since) = checkpoint.best.unwrap();
    assert_eq!(since, 3);
    let exported = phiz_train::weights::read_weights(&options.folder.join("model.safetensors")).unwrap();
    assert_eq!(exported, checkpoint.best_weights, "the best weights are the result");
    let report = fs::read_to_string(options.folder.join("report.html")).unwrap();
    assert!(report.contains("equal_error") && report.contains("<svg"));
    // The finished run, called again, says so and changes nothing.
    assert_eq!(bench.run(&recipe, &options, &mut Silent).unwrap(), ending);
    assert!(bench.outcome("learns").0 == checkpoint);
    options.teacher = Some("somebody else 0123".into());
    let error = bench.run(&recipe, &options, &mut Silent).expect_err("another teacher").to_string();
    assert!(error.contains("another teacher"), "{error}");
    options.teacher = None;
    let unknown = Recipe { seed: 8, ..recipe };
    let error = bench.run(&unknown, &options, &mut Silent).expect_err("another recipe").to_string();
    assert!(error.contains("another recipe"), "{error}");
}

#[cfg(feature = "vulkan")]
#[test]
fn a_run_on_vulkan_learns_and_goes_on_where_it_stopped() {
    if !Vulkan::is_offered() {
        eprintln!("skipped: no driver offers a device");
        return;
    }
    let vulkan = Vulkan::new().unwrap();
    let bench = Bench::new();
    let recipe = recipe(|r| {
        r.stages.truncate(1);
        r.stages[0].schedule.steps = 80;
        r.embed.heads.clear();
    });
    let options = bench.options("vulkan");
    let mut stopped = Interrupt { at: 30, dies: false, calls: Cell::new(0) };
    let ending = bench.run_on(&vulkan, &recipe, &options, &mut stopped).unwrap();
    assert_eq!(ending, Ending::Interrupted { step: 30 });
    assert_eq!(bench.run_on(&vulkan, &recipe, &options, &mut Silent).unwrap(), Ending::Complete);
    let (checkpoint, metrics, _) = bench.outcome("vulkan");
    assert_eq!(checkpoint.step, 80);
    let losses: Vec<f64> = metrics.iter().filter_map(|m| m["loss"].as_f64()).collect();
    assert!(losses[losses.len() - 1] < 0.7 * losses[0], "{losses:?}");
}

#[test]
fn what_goes_wrong_ends_in_words_and_loses_nothing() {
    let bench = Bench::new();
    let error = |recipe: &Recipe, options: &RunOptions| {
        bench.run(recipe, options, &mut Silent).expect_err("must fail").to_string()
    };

    // A loss that is no number any more. What was saved before still stands.
    let wild = recipe(|r| {
        r.stages[0].schedule.steps = 60;
        r.stages[0].schedule.rate = 1e30;
        r.stages[0].schedule.warmup = 0;
        r.optimiser = toml::from_str("kind = \"sgd\"").unwrap();
    });
    let options = RunOptions { save_every: 1, ..bench.options("diverges") };
    let text = error(&wild, &options);
    assert!(text.contains("not finite") && text.contains("lower the learning rate"), "{text}");
    assert!(text.contains("nothing was saved") || text.contains("is kept"), "{text}");
    // What is advised works.
    let tame = recipe(|r| {
        r.stages[0].schedule.steps = 60;
        r.stages[0].schedule.warmup = 0;
        r.optimiser = toml::from_str("kind = \"sgd\"").unwrap();
    });
    assert_eq!(bench.run(&tame, &options, &mut Silent).unwrap(), Ending::Complete);
    let (checkpoint, metrics, _) = bench.outcome("diverges");
    assert_eq!(checkpoint.skipped, 0, "{metrics:?}");

    // The same in the middle of a run.
    let options = RunOptions { save_every: 1, ..bench.options("diverges later") };
    let mut stop = Interrupt { at: 5, dies: false, calls: Cell::new(0) };
    assert_eq!(bench.run(&tame, &options, &mut stop).unwrap(), Ending::Interrupted { step: 5 });
    let text = error(&wild, &options);
    assert!(text.contains("is kept") && text.contains("goes on from there"), "{text}");
    assert_eq!(bench.run(&tame, &options, &mut Silent).unwrap(), Ending::Complete);

    let text = error(&recipe(|r| r.learns = vec!["temple.".into()]), &bench.options("nothing"));
    assert!(text.contains("learns") && text.contains("temple."), "{text}");

    // A disk that takes no more: a folder where the file would be written stands for it.
    let mut options = bench.options("full");
    let plain = recipe(|_| {});
    bench
        .run(
            &plain,
            &RunOptions { stop: options.stop.clone(), ..options.clone() },
            &mut Interrupt { at: 4, dies: false, calls: Cell::new(0) },
        )
        .unwrap();
    fs::create_dir(options.folder.join("checkpoint.safetensors.partial")).unwrap();
    let text = error(&plain, &options);
    assert!(text.contains("checkpoint.safetensors") && text.contains("free some space"), "{text}");
    fs::remove_dir(options.folder.join("checkpoint.safetensors.partial")).unwrap();
    assert_eq!(bench.run(&plain, &options, &mut Silent).unwrap(), Ending::Complete);

    // A damaged checkpoint is named, not overwritten.
    fs::write(options.folder.join("checkpoint.safetensors"), b"half a file").unwrap();
    assert!(error(&plain, &options).contains("checkpoint.safetensors"));

    // Data without what the recipe asks for.
    options = bench.options("data");
    let nobody = recipe(|r| r.embed.heads[0].people = "z:".into());
    assert!(error(&nobody, &options).contains("\"z:\""));
    let nothing = recipe(|r| {
        r.embed.heads.clear();
        r.embed.distil = 0.0;
        r.embed.relations = 0.0;
    });
    assert!(error(&nothing, &options).contains("nothing would be learnt"));
    let figure = recipe(|r| r.stop = Some(toml::from_str("figure = \"top1\"\npatience = 1").unwrap()));
    assert!(error(&figure, &options).contains("measured are equal_error"), "known figures are listed");
    let rare =
        recipe(|r| r.stop = Some(toml::from_str("figure = \"tar_at_far_1e-3\"\npatience = 1").unwrap()));
    assert!(
        error(&rare, &options).contains("measured are equal_error"),
        "27 pairs show no rate of one in 1,000"
    );
    assert!(!options.folder.join("checkpoint.safetensors").exists(), "refused before anything is trained");
    let empty = bench.folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(Faces::open(&empty, "train").expect_err("empty").to_string().contains("prepare data first"));
    let train = bench.folder.path().join("train");
    assert!(Faces::open(&train, "tune").expect_err("another split").to_string().contains("refused"));
    fs::File::options().append(true).open(train.join("a.csv")).unwrap().write_all(b"x,y,train\n").unwrap();
    assert!(Faces::open(&train, "train").expect_err("one row more").to_string().contains("rows"));
}

#[test]
fn a_stop_from_outside_ends_with_a_checkpoint() {
    let bench = Bench::new();
    let options = bench.options("stop");
    options.stop.store(true, Ordering::Relaxed);
    let ending = bench.run(&recipe(|_| {}), &options, &mut Silent).unwrap();
    assert_eq!(ending, Ending::Interrupted { step: 1 });
    assert_eq!(bench.outcome("stop").0.step, 1);
}

fn pictures(flex: &Flex, n: usize, size: usize) -> <Flex as Backend>::Tensor {
    let mut random = Random::new(3);
    let bytes: Vec<u8> = (0..n * size * size * 3)
        .map(|i| ((i / 7 % 200) as u8).wrapping_add(random.below(56) as u8))
        .collect();
    flex.pictures(&bytes, n, size, size, [127.5; 3], [127.5; 3])
}

/// Weights as training leaves them: statistics of their own, nothing at its initial value.
fn trained(net: &Architecture) -> Weights {
    let mut random = Random::new(11);
    let value = |name: &str, random: &mut Random| match name.rsplit('.').next() {
        Some("var" | "scale") => random.between(0.5, 1.5),
        _ => random.normal() * 0.2,
    };
    let each = net.parameters(true).unwrap().into_iter();
    each.map(|p| {
        let data = (0..p.shape.iter().product()).map(|_| value(&p.name, &mut random)).collect();
        (p.name, (p.shape, data))
    })
    .collect()
}

#[test]
fn exported_forms_say_what_was_trained() {
    let (net, flex, folder) = (network(), Flex::new(1).unwrap(), tempfile::tempdir().unwrap());
    let weights = trained(&net);
    let x = pictures(&flex, 3, 32);
    let mut sizes = Vec::new();
    for (form, largest, cosine) in
        [(Form::F32, 1e-5, 0.999_999), (Form::F16, 3e-3, 0.999_99), (Form::Int8, 0.1, 0.99)]
    {
        let d = export::difference(&flex, &net, &weights, form, &x).unwrap();
        assert!(d.largest <= largest && d.cosine >= cosine, "{form:?}: {d:?}");
        assert!(form == Form::F32 || d.largest > 1e-6, "{form:?} rounds: {d:?}");
        sizes.push(["w.safetensors", "w.onnx"].map(|name| {
            let path = folder.path().join(name);
            export::write(&path, &net, &weights, form).unwrap();
            fs::metadata(&path).unwrap().len()
        }));

        // The file, run by the product's engine, agrees with what the form holds.
        let onnx = fs::read(folder.path().join("w.onnx")).unwrap();
        let engine = phiz_engine::load(&onnx, &phiz_engine::LoadOptions::default()).unwrap();
        let input = phiz_engine::Tensor::new(vec![3, 3, 32, 32], flex.values(&x)).unwrap();
        let got = engine.run(&input).unwrap().remove(0);
        let held = unfolded(&net, &export::held(&net, &weights, form).unwrap()).unwrap();
        let expected = flex.values(&Model::from_weights(&flex, &net, &held).forward(&flex, &x, false)[0]);
        let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (g, e) in got.data.iter().zip(&expected) {
            assert!((g - e).abs() <= 1e-5 * scale, "{form:?}: {g} {e}");
        }
    }
    assert!(sizes.windows(2).all(|w| w[0][0] > w[1][0] && w[0][1] > w[1][1]), "{sizes:?}");
    assert!(export::write(&folder.path().join("w.bin"), &net, &weights, Form::F32).is_err());
}

#[test]
fn training_goes_on_from_an_exported_model_without_a_jump() {
    let (net, flex, folder) = (network(), Flex::new(1).unwrap(), tempfile::tempdir().unwrap());
    let weights = trained(&net);
    let x = pictures(&flex, 8, 32);
    let expected = flex.values(&Model::from_weights(&flex, &net, &weights).forward(&flex, &x, false)[0]);
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
    for (name, form) in [
        ("a.onnx", Form::F32),
        ("b.safetensors", Form::F32),
        ("c.safetensors", Form::F16),
        ("d.onnx", Form::F16),
        ("e.safetensors", Form::Int8),
        ("f.onnx", Form::Int8),
    ] {
        let path = folder.path().join(name);
        export::write(&path, &net, &weights, form).unwrap();
        let begun = Start::open(&path, &net).unwrap().weights(&flex, &net, &x).unwrap();
        let model = Model::from_weights(&flex, &net, &begun);
        let tolerance = scale
            * match form {
                Form::F32 => 1e-4,
                Form::F16 => 5e-3,
                Form::Int8 => 0.1,
            };
        for training in [false, true] {
            // Trained weights have statistics of their own, which need not be those of this batch.
            if training && name == "b.safetensors" {
                continue;
            }
            let got = flex.values(&model.forward(&flex, &x, training)[0]);
            for (g, e) in got.iter().zip(&expected) {
                assert!((g - e).abs() <= tolerance, "{name}, training {training}: {g} {e}");
            }
        }
    }
    let path = folder.path().join("other.safetensors");
    phiz_train::weights::write_weights(&path, &[("x".to_string(), (vec![1], vec![1.0]))].into()).unwrap();
    assert!(Start::open(&path, &net).expect_err("another network").to_string().contains("tiny"));
}

#[test]
fn fine_tuning_is_judged_by_what_was_held_out() {
    let bench = Bench::new();
    let weights = trained(&bench.net);
    let tune =
        |faces: &Faces| tune::tune(&bench.flex, &bench.net, weights.clone(), faces, &bench.tune, &mut Silent);
    let outcome = tune(&bench.train).unwrap();
    assert_eq!((outcome.before.photos, outcome.after.photos), (5, 5), "one photo of each of five people");
    assert!(outcome.after.errors <= outcome.before.errors, "{outcome:?}");
    assert!(outcome.before.equal_error.is_some());
    for (name, (_, before)) in &weights {
        let off = before.iter().zip(&outcome.weights[name].1).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert_eq!(
            off > 0.0,
            name.starts_with("template."),
            "{name}: {off}, only the last layer is another one"
        );
    }
    assert_eq!(tune(&bench.train).unwrap(), outcome, "called again, it is the same");
    let (learn, judged) = tune::split(&bench.train, 1);
    assert_eq!((learn.len(), judged.len()), (15, 5));
    assert!(learn.iter().all(|face| !judged.contains(face)), "no photo is on both sides");
    let one = bench.train.some(&[0, 1]);
    let alone = shard(&bench.folder.path().join("alone"), "train", &["a:1"], 3);
    for (faces, expected) in [(&alone, "telling people apart needs two"), (&one.some(&[0]), "held out")] {
        let error = tune(faces).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
