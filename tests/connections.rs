//! Connections: kept, shared, closed (RFC 9112 §9).

use crate::support::origin::{Stream, ok};
use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Seen, Then};
use std::sync::Mutex;
use std::sync::mpsc::channel;

#[test]
fn one_connection_serves_many_requests_in_order() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let mut client = proxy.connect();
    // Pipelined: all of them before the first answer.
    let requests: Vec<u8> = (0..5)
        .flat_map(|n| request("GET", &origin.url(&format!("/{n}")), &[], b""))
        .collect();
    client.send(requests);
    for n in 0..5 {
        assert_eq!(client.response("GET").text(), format!("/{n}"));
    }
    // The origin's connection is kept, too.
    let connections: Vec<usize> = (0..5).map(|_| origin.seen().connection).collect();
    assert_eq!(connections, [0; 5]);
}

#[test]
fn connection_close_is_honoured_and_http_10_is_never_kept() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let url = origin.url("/");
    for text in [
        format!("GET {url} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n"),
        format!("GET {url} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        format!("GET {url} HTTP/1.0\r\n\r\n"),
    ] {
        let mut client = proxy.connect();
        client.send(&text);
        let response = client.response("GET");
        assert_eq!(response.field("connection"), Some("close"), "{text}");
        assert_eq!(response.text(), "/");
        assert!(client.is_closed(), "{text}");
    }
}

#[test]
fn a_kept_connection_that_the_origin_closed_is_replaced() {
    // Answers one request a connection, and closes it without saying so.
    let origin = Origin::start(|seen, stream| {
        stream.write_all(&ok(&seen.target))?;
        Ok(Then::Close)
    });
    let proxy = Proxy::start("");
    for path in ["/1", "/2", "/3"] {
        assert_eq!(proxy.get(&origin.url(path), &[]).text(), path);
    }
}

#[test]
fn what_must_not_be_sent_twice_is_not() {
    // The first request on a connection is answered, the second is dropped on the floor.
    let answer = |seen: &Seen, stream: &mut dyn Stream| {
        if seen.target == "/drop" {
            return Ok(Then::Close);
        }
        stream.write_all(&ok("kept"))?;
        Ok(Then::Keep)
    };
    let (proxy, origin) = (Proxy::start(""), Origin::start(answer));
    assert_eq!(proxy.get(&origin.url("/keep"), &[]).text(), "kept");
    origin.seen();
    let response = proxy.request("POST", &origin.url("/drop"), &[], b"x");
    assert_eq!(response.status, 502);
    let seen = origin.seen();
    assert_eq!(seen.method, "POST");
    // A connection of its own, because there would be no second try.
    assert_eq!(seen.connection, 1);
    assert_eq!(origin.count(), 0);
    // A GET is tried once on the kept connection and once on a new one.
    assert_eq!(proxy.get(&origin.url("/drop"), &[]).status, 502);
    assert_eq!(origin.seen().connection, 0);
    assert_eq!(origin.seen().connection, 2);
    assert_eq!(origin.count(), 0);
}

/// RFC 4559 §5: NTLM and Negotiate say who is at the other end of a connection. On a kept one, the
/// next client would be taken for the one before.
#[test]
fn a_connection_that_somebody_has_vouched_for_is_nobody_else_s() {
    let origin = Origin::fixed(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n\
         WWW-Authenticate: NTLM, Basic realm=x\r\nContent-Length: 0\r\n\r\n",
    );
    let proxy = Proxy::start("");
    for (credentials, connection) in [
        ("Authorization: Basic YTpi", 0),
        ("Authorization: ntlm TlRMTVNTUAAB", 0),
        ("Authorization: Negotiate abc", 1),
        ("X: y", 2),
        ("X: y", 2),
    ] {
        let response = proxy.get(&origin.url("/"), &[credentials]);
        assert_eq!(origin.seen().connection, connection, "{credentials}");
        // They could not be answered through this proxy.
        let challenges: Vec<&str> = response
            .fields
            .iter()
            .filter(|(name, _)| name == "www-authenticate")
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(challenges, ["Basic realm=x"]);
    }
}

#[test]
fn a_response_whose_framing_is_doubtful_is_the_last_on_its_connection() {
    for head in [
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    ] {
        let response = format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        let (proxy, origin) = (Proxy::start(""), Origin::fixed(response));
        for connection in 0..2 {
            assert_eq!(proxy.get(&origin.url("/"), &[]).text(), "ok");
            assert_eq!(origin.seen().connection, connection, "{head}");
        }
    }
}

/// By the length that it has said, or the coding, a client could tell. An old one reads to the end of
/// the connection, and that must not look like the end of the response.
#[test]
fn a_response_that_is_cut_by_client_lifetime_does_not_look_whole() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\nbegun")?;
        // Until the test is over.
        let _ = released.lock().unwrap().recv();
        Ok(Then::Close)
    });
    let proxy = Proxy::start("client_lifetime = \"500 ms\"");
    for version in ["1.0", "1.1"] {
        let mut client = proxy.connect();
        let url = origin.url("/");
        client.send(format!("GET {url} HTTP/{version}\r\nHost: a\r\n\r\n"));
        client.until(b"begun").expect("the beginning");
        let (_, whole) = client.rest();
        assert!(!whole, "HTTP/{version}");
    }
    drop(release);
}
