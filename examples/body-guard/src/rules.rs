//! What is looked for, and how it is found in a body that comes in pieces.

use memchr::memmem::Finder;
use std::sync::Arc;

/// Sequences of octets, of which none is to be in a body.
#[derive(Debug, Default)]
pub struct Wanted {
    needles: Vec<Needle>,
    longest: usize,
}

#[derive(Debug)]
struct Needle {
    finder: Finder<'static>,
    rule: String,
    name: String,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// By which rule it was looked for.
    pub rule: &'a str,
    /// For people.
    pub name: &'a str,
}

/// Looks into one body.
#[derive(Debug)]
pub struct Hunt {
    wanted: Arc<Wanted>,
    /// The end of what has come: something may begin there.
    tail: Vec<u8>,
}

/// Octets of what is looked for: what is shorter is in every large file.
pub const SHORTEST: usize = 4;

/// How private keys begin (RFC 7468, RFC 5958, OpenSSH's PROTOCOL.key, RFC 9580 §6.2, PuTTY's).
const PRIVATE_KEYS: [&str; 9] = [
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN DSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
    "PuTTY-User-Key-File-",
];

/// What a pair of hexadecimal digits each says, blanks between them allowed.
pub fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = hex.chars().filter(|c| *c != ' ').collect();
    let pairs = digits.chunks(2);
    let octet = |pair: &[char]| match pair {
        [high, low] => u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok(),
        _ => None,
    };
    pairs.map(octet).collect()
}

// === impl Wanted ===

impl Wanted {
    pub fn private_keys() -> Wanted {
        let mut wanted = Wanted::default();
        for begins in PRIVATE_KEYS {
            wanted.add("private_keys", "a private key", begins.as_bytes());
        }
        wanted
    }

    /// One more, by that rule.
    pub fn add(&mut self, rule: &str, name: &str, octets: &[u8]) {
        self.longest = self.longest.max(octets.len());
        self.needles.push(Needle {
            finder: Finder::new(octets).into_owned(),
            rule: rule.to_owned(),
            name: name.to_owned(),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    fn find(&self, octets: &[u8]) -> Option<Found<'_>> {
        let mut needles = self.needles.iter();
        let found = needles.find(|needle| needle.finder.find(octets).is_some())?;
        Some(Found {
            rule: &found.rule,
            name: &found.name,
        })
    }
}

// === impl Hunt ===

impl Hunt {
    pub fn new(wanted: Arc<Wanted>) -> Hunt {
        Hunt {
            wanted,
            tail: Vec::new(),
        }
    }

    /// The next octets: what is in them, or began before them.
    pub fn next(&mut self, octets: &[u8]) -> Option<Found<'_>> {
        let reach = self.wanted.longest.saturating_sub(1);
        let beginning = &octets[..octets.len().min(reach)];
        self.tail.extend_from_slice(beginning);
        let across = self.wanted.find(&self.tail);
        if across.is_some() {
            return across;
        }
        // Of short pieces, the end of several; of a long one, its own.
        match octets.len() > reach {
            true => {
                self.tail.clear();
                self.tail.extend_from_slice(&octets[octets.len() - reach..]);
            }
            false => {
                let passed = self.tail.len().saturating_sub(reach);
                self.tail.drain(..passed);
            }
        }
        self.wanted.find(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &Arc<Wanted>, pieces: &[&[u8]]) -> Option<String> {
        let mut hunt = Hunt::new(wanted.clone());
        pieces.iter().find_map(|piece| {
            let found = hunt.next(piece)?;
            Some(found.name.to_owned())
        })
    }

    #[test]
    fn what_is_wanted_is_found_wherever_pieces_end() {
        let mut wanted = Wanted::default();
        wanted.add("one", "short", b"abcd");
        wanted.add("two", "long", b"0123456789");
        let wanted = Arc::new(wanted);
        for (text, name) in [
            ("...abcd...", Some("short")),
            ("abcd", Some("short")),
            (".0123456789", Some("long")),
            ("aabcabcdd", Some("short")),
            ("abc.d012345678", None),
            ("", None),
        ] {
            let text = text.as_bytes();
            for size in 1..=text.len().max(1) {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                let found = found(&wanted, &pieces);
                assert_eq!(found.as_deref(), name, "{text:?} in pieces of {size}");
            }
            // One border, anywhere.
            for at in 0..=text.len() {
                let (one, two) = text.split_at(at);
                let found = found(&wanted, &[one, two]);
                assert_eq!(found.as_deref(), name, "{text:?} cut at {at}");
            }
        }
    }

    #[test]
    fn private_keys_are_known_by_how_they_begin() {
        let wanted = Arc::new(Wanted::private_keys());
        for (text, is_key) in [
            ("x\n-----BEGIN RSA PRIVATE KEY-----\nMIIE", true),
            ("-----BEGIN PRIVATE KEY-----", true),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", true),
            ("-----BEGIN PUBLIC KEY-----", false),
            ("-----BEGIN CERTIFICATE-----", false),
            ("how PRIVATE KEYs begin", false),
        ] {
            let found = found(&wanted, &[text.as_bytes()]);
            assert_eq!(found.is_some(), is_key, "{text}");
        }
    }

    #[test]
    fn octets_are_written_in_pairs() {
        for (hex, expected) in [
            ("4d5a 90 00", Some(&b"MZ\x90\0"[..])),
            ("4D5A", Some(b"MZ")),
            ("", Some(b"")),
            ("4d5", None),
            ("4d5z", None),
        ] {
            assert_eq!(octets(hex).as_deref(), expected, "{hex}");
        }
    }
}
