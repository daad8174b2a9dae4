//! Networks written by our exporter compute what `phiz_net::reference` defines; bytes from strangers are refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../phiz-net/tests/common/mod.rs"]
mod common;

use common::{every_operation, picture, unfolded, weights};
use phiz_engine::{
    ChannelOrder, EngineError, Input, LoadOptions, MAX_ELEMENTS, Network, Normalisation, Pictures, Port,
    Precision, Runtime, Tensor, Workspace, load,
};
use phiz_net::form::Form;
use phiz_net::graph::Output;
use phiz_net::onnx::{export, export_as, read_weights};
use phiz_net::reference::forward;
use proptest::prelude::*;
use rayon::prelude::*;

fn onnx() -> Vec<u8> {
    let net = every_operation();
    export(&net, &weights(&net)).unwrap()
}

const RUNTIMES: [Runtime; 2] = [Runtime::Rten, Runtime::Native];

fn network(runtime: Runtime, threads: usize) -> Box<dyn Network> {
    load(&onnx(), &LoadOptions::default().runtime(runtime).threads(threads)).unwrap()
}

fn input(batch: usize, height: usize, width: usize) -> Tensor {
    let map = picture(batch, height, width);
    Tensor::new(map.shape, map.data).unwrap()
}

#[test]
fn a_network_computes_its_definition() {
    for runtime in RUNTIMES {
        let net = every_operation();
        let network = network(runtime, 1);
        let names: Vec<&str> = network.outputs().iter().map(|port| port.name.as_str()).collect();
        assert_eq!(names, ["score", "box", "map", "template", "pooled"]);
        for (batch, height, width) in [(1, 8, 8), (5, 8, 12), (2, 36, 20)] {
            let expected = forward(&net, &weights(&net), &picture(batch, height, width)).unwrap();
            let got = network.run(&input(batch, height, width)).unwrap();
            assert_eq!(got.len(), expected.len());
            for ((got, want), name) in got.iter().zip(&expected).zip(&names) {
                assert_eq!(got.shape, want.shape, "{name} of {batch}×{height}×{width}");
                for (i, (a, b)) in got.data.iter().zip(&want.data).enumerate() {
                    assert!(
                        (a - b).abs() <= 2e-5 * (1.0 + b.abs()),
                        "{name}[{i}] of {batch}: {a} is not {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn values_inside_a_network_are_shown_behind_its_outputs() {
    let net = every_operation();
    let (options, input) = (LoadOptions::default().runtime(Runtime::Native), input(2, 8, 12));
    let plain = network(Runtime::Native, 1).run(&input).unwrap();
    let inside = |node: &usize| net.outputs.iter().all(|output| output.node != *node);
    for node in (1..net.nodes.len()).filter(inside) {
        let name = format!("{}.out", net.nodes[node].name);
        let shown = load(&onnx(), &options.clone().shown(vec![name.clone()])).unwrap();
        assert_eq!(shown.outputs().last().unwrap().name, name);
        // The definition of a network whose output it is.
        let mut wider = net.clone();
        wider.outputs.push(Output { name: name.clone(), node });
        let expected = forward(&wider, &weights(&net), &picture(2, 8, 12)).unwrap();
        let got = shown.run(&input).unwrap();
        assert_eq!(got.len(), plain.len() + 1);
        for (got, want) in got.iter().zip(&expected) {
            assert_eq!(got.shape, want.shape, "{name}");
            for (a, b) in got.data.iter().zip(&want.data) {
                assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{name}: {a} is not {b}");
            }
        }
    }
    let unknown = load(&onnx(), &options.shown(vec!["nobody".into()]));
    assert!(unknown.err().unwrap().to_string().contains("nobody"));
    let rten = LoadOptions::default().runtime(Runtime::Rten).shown(vec!["nobody".into()]);
    assert!(load(&onnx(), &rten).is_err());
}

#[test]
fn short_forms_compute_what_they_hold() {
    for runtime in RUNTIMES {
        let net = every_operation();
        for form in [Form::F16, Form::Int8] {
            let short = export_as(&net, &weights(&net), form).unwrap();
            let held = unfolded(&net, &read_weights(&net, &short).unwrap());
            let long = load(&export(&net, &held).unwrap(), &LoadOptions::default().runtime(runtime)).unwrap();
            let short = load(&short, &LoadOptions::default().runtime(runtime)).unwrap();
            let input = input(2, 8, 12);
            for (a, b) in short.run(&input).unwrap().iter().zip(&long.run(&input).unwrap()) {
                assert_eq!(a.shape, b.shape);
                for (x, y) in a.data.iter().zip(&b.data) {
                    assert!((x - y).abs() <= 1e-5 * (1.0 + y.abs()), "{form:?}: {x} is not {y}");
                }
            }
        }
    }
}

#[test]
fn a_batch_is_its_pictures_one_by_one() {
    for runtime in RUNTIMES {
        let network = network(runtime, 1);
        let all = input(5, 8, 12);
        let together = network.run(&all).unwrap();
        for (n, picture) in all.data.chunks_exact(3 * 8 * 12).enumerate() {
            let alone = network.run(&Tensor::new(vec![1, 3, 8, 12], picture.to_vec()).unwrap()).unwrap();
            for (whole, part) in together.iter().zip(alone) {
                let each = part.data.len();
                for (a, b) in whole.data[n * each..][..each].iter().zip(&part.data) {
                    assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "picture {n}: {a} is not {b}");
                }
            }
        }
    }
}

#[test]
fn threads_change_nothing_but_time() {
    for runtime in RUNTIMES {
        // Large enough to be shared.
        let image = input(2, 360, 200);
        let once = network(runtime, 1).run(&image).unwrap();
        for threads in [2, 3, 8] {
            let outputs = network(runtime, threads).run(&image).unwrap();
            if runtime == Runtime::Native {
                assert_eq!(outputs, once, "{threads} threads: not the same bits");
            }
            for (a, b) in outputs.iter().zip(&once) {
                assert_eq!(a.shape, b.shape);
                let close = |(x, y): (&f32, &f32)| (x - y).abs() <= 1e-5 * (1.0 + y.abs());
                assert!(a.data.iter().zip(&b.data).all(close), "{threads} threads");
            }
        }
    }
    assert_eq!(load(&onnx(), &LoadOptions::default().threads(0)).err(), Some(EngineError::Threads));
}

/// 1×1 and depthwise convolutions in turn, on a map that is too large for the cache of a core.
fn pairs() -> Vec<u8> {
    use phiz_onnx::write::{Axis, GraphWriter, int, ints};
    let mut graph = GraphWriter::new("pairs");
    let mut conv = |[x, y]: [&str; 2], [outputs, inputs, kernel]: [usize; 3], groups: i64, stride: i64| {
        let count = outputs * inputs * kernel * kernel;
        let size = 1.5 / ((inputs * kernel * kernel) as f32).sqrt();
        let weights: Vec<f32> = (0..count).map(|i| size * ((i * 7919 % 1021) as f32 / 510.5 - 1.0)).collect();
        let w = format!("{y}.w");
        graph.floats(&w, &[outputs, inputs, kernel, kernel], &weights);
        let around = [
            ints("kernel_shape", &[kernel as i64; 2]),
            ints("strides", &[stride; 2]),
            ints("pads", &[kernel as i64 / 2; 4]),
            int("group", groups),
        ];
        graph.node("Conv", &[x, &w], y, &around);
    };
    conv(["image", "a"], [16, 3, 3], 1, 1);
    conv(["a", "b"], [40, 16, 1], 1, 1);
    conv(["b", "c"], [40, 1, 3], 40, 1);
    conv(["c", "d"], [24, 40, 1], 1, 1);
    conv(["d", "e"], [24, 1, 3], 24, 2);
    conv(["e", "out"], [16, 24, 1], 1, 1);
    graph.input("image", &[Axis::Named("n"), Axis::Fixed(3), Axis::Named("h"), Axis::Named("w")]);
    graph.output("out", &[Axis::Named("n"), Axis::Fixed(16), Axis::Named("oh"), Axis::Named("ow")]);
    graph.finish("test")
}

#[test]
fn pairs_of_convolutions_in_one_pass_compute_what_rten_does() {
    let onnx = pairs();
    let rten = load(&onnx, &LoadOptions::default().runtime(Runtime::Rten)).unwrap();
    // From maps that stay in the cache to such as do not.
    for (batch, height, width) in [(1, 4, 6), (2, 61, 45), (5, 120, 83)] {
        let input = input(batch, height, width);
        let want = rten.run(&input).unwrap();
        let precisions = [(Precision::F32, 1e-5), (Precision::Bf16, 3e-2), (Precision::Int8, 6e-2)];
        for (precision, tolerance) in precisions {
            let mut first: Option<Vec<Tensor>> = None;
            for threads in [1, 2, 3] {
                let options = LoadOptions::default().runtime(Runtime::Native).precision(precision);
                let Ok(network) = load(&onnx, &options.threads(threads)) else { continue };
                let got = network.run(&input).unwrap();
                let size = want[0].data.iter().fold(0f32, |m, v| m.max(v.abs()));
                for (got, want) in got[0].data.iter().zip(&want[0].data) {
                    assert!((got - want).abs() <= tolerance * size, "{precision}: {got} is not {want}");
                }
                assert_eq!(
                    first.get_or_insert_with(|| got.clone()),
                    &got,
                    "{threads} threads: not the same bits"
                );
            }
        }
    }
}

#[test]
fn half_as_exact_numbers_answer_nearly_the_same() {
    let options = LoadOptions::default().runtime(Runtime::Native);
    let exact = load(&onnx(), &options).unwrap();
    let short = match load(&onnx(), &options.precision(Precision::Bf16)) {
        Ok(network) => network,
        // A processor without bf16 says so.
        Err(error) => {
            assert!(matches!(error, EngineError::Unsupported { runtime: "native", .. }), "{error}");
            return;
        }
    };
    assert_eq!((exact.precision(), short.precision()), (Precision::F32, Precision::Bf16));
    let input = input(3, 16, 24);
    for (a, b) in short.run(&input).unwrap().iter().zip(&exact.run(&input).unwrap()) {
        assert_eq!(a.shape, b.shape);
        let size = b.data.iter().fold(0f32, |m, v| m.max(v.abs()));
        let off = a.data.iter().zip(&b.data).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(off <= 0.02 * size && off > 0.0, "{off} of {size}");
    }
}

/// `pictures` of three channels, with gaps between the rows and an end after the last, as f32 by the formula.
fn by_hand(pictures: &[Vec<u8>], [h, w, stride]: [usize; 3], swap: bool, n: &Normalisation) -> Tensor {
    let mut data = Vec::new();
    for picture in pictures {
        for channel in 0..3 {
            for at in (0..h).flat_map(|y| (0..w).map(move |x| y * stride + 3 * x)) {
                let value = f32::from(picture[at + if swap { 2 - channel } else { channel }]);
                data.push(value * (1.0 / n.std[channel]) + -n.mean[channel] / n.std[channel]);
            }
        }
    }
    Tensor::new(vec![pictures.len(), 3, h, w], data).unwrap()
}

#[test]
fn pictures_are_normalised_as_the_options_say() {
    for runtime in RUNTIMES {
        let (h, w, stride) = (12, 8, 29);
        let normalisation =
            Normalisation { mean: [127.5, 100.0, 3.0], std: [127.5, 64.0, 255.0], order: ChannelOrder::Bgr };
        let network =
            load(&onnx(), &LoadOptions::default().runtime(runtime).normalisation(normalisation)).unwrap();
        let pictures: Vec<Vec<u8>> = (0..3usize)
            .map(|n| (0..stride * (h - 1) + 3 * w).map(|i| ((i + n) * 7919 % 256) as u8).collect())
            .collect();
        let slices: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
        let mut workspace = Workspace::default();
        for order in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let fed = Pictures { width: w, height: h, stride, order, pictures: &slices };
            let got = network.run_into(fed.into(), &mut workspace).unwrap();
            let tensor = by_hand(&pictures, [h, w, stride], order != normalisation.order, &normalisation);
            let want = network.run(&tensor).unwrap();
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(got.shape, want.shape);
                for (a, b) in got.data.iter().zip(&want.data) {
                    assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{order:?}: {a} is not {b}");
                }
            }
        }
        // Sizes that the bytes do not have.
        for (says, fed) in [
            (
                "29 bytes",
                Pictures { width: 10, height: 2, stride: 29, order: ChannelOrder::Rgb, pictures: &slices },
            ),
            (
                "picture 0",
                Pictures { width: w, height: 13, stride, order: ChannelOrder::Rgb, pictures: &slices },
            ),
            (
                "29 bytes",
                Pictures {
                    width: usize::MAX,
                    height: 2,
                    stride: 29,
                    order: ChannelOrder::Rgb,
                    pictures: &slices,
                },
            ),
        ] {
            let error = network.run_into(fed.into(), &mut workspace).unwrap_err().to_string();
            assert!(error.starts_with("image: ") && error.contains(says), "{error}");
        }
    }
}

#[test]
fn one_workspace_serves_sizes_and_networks_in_turn() {
    for runtime in RUNTIMES {
        let mut b = phiz_net::graph::Builder::new("other", 3);
        let x = b.conv("stem", b.input(), 4, 3, 2, 1, phiz_net::graph::Act::Relu);
        let net = b.finish(&[("features", x)]);
        let other =
            load(&export(&net, &weights(&net)).unwrap(), &LoadOptions::default().runtime(runtime)).unwrap();
        let network = network(runtime, 1);
        let mut workspace = Workspace::default();
        assert!(workspace.outputs().is_empty());
        for (batch, height, width) in [(1, 8, 8), (3, 16, 24), (2, 8, 12), (1, 8, 8)] {
            let input = input(batch, height, width);
            for network in [&network, &other] {
                let expected = network.run(&input).unwrap();
                assert_eq!(network.run_into(Input::Tensor(&input), &mut workspace).unwrap(), expected);
                assert_eq!(workspace.outputs(), expected);
            }
        }
    }
}

#[test]
fn what_a_runtime_lacks_is_said() {
    for options in [
        LoadOptions::default().runtime(Runtime::Rten).precision(Precision::Bf16),
        LoadOptions::default().runtime(Runtime::Rten).precision(Precision::Int8),
    ] {
        let error = load(&onnx(), &options).err().unwrap();
        assert!(matches!(error, EngineError::Unsupported { runtime: "rten", .. }), "{error}");
    }
    let network = network(Runtime::Auto, 1);
    assert_ne!((network.runtime(), network.precision()), (Runtime::Auto, Precision::Auto));
    for name in Runtime::NAMES {
        assert_eq!(name.parse::<Runtime>().unwrap().to_string(), *name);
    }
    assert!("int4".parse::<Precision>().unwrap_err().contains("bf16"));
}

#[test]
fn many_threads_share_one_network() {
    for runtime in RUNTIMES {
        let network = network(runtime, 1);
        let inputs: Vec<Tensor> = (1..=4).map(|batch| input(batch, 8, 8)).collect();
        let expected: Vec<Vec<Tensor>> = inputs.iter().map(|i| network.run(i).unwrap()).collect();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (network, inputs, expected) = (&network, &inputs, &expected);
                scope.spawn(move || {
                    for round in 0..25 {
                        let k = (thread + round) % inputs.len();
                        assert_eq!(network.run(&inputs[k]).unwrap(), expected[k]);
                    }
                });
            }
        });
    }
}

/// rayon lets a worker that waits take up other work of its pool: another call of ours inside the first, and so on
/// until the stack is full.
#[test]
fn callers_inside_a_rayon_pool_do_not_pile_up() {
    for runtime in RUNTIMES {
        let network = network(runtime, 1);
        let image = input(1, 8, 8);
        let expected = network.run(&image).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).stack_size(128 << 10).build().unwrap();
        let wrong = pool.install(|| {
            (0..1500)
                .into_par_iter()
                .with_max_len(1)
                .filter(|_| network.run(&image).unwrap() != expected)
                .count()
        });
        assert_eq!(wrong, 0);
    }
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    for runtime in RUNTIMES {
        let network = network(runtime, 1);
        for (name, shape, says) in [
            ("three axes", vec![3, 8, 8], "4 axes, the tensor 3"),
            ("one channel", vec![1, 1, 8, 8], "axis 1 must be 3, got 1"),
            ("no axis", vec![], "4 axes"),
        ] {
            let error = network.run(&Tensor::zeros(shape).unwrap()).unwrap_err();
            assert!(matches!(error, EngineError::Shape { .. }), "{name}: {error}");
            assert!(
                error.to_string().starts_with("image: ") && error.to_string().contains(says),
                "{name}: {error}"
            );
        }
        // Fields are public, so that a tensor can be put together wrongly.
        let short = Tensor { shape: vec![1, 3, 8, 8], data: vec![0.0; 5] };
        assert!(network.run(&short).unwrap_err().to_string().contains("192 elements, the data 5"));
        // A shape that the file allows and the graph cannot add up.
        let odd = network.run(&Tensor::zeros(vec![1, 3, 9, 9]).unwrap());
        assert!(matches!(odd, Err(EngineError::Run { .. })), "{odd:?}");
    }
}

#[test]
fn tensors_have_the_elements_of_their_shape() {
    assert!(Tensor::new(vec![2, 3], vec![0.0; 6]).is_ok());
    assert!(Tensor::new(vec![], vec![1.0]).is_ok());
    assert!(Tensor::zeros(vec![0, 7]).unwrap().data.is_empty());
    assert!(
        Tensor::new(vec![2, 3], vec![0.0; 5]).unwrap_err().to_string().contains("6 elements, the data 5")
    );
    for shape in [vec![MAX_ELEMENTS, 2], vec![usize::MAX, usize::MAX], vec![MAX_ELEMENTS + 1]] {
        assert!(Tensor::zeros(shape.clone()).is_err(), "{shape:?}");
    }
}

#[test]
fn a_port_checks_what_it_knows() {
    let port = |shape: &[Option<usize>]| Port { name: "image".into(), shape: shape.to_vec() };
    let open = port(&[None, Some(3)]);
    assert!(open.check(&[9, 3]).is_ok());
    assert!(open.check(&[9, 4]).is_err() && open.check(&[3]).is_err());
    assert!(port(&[]).check(&[1, 2, 3, 4, 5]).is_ok());
}

/// A Protocol Buffers field that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let (low, high) = (bytes.len() as u8 | 0x80, u8::try_from(bytes.len() >> 7).unwrap());
    assert!(high < 0x80);
    [&[number << 3 | 2, low, high], bytes].concat()
}

/// A graph of one node between inputs of an element type (1 is f32, 7 is i64) and one output, all of one axis of any
/// length.
fn small(kind: &[u8], inputs: &[&str], outputs: &[&str], element: u8) -> Vec<u8> {
    let value = |name: &str| {
        let axis = field(1, &field(2, b"n"));
        let tensor = [&[8, element][..], &field(2, &axis)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let mut node: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    node.extend(field(2, b"y"));
    node.extend(field(4, kind));
    let mut graph = field(1, &node);
    graph.extend(inputs.iter().flat_map(|name| field(11, &value(name))));
    graph.extend(outputs.iter().flat_map(|name| field(12, &value(name))));
    let opset = field(8, &[16, 17]);
    [&[8, 8][..], &field(7, &graph), &opset].concat()
}

fn refused(bytes: &[u8]) -> EngineError {
    load(bytes, &LoadOptions::default()).err().expect("no network")
}

#[test]
fn what_is_no_network_of_ours_is_refused_with_the_reason() {
    // The hand-made graphs are networks, apart from the one thing that each case changes.
    let relu = load(&small(b"Relu", &["x"], &["y"], 1), &LoadOptions::default()).unwrap();
    let output = relu.run(&Tensor::new(vec![2], vec![-1.0, 3.0]).unwrap()).unwrap();
    assert_eq!(output[0].data, [0.0, 3.0]);
    let good = onnx();
    // Graphs as attributes of nodes of graphs.
    let nested = (0..300).fold(Vec::new(), |graph, _| {
        let attribute = field(6, &graph);
        field(1, &field(5, &attribute))
    });
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("a number of eleven bytes", [&[8][..], &[0x80; 10], &[1]].concat(), "number without end"),
        ("a graph in a graph, 300 times", field(7, &nested), "too deep"),
        ("nothing", vec![], ""),
        ("text", b"this is not a network, it is a sentence".to_vec(), ""),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), ""),
        ("zeros", vec![0; 500], ""),
        ("half", good[..good.len() / 2].to_vec(), ""),
        ("two inputs", small(b"Add", &["x", "z"], &["y"], 1), "2 inputs [\"x\", \"z\"]"),
        ("no output", small(b"Relu", &["x"], &[], 1), "no output"),
        ("whole numbers", small(b"Relu", &["x"], &["y"], 7), "f32"),
        ("unknown operator", small(b"Frobnicate", &["x"], &["y"], 1), "Frobnicate"),
    ];
    let mut bad = Vec::new();
    for (name, bytes, says) in cases {
        let error = refused(&bytes).to_string();
        if !error.starts_with("cannot load the network: ") || !error.contains(says) {
            bad.push(format!("{name}: {error}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// What a file asks for is not what there is memory for.
#[test]
fn a_scale_of_millions_is_refused() {
    let scales = |factor: f32| [1.0, 1.0, factor, factor].map(f32::to_le_bytes).concat();
    let (two, good) = (scales(2.0), onnx());
    let at = good.windows(two.len()).position(|part| part == two).expect("a Resize");
    for factor in [17.0, 2e9, 0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut bytes = good.clone();
        bytes[at..][..two.len()].copy_from_slice(&scales(factor));
        for runtime in RUNTIMES {
            let error = load(&bytes, &LoadOptions::default().runtime(runtime)).err();
            assert!(error.is_some(), "{factor} {runtime:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever a damaged file says, loading and running it ends in a result, not in a panic.
    #[test]
    fn damaged_networks_never_end_the_program(
        scratches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in 0.2f64..1.0,
        cut in any::<bool>(),
    ) {
        let mut bytes = onnx();
        for (at, value) in scratches {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate((bytes.len() as f64 * keep) as usize);
        }
        for runtime in RUNTIMES {
            if let Ok(network) = load(&bytes, &LoadOptions::default().runtime(runtime)) {
                let _ = network.run(&input(1, 8, 8));
            }
        }
    }
}
