//! People and templates: store, index, decisions, sealing. Decodes no picture.
//!
//! ```
//! use phiz_gallery::{Decision, EnrollRules, Gallery, Model, NewFace, Search, Target};
//! use phiz_gallery::{ModelId, Template, Thresholds};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let thresholds = Thresholds::new(vec![[0.1, 0.2], [1e-4, 0.5]], "")?;
//! let model = Model { id: ModelId::new("0123456789abcdef")?, dim: 4, thresholds };
//! let gallery = Gallery::in_memory(&model)?;
//! let template = Template::new(model.id, vec![0.5; 4])?;
//! let face = NewFace::new(template.clone(), 0.9);
//! gallery.enroll(&Target::Named("Ana".into()), &[face], &EnrollRules::default())?;
//! let found = gallery.identify(&template, &Search::default())?;
//! assert!(matches!(found.decision, Decision::Match(candidate) if candidate.name == "Ana"));
//! # Ok(()) }
//! ```
//!
//! A [`Gallery`] is bound to one [`Model`], is shared by threads, and may lie in a file that several processes use.
//! What lies on the disk is sealed unless one asks for [`Key::None`]. Thresholds are asked for as rates ([`Rate`]); an
//! answer is a [`Decision`], which may be "unknown" or "ambiguous".
//!
//! Features: `sqlite` (on by default) for galleries in files; `keyring` for keys in the operating system's keyring.
//! Without `sqlite` there are [galleries in memory](Gallery::in_memory) and over a [`store`] of one's own.

mod archive;
mod bytes;
mod calibrate;
mod error;
mod faults;
mod gallery;
mod index;
mod keyring;
mod model;
mod names;
mod rates;
mod remains;
mod rows;
pub mod scan;
mod seal;
pub mod store;

pub use archive::{ArchiveHead, Imported};
pub use calibrate::{Calibrated, Suspects};
pub use error::{Cause, ErrorKind, GalleryError, NameFault, Result};
pub use faults::{Fault, IndexFault, Note};
pub use gallery::{
    Adopted, Adoptee, Archive, Decided, DecidedBy, Deciding, Doubt, Edit, EnrollRules, Enrolled, Filter,
    Gallery, Grouped, Grouping, Identified, Kept, Likeness, Memo, Model, NamedGroup, Operation,
    OperationKind, Outcome, Purge, Purged, Refusal, Search, Statistics, StrangerViews, Target, ToAdopt,
    UNDO_DAYS, Undone, Verified, once_a_photo,
};
pub use model::{
    Details, Face, FaceId, Group, GroupId, Negative, NegativeId, NewFace, NewPhoto, NewSighting, OperationId,
    Part, Person, PersonId, PhotoFile, PhotoHash, PhotoId, PhotoProblem, SeenPhoto, Sighting, SightingId,
};
pub use names::clean_name;
/// The ground types that this crate takes and gives.
pub use phiz_template::{ModelId, Template, Thresholds};
pub use rates::{Candidate, Decision, Rate, fpir};
pub use remains::Proof;
pub use seal::{Key, Seal};
