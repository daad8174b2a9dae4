//! `phiz model info`: the networks that Phiz knows, with what each costs.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use phiz_net::graph::Architecture;
use phiz_net::onnx::{self, Weights};
use phiz_net::zoo;

use super::{Done, Failure, Shared};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List networks with their parameters, multiply-accumulates and, if asked, milliseconds
    Info {
        /// Networks by name [default: all]
        names: Vec<String>,
        /// Measure the time of one picture on this machine
        #[arg(long)]
        measure: bool,
    },
}

/// Detectors are compared at this side, embedders at 112.
const DETECTOR_SIDE: usize = 320;

pub(super) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let Command::Info { names, measure } = &arguments.command;
    let known: Vec<&str> = zoo::NAMES.to_vec();
    let names: Vec<&str> =
        if names.is_empty() { known.clone() } else { names.iter().map(String::as_str).collect() };
    let mut out = io::stdout().lock();
    write!(out, "{:<20} {:<8} {:>4} {:>10} {:>8}", "network", "task", "px", "parameters", "MMAC")?;
    writeln!(out, "{}", if *measure { format!(" {:>8}", "ms") } else { String::new() })?;
    for name in names {
        let net = zoo::by_name(name).ok_or_else(|| {
            Failure::new(format!("no network is called {name:?}"))
                .hint(format!("known are {}", known.join(", ")))
        })?;
        let embeds = net.outputs.len() == 1;
        let side = if embeds { 112 } else { DETECTOR_SIDE };
        let cost = net.cost(side, side);
        let task = if embeds { "embed" } else { "detect" };
        let macs = cost.macs as f64 / 1e6;
        write!(out, "{name:<20} {task:<8} {side:>4} {:>10} {macs:>8.0}", cost.parameters)?;
        if *measure {
            write!(out, " {:>8.2}", milliseconds(&net, side, shared.threads.unwrap_or(1))?)?;
        }
        writeln!(out)?;
    }
    Ok(Done::Well)
}

/// The median time of one picture with made-up weights, which cost as much as trained ones.
fn milliseconds(net: &Architecture, side: usize, threads: usize) -> Result<f64, Failure> {
    let parameters = net.parameters(true).map_err(Failure::new)?;
    let weights: Weights = parameters
        .into_iter()
        .map(|p| {
            let count: usize = p.shape.iter().product();
            // Neither zeros nor values that run into denormals within a deep network.
            let data = match p.name.rsplit('.').next() {
                Some("scale" | "var") => vec![1.0; count],
                Some("weight") => {
                    let size = (2.0 / p.shape[1..].iter().product::<usize>() as f32).sqrt();
                    (0..count)
                        .map(|i| if i.wrapping_mul(2_654_435_761) >> 7 & 1 == 0 { size } else { -size })
                        .collect()
                }
                _ => vec![0.0; count],
            };
            (p.name, (p.shape, data))
        })
        .collect();
    let file = onnx::export(net, &weights).map_err(Failure::new)?;
    let options = phiz_engine::LoadOptions { threads };
    let network = phiz_engine::load(&file, &options).map_err(Failure::new)?;
    let data = (0..3 * side * side).map(|i| (i % 255) as f32 / 127.5 - 1.0).collect();
    let picture = phiz_engine::Tensor::new(vec![1, 3, side, side], data).map_err(Failure::new)?;
    let mut times = Vec::new();
    let began = Instant::now();
    while times.len() < 3 || began.elapsed() < Duration::from_millis(600) && times.len() < 200 {
        let start = Instant::now();
        network.run(&picture).map_err(Failure::new)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
