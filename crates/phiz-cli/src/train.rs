//! `phiz train`: everything is in the trainer; here it meets the command line.

use super::{Done, Failure, Shared};

/// Runs the trainer.
pub(super) fn run(arguments: phiz_train::cli::Train, shared: &Shared) -> Result<Done, Failure> {
    phiz_train::cli::main(arguments, shared.threads()?).map_err(Failure::new)?;
    Ok(Done::Well)
}
