//! A teacher that looks: any embedder's ONNX file, run by our own engine on a processor and by the back end on which the
//! student learns elsewhere.
//!
//! Templates that were computed beforehand say what the teacher thinks of a photo. A teacher that sees the very
//! picture that the student sees, changed and blended with another, can be asked about as many pictures as one likes
//! (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent").

mod engine;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use phiz_engine::Normalisation;
use phiz_net::card::{Card, Decode, Order};
use phiz_onnx::{Graph, Operation};
use sha2::{Digest as _, Sha256};

use crate::backend::{Backend, Padding};
use crate::error::TrainError;
use crate::loss;
use crate::shards::{CROP, CROP_BYTES};
use engine::Engine;

/// How many pictures a back end on a processor looks at together: what one layer hands to the next then stays in its
/// cache. LibTorch on two cores of an Intel Emerald Rapids: 185 pictures a second of MobileFaceNet for 128 together, 226 for
/// 64, 259 for 32, 258 for 16, 215 for 8.
const NEAR_PICTURES: usize = 16;

/// What a teacher says of pictures.
#[derive(Clone, Debug)]
pub struct Said<T> {
    /// Unit templates `[n, d]`.
    pub templates: T,
    /// The last map `[n, c, h, w]` with more than one place, from which they are made.
    pub map: Option<T>,
}

/// An embedder of somebody's making, ready to look at pictures.
#[derive(Debug)]
pub struct Teacher<B: Backend> {
    /// Our own engine, where it is faster than the back end.
    engine: Option<Engine>,
    graph: Graph,
    constants: HashMap<String, B::Tensor>,
    mean: [f32; 3],
    std: [f32; 3],
    reads: Reads,
    dim: usize,
    map: Option<[usize; 3]>,
    fingerprint: String,
}

/// Who reads what of a graph.
#[derive(Debug, Default)]
struct Reads {
    /// The last operation that reads a value.
    last: HashMap<String, usize>,
    /// Values that one operation reads and that are no other's under a further name: its result may take their memory.
    once: HashSet<String>,
}

impl Reads {
    fn of(graph: &Graph) -> Reads {
        let mut last = HashMap::new();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let outputs = graph.outputs.iter().map(|o| (graph.operations.len(), o.name.as_str()));
        let read = graph.operations.iter().enumerate();
        for (i, name) in read.flat_map(|(i, o)| o.inputs.iter().map(move |n| (i, n.as_str()))).chain(outputs)
        {
            last.insert(name.to_string(), i);
            *counts.entry(name).or_default() += 1;
        }
        let renamed = graph.operations.iter().filter(|o| renames(&o.kind)).flat_map(|o| &o.outputs);
        renamed.for_each(|name| *counts.entry(name).or_default() += 1);
        let once = counts.into_iter().filter(|(_, count)| *count == 1).map(|(name, _)| name.to_string());
        Reads { last, once: once.collect() }
    }
}

/// Whether an operation's result may be its input under another name.
fn renames(kind: &str) -> bool {
    matches!(kind, "Identity" | "Dropout" | "Flatten" | "Reshape" | "Squeeze")
}

impl<B: Backend> Teacher<B> {
    /// Opens the embedder that a model card describes.
    ///
    /// # Errors
    /// A card or file that cannot be read, a network that is no embedder of 112×112 RGB pictures, or an operation that
    /// is not known here.
    pub fn open(b: &B, path: &Path) -> Result<Teacher<B>, TrainError> {
        let (card, onnx) = Card::open(path).map_err(|e| TrainError::file(path, &e))?;
        let (input, side) = (card.input, CROP as u32);
        if card.output.decode != Decode::Arcface
            || input.order != Order::Rgb
            || [input.width, input.height] != [side, side]
        {
            let reason = format!("is no embedder of {side}×{side} pictures in RGB, which a teacher must be");
            return Err(TrainError::file(path, &reason));
        }
        let graph = phiz_onnx::read(&onnx).map_err(|e| TrainError::file(path, &e))?;
        let mut teacher = Teacher::new(b, graph, input.mean, input.std);
        // One picture tells whether everything in the file is known.
        let trial = b.without_gradients(|| teacher.look_at_once(b, &[128; CROP_BYTES], 1));
        let (trial, map) = trial.map_err(|e| TrainError::file(path, &e))?;
        let map = map.map(String::from);
        if b.values(&trial.templates).iter().any(|v| !v.is_finite()) {
            return Err(TrainError::file(path, &"gives templates that are no numbers; copy its file again"));
        }
        teacher.dim = b.shape(&trial.templates)[1];
        let shape = trial.map.map(|map| b.shape(&map));
        teacher.map = shape.and_then(|shape| shape[1..].try_into().ok());
        let normalisation = Normalisation { mean: input.mean, std: input.std, ..Normalisation::default() };
        let engine =
            b.threads().and_then(|threads| Engine::open(&onnx, normalisation, map, threads, b.bf16()));
        // A file may give its template in a form that only the operations one by one know.
        let lengths = [teacher.dim, teacher.map.map_or(0, |shape| shape.iter().product())];
        teacher.engine = engine.filter(|engine| {
            engine.look(&[128; CROP_BYTES]).is_ok_and(|said| said.map(|said| said.len()) == lengths)
        });
        let hash = Sha256::digest(&onnx);
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        teacher.fingerprint = format!("{} {hash}", card.name);
        Ok(teacher)
    }

    /// Numbers of a template.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Channels, height and width of the last map.
    #[must_use]
    pub fn map(&self) -> Option<[usize; 3]> {
        self.map
    }

    /// Name and hash of the file.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn new(b: &B, graph: Graph, mean: [f32; 3], std: [f32; 3]) -> Teacher<B> {
        let tensors = graph.constants.iter().map(|(name, (shape, data))| {
            // A scalar is a vector of one, which broadcasts alike.
            let shape = if shape.is_empty() { &[1][..] } else { shape };
            (name.clone(), b.constant(data, shape))
        });
        Teacher {
            engine: None,
            constants: tensors.collect(),
            reads: Reads::of(&graph),
            graph,
            mean,
            std,
            dim: 0,
            map: None,
            fingerprint: String::new(),
        }
    }

    /// What it says of `n` pictures (112×112 interleaved RGB), without a history.
    ///
    /// # Errors
    /// An operation that is not known here.
    pub fn look(&self, b: &B, pictures: &[u8], n: usize) -> Result<Said<B::Tensor>, TrainError> {
        let pictures = &pictures[..n * CROP_BYTES];
        if let Some(engine) = &self.engine {
            let said = engine.look(pictures).map_err(|e| TrainError::Form(format!("the teacher: {e}")))?;
            let templates = loss::unit(b, &b.constant(&said[0], &[n, self.dim]));
            return Ok(Said {
                templates,
                map: self.map.map(|[c, h, w]| b.constant(&said[1], &[n, c, h, w])),
            });
        }
        b.without_gradients(|| {
            let some = |pictures: &[u8]| {
                self.look_at_once(b, pictures, pictures.len() / CROP_BYTES).map(|(said, _)| said)
            };
            let at_once = if b.threads().is_some() { NEAR_PICTURES } else { n.max(1) };
            let said: Vec<Said<B::Tensor>> =
                pictures.chunks(at_once * CROP_BYTES).map(some).collect::<Result<_, _>>()?;
            let templates: Vec<B::Tensor> = said.iter().map(|s| s.templates.clone()).collect();
            let maps: Option<Vec<B::Tensor>> = said.into_iter().map(|s| s.map).collect();
            let map = maps.filter(|maps| !maps.is_empty()).map(|maps| b.joined(&maps));
            Ok(Said { templates: b.joined(&templates), map })
        })
    }

    /// What it says by the back end's operations, and the name of the map in the file.
    fn look_at_once(
        &self,
        b: &B,
        pictures: &[u8],
        n: usize,
    ) -> Result<(Said<B::Tensor>, Option<&str>), TrainError> {
        let mut values: HashMap<&str, B::Tensor> = HashMap::new();
        let (mut map, mut shown) = (None, None);
        let pictures = b.pictures(pictures, n, CROP, CROP, self.mean, self.std);
        values.insert(self.graph.inputs[0].name.as_str(), pictures);
        for (i, operation) in self.graph.operations.iter().enumerate() {
            let result = self.apply(b, operation, &values).ok_or_else(|| {
                TrainError::Form(format!(
                    "the teacher's operation {} ({}) is not known in this form: teach with prepared templates",
                    operation.kind,
                    operation.outputs.first().map_or("", String::as_str)
                ))
            })?;
            // What nobody reads any more is given back, so that the same memory, which is near, serves again.
            for name in operation.inputs.iter().filter(|name| self.reads.last.get(*name) == Some(&i)) {
                values.remove(name.as_str());
            }
            if matches!(b.shape(&result)[..], [_, _, h, w] if h > 1 && w > 1) {
                map = Some(result.clone());
                shown = operation.outputs.first().map(String::as_str);
            }
            if let Some(name) = operation.outputs.first() {
                values.insert(name, result);
            }
        }
        let last = values.remove(self.graph.outputs[0].name.as_str());
        let flat = last.and_then(|x| match b.shape(&x).len() {
            2 => Some(x),
            4 => Some(b.global_pool(&x)),
            _ => None,
        });
        let none = || TrainError::Form("the teacher gives no template".into());
        Ok((Said { templates: loss::unit(b, &flat.ok_or_else(none)?), map }, shown))
    }

    /// The result of an operation; none if it, or this form of it, is not known.
    fn apply(&self, b: &B, o: &Operation, values: &HashMap<&str, B::Tensor>) -> Option<B::Tensor> {
        let get = |i: usize| {
            let name = o.inputs.get(i)?.as_str();
            values.get(name).or_else(|| self.constants.get(name)).cloned()
        };
        let numbers = |i: usize| Some(self.graph.constants.get(o.inputs.get(i)?)?.1.as_slice());
        // Values of each channel, as something that broadcasts over a map.
        let each = |data: &[f32]| b.constant(data, &[data.len(), 1, 1]);
        let x = get(0)?;
        // A constant is for every look, whoever reads it.
        let spare = self.reads.once.contains(&o.inputs[0]) && values.contains_key(o.inputs[0].as_str());
        // Values that broadcast, as adding them would: back ends take it for granted.
        let pair = || {
            let y = get(1)?;
            let (a, c) = (b.shape(&x), b.shape(&y));
            let fits = |(m, n): (&usize, &usize)| m == n || *m == 1 || *n == 1;
            a.iter().rev().zip(c.iter().rev()).all(fits).then_some(y)
        };
        Some(match o.kind.as_str() {
            "Conv" => {
                let weight = get(1)?;
                let (map, shape) = (b.shape(&x), b.shape(&weight));
                let ([_, channels, height, width], [out, each, kernel, other]) = (&map[..], &shape[..])
                else {
                    return None;
                };
                let (out, kernel) = (*out, *kernel);
                let bias = if o.inputs.len() > 2 { Some(get(2)?) } else { None };
                let padding = padding(o, kernel)?;
                let stride = same(o, "strides", 1)?;
                let groups = usize::try_from(o.int("group", 1)).ok()?;
                let within =
                    kernel.min(*other) > 0 && height.min(width) + 2 * padding.width(kernel) >= kernel;
                let grouped = groups > 0 && each.checked_mul(groups) == Some(*channels) && out % groups == 0;
                let biased = bias.as_ref().is_none_or(|bias| b.shape(bias) == [out]);
                let plain = same(o, "dilations", 1)? == 1 && kernel == *other && stride > 0 && out > 0;
                (within && grouped && biased && plain).then_some(())?;
                b.conv(&x, &weight, bias.as_ref(), stride, groups, padding)
            }
            "BatchNormalization" => {
                let epsilon = o.floats.get("epsilon").copied().unwrap_or(1e-5);
                let [scale, shift, mean, var] = [1, 2, 3, 4].map(numbers);
                let (scale, shift, mean, var) = (scale?, shift?, mean?, var?);
                let count = *b.shape(&x).get(1)?;
                [scale, shift, mean, var].iter().all(|v| v.len() == count).then_some(())?;
                let factor: Vec<f32> = scale.iter().zip(var).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
                let offset: Vec<f32> =
                    shift.iter().zip(mean).zip(&factor).map(|((s, m), f)| s - m * f).collect();
                if b.shape(&x).len() == 2 {
                    let row = |data: &[f32]| b.constant(data, &[1, data.len()]);
                    b.add(&b.mul(&x, &row(&factor)), &row(&offset))
                } else {
                    b.add(&b.mul(&x, &each(&factor)), &each(&offset))
                }
            }
            "Relu" if spare => b.relu_over(x),
            "Relu" => b.relu(&x),
            "Clip" => {
                let bound = |i: usize, name: &str, absent: f32| {
                    let given = numbers(i).and_then(|v| v.first()).or_else(|| o.floats.get(name));
                    f64::from(given.copied().unwrap_or(absent))
                };
                let (low, high) = (bound(1, "min", f32::MIN), bound(2, "max", f32::MAX));
                if spare { b.clamp_over(x, low, high) } else { b.clamp(&x, low, high) }
            }
            "PRelu" => {
                let slope = numbers(1)?;
                (b.shape(&x).len() == 4 && [1, b.shape(&x)[1]].contains(&slope.len())).then_some(())?;
                b.sub(&b.relu(&x), &b.mul(&b.relu(&b.affine(&x, -1.0, 0.0)), &each(slope)))
            }
            "Sigmoid" => b.sigmoid(&x),
            "Add" => b.add(&x, &pair()?),
            "Sub" => b.sub(&x, &pair()?),
            "Mul" => b.mul(&x, &pair()?),
            "Div" => b.div(&x, &pair()?),
            "GlobalAveragePool" if b.shape(&x).len() == 4 => b.global_pool(&x),
            kind if renames(kind) => match b.shape(&x)[..] {
                // What is flattened stays a map until a matrix wants it flat.
                [_, _, 1, 1] => b.global_pool(&x),
                _ => x,
            },
            "Gemm" => {
                (o.int("transB", 0) == 1 && o.int("transA", 0) == 0).then_some(())?;
                let (shape, data) = self.graph.constants.get(o.inputs.get(1)?)?;
                (shape.len() == 2 && shape[0] > 0).then_some(())?;
                let product = match b.shape(&x)[..] {
                    [_, c, h, w] if shape[..] == [shape[0], c * h * w] && h == w => {
                        let weight = b.constant(data, &[shape[0], c, h, w]);
                        b.global_pool(&b.conv(&x, &weight, None, 1, 1, Padding::None))
                    }
                    [_, c] if shape[..] == [shape[0], c] => b.matmul_transposed(&x, &get(1)?),
                    _ => return None,
                };
                match numbers(2) {
                    Some(bias) if bias.len() == shape[0] => {
                        b.add(&product, &b.constant(bias, &[1, bias.len()]))
                    }
                    Some(_) => return None,
                    None => product,
                }
            }
            _ => return None,
        })
    }
}

/// A whole number that is the same in both directions.
fn same(o: &Operation, name: &str, absent: usize) -> Option<usize> {
    let Some(numbers) = o.ints.get(name) else { return Some(absent) };
    let first = *numbers.first()?;
    numbers.iter().all(|n| *n == first).then(|| usize::try_from(first).ok())?
}

fn padding(o: &Operation, kernel: usize) -> Option<Padding> {
    let width = same(o, "pads", 0)?;
    let fits = |padding: Padding| (padding.width(kernel) == width).then_some(padding);
    fits(Padding::None).or_else(|| fits(Padding::Half))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    use super::*;
    use crate::flex::Flex;
    use crate::model::Model;
    use crate::random::Random;
    use phiz_net::zoo::Slim;

    const CARD: &str = "name = 't'\nfile = 't.onnx'\nlicence = 'MIT'\n[input]\nwidth = 112\nheight = 112\n\
        order = 'rgb'\nmean = [127.5, 127.5, 127.5]\nstd = [127.5, 127.5, 127.5]\n[output]\ndecode = 'arcface'\n";

    #[test]
    fn a_teacher_says_what_its_network_says() {
        let b = Flex::new(1).unwrap();
        let net = Slim { stem: 8, stages: vec![(8, 1), (16, 1)], weighted: true, dim: 12 }.build("small");
        let mut random = Random::new(5);
        let student = Model::new(&b, &net, &mut random).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join("t.toml");
        std::fs::write(&card, CARD).unwrap();
        let onnx = phiz_net::onnx::export(&net, &student.weights(&b)).unwrap();
        std::fs::write(folder.path().join("t.onnx"), onnx).unwrap();
        // More than are looked at together.
        let n = NEAR_PICTURES + 2;
        let bytes: Vec<u8> = (0..n * CROP * CROP * 3).map(|_| random.bits() as u8).collect();
        let pictures = b.pictures(&bytes, n, CROP, CROP, [127.5; 3], [127.5; 3]);
        let own = b.values(&loss::unit(&b, &student.forward(&b, &pictures, false)[0]));
        let mut teacher = Teacher::open(&b, &card).unwrap();
        assert_eq!(teacher.engine.is_some(), cfg!(target_arch = "x86_64"));
        let (_, own_map) = student.forward_with_map(&b, &pictures, false);
        let own_map = b.values(&own_map.unwrap());
        // By our own engine, where it runs, and by the back end's operations.
        for _ in 0..2 {
            let said = teacher.look(&b, &bytes, n).unwrap();
            let map = said.map.as_ref().unwrap();
            assert_eq!((teacher.map(), b.shape(map)), (Some([16, 14, 14]), vec![n, 16, 14, 14]));
            for (x, y) in own_map.iter().zip(b.values(map)) {
                assert!((x - y).abs() < 1e-4, "{x} {y}");
            }
            let said = b.values(&said.templates);
            assert_eq!((said.len(), teacher.dim()), (n * 12, 12));
            for (x, y) in own.iter().zip(&said) {
                assert!((x - y).abs() < 1e-4, "{own:?} {said:?}");
            }
            teacher.engine = None;
        }

        std::fs::write(&card, CARD.replace("'rgb'", "'bgr'")).unwrap();
        assert!(Teacher::open(&b, &card).unwrap_err().to_string().contains("no embedder"));
    }

    /// A teacher whose first layer is read by a rectifier and once more: the rectifier must not take its memory.
    fn leaves_what_others_read<B: Backend>(b: &B) {
        let port = |name: &str| phiz_onnx::Value { name: name.into(), ..phiz_onnx::Value::default() };
        let operation = |kind: &str, inputs: &[&str], output: &str| Operation {
            kind: kind.into(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.into()],
            ..Operation::default()
        };
        let mut random = Random::new(3);
        let bytes: Vec<u8> = (0..CROP * CROP * 3).map(|_| random.bits() as u8).collect();
        let [r, g] = [0, 1].map(|c| bytes.chunks_exact(3).map(move |p| f64::from(p[c]) / 127.5 - 1.0));
        let twice = |v: f64| v + v.max(0.0);
        let expected: [f64; 2] = [r.map(twice).sum(), g.map(|v| twice(-v)).sum()];
        let length = expected[0].hypot(expected[1]);
        for (names, rectifier) in [(false, "Relu"), (true, "Relu"), (false, "Clip"), (true, "Clip")] {
            let read = if names { "same" } else { "conv" };
            let rename = names.then(|| operation("Identity", &["conv"], "same"));
            let mut operations = vec![operation("Conv", &["picture", "weight"], "conv")];
            operations.extend(rename);
            operations.push(Operation {
                floats: [("min".to_string(), 0.0)].into(),
                ..operation(rectifier, &[read], "part")
            });
            operations.push(operation("Add", &["conv", "part"], "sum"));
            let weight = (vec![2, 3, 1, 1], vec![1.0, 0.0, 0.0, 0.0, -1.0, 0.0]);
            let graph = Graph {
                constants: [("weight".to_string(), weight)].into(),
                inputs: vec![port("picture")],
                outputs: vec![port("sum")],
                operations,
                ..Graph::default()
            };
            let teacher = Teacher::new(b, graph, [127.5; 3], [127.5; 3]);
            let said = b.values(&teacher.look(b, &bytes, 1).unwrap().templates);
            for (got, sum) in said.iter().zip(expected) {
                assert!((f64::from(*got) - sum / length).abs() < 1e-4, "{rectifier} {names}: {said:?}");
            }
        }
    }

    #[test]
    fn what_others_read_stays_as_it_is() {
        leaves_what_others_read(&Flex::new(1).unwrap());
    }

    #[cfg(feature = "libtorch")]
    #[test]
    fn what_others_read_stays_as_it_is_with_libtorch() {
        leaves_what_others_read(&crate::torch::Torch::cpu(1, false));
    }

    #[test]
    fn operations_by_their_definition() {
        let b = Flex::new(1).unwrap();
        let x: Vec<f32> = (0..2 * 3 * 4).map(|i| i as f32 * 0.3 - 3.0).collect();
        let x = b.constant(&x, &[2, 3, 2, 2]);
        let constants = [
            ("slope", vec![3, 1, 1], vec![0.5, 0.25, 0.0]),
            ("scale", vec![3], vec![2.0, 1.0, 0.5]),
            ("shift", vec![3], vec![0.1, 0.2, 0.3]),
            ("mean", vec![3], vec![-1.0, 0.0, 1.0]),
            ("var", vec![3], vec![4.0, 1.0, 0.25]),
            ("six", vec![], vec![2.0]),
            ("zero", vec![], vec![0.0]),
            ("matrix", vec![2, 12], (0..24).map(|i| i as f32 / 10.0).collect()),
            ("bias", vec![2], vec![1.0, -1.0]),
            ("kernel", vec![3, 3, 3, 3], vec![0.1; 81]),
        ];
        let constants = constants.map(|(name, shape, data)| (name.to_string(), (shape, data)));
        let graph = Graph { constants: constants.into(), ..Graph::default() };
        let teacher = Teacher::new(&b, graph, [0.0; 3], [1.0; 3]);
        let values = HashMap::from([("x", x.clone())]);
        let apply = |kind: &str, inputs: &[&str], ints: &[(&str, i64)], floats: &[(&str, f32)]| {
            let o = Operation {
                kind: kind.into(),
                inputs: inputs.iter().map(ToString::to_string).collect(),
                ints: ints.iter().map(|(n, v)| (n.to_string(), vec![*v])).collect(),
                floats: floats.iter().map(|(n, v)| (n.to_string(), *v)).collect(),
                ..Operation::default()
            };
            teacher.apply(&b, &o, &values).map(|t| b.values(&t))
        };
        let at = |i: usize| (b.values(&x)[i], i / 4 % 3);
        let slope = [0.5, 0.25, 0.0];
        let (scale, shift, mean, var) =
            ([2.0, 1.0, 0.5], [0.1, 0.2, 0.3], [-1.0, 0.0, 1.0], [4.0f32, 1.0, 0.25]);
        let close = |got: Option<Vec<f32>>, expected: &dyn Fn(f32, usize) -> f32| {
            for (i, value) in got.unwrap().iter().enumerate() {
                let (x, c) = at(i);
                assert!((value - expected(x, c)).abs() < 1e-5, "{i}: {value} {}", expected(x, c));
            }
        };
        close(apply("PRelu", &["x", "slope"], &[], &[]), &|x, c| if x < 0.0 { x * slope[c] } else { x });
        close(apply("Clip", &["x", "zero", "six"], &[], &[]), &|x, _| x.clamp(0.0, 2.0));
        close(apply("Clip", &["x"], &[], &[("min", -1.0), ("max", 1.0)]), &|x, _| x.clamp(-1.0, 1.0));
        let norm =
            apply("BatchNormalization", &["x", "scale", "shift", "mean", "var"], &[], &[("epsilon", 0.5)]);
        close(norm, &|x, c| (x - mean[c]) / (var[c] + 0.5).sqrt() * scale[c] + shift[c]);
        close(apply("Mul", &["x", "six"], &[], &[]), &|x, _| x * 2.0);
        let gemm = apply("Gemm", &["x", "matrix", "bias"], &[("transB", 1)], &[]).unwrap();
        let all = b.values(&x);
        for (i, value) in gemm.iter().enumerate() {
            let (n, o) = (i / 2, i % 2);
            let sum: f32 = (0..12).map(|k| all[n * 12 + k] * (o * 12 + k) as f32 / 10.0).sum();
            assert!((value - sum - [1.0, -1.0][o]).abs() < 1e-3, "{value}");
        }
        // What does not fit together is refused before a back end sees it.
        for (kind, inputs, ints) in [
            ("Add", vec!["x", "scale"], vec![]),
            ("Add", vec!["x", "nothing"], vec![]),
            ("Add", vec![], vec![]),
            ("Conv", vec!["x", "scale"], vec![]),
            ("Conv", vec!["x", "kernel"], vec![("group", 0)]),
            ("Conv", vec!["x", "kernel"], vec![("group", -1)]),
            ("Conv", vec!["x", "kernel"], vec![("strides", 0)]),
            ("Conv", vec!["x", "kernel"], vec![("pads", 3)]),
            ("Conv", vec!["x", "kernel", "bias"], vec![("pads", 1)]),
            ("Conv", vec!["x", "kernel"], vec![]),
            ("BatchNormalization", vec!["x", "scale", "shift", "mean", "bias"], vec![]),
            ("PRelu", vec!["x", "bias"], vec![]),
            ("Gemm", vec!["x", "scale"], vec![("transB", 1)]),
            ("Gemm", vec!["x", "matrix", "scale"], vec![("transB", 1)]),
        ] {
            assert!(apply(kind, &inputs, &ints, &[]).is_none(), "{kind} {inputs:?} {ints:?}");
        }
        assert!(apply("Conv", &["x", "kernel"], &[("pads", 1)], &[]).is_some());
        assert!(apply("LSTM", &["x"], &[], &[]).is_none());
        assert!(apply("Gemm", &["x", "matrix"], &[], &[]).is_none(), "not transposed");
    }
}
