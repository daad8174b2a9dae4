//! Values and gradients of every operation, every loss, whole networks and the optimisers, on each back end,
//! against what an independent PyTorch script computed in double precision (`golden/make.py`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use phiz_net::graph::Architecture;
use phiz_net::onnx::Weights;
use phiz_train::backend::{Backend, Normalisation, Padding};
use phiz_train::flex::Flex;
use phiz_train::loss::detector::{self, CellTargets, Quality, ScoreRule};
use phiz_train::loss::margin::{self, Head, Kind, Margin};
use phiz_train::loss::{cosine_distillation, cosine_of_maps, relational_distillation, unit};
use phiz_train::model::Model;
use phiz_train::optim::{Optimiser, Rule, gradients};
#[cfg(feature = "vulkan")]
use phiz_train::vulkan::Vulkan;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Clone, Debug, Deserialize)]
struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// A function's inputs, its output, and the gradients of `sum(output · weight)`.
#[derive(Debug, Deserialize)]
struct Differentiated {
    inputs: Vec<Array>,
    output: Array,
    weight: Array,
    gradients: Vec<Array>,
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = format!("{}/tests/golden/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// All of single precision but for the roundings of sums of up to a few thousand terms.
const TOLERANCE: f32 = 2e-5;

fn compare(bad: &mut Vec<String>, what: &str, got: &[f32], expected: &[f32]) {
    if got.len() != expected.len() {
        bad.push(format!("{what}: {} values, not {}", got.len(), expected.len()));
        return;
    }
    let largest = expected.iter().fold(1f32, |m, v| m.max(v.abs()));
    let off = got.iter().zip(expected).map(|(g, e)| (g - e).abs() / largest);
    // A NaN is larger than anything.
    let (at, worst) = off.enumerate().fold((0, 0f32), |w, (i, d)| if d <= w.1 { w } else { (i, d) });
    if worst.is_nan() || worst > TOLERANCE {
        bad.push(format!("{what}: [{at}] is {} and should be {} ({worst:.1e} off)", got[at], expected[at]));
    }
}

fn array<B: Backend>(b: &B, a: &Array) -> B::Tensor {
    b.constant(&a.data, &a.shape)
}

/// Checks the value of `function` and its gradients.
fn check<B: Backend>(
    b: &B,
    bad: &mut Vec<String>,
    name: &str,
    golden: &Differentiated,
    function: impl Fn(&[B::Tensor]) -> B::Tensor,
) {
    let leaves: Vec<B::Tensor> = golden.inputs.iter().map(|a| b.leaf(&array(b, a))).collect();
    let out = function(&leaves);
    compare(bad, &format!("{name}: value"), &b.values(&out), &golden.output.data);
    let total = b.sum(&b.mul(&out, &array(b, &golden.weight)));
    let found = b.gradients(&total, &leaves.iter().collect::<Vec<_>>());
    for (i, (found, expected)) in found.iter().zip(&golden.gradients).enumerate() {
        let found = found.as_ref().map_or_else(|| vec![0.0; expected.data.len()], |g| b.values(g));
        compare(bad, &format!("{name}: gradient {i}"), &found, &expected.data);
    }
    let quiet = b.without_gradients(|| b.values(&function(&leaves)));
    compare(bad, &format!("{name}: value without gradients"), &quiet, &golden.output.data);
}

fn report(bad: &[String]) {
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[derive(Debug, Deserialize)]
struct OpCase {
    name: String,
    op: String,
    args: Value,
    #[serde(flatten)]
    golden: Differentiated,
}

fn ops<B: Backend>(b: &B) {
    let mut bad = Vec::new();
    let cases: Vec<OpCase> = read("ops");
    for case in &cases {
        let number =
            |name: &str| case.args[name].as_f64().unwrap_or_else(|| panic!("{name} in {}", case.name));
        let count = |name: &str| number(name) as usize;
        let state = |name: &str| -> Array { serde_json::from_value(case.args[name].clone()).unwrap() };
        check(b, &mut bad, &case.name, &case.golden, |x| match case.op.as_str() {
            "conv" => {
                let padding = if case.args["padded"] == true { Padding::Half } else { Padding::None };
                b.conv(&x[0], &x[1], x.get(2), count("stride"), count("groups"), padding)
            }
            "normalise" => {
                let (mean, var) = (array(b, &state("mean")), array(b, &state("var")));
                let by = Normalisation { scale: &x[1], shift: &x[2], mean: &mean, var: &var };
                let y = b.normalise(&x[0], by, case.args["training"] == true);
                let mut off = Vec::new();
                compare(&mut off, "running mean", &b.values(&mean), &state("mean_after").data);
                compare(&mut off, "running variance", &b.values(&var), &state("var_after").data);
                assert!(off.is_empty(), "{}: {off:?}", case.name);
                y
            }
            "relu" => b.relu(&x[0]),
            "sigmoid" => b.sigmoid(&x[0]),
            "exp" => b.exp(&x[0]),
            "ln" => b.ln(&x[0]),
            "sqrt" => b.sqrt(&x[0]),
            "abs" => b.abs(&x[0]),
            "clamp" => b.clamp(&x[0], number("low"), number("high")),
            "affine" => b.affine(&x[0], number("scale"), number("offset")),
            "add" => b.add(&x[0], &x[1]),
            "sub" => b.sub(&x[0], &x[1]),
            "mul" => b.mul(&x[0], &x[1]),
            "div" => b.div(&x[0], &x[1]),
            "minimum" => b.minimum(&x[0], &x[1]),
            "maximum" => b.maximum(&x[0], &x[1]),
            "matmul_transposed" => b.matmul_transposed(&x[0], &x[1]),
            "matmul_self" => b.matmul_transposed(&x[0], &x[0]),
            "transposed" => b.transposed(&x[0]),
            "reshape" => b.reshape(&x[0], &[2, 12]),
            "sum_axis" => b.sum_axis(&x[0], count("axis")),
            "sum" => b.sum(&x[0]),
            "global_pool" => b.global_pool(&x[0]),
            "upsample2" => b.upsample2(&x[0]),
            "narrow" => b.narrow(&x[0], count("axis"), count("start"), count("length")),
            "log_softmax" => b.log_softmax(&x[0]),
            other => panic!("no operation is called {other:?}"),
        });
    }
    assert!(cases.len() > 45);
    report(&bad);
}

#[derive(Debug, Deserialize)]
struct LossCase {
    name: String,
    loss: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    margin: f64,
    #[serde(default)]
    scale: f64,
    #[serde(default)]
    centres: usize,
    #[serde(default)]
    labels: Vec<Option<usize>>,
    #[serde(default)]
    lengths: Vec<f32>,
    lengths_after: Option<Vec<f32>>,
    targets: Option<Targets>,
    #[serde(default)]
    quality: Quality,
    #[serde(default)]
    background: f32,
    #[serde(flatten)]
    golden: Differentiated,
}

#[derive(Debug, Deserialize)]
struct Targets {
    shape: [usize; 3],
    positive: Vec<f32>,
    counts: Vec<f32>,
    sides: Vec<f32>,
    points: Vec<f32>,
    point_weight: Vec<f32>,
}

fn losses<B: Backend>(b: &B) {
    let mut bad = Vec::new();
    let cases: Vec<LossCase> = read("losses");
    for case in &cases {
        let spec = Margin { kind: case.kind, margin: case.margin, scale: case.scale, centres: case.centres };
        if let Some(t) = &case.targets {
            let rule = ScoreRule { quality: case.quality, background: case.background };
            detector_loss(b, &mut bad, case, t, rule);
            continue;
        }
        check(b, &mut bad, &case.name, &case.golden, |x| match case.loss.as_str() {
            "distil" => cosine_distillation(b, &unit(b, &x[0]), &unit(b, &x[1])),
            "maps" => cosine_of_maps(b, &x[0], &x[1]),
            "relations" => relational_distillation(b, &unit(b, &x[0]), &unit(b, &x[1])),
            "margin" => {
                let state: Vec<B::Tensor> = case.lengths.iter().map(|v| b.constant(&[*v], &[1])).collect();
                let lengths = (case.kind == Kind::AdaFace).then(|| (&state[0], &state[1]));
                let head = Head { weight: &x[1], bias: x.get(2), stands_for: None, lengths };
                let loss = margin::loss(b, &x[0], head, &case.labels, &spec);
                if let Some(after) = &case.lengths_after {
                    let mut off = Vec::new();
                    let got: Vec<f32> = state.iter().map(|s| b.scalar(s)).collect();
                    compare(&mut off, "lengths", &got, after);
                    assert!(off.is_empty(), "{}: {off:?}", case.name);
                }
                loss
            }
            other => panic!("no loss is called {other:?}"),
        });
    }
    assert!(cases.len() >= 15);
    report(&bad);
}

/// The detector's loss has three results; the script's weights choose a sum of them.
fn detector_loss<B: Backend>(b: &B, bad: &mut Vec<String>, case: &LossCase, t: &Targets, rule: ScoreRule) {
    let (name, golden) = (&case.name, &case.golden);
    let target = CellTargets {
        shape: t.shape.to_vec(),
        positive: t.positive.clone(),
        counts: t.counts.clone(),
        sides: t.sides.clone(),
        points: t.points.clone(),
        point_weight: t.point_weight.clone(),
    };
    let leaves: Vec<B::Tensor> = golden.inputs.iter().map(|a| b.leaf(&array(b, a))).collect();
    let loss = detector::loss(b, &leaves[0], &leaves[1], &leaves[2], &target, rule);
    let parts = [loss.score, loss.sides, loss.points];
    let values: Vec<f32> = parts.iter().map(|p| b.scalar(p)).collect();
    compare(bad, &format!("{name}: values"), &values, &golden.output.data);
    let weighted = parts.iter().zip(&golden.weight.data).map(|(p, w)| b.affine(p, f64::from(*w), 0.0));
    let total = weighted.reduce(|a, c| b.add(&a, &c)).unwrap();
    let found = b.gradients(&total, &leaves.iter().collect::<Vec<_>>());
    for (i, (found, expected)) in found.iter().zip(&golden.gradients).enumerate() {
        compare(bad, &format!("{name}: gradient {i}"), &b.values(found.as_ref().unwrap()), &expected.data);
    }
}

#[derive(Debug, Deserialize)]
struct NetworkCase {
    architecture: Architecture,
    pictures: Vec<u8>,
    shape: [usize; 3],
    weights: BTreeMap<String, Array>,
    output_weights: Vec<Array>,
    training: Vec<Array>,
    running: Vec<Array>,
    gradients: BTreeMap<String, Array>,
    statistics: BTreeMap<String, Array>,
}

fn networks<B: Backend>(b: &B) {
    let mut bad = Vec::new();
    let cases: Vec<NetworkCase> = read("networks");
    for case in &cases {
        let name = &case.architecture.name;
        let weights: Weights =
            case.weights.iter().map(|(n, a)| (n.clone(), (a.shape.clone(), a.data.clone()))).collect();
        for p in case.architecture.parameters(true).unwrap() {
            assert_eq!(weights.get(&p.name).map(|w| &w.0), Some(&p.shape), "{name}: {}", p.name);
        }
        let model = Model::from_weights(b, &case.architecture, &weights);
        let [n, h, w] = case.shape;
        let image = b.pictures(&case.pictures, n, h, w, [127.5; 3], [127.5; 3]);
        let running = b.without_gradients(|| model.forward(b, &image, false));
        for (got, expected) in running.iter().zip(&case.running) {
            compare(&mut bad, &format!("{name}: by running statistics"), &b.values(got), &expected.data);
        }
        let outputs = model.forward(b, &image, true);
        let mut total = b.constant(&[0.0], &[1]);
        for ((got, expected), weight) in outputs.iter().zip(&case.training).zip(&case.output_weights) {
            compare(&mut bad, &format!("{name}: output"), &b.values(got), &expected.data);
            total = b.add(&total, &b.sum(&b.mul(got, &array(b, weight))));
        }
        let found = gradients(b, &total, &model.tensors);
        for (parameter, expected) in &case.gradients {
            compare(&mut bad, &format!("{name}: {parameter}"), &b.values(&found[parameter]), &expected.data);
        }
        for (parameter, expected) in &case.statistics {
            let got = b.values(&model.tensors[parameter]);
            compare(&mut bad, &format!("{name}: {parameter}"), &got, &expected.data);
        }
    }
    assert_eq!(cases.len(), 4);
    report(&bad);
}

#[derive(Debug, Deserialize)]
struct OptimiserCase {
    name: String,
    rule: Rule,
    decay: f64,
    clip: f64,
    start: BTreeMap<String, Array>,
    steps: Vec<OptimiserStep>,
    /// Of which network the parameters are, where the rule asks.
    architecture: Option<Architecture>,
}

#[derive(Debug, Deserialize)]
struct OptimiserStep {
    rate: f64,
    gradients: BTreeMap<String, Array>,
    norm: f32,
    after: BTreeMap<String, Array>,
}

fn optimisers<B: Backend>(b: &B) {
    let mut bad = Vec::new();
    let cases: Vec<OptimiserCase> = read("optimisers");
    for case in &cases {
        let nothing = Architecture { name: String::new(), nodes: Vec::new(), outputs: Vec::new() };
        let net = case.architecture.as_ref().unwrap_or(&nothing);
        let mut optimiser = Optimiser::<B>::new(case.rule, case.decay, case.clip, net);
        let mut tensors: BTreeMap<String, B::Tensor> =
            case.start.iter().map(|(n, a)| (n.clone(), b.leaf(&array(b, a)))).collect();
        for (i, step) in case.steps.iter().enumerate() {
            let found = step.gradients.iter().map(|(n, a)| (n.clone(), array(b, a))).collect();
            let norm = optimiser.step(b, &mut tensors, &found, step.rate);
            compare(&mut bad, &format!("{}: norm {i}", case.name), &[norm], &[step.norm]);
            for (parameter, expected) in &step.after {
                let what = format!("{}: {parameter} after step {i}", case.name);
                compare(&mut bad, &what, &b.values(&tensors[parameter]), &expected.data);
            }
        }
        for name in case.start.keys() {
            let shape = &case.start[name].shape;
            let mut values = vec![1.0; shape.iter().product()];
            values[0] = f32::NAN;
            let infinite = [(name.clone(), b.constant(&values, shape))].into();
            let before = b.values(&tensors[name]);
            assert!(!optimiser.step(b, &mut tensors, &infinite, 0.1).is_finite());
            assert_eq!(b.values(&tensors[name]), before, "a gradient that is no number changes nothing");
        }
    }
    assert_eq!(cases.len(), 6);
    report(&bad);
}

/// What is no number stays so: a run notices by its loss that it has diverged.
fn not_a_number<B: Backend>(b: &B) {
    let x = b.constant(&[f32::NAN, -1.0, 2.0], &[3]);
    let found = [
        ("relu", b.values(&b.relu(&x))),
        ("clamp", b.values(&b.clamp(&x, -1.0, 2.0))),
        ("sigmoid", b.values(&b.sigmoid(&x))),
        ("sum", vec![b.scalar(&b.sum(&x))]),
        ("squares", vec![b.scalar(&b.squares(&x))]),
        ("log_softmax", b.values(&b.log_softmax(&x))),
    ];
    let bad = found.into_iter().filter(|(_, values)| !values[0].is_nan());
    report(&bad.map(|(name, values)| format!("{name}: {values:?}")).collect::<Vec<_>>());
}

/// Whether a back end can be tested here.
fn there(is: bool) -> bool {
    if !is {
        eprintln!("skipped: no driver offers a device");
    }
    is
}

/// The same tests for each back end.
macro_rules! on {
    ($name:ident, $backend:expr) => {
        on!($name, $backend, true);
    };
    ($name:ident, $backend:expr, $there:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn operations() {
                if there($there) {
                    ops(&$backend);
                }
            }
            #[test]
            fn all_losses() {
                if there($there) {
                    losses(&$backend);
                }
            }
            #[test]
            fn whole_networks() {
                if there($there) {
                    networks(&$backend);
                }
            }
            #[test]
            fn all_optimisers() {
                if there($there) {
                    optimisers(&$backend);
                }
            }
            #[test]
            fn no_number_stays_none() {
                if there($there) {
                    not_a_number(&$backend);
                }
            }
        }
    };
}

on!(flex_with_one_thread, Flex::new(1).unwrap());
on!(flex_with_three_threads, Flex::new(3).unwrap());
#[cfg(feature = "libtorch")]
on!(libtorch, phiz_train::torch::Torch::cpu(2, false));
// Held to the same values on any Vulkan driver, also one on the processor (Debian: mesa-vulkan-drivers).
#[cfg(feature = "vulkan")]
on!(vulkan, Vulkan::new().unwrap(), Vulkan::is_offered());
