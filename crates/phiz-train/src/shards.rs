//! Prepared faces on disk: what training an embedder reads.
//!
//! A shard is three files that share a stem: `S.crops.npy` (u8 `[n, 112, 112, 3]`, aligned RGB),
//! `S.templates.npy` (f32 `[n, d]`, a teacher's unit templates) and `S.csv` (`path,person,split`, one row a
//! face; `person` may be empty). All shards of a folder are held in memory: 38 kB a face.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::TrainError;

/// Side of an aligned crop in pixels.
pub const CROP: usize = 112;
/// Bytes of one crop.
pub const CROP_BYTES: usize = CROP * CROP * 3;

/// All faces of a folder.
#[derive(Debug, Default)]
pub struct Faces {
    crops: Vec<Vec<u8>>,
    templates: Vec<f32>,
    dim: usize,
    persons: Vec<Option<usize>>,
    names: Vec<String>,
    at: Vec<(usize, usize)>,
}

impl Faces {
    /// Reads every shard of `folder`, all of whose rows must belong to `split`.
    ///
    /// # Errors
    /// A file that cannot be read, sizes that disagree, or a row of another split: evaluation people must
    /// never reach a trainer.
    pub fn open(folder: &Path, split: &str) -> Result<Faces, TrainError> {
        let entries = std::fs::read_dir(folder).map_err(|e| TrainError::file(folder, &e))?;
        let mut lists: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        lists.retain(|p| p.extension().is_some_and(|e| e == "csv"));
        lists.sort();
        if lists.is_empty() {
            return Err(TrainError::file(folder, &"holds no shard (no .csv); prepare data first"));
        }
        let mut faces = Faces::default();
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for list in lists {
            let crops = list.with_extension("crops.npy");
            let (shape, bytes) = npy(&crops, "|u1")?;
            if shape.len() != 4 || shape[1..] != [CROP, CROP, 3] {
                return Err(TrainError::file(&crops, &format!("has shape {shape:?}, not [n, 112, 112, 3]")));
            }
            let templates = list.with_extension("templates.npy");
            let (wide, values) = npy(&templates, "<f4")?;
            if wide.len() != 2 || wide[0] != shape[0] || (faces.dim != 0 && wide[1] != faces.dim) {
                return Err(TrainError::file(&templates, &format!("has shape {wide:?}, unlike its crops")));
            }
            faces.dim = wide[1];
            faces
                .templates
                .extend(values.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])));
            let mut reader = csv::Reader::from_path(&list).map_err(|e| TrainError::file(&list, &e))?;
            let before = faces.at.len();
            for row in reader.records() {
                let row = row.map_err(|e| TrainError::file(&list, &e))?;
                let (Some(path), Some(person), Some(found)) = (row.get(0), row.get(1), row.get(2)) else {
                    return Err(TrainError::file(&list, &"lacks one of the columns path,person,split"));
                };
                if found != split {
                    let reason = format!("row {path:?} is of split {found:?}, not {split:?}: refused");
                    return Err(TrainError::file(&list, &reason));
                }
                let next = numbers.len();
                let number = (!person.is_empty()).then(|| *numbers.entry(person.into()).or_insert(next));
                faces.persons.push(number);
                faces.at.push((faces.crops.len(), faces.at.len() - before));
            }
            if faces.at.len() - before != shape[0] {
                return Err(TrainError::file(&list, &format!("has not the {} rows of its crops", shape[0])));
            }
            faces.crops.push(bytes);
        }
        let mut names: Vec<(usize, String)> = numbers.into_iter().map(|(name, n)| (n, name)).collect();
        names.sort();
        faces.names = names.into_iter().map(|(_, name)| name).collect();
        Ok(faces)
    }

    /// Some of the faces, in a given order, with the same people under the same numbers.
    #[must_use]
    pub fn some(&self, chosen: &[usize]) -> Faces {
        let mut some = Faces { dim: self.dim, names: self.names.clone(), ..Faces::default() };
        let mut crops = Vec::with_capacity(chosen.len() * CROP_BYTES);
        for (row, &face) in chosen.iter().enumerate() {
            crops.extend_from_slice(self.crop(face));
            some.templates.extend_from_slice(self.template(face));
            some.persons.push(self.persons[face]);
            some.at.push((0, row));
        }
        some.crops.push(crops);
        some
    }

    /// Replaces the teacher's templates, `dim` numbers a face.
    pub fn teach(&mut self, templates: Vec<f32>, dim: usize) {
        self.templates = templates;
        self.dim = dim;
    }

    /// Number of faces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Dimension of the teacher's templates.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Names of the people, by number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The aligned crop, 112×112 interleaved RGB.
    #[must_use]
    pub fn crop(&self, face: usize) -> &[u8] {
        let (shard, row) = self.at[face];
        &self.crops[shard][row * CROP_BYTES..][..CROP_BYTES]
    }

    /// The teacher's template.
    #[must_use]
    pub fn template(&self, face: usize) -> &[f32] {
        &self.templates[face * self.dim..][..self.dim]
    }

    /// The person's number, if known.
    #[must_use]
    pub fn person(&self, face: usize) -> Option<usize> {
        self.persons[face]
    }
}

/// Shape and bytes of a little-endian C-order `.npy` file (version 1 or 2) of the given type.
fn npy(path: &Path, kind: &str) -> Result<(Vec<usize>, Vec<u8>), TrainError> {
    let bad = |reason: &str| TrainError::file(path, &format!("is not a .npy file of {kind}: {reason}"));
    let mut bytes = std::fs::read(path).map_err(|e| TrainError::file(path, &e))?;
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err(bad("no magic"));
    }
    let wide = bytes.get(6).is_some_and(|&v| v >= 2);
    let start = if wide { 12 } else { 10 };
    let field = bytes.get(8..start).ok_or_else(|| bad("cut off"))?;
    let length = field.iter().rev().fold(0usize, |n, &b| n << 8 | usize::from(b));
    let header = bytes.get(start..).and_then(|b| b.get(..length)).ok_or_else(|| bad("cut off"))?;
    let header = String::from_utf8_lossy(header);
    if !header.contains(&format!("'{kind}'")) || !header.contains("'fortran_order': False") {
        return Err(bad("other type or order"));
    }
    let shape =
        header.split_once('(').and_then(|(_, rest)| rest.split_once(')')).ok_or_else(|| bad("no shape"))?;
    let shape: Result<Vec<usize>, _> =
        shape.0.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect();
    let shape = shape.map_err(|_| bad("no shape"))?;
    let size = if kind == "|u1" { 1usize } else { 4 };
    let expected = shape.iter().try_fold(size, |n, &d| n.checked_mul(d));
    bytes.drain(..start + length);
    if expected != Some(bytes.len()) {
        return Err(bad("shape and length disagree"));
    }
    Ok((shape, bytes))
}
