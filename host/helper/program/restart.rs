//! When a program may be started again that has come to nothing: pure, it is told the time.

use std::time::{Duration, Instant};

/// Programs of one helper that failed without an answer, one after the other.
#[derive(Debug, Default)]
pub(super) struct Restart {
    failures: u32,
    not_before: Option<Instant>,
}

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

// === impl Restart ===

impl Restart {
    /// Whether one may be started now.
    ///
    /// # Errors
    /// In how long.
    pub(super) fn may(&self, now: Instant) -> Result<(), Duration> {
        let wait = self
            .not_before
            .map(|then| then.saturating_duration_since(now));
        match wait.filter(|wait| !wait.is_zero()) {
            None => Ok(()),
            Some(wait) => Err(wait),
        }
    }

    /// One has ended, or was ended, that had answered nothing. The first can be by chance.
    pub(super) fn failed(&mut self, now: Instant) {
        if let Some(exponent) = self.failures.checked_sub(1) {
            let delay = FIRST.saturating_mul(2_u32.saturating_pow(exponent));
            self.not_before = Some(now + delay.min(LONGEST));
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// One has answered.
    pub(super) fn succeeded(&mut self) {
        *self = Restart::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_makes_the_next_start_wait_longer() {
        let mut restart = Restart::default();
        let now = Instant::now();
        for milliseconds in [0, 200, 400, 800] {
            restart.failed(now);
            let wait = Duration::from_millis(milliseconds);
            assert_eq!(restart.may(now).err().unwrap_or_default(), wait);
            assert_eq!(restart.may(now + wait), Ok(()));
        }
        for _ in 0..100 {
            restart.failed(now);
        }
        assert_eq!(restart.may(now), Err(LONGEST));
        restart.succeeded();
        assert_eq!(restart.may(now), Ok(()));
        restart.failed(now);
        assert_eq!(restart.may(now), Ok(()));
    }
}
