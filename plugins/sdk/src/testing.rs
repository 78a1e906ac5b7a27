//! Stand-ins for the host, to test a plugin's logic as ordinary Rust: `cargo test`, no wasm.
//!
//! [`configure`] makes an instance of a configuration as the host does, [`Sample`] is a request and
//! [`FieldList`] a header section, [`completed`] a transaction that has ended. [`Kv`] is what the
//! plugin keeps.
//!
//! ```
//! use wproxy_sdk::testing::{FieldList, Sample};
//! use wproxy_sdk::{Fields, Request};
//!
//! let request = Sample::get("http://www.example.com/a?b")
//!     .from("10.0.0.5")
//!     .with("User-Agent", "curl/8");
//! assert_eq!((request.host(), request.port(), request.path()), ("www.example.com", 80, "/a?b"));
//! assert_eq!(request.field("user-agent").as_deref(), Some(&b"curl/8"[..]));
//! // The name has not been looked up.
//! assert_eq!(request.addresses(), None);
//!
//! let fields = FieldList::of(&[("Via", "1.1 a"), ("Accept", "*/*")]);
//! assert!(fields.remove("via"));
//! assert_eq!(fields.lines(), ["Accept: */*"]);
//! ```
//!
//! What this cannot show is how the plugin fares as wasm: under its limits, with what was granted to
//! it, behind its failure policies. That is what cases and `wproxy plugin test` are for.

mod fields;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod kv;
mod owned;

pub use fields::FieldList;
#[cfg(not(target_family = "wasm"))]
pub use kv::Kv;

use crate::bodies::{Chunk, Ending, Watch};
use crate::config::{self, ConfigError};
use crate::hooks::{Denial, Plugin};
use crate::http::{Answer, Moment, Request};
use crate::observer::Completed;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

/// Makes an instance of a configuration in JSON, which is what the host hands over.
///
/// ```
/// use wproxy_sdk::testing::configure;
/// # use serde::Deserialize;
/// # use wproxy_sdk::{ConfigError, Plugin};
/// # #[derive(Debug)]
/// # struct Limit;
/// # #[derive(Deserialize)]
/// # #[serde(deny_unknown_fields)]
/// # #[expect(dead_code)]
/// # struct Config { megabytes: Vec<u64> }
/// # impl Plugin for Limit {
/// #     type Config = Config;
/// #     fn configure(_: Config) -> Result<Self, ConfigError> { Ok(Limit) }
/// # }
///
/// let error = configure::<Limit>(r#"{ "megabytes": [100, -1] }"#).unwrap_err();
/// assert_eq!(error.at, "/megabytes/1");
/// assert_eq!(error.message, "invalid value: integer `-1`, expected u64");
/// ```
///
/// # Errors
/// The plugin's own, or serde's, each with the pointer to the key.
pub fn configure<P: Plugin>(json: &str) -> Result<P, ConfigError> {
    config::parse(json).and_then(P::configure)
}

/// Makes a set that [`sets::Set::find`](crate::sets::Set::find) finds in this thread, in place of the
/// file that the host would read. Sets of addresses take addresses, prefixes and ranges; those of
/// regular expressions want the feature `pattern`.
///
/// ```
/// use wproxy_sdk::sets::{Kind, Set};
/// use wproxy_sdk::testing;
///
/// testing::set("blocked", Kind::Domains, &[".example.com"]);
/// let blocked = Set::find("blocked", Kind::Domains)?;
/// assert!(blocked.contains("www.example.com"));
/// # Ok::<(), String>(())
/// ```
#[cfg(not(target_family = "wasm"))]
pub fn set(name: &str, kind: crate::sets::Kind, entries: &[&str]) {
    crate::sets::native::set(name, kind, entries);
}

/// Names the helpers that [`helpers::find`](crate::helpers::find) finds in this thread, in place of
/// those of the proxy's settings. Until then it finds every one.
#[cfg(not(target_family = "wasm"))]
pub fn helpers(names: &[&str]) {
    crate::helpers::native::set(names);
}

/// Shows a body as the host does, in these pieces; gives what goes on of it.
///
/// ```
/// use wproxy_sdk::bodies::{Chunk, Ending, Scan, Watch};
/// use wproxy_sdk::testing::look_into;
///
/// /// Says how long the body was.
/// struct Count(usize);
///
/// impl Scan for Count {
///     fn chunk(&mut self, octets: &[u8]) -> Chunk {
///         self.0 += octets.len();
///         Chunk::Replace(Vec::new())
///     }
///
///     fn end(&mut self, _: bool) -> Ending {
///         Ending::Append(format!("{} octets", self.0).into())
///     }
/// }
///
/// let watch = Watch::new(Count(0)).change();
/// assert_eq!(look_into(Some(watch), &[b"abc", b"de"]).unwrap(), b"5 octets");
/// // Where a plugin wants nothing of a body, it passes.
/// assert_eq!(look_into(None, &[b"abc"]).unwrap(), b"abc");
/// ```
///
/// # Errors
/// It is stopped.
///
/// # Panics
/// The body is changed by what has not said that it does: with the host, that is a failure.
pub fn look_into(watch: Option<Watch>, pieces: &[&[u8]]) -> Result<Vec<u8>, Denial> {
    let Some(watch) = watch else {
        return Ok(pieces.concat());
    };
    let changes = watch.changes();
    let may = || assert!(changes, "it changes a body without having said so");
    let mut scan = watch.into_scan();
    let mut passed = Vec::new();
    let mut pieces = pieces.iter();
    while let Some(piece) = pieces.next() {
        match scan.chunk(piece) {
            Chunk::Pass => passed.extend_from_slice(piece),
            Chunk::Replace(instead) => {
                may();
                passed.extend(instead);
            }
            Chunk::Done => {
                passed.extend_from_slice(piece);
                pieces.for_each(|rest| passed.extend_from_slice(rest));
                return Ok(passed);
            }
            Chunk::Stop(denial) => return Err(denial),
        }
    }
    match scan.end(true) {
        Ending::Pass => {}
        Ending::Append(more) => {
            may();
            passed.extend(more);
        }
        Ending::Stop(denial) => return Err(denial),
    }
    Ok(passed)
}

/// A request made up for a test. The fields can be set as the test needs; each is what the method of
/// [`Request`] of that name gives.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Case kept: `GET`.
    pub method: String,
    /// `http`; empty for CONNECT.
    pub scheme: String,
    /// Lower case, without port and brackets.
    pub host: String,
    /// Explicit or the scheme's default.
    pub port: u16,
    /// Path and query; empty for CONNECT.
    pub path: String,
    /// As it was given.
    pub uri: String,
    /// 192.0.2.1 unless the test says so.
    pub client: IpAddr,
    /// None for a name: nobody has looked it up.
    pub addresses: Option<Vec<IpAddr>>,
    /// The lines of the header section.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The epoch unless the test says so, a Thursday at midnight.
    pub received: Moment,
    /// What helpers have answered: helper, key, answer.
    pub answers: Vec<(String, String, Answer)>,
    /// Who the client is, once the plugin has said that.
    pub user: OnceCell<String>,
}

impl Sample {
    /// GET of an absolute URI such as `http://example.com:81/a?b`.
    pub fn get(uri: &str) -> Self {
        Sample::new("GET", uri)
    }

    /// CONNECT to `host:port`.
    pub fn connect(authority: &str) -> Self {
        Sample::new("CONNECT", authority)
    }

    /// A request as [`Sample::get`] makes it, with any method. Lenient: this is no validating parser.
    pub fn new(method: &str, uri: &str) -> Self {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
        let slash = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or_default()),
            _ => (authority, if scheme == "https" { 443 } else { 80 }),
        };
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        Sample {
            method: method.into(),
            scheme: scheme.into(),
            addresses: host.parse().ok().map(|address| vec![address]),
            host,
            port,
            path: path.into(),
            uri: uri.into(),
            client: IpAddr::from([192, 0, 2, 1]),
            fields: Vec::new(),
            received: Moment {
                unix: 0,
                utc_offset: 0,
            },
            answers: Vec::new(),
            user: OnceCell::new(),
        }
    }

    /// The same from another client.
    ///
    /// # Panics
    /// On what is not an address.
    #[must_use]
    pub fn from(mut self, client: &str) -> Self {
        self.client = client.parse().expect("a test gives a valid address");
        self
    }

    /// The same with one more header field line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The same, where that helper has answered so about that key.
    #[must_use]
    pub fn answered(mut self, helper: &str, key: &str, answer: Answer) -> Self {
        self.answers.push((helper.into(), key.into(), answer));
        self
    }

    /// The same, received at that hour and minute of the proxy's local time.
    #[must_use]
    pub fn at(mut self, hour: u8, minute: u8) -> Self {
        self.received.unix =
            i64::from(hour) * 3600 + i64::from(minute) * 60 - i64::from(self.received.utc_offset);
        self
    }
}

// === impl Sample ===

impl Request for Sample {
    fn method(&self) -> &str {
        &self.method
    }

    fn scheme(&self) -> &str {
        &self.scheme
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn uri(&self) -> &str {
        &self.uri
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn addresses(&self) -> Option<&[IpAddr]> {
        self.addresses.as_deref()
    }

    fn field(&self, name: &str) -> Option<Vec<u8>> {
        let lines: Vec<&[u8]> = self
            .fields
            .iter()
            .filter(|(line, _)| line.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect();
        (!lines.is_empty()).then(|| lines.join(&b", "[..]))
    }

    fn received(&self) -> Moment {
        self.received
    }

    fn answer(&self, helper: &str, key: &str) -> Option<Answer> {
        let is_it = |(h, k, _): &&(String, String, Answer)| h == helper && k == key;
        let found = self.answers.iter().find(is_it);
        found.map(|(.., answer)| answer.clone())
    }

    fn asked_again(&self) -> bool {
        let resolved = self.addresses.is_some() && self.host.parse::<IpAddr>().is_err();
        resolved || !self.answers.is_empty()
    }

    fn identify(&self, user: &str) {
        if !user.is_empty() {
            let _ = self.user.set(user.to_owned());
        }
    }
}

/// A transaction for an observer: GET of that URI by 192.0.2.1, answered 200 by a server, allowed
/// by no rule. The fields can be set as the test needs.
pub fn completed(uri: &str) -> Completed {
    Completed {
        request: Some(1001),
        generation: 1,
        received: Duration::ZERO,
        elapsed: Duration::from_millis(1),
        client: IpAddr::from([192, 0, 2, 1]),
        method: Some("GET".into()),
        uri: uri.into(),
        status: 200,
        code: "TCP_MISS".into(),
        rule: None,
        user: None,
        octets_sent: 0,
        octets_received: 0,
        server: None,
        content_type: None,
        aborted: false,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_the_local_one() {
        let mut request = Sample::get("http://a/");
        request.received.utc_offset = 3600;
        assert_eq!(request.at(0, 30).received.unix, -1800);
    }
}
