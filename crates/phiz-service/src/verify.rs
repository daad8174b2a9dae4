//! Verification: whether two photos show the same person, or a photo somebody in the gallery.

use phiz_face::{Choice, Face};
use phiz_gallery::{Gallery, PersonId, Rate};
use serde::Serialize;

use crate::{Looking, Photo, Problem, Result, Service};

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
    fn face_of(&self, photo: &Photo, index: usize, options: &VerifyOptions) -> Result<Face> {
        let image = photo.decode(&options.looking.to_describe());
        let face = image.and_then(|image| self.face(&image, &options.looking, options.choice));
        Ok(face.map_err(|problem| VerifyProblem { photo: photo.name().into_owned(), index, problem })?)
    }

    /// Whether two photos show the same person.
    ///
    /// # Errors
    /// [`crate::Error::Compared`] for a photo that cannot be used, [`crate::Error::Template`] for a rate that is none.
    pub fn verify(&self, a: &Photo, b: &Photo, options: &VerifyOptions) -> Result<VerifiedPair> {
        let asked = Rate::Fmr(options.fmr).fmr(1.0)?;
        let (a, b) = (self.face_of(a, 0, options)?, self.face_of(b, 1, options)?);
        let similarity = a.template.similarity(&b.template)?;
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
        let face = self.face_of(photo, 0, options)?;
        let found = gallery.verify(&face.template, person, Rate::Fmr(options.fmr))?;
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
