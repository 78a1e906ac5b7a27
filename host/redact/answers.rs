//! Secrets in what helpers were asked, and in what they answered.

#[path = "../../plugins/sdk/src/acl/rfc1738.rs"]
mod rfc1738;

use super::{Long, Place, Redactor, names, scan};
use crate::recording::line::Answered;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a word alone can be, with the same.
type Same = BTreeMap<Bytes, Bytes>;

impl Redactor {
    /// Whether there were any.
    pub(super) fn answered(&self, answered: &mut Answered, long: &Long, same: &Same) -> bool {
        let Answered { key, pairs, .. } = answered;
        let words = key.split(' ').map(|word| self.word(word, long, same));
        let redacted = words.collect::<Vec<_>>().join(" ");
        let mut changed = redacted != *key;
        *key = redacted;
        for (name, value) in pairs {
            let redacted = match names::is_secret(name.as_bytes()) && !value.is_empty() {
                true => self.token(value.as_bytes()).into_bytes(),
                false => self.part(value.as_bytes(), long, same),
            };
            changed |= redacted != value.as_bytes();
            *value = String::from_utf8_lossy(&redacted).into_owned();
        }
        changed
    }

    /// A word of a key: encoded, so that it is one.
    fn word(&self, word: &str, long: &Long, same: &Same) -> String {
        let decoded = scan::decodings(word.as_bytes()).into_iter().next();
        let redacted = match decoded {
            Some(decoded) => match self.part(&decoded, long, same) {
                redacted if redacted == decoded => word.to_owned(),
                // A policy that is asked again asks the same.
                redacted => rfc1738::escaped(&redacted),
            },
            None => String::from_utf8_lossy(&self.part(word.as_bytes(), long, same)).into_owned(),
        };
        // Encoded more than once, or as nobody does it here.
        let hidden = scan::decodings(redacted.as_bytes());
        match hidden.iter().any(|text| long.next(text, 0).is_some()) {
            true => self.token(word.as_bytes()),
            false => redacted,
        }
    }

    fn part(&self, part: &[u8], long: &Long, same: &Same) -> Vec<u8> {
        match same.get(part) {
            Some(redacted) => redacted.to_vec(),
            None => self
                .text(Place::Text, part, long)
                .unwrap_or_else(|| part.to_vec()),
        }
    }
}
