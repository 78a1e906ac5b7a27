//! What a hook sees of the transaction, as traits: the host's resources implement them inside
//! wasm, [`crate::testing`] outside.

use crate::glue::bindings::base::wproxy::plugin::http as wit;
use std::cell::OnceCell;
use std::net::IpAddr;

pub use wit::{Answer, FieldError, Finding, Moment};

/// The request as the client sent it. Each method is that of the WIT resource `request`; method and
/// scheme are text here.
///
/// What was asked for once is remembered for the length of the call.
pub trait Request {
    /// As sent, case kept: `GET`.
    fn method(&self) -> &str;
    /// `http`, `https`, `cache_object` for manager pages; empty for CONNECT.
    fn scheme(&self) -> &str;
    /// Lower case, without port, brackets and final dot.
    fn host(&self) -> &str;
    /// Explicit or the scheme's default.
    fn port(&self) -> u16;
    /// Path and query as sent; empty for CONNECT.
    fn path(&self) -> &str;
    /// The whole target, normalised: `http://example.com/a?b`, for CONNECT `example.com:443`.
    fn uri(&self) -> &str;
    /// Who is asking.
    fn client(&self) -> IpAddr;
    /// The destination's addresses, once they are known.
    fn addresses(&self) -> Option<&[IpAddr]>;
    /// That field's lines joined by `, `; none without such a line.
    fn field(&self, name: &str) -> Option<Vec<u8>>;
    /// When the proxy had read the request's header section.
    fn received(&self) -> Moment;
    /// What that helper has answered about that key, once it was looked up.
    fn answer(&self, helper: &str, key: &str) -> Option<Answer>;
    /// Whether the hook `access` has been asked about it before, so that who counts requests has
    /// counted this one.
    fn asked_again(&self) -> bool;
    /// Says who the client is, for the access log: in `access`, where a helper or the plugin itself
    /// vouches for that name. The first that is said stays.
    fn identify(&self, user: &str);
}

/// Header fields that a hook may change. Each method is that of the WIT resource `fields`.
pub trait Fields {
    /// Every line's value of that name, in order.
    fn get(&self, name: &str) -> Vec<Vec<u8>>;
    /// Whether there is a line of that name.
    fn has(&self, name: &str) -> bool;
    /// Replaces all lines of that name by one.
    ///
    /// # Errors
    /// What is not a field, belongs to the host or makes the header section too large.
    fn set(&self, name: &str, value: &[u8]) -> Result<(), FieldError>;
    /// One more line at the end.
    ///
    /// # Errors
    /// As [`Fields::set`].
    fn append(&self, name: &str, value: &[u8]) -> Result<(), FieldError>;
    /// Removes every line of that name. Whether there was one that could be removed.
    fn remove(&self, name: &str) -> bool;
    /// The same for several names at once, which costs less than a call for each.
    fn remove_all(&self, names: &[String]);
    /// All lines, in order.
    fn entries(&self) -> Vec<(String, Vec<u8>)>;
}

/// So many names the host takes at once.
const MOST_NAMES: usize = 1000;

/// The host's request, each getter called at most once.
pub(crate) struct Incoming<'a> {
    resource: &'a wit::Request,
    facts: OnceCell<wit::Facts>,
    host: OnceCell<String>,
    path: OnceCell<String>,
    uri: OnceCell<String>,
    addresses: OnceCell<Option<Vec<IpAddr>>>,
}

// === impl Incoming ===

impl<'a> Incoming<'a> {
    pub(crate) fn new(resource: &'a wit::Request) -> Self {
        Incoming {
            resource,
            facts: OnceCell::new(),
            host: OnceCell::new(),
            path: OnceCell::new(),
            uri: OnceCell::new(),
            addresses: OnceCell::new(),
        }
    }

    /// All of them, for who wants one mostly wants others.
    fn facts(&self) -> &wit::Facts {
        self.facts.get_or_init(|| self.resource.facts())
    }
}

impl Request for Incoming<'_> {
    fn method(&self) -> &str {
        name(&self.facts().method)
    }

    fn scheme(&self) -> &str {
        match &self.facts().scheme {
            None => "",
            Some(wit::Scheme::Http) => "http",
            Some(wit::Scheme::Https) => "https",
            Some(wit::Scheme::CacheObject) => "cache_object",
            Some(wit::Scheme::Other(other)) => other,
        }
    }

    fn host(&self) -> &str {
        self.host.get_or_init(|| self.resource.host())
    }

    fn port(&self) -> u16 {
        self.facts().port
    }

    fn path(&self) -> &str {
        self.path.get_or_init(|| self.resource.path())
    }

    fn uri(&self) -> &str {
        self.uri.get_or_init(|| self.resource.uri())
    }

    fn client(&self) -> IpAddr {
        address(self.facts().client)
    }

    fn addresses(&self) -> Option<&[IpAddr]> {
        self.addresses
            .get_or_init(|| {
                let known = self.resource.addresses()?;
                Some(known.into_iter().map(address).collect())
            })
            .as_deref()
    }

    fn field(&self, name: &str) -> Option<Vec<u8>> {
        self.resource.field(name)
    }

    fn received(&self) -> Moment {
        self.resource.received()
    }

    fn answer(&self, helper: &str, key: &str) -> Option<Answer> {
        self.resource.answer(helper, key)
    }

    fn asked_again(&self) -> bool {
        self.resource.asked_again()
    }

    fn identify(&self, user: &str) {
        self.resource.identify(user);
    }
}

/// `GET`
pub(crate) fn name(method: &wit::Method) -> &str {
    match method {
        wit::Method::Get => "GET",
        wit::Method::Head => "HEAD",
        wit::Method::Post => "POST",
        wit::Method::Put => "PUT",
        wit::Method::Delete => "DELETE",
        wit::Method::Connect => "CONNECT",
        wit::Method::Options => "OPTIONS",
        wit::Method::Trace => "TRACE",
        wit::Method::Patch => "PATCH",
        wit::Method::Other(other) => other,
    }
}

pub(crate) fn address(address: wit::IpAddress) -> IpAddr {
    match address {
        wit::IpAddress::V4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        wit::IpAddress::V6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

// === impl Answer ===

impl Answer {
    /// squid's OK, with these pairs.
    pub fn found(pairs: &[(&str, &str)]) -> Self {
        Answer::of(Finding::Found, pairs)
    }

    /// squid's ERR, with these.
    pub fn not_found(pairs: &[(&str, &str)]) -> Self {
        Answer::of(Finding::NotFound, pairs)
    }

    /// squid's BH, with these.
    pub fn failed(pairs: &[(&str, &str)]) -> Self {
        Answer::of(Finding::Failed, pairs)
    }

    fn of(finding: Finding, pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|&(n, v)| (n.to_owned(), v.to_owned()));
        Answer {
            finding,
            pairs: pairs.collect(),
        }
    }

    /// Whether it is squid's OK.
    pub fn is_found(&self) -> bool {
        self.finding == Finding::Found
    }

    /// The first pair's value of that name: `user`, `message`, `tag`.
    pub fn pair(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(pair, _)| pair == name);
        found.map(|(_, value)| value.as_str())
    }
}

// === impl wit::Fields ===

impl Fields for wit::Fields {
    fn get(&self, name: &str) -> Vec<Vec<u8>> {
        self.get(name)
    }

    fn has(&self, name: &str) -> bool {
        self.has(name)
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        self.set(name, value)
    }

    fn append(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        self.append(name, value)
    }

    fn remove(&self, name: &str) -> bool {
        self.remove(name)
    }

    fn remove_all(&self, names: &[String]) {
        for names in names.chunks(MOST_NAMES) {
            self.remove_all(names);
        }
    }

    fn entries(&self) -> Vec<(String, Vec<u8>)> {
        self.entries()
    }
}
