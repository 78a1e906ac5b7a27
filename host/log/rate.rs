//! How many log lines a second: pure, it is told the time.

use std::time::{Duration, Instant};

/// The present second, over all who log: the instances of a plugin, say.
#[derive(Debug, Default)]
pub struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It is logged. Before it, that many were left out, and nothing has been said of them yet.
    Write {
        /// Lines.
        left_out: u64,
    },
    /// There are too many.
    LeaveOut,
}

const SECOND: Duration = Duration::from_secs(1);

// === impl Window ===

impl Window {
    /// Another line. Of a second, `most` are written.
    pub fn line(&mut self, now: Instant, most: u32) -> Ruling {
        let over = |began: Instant| now.saturating_duration_since(began) >= SECOND;
        if self.began.is_none_or(over) {
            self.began = Some(now);
            self.lines = 0;
        }
        if self.lines >= most {
            self.left_out += 1;
            return Ruling::LeaveOut;
        }
        self.lines += 1;
        Ruling::Write {
            left_out: std::mem::take(&mut self.left_out),
        }
    }

    /// Lines that were left out without a word, now that nobody logs any more.
    pub fn left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_a_second_s_lines_is_told_of_in_the_next() {
        let mut window = Window::default();
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let write = |left_out| Ruling::Write { left_out };
        for (milliseconds, ruling) in [
            (0, write(0)),
            (10, write(0)),
            (20, Ruling::LeaveOut),
            (999, Ruling::LeaveOut),
            (1000, write(2)),
            (1001, write(0)),
            (1999, Ruling::LeaveOut),
            (5000, write(1)),
        ] {
            assert_eq!(window.line(at(milliseconds), 2), ruling, "{milliseconds}");
        }
        assert_eq!(window.line(at(5001), 0), Ruling::LeaveOut);
        assert_eq!((window.left_out(), window.left_out()), (1, 0));
    }
}
