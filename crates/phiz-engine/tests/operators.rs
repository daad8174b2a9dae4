//! Every operator that our own engine knows, alone between two convolutions, as in rten; every form that it does not
//! know is refused by name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_engine::{EngineError, LoadOptions, Runtime, Tensor, load};
use phiz_onnx::write::{Attribute, Axis, GraphWriter, float, int, ints, text};

/// Channels between the convolutions: not a whole number of blocks.
const CHANNELS: usize = 20;

fn noise(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| (((i + seed) * 7919 + i * i * 31) % 1021) as f32 / 510.5 - 1.0).collect()
}

struct Case {
    name: &'static str,
    /// Adds what is tested: from `x` to `y`.
    add: fn(&mut GraphWriter),
    /// Whether `y` is `[batch, features]` and so the last.
    flat: bool,
}

fn case(name: &'static str, add: fn(&mut GraphWriter)) -> Case {
    Case { name, add, flat: false }
}

fn flat(name: &'static str, add: fn(&mut GraphWriter)) -> Case {
    Case { name, add, flat: true }
}

fn conv(graph: &mut GraphWriter, [x, y]: [&str; 2], shape: [usize; 4], more: &[Attribute]) {
    let (w, b) = (format!("{y}.w"), format!("{y}.b"));
    let count: usize = shape.iter().product();
    let size = 1.0 / ((count / shape[0]) as f32).sqrt();
    let weights: Vec<f32> = noise(count, y.len()).iter().map(|v| 1.5 * size * v).collect();
    graph.floats(&w, &shape, &weights);
    graph.floats(&b, &shape[..1], &noise(shape[0], 5));
    graph.node("Conv", &[x, &w, &b], y, more);
}

fn around(kernel: i64, stride: i64) -> Vec<Attribute> {
    vec![
        ints("kernel_shape", &[kernel, kernel]),
        ints("strides", &[stride, stride]),
        ints("pads", &[kernel / 2; 4]),
    ]
}

fn file(case: &Case) -> Vec<u8> {
    let mut graph = GraphWriter::new(case.name);
    conv(&mut graph, ["image", "x"], [CHANNELS, 3, 3, 3], &around(3, 1));
    (case.add)(&mut graph);
    let out = if case.flat {
        "y"
    } else {
        conv(&mut graph, ["y", "out"], [6, CHANNELS, 1, 1], &around(1, 1));
        "out"
    };
    graph.input("image", &[Axis::Named("n"), Axis::Fixed(3), Axis::Named("h"), Axis::Named("w")]);
    let axes = [Axis::Named("n"), Axis::Named("c"), Axis::Named("oh"), Axis::Named("ow")];
    graph.output(out, if case.flat { &axes[..2] } else { &axes });
    graph.finish("test")
}

#[rustfmt::skip]
fn known() -> Vec<Case> {
    vec![
        case("Relu", |g| g.node("Relu", &["x"], "y", &[])),
        case("Clip", |g| {
            g.floats("low", &[], &[-0.25]);
            g.floats("high", &[], &[0.5]);
            g.node("Clip", &["x", "low", "high"], "y", &[]);
        }),
        case("PRelu", |g| {
            g.floats("slope", &[CHANNELS, 1, 1], &noise(CHANNELS, 3));
            g.node("PRelu", &["x", "slope"], "y", &[]);
        }),
        case("LeakyRelu", |g| g.node("LeakyRelu", &["x"], "y", &[float("alpha", 0.2)])),
        case("Sigmoid", |g| g.node("Sigmoid", &["x"], "y", &[])),
        case("Exp", |g| g.node("Exp", &["x"], "y", &[])),
        case("HardSigmoid", |g| g.node("HardSigmoid", &["x"], "y", &[float("alpha", 0.3), float("beta", 0.4)])),
        case("HardSwish", |g| g.node("HardSwish", &["x"], "y", &[])),
        case("x times sigmoid", |g| {
            g.node("Sigmoid", &["x"], "gate", &[]);
            g.node("Mul", &["gate", "x"], "y", &[]);
        }),
        case("Identity, then two readers", |g| {
            g.node("Identity", &["x"], "same", &[]);
            g.node("Relu", &["same"], "positive", &[]);
            g.node("Add", &["positive", "x"], "y", &[]);
        }),
        case("BatchNormalization into a convolution", |g| {
            batch_norm(g, "x", "y");
        }),
        case("BatchNormalization by itself", |g| {
            g.node("Relu", &["x"], "positive", &[]);
            batch_norm(g, "positive", "y");
        }),
        case("Add to oneself", |g| g.node("Add", &["x", "x"], "y", &[])),
        case("a residual block, clamped", |g| {
            conv(g, ["x", "a"], [CHANNELS, CHANNELS, 3, 3], &around(3, 1));
            g.node("Relu", &["a"], "b", &[]);
            conv(g, ["b", "c"], [CHANNELS, CHANNELS, 3, 3], &around(3, 1));
            g.node("Add", &["c", "x"], "d", &[]);
            g.node("Relu", &["d"], "y", &[]);
        }),
        case("a sum of two convolutions of one input", |g| {
            conv(g, ["x", "left"], [CHANNELS, CHANNELS, 3, 3], &around(3, 1));
            conv(g, ["x", "right.side"], [CHANNELS, CHANNELS, 1, 1], &around(1, 1));
            g.node("Add", &["right.side", "left"], "y", &[]);
        }),
        case("strides, and a shortcut of 1×1", |g| {
            conv(g, ["x", "a"], [CHANNELS, CHANNELS, 3, 3], &around(3, 2));
            conv(g, ["x", "short"], [CHANNELS, CHANNELS, 1, 1], &around(1, 2));
            g.node("Add", &["a", "short"], "y", &[]);
        }),
        case("5×5", |g| conv(g, ["x", "y"], [CHANNELS, CHANNELS, 5, 5], &around(5, 2))),
        case("depthwise 5×5", |g| {
            let mut more = around(5, 1);
            more.push(int("group", CHANNELS as i64));
            conv(g, ["x", "a"], [CHANNELS, 1, 5, 5], &more);
            g.node("Relu", &["a"], "y", &[]);
        }),
        case("in groups", |g| {
            let mut more = around(3, 1);
            more.push(int("group", 4));
            conv(g, ["x", "y"], [CHANNELS, CHANNELS / 4, 3, 3], &more);
        }),
        case("Resize", |g| {
            g.floats("scales", &[4], &[1.0, 1.0, 3.0, 3.0]);
            let modes = [text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric"),
                         text("nearest_mode", "floor")];
            g.node("Resize", &["x", "", "scales"], "y", &modes);
        }),
        case("Resize as it is unless said", |g| {
            g.floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
            g.node("Resize", &["x", "", "scales"], "y", &[]);
        }),
        case("ConvTranspose 2×2", |g| transposed(g, [CHANNELS, CHANNELS], 2, 2, 0, &[])),
        case("ConvTranspose 4×4", |g| transposed(g, [CHANNELS, CHANNELS], 4, 2, 1, &[])),
        case("ConvTranspose 5×5 that does not stride", |g| transposed(g, [CHANNELS, CHANNELS], 5, 1, 2, &[])),
        case("ConvTranspose 7×7 by three", |g| transposed(g, [CHANNELS, CHANNELS], 7, 3, 2, &[])),
        case("ConvTranspose 3×3, longer on one side", |g| {
            transposed(g, [CHANNELS, CHANNELS], 3, 2, 1, &[ints("output_padding", &[1, 1])]);
        }),
        case("ConvTranspose in groups", |g| transposed(g, [CHANNELS, CHANNELS / 4], 4, 2, 1, &[int("group", 4)])),
        case("ConvTranspose depthwise, then an activation", |g| {
            g.node("Relu", &["x"], "positive", &[]);
            g.floats("kernel", &[CHANNELS, 1, 4, 4], &noise(16 * CHANNELS, 6));
            let form = [ints("strides", &[2, 2]), ints("pads", &[1; 4]), ints("dilations", &[1, 1])];
            let more = [&form[..], &[int("group", CHANNELS as i64)]].concat();
            g.node("ConvTranspose", &["positive", "kernel"], "large", &more);
            g.node("Relu", &["large"], "y", &[]);
        }),
        case("MaxPool", |g| {
            g.node("MaxPool", &["x"], "y", &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1; 4])]);
        }),
        flat("GlobalAveragePool", |g| {
            g.node("GlobalAveragePool", &["x"], "mean", &[]);
            g.node("Flatten", &["mean"], "y", &[]);
        }),
        flat("Gemm on the mean", |g| {
            g.node("GlobalAveragePool", &["x"], "mean", &[]);
            g.node("Flatten", &["mean"], "row", &[]);
            g.floats("m", &[CHANNELS, 9], &noise(9 * CHANNELS, 4));
            g.node("Gemm", &["row", "m"], "y", &[]);
        }),
        flat("channels last", |g| g.node("Transpose", &["x"], "y", &[ints("perm", &[0, 2, 3, 1])])),
        flat("a list of pixels", |g| {
            g.node("Transpose", &["x"], "t", &[ints("perm", &[0, 2, 3, 1])]);
            g.integers("shape", &[3], &[0, -1, CHANNELS as i64]);
            g.node("Reshape", &["t", "shape"], "z", &[]);
            g.node("Sigmoid", &["z"], "y", &[]);
        }),
        flat("Gemm on a map of 8×8", |g| {
            g.integers("shape", &[2], &[-1, 64 * CHANNELS as i64]);
            g.node("Reshape", &["x", "shape"], "row", &[]);
            g.floats("m", &[9, 64 * CHANNELS], &noise(9 * 64 * CHANNELS, 4));
            g.floats("n", &[9], &noise(9, 8));
            g.node("Gemm", &["row", "m", "n"], "z", &[int("transB", 1)]);
            g.node("Sigmoid", &["z"], "y", &[]);
        }),
    ]
}

/// A transposed convolution, whose weights are `[inputs, outputs of a group, kernel, kernel]`.
fn transposed(
    graph: &mut GraphWriter,
    [inputs, outputs]: [usize; 2],
    kernel: usize,
    stride: i64,
    pad: i64,
    more: &[Attribute],
) {
    graph.floats("kernel", &[inputs, outputs, kernel, kernel], &noise(inputs * outputs * kernel * kernel, 6));
    graph.floats("bias", &[CHANNELS], &noise(CHANNELS, 2));
    // rten wants to be told that nothing is dilated.
    let form = [ints("strides", &[stride, stride]), ints("pads", &[pad; 4]), ints("dilations", &[1, 1])];
    graph.node("ConvTranspose", &["x", "kernel", "bias"], "y", &[&form[..], more].concat());
}

fn batch_norm(graph: &mut GraphWriter, x: &str, y: &str) {
    for (name, seed) in [("scale", 1), ("shift", 2), ("mean", 3)] {
        graph.floats(name, &[CHANNELS], &noise(CHANNELS, seed));
    }
    graph.floats("var", &[CHANNELS], &noise(CHANNELS, 4).iter().map(|v| 1.5 + v).collect::<Vec<_>>());
    graph.node("BatchNormalization", &[x, "scale", "shift", "mean", "var"], y, &[float("epsilon", 1e-3)]);
}

#[test]
fn each_operator_computes_what_it_does_in_rten() {
    let mut bad = Vec::new();
    for case in known() {
        let onnx = file(&case);
        let [native, rten] = [Runtime::Native, Runtime::Rten]
            .map(|runtime| load(&onnx, &LoadOptions::default().runtime(runtime)));
        let native = match native {
            Ok(native) => native,
            Err(error) => {
                bad.push(format!("{}: {error}", case.name));
                continue;
            }
        };
        let rten = rten.unwrap();
        // A map of 8×8 first; then, where the size is free, others.
        for (batch, height, width) in [(1, 8, 8), (3, 8, 8), (2, 6, 10), (1, 7, 9)] {
            let input =
                Tensor::new(vec![batch, 3, height, width], noise(batch * 3 * height * width, 1)).unwrap();
            let (got, want) = (native.run(&input), rten.run(&input));
            let (got, want) = match (got, want) {
                (Ok(got), Ok(want)) => (got, want),
                (Err(_), Err(_)) => continue,
                (got, want) => {
                    let (got, want) = (got.err(), want.err());
                    bad.push(format!("{} of {batch}×{height}×{width}: {got:?}, rten {want:?}", case.name));
                    continue;
                }
            };
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-5 * (1.0 + b.abs());
            if got[0].shape != want[0].shape || !got[0].data.iter().zip(&want[0].data).all(close) {
                let most = got[0].data.iter().zip(&want[0].data).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                bad.push(format!(
                    "{} of {batch}×{height}×{width}: {:?}, rten {:?}, off by {most}",
                    case.name, got[0].shape, want[0].shape
                ));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
#[rustfmt::skip]
fn forms_that_are_not_known_are_refused_by_name() {
    let cases = [
        ("Conv", case("wider on one side", |g| {
            conv(g, ["x", "y"], [CHANNELS, CHANNELS, 3, 3], &[ints("pads", &[0, 0, 1, 1]), ints("strides", &[2, 2])]);
        })),
        ("Conv", case("dilated", |g| {
            conv(g, ["x", "y"], [CHANNELS, CHANNELS, 3, 3], &[ints("pads", &[2; 4]), ints("dilations", &[2, 2])]);
        })),
        ("Conv", case("stride 3", |g| conv(g, ["x", "y"], [CHANNELS, CHANNELS, 3, 3], &around(3, 3)))),
        ("Conv", case("padded by a word", |g| {
            conv(g, ["x", "y"], [CHANNELS, CHANNELS, 3, 3], &[text("auto_pad", "SAME_UPPER")]);
        })),
        ("ConvTranspose", case("larger than by whole factors", |g| transposed(g, [CHANNELS, CHANNELS], 3, 2, 0, &[]))),
        ("MaxPool", case("rounded up", |g| {
            g.node("MaxPool", &["x"], "y", &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), int("ceil_mode", 1)]);
        })),
        ("Resize", case("smooth", |g| {
            g.floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
            g.node("Resize", &["x", "", "scales"], "y", &[text("mode", "linear")]);
        })),
        ("Mul", case("a product", |g| g.node("Mul", &["x", "x"], "y", &[]))),
        ("Softmax", case("an operator", |g| g.node("Softmax", &["x"], "y", &[]))),
        ("Transpose", flat("other axes", |g| g.node("Transpose", &["x"], "y", &[ints("perm", &[0, 1, 3, 2])]))),
        ("Add", flat("a sum of what was exchanged", |g| {
            g.node("Transpose", &["x"], "t", &[ints("perm", &[0, 2, 3, 1])]);
            g.node("Add", &["t", "t"], "y", &[]);
        })),
        ("Flatten", flat("another axis", |g| g.node("Flatten", &["x"], "y", &[int("axis", 2)]))),
    ];
    let mut bad = Vec::new();
    for (operator, case) in cases {
        let onnx = file(&case);
        match load(&onnx, &LoadOptions::default().runtime(Runtime::Native)) {
            Err(EngineError::Unsupported { reason, .. }) if reason.contains(&format!("operator {operator} ")) => {}
            Err(error) => bad.push(format!("{}: {error}", case.name)),
            Ok(_) => bad.push(format!("{} is taken", case.name)),
        }
        // Left to choose, the engine takes rten.
        match load(&onnx, &LoadOptions::default()) {
            Ok(network) if network.runtime() == Runtime::Rten => {}
            Ok(_) => bad.push(format!("{}: not in rten", case.name)),
            Err(error) => bad.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
