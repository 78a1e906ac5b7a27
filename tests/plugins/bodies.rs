//! Hooks that look into bodies, seen from both ends.

mod cached;
mod guard;
mod limits;
mod stops;

use super::built;
use super::limits::metric;
use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Response, Then};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder with the onlooker; `manifest` is what its manifest has beyond the name.
fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "onlooker", manifest);
    folder
}

fn add(folder: &Path, name: &str, manifest: &str) {
    let plugin = folder.join(name);
    fs::create_dir_all(&plugin).unwrap();
    fs::copy(built("onlooker"), plugin.join("onlooker.wasm")).unwrap();
    let manifest = format!("name = \"{name}\"\ncomponent = \"onlooker.wasm\"\n{manifest}");
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
}

fn proxy(manifest: &str) -> (TempDir, Proxy) {
    let folder = folder(manifest);
    let proxy = Proxy::with_plugins("logformat = \"json\"", folder.path());
    (folder, proxy)
}

/// How often that hook has been called.
fn calls(proxy: &Proxy, plugin: &str, hook: &str) -> u64 {
    let series = format!("wproxy_plugin_calls_total{{plugin=\"{plugin}\",hook=\"{hook}\"}}");
    // One that has never been called is not there.
    metric(proxy, &series).map_or(0, |calls| calls as u64)
}

/// What the access log has next of a request that is not for the proxy itself.
fn logged(proxy: &Proxy) -> serde_json::Value {
    serde_json::from_str(&proxy.logged()).unwrap()
}

const BODY: &str = "Hello, bodies.";

/// Answers with `BODY`, framed as the path says.
fn framed() -> Origin {
    Origin::start(|seen, stream| {
        const FIELDS: &str = "Cache-Control: no-store\r\nETag: \"a\"\r\nContent-MD5: x\r\n\
                              Digest: x\r\nAccept-Ranges: bytes";
        let (one, two) = BODY.split_at(7);
        let length = BODY.len();
        let (framing, then) = match &*seen.target {
            "/length" => (
                format!("Content-Length: {length}\r\n\r\n{BODY}"),
                Then::Keep,
            ),
            "/chunked" => (
                format!("Transfer-Encoding: chunked\r\n\r\n7\r\n{one}\r\n7\r\n{two}\r\n0\r\n\r\n"),
                Then::Keep,
            ),
            _ => (format!("\r\n{BODY}"), Then::Close),
        };
        write!(stream, "HTTP/1.1 200 OK\r\n{FIELDS}\r\n{framing}")?;
        Ok(then)
    })
}

/// GET by that version of HTTP.
fn get(proxy: &Proxy, version: &str, url: &str, field: &str) -> Response {
    let mut client = proxy.connect();
    client.send(format!(
        "GET {url} HTTP/{version}\r\nHost: a\r\n{field}\r\n\r\n"
    ));
    client.response("GET")
}

#[test]
fn what_comes_back_passes_or_is_changed_however_it_is_framed() {
    let ((_folder, proxy), origin) = (proxy("[config]\nname = \"me\""), framed());
    let all = BODY.len().to_string();
    let signed = (BODY.len() + 4).to_string();
    #[rustfmt::skip]
    let cases = [
        // What is asked for; what comes; its length where the origin says it, and where not.
        ("unseen", BODY, Some(&all), None),
        ("watch", BODY, Some(&all), None),
        ("watch, done-after=1", BODY, Some(&all), None),
        ("hold", BODY, Some(&all), Some(&all)),
        ("hold, done-after=1", BODY, Some(&all), None),
        ("change", BODY, None, None),
        ("change, upper", "HELLO, BODIES.", None, None),
        ("hold, change, upper", "HELLO, BODIES.", Some(&all), Some(&all)),
        ("change, keep", BODY, None, None),
        ("change, sign", "Hello, bodies.[me]", None, None),
        ("hold, change, sign", "Hello, bodies.[me]", Some(&signed), Some(&signed)),
    ];
    for (words, body, known, unknown) in cases {
        for (path, length) in [
            ("/length", known),
            ("/chunked", unknown),
            ("/close", unknown),
        ] {
            for version in ["1.1", "1.0"] {
                let field = format!("X-Download: {words}");
                let response = get(&proxy, version, &origin.url(path), &field);
                let case = format!("{words} {path} {version}: {response:?}");
                assert_eq!((response.status, &*response.text()), (200, body), "{case}");
                assert!(response.complete, "{case}");
                // Where all of it has been held back may be a matter of how it comes.
                let may_be_known = words == "hold, done-after=1";
                if !may_be_known {
                    let length = length.map(String::as_str);
                    assert_eq!(response.field("content-length"), length, "{case}");
                }
                let changes = words.contains("change");
                let etag = if changes { "W/\"a\"" } else { "\"a\"" };
                assert_eq!(response.field("etag"), Some(etag), "{case}");
                let ranges = if changes { "none" } else { "bytes" };
                assert_eq!(response.field("accept-ranges"), Some(ranges), "{case}");
                for digest in ["content-md5", "digest"] {
                    assert_eq!(response.field(digest).is_none(), changes, "{case}");
                }
            }
        }
    }
}

#[test]
fn what_goes_up_passes_or_is_changed_however_it_is_framed() {
    let ((_folder, proxy), origin) = (proxy("[config]\nname = \"me\""), Origin::plain());
    let all = BODY.len().to_string();
    let signed = (BODY.len() + 4).to_string();
    let (one, two) = BODY.split_at(7);
    let length = format!("Content-Length: {}\r\n\r\n{BODY}", BODY.len());
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n7\r\n{one}\r\n7\r\n{two}\r\n0\r\nX-T: 1\r\n\r\n"
    );
    #[rustfmt::skip]
    let cases = [
        ("unseen", BODY, Some(&all)),
        ("watch", BODY, Some(&all)),
        ("hold", BODY, Some(&all)),
        ("hold, done-after=1", BODY, Some(&all)),
        ("change, upper", "HELLO, BODIES.", None),
        ("hold, change, upper", "HELLO, BODIES.", Some(&all)),
        ("hold, change, sign", "Hello, bodies.[me]", Some(&signed)),
        ("change, keep, sign", "Hello, bodies.[me]", None),
    ];
    for (words, body, known) in cases {
        for (framing, known) in [(&length, known), (&chunked, None)] {
            let mut client = proxy.connect();
            client.send(format!(
                "PUT {} HTTP/1.1\r\nHost: a\r\nX-Upload: {words}\r\nContent-Digest: x\r\n{framing}",
                origin.url("/up")
            ));
            assert_eq!(client.response("PUT").text(), "/up", "{words}");
            let seen = origin.seen();
            let case = format!("{words}: {seen:?}");
            assert_eq!(String::from_utf8_lossy(&seen.body), body, "{case}");
            assert_eq!(
                seen.field("content-length"),
                known.map(String::as_str),
                "{case}"
            );
            let digest = seen.field("content-digest");
            assert_eq!(digest.is_none(), words.contains("change"), "{case}");
            let trailers = if framing == &chunked {
                &["X-T: 1"][..]
            } else {
                &[]
            };
            assert_eq!(seen.trailers, trailers, "{case}");
            // The connection serves the next one.
            client.send(request("GET", &origin.url("/next"), &[], b""));
            assert_eq!(client.response("GET").text(), "/next", "{words}");
            origin.seen();
        }
    }
}

/// Who waits for 100 before it sends its body gets that from the proxy, where the origin is to hear
/// nothing before it is decided.
#[test]
fn a_held_upload_is_asked_for_by_the_proxy() {
    let ((_folder, proxy), origin) = (proxy(""), Origin::plain());
    for (words, status, reaches) in [
        ("hold", 200, true),
        ("hold, stop-after=5", 451, false),
        ("hold, stop-at-end", 403, false),
    ] {
        let mut client = proxy.connect();
        client.send(format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nX-Upload: {words}\r\nExpect: 100-continue\r\n\
             Content-Length: 5\r\n\r\n",
            origin.url("/up")
        ));
        let interim = client.until(b"\r\n\r\n").expect("an interim response");
        assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n", "{words}");
        assert_eq!(origin.count(), 0, "{words}");
        client.send("hello");
        let response = client.response("POST");
        assert_eq!(response.status, status, "{words}: {response:?}");
        // The one is enough.
        assert_eq!(response.interim, [""; 0], "{words}");
        let seen = origin.all();
        assert_eq!(seen.len(), usize::from(reaches), "{words}");
        if let Some(seen) = seen.first() {
            assert_eq!(
                (seen.field("expect"), &seen.body[..]),
                (None, &b"hello"[..])
            );
        }
        client.send(request("GET", &origin.url("/next"), &[], b""));
        assert_eq!(client.response("GET").text(), "/next", "{words}");
        origin.seen();
    }
}

/// Of one that is not held back, the origin says whether it wants it.
#[test]
fn an_upload_that_is_watched_is_asked_for_by_the_origin() {
    let ((_folder, proxy), origin) = (proxy(""), Origin::plain());
    let mut client = proxy.connect();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nX-Upload: watch\r\nExpect: 100-continue\r\n\
         Content-Length: 5\r\n\r\n",
        origin.url("/up")
    ));
    client.until(b"\r\n\r\n").expect("an interim response");
    client.send("hello");
    assert_eq!(client.response("POST").text(), "/up");
    assert_eq!(origin.seen().field("expect"), Some("100-continue"));
}

#[test]
fn plugins_see_a_body_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    add(
        folder.path(),
        "second",
        "order = 20\n[config]\nname = \"2\"",
    );
    add(folder.path(), "first", "order = 10\n[config]\nname = \"1\"");
    let (proxy, origin) = (Proxy::with_plugins("", folder.path()), framed());
    for (words, body) in [
        ("change, sign", "Hello, bodies.[1][2]"),
        ("change, keep, sign", "Hello, bodies.[1][2]"),
        ("hold, change, upper", "HELLO, BODIES."),
    ] {
        let field = format!("X-Download: {words}");
        let response = proxy.get(&origin.url("/length"), &[&field]);
        assert_eq!(
            (&*response.text(), response.complete),
            (body, true),
            "{words}"
        );
    }
    let told = "X-Download: change, sign, tell";
    proxy.get(&origin.url("/chunked"), &[told]);
    proxy.says("1 saw 14 octets of 200, all: true");
    // What the first one put after it.
    proxy.says("2 saw 17 octets of 200, all: true");
}

#[test]
fn the_hooks_are_not_called_where_there_is_no_body() {
    let origin = Origin::start(|seen, stream| {
        let response: &[u8] = match &*seen.target {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => b"HTTP/1.1 304 Not Modified\r\n\r\n",
            _ if seen.method == "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        };
        stream.write_all(response)?;
        Ok(Then::Keep)
    });
    let (_folder, proxy) = proxy("");
    let fields = ["X-Upload: trap-at-once", "X-Download: trap-at-once"];
    for (method, path, status) in [
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("HEAD", "/", 200),
        ("POST", "/", 200),
        ("GET", "/", 200),
    ] {
        let response = proxy.request(method, &origin.url(path), &fields, b"");
        assert_eq!(response.status, status, "{method} {path}");
    }
    // Nor of the proxy's own pages, nor in tunnels.
    let page = proxy.get(
        &format!("http://{}/squid-internal-mgr/info", proxy.address),
        &fields,
    );
    assert_eq!(page.status, 200);
    let mut tunnel = proxy.connect();
    let authority = origin.address;
    tunnel.send(format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
        fields.join("\r\n")
    ));
    assert_eq!(tunnel.response("CONNECT").status, 200);
    tunnel.send("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(tunnel.response("POST").status, 200);
    for hook in ["request-body", "response-body"] {
        assert_eq!(calls(&proxy, "onlooker", hook), 0, "{hook}");
    }
    // Without a body to come, one that breaks is a failure of nobody's.
    let gone = proxy.get("http://127.0.0.1:1/", &fields);
    assert_eq!(gone.status, 503);
    assert_eq!(calls(&proxy, "onlooker", "response-body"), 0);
}

#[test]
fn a_hook_that_its_configuration_spares_is_not_called() {
    let origin = Origin::plain();
    for (idle, expected) in [(true, 0), (false, 3)] {
        let (_folder, proxy) = proxy(&format!("[config]\nidle = {idle}"));
        let fields = ["X-Upload: watch", "X-Download: watch"];
        assert_eq!(
            proxy
                .request("POST", &origin.url("/"), &fields, b"hello")
                .status,
            200
        );
        for hook in ["request-body", "response-body"] {
            // It is begun, shown and ended.
            assert_eq!(calls(&proxy, "onlooker", hook), expected, "{hook}");
        }
    }
}
