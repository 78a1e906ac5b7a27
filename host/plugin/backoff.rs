//! A hook that keeps failing is put aside for a while, its failure policy in force: every failure
//! costs its worker all of the call's time, and the instance.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How one hook of one plugin has been doing, over all workers.
#[derive(Debug)]
pub(super) struct Backoff {
    /// Failures in a row after which it is put aside; 0: never.
    after: AtomicU32,
    /// Whether there is anything in the streak: while all is well, no call takes the lock.
    troubled: AtomicBool,
    streak: Mutex<Streak>,
}

/// Failures in a row, and what follows from them. Pure: it is told the time.
#[derive(Debug, Default)]
struct Streak {
    failures: u32,
    aside: Option<Aside>,
}

#[derive(Debug)]
struct Aside {
    until: Instant,
    pause: Duration,
}

/// A call that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// One among others.
    Usual,
    /// The one call that finds out whether a hook that is put aside does its work again.
    Probe,
}

/// A hook is not called at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it failed {failures} times in a row and is put aside for {pause:?}")]
pub(super) struct PutAside {
    pub(super) failures: u32,
    pub(super) pause: Duration,
}

/// What the end of a call changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    PutAside(PutAside),
    Back,
}

/// It doubles with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

// === impl Backoff ===

impl Backoff {
    pub(super) fn new(after: u32) -> Backoff {
        Backoff {
            after: AtomicU32::new(after),
            troubled: AtomicBool::new(false),
            streak: Mutex::default(),
        }
    }

    /// It is not to be put aside, however often it fails.
    pub(super) fn never(&self) {
        self.after.store(0, Ordering::Relaxed);
    }

    /// May the hook be called? Every turn has to come to its [`end`](Backoff::end).
    pub(super) fn turn(&self) -> Result<Turn, PutAside> {
        match self.troubled.load(Ordering::Relaxed) {
            false => Ok(Turn::Usual),
            true => self.streak().turn(Instant::now()),
        }
    }

    /// A call has ended, well or not.
    pub(super) fn end(&self, turn: Turn, well: bool) -> Option<Change> {
        if well && !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        let after = self.after.load(Ordering::Relaxed);
        if after == 0 {
            return None;
        }
        let mut streak = self.streak();
        let change = streak.end(turn, well, after, Instant::now());
        self.troubled.store(streak.failures > 0, Ordering::Relaxed);
        change
    }

    /// Whether it is put aside.
    pub(super) fn is_aside(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) && self.streak().aside.is_some()
    }

    fn streak(&self) -> MutexGuard<'_, Streak> {
        self.streak.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Streak ===

impl Streak {
    fn turn(&mut self, now: Instant) -> Result<Turn, PutAside> {
        let failures = self.failures;
        match &mut self.aside {
            None => Ok(Turn::Usual),
            Some(Aside { until, pause }) if now < *until => Err(PutAside {
                failures,
                pause: *pause,
            }),
            Some(Aside { until, pause }) => {
                // The others wait for what becomes of this one.
                *until = now + *pause;
                Ok(Turn::Probe)
            }
        }
    }

    fn end(&mut self, turn: Turn, well: bool, after: u32, now: Instant) -> Option<Change> {
        let pause = match (&self.aside, turn) {
            // It began before the hook was put aside: its end says nothing new.
            (Some(_), Turn::Usual) => return None,
            (aside, _) if well => {
                let back = aside.is_some().then_some(Change::Back);
                *self = Streak::default();
                return back;
            }
            (Some(aside), Turn::Probe) => (aside.pause * 2).min(LONGEST_PAUSE),
            (None, _) => FIRST_PAUSE,
        };
        self.failures = self.failures.saturating_add(1);
        if self.failures < after {
            return None;
        }
        self.aside = Some(Aside {
            until: now + pause,
            pause,
        });
        Some(Change::PutAside(PutAside {
            failures: self.failures,
            pause,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: u32 = 3;

    fn aside(failures: u32, seconds: u64) -> PutAside {
        PutAside {
            failures,
            pause: Duration::from_secs(seconds),
        }
    }

    fn failing(now: Instant) -> Streak {
        let mut streak = Streak::default();
        for _ in 1..AFTER {
            assert_eq!(streak.turn(now), Ok(Turn::Usual));
            assert_eq!(streak.end(Turn::Usual, false, AFTER, now), None);
        }
        let change = streak.end(Turn::Usual, false, AFTER, now);
        assert_eq!(change, Some(Change::PutAside(aside(3, 1))));
        streak
    }

    #[test]
    fn only_failures_in_a_row_put_a_hook_aside() {
        let now = Instant::now();
        let mut streak = Streak::default();
        for well in [false, false, true, false, false, true] {
            assert_eq!(streak.end(Turn::Usual, well, AFTER, now), None);
            assert_eq!(streak.turn(now), Ok(Turn::Usual));
        }
        failing(now);
    }

    #[test]
    fn the_pause_doubles_from_a_second_to_a_minute_with_one_call_after_each() {
        let mut now = Instant::now();
        let mut streak = failing(now);
        let pauses = [1, 2, 4, 8, 16, 32, 60, 60];
        for (index, (pause, next)) in pauses.into_iter().zip(&pauses[1..]).enumerate() {
            let failures = AFTER + u32::try_from(index).expect("few");
            now += Duration::from_secs(pause) - Duration::from_nanos(1);
            assert_eq!(streak.turn(now), Err(aside(failures, pause)));
            now += Duration::from_nanos(1);
            assert_eq!(streak.turn(now), Ok(Turn::Probe));
            assert_eq!(streak.turn(now), Err(aside(failures, pause)));
            let change = streak.end(Turn::Probe, false, AFTER, now);
            let longer = aside(failures + 1, *next);
            assert_eq!(change, Some(Change::PutAside(longer)));
        }
    }

    #[test]
    fn one_call_that_ends_well_brings_it_back() {
        let now = Instant::now();
        let mut streak = failing(now);
        // Others began before it was put aside.
        assert_eq!(streak.end(Turn::Usual, true, AFTER, now), None);
        assert_eq!(streak.end(Turn::Usual, false, AFTER, now), None);
        assert_eq!(streak.turn(now), Err(aside(3, 1)));
        let later = now + FIRST_PAUSE;
        assert_eq!(streak.turn(later), Ok(Turn::Probe));
        let change = streak.end(Turn::Probe, true, AFTER, later);
        assert_eq!(change, Some(Change::Back));
        assert_eq!(streak.turn(later), Ok(Turn::Usual));
    }

    #[test]
    fn with_0_it_is_never_put_aside() {
        let backoff = Backoff::new(0);
        for _ in 0..100 {
            assert_eq!(backoff.turn(), Ok(Turn::Usual));
            assert_eq!(backoff.end(Turn::Usual, false), None);
        }
    }
}
