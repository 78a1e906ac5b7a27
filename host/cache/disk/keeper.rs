//! The store's own thread: it rebuilds the index, then does what nobody is to wait for.

use super::folder::{Foreign, Temporary};
use super::index::Found;
use super::store::{Store, lock};
use std::cmp::Reverse;
use std::time::Instant;

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) stop: bool,
    /// There is more on disk than there should be.
    pub(super) evict: bool,
    /// What was never finished.
    pub(super) trash: Vec<Temporary>,
    /// The thread waits for work.
    idle: bool,
}

/// Objects that the index takes at once: it is locked meanwhile.
const BATCH: usize = 1000;

impl Store {
    /// Until it is told to stop, and nothing is left to do.
    pub(super) fn keep(&self) {
        if self.index().is_rebuilding() {
            self.rebuild();
        }
        loop {
            let mut work = lock(&self.work);
            work.idle = true;
            self.changed.notify_all();
            let mut work = self
                .changed
                .wait_while(work, |work| {
                    !work.stop && !work.evict && work.trash.is_empty()
                })
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            work.idle = false;
            let trash = std::mem::take(&mut work.trash);
            let evict = std::mem::take(&mut work.evict);
            if work.stop && trash.is_empty() {
                return;
            }
            drop(work);
            for temporary in trash {
                self.discard(&temporary);
            }
            if evict {
                self.evict(self.budget.low);
            }
        }
    }

    /// Finds what is stored, and tells the index, what was used last first.
    pub(super) fn rebuild(&self) {
        let start = Instant::now();
        let Some(found) = self.find_all() else {
            return;
        };
        for batch in found.chunks(BATCH) {
            self.index().recover(batch);
            if lock(&self.work).stop {
                return;
            }
        }
        self.index().rebuilt();
        let (folder, took) = (self.folder.path(), start.elapsed());
        match found.len() {
            0 => tracing::debug!("the disk cache {folder} is empty"),
            objects => tracing::info!(
                "the disk cache {folder} holds {objects} objects; the index took {took:?}"
            ),
        }
        self.relieve();
    }

    fn find_all(&self) -> Option<Vec<Found>> {
        let folder = self.folder.path();
        let unreadable = |what: &str, error| {
            tracing::error!(
                "{what} of the disk cache {folder} cannot be read: {error}; what is there is not used"
            );
        };
        let mut foreign = self.folder.foreign().unwrap_or_else(|error| {
            unreadable("the folder", error);
            Foreign::default()
        });
        let mut listed = Vec::new();
        for shard in 0..=u8::MAX {
            match self.folder.list(shard, &mut foreign) {
                Ok(of_shard) => listed.extend(of_shard),
                Err(error) => unreadable(&format!("the folder {shard:02x}"), error),
            }
            if lock(&self.work).stop {
                return None;
            }
        }
        if let Some(first) = &foreign.first {
            tracing::warn!(
                "the folder of the disk cache {folder} holds {} files that are not the cache's, the first of them {first}: they are left alone, and do not count",
                foreign.count
            );
        }
        listed.sort_unstable_by_key(|listed| Reverse(listed.modified));
        Some(listed.into_iter().map(|listed| listed.found).collect())
    }

    /// Has evicted what is too much, by the keeper; at once, where it does not keep up.
    pub(super) fn relieve(&self) {
        let index = self.index();
        let (octets, rebuilding) = (index.octets(), index.is_rebuilding());
        drop(index);
        if rebuilding || octets <= self.budget.high {
            return;
        }
        lock(&self.work).evict = true;
        self.changed.notify_all();
        if octets > self.budget.all {
            self.evict(self.budget.all);
        }
    }

    /// Leaves a file to the keeper: to remove a large one takes its time.
    pub(super) fn leave(&self, temporary: Temporary) {
        lock(&self.work).trash.push(temporary);
        self.changed.notify_all();
    }

    fn discard(&self, temporary: &Temporary) {
        if let Err(error) = self.folder.discard(temporary) {
            let folder = self.folder.path();
            tracing::warn!(
                "a temporary file of the disk cache {folder} cannot be removed: {error}; the next start does it"
            );
        }
    }

    /// Waits until nothing is left to do.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        let work = lock(&self.work);
        let busy = |work: &mut Work| !work.idle || work.evict || !work.trash.is_empty();
        drop(self.changed.wait_while(work, busy));
    }
}
