//! An object on its way to the disk.

use super::Disk;
use super::folder::Temporary;
use super::format::{AT_ONCE, Digest, HEAD, MAGIC, Sums, Tail};
use super::health::Turn;
use super::index::{Ticket, on_disk};
use super::object::{Object, read_exactly};
use bytes::Bytes;
use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A small object is written at once, when it is whole; a larger one in pieces of about this size.
const BUFFER: usize = 64 << 10;
/// From this size on, what is handed in is written as it is.
const LARGE: usize = 16 << 10;

/// An object that is being written. Dropped before it is finished, it never was.
pub struct Incoming {
    disk: Arc<Disk>,
    key: Vec<u8>,
    digest: Digest,
    ticket: Ticket,
    turn: Turn,
    /// Nothing more is written.
    failed: Option<Degraded>,
    sums: Sums,
    /// What waits to be written.
    buffer: Vec<u8>,
    file: Option<Temporary>,
    /// Octets of the file.
    length: u64,
    /// Octets of the body in the file, for those who read it already.
    readable: Arc<AtomicU64>,
    followed: bool,
}

/// What has been written of an object that is under way. It goes on to be readable, whatever becomes
/// of the object.
#[derive(Debug, Clone)]
pub struct Part {
    file: Arc<File>,
    readable: Arc<AtomicU64>,
}

/// An object cannot be stored: nothing more of it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Degraded {
    /// The disk takes nothing for now.
    #[error("the disk cache cannot be written for now")]
    Disk,
    /// It would take most of the budget, or its key or its metadata is longer than 1 MiB.
    #[error("the object is too large for the disk cache")]
    TooLarge,
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(disk: Arc<Disk>, key: Vec<u8>, turn: Turn) -> Incoming {
        let digest = disk.store.folder.digest(&key);
        let ticket = disk.store.index().announce(digest);
        Incoming {
            disk,
            key,
            digest,
            ticket,
            turn,
            failed: (turn == Turn::Refused).then_some(Degraded::Disk),
            sums: Sums::new(),
            buffer: Vec::new(),
            file: None,
            length: 0,
            readable: Arc::default(),
            followed: false,
        }
    }

    /// More of the body. Blocks.
    ///
    /// # Errors
    /// The object is not stored.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), Degraded> {
        self.check()?;
        self.sums.push(octets);
        if self.sums.body() > self.disk.store.budget.low {
            return Err(self.give_up(Degraded::TooLarge));
        }
        self.begin();
        if !self.followed && self.buffer.len() + octets.len() <= BUFFER {
            self.buffer.extend_from_slice(octets);
            return Ok(());
        }
        self.flush()?;
        match self.followed || octets.len() >= LARGE {
            true => self.append(octets)?,
            false => self.buffer.extend_from_slice(octets),
        }
        self.publish();
        Ok(())
    }

    /// What reads all that has been written so far, and all that will be. Blocks.
    ///
    /// # Errors
    /// The object is not stored.
    pub fn reader(&mut self) -> Result<Part, Degraded> {
        self.check()?;
        self.flush()?;
        // From now on, what has been written has to be in the file.
        self.followed = true;
        self.publish();
        let file = match &self.file {
            Some(temporary) => temporary.file.clone(),
            None => return Err(self.give_up(Degraded::Disk)),
        };
        let readable = self.readable.clone();
        Ok(Part { file, readable })
    }

    /// The body is whole: the object is stored; none where another one has begun for the key since,
    /// or the key has been removed. Blocks.
    ///
    /// # Errors
    /// The object is not stored.
    pub fn finish(mut self, metadata: &[u8]) -> Result<Option<Object>, Degraded> {
        self.check()?;
        let store = self.disk.store.clone();
        let sums = std::mem::replace(&mut self.sums, Sums::new());
        let tail =
            Tail::new(sums, &self.key, metadata).map_err(|_| self.give_up(Degraded::TooLarge))?;
        if on_disk(tail.file()) > store.budget.low {
            return Err(self.give_up(Degraded::TooLarge));
        }
        // One write for all of a small object.
        self.begin();
        self.buffer.extend_from_slice(tail.octets());
        self.flush()?;
        self.readable.store(tail.body(), Ordering::Release);
        self.place(tail)
    }

    fn place(&mut self, tail: Tail) -> Result<Option<Object>, Degraded> {
        let store = self.disk.store.clone();
        let Some(temporary) = &self.file else {
            return Err(self.give_up(Degraded::Disk));
        };
        let length = tail.file();
        let file = temporary.file.clone();
        let object = Object::written(Arc::downgrade(&store), self.digest, file, tail);
        let placed = store.with_room(0, || {
            store.place(temporary, &self.digest, self.ticket, length)
        });
        match object.and_then(|object| placed.map(|placed| placed.then_some(object))) {
            Ok(Some(object)) => {
                self.file = None;
                store.well(self.turn);
                store.relieve();
                Ok(Some(object))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.fail(&error)),
        }
    }

    fn check(&self) -> Result<(), Degraded> {
        self.failed.map_or(Ok(()), Err)
    }

    fn begin(&mut self) {
        if self.length == 0 && self.buffer.is_empty() {
            self.buffer.extend_from_slice(&MAGIC);
        }
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<(), Degraded> {
        self.begin();
        let mut buffer = std::mem::take(&mut self.buffer);
        self.append(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn append(&mut self, octets: &[u8]) -> Result<(), Degraded> {
        let store = self.disk.store.clone();
        let written = store.with_room(octets.len(), || {
            if self.file.is_none() {
                self.file = Some(store.folder.temporary()?);
            }
            match &self.file {
                Some(temporary) => temporary.file.write_all_at(octets, self.length),
                None => Ok(()),
            }
        });
        written.map_err(|error| self.fail(&error))?;
        self.length += octets.len() as u64;
        Ok(())
    }

    /// Those who read may read all of the file.
    fn publish(&self) {
        let body = self.length.saturating_sub(HEAD);
        self.readable.store(body, Ordering::Release);
    }

    fn fail(&mut self, error: &io::Error) -> Degraded {
        self.disk.store.trouble(self.turn, error);
        self.give_up(Degraded::Disk)
    }

    fn give_up(&mut self, why: Degraded) -> Degraded {
        self.failed = Some(why);
        self.buffer = Vec::new();
        self.leave();
        why
    }

    fn leave(&mut self) {
        if let Some(temporary) = self.file.take() {
            self.disk.store.leave(temporary);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.leave();
        self.disk.store.index().end(&self.digest);
    }
}

impl Debug for Incoming {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("digest", &self.digest)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

// === impl Part ===

impl Part {
    /// Octets of the body from there on, at most so many, and at most 1 MiB; none where no more has
    /// been written so far. What is on the disk is taken as it is. Blocks.
    pub fn read(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let readable = self.readable.load(Ordering::Acquire);
        let length = readable.saturating_sub(offset).min(AT_ONCE as u64);
        let length = usize::try_from(length).map_or(max, |length| length.min(max));
        read_exactly(&self.file, HEAD + offset, length).map(Bytes::from)
    }
}
