//! Milliseconds of networks in our engine (f32 and bf16) and in rten, in turn, and how far their results are from rten's.
//!
//! `cargo run --release -p phiz-engine --example engine_bench -- 40 models/phiz-embed.onnx:112 models/phiz-detect.onnx:320`
//!
//! With `STEPS=1` in the environment also the time of each step.

use std::time::Instant;

use phiz_engine::{Input, LoadOptions, Precision, Runtime, Tensor, Workspace, load};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(40), |n| n.parse())?;
    for argument in arguments {
        let (file, side) = argument.split_once(':').ok_or("say FILE.onnx:SIDE")?;
        let side: usize = side.parse()?;
        let onnx = std::fs::read(file)?;
        let data = (0..3 * side * side).map(|i| ((i * 7919) % 511) as f32 / 255.0 - 1.0).collect();
        let image = Tensor::new(vec![1, 3, side, side], data)?;
        let subjects = [
            ("rten", Runtime::Rten, Precision::F32),
            ("native f32", Runtime::Native, Precision::F32),
            ("native bf16", Runtime::Native, Precision::Bf16),
        ];
        let mut networks = Vec::new();
        for (name, runtime, precision) in subjects {
            let options = LoadOptions::default().runtime(runtime).precision(precision);
            if std::env::var_os("STEPS").is_some() && runtime == Runtime::Native {
                for step in phiz_engine::bench::steps(&onnx, &options, &image, rounds)? {
                    let rate = 2e-6 * step.macs as f64 / step.milliseconds;
                    println!("{:8.4} ms {rate:7.1} GFLOP/s  {}", step.milliseconds, step.name);
                }
            }
            match load(&onnx, &options) {
                Ok(network) => networks.push((name, network, Vec::new(), Vec::new())),
                Err(error) => println!("{file}: {name}: {error}"),
            }
        }
        let mut workspace = Workspace::default();
        for _ in 0..=rounds {
            for (_, network, times, result) in &mut networks {
                network.run_into(Input::Tensor(&image), &mut workspace)?;
                let began = Instant::now();
                let outputs = network.run_into(Input::Tensor(&image), &mut workspace)?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
                *result = outputs.to_vec();
            }
        }
        let reference = networks.first().map(|n| n.3.clone()).unwrap_or_default();
        for (name, _, mut times, result) in networks {
            times.sort_by(f64::total_cmp);
            let off = result.iter().zip(&reference).flat_map(|(a, b)| a.data.iter().zip(&b.data));
            let off = off.fold(0f32, |most, (a, b)| most.max((a - b).abs()));
            let (least, median) = (times[0], times[times.len() / 2]);
            println!(
                "{file}:{side} {name}: least {least:.3} ms, median {median:.3} ms, difference {off:.1e}"
            );
        }
    }
    Ok(())
}
