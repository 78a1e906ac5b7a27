//! What operators see of the cache, and take out of it.

use super::disk::Visit;
use super::dossier::{self, Dossier};
use super::key::Key;
use super::memory::Slot;
use super::{Asked, Cache, Stored};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

/// Where a response is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// In memory (squid directive `cache_mem`).
    Memory,
    /// On the disk (squid directive `cache_dir`). What is in memory is mostly there, too.
    Disk,
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
            Tier::Disk => "disk",
        }
    }
}

// === impl Cache ===

impl Cache {
    /// Shows every stored response, in no order, until told to break off; one that is on the disk and
    /// in memory, there. What is stored or removed meanwhile may be among them or not. It takes its
    /// time: not for workers.
    pub fn list(&self, now: SystemTime, each: &mut dyn FnMut(Listed) -> ControlFlow<()>) {
        let sets = self.sets_of_variants();
        let mut in_both = HashSet::new();
        for (key, slot) in self.memory.iter() {
            let Some(stored) = found_by_requests(&key, &slot, &sets) else {
                continue;
            };
            if each(in_memory(stored, now)).is_break() {
                return;
            }
            in_both.insert(key.to_octets());
        }
        let mut over = false;
        self.visit(&mut |key, dossier, length| {
            if let Dossier::Response(filed) = dossier
                && filed.set.is_none_or(|set| sets.contains(&set))
                && !in_both.contains(key)
            {
                over = over || each(filed.listed(length, now)).is_break();
            }
            Visit::Keep
        });
    }

    /// Removes what is stored for a request's URI, all variants. Whether there was anything.
    pub async fn purge(&self, asked: &Asked) -> bool {
        // Variants are found by way of the URI's own slot: without it they are no more.
        self.remove(vec![asked.key_of_resource()]).await
    }

    /// Removes every response whose URI is selected; how many there were. It looks at all of them:
    /// not for workers.
    pub fn purge_all(&self, selected: &dyn Fn(&str) -> bool) -> u64 {
        let mut purged = HashSet::new();
        let sets = self.sets_of_variants();
        // The disk first: what is read from there before it is gone belongs to an epoch that ends.
        self.visit(&mut |key, dossier, _| {
            if !selected(dossier.uri()) {
                return Visit::Keep;
            }
            if let Dossier::Response(filed) = dossier
                && filed.set.is_none_or(|set| sets.contains(&set))
            {
                purged.insert(key.to_owned());
            }
            Visit::Remove
        });
        self.epochs.end_all();
        self.flights.forget_all();
        for (key, slot) in self.memory.iter() {
            if selected(slot.uri(&key)) {
                if found_by_requests(&key, &slot, &sets).is_some() {
                    purged.insert(key.to_octets());
                }
                self.memory.remove(&key);
            }
        }
        purged.len() as u64
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
        let disk = self.disk.as_ref().map(|disk| {
            let usage = disk.usage();
            TierStats {
                tier: Tier::Disk,
                responses: usage.objects,
                octets: usage.octets,
                budget: usage.budget,
            }
        });
        Stats {
            tiers: [memory].into_iter().chain(disk).collect(),
        }
    }

    fn visit(&self, each: &mut dyn FnMut(&[u8], &Dossier, u64) -> Visit) {
        let Some(disk) = &self.disk else {
            return;
        };
        let visited = disk.visit(&mut |key, metadata, length| match dossier::read(
            metadata,
            &self.settings.targeted_cache_control,
        ) {
            Some(dossier) => each(key, &dossier, length),
            None => Visit::Keep,
        });
        if let Err(error) = visited {
            tracing::warn!("the disk cache cannot be listed: {error}");
        }
    }

    /// The sets of variants that requests still find: the others only wait to be evicted.
    fn sets_of_variants(&self) -> HashSet<u64> {
        let in_memory = self.memory.iter().filter_map(|(_, slot)| match slot {
            Slot::Variants(vary) => Some(vary.set),
            Slot::Response(_) => None,
        });
        let mut sets: HashSet<u64> = in_memory.collect();
        self.visit(&mut |_, dossier, _| {
            if let Dossier::Variants { vary, .. } = dossier {
                sets.insert(vary.set);
            }
            Visit::Keep
        });
        sets
    }
}

fn found_by_requests<'a>(key: &Key, slot: &'a Slot, sets: &HashSet<u64>) -> Option<&'a Stored> {
    match slot {
        Slot::Response(stored) if key.set().is_none_or(|set| sets.contains(&set)) => Some(stored),
        _ => None,
    }
}

fn in_memory(stored: &Stored, now: SystemTime) -> Listed {
    let age = stored.times.age(now);
    Listed {
        tier: Tier::Memory,
        status: stored.status.as_u16(),
        size: stored.body.len().unwrap_or_default(),
        age,
        ttl: stored.ttl(&stored.judged.load().refresh, age),
        uri: stored.uri.clone(),
    }
}
