//! Writing an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::files::{Lines, Npy, create, digest};
use super::{
    ArchiveHead, CROPS, FACES, FACES_CSV, FORMAT, FaceLine, HEAD, NEGATIVE_TEMPLATES, NEGATIVES, PEOPLE,
    PEOPLE_CSV, PersonLine, TEMPLATES, WITHOUT_PHOTOS, crop_path, files_of, seen,
};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::gallery::Gallery;
use crate::model::{Details, FaceBody, FaceId, Negative, Part, PersonBody, PersonId};
use crate::rows::{Codec, Weighted};
use crate::store::{Kind, Row, Rows};

/// People who are read together.
const PAGE: usize = 256;

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
            format: WITHOUT_PHOTOS,
            model: self.model().clone(),
            dim: self.dim(),
            thresholds: card,
            people: 0,
            faces: 0,
            negatives: 0,
            photos: 0,
            sightings: 0,
            groups: 0,
            sha256: BTreeMap::new(),
        };
        self.read(|rows, codec| {
            let mut out = Out::new(folder, codec.dim)?;
            out.people(rows, codec)?;
            (head.people, head.faces, head.negatives) = out.counts;
            out.finish()?;
            if rows.count(Kind::Photo)? > 0 {
                head.format = FORMAT;
                (head.photos, head.sightings, head.groups) = seen::export(folder, rows, codec)?;
            }
            Ok(())
        })?;
        for name in files_of(head.format) {
            head.sha256.insert(name.into(), digest(&folder.join(name))?);
        }
        // Last: a folder without it is an export that was interrupted.
        let text = serde_json::to_vec_pretty(&head)
            .map_err(|e| GalleryError::new(ErrorKind::Caller, e.to_string()).at(folder))?;
        let path = folder.join(HEAD);
        create(&path)?.write_all(&text).map_err(|e| GalleryError::io(&path, &e))?;
        Ok(head)
    }
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
                // Faces that wait for a template of this model have nothing that another gallery could use.
                let all = templates.remove(&id).into_iter().flatten();
                for (face, weighted) in all.filter(|(_, weighted)| !weighted.waits()) {
                    let row =
                        bodies.remove(&face.0).ok_or_else(|| GalleryError::damaged(Part::Face(face)))?;
                    let body: FaceBody = codec.open_json(Kind::Face, face.0, &row)?;
                    if body.crop {
                        self.crop(rows, codec, face)?;
                    }
                    self.face(person, face, body, &weighted)?;
                }
                let all = negatives.remove(&id).into_iter().flatten();
                for (negative, template) in all.filter(|(_, template)| template.iter().any(|v| *v != 0.0)) {
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
        let photo = negative.photo.map(|hash| crate::bytes::hex(&hash));
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
