//! Cache keys: the URI, and what the response varies by (RFC 9111 §2, §4.1).

mod uri;
mod vary;

use crate::http::Fields;
use std::borrow::Cow;
use std::sync::Arc;

pub use uri::{has_dot_segments, normalised, same_origin};
pub use vary::vary_names;

/// Under what a response is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Normalised.
    uri: Arc<str>,
    /// Of a response that varies: which set of variants, and the request's values.
    variant: Option<(u64, Box<[u8]>)>,
}

/// The request fields that a URI's responses vary by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary {
    /// Lower case, sorted.
    pub names: Arc<[String]>,
    /// Distinguishes this set of variants from one before: what was stored then is not found.
    pub set: u64,
}

impl Key {
    /// The key of a URI.
    pub fn of(uri: &Arc<str>) -> Key {
        let uri = match normalised(uri) {
            Cow::Borrowed(same) if same.len() == uri.len() => uri.clone(),
            other => other.into(),
        };
        Key { uri, variant: None }
    }

    /// The key that a plugin names (squid's `store_id_program`): never that of a URI.
    pub fn named(name: &str) -> Key {
        Key {
            uri: format!("named:{name}").into(),
            variant: None,
        }
    }

    /// The normalised URI, or the name.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The set of variants that it belongs to; none where the response does not vary.
    pub fn set(&self) -> Option<u64> {
        self.variant.as_ref().map(|(set, _)| *set)
    }

    /// The key of the variant that a request selects.
    pub fn variant(&self, vary: &Vary, request: &Fields) -> Key {
        let mut values = Vec::new();
        for name in &*vary.names {
            vary::push_value(name, request, &mut values);
        }
        Key {
            uri: self.uri.clone(),
            variant: Some((vary.set, values.into())),
        }
    }

    /// Octets that no other key has: for the disk.
    pub fn to_octets(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.len() + 16);
        octets.extend_from_slice(&(self.uri.len() as u64).to_be_bytes());
        octets.extend_from_slice(self.uri.as_bytes());
        if let Some((set, values)) = &self.variant {
            octets.extend_from_slice(&set.to_be_bytes());
            octets.extend_from_slice(values);
        }
        octets
    }

    /// Octets that it takes.
    pub fn len(&self) -> usize {
        self.uri.len() + self.variant.as_ref().map_or(0, |(_, values)| values.len())
    }
}

#[cfg(test)]
mod tests;
