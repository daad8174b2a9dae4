//! The exported file is a valid ONNX network that computes what the description says.
//!
//! `golden/make.py` puts our exporter's files through the ONNX checker and ONNX Runtime; here the exporter must still
//! write those files, and the definition in `phiz_net::reference` must agree with ONNX Runtime's numbers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::{Path, PathBuf};

use common::{every_operation, picture, unfolded, weights};
use phiz_net::form::Form;
use phiz_net::graph::{Act, Builder, Op};
use phiz_net::onnx::{ExportError, export, export_as, fold, read_weights};
use phiz_net::reference::{Map, forward};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The exporter's file in each form, under the name of its golden twin.
fn forms() -> impl Iterator<Item = (Form, String, Vec<u8>)> {
    let net = every_operation();
    Form::NAMES.into_iter().map(move |name| {
        let form = name.parse().unwrap();
        (form, format!("every-operation-{name}"), export_as(&net, &weights(&net), form).unwrap())
    })
}

#[test]
fn the_exporter_writes_the_files_that_were_checked() {
    let new = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut other = Vec::new();
    for (_, name, bytes) in forms() {
        let file = format!("{name}.onnx");
        if std::fs::read(golden(&file)).ok().as_deref() != Some(&bytes[..]) {
            std::fs::write(new.join(&file), &bytes).unwrap();
            other.push(file);
        }
    }
    assert!(
        other.is_empty(),
        "the exporter writes other files: put {other:?} of {} into tests/golden and run make.py there",
        new.display()
    );
}

#[test]
fn the_definition_computes_what_onnx_runtime_computes() {
    let net = every_operation();
    let mut bad = Vec::new();
    for (form, name, bytes) in forms() {
        let weights = unfolded(&net, &read_weights(&net, &bytes).unwrap());
        let mut reader = csv::Reader::from_path(golden(&format!("{name}.csv"))).unwrap();
        let mut seen = 0;
        for row in reader.records() {
            let row = row.unwrap();
            let number = |i: usize| row[i].parse::<usize>().unwrap();
            let outputs = forward(&net, &weights, &picture(number(2), number(0), number(1))).unwrap();
            let position = net.outputs.iter().position(|output| output.name == row[3]).unwrap();
            let shape: Vec<usize> = row[4].split('x').map(|n| n.parse().unwrap()).collect();
            let data: Vec<f32> = row[5].split(' ').map(|v| v.parse().unwrap()).collect();
            let Map { shape: own, data: values } = &outputs[position];
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-5 * (1.0 + b.abs());
            if *own != shape || !values.iter().zip(&data).all(close) || values.len() != data.len() {
                bad.push(format!(
                    "{form:?} {} of batch {}: {own:?}, ONNX Runtime {shape:?}",
                    &row[3], &row[2]
                ));
            }
            seen += 1;
        }
        assert_eq!(seen, 10, "{name}");
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn folding_leaves_only_weights_and_biases_of_finite_numbers() {
    let net = every_operation();
    let folded = fold(&net, &weights(&net)).unwrap();
    let expected = net.parameters(false).unwrap();
    assert_eq!(folded.len(), expected.len());
    for parameter in expected {
        assert_eq!(folded[&parameter.name].0, parameter.shape, "{}", parameter.name);
    }
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let net = every_operation();
    let good = weights(&net);
    let mut missing = good.clone();
    missing.remove("stem.mean");
    let mut other = good.clone();
    other.insert("wide.bias".into(), (vec![5], vec![0.0; 5]));
    let mut short = good.clone();
    short.insert("wide.bias".into(), (vec![4], vec![0.0; 3]));
    let mut broken = good.clone();
    broken.get_mut("template.weight").unwrap().1[3] = f32::NAN;
    for (name, weights, says) in [
        ("missing", missing, "stem.mean"),
        ("another shape", other, "wide.bias"),
        ("another length", short, "wide.bias"),
        ("not a number", broken, "template.weight"),
    ] {
        let error = export(&net, &weights).unwrap_err();
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert_eq!(matches!(error, ExportError::NotFinite { .. }), name == "not a number", "{error}");
        assert!(forward(&net, &weights, &picture(1, 8, 8)).is_err(), "{name}");
    }
}

#[test]
fn descriptions_that_are_no_networks_say_where() {
    let conv =
        |kernel, stride, groups| Op::Conv { out: 6, kernel, stride, groups, norm: true, act: Act::None };
    let cases: [(&str, Op, Vec<usize>, &str); 8] = [
        ("even kernel", conv(2, 1, 1), vec![0], "kernel 2"),
        ("no stride", conv(3, 0, 1), vec![0], "stride 0"),
        ("no groups", conv(3, 1, 0), vec![0], "0 groups"),
        ("groups that do not divide", conv(3, 1, 2), vec![0], "2 groups do not divide 3"),
        ("reads itself", conv(3, 1, 1), vec![1], "does not stand before"),
        ("reads nothing", conv(3, 1, 1), vec![], "reads 0 nodes"),
        ("sums one", Op::Add { act: Act::None }, vec![0], "needs 2"),
        ("reads beyond", Op::Sigmoid, vec![9], "node 9"),
    ];
    for (name, op, inputs, says) in cases {
        let mut b = Builder::new("wrong", 3);
        let x = b.node("it", op, &inputs);
        let error = b.finish(&[("out", x)]).channels().unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("\"it\""), "{name}: {error}");
    }
    let mut b = Builder::new("wrong", 3);
    let narrow = b.conv("narrow", b.input(), 4, 1, 1, 1, Act::None);
    let sum = b.node("it", Op::Add { act: Act::None }, &[0, narrow]);
    assert!(b.finish(&[("out", sum)]).channels().unwrap_err().reason.contains("sums 3 and 4"));
    let nowhere = Builder::new("wrong", 3).finish(&[("out", 7)]);
    assert_eq!(nowhere.channels().unwrap_err().node, "out");
}
