//! Where each activation lies in memory, for one size of input.

use crate::EngineError;
use crate::kernels::chain::{self, Link};
use crate::kernels::{Aligned, ConvShape, Crew, Isa, Map};
use crate::tensor::MAX_ELEMENTS;

use super::compile::{Kind, Program, Step};

/// Plans that a workspace keeps: networks times sizes that are used in turn.
const MOST_PLANS: usize = 64;
/// Elements in a cache line: where buffers begin.
const LINE: usize = 16;

/// The sizes of all activations for one size of input, and where in the arena they lie.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Network, pictures, height and width.
    key: [usize; 4],
    pub(super) maps: Vec<Map>,
    pub(super) offsets: Vec<usize>,
    len: usize,
    /// Elements that each thread needs beside the maps for convolutions by Winograd's method.
    extra: usize,
    /// Elements that convolutions in eight bits need beside their maps, together.
    bytes_len: usize,
    /// Where those of each convolution begin, by the value that it computes.
    bytes: Vec<usize>,
    /// Elements that each thread needs, beside all these, for products of matrices.
    room: usize,
    /// For each step with how many that follow it is computed in one pass ([`chain`]), and for those that follow how many
    /// go before.
    chains: Vec<[usize; 2]>,
}

/// The memory of a run.
pub(super) struct Memory<'a> {
    /// Activations, see [`Plan::range`].
    pub(super) arena: &'a mut [f32],
    /// What is needed within a step.
    pub(super) extra: &'a mut [f32],
    /// What products of matrices need beside that.
    pub(super) room: &'a mut [f32],
}

/// What our own engine keeps in a workspace.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    arena: Aligned,
    extra: Aligned,
    pub(super) crew: Crew,
    plans: Vec<Plan>,
}

impl Scratch {
    /// The plan for a size of input, an arena that is large enough for it, and the threads.
    ///
    /// # Errors
    /// The network cannot run on this size.
    pub(super) fn plan(
        &mut self,
        program: &Program,
        key: [usize; 4],
        isa: Isa,
    ) -> Result<(&Plan, Memory<'_>, &mut Crew), EngineError> {
        let found = self.plans.iter().position(|plan| plan.key == key);
        let index = match found {
            Some(index) => index,
            None => {
                let reuse = self.crew.threads() == 1 || isa.shares_memory();
                let plan = Plan::new(program, key, reuse, isa)?;
                if self.plans.len() == MOST_PLANS {
                    self.plans.remove(0);
                }
                self.plans.push(plan);
                self.plans.len() - 1
            }
        };
        let plan = &self.plans[index];
        self.arena.grow(plan.len);
        let extra = (plan.extra * self.crew.threads()).max(plan.bytes_len).next_multiple_of(LINE);
        let room = plan.room * self.crew.threads();
        self.extra.grow(extra + room);
        let (extra, room) = self.extra.split_at_mut(extra);
        Ok((plan, Memory { arena: &mut self.arena, extra, room }, &mut self.crew))
    }
}

impl Plan {
    /// Without `reuse` a value shares memory only with values of its own shape: a thread that writes what another thread's
    /// core holds may have to wait for it, and where buffers overlap anyhow that would be every other line.
    fn new(program: &Program, key: [usize; 4], reuse: bool, isa: Isa) -> Result<Plan, EngineError> {
        let [_, pictures, height, width] = key;
        let maps = maps(program, height, width)?;
        let too_large = || EngineError::Run { reason: format!("{height}×{width} pixels are too many") };
        let mut sizes = Vec::with_capacity(maps.len());
        for map in &maps {
            let size = size(map).and_then(|n| n.checked_mul(pictures)).filter(|n| *n <= MAX_ELEMENTS);
            sizes.push(size.ok_or_else(too_large)?.next_multiple_of(LINE));
        }
        let chains = chains(program, &maps, isa);
        // The step after which a value is not needed any more; results are needed to the end.
        let mut last: Vec<usize> = vec![0; maps.len()];
        for (index, step) in program.steps.iter().enumerate() {
            for value in [Some(step.input), step.other, Some(step.output)].into_iter().flatten() {
                last[value] = index;
            }
            // A chain reads what comes in until it is done.
            let [after, before] = chains[index];
            if after == 0 && before > 0 {
                let input = program.steps[index - before].input;
                last[input] = last[input].max(index);
            }
        }
        program.results.iter().for_each(|r| last[r.value] = usize::MAX);
        // Buffers that are alive, by where they begin; each new one goes into the first gap that holds it.
        let mut alive: Vec<(usize, usize, usize)> = Vec::new();
        let mut offsets = vec![usize::MAX; maps.len()];
        let mut len = 0;
        let mut place = |alive: &mut Vec<(usize, usize, usize)>, value: usize| {
            let mut begin = 0;
            let mut index = 0;
            while index < alive.len() && alive[index].0 < begin + sizes[value] {
                begin = alive[index].0 + alive[index].1;
                index += 1;
            }
            alive.insert(index, (begin, sizes[value], value));
            len = len.max(begin + sizes[value]);
            begin
        };
        offsets[0] = place(&mut alive, 0);
        for (index, step) in program.steps.iter().enumerate() {
            // What lies within a chain is never stored as a whole.
            if offsets[step.output] == usize::MAX && chains[index][0] == 0 {
                // Only a buffer of the same shape may follow, whose rows then lie where the same thread had them before.
                let same = |&(_, _, value): &(usize, usize, usize)| {
                    last[value] < index && maps[value] == maps[step.output]
                };
                offsets[step.output] = match alive.iter().position(same) {
                    Some(position) if !reuse => {
                        alive[position].2 = step.output;
                        alive[position].0
                    }
                    _ => place(&mut alive, step.output),
                };
            }
            if reuse {
                alive.retain(|&(_, _, value)| last[value] > index);
            }
        }
        if len > MAX_ELEMENTS {
            return Err(too_large());
        }
        let extra = program.steps.iter().filter_map(|step| match &step.kind {
            Kind::Conv(_, Some(winograd)) | Kind::Winograd(winograd) => winograd.scratch(&maps[step.output]),
            _ => None,
        });
        let rings = (0..chains.len()).filter(|index| chains[*index][0] > 0 && chains[*index][1] == 0);
        let rings = rings.map(|index| {
            let (links, count) = links(program, &maps, index, chains[index][0] + 1, isa);
            chain::scratch(&links[..count])
        });
        let extra = extra.chain(rings).max().unwrap_or(0);
        let room = program.steps.iter().filter_map(|step| match &step.kind {
            Kind::Conv(conv, _) | Kind::Whole(conv) => Some(conv.room(&maps[step.input], pictures)),
            _ => None,
        });
        let room = room.max().unwrap_or(0);
        // Without `reuse` only convolutions of one shape share memory, as activations do.
        let mut bytes = vec![0; maps.len()];
        let mut bytes_len = 0;
        let mut known: Vec<(Map, ConvShape, usize)> = Vec::new();
        for step in &program.steps {
            let (Kind::Conv(conv, _) | Kind::Whole(conv)) = &step.kind else { continue };
            if !conv.takes_bytes() {
                continue;
            }
            let map = maps[step.input];
            let len = conv.scratch(&map, pictures).next_multiple_of(LINE);
            let same = known.iter().find(|(m, shape, _)| *m == map && *shape == conv.shape);
            let begin = match same {
                _ if reuse => 0,
                Some(&(_, _, begin)) => begin,
                None => bytes_len,
            };
            known.push((map, conv.shape, begin));
            bytes[step.output] = begin;
            bytes_len = bytes_len.max(begin + len);
        }
        Ok(Plan { key, maps, offsets, len, extra, bytes_len, bytes, room, chains })
    }

    /// With how many steps that follow a step is computed in one pass, and with how many that go before.
    pub(super) fn chain(&self, step: usize) -> [usize; 2] {
        self.chains[step]
    }

    /// Where the memory begins that a convolution in eight bits needs beside its maps.
    pub(super) fn bytes(&self, value: usize) -> usize {
        self.bytes[value]
    }

    /// Where a value lies in the arena.
    pub(super) fn range(&self, value: usize, pictures: usize) -> std::ops::Range<usize> {
        let begin = self.offsets[value];
        begin..begin + pictures * self.maps[value].picture()
    }
}

/// A step as a layer of a chain, if it can be one.
fn link<'p>(step: &'p Step, map: &Map, isa: Isa) -> Option<Link<'p>> {
    match &step.kind {
        Kind::Conv(_, Some(winograd)) if winograd.scratch(map).is_some() => None,
        Kind::Conv(conv, _) => Some(Link::Conv(conv)),
        Kind::Depthwise(depthwise) => Some(Link::Depthwise(depthwise)),
        Kind::MaxPool([2, 2, 0]) => Some(Link::MaxPool(isa)),
        _ => None,
    }
}

/// So many steps from one on as the layers of a chain, each with the map that it computes.
pub(super) fn links<'p>(
    program: &'p Program,
    maps: &[Map],
    first: usize,
    count: usize,
    isa: Isa,
) -> ([(Link<'p>, Map); chain::MOST], usize) {
    let layer = |index: usize| {
        let step = &program.steps[first + index.min(count - 1)];
        let map = maps[step.output];
        (link(step, &map, isa).unwrap_or(Link::MaxPool(isa)), map)
    };
    (std::array::from_fn(layer), count)
}

/// Which steps are computed in one pass, see [`Plan::chains`].
fn chains(program: &Program, maps: &[Map], isa: Isa) -> Vec<[usize; 2]> {
    let steps = &program.steps;
    let mut chains = vec![[0; 2]; steps.len()];
    let readers = |value: usize| {
        let read = steps.iter().filter(|step| step.input == value || step.other == Some(value)).count();
        read + program.results.iter().filter(|result| result.value == value).count()
    };
    let fits = |index: usize, first: bool| {
        let step = &steps[index];
        link(step, &maps[step.output], isa).is_some_and(|link| link.fits(first))
    };
    let mut first = 0;
    while first < steps.len() {
        let mut last = first;
        while fits(first, true)
            && last + 1 < steps.len()
            && last + 1 - first < chain::MOST
            && steps[last].other.is_none()
            && steps[last + 1].input == steps[last].output
            && readers(steps[last].output) == 1
            && chain::suits(&maps[steps[last].output])
            && fits(last + 1, false)
        {
            last += 1;
        }
        for (before, chain) in chains[first..=last].iter_mut().enumerate() {
            *chain = [last - first - before, before];
        }
        first = last + 1;
    }
    chains
}

/// Elements of a picture, unless they are too many to count.
fn size(map: &Map) -> Option<usize> {
    let side = |n: usize| n.checked_add(2 * map.pad);
    let pixels = side(map.height)?.checked_mul(side(map.width)?)?;
    pixels.checked_mul(map.blocks())?.checked_mul(map.lanes)
}

/// The shapes of all values for a size of picture.
fn maps(program: &Program, height: usize, width: usize) -> Result<Vec<Map>, EngineError> {
    let fail = |reason: String| EngineError::Run { reason };
    let mut maps: Vec<Map> = Vec::with_capacity(program.values.len());
    maps.resize(program.values.len(), Map::default());
    let shaped = |value: usize, map: Map| {
        let v = &program.values[value];
        Map { channels: v.channels, lanes: v.lanes, pad: v.pad, ..map }
    };
    maps[0] = shaped(0, Map { height, width, ..Map::default() });
    for step in &program.steps {
        let x = maps[step.input];
        let small = || {
            fail(format!("{height}×{width} pixels are too few: a map of {}×{} is left", x.height, x.width))
        };
        let out = match &step.kind {
            Kind::Conv(conv, _) => conv.out_map(&x).ok_or_else(small)?,
            Kind::Winograd(winograd) => {
                let map = Map { channels: winograd.shape().outputs, ..x };
                if winograd.scratch(&map).is_none() {
                    return Err(small());
                }
                map
            }
            Kind::Whole(conv) => {
                if conv.shape.kernel != [x.height, x.width] {
                    return Err(fail(format!(
                        "a fully connected layer reads a map of {:?}, and {height}×{width} pixels give one of {}×{}",
                        conv.shape.kernel, x.height, x.width
                    )));
                }
                conv.out_map(&x).ok_or_else(small)?
            }
            Kind::Depthwise(depthwise) => depthwise.out_map(&x).ok_or_else(small)?,
            Kind::Unary(_) | Kind::Add(_) => x,
            Kind::Upsample(factor) | Kind::Apart(factor) => {
                let times = |n: usize| n.checked_mul(*factor).ok_or_else(small);
                Map { height: times(x.height)?, width: times(x.width)?, ..x }
            }
            Kind::MaxPool([kernel, stride, pad]) => {
                let side = |n: usize| Some((n + 2 * pad).checked_sub(*kernel)? / stride + 1);
                Map {
                    height: side(x.height).ok_or_else(small)?,
                    width: side(x.width).ok_or_else(small)?,
                    ..x
                }
            }
            Kind::GlobalMean => {
                if x.height * x.width == 0 {
                    return Err(small());
                }
                Map { height: 1, width: 1, ..x }
            }
        };
        if let Some(other) = step.other {
            let o = maps[other];
            if (o.height, o.width) != (out.height, out.width) {
                return Err(fail(format!(
                    "{height}×{width} pixels do not suit it: maps of {}×{} and {}×{} are added",
                    out.height, out.width, o.height, o.width
                )));
            }
        }
        maps[step.output] = shaped(step.output, out);
        if out.height == 0 || out.width == 0 {
            return Err(small());
        }
    }
    for &(value, features) in &program.features {
        let map = &maps[value];
        let elements = map.channels * map.height * map.width;
        if elements != features {
            return Err(fail(format!(
                "{height}×{width} pixels do not suit it: {features} elements are reshaped, and there are {elements}"
            )));
        }
    }
    Ok(maps)
}
