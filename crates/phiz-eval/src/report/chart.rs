//! Charts as SVG that also read in black and white: curves differ by colour and by dashes.
//!
//! The one chart writer of the project: the evaluation's page and the trainer's page both draw with it.
//!
//! ```
//! use phiz_eval::report::chart::{Axis, Chart, Line};
//!
//! let (x, y) = (Axis::number("step", 0.0, 100.0), Axis::rate("error", 1e-3, 1.0));
//! let mut chart = Chart::new("loss", "Error over steps", x, y);
//! chart.lines.push(Line::new(0, "first run", vec![[0.0, 0.9], [100.0, 0.01]]));
//! assert!(chart.svg().into_string().starts_with("<svg"));
//! ```
//!
//! Nothing that reaches a chart makes a NaN of it: points that are not finite are left out, an axis always has an
//! extent, and a logarithmic axis begins above zero.

use super::Scores;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Colours that people with any colour vision can tell apart (Okabe and Ito), dark enough for white paper.
const COLOURS: [&str; 6] = ["#0060a0", "#c04a00", "#007a58", "#8a2a7a", "#6b5300", "#333333"];
const DASHES: [&str; 6] = ["none", "7 3", "2 3", "9 3 2 3", "4 4", "12 4"];

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;
/// About what a character of a label takes, in pixels, and the least gap between two labels.
const CHARACTER: f64 = 6.2;
const GAP: f64 = 6.0;

/// Curves over common axes. Plots of several reports meet by `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plot {
    /// The same for the same plot in every report.
    pub id: String,
    /// Heading.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// `[x, y]`, in order.
    pub points: Vec<[f64; 2]>,
}

impl Plot {
    /// A plot of the finite points; none without any, because an empty chart says nothing.
    pub fn new(id: &str, title: &str, x: Axis, y: Axis, points: Vec<[f64; 2]>) -> Option<Self> {
        let points: Vec<_> = points.into_iter().filter(|p| p.iter().all(|v| drawable(*v))).collect();
        (!points.is_empty()).then(|| Self { id: id.to_owned(), title: title.to_owned(), x, y, points })
    }
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Axis {
    /// What it shows.
    pub label: String,
    /// Even steps multiply instead of adding.
    pub log: bool,
    /// Written in per cent.
    pub percent: bool,
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

impl Axis {
    /// Even steps of a plain number.
    pub fn number(label: &str, low: f64, high: f64) -> Self {
        Self { label: label.to_owned(), log: false, percent: false, low, high }.sound()
    }
    /// Even steps of a share, written in per cent.
    pub fn share(label: &str, low: f64, high: f64) -> Self {
        Self { percent: true, ..Self::number(label, low, high) }
    }
    /// Multiplying steps of a share, written in per cent.
    pub fn rate(label: &str, low: f64, high: f64) -> Self {
        Self { label: label.to_owned(), log: true, percent: true, low, high }.sound()
    }
    /// Multiplying steps of a plain number.
    pub fn multiplying(label: &str, low: f64, high: f64) -> Self {
        Self { label: label.to_owned(), log: true, percent: false, low, high }.sound()
    }

    /// The same axis with an extent, whatever it was made from or read from.
    fn sound(mut self) -> Self {
        // Ends beyond these would overflow when they are divided or drawn; no figure of ours is near them.
        const MOST: f64 = 1e30;
        self.low = self.low.clamp(-MOST, MOST);
        self.high = self.high.clamp(-MOST, MOST);
        if self.log && (self.low.is_nan() || self.low <= 0.0) {
            self.low = if self.high > 0.0 { self.high / 1000.0 } else { 1e-3 };
        }
        if self.log {
            self.low = self.low.max(1.0 / MOST);
        }
        if self.low.is_nan() {
            self.low = 0.0;
        }
        if self.high.is_nan() || self.high <= self.low {
            let step: f64 = if self.percent { 0.1 } else { 1.0 };
            self.high = if self.log { self.low * 10.0 } else { self.low + step.max(self.low.abs() / 1000.0) };
        }
        self
    }

    /// Where a value lies, 0 to 1; values beyond the ends lie at the ends.
    fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Values worth a line: decades (every second of many), or about five even steps of 1, 2 or 5.
    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let (from, to) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
            let decades: Vec<f64> = (from..=to).map(|e| 10f64.powi(e)).collect();
            // Of more than fit with their labels, every n-th, the highest among them.
            let step = decades.len().div_ceil(6).max(1);
            if decades.len() > 2 {
                return decades.into_iter().rev().step_by(step).rev().collect();
            }
            let all = (from - 1..=to).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e)));
            return all.filter(|v| *v >= self.low * 0.999 && *v <= self.high * 1.001).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|s| *s >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let count = (self.high / step).floor() as i64 - first;
        (0..=count.clamp(0, 20)).map(|k| (first + k) as f64 * step).collect()
    }

    /// The values of [`Axis::ticks`] whose labels stand beside each other without touching, the last among them.
    fn labelled(&self) -> Vec<f64> {
        let mut kept: Vec<f64> = Vec::new();
        // The next label to the right begins here.
        let mut free = WIDTH;
        for v in self.ticks().into_iter().rev() {
            let (at, half) = (x_of(self, v), self.written(v).chars().count() as f64 * CHARACTER / 2.0);
            if at + half <= free {
                kept.push(v);
                free = at - half - GAP;
            }
        }
        kept.reverse();
        kept
    }

    /// A value as the axis writes it: enough digits, no trailing zeros.
    fn written(&self, value: f64) -> String {
        let value = if self.percent { 100.0 * value } else { value };
        if value != 0.0 && value.abs() < 0.99e-5 {
            return if self.percent { format!("{value:.0e} %") } else { format!("{value:.0e}") };
        }
        let digits =
            if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).clamp(0, 8) as usize };
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        if self.percent { format!("{text} %") } else { text.to_owned() }
    }
}

fn x_of(axis: &Axis, value: f64) -> f64 {
    LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)
}

fn y_of(axis: &Axis, value: f64) -> f64 {
    HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)
}

/// A curve of a chart.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// Chooses colour and dashes, the same in all charts and in the legend.
    pub number: usize,
    /// What it shows.
    pub name: String,
    /// `[x, y]`, in order.
    pub points: Vec<[f64; 2]>,
}

impl Line {
    /// A curve of points; those that are not finite are not drawn.
    pub fn new(number: usize, name: &str, points: Vec<[f64; 2]>) -> Self {
        Self { number, name: name.to_owned(), points }
    }
}

/// Axes with the curves of several systems.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Chart {
    /// The start of all ids in it, unique on its page.
    pub id: String,
    /// Heading.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// The curves.
    pub lines: Vec<Line>,
}

impl Chart {
    /// A chart without curves yet.
    pub fn new(id: &str, title: &str, x: Axis, y: Axis) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), x, y, lines: Vec::new() }
    }

    /// One chart for the same plot of several reports, `(number, name, plot)`; its axes hold all of them.
    pub fn of_plots(id: &str, plots: &[(usize, &str, &Plot)]) -> Option<Self> {
        let first = plots.first()?.2;
        let widen = |of: fn(&Plot) -> &Axis| {
            let axes = || plots.iter().map(|p| of(p.2));
            let low = axes().map(|a| a.low).fold(f64::INFINITY, f64::min);
            let high = axes().map(|a| a.high).fold(f64::NEG_INFINITY, f64::max);
            Axis { low, high, ..of(first).clone() }
        };
        let lines = plots.iter().map(|(k, name, p)| Line::new(*k, name, p.points.clone())).collect();
        Some(Self { lines, ..Self::new(id, &first.title, widen(|p| &p.x), widen(|p| &p.y)) })
    }

    /// The drawing.
    pub fn svg(&self) -> Markup {
        let (x, y) = (self.x.clone().sound(), self.y.clone().sound());
        let finite: Vec<Vec<[f64; 2]>> = self
            .lines
            .iter()
            .map(|l| l.points.iter().copied().filter(|p| p.iter().all(|v| drawable(*v))).collect())
            .collect();
        let described: Vec<String> = self
            .lines
            .iter()
            .zip(&finite)
            .filter_map(|(line, points)| {
                let middle = points.get(points.len() / 2)?;
                Some(format!(
                    "{}: {} points, for example {} {} at {} {}",
                    line.name,
                    points.len(),
                    y.label,
                    y.written(middle[1]),
                    x.label,
                    x.written(middle[0])
                ))
            })
            .collect();
        let inside = html! {
            (frame(&x, &y))
            @for (line, points) in self.lines.iter().zip(&finite) {
                @let colour = COLOURS[line.number % COLOURS.len()];
                @match points.as_slice() {
                    [] => {}
                    // A line of one point would not be seen.
                    [[px, py]] => circle cx=(one(x_of(&x, *px))) cy=(one(y_of(&y, *py))) r="4" fill=(colour) {}
                    more => {
                        @let place = |p: &[f64; 2]| format!("{:.1},{:.1}", x_of(&x, p[0]), y_of(&y, p[1]));
                        polyline class="line" points=(more.iter().map(place).collect::<Vec<_>>().join(" "))
                            stroke=(colour) stroke-dasharray=(DASHES[line.number % DASHES.len()]) {}
                    }
                }
            }
        };
        svg(&self.id, &self.title, &described.join(". "), &inside)
    }
}

/// One digit behind the point: a tenth of a pixel.
fn one(value: f64) -> String {
    format!("{value:.1}")
}

fn svg(id: &str, title: &str, description: &str, inside: &Markup) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(format!("{id}-t {id}-d")) {
            title id=(format!("{id}-t")) { (title) }
            desc id=(format!("{id}-d")) { (description) }
            (inside)
        }
    }
}

fn frame(x: &Axis, y: &Axis) -> Markup {
    let bottom = HEIGHT - BOTTOM;
    let (middle_x, middle_y) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + bottom) / 2.0);
    let labelled = x.labelled();
    html! {
        g class="grid" {
            @for v in x.ticks() {
                @let at = x_of(x, v);
                path d=(format!("M{at:.1} {TOP}V{bottom:.1}")) {}
                @if labelled.contains(&v) {
                    text x=(one(at)) y=(one(bottom + 15.0)) text-anchor="middle" { (x.written(v)) }
                }
            }
            @for v in y.ticks() {
                @let at = y_of(y, v);
                path d=(format!("M{LEFT} {at:.1}H{:.1}", WIDTH - RIGHT)) {}
                text x=(one(LEFT - 5.0)) y=(one(at + 4.0)) text-anchor="end" { (y.written(v)) }
            }
        }
        text class="label" x=(one(middle_x)) y=(one(HEIGHT - 8.0)) text-anchor="middle" { (x.label) }
        text class="label" transform=(format!("translate(13 {middle_y:.1}) rotate(-90)")) text-anchor="middle" {
            (y.label)
        }
    }
}

/// Genuine and impostor scores, each as a share of its kind, with the movable line.
pub(crate) fn histogram(id: &str, scores: &Scores) -> Markup {
    let h = &scores.histogram;
    let share = |counts: &[u64]| {
        let all = counts.iter().sum::<u64>().max(1) as f64;
        counts.iter().map(|&n| n as f64 / all).collect::<Vec<_>>()
    };
    let (genuine, impostors) = (share(&h.genuine), share(&h.impostors));
    let top = genuine.iter().chain(&impostors).copied().fold(1e-9, f64::max);
    let x = Axis::number("similarity", h.low, h.low + h.width * genuine.len() as f64);
    let y = Axis::share("share of pairs", 0.0, top);
    let outline = |shares: &[f64]| {
        let mut path = format!("M{:.1} {:.1}", x_of(&x, h.low), y_of(&y, 0.0));
        for (k, &s) in shares.iter().enumerate() {
            let (from, to) = (h.low + h.width * k as f64, h.low + h.width * (k + 1) as f64);
            let _ = write!(path, "L{:.1} {:.1}H{:.1}", x_of(&x, from), y_of(&y, s), x_of(&x, to));
        }
        format!("{path}V{:.1}Z", y_of(&y, 0.0))
    };
    let inside = html! {
        (frame(&x, &y))
        path class="impostor" d=(outline(&impostors)) {}
        path class="genuine" d=(outline(&genuine)) {}
        path class="cut" data-left=(LEFT) data-right=(WIDTH - RIGHT)
            d=(format!("M0 {TOP}V{}", HEIGHT - BOTTOM))
            transform=(format!("translate({:.1} 0)", x_of(&x, scores.start.threshold))) {}
    };
    let description = format!(
        "Scores from {:.3} to {:.3}; left hump: different people, right hump: the same person.",
        x.low, x.high
    );
    svg(id, "Scores of pairs of the same person and of different people", &description, &inside)
}

/// The line of a system as the legend shows it.
pub fn key(number: usize) -> Markup {
    let k = number % COLOURS.len();
    html! {
        svg class="key" viewBox="0 0 30 8" aria-hidden="true" {
            path d="M0 4H30" stroke=(COLOURS[k]) stroke-dasharray=(DASHES[k]) {}
        }
    }
}

/// A number that stays finite where it is written as a percentage.
fn drawable(value: f64) -> bool {
    (100.0 * value).is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_few_and_round() {
        for (a, expected) in [
            (Axis::rate("", 1e-4, 1.0), vec!["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]),
            (Axis::rate("", 1e-7, 1.0), vec!["0.0001 %", "0.01 %", "1 %", "100 %"]),
            (Axis::share("", 0.0, 1.0), vec!["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
            (Axis::number("", -0.35, 0.9), vec!["0", "0.5"]),
            (Axis::multiplying("", 1.0, 50.0), vec!["1", "2", "5", "10", "20", "50"]),
            (Axis::share("", 0.9, 1.0), vec!["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]),
        ] {
            let shown: Vec<String> = a.ticks().iter().map(|v| a.written(*v)).collect();
            assert_eq!(shown, expected, "{a:?}");
        }
    }

    #[test]
    fn labels_do_not_touch() {
        for decades in 1..=12 {
            let axis = Axis::rate("", 10f64.powi(-decades), 1.0);
            let labels = axis.labelled();
            assert!(labels.len() >= 2 && labels.last() == Some(&1.0), "{axis:?} {labels:?}");
            for pair in labels.windows(2) {
                let half = |v: f64| axis.written(v).chars().count() as f64 * CHARACTER / 2.0;
                let gap = x_of(&axis, pair[1]) - half(pair[1]) - x_of(&axis, pair[0]) - half(pair[0]);
                assert!(gap >= GAP, "{axis:?}: {gap} pixels between the labels of {pair:?}");
            }
        }
    }

    #[test]
    fn places_stay_inside() {
        let log = Axis::rate("", 1e-4, 1.0);
        assert_eq!((log.place(0.0), log.place(1e-2), log.place(7.0)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn one_point_is_seen_and_no_point_is_no_plot() {
        let axes = || (Axis::number("x", 0.0, 1.0), Axis::number("y", 0.0, 1.0));
        let (x, y) = axes();
        let mut chart = Chart::new("c", "t", x, y);
        chart.lines.push(Line::new(0, "a", vec![[0.5, 0.5], [f64::NAN, 0.1]]));
        assert!(chart.svg().into_string().contains("<circle"));
        let (x, y) = axes();
        assert!(Plot::new("p", "t", x, y, vec![[0.1, f64::INFINITY]]).is_none());
        assert!(Chart::of_plots("c", &[]).is_none());
    }

    proptest! {
        #[test]
        fn no_input_makes_a_nan(
            ends in prop::array::uniform4(prop::sample::select(vec![
                f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e-300, 1e-7, 0.9, 1.0, 1.0, 50.0, 1e300,
            ])),
            logs in prop::array::uniform2(any::<bool>()),
            points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..5),
        ) {
            let axis = |low, high, log| Axis { label: "l".into(), log, percent: true, low, high };
            let (x, y) = (axis(ends[0], ends[1], logs[0]), axis(ends[2], ends[3], logs[1]));
            let mut chart = Chart::new("c", "t", x, y);
            chart.lines.push(Line::new(0, "a", points.into_iter().map(|(x, y)| [x, y]).collect()));
            let drawn = chart.svg().into_string();
            prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
