//! The store on disk: a file per object, in a folder that is this process's alone.
//!
//! Keys, metadata and bodies are octets here. `format` says what a file looks like, and what makes
//! sure that nothing is served that was not written; `folder` what it is called; `index` which there
//! are, and which is to go first; `health` whether to write at all. `store` puts them together,
//! `incoming` writes an object, `object` reads it, `keeper` is the thread behind it all.
//!
//! Nothing is forced to the disk: a process that is killed loses no file that has its name, and after
//! a power cut the checksums decide.

mod folder;
mod format;
mod health;
mod incoming;
mod index;
mod keeper;
mod object;
mod store;
#[cfg(test)]
mod tests;

use folder::Folder;
use index::Standing;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use store::Store;

pub use folder::OpenError;
pub use incoming::{Degraded, Incoming, Part};
pub use object::{Corrupt, Object};

/// A use is written down where the last one is this long ago.
const TOUCHED_AFTER: Duration = Duration::from_secs(600);

/// Objects on disk.
#[derive(Debug)]
pub struct Disk {
    store: Arc<Store>,
    keeper: Option<JoinHandle<()>>,
}

/// What is to become of an object that is visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// It stays.
    Keep,
    /// It goes, with what is under way for its key.
    Remove,
}

/// What the store holds, and what has happened since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Objects that are stored; while the index is rebuilt, those known.
    pub objects: u64,
    /// Octets that they take on disk.
    pub octets: u64,
    /// Octets that they may take.
    pub budget: u64,
    /// The index is being rebuilt.
    pub rebuilding: bool,
    /// Nothing is written, for it has failed.
    pub degraded: bool,
    /// Files that were damaged, and have been dropped.
    pub corrupt: u64,
    /// Objects that had to make room for others.
    pub evicted: u64,
    /// Writes that have failed.
    pub write_failures: u64,
}

/// Is shown an object's key, its metadata and the length of its body.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8], u64) -> Visit + 'a;

// === impl Disk ===

impl Disk {
    /// Opens the store in that folder, which is made where there is none, for so many octets. What
    /// earlier runs have left half-written is removed; what they have stored is found while the
    /// store is already used.
    ///
    /// # Errors
    /// The folder cannot be used, or another proxy uses it.
    pub fn open(directory: &Path, budget: u64) -> Result<Arc<Disk>, OpenError> {
        let folder = Folder::open(directory)?;
        if let Err(error) = folder.sweep() {
            let folder = folder.path();
            tracing::warn!(
                "old temporary files in the disk cache {folder} cannot be removed: {error}"
            );
        }
        let is_empty = folder.is_empty().unwrap_or(false);
        let store = Arc::new(Store::new(folder, budget));
        if is_empty {
            // It is known at once what is there.
            store.index().rebuilt();
        }
        let keeper = thread::Builder::new().name("disk-cache".into());
        let keeper = keeper.spawn({
            let store = store.clone();
            move || store.keep()
        });
        Ok(Arc::new(Disk {
            store,
            keeper: Some(keeper.map_err(OpenError::Thread)?),
        }))
    }

    /// Whether something may be stored for that key: `false` is certain.
    pub fn may_have(&self, key: &[u8]) -> bool {
        let digest = self.store.folder.digest(key);
        self.store.index().standing(&digest) != Standing::Absent
    }

    /// What is stored for that key, with all but the body verified. It counts as used. Blocks.
    ///
    /// # Errors
    /// The file is damaged, or holds another key: it has been dropped.
    pub fn get(&self, key: &[u8]) -> Result<Option<Object>, Corrupt> {
        self.store.get(key)
    }

    /// An object begins. Of those for one key, the one that began last is stored.
    pub fn create(self: &Arc<Self>, key: Vec<u8>) -> Incoming {
        let turn = self.store.health().turn(Instant::now());
        Incoming::new(self.clone(), key, turn)
    }

    /// Replaces the metadata of what is stored, if it is still that object; whether it was. The one
    /// in hand stays as it is. Blocks.
    ///
    /// # Errors
    /// The disk does not take it; the object may be lost.
    pub fn update(&self, object: &Object, metadata: &[u8]) -> io::Result<bool> {
        self.store.update(object, metadata)
    }

    /// Removes what is stored for that key, and lets nothing be stored that is under way for it.
    /// Whether something was stored. Blocks.
    pub fn remove(&self, key: &[u8]) -> bool {
        self.store.remove(&self.store.folder.digest(key))
    }

    /// Shows every object, its key, its metadata and the length of its body, in no order, and
    /// removes what is told. Blocks, and reads the end of every file.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn visit(&self, each: &mut Visitor<'_>) -> io::Result<()> {
        let mut foreign = folder::Foreign::default();
        for shard in 0..=u8::MAX {
            for listed in self.store.folder.list(shard, &mut foreign)? {
                let digest = listed.found.digest;
                // One that is damaged has been dropped and logged.
                let Ok(Some(object)) = self.store.find(&digest, None) else {
                    continue;
                };
                let (key, metadata) = (object.tail().key(), object.metadata());
                match each(key, metadata, object.len()) {
                    Visit::Keep => {}
                    Visit::Remove => drop(self.store.remove(&digest)),
                }
            }
        }
        Ok(())
    }

    /// What it holds, and how it does.
    pub fn usage(&self) -> Usage {
        let store = &self.store;
        let degraded = store.health().is_degraded();
        let index = store.index();
        Usage {
            objects: index.len() as u64,
            octets: index.octets(),
            budget: store.budget.all,
            rebuilding: index.is_rebuilding(),
            degraded,
            corrupt: store.counters.corrupt.load(Ordering::Relaxed),
            evicted: store.counters.evicted.load(Ordering::Relaxed),
            write_failures: store.counters.write_failures.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        store::lock(&self.store.work).stop = true;
        self.store.changed.notify_all();
        if let Some(keeper) = self.keeper.take() {
            // Whatever became of it, there is nothing left to do.
            let _ = keeper.join();
        }
    }
}
