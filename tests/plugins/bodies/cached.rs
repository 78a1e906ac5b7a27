//! Bodies that are stored, or that several clients get of one response.

use super::folder;
use crate::plugins::default_plugins;
use crate::support::proxy::request;
use crate::support::{Origin, PATIENCE, Proxy, Then};
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use tempfile::TempDir;

/// The onlooker, and the default plugin that has to do with the cache.
fn with_cache_rules() -> TempDir {
    let folder = folder("[config]\nname = \"me\"");
    let cache_rules = default_plugins().last().unwrap();
    let rules = folder.path().join("cache-rules");
    fs::create_dir(&rules).unwrap();
    for file in ["plugin.toml", "cache-rules.wasm"] {
        fs::copy(cache_rules.join(file), rules.join(file)).unwrap();
    }
    folder
}

/// The cache keeps what the origin sent, and each client's copy is looked into.
#[test]
fn what_is_cached_is_as_it_came_and_shown_each_time() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 14\r\n\r\nHello, bodies.",
    );
    let folder = with_cache_rules();
    let proxy = Proxy::with_plugins("", folder.path());
    let get =
        |path: &str, words: &str| proxy.get(&origin.url(path), &[&format!("X-Download: {words}")]);
    for (n, (words, status, body, hit)) in [
        ("change, upper, tell", 200, "HELLO, BODIES.", false),
        ("watch, tell", 200, "Hello, bodies.", true),
        ("hold, stop-at-end, tell", 403, "", true),
        ("change, sign, tell", 200, "Hello, bodies.[me]", true),
    ]
    .into_iter()
    .enumerate()
    {
        let response = get("/a", words);
        assert_eq!(response.status, status, "{words}");
        if status == 200 {
            assert_eq!(response.text(), body, "{words}");
            let cached = response.field("x-cache") == Some("HIT from none");
            assert_eq!(cached, hit, "{words}");
        }
        proxy.says("me saw 14 octets of 200, all: true");
        assert_eq!(origin.count(), usize::from(n == 0), "{words}");
    }
    // What one client does not get is stored for others all the same.
    assert_eq!(get("/b", "hold, stop-after=1").status, 451);
    let other = get("/b", "unseen");
    assert_eq!(other.text(), "Hello, bodies.");
    assert_eq!(origin.count(), 1);
    // A part is shown as what it is, and cannot be changed.
    let part = |words: &str| {
        let words = format!("X-Download: {words}");
        proxy.get(&origin.url("/a"), &["Range: bytes=7-", &words])
    };
    let watched = part("hold, tell");
    assert_eq!((watched.status, &*watched.text()), (206, "bodies."));
    proxy.says("me saw 7 octets of 206, all: true");
    let changed = part("hold, change, upper");
    assert_eq!(changed.status, 500);
    let what = "it changes a body that it was not to change";
    assert!(changed.text().contains(what), "{}", changed.text());
}

/// Of those who get one response, each has a look of its own; who is not to get it keeps nobody
/// from it, and hears of that at once.
#[test]
fn each_of_those_who_share_a_response_has_its_own_look() {
    let (go_on, may_go_on) = channel();
    let may_go_on = Mutex::new(may_go_on);
    let origin = Origin::start(move |_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst",
        )?;
        stream.flush()?;
        let _ = may_go_on.lock().unwrap().recv_timeout(PATIENCE);
        stream.write_all(b"last.")?;
        Ok(Then::Keep)
    });
    let folder = with_cache_rules();
    let proxy = Proxy::with_plugins("", folder.path());
    let url = origin.url("/a");
    let ask = |words: &str| {
        let mut client = proxy.connect();
        client.send(request(
            "GET",
            &url,
            &[&format!("X-Download: {words}")],
            b"",
        ));
        client
    };
    // It leads, and is stopped while the rest is still to come.
    let leader = ask("hold, stop-after=1").response("GET");
    assert_eq!(leader.status, 451, "{leader:?}");
    let mut follower = ask("watch, tell");
    follower.until(b"first").expect("the first half");
    go_on.send(()).unwrap();
    assert_eq!(follower.take(5).expect("the rest"), b"last.");
    proxy.says("me saw 10 octets of 200, all: true");
    assert_eq!(ask("hold, stop-at-end").response("GET").status, 403);
    assert_eq!(ask("unseen").response("GET").text(), "firstlast.");
    assert_eq!(origin.count(), 1);
}
