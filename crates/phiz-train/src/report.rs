//! Curves of one or several runs, as one HTML file that needs nothing else, and as a table.

use maud::html;
use phiz_eval::report::chart::{Axis, Chart, Line};
use phiz_eval::report::html::{document, legend, table as html_table};

use crate::run_folder::Run;

/// A report of one run, or of several side by side.
#[must_use]
pub fn html(runs: &[Run]) -> String {
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let parts = [(true, "Held out"), (false, "Training")].map(|(held_out, title)| {
        let figures = figures(runs, held_out);
        let charts: Vec<Chart> =
            figures.iter().enumerate().filter_map(|(k, f)| chart(&format!("{title}{k}"), f, runs)).collect();
        (held_out, title, figures, charts)
    });
    let content = html! {
        @if runs.len() > 1 { (legend(&names)) }
        @for (held_out, title, figures, charts) in parts.iter().filter(|part| !part.2.is_empty()) {
            section {
                h2 { (title) }
                @if *held_out {
                    @let head: Vec<String> = ["run", "step"].map(String::from).into_iter().chain(figures.iter().cloned()).collect();
                    (html_table("The last values", &head, &runs.iter().map(|run| last_row(run, figures)).collect::<Vec<_>>()))
                }
                div class="plots" { @for chart in charts { figure { figcaption { (chart.title) } (chart.svg()) } } }
            }
        }
        @for run in runs {
            section {
                h2 { (run.name) }
                details { summary { "Recipe and environment" } pre { (run.recipe) } pre { (format!("{:#}", run.environment)) } }
            }
        }
    };
    document(&names.join(", "), &html! {}, &content)
}

/// A figure over the steps of all runs; none where no run has it. A loss or rate that spans more than a decade is drawn on a
/// logarithmic axis.
fn chart(id: &str, figure: &str, runs: &[Run]) -> Option<Chart> {
    let series: Vec<Vec<[f64; 2]>> = runs.iter().map(|run| thinned(&run.series(figure)).collect()).collect();
    let range = |of: usize| {
        let values = || series.iter().flatten().map(|point| point[of]);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((x0, x1), (y0, y1)) = (range(0), range(1));
    if !y0.is_finite() {
        return None;
    }
    let axis = if y0 > 0.0 && y1 > 10.0 * y0 { Axis::multiplying } else { Axis::number };
    let mut chart = Chart::new(id, figure, Axis::number("step", x0, x1), axis(figure, y0, y1));
    chart.lines =
        runs.iter().zip(series).enumerate().map(|(k, (run, line))| Line::new(k, &run.name, line)).collect();
    Some(chart)
}

fn figures(runs: &[Run], held_out: bool) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in runs.iter().flat_map(|r| r.figures(held_out)) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn last_row(run: &Run, figures: &[String]) -> Vec<String> {
    let (step, last) = last_values(run, figures);
    [run.name.clone(), step.to_string()].into_iter().chain(last.into_iter().map(number)).collect()
}

/// Last step at which one of the figures was measured, and each figure's last value.
fn last_values(run: &Run, figures: &[String]) -> (u64, Vec<Option<f64>>) {
    let last: Vec<Option<(f64, f64)>> = figures.iter().map(|f| run.series(f).last().copied()).collect();
    let step = last.iter().flatten().map(|(s, _)| *s).fold(0.0, f64::max);
    (step as u64, last.into_iter().map(|v| Some(v?.1)).collect())
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(v) if v != 0.0 && v.abs() < 1e-3 => format!("{v:.2e}"),
        Some(v) => format!("{v:.4}"),
    }
}

/// The last held-out figures of several runs as a plain table: one line a run, columns aligned.
#[must_use]
pub fn table(runs: &[Run]) -> String {
    let figures = figures(runs, true);
    let mut rows = vec![vec!["run".to_string(), "step".into(), "loss".into()]];
    rows[0].extend(figures.iter().cloned());
    for run in runs {
        let (step, last) = last_values(run, &figures);
        let loss = run.series("loss").last().map(|v| v.1);
        let mut row = vec![run.name.clone(), step.to_string(), number(loss)];
        row.extend(last.into_iter().map(number));
        rows.push(row);
    }
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(i, (cell, &w))| if i == 0 { format!("{cell:<w$}") } else { format!("{cell:>w$}") })
            .collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out
}

/// At most about 500 points, each the mean of its neighbours: a long run's report stays small.
fn thinned(line: &[(f64, f64)]) -> impl Iterator<Item = [f64; 2]> {
    let each = line.len().div_ceil(500).max(1);
    line.chunks(each).filter_map(|chunk| {
        let finite: Vec<f64> = chunk.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
        let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
        (!finite.is_empty()).then(|| [chunk[chunk.len() - 1].0, mean])
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(name: &str, factor: f64) -> Run {
        let mut metrics: Vec<serde_json::Value> = (1..=2000)
            .map(|i| json!({"step": i * 20, "rate": 1e-3, "loss": factor / f64::from(i)}))
            .collect();
        metrics.push(json!({"step": 40_000, "tar_at_far_1e-3": factor / 10.0}));
        Run { name: name.into(), recipe: "seed = 1 # <b>".into(), environment: json!({"cores": 2}), metrics }
    }

    #[test]
    fn a_report_is_one_file_with_all_curves() {
        let page = html(&[run("a & b", 1.0), run("c", 2.0)]);
        assert!(page.contains("a &amp; b") && !page.contains("<b>"), "text is escaped");
        assert!(!page.contains("://") && !page.contains("src="), "nothing is fetched");
        assert_eq!(page.matches("role=\"img\"").count(), 3, "tar, loss and rate");
        assert!(page.len() < 60_000, "{} bytes", page.len());
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn runs_are_compared_line_by_line() {
        let mut unfinished = run("c", 2.0);
        unfinished.metrics.pop();
        let expected = "run   step    loss  tar_at_far_1e-3\n\
                        a    40000  5.00e-4           0.1000\n\
                        c        0    0.0010                –\n";
        let got = table(&[run("a", 1.0), unfinished]);
        let squeeze = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&got), squeeze(expected), "{got}");
    }
}
