//! Verification: whether two photos show the same person, or a photo somebody in the gallery.

use phiz_face::{AlignedFace, Choice, ChoiceError, Face};
use phiz_gallery::{Gallery, PersonId, Rate};
use serde::Serialize;

use crate::{Looking, Photo, PhotoAnswer, Problem, Result, Service};

/// How to verify.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyOptions {
    /// How faces are looked for.
    pub looking: Looking,
    /// Which face of a photo is meant.
    pub choice: Choice,
    /// The answer is "the same" if no more than this share of pairs of different people would be called so.
    pub fmr: f64,
}

impl Default for VerifyOptions {
    fn default() -> VerifyOptions {
        VerifyOptions { looking: Looking::default(), choice: Choice::Dominant, fmr: 1e-3 }
    }
}

/// A photo that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{photo}: {problem}")]
pub struct VerifyProblem {
    /// Name of the photo.
    pub photo: String,
    /// 0 for the first photo, 1 for the second.
    pub index: usize,
    /// Why it cannot be used.
    pub problem: Problem,
}

/// Whether two photos show the same person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifiedPair {
    /// Cosine between the templates, −1 to 1.
    pub similarity: f32,
    /// False match rate: the share of pairs of different people that are as similar or more; null if the embedder's card
    /// does not say.
    pub fmr: Option<f64>,
    /// Whether that rate is at most the one that was asked for; null if it is not known.
    pub same: Option<bool>,
    /// The smallest false match rate that was measured.
    #[serde(skip)]
    pub least_measured: Option<f64>,
}

/// Whether a photo shows somebody in the gallery.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifiedPerson {
    /// Cosine between the face and the person's faces, combined.
    pub similarity: f32,
    /// False match rate of that similarity.
    pub fmr: f64,
    /// Whether that rate is at most the one that was asked for, and nobody said that such a face is not the person.
    pub same: bool,
    /// The person's name.
    pub person: String,
    /// The person's id.
    pub id: PersonId,
    /// Whether somebody said that a face like this is not the person.
    pub denied: bool,
    /// The smallest false match rate that was measured.
    #[serde(skip)]
    pub least_measured: f64,
}

impl Service {
    /// Finds the face that is meant in each of the photos that are compared, and cuts it out.
    ///
    /// # Errors
    /// [`crate::Error::Compared`] for a photo that cannot be used, [`crate::Error::Template`] for a rate that is none.
    pub fn find_compared(
        &self,
        photos: &[&Photo],
        options: &VerifyOptions,
    ) -> Result<Vec<PhotoAnswer<AlignedFace>>> {
        Rate::Fmr(options.fmr).fmr(1.0)?;
        let find = |(index, photo): (usize, &&Photo)| {
            let found = self.find_one(photo, &options.looking, options.choice);
            Ok(found.map_err(|problem| VerifyProblem { photo: photo.name().into_owned(), index, problem })?)
        };
        photos.iter().enumerate().map(find).collect()
    }

    /// Whether two photos show the same person.
    ///
    /// # Errors
    /// [`crate::Error::Compared`] for a photo that cannot be used, [`crate::Error::Template`] for a rate that is none.
    pub fn verify(&self, a: &Photo, b: &Photo, options: &VerifyOptions) -> Result<VerifiedPair> {
        let described = self.describe(self.find_compared(&[a, b], options)?)?;
        self.verify_described(&described, options)
    }

    /// Whether the two faces that [`Service::find_compared`] found show the same person.
    ///
    /// # Errors
    /// [`crate::Error::Template`] for a rate that is none, or for faces that another embedder has described.
    pub fn verify_described(
        &self,
        photos: &[PhotoAnswer<Face>],
        options: &VerifyOptions,
    ) -> Result<VerifiedPair> {
        let asked = Rate::Fmr(options.fmr).fmr(1.0)?;
        let [a, b] = [0, 1].map(|index| face_of(photos, index));
        let similarity = a?.template.similarity(&b?.template)?;
        Ok(match self.thresholds() {
            Ok(thresholds) => {
                let fmr = thresholds.fmr_at(f64::from(similarity));
                let least_measured = Some(thresholds.least_measured());
                VerifiedPair { similarity, fmr: Some(fmr), same: Some(fmr <= asked), least_measured }
            }
            Err(_) => VerifiedPair { similarity, fmr: None, same: None, least_measured: None },
        })
    }

    /// Whether a photo shows this person, by all faces of the person and by what was said not to be them.
    ///
    /// # Errors
    /// [`crate::Error::Compared`] for a photo that cannot be used, [`crate::Error::Gallery`] for a gallery that cannot be read or does
    /// not hold the person.
    pub fn verify_person(
        &self,
        gallery: &Gallery,
        person: PersonId,
        photo: &Photo,
        options: &VerifyOptions,
    ) -> Result<VerifiedPerson> {
        let found = self.find_compared(&[photo], options)?;
        self.verify_person_described(gallery, person, &self.describe(found)?, options)
    }

    /// Whether the face that [`Service::find_compared`] found is this person's.
    ///
    /// # Errors
    /// [`crate::Error::Gallery`] for a gallery that cannot be read or does not hold the person.
    pub fn verify_person_described(
        &self,
        gallery: &Gallery,
        person: PersonId,
        photos: &[PhotoAnswer<Face>],
        options: &VerifyOptions,
    ) -> Result<VerifiedPerson> {
        let found = gallery.verify(&face_of(photos, 0)?.template, person, Rate::Fmr(options.fmr))?;
        Ok(VerifiedPerson {
            similarity: found.similarity,
            fmr: found.fmr,
            same: found.accepted,
            person: found.name,
            id: person,
            denied: found.denied,
            least_measured: gallery.thresholds().least_measured(),
        })
    }
}

/// The face that is meant in a photo: the only one that was cut out.
fn face_of(photos: &[PhotoAnswer<Face>], index: usize) -> std::result::Result<&Face, Problem> {
    let face = photos.get(index).and_then(|photo| photo.faces.first());
    face.ok_or_else(|| Problem::from(ChoiceError::NoFace))
}
