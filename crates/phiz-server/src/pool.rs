//! Threads that compute, behind a bounded queue: what does not fit is refused at once, so that nobody waits for an answer
//! that comes too late.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{ApiError, Code, Result};

type Work = Box<dyn FnOnce() + Send>;

/// The threads and their queue.
pub(crate) struct Pool {
    queue: SyncSender<Work>,
    waiting: Arc<AtomicUsize>,
    room: usize,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(threads: usize, room: usize) -> std::io::Result<Pool> {
        let (queue, work) = sync_channel::<Work>(room.max(1));
        let work = Arc::new(Mutex::new(work));
        let waiting = Arc::new(AtomicUsize::new(0));
        for number in 0..threads.max(1) {
            let (work, waiting) = (work.clone(), waiting.clone());
            let name = format!("phiz-compute-{number}");
            std::thread::Builder::new().name(name).spawn(move || compute(&work, &waiting))?;
        }
        Ok(Pool { queue, waiting, room: room.max(1) })
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether more would be refused now.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= self.room
    }

    /// Computes on one of the threads. Work whose caller has gone before it begins is dropped.
    ///
    /// # Errors
    /// [`Code::Overloaded`] if the queue is full, [`Code::Internal`] if the work panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = oneshot::channel();
        let boxed: Work = Box::new(move || {
            if send.is_closed() {
                return;
            }
            // A panic must not take the thread along.
            if let Ok(done) = catch_unwind(AssertUnwindSafe(work)) {
                _ = send.send(done);
            }
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(full) = self.queue.try_send(boxed) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(match full {
                TrySendError::Full(_) => ApiError::overloaded(),
                TrySendError::Disconnected(_) => {
                    ApiError::new(Code::Stopping, "the server is being stopped", "try again")
                }
            });
        }
        receive.await.map_err(|_| ApiError::internal("a computation panicked"))
    }
}

fn compute(work: &Mutex<Receiver<Work>>, waiting: &AtomicUsize) {
    loop {
        // Held only while waiting for work.
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(next) = next else { return };
        waiting.fetch_sub(1, Ordering::Relaxed);
        next();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_does_not_fit_is_refused_at_once() {
        let pool = Arc::new(Pool::start(1, 2).unwrap());
        let (begin, begun) = std::sync::mpsc::channel();
        let (go, gate) = std::sync::mpsc::channel();
        let first = pool.clone();
        let first = tokio::spawn(async move {
            let work = move || {
                begin.send(()).unwrap();
                gate.recv().unwrap();
            };
            first.run(work).await
        });
        // It is being computed, so that the others fill the queue.
        begun.recv().unwrap();
        let others = [0, 1].map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(move || number).await })
        });
        while !pool.is_full() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // At once: nothing that is ahead of it ends before the gate opens.
        assert_eq!(pool.run(|| ()).await.unwrap_err().code, Code::Overloaded);
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        for (number, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap().unwrap(), number);
        }
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_ends_its_work_alone() {
        let pool = Pool::start(1, 2).unwrap();
        assert_eq!(pool.run(|| panic!("on purpose")).await.unwrap_err().code, Code::Internal);
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
