//! JPEG (ITU-T T.81), all of it that a photo can be: sequential and progressive, Huffman and arithmetic coding, any
//! order of scans, any whole ratio of sampling, restarts, a height that is told behind the data.
//!
//! One decoder for every size: at 1/2, 1/4 and 1/8 it computes smaller blocks straight from their frequencies. Pixels
//! are those of libjpeg-turbo; `docs/decisions/0063-one-jpeg-decoder.md` says why it is not libjpeg-turbo. What is
//! missing in a file is an error and never filled up: a grey half of a photo would hide whoever stands there.

mod arithmetic;
mod bits;
mod huffman;
mod output;
mod transform;

use arithmetic::{Arithmetic, Conditioning};
use bits::Bits;
use huffman::{Huffman, Table};
pub(crate) use output::Colour;
use output::Output;
use transform::Block;

use crate::error::{Limit, zeros};
use crate::{ErrorKind, ImageError};

/// Scans of a JPEG, each of which goes over all pixels. Progressive ones of cameras and encoders have about ten; each of
/// thousands may cost its file a few bytes only.
const MOST_SCANS: usize = 100;
/// Bytes that no block needs and that are still no sign of damage: cameras fill up their scans.
const MOST_REST: usize = 256;

/// Where the frequencies stand that follow each other in a file.
#[rustfmt::skip]
const NATURAL: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55,
    62, 63,
];

fn damaged(reason: &str) -> ImageError {
    ImageError::new(ErrorKind::Damaged, format!("is a damaged JPEG: {reason}"))
}

fn unsupported(reason: &str) -> ImageError {
    ImageError::new(ErrorKind::Unsupported, format!("{reason}, which Phiz does not read")).with_hint(
        "convert it to PNG, for example with djpeg of libjpeg-turbo 3 and ImageMagick: djpeg photo.jpg | magick - photo.png",
    )
}

/// One colour channel of the picture.
struct Component {
    id: u8,
    /// Blocks in an MCU, across and down.
    h: usize,
    v: usize,
    /// Which quantisation table, and its factors once a scan has begun.
    table: usize,
    factors: Option<[i32; 64]>,
    /// Blocks that the picture needs, and with those that fill up the last MCUs.
    blocks: (usize, usize),
    stride: usize,
    /// For each frequency, the lowest bit that is known; `None` before its first scan.
    known: [Option<u32>; 64],
}

/// What the frame header says.
struct Frame {
    width: usize,
    height: usize,
    progressive: bool,
    arithmetic: bool,
    components: Vec<Component>,
}

impl Frame {
    /// The greatest sampling factors.
    fn most(&self) -> (usize, usize) {
        let most = |factor: fn(&Component) -> usize| self.components.iter().map(factor).max().unwrap_or(1);
        (most(|c| c.h), most(|c| c.v))
    }

    /// MCUs across and down.
    fn mcus(&self) -> (usize, usize) {
        let (h, v) = self.most();
        (self.width.div_ceil(8 * h), self.height.div_ceil(8 * v))
    }
}

/// A component's part in a scan.
struct Part {
    component: usize,
    /// Its place in the scan.
    place: usize,
    mean_table: usize,
    other_table: usize,
}

/// What a scan header says.
struct Scan {
    parts: Vec<Part>,
    /// The band of frequencies.
    start: usize,
    end: usize,
    /// The lowest bit that was sent before, and the lowest that this scan sends.
    high: u32,
    low: u32,
}

/// A way to code a scan's data.
trait Entropy<'a> {
    fn bits(&mut self) -> &mut Bits<'a>;
    /// Begins a new interval.
    fn forget(&mut self);
    /// Whether it has read more than there is.
    fn lacks(&self) -> bool;
    /// All of a block, which is zero before; tells the zigzag place of the last frequency that is not zero.
    fn block(&mut self, part: &Part, block: &mut Block) -> Result<usize, ImageError>;
    fn first_mean(&mut self, part: &Part, low: u32, block: &mut Block) -> Result<(), ImageError>;
    fn next_mean(&mut self, low: u32, block: &mut Block);
    fn first_band(&mut self, part: &Part, scan: &Scan, block: &mut Block) -> Result<(), ImageError>;
    fn next_band(&mut self, part: &Part, scan: &Scan, block: &mut Block) -> Result<(), ImageError>;
}

/// What was found by stepping over the markers.
struct Outline {
    scans: usize,
    /// The height, where it is told behind the first scan.
    lines: Option<u16>,
}

/// Steps over the first picture of a file. Segments are stepped over by their length, because one may hold a thumbnail
/// with a marker of its own; cameras append data behind the end, so that the file's last bytes tell nothing.
fn outline(bytes: &[u8]) -> Outline {
    let (mut at, mut found) = (2, Outline { scans: 0, lines: None });
    let two = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let next = |at: usize| bytes.get(at..)?.iter().position(|&byte| byte == 0xff).map(|step| at + step + 1);
    // Until a scan begins, what stands between markers is a segment; behind its header a scan's data go on to the next
    // marker that is neither stuffing (00) nor a restart.
    while let Some(after) = next(at) {
        at = after;
        match bytes.get(at) {
            None | Some(0xd9) => break,
            // Fill bytes, stuffing, restarts and markers without a length.
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(marker) => {
                let Some(length) = two(at + 1) else { break };
                found.scans += usize::from(*marker == 0xda);
                if *marker == 0xdc && found.lines.is_none() {
                    found.lines = two(at + 3);
                }
                at += 1 + usize::from(length);
            }
        }
    }
    found
}

/// A JPEG whose header is read.
pub(crate) struct Jpeg<'a> {
    bytes: &'a [u8],
    /// Behind the frame header.
    at: usize,
    frame: Frame,
    tables: Tables,
}

/// What segments between the scans tell.
#[derive(Clone)]
struct Tables {
    factors: [Option<[i32; 64]>; 4],
    means: [Option<Table>; 4],
    others: [Option<Table>; 4],
    conditioning: Conditioning,
    restart: usize,
    jfif: bool,
    adobe: Option<u8>,
}

impl Tables {
    fn new() -> Tables {
        Tables {
            factors: [None; 4],
            means: [const { None }; 4],
            others: [const { None }; 4],
            conditioning: Conditioning::default(),
            restart: 0,
            jfif: false,
            adobe: None,
        }
    }

    /// Reads a segment, if it is one of tables.
    fn read(&mut self, marker: u8, body: &[u8]) -> Result<(), ImageError> {
        let short = || damaged("a segment of tables is cut off");
        match marker {
            0xc4 => {
                let mut rest = body;
                while let Some((&kind, after)) = rest.split_first() {
                    let counts: &[u8; 16] = after.first_chunk().ok_or_else(short)?;
                    let number: usize = counts.iter().map(|&n| usize::from(n)).sum();
                    let symbols = after.get(16..16 + number).ok_or_else(short)?;
                    let table =
                        Table::new(counts, symbols).ok_or_else(|| damaged("a table of codes is wrong"))?;
                    let place = usize::from(kind & 15);
                    let tables = if kind >> 4 == 0 { &mut self.means } else { &mut self.others };
                    *tables.get_mut(place).ok_or_else(|| damaged("there are too many tables of codes"))? =
                        Some(table);
                    rest = &after[16 + number..];
                }
            }
            0xdb => {
                let mut rest = body;
                while let Some((&kind, after)) = rest.split_first() {
                    let wide = kind >> 4 != 0;
                    let length = if wide { 128 } else { 64 };
                    let values = after.get(..length).ok_or_else(short)?;
                    let mut factors = [0; 64];
                    for (k, &place) in NATURAL.iter().enumerate() {
                        factors[place] = match wide {
                            true => i32::from(u16::from_be_bytes([values[2 * k], values[2 * k + 1]])),
                            false => i32::from(values[k]),
                        };
                    }
                    let place = usize::from(kind & 15);
                    *self.factors.get_mut(place).ok_or_else(|| damaged("there are too many tables"))? =
                        Some(factors);
                    rest = &after[length..];
                }
            }
            0xcc => {
                for pair in body.chunks_exact(2) {
                    let (kind, value) = (pair[0] >> 4, pair[1]);
                    let place = usize::from(pair[0] & 3);
                    if kind == 0 {
                        self.conditioning.small[place] = value & 15;
                        self.conditioning.large[place] = value >> 4;
                    } else {
                        self.conditioning.middle[place] = value;
                    }
                }
            }
            0xdd => self.restart = usize::from(u16::from_be_bytes(*body.first_chunk().ok_or_else(short)?)),
            0xe0 => self.jfif |= body.starts_with(b"JFIF\0"),
            0xee if body.starts_with(b"Adobe") && body.len() >= 12 => self.adobe = Some(body[11]),
            _ => {}
        }
        Ok(())
    }
}

/// The next marker and where its segment begins.
pub(crate) fn marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += 1 + bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match *bytes.get(at)? {
            0xff => {}
            0x00 | 0x01 | 0xd0..=0xd7 => at += 1,
            marker => return Some((marker, at + 1)),
        }
    }
}

/// What a segment holds, and where the next begins.
pub(crate) fn segment(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = usize::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    Some((bytes.get(at + 2..at + length)?, at + length))
}

fn cut_off() -> ImageError {
    ImageError::new(ErrorKind::Damaged, "is cut off (the end of the JPEG is missing)")
}

impl<'a> Jpeg<'a> {
    /// Reads up to the frame header.
    ///
    /// # Errors
    /// A file that is damaged or of a kind that is not read.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Jpeg<'a>, ImageError> {
        Jpeg::with_tables(&[], bytes)
    }

    /// Reads up to the frame header of a picture some of whose tables stand in a JPEG without a picture.
    ///
    /// # Errors
    /// A file that is damaged or of a kind that is not read.
    pub(crate) fn with_tables(apart: &[u8], bytes: &'a [u8]) -> Result<Jpeg<'a>, ImageError> {
        let mut tables = Tables::new();
        let mut at = 2;
        while let Some((kind, start)) = marker(apart, at) {
            let Some((body, next)) = segment(apart, start).filter(|_| kind != 0xd9) else { break };
            tables.read(kind, body)?;
            at = next;
        }
        let mut at = 2;
        loop {
            let (kind, start) = marker(bytes, at).ok_or_else(cut_off)?;
            match kind {
                0xd8 => {
                    at = start;
                    continue;
                }
                0xd9 | 0xda => return Err(damaged("it has no picture")),
                _ => {}
            }
            let (body, next) = segment(bytes, start).ok_or_else(|| damaged("a segment is cut off"))?;
            at = next;
            match kind {
                0xc0..=0xc2 | 0xc9 | 0xca => {
                    let frame = frame(kind, body, bytes)?;
                    return Ok(Jpeg { bytes, at, frame, tables });
                }
                0xc3 | 0xcb => return Err(unsupported("is a lossless JPEG")),
                0xc5..=0xc7 | 0xcd..=0xcf => return Err(unsupported("is a hierarchical JPEG")),
                0xf7 => return Err(unsupported("is a JPEG-LS picture")),
                _ => tables.read(kind, body)?,
            }
        }
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.frame.width as u32, self.frame.height as u32)
    }

    /// How its components become RGB, as libjpeg guesses it.
    fn colour(&self) -> Colour {
        let ids: Vec<u8> = self.frame.components.iter().map(|c| c.id).collect();
        match (ids.len(), self.tables.adobe) {
            (1, _) => Colour::Grey,
            (3, Some(0)) if !self.tables.jfif => Colour::Rgb,
            (3, None) if !self.tables.jfif && ids == *b"RGB" => Colour::Rgb,
            (3, _) => Colour::Ycc,
            (_, None | Some(0)) => Colour::Cmyk,
            _ => Colour::Ycck,
        }
    }

    /// Width, height and RGB at 1 / 2^`reduction`, 0 to 3; with another meaning of the components, if they fit it.
    ///
    /// # Errors
    /// A file that is damaged or of a kind that is not read.
    pub(crate) fn decode(
        mut self,
        reduction: u32,
        colour: Option<Colour>,
    ) -> Result<(u32, u32, Vec<u8>), ImageError> {
        let mut whole: Option<Vec<Vec<Block>>> = None;
        let ended = loop {
            let Some((kind, start)) = marker(self.bytes, self.at) else { break false };
            if kind == 0xd9 {
                break true;
            }
            let Some((body, next)) = segment(self.bytes, start) else { break false };
            self.at = next;
            match kind {
                0xda => {
                    let scan = self.scan(body)?;
                    if !self.frame.progressive && scan.parts.len() == self.frame.components.len() {
                        let colour = colour.unwrap_or_else(|| self.colour());
                        let output = Output::new(&self.frame, colour, reduction)?;
                        return self.at_once(&scan, output);
                    }
                    let blocks = match &mut whole {
                        Some(blocks) => blocks,
                        None => {
                            check_scans(self.bytes)?;
                            whole.insert(self.empty()?)
                        }
                    };
                    self.one_scan(&scan, blocks)?;
                }
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(damaged("it has two frames"));
                }
                0xd8 => return Err(damaged("another JPEG begins inside")),
                _ => self.tables.read(kind, body)?,
            }
        };
        let known = |component: &Component| component.known.iter().all(|&bit| bit == Some(0));
        if !ended && !self.frame.components.iter().all(known) {
            return Err(cut_off());
        }
        let Some(blocks) = whole else { return Err(damaged("it has no picture")) };
        if self.frame.components.iter().any(|c| c.known[0].is_none()) {
            return Err(damaged("it lacks the data of a colour"));
        }
        let colour = colour.unwrap_or_else(|| self.colour());
        let output = Output::new(&self.frame, colour, reduction)?;
        Ok(pulp::Arch::new().dispatch(Rendering { frame: &self.frame, blocks: &blocks, output }))
    }

    /// Memory for all frequencies.
    fn empty(&self) -> Result<Vec<Vec<Block>>, ImageError> {
        let (_, mcus) = self.frame.mcus();
        self.frame.components.iter().map(|c| zeros([0; 64], c.stride * mcus * c.v)).collect()
    }

    /// Reads a scan header and checks that the scan can come now.
    fn scan(&mut self, body: &[u8]) -> Result<Scan, ImageError> {
        let wrong = || damaged("a scan header is wrong");
        let number = usize::from(*body.first().ok_or_else(wrong)?);
        if !(1..=self.frame.components.len()).contains(&number) || body.len() < 4 + 2 * number {
            return Err(wrong());
        }
        let mut parts: Vec<Part> = Vec::new();
        for (place, pair) in body[1..1 + 2 * number].chunks_exact(2).enumerate() {
            let free = |i: &usize| parts.iter().all(|part| part.component != *i);
            let same = |i: &usize| self.frame.components[*i].id == pair[0];
            let component = (0..self.frame.components.len()).filter(same).find(free).ok_or_else(wrong)?;
            let [mean_table, other_table] = [pair[1] >> 4, pair[1] & 15].map(usize::from);
            if mean_table > 3 || other_table > 3 {
                return Err(wrong());
            }
            parts.push(Part { component, place, mean_table, other_table });
        }
        let [start, end, bits] = [0, 1, 2].map(|i| body[1 + 2 * number + i]);
        let mut scan = Scan {
            parts,
            start: start.into(),
            end: end.into(),
            high: u32::from(bits >> 4),
            low: u32::from(bits & 15),
        };
        if !self.frame.progressive {
            (scan.start, scan.end, scan.high, scan.low) = (0, 63, 0, 0);
        }
        let band = match scan.start {
            0 => scan.end == 0 || !self.frame.progressive,
            start => start <= scan.end && scan.end < 64 && scan.parts.len() == 1,
        };
        if !band || scan.low > 13 || (scan.high != 0 && scan.high != scan.low + 1) {
            return Err(wrong());
        }
        for part in &scan.parts {
            let component = &mut self.frame.components[part.component];
            if component.factors.is_none() {
                component.factors = self.tables.factors.get(component.table).copied().flatten();
            }
            let known = &mut component.known;
            if scan.start > 0 && known[0].is_none() {
                return Err(damaged("a scan is missing"));
            }
            for known in &mut known[scan.start..=scan.end] {
                if known.unwrap_or(0) != scan.high {
                    return Err(damaged("a scan is missing"));
                }
                *known = Some(scan.low);
            }
        }
        Ok(scan)
    }

    /// A picture all of which stands in one scan: block after block becomes pixels.
    fn at_once(self, scan: &Scan, output: Output) -> Result<(u32, u32, Vec<u8>), ImageError> {
        let bits = Bits::new(self.bytes, self.at);
        let (frame, restart) = (&self.frame, self.tables.restart);
        if frame.arithmetic {
            let coder = Arithmetic::new(bits, self.tables.conditioning);
            stream(frame, scan, coder, restart, output)
        } else {
            let coder = Huffman::new(bits, scan, &self.tables.means, &self.tables.others);
            pulp::Arch::new().dispatch(Streaming { frame, scan, coder, restart, output })
        }
    }

    /// One of several scans: adds to the frequencies.
    fn one_scan(&mut self, scan: &Scan, blocks: &mut [Vec<Block>]) -> Result<(), ImageError> {
        let bits = Bits::new(self.bytes, self.at);
        self.at = if self.frame.arithmetic {
            let coder = Arithmetic::new(bits, self.tables.conditioning);
            collect(&self.frame, scan, coder, self.tables.restart, blocks)?
        } else {
            let coder = Huffman::new(bits, scan, &self.tables.means, &self.tables.others);
            collect(&self.frame, scan, coder, self.tables.restart, blocks)?
        };
        Ok(())
    }
}

/// Refuses a JPEG that is drawn too often.
fn check_scans(bytes: &[u8]) -> Result<(), ImageError> {
    let scans = outline(bytes).scans;
    if scans <= MOST_SCANS {
        return Ok(());
    }
    let reason = format!("draws its picture {scans} times over, more than the limit of {MOST_SCANS}");
    Err(ImageError::new(ErrorKind::TooLarge, reason)
        .with_limit(Limit::Scans)
        .with_hint("save the picture anew in another program; no camera writes such a file"))
}

/// Reads a frame header.
fn frame(kind: u8, body: &[u8], bytes: &[u8]) -> Result<Frame, ImageError> {
    let wrong = || damaged("the frame header is wrong");
    let head: &[u8; 6] = body.first_chunk().ok_or_else(wrong)?;
    let (precision, number) = (head[0], usize::from(head[5]));
    let two = |i: usize| usize::from(u16::from_be_bytes([head[i], head[i + 1]]));
    let (mut height, width) = (two(1), two(3));
    if height == 0 {
        height = outline(bytes).lines.map_or(0, usize::from);
    }
    if precision == 12 {
        return Err(unsupported("is a JPEG of 12 bits per sample"));
    }
    if precision != 8 || number == 0 || body.len() != 6 + 3 * number {
        return Err(wrong());
    }
    if !matches!(number, 1 | 3 | 4) {
        return Err(unsupported(&format!("is a JPEG of {number} colour channels")));
    }
    if width == 0 || height == 0 {
        return Err(damaged("it says that it has no pixels"));
    }
    let mut components = Vec::new();
    for part in body[6..].chunks_exact(3) {
        // A single component is never cut into larger MCUs.
        let (h, v) =
            if number == 1 { (1, 1) } else { (usize::from(part[1] >> 4), usize::from(part[1] & 15)) };
        if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
            return Err(wrong());
        }
        components.push(Component {
            id: part[0],
            h,
            v,
            table: part[2].into(),
            factors: None,
            blocks: (0, 0),
            stride: 0,
            known: [None; 64],
        });
    }
    let mut frame = Frame {
        width,
        height,
        progressive: matches!(kind, 0xc2 | 0xca),
        arithmetic: kind >= 0xc9,
        components,
    };
    let ((most_h, most_v), (mcus, _)) = (frame.most(), frame.mcus());
    for component in &mut frame.components {
        let blocks = |length: usize, factor: usize, most: usize| (length * factor).div_ceil(most).div_ceil(8);
        component.blocks = (blocks(width, component.h, most_h), blocks(height, component.v, most_v));
        component.stride = mcus * component.h;
    }
    Ok(frame)
}

/// Where a scan stands between two restarts.
struct Intervals {
    every: usize,
    left: usize,
    next: u8,
    /// Bytes that nothing needed.
    rest: usize,
}

impl Intervals {
    fn new(every: usize) -> Intervals {
        Intervals { every, left: every, next: 0, rest: 0 }
    }

    /// Before each MCU.
    #[inline(always)]
    fn step<'a>(&mut self, coder: &mut impl Entropy<'a>) -> Result<(), ImageError> {
        if self.every > 0 {
            if self.left == 0 {
                self.restart(coder)?;
            }
            self.left -= 1;
        }
        Ok(())
    }

    #[cold]
    fn restart<'a>(&mut self, coder: &mut impl Entropy<'a>) -> Result<(), ImageError> {
        self.end(coder)?;
        if !coder.bits().restart(self.next) {
            return Err(damaged("it lacks data in its middle (a restart marker is not where it should be)"));
        }
        coder.forget();
        self.next = (self.next + 1) % 8;
        self.left = self.every;
        Ok(())
    }

    /// After all MCUs of an interval: neither too little nor much too much was there.
    fn end<'a>(&mut self, coder: &mut impl Entropy<'a>) -> Result<(), ImageError> {
        check(coder)?;
        self.rest += coder.bits().rest();
        if self.rest > MOST_REST {
            return Err(damaged("its data do not fit its size: some of them were changed or lost"));
        }
        Ok(())
    }
}

/// Whether there were data for all blocks so far.
fn check<'a>(coder: &mut impl Entropy<'a>) -> Result<(), ImageError> {
    if !coder.lacks() {
        return Ok(());
    }
    Err(if coder.bits().is_at_end() { cut_off() } else { damaged("it lacks data in its middle") })
}

/// [`stream`], compiled for the processor it runs on.
struct Streaming<'s, 'a, 't> {
    frame: &'s Frame,
    scan: &'s Scan,
    coder: Huffman<'a, 't>,
    restart: usize,
    output: Output,
}

impl pulp::WithSimd for Streaming<'_, '_, '_> {
    type Output = Result<(u32, u32, Vec<u8>), ImageError>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        stream(self.frame, self.scan, self.coder, self.restart, self.output)
    }
}

/// [`render`], compiled for the processor it runs on.
struct Rendering<'s> {
    frame: &'s Frame,
    blocks: &'s [Vec<Block>],
    output: Output,
}

impl pulp::WithSimd for Rendering<'_> {
    type Output = (u32, u32, Vec<u8>);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
        render(self.frame, self.blocks, self.output)
    }
}

/// Decodes a scan of all components and shows it as it comes.
#[inline(always)]
fn stream<'a>(
    frame: &Frame,
    scan: &Scan,
    mut coder: impl Entropy<'a>,
    restart: usize,
    mut output: Output,
) -> Result<(u32, u32, Vec<u8>), ImageError> {
    let (across, down) = frame.mcus();
    let mut intervals = Intervals::new(restart);
    let mut block: Block = [0; 64];
    for mcu_y in 0..down {
        output.begin(mcu_y);
        for mcu_x in 0..across {
            intervals.step(&mut coder)?;
            for part in &scan.parts {
                let component = &frame.components[part.component];
                for v in 0..component.v {
                    for h in 0..component.h {
                        let last = coder.block(part, &mut block)?;
                        let at = [mcu_x * component.h + h, v];
                        output.block(part.component, at, &block, last);
                        if last == 0 {
                            block[0] = 0;
                        } else {
                            block = [0; 64];
                        }
                    }
                }
            }
        }
        check(&mut coder)?;
        output.stripe(mcu_y);
    }
    intervals.end(&mut coder)?;
    Ok(output.finish())
}

/// Decodes one scan of several; tells where it ends.
fn collect<'a>(
    frame: &Frame,
    scan: &Scan,
    mut coder: impl Entropy<'a>,
    restart: usize,
    blocks: &mut [Vec<Block>],
) -> Result<usize, ImageError> {
    let mut intervals = Intervals::new(restart);
    if let [part] = &scan.parts[..] {
        let component = &frame.components[part.component];
        let (across, down) = component.blocks;
        for y in 0..down {
            for x in 0..across {
                intervals.step(&mut coder)?;
                let block = &mut blocks[part.component][y * component.stride + x];
                advance(&mut coder, frame, scan, part, block)?;
            }
            check(&mut coder)?;
        }
    } else {
        let (across, down) = frame.mcus();
        for mcu_y in 0..down {
            for mcu_x in 0..across {
                intervals.step(&mut coder)?;
                for part in &scan.parts {
                    let component = &frame.components[part.component];
                    for v in 0..component.v {
                        for h in 0..component.h {
                            let (x, y) = (mcu_x * component.h + h, mcu_y * component.v + v);
                            let block = &mut blocks[part.component][y * component.stride + x];
                            advance(&mut coder, frame, scan, part, block)?;
                        }
                    }
                }
            }
            check(&mut coder)?;
        }
    }
    intervals.end(&mut coder)?;
    Ok(coder.bits().position())
}

/// What one scan adds to a block.
#[inline(always)]
fn advance<'a>(
    coder: &mut impl Entropy<'a>,
    frame: &Frame,
    scan: &Scan,
    part: &Part,
    block: &mut Block,
) -> Result<(), ImageError> {
    match (frame.progressive, scan.start, scan.high) {
        (false, ..) => coder.block(part, block).map(|_| ()),
        (true, 0, 0) => coder.first_mean(part, scan.low, block),
        (true, 0, _) => {
            coder.next_mean(scan.low, block);
            Ok(())
        }
        (true, _, 0) => coder.first_band(part, scan, block),
        (true, ..) => coder.next_band(part, scan, block),
    }
}

/// Shows frequencies that are all there.
#[inline(always)]
fn render(frame: &Frame, blocks: &[Vec<Block>], mut output: Output) -> (u32, u32, Vec<u8>) {
    let (_, down) = frame.mcus();
    for mcu_y in 0..down {
        output.begin(mcu_y);
        for (index, component) in frame.components.iter().enumerate() {
            for y in 0..component.v {
                let row = (mcu_y * component.v + y) * component.stride;
                for x in 0..component.stride {
                    let block = &blocks[index][row + x];
                    let last = if block[1..].iter().any(|&v| v != 0) { 63 } else { 0 };
                    output.block(index, [x, y], block, last);
                }
            }
        }
        output.stripe(mcu_y);
    }
    output.finish()
}

#[cfg(test)]
mod tests {
    use super::outline;

    #[test]
    fn segments_are_stepped_over_and_the_end_is_the_pictures_own() {
        // Beginning, a segment with an end marker inside, scan header of 4 bytes, data with stuffing and a restart, lines.
        let whole = [
            &[0xff, 0xd8, 0xff, 0xe5, 0, 6, 0xff, 0xd9, 1, 2][..],
            &[0xff, 0xda, 0, 4, 1, 1, 7, 0xff, 0x00, 0xd9, 0xff, 0xd3, 9, 0xff, 0xff, 0xdc, 0, 4, 1, 2],
            &[0xff, 0xd9, 0xff, 0xda, 0, 4, 1, 1],
        ]
        .concat();
        let found = outline(&whole);
        assert_eq!((found.scans, found.lines), (1, Some(258)));
        for length in 0..whole.len() {
            let found = outline(&whole[..length]);
            assert!(found.scans <= 1 && found.lines.is_none_or(|lines| lines == 258), "{length} bytes");
        }
    }
}
