//! A user's own photos on their way to training: which there are, whose they are, which are wrong, which are kept
//! apart; and what the trainer makes of them, to look at.
//!
//! Finding and describing faces is not done here, since this crate knows no face engine: the command `phiz data`
//! does it and brings pixels and numbers.

pub mod duplicates;
pub mod inputs;
pub mod manifest;
pub mod naming;
pub mod noise;
pub mod scene_set;
pub mod sheet;
pub mod split;
