//! What is a thread's own: a number, so that each has a place where all would wait for one, its part
//! of a count, and how far it steps back behind the others.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// What lies on a cache line of its own, and on none that is fetched along with it: one thread's
/// writes do not take another's data out of its cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

/// A count that threads add to without waiting for each other: each has its part.
#[derive(Debug, Default)]
pub struct Counter([Apart<AtomicU64>; PARTS]);

/// Threads beyond that share parts.
const PARTS: usize = 16;

/// The highest nice value.
pub const NICEST: u8 = 19;

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

/// Lets other threads run before this one, as far as that nice value has it (nice(1)). With the
/// highest, it runs only while none of them has a use for the processor (SCHED_IDLE of sched(7)): by
/// the nice value alone it would now and then keep one waiting for milliseconds.
///
/// # Errors
/// The system does not let it.
pub fn step_back(nice: u8) -> io::Result<()> {
    const IDLE: ThreadSchedulePolicy =
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if nice >= NICEST {
        let this = thread_priority::thread_native_id();
        // It sets the nice value, too, which may fail where a lower one is not to be had.
        let _ = thread_priority::set_thread_priority_and_policy(this, ThreadPriority::Min, IDLE);
    }
    // Of this thread alone: on Linux, each has its own.
    rustix::process::setpriority_process(None, nice.into())?;
    let is_idle = || matches!(thread_priority::thread_schedule_policy(), Ok(IDLE));
    match nice < NICEST || is_idle() {
        true => Ok(()),
        false => Err(io::Error::other("SCHED_IDLE cannot be had")),
    }
}

// === impl Counter ===

impl Counter {
    /// One more.
    pub fn count(&self) {
        let Apart(part) = &self.0[number() % PARTS];
        part.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn sum(&self) -> u64 {
        let parts = self.0.iter();
        parts.map(|Apart(part)| part.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_count_is_all_counted() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * PARTS {
                scope.spawn(|| (0..1000).for_each(|_| counter.count()));
            }
        });
        assert_eq!(counter.sum(), 2000 * PARTS as u64);
    }
}
