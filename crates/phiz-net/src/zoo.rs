//! The networks that Phiz ships and trains, by name.
//!
//! Dense 3×3 convolutions use a plain CPU several times better than depthwise ones, so both families are
//! slim dense networks with ReLU, which every runtime fuses.

use crate::graph::{Act, Architecture, Builder, Op};

/// All names that [`by_name`] knows.
pub const NAMES: [&str; 2] = ["phiz-detect", "phiz-embed"];

/// A network by its name.
#[must_use]
pub fn by_name(name: &str) -> Option<Architecture> {
    match name {
        "phiz-detect" => Some(detector()),
        "phiz-embed" => Some(embedder(512)),
        _ => None,
    }
}

/// Anchor-free face detector at strides 8, 16 and 32: per cell a score, four distances, five points.
///
/// Outputs, for each stride `s`: `score_s` `[n, 1, h/s, w/s]` after the sigmoid; `box_s` `[n, 4, …]`, the
/// distances left, top, right, bottom of the cell's centre in strides; `points_s` `[n, 10, …]`, x and y of
/// five landmarks from the cell's centre in strides.
#[must_use]
pub fn detector() -> Architecture {
    let mut b = Builder::new("phiz-detect", 3);
    let x = b.conv("stem", b.input(), 16, 3, 2, 1, Act::Relu);
    let x = b.conv("s4.down", x, 24, 3, 2, 1, Act::Relu);
    let x = b.conv("s4.conv", x, 24, 3, 1, 1, Act::Relu);
    let mut levels = Vec::new();
    let mut x = x;
    for stride in [8, 16, 32] {
        x = b.conv(&format!("s{stride}.down"), x, 32, 3, 2, 1, Act::Relu);
        let y = b.conv(&format!("s{stride}.conv"), x, 32, 3, 1, 1, Act::None);
        x = b.node(&format!("s{stride}.sum"), Op::Add { act: Act::Relu }, &[x, y]);
        levels.push((stride, x));
    }
    // What the coarse levels know of context flows down to the fine ones (Lin et al. 2017, FPN).
    for level in (0..2).rev() {
        let name = format!("s{}.from_above", levels[level].0);
        let up = b.node(&format!("{name}.up"), Op::Upsample2, &[levels[level + 1].1]);
        levels[level].1 = b.node(&name, Op::Add { act: Act::None }, &[levels[level].1, up]);
    }
    let mut outputs = Vec::new();
    for &(s, x) in &levels {
        let y = b.conv(&format!("head{s}.depthwise"), x, 32, 3, 1, 32, Act::None);
        let y = b.conv(&format!("head{s}.mix"), y, 32, 1, 1, 1, Act::Relu);
        let mut last = |name: &str, out: usize| {
            let op = Op::Conv { out, kernel: 1, stride: 1, groups: 1, norm: false, act: Act::None };
            b.node(&format!("head{s}.{name}"), op, &[y])
        };
        let (score, sides, points) = (last("score", 1), last("box", 4), last("points", 10));
        let score = b.node(&format!("head{s}.sigmoid"), Op::Sigmoid, &[score]);
        let sides = b.node(&format!("head{s}.exp"), Op::Exp, &[sides]);
        outputs.extend([
            (format!("score_{s}"), score),
            (format!("box_{s}"), sides),
            (format!("points_{s}"), points),
        ]);
    }
    let outputs: Vec<(&str, usize)> = outputs.iter().map(|(name, node)| (name.as_str(), *node)).collect();
    b.finish(&outputs)
}

/// Slim dense residual embedder: an aligned 112×112 face to `dim` numbers (not yet of unit length).
///
/// The mean over the last map makes it independent of the input's size, so that training may begin at 64×64.
#[must_use]
pub fn embedder(dim: usize) -> Architecture {
    let mut b = Builder::new("phiz-embed", 3);
    let mut x = b.conv("stem", b.input(), 32, 3, 2, 1, Act::Relu);
    for (stage, (channels, blocks)) in [(64, 1), (128, 2), (256, 1)].into_iter().enumerate() {
        x = b.conv(&format!("stage{stage}.down"), x, channels, 3, 2, 1, Act::Relu);
        for block in 0..blocks {
            x = b.residual(&format!("stage{stage}.block{block}"), x, channels);
        }
    }
    let x = b.node("pool", Op::GlobalPool, &[x]);
    let x = b.node("template", Op::Linear { out: dim }, &[x]);
    b.finish(&[("template", x)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_network() {
        for name in NAMES {
            let net = by_name(name).expect(name);
            assert_eq!(net.name, name);
            net.channels().expect(name);
            let text = serde_json::to_string(&net).expect("serialises");
            assert_eq!(serde_json::from_str::<Architecture>(&text).expect("reads back"), net);
        }
    }

    #[test]
    fn costs_stay_within_the_design() {
        let detector = detector().cost(320, 320);
        assert!(detector.parameters <= 76_000, "{detector:?}");
        assert!(detector.macs <= 136_000_000, "{detector:?}");
        let embedder = embedder(512).cost(112, 112);
        assert!(embedder.macs <= 300_000_000, "{embedder:?}");
        assert!(embedder.parameters <= 4_000_000, "{embedder:?}");
    }
}
