//! What is stopped: no end of it looks like a good one.

use super::{folder, logged, proxy};
use crate::support::{Origin, PATIENCE, Proxy, Then};
use rustix::process::Signal;
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Sends the first half of a body, framed as the path says, and the second when it is told to.
fn halting() -> (Origin, Sender<()>) {
    let (go_on, may_go_on) = channel();
    let may_go_on = Mutex::new(may_go_on);
    let origin = Origin::start(move |seen, stream| {
        let wait = |stream: &mut dyn crate::support::origin::Stream| {
            stream.flush()?;
            // The test may be over.
            let _ = may_go_on.lock().unwrap().recv_timeout(PATIENCE);
            std::io::Result::Ok(())
        };
        stream.write_all(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n")?;
        match &*seen.target {
            "/length" => {
                stream.write_all(b"Content-Length: 10\r\n\r\nfirst")?;
                wait(stream)?;
                stream.write_all(b"last.")?;
                Ok(Then::Keep)
            }
            "/chunked" => {
                stream.write_all(b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
                wait(stream)?;
                stream.write_all(b"5\r\nlast.\r\n0\r\n\r\n")?;
                Ok(Then::Keep)
            }
            _ => {
                stream.write_all(b"\r\nfirst")?;
                wait(stream)?;
                stream.write_all(b"last.")?;
                Ok(Then::Close)
            }
        }
    });
    (origin, go_on)
}

/// What the client has got when the other half comes, and how it ends for it.
fn halfway(
    proxy: &Proxy,
    version: &str,
    url: &str,
    words: &str,
    then: impl FnOnce(),
) -> (String, String, bool) {
    let mut client = proxy.connect();
    client.send(format!(
        "GET {url} HTTP/{version}\r\nHost: a\r\nX-Download: {words}\r\n\r\n"
    ));
    let head = client.until(b"first").expect("the first half");
    then();
    let (rest, clean) = client.rest();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (text(&head), text(&rest), clean)
}

#[test]
fn what_is_stopped_in_the_middle_is_never_taken_for_whole() {
    let (_folder, proxy) = proxy("[limits]\ntime = \"1 s\"\nfailures = 0");
    for words in [
        "watch, stop-after=6",
        "watch, stop-at-end",
        "watch, trap-after=6",
        "change, stop-after=6",
    ] {
        for path in ["/length", "/chunked", "/close"] {
            for version in ["1.1", "1.0"] {
                let (origin, go_on) = halting();
                let url = origin.url(path);
                let (head, rest, clean) = halfway(&proxy, version, &url, words, || {
                    go_on.send(()).unwrap();
                });
                let case = format!("{words} {path} {version}: {head:?} {rest:?}");
                // Which octets are the last is known by a length alone.
                if words.contains("after") || path == "/length" {
                    assert!(!rest.contains("last."), "{case}");
                }
                assert!(!rest.contains("0\r\n\r\n"), "{case}");
                // Where neither a length nor a last chunk is missing, the end of the connection
                // says it.
                assert!(!clean, "{case}");
                let line = logged(&proxy);
                assert_eq!(line["status"], 200, "{line}");
                let rule = match words {
                    _ if words.contains("trap") => "anything",
                    _ if words.contains("after") => "seen enough",
                    _ => "seen all",
                };
                assert_eq!(line["rule"], rule, "{case}: {line}");
            }
        }
    }
}

#[test]
fn what_is_held_back_and_stopped_is_a_page() {
    let (_folder, proxy) = proxy("[limits]\ntime = \"1 s\"\nfailures = 0");
    for (words, status, said) in [
        ("hold, stop-after=6", 451, "enough of that"),
        (
            "hold, stop-at-end",
            403,
            "the rule `seen all` does not allow it",
        ),
        ("hold, change, upper, stop-at-end", 403, "seen all"),
        (
            "hold, trap-after=6",
            500,
            "plugin `onlooker` failed in its hook `response-body`: it trapped",
        ),
        ("hold, trap-at-once", 500, "it trapped"),
        (
            "hold, upper",
            500,
            "it changes a body that it was not to change",
        ),
        (
            "hold, change, swell",
            500,
            "it puts more than 1 MiB in the place of a piece",
        ),
    ] {
        for path in ["/length", "/chunked", "/close"] {
            for version in ["1.1", "1.0"] {
                let (origin, go_on) = halting();
                go_on.send(()).unwrap();
                let field = format!("X-Download: {words}");
                let response = super::get(&proxy, version, &origin.url(path), &field);
                let case = format!("{words} {path} {version}: {response:?}");
                assert_eq!(
                    (response.status, response.complete),
                    (status, true),
                    "{case}"
                );
                assert!(response.text().contains(said), "{case}");
                let line = logged(&proxy);
                assert_eq!(line["status"], status, "{line}");
                let id = format!("request {}", line["request"]);
                assert!(response.text().contains(&id), "{line} {case}");
                if status != 500 {
                    let rule = if words.contains("after") {
                        "seen enough"
                    } else {
                        "seen all"
                    };
                    assert_eq!(
                        (&line["rule"], &line["plugin"]),
                        (&rule.into(), &"onlooker".into())
                    );
                }
            }
        }
    }
}

/// The octets that have come are too many, and the hook has not said a word.
#[test]
fn a_body_that_is_held_back_for_too_long_is_stopped_where_the_manifest_says_so() {
    let limits = "[limits]\nheld = \"4 bytes\"\nheld_beyond = \"stop\"";
    let (_folder, proxy) = proxy(limits);
    let (origin, _go_on) = halting();
    let response = proxy.get(&origin.url("/chunked"), &["X-Download: hold"]);
    assert_eq!(response.status, 403);
    let what = "more than 4 octets of it would be held back";
    assert!(response.text().contains(what), "{}", response.text());
    assert_eq!(logged(&proxy)["rule"], "[limits] held_beyond = \"stop\"");
}

/// An origin that keeps what it is sent until the connection ends, and never answers.
fn listening() -> (Origin, Receiver<Vec<u8>>) {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let origin = Origin::raw(move |mut stream: TcpStream| {
        let mut all = Vec::new();
        // It may end by a reset.
        let mut octets = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut octets) {
            all.extend_from_slice(&octets[..read]);
        }
        let _ = sender.lock().unwrap().send(all);
        Ok(())
    });
    (origin, receiver)
}

#[test]
fn an_origin_never_has_all_of_an_upload_that_is_stopped() {
    let (_folder, proxy) = proxy("[limits]\ntime = \"1 s\"\nfailures = 0");
    for (words, status) in [
        ("watch, stop-after=6", 451),
        ("watch, stop-at-end", 403),
        ("change, stop-at-end", 403),
        ("watch, trap-after=6", 500),
        ("hold, stop-after=6", 451),
        ("hold, stop-at-end", 403),
    ] {
        for chunked in [false, true] {
            let (origin, received) = listening();
            let mut client = proxy.connect();
            let framing = match chunked {
                false => "Content-Length: 10\r\n\r\nfirst",
                true => "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            };
            client.send(format!(
                "POST {} HTTP/1.1\r\nHost: a\r\nX-Upload: {words}\r\n{framing}",
                origin.url("/up")
            ));
            client.send(match chunked {
                false => "last.",
                true => "5\r\nlast.\r\n0\r\n\r\n",
            });
            let response = client.response("POST");
            let case = format!("{words}, chunked {chunked}: {response:?}");
            assert_eq!(response.status, status, "{case}");
            assert!(response.complete, "{case}");
            if words.contains("hold") {
                // It has not even been connected to.
                assert!(received.try_recv().is_err(), "{case}");
                continue;
            }
            let received = received.recv_timeout(PATIENCE).expect("a connection");
            let received = String::from_utf8_lossy(&received);
            assert!(!received.contains("last."), "{case}: {received}");
            assert!(!received.ends_with("0\r\n\r\n"), "{case}: {received}");
        }
    }
}

/// A page that somebody can read who looks at it in a browser.
#[test]
fn a_stop_s_page_names_rule_plugin_and_request() {
    let (_folder, proxy) = proxy("");
    let origin = Origin::plain();
    let fields = ["X-Download: hold, stop-after=1", "Accept: text/html"];
    let page = proxy.get(&origin.url("/a"), &fields).text();
    for part in [
        "451",
        "enough of that",
        "seen enough",
        "onlooker",
        "Request ",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
}

/// A failure of one body is no other's.
#[test]
fn failures_have_the_policy_of_the_manifest_and_stop_their_own_body_alone() {
    let closed = "";
    let open = "[failure]\nrequest-body = \"open\"\nresponse-body = \"open\"";
    for what in [
        "trap-after=1",
        "loop-after=1",
        "leak-after=1",
        "trap-at-once",
    ] {
        for (policy, status) in [(closed, 500), (open, 200)] {
            let limits = "[limits]\ntime = \"50 ms\"\nmemory = \"8 MB\"\nfailures = 0";
            let (_folder, proxy) = proxy(&format!("{limits}\n{policy}"));
            let origin = Origin::plain();
            let url = origin.url("/a");
            for _ in 0..2 {
                let down = format!("X-Download: hold, {what}");
                assert_eq!(proxy.get(&url, &[&down]).status, status, "{what} {policy}");
                let up = format!("X-Upload: hold, {what}");
                let upload = proxy.request("PUT", &url, &[&up], b"hello");
                assert_eq!(upload.status, status, "{what} {policy}");
                let good = proxy.get(&url, &["X-Download: hold"]);
                assert_eq!((good.status, &*good.text()), (200, "/a"), "{what} {policy}");
            }
        }
    }
}

/// What the plugin has kept would be missing: such a body does not go on, whatever the policy.
#[test]
fn a_hook_that_fails_after_it_has_changed_a_body_ends_it() {
    let open = "[failure]\nrequest-body = \"open\"\nresponse-body = \"open\"";
    let (_folder, proxy) = proxy(open);
    // It comes in more than one piece, of which the first is less than that.
    let body = "x".repeat(100_000);
    let head = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n";
    let origin = Origin::fixed(format!("{head}Content-Length: 100000\r\n\r\n{body}"));
    for (words, status) in [
        ("hold, trap-after=70000", 200),
        ("hold, change, trap-after=70000", 200),
        ("hold, change, keep, trap-after=70000", 500),
        ("hold, change, upper, trap-after=70000", 500),
    ] {
        let response = proxy.get(&origin.url("/"), &[&format!("X-Download: {words}")]);
        assert_eq!(response.status, status, "{words}");
        assert_eq!(response.text() == body, status == 200, "{words}");
    }
}

#[test]
fn a_swap_in_the_middle_of_a_body_leaves_it_to_the_plugin_that_began_it() {
    let folder = folder("[config]\nname = \"alpha\"");
    let proxy = Proxy::with_plugins("", folder.path());
    let (origin, go_on) = halting();
    let url = origin.url("/close");
    let words = "change, sign";
    let (_, rest, _) = halfway(&proxy, "1.1", &url, words, || {
        let path = folder.path().join("onlooker/plugin.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        fs::write(&path, manifest.replace("alpha", "beta")).unwrap();
        proxy.signal(Signal::HUP);
        proxy.says("generation 2 serves");
        go_on.send(()).unwrap();
    });
    assert!(rest.contains("last.") && rest.contains("[alpha]"), "{rest}");
    let (_, rest, _) = halfway(&proxy, "1.1", &url, words, || go_on.send(()).unwrap());
    assert!(rest.contains("[beta]"), "{rest}");
}
