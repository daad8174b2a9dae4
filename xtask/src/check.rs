//! `cargo xtask check`: everything that must hold before a change is shared, cheap checks first.
//!
//! It stops at the first check that fails, because the later ones take minutes. Tests come last, so that the last
//! line printed is the test runner's summary.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::ValueEnum;

use crate::skipped;

/// The trainer and the keyring are no part of the default build, but of what is checked. LibTorch is not: it must be
/// installed.
const EVERYTHING: &str = "--features=phiz-cli/train,phiz-cli/keyring";

/// Arguments of `cargo xtask check`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these checks
    #[arg(long, value_delimiter = ',', value_name = "CHECK,…")]
    only: Vec<Check>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Format of all Rust files
    Fmt,
    /// Licences, bans and sources of all dependencies
    Deny,
    /// Clippy on all targets, warnings are errors
    Clippy,
    /// Crates without their default features and with each feature alone
    Features,
    /// Documentation, warnings are errors
    Docs,
    /// The page: types, units, the committed build, and the whole way through it in Chromium
    Web,
    /// Examples in the documentation, then all other tests
    Tests,
}

/// Runs the checks in the order of their cost.
///
/// # Errors
/// The first check that failed, and the command that repeats it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    for check in Check::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(check) {
            match check {
                Check::Fmt => cargo(&["fmt", "--all", "--check"], &[])?,
                Check::Deny => deny()?,
                Check::Clippy => {
                    cargo(
                        &[
                            "clippy",
                            "--workspace",
                            EVERYTHING,
                            "--all-targets",
                            "--locked",
                            "--",
                            "-D",
                            "warnings",
                        ],
                        &[],
                    )?;
                }
                Check::Features => features()?,
                Check::Docs => {
                    let flags = [("RUSTDOCFLAGS", "-D warnings")];
                    cargo(&["doc", "--workspace", EVERYTHING, "--no-deps", "--locked"], &flags)?;
                }
                Check::Web => web()?,
                Check::Tests => tests()?,
            }
        }
    }
    Ok(())
}

/// Builds that nobody makes on the way: what is left out must not be needed, and each feature must stand alone.
const BUILDS: [(&str, &[&str]); 7] = [
    ("phiz", &["--no-default-features"]),
    ("phiz", &["--no-default-features", "--features=bundled"]),
    ("phiz", &["--no-default-features", "--features=gallery"]),
    ("phiz-gallery", &["--no-default-features"]),
    ("phiz-gallery", &["--no-default-features", "--features=keyring"]),
    ("phiz-cli", &[]),
    ("phiz-cli", &["--features=keyring"]),
];

fn features() -> Result<(), String> {
    BUILDS.iter().try_for_each(|(package, flags)| {
        let arguments =
            [&["clippy", "--locked", "--package", *package][..], flags, &["--", "-D", "warnings"]];
        cargo(&arguments.concat(), &[])
    })
}

fn deny() -> Result<(), String> {
    if !has("deny") {
        return Err("cargo-deny is missing; `cargo install --locked cargo-deny`, or `.ci/run`".into());
    }
    // The trainer is a member of the workspace; the keyring's crates come with the feature only.
    let arguments = ["deny", "--features=phiz-cli/keyring", "--log-level", "error", "check"];
    cargo(&[&arguments[..], &["licenses", "bans", "sources"]].concat(), &[])
}

/// The page against the program, which is built as the tests need it.
fn web() -> Result<(), String> {
    cargo(&["build", "--workspace", EVERYTHING, "--tests", "--locked"], &[])?;
    for arguments in [&["ci", "--no-audit", "--no-fund"][..], &["test"]] {
        println!("$ npm {} (in web/)", arguments.join(" "));
        let status = Command::new("npm").args(arguments).current_dir("web").status();
        let status =
            status.map_err(|e| format!("npm: {e}; install Node.js 20.19 or later, or run `.ci/run`"))?;
        if !status.success() {
            return Err(format!("`npm {}` in web/ failed ({status})", arguments.join(" ")));
        }
    }
    Ok(())
}

/// nextest runs no examples of the documentation, so these go first and by cargo.
fn tests() -> Result<(), String> {
    if has("nextest") {
        cargo(&["test", "--workspace", EVERYTHING, "--doc", "--quiet", "--locked"], &[])?;
        return nextest();
    }
    let arguments = ["test", "--workspace", EVERYTHING, "--locked", "--no-fail-fast"];
    announce(&arguments);
    let mut command = command(&arguments, &[]);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("cargo: {e}"))?;
    let mut total = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|e| format!("cargo test: {e}"))?;
            total.add(&line);
            println!("{line}");
        }
    }
    let status = child.wait().map_err(|e| format!("cargo test: {e}"))?;
    if !status.success() {
        eprintln!("error: `cargo {}` failed ({status})", arguments.join(" "));
    }
    println!("{}", total.summary());
    if status.success() { Ok(()) } else { std::process::exit(1) }
}

/// All tests by nextest; its summary is held back until those are named that could not do their work.
fn nextest() -> Result<(), String> {
    let shown = ["--no-fail-fast", "--status-level", "slow", "--final-status-level", "slow"];
    let arguments =
        [&["nextest", "run", "--profile", "check", "--workspace", EVERYTHING, "--locked"][..], &shown]
            .concat();
    announce(&arguments);
    let line = format!("`cargo {}`", arguments.join(" "));
    let report = target().join("nextest/check/junit.xml");
    // The report of an earlier run says nothing about this one.
    _ = std::fs::remove_file(&report);
    let mut child =
        command(&arguments, &[]).stderr(Stdio::piped()).spawn().map_err(|e| format!("{line}: {e}"))?;
    let mut summary = String::new();
    if let Some(output) = child.stderr.take() {
        for said in BufReader::new(output).lines() {
            let said = said.map_err(|e| format!("{line}: {e}"))?;
            match said.trim_start().starts_with("Summary [") {
                true => summary = said,
                false => eprintln!("{said}"),
            }
        }
    }
    let status = child.wait().map_err(|e| format!("{line}: {e}"))?;
    let report = std::fs::read_to_string(&report).unwrap_or_default();
    if let Some(text) = skipped::told(&skipped::reasons(&report)) {
        eprintln!("{text}");
    }
    eprintln!("{summary}");
    if status.success() { Ok(()) } else { Err(format!("{line} failed ({status})")) }
}

/// Where cargo builds.
fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// Sums of cargo's `test result:` lines, of which there is one a test binary.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let (number, what) = count.split_once(' ').unwrap_or((count, ""));
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn summary(&self) -> String {
        let word = if self.failed == 0 { "ok" } else { "FAILED" };
        format!(
            "test result: {word}. {} passed; {} failed; {} ignored",
            self.passed, self.failed, self.ignored
        )
    }
}

fn has(subcommand: &str) -> bool {
    let mut command = command(&[subcommand, "--version"], &[]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn announce(arguments: &[&str]) {
    eprintln!("$ cargo {}", arguments.join(" "));
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    announce(arguments);
    let start = Instant::now();
    let line = format!("`cargo {}`", arguments.join(" "));
    let status = command(arguments, environment).status().map_err(|e| format!("{line}: {e}"))?;
    if !status.success() {
        return Err(format!("{line} failed ({status})"));
    }
    // Nothing after the last check: its own summary shall be the last line.
    if arguments.first() != Some(&"nextest") {
        eprintln!("  {:.0} s", start.elapsed().as_secs_f32());
    }
    Ok(())
}

/// The cargo that runs us, at the root of the workspace.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).envs(environment.iter().copied());
    if let Some(root) = Path::new(env!("CARGO_MANIFEST_DIR")).parent() {
        command.current_dir(root);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn tally_sums_all_binaries_and_names_a_failure() {
        let mut total = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s",
        ] {
            total.add(line);
        }
        assert_eq!(total.summary(), "test result: ok. 12 passed; 0 failed; 1 ignored");
        total.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(total.summary(), "test result: FAILED. 16 passed; 2 failed; 1 ignored");
    }
}
