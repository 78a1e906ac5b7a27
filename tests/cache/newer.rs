//! What is newer takes the place of what is older, and never the other way round.

use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Then};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

const LARGE: usize = 700_000;

/// The n-th answer has the n-th of these lengths, its number as the body, and is fresh for an hour.
fn growing(lengths: &'static [usize]) -> Origin {
    let asked = AtomicUsize::new(0);
    Origin::start(move |_, stream| {
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        let length = lengths[turn.min(lengths.len() - 1)];
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(&vec![b'0' + turn as u8; length])?;
        Ok(Then::Keep)
    })
}

/// Memory is asked first: what it has must not be older than what the disk has.
#[test]
fn a_response_that_is_too_large_for_memory_takes_the_place_of_one_that_was_not() {
    let (proxy, origin) = (Proxy::start(""), growing(&[10, LARGE, 10]));
    let url = origin.url("/");
    for length in [10, LARGE, 10] {
        proxy.get(&url, &["Cache-Control: no-cache"]);
        let stored = proxy.get(&url, &[]);
        assert_eq!(stored.field("x-cache"), Some("HIT from none"));
        assert_eq!(stored.body.len(), length);
    }
    assert_eq!(origin.count(), 3);
}

/// A file is read in pieces: all of them are wanted.
#[test]
fn an_object_of_several_mib_comes_into_memory_whole() {
    const LENGTH: usize = 3 << 20;
    let settings = "maximum_object_size_in_memory = \"8 MB\"\nmaximum_object_size = \"8 MB\"\n";
    let origin = growing(&[LENGTH]);
    let mut proxy = Proxy::start(settings);
    proxy.get(&origin.url("/"), &[]);
    proxy.signal(rustix::process::Signal::TERM);
    assert!(proxy.ended().success());
    let settings = format!("{settings}{}", crate::support::OPEN_POLICY);
    let proxy = Proxy::in_folder(proxy.kill(), &settings, &[]);
    for code in [" TCP_HIT/200 ", " TCP_MEM_HIT/200 "] {
        let response = proxy.get(&origin.url("/"), &[]);
        assert!(response.complete && response.body == vec![b'0'; LENGTH]);
        assert!(proxy.logged().contains(code));
    }
}

/// RFC 9111 §4.4: what was asked for before a change, and comes after it, is not stored.
#[test]
fn what_is_on_its_way_when_it_is_changed_or_purged_is_not_stored() {
    let policy = r#"
[plugins.access-policy]
acl = ["localhost src 127.0.0.0/8", "PURGE method PURGE"]
http_access = ["allow PURGE localhost", "allow localhost", "deny all"]
"#;
    for method in ["PUT", "PURGE"] {
        for vary in ["", "Vary: X-Variant\r\n"] {
            // A reload leads nobody, and nobody waits for it.
            for fields in [&[][..], &["Cache-Control: no-cache"]] {
                let (go_on, wait) = channel();
                let wait = Mutex::new(wait);
                let origin = Origin::start(move |seen, stream| {
                    if seen.method == "PUT" {
                        stream.write_all(b"HTTP/1.1 204 Done\r\n\r\n")?;
                        return Ok(Then::Keep);
                    }
                    write!(
                        stream,
                        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{vary}Content-Length: 8\r\n\r\nhalf"
                    )?;
                    stream.flush()?;
                    let _ = wait.lock().unwrap().recv();
                    stream.write_all(b"half")?;
                    Ok(Then::Keep)
                });
                let url = origin.url("/");
                let proxy = Proxy::with_policy(policy, &[]);
                let mut reload = proxy.connect();
                reload.send(request("GET", &url, fields, b""));
                reload.until(b"half").expect("the first half");
                proxy.request(method, &url, &[], b"");
                go_on.send(()).expect("the origin waits");
                reload.until(b"half").expect("the second half");
                let cached = proxy.get(&url, &["Cache-Control: only-if-cached"]);
                assert_eq!(cached.status, 504, "{method} {vary} {fields:?}");
            }
        }
    }
}

/// The URL is another one to the origin: what it says of that is not about this.
#[test]
fn head_of_what_cannot_be_cached_changes_nothing() {
    let (proxy, origin) = (Proxy::start(""), growing(&[3]));
    let url = origin.url("/secret");
    proxy.get(&url, &[]);
    proxy.request("HEAD", &origin.url("/pub/%2e%2e/secret"), &[], b"");
    let stored = proxy.get(&url, &[]);
    assert_eq!(stored.field("x-cache"), Some("HIT from none"));
}

/// By what the proxy puts on a request, clients select nothing.
#[test]
fn what_varies_by_a_field_of_the_proxy_s_own_is_not_stored() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: X-Forwarded-For\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let settings = "forwarded_for = \"on\"\n[plugins.header-scrub]\n";
    let proxy = Proxy::start(settings);
    for _ in 0..2 {
        assert_eq!(proxy.get(&origin.url("/"), &[]).text(), "ok");
    }
    assert_eq!(origin.count(), 2);
}

/// Nobody reads it, and it has no end.
#[test]
fn a_stream_that_all_have_left_is_left() {
    let (sender, left) = channel();
    let sender = Mutex::new(sender);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        while stream.write_all(b"4\r\nmore\r\n").is_ok() {}
        let _ = sender.lock().unwrap().send(());
        Ok(Then::Close)
    });
    let proxy = Proxy::start("maximum_object_size = \"64 KB\"");
    let mut clients = [(); 2].map(|()| {
        let mut client = proxy.connect();
        client.send(request("GET", &origin.url("/"), &[], b""));
        client.until(b"more").expect("the beginning");
        client
    });
    for client in &mut clients {
        client.take(100_000).expect("more than is stored");
    }
    drop(clients);
    left.recv_timeout(crate::support::PATIENCE)
        .expect("the origin is left");
}
