//! A hook that keeps failing is put aside for a while, its failure policy in force: every failure
//! costs its worker all of the call's time, and the instance.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How one hook of one plugin has been doing, over all workers.
#[derive(Debug)]
pub(super) struct Backoff {
    /// Failures in a row after which it is put aside; 0: never.
    after: u32,
    /// Whether no client waits: see [`Backoff::only_late`].
    only_late: AtomicBool,
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

/// Until when, and for how long; none: for good.
#[derive(Debug)]
struct Aside(Option<(Instant, Duration)>);

/// A call that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// One among others.
    Usual,
    /// The one call that finds out whether a hook that is put aside does its work again.
    Probe,
}

/// How a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    /// It ran for all of its time.
    Late,
}

/// A hook is not called at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it failed {failures} times in a row and is put aside{}", for_how_long(*pause))]
pub(super) struct PutAside {
    pub(super) failures: u32,
    /// None: for good.
    pub(super) pause: Option<Duration>,
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
            after,
            only_late: AtomicBool::new(false),
            troubled: AtomicBool::new(false),
            streak: Mutex::default(),
        }
    }

    /// From now on it is put aside for running late alone, which costs time, and then for good: what
    /// is said where no client waits is not to depend on how fast it is asked.
    pub(super) fn only_late(&self) {
        self.only_late.store(true, Ordering::Relaxed);
    }

    /// May the hook be called? Every turn has to come to its [`end`](Backoff::end).
    pub(super) fn turn(&self) -> Result<Turn, PutAside> {
        match self.troubled.load(Ordering::Relaxed) {
            false => Ok(Turn::Usual),
            true => self.streak().turn(Instant::now()),
        }
    }

    /// A call has ended.
    pub(super) fn end(&self, turn: Turn, ended: Ended) -> Option<Change> {
        let only_late = self.only_late.load(Ordering::Relaxed);
        let well = match ended {
            Ended::Well => true,
            Ended::Failed => only_late,
            Ended::Late => false,
        };
        if self.after == 0 || (well && !self.troubled.load(Ordering::Relaxed)) {
            return None;
        }
        let mut streak = self.streak();
        let now = (!only_late).then(Instant::now);
        let change = streak.end(turn, well, self.after, now);
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

fn for_how_long(pause: Option<Duration>) -> String {
    pause.map_or_else(String::new, |pause| format!(" for {pause:?}"))
}

// === impl Streak ===

impl Streak {
    fn turn(&mut self, now: Instant) -> Result<Turn, PutAside> {
        let failures = self.failures;
        match &mut self.aside {
            None => Ok(Turn::Usual),
            Some(Aside(Some((until, pause)))) if now >= *until => {
                // The others wait for what becomes of this one.
                *until = now + *pause;
                Ok(Turn::Probe)
            }
            Some(Aside(time)) => Err(PutAside {
                failures,
                pause: time.map(|(_, pause)| pause),
            }),
        }
    }

    /// Without a time, what is put aside is so for good.
    fn end(&mut self, turn: Turn, well: bool, after: u32, now: Option<Instant>) -> Option<Change> {
        let pause = match (&self.aside, turn) {
            // It began before the hook was put aside: its end says nothing new.
            (Some(_), Turn::Usual) => return None,
            (aside, _) if well => {
                let back = aside.is_some().then_some(Change::Back);
                *self = Streak::default();
                return back;
            }
            (Some(Aside(Some((_, pause)))), Turn::Probe) => (*pause * 2).min(LONGEST_PAUSE),
            (Some(Aside(None)) | None, _) => FIRST_PAUSE,
        };
        self.failures = self.failures.saturating_add(1);
        if self.failures < after {
            return None;
        }
        let time = now.map(|now| (now + pause, pause));
        self.aside = Some(Aside(time));
        Some(Change::PutAside(PutAside {
            failures: self.failures,
            pause: time.map(|(_, pause)| pause),
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
            pause: Some(Duration::from_secs(seconds)),
        }
    }

    fn failing(now: Instant) -> Streak {
        let mut streak = Streak::default();
        for _ in 1..AFTER {
            assert_eq!(streak.turn(now), Ok(Turn::Usual));
            assert_eq!(streak.end(Turn::Usual, false, AFTER, Some(now)), None);
        }
        let change = streak.end(Turn::Usual, false, AFTER, Some(now));
        assert_eq!(change, Some(Change::PutAside(aside(3, 1))));
        streak
    }

    #[test]
    fn only_failures_in_a_row_put_a_hook_aside() {
        let now = Instant::now();
        let mut streak = Streak::default();
        for well in [false, false, true, false, false, true] {
            assert_eq!(streak.end(Turn::Usual, well, AFTER, Some(now)), None);
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
            let change = streak.end(Turn::Probe, false, AFTER, Some(now));
            let longer = aside(failures + 1, *next);
            assert_eq!(change, Some(Change::PutAside(longer)));
        }
    }

    #[test]
    fn one_call_that_ends_well_brings_it_back() {
        let now = Instant::now();
        let mut streak = failing(now);
        // Others began before it was put aside.
        assert_eq!(streak.end(Turn::Usual, true, AFTER, Some(now)), None);
        assert_eq!(streak.end(Turn::Usual, false, AFTER, Some(now)), None);
        assert_eq!(streak.turn(now), Err(aside(3, 1)));
        let later = now + FIRST_PAUSE;
        assert_eq!(streak.turn(later), Ok(Turn::Probe));
        let change = streak.end(Turn::Probe, true, AFTER, Some(later));
        assert_eq!(change, Some(Change::Back));
        assert_eq!(streak.turn(later), Ok(Turn::Usual));
    }

    #[test]
    fn with_0_it_is_never_put_aside() {
        let backoff = Backoff::new(0);
        for _ in 0..100 {
            assert_eq!(backoff.turn(), Ok(Turn::Usual));
            assert_eq!(backoff.end(Turn::Usual, Ended::Failed), None);
        }
    }

    #[test]
    fn where_nobody_waits_it_is_put_aside_for_running_late_and_then_for_good() {
        use Ended::{Failed, Late, Well};
        let backoff = Backoff::new(AFTER);
        backoff.only_late();
        for ended in [Failed, Failed, Failed, Failed, Late, Late, Well, Late, Late] {
            assert_eq!(backoff.end(Turn::Usual, ended), None);
            assert_eq!(backoff.turn(), Ok(Turn::Usual));
        }
        let for_good = PutAside {
            failures: AFTER,
            pause: None,
        };
        let change = backoff.end(Turn::Usual, Late);
        assert_eq!(change, Some(Change::PutAside(for_good)));
        assert_eq!(backoff.turn(), Err(for_good));
        let said = "it failed 3 times in a row and is put aside";
        assert_eq!(for_good.to_string(), said);
        assert_eq!(aside(3, 1).to_string(), format!("{said} for 1s"));
    }
}
