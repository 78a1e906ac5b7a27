//! The generation that serves, and those that requests are still pinned to.

use super::Generation;
use arc_swap::ArcSwap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

/// All generations that there are.
#[derive(Debug)]
pub struct Generations {
    serving: ArcSwap<Generation>,
    /// In the order in which they came. What is gone is struck off with the next swap.
    begun: Mutex<Vec<Begun>>,
}

#[derive(Debug)]
struct Begun {
    generation: Weak<Generation>,
    since: SystemTime,
}

/// A generation that is there.
#[derive(Debug)]
pub struct Alive {
    /// Which.
    pub generation: Arc<Generation>,
    /// When it began to serve.
    pub since: SystemTime,
}

/// A generation that a request is pinned to, which counts that. Two atomic operations a request.
#[derive(Debug)]
pub struct Pinned(Arc<Generation>);

/// How many are pinned.
#[derive(Debug, Default)]
pub(super) struct Pins(AtomicUsize);

// === impl Generations ===

impl Generations {
    /// One serves, since that time.
    pub fn new(first: Generation, now: SystemTime) -> Generations {
        let first = Arc::new(first);
        Generations {
            begun: Mutex::new(vec![Begun::new(&first, now)]),
            serving: ArcSwap::new(first),
        }
    }

    /// The one that decides about what begins now.
    pub fn serving(&self) -> Arc<Generation> {
        self.serving.load_full()
    }

    /// Another one serves from now on.
    pub fn swap(&self, next: Generation, now: SystemTime) {
        let next = Arc::new(next);
        let mut begun = self.begun();
        begun.retain(|begun| begun.generation.strong_count() > 0);
        begun.push(Begun::new(&next, now));
        let old = self.serving.swap(next.clone());
        // Who asks which there are need not wait until the old one is taken apart.
        drop(begun);
        old.give_way_to(&next);
    }

    /// Those that there are: the one that serves first, then back to the oldest.
    pub fn alive(&self) -> Vec<Alive> {
        let begun = self.begun();
        let alive = begun.iter().rev().filter_map(|begun| {
            Some(Alive {
                generation: begun.generation.upgrade()?,
                since: begun.since,
            })
        });
        alive.collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let begun = self.begun();
        let is_alive = |begun: &&Begun| begun.generation.strong_count() > 0;
        begun.iter().filter(is_alive).count()
    }

    fn begun(&self) -> MutexGuard<'_, Vec<Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    fn new(generation: &Arc<Generation>, since: SystemTime) -> Begun {
        Begun {
            generation: Arc::downgrade(generation),
            since,
        }
    }
}

// === impl Pinned ===

impl Pinned {
    /// Pins one more request.
    pub fn new(generation: Arc<Generation>) -> Pinned {
        generation.pins.0.fetch_add(1, Ordering::Relaxed);
        Pinned(generation)
    }
}

impl Clone for Pinned {
    fn clone(&self) -> Pinned {
        Pinned::new(self.0.clone())
    }
}

impl Deref for Pinned {
    type Target = Arc<Generation>;

    fn deref(&self) -> &Arc<Generation> {
        &self.0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.pins.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Pins ===

impl Pins {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_generation_is_there_while_it_serves_or_a_request_is_pinned_to_it() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let generations = Generations::new(Generation::of(1, vec![]), at(10));
        let shown = || -> Vec<_> {
            let alive = generations.alive();
            assert_eq!(alive.len(), generations.count());
            let shown = alive
                .iter()
                .map(|Alive { generation, since }| (generation.id(), *since, generation.pinned()));
            shown.collect()
        };
        let first = Pinned::new(generations.serving());
        let second = first.clone();
        assert_eq!(shown(), [(1, at(10), 2)]);
        generations.swap(Generation::of(2, vec![]), at(20));
        assert_eq!(generations.serving().id(), 2);
        assert_eq!(shown(), [(2, at(20), 0), (1, at(10), 2)]);
        drop(first);
        // Nobody is pinned to the second.
        generations.swap(Generation::of(3, vec![]), at(30));
        assert_eq!(shown(), [(3, at(30), 0), (1, at(10), 1)]);
        drop(second);
        assert_eq!(shown(), [(3, at(30), 0)]);
    }
}
