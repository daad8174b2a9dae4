//! The pictures of a source, decoded by an `ffmpeg` child, each with its time.
//!
//! `ffmpeg` writes raw pixels to a pipe, which carries no times, and one line for each picture to standard error (its filter
//! `showinfo`), which tells time and size. Both come in the same order, the line first, so that the n-th line belongs to the
//! n-th picture. So variable frame rates keep their times, and a camera that changes its resolution is followed.
//!
//! The child may hang, crash or end. A watchdog ends a child that delivers nothing. What is live is then opened again,
//! after a pause that doubles up to half a minute. A file whose child fails is opened again at the time of its last picture,
//! and a little later where that does not help, so that no picture comes twice and one that cannot be decoded costs seconds
//! and not the rest; after some tries it ends with what `ffmpeg` said. Where a live source is faster than whoever looks, the
//! oldest waiting frames are dropped. A file waits.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use phiz_image::Image;

use crate::probe::{Probe, cleaned, probe, program, start};
use crate::source::{Secrets, Source, kept_stdin};
use crate::{Result, VideoError};

/// A picture of a video.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Number of the picture in the source, from 0 on; frames that were dropped count.
    pub index: u64,
    /// Seconds since the beginning.
    pub time: f64,
    /// The picture, upright, with square pixels.
    pub image: Image,
    /// The picture's size over that of the source: less than 1 where the source is larger than
    /// [`ReadOptions::longest_side`].
    pub scale: f32,
}

/// How a source is read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadOptions {
    /// Whether frames are dropped and the source is opened again when it ends; by default if it is a camera.
    pub live: Option<bool>,
    /// A file is read at its own speed, as a camera would deliver it.
    pub paced: bool,
    /// Seconds without a picture after which a source counts as stalled. Default 10.
    pub stall: f64,
    /// A live source that is gone for so many seconds is given up; by default never.
    pub give_up: Option<f64>,
    /// Longer sides are shrunk to this many pixels. Default 3840.
    pub longest_side: u32,
    /// Pictures a second of a sequence of pictures. Default 25.
    pub picture_rate: f64,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions {
            live: None,
            paced: false,
            stall: 10.0,
            give_up: None,
            longest_side: 3840,
            picture_rate: 25.0,
        }
    }
}

/// What became known about a source while it was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The source is gone, for this reason; it will be opened again.
    Lost(String),
    /// It is back after so many seconds.
    Back(f64),
    /// `ffmpeg` failed in the middle of a file; reading goes on at this time.
    Resumed(f64),
    /// It ended before its time, or parts of it could not be decoded: what `ffmpeg` said.
    Damaged(Vec<String>),
}

/// The frames of a source, one after the other.
pub struct Frames {
    source: Source,
    options: ReadOptions,
    probe: Probe,
    live: bool,
    running: Option<Running>,
    /// Added to the times of the child, so that time goes on after a restart.
    offset: f64,
    begun: Instant,
    next_index: u64,
    last_time: Option<f64>,
    /// How often the child of a file has failed, and how often in a row without a picture between.
    failed: u32,
    fruitless: u32,
    /// Pictures of a file that was opened again are known up to this time.
    known_until: f64,
    dropped: u64,
    notices: Vec<Notice>,
    tell: Option<Teller>,
    /// What came by standard input; it is gone with this.
    _kept: Option<tempfile::TempPath>,
    stop: Arc<AtomicBool>,
}

/// Who hears of a notice at once.
type Teller = Box<dyn FnMut(&Notice) + Send>;

impl Frames {
    /// Opens a source. `stop` ends reading from another thread.
    ///
    /// # Errors
    /// No `ffmpeg`; a source that cannot be opened or holds no picture.
    pub fn open(source: Source, options: ReadOptions, stop: Arc<AtomicBool>) -> Result<Frames> {
        let kept = match source {
            Source::Stdin => kept_stdin().map_err(|error| VideoError::NoSource {
                source_name: source.name(),
                reason: format!("standard input cannot be read ({error})"),
            })?,
            _ => None,
        };
        let source = kept.as_ref().map_or(source, |path| Source::File(path.to_path_buf()));
        let probe = probe(&source, options.picture_rate)?;
        let endless = matches!(source, Source::Address(_)) && probe.duration.is_none();
        let live = options.live.unwrap_or(source.is_live() || endless);
        let running = Some(Running::start(&source, &probe, &options, live, None)?);
        Ok(Frames {
            source,
            options,
            probe,
            live,
            running,
            offset: 0.0,
            begun: Instant::now(),
            next_index: 0,
            last_time: None,
            failed: 0,
            fruitless: 0,
            known_until: f64::NEG_INFINITY,
            dropped: 0,
            notices: Vec::new(),
            tell: None,
            _kept: kept,
            stop,
        })
    }

    /// What the source holds.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Whether frames are dropped where they come faster than they are taken.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live || self.options.paced
    }

    /// How many frames were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Has somebody told of each notice as soon as it is known: [`Frames::next_frame`] may wait for a camera for a long time.
    pub fn on_notice(&mut self, tell: impl FnMut(&Notice) + Send + 'static) {
        self.tell = Some(Box::new(tell));
    }

    fn note(&mut self, notice: Notice) {
        if let Some(tell) = &mut self.tell {
            tell(&notice);
        }
        self.notices.push(notice);
        // Nobody need ask; a camera that comes and goes for months must not fill the memory.
        if self.notices.len() > 100 {
            self.notices.remove(0);
        }
    }

    /// What became known since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The next frame; none at the end.
    ///
    /// # Errors
    /// A file that stalls or shows no picture at all; a live source that is given up.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.running = None;
                return Ok(None);
            }
            let Some(running) = &mut self.running else { return Ok(None) };
            // A source that is just being opened gets more time: it must be reached and looked into first.
            let patience = if running.seen { self.options.stall } else { self.options.stall.max(OPENING) };
            match running.queue.take(patience, &self.stop) {
                Taken::Frame(raw) => {
                    running.seen = true;
                    if raw.time + self.offset < self.known_until {
                        continue;
                    }
                    self.fruitless = 0;
                    self.dropped += raw.dropped;
                    self.next_index += raw.dropped;
                    if let Some(frame) = self.frame(raw) {
                        return Ok(Some(frame));
                    }
                }
                Taken::Stopped => {}
                Taken::End => {
                    let Some(running) = self.running.take() else { return Ok(None) };
                    let (good, said) = running.finish();
                    if self.live {
                        let why = said.last().cloned().unwrap_or_else(|| "the stream ended".into());
                        self.again(why, said)?;
                    } else if !good && self.resume(&said)? {
                        // The next picture comes from another child.
                    } else if self.next_index == 0 {
                        return Err(VideoError::Unreadable {
                            source_name: self.source.name(),
                            reason: "not one picture can be decoded".into(),
                            said,
                        });
                    } else {
                        if !good || !said.is_empty() {
                            self.note(Notice::Damaged(said));
                        }
                        return Ok(None);
                    }
                }
                Taken::Nothing => {
                    let Some(running) = self.running.take() else { return Ok(None) };
                    let (_, said) = running.finish();
                    let seconds = patience;
                    if !self.live {
                        return Err(VideoError::Stalled { source_name: self.source.name(), seconds, said });
                    }
                    self.again(format!("no picture came for {seconds:.0} seconds"), said)?;
                }
            }
        }
    }

    /// Opens a file whose child has failed again, after the last picture that came; whether that was tried.
    fn resume(&mut self, said: &[String]) -> Result<bool> {
        let (Source::File(_), Some(end), Some(last)) = (&self.source, self.probe.duration, self.last_time)
        else {
            return Ok(false);
        };
        let Some(skipped) = SKIPPED.get(self.fruitless as usize) else { return Ok(false) };
        // Containers count in milliseconds; between two pictures lies more.
        let apart = 0.25 / self.probe.rate.unwrap_or(25.0).max(1.0);
        let from = last + skipped.max(AFTER.min(apart));
        if self.failed >= MOST_FAILURES || from >= end {
            return Ok(false);
        }
        self.failed += 1;
        self.fruitless += 1;
        // Some containers find a place only roughly, so that decoding begins a little before; not where it fails, though.
        let begin = if *skipped > 0.0 { from } else { (last - BEFORE).max(0.0) };
        if *skipped > 0.0 {
            // What lies between cannot be read.
            self.note(Notice::Damaged(said.to_vec()));
        }
        let running = Running::start(&self.source, &self.probe, &self.options, self.live, Some(begin))?;
        (self.running, self.offset, self.known_until) = (Some(running), begin, from);
        self.note(Notice::Resumed(from));
        Ok(true)
    }

    fn frame(&mut self, raw: Raw) -> Option<Frame> {
        // A picture whose size is none is left out; the child cannot deliver one.
        let image = Image::from_rgb(raw.width, raw.height, raw.pixels).ok()?;
        let index = self.next_index;
        self.next_index += 1;
        let mut time = raw.time + self.offset;
        if let Some(last) = self.last_time {
            // Time stamps may be missing, stand still or go back; ours never do.
            if !(time.is_finite() && time > last) {
                time = last + 0.2 / self.probe.rate.unwrap_or(25.0).max(1.0);
            }
        } else if !time.is_finite() {
            time = 0.0;
        }
        self.last_time = Some(time);
        let long = self.probe.width.max(self.probe.height);
        let scale = match long {
            0 => 1.0,
            long => (raw.width.max(raw.height) as f32 / long as f32).min(1.0),
        };
        Some(Frame { index, time, image, scale })
    }

    /// Opens a live source again, as often as it takes.
    fn again(&mut self, why: String, mut said: Vec<String>) -> Result<()> {
        let gone = Instant::now();
        self.note(Notice::Lost(why));
        let mut pause = 0.5f64;
        loop {
            if self.options.give_up.is_some_and(|most| gone.elapsed().as_secs_f64() >= most) {
                let (source_name, seconds) = (self.source.name(), gone.elapsed().as_secs_f64());
                return Err(VideoError::Stalled { source_name, seconds, said });
            }
            let until = Instant::now() + Duration::from_secs_f64(pause);
            while Instant::now() < until {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            pause = (pause * 2.0).min(30.0);
            let opened = probe(&self.source, self.options.picture_rate).and_then(|probe| {
                let running = Running::start(&self.source, &probe, &self.options, self.live, None)?;
                Ok((probe, running))
            });
            match opened {
                Ok((probe, running)) => {
                    self.probe = probe;
                    self.running = Some(running);
                    self.offset = self.begun.elapsed().as_secs_f64();
                    self.note(Notice::Back(gone.elapsed().as_secs_f64()));
                    return Ok(());
                }
                // Without the program itself there is nothing to wait for.
                Err(error @ VideoError::NoFfmpeg { .. }) => return Err(error),
                Err(VideoError::Unreadable { said: now, .. } | VideoError::Stalled { said: now, .. }) => {
                    said = now
                }
                Err(_) => {}
            }
        }
    }
}

/// A child at work.
struct Running {
    child: Child,
    queue: Arc<Queue>,
    said: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    /// Whether a frame has come.
    seen: bool,
}

/// A picture as it came.
struct Raw {
    time: f64,
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    /// Frames before it that were dropped.
    dropped: u64,
}

enum Taken {
    Frame(Raw),
    /// The child has ended.
    End,
    /// Nothing came for too long.
    Nothing,
    /// Somebody wants to stop.
    Stopped,
}

/// Frames that wait to be taken.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    room: usize,
    drop_oldest: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Raw>,
    ended: bool,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody still wants frames.
    fn put(&self, raw: Raw) -> bool {
        let mut state = self.lock();
        while state.waiting.len() >= self.room && !state.closed {
            if self.drop_oldest {
                let gone = state.waiting.pop_front().map_or(0, |raw| raw.dropped + 1);
                if let Some(next) = state.waiting.front_mut() {
                    next.dropped += gone;
                }
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.waiting.push_back(raw);
        self.changed.notify_all();
        !state.closed
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn take(&self, patience: f64, stop: &AtomicBool) -> Taken {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(raw) = state.waiting.pop_front() {
                self.changed.notify_all();
                return Taken::Frame(raw);
            }
            if state.ended {
                return Taken::End;
            }
            if stop.load(Ordering::Relaxed) {
                return Taken::Stopped;
            }
            if begun.elapsed().as_secs_f64() >= patience {
                return Taken::Nothing;
            }
            let slice = Duration::from_millis(50);
            state = self.changed.wait_timeout(state, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The first frame of a source may take so many seconds, however soon the source counts as stalled later.
const OPENING: f64 = 20.0;
/// Where a file whose child has failed is opened again: so many seconds after its last picture, at the first try and the next.
const SKIPPED: [f64; 4] = [0.0, 0.0, 1.0, 10.0];
/// Decoding begins so many seconds before the last picture.
const BEFORE: f64 = 3.0;
/// What is later than the last picture by so many seconds is another one.
const AFTER: f64 = 0.002;
/// A file whose child fails more often than this is given up.
const MOST_FAILURES: u32 = 100;
/// Lines of `ffmpeg` that are kept for messages.
const SAID: usize = 4;
/// Frames that wait between the child and whoever looks.
const ROOM: usize = 3;
/// A picture larger than this is not one of a camera or a film: 16384 × 16384.
const MOST_PIXELS: u64 = 1 << 28;

impl Running {
    /// Begins to read; a file after a time.
    fn start(
        source: &Source,
        probe: &Probe,
        options: &ReadOptions,
        live: bool,
        from: Option<f64>,
    ) -> Result<Running> {
        let input = source.input(options.picture_rate)?;
        let mut command = Command::new(program("ffmpeg"));
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"]);
        if options.paced && !live {
            command.arg("-re");
        }
        if let Some(from) = from.filter(|from| *from > 0.0) {
            // Times are counted from there on.
            command.args(["-ss", &format!("{from:.6}")]);
        }
        command.args(&input.args);
        // Sound, subtitles and data are not asked for; of several pictures the first that is no cover.
        command.args(["-map", "0:V:0", "-an", "-sn", "-dn", "-vf", &filter(probe, options.longest_side)]);
        command.args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start("ffmpeg", &mut command, &input.feed)?;
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            room: if live || options.paced { 2 } else { ROOM },
            drop_oldest: live || options.paced,
        });
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (stamp, stamps) = mpsc::channel();
        let mut readers = Vec::new();
        if let Some(err) = child.stderr.take() {
            let (secrets, said) = (Secrets::of(source), Arc::clone(&said));
            readers.push(std::thread::spawn(move || listen(err, &secrets, &said, &stamp)));
        }
        if let Some(out) = child.stdout.take() {
            let queue = Arc::clone(&queue);
            readers.push(std::thread::spawn(move || {
                receive(out, &stamps, &queue);
                queue.end();
            }));
        }
        Ok(Running { child, queue, said, readers, seen: false })
    }

    /// Ends the child; says whether it ended well by itself, and what it said.
    fn finish(mut self) -> (bool, Vec<String>) {
        let good = self.end();
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (good, said.iter().cloned().collect())
    }

    fn end(&mut self) -> bool {
        self.queue.close();
        // It has closed its output or is stuck: it gets a moment to end by itself, so that its exit code tells.
        let begun = Instant::now();
        let good = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if begun.elapsed() < Duration::from_millis(300) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ => {
                    _ = self.child.kill();
                    _ = self.child.wait();
                    break false;
                }
            }
        };
        for reader in self.readers.drain(..) {
            _ = reader.join();
        }
        good
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.readers.is_empty() {
            self.queue.close();
            _ = self.child.kill();
            self.end();
        }
    }
}

/// Square pixels within a longest side, and the line that tells the time.
fn filter(probe: &Probe, longest: u32) -> String {
    let (w, h) = (probe.width, probe.height);
    let size = match w.max(h) {
        0 => {
            let factor = format!("min(1\\,{longest}/max(iw*max(sar\\,0.01)\\,ih))");
            format!("w=max(1\\,trunc(iw*if(gt(sar\\,0)\\,sar\\,1)*{factor})):h=max(1\\,trunc(ih*{factor}))")
        }
        long if long > longest => {
            let shrunk = |side: u32| (u64::from(side) * u64::from(longest) / u64::from(long)).max(1);
            format!("w={}:h={}", shrunk(w), shrunk(h))
        }
        _ => format!("w={}:h={}", w.max(1), h.max(1)),
    };
    format!("scale={size},setsar=1,showinfo=checksum=0")
}

/// A frame's time and size.
struct Stamp {
    time: f64,
    width: u32,
    height: u32,
}

/// Reads what `ffmpeg` says: times go to whoever reads pictures, complaints are kept.
fn listen(
    err: impl std::io::Read,
    secrets: &Secrets,
    said: &Mutex<VecDeque<String>>,
    stamps: &mpsc::Sender<Stamp>,
) {
    let mut reader = BufReader::new(err);
    let (mut line, mut unit) = (Vec::new(), f64::NAN);
    loop {
        line.clear();
        match reader.by_ref().take(1 << 16).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        if text.contains("showinfo") {
            if let Some(now) = time_base(&text) {
                unit = now;
            } else if let Some(stamp) = stamp(&text, unit) {
                _ = stamps.send(stamp);
            }
            continue;
        }
        let complaint = ["[error] ", "[fatal] ", "[panic] "].iter().find_map(|level| text.split_once(level));
        // The writer of raw pictures complains of times that it does not write: each picture came all the same.
        if let Some((_, complaint)) = complaint.filter(|(_, told)| !told.contains("to muxer in stream")) {
            let complaint = cleaned(complaint, secrets);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if !complaint.is_empty() && !said.contains(&complaint) {
                said.push_back(complaint);
                if said.len() > SAID {
                    said.pop_front();
                }
            }
        }
    }
}

/// `… config in time_base: 1/90000, …`: how long one unit of time is, in seconds.
fn time_base(line: &str) -> Option<f64> {
    let (over, under) =
        line.split_once("config in time_base:")?.1.split(',').next()?.trim().split_once('/')?;
    let (over, under): (f64, f64) = (over.parse().ok()?, under.parse().ok()?);
    (over > 0.0 && under > 0.0).then_some(over / under)
}

/// `… n:   2 pts:  40000 pts_time:0.2     pos: … s:768x432 …`. The time is taken from the units: `pts_time` has six digits,
/// which after three hours before a camera are tenths of a second.
fn stamp(line: &str, unit: f64) -> Option<Stamp> {
    let after = |key: &str| {
        let rest = line.split_once(key)?.1.trim_start();
        Some(rest.split_ascii_whitespace().next().unwrap_or(""))
    };
    let (width, height) = after(" s:")?.split_once('x')?;
    let time = after("pts:")?.parse().map_or(f64::NAN, |units: i64| units as f64 * unit);
    let time = if time.is_nan() { after("pts_time:")?.parse().unwrap_or(f64::NAN) } else { time };
    Some(Stamp { time, width: width.parse().ok()?, height: height.parse().ok()? })
}

/// Reads pictures until the pipe ends or nobody wants them.
fn receive(mut out: impl std::io::Read, stamps: &mpsc::Receiver<Stamp>, queue: &Queue) {
    while let Ok(Stamp { time, width, height }) = stamps.recv() {
        let count = u64::from(width) * u64::from(height);
        if count == 0 || count > MOST_PIXELS {
            return;
        }
        let mut pixels = vec![0; count as usize * 3];
        if out.read_exact(&mut pixels).is_err() || !queue.put(Raw { time, width, height, pixels, dropped: 0 })
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_showinfo_are_read() {
        let line = "[Parsed_showinfo_1 @ 0x55] [info] n:   1 pts:  20000 pts_time:0.1     pos:    40503 fmt:rgb24 sar:0/1 \
                    s:768x432 i:P iskey:0 type:B \n";
        let config = "[Parsed_showinfo_1 @ 0x55] [info] config in time_base: 1/200000, frame_rate: 10/1";
        let unit = time_base(config).unwrap();
        let stamp = stamp(line, unit).unwrap();
        assert_eq!((stamp.time, stamp.width, stamp.height), (0.1, 768, 432));
        assert!(super::stamp(config, unit).is_none());
        assert!(time_base("[Parsed_showinfo_1 @ 0x55] [info] config out time_base: 0/0").is_none());
        let none = line.replace("pts:  20000 pts_time:0.1", "pts:NOPTS pts_time:NOPTS");
        assert!(super::stamp(&none, unit).unwrap().time.is_nan());
        // Three hours before a camera.
        let late = line.replace("pts:  20000 pts_time:0.1", "pts:2160008000 pts_time:10800");
        assert!((super::stamp(&late, unit).unwrap().time - 10_800.04).abs() < 1e-9);
    }

    #[test]
    fn a_live_queue_drops_the_oldest_and_a_file_s_waits() {
        let queue =
            |drop_oldest| Queue { state: Mutex::default(), changed: Condvar::new(), room: 2, drop_oldest };
        let raw = |time| Raw { time, width: 1, height: 1, pixels: vec![0; 3], dropped: 0 };
        let stop = AtomicBool::new(false);
        let live = queue(true);
        (0..5).for_each(|i| assert!(live.put(raw(f64::from(i)))));
        let Taken::Frame(first) = live.take(1.0, &stop) else { panic!("there is one") };
        assert_eq!((first.time, first.dropped), (3.0, 3));
        let file = queue(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..5).for_each(|i| assert!(file.put(raw(f64::from(i)))));
                file.end();
            });
            for i in 0..5 {
                let Taken::Frame(frame) = file.take(5.0, &stop) else { panic!("all come") };
                assert_eq!((frame.time, frame.dropped), (f64::from(i), 0));
            }
            assert!(matches!(file.take(5.0, &stop), Taken::End));
        });
        assert!(matches!(queue(true).take(0.01, &stop), Taken::Nothing));
    }
}
