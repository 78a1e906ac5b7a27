//! Whether the disk takes what is written. Where it does not, nothing is tried for a while. Pure: it
//! is told the time.

use rustix::io::Errno;
use std::io;
use std::time::{Duration, Instant};

/// How the disk has been doing.
#[derive(Debug, Default)]
pub(super) struct Health {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    until: Instant,
    pause: Duration,
}

/// Whether an object may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// One among others.
    Usual,
    /// The one that finds out whether the disk takes something again.
    Probe,
    Refused,
}

/// Something to be said at most once in a while.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    said: Option<Instant>,
}

/// It doubles with every probe that fails.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

// === impl Health ===

impl Health {
    pub(super) fn is_degraded(&self) -> bool {
        self.trouble.is_some()
    }

    /// May an object be written that begins now?
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        match &mut self.trouble {
            None => Turn::Usual,
            Some(trouble) if now < trouble.until => Turn::Refused,
            Some(trouble) => {
                // The others wait for what becomes of this one; if it comes to nothing, for the
                // next.
                trouble.until = now + trouble.pause;
                Turn::Probe
            }
        }
    }

    /// A write failed. Whether that is news.
    pub(super) fn failed(&mut self, turn: Turn, now: Instant) -> bool {
        let pause = match (&self.trouble, turn) {
            (None, _) => FIRST_PAUSE,
            (Some(trouble), Turn::Probe) => (trouble.pause * 2).min(LONGEST_PAUSE),
            // It began before the trouble did.
            (Some(_), _) => return false,
        };
        let until = now + pause;
        let before = self.trouble.replace(Trouble { until, pause });
        before.is_none()
    }

    /// An object has been written whole. Whether that is news.
    pub(super) fn succeeded(&mut self, turn: Turn) -> bool {
        turn == Turn::Probe && self.trouble.take().is_some()
    }

    /// The pause is over.
    #[cfg(test)]
    pub(super) fn end_pause(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.trouble {
            trouble.until = now;
        }
    }
}

// === impl Complaint ===

impl Complaint {
    /// Whether to say it now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.said.is_none_or(|said| now >= said + FIRST_PAUSE);
        if due {
            self.said = Some(now);
        }
        due
    }
}

/// Whether less on the disk would have helped.
pub(super) fn is_full(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOSPC | Errno::DQUOT))
}

/// What to do about it.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC) => "make room on that file system, or give the cache less of it",
        Some(Errno::DQUOT) => "raise the quota of the proxy's user, or give the cache less",
        Some(Errno::ROFS) => {
            "mount that file system writable; where the kernel has made it read-only, see its log"
        }
        Some(Errno::IO) => "the disk may be failing: see the kernel's log",
        Some(Errno::MFILE) => "raise the proxy's limit of open files (LimitNOFILE, ulimit -n)",
        Some(Errno::NFILE) => "raise the system's limit of open files (sysctl fs.file-max)",
        Some(Errno::ACCESS | Errno::PERM) => "let the proxy's user write there",
        Some(Errno::NOENT | Errno::STALE) => {
            "if the folder has been removed or is mounted no more, put it back and restart the proxy"
        }
        _ => "see to it that files can be written there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_pause_doubles_from_half_a_minute_to_five_with_one_object_after_each() {
        let mut now = Instant::now();
        let mut health = Health::default();
        assert_eq!(health.turn(now), Turn::Usual);
        assert!(health.failed(Turn::Usual, now));
        for pause in [30, 60, 120, 240, 300, 300] {
            // Others that began before fail, or not: no news.
            assert!(!health.failed(Turn::Usual, now));
            assert!(!health.succeeded(Turn::Usual));
            now += SECOND * pause - Duration::from_nanos(1);
            assert_eq!(health.turn(now), Turn::Refused);
            now += Duration::from_nanos(1);
            assert_eq!(health.turn(now), Turn::Probe);
            assert_eq!(health.turn(now), Turn::Refused);
            assert!(!health.failed(Turn::Probe, now));
        }
        assert!(health.is_degraded());
    }

    #[test]
    fn one_object_brings_it_back_and_the_next_trouble_is_news() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(health.failed(Turn::Usual, now));
        // A probe that comes to nothing is followed by another.
        for probe in 1..=2 {
            assert_eq!(health.turn(now + FIRST_PAUSE * probe), Turn::Probe);
        }
        assert!(health.succeeded(Turn::Probe));
        assert!(!health.is_degraded());
        assert_eq!(health.turn(now), Turn::Usual);
        assert!(health.failed(Turn::Usual, now));
    }

    #[test]
    fn a_complaint_is_made_once_in_half_a_minute() {
        let now = Instant::now();
        let mut complaint = Complaint::default();
        let said = [0, 1, 29, 30, 31, 59, 60].map(|after| complaint.is_due(now + SECOND * after));
        assert_eq!(said, [true, false, false, true, false, false, true]);
    }
}
