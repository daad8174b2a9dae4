//! What tagging changed, so that it can be taken back: what was there is written down before it is changed.
//!
//! A run has a file of its own, one JSON object per line, forced to the disk before the change that it describes: a
//! sidecar's former content, or a photo's former packet. Taking a run back restores whatever nobody else has changed since.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phiz_meta::{MetaError, file, jpeg};
use serde::{Deserialize, Serialize};

use crate::{Code, PathName, Problem};

/// Runs that can be taken back.
const RUNS: usize = 20;
/// Photos are read with the program's limits when they are tagged; this only keeps memory bounded.
const LARGEST: u64 = 16_000_000_000;

/// Writes down what a run of tagging changes.
pub struct TagJournal {
    folder: PathBuf,
    /// Made when there is something to write down.
    file: Mutex<Option<File>>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// The path, in base64 where it is not UTF-8.
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    /// Whether the packet is inside the file, and not the file itself.
    embedded: bool,
    /// What was there, in base64; none if nothing was.
    before: Option<String>,
    /// Hash of the whole file before; none if there was no file.
    before_hash: Option<String>,
    /// Hash of the whole file afterwards.
    after_hash: String,
}

/// What became of a file when tagging was taken back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UntaggedFile {
    /// The file.
    #[serde(flatten)]
    pub file: PathName,
    /// Whether it is as it was. A file that somebody else changed since is left alone.
    pub restored: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

impl TagJournal {
    /// A journal that writes into this folder, which is made when the first change is written down.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> TagJournal {
        TagJournal { folder: folder.into(), file: Mutex::new(None) }
    }

    pub(crate) fn sidecar(&self, path: &Path, before: Option<&[u8]>, after: &[u8]) -> Result<(), Problem> {
        self.write(path, false, before, before, after)
    }

    pub(crate) fn embedded(
        &self,
        path: &Path,
        packet: Option<&[u8]>,
        before: &[u8],
        after: &[u8],
    ) -> Result<(), Problem> {
        self.write(path, true, packet, Some(before), after)
    }

    fn write(
        &self,
        path: &Path,
        embedded: bool,
        kept: Option<&[u8]>,
        before: Option<&[u8]>,
        after: &[u8],
    ) -> Result<(), Problem> {
        // Taken back from wherever the command is then called.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let PathName { path, path_bytes } = path.as_path().into();
        let entry = Entry {
            path,
            path_bytes,
            embedded,
            before: kept.map(|bytes| STANDARD.encode(bytes)),
            before_hash: before.map(hashed),
            after_hash: hashed(after),
        };
        self.append(&entry).map_err(|error| {
            let reason =
                format!("cannot be written down in {} before it is changed ({error})", self.folder.display());
            let remedy = "check that this folder may be written to and has free space; nothing was changed";
            Problem::new(Code::Unwritable, reason, remedy)
        })
    }

    fn append(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(begin(&self.folder)?);
        }
        if let Some(file) = file.as_mut() {
            file.write_all(&line)?;
            file.sync_data()?;
        }
        Ok(())
    }

    /// Takes the last run back, in the opposite order. None if there is no run to take back.
    ///
    /// # Errors
    /// The journal cannot be read. What cannot be restored is told of, and can be tried again.
    pub fn undo(folder: &Path, mut tell: impl FnMut(&UntaggedFile)) -> io::Result<Option<usize>> {
        let Some(path) = runs(folder)?.pop() else { return Ok(None) };
        let text = fs::read_to_string(&path)?;
        let mut left = Vec::new();
        let mut done = 0;
        // The last line may be cut off: what it was about has not been changed then.
        let entries: Vec<Entry> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        for entry in entries.into_iter().rev() {
            let path = entry.path();
            let untagged = match entry.restore(&path) {
                Ok(restored) => UntaggedFile { file: path.as_path().into(), restored, error: None },
                Err(problem) => {
                    UntaggedFile { file: path.as_path().into(), restored: false, error: Some(problem) }
                }
            };
            if untagged.error.is_some() {
                left.push(entry);
            }
            done += usize::from(untagged.restored);
            tell(&untagged);
        }
        left.reverse();
        let lines: Vec<u8> = left
            .iter()
            .flat_map(|entry| {
                let mut line = serde_json::to_vec(entry).unwrap_or_default();
                line.push(b'\n');
                line
            })
            .collect();
        match left.is_empty() {
            true => file::remove(&path)?,
            false => file::replace(&path, &lines)?,
        }
        Ok(Some(done))
    }
}

fn hashed(bytes: &[u8]) -> String {
    file::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of runs, the oldest first.
fn runs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut runs: Vec<PathBuf> = listed.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    runs.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    runs.sort();
    Ok(runs)
}

/// The file of a new run. Only its owner may read it: it holds what photos say about people.
fn begin(folder: &Path) -> io::Result<File> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let runs = runs(folder)?;
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    let next = runs.iter().filter_map(number).max().unwrap_or(0) + 1;
    for old in runs.iter().rev().skip(RUNS - 1) {
        fs::remove_file(old)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(format!("{next:06}.jsonl")))?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(file)
}

impl Entry {
    fn path(&self) -> PathBuf {
        #[cfg(unix)]
        if let Some(bytes) = self.path_bytes.as_deref().and_then(|text| STANDARD.decode(text).ok()) {
            use std::os::unix::ffi::OsStringExt as _;
            return std::ffi::OsString::from_vec(bytes).into();
        }
        PathBuf::from(&self.path)
    }

    /// Whether the file is as it was. False if somebody else changed it since.
    fn restore(&self, path: &Path) -> Result<bool, Problem> {
        let cannot = |error: MetaError| super::tag::problem(&error);
        let now = file::read(path, LARGEST).map_err(|error| Problem::unreadable(&error))?;
        let hash = now.as_deref().map(hashed);
        if hash == self.before_hash {
            return Ok(true);
        }
        if hash.as_deref() != Some(&self.after_hash) {
            return Ok(false);
        }
        let before = match &self.before {
            Some(text) => Some(STANDARD.decode(text).map_err(|error| {
                Problem::new(
                    Code::Damaged,
                    format!("the journal of tagging is damaged ({error})"),
                    "restore the file from a copy",
                )
            })?),
            None => None,
        };
        match (self.embedded, before) {
            (true, packet) => {
                let now = now.unwrap_or_default();
                let former = jpeg::with_packet(&now, packet.as_deref()).map_err(cannot)?;
                if Some(hashed(&former)) != self.before_hash {
                    return Ok(false);
                }
                file::replace(path, &former).map_err(|e| cannot(e.into()))?;
            }
            (false, Some(content)) => file::replace(path, &content).map_err(|e| cannot(e.into()))?,
            (false, None) => file::remove(path).map_err(|e| cannot(e.into()))?,
        }
        Ok(true)
    }
}
