//! The access log, and the proxy's own pages.

use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Then};
use rustix::process::Signal;
use std::fs;

#[test]
fn lines_are_squid_s_whole_and_without_query() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    let long = "u".repeat(60_000);
    proxy.get(&origin.url(&format!("/{long}?secret=1")), &[]);
    let line = proxy.logged();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.len(), 10, "{}", &line[..200]);
    assert_eq!(&words[2..4], ["127.0.0.1", "TCP_MISS/200"]);
    assert_eq!(&words[5..6], ["GET"]);
    assert_eq!(words[6], origin.url(&format!("/{long}?")));
    assert_eq!(&words[7..], ["-", "HIER_DIRECT/127.0.0.1", "-"]);

    let proxy = Proxy::start("strip_query_terms = false");
    proxy.get(&origin.url("/a?b=c"), &[]);
    assert!(proxy.logged().contains("/a?b=c "));
}

/// Where a format has no place for it, it stands at the end, if that is wanted.
#[test]
fn lines_can_end_in_the_request_s_number() {
    for format in ["squid", "combined"] {
        let settings = format!("logformat = \"{format}\"\nlog_request_id = true");
        let proxy = Proxy::start(&settings);
        let page = proxy.get("http://127.0.0.1:25/", &[]).text();
        let line = proxy.logged();
        let (_, id) = line.rsplit_once(" request=").expect("a number");
        assert!(page.contains(&format!("request {id} ")), "{page}");
        assert_eq!(proxy.command(&["explain", "--id", id]).0, Some(2));
    }
}

#[test]
fn codes_say_where_a_response_came_from() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"v1\"\r\n\
         Last-Modified: Sun, 01 Nov 2026 00:00:00 GMT\r\nContent-Type: text/css\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start("");
    let url = origin.url("/");
    for (fields, code) in [
        (&[][..], "TCP_MISS/200"),
        (&[], "TCP_MEM_HIT/200"),
        (&["If-None-Match: \"v1\""], "TCP_INM_HIT/304"),
        (
            &["If-Modified-Since: Sat, 01 Jan 2033 00:00:00 GMT"],
            "TCP_IMS_HIT/304",
        ),
        (&["Range: bytes=0-0"], "TCP_MEM_HIT/206"),
        (&["Range: bytes=9-"], "TCP_MEM_HIT/416"),
        (&["Cache-Control: no-cache"], "TCP_CLIENT_REFRESH_MISS/200"),
        (&["Cache-Control: max-age=0"], "TCP_REFRESH_MODIFIED/200"),
    ] {
        proxy.get(&url, fields);
        let line = proxy.logged();
        assert!(line.contains(&format!(" {code} ")), "{fields:?}: {line}");
        let hit = code.contains("HIT");
        assert_eq!(line.contains(" HIER_NONE/- "), hit, "{line}");
    }
}

#[test]
fn a_stored_response_is_asked_about_and_freshened() {
    let origin = Origin::start(|seen, stream| {
        let head = "Cache-Control: max-age=60\r\nETag: \"v1\"\r\n";
        match seen.field("if-none-match") {
            Some("\"v1\"") => write!(
                stream,
                "HTTP/1.1 304 Not Modified\r\n{head}X-New: 1\r\n\r\n"
            )?,
            _ => write!(
                stream,
                "HTTP/1.1 200 OK\r\n{head}Content-Length: 4\r\n\r\nbody"
            )?,
        }
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    let url = origin.url("/");
    assert_eq!(proxy.get(&url, &[]).text(), "body");
    let asked = proxy.get(&url, &["Cache-Control: max-age=0"]);
    assert_eq!((asked.status, asked.text().as_str()), (200, "body"));
    assert_eq!(asked.field("x-new"), Some("1"));
    let status = asked.field("cache-status").unwrap_or_default();
    assert!(
        status.starts_with("none; fwd=stale; fwd-status=304; ttl="),
        "{status}"
    );
    assert!(proxy.logged().contains(" TCP_MISS/200 "));
    assert!(proxy.logged().contains(" TCP_REFRESH_UNMODIFIED/200 "));
    assert_eq!(proxy.get(&url, &[]).field("x-new"), Some("1"));
}

#[test]
fn a_client_that_leaves_is_logged_as_such() {
    let (seen, arrived) = std::sync::mpsc::channel();
    let origin = Origin::start(move |_, stream| {
        seen.send(()).expect("the test waits");
        // The connection ends when the proxy gives up.
        std::io::copy(stream, &mut std::io::sink())?;
        Ok(Then::Close)
    });
    let proxy = Proxy::start("");
    let mut client = proxy.connect();
    client.send(request("GET", &origin.url("/"), &[], b""));
    arrived.recv().unwrap();
    drop(client);
    let line = proxy.logged();
    assert!(line.contains(" TCP_MISS_ABORTED/000 0 GET "), "{line}");
}

#[test]
fn a_moved_log_is_opened_anew_on_sigusr1() {
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (
        folder.path().join("access.log"),
        folder.path().join("access.log.0"),
    );
    let settings = format!(
        "access_log = \"{}\"\nlogformat = \"combined\"",
        log.display()
    );
    let (mut proxy, origin) = (Proxy::start(&settings), Origin::plain());
    let mut client = proxy.connect();
    // When the second is answered, the first has been logged.
    for path in ["/before", "/between"] {
        client.send(request(
            "GET",
            &origin.url(path),
            &["User-Agent: test/1"],
            b"",
        ));
        assert_eq!(client.response("GET").status, 200);
    }
    fs::rename(&log, &old).unwrap();
    proxy.signal(Signal::USR1);
    proxy.says("the access log has been reopened");
    proxy.get(&origin.url("/after"), &[]);
    // It writes what waits before it ends.
    proxy.signal(Signal::TERM);
    assert!(proxy.ended().success());
    let (old, new) = (
        fs::read_to_string(old).unwrap(),
        fs::read_to_string(log).unwrap(),
    );
    let line = format!("\"GET {} HTTP/1.1\" 200 ", origin.url("/before"));
    let first = old.lines().next().unwrap_or_default();
    assert!(
        first.contains(&line) && first.ends_with("\"-\" \"test/1\" TCP_MISS:HIER_DIRECT"),
        "{old}"
    );
    assert!(new.contains("/after") && !new.contains("/before"), "{new}");
}

#[test]
fn the_manager_is_there_for_whom_policy_lets() {
    let (proxy, origin) = (Proxy::start(""), Origin::plain());
    proxy.get(&origin.url("/"), &[]);
    let port = proxy.address.port();
    let get = |target: &str| {
        let mut client = proxy.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.response("GET")
    };
    for target in [
        "/squid-internal-mgr/info".to_owned(),
        "cache_object://localhost/info".into(),
        format!("http://127.0.0.1:{port}/squid-internal-mgr/info"),
        format!("http://none:{port}/squid-internal-mgr/info"),
    ] {
        let info = get(&target);
        assert_eq!(info.status, 200, "{target}");
        assert!(
            info.text()
                .contains("Plugin generation: 1\nGenerations alive: 1\nReloads: 0\n"),
            "{}",
            info.text()
        );
    }
    assert!(
        get("/squid-internal-mgr/menu")
            .text()
            .contains(" counters ")
    );
    assert!(
        get("/squid-internal-mgr/counters")
            .text()
            .contains("TCP_MISS = 1\n")
            || get("/squid-internal-mgr/counters")
                .text()
                .contains("TCP_MISS = ")
    );
    assert!(
        get("/squid-internal-mgr/plugins")
            .text()
            .contains("http_access allow localhost    # ")
    );
    let metrics = get("/squid-internal-mgr/metrics").text();
    for part in [
        "wproxy_requests_total{code=\"TCP_MISS\"} ",
        "wproxy_reload_failures_total 0\n",
        "wproxy_access_log_dropped_total 0\n",
        "wproxy_generation 1\n",
    ] {
        assert!(metrics.contains(part), "{metrics}");
    }
    assert_eq!(get("/squid-internal-mgr/shutdown").status, 404);

    // As documented: for the proxy's own machine alone.
    let policy = "[plugins.access-policy]\nacl = [\"manager proto cache_object\"]\nhttp_access = [\"deny manager\", \"allow all\"]\n";
    let proxy = Proxy::with_policy(policy, &[]);
    let denied = proxy.get("cache_object://localhost/info", &[]);
    assert_eq!(denied.status, 403);
    assert!(
        denied.text().contains("http_access deny manager"),
        "{}",
        denied.text()
    );
}
