//! Holds every network of the family to rten: the largest difference of a template, or of a map, on many inputs.
//!
//! ```console
//! $ cargo run --release -p phiz-engine --example exactness -- 1000 phiz-embed phiz-detect
//! ```
//!
//! Names are those of `phiz_net::zoo` and of files; without names all of the family. Weights are made up, except for
//! files. Ends with an error where a difference is above 1e-4.

use phiz_engine::{Input, LoadOptions, Precision, Runtime, Tensor, Workspace, load};
use phiz_net::onnx::{Weights, export};
use phiz_net::zoo;

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Weights under which activations neither vanish nor explode.
fn made_up(
    net: &phiz_net::graph::Architecture,
    noise: &mut Noise,
) -> Result<Weights, Box<dyn std::error::Error>> {
    let mut weights = Weights::new();
    for p in net.parameters(true)? {
        let count: usize = p.shape.iter().product();
        let size = (2.0 / p.shape[1..].iter().product::<usize>().max(1) as f32).sqrt();
        let mut value = || match p.name.rsplit('.').next() {
            Some("weight") => size * noise.next() * 1.2,
            Some("scale" | "var") => 1.0 + 0.25 * noise.next(),
            _ => 0.1 * noise.next(),
        };
        let data = (0..count).map(|_| value()).collect();
        weights.insert(p.name, (p.shape, data));
    }
    Ok(weights)
}

fn difference(a: &[Tensor], b: &[Tensor]) -> f32 {
    let unit = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    let mut most = 0f32;
    for (a, b) in a.iter().zip(b) {
        // Templates are compared at unit length, maps relative to what is above 1.
        let template = a.shape.len() == 2 && a.shape[1] >= 64;
        let (la, lb) = if template { (unit(&a.data), unit(&b.data)) } else { (1.0, 1.0) };
        for (x, y) in a.data.iter().zip(&b.data) {
            let (x, y) = (x / la, y / lb);
            let off = (x - y).abs() / y.abs().max(1.0);
            most = if off.is_nan() { f32::INFINITY } else { most.max(off) };
        }
    }
    most
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(1000), |n| n.parse())?;
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        names = zoo::NAMES.iter().map(ToString::to_string).collect();
    }
    let mut wrong = 0;
    for name in names {
        let mut noise = Noise(3);
        let onnx = match zoo::by_name(&name) {
            Some(net) => export(&net, &made_up(&net, &mut noise)?)?,
            None => std::fs::read(&name)?,
        };
        let rten = load(&onnx, &LoadOptions::default().runtime(Runtime::Rten))?;
        let native = load(&onnx, &LoadOptions::default().runtime(Runtime::Native))?;
        let short = LoadOptions::default().runtime(Runtime::Native).precision(Precision::Bf16);
        let short = load(&onnx, &short).ok();
        let (mut workspace, mut most, mut most_short) = (Workspace::default(), 0f32, 0f32);
        for round in 0..rounds {
            let detector = name.contains("detect");
            let [height, width] =
                if detector { [32 * (2 + round % 3), 32 * (1 + round % 4)] } else { [112, 112] };
            // From faint to glaring.
            let size = 0.05 + 1.95 * ((round * 7 % 20) as f32 / 19.0);
            let data = (0..3 * height * width).map(|_| size * noise.next()).collect();
            let input = Tensor::new(vec![1, 3, height, width], data)?;
            let want = rten.run(&input)?;
            most = most.max(difference(native.run_into(Input::Tensor(&input), &mut workspace)?, &want));
            if let Some(short) = &short {
                most_short =
                    most_short.max(difference(short.run_into(Input::Tensor(&input), &mut workspace)?, &want));
            }
        }
        println!("{name}: {rounds} inputs, largest difference {most:.1e} in f32, {most_short:.1e} in bf16");
        wrong += usize::from(most > 1e-4);
    }
    if wrong > 0 { Err(format!("{wrong} networks differ by more than 1e-4").into()) } else { Ok(()) }
}
