//! Connections that wait for the next request.

use super::{Origin, Upstream};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<Origin, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    upstream: Upstream,
    since: Instant,
}

impl Pool {
    /// The connection that was used last and still stands; to one of these addresses, if some
    /// are approved.
    pub(super) fn take(&self, origin: &Origin, approved: Option<&[IpAddr]>) -> Option<Upstream> {
        loop {
            let mut pool = self.lock();
            let idle = pool.get_mut(origin)?;
            let place = idle.iter().rposition(|idle| {
                approved.is_none_or(|approved| approved.contains(&idle.upstream.peer.ip()))
            })?;
            let mut found = idle.swap_remove(place);
            if idle.is_empty() {
                pool.remove(origin);
            }
            drop(pool);
            if found.upstream.reader.is_idle() {
                return Some(found.upstream);
            }
        }
    }

    pub(super) fn put(&self, upstream: Upstream) {
        let idle = Idle {
            since: Instant::now(),
            upstream,
        };
        let mut pool = self.lock();
        pool.entry(idle.upstream.origin.clone())
            .or_default()
            .push(idle);
    }

    pub(super) fn sweep(&self, limit: Duration) {
        let mut closed = Vec::new();
        self.lock().retain(|_, idle| {
            // One that is busy has a response again at once, and a use for its buffer.
            idle.iter_mut()
                .for_each(|idle| idle.upstream.reader.release());
            closed.extend(idle.extract_if(.., |idle| {
                idle.since.elapsed() > limit || !idle.upstream.reader.is_idle()
            }));
            !idle.is_empty()
        });
        // Closing them takes system calls: not under the lock.
        drop(closed);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
