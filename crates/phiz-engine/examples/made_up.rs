//! Writes a network of the family with made-up weights, to be measured: `made_up iresnet-50 iresnet-50.onnx`.

use std::env;
use std::fs;

use phiz_net::onnx::{Weights, export};
use phiz_net::zoo;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, file] = &arguments[..] else {
        return Err(format!("say NETWORK FILE.onnx; networks: {}", zoo::NAMES.join(", ")).into());
    };
    let net = zoo::by_name(name).ok_or_else(|| format!("{name} is none of {}", zoo::NAMES.join(", ")))?;
    // Numbers under which activations neither vanish nor explode.
    let mut state = 3u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let parameters = net.parameters(true)?.into_iter().map(|p| {
        let count: usize = p.shape.iter().product();
        let inputs: usize = p.shape.iter().skip(1).product();
        let size = (2.0 / inputs.max(1) as f32).sqrt();
        let value = |_| match p.name.rsplit('.').next() {
            Some("weight") => size * noise() * 1.2,
            Some("scale" | "var") => 1.0 + 0.25 * noise(),
            _ => 0.1 * noise(),
        };
        let data = (0..count).map(value).collect();
        (p.name, (p.shape, data))
    });
    let weights: Weights = parameters.collect();
    Ok(fs::write(file, export(&net, &weights)?)?)
}
