//! Milliseconds of networks in our engine and in rten, in turn, and how far apart their results are.
//!
//! `cargo run --release -p phiz-engine --example engine_bench -- 60 models/phiz-embed.onnx:112 models/phiz-detect.onnx:320`

use std::time::Instant;

use phiz_engine::{Input, LoadOptions, Runtime, Tensor, Workspace, load};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(40), |n| n.parse())?;
    for argument in arguments {
        let (file, side) = argument.split_once(':').ok_or("say FILE.onnx:SIDE")?;
        let side: usize = side.parse()?;
        let onnx = std::fs::read(file)?;
        let data = (0..3 * side * side).map(|i| ((i * 7919) % 511) as f32 / 255.0 - 1.0).collect();
        let image = Tensor::new(vec![1, 3, side, side], data)?;
        let networks =
            [Runtime::Native, Runtime::Rten].map(|r| load(&onnx, &LoadOptions::default().runtime(r)));
        let mut times = [Vec::new(), Vec::new()];
        let mut workspace = Workspace::default();
        let mut results = Vec::new();
        for _ in 0..=rounds {
            for (network, times) in networks.iter().zip(&mut times) {
                let network = network.as_ref().map_err(Clone::clone)?;
                network.run_into(Input::Tensor(&image), &mut workspace)?;
                let began = Instant::now();
                results.push(network.run_into(Input::Tensor(&image), &mut workspace)?.to_vec());
                times.push(began.elapsed().as_secs_f64() * 1e3);
                results.drain(..results.len().saturating_sub(2));
            }
        }
        let off = results[0].iter().zip(&results[1]).flat_map(|(a, b)| a.data.iter().zip(&b.data));
        let off = off.fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        let [(a, am), (b, bm)] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            (times[0], times[times.len() / 2])
        });
        println!(
            "{file}:{side} native {a:.3} (median {am:.3}) ms, rten {b:.3} ({bm:.3}) ms, difference {off:.1e}"
        );
    }
    Ok(())
}
