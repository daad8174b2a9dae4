//! Photos named on the command line, work on many at once, and what is said of them in the end.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use phiz_service::walk::{Item, LeftOut, Walk};
use phiz_service::{PathName, Photo, Problem};
use serde::Serialize;

use super::out::{self, note};
use super::{Done, Failure, Shared, table};

/// The photos that a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct PhotoArguments {
    /// Photos, or folders that contain photos; `-` reads a photo from standard input
    #[arg(value_name = "PHOTO", required_unless_present = "files_from")]
    photos: Vec<PathBuf>,
    /// Also take the paths that this file lists, one per line; `-` reads the list from standard input
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// The paths in --files-from end with a zero byte instead of a line break, as `find -print0` writes them
    #[arg(short = '0', long = "null", requires = "files_from")]
    null: bool,
}

impl PhotoArguments {
    /// Finds all photos that are meant.
    ///
    /// # Errors
    /// The list of --files-from cannot be read, or standard input is asked for twice.
    pub(crate) fn find(&self) -> Result<Batch, Failure> {
        let mut paths = self.photos.clone();
        if let Some(list) = &self.files_from {
            paths.extend(listed(list, self.null)?);
        }
        match self.files_from.as_deref().filter(|list| is_stdin(list)) {
            Some(list) => check_stdin(paths.iter().map(PathBuf::as_path).chain([list]))?,
            None => check_stdin(paths.iter().map(PathBuf::as_path))?,
        }
        if let (true, Some(list)) = (paths.is_empty(), &self.files_from) {
            return Err(Failure::new(format!("--files-from {}: lists no photo", list.display()))
                .hint("let it hold one path per line"));
        }
        Batch::of(&paths)
    }
}

/// Fails if standard input is asked for twice.
pub(crate) fn check_stdin(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<(), Failure> {
    if paths.into_iter().filter(|path| is_stdin(path.as_ref())).count() > 1 {
        return Err(Failure::new("-: standard input can be read only once")
            .hint("give one `-`, and name the other photos by their paths"));
    }
    Ok(())
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Standard input as a photo.
///
/// # Errors
/// It cannot be read.
pub(crate) fn from_stdin() -> Result<Photo, Failure> {
    let mut bytes = Vec::new();
    // The limits of the command refuse what is larger than they allow; this only keeps memory bounded.
    let read = std::io::stdin().lock().take(16_000_000_001).read_to_end(&mut bytes);
    read.map_err(|e| Failure::reading(Path::new("-"), &e))?;
    Ok(Photo::from_bytes("-", bytes))
}

/// A photo by its path, or standard input.
///
/// # Errors
/// Standard input cannot be read.
pub(crate) fn photo(path: &Path) -> Result<Photo, Failure> {
    if is_stdin(path) { from_stdin() } else { Ok(Photo::from_path(path)) }
}

fn listed(list: &Path, null: bool) -> Result<Vec<PathBuf>, Failure> {
    let mut bytes = Vec::new();
    if is_stdin(list) {
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Failure::reading(list, &e))?;
    } else {
        bytes = std::fs::read(list).map_err(|e| Failure::reading(list, &e))?;
    }
    let end = if null { 0 } else { b'\n' };
    let lines = bytes.split(|byte| *byte == end);
    let lines = lines.map(|line| if null { line } else { line.strip_suffix(b"\r").unwrap_or(line) });
    lines.filter(|line| !line.is_empty()).map(|line| path_of(line, list)).collect()
}

#[cfg(unix)]
fn path_of(bytes: &[u8], _list: &Path) -> Result<PathBuf, Failure> {
    use std::os::unix::ffi::OsStrExt as _;
    Ok(std::ffi::OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8], list: &Path) -> Result<PathBuf, Failure> {
    let text = std::str::from_utf8(bytes);
    text.map(PathBuf::from).map_err(|e| Failure::reading(list, &format!("a path is not UTF-8: {e}")))
}

/// Photos to be worked on, and what was left out.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    left_out: BTreeMap<LeftOut, u64>,
    unread_endings: BTreeMap<String, u64>,
    stdin: Option<Photo>,
}

impl Batch {
    fn of(paths: &[PathBuf]) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        for path in paths {
            if is_stdin(path) {
                batch.stdin = Some(from_stdin()?);
                batch.items.push(Item { path: path.clone(), root: path.clone(), problem: None });
            } else {
                batch.add(Walk::over(std::slice::from_ref(path)));
            }
        }
        Ok(batch)
    }

    /// Adds what was found elsewhere.
    pub(crate) fn add(&mut self, walk: Walk) {
        self.items.extend(walk.items);
        for (reason, count) in walk.left_out {
            *self.left_out.entry(reason).or_default() += count;
        }
        for (ending, count) in walk.unread_endings {
            *self.unread_endings.entry(ending).or_default() += count;
        }
    }

    /// The photo of an item.
    pub(crate) fn photo(&self, item: &Item) -> Photo {
        match &self.stdin {
            Some(photo) if is_stdin(&item.path) => photo.clone(),
            _ => Photo::from_path(&item.path),
        }
    }

    /// The paths of the photos.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.items.iter().map(|item| item.path.as_path())
    }

    /// Looks at all photos by all threads and tells of each as soon as it and all before it are known: what `print` prints,
    /// or a JSON object a line. A photo that cannot be used is told of with its reason, and the others are done.
    ///
    /// # Errors
    /// The outer error of `look`, which ends the work.
    pub(crate) fn tell<T: Serialize + Send>(
        &self,
        shared: &Shared,
        as_json: bool,
        look: impl Fn(&Photo, &Item) -> Result<Result<T, Problem>, Failure> + Sync,
        mut print: impl FnMut(&Path, &T),
    ) -> Result<Done, Failure> {
        let print = |path: &Path, found: &T| {
            if !as_json {
                print(path, found)
            }
        };
        // Nothing is changed by looking: whoever reads our output has seen enough.
        self.work(shared, as_json, true, look, print)
    }

    /// As [`Batch::tell`], for work that changes something and is therefore done to its end, whether anybody reads our
    /// output or not; `take` gets every answer, those that are told as JSON, too.
    ///
    /// # Errors
    /// The outer error of `look`, which ends the work.
    pub(crate) fn finish<T: Serialize + Send>(
        &self,
        shared: &Shared,
        as_json: bool,
        look: impl Fn(&Photo, &Item) -> Result<Result<T, Problem>, Failure> + Sync,
        take: impl FnMut(&Path, &T),
    ) -> Result<Done, Failure> {
        self.work(shared, as_json, false, look, take)
    }

    fn work<T: Serialize + Send>(
        &self,
        shared: &Shared,
        as_json: bool,
        stop_early: bool,
        look: impl Fn(&Photo, &Item) -> Result<Result<T, Problem>, Failure> + Sync,
        mut take: impl FnMut(&Path, &T),
    ) -> Result<Done, Failure> {
        let mut refused = 0;
        let bar = shared.progress(self.items.len());
        let work = |item: &Item| match &item.problem {
            Some(problem) => Ok(Err(problem.clone())),
            None => look(&self.photo(item), item),
        };
        let ended = in_order(&self.items, shared.threads()?, &bar, work, |item, found| {
            match found? {
                Ok(found) => {
                    if as_json {
                        out::json(&AtPath { path: item.path.as_path().into(), found: &found });
                    }
                    take(&item.path, &found);
                }
                Err(problem) => {
                    refused += 1;
                    report(&item.path, &problem, as_json);
                }
            }
            if stop_early && out::nobody_reads() { Err(Failure::enough()) } else { Ok(()) }
        });
        match ended {
            Err(failure) if failure.is_enough() => return Ok(Done::Well),
            ended => ended?,
        }
        self.summarise(refused, shared);
        Ok(self.done(refused))
    }

    /// How a command ends of whose photos so many could not be used.
    pub(crate) fn done(&self, refused: usize) -> Done {
        if !self.items.is_empty() && self.items.iter().all(|item| item.problem.is_some()) {
            return Done::Nothing;
        }
        if refused > 0 { Done::Partly } else { Done::Well }
    }

    /// Says on standard error how many photos there were and what was left out.
    pub(crate) fn summarise(&self, refused: usize, shared: &Shared) {
        if self.items.len() > 1 && !shared.quiet {
            let all = table::count(self.items.len(), "photo", "photos");
            match refused {
                0 => note!("{all}"),
                _ => note!("{all}, of which {refused} could not be used"),
            }
        }
        self.left_out();
    }

    /// Says on standard error what folders hold beside photos.
    pub(crate) fn left_out(&self) {
        let parts: Vec<String> = self
            .left_out
            .iter()
            .map(|(reason, &count)| {
                let count = count as usize;
                match reason {
                    LeftOut::UnreadFormat => {
                        let endings: Vec<String> =
                            self.unread_endings.keys().map(|ending| format!(".{ending}")).collect();
                        let pictures = table::count(count, "picture in a format", "pictures in formats");
                        format!("{pictures} that Phiz does not read ({})", endings.join(", "))
                    }
                    LeftOut::Video => table::count(count, "video", "videos"),
                    LeftOut::DanglingLink => {
                        table::count(count, "link that leads nowhere", "links that lead nowhere")
                    }
                    LeftOut::LinkedFolder => table::count(count, "link to a folder", "links to folders"),
                    LeftOut::Special => table::count(count, "pipe or device", "pipes or devices"),
                    _ => table::count(count, "other file", "other files"),
                }
            })
            .collect();
        if !parts.is_empty() {
            note!("not looked at: {}", parts.join("; "));
        }
    }
}

/// Says why a photo cannot be used: as JSON on standard output, for people on standard error.
pub(crate) fn report(path: &Path, problem: &Problem, as_json: bool) {
    #[derive(Serialize)]
    struct Failed<'a> {
        error: &'a Problem,
    }
    if as_json {
        out::json(&AtPath { path: path.into(), found: &Failed { error: problem } });
    } else {
        warn(path, problem);
    }
}

/// Says why a photo cannot be used on standard error.
pub(crate) fn warn(path: &Path, problem: &Problem) {
    note!("{}: {problem}", path.display());
    note!("  hint: {}", problem.remedy());
}

/// An answer with the path of its photo before it.
#[derive(Serialize)]
pub(crate) struct AtPath<'a, T> {
    #[serde(flatten)]
    pub(crate) path: PathName,
    #[serde(flatten)]
    pub(crate) found: &'a T,
}

/// [`phiz_service::in_order`] with a progress bar, which steps aside while results are told.
///
/// # Errors
/// The first error of `take`; the rest of the work is then dropped.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    bar: &ProgressBar,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let work = |item: &T| {
        let done = work(item);
        bar.inc(1);
        done
    };
    let result = phiz_service::in_order(items, threads, work, |item, done| bar.suspend(|| take(item, done)));
    bar.finish_and_clear();
    result
}

/// The photos that `paths` stand for, for commands whose inputs must all be there.
///
/// # Errors
/// A path that does not exist, a folder that cannot be read or holds no photo.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let walk = Walk::over(paths);
    walk.items
        .into_iter()
        .map(|item| match item.problem {
            Some(problem) => {
                Err(Failure::new(format!("{}: {problem}", item.path.display())).hint(problem.remedy()))
            }
            None => Ok(item.path),
        })
        .collect()
}
