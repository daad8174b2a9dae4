//! `phiz eval`: how good is it, on whose data, and how sure are we.
//!
//! The figures come from `phiz-eval`, which knows no network and no picture. Here photos become templates (or
//! templates come from a file of another system), and the answer becomes a table, JSON, Markdown or a page.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use phiz_eval::bootstrap::Bootstrap;
use phiz_eval::protocol::{Options, Watch};

use super::{Done, Failure, Shared};

mod boxes;
mod cache;
mod gallery;
mod landmarks;
mod report;
mod search;
mod subject;
mod verification;
mod video;

/// Arguments of `phiz eval`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure verification on a list of pairs
    Pairs(verification::Pairs),
    /// Measure verification of every photo against every other, also for groups of people
    AllPairs(verification::AllPairs),
    /// Measure identification: searches in a gallery, also for people who are not in it
    Identify(search::Identify),
    /// Measure detection: found boxes against true boxes
    Detect(boxes::Detect),
    /// Compare the landmarks of the central face with those of another detector
    Landmarks(landmarks::Arguments),
    /// Measure tracking and naming in a video whose truth is known
    Video(video::Arguments),
    /// Measure whether the quality score predicts which photos fail
    Quality(verification::Quality),
    /// Look for people in your gallery who look alike and for suspicious photos, and print the threshold for an error rate
    Gallery(gallery::Arguments),
    /// Measure the [thresholds] of a model card: which similarity stands for which false match rate
    Thresholds(verification::Thresholds),
    /// Compare reports that --json wrote, with paired tests if they are about the same people
    Compare(report::Compare),
}

/// Runs `phiz eval`.
pub(crate) fn run(arguments: &Arguments, shared: &Shared) -> Result<Done, Failure> {
    match &arguments.what {
        What::Pairs(a) => verification::pairs(a, shared),
        What::AllPairs(a) => verification::all_pairs(a, shared),
        What::Identify(a) => search::identify(a, shared),
        What::Detect(a) => boxes::detect(a, shared),
        What::Landmarks(a) => landmarks::run(a, shared),
        What::Video(a) => video::run(a, shared),
        What::Quality(a) => verification::quality(a, shared),
        What::Gallery(a) => gallery::run(a, shared),
        What::Thresholds(a) => verification::thresholds(a, shared),
        What::Compare(a) => report::compare(a),
    }
}

/// How sure we want to be.
#[derive(Args, Clone)]
pub(crate) struct Sureness {
    /// Number of bootstrap rounds from which the intervals are taken; 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Intervals")]
    rounds: usize,
    /// Seed of the random numbers; the same seed gives the same figures
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Intervals")]
    seed: u64,
    /// Confidence of the intervals, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, help_heading = "Intervals")]
    confidence: f64,
}

impl Sureness {
    /// Checked, with the defaults of everything else.
    fn options(&self) -> Result<Options, Failure> {
        check_rate("--confidence", self.confidence)?;
        if self.rounds > 20_000 {
            return Err(Failure::new(format!("--rounds: {} is more than 20,000", self.rounds))
                .hint("200 rounds give an interval, and 2,000 a precise one"));
        }
        let mut options = Options::default();
        if self.rounds > 0 {
            options.bootstrap = Some(Bootstrap::new(self.rounds, self.seed, self.confidence)?);
        }
        Ok(options)
    }
}

/// Fails unless an option's value is a rate.
fn check_rate(option: &str, rate: f64) -> Result<(), Failure> {
    if (0.0..=1.0).contains(&rate) {
        return Ok(());
    }
    Err(Failure::new(format!("{option}: {rate} is not a rate"))
        .hint("give a number from 0 to 1, such as 0.001"))
}

/// Shows how far long work is.
struct Bar(ProgressBar);

impl Bar {
    const STEPS: u64 = 1000;

    fn new(shared: &Shared) -> Bar {
        Bar(shared.progress(Bar::STEPS as usize))
    }
    fn finish(self) {
        self.0.finish_and_clear();
    }
}

impl Watch for Bar {
    fn stage(&self, what: &str) {
        self.0.set_position(0);
        self.0.set_message(what.to_owned());
    }
    fn progress(&self, done: u64, all: u64) {
        let share = u128::from(done) * u128::from(Bar::STEPS) / u128::from(all.max(1));
        self.0.set_position(share as u64);
    }
}

/// Which photos of a list.
#[derive(Args, Clone)]
pub(crate) struct Choice {
    /// Lists of photos: CSV files with a column `path` and what the command needs beside it (person, boxes), or a folder
    /// that contains one folder of photos per person
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<PathBuf>,
    /// The folder in which the paths of the lists begin [default: the first list's own]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Take only photos whose column has this value. You can give this option several times
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<String>,
    /// Of photos that have the same file name in several folders, take only the first
    #[arg(long)]
    distinct_names: bool,
    /// Take only every N-th photo, for a first impression
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
}

/// Errors of `phiz-eval` say their hint on a line of its own.
impl From<phiz_eval::EvalError> for Failure {
    fn from(error: phiz_eval::EvalError) -> Failure {
        let text = error.to_string();
        match text.split_once("\nhint: ") {
            Some((message, hint)) => Failure::new(message).hint(hint),
            None => Failure::new(text),
        }
    }
}
