//! Galleries as a folder of plain files, for other programs and other machines: see `docs/reference/archive-format.md`.
//!
//! An archive is *not* sealed: whoever has it has everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use phiz_template::{ModelId, Template, Thresholds};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::{Gallery, Model, OperationKind, Ranges, Search, Step, add_face, in_photo, record};
use crate::model::{
    Details, FaceBody, FaceId, Negative, NegativeId, NewFace, OperationId, Part, PersonBody, PersonId,
};
use crate::names::folded;
use crate::rows::{Codec, Faces, Negatives, SAME, Weighted, similarity};
#[cfg(feature = "sqlite")]
use crate::seal::Key;
use crate::store::{Kind, Row, Rows, RowsMut};

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
/// People who are read together.
const PAGE: usize = 256;

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
                .with_hint("name a new folder"));
        }
        let card = self.card();
        let mut head = ArchiveHead {
            format: FORMAT,
            model: self.model().clone(),
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

    /// Takes an archive in, in one transaction that can be undone. Ids are given anew. People and faces that the gallery
    /// has already are recognised and left out: a face by its photo and template, a person by one of their faces, or by
    /// their name and the second in which they were first enrolled. New faces of a known person become theirs.
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
        let archive = In { folder, model: &head.model, dim: head.dim };
        let likely = if self.is_empty()? { BTreeMap::new() } else { self.likely(&archive)? };
        self.write(|rows, codec| Import { archive: &archive, likely: &likely }.run(rows, codec))
    }

    /// Makes a gallery of an archive in a new file; nothing is left behind if that fails.
    ///
    /// # Errors
    /// See [`Gallery::create`] and [`Gallery::import`].
    #[cfg(feature = "sqlite")]
    pub fn create_from_archive(path: &Path, folder: &Path, key: &Key) -> Result<(Gallery, Imported)> {
        let model = read_head(folder)?.model();
        let had_key = matches!(key, Key::File(file) if file.exists());
        let gallery = Gallery::create(path, &model, key)?;
        match gallery.import(folder) {
            Ok(done) => Ok((gallery, done)),
            Err(e) => {
                let mut made = gallery.files();
                drop(gallery);
                made.push(path.into());
                if let (Key::File(file), false) = (key, had_key) {
                    made.push(file.clone());
                }
                for file in made {
                    let _ = std::fs::remove_file(file);
                }
                Err(e)
            }
        }
    }

    /// Faces without a photo's hash cannot be found by it. For people of whom there are only such, who looks most like
    /// the first one: whether it is the same face is seen later.
    fn likely(&self, archive: &In<'_>) -> Result<BTreeMap<PersonId, Vec<PersonId>>> {
        let (mut with_photo, mut first) = (BTreeSet::new(), BTreeMap::new());
        archive.faces(FACES, TEMPLATES, false, |_, face, line| {
            match face.photo {
                Some(_) => _ = with_photo.insert(line.person),
                None => _ = first.entry(line.person).or_insert(face.template),
            }
            Ok(())
        })?;
        first.retain(|person, _| !with_photo.contains(person));
        let (people, templates): (Vec<PersonId>, Vec<Template>) = first.into_iter().unzip();
        let search = Search { most: 3, ..Search::default() };
        let mut likely = BTreeMap::new();
        for (people, templates) in people.chunks(64).zip(templates.chunks(64)) {
            for (person, found) in people.iter().zip(self.identify_all(templates, &search)?) {
                likely.insert(*person, found.candidates.into_iter().map(|c| c.person).collect());
            }
        }
        Ok(likely)
    }
}

/// An archive that is read.
struct In<'a> {
    folder: &'a Path,
    model: &'a ModelId,
    dim: usize,
}

impl In<'_> {
    /// Hands each line of faces or negatives, with its number and its template, to `each`.
    fn faces(
        &self,
        names: &str,
        templates: &str,
        crops: bool,
        mut each: impl FnMut(usize, NewFace, FaceLine) -> Result<()>,
    ) -> Result<()> {
        let (path, templates) = (self.folder.join(names), self.folder.join(templates));
        let mut rows = npy_rows(&templates, self.dim)?;
        for (count, line) in lines::<FaceLine>(&path)?.enumerate() {
            let line: FaceLine = line?;
            let wrong = |reason: String| {
                GalleryError::new(ErrorKind::Damaged, format!("line {}: {reason}", count + 1)).at(&path)
            };
            let vector = rows.next().ok_or_else(|| wrong("it has no template".into()))??;
            let template = Template::new(self.model.clone(), vector).map_err(|e| wrong(e.to_string()))?;
            let crop = match line.id.filter(|_| crops && line.body.crop) {
                Some(id) => Some(read(&crop_path(self.folder, id))?),
                None => None,
            };
            if !(0.0..=1.0).contains(&line.quality) {
                return Err(wrong(format!("quality {} is not between 0 and 1", line.quality)));
            }
            let face = NewFace { photo: line.body.photo(), crop, ..NewFace::new(template, line.quality) };
            each(count, face, line)?;
        }
        if rows.next().is_some() {
            let reason = format!("has more rows than {names} has lines");
            return Err(GalleryError::new(ErrorKind::Damaged, reason).at(&templates));
        }
        Ok(())
    }

    fn people(&self) -> Result<Vec<PersonLine>> {
        let path = self.folder.join(PEOPLE);
        let mut seen = BTreeSet::new();
        let one = |line: Result<PersonLine>| {
            let line = line?;
            if seen.insert(line.id) {
                return Ok(line);
            }
            let reason = format!("person {} is there twice", line.id);
            Err(GalleryError::new(ErrorKind::Damaged, reason).at(&path))
        };
        lines(&path)?.map(one).collect()
    }
}

/// An import under way.
struct Import<'a> {
    archive: &'a In<'a>,
    /// For some people of the archive, who of the gallery looks most like them.
    likely: &'a BTreeMap<PersonId, Vec<PersonId>>,
}

/// A person of the archive in the gallery.
struct Place {
    person: PersonId,
    /// If the gallery had them: what is known of them.
    known: Option<(Faces, Negatives)>,
}

impl Place {
    /// Whether the gallery has this very face as theirs, or as not theirs.
    fn has(&self, template: &Template) -> bool {
        let same = |other: &[f32]| similarity(template.vector(), other) >= SAME;
        self.known.as_ref().is_some_and(|(faces, negatives)| {
            faces.iter().any(|(_, t)| same(&t.template)) || negatives.iter().any(|(_, t)| same(t))
        })
    }
}

impl Import<'_> {
    fn run(&self, rows: &mut dyn RowsMut, codec: Codec<'_>) -> Result<Imported> {
        let (folder, mut done) = (self.archive.folder, Imported::default());
        // Faces that the gallery has, and how many of each person's faces are whose.
        let mut had: BTreeSet<usize> = BTreeSet::new();
        let mut votes: BTreeMap<PersonId, BTreeMap<PersonId, usize>> = BTreeMap::new();
        let (mut people, mut faces, mut negatives) =
            (Ranges::default(), Ranges::default(), Ranges::default());
        let mut into = BTreeSet::new();
        if rows.count(Kind::Person)? > 0 {
            self.archive.faces(FACES, TEMPLATES, false, |number, face, line| {
                if let Some((_, person)) = in_photo(rows, codec, &face, SAME)? {
                    had.insert(number);
                    *votes.entry(line.person).or_default().entry(person).or_default() += 1;
                }
                Ok(())
            })?;
            self.vote_for_likely(rows, codec, &mut votes)?;
        }
        let mut places = BTreeMap::new();
        for line in self.archive.people()? {
            let most = votes.get(&line.id).and_then(|votes| votes.iter().max_by_key(|(_, count)| **count));
            let person = match most {
                Some((person, _)) => Some(*person),
                None => same_enrolment(rows, codec, &line.body)?,
            };
            let place = match person {
                Some(person) => {
                    done.known_people.push((line.id, person));
                    let known = (codec.templates(rows, person)?, codec.negatives(rows, person)?);
                    Place { person, known: Some(known) }
                }
                None => {
                    let person = PersonId(rows.next_id(Kind::Person)?);
                    codec.put_person(rows, person, &line.body)?;
                    people.push(person.0);
                    done.people.push((line.id, person));
                    Place { person, known: None }
                }
            };
            places.insert(line.id, place);
        }
        let place = |line: &FaceLine, names: &str| {
            places.get(&line.person).ok_or_else(|| {
                let reason = format!("person {} is not in {PEOPLE}", line.person);
                GalleryError::new(ErrorKind::Damaged, reason).at(&folder.join(names))
            })
        };
        self.archive.faces(FACES, TEMPLATES, true, |number, face, line| {
            let place = place(&line, FACES)?;
            if had.contains(&number) || place.has(&face.template) {
                done.known_faces += 1;
                return Ok(());
            }
            let id = add_face(rows, codec, place.person, &face)?;
            let body = FaceBody { crop: face.crop.is_some(), ..line.body };
            codec.put_face(rows, id, place.person, &body)?;
            faces.push(id.0);
            if place.known.is_some() {
                into.insert(place.person.0);
            }
            done.faces += 1;
            Ok(())
        })?;
        self.archive.faces(NEGATIVES, NEGATIVE_TEMPLATES, false, |_, face, line| {
            let place = place(&line, NEGATIVES)?;
            if place.has(&face.template) {
                done.known_negatives += 1;
                return Ok(());
            }
            let id = NegativeId(rows.next_id(Kind::Negative)?);
            codec.put_negative(rows, id, place.person, &line.body, face.template.vector())?;
            negatives.push(id.0);
            if place.known.is_some() {
                into.insert(place.person.0);
            }
            done.negatives += 1;
            Ok(())
        })?;
        if !(people.is_empty() && faces.is_empty() && negatives.is_empty()) {
            let kind = OperationKind::Import {
                people: done.people.len(),
                faces: done.faces,
                negatives: done.negatives,
            };
            let step = Step::Enrolled { people, faces, negatives, into };
            done.operation = Some(record(rows, codec, kind, vec![step])?);
        }
        Ok(done)
    }

    /// Who looks alike is the same person only if they have the very same face.
    fn vote_for_likely(
        &self,
        rows: &dyn Rows,
        codec: Codec<'_>,
        votes: &mut BTreeMap<PersonId, BTreeMap<PersonId, usize>>,
    ) -> Result<()> {
        if self.likely.is_empty() {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        self.archive.faces(FACES, TEMPLATES, false, |_, face, line| {
            let Some(likely) = self.likely.get(&line.person) else { return Ok(()) };
            if !seen.insert(line.person) {
                return Ok(());
            }
            for person in likely {
                let own = codec.templates(rows, *person)?;
                if own.iter().any(|(_, t)| similarity(face.template.vector(), &t.template) >= SAME) {
                    *votes.entry(line.person).or_default().entry(*person).or_default() += 1;
                }
            }
            Ok(())
        })
    }
}

/// Who has the name, and was first enrolled in the same second: an import keeps both.
fn same_enrolment(rows: &dyn Rows, codec: Codec<'_>, body: &PersonBody) -> Result<Option<PersonId>> {
    if folded(&body.details.name).is_empty() {
        return Ok(None);
    }
    for person in codec.people_named(rows, &body.details.name)? {
        if codec.person_body(rows, person)?.is_some_and(|own| own.created == body.created) {
            return Ok(Some(person));
        }
    }
    Ok(None)
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
        while let Some(page) = rows.next_page(Kind::Person, &mut after, PAGE)? {
            let ids: Vec<u64> = page.iter().map(|(id, _)| *id).collect();
            let mut templates = codec.templates_of(rows, &ids)?;
            let mut negatives = codec.negatives_of(rows, &ids)?;
            let faces: Vec<u64> = templates.values().flatten().map(|(face, _)| face.0).collect();
            let mut bodies: BTreeMap<u64, Row> = rows.get_many(Kind::Face, &faces)?.into_iter().collect();
            for (id, row) in page {
                let body: PersonBody = codec.open_json(Kind::Person, id, &row)?;
                let person = PersonId(id);
                self.person(person, body)?;
                for (face, weighted) in templates.remove(&id).into_iter().flatten() {
                    let row =
                        bodies.remove(&face.0).ok_or_else(|| GalleryError::damaged(Part::Face(face)))?;
                    let body: FaceBody = codec.open_json(Kind::Face, face.0, &row)?;
                    if body.crop {
                        self.crop(rows, codec, face)?;
                    }
                    self.face(person, face, body, &weighted)?;
                }
                for (negative, template) in negatives.remove(&id).into_iter().flatten() {
                    self.negative(person, negative, &template)?;
                }
            }
        }
        Ok(())
    }

    fn person(&mut self, id: PersonId, body: PersonBody) -> Result<()> {
        let PersonBody { details: Details { name, attributes, lists }, created } = &body;
        let record = [id.to_string(), name.clone(), created.to_string(), joined(lists), pairs(attributes)];
        self.people_csv.write_record(record).map_err(csv_error(self.folder))?;
        self.people.write(&PersonLine { id, body })?;
        self.counts.0 += 1;
        Ok(())
    }

    fn negative(&mut self, person: PersonId, negative: Negative, template: &[f32]) -> Result<()> {
        let photo = negative.photo.map(|hash| crate::seal::hex(&hash));
        let body = FaceBody { added: negative.added, photo, source: negative.source, ..FaceBody::default() };
        self.negatives.write(&FaceLine { id: None, person, quality: 0.0, body })?;
        self.negative_templates.write(template)?;
        self.counts.2 += 1;
        Ok(())
    }

    fn crop(&mut self, rows: &dyn Rows, codec: Codec<'_>, id: FaceId) -> Result<()> {
        let Some(row) = rows.get(Kind::Crop, id.0)? else { return Ok(()) };
        let (folder, path) = (self.folder.join(CROPS), crop_path(self.folder, id));
        std::fs::create_dir_all(&folder).map_err(|e| GalleryError::io(&folder, &e))?;
        let crop = codec.open(Kind::Crop, id.0, &row)?;
        create(&path)?.write_all(&crop).map_err(|e| GalleryError::io(&path, &e))
    }

    fn face(&mut self, person: PersonId, id: FaceId, body: FaceBody, weighted: &Weighted) -> Result<()> {
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
    let text = read(&path).map_err(|e| e.with_hint("name the folder of a finished export"))?;
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
            return Err(GalleryError::damaged("the archive").at(&file).with_hint("export it again"));
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
            .with_hint(format!("write it with numpy.save as float32 of {dim} columns"))
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
