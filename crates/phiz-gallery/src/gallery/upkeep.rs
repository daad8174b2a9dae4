//! Counting, giving space back, settings.

use std::path::{Path, PathBuf};

use phiz_template::ModelId;
use serde::Serialize;

use super::trash::expire;
use super::{Gallery, lock, read_settings, remove, write_settings};
use crate::error::{GalleryError, Result};
use crate::index::Index;
use crate::seal::Seal;
use crate::store::Kind;

/// A gallery in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// The model that it is bound to.
    pub model: ModelId,
    /// Values that a template has.
    pub dim: usize,
    /// What seals it.
    pub sealed_by: Seal,
    /// People.
    pub people: u64,
    /// People without a face, who cannot be recognised.
    pub people_without_faces: u64,
    /// Faces.
    pub faces: u64,
    /// Faces whose crop is kept.
    pub crops: u64,
    /// Faces that are said not to be somebody.
    pub negatives: u64,
    /// Photos that were scanned.
    pub photos: u64,
    /// Faces that were seen in them.
    pub sightings: u64,
    /// Operations that can be undone.
    pub operations: u64,
    /// Faces that wait to be restored or destroyed.
    pub removed_faces: u64,
    /// For how many days what was removed can be restored.
    pub undo_days: u32,
    /// When thresholds were measured on this gallery, in seconds since 1970.
    pub calibrated: Option<i64>,
    /// Bytes of its files, the index among them.
    pub files: Vec<(PathBuf, u64)>,
    /// Bytes of memory that the index takes or maps.
    pub index_bytes: usize,
}

/// Upkeep.
impl Gallery {
    /// The gallery's files as they are now: database, its log, the index.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.store.maintenance().map_or_else(Vec::new, |store| store.files());
        files.extend(self.index_file.iter().filter(|path| path.exists()).cloned());
        files
    }

    /// Gives unused space back, and overwrites what deleted rows have left; writes the index anew.
    ///
    /// # Errors
    /// The gallery cannot be written, or somebody reads from it for too long.
    pub fn compact(&self) -> Result<()> {
        self.may_write()?;
        // An index that has seen all changes need not see the log that is cut.
        drop(self.index()?);
        self.write(|rows, _| rows.cut_log())?;
        if let Some(store) = self.store.maintenance() {
            store.compact()?;
        }
        if let Some(path) = &self.index_file {
            let _turn = lock(&self.saving);
            // The old index may hold people who are gone. Its name is given up first, so that it is not there even if
            // writing fails.
            remove(path)?;
            for left in left_behind(path) {
                remove(&left)?;
            }
            drop(self.index()?);
            self.save_index();
        }
        Ok(())
    }

    /// Writes a copy of the gallery as it is at one moment into a new file, while it is in use. The copy is sealed as the
    /// gallery is, and opens with its key.
    ///
    /// # Errors
    /// The file exists or cannot be written, or the gallery does not live in a file.
    pub fn backup(&self, path: &Path) -> Result<()> {
        match self.store.maintenance() {
            Some(store) => store.copy_to(path),
            None => {
                let reason = "the gallery does not live in a file, so there is none to be copied";
                Err(GalleryError::new(crate::error::ErrorKind::Caller, reason).with_hint("export it instead"))
            }
        }
    }

    /// Sets for how many days what was removed can be restored; with 0 it is destroyed at once. What is older is
    /// destroyed with the next change.
    ///
    /// # Errors
    /// The gallery cannot be written.
    pub fn set_undo_days(&self, days: u32) -> Result<()> {
        self.set_settings(|settings| settings.undo_days = days)
    }

    pub(crate) fn set_settings(&self, edit: impl Fn(&mut super::Settings)) -> Result<()> {
        let settings = self.write(|rows, codec| {
            let mut settings = read_settings(rows, codec)?;
            edit(&mut settings);
            write_settings(rows, codec, &settings)?;
            expire(rows, codec, settings.undo_days)?;
            Ok(settings)
        })?;
        *self.settings.write().unwrap_or_else(std::sync::PoisonError::into_inner) = settings;
        Ok(())
    }

    /// Counts.
    ///
    /// # Errors
    /// The gallery cannot be read.
    pub fn statistics(&self) -> Result<Statistics> {
        let index_bytes = self.index()?.as_ref().map_or(0, Index::bytes);
        let searchable = self.index()?.as_ref().map_or(0, Index::len) as u64;
        let settings = self.settings();
        let files = self.files().into_iter();
        let files = files.filter_map(|path| std::fs::metadata(&path).ok().map(|m| (path, m.len()))).collect();
        self.read(|rows, _| {
            let removed_faces = rows.owned(Kind::Face, 0)?.len() as u64;
            let removed_negatives = rows.owned(Kind::Negative, 0)?.len() as u64;
            let people = rows.count(Kind::Person)?;
            Ok(Statistics {
                model: self.model.clone(),
                dim: self.dim,
                sealed_by: self.seal(),
                people,
                people_without_faces: people.saturating_sub(searchable),
                faces: rows.count(Kind::Face)? - removed_faces,
                crops: rows.count(Kind::Crop)?,
                negatives: rows.count(Kind::Negative)? - removed_negatives,
                photos: rows.count(Kind::Photo)?,
                sightings: rows.count(Kind::Sighting)?,
                operations: rows.count(Kind::Journal)?,
                removed_faces,
                undo_days: settings.undo_days,
                calibrated: settings.calibration.as_ref().map(|c| c.at),
                files: Vec::clone(&files),
                index_bytes,
            })
        })
    }
}

/// Index files that a process has begun and not finished.
fn left_behind(index: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (index.parent(), index.file_name()) else { return Vec::new() };
    let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
    let name = name.to_string_lossy().into_owned();
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let ours =
        |file: &str| file.strip_prefix(&name).is_some_and(|r| r.starts_with('.') && r.ends_with(".new"));
    entries.flatten().filter(|e| ours(&e.file_name().to_string_lossy())).map(|e| e.path()).collect()
}
