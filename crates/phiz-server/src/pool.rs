//! Threads that compute, behind a bounded queue: what does not fit is refused at once, so that nobody waits for an answer
//! that comes too late.
//!
//! Work may have a middle part that is done for several at once: a batch. A thread that takes such work also takes its share
//! of the like that waits behind it, does the first part of each in turn, the middle of all together and then the rest of each. Nothing
//! ever waits for a batch to fill: if nobody else waits, a batch is one. What is heavy has its middle part by itself, so that nobody
//! waits for it who came before it or whom another thread can take.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{ApiError, Result};

type Rest<O> = Box<dyn FnOnce(O) + Send>;
type First<I, O> = Box<dyn FnOnce() -> Option<(I, Rest<O>)> + Send>;

enum Work<I, O> {
    Alone(Box<dyn FnOnce() + Send>),
    /// The first part answers what goes into the middle and what is done with its result, or nothing if it has ended.
    Staged(First<I, O>),
}

struct Queue<I, O> {
    work: Mutex<VecDeque<Work<I, O>>>,
    /// Told of new work and of the end.
    news: Condvar,
    /// As long as `work`, for those who only look.
    waiting: AtomicUsize,
    ended: std::sync::atomic::AtomicBool,
    threads: usize,
    limit: Together,
    batches: AtomicU64,
    batched: AtomicU64,
}

/// How much is put together at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Together {
    /// Pieces of work.
    pub(crate) work: usize,
    /// Their weight. A piece that is heavier has its middle part alone.
    pub(crate) weight: usize,
}

/// What goes into the middle part together.
struct Batch<I, O> {
    begun: Vec<I>,
    rests: Vec<Rest<O>>,
    weight: usize,
}

impl<I, O> Default for Batch<I, O> {
    fn default() -> Batch<I, O> {
        Batch { begun: Vec::new(), rests: Vec::new(), weight: 0 }
    }
}

/// The threads and their queue. `I` goes into the middle part of staged work, `O` comes out of it.
pub(crate) struct Pool<I, O> {
    queue: Arc<Queue<I, O>>,
    room: usize,
}

impl<I, O> Drop for Pool<I, O> {
    fn drop(&mut self) {
        self.queue.ended.store(true, Ordering::Release);
        self.queue.news.notify_all();
    }
}

impl<I: Send + 'static, O: Send + 'static> Pool<I, O> {
    /// Starts the threads. `middle` must answer as many as it gets, in their order; `weigh` says how much one adds to it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        threads: usize,
        room: usize,
        limit: Together,
        weigh: fn(&I) -> usize,
        middle: impl Fn(Vec<I>) -> Vec<O> + Send + Sync + 'static,
    ) -> std::io::Result<Pool<I, O>> {
        let threads = threads.max(1);
        let queue = Arc::new(Queue {
            work: Mutex::default(),
            news: Condvar::new(),
            waiting: AtomicUsize::new(0),
            ended: false.into(),
            threads,
            limit,
            batches: AtomicU64::new(0),
            batched: AtomicU64::new(0),
        });
        let middle = Arc::new(middle);
        for number in 0..threads {
            let (queue, middle) = (queue.clone(), middle.clone());
            let name = format!("phiz-compute-{number}");
            std::thread::Builder::new().name(name).spawn(move || {
                while let Some((work, behind)) = queue.take() {
                    match work {
                        Work::Alone(work) => work(),
                        Work::Staged(first) => queue.compute(first, behind, weigh, &*middle),
                    }
                }
            })?;
        }
        Ok(Pool { queue, room: room.max(1) })
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting.load(Ordering::Relaxed)
    }

    /// Whether more would be refused now.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= self.room
    }

    /// How many batches were computed, and how much staged work was in them.
    pub(crate) fn batches(&self) -> (u64, u64) {
        (self.queue.batches.load(Ordering::Relaxed), self.queue.batched.load(Ordering::Relaxed))
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
        self.put(Work::Alone(Box::new(move || {
            if !send.is_closed() {
                answer(send, work);
            }
        })))?;
        receive.await.map_err(panicked)
    }

    /// Computes staged work on one of the threads: `first`, the pool's middle part together with others, `rest`. Work whose
    /// caller has gone before it begins is dropped.
    ///
    /// # Errors
    /// As [`Pool::run`], and those of `first`.
    pub(crate) async fn run_staged<T: Send + 'static>(
        &self,
        first: impl FnOnce() -> Result<I> + Send + 'static,
        rest: impl FnOnce(O) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = oneshot::channel();
        self.put(Work::Staged(Box::new(move || {
            if send.is_closed() {
                return None;
            }
            match catch_unwind(AssertUnwindSafe(first)) {
                Ok(Ok(begun)) => Some((begun, Box::new(move |middle| answer(send, || rest(middle))))),
                Ok(Err(error)) => {
                    _ = send.send(Err(error));
                    None
                }
                Err(_) => None,
            }
        })))?;
        receive.await.map_err(panicked)?
    }

    fn put(&self, work: Work<I, O>) -> Result<()> {
        let mut queue = self.queue.lock();
        if queue.len() >= self.room {
            return Err(ApiError::overloaded());
        }
        queue.push_back(work);
        self.queue.waiting.store(queue.len(), Ordering::Relaxed);
        drop(queue);
        self.queue.news.notify_one();
        Ok(())
    }
}

/// Does the work and answers; a panic must not take the thread along.
fn answer<T>(send: oneshot::Sender<T>, work: impl FnOnce() -> T) {
    if let Ok(done) = catch_unwind(AssertUnwindSafe(work)) {
        _ = send.send(done);
    }
}

fn panicked(_: oneshot::error::RecvError) -> ApiError {
    ApiError::internal("a computation panicked")
}

impl<I, O> Queue<I, O> {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Work<I, O>>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one thread does next, as soon as there is anything, and how much of what waits behind it is this thread's share. None
    /// when the pool has ended.
    fn take(&self) -> Option<(Work<I, O>, usize)> {
        let mut queue = self.lock();
        loop {
            if self.ended.load(Ordering::Acquire) {
                return None;
            }
            if let Some(first) = queue.pop_front() {
                self.waiting.store(queue.len(), Ordering::Relaxed);
                return Some((first, queue.len() / self.threads));
            }
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next in the queue, if it is staged.
    fn take_staged(&self) -> Option<First<I, O>> {
        let mut queue = self.lock();
        let next = queue.pop_front()?;
        let Work::Staged(first) = next else {
            queue.push_front(next);
            return None;
        };
        self.waiting.store(queue.len(), Ordering::Relaxed);
        Some(first)
    }

    /// Does staged work, and as much of what waits behind it as this thread's share and the limits allow.
    fn compute(
        &self,
        first: First<I, O>,
        behind: usize,
        weigh: fn(&I) -> usize,
        middle: &(impl Fn(Vec<I>) -> Vec<O> + ?Sized),
    ) {
        let mut more = behind.min(self.limit.work.saturating_sub(1));
        let (mut batch, mut next) = (Batch::default(), Some(first));
        while let Some(first) = next {
            if let Some((begun, rest)) = first() {
                let weight = weigh(&begun);
                if batch.weight + weight > self.limit.weight {
                    self.finish(std::mem::take(&mut batch), middle);
                }
                batch.begun.push(begun);
                batch.rests.push(rest);
                batch.weight += weight;
            }
            if more == 0 || batch.weight >= self.limit.weight {
                break;
            }
            more -= 1;
            next = self.take_staged();
        }
        self.finish(batch, middle);
    }

    fn finish(&self, batch: Batch<I, O>, middle: &(impl Fn(Vec<I>) -> Vec<O> + ?Sized)) {
        if batch.begun.is_empty() {
            return;
        }
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.batched.fetch_add(batch.begun.len() as u64, Ordering::Relaxed);
        if let Ok(done) = catch_unwind(AssertUnwindSafe(|| middle(batch.begun))) {
            batch.rests.into_iter().zip(done).for_each(|(rest, one)| rest(one));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::error::Code;

    /// A pool whose middle part doubles, and tells how many numbers it got.
    fn doubling(threads: usize, room: usize, most: usize) -> Arc<Pool<u32, (u32, usize)>> {
        let middle = |numbers: Vec<u32>| {
            assert!(!numbers.contains(&13), "on purpose");
            let together = numbers.len();
            numbers.into_iter().map(|number| (number * 2, together)).collect()
        };
        Arc::new(
            Pool::start(threads, room, Together { work: most, weight: 100 }, |n| *n as usize, middle)
                .unwrap(),
        )
    }

    /// Keeps a thread busy from now until the sender is used or dropped.
    fn busy(pool: &Arc<Pool<u32, (u32, usize)>>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
        let (begin, begun) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        let pool = pool.clone();
        let work = move || {
            begin.send(()).unwrap();
            _ = gate.recv();
        };
        let task = tokio::spawn(async move { pool.run(work).await });
        begun.recv().unwrap();
        (go, task)
    }

    async fn until_wait(pool: &Pool<u32, (u32, usize)>, many: usize) {
        while pool.waiting() < many {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_does_not_fit_is_refused_at_once() {
        let pool = doubling(1, 2, 1);
        // It is being computed, so that the others fill the queue.
        let (go, first) = busy(&pool);
        let others = [0, 1].map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(move || number).await })
        });
        until_wait(&pool, 2).await;
        // At once: nothing that is ahead of it ends before the gate opens.
        assert!(pool.is_full());
        assert_eq!(pool.run(|| ()).await.unwrap_err().code, Code::Overloaded);
        assert_eq!(pool.run_staged(|| Ok(1), Ok).await.unwrap_err().code, Code::Overloaded);
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        for (number, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap().unwrap(), number);
        }
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_ends_its_work_alone() {
        let pool = doubling(1, 2, 2);
        assert_eq!(pool.run(|| panic!("on purpose")).await.unwrap_err().code, Code::Internal);
        let first: Result<()> = pool.run_staged(|| panic!("on purpose"), |_| Ok(())).await;
        assert_eq!(first.unwrap_err().code, Code::Internal);
        assert_eq!(pool.run_staged(|| Ok(13), Ok).await.unwrap_err().code, Code::Internal);
        let rest: Result<()> = pool.run_staged(|| Ok(1), |_| panic!("on purpose")).await;
        assert_eq!(rest.unwrap_err().code, Code::Internal);
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
        assert_eq!(pool.run_staged(|| Ok(7), Ok).await.unwrap(), (14, 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_waits_is_computed_together() {
        for (waiting, most, together) in
            [(5, 4, [4, 4, 4, 4, 1]), (3, 8, [3; 5]), (5, 1, [1; 5]), (5, 9, [5; 5])]
        {
            let pool = doubling(1, 9, most);
            let (go, first) = busy(&pool);
            let mut all = Vec::new();
            for number in 0..waiting {
                let own = pool.clone();
                all.push(tokio::spawn(async move { own.run_staged(move || Ok(number), Ok).await }));
                until_wait(&pool, all.len()).await;
            }
            go.send(()).unwrap();
            first.await.unwrap().unwrap();
            for (number, (one, together)) in all.into_iter().zip(together).enumerate() {
                assert_eq!(one.await.unwrap().unwrap(), (number as u32 * 2, together), "{waiting} of {most}");
            }
            assert_eq!(pool.batches().1, u64::from(waiting));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_leaves_work_for_the_other_threads_and_holds_nobody_up() {
        let pool = doubling(2, 9, 8);
        let ((go, first), (go_too, second)) = (busy(&pool), busy(&pool));
        let mut all = Vec::new();
        for number in 0..4 {
            let own = pool.clone();
            let kind = move || match number {
                // An error of one's own does not reach the others.
                1 => Err(ApiError::internal("on purpose")),
                number => Ok(number),
            };
            all.push(tokio::spawn(async move { own.run_staged(kind, Ok).await }));
            until_wait(&pool, all.len()).await;
        }
        // The first thread takes one and its share, half of the three behind it.
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        let mut answers = Vec::new();
        for one in all {
            answers.push(one.await.unwrap().map_err(|error| error.code));
        }
        assert_eq!(answers, [Ok((0, 1)), Err(Code::Internal), Ok((4, 1)), Ok((6, 1))]);
        go_too.send(()).unwrap();
        second.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_heavy_is_computed_by_itself() {
        for (numbers, together) in [
            // Those before it are answered first; those behind it begin anew.
            (vec![1, 2, 200, 3, 4], vec![2, 2, 1, 2, 2]),
            (vec![200, 300, 1], vec![1, 1, 1]),
            // Light ones of which the last no longer fits.
            (vec![60, 30, 20, 5], vec![2, 2, 2, 2]),
            (vec![60, 40, 20, 5], vec![2, 2, 2, 2]),
        ] {
            let pool = doubling(1, 9, 8);
            let (go, first) = busy(&pool);
            let mut all = Vec::new();
            for number in numbers.clone() {
                let own = pool.clone();
                all.push(tokio::spawn(async move { own.run_staged(move || Ok(number), Ok).await }));
                until_wait(&pool, all.len()).await;
            }
            go.send(()).unwrap();
            first.await.unwrap().unwrap();
            let mut answers = Vec::new();
            for one in all {
                answers.push(one.await.unwrap().unwrap());
            }
            let wanted: Vec<_> = numbers.iter().map(|n| n * 2).zip(together).collect();
            assert_eq!(answers, wanted);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn threads_end_with_their_pool() {
        let (tell, told) = mpsc::channel::<()>();
        let limit = Together { work: 1, weight: 1 };
        let pool = Pool::<(), ()>::start(
            2,
            1,
            limit,
            |()| 1,
            move |all| {
                _ = &tell;
                all
            },
        );
        drop(pool.unwrap());
        // The sender is dropped with the last thread.
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
