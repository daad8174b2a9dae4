//! Tables for people to read, dates, and the question before something is destroyed.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use super::Failure;

/// Columns as wide as their widest cell, two spaces between them; nothing at all without rows.
pub(crate) fn print(out: &mut impl Write, titles: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut widths = vec![0; titles.len()];
    for row in rows.iter().chain([&titles]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&titles).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
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
    let no = || Failure::new("nothing was changed").hint("say --yes to do it without being asked");
    if !io::stdin().is_terminal() {
        return Err(no());
    }
    eprint!("{question} [y/N] ");
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
        let rows = [vec!["p1".into(), "Zoë".into()], vec!["p23".into(), String::new()]];
        let mut out = Vec::new();
        print(&mut out, &["id", "name"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "id   name\np1   Zoë\np23\n");
    }
}
