//! The end: what runs is finished, what waits is not waited for.

use crate::support::proxy::{fifo, request};
use crate::support::{Origin, PATIENCE, Proxy, Then, wproxy};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

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
fn a_response_that_is_cut_by_the_end_of_the_proxy_does_not_look_whole() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\nbegun")?;
        // Until the test is over.
        let _ = released.lock().unwrap().recv();
        Ok(Then::Close)
    });
    let mut proxy = Proxy::start("shutdown_lifetime = \"50 ms\"");
    let mut old = proxy.connect();
    old.send(format!("GET {} HTTP/1.0\r\n\r\n", origin.url("/")));
    old.until(b"begun").expect("the beginning");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().code(), Some(0));
    assert_eq!(old.rest(), (vec![], false));
    drop(release);
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

/// Where both outputs are one pipe, what takes no access log takes no messages either.
#[test]
fn messages_that_nobody_takes_do_not_prevent_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("wproxy.toml");
    let good = "http_port = [\"127.0.0.1:0\"]\nshutdown_lifetime = \"50 ms\"\n";
    fs::write(&settings, good).unwrap();
    let mut child = wproxy()
        .args(["run", "--config"])
        .arg(&settings)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("listening at ") {
        said.clear();
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0);
    }
    // The line that is wrong is shown, and is more than a pipe holds.
    fs::write(&settings, format!("{good}{} = 1\n", "k".repeat(200_000))).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    said.clear();
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("reload failed"), "{said}");
    kill_process(pid, Signal::TERM).unwrap();
    let (ended, end) = channel();
    thread::spawn(move || ended.send(child.wait()));
    let end = end.recv_timeout(PATIENCE);
    if end.is_err() {
        let _ = kill_process(pid, Signal::KILL);
    }
    assert_eq!(end.expect("it ends").unwrap().code(), Some(1));
}
