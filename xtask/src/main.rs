//! What developers run: `cargo xtask help` lists it.
//!
//! Each command is a module with its arguments beside its code. Messages go to stderr, results to stdout; the exit
//! code is 0 for done, 1 for a check that failed or work that could not be done, 2 for wrong arguments.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod faces;
mod fixtures;
mod portraits;
mod skipped;

/// What developers of Phiz run.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All checks that must pass before a change is shared, cheap ones first
    Check(check::Arguments),
    /// Fits the model that synthetic people are drawn from to a manifest of photos
    FitFaces(faces::fit::Arguments),
    /// Makes the photos in fixtures/, of people who do not exist
    Fixtures(fixtures::Arguments),
    /// Makes folders of people who do not exist, to try and to show the page with
    Portraits(portraits::Arguments),
    /// Measures whether synthetic people are found and told apart
    RateFaces(faces::rate::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::FitFaces(arguments) => faces::fit::run(&arguments),
        Command::Fixtures(arguments) => fixtures::run(&arguments),
        Command::Portraits(arguments) => portraits::run(&arguments),
        Command::RateFaces(arguments) => faces::rate::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
