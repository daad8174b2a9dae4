//! [`Network`] by our own engine.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::kernels::{Aligned, Isa, LANES, Map, add, global_mean, max_pool, upsample};
use crate::{
    EngineError, Input, LoadOptions, Network, Normalisation, Port, Precision, Runtime, Tensor, Workspace,
};

use super::compile::{Kind, Outcome, Program, Step, compile};
use super::plan::Plan;

/// Pictures of a batch that are computed together: enough that weights are read once for several, few enough that
/// activations stay in the cache.
const TOGETHER: usize = 4;

/// A network that our own engine runs.
#[derive(Debug)]
pub(crate) struct NativeNetwork {
    /// Tells plans of different networks apart.
    id: usize,
    program: Program,
    input: Port,
    outputs: Vec<Port>,
    normalisation: Normalisation,
    isa: Isa,
}

impl NativeNetwork {
    /// Compiles an ONNX file.
    pub(crate) fn load(onnx: &[u8], options: &LoadOptions, isa: Isa) -> Result<NativeNetwork, EngineError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let graph = phiz_onnx::read(onnx)
            .map_err(|error| EngineError::Load { reason: format!("no whole ONNX file: {}", error.reason) })?;
        let program =
            compile(&graph, isa).map_err(|reason| EngineError::Unsupported { runtime: "native", reason })?;
        let port = |value: &phiz_onnx::Value| Port {
            name: value.name.clone(),
            shape: value.shape.clone().unwrap_or_default(),
        };
        Ok(NativeNetwork {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            program,
            input: port(&graph.inputs[0]),
            outputs: graph.outputs.iter().map(port).collect(),
            normalisation: options.normalisation,
            isa,
        })
    }

    fn compute(&self, plan: &Plan, arena: &mut Aligned, pictures: usize) -> Result<(), EngineError> {
        for step in &self.program.steps {
            self.step(step, plan, arena, pictures)?;
        }
        Ok(())
    }

    fn step(
        &self,
        step: &Step,
        plan: &Plan,
        arena: &mut Aligned,
        pictures: usize,
    ) -> Result<(), EngineError> {
        let range = |value: usize| plan.range(value, pictures);
        let map = |value: usize| &plan.maps[value];
        let (x_map, out_map) = (map(step.input), map(step.output));
        if step.input == step.output {
            if let Kind::Unary(unary) = &step.kind {
                for picture in arena[range(step.input)].chunks_exact_mut(x_map.picture()) {
                    unary.run(x_map, picture, self.isa);
                }
            }
            return Ok(());
        }
        // What is added may be the input itself.
        let other = step.other.filter(|other| *other != step.input);
        let empty = 0..0;
        let ranges = [range(step.input), other.map_or(empty, range), range(step.output)];
        let [x, other, out] = arena
            .get_disjoint_mut(ranges)
            .map_err(|_| EngineError::Run { reason: "buffers overlap; this is a bug of Phiz".into() })?;
        let (x, other) = (&*x, &*other);
        out.chunks_exact_mut(out_map.picture()).for_each(|picture| out_map.clear_border(picture));
        let more = step.other.map(|value| (map(value), if value == step.input { x } else { other }));
        if let Kind::Conv(conv) | Kind::Whole(conv) = &step.kind {
            conv.run((x_map, x), more, (out_map, out), pictures);
            return Ok(());
        }
        let inputs = x.chunks_exact(x_map.picture());
        for (index, (x, out)) in inputs.zip(out.chunks_exact_mut(out_map.picture())).enumerate() {
            match &step.kind {
                Kind::Depthwise(depthwise) => {
                    (0..out_map.blocks())
                        .for_each(|block| depthwise.block(block, (x_map, x), (out_map, out)));
                }
                Kind::Unary(unary) => {
                    copy((x_map, x), (out_map, out));
                    unary.run(out_map, out, self.isa);
                }
                Kind::Add(clamp) => {
                    if let Some((map, data)) = more {
                        let data = &data[index * map.picture()..][..map.picture()];
                        add((x_map, x), (map, data), (out_map, out), *clamp, self.isa);
                    }
                }
                Kind::Upsample(factor) => upsample((x_map, x), (out_map, out), *factor),
                Kind::MaxPool(window) => max_pool((x_map, x), (out_map, out), *window),
                Kind::GlobalMean => global_mean((x_map, x), (out_map, out)),
                Kind::Conv(_) | Kind::Whole(_) => {}
            }
        }
        Ok(())
    }

    /// Writes the input's pictures from `first` on into the arena.
    fn feed(&self, input: &Input<'_>, first: usize, pictures: usize, map: &Map, arena: &mut [f32]) {
        for (index, picture) in arena[..pictures * map.picture()].chunks_exact_mut(map.picture()).enumerate()
        {
            map.clear_border(picture);
            let (inner, row, width) = (map.inner(0), map.row(), map.width);
            match input {
                Input::Tensor(tensor) => {
                    let plane = map.height * width;
                    let values = &tensor.data[(first + index) * 3 * plane..][..3 * plane];
                    for y in 0..map.height {
                        let line = &mut picture[inner + y * row..][..width * 3];
                        let channel = |c: usize| &values[c * plane + y * width..][..width];
                        let rows = channel(0).iter().zip(channel(1)).zip(channel(2));
                        for (pixel, ((a, b), c)) in line.as_chunks_mut::<3>().0.iter_mut().zip(rows) {
                            *pixel = [*a, *b, *c];
                        }
                    }
                }
                Input::Pictures(pictures) => {
                    let lines = pictures.rows(first + index);
                    let swap = pictures.order != self.normalisation.order;
                    for (y, from) in lines.enumerate() {
                        let line = &mut picture[inner + y * row..][..width * 3];
                        crate::kernels::normalise(from, line, &self.normalisation, swap, self.isa);
                    }
                }
            }
        }
    }

    /// Writes a result's pictures from `first` on.
    fn result(&self, outcome: &Outcome, map: &Map, arena: &[f32], out: &mut [f32]) {
        let plane = map.height * map.width;
        for (picture, out) in
            arena.chunks_exact(map.picture()).zip(out.chunks_exact_mut(map.channels * plane))
        {
            if plane == 1 && map.pad == 0 {
                out.copy_from_slice(&picture[..map.channels]);
            } else {
                for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
                    let begin = map.inner(channel / LANES) + channel % LANES;
                    for (y, out) in out.chunks_exact_mut(map.width).enumerate() {
                        let line = picture[begin + y * map.row()..].iter().step_by(LANES);
                        out.iter_mut().zip(line).for_each(|(out, v)| *out = *v);
                    }
                }
            }
            if let Some(unary) = &outcome.unary {
                unary.plane(out, self.isa);
            }
        }
    }
}

/// Copies a picture, its border left out.
fn copy((x_map, x): (&Map, &[f32]), (out_map, out): (&Map, &mut [f32])) {
    let length = x_map.width * x_map.lanes;
    for block in 0..x_map.blocks() {
        for y in 0..x_map.height {
            let from = x_map.inner(block) + y * x_map.row();
            let to = out_map.inner(block) + y * out_map.row();
            out[to..to + length].copy_from_slice(&x[from..from + length]);
        }
    }
}

impl Network for NativeNetwork {
    fn input(&self) -> &Port {
        &self.input
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn runtime(&self) -> Runtime {
        Runtime::Native
    }

    fn precision(&self) -> Precision {
        Precision::F32
    }

    fn run_into<'w>(
        &self,
        input: Input<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [Tensor], EngineError> {
        input.check(&self.input)?;
        let [batch, _, height, width] = input.shape();
        workspace.outputs.truncate(self.outputs.len());
        let mut first = 0;
        loop {
            let pictures = (batch - first).min(TOGETHER);
            // An empty batch has the shapes of one picture.
            let planned = pictures.max(1);
            let (plan, arena) = workspace.scratch.plan(&self.program, [self.id, planned, height, width])?;
            let range = plan.range(0, pictures);
            self.feed(&input, first, pictures, &plan.maps[0], &mut arena[range]);
            if pictures > 0 {
                self.compute(plan, arena, pictures)?;
            }
            for (index, outcome) in self.program.results.iter().enumerate() {
                let map = &plan.maps[outcome.value];
                let each = map.channels * map.height * map.width;
                let out = output(&mut workspace.outputs, index);
                if first == 0 {
                    out.shape.clear();
                    match outcome.flat {
                        true => out.shape.extend([batch, each]),
                        false => out.shape.extend([batch, map.channels, map.height, map.width]),
                    }
                    out.data.resize(batch * each, 0.0);
                }
                let out = &mut out.data[first * each..][..pictures * each];
                self.result(outcome, map, &arena[plan.range(outcome.value, pictures)], out);
            }
            first += pictures;
            if first == batch {
                return Ok(&workspace.outputs);
            }
        }
    }
}

fn output(outputs: &mut Vec<Tensor>, index: usize) -> &mut Tensor {
    if outputs.len() <= index {
        outputs.resize_with(index + 1, Tensor::default);
    }
    &mut outputs[index]
}
