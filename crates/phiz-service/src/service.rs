//! The models, and what they alone can do with a photo.

use phiz_face::{AlignedFace, Analyzer, Choice, Detection, Face, quality};
use phiz_gallery::Gallery;
use phiz_image::Image;
use phiz_template::Thresholds;

use crate::{Error, FaceAnswer, Looking, Photo, PhotoAnswer, Problem, Result};

/// The loaded models, and everything that Phiz does with a photo. Threads may share it; each call computes in its
/// caller's thread.
pub struct Service {
    analyzer: Analyzer,
}

impl Service {
    /// Loads the bundled models.
    ///
    /// # Errors
    /// Only if this build is broken.
    #[cfg(feature = "bundled")]
    pub fn new() -> Result<Service> {
        Ok(Service::over(Analyzer::new()?))
    }

    /// Works with the models of this analyzer.
    #[must_use]
    pub fn over(analyzer: Analyzer) -> Service {
        Service { analyzer }
    }

    /// The models.
    #[must_use]
    pub fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// The thresholds of the embedder: which similarity stands for which false match rate.
    ///
    /// # Errors
    /// [`Error::NoThresholds`] if its card states none.
    pub fn thresholds(&self) -> Result<&Thresholds> {
        let card = self.analyzer.embedder_card();
        card.thresholds.as_ref().ok_or_else(|| Error::NoThresholds { model: card.name.clone() })
    }

    /// An in-memory gallery for templates of this embedder. Nothing of it reaches the disk.
    ///
    /// # Errors
    /// [`Error::NoThresholds`] if the embedder's card states none.
    pub fn gallery_in_memory(&self) -> Result<Gallery> {
        Ok(Gallery::in_memory(&self.gallery_model()?)?)
    }

    /// What a gallery must know of the embedder.
    pub(crate) fn gallery_model(&self) -> Result<phiz_gallery::Model> {
        Ok(phiz_gallery::Model {
            id: self.analyzer.model_id().clone(),
            dim: self.analyzer.dim(),
            thresholds: self.thresholds()?.clone(),
        })
    }

    /// Finds the faces in a photo, from the largest to the smallest, and judges their quality.
    ///
    /// # Errors
    /// A photo that cannot be used.
    pub fn detect(
        &self,
        photo: &Photo,
        looking: &Looking,
    ) -> std::result::Result<PhotoAnswer<FaceAnswer>, Problem> {
        self.detect_in(&photo.decode(&looking.to_find())?, looking)
    }

    /// Finds the faces in a picture that is decoded already.
    ///
    /// # Errors
    /// More faces than are allowed, or a network that fails.
    pub fn detect_in(
        &self,
        image: &Image,
        looking: &Looking,
    ) -> std::result::Result<PhotoAnswer<FaceAnswer>, Problem> {
        let found = self.detections(image, looking)?;
        let face = |d: &Detection| FaceAnswer::new(d, quality(d, &self.analyzer.align(image, d)));
        let (width, height) = image.original_size();
        Ok(PhotoAnswer { width, height, faces: found.iter().map(face).collect() })
    }

    /// All faces of a picture, unless there are more than are allowed.
    fn detections(&self, image: &Image, looking: &Looking) -> std::result::Result<Vec<Detection>, Problem> {
        let found = self.analyzer.detect(image, &looking.detect)?;
        looking.allows(found.len())?;
        Ok(found)
    }

    /// Decodes a photo at full resolution.
    ///
    /// # Errors
    /// A photo that cannot be used.
    pub fn decode(&self, photo: &Photo, looking: &Looking) -> std::result::Result<Image, Problem> {
        photo.decode(&looking.to_describe())
    }

    /// Finds all faces, from the largest to the smallest, with their templates.
    ///
    /// # Errors
    /// More faces than are allowed, or a network that fails.
    pub fn faces(&self, image: &Image, looking: &Looking) -> std::result::Result<Vec<Face>, Problem> {
        Ok(self.analyzer.describe_all(image, self.detections(image, looking)?)?)
    }

    /// Finds all faces in a photo, from the largest to the smallest, and cuts them out: what [`Service::describe`] goes on from.
    ///
    /// # Errors
    /// A photo that cannot be used.
    pub fn find(
        &self,
        photo: &Photo,
        looking: &Looking,
    ) -> std::result::Result<PhotoAnswer<AlignedFace>, Problem> {
        let image = self.decode(photo, looking)?;
        let found = self.detections(&image, looking)?;
        let (width, height) = image.original_size();
        Ok(PhotoAnswer { width, height, faces: self.analyzer.align_all(&image, found) })
    }

    /// Finds the face that is meant as [`Service::face`] does, and cuts it out.
    ///
    /// # Errors
    /// There is no such face, or the photo cannot be used.
    pub fn find_one(
        &self,
        photo: &Photo,
        looking: &Looking,
        choice: Choice,
    ) -> std::result::Result<PhotoAnswer<AlignedFace>, Problem> {
        let image = self.decode(photo, looking)?;
        let found = self.analyzer.detector().detect_expected(&image, &looking.detect)?.detections;
        let meant = choice.of(&found)?.clone();
        let (width, height) = image.original_size();
        Ok(PhotoAnswer { width, height, faces: self.analyzer.align_all(&image, vec![meant]) })
    }

    /// The templates of the faces of several photos. All go through the embedder together; a photo's answer is the same as
    /// alone.
    ///
    /// # Errors
    /// A network that fails.
    pub fn describe(
        &self,
        photos: Vec<PhotoAnswer<AlignedFace>>,
    ) -> std::result::Result<Vec<PhotoAnswer<Face>>, Problem> {
        let sizes: Vec<_> = photos.iter().map(|p| (p.width, p.height, p.faces.len())).collect();
        let aligned = photos.into_iter().flat_map(|photo| photo.faces).collect();
        let mut described = self.analyzer.describe_aligned(aligned)?.into_iter();
        let photo = |(width, height, faces)| PhotoAnswer {
            width,
            height,
            faces: described.by_ref().take(faces).collect(),
        };
        Ok(sizes.into_iter().map(photo).collect())
    }

    /// Finds the face that is meant, with its template. The caller says that there is one, so if no face reaches the
    /// detector's own score, the one with the highest score below it is taken.
    ///
    /// # Errors
    /// There is no such face, or a network fails.
    pub fn face(
        &self,
        image: &Image,
        looking: &Looking,
        choice: Choice,
    ) -> std::result::Result<Face, Problem> {
        let found = self.analyzer.detector().detect_expected(image, &looking.detect)?.detections;
        Ok(self.analyzer.describe(image, choice.of(&found)?.clone())?)
    }
}
