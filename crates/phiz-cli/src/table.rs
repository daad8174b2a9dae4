//! Tables for people to read, dates, and the question before something is destroyed.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use unicode_width::UnicodeWidthStr as _;

use super::Failure;
use super::out::{self, clean};

/// Prints columns as wide as their widest cell, with two spaces between them; nothing at all without rows.
pub(crate) fn print(titles: &[&str], rows: &[Vec<String>]) {
    for line in lines(titles, rows) {
        out::line(&line);
    }
}

/// Cells are measured as a terminal shows them: Chinese characters are two columns wide, combining marks none.
fn lines(titles: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&titles)
        .chain(rows)
        .map(|row| row.iter().map(|cell| clean(cell).into_owned()).collect())
        .collect();
    let mut widths = vec![0; titles.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The text with spaces behind it up to so many columns of a terminal.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// A moment in UTC, `2026-11-24 18:05`.
pub(crate) fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date in the proleptic Gregorian calendar: eras of 400 years from 1 March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    format!("{year}-{month:02}-{of_month:02} {:02}:{:02}", rest / 3600, rest / 60 % 60)
}

/// Bytes as people say them.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// `1 face`, `2 faces`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Asks before something is destroyed, unless `--yes` was given.
///
/// # Errors
/// The answer is no, or there is nobody to ask.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let no = || Failure::new("nothing was changed").hint("give --yes to do it without being asked");
    if !io::stdin().is_terminal() {
        return Err(no());
    }
    _ = write!(io::stderr(), "{} [y/N] ", clean(question));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|_| no())?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) { Ok(()) } else { Err(no()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (1_709_251_200, "2024-03-01 00:00"),
            (1_798_761_599, "2026-12-31 23:59"),
            (-1, "1969-12-31 23:59"),
        ] {
            assert_eq!(date(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn columns_stand_under_each_other() {
        let cells = |row: [&str; 3]| row.map(str::to_owned).to_vec();
        let rows = [
            cells(["p1", "Zoë", "x"]),
            cells(["p2", "李小龍", "x"]),
            cells(["p3", "Jose\u{301}", "x"]),
            cells(["p45", "a\nb", ""]),
        ];
        assert_eq!(
            lines(&["id", "name", ""], &rows),
            ["id   name", "p1   Zoë     x", "p2   李小龍  x", "p3   Jose\u{301}    x", "p45  a\\nb"]
        );
        assert!(lines(&["id"], &[]).is_empty());
    }
}
