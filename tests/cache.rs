//! What the cache keeps, serves, and asks about (RFC 9111), against an origin that is told what to
//! say by the path.

mod collapse;
mod disk;
mod hostile;
mod newer;
mod parts;

use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Response, Then};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Answers the n-th request with the n-th of these; the last one again and again.
fn in_turn(answers: &'static [&'static str]) -> Origin {
    let asked = AtomicUsize::new(0);
    Origin::start(move |_, stream| {
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        let answer = answers[turn.min(answers.len() - 1)];
        stream.write_all(answer.as_bytes())?;
        Ok(match answer.is_empty() {
            true => Then::Close,
            false => Then::Keep,
        })
    })
}

fn get(proxy: &Proxy, origin: &Origin) -> Response {
    proxy.get(&origin.url("/"), &[])
}

#[test]
fn a_304_that_forbids_storing_is_served_once_and_ends_what_is_stored() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=0\r\nETag: \"v1\"\r\nContent-Length: 3\r\n\r\none",
        "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: private, max-age=600\r\n\r\n",
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 3\r\n\r\ntwo",
    ]);
    let proxy = Proxy::start("");
    let texts = [(); 3].map(|()| get(&proxy, &origin).text());
    assert_eq!(texts, ["one", "one", "two"]);
    assert_eq!(origin.count(), 3);
}

/// RFC 9111 §4.3.4: a validator of another response updates nothing.
#[test]
fn a_304_about_another_response_is_asked_again_without_conditions() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=0\r\nETag: \"v1\"\r\nContent-Length: 3\r\n\r\none",
        "HTTP/1.1 304 Not Modified\r\nETag: \"v2\"\r\nCache-Control: max-age=600\r\n\r\n",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nETag: \"v2\"\r\nContent-Length: 3\r\n\r\ntwo",
    ]);
    let proxy = Proxy::start("");
    let texts = [(); 3].map(|()| get(&proxy, &origin).text());
    assert_eq!(texts, ["one", "two", "two"]);
    let conditions = origin.all();
    let conditions = conditions.iter().map(|seen| seen.field("if-none-match"));
    assert_eq!(conditions.collect::<Vec<_>>(), [None, Some("\"v1\""), None]);
}

/// RFC 9110 §13.2.1: conditions are about what a 200 would hold.
#[test]
fn conditions_do_not_turn_an_error_into_304() {
    let origin = Origin::fixed(
        "HTTP/1.1 404 Not Found\r\nCache-Control: max-age=60\r\nETag: \"none\"\r\n\
         Content-Length: 4\r\n\r\nnone",
    );
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    get(&proxy, &origin);
    for condition in ["If-None-Match: \"none\"", "If-None-Match: *"] {
        let response = proxy.get(&url, &[condition]);
        assert_eq!((response.status, &*response.text()), (404, "none"));
    }
    assert_eq!(origin.count(), 1);
}

/// RFC 9111 §4.3.4: a server that compresses weakens the tag of what it sends, but not of a 304.
/// What is stored holds, and does not get a tag that belongs to other octets.
#[test]
fn a_304_does_not_make_a_weak_tag_strong() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=0\r\nETag: W/\"v1\"\r\nContent-Length: 3\r\n\r\none",
        "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: max-age=600\r\n\r\n",
    ]);
    let proxy = Proxy::start("");
    let tags = [(); 3].map(|()| {
        let response = get(&proxy, &origin);
        (response.text(), response.field("etag").map(str::to_owned))
    });
    for (text, tag) in tags {
        assert_eq!((&*text, tag.as_deref()), ("one", Some("W/\"v1\"")));
    }
    let conditions = origin.all();
    let conditions = conditions.iter().map(|seen| seen.field("if-none-match"));
    let weak = Some("W/\"v1\"");
    assert_eq!(conditions.collect::<Vec<_>>(), [None, weak, weak]);
}

/// RFC 9111 §4.2.3: the age of what was stored before is not the age of what a 304 renews.
#[test]
fn a_304_makes_a_response_young() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nAge: 900\r\nETag: \"v1\"\r\nContent-Length: 3\r\n\r\none",
        "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n",
    ]);
    let proxy = Proxy::start("");
    for _ in 0..3 {
        assert_eq!(get(&proxy, &origin).text(), "one");
    }
    assert_eq!(origin.count(), 2);
}

/// RFC 3986 §6.2.2: one resource, however it is spelt; and whoever writes dot segments may get
/// another answer than the rest of the world, and keeps it.
#[test]
fn spellings_of_a_uri_share_what_is_stored() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start("");
    for (path, asked) in [
        ("/a~b", 1),
        ("/%61%7eb", 0),
        ("/a~b?", 1),
        ("/x/../a~b", 1),
        ("/x/../a~b", 1),
        ("/a~b", 0),
    ] {
        assert_eq!(proxy.get(&origin.url(path), &[]).text(), "ok");
        assert_eq!(origin.count(), asked, "{path}");
    }
}

#[test]
fn fields_that_private_or_no_cache_name_are_for_the_first_client_alone() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60, private=\"X-Mine\", no-cache=\"x-asked\"\r\n\
         X-Mine: 1\r\nX-Asked: 2\r\nX-All: 3\r\nContent-Length: 0\r\n\r\n",
    ]);
    let proxy = Proxy::start("");
    for (mine, asked) in [(Some("1"), Some("2")), (None, None)] {
        let response = get(&proxy, &origin);
        assert_eq!(response.field("x-mine"), mine);
        assert_eq!(response.field("x-asked"), asked);
        assert_eq!(response.field("x-all"), Some("3"));
    }
    assert_eq!(origin.count(), 1);
}

/// Its body may have decided about the response, and other clients know nothing of it.
#[test]
fn a_get_with_a_body_neither_fills_the_cache_nor_is_answered_from_it() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\none",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\ntwo",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nthree",
    ]);
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    let with_body = || proxy.request("GET", &url, &[], b"body").text();
    let without = || get(&proxy, &origin).text();
    let texts = [with_body(), without(), without(), with_body()];
    assert_eq!(texts, ["one", "two", "two", "three"]);
}

/// RFC 9111 §4.2.4, RFC 5861 §4: what happens to a stale response where the origin fails.
#[test]
fn a_stale_response_stands_in_where_nobody_forbids_it() {
    const BROKEN: &str = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
    #[rustfmt::skip]
    let cases: [(&str, &[&str], &str, u16, &str); 6] = [
        ("max-age=1", &[], "", 200, "TCP_REFRESH_FAIL_OLD/200"),
        ("max-age=1, must-revalidate", &[], "", 502, "TCP_MISS/502"),
        ("max-age=1", &["Cache-Control: max-age=0"], "", 502, "TCP_MISS/502"),
        ("max-age=1, stale-if-error=9", &[], "", 502, "TCP_MISS/502"),
        ("max-age=1", &[], BROKEN, 503, "TCP_REFRESH_FAIL_ERR/503"),
        ("max-age=1, stale-if-error=99999999", &[], BROKEN, 200, "TCP_REFRESH_FAIL_OLD/200"),
    ];
    for (control, fields, failure, status, code) in cases {
        let asked = AtomicUsize::new(0);
        let origin = Origin::start(move |_, stream| {
            if asked.fetch_add(1, Ordering::SeqCst) > 0 {
                stream.write_all(failure.as_bytes())?;
                return Ok(Then::Close);
            }
            let hour = Duration::from_secs(3600);
            let date = httpdate::fmt_http_date(SystemTime::now() - hour);
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nETag: \"v1\"\r\nCache-Control: {control}\r\n\
                 Content-Length: 3\r\n\r\nold"
            )?;
            Ok(Then::Close)
        });
        let proxy = Proxy::start("");
        assert_eq!(get(&proxy, &origin).text(), "old");
        proxy.logged();
        let response = proxy.get(&origin.url("/"), fields);
        assert_eq!(response.status, status, "{control} {fields:?} {failure}");
        let line = proxy.logged();
        assert!(line.contains(code), "{control}: {line}");
    }
}

/// RFC 9111 §4.3.5.
#[test]
fn what_head_says_holds_for_what_is_stored() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    #[rustfmt::skip]
    let cases = [
        ("Content-Length: 3\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\nX-New: 1\r\n", "one", 1),
        ("Content-Length: 4\r\nETag: \"v1\"\r\n", "two", 2),
        ("Content-Length: 3\r\nETag: \"v2\"\r\n", "two", 2),
    ];
    for (fields, text, asked) in cases {
        let answer = head(fields);
        let gets = AtomicUsize::new(0);
        let origin = Origin::start(move |seen, stream| {
            if seen.method == "HEAD" {
                stream.write_all(answer.as_bytes())?;
                return Ok(Then::Keep);
            }
            let body = ["one", "two"][gets.fetch_add(1, Ordering::SeqCst)];
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\n{body}"
            )?;
            Ok(Then::Keep)
        });
        let proxy = Proxy::start("");
        assert_eq!(get(&proxy, &origin).text(), "one");
        // The client wants it from the origin.
        let url = origin.url("/");
        proxy.request("HEAD", &url, &["Cache-Control: no-cache"], b"");
        assert_eq!(get(&proxy, &origin).text(), text, "{fields}");
        let seen = origin.all();
        assert_eq!(
            seen.iter().filter(|seen| seen.method == "GET").count(),
            asked
        );
    }
}

/// RFC 9110 §14.2: Range is for GET.
#[test]
fn head_knows_no_ranges() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello",
    ]);
    let proxy = Proxy::start("");
    get(&proxy, &origin);
    let part = proxy.get(&origin.url("/"), &["Range: bytes=0-1"]);
    assert_eq!((part.status, part.text().as_str()), (206, "he"));
    let head = proxy.request("HEAD", &origin.url("/"), &["Range: bytes=0-1"], b"");
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("5"))
    );
}

/// RFC 9111 §7.3: the origin that wants it otherwise says so in Cache-Control.
#[test]
fn a_stored_response_keeps_its_set_cookie() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nSet-Cookie: session=1\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    let first = proxy.get(&url, &[]);
    assert_eq!(first.field("set-cookie"), Some("session=1"));
    let second = proxy.get(&url, &[]);
    assert_eq!(second.field("x-cache"), Some("HIT from none"));
    assert_eq!(second.field("set-cookie"), Some("session=1"));
}

/// RFC 9213 §2.2.
#[test]
fn a_targeted_field_stands_in_place_of_cache_control_where_the_settings_name_it() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\
                          CDN-Cache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok";
    for (settings, asked) in [
        ("", 2),
        ("targeted_cache_control = [\"CDN-Cache-Control\"]", 1),
    ] {
        let origin = in_turn(&[ANSWER]);
        let proxy = Proxy::start(settings);
        for _ in 0..2 {
            assert_eq!(get(&proxy, &origin).text(), "ok");
        }
        assert_eq!(origin.count(), asked, "{settings}");
    }
}

#[test]
fn offline_mode_asks_about_nothing_that_is_stored() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nAge: 99\r\nCache-Control: max-age=60, stale-while-revalidate=600\r\n\
         ETag: \"1\"\r\nContent-Length: 3\r\n\r\nold",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew",
    ]);
    let proxy = Proxy::start("offline_mode = true");
    for code in [" TCP_MISS/200 ", " TCP_OFFLINE_HIT/200 "] {
        assert_eq!(get(&proxy, &origin).text(), "old");
        let line = proxy.logged();
        assert!(line.contains(code), "{line}");
    }
    assert_eq!(origin.count(), 1);
}

/// Others may want it: little is missing (squid's `quick_abort_pct`).
#[test]
fn a_response_whose_client_leaves_near_its_end_is_stored() {
    let (go_on, wait) = std::sync::mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 8\r\n\r\nhalf",
        )?;
        stream.flush()?;
        let _ = wait.lock().unwrap().recv();
        stream.write_all(b"half")?;
        Ok(Then::Keep)
    });
    for (settings, status) in [
        ("", 200),
        (
            "quick_abort_min = \"0 KB\"\nquick_abort_max = \"0 KB\"",
            504,
        ),
    ] {
        let proxy = Proxy::start(settings);
        let mut client = proxy.connect();
        client.send(request("GET", &origin.url("/"), &[], b""));
        client.until(b"half").expect("the first half");
        drop(client);
        go_on.send(()).expect("the origin waits");
        assert!(proxy.logged().contains(" TCP_MISS_ABORTED/200 "));
        let cached = proxy.get(&origin.url("/"), &["Cache-Control: only-if-cached"]);
        assert_eq!(cached.status, status, "{settings}");
    }
}
