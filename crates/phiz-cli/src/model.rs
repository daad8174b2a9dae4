//! `phiz model info`: the networks that Phiz knows, with what each costs.

use std::path::Path;
use std::time::Instant;

use clap::{Args, Subcommand};
use phiz_engine::{LoadOptions, Network, Tensor};
use phiz_net::card::{Card, Decode};
use phiz_net::graph::Architecture;
use phiz_net::onnx::{self, Weights};
use phiz_net::zoo;

use super::out::say;
use super::{Done, Failure, Shared};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the networks with their parameters and multiply-accumulates (MMAC: millions of them), and, with --measure, the
    /// time of one picture. The models of --detector and --embedder are listed with them
    Info {
        /// The networks to list [default: all]
        names: Vec<String>,
        /// Measure how many milliseconds one picture takes on this machine: the least of 30 rounds, in each of which every
        /// network takes its turn
        #[arg(long)]
        measure: bool,
    },
}

/// Detectors are compared at this side, embedders at 112.
const DETECTOR_SIDE: usize = 320;
/// Rounds of measuring.
const ROUNDS: usize = 30;

/// A line of the table, and what is measured for it.
struct Row {
    line: String,
    side: usize,
    onnx: Vec<u8>,
}

pub(super) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let Command::Info { names, measure } = &arguments.command;
    let known: Vec<&str> = zoo::NAMES.to_vec();
    let names: Vec<&str> =
        if names.is_empty() { known.clone() } else { names.iter().map(String::as_str).collect() };
    let mut rows = Vec::new();
    for name in names {
        let net = zoo::by_name(name).ok_or_else(|| {
            Failure::new(format!("no network is called {name:?}"))
                .hint(format!("known are {}", known.join(", ")))
        })?;
        rows.push(known_network(name, &net, *measure)?);
    }
    rows.extend(
        [&shared.detector, &shared.embedder]
            .into_iter()
            .flatten()
            .map(|card| given(card))
            .collect::<Result<Vec<_>, _>>()?,
    );
    let milliseconds = if *measure { milliseconds(&rows, shared.threads.unwrap_or(1))? } else { Vec::new() };
    let title = format!("{:<20} {:<8} {:>4} {:>10} {:>8}", "network", "task", "px", "parameters", "MMAC");
    say!("{title}{}", if *measure { format!(" {:>8}", "ms") } else { String::new() });
    for (i, row) in rows.iter().enumerate() {
        let time = milliseconds.get(i).map(|ms| format!(" {ms:>8.2}")).unwrap_or_default();
        say!("{}{time}", row.line);
    }
    Ok(Done::Well)
}

fn known_network(name: &str, net: &Architecture, measure: bool) -> Result<Row, Failure> {
    let (side, task) = match net.outputs.len() {
        1 => (112, "embed"),
        3 => (zoo::SECOND_SIDE, "second"),
        _ => (DETECTOR_SIDE, "detect"),
    };
    let cost = net.cost(side, side);
    let macs = cost.macs as f64 / 1e6;
    let line = format!("{name:<20} {task:<8} {side:>4} {:>10} {macs:>8.0}", cost.parameters);
    let onnx = if measure { made_up(net)? } else { Vec::new() };
    Ok(Row { line, side, onnx })
}

/// A model by its card, of whose network we know no more than its time.
fn given(card: &Path) -> Result<Row, Failure> {
    let (card, onnx) = Card::open(card).map_err(Failure::new)?;
    let embeds = card.output.decode == Decode::Arcface;
    let (side, task) = if embeds { (112, "embed") } else { (DETECTOR_SIDE, "detect") };
    Ok(Row { line: format!("{:<20} {task:<8} {side:>4} {:>10} {:>8}", card.name, "", ""), side, onnx })
}

/// A network's file with made-up weights, which cost as much as trained ones.
fn made_up(net: &Architecture) -> Result<Vec<u8>, Failure> {
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
    onnx::export(net, &weights).map_err(Failure::new)
}

/// The least time that one picture took in each network.
fn milliseconds(rows: &[Row], threads: usize) -> Result<Vec<f64>, Failure> {
    let options = LoadOptions::default().threads(threads);
    let ready = |row: &Row| -> Result<(Box<dyn Network>, Tensor), Failure> {
        let data = (0..3 * row.side * row.side).map(|i| (i % 255) as f32 / 127.5 - 1.0).collect();
        let picture = Tensor::new(vec![1, 3, row.side, row.side], data).map_err(Failure::new)?;
        Ok((phiz_engine::load(&row.onnx, &options).map_err(Failure::new)?, picture))
    };
    let networks = rows.iter().map(ready).collect::<Result<Vec<_>, _>>()?;
    let mut least = vec![f64::INFINITY; rows.len()];
    for _ in 0..ROUNDS {
        for ((network, picture), least) in networks.iter().zip(&mut least) {
            let start = Instant::now();
            network.run(picture).map_err(Failure::new)?;
            *least = least.min(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(least)
}
