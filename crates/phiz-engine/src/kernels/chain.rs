//! Several layers in one pass, row by row.
//!
//! Of layers each of which alone reads the one before, those between the first and the last are looked at once and never
//! stored as a whole: each keeps the few rows that the next one reads, in a ring that stays in the cache. The last layer
//! asks the one before it for rows, that one its own predecessor, and so on to the map that comes in. What a row is
//! computed from, and in which order, is the same as layer by layer: so are its bits.

use std::ops::Range;

use super::conv::{Job, Soon};
use super::pointwise::max_pool_lines;
use super::team::{Pointer, SIMPLE};
use super::{Conv, Crew, Depthwise, Isa, Map};

/// Most layers of a chain.
pub(crate) const MOST: usize = 24;
/// Maps with fewer elements stay in the cache anyway.
const WORTH: usize = if cfg!(test) { 1 } else { 160 * 1024 };
/// Narrower rows are computed two at a time by the ordinary way.
const NARROWEST: usize = 8;
/// Columns that all groups of a convolution compute before the next ones are begun, so that these are read once.
const COLUMNS: usize = 28;

/// A layer of a chain.
#[derive(Clone, Copy)]
pub(crate) enum Link<'a> {
    /// Of any kernel as the first layer, 1×1 elsewhere.
    Conv(&'a Conv),
    /// 3×3.
    Depthwise(&'a Depthwise),
    /// The largest value of two by two pixels.
    MaxPool(Isa),
}

impl Link<'_> {
    /// Rows that a row is computed from, the stride, and rows of zeros above the map.
    fn reach(&self) -> [usize; 3] {
        match self {
            Link::Conv(conv) => [conv.shape.kernel[0], conv.shape.stride, conv.shape.pad],
            Link::Depthwise(depthwise) => {
                let (stride, pad) = depthwise.steps();
                [3, stride, pad]
            }
            Link::MaxPool(_) => [2, 2, 0],
        }
    }

    /// Whether it may stand in a chain: as its first layer or as another.
    pub(crate) fn fits(&self, first: bool) -> bool {
        match self {
            Link::Conv(conv) => {
                !conv.takes_bytes() && !conv.takes_matrices() && (first || self.reach() == [1, 1, 0])
            }
            Link::Depthwise(depthwise) => depthwise.is_three_by_three(),
            Link::MaxPool(_) => true,
        }
    }
}

/// Whether two layers, between which a map lies, are worth computing in one pass.
pub(crate) fn suits(between: &Map) -> bool {
    between.width >= NARROWEST && between.picture() >= WORTH
}

/// The rows of a layer's result that the next one needs, as a map: its rows, and above them in its border a row of zeros.
fn ring(between: &Map, next: &Link<'_>) -> Map {
    let [rows, _, pad] = next.reach();
    Map { height: rows.next_power_of_two(), pad: if pad > 0 { between.pad } else { 0 }, ..*between }
}

/// Elements of memory that each thread of [`run`] needs beside the maps.
pub(crate) fn scratch(links: &[(Link<'_>, Map)]) -> usize {
    links.windows(2).map(|pair| ring(&pair[0].1, &pair[1].0).picture().next_multiple_of(16)).sum()
}

/// Computes all layers, each with the map that it computes, of `pictures` pictures. The border of `out` becomes zero.
/// `scratch` has room for all threads; `add` is added by the last layer.
///
/// # Panics
/// When layers do not fit each other or the maps, or a slice its map; when `scratch` is too small.
pub(crate) fn run(
    links: &[(Link<'_>, Map)],
    (x_map, x): (&Map, &[f32]),
    add: Option<(&Map, &[f32])>,
    out: &mut [f32],
    pictures: usize,
    scratch: &mut [f32],
    crew: &mut Crew,
) {
    let count = links.len();
    assert!((2..=MOST).contains(&count), "layers enough, and not too many");
    let mut from = *x_map;
    let mut work = 0;
    for (index, (link, map)) in links.iter().enumerate() {
        let same =
            |fits: Map| (fits.channels, fits.height, fits.width) == (map.channels, map.height, map.width);
        let fits = match link {
            Link::Conv(conv) => conv.fits(&from, map),
            Link::Depthwise(depthwise) => {
                from.pad >= link.reach()[2] && depthwise.out_map(&from).is_some_and(same)
            }
            Link::MaxPool(_) => {
                same(Map { height: from.height / 2, width: from.width / 2, ..from })
                    && from.lanes == map.lanes
            }
        };
        assert!(fits && link.fits(index == 0), "layer {index} of a chain");
        work += SIMPLE * map.picture();
        if let Link::Conv(conv) = link {
            work += conv.macs(map);
        }
        from = *map;
    }
    let out_map = from;
    assert!(x.len() >= pictures * x_map.picture() && out.len() >= pictures * out_map.picture());
    if let Some((map, data)) = add {
        let same = (map.channels, map.height, map.width) == (out_map.channels, out_map.height, out_map.width);
        let conv = matches!(links[count - 1].0, Link::Conv(_));
        assert!(same && conv && data.len() >= pictures * map.picture(), "the map that is added");
    }
    let needed = self::scratch(links);
    assert!(scratch.len() >= needed * crew.threads(), "room for each thread");
    let (scratch, out) = (Pointer(scratch.as_mut_ptr()), Pointer(out.as_mut_ptr()));
    // Rows at the edge of a band are computed by both its neighbours: few bands.
    let bands = if crew.threads() == 1 { 1 } else { crew.threads().min(out_map.height) };
    crew.lines(1, pictures * bands, pictures * work, &|_, line, thread| {
        let (picture, band) = (line / bands, line % bands);
        let rows = out_map.height * band / bands..out_map.height * (band + 1) / bands;
        // SAFETY: `scratch` is borrowed exclusively and has room for this thread (asserted), which does one part at a time.
        let rings = unsafe { std::slice::from_raw_parts_mut(scratch.get().add(thread * needed), needed) };
        rings.fill(0.0);
        let mut pass = Pass {
            links,
            x_map,
            x: &x[picture * x_map.picture()..][..x_map.picture()],
            add: add.map(|(map, data)| (map, &data[picture * map.picture()..][..map.picture()])),
            // SAFETY: `out` holds so many pictures.
            out: Pointer(unsafe { out.get().add(picture * out_map.picture()) }),
            rings: Pointer(rings.as_mut_ptr()),
            stages: [Stage::default(); MOST],
        };
        pass.open(rows.clone());
        // SAFETY: the layers fit the maps and each other and the slices the maps, as was asserted; `rings` is this part's
        // own; of `out` it writes its band's rows, which no other part does.
        unsafe { pass.demand(count - 1, rows.end) };
    });
}

/// Where a layer is in its work.
#[derive(Clone, Copy, Default)]
struct Stage {
    /// The row that it computes next.
    next: usize,
    /// What its rows are kept in; of the last layer the map that goes out.
    map: Map,
    /// Where that begins in the rings.
    begin: usize,
    /// Rows in the ring less one, for a mask.
    mask: usize,
}

/// A band of a picture on its way through the layers.
struct Pass<'a> {
    links: &'a [(Link<'a>, Map)],
    x_map: &'a Map,
    x: &'a [f32],
    add: Option<(&'a Map, &'a [f32])>,
    out: Pointer,
    rings: Pointer,
    stages: [Stage; MOST],
}

impl Pass<'_> {
    /// Lays out the rings for some rows of the last layer.
    fn open(&mut self, rows: Range<usize>) {
        let last = self.links.len() - 1;
        self.stages[last] = Stage { next: rows.start, map: self.links[last].1, begin: 0, mask: usize::MAX };
        let mut begin = 0;
        for index in (0..last).rev() {
            let (next, [_, stride, pad]) = (self.stages[index + 1].next, self.links[index + 1].0.reach());
            let map = ring(&self.links[index].1, &self.links[index + 1].0);
            let next = (next * stride).saturating_sub(pad);
            self.stages[index] = Stage { next, map, begin, mask: map.height - 1 };
            begin += map.picture().next_multiple_of(16);
        }
    }

    /// Computes rows of a layer up to `end`, and of the layers before it what that needs.
    ///
    /// # Safety
    /// The layers fit the maps and each other, the slices the maps; `rings` holds all rings (see [`scratch`]), which begin
    /// as zeros, and `out` a picture of the last map; nobody else reads or writes them, of `out` the rows from
    /// `stages[last].next` to `end`.
    unsafe fn demand(&mut self, index: usize, end: usize) {
        while self.stages[index].next < end {
            let y = self.stages[index].next;
            if index > 0 {
                let [rows, stride, pad] = self.links[index].0.reach();
                let needed = (y * stride + rows).saturating_sub(pad).min(self.links[index - 1].1.height);
                // SAFETY: passed on.
                unsafe { self.demand(index - 1, needed) };
            }
            // SAFETY: the rows that it reads are there; the rest is passed on.
            unsafe { self.row(index, y, y + 1 == end) };
            self.stages[index].next = y + 1;
        }
    }

    /// What a layer reads: a map, its elements, its rows less one if it is a ring, and the map's true height.
    ///
    /// # Safety
    /// As [`Pass::demand`].
    unsafe fn input(&self, index: usize) -> (Map, &[f32], usize, usize) {
        let Some(before) = index.checked_sub(1) else {
            return (*self.x_map, self.x, usize::MAX, self.x_map.height);
        };
        let Stage { map, begin, mask, .. } = self.stages[before];
        // SAFETY: the ring of the layer before, which is not written while this one reads.
        let ring = unsafe { std::slice::from_raw_parts(self.rings.get().add(begin), map.picture()) };
        (map, ring, mask, self.links[before].1.height)
    }

    /// Computes a row of a layer; `last` tells that the next layer's turn is then.
    ///
    /// # Safety
    /// As [`Pass::demand`]; the rows that it reads are there.
    unsafe fn row(&self, index: usize, y: usize, last: bool) {
        // SAFETY: passed on.
        let (x_map, x, mask, height) = unsafe { self.input(index) };
        let Stage { map, begin, mask: out_mask, .. } = self.stages[index];
        let to = y & out_mask;
        let final_layer = index + 1 == self.links.len();
        let out = if final_layer {
            for block in 0..map.blocks() {
                // SAFETY: rows of `out` that are this part's own.
                unsafe { map.clear_beside(self.out.get(), block, y..y + 1) };
            }
            self.out
        } else {
            // SAFETY: where this layer's ring begins.
            Pointer(unsafe { self.rings.get().add(begin) })
        };
        // SAFETY: the row of a block, without its border, which nobody reads now.
        let line = |block: usize| unsafe {
            let row = out.get().add(map.inner(block) + to * map.row());
            std::slice::from_raw_parts_mut(row, map.width * map.lanes)
        };
        let [_, stride, pad] = self.links[index].0.reach();
        match self.links[index].0 {
            Link::Conv(conv) => {
                let add = if final_layer { self.add } else { None };
                let soon = self.soon(index, last);
                let job = Job { conv, x_map: &x_map, x, add, out_map: &map, out, scales: &[], soon };
                let parts = map.width.div_ceil(COLUMNS);
                for part in 0..parts {
                    let columns = map.width * part / parts..map.width * (part + 1) / parts;
                    for group in 0..conv.groups.len() {
                        // SAFETY: the maps fit the convolution; the row that it reads stands at `y & mask`, and the one
                        // that it writes is this part's.
                        unsafe { job.tiles(group, 0, [y & mask, to, y], 1, columns.clone()) };
                    }
                }
            }
            Link::Depthwise(depthwise) => {
                for block in 0..map.blocks() {
                    let lines = [0, 1, 2].map(|ky| {
                        let column = x_map.pad - pad;
                        match (y * stride + ky).checked_sub(pad) {
                            Some(row) if row < height => x_map.at(block, x_map.pad + (row & mask), column),
                            // Beyond the map: the border above.
                            _ => x_map.at(block, 0, column),
                        }
                    });
                    depthwise.line(block, lines, (x, x_map.is_short()), line(block), map.is_short());
                }
            }
            Link::MaxPool(isa) => {
                for block in 0..map.blocks() {
                    let lines = [2 * y, 2 * y + 1].map(|row| {
                        let begin = x_map.inner(block) + (row & mask) * x_map.row();
                        &x[begin..][..2 * map.width * map.lanes]
                    });
                    max_pool_lines(lines, line(block), map.is_short(), isa);
                }
            }
        }
    }

    /// What is fetched while a convolution computes a row.
    fn soon(&self, index: usize, last: bool) -> Soon {
        let soon = if index == 0 { Soon::reading(self.x_map) } else { Soon::NOTHING };
        let Some((Link::Depthwise(depthwise), map)) = self.links.get(index + 1) else { return soon };
        // The row of the result that a depthwise convolution writes next, if it is the last layer.
        if !last || index + 2 != self.links.len() {
            return soon;
        }
        let row = map.inner(0) + self.stages[index + 1].next * map.row();
        let write = Pointer(self.out.get().wrapping_add(row));
        let pixel = map.lanes / depthwise.steps().0;
        Soon { write, blocks: map.blocks(), plane: map.plane(), pixel, ..soon }
    }
}
