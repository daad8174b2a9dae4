//! A run as it is read from its folder, finished or not.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::TrainError;

pub(crate) fn metrics_path(folder: &Path) -> PathBuf {
    folder.join("metrics.jsonl")
}

/// Lines that are whole JSON objects, with their text: a line cut off by a crash is left out.
pub(crate) fn read_lines(path: &Path) -> Vec<(String, Value)> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines.filter_map(|text| Some((serde_json::from_str(&text).ok()?, text))).map(|(v, t)| (t, v)).collect()
}

/// A finished or running run, as read from its folder.
#[derive(Clone, Debug)]
pub struct Run {
    /// The folder's name.
    pub name: String,
    /// `recipe.toml`.
    pub recipe: String,
    /// `environment.json`.
    pub environment: Value,
    /// Lines of `metrics.jsonl`.
    pub metrics: Vec<Value>,
}

impl Run {
    /// Reads a run.
    ///
    /// # Errors
    /// A folder that holds no run.
    pub fn open(folder: &Path) -> Result<Run, TrainError> {
        let path = metrics_path(folder);
        if !path.exists() {
            return Err(TrainError::file(folder, &"holds no run (no metrics.jsonl)"));
        }
        let name =
            folder.canonicalize().ok().and_then(|f| Some(f.file_name()?.to_string_lossy().into_owned()));
        let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
        Ok(Run {
            name: name.unwrap_or_else(|| folder.display().to_string()),
            recipe: text("recipe.toml"),
            environment: serde_json::from_str(&text("environment.json")).unwrap_or_default(),
            metrics: read_lines(&path).into_iter().map(|(_, value)| value).collect(),
        })
    }

    /// Values of one figure by step. The reports' own fields are no figures.
    #[must_use]
    pub fn series(&self, figure: &str) -> Vec<(f64, f64)> {
        self.metrics.iter().filter_map(|m| Some((m["step"].as_f64()?, m.get(figure)?.as_f64()?))).collect()
    }

    /// Names of all figures: of held-out evaluations if `held_out`, else of reports.
    #[must_use]
    pub fn figures(&self, held_out: bool) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for line in self.metrics.iter().filter(|m| m.get("rate").is_none() == held_out) {
            for name in line.as_object().into_iter().flat_map(|o| o.keys()) {
                if !["step", "seconds", "size", "note"].contains(&name.as_str()) && !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names
    }
}
