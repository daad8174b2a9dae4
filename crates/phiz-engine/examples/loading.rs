//! How long networks take to load, and how much memory they keep: the first load of a process, and the least of many.
//!
//! ```console
//! $ cargo run --release -p phiz-engine --example loading -- f32 20 models/phiz-embed.onnx models/phiz-detect.onnx
//! ```

use std::env;
use std::fs;
use std::time::Instant;

use phiz_engine::{LoadOptions, Precision, Runtime, load};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [precision, rounds, files @ ..] = &arguments[..] else {
        return Err("say PRECISION ROUNDS FILE.onnx …".into());
    };
    let precision: Precision = precision.parse()?;
    let rounds: usize = rounds.parse()?;
    let options = LoadOptions::default().runtime(Runtime::Native).precision(precision);
    let files = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let mut kept = Vec::new();
    let mut least = vec![f64::INFINITY; files.len()];
    for round in 0..rounds.max(1) {
        for (file, least) in files.iter().zip(&mut least) {
            let began = Instant::now();
            let network = load(file, &options)?;
            let time = began.elapsed().as_secs_f64() * 1e3;
            *least = least.min(time);
            if round == 0 {
                println!("first load: {time:.1} ms");
                kept.push(network);
            }
        }
        if round == 0 {
            memory("after the first loads")?;
        }
    }
    println!("least of {rounds}: {least:.1?} ms");
    memory("at the end")
}

fn memory(when: &str) -> Result<(), Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"));
    println!("{when}: {}", lines.map(|l| l.replace('\t', " ")).collect::<Vec<_>>().join(", "));
    Ok(())
}
