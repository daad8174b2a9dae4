//! Synthetic people: `fit-faces` fits the model that they are drawn from, `rate-faces` measures what is drawn.

pub(crate) mod fit;
mod linear;
pub(crate) mod rate;
mod split;
