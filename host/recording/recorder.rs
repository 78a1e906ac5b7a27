//! The proxy's side: what workers leave, and who takes it.

use crate::notes::{Noted, Reader, Readers, Wanted};
use crate::share::Share;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Lets one record at a time.
#[derive(Debug, Default)]
pub struct Recorder {
    busy: AtomicBool,
}

/// A recording that goes on, until it is dropped.
pub struct Recording<'a> {
    recorder: &'a Recorder,
    readers: &'a Readers,
    reader: Arc<dyn Reader>,
    tap: Arc<Tap>,
    queue: Receiver<Waiting>,
}

/// Where workers leave what is recorded.
struct Tap {
    /// Of all requests.
    share: Share,
    queue: SyncSender<Waiting>,
    /// That the queue holds, about.
    octets: AtomicUsize,
    missed: AtomicU64,
}

/// A transaction that waits, and the octets that it was counted for: it may have become larger since.
type Waiting = (Arc<Noted>, usize);

/// Transactions that wait to be taken.
pub(super) const QUEUED: usize = 4096;
/// Octets of them.
const QUEUED_OCTETS: usize = 16 << 20;

// === impl Recorder ===

impl Recorder {
    /// Begins a recording of that share of the requests; none where another one goes on.
    pub fn begin<'a>(&'a self, readers: &'a Readers, share: Share) -> Option<Recording<'a>> {
        if self.busy.swap(true, Ordering::Acquire) {
            return None;
        }
        let (sender, queue) = sync_channel(QUEUED);
        let tap = Arc::new(Tap {
            share,
            queue: sender,
            octets: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
        });
        let reader: Arc<dyn Reader> = tap.clone();
        readers.add(&reader);
        Some(Recording {
            recorder: self,
            readers,
            reader,
            tap,
            queue,
        })
    }
}

// === impl Recording ===

impl Recording<'_> {
    /// The next transaction; none where none comes within that time.
    pub fn next(&self, within: Duration) -> Option<Arc<Noted>> {
        match self.queue.recv_timeout(within) {
            Ok((noted, octets)) => {
                self.tap.octets.fetch_sub(octets, Ordering::Relaxed);
                Some(noted)
            }
            // Whoever sends is kept by this.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Transactions that there was no room for.
    pub fn missed(&self) -> u64 {
        self.tap.missed.load(Ordering::Relaxed)
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.readers.remove(&self.reader);
        self.recorder.busy.store(false, Ordering::Release);
    }
}

// === impl Tap ===

impl Reader for Tap {
    fn wants(&self, request: u64) -> Option<Wanted> {
        self.share.has(request).then_some(Wanted::ALL)
    }

    fn read(&self, noted: &Arc<Noted>) {
        let octets = noted.octets();
        let waiting = self.octets.fetch_add(octets, Ordering::Relaxed);
        let fits = waiting + octets <= QUEUED_OCTETS;
        if !fits || self.queue.try_send((noted.clone(), octets)).is_err() {
            self.octets.fetch_sub(octets, Ordering::Relaxed);
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
