//! Long work in the background: progress with the time left, a way to end it, its result. Jobs live as long as the
//! process.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::book::{Scope, now};
use crate::error::{ApiError, Code, ItemError, Result};

/// Jobs that are remembered after they have ended.
const KEPT: usize = 100;
/// Jobs that may wait or run at a time.
const MOST: usize = 8;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobKind {
    /// Measures rates on the gallery.
    Calibrate,
    /// Searches each enrolled face among the others.
    Evaluate,
    /// Destroys what was removed.
    Purge,
    /// Looks at the photos of a folder, and keeps what was seen.
    Scan,
    /// Brings the gallery to the server's model.
    Adopt,
}

impl JobKind {
    /// What is needed to begin it, and to end it.
    pub(crate) fn scope(self) -> Scope {
        match self {
            JobKind::Evaluate => Scope::Read,
            JobKind::Calibrate | JobKind::Purge | JobKind::Scan | JobKind::Adopt => Scope::Admin,
        }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// It has not begun.
    Waiting,
    /// It is worked on.
    Running,
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will come.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }
}

/// Long work, as it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Job {
    /// Its id, such as `j1`.
    pub(crate) id: String,
    /// What it does.
    pub(crate) kind: JobKind,
    /// The gallery.
    pub(crate) gallery: String,
    /// How far it is.
    pub(crate) state: JobState,
    /// Steps that are done.
    pub(crate) done: u64,
    /// All steps; 0 while that is not known.
    pub(crate) total: u64,
    /// Seconds that are left, if that can be told.
    pub(crate) seconds_left: Option<f64>,
    /// When it was asked for, in seconds since 1970.
    pub(crate) created: i64,
    /// When it ended.
    pub(crate) finished: Option<i64>,
    /// The result, which depends on the kind.
    pub(crate) result: Option<Value>,
    /// Why it could not be done.
    pub(crate) error: Option<ItemError>,
}

struct Kept {
    job: watch::Sender<Job>,
    cancel: Arc<AtomicBool>,
}

/// All jobs of this run.
#[derive(Default)]
pub(crate) struct Jobs {
    next: AtomicU64,
    all: Mutex<BTreeMap<u64, Kept>>,
    /// One job at a time: each uses the whole gallery.
    turn: Arc<Mutex<()>>,
}

/// What a job's work tells, and asks whether it should end.
pub(crate) struct Progress {
    job: watch::Sender<Job>,
    cancel: Arc<AtomicBool>,
    since: Instant,
}

impl Progress {
    /// So many steps of so many are done.
    pub(crate) fn tell(&self, done: u64, total: u64) {
        let took = self.since.elapsed().as_secs_f64();
        self.job.send_modify(|job| {
            (job.done, job.total) = (done, total);
            let left = (done > 0).then(|| took / done as f64 * total.saturating_sub(done) as f64);
            job.seconds_left = left.map(|s| (s * 10.0).round() / 10.0);
        });
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix('j')?.parse().ok()
}

fn no_job() -> ApiError {
    ApiError::new(
        Code::NoJob,
        "there is no such job",
        "GET /v1/jobs lists the jobs since the server was started",
    )
}

impl Jobs {
    /// Begins a job on a thread of its own, when those before it are done.
    pub(crate) fn start(
        &self,
        kind: JobKind,
        gallery: &str,
        work: impl FnOnce(&Progress) -> Result<Value> + Send + 'static,
    ) -> Result<Job> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.values().filter(|kept| !kept.job.borrow().state.is_over()).count();
        if open >= MOST {
            return Err(ApiError::overloaded().retry_after(10));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let job = Job {
            id: format!("j{id}"),
            kind,
            gallery: gallery.into(),
            state: JobState::Waiting,
            done: 0,
            total: 0,
            seconds_left: None,
            created: now(),
            finished: None,
            result: None,
            error: None,
        };
        let (send, _) = watch::channel(job.clone());
        let cancel = Arc::new(AtomicBool::new(false));
        all.insert(id, Kept { job: send.clone(), cancel: cancel.clone() });
        while all.len() > KEPT {
            let over = all.iter().find(|(_, kept)| kept.job.borrow().state.is_over()).map(|(id, _)| *id);
            let Some(over) = over else { break };
            all.remove(&over);
        }
        drop(all);
        let turn = self.turn.clone();
        let run = move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = |state, result, error| {
                send.send_modify(|job| {
                    (job.state, job.result, job.error) = (state, result, error);
                    (job.finished, job.seconds_left) = (Some(now()), None);
                });
            };
            if cancel.load(Ordering::Relaxed) {
                return ended(JobState::Cancelled, None, None);
            }
            send.send_modify(|job| job.state = JobState::Running);
            let progress = Progress { job: send.clone(), cancel: cancel.clone(), since: Instant::now() };
            let done = catch_unwind(AssertUnwindSafe(|| work(&progress)))
                .unwrap_or_else(|_| Err(ApiError::internal("a job panicked")));
            match done {
                Ok(result) => ended(JobState::Done, Some(result), None),
                Err(_) if cancel.load(Ordering::Relaxed) => ended(JobState::Cancelled, None, None),
                Err(error) => ended(JobState::Failed, None, Some(error.item())),
            }
        };
        std::thread::Builder::new().name("phiz-job".into()).spawn(run).map_err(ApiError::internal)?;
        Ok(job)
    }

    /// All jobs, latest first.
    pub(crate) fn list(&self) -> Vec<Job> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().rev().map(|kept| kept.job.borrow().clone()).collect()
    }

    /// A job.
    pub(crate) fn get(&self, id: &str) -> Result<Job> {
        Ok(self.watch(id)?.borrow().clone())
    }

    /// A job as it goes on.
    pub(crate) fn watch(&self, id: &str) -> Result<watch::Receiver<Job>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = number(id).and_then(|id| all.get(&id)).ok_or_else(no_job)?;
        Ok(kept.job.subscribe())
    }

    /// Ends a job at its next step.
    pub(crate) fn cancel(&self, id: &str) -> Result<Job> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = number(id).and_then(|id| all.get(&id)).ok_or_else(no_job)?;
        kept.cancel.store(true, Ordering::Relaxed);
        Ok(kept.job.borrow().clone())
    }
}
