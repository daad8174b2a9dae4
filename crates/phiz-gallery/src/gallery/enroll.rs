//! Taking faces in.

use serde::Serialize;

use super::{Gallery, Search, now};
use crate::error::{ErrorKind, GalleryError, Result};
use crate::model::{Details, FaceBody, FaceId, NewFace, PersonBody, PersonId};
use crate::rates::{Candidate, Rate};
use crate::rows::{Codec, SAME, Weighted, combine, similarity};
use crate::store::{Kind, RowsMut};

/// Whose faces they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    /// A new person's.
    New(Details),
    /// A known person's.
    Person(PersonId),
    /// The person's of that name, who is new if nobody is called so. Refused if several are.
    Named(String),
}

/// What is looked at before a face is taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrollRules {
    /// Faces of less quality are refused.
    pub least_quality: f32,
    /// Look for other people who look like this at this rate, and report them; none to save a search for each face.
    pub report_similar: Option<Rate>,
}

impl Default for EnrollRules {
    fn default() -> EnrollRules {
        EnrollRules { least_quality: 0.0, report_similar: Some(Rate::Fmr(1e-4)) }
    }
}

/// Why a face was not taken in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// It is there already: the same template, or from the same photo and all but the same.
    Duplicate {
        /// The face that it equals.
        face: FaceId,
        /// Whose that is.
        person: PersonId,
    },
    /// Its quality is too low.
    Quality {
        /// What it is.
        quality: f32,
        /// What it must be.
        least: f32,
    },
    /// It was said that this face is not that person.
    Negative {
        /// Who it is not.
        person: PersonId,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Duplicate { face, person } => {
                write!(f, "already enrolled as face {face} of person {person}")
            }
            Refusal::Quality { quality, least } => {
                write!(f, "quality {quality:.2} is below the least of {least:.2}")
            }
            Refusal::Negative { person } => {
                write!(f, "it was said that this face is not person {person}: take that back first")
            }
        }
    }
}

/// What became of one face.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Taken in.
    Added {
        /// As.
        face: FaceId,
        /// Its similarity to the person's other faces, combined; none if it is the first. Low means: somebody else?
        like_own: Option<f32>,
        /// Other people who look like this: the same person twice, or twins.
        similar: Vec<Candidate>,
    },
    /// Not taken in.
    Refused(Refusal),
}

/// What became of the faces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Enrolled {
    /// Whose they are; none if the person is new and no face was taken in: then nothing was written.
    pub person: Option<PersonId>,
    /// Whether the person was made now.
    pub new: bool,
    /// One a face, in their order.
    pub faces: Vec<Outcome>,
}

/// From the same photo, faces as similar as this are one face.
const SAME_IN_PHOTO: f32 = 0.98;
/// People in one transaction of [`Gallery::enroll_all`].
const GROUP: usize = 10_000;

impl Gallery {
    /// Takes a person's faces in: all that are not refused, in one transaction.
    ///
    /// # Errors
    /// A template cannot be one of this gallery's, the person is not known or not the only one of that name, or the
    /// gallery cannot be written. Nothing is written then.
    pub fn enroll(&self, whom: &Whom, faces: &[NewFace], rules: &EnrollRules) -> Result<Enrolled> {
        faces.iter().try_for_each(|face| self.check_face(face))?;
        let similar = self.similar(faces, rules)?;
        let mut done = self.write(|rows, codec| enroll(rows, codec, whom, faces, rules))?;
        report(&mut done, similar);
        Ok(done)
    }

    /// Takes in many people's faces, ten thousand people a transaction: each group lasts when `progress` is told of it.
    ///
    /// # Errors
    /// See [`Gallery::enroll`]; what `progress` was told of is kept.
    pub fn enroll_all(
        &self,
        people: impl IntoIterator<Item = (Whom, Vec<NewFace>)>,
        rules: &EnrollRules,
        mut progress: impl FnMut(&[Enrolled]),
    ) -> Result<()> {
        let mut people = people.into_iter();
        loop {
            let group: Vec<(Whom, Vec<NewFace>)> = people.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(());
            }
            for face in group.iter().flat_map(|(_, faces)| faces) {
                self.check_face(face)?;
            }
            let similar =
                group.iter().map(|(_, faces)| self.similar(faces, rules)).collect::<Result<Vec<_>>>()?;
            let mut done = self.write(|rows, codec| {
                let each = group.iter().map(|(whom, faces)| enroll(rows, codec, whom, faces, rules));
                each.collect::<Result<Vec<_>>>()
            })?;
            done.iter_mut().zip(similar).for_each(|(done, similar)| report(done, similar));
            progress(&done);
        }
    }

    fn check_face(&self, face: &NewFace) -> Result<()> {
        self.check_template(&face.template)?;
        if (0.0..=1.0).contains(&face.quality) {
            return Ok(());
        }
        let reason = format!("a face's quality is {}, not between 0 and 1", face.quality);
        Err(GalleryError::new(ErrorKind::Caller, reason))
    }

    /// For each face, who looks like it.
    fn similar(&self, faces: &[NewFace], rules: &EnrollRules) -> Result<Vec<Vec<Candidate>>> {
        let Some(rate) = rules.report_similar else { return Ok(vec![Vec::new(); faces.len()]) };
        let templates: Vec<&[f32]> = faces.iter().map(|face| &*face.template).collect();
        let search = Search { rate, most: 6, ..Search::default() };
        let found = self.identify_all(&templates, &search)?;
        let near = |threshold: f64| move |c: &Candidate| f64::from(c.similarity) >= threshold;
        Ok(found.into_iter().map(|f| f.candidates.into_iter().filter(near(f.threshold)).collect()).collect())
    }
}

/// Puts who looks alike into the outcomes, without the person themselves.
fn report(done: &mut Enrolled, found: Vec<Vec<Candidate>>) {
    for (outcome, mut found) in done.faces.iter_mut().zip(found) {
        if let Outcome::Added { similar, .. } = outcome {
            found.retain(|candidate| Some(candidate.person) != done.person);
            *similar = found;
        }
    }
}

fn enroll(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    whom: &Whom,
    faces: &[NewFace],
    rules: &EnrollRules,
) -> Result<Enrolled> {
    let (known, details) = match whom {
        Whom::New(details) => (None, details.clone()),
        Whom::Person(id) => {
            codec.person_body(rows, *id)?.ok_or_else(|| GalleryError::missing(format!("person {id}")))?;
            (Some(*id), Details::default())
        }
        Whom::Named(name) => {
            let mut ids = codec.people_named(rows, name)?;
            if ids.len() > 1 {
                let all: Vec<String> = ids.iter().map(PersonId::to_string).collect();
                let reason = format!("{} people have that name", ids.len());
                return Err(GalleryError::new(ErrorKind::Conflict, reason)
                    .hint_at(format!("say which by id: {}", all.join(", "))));
            }
            (ids.pop(), Details::named(name.trim()))
        }
    };
    let mut own = match known {
        Some(id) => codec.templates(rows, id)?,
        None => Vec::new(),
    };
    let negatives = match known {
        Some(id) => codec.negatives(rows, id)?,
        None => Vec::new(),
    };
    let (mut person, mut outcomes) = (known, Vec::with_capacity(faces.len()));
    for face in faces {
        if let Some(refusal) = refuse(rows, codec, face, rules, &own)? {
            outcomes.push(Outcome::Refused(refusal));
            continue;
        }
        if let Some((negative, _)) = negatives.iter().find(|(_, t)| similarity(&face.template, t) >= SAME) {
            outcomes.push(Outcome::Refused(Refusal::Negative { person: negative.person }));
            continue;
        }
        let owner = match person {
            Some(person) => person,
            None => {
                let id = PersonId(rows.next_id(Kind::Person)?);
                codec.put_person(rows, id, &PersonBody { details: details.clone(), created: now() })?;
                *person.insert(id)
            }
        };
        let like_own = combine(own.iter().map(|(_, t)| t)).map(|t| similarity(&face.template, &t));
        let id = add_face(rows, codec, owner, face)?;
        let weighted = Weighted { quality: face.quality, template: face.template.clone() };
        own.push((id, weighted));
        outcomes.push(Outcome::Added { face: id, like_own, similar: Vec::new() });
    }
    Ok(Enrolled { person, new: known.is_none() && person.is_some(), faces: outcomes })
}

fn refuse(
    rows: &dyn RowsMut,
    codec: Codec<'_>,
    face: &NewFace,
    rules: &EnrollRules,
    own: &[(FaceId, Weighted)],
) -> Result<Option<Refusal>> {
    if face.quality < rules.least_quality {
        return Ok(Some(Refusal::Quality { quality: face.quality, least: rules.least_quality }));
    }
    if let Some(photo) = &face.photo {
        // A photo may show several people, and one person twice: only an equal face is a duplicate.
        let tag = codec.sealer.tag("photo", crate::seal::hex(photo).as_bytes());
        for id in rows.tagged(Kind::Face, &tag)? {
            let Some((person, _)) = codec.face_body(rows, FaceId(id))?.filter(|(person, _)| person.0 != 0)
            else {
                continue;
            };
            let other = codec.template(rows, FaceId(id))?;
            if similarity(&face.template, &other.template) >= SAME_IN_PHOTO {
                return Ok(Some(Refusal::Duplicate { face: FaceId(id), person }));
            }
        }
    }
    if let Some((id, _)) = own.iter().find(|(_, t)| similarity(&face.template, &t.template) >= SAME) {
        let (person, _) =
            codec.face_body(rows, *id)?.ok_or_else(|| GalleryError::damaged(format!("face {id}")))?;
        return Ok(Some(Refusal::Duplicate { face: *id, person }));
    }
    Ok(None)
}

/// Writes a face; the import uses it too.
pub(crate) fn add_face(
    rows: &mut dyn RowsMut,
    codec: Codec<'_>,
    person: PersonId,
    face: &NewFace,
) -> Result<FaceId> {
    let id = FaceId(rows.next_id(Kind::Face)?);
    let body = FaceBody {
        added: now(),
        photo: face.photo.as_ref().map(|hash| crate::seal::hex(hash)),
        taken: face.taken,
        source: face.source.clone(),
        consent: face.consent.clone(),
        crop: face.crop.is_some(),
    };
    codec.put_face(rows, id, person, &body)?;
    codec.put_template(rows, id, person, face.quality, &face.template)?;
    if let Some(crop) = &face.crop {
        // Bound to the face, not to the person: a crop moves with its face.
        rows.put(Kind::Crop, id.0, &codec.row(Kind::Crop, id.0, 0, Vec::new(), crop)?)?;
    }
    Ok(id)
}
