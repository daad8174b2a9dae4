//! A run's folder, which says afterwards what was done: recipe, network, environment, every figure, a report.
//!
//! `recipe.toml` and `network.json` are what was asked for; `environment.json` on what it ran; `metrics.jsonl` has
//! one JSON object a report (`step`, `rate`, `seconds`, the losses) or an evaluation (`step`, the figures);
//! `report.html` shows all that and needs no other file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phiz_net::graph::Architecture;
use serde_json::{Value, json};

use crate::error::TrainError;
use crate::recipe::{Difference, Recipe};
use crate::report;
use crate::run_folder::{Run, metrics_path, read_lines};
use crate::watch::{Figures, Progress};
use crate::weights::write_atomically;

const RECIPE: &str = "recipe.toml";
const NETWORK: &str = "network.json";
const ENVIRONMENT: &str = "environment.json";

/// What a run computes with and learns from, beside its recipe.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// The back end's name and precision.
    pub backend: &'a str,
    /// The network that is asked about pictures.
    pub teacher: Option<&'a str>,
    /// A fingerprint of the data.
    pub data: Option<&'a str>,
    /// Whether a run goes on although its recipe or data have changed.
    pub amend: bool,
}

/// What has changed since a run stopped.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// In words, one sentence each.
    pub notes: Vec<String>,
    /// In the recipe.
    pub recipe: Vec<Difference>,
}

impl Changes {
    /// What has changed in a run's folder since it stopped at a step. Nothing is written.
    ///
    /// # Errors
    /// A folder that holds another run: of another recipe (but for its pace), network, teacher or data. `amend` takes the change
    /// of a recipe or of data.
    pub fn since(
        step: u64,
        folder: &Path,
        net: &Architecture,
        recipe: &Recipe,
        source: &Source<'_>,
    ) -> Result<Changes, TrainError> {
        let mut changes = Changes::default();
        let path = folder.join(RECIPE);
        if path.exists() {
            changes.compare_recipes(&path, recipe, source.amend)?;
        }
        let path = folder.join(NETWORK);
        let before = fs::read(&path).ok().and_then(|b| serde_json::from_slice::<Architecture>(&b).ok());
        if before.is_some_and(|before| before != *net) {
            let reason = "the run in this folder trains another network of this name: give another --run folder, \
                          or begin from its weights with --from";
            return Err(TrainError::file(&path, &reason));
        }
        let path = folder.join(ENVIRONMENT);
        let before = fs::read(&path).ok().and_then(|b| serde_json::from_slice::<Value>(&b).ok());
        changes.compare_sources(&path, &before.unwrap_or_default(), source)?;
        for note in &mut changes.notes {
            *note = format!("from step {step} on: {note}");
        }
        Ok(changes)
    }

    fn compare_recipes(&mut self, path: &Path, recipe: &Recipe, amend: bool) -> Result<(), TrainError> {
        self.recipe = Recipe::differences(&Recipe::open(path)?, recipe);
        let grave: Vec<String> =
            self.recipe.iter().filter(|d| !d.is_pace()).map(ToString::to_string).collect();
        if !grave.is_empty() && !amend {
            let reason = format!(
                "the run in this folder follows another recipe, which changes {}: give another --run folder, or \
                 begin from its weights with --from, or go on with the changed recipe by --amend",
                grave.join(", ")
            );
            return Err(TrainError::file(path, &reason));
        }
        self.notes.extend(self.recipe.iter().map(|d| format!("the recipe changes {d}")));
        Ok(())
    }

    fn compare_sources(&mut self, path: &Path, before: &Value, now: &Source<'_>) -> Result<(), TrainError> {
        if before.is_object() && before["teacher"].as_str() != now.teacher {
            let reason =
                "the run in this folder learns from another teacher: give that one, or another --run folder";
            return Err(TrainError::file(path, &reason));
        }
        if let (Some(before), Some(data)) = (before["data"].as_str(), now.data)
            && before != data
        {
            if !now.amend {
                let reason = format!(
                    "the run in this folder learns from other data ({before}; now {data}): give that data, or another \
                     --run folder and begin from its weights with --from, or go on with the changed data by --amend"
                );
                return Err(TrainError::file(path, &reason));
            }
            self.notes.push(format!("the data is {data}, no longer {before}"));
        }
        // The number of threads changes nothing.
        let plain = |backend: &str| {
            let words = backend.split(' ').filter(|word| word.parse::<u32>().is_err());
            words.collect::<Vec<_>>().join(" ")
        };
        let other = |before: &&str| plain(before) != plain(now.backend);
        if let Some(before) = before["back end"].as_str().filter(other) {
            self.notes.push(format!(
                "computed by {}, no longer by {before}: not to the bit what it would have been",
                now.backend
            ));
        }
        Ok(())
    }
}

/// The record of a run that goes on.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    metrics: File,
}

impl Record {
    /// Begins a record, or goes on with one after `resumed` steps: what was recorded beyond is forgotten, since
    /// those steps will be done again. `notes` say what has changed since the run stopped, see [`Changes::since`].
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn open(
        folder: &Path,
        net: &Architecture,
        recipe: &Recipe,
        source: &Source<'_>,
        resumed: Option<u64>,
        notes: &[String],
    ) -> Result<Record, TrainError> {
        fs::create_dir_all(folder).map_err(|e| TrainError::file(folder, &e))?;
        let path = folder.join(RECIPE);
        let text = toml::to_string(recipe).map_err(|e| TrainError::file(&path, &e))?;
        write_atomically(&path, text.as_bytes())?;
        let text = serde_json::to_string_pretty(net).unwrap_or_default();
        write_atomically(&folder.join(NETWORK), text.as_bytes())?;
        let environment = format!("{:#}\n", environment(source));
        write_atomically(&folder.join(ENVIRONMENT), environment.as_bytes())?;
        let path = metrics_path(folder);
        let kept: String = read_lines(&path)
            .into_iter()
            .filter(|(_, line)| resumed.is_some_and(|step| line["step"].as_u64().is_some_and(|s| s <= step)))
            .map(|(text, _)| text + "\n")
            .collect();
        write_atomically(&path, kept.as_bytes())?;
        let metrics = File::options().append(true).open(&path).map_err(|e| TrainError::file(&path, &e))?;
        let mut record = Record { folder: folder.into(), metrics };
        for note in notes {
            record.write(&json!({ "step": resumed, "note": note }))?;
        }
        Ok(record)
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
        if p.skipped > 0 {
            line["skipped"] = p.skipped.into();
        }
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
fn environment(source: &Source<'_>) -> Value {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    json!({
        "phiz": env!("CARGO_PKG_VERSION"),
        "commit": commit(),
        "back end": source.backend,
        "teacher": source.teacher,
        "data": source.data,
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
