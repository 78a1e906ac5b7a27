//! A body that is still coming: received once, read by any number of clients meanwhile.
//!
//! What has come is held in a window in memory. Where a file keeps the body as well, the window
//! moves on, and who reads behind it reads from the file; where none does, nothing is dropped
//! before every reader has had it, and the slowest one sets the pace. One that takes nothing at all
//! is left behind.

use super::disk::Part;
use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The body did not come to its end, or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body broke off")]
pub struct Broken;

/// A body that is still coming.
#[derive(Debug)]
pub struct Growing {
    /// Octets of all of it, where they are known.
    length: Option<u64>,
    state: Mutex<State>,
    /// Something has come, or it is over.
    grew: Notify,
    /// A reader has moved on, or has gone.
    read: Notify,
}

#[derive(Debug, Default)]
struct State {
    window: Window,
    /// What has been written to a file: octets up to there can be read from it.
    spooled: Option<(Part, u64)>,
    end: Option<Result<(), Broken>>,
    /// Where each reader stands, by its number.
    readers: HashMap<u64, u64>,
    next_reader: u64,
}

/// The latest octets, in the pieces in which they came.
#[derive(Debug, Default)]
struct Window {
    pieces: VecDeque<Bytes>,
    start: u64,
    end: u64,
}

/// Reads a body that is still coming, from one offset to another.
#[derive(Debug)]
pub struct Reader {
    growing: Arc<Growing>,
    number: u64,
    at: u64,
    end: u64,
}

/// Octets that a reader behind the window takes from the file at a time.
pub(super) const READ: usize = 256 << 10;

/// Where the next octets are.
enum Next {
    Piece(Bytes),
    InFile(Part, u64),
    Over(Result<(), Broken>),
    NotYet,
}

// === impl Growing ===

impl Growing {
    /// With so many octets, where that is known.
    pub(super) fn new(length: Option<u64>) -> Arc<Growing> {
        Arc::new(Growing {
            length,
            state: Mutex::default(),
            grew: Notify::new(),
            read: Notify::new(),
        })
    }

    /// More has come.
    pub(super) fn push(&self, octets: &[u8]) {
        let mut state = self.lock();
        let window = &mut state.window;
        window.pieces.push_back(Bytes::copy_from_slice(octets));
        window.end += octets.len() as u64;
        drop(state);
        self.grew.notify_waiters();
    }

    /// It has come to its end, or never will.
    pub(super) fn end(&self, how: Result<(), Broken>) {
        self.lock().end.get_or_insert(how);
        self.grew.notify_waiters();
    }

    /// The file has it, up to there.
    pub(super) fn spooled(&self, part: Part, to: u64) {
        self.lock().spooled = Some((part, to));
    }

    /// Octets that have come.
    pub(super) fn len(&self) -> u64 {
        self.lock().window.end
    }

    /// Octets of all of it, where they are known.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Those who read it.
    pub(super) fn readers(&self) -> usize {
        self.lock().readers.len()
    }

    /// What is in the window from there on: the file is to have it.
    pub(super) fn since(&self, offset: u64) -> Vec<Bytes> {
        let state = self.lock();
        let mut at = state.window.start;
        let after = state.window.pieces.iter().filter(|piece| {
            at += piece.len() as u64;
            at > offset
        });
        after.cloned().collect()
    }

    /// All of it in one piece, while all of it is in the window.
    pub(super) fn whole(&self) -> Bytes {
        let state = self.lock();
        let pieces = &state.window.pieces;
        debug_assert_eq!(state.window.start, 0, "a part of it is in the file alone");
        if let [piece] = pieces.as_slices().0 {
            return piece.clone();
        }
        let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        pieces
            .iter()
            .for_each(|piece| whole.extend_from_slice(piece));
        whole.freeze()
    }

    /// Drops from the window what readers find in the file, so that about `limit` octets are left.
    pub(super) fn trim(&self, limit: u64) {
        let mut state = self.lock();
        let spooled = state.spooled_to();
        state.window.drop_to(spooled, limit);
    }

    /// Waits until there are no more than `limit` octets that some reader has not had and cannot
    /// find in the file; drops the others. After that, nobody can read it from its beginning.
    ///
    /// Readers for whom that takes longer than `patience` are left behind where others have had it:
    /// one client could keep it from all of them.
    pub(super) async fn all_read(&self, limit: u64, patience: Duration) {
        while timeout(patience, self.had_by_all(limit)).await.is_err() {
            self.leave_behind(limit);
        }
    }

    async fn had_by_all(&self, limit: u64) {
        loop {
            let read = self.read.notified();
            {
                let mut state = self.lock();
                let end = state.window.end;
                let had = state.readers.values().min().copied().unwrap_or(end);
                let droppable = had.max(state.spooled_to());
                if state.window.drop_to(droppable, limit) {
                    return;
                }
            }
            read.await;
        }
    }

    /// Waits no more for readers who have more than `limit` octets before them, where there is one who
    /// has not. What is dropped without them, they find in the file, or their reading breaks off.
    fn leave_behind(&self, limit: u64) {
        let mut state = self.lock();
        let least = state.window.end.saturating_sub(limit);
        if state.readers.values().any(|at| *at >= least) {
            state.readers.retain(|_, at| *at >= least);
        }
    }

    /// A reader of that part of it; of what comes, where its end is not known.
    pub(super) fn reader(self: &Arc<Self>, part: Range<u64>) -> Reader {
        let mut state = self.lock();
        let number = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(number, part.start);
        drop(state);
        Reader {
            growing: self.clone(),
            number,
            at: part.start,
            end: part.end,
        }
    }

    /// Whether a reader from its beginning finds all that has come.
    pub(super) fn is_all_there(&self) -> bool {
        let state = self.lock();
        state.window.start <= state.spooled_to()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn spooled_to(&self) -> u64 {
        self.spooled.as_ref().map_or(0, |(_, to)| *to)
    }
}

// === impl Window ===

impl Window {
    /// Drops pieces before that offset, until no more than so many octets are left. Whether that
    /// could be done.
    fn drop_to(&mut self, offset: u64, limit: u64) -> bool {
        while self.end - self.start > limit {
            let Some(piece) = self.pieces.front() else {
                return true;
            };
            let after = self.start + piece.len() as u64;
            if after > offset {
                return false;
            }
            self.start = after;
            self.pieces.pop_front();
        }
        true
    }
}

// === impl Reader ===

impl Reader {
    /// The next octets, when they have come; none at the end.
    ///
    /// # Errors
    /// There will be no more.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            if self.at >= self.end {
                return Ok(None);
            }
            let grew = self.growing.grew.notified();
            let octets = match self.find() {
                Next::Piece(octets) => octets,
                Next::InFile(part, to) => self.read_file(part, to).await?,
                Next::Over(how) => return how.map(|()| None),
                Next::NotYet => {
                    grew.await;
                    continue;
                }
            };
            let wanted = self.end - self.at;
            let octets = match usize::try_from(wanted) {
                Ok(wanted) if wanted < octets.len() => octets.slice(..wanted),
                _ => octets,
            };
            let after = self.at + octets.len() as u64;
            // Whoever has the last of it may ask for it again: it is stored by then.
            if self.growing.length == Some(after) && self.growing.lock().end.is_none() {
                grew.await;
                continue;
            }
            self.at = after;
            self.growing.lock().readers.insert(self.number, self.at);
            self.growing.read.notify_waiters();
            return Ok(Some(octets));
        }
    }

    /// Whether [`Reader::next`] would answer without waiting for the origin.
    pub(super) fn is_ready(&self) -> bool {
        self.at >= self.end || !matches!(self.find(), Next::NotYet)
    }

    fn find(&self) -> Next {
        let state = self.growing.lock();
        let window = &state.window;
        if self.at < window.start {
            return match &state.spooled {
                Some((part, to)) if *to > self.at => Next::InFile(part.clone(), *to),
                _ => Next::Over(Err(Broken)),
            };
        }
        let mut end = window.end;
        if self.at == end {
            return state.end.map_or(Next::NotYet, Next::Over);
        }
        // From the end: most readers are there.
        for piece in window.pieces.iter().rev() {
            let start = end - piece.len() as u64;
            if self.at >= start {
                // It lies within a piece, which is in memory.
                let offset = usize::try_from(self.at - start).unwrap_or(piece.len());
                return Next::Piece(piece.slice(offset..));
            }
            end = start;
        }
        Next::Over(Err(Broken))
    }

    async fn read_file(&self, part: Part, to: u64) -> Result<Bytes, Broken> {
        let at = self.at;
        let max = usize::try_from(to - at).unwrap_or(READ).min(READ);
        let read = tokio::task::spawn_blocking(move || part.read(at, max));
        match read.await {
            Ok(Ok(octets)) if !octets.is_empty() => Ok(octets),
            _ => Err(Broken),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.growing.lock().readers.remove(&self.number);
        self.growing.read.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
