//! Training: data, augmentation, losses, optimisation, runs. The product does not link this crate.
//!
//! Networks, losses and the optimiser are written once over [`backend::Backend`]; [`run::run`] is the loop that
//! every task shares. `phiz-train embedder RECIPE --data SHARDS --run FOLDER` is the command.

pub mod augment;
pub mod backend;
pub mod detect;
pub mod embed;
pub mod error;
pub mod loss;
pub mod model;
pub mod optim;
pub mod random;
pub mod recipe;
pub mod run;
pub mod scenes;
pub mod shards;
#[cfg(feature = "libtorch")]
pub mod torch;
