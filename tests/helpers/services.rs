//! Services: HTTP and HTTPS.

use super::{FAILED, NOT_FOUND, POLICY, ask, metric, wait_until};
use crate::support::tls::tls_origin;
use crate::support::{Origin, Proxy, Seen, Then};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn with_service(url: &str, settings: &str) -> Proxy {
    Proxy::with_policy(
        &format!("[helpers.h]\nurl = \"{url}\"\n{settings}\n{POLICY}"),
        &[],
    )
}

/// What is asked for decides.
fn directory(seen: &Seen) -> Vec<u8> {
    match seen.target.rsplit('=').next().unwrap_or_default() {
        "ann" => json(
            "200 OK",
            "{\"user\": \"ann\", \"message\": \"Hello, Ann.\"}",
        ),
        "bob" => json("200 OK", ""),
        "carl" => json(
            "200 OK",
            "{\"found\": false, \"message\": \"Carl has left.\"}",
        ),
        "dora" => json("404 Not Found", "<html>"),
        "emil" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "page" => json("200 OK", "<html>"),
        "error" => json("500 Internal Server Error", "{}"),
        "moved" => json("302 Found", ""),
        "huge" => json("200 OK", &"x".repeat(100_000)),
        "odd" => b"hello\r\n\r\n".to_vec(),
        _ => b"HTTP/1.0 200 OK\r\n\r\n{}".to_vec(),
    }
}

#[test]
fn status_and_json_say_what_the_client_sees() {
    let origin = Origin::start(|seen, stream| {
        stream.write_all(&directory(seen))?;
        Ok(if seen.target.ends_with("old") {
            Then::Close
        } else {
            Then::Keep
        })
    });
    let proxy = with_service(&origin.url("/members?of=staff"), "");
    let found = "403 the rule `http_access deny found` does not allow it";
    for _ in 0..2 {
        assert_eq!(ask(&proxy, "ann"), "403 Hello, Ann");
        assert_eq!(ask(&proxy, "bob"), found);
        assert_eq!(ask(&proxy, "carl"), NOT_FOUND);
        assert_eq!(ask(&proxy, "dora"), NOT_FOUND);
        assert_eq!(ask(&proxy, "emil"), NOT_FOUND);
        assert_eq!(ask(&proxy, "old"), found);
    }
    let seen = origin.all();
    assert_eq!(seen.len(), 6, "the rest was kept");
    assert_eq!(seen[0].method, "GET");
    assert_eq!(seen[0].target, "/members?of=staff&key=ann");
    assert_eq!(
        seen[0].field("host"),
        Some(origin.address.to_string().as_str())
    );
    assert_eq!(seen[5].connection, 0, "one connection for all");
    for (key, why) in [
        ("page", "its answer is no JSON: "),
        ("error", "it answers 500 Internal Server Error"),
        ("moved", "it answers 302 Found"),
        ("huge", "its answer is longer than 64 KB"),
        ("odd", "is malformed: the status line is not"),
    ] {
        assert_eq!(ask(&proxy, key), FAILED, "{key}");
        proxy.says(&format!(
            "no answer: {}",
            if key == "odd" { "the response of" } else { why }
        ));
    }
}

#[test]
fn one_that_is_down_is_told_apart_from_one_that_finds_nothing() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let proxy = with_service(&format!("http://{address}/"), "");
    assert_eq!(ask(&proxy, "a"), FAILED);
    proxy.says("connection refused");
}

/// As many requests as there may be: an answer that serves anyway is asked for now and then.
#[test]
fn one_that_is_down_is_not_asked_for_each_answer_that_grace_serves() {
    const ASKED: usize = 200;
    let down = Arc::new(AtomicBool::new(false));
    let is_down = down.clone();
    let origin = Origin::start(move |_, stream| {
        stream.write_all(&match is_down.load(Ordering::SeqCst) {
            true => json("503 Service Unavailable", ""),
            false => json("200 OK", "{\"message\": \"Hello.\"}"),
        })?;
        Ok(Then::Keep)
    });
    let proxy = with_service(&origin.url("/"), "ttl = \"1 ms\"\ngrace = \"1 hour\"");
    assert_eq!(ask(&proxy, "a"), "403 Hello");
    down.store(true, Ordering::SeqCst);
    let failures = || metric(&proxy, "wproxy_helper_failures_total{helper=\"h\"}");
    let before = Instant::now();
    wait_until("it is known to be down", || {
        assert_eq!(ask(&proxy, "a"), "403 Hello");
        failures() > 0
    });
    origin.all();
    for _ in 0..ASKED {
        assert_eq!(ask(&proxy, "a"), "403 Hello");
    }
    // One after 0.2 s, then after 0.4, 0.8 and so on: as many doublings as there was time for.
    let waits = before.elapsed().as_secs_f64() / 0.2;
    let most = (waits + 1.0).log2().floor() as usize + 1;
    let asked = origin.all().len();
    assert!(asked <= most && most < ASKED, "{asked} in {waits} waits");

    // One that is back is noticed without anybody who waits for it.
    down.store(false, Ordering::SeqCst);
    let is_up = || {
        let (_, out, _) = proxy.command(&["status"]);
        out.contains("\nh       up ")
    };
    wait_until("it is up", || ask(&proxy, "a") == "403 Hello" && is_up());
    assert!(!origin.all().is_empty());
}

#[test]
fn one_that_says_nothing_is_not_waited_for() {
    let origin = Origin::raw(|stream| {
        std::thread::park_timeout(crate::support::PATIENCE);
        drop(stream);
        Ok(())
    });
    let proxy = with_service(&origin.url("/"), "timeout = \"300 ms\"");
    assert_eq!(ask(&proxy, "a"), FAILED);
    proxy.says("no answer within 300ms");
    assert_eq!(
        metric(&proxy, "wproxy_helper_timeouts_total{helper=\"h\"}"),
        1
    );
}

#[test]
fn it_can_be_asked_in_tls() {
    let (origin, authority) = tls_origin("localhost", |seen, stream| {
        stream.write_all(&directory(seen))?;
        Ok(Then::Keep)
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    fs::write(&file, authority).unwrap();
    let url = format!("https://localhost:{}/", origin.address.port());
    let helper = format!("[helpers.h]\nurl = \"{url}\"\n{POLICY}");
    let trusting = format!("tls_outgoing_cafile = {file:?}\n{helper}");
    let proxy = Proxy::with_policy(&trusting, &[]);
    assert_eq!(ask(&proxy, "ann"), "403 Hello, Ann");
    assert_eq!(origin.seen().target, "/?key=ann");

    // Whoever it is, it is not the one that was meant.
    let (_, other) = tls_origin("localhost", |_, _| Ok(Then::Close));
    fs::write(&file, other).unwrap();
    let proxy = Proxy::with_policy(&trusting, &[]);
    assert_eq!(ask(&proxy, "ann"), FAILED);
    proxy.says("no secure connection to the server localhost");
}

#[test]
fn a_thousand_keys_go_by_as_many_connections_as_it_has() {
    let most = Arc::new(Mutex::new((0, 0)));
    let counted = most.clone();
    let origin = Origin::start(move |seen, stream| {
        let add = |by: i32| {
            let (now, most) = &mut *counted.lock().unwrap();
            *now += by;
            *most = (*now).max(*most);
        };
        add(1);
        let key = seen.target.rsplit('=').next().unwrap_or_default();
        let done = stream.write_all(&json("200 OK", &format!("{{\"message\": \"{key}\"}}")));
        add(-1);
        done.map(|()| Then::Keep)
    });
    let proxy = with_service(&origin.url("/"), "children = 3");
    let clients = (0..300).map(|number| {
        let mut client = proxy.connect();
        let field = format!("Key: k{number}");
        let request = crate::support::proxy::request;
        client.send(request(
            "GET",
            "http://a.test/",
            &[&field, "Accept: */*"],
            b"",
        ));
        client
    });
    for (number, mut client) in clients.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(
            super::view(&client.response("GET")),
            format!("403 k{number}")
        );
    }
    assert!(most.lock().unwrap().1 <= 3);
}

/// Nobody could tell where the next answer begins, and clients share these connections.
#[test]
fn an_answer_whose_framing_is_doubtful_is_the_last_on_its_connection() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\n{}\r\n0\r\n\r\n",
    );
    let proxy = with_service(&origin.url("/"), "");
    for (connection, key) in ["a", "b"].into_iter().enumerate() {
        ask(&proxy, key);
        assert_eq!(origin.seen().connection, connection);
    }
}

#[test]
fn one_question_is_asked_once_however_many_ask_it() {
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let origin = Origin::start(move |_, stream| {
        let _ = gate.lock().unwrap().recv();
        stream.write_all(&json("200 OK", "{\"message\": \"once\"}"))?;
        Ok(Then::Keep)
    });
    let proxy = with_service(&origin.url("/"), "");
    std::thread::scope(|scope| {
        let clients = (0..20)
            .map(|_| scope.spawn(|| ask(&proxy, "a")))
            .collect::<Vec<_>>();
        wait_until("all wait", || {
            metric(&proxy, "wproxy_helper_questions_total{helper=\"h\"}") == 20
        });
        drop(open);
        for client in clients {
            assert_eq!(client.join().unwrap(), "403 once");
        }
    });
    assert_eq!(origin.count(), 1);
}
