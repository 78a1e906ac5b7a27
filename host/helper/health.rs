//! Whether a helper answers, and when one that does not is asked for what is known in any case:
//! pure, it is told the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a helper fares, by the last that came of asking it.
#[derive(Debug, Default)]
pub(super) struct Health(Option<State>);

#[derive(Debug)]
enum State {
    Up,
    Down(Down),
}

#[derive(Debug)]
struct Down {
    why: Arc<str>,
    /// Waits that are over, one longer than the other.
    failures: u32,
    not_before: Instant,
    /// Somebody asks, so that nobody else need.
    probed: bool,
}

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

// === impl Health ===

impl Health {
    /// Whether to ask it for an answer that nobody waits for. Of one that is down, one at a time
    /// does, after each wait.
    pub(super) fn may_refresh(&mut self, now: Instant) -> bool {
        match &mut self.0 {
            None | Some(State::Up) => true,
            Some(State::Down(down)) => {
                let may = !down.probed && now >= down.not_before;
                down.probed |= may;
                may
            }
        }
    }

    /// It has answered.
    pub(super) fn answered(&mut self) {
        self.0 = Some(State::Up);
    }

    /// It has not. Within a wait that is known: it does not make the next one longer.
    pub(super) fn failed(&mut self, why: &str, now: Instant) {
        let failures = match &mut self.0 {
            Some(State::Down(down)) if !down.probed && now < down.not_before => {
                down.why = why.into();
                return;
            }
            Some(State::Down(down)) => down.failures + 1,
            None | Some(State::Up) => 0,
        };
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(failures));
        self.0 = Some(State::Down(Down {
            why: why.into(),
            failures,
            not_before: now + wait.min(LONGEST),
            probed: false,
        }));
    }

    /// Whether it is up; none where nobody has asked it yet.
    pub(super) fn is_up(&self) -> Option<bool> {
        self.0.as_ref().map(|state| matches!(state, State::Up))
    }

    /// Why it is not.
    pub(super) fn why(&self) -> Option<&Arc<str>> {
        match &self.0 {
            Some(State::Down(down)) => Some(&down.why),
            None | Some(State::Up) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_down_is_asked_by_one_after_each_wait() {
        let mut health = Health::default();
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(health.is_up(), None);
        assert!(health.may_refresh(start) && health.may_refresh(start));
        // Many were on their way: they are one failure.
        for _ in 0..100 {
            health.failed("refused", start);
        }
        assert_eq!(health.is_up(), Some(false));
        assert_eq!(health.why().map(AsRef::as_ref), Some("refused"));
        let mut now = 0;
        for wait in [
            200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
        ] {
            assert!(!health.may_refresh(at(now + wait - 1)), "{wait}");
            now += wait;
            assert!(health.may_refresh(at(now)), "{wait}");
            assert!(!health.may_refresh(at(now)), "one is enough");
            health.failed("refused", at(now));
        }
        health.answered();
        assert_eq!((health.is_up(), health.why()), (Some(true), None));
        assert!(health.may_refresh(at(now)) && health.may_refresh(at(now)));
        health.failed("again", at(now));
        assert!(health.may_refresh(at(now + 200)), "it begins anew");
    }
}
