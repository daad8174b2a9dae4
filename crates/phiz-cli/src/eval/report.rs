//! From a report to what is handed over: terminal, JSON, Markdown, a page; and several reports side by side.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use phiz_eval::protocol;
use phiz_eval::report::{Report, html, text};

use crate::{Done, Failure, out, table};

/// Where the answer goes besides the terminal.
#[derive(Args, Clone, Default)]
pub(crate) struct Output {
    /// Write the whole report as JSON, for `phiz eval compare` and other programs
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    json: Option<PathBuf>,
    /// Write the report as one HTML page with curves and a movable threshold, which needs no network
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    html: Option<PathBuf>,
    /// Write the tables as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    markdown: Option<PathBuf>,
}

impl Output {
    /// Refuses, before any work, a file that is read as well, one that stands twice, one whose folder does not exist, and
    /// one that exists and is no earlier report.
    pub(crate) fn check<'a>(&self, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
        let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let mut taken: Vec<PathBuf> = inputs.into_iter().map(place).collect();
        let targets = [
            ("--json", &self.json, is_json_report as fn(&str) -> bool),
            ("--html", &self.html, |text| text.to_ascii_lowercase().starts_with("<!doctype html>")),
            ("--markdown", &self.markdown, |text| text.starts_with("### ")),
        ];
        for (option, path, is_report) in targets {
            let Some(path) = path else { continue };
            let shown = path.display();
            if taken.contains(&place(path)) {
                return Err(Failure::new(format!("{option} {shown}: is used for something else as well"))
                    .hint("name a file of its own"));
            }
            taken.push(place(path));
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) || path.is_dir() {
                return Err(Failure::new(format!("{option} {shown}: cannot be written"))
                    .hint("check that its folder exists, and that it is not a folder itself"));
            }
            if path.is_file() && !is_report(&beginning(path)?) {
                return Err(Failure::new(format!(
                    "{option} {shown}: exists, and is not the report of an earlier run"
                ))
                .hint("name another file, or remove this one first"));
            }
        }
        Ok(())
    }
}

/// The first of a file that could be told by.
fn beginning(path: &Path) -> Result<String, Failure> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| Failure::reading(path, &e))?;
    file.take(200).read_to_end(&mut start).map_err(|e| Failure::reading(path, &e))?;
    Ok(String::from_utf8_lossy(&start).into_owned())
}

fn is_json_report(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    compact.starts_with("{\"format\":") || compact.is_empty()
}

/// Adds how and when the report was made, writes what was asked for and prints the rest. Exit code 1 says that something
/// was left out.
pub(crate) fn finish(mut report: Report, output: &Output) -> Result<Done, Failure> {
    let command: Vec<String> = std::env::args_os().map(|a| quoted(&a.to_string_lossy())).collect();
    let made = [
        ("command".to_owned(), command.join(" ")),
        ("version".to_owned(), format!("phiz {}", env!("CARGO_PKG_VERSION"))),
        ("date".to_owned(), today()),
    ];
    report.facts.splice(0..0, made);
    // Files first: whoever reads the terminal may stop reading (`phiz eval … | head`).
    if let Some(path) = &output.json {
        write(path, &report.to_json()?)?;
    }
    let title = format!("{}: {}", report.name, report.question);
    pages(&title, std::slice::from_ref(&report), output)?;
    for block in text::terminal(&report) {
        match block {
            text::Block::Rows { head, rows } => {
                let head: Vec<&str> = head.iter().map(String::as_str).collect();
                table::print(&head, &rows);
            }
            text::Block::Line(line) => out::line(&line),
            _ => {}
        }
    }
    Ok(if report.left_out.is_empty() { Done::Well } else { Done::Partly })
}

fn pages(title: &str, reports: &[Report], output: &Output) -> Result<(), Failure> {
    if let Some(path) = &output.html {
        write(path, &html::page(title, reports)?)?;
    }
    if let Some(path) = &output.markdown {
        write(path, &text::markdown(reports))?;
    }
    Ok(())
}

/// Prints lines of text.
pub(crate) fn print(text: &str) {
    text.lines().for_each(out::line);
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Failure::writing(path, &e))
}

/// Arguments of `phiz eval compare`.
#[derive(Args)]
pub(crate) struct Compare {
    /// Reports that --json wrote. For two of them the difference is printed, the second minus the first
    #[arg(required = true, num_args = 1.., value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// Write one HTML page with all reports
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The heading of that page
    #[arg(long, default_value = "Comparison")]
    title: String,
}

/// Puts reports side by side: Markdown on stdout. A file that is no report is told of; the others are compared.
pub(crate) fn compare(arguments: &Compare) -> Result<Done, Failure> {
    let output = Output { html: arguments.html.clone(), ..Output::default() };
    output.check(arguments.reports.iter().map(PathBuf::as_path))?;
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for path in &arguments.reports {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::reading(path, &e));
        match text.and_then(|text| Ok(Report::from_json(&text, path)?)) {
            Ok(report) => reports.push((path.display().to_string(), report)),
            Err(failure) => failures.push(failure),
        }
    }
    if reports.is_empty() && !failures.is_empty() {
        return Err(failures.swap_remove(0));
    }
    for failure in &failures {
        crate::out::note!("error: {}", failure.message);
        if let Some(hint) = &failure.hint {
            crate::out::note!("  hint: {hint}");
        }
    }
    let comparison = protocol::compare(reports)?;
    comparison.warnings.iter().for_each(|warning| crate::out::note!("warning: {warning}"));
    pages(&arguments.title, &comparison.reports, &output)?;
    print(&text::markdown(&comparison.reports));
    Ok(if failures.is_empty() { Done::Well } else { Done::Partly })
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
