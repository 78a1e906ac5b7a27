//! What plugins keep from one call to the next: what stands behind the interface `kv` of `wit/`.

mod local;

pub(super) use local::Local;

use std::fmt;
use std::time::{Duration, Instant};

/// A plugin's store, shared by all its instances.
///
/// A worker thread calls it in the middle of a hook: nothing here may wait for anything but
/// another thread that does the same. A store that is shared with other proxies answers with what
/// it knows, and squares that with theirs beside the hooks.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// The value under that key, while it lasts.
    fn get(&self, key: &str, now: Instant) -> Option<Vec<u8>>;

    /// Keeps a value, in place of what was there.
    ///
    /// # Errors
    /// What was there stays.
    fn set(&self, key: &str, value: Vec<u8>, terms: &Terms) -> Result<(), Refused>;

    /// Adds to a counter, in one step. One that is there keeps its end.
    ///
    /// # Errors
    /// What was there stays.
    fn increment(&self, key: &str, by: i64, terms: &Terms) -> Result<Counted, Refused>;

    /// Ends what is under that key. Whether there was something.
    fn remove(&self, key: &str, now: Instant) -> bool;

    /// What it holds that has not come to its end.
    fn usage(&self, now: Instant) -> Usage;
}

/// On what terms something is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// From now; [`MAX_TTL`] at most.
    pub(super) ttl: Duration,
    /// Of the generation that asks: another one can have others.
    pub(super) bounds: Bounds,
    pub(super) now: Instant,
}

/// How much a store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of keys, values and [`ENTRY`] for each entry.
    pub octets: usize,
    /// Entries.
    pub entries: usize,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// As [`Bounds`] counts them.
    pub octets: usize,
    /// Values and counters.
    pub entries: usize,
}

/// A counter, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) value: i64,
    /// Until its end: more than nothing.
    pub(super) left: Duration,
}

/// Why something is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("a key has {MAX_KEY} octets at most, a value {} KB", MAX_VALUE >> 10)]
    TooLarge,
    #[error("there is no room for it")]
    Full,
    #[error("the value is not a number")]
    NotANumber,
}

/// Octets of a key.
pub(super) const MAX_KEY: usize = 256;
/// Octets of a value.
pub(super) const MAX_VALUE: usize = 64 << 10;
/// The longest time that something is kept: far from what a clock could not add.
pub(super) const MAX_TTL: Duration = Duration::from_secs(366 * 86_400);
/// Octets that an entry takes beside its key and value, about.
pub(super) const ENTRY: usize = 128;

// === impl Terms ===

impl Terms {
    /// When it comes to its end.
    fn end(&self) -> Instant {
        self.now + self.ttl.min(MAX_TTL)
    }
}

#[cfg(test)]
mod tests;
