//! Galleries as a folder of plain files, for other programs and other machines: see `docs/reference/archive-format.md`.
//!
//! An archive is *not* sealed: whoever has it has everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use phiz_template::Thresholds;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::{Gallery, add_face};
use crate::model::{Details, FaceBody, FaceId, NegativeId, NewFace, PersonBody, PersonId};
use crate::rows::Codec;
use crate::store::{Kind, Rows};

/// The version that this Phiz writes, and the newest that it reads.
const FORMAT: u32 = 1;
const HEAD: &str = "archive.json";
const PEOPLE: &str = "people.jsonl";
const FACES: &str = "faces.jsonl";
const TEMPLATES: &str = "templates.npy";
const NEGATIVES: &str = "negatives.jsonl";
const NEGATIVE_TEMPLATES: &str = "negatives.npy";
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
    pub model: String,
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
    /// SHA-256 of each file that is read.
    pub sha256: BTreeMap<String, String>,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Imported {
    /// Who became whom: ids of the archive and of this gallery.
    pub people: Vec<(PersonId, PersonId)>,
    /// Faces taken in.
    pub faces: usize,
    /// Negatives taken in.
    pub negatives: usize,
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

impl Gallery {
    /// Writes everything that the gallery knows into a new folder, in the clear. What was removed is not in it.
    ///
    /// # Errors
    /// The folder exists and is not empty, it cannot be written, or the gallery cannot be read or is damaged.
    pub fn export(&self, folder: &Path) -> Result<ArchiveHead> {
        let io = |e: std::io::Error| GalleryError::io(folder, &e);
        std::fs::create_dir_all(folder).map_err(io)?;
        if std::fs::read_dir(folder).map_err(io)?.next().is_some() {
            let reason = "the folder for the archive is not empty";
            return Err(GalleryError::new(ErrorKind::Conflict, reason)
                .at(folder)
                .hint_at("name a new folder"));
        }
        let card = self.card();
        let mut head = ArchiveHead {
            format: FORMAT,
            model: self.model().into(),
            dim: self.dim(),
            thresholds: card,
            people: 0,
            faces: 0,
            negatives: 0,
            sha256: BTreeMap::new(),
        };
        self.read(|rows, codec| {
            let mut out = Out::new(folder, codec.dim)?;
            out.people(rows, codec)?;
            (head.people, head.faces, head.negatives) = out.counts;
            out.finish()
        })?;
        for name in [PEOPLE, FACES, TEMPLATES, NEGATIVES, NEGATIVE_TEMPLATES] {
            head.sha256.insert(name.into(), digest(&folder.join(name))?);
        }
        // Last: a folder without it is an export that was interrupted.
        let text = serde_json::to_vec_pretty(&head)
            .map_err(|e| GalleryError::new(ErrorKind::Caller, e.to_string()).at(folder))?;
        let path = folder.join(HEAD);
        create(&path)?.write_all(&text).map_err(|e| GalleryError::io(&path, &e))?;
        Ok(head)
    }

    /// Takes an archive's people in as new people, in one transaction. Ids are given anew.
    ///
    /// # Errors
    /// The archive is of another model or a newer version, incomplete or damaged, or the gallery cannot be written;
    /// then nothing was taken in.
    pub fn import(&self, folder: &Path) -> Result<Imported> {
        let head = read_head(folder)?;
        self.expect_model(&head.model)?;
        if head.dim != self.dim() {
            return Err(GalleryError::damaged("the archive's head").at(&folder.join(HEAD)));
        }
        self.write(|rows, codec| {
            let mut done = Imported::default();
            let mut ids = BTreeMap::new();
            for line in lines::<PersonLine>(&folder.join(PEOPLE))? {
                let line = line?;
                let id = PersonId(rows.next_id(Kind::Person)?);
                codec.put_person(rows, id, &line.body)?;
                if ids.insert(line.id, id).is_some() {
                    let reason = format!("person {} is there twice", line.id);
                    return Err(GalleryError::new(ErrorKind::Damaged, reason).at(&folder.join(PEOPLE)));
                }
                done.people.push((line.id, id));
            }
            done.faces = self.take(folder, FACES, TEMPLATES, &ids, |face, line, person| {
                let id = add_face(rows, codec, person, &face)?;
                let body = FaceBody { crop: face.crop.is_some(), ..line.body };
                codec.put_face(rows, id, person, &body)
            })?;
            done.negatives =
                self.take(folder, NEGATIVES, NEGATIVE_TEMPLATES, &ids, |face, line, person| {
                    let id = NegativeId(rows.next_id(Kind::Negative)?);
                    codec.put_negative(rows, id, person, &line.body, &face.template)
                })?;
            Ok(done)
        })
    }

    /// Hands each line with its template and its person's new id to `each`.
    fn take(
        &self,
        folder: &Path,
        names: &str,
        templates: &str,
        ids: &BTreeMap<PersonId, PersonId>,
        mut each: impl FnMut(NewFace, FaceLine, PersonId) -> Result<()>,
    ) -> Result<usize> {
        let (path, templates) = (folder.join(names), folder.join(templates));
        let mut rows = npy_rows(&templates, self.dim())?;
        let mut count = 0;
        for line in lines::<FaceLine>(&path)? {
            let line: FaceLine = line?;
            let wrong = |reason: String| {
                GalleryError::new(ErrorKind::Damaged, format!("line {}: {reason}", count + 1)).at(&path)
            };
            let person = ids.get(&line.person);
            let person =
                *person.ok_or_else(|| wrong(format!("person {} is not in {PEOPLE}", line.person)))?;
            let template = rows.next().ok_or_else(|| wrong("it has no template".into()))??;
            self.check_template(&template).map_err(|e| wrong(e.to_string()))?;
            let crop = match line.id.filter(|_| line.body.crop) {
                Some(id) => Some(read(&crop_path(folder, id))?),
                None => None,
            };
            let quality = if (0.0..=1.0).contains(&line.quality) {
                line.quality
            } else {
                return Err(wrong(format!("quality {} is not between 0 and 1", line.quality)));
            };
            let photo = line.body.photo();
            each(NewFace { template, quality, photo, crop, ..NewFace::default() }, line, person)?;
            count += 1;
        }
        if rows.next().is_some() {
            let reason = format!("has more rows than {names} has lines");
            return Err(GalleryError::new(ErrorKind::Damaged, reason).at(&templates));
        }
        Ok(count)
    }
}

fn crop_path(folder: &Path, face: FaceId) -> PathBuf {
    folder.join(CROPS).join(face.to_string())
}

/// Files of an archive under way.
struct Out<'a> {
    folder: &'a Path,
    people: Lines,
    faces: Lines,
    negatives: Lines,
    templates: Npy,
    negative_templates: Npy,
    people_csv: csv::Writer<File>,
    faces_csv: csv::Writer<File>,
    counts: (usize, usize, usize),
}

impl<'a> Out<'a> {
    fn new(folder: &'a Path, dim: usize) -> Result<Out<'a>> {
        let file = |name: &str| create(&folder.join(name));
        let mut out = Out {
            folder,
            people: Lines::new(&folder.join(PEOPLE))?,
            faces: Lines::new(&folder.join(FACES))?,
            negatives: Lines::new(&folder.join(NEGATIVES))?,
            templates: Npy::new(&folder.join(TEMPLATES), dim)?,
            negative_templates: Npy::new(&folder.join(NEGATIVE_TEMPLATES), dim)?,
            people_csv: csv::Writer::from_writer(file(PEOPLE_CSV)?),
            faces_csv: csv::Writer::from_writer(file(FACES_CSV)?),
            counts: (0, 0, 0),
        };
        let at = csv_error(folder);
        out.people_csv.write_record(["id", "name", "created", "lists", "attributes"]).map_err(&at)?;
        let columns = ["id", "person", "quality", "photo", "taken", "added", "source", "consent"];
        out.faces_csv.write_record(columns).map_err(at)?;
        Ok(out)
    }

    fn people(&mut self, rows: &dyn Rows, codec: Codec<'_>) -> Result<()> {
        let mut after = 0;
        loop {
            let page = rows.page(Kind::Person, after, 256)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (id, _) in &page {
                self.person(rows, codec, PersonId(*id))?;
            }
        }
    }

    fn person(&mut self, rows: &dyn Rows, codec: Codec<'_>, id: PersonId) -> Result<()> {
        let Some(body) = codec.person_body(rows, id)? else { return Ok(()) };
        let PersonBody { details: Details { name, attributes, lists }, created } = &body;
        let record = [id.to_string(), name.clone(), created.to_string(), joined(lists), pairs(attributes)];
        self.people_csv.write_record(record).map_err(csv_error(self.folder))?;
        self.people.write(&PersonLine { id, body })?;
        self.counts.0 += 1;
        for (face, weighted) in codec.templates(rows, id)? {
            self.face(rows, codec, id, face, &weighted)?;
        }
        for (negative, template) in codec.negatives(rows, id)? {
            let photo = negative.photo.map(|hash| crate::seal::hex(&hash));
            let body =
                FaceBody { added: negative.added, photo, source: negative.source, ..FaceBody::default() };
            self.negatives.write(&FaceLine { id: None, person: id, quality: 0.0, body })?;
            self.negative_templates.write(&template)?;
            self.counts.2 += 1;
        }
        Ok(())
    }

    fn face(
        &mut self,
        rows: &dyn Rows,
        codec: Codec<'_>,
        person: PersonId,
        id: FaceId,
        weighted: &crate::rows::Weighted,
    ) -> Result<()> {
        let Some((_, body)) = codec.face_body(rows, id)? else { return Ok(()) };
        if let Some(row) = rows.get(Kind::Crop, id.0)? {
            let (folder, path) = (self.folder.join(CROPS), crop_path(self.folder, id));
            std::fs::create_dir_all(&folder).map_err(|e| GalleryError::io(&folder, &e))?;
            let crop = codec.open(Kind::Crop, id.0, &row)?;
            create(&path)?.write_all(&crop).map_err(|e| GalleryError::io(&path, &e))?;
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let record = [
            id.to_string(),
            person.to_string(),
            weighted.quality.to_string(),
            text(&body.photo),
            body.taken.map(|t| t.to_string()).unwrap_or_default(),
            body.added.to_string(),
            text(&body.source),
            text(&body.consent),
        ];
        self.faces_csv.write_record(record).map_err(csv_error(self.folder))?;
        self.templates.write(&weighted.template)?;
        self.faces.write(&FaceLine { id: Some(id), person, quality: weighted.quality, body })?;
        self.counts.1 += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        let at = |e: std::io::Error| GalleryError::io(self.folder, &e);
        self.people_csv.flush().map_err(at)?;
        self.faces_csv.flush().map_err(at)?;
        for lines in [self.people, self.faces, self.negatives] {
            lines.finish()?;
        }
        self.templates.finish()?;
        self.negative_templates.finish()
    }
}

fn joined(lists: &BTreeSet<String>) -> String {
    lists.iter().cloned().collect::<Vec<_>>().join("; ")
}

fn pairs(attributes: &BTreeMap<String, String>) -> String {
    attributes.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("; ")
}

fn csv_error(folder: &Path) -> impl Fn(csv::Error) -> GalleryError {
    |e| match e.into_kind() {
        csv::ErrorKind::Io(e) => GalleryError::io(folder, &e),
        other => GalleryError::new(ErrorKind::Io, format!("{other:?}")).at(folder),
    }
}

/// A new file that only its owner may read.
fn create(path: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| GalleryError::io(path, &e))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| GalleryError::io(path, &e))
}

fn digest(path: &Path) -> Result<String> {
    let io = |e: std::io::Error| GalleryError::io(path, &e);
    let (mut hash, mut file) = (Sha256::new(), File::open(path).map_err(io)?);
    std::io::copy(&mut file, &mut hash).map_err(io)?;
    Ok(crate::seal::hex(&hash.finalize()))
}

/// The head, after a look at every file that will be read.
fn read_head(folder: &Path) -> Result<ArchiveHead> {
    let path = folder.join(HEAD);
    let text = read(&path).map_err(|e| e.hint_at("name the folder of a finished export"))?;
    let wrong = |reason: String| GalleryError::new(ErrorKind::Damaged, reason).at(&path);
    // The version first: of a newer archive nothing else is known.
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version =
        serde_json::from_slice(&text).map_err(|e| wrong(format!("is no archive's head ({e})")))?;
    if version.format != FORMAT {
        let reason = format!("is of format {}, this Phiz reads format {FORMAT}", version.format);
        return Err(GalleryError::new(ErrorKind::OtherVersion, reason).at(&path));
    }
    let head: ArchiveHead = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    for name in [PEOPLE, FACES, TEMPLATES, NEGATIVES, NEGATIVE_TEMPLATES] {
        let file = folder.join(name);
        if head.sha256.get(name) != Some(&digest(&file)?) {
            return Err(GalleryError::damaged("the archive").at(&file).hint_at("export it again"));
        }
    }
    Ok(head)
}

/// A file of JSON Lines under way.
struct Lines {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Lines {
    fn new(path: &Path) -> Result<Lines> {
        Ok(Lines { file: BufWriter::new(create(path)?), path: path.into() })
    }

    fn write<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let io = |e: std::io::Error| GalleryError::io(&self.path, &e);
        serde_json::to_writer(&mut self.file, value).map_err(|e| io(e.into()))?;
        self.file.write_all(b"\n").map_err(io)
    }

    fn finish(mut self) -> Result<()> {
        let done = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        done.map_err(|e| GalleryError::io(&self.path, &e))
    }
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<impl Iterator<Item = Result<T>> + use<T>> {
    let file = File::open(path).map_err(|e| GalleryError::io(path, &e))?;
    let path = path.to_path_buf();
    Ok(BufReader::new(file).lines().enumerate().map(move |(number, line)| {
        let line = line.map_err(|e| GalleryError::io(&path, &e))?;
        serde_json::from_str(&line)
            .map_err(|e| GalleryError::new(ErrorKind::Damaged, format!("line {}: {e}", number + 1)).at(&path))
    }))
}

/// Templates as NumPy keeps them: little-endian f32, one row a template.
struct Npy {
    file: BufWriter<File>,
    path: PathBuf,
    dim: usize,
    rows: usize,
}

/// Bytes of the header, with room for any number of rows.
const NPY_HEADER: usize = 128;

fn npy_header(rows: usize, dim: usize) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((NPY_HEADER as u16 - 10).to_le_bytes());
    out.extend(format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}").bytes());
    out.resize(NPY_HEADER - 1, b' ');
    out.push(b'\n');
    out
}

impl Npy {
    fn new(path: &Path, dim: usize) -> Result<Npy> {
        let mut file = BufWriter::new(create(path)?);
        file.write_all(&npy_header(0, dim)).map_err(|e| GalleryError::io(path, &e))?;
        Ok(Npy { file, path: path.into(), dim, rows: 0 })
    }

    fn write(&mut self, row: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.rows += 1;
        self.file.write_all(&bytes).map_err(|e| GalleryError::io(&self.path, &e))
    }

    /// How many rows there are is known only now.
    fn finish(mut self) -> Result<()> {
        let header = npy_header(self.rows, self.dim);
        let done = self.file.rewind().and_then(|()| self.file.write_all(&header));
        let done = done.and_then(|()| self.file.flush()).and_then(|()| self.file.get_ref().sync_all());
        done.map_err(|e| GalleryError::io(&self.path, &e))
    }
}

/// Rows of an npy file of f32 with `dim` columns.
fn npy_rows(path: &Path, dim: usize) -> Result<impl Iterator<Item = Result<Vec<f32>>> + use<>> {
    let io = |e: std::io::Error| GalleryError::io(path, &e);
    let wrong = |reason: &str| {
        GalleryError::new(ErrorKind::Damaged, reason)
            .at(path)
            .hint_at(format!("write it with numpy.save as float32 of {dim} columns"))
    };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut start = [0; 10];
    file.read_exact(&mut start).map_err(|_| wrong("is no npy file"))?;
    if start[..6] != *b"\x93NUMPY" || start[6] != 1 {
        return Err(wrong("is no npy file of version 1"));
    }
    let mut header = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    file.read_exact(&mut header).map_err(|_| wrong("is cut short"))?;
    let header = String::from_utf8_lossy(&header).replace(' ', "");
    let shape = header.split("'shape':(").nth(1).and_then(|rest| rest.split(')').next());
    let shape: Vec<usize> = shape.unwrap_or_default().split(',').filter_map(|n| n.parse().ok()).collect();
    let [rows, columns] = shape[..] else { return Err(wrong("is not of two dimensions")) };
    if !header.contains("'descr':'<f4'") || !header.contains("'fortran_order':False") || columns != dim {
        return Err(wrong("holds other values than it must"));
    }
    let path = path.to_path_buf();
    Ok((0..rows).map(move |row| {
        let mut bytes = vec![0; dim * 4];
        file.read_exact(&mut bytes).map_err(|e| {
            GalleryError::new(ErrorKind::Damaged, format!("row {row} cannot be read ({e})")).at(&path)
        })?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }))
}
