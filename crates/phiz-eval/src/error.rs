//! The crate's one error type, sorted by who must act: the data, the file, or the caller's limits.

use std::path::PathBuf;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The data do not define the metric (one class only, nothing accepted, an empty set).
    #[error("{metric} is undefined: {reason}")]
    Undefined {
        /// The metric that was asked for.
        metric: String,
        /// Why the data do not define it.
        reason: String,
    },
    /// A value handed in cannot be right (NaN score, lengths that differ, a rate outside 0..1).
    #[error("{what}: {reason}\nhint: {hint}")]
    Input {
        /// The argument or the place in the data.
        what: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A file's content cannot be used.
    #[error("{path}{}: {reason}\nhint: {hint}", at(*.line))]
    File {
        /// The file, or the name that the caller gave for it.
        path: PathBuf,
        /// Line number from 1, 0 when the fault has no line.
        line: u64,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// "read", "write" and so on.
        action: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The input is larger than the caller's limits allow.
    #[error("{what}: {size} {unit} is more than the limit of {limit}\nhint: split the file")]
    Limit {
        /// What was being read.
        what: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
        /// The unit of both.
        unit: &'static str,
    },
}

fn at(line: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

impl EvalError {
    pub(crate) fn undefined(metric: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Undefined { metric: metric.into(), reason: reason.into() }
    }
    pub(crate) fn input(what: impl Into<String>, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Input { what: what.into(), reason: reason.into(), hint: hint.into() }
    }
    pub(crate) fn file(
        path: impl Into<PathBuf>,
        line: u64,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::File { path: path.into(), line, reason: reason.into(), hint: hint.into() }
    }
    /// Is this "the data do not define it", as opposed to a fault in the input?
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined { .. })
    }
}

/// Fails unless two parallel lists are equally long.
pub(crate) fn same_length(what: &str, left: usize, right: usize) -> Result<(), EvalError> {
    if left == right {
        return Ok(());
    }
    Err(EvalError::input(
        what,
        format!("lists of {left} and {right} entries"),
        "each entry of the one belongs to the entry of the other at the same place; make both equally long",
    ))
}

/// Fails unless a rate lies in `0..=1` and is a number.
pub(crate) fn check_rate(what: &str, rate: f64) -> Result<(), EvalError> {
    if (0.0..=1.0).contains(&rate) {
        return Ok(());
    }
    Err(EvalError::input(what, format!("{rate} is not a rate"), "give a number from 0 to 1, such as 0.001"))
}
