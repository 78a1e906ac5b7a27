//! What people and programs get to see where something fails.

use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Response, Then};
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};

#[test]
fn a_denial_names_the_rule_for_people_and_for_programs() {
    let proxy = Proxy::start("visible_hostname = \"p.example\"\ncache_mgr = \"it@example\"");
    let denied = proxy.get("http://127.0.0.1:25/", &["Accept: */*"]);
    assert_eq!(denied.status, 403);
    assert_eq!(
        denied.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let id = number(&denied, ", request ");
    assert_eq!(
        denied.text(),
        format!(
            "403 Forbidden: the rule `http_access deny unsafe` does not allow it. If you think that \
             you should have access, ask for the rule to be changed. Contact: it@example, proxy \
             p.example, request {id} (wproxy explain --id {id}).\n"
        )
    );
    assert_eq!(
        denied.field("proxy-status"),
        Some(
            "p.example; error=http_request_denied; details=\"the rule `http_access deny unsafe` does not allow it\""
        )
    );
    assert_eq!(denied.field("x-squid-error"), Some("ERR_ACCESS_DENIED 0"));
    let line = proxy.logged();
    assert!(
        line.contains(" TCP_DENIED/403 ")
            && line.ends_with(" GET http://127.0.0.1:25/ - HIER_NONE/- text/plain"),
        "{line}"
    );

    let page = proxy.get(
        "http://127.0.0.1:25/<b>",
        &["Accept: text/html,application/xhtml+xml,*/*;q=0.8"],
    );
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for part in [
        "<h1>403 Forbidden</h1>",
        "http_access deny unsafe",
        "access-policy",
        "it@example",
        "/&lt;b&gt;",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// The request's number, which a page has behind these words.
fn number(page: &Response, words: &str) -> u64 {
    let text = page.text();
    let (_, rest) = text.split_once(words).expect("it is there");
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("a number")
}

/// Who complains can name the line in the log.
#[test]
fn a_page_has_the_number_that_the_request_has_in_the_log() {
    let proxy = Proxy::start("logformat = \"json\"");
    let mut client = proxy.connect();
    let mut numbers = Vec::new();
    for (accept, words) in [
        ("Accept: */*", ", request "),
        ("Accept: text/html", "<footer>Request "),
        ("Accept: */*", ", request "),
    ] {
        client.send(request("GET", "http://127.0.0.1:25/", &[accept], b""));
        let number = number(&client.response("GET"), words);
        let line: serde_json::Value = serde_json::from_str(&proxy.logged()).expect("JSON");
        assert_eq!(line["request"], number, "{line}");
        assert!(!numbers.contains(&number), "{number} again");
        numbers.push(number);
    }
}

#[test]
fn a_request_that_is_none_gets_a_page_a_log_line_and_the_end_of_its_connection() {
    let proxy = Proxy::start("");
    let long = "x".repeat(70_000);
    #[rustfmt::skip]
    let cases = [
        ("GET http://a/ HTTP/1.1\r\n\r\n".to_owned(), 400, "one Host field", "GET http://a/"),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400, "one Host field", "GET http://a/"),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n".into(), 400, "line 3 has no colon, or white space before it", "GET http://a/"),
        ("GET http://a/ HTTP/1.1\nHost: a\n\n".into(), 400, "line 1 ends in LF without CR", "GET http://a/"),
        ("GET http://127.1/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400, "its host is a number", "GET http://127.1/"),
        ("GET http://127.1/ HTTP/1.1\r\nHost: 127.1\r\n\r\n".into(), 400, "its host is a number", "GET http://127.1/"),
        ("GET http://a/ HTTP/3.0\r\nHost: a\r\n\r\n".into(), 505, "`HTTP/3.0` is not spoken here", "GET http://a/"),
        ("POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(), 400, "both Transfer-Encoding and Content-Length", "POST http://a/"),
        ("GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n".into(), 404, "this is a forward proxy, and has no page `/index.html`", "GET /index.html"),
        ("\u{16}\u{3}\u{1}\r\n\r\n".into(), 400, "the request line is not", "- error:invalid-request"),
        (format!("GET http://a/ HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431, "larger than 65536 octets", "- error:invalid-request"),
        (format!("GET http://a/ HTTP/1.1\r\nHost: a\r\n{}\r\n", "a:\r\n".repeat(1000)), 431, "it has more than 1000 field lines", "GET http://a/"),
        (format!("GET http://a/{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414, "larger than 65536 octets", "- error:invalid-request"),
    ];
    for (text, status, message, logged) in cases {
        let mut client = proxy.connect();
        client.send(&text);
        let response = client.response("GET");
        let shown = &text[..text.len().min(100)];
        assert_eq!(response.status, status, "{shown:?}: {}", response.text());
        assert!(
            response.text().contains(message),
            "{shown:?}: {}",
            response.text()
        );
        assert_eq!(response.field("connection"), Some("close"));
        assert!(
            response
                .field("proxy-status")
                .is_some_and(|status| status.contains("error=http_request_error"))
        );
        assert!(client.is_closed());
        let line = proxy.logged();
        assert!(
            line.contains(&format!(" NONE_NONE/{status} "))
                && line.contains(&format!(" {logged} - ")),
            "{line}"
        );
    }
}

#[test]
fn the_password_in_a_url_that_is_refused_is_neither_logged_nor_shown() {
    let proxy = Proxy::start("");
    #[rustfmt::skip]
    let cases = [
        ("GET http://ann:secret@a.test/b HTTP/1.1\r\n\r\n", "GET http://a.test/b"),
        ("GET http://ann:secret@a.test/@c?d@e HTTP/1.1\r\n\r\n", "GET http://a.test/@c?"),
        ("GET http://ann:secret@127.1/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://127.1/"),
        ("GET http://ann:sec@ret@a.test HTTP/3.0\r\nHost: a\r\n\r\n", "GET http://a.test"),
        ("CONNECT ann:secret@a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a.test:443"),
        ("GET ann:secret@a.test/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET a.test/"),
        ("GET /@b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /@b"),
    ];
    for (text, logged) in cases {
        let mut client = proxy.connect();
        client.send(text);
        let page = client.response("GET").text();
        let line = proxy.logged();
        assert!(line.contains(&format!(" {logged} - ")), "{text}: {line}");
        assert!(!page.contains("secret"), "{text}: {page}");
    }
}

#[test]
fn what_a_server_does_wrong_is_said_so() {
    let proxy = Proxy::start("read_timeout = \"200 ms\"\nconnect_timeout = \"5 s\"");
    let many: &str = format!("HTTP/1.1 200 X\r\n{}\r\n", "a:\r\n".repeat(1001)).leak();
    #[rustfmt::skip]
    let cases: [(&[u8], Then, u16, &str, &str); 8] = [
        (b"", Then::Close, 502, "closed the connection without a response", "connection_terminated"),
        (b"", Then::Keep, 504, "was silent for too long", "connection_read_timeout"),
        (b"HTTP/1.1 99 X\r\n\r\n", Then::Close, 502, "the status line is not", "http_protocol_error"),
        (b"HTTP/2.0 200 X\r\n\r\n", Then::Close, 502, "the status line is not", "http_protocol_error"),
        (b"hello, world, this is no HTTP\r\n\r\n", Then::Close, 502, "the status line is not", "http_protocol_error"),
        (b"HTTP/1.1 200 X\r\nContent-Length: +5\r\n\r\nhello", Then::Close, 502, "its Content-Length is not a number", "http_protocol_error"),
        (many.as_bytes(), Then::Close, 502, "it has more than 1000 field lines", "http_protocol_error"),
        (b"HTTP/1.1 200 X\r\nX: a\0b\r\n\r\n", Then::Close, 502, "a control character in its value", "http_protocol_error"),
    ];
    for (answer, then, status, message, error) in cases {
        let origin = Origin::start(move |_, stream| {
            stream.write_all(answer)?;
            Ok(then)
        });
        let response = proxy.get(&origin.url("/"), &[]);
        assert_eq!(response.status, status, "{answer:?}: {}", response.text());
        assert!(
            response.text().contains(message),
            "{answer:?}: {}",
            response.text()
        );
        let proxy_status = response.field("proxy-status").unwrap_or_default();
        assert!(
            proxy_status.contains(&format!("error={error};")),
            "{proxy_status}"
        );
        let line = proxy.logged();
        assert!(
            line.contains(&format!(" TCP_MISS/{status} "))
                && line.contains(" HIER_DIRECT/127.0.0.1 "),
            "{line}"
        );
    }
}

#[test]
fn what_is_wrong_with_tls_is_told_from_a_bad_certificate() {
    let proxy = Proxy::start("connect_timeout = \"200 ms\"");
    // Until the proxy gives up.
    let says = |what: &'static [u8]| {
        Origin::raw(move |mut stream| {
            stream.write_all(what)?;
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
        })
    };
    let plain = says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let silent = says(b"");
    for (origin, advice) in [
        (
            plain,
            "Check name and port: the server has to speak TLS there.",
        ),
        (silent, "no answer within 200ms. Try again later."),
    ] {
        let response = proxy.get(&format!("https://{}/", origin.address), &[]);
        assert_eq!(response.status, 502);
        assert!(response.text().contains(advice), "{}", response.text());
    }
}

#[test]
fn reply_header_max_size_is_the_limit() {
    let origin = Origin::start(|seen, stream| {
        let size: usize = seen.target[1..].parse().expect("a size");
        let end = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \r\n\r\n".len();
        let filler = "v".repeat(size - end);
        stream.write_all(
            format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: {filler}\r\n\r\nok").as_bytes(),
        )?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    assert_eq!(
        proxy
            .get(&origin.url(&format!("/{}", 50 << 10)), &[])
            .status,
        200
    );
    let above = proxy.get(&origin.url(&format!("/{}", (50 << 10) + 1)), &[]);
    assert_eq!(above.status, 502);
    assert_eq!(above.field("x-squid-error"), Some("ERR_TOO_BIG 0"));
    assert!(
        above.text().contains("is larger than 51200 octets"),
        "{}",
        above.text()
    );
}

#[test]
fn nobody_there_and_no_such_name() {
    let proxy = Proxy::start("");
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let response = proxy.get(&format!("http://{nobody}/"), &[]);
    assert_eq!(
        (response.status, response.field("x-squid-error")),
        (503, Some("ERR_CONNECT_FAIL 0"))
    );
    let line = proxy.logged();
    assert!(
        line.contains(" TCP_MISS/503 ") && line.contains(" HIER_DIRECT/127.0.0.1 "),
        "{line}"
    );
    // RFC 6761 §6.4: never a name, whatever the network.
    let response = proxy.get("http://nowhere.invalid/", &[]);
    assert_eq!(
        (response.status, response.field("x-squid-error")),
        (503, Some("ERR_DNS_FAIL 0"))
    );
    assert!(
        response
            .text()
            .contains("the server's name `nowhere.invalid` cannot be resolved"),
        "{}",
        response.text()
    );
}

/// A rule that wants addresses resolves the name before anything is connected to.
#[test]
fn a_rule_that_asks_for_addresses_hides_no_reason_why_there_are_none() {
    // It is asked, and says nothing.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let settings = format!(
        "dns_nameservers = [\"{address}\"]\ndns_timeout = \"100 ms\"\n[plugins.access-policy]\n\
         acl = [\"inside dst 10.0.0.0/8\"]\nhttp_access = [\"deny inside\", \"allow all\"]\n"
    );
    let proxy = Proxy::with_policy(&settings, &[]);
    for (method, target) in [("GET", "http://name.test/"), ("CONNECT", "name.test:443")] {
        let response = proxy.request(method, target, &[], b"");
        assert_eq!(response.status, 503, "{}", response.text());
        let reason = "the server's name `name.test` cannot be resolved: no name server answered";
        assert!(response.text().contains(reason), "{}", response.text());
    }
}

#[test]
fn only_if_cached_and_other_schemes() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let response = proxy.get(&origin.url("/"), &["Cache-Control: only-if-cached"]);
    assert_eq!(
        (response.status, response.field("x-squid-error")),
        (504, Some("ERR_ONLY_IF_CACHED_MISS 0"))
    );
    let response = proxy.get("ftp://127.0.0.1/a", &[]);
    assert_eq!(response.status, 501);
    assert!(
        response.text().contains("not ftp://"),
        "{}",
        response.text()
    );
    assert_eq!(origin.count(), 0);
}

/// A body that has not been read does not keep the client from its answer, nor from the next one.
#[test]
fn a_denied_upload_is_answered_and_its_connection_kept() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let mut client = proxy.connect();
    let body = vec![b'x'; 100_000];
    client.send(request("POST", "http://127.0.0.1:25/", &[], &body));
    assert_eq!(client.response("POST").status, 403);
    client.send(request("GET", &origin.url("/next"), &[], b""));
    assert_eq!(client.response("GET").text(), "/next");
}

#[test]
fn a_malformed_body_ends_the_request_at_both_sides() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let mut client = proxy.connect();
    let url = origin.url("/");
    client.send(format!(
        "POST {url} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n"
    ));
    let response = client.response("POST");
    assert_eq!(response.status, 400);
    assert!(
        response
            .text()
            .contains("a chunk's size is not a hexadecimal number"),
        "{}",
        response.text()
    );
    assert!(client.is_closed());
    // The origin never had a whole request.
    assert_eq!(origin.count(), 0);
}
