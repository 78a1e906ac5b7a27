//! Which thread is this? So that each has a place of its own where all would wait for one.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What lies on a cache line of its own, and on none that is fetched along with it: one thread's
/// writes do not take another's data out of its cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

/// A number that no other thread has, for those that ask, from 0 on.
pub fn number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = THREADS.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}
