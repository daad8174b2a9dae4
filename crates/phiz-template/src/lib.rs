//! Templates, the models that made them, and the error rates that similarities stand for. Knows no network and no store.
//!
//! A [`Template`] is a unit vector that carries the [`ModelId`] of the embedder that made it: two templates can be
//! compared only if one model made both. What a similarity means is said by [`Thresholds`], measured on pairs of
//! different people and written into the model's card.
//!
//! ```
//! use phiz_template::{ModelId, Template, Thresholds};
//! let model = ModelId::new("0123456789abcdef")?;
//! let a = Template::new(model.clone(), vec![0.6, 0.8])?;
//! let b = Template::new(model, vec![0.8, 0.6])?;
//! let thresholds = Thresholds::new(vec![[1e-1, 0.2], [1e-3, 0.4]], "1,000 people")?;
//! let rate = thresholds.fmr_at(f64::from(a.similarity(&b)?));
//! assert!(rate < 1e-3);
//! # Ok::<(), phiz_template::TemplateError>(())
//! ```

mod model_id;
mod rates;
mod template;
mod thresholds;

pub use model_id::ModelId;
pub use rates::{Rate, fpir};
pub use template::Template;
pub use thresholds::Thresholds;

/// Why a value of this crate cannot be made, or two templates cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The values are not a vector of length 1.
    #[error("a template must be a vector of length 1: {reason}")]
    NotUnit {
        /// What is wrong with them.
        reason: String,
    },
    /// The templates were made by two models.
    #[error("templates of two models cannot be compared: one is of {0}, the other of {1}")]
    OtherModel(ModelId, ModelId),
    /// The text cannot be the identity of a model.
    #[error("{0:?} is no identity of a model: it must be 1 to 64 visible ASCII characters")]
    ModelId(String),
    /// The quantiles do not define rates.
    #[error(
        "thresholds need two or more pairs [false match rate, similarity], with falling rates in (0, 1] and rising \
         similarities in [-1, 1]"
    )]
    Thresholds,
    /// The number is not a rate.
    #[error("{0} is not a rate between 0 and 1: ask for one such as 0.001 or 1e-5")]
    Rate(f64),
}
