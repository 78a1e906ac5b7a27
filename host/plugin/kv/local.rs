//! A store in this process's memory, in shards: threads wait for each other only where they want
//! keys of the same one, and then for the length of a look-up.

use super::{Bounds, Counted, ENTRY, MAX_KEY, MAX_VALUE, Refused, Store, Terms, Usage};
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A store of this process's own.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Local {
    shards: [Mutex<Shard>; SHARDS],
    /// Which shard a key is in. Keys can be what clients send: nobody should guess it.
    hasher: RandomState,
    used: Used,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// The same keys by their end: what has come to it is found without a look at the others.
    ends: BTreeSet<(Instant, Arc<str>)>,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    end: Instant,
}

#[derive(Debug, Clone)]
enum Value {
    Octets(Box<[u8]>),
    Number(i64),
}

/// What all shards hold together. Room is taken before an entry is made.
#[derive(Debug, Default)]
struct Used {
    octets: AtomicUsize,
    entries: AtomicUsize,
}

const SHARDS: usize = 16;
/// Entries that are dropped from a shard at a time, so that nobody waits for it long.
const BATCH: usize = 64;
/// The same for each value that is put in: more go than come, and the dead do not pile up.
const GONE_FOR_EACH: usize = 2;

// === impl Local ===

impl Local {
    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        // The remainder is less than 16.
        let index = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        locked(&self.shards[index])
    }

    /// Tries it until there is room or nothing more that has come to its end.
    fn where_there_is_room<T>(
        &self,
        now: Instant,
        mut attempt: impl FnMut() -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        loop {
            match attempt() {
                Err(Refused::Full) if self.drop_some(now) => {}
                done => return done,
            }
        }
    }

    /// Drops some of what has come to its end. Whether there was any.
    fn drop_some(&self, now: Instant) -> bool {
        let dropped = |shard: &Mutex<Shard>| locked(shard).drop_over(now, &self.used, BATCH);
        // All of them: what is in the first is no reason to leave the others full.
        self.shards.iter().map(dropped).sum::<usize>() > 0
    }
}

impl Store for Local {
    fn get(&self, key: &str, now: Instant) -> Option<Vec<u8>> {
        let shard = self.shard(key);
        let entry = shard.entries.get(key).filter(|entry| now < entry.end)?;
        Some(match &entry.value {
            Value::Octets(octets) => octets.to_vec(),
            Value::Number(number) => number.to_string().into_bytes(),
        })
    }

    fn set(&self, key: &str, value: Vec<u8>, terms: &Terms) -> Result<(), Refused> {
        if key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(Refused::TooLarge);
        }
        let value = Value::Octets(value.into());
        self.where_there_is_room(terms.now, || {
            self.shard(key).put(key, &value, terms, &self.used)
        })
    }

    fn increment(&self, key: &str, by: i64, terms: &Terms) -> Result<Counted, Refused> {
        if key.len() > MAX_KEY {
            return Err(Refused::TooLarge);
        }
        self.where_there_is_room(terms.now, || {
            self.shard(key).increment(key, by, terms, &self.used)
        })
    }

    fn remove(&self, key: &str, now: Instant) -> bool {
        let removed = self.shard(key).remove(key, &self.used);
        removed.is_some_and(|entry| now < entry.end)
    }

    fn usage(&self, now: Instant) -> Usage {
        while self.drop_some(now) {}
        Usage {
            octets: self.used.octets.load(Ordering::Relaxed),
            entries: self.used.entries.load(Ordering::Relaxed),
        }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Shard ===

impl Shard {
    /// Puts a value in place of what is there. Where there is no room, nothing changes.
    fn put(&mut self, key: &str, value: &Value, terms: &Terms, used: &Used) -> Result<(), Refused> {
        let now = terms.now;
        self.drop_over(now, used, GONE_FOR_EACH);
        if self.entries.get(key).is_some_and(|entry| entry.end <= now) {
            self.remove(key, used);
        }
        let new = size(key, value);
        let old = self.entries.get(key).map(|entry| size(key, &entry.value));
        match old {
            Some(old) => used.grow(new.saturating_sub(old), terms.bounds)?,
            None => used.take(new, terms.bounds)?,
        }
        // What was smaller has taken what it lacked; what was larger is given back.
        if let Some(old) = old {
            used.octets
                .fetch_sub(old.saturating_sub(new), Ordering::Relaxed);
        }
        let end = terms.end();
        let key = match self.entries.remove_entry(key) {
            Some((key, entry)) => {
                self.ends.remove(&(entry.end, key.clone()));
                key
            }
            None => key.into(),
        };
        self.ends.insert((end, key.clone()));
        let value = value.clone();
        self.entries.insert(key, Entry { value, end });
        Ok(())
    }

    fn increment(
        &mut self,
        key: &str,
        by: i64,
        terms: &Terms,
        used: &Used,
    ) -> Result<Counted, Refused> {
        let now = terms.now;
        if let Some(entry) = self.entries.get_mut(key).filter(|entry| now < entry.end) {
            let number = entry.value.number().ok_or(Refused::NotANumber)?;
            let value = number.saturating_add(by);
            let before = size(key, &entry.value);
            entry.value = Value::Number(value);
            // A number has its place in the entry: digits took more.
            let freed = before - size(key, &entry.value);
            used.octets.fetch_sub(freed, Ordering::Relaxed);
            let left = entry.end - now;
            return Ok(Counted { value, left });
        }
        self.put(key, &Value::Number(by), terms, used)?;
        let left = terms.end() - now;
        Ok(Counted { value: by, left })
    }

    fn remove(&mut self, key: &str, used: &Used) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        used.give_back(size(&key, &entry.value));
        self.ends.remove(&(entry.end, key));
        Some(entry)
    }

    /// Drops what has come to its end, `most` at most; how many.
    fn drop_over(&mut self, now: Instant, used: &Used, most: usize) -> usize {
        let mut dropped = 0;
        while dropped < most
            && let Some((end, _)) = self.ends.first()
            && *end <= now
            && let Some((_, key)) = self.ends.pop_first()
        {
            if let Some(entry) = self.entries.remove(&key) {
                used.give_back(size(&key, &entry.value));
            }
            dropped += 1;
        }
        if self.entries.is_empty() {
            // A table that was large once would stay so.
            self.entries.shrink_to_fit();
        }
        dropped
    }
}

/// Octets that an entry counts for.
fn size(key: &str, value: &Value) -> usize {
    let value = match value {
        Value::Octets(octets) => octets.len(),
        Value::Number(_) => 0,
    };
    ENTRY + key.len() + value
}

// === impl Value ===

impl Value {
    fn number(&self) -> Option<i64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Octets(octets) => std::str::from_utf8(octets).ok()?.parse().ok(),
        }
    }
}

// === impl Used ===

impl Used {
    /// Takes room for one more entry.
    fn take(&self, octets: usize, bounds: Bounds) -> Result<(), Refused> {
        add(&self.entries, 1, bounds.entries)?;
        let taken = add(&self.octets, octets, bounds.octets);
        if taken.is_err() {
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    /// Takes room for an entry to grow by that.
    fn grow(&self, octets: usize, bounds: Bounds) -> Result<(), Refused> {
        match octets {
            0 => Ok(()),
            octets => add(&self.octets, octets, bounds.octets),
        }
    }

    fn give_back(&self, octets: usize) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.octets.fetch_sub(octets, Ordering::Relaxed);
    }
}

/// Adds, where the sum is no more than `most`.
fn add(sum: &AtomicUsize, by: usize, most: usize) -> Result<(), Refused> {
    let fits = |used: usize| used.checked_add(by).filter(|sum| *sum <= most);
    let added = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
    added.map(drop).map_err(|_| Refused::Full)
}
