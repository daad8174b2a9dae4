//! Threads that share one run.
//!
//! A team belongs to a workspace: its threads live as long as that does, spin for a moment between two jobs (a layer
//! follows a layer within microseconds) and sleep when there is nothing to do. Which thread computes which part is left
//! to chance; each part is computed in one way only, so that results do not depend on the number of threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Turns of waiting before a thread sleeps: some tens of microseconds.
const SPINS: u32 = 4000;

type Job<'a> = dyn Fn(usize) + Sync + 'a;

/// What the threads share.
struct Board {
    /// The job of this generation and the number of its parts.
    job: Mutex<(Option<&'static Job<'static>>, usize)>,
    wake: Condvar,
    generation: AtomicUsize,
    /// The next part that nobody has taken.
    next: AtomicUsize,
    /// Threads that have not finished with the job.
    busy: AtomicUsize,
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
            job: Mutex::new((None, 0)),
            wake: Condvar::new(),
            generation: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let spawn = |_| {
            let board = Arc::clone(&board);
            std::thread::Builder::new().name("phiz-engine".into()).spawn(move || board.work()).ok()
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
            (0..parts).for_each(job);
            return;
        }
        // SAFETY: only the lifetime is changed. The reference is used by `Board::take`, which every thread has left when
        // `busy` is 0 again, and this function does not return (nor unwind: `Wait`) before that.
        let job: &'static Job<'static> =
            unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        let board = &*self.board;
        {
            let mut posted = board.job.lock().unwrap_or_else(PoisonError::into_inner);
            *posted = (Some(job), parts);
            board.next.store(0, Ordering::Relaxed);
            board.busy.store(self.threads.len(), Ordering::Relaxed);
            board.generation.fetch_add(1, Ordering::Release);
        }
        board.wake.notify_all();
        let wait = Wait(board);
        board.take(job, parts);
        drop(wait);
        assert!(!board.failed.load(Ordering::Relaxed), "a thread of the team failed");
    }
}

/// Waits until all threads have finished the job, also when the caller's own part of it panics.
struct Wait<'a>(&'a Board);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut spins = 0;
        while self.0.busy.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// Reports that a thread has finished, also when the job panics.
struct Finish<'a>(&'a Board);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        self.0.busy.fetch_sub(1, Ordering::Release);
    }
}

impl Board {
    fn take(&self, job: &Job<'_>, parts: usize) {
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return;
            }
            job(part);
        }
    }

    fn work(&self) {
        let mut seen = 0;
        loop {
            let mut spins = 0;
            while self.generation.load(Ordering::Acquire) == seen && spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            }
            let mut posted = self.job.lock().unwrap_or_else(PoisonError::into_inner);
            while self.generation.load(Ordering::Acquire) == seen {
                posted = self.wake.wait(posted).unwrap_or_else(PoisonError::into_inner);
            }
            seen = self.generation.load(Ordering::Acquire);
            let (job, parts) = *posted;
            drop(posted);
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let finish = Finish(self);
            if let Some(job) = job {
                self.take(job, parts);
            }
            drop(finish);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        {
            let mut posted = self.board.job.lock().unwrap_or_else(PoisonError::into_inner);
            *posted = (None, 0);
            self.board.over.store(true, Ordering::Relaxed);
            self.board.generation.fetch_add(1, Ordering::Release);
        }
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

    /// Runs `job` for each number below `parts` and returns when all are done.
    pub(crate) fn run(&mut self, parts: usize, job: &Job<'_>) {
        match &mut self.team {
            Some((_, team)) => team.run(parts, job),
            None => (0..parts).for_each(job),
        }
    }

    /// Runs `job` for each whole chunk of `data`, with its number.
    pub(crate) fn chunks(&mut self, data: &mut [f32], len: usize, job: &(dyn Fn(usize, &mut [f32]) + Sync)) {
        let parts = data.len().checked_div(len).unwrap_or(0);
        let begin = Pointer(data.as_mut_ptr());
        self.run(parts, &|part| {
            // SAFETY: chunk `part` lies within `data`, which is borrowed exclusively until `run` returns, and `run` gives
            // each number to one thread once.
            job(part, unsafe { std::slice::from_raw_parts_mut(begin.get().add(part * len), len) });
        });
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
