//! Detector and embedder together: everything about the faces of a photo.

use phiz_engine::{LoadOptions, Precision, Runtime};
use phiz_image::{Image, ImageView};
use phiz_net::card::Card;
use phiz_template::{ModelId, Template};

use crate::{DetectOptions, Detection, Detector, Embedder, FaceError, Model, Pose, align, pose, quality};

/// A face of a photo with its box, landmarks, pose, quality and template.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Face {
    /// Its box, score and landmarks.
    pub detection: Detection,
    /// How the head is turned.
    pub pose: Pose,
    /// How useful it is for recognition, from 0 to 1, see [`quality`].
    pub quality: f32,
    /// Its template, by which it is compared with other faces.
    pub template: Template,
}

impl Face {
    /// Puts a face together.
    #[must_use]
    pub fn new(detection: Detection, pose: Pose, quality: f32, template: Template) -> Face {
        Face { detection, pose, quality, template }
    }
}

/// A face that was found in a photo, and its picture for the embedder.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AlignedFace {
    /// Its box, score and landmarks.
    pub detection: Detection,
    /// The 112×112 picture that the embedder reads.
    pub picture: Image,
}

/// A [`Detector`] and an [`Embedder`], and what is done to a photo with both: find the faces, align, embed, and tell pose
/// and quality of each.
///
/// It may be shared by threads; each call computes on the threads that [`AnalyzerBuilder::threads`] allows, and one
/// thread per call is fastest where there are several photos.
pub struct Analyzer {
    detector: Detector,
    embedder: Embedder,
}

/// Chooses models, runtime and threads of an [`Analyzer`].
#[derive(Clone, Debug)]
pub struct AnalyzerBuilder {
    detector: Option<Model>,
    embedder: Option<Model>,
    load: LoadOptions,
    mirror: bool,
}

impl Default for AnalyzerBuilder {
    fn default() -> AnalyzerBuilder {
        AnalyzerBuilder { detector: None, embedder: None, load: LoadOptions::default(), mirror: true }
    }
}

impl AnalyzerBuilder {
    /// Takes another detector than the bundled one.
    #[must_use]
    pub fn detector(mut self, model: Model) -> AnalyzerBuilder {
        self.detector = Some(model);
        self
    }

    /// Takes another embedder than the bundled one.
    #[must_use]
    pub fn embedder(mut self, model: Model) -> AnalyzerBuilder {
        self.embedder = Some(model);
        self
    }

    /// Sets how many threads share one run of a network. Default 1: with several photos at once, one thread per photo is
    /// fastest.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> AnalyzerBuilder {
        self.load = self.load.threads(threads);
        self
    }

    /// Sets the runtime that computes the networks. Default: the fastest that can.
    #[must_use]
    pub fn runtime(mut self, runtime: Runtime) -> AnalyzerBuilder {
        self.load = self.load.runtime(runtime);
        self
    }

    /// Sets the precision in which the networks are computed. Default: for the models inside the binary
    /// the fastest on this processor of those that cost no accuracy; f32 for others.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> AnalyzerBuilder {
        self.load = self.load.precision(precision);
        self
    }

    /// Sets mirror augmentation of the embedder, see [`Embedder::mirror`]. Default: on.
    #[must_use]
    pub fn mirror(mut self, mirror: bool) -> AnalyzerBuilder {
        self.mirror = mirror;
        self
    }

    /// Loads the networks.
    ///
    /// # Errors
    /// As [`Detector::load`] and [`Embedder::load`]; [`FaceError::NoModel`] for a model that was not chosen where the library
    /// is built without the feature `bundled`.
    pub fn build(self) -> Result<Analyzer, FaceError> {
        #[cfg(feature = "bundled")]
        let (detector, embedder) = (Model::bundled_detector, Model::bundled_embedder);
        #[cfg(not(feature = "bundled"))]
        let (detector, embedder) =
            (|| Err(FaceError::NoModel("detector")), || Err(FaceError::NoModel("embedder")));
        let detector = self.detector.map_or_else(detector, Ok)?;
        let embedder = self.embedder.map_or_else(embedder, Ok)?;
        // Side by side, since the first template of a process waits for both.
        let ((detector, id), embedder) = both(
            || (Detector::load(&detector, &self.load), embedder.id()),
            || Embedder::load_network(&embedder, &self.load),
        );
        Ok(Analyzer { detector: detector?, embedder: embedder?(id).mirror(self.mirror) })
    }
}

/// Does two things at the same time, or one after the other where the system gives no further thread.
fn both<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let aside = std::thread::Builder::new().name("phiz-load".into()).spawn_scoped(scope, &first);
        let second = second();
        let first = match aside {
            Ok(aside) => aside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => first(),
        };
        (first, second)
    })
}

impl Analyzer {
    /// Loads the models inside the binary, with one thread and mirror augmentation.
    ///
    /// # Errors
    /// Only if this build is broken.
    #[cfg(feature = "bundled")]
    pub fn new() -> Result<Analyzer, FaceError> {
        AnalyzerBuilder::default().build()
    }

    /// Chooses models, runtime and threads.
    #[must_use]
    pub fn builder() -> AnalyzerBuilder {
        AnalyzerBuilder::default()
    }

    /// Puts together a detector and an embedder that are loaded already.
    #[must_use]
    pub fn of(detector: Detector, embedder: Embedder) -> Analyzer {
        Analyzer { detector, embedder }
    }

    /// The detector.
    #[must_use]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The embedder.
    #[must_use]
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// All faces of a photo, largest first, found with the default options.
    ///
    /// # Errors
    /// As [`Detector::detect`] and [`Embedder::embed`].
    pub fn analyze<'a>(&self, image: impl Into<ImageView<'a>>) -> Result<Vec<Face>, FaceError> {
        self.analyze_with(image, &DetectOptions::default())
    }

    /// All faces of a photo, largest first.
    ///
    /// # Errors
    /// As [`Detector::detect`] and [`Embedder::embed`].
    pub fn analyze_with<'a>(
        &self,
        image: impl Into<ImageView<'a>>,
        options: &DetectOptions,
    ) -> Result<Vec<Face>, FaceError> {
        let image = image.into();
        self.describe_all(image, self.detector.detect(image, options)?)
    }

    /// Everything about faces that were found in a photo, in their order. They go through the embedder together.
    ///
    /// # Errors
    /// The same errors as [`Embedder::embed`].
    pub fn describe_all<'a>(
        &self,
        image: impl Into<ImageView<'a>>,
        found: Vec<Detection>,
    ) -> Result<Vec<Face>, FaceError> {
        self.describe_aligned(self.align_all(image, found))
    }

    /// Cuts out faces that were found in a photo, in their order. Afterwards the photo is no longer needed.
    pub fn align_all<'a>(&self, image: impl Into<ImageView<'a>>, found: Vec<Detection>) -> Vec<AlignedFace> {
        let image = image.into();
        let aligned = |detection: Detection| AlignedFace { picture: align(image, &detection), detection };
        found.into_iter().map(aligned).collect()
    }

    /// Everything about aligned faces, in their order. They go through the embedder together, also those of several photos.
    ///
    /// # Errors
    /// The same errors as [`Embedder::embed`].
    pub fn describe_aligned(&self, faces: Vec<AlignedFace>) -> Result<Vec<Face>, FaceError> {
        let (found, pictures): (Vec<_>, Vec<_>) =
            faces.into_iter().map(|face| (face.detection, face.picture)).unzip();
        let templates = self.embedder.embed(&pictures)?;
        let faces = found.into_iter().zip(&pictures).zip(templates);
        Ok(faces
            .map(|((detection, picture), template)| {
                let quality = quality(&detection, picture);
                Face { pose: pose(&detection.landmarks), quality, template, detection }
            })
            .collect())
    }

    /// Everything about one face that was found in a photo.
    ///
    /// # Errors
    /// The same errors as [`Embedder::embed`].
    pub fn describe<'a>(
        &self,
        image: impl Into<ImageView<'a>>,
        detection: Detection,
    ) -> Result<Face, FaceError> {
        let aligned = align(image, &detection);
        let template = self.embedder.embed_one(&aligned)?;
        let quality = quality(&detection, &aligned);
        Ok(Face { pose: pose(&detection.landmarks), quality, template, detection })
    }
}

/// Short ways to what the two parts do.
impl Analyzer {
    /// The faces of a photo, largest first, without describing them: [`Detector::detect`].
    ///
    /// # Errors
    /// The same errors as [`Detector::detect`].
    pub fn detect<'a>(
        &self,
        image: impl Into<ImageView<'a>>,
        options: &DetectOptions,
    ) -> Result<Vec<Detection>, FaceError> {
        self.detector.detect(image, options)
    }

    /// What the first stage alone takes for faces, see [`Detector::candidates`].
    ///
    /// # Errors
    /// The same errors as [`Detector::candidates`].
    pub fn candidates<'a>(
        &self,
        picture: impl Into<ImageView<'a>>,
        min_face: f32,
        floor: f32,
    ) -> Result<Vec<Detection>, FaceError> {
        self.detector.candidates(picture, min_face, floor)
    }

    /// What the detector's network says of a picture as it is, see [`Detector::infer`].
    ///
    /// # Errors
    /// The same errors as [`Detector::infer`].
    pub fn look(&self, picture: &Image, floor: f32) -> Result<Vec<Detection>, FaceError> {
        self.detector.infer(picture, floor)
    }

    /// The 112×112 picture that the embedder reads: [`fn@align`].
    #[must_use]
    pub fn align<'a>(&self, image: impl Into<ImageView<'a>>, detection: &Detection) -> Image {
        align(image, detection)
    }

    /// The template of an aligned face: [`Embedder::embed_one`].
    ///
    /// # Errors
    /// The same errors as [`Embedder::embed`].
    pub fn embed_aligned(&self, aligned: &Image) -> Result<Template, FaceError> {
        self.embedder.embed_one(aligned)
    }

    /// The embedder's card: its thresholds say what a similarity means.
    #[must_use]
    pub fn embedder_card(&self) -> &Card {
        self.embedder.card()
    }

    /// The identity that templates carry: [`Embedder::model_id`].
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        self.embedder.model_id()
    }

    /// Numbers in a template: [`Embedder::dim`].
    #[must_use]
    pub fn dim(&self) -> usize {
        self.embedder.dim()
    }
}
