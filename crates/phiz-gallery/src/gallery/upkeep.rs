//! Destroying what was removed, checking that all is well, counting, giving space back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::journal::{Entry, entry, referenced};
use super::{Gallery, now, write_settings};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::index::{self, Index, Loaded};
use crate::model::{FaceId, NegativeId, OperationId, PersonId};
use crate::remains::{Pieces, Proof};
use crate::rows::{Codec, combine, named};
use crate::store::{Kind, Row, Rows, RowsMut};

/// What to destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// All that was removed.
    All,
    /// What was removed so many days ago or more.
    OlderThan {
        /// Days.
        days: u32,
    },
}

/// What was destroyed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Purged {
    /// Operations that can no longer be undone.
    pub operations: usize,
    /// Faces, with template and crop.
    pub faces: usize,
    /// Negatives.
    pub negatives: usize,
    /// What a search of all files found; none if not asked for.
    pub proof: Option<Proof>,
}

/// A gallery in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// The model that it is bound to.
    pub model: String,
    /// Values that a template has.
    pub dim: usize,
    /// What seals it: a [`Seal`](crate::Seal) in words.
    pub sealed_by: String,
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

/// Deletes from the journal what `keep` does not hold, and from the bin what no kept entry needs. Shows each row to
/// `seen` before.
fn destroy(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    keep: impl Fn(&Entry) -> bool,
    mut seen: impl FnMut(&dyn Rows, Kind, u64, &Row) -> Result<()>,
) -> Result<Purged> {
    let mut purged = Purged { operations: 0, faces: 0, negatives: 0, proof: None };
    let mut needed = BTreeSet::new();
    let mut after = 0;
    while let Some(page) = rows.next_page(Kind::Journal, &mut after, 64)? {
        for (id, row) in &page {
            let entry = entry(codec, OperationId(*id), row)?;
            if keep(&entry) {
                needed.extend(referenced(&entry));
            } else {
                seen(rows, Kind::Journal, *id, row)?;
                rows.delete(Kind::Journal, *id)?;
                purged.operations += 1;
            }
        }
    }
    let mut delete = |rows: &mut dyn RowsMut, kind: Kind, id: u64| -> Result<()> {
        if let Some(row) = rows.get(kind, id)? {
            seen(rows, kind, id, &row)?;
            rows.delete(kind, id)?;
        }
        Ok(())
    };
    for id in rows.owned(Kind::Face, 0)?.into_iter().filter(|id| !needed.contains(&(Kind::Face, *id))) {
        for kind in [Kind::Crop, Kind::Template, Kind::Face] {
            delete(rows, kind, id)?;
        }
        purged.faces += 1;
    }
    for id in rows.owned(Kind::Negative, 0)?.into_iter().filter(|id| !needed.contains(&(Kind::Negative, *id)))
    {
        delete(rows, Kind::Negative, id)?;
        purged.negatives += 1;
    }
    Ok(purged)
}

fn older(days: u32) -> impl Fn(&Entry) -> bool {
    let limit = now() - i64::from(days) * 86_400;
    move |entry| days > 0 && entry.at > limit
}

/// Destroys what the gallery's setting no longer lets be restored.
pub(super) fn expire(rows: &mut dyn RowsMut, codec: Codec<'_>, undo_days: u32) -> Result<()> {
    // Entries are in order of time, so that one look at the first is enough almost always.
    if let Some((id, row)) = rows.page(Kind::Journal, 0, 1)?.first()
        && !older(undo_days)(&entry(codec, OperationId(*id), row)?)
    {
        destroy(rows, codec, older(undo_days), |_, _, _, _| Ok(()))?;
    }
    Ok(())
}

/// What a row has left on the disk if it is not destroyed.
fn pieces_of(
    rows: &dyn Rows,
    codec: Codec<'_>,
    kind: Kind,
    id: u64,
    row: &Row,
    out: &mut Pieces,
) -> Result<()> {
    // The first bytes of a sealed row are the nonce, half of which rows of one process share.
    const NONCE: usize = 24;
    if codec.sealer.is_sealed() {
        out.add_samples(row.body.get(NONCE..).unwrap_or_default());
    } else {
        out.add(&row.body[..row.body.len().min(16)]);
    }
    match kind {
        Kind::Template => {
            codec.weighted(FaceId(id), row)?;
            out.add_samples(codec.open(kind, id, row)?.get(4..).unwrap_or_default());
        }
        Kind::Crop => out.add_samples(&codec.open(kind, id, row)?),
        Kind::Negative => {
            out.add_samples(codec.open(kind, id, row)?.get(..codec.dim * 4).unwrap_or_default())
        }
        Kind::Journal => {
            for name in super::journal::names(&entry(codec, OperationId(id), row)?) {
                out.add(name.as_bytes());
            }
        }
        Kind::Face => {
            if let Some((_, body)) = codec.face_body(rows, FaceId(id))? {
                let texts = [body.photo, body.source, body.consent];
                texts.iter().flatten().for_each(|text| out.add(text.as_bytes()));
            }
        }
        Kind::Person => {}
    }
    Ok(())
}

impl Gallery {
    /// Destroys what was removed: rows, the log of the database, what they have left in its free space, the index.
    /// Afterwards it cannot be undone. With `verify`, all files are then searched for pieces of what was destroyed,
    /// sealed and in the clear.
    ///
    /// # Errors
    /// The gallery cannot be written, or another process is using it: then rows are gone, but may have left bytes
    /// until the next purge.
    pub fn purge(&self, what: Purge, verify: bool) -> Result<Purged> {
        let keep: Box<dyn Fn(&Entry) -> bool> = match what {
            Purge::All => Box::new(|_| false),
            Purge::OlderThan { days } => Box::new(older(days)),
        };
        let (mut purged, mut pieces) = self.write(|rows, codec| {
            let mut pieces = Pieces::default();
            let purged = destroy(rows, codec, &keep, |rows, kind, id, row| {
                if verify { pieces_of(rows, codec, kind, id, row, &mut pieces) } else { Ok(()) }
            })?;
            Ok((purged, pieces))
        })?;
        self.compact()?;
        if verify {
            self.forgive_living(&mut pieces)?;
            purged.proof = Some(pieces.search(&self.files())?);
        }
        Ok(purged)
    }

    /// What the living have too, such as a name or the tables of a JPEG file, is no remains of the dead. In a sealed
    /// gallery nothing of the living can be found, so nothing is forgiven but by the clear text, which must be absent.
    fn forgive_living(&self, pieces: &mut Pieces) -> Result<()> {
        if self.is_sealed() {
            return Ok(());
        }
        let finder = pieces.finder();
        self.read(|rows, _| {
            for kind in Kind::ALL {
                let mut after = 0;
                while let Some(page) = rows.next_page(kind, &mut after, 256)? {
                    page.iter().for_each(|(_, row)| pieces.forgive(&finder, &row.body));
                }
            }
            Ok(())
        })
    }

    /// The gallery's files as they are now: database, its log, the index.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = super::lock(&self.store).files();
        files.extend(self.index_file.iter().filter(|path| path.exists()).cloned());
        files
    }

    /// Gives unused space back, and overwrites what deleted rows have left; writes the index anew.
    ///
    /// # Errors
    /// The gallery cannot be written, or another process is using it.
    pub fn compact(&self) -> Result<()> {
        self.may_write()?;
        // An index that has seen all changes need not see the log that is cut.
        drop(self.index()?);
        self.write(|rows, _| rows.cut_log())?;
        super::lock(&self.store).compact()?;
        if let Some(path) = &self.index_file {
            // The old index may hold people who are gone. Its name is given up first, so that it is not there even if
            // writing fails.
            remove(path)?;
            for left in left_behind(path) {
                remove(&left)?;
            }
            let mut held = self.index.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut index = held.take().unwrap_or_else(|| Index::new(self.head.dim));
            self.follow(&mut index)?;
            self.save_index(&mut index);
            *held = Some(index);
        }
        Ok(())
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
            let mut settings = super::read_settings(rows, codec.sealer, &self.head)?;
            edit(&mut settings);
            write_settings(rows, codec.sealer, &self.head, &settings)?;
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
                model: self.head.model.clone(),
                dim: self.head.dim,
                sealed_by: self.seal().to_string(),
                people,
                people_without_faces: people.saturating_sub(searchable),
                faces: rows.count(Kind::Face)? - removed_faces,
                crops: rows.count(Kind::Crop)?,
                negatives: rows.count(Kind::Negative)? - removed_negatives,
                operations: rows.count(Kind::Journal)?,
                removed_faces,
                undo_days: settings.undo_days,
                calibrated: settings.calibration.as_ref().map(|c| c.at),
                files: Vec::clone(&files),
                index_bytes,
            })
        })
    }

    /// Reads everything and says what is wrong; nothing if all is well. Looks at every byte that matters: the
    /// database's own structure, each row's seal, that rows belong together, that tags find what they stand for, and
    /// that the index file holds what the gallery holds.
    ///
    /// # Errors
    /// The gallery cannot be read at all.
    pub fn check(&self) -> Result<Vec<String>> {
        let mut faults = super::lock(&self.store).faults()?;
        faults.extend(self.read(|rows, codec| Ok(check_rows(rows, codec)))?);
        if let Some(path) = &self.index_file {
            match index::load(path, self.head.dim, &self.id, &self.sealer) {
                Loaded::Absent => {}
                Loaded::Unusable(why) => {
                    faults.push(format!("{}: the index {why} (it will be built anew)", path.display()));
                }
                Loaded::Index(mut index) => match self.follow(&mut index) {
                    Ok(()) => faults.extend(self.check_index(&index)?),
                    Err(e) => faults.push(e.to_string()),
                },
            }
        }
        Ok(faults)
    }

    fn check_index(&self, index: &Index) -> Result<Vec<String>> {
        self.read(|rows, codec| {
            let mut faults = Vec::new();
            if index.mark != rows.mark()? {
                return Ok(faults);
            }
            let mut stray: BTreeSet<u64> = index.people().collect();
            let mut after = 0;
            while let Some(page) = rows.next_page(Kind::Person, &mut after, 256)? {
                for (id, _) in &page {
                    stray.remove(id);
                    // Rows that do not open are told of already.
                    let Ok(templates) = codec.templates(rows, PersonId(*id)) else { continue };
                    if !index.holds(*id, combine(templates.iter().map(|(_, t)| t)).as_deref()) {
                        faults.push(format!("the index holds another template of person {}", PersonId(*id)));
                    }
                }
            }
            faults.extend(
                stray.iter().map(|id| format!("the index holds person {}, who is not", PersonId(*id))),
            );
            Ok(faults)
        })
    }
}

fn remove(path: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(GalleryError::io(path, &e)),
        _ => Ok(()),
    }
}

/// Index files that a process has begun and not finished.
fn left_behind(index: &std::path::Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (index.parent(), index.file_name()) else { return Vec::new() };
    let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
    let name = name.to_string_lossy().into_owned();
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let ours =
        |file: &str| file.strip_prefix(&name).is_some_and(|r| r.starts_with('.') && r.ends_with(".new"));
    entries.flatten().filter(|e| ours(&e.file_name().to_string_lossy())).map(|e| e.path()).collect()
}

/// Opens every row and holds it to those that it belongs with.
fn check_rows(rows: &dyn Rows, codec: Codec<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut needed = BTreeSet::new();
    for kind in Kind::ALL.into_iter().rev() {
        let mut after = 0;
        loop {
            let page = match rows.page(kind, after, 256) {
                Ok(page) => page,
                Err(e) => {
                    faults.push(format!("rows after {}: {e}", named(kind, after)));
                    break;
                }
            };
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (id, row) in &page {
                if let Err(e) = check_row(rows, codec, kind, *id, row, &mut needed) {
                    faults.push(e.to_string());
                }
            }
        }
    }
    faults
}

fn check_row(
    rows: &dyn Rows,
    codec: Codec<'_>,
    kind: Kind,
    id: u64,
    row: &Row,
    needed: &mut BTreeSet<(Kind, u64)>,
) -> Result<()> {
    let wrong =
        |reason: String| GalleryError::new(ErrorKind::Damaged, format!("{}: {reason}", named(kind, id)));
    let owner_is_there = |owner: u64| -> Result<bool> {
        Ok(owner == 0 && needed.contains(&(kind, id)) || rows.get(Kind::Person, owner)?.is_some())
    };
    codec.open(kind, id, row)?;
    match kind {
        Kind::Person => {
            let body = codec.person_body(rows, PersonId(id))?;
            let tags = body.map(|body| codec.person_tags(&body.details)).unwrap_or_default();
            if row.tags != tags {
                return Err(wrong("is found by other names than its own".into()));
            }
        }
        Kind::Face => {
            if !owner_is_there(row.owner)? {
                return Err(wrong(format!("its person {} is not there", PersonId(row.owner))));
            }
            let template = rows.get(Kind::Template, id)?;
            if template.is_none_or(|template| template.owner != row.owner) {
                return Err(wrong("its template is not there, or another person's".into()));
            }
            let body = codec.face_body(rows, FaceId(id))?;
            if body.is_some_and(|(_, body)| body.crop) != rows.get(Kind::Crop, id)?.is_some() {
                return Err(wrong("its crop is missing, or too many".into()));
            }
        }
        Kind::Template => {
            let found = codec.weighted(FaceId(id), row)?;
            let length = found.template.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            if !(0.99..=1.01).contains(&length) || rows.get(Kind::Face, id)?.is_none() {
                return Err(wrong("has no face, or is not of unit length".into()));
            }
        }
        Kind::Crop => {
            if rows.get(Kind::Face, id)?.is_none() {
                return Err(wrong("has no face".into()));
            }
        }
        Kind::Negative => {
            if row.owner != 0 {
                codec.negative(rows, NegativeId(id))?;
            }
            if !owner_is_there(row.owner)? {
                return Err(wrong(format!("its person {} is not there", PersonId(row.owner))));
            }
        }
        Kind::Journal => needed.extend(referenced(&entry(codec, OperationId(id), row)?)),
    }
    for tag in &row.tags {
        if rows.tagged(kind, tag)?.binary_search(&id).is_err() {
            return Err(wrong("is not found by one of its tags".into()));
        }
    }
    Ok(())
}
