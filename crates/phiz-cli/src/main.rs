//! The program `phiz`: arguments, what every command shares, and how a run ends.
//!
//! Each command is a module with its arguments beside its code. Data goes to stdout, everything else to stderr.
//! The exit code is 0 when all was done, 1 when the answer is no or some photos could not be used (the others
//! were), 2 when nothing could be done.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use phiz_face::{DetectOptions, Detection, Engine, Face, FaceError, Model, Rotate, Template};
use phiz_image::{DecodeOptions, Image, ImageError};

#[cfg(feature = "train")]
mod data;
mod detect;
mod embed;
mod enroll;
mod eval;
mod faces;
mod gallery;
mod identify;
mod model;
mod npy;
mod people;
mod photos;
mod store;
mod table;
mod tell;
#[cfg(feature = "train")]
mod train;
mod verify;

/// Finds the faces in photos and says whose they are. Works offline, with its own models inside.
#[derive(Parser)]
#[command(name = "phiz", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    shared: Shared,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Shared {
    /// Gallery file [default: gallery.phiz in PHIZ_HOME]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Shared options")]
    gallery: Option<PathBuf>,
    /// Key file of the gallery [default: beside it; or a passphrase in PHIZ_PASSPHRASE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Shared options")]
    key: Option<PathBuf>,
    /// Keep the key of a new gallery in the operating system's keyring
    #[arg(long, global = true, conflicts_with = "key", help_heading = "Shared options")]
    keyring: bool,
    /// Folder of the gallery and its key [default: phiz in the user's data folder]
    #[arg(long, global = true, env = "PHIZ_HOME", value_name = "DIR", help_heading = "Shared options")]
    home: Option<PathBuf>,
    /// Model card (TOML) of another detector than the bundled one
    #[arg(long, global = true, value_name = "CARD", help_heading = "Shared options")]
    detector: Option<PathBuf>,
    /// Model card (TOML) of another embedder than the bundled one
    #[arg(long, global = true, value_name = "CARD", help_heading = "Shared options")]
    embedder: Option<PathBuf>,
    /// The small models, for little machines: less exact, a third to half of the time. A gallery belongs to the models that it
    /// was made with
    #[arg(long, global = true, help_heading = "Shared options")]
    small: bool,
    /// Embed each face once, not also in the mirror: half the time to describe it, a little less exact
    #[arg(long, global = true, help_heading = "Shared options")]
    quick: bool,
    /// Photos worked on at the same time [default: all processors]
    #[arg(long, global = true, value_name = "N", help_heading = "Shared options")]
    threads: Option<usize>,
    /// No progress bar
    #[arg(long, short, global = true, help_heading = "Shared options")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Learn people from their photos
    Enroll(enroll::Arguments),
    /// Say who is in photos, or that nobody known is
    Identify(identify::Arguments),
    /// Look at the people in the gallery, put right what is wrong, undo
    People(people::Arguments),
    /// The gallery as a whole: figures, check, purge, archives, calibration, keys
    Gallery(gallery::Arguments),
    /// Find the faces in photos
    Detect(detect::Arguments),
    /// Say whether two photos show the same person, or a photo somebody known
    Verify(verify::Arguments),
    /// Write the templates of faces to a file, for other programs
    Embed(embed::Arguments),
    /// Measure how good it is on your own photos, and how sure that is
    Eval(eval::Arguments),
    /// Look at the networks that Phiz knows
    Model(model::Arguments),
    /// Bring your own photos to training: check, split, prepare, preview
    #[cfg(feature = "train")]
    Data(data::Arguments),
    /// Train face detectors and embedders from recipes
    #[cfg(feature = "train")]
    Train(phiz_train::cli::Train),
}

fn main() -> ExitCode {
    let Cli { command, shared } = Cli::parse();
    let result = match command {
        Command::Enroll(arguments) => enroll::run(&arguments, &shared),
        Command::Identify(arguments) => identify::run(&arguments, &shared),
        Command::People(arguments) => people::run(&arguments, &shared),
        Command::Gallery(arguments) => gallery::run(&arguments, &shared),
        Command::Detect(arguments) => detect::run(&arguments, &shared),
        Command::Verify(arguments) => verify::run(&arguments, &shared),
        Command::Embed(arguments) => embed::run(&arguments, &shared),
        Command::Eval(arguments) => eval::run(&arguments, &shared),
        Command::Model(arguments) => model::run(&arguments, &shared),
        #[cfg(feature = "train")]
        Command::Data(arguments) => data::run(&arguments, &shared),
        #[cfg(feature = "train")]
        Command::Train(arguments) => train::run(arguments, &shared),
    };
    match result {
        Ok(done) => done.into(),
        // Whoever reads our output has seen enough (`phiz … | head`).
        Err(failure) if failure.broken_pipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            if let Some(hint) = failure.hint {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// All of it; the answer, if there is one, is yes.
    Well,
    /// The answer is no, or some photos could not be used.
    Partly,
}

impl From<Done> for ExitCode {
    fn from(done: Done) -> ExitCode {
        ExitCode::from(u8::from(done == Done::Partly))
    }
}

/// Why nothing could be done: a message that names the file or field, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    broken_pipe: bool,
}

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Failure {
        Failure { message: message.to_string(), hint: None, broken_pipe: false }
    }

    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Failure {
        self.hint = Some(hint.to_string());
        self
    }

    /// A file that cannot be written.
    pub(crate) fn writing(path: &Path, error: &io::Error) -> Failure {
        Failure::new(format!("{}: cannot be written ({error})", path.display()))
            .hint("check that its folder exists, may be written and has room")
    }

    /// A file that cannot be read.
    pub(crate) fn reading(path: &Path, error: &dyn fmt::Display) -> Failure {
        Failure::new(format!("{}: cannot be read ({error})", path.display()))
            .hint("check that the file exists and may be read")
    }
}

/// Standard output is the only thing written without a path of its own.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Failure { broken_pipe, ..Failure::new(format!("standard output: cannot be written ({error})")) }
    }
}

impl From<FaceError> for Failure {
    fn from(error: FaceError) -> Failure {
        Failure::new(error)
    }
}

impl Shared {
    /// The models that were asked for, ready to work.
    pub(crate) fn engine(&self) -> Result<Engine, Failure> {
        let builder = Engine::builder().mirror(!self.quick);
        Ok(builder.detector(self.detector()?).embedder(self.embedder()?).build()?)
    }

    /// The detector that was asked for.
    pub(crate) fn detector(&self) -> Result<Model, Failure> {
        let bundled = if self.small { Model::small_detector } else { Model::bundled_detector };
        Ok(self.detector.as_deref().map_or_else(bundled, Model::open)?)
    }

    /// The embedder that was asked for.
    pub(crate) fn embedder(&self) -> Result<Model, Failure> {
        let bundled = if self.small { Model::small_embedder } else { Model::bundled_embedder };
        Ok(self.embedder.as_deref().map_or_else(bundled, Model::open)?)
    }

    /// Photos that are worked on at the same time.
    pub(crate) fn threads(&self) -> Result<usize, Failure> {
        match self.threads {
            Some(0) => Err(Failure::new("--threads: 0 threads cannot work").hint("give 1 or more")),
            Some(threads) => Ok(threads),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// A progress bar on stderr for so many steps; hidden if it would not help anybody.
    pub(crate) fn progress(&self, steps: usize) -> indicatif::ProgressBar {
        if self.quiet || steps < 3 || !io::stderr().is_terminal() {
            return indicatif::ProgressBar::hidden();
        }
        let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len}, {eta} left {msg}");
        let bar = indicatif::ProgressBar::new(steps as u64);
        match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
