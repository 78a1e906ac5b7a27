//! What a file of the disk store says about its body: a line of JSON, and the response's header
//! section as it came. People can read it: `tail -c 2000 FILE`.

use super::control::ResponseControl;
use super::freshness::Times;
use super::key::{Key, Vary};
use super::stored::{Body, Judging, Stored};
use super::{Listed, Tier, signed};
use crate::http::ResponseHead;
use crate::plugin::Refresh;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What stands under a key.
#[derive(Debug)]
pub(super) enum Dossier {
    /// A response, its body left out.
    Response(Box<Filed>),
    /// Its URI's responses vary.
    Variants { uri: String, vary: Vary },
}

/// A response's part of it.
#[derive(Debug)]
pub(super) struct Filed {
    uri: String,
    /// The set of variants that it belongs to.
    pub(super) set: Option<u64>,
    head: ResponseHead,
    times: Times,
    control: ResponseControl,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<Received>,
    /// The set of variants that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vary: Option<(Vec<String>, u64)>,
}

/// When a response came, in milliseconds since the epoch, and its age then, in seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Received {
    at: u64,
    age: u64,
}

/// For a response.
pub(super) fn of_response(stored: &Stored, key: &Key) -> Vec<u8> {
    let received = Received {
        at: millis(stored.times.response_time),
        age: stored.times.initial_age,
    };
    let mut octets = line(&Line {
        uri: stored.uri.to_string(),
        received: Some(received),
        set: key.set(),
        vary: None,
    });
    octets.extend_from_slice(b"HTTP/1.1 ");
    octets.extend_from_slice(stored.status.as_str().as_bytes());
    octets.extend_from_slice(b" \r\n");
    stored.fields.write(&mut octets);
    octets.extend_from_slice(b"\r\n");
    octets
}

/// For a set of variants.
pub(super) fn of_variants(uri: &str, vary: &Vary) -> Vec<u8> {
    line(&Line {
        uri: uri.to_owned(),
        received: None,
        set: None,
        vary: Some((vary.names.to_vec(), vary.set)),
    })
}

/// What it says; none where it was written by another version.
/// `targets`: the fields that count before Cache-Control (RFC 9213).
pub(super) fn read(octets: &[u8], targets: &[String]) -> Option<Dossier> {
    let end = memchr::memchr(b'\n', octets)?;
    let line: Line = serde_json::from_slice(&octets[..end]).ok()?;
    if let Some((names, set)) = line.vary {
        let vary = Vary {
            names: names.into(),
            set,
        };
        return Some(Dossier::Variants {
            uri: line.uri,
            vary,
        });
    }
    let received = line.received?;
    let head = ResponseHead::parse(&Bytes::copy_from_slice(&octets[end + 1..])).ok()?;
    let control = ResponseControl::of_targeted(&head.fields, targets);
    let at = time(received.at);
    let times = Times {
        initial_age: received.age,
        ..Times::of(&head.fields, &control, at, at)
    };
    Some(Dossier::Response(Box::new(Filed {
        uri: line.uri,
        set: line.set,
        head,
        times,
        control,
    })))
}

impl Filed {
    /// The response, its body there, and what was said of it.
    pub(super) fn with_body(self, body: Body, judged: Judging) -> Stored {
        Stored {
            uri: self.uri.into(),
            status: self.head.status,
            fields: self.head.fields,
            body,
            times: self.times,
            control: self.control,
            judged,
        }
    }

    /// For a list. What policy would say of its freshness is not known here.
    pub(super) fn listed(&self, length: u64, now: SystemTime) -> Listed {
        let age = self.times.age(now);
        let lifetime = match self.control.no_cache {
            true => 0,
            false => self.times.lifetime(&Refresh::stale_at_once()),
        };
        Listed {
            tier: Tier::Disk,
            status: self.head.status.as_u16(),
            size: length,
            age,
            ttl: signed(lifetime) - signed(age),
            uri: self.uri.as_str().into(),
        }
    }
}

// === impl Dossier ===

impl Dossier {
    /// What it was asked for.
    pub(super) fn uri(&self) -> &str {
        match self {
            Dossier::Response(filed) => &filed.uri,
            Dossier::Variants { uri, .. } => uri,
        }
    }
}

fn line(line: &Line) -> Vec<u8> {
    // Strings and numbers can always be written.
    let mut octets = serde_json::to_vec(line).unwrap_or_default();
    octets.push(b'\n');
    octets
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.min(u64::MAX >> 16))
}
