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
    let (Command::Embedder(args) | Command::Detector(args)) = &cli.command;
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
