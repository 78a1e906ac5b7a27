//! What operators see of the cache, and take out of it.

use super::key::Key;
use super::memory::Slot;
use super::{Cache, Stored, signed};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

/// Where a response is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// In memory (squid directive `cache_mem`).
    Memory,
}

/// A stored response, for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub tier: Tier,
    /// Its status.
    pub status: u16,
    /// Octets of its body.
    pub size: u64,
    /// Seconds.
    pub age: u64,
    /// Seconds for which it is still fresh, as policy has judged it last; 0 or less: it is stale.
    pub ttl: i64,
    /// What it answers. Responses of one URI that vary are listed one by one.
    pub uri: Arc<str>,
}

/// How full the cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// One for each tier.
    pub tiers: Vec<TierStats>,
}

/// How full a tier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierStats {
    /// Which.
    pub tier: Tier,
    /// Responses, about: what tells the variants of a URI apart counts too.
    pub responses: u64,
    /// Octets that they take, all that is kept with them included.
    pub octets: u64,
    /// Octets that they may take.
    pub budget: u64,
}

// === impl Tier ===

impl Tier {
    /// `memory`
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
        }
    }
}

// === impl Cache ===

impl Cache {
    /// Shows every stored response, in no order, until told to break off. What is stored or removed
    /// meanwhile may be among them or not. It takes its time: not for workers.
    pub fn list(&self, now: SystemTime, each: &mut dyn FnMut(Listed) -> ControlFlow<()>) {
        let sets = self.variants_in_memory();
        for (key, slot) in self.memory.iter() {
            if let Some(stored) = found_by_requests(&key, &slot, &sets)
                && each(listed(&key, stored, now)).is_break()
            {
                return;
            }
        }
    }

    /// Removes what is stored for a URI, all variants. Whether there was anything.
    pub fn purge(&self, uri: &Arc<str>) -> bool {
        // Variants are found by way of the URI's own slot: without it they are no more.
        let key = Key::of(uri);
        let stored = self.memory.get(&key).is_some();
        self.memory.remove(&key);
        stored
    }

    /// Removes every response whose URI is selected; how many there were. It looks at all of them:
    /// not for workers.
    pub fn purge_all(&self, selected: &dyn Fn(&str) -> bool) -> u64 {
        let mut purged = 0;
        let sets = self.variants_in_memory();
        for (key, slot) in self.memory.iter() {
            if selected(key.uri()) {
                purged += u64::from(found_by_requests(&key, &slot, &sets).is_some());
                self.memory.remove(&key);
            }
        }
        purged
    }

    /// How full it is.
    pub fn stats(&self) -> Stats {
        let (responses, octets) = self.memory.usage();
        let memory = TierStats {
            tier: Tier::Memory,
            responses,
            octets,
            budget: self.memory.budget(),
        };
        Stats {
            tiers: vec![memory],
        }
    }

    /// The sets of variants that requests still find: the others only wait to be evicted.
    fn variants_in_memory(&self) -> HashSet<u64> {
        let set = |slot| match slot {
            Slot::Variants(vary) => Some(vary.set),
            Slot::Response(_) => None,
        };
        self.memory
            .iter()
            .filter_map(|(_, slot)| set(slot))
            .collect()
    }
}

fn found_by_requests<'a>(key: &Key, slot: &'a Slot, sets: &HashSet<u64>) -> Option<&'a Stored> {
    match slot {
        Slot::Response(stored) if key.set().is_none_or(|set| sets.contains(&set)) => Some(stored),
        _ => None,
    }
}

fn listed(key: &Key, stored: &Stored, now: SystemTime) -> Listed {
    let age = stored.times.age(now);
    let lifetime = match stored.control.no_cache {
        true => 0,
        false => stored.times.lifetime(&stored.judged.load().refresh),
    };
    Listed {
        tier: Tier::Memory,
        status: stored.status.as_u16(),
        size: stored.body.len() as u64,
        age,
        ttl: signed(lifetime) - signed(age),
        uri: key.uri().clone(),
    }
}
