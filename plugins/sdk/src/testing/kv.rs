//! The stand-in for the host's store: a thread's own, as a test is.

use crate::kv::{Counted, Refusal};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// What [`kv`](crate::kv) keeps in a test, and its clock. Each thread has a store of its own, and with
/// it each test.
#[derive(Debug)]
#[must_use = "with it a test lets time pass"]
pub struct Kv(());

#[derive(Default)]
struct Store {
    /// Value and end.
    entries: HashMap<String, (Vec<u8>, u64)>,
    /// Milliseconds since the test began.
    now: u64,
    most: Option<usize>,
}

const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 64 << 10;
/// Milliseconds.
const MAX_TTL: u64 = 366 * 86_400 * 1000;

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
}

// === impl Kv ===

impl Kv {
    /// Begins with nothing.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Kv {
        Kv::of(None)
    }

    /// The same, with room for so many entries.
    pub fn with_room(entries: usize) -> Kv {
        Kv::of(Some(entries))
    }

    fn of(most: Option<usize>) -> Kv {
        let store = Store {
            most,
            ..Store::default()
        };
        STORE.replace(store);
        Kv(())
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        with(|store| store.now = store.now.saturating_add(milliseconds));
    }
}

pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
    with(|store| Some(store.entries.get(key)?.0.clone()))
}

pub(crate) fn set(key: &str, value: &[u8], ttl: u64) -> Result<(), Refusal> {
    with(|store| store.put(key, value.to_owned(), ttl))
}

pub(crate) fn increment(key: &str, by: i64, ttl: u64) -> Result<Counted, Refusal> {
    with(|store| {
        let now = store.now;
        if let Some((kept, end)) = store.entries.get_mut(key) {
            let number = std::str::from_utf8(kept).ok();
            let number = number.and_then(|number| number.parse::<i64>().ok());
            let value = number.ok_or(Refusal::NotANumber)?.saturating_add(by);
            *kept = value.to_string().into_bytes();
            let left = Duration::from_millis(*end - now);
            return Ok(Counted { value, left });
        }
        store.put(key, by.to_string().into_bytes(), ttl)?;
        let left = Duration::from_millis(ttl.min(MAX_TTL));
        Ok(Counted { value: by, left })
    })
}

pub(crate) fn remove(key: &str) -> bool {
    with(|store| store.entries.remove(key).is_some())
}

/// The thread's store, without what has come to its end.
fn with<T>(what: impl FnOnce(&mut Store) -> T) -> T {
    STORE.with_borrow_mut(|store| {
        let now = store.now;
        store.entries.retain(|_, (_, end)| now < *end);
        what(store)
    })
}

// === impl Store ===

impl Store {
    fn put(&mut self, key: &str, value: Vec<u8>, ttl: u64) -> Result<(), Refusal> {
        if key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(Refusal::TooLarge);
        }
        let is_full = self.most.is_some_and(|most| self.entries.len() >= most);
        if is_full && !self.entries.contains_key(key) {
            return Err(Refusal::Full);
        }
        let end = self.now.saturating_add(ttl.min(MAX_TTL));
        self.entries.insert(key.to_owned(), (value, end));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv;

    #[test]
    fn it_keeps_what_the_host_would() {
        let store = Kv::with_room(2);
        let second = Duration::from_secs(1);
        assert_eq!(kv::set("a", b"41", second), Ok(()));
        assert_eq!(kv::increment("a", 1, second).map(|it| it.value), Ok(42));
        assert_eq!(kv::get("a"), Some(b"42".to_vec()));
        assert_eq!(kv::set("b", b"x", 2 * second), Ok(()));
        let number = kv::increment("b", 1, second);
        assert_eq!(number, Err(Refusal::NotANumber));
        assert_eq!(kv::set("c", b"", second), Err(Refusal::Full));
        assert_eq!(
            kv::set(&"k".repeat(257), b"", second),
            Err(Refusal::TooLarge)
        );
        store.pass(second);
        assert_eq!((kv::get("a"), kv::remove("b")), (None, true));
        assert_eq!(kv::set("c", b"", second), Ok(()));
        assert!(!kv::remove("b"));
    }
}
