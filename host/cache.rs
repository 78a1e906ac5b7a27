//! The cache (RFC 9111): what is stored, what is served, what is asked about.
//!
//! Pure parts judge (`control`, `freshness`, `key`, `validate`), one store keeps (`memory`).

mod admin;
mod control;
mod freshness;
mod key;
mod memory;
mod stored;
mod validate;

use crate::generation::Generation;
use crate::http::Fields;
use crate::plugin::Refresh;
use crate::transaction::Request;
use bytes::Bytes;
use control::{RequestControl, ResponseControl};
use freshness::Times;
use http::{Method, StatusCode};
use key::{Key, Vary};
use memory::{Memory, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use stored::Judged;

pub use admin::{Listed, Stats, Tier};
pub use stored::{Answer, Stored};
pub use validate::make_conditional;

/// The cache.
#[derive(Debug)]
pub struct Cache {
    memory: Memory,
    largest: u64,
    sets_of_variants: AtomicU64,
}

/// What the cache can do for a request.
#[derive(Debug)]
pub enum Lookup {
    /// Serve this.
    Fresh(Hit),
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
    /// Seconds.
    pub age: u64,
    /// Seconds for which it is still fresh; negative where the client takes a stale one.
    pub ttl: i64,
}

/// Why a request goes to the origin: `fwd` of Cache-Status (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The method cannot be answered from a cache.
    Method,
    /// Nothing is stored for the URI.
    UriMiss,
    /// What is stored was for other fields of the request.
    VaryMiss,
    /// The client does not want what is stored.
    Request,
    /// What is stored is not fresh.
    Stale,
    /// Policy lets nothing be stored for it.
    Bypass,
}

/// Takes a response's body as it passes, and stores it when it is whole.
#[derive(Debug)]
pub struct Recorder {
    key: Key,
    vary: Vec<String>,
    request: Arc<Request>,
    stored: Stored,
    body: Vec<u8>,
    largest: u64,
}

// === impl Cache ===

impl Cache {
    /// A cache of that many octets, for responses up to that many.
    pub fn new(octets: u64, largest: u64) -> Cache {
        Cache {
            memory: Memory::new(octets),
            largest: largest.min(octets),
            sets_of_variants: AtomicU64::new(0),
        }
    }

    /// What can be done for that request (RFC 9111 §4).
    pub fn lookup(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
        now: SystemTime,
    ) -> Lookup {
        let control = RequestControl::of(&request.fields);
        let miss = |why| match control.only_if_cached {
            true => Lookup::OnlyIfCached,
            false => Lookup::Miss(why),
        };
        if !is_cacheable(request) {
            return miss(Forward::Method);
        }
        let stored = match self.find(request) {
            Ok(stored) => stored,
            Err(why) => return miss(why),
        };
        let Some(judged) = stored.judged(request, generation) else {
            return miss(Forward::Bypass);
        };
        let refresh = &judged.refresh;
        // §5.2.1.4; by way of an exception, squid's options.
        if control.no_cache && !refresh.ignore_reload {
            return match refresh.reload_into_ims && validate::has_validator(&stored.fields) {
                true => Lookup::Stale(stored),
                false => miss(Forward::Request),
            };
        }
        let age = stored.times.age(now);
        let lifetime = match stored.control.no_cache {
            true => 0,
            false => stored.times.lifetime(refresh),
        };
        let ttl = signed(lifetime) - signed(age);
        if acceptable(&stored.control, &control, age, ttl) {
            return Lookup::Fresh(Hit { stored, age, ttl });
        }
        if control.only_if_cached {
            return Lookup::OnlyIfCached;
        }
        Lookup::Stale(stored)
    }

    fn find(&self, request: &Request) -> Result<Arc<Stored>, Forward> {
        let key = Key::of(request.uri());
        match self.memory.get(&key) {
            None => Err(Forward::UriMiss),
            Some(Slot::Response(stored)) => Ok(stored),
            Some(Slot::Variants(vary)) => {
                match self.memory.get(&key.variant(&vary, &request.fields)) {
                    Some(Slot::Response(stored)) => Ok(stored),
                    _ => Err(Forward::VaryMiss),
                }
            }
        }
    }

    /// Whether a response may be stored (RFC 9111 §3), and is worth it: then what records it.
    /// `fields` are end-to-end, without Content-Length.
    pub fn record(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
        response: Response<'_>,
    ) -> Option<Recorder> {
        let Response {
            status,
            fields,
            length,
            request_time,
            response_time,
        } = response;
        let control = ResponseControl::of(fields);
        if request.method != Method::GET
            || !is_cacheable(request)
            || !is_storable_status(status)
            || length.is_some_and(|length| length > self.largest)
            || RequestControl::of(&request.fields).no_store
        {
            return None;
        }
        let vary = key::vary_names(fields)?;
        if !generation.overrules_storage() && !shared_cache_may_store(request, &control, None) {
            return None;
        }
        let refresh = generation.rule_for(request, status.as_u16(), fields)?;
        if !shared_cache_may_store(request, &control, Some(&refresh)) {
            return None;
        }
        let times = Times::of(fields, &control, request_time, response_time);
        let fresh = !control.no_cache && times.lifetime(&refresh) > times.initial_age;
        if (!fresh && !validate::has_validator(fields))
            || (needs_expiry(status) && times.explicit.is_none())
        {
            return None;
        }
        Some(Recorder {
            key: Key::of(request.uri()),
            vary,
            request: request.clone(),
            body: Vec::new(),
            largest: self.largest,
            stored: Stored {
                status,
                fields: control.kept(fields),
                body: Bytes::new(),
                times,
                control,
                judged: Judged::by(generation, refresh),
            },
        })
    }

    /// The body is whole: the response is stored.
    pub fn store(&self, recorder: Recorder) {
        let Recorder {
            key,
            vary,
            request,
            mut stored,
            body,
            ..
        } = recorder;
        stored.body = body.into_boxed_slice().into();
        let stored = Slot::Response(Arc::new(stored));
        if vary.is_empty() {
            return self.memory.put(key, stored);
        }
        let vary = match self.memory.get(&key) {
            Some(Slot::Variants(known)) if *known.names == *vary => known,
            _ => Vary {
                names: vary.into(),
                set: self.sets_of_variants.fetch_add(1, Ordering::Relaxed),
            },
        };
        let variant = key.variant(&vary, &request.fields);
        self.memory.put(key, Slot::Variants(vary));
        self.memory.put(variant, stored);
    }

    /// The origin says that a stored response still holds (§4.3.4). What is served then; none where
    /// it says so of another response, and this one is no more.
    pub fn freshen(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
        stored: &Stored,
        response: &Response<'_>,
    ) -> Option<Hit> {
        let key = Key::of(request.uri());
        if !validate::same_validators(&stored.fields, response.fields) {
            self.memory.remove(&key);
            return None;
        }
        let mut fields = validate::freshened(&stored.fields, response.fields);
        let control = ResponseControl::of(&fields);
        let times = Times::of(
            &fields,
            &control,
            response.request_time,
            response.response_time,
        );
        let refresh = generation.rule_for(request, stored.status.as_u16(), &mut fields);
        let keep = refresh
            .as_ref()
            .is_some_and(|refresh| shared_cache_may_store(request, &control, Some(refresh)));
        let refresh = refresh.unwrap_or_else(Refresh::stale_at_once);
        let age = times.age(response.response_time);
        let ttl = signed(times.lifetime(&refresh)) - signed(age);
        let vary = key::vary_names(&fields);
        let stored = Stored {
            status: stored.status,
            body: stored.body.clone(),
            fields: control.kept(&fields),
            times,
            control,
            judged: Judged::by(generation, refresh),
        };
        let stored = Arc::new(stored);
        if !keep {
            // For this client alone, as the origin says now.
            self.memory.remove(&key);
            return Some(Hit { stored, age, ttl });
        }
        let slot = match (self.memory.get(&key), vary) {
            (Some(Slot::Variants(vary)), _) => Some(key.variant(&vary, &request.fields)),
            (_, Some(names)) if names.is_empty() => Some(key),
            _ => None,
        };
        if let Some(key) = slot {
            self.memory.put(key, Slot::Response(stored.clone()));
        }
        Some(Hit { stored, age, ttl })
    }

    /// A stale response where the origin fails, unless one of the three forbids it: the origin, the
    /// client, or good sense (RFC 9111 §4.2.4, RFC 5861 §4, squid's `max_stale`).
    pub fn instead(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
        stored: &Arc<Stored>,
        now: SystemTime,
    ) -> Option<Hit> {
        let control = RequestControl::of(&request.fields);
        let age = stored.times.age(now);
        let judged = stored.judged(request, generation)?;
        let lifetime = stored.times.lifetime(&judged.refresh);
        let ttl = signed(lifetime) - signed(age);
        let limit = stored.control.stale_if_error.unwrap_or(MAX_STALE);
        let wanted = !control.no_cache && control.max_age.is_none_or(|max_age| age <= max_age);
        let permitted = !stored.control.forbids_stale() && -ttl <= signed(limit);
        (wanted && permitted).then(|| Hit {
            stored: stored.clone(),
            age,
            ttl,
        })
    }

    /// HEAD says what GET would: a stored response that is another is not the one any more, and one
    /// that is the same is freshened (RFC 9111 §4.3.5).
    pub fn compare_with_head(
        &self,
        request: &Arc<Request>,
        generation: &Generation,
        response: &Response<'_>,
    ) {
        if request.method != Method::HEAD || response.status != StatusCode::OK {
            return;
        }
        let Ok(stored) = self.find(request) else {
            return;
        };
        let length = response.length;
        if length.is_none_or(|length| length == stored.body.len() as u64) {
            self.freshen(request, generation, &stored, response);
        } else {
            self.memory.remove(&Key::of(request.uri()));
        }
    }

    /// An unsafe method has succeeded: what is stored for its URI, and for those of its origin that
    /// the response names, may no longer hold (§4.4).
    pub fn invalidate(&self, request: &Request, status: StatusCode, response: &Fields) {
        let safe = matches!(
            request.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        );
        if safe || !(status.is_success() || status.is_redirection()) {
            return;
        }
        let uri = request.uri();
        self.memory.remove(&Key::of(uri));
        for name in ["location", "content-location"] {
            let target = response
                .get(name)
                .and_then(|value| std::str::from_utf8(value).ok());
            if let Some(uri) = target.and_then(|target| key::same_origin(uri, target)) {
                self.memory.remove(&Key::of(&uri.into()));
            }
        }
    }
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
    /// When the request for it was sent.
    pub request_time: SystemTime,
    /// When its header section had come.
    pub response_time: SystemTime,
}

/// Requests that a cache may answer. If-Match and If-Unmodified-Since are for the origin alone to
/// judge (RFC 9110 §13.1). A body is no part of the key, but could decide about the response: who
/// sends one must not choose what others get.
fn is_cacheable(request: &Request) -> bool {
    let fields = &request.fields;
    let length = fields.get("content-length");
    let has_body = fields.has("transfer-encoding") || length.is_some_and(|length| length != "0");
    matches!(request.method, Method::GET | Method::HEAD)
        && !has_body
        && !fields.has("if-match")
        && !fields.has("if-unmodified-since")
}

/// Statuses whose requirements for caching are met here.
fn is_storable_status(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 302 | 307 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Those that are stored only where the origin says for how long: what is wrong now may be right
/// soon (squid's `negative_ttl 0`).
fn needs_expiry(status: StatusCode) -> bool {
    matches!(status.as_u16(), 204 | 302 | 307 | 404 | 405 | 414 | 501)
}

/// Whether nothing that the response says keeps it out of a shared cache (§3), where nothing or
/// that `refresh` overrules it.
fn shared_cache_may_store(
    request: &Request,
    control: &ResponseControl,
    refresh: Option<&Refresh>,
) -> bool {
    let ignored = |option: fn(&Refresh) -> bool| refresh.is_some_and(option);
    // §5.2.2.3: whoever understands the status need not mind the no-store that is for those who
    // do not.
    let no_store =
        control.no_store && !control.must_understand && !ignored(|refresh| refresh.ignore_no_store);
    let private = control.private && !ignored(|refresh| refresh.ignore_private);
    // §3.5: what was answered to somebody's credentials.
    let credentials =
        request.fields.has("authorization") || request.target.user_information.is_some();
    let shared = control.public || control.must_revalidate || control.s_maxage.is_some();
    !no_store && !private && (!credentials || shared)
}

/// §4.2.4 and the request's own directives (§5.2.1).
fn acceptable(response: &ResponseControl, request: &RequestControl, age: u64, ttl: i64) -> bool {
    if request
        .max_age
        .is_some_and(|max_age| age > max_age || max_age == 0)
    {
        return false;
    }
    if request
        .min_fresh
        .is_some_and(|min_fresh| ttl < signed(min_fresh))
    {
        return false;
    }
    if ttl > 0 {
        return true;
    }
    !response.forbids_stale()
        && request
            .max_stale
            .is_some_and(|max_stale| -ttl <= signed(max_stale))
}

/// squid's `max_stale`, in seconds: one week.
const MAX_STALE: u64 = 7 * 86_400;

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

// === impl Recorder ===

impl Recorder {
    /// More of the body. `false` where it has become too large to store.
    #[must_use]
    pub fn push(&mut self, data: &[u8]) -> bool {
        if self.body.len() as u64 + data.len() as u64 > self.largest {
            return false;
        }
        self.body.extend_from_slice(data);
        true
    }
}

// === impl Forward ===

impl Forward {
    /// As Cache-Status has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Forward::Method => "method",
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Request => "request",
            Forward::Stale => "stale",
            Forward::Bypass => "bypass",
        }
    }
}
