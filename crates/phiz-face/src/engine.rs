//! The pair of models, and everything that is done to one photo.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use phiz_engine::{LoadOptions, Network, Tensor};
use phiz_image::Image;
use phiz_net::bundled;
use phiz_net::card::{Card, CardError, Decode, Order, Output};
use phiz_template::{ModelId, Template, TemplateError};

use crate::align::{ALIGNED_SIZE, alignment};
use crate::decode::decode;
use crate::detect::{DetectOptions, Detection, Rotate, looks, suppress};
use crate::quality::{Pose, pose, quality};
use crate::second::{self, SecondLook};

/// A card and its networks' bytes.
#[derive(Clone, Debug)]
pub struct Model {
    card: Card,
    onnx: Vec<u8>,
    second: Option<Vec<u8>>,
}

impl Model {
    /// From a model card; the ONNX file lies beside it.
    ///
    /// # Errors
    /// Either file cannot be read or used.
    pub fn open(card: &Path) -> Result<Model, FaceError> {
        let path = card;
        let (card, onnx) = Card::open(path)?;
        let second = card.second.as_deref().map(|file| Card::beside(path, file)).transpose()?;
        Ok(Model { card, onnx, second })
    }

    /// The detector inside the binary.
    ///
    /// # Errors
    /// Only if this build's card is broken, which its tests rule out.
    pub fn bundled_detector() -> Result<Model, FaceError> {
        Model::bundled(bundled::DETECTOR, Some(bundled::SECOND))
    }

    /// The embedder inside the binary.
    ///
    /// # Errors
    /// Only if this build's card is broken, which its tests rule out.
    pub fn bundled_embedder() -> Result<Model, FaceError> {
        Model::bundled(bundled::EMBEDDER, None)
    }

    /// The small detector inside the binary: less exact, about half the time.
    ///
    /// # Errors
    /// Only if this build's card is broken, which its tests rule out.
    pub fn small_detector() -> Result<Model, FaceError> {
        Model::bundled(bundled::SMALL_DETECTOR, Some(bundled::SMALL_SECOND))
    }

    /// The small embedder inside the binary: less exact, about a third of the time. Its templates are not comparable with
    /// those of [`Model::bundled_embedder`].
    ///
    /// # Errors
    /// Only if this build's card is broken, which its tests rule out.
    pub fn small_embedder() -> Result<Model, FaceError> {
        Model::bundled(bundled::SMALL_EMBEDDER, None)
    }

    fn bundled((card, onnx): (&str, &[u8]), second: Option<&[u8]>) -> Result<Model, FaceError> {
        Ok(Model { card: Card::from_toml(card)?, onnx: onnx.to_vec(), second: second.map(<[u8]>::to_vec) })
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// See [`Card::model_id`]; a second network counts, too.
    #[must_use]
    pub fn id(&self) -> ModelId {
        match &self.second {
            Some(second) => self.card.model_id(&[self.onnx.as_slice(), second].concat()),
            None => self.card.model_id(&self.onnx),
        }
    }
}

/// A face and all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// Where it is.
    pub detection: Detection,
    /// How the head is turned.
    pub pose: Pose,
    /// How much it is worth to the embedder, 0 to 1, see [`crate::quality`].
    pub quality: f32,
    /// What identifies it.
    pub template: Template,
}

/// Why faces could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// A model card cannot be used.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A network cannot be loaded or run.
    #[error("model {model:?}: {source}")]
    Network {
        /// Its name.
        model: String,
        /// Why.
        source: phiz_engine::EngineError,
    },
    /// A network answers in another way than its card says.
    #[error("model {model:?} {reason}: does its card name the right output.decode?")]
    Decode {
        /// Its name.
        model: String,
        /// What is unexpected.
        reason: String,
    },
    /// The caller gave something of the wrong size.
    #[error("an aligned face is {ALIGNED_SIZE}×{ALIGNED_SIZE} pixels, not {0}×{1}")]
    NotAligned(u32, u32),
}

struct Loaded {
    card: Card,
    id: ModelId,
    network: Box<dyn Network>,
}

impl Loaded {
    fn new(model: &Model, onnx: &[u8], options: &LoadOptions) -> Result<Loaded, FaceError> {
        let network = phiz_engine::load(onnx, options)
            .map_err(|source| FaceError::Network { model: model.card.name.clone(), source })?;
        Ok(Loaded { card: model.card.clone(), id: model.id(), network })
    }

    fn run(&self, pictures: &[Image]) -> Result<Vec<Tensor>, FaceError> {
        let failed = |source| FaceError::Network { model: self.card.name.clone(), source };
        let input = &self.card.input;
        let (w, h) = (pictures[0].width() as usize, pictures[0].height() as usize);
        let mut data = vec![0f32; pictures.len() * 3 * w * h];
        for (picture, planes) in pictures.iter().zip(data.chunks_exact_mut(3 * w * h)) {
            for (channel, plane) in planes.chunks_exact_mut(w * h).enumerate() {
                let from = if input.order == Order::Rgb { channel } else { 2 - channel };
                let (factor, offset) = (1.0 / input.std[channel], -input.mean[channel] / input.std[channel]);
                for (value, pixel) in plane.iter_mut().zip(picture.pixels().chunks_exact(3)) {
                    *value = f32::from(pixel[from]) * factor + offset;
                }
            }
        }
        let tensor = Tensor::new(vec![pictures.len(), 3, h, w], data).map_err(failed)?;
        self.network.run(&tensor).map_err(failed)
    }
}

/// A detector (with what looks at its faces again) and an embedder, ready to work.
pub struct Engine {
    detector: Loaded,
    second: Option<Loaded>,
    embedder: Loaded,
    mirror: bool,
}

/// Chooses models, threads and looks of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    detector: Option<Model>,
    embedder: Option<Model>,
    threads: usize,
    mirror: bool,
}

impl Default for EngineBuilder {
    fn default() -> EngineBuilder {
        EngineBuilder { detector: None, embedder: None, threads: 1, mirror: true }
    }
}

impl EngineBuilder {
    /// Another detector than the bundled one.
    #[must_use]
    pub fn detector(mut self, model: Model) -> EngineBuilder {
        self.detector = Some(model);
        self
    }

    /// Another embedder than the bundled one.
    #[must_use]
    pub fn embedder(mut self, model: Model) -> EngineBuilder {
        self.embedder = Some(model);
        self
    }

    /// Threads that share one network's run; 1 unless set.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> EngineBuilder {
        self.threads = threads;
        self
    }

    /// Whether a face is also embedded in the mirror, and its template the mean of both, which is so unless unset. Without,
    /// describing a face takes half the time. Templates of either kind may be compared: the same thresholds hold.
    #[must_use]
    pub fn mirror(mut self, mirror: bool) -> EngineBuilder {
        self.mirror = mirror;
        self
    }

    /// Loads the networks.
    ///
    /// # Errors
    /// A network that cannot be loaded, or a detector in the embedder's place or the other way round.
    pub fn build(self) -> Result<Engine, FaceError> {
        let options = LoadOptions::default().threads(self.threads);
        let detector = self.detector.map_or_else(Model::bundled_detector, Ok)?;
        let embedder = self.embedder.map_or_else(Model::bundled_embedder, Ok)?;
        for (model, embeds) in [(&detector, false), (&embedder, true)] {
            if (model.card.output.decode == Decode::Arcface) != embeds {
                let reason = if embeds { "is no embedder" } else { "is no detector" };
                return Err(FaceError::Decode { model: model.card.name.clone(), reason: reason.into() });
            }
        }
        Ok(Engine {
            detector: Loaded::new(&detector, &detector.onnx, &options)?,
            second: detector
                .second
                .as_ref()
                .map(|onnx| Loaded::new(&detector, onnx, &options))
                .transpose()?,
            embedder: Loaded::new(&embedder, &embedder.onnx, &options)?,
            mirror: self.mirror,
        })
    }
}

impl Engine {
    /// The bundled models, one thread, a look at each face and one at its mirror image.
    ///
    /// # Errors
    /// Only if this build is broken.
    pub fn new() -> Result<Engine, FaceError> {
        EngineBuilder::default().build()
    }

    /// Chooses models, threads and looks.
    #[must_use]
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The embedder's card: its thresholds say what a similarity means.
    #[must_use]
    pub fn embedder_card(&self) -> &Card {
        &self.embedder.card
    }

    /// The embedder's identity, see [`Card::model_id`].
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        &self.embedder.id
    }

    /// Numbers in a template; 0 if the network's file does not tell before it has run.
    #[must_use]
    pub fn dim(&self) -> usize {
        let shape = self.embedder.network.outputs().first().map(|port| port.shape.as_slice());
        shape.and_then(|shape| shape.last().copied().flatten()).unwrap_or(0)
    }

    /// All faces, largest first.
    ///
    /// # Errors
    /// A network that fails.
    pub fn analyze(&self, image: &Image) -> Result<Vec<Face>, FaceError> {
        self.analyze_with(image, &DetectOptions::default())
    }

    /// All faces, largest first.
    ///
    /// # Errors
    /// A network that fails.
    pub fn analyze_with(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Face>, FaceError> {
        self.detect(image, options)?.into_iter().map(|d| self.describe(image, d)).collect()
    }

    /// [`Engine::analyze_with`] of many pictures on so many threads; results in the order of the pictures.
    #[must_use]
    pub fn analyze_batch(
        &self,
        images: &[Image],
        options: &DetectOptions,
        threads: usize,
    ) -> Vec<Result<Vec<Face>, FaceError>> {
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Option<_>>> = images.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, images.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(image), Some(slot)) = (images.get(index), results.get(index)) else {
                            return;
                        };
                        let result = self.analyze_with(image, options);
                        *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
                    }
                });
            }
        });
        let take =
            |slot: Mutex<Option<_>>| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.into_iter().filter_map(take).collect()
    }

    /// Where faces are, largest first, without describing them.
    ///
    /// # Errors
    /// A network that fails.
    pub fn detect(&self, image: &Image, options: &DetectOptions) -> Result<Vec<Detection>, FaceError> {
        let turns = if options.rotate == Rotate::Auto { 0..4u8 } else { 0..1 };
        let mut output = self.detector.card.output;
        if let Some(score) = options.score {
            output = Output { score, beside: None, ..output };
        }
        // Other people's detectors are used as their authors mean them.
        let twice = output.decode == Decode::Phiz;
        let floor = if twice { output.score * second::FLOOR } else { output.enough(f32::INFINITY) };
        let (width, height) = image.original_size();
        let mut found = Vec::new();
        for turn in turns {
            let turned;
            let picture = if turn == 0 {
                image
            } else {
                turned = image.rotate90(turn);
                &turned
            };
            let (w, h) = (width as f32, height as f32);
            // Back by as many quarter turns: what was turned clockwise is turned anticlockwise.
            let back = |[x, y]: [f32; 2]| match turn {
                0 => [x, y],
                1 => [y, h - x],
                2 => [w - x, h - y],
                _ => [w - y, x],
            };
            let mut here = self.candidates(picture, options.min_face, floor)?;
            if twice {
                here = self.look_again(picture, here, output.enough(f32::INFINITY))?;
            }
            found.extend(here.into_iter().map(|d| d.map(back)));
        }
        found.retain(|d| d.size() >= 0.5 * options.min_face);
        let surest = found.iter().map(|d| d.score).fold(0.0, f32::max);
        found.retain(|d| d.score >= output.enough(surest));
        let mut kept = suppress(found, output.iou);
        kept.sort_by(|a, b| b.size().total_cmp(&a.size()));
        Ok(kept)
    }

    /// What first looks alone take for faces, from a score of `floor` on, by falling score: what the second look
    /// judges, and what it is trained on.
    ///
    /// # Errors
    /// A network that fails.
    pub fn candidates(
        &self,
        picture: &Image,
        min_face: f32,
        floor: f32,
    ) -> Result<Vec<Detection>, FaceError> {
        let mut found = Vec::new();
        for look in looks(picture.width(), picture.height(), picture.scale(), min_face) {
            let (view, factors) = look.view(picture);
            let seen = self.look(&view, floor)?.into_iter().filter(|d| d.size() >= look.at_least);
            found.extend(seen.map(|d| d.map(|p| look.to_original(p, factors, picture.scale()))));
        }
        Ok(suppress(found, self.detector.card.output.iou))
    }

    /// What the detector says of a picture just as it is, in its pixels, from a score of `floor` on: one run of the
    /// network, nothing enlarged, looked at again or suppressed. Sides should be multiples of 32.
    ///
    /// # Errors
    /// A network that fails.
    pub fn look(&self, view: &Image, floor: f32) -> Result<Vec<Detection>, FaceError> {
        let size = (view.width() as usize, view.height() as usize);
        let outputs = self.detector.run(std::slice::from_ref(view))?;
        let names: Vec<&str> = self.detector.network.outputs().iter().map(|p| p.name.as_str()).collect();
        decode(self.detector.card.output.decode, &names, &outputs, size, floor)
            .map_err(|reason| self.undecoded(reason))
    }

    /// Looks at each face again and in the mirror, see [`second`]. `found` is in order of falling score; `asked` is the
    /// score that a face needs in the end.
    fn look_again(
        &self,
        picture: &Image,
        mut found: Vec<Detection>,
        asked: f32,
    ) -> Result<Vec<Detection>, FaceError> {
        let most = found.len().min(second::MOST);
        let again = &mut found[..most];
        match &self.second {
            Some(network) => {
                for faces in again.chunks_mut(second::TOGETHER) {
                    self.ask_specialist(network, picture, faces, asked)?;
                }
            }
            None => {
                for face in again {
                    let look = SecondLook::at(face, picture.scale(), second::DETECTOR);
                    let view = look.view(picture);
                    let mirrored = view.mirrored();
                    let seen = self.look(&view, second::LEAST)?;
                    let in_mirror = self.look(&mirrored, second::LEAST)?;
                    let back = |d: Detection| d.mirrored(mirrored.width() as f32);
                    look.combine(face, [seen, in_mirror.into_iter().map(back).collect()]);
                }
            }
        }
        Ok(found)
    }

    /// Has the network that only looks again judge these faces, in the mirror, too, where that may decide.
    fn ask_specialist(
        &self,
        network: &Loaded,
        picture: &Image,
        faces: &mut [Detection],
        asked: f32,
    ) -> Result<(), FaceError> {
        let see = |views: &[Image]| {
            let outputs = network.run(views)?;
            second::read(&outputs, views.len()).map_err(|reason| self.undecoded(reason))
        };
        let looks: Vec<SecondLook> =
            faces.iter().map(|f| SecondLook::at(f, picture.scale(), second::SPECIALIST)).collect();
        let views: Vec<Image> = looks.iter().map(|look| look.view(picture)).collect();
        let seen = see(&views)?;
        let undecided: Vec<usize> =
            (0..faces.len()).filter(|&i| second::undecided(&faces[i], seen[i].score, asked)).collect();
        let mut in_mirror = vec![None; faces.len()];
        if !undecided.is_empty() {
            let mirrored: Vec<Image> = undecided.iter().map(|&i| views[i].mirrored()).collect();
            for (&i, d) in undecided.iter().zip(see(&mirrored)?) {
                in_mirror[i] = Some(d.mirrored(mirrored[0].width() as f32));
            }
        }
        for (((face, look), once), twice) in faces.iter_mut().zip(&looks).zip(seen).zip(in_mirror) {
            let seen: Vec<Detection> = [Some(once), twice].into_iter().flatten().collect();
            look.judge(face, &seen);
        }
        Ok(())
    }

    fn undecoded(&self, reason: String) -> FaceError {
        FaceError::Decode { model: self.detector.card.name.clone(), reason }
    }

    /// Everything about a face that was found.
    ///
    /// # Errors
    /// A network that fails.
    pub fn describe(&self, image: &Image, detection: Detection) -> Result<Face, FaceError> {
        let aligned = self.align(image, &detection);
        let template = self.embed_aligned(&aligned)?;
        let quality = quality(&detection, &aligned);
        Ok(Face { pose: pose(&detection.landmarks), quality, template, detection })
    }

    /// The 112×112 picture that the embedder reads.
    #[must_use]
    pub fn align(&self, image: &Image, detection: &Detection) -> Image {
        let scaled = detection.landmarks.map(|p| p.map(|v| v * image.scale()));
        let [x, y, w, h] = detection.bbox.map(|v| v * image.scale());
        // Landmarks that coincide tell no turn: then the box does.
        let transform = alignment(&scaled).or_else(|| {
            phiz_image::Similarity::estimate(&[[x, y], [x + w, y + h]], &[[16.0, 4.0], [96.0, 108.0]])
        });
        match transform {
            Some(t) => image.warp(&t, ALIGNED_SIZE, ALIGNED_SIZE),
            None => image.resize(ALIGNED_SIZE, ALIGNED_SIZE),
        }
    }

    /// The template of an aligned face, see [`EngineBuilder::mirror`].
    ///
    /// # Errors
    /// A picture that is not 112×112, or a network that fails.
    pub fn embed_aligned(&self, aligned: &Image) -> Result<Template, FaceError> {
        if (aligned.width(), aligned.height()) != (ALIGNED_SIZE, ALIGNED_SIZE) {
            return Err(FaceError::NotAligned(aligned.width(), aligned.height()));
        }
        let template = self.direction(aligned)?;
        if !self.mirror {
            return Ok(template);
        }
        let mirrored = self.direction(&aligned.mirrored())?;
        let sum = template.vector().iter().zip(mirrored.vector()).map(|(v, m)| v + m).collect();
        self.unit(sum)
    }

    /// What the embedder says of one picture, brought to unit length.
    fn direction(&self, aligned: &Image) -> Result<Template, FaceError> {
        let outputs = self.embedder.run(std::slice::from_ref(aligned))?;
        let first = outputs.into_iter().next().ok_or_else(|| self.no_template("has no output"))?;
        self.unit(first.data)
    }

    fn unit(&self, vector: Vec<f32>) -> Result<Template, FaceError> {
        let unit = Template::normalised(self.embedder.id.clone(), vector);
        unit.map_err(|error: TemplateError| self.no_template(&format!("gave no template ({error})")))
    }

    fn no_template(&self, reason: &str) -> FaceError {
        FaceError::Decode { model: self.embedder.card.name.clone(), reason: reason.into() }
    }
}
