//! An object that is stored, while somebody reads it.

use super::folder::Identity;
use super::format::{Damage, Digest, Footer, Span, Tail};
use super::store::Store;
use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// Of a file this short, all is read at once.
const SHORT: u64 = 16 << 10;
/// Of a longer one, this much of its end.
const END: u64 = 4 << 10;

/// An open file that has stood the test: it stays readable when it is removed or replaced.
#[derive(Clone)]
pub struct Object(Arc<Opened>);

struct Opened {
    store: Weak<Store>,
    digest: Digest,
    file: Arc<File>,
    identity: Identity,
    modified: SystemTime,
    tail: Tail,
    /// What comes before the tail, of a short file.
    front: Option<Bytes>,
}

/// A file was damaged. It has been dropped: nothing is stored any more.
#[derive(Debug, thiserror::Error)]
#[error("the file {file} of the disk cache is damaged, and dropped: {damage}")]
pub struct Corrupt {
    pub(super) file: String,
    pub(super) damage: Damage,
}

// === impl Object ===

impl Object {
    /// What stands in that file under that name. `is_its`: whether a key is one for that name.
    pub(super) fn open(
        store: Weak<Store>,
        digest: Digest,
        is_its: impl FnOnce(&[u8]) -> bool,
        file: File,
    ) -> Result<Object, Damage> {
        let found = file.metadata()?;
        let length = found.len();
        let read = if length <= SHORT { length } else { END };
        let mut end = read_exactly(&file, length - read, fitting(read)?)?;
        let footer = Footer::parse(&end, length)?;
        if footer.tail() > end.len() {
            end = read_exactly(&file, length - footer.tail() as u64, footer.tail())?;
        }
        let mut end = Bytes::from(end);
        let octets = end.split_off(end.len() - footer.tail());
        let tail = Tail::parse(footer, octets)?;
        if !is_its(tail.key()) {
            return Err(Damage::Key);
        }
        let front = (end.len() as u64 == tail.place()).then_some(end);
        Ok(Object(Arc::new(Opened {
            store,
            digest,
            file: Arc::new(file),
            identity: Identity::of(&found),
            modified: found.modified()?,
            tail,
            front,
        })))
    }

    /// What has just been written to that file.
    pub(super) fn written(
        store: Weak<Store>,
        digest: Digest,
        file: Arc<File>,
        tail: Tail,
    ) -> io::Result<Object> {
        let found = file.metadata()?;
        Ok(Object(Arc::new(Opened {
            store,
            digest,
            identity: Identity::of(&found),
            modified: found.modified()?,
            file,
            tail,
            front: None,
        })))
    }

    /// As it was when the object was opened.
    pub fn metadata(&self) -> &[u8] {
        self.0.tail.metadata()
    }

    /// Octets of the body.
    pub fn len(&self) -> u64 {
        self.0.tail.body()
    }

    /// Octets of the body from there on, at most so many, and at most 1 MiB; none at its end. There
    /// may be fewer before its end: whoever goes on from there reads every block once. Blocks.
    ///
    /// # Errors
    /// They are not what was written. The file has been dropped from the store.
    pub fn read(&self, offset: u64, max: usize) -> Result<Bytes, Corrupt> {
        let Some(span) = self.0.tail.span(offset, max) else {
            return Ok(Bytes::new());
        };
        self.blocks(&span).map_err(|damage| {
            if let Some(store) = self.0.store.upgrade() {
                store.drop_object(self, damage)
            } else {
                Corrupt {
                    file: self.0.digest.path(),
                    damage,
                }
            }
        })
    }

    fn blocks(&self, span: &Span) -> Result<Bytes, Damage> {
        let blocks = match &self.0.front {
            Some(front) => front.clone(),
            None => {
                let length = fitting(span.blocks.end - span.blocks.start)?;
                read_exactly(&self.0.file, span.blocks.start, length)?.into()
            }
        };
        self.0.tail.verify(span.first_block, &blocks)?;
        Ok(blocks.slice(span.wanted.clone()))
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.0.digest
    }

    pub(super) fn identity(&self) -> Identity {
        self.0.identity
    }

    pub(super) fn tail(&self) -> &Tail {
        &self.0.tail
    }

    /// Where it has not been for so long, it becomes one that was used just now: the order of use
    /// is to outlive the process.
    pub(super) fn touch(&self, now: SystemTime) {
        let age = now.duration_since(self.0.modified);
        if age.is_ok_and(|age| age >= super::TOUCHED_AFTER) {
            // Of use for the order alone.
            let _ = self.0.file.set_modified(now);
        }
    }
}

impl Debug for Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.0.digest).finish()
    }
}

/// So many octets of a file, from there on.
pub(super) fn read_exactly(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(length);
    while octets.len() < length {
        let place = offset + octets.len() as u64;
        match pread(file, spare_capacity(&mut octets), place) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    octets.truncate(length);
    Ok(octets)
}

fn fitting(length: u64) -> Result<usize, Damage> {
    usize::try_from(length).map_err(|_| Damage::Footer)
}
