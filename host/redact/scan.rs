//! Secrets in URIs and other texts: `name=value` under a name that says so, and user information.

use super::{Secret, names};
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::ops::Range;

/// How often a value may be encoded: a URL in a URL in a URL.
const DEPTH: usize = 3;
/// What ends a value in any text.
const ENDS: &[u8] = b"&# \t\"'<>";

/// Says of a value whether a secret is inside it.
type Inside = fn(&[u8]) -> bool;

/// In a URI, or in a key that looks like one.
pub(super) fn uri(text: &[u8]) -> Vec<Secret> {
    let query = memchr::memchr(b'?', text).unwrap_or(text.len());
    let mut found = user_information(&text[..query], 0);
    found.extend(assignments(&text[..query], 0, b";/#", holds_one));
    found.extend(assignments(&text[query..], query, b"&#", holds_one));
    apart(found)
}

/// In anything.
pub(super) fn text(text: &[u8]) -> Vec<Secret> {
    let mut found = user_information(text, 0);
    found.extend(assignments(text, 0, ENDS, holds_one));
    apart(found)
}

/// What it says where it is percent-encoded, however often.
pub(super) fn decodings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for _ in 0..DEPTH {
        match decode(all.last().map_or(text, Vec::as_slice)) {
            Some(decoded) => all.push(decoded),
            None => break,
        }
    }
    all
}

/// The values of secret names, and those with a secret inside, which end before one of these.
fn assignments(text: &[u8], offset: usize, ends: &[u8], inside: Inside) -> Vec<Secret> {
    let mut found = Vec::new();
    // Up to there, values have been looked into: `a=b=c` is not to be once for each of its parts.
    let mut looked = 0;
    // Where the next of the ends is.
    let mut stop = 0;
    let mut from = 0;
    while let Some(equals) = memchr::memchr(b'=', &text[from..]).map(|at| from + at) {
        let name = name_before(&text[from..equals]);
        if stop <= equals {
            let rest = text[equals + 1..].iter();
            let end = rest.clone().position(|octet| ends.contains(octet));
            stop = equals + 1 + end.unwrap_or(rest.len());
        }
        let value = value_after(text, equals + 1, stop);
        from = equals + 1;
        if value.is_empty() {
            continue;
        }
        let decoded = decode(name);
        let secret = names::is_secret(name)
            || decoded.is_some_and(|name| names::is_secret(&name))
            || (value.end > looked && inside(&text[value.clone()]));
        looked = looked.max(value.end);
        if secret {
            from = value.end;
            found.push(Secret::plain(value.start + offset..value.end + offset));
        }
    }
    found
}

/// The name that ends there.
fn name_before(text: &[u8]) -> &[u8] {
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.%[]$~".contains(octet);
    let start = text.iter().rposition(|octet| !is_name(octet));
    &text[start.map_or(0, |at| at + 1)..]
}

/// The value that begins there, without its quotes; one without quotes stops there.
fn value_after(text: &[u8], start: usize, stop: usize) -> Range<usize> {
    if let Some(quote @ (b'"' | b'\'')) = text.get(start)
        && let Some(length) = memchr::memchr(*quote, &text[start + 1..])
    {
        return start + 1..start + 1 + length;
    }
    start..stop
}

/// Whether a secret is in it once it is decoded.
fn holds_one(value: &[u8]) -> bool {
    let holds = |text: &Vec<u8>| {
        // What is encoded in there, the next decoding shows.
        !user_information(text, 0).is_empty() || !assignments(text, 0, ENDS, |_| false).is_empty()
    };
    decodings(value).iter().any(holds)
}

/// Percent-decoded; none where nothing is encoded in it.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    match percent_decode(text).into() {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

/// `user:password` of `://user:password@host`.
fn user_information(text: &[u8], offset: usize) -> Vec<Secret> {
    let starts = memchr::memmem::find_iter(text, b"://").map(|at| at + 3);
    let found = starts.filter_map(|start| {
        let ends = |octet: &u8| b"/?#\\ \t\"'<>".contains(octet);
        let length = text[start..].iter().position(ends);
        let end = length.map_or(text.len(), |length| start + length);
        let at = memchr::memrchr(b'@', &text[start..end])?;
        (at > 0).then(|| Secret::plain(start + offset..start + at + offset))
    });
    found.collect()
}

/// In order; of two that overlap, both as one.
pub(super) fn apart(mut found: Vec<Secret>) -> Vec<Secret> {
    found.sort_by_key(|secret| secret.at.start);
    let mut apart: Vec<Secret> = Vec::new();
    for secret in found {
        match apart.last_mut() {
            Some(last) if secret.at.start < last.at.end => {
                last.at.end = last.at.end.max(secret.at.end);
            }
            _ => apart.push(secret),
        }
    }
    apart
}
