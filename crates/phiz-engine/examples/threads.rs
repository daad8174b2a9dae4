//! One picture on several threads: milliseconds in our engine on 1, 2, … threads, all in turn.
//!
//! ```console
//! $ cargo run --release -p phiz-engine --example threads -- 40 2 models/phiz-detect.onnx:640 models/phiz-embed.onnx:112
//! ```
//!
//! The first argument is the number of rounds, the second the most threads. Pictures are of eight bits, as they come
//! from a photo. Each number of threads has a network and a workspace of its own and runs three times before it counts.

use std::env;
use std::fs;
use std::time::Instant;

use phiz_engine::{LoadOptions, Pictures, Precision, Runtime, Workspace, load};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [rounds, most, networks @ ..] = &arguments[..] else {
        return Err("say ROUNDS THREADS FILE.onnx:SIDE …".into());
    };
    let (rounds, most): (usize, usize) = (rounds.parse()?, most.parse()?);
    for network in networks {
        let (file, side) = network.rsplit_once(':').ok_or("say FILE.onnx:SIDE")?;
        let (onnx, side) = (fs::read(file)?, side.parse::<usize>()?);
        let picture: Vec<u8> = (0..side * side * 3).map(|i| (i * 7919 % 253) as u8).collect();
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let options = LoadOptions::default().runtime(Runtime::Native).precision(precision);
            let mut subjects = Vec::new();
            for threads in 1..=most {
                match load(&onnx, &options.clone().threads(threads)) {
                    Ok(network) => subjects.push((network, Workspace::default(), Vec::new())),
                    Err(error) => println!("{file}: {error}"),
                }
            }
            for _ in 0..rounds.max(1) {
                for (network, workspace, times) in &mut subjects {
                    for turn in 0..4 {
                        let began = Instant::now();
                        network.run_into(Pictures::rgb(side, side, &[&picture]).into(), workspace)?;
                        if turn == 3 {
                            times.push(began.elapsed().as_secs_f64() * 1e3);
                        }
                    }
                }
            }
            let mut one = None;
            for (threads, (_, _, times)) in subjects.iter_mut().enumerate() {
                times.sort_by(f64::total_cmp);
                let (least, median) = (times[0], times[times.len() / 2]);
                let (a, b) = *one.get_or_insert((least, median));
                println!(
                    "{file}:{side} {precision}, {} threads: least {least:.3} ms ({:.2} times as fast), median {median:.3} ({:.2})",
                    threads + 1,
                    a / least,
                    b / median
                );
            }
        }
    }
    Ok(())
}
