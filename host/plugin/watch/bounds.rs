//! What a plugin can see of bodies, and keep them waiting for.

use crate::plugin::engine::BODIES;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// Limits for the bodies that a plugin looks into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of one body that it is shown; default 16 MB.
    pub shown: usize,
    /// What becomes of a body with more of them; default: it is stopped.
    pub shown_beyond: Beyond,
    /// Octets of one body that are held back with the header section; default 256 KB.
    pub held: usize,
    /// What becomes of a body of which more would be; default: the header section goes out, and the
    /// hook sees the rest as it goes by.
    pub held_beyond: Beyond,
    /// How long all calls for one body may take together; default 10 s.
    pub time: Duration,
    /// How many bodies it can watch at a time; default 100.
    pub most: usize,
}

/// What becomes of a body beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Beyond {
    /// It passes.
    Pass,
    /// It is stopped.
    Stop,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            shown: 16 << 20,
            shown_beyond: Beyond::Stop,
            held: 256 << 10,
            held_beyond: Beyond::Pass,
            time: Duration::from_secs(10),
            most: BODIES / 10,
        }
    }
}

/// As the manifest has them, for people.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} KB of a body (beyond: {}), {} KB held (beyond: {}), {:?}, {} at a time",
            self.shown >> 10,
            self.shown_beyond,
            self.held >> 10,
            self.held_beyond,
            self.time,
            self.most,
        )
    }
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Beyond::Pass => "pass",
            Beyond::Stop => "stop",
        })
    }
}
