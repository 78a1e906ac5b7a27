//! What a plugin can see and hold of bodies, and what that costs the proxy.

use super::{calls, proxy};
use crate::support::proxy::request;
use crate::support::{Origin, Then};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

#[test]
fn what_is_beyond_the_cap_passes_unseen_or_is_stopped() {
    let body = "0123456789".repeat(10);
    let response =
        format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 100\r\n\r\n{body}");
    let origin = Origin::fixed(response);
    let up = |limits: &str, words: &str| {
        let (folder, proxy) = proxy(&format!("[limits]\n{limits}\n[config]\nname = \"me\""));
        let field = format!("X-Upload: {words}");
        let response = proxy.request("PUT", &origin.url("/"), &[&field], body.as_bytes());
        (folder, proxy, response)
    };
    let down = |limits: &str, words: &str| {
        let (folder, proxy) = proxy(&format!("[limits]\n{limits}\n[config]\nname = \"me\""));
        let response = proxy.get(&origin.url("/"), &[&format!("X-Download: {words}")]);
        (folder, proxy, response)
    };
    let signed = format!("{}[me]{}", &body[..30], &body[30..]);
    #[rustfmt::skip]
    let cases = [
        ("body = \"30 bytes\"\nbody_beyond = \"pass\"", "hold, tell", 200, 200, &*body, "me saw 30 octets"),
        ("body = \"30 bytes\"\nbody_beyond = \"pass\"", "change, sign, tell", 200, 200, &*signed, "all: false"),
        ("body = \"100 bytes\"", "hold, tell", 200, 200, &*body, "all: true"),
        ("body = \"99 bytes\"", "hold", 413, 403, "it is longer than 99 octets", ""),
        ("held = \"30 bytes\"", "hold, tell", 200, 200, &*body, "me saw 100 octets"),
        ("held = \"100 bytes\"\nheld_beyond = \"stop\"", "hold", 200, 200, &*body, ""),
        ("body_time = \"1 ms\"\ntime = \"1 s\"", "hold, dawdle", 500, 500, "", "it ran longer than its limit of 1ms for one body"),
    ];
    for (limits, words, uploaded, downloaded, text, says) in cases {
        let (_folder, proxy, response) = up(limits, words);
        assert_eq!(response.status, uploaded, "{limits}: {}", response.text());
        if !says.is_empty() {
            proxy.says(says);
        }
        if uploaded == 200 {
            let seen = origin.seen();
            let passed = String::from_utf8_lossy(&seen.body);
            assert_eq!(passed, text, "{limits}");
        }
        let (_folder, proxy, response) = down(limits, words);
        assert_eq!(response.status, downloaded, "{limits}: {}", response.text());
        assert!(response.complete, "{limits}");
        assert!(
            response.text().contains(text),
            "{limits}: {}",
            response.text()
        );
        if !says.is_empty() {
            proxy.says(says);
        }
        origin.all();
    }
}

#[test]
fn so_many_bodies_are_watched_at_a_time_and_no_more() {
    let (_folder, proxy) = proxy("[limits]\nbodies = 1");
    let origin = Origin::plain();
    let url = origin.url("/up");
    let mut first = proxy.connect();
    first.send(format!(
        "PUT {url} HTTP/1.1\r\nHost: a\r\nX-Upload: watch\r\nExpect: 100-continue\r\n\
         Content-Length: 5\r\n\r\n"
    ));
    // From here on it is watched.
    first.until(b"\r\n\r\n").expect("an interim response");
    let second = proxy.request("PUT", &url, &["X-Upload: watch"], b"hello");
    assert_eq!(second.status, 500);
    let what = "it watches 1 bodies already, which is its limit";
    assert!(second.text().contains(what), "{}", second.text());
    first.send("hello");
    assert_eq!(first.response("PUT").status, 200);
    // Then there is place again: that was no failure for which the hook is put aside.
    for _ in 0..10 {
        let third = proxy.request("PUT", &url, &["X-Upload: watch"], b"hello");
        assert_eq!(third.status, 200, "{}", third.text());
    }
}

/// What is in the proxy of a body does not grow with it.
#[test]
fn a_body_of_1_gib_needs_no_memory() {
    const SIZE: usize = 1 << 30;
    const PIECE: usize = 1 << 20;
    // What may be held of it in buffers, the plugin's instances included.
    const ROOM: u64 = 24 << 20;
    let origin = Origin::start(|seen, stream| {
        let length = match &*seen.target {
            "/small" => PIECE,
            _ => SIZE,
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\n\r\n"
        )?;
        let piece = vec![b'x'; PIECE];
        for _ in 0..length / PIECE {
            stream.write_all(&piece)?;
        }
        Ok(Then::Keep)
    });
    let limits = "[limits]\nbody = \"2 GB\"\nbody_time = \"1 h\"\ntime = \"1 s\"";
    let (_folder, proxy) = proxy(limits);
    let mut client = proxy.connect();
    let expected = vec![b'x'; PIECE];
    let mut get = |path: &str, length: usize, look: &mut dyn FnMut()| -> io::Result<()> {
        client.send(request(
            "GET",
            &origin.url(path),
            &["X-Download: hold"],
            b"",
        ));
        let head = client.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head);
        assert!(
            head.contains(&format!("Content-Length: {length}\r\n")),
            "{head}"
        );
        for _ in 0..length / PIECE {
            let piece = client.take(PIECE)?;
            assert!(piece == expected);
            look();
        }
        Ok(())
    };
    get("/small", PIECE, &mut || {}).unwrap();
    let before = proxy.own_memory();
    let mut largest = 0;
    get("/large", SIZE, &mut || {
        largest = largest.max(proxy.own_memory());
    })
    .unwrap();
    assert!(largest < before + ROOM, "{before} before, then {largest}");
    // All of it was shown.
    let shown = calls(&proxy, "onlooker", "response-body");
    assert!(shown >= (SIZE / (64 << 10)) as u64, "{shown}");
}

/// Nor does one that goes up: who sends it is kept waiting by who takes it.
#[test]
fn an_upload_of_256_mib_needs_no_memory() {
    const SIZE: usize = 256 << 20;
    const PIECE: usize = 1 << 20;
    const ROOM: u64 = 24 << 20;
    let origin = Origin::raw(|mut stream: TcpStream| {
        let mut octets = vec![0; PIECE];
        // The last one is like no other.
        let mut last = 0;
        while last != b'!' {
            match stream.read(&mut octets)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => last = octets[read - 1],
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    let limits = "[limits]\nbody = \"2 GB\"\nbody_time = \"1 h\"\ntime = \"1 s\"";
    let (_folder, proxy) = proxy(limits);
    let mut client = proxy.connect();
    client.send(format!(
        "PUT {} HTTP/1.1\r\nHost: a\r\nX-Upload: hold\r\nContent-Length: {SIZE}\r\n\r\n",
        origin.url("/up")
    ));
    let mut piece = vec![b'~'; PIECE];
    let mut largest = 0;
    client.send(&piece);
    let before = proxy.own_memory();
    for left in (1..SIZE / PIECE).rev() {
        if left == 1 {
            piece[PIECE - 1] = b'!';
        }
        client.send(&piece);
        largest = largest.max(proxy.own_memory());
    }
    assert_eq!(client.response("PUT").status, 200);
    assert!(largest < before + ROOM, "{before} before, then {largest}");
    let shown = calls(&proxy, "onlooker", "request-body");
    assert!(shown >= (SIZE / (64 << 10)) as u64, "{shown}");
}
