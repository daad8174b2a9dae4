//! Everything that a run needs to go on as if it had never stopped.
//!
//! One safetensors file: `now.*` the weights, `average.*` their average, `m.*` and `v.*` the optimiser's moments,
//! `step`, `updates` and `skipped` as two numbers each, `sums.*` the parts of the report that was being gathered, `best.*`
//! the weights of the best evaluation and `stopping` what early stopping knows. A checkpoint of an older version
//! lacks some of these and is read all the same.

use std::collections::BTreeMap;
use std::path::Path;

use phiz_net::onnx::Weights;

use crate::error::TrainError;
use crate::weights::{read_weights, write_weights};

/// A run at the end of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// Steps that changed the weights: all but those whose loss was not finite.
    pub updates: u64,
    /// Steps whose loss was no number.
    pub skipped: u64,
    /// Weights, the heads' included.
    pub now: Weights,
    /// Their average.
    pub average: Weights,
    /// First moments or velocities.
    pub first: Weights,
    /// Second moments.
    pub second: Weights,
    /// Sums of the losses since the last report, by name.
    pub sums: BTreeMap<String, f64>,
    /// Best figure so far and evaluations since.
    pub best: Option<(f64, u32)>,
    /// Averaged weights of the best evaluation.
    pub best_weights: Weights,
}

/// Numbers up to 2⁴⁰ as two f32, each of which holds integers exactly only to 2²⁴.
fn split(n: u64) -> (Vec<usize>, Vec<f32>) {
    (vec![2], vec![(n >> 20) as f32, (n & 0xf_ffff) as f32])
}

/// An f64 as two f32 whose bits are its halves.
fn halves(x: f64) -> [f32; 2] {
    let bits = x.to_bits();
    [f32::from_bits((bits >> 32) as u32), f32::from_bits(bits as u32)]
}

fn whole(halves: &[f32]) -> f64 {
    f64::from_bits(u64::from(halves[0].to_bits()) << 32 | u64::from(halves[1].to_bits()))
}

impl Checkpoint {
    /// Writes the checkpoint, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut all = Weights::new();
        let parts = [
            ("now.", &self.now),
            ("average.", &self.average),
            ("m.", &self.first),
            ("v.", &self.second),
            ("best.", &self.best_weights),
        ];
        for (prefix, part) in parts {
            all.extend(part.iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone())));
        }
        for (name, sum) in &self.sums {
            all.insert(format!("sums.{name}"), (vec![2], halves(*sum).to_vec()));
        }
        all.insert("step".into(), split(self.step));
        all.insert("updates".into(), split(self.updates));
        all.insert("skipped".into(), split(self.skipped));
        if let Some((figure, since)) = self.best {
            let [high, low] = halves(figure);
            all.insert("stopping".into(), (vec![3], vec![high, low, since as f32]));
        }
        write_weights(path, &all)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read or is no checkpoint.
    pub fn read(path: &Path) -> Result<Checkpoint, TrainError> {
        let mut parts: BTreeMap<&str, Weights> = BTreeMap::new();
        let all = read_weights(path)?;
        for prefix in ["now.", "average.", "m.", "v.", "best.", "sums."] {
            let part = all.iter().filter_map(|(n, v)| Some((n.strip_prefix(prefix)?.to_string(), v.clone())));
            parts.insert(prefix, part.collect());
        }
        let mut part = |prefix: &str| parts.remove(prefix).unwrap_or_default();
        let values =
            |name: &str, count: usize| all.get(name).map(|(_, v)| v.as_slice()).filter(|v| v.len() == count);
        let number = |name: &str| values(name, 2).map(|v| v[0] as u64 * (1 << 20) + v[1] as u64);
        let Some(step) = number("step") else {
            return Err(TrainError::file(path, &"holds no step: it is not a checkpoint of a run"));
        };
        let sums = part("sums.");
        if let Some((name, _)) = sums.iter().find(|(_, (_, v))| v.len() != 2) {
            return Err(TrainError::file(path, &format!("sums.{name} is damaged: begin the run anew")));
        }
        Ok(Checkpoint {
            step,
            updates: number("updates").unwrap_or(step),
            skipped: number("skipped").unwrap_or(0),
            now: part("now."),
            average: part("average."),
            first: part("m."),
            second: part("v."),
            sums: sums.into_iter().map(|(name, (_, v))| (name, whole(&v))).collect(),
            best: values("stopping", 3).map(|v| (whole(v), v[2] as u32)),
            best_weights: part("best."),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_survive_a_round_trip() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoint.safetensors");
        let weights = |x: f32| Weights::from([("a.weight".to_string(), (vec![1, 2], vec![x, -x]))]);
        let checkpoint = Checkpoint {
            step: (1 << 33) + 12_345,
            updates: 1 << 30,
            skipped: 3,
            now: weights(1.0),
            average: weights(2.0),
            first: weights(3.0),
            second: weights(4.0),
            sums: [("loss".to_string(), 0.1 + 0.2)].into(),
            best: Some((1.0 / 3.0, 2)),
            best_weights: weights(5.0),
        };
        checkpoint.write(&path).expect("writes");
        assert_eq!(Checkpoint::read(&path).expect("reads"), checkpoint);
    }

    #[test]
    fn a_checkpoint_of_the_first_version_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoint.safetensors");
        let mut all = Weights::new();
        for prefix in ["now.", "average.", "m.", "v."] {
            all.insert(format!("{prefix}stem.weight"), (vec![1], vec![1.5]));
        }
        all.insert("step".into(), (vec![2], vec![1.0, 7.0]));
        write_weights(&path, &all).expect("writes");
        let read = Checkpoint::read(&path).expect("reads");
        assert_eq!((read.step, read.updates, read.best), (1_048_583, 1_048_583, None));
        assert_eq!(read.second["stem.weight"].1, [1.5]);
        all.remove("step");
        write_weights(&path, &all).expect("writes");
        assert!(Checkpoint::read(&path).expect_err("no step").to_string().contains("not a checkpoint"));
    }
}
