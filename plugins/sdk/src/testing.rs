//! Stand-ins for the host, to test a plugin's logic as ordinary Rust.

use crate::http::{FieldError, Fields, Moment, Request};
use std::cell::RefCell;
use std::net::IpAddr;

/// A request made up for a test. The public fields can be set as the test needs.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named as the methods of Request")]
pub struct Sample {
    pub method: String,
    pub scheme: String,
    pub host: String,
    pub port: u16,
    pub path: String,
    pub uri: String,
    pub client: IpAddr,
    pub addresses: Option<Vec<IpAddr>>,
    pub fields: Vec<(String, Vec<u8>)>,
    pub received: Moment,
}

impl Sample {
    /// GET of an absolute URI such as `http://example.com:81/a?b`, by 192.0.2.1 at the epoch.
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
}

/// Header fields for a test. Nothing here is the host's own, nothing too large.
#[derive(Debug, Default)]
pub struct FieldList(RefCell<Vec<(String, Vec<u8>)>>);

impl FieldList {
    /// Fields of these lines.
    pub fn of(lines: &[(&str, &str)]) -> Self {
        let lines = lines.iter().map(|&(n, v)| (n.to_owned(), v.into()));
        FieldList(RefCell::new(lines.collect()))
    }

    /// The lines as text, for comparing.
    ///
    /// # Panics
    /// On a value that is not UTF-8.
    pub fn text(&self) -> Vec<(String, String)> {
        let line = |(name, value): (String, Vec<u8>)| {
            let value = String::from_utf8(value).expect("a test compares text");
            (name, value)
        };
        self.entries().into_iter().map(line).collect()
    }
}

// === impl FieldList ===

impl Fields for FieldList {
    fn get(&self, name: &str) -> Vec<Vec<u8>> {
        let lines = self.0.borrow();
        let values = lines.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        values.map(|(_, value)| value.clone()).collect()
    }

    fn has(&self, name: &str) -> bool {
        let lines = self.0.borrow();
        lines.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        let mut lines = self.0.borrow_mut();
        let place = lines
            .iter()
            .position(|(n, _)| n.eq_ignore_ascii_case(name))
            .unwrap_or(lines.len());
        lines.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        lines.insert(place, (name.into(), value.into()));
        Ok(())
    }

    fn append(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        self.0.borrow_mut().push((name.into(), value.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> bool {
        let mut lines = self.0.borrow_mut();
        let before = lines.len();
        lines.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        lines.len() < before
    }

    fn remove_all(&self, names: &[String]) {
        for name in names {
            self.remove(name);
        }
    }

    fn entries(&self) -> Vec<(String, Vec<u8>)> {
        self.0.borrow().clone()
    }
}
