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

/// A model card. Each field is used or refused: see [`Card::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The name by which errors and reports call the model.
    pub name: String,
    /// The ONNX file, beside the card.
    pub file: PathBuf,
    /// Terms under which the weights may be used.
    pub licence: String,
    /// How pictures are fed.
    pub input: Input,
    /// How outputs are read.
    pub output: Output,
    /// For a detector that is read as [`Decode::Phiz`]: the ONNX file, beside the card, of the network of its refinement
    /// stage ([`crate::zoo::second`]), which looks at each face again. Without one the detector itself looks again.
    /// Formerly called `second`, which is still read.
    #[serde(default, alias = "second", skip_serializing_if = "Option::is_none")]
    pub refinement: Option<PathBuf>,
    /// For an embedder: which similarity stands for which false match rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// Everything else that a reader should know: architecture, data, recipe, seed, hours, figures, weaknesses. Phiz does
    /// not read it.
    #[serde(default)]
    pub about: toml::Table,
}

/// How pictures are fed: `(value − mean) / std` on 0 to 255, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Columns. An embedder takes 112; a detector takes pictures of exactly this width, or of any if it is 0.
    pub width: u32,
    /// Rows. An embedder takes 112; a detector takes pictures of exactly this height, or of any if it is 0.
    pub height: u32,
    /// Order of the channels.
    pub order: Order,
    /// The mean to subtract, in the order in which the channels are fed.
    pub mean: [f32; 3],
    /// The standard deviation to divide by, in the order in which the channels are fed; positive.
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

/// How outputs are read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenOutput", into = "WrittenOutput")]
pub struct Output {
    /// The kind of output.
    pub decode: Decode,
    /// For a detector: the lowest score of a face, from 0 to 1.
    pub score: f32,
    /// For a detector: the hysteresis threshold. In a photo with a face that reaches `score`, this much is enough for the
    /// others, because where one face is more are likely. None: `score` holds for each. Formerly called `beside`, which
    /// is still read.
    pub hysteresis: Option<f32>,
    /// For a detector: of two detections that overlap more than this (intersection over union, from 0 to 1) the one with
    /// the lower score is dropped.
    pub iou: f32,
}

/// As files hold it: what only detectors have is left out of an embedder's card.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOutput {
    decode: Decode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(default, alias = "beside", skip_serializing_if = "Option::is_none")]
    hysteresis: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iou: Option<f32>,
}

impl TryFrom<WrittenOutput> for Output {
    type Error = String;
    fn try_from(written: WrittenOutput) -> Result<Output, String> {
        let WrittenOutput { decode, score, hysteresis, iou } = written;
        let given = [("score", score), ("hysteresis", hysteresis), ("iou", iou)];
        match given.iter().find(|(_, value)| value.is_some()) {
            Some((field, _)) if decode == Decode::Arcface => {
                Err(format!("output.{field}: is for detectors, and an embedder does not use it"))
            }
            _ => Ok(Output {
                decode,
                score: score.unwrap_or(Output::DEFAULT_SCORE),
                hysteresis,
                iou: iou.unwrap_or(Output::DEFAULT_IOU),
            }),
        }
    }
}

impl From<Output> for WrittenOutput {
    fn from(Output { decode, score, hysteresis, iou }: Output) -> WrittenOutput {
        let detects = decode != Decode::Arcface;
        let (score, iou) = (detects.then_some(score), detects.then_some(iou));
        WrittenOutput { decode, score, hysteresis: hysteresis.filter(|_| detects), iou }
    }
}

impl Output {
    /// The score that a detection needs in a picture of which the surest detection has this one.
    #[must_use]
    pub fn enough(&self, surest: f32) -> f32 {
        self.hysteresis.filter(|_| surest >= self.score).unwrap_or(self.score)
    }

    const DEFAULT_SCORE: f32 = 0.5;
    const DEFAULT_IOU: f32 = 0.4;
}

/// Kinds of output that Phiz can read.
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
        card.check()?;
        Ok(card)
    }

    /// Checks that each field has a value that means something for this kind of network, and that no field stands there
    /// that would not be used.
    ///
    /// # Errors
    /// The first field that is wrong, by name, and what it must be.
    pub fn check(&self) -> Result<(), CardError> {
        let Card { name, file, licence, input, output, refinement, thresholds, about: _ } = self;
        let embeds = output.decode == Decode::Arcface;
        let number = |v: &f32| v.is_finite();
        // NaN is in no range.
        let share = |v: &f32| (0.0..=1.0).contains(v);
        let empty = |path: &Path| path.as_os_str().is_empty();
        let sides = [input.width, input.height];
        let refused = if name.trim().is_empty() {
            "name: must not be empty"
        } else if empty(file) {
            "file: must name the ONNX file beside the card"
        } else if licence.trim().is_empty() {
            "licence: must not be empty; write \"unknown\" if nobody knows"
        } else if !input.mean.iter().all(number) {
            "input.mean: must be three finite numbers"
        } else if !input.std.iter().all(|v| *v > 0.0 && number(v) && number(&v.recip())) {
            "input.std: must be three finite positive numbers"
        } else if !input.mean.iter().zip(&input.std).all(|(mean, std)| number(&(mean / std))) {
            "input.std: is too small for input.mean"
        } else if embeds && sides != [112, 112] {
            "input.width and input.height: must be 112, the size of an aligned face that embedders take"
        } else if !embeds && (sides[0] == 0) != (sides[1] == 0) {
            "input.width and input.height: must both be 0 (pictures of any size) or both be given"
        } else if !embeds && sides.iter().any(|side| side % Card::STRIDE != 0 || *side > Card::LARGEST_SIDE) {
            "input.width and input.height: must be multiples of 32, the largest stride, and at most 8192"
        } else if !share(&output.score) {
            "output.score: must lie between 0 and 1"
        } else if !share(&output.iou) {
            "output.iou: must lie between 0 and 1"
        } else if output.hysteresis.is_some_and(|least| !(0.0..=output.score).contains(&least)) {
            "output.hysteresis (or output.beside): must lie between 0 and output.score"
        } else if output.hysteresis.is_some() && embeds {
            "output.hysteresis: is for detectors, and an embedder does not use it"
        } else if refinement.as_deref().is_some_and(empty) {
            "refinement (or second): must name the ONNX file beside the card"
        } else if refinement.is_some() && output.decode != Decode::Phiz {
            "refinement (or second): is for detectors with output.decode = \"phiz\"; others have one stage"
        } else if thresholds.is_some() && !embeds {
            "thresholds: are for embedders, and a detector does not use them"
        } else {
            return Ok(());
        };
        Err(CardError { path: None, reason: refused.into() })
    }

    /// The largest stride of the known detectors.
    const STRIDE: u32 = 32;
    const LARGEST_SIDE: u32 = 8192;

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

    const EMBEDDER: &str = "name='a'\nfile='a.onnx'\nlicence='MIT'\n[input]\nwidth=112\nheight=112\norder='rgb'\n\
                            mean=[0,0,0]\nstd=[1,1,1]\n[output]\ndecode='arcface'\n";
    const DETECTOR: &str = "name='a'\nfile='a.onnx'\nlicence='MIT'\n[input]\nwidth=640\nheight=480\norder='bgr'\n\
                            mean=[0,0,0]\nstd=[1,1,1]\n[output]\ndecode='phiz'\nscore=0.6\niou=0.3\n";

    #[test]
    fn each_field_has_a_meaning_or_is_refused_by_name() {
        let detector = |from: &'static str, to: &'static str, says: &'static str| (DETECTOR, from, to, says);
        let embedder = |from: &'static str, to: &'static str, says: &'static str| (EMBEDDER, from, to, says);
        let mut bad = Vec::new();
        for (good, from, to, says) in [
            detector("name='a'", "name=' '", "name"),
            detector("name='a'\n", "", "name"),
            detector("name='a'", "name='a'\ncolour=1", "colour"),
            detector("file='a.onnx'", "file=''", "file"),
            detector("file='a.onnx'\n", "", "file"),
            detector("licence='MIT'", "licence=''", "licence"),
            detector("licence='MIT'\n", "", "licence"),
            detector("mean=[0,0,0]", "mean=[0,nan,0]", "input.mean"),
            detector("mean=[0,0,0]", "mean=[0,0,-inf]", "input.mean"),
            detector("mean=[0,0,0]", "mean=[0,0]", "mean"),
            detector("mean=[0,0,0]\n", "", "mean"),
            detector("std=[1,1,1]", "std=[1,0,1]", "input.std"),
            detector("std=[1,1,1]", "std=[1,-1,1]", "input.std"),
            detector("std=[1,1,1]", "std=[nan,1,1]", "input.std"),
            detector("std=[1,1,1]", "std=[1,inf,1]", "input.std"),
            detector("std=[1,1,1]", "std=[1,1e-40,1]", "input.std"),
            detector("mean=[0,0,0]\nstd=[1,1,1]", "mean=[0,1e30,0]\nstd=[1,1e-30,1]", "input.std"),
            detector("std=[1,1,1]\n", "", "std"),
            detector("std=[1,1,1]", "std=[1,1,1]\nscale=2", "scale"),
            detector("order='bgr'", "order='xyz'", "xyz"),
            detector("order='bgr'\n", "", "order"),
            detector("width=640", "width=0", "input.width"),
            detector("height=480", "height=0", "input.height"),
            detector("width=640", "width=641", "input.width"),
            detector("height=480", "height=100", "input.height"),
            detector("width=640", "width=8224", "input.width"),
            detector("width=640", "width=-32", "width"),
            detector("width=640\n", "", "width"),
            detector("decode='phiz'", "decode='ssd'", "ssd"),
            detector("decode='phiz'\n", "", "decode"),
            detector("score=0.6", "score=1.1", "output.score"),
            detector("score=0.6", "score=-0.1", "output.score"),
            detector("score=0.6", "score=nan", "output.score"),
            detector("iou=0.3", "iou=1.5", "output.iou"),
            detector("iou=0.3", "iou=-1", "output.iou"),
            detector("iou=0.3", "iou=inf", "output.iou"),
            detector("iou=0.3", "iou=0.3\nhysteresis=0.7", "output.hysteresis"),
            detector("iou=0.3", "iou=0.3\nhysteresis=-0.1", "output.hysteresis"),
            detector("iou=0.3", "iou=0.3\nhysteresis=nan", "output.hysteresis"),
            detector("iou=0.3", "iou=0.3\nbeside=0.7", "output.beside"),
            detector("iou=0.3", "iou=0.3\nbeside=0.5\nhysteresis=0.5", "hysteresis"),
            detector("iou=0.3", "iou=0.3\ntop_k=9", "top_k"),
            detector("name='a'", "name='a'\nrefinement=''", "refinement"),
            detector("name='a'", "name='a'\nsecond='b'\nrefinement='b'", "refinement"),
            detector("iou=0.3", "iou=0.3\n[thresholds]\nquantiles=[[0.1,0.2],[0.01,0.3]]", "thresholds"),
            embedder("width=112", "width=96", "input.width"),
            embedder("height=112", "height=0", "input.height"),
            embedder("decode='arcface'", "decode='arcface'\nscore=0.5", "output.score"),
            embedder("decode='arcface'", "decode='arcface'\niou=0.4", "output.iou"),
            embedder("decode='arcface'", "decode='arcface'\nbeside=0.4", "output.hysteresis"),
            embedder("name='a'", "name='a'\nsecond='b.onnx'", "second"),
            embedder(
                "decode='arcface'",
                "decode='arcface'\n[thresholds]\nquantiles=[[0.1,0.5],[0.2,0.6]]",
                "thresholds",
            ),
            embedder("decode='arcface'", "decode='arcface'\n[thresholds]\nquantiles=[]", "thresholds"),
            embedder(
                "decode='arcface'",
                "decode='arcface'\n[thresholds]\nquantiles=[[0.2,0.1],[0.1,0.2]]\nfmr=1",
                "fmr",
            ),
        ] {
            Card::from_toml(good).expect("is good");
            match Card::from_toml(&good.replacen(from, to, 1)) {
                Ok(_) => bad.push(format!("{to:?} is accepted")),
                Err(error) if !error.to_string().contains(says) => {
                    bad.push(format!("{to:?}: does not name {says}: {error}"));
                }
                Err(_) => {}
            }
        }
        let yunet = DETECTOR.replace("'phiz'", "'yunet'").replacen("name", "second='b.onnx'\nname", 1);
        assert!(Card::from_toml(&yunet).expect_err("has one stage").reason.contains("second"));
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }

    #[test]
    fn former_names_are_read() {
        let new = DETECTOR.replacen("name", "refinement='b.onnx'\nname", 1) + "hysteresis=0.5\n";
        let old = DETECTOR.replacen("name", "second='b.onnx'\nname", 1) + "beside=0.5\n";
        let card = Card::from_toml(&new).expect("is good");
        assert_eq!(
            (card.refinement.as_deref(), card.output.hysteresis),
            (Some(Path::new("b.onnx")), Some(0.5))
        );
        assert_eq!(Card::from_toml(&old).expect("is good"), card);
    }

    #[test]
    fn what_is_written_is_read() {
        for text in [DETECTOR, EMBEDDER] {
            let card = Card::from_toml(text).expect("is good");
            assert_eq!(Card::from_toml(&toml::to_string(&card).expect("is TOML")).expect("is good"), card);
        }
    }
}
