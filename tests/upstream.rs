//! The way to servers: names, addresses, TLS, time-outs.

use crate::support::origin::ok;
use crate::support::proxy::request;
use crate::support::tls::tls_origin;
use crate::support::{Origin, Proxy, Then};
use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;

/// Settings with a hosts file of these lines.
fn hosts(folder: &tempfile::TempDir, lines: &str) -> String {
    let path = folder.path().join("hosts");
    fs::write(&path, lines).unwrap();
    format!("hosts_file = \"{}\"\n", path.display())
}

#[test]
fn https_targets_are_fetched_over_tls_that_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = hosts(&folder, "127.0.0.1 tls.test other.test\n");
    let (origin, authority) = tls_origin("tls.test", |seen, stream| {
        stream.write_all(&ok(&seen.target))?;
        Ok(Then::Keep)
    });
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority).unwrap();
    let port = origin.address.port();

    let proxy = Proxy::start(&format!(
        "{hosts}tls_outgoing_cafile = \"{}\"",
        ca.display()
    ));
    for path in ["/a", "/b"] {
        let response = proxy.get(&format!("https://tls.test:{port}{path}"), &[]);
        assert_eq!((response.status, response.text().as_str()), (200, path));
        // One connection serves both.
        assert_eq!(origin.seen().connection, 0);
    }
    let wrong = proxy.get(&format!("https://other.test:{port}/"), &[]);
    assert_eq!(
        (wrong.status, wrong.field("x-squid-error")),
        (502, Some("ERR_SECURE_CONNECT_FAIL 0"))
    );
    assert!(
        wrong.text().contains("certificate not valid for name"),
        "{}",
        wrong.text()
    );

    let untrusting = Proxy::start(&hosts);
    let unknown = untrusting.get(&format!("https://tls.test:{port}/"), &[]);
    assert_eq!(unknown.status, 502);
    assert!(
        unknown.text().contains("invalid peer certificate"),
        "{}",
        unknown.text()
    );
    assert_eq!(origin.count(), 0);
}

/// RFC 8305: the first address refuses, the second is tried at once.
#[test]
fn another_address_is_tried_where_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing listens at the first two.
    let hosts = hosts(
        &folder,
        "::1 many.test\n127.0.0.77 many.test\n127.0.0.1 many.test\n",
    );
    let (proxy, origin) = (Proxy::start(&hosts), Origin::plain());
    let response = proxy.get(&format!("http://many.test:{}/", origin.address.port()), &[]);
    assert_eq!((response.status, response.text().as_str()), (200, "/"));
    assert!(proxy.logged().contains(" HIER_DIRECT/127.0.0.1 "));
}

/// One family is enough: a server could know another address, or never answer.
#[test]
fn names_of_the_hosts_file_are_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = hosts(&folder, "127.0.0.1 Name.test. alias # nobody\n");
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let proxy = Proxy::start(&format!("{hosts}dns_nameservers = [\"{address}\"]"));
    let origin = Origin::plain();
    for name in ["name.test", "alias"] {
        let url = format!("http://{name}:{}/", origin.address.port());
        assert_eq!(proxy.get(&url, &[]).status, 200, "{name}");
    }
    server.set_nonblocking(true).unwrap();
    let asked = server.recv(&mut [0; 512]);
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn names_are_one_whatever_their_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = hosts(&folder, "127.0.0.1 name.test\n");
    let (proxy, origin) = (Proxy::start(&hosts), Origin::plain());
    let port = origin.address.port();
    for host in ["name.test", "NAME.Test", "name.test."] {
        let response = proxy.get(&format!("http://{host}:{port}/x#fragment"), &[]);
        assert_eq!(response.status, 200, "{host}");
        let seen = origin.seen();
        assert_eq!(
            seen.field("host"),
            Some(format!("name.test:{port}").as_str())
        );
        assert_eq!((seen.target.as_str(), seen.connection), ("/x", 0));
    }
}

#[test]
fn credentials_in_a_target_become_a_field() {
    let (proxy, origin) = (Proxy::start("logformat = \"json\""), Origin::plain());
    let url = origin.url("/").replace("http://", "http://user:pa%20ss@");
    assert_eq!(proxy.get(&url, &[]).status, 200);
    assert_eq!(
        origin.seen().field("authorization"),
        Some("Basic dXNlcjpwYSBzcw==")
    );
    assert!(!proxy.logged().contains("pa%20ss"));
    assert_eq!(proxy.get(&url, &["Authorization: Basic b3du"]).status, 200);
    assert_eq!(origin.seen().field("authorization"), Some("Basic b3du"));
}

#[test]
fn clients_that_say_nothing_are_not_waited_for_for_ever() {
    let (proxy, origin) = (
        Proxy::start("request_start_timeout = \"50 ms\""),
        Origin::plain(),
    );
    assert!(proxy.connect().is_closed());

    let proxy_of_idle = Proxy::start("client_idle_pconn_timeout = \"50 ms\"");
    let mut client = proxy_of_idle.connect();
    client.send(request("GET", &origin.url("/"), &[], b""));
    assert_eq!(client.response("GET").status, 200);
    assert!(client.is_closed());

    let slow = Proxy::start("request_timeout = \"50 ms\"");
    let mut client = slow.connect();
    client.send("GET http://a/ HTTP/1.1\r\nX-Slow: ");
    let response = client.response("GET");
    assert_eq!(response.status, 408);
    assert!(client.is_closed());

    let stalled = Proxy::start("read_timeout = \"50 ms\"");
    let mut client = stalled.connect();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart",
        origin.url("/")
    ));
    let response = client.response("POST");
    assert!(matches!(response.status, 408 | 504), "{}", response.text());
    assert!(client.is_closed());

    let old = Proxy::start("client_lifetime = \"50 ms\"");
    assert!(old.connect().is_closed());
    drop(proxy);
}

#[test]
fn a_server_s_connection_serves_a_client_that_asks_again_at_once() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    for _ in 0..200 {
        assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
        assert_eq!(origin.seen().connection, 0);
    }
}

#[test]
fn a_server_s_idle_connection_is_closed_after_its_time() {
    let origin = Origin::plain();
    let proxy = Proxy::start("server_idle_pconn_timeout = \"10 ms\"");
    assert_eq!(proxy.get(&origin.url("/1"), &[]).status, 200);
    assert_eq!(origin.seen().connection, 0);
    let info = || proxy.get("cache_object://localhost/info", &[]).text();
    while !info().contains("Idle server connections: 0\n") {
        std::thread::yield_now();
    }
    assert_eq!(proxy.get(&origin.url("/2"), &[]).status, 200);
    assert_eq!(origin.seen().connection, 1);
}
