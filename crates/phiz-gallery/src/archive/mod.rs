//! Galleries as a folder of plain files, for other programs and other machines: see `docs/reference/archive-format.md`.
//!
//! An archive is *not* sealed: whoever has it has everything. [`export`] writes one, [`import`] takes one in, [`seen`] does
//! both with what was scanned, [`files`] reads and writes lines and arrays.

mod export;
mod files;
mod import;
mod seen;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use phiz_template::{ModelId, Thresholds};
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::Model;
use crate::model::{
    FaceBody, FaceId, GroupHead, OperationId, PersonBody, PersonId, PhotoBody, PhotoId, SightingBody,
    SightingId,
};
use files::{digest, read};

/// The version of an archive without photos, which every Phiz reads.
const WITHOUT_PHOTOS: u32 = 1;
/// The version of an archive with photos: the newest that this Phiz reads.
const FORMAT: u32 = 2;
const HEAD: &str = "archive.json";
const PEOPLE: &str = "people.jsonl";
const FACES: &str = "faces.jsonl";
const TEMPLATES: &str = "templates.npy";
const NEGATIVES: &str = "negatives.jsonl";
const NEGATIVE_TEMPLATES: &str = "negatives.npy";
/// What was scanned; only in archives of version 2.
const PHOTOS: &str = "photos.jsonl";
const SIGHTINGS: &str = "sightings.jsonl";
const SIGHTING_TEMPLATES: &str = "sightings.npy";
const GROUPS: &str = "groups.jsonl";
/// The same as the JSON Lines, for spreadsheets; never read.
const PEOPLE_CSV: &str = "people.csv";
const FACES_CSV: &str = "faces.csv";
const CROPS: &str = "crops";

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchiveHead {
    /// Version of the format.
    pub format: u32,
    /// The model that its templates were made by.
    pub model: ModelId,
    /// Values that a template has.
    pub dim: usize,
    /// The model's thresholds.
    pub thresholds: Thresholds,
    /// People.
    pub people: usize,
    /// Faces.
    pub faces: usize,
    /// Faces that are said not to be somebody.
    pub negatives: usize,
    /// Photos that were scanned.
    #[serde(default)]
    pub photos: usize,
    /// Faces that were seen in them.
    #[serde(default)]
    pub sightings: usize,
    /// Groups of those: strangers, and people whose sightings were named.
    #[serde(default)]
    pub groups: usize,
    /// SHA-256 of each file that is read.
    pub sha256: BTreeMap<String, String>,
}

impl ArchiveHead {
    /// Reads the head of an archive, and looks at every file that an import would read.
    ///
    /// # Errors
    /// The folder holds no finished archive, one of another version, or a damaged one.
    pub fn read(folder: &Path) -> Result<ArchiveHead> {
        read_head(folder)
    }

    /// The model that its templates were made by.
    #[must_use]
    pub fn model(&self) -> Model {
        Model { id: self.model.clone(), dim: self.dim, thresholds: self.thresholds.clone() }
    }
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Imported {
    /// Who was made: ids of the archive and of this gallery.
    pub people: Vec<(PersonId, PersonId)>,
    /// Who was recognised as somebody that the gallery had: ids of the archive and of this gallery.
    pub known_people: Vec<(PersonId, PersonId)>,
    /// Faces taken in.
    pub faces: usize,
    /// Faces left out because the gallery had them.
    pub known_faces: usize,
    /// Negatives taken in.
    pub negatives: usize,
    /// Negatives left out because the gallery had them, or has enrolled the face as that person since.
    pub known_negatives: usize,
    /// Photos of what was scanned that were taken in. Like a scan, they stay when the import is taken back.
    pub photos: usize,
    /// Photos that the gallery had.
    pub known_photos: usize,
    /// Faces seen in photos that were taken in.
    pub sightings: usize,
    /// Strangers and named groups that were taken in.
    pub groups: usize,
    /// Strangers whose number was taken here: of the archive and of this gallery.
    pub renumbered: Vec<(u64, u64)>,
    /// By which operation it can be taken back; none if nothing was new.
    pub operation: Option<OperationId>,
}

#[derive(Serialize, Deserialize)]
struct PersonLine {
    id: PersonId,
    #[serde(flatten)]
    body: PersonBody,
}

/// A line of `faces.jsonl` or `negatives.jsonl`; its template is the row of the same number.
#[derive(Serialize, Deserialize)]
struct FaceLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<FaceId>,
    person: PersonId,
    #[serde(default)]
    quality: f32,
    #[serde(flatten)]
    body: FaceBody,
}

/// A line of `photos.jsonl`.
#[derive(Serialize, Deserialize)]
struct PhotoLine {
    id: PhotoId,
    #[serde(flatten)]
    body: PhotoBody,
}

/// A line of `sightings.jsonl`; its template is the row of the same number.
#[derive(Serialize, Deserialize)]
struct SightingLine {
    id: SightingId,
    photo: PhotoId,
    quality: f32,
    #[serde(flatten)]
    body: SightingBody,
}

/// A line of `groups.jsonl`.
#[derive(Serialize, Deserialize)]
struct GroupLine {
    stranger: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<PersonId>,
    #[serde(flatten)]
    head: GroupHead,
    sightings: Vec<SightingId>,
}

/// The files that an import of a version reads.
fn files_of(format: u32) -> Vec<&'static str> {
    let mut names = vec![PEOPLE, FACES, TEMPLATES, NEGATIVES, NEGATIVE_TEMPLATES];
    if format > WITHOUT_PHOTOS {
        names.extend([PHOTOS, SIGHTINGS, SIGHTING_TEMPLATES, GROUPS]);
    }
    names
}

fn crop_path(folder: &Path, face: impl std::fmt::Display) -> PathBuf {
    folder.join(CROPS).join(face.to_string())
}

/// The head, after a look at every file that will be read.
fn read_head(folder: &Path) -> Result<ArchiveHead> {
    let path = folder.join(HEAD);
    let text = read(&path).map_err(|e| e.with_hint("name the folder of a finished export"))?;
    let wrong = |reason: String| GalleryError::new(ErrorKind::Damaged, reason).at(&path);
    // The version first: of a newer archive nothing else is known.
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version =
        serde_json::from_slice(&text).map_err(|e| wrong(format!("is no archive's head ({e})")))?;
    if !(WITHOUT_PHOTOS..=FORMAT).contains(&version.format) {
        let reason = format!("is of format {}, this Phiz reads formats 1 to {FORMAT}", version.format);
        return Err(GalleryError::new(ErrorKind::OtherVersion, reason).at(&path));
    }
    let head: ArchiveHead = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    for name in files_of(head.format) {
        let file = folder.join(name);
        if head.sha256.get(name) != Some(&digest(&file)?) {
            return Err(GalleryError::damaged("the archive").at(&file).with_hint("export it again"));
        }
    }
    Ok(head)
}
