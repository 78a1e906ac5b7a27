//! What the cache-rules hook said of objects that stay on the disk. They are read anew for every
//! hit; the hook is not asked anew.

use super::key::Key;
use super::memory::weight;
use super::stored::{Judged, Judging};
use moka::sync::Cache;
use std::hash::{BuildHasher as _, RandomState};

/// Octets of all of them: some 16,000.
const KEPT: u64 = 6 << 20;

/// The latest judgements; a clone is the same. The hook is asked again about what does not fit.
#[derive(Debug, Clone)]
pub(super) struct Judgements {
    hasher: RandomState,
    kept: Cache<Key, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    /// Of the dossier: another object may have come to stand under the key.
    hash: u64,
    judging: Judging,
}

impl Judgements {
    pub(super) fn new() -> Judgements {
        Judgements {
            hasher: RandomState::new(),
            kept: Cache::builder()
                .max_capacity(KEPT)
                .weigher(|key, _| weight(key, 0))
                .build(),
        }
    }

    /// Remembers what is said of the object with that dossier, now and later.
    pub(super) fn keep(&self, key: &Key, dossier: &[u8], judging: Judging) {
        let hash = self.hasher.hash_one(dossier);
        self.kept.insert(key.clone(), Kept { hash, judging });
    }

    /// What has been said of the object with that dossier; what will be said is kept from now on.
    pub(super) fn of(&self, key: &Key, dossier: &[u8]) -> Judging {
        let hash = self.hasher.hash_one(dossier);
        match self.kept.get(key).filter(|kept| kept.hash == hash) {
            Some(kept) => kept.judging,
            None => {
                let judging = Judged::before();
                self.keep(key, dossier, judging.clone());
                judging
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Bug: they were counted, and a key is a URI of any length.
    #[test]
    fn long_keys_take_the_place_of_many() {
        let judgements = Judgements::new();
        for number in 0..1000 {
            let key = Key::named(&format!("{number}{}", "a".repeat(60_000)));
            judgements.keep(&key, b"", Judged::before());
        }
        judgements.kept.run_pending_tasks();
        assert!(judgements.kept.weighted_size() <= KEPT);
        assert!(judgements.kept.entry_count() < 110);
    }

    #[test]
    fn another_object_under_the_same_key_is_judged_anew() {
        let judgements = Judgements::new();
        let key = Key::named("a");
        let judging = Judged::before();
        judgements.keep(&key, b"one", judging.clone());
        let is_kept =
            |key: &Key, dossier: &[u8]| Arc::ptr_eq(&judgements.of(key, dossier), &judging);
        assert!(is_kept(&key, b"one"));
        assert!(!is_kept(&Key::named("b"), b"one"));
        assert!(!is_kept(&key, b"two"));
    }
}
