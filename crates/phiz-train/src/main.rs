//! `phiz-train`: trains the networks of `phiz_net::zoo` from recipes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use phiz_train::error::TrainError;
#[cfg(feature = "libtorch")]
use phiz_train::{
    detect::DetectTask, embed::EmbedTask, recipe::Recipe, run, scenes::Scenes, shards::Faces, torch::Torch,
};

#[derive(Parser)]
#[command(version, about = "Train face detectors and embedders from recipes")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train an embedder on prepared shards (a folder with `train` and `tune` in it)
    Embedder(RunArgs),
    /// Train a detector on prepared scenes (a folder with `train` and `tune` in it)
    Detector(RunArgs),
    /// Show what a detector would learn from: composed pictures with boxes and landmarks, as PPM files
    Preview {
        /// Prepared scenes (a folder with `train` in it)
        #[arg(long)]
        data: PathBuf,
        /// Folder for the pictures
        #[arg(long)]
        out: PathBuf,
        /// How many
        #[arg(long, default_value_t = 12)]
        count: u64,
        /// Side in pixels
        #[arg(long, default_value_t = 320)]
        size: usize,
    },
}

#[derive(Args)]
struct RunArgs {
    /// What to do: a TOML recipe
    recipe: PathBuf,
    /// Prepared data
    #[arg(long)]
    data: PathBuf,
    /// Folder of the run; resumed if it holds a checkpoint
    #[arg(long)]
    run: PathBuf,
    /// Weights (safetensors) to begin from
    #[arg(long)]
    from: Option<PathBuf>,
    /// Threads of the back end
    #[arg(long, default_value_t = 2)]
    threads: i32,
    /// Steps between held-out figures
    #[arg(long, default_value_t = 1000)]
    evaluate_every: u64,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 500)]
    save_every: u64,
}

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "libtorch")]
fn start(cli: Cli) -> Result<(), TrainError> {
    let args = match &cli.command {
        Command::Preview { data, out, count, size } => return preview(data, out, *count, *size),
        Command::Embedder(args) | Command::Detector(args) => args,
    };
    let recipe = Recipe::open(&args.recipe)?;
    let net = phiz_net::zoo::by_name(&recipe.network)
        .ok_or_else(|| TrainError::Recipe(format!("no network is called {:?}", recipe.network)))?;
    let options = run::RunOptions {
        folder: args.run.clone(),
        from: args.from.clone(),
        save_every: args.save_every,
        evaluate_every: args.evaluate_every,
    };
    let backend = Torch::cpu(args.threads, true);
    let (train, tune) = (args.data.join("train"), args.data.join("tune"));
    if let Command::Embedder(_) = cli.command {
        let (train, tune) = (Faces::open(&train, "train")?, Faces::open(&tune, "tune")?);
        println!("{} faces of {} people; {} held out", train.len(), train.names().len(), tune.len());
        let dim = net.channels()?[net.outputs[0].node];
        return run::run(&backend, &net, &recipe, &EmbedTask::new(&train, &tune, &recipe, dim), &options);
    }
    let (train, tune) = (Scenes::open(&train, "train")?, Scenes::open(&tune, "tune")?);
    println!("{} scenes; {} held out", train.len(), tune.len());
    run::run(&backend, &net, &recipe, &DetectTask::new(&train, &tune, &recipe), &options)
}

#[cfg(not(feature = "libtorch"))]
fn start(_cli: Cli) -> Result<(), TrainError> {
    Err(TrainError::Recipe("this build has no back end: build with --features libtorch".into()))
}

/// Writes composed pictures: learnt faces in green, faces that do not count in red.
#[cfg(feature = "libtorch")]
fn preview(data: &std::path::Path, out: &std::path::Path, count: u64, size: usize) -> Result<(), TrainError> {
    let scenes = Scenes::open(&data.join("train"), "train")?;
    std::fs::create_dir_all(out).map_err(|e| TrainError::file(out, &e))?;
    for number in 0..count {
        let mut rgb = Vec::new();
        let mut random = phiz_train::random::Random::for_sample(1, 0, number);
        let faces = scenes.compose(size, &phiz_train::augment::Strength::default(), &mut random, &mut rgb);
        let mut dot = |x: f32, y: f32, colour: [u8; 3]| {
            if x >= 0.0 && y >= 0.0 && x < size as f32 && y < size as f32 {
                rgb[(y as usize * size + x as usize) * 3..][..3].copy_from_slice(&colour);
            }
        };
        for face in &faces {
            let [x, y, w, h] = face.bbox;
            let colour = if face.sure { [0, 255, 0] } else { [255, 0, 0] };
            for i in 0..=200 {
                let t = i as f32 / 200.0;
                for (u, v) in [(t, 0.0), (t, 1.0), (0.0, t), (1.0, t)] {
                    dot(x + u * w, y + v * h, colour);
                }
            }
            for (i, p) in face.points.chunks_exact(2).enumerate() {
                let colour = [[255, 0, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]][i];
                for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
                    dot(p[0] + dx, p[1] + dy, colour);
                }
            }
        }
        let path = out.join(format!("{number:03}.ppm"));
        let mut file = format!("P6 {size} {size} 255\n").into_bytes();
        file.extend(rgb);
        std::fs::write(&path, file).map_err(|e| TrainError::file(&path, &e))?;
    }
    println!("{count} pictures in {}", out.display());
    Ok(())
}
