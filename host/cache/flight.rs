//! Collapsed forwarding: of simultaneous requests for one thing, one goes to the origin, and the
//! others are served what comes back for it (squid's `collapsed_forwarding`).

use super::key::{Key, Vary};
use super::memory::weight;
use super::stored::Stored;
use crate::http::Fields;
use moka::sync::Cache;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// The requests that are on their way to origins.
#[derive(Debug)]
pub(super) struct Flights {
    flying: Mutex<HashMap<Key, Arc<Flight>>>,
    /// How many have brought something.
    landed: AtomicU64,
    /// What was not to be shared when somebody waited for it: nobody waits for it again soon.
    unshared: Cache<Key, ()>,
}

/// One of them.
#[derive(Debug)]
struct Flight {
    word: watch::Sender<Word>,
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
    /// Nothing came of it: somebody else has to lead.
    Again,
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
    flights: Weak<Flights>,
    key: Key,
    flight: Arc<Flight>,
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
        if let Some(flight) = flying.get(key) {
            let word = flight.word.subscribe();
            return Some(Role::Follower(Follower { word }));
        }
        // A look that is free while nothing of the kind has happened.
        if self.unshared.entry_count() > 0 && self.unshared.contains_key(key) {
            return None;
        }
        let flight = Arc::new(Flight {
            word: watch::Sender::new(Word::Wait),
        });
        flying.insert(key.clone(), flight.clone());
        Some(Role::Leader(Lead(Arc::new(Leading {
            flights: Arc::downgrade(self),
            key: key.clone(),
            flight,
        }))))
    }

    /// How many have brought something so far: who has looked into the cache need not look again
    /// while it is the same.
    pub(super) fn landed(&self) -> u64 {
        self.landed.load(Ordering::SeqCst)
    }

    /// What a request for this does that leads nobody: what comes may be of use to itself alone.
    pub(super) fn follow(&self, key: &Key) -> Option<Role> {
        let flying = self.lock();
        let word = flying.get(key)?.word.subscribe();
        Some(Role::Follower(Follower { word }))
    }

    /// What is stored under that key is no more: nobody joins those who asked before.
    pub(super) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// The same for everything.
    pub(super) fn forget_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Flight>>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Lead ===

impl Lead {
    /// What comes is not for others.
    pub fn alone(&self) {
        let Leading {
            flights,
            key,
            flight,
        } = &*self.0;
        if flight.word.receiver_count() > 0
            && let Some(flights) = flights.upgrade()
        {
            flights.unshared.insert(key.clone(), ());
            flights.unshared.run_pending_tasks();
        }
        self.say(Word::Alone);
    }

    /// The cache has it now; who comes from now on finds it there.
    pub(super) fn stored(&self) {
        if let Some(flights) = self.0.flights.upgrade() {
            flights.landed.fetch_add(1, Ordering::SeqCst);
        }
        self.0.land();
        self.say(Word::Stored);
    }

    /// It is coming.
    pub(super) fn arriving(&self, arriving: Arriving) {
        self.say(Word::Arriving(Arc::new(arriving)));
    }

    /// Whether others wait for it or read it.
    pub(super) fn has_followers(&self) -> bool {
        self.0.flight.word.receiver_count() > 0
    }

    fn say(&self, word: Word) {
        let said = &self.0.flight.word;
        // Who comes later reads it. Waking nobody costs something, too.
        said.send_if_modified(|now| {
            *now = word;
            said.receiver_count() > 0
        });
    }
}

// === impl Leading ===

impl Leading {
    /// Nobody joins it any more.
    fn land(&self) {
        let Some(flights) = self.flights.upgrade() else {
            return;
        };
        let mut flying = flights.lock();
        let ours = |flight: &Arc<Flight>| Arc::ptr_eq(flight, &self.flight);
        if flying.get(&self.key).is_some_and(ours) {
            flying.remove(&self.key);
        }
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.land();
        self.flight.word.send_if_modified(|word| {
            let silent = matches!(word, Word::Wait);
            if silent {
                *word = Word::Again;
            }
            silent && self.flight.word.receiver_count() > 0
        });
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
            Ok(Word::Stored | Word::Again | Word::Wait) | Err(_) => Landed::Again,
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
