//! What a hostile origin or client tries: the cache stays right for others, and bounded.

use super::in_turn;
use crate::support::proxy::request;
use crate::support::{Origin, PATIENCE, Proxy, Then};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// JSON for those whose Accept wants it, HTML for the others.
fn negotiating() -> Origin {
    Origin::start(|seen, stream| {
        let kind = match seen.field("accept") {
            Some("application/json") => "json",
            _ => "html",
        };
        let body = if seen.method == "HEAD" { "" } else { kind };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept\r\nX-Kind: {kind}\r\n\
             Content-Length: 4\r\n\r\n{body}"
        )?;
        Ok(Then::Keep)
    })
}

const JSON: &str = "Accept: application/json";

/// Bug: a client that names Accept in Connection got what the origin has for those who send none,
/// and this was stored for all who send that Accept.
#[test]
fn a_field_that_connection_takes_off_selects_nothing() {
    let cases = [
        ("GET", "Connection: Accept"),
        ("GET", "Proxy-Connection: close, accept"),
        ("HEAD", "Connection: Accept"),
    ];
    for (method, nomination) in cases {
        let (origin, proxy) = (negotiating(), Proxy::start(""));
        let url = origin.url("/");
        if method == "HEAD" {
            assert_eq!(proxy.get(&url, &[JSON]).text(), "json");
        }
        let nominated = [JSON, nomination, "Cache-Control: no-cache"];
        let html = proxy.request(method, &url, &nominated, b"");
        assert_eq!(html.field("x-kind"), Some("html"));
        for _ in 0..2 {
            let json = proxy.get(&url, &[JSON]);
            assert_eq!(
                (&*json.text(), json.field("x-kind")),
                ("json", Some("json"))
            );
        }
    }
}

/// Bug: what was stored kept all of the header section that it came with, and was counted without
/// what had been taken off it.
#[test]
fn fields_that_are_not_stored_take_no_memory() {
    const RESPONSES: usize = 700;
    let large = "a".repeat(48_000);
    let origin = Origin::start(move |seen, stream| {
        let name = match seen.target.starts_with("/hop") {
            true => "Keep-Alive",
            false => "X-Large",
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=600, no-cache=\"x-large\"\r\n\
             {name}: {large}\r\nContent-Length: 1\r\n\r\n."
        )?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("explain_requests = 0\ncache_dir = \"none\"");
    for kind in ["hop", "named"] {
        let mut client = proxy.connect();
        let mut get = |number: usize| {
            let url = origin.url(&format!("/{kind}/{number}"));
            client.send(request("GET", &url, &[], b""));
            assert_eq!(client.response("GET").status, 200);
        };
        (0..100).for_each(&mut get);
        let before = proxy.own_memory();
        (100..RESPONSES).for_each(&mut get);
        let taken = proxy.own_memory().saturating_sub(before);
        assert!(taken < 15 << 20, "{kind}: {taken} octets");
        let first = proxy.get(&origin.url(&format!("/{kind}/0")), &[]);
        assert_eq!(first.field("x-cache"), Some("HIT from none"));
    }
}

/// Bug: each 304 could add lines to what is stored, without end.
#[test]
fn a_header_section_that_304s_add_to_has_a_limit() {
    let asked = AtomicUsize::new(0);
    let origin = Origin::start(move |seen, stream| {
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        let is_new = seen.field("if-none-match").is_none();
        let (status, length) = match is_new {
            true => ("200 OK", "Content-Length: 2\r\n"),
            false => ("304 Not Modified", ""),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nETag: \"1\"\r\nCache-Control: max-age=60\r\n{length}"
        )?;
        for line in 0..50 {
            write!(stream, "X-{turn}-{line}: 1\r\n")?;
        }
        stream.write_all(if is_new { b"\r\nok" } else { b"\r\n" })?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("reply_header_max_size = \"4 KB\"");
    for _ in 0..24 {
        let response = proxy.get(&origin.url("/"), &["Cache-Control: max-age=0"]);
        let octets = response
            .fields
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4);
        assert!(octets.sum::<usize>() < 5_000);
        assert_eq!(response.text(), "ok");
    }
    // It is asked for again when there is no room for more.
    let asked = origin.all();
    let anew = asked
        .iter()
        .filter(|seen| seen.field("if-none-match").is_none());
    assert!((2..12).contains(&anew.count()));
}

/// Bug: every look into the cache compared any number of names with all lines of the request.
#[test]
fn more_names_than_anybody_gives_are_taken_at_their_strictest() {
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("x-{number}")).collect();
        names.join(", ")
    };
    let cases = [
        (format!("Vary: {}", names(100)), 1),
        (format!("Vary: {}", names(101)), 2),
        (format!("Cache-Control: no-cache=\"{}\"", names(100)), 1),
        (format!("Cache-Control: no-cache=\"{}\"", names(101)), 2),
        (format!("Cache-Control: private=\"{}\"", names(101)), 2),
        // Together they are as many.
        (
            format!(
                "Cache-Control: no-cache=\"{0}\", private=\"{0}\"",
                names(60)
            ),
            2,
        ),
    ];
    let proxy = Proxy::start("");
    for (line, asked) in cases {
        let origin = Origin::fixed(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{line}\r\nContent-Length: 2\r\n\r\nok"
        ));
        for _ in 0..2 {
            assert_eq!(proxy.get(&origin.url("/"), &[]).text(), "ok");
        }
        assert_eq!(origin.count(), asked, "{line}");
    }
}

/// Bug: a 304 with another Vary was stored for those whom only the old one took for the same.
#[test]
fn a_304_with_another_vary_is_for_its_client_alone() {
    // Fields of the stored response, of the 304, and whether another client is asked about anew.
    let cases = [
        ("Vary: X-A\r\n", "Vary: X-A, X-B\r\n", true),
        ("Vary: X-A\r\n", "Vary: *\r\n", true),
        ("Vary: X-A\r\n", "Vary: X-B\r\n", true),
        ("", "Vary: X-B\r\n", true),
        ("", "Vary: *\r\n", true),
        // By less than it is filed by, or as before.
        ("Vary: X-A, X-B\r\n", "Vary: x-a\r\n", false),
        ("Vary: X-A\r\n", "Vary: x-a\r\n", false),
        ("Vary: X-A\r\n", "", false),
        ("", "", false),
    ];
    let proxy = Proxy::start("");
    for (before, after, anew) in cases {
        let asked = AtomicUsize::new(0);
        let origin = Origin::start(move |_, stream| {
            match asked.fetch_add(1, Ordering::SeqCst) {
                1 => write!(
                    stream,
                    "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n{after}Cache-Control: max-age=60\r\n\r\n"
                )?,
                turn => write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nETag: \"1\"\r\n{before}Cache-Control: max-age=0\r\n\
                     Content-Length: 1\r\n\r\n{turn}"
                )?,
            }
            Ok(Then::Keep)
        });
        let get = |fields: &[&str]| proxy.get(&origin.url("/"), fields).text();
        let [ann, bob] = ["X-B: ann", "X-B: bob"];
        // Where less than that distinguishes them, they are the same.
        let other = if anew { bob } else { ann };
        assert_eq!([get(&[ann]), get(&[ann])], ["0", "0"]);
        let text = get(&[other, "Cache-Control: max-stale"]);
        assert_eq!(text, if anew { "2" } else { "0" }, "{before}{after}");
        let conditions = origin.all();
        let conditions = conditions.iter().map(|seen| seen.field("if-none-match"));
        let expected = [None, Some("\"1\""), None];
        let count = if anew { 3 } else { 2 };
        assert_eq!(conditions.collect::<Vec<_>>(), expected[..count]);
    }
}

/// RFC 9111 §5.2.1.5. Bug: what was stored was renewed by the answer to a request with no-store.
#[test]
fn nothing_of_an_answer_to_no_store_is_stored() {
    let origin = in_turn(&[
        "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nCache-Control: max-age=0\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nX-Secret: 1\r\nCache-Control: max-age=60\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nCache-Control: max-age=60\r\n\r\n",
    ]);
    let proxy = Proxy::start("");
    for (control, asked) in [
        ("max-age=9", 1),
        ("no-store", 1),
        ("max-age=9", 1),
        ("max-age=9", 0),
    ] {
        let control = format!("Cache-Control: {control}");
        let response = proxy.get(&origin.url("/"), &[&control]);
        assert_eq!(response.text(), "ok");
        assert_eq!((response.field("x-secret"), origin.count()), (None, asked));
    }
}

/// Says when the proxy has left: what it has not been sent is waited for.
fn told_of_leaving(rest: &'static [u8]) -> (Origin, Receiver<()>) {
    let (sender, left) = channel();
    let sender = Mutex::new(sender);
    let origin = Origin::start(move |seen, stream| {
        if seen.field("if-none-match").is_none() {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nAge: 90\r\nContent-Length: 3\r\n\
                  Cache-Control: max-age=60, stale-while-revalidate=600\r\n\r\nold",
            )?;
            return Ok(Then::Keep);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")?;
        stream.write_all(rest)?;
        match rest.ends_with(b"\r\n\r\n") {
            true => while stream.write_all(b"4\r\nmore\r\n").is_ok() {},
            false => drop(stream.read(&mut [0; 1])),
        }
        let _ = sender.lock().unwrap().send(());
        Ok(Then::Close)
    });
    (origin, left)
}

/// Bug: what is asked for behind a client's back was read to its end by nobody, and had none.
#[test]
fn what_is_asked_for_nobody_has_an_end() {
    for (rest, settings) in [
        // Endless, and not to be stored.
        (&b"Cache-Control: no-store\r\n\r\n"[..], ""),
        // Endless, and to be stored: until it is too large for that.
        (
            b"Cache-Control: max-age=60\r\n\r\n",
            "maximum_object_size = \"64 KB\"",
        ),
        // The header section does not come to its end.
        (b"X-Slow: ", "client_lifetime = \"1 s\""),
    ] {
        let (origin, left) = told_of_leaving(rest);
        let proxy = Proxy::start(settings);
        for _ in 0..2 {
            assert_eq!(proxy.get(&origin.url("/"), &[]).text(), "old");
        }
        left.recv_timeout(PATIENCE).expect("the origin is left");
        let lines = [(); 3].map(|()| proxy.logged()).concat();
        for code in [" TCP_MISS/200 ", " TCP_MEM_HIT/200 ", " TCP_ASYNC_MISS/"] {
            assert!(lines.contains(code), "{lines}");
        }
    }
}

/// Bug: a client that took nothing kept all who shared a download with it from going on.
#[test]
fn a_client_that_takes_nothing_stops_nobody_else() {
    const MUCH: usize = 24 << 20;
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let _ = wait.lock().unwrap().recv();
        let chunk = [b"10000\r\n", &[b'a'; 0x10000][..], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
        Ok(Then::Close)
    });
    let proxy = Proxy::start("maximum_object_size = \"64 KB\"");
    let begun = || {
        let mut client = proxy.connect();
        client.send(request("GET", &origin.url("/"), &[], b""));
        client.until(b"\r\n\r\n").expect("a head");
        client
    };
    let stalled = begun();
    let mut other = begun();
    go_on.send(()).expect("the origin waits");
    other
        .take(MUCH)
        .expect("more than what waits for the other");
    assert_eq!(origin.count(), 1);
    drop(stalled);
}
