//! From aligned faces to templates.

use std::sync::atomic::{AtomicBool, Ordering};

use phiz_engine::{Instructions, LoadOptions, Precision};
use phiz_image::Image;
use phiz_net::card::{Card, Decode};
use phiz_template::{ModelId, Template, Thresholds};

use crate::align::ALIGNED_SIZE;
use crate::network::Loaded;
use crate::{FaceError, Model};

/// So many pictures, mirror images included, go through the network at a time: more need more memory and gain nothing.
const TOGETHER: usize = 16;

/// Turns aligned faces into templates.
///
/// It may be shared by threads; each call computes on the threads that [`LoadOptions::threads`] allows, and one thread
/// per call is fastest where there are several photos.
pub struct Embedder {
    card: Card,
    id: ModelId,
    network: Loaded,
    dim: usize,
    mirror: bool,
    /// The network takes one picture at a time: its file says so, or it has answered a batch in another shape.
    one_by_one: AtomicBool,
}

impl Embedder {
    /// Loads an embedder, with mirror augmentation ([`Embedder::mirror`]).
    ///
    /// # Errors
    /// [`FaceError::Network`] if the network cannot be loaded; [`FaceError::Decode`] if the model is no embedder;
    /// [`FaceError::InputSize`] if the network takes no pictures of 112×112 pixels.
    pub fn load(model: &Model, options: &LoadOptions) -> Result<Embedder, FaceError> {
        Ok(Embedder::load_network(model, options)?(model.id()))
    }

    /// As [`Embedder::load`], for whoever computes the model's identity in the meantime.
    pub(crate) fn load_network(
        model: &Model,
        options: &LoadOptions,
    ) -> Result<impl FnOnce(ModelId) -> Embedder + use<>, FaceError> {
        let card = model.card().clone();
        // By AMX bf16 is at least as fast as eight bits, and more exact; elsewhere eight bits are faster.
        let faster = [
            (Precision::Bf16, Instructions::Amx),
            (Precision::Int8, Instructions::Measured),
            (Precision::Bf16, Instructions::Measured),
        ];
        let measured = if model.is_bundled() { &faster[..] } else { &[] };
        let network = Loaded::new(&card, model.onnx(), measured, options)?;
        if card.output.decode != Decode::Arcface {
            return Err(network.unlike("is no embedder"));
        }
        let batch = network.check_input(ALIGNED_SIZE, ALIGNED_SIZE)?;
        let declared = network.outputs().first().and_then(|port| port.shape.last().copied().flatten());
        let dim = match declared {
            Some(dim) => dim,
            None => {
                let black = Image::from_rgb(ALIGNED_SIZE, ALIGNED_SIZE, vec![0; AREA * 3]);
                let black = black.map_err(|error| network.unlike(error.to_string()))?;
                network.run(&[&black], |outputs| outputs.first().map_or(0, |output| output.data.len()))?
            }
        };
        if dim == 0 {
            return Err(network.unlike("has an output without values"));
        }
        let one_by_one = AtomicBool::new(batch.is_some());
        Ok(move |id| Embedder { id, card, network, dim, mirror: true, one_by_one })
    }

    /// Loads the embedder inside the binary, on one thread.
    ///
    /// # Errors
    /// Only if this build is broken.
    #[cfg(feature = "bundled")]
    pub fn bundled() -> Result<Embedder, FaceError> {
        Embedder::load(&Model::bundled_embedder()?, &LoadOptions::default())
    }

    /// Chooses whether a face is also embedded in the mirror and its template is the mean of both (mirror augmentation,
    /// the default). Without it embedding takes half the time. Templates of either kind may be compared with each other,
    /// and the same thresholds hold.
    #[must_use]
    pub fn mirror(mut self, mirror: bool) -> Embedder {
        self.mirror = mirror;
        self
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The identity that its templates carry.
    #[must_use]
    pub fn model_id(&self) -> &ModelId {
        &self.id
    }

    /// Numbers in a template; never 0.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Which similarity of templates stands for which false match rate; none if nobody has measured it.
    #[must_use]
    pub fn thresholds(&self) -> Option<&Thresholds> {
        self.card.thresholds.as_ref()
    }

    /// The templates of aligned faces ([`crate::align`]), one for each, in their order.
    ///
    /// All faces go through the network together, each with its mirror image if that is wanted. A template depends on
    /// its own face only.
    ///
    /// # Errors
    /// [`FaceError::NotAligned`] for a picture that is not 112×112 pixels; a network that fails.
    pub fn embed(&self, aligned: &[Image]) -> Result<Vec<Template>, FaceError> {
        let wrong = aligned.iter().find(|face| (face.width(), face.height()) != (ALIGNED_SIZE, ALIGNED_SIZE));
        if let Some(face) = wrong {
            return Err(FaceError::NotAligned(face.width(), face.height()));
        }
        if !self.mirror {
            return self.directions(&aligned.iter().collect::<Vec<_>>());
        }
        let mut templates = Vec::with_capacity(aligned.len());
        for faces in aligned.chunks(TOGETHER / 2) {
            let mirrored: Vec<Image> = faces.iter().map(Image::mirrored).collect();
            let pictures: Vec<&Image> = faces.iter().zip(&mirrored).flat_map(|(f, m)| [f, m]).collect();
            for pair in self.directions(&pictures)?.chunks_exact(2) {
                let [own, mirror] = [pair[0].vector(), pair[1].vector()];
                templates.push(self.unit(own.iter().zip(mirror).map(|(v, m)| v + m).collect())?);
            }
        }
        Ok(templates)
    }

    /// The template of one aligned face.
    ///
    /// # Errors
    /// The same errors as [`Embedder::embed`].
    pub fn embed_one(&self, aligned: &Image) -> Result<Template, FaceError> {
        let templates = self.embed(std::slice::from_ref(aligned))?;
        templates.into_iter().next().ok_or_else(|| self.network.unlike("gave no template"))
    }

    /// What the network says of each picture, brought to unit length.
    fn directions(&self, pictures: &[&Image]) -> Result<Vec<Template>, FaceError> {
        let mut templates = Vec::with_capacity(pictures.len());
        for together in pictures.chunks(TOGETHER) {
            let values = self.values(together)?;
            for vector in values.chunks_exact(self.dim) {
                templates.push(self.unit(vector.to_vec())?);
            }
        }
        Ok(templates)
    }

    /// The network's answers to some pictures, one after the other.
    fn values(&self, pictures: &[&Image]) -> Result<Vec<f32>, FaceError> {
        if pictures.len() > 1 && !self.one_by_one.load(Ordering::Relaxed) {
            let answer = self.network.run(pictures, |outputs| self.read(outputs, pictures.len()));
            if let Ok(Ok(values)) = answer {
                return Ok(values);
            }
            // Some exporters fix a batch of one inside the network though its input leaves it open.
            self.one_by_one.store(true, Ordering::Relaxed);
        }
        let mut all = Vec::with_capacity(pictures.len() * self.dim);
        for picture in pictures {
            all.extend(self.network.run(&[picture], |outputs| self.read(outputs, 1))??);
        }
        Ok(all)
    }

    fn read(&self, outputs: &[phiz_engine::Tensor], faces: usize) -> Result<Vec<f32>, FaceError> {
        let first = outputs.first().ok_or_else(|| self.network.unlike("has no output"))?;
        let batch = first.shape.first().copied().unwrap_or(0);
        if first.data.len() != faces * self.dim || faces > 1 && batch != faces {
            let reason = format!("answers {:?} to {faces} faces of {} numbers", first.shape, self.dim);
            return Err(self.network.unlike(reason));
        }
        Ok(first.data.clone())
    }

    fn unit(&self, vector: Vec<f32>) -> Result<Template, FaceError> {
        Template::normalised(self.id.clone(), vector)
            .map_err(|error| self.network.unlike(format!("gave no template ({error})")))
    }
}

const AREA: usize = (ALIGNED_SIZE * ALIGNED_SIZE) as usize;
