//! What the cache is asked and told, and what it answers.

use super::control::RequestControl;
use super::epochs::Epoch;
use super::key::{Key, Vary};
use super::{Octets, Stored};
use crate::generation::Generation;
use crate::http::Fields;
use crate::transaction::Request;
use http::StatusCode;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A request, as the cache sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub(super) request: Arc<Request>,
    pub(super) generation: Arc<Generation>,
    pub(super) control: RequestControl,
    /// None: it has nothing to do with the cache.
    pub(super) key: Option<Key>,
    /// When it was asked.
    pub(super) epoch: Option<Epoch>,
    /// What had landed by then.
    pub(super) landed: u64,
    /// How the responses to its URI vary, where that was found.
    pub(super) varies: OnceLock<Vary>,
    /// Why it cannot be answered from the cache, where that is so whatever is stored.
    pub(super) refused: Option<Forward>,
}

/// What the cache can do for a request.
#[derive(Debug)]
pub enum Lookup {
    /// Serve this.
    Fresh(Hit),
    /// Serve this, and ask the origin meanwhile whether it still holds (RFC 5861 §3).
    WhileRevalidating(Hit),
    /// Ask the origin whether this still holds.
    Stale(Arc<Stored>),
    /// Ask the origin, for that reason.
    Miss(Forward),
    /// The client wants nothing but what is cached: 504.
    OnlyIfCached,
}

/// A stored response that can be served.
#[derive(Debug)]
pub struct Hit {
    /// The response.
    pub stored: Arc<Stored>,
    /// Where it was found.
    pub source: Source,
    /// Seconds.
    pub age: u64,
    /// Seconds for which it is still fresh; negative where the client takes a stale one.
    pub ttl: i64,
    /// Keeps what is still coming from being dropped until somebody reads it.
    pub held: Option<Octets>,
}

/// Where a stored response was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In memory.
    Memory,
    /// On the disk.
    Disk,
    /// Somebody else is receiving it.
    Flight,
    /// It is stale, and `offline_mode` says that this does not matter.
    Offline,
}

/// Why a request goes to the origin: `fwd` of Cache-Status (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The method cannot be answered from a cache.
    Method,
    /// Nothing is stored for the URI.
    UriMiss,
    /// What was stored for it on the disk is damaged.
    Damaged,
    /// What is stored was for other fields of the request.
    VaryMiss,
    /// The client does not want what is stored.
    Request,
    /// What is stored is a part that does not hold what is asked for.
    Partial,
    /// What is stored is not fresh.
    Stale,
    /// Policy lets nothing be stored for it.
    Bypass,
}

/// What has come of waiting for another request.
#[derive(Debug)]
pub enum Waited {
    /// Serve what it brings.
    Serve(Hit),
    /// Look into the cache again.
    Again,
    /// Ask the origin.
    Alone,
}

/// A response that has just come.
#[derive(Debug)]
pub struct Response<'a> {
    /// Its status.
    pub status: StatusCode,
    /// End-to-end fields, without Content-Length.
    pub fields: &'a mut Fields,
    /// Octets of its body, where they are known.
    pub length: Option<u64>,
    /// The request's fields as they were sent to the origin.
    pub sent: &'a Fields,
    /// When the request for it was sent.
    pub request_time: SystemTime,
    /// When its header section had come.
    pub response_time: SystemTime,
}

// === impl Asked ===

impl Asked {
    /// Under what that is stored which a change or a purge removes: what has no key of its own for
    /// this method may have one for GET.
    pub(super) fn key_of_resource(&self) -> Key {
        let own = self.key.clone();
        own.unwrap_or_else(|| Key::of(self.request.uri()))
    }

    /// Whether other clients whose requests have the same in these fields would get the same
    /// response. By what the proxy or a plugin has put there, a client's request selects nothing.
    /// What policy takes off, it takes off for all alike; what this client has had taken off with
    /// Connection, the others send.
    pub(super) fn selects_as_sent(&self, names: &[String], sent: &Fields) -> bool {
        let own = &self.request.fields;
        let is_nominated = |name: &str| {
            own.has_element("connection", name) || own.has_element("proxy-connection", name)
        };
        let as_sent = |name: &String| match sent.joined(name) {
            Some(value) => name == "host" || own.joined(name) == Some(value),
            None => !is_nominated(name),
        };
        names.iter().all(as_sent)
    }

    /// The names of the request fields by which what was found is filed: none where its URI's
    /// responses do not vary.
    pub(super) fn filed_by(&self) -> &[String] {
        self.varies.get().map_or(&[], |vary| &vary.names)
    }
}

// === impl Forward ===

impl Forward {
    /// All of them, in their order.
    pub const ALL: [Forward; 8] = [
        Forward::Method,
        Forward::UriMiss,
        Forward::Damaged,
        Forward::VaryMiss,
        Forward::Request,
        Forward::Partial,
        Forward::Stale,
        Forward::Bypass,
    ];

    /// As Cache-Status has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Forward::Method => "method",
            Forward::UriMiss | Forward::Damaged => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Request => "request",
            Forward::Partial => "partial",
            Forward::Stale => "stale",
            Forward::Bypass => "bypass",
        }
    }
}
