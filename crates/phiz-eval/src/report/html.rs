//! One page that holds everything: curves, tables, the movable threshold, and how to repeat it.
//!
//! No network: styles, script and pictures are inside, and a content policy in the page forbids the rest. Without the
//! script everything is there but the movable threshold. Headings, labels and table heads are what a screen reader
//! needs; print rules keep tables and plots whole.
//!
//! All text is escaped by type ([`maud`]): a name or a file's content can only become text. [`document`] is the frame of
//! every page of the project.

use super::text::{by_figure, by_section, difference, reasons};
use super::{Figure, Report, Section, Value, chart};
use crate::Result;
use crate::error::EvalError;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A whole page that needs no network: a heading, what it is about, and its content.
pub fn document(title: &str, header: &Markup, content: &Markup) -> String {
    const POLICY: &str =
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    (header)
                }
                main { (content) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string() + "\n"
}

/// Which line belongs to which name.
pub fn legend(names: &[&str]) -> Markup {
    html! {
        ul class="legend" {
            @for (k, name) in names.iter().enumerate() { li { (chart::key(k)) " " (name) } }
        }
    }
}

/// A table with a head; the first column names its row.
pub fn table(caption: &str, head: &[String], rows: &[Vec<String>]) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { @for h in head { th scope="col" { (h) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (c, cell) in row.iter().enumerate() {
                            @if c == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// The page of one or several reports.
///
/// # Errors
/// No report; two reports of one name.
pub fn page(title: &str, reports: &[Report]) -> Result<String> {
    let Some(first) = reports.first() else {
        return Err(EvalError::input("page", "there is no report", "give one report or more"));
    };
    for (k, report) in reports.iter().enumerate() {
        if reports[..k].iter().any(|r| r.name == report.name) {
            return Err(EvalError::input(
                "page",
                format!("two reports are called `{}`", report.name),
                "give each its own --name",
            ));
        }
    }
    let names: Vec<&str> = reports.iter().map(|r| r.name.as_str()).collect();
    let header = html! {
        p { (first.question) }
        @if reports.len() > 1 { (legend(&names)) }
    };
    let warnings: Vec<(&str, &String)> =
        reports.iter().flat_map(|r| r.warnings.iter().map(move |w| (r.name.as_str(), w))).collect();
    let content = html! {
        @if !warnings.is_empty() {
            section class="warnings" aria-labelledby="warnings" {
                h2 id="warnings" { "Warnings" }
                ul { @for (name, warning) in &warnings { li { (name) ": " (warning) } } }
            }
        }
        @for (k, sections) in by_section(reports).iter().enumerate() { (section(reports, k, sections)) }
        @for report in reports { (left_out(report, reports.len() > 1)) }
        section aria-labelledby="repeat" {
            h2 id="repeat" { "To repeat this" }
            @for report in reports {
                h3 { (report.name) }
                dl { @for (what, value) in &report.facts { dt { (what) } dd { code { (value) } } } }
            }
        }
    };
    Ok(document(title, &header, &content))
}

fn left_out(report: &Report, several: bool) -> Markup {
    let of = if several { format!("{}: ", report.name) } else { String::new() };
    html! {
        @if !report.left_out.is_empty() {
            section {
                @let t = super::text::left_out(report);
                (table(&format!("{of}{}", t.title), &t.head, &t.rows))
            }
        }
    }
}

fn section(reports: &[Report], place: usize, sections: &[(usize, &Section)]) -> Markup {
    let first = sections[0].1;
    let id = format!("s{place}");
    let of = |k: usize| if reports.len() > 1 { format!("{}: ", reports[k].name) } else { String::new() };
    let mut plots: Vec<&chart::Plot> = Vec::new();
    for plot in sections.iter().flat_map(|(_, s)| &s.plots) {
        if plots.iter().all(|p| p.id != plot.id) {
            plots.push(plot);
        }
    }
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (first.title) }
            p { (first.note) }
            (figures(reports, sections))
            div class="plots" {
                @for (k, plot) in plots.iter().enumerate() {
                    @let lines: Vec<_> = sections.iter().filter_map(|(report, s)| {
                        let same = s.plots.iter().find(|p| p.id == plot.id)?;
                        Some((*report, reports[*report].name.as_str(), same))
                    }).collect();
                    @if let Some(chart) = chart::Chart::of_plots(&format!("s{place}p{k}"), &lines) {
                        figure { (chart.svg()) figcaption { (plot.title) } }
                    }
                }
                @for (report, section) in sections {
                    (scores(&format!("s{place}r{report}"), &reports[*report], section))
                }
            }
            @for (report, section) in sections {
                @for t in section.tables.iter().filter(|t| !t.rows.is_empty()) {
                    (table(&format!("{}{}", of(*report), t.title), &t.head, &t.rows))
                }
                (pictures(&reports[*report], section))
            }
        }
    }
}

fn figures(reports: &[Report], sections: &[(usize, &Section)]) -> Markup {
    let figures = by_figure(sections);
    if figures.is_empty() {
        return Markup::default();
    }
    let id = &sections[0].1.id;
    let differences: Vec<_> = figures.iter().map(|f| difference(reports, id, f[0].1)).collect();
    let compared = differences.iter().any(Option::is_some);
    let why = |figure: Option<&Figure>| match figure.map(|f| &f.value) {
        Some(Value::Undefined(reason)) => Some(reason.clone()),
        _ => None,
    };
    html! {
        table {
            caption { "Figures" }
            thead {
                tr {
                    th scope="col" { "figure" }
                    @for (report, _) in sections {
                        th scope="col" { (if reports.len() > 1 { &reports[*report].name } else { "value" }) }
                        th scope="col" { (100.0 * reports[*report].confidence) " % interval" }
                    }
                    @if compared { th scope="col" { (reports[1].name) " − " (reports[0].name) } }
                }
            }
            tbody {
                @for (figure, difference) in figures.iter().zip(&differences) {
                    tr {
                        th scope="row" { (figure[0].1.name) }
                        @for (report, _) in sections {
                            @let own = figure.iter().find(|f| f.0 == *report).map(|f| f.1);
                            td title=[why(own)] { (own.map_or("–".into(), Figure::shown)) }
                            td class="interval" { (own.map(Figure::shown_interval).unwrap_or_default()) }
                        }
                        @if compared { td { (difference.clone().unwrap_or_default()) } }
                    }
                }
            }
        }
        @let undefined: Vec<String> = sections.iter().flat_map(|(_, s)| reasons(s)).collect();
        @if !undefined.is_empty() {
            ul class="reasons" { @for line in &undefined { li { (line) } } }
        }
    }
}

fn scores(id: &str, report: &Report, section: &Section) -> Markup {
    let Some(scores) = &section.scores else { return Markup::default() };
    let h = &scores.histogram;
    let (low, high) = (h.low, h.low + h.width * h.genuine.len() as f64);
    let rates_known = scores.rates.iter().flatten().all(|r| r.is_finite());
    if !(high > low && scores.start.threshold.is_finite() && rates_known) {
        return Markup::default();
    }
    // `[FMR, FNMR]` at each place of the slider; numbers need no escaping inside a script element.
    let points = serde_json::to_string(&scores.rates).unwrap_or_default();
    let steps = scores.rates.len().max(2) - 1;
    let start = scores.start;
    let place = ((start.threshold - low) / (high - low)).clamp(0.0, 1.0) * steps as f64;
    html! {
        figure class="scores" {
            (chart::histogram(id, scores))
            figcaption {
                "Scores of " (report.name) ": " span class="impostor-key" { "different people" } ", "
                span class="genuine-key" { "the same person" }
            }
            p class="cut-row" {
                label for=(format!("{id}-cut")) { "threshold" } " "
                input type="range" id=(format!("{id}-cut")) min="0" max=(steps) value=(format!("{place:.0}"))
                    data-low=(low) data-high=(high);
                " "
                output for=(format!("{id}-cut")) {
                    (format!(
                        "{:.4}: FMR {:.4} %, FNMR {:.3} %",
                        start.threshold, 100.0 * start.fmr, 100.0 * start.fnmr
                    ))
                }
            }
            script type="application/json" { (PreEscaped(points)) }
        }
    }
}

fn pictures(report: &Report, section: &Section) -> Markup {
    let kinds = [
        ("false match", "Most similar pairs of different people"),
        ("miss", "Least similar pairs of one person"),
    ];
    html! {
        @for (kind, title) in kinds {
            @if section.pictures.iter().any(|p| p.kind == kind) {
                h3 { (title) " (" (report.name) ")" }
                ul class="pairs" {
                    @for pair in section.pictures.iter().filter(|p| p.kind == kind) {
                        li {
                            @for (name, person, picture) in &pair.photos {
                                img src=(picture) alt=(format!("{person}: {name}"));
                            }
                            span { (format!("{:.4}: {} and {}", pair.score, pair.photos[0].0, pair.photos[1].0)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_pairs::{all_pairs, silent, tests::clouds};
    use crate::bootstrap::{Bootstrap, Draws, Resampled};
    use crate::report::build::verification;
    use crate::report::{PicturePair, text};
    use crate::samples::Samples;
    use std::path::Path;

    fn report(name: &str, spread: f64, basis: &str) -> Report {
        let (templates, people) = clouds(30, 4, 16, spread, 3);
        let samples = Samples::complete(templates, people).unwrap();
        let pairs = all_pairs(&samples, 3, &silent).unwrap();
        let draws = Draws::new(30, &Bootstrap::default()).unwrap();
        let rounds = Resampled::from_all_pairs(&samples, &pairs.curve, &draws, &silent).unwrap();
        let mut section = verification(&pairs.curve, Some(&rounds), Some(0.4), 0.95);
        let photo =
            |n: &str| (n.to_owned(), "<b>Ada & Bob</b>".to_owned(), "data:image/jpeg;base64,AAAA".to_owned());
        section.pictures.push(PicturePair::new("miss", 0.1, [photo("a\".jpg"), photo("b.jpg")]));
        let mut report = Report::new(name, "a question", None);
        report.facts.push(("command".into(), "phiz eval '</script>'".into()));
        report.warnings.push("mind | this".into());
        report.basis = basis.into();
        report.sections.push(section);
        report
    }

    #[test]
    fn names_from_outside_stay_text() {
        let page = page("<script>alert(1)</script>", &[report("x<y", 0.8, "")]).unwrap();
        for hostile in ["<script>alert", "<b>Ada", "a\".jpg", "'</script>'", "x<y"] {
            assert!(!page.contains(hostile), "{hostile}");
        }
        assert!(page.contains("&lt;b&gt;Ada &amp; Bob&lt;/b&gt;") && page.contains("a&quot;.jpg"));
        // Opened elements are closed.
        for tag in ["table", "figure", "svg", "section", "ul", "dl", "tr", "p"] {
            let open = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn reports_are_compared_only_over_the_same_people() {
        let (a, b) = (report("a", 0.8, "same"), report("b", 1.3, "same"));
        let d = a.difference(&b, "verification", "auc").unwrap();
        assert!(d.interval.high < 0.0 && d.p < 0.02, "{d:?}");
        let value = |r: &Report| r.figure("verification", "auc").unwrap().value.known().unwrap();
        assert_eq!(d.observed, value(&b) - value(&a), "what was observed, not the middle round");
        assert!(a.difference(&report("c", 1.3, "other"), "verification", "auc").is_none());
        let unknown = |name| report(name, 0.8, "");
        assert!(
            unknown("a").difference(&unknown("b"), "verification", "auc").is_none(),
            "no basis is no basis"
        );
        assert!(a.difference(&b, "verification", "genuine").is_none(), "counts have no rounds");
        let both = text::markdown(&[a.clone(), b.clone()]);
        assert!(both.contains("| | a | b | difference |") && both.contains("mind \\| this"), "{both}");
        assert!(page("t", &[a.clone(), b]).unwrap().contains("b − a"));
        let again = Report::from_json(&a.to_json().unwrap(), Path::new("a.json")).unwrap();
        assert_eq!(again, a, "JSON keeps every digit");
        assert!(page("t", &[a.clone(), a]).unwrap_err().to_string().contains("two reports are called"));
        assert!(page("t", &[]).is_err());
    }
}
