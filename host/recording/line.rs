//! The lines of a recording. The head of [`super`] documents them.

use super::Octets;
use crate::plugin::Overrule;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The first one.
    Recording(Header),
    /// What the hooks were asked about one request, and what they said.
    Transaction(Box<Transaction>),
    /// The last one.
    Finished(Finished),
}

/// Which recording it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`super::FORMAT`]
    pub format: u32,
    /// The version of the wproxy that recorded it.
    pub wproxy: String,
    /// The generation that served when it began.
    pub generation: u64,
    /// When it began, as `2026-11-24T21:50:03Z`.
    pub began: String,
    /// Whether secrets were taken out.
    pub redacted: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Transactions in it.
    pub transactions: u64,
    /// Transactions that should be in it and are not, because they came faster than they were taken.
    pub missed: u64,
    /// Which bound was reached.
    pub why: String,
}

/// What the hooks were asked about one request, and what they said: of those that were asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// What the client sent.
    pub request: Asked,
    /// The generation that was asked.
    pub generation: u64,
    /// `access`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// `cache-key`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<Key>,
    /// `request-headers`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<Edit>,
    /// `cache-rules`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_rules: Option<Judged>,
    /// `response-headers`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_headers: Option<Edit>,
    /// Where secrets were taken out: `uri`, or a field's name in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<String>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// What logs call it by.
    pub id: u64,
    /// When it had been read, as `2026-11-24T21:50:03.123456789Z`.
    #[serde(with = "moment")]
    pub received: Timestamp,
    /// Seconds that local time was ahead of UTC then.
    pub offset: i32,
    /// Who asked.
    pub client: SocketAddr,
    /// Case kept.
    pub method: String,
    /// In absolute-form; for CONNECT, in authority-form. User information is never in it.
    pub uri: Octets,
    /// `1.0` or `1.1`
    pub version: String,
    /// As sent.
    pub fields: Fields,
    /// The destination's, where they were known; an empty list where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<IpAddr>>,
    /// What helpers answered about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
}

/// What a helper answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Which.
    pub helper: String,
    /// What it was asked.
    pub key: String,
    /// In short.
    pub finding: Finding,
    /// `user`, `message` and whatever else there was, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<(String, String)>,
}

/// As squid's helpers say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Finding {
    /// It is so.
    Ok,
    /// It is not.
    Err,
    /// There was no answer.
    Bh,
}

/// Field lines, in order: name and value.
pub type Fields = Vec<(Octets, Octets)>;

/// What the hook `access` said in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Access {
    /// It may.
    Allow {
        /// By that rule.
        rule: Rule,
    },
    /// It may not.
    Deny {
        /// By that rule.
        rule: Rule,
        /// 400 to 599
        status: u16,
        /// What the person at the other end read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// 407
    Authenticate {
        /// Who asked for it.
        plugin: String,
        /// Proxy-Authenticate.
        challenge: String,
    },
    /// A plugin failed.
    Failed {
        /// Which.
        plugin: String,
        /// Why.
        reason: String,
    },
}

/// What the hook `cache-key` said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Key {
    /// The URI is it.
    Uri,
    /// That.
    Named(String),
    /// There is none.
    Never,
}

/// A header section before and after a hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the hook was given.
    pub before: Fields,
    /// What it made of it; none where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Fields>,
}

/// A response that the hook `cache-rules` judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
    /// How long it is fresh; none where it must not be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// By which rule it must not; none where it may, or where a plugin failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never: Option<Rule>,
}

/// squid's refresh_pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Who says so.
    pub rule: Rule,
    /// Seconds.
    pub min: u64,
    /// Of the time between Last-Modified and Date.
    pub percent: u32,
    /// Seconds.
    pub max: u64,
    /// `override-expire`, `ignore-reload`, ...
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub options: BTreeSet<Overrule>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The plugin's name.
    pub plugin: String,
    /// `http_access deny all`
    pub text: String,
    /// Where that stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// RFC 3339, to the nanosecond.
mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(
        moment: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(moment)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
