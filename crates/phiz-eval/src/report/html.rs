//! One page that holds everything: curves, tables, the movable threshold, and how to repeat it.
//!
//! No network: styles, script and pictures are inside, and a content policy in the page forbids the
//! rest. Without the script everything is there but the movable threshold. Headings, labels and table
//! heads are what a screen reader needs; print rules keep tables and plots whole.

use super::text::{by_figure, by_section, difference};
use super::{Run, Section, svg};
use crate::Result;
use crate::error::EvalError;
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Text as HTML shows it, in content and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The page of one or several runs.
///
/// # Errors
/// No run; two runs of one name.
pub fn page(title: &str, runs: &[Run]) -> Result<String> {
    let Some(first) = runs.first() else {
        return Err(EvalError::input("report", "there is no run", "give one run or more"));
    };
    for (k, run) in runs.iter().enumerate() {
        if runs[..k].iter().any(|r| r.name == run.name) {
            return Err(EvalError::input(
                "report",
                format!("two runs are called `{}`", run.name),
                "give each run its own --name",
            ));
        }
    }
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{0}</h1>\n<p>{1}</p>\n",
        escape(title),
        escape(&first.question)
    );
    if runs.len() > 1 {
        out.push_str("<ul class=\"legend\">");
        for (k, run) in runs.iter().enumerate() {
            let _ = write!(out, "<li>{} {}</li>", svg::key(k), escape(&run.name));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</header>\n<main>\n");
    let warnings: Vec<_> = runs.iter().flat_map(|r| r.warnings.iter().map(move |w| (r, w))).collect();
    if !warnings.is_empty() {
        out.push_str(
            "<section class=\"warnings\" aria-labelledby=\"warnings\"><h2 id=\"warnings\">Warnings</h2><ul>",
        );
        for (run, warning) in warnings {
            let _ = write!(out, "<li>{}: {}</li>", escape(&run.name), escape(warning));
        }
        out.push_str("</ul></section>\n");
    }
    for (k, sections) in by_section(runs).iter().enumerate() {
        section(&mut out, runs, k, sections);
    }
    out.push_str("<section aria-labelledby=\"repeat\"><h2 id=\"repeat\">To repeat this</h2>\n");
    for run in runs {
        let _ = write!(out, "<h3>{}</h3>\n<dl>", escape(&run.name));
        for (what, value) in &run.facts {
            let _ = write!(out, "<dt>{}</dt><dd><code>{}</code></dd>", escape(what), escape(value));
        }
        out.push_str("</dl>\n");
    }
    let _ = write!(out, "</section>\n</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    Ok(out)
}

fn section(out: &mut String, runs: &[Run], place: usize, sections: &[(usize, &Section)]) {
    let first = sections[0].1;
    let _ = write!(
        out,
        "<section aria-labelledby=\"s{place}\"><h2 id=\"s{place}\">{}</h2>\n<p>{}</p>\n",
        escape(&first.title),
        escape(&first.note)
    );
    figures(out, runs, sections);
    out.push_str("<div class=\"plots\">\n");
    for (k, plot) in first.plots.iter().enumerate() {
        let lines: Vec<_> = sections
            .iter()
            .filter_map(|(run, s)| {
                Some((*run, runs[*run].name.as_str(), s.plots.iter().find(|p| p.id == plot.id)?))
            })
            .collect();
        let drawn = svg::plot(&format!("s{place}p{k}"), &lines);
        let _ = writeln!(out, "<figure>{drawn}<figcaption>{}</figcaption></figure>", escape(&plot.title));
    }
    for (run, section) in sections {
        scores(out, &format!("s{place}r{run}"), &runs[*run], section);
    }
    out.push_str("</div>\n");
    for (run, section) in sections {
        for table in section.tables.iter().filter(|t| !t.rows.is_empty()) {
            let of = if runs.len() > 1 { format!("{}: ", runs[*run].name) } else { String::new() };
            let _ =
                write!(out, "<table><caption>{}{}</caption><thead><tr>", escape(&of), escape(&table.title));
            for h in &table.head {
                let _ = write!(out, "<th scope=\"col\">{}</th>", escape(h));
            }
            out.push_str("</tr></thead><tbody>");
            for row in &table.rows {
                out.push_str("<tr>");
                for (c, text) in row.iter().enumerate() {
                    let text = escape(text);
                    let _ = match c {
                        0 => write!(out, "<th scope=\"row\">{text}</th>"),
                        _ => write!(out, "<td>{text}</td>"),
                    };
                }
                out.push_str("</tr>");
            }
            out.push_str("</tbody></table>\n");
        }
        pictures(out, &runs[*run], section);
    }
    out.push_str("</section>\n");
}

fn figures(out: &mut String, runs: &[Run], sections: &[(usize, &Section)]) {
    let figures = by_figure(sections);
    if figures.is_empty() {
        return;
    }
    let id = &sections[0].1.id;
    let differences: Vec<_> = figures.iter().map(|f| difference(runs, id, f[0].1)).collect();
    let compared = differences.iter().any(Option::is_some);
    out.push_str("<table><caption>Figures</caption><thead><tr><th scope=\"col\">figure</th>");
    for (run, _) in sections {
        let name = if runs.len() > 1 { &runs[*run].name } else { "value" };
        let _ = write!(
            out,
            "<th scope=\"col\">{}</th><th scope=\"col\">{} % interval</th>",
            escape(name),
            100.0 * runs[*run].confidence
        );
    }
    if compared {
        let _ = write!(out, "<th scope=\"col\">{} − {}</th>", escape(&runs[1].name), escape(&runs[0].name));
    }
    out.push_str("</tr></thead><tbody>");
    for (figure, difference) in figures.iter().zip(differences) {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(&figure[0].1.name));
        for (run, _) in sections {
            let own = figure.iter().find(|f| f.0 == *run).map(|f| f.1);
            let why = match own.map(|f| &f.value) {
                Some(super::Value::Undefined(why)) => format!(" title=\"{}\"", escape(why)),
                _ => String::new(),
            };
            let _ = write!(
                out,
                "<td{why}>{}</td><td class=\"interval\">{}</td>",
                escape(&own.map_or("–".into(), super::Figure::shown)),
                escape(&own.map(super::Figure::shown_interval).unwrap_or_default())
            );
        }
        if compared {
            let _ = write!(out, "<td>{}</td>", escape(&difference.unwrap_or_default()));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>\n");
}

fn scores(out: &mut String, id: &str, run: &Run, section: &Section) {
    let Some(scores) = &section.scores else { return };
    let h = &scores.histogram;
    let (low, high) = (h.low, h.low + h.width * h.genuine.len() as f64);
    // `[FMR, FNMR]` at each place of the slider; numbers need no escaping inside a script element.
    let points = serde_json::to_string(&scores.rates).unwrap_or_default();
    let steps = scores.rates.len().max(2) - 1;
    let start = scores.start;
    let said = format!("FMR {:.4} %, FNMR {:.3} %", 100.0 * start.fmr, 100.0 * start.fnmr);
    let _ = write!(
        out,
        "<figure class=\"scores\">{}<figcaption>Scores of {}: <span class=\"impostor-key\">different people</span>, \
         <span class=\"genuine-key\">the same person</span></figcaption>\n\
         <p class=\"cut-row\"><label for=\"{id}-cut\">threshold</label> \
         <input type=\"range\" id=\"{id}-cut\" min=\"0\" max=\"{steps}\" \
         value=\"{:.0}\" data-low=\"{low}\" data-high=\"{high}\"> \
         <output for=\"{id}-cut\">{:.4}: {said}</output></p>\n\
         <script type=\"application/json\">{points}</script></figure>\n",
        svg::histogram(id, scores),
        escape(&run.name),
        (start.threshold - low) / (high - low) * steps as f64,
        start.threshold
    );
}

fn pictures(out: &mut String, run: &Run, section: &Section) {
    for (kind, title) in [
        ("false match", "Most similar pairs of different people"),
        ("miss", "Least similar pairs of one person"),
    ] {
        let pairs: Vec<_> = section.pictures.iter().filter(|p| p.kind == kind).collect();
        if pairs.is_empty() {
            continue;
        }
        let _ = write!(out, "<h3>{title} ({})</h3>\n<ul class=\"pairs\">", escape(&run.name));
        for pair in pairs {
            out.push_str("<li>");
            for (name, person, picture) in &pair.photos {
                let _ = write!(
                    out,
                    "<img src=\"{}\" alt=\"{}: {}\">",
                    escape(picture),
                    escape(person),
                    escape(name)
                );
            }
            let [a, b] = &pair.photos;
            let _ = write!(out, "<span>{:.4}: {} and {}</span></li>", pair.score, escape(&a.0), escape(&b.0));
        }
        out.push_str("</ul>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_pairs::{all_pairs, silent, tests::clouds};
    use crate::bootstrap::{Bootstrap, Draws, Resampled};
    use crate::report::build::verification;
    use crate::report::{FORMAT, PicturePair, text};
    use crate::samples::Samples;
    use std::path::Path;

    fn run(name: &str, spread: f64, basis: &str) -> Run {
        let (templates, people) = clouds(30, 4, 16, spread, 3);
        let samples = Samples::complete(templates, people).unwrap();
        let pairs = all_pairs(&samples, 3, &silent).unwrap();
        let draws = Draws::new(30, &Bootstrap::default()).unwrap();
        let rounds = Resampled::from_all_pairs(&samples, &pairs.curve, &draws, &silent).unwrap();
        let mut section = verification(&pairs.curve, Some(&rounds), Some(0.4), 0.95);
        let photo =
            |n: &str| (n.to_owned(), "<b>Ada & Bob</b>".to_owned(), "data:image/jpeg;base64,AAAA".to_owned());
        section.pictures.push(PicturePair {
            kind: "miss".into(),
            score: 0.1,
            photos: [photo("a\".jpg"), photo("b.jpg")],
        });
        Run {
            format: FORMAT,
            name: name.into(),
            question: "a question".into(),
            facts: vec![("command".into(), "phiz eval '</script>'".into())],
            warnings: vec!["mind | this".into()],
            basis: basis.into(),
            confidence: 0.95,
            sections: vec![section],
        }
    }

    #[test]
    fn names_from_outside_stay_text() {
        let page = page("<script>alert(1)</script>", &[run("x<y", 0.8, "")]).unwrap();
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
    fn runs_are_compared_only_over_the_same_people() {
        let (a, b) = (run("a", 0.8, "same"), run("b", 1.3, "same"));
        let d = a.difference(&b, "verification", "auc").unwrap();
        assert!(d.interval.high < 0.0 && d.p < 0.02, "{d:?}");
        assert!(a.difference(&run("c", 1.3, "other"), "verification", "auc").is_none());
        assert!(a.difference(&b, "verification", "genuine").is_none(), "counts have no rounds");
        let both = text::markdown(&[a.clone(), b.clone()]);
        assert!(both.contains("| | a | b | difference |") && both.contains("mind \\| this"), "{both}");
        assert!(page("t", &[a.clone(), b]).unwrap().contains("b − a"));
        let again = Run::from_json(&a.to_json().unwrap(), Path::new("a.json")).unwrap();
        // JSON keeps fifteen digits of a number.
        let same = again.difference(&a, "verification", "auc").unwrap();
        assert!(same.interval.high.abs() < 1e-14 && same.interval.low.abs() < 1e-14, "{same:?}");
        assert_eq!(again.facts, a.facts);
        assert!(page("t", &[a.clone(), a]).unwrap_err().to_string().contains("two runs are called"));
        assert!(page("t", &[]).is_err());
    }
}
