//! Milliseconds of networks in our engine and in rten, in turn, and in ONNX Runtime if a Python is named.
//!
//! ```console
//! $ cargo run --release -p phiz-engine --example engine_bench -- 40 models/phiz-embed.onnx:112 models/phiz-detect.onnx:320
//! ```
//!
//! In the environment: `PYTHON` names a Python with the packages onnxruntime and numpy, `THREADS` the threads of a run
//! (1), `STEPS=1` asks for the time of each step, `BATCH` for so many pictures at once (1), `INSTRUCTIONS=avx2,avx512` for our
//! engine by each of these in turn (auto).

use std::env;
use std::path::Path;

use phiz_engine::bench::{Bench, OnnxRuntime, peak, picture, steps};
use phiz_engine::{Instructions, LoadOptions, Precision, Runtime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(40), |n| n.parse())?;
    let number = |name: &str| env::var(name).map_or(Ok(1), |n| n.parse::<usize>());
    let (threads, batch) = (number("THREADS")?, number("BATCH")?);
    let sets = env::var("INSTRUCTIONS").unwrap_or_else(|_| "auto".into());
    let sets = sets.split(',').map(str::parse).collect::<Result<Vec<Instructions>, _>>()?;
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        if let Some(peak) = peak(precision) {
            println!("peak of a core in {precision}: {:.0} GFLOP/s", 2.0 * peak);
        }
    }
    for argument in arguments {
        let (file, side) = argument.split_once(':').ok_or("say FILE.onnx:SIDE")?;
        let side: usize = side.parse()?;
        let onnx = std::fs::read(file)?;
        let image = picture(vec![batch, 3, side, side])?;
        let mut bench = Bench::new(image.clone());
        let options = LoadOptions::default().threads(threads);
        bench.subject(&onnx, &options.clone().runtime(Runtime::Rten))?;
        let precisions = [Precision::F32, Precision::Bf16, Precision::Int8];
        for (set, precision) in sets.iter().flat_map(|set| precisions.map(|precision| (*set, precision))) {
            let options = options.clone().runtime(Runtime::Native).precision(precision).instructions(set);
            if env::var_os("STEPS").is_some() {
                match steps(&onnx, &options, &image, rounds) {
                    Ok(steps) => steps.iter().for_each(|step| {
                        let rate = 2e-6 * step.macs as f64 / step.milliseconds;
                        println!("{:8.4} ms {rate:7.1} GFLOP/s  {}", step.milliseconds, step.name);
                    }),
                    Err(error) => println!("{file}: {error}"),
                }
            }
            if let Err(error) = bench.subject(&onnx, &options) {
                println!("{file}: {error}");
            }
        }
        if let Some(python) = env::var_os("PYTHON") {
            bench.peer(OnnxRuntime::start(&python, Path::new(file), &image.shape, threads)?);
        }
        let timings = bench.run(rounds)?;
        let other = timings.iter().find(|t| t.name == "onnxruntime").map(|t| (t.least, t.median));
        for t in timings {
            let load = t.load.map_or(String::new(), |ms| format!(", loaded in {ms:.1} ms"));
            let off = t.difference.map_or(String::new(), |off| format!(", difference {off:.1e}"));
            let ratio = other.map_or(String::new(), |(least, median)| {
                format!(", {:.2} and {:.2} of ONNX Runtime", t.least / least, t.median / median)
            });
            let by = t.instructions.map_or(String::new(), |name| format!(" by {name}"));
            println!(
                "{file}:{side} {}{by}: least {:.3} ms, median {:.3} ms{ratio}{load}{off}",
                t.name, t.least, t.median
            );
        }
    }
    Ok(())
}
