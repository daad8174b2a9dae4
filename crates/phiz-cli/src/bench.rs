//! `phiz bench`: how fast the bundled networks, or others, run on this machine.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_engine::bench::{Bench, OnnxRuntime, Timing, peak, picture};
use phiz_engine::{EngineError, LoadOptions, Precision, Runtime};
use phiz_net::{bundled, zoo};
use serde::Serialize;

use super::out::{self, say};
use super::{Done, Failure, Shared, table};

/// Arguments of `phiz bench`.
#[derive(Args)]
#[command(after_help = "Examples:
  phiz bench                                             each precision, and rten beside them
  phiz bench yunet.onnx:640 recogniser.onnx:112          other networks, at pictures of that side
  taskset -c 1 phiz bench --onnxruntime venv/bin/python  also ONNX Runtime, all on one core")]
pub(crate) struct Arguments {
    /// Networks to measure in place of the bundled ones: a file, a colon, and the side of the picture in pixels
    #[arg(value_name = "FILE.onnx:SIDE")]
    networks: Vec<String>,
    /// Also measure ONNX Runtime, with this Python, which has the packages onnxruntime and numpy
    #[arg(long, value_name = "PYTHON")]
    onnxruntime: Option<PathBuf>,
    /// The number of rounds, in each of which every runtime and precision takes its turn
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Print one JSON object per network, one per line
    #[arg(long)]
    json: bool,
}

/// The bundled networks, and the side of the picture that each is measured on.
fn networks() -> [(&'static str, &'static [u8], usize); 6] {
    [
        ("phiz-embed", bundled::EMBEDDER.1, 112),
        ("phiz-detect", bundled::DETECTOR.1, 320),
        ("phiz-second", bundled::SECOND, zoo::SECOND_SIDE),
        ("phiz-embed-small", bundled::SMALL_EMBEDDER.1, 112),
        ("phiz-detect-small", bundled::SMALL_DETECTOR.1, 320),
        ("phiz-second-small", bundled::SMALL_SECOND, zoo::SECOND_SIDE),
    ]
}

/// What one network comes to.
#[derive(Serialize)]
struct Answer {
    network: String,
    side: usize,
    /// Null for a network that is none of the family.
    mmac: Option<f64>,
    runs: Vec<Run>,
}

/// What one runtime and precision come to.
#[derive(Serialize)]
struct Run {
    name: String,
    /// What the instructions that multiply are called; null where the runtime does not tell.
    instructions: Option<&'static str>,
    load_ms: Option<f64>,
    least_ms: f64,
    median_ms: f64,
    /// Multiplications with addition done, as a share of what one core can do in this precision; null where that is not
    /// known.
    share_of_peak: Option<f64>,
    /// The least time divided by ONNX Runtime's; null without it.
    times_onnxruntime: Option<f64>,
}

pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    let threads = shared.threads.unwrap_or(1);
    let peaks = [Precision::F32, Precision::Bf16, Precision::Int8]
        .map(|precision| (precision.to_string(), peak(precision)));
    if !arguments.json {
        for (name, peak) in &peaks {
            if let Some(peak) = peak {
                let unit = if name == "int8" { "GOP/s" } else { "GFLOP/s" };
                say!("peak of one core in {name}: {:.0} {unit}", 2.0 * peak);
            }
        }
    }
    let others = arguments.networks.iter().map(|network| other(network)).collect::<Result<Vec<_>, _>>()?;
    let mut measured: Vec<(&str, &[u8], usize)> =
        others.iter().map(|(name, onnx, side)| (name.as_str(), onnx.as_slice(), *side)).collect();
    if measured.is_empty() {
        measured.extend(networks());
    }
    let bar = shared.progress(measured.len());
    let mut rows = Vec::new();
    for (name, onnx, side) in measured {
        let answer = measure(name, onnx, side, threads, arguments, &peaks)?;
        bar.inc(1);
        match arguments.json {
            true => out::json(&answer),
            false => rows.extend(answer.rows()),
        }
    }
    bar.finish_and_clear();
    if !arguments.json {
        table::print(
            &[
                "network",
                "px",
                "MMAC",
                "runtime",
                "instructions",
                "ms least",
                "median",
                "of peak",
                "× ONNX Runtime",
            ],
            &rows,
        );
    }
    Ok(Done::Well)
}

/// A network from a file: its name, its bytes and the side of the picture.
fn other(argument: &str) -> Result<(String, Vec<u8>, usize), Failure> {
    let parts = argument.rsplit_once(':').and_then(|(file, side)| Some((file, side.parse::<usize>().ok()?)));
    let Some((file, side @ 1..=4096)) = parts else {
        return Err(Failure::new(format!("{argument}: not a file, a colon and a side of 1 to 4096 pixels"))
            .hint("for example: phiz bench detector.onnx:320"));
    };
    let path = Path::new(file);
    let onnx = std::fs::read(path).map_err(|e| Failure::reading(path, &e))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, onnx, side))
}

fn measure(
    name: &str,
    onnx: &[u8],
    side: usize,
    threads: usize,
    arguments: &Arguments,
    peaks: &[(String, Option<f64>)],
) -> Result<Answer, Failure> {
    let shape = vec![1, 3, side, side];
    let mut bench = Bench::new(picture(shape.clone()).map_err(Failure::new)?);
    let options = LoadOptions::default().threads(threads);
    let failed = |error| Failure::new(format!("{name} on {side}×{side} pixels: {error}"));
    bench.subject(onnx, &options.clone().runtime(Runtime::Rten)).map_err(failed)?;
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let options = options.clone().runtime(Runtime::Native).precision(precision);
        match bench.subject(onnx, &options) {
            // This processor, or this version, cannot.
            Err(EngineError::Unsupported { .. }) => {}
            added => added.map_err(failed)?,
        }
    }
    if let Some(python) = &arguments.onnxruntime {
        bench.peer(onnx_runtime(python, onnx, &shape, threads)?);
    }
    let timings = bench.run(arguments.rounds as usize).map_err(failed)?;
    let macs = zoo::by_name(name).map(|net| net.cost(side, side).macs as f64);
    let peer = timings.iter().find(|t| t.name == "onnxruntime").map(|t| t.least);
    let run = |timing: Timing| {
        let peak = peaks.iter().find(|(name, _)| *name == timing.name).and_then(|(_, peak)| *peak);
        let done = macs.map(|macs| macs / timing.least / 1e6);
        Run {
            share_of_peak: done.zip(peak).map(|(done, peak)| done / (peak * threads as f64)),
            times_onnxruntime: peer.map(|peer| timing.least / peer),
            name: timing.name,
            instructions: timing.instructions,
            load_ms: timing.load,
            least_ms: timing.least,
            median_ms: timing.median,
        }
    };
    let mmac = macs.map(|macs| macs / 1e6);
    Ok(Answer { network: name.to_owned(), side, mmac, runs: timings.into_iter().map(run).collect() })
}

/// ONNX Runtime reads a file, so the network is written into one.
fn onnx_runtime(python: &Path, onnx: &[u8], shape: &[usize], threads: usize) -> Result<OnnxRuntime, Failure> {
    let file = tempfile::NamedTempFile::new().map_err(|e| Failure::writing(&std::env::temp_dir(), &e))?;
    std::fs::write(file.path(), onnx).map_err(|e| Failure::writing(file.path(), &e))?;
    OnnxRuntime::start(python.as_os_str(), file.path(), shape, threads).map_err(|error| {
        Failure::new(format!("--onnxruntime {}: {error}", python.display()))
            .hint("make one with: python3 -m venv venv && venv/bin/pip install onnxruntime numpy")
    })
}

impl Answer {
    fn rows(self) -> Vec<Vec<String>> {
        let Answer { network, side, mmac, runs } = self;
        let row = |run: Run| {
            let percent = |share: f64| format!("{:.0} %", 100.0 * share);
            vec![
                network.clone(),
                side.to_string(),
                mmac.map(|mmac| format!("{mmac:.0}")).unwrap_or_default(),
                run.name,
                run.instructions.unwrap_or_default().to_owned(),
                format!("{:.2}", run.least_ms),
                format!("{:.2}", run.median_ms),
                run.share_of_peak.map(percent).unwrap_or_default(),
                run.times_onnxruntime.map(|times| format!("{times:.2}")).unwrap_or_default(),
            ]
        };
        runs.into_iter().map(row).collect()
    }
}
