//! The proxy's name in the fields that it writes: made once.

use crate::config::Settings;
use crate::http::{Fields, Version, structured_name};
use bytes::Bytes;

/// Values that hold the visible hostname or the unique one.
#[derive(Debug)]
pub struct Names {
    via_10: Bytes,
    via_11: Bytes,
    /// `X-Cache: HIT from host`
    pub hit: Bytes,
    /// `X-Cache: MISS from host`
    pub miss: Bytes,
    /// How a member of Cache-Status begins (RFC 9211 §2).
    pub cache: String,
}

impl Names {
    /// The names of a proxy with these settings.
    pub fn new(settings: &Settings) -> Names {
        let host = &settings.visible_hostname;
        // By which it knows itself when a request comes round again.
        let unique = &settings.unique_hostname;
        Names {
            via_10: format!("1.0 {unique} (wproxy)").into(),
            via_11: format!("1.1 {unique} (wproxy)").into(),
            hit: format!("HIT from {host}").into(),
            miss: format!("MISS from {host}").into(),
            cache: structured_name(host),
        }
    }

    /// The Via that a message of that version gets: what is there already, and the proxy (RFC 9110
    /// §7.6.3).
    pub fn via(&self, fields: &Fields, version: Version) -> Bytes {
        let ours = match version {
            Version::Http10 => &self.via_10,
            Version::Http11 => &self.via_11,
        };
        match fields.joined("via") {
            Some(others) => [others.as_ref(), b", ", ours].concat().into(),
            None => ours.clone(),
        }
    }
}
