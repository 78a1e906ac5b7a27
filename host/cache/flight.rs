//! Collapsed forwarding: of simultaneous requests for one thing, one goes to the origin, and the
//! others are served what comes back for it (squid's `collapsed_forwarding`).

use super::key::{Key, Vary};
use super::memory::weight;
use super::stored::Stored;
use crate::http::Fields;
use moka::sync::Cache;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The requests that are on their way to origins.
#[derive(Debug)]
pub(super) struct Flights {
    flying: Mutex<Flying>,
    /// How many have brought something.
    landed: AtomicU64,
    /// What was not to be shared when somebody waited for it: nobody waits for it again soon.
    unshared: Cache<Key, ()>,
}

#[derive(Debug, Default)]
struct Flying {
    flights: HashMap<Key, Flight>,
    begun: u64,
}

/// One of them.
#[derive(Debug)]
struct Flight {
    /// What was forgotten may be on its way still, beside another one for the same.
    number: u64,
    word: Word,
    /// How those learn of it who wait: made for the first of them, because mostly nobody does.
    followers: Option<watch::Sender<Word>>,
}

/// What those who wait learn.
#[derive(Debug, Clone)]
enum Word {
    /// Nothing yet.
    Wait,
    /// This is coming, for requests like the leader's.
    Arriving(Arc<Arriving>),
    /// The cache can answer now.
    Stored,
    /// It is not for others.
    Alone,
}

/// A response that is being received.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) stored: Arc<Stored>,
    /// Where it varies: by what, and the key of what the leader's request selects.
    pub(super) selected: Option<(Vary, Key)>,
}

/// What a request does about others for the same thing.
#[derive(Debug)]
pub enum Role {
    /// It goes to the origin, and says what comes of it.
    Leader(Lead),
    /// It waits.
    Follower(Follower),
}

/// The leader's part. When the last of it is dropped and nothing has been said, somebody else has
/// to lead.
#[derive(Debug, Clone)]
pub struct Lead(Arc<Leading>);

#[derive(Debug)]
struct Leading {
    flights: Arc<Flights>,
    key: Key,
    number: u64,
}

/// Waits for the leader.
#[derive(Debug)]
pub struct Follower {
    word: watch::Receiver<Word>,
}

/// What has come of waiting.
#[derive(Debug)]
pub(super) enum Landed {
    Arriving(Arc<Arriving>),
    /// Look into the cache again.
    Again,
    /// Ask the origin without waiting for anybody.
    Alone,
}

/// How long what was not to be shared is remembered, and how many octets of it.
const UNSHARED_TIME: Duration = Duration::from_secs(60);
const UNSHARED: u64 = 4 << 20;

// === impl Flights ===

impl Flights {
    pub(super) fn new() -> Arc<Flights> {
        Arc::new(Flights {
            flying: Mutex::default(),
            landed: AtomicU64::new(0),
            unshared: Cache::builder()
                .max_capacity(UNSHARED)
                .weigher(|key, ()| weight(key, 0))
                .time_to_live(UNSHARED_TIME)
                .build(),
        })
    }

    /// What a request for this does. None: it goes to the origin, whoever else does.
    pub(super) fn join(self: &Arc<Self>, key: &Key) -> Option<Role> {
        let mut flying = self.lock();
        let Flying { flights, begun } = &mut *flying;
        let vacant = match flights.entry(key.clone()) {
            Entry::Occupied(mut flight) => return Some(flight.get_mut().follow()),
            Entry::Vacant(vacant) => vacant,
        };
        // A look that is free while nothing of the kind has happened.
        if self.unshared.entry_count() > 0 && self.unshared.contains_key(key) {
            return None;
        }
        *begun += 1;
        let number = *begun;
        vacant.insert(Flight {
            number,
            word: Word::Wait,
            followers: None,
        });
        drop(flying);
        Some(Role::Leader(Lead(Arc::new(Leading {
            flights: self.clone(),
            key: key.clone(),
            number,
        }))))
    }

    /// How many have brought something so far: who has looked into the cache need not look again
    /// while it is the same.
    pub(super) fn landed(&self) -> u64 {
        self.landed.load(Ordering::SeqCst)
    }

    /// What a request for this does that leads nobody: what comes may be of use to itself alone.
    pub(super) fn follow(&self, key: &Key) -> Option<Role> {
        let mut flying = self.lock();
        flying.flights.get_mut(key).map(Flight::follow)
    }

    /// What is stored under that key is no more: nobody joins those who asked before, and who has
    /// joined them looks again.
    pub(super) fn forget(&self, key: &Key) {
        let flight = self.lock().flights.remove(key);
        // Not while it is locked: others wait for that.
        drop(flight);
    }

    /// The same for everything.
    pub(super) fn forget_all(&self) {
        let flights = std::mem::take(&mut self.lock().flights);
        drop(flights);
    }

    fn lock(&self) -> MutexGuard<'_, Flying> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Flight ===

impl Flight {
    fn follow(&mut self) -> Role {
        let word = &self.word;
        let followers = self
            .followers
            .get_or_insert_with(|| watch::Sender::new(word.clone()));
        Role::Follower(Follower {
            word: followers.subscribe(),
        })
    }

    fn is_followed(&self) -> bool {
        let followers = self.followers.as_ref();
        followers.is_some_and(|followers| followers.receiver_count() > 0)
    }
}

// === impl Lead ===

impl Lead {
    /// What comes is not for others.
    pub fn alone(&self) {
        if self.0.say(Word::Alone) {
            let unshared = &self.0.flights.unshared;
            unshared.insert(self.0.key.clone(), ());
            unshared.run_pending_tasks();
        }
    }

    /// The cache has it now; who comes from now on finds it there.
    pub(super) fn stored(&self) {
        self.0.flights.landed.fetch_add(1, Ordering::SeqCst);
        if let Some(followers) = self.0.land().and_then(|flight| flight.followers) {
            followers.send_replace(Word::Stored);
        }
    }

    /// It is coming.
    pub(super) fn arriving(&self, arriving: Arriving) {
        self.0.say(Word::Arriving(Arc::new(arriving)));
    }

    /// Whether others wait for it.
    pub(super) fn has_followers(&self) -> bool {
        let flying = self.0.flights.lock();
        let flight = flying.flights.get(&self.0.key);
        flight.is_some_and(|flight| self.0.is(flight) && flight.is_followed())
    }
}

// === impl Leading ===

impl Leading {
    /// Says that to those who wait and to those who will. Whether somebody does.
    fn say(&self, word: Word) -> bool {
        let mut flying = self.flights.lock();
        let flight = flying.flights.get_mut(&self.key);
        let Some(flight) = flight.filter(|flight| self.is(flight)) else {
            return false;
        };
        let followed = flight.is_followed();
        let before = std::mem::replace(&mut flight.word, word.clone());
        let followers = flight.followers.clone();
        drop(flying);
        drop(before);
        if let Some(followers) = followers {
            followers.send_replace(word);
        }
        followed
    }

    /// Nobody joins it any more.
    fn land(&self) -> Option<Flight> {
        match self.flights.lock().flights.entry(self.key.clone()) {
            Entry::Occupied(flight) if self.is(flight.get()) => Some(flight.remove()),
            _ => None,
        }
    }

    fn is(&self, flight: &Flight) -> bool {
        flight.number == self.number
    }
}

impl Drop for Leading {
    /// Who has heard nothing by then looks again.
    fn drop(&mut self) {
        self.land();
    }
}

// === impl Follower ===

impl Follower {
    /// Waits until it is known what the leader brings.
    pub(super) async fn landed(&mut self) -> Landed {
        let known = self.word.wait_for(|word| !matches!(word, Word::Wait)).await;
        match known.as_deref() {
            Ok(Word::Arriving(arriving)) => Landed::Arriving(arriving.clone()),
            Ok(Word::Alone) => Landed::Alone,
            Ok(Word::Stored | Word::Wait) | Err(_) => Landed::Again,
        }
    }
}

// === impl Arriving ===

impl Arriving {
    /// Whether it is what that request selects.
    pub(super) fn suits(&self, key: &Key, request: &Fields) -> bool {
        let selects = |(vary, selected): &(Vary, Key)| key.variant(vary, request) == *selected;
        self.selected.as_ref().is_none_or(selects)
    }
}
