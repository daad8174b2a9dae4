//! Tables for the terminal and for papers.

use super::{Figure, Run, Section};
use std::fmt::Write as _;

/// What the terminal shows: figures with intervals, the run's own tables, warnings last.
pub fn terminal(run: &Run) -> String {
    let mut out = format!("{}\n{}\n", run.name, run.question);
    for section in &run.sections {
        let _ = write!(out, "\n{}\n", section.title);
        let head = ["", "", &format!("{} % interval", 100.0 * run.confidence)].map(str::to_owned);
        let rows: Vec<Vec<String>> =
            section.figures.iter().map(|f| vec![f.name.clone(), f.shown(), f.shown_interval()]).collect();
        let intervals = rows.iter().any(|r| !r[2].is_empty());
        let head: &[String] = if intervals { &head } else { &[] };
        out.push_str(&aligned(head, &rows));
        for table in section.tables.iter().filter(|t| !t.rows.is_empty()) {
            let _ = write!(out, "\n{}\n", table.title);
            out.push_str(&aligned(&table.head, &table.rows));
        }
    }
    for warning in &run.warnings {
        let _ = write!(out, "\nwarning: {warning}");
    }
    out.trim_end().to_owned() + "\n"
}

/// Columns under each other, two spaces between them; the first is flush left, the others right.
fn aligned(head: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(head).filter(|h| !h.is_empty()).chain(rows.iter().map(Vec::as_slice));
    let columns = all().map(<[String]>::len).max().unwrap_or(0);
    let width = |c: usize| all().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in all() {
        let mut line = String::from("  ");
        for (c, (text, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - text.chars().count());
            match c {
                0 => line.extend([text.as_str(), &gap]),
                _ => line.extend(["  ", &gap, text]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Sections of several runs by id, in the order in which they first appear.
pub(crate) fn by_section(runs: &[Run]) -> Vec<Vec<(usize, &Section)>> {
    let mut sections: Vec<Vec<(usize, &Section)>> = Vec::new();
    for (k, run) in runs.iter().enumerate() {
        for section in &run.sections {
            match sections.iter_mut().find(|s| s[0].1.id == section.id) {
                Some(list) => list.push((k, section)),
                None => sections.push(vec![(k, section)]),
            }
        }
    }
    sections
}

/// Figures of one section of several runs by id, in the order in which they first appear.
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

/// Second minus first with its interval and p, where both runs stand on the same people and draws.
pub(crate) fn difference(runs: &[Run], section: &str, figure: &Figure) -> Option<String> {
    let [first, second] = runs else { return None };
    let d = first.difference(second, section, &figure.id)?;
    let show = |x: f64| {
        let text = figure.unit.show_bare(x).replace('-', "−");
        if x > 0.0 { format!("+{text}") } else { text }
    };
    let p =
        if d.p < 0.01 { format!("p < {:.3}", (d.p + 5e-4).max(0.001)) } else { format!("p = {:.2}", d.p) };
    Some(format!("{} ({} … {}), {p}", show(d.median), show(d.interval.low), show(d.interval.high)))
}

/// Markdown for papers and issues: one table a section, one column a run; with two runs that stand on
/// the same people, their difference.
pub fn markdown(runs: &[Run]) -> String {
    let mut out = String::new();
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for sections in by_section(runs) {
        let section = sections[0].1;
        let figures = by_figure(&sections);
        let differences: Vec<_> = figures.iter().map(|f| difference(runs, &section.id, f[0].1)).collect();
        let compared = differences.iter().any(Option::is_some);
        let _ = write!(out, "### {}\n\n| |", cell(&section.title));
        runs.iter().for_each(|r| {
            let _ = write!(out, " {} |", cell(&r.name));
        });
        out.push_str(if compared { " difference |\n|---|" } else { "\n|---|" });
        out.push_str(&"---:|".repeat(runs.len() + usize::from(compared)));
        for (figure, difference) in figures.iter().zip(differences) {
            let _ = write!(out, "\n| {} |", cell(&figure[0].1.name));
            for k in 0..runs.len() {
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
            for table in section.tables.iter().filter(|t| !t.rows.is_empty()) {
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
            }
        }
    }
    for run in runs {
        for (what, value) in &run.facts {
            let _ = writeln!(out, "- {}, {}: `{}`", cell(&run.name), what, value.replace('`', "'"));
        }
        for warning in &run.warnings {
            let _ = writeln!(out, "- {}, warning: {}", cell(&run.name), cell(warning));
        }
    }
    out
}
