//! Conditional requests (RFC 9110 §13) and ranges (§14), against a stored response.

use super::Answer;
use super::freshness::http_date;
use crate::http::Fields;
use bytes::Bytes;
use std::ops::Range;

/// Whether a conditional request says that the client has this response already. Evaluates
/// If-None-Match, or, without it, If-Modified-Since (§13.2.2).
pub fn not_modified(request: &Fields, response: &Fields) -> Option<Answer> {
    if request.has("if-none-match") {
        let etag = response.get("etag").map(|etag| opaque(etag));
        let matches = request.elements("if-none-match").any(|candidate| {
            // Weak comparison: whether either is weak does not matter (§8.8.3.2).
            candidate == b"*" || etag == Some(opaque(candidate))
        });
        return matches.then_some(Answer::NotModified { by_etag: true });
    }
    let since = http_date(request, "if-modified-since")?;
    let modified = http_date(response, "last-modified")?;
    (modified <= since).then_some(Answer::NotModified { by_etag: false })
}

fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

/// Puts the stored response's validators on a request to its origin (RFC 9111 §4.3.1). The
/// client's own conditions are answered from what comes back.
pub fn make_conditional(request: &mut Fields, stored: &Fields) {
    for condition in ["if-none-match", "if-modified-since", "range", "if-range"] {
        request.remove(condition);
    }
    if let Some(modified) = stored.get("last-modified") {
        request.push("If-Modified-Since", modified.clone());
    }
    if let Some(etag) = stored.get("etag") {
        request.push("If-None-Match", etag.clone());
    }
}

/// Whether a stored response can be asked about.
pub fn has_validator(stored: &Fields) -> bool {
    stored.has("etag") || stored.has("last-modified")
}

/// Whether nothing in a response's validators says that it is another one than the stored. Where
/// both have an ETag, that decides (RFC 9111 §4.3.4), and whether it is weak does not matter: a
/// server may send it so with 304 alone.
pub fn same_validators(stored: &Fields, response: &Fields) -> bool {
    let both = |name| stored.get(name).zip(response.get(name));
    match both("etag") {
        Some((stored, new)) => opaque(stored) == opaque(new),
        None => both("last-modified").is_none_or(|(stored, new)| stored == new),
    }
}

/// The fields of a stored response after a 304 (RFC 9111 §3.2): new ones take the old ones' place,
/// but for those that describe the content that was not sent.
pub fn freshened(stored: &Fields, fresh: &Fields) -> Fields {
    const KEPT: [&str; 4] = [
        "content-length",
        "content-encoding",
        "content-type",
        "content-range",
    ];
    let replaces =
        |name: &str| fresh.has(name) && !KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name));
    let mut fields = stored.clone();
    fields.retain(|line| !replaces(&String::from_utf8_lossy(&line.name)));
    for line in fresh.iter() {
        if replaces(&String::from_utf8_lossy(&line.name)) {
            fields.push(line.name.clone(), line.value.clone());
        }
    }
    fields
}

/// What of a body of that length a request's Range asks for, where it is a single range that can
/// be served (§14.2). None: send all of it. An empty answer is 416.
pub fn range(request: &Fields, response: &Fields, length: u64) -> Option<Result<Range<u64>, ()>> {
    let range = request.get("range")?;
    let single = range
        .strip_prefix(b"bytes=")
        .filter(|range| !range.contains(&b','))?;
    if !if_range(request, response) {
        return None;
    }
    let (first, last) = std::str::from_utf8(single).ok()?.trim().split_once('-')?;
    let number = |text: &str| match text.bytes().all(|octet| octet.is_ascii_digit()) {
        true if !text.is_empty() => Some(text.parse().unwrap_or(u64::MAX)),
        _ => None,
    };
    let (start, end) = match (number(first), number(last)) {
        (None, Some(suffix)) if first.is_empty() => (length.saturating_sub(suffix), length),
        (Some(first), None) if last.is_empty() => (first, length),
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        _ => return None,
    };
    Some(if start < end { Ok(start..end) } else { Err(()) })
}

/// §13.1.5: a range of another version than the client has would be useless.
fn if_range(request: &Fields, response: &Fields) -> bool {
    let Some(condition) = request.get("if-range") else {
        return true;
    };
    let equal = |name| {
        response
            .get(name)
            .is_some_and(|value: &Bytes| value == condition)
    };
    match condition.starts_with(b"W/") {
        true => false,
        false => equal("etag") || equal("last-modified"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for &(name, value) in lines {
            fields.push(name, value);
        }
        fields
    }

    const OLD: &str = "Thu, 01 Jan 2015 00:00:00 GMT";
    const LATE: &str = "Sat, 01 Jan 2033 00:00:00 GMT";

    #[test]
    fn conditions_of_the_client() {
        let stored = fields(&[
            ("ETag", "\"v1\""),
            ("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT"),
        ]);
        #[rustfmt::skip]
        let cases = [
            (vec![("If-None-Match", "\"v1\"")], Some(true)),
            (vec![("If-None-Match", "W/\"v1\"")], Some(true)),
            (vec![("If-None-Match", "\"a\", \"v1\"")], Some(true)),
            (vec![("If-None-Match", "*")], Some(true)),
            (vec![("If-None-Match", "\"zz\"")], None),
            (vec![("If-None-Match", "\"zz\""), ("If-Modified-Since", LATE)], None),
            (vec![("If-Modified-Since", LATE)], Some(false)),
            (vec![("If-Modified-Since", OLD)], None),
            (vec![("If-Modified-Since", "junk")], None),
            (vec![], None),
        ];
        for (request, by_etag) in cases {
            let expected = by_etag.map(|by_etag| Answer::NotModified { by_etag });
            assert_eq!(
                not_modified(&fields(&request), &stored),
                expected,
                "{request:?}"
            );
        }
        let without = fields(&[]);
        assert_eq!(
            not_modified(&fields(&[("If-Modified-Since", LATE)]), &without),
            None
        );
        assert_eq!(
            not_modified(&fields(&[("If-None-Match", "\"v1\"")]), &without),
            None
        );
    }

    #[test]
    fn conditions_for_the_origin() {
        let mut request = fields(&[
            ("If-None-Match", "\"client\""),
            ("Range", "bytes=0-1"),
            ("Accept", "*/*"),
        ]);
        make_conditional(
            &mut request,
            &fields(&[("ETag", "\"v1\""), ("Last-Modified", OLD)]),
        );
        let expected = [
            ("Accept", "*/*"),
            ("If-Modified-Since", OLD),
            ("If-None-Match", "\"v1\""),
        ];
        assert_eq!(request, fields(&expected));
    }

    #[test]
    fn validators_say_which_response_is_meant() {
        let stored = fields(&[("ETag", "\"v1\""), ("Last-Modified", OLD)]);
        #[rustfmt::skip]
        let cases = [
            (vec![], true),
            (vec![("ETag", "\"v1\"")], true),
            (vec![("ETag", "W/\"v1\"")], true),
            (vec![("ETag", "\"v2\"")], false),
            (vec![("ETag", "\"v2\""), ("Last-Modified", OLD)], false),
            (vec![("ETag", "\"v1\""), ("Last-Modified", LATE)], true),
            (vec![("Last-Modified", OLD)], true),
            (vec![("Last-Modified", LATE)], false),
        ];
        for (response, same) in cases {
            assert_eq!(
                same_validators(&stored, &fields(&response)),
                same,
                "{response:?}"
            );
        }
    }

    #[test]
    fn a_304_freshens_all_but_the_content() {
        let stored = fields(&[
            ("Date", "old"),
            ("X", "1"),
            ("X", "2"),
            ("Content-Type", "a/b"),
            ("Y", "3"),
        ]);
        let fresh = fields(&[
            ("Date", "new"),
            ("x", "4"),
            ("Content-Type", "c/d"),
            ("Z", "5"),
        ]);
        let expected = [
            ("Content-Type", "a/b"),
            ("Y", "3"),
            ("Date", "new"),
            ("x", "4"),
            ("Z", "5"),
        ];
        assert_eq!(freshened(&stored, &fresh), fields(&expected));
    }

    #[test]
    fn ranges() {
        let stored = fields(&[("ETag", "\"v1\"")]);
        let asked = |asked| range(&fields(&[("Range", asked)]), &stored, 100);
        #[rustfmt::skip]
        let cases = [
            ("bytes=0-9", Some(Ok(0..10))), ("bytes=90-", Some(Ok(90..100))), ("bytes=-5", Some(Ok(95..100))),
            ("bytes=0-999", Some(Ok(0..100))), ("bytes=-999", Some(Ok(0..100))),
            ("bytes=100-", Some(Err(()))), ("bytes=-0", Some(Err(()))),
            ("bytes=99999999999999999999-", Some(Err(()))),
            ("bytes=0-1,5-6", None), ("bytes=9-0", None), ("bytes=-", None), ("bytes=a-b", None),
            ("bytes=+1-2", None), ("items=0-1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(text), expected, "{text}");
        }
        let served = |value| {
            let request = fields(&[("Range", "bytes=0-9"), ("If-Range", value)]);
            range(&request, &stored, 100).is_some()
        };
        assert!(served("\"v1\"") && !served("\"v2\"") && !served("W/\"v1\""));
    }
}
