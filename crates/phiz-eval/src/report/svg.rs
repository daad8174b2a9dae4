//! Curves and histograms as SVG that reads in black and white, too: runs differ by colour and by dashes.

use super::html::escape;
use super::{Axis, Plot, Scores};
use std::fmt::Write as _;

/// Colours that people with any colour vision can tell apart (Okabe and Ito), dark enough for white paper.
pub(crate) const COLOURS: [&str; 6] = ["#0060a0", "#c04a00", "#007a58", "#8a2a7a", "#6b5300", "#333333"];
const DASHES: [&str; 6] = ["none", "7 3", "2 3", "9 3 2 3", "4 4", "12 4"];

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// Where a value lies on an axis, 0 to 1.
fn place(axis: &Axis, value: f64) -> f64 {
    let share = if axis.log {
        (value.max(axis.low) / axis.low).ln() / (axis.high / axis.low).ln()
    } else {
        (value - axis.low) / (axis.high - axis.low)
    };
    share.clamp(0.0, 1.0)
}

fn x_of(axis: &Axis, value: f64) -> f64 {
    LEFT + place(axis, value) * (WIDTH - LEFT - RIGHT)
}

fn y_of(axis: &Axis, value: f64) -> f64 {
    HEIGHT - BOTTOM - place(axis, value) * (HEIGHT - TOP - BOTTOM)
}

/// Values worth a line: decades (every second of many), or about five even steps of 1, 2 or 5.
fn ticks(axis: &Axis) -> Vec<f64> {
    if axis.log {
        let (from, to) = (axis.low.log10().ceil() as i32, axis.high.log10().floor() as i32);
        let decades: Vec<f64> = (from..=to).map(|e| 10f64.powi(e)).collect();
        // More than fit beside each other with their labels: every second, the highest among them.
        let step = if decades.len() > 6 { 2 } else { 1 };
        if decades.len() > 2 {
            return decades.into_iter().rev().step_by(step).rev().collect();
        }
        let all = (from - 1..=to).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e)));
        return all.filter(|v| *v >= axis.low * 0.999 && *v <= axis.high * 1.001).collect();
    }
    let span = axis.high - axis.low;
    let rough = span / 5.0;
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|s| *s >= rough).unwrap_or(rough);
    let first = (axis.low / step).ceil() as i64;
    let count = (axis.high / step).floor() as i64 - first;
    (0..=count.clamp(0, 20)).map(|k| (first + k) as f64 * step).collect()
}

fn written(axis: &Axis, value: f64) -> String {
    let value = if axis.percent { 100.0 * value } else { value };
    // Enough digits for the value, no trailing zeros: 0.001, 20, 97.5.
    let digits = if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).clamp(0, 8) as usize };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if axis.percent { format!("{text} %") } else { text.to_owned() }
}

fn open(id: &str, title: &str, description: &str) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>"
    )
}

fn frame(x: &Axis, y: &Axis) -> String {
    let mut out = String::from("<g class=\"grid\">");
    for v in ticks(x) {
        let at = x_of(x, v);
        let _ = write!(
            out,
            "<path d=\"M{at:.1} {TOP}V{:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 15.0,
            written(x, v)
        );
    }
    for v in ticks(y) {
        let at = y_of(y, v);
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 5.0,
            at + 4.0,
            written(y, v)
        );
    }
    let (middle_x, middle_y) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0);
    let _ = write!(
        out,
        "</g><text class=\"label\" x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"label\" transform=\"translate(13 {middle_y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 8.0,
        escape(&x.label),
        escape(&y.label)
    );
    out
}

/// One plot with the curves of several runs, `(run's number, name, plot)`.
pub(crate) fn plot(id: &str, runs: &[(usize, &str, &Plot)]) -> String {
    let first = runs[0].2;
    let widen = |of: fn(&Plot) -> &Axis| {
        let axes = || runs.iter().map(|r| of(r.2));
        let low = axes().map(|a| a.low).fold(f64::INFINITY, f64::min);
        let high = axes().map(|a| a.high).fold(f64::NEG_INFINITY, f64::max);
        Axis { low, high, ..of(first).clone() }
    };
    let (x, y) = (widen(|p| &p.x), widen(|p| &p.y));
    let described: Vec<String> = runs
        .iter()
        .filter_map(|(_, name, p)| {
            let middle = p.points.get(p.points.len() / 2)?;
            Some(format!(
                "{name}: {} points, for example {} {} at {} {}",
                p.points.len(),
                y.label,
                written(&y, middle[1]),
                x.label,
                written(&x, middle[0])
            ))
        })
        .collect();
    let mut out = open(id, &first.title, &described.join(". "));
    out.push_str(&frame(&x, &y));
    for (number, _, p) in runs {
        let k = number % COLOURS.len();
        let points: String =
            p.points.iter().map(|p| format!("{:.1},{:.1} ", x_of(&x, p[0]), y_of(&y, p[1]))).collect();
        let _ = write!(
            out,
            "<polyline class=\"line\" points=\"{}\" stroke=\"{}\" stroke-dasharray=\"{}\"/>",
            points.trim_end(),
            COLOURS[k],
            DASHES[k]
        );
    }
    out + "</svg>"
}

/// Genuine and impostor scores, each as a share of its kind, with the movable line.
pub(crate) fn histogram(id: &str, scores: &Scores) -> String {
    let h = &scores.histogram;
    let share = |counts: &[u64]| {
        let all = counts.iter().sum::<u64>().max(1) as f64;
        counts.iter().map(|&n| n as f64 / all).collect::<Vec<_>>()
    };
    let (genuine, impostors) = (share(&h.genuine), share(&h.impostors));
    let top = genuine.iter().chain(&impostors).copied().fold(1e-9, f64::max);
    let x = Axis {
        label: "similarity".into(),
        log: false,
        percent: false,
        low: h.low,
        high: h.low + h.width * genuine.len() as f64,
    };
    let y = Axis { label: "share of pairs".into(), log: false, percent: true, low: 0.0, high: top };
    let mut out = open(
        id,
        "Scores of pairs of the same person and of different people",
        &format!(
            "Scores from {:.3} to {:.3}; left hump: different people, right hump: the same person.",
            x.low, x.high
        ),
    );
    out.push_str(&frame(&x, &y));
    for (shares, class) in [(&impostors, "impostor"), (&genuine, "genuine")] {
        let mut path = format!("M{:.1} {:.1}", x_of(&x, h.low), y_of(&y, 0.0));
        for (k, &s) in shares.iter().enumerate() {
            let (from, to) = (h.low + h.width * k as f64, h.low + h.width * (k + 1) as f64);
            let _ = write!(path, "L{:.1} {:.1}H{:.1}", x_of(&x, from), y_of(&y, s), x_of(&x, to));
        }
        let _ = write!(out, "<path class=\"{class}\" d=\"{path}V{:.1}Z\"/>", y_of(&y, 0.0));
    }
    let at = x_of(&x, scores.start.threshold);
    let _ = write!(
        out,
        "<path class=\"cut\" data-left=\"{LEFT}\" data-right=\"{}\" d=\"M0 {TOP}V{}\" \
         transform=\"translate({at:.1} 0)\"/></svg>",
        WIDTH - RIGHT,
        HEIGHT - BOTTOM
    );
    out
}

/// The line of a run as the legend shows it.
pub(crate) fn key(number: usize) -> String {
    let k = number % COLOURS.len();
    format!(
        "<svg class=\"key\" viewBox=\"0 0 30 8\" aria-hidden=\"true\"><path d=\"M0 4H30\" stroke=\"{}\" \
         stroke-dasharray=\"{}\"/></svg>",
        COLOURS[k], DASHES[k]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(log: bool, percent: bool, low: f64, high: f64) -> Axis {
        Axis { label: String::new(), log, percent, low, high }
    }

    #[test]
    fn ticks_are_few_and_round() {
        for (a, expected) in [
            (axis(true, true, 1e-4, 1.0), vec!["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]),
            (axis(true, true, 1e-7, 1.0), vec!["0.0001 %", "0.01 %", "1 %", "100 %"]),
            (axis(false, true, 0.0, 1.0), vec!["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
            (axis(false, false, -0.35, 0.9), vec!["0", "0.5"]),
            (axis(true, false, 1.0, 50.0), vec!["1", "2", "5", "10", "20", "50"]),
            (axis(false, true, 0.9, 1.0), vec!["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]),
        ] {
            let shown: Vec<String> = ticks(&a).iter().map(|v| written(&a, *v)).collect();
            assert_eq!(shown, expected, "{a:?}");
        }
    }

    #[test]
    fn places_stay_inside() {
        let log = axis(true, true, 1e-4, 1.0);
        assert_eq!((place(&log, 0.0), place(&log, 1e-2), place(&log, 7.0)), (0.0, 0.5, 1.0));
    }
}
