//! Training: data, augmentation, losses, optimisation, runs. The product links this crate only with its feature
//! `train`.
//!
//! Networks, losses and the optimiser are written once over [`backend::Backend`], of which there are three:
//! [`flex`], pure Rust and always there; `torch`, over an installed LibTorch (feature `libtorch`); `vulkan`, on GPUs of
//! any maker (feature `vulkan`). Tests hold all to the same values and gradients, and to those of an independent PyTorch
//! script. [`run::run`] is the loop
//! that every task shares; [`cli`] is the command.

pub mod augment;
pub mod backend;
pub mod card;
pub mod checkpoint;
pub mod cli;
pub mod composite;
pub mod dashboard;
pub mod data;
pub mod degrade;
pub mod detect;
pub mod embed;
pub mod error;
pub mod even;
pub mod export;
pub mod flex;
mod head;
pub mod held_out;
pub mod loss;
pub mod model;
pub mod optim;
pub mod random;
pub mod recipe;
pub mod record;
pub mod report;
mod rows;
pub mod run;
pub mod run_folder;
pub mod scenes;

pub mod schedule;
pub mod second;
pub mod select;
pub mod shards;
pub mod taped;
pub mod teacher;
#[cfg(feature = "libtorch")]
pub mod torch;
pub mod transfer;
pub mod tune;
#[cfg(feature = "vulkan")]
pub mod vulkan;
pub mod watch;
pub mod weights;
