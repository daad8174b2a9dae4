//! Quality: does discarding what the score calls poor remove the errors?

use clap::Args;
use phiz_eval::all_pairs::all_pairs;
use phiz_eval::discard::{ErrorVersusDiscard, GenuinePair};
use phiz_eval::report::build;

use super::Choice;
use super::report::{Draft, Output, finish};
use super::subject::{Source, Subject};
use super::verification::with_bar;
use crate::verify::check_rate;
use crate::{Done, Failure, Shared};

/// Arguments of `phiz eval quality`.
#[derive(Args)]
pub(crate) struct Quality {
    #[command(flatten)]
    choice: Choice,
    /// Take the quality from this column of the list instead of our own score
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// Judge where so many pairs of different people are accepted
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    fmr: f64,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    output: Output,
}

/// `phiz eval quality`.
pub(crate) fn quality(arguments: &Quality, shared: &Shared) -> Result<Done, Failure> {
    check_rate("--fmr", arguments.fmr)?;
    if arguments.source.reads_embeddings() && arguments.column.is_none() {
        return Err(Failure::new("a file of templates holds no quality")
            .hint("name a column of the list by --column"));
    }
    let Subject { manifest, samples, described, mut facts, .. } =
        Subject::new(&arguments.choice, &arguments.source, shared)?;
    let curve = with_bar(shared, "comparing", |bar| all_pairs(&samples, 0, bar))?.curve;
    let threshold = curve.threshold_at_fmr(arguments.fmr)?;
    // A photo without a face has the lowest quality there is.
    let qualities: Vec<f64> = match &arguments.column {
        Some(column) => manifest.numbers(column)?,
        None => described.faces.iter().map(|f| f.as_ref().map_or(0.0, |f| f64::from(f.quality))).collect(),
    };
    let rows = samples.rows();
    let mut pairs = Vec::new();
    for photos in samples.people().samples() {
        for (k, &a) in photos.iter().enumerate() {
            for &b in &photos[k + 1..] {
                let score = samples.similarity(&rows, a, b);
                pairs.push(GenuinePair { score, quality_a: qualities[a], quality_b: qualities[b] });
            }
        }
    }
    let edc = ErrorVersusDiscard::new(&pairs, threshold)?;
    let of = arguments.column.clone().unwrap_or_else(|| "Phiz's own".into());
    facts.push(("quality".into(), of));
    let draft = Draft {
        name: described.name,
        question: format!(
            "quality, {} pairs of one person at a false match rate of {:e}",
            pairs.len(),
            arguments.fmr
        ),
        facts,
        warnings: Vec::new(),
        bootstrap: None,
        drawn: &[],
        sections: vec![build::quality(&edc)],
    };
    finish(draft, &arguments.output, described.unreadable)
}
