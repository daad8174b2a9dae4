//! Enrolment: from photos of somebody to faces in a gallery.

use phiz_face::{Choice, Face};
use phiz_gallery::{
    Candidate, Doubt, EnrollRules, Enrolled, FaceId, Gallery, Likeness, NewFace, OperationId, Outcome,
    PersonId, Refusal, Target,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    CandidateAnswer, Code, FaceAnswer, Looking, PathName, Photo, Problem, Result, Service, VerifyOptions,
    in_order,
};

/// Fewer pixels between the eyes make templates that resemble everybody.
pub const MIN_EYE_DISTANCE: f32 = 16.0;
/// The least quality of a face that is enrolled, see [`phiz_face::quality`].
pub const MIN_QUALITY: f32 = 0.35;

/// How to enrol.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrolOptions {
    /// How faces are looked for.
    pub looking: Looking,
    /// Which face of a photo is meant.
    pub choice: Choice,
    /// Whether small, blurred or dark faces are taken, too.
    pub force: bool,
    /// Whether the aligned crop of the face is kept, so that another model can describe it later without the photo.
    pub crop: bool,
    /// On what ground the faces are kept, in the words of whoever enrols them.
    pub consent: Option<String>,
}

impl Default for EnrolOptions {
    fn default() -> EnrolOptions {
        EnrolOptions {
            looking: Looking::default(),
            choice: Choice::Dominant,
            force: false,
            crop: true,
            consent: None,
        }
    }
}

/// A person to be enrolled, with their photos.
#[derive(Clone, Debug)]
pub struct PersonPhotos {
    /// The person to whom the faces are added.
    pub target: Target,
    /// The person's name, for reports.
    pub name: String,
    /// The photos; those that are known to be unreadable carry their problem.
    pub photos: Vec<(Photo, Option<Problem>)>,
}

impl PersonPhotos {
    /// Checks what can be known before any photo is looked at and any gallery made: that the name can be a person's.
    ///
    /// # Errors
    /// [`crate::Error::Gallery`] for a name that cannot be one.
    pub fn check(&self) -> Result<()> {
        if let Target::Named(name) = &self.target {
            phiz_gallery::clean_name(name)?;
        }
        Ok(())
    }

    /// Photos of the person of this name, who is new if nobody has it.
    pub fn named(name: impl Into<String>, photos: impl IntoIterator<Item = Photo>) -> PersonPhotos {
        let name = name.into();
        let photos = photos.into_iter().map(|photo| (photo, None)).collect();
        PersonPhotos { target: Target::Named(name.clone()), name, photos }
    }
}

/// What [`Service::enrol_people`] tells while it works.
#[derive(Debug)]
pub enum EnrolEvent<'a> {
    /// A photo was looked at.
    Photo,
    /// A person is done.
    Person(&'a PersonPhotos, EnrolAnswer),
}

/// Result of enrolling one person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnrolAnswer {
    /// The person's name.
    pub person: String,
    /// The person's id; null if no face was enrolled and nobody had the name.
    pub id: Option<PersonId>,
    /// Whether the person is new in the gallery.
    pub new: bool,
    /// The photos in their order.
    pub photos: Vec<EnrolledPhoto>,
    /// The operation to undo; null if nothing was stored.
    pub operation: Option<OperationId>,
}

/// Result of enrolling one photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnrolledPhoto {
    /// The photo's file, if it came from one.
    #[serde(flatten)]
    pub path: Option<PathName>,
    /// The result.
    #[serde(flatten)]
    pub result: PhotoResult,
}

/// Result of enrolling the face in one photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum PhotoResult {
    /// The face was enrolled.
    Enrolled {
        /// The new face.
        face: FaceId,
        /// How much it resembles the person's other faces, combined; null if it is the first.
        like_own: Option<f32>,
        /// Other people whom the face resembles more than by chance, the most similar first.
        similar: Vec<CandidateAnswer>,
        /// Why somebody should look at the face; null if nothing is suspicious.
        doubt: Option<DoubtAnswer>,
    },
    /// The person has this very face already, so there was nothing to do.
    Known {
        /// The face that it equals.
        known: FaceId,
    },
    /// The face was not enrolled.
    Refused {
        /// Why not.
        error: Problem,
        /// The gallery's own reason, if the gallery refused it.
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Refusal>,
    },
}

/// A photo that was judged as if it were to be enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedPhoto {
    /// Its face, if one was found that is good enough.
    pub face: Option<FaceAnswer>,
    /// What would become of it; the id of a face that would be new stands for nothing.
    pub result: PhotoResult,
}

/// Why somebody should look at a face that was enrolled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DoubtAnswer {
    /// It is unlike the person's other faces: perhaps it is somebody else's and should be moved. To merge the two people
    /// would be wrong.
    Unlike {
        /// How much it resembles the person's other faces, combined.
        like_own: f32,
        /// Another person whom it resembles more, if there is one.
        nearest: Option<CandidateAnswer>,
    },
    /// It fits the person, or is their first face, and resembles somebody else as well: one person enrolled twice, or
    /// twins.
    AlsoLike {
        /// The most similar other person.
        other: CandidateAnswer,
    },
}

impl DoubtAnswer {
    fn new(doubt: Doubt, own: Option<Likeness>) -> Option<DoubtAnswer> {
        match doubt {
            // Nobody would be called the same person by so little, and somebody else is more like it: to propose merging the
            // two people would be harmful.
            Doubt::AlsoLike { other } if own.is_some_and(|own| is_rather(&other, own)) => {
                Some(DoubtAnswer::Unlike {
                    like_own: own.map_or(0.0, |own| own.similarity),
                    nearest: Some(other.into()),
                })
            }
            Doubt::Unlike { own, nearest } => Some(DoubtAnswer::Unlike {
                like_own: own.similarity,
                nearest: nearest.map(CandidateAnswer::from),
            }),
            Doubt::AlsoLike { other } => Some(DoubtAnswer::AlsoLike { other: other.into() }),
            _ => None,
        }
    }
}

/// Whether a face is somebody else's rather than its person's: by default, verification would not call it the same.
fn is_rather(other: &Candidate, own: Likeness) -> bool {
    own.fmr > VerifyOptions::default().fmr && other.similarity > own.similarity
}

impl EnrolAnswer {
    /// How many faces were enrolled.
    #[must_use]
    pub fn enrolled(&self) -> usize {
        self.photos.iter().filter(|p| matches!(p.result, PhotoResult::Enrolled { .. })).count()
    }

    /// Whether a photo was refused. One that is known already is none of those.
    #[must_use]
    pub fn refused_any(&self) -> bool {
        self.photos.iter().any(|photo| matches!(photo.result, PhotoResult::Refused { .. }))
    }
}

impl Service {
    /// Whether a face is good enough to be kept for later comparisons.
    ///
    /// # Errors
    /// [`Code::FaceTooSmall`] or [`Code::FaceTooPoor`].
    pub fn check_enrolment(&self, face: &Face) -> std::result::Result<(), Problem> {
        let [right, left, ..] = face.detection.landmarks;
        let eyes = (left[0] - right[0]).hypot(left[1] - right[1]);
        if eyes < MIN_EYE_DISTANCE {
            return Err(Problem::new(
                Code::FaceTooSmall,
                format!(
                    "the face is too small ({eyes:.0} pixels between the eyes, {MIN_EYE_DISTANCE} are needed)"
                ),
                "use a larger photo, or keep it all the same with --force",
            ));
        }
        if face.quality < MIN_QUALITY {
            return Err(Problem::new(
                Code::FaceTooPoor,
                format!(
                    "the face is too blurred, dark or turned away (quality {:.2}, {MIN_QUALITY} is needed)",
                    face.quality
                ),
                "use a sharper photo from the front, or keep it all the same with --force",
            ));
        }
        Ok(())
    }

    /// The face of a photo as a gallery takes it.
    ///
    /// # Errors
    /// A photo that cannot be used, or whose face is not good enough.
    pub fn new_face(&self, photo: &Photo, options: &EnrolOptions) -> std::result::Result<NewFace, Problem> {
        self.described_for(photo, options).map(|(face, _)| face)
    }

    /// The same, with where the face is.
    fn described_for(
        &self,
        photo: &Photo,
        options: &EnrolOptions,
    ) -> std::result::Result<(NewFace, FaceAnswer), Problem> {
        let decode = options.looking.to_describe();
        let bytes = photo.read(&decode)?;
        let image = phiz_image::Image::decode(&bytes, &decode)?;
        let face = self.face(&image, &options.looking, options.choice)?;
        if !options.force {
            self.check_enrolment(&face)?;
        }
        let crop = match options.crop {
            true => Some(self.analyzer().align(&image, &face.detection).encode_jpeg(95)?),
            false => None,
        };
        let answer = FaceAnswer::new(&face.detection, face.quality);
        let new = NewFace {
            photo: Some(Sha256::digest(&bytes).into()),
            source: Some(photo.name().into_owned()),
            consent: options.consent.clone(),
            crop,
            ..NewFace::new(face.template, face.quality)
        };
        Ok((new, answer))
    }

    /// Enrols photos of the person of this name, who is new if nobody has it.
    ///
    /// # Errors
    /// The gallery cannot be written. A photo that cannot be used is reported in the answer.
    pub fn enrol(
        &self,
        gallery: &Gallery,
        name: &str,
        photos: &[Photo],
        options: &EnrolOptions,
    ) -> Result<EnrolAnswer> {
        let person = PersonPhotos::named(name, photos.iter().cloned());
        let mut answer = None;
        self.enrol_people(gallery, &[person], options, 1, |event| {
            if let EnrolEvent::Person(_, done) = event {
                answer = Some(done);
            }
        })?;
        Ok(answer.unwrap_or_else(|| EnrolAnswer {
            person: name.into(),
            id: None,
            new: false,
            photos: Vec::new(),
            operation: None,
        }))
    }

    /// Describes all photos by several threads and enrols person by person, each as soon as their photos are done.
    ///
    /// # Errors
    /// A gallery that cannot be written; those before are enrolled.
    pub fn enrol_people(
        &self,
        gallery: &Gallery,
        people: &[PersonPhotos],
        options: &EnrolOptions,
        threads: usize,
        mut tell: impl FnMut(EnrolEvent<'_>),
    ) -> Result<()> {
        let photos: Vec<(usize, &(Photo, Option<Problem>))> = people
            .iter()
            .enumerate()
            .flat_map(|(number, person)| person.photos.iter().map(move |photo| (number, photo)))
            .collect();
        let work = |(_, (photo, problem)): &(usize, &(Photo, Option<Problem>))| match problem {
            Some(problem) => Err(problem.clone()),
            None => self.new_face(photo, options),
        };
        let mut described = Vec::new();
        in_order(&photos, threads, work, |(number, _), face| {
            described.push(face);
            tell(EnrolEvent::Photo);
            let person = &people[*number];
            if described.len() == person.photos.len() {
                let answer = self.put_into(gallery, person, std::mem::take(&mut described))?;
                tell(EnrolEvent::Person(person, answer));
            }
            Ok(())
        })
    }

    /// What would become of photos of somebody if they were enrolled, with quality and place of each face: nothing is stored.
    /// Without a person, they are judged as those of somebody who is new.
    ///
    /// # Errors
    /// There is no such person, or the gallery cannot be read. A photo that cannot be used is reported in the answer.
    pub fn judge_photos(
        &self,
        gallery: &Gallery,
        person: Option<PersonId>,
        photos: &[Photo],
        options: &EnrolOptions,
    ) -> Result<Vec<JudgedPhoto>> {
        let target = match person {
            Some(person) => Target::Person(person),
            None => Target::New(phiz_gallery::Details::named("?")),
        };
        let described: Vec<_> = photos.iter().map(|photo| self.described_for(photo, options)).collect();
        let faces: Vec<NewFace> = described.iter().flatten().map(|(face, _)| face.clone()).collect();
        let judged = gallery.judge_faces(&target, &faces, &EnrollRules::default())?;
        let mut outcomes = judged.faces.into_iter();
        let one = |described: std::result::Result<(NewFace, FaceAnswer), Problem>| match described {
            Err(error) => JudgedPhoto { face: None, result: PhotoResult::Refused { error, details: None } },
            Ok((_, face)) => JudgedPhoto {
                face: Some(face),
                result: outcomes.next().map_or_else(
                    || {
                        let error = Problem::new(Code::Refused, "it was not judged", "use another photo");
                        PhotoResult::Refused { error, details: None }
                    },
                    told,
                ),
            },
        };
        Ok(described.into_iter().map(one).collect())
    }

    pub(crate) fn put_into(
        &self,
        gallery: &Gallery,
        person: &PersonPhotos,
        described: Vec<std::result::Result<NewFace, Problem>>,
    ) -> Result<EnrolAnswer> {
        let faces: Vec<NewFace> = described.iter().flatten().cloned().collect();
        let enrolled = gallery.enroll(&person.target, &faces, &EnrollRules::default())?;
        let Enrolled { person: id, new, faces, operation } = enrolled;
        let mut outcomes = faces.into_iter();
        let mut photos = Vec::with_capacity(described.len());
        for ((photo, _), face) in person.photos.iter().zip(described) {
            let result = match face {
                Err(error) => PhotoResult::Refused { error, details: None },
                Ok(_) => match outcomes.next() {
                    Some(outcome) => told(outcome),
                    None => continue,
                },
            };
            photos.push(EnrolledPhoto { path: photo.path().map(PathName::from), result });
        }
        // Who is meant by an id has a name of their own, whatever the caller calls them.
        let name = match person.target {
            Target::Person(id) => gallery.person(id)?.details.name,
            _ => person.name.clone(),
        };
        Ok(EnrolAnswer { person: name, id, new, photos, operation })
    }
}

fn told(outcome: Outcome) -> PhotoResult {
    let refused = |error, details| PhotoResult::Refused { error, details };
    match outcome {
        Outcome::Added { face, own, similar, doubt } => PhotoResult::Enrolled {
            face,
            like_own: own.map(|own| own.similarity),
            similar: similar.into_iter().map(CandidateAnswer::from).collect(),
            doubt: doubt.and_then(|doubt| DoubtAnswer::new(doubt, own)),
        },
        Outcome::Known { face } => PhotoResult::Known { known: face },
        Outcome::Refused(refusal) => {
            refused(Problem::new(Code::Refused, refusal.to_string(), remedy(&refusal)), Some(refusal))
        }
        _ => refused(Problem::new(Code::Refused, "the gallery did not take it", "use another photo"), None),
    }
}

fn remedy(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Duplicate { person, .. } => {
            format!("`phiz people show {person}` lists the faces that are enrolled")
        }
        Refusal::Negative { person } => {
            format!("`phiz people show {person}` lists what was said; `phiz people allow` takes it back")
        }
        _ => "use another photo".into(),
    }
}
