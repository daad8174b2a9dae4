//! Protocols, metrics, reports: scores in, figures out. Runs no network itself.
//!
//! The crate answers three questions about a face recognition system, from its scores alone: how
//! good is it, on whose data, and how sure are we. It takes scores, templates, boxes, labels and
//! manifests; it never decodes a picture and never asks the network.
//!
//! ```
//! use phiz_eval::Curve;
//!
//! let curve = Curve::from_scores(&[0.9, 0.8, 0.3, 0.1], &[true, true, false, false])?;
//! assert_eq!(curve.auc()?, 1.0);
//! assert_eq!(curve.eer()?.rate, 0.0);
//! // Two impostor pairs cannot speak about one false match in a thousand:
//! assert!(curve.tar_at_far(1e-3)?.value().is_none());
//! # Ok::<(), phiz_eval::EvalError>(())
//! ```
//!
//! Rules that hold everywhere:
//! - a higher score means "more alike"; a pair is accepted when `score >= threshold`;
//! - a metric that its data do not define is an error ([`EvalError::Undefined`]), never 0, 0.5 or NaN;
//! - a rate that its data are too few for is [`Answer::TooFew`], by the rule of 3;
//! - whatever is drawn at random has a seed, and the same seed gives the same figures on any machine
//!   and with any number of threads.

mod error;

pub mod all_pairs;
pub mod bootstrap;
pub mod classify;
pub mod compare;
pub mod curve;
pub mod detection;
pub mod discard;
pub mod embeddings;
pub mod experiment;
pub mod groups;
pub mod identification;
pub mod landmarks;
pub mod manifest;
pub mod npy;
pub mod pairs;
pub mod protocol;
pub mod random;
pub mod report;
pub mod samples;
pub mod templates;
pub mod tracking;

pub use curve::{Answer, Curve, Eer, OperatingPoint};
pub use error::EvalError;
pub use samples::Samples;
pub use templates::{People, Templates};

/// The result of everything here that can fail.
pub type Result<T, E = EvalError> = std::result::Result<T, E>;
