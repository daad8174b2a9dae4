//! `phiz-train`: trains the networks of `phiz_net::zoo` from recipes.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(version, about = "Train face detectors and embedders from recipes")]
struct Cli {
    #[command(flatten)]
    train: phiz_train::cli::Train,
    /// Threads of the back end; 0 takes all cores
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
}

fn main() -> ExitCode {
    let Cli { train, threads } = Cli::parse();
    match phiz_train::cli::main(train, threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
