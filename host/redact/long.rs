//! Secrets that are looked for everywhere: as many as a client sends, in time that does not depend
//! on how many those are but for its logarithm.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;

/// Secrets, with what stands in their place.
#[derive(Debug)]
pub(super) struct Long {
    /// In the order of their octets.
    secrets: Vec<Known>,
    /// The octets that one begins with: most places in a text are none where one can.
    begins: [bool; 256],
}

#[derive(Debug)]
struct Known {
    secret: Bytes,
    stand_in: String,
    /// The longest other one that it begins with.
    within: Option<usize>,
}

// === impl Long ===

impl Long {
    pub(super) fn new(all: BTreeMap<Bytes, String>) -> Long {
        let mut secrets: Vec<Known> = Vec::with_capacity(all.len());
        let mut begins = [false; 256];
        for (secret, stand_in) in all {
            if let Some(&first) = secret.first() {
                begins[usize::from(first)] = true;
            }
            // What it begins with comes before it, and so does what that begins with.
            let mut within = secrets.len().checked_sub(1);
            while let Some(before) = within
                && !secret.starts_with(&secrets[before].secret)
            {
                within = secrets[before].within;
            }
            secrets.push(Known {
                secret,
                stand_in,
                within,
            });
        }
        Long { secrets, begins }
    }

    /// Where the next one is from there on. Of those that overlap, all as one, so that of none a part
    /// is left.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let found = |at: usize| Some(at..at + self.longest(&text[at..])?);
        let mut next = (from..text.len()).find_map(found)?;
        let mut at = next.start + 1;
        while at < next.end {
            next.end = found(at).map_or(next.end, |more| more.end.max(next.end));
            at += 1;
        }
        Some(next)
    }

    /// What stands in the place of exactly that; none where it is more than one secret.
    pub(super) fn stand_in(&self, secret: &[u8]) -> Option<&str> {
        let found = self
            .secrets
            .binary_search_by(|known| known.secret.as_ref().cmp(secret));
        Some(&self.secrets[found.ok()?].stand_in)
    }

    /// Octets of the longest one that the text begins with.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        if !self.begins[usize::from(*text.first()?)] {
            return None;
        }
        // All that it begins with come before it in their order; the last one before it begins with
        // them, too.
        let after = self
            .secrets
            .partition_point(|known| known.secret.as_ref() <= text);
        let mut found = after.checked_sub(1);
        while let Some(place) = found {
            let Known { secret, within, .. } = &self.secrets[place];
            if text.starts_with(secret) {
                return Some(secret.len());
            }
            found = *within;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(secrets: &[&str]) -> Long {
        let secrets = secrets.iter().map(|secret| {
            let secret = Bytes::copy_from_slice(secret.as_bytes());
            (secret, "*".to_owned())
        });
        Long::new(secrets.collect())
    }

    #[test]
    fn the_longest_is_found_and_what_overlaps_is_one() {
        for (secrets, text, expected) in [
            (&[][..], "abc", None),
            (&["b"], "", None),
            (&["b"], "abc", Some(1..2)),
            (&["b", "bc"], "abc", Some(1..3)),
            (&["b", "bd", "bca"], "abcd", Some(1..2)),
            (&["ab", "bcd"], "xabcde", Some(1..5)),
            (&["ab", "cd"], "abcd", Some(0..2)),
            (&["aa"], "baaaab", Some(1..5)),
        ] {
            let found = long(secrets).next(text.as_bytes(), 0);
            assert_eq!(found, expected, "{secrets:?} in {text}");
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_looking_for_each_finds(
            secrets in prop::collection::btree_set("[ab]{1,5}", 0..12),
            text in "[abc]{0,30}",
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let long = long(&secrets);
            for at in 0..text.len() {
                let begin = secrets.iter().filter(|secret| text[at..].starts_with(**secret));
                let expected = begin.map(|secret| secret.len()).max();
                prop_assert_eq!(long.longest(&text.as_bytes()[at..]), expected);
            }
        }
    }
}
