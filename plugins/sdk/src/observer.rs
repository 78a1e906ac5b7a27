//! What an observer is told of a transaction.

use crate::glue::bindings::base::wproxy::plugin::http::Method;
use crate::glue::bindings::observer::exports::wproxy::plugin::observer as wit;
use crate::http::{self, address};
use std::net::IpAddr;
use std::time::Duration;

pub use wit::Rule;

/// A transaction as it ended: what the access log has of it.
#[derive(Debug, Clone)]
pub struct Completed {
    /// The number by which logs and error pages call it; none where no request could be read.
    pub request: Option<u64>,
    /// The generation of plugins that decided about it; 0 where none was asked.
    pub generation: u64,
    /// When its header section had been read, since 1970-01-01T00:00:00Z.
    pub received: Duration,
    /// From its first octet to its end.
    pub elapsed: Duration,
    /// Who asked.
    pub client: IpAddr,
    /// As sent, case kept: `GET`. None where it could not be read.
    pub method: Option<String>,
    /// As the access log shows it, without its query where that strips queries.
    pub uri: String,
    /// What the client got; 0 where nothing.
    pub status: u16,
    /// In squid's words: `TCP_MISS`, `TCP_MEM_HIT`, `TCP_DENIED`, `TCP_TUNNEL`.
    pub code: String,
    /// What allowed or denied it.
    pub rule: Option<Rule>,
    /// Who the client is, where a plugin has said so.
    pub user: Option<String>,
    /// Octets sent to the client: of the response, or through the tunnel.
    pub octets_sent: u64,
    /// Octets received from the client through a tunnel.
    pub octets_received: u64,
    /// Where the response comes from, where a server was asked.
    pub server: Option<IpAddr>,
    /// The response's Content-Type.
    pub content_type: Option<String>,
    /// Whether the client left before the end.
    pub aborted: bool,
    /// What went wrong, in RFC 9209's words: `connection_refused`.
    pub error: Option<String>,
}

// === impl Completed ===

impl Completed {
    /// Whether policy forbade it. Who is only asked who it is (407) is not denied yet.
    pub fn is_denied(&self) -> bool {
        self.code == "TCP_DENIED" && self.status != 407
    }
}

impl From<wit::Completed> for Completed {
    fn from(completed: wit::Completed) -> Self {
        Completed {
            request: completed.request,
            generation: completed.generation,
            received: Duration::from_micros(completed.received),
            elapsed: Duration::from_micros(completed.elapsed),
            client: address(completed.client),
            method: completed.method.map(|method: Method| match method {
                Method::Other(other) => other,
                known => http::name(&known).to_owned(),
            }),
            uri: completed.uri,
            status: completed.status,
            code: completed.code,
            rule: completed.rule,
            user: completed.user,
            octets_sent: completed.octets_sent,
            octets_received: completed.octets_received,
            server: completed.server.map(address),
            content_type: completed.content_type,
            aborted: completed.aborted,
            error: completed.error,
        }
    }
}
