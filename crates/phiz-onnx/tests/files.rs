//! What is written is read back; damage is an error and never a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_onnx::write::{self, Axis, GraphWriter};
use phiz_onnx::{check, element, initialisers, read};
use proptest::prelude::*;

fn file() -> Vec<u8> {
    let mut graph = GraphWriter::new("small");
    graph.node(
        "Conv",
        &["image", "w", "b"],
        "conv",
        &[write::ints("kernel_shape", &[3, 3]), write::ints("strides", &[2, 2]), write::int("group", 1)],
    );
    graph.node("LeakyRelu", &["conv"], "act", &[write::float("alpha", 0.25)]);
    graph.node("Resize", &["act", "", "scales"], "big", &[write::text("mode", "nearest")]);
    graph.node("Reshape", &["big", "shape"], "out", &[]);
    graph.floats("w", &[2, 3, 3, 3], &(0..54).map(|i| i as f32).collect::<Vec<_>>());
    graph.initialiser("b", &[2], element::F16, &[0, 0x3c, 0, 0xc0]);
    graph.initialiser("q", &[3], element::I8, &[1, 0xff, 0x80]);
    graph.floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    graph.integers("shape", &[2], &[-1, 6]);
    graph.input("image", &[Axis::Named("n"), Axis::Fixed(3), Axis::Named("h"), Axis::Named("w")]);
    graph.output("out", &[Axis::Named("n"), Axis::Fixed(6)]);
    graph.finish("test")
}

#[test]
fn what_is_written_is_read() {
    let graph = read(&file()).unwrap();
    let kinds: Vec<&str> = graph.operations.iter().map(|o| o.kind.as_str()).collect();
    assert_eq!(kinds, ["Conv", "LeakyRelu", "Resize", "Reshape"]);
    let conv = &graph.operations[0];
    assert_eq!(
        (&conv.ints["kernel_shape"][..], conv.int("strides", 1), conv.output()),
        (&[3, 3][..], 2, "conv")
    );
    assert_eq!(graph.operations[1].float("alpha", 0.01), 0.25);
    assert_eq!(graph.operations[2].text("mode", "linear"), "nearest");
    assert_eq!(graph.operations[2].inputs, ["act", "", "scales"]);
    assert_eq!(graph.constants["w"].0, [2, 3, 3, 3]);
    assert_eq!(graph.constants["b"], (vec![2], vec![1.0, -2.0]));
    assert_eq!(graph.constants["q"], (vec![3], vec![1.0, -1.0, -128.0]));
    assert_eq!(graph.integers["shape"], (vec![2], vec![-1, 6]));
    assert_eq!(graph.inputs[0].name, "image");
    assert_eq!(graph.inputs[0].shape, Some(vec![None, Some(3), None, None]));
    assert_eq!((graph.outputs[0].name.as_str(), graph.outputs[0].element), ("out", element::F32));
    check(&file()).unwrap();
    assert_eq!(initialisers(&file()).unwrap(), graph.constants);
}

#[test]
fn cut_off_files_are_errors() {
    let (bytes, whole) = (file(), read(&file()).unwrap());
    for end in 0..bytes.len() {
        // Behind the graph stand fields that say nothing of the network: without them the file is still whole.
        if let Ok(read) = read(&bytes[..end]) {
            assert_eq!(read, whole, "cut off at {end}");
        }
    }
}

#[test]
fn shapes_beyond_the_file_are_errors() {
    for shape in [vec![usize::MAX, 2], vec![1 << 40], vec![5]] {
        let mut graph = GraphWriter::new("wrong");
        graph.initialiser("w", &shape, element::F32, &[0; 16]);
        assert!(initialisers(&graph.finish("test")).is_err(), "{shape:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever bytes say, reading them ends in a result.
    #[test]
    fn damage_is_an_error_and_never_a_panic(
        scratches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = file();
        for (at, value) in scratches {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = (read(&bytes), check(&bytes), initialisers(&bytes));
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = (read(&bytes), check(&bytes), initialisers(&bytes));
    }

    #[test]
    fn noise_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (read(&bytes), check(&bytes), initialisers(&bytes));
    }
}
