//! A network with every operation, and numbers for it that are the same on every machine and in every language.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use phiz_net::graph::{Act, Architecture, Builder, Op};
use phiz_net::onnx::{NORM_EPSILON, Weights};
use phiz_net::reference::Map;

/// Reads pictures of 3 channels whose sides are multiples of 4.
pub fn every_operation() -> Architecture {
    let plain = |out, kernel| Op::Conv { out, kernel, stride: 1, groups: 1, norm: false, act: Act::None };
    let mut b = Builder::new("every-operation", 3);
    let x = b.conv("stem", b.input(), 8, 3, 2, 1, Act::Relu);
    let y = b.conv("down", x, 8, 3, 2, 1, Act::None);
    let y = b.conv("depthwise", y, 8, 3, 1, 8, Act::Relu);
    let y = b.conv("grouped", y, 8, 1, 1, 2, Act::None);
    let y = b.residual("block", y, 8);
    let up = b.node("up", Op::Upsample2, &[y]);
    let sum = b.node("sum", Op::Add { act: Act::None }, &[x, up]);
    let wide = b.node("wide", plain(4, 5), &[sum]);
    let score = b.node("score", plain(1, 1), &[wide]);
    let score = b.node("sigmoid", Op::Sigmoid, &[score]);
    let sides = b.node("sides", plain(2, 1), &[wide]);
    let sides = b.node("exp", Op::Exp, &[sides]);
    let pool = b.node("pool", Op::GlobalPool, &[y]);
    let template = b.node("template", Op::Linear { out: 6 }, &[pool]);
    b.finish(&[("score", score), ("box", sides), ("map", sum), ("template", template), ("pooled", pool)])
}

/// Sixteenths from −1 to 1 in an order that repeats late.
fn value(i: usize) -> f32 {
    ((i * 37 + i * i * 11) % 33) as f32 / 16.0 - 1.0
}

/// Small weights; means are not 0 and variances not 1, so that a normalisation that is folded wrongly shows.
pub fn weights(net: &Architecture) -> Weights {
    let mut start = 0;
    let parameters = net.parameters(true).unwrap().into_iter().map(|p| {
        start += 1;
        let count: usize = p.shape.iter().product();
        let kind = p.name.rsplit('.').next();
        let data = (0..count).map(|i| match kind {
            Some("var") => 1.25 + value(start + i),
            Some("scale") => 1.0 + 0.5 * value(start + i),
            Some("weight") => 0.25 * value(start + i),
            _ => 0.5 * value(start + i),
        });
        let data = data.collect();
        (p.name, (p.shape, data))
    });
    parameters.collect()
}

/// Folded weights in the form in which they are trained, with normalisation that changes nothing.
pub fn unfolded(net: &Architecture, folded: &Weights) -> Weights {
    let parameters = net.parameters(true).unwrap().into_iter().map(|p| {
        let all = |value: f32| vec![value; p.shape[0]];
        let data = match p.name.rsplit_once('.').unwrap() {
            (_, "scale") => all(1.0),
            (_, "mean") => all(0.0),
            (_, "var") => all(1.0 - NORM_EPSILON),
            (node, "shift") => folded[&format!("{node}.bias")].1.clone(),
            _ => folded[&p.name].1.clone(),
        };
        (p.name, (p.shape, data))
    });
    parameters.collect()
}

/// The picture that the golden outputs belong to: element `i` is `(37·i mod 101) / 50 − 1`.
pub fn picture(batch: usize, height: usize, width: usize) -> Map {
    let shape = vec![batch, 3, height, width];
    let count = shape.iter().product();
    Map { shape, data: (0..count).map(|i: usize| (37 * i % 101) as f32 / 50.0 - 1.0).collect() }
}
