//! A hook that keeps failing is put aside for a while, its failure policy in force: every failure
//! costs its worker all of the call's time, and the instance.

use std::fmt;
use std::net::IpAddr;
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
    /// Whether there is anything in the streaks: while all is well, no call takes the lock.
    troubled: AtomicBool,
    streaks: Mutex<Streaks>,
}

/// Failures in a row, over all clients. Where they are one client's alone, that client is set apart: the
/// hook is put aside for it, and serves the others. Where the same then happens to another one, it is
/// put aside for all. Pure: it is told the time.
#[derive(Debug, Default)]
struct Streaks {
    all: Streak,
    /// Of the client that is set apart.
    apart: Option<Streak>,
}

/// Failures in a row, and what follows from them.
#[derive(Debug, Default)]
struct Streak {
    failures: u32,
    of: Whose,
    aside: Option<Aside>,
}

/// Whose requests failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Whose {
    #[default]
    Nobody,
    One(IpAddr),
    /// Several clients', or what failed is not about a request.
    Any,
}

/// Until when, and for how long; none: for good.
#[derive(Debug)]
struct Aside(Option<(Instant, Duration)>);

/// A call that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Whose request it is about, if it is about one.
    client: Option<IpAddr>,
    /// Whether it is the one call that finds out whether a hook that is put aside does its work
    /// again.
    is_probe: bool,
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
#[error("it failed {failures} times in a row and is suspended{}{whom}", for_how_long(*pause))]
pub(super) struct PutAside {
    failures: u32,
    /// None: for good.
    pause: Option<Duration>,
    whom: Whom,
}

/// For whom a hook is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whom(pub(super) Option<IpAddr>);

/// What the end of a call changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    PutAside(PutAside),
    Back(Whom),
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
            streaks: Mutex::default(),
        }
    }

    /// From now on it is suspended for running late alone, which costs time, and then for good and
    /// for everybody: what is said where no client waits is not to depend on how fast it is asked.
    pub(super) fn only_late(&self) {
        self.only_late.store(true, Ordering::Relaxed);
    }

    /// May the hook be called about a request of that client's? Every turn has to come to its
    /// [`end`](Backoff::end).
    pub(super) fn turn(&self, client: Option<IpAddr>) -> Result<Turn, PutAside> {
        let client = client.filter(|_| !self.only_late.load(Ordering::Relaxed));
        let is_probe = match self.troubled.load(Ordering::Relaxed) {
            false => false,
            true => self.streaks().turn(client, Instant::now())?,
        };
        Ok(Turn { client, is_probe })
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
        let mut streaks = self.streaks();
        let now = (!only_late).then(Instant::now);
        let change = streaks.end(turn, well, self.after, now);
        let troubled = streaks.all.failures > 0 || streaks.apart.is_some();
        self.troubled.store(troubled, Ordering::Relaxed);
        change
    }

    /// For whom it is put aside, if it is.
    pub(super) fn aside(&self) -> Option<Whom> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        let streaks = self.streaks();
        let mut all = std::iter::once(&streaks.all).chain(&streaks.apart);
        let aside = all.find(|streak| streak.aside.is_some())?;
        Some(aside.of.whom())
    }

    fn streaks(&self) -> MutexGuard<'_, Streaks> {
        self.streaks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn for_how_long(pause: Option<Duration>) -> String {
    pause.map_or_else(String::new, |pause| format!(" for {pause:?}"))
}

// === impl Streaks ===

impl Streaks {
    fn is_apart(&self, client: Option<IpAddr>) -> bool {
        let apart = self.apart.as_ref();
        client.is_some() && apart.is_some_and(|streak| streak.of.whom().0 == client)
    }

    /// What counts for that client.
    fn of(&mut self, client: Option<IpAddr>) -> &mut Streak {
        let is_apart = self.is_apart(client);
        self.apart
            .as_mut()
            .filter(|_| is_apart)
            .unwrap_or(&mut self.all)
    }

    /// Whether the call is a probe.
    fn turn(&mut self, client: Option<IpAddr>, now: Instant) -> Result<bool, PutAside> {
        // Who has not been seen for so long begins as everybody does.
        self.apart.take_if(|streak| streak.has_rested(now));
        self.of(client).turn(now)
    }

    /// Without a time, what is put aside is so for good.
    fn end(&mut self, turn: Turn, well: bool, after: u32, now: Option<Instant>) -> Option<Change> {
        let is_apart = self.is_apart(turn.client);
        let change = self.of(turn.client).end(turn, well, after, now)?;
        match change {
            Change::Back(_) if is_apart => self.apart = None,
            Change::PutAside(aside) if !is_apart => match (self.all.of, &self.apart) {
                (Whose::One(_), None) => self.apart = Some(std::mem::take(&mut self.all)),
                _ => {
                    self.all.of = Whose::Any;
                    let whom = Whom(None);
                    return Some(Change::PutAside(PutAside { whom, ..aside }));
                }
            },
            _ => {}
        }
        Some(change)
    }
}

// === impl Streak ===

impl Streak {
    /// Whether the call is a probe.
    fn turn(&mut self, now: Instant) -> Result<bool, PutAside> {
        let (failures, whom) = (self.failures, self.of.whom());
        match &mut self.aside {
            None => Ok(false),
            Some(Aside(Some((until, pause)))) if now >= *until => {
                // The others wait for what becomes of this one.
                *until = now + *pause;
                Ok(true)
            }
            Some(Aside(time)) => Err(PutAside {
                failures,
                pause: time.map(|(_, pause)| pause),
                whom,
            }),
        }
    }

    fn end(&mut self, turn: Turn, well: bool, after: u32, now: Option<Instant>) -> Option<Change> {
        let pause = match (&self.aside, turn.is_probe) {
            // It began before the hook was suspended: its end says nothing new.
            (Some(_), false) => return None,
            (aside, _) if well => {
                let back = aside.is_some().then_some(Change::Back(self.of.whom()));
                *self = Streak::default();
                return back;
            }
            (Some(Aside(Some((_, pause)))), true) => (*pause * 2).min(LONGEST_PAUSE),
            (Some(Aside(None)) | None, _) => FIRST_PAUSE,
        };
        self.failures = self.failures.saturating_add(1);
        self.of = self.of.and(turn.client);
        if self.failures < after {
            return None;
        }
        let time = now.map(|now| (now + pause, pause));
        self.aside = Some(Aside(time));
        Some(Change::PutAside(PutAside {
            failures: self.failures,
            pause: time.map(|(_, pause)| pause),
            whom: self.of.whom(),
        }))
    }

    /// Whether nobody has come for a long time to find out how it does.
    fn has_rested(&self, now: Instant) -> bool {
        match self.aside {
            None => true,
            Some(Aside(Some((until, _)))) => now >= until + LONGEST_PAUSE,
            Some(Aside(None)) => false,
        }
    }
}

// === impl Whose ===

impl Whose {
    fn and(self, client: Option<IpAddr>) -> Whose {
        match (self, client) {
            (Whose::Nobody, Some(client)) => Whose::One(client),
            (Whose::One(one), Some(client)) if one == client => self,
            _ => Whose::Any,
        }
    }

    fn whom(self) -> Whom {
        Whom(match self {
            Whose::One(client) => Some(client),
            Whose::Nobody | Whose::Any => None,
        })
    }
}

/// What is to be read after what happens to all of them, where it does to one alone.
impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(client) => write!(f, ", for requests of {client}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const AFTER: u32 = 3;
    const ANN: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    const BOB: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));

    fn aside(failures: u32, seconds: u64, whom: Option<IpAddr>) -> PutAside {
        PutAside {
            failures,
            pause: Some(Duration::from_secs(seconds)),
            whom: Whom(whom),
        }
    }

    fn usual(client: Option<IpAddr>) -> Turn {
        Turn {
            client,
            is_probe: false,
        }
    }

    fn probe(client: Option<IpAddr>) -> Turn {
        Turn {
            client,
            is_probe: true,
        }
    }

    /// Calls that fail, one after the other; what came of the last.
    fn fail(streaks: &mut Streaks, clients: &[Option<IpAddr>], now: Instant) -> Option<Change> {
        let mut change = None;
        for &client in clients {
            assert_eq!(change, None);
            assert_eq!(streaks.turn(client, now), Ok(false));
            change = streaks.end(usual(client), false, AFTER, Some(now));
        }
        change
    }

    fn failing(now: Instant) -> Streaks {
        let mut streaks = Streaks::default();
        let change = fail(&mut streaks, &[None; 3], now);
        assert_eq!(change, Some(Change::PutAside(aside(3, 1, None))));
        streaks
    }

    #[test]
    fn only_failures_in_a_row_put_a_hook_aside() {
        let now = Instant::now();
        let mut streaks = Streaks::default();
        for well in [false, false, true, false, false, true] {
            assert_eq!(streaks.end(usual(ANN), well, AFTER, Some(now)), None);
            assert_eq!(streaks.turn(ANN, now), Ok(false));
        }
        failing(now);
    }

    #[test]
    fn the_pause_doubles_from_a_second_to_a_minute_with_one_call_after_each() {
        for (clients, whom) in [([ANN, BOB, ANN], None), ([ANN; 3], ANN)] {
            let mut now = Instant::now();
            let mut streaks = Streaks::default();
            let change = fail(&mut streaks, &clients, now);
            assert_eq!(change, Some(Change::PutAside(aside(3, 1, whom))));
            let pauses = [1, 2, 4, 8, 16, 32, 60, 60];
            for (index, (pause, next)) in pauses.into_iter().zip(&pauses[1..]).enumerate() {
                let failures = AFTER + u32::try_from(index).expect("few");
                now += Duration::from_secs(pause) - Duration::from_nanos(1);
                assert_eq!(streaks.turn(ANN, now), Err(aside(failures, pause, whom)));
                now += Duration::from_nanos(1);
                assert_eq!(streaks.turn(ANN, now), Ok(true));
                assert_eq!(streaks.turn(ANN, now), Err(aside(failures, pause, whom)));
                let change = streaks.end(probe(ANN), false, AFTER, Some(now));
                let longer = aside(failures + 1, *next, whom);
                assert_eq!(change, Some(Change::PutAside(longer)));
            }
        }
    }

    #[test]
    fn one_call_that_ends_well_brings_it_back() {
        let now = Instant::now();
        let mut streaks = failing(now);
        // Others began before it was put aside.
        assert_eq!(streaks.end(usual(ANN), true, AFTER, Some(now)), None);
        assert_eq!(streaks.end(usual(BOB), false, AFTER, Some(now)), None);
        assert_eq!(streaks.turn(BOB, now), Err(aside(3, 1, None)));
        let later = now + FIRST_PAUSE;
        assert_eq!(streaks.turn(BOB, later), Ok(true));
        let change = streaks.end(probe(BOB), true, AFTER, Some(later));
        assert_eq!(change, Some(Change::Back(Whom(None))));
        assert_eq!(streaks.turn(ANN, later), Ok(false));
    }

    #[test]
    fn one_client_s_requests_alone_put_a_hook_aside_for_nobody_else() {
        let now = Instant::now();
        let mut streaks = Streaks::default();
        let change = fail(&mut streaks, &[ANN; 3], now);
        assert_eq!(change, Some(Change::PutAside(aside(3, 1, ANN))));
        assert_eq!(streaks.turn(ANN, now), Err(aside(3, 1, ANN)));
        // Others are served; theirs count as if nothing had been.
        for well in [true, false, false, true, false, false] {
            assert_eq!(streaks.turn(BOB, now), Ok(false));
            assert_eq!(streaks.end(usual(BOB), well, AFTER, Some(now)), None);
        }
        assert_eq!(streaks.turn(ANN, now), Err(aside(3, 1, ANN)));
        let later = now + FIRST_PAUSE;
        assert_eq!(streaks.turn(ANN, later), Ok(true));
        let change = streaks.end(probe(ANN), true, AFTER, Some(later));
        assert_eq!(change, Some(Change::Back(Whom(ANN))));
        assert_eq!(streaks.turn(ANN, later), Ok(false));
        // Of the two that BOB had failed.
        let change = streaks.end(usual(ANN), false, AFTER, Some(later));
        assert_eq!(change, Some(Change::PutAside(aside(3, 1, None))));
    }

    #[test]
    fn what_fails_for_two_clients_is_put_aside_for_all() {
        let now = Instant::now();
        for clients in [[ANN, ANN, BOB], [BOB, ANN, ANN], [ANN, None, ANN]] {
            let change = fail(&mut Streaks::default(), &clients, now);
            assert_eq!(change, Some(Change::PutAside(aside(3, 1, None))));
        }
        // One after the other, too.
        let mut streaks = Streaks::default();
        fail(&mut streaks, &[ANN; 3], now);
        let change = fail(&mut streaks, &[BOB; 3], now);
        assert_eq!(change, Some(Change::PutAside(aside(3, 1, None))));
        assert_eq!(streaks.turn(None, now), Err(aside(3, 1, None)));
    }

    #[test]
    fn who_is_set_apart_and_does_not_come_back_is_forgotten() {
        let now = Instant::now();
        let mut streaks = Streaks::default();
        fail(&mut streaks, &[ANN; 3], now);
        let later = now + FIRST_PAUSE + LONGEST_PAUSE;
        assert_eq!(
            streaks.turn(BOB, later - Duration::from_nanos(1)),
            Ok(false)
        );
        assert!(streaks.apart.is_some());
        assert_eq!(streaks.turn(BOB, later), Ok(false));
        assert!(streaks.apart.is_none());
        assert_eq!(streaks.turn(ANN, later), Ok(false));
    }

    #[test]
    fn with_0_it_is_never_put_aside() {
        let backoff = Backoff::new(0);
        for _ in 0..100 {
            let turn = backoff.turn(ANN).expect("a turn");
            assert_eq!(backoff.end(turn, Ended::Failed), None);
        }
    }

    #[test]
    fn where_nobody_waits_it_is_put_aside_for_running_late_and_then_for_good() {
        use Ended::{Failed, Late, Well};
        let backoff = Backoff::new(AFTER);
        backoff.only_late();
        let end = |ended| backoff.end(backoff.turn(ANN).expect("a turn"), ended);
        for ended in [Failed, Failed, Failed, Failed, Late, Late, Well, Late, Late] {
            assert_eq!(end(ended), None);
        }
        let for_good = PutAside {
            pause: None,
            ..aside(AFTER, 1, None)
        };
        assert_eq!(end(Late), Some(Change::PutAside(for_good)));
        assert_eq!(backoff.turn(BOB), Err(for_good));
        let said = "it failed 3 times in a row and is suspended";
        assert_eq!(for_good.to_string(), said);
        assert_eq!(aside(3, 1, None).to_string(), format!("{said} for 1s"));
    }
}
