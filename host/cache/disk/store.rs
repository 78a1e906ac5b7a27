//! The folder and the index, kept to one another.
//!
//! What changes a name holds the lock of its shard from before it looks to after the index has been
//! told. Reading takes no lock: a look that goes wrong is taken again under it. No lock of a shard
//! is taken under another, and none under the index's.

use super::folder::{Folder, Identity, Temporary};
use super::format::{Damage, Digest, Tail};
use super::health::{self, Complaint, Health, Turn};
use super::index::{Index, Standing, Ticket};
use super::keeper::Work;
use super::object::{Corrupt, Object};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

#[derive(Debug)]
pub(super) struct Store {
    pub(super) folder: Folder,
    pub(super) budget: Budget,
    pub(super) counters: Counters,
    index: Mutex<Index>,
    names: [Mutex<()>; 256],
    health: Mutex<Health>,
    unreadable: Mutex<Complaint>,
    pub(super) work: Mutex<Work>,
    pub(super) changed: Condvar,
}

/// Octets on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) all: u64,
    /// Beyond it, the keeper evicts (squid's `cache_swap_high`).
    pub(super) high: u64,
    /// Down to this (squid's `cache_swap_low`).
    pub(super) low: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) corrupt: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) write_failures: AtomicU64,
}

/// How a look at a file went wrong.
enum Failure {
    Damaged(Damage),
    /// It may be a good file, which cannot be opened now.
    Unreadable(io::Error),
}

// === impl Store ===

impl Store {
    pub(super) fn new(folder: Folder, budget: u64) -> Store {
        Store {
            folder,
            budget: Budget {
                all: budget,
                high: budget - budget / 20,
                low: budget - budget / 10,
            },
            counters: Counters::default(),
            index: Mutex::new(Index::new()),
            names: std::array::from_fn(|_| Mutex::default()),
            health: Mutex::default(),
            unreadable: Mutex::default(),
            work: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }

    fn hold(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        lock(&self.names[usize::from(digest.shard())])
    }

    /// What is stored for a key. That is a use.
    pub(super) fn get(self: &Arc<Self>, key: &[u8]) -> Result<Option<Object>, Corrupt> {
        let digest = self.folder.digest(key);
        let object = self.find(&digest, Some(key))?;
        if let Some(object) = &object {
            self.index().used(digest, object.tail().file());
            object.touch(SystemTime::now());
        }
        Ok(object)
    }

    /// What is stored under a name; of that key, where it is known. What does not stand the test is
    /// dropped.
    pub(super) fn find(
        self: &Arc<Self>,
        digest: &Digest,
        key: Option<&[u8]>,
    ) -> Result<Option<Object>, Corrupt> {
        let standing = self.index().standing(digest);
        if standing == Standing::Absent {
            return Ok(None);
        }
        match self.look(digest, key) {
            Ok(None) if standing == Standing::Unknown => return Ok(None),
            Ok(Some(object)) => return Ok(Some(object)),
            // Somebody may be changing it.
            Ok(None) | Err(_) => {}
        }
        let _held = self.hold(digest);
        match self.look(digest, key) {
            Ok(Some(object)) => Ok(Some(object)),
            Ok(None) => {
                self.index().forget(digest);
                Ok(None)
            }
            Err(Failure::Damaged(damage)) => Err(self.drop_file(digest, damage)),
            Err(Failure::Unreadable(error)) => {
                if lock(&self.unreadable).is_due(Instant::now()) {
                    let (folder, advice) = (self.folder.path(), health::advice(&error));
                    tracing::error!(
                        "the disk cache {folder} cannot be read: {error}; what is stored there counts as missing; {advice}"
                    );
                }
                Ok(None)
            }
        }
    }

    fn look(
        self: &Arc<Self>,
        digest: &Digest,
        key: Option<&[u8]>,
    ) -> Result<Option<Object>, Failure> {
        let file = self.folder.object(digest).map_err(Failure::Unreadable)?;
        let Some(file) = file else {
            return Ok(None);
        };
        let is_its = |found: &[u8]| match key {
            Some(key) => found == key,
            None => self.folder.digest(found) == *digest,
        };
        let object = Object::open(Arc::downgrade(self), *digest, is_its, file);
        object.map(Some).map_err(Failure::Damaged)
    }

    /// An object in hand has turned out to be damaged: it is dropped, if it is still that one.
    pub(super) fn drop_object(&self, object: &Object, damage: Damage) -> Corrupt {
        let digest = object.digest();
        let _held = self.hold(digest);
        match self.folder.is(digest, object.identity()) {
            true => self.drop_file(digest, damage),
            false => Corrupt {
                file: digest.path(),
                damage,
            },
        }
    }

    /// The name is held.
    fn drop_file(&self, digest: &Digest, damage: Damage) -> Corrupt {
        self.counters.corrupt.fetch_add(1, Ordering::Relaxed);
        let file = digest.path();
        let folder = self.folder.path();
        tracing::warn!(
            "the file {file} of the disk cache {folder} is damaged, and dropped: {damage}"
        );
        self.unlink(digest);
        Corrupt { file, damage }
    }

    /// Nothing is stored under that name any more, nor what is under way for it. Whether something
    /// was.
    pub(super) fn remove(&self, digest: &Digest) -> bool {
        let _held = self.hold(digest);
        self.index().supersede(digest);
        self.unlink(digest)
    }

    /// The name is held. Whatever the disk says, what stands there is not served again by this
    /// process.
    fn unlink(&self, digest: &Digest) -> bool {
        let known = self.index().forget(digest);
        self.folder.unlink(digest).unwrap_or_else(|error| {
            let (folder, file) = (self.folder.path(), digest.path());
            tracing::error!(
                "the file {file} of the disk cache {folder} cannot be removed: {error}; after a restart it may be served again"
            );
            known
        })
    }

    /// A file that is whole becomes what is stored, if it is still the newest for its key.
    pub(super) fn place(
        &self,
        temporary: &Temporary,
        digest: &Digest,
        ticket: Ticket,
        length: u64,
    ) -> io::Result<bool> {
        let _held = self.hold(digest);
        if !self.index().is_newest(digest, ticket) {
            return Ok(false);
        }
        self.folder.place(temporary, digest)?;
        self.index().stored(*digest, length);
        Ok(true)
    }

    /// Other metadata for what is stored, if that is still the object in hand.
    pub(super) fn update(&self, object: &Object, metadata: &[u8]) -> io::Result<bool> {
        let digest = object.digest();
        let tail = object.tail().with_metadata(metadata);
        let tail = tail.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let _held = self.hold(digest);
        if self.index().standing(digest) == Standing::Absent {
            return Ok(false);
        }
        match self.write_metadata(object, &tail) {
            Ok(true) => {
                self.index().resized(*digest, tail.file());
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                self.trouble(Turn::Usual, &error);
                Err(error)
            }
        }
    }

    fn write_metadata(&self, object: &Object, tail: &Tail) -> io::Result<bool> {
        let digest = object.digest();
        let Some(file) = self.folder.object_to_write(digest)? else {
            return Ok(false);
        };
        let found = file.metadata()?;
        if Identity::of(&found) != object.identity() {
            return Ok(false);
        }
        let (place, octets) = tail.since_key();
        let written = file.write_all_at(octets, place);
        let written = match found.len() > tail.file() {
            true => written.and_then(|()| file.set_len(tail.file())),
            false => written,
        };
        if let Err(error) = written {
            // It is torn.
            self.unlink(digest);
            return Err(error);
        }
        Ok(true)
    }

    /// Evicts what has been used least recently, until there is no more than that on disk. How many
    /// objects went.
    pub(super) fn evict(&self, octets: u64) -> u64 {
        let mut evicted = 0;
        while let Some(digest) = self.oldest_beyond(octets) {
            let _held = self.hold(&digest);
            // It may have been used, or replaced, while the name was waited for.
            if self.oldest_beyond(octets) != Some(digest) {
                continue;
            }
            // Much may be too much after a start with a smaller budget: the next one goes on.
            if lock(&self.work).stop {
                break;
            }
            if let Err(error) = self.folder.unlink(&digest) {
                self.trouble(Turn::Usual, &error);
                break;
            }
            self.index().forget(&digest);
            evicted += 1;
        }
        self.counters.evicted.fetch_add(evicted, Ordering::Relaxed);
        evicted
    }

    fn oldest_beyond(&self, octets: u64) -> Option<Digest> {
        let index = self.index();
        index.oldest().filter(|_| index.octets() > octets)
    }

    /// Does something that takes room on the disk; where there is none, makes some, and does it
    /// again. No name is held.
    pub(super) fn with_room<T>(
        &self,
        octets: usize,
        mut run: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let room = (self.budget.all / 64).max(octets as u64);
        for _ in 0..ROUNDS {
            match run() {
                Err(error) if health::is_full(&error) => {
                    let stored = self.index().octets();
                    if self.evict(stored.saturating_sub(room)) == 0 {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
        run()
    }

    /// The disk does not take what is written.
    pub(super) fn trouble(&self, turn: Turn, error: &io::Error) {
        self.counters.write_failures.fetch_add(1, Ordering::Relaxed);
        if self.health().failed(turn, Instant::now()) {
            let (folder, advice) = (self.folder.path(), health::advice(error));
            let pause = health::FIRST_PAUSE;
            tracing::error!(
                "the disk cache {folder} cannot be written: {error}; the cache goes on in memory, and with what is on disk already; {advice}; it is tried again every now and then, first after {pause:?}"
            );
        }
    }

    /// An object has been written whole.
    pub(super) fn well(&self, turn: Turn) {
        if turn != Turn::Usual && self.health().succeeded(turn) {
            let folder = self.folder.path();
            tracing::warn!("the disk cache {folder} is written again");
        }
    }
}

/// How often room is made for one write: what becomes free may be taken by others, or be kept by
/// those who read it.
const ROUNDS: usize = 4;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
