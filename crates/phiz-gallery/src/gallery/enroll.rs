//! Taking faces in.

use std::collections::BTreeSet;

use phiz_template::Template;
use serde::Serialize;

use super::operation::OperationKind;
use super::steps::{Ranges, Step};
use super::{Gallery, Search, now, record};
use crate::error::{Cause, ErrorKind, GalleryError, NameFault, Result};
use crate::model::{Details, FaceBody, FaceId, NewFace, OperationId, Part, PersonBody, PersonId};
use crate::names;
use crate::rates::{Candidate, Rate};
use crate::rows::{Codec, SAME, SAME_IN_PHOTO, Weighted, combine, similarity};
use crate::store::{Kind, RowsMut};

/// The person whose faces are enrolled.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A new person.
    New(Details),
    /// The person with this id.
    Person(PersonId),
    /// The person with this name, who is made if there is none. It is an error if several people have the name.
    Named(String),
}

/// Rules for enrolling faces.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrollRules {
    /// Faces of lower quality are refused.
    pub least_quality: f32,
    /// The false match rate at which other people who look like the face are reported; `None` saves a search per face.
    pub report_similar: Option<Rate>,
    /// A face is reported as unlike its person if the false match rate of its similarity to the person's other faces is
    /// above this.
    pub unlike_above: f64,
}

impl Default for EnrollRules {
    fn default() -> EnrollRules {
        EnrollRules { least_quality: 0.0, report_similar: Some(Rate::Fmr(1e-4)), unlike_above: 0.02 }
    }
}

/// Why a face was not enrolled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The face is enrolled for somebody else already: the photo is the same, and the template nearly so.
    Duplicate {
        /// The face that it equals.
        face: FaceId,
        /// The person who has that face.
        person: PersonId,
    },
    /// The quality of the face is too low.
    Quality {
        /// The quality of the face.
        quality: f32,
        /// The quality that is needed.
        least: f32,
    },
    /// Somebody said that this face is not this person.
    Negative {
        /// The person.
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

/// How alike two are, and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Likeness {
    /// Cosine.
    pub similarity: f32,
    /// The false match rate that the similarity stands for.
    pub fmr: f64,
}

/// Why somebody should look at a face that was taken in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// It is unlike the person's other faces: this may be somebody else, and the face should perhaps be moved. Merging
    /// the two people would be wrong.
    Unlike {
        /// How like the person's other faces it is, combined.
        own: Likeness,
        /// Another person whom it is more like, if there is one.
        nearest: Option<Candidate>,
    },
    /// It fits its person, or is their first, and is like somebody else as well: one person enrolled twice, or twins.
    /// If they are one, merging joins them.
    AlsoLike {
        /// The most similar other person.
        other: Candidate,
    },
}

/// What became of one face.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Taken in.
    Added {
        /// Under this id.
        face: FaceId,
        /// How like the person's other faces it is, combined; none if it is the first.
        own: Option<Likeness>,
        /// Other people who look like this, the most similar first.
        similar: Vec<Candidate>,
        /// What these two say, if it should be looked at.
        doubt: Option<Doubt>,
    },
    /// The person has this very face already: nothing was to be done.
    Known {
        /// The face that it equals.
        face: FaceId,
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
    /// One for each face, in their order.
    pub faces: Vec<Outcome>,
    /// By which operation it can be taken back; none if nothing was written. People who were enrolled together in one
    /// transaction share it.
    pub operation: Option<OperationId>,
}

/// People in one transaction of [`Gallery::enroll_all`].
const GROUP: usize = 10_000;

impl Gallery {
    /// Takes a person's faces in: all that are not refused, in one transaction, which can be undone.
    ///
    /// # Errors
    /// A template is not of this gallery's model, the name cannot be one ([`Cause::Name`](crate::Cause::Name)), the
    /// person is not known or not the only one of that name, or the gallery cannot be written. Nothing is written then.
    pub fn enroll(&self, target: &Target, faces: &[NewFace], rules: &EnrollRules) -> Result<Enrolled> {
        let (target, similar) = self.prepare(target, faces, rules)?;
        let mut done = self.write(|rows, codec| {
            let mut came = Came::default();
            let mut done = came.enroll(rows, codec, &target, faces, rules)?;
            done.operation = came.record(rows, codec, done.person)?;
            Ok(done)
        })?;
        self.judge(&mut done, similar, rules);
        Ok(done)
    }

    /// What would become of a person's faces if they were taken in: nothing is. Ids of faces in the answer stand for nothing.
    ///
    /// # Errors
    /// As [`Gallery::enroll`].
    pub fn judge_faces(&self, target: &Target, faces: &[NewFace], rules: &EnrollRules) -> Result<Enrolled> {
        let (target, similar) = self.prepare(target, faces, rules)?;
        let mut judged = None;
        // A transaction that fails leaves nothing behind.
        let ended = self.write(|rows, codec| {
            judged = Some(Came::default().enroll(rows, codec, &target, faces, rules)?);
            Err::<(), GalleryError>(GalleryError::new(ErrorKind::Caller, "only judged"))
        });
        match (judged, ended) {
            (Some(mut judged), _) => {
                self.judge(&mut judged, similar, rules);
                Ok(judged)
            }
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(GalleryError::new(ErrorKind::Caller, "nothing was judged")),
        }
    }

    /// Takes in many people's faces, ten thousand people a transaction: each group lasts when `progress` is told of it,
    /// and is one operation that can be undone.
    ///
    /// # Errors
    /// See [`Gallery::enroll`]; what `progress` was told of is kept.
    pub fn enroll_all(
        &self,
        people: impl IntoIterator<Item = (Target, Vec<NewFace>)>,
        rules: &EnrollRules,
        mut progress: impl FnMut(&[Enrolled]),
    ) -> Result<()> {
        let mut people = people.into_iter();
        loop {
            let group: Vec<(Target, Vec<NewFace>)> = people.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(());
            }
            let prepared = group.iter().map(|(target, faces)| self.prepare(target, faces, rules));
            let (targets, similar): (Vec<_>, Vec<_>) =
                prepared.collect::<Result<Vec<_>>>()?.into_iter().unzip();
            let mut done = self.write(|rows, codec| {
                let mut came = Came::default();
                let each = targets.iter().zip(&group);
                let each = each.map(|(target, (_, faces))| came.enroll(rows, codec, target, faces, rules));
                let mut done = each.collect::<Result<Vec<_>>>()?;
                let operation = came.record(rows, codec, None)?;
                for one in &mut done {
                    let added = one.faces.iter().any(|face| matches!(face, Outcome::Added { .. }));
                    one.operation = operation.filter(|_| added);
                }
                Ok(done)
            })?;
            done.iter_mut().zip(similar).for_each(|(done, similar)| self.judge(done, similar, rules));
            progress(&done);
        }
    }

    /// Checks everything that can be wrong with what was given; finds who looks like each face.
    pub(super) fn prepare(
        &self,
        target: &Target,
        faces: &[NewFace],
        rules: &EnrollRules,
    ) -> Result<(Target, Vec<Vec<Candidate>>)> {
        let mut target = target.clone();
        if let Target::New(details) = &mut target {
            names::clean(details, &Details::default())?;
        }
        for face in faces {
            self.check_template(&face.template)?;
            if !(0.0..=1.0).contains(&face.quality) {
                let reason = format!("a face's quality is {}, not between 0 and 1", face.quality);
                return Err(GalleryError::new(ErrorKind::Caller, reason));
            }
        }
        let Some(rate) = rules.report_similar else { return Ok((target, vec![Vec::new(); faces.len()])) };
        let templates: Vec<Template> = faces.iter().map(|face| face.template.clone()).collect();
        let found = self.identify_all(&templates, &Search { rate, most: 6, ..Search::default() })?;
        let near = |threshold: f64| move |c: &Candidate| f64::from(c.similarity) >= threshold;
        let similar = found.into_iter();
        let similar = similar.map(|f| f.candidates.into_iter().filter(near(f.threshold)).collect());
        Ok((target, similar.collect()))
    }

    /// Completes the outcomes by what similarities are worth here, who else looks alike, and whether that is doubtful.
    pub(super) fn judge(&self, done: &mut Enrolled, found: Vec<Vec<Candidate>>, rules: &EnrollRules) {
        let thresholds = self.thresholds();
        for (outcome, mut found) in done.faces.iter_mut().zip(found) {
            if let Outcome::Added { own, similar, doubt, .. } = outcome {
                if let Some(own) = own {
                    own.fmr = thresholds.fmr_at(f64::from(own.similarity));
                }
                found.retain(|candidate| Some(candidate.person) != done.person);
                *doubt = doubted(*own, found.first(), rules);
                *similar = found;
            }
        }
    }
}

fn doubted(own: Option<Likeness>, nearest: Option<&Candidate>, rules: &EnrollRules) -> Option<Doubt> {
    match (own, nearest) {
        (Some(own), nearest) if own.fmr > rules.unlike_above => {
            let nearest = nearest.filter(|other| other.similarity > own.similarity).cloned();
            Some(Doubt::Unlike { own, nearest })
        }
        (_, Some(other)) => Some(Doubt::AlsoLike { other: other.clone() }),
        (_, None) => None,
    }
}

/// What a transaction has brought, for the journal.
#[derive(Default)]
pub(super) struct Came {
    people: Ranges,
    faces: Ranges,
    into: BTreeSet<u64>,
}

impl Came {
    fn record(
        self,
        rows: &mut dyn RowsMut,
        codec: Codec<'_>,
        person: Option<PersonId>,
    ) -> Result<Option<OperationId>> {
        let kind = OperationKind::Enroll { person, people: self.people.len(), faces: self.faces.len() };
        self.step().map(|step| record(rows, codec, kind, vec![step])).transpose()
    }

    /// The step by which it is taken back; none if nothing came.
    pub(super) fn step(self) -> Option<Step> {
        let Came { people, faces, into } = self;
        let came = !(people.is_empty() && faces.is_empty());
        came.then(|| Step::Enrolled { people, faces, negatives: Ranges::default(), into })
    }

    pub(super) fn enroll(
        &mut self,
        rows: &mut dyn RowsMut,
        codec: Codec<'_>,
        target: &Target,
        faces: &[NewFace],
        rules: &EnrollRules,
    ) -> Result<Enrolled> {
        let (known, details) = match target {
            Target::New(details) => (None, details.clone()),
            Target::Person(id) => {
                codec.person_body(rows, *id)?.ok_or_else(|| GalleryError::no_person(*id))?;
                (Some(*id), Details::default())
            }
            Target::Named(name) => {
                let cleaned = match names::clean_name(name) {
                    // An older Phiz let such names in, and who is called so gets faces as before.
                    Err(e) if matches!(e.cause(), Some(Cause::Name { fault: NameFault::Control })) => Err(e),
                    other => Ok(other?),
                };
                let mut ids = codec.people_named(rows, name)?;
                if ids.len() > 1 {
                    return Err(GalleryError::several(ids));
                }
                match ids.pop() {
                    Some(id) => (Some(id), Details::default()),
                    None => (None, Details::named(cleaned?)),
                }
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
            if let Some(outcome) = kept_out(rows, codec, face, rules, person, &own)? {
                outcomes.push(outcome);
                continue;
            }
            let template = face.template.vector();
            if let Some((negative, _)) = negatives.iter().find(|(_, t)| similarity(template, t) >= SAME) {
                outcomes.push(Outcome::Refused(Refusal::Negative { person: negative.person }));
                continue;
            }
            let owner = match person {
                Some(person) => person,
                None => {
                    let id = PersonId(rows.next_id(Kind::Person)?);
                    codec.put_person(rows, id, &PersonBody { details: details.clone(), created: now() })?;
                    self.people.push(id.0);
                    *person.insert(id)
                }
            };
            if known.is_some() {
                self.into.insert(owner.0);
            }
            let likeness = combine(own.iter().map(|(_, t)| t)).map(|t| similarity(template, &t));
            let id = add_face(rows, codec, owner, face)?;
            self.faces.push(id.0);
            own.push((id, Weighted { quality: face.quality, template: template.to_vec() }));
            outcomes.push(Outcome::Added {
                face: id,
                // What the similarity is worth is known outside of the transaction.
                own: likeness.map(|similarity| Likeness { similarity, fmr: 1.0 }),
                similar: Vec::new(),
                doubt: None,
            });
        }
        let new = known.is_none() && person.is_some();
        Ok(Enrolled { person, new, faces: outcomes, operation: None })
    }
}

/// What becomes of a face that is not taken in; none if nothing stands against it.
fn kept_out(
    rows: &dyn RowsMut,
    codec: Codec<'_>,
    face: &NewFace,
    rules: &EnrollRules,
    person: Option<PersonId>,
    own: &[(FaceId, Weighted)],
) -> Result<Option<Outcome>> {
    let template = face.template.vector();
    if let Some((face, _)) = own.iter().find(|(_, t)| similarity(template, &t.template) >= SAME) {
        return Ok(Some(Outcome::Known { face: *face }));
    }
    if let Some((id, owner)) = in_photo(rows, codec, face, SAME_IN_PHOTO)? {
        return Ok(Some(match Some(owner) == person {
            true => Outcome::Known { face: id },
            false => Outcome::Refused(Refusal::Duplicate { face: id, person: owner }),
        }));
    }
    if face.quality < rules.least_quality {
        let (quality, least) = (face.quality, rules.least_quality);
        return Ok(Some(Outcome::Refused(Refusal::Quality { quality, least })));
    }
    Ok(None)
}

/// A face from the same photo that is as similar as this, and whose it is. A photo may show several people, and one
/// person twice: only an equal face is the same.
pub(crate) fn in_photo(
    rows: &dyn RowsMut,
    codec: Codec<'_>,
    face: &NewFace,
    least: f32,
) -> Result<Option<(FaceId, PersonId)>> {
    let Some(photo) = &face.photo else { return Ok(None) };
    let tag = codec.sealer.tag("photo", crate::bytes::hex(photo).as_bytes());
    let mut found = rows.get_many(Kind::Face, &rows.tagged(Kind::Face, &tag)?)?;
    // The tag only finds them; the photo itself decides.
    found.retain(|(_, row)| row.owner != 0);
    for (id, row) in found {
        let body: FaceBody = codec.open_json(Kind::Face, id, &row)?;
        if body.photo() != Some(*photo) {
            return Err(GalleryError::damaged(Part::Face(FaceId(id))));
        }
        let other = codec.template(rows, FaceId(id))?;
        if similarity(face.template.vector(), &other.template) >= least {
            return Ok(Some((FaceId(id), PersonId(row.owner))));
        }
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
        photo: face.photo.as_ref().map(|hash| crate::bytes::hex(hash)),
        taken: face.taken,
        source: face.source.clone(),
        consent: face.consent.clone(),
        crop: face.crop.is_some(),
    };
    codec.put_face(rows, id, person, &body)?;
    codec.put_template(rows, id, person, face.quality, face.template.vector())?;
    if let Some(crop) = &face.crop {
        // Bound to the face, not to the person: a crop moves with its face.
        rows.put(Kind::Crop, id.0, &codec.row(Kind::Crop, id.0, 0, Vec::new(), crop)?)?;
    }
    Ok(id)
}
