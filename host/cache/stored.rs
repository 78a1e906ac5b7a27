//! What the cache keeps of a response.

use super::control::ResponseControl;
use super::freshness::Times;
use super::validate;
use crate::generation::Generation;
use crate::http::Fields;
use crate::plugin::Refresh;
use crate::transaction::Request;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use std::ops::Range;
use std::sync::Arc;

/// A stored response.
#[derive(Debug)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
    /// The origin's words for it.
    pub reason: Bytes,
    /// End-to-end fields, without Content-Length.
    pub fields: Fields,
    /// All of it.
    pub body: Bytes,
    pub(super) times: Times,
    pub(super) control: ResponseControl,
    pub(super) judged: ArcSwap<Judged>,
}

/// What the cache-rules hook said, and in which generation.
#[derive(Debug)]
pub(super) struct Judged {
    generation: u64,
    pub(super) refresh: Refresh,
}

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
    /// With 416: there is no such part.
    NoSuchPart,
}

// === impl Stored ===

impl Stored {
    /// What the cache-rules hook says of it: asked once for each generation.
    pub(super) fn judged(&self, request: &Arc<Request>, generation: &Generation) -> Arc<Judged> {
        let judged = self.judged.load();
        if judged.generation == generation.id() {
            return Arc::clone(&judged);
        }
        let mut fields = self.fields.clone();
        let said = generation.rule_for(request, self.status.as_u16(), &mut fields);
        let judged = Arc::new(Judged {
            generation: generation.id(),
            refresh: said.unwrap_or_else(Refresh::stale_at_once),
        });
        self.judged.store(judged.clone());
        judged
    }

    /// Octets that it takes in memory.
    pub(super) fn octets(&self) -> usize {
        size_of::<Stored>() + self.body.len() + self.fields.wire_len() + 64 * self.fields.len()
    }

    /// How it answers that request.
    pub fn answer(&self, request: &Fields) -> Answer {
        if let Some(not_modified) = validate::not_modified(request, &self.fields) {
            return Answer::NotModified {
                by_etag: not_modified.by_etag,
            };
        }
        if self.status != StatusCode::OK {
            return Answer::Whole;
        }
        match validate::range(request, &self.fields, self.body.len() as u64) {
            None => Answer::Whole,
            Some(Ok(part)) => Answer::Part(part),
            Some(Err(())) => Answer::NoSuchPart,
        }
    }
}

// === impl Judged ===

impl Judged {
    pub(super) fn by(generation: &Generation, refresh: Refresh) -> ArcSwap<Judged> {
        ArcSwap::from_pointee(Judged {
            generation: generation.id(),
            refresh,
        })
    }
}
