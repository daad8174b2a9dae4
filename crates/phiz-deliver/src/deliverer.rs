//! The thread that brings events to a target: one at a time, in order, again and again until they are taken.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::outbox::{Due, Outbox};
use crate::{DeliverError, Result};

/// Why a target did not take an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may take it later: it is away or overloaded.
    Later(String),
    /// It will not take this event, whenever it comes.
    Refused(String),
}

/// A program that gets events.
pub trait Target: Send {
    /// By what it is known in the outbox: stable, and without secrets.
    fn key(&self) -> String;

    /// What it is called in messages, without credentials.
    fn name(&self) -> String;

    /// Brings it an event, and returns once it has confirmed it.
    ///
    /// # Errors
    /// Why it has not.
    fn deliver(&mut self, id: &str, at: f64, body: &str) -> std::result::Result<(), Failed>;

    /// Is called every second in which nothing is delivered, and at the beginning.
    ///
    /// # Errors
    /// Why the target cannot be reached.
    fn idle(&mut self) -> std::result::Result<(), Failed> {
        Ok(())
    }

    /// Is called at the end.
    fn close(&mut self) {}
}

/// A target that the outbox knows by a key of its own, whatever its address is: what waits for it goes to its new address.
pub struct Keyed {
    key: String,
    target: Box<dyn Target>,
}

impl Keyed {
    /// A target under a key.
    #[must_use]
    pub fn new(key: String, target: Box<dyn Target>) -> Keyed {
        Keyed { key, target }
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Target for Keyed {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn name(&self) -> String {
        self.target.name()
    }

    fn deliver(&mut self, id: &str, at: f64, body: &str) -> std::result::Result<(), Failed> {
        self.target.deliver(id, at, body)
    }

    fn idle(&mut self) -> std::result::Result<(), Failed> {
        self.target.idle()
    }

    fn close(&mut self) {
        self.target.close();
    }
}

/// What becomes known while events are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// The target does not take events, for this reason; it is tried again.
    Away(String, String),
    /// It takes them again.
    Back(String),
    /// It will never take this event, which is given up.
    GivenUp(String, String, String),
    /// The outbox fails.
    Broken(String),
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Told::Away(target, why) => write!(f, "{target}: events wait ({why}); trying again"),
            Told::Back(target) => write!(f, "{target}: events are delivered again"),
            Told::GivenUp(target, id, why) => write!(f, "{target}: event {id} is given up ({why})"),
            Told::Broken(why) => write!(f, "{why}"),
        }
    }
}

/// Pauses between tries grow from this to that.
const FIRST_PAUSE: f64 = 0.5;
const LONGEST_PAUSE: f64 = 300.0;
/// An event that is refused is tried so often: who receives may be repaired meanwhile.
const REFUSALS: u32 = 4;

/// Brings the events of an outbox to one target.
pub struct Deliverer {
    outbox: Arc<Outbox>,
    target: String,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Deliverer {
    /// Begins. If another process delivers to the same target from the same outbox, this one only stands ready.
    ///
    /// # Errors
    /// There is no thread, or the lock's file cannot be written.
    pub fn start(
        outbox: Arc<Outbox>,
        target: Box<dyn Target>,
        tell: impl Fn(Told) + Send + 'static,
    ) -> Result<Deliverer> {
        let key = target.key();
        let mut name = outbox.path().file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.lock", key.replace(':', "-")));
        let path = outbox.path().with_file_name(name);
        let fault = |error: std::io::Error| DeliverError::Outbox {
            file: path.display().to_string(),
            reason: format!("cannot be written ({error})"),
        };
        let turn = File::options().create(true).append(true).open(&path).map_err(fault)?;
        let stop = Arc::new(AtomicBool::new(false));
        let work =
            Work { outbox: Arc::clone(&outbox), target, turn, stop: Arc::clone(&stop), tell: Box::new(tell) };
        let thread = std::thread::Builder::new()
            .name("phiz-deliver".into())
            .spawn(move || work.run())
            .map_err(|error| DeliverError::System(format!("a thread cannot be started ({error})")))?;
        Ok(Deliverer { outbox, target: key, stop, thread })
    }

    /// By what the outbox knows the target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Ends without waiting: the thread ends after the delivery that it is in, and only then another one may begin.
    pub fn end(self) -> JoinHandle<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.outbox.wake();
        self.thread
    }

    /// Waits until everything is delivered, but not longer than this; says how many events still wait.
    #[must_use]
    pub fn finish(self, most: Duration) -> usize {
        let begun = Instant::now();
        let targets = [self.target.clone()];
        let waiting = || self.outbox.waiting(&targets).unwrap_or(0);
        while begun.elapsed() < most && waiting() > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.outbox.wake();
        _ = self.thread.join();
        self.outbox.waiting(&targets).unwrap_or(0)
    }
}

struct Work {
    outbox: Arc<Outbox>,
    target: Box<dyn Target>,
    turn: File,
    stop: Arc<AtomicBool>,
    tell: Box<dyn Fn(Told) + Send>,
}

impl Work {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(mut self) {
        // The operating system gives the lock back when the process ends, however it ends.
        while self.turn.try_lock().is_err() {
            if self.stopped() {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let (key, name) = (self.target.key(), self.target.name());
        let (mut away, mut idle) = (false, Instant::now());
        let mut reach = true;
        while !self.stopped() {
            let due = match self.outbox.due(&key) {
                Ok(due) => due,
                Err(error) => {
                    (self.tell)(Told::Broken(error.to_string()));
                    std::thread::sleep(Duration::from_secs(1));
                    continue;
                }
            };
            match due {
                Due::Now { seq, id, at, body, tries } => {
                    let done = match self.target.deliver(&id, at, &body) {
                        Ok(()) => {
                            if std::mem::take(&mut away) {
                                (self.tell)(Told::Back(name.clone()));
                            }
                            self.outbox.done(&key, seq)
                        }
                        Err(Failed::Refused(why)) if tries >= REFUSALS => {
                            (self.tell)(Told::GivenUp(name.clone(), id, why));
                            self.outbox.done(&key, seq)
                        }
                        Err(Failed::Refused(why) | Failed::Later(why)) => {
                            if !std::mem::replace(&mut away, true) {
                                (self.tell)(Told::Away(name.clone(), why));
                            }
                            let pause = (FIRST_PAUSE * 2f64.powi(tries.min(20) as i32)).min(LONGEST_PAUSE);
                            self.outbox.later(&key, seq, Duration::from_secs_f64(pause))
                        }
                    };
                    if let Err(error) = done {
                        (self.tell)(Told::Broken(error.to_string()));
                        std::thread::sleep(Duration::from_secs(1));
                    }
                }
                Due::After(pause) if pause.is_zero() => {}
                waits => {
                    let most = match waits {
                        Due::After(pause) => pause.min(Duration::from_secs(1)),
                        _ => Duration::from_millis(if reach { 1 } else { 1000 }),
                    };
                    self.outbox.wait(most);
                    if (reach || idle.elapsed() >= Duration::from_secs(1)) && !self.stopped() {
                        (reach, idle) = (false, Instant::now());
                        if let Err(Failed::Later(why) | Failed::Refused(why)) = self.target.idle() {
                            if !std::mem::replace(&mut away, true) {
                                (self.tell)(Told::Away(name.clone(), why));
                            }
                        } else if matches!(self.outbox.due(&key), Ok(Due::Nothing))
                            && std::mem::take(&mut away)
                        {
                            (self.tell)(Told::Back(name.clone()));
                        }
                    }
                }
            }
        }
        self.target.close();
    }
}
