//! The access log: one line for each transaction, in squid's native format, Apache's combined one,
//! or JSON. And what every other log has to do with its lines, too.

mod completed;
mod format;
mod rate;
mod writer;

pub use completed::Completed;
pub use format::shown_uri;
pub use rate::{Ruling, Window};
pub use writer::AccessLog;

use crate::http::{Fields, Version};
use crate::transaction::Outcome;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What became of a request, in squid's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Code {
    /// It never became a transaction.
    #[default]
    None,
    /// Policy forbids it.
    Denied,
    /// From the server.
    Miss,
    /// From memory.
    MemHit,
    /// From memory, after the server said that it still holds.
    RefreshUnmodified,
    /// From the server, which had another than memory.
    RefreshModified,
    /// From the server, which could not say whether memory still holds.
    RefreshFail,
    /// From memory though stale: the server could not be asked.
    RefreshFailOld,
    /// 304 by If-Modified-Since, from memory.
    ImsHit,
    /// 304 by If-None-Match, from memory.
    InmHit,
    /// From the disk.
    Hit,
    /// From what another request was receiving (squid: collapsed forwarding).
    CollapsedHit,
    /// A stale response, because `offline_mode` says so.
    OfflineHit,
    /// Fetched because the client did not want what is stored.
    ClientRefreshMiss,
    /// Fetched because what was stored on the disk is damaged.
    SwapfailMiss,
    /// Nobody's: a stale response that was served is asked about in the background.
    Async,
    /// CONNECT, or a connection that switched protocols.
    Tunnel,
}

/// What a line is made of.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its number, by which other logs call it; none where it could not be read.
    pub request: Option<u64>,
    /// When the request had been read.
    pub received: SystemTime,
    /// From its first octet to its end.
    pub elapsed: Duration,
    /// Who asked.
    pub client: IpAddr,
    /// `-` where it is not known.
    pub method: &'a str,
    /// The target, query included: whether it is logged is a setting.
    pub uri: &'a str,
    /// Where the request could be read.
    pub version: Option<Version>,
    /// The request's fields, where it could be read.
    pub fields: Option<&'a Fields>,
    /// The plugin generation that decided; 0 where none was asked.
    pub generation: u64,
    /// What became of it.
    pub outcome: &'a Outcome,
}

/// Without line breaks and other control characters.
pub fn escaped(message: &str) -> String {
    let escaped = message.chars().flat_map(|c| {
        let escaped = c.is_control().then(|| c.escape_default());
        let plain = (!c.is_control()).then_some(c);
        escaped.into_iter().flatten().chain(plain)
    });
    escaped.collect()
}

// === impl Record ===

impl Record<'_> {
    /// The target as it is shown.
    pub fn shown_uri(&self, strip_query: bool) -> &str {
        shown_uri(self.uri, strip_query)
    }
}

// === impl Code ===

impl Code {
    /// All of them, as the manager's page counts them.
    pub const ALL: [Code; 17] = [
        Code::Miss,
        Code::ClientRefreshMiss,
        Code::SwapfailMiss,
        Code::MemHit,
        Code::Hit,
        Code::CollapsedHit,
        Code::OfflineHit,
        Code::ImsHit,
        Code::InmHit,
        Code::Async,
        Code::RefreshModified,
        Code::RefreshUnmodified,
        Code::RefreshFail,
        Code::RefreshFailOld,
        Code::Denied,
        Code::Tunnel,
        Code::None,
    ];

    /// `TCP_MISS`, ...
    pub fn as_str(self) -> &'static str {
        match self {
            Code::None => "NONE_NONE",
            Code::Denied => "TCP_DENIED",
            Code::Miss => "TCP_MISS",
            Code::MemHit => "TCP_MEM_HIT",
            Code::Hit => "TCP_HIT",
            Code::CollapsedHit => "TCP_CF_HIT",
            Code::OfflineHit => "TCP_OFFLINE_HIT",
            Code::ClientRefreshMiss => "TCP_CLIENT_REFRESH_MISS",
            Code::SwapfailMiss => "TCP_SWAPFAIL_MISS",
            Code::Async => "TCP_ASYNC_MISS",
            Code::RefreshUnmodified => "TCP_REFRESH_UNMODIFIED",
            Code::RefreshModified => "TCP_REFRESH_MODIFIED",
            Code::RefreshFail => "TCP_REFRESH_FAIL_ERR",
            Code::RefreshFailOld => "TCP_REFRESH_FAIL_OLD",
            Code::ImsHit => "TCP_IMS_HIT",
            Code::InmHit => "TCP_INM_HIT",
            Code::Tunnel => "TCP_TUNNEL",
        }
    }

    /// Whether the response came out of the cache without the server's help.
    pub fn is_hit(self) -> bool {
        matches!(
            self,
            Code::MemHit
                | Code::Hit
                | Code::CollapsedHit
                | Code::OfflineHit
                | Code::ImsHit
                | Code::InmHit
        )
    }

    /// Whether the cache might have had it, and the server was asked.
    pub fn is_miss(self) -> bool {
        !self.is_hit() && !matches!(self, Code::None | Code::Denied | Code::Tunnel)
    }
}
