//! A run's folder, which says afterwards what was done: recipe, network, environment, every figure, a report.
//!
//! `recipe.toml` and `network.json` are what was asked for; `environment.json` on what it ran; `metrics.jsonl` has
//! one JSON object a report (`step`, `rate`, `seconds`, the losses) or an evaluation (`step`, the figures);
//! `report.html` shows all that and needs no other file.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phiz_net::graph::Architecture;
use serde_json::{Value, json};

use crate::error::TrainError;
use crate::recipe::Recipe;
use crate::report;
use crate::run::Figures;
use crate::watch::Progress;
use crate::weights::write_atomically;

/// The record of a run that goes on.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    metrics: File,
}

fn metrics_path(folder: &Path) -> PathBuf {
    folder.join("metrics.jsonl")
}

impl Record {
    /// Begins a record, or goes on with one after `resumed` steps: what was recorded beyond is forgotten, since
    /// those steps will be done again.
    ///
    /// # Errors
    /// A folder that cannot be written, or that holds a run of another recipe or teacher.
    pub fn open(
        folder: &Path,
        net: &Architecture,
        recipe: &Recipe,
        backend: &str,
        teacher: Option<&str>,
        resumed: Option<u64>,
    ) -> Result<Record, TrainError> {
        fs::create_dir_all(folder).map_err(|e| TrainError::file(folder, &e))?;
        let path = folder.join("recipe.toml");
        let text = toml::to_string(recipe).map_err(|e| TrainError::file(&path, &e))?;
        if resumed.is_some() && path.exists() {
            let before = Recipe::open(&path)?;
            if before != *recipe {
                let reason = "the run in this folder follows another recipe: give another --run folder, \
                              or begin from its weights with --from";
                return Err(TrainError::file(&path, &reason));
            }
        } else {
            write_atomically(&path, text.as_bytes())?;
            let network = serde_json::to_string_pretty(net).unwrap_or_default();
            write_atomically(&folder.join("network.json"), network.as_bytes())?;
        }
        let path = folder.join("environment.json");
        let before = resumed.and_then(|_| serde_json::from_slice::<Value>(&fs::read(&path).ok()?).ok());
        if before.is_some_and(|before| before["teacher"].as_str() != teacher) {
            let reason =
                "the run in this folder learns from another teacher: give that one, or another --run folder";
            return Err(TrainError::file(&path, &reason));
        }
        let environment = format!("{:#}\n", environment(backend, teacher));
        write_atomically(&path, environment.as_bytes())?;
        let path = metrics_path(folder);
        let kept: String = read_lines(&path)
            .into_iter()
            .filter(|(_, line)| resumed.is_some_and(|step| line["step"].as_u64().is_some_and(|s| s <= step)))
            .map(|(text, _)| text + "\n")
            .collect();
        write_atomically(&path, kept.as_bytes())?;
        let metrics = File::options().append(true).open(&path).map_err(|e| TrainError::file(&path, &e))?;
        Ok(Record { folder: folder.into(), metrics })
    }

    /// Records a report.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn progress(&mut self, p: &Progress, elapsed: Duration) -> Result<(), TrainError> {
        let mut line = json!({
            "step": p.step,
            "rate": p.rate,
            "size": p.size,
            "gradient": p.gradient,
            "images_per_second": p.images_per_second,
            "seconds": elapsed.as_secs_f64(),
        });
        for (name, value) in &p.losses {
            line[name] = (*value).into();
        }
        self.write(&line)
    }

    /// Records held-out figures and draws the report anew.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn held_out(&mut self, step: u64, figures: &Figures) -> Result<(), TrainError> {
        let mut line = json!({ "step": step });
        for (name, value) in figures {
            line[name] = (*value).into();
        }
        self.write(&line)?;
        self.finish()
    }

    fn write(&mut self, line: &Value) -> Result<(), TrainError> {
        writeln!(self.metrics, "{line}").map_err(|e| {
            let reason = format!(
                "cannot be written ({e}); free some space and run the same command again, which resumes"
            );
            TrainError::file(&metrics_path(&self.folder), &reason)
        })
    }

    /// Makes everything recorded last, whatever happens to the machine.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn make_last(&self) -> Result<(), TrainError> {
        self.metrics.sync_all().map_err(|e| TrainError::file(&metrics_path(&self.folder), &e))
    }

    /// Draws the report.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(&self) -> Result<(), TrainError> {
        let run = Run::open(&self.folder)?;
        write_atomically(&self.folder.join("report.html"), report::html(&[run]).as_bytes())
    }
}

/// Where a run took place.
fn environment(backend: &str, teacher: Option<&str>) -> Value {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    json!({
        "phiz": env!("CARGO_PKG_VERSION"),
        "commit": commit(),
        "back end": backend,
        "teacher": teacher,
        "system": std::env::consts::OS,
        "processor": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "started": seconds,
    })
}

/// The commit of the folder that the command runs in, with a `+` if files differ from it.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let hash = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(hash + if changed { "+" } else { "" })
}

/// Lines that are whole JSON objects, with their text: a line cut off by a crash is left out.
fn read_lines(path: &Path) -> Vec<(String, Value)> {
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
                if !["step", "seconds", "size"].contains(&name.as_str()) && !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names
    }
}
