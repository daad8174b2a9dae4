//! Face recognition: finds the faces in photos and says whose they are. Works offline, with its own models inside.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))?;
//! use phiz::{EnrolOptions, IdentifyOptions, Photo, Service};
//!
//! let service = Service::new()?;
//! let gallery = service.gallery_in_memory()?;
//! for name in ["Ada", "Ben"] {
//!     let photos = [1, 2, 3].map(|n| Photo::from_path(format!("people/{name}/{n}.jpg")));
//!     service.enrol(&gallery, name, &photos, &EnrolOptions::default())?;
//! }
//! let answer = service.identify(&gallery, &Photo::from_path("party.jpg"), &IdentifyOptions::default())?;
//! for face in &answer.faces {
//!     println!("{:?} {}", face.face.bbox, face.person.as_deref().unwrap_or("unknown"));
//! }
//! # let named: Vec<_> = answer.faces.iter().filter_map(|face| face.person.as_deref()).collect();
//! # assert!(named.contains(&"Ada") && named.contains(&"Ben"), "{named:?}");
//! # Ok(()) }
//! ```
//!
//! [`Place`] opens a gallery that lies in a file, sealed. A photo that cannot be used is a [`Problem`] with a stable code,
//! a reason and a remedy; what ends the work is an [`Error`].
//!
//! With `default-features = false` the gallery is left out, and [`Analyzer`] finds faces and describes them:
//!
//! ```no_run
//! use phiz::{Analyzer, DecodeOptions, Image};
//! let analyzer = Analyzer::new()?;
//! let photo = Image::open("party.jpg".as_ref(), &DecodeOptions::default())?;
//! for face in analyzer.analyze(&photo)? {
//!     println!("{:?} quality {:.2}", face.detection.bbox, face.quality);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// Finding faces and describing them.
pub use phiz_face::{
    Analyzer, AnalyzerBuilder, Choice, ChoiceError, DetectOptions, Detection, Detector, Embedder, Face,
    FaceError, Model, Plan, Pose, Rotate,
};
/// People and their faces.
#[cfg(feature = "gallery")]
pub use phiz_gallery as gallery;
/// Pictures.
pub use phiz_image::{DecodeOptions, Image, ImageError, Limits};
/// What Phiz does with a photo.
#[cfg(feature = "gallery")]
pub use phiz_service::*;
/// What makes faces comparable, and what similarities mean.
pub use phiz_template::{ModelId, Rate, Template, TemplateError, Thresholds};

#[cfg(feature = "gallery")]
pub use phiz_gallery::{Gallery, Key};
