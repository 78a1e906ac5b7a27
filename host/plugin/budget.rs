//! How long a call may take: the processor's time, not the wall's.
//!
//! The epoch that interrupts wasm goes by the clock on the wall. On a busy machine a worker can be
//! off the processor for longer than a call may take, and the call is not to blame. So that clock
//! only says, after half of the time, that the thread's own clock has to be looked at; from then on
//! the time counts by that one. A call that keeps within its time is never interrupted, one that
//! does not ends after one and a half of it at most, and a short one pays for none of this.

use super::engine::{TICK, ticks};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// What the running call has left.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Duration,
    /// The thread's clock when it was first looked at.
    since: Option<Duration>,
}

// === impl Budget ===

impl Budget {
    pub(super) fn new(limit: Duration) -> Budget {
        Budget { limit, since: None }
    }

    /// A call begins, and has that many ticks until [`Budget::look`] is asked.
    pub(super) fn begin(&mut self) -> u64 {
        self.since = None;
        ticks(self.limit / 2)
    }

    /// The ticks are over: what now?
    pub(super) fn look(&mut self) -> UpdateDeadline {
        let now = thread_time();
        let since = *self.since.get_or_insert(now);
        match self.limit.checked_sub(now.saturating_sub(since)) {
            Some(left) if left >= TICK / 2 => UpdateDeadline::Continue(ticks(left)),
            _ => UpdateDeadline::Interrupt,
        }
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}
