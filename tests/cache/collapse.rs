//! Collapsed forwarding: many clients, one request.

use crate::support::proxy::request;
use crate::support::{Connection, Origin, Proxy, Then};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Answers with the head and the first half of the body, and with the second when it is told to.
fn in_halves(head: &str, halves: [Vec<u8>; 2]) -> (Origin, Sender<()>) {
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let length = halves.iter().map(Vec::len).sum::<usize>();
    let head = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n");
    let origin = Origin::start(move |_, stream| {
        stream.write_all(head.as_bytes())?;
        stream.write_all(&halves[0])?;
        stream.flush()?;
        told(&wait);
        stream.write_all(&halves[1])?;
        Ok(Then::Keep)
    });
    (origin, go_on)
}

fn told(wait: &Mutex<Receiver<()>>) {
    // A test that is over says nothing more.
    let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
}

/// Asks, and reads so much of the body.
fn begun(
    proxy: &Proxy,
    url: &str,
    fields: &[&str],
    octets: usize,
) -> (Connection, String, Vec<u8>) {
    let mut client = proxy.connect();
    client.send(request("GET", url, fields, b""));
    let head = client.until(b"\r\n\r\n").expect("a head");
    let body = client.take(octets).expect("the first of the body");
    (client, String::from_utf8(head).expect("ASCII"), body)
}

#[test]
fn a_hundred_simultaneous_misses_make_one_request() {
    let (origin, go_on) = in_halves(
        "Cache-Control: max-age=60\r\n",
        [b"first ".to_vec(), b"second".to_vec()],
    );
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    // Each has the first half while the second is still to come.
    let clients: Vec<_> = (0..100).map(|_| begun(&proxy, &url, &[], 6)).collect();
    let followers = clients
        .iter()
        .filter(|(_, head, _)| head.contains("; collapsed"));
    assert_eq!(followers.count(), 99);
    go_on.send(()).expect("the origin waits");
    for (mut client, _, first) in clients {
        assert_eq!(first, b"first ");
        assert_eq!(client.take(6).expect("the second half"), b"second");
    }
    assert_eq!(origin.count(), 1);
    let codes: Vec<String> = (0..100).map(|_| proxy.logged()).collect();
    let count = |code| codes.iter().filter(|line| line.contains(code)).count();
    assert_eq!(
        (count(" TCP_MISS/200 "), count(" TCP_CF_HIT/200 ")),
        (1, 99)
    );
    assert_eq!(proxy.get(&url, &[]).field("x-cache"), Some("HIT from none"));
}

/// The body is larger than what memory holds: who comes late reads the beginning from the file.
#[test]
fn a_large_body_is_read_while_it_is_written() {
    let half = |salt: usize| {
        (0..1_500_000)
            .map(|at| ((at * 7 + salt) % 251) as u8)
            .collect()
    };
    let halves: [Vec<u8>; 2] = [half(0), half(1)];
    let (origin, go_on) = in_halves("Cache-Control: max-age=60\r\n", halves.clone());
    let (proxy, url) = (
        Proxy::start("maximum_object_size_in_memory = \"64 KB\""),
        origin.url("/"),
    );
    let clients: Vec<_> = (0..5)
        .map(|_| begun(&proxy, &url, &[], 1_500_000))
        .collect();
    go_on.send(()).expect("the origin waits");
    for (mut client, _, first) in clients {
        assert!(first == halves[0], "the first half");
        assert!(
            client.take(1_500_000).expect("the second") == halves[1],
            "the second half"
        );
        proxy.logged();
    }
    assert_eq!(origin.count(), 1);
    let stored = proxy.get(&url, &[]);
    assert!(stored.body == halves.concat(), "from the disk");
    assert!(proxy.logged().contains(" TCP_HIT/200 "));
    let part = proxy.get(&url, &["Range: bytes=1499990-1500009"]);
    assert_eq!(
        (part.status, part.body),
        (206, halves.concat()[1_499_990..1_500_010].to_vec())
    );
}

#[test]
fn when_the_leader_s_client_leaves_the_others_get_all_of_it() {
    let (origin, go_on) = in_halves(
        "Cache-Control: max-age=60\r\n",
        [b"first ".to_vec(), b"second".to_vec()],
    );
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    let (leader, ..) = begun(&proxy, &url, &[], 6);
    let (mut follower, ..) = begun(&proxy, &url, &[], 6);
    leader.reset();
    go_on.send(()).expect("the origin waits");
    assert_eq!(follower.take(6).expect("the second half"), b"second");
    let codes = [proxy.logged(), proxy.logged()].concat();
    assert!(codes.contains(" TCP_MISS_ABORTED/200 "), "{codes}");
    assert_eq!(proxy.get(&url, &[]).text(), "first second");
    assert_eq!(origin.count(), 1);
}

#[test]
fn when_the_leader_leaves_before_there_is_an_answer_another_leads() {
    // The first connection is never answered; its end is reported.
    let (sender, closed) = channel();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let (asked, first_asked) = channel();
    std::thread::spawn(move || -> io::Result<()> {
        let (mut first, _) = listener.accept()?;
        let mut octets = [0; 1024];
        let _ = first.read(&mut octets)?;
        let _ = asked.send(());
        let (mut second, _) = listener.accept()?;
        let _ = second.read(&mut octets)?;
        second.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=9\r\n\r\nok",
        )?;
        while first.read(&mut octets).is_ok_and(|read| read > 0) {}
        let _ = sender.send(());
        Ok(())
    });
    let proxy = Proxy::start("");
    let mut leader = proxy.connect();
    leader.send(request("GET", &url, &[], b""));
    first_asked.recv().expect("the origin is asked");
    let mut follower = proxy.connect();
    follower.send(request("GET", &url, &[], b""));
    drop(leader);
    assert_eq!(follower.response("GET").text(), "ok");
    closed.recv().expect("the leader's connection is closed");
}

#[test]
fn what_is_not_to_be_shared_reaches_everybody_all_the_same() {
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let first = AtomicBool::new(true);
    let origin = Origin::start(move |seen, stream| {
        if first.swap(false, Ordering::SeqCst) {
            told(&wait);
        }
        let id = seen.field("x-id").unwrap_or_default().to_owned();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n{id}",
            id.len()
        )?;
        Ok(Then::Keep)
    });
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    let mut clients: Vec<Connection> = Vec::new();
    for id in 0..20 {
        let mut client = proxy.connect();
        client.send(request("GET", &url, &[&format!("X-Id: {id}")], b""));
        if id == 0 {
            origin.seen();
        }
        clients.push(client);
    }
    go_on.send(()).expect("the origin waits");
    for (id, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.response("GET").text(), id.to_string());
    }
    assert_eq!(origin.count(), 19);
}

#[test]
fn a_follower_that_selects_another_variant_asks_for_itself() {
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |seen, stream| {
        let language = seen.field("accept-language").unwrap_or_default().to_owned();
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\n\
              Content-Length: 2\r\n\r\n",
        )?;
        stream.flush()?;
        if language == "de" {
            told(&wait);
        }
        stream.write_all(language.as_bytes())?;
        Ok(Then::Keep)
    });
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    let (mut german, ..) = begun(&proxy, &url, &["Accept-Language: de"], 0);
    let english = proxy.get(&url, &["Accept-Language: en"]);
    assert_eq!(english.text(), "en");
    let (mut follower, head, _) = begun(&proxy, &url, &["Accept-Language: de"], 0);
    assert!(head.contains("; collapsed"), "{head}");
    go_on.send(()).expect("the origin waits");
    for client in [&mut german, &mut follower] {
        assert_eq!(client.take(2).expect("a body"), b"de");
    }
    assert_eq!(origin.count(), 2);
}

#[test]
fn a_body_that_breaks_off_breaks_off_for_all() {
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf",
        )?;
        stream.flush()?;
        told(&wait);
        Ok(Then::Close)
    });
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    let clients = [(); 3].map(|()| begun(&proxy, &url, &[], 4));
    go_on.send(()).expect("the origin waits");
    for (mut client, ..) in clients {
        let (rest, clean) = client.rest();
        assert!(rest.is_empty() && !clean, "a reset, not an end");
    }
    assert_eq!(origin.count(), 1);
    // Nothing of it is stored.
    let again = proxy.get(&url, &["Cache-Control: only-if-cached"]);
    assert_eq!(again.status, 504);
}

#[test]
fn stale_responses_are_asked_about_once() {
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |seen, stream| {
        if seen.field("if-none-match").is_none() {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nAge: 90\r\nCache-Control: max-age=60\r\n\
                  Content-Length: 3\r\n\r\nold",
            )?;
        } else {
            told(&wait);
            stream.write_all(
                b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nCache-Control: max-age=60\r\n\r\n",
            )?;
        }
        Ok(Then::Keep)
    });
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    proxy.get(&url, &[]);
    origin.seen();
    let mut clients: Vec<Connection> = Vec::new();
    for _ in 0..10 {
        let mut client = proxy.connect();
        client.send(request("GET", &url, &[], b""));
        clients.push(client);
    }
    go_on.send(()).expect("the origin waits");
    for mut client in clients {
        assert_eq!(client.response("GET").text(), "old");
    }
    assert_eq!(origin.count(), 1);
}

/// RFC 5861 §3.
#[test]
fn stale_while_revalidate_serves_at_once_and_asks_once() {
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |seen, stream| {
        let (age, body) = match seen.field("if-none-match") {
            None => (90, "old"),
            Some(_) => {
                told(&wait);
                (0, "new")
            }
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nETag: \"{body}\"\r\nAge: {age}\r\n\
             Cache-Control: max-age=60, stale-while-revalidate=600\r\nContent-Length: 3\r\n\r\n{body}"
        )?;
        Ok(Then::Keep)
    });
    let (proxy, url) = (Proxy::start(""), origin.url("/"));
    assert_eq!(proxy.get(&url, &[]).text(), "old");
    proxy.logged();
    for _ in 0..3 {
        assert_eq!(proxy.get(&url, &[]).text(), "old");
        assert!(proxy.logged().contains(" TCP_MEM_HIT/200 "));
    }
    go_on.send(()).expect("the origin waits");
    assert!(proxy.logged().contains(" TCP_ASYNC_MISS/200 "));
    assert_eq!(proxy.get(&url, &[]).text(), "new");
    assert_eq!(origin.count(), 2);
}
