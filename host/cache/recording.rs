//! A response on its way into the cache: kept as it comes, read by whoever waits for it.

use super::disk::{Degraded, Incoming, Part};
use super::epochs::Epoch;
use super::flight::Lead;
use super::growing::{Broken, Growing};
use super::key::{Key, Vary};
use super::stored::{Octets, Stored};
use super::{Cache, dossier};
use crate::config::Settings;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Takes a response's body as it comes, and stores it when it is whole.
///
/// What fits into memory is collected there; as soon as it is larger it goes to a file, and no more
/// than a window of it is in memory. All waits can be broken off, and taken up again.
#[derive(Debug)]
pub struct Recording {
    /// When it was asked for.
    pub(super) epoch: Epoch,
    /// Under what it is stored.
    pub(super) key: Key,
    /// The key of its URI, where that is another, and by what its responses vary.
    pub(super) variants: Option<(Key, Vary)>,
    pub(super) head: Arc<Stored>,
    pub(super) growing: Arc<Growing>,
    pub(super) lead: Option<Lead>,
    pub(super) place: Place,
}

/// Where the body goes.
#[derive(Debug)]
pub(super) enum Place {
    Memory,
    File(Box<Writing>),
    /// Nowhere: it has become too large, or the disk takes no more. It still reaches those who
    /// read it.
    Nowhere,
}

/// A file that is being written, on other threads than the workers'.
#[derive(Debug)]
pub(super) struct Writing {
    /// While nothing is being written.
    incoming: Option<Incoming>,
    task: Option<JoinHandle<Result<(Incoming, Part), Degraded>>>,
    /// What has been written when the task is done.
    to: u64,
    /// Puts the file where it belongs. Whether it was still wanted there.
    last: Option<JoinHandle<Result<bool, Degraded>>>,
}

/// Octets that are written to a file at a time.
const WRITE: u64 = 256 << 10;
/// Octets of a body that is in a file, or nowhere, that are in memory as well.
const WINDOW: u64 = 1 << 20;
/// How long all readers of a body that goes nowhere wait for the slowest of them to take something.
const PATIENCE: Duration = Duration::from_secs(10);

// === impl Recording ===

impl Recording {
    /// Waits until there is room for more.
    pub async fn room(&mut self, cache: &Cache) {
        let come = self.growing.len();
        if matches!(self.place, Place::Memory) && come > cache.largest_in_memory() {
            self.place = match cache.disk() {
                Some(disk) => Place::File(Box::new(Writing {
                    incoming: Some(disk.create(self.key.to_octets())),
                    task: None,
                    to: 0,
                    last: None,
                })),
                None => Place::Nowhere,
            };
        }
        if come > cache.largest() && !matches!(self.place, Place::Nowhere) {
            // Whoever reads what is in the file has it open.
            self.place = Place::Nowhere;
        }
        match &mut self.place {
            Place::Memory => {}
            Place::Nowhere => self.growing.all_read(WINDOW, PATIENCE).await,
            Place::File(writing) => {
                if writing.go_on(&self.growing, come).await.is_err() {
                    self.place = Place::Nowhere;
                }
            }
        }
    }

    /// More of the body.
    pub fn push(&mut self, octets: &[u8]) {
        self.growing.push(octets);
    }

    /// Reads the body, as it comes.
    pub fn read(&self) -> Octets {
        self.head.body.read()
    }

    /// Whether its octets go anywhere: to somebody who reads it or waits for it, or into the store.
    pub fn is_of_use(&self) -> bool {
        self.has_readers() || !matches!(self.place, Place::Nowhere)
    }

    fn has_readers(&self) -> bool {
        self.growing.readers() > 0 || self.lead.as_ref().is_some_and(Lead::has_followers)
    }

    /// Whether it is worth receiving to the end where its client has gone: somebody waits, or
    /// little is missing (squid's `quick_abort_min`, `quick_abort_max`, `quick_abort_pct`).
    pub fn is_worth_finishing(&self, settings: &Settings) -> bool {
        if self.has_readers() {
            return true;
        }
        if !self.is_of_use() {
            return false;
        }
        let come = self.growing.len();
        let Some(length) = self.growing.length() else {
            return false;
        };
        let left = length.saturating_sub(come);
        let share = settings.quick_abort_pct;
        left <= settings.quick_abort_min
            || (left <= settings.quick_abort_max
                && u128::from(come) * 100 > u128::from(length) * u128::from(share))
    }

    /// The origin has broken off. What has come may be put together with the rest, once a client asks
    /// for that.
    pub fn broke(&mut self, cache: &Cache) {
        if let (Place::Memory, Some(total)) = (&self.place, self.growing.length()) {
            cache.store_beginning(self, self.growing.whole(), total);
        }
    }

    /// The body is whole: the response is stored, and those who read it find its end after that.
    pub async fn finish(&mut self, cache: &Cache) {
        let wanted = cache.is_wanted(self);
        match &mut self.place {
            Place::Nowhere => {}
            _ if !wanted => {}
            Place::Memory => cache.store(self, self.growing.whole()),
            Place::File(writing) => {
                let metadata = || dossier::of_response(&self.head, &self.key);
                if let Ok(true) = writing.finish(&self.growing, metadata).await {
                    cache.placed(self);
                }
            }
        }
        if let Some(lead) = &self.lead {
            lead.stored();
        }
        self.growing.end(Ok(()));
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Where it has ended already, this says nothing.
        self.growing.end(Err(Broken));
    }
}

// === impl Writing ===

impl Writing {
    /// Begins to write what has come, where that is much; waits where too much has.
    async fn go_on(&mut self, growing: &Growing, come: u64) -> Result<(), Degraded> {
        let done = self.task.as_ref().is_some_and(JoinHandle::is_finished);
        if done || come - self.to > WINDOW {
            self.written(growing).await?;
        }
        if self.task.is_none() && come - self.to >= WRITE {
            self.begin(growing.since(self.to), come);
        }
        Ok(())
    }

    fn begin(&mut self, pieces: Vec<Bytes>, to: u64) {
        let Some(mut incoming) = self.incoming.take() else {
            return;
        };
        self.to = to;
        self.task = Some(tokio::task::spawn_blocking(move || {
            for piece in pieces {
                incoming.write(&piece)?;
            }
            let part = incoming.reader()?;
            Ok((incoming, part))
        }));
    }

    /// Waits for what is being written.
    async fn written(&mut self, growing: &Growing) -> Result<(), Degraded> {
        let Some(task) = &mut self.task else {
            return Ok(());
        };
        let written = task.await;
        self.task = None;
        // It fails to join only where it panicked, and then the file is no good.
        let (incoming, part) = written.map_err(|_| Degraded::Disk)??;
        self.incoming = Some(incoming);
        growing.spooled(part, self.to);
        growing.trim(WINDOW);
        Ok(())
    }

    /// Writes what is left. Whether it stands in the store.
    async fn finish(
        &mut self,
        growing: &Growing,
        metadata: impl FnOnce() -> Vec<u8>,
    ) -> Result<bool, Degraded> {
        if self.last.is_none() {
            self.written(growing).await?;
            let come = growing.len();
            if come > self.to {
                self.begin(growing.since(self.to), come);
                self.written(growing).await?;
            }
            let incoming = self.incoming.take().ok_or(Degraded::Disk)?;
            let metadata = metadata();
            self.last = Some(tokio::task::spawn_blocking(move || {
                Ok(incoming.finish(&metadata)?.is_some())
            }));
        }
        match &mut self.last {
            Some(last) => last.await.map_err(|_| Degraded::Disk)?,
            None => Err(Degraded::Disk),
        }
    }
}
