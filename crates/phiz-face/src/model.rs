//! A network that can be loaded: its card and the bytes of its files.

use std::borrow::Cow;
use std::path::Path;

#[cfg(feature = "bundled")]
use phiz_net::bundled;
use phiz_net::card::Card;
use phiz_template::ModelId;

use crate::FaceError;

/// A detector or an embedder before it is loaded: its card and the bytes of its ONNX files.
#[derive(Clone, Debug)]
pub struct Model {
    card: Card,
    onnx: Cow<'static, [u8]>,
    refinement: Option<Cow<'static, [u8]>>,
}

impl Model {
    /// Reads a model card and the ONNX files beside it that it names.
    ///
    /// # Errors
    /// [`FaceError::Card`] if a file cannot be read or the card cannot be used.
    pub fn open(card: &Path) -> Result<Model, FaceError> {
        let path = card;
        let (card, onnx) = Card::open(path)?;
        let refinement = card.refinement.as_deref().map(|file| Card::beside(path, file)).transpose()?;
        Ok(Model { card, onnx: onnx.into(), refinement: refinement.map(Cow::from) })
    }

    /// A model whose files are in memory: the card, the bytes of the ONNX file, and for a detector whose card names one
    /// ([`Card::refinement`]) the bytes of the network of its refinement stage.
    ///
    /// # Errors
    /// [`FaceError::Card`] if the card cannot be used, or names a network for the refinement stage that is not given, or
    /// the other way round.
    pub fn new(card: Card, onnx: Vec<u8>, refinement: Option<Vec<u8>>) -> Result<Model, FaceError> {
        card.check()?;
        if card.refinement.is_some() != refinement.is_some() {
            let reason = "second: the network that it names must be given, and none that it does not name";
            return Err(phiz_net::card::CardError { path: None, reason: reason.into() }.into());
        }
        Ok(Model { card, onnx: onnx.into(), refinement: refinement.map(Cow::from) })
    }
}

/// The models inside the binary.
#[cfg(feature = "bundled")]
impl Model {
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

    /// The small embedder inside the binary: less exact, about a third of the time. Its templates cannot be compared with
    /// those of [`Model::bundled_embedder`].
    ///
    /// # Errors
    /// Only if this build's card is broken, which its tests rule out.
    pub fn small_embedder() -> Result<Model, FaceError> {
        Model::bundled(bundled::SMALL_EMBEDDER, None)
    }

    fn bundled(
        (card, onnx): (&str, &'static [u8]),
        refinement: Option<&'static [u8]>,
    ) -> Result<Model, FaceError> {
        let refinement = refinement.map(Cow::Borrowed);
        Ok(Model { card: Card::from_toml(card)?, onnx: Cow::Borrowed(onnx), refinement })
    }
}

impl Model {
    /// Whether it is one of those inside the binary, whose accuracy is measured in each precision.
    pub(crate) fn is_bundled(&self) -> bool {
        matches!(self.onnx, Cow::Borrowed(_))
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The identity of weights and preprocessing, see [`Card::model_id`]. The network of the refinement stage counts, too.
    #[must_use]
    pub fn id(&self) -> ModelId {
        match &self.refinement {
            Some(refinement) => self.card.model_id(&[&self.onnx[..], refinement].concat()),
            None => self.card.model_id(&self.onnx),
        }
    }

    pub(crate) fn onnx(&self) -> &[u8] {
        &self.onnx
    }

    pub(crate) fn refinement(&self) -> Option<&[u8]> {
        self.refinement.as_deref()
    }
}
