//! How long a call may take: the time that it runs, not the time that passes.
//!
//! The epoch that interrupts wasm goes by the clock on the wall. On a busy machine a worker can be
//! off the processor for longer than a call may take, and the call is not to blame; where the
//! machine is itself a guest, not even the thread's own clock knows. So what counts is at how many
//! ticks the call was seen running: after half of its time by the wall it is looked at with every
//! tick, and one that has been looked at for its whole time is interrupted. A short call pays for
//! none of this.

use super::engine::ticks;
use super::limits::Exceeded;
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// What the running call has left.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Duration,
    looks_left: u64,
}

// === impl Budget ===

impl Budget {
    pub(super) fn new(limit: Duration) -> Budget {
        Budget {
            limit,
            looks_left: 0,
        }
    }

    /// A call begins, and has that many ticks until [`Budget::look`] is asked.
    pub(super) fn begin(&mut self) -> u64 {
        self.looks_left = ticks(self.limit);
        ticks(self.limit / 2)
    }

    /// The ticks are over: what now?
    pub(super) fn look(&mut self) -> Result<UpdateDeadline, Exceeded> {
        self.looks_left = self.looks_left.saturating_sub(1);
        match self.looks_left {
            0 => Err(Exceeded::Time(self.limit)),
            _ => Ok(UpdateDeadline::Continue(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_interrupted_when_it_was_seen_running_for_its_time() {
        let mut budget = Budget::new(Duration::from_millis(10));
        // Another call begins: it has all of its time again.
        for _ in 0..2 {
            assert_eq!(budget.begin(), ticks(Duration::from_millis(5)));
            for _ in 1..ticks(Duration::from_millis(10)) {
                assert!(matches!(budget.look(), Ok(UpdateDeadline::Continue(1))));
            }
            assert!(matches!(budget.look(), Err(Exceeded::Time(_))));
        }
    }
}
