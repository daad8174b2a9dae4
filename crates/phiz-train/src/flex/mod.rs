//! The back end in pure Rust, always there: Burn's tape and `flex` tensors.
//!
//! The operations that cost time (convolution, normalisation, ReLU) are ours, recorded on Burn's tape as
//! operations of its own kind; the rest is Burn's ([`crate::taped`]). Results do not depend on the number of threads, and
//! equal inputs give equal bits: two runs with one seed are the same run.

mod conv;
mod geometry;
mod norm;
mod record;
mod winograd;
mod workers;

use std::sync::Arc;

use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex as Plain, FlexDevice, FlexTensor};

use crate::backend::NORM_MOMENTUM;
use crate::error::TrainError;
use crate::taped::{Kernels, Moved, Tape, Taped};
use geometry::{slice, tensor};
use workers::Workers;

type Recorded = crate::taped::Recorded<Plain>;

/// The pure Rust back end.
pub type Flex = Taped<Processor>;

/// Our kernels, on the threads of a processor.
#[derive(Debug)]
pub struct Processor {
    workers: Arc<Workers>,
}

impl Flex {
    /// With so many threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn new(threads: usize) -> Result<Flex, TrainError> {
        let workers = Workers::new(threads).map_err(|e| {
            TrainError::Device(format!("{threads} threads: {e}; ask for fewer with --threads"))
        })?;
        Ok(Taped::over(Processor { workers: Arc::new(workers) }))
    }
}

impl Kernels for Processor {
    type Tensors = Plain;

    fn describe(&self) -> String {
        format!("flex (pure Rust) cpu {} threads f32", self.workers.threads())
    }
    fn threads(&self) -> Option<usize> {
        Some(self.workers.threads())
    }
    fn device(&self) -> FlexDevice {
        FlexDevice
    }
    fn conv(&self, x: Recorded, weight: Recorded, stride: usize, padding: usize, groups: usize) -> Recorded {
        record::conv(&self.workers, x, weight, stride, padding, groups)
    }
    fn normalise(
        &self,
        x: Recorded,
        scale: Recorded,
        shift: Recorded,
        running: [FlexTensor; 2],
        training: bool,
    ) -> (Recorded, Moved<Plain>) {
        let running = running.map(|r| r.to_contiguous());
        let fixed = (!training).then(|| running.clone().into());
        let (y, statistics) = record::normalise(&self.workers, x, scale, shift, fixed);
        let moved = statistics.map(|(means, variances)| {
            let [mean, var] = running;
            [(mean, means), (var, variances)].map(|(old, new)| {
                let each = slice(&old).iter().zip(new);
                let moved =
                    each.map(|(o, n)| (f64::from(*o) * (1.0 - NORM_MOMENTUM) + n * NORM_MOMENTUM) as f32);
                tensor(moved.collect(), &[slice(&old).len()])
            })
        });
        (y, moved)
    }
    fn relu(&self, x: Recorded) -> Recorded {
        record::relu(&self.workers, x)
    }
    fn sum(&self, x: Recorded) -> Recorded {
        <Tape<Plain>>::float_sum(x)
    }
}
