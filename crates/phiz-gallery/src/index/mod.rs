//! The index: one 4-bit template a person, scanned whole for every search.
//!
//! It is only ever a cache of the store. What it says is a list of candidates; who they are and how similar is told
//! from the store's own f32 templates. A stale or damaged index could therefore hide a person, never name a wrong
//! one, and neither is let happen: it follows the store's log of changes before each search, and its file carries
//! checksums.
//!
//! Rows are written once. A change kills the old row and appends a new one to the *tail*; writing the file packs the
//! living rows, sorted by id, into a new *base*. How far the rounding to 4 bits can be off is known for each row ([`code`]),
//! and candidates come in the order of how similar they can be at most, so that the caller knows when it has seen enough.

mod code;
mod file;
mod top;

use std::collections::HashMap;

use memmap2::Mmap;

use crate::scan::{self, LANES, block_bytes};
use crate::store::Mark;
use code::{Coder, Fit};
use top::Top;

pub(crate) use code::Probe;
pub(crate) use file::{Loaded, load, save};

/// Blocks scanned at a time: a tile of 512 rows stays in the second-level cache while all probes pass over it.
const TILE: usize = 32;
/// Probes that share a pass.
const BATCH: usize = 64;

/// Where the packed base lies.
enum Base {
    Mapped { map: Mmap, start: usize, end: usize },
    Owned(Vec<u8>),
}

impl Base {
    fn bytes(&self) -> &[u8] {
        match self {
            Base::Mapped { map, start, end } => &map[*start..*end],
            Base::Owned(bytes) => bytes,
        }
    }
}

/// A person whom a search found, and how similar they are at most, all but certainly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) id: u64,
    pub(crate) at_most: f32,
}

/// A choice of rows: one bit a row, 16 a block.
pub(crate) struct Choice(Vec<u16>);

impl Choice {
    /// Rows chosen.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }
}

/// See the module's text.
pub(crate) struct Index {
    /// Values a template has.
    dim: usize,
    coder: Coder,
    base: Base,
    /// Rows of the base, sorted by id; the tail begins with the next whole block.
    base_rows: usize,
    tail: Vec<u8>,
    /// The first row that was never used.
    next: usize,
    /// Of all rows, base and tail, padded to whole blocks.
    ids: Vec<u64>,
    fits: Vec<Fit>,
    /// Of each block, the largest scale and the largest error that a row has.
    bounds: Vec<Fit>,
    alive: Vec<u16>,
    tail_rows: HashMap<u64, usize>,
    living: usize,
    /// The store's state that this holds.
    pub(crate) mark: Mark,
}

impl Index {
    pub(crate) fn new(dim: usize) -> Index {
        Index::with_base(dim, Base::Owned(Vec::new()), Vec::new(), Vec::new(), Mark::default())
    }

    /// `ids` and `fits` of the base's rows, ids rising.
    fn with_base(dim: usize, base: Base, mut ids: Vec<u64>, mut fits: Vec<Fit>, mark: Mark) -> Index {
        let base_rows = ids.len();
        let next = base_rows.next_multiple_of(LANES);
        ids.resize(next, 0);
        fits.resize(next, Fit::default());
        let mut alive = vec![u16::MAX; next / LANES];
        if !base_rows.is_multiple_of(LANES)
            && let Some(last) = alive.last_mut()
        {
            *last = (1 << (base_rows % LANES)) - 1;
        }
        let bounds = fits.as_chunks::<LANES>().0.iter().map(|fits| Fit::bound(fits)).collect();
        let (tail, tail_rows, living, coder) = (Vec::new(), HashMap::new(), base_rows, Coder::new(dim));
        Index { dim, coder, base, base_rows, tail, next, ids, fits, bounds, alive, tail_rows, living, mark }
    }

    /// People it holds.
    pub(crate) fn len(&self) -> usize {
        self.living
    }

    /// Rows that were added or removed since it was last written.
    pub(crate) fn pending(&self) -> usize {
        let added = self.next - self.base_rows.next_multiple_of(LANES);
        added + (self.base_rows + added - self.living)
    }

    /// Bytes that it holds, in memory or mapped.
    pub(crate) fn bytes(&self) -> usize {
        self.base.bytes().len()
            + self.tail.len()
            + self.ids.len() * (8 + size_of::<Fit>())
            + self.alive.len() * (2 + size_of::<Fit>())
    }

    /// Ids of all people that it holds, in no order.
    pub(crate) fn people(&self) -> impl Iterator<Item = u64> {
        (0..self.ids.len()).filter(|row| self.is_alive(*row)).map(|row| self.ids[row])
    }

    fn is_alive(&self, row: usize) -> bool {
        self.alive[row / LANES] >> (row % LANES) & 1 == 1
    }

    fn row_of(&self, id: u64) -> Option<usize> {
        let row = match self.tail_rows.get(&id) {
            Some(row) => *row,
            None => self.ids[..self.base_rows].binary_search(&id).ok()?,
        };
        self.is_alive(row).then_some(row)
    }

    /// Whether a person's row is what [`Index::set`] would make it.
    pub(crate) fn holds(&self, id: u64, template: Option<&[f32]>) -> bool {
        match (self.row_of(id), template) {
            (Some(row), Some(template)) => {
                let wanted = self.coder.code(template);
                let (bytes, first) = self.bytes_from(row / LANES);
                let codes = scan::unpack(bytes, self.coder.dim, row - first * LANES);
                self.fits[row] == wanted.fit && codes.eq(wanted.codes)
            }
            (own, template) => own.is_none() && template.is_none(),
        }
    }

    /// Sets or removes a person's template (of unit length).
    pub(crate) fn set(&mut self, id: u64, template: Option<&[f32]>) {
        if let Some(row) = self.row_of(id) {
            self.alive[row / LANES] &= !(1 << (row % LANES));
            self.tail_rows.remove(&id);
            self.living -= 1;
        }
        if let Some(template) = template {
            let row = self.coder.code(template);
            self.append(id, &row.codes, row.fit);
        }
    }

    fn append(&mut self, id: u64, codes: &[u8], fit: Fit) {
        let row = self.next;
        if row == self.ids.len() {
            self.ids.resize(row + LANES, 0);
            self.fits.resize(row + LANES, Fit::default());
            self.bounds.push(Fit::default());
            self.alive.push(0);
            self.tail.resize(self.tail.len() + block_bytes(self.coder.dim), 0);
        }
        scan::pack(&mut self.tail, row - self.base_rows.next_multiple_of(LANES), codes);
        (self.ids[row], self.fits[row]) = (id, fit);
        let bound = &mut self.bounds[row / LANES];
        *bound = Fit::bound(&[*bound, fit]);
        self.alive[row / LANES] |= 1 << (row % LANES);
        self.tail_rows.insert(id, row);
        self.next += 1;
        self.living += 1;
    }

    /// A template to search with.
    pub(crate) fn probe(&self, template: &[f32]) -> Probe {
        self.coder.probe(template)
    }

    /// The rows of some people; those that it does not hold are left out.
    pub(crate) fn choose(&self, people: impl IntoIterator<Item = u64>) -> Choice {
        let mut bits = vec![0u16; self.alive.len()];
        for row in people.into_iter().filter_map(|id| self.row_of(id)) {
            bits[row / LANES] |= 1 << (row % LANES);
        }
        Choice(bits)
    }

    /// For each probe the `most` people who may be most similar, by how similar they are at most; ties by rising id.
    pub(crate) fn search(&self, probes: &[Probe], most: usize, among: Option<&Choice>) -> Vec<Vec<Hit>> {
        let mut tops: Vec<Top> = probes.iter().map(|_| Top::new(most)).collect();
        let facts: Vec<(i32, f32, f32)> = probes
            .iter()
            .map(|probe| {
                let (constant, share) = self.coder.reach(probe);
                (probe.offset(), constant, share)
            })
            .collect();
        self.products(probes, among, |number, block, products, wanted| {
            let (probe, top, (offset, constant, share)) = (&probes[number], &mut tops[number], facts[number]);
            // Of almost all blocks not even the largest product, were it the row's with the largest scale and error, gets
            // among the best: each step rounds to no less than it does for any row.
            let (bound, largest) = (self.bounds[block], products.iter().fold(i32::MIN, |a, b| a.max(*b)));
            let similar = (2 * largest - offset).max(0) as f32 * (bound.scale * probe.scale);
            if similar + (constant + share * bound.error) < top.floor() {
                return;
            }
            let rows = block * LANES..(block + 1) * LANES;
            let mut at_most = self.similar(probe, offset, block, products);
            for (s, fit) in at_most.iter_mut().zip(&self.fits[rows.clone()]) {
                *s += constant + share * fit.error;
            }
            top.offer(&at_most, wanted, &self.ids[rows]);
        });
        tops.into_iter().map(Top::into_hits).collect()
    }

    /// Shows all similarities, as far as 4 bits tell them, to `visit`: the probe's number, a block's number, similarities,
    /// and which of them count.
    pub(crate) fn scan(
        &self,
        probes: &[Probe],
        among: Option<&Choice>,
        mut visit: impl FnMut(usize, usize, &[f32; LANES], u16),
    ) {
        let offsets: Vec<i32> = probes.iter().map(Probe::offset).collect();
        self.products(probes, among, |probe, block, products, wanted| {
            let similar = self.similar(&probes[probe], offsets[probe], block, products);
            visit(probe, block, &similar, wanted);
        });
    }

    /// What products of a block's codes with a probe's, whose offset is known, say about similarity.
    fn similar(&self, probe: &Probe, offset: i32, block: usize, products: &[i32; LANES]) -> [f32; LANES] {
        let mut similar = [0.0f32; LANES];
        let fits = &self.fits[block * LANES..][..LANES];
        for ((s, product), fit) in similar.iter_mut().zip(products).zip(fits) {
            *s = (2 * product - offset) as f32 * (fit.scale * probe.scale);
        }
        similar
    }

    /// Shows the products of all blocks that hold somebody who is wanted to `visit`.
    fn products(
        &self,
        probes: &[Probe],
        among: Option<&Choice>,
        mut visit: impl FnMut(usize, usize, &[i32; LANES], u16),
    ) {
        let wanted = |block: usize| self.alive[block] & among.map_or(u16::MAX, |choice| choice.0[block]);
        let blocks = self.ids.len() / LANES;
        let size = block_bytes(self.coder.dim);
        let mut products = Vec::new();
        for (batch, group) in probes.chunks(BATCH).enumerate() {
            let codes: Vec<i8> = group.iter().flat_map(|p| p.codes.iter().copied()).collect();
            let mut block = 0;
            while block < blocks {
                // The longest run of blocks, up to a tile, that all hold somebody who is wanted and lie together.
                if wanted(block) == 0 {
                    block += 1;
                    continue;
                }
                let (bytes, first) = self.bytes_from(block);
                let room = TILE.min(first + bytes.len() / size - block);
                let run = (0..room).take_while(|i| wanted(block + i) != 0).count();
                let bytes = &bytes[(block - first) * size..][..run * size];
                products.resize(run * LANES * group.len(), 0);
                scan::fastest().products(bytes, &codes, self.coder.dim, &mut products);
                for (i, products) in products.chunks_exact(run * LANES).enumerate() {
                    for (block, products) in (block..).zip(products.as_chunks::<LANES>().0) {
                        visit(batch * BATCH + i, block, products, wanted(block));
                    }
                }
                block += run;
            }
        }
    }

    /// Whose rows are in a block; of dead rows, whose they were.
    pub(crate) fn ids(&self, block: usize) -> &[u64] {
        &self.ids[block * LANES..][..LANES]
    }

    /// The bytes of the base or the tail, whichever holds a block, and the first block there.
    fn bytes_from(&self, block: usize) -> (&[u8], usize) {
        let base_blocks = self.base_rows.div_ceil(LANES);
        if block < base_blocks { (self.base.bytes(), 0) } else { (&self.tail, base_blocks) }
    }

    /// All living rows packed anew, sorted by id: what the file gets.
    fn packed(&self) -> (Vec<u8>, Vec<u64>, Vec<Fit>) {
        let mut rows: Vec<usize> = (0..self.ids.len()).filter(|row| self.is_alive(*row)).collect();
        rows.sort_unstable_by_key(|row| self.ids[*row]);
        let mut bytes = vec![0; rows.len().div_ceil(LANES) * block_bytes(self.coder.dim)];
        for (to, row) in rows.iter().enumerate() {
            let (from, first) = self.bytes_from(row / LANES);
            scan::copy(from, row - first * LANES, &mut bytes, to, self.coder.dim);
        }
        let ids = rows.iter().map(|row| self.ids[*row]).collect();
        (bytes, ids, rows.iter().map(|row| self.fits[*row]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phiz_eval::random::Random;

    pub(super) fn unit(random: &mut Random, dim: usize) -> Vec<f32> {
        let v: Vec<f64> = (0..dim).map(|_| random.normal()).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter().map(|x| (x / length) as f32).collect()
    }

    /// The definition: all similarities in f32, sorted.
    fn naive(people: &std::collections::BTreeMap<u64, Vec<f32>>, probe: &[f32]) -> Vec<(u64, f32)> {
        let dot = |t: &[f32]| t.iter().zip(probe).map(|(a, b)| a * b).sum::<f32>();
        let mut all: Vec<(u64, f32)> = people.iter().map(|(id, t)| (*id, dot(t))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }

    fn check(index: &Index, people: &std::collections::BTreeMap<u64, Vec<f32>>, random: &mut Random) {
        assert_eq!(index.len(), people.len());
        let probes: Vec<Vec<f32>> = (0..3).map(|_| unit(random, index.dim)).collect();
        let quantised: Vec<Probe> = probes.iter().map(|p| index.probe(p)).collect();
        let some: Vec<u64> = people.keys().copied().filter(|id| id % 3 == 0).collect();
        let chosen: std::collections::BTreeMap<u64, Vec<f32>> =
            some.iter().map(|id| (*id, people[id].clone())).collect();
        let choice = index.choose(some.iter().copied().chain([99_999_999]));
        for (among, people) in [(None, people), (Some(&choice), &chosen)] {
            for (hits, (probe, q)) in
                index.search(&quantised, 5, among).iter().zip(probes.iter().zip(&quantised))
            {
                let truth = naive(people, probe);
                assert_eq!(hits.len(), 5.min(truth.len()));
                let (constant, share) = index.coder.reach(q);
                for (hit, (_, true_similarity)) in hits.iter().zip(&truth) {
                    let own = people[&hit.id].iter().zip(probe).map(|(a, b)| a * b).sum::<f32>();
                    let error = index.fits[index.row_of(hit.id).unwrap()].error;
                    assert!(hit.at_most >= own && hit.at_most - own <= 2.0 * (constant + share * error));
                    assert!(hit.at_most >= *true_similarity);
                }
            }
        }
    }

    #[test]
    fn random_changes_are_seen_by_the_next_search() {
        let mut random = Random::new(3);
        for dim in [8, 33] {
            let (mut index, mut people) = (Index::new(dim), std::collections::BTreeMap::new());
            check(&index, &people, &mut random);
            for step in 0..600 {
                let id = 1 + random.below(120) as u64;
                if random.below(3) == 0 {
                    index.set(id, None);
                    people.remove(&id);
                } else {
                    let template = unit(&mut random, dim);
                    index.set(id, Some(&template));
                    people.insert(id, template);
                }
                if step % 7 == 0 {
                    check(&index, &people, &mut random);
                }
                if step % 150 == 149 {
                    let (bytes, ids, fits) = index.packed();
                    assert!(ids.iter().copied().eq(people.keys().copied()));
                    index = Index::with_base(dim, Base::Owned(bytes), ids, fits, index.mark);
                    assert_eq!(index.pending(), 0);
                    check(&index, &people, &mut random);
                }
            }
        }
    }
}
