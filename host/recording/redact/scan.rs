//! Secrets in URIs and other texts: `name=value` under a name that says so, and user information.

use super::{Secret, names};
use std::ops::Range;

/// How often a value may be encoded: a URL in a URL in a URL.
const DEPTH: usize = 3;

/// In a URI, or in a key that looks like one.
pub(super) fn uri(text: &[u8]) -> Vec<Secret> {
    let query = memchr::memchr(b'?', text).unwrap_or(text.len());
    let mut found = user_information(&text[..query], 0);
    found.extend(assignments(&text[..query], 0, b";/#"));
    found.extend(assignments(&text[query..], query, b"&#"));
    apart(found)
}

/// In anything.
pub(super) fn text(text: &[u8]) -> Vec<Secret> {
    let mut found = user_information(text, 0);
    found.extend(assignments(text, 0, b"&# \t\"'<>"));
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

/// The values of secret names, which end before one of these.
fn assignments(text: &[u8], offset: usize, ends: &[u8]) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(equals) = memchr::memchr(b'=', &text[from..]).map(|at| from + at) {
        let name = name_before(&text[from..equals]);
        let value = value_after(text, equals + 1, ends);
        from = equals + 1;
        if value.is_empty() {
            continue;
        }
        let decoded = decode(name);
        let secret = names::is_secret(name)
            || decoded.is_some_and(|name| names::is_secret(&name))
            || holds_one(&text[value.clone()]);
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

/// The value that begins there, without its quotes.
fn value_after(text: &[u8], start: usize, ends: &[u8]) -> Range<usize> {
    if let Some(quote @ (b'"' | b'\'')) = text.get(start)
        && let Some(length) = memchr::memchr(*quote, &text[start + 1..])
    {
        return start + 1..start + 1 + length;
    }
    let length = text[start..].iter().position(|octet| ends.contains(octet));
    start..length.map_or(text.len(), |length| start + length)
}

/// Whether a secret is in it once it is decoded.
fn holds_one(value: &[u8]) -> bool {
    let decoded = decodings(value);
    decoded.iter().any(|decoded| !text(decoded).is_empty())
}

/// Percent-decoded; none where nothing is encoded in it.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', text)?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut encoded = false;
    while let Some((&octet, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|digits| octet == b'%' && digits.bytes().all(|d| d.is_ascii_hexdigit()))
        {
            Some(digits) => {
                out.extend(u8::from_str_radix(digits, 16));
                encoded = true;
                rest = &after[2..];
            }
            None => {
                out.push(octet);
                rest = after;
            }
        }
    }
    encoded.then_some(out)
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
