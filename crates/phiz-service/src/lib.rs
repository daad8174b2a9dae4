//! What Phiz does with a photo: find the face that is meant, judge whether it may be enrolled, enrol, identify, verify.
//! Knows no terminal and no HTTP: the command line, a server and other programs call it and present its answers.
//!
//! ```no_run
//! use phiz_service::{EnrolOptions, IdentifyOptions, Photo, Service};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::new()?;
//! let gallery = service.gallery_in_memory()?;
//! service.enrol(&gallery, "Ada", &[Photo::from_path("ada.jpg")], &EnrolOptions::default())?;
//! service.enrol(&gallery, "Ben", &[Photo::from_path("ben.jpg")], &EnrolOptions::default())?;
//! let answer = service.identify(&gallery, &Photo::from_path("party.jpg"), &IdentifyOptions::default())?;
//! for face in &answer.faces {
//!     println!("{:?}: {}", face.face.bbox, face.person.as_deref().unwrap_or("unknown"));
//! }
//! # Ok(()) }
//! ```
//!
//! # Answers and problems
//! Every answer is a serde type whose field names are stable: they are the `--json` of the command line and the bodies
//! of the HTTP API. A photo that cannot be used is a [`Problem`] with a stable code, a reason and a remedy; it concerns
//! that photo alone. What ends the work is an [`Error`].

mod adopt;
mod album;
mod answer;
mod enrol;
mod error;
mod identify;
mod look;
mod mark;
mod named;
mod page;
mod parallel;
mod photo;
mod place;
mod problem;
mod review;
mod scan;
mod sent;
mod service;
mod sheet;
mod tag;
mod tag_journal;
mod verify;
pub mod walk;

pub use adopt::{AdoptAnswer, AdoptEvent, AdoptOptions, WaitingAnswer};
pub use album::{
    Album, FindOptions, FoundFace, FoundPhoto, Known, NamedAnswer, SeenBefore, StrangerAnswer, StrangerFace,
    photo_shown,
};
pub use answer::{CandidateAnswer, FaceAnswer, PathName, PhotoAnswer, PoseAnswer};
pub use enrol::{
    DoubtAnswer, EnrolAnswer, EnrolEvent, EnrolOptions, EnrolledPhoto, JudgedPhoto, MIN_EYE_DISTANCE,
    MIN_QUALITY, PersonPhotos, PhotoResult,
};
pub use error::{Error, Result};
pub use identify::{IdentifiedFace, IdentifyOptions, Verdict};
pub use look::Looking;
pub use mark::{KNOWN, Mark, Marked, NOT_KNOWN, marked};
pub use named::{NameReader, NamedPhoto};
pub use parallel::in_order;
pub use phiz_face::{AlignedFace, Choice, Face};
pub use photo::Photo;
pub use place::Place;
pub use problem::{Code, Problem};
pub use review::{
    Answer, Answered, Asked, Explanation, LikeFace, LikeNegative, Named, Question, Reason, Shown, doubts,
    neighbours, said_in,
};
pub use scan::{ScanEvent, ScanOptions, ScanSummary, tally};
pub use sent::SentPhoto;
pub use service::Service;
pub use sheet::contact_sheet;
pub use tag::{NamedFace, RegionOutcome, TagAnswer, TagOptions, TaggedFace};
pub use tag_journal::{TagJournal, UntaggedFile};
pub use verify::{VerifiedPair, VerifiedPerson, VerifyOptions, VerifyProblem};
