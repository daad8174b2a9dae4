//! The networks that Phiz ships and trains, by name, and the families from which they come.
//!
//! Dense 3×3 convolutions use a plain CPU several times better than depthwise ones, so the shipped pair are slim
//! dense networks with ReLU, which every runtime fuses. The others are there to be compared with.

use crate::graph::{Act, Architecture, Builder, Op};

/// All names that [`by_name`] knows.
pub const NAMES: [&str; 21] = [
    "phiz-detect",
    "phiz-detect-small",
    "phiz-second",
    "phiz-second-small",
    "phiz-detect-first",
    "detect-small",
    "detect-large",
    "phiz-embed",
    "phiz-embed-small",
    "phiz-embed-first",
    "phiz-embed-second",
    "phiz-embed-third",
    "slim-small",
    "slim-deep",
    "slim-large",
    "mobilefacenet",
    "mobilefacenet-half",
    "iresnet-18",
    "iresnet-34",
    "iresnet-50",
    "iresnet-100",
];

/// A network by its name.
#[must_use]
pub fn by_name(name: &str) -> Option<Architecture> {
    let slim = |stem, stages: &[(usize, usize)], weighted| {
        Slim { stem, stages: stages.to_vec(), weighted, dim: 512 }.build(name)
    };
    let levels = |stem, first, widths, sum| Levels { stem, first, widths, sum }.build(name);
    Some(match name {
        "phiz-detect" => detector(),
        "phiz-detect-small" => levels(8, 16, [24, 32, 32], 24),
        "phiz-second" => second(),
        "phiz-second-small" => Second { stem: 12, widths: [16, 24, 32], mix: 32 }.build(name),
        "phiz-detect-first" => first_detector(),
        "detect-small" => levels(8, 16, [24, 32, 48], 24),
        "detect-large" => levels(24, 32, [48, 80, 128], 48),
        "phiz-embed" => embedder(512),
        "phiz-embed-small" => slim(24, &[(32, 1), (96, 2), (160, 1)], true),
        // The networks of the first models, whose weights are still read.
        "phiz-embed-first" => slim(32, &[(64, 1), (128, 2), (256, 1)], false),
        "phiz-embed-second" => slim(32, &[(64, 2), (128, 3), (256, 1)], false),
        "phiz-embed-third" => slim(32, &[(64, 2), (128, 3), (256, 1)], true),
        "slim-small" => slim(24, &[(48, 1), (96, 2), (192, 1)], true),
        // `phiz-embed` with three residual blocks more, into which its weights grow.
        "slim-deep" => slim(32, &[(64, 4), (128, 6), (256, 1)], true),
        "slim-large" => slim(48, &[(96, 2), (192, 4), (384, 2)], true),
        "mobilefacenet" => mobilefacenet(name, 64, 128),
        "mobilefacenet-half" => mobilefacenet(name, 32, 128),
        "iresnet-18" => iresnet(name, [2, 2, 2, 2]),
        "iresnet-34" => iresnet(name, [3, 4, 6, 3]),
        "iresnet-50" => iresnet(name, [3, 4, 14, 3]),
        "iresnet-100" => iresnet(name, [3, 13, 30, 3]),
        _ => return None,
    })
}

/// The widths of a detector.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// Channels at stride 2.
    pub stem: usize,
    /// Channels at stride 4.
    pub first: usize,
    /// Channels at strides 8, 16 and 32.
    pub widths: [usize; 3],
    /// Channels in which the levels are summed and the heads read.
    pub sum: usize,
}

/// Anchor-free face detector at strides 8, 16 and 32: per cell a score, four distances, five points.
///
/// Outputs, for each stride `s`: `score_s` `[n, 1, h/s, w/s]` after the sigmoid; `box_s` `[n, 4, …]`, the
/// distances left, top, right, bottom of the cell's centre in strides; `points_s` `[n, 10, …]`, x and y of
/// five landmarks from the cell's centre in strides.
#[must_use]
pub fn detector() -> Architecture {
    Levels { stem: 16, first: 24, widths: [32, 48, 64], sum: 32 }.build("phiz-detect")
}

impl Levels {
    /// The detector of these widths; see [`detector`].
    #[must_use]
    pub fn build(&self, name: &str) -> Architecture {
        let mut b = Builder::new(name, 3);
        let mut x = self.trunk(&mut b);
        let mut levels = Vec::new();
        for (stride, channels) in [8, 16, 32].into_iter().zip(self.widths) {
            x = b.conv(&format!("s{stride}.down"), x, channels, 3, 2, 1, Act::Relu);
            x = b.residual(&format!("s{stride}.block"), x, channels);
            levels.push((stride, b.conv(&format!("s{stride}.lateral"), x, self.sum, 1, 1, 1, Act::None)));
        }
        self.heads(b, levels, Act::Relu)
    }

    /// From the picture to stride 4.
    fn trunk(&self, b: &mut Builder) -> usize {
        let x = b.conv("stem", b.input(), self.stem, 3, 2, 1, Act::Relu);
        let x = b.conv("s4.down", x, self.first, 3, 2, 1, Act::Relu);
        b.conv("s4.conv", x, self.first, 3, 1, 1, Act::Relu)
    }

    /// Sums the levels from coarse to fine and reads each.
    fn heads(&self, mut b: Builder, mut levels: Vec<(usize, usize)>, act: Act) -> Architecture {
        // What the coarse levels know of context flows down to the fine ones (Lin et al. 2017, FPN).
        for level in (0..2).rev() {
            let name = format!("s{}.from_above", levels[level].0);
            let up = b.node(&format!("{name}.up"), Op::Upsample2, &[levels[level + 1].1]);
            levels[level].1 = b.node(&name, Op::Add { act }, &[levels[level].1, up]);
        }
        let mut outputs = Vec::new();
        for &(s, x) in &levels {
            let y = b.conv(&format!("head{s}.depthwise"), x, self.sum, 3, 1, self.sum, Act::None);
            let y = b.conv(&format!("head{s}.mix"), y, self.sum, 1, 1, 1, Act::Relu);
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
}

/// The first detector: 32 channels throughout, one convolution a level.
fn first_detector() -> Architecture {
    let widths = Levels { stem: 16, first: 24, widths: [32; 3], sum: 32 };
    let mut b = Builder::new("phiz-detect-first", 3);
    let mut x = widths.trunk(&mut b);
    let mut levels = Vec::new();
    for stride in [8, 16, 32] {
        x = b.conv(&format!("s{stride}.down"), x, 32, 3, 2, 1, Act::Relu);
        let y = b.conv(&format!("s{stride}.conv"), x, 32, 3, 1, 1, Act::None);
        x = b.node(&format!("s{stride}.sum"), Op::Add { act: Act::Relu }, &[x, y]);
        levels.push((stride, x));
    }
    widths.heads(b, levels, Act::None)
}

/// Side in pixels of what [`second`] sees.
pub const SECOND_SIDE: usize = 112;
/// About the size (root of the box's area) of the face in the middle of it, in pixels.
pub const SECOND_FACE: f32 = 60.0;
/// Pixels in which [`second`] measures.
pub const SECOND_UNIT: f32 = 32.0;

/// The refinement stage of a detector: one face of about [`SECOND_FACE`] pixels, or what was taken for one, in the middle of
/// [`SECOND_SIDE`]² pixels.
///
/// Outputs: `score` `[n, 1]` after the sigmoid; `box` `[n, 4]`, the distances left, top, right, bottom of the picture's
/// middle; `points` `[n, 10]`, x and y of five landmarks from there; both in [`SECOND_UNIT`] pixels. The last stage of
/// a cascade (Zhang et al. 2016, MTCNN), which looks at nothing but a face.
#[must_use]
pub fn second() -> Architecture {
    Second { stem: 16, widths: [32, 48, 80], mix: 96 }.build("phiz-second")
}

/// The widths of a network for the refinement stage.
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Channels at stride 2.
    pub stem: usize,
    /// Channels at strides 4, 8 and 16.
    pub widths: [usize; 3],
    /// Channels that each of the three outputs reads.
    pub mix: usize,
}

impl Second {
    /// The network of these widths; see [`second`].
    #[must_use]
    pub fn build(&self, name: &str) -> Architecture {
        let mut b = Builder::new(name, 3);
        let mut x = b.conv("stem", b.input(), self.stem, 3, 2, 1, Act::Relu);
        for (stage, channels) in self.widths.into_iter().enumerate() {
            x = b.conv(&format!("stage{stage}.down"), x, channels, 3, 2, 1, Act::Relu);
            x = b.residual(&format!("stage{stage}.block"), x, channels);
        }
        // Where something is matters here, so every place of the last map has weights of its own.
        let mut head = |name: &str, out: usize| {
            let y = b.conv(&format!("{name}.mix"), x, self.mix, 1, 1, 1, Act::Relu);
            let y = b.node(&format!("{name}.places"), Op::GlobalDepthwise { kernel: 7 }, &[y]);
            b.node(name, Op::Linear { out }, &[y])
        };
        let (score, sides, points) = (head("score", 1), head("box", 4), head("points", 10));
        let score = b.node("score.sigmoid", Op::Sigmoid, &[score]);
        let sides = b.node("box.exp", Op::Exp, &[sides]);
        b.finish(&[("score", score), ("box", sides), ("points", points)])
    }
}

/// Slim dense residual embedder: an aligned 112×112 face to `dim` numbers (not yet of unit length).
///
/// Every place of the last map weighs on its own; at another input size, during training, it is their mean.
#[must_use]
pub fn embedder(dim: usize) -> Architecture {
    Slim { stem: 32, stages: vec![(64, 2), (128, 5), (256, 1)], weighted: true, dim }.build("phiz-embed")
}

/// A slim dense residual embedder.
#[derive(Clone, Debug)]
pub struct Slim {
    /// Channels at stride 2.
    pub stem: usize,
    /// Channels and residual blocks at strides 4, 8, 16 and so on.
    pub stages: Vec<(usize, usize)>,
    /// Whether each place of the last map of a 112×112 face has its own weights, or all have the same.
    pub weighted: bool,
    /// Numbers of a template.
    pub dim: usize,
}

impl Slim {
    /// The embedder of these widths; see [`embedder`].
    #[must_use]
    pub fn build(&self, name: &str) -> Architecture {
        let mut b = Builder::new(name, 3);
        let mut x = b.conv("stem", b.input(), self.stem, 3, 2, 1, Act::Relu);
        for (stage, &(channels, blocks)) in self.stages.iter().enumerate() {
            x = b.conv(&format!("stage{stage}.down"), x, channels, 3, 2, 1, Act::Relu);
            for block in 0..blocks {
                x = b.residual(&format!("stage{stage}.block{block}"), x, channels);
            }
        }
        let side = (0..=self.stages.len()).fold(112usize, |side, _| side.div_ceil(2));
        let pool = if self.weighted { Op::GlobalDepthwise { kernel: side } } else { Op::GlobalPool };
        let x = b.node("pool", pool, &[x]);
        let x = b.node("template", Op::Linear { out: self.dim }, &[x]);
        b.finish(&[("template", x)])
    }
}

/// MobileFaceNet (Chen et al. 2018) with ReLU for PReLU: depthwise convolutions in inverted bottlenecks.
fn mobilefacenet(name: &str, width: usize, dim: usize) -> Architecture {
    let mut b = Builder::new(name, 3);
    let x = b.conv("stem", b.input(), width, 3, 2, 1, Act::Relu);
    let mut x = b.conv("depthwise", x, width, 3, 1, width, Act::Relu);
    let mut channels = width;
    // Expansion, output channels, repetitions, stride of the first: table 1 of the paper at width 64.
    let rows = [(2, 1, 5, 2), (4, 2, 1, 2), (2, 2, 6, 1), (4, 2, 1, 2), (2, 2, 2, 1)];
    for (row, (expansion, factor, repetitions, first)) in rows.into_iter().enumerate() {
        for i in 0..repetitions {
            let (stride, out) = (if i == 0 { first } else { 1 }, width * factor);
            let part = |what: &str| format!("block{row}.{i}.{what}");
            let wide = channels * expansion;
            let y = b.conv(&part("expand"), x, wide, 1, 1, 1, Act::Relu);
            let y = b.conv(&part("depthwise"), y, wide, 3, stride, wide, Act::Relu);
            let y = b.conv(&part("mix"), y, out, 1, 1, 1, Act::None);
            let same = stride == 1 && channels == out;
            x = if same { b.node(&part("sum"), Op::Add { act: Act::None }, &[x, y]) } else { y };
            channels = out;
        }
    }
    let x = b.conv("last", x, 8 * width, 1, 1, 1, Act::Relu);
    let x = b.node("pool", Op::GlobalDepthwise { kernel: 7 }, &[x]);
    let x = b.node("template", Op::Linear { out: dim }, &[x]);
    b.finish(&[("template", x)])
}

/// The IResNet of face recognition (Duta et al. 2020, as InsightFace widths have it): full resolution in the stem,
/// stride in the second convolution of a stage's first block, no activation on the sums. With ReLU for PReLU, no
/// normalisation before the first convolution of a block, and weights by place instead of a matrix over the last
/// map, which alone would be 12.8 M parameters.
fn iresnet(name: &str, blocks: [usize; 4]) -> Architecture {
    let mut b = Builder::new(name, 3);
    let mut x = b.conv("stem", b.input(), 64, 3, 1, 1, Act::Relu);
    for (stage, (count, channels)) in blocks.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for block in 0..count {
            let part = |what: &str| format!("stage{stage}.block{block}.{what}");
            let stride = if block == 0 { 2 } else { 1 };
            let y = b.conv(&part("a"), x, channels, 3, 1, 1, Act::Relu);
            let y = b.conv(&part("b"), y, channels, 3, stride, 1, Act::None);
            if block == 0 {
                x = b.conv(&part("shortcut"), x, channels, 1, stride, 1, Act::None);
            }
            x = b.node(&part("sum"), Op::Add { act: Act::None }, &[x, y]);
        }
    }
    let x = b.node("pool", Op::GlobalDepthwise { kernel: 7 }, &[x]);
    let x = b.node("template", Op::Linear { out: 512 }, &[x]);
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
            let outputs = if name.contains("detect") { 9 } else { 1 };
            assert!(net.outputs.len() == if name.starts_with("phiz-second") { 3 } else { outputs }, "{name}");
            let mut names: Vec<&String> = net.nodes.iter().map(|n| &n.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), net.nodes.len(), "{name}: a name is used twice");
            let text = serde_json::to_string(&net).expect("serialises");
            assert_eq!(serde_json::from_str::<Architecture>(&text).expect("reads back"), net);
        }
    }

    #[test]
    fn costs_stay_within_the_design() {
        let detector = detector().cost(320, 320);
        assert!(detector.parameters <= 210_000, "{detector:?}");
        assert!(detector.macs <= 150_000_000, "{detector:?}");
        let second = second().cost(SECOND_SIDE, SECOND_SIDE);
        assert!(second.parameters <= 270_000, "{second:?}");
        assert!(second.macs <= 45_000_000, "{second:?}");
        let embedder = embedder(512).cost(112, 112);
        assert!(embedder.macs <= 520_000_000, "{embedder:?}");
        assert!(embedder.parameters <= 4_000_000, "{embedder:?}");
    }

    #[test]
    fn families_cost_what_their_papers_say() {
        // Name, millions of parameters and of multiply-accumulates at 112×112, each with 5 % to spare.
        let cases = [
            ("mobilefacenet", 0.99, 219.0),
            ("iresnet-18", 11.5, 2610.0),
            ("iresnet-34", 21.6, 4460.0),
            ("iresnet-50", 31.0, 6310.0),
            ("iresnet-100", 52.6, 12_110.0),
        ];
        let mut bad = Vec::new();
        for (name, parameters, macs) in cases {
            let cost = by_name(name).expect(name).cost(112, 112);
            let got = (cost.parameters as f64 / 1e6, cost.macs as f64 / 1e6);
            if (got.0 / parameters - 1.0).abs() > 0.05 || (got.1 / macs - 1.0).abs() > 0.05 {
                bad.push(format!("{name}: {got:.2?}, not {:.2?}", (parameters, macs)));
            }
        }
        assert!(bad.is_empty(), "{bad:#?}");
    }
}
