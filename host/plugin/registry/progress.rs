//! How far something is, for whoever waits at a terminal or reads the log.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Shows on stderr how much of some octets has gone by, where that takes its time.
#[derive(Debug)]
pub(super) struct Progress {
    /// Short: a line that is longer than the terminal is wide cannot be drawn anew.
    what: String,
    total: u64,
    done: u64,
    begun: Instant,
    said: Option<(Instant, u64)>,
    terminal: bool,
}

/// What takes less time is not worth a line.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a terminal's line is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

// === impl Progress ===

impl Progress {
    /// Begins now.
    pub(super) fn new(what: String, total: u64) -> Progress {
        Progress {
            what,
            total,
            done: 0,
            begun: Instant::now(),
            said: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// So many more octets are done.
    pub(super) fn add(&mut self, octets: usize) {
        self.done = self.done.saturating_add(octets as u64);
        if let Some(line) = self.line(Instant::now()) {
            // That nobody can read it is no reason to stop.
            let _ = match self.terminal {
                true => write!(anstream::stderr(), "\r{line}"),
                false => writeln!(anstream::stderr(), "{line}"),
            };
        }
    }

    /// What there is to say, if it is time to.
    fn line(&mut self, now: Instant) -> Option<String> {
        let percent = (100 * self.done).checked_div(self.total).unwrap_or(100);
        let (last, every) = match self.said {
            Some((_, said)) if said == percent => return None,
            Some((last, _)) if self.terminal => (last, REDRAW),
            Some((last, _)) => (last, PATIENCE),
            None => (self.begun, PATIENCE),
        };
        if now.saturating_duration_since(last) < every {
            return None;
        }
        self.said = Some((now, percent));
        let total = kilobytes(self.total);
        Some(format!("{}: {percent}% of {total} KB", self.what))
    }
}

/// Octets for people, rounded up: what is there is not 0.
pub(super) fn kilobytes(octets: u64) -> u64 {
    octets.div_ceil(1 << 10)
}

/// What follows on a terminal begins on an empty line.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.said.is_some() {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when so many of 1000 KB are done after so many milliseconds.
    fn said(terminal: bool, steps: &[(u64, u64)]) -> Vec<String> {
        let begun = Instant::now();
        let mut progress = Progress {
            what: "pulling it".into(),
            total: 1000 << 10,
            done: 0,
            begun,
            said: None,
            terminal: false,
        };
        progress.terminal = terminal;
        let lines = steps.iter().filter_map(|&(milliseconds, done)| {
            progress.done = done << 10;
            progress.line(begun + Duration::from_millis(milliseconds))
        });
        let lines = lines.collect();
        // There is nothing to clear on this one.
        progress.terminal = false;
        lines
    }

    #[test]
    fn what_takes_its_time_is_shown_and_what_does_not_is_not() {
        let line = |percent: u64| format!("pulling it: {percent}% of 1000 KB");
        for terminal in [false, true] {
            assert!(said(terminal, &[(1, 100), (500, 700), (999, 1000)]).is_empty());
        }
        let slow = [
            (1000, 10),
            (1050, 20),
            (1200, 30),
            (2000, 31),
            (3100, 31),
            (3200, 1000),
        ];
        assert_eq!(said(false, &slow), [line(1), line(3), line(100)]);
        assert_eq!(said(true, &slow), [line(1), line(3), line(100)]);
        let smooth = [(1000, 10), (1100, 20), (1200, 30), (2000, 40)];
        assert_eq!(said(false, &smooth), [line(1), line(4)]);
        assert_eq!(said(true, &smooth), [line(1), line(2), line(3), line(4)]);
    }

    #[test]
    fn nothing_is_all_of_nothing() {
        let mut progress = Progress::new("pulling it".into(), 0);
        progress.terminal = false;
        let later = progress.begun + PATIENCE;
        assert_eq!(
            progress.line(later).as_deref(),
            Some("pulling it: 100% of 0 KB")
        );
    }
}
