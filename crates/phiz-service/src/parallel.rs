//! Work on many photos at once, with results in their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

/// Runs `work` on all items by several threads; `take` gets each result on the calling thread, in the order of the
/// items, as soon as it and all before it are there.
///
/// # Errors
/// The first error of `take`; the rest of the work is then dropped.
pub fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (send, receive) = sync_channel::<(usize, R)>(2 * threads.max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (send, next, stop, work) = (send.clone(), &next, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    if send.send((index, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        let mut result = Ok(());
        for (index, done) in receive {
            waiting.insert(index, done);
            while let Some(done) = waiting.remove(&due) {
                if result.is_ok() {
                    result = take(&items[due], done);
                    stop.store(result.is_err(), Ordering::Relaxed);
                }
                due += 1;
            }
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        let items: Vec<u64> = (0..200).collect();
        for threads in [0, 1, 2, 7] {
            let mut seen = Vec::new();
            let work = |i: &u64| {
                std::thread::sleep(std::time::Duration::from_micros(i * 7919 % 300));
                i * 2
            };
            in_order(&items, threads, work, |item, done| {
                assert_eq!(item * 2, done);
                seen.push(*item);
                Ok::<(), ()>(())
            })
            .unwrap();
            assert_eq!(seen, items);
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let items: Vec<u64> = (0..10_000).collect();
        let worked = AtomicUsize::new(0);
        let work = |_: &u64| worked.fetch_add(1, Ordering::Relaxed);
        let take = |item: &u64, _| if *item == 5 { Err("enough") } else { Ok(()) };
        assert_eq!(in_order(&items, 2, work, take), Err("enough"));
        assert!(worked.load(Ordering::Relaxed) < 5_000);
    }
}
