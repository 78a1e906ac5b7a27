//! What is stored is removed while other requests are under way: what they bring, or find on the
//! disk, is older than the removal and must not come back. Every removal begins a new epoch for its
//! URI; whoever stores something looks whether the epoch in which he asked goes on.

use super::key::Key;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Epochs of all URIs.
#[derive(Debug)]
pub(super) struct Epochs {
    hasher: RandomState,
    /// Several URIs share one: what is under way for the others is not stored either, once.
    of_uris: Box<[AtomicU64]>,
    of_all: AtomicU64,
}

/// A moment between removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64, u64);

const PLACES: usize = 1024;

impl Epochs {
    pub(super) fn new() -> Epochs {
        Epochs {
            hasher: RandomState::new(),
            of_uris: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            of_all: AtomicU64::new(0),
        }
    }

    /// The present one of that key's URI, whatever the variant.
    pub(super) fn of(&self, key: &Key) -> Epoch {
        let all = self.of_all.load(Ordering::SeqCst);
        Epoch(self.place(key).load(Ordering::SeqCst), all)
    }

    /// What is stored under that key is gone.
    pub(super) fn end(&self, key: &Key) {
        self.place(key).fetch_add(1, Ordering::SeqCst);
    }

    /// Much is gone.
    pub(super) fn end_all(&self) {
        self.of_all.fetch_add(1, Ordering::SeqCst);
    }

    fn place(&self, key: &Key) -> &AtomicU64 {
        let hash = self.hasher.hash_one(key.uri());
        // The remainder is within the places.
        let place = usize::try_from(hash % PLACES as u64).unwrap_or(0);
        &self.of_uris[place]
    }
}
