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

/// Arguments of `phiz eval`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Verification on a list of pairs: LFW's pairs.txt, or a CSV file (a,b,same[,score,fold,person_a,person_b])
    Pairs(verification::Pairs),
    /// Verification of every photo against every other, from a list or a folder of people; also error rates by group
    AllPairs(verification::AllPairs),
    /// Identification: search a gallery, also for people who are not in it
    Identify(search::Identify),
    /// Detection against true boxes: a list (path,boxes[,…] with boxes `x y w h;x y w h`), WIDER FACE's text, or COCO's JSON
    Detect(boxes::Detect),
    /// Landmarks of the central face against another detector's
    Landmarks(landmarks::Arguments),
    /// Whether the quality score predicts which photos fail
    Quality(verification::Quality),
    /// The people in your gallery: who looks alike, which photos are suspicious, which threshold gives which error rate
    Gallery(gallery::Arguments),
    /// The similarities for false match rates, for a model card's [thresholds]
    Thresholds(verification::Thresholds),
    /// Compare several reports that --json wrote, with paired tests where they stand on the same people
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
        What::Quality(a) => verification::quality(a, shared),
        What::Gallery(a) => gallery::run(a, shared),
        What::Thresholds(a) => verification::thresholds(a, shared),
        What::Compare(a) => report::compare(a),
    }
}

/// How sure we want to be.
#[derive(Args, Clone)]
pub(crate) struct Sureness {
    /// Rounds of the bootstrap that gives the intervals; 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Intervals")]
    rounds: usize,
    /// Seed of everything that is drawn at random
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Intervals")]
    seed: u64,
    /// Confidence of the intervals
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, help_heading = "Intervals")]
    confidence: f64,
}

impl Sureness {
    /// Checked, with the defaults of everything else.
    fn options(&self) -> Result<Options, Failure> {
        check_rate("--confidence", self.confidence)?;
        if self.rounds > 20_000 {
            return Err(Failure::new(format!("--rounds: {} is more than 20,000", self.rounds))
                .hint("200 rounds give an interval, 2,000 a good one"));
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
    Err(Failure::new(format!("{option}: {rate} is no rate")).hint("give a number from 0 to 1, such as 0.001"))
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
    /// that holds one folder of photos for each person
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<PathBuf>,
    /// Folder that the paths in the lists begin at [default: the first list's own]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Take only photos whose column has this value. May be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<String>,
    /// Of photos that have the same file name in several folders, take only the first
    #[arg(long)]
    distinct_names: bool,
    /// Take only every n-th photo, for a first impression
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
