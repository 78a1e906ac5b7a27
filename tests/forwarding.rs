//! Requests and responses on their way through (RFC 9110, RFC 9112).

use crate::support::origin::ok;
use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Response, Then};
use std::io::Write as _;
use std::sync::mpsc::channel;

fn body(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.complete);
    response.text()
}

#[test]
fn a_get_goes_to_its_origin_and_back() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let response = proxy.get(&origin.url("/a?b=c"), &["X-Odd: 1", "Host-Not: 2"]);
    assert_eq!(body(&response), "/a?b=c");
    assert_eq!(response.field("via"), Some("1.1 none (wproxy)"));
    assert_eq!(response.field("x-cache"), Some("MISS from none"));
    assert_eq!(response.field("cache-status"), Some("none; fwd=uri-miss"));
    let seen = origin.seen();
    assert_eq!((&*seen.method, &*seen.target), ("GET", "/a?b=c"));
    let host = origin.address.to_string();
    let expected = [("Host", host.as_str()), ("X-Odd", "1"), ("Host-Not", "2")];
    let fields: Vec<(&str, &str)> = seen.fields.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(fields, expected);
}

#[test]
fn bodies_go_up_whole_with_their_framing() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let big: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let url = origin.url("/up");
    assert_eq!(body(&proxy.request("POST", &url, &[], &big)), "/up");
    let seen = origin.seen();
    assert_eq!(seen.field("content-length"), Some("300000"));
    assert!(seen.body == big);

    let mut client = proxy.connect();
    client.send(format!(
        "PUT {url} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    ));
    client.send(b"5;ext=1\r\nhello\r\n3\r\nabc\r\n0\r\nX-Sum: 8\r\nHost: evil\r\n\r\n");
    assert_eq!(body(&client.response("PUT")), "/up");
    let seen = origin.seen();
    assert_eq!(seen.field("transfer-encoding"), Some("chunked"));
    assert_eq!(seen.body, b"helloabc");
    assert_eq!(seen.trailers, ["X-Sum: 8"]);
}

#[test]
fn bodies_come_down_however_they_end() {
    for (framing, closes) in [
        ("Content-Length: 5\r\n\r\nhello", false),
        (
            "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            false,
        ),
        ("\r\nhello", true),
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{framing}");
        let origin = Origin::start(move |_, stream| {
            stream.write_all(response.as_bytes())?;
            Ok(if closes { Then::Close } else { Then::Keep })
        });
        let proxy = Proxy::start("");
        assert_eq!(
            body(&proxy.get(&origin.url("/"), &[])),
            "hello",
            "{framing}"
        );
        let mut old = proxy.connect();
        old.send(format!("GET {} HTTP/1.0\r\n\r\n", origin.url("/")));
        let response = old.response("GET");
        assert_eq!(response.field("transfer-encoding"), None, "{framing}");
        assert_eq!(body(&response), "hello", "{framing}");
    }
}

#[test]
fn a_body_that_breaks_off_is_never_passed_as_whole() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz",
    ] {
        let origin = Origin::start(move |_, stream| {
            stream.write_all(response.as_bytes())?;
            Ok(Then::Close)
        });
        let proxy = Proxy::start("");
        for version in ["1.0", "1.1"] {
            let mut client = proxy.connect();
            client.send(format!(
                "GET {} HTTP/{version}\r\nHost: a\r\n\r\n",
                origin.url("/")
            ));
            match client.try_response("GET") {
                Ok(response) => {
                    assert!(!response.complete || response.status == 502, "{response:?}");
                }
                Err(_) => assert!(!client.rest().1, "HTTP/{version}: a clean end"),
            }
        }
    }
}

#[test]
fn a_response_streams_while_it_comes() {
    let (release, released) = channel::<()>();
    let released = std::sync::Mutex::new(released);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")?;
        released
            .lock()
            .unwrap()
            .recv()
            .expect("the test lets it go on");
        stream.write_all(b"later")?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    let mut client = proxy.connect();
    client.send(request("GET", &origin.url("/"), &[], b""));
    client.until(b"\r\n\r\n").expect("the header section");
    assert_eq!(client.take(5).expect("the first half"), b"first");
    release.send(()).expect("the origin waits");
    assert_eq!(client.take(5).expect("the second half"), b"later");
}

#[test]
fn a_response_may_come_before_the_request_s_end() {
    let origin = Origin::raw(|mut stream| {
        use std::io::Read as _;
        let mut some = [0; 1000];
        let _ = stream.read(&mut some)?;
        stream
            .write_all(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    });
    let proxy = Proxy::start("");
    let mut client = proxy.connect();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nstart",
        origin.url("/")
    ));
    let response = client.response("POST");
    assert_eq!((response.status, response.text().as_str()), (413, "no"));
}

#[test]
fn expect_100_continue_is_the_origin_s_to_answer() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let url = origin.url("/");
    let mut client = proxy.connect();
    client.send(format!(
        "POST {url} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    ));
    let go_on = client.until(b"\r\n\r\n").expect("an interim response");
    assert!(go_on.starts_with(b"HTTP/1.1 100 Continue\r\n"));
    client.send(b"hello");
    assert_eq!(body(&client.response("POST")), "/");
    assert_eq!(origin.seen().body, b"hello");

    // An answer at once: the client will not send the body, and what it sends next is a request.
    let refusing = Origin::raw(|mut stream| {
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    });
    let expecting = ["Expect: 100-continue", "Content-Length: 5"];
    let mut client = proxy.connect();
    client.send(request("POST", &refusing.url("/"), &expecting, b""));
    let response = client.response("POST");
    assert_eq!(
        (response.status, response.field("connection")),
        (401, Some("close"))
    );

    let other = proxy.request("POST", &url, &["Expect: 200-ok"], b"hello");
    assert_eq!(other.status, 417);
    assert!(other.text().contains("`200-ok`"), "{}", other.text());
}

#[test]
fn interim_responses_are_passed_on_but_not_to_http_10() {
    let origin = Origin::fixed(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start("");
    let response = proxy.get(&origin.url("/"), &[]);
    assert_eq!(
        response.interim,
        ["HTTP/1.1 103 Early Hints", "HTTP/1.1 102 Processing"]
    );
    assert_eq!(body(&response), "ok");
    let mut old = proxy.connect();
    old.send(format!("GET {} HTTP/1.0\r\n\r\n", origin.url("/")));
    let response = old.response("GET");
    assert!(response.interim.is_empty());
    assert_eq!(body(&response), "ok");
}

#[test]
fn trailers_are_passed_on() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 3\r\nContent-Length: 9\r\n\r\n",
    );
    let proxy = Proxy::start("");
    let response = proxy.get(&origin.url("/"), &["TE: trailers, deflate"]);
    assert_eq!(body(&response), "abc");
    assert_eq!(response.trailers, [("x-sum".to_owned(), "3".to_owned())]);
    let seen = origin.seen();
    assert_eq!(seen.field("te"), Some("trailers"));
    assert_eq!(seen.field("connection"), Some("TE"));
}

const SCRUBBED: &str = "[plugins.access-policy]\nhttp_access = [\"allow all\"]\n[plugins.header-scrub]\n\
    request_header_access = [\"X-Secret deny all\", \"X-Tag deny all\"]\n\
    request_header_replace = [\"X-Tag none\"]\n\
    reply_header_access = [\"X-Internal deny all\"]\n";

#[test]
fn interim_responses_pass_the_hooks() {
    let origin = Origin::fixed(
        "HTTP/1.1 103 Early Hints\r\nX-Internal: 1\r\nLink: </a.css>\r\n\r\n\
         HTTP/1.1 200 OK\r\nX-Internal: 2\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::with_policy(SCRUBBED, &[]);
    let mut client = proxy.connect();
    client.send(request("GET", &origin.url("/"), &[], b""));
    let hints = client.until(b"\r\n\r\n").expect("an interim response");
    let expected = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&hints), expected);
    assert_eq!(client.response("GET").field("x-internal"), None);
}

#[test]
fn trailers_pass_the_hooks() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Internal: 1\r\nX-Sum: 3\r\nSet-Cookie: a=b\r\n\r\n",
    );
    let proxy = Proxy::with_policy(SCRUBBED, &[]);
    let mut client = proxy.connect();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
         X-Secret: 1\r\nX-Tag: ann\r\nX-Sum: 5\r\nCookie: a=b\r\nIf-Match: \"c\"\r\n\r\n",
        origin.url("/")
    ));
    let response = client.response("POST");
    assert_eq!(body(&response), "abc");
    assert_eq!(response.trailers, [("x-sum".to_owned(), "3".to_owned())]);
    assert_eq!(origin.seen().trailers, ["X-Tag: none", "X-Sum: 5"]);
}

#[test]
fn a_length_that_is_no_number_is_not_passed_on() {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n");
    let proxy = Proxy::start("");
    let mut client = proxy.connect();
    client.send(request("HEAD", &origin.url("/"), &[], b""));
    let response = client.response("HEAD");
    assert_eq!(
        (response.status, response.field("content-length")),
        (200, None)
    );
}

#[test]
fn a_method_in_another_case_is_that_method_to_rules_and_goes_out_as_it_came() {
    let origin = Origin::plain();
    let policy = |rule: &str| {
        format!(
            "[plugins.access-policy]\nacl = [\"form method POST\"]\nhttp_access = [\"{rule} form\"]\n"
        )
    };
    let post = |rule: &str| {
        let proxy = Proxy::with_policy(&policy(rule), &[]);
        proxy.request("post", &origin.url("/"), &[], b"a=b").status
    };
    assert_eq!(post("deny"), 403);
    assert_eq!(post("allow"), 200);
    assert_eq!(origin.seen().method, "post");
    assert_eq!(origin.count(), 0);
}

#[test]
fn head_has_the_length_and_no_body() {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let proxy = Proxy::start("");
    let mut client = proxy.connect();
    client.send(request("HEAD", &origin.url("/"), &[], b""));
    let response = client.response("HEAD");
    assert_eq!(response.field("content-length"), Some("5"));
    // What follows is the next response.
    client.send(request("HEAD", &origin.url("/2"), &[], b""));
    assert_eq!(client.response("HEAD").status, 200);
}

#[test]
fn websocket_switches_and_h2c_does_not() {
    let origin = Origin::start(|seen, stream| {
        if seen.field("upgrade").is_none() {
            stream.write_all(&ok("plain"))?;
            return Ok(Then::Keep);
        }
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nserver first,")?;
        let mut octets = [0; 5];
        stream.read_exact(&mut octets)?;
        stream.write_all(&octets)?;
        Ok(Then::Close)
    });
    let proxy = Proxy::start("");
    let mut client = proxy.connect();
    let fields = [
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Key: x",
    ];
    client.send(request("GET", &origin.url("/chat"), &fields, b""));
    let response = client.response("GET");
    assert_eq!(response.status, 101);
    assert_eq!(response.field("upgrade"), Some("websocket"));
    client.send(b"hello");
    assert_eq!(client.take(18).expect("both ways"), b"server first,hello");
    assert!(client.is_closed());
    drop(client);
    let line = proxy.logged();
    assert!(line.contains(" TCP_TUNNEL/101 "), "{line}");

    let fields = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
    ];
    assert_eq!(body(&proxy.get(&origin.url("/"), &fields)), "plain");
}

#[test]
fn an_unasked_switch_is_refused() {
    let origin = Origin::fixed("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    let response = Proxy::start("").get(&origin.url("/"), &[]);
    assert_eq!(response.status, 502);
    assert!(
        response.text().contains("switches protocols unasked"),
        "{}",
        response.text()
    );
}

#[test]
fn max_forwards_is_counted_down_and_ends_here() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let url = origin.url("/t");
    assert_eq!(
        body(&proxy.request("TRACE", &url, &["Max-Forwards: 3"], b"")),
        "/t"
    );
    assert_eq!(origin.seen().field("max-forwards"), Some("2"));
    let fields = [
        "Max-Forwards: 0",
        "X-A: b",
        "Cookie: secret",
        "Authorization: Basic c2VjcmV0",
    ];
    let echo = proxy.request("TRACE", &url, &fields, b"");
    assert_eq!(echo.field("content-type"), Some("message/http"));
    assert!(
        echo.text().contains("X-A: b\r\n") && !echo.text().contains("secret"),
        "{}",
        echo.text()
    );
    let options = proxy.request("OPTIONS", &url, &["Max-Forwards: 0"], b"");
    assert_eq!(options.status, 200);
    assert!(options.field("allow").is_some());
    assert_eq!(origin.count(), 0);
    // Of a GET it is nobody's business.
    assert_eq!(body(&proxy.get(&url, &["Max-Forwards: 0"])), "/t");
}

#[test]
fn via_and_x_forwarded_for_go_out_as_the_settings_say() {
    let origin = Origin::plain();
    let forwarded = |settings: &str, fields: &[&str]| {
        let settings = format!("{settings}\nvisible_hostname = \"p.example\"\n");
        let policy =
            "[plugins.access-policy]\nhttp_access = [\"allow all\"]\n[plugins.header-scrub]\n";
        let proxy = Proxy::with_policy(&format!("{settings}{policy}"), &[]);
        assert_eq!(body(&proxy.get(&origin.url("/"), fields)), "/");
        let seen = origin.seen();
        let field = |name| seen.field(name).map(str::to_owned);
        (field("via"), field("x-forwarded-for"))
    };
    let others = ["Via: 1.0 other", "X-Forwarded-For: 192.0.2.7"];
    let some = |text: &str| Some(text.to_owned());
    let via = some("1.0 other, 1.1 p.example (wproxy)");
    for (setting, expected) in [
        ("on", some("192.0.2.7, 127.0.0.1")),
        ("off", some("192.0.2.7, unknown")),
        ("transparent", some("192.0.2.7")),
        ("truncate", some("127.0.0.1")),
        ("delete", None),
    ] {
        let setting = format!("forwarded_for = \"{setting}\"");
        assert_eq!(
            forwarded(&setting, &others),
            (via.clone(), expected),
            "{setting}"
        );
    }
    assert_eq!(forwarded("", &[]).0, some("1.1 p.example (wproxy)"));
    assert_eq!(forwarded("via = false", &[]).0, None);
    // The documented configuration takes both off again.
    let proxy = Proxy::start("");
    assert_eq!(body(&proxy.get(&origin.url("/"), &others)), "/");
    let seen = origin.seen();
    assert_eq!(
        (seen.field("via"), seen.field("x-forwarded-for")),
        (None, None)
    );
}

#[test]
fn a_request_that_goes_in_a_circle_is_stopped() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let response = proxy.get(&origin.url("/"), &["Via: 1.1 a, 1.1 none (wproxy)"]);
    assert_eq!(response.status, 502);
    assert!(
        response
            .field("proxy-status")
            .is_some_and(|status| status.contains("error=proxy_loop_detected"))
    );
    // By name, so that only the connection shows that it is the proxy itself.
    let own = format!("http://localhost:{}/", proxy.address.port());
    assert_eq!(proxy.get(&own, &[]).status, 502);
    assert_eq!(
        proxy.get(&format!("http://{}/", proxy.address), &[]).status,
        404
    );
    assert_eq!(origin.count(), 0);
}

/// As it would be where two proxies share a visible hostname behind a balancer.
#[test]
fn a_circle_is_known_by_the_unique_hostname() {
    let origin = Origin::plain();
    let proxy = Proxy::start("unique_hostname = \"a\"\n[plugins.header-scrub]");
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    let via = origin.seen().field("via").map(|via| format!("Via: {via}"));
    assert_eq!(via.as_deref(), Some("Via: 1.1 a (wproxy)"));
    let again = proxy.get(&origin.url("/"), &[&via.expect("it has one")]);
    assert_eq!(again.status, 502);
    let other = proxy.get(&origin.url("/"), &["Via: 1.1 none (wproxy)"]);
    assert_eq!(other.status, 200);
}

#[test]
fn the_documented_fields_do_not_leave_but_are_obeyed() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start("");
    let url = origin.url("/");
    for _ in 0..2 {
        // The second asks for what is cached not to be used.
        let response = proxy.get(
            &url,
            &["Cache-Control: no-cache", "Referer: http://secret.example/"],
        );
        assert_eq!(response.field("x-cache"), Some("MISS from none"));
        let seen = origin.seen();
        assert_eq!(
            (seen.field("cache-control"), seen.field("referer")),
            (None, None)
        );
    }
    let hit = proxy.get(&url, &[]);
    assert_eq!(hit.field("x-cache"), Some("HIT from none"));
    assert_eq!(hit.field("age"), Some("0"));
    assert!(
        hit.field("cache-status")
            .is_some_and(|status| status.starts_with("none; hit; ttl="))
    );
    assert_eq!(body(&hit), "ok");
    assert_eq!(origin.count(), 0);
}
