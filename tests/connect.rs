//! Tunnels (RFC 9110 §9.3.6).

use crate::support::{Connection, Origin, Proxy};
use std::io::{Read as _, Write as _};

/// Sends back what it gets, and at the end of that a word of its own.
fn echo() -> Origin {
    Origin::raw(|mut stream| {
        let mut octets = [0; 65_536];
        loop {
            match stream.read(&mut octets)? {
                0 => return stream.write_all(b"<end>"),
                read => stream.write_all(&octets[..read])?,
            }
        }
    })
}

fn tunnel(proxy: &Proxy, origin: &Origin, early: &str) -> Connection {
    let mut client = proxy.connect();
    let to = origin.address;
    client.send(format!(
        "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n{early}"
    ));
    let response = client.response("CONNECT");
    assert_eq!(
        (response.status, response.reason.as_str()),
        (200, "Connection established")
    );
    client
}

#[test]
fn octets_go_both_ways_and_are_counted() {
    let (proxy, origin) = (Proxy::start("logformat = \"json\""), echo());
    let mut client = tunnel(&proxy, &origin, "early,");
    client.send("later");
    assert_eq!(client.take(11).unwrap(), b"early,later");
    client.end();
    assert_eq!(client.rest(), (b"<end>".to_vec(), true));
    let line: serde_json::Value = serde_json::from_str(&proxy.logged()).unwrap();
    assert_eq!(line["code"], "TCP_TUNNEL");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes_received"], 11);
    // What came through, and the 200 before it.
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".len();
    assert_eq!(line["bytes_sent"], established + 11 + "<end>".len());
    assert_eq!(line["server"], "127.0.0.1");
    assert_eq!(line["uri"], origin.address.to_string());
}

#[test]
fn a_half_closed_tunnel_still_carries_the_other_half() {
    let (proxy, origin) = (Proxy::start(""), echo());
    let mut client = tunnel(&proxy, &origin, "");
    client.send("bye");
    client.end();
    assert_eq!(client.rest(), (b"bye<end>".to_vec(), true));
}

#[test]
fn large_amounts_arrive_whole() {
    let (proxy, origin) = (Proxy::start(""), echo());
    let mut client = tunnel(&proxy, &origin, "");
    let chunk: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for _ in 0..50 {
        client.send(&chunk);
        assert!(client.take(chunk.len()).unwrap() == chunk);
    }
}

#[test]
fn an_idle_tunnel_ends() {
    let (proxy, origin) = (Proxy::start("read_timeout = \"50 ms\""), echo());
    let mut client = tunnel(&proxy, &origin, "");
    assert!(client.is_closed());
    assert!(proxy.logged().contains(" TCP_TUNNEL/200 "));
}

#[test]
fn what_cannot_be_connected_to_is_said_so() {
    let proxy = Proxy::start("");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let response = proxy.request("CONNECT", &nobody.to_string(), &[], b"");
    assert_eq!(response.status, 503);
    assert!(
        response.text().contains("connection refused"),
        "{}",
        response.text()
    );
    let line = proxy.logged();
    assert!(line.contains(" TCP_MISS/503 "), "{line}");
    assert!(!line.contains("/503 0 CONNECT"), "{line}");
    // Port 25 is what the tests' policy denies.
    let response = proxy.request("CONNECT", "127.0.0.1:25", &[], b"");
    assert_eq!(response.status, 403);
    assert!(
        response.text().contains("`http_access deny unsafe`"),
        "{}",
        response.text()
    );
}

/// A client that does not wait for its tunnel sends the tunnel's octets after the request.
#[test]
fn what_follows_a_connect_that_fails_is_no_request() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let smuggled = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", origin.url("/"));
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    for (fields, status) in [("", 403), (length.as_str(), 400)] {
        let mut client = proxy.connect();
        client.send(format!(
            "CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: a\r\n{fields}\r\n{smuggled}"
        ));
        let response = client.response("CONNECT");
        assert_eq!(response.status, status);
        assert_eq!(response.field("connection"), Some("close"));
        assert!(client.is_closed());
    }
    assert_eq!(origin.count(), 0);
}

/// The server is connected to at the address that policy saw: `localhost` is ::1 and 127.0.0.1 to
/// the resolver, and the policy allows the second alone.
#[test]
fn policy_s_addresses_are_those_that_are_connected_to() {
    let policy = "[plugins.access-policy]\nacl = [\"there dst 127.0.0.1\"]\nhttp_access = [\"allow there\", \"deny all\"]\n";
    let proxy = Proxy::with_policy(policy, &[]);
    let origin = echo();
    let mut client = proxy.connect();
    let to = format!("localhost:{}", origin.address.port());
    client.send(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\nhello"));
    assert_eq!(client.response("CONNECT").status, 200);
    assert_eq!(client.take(5).unwrap(), b"hello");
    // A name without an address matches no rule about addresses.
    let mut client = proxy.connect();
    client.send("CONNECT nowhere.invalid:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("CONNECT").status, 403);
}
