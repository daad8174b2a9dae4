//! Threads that share one run.
//!
//! A team belongs to a workspace: its threads live as long as that does, spin for a moment between two jobs (a layer
//! follows a layer within microseconds) and sleep when there is nothing to do.
//!
//! # How a job is shared
//! Each thread has a queue: a range of the job's parts, which it takes from the front. Who has nothing left takes from
//! the back of the others' queues. Parts that lie together go to one thread, and to the same in each layer if layers are
//! cut alike, so that what a thread has written is in its own cache when it reads it. Who computes a part is left to
//! chance all the same; each part is computed in one way only, so that results do not depend on the number of threads.
//!
//! A job is over when all its parts are done, not when all threads have heard of it: a thread that the system keeps
//! waiting holds up nobody. For that each queue carries the number of its job, and a part is taken only by whoever finds
//! that number unchanged.

use super::Map;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Turns of waiting before a thread sleeps: about a hundred microseconds.
const SPINS: u32 = 1000;
/// Turns of waiting for the last parts before the caller lets others on its core.
const PATIENCE: u32 = 4000;
/// Looks in a turn of waiting. Between two turns the processor is told that it waits; if it is told so without work in
/// between, the host of a virtual machine takes it away.
const LOOKS: u32 = if cfg!(miri) { 4 } else { 64 };

/// A job with less work than this (multiplications, about) is not worth sharing: waking and waiting cost more.
pub(crate) const WORTH: usize = if cfg!(test) { 1 } else { 1_000_000 };

/// What an element costs that is read or written and hardly computed, in multiplications, about.
pub(crate) const SIMPLE: usize = 4;

/// Bits of a queue's word that hold the end of its range, and as many that hold the beginning.
const BITS: u32 = 12;
/// Most units of a job. One of more parts hands out several at once.
const MOST: usize = (1 << BITS) - 1;
/// Numbers of jobs: what is left of a word.
const NUMBERS: u64 = u64::MAX >> (2 * BITS);

/// Computes a part; told its number and that of the thread.
type Job<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Units that a thread takes from the front and others from the back: number of the job, begin, end.
#[derive(Debug)]
#[repr(align(128))]
struct Queue(AtomicU64);

#[derive(Clone, Copy)]
struct Range {
    number: u64,
    begin: usize,
    end: usize,
}

impl Range {
    fn word(self) -> u64 {
        self.number << (2 * BITS) | (self.begin as u64) << BITS | self.end as u64
    }

    fn of(word: u64) -> Range {
        let part = |shift: u32| (word >> shift) as usize & MOST;
        Range { number: word >> (2 * BITS), begin: part(BITS), end: part(0) }
    }
}

/// What a job is: its function, its parts, and how many of them are a unit.
struct Posted<'a> {
    job: &'a Job<'a>,
    parts: usize,
    each: usize,
}

/// A counter with a cache line to itself.
#[derive(Default)]
#[repr(align(128))]
struct Counter(AtomicUsize);

/// The number of a job, with a cache line to itself: threads that wait look at it all the time.
#[derive(Default)]
#[repr(align(128))]
struct Number(AtomicU64);

/// What the threads share.
struct Board {
    queues: Vec<Queue>,
    /// The job of the queues' number.
    posted: AtomicPtr<Posted<'static>>,
    /// The number of the last job.
    number: Number,
    /// Units that are not done yet.
    left: Counter,
    /// Threads that sleep.
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    over: AtomicBool,
    failed: AtomicBool,
}

/// Threads beside the caller's own that compute parts of its jobs.
pub(crate) struct Team {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Team({} threads)", self.threads.len() + 1)
    }
}

impl Team {
    /// A team of so many threads, the caller's counted; fewer where the system gives no more.
    pub(crate) fn new(threads: usize) -> Team {
        let board = Arc::new(Board {
            queues: (0..threads).map(|_| Queue(AtomicU64::new(0))).collect(),
            posted: AtomicPtr::new(std::ptr::null_mut()),
            number: Number::default(),
            left: Counter::default(),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            over: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let spawn = |own| {
            let board = Arc::clone(&board);
            std::thread::Builder::new().name("phiz-engine".into()).spawn(move || board.work(own)).ok()
        };
        let threads = (1..threads).map_while(spawn).collect();
        Team { board, threads }
    }

    /// Runs `job` for each number below `parts`, on all threads, and returns when all are done.
    ///
    /// # Panics
    /// When the job does.
    pub(crate) fn run(&mut self, parts: usize, job: &Job<'_>) {
        if self.threads.is_empty() || parts < 2 {
            (0..parts).for_each(|part| job(part, 0));
            return;
        }
        let board = &*self.board;
        let queues = board.queues.len();
        let each = parts.div_ceil(MOST);
        let units = parts.div_ceil(each);
        let posted = Posted { job, parts, each };
        let number = (board.number.0.load(Ordering::Relaxed) + 1) & NUMBERS;
        board.failed.store(false, Ordering::Relaxed);
        board.left.0.store(units, Ordering::Relaxed);
        board.posted.store((&raw const posted).cast_mut().cast(), Ordering::Release);
        for (index, queue) in board.queues.iter().enumerate() {
            let range = Range { number, begin: units * index / queues, end: units * (index + 1) / queues };
            queue.0.store(range.word(), Ordering::Release);
        }
        // Sequentially consistent, as the other side is (`Board::rest`): whoever goes to sleep either sees this number or
        // is seen among those who sleep.
        board.number.0.store(number, Ordering::SeqCst);
        if board.sleepers.load(Ordering::SeqCst) > 0 {
            drop(board.sleep.lock().unwrap_or_else(PoisonError::into_inner));
            board.wake.notify_all();
        }
        // Waits for the others also when a part of the caller's own panics: `posted` and what the job borrows must
        // outlive every part.
        let wait = Wait(board);
        board.take(0, number);
        drop(wait);
        assert!(!board.failed.load(Ordering::Relaxed), "a thread of the team failed");
    }
}

/// Waits until all parts of the job are done.
struct Wait<'a>(&'a Board);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let done = || (0..LOOKS).any(|_| self.0.left.0.load(Ordering::Acquire) == 0);
        let mut spins = 0;
        while !done() {
            spins += 1;
            if spins < PATIENCE { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// Counts units that a thread has done, also when one of them panics.
struct Done<'a> {
    board: &'a Board,
    units: usize,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.board.failed.store(true, Ordering::Relaxed);
            // What nobody has taken is not computed any more: those who would may have left already.
            for queue in &self.board.queues {
                let range = Range::of(queue.0.fetch_and(!(MOST as u64), Ordering::AcqRel));
                self.units += range.end.saturating_sub(range.begin);
            }
        }
        self.board.left.0.fetch_sub(self.units, Ordering::AcqRel);
    }
}

impl Board {
    /// Takes units of a job until none is left: its own from the front, then those of the others from the back.
    fn take(&self, own: usize, number: u64) {
        let queues = self.queues.len();
        let mut done = Done { board: self, units: 0 };
        for turn in 0..queues {
            let queue = &self.queues[(own + turn) % queues].0;
            let mut word = queue.load(Ordering::Acquire);
            loop {
                let range = Range::of(word);
                if range.number != number || range.begin >= range.end {
                    break;
                }
                // Read before the unit is taken: if that succeeds, the job of this number was not over, so that this is
                // its address.
                let posted = self.posted.load(Ordering::Acquire);
                let (unit, rest) = if turn == 0 {
                    (range.begin, Range { begin: range.begin + 1, ..range })
                } else {
                    (range.end - 1, Range { end: range.end - 1, ..range })
                };
                match queue.compare_exchange_weak(word, rest.word(), Ordering::AcqRel, Ordering::Acquire) {
                    Err(now) => word = now,
                    Ok(_) => {
                        word = rest.word();
                        done.units += 1;
                        // SAFETY: `posted` is the job of `number` (see above), and `Team::run` does not return before this
                        // unit is counted by `done`. A number comes again after 2^40 jobs, which no thread waits through.
                        let Posted { job, parts, each } = unsafe { &*posted };
                        let begin = unit * each;
                        (begin..(begin + each).min(*parts)).for_each(|part| job(part, own));
                    }
                }
            }
        }
    }

    /// What a thread of the team does all its life.
    fn work(&self, own: usize) {
        let mut seen = 0;
        loop {
            let number = self.rest(seen);
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            seen = number;
            self.take(own, number);
        }
    }

    /// Waits for a job after the one that was seen, and returns its number.
    fn rest(&self, seen: u64) -> u64 {
        for _ in 0..SPINS {
            for _ in 0..LOOKS {
                let number = self.number.0.load(Ordering::Acquire);
                if number != seen {
                    return number;
                }
            }
            std::hint::spin_loop();
        }
        let mut asleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.number.0.load(Ordering::SeqCst) == seen {
            asleep = self.wake.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        drop(asleep);
        self.number.0.load(Ordering::Acquire)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.board.over.store(true, Ordering::Relaxed);
        // Queues keep their number, so that nobody finds anything to take.
        self.board.number.0.fetch_add(1, Ordering::SeqCst);
        drop(self.board.sleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.board.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// The threads of a run: the caller's own, and a team's if it has one.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    team: Option<(usize, Team)>,
}

impl Crew {
    /// Makes it as many threads as are asked for.
    pub(crate) fn resize(&mut self, threads: usize) {
        if threads < 2 {
            self.team = None;
        } else if self.team.as_ref().is_none_or(|(size, _)| *size != threads) {
            self.team = Some((threads, Team::new(threads)));
        }
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.team.as_ref().map_or(1, |(size, _)| *size)
    }

    /// Runs `job` for each number below `parts` and returns when all are done; on the caller's thread alone if there is
    /// less than [`WORTH`] to do.
    pub(crate) fn run(&mut self, parts: usize, work: usize, job: &Job<'_>) {
        match &mut self.team {
            Some((_, team)) if work >= WORTH => team.run(parts, job),
            _ => (0..parts).for_each(|part| job(part, 0)),
        }
    }

    /// As [`Crew::run`] for each group of each line, with the number of the thread behind them: neighbouring lines of all
    /// groups for one thread where there are lines enough, so that each thread reads what it has written.
    pub(crate) fn lines(
        &mut self,
        groups: usize,
        lines: usize,
        work: usize,
        job: &(dyn Fn(usize, usize, usize) + Sync),
    ) {
        let bands = if lines >= 4 * self.threads() { self.threads() } else { 1 };
        self.run(groups * lines, work, &|mut part, thread| {
            for band in 0..bands {
                let (begin, end) = (lines * band / bands, lines * (band + 1) / bands);
                let parts = groups * (end - begin);
                if part < parts {
                    job(part / (end - begin), begin + part % (end - begin), thread);
                    return;
                }
                part -= parts;
            }
        });
    }

    /// Runs `job` for each row of some planes of a map, which `data` holds, with the numbers of the plane and of the row and
    /// with the row between its borders. The border becomes zero.
    pub(crate) fn rows(
        &mut self,
        map: &Map,
        data: &mut [f32],
        work: usize,
        job: &(dyn Fn(usize, usize, &mut [f32]) + Sync),
    ) {
        self.rows_of(map.blocks(), map, data, work, job);
    }

    /// As [`Crew::rows`] for pictures of so many planes.
    fn rows_of(
        &mut self,
        blocks: usize,
        map: &Map,
        data: &mut [f32],
        work: usize,
        job: &(dyn Fn(usize, usize, &mut [f32]) + Sync),
    ) {
        let (row, side, high) = (map.row(), map.pad * map.lanes, map.height + 2 * map.pad);
        let planes = data.len().checked_div(map.plane()).unwrap_or(0);
        let begin = Pointer(data.as_mut_ptr());
        self.lines(blocks, planes.checked_div(blocks).unwrap_or(0) * high, work, &|block, line, _| {
            let (plane, y) = (line / high * blocks + block, line % high);
            // SAFETY: the row lies within `data`, which is borrowed exclusively until `lines` returns, and `lines` gives each
            // row to one thread once.
            let line =
                unsafe { std::slice::from_raw_parts_mut(begin.get().add((plane * high + y) * row), row) };
            if y < map.pad || y >= map.pad + map.height {
                line.fill(0.0);
            } else {
                line[..side].fill(0.0);
                line[row - side..].fill(0.0);
                job(plane, y - map.pad, &mut line[side..row - side]);
            }
        });
    }

    /// Runs `job` for each row of planes of `plane` elements without borders, with the numbers of the plane and of the row.
    pub(crate) fn planes(
        &mut self,
        data: &mut [f32],
        plane: usize,
        row: usize,
        work: usize,
        job: &(dyn Fn(usize, usize, &mut [f32]) + Sync),
    ) {
        let map = Map { channels: 1, height: plane / row.max(1), width: row, pad: 0, lanes: 1 };
        self.rows_of(data.len().checked_div(plane).unwrap_or(0), &map, data, work, job);
    }
}

/// A pointer that threads share, each for a part of its own.
#[derive(Clone, Copy)]
pub(super) struct Pointer(pub(super) *mut f32);

impl Pointer {
    pub(super) fn get(&self) -> *mut f32 {
        self.0
    }
}

// SAFETY: it is only an address; whoever uses it says why nobody else does.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}
