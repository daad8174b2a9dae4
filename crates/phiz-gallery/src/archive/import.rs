//! Taking an archive in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use phiz_template::{ModelId, Template};

use super::files::{lines, npy_rows, read};
use super::{
    FACES, FaceLine, HEAD, Imported, NEGATIVE_TEMPLATES, NEGATIVES, PEOPLE, PersonLine, TEMPLATES,
    WITHOUT_PHOTOS, crop_path, read_head, seen,
};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::{Gallery, OperationKind, Ranges, Search, Step, add_face, in_photo, record};
use crate::model::{FaceBody, NegativeId, NewFace, PersonBody, PersonId};
use crate::names::folded;
use crate::rows::{Codec, Faces, Negatives, SAME, similarity};
#[cfg(feature = "sqlite")]
use crate::seal::Key;
use crate::store::{Kind, Rows, RowsMut};

impl Gallery {
    /// Takes an archive in, in one transaction that can be undone. Ids are given anew. People and faces that the gallery
    /// has already are recognised and left out: a face by its photo and template, a person by one of their faces, or by
    /// their name and the second in which they were first enrolled. New faces of a known person become theirs. What was
    /// scanned comes as well: photos are recognised by their content, strangers keep their numbers where these are free.
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
        let archive =
            In { folder, model: &head.model, dim: head.dim, with_photos: head.format > WITHOUT_PHOTOS };
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
    with_photos: bool,
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
        let mut steps = Vec::new();
        if !(people.is_empty() && faces.is_empty() && negatives.is_empty()) {
            steps.push(Step::Enrolled { people, faces, negatives, into });
        }
        if self.archive.with_photos {
            let person = |id: PersonId| places.get(&id).map(|place| place.person);
            steps.extend(seen::import(folder, self.archive.dim, rows, codec, person, &mut done)?);
        }
        if !steps.is_empty() {
            let kind = OperationKind::Import {
                people: done.people.len(),
                faces: done.faces,
                negatives: done.negatives,
            };
            done.operation = Some(record(rows, codec, kind, steps)?);
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
