//! Image to faces: detect, align, embed, quality, pose. Opens no database.
//!
//! ```no_run
//! use phiz_face::Engine;
//! use phiz_image::{DecodeOptions, Image};
//! let engine = Engine::new()?;
//! let photo = Image::open("party.jpg".as_ref(), &DecodeOptions::default())?;
//! for face in engine.analyze(&photo)? {
//!     println!("{:?} {:.2}", face.detection.bbox, face.quality);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An [`Engine`] may be shared by threads. With one thread (the default) each call stays within its caller's
//! thread, and [`Engine::analyze_batch`] spreads pictures, not layers, over threads.
//!
//! Landmarks are the person's right eye, left eye, nose tip, right and left corner of the mouth; in an upright
//! photo the right eye is the one further left.

mod align;
mod decode;
mod detect;
mod engine;
mod quality;
mod second;

pub use align::{ALIGNED_SIZE, TEMPLATE_POINTS, alignment};
pub use detect::{DetectOptions, Detection, Rotate, iou, suppress};
pub use engine::{Engine, EngineBuilder, Face, FaceError, Model};
pub use phiz_template::{ModelId, Template, TemplateError};
pub use quality::{Pose, pose, quality};
