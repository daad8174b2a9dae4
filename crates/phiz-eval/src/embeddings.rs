//! What a system makes of photos: templates from a network, from a cache, or from another system's file.
//!
//! [`Embeddings`] is the one thing that an evaluation asks of the system it judges. This crate implements it for files
//! ([`FileEmbeddings`]: numpy's `.npy` with a CSV list beside it, or one CSV), so dlib, InsightFace or a paper's network
//! stand beside ours in the same tables; whoever runs a network implements it with that.
//!
//! A photo of which a system made nothing stays in the test and counts against the system; only a photo that nobody could
//! look at leaves it. Both are named in the report.

use crate::Result;
use crate::error::EvalError;
use crate::manifest::Manifest;
use crate::npy;
use crate::protocol::System;
use crate::report::LeftOut;
use crate::samples::Samples;
use crate::templates::{People, Templates};
use std::collections::HashMap;
use std::path::Path;

/// What a system made of one photo.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// A face: its template, and how much it is worth to recognition (0 to 1) if the system says so.
    Face {
        /// The template, of any length but zero.
        vector: Vec<f32>,
        /// Higher is better.
        quality: Option<f32>,
    },
    /// No face was found: a failure to acquire.
    NoFace,
    /// The system could make nothing of the photo, for this reason: counts as a failure to acquire.
    Failed(String),
    /// Nobody could look at the photo, for this reason: it leaves the test.
    Absent(String),
}

/// Whatever turns photos into templates.
pub trait Embeddings {
    /// What can go wrong as a whole; a single photo's fault is a [`Seen`].
    type Error: From<EvalError>;

    /// What the system makes of each photo, in the order of the list.
    ///
    /// # Errors
    /// Nothing at all could be done.
    fn embed(&mut self, photos: &[String]) -> std::result::Result<Vec<Seen>, Self::Error>;

    /// The system's name, and what is needed to repeat the run. Asked for after [`Embeddings::embed`].
    fn system(&self) -> System;
}

/// A list of photos with what a system made of them: what most protocols start from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prepared {
    /// The photos that could be looked at.
    pub manifest: Manifest,
    /// Their templates and people.
    pub samples: Samples,
    /// The system's own quality of each photo: 0 where it found no face, none where it says nothing of quality.
    pub qualities: Vec<Option<f64>>,
    /// The system.
    pub system: System,
}

impl Prepared {
    /// Asks a system for the templates of a list's photos.
    ///
    /// # Errors
    /// No column `person`; no photo that could be looked at; no template; templates of different lengths.
    pub fn new<E: Embeddings>(manifest: &Manifest, source: &mut E) -> std::result::Result<Self, E::Error> {
        // A list without people is a fault before the work, not after it.
        manifest.people()?;
        let paths = manifest.paths()?;
        let seen = source.embed(&paths)?;
        crate::error::same_length("photos and what was made of them", paths.len(), seen.len())?;
        let mut system = source.system();
        let (kept, faces, qualities) = sort_out(&paths, seen, &mut system.left_out);
        let manifest = manifest.select(&kept);
        let samples = samples(manifest.paths()?, &manifest.people()?, &faces)?;
        system.fact("photos", samples.photos().len());
        system.fact("people", samples.people().count());
        system.fact("photos without a face", samples.failures());
        Ok(Self { manifest, samples, qualities, system })
    }
}

type Faces = (Vec<usize>, Vec<Option<Vec<f32>>>, Vec<Option<f64>>);

/// The places of the photos that stay, their templates and qualities; the rest is noted.
pub(crate) fn sort_out(paths: &[String], seen: Vec<Seen>, left_out: &mut Vec<LeftOut>) -> Faces {
    let (mut kept, mut faces, mut qualities) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (path, seen)) in paths.iter().zip(seen).enumerate() {
        let (face, quality) = match seen {
            Seen::Absent(reason) => {
                left_out.push(LeftOut::absent(path, reason));
                continue;
            }
            Seen::Face { vector, .. } if !usable(&vector) => {
                left_out.push(LeftOut::failed(path, NOT_FINITE));
                (None, Some(0.0))
            }
            Seen::Face { vector, quality } => (Some(vector), quality.map(f64::from)),
            Seen::NoFace => (None, Some(0.0)),
            Seen::Failed(reason) => {
                left_out.push(LeftOut::failed(path, reason));
                (None, Some(0.0))
            }
        };
        kept.push(place);
        faces.push(face);
        qualities.push(quality);
    }
    (kept, faces, qualities)
}

const NOT_FINITE: &str = "its template holds NaN or infinity, or has no direction";

/// Has the vector a direction?
fn usable(vector: &[f32]) -> bool {
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    length.is_finite() && length >= 1e-12
}

/// Templates of any system, from a file. A row of zeros (`.npy`), or without numbers (CSV), says that the system found no
/// face in the photo; a row that holds NaN or infinity is a fault, which counts against the system and is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEmbeddings {
    file: String,
    system: System,
    seen: HashMap<String, Seen>,
}

impl FileEmbeddings {
    /// From a CSV file with a column `path` and a column for each number; `name` is the system's name in tables.
    ///
    /// # Errors
    /// No such columns, a field that is no number.
    pub fn from_csv(name: &str, csv: &[u8], path: &Path) -> Result<Self> {
        let manifest = Manifest::read(csv, path)?;
        let vectors = columns_of(&manifest, &[])?;
        let seen = vectors.into_iter().map(|v| v.map_or(Seen::NoFace, face));
        Ok(Self::new(name, path, manifest.paths()?, seen))
    }

    /// From a `.npy` matrix and a CSV list with the `path` of each row, as `phiz embed --largest` writes them. Where the
    /// list has a column `face`, its value -1 says that no face was found and that the matrix has no row for the photo.
    ///
    /// # Errors
    /// Files of another kind; a list of another length than the matrix.
    pub fn from_npy(name: &str, matrix: &[u8], path: &Path, list: &[u8], list_path: &Path) -> Result<Self> {
        let manifest = Manifest::read(list, list_path)?;
        let mut rows = npy::read(matrix, path)?.rows()?.into_iter();
        let without: Vec<bool> = match manifest.has("face") {
            true => manifest.column("face")?.iter().map(|f| *f == "-1").collect(),
            false => vec![false; manifest.len()],
        };
        let found = rows.len();
        let listed = without.iter().filter(|w| !**w).count();
        if listed != found {
            return Err(EvalError::file(
                list_path,
                0,
                format!("lists {listed} templates, {} holds {found}", path.display()),
                "the list has one line for each row, in the same order",
            ));
        }
        let seen =
            without.iter().map(|w| if *w { Seen::NoFace } else { rows.next().map_or(Seen::NoFace, face) });
        Ok(Self::new(name, path, manifest.paths()?, seen))
    }

    fn new(name: &str, path: &Path, photos: Vec<String>, seen: impl Iterator<Item = Seen>) -> Self {
        let file = path.display().to_string();
        Self { file, system: System::new(name), seen: photos.into_iter().zip(seen).collect() }
    }

    /// Adds what is needed to repeat the run.
    pub fn fact(&mut self, what: &str, value: impl ToString) {
        self.system.fact(what, value);
    }
}

/// A row as what was seen: nothing when it is all zero.
fn face(vector: Vec<f32>) -> Seen {
    if vector.iter().all(|x| *x == 0.0) { Seen::NoFace } else { Seen::Face { vector, quality: None } }
}

impl Embeddings for FileEmbeddings {
    type Error = EvalError;

    fn embed(&mut self, photos: &[String]) -> Result<Vec<Seen>> {
        if let Some(first) = photos.first()
            && !photos.iter().any(|photo| self.seen.contains_key(photo))
        {
            return Err(EvalError::input(
                self.file.as_str(),
                format!("has no template for `{first}`, nor for any other photo of the list"),
                "paths must be written alike in both; give a row of zeros (or empty fields) where no face was found",
            ));
        }
        let missing = || Seen::Failed(format!("{} has no template for it", self.file));
        Ok(photos.iter().map(|photo| self.seen.get(photo).cloned().unwrap_or_else(missing)).collect())
    }

    fn system(&self) -> System {
        self.system.clone()
    }
}

/// Vectors from CSV columns: all columns that are neither `path` nor `person` nor named in `others`.
///
/// # Errors
/// No such column, a field that is no number, a row that is only partly filled.
pub fn columns_of(manifest: &Manifest, others: &[String]) -> Result<Vec<Option<Vec<f32>>>> {
    let known = |c: &String| c == "path" || c == "person" || others.contains(c);
    let columns: Vec<Vec<&str>> =
        manifest.columns().iter().filter(|c| !known(c)).map(|c| manifest.column(c)).collect::<Result<_>>()?;
    if columns.is_empty() {
        return Err(EvalError::input(
            "embeddings",
            "the CSV has no column of numbers",
            "give a column for each number beside `path` and `person`",
        ));
    }
    (0..manifest.len())
        .map(|row| {
            if columns.iter().all(|c| c[row].is_empty()) {
                return Ok(None);
            }
            let numbers: Option<Vec<f32>> = columns.iter().map(|c| c[row].parse().ok()).collect();
            numbers.map(Some).ok_or_else(|| {
                let wrong = columns.iter().find(|c| c[row].parse::<f32>().is_err()).map_or("", |c| c[row]);
                EvalError::input(
                    format!("embedding of row {} (from 1)", row + 1),
                    format!("`{wrong}` is no number"),
                    "leave all numbers empty where no face was found; name other columns as such",
                )
            })
        })
        .collect()
}

/// Photos with their people and vectors.
///
/// # Errors
/// Lists of different length, vectors of different length, no vector at all.
pub fn samples(photos: Vec<String>, people: &[String], vectors: &[Option<Vec<f32>>]) -> Result<Samples> {
    crate::error::same_length("photos and embeddings", photos.len(), vectors.len())?;
    let dim = vectors.iter().flatten().map(Vec::len).next().ok_or_else(|| {
        EvalError::undefined("the evaluation", "no photo has a template: no face was found in any")
    })?;
    if let Some(place) = vectors.iter().position(|v| v.as_ref().is_some_and(|v| v.len() != dim)) {
        return Err(EvalError::input(
            format!("embedding of {}", photos[place]),
            format!("has another length than {dim}"),
            "compare templates of one model only",
        ));
    }
    let acquired: Vec<bool> = vectors.iter().map(Option::is_some).collect();
    let data: Vec<f32> = vectors.iter().flatten().flatten().copied().collect();
    Samples::new(photos, People::from_names(people), &acquired, Templates::new(dim, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Manifest {
        Manifest::read(text.as_bytes(), Path::new("list.csv")).unwrap()
    }

    #[test]
    fn what_cannot_be_used_is_counted_with_its_reason() {
        let rows = [1.0f32, 0.0, 0.0, 0.0, f32::NAN, 1.0, f32::INFINITY, 0.0, 0.6, 0.8];
        let matrix = npy::file("<f4", &[5, 2], &rows.map(f32::to_le_bytes).concat());
        let names = "path,face\ngood,0\nzeros,0\nnan,0\ninfinite,0\nnone,-1\nlast,0\n";
        let mut file = FileEmbeddings::from_npy(
            "theirs",
            &matrix,
            Path::new("e.npy"),
            names.as_bytes(),
            Path::new("l.csv"),
        )
        .unwrap();
        let photos = list("path,person\ngood,a\nzeros,a\nnan,a\ninfinite,b\nnone,b\nlast,b\nunheard,c\n");
        let prepared = Prepared::new(&photos, &mut file).unwrap();
        let samples = &prepared.samples;
        assert_eq!((samples.photos().len(), samples.failures(), samples.templates().len()), (7, 5, 2));
        let told: Vec<(&str, bool)> =
            prepared.system.left_out.iter().map(|l| (l.item.as_str(), l.counts_as_failure)).collect();
        assert_eq!(told, [("nan", true), ("infinite", true), ("unheard", true)]);
        let error = Prepared::new(&list("path,person\nx,a\ny,b\n"), &mut file).unwrap_err().to_string();
        assert!(error.contains("e.npy: has no template for `x`"), "{error}");
        let short =
            FileEmbeddings::from_npy("t", &matrix, Path::new("e.npy"), b"path\na\n", Path::new("l.csv"));
        assert!(short.unwrap_err().to_string().contains("lists 1 templates, e.npy holds 5"));
    }

    #[test]
    fn nobody_could_look_at_it() {
        struct Half;
        impl Embeddings for Half {
            type Error = EvalError;
            fn embed(&mut self, photos: &[String]) -> Result<Vec<Seen>> {
                let seen = |k: usize| match k {
                    1 => Seen::Absent("there is no such photo".into()),
                    2 => Seen::Failed("is cut off".into()),
                    _ => Seen::Face { vector: vec![1.0, k as f32], quality: Some(0.5) },
                };
                Ok((0..photos.len()).map(seen).collect())
            }
            fn system(&self) -> System {
                System::new("half")
            }
        }
        let prepared = Prepared::new(&list("path,person\n0,a\n1,a\n2,b\n3,b\n"), &mut Half).unwrap();
        assert_eq!(prepared.manifest.paths().unwrap(), ["0", "2", "3"]);
        assert_eq!((prepared.samples.failures(), prepared.system.left_out.len()), (1, 2));
        assert_eq!(prepared.qualities, [Some(0.5), Some(0.0), Some(0.5)]);
    }

    #[test]
    fn csv_vectors_and_failures() {
        let text = "path,person,e0,e1\na,p,1,0\nb,q,,\n";
        let manifest = Manifest::read(text.as_bytes(), Path::new("e.csv")).unwrap();
        let vectors = columns_of(&manifest, &[]).unwrap();
        assert_eq!(vectors, [Some(vec![1.0, 0.0]), None]);
        let samples = samples(manifest.paths().unwrap(), &manifest.people().unwrap(), &vectors).unwrap();
        assert_eq!(samples.failures(), 1);
        let bad = Manifest::read("path,e0\na,x\n".as_bytes(), Path::new("e.csv")).unwrap();
        assert!(columns_of(&bad, &[]).is_err());
        assert!(super::samples(vec!["a".into()], &["p".into()], &[None]).unwrap_err().is_undefined());
    }
}
