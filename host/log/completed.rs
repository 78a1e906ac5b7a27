//! A transaction as it ended, to be kept for a while: nothing in it holds on to more than it shows.

use super::{Code, Record};
use crate::plugin::Rule;
use http::Method;
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What the access log has of a transaction.
#[derive(Debug, Clone)]
pub struct Completed {
    /// Its number; none where it could not be read.
    pub request: Option<u64>,
    /// The plugin generation that decided; 0 where none was asked.
    pub generation: u64,
    /// When the request had been read.
    pub received: SystemTime,
    /// From its first octet to its end.
    pub elapsed: Duration,
    /// Who asked.
    pub client: IpAddr,
    /// None where it could not be read.
    pub method: Option<Method>,
    /// As the access log shows it.
    pub uri: Box<str>,
    /// What the client got; 0 where nothing.
    pub status: u16,
    /// squid's.
    pub code: Code,
    /// What allowed or denied it.
    pub rule: Option<Rule>,
    /// Who the client is, where a plugin has said so.
    pub user: Option<Box<str>>,
    /// Octets sent to the client.
    pub sent: u64,
    /// Octets received from the client through a tunnel.
    pub received_octets: u64,
    /// Where the response comes from, where a server was asked.
    pub server: Option<IpAddr>,
    /// The response's.
    pub content_type: Option<Box<str>>,
    /// Whether the client left before the end.
    pub aborted: bool,
    /// What went wrong, in RFC 9209's words.
    pub error: Option<Cow<'static, str>>,
}

/// Octets of a URI: queues are bounded by their number of entries.
const MAX_URI: usize = 4 << 10;
/// Octets of a Content-Type.
const MAX_CONTENT_TYPE: usize = 200;

// === impl Completed ===

impl Completed {
    /// Of what the access log is told.
    pub fn of(record: &Record<'_>, strip_query: bool) -> Completed {
        let outcome = record.outcome;
        let uri = record.shown_uri(strip_query);
        let content_type = outcome.content_type.as_deref().map(|octets| {
            let text = String::from_utf8_lossy(&octets[..octets.len().min(MAX_CONTENT_TYPE)]);
            text.into()
        });
        Completed {
            request: record.request,
            generation: record.generation,
            received: record.received,
            elapsed: record.elapsed,
            client: record.client,
            method: match record.method {
                "-" => None,
                method => Method::from_bytes(method.as_bytes()).ok(),
            },
            uri: uri[..uri.floor_char_boundary(MAX_URI)].into(),
            status: outcome.status,
            code: outcome.code,
            rule: outcome.rule.clone(),
            user: outcome.user.as_deref().map(Into::into),
            sent: outcome.sent,
            received_octets: outcome.received,
            server: outcome.server,
            content_type,
            aborted: outcome.aborted,
            error: outcome.error.map(Cow::Borrowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Outcome;
    use std::time::UNIX_EPOCH;

    fn of(method: &str, uri: &str, content_type: &'static [u8], strip: bool) -> Completed {
        let outcome = Outcome {
            content_type: Some(content_type.into()),
            ..Outcome::default()
        };
        let record = Record {
            request: Some(1001),
            received: UNIX_EPOCH,
            elapsed: Duration::ZERO,
            client: [10, 0, 2, 10].into(),
            method,
            uri,
            version: None,
            fields: None,
            generation: 7,
            outcome: &outcome,
        };
        Completed::of(&record, strip)
    }

    #[test]
    fn uris_are_those_of_the_access_log_and_none_is_too_long() {
        let long = format!("http://a/{}\u{e9}?b", "x".repeat(MAX_URI - 10));
        let cut = &long[..MAX_URI - 1];
        for (uri, strip, shown) in [
            ("http://a/b?c", false, "http://a/b?c"),
            ("http://a/b?c", true, "http://a/b?"),
            ("a:443", true, "a:443"),
            // In the middle of a character.
            (&long, false, cut),
        ] {
            assert_eq!(&*of("GET", uri, b"", strip).uri, shown);
        }
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        for (method, known) in [
            ("GET", Some("GET")),
            ("get", Some("get")),
            ("-", None),
            ("a b", None),
        ] {
            let method = of(method, "", b"", true).method;
            assert_eq!(method.as_ref().map(Method::as_str), known);
        }
        static LONG: [u8; 300] = [0xff; 300];
        let told = of("GET", "", &LONG, true).content_type.expect("told");
        assert_eq!(told.chars().count(), MAX_CONTENT_TYPE);
    }
}
