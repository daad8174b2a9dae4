//! The models, and what they alone can do with a photo.

use phiz_face::{Detection, Engine, Face, quality};
use phiz_gallery::{Gallery, Key, store::MemoryStore};
use phiz_image::Image;
use phiz_template::Thresholds;

use crate::{Error, FaceAnswer, Looking, Photo, PhotoAnswer, Problem, Result, Select};

/// The loaded models. May be shared by threads; each call stays within its caller's thread.
pub struct Service {
    engine: Engine,
}

impl Service {
    /// Loads the bundled models.
    ///
    /// # Errors
    /// Only if this build is broken.
    pub fn new() -> Result<Service> {
        Ok(Service::over(Engine::new()?))
    }

    /// Works with models of one's own choice.
    #[must_use]
    pub fn over(engine: Engine) -> Service {
        Service { engine }
    }

    /// The models.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What similarities of the embedder mean.
    ///
    /// # Errors
    /// [`Error::NoThresholds`] if its card does not say.
    pub fn thresholds(&self) -> Result<&Thresholds> {
        let card = self.engine.embedder_card();
        card.thresholds.as_ref().ok_or_else(|| Error::NoThresholds { model: card.name.clone() })
    }

    /// An in-memory gallery of this embedder's templates. Nothing of it reaches the disk.
    ///
    /// # Errors
    /// [`Error::NoThresholds`] if the embedder's card states none.
    pub fn gallery_in_memory(&self) -> Result<Gallery> {
        let store = Box::new(MemoryStore::default());
        Ok(Gallery::over_store(store, Some(&self.gallery_model()?), &Key::None)?)
    }

    /// What a gallery must know of the embedder.
    pub(crate) fn gallery_model(&self) -> Result<phiz_gallery::Model> {
        Ok(phiz_gallery::Model {
            id: self.engine.model_id().to_string(),
            dim: self.engine.dim(),
            thresholds: self.thresholds()?.clone(),
        })
    }

    /// Where the faces are, from the largest to the smallest, and how much each is worth to recognition.
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

    /// [`Service::detect`] in a picture that is decoded already.
    ///
    /// # Errors
    /// A network that fails.
    pub fn detect_in(
        &self,
        image: &Image,
        looking: &Looking,
    ) -> std::result::Result<PhotoAnswer<FaceAnswer>, Problem> {
        let found = self.engine.detect(image, &looking.detect)?;
        let face = |d: &Detection| FaceAnswer::new(d, quality(d, &self.engine.align(image, d)));
        let (width, height) = image.original_size();
        Ok(PhotoAnswer { width, height, faces: found.iter().map(face).collect() })
    }

    /// The picture at full resolution.
    ///
    /// # Errors
    /// A photo that cannot be used.
    pub fn decode(&self, photo: &Photo, looking: &Looking) -> std::result::Result<Image, Problem> {
        photo.decode(&looking.to_describe())
    }

    /// All faces with their templates, from the largest to the smallest.
    ///
    /// # Errors
    /// A network that fails.
    pub fn faces(&self, image: &Image, looking: &Looking) -> std::result::Result<Vec<Face>, Problem> {
        Ok(self.engine.analyze_with(image, &looking.detect)?)
    }

    /// The face that is meant, with its template.
    ///
    /// # Errors
    /// No such face, or a network that fails.
    pub fn face(
        &self,
        image: &Image,
        looking: &Looking,
        select: Select,
    ) -> std::result::Result<Face, Problem> {
        let mut found = self.engine.detect(image, &looking.detect)?;
        let chosen = found.swap_remove(select.among(&found)?);
        Ok(self.engine.describe(image, chosen)?)
    }
}
