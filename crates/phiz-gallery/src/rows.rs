//! Rows opened and sealed: what lies between the store, which sees only bytes, and people and faces.

use std::collections::BTreeMap;

use phiz_template::ModelId;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{
    Details, Face, FaceBody, FaceId, FileBody, Group, GroupBody, GroupHead, GroupId, Negative, NegativeId,
    NewSighting, Part, Person, PersonBody, PersonId, PhotoBody, PhotoId, SeenPhoto, Sighting, SightingBody,
    SightingId,
};
use crate::names;
use crate::seal::Sealer;
use crate::store::{Kind, Row, Rows, RowsMut, Tag};

/// Opens and seals the rows of one gallery.
#[derive(Clone, Copy)]
pub(crate) struct Codec<'a> {
    pub(crate) sealer: &'a Sealer,
    /// Values a template has.
    pub(crate) dim: usize,
    /// What the gallery's settings are bound to.
    pub(crate) identity: &'a [u8],
}

/// To what a row's body is bound: a body moved to another row, or a row to another owner, does not open.
fn place(kind: Kind, id: u64, owner: u64) -> [u8; 17] {
    let mut out = [kind as u8; 17];
    out[1..9].copy_from_slice(&id.to_le_bytes());
    out[9..].copy_from_slice(&owner.to_le_bytes());
    out
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| GalleryError::new(ErrorKind::Caller, e.to_string()))
}

/// A face's template and how much it counts.
#[derive(Clone)]
pub(crate) struct Weighted {
    pub(crate) quality: f32,
    pub(crate) template: Vec<f32>,
}

impl Weighted {
    /// Whether the face has no template of the gallery's model, see `gallery::adopt`.
    pub(crate) fn waits(&self) -> bool {
        self.template.iter().all(|value| *value == 0.0)
    }
}

/// A template by another model than the gallery's.
pub(crate) struct Spare {
    pub(crate) model: ModelId,
    pub(crate) template: Vec<f32>,
}

/// A person's faces.
pub(crate) type Faces = Vec<(FaceId, Weighted)>;
/// What is said not to be a person.
pub(crate) type Negatives = Vec<(Negative, Vec<f32>)>;

impl Codec<'_> {
    pub(crate) fn open(&self, kind: Kind, id: u64, row: &Row) -> Result<Vec<u8>> {
        let value = self.sealer.open(&place(kind, id, row.owner), &row.body);
        value.ok_or_else(|| GalleryError::damaged(Part::of(kind, id)))
    }

    pub(crate) fn open_json<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
        id: u64,
        row: &Row,
    ) -> Result<T> {
        let bytes = Zeroizing::new(self.open(kind, id, row)?);
        serde_json::from_slice(&bytes).map_err(|e| {
            let reason = format!("{} cannot be read ({e})", Part::of(kind, id));
            GalleryError::new(ErrorKind::OtherVersion, reason)
        })
    }

    pub(crate) fn row(&self, kind: Kind, id: u64, owner: u64, tags: Vec<Tag>, value: &[u8]) -> Result<Row> {
        Ok(Row { owner, tags, body: self.sealer.seal(&place(kind, id, owner), value)? })
    }

    /// The same content under another owner.
    pub(crate) fn moved(&self, kind: Kind, id: u64, row: &Row, owner: u64) -> Result<Row> {
        self.row(kind, id, owner, row.tags.clone(), &self.open(kind, id, row)?)
    }

    fn values(&self, bytes: &[u8], kind: Kind, id: u64) -> Result<Vec<f32>> {
        if bytes.len() != self.dim * 4 {
            return Err(GalleryError::damaged(Part::of(kind, id)));
        }
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    // People.

    pub(crate) fn person_body(&self, rows: &dyn Rows, id: PersonId) -> Result<Option<PersonBody>> {
        let row = rows.get(Kind::Person, id.0)?;
        row.map(|row| self.open_json(Kind::Person, id.0, &row)).transpose()
    }

    pub(crate) fn person(&self, rows: &dyn Rows, id: PersonId) -> Result<Option<Person>> {
        Ok(self.people(rows, rows.get_many(Kind::Person, &[id.0])?)?.pop())
    }

    /// The people behind some rows, with two more queries however many they are.
    pub(crate) fn people(&self, rows: &dyn Rows, found: Vec<(u64, Row)>) -> Result<Vec<Person>> {
        let ids: Vec<u64> = found.iter().map(|(id, _)| *id).collect();
        let count = |kind: Kind| -> Result<BTreeMap<u64, usize>> {
            let mut counts = BTreeMap::new();
            for (owner, _) in rows.owned_many(kind, &ids)? {
                *counts.entry(owner).or_default() += 1;
            }
            Ok(counts)
        };
        let (faces, negatives) = (count(Kind::Face)?, count(Kind::Negative)?);
        let one = |(id, row): (u64, Row)| {
            let PersonBody { details, created } = self.open_json(Kind::Person, id, &row)?;
            let of = |counts: &BTreeMap<u64, usize>| counts.get(&id).copied().unwrap_or(0);
            Ok(Person { id: PersonId(id), details, created, faces: of(&faces), negatives: of(&negatives) })
        };
        found.into_iter().map(one).collect()
    }

    /// What people are called; who is not there is left out.
    pub(crate) fn names(&self, rows: &dyn Rows, people: &[u64]) -> Result<BTreeMap<u64, String>> {
        let name = |(id, row): (u64, Row)| {
            let body: PersonBody = self.open_json(Kind::Person, id, &row)?;
            Ok((id, body.details.name))
        };
        rows.get_many(Kind::Person, people)?.into_iter().map(name).collect()
    }

    pub(crate) fn put_person(&self, rows: &mut dyn RowsMut, id: PersonId, body: &PersonBody) -> Result<()> {
        let row = self.row(Kind::Person, id.0, 0, self.person_tags(&body.details), &to_json(body)?)?;
        rows.put(Kind::Person, id.0, &row)
    }

    /// By what a person is found: name, attributes, lists.
    pub(crate) fn person_tags(&self, details: &Details) -> Vec<Tag> {
        self.tags_with_name(details, self.name_tag(&names::folded(&details.name)))
    }

    /// By what an older Phiz had a person found: the name's bytes were not brought to one form.
    pub(crate) fn older_person_tags(&self, details: &Details) -> Vec<Tag> {
        self.tags_with_name(details, self.name_tag(&details.name.trim().to_lowercase()))
    }

    fn tags_with_name(&self, details: &Details, name: Tag) -> Vec<Tag> {
        let mut tags = vec![name];
        tags.extend(details.attributes.iter().map(|(key, value)| self.attribute_tag(key, value)));
        tags.extend(details.lists.iter().map(|list| self.list_tag(list)));
        tags
    }

    fn name_tag(&self, folded: &str) -> Tag {
        self.sealer.tag("name", folded.as_bytes())
    }

    /// All tags that people of a name may be found by.
    pub(crate) fn name_tags(&self, name: &str) -> Vec<Tag> {
        names::spellings(name).iter().map(|spelling| self.name_tag(spelling)).collect()
    }

    /// People of a name, by rising id. The tags only find them; the name itself decides.
    pub(crate) fn people_named(&self, rows: &dyn Rows, name: &str) -> Result<Vec<PersonId>> {
        let mut ids = Vec::new();
        for tag in self.name_tags(name) {
            ids.extend(rows.tagged(Kind::Person, &tag)?);
        }
        let (found, wanted) = (self.names(rows, &ids)?, names::folded(name));
        let right = found.into_iter().filter(|(_, name)| names::folded(name) == wanted);
        Ok(right.map(|(id, _)| PersonId(id)).collect())
    }

    pub(crate) fn attribute_tag(&self, key: &str, value: &str) -> Tag {
        self.sealer.tag("attribute", format!("{}\0{key}{value}", key.len()).as_bytes())
    }

    pub(crate) fn list_tag(&self, list: &str) -> Tag {
        self.sealer.tag("list", list.as_bytes())
    }

    /// All tags that people with an attribute may be found by.
    pub(crate) fn attribute_tags(&self, key: &str, value: &str) -> Vec<Tag> {
        let values = names::forms(value);
        let pairs =
            names::forms(key).into_iter().flat_map(|key| values.iter().map(move |v| (key.clone(), v)));
        pairs.map(|(key, value)| self.attribute_tag(&key, value)).collect()
    }

    /// All tags that people on a watch list may be found by.
    pub(crate) fn list_tags(&self, list: &str) -> Vec<Tag> {
        names::forms(list).iter().map(|list| self.list_tag(list)).collect()
    }

    // Faces.

    pub(crate) fn face_body(&self, rows: &dyn Rows, id: FaceId) -> Result<Option<(PersonId, FaceBody)>> {
        let Some(row) = rows.get(Kind::Face, id.0)? else { return Ok(None) };
        Ok(Some((PersonId(row.owner), self.open_json(Kind::Face, id.0, &row)?)))
    }

    pub(crate) fn face(&self, rows: &dyn Rows, id: FaceId) -> Result<Option<Face>> {
        Ok(self.faces(rows, &[id.0])?.pop())
    }

    /// Faces by their ids; those in the trash are left out. Two queries however many they are.
    pub(crate) fn faces(&self, rows: &dyn Rows, ids: &[u64]) -> Result<Vec<Face>> {
        let mut found = rows.get_many(Kind::Face, ids)?;
        found.retain(|(_, row)| row.owner != 0);
        let ids: Vec<u64> = found.iter().map(|(id, _)| *id).collect();
        let templates: BTreeMap<u64, Row> = rows.get_many(Kind::Template, &ids)?.into_iter().collect();
        let one = |(id, row): (u64, Row)| {
            let body: FaceBody = self.open_json(Kind::Face, id, &row)?;
            let (id, person) = (FaceId(id), PersonId(row.owner));
            let template = templates.get(&id.0).ok_or_else(|| GalleryError::damaged(Part::Template(id)))?;
            let quality = self.weighted(id, template)?.quality;
            let (photo, FaceBody { added, taken, source, consent, crop, .. }) = (body.photo(), body);
            Ok(Face { id, person, quality, photo, taken, added, source, consent, crop })
        };
        found.into_iter().map(one).collect()
    }

    pub(crate) fn put_face(
        &self,
        rows: &mut dyn RowsMut,
        id: FaceId,
        person: PersonId,
        body: &FaceBody,
    ) -> Result<()> {
        let row = self.row(Kind::Face, id.0, person.0, self.face_tags(body), &to_json(body)?)?;
        rows.put(Kind::Face, id.0, &row)
    }

    /// By what a face is found: its photo.
    pub(crate) fn face_tags(&self, body: &FaceBody) -> Vec<Tag> {
        body.photo.iter().map(|photo| self.sealer.tag("photo", photo.as_bytes())).collect()
    }

    pub(crate) fn template(&self, rows: &dyn Rows, id: FaceId) -> Result<Weighted> {
        let row = rows.get(Kind::Template, id.0)?;
        let row = row.ok_or_else(|| GalleryError::damaged(Part::Template(id)))?;
        self.weighted(id, &row)
    }

    pub(crate) fn weighted(&self, id: FaceId, row: &Row) -> Result<Weighted> {
        let bytes = Zeroizing::new(self.open(Kind::Template, id.0, row)?);
        let damaged = || GalleryError::damaged(Part::Template(id));
        let (quality, values) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let template = self.values(values, Kind::Template, id.0)?;
        Ok(Weighted { quality: f32::from_le_bytes(*quality), template })
    }

    pub(crate) fn put_template(
        &self,
        rows: &mut dyn RowsMut,
        id: FaceId,
        person: PersonId,
        quality: f32,
        template: &[f32],
    ) -> Result<()> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + template.len() * 4));
        bytes.extend_from_slice(&quality.to_le_bytes());
        bytes.extend(template.iter().flat_map(|v| v.to_le_bytes()));
        rows.put(Kind::Template, id.0, &self.row(Kind::Template, id.0, person.0, Vec::new(), &bytes)?)
    }

    /// All of a person's templates. A template that another person's face claims does not open, and is an error.
    pub(crate) fn templates(&self, rows: &dyn Rows, person: PersonId) -> Result<Faces> {
        Ok(self.templates_of(rows, &[person.0])?.remove(&person.0).unwrap_or_default())
    }

    /// All templates of some people: two queries, however many people and faces there are. Who has no face is left out.
    pub(crate) fn templates_of(&self, rows: &dyn Rows, people: &[u64]) -> Result<BTreeMap<u64, Faces>> {
        let owned = rows.owned_many(Kind::Face, people)?;
        let ids: Vec<u64> = owned.iter().map(|(_, id)| *id).collect();
        let templates: BTreeMap<u64, Row> = rows.get_many(Kind::Template, &ids)?.into_iter().collect();
        let mut found: BTreeMap<u64, Faces> = BTreeMap::new();
        for (owner, id) in owned {
            let row = templates.get(&id).filter(|row| row.owner == owner);
            let row = row.ok_or_else(|| GalleryError::damaged(Part::Template(FaceId(id))))?;
            found.entry(owner).or_default().push((FaceId(id), self.weighted(FaceId(id), row)?));
        }
        Ok(found)
    }

    // Templates of another model.

    pub(crate) fn spare(&self, rows: &dyn Rows, kind: Kind, id: u64) -> Result<Option<Spare>> {
        let Some(row) = rows.get(kind, id)? else { return Ok(None) };
        let bytes = Zeroizing::new(self.open(kind, id, &row)?);
        let spare = || {
            let (length, rest) = bytes.split_first()?;
            let (model, values) = rest.split_at_checked(usize::from(*length))?;
            let model = ModelId::new(std::str::from_utf8(model).ok()?).ok()?;
            let (values, []) = values.as_chunks::<4>() else { return None };
            Some(Spare { model, template: values.iter().map(|b| f32::from_le_bytes(*b)).collect() })
        };
        spare().map(Some).ok_or_else(|| GalleryError::damaged(Part::of(kind, id)))
    }

    pub(crate) fn put_spare(
        &self,
        rows: &mut dyn RowsMut,
        kind: Kind,
        id: u64,
        model: &ModelId,
        template: &[f32],
    ) -> Result<()> {
        let name = model.to_string();
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + name.len() + template.len() * 4));
        let length = u8::try_from(name.len())
            .map_err(|_| GalleryError::new(ErrorKind::Caller, "a model's identity has at most 255 bytes"))?;
        bytes.push(length);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend(template.iter().flat_map(|v| v.to_le_bytes()));
        rows.put(kind, id, &self.row(kind, id, 0, Vec::new(), &bytes)?)
    }

    // Negatives.

    /// A negative whoever it belongs to, also one that was taken back: its person, its body and its template.
    pub(crate) fn any_negative(&self, id: u64, row: &Row) -> Result<(PersonId, FaceBody, Vec<f32>)> {
        let bytes = Zeroizing::new(self.open(Kind::Negative, id, row)?);
        let damaged = || GalleryError::damaged(Part::Negative(NegativeId(id)));
        let (values, json) = bytes.split_at_checked(self.dim * 4).ok_or_else(damaged)?;
        let body = serde_json::from_slice(json).map_err(|_| damaged())?;
        Ok((PersonId(row.owner), body, self.values(values, Kind::Negative, id)?))
    }

    pub(crate) fn negative(&self, rows: &dyn Rows, id: NegativeId) -> Result<Option<(Negative, Vec<f32>)>> {
        let row = rows.get(Kind::Negative, id.0)?.filter(|row| row.owner != 0);
        row.map(|row| self.open_negative(id, &row)).transpose()
    }

    fn open_negative(&self, id: NegativeId, row: &Row) -> Result<(Negative, Vec<f32>)> {
        let bytes = Zeroizing::new(self.open(Kind::Negative, id.0, row)?);
        let damaged = || GalleryError::damaged(Part::Negative(id));
        let (values, json) = bytes.split_at_checked(self.dim * 4).ok_or_else(damaged)?;
        let template = self.values(values, Kind::Negative, id.0)?;
        let body: FaceBody = serde_json::from_slice(json).map_err(|_| damaged())?;
        let (person, photo) = (PersonId(row.owner), body.photo());
        Ok((Negative { id, person, photo, added: body.added, source: body.source }, template))
    }

    pub(crate) fn put_negative(
        &self,
        rows: &mut dyn RowsMut,
        id: NegativeId,
        person: PersonId,
        body: &FaceBody,
        template: &[f32],
    ) -> Result<()> {
        let mut bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(template.iter().flat_map(|v| v.to_le_bytes()).collect());
        bytes.extend(to_json(body)?);
        rows.put(Kind::Negative, id.0, &self.row(Kind::Negative, id.0, person.0, Vec::new(), &bytes)?)
    }

    pub(crate) fn negatives(&self, rows: &dyn Rows, person: PersonId) -> Result<Negatives> {
        Ok(self.negatives_of(rows, &[person.0])?.remove(&person.0).unwrap_or_default())
    }

    /// All negatives of some people, by two queries; who has none is left out.
    pub(crate) fn negatives_of(&self, rows: &dyn Rows, people: &[u64]) -> Result<BTreeMap<u64, Negatives>> {
        let owned = rows.owned_many(Kind::Negative, people)?;
        let mut found: BTreeMap<u64, Negatives> = BTreeMap::new();
        if owned.is_empty() {
            return Ok(found);
        }
        let ids: Vec<u64> = owned.iter().map(|(_, id)| *id).collect();
        for (id, row) in rows.get_many(Kind::Negative, &ids)?.into_iter().filter(|(_, row)| row.owner != 0) {
            found.entry(row.owner).or_default().push(self.open_negative(NegativeId(id), &row)?);
        }
        Ok(found)
    }
}

/// A sighting and its template.
pub(crate) struct Seen {
    pub(crate) sighting: Sighting,
    pub(crate) template: Vec<f32>,
}

/// Photos, sightings and groups.
impl Codec<'_> {
    pub(crate) fn photo_body(&self, id: PhotoId, row: &Row) -> Result<PhotoBody> {
        self.open_json(Kind::Photo, id.0, row)
    }

    pub(crate) fn put_photo(&self, rows: &mut dyn RowsMut, id: PhotoId, body: &PhotoBody) -> Result<()> {
        let row = self.row(Kind::Photo, id.0, 0, self.photo_tags(body), &to_json(body)?)?;
        rows.put(Kind::Photo, id.0, &row)
    }

    /// By what a photo is found: its content, its paths, and that it is gone.
    pub(crate) fn photo_tags(&self, body: &PhotoBody) -> Vec<Tag> {
        let mut tags = vec![self.content_tag(&body.photo)];
        // Photos that were sent may have one name: no path leads to them.
        let files = body.files.iter().filter(|_| !body.sent);
        tags.extend(files.map(|file| self.path_tag(&file.path())));
        if body.gone.is_some() {
            tags.push(self.gone_tag());
        }
        tags
    }

    pub(crate) fn content_tag(&self, photo: &str) -> Tag {
        self.sealer.tag("content", photo.as_bytes())
    }

    pub(crate) fn path_tag(&self, path: &std::path::Path) -> Tag {
        self.sealer.tag("path", path.as_os_str().as_encoded_bytes())
    }

    pub(crate) fn gone_tag(&self) -> Tag {
        self.sealer.tag("gone", &[])
    }

    pub(crate) fn seen_photo(&self, id: u64, row: &Row) -> Result<SeenPhoto> {
        let id = PhotoId(id);
        let PhotoBody { photo, files, size, taken, dated, seen, looked, gone, problem, sent } =
            self.photo_body(id, row)?;
        let photo = crate::bytes::unhex(&photo).and_then(|bytes| bytes.try_into().ok());
        let photo = photo.ok_or_else(|| GalleryError::damaged(Part::Photo(id)))?;
        let files = files.iter().map(FileBody::file).collect();
        Ok(SeenPhoto { id, photo, files, size, taken, dated, seen, looked, gone, problem, sent })
    }

    pub(crate) fn seen(&self, id: u64, row: &Row) -> Result<Seen> {
        let id = SightingId(id);
        let bytes = Zeroizing::new(self.open(Kind::Sighting, id.0, row)?);
        let damaged = || GalleryError::damaged(Part::Sighting(id));
        let (quality, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (values, json) = rest.split_at_checked(self.dim * 4).ok_or_else(damaged)?;
        let template = self.values(values, Kind::Sighting, id.0)?;
        let SightingBody { bbox, score, landmarks } = serde_json::from_slice(json).map_err(|_| damaged())?;
        let (photo, quality) = (PhotoId(row.owner), f32::from_le_bytes(*quality));
        Ok(Seen { sighting: Sighting { id, photo, quality, bbox, score, landmarks }, template })
    }

    pub(crate) fn put_sighting(
        &self,
        rows: &mut dyn RowsMut,
        id: SightingId,
        photo: PhotoId,
        face: &NewSighting,
    ) -> Result<()> {
        let NewSighting { bbox, score, landmarks, .. } = face.clone();
        let body = SightingBody { bbox, score, landmarks };
        self.put_seen(rows, id, photo, face.quality, face.template.vector(), &body)
    }

    pub(crate) fn put_seen(
        &self,
        rows: &mut dyn RowsMut,
        id: SightingId,
        photo: PhotoId,
        quality: f32,
        template: &[f32],
        body: &SightingBody,
    ) -> Result<()> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + self.dim * 4 + 256));
        bytes.extend_from_slice(&quality.to_le_bytes());
        bytes.extend(template.iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(to_json(body)?);
        rows.put(Kind::Sighting, id.0, &self.row(Kind::Sighting, id.0, photo.0, Vec::new(), &bytes)?)
    }

    /// The row of a sighting without a template, as a model of so many values has it: it waits to be looked at anew.
    pub(crate) fn waiting_sighting(&self, id: u64, row: &Row, dim: usize) -> Result<Row> {
        let bytes = Zeroizing::new(self.open(Kind::Sighting, id, row)?);
        let damaged = || GalleryError::damaged(Part::Sighting(SightingId(id)));
        let (quality, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (_, json) = rest.split_at_checked(self.dim * 4).ok_or_else(damaged)?;
        let bytes = Zeroizing::new([&quality[..], &vec![0; dim * 4], json].concat());
        self.row(Kind::Sighting, id, row.owner, row.tags.clone(), &bytes)
    }

    pub(crate) fn group_body(&self, id: u64, row: &Row) -> Result<GroupBody> {
        self.open_json(Kind::Group, id, row)
    }

    pub(crate) fn put_group(
        &self,
        rows: &mut dyn RowsMut,
        id: GroupId,
        person: PersonId,
        body: &GroupBody,
    ) -> Result<()> {
        rows.put(Kind::Group, id.0, &self.row(Kind::Group, id.0, person.0, Vec::new(), &to_json(body)?)?)
    }

    pub(crate) fn group(&self, id: u64, row: &Row) -> Result<Group> {
        let GroupBody { head, sightings } = self.group_body(id, row)?;
        let GroupHead { created, ignored, into, apart } = head;
        Ok(Group {
            id: GroupId(id),
            person: (row.owner != 0).then_some(PersonId(row.owner)),
            created,
            ignored,
            into: into.map(GroupId),
            apart: apart.into_iter().map(GroupId).collect(),
            sightings: sightings.into_iter().map(SightingId).collect(),
        })
    }
}

/// A face of no quality still counts a little: it is all that is known of some people.
const LEAST_WEIGHT: f32 = 0.05;

/// A person's faces as one template: their mean, weighted by quality, brought to unit length. None without faces, or
/// if they cancel each other out.
pub(crate) fn combine<'a>(faces: impl IntoIterator<Item = &'a Weighted>) -> Option<Vec<f32>> {
    let mut sum: Vec<f64> = Vec::new();
    for face in faces {
        let weight = f64::from(face.quality.max(LEAST_WEIGHT));
        sum.resize(face.template.len(), 0.0);
        sum.iter_mut().zip(&face.template).for_each(|(s, v)| *s += weight * f64::from(*v));
    }
    let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
    (length > 1e-6).then(|| sum.iter().map(|v| (v / length) as f32).collect())
}

/// Two templates as similar as this come from the same pixels, whatever their photos' names: they are one face.
pub(crate) const SAME: f32 = 0.9995;
/// From the same photo, faces as similar as this are one face.
pub(crate) const SAME_IN_PHOTO: f32 = 0.98;

/// Cosine of two templates of unit length.
pub(crate) fn similarity(a: &[f32], b: &[f32]) -> f32 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sum.clamp(-1.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_combine_by_quality() {
        let face = |quality, template: [f32; 2]| Weighted { quality, template: template.into() };
        let one = combine(&[face(0.3, [0.6, 0.8])]).unwrap();
        assert!((one[0] - 0.6).abs() < 1e-6 && (one[1] - 0.8).abs() < 1e-6, "alone: itself");
        let two = combine(&[face(0.9, [1.0, 0.0]), face(0.3, [0.0, 1.0])]).unwrap();
        assert!((two[0] / two[1] - 3.0).abs() < 1e-5);
        let poor = combine(&[face(0.0, [1.0, 0.0]), face(1.0, [0.0, 1.0])]).unwrap();
        assert!((poor[1] / poor[0] - 20.0).abs() < 1e-4);
        assert_eq!(combine(&[]), None);
        assert_eq!(combine(&[face(0.5, [1.0, 0.0]), face(0.5, [-1.0, 0.0])]), None);
    }
}
