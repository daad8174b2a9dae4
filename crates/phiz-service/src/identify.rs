//! Identification: whose faces a photo shows, or that nobody known is.

use std::collections::BTreeSet;

use phiz_face::Face;
use phiz_gallery::{Deciding, Decision, Filter, Gallery, Rate, Search, once_a_photo};
use phiz_image::Image;
use phiz_template::Template;
use serde::Serialize;

use crate::{CandidateAnswer, FaceAnswer, Looking, Photo, PhotoAnswer, Result, Service};

/// How to identify.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentifyOptions {
    /// How faces are looked for.
    pub looking: Looking,
    /// How often a stranger may be named.
    pub rate: Rate,
    /// The people who are searched.
    pub among: Filter,
    /// How many candidates are listed for each face.
    pub top: usize,
    /// Whether one person may be in a photo more than once: in a collage or a mirror, or who has a twin.
    pub twins: bool,
}

impl Default for IdentifyOptions {
    fn default() -> IdentifyOptions {
        IdentifyOptions {
            looking: Looking::default(),
            rate: Rate::Fpir(0.01),
            among: Filter::default(),
            top: 5,
            twins: false,
        }
    }
}

impl IdentifyOptions {
    /// As the gallery takes it.
    #[must_use]
    pub fn search(&self) -> Search {
        Search { rate: self.rate, most: self.top, among: self.among.clone(), ..Search::default() }
    }

    /// As the gallery takes it for an archive.
    #[must_use]
    pub fn deciding(&self) -> Deciding {
        Deciding { search: self.search(), twins: self.twins }
    }
}

/// Kind of decision about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The first candidate is similar enough for the rate that was asked for.
    Match,
    /// Several people are too alike to choose between.
    Ambiguous,
    /// Nobody is similar enough for the rate that was asked for.
    Unknown,
}

/// A face and who it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentifiedFace {
    /// Where the face is.
    #[serde(flatten)]
    pub face: FaceAnswer,
    /// The person's name; null unless it is a match.
    pub person: Option<String>,
    /// The kind of decision.
    pub decision: Verdict,
    /// The similarity that a match needs.
    pub threshold: f64,
    /// The most similar people whatever the decision, by falling similarity: not an answer.
    pub candidates: Vec<CandidateAnswer>,
    /// People whom the face resembles enough for a match, had nobody said that a face like this is not them; by falling
    /// similarity.
    pub denied: Vec<CandidateAnswer>,
    /// Of the candidates, how many are too alike to tell; 0 unless the decision is ambiguous.
    #[serde(skip)]
    pub tied: usize,
    /// How many people were searched.
    #[serde(skip)]
    pub people: usize,
    /// The smallest false match rate that was measured; below it, rates are estimates.
    #[serde(skip)]
    pub least_measured: f64,
}

impl Service {
    /// Identifies the faces in a photo.
    ///
    /// # Errors
    /// A photo that cannot be used ([`crate::Error::Photo`]), or a gallery that cannot be read.
    pub fn identify(
        &self,
        gallery: &Gallery,
        photo: &Photo,
        options: &IdentifyOptions,
    ) -> Result<PhotoAnswer<IdentifiedFace>> {
        let image = photo.decode(&options.looking.to_describe())?;
        self.identify_in(gallery, &image, options)
    }

    /// Identifies the faces of a photo that were found and described already.
    ///
    /// # Errors
    /// A gallery that cannot be read.
    pub fn identify_described(
        &self,
        gallery: &Gallery,
        photo: &PhotoAnswer<Face>,
        options: &IdentifyOptions,
    ) -> Result<PhotoAnswer<IdentifiedFace>> {
        let PhotoAnswer { width, height, ref faces } = *photo;
        Ok(PhotoAnswer { width, height, faces: self.identify_faces(gallery, faces, options)? })
    }

    /// Identifies the faces in a picture that is decoded already.
    ///
    /// # Errors
    /// A network that fails, or a gallery that cannot be read.
    pub fn identify_in(
        &self,
        gallery: &Gallery,
        image: &Image,
        options: &IdentifyOptions,
    ) -> Result<PhotoAnswer<IdentifiedFace>> {
        let faces = self.faces(image, &options.looking)?;
        let (width, height) = image.original_size();
        Ok(PhotoAnswer { width, height, faces: self.identify_faces(gallery, &faces, options)? })
    }

    /// Identifies faces of one photo that were found already: together, so that a person is in it once, unless
    /// [`IdentifyOptions::twins`] says otherwise.
    ///
    /// # Errors
    /// A gallery that cannot be read, or that belongs to another embedder.
    pub fn identify_faces(
        &self,
        gallery: &Gallery,
        faces: &[Face],
        options: &IdentifyOptions,
    ) -> Result<Vec<IdentifiedFace>> {
        let search = options.search();
        let templates: Vec<Template> = faces.iter().map(|face| face.template.clone()).collect();
        let mut found = gallery.identify_all(&templates, &search)?;
        if let (false, Some(threshold)) = (options.twins, found.first().map(|found| found.threshold)) {
            let alone: Vec<Decision> = found.iter().map(|found| found.decision.clone()).collect();
            let together = once_a_photo(&alone, threshold, &BTreeSet::new(), search.margin);
            found.iter_mut().zip(together).for_each(|(found, decision)| found.decision = decision);
        }
        let least_measured = gallery.thresholds().least_measured();
        let mut answers = Vec::with_capacity(faces.len());
        for (face, found) in faces.iter().zip(found) {
            let mut candidates: Vec<_> = found.candidates.into_iter().map(CandidateAnswer::from).collect();
            if let Decision::Match(chosen) = &found.decision {
                // Of people who are too alike to tell, another face may have left the second: an answer comes first.
                let own = candidates.iter().position(|c| c.id == chosen.person);
                candidates[..own.map_or(0, |place| place + 1)]
                    .rotate_right(1.min(own.map_or(0, |place| place + 1)));
            }
            let (decision, tied) = match &found.decision {
                Decision::Match(_) => (Verdict::Match, 0),
                Decision::Ambiguous { candidates } => (Verdict::Ambiguous, candidates.len()),
                Decision::Unknown { .. } => (Verdict::Unknown, 0),
            };
            let spoke = found.denied.into_iter().filter(|c| f64::from(c.similarity) >= found.threshold);
            let denied = spoke.map(CandidateAnswer::from).collect();
            let first = candidates.first().filter(|_| decision == Verdict::Match);
            answers.push(IdentifiedFace {
                face: FaceAnswer::new(&face.detection, face.quality),
                person: first.map(|candidate| candidate.person.clone()),
                decision,
                threshold: found.threshold,
                candidates,
                denied,
                tied,
                people: found.people,
                least_measured,
            });
        }
        Ok(answers)
    }
}
