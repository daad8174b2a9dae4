//! Prepared faces on disk: what training an embedder reads.
//!
//! A shard is three files that share a stem: `S.crops.npy` (u8 `[n, 112, 112, 3]`, aligned RGB),
//! `S.templates.npy` (f32 `[n, d]`, a teacher's unit templates) and `S.csv` (`path,person,split`, one row a
//! face; `person` may be empty). All shards of a folder are held in memory: 38 kB a face.
//!
//! [`Shard`] writes one, with `S.done.json` last, which says what it was made from and what was left out: a shard
//! without it was interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use phiz_eval::{EvalError, npy};

use crate::error::TrainError;
use crate::weights::write_atomically;

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
            let first = faces.templates.len();
            faces
                .templates
                .extend(values.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])));
            let mut read = faces.templates[first..].chunks_exact_mut(faces.dim.max(1));
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
                if let Some(fault) = read.next().and_then(straighten) {
                    let reason =
                        format!("the template of {path:?}, row {}, {fault}", faces.at.len() - before);
                    return Err(TrainError::file(&templates, &format!("{reason}: prepare the data again")));
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

    /// What tells these faces from others: their number, their people's, and a hash of names, templates and some pixels.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for name in &self.names {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
        }
        for face in 0..self.len() {
            hash.update(self.persons[face].map_or(u64::MAX, |p| p as u64).to_le_bytes());
            self.template(face).iter().for_each(|v| hash.update(v.to_le_bytes()));
            // The middle row: all pixels of all faces would take minutes.
            hash.update(&self.crop(face)[CROP_BYTES / 2..][..CROP * 3]);
        }
        let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{} faces of {} people, {hash}", self.len(), self.names.len())
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

/// Brings a template to unit length, if it is not; says what is wrong with one that has no direction.
fn straighten(template: &mut [f32]) -> Option<&'static str> {
    let square: f32 = template.iter().map(|v| v * v).sum();
    if template.iter().any(|v| !v.is_finite()) {
        return Some("holds what is no number");
    }
    if square == 0.0 || !square.is_finite() {
        return Some("has no direction");
    }
    // What is of unit length but for rounding stays as it is, to the bit.
    if (square - 1.0).abs() > 1e-3 {
        let length = square.sqrt();
        template.iter_mut().for_each(|v| *v /= length);
    }
    None
}

/// Faces on their way into a shard.
#[derive(Debug, Default)]
pub struct Shard {
    crops: Vec<u8>,
    templates: Vec<f32>,
    rows: Vec<[String; 3]>,
    left_out: Vec<LeftOut>,
}

/// A photo that did not come into a shard, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The photo, as its list names it.
    pub path: String,
    /// Why, in one word that stays the same between versions.
    pub kind: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// What a finished shard says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Fingerprint of everything that the shard follows from.
    pub from: String,
    /// Its faces.
    pub faces: usize,
    /// Photos that did not come into it.
    pub left_out: Vec<LeftOut>,
}

impl Made {
    /// What the shard of this stem says of itself; none if there is none, or it was interrupted.
    #[must_use]
    pub fn read(stem: &Path) -> Option<Made> {
        serde_json::from_slice(&std::fs::read(with_ending(stem, "done.json")).ok()?).ok()
    }
}

impl Shard {
    /// Adds a face: its crop (112×112 interleaved RGB), a teacher's unit template and `[path, person, split]`.
    ///
    /// # Errors
    /// A crop of another size, or a template of another length than those before.
    pub fn push(&mut self, crop: &[u8], template: &[f32], row: [String; 3]) -> Result<(), TrainError> {
        let dim = self.templates.len().checked_div(self.rows.len()).unwrap_or(template.len());
        if crop.len() != CROP_BYTES || template.is_empty() || template.len() != dim {
            let reason =
                format!("{} bytes and {} numbers are no face of this shard", crop.len(), template.len());
            return Err(TrainError::file(Path::new(&row[0]), &reason));
        }
        self.crops.extend_from_slice(crop);
        self.templates.extend_from_slice(template);
        self.rows.push(row);
        Ok(())
    }

    /// Notes a photo that has no face for the shard.
    pub fn leave_out(&mut self, photo: LeftOut) {
        self.left_out.push(photo);
    }

    /// Writes the shard of this stem, `done.json` last; without a face nothing else. Whatever stood there is
    /// replaced, and at no moment do files of two shards stand together as one.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(self, stem: &Path, from: &str) -> Result<Made, TrainError> {
        Shard::remove(stem)?;
        let n = self.rows.len();
        if let Some(dim) = self.templates.len().checked_div(n) {
            let crops = npy::file("|u1", &[n, CROP, CROP, 3], &self.crops);
            write_atomically(&with_ending(stem, "crops.npy"), &crops)?;
            let values: Vec<u8> = self.templates.iter().flat_map(|v| v.to_le_bytes()).collect();
            write_atomically(&with_ending(stem, "templates.npy"), &npy::file("<f4", &[n, dim], &values))?;
            let list = with_ending(stem, "csv");
            let mut writer = csv::Writer::from_writer(Vec::new());
            let written = writer
                .write_record(["path", "person", "split"])
                .and_then(|()| self.rows.iter().try_for_each(|row| writer.write_record(row)));
            written.map_err(|e| TrainError::file(&list, &e))?;
            let bytes = writer.into_inner().map_err(|e| TrainError::file(&list, &e))?;
            write_atomically(&list, &bytes)?;
        }
        let made = Made { from: from.into(), faces: n, left_out: self.left_out };
        let text = serde_json::to_vec(&made).unwrap_or_default();
        write_atomically(&with_ending(stem, "done.json"), &text)?;
        Ok(made)
    }

    /// Removes the shard of this stem, if there is one: its list first, without which it is none.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(stem: &Path) -> Result<(), TrainError> {
        for ending in ["done.json", "csv", "templates.npy", "crops.npy"] {
            let path = with_ending(stem, ending);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(TrainError::file(&path, &e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The stem with a dot and an ending; the stem may hold dots itself.
fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ending);
    stem.with_file_name(name)
}

/// Shape and bytes of a file that holds numbers of the type that NumPy calls `kind`. The bytes are what is left of the file,
/// so that a large one is not held twice.
fn npy(path: &Path, kind: &str) -> Result<(Vec<usize>, Vec<u8>), TrainError> {
    let mut file = std::fs::read(path).map_err(|e| TrainError::file(path, &e))?;
    let array = npy::read(&file, path).map_err(|e| {
        let reason = if let EvalError::File { reason, .. } = e { reason } else { e.to_string() };
        TrainError::file(path, &format!("is no shard: {reason}: prepare the data again"))
    })?;
    if array.descr != kind {
        return Err(TrainError::file(path, &format!("holds numbers of type {}, not {kind}", array.descr)));
    }
    let (shape, length) = (array.shape.clone(), array.bytes.len());
    file.drain(..file.len() - length);
    Ok((shape, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(level: u8) -> (Vec<u8>, Vec<f32>) {
        (vec![level; CROP_BYTES], vec![f32::from(level - 1), 1.0 - f32::from(level - 1)])
    }

    fn row(path: &str, person: &str) -> [String; 3] {
        [path.into(), person.into(), "train".into()]
    }

    #[test]
    fn what_was_written_is_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = LeftOut { path: "c.jpg".into(), kind: "no_face".into(), reason: "no face found".into() };
        for (stem, people) in [("a.b_000", ["Ada", "Ben"]), ("a.b_001", ["Ben", ""])] {
            let mut shard = Shard::default();
            for (i, person) in people.iter().enumerate() {
                let (crop, template) = face(i as u8 + 1);
                shard.push(&crop, &template, row(&format!("{i}, \"x\".jpg"), person)).expect("a face");
            }
            shard.leave_out(left.clone());
            assert!(shard.push(&[1, 2], &[0.0, 0.0], row("bad", "")).is_err());
            assert!(shard.push(&face(1).0, &[0.0], row("bad", "")).is_err());
            let made = shard.write(&folder.path().join(stem), stem).expect("writes");
            assert_eq!((made.faces, made.left_out.len()), (2, 1));
            assert_eq!(Made::read(&folder.path().join(stem)), Some(made));
        }
        let faces = Faces::open(folder.path(), "train").expect("opens");
        assert_eq!((faces.len(), faces.dim(), faces.names()), (4, 2, &["Ada".to_string(), "Ben".into()][..]));
        assert_eq!((faces.person(1), faces.person(2), faces.person(3)), (Some(1), Some(1), None));
        assert_eq!((faces.crop(3)[5], faces.template(3)), (2, &[1.0, 0.0][..]));
        assert!(Faces::open(folder.path(), "tune").expect_err("refused").to_string().contains("refused"));
    }

    #[test]
    fn templates_without_a_direction_are_named_and_long_ones_brought_to_unit_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |bad: [f32; 2]| {
            let mut shard = Shard::default();
            for (path, template) in [("a.jpg", [0.6, 0.8]), ("b.jpg", bad)] {
                shard.push(&face(1).0, &template, row(path, "Ada")).expect("a face");
            }
            shard.write(&folder.path().join("s"), "s").expect("writes");
            Faces::open(folder.path(), "train")
        };
        for (bad, says) in [
            ([f32::NAN, 0.0], "no number"),
            ([1.0, f32::INFINITY], "no number"),
            ([0.0, 0.0], "no direction"),
        ] {
            let error = open(bad).expect_err(says).to_string();
            let named =
                ["s.templates.npy", "\"b.jpg\"", "row 1", says].iter().all(|word| error.contains(word));
            assert!(named, "{bad:?}: {error}");
        }
        let faces = open([3.0, 4.0]).expect("opens");
        assert_eq!(faces.template(0), [0.6, 0.8]);
        assert_eq!(faces.template(1), [0.6, 0.8]);
        let before = faces.fingerprint();
        assert_eq!(open([3.0, 4.0]).expect("opens").fingerprint(), before);
        assert_ne!(open([4.0, 3.0]).expect("opens").fingerprint(), before);
    }

    #[test]
    fn a_shard_of_nothing_is_done_but_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let stem = folder.path().join("s_000");
        let mut shard = Shard::default();
        shard.push(&face(1).0, &face(1).1, row("a", "")).expect("a face");
        shard.write(&stem, "one").expect("writes");
        Shard::default().write(&stem, "two").expect("writes");
        assert_eq!(Made::read(&stem).map(|m| (m.from, m.faces)), Some(("two".into(), 0)));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(Faces::open(folder.path(), "train").is_err());
    }
}
