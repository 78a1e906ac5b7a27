//! The store in memory: a budget of octets, and admission by use (moka's TinyLFU).

use super::key::{Key, Vary};
use super::{Body, Stored};
use moka::sync::Cache;
use std::sync::Arc;

/// A clone is the same store.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    slots: Cache<Key, Slot>,
}

/// What stands under a key.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    Response(Arc<Stored>),
    /// Under a URI's own key, where its responses vary.
    Variants(Vary),
}

// === impl Slot ===

impl Slot {
    /// The URI that it is about, where that is known.
    pub(super) fn uri<'a>(&'a self, key: &'a Key) -> &'a str {
        match self {
            Slot::Response(stored) => &stored.uri,
            Slot::Variants(_) => key.uri(),
        }
    }

    /// Whether its body is in a file: memory does not hold it.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self, Slot::Response(stored) if matches!(stored.body, Body::Disk(_)))
    }
}

/// Octets that moka and the key's copies take for an entry.
const OVERHEAD: usize = 300;

/// Octets that an entry of one of moka's caches takes: so many for its value.
pub(super) fn weight(key: &Key, octets: usize) -> u32 {
    u32::try_from(octets + key.len() + OVERHEAD).unwrap_or(u32::MAX)
}

impl Memory {
    pub(super) fn new(octets: u64) -> Memory {
        let weigher = |key: &Key, slot: &Slot| {
            let octets = match slot {
                Slot::Response(stored) => stored.octets(),
                Slot::Variants(vary) => vary.names.iter().map(|name| name.len() + 24).sum(),
            };
            weight(key, octets)
        };
        Memory {
            slots: Cache::builder()
                .max_capacity(octets)
                .weigher(weigher)
                .build(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Slot> {
        self.slots.get(key)
    }

    pub(super) fn put(&self, key: Key, slot: Slot) {
        self.slots.insert(key, slot);
    }

    /// What stands there now: that, or, as an error, what is there already.
    pub(super) fn put_if_absent(&self, key: &Key, slot: Slot) -> Result<Slot, Slot> {
        let entry = self.slots.entry_by_ref(key).or_insert(slot);
        match entry.is_fresh() {
            true => Ok(entry.into_value()),
            false => Err(entry.into_value()),
        }
    }

    /// Whether there was something.
    pub(super) fn remove(&self, key: &Key) -> bool {
        self.slots.remove(key).is_some()
    }

    /// All that there is, in no order. Who looks at all of it makes nothing more popular.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Arc<Key>, Slot)> {
        self.slots.iter()
    }

    /// Slots and octets.
    pub(super) fn usage(&self) -> (u64, u64) {
        // moka counts what is new when it tidies.
        self.slots.run_pending_tasks();
        (self.slots.entry_count(), self.slots.weighted_size())
    }

    /// Octets that it may take.
    pub(super) fn budget(&self) -> u64 {
        self.slots.policy().max_capacity().unwrap_or(u64::MAX)
    }
}
