//! Curves of one or several runs, as one HTML file that needs nothing else, and as a table.

use std::fmt::Write;

use crate::record::Run;

const COLOURS: [&str; 8] =
    ["#3b6ea5", "#c0562f", "#4b8b4b", "#8a5a9e", "#a58a1f", "#2f8f8f", "#b04a7a", "#666666"];
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
color:#222;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}figure{display:inline-block;\
margin:0 1rem 1rem 0}figcaption{font-size:.9rem;color:#444}table{border-collapse:collapse}td,th{padding:.2rem .8rem;\
border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}pre{background:#f5f5f5;\
padding:1rem;overflow:auto;font-size:.85rem}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}\
figcaption{color:#aaa}pre{background:#242424}td,th{border-color:#444}}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A report of one run, or of several side by side.
#[must_use]
pub fn html(runs: &[Run]) -> String {
    let title = escape(&runs.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", "));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n"
    );
    if runs.len() > 1 {
        for (run, colour) in runs.iter().zip(COLOURS.iter().cycle()) {
            let _ = write!(out, "<span style=\"color:{colour}\">&#9632;</span> {} &ensp;", escape(&run.name));
        }
    }
    for (held_out, heading) in [(true, "Held out"), (false, "Training")] {
        let figures = figures(runs, held_out);
        if figures.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<h2>{heading}</h2>");
        if held_out {
            out += &html_table(runs, &figures);
        }
        for figure in &figures {
            let series: Vec<Vec<(f64, f64)>> = runs.iter().map(|r| r.series(figure)).collect();
            let _ = writeln!(
                out,
                "<figure>{}<figcaption>{}</figcaption></figure>",
                svg(figure, &series),
                escape(figure)
            );
        }
    }
    for run in runs {
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<details><summary>Recipe and environment</summary><pre>{}</pre><pre>{}</pre></details>",
            escape(&run.name),
            escape(&run.recipe),
            escape(&format!("{:#}", run.environment))
        );
    }
    out + "</html>\n"
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

fn html_table(runs: &[Run], figures: &[String]) -> String {
    let mut out = String::from("<table><tr><th>run</th><th>step</th>");
    figures.iter().for_each(|f| out += &format!("<th>{}</th>", escape(f)));
    out += "</tr>\n";
    for run in runs {
        let (step, last) = last_values(run, figures);
        let _ = write!(out, "<tr><td>{}</td><td>{step}</td>", escape(&run.name));
        last.iter().for_each(|v| out += &format!("<td>{}</td>", number(*v)));
        out += "</tr>\n";
    }
    out + "</table>\n"
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

/// Curves over steps. A loss or rate that spans more than a decade is drawn on a logarithmic axis.
fn svg(title: &str, series: &[Vec<(f64, f64)>]) -> String {
    const SIZE: (f64, f64) = (460.0, 220.0);
    const LEFT: f64 = 58.0;
    const BOTTOM: f64 = 22.0;
    let points: Vec<(f64, f64)> = series.iter().flatten().copied().filter(|p| p.1.is_finite()).collect();
    let range = |of: fn(&(f64, f64)) -> f64| {
        let low = points.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    if points.is_empty() {
        return String::new();
    }
    let ((x0, x1), (y0, y1)) = (range(|p| p.0), range(|p| p.1));
    let log = y0 > 0.0 && y1 > 10.0 * y0;
    let level = |y: f64| if log { (y / y0).ln() / (y1 / y0).ln() } else { (y - y0) / (y1 - y0) };
    let at = |(x, y): (f64, f64)| {
        let right = LEFT + (x - x0) / (x1 - x0) * (SIZE.0 - LEFT - 8.0);
        (right, SIZE.1 - BOTTOM - level(y) * (SIZE.1 - BOTTOM - 10.0))
    };
    let mut out = format!(
        "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"{2}\" \
         font-size=\"11\" fill=\"currentColor\">",
        SIZE.0,
        SIZE.1,
        escape(title)
    );
    for i in 0..=4 {
        let part = f64::from(i) / 4.0;
        let y = if log { y0 * (y1 / y0).powf(part) } else { y0 + (y1 - y0) * part };
        let (_, down) = at((x0, y));
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {down:.1}H{:.0}\" stroke=\"#8884\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            SIZE.0 - 8.0,
            LEFT - 5.0,
            down + 4.0,
            number(Some(y))
        );
    }
    for (x, anchor) in [(x0, "start"), (x1, "end")] {
        let (right, _) = at((x, y0));
        let _ = write!(
            out,
            "<text x=\"{right:.0}\" y=\"{}\" text-anchor=\"{anchor}\">{x:.0}</text>",
            SIZE.1 - 5.0
        );
    }
    for (line, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let line: Vec<String> = thinned(line).map(at).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if !line.is_empty() {
            let _ = write!(
                out,
                "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                line.join("L")
            );
        }
    }
    out + "</svg>"
}

/// At most about 500 points, each the mean of its neighbours: a long run's report stays small.
fn thinned(line: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let each = line.len().div_ceil(500).max(1);
    line.chunks(each).filter_map(|chunk| {
        let finite: Vec<f64> = chunk.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
        let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
        (!finite.is_empty()).then(|| (chunk[chunk.len() - 1].0, mean))
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
        assert!(!page.contains("http") && !page.contains("src="), "nothing is fetched");
        assert_eq!(page.matches("<svg").count(), 3, "tar, loss and rate");
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
