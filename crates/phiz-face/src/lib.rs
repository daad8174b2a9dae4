//! Image to faces: detect, align, embed, quality, pose. Opens no database.
//!
//! ```
//! use phiz_face::Analyzer;
//! use phiz_image::{DecodeOptions, Image};
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/party.jpg");
//! let analyzer = Analyzer::new()?;
//! let photo = Image::open(path.as_ref(), &DecodeOptions::default())?;
//! let faces = analyzer.analyze(&photo)?;
//! for face in &faces {
//!     println!("{:?} {:.2}", face.detection.bbox, face.quality);
//! }
//! assert!(faces[0].template.similarity(&faces[1].template)? < 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Three types do the work, each of which may be shared by threads:
//! - a [`Detector`] finds the faces of a photo ([`DetectOptions`] and [`Plan`] say how it looks, [`Choice`] which face is
//!   meant where one is needed);
//! - an [`Embedder`] turns faces that were aligned ([`fn@align`]) into [`Template`]s, several at a time;
//! - an [`Analyzer`] holds both and adds [`quality`] and [`pose`].
//!
//! Each call computes on as many threads as the caller allowed when loading, one unless set. Where there are several
//! photos, one thread per photo is fastest: a face is too small a job to be split.
//!
//! Coordinates are pixels of the upright original photo. [`Detection`] tells the order of landmarks.

mod align;
mod analyze;
mod choose;
mod decode;
mod detect;
mod detection;
mod embed;
mod error;
mod model;
mod network;
mod plan;
mod quality;
mod refine;

pub use align::{ALIGNED_SIZE, TEMPLATE_POINTS, align, alignment};
pub use analyze::{AlignedFace, Analyzer, AnalyzerBuilder, Face};
pub use choose::{Choice, ChoiceError};
pub use detect::{DetectOptions, Detector, Expected, Rotate, UNSURE_SCORE};
pub use detection::{Detection, iou, suppress};
pub use embed::Embedder;
pub use error::FaceError;
pub use model::Model;
pub use phiz_engine::{LoadOptions, Precision, Runtime};
pub use phiz_template::{ModelId, Template, TemplateError};
pub use plan::Plan;
pub use quality::{Pose, pose, quality};
