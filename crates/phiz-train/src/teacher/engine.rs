//! A teacher that looks through our own engine: on a processor it is twice as fast as the back end that learns there.

use std::panic::resume_unwind;

use phiz_engine::{
    EngineError, Instructions, LoadOptions, Network, Normalisation, Pictures, Precision, Runtime, Workspace,
    load,
};

use crate::shards::{CROP, CROP_BYTES};

/// Pictures that one thread looks at together where the file leaves it open: the weights are read once for all of them.
const TOGETHER: usize = 4;

/// A network that our own engine runs, one part of the pictures on each thread.
pub(super) struct Engine {
    network: Box<dyn Network>,
    threads: usize,
    /// Pictures that one thread looks at together.
    together: usize,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Engine {
    /// Of an ONNX file, which also shows the value `map`, in bf16 if that is wished and the processor gains from it; none if our own
    /// engine does not run it here.
    pub(super) fn open(
        onnx: &[u8],
        normalisation: Normalisation,
        map: Option<String>,
        threads: usize,
        bf16: bool,
    ) -> Option<Engine> {
        let plain = LoadOptions::default().normalisation(normalisation).shown(map.into_iter().collect());
        let short = plain.clone().precision(Precision::Bf16).instructions(Instructions::Measured);
        let network = bf16.then(|| load(onnx, &short).ok()).flatten().or_else(|| load(onnx, &plain).ok())?;
        let together = match network.input().shape.first()? {
            None => TOGETHER,
            // Many files are for one picture at a time.
            Some(1) => 1,
            Some(_) => return None,
        };
        (network.runtime() == Runtime::Native).then_some(Engine {
            network,
            threads: threads.max(1),
            together,
        })
    }

    /// Templates of pictures (112×112 interleaved RGB), one behind the other and not of unit length, and likewise their maps.
    pub(super) fn look(&self, pictures: &[u8]) -> Result<[Vec<f32>; 2], EngineError> {
        let pictures: Vec<&[u8]> = pictures.chunks_exact(CROP_BYTES).collect();
        let share = pictures.len().div_ceil(self.threads).max(1);
        let parts: Vec<Result<[Vec<f32>; 2], EngineError>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                pictures.chunks(share).map(|part| scope.spawn(|| self.look_one_by_one(part))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        let mut all = [Vec::new(), Vec::new()];
        for part in parts {
            all.iter_mut().zip(part?).for_each(|(all, part)| all.extend(part));
        }
        Ok(all)
    }

    fn look_one_by_one(&self, pictures: &[&[u8]]) -> Result<[Vec<f32>; 2], EngineError> {
        let mut workspace = Workspace::default();
        let mut said = [Vec::new(), Vec::new()];
        for few in pictures.chunks(self.together) {
            let outputs = self.network.run_into(Pictures::rgb(CROP, CROP, few).into(), &mut workspace)?;
            let behind = outputs.get(self.network.outputs().len() - 1).filter(|_| outputs.len() > 1);
            for (said, output) in said.iter_mut().zip(outputs.first().into_iter().chain(behind)) {
                said.extend_from_slice(&output.data);
            }
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
    use super::*;
    use phiz_onnx::write::{Axis, GraphWriter, int};

    /// A network whose map is the picture and whose template is the map's mean.
    fn mean_colour(batch: Axis<'_>) -> Vec<u8> {
        let mut graph = GraphWriter::new("mean");
        graph.floats("weight", &[3, 3, 1, 1], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        graph.node("Conv", &["picture", "weight"], "map", &[]);
        graph.node("GlobalAveragePool", &["map"], "pooled", &[]);
        graph.node("Flatten", &["pooled"], "template", &[int("axis", 1)]);
        let side = CROP;
        graph.input("picture", &[batch, Axis::Fixed(3), Axis::Fixed(side), Axis::Fixed(side)]);
        graph.output("template", &[batch, Axis::Fixed(3)]);
        graph.finish("test")
    }

    // Elsewhere our own engine is not chosen.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn as_many_pictures_at_a_time_as_a_file_is_for() {
        let colours: Vec<[u8; 3]> = (0..7).map(|i| [i, 2 * i, 3 * i]).collect();
        let pictures: Vec<u8> = colours.iter().flat_map(|c| c.repeat(CROP * CROP)).collect();
        for batch in [Axis::Named("n"), Axis::Fixed(1)] {
            for (threads, bf16) in [(1, false), (2, false), (5, true), (20, true)] {
                let (onnx, map) = (mean_colour(batch), Some("map".into()));
                let engine = Engine::open(&onnx, Normalisation::default(), map, threads, bf16).unwrap();
                let [templates, maps] = engine.look(&pictures).unwrap();
                let near = |a: f32, b: u8| (a - f32::from(b)).abs() < 1e-3;
                assert!(templates.len() == 21 && maps.len() == 7 * CROP_BYTES);
                assert!(templates.iter().zip(colours.as_flattened()).all(|(a, b)| near(*a, *b)));
                let planes = maps.chunks_exact(CROP * CROP).zip(colours.as_flattened());
                assert!(planes.into_iter().all(|(plane, b)| plane.iter().all(|a| near(*a, *b))));
            }
        }
        for batch in [0, 4] {
            assert!(
                Engine::open(&mean_colour(Axis::Fixed(batch)), Normalisation::default(), None, 1, false)
                    .is_none()
            );
        }
    }
}
