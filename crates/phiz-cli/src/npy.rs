//! Templates as a `.npy` file; reading and writing it is [`phiz_eval::npy`]'s.

pub(crate) use phiz_eval::npy::Writer as NpyWriter;
