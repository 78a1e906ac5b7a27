//! Fields on their way through: what a proxy takes off and puts on (RFC 9110 §7.6).

use crate::app::App;
use crate::config::ForwardedFor;
use crate::decimal::push_address;
use crate::http::{Field, Fields, Version};
use crate::transaction::Request;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;

/// Hop-by-hop whether Connection names them or not, and those that are written anew.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    // RFC 9110 §11.7.1: an origin has no business asking for a proxy's password.
    "proxy-authenticate",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "content-length",
];

/// The fields of a request as they go to the origin, before the request-headers hook: hop-by-hop
/// ones off, Host from the target, Via and X-Forwarded-For on.
pub(super) fn outgoing(app: &App, request: &Request) -> Fields {
    let received = &request.fields;
    let connection = Connection::of(received, received.has("transfer-encoding"));
    let mut fields = Fields::with_capacity(received.len() + 3);
    // RFC 9112 §3.2.2: whatever the client's own Host says.
    fields.push("Host", request.target.authority().clone());
    for line in received.iter().filter(|line| !connection.owns(line)) {
        if !line.is("host") && !line.is("proxy-authorization") {
            fields.push(line.name.clone(), line.value.clone());
        }
    }
    if let Some(max_forwards) = max_forwards(request) {
        fields.set("Max-Forwards", max_forwards.saturating_sub(1).to_string());
    }
    if let Some(information) = &request.target.user_information
        && !fields.has("authorization")
    {
        let credentials = BASE64_STANDARD.encode(percent_decoded(information));
        fields.push("Authorization", format!("Basic {credentials}"));
    }
    if app.settings.via {
        let via = app.names.via(&fields, request.version);
        fields.set("Via", via);
    }
    forwarded_for(app.settings.forwarded_for, request, &mut fields);
    fields
}

/// A message's fields without those of its connection. Trailer is of use to chunked messages only.
pub(super) fn end_to_end(mut fields: Fields, chunked: bool) -> Fields {
    let connection = Connection::of(&fields, chunked);
    fields.retain(|line| !connection.owns(line));
    fields
}

/// What Connection says of a message's fields (RFC 9110 §7.6.1).
struct Connection {
    /// Lower case, sorted.
    named: Vec<Vec<u8>>,
    chunked: bool,
}

// === impl Connection ===

impl Connection {
    fn of(fields: &Fields, chunked: bool) -> Connection {
        let mut named: Vec<Vec<u8>> = fields
            .elements("connection")
            .chain(fields.elements("proxy-connection"))
            .map(<[u8]>::to_ascii_lowercase)
            .collect();
        named.sort_unstable();
        Connection { named, chunked }
    }

    fn owns(&self, line: &Field) -> bool {
        let named = || {
            self.named
                .binary_search(&line.name.to_ascii_lowercase())
                .is_ok()
        };
        HOP_BY_HOP.iter().any(|name| line.is(name))
            || (line.is("trailer") && !self.chunked)
            || (!self.named.is_empty() && named())
    }
}

/// What a trailer may not say (RFC 9110 §6.5.1), beside [`HOP_BY_HOP`]: what has to be known before the
/// content comes, and what was decided by the header section.
const NOT_IN_TRAILERS: [&str; 35] = [
    // Routing.
    "host",
    "via",
    "forwarded",
    "x-forwarded-for",
    "max-forwards",
    // How a request is meant.
    "cache-control",
    "pragma",
    "expect",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    // Who asks.
    "authorization",
    "proxy-authorization",
    "cookie",
    "www-authenticate",
    "proxy-authentication-info",
    "set-cookie",
    // What becomes of a response.
    "age",
    "date",
    "expires",
    "location",
    "retry-after",
    "vary",
    "warning",
    "cache-status",
    "proxy-status",
    // What the content is.
    "content-type",
    "content-encoding",
    "content-range",
    "content-location",
    "content-disposition",
    "trailer",
];

/// Trailers without what they may not say.
pub(super) fn safe_trailers(mut trailers: Fields) -> Fields {
    trailers.retain(|line| {
        let mut forbidden = HOP_BY_HOP.iter().chain(&NOT_IN_TRAILERS);
        !forbidden.any(|name| line.is(name))
    });
    trailers
}

/// Max-Forwards, where it counts (RFC 9110 §7.6.2).
pub(super) fn max_forwards(request: &Request) -> Option<u32> {
    if request.method != Method::TRACE && request.method != Method::OPTIONS {
        return None;
    }
    let digits = request.fields.get("max-forwards")?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// The protocol that the client wants to switch to, where it may (RFC 9110 §7.8).
pub(super) fn upgrade(app: &App, request: &Request) -> Option<String> {
    if request.version != Version::Http11 || !request.fields.has_element("connection", "upgrade") {
        return None;
    }
    let mut allowed = app.settings.http_upgrade_request_protocols.iter();
    allowed
        .find(|protocol| request.fields.has_element("upgrade", protocol))
        .cloned()
}

/// Whether the client waits for 100 before it sends its body (RFC 9110 §10.1.1).
pub(super) fn expects_continue(request: &Request) -> bool {
    request.version == Version::Http11 && request.fields.has_element("expect", "100-continue")
}

/// Whether the request has been here before, as its Via says.
pub(super) fn has_looped(app: &App, request: &Request) -> bool {
    let ours = app.settings.unique_hostname.as_bytes();
    request.fields.elements("via").any(|member| {
        // received-protocol RWS received-by [ RWS comment ]
        let mut words = member
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(ours))
            && member.ends_with(b"(wproxy)")
    })
}

/// squid's `forwarded_for`.
fn forwarded_for(setting: ForwardedFor, request: &Request, fields: &mut Fields) {
    // As long as an IPv4 address can be.
    let mut client = Vec::with_capacity(15);
    push_address(&mut client, request.client.ip());
    let added = |last: Vec<u8>| match fields.joined("x-forwarded-for") {
        Some(others) => [others.as_ref(), b", ", &last].concat(),
        None => last,
    };
    let value = match setting {
        ForwardedFor::Transparent => return,
        ForwardedFor::Delete => {
            fields.remove("x-forwarded-for");
            return;
        }
        ForwardedFor::On => added(client),
        ForwardedFor::Off => added(b"unknown".to_vec()),
        ForwardedFor::Truncate => client,
    };
    fields.set("X-Forwarded-For", value);
}

/// RFC 3986 §2.1; what is no escape stays as it is.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| octet == b'%');
        let value = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                decoded.push(value);
                rest = &after[2..];
            }
            None => {
                decoded.push(octet);
                rest = after;
            }
        }
    }
    decoded
}

/// Adds a member to Cache-Status (RFC 9211 §2): caches nearer to the origin stand before.
pub(super) fn add_cache_status(fields: &mut Fields, member: impl Into<Bytes>) {
    let member = member.into();
    match fields.joined("cache-status") {
        Some(others) => fields.set("Cache-Status", [others.as_ref(), b", ", &member].concat()),
        None => fields.push("Cache-Status", member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for &(name, value) in lines {
            fields.push(name, value);
        }
        fields
    }

    #[test]
    fn what_is_of_the_connection_stays_there() {
        let received = fields(&[
            ("Connection", "X-Hop, x-hop2 ,keep-alive"),
            ("X-Hop", "1"),
            ("x-HOP2", "2"),
            ("X-End", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "X-Other"),
            ("X-Other", "4"),
            ("TE", "trailers"),
            ("Trailer", "X-T"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABk"),
            ("Content-Length", "5"),
            ("Content-Type", "a/b"),
        ]);
        let left = end_to_end(received.clone(), false);
        assert_eq!(left, fields(&[("X-End", "3"), ("Content-Type", "a/b")]));
        assert!(end_to_end(received, true).has("trailer"));
    }

    #[test]
    fn a_proxy_s_challenge_is_not_passed_on() {
        let received = fields(&[
            ("Proxy-Authenticate", "Basic"),
            ("WWW-Authenticate", "Basic"),
        ]);
        let left = end_to_end(received, false);
        assert_eq!(left, fields(&[("WWW-Authenticate", "Basic")]));
    }

    #[test]
    fn trailers_say_nothing_that_the_header_section_has_to_say() {
        let harmless = fields(&[("X-Sum", "8"), ("Content-Digest", "a"), ("ETag", "\"b\"")]);
        let mut received = harmless.clone();
        for name in HOP_BY_HOP.iter().chain(&NOT_IN_TRAILERS) {
            received.push(name.to_uppercase(), "c");
        }
        assert_eq!(safe_trailers(received), harmless);
    }

    #[test]
    fn escapes_are_decoded_and_the_rest_left_alone() {
        for (text, decoded) in [
            ("user:pa%20ss", "user:pa ss"),
            ("%41%4", "A%4"),
            ("%+1%zz%", "%+1%zz%"),
        ] {
            assert_eq!(percent_decoded(text.as_bytes()), decoded.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_decoded(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(percent_decoded(&octets).len() <= octets.len());
        }
    }
}
