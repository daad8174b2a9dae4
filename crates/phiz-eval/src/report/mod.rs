//! What is handed over: figures with their intervals, curves, tables, and all that is needed to repeat them.
//!
//! A [`Report`] is one system judged once. It is written as JSON, which is read again to put several reports
//! on one page. [`text`] makes tables for the terminal and for papers, [`html`] makes one page that needs no
//! network, [`chart`] draws the curves of both this page and the trainer's. The values of all bootstrap rounds stay
//! in the JSON, so that two reports made with one seed over the same people can be compared by a paired test long
//! after.
//!
//! A figure that its data do not define is never a number: its [`Value`] says why there is none, tables say
//! "undefined" and give the reason below, and the JSON has `"value": null` beside `"reason"`.

pub mod build;
pub mod chart;
pub mod html;
pub mod text;
mod wire;

use crate::Result;
use crate::bootstrap::{Bootstrap, Interval, Replicates, interval};
use crate::compare::{Difference, paired};
use crate::curve::{Answer, Histogram, OperatingPoint, rule_of_three_bound};
use crate::error::EvalError;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub use chart::{Axis, Plot};

/// The version of the JSON that this build writes. It also reads version 1, whose values are objects.
pub const FORMAT: u32 = 2;

/// One system judged once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of this format.
    pub format: u32,
    /// The system's name in tables.
    pub name: String,
    /// What was asked.
    pub question: String,
    /// Everything needed to repeat it, `(what, value)`: command, version, models, data, seed.
    pub facts: Vec<(String, String)>,
    /// What a reader should know before trusting the figures.
    pub warnings: Vec<String>,
    /// What was asked for and could not be judged, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Names the data and the draws that the rounds were made with: reports with equal ones can be compared by pairs.
    pub basis: String,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// The answers.
    pub sections: Vec<Section>,
}

/// An item that could not be judged as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The photo or the row.
    pub item: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it still counts, as a photo in which no face was found, so that a system gains nothing by failing.
    pub counts_as_failure: bool,
}

impl LeftOut {
    /// An item that nobody could judge: it takes no part in any figure.
    pub fn absent(item: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { item: item.into(), reason: reason.into(), counts_as_failure: false }
    }
    /// An item that this system made nothing of: it counts as a failure to acquire.
    pub fn failed(item: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { item: item.into(), reason: reason.into(), counts_as_failure: true }
    }
}

/// Figures, curves and tables that belong together. Sections of several reports meet by `id`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Section {
    /// The same for the same question in every report.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What the reader should know of it.
    pub note: String,
    /// Figures, in the order of the table.
    pub figures: Vec<Figure>,
    /// Rates of groups of photos, where the section is about groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRates>,
    /// Curves.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// Scores, for the movable threshold.
    #[serde(default)]
    pub scores: Option<Scores>,
    /// Tables of this report alone.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// Pairs to look at.
    #[serde(default)]
    pub pictures: Vec<PicturePair>,
}

/// Error rates of one group at the threshold of its section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupRates {
    /// The column's value, or the band that it lies in.
    pub name: String,
    /// Photos of the group.
    pub photos: usize,
    /// Photos of the group in which no face was found.
    pub failures: usize,
    /// People with a photo in the group.
    pub people: usize,
    /// The false match rate between two people of the group.
    pub fmr: Figure,
    /// The false non-match rate of pairs of one person's photos, both in the group.
    pub fnmr: Figure,
}

/// A named value, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "wire::Figure", into = "wire::Figure")]
#[non_exhaustive]
pub struct Figure {
    /// The same for the same figure in every report.
    pub id: String,
    /// As tables call it.
    pub name: String,
    /// The value, or why there is none.
    pub value: Value,
    /// How sure it is; none where nothing says so.
    pub interval: Option<Interval>,
    /// What the interval comes from.
    pub interval_from: IntervalFrom,
    /// Trials behind a rate, where they are known: with no error in n of them, the rule of 3 bounds the rate.
    pub trials: Option<u64>,
    /// How it is written.
    pub unit: Unit,
    /// Which way is good.
    pub better: Better,
    /// Its values in the rounds of the bootstrap.
    pub rounds: Replicates,
}

/// What an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IntervalFrom {
    /// The middle rounds of a bootstrap over people or photos.
    #[default]
    Rounds,
    /// The rule of 3: every trial ended alike, so the rounds have nothing to vary.
    RuleOfThree,
}

/// A figure's value, or why there is none.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// It is known, and finite.
    Number(f64),
    /// Too few trials to say (rule of 3).
    TooFew {
        /// Trials there are.
        have: u64,
        /// Trials needed.
        needed: u64,
    },
    /// The data do not define it: the reason.
    Undefined(String),
}

impl Value {
    /// A finite number; anything else is no value.
    pub fn number(value: f64) -> Self {
        if value.is_finite() {
            Self::Number(value)
        } else {
            Self::Undefined("these data give no finite number".into())
        }
    }
    /// The number, if there is one.
    pub fn known(&self) -> Option<f64> {
        if let Self::Number(value) = self { Some(*value) } else { None }
    }
    /// Why there is no number.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Number(_) => None,
            Self::TooFew { have, needed: u64::MAX } => {
                Some(format!("too few to say: no number of trials is enough ({} there are)", count(*have)))
            }
            Self::TooFew { have, needed } => {
                Some(format!("too few to say: {} trials of the {} needed", count(*have), count(*needed)))
            }
            Self::Undefined(reason) => Some(reason.clone()),
        }
    }
}

impl From<EvalError> for Value {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Undefined { reason, .. } => Self::Undefined(reason),
            other => Self::Undefined(other.to_string().replace('\n', "; ")),
        }
    }
}

impl From<Answer<f64>> for Value {
    fn from(answer: Answer<f64>) -> Self {
        match answer {
            Answer::Value(value) => Self::number(value),
            Answer::TooFew { have, needed } => Self::TooFew { have, needed },
        }
    }
}

impl From<Result<Answer<f64>>> for Value {
    fn from(result: Result<Answer<f64>>) -> Self {
        result.map_or_else(Self::from, Self::from)
    }
}

impl From<Result<f64>> for Value {
    fn from(result: Result<f64>) -> Self {
        result.map_or_else(Self::from, Self::number)
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum Better {
    /// Higher.
    Up,
    /// Lower.
    Down,
    /// Neither: a count, a threshold.
    Neither,
}

/// What the movable threshold needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Table {
    /// Caption.
    pub title: String,
    /// Heads of the columns.
    pub head: Vec<String>,
    /// Rows, as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table.
    pub fn new(title: impl Into<String>, head: &[&str], rows: Vec<Vec<String>>) -> Self {
        Self { title: title.into(), head: head.iter().map(|h| (*h).to_owned()).collect(), rows }
    }
}

/// Two pictures side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PicturePair {
    /// `false match` or `miss`.
    pub kind: String,
    /// Their score.
    pub score: f64,
    /// Name, person, and the picture as a `data:` address, of each.
    pub photos: [(String, String, String); 2],
}

impl PicturePair {
    /// Two pictures, each with its name, its person and a `data:` address.
    pub fn new(kind: &str, score: f64, photos: [(String, String, String); 2]) -> Self {
        Self { kind: kind.to_owned(), score, photos }
    }
}

impl Report {
    /// A report without answers yet.
    pub fn new(name: impl Into<String>, question: impl Into<String>, bootstrap: Option<Bootstrap>) -> Self {
        Self {
            format: FORMAT,
            name: name.into(),
            question: question.into(),
            facts: Vec::new(),
            warnings: Vec::new(),
            left_out: Vec::new(),
            basis: String::new(),
            confidence: bootstrap.unwrap_or_default().confidence,
            sections: Vec::new(),
        }
    }

    /// Reads what [`Report::to_json`] wrote; `name` is used in errors.
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
        if !(1..=FORMAT).contains(&version.format) {
            let reason = format!("is of format {}, this build reads formats 1 to {FORMAT}", version.format);
            return Err(EvalError::file(name, 0, reason, "make the report again with this build"));
        }
        serde_json::from_str(text).map_err(|e| fail(e.line() as u64, e.to_string()))
    }

    /// Everything, for [`Report::from_json`] and other programs.
    ///
    /// # Errors
    /// A value that JSON cannot hold; none of ours.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| {
            EvalError::input("report", e.to_string(), "this is a fault of Phiz; please report it")
        })
    }

    /// Names what the rounds drew from, and adds the draws to the facts.
    ///
    /// The text that is hashed is frozen: reports of earlier builds over the same names, seed and rounds have the same
    /// basis and can still be compared by pairs.
    pub fn drawn_from(&mut self, bootstrap: Option<Bootstrap>, names: &[String]) {
        use sha2::{Digest as _, Sha256};
        let Some(b) = bootstrap else { return };
        self.facts.push(("rounds of the bootstrap".into(), format!("{}, seed {}", b.rounds, b.seed)));
        let quoted: Vec<String> =
            names.iter().map(|n| format!("\"{}\"", n.replace('\\', "\\\\").replace('"', "\\\""))).collect();
        let text = format!("{} {} [{}]", b.rounds, b.seed, quoted.join(", "));
        self.basis = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    }

    /// The section with an id.
    pub fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.id == id)
    }

    /// The figure with an id, in a section.
    pub fn figure(&self, section: &str, figure: &str) -> Option<&Figure> {
        self.section(section)?.figures.iter().find(|f| f.id == figure)
    }

    /// `other`'s figure minus ours, as observed, with the interval and p of a paired test; none unless both were made
    /// over the same people with the same draws.
    pub fn difference(&self, other: &Self, section: &str, figure: &str) -> Option<Difference> {
        if self.basis != other.basis || self.basis.is_empty() {
            return None;
        }
        let (a, b) = (self.figure(section, figure)?, other.figure(section, figure)?);
        let observed = b.value.known()? - a.value.known()?;
        if a.rounds.is_empty() {
            return None;
        }
        paired(observed, &a.rounds, &b.rounds, self.confidence).ok()
    }
}

impl Figure {
    /// A figure without an interval.
    pub fn new(id: &str, name: &str, value: impl Into<Value>, unit: Unit, better: Better) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            value: value.into(),
            interval: None,
            interval_from: IntervalFrom::Rounds,
            trials: None,
            unit,
            better,
            rounds: Vec::new(),
        }
    }
    /// A whole number that only informs.
    pub fn count(id: &str, name: &str, n: u64) -> Self {
        Self::new(id, name, Value::Number(n as f64), Unit::Count, Better::Neither)
    }
    /// The same with the number of trials behind the rate. When every one of them ended alike (a rate of 0 or 1), the
    /// interval is the rule of 3's: no error in n trials bounds the rate by 3/n.
    #[must_use]
    pub fn of_trials(mut self, trials: u64) -> Self {
        self.trials = Some(trials);
        let bound = rule_of_three_bound(trials);
        let ends = match self.value {
            Value::Number(0.0) => Interval { low: 0.0, high: bound },
            Value::Number(1.0) => Interval { low: 1.0 - bound, high: 1.0 },
            _ => return self,
        };
        self.interval = Some(ends);
        self.interval_from = IntervalFrom::RuleOfThree;
        self
    }
    /// The same with its rounds. They give the interval, unless all of them are alike: rounds that have nothing to vary
    /// know nothing of how sure the value is.
    #[must_use]
    pub fn with_rounds(mut self, rounds: Replicates, confidence: f64) -> Self {
        let ends = interval(&rounds, confidence).ok().filter(|ends| ends.low < ends.high);
        if let (Some(ends), Value::Number(_)) = (ends, &self.value) {
            self.interval = Some(ends);
            self.interval_from = IntervalFrom::Rounds;
        }
        self.rounds = rounds;
        self
    }
    /// The value as tables show it.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Number(value) => self.unit.show(*value),
            Value::TooFew { have, needed: u64::MAX } => format!("too few to say ({})", count(*have)),
            Value::TooFew { have, needed } => {
                format!("too few to say ({} of {})", count(*have), count(*needed))
            }
            Value::Undefined(_) => "undefined".to_owned(),
        }
    }
    /// The interval as tables show it.
    pub fn shown_interval(&self) -> String {
        match (&self.value, self.interval) {
            (Value::Number(_), Some(i)) => {
                let ends = format!("{} – {}", self.unit.show_bare(i.low), self.unit.show_bare(i.high));
                match self.interval_from {
                    IntervalFrom::Rounds => ends,
                    IntervalFrom::RuleOfThree => format!("{ends} (rule of 3)"),
                }
            }
            (Value::Number(_), None) if !self.rounds.is_empty() => {
                match self.rounds.iter().filter(|round| round.is_none()).count() {
                    0 => "every round alike".to_owned(),
                    missing => format!("undefined in {missing} of {} rounds", self.rounds.len()),
                }
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
    fn intervals_of_perfect_and_of_hopeless_values() {
        let rate = |value: f64| Figure::new("x", "x", Ok(value), Unit::Percent, Better::Up);
        let alike = |value: f64| vec![Some(value); 20];
        for (figure, value, interval) in [
            // Nobody accepted is no feat: the same bound as for nothing wrong, from the other end.
            (rate(0.0).of_trials(300).with_rounds(alike(0.0), 0.95), "0.00 %", "0.00 – 1.00 (rule of 3)"),
            (
                rate(1.0).of_trials(300).with_rounds(alike(1.0), 0.95),
                "100.00 %",
                "99.00 – 100.00 (rule of 3)",
            ),
            (rate(1.0).of_trials(2), "100.00 %", "0.00 – 100.00 (rule of 3)"),
            (rate(1.0).with_rounds(alike(1.0), 0.95), "100.00 %", "every round alike"),
            (rate(0.5).of_trials(300).with_rounds(alike(0.5), 0.95), "50.00 %", "every round alike"),
            (rate(0.5).with_rounds(vec![Some(0.1), None], 0.95), "50.00 %", "undefined in 1 of 2 rounds"),
            (rate(0.5).of_trials(300), "50.00 %", ""),
            (rate(0.0).of_trials(0), "0.00 %", "0.00 – 100.00 (rule of 3)"),
            (rate(f64::NAN).of_trials(9).with_rounds(alike(1.0), 0.95), "undefined", ""),
        ] {
            assert_eq!((figure.shown().as_str(), figure.shown_interval().as_str()), (value, interval));
        }
    }

    #[test]
    fn what_is_undefined_is_null_with_its_reason() {
        let figure = |value: Value| Figure::new("a", "A", value, Unit::Percent, Better::Up);
        for (value, expected) in [
            (Value::Number(0.5), r#""value":0.5"#),
            (Value::Undefined("no pair".into()), r#""value":null,"reason":"no pair""#),
            (
                Value::TooFew { have: 10, needed: 3000 },
                r#""value":null,"reason":"too few to say: 10 trials of the 3,000 needed","too_few":{"have":10,"needed":3000}"#,
            ),
        ] {
            let figure = figure(value);
            let json = serde_json::to_string(&figure).unwrap();
            assert!(json.contains(expected), "{json}");
            assert_eq!(serde_json::from_str::<Figure>(&json).unwrap(), figure);
        }
        // As the last build wrote them.
        for (old, value) in [
            (r#"{"number":0.5}"#, Value::Number(0.5)),
            (r#"{"too_few":{"have":1,"needed":3}}"#, Value::TooFew { have: 1, needed: 3 }),
            (
                r#"{"undefined":"AUC is undefined: no pair"}"#,
                Value::Undefined("AUC is undefined: no pair".into()),
            ),
        ] {
            let json = format!(r#"{{"id":"a","name":"A","value":{old},"unit":"percent","better":"up"}}"#);
            assert_eq!(serde_json::from_str::<Figure>(&json).unwrap(), figure(value));
        }
    }

    #[test]
    fn the_basis_of_the_last_build_stays() {
        let mut report = Report::new("a", "q", None);
        report.drawn_from(None, &["x".into()]);
        assert_eq!(report.basis, "");
        let names = ["Ada", "Zoë B"].map(String::from);
        report.drawn_from(Some(Bootstrap::default()), &names);
        // The last build hashed `format!("{} {} {:?}", rounds, seed, names)`: 200 1 ["Ada", "Zoë B"].
        assert_eq!(report.basis, "7404ebb421fe416b690f4866b5abe14000fe863b5d207ee39d945c41aa6c5736");
    }

    #[test]
    fn other_versions_are_named() {
        let error = Report::from_json(r#"{"format":9}"#, Path::new("a.json")).unwrap_err().to_string();
        assert!(error.contains("format 9") && error.contains("formats 1 to 2"), "{error}");
        assert!(Report::from_json("[]", Path::new("a.json")).is_err());
    }
}
