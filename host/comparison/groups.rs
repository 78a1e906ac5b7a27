//! Differences of the same kind, counted together, with the first requests as examples. Bounded,
//! whatever clients ask for. Pure: it is told the time.

use super::{Difference, Said};
use crate::plugin::Hook;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::SystemTime;

/// Differences by their kind `K`, with examples `E`.
#[derive(Debug, Clone)]
pub struct Groups<K, E> {
    /// In the order in which they were found.
    groups: Vec<Group<E>>,
    /// Index in `groups`.
    places: HashMap<K, usize>,
    room: Room,
    /// Differences of kinds that there was no room for.
    pub left_out: u64,
}

/// How many groups and examples are kept.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Kinds of differences.
    pub groups: usize,
    /// Requests that are named for each.
    pub examples: usize,
}

/// Differences of one kind.
#[derive(Debug, Clone)]
pub struct Group<E> {
    /// The hook that answers differently.
    pub hook: Hook,
    /// What the live policy does; of the first one.
    pub live: Said,
    /// What the candidate would do; of the first one.
    pub candidate: Said,
    /// How many.
    pub count: u64,
    /// When the first one was found.
    pub first: SystemTime,
    /// When the last one was.
    pub last: SystemTime,
    /// The first requests.
    pub examples: Vec<E>,
}

impl<K: Eq + Hash, E> Groups<K, E> {
    /// None yet.
    pub fn new(room: Room) -> Groups<K, E> {
        Groups {
            groups: Vec::new(),
            places: HashMap::new(),
            room,
            left_out: 0,
        }
    }

    /// Another difference of that kind. `example` names the request, where that is wanted.
    pub fn add(
        &mut self,
        kind: K,
        difference: &Difference,
        example: impl FnOnce() -> E,
        now: SystemTime,
    ) {
        let new = self.groups.len();
        let place = self.places.get(&kind).copied().unwrap_or(new);
        if place == new {
            if new >= self.room.groups {
                self.left_out += 1;
                return;
            }
            self.places.insert(kind, new);
            self.groups.push(Group {
                hook: difference.hook,
                live: difference.live.clone(),
                candidate: difference.candidate.clone(),
                count: 0,
                first: now,
                last: now,
                examples: Vec::new(),
            });
        }
        let group = &mut self.groups[place];
        group.count += 1;
        group.last = now;
        if group.examples.len() < self.room.examples {
            group.examples.push(example());
        }
    }

    /// The largest first; of equal ones, the first that was found.
    pub fn largest_first(&self) -> Vec<&Group<E>> {
        let mut groups: Vec<&Group<E>> = self.groups.iter().collect();
        groups.sort_by_key(|group| Reverse(group.count));
        groups
    }
}
