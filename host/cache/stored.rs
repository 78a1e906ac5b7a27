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
use http::{Method, StatusCode};
use std::ops::Range;
use std::sync::Arc;

/// A stored response.
#[derive(Debug)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
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
    /// None: it would not be stored now, and is not served.
    pub(super) fn judged(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
    ) -> Option<Arc<Judged>> {
        let judged = self.judged.load();
        if judged.generation == generation.id() {
            return Some(Arc::clone(&judged));
        }
        let mut fields = self.fields.clone();
        let judged = Arc::new(Judged {
            generation: generation.id(),
            refresh: generation.rule_for(request, self.status.as_u16(), &mut fields)?,
        });
        self.judged.store(judged.clone());
        Some(judged)
    }

    /// Octets that it takes in memory.
    pub(super) fn octets(&self) -> usize {
        size_of::<Stored>() + self.body.len() + self.fields.wire_len() + 64 * self.fields.len()
    }

    /// Whether the origin lets it stand in for an error of its own (RFC 5861 §4).
    pub fn may_stand_in(&self) -> bool {
        self.control.stale_if_error.is_some()
    }

    /// How it answers that request.
    pub fn answer(&self, request: &Request) -> Answer {
        if let Some(not_modified) = validate::not_modified(&request.fields, &self.fields) {
            return not_modified;
        }
        // RFC 9110 §14.2: Range is for GET.
        if self.status != StatusCode::OK || request.method != Method::GET {
            return Answer::Whole;
        }
        match validate::range(&request.fields, &self.fields, self.body.len() as u64) {
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
