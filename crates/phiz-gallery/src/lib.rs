//! People and templates: store, index, decisions, sealing. Decodes no picture.
//!
//! ```
//! use phiz_gallery::{Decision, EnrollRules, Gallery, Key, Model, NewFace, Search, Thresholds, Whom};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let thresholds = Thresholds::new(vec![[0.1, 0.2], [1e-4, 0.5]], "")?;
//! let model = Model { id: "0123456789abcdef".into(), dim: 4, thresholds };
//! let key = Key::File(folder.path().join("family.key"));
//! let gallery = Gallery::create(&folder.path().join("family.phiz"), &model, &key)?;
//! let face = NewFace { template: vec![0.5; 4], quality: 0.9, ..NewFace::default() };
//! let ana = gallery.enroll(&Whom::Named("Ana".into()), &[face], &EnrollRules::default())?;
//! let found = gallery.identify(&[0.5, 0.5, 0.5, 0.5], &Search::default())?;
//! assert!(matches!(found.decision, Decision::Match(c) if Some(c.person) == ana.person));
//! # Ok(()) }
//! ```
//!
//! A [`Gallery`] may be shared by threads and its file by processes. It is bound to one [`Model`]. What lies on the
//! disk is sealed unless one asks for [`Key::None`]. Thresholds are asked for as rates ([`Rate`]); an answer is a
//! [`Decision`], which may be "unknown" or "ambiguous".

mod archive;
mod calibrate;
mod error;
mod gallery;
mod index;
mod keyring;
mod model;
mod rates;
mod remains;
mod rows;
pub mod scan;
mod seal;
pub mod store;

pub use archive::{ArchiveHead, Imported};
pub use calibrate::{Calibrated, Calibration, Suspects};
pub use error::{ErrorKind, GalleryError, Result};
pub use gallery::{
    EnrollRules, Enrolled, Filter, Gallery, Identified, Model, Operation, Outcome, Purge, Purged, Refusal,
    Search, Statistics, UNDO_DAYS, Undone, Verified, Whom,
};
pub use model::{
    Details, Face, FaceId, Negative, NegativeId, NewFace, OperationId, Person, PersonId, PhotoHash,
};
/// Which similarity stands for which false match rate, from a model's card.
pub use phiz_template::Thresholds;
pub use rates::{Candidate, Decision, Rate, fpir};
pub use remains::Proof;
pub use seal::{Key, Seal};
