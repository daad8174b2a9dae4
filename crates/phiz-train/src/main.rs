//! `phiz-train`: trains the networks of `phiz_net::zoo` from recipes.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(version, about = "Train face detectors and embedders from recipes")]
struct Cli {
    #[command(flatten)]
    train: phiz_train::cli::Train,
}

fn main() -> ExitCode {
    match phiz_train::cli::main(Cli::parse().train) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
