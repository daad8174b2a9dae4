//! Model cards: what a network needs to be fed, how its answer is read, and what it is worth.
//!
//! A card is a TOML file beside the ONNX file that it names. Any detector or embedder whose decoding is known
//! ([`Decode`]) can be used in place of the bundled ones.
//!
//! ```
//! let card = phiz_net::card::Card::from_toml(r#"
//!     name = "mine"
//!     file = "mine.onnx"
//!     licence = "MIT"
//!     [input]
//!     width = 112
//!     height = 112
//!     order = "rgb"
//!     mean = [127.5, 127.5, 127.5]
//!     std = [127.5, 127.5, 127.5]
//!     [output]
//!     decode = "arcface"
//!     [thresholds]
//!     quantiles = [[1e-2, 0.2], [1e-4, 0.4]]
//! "#)?;
//! assert!((card.thresholds.as_ref().unwrap().similarity_at(1e-3) - 0.3).abs() < 1e-6);
//! # Ok::<(), phiz_net::card::CardError>(())
//! ```

use std::path::{Path, PathBuf};

use phiz_template::{ModelId, Thresholds};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A model card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name for people.
    pub name: String,
    /// The ONNX file, beside the card.
    pub file: PathBuf,
    /// Terms under which the weights may be used.
    pub licence: String,
    /// How pictures are fed.
    pub input: Input,
    /// How answers are read.
    pub output: Output,
    /// For a detector: the network that looks at each face again, [`crate::zoo::second`], beside the card. A detector of
    /// ours without one looks twice itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<PathBuf>,
    /// For an embedder: which similarity stands for which false match rate.
    #[serde(default)]
    pub thresholds: Option<Thresholds>,
    /// Everything else that a reader should know: architecture, data, recipe, seed, hours, figures, weaknesses.
    #[serde(default)]
    pub about: toml::Table,
}

/// How pictures are fed: `(value − mean) / std` on 0 to 255, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Columns; 0 for any multiple of 32.
    pub width: u32,
    /// Rows; 0 for any multiple of 32.
    pub height: u32,
    /// Order of the channels.
    pub order: Order,
    /// Subtracted, in the order of the channels as fed.
    pub mean: [f32; 3],
    /// Divided by, in the order of the channels as fed.
    pub std: [f32; 3],
}

/// Order of colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV has it.
    Bgr,
}

/// How answers are read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Which reading.
    pub decode: Decode,
    /// Detections below are dropped.
    #[serde(default = "Output::default_score")]
    pub score: f32,
    /// Beside a detection that reaches `score` so much is enough for others: where one face is, more are likely. None: `score`
    /// holds for each.
    #[serde(default)]
    pub beside: Option<f32>,
    /// Of two detections that overlap more (intersection over union) the lower score is dropped.
    #[serde(default = "Output::default_iou")]
    pub iou: f32,
}

impl Output {
    /// The score that a detection needs in a picture of which the surest detection has this one.
    #[must_use]
    pub fn enough(&self, surest: f32) -> f32 {
        self.beside.filter(|_| surest >= self.score).unwrap_or(self.score)
    }

    fn default_score() -> f32 {
        0.5
    }
    fn default_iou() -> f32 {
        0.4
    }
}

/// Known readings of networks' answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    /// Our detector: `score_s`, `box_s`, `points_s` maps, see [`crate::zoo::detector`].
    Phiz,
    /// OpenCV's YuNet: `cls_s`, `obj_s`, `bbox_s`, `kps_s`.
    Yunet,
    /// InsightFace's SCRFD: nine outputs, two anchors a cell, distances.
    Scrfd,
    /// An embedder: one output of `[batch, dim]`, brought to unit length by the caller.
    Arcface,
}

/// Why a card cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("model card{place}: {reason}", place = .path.as_ref().map(|p| format!(" {}", p.display())).unwrap_or_default())]
pub struct CardError {
    /// The card or the ONNX file that it names.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub reason: String,
}

impl Card {
    /// Reads a card's text.
    ///
    /// # Errors
    /// Text that is no TOML, an unknown field, or a value that cannot be.
    pub fn from_toml(text: &str) -> Result<Card, CardError> {
        let wrong = |reason: String| CardError { path: None, reason };
        let card: Card = toml::from_str(text).map_err(|e| wrong(e.to_string().trim_end().to_string()))?;
        let numbers = card.input.mean.iter().chain(&card.input.std);
        if !numbers.clone().all(|v| v.is_finite()) || card.input.std.contains(&0.0) {
            return Err(wrong("input.mean and input.std must be finite and std not zero".into()));
        }
        let sides = [card.input.width, card.input.height];
        if card.output.decode == Decode::Arcface && sides != [112, 112] {
            return Err(wrong("an embedder's input.width and input.height must be 112".into()));
        }
        if card.second.is_some() && card.output.decode != Decode::Phiz {
            return Err(wrong(
                "second is for detectors with output.decode = \"phiz\": others look once".into(),
            ));
        }
        if card.output.beside.is_some_and(|beside| !(0.0..=card.output.score).contains(&beside)) {
            return Err(wrong("output.beside must lie between 0 and output.score".into()));
        }
        if sides.iter().any(|s| *s > 8192) {
            return Err(wrong("input.width and input.height must be at most 8192".into()));
        }
        Ok(card)
    }

    /// Reads a card and the ONNX file that it names.
    ///
    /// # Errors
    /// Either file cannot be read, or the card cannot be used.
    pub fn open(path: &Path) -> Result<(Card, Vec<u8>), CardError> {
        let at = |path: &Path, reason: String| CardError { path: Some(path.into()), reason };
        let text = std::fs::read_to_string(path).map_err(|e| at(path, format!("cannot be read ({e})")))?;
        let card = Card::from_toml(&text).map_err(|e| at(path, e.reason))?;
        let onnx = Card::beside(path, &card.file)?;
        Ok((card, onnx))
    }

    /// Reads a network that a card names.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn beside(card: &Path, file: &Path) -> Result<Vec<u8>, CardError> {
        let file = card.parent().unwrap_or(Path::new("")).join(file);
        std::fs::read(&file).map_err(|e| CardError {
            path: Some(card.into()),
            reason: format!("the network {} that it names cannot be read ({e})", file.display()),
        })
    }

    /// The identity of weights and preprocessing together: 16 hexadecimal digits of SHA-256. Templates with different
    /// identities are never compared.
    #[must_use]
    pub fn model_id(&self, onnx: &[u8]) -> ModelId {
        let mut hash = Sha256::new();
        hash.update(onnx);
        hash.update(self.preprocessing());
        ModelId::of_hash(&hash.finalize().into())
    }

    /// The text by which preprocessing enters the identity. Galleries and shards hold identities that were made from it:
    /// it must stay as it is, whatever the fields of this crate are called.
    fn preprocessing(&self) -> String {
        let Input { width, height, order, mean, std } = &self.input;
        let order = match order {
            Order::Rgb => "Rgb",
            Order::Bgr => "Bgr",
        };
        let decode = match self.output.decode {
            Decode::Phiz => "Phiz",
            Decode::Yunet => "Yunet",
            Decode::Scrfd => "Scrfd",
            Decode::Arcface => "Arcface",
        };
        format!(
            "Input {{ width: {width}, height: {height}, order: {order}, mean: {mean:?}, std: {std:?} }} {decode}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preprocessing_is_written_as_it_always_was() {
        let text = "name='a'\nfile='a.onnx'\nlicence='MIT'\n[input]\nwidth=112\nheight=112\norder='bgr'\n\
                    mean=[123.675,0,-1e-9]\nstd=[1,58.4,1e20]\n[output]\ndecode='arcface'\n";
        let card = Card::from_toml(text).unwrap();
        assert_eq!(
            card.preprocessing(),
            "Input { width: 112, height: 112, order: Bgr, mean: [123.675, 0.0, -1e-9], std: [1.0, 58.4, 1e20] } Arcface"
        );
    }

    #[test]
    fn wrong_cards_say_why() {
        let good = "name='a'\nfile='a.onnx'\nlicence='MIT'\n[input]\nwidth=112\nheight=112\norder='rgb'\n\
                    mean=[0,0,0]\nstd=[1,1,1]\n[output]\ndecode='arcface'\n";
        Card::from_toml(good).expect("is good");
        for (from, to, says) in [
            ("std=[1,1,1]", "std=[1,0,1]", "std"),
            ("width=112", "width=96", "112"),
            ("'rgb'", "'xyz'", "xyz"),
            ("licence='MIT'", "", "licence"),
            ("name='a'", "name='a'\ncolour=1", "colour"),
            ("name='a'", "name='a'\nsecond='b.onnx'", "second"),
            ("decode='arcface'", "decode='phiz'\nscore=0.5\nbeside=0.6", "output.beside"),
            (
                "decode='arcface'",
                "decode='arcface'\n[thresholds]\nquantiles=[[0.1,0.5],[0.2,0.6]]",
                "quantiles",
            ),
            ("decode='arcface'", "decode='arcface'\n[thresholds]\nquantiles=[]", "quantiles"),
        ] {
            let error = Card::from_toml(&good.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
    }
}
