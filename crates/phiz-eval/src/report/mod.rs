//! What is handed over: figures with their intervals, curves, tables, and all that is needed to repeat them.
//!
//! A [`Run`] is one system judged once. It is written as JSON, which is read again to put several runs
//! on one page; [`text`] makes a table for the terminal or for a paper, [`html`] one page that needs no
//! network. The values of all bootstrap rounds stay in the JSON, so that two runs made with one seed
//! over the same people can be compared by a paired test long after.

pub mod build;
pub mod html;
mod svg;
pub mod text;

use crate::Result;
use crate::bootstrap::{Interval, Replicates};
use crate::compare::{Difference, paired};
use crate::curve::{Answer, Histogram, OperatingPoint};
use crate::error::EvalError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the JSON that this build writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// One system judged once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Version of this format.
    pub format: u32,
    /// The system, as tables call it.
    pub name: String,
    /// What was asked.
    pub question: String,
    /// Everything needed to repeat it, `(what, value)`: command, version, models, data, seed.
    pub facts: Vec<(String, String)>,
    /// What a reader should know before trusting the figures.
    pub warnings: Vec<String>,
    /// The data and the draws that rounds were made with; runs with equal ones can be compared by pairs.
    pub basis: String,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// The answers.
    pub sections: Vec<Section>,
}

/// Figures, curves and tables that belong together. Sections of several runs meet by `id`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Section {
    /// Same for the same question in every run.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What the reader should know of it.
    pub note: String,
    /// Figures, in the order of the table.
    pub figures: Vec<Figure>,
    /// Curves.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// Scores, for the movable threshold.
    #[serde(default)]
    pub scores: Option<Scores>,
    /// Tables of this run alone.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// Pairs to look at.
    #[serde(default)]
    pub pictures: Vec<PicturePair>,
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Same for the same figure in every run.
    pub id: String,
    /// As tables call it.
    pub name: String,
    /// The value, or why there is none.
    pub value: Value,
    /// How sure it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// How it is written.
    pub unit: Unit,
    /// Which way is good.
    pub better: Better,
    /// Its values in the rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Replicates,
}

/// A figure's value, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// It is known.
    Number(f64),
    /// Too few trials to say (rule of 3).
    TooFew {
        /// Trials there are.
        have: u64,
        /// Trials needed.
        needed: u64,
    },
    /// The data do not define it.
    Undefined(String),
}

impl From<Answer<f64>> for Value {
    fn from(answer: Answer<f64>) -> Self {
        match answer {
            Answer::Value(value) => Self::Number(value),
            Answer::TooFew { have, needed } => Self::TooFew { have, needed },
        }
    }
}

impl From<Result<Answer<f64>>> for Value {
    fn from(result: Result<Answer<f64>>) -> Self {
        result.map_or_else(|e| Self::Undefined(e.to_string()), Self::from)
    }
}

impl From<Result<f64>> for Value {
    fn from(result: Result<f64>) -> Self {
        result.map_or_else(|e| Self::Undefined(e.to_string()), Self::Number)
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share, written in per cent.
    Percent,
    /// A number with four digits.
    Number,
    /// A whole number.
    Count,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Higher.
    Up,
    /// Lower.
    Down,
    /// Neither: a count, a threshold.
    Neither,
}

/// Curves over common axes. Plots of several runs meet by `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// Same for the same plot in every run.
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

/// An axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// What the movable threshold needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Genuine and impostor scores.
    pub histogram: Histogram,
    /// Error rates at even steps from the lowest to the highest score: `[FMR, FNMR]`, exact at each step.
    pub rates: Vec<[f64; 2]>,
    /// Where the threshold stands at first.
    pub start: OperatingPoint,
}

/// A table of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Caption.
    pub title: String,
    /// Heads of the columns.
    pub head: Vec<String>,
    /// Rows, as long as the head.
    pub rows: Vec<Vec<String>>,
}

/// Two pictures side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PicturePair {
    /// `false match` or `miss`.
    pub kind: String,
    /// Their score.
    pub score: f64,
    /// Name, person, and the picture as a `data:` address, of each.
    pub photos: [(String, String, String); 2],
}

impl Run {
    /// Reads what [`Run::to_json`] wrote; `name` is used in errors.
    ///
    /// # Errors
    /// No such JSON, or of another version.
    pub fn from_json(text: &str, name: &Path) -> Result<Self> {
        let hint = "give files that `phiz eval … --json FILE` wrote";
        let fail = |line: u64, reason: String| EvalError::file(name, line, reason, hint);
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version =
            serde_json::from_str(text).map_err(|e| fail(e.line() as u64, e.to_string()))?;
        if version.format != FORMAT {
            let reason = format!("is of format {}, this build reads format {FORMAT}", version.format);
            return Err(EvalError::file(name, 0, reason, "make the run again with this build"));
        }
        serde_json::from_str(text).map_err(|e| fail(e.line() as u64, e.to_string()))
    }

    /// Everything, for [`Run::from_json`] and other programs.
    ///
    /// # Errors
    /// A value that JSON cannot hold; none of ours.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| {
            EvalError::input("report", e.to_string(), "this is a fault of Phiz; please report it")
        })
    }

    /// The section with an id.
    pub fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.id == id)
    }

    /// The figure with an id, in a section.
    pub fn figure(&self, section: &str, figure: &str) -> Option<&Figure> {
        self.section(section)?.figures.iter().find(|f| f.id == figure)
    }

    /// `other`'s figure minus ours by a paired test; none unless both were made over the same people
    /// with the same draws.
    pub fn difference(&self, other: &Self, section: &str, figure: &str) -> Option<Difference> {
        if self.basis != other.basis {
            return None;
        }
        let (a, b) = (self.figure(section, figure)?, other.figure(section, figure)?);
        if a.rounds.is_empty() {
            return None;
        }
        paired(&a.rounds, &b.rounds, self.confidence).ok()
    }
}

impl Figure {
    /// The value as tables show it.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Number(value) => self.unit.show(*value),
            Value::TooFew { have, needed } => {
                format!("too few to say ({} of {})", count(*have), count(*needed))
            }
            Value::Undefined(_) => "undefined".to_owned(),
        }
    }
    /// The interval as tables show it.
    pub fn shown_interval(&self) -> String {
        match (&self.value, self.interval) {
            // All rounds alike, because there was no error to draw: the interval is the rule of 3's, not 0 wide.
            (Value::Number(v), Some(i)) if i.low == i.high && (*v == 0.0 || *v == 1.0) => {
                "no error seen".into()
            }
            (Value::Number(_), Some(i)) => {
                format!("{} – {}", self.unit.show_bare(i.low), self.unit.show_bare(i.high))
            }
            _ => String::new(),
        }
    }
}

impl Unit {
    /// A value in this unit, with its sign.
    pub fn show(self, value: f64) -> String {
        let bare = self.show_bare(value);
        if self == Self::Percent { format!("{bare} %") } else { bare }
    }
    pub(crate) fn show_bare(self, value: f64) -> String {
        match self {
            // Three digits of what is small, two places of the rest.
            Self::Percent if value != 0.0 && value.abs() < 0.01 => {
                let digits = (2 - (100.0 * value.abs()).log10().floor() as i32).clamp(2, 8) as usize;
                format!("{:.digits$}", 100.0 * value)
            }
            Self::Percent => format!("{:.2}", 100.0 * value),
            Self::Number => format!("{value:.4}"),
            Self::Count => count(value.max(0.0).round() as u64),
        }
    }
}

/// A whole number with thin groups: 88 000 000 reads as 88,000,000.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(
            (count(0), count(1234), count(87_549_528)),
            ("0".into(), "1,234".into(), "87,549,528".into())
        );
        assert_eq!(Unit::Percent.show(0.99123), "99.12 %");
        assert_eq!(Unit::Percent.show(0.000_012_34), "0.00123 %");
        assert_eq!(Unit::Percent.show(-0.001_234), "-0.123 %");
        assert_eq!(Unit::Percent.show(0.0), "0.00 %");
        assert_eq!(Unit::Number.show(0.5), "0.5000");
    }

    #[test]
    fn other_versions_are_named() {
        let error = Run::from_json(r#"{"format":9}"#, Path::new("a.json")).unwrap_err().to_string();
        assert!(error.contains("format 9") && error.contains("format 1"), "{error}");
        assert!(Run::from_json("[]", Path::new("a.json")).is_err());
    }
}
