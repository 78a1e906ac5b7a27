//! The proxy's name in the fields that it writes: made once.

use crate::cache::Forward;
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
    /// The same, and why the origin is asked.
    forward: [Bytes; Forward::ALL.len()],
}

impl Names {
    /// The names of a proxy with these settings.
    pub fn new(settings: &Settings) -> Names {
        let host = &settings.visible_hostname;
        // By which it knows itself when a request comes round again.
        let unique = &settings.unique_hostname;
        let cache = structured_name(host);
        let forward = |why: Forward| lasting(format!("{cache}; fwd={}", why.as_str()));
        Names {
            forward: Forward::ALL.map(forward),
            via_10: lasting(format!("1.0 {unique} (wproxy)")),
            via_11: lasting(format!("1.1 {unique} (wproxy)")),
            hit: lasting(format!("HIT from {host}")),
            miss: lasting(format!("MISS from {host}")),
            cache,
        }
    }

    /// How the member of Cache-Status begins where the origin is asked.
    pub fn forward(&self, why: Forward) -> &Bytes {
        &self.forward[why as usize]
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

/// There are few, made once; a count that all threads write would cost each of their clones more
/// than a copy.
fn lasting(text: String) -> Bytes {
    Bytes::from_static(text.leak().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, Source};

    #[test]
    fn cache_status_says_why_the_origin_is_asked() {
        let written = Source::new("wproxy.toml", "visible_hostname = \"proxy\"");
        let read = Configuration::from_source(Some(&written), &[]).expect("valid");
        let names = Names::new(&read.settings);
        for why in Forward::ALL {
            let expected = format!("proxy; fwd={}", why.as_str());
            assert_eq!(names.forward(why), expected.as_bytes());
        }
    }
}
