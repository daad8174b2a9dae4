//! `phiz eval`: how good is it, on whose data, and how sure are we.
//!
//! The figures come from `phiz-eval`, which knows no network and no picture. Here photos become templates (or
//! templates come from a file of another system), and the answer becomes a table, JSON, Markdown or a page.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use phiz_eval::bootstrap::Bootstrap;

use super::{Done, Failure, Shared};

mod boxes;
mod cache;
mod gallery;
mod landmarks;
mod quality;
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
    /// Pairs of photos from a list: LFW's pairs.txt, or a CSV file (a,b,same[,score,fold,person_a,person_b])
    Pairs(verification::Pairs),
    /// Every photo against every other: a list or a folder of people; also rates by group
    AllPairs(verification::AllPairs),
    /// Searches of a gallery, with people who are not in it
    Identify(search::Identify),
    /// Found faces against true boxes: a list with boxes, WIDER FACE's text or COCO's JSON
    Detect(boxes::Detect),
    /// Landmarks of the central face against another detector's
    Landmarks(landmarks::Arguments),
    /// Whether the quality score knows which photos will fail
    Quality(quality::Quality),
    /// The people in the gallery: who looks alike, which photos are suspicious, which threshold for which rate
    Gallery(gallery::Arguments),
    /// The similarities for false match rates, as a model card's [thresholds] wants them
    Thresholds(verification::Thresholds),
    /// Several runs, written by --json, side by side; with paired tests where they stand on the same people
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
        What::Quality(a) => quality::quality(a, shared),
        What::Gallery(a) => gallery::run(a, shared),
        What::Thresholds(a) => verification::thresholds(a, shared),
        What::Compare(a) => report::compare(a),
    }
}

/// How sure we want to be.
#[derive(Args, Clone)]
pub(crate) struct Sureness {
    /// Rounds of drawing people again, for intervals; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Intervals")]
    rounds: usize,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Intervals")]
    seed: u64,
    /// Confidence of the intervals
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, help_heading = "Intervals")]
    confidence: f64,
}

impl Sureness {
    /// Checked; none for no rounds.
    fn bootstrap(&self) -> Result<Option<Bootstrap>, Failure> {
        super::verify::check_rate("--confidence", self.confidence)?;
        if self.rounds > 20_000 {
            return Err(Failure::new(format!("--rounds: {} is more than 20,000", self.rounds))
                .hint("200 rounds give an interval, 2,000 a good one"));
        }
        let (rounds, seed, confidence) = (self.rounds, self.seed, self.confidence);
        Ok((rounds > 0).then_some(Bootstrap { rounds, seed, confidence }))
    }
}

/// Which photos of a list.
#[derive(Args, Clone)]
pub(crate) struct Choice {
    /// CSV files (path,person[,…]), or a folder with a folder of photos a person
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<PathBuf>,
    /// Folder that the lists' paths are in [default: the first list's own]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Only photos whose column has this value; may be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<String>,
    /// Of photos with one file name in several folders take the first only
    #[arg(long)]
    distinct_names: bool,
    /// Only every n-th photo, for a first impression
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
