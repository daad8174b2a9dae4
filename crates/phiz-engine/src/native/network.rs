//! [`Network`] by our own engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::kernels::{
    Crew, Isa, LANES, Map, SIMPLE, Winograd, add, apart, chain, copy, global_mean, max_pool, upsample,
};
use crate::{
    EngineError, Input, Instructions, LoadOptions, Network, Normalisation, Port, Precision, Runtime, Tensor,
    Workspace,
};

use super::compile::{Kind, Last, Outcome, Program, compile};
use super::plan::{Memory, Plan, links};

/// Pictures of a batch that are computed together where weights are more than a core's cache holds: enough that they are
/// read once for several, few enough that activations stay there.
const TOGETHER: usize = 4;
/// Elements of weights that a core's cache holds beside activations.
const FEW_WEIGHTS: usize = 192 * 1024;

/// A network that our own engine runs.
#[derive(Debug)]
pub(crate) struct NativeNetwork {
    /// Tells plans of different networks apart.
    id: usize,
    program: Program,
    input: Port,
    outputs: Vec<Port>,
    normalisation: Normalisation,
    precision: Precision,
    threads: usize,
    /// Pictures of a batch that are computed together.
    together: usize,
    isa: Isa,
}

impl NativeNetwork {
    /// Compiles an ONNX file.
    pub(crate) fn load(onnx: &[u8], options: &LoadOptions) -> Result<NativeNetwork, EngineError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (mut graph, packed) = phiz_onnx::read_packed(onnx)
            .map_err(|error| EngineError::Load { reason: format!("no whole ONNX file: {}", error.reason) })?;
        let lacks = |reason: String| EngineError::Unsupported { runtime: "native", reason };
        let wish = options.instructions;
        let isa = Isa::choose(wish, options.precision)
            .ok_or_else(|| lacks(format!("this processor does not have the instructions {wish}")))?;
        let precision = match options.precision {
            Precision::Auto => Precision::F32,
            known if !isa.has(known) => {
                return Err(lacks(format!("this processor does not multiply in {known}")));
            }
            Precision::Bf16 if wish == Instructions::Measured && !isa.gains_from_bf16() => {
                return Err(lacks("this processor is slower in bf16 than in f32".into()));
            }
            known => known,
        };
        let shown = options.shown.iter();
        graph.outputs.extend(shown.map(|name| phiz_onnx::Value { name: name.clone(), ..Default::default() }));
        let constants = std::mem::take(&mut graph.constants);
        let program = compile(&graph, constants, packed, isa, precision).map_err(lacks)?;
        let port = |value: &phiz_onnx::Value| Port {
            name: value.name.clone(),
            shape: value.shape.clone().unwrap_or_default(),
        };
        let weights: usize = program.steps.iter().map(|step| step.kind.weights()).sum();
        Ok(NativeNetwork {
            together: if weights > FEW_WEIGHTS { TOGETHER } else { 1 },
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            program,
            input: port(&graph.inputs[0]),
            outputs: graph.outputs.iter().map(port).collect(),
            normalisation: options.normalisation,
            precision,
            threads: options.threads,
            isa,
        })
    }

    /// Milliseconds that each step takes on a picture, the least of so many rounds, with its multiplications.
    pub(crate) fn profile(
        &self,
        input: &Tensor,
        rounds: usize,
    ) -> Result<Vec<crate::bench::StepTime>, EngineError> {
        let input = Input::Tensor(input);
        input.check(&self.input)?;
        let [_, _, height, width] = input.shape();
        let mut workspace = Workspace::default();
        workspace.scratch.crew.resize(self.threads);
        let (plan, mut memory, crew) =
            workspace.scratch.plan(&self.program, [self.id, 1, height, width], self.isa)?;
        let steps = &self.program.steps;
        let mut least = vec![f64::INFINITY; steps.len() + 1];
        for _ in 0..rounds.max(1) {
            let mut began = Instant::now();
            let mut lap = |least: &mut f64| {
                let now = Instant::now();
                *least = least.min((now - began).as_secs_f64() * 1e3);
                began = now;
            };
            self.feed(&input, 0, 1, &plan.maps[0], &mut memory.arena[plan.range(0, 1)], crew);
            lap(&mut least[0]);
            for (index, least) in (0..steps.len()).zip(&mut least[1..]) {
                self.step(index, plan, &mut memory, 1, crew)?;
                lap(least);
            }
        }
        let time = |name: String, macs: usize, milliseconds: f64| crate::bench::StepTime {
            name,
            macs,
            milliseconds,
        };
        let mut times = vec![time("input".into(), 0, least[0])];
        for (index, (step, milliseconds)) in steps.iter().zip(&least[1..]).enumerate() {
            let (x, out) = (&plan.maps[step.input], &plan.maps[step.output]);
            let (name, each) = step.kind.describe();
            // The time of all stands at the last.
            let added = match step.other {
                _ if plan.chain(index)[0] > 0 => ", in one pass with the next",
                Some(_) => " +",
                None => "",
            };
            let name = format!(
                "{name}{added} {}×{}×{} → {}×{}×{}",
                x.channels, x.height, x.width, out.channels, out.height, out.width
            );
            times.push(time(name, each * out.height * out.width, *milliseconds));
        }
        Ok(times)
    }

    /// Runs a step; one that is computed in one pass with others is run with the last of them.
    fn step(
        &self,
        index: usize,
        plan: &Plan,
        Memory { arena, extra, room }: &mut Memory<'_>,
        pictures: usize,
        crew: &mut Crew,
    ) -> Result<(), EngineError> {
        let [after, before] = plan.chain(index);
        if after > 0 {
            return Ok(());
        }
        let step = &self.program.steps[index];
        if before > 0 {
            let first = index - before;
            let (links, count) = links(&self.program, &plan.maps, first, before + 1, self.isa);
            let input = self.program.steps[first].input;
            let other = step.other.filter(|other| *other != input);
            let range = |value: usize| plan.range(value, pictures);
            let ranges = [range(input), other.map_or(0..0, range), range(step.output)];
            let [x, other, out] = arena.get_disjoint_mut(ranges).map_err(|_| overlap())?;
            let (x, other) = (&*x, &*other);
            let more = step.other.map(|value| (&plan.maps[value], if value == input { x } else { other }));
            chain::run(&links[..count], (&plan.maps[input], x), more, out, pictures, extra, crew);
            return Ok(());
        }
        let range = |value: usize| plan.range(value, pictures);
        let map = |value: usize| &plan.maps[value];
        let (x_map, out_map) = (map(step.input), map(step.output));
        let blocks = out_map.blocks();
        if step.input == step.output {
            if let Kind::Unary(unary) = &step.kind {
                let arena = &mut arena[range(step.input)];
                let work = SIMPLE * arena.len();
                crew.rows(x_map, arena, work, &|index, _, row| unary.run(row, index % blocks, self.isa));
            }
            return Ok(());
        }
        // What is added may be the input itself.
        let other = step.other.filter(|other| *other != step.input);
        let ranges = [range(step.input), other.map_or(0..0, range), range(step.output)];
        let [x, other, out] = arena.get_disjoint_mut(ranges).map_err(|_| overlap())?;
        let (x, other) = (&*x, &*other);
        let more = step.other.map(|value| (map(value), if value == step.input { x } else { other }));
        match &step.kind {
            Kind::Conv(_, Some(winograd)) | Kind::Winograd(winograd)
                if Winograd::fits(out_map.height, out_map.width) =>
            {
                winograd.run((x_map, x), more, (out_map, out), pictures, extra, crew);
                return Ok(());
            }
            Kind::Conv(conv, _) | Kind::Whole(conv) if conv.takes_bytes() => {
                let extra = &mut extra[plan.bytes(step.output)..];
                conv.run_bytes((x_map, x), more, (out_map, out), pictures, extra, room, crew);
                return Ok(());
            }
            Kind::Conv(conv, _) | Kind::Whole(conv) => {
                conv.run((x_map, x), more, (out_map, out), pictures, room, crew);
                return Ok(());
            }
            _ => {}
        }
        let work = SIMPLE * (x.len() + out.len());
        crew.rows(out_map, out, work, &|index, y, out| {
            let plane = |map: &Map| index * map.plane()..(index + 1) * map.plane();
            let whole = || (x_map, &x[index / blocks * x_map.picture()..][..x_map.picture()]);
            let x = || (x_map, &x[plane(x_map)]);
            match &step.kind {
                Kind::Conv(..) | Kind::Whole(_) | Kind::Winograd(_) => {}
                Kind::Depthwise(depthwise) => {
                    depthwise.row(index % blocks, y, x(), out, out_map.is_short());
                }
                Kind::Unary(unary) => {
                    copy(y, x(), out);
                    unary.run(out, index % blocks, self.isa);
                }
                Kind::Add(clamp) => {
                    if let Some((map, data)) = more {
                        add(y, x(), (map, &data[plane(map)]), out, *clamp, self.isa);
                    }
                }
                Kind::Upsample(factor) => upsample(y, x(), out, *factor),
                Kind::Apart(factor) => apart(y, whole(), [index % blocks, blocks], out, *factor),
                Kind::MaxPool(window) => max_pool(y, x(), out, *window, self.isa),
                Kind::GlobalMean => global_mean(x(), out),
            }
        });
        Ok(())
    }

    /// Writes the input's pictures from `first` on into the arena.
    fn feed(
        &self,
        input: &Input<'_>,
        first: usize,
        pictures: usize,
        map: &Map,
        arena: &mut [f32],
        crew: &mut Crew,
    ) {
        let width = map.width;
        let arena = &mut arena[..pictures * map.picture()];
        crew.rows(map, arena, SIMPLE * pictures * map.picture(), &|index, y, line| match input {
            Input::Tensor(tensor) => {
                let plane = map.height * width;
                let values = &tensor.data[(first + index) * 3 * plane..][..3 * plane];
                let channel = |c: usize| &values[c * plane + y * width..][..width];
                let rows = channel(0).iter().zip(channel(1)).zip(channel(2));
                for (pixel, ((a, b), c)) in line.as_chunks_mut::<3>().0.iter_mut().zip(rows) {
                    *pixel = [*a, *b, *c];
                }
            }
            Input::Pictures(pictures) => {
                let from = pictures.row(first + index, y);
                let swap = pictures.order != self.normalisation.order;
                crate::kernels::normalise(from, line, &self.normalisation, swap, self.isa);
            }
        });
    }

    /// Writes a result's pictures from `first` on.
    fn result(&self, outcome: &Outcome, map: &Map, arena: &[f32], out: &mut [f32], crew: &mut Crew) {
        let plane = map.height * map.width;
        let flat = plane == 1 && map.pad == 0 && outcome.last == Last::No;
        for (picture, out) in
            arena.chunks_exact(map.picture()).zip(out.chunks_exact_mut(map.channels * plane))
        {
            if flat {
                out.copy_from_slice(&picture[..map.channels]);
                if let Some(unary) = &outcome.unary {
                    unary.channel(out, self.isa);
                }
                continue;
            }
            if outcome.last != Last::No {
                let whole = out.len();
                crew.planes(out, whole, map.width * map.channels, SIMPLE * picture.len(), &|_, y, out| {
                    for block in 0..map.blocks() {
                        let channels = LANES.min(map.channels - block * LANES);
                        let line = &picture[map.inner(block) + y * map.row()..];
                        let pixels = line.as_chunks::<LANES>().0.iter();
                        for (out, pixel) in out.chunks_exact_mut(map.channels).zip(pixels) {
                            out[block * LANES..][..channels].copy_from_slice(&pixel[..channels]);
                        }
                    }
                    if let Some(unary) = &outcome.unary {
                        unary.channel(out, self.isa);
                    }
                });
                continue;
            }
            crew.planes(out, plane, map.width, SIMPLE * picture.len(), &|channel, y, out| {
                let begin = map.inner(channel / LANES) + channel % LANES + y * map.row();
                let line = picture[begin..].iter().step_by(LANES);
                out.iter_mut().zip(line).for_each(|(out, v)| *out = *v);
                if let Some(unary) = &outcome.unary {
                    unary.channel(out, self.isa);
                }
            });
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
        self.precision
    }

    fn instructions(&self) -> Option<&'static str> {
        Some(self.isa.name(self.precision))
    }

    fn run_into<'w>(
        &self,
        input: Input<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [Tensor], EngineError> {
        input.check(&self.input)?;
        let [batch, _, height, width] = input.shape();
        workspace.outputs.truncate(self.outputs.len());
        workspace.scratch.crew.resize(self.threads);
        let mut first = 0;
        loop {
            let pictures = (batch - first).min(self.together);
            // An empty batch has the shapes of one picture.
            let planned = pictures.max(1);
            let (plan, mut memory, crew) =
                workspace.scratch.plan(&self.program, [self.id, planned, height, width], self.isa)?;
            let range = plan.range(0, pictures);
            self.feed(&input, first, pictures, &plan.maps[0], &mut memory.arena[range], crew);
            if pictures > 0 {
                for step in 0..self.program.steps.len() {
                    self.step(step, plan, &mut memory, pictures, crew)?;
                }
            }
            for (index, outcome) in self.program.results.iter().enumerate() {
                let map = &plan.maps[outcome.value];
                let each = map.channels * map.height * map.width;
                let out = output(&mut workspace.outputs, index);
                if first == 0 {
                    out.shape.clear();
                    match (outcome.flat, outcome.last) {
                        (true, _) => out.shape.extend([batch, each]),
                        (_, Last::Pixels) => out.shape.extend([batch, map.height, map.width, map.channels]),
                        (_, Last::List) => out.shape.extend([batch, map.height * map.width, map.channels]),
                        _ => out.shape.extend([batch, map.channels, map.height, map.width]),
                    }
                    out.data.resize(batch * each, 0.0);
                }
                let out = &mut out.data[first * each..][..pictures * each];
                self.result(outcome, map, &memory.arena[plan.range(outcome.value, pictures)], out, crew);
            }
            first += pictures;
            if first == batch {
                return Ok(&workspace.outputs);
            }
        }
    }
}

fn overlap() -> EngineError {
    EngineError::Run { reason: "buffers overlap; this is a bug of Phiz".into() }
}

fn output(outputs: &mut Vec<Tensor>, index: usize) -> &mut Tensor {
    if outputs.len() <= index {
        outputs.resize_with(index + 1, Tensor::default);
    }
    &mut outputs[index]
}
