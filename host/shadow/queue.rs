//! What waits to be compared. Who puts something in never waits, whatever becomes of it: not for
//! room, and not for the thread at the other end, which may not have run for long.
//!
//! That is why the queue is an unbounded one with a count beside it. The sender of a bounded one, or
//! of one that wakes its receiver, can meet a lock that the receiver holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};

/// The end where they come in.
#[derive(Debug)]
pub(super) struct Queue<T> {
    sender: Sender<Waiting<T>>,
    taken: Arc<Taken>,
    places: usize,
    octets: usize,
    dropped: AtomicU64,
}

/// The end where they come out.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    receiver: Receiver<Waiting<T>>,
    taken: Arc<Taken>,
}

/// What is taken of the room that there is.
#[derive(Debug, Default)]
struct Taken {
    places: AtomicUsize,
    octets: AtomicUsize,
}

#[derive(Debug)]
struct Waiting<T> {
    one: T,
    octets: usize,
}

/// Why nothing comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nothing {
    /// There is nothing at this time.
    Now,
    /// There never will be: the shadow has ended.
    Ever,
}

/// A queue with room for so many, and for so many octets of them.
pub(super) fn queue<T>(places: usize, octets: usize) -> (Queue<T>, Outlet<T>) {
    let (sender, receiver) = mpsc::channel();
    let taken = Arc::new(Taken::default());
    let queue = Queue {
        sender,
        taken: taken.clone(),
        places,
        octets,
        dropped: AtomicU64::new(0),
    };
    (queue, Outlet { receiver, taken })
}

// === impl Queue ===

impl<T> Queue<T> {
    /// Puts one in that takes so many octets, or drops it. Whether it is in.
    pub(super) fn put(&self, one: T, octets: usize) -> bool {
        let before = self.taken.add(octets);
        if before.0 >= self.places || before.1.saturating_add(octets) > self.octets {
            self.taken.give_back(octets);
            self.drop_one();
            return false;
        }
        // Without a receiver the shadow has ended, and nobody asks.
        self.sender.send(Waiting { one, octets }).is_ok()
    }

    /// Whether there is no place, as things stand.
    pub(super) fn is_full(&self) -> bool {
        self.taken.places.load(Relaxed) >= self.places
            || self.taken.octets.load(Relaxed) >= self.octets
    }

    /// One is not compared.
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// How many were not.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.taken.places.load(Relaxed)
    }
}

// === impl Outlet ===

impl<T> Outlet<T> {
    /// The next one.
    pub(super) fn take(&self) -> Result<T, Nothing> {
        match self.receiver.try_recv() {
            Ok(Waiting { one, octets }) => {
                self.taken.give_back(octets);
                Ok(one)
            }
            Err(mpsc::TryRecvError::Empty) => Err(Nothing::Now),
            Err(mpsc::TryRecvError::Disconnected) => Err(Nothing::Ever),
        }
    }
}

// === impl Taken ===

impl Taken {
    /// One more. How much was taken before it.
    fn add(&self, octets: usize) -> (usize, usize) {
        let places = self.places.fetch_add(1, Relaxed);
        (places, self.octets.fetch_add(octets, Relaxed))
    }

    fn give_back(&self, octets: usize) {
        self.places.fetch_sub(1, Relaxed);
        self.octets.fetch_sub(octets, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_its_room_is_dropped_and_counted() {
        let (queue, outlet) = queue(2, 100);
        let put = [1, 2, 3, 4].map(|number| queue.put(number, 10));
        assert_eq!(put, [true, true, false, false]);
        assert_eq!((queue.waiting(), queue.dropped()), (2, 2));
        assert!(queue.is_full());
        assert_eq!((outlet.take(), queue.waiting()), (Ok(1), 1));
        assert!(!queue.is_full());
        // There is a place, but not for one as large as that.
        assert!(!queue.put(5, 91));
        assert!(queue.put(6, 90));
        assert_eq!(
            [(); 3].map(|()| outlet.take()),
            [Ok(2), Ok(6), Err(Nothing::Now)]
        );
        assert_eq!((queue.waiting(), queue.dropped()), (0, 3));
        drop(queue);
        assert_eq!(outlet.take(), Err(Nothing::Ever));
    }

    #[test]
    fn who_puts_something_in_does_not_need_anybody_at_the_other_end() {
        let (queue, outlet) = queue(1, 1);
        drop(outlet);
        assert!(!queue.put(1, 1));
    }

    #[test]
    fn of_many_at_once_none_is_lost_and_none_too_many_are_in() {
        const ROOM: usize = 100;
        let (queue, outlet) = queue(ROOM, usize::MAX);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|number| _ = queue.put(number, 1)));
            }
        });
        let taken = std::iter::from_fn(|| outlet.take().ok()).count();
        assert_eq!(taken as u64 + queue.dropped(), 4000);
        assert_eq!(taken, ROOM);
        assert_eq!(outlet.taken.octets.load(Relaxed), 0);
    }
}
