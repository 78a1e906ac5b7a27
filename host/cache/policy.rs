//! What a shared cache may store, and when it may answer with what it has (RFC 9111 §3, §4).

use super::control::{RequestControl, ResponseControl};
use super::key;
use crate::plugin::{Overrule, Refresh};
use crate::transaction::Request;
use http::{Method, StatusCode};

/// How an origin has failed to say whether a stored response still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It could not be reached, or gave no answer that can be read.
    Disconnected,
    /// It has answered with this.
    Status(StatusCode),
}

/// Requests that a cache may answer. If-Match and If-Unmodified-Since are for the origin alone to
/// judge (RFC 9111 §4.3.2). A body is no part of the key, but could decide about the response: who
/// sends one must not choose what others get; the same goes for dot segments.
pub fn is_cacheable(request: &Request) -> bool {
    let fields = &request.fields;
    let length = fields.get("content-length");
    let has_body = fields.has("transfer-encoding") || length.is_some_and(|length| length != "0");
    matches!(request.method, Method::GET | Method::HEAD)
        && !has_body
        && !key::has_dot_segments(request.uri())
        && !fields.has("if-match")
        && !fields.has("if-unmodified-since")
}

/// Statuses that may be stored as they are. With an explicit expiry that could be all final ones
/// (RFC 9110 §16.2.2), but most errors are about this request and this moment, and would tell
/// others nothing, or harm them. 206 is stored in pieces, 304 not at all (RFC 9111 §3).
pub fn is_storable_status(status: StatusCode, control: &ResponseControl) -> bool {
    match status.as_u16() {
        206 | 304 => false,
        // Nothing else of RFC 9110 §15 has requirements for caches; others may.
        200 | 203 | 204 | 300..=303 | 307 | 308 | 403..=405 | 410 | 414 | 451 | 501 => true,
        200..=399 => !control.must_understand,
        _ => false,
    }
}

/// Those that are stored only where the origin says for how long, or that they are `public`. By
/// RFC 9110 §15.1 these are fewer; but what is wrong now may be right soon (squid's
/// `negative_ttl 0`).
pub fn needs_expiry(status: StatusCode, control: &ResponseControl) -> bool {
    !control.public && !matches!(status.as_u16(), 200 | 203 | 300 | 301 | 308 | 410)
}

/// Whether nothing that the response says keeps it out of a shared cache (§3), where nothing or
/// that `refresh` overrules it.
pub fn shared_cache_may_store(
    request: &Request,
    control: &ResponseControl,
    refresh: Option<&Refresh>,
) -> bool {
    let ignored = |option| refresh.is_some_and(|refresh| refresh.has(option));
    // §5.2.2.3: whoever understands the status need not mind the no-store that is for those who
    // do not.
    let no_store =
        control.no_store && !control.must_understand && !ignored(Overrule::IgnoreNoStore);
    let private = control.private && !ignored(Overrule::IgnorePrivate);
    // §3.5: what was answered to somebody's credentials.
    let credentials = has_credentials(request);
    let shared = control.public || control.must_revalidate || control.s_maxage.is_some();
    !no_store && !private && (!credentials || shared)
}

/// Whether somebody asks in his own name.
pub fn has_credentials(request: &Request) -> bool {
    request.fields.has("authorization") || request.target.user_information.is_some()
}

/// Whether a response of that age may be served without asking, with so many seconds to live: by
/// §4.2, §4.2.4 and the request's own directives (§5.2.1).
pub fn acceptable(
    response: &ResponseControl,
    request: &RequestControl,
    age: u64,
    ttl: i64,
) -> bool {
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

/// Whether a stale response may be served at once, while the origin is asked behind the client's
/// back whether it still holds (RFC 5861 §3).
pub fn may_revalidate_behind(
    response: &ResponseControl,
    request: &RequestControl,
    age: u64,
    ttl: i64,
) -> bool {
    !response.forbids_stale()
        && response
            .stale_while_revalidate
            .is_some_and(|window| -ttl <= signed(window))
        && client_takes_stale(request, age, ttl)
}

/// Whether a stale response may stand in where the origin has failed: a server that cannot be
/// reached leaves the cache disconnected (RFC 9111 §4.2.4), one that answers with an error needs
/// `stale-if-error` in the response or the request (RFC 5861 §4). Of two limits the smaller counts;
/// where neither says one, `max_stale` seconds do.
pub fn may_stand_in(
    response: &ResponseControl,
    request: &RequestControl,
    age: u64,
    ttl: i64,
    trouble: Trouble,
    max_stale: u64,
) -> bool {
    let said = [response.stale_if_error, request.stale_if_error];
    let said = said.into_iter().flatten().min();
    let limit = match trouble {
        Trouble::Disconnected => said.or(Some(max_stale)),
        Trouble::Status(status) if is_failure(status) => said,
        Trouble::Status(_) => None,
    };
    // Regardless of other freshness information: who says so expects to be asked for it.
    let wanted = match request.stale_if_error {
        Some(_) => !request.no_cache,
        None => client_takes_stale(request, age, ttl),
    };
    wanted && !response.forbids_stale() && limit.is_some_and(|limit| -ttl <= signed(limit))
}

/// RFC 5861 §4: what counts as an error.
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Whether the client has nothing against a stale response (RFC 9111 §5.2.1): with `max-age` alone
/// it wants none.
fn client_takes_stale(request: &RequestControl, age: u64, ttl: i64) -> bool {
    !request.no_cache
        && request.min_fresh.is_none()
        && match (request.max_age, request.max_stale) {
            (None, None) => true,
            (Some(_), None) => false,
            (max_age, Some(max_stale)) => {
                max_age.is_none_or(|max_age| age <= max_age) && -ttl <= signed(max_stale)
            }
        }
}

/// A number of seconds, for the difference with another.
pub fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
