//! What waits for a plugin: bounded, and taken out in batches.

use crate::log::Completed;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whoever puts something in neither waits nor, mostly, wakes anybody: the other side is woken by
/// the first of a batch and by its last.
#[derive(Debug)]
pub(super) struct Queue<T = Completed> {
    /// How many can wait.
    most: usize,
    /// How many are taken out at a time.
    batch: usize,
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    all: VecDeque<T>,
    /// Since the last batch was taken.
    dropped: u64,
    closed: bool,
}

/// What is taken out at a time.
#[derive(Debug)]
pub(super) struct Batch<T> {
    /// In the order in which they came; one at least.
    pub(super) completed: Vec<T>,
    /// How many were dropped since the batch before.
    pub(super) dropped_before: u64,
}

// === impl Queue ===

impl<T> Queue<T> {
    pub(super) fn new(most: usize, batch: usize) -> Queue<T> {
        Queue {
            most,
            batch: batch.min(most),
            waiting: Mutex::new(Waiting {
                all: VecDeque::new(),
                dropped: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Puts it in, unless there is no room: whether there was.
    pub(super) fn push(&self, completed: T) -> bool {
        let mut waiting = self.waiting();
        if waiting.closed || waiting.all.len() >= self.most {
            waiting.dropped += 1;
            return false;
        }
        waiting.all.push_back(completed);
        let number = waiting.all.len();
        drop(waiting);
        if number == 1 || number == self.batch {
            self.changed.notify_one();
        }
        true
    }

    /// Waits for a batch: until there are enough for one, or so long after the first, or until
    /// nothing more can come. None where nothing does.
    pub(super) fn take(&self, gather: Duration) -> Option<Batch<T>> {
        let nothing = |waiting: &mut Waiting<T>| waiting.all.is_empty() && !waiting.closed;
        let few = |waiting: &mut Waiting<T>| waiting.all.len() < self.batch && !waiting.closed;
        let waiting = self.changed.wait_while(self.waiting(), nothing);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let waiting = self.changed.wait_timeout_while(waiting, gather, few);
        let (mut waiting, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.all.is_empty() {
            return None;
        }
        let number = waiting.all.len().min(self.batch);
        Some(Batch {
            completed: waiting.all.drain(..number).collect(),
            dropped_before: std::mem::take(&mut waiting.dropped),
        })
    }

    /// Nothing more comes in.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().all.len()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Longer than any test takes: nothing but a full batch or the end is waited for.
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_batch_is_what_is_enough_or_what_there_is_at_the_end() {
        let queue = Queue::new(10, 3);
        for number in 0..7 {
            assert!(queue.push(number));
        }
        let take = || queue.take(LONG).map(|batch| batch.completed);
        assert_eq!(take(), Some(vec![0, 1, 2]));
        assert_eq!(take(), Some(vec![3, 4, 5]));
        queue.close();
        assert!(!queue.push(7));
        assert_eq!(take(), Some(vec![6]));
        assert_eq!(take(), None);
    }

    #[test]
    fn a_batch_does_not_wait_for_ever_to_be_full() {
        let queue = Queue::new(10, 3);
        assert!(queue.push('a'));
        let batch = queue.take(Duration::from_millis(1)).expect("one");
        assert_eq!((batch.completed, batch.dropped_before), (vec!['a'], 0));
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted() {
        // A batch that is larger than the queue would never be full.
        let queue = Queue::new(2, 3);
        let pushed: Vec<bool> = (0..5).map(|number| queue.push(number)).collect();
        assert_eq!(pushed, [true, true, false, false, false]);
        let batch = queue.take(LONG).expect("full");
        assert_eq!((batch.completed, batch.dropped_before), (vec![0, 1], 3));
        assert!(queue.push(5) && queue.push(6));
        let batch = queue.take(LONG).expect("full");
        assert_eq!((batch.completed, batch.dropped_before), (vec![5, 6], 0));
    }

    #[test]
    fn nothing_is_lost_between_threads_and_each_thread_s_order_is_kept() {
        const EACH: usize = 5000;
        let queue = Arc::new(Queue::new(usize::MAX, 64));
        let taker = std::thread::spawn({
            let queue = queue.clone();
            move || {
                let mut all = Vec::new();
                while let Some(batch) = queue.take(Duration::from_millis(1)) {
                    assert!((1..=64).contains(&batch.completed.len()));
                    all.extend(batch.completed);
                }
                all
            }
        });
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let queue = &queue;
                scope.spawn(move || (0..EACH).for_each(|n| assert!(queue.push((thread, n)))));
            }
        });
        queue.close();
        let all = taker.join().expect("no panic");
        for thread in 0..4 {
            let of = all.iter().filter(|(by, _)| *by == thread).map(|(_, n)| *n);
            assert!(of.eq(0..EACH), "{thread}");
        }
    }
}
