//! The end: what runs is finished, what waits is not waited for.

use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Then};
use rustix::process::Signal;
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
