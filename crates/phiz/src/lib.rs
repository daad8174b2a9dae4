//! Face recognition: find the faces, say whose they are. The facade of Phiz, for programs that build it in.
//!
//! ```no_run
//! use phiz::{DecodeOptions, Engine, Image};
//! let engine = Engine::new()?;
//! let face = |path: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let photo = Image::open(path.as_ref(), &DecodeOptions::default())?;
//!     Ok(engine.analyze(&photo)?.into_iter().next().ok_or("no face")?)
//! };
//! let (a, b) = (face("a.jpg")?, face("b.jpg")?);
//! println!("similarity {}", a.template.similarity(&b.template)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use phiz_face::{
    DetectOptions, Detection, Engine, EngineBuilder, Face, FaceError, Model, Pose, Rotate, Template,
};
pub use phiz_gallery as gallery;
pub use phiz_image::{DecodeOptions, Image, ImageError, Limits};
