//! What the cache keeps of a response.

use super::control::ResponseControl;
use super::disk::Object;
use super::freshness::Times;
use super::growing::{Broken, Growing, READ, Reader};
use super::range::{Multipart, Pieces, Segment, Selection};
use super::{Source, signed, validate};
use crate::generation::Generation;
use crate::http::Fields;
use crate::plugin::Refresh;
use crate::transaction::Request;
use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// A stored response, or one that is being stored.
#[derive(Debug)]
pub struct Stored {
    /// What it was asked for.
    pub uri: Arc<str>,
    /// Its status.
    pub status: StatusCode,
    /// End-to-end fields, without Content-Length.
    pub fields: Fields,
    /// Where its body is.
    pub body: Body,
    pub(super) times: Times,
    pub(super) control: ResponseControl,
    pub(super) judged: Judging,
}

/// Where a body is.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    Disk(Object),
    /// Parts of it, in memory.
    Pieces(Arc<Pieces>),
    /// Still coming.
    Growing(Arc<Growing>),
}

/// Reads a body, or a part of it.
#[derive(Debug)]
pub enum Octets {
    /// All that is left of it.
    Memory(Bytes),
    /// That part of the file.
    Disk(Object, Range<u64>),
    /// As it comes.
    Growing(Reader),
    /// One after the other.
    Chain(VecDeque<Octets>),
}

/// What the cache-rules hook said, and in which generation.
#[derive(Debug)]
pub(super) struct Judged {
    /// 0 where it was said to an earlier process.
    generation: u64,
    pub(super) refresh: Refresh,
}

/// A judgement that may be replaced; a clone is the same.
pub(super) type Judging = Arc<ArcSwap<Judged>>;

/// How a hit answers the client's request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// With all of it.
    Whole,
    /// The client has it: 304.
    NotModified {
        /// By If-None-Match, not If-Modified-Since.
        by_etag: bool,
    },
    /// With a part of it: 206.
    Part(Range<u64>),
    /// With several, as multipart/byteranges.
    Parts(Vec<Range<u64>>),
    /// With 416: there is no such part.
    NoSuchPart,
}

// === impl Stored ===

impl Stored {
    /// What the cache-rules hook says of it: asked once for each generation.
    /// None: it would not be stored now, and is not served.
    pub(super) fn judged(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
    ) -> Option<Guard<Arc<Judged>>> {
        let judged = self.judged.load();
        if judged.generation == generation.id() {
            return Some(judged);
        }
        let mut fields = self.fields.clone();
        let judged = Arc::new(Judged {
            generation: generation.id(),
            refresh: generation.rule_for(request, self.status.as_u16(), &mut fields)?,
        });
        self.judged.store(judged.clone());
        Some(Guard::from_inner(judged))
    }

    /// Seconds for which it is fresh at that age, by that rule; negative where it is stale. One that
    /// has to be asked about each time never is fresh.
    pub(super) fn ttl(&self, refresh: &Refresh, age: u64) -> i64 {
        let lifetime = match self.control.no_cache {
            true => 0,
            false => self.times.lifetime(refresh),
        };
        signed(lifetime) - signed(age)
    }

    /// The same response with its body elsewhere.
    pub(super) fn with_body(&self, body: Body) -> Stored {
        Stored {
            uri: self.uri.clone(),
            status: self.status,
            fields: self.fields.clone(),
            body,
            times: self.times.clone(),
            control: self.control.clone(),
            judged: self.judged.clone(),
        }
    }

    /// Octets that it takes in memory.
    pub(super) fn octets(&self) -> usize {
        let body = match &self.body {
            Body::Memory(body) => body.len(),
            Body::Pieces(pieces) => pieces.octets(),
            Body::Disk(_) | Body::Growing(_) => 0,
        };
        let withheld = self.control.withheld.iter();
        let withheld: usize = withheld.map(|name| size_of_val(name) + name.len()).sum();
        size_of::<Stored>() + self.uri.len() + self.fields.octets() + withheld + body
    }

    /// How it answers that request.
    pub fn answer(&self, request: &Request) -> Answer {
        let (asked, fields, times) = (&request.fields, &self.fields, &self.times);
        // RFC 9110 §13.2.1: conditions are about a representation.
        if self.status.is_success()
            && let Some(answer) = validate::not_modified(asked, fields, times, request.received)
        {
            return answer;
        }
        // RFC 9110 §14.2: Range is for GET.
        if self.status != StatusCode::OK || request.method != Method::GET {
            return Answer::Whole;
        }
        let Some(length) = self.body.len() else {
            return Answer::Whole;
        };
        match validate::selection(asked, fields, times, length) {
            Selection::Whole => Answer::Whole,
            Selection::Part(part) => Answer::Part(part),
            Selection::Parts(parts) => Answer::Parts(parts),
            Selection::Unsatisfiable => Answer::NoSuchPart,
        }
    }

    /// Whether it holds what that request asks for.
    pub(super) fn can_answer(&self, request: &Request) -> bool {
        let Body::Pieces(pieces) = &self.body else {
            return true;
        };
        let held = |part: &Range<u64>| pieces.slice(part.clone()).is_some();
        match self.answer(request) {
            Answer::Whole => false,
            Answer::Part(part) => held(&part),
            Answer::Parts(parts) => parts.iter().all(held),
            Answer::NotModified { .. } | Answer::NoSuchPart => true,
        }
    }
}

// === impl Judged ===

impl Judged {
    pub(super) fn by(generation: &Generation, refresh: Refresh) -> Judging {
        Arc::new(ArcSwap::from_pointee(Judged {
            generation: generation.id(),
            refresh,
        }))
    }

    /// By nobody who is still there: the hook is asked at the first use.
    pub(super) fn before() -> Judging {
        Arc::new(ArcSwap::from_pointee(Judged {
            generation: 0,
            refresh: Refresh::stale_at_once(),
        }))
    }
}

// === impl Body ===

impl Body {
    /// Whether a reader finds its beginning.
    pub(super) fn is_all_there(&self) -> bool {
        match self {
            Body::Memory(_) | Body::Disk(_) | Body::Pieces(_) => true,
            Body::Growing(growing) => growing.is_all_there(),
        }
    }

    /// Where it is found.
    pub(super) fn source(&self) -> Source {
        match self {
            Body::Memory(_) | Body::Pieces(_) => Source::Memory,
            Body::Disk(_) => Source::Disk,
            Body::Growing(_) => Source::Flight,
        }
    }

    /// Octets of it, where they are known.
    pub fn len(&self) -> Option<u64> {
        match self {
            Body::Memory(body) => Some(body.len() as u64),
            Body::Disk(object) => Some(object.len()),
            Body::Pieces(pieces) => Some(pieces.total()),
            Body::Growing(growing) => growing.length(),
        }
    }

    /// Reads all of it.
    pub fn read(&self) -> Octets {
        self.read_part(0..self.len().unwrap_or(u64::MAX))
    }

    /// Reads several parts of it, with what is between them.
    pub fn read_parts(&self, parts: &Multipart) -> Octets {
        let segments = parts.segments().iter().map(|segment| match segment {
            Segment::Text(text) => Octets::Memory(text.clone()),
            Segment::Body(part) => self.read_part(part.clone()),
        });
        Octets::Chain(segments.collect())
    }

    /// Reads a part of it, which lies within it.
    pub fn read_part(&self, part: Range<u64>) -> Octets {
        match self {
            Body::Memory(body) => {
                let at = |offset| {
                    usize::try_from(offset)
                        .unwrap_or(usize::MAX)
                        .min(body.len())
                };
                Octets::Memory(body.slice(at(part.start)..at(part.end)))
            }
            Body::Disk(object) => Octets::Disk(object.clone(), part),
            // Asked for what it holds alone.
            Body::Pieces(pieces) => {
                let held = pieces.slice(part).unwrap_or_default().into_iter();
                Octets::Chain(held.map(Octets::Memory).collect())
            }
            Body::Growing(growing) => Octets::Growing(growing.reader(part)),
        }
    }
}

// === impl Octets ===

impl Octets {
    /// Of nothing.
    pub fn none() -> Octets {
        Octets::Memory(Bytes::new())
    }

    /// The next octets; none at the end.
    ///
    /// # Errors
    /// There are no more, although there should be.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Octets::Memory(body) => {
                let body = std::mem::take(body);
                Ok((!body.is_empty()).then_some(body))
            }
            Octets::Disk(_, part) if part.is_empty() => Ok(None),
            Octets::Disk(object, part) => {
                let (from, at) = (object.clone(), part.start);
                let max = usize::try_from(part.end - at).unwrap_or(READ).min(READ);
                let read = tokio::task::spawn_blocking(move || from.read(at, max));
                match read.await {
                    Ok(Ok(octets)) if !octets.is_empty() => {
                        part.start += octets.len() as u64;
                        Ok(Some(octets))
                    }
                    _ => Err(Broken),
                }
            }
            Octets::Growing(reader) => reader.next().await,
            Octets::Chain(chain) => {
                while let Some(first) = chain.front_mut() {
                    if let Some(octets) = Box::pin(first.next()).await? {
                        return Ok(Some(octets));
                    }
                    chain.pop_front();
                }
                Ok(None)
            }
        }
    }

    /// Whether its beginning can be read: before the client is promised any of it.
    ///
    /// # Errors
    /// It cannot; what was stored is gone.
    pub async fn check(&mut self) -> Result<(), Broken> {
        if let Octets::Disk(object, part) = self
            && !part.is_empty()
        {
            let (object, at) = (object.clone(), part.start);
            let read = tokio::task::spawn_blocking(move || object.read(at, 1).map(drop));
            return read.await.map_err(|_| Broken)?.map_err(|_| Broken);
        }
        Ok(())
    }

    /// Whether [`Octets::next`] answers without waiting for the origin.
    pub fn is_ready(&self) -> bool {
        match self {
            Octets::Memory(_) | Octets::Disk(..) => true,
            Octets::Chain(chain) => chain.front().is_none_or(Octets::is_ready),
            Octets::Growing(reader) => reader.is_ready(),
        }
    }
}
