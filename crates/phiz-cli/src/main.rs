//! The program `phiz`: arguments, what every command shares, and how a run ends.
//!
//! Each command is a module with its arguments beside its code; what is decided about a photo is decided in
//! `phiz-service`. Data goes to standard output, everything else to standard error. The exit code is 0 when all was done,
//! 1 when the answer is no or some photos could not be used (the others were), 2 when nothing could be done or the answer
//! could not be written.

// All printing goes through `out`, which neither panics nor passes on what acts on a terminal.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use phiz_face::{Analyzer, DetectOptions, Detection, FaceError, Model, Precision};
use phiz_image::{DecodeOptions, Image};
use phiz_service::Service;

mod adopt;
mod bench;
mod completions;
mod config;
#[cfg(feature = "train")]
mod data;
mod deliver;
mod detect;
mod embed;
mod enroll;
mod eval;
mod explain;
mod faces;
mod find;
mod gallery;
mod identify;
mod key;
mod live;
mod model;
mod npy;
mod out;
mod output;
mod people;
mod photos;
mod picture;
mod redact;
mod review;
mod scan;
mod serve;
mod store;
mod strangers;
mod table;
mod tag;
#[cfg(feature = "train")]
mod train;
mod verify;
mod watch;

use out::note;

/// Finds the faces in photos and says whose they are. Works offline, with its own models inside.
#[derive(Parser)]
#[command(name = "phiz", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Examples:
  phiz enroll Ada ada-1.jpg ada-2.jpg      learn a person from photos
  phiz identify party.jpg                  say who is in a photo
  phiz verify passport.jpg selfie.jpg      say whether two photos show the same person
  phiz watch party.mp4                     say who is in a video, and when
  phiz detect party.jpg --annotate out.jpg find the faces, and mark them in a copy

Exit codes:
  0  everything was done, and the answer is yes
  1  the answer is no, or some photos could not be used
  2  nothing could be done, or the answer could not be written")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    shared: Shared,
}

/// Options that several commands share. They may stand before the command or behind it; the help of a command lists those
/// that mean something to it.
#[derive(Args)]
pub(crate) struct Shared {
    /// The gallery's file [default: gallery.phiz in the folder of --home]
    #[arg(long, global = true, value_name = "FILE", help_heading = GALLERY)]
    gallery: Option<PathBuf>,
    /// The gallery's key file [default: the passphrase in PHIZ_PASSPHRASE if it is set, else the file beside the gallery
    /// that ends in .key]
    #[arg(long, global = true, value_name = "FILE", help_heading = GALLERY)]
    key: Option<PathBuf>,
    /// Keep the key of a new gallery in the operating system's keyring instead of a file
    #[arg(long, global = true, conflicts_with = "key", help_heading = GALLERY)]
    keyring: bool,
    /// The folder in which the gallery and its key are kept [default: phiz in the user's data folder]
    // An empty one is an error of the commands that need it, and of no other.
    #[arg(long, global = true, env = "PHIZ_HOME", value_name = "DIR", value_parser = any_path(), help_heading = GALLERY)]
    home: Option<PathBuf>,
    /// Use another detector than the bundled one, by its model card (a TOML file)
    #[arg(long, global = true, value_name = "CARD", help_heading = MODELS)]
    detector: Option<PathBuf>,
    /// Use another embedder than the bundled one, by its model card (a TOML file)
    #[arg(long, global = true, value_name = "CARD", help_heading = MODELS)]
    embedder: Option<PathBuf>,
    /// Use the small bundled models, which take a third to a half of the time and recognise fewer people. A gallery can be
    /// used only with the models that it was made with
    #[arg(long, global = true, help_heading = MODELS)]
    small: bool,
    /// Describe each face only once, and not its mirror image as well. This takes half the time per face and is slightly
    /// less accurate
    #[arg(long, global = true, help_heading = MODELS)]
    quick: bool,
    /// The numbers in which the networks compute: f32, bf16 (faster, on some processors), int8 (faster still for embedding,
    /// on some processors) or auto (for the bundled models the fastest of these on this processor, where its accuracy was
    /// measured to be that of f32; for others f32). Templates of all can be compared
    // Not global: the trainer has an option of that name for its own arithmetic.
    #[arg(long, value_name = "PRECISION", default_value = "auto", help_heading = MODELS)]
    precision: Precision,
    /// Number of photos to work on at the same time [default: one per processor]
    #[arg(long, global = true, value_name = "N", help_heading = WORK)]
    threads: Option<usize>,
    /// Show no progress bar and no summary (what was left out of folders is still reported)
    #[arg(long, short, global = true, help_heading = WORK)]
    quiet: bool,
}

const GALLERY: &str = "Gallery";
const MODELS: &str = "Models";
const WORK: &str = "Work";

#[derive(Subcommand)]
enum Command {
    /// Learn people from their photos
    Enroll(enroll::Arguments),
    /// Say who is in photos, or that it is nobody you have enrolled
    Identify(identify::Arguments),
    /// Look at every photo of your folders once and remember the faces, so that `phiz find` answers at once
    Scan(scan::Arguments),
    /// List the photos of an archive that show somebody
    Find(find::Arguments),
    /// Show the people in an archive whom nobody has named, and name them
    Strangers(strangers::Arguments),
    /// Answer questions about faces, the most useful first
    Review(review::Arguments),
    /// Say why a face is who it is, or is not
    Explain(explain::Arguments),
    /// Write who is in photos into their metadata, for other programs
    Tag(tag::Arguments),
    /// Show and correct the people in the gallery, and undo changes
    People(people::Arguments),
    /// Check, purge, export, import or calibrate the gallery as a whole, or change its key
    Gallery(gallery::Arguments),
    /// Answer other programs over HTTP, and show a page to work with
    Serve(serve::Arguments),
    /// Make, list and revoke the keys by which programs may call the server
    Key(key::Arguments),
    /// Show the settings of the server, and where each value comes from
    Config(config::Arguments),
    /// Say who is in a video or before a camera, and when
    Watch(watch::Arguments),
    /// Hide faces in a photo or video
    Redact(redact::Arguments),
    /// Find the faces in photos
    Detect(detect::Arguments),
    /// Say whether two photos show the same person, or whether a photo shows a person in the gallery
    Verify(verify::Arguments),
    /// Write the templates of faces (the numbers that describe them) to a file, for other programs
    Embed(embed::Arguments),
    /// Measure error rates on your own photos, and how certain they are
    Eval(eval::Arguments),
    /// List the networks that Phiz knows, and what they cost
    Model(model::Arguments),
    /// Print a script that completes commands and options in your shell, or write manual pages
    Completions(completions::Arguments),
    /// Measure how fast the bundled networks run on this machine
    Bench(bench::Arguments),
    /// Prepare your own photos for training: check, split, align, preview
    #[cfg(feature = "train")]
    Data(data::Arguments),
    /// Train face detectors and embedders from recipes
    #[cfg(feature = "train")]
    Train(phiz_train::cli::Train),
    /// Prepare your own photos for training (not in this build)
    #[cfg(not(feature = "train"))]
    #[command(hide = true)]
    Data(Unbuilt),
    /// Train face detectors and embedders (not in this build)
    #[cfg(not(feature = "train"))]
    #[command(hide = true)]
    Train(Unbuilt),
}

/// The arguments of a command that this build does not have, whatever they are.
#[cfg(not(feature = "train"))]
#[derive(Args)]
#[command(disable_help_flag = true)]
struct Unbuilt {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<std::ffi::OsString>,
}

impl Command {
    /// Groups of shared options that have no meaning for a command, by the command's name: its help does not list them.
    const WITHOUT: &[(&str, &[&str])] = &[
        ("bench", &[GALLERY, MODELS]),
        ("people", &[]),
        ("gallery", &[MODELS]),
        ("key", &[MODELS, WORK]),
        ("config", &[MODELS, WORK]),
        ("detect", &[GALLERY]),
        ("embed", &[GALLERY]),
        ("model", &[GALLERY, WORK]),
        ("data", &[GALLERY]),
        ("completions", &[GALLERY, MODELS, WORK]),
    ];

    /// Commands that take `--precision` behind their names, too.
    const WITH_PRECISION: &[&str] = &[
        "detect",
        "embed",
        "enroll",
        "eval",
        "explain",
        "find",
        "identify",
        "people",
        "redact",
        "review",
        "scan",
        "serve",
        "strangers",
        "tag",
        "verify",
        "watch",
    ];
}

/// The program's arguments, with a help for each command that lists no option without a meaning there.
fn command() -> clap::Command {
    let mut cli = Cli::command();
    let shared: Vec<clap::Arg> = cli.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    for (name, groups) in Command::WITHOUT {
        let hidden = shared.iter().filter(|arg| arg.get_help_heading().is_some_and(|h| groups.contains(&h)));
        let hidden: Vec<clap::Arg> = hidden.map(|arg| arg.clone().hide(true)).collect();
        if cli.find_subcommand(name).is_some() {
            // An argument that the subcommand has already is not handed down to it again.
            cli = cli.mut_subcommand(name, |command| command.args(hidden));
        }
    }
    // What is taken back is written down: no photo is named then.
    cli = cli
        .mut_subcommand("tag", |tag| tag.mut_arg("photos", |photos| photos.required_unless_present("undo")));
    let precision = cli.get_arguments().find(|arg| arg.get_id() == PRECISION).cloned();
    for name in Command::WITH_PRECISION {
        cli = cli.mut_subcommand(name, |command| command.args(precision.clone().map(|arg| arg.global(true))));
    }
    cli
}

const PRECISION: &str = "precision";

/// What was given for `--precision` behind the command's name.
fn precision_of(matches: &clap::ArgMatches) -> Option<Precision> {
    let (name, of_command) = matches.subcommand()?;
    let given = Command::WITH_PRECISION.contains(&name)
        && of_command.value_source(PRECISION) == Some(clap::parser::ValueSource::CommandLine);
    given.then(|| of_command.get_one::<Precision>(PRECISION).copied())?
}

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return ended(&error),
    };
    let Cli { command, mut shared } = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return ended(&error),
    };
    if let Some(precision) = precision_of(&matches) {
        shared.precision = precision;
    }
    let result = match command {
        Command::Enroll(arguments) => enroll::run(&arguments, &shared),
        Command::Identify(arguments) => identify::run(&arguments, &shared),
        Command::Scan(arguments) => scan::run(&arguments, &shared),
        Command::Find(arguments) => find::run(&arguments, &shared),
        Command::Strangers(arguments) => strangers::run(&arguments, &shared),
        Command::Review(arguments) => review::run(&arguments, &shared),
        Command::Explain(arguments) => explain::run(&arguments, &shared),
        Command::Tag(arguments) => tag::run(&arguments, &shared),
        Command::People(arguments) => people::run(&arguments, &shared),
        Command::Gallery(arguments) => gallery::run(&arguments, &shared),
        Command::Serve(arguments) => serve::run(&arguments, &shared),
        Command::Key(arguments) => key::run(&arguments, &shared),
        Command::Config(arguments) => config::run(&arguments, &shared),
        Command::Watch(arguments) => watch::run(&arguments, &shared),
        Command::Redact(arguments) => redact::run(&arguments, &shared),
        Command::Detect(arguments) => detect::run(&arguments, &shared),
        Command::Verify(arguments) => verify::run(&arguments, &shared),
        Command::Embed(arguments) => embed::run(&arguments, &shared),
        Command::Eval(arguments) => eval::run(&arguments, &shared),
        Command::Model(arguments) => model::run(&arguments, &shared),
        Command::Bench(arguments) => bench::run(&arguments, &shared),
        Command::Completions(arguments) => completions::run(&arguments),
        #[cfg(feature = "train")]
        Command::Data(arguments) => data::run(&arguments, &shared),
        #[cfg(feature = "train")]
        Command::Train(arguments) => train::run(arguments, &shared),
        #[cfg(not(feature = "train"))]
        Command::Data(_) | Command::Train(_) => Err(Failure::new("this build cannot train")
            .hint("build it with: cargo install --path crates/phiz-cli --features train")),
    };
    let unwritten = out::failure().map(|error| {
        Failure::new(format!("standard output: cannot be written ({error})"))
            .hint("the work is done, but its answer is lost: free some space, or send the output elsewhere")
    });
    match (result, unwritten) {
        (Ok(done), None) => done.into(),
        (Err(failure), _) | (Ok(_), Some(failure)) => {
            note!("error: {}", failure.message);
            if let Some(hint) = failure.hint {
                note!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}

/// A path that may be empty.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Arguments that ask for help or the version, or cannot be understood.
fn ended(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    // Without styles, and so without the escape sequences that arguments may bring along.
    let text = error.render().to_string();
    let terminal = if error.use_stderr() { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
    if terminal && arguments_are_harmless() {
        // In colour. Where it cannot be printed, there is nobody to tell.
        _ = error.print();
        return ExitCode::from(code);
    }
    let say = if error.use_stderr() { out::error_line } else { out::line };
    text.trim_end().split('\n').for_each(say);
    match out::failure() {
        Some(error) => {
            note!("error: standard output: cannot be written ({error})");
            ExitCode::from(2)
        }
        None => ExitCode::from(code),
    }
}

/// Whether no argument holds what acts on a terminal.
fn arguments_are_harmless() -> bool {
    std::env::args_os().all(|argument| {
        let argument = argument.to_string_lossy();
        out::clean(&argument) == argument
    })
}

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// All of it; the answer, if there is one, is yes.
    Well,
    /// The answer is no, or some photos could not be used.
    Partly,
    /// Nothing could be looked at, which was said already.
    Nothing,
}

impl From<Done> for ExitCode {
    fn from(done: Done) -> ExitCode {
        ExitCode::from(match done {
            Done::Well => 0,
            Done::Partly => 1,
            Done::Nothing => 2,
        })
    }
}

/// Why nothing could be done: a message that names the file or field, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    enough: bool,
}

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Failure {
        Failure { message: message.to_string(), hint: None, enough: false }
    }

    /// No failure, but the end of work whose answers nobody reads any more.
    pub(crate) fn enough() -> Failure {
        Failure { enough: true, ..Failure::new("nobody reads standard output any more") }
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.enough
    }

    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Failure {
        self.hint = Some(hint.to_string());
        self
    }

    /// A file that cannot be written.
    pub(crate) fn writing(path: &Path, error: &io::Error) -> Failure {
        Failure::new(format!("{}: cannot be written ({error})", path.display()))
            .hint("check that its folder exists, may be written to and has free space")
    }

    /// A file that cannot be read.
    pub(crate) fn reading(path: &Path, error: &dyn fmt::Display) -> Failure {
        Failure::new(format!("{}: cannot be read ({error})", path.display()))
            .hint("check that the file exists and may be read")
    }
}

impl From<phiz_service::Error> for Failure {
    fn from(error: phiz_service::Error) -> Failure {
        use phiz_service::Error;
        let failure = Failure::new(&error);
        match &error {
            Error::Photo(problem) => failure.hint(problem.remedy()),
            Error::Compared(compared) => failure.hint(compared.problem.remedy()),
            Error::Gallery(gallery) => failure.hint(gallery.hint()),
            Error::NoThresholds { .. } => {
                failure.hint("measure them with `phiz eval thresholds` and write them into the card")
            }
            Error::OtherModel { gallery, .. } => failure.hint(store::option_for(gallery)),
            Error::NoGallery(_) => failure.hint("enrol somebody first: phiz enroll NAME PHOTO…"),
            Error::GalleryIsFolder(_) => {
                failure.hint("name the file, or the folder that holds it with --home")
            }
            Error::EmptyHome => {
                failure.hint("set PHIZ_HOME or --home to a folder, or unset it to use the user's data folder")
            }
            Error::NoHome => failure.hint("set PHIZ_HOME to a folder, or name the file with --gallery"),
            Error::Folder { .. } => {
                failure.hint("check that the folder above it exists, may be written to and has free space")
            }
            Error::Models(_) => {
                failure.hint("check the cards that --detector and --embedder name, or leave them out")
            }
            _ => failure,
        }
    }
}

impl From<FaceError> for Failure {
    fn from(error: FaceError) -> Failure {
        Failure::new(error)
    }
}

/// Threads that work on one photo at most: small layers gain nothing from more.
const MOST_THREADS_OF_ONE: usize = 4;

impl Shared {
    /// The models that were asked for, and what Phiz does with them.
    pub(crate) fn service(&self) -> Result<Service, Failure> {
        Ok(Service::over(self.analyzer()?))
    }

    /// As [`Shared::service`], for a command that looks at so many photos: where they are fewer than threads, several
    /// threads share one.
    pub(crate) fn service_for(&self, photos: usize) -> Result<Service, Failure> {
        let each = self.threads()? / photos.max(1);
        Ok(Service::over(self.analyzer_of(each.clamp(1, MOST_THREADS_OF_ONE))?))
    }

    /// The models that were asked for, ready to work.
    pub(crate) fn analyzer(&self) -> Result<Analyzer, Failure> {
        self.analyzer_of(1)
    }

    /// The same on so many threads.
    fn analyzer_of(&self, threads: usize) -> Result<Analyzer, Failure> {
        let builder = Analyzer::builder().mirror(!self.quick).precision(self.precision).threads(threads);
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
    use super::{Command, command};

    #[test]
    fn arguments_are_consistent() {
        command().debug_assert();
    }

    /// A line that is broken by hand is broken once more in a terminal that is narrower.
    #[test]
    fn examples_fit_into_a_terminal_and_paragraphs_are_broken_by_it() {
        fn walk(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = help.lines().chain([""]).collect();
            for pair in lines.windows(2) {
                let (line, next) = (pair[0], pair[1]);
                let name = command.get_name();
                if line.starts_with(' ') {
                    assert!(line.chars().count() <= 100, "{name}: wider than 100 characters: {line}");
                } else {
                    let goes_on = !line.is_empty() && next.starts_with(|c: char| !c.is_whitespace());
                    assert!(!goes_on, "{name}: one paragraph in two lines: {line}");
                }
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&command());
    }

    #[test]
    fn help_lists_no_option_without_a_meaning() {
        for (name, groups) in Command::WITHOUT {
            let mut all = command();
            all.build();
            let help =
                all.find_subcommand_mut(name).map(|c| c.render_long_help().to_string()).unwrap_or_default();
            for group in *groups {
                assert!(!help.contains(&format!("\n{group}:")), "{name} lists {group}\n{help}");
            }
        }
    }
}
