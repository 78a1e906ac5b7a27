//! Octets in JSON: readable where they are text, and the same again when they have been read.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Octets: a string where they are UTF-8, else `{"base64":"..."}`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Octets(pub Bytes);

/// The key of what is no text.
const BASE64: &str = "base64";

// === impl Octets ===

impl Octets {
    /// As text, made printable if need be.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Octets {
        Octets(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BASE64, &BASE64_STANDARD.encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Octets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or {\"base64\":\"...\"}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Octets, E> {
                Ok(text.into())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Octets, E> {
                Ok(Octets(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Octets, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, value)) if key == BASE64 => {
                        let octets = BASE64_STANDARD.decode(value).map_err(de::Error::custom)?;
                        Ok(Octets(octets.into()))
                    }
                    _ => Err(de::Error::custom("there is no key `base64` in it")),
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}
