//! The networks that we train, on each back end that is built in: the same outputs, the same gradients.
#![cfg(any(feature = "libtorch", feature = "vulkan"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use phiz_net::zoo;
use phiz_train::backend::Backend;
use phiz_train::flex::Flex;
use phiz_train::model::{Model, learns};
use phiz_train::optim;
use phiz_train::random::Random;
#[cfg(feature = "libtorch")]
use phiz_train::torch::Torch;
#[cfg(feature = "vulkan")]
use phiz_train::vulkan::Vulkan;

/// Outputs, gradients and running statistics of a training pass with weights of one seed.
fn pass<B: Backend>(b: &B, name: &str, size: usize) -> BTreeMap<String, Vec<f32>> {
    let net = zoo::by_name(name).unwrap();
    let mut random = Random::new(5);
    let model = Model::new(b, &net, &mut random).unwrap();
    let bytes: Vec<u8> = (0..4 * size * size * 3).map(|_| random.bits() as u8).collect();
    let image = b.pictures(&bytes, 4, size, size, [127.5; 3], [127.5; 3]);
    let mut all = BTreeMap::new();
    let mut total = b.constant(&[0.0], &[1]);
    for (output, node) in net.outputs.iter().zip(model.forward(b, &image, true)) {
        let values = b.values(&node);
        let weights: Vec<f32> = values.iter().map(|_| random.normal()).collect();
        total = b.add(&total, &b.sum(&b.mul(&node, &b.constant(&weights, &b.shape(&node)))));
        all.insert(format!("output {}", output.name), values);
    }
    for (parameter, gradient) in optim::gradients(b, &total, &model.tensors) {
        all.insert(format!("gradient {parameter}"), b.values(&gradient));
    }
    for (parameter, (_, values)) in model.weights(b) {
        all.insert(parameter, values);
    }
    all
}

#[cfg(feature = "libtorch")]
#[test]
fn libtorch_trains_the_same_networks() {
    trains_the_same(&Torch::cpu(2, false));
}

#[cfg(feature = "libtorch")]
#[test]
fn libtorch_trains_a_part_of_a_network() {
    let b = Torch::cpu(1, false);
    let net = zoo::by_name("phiz-second-small").unwrap();
    let weights = Model::new(&b, &net, &mut Random::new(5)).unwrap().weights(&b);
    let chosen = |name: &str| name.starts_with("points.") && learns(name);
    let model = Model::with_learning(&b, &net, &weights, &chosen);
    let image = b.pictures(&[100; 112 * 112 * 3], 1, 112, 112, [127.5; 3], [127.5; 3]);
    let sums = model.forward(&b, &image, false).into_iter().map(|output| b.sum(&output));
    let loss = sums.reduce(|sum, more| b.add(&sum, &more)).unwrap();
    let gradients = optim::gradients(&b, &loss, &model.tensors);
    let names: Vec<&String> = gradients.keys().collect();
    assert!(names.len() > 3 && names.iter().all(|name| name.starts_with("points.")), "{names:?}");
}

#[cfg(feature = "vulkan")]
#[test]
fn vulkan_trains_the_same_networks() {
    if Vulkan::is_offered() {
        trains_the_same(&Vulkan::new().unwrap());
    } else {
        eprintln!("skipped: no driver offers a device");
    }
}

/// On `other` as in pure Rust.
fn trains_the_same<B: Backend>(other: &B) {
    let flex = Flex::new(2).unwrap();
    let mut bad = Vec::new();
    for (name, size) in
        [("phiz-embed-second", 64), ("phiz-embed", 112), ("mobilefacenet-half", 64), ("phiz-detect", 64)]
    {
        let (a, b) = (pass(&flex, name, size), pass(other, name, size));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{name}");
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let gradients = b.iter().filter(|(what, _)| what.starts_with("gradient"));
        let largest = gradients.map(|(_, y)| norm(&mut y.iter().copied())).fold(0.0, f64::max);
        for (what, x) in &a {
            let y = &b[what];
            let off = norm(&mut x.iter().zip(y).map(|(x, y)| x - y));
            // A unit that rounding turns from just below zero to just above passes its whole gradient on: one of the 16,384 of
            // the last maps at 64 px is one in a hundred. And what the next normalisation takes away has a gradient of zero, of
            // which rounding makes anything small. Whether layers of ours are exact is tested in phiz-layers.
            let (tolerance, least) =
                if what.starts_with("gradient") { (5e-2, 2e-3 * largest) } else { (2e-3, 1e-3) };
            let relative = off / norm(&mut y.iter().copied()).max(least);
            if relative.is_nan() || relative > tolerance {
                bad.push(format!("{name}: {what} differs by {relative:.1e}"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
