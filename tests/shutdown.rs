//! The end: what runs is finished, what waits is not waited for.

use crate::support::proxy::{fifo, request};
use crate::support::{Origin, Proxy, Then};
use rustix::process::Signal;
use std::fs::File;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

/// An origin that answers when it is let.
fn slow() -> (Origin, Sender<()>) {
    let (release, released) = channel();
    let released = Mutex::new(released);
    let origin = Origin::start(move |_, stream| {
        released.lock().unwrap().recv().expect("the test lets it");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")?;
        Ok(Then::Keep)
    });
    (origin, release)
}

#[test]
fn sigterm_lets_requests_end_and_nothing_begin() {
    let mut proxy = Proxy::start("");
    let (origin, release) = slow();
    let mut waiting = proxy.connect();
    waiting.send(request("GET", &origin.url("/"), &[], b""));
    origin.seen();
    let mut idle = proxy.connect();
    proxy.signal(Signal::TERM);
    proxy.says("stopping: ");
    assert!(idle.is_closed());
    // New connections are refused, or were in the queue and are closed unread.
    assert!(TcpStream::connect(proxy.address).map_or(true, |stream| {
        crate::support::Connection::over(stream).is_closed()
    }));
    release.send(()).unwrap();
    let response = waiting.response("GET");
    assert_eq!((response.status, response.text().as_str()), (200, "late"));
    assert!(waiting.is_closed());
    assert_eq!(proxy.ended().code(), Some(0));
    assert!(proxy.logged().contains(" TCP_MISS/200 "));
}

#[test]
fn a_second_sigterm_ends_at_once_and_so_does_the_limit() {
    for (settings, again) in [("", true), ("shutdown_lifetime = \"50 ms\"", false)] {
        let mut proxy = Proxy::start(settings);
        let (origin, _release) = slow();
        let mut waiting = proxy.connect();
        waiting.send(request("GET", &origin.url("/"), &[], b""));
        origin.seen();
        proxy.signal(Signal::TERM);
        proxy.says("stopping: ");
        if again {
            proxy.signal(Signal::TERM);
        }
        assert_eq!(proxy.ended().code(), Some(0));
        assert!(waiting.try_response("GET").is_err());
    }
}

#[test]
fn every_request_that_is_cut_has_its_line() {
    const WAITING: usize = 100;
    let mut proxy = Proxy::start("workers = 4");
    let (origin, _release) = slow();
    let url = |number| origin.url(&format!("/{number}"));
    let ask = |number| {
        let mut client = proxy.connect();
        client.send(request("GET", &url(number), &[], b""));
        client
    };
    let _clients: Vec<_> = (0..WAITING).map(ask).collect();
    for _ in 0..WAITING {
        origin.seen();
    }
    proxy.signal(Signal::TERM);
    proxy.says("stopping: ");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().code(), Some(0));
    let lines: Vec<String> = (0..WAITING).map(|_| proxy.logged()).collect();
    for number in 0..WAITING {
        let request = format!(" GET {} ", url(number));
        assert!(lines.iter().any(|line| line.contains(&request)), "{number}");
    }
}

#[test]
fn a_reload_in_progress_does_not_delay_the_end() {
    let mut proxy = Proxy::start("");
    let _settings = proxy.begin_reload();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn a_log_that_takes_nothing_does_not_prevent_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    // Both ends are open, and nobody reads.
    let _ends = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut proxy = Proxy::start(&format!("access_log = \"{}\"", pipe.display()));
    let origin = Origin::plain();
    // More than a pipe holds.
    let long = "u".repeat(60_000);
    for _ in 0..3 {
        proxy.get(&origin.url(&format!("/{long}")), &[]);
    }
    proxy.signal(Signal::TERM);
    proxy.says("the access log did not take its last lines within 2s");
    assert_eq!(proxy.ended().code(), Some(0));
}
