//! From figures to what is handed over: terminal, JSON, Markdown, a page; and several runs side by side.

use std::path::{Path, PathBuf};

use clap::Args;
use phiz_eval::bootstrap::Bootstrap;
use phiz_eval::report::{FORMAT, Run, Section, html, text};

use super::subject::hex;
use crate::{Done, Failure};

/// Where the answer goes besides the terminal.
#[derive(Args, Clone)]
pub(crate) struct Output {
    /// Write everything as JSON, for `phiz eval compare` and other programs
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    json: Option<PathBuf>,
    /// Write one page with curves and a movable threshold; needs no network
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    html: Option<PathBuf>,
    /// Write tables for papers
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    markdown: Option<PathBuf>,
}

/// The parts of a run that every protocol has.
pub(crate) struct Draft<'a> {
    pub(crate) name: String,
    pub(crate) question: String,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) warnings: Vec<String>,
    pub(crate) bootstrap: Option<Bootstrap>,
    /// What the rounds drew from, in order: runs over the same can be compared by pairs.
    pub(crate) drawn: &'a [String],
    pub(crate) sections: Vec<Section>,
}

impl Draft<'_> {
    /// Adds what is the same for every run.
    fn run(self) -> Run {
        let command: Vec<String> = std::env::args().map(|a| quoted(&a)).collect();
        let mut facts = vec![
            ("command".to_owned(), command.join(" ")),
            ("version".to_owned(), format!("phiz {}", env!("CARGO_PKG_VERSION"))),
            ("date".to_owned(), today()),
        ];
        facts.extend(self.facts);
        let mut basis = String::new();
        if let Some(b) = self.bootstrap {
            facts.push(("rounds of the bootstrap".into(), format!("{}, seed {}", b.rounds, b.seed)));
            basis = hex(format!("{} {} {:?}", b.rounds, b.seed, self.drawn).as_bytes());
        }
        Run {
            format: FORMAT,
            name: self.name,
            question: self.question,
            facts,
            warnings: self.warnings,
            basis,
            confidence: self.bootstrap.unwrap_or_default().confidence,
            sections: self.sections,
        }
    }
}

/// Says the answer and writes what was asked for.
pub(crate) fn finish(draft: Draft<'_>, output: &Output, unreadable: usize) -> Result<Done, Failure> {
    let run = draft.run();
    if let Some(path) = &output.json {
        write(path, &run.to_json()?)?;
    }
    let title = format!("{}: {}", run.name, run.question);
    print(&text::terminal(&run))?;
    pages(&title, &[run], output)?;
    Ok(if unreadable > 0 { Done::Partly } else { Done::Well })
}

fn pages(title: &str, runs: &[Run], output: &Output) -> Result<(), Failure> {
    if let Some(path) = &output.html {
        write(path, &html::page(title, runs)?)?;
    }
    if let Some(path) = &output.markdown {
        write(path, &text::markdown(runs))?;
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    crate::out::raw(text);
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Failure::writing(path, &e))
}

/// Arguments of `phiz eval compare`.
#[derive(Args)]
pub(crate) struct Compare {
    /// Runs, written by --json; differences are each other minus the first
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write one page with all runs
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Heading of the page
    #[arg(long, default_value = "Comparison")]
    title: String,
}

/// Puts runs side by side: Markdown on stdout.
pub(crate) fn compare(arguments: &Compare) -> Result<Done, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    for path in &arguments.runs {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::reading(path, &e))?;
        let mut run = Run::from_json(&text, path)?;
        if runs.iter().any(|r| r.name == run.name) {
            run.name = format!("{} ({})", run.name, path.display());
        }
        runs.push(run);
    }
    if let [first, others @ ..] = &runs[..] {
        for other in others.iter().filter(|o| o.basis != first.basis || o.basis.is_empty()) {
            crate::out::note!(
                "warning: {} and {} stand on other people or draws: no paired test\n  hint: make both with the same list, \
                 --seed and --rounds",
                first.name,
                other.name
            );
        }
    }
    print(&text::markdown(&runs))?;
    let output = Output { json: None, html: arguments.html.clone(), markdown: None };
    pages(&arguments.title, &runs, &output)?;
    Ok(Done::Well)
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// Today's date (UTC) as year-month-day.
fn today() -> String {
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    date((seconds / 86_400) as i64)
}

/// The date of a day counted from 1970 (Hinnant's days_from_civil, backwards).
fn date(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (days, expected) in
            [(0, "1970-01-01"), (19_782, "2024-02-29"), (11_016, "2000-02-29"), (20_819, "2027-01-01")]
        {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn arguments_survive_a_shell() {
        assert_eq!(quoted("a/b.jpg"), "a/b.jpg");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
