//! Every network of the family, in our own engine as in rten.
//!
//! A short version of `cargo run --release -p phiz-engine --example exactness`, which takes a thousand inputs each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_engine::{Input, LoadOptions, Network, Precision, Runtime, Tensor, Workspace, load};
use phiz_net::bundled;
use phiz_net::graph::Architecture;
use phiz_net::onnx::{Weights, export};
use phiz_net::zoo;

/// Numbers from −1 to 1 that no two tests share.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn picture(&mut self, batch: usize, height: usize, width: usize) -> Tensor {
        let data = (0..batch * 3 * height * width).map(|_| self.next()).collect();
        Tensor::new(vec![batch, 3, height, width], data).unwrap()
    }
}

/// Weights under which activations neither vanish nor explode.
fn made_up(net: &Architecture, noise: &mut Noise) -> Weights {
    let parameters = net.parameters(true).unwrap().into_iter().map(|p| {
        let count: usize = p.shape.iter().product();
        let size = (2.0 / p.shape[1..].iter().product::<usize>().max(1) as f32).sqrt();
        let data = (0..count).map(|_| match p.name.rsplit('.').next() {
            Some("weight") => size * noise.next() * 1.2,
            Some("scale" | "var") => 1.0 + 0.25 * noise.next(),
            _ => 0.1 * noise.next(),
        });
        let data = data.collect();
        (p.name, (p.shape, data))
    });
    parameters.collect()
}

fn unit(values: &[f32]) -> Vec<f32> {
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    values.iter().map(|v| v / length).collect()
}

/// The largest difference of all outputs: of templates, brought to unit length, or of maps, relative above 1.
fn difference(a: &[Tensor], b: &[Tensor]) -> f32 {
    let mut most = 0f32;
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.shape, b.shape);
        if let [batch, dim] = a.shape[..]
            && dim >= 64
        {
            for (a, b) in a.data.chunks(dim).zip(b.data.chunks(dim)).take(batch) {
                let pairs = unit(a).into_iter().zip(unit(b));
                most = pairs.fold(most, |most, (a, b)| most.max((a - b).abs()));
            }
        } else {
            let pairs = a.data.iter().zip(&b.data);
            most = pairs.fold(most, |most, (a, b)| most.max((a - b).abs() / b.abs().max(1.0)));
        }
    }
    most
}

/// Templates of either precision may be compared: they are the same but for a hair.
#[test]
fn templates_in_bf16_are_those_in_single_precision() {
    let mut noise = Noise(11);
    for (name, onnx) in [("embed", bundled::EMBEDDER.1), ("embed-small", bundled::SMALL_EMBEDDER.1)] {
        let options = LoadOptions::default().runtime(Runtime::Native);
        // A processor without bf16 has nothing to compare.
        let Ok(short) = load(onnx, &options.clone().precision(Precision::Bf16)) else { return };
        let exact = load(onnx, &options).unwrap();
        let input = noise.picture(6, 112, 112);
        let (a, b) = (exact.run(&input).unwrap(), short.run(&input).unwrap());
        let dim = a[0].shape[1];
        for (a, b) in a[0].data.chunks(dim).zip(b[0].data.chunks(dim)) {
            let cosine: f32 = unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.999, "{name}: {cosine}");
        }
    }
}

fn both(onnx: &[u8]) -> [Box<dyn Network>; 2] {
    [Runtime::Native, Runtime::Rten].map(|r| load(onnx, &LoadOptions::default().runtime(r)).unwrap())
}

fn check(name: &str, onnx: &[u8], sizes: &[(usize, usize, usize)], bad: &mut Vec<String>) {
    let [native, rten] = both(onnx);
    let automatic = load(onnx, &LoadOptions::default()).unwrap();
    assert_eq!(automatic.runtime(), Runtime::Native, "{name}");
    let (mut noise, mut workspace) = (Noise(7), Workspace::default());
    for &(batch, height, width) in sizes {
        let input = noise.picture(batch, height, width);
        let want = rten.run(&input).unwrap();
        let got = native.run_into(Input::Tensor(&input), &mut workspace).unwrap();
        let off = difference(got, &want);
        if off.is_nan() || off > 1e-4 {
            bad.push(format!("{name}, {batch} of {height}×{width}: {off:e}"));
        }
        assert!(want.iter().any(|t| t.data.iter().any(|v| *v != 0.0)), "{name}: nothing to compare");
    }
}

#[test]
fn bundled_networks_answer_as_in_rten() {
    let mut bad = Vec::new();
    for (name, onnx) in [("embed", bundled::EMBEDDER.1), ("embed-small", bundled::SMALL_EMBEDDER.1)] {
        check(name, onnx, &[(1, 112, 112), (5, 112, 112)], &mut bad);
    }
    for (name, onnx) in [("second", bundled::SECOND), ("second-small", bundled::SMALL_SECOND)] {
        check(name, onnx, &[(1, 112, 112), (6, 112, 112)], &mut bad);
    }
    for (name, onnx) in [("detect", bundled::DETECTOR.1), ("detect-small", bundled::SMALL_DETECTOR.1)] {
        check(name, onnx, &[(1, 320, 320), (1, 160, 96), (2, 32, 224), (1, 480, 640)], &mut bad);
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn networks_of_the_family_answer_as_in_rten() {
    let mut bad = Vec::new();
    for name in zoo::NAMES {
        // The large ones have no layer that the small ones lack.
        if matches!(name, "iresnet-34" | "iresnet-50" | "iresnet-100" | "slim-large") {
            continue;
        }
        let net = zoo::by_name(name).unwrap();
        let onnx = export(&net, &made_up(&net, &mut Noise(3))).unwrap();
        let side = if name.contains("detect") { 96 } else { 112 };
        check(name, &onnx, &[(1, side, side)], &mut bad);
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
