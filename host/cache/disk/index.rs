//! What is stored, least recently used first, and which object under way is the newest for a key.
//! Pure: what it says of files is what it has been told.

use super::format::Digest;
use lru::LruCache;
use std::collections::{HashMap, HashSet};

/// What a file takes beside its blocks: an inode, a name in a folder.
const OVERHEAD: u64 = 512;
const DISK_BLOCK: u64 = 4096;

#[derive(Debug)]
pub(super) struct Index {
    /// Octets on disk.
    entries: LruCache<Digest, u64>,
    octets: u64,
    /// While the index is rebuilt: what has been removed since that began. It may still be found.
    removed: Option<HashSet<Digest>>,
    intents: HashMap<Digest, Intent>,
    last_ticket: u64,
}

/// Objects under way for one key.
#[derive(Debug, Default)]
struct Intent {
    count: usize,
    /// The one to be stored; none where the key has been removed meanwhile.
    newest: Option<Ticket>,
}

/// An object under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// Whether something is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Stored,
    Absent,
    /// The index is being rebuilt: only the disk can say.
    Unknown,
}

/// A file that has been found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) digest: Digest,
    /// Its length.
    pub(super) file: u64,
}

// === impl Index ===

impl Index {
    /// One that is to be rebuilt.
    pub(super) fn new() -> Index {
        Index {
            entries: LruCache::unbounded(),
            octets: 0,
            removed: Some(HashSet::new()),
            intents: HashMap::new(),
            last_ticket: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Octets on disk.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn is_rebuilding(&self) -> bool {
        self.removed.is_some()
    }

    pub(super) fn standing(&self, digest: &Digest) -> Standing {
        match &self.removed {
            _ if self.entries.contains(digest) => Standing::Stored,
            Some(removed) if !removed.contains(digest) => Standing::Unknown,
            _ => Standing::Absent,
        }
    }

    /// It has been stored, in a file of that length.
    pub(super) fn stored(&mut self, digest: Digest, file: u64) {
        if let Some(removed) = &mut self.removed {
            removed.remove(&digest);
        }
        self.put(digest, file);
    }

    /// It has been found on disk, in a file of that length, and is of use.
    pub(super) fn used(&mut self, digest: Digest, file: u64) {
        match self.standing(&digest) {
            Standing::Stored => drop(self.entries.promote(&digest)),
            Standing::Unknown => self.put(digest, file),
            Standing::Absent => {}
        }
    }

    /// Its file has got another length.
    pub(super) fn resized(&mut self, digest: Digest, file: u64) {
        if self.standing(&digest) != Standing::Absent {
            self.put(digest, file);
        }
    }

    /// It is stored no more. Whether it was, as far as is known.
    pub(super) fn forget(&mut self, digest: &Digest) -> bool {
        if let Some(removed) = &mut self.removed {
            removed.insert(*digest);
        }
        match self.entries.pop(digest) {
            Some(octets) => {
                self.octets -= octets;
                true
            }
            None => false,
        }
    }

    /// Files that the rebuild has found, the one used last first, all of them used before whatever
    /// the index knows.
    pub(super) fn recover(&mut self, found: &[Found]) {
        for found in found {
            if self.standing(&found.digest) == Standing::Unknown {
                self.put(found.digest, found.file);
                self.entries.demote(&found.digest);
            }
        }
    }

    /// All that was there has been found.
    pub(super) fn rebuilt(&mut self) {
        self.removed = None;
    }

    /// The least recently used.
    pub(super) fn oldest(&self) -> Option<Digest> {
        self.entries.peek_lru().map(|(digest, _)| *digest)
    }

    fn put(&mut self, digest: Digest, file: u64) {
        let octets = on_disk(file);
        let before = self.entries.put(digest, octets);
        self.octets = self.octets + octets - before.unwrap_or(0);
    }

    /// An object begins, which is the newest for its key.
    pub(super) fn announce(&mut self, digest: Digest) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let intent = self.intents.entry(digest).or_default();
        intent.count += 1;
        intent.newest = Some(ticket);
        ticket
    }

    pub(super) fn is_newest(&self, digest: &Digest, ticket: Ticket) -> bool {
        let intent = self.intents.get(digest);
        intent.is_some_and(|intent| intent.newest == Some(ticket))
    }

    /// Nothing that is under way for the key is to be stored.
    pub(super) fn supersede(&mut self, digest: &Digest) {
        if let Some(intent) = self.intents.get_mut(digest) {
            intent.newest = None;
        }
    }

    /// An object that was announced has come to its end, whichever.
    pub(super) fn end(&mut self, digest: &Digest) {
        if let Some(intent) = self.intents.get_mut(digest) {
            intent.count -= 1;
            if intent.count == 0 {
                self.intents.remove(digest);
            }
        }
    }
}

#[cfg(test)]
impl Index {
    /// Nothing is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.intents.is_empty()
    }
}

/// What a file of that length takes of the budget.
pub(super) fn on_disk(file: u64) -> u64 {
    file.next_multiple_of(DISK_BLOCK) + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(key: u8) -> Digest {
        Digest::parse(&format!("{key:032x}")).unwrap()
    }

    fn found(key: u8, file: u64) -> Found {
        Found {
            digest: digest(key),
            file,
        }
    }

    /// From the least recently used on.
    fn order(mut index: Index) -> Vec<Digest> {
        let mut order = Vec::new();
        while let Some(oldest) = index.oldest() {
            order.push(oldest);
            index.forget(&oldest);
        }
        assert_eq!(index.octets(), 0);
        order
    }

    #[test]
    fn what_is_found_was_used_before_what_is_known() {
        let mut index = Index::new();
        index.stored(digest(7), 100);
        // Of these, 2 is removed after it has been found, 3 is used.
        index.forget(&digest(2));
        index.used(digest(3), 100);
        index.recover(&[found(1, 100), found(2, 100)]);
        index.recover(&[found(3, 100), found(4, 100), found(7, 100)]);
        assert_eq!(index.standing(&digest(9)), Standing::Unknown);
        index.rebuilt();
        assert_eq!(index.standing(&digest(9)), Standing::Absent);
        assert_eq!(order(index), [4, 1, 7, 3].map(digest));
    }

    #[test]
    fn an_object_that_ends_takes_nothing_from_those_that_go_on() {
        let mut index = Index::new();
        let (first, second) = (index.announce(digest(1)), index.announce(digest(1)));
        assert!(!index.is_newest(&digest(1), first));
        index.end(&digest(1));
        assert!(index.is_newest(&digest(1), second));
        index.supersede(&digest(1));
        assert!(!index.is_newest(&digest(1), second));
        let third = index.announce(digest(1));
        index.end(&digest(1));
        assert!(index.is_newest(&digest(1), third));
        index.end(&digest(1));
        assert!(index.is_settled());
    }

    /// What happens to a file while the index is rebuilt.
    #[derive(Debug, Clone)]
    enum Step {
        Stored(u8, u64),
        Used(u8),
        Resized(u8, u64),
        Removed(u8),
        Recovered,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || 0..12_u8;
        prop_oneof![
            (key(), 0..100_000_u64).prop_map(|(key, file)| Step::Stored(key, file)),
            key().prop_map(Step::Used),
            (key(), 0..100_000_u64).prop_map(|(key, file)| Step::Resized(key, file)),
            key().prop_map(Step::Removed),
            Just(Step::Recovered),
        ]
    }

    proptest! {
        /// Files are looked for once; what is done to them since is told to the index alone.
        #[test]
        fn a_rebuilt_index_knows_what_is_there(
            files in proptest::collection::hash_map(0..12_u8, 0..100_000_u64, 0..12),
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let mut batches = files.iter().map(|(key, file)| [found(*key, *file)]);
            let mut files: HashMap<u8, u64> = files.clone();
            let mut index = Index::new();
            for step in steps {
                match step {
                    Step::Stored(key, file) => {
                        files.insert(key, file);
                        index.stored(digest(key), file);
                    }
                    // Whoever finds a file uses it; he may come too late.
                    Step::Used(key) => {
                        if let Some(file) = files.get(&key) {
                            index.used(digest(key), *file);
                        } else if index.standing(&digest(key)) == Standing::Absent {
                            index.used(digest(key), 1);
                        }
                    }
                    Step::Resized(key, file) => {
                        if let Some(known) = files.get_mut(&key) {
                            *known = file;
                            index.resized(digest(key), file);
                        }
                    }
                    Step::Removed(key) => {
                        files.remove(&key);
                        index.forget(&digest(key));
                    }
                    Step::Recovered => {
                        if let Some(batch) = batches.next() {
                            index.recover(&batch);
                        }
                    }
                }
            }
            for batch in batches {
                index.recover(&batch);
            }
            index.rebuilt();
            for key in 0..12 {
                let expected = match files.contains_key(&key) {
                    true => Standing::Stored,
                    false => Standing::Absent,
                };
                prop_assert_eq!(index.standing(&digest(key)), expected);
            }
            let octets = files.values().map(|file| on_disk(*file)).sum::<u64>();
            prop_assert_eq!((index.len(), index.octets()), (files.len(), octets));
            prop_assert_eq!(order(index).len(), files.len());
        }
    }
}
