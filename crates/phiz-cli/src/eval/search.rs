//! `phiz eval identify`: a gallery and probes drawn from a list, people who are not enrolled among them.

use clap::Args;
use phiz_eval::identification::SplitOptions;
use phiz_eval::protocol;

use super::report::{Output, finish};
use super::subject::Source;
use super::{Bar, Choice, Sureness, check_rate};
use crate::{Done, Failure, Shared};

/// Arguments of `phiz eval identify`.
#[derive(Args)]
pub(crate) struct Identify {
    #[command(flatten)]
    choice: Choice,
    /// The number of photos of each person that are enrolled
    #[arg(long, value_name = "N", default_value_t = 1)]
    enroll: usize,
    /// The share of people who are not enrolled and should be unknown; 0 for a closed set
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    outside: f64,
    /// Also enrol people who have too few photos to be searched for, which makes the gallery larger
    #[arg(long)]
    distractors: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    sureness: Sureness,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval identify`.
pub(crate) fn identify(arguments: &Identify, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--outside", arguments.outside)?;
    let options = arguments.sureness.options()?;
    arguments.output.check(arguments.choice.inputs().chain(arguments.source.inputs()))?;
    let split = SplitOptions {
        enroll: arguments.enroll,
        outside: arguments.outside,
        distractors: arguments.distractors,
        seed: arguments.sureness.seed,
    };
    let (prepared, _) = arguments.choice.prepare(&arguments.source, shared)?;
    let bar = Bar::new(shared);
    let report = protocol::identification(&prepared, &split, &options, &bar)?;
    bar.finish();
    finish(report, &arguments.output)
}
