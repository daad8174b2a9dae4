//! Tables for the terminal and for papers.

use super::{Figure, Report, Section, Table, Unit, Value, count};
use std::fmt::Write as _;

/// A part of what a terminal shows. This crate makes the rows; whoever prints them aligns the columns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// A line of text; empty between parts.
    Line(String),
    /// Rows below a head.
    Rows {
        /// Heads of the columns.
        head: Vec<String>,
        /// Rows, as long as the head.
        rows: Vec<Vec<String>>,
    },
}

/// What the terminal shows: figures with intervals, the reasons of those that have no value, the report's own tables,
/// what was left out, warnings last.
pub fn terminal(report: &Report) -> Vec<Block> {
    let line = |text: &str| Block::Line(plain(text));
    let rows_of = |head: &[String], rows: &[Vec<String>]| Block::Rows {
        head: head.to_vec(),
        rows: rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect(),
    };
    let mut blocks = vec![line(&report.name), line(&report.question)];
    for section in &report.sections {
        blocks.extend([line(""), line(&section.title)]);
        let rows: Vec<Vec<String>> =
            section.figures.iter().map(|f| vec![f.name.clone(), f.shown(), f.shown_interval()]).collect();
        let head =
            ["figure".to_owned(), "value".to_owned(), format!("{} % interval", 100.0 * report.confidence)];
        let columns = if rows.iter().any(|r| !r[2].is_empty()) { 3 } else { 2 };
        let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row[..columns].to_vec()).collect();
        if !rows.is_empty() {
            blocks.push(rows_of(&head[..columns], &rows));
        }
        blocks.extend(reasons(section).iter().map(|reason| line(reason)));
        for table in section.tables.iter().filter(|t| !t.rows.is_empty()) {
            blocks.extend([line(""), line(&table.title)]);
            blocks.push(rows_of(&table.head, &table.rows));
        }
    }
    let left_out = left_out(report);
    if !left_out.rows.is_empty() {
        blocks.extend([line(""), line(&left_out.title)]);
        blocks.push(rows_of(&left_out.head, &left_out.rows));
    }
    if !report.warnings.is_empty() {
        blocks.push(line(""));
        blocks.extend(report.warnings.iter().map(|w| line(&format!("warning: {w}"))));
    }
    blocks
}

/// Text that moves no cursor and changes no colour: control characters, which names of files may hold, are written out.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Why figures have no value: one line a reason, with the figures that lack one for it.
pub(crate) fn reasons(section: &Section) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for figure in &section.figures {
        let Value::Undefined(reason) = &figure.value else { continue };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, figures)) => figures.push(&figure.name),
            None => reasons.push((reason, vec![&figure.name])),
        }
    }
    reasons.into_iter().map(|(reason, names)| format!("undefined: {}: {reason}", names.join(", "))).collect()
}

/// What was left out, by reason: how many, an example, and whether they count against the system.
pub(crate) fn left_out(report: &Report) -> Table {
    let mut kinds: Vec<(&str, bool, u64, &str)> = Vec::new();
    for item in &report.left_out {
        match kinds.iter_mut().find(|k| k.0 == item.reason && k.1 == item.counts_as_failure) {
            Some(kind) => kind.2 += 1,
            None => kinds.push((&item.reason, item.counts_as_failure, 1, &item.item)),
        }
    }
    let rows = kinds.into_iter().map(|(reason, counts, n, example)| {
        let as_what = if counts { "as a failure to acquire" } else { "not at all" };
        vec![reason.to_owned(), count(n), example.to_owned(), as_what.to_owned()]
    });
    Table::new("Could not be used", &["reason", "how many", "the first", "counts"], rows.collect())
}

/// Sections of several reports by id, in the order in which they first appear.
pub(crate) fn by_section(reports: &[Report]) -> Vec<Vec<(usize, &Section)>> {
    let mut sections: Vec<Vec<(usize, &Section)>> = Vec::new();
    for (k, report) in reports.iter().enumerate() {
        for section in &report.sections {
            match sections.iter_mut().find(|s| s[0].1.id == section.id) {
                Some(list) => list.push((k, section)),
                None => sections.push(vec![(k, section)]),
            }
        }
    }
    sections
}

/// Figures of one section of several reports by id, in the order in which they first appear.
pub(crate) fn by_figure<'a>(sections: &[(usize, &'a Section)]) -> Vec<Vec<(usize, &'a Figure)>> {
    let mut figures: Vec<Vec<(usize, &Figure)>> = Vec::new();
    for &(k, section) in sections {
        for figure in &section.figures {
            match figures.iter_mut().find(|f| f[0].1.id == figure.id) {
                Some(list) => list.push((k, figure)),
                None => figures.push(vec![(k, figure)]),
            }
        }
    }
    figures
}

/// Second minus first as observed, with its interval and p, where both reports stand on the same people and draws.
pub(crate) fn difference(reports: &[Report], section: &str, figure: &Figure) -> Option<String> {
    let [first, second] = reports else { return None };
    let d = first.difference(second, section, &figure.id)?;
    let show = |x: f64| {
        let text = figure.unit.show_bare(x).replace('-', "−");
        if x > 0.0 { format!("+{text}") } else { text }
    };
    let p =
        if d.p < 0.01 { format!("p < {:.3}", (d.p + 5e-4).max(0.001)) } else { format!("p = {:.2}", d.p) };
    let points = if figure.unit == Unit::Percent { " points" } else { "" };
    Some(format!("{}{points} ({} … {}), {p}", show(d.observed), show(d.interval.low), show(d.interval.high)))
}

/// Markdown for papers and issues: one table a section, one column a report; with two reports that stand on the same
/// people, their difference.
pub fn markdown(reports: &[Report]) -> String {
    let mut out = String::new();
    let cell = |text: &str| plain(&text.replace(['\n', '\r'], " ")).replace('|', "\\|");
    let table = |out: &mut String, table: &Table| {
        let _ = write!(out, "{}\n\n|", cell(&table.title));
        table.head.iter().for_each(|h| {
            let _ = write!(out, " {} |", cell(h));
        });
        let _ = write!(out, "\n|{}", "---|".repeat(table.head.len()));
        for row in &table.rows {
            out.push_str("\n|");
            row.iter().for_each(|c| {
                let _ = write!(out, " {} |", cell(c));
            });
        }
        out.push_str("\n\n");
    };
    for sections in by_section(reports) {
        let section = sections[0].1;
        let figures = by_figure(&sections);
        let differences: Vec<_> = figures.iter().map(|f| difference(reports, &section.id, f[0].1)).collect();
        let compared = differences.iter().any(Option::is_some);
        let _ = write!(out, "### {}\n\n| |", cell(&section.title));
        reports.iter().for_each(|r| {
            let _ = write!(out, " {} |", cell(&r.name));
        });
        out.push_str(if compared { " difference |\n|---|" } else { "\n|---|" });
        out.push_str(&"---:|".repeat(reports.len() + usize::from(compared)));
        for (figure, difference) in figures.iter().zip(differences) {
            let _ = write!(out, "\n| {} |", cell(&figure[0].1.name));
            for k in 0..reports.len() {
                let own = figure.iter().find(|f| f.0 == k).map(|f| f.1);
                let text = own.map_or("–".into(), |f| match f.shown_interval() {
                    i if i.is_empty() => f.shown(),
                    i => format!("{} ({i})", f.shown()),
                });
                let _ = write!(out, " {} |", cell(&text));
            }
            if compared {
                let _ = write!(out, " {} |", cell(&difference.unwrap_or_default()));
            }
        }
        out.push_str("\n\n");
        for (_, section) in &sections {
            let undefined = reasons(section);
            undefined.iter().for_each(|line| {
                let _ = writeln!(out, "- {}", cell(line));
            });
            if !undefined.is_empty() {
                out.push('\n');
            }
            for own in section.tables.iter().filter(|t| !t.rows.is_empty()) {
                table(&mut out, own);
            }
        }
    }
    for report in reports {
        let lost = left_out(report);
        if !lost.rows.is_empty() {
            table(&mut out, &lost);
        }
        for (what, value) in &report.facts {
            let _ = writeln!(out, "- {}, {}: `{}`", cell(&report.name), what, cell(&value.replace('`', "'")));
        }
        for warning in &report.warnings {
            let _ = writeln!(out, "- {}, warning: {}", cell(&report.name), cell(warning));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Better, LeftOut};

    #[test]
    fn what_was_left_out_is_counted_by_reason() {
        let mut report = Report::new("a", "q", None);
        for item in ["1.jpg", "2.jpg"] {
            report.left_out.push(LeftOut::absent(item, "there is no such photo"));
        }
        report.left_out.push(LeftOut::failed("3\u{1b}[31m.jpg", "is cut off"));
        let rows = left_out(&report).rows;
        assert_eq!(rows[0], ["there is no such photo", "2", "1.jpg", "not at all"]);
        assert_eq!(rows[1][3], "as a failure to acquire");
        let shown = format!("{:?}", terminal(&report));
        assert!(shown.contains("Could not be used") && !shown.contains('\u{1b}'), "{shown}");
        assert!(!markdown(&[report]).contains('\u{1b}'));
    }

    #[test]
    fn reasons_are_given_once() {
        let mut section = Section::default();
        for name in ["AUC", "EER"] {
            let value = Value::Undefined("there is no impostor pair".into());
            section.figures.push(Figure::new(name, name, value, Unit::Number, Better::Up));
        }
        assert_eq!(reasons(&section), ["undefined: AUC, EER: there is no impostor pair"]);
    }
}
