use super::*;
use crate::http::{Fields, Form, RequestHead, Target, Version};
use bytes::Bytes;
use std::time::SystemTime;

const WEEK: u64 = 7 * 86_400;

fn request(method: Method, uri: &'static str, lines: &[(&'static str, &'static str)]) -> Request {
    let target = Bytes::from_static(uri.as_bytes());
    let Ok(Form::Proxy(parsed)) = Target::parse(&method, &target) else {
        panic!("{uri} is no target");
    };
    let head = RequestHead {
        method,
        target,
        version: Version::Http11,
        fields: fields(lines),
    };
    let client = ([127, 0, 0, 1], 1).into();
    Request::new(head, parsed, client, SystemTime::UNIX_EPOCH)
}

fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
    let mut fields = Fields::default();
    for &(name, value) in lines {
        fields.push(name, value);
    }
    fields
}

fn says(text: &'static str) -> ResponseControl {
    ResponseControl::of(&fields(&[("Cache-Control", text)]))
}

fn asks(text: &'static str) -> RequestControl {
    RequestControl::of(&fields(&[("Cache-Control", text)]))
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a status of a table")
}

#[test]
fn requests_that_a_cache_may_answer() {
    #[rustfmt::skip]
    let cases = [
        // RFC 9110 §9.3.1, §9.3.2: GET and HEAD.
        (Method::GET, vec![], true), (Method::HEAD, vec![], true),
        (Method::POST, vec![], false), (Method::OPTIONS, vec![], false),
        // RFC 9110 §9.1: methods are case-sensitive.
        (Method::from_bytes(b"get").expect("a token"), vec![], false),
        // RFC 9110 §9.3.1: content of a GET has no semantics that a cache knows.
        (Method::GET, vec![("Content-Length", "1")], false), (Method::GET, vec![("Content-Length", "0")], true),
        (Method::GET, vec![("Transfer-Encoding", "chunked")], false),
        // RFC 9111 §4.3.2: If-Match and If-Unmodified-Since are not applicable to a cache.
        (Method::GET, vec![("If-Match", "\"a\"")], false),
        (Method::GET, vec![("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")], false),
        (Method::GET, vec![("If-None-Match", "\"a\""), ("Range", "bytes=0-1")], true),
    ];
    for (method, lines, expected) in cases {
        let what = format!("{method} {lines:?}");
        let request = request(method, "http://a/", &lines);
        assert_eq!(is_cacheable(&request), expected, "{what}");
    }
    // RFC 3986 §6.2.2.3: nobody asks so who means well.
    for (uri, expected) in [
        ("http://a/b/../c", false),
        ("http://a/%2e/b", false),
        ("http://a/.b?../", true),
    ] {
        assert_eq!(
            is_cacheable(&request(Method::GET, uri, &[])),
            expected,
            "{uri}"
        );
    }
}

#[test]
fn statuses() {
    let (plain, public, understood) = (says("max-age=1"), says("public"), says("must-understand"));
    // Whether it is stored, whether also where it must be understood, whether only with an expiry.
    #[rustfmt::skip]
    let cases = [
        // RFC 9110 §15.1: heuristically cacheable.
        (200, true, true, false), (203, true, true, false), (300, true, true, false),
        (301, true, true, false), (308, true, true, false), (410, true, true, false),
        // The same, but squid's negative_ttl is 0.
        (204, true, true, true), (404, true, true, true), (405, true, true, true),
        (414, true, true, true), (501, true, true, true),
        // RFC 9110 §16.2.2: with explicit freshness any final status.
        (302, true, true, true), (303, true, true, true), (307, true, true, true),
        (403, true, true, true), (451, true, true, true),
        // RFC 9111 §5.2.2.3: what is not known here.
        (201, true, false, true), (299, true, false, true), (399, true, false, true),
        // RFC 9111 §3: partial content and answers to conditions.
        (206, false, false, true), (304, false, false, true),
        // About one request: others would only be harmed.
        (400, false, false, true), (401, false, false, true), (407, false, false, true), (412, false, false, true),
        (413, false, false, true), (416, false, false, true), (417, false, false, true), (421, false, false, true),
        (499, false, false, true),
        // RFC 6585 §3 to §6: MUST NOT be stored by a cache.
        (428, false, false, true), (429, false, false, true), (431, false, false, true), (511, false, false, true),
        // About one moment.
        (500, false, false, true), (502, false, false, true), (503, false, false, true), (504, false, false, true),
        (599, false, false, true),
    ];
    for (code, stored, also_understood, expiry) in cases {
        let code = status(code);
        assert_eq!(is_storable_status(code, &plain), stored, "{code}");
        assert_eq!(
            is_storable_status(code, &understood),
            also_understood,
            "{code}"
        );
        assert_eq!(needs_expiry(code, &plain), expiry, "{code}");
        // RFC 9111 §5.2.2.9: public without freshness information is heuristically cacheable.
        assert!(!needs_expiry(code, &public), "{code}");
    }
    // RFC 9111 §3: an interim response is not final.
    assert!(!is_storable_status(status(103), &plain));
}

#[test]
fn what_a_shared_cache_may_store() {
    let plain = || request(Method::GET, "http://a/", &[]);
    let authorised = || request(Method::GET, "http://a/", &[("Authorization", "Basic eDp5")]);
    let in_uri = || request(Method::GET, "http://user:word@a/", &[]);
    #[rustfmt::skip]
    let cases = [
        (plain(), "", true), (plain(), "max-age=1", true),
        // §5.2.2.5, §5.2.2.7.
        (plain(), "no-store", false), (plain(), "private", false), (plain(), "private, public", false),
        (plain(), "private=\"x-a\"", true),
        // §5.2.2.3.
        (plain(), "no-store, must-understand", true), (plain(), "private, must-understand", false),
        // §5.2.2.4: it can be asked about.
        (plain(), "no-cache", true),
        // §3.5: must-revalidate, public and s-maxage have such an effect; nothing else has.
        (authorised(), "", false), (authorised(), "max-age=60", false), (authorised(), "proxy-revalidate", false),
        (authorised(), "must-revalidate", true), (authorised(), "public", true), (authorised(), "s-maxage=1", true),
        (authorised(), "public, private", false), (authorised(), "public, no-store", false),
        // RFC 9110 §4.2.4: the same credentials in another place.
        (in_uri(), "", false), (in_uri(), "public", true),
    ];
    let refresh = Refresh::stale_at_once();
    for (request, text, expected) in cases {
        let may = shared_cache_may_store(&request, &says(text), Some(&refresh));
        assert_eq!(may, expected, "{:?} {text}", request.fields);
    }
    let ignoring = Refresh {
        overrules: [Overrule::IgnoreNoStore, Overrule::IgnorePrivate].into(),
        ..Refresh::stale_at_once()
    };
    // squid's refresh_pattern options; none of them is about credentials.
    for text in ["no-store", "private", "no-store, private"] {
        assert!(
            shared_cache_may_store(&plain(), &says(text), Some(&ignoring)),
            "{text}"
        );
        assert!(
            !shared_cache_may_store(&authorised(), &says(text), Some(&ignoring)),
            "{text}"
        );
    }
}

#[test]
fn what_is_served_without_asking() {
    // Age, seconds left.
    #[rustfmt::skip]
    let cases = [
        // §4.2: fresh where the lifetime is greater than the age.
        ("", "", 10, 1, true), ("", "", 10, 0, false), ("", "", 10, -1, false),
        // §5.2.1.1.
        ("", "max-age=10", 10, 5, true), ("", "max-age=9", 10, 5, false), ("", "max-age=0", 0, 5, false),
        // §5.2.1.3.
        ("", "min-fresh=5", 10, 5, true), ("", "min-fresh=6", 10, 5, false),
        // §5.2.1.2.
        ("", "max-stale", 10, -9999, true), ("", "max-stale=5", 10, -5, true), ("", "max-stale=5", 10, -6, false),
        ("", "max-stale=5, max-age=9", 10, -1, false), ("", "max-stale, min-fresh=1", 10, -1, false),
        // §4.2.4: prohibited by an explicit directive.
        ("must-revalidate", "max-stale", 10, -1, false), ("proxy-revalidate", "max-stale", 10, -1, false),
        ("s-maxage=9", "max-stale", 10, -1, false), ("no-cache", "max-stale", 10, -1, false),
        ("must-revalidate", "", 10, 1, true),
    ];
    for (response, request, age, ttl, expected) in cases {
        assert_eq!(
            acceptable(&says(response), &asks(request), age, ttl),
            expected,
            "{response}; {request}; {age}; {ttl}"
        );
    }
}

#[test]
fn what_is_served_while_the_origin_is_asked() {
    #[rustfmt::skip]
    let cases = [
        // RFC 5861 §3: up to the indicated number of seconds.
        ("stale-while-revalidate=30", "", 630, -30, true), ("stale-while-revalidate=30", "", 631, -31, false),
        ("stale-while-revalidate=0", "", 600, 0, true), ("stale-while-revalidate=x", "", 601, -1, false),
        ("", "", 601, -1, false), ("stale-if-error=60", "", 601, -1, false),
        // RFC 9111 §4.2.4.
        ("must-revalidate, stale-while-revalidate=30", "", 601, -1, false),
        ("proxy-revalidate, stale-while-revalidate=30", "", 601, -1, false),
        ("s-maxage=600, stale-while-revalidate=30", "", 601, -1, false),
        ("no-cache, stale-while-revalidate=30", "", 601, -1, false),
        ("no-cache=\"x-a\", stale-while-revalidate=30", "", 601, -1, true),
        // RFC 9111 §5.2.1.
        ("stale-while-revalidate=30", "no-cache", 601, -1, false), ("stale-while-revalidate=30", "max-age=0", 601, -1, false),
        ("stale-while-revalidate=30", "max-age=999", 601, -1, false), ("stale-while-revalidate=30", "min-fresh=0", 601, -1, false),
        ("stale-while-revalidate=30", "max-stale=1", 601, -1, true), ("stale-while-revalidate=30", "max-stale=1", 602, -2, false),
        ("stale-while-revalidate=30", "max-stale, max-age=601", 601, -1, true),
        ("stale-while-revalidate=30", "max-stale, max-age=600", 601, -1, false),
        ("stale-while-revalidate=30", "only-if-cached", 601, -1, true),
    ];
    for (response, request, age, ttl, expected) in cases {
        assert_eq!(
            may_revalidate_behind(&says(response), &asks(request), age, ttl),
            expected,
            "{response}; {request}; {age}; {ttl}"
        );
    }
}

#[test]
fn what_stands_in_for_an_error() {
    let gone = Trouble::Disconnected;
    let said = |code| Trouble::Status(status(code));
    let week = 604_800;
    #[rustfmt::skip]
    let cases = [
        // RFC 9111 §4.2.4: disconnected; squid's max_stale.
        ("", "", -week, gone, true), ("", "", -week - 1, gone, false),
        ("must-revalidate", "", -1, gone, false), ("proxy-revalidate", "", -1, gone, false),
        ("s-maxage=1", "", -1, gone, false), ("no-cache", "", -1, gone, false),
        // RFC 5861 §4: 500, 502, 503 or 504, up to the indicated staleness.
        ("", "", -1, said(503), false), ("stale-if-error=9", "", -9, said(500), true),
        ("stale-if-error=9", "", -9, said(502), true), ("stale-if-error=9", "", -9, said(503), true),
        ("stale-if-error=9", "", -9, said(504), true), ("stale-if-error=9", "", -10, said(504), false),
        ("stale-if-error=9", "", -9, said(501), false), ("stale-if-error=9", "", -9, said(404), false),
        ("stale-if-error=9", "", -10, gone, false), ("stale-if-error=9999999", "", -9_999_999, gone, true),
        ("stale-if-error=9, must-revalidate", "", -1, said(503), false),
        ("stale-if-error=9, s-maxage=1", "", -1, said(503), false), ("stale-if-error=9, no-cache", "", -1, said(503), false),
        ("stale-if-error=x", "", -1, said(503), false),
        // RFC 5861 §4: in a request, for that request.
        ("", "stale-if-error=9", -9, said(503), true), ("", "stale-if-error=9", -10, said(503), false),
        ("", "stale-if-error=9", -10, gone, false), ("stale-if-error=5", "stale-if-error=9", -6, said(503), false),
        ("stale-if-error=9", "stale-if-error=5", -6, said(503), false), ("", "max-age=0, stale-if-error=9", -9, gone, true),
        ("", "no-cache, stale-if-error=9", -9, gone, false), ("must-revalidate", "stale-if-error=9", -1, gone, false),
        // RFC 9111 §5.2.1.
        ("", "no-cache", -1, gone, false), ("", "max-age=0", -1, gone, false), ("", "max-age=9999", -1, gone, false),
        ("", "min-fresh=1", -1, gone, false), ("", "max-stale=5", -5, gone, true), ("", "max-stale=5", -6, gone, false),
        ("stale-if-error=9", "max-age=9999", -1, said(503), false),
    ];
    for (response, request, ttl, trouble, expected) in cases {
        assert_eq!(
            may_stand_in(&says(response), &asks(request), 601, ttl, trouble, WEEK),
            expected,
            "{response}; {request}; {ttl}; {trouble:?}"
        );
    }
}
