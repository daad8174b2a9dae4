//! What commands say of photo after photo: text or a JSON object a line, and a line of its own for each that fails.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::faces::Problem;
use super::{Done, Failure, Shared, photos};

/// What was found in a photo.
pub(crate) trait Tell {
    /// For programs.
    fn to_json(&self, path: &Path) -> Value;
    /// For people.
    fn print(&self, out: &mut dyn Write, path: &Path) -> std::io::Result<()>;
}

/// Looks at photos with all threads and tells of each as soon as it and all before it are known.
///
/// # Errors
/// The outer error of `look`, which ends the work; a [`Problem`] only concerns its photo.
pub(crate) fn each<T: Tell + Send>(
    paths: &[PathBuf],
    shared: &Shared,
    as_json: bool,
    look: impl Fn(&Path) -> Result<Result<T, Problem>, Failure> + Sync,
) -> Result<Done, Failure> {
    let mut done = Done::Well;
    let mut out = std::io::stdout().lock();
    let bar = shared.progress(paths.len());
    photos::in_order(
        paths,
        shared.threads()?,
        &bar,
        |path| look(path),
        |path, found| {
            match found? {
                Ok(found) if as_json => writeln!(out, "{}", found.to_json(path))?,
                Ok(found) => found.print(&mut out, path)?,
                Err(problem) => {
                    done = Done::Partly;
                    if as_json {
                        writeln!(out, "{}", json!({ "path": path, "error": problem }))?;
                    } else {
                        problem.warn(path);
                    }
                }
            }
            Ok(out.flush()?)
        },
    )?;
    Ok(done)
}
