//! A few threads that share the parts of one operation.
//!
//! Each worker runs in a pool of its own with a single thread, so that whatever Burn's tensors do inside stays on
//! that thread: one picture a core beats one matrix product split over cores. Results are gathered in the order
//! of the parts, never in the order of completion: sums do not depend on the number of threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads of a back end.
#[derive(Debug)]
pub(crate) struct Workers(Vec<ThreadPool>);

impl Workers {
    /// So many threads, at least one.
    pub(crate) fn new(threads: usize) -> Result<Workers, rayon::ThreadPoolBuildError> {
        (0..threads.max(1))
            .map(|_| ThreadPoolBuilder::new().num_threads(1).build())
            .collect::<Result<_, _>>()
            .map(Workers)
    }

    /// Number of threads.
    pub(crate) fn threads(&self) -> usize {
        self.0.len()
    }

    /// `work` of every part, in the order of the parts.
    pub(crate) fn map<P: Send, R: Send>(&self, parts: Vec<P>, work: impl Fn(usize, P) -> R + Sync) -> Vec<R> {
        let count = parts.len();
        let parts: Vec<Mutex<Option<P>>> = parts.into_iter().map(|p| Mutex::new(Some(p))).collect();
        let next = AtomicUsize::new(0);
        let run = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = parts.get(i) else { return done };
                let taken = part.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
                if let Some(part) = taken {
                    done.push((i, work(i, part)));
                }
            }
        };
        let mut results: Vec<(usize, R)> = if count <= 1 || self.0.len() == 1 {
            self.0[0].install(run)
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    self.0.iter().take(count).map(|pool| scope.spawn(|| pool.install(run))).collect();
                let join = |t: std::thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
                    t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().flat_map(join).collect()
            })
        };
        results.sort_by_key(|(i, _)| *i);
        results.into_iter().map(|(_, r)| r).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_their_parts() {
        for threads in [0, 1, 2, 5] {
            let workers = Workers::new(threads).expect("threads");
            assert_eq!(
                workers.map((0..37).collect(), |i, p: usize| (i, p * p)),
                (0..37).map(|p| (p, p * p)).collect::<Vec<_>>()
            );
            assert!(workers.map(Vec::<usize>::new(), |_, p| p).is_empty());
        }
    }
}
