//! Identification: a gallery and probes drawn from a list, people outside the gallery among them.

use clap::Args;
use phiz_eval::experiment::experiment;
use phiz_eval::identification::SplitOptions;
use phiz_eval::report::build::identification;

use super::report::{Draft, Output, finish};
use super::subject::{Source, Subject};
use super::verification::{draws, with_bar};
use super::{Choice, Sureness};
use crate::{Done, Failure, Shared};

/// Arguments of `phiz eval identify`.
#[derive(Args)]
pub(crate) struct Identify {
    #[command(flatten)]
    choice: Choice,
    /// Photos enrolled of each person
    #[arg(long, value_name = "N", default_value_t = 1)]
    enroll: usize,
    /// Share of the people who stay outside the gallery; 0 for a closed set
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    outside: f64,
    /// Enrol people with too few photos to be searched for, too: they make the gallery larger
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
    let bootstrap = arguments.sureness.bootstrap()?;
    let options = SplitOptions {
        enroll: arguments.enroll,
        outside: arguments.outside,
        distractors: arguments.distractors,
        seed: arguments.sureness.seed,
    };
    let Subject { samples, described, mut facts, .. } =
        Subject::new(&arguments.choice, &arguments.source, shared)?;
    let result = with_bar(shared, "searching", |bar| experiment(&samples, &options, bar))?;
    facts.push((
        "split".into(),
        format!(
            "{} photos enrolled a person, {} of the people outside, seed {}",
            options.enroll, options.outside, options.seed
        ),
    ));
    let draws = draws(&samples, bootstrap)?;
    let confidence = arguments.sureness.confidence;
    let section = identification(&result, samples.people().names(), draws.as_ref(), confidence)?;
    let draft = Draft {
        name: described.name,
        question: format!(
            "identification, {} people enrolled, {} searches",
            result.enrolled.0,
            result.identification.searches.len()
        ),
        facts,
        warnings: Vec::new(),
        bootstrap: draws.as_ref().and(bootstrap),
        drawn: samples.people().names(),
        sections: vec![section],
    };
    finish(draft, &arguments.output, described.unreadable)
}
