//! How long a call may take: the processor's time, not the wall's.
//!
//! The epoch that interrupts wasm goes by the clock on the wall. On a busy machine a worker can be
//! off the processor for longer than a call may take, and the call is not to blame. So half of the
//! time is given by that clock; then the thread's own clock is read, and the other half counts by
//! it. A call that is not interrupted pays for none of this.

use super::engine::{TICK, ticks};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// What the running call has left.
#[derive(Debug)]
pub(super) struct Budget {
    half: Duration,
    /// The thread's clock when half was over.
    half_time: Option<Duration>,
}

// === impl Budget ===

impl Budget {
    pub(super) fn new(limit: Duration) -> Budget {
        Budget {
            half: limit / 2,
            half_time: None,
        }
    }

    /// A call begins, and has that many ticks until [`Budget::look`] is asked.
    pub(super) fn begin(&mut self) -> u64 {
        self.half_time = None;
        ticks(self.half)
    }

    /// The ticks are over: what now?
    pub(super) fn look(&mut self) -> UpdateDeadline {
        let now = thread_time();
        let half_time = *self.half_time.get_or_insert(now);
        match self.half.checked_sub(now.saturating_sub(half_time)) {
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
