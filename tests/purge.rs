//! What is stored, seen and taken out: `wproxy cache`, and the method PURGE.

use crate::support::{Origin, Proxy, Response, Then};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything may be kept for ten minutes; below /stale/ for none, below /vary/ by X-Variant.
fn origin() -> Origin {
    Origin::start(|seen, stream| {
        let control = match seen.target.starts_with("/stale/") {
            true => "Cache-Control: max-age=0\r\nETag: \"v\"",
            false => "Cache-Control: max-age=600",
        };
        let vary = match seen.target.starts_with("/vary/") {
            true => "Vary: X-Variant\r\n",
            false => "",
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\n{control}\r\n{vary}Content-Length: 12288\r\n\r\n{}",
            "x".repeat(12_288)
        )?;
        Ok(Then::Keep)
    })
}

fn is_hit(response: &Response) -> bool {
    response.field("x-cache") == Some("HIT from none")
}

/// Fetches them, so that they are stored.
fn fetch(proxy: &Proxy, origin: &Origin, paths: &[&str]) {
    for path in paths {
        let response = proxy.get(&origin.url(path), &[]);
        assert!(response.status == 200 && !is_hit(&response), "{path}");
        proxy.logged();
    }
}

fn fetch_variants(proxy: &Proxy, origin: &Origin, path: &str) {
    for variant in ["X-Variant: 1", "X-Variant: 2"] {
        assert!(!is_hit(&proxy.get(&origin.url(path), &[variant])));
        proxy.logged();
    }
}

/// The paths that `ls --json` shows, sorted.
fn listed(proxy: &Proxy, origin: &Origin, arguments: &[&str]) -> Vec<String> {
    let (code, stdout, stderr) = proxy.cache(&[&["ls", "--json"], arguments].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let path = |line: &str| {
        let entry: Value = serde_json::from_str(line).expect("JSON");
        let uri = entry["uri"].as_str().expect("a URI").to_owned();
        uri.strip_prefix(&origin.url("")).expect("ours").to_owned()
    };
    let mut paths: Vec<String> = stdout.lines().map(path).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn ls_shows_what_is_stored() {
    let (proxy, origin) = (Proxy::start(""), origin());
    let (code, stdout, _) = proxy.cache(&["ls"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "0 responses, 0 B\n"));
    fetch(&proxy, &origin, &["/a/1", "/a/2", "/stale/1"]);
    fetch_variants(&proxy, &origin, "/vary/1");

    let (code, stdout, _) = proxy.cache(&["ls"]);
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "TIER    STATUS     SIZE     AGE     TTL  URI");
    assert_eq!(
        lines[1..6]
            .iter()
            .filter(|line| line.contains("   stale  "))
            .count(),
        1
    );
    for line in &lines[1..6] {
        assert!(line.starts_with("memory     200    12 KB  "), "{line}");
        assert_eq!(line.find(&origin.url("/")), Some(41), "{line}");
    }
    assert_eq!(lines[6..], ["5 responses, 60 KB"]);

    let prefix = origin.url("/a/");
    #[rustfmt::skip]
    let cases: [(&[&str], &[&str]); 5] = [
        (&[], &["/a/1", "/a/2", "/stale/1", "/vary/1", "/vary/1"]),
        (&[&prefix], &["/a/1", "/a/2"]),
        (&["--regex", "/(a|vary)/1$"], &["/a/1", "/vary/1", "/vary/1"]),
        (&["http://elsewhere/"], &[]),
        (&["--limit", "0"], &[]),
    ];
    for (arguments, paths) in cases {
        assert_eq!(listed(&proxy, &origin, arguments), paths, "{arguments:?}");
    }
    assert_eq!(listed(&proxy, &origin, &["--limit", "3"]).len(), 3);
    let (_, stdout, _) = proxy.cache(&["ls", "--limit", "2"]);
    assert!(
        stdout.ends_with("\n2 responses, 24 KB; there may be more\n"),
        "{stdout}"
    );

    let (_, stdout, _) = proxy.cache(&["ls", "--json", &origin.url("/a/1")]);
    let entry: Value = serde_json::from_str(&stdout).expect("one line");
    let (age, ttl) = (&entry["age"], &entry["ttl"]);
    assert_eq!(
        age.as_i64().zip(ttl.as_i64()).map(|(age, ttl)| age + ttl),
        Some(600)
    );
    let expected = json!({
        "tier": "memory", "status": 200, "size": 12_288, "age": age, "ttl": ttl,
        "uri": origin.url("/a/1"),
    });
    assert_eq!(entry, expected);
}

#[test]
fn purge_takes_out_what_is_named() {
    let (proxy, origin) = (Proxy::start(""), origin());
    fetch(
        &proxy,
        &origin,
        &["/a/1", "/a/2", "/b/1", "/b/2", "/b/3", "/c"],
    );
    fetch_variants(&proxy, &origin, "/vary/1");
    let purge = |arguments: &[&str]| {
        let (code, stdout, stderr) = proxy.cache(&[&["purge"], arguments].concat());
        (code, stdout + &stderr)
    };
    // As a client may have written it.
    let url = origin.url("/a/1").replace("http://", "HTTP://user@") + "#fragment";
    assert_eq!(purge(&[&url]), (Some(0), "purged 1 response\n".into()));
    let nothing = (Some(1), "nothing was stored for that\n".to_owned());
    assert_eq!(purge(&[&url]), nothing);
    assert_eq!(purge(&[&origin.url("/vary")]), nothing);
    // Nothing goes where one of them is none.
    let (code, said) = purge(&[&origin.url("/a/2"), "/a/2"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "error: `/a/2`: no host is in it\nhelp: write http://host/path\n"
    );
    let rest = ["/a/2", "/b/1", "/b/2", "/b/3", "/c", "/vary/1", "/vary/1"];
    assert_eq!(listed(&proxy, &origin, &[]), rest);

    let purged = |count| (Some(0), format!("purged {count} responses\n"));
    let several = [
        &origin.url("/a/2"),
        &*origin.url("/vary/1"),
        "http://elsewhere/",
    ];
    assert_eq!(purge(&several), purged(3));
    assert_eq!(purge(&["--regex", "/b/[12]$"]), purged(2));
    assert_eq!(purge(&["--regex", "/b/[12]$"]), nothing);
    assert_eq!(listed(&proxy, &origin, &[]), ["/b/3", "/c"]);
    let (code, said) = purge(&["--regex", "b(3"]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("error: `b(3` is not a regular expression: unclosed group\nhelp: "),
        "{said}"
    );
    assert_eq!(
        purge(&["--all", "--json"]),
        (Some(0), "{\"purged\":2}\n".into())
    );
    assert_eq!(
        purge(&["--all", "--json"]),
        (Some(1), "{\"purged\":0}\n".into())
    );
    assert!(listed(&proxy, &origin, &[]).is_empty());
    fetch_variants(&proxy, &origin, "/vary/1");
    fetch(&proxy, &origin, &["/b/1"]);

    // Of the command line itself.
    for arguments in [&[][..], &["--all", "http://a/"], &["--all", "--regex", "a"]] {
        assert_eq!(purge(arguments).0, Some(1), "{arguments:?}");
    }
}

/// Once responses vary by something else, those stored before only take up room.
#[test]
fn what_no_request_finds_any_more_is_not_shown() {
    let (first, second) = ("X-Variant", "X-Other");
    let asked = AtomicUsize::new(0);
    let origin = Origin::start(move |_, stream| {
        let vary = match asked.fetch_add(1, Ordering::SeqCst) {
            0 => first,
            _ => second,
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nVary: {vary}\r\nContent-Length: 0\r\n\r\n"
        )?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    fetch_variants(&proxy, &origin, "/");
    assert_eq!(listed(&proxy, &origin, &[]), ["/"]);
    let (_, stdout, _) = proxy.cache(&["purge", "--all"]);
    assert_eq!(stdout, "purged 1 response\n");
    let (_, stdout, _) = proxy.cache(&["stats", "--json"]);
    let stats: Value = serde_json::from_str(&stdout).expect("one line");
    assert_eq!(stats["tiers"][0]["octets"], 0, "all of it has gone");
}

#[test]
fn stats_say_how_full_and_how_useful_the_cache_is() {
    let (proxy, origin) = (
        Proxy::start("cache_mem = \"1 MB\"\ncache_dir = \"none\""),
        origin(),
    );
    fetch(&proxy, &origin, &["/1", "/2", "/3"]);
    for path in ["/1", "/2"] {
        assert!(is_hit(&proxy.get(&origin.url(path), &[])));
        proxy.logged();
    }
    proxy.cache(&["purge", &origin.url("/3")]);

    let (code, stdout, _) = proxy.cache(&["stats", "--json"]);
    assert_eq!(code, Some(0));
    let mut stats: Value = serde_json::from_str(&stdout).expect("one line");
    let octets = stats["tiers"][0]["octets"]
        .take()
        .as_u64()
        .expect("a number");
    assert!((24_576..30_000).contains(&octets), "{octets}");
    let requests = &stats["requests"];
    assert_eq!(
        (&requests["TCP_MISS"], &requests["TCP_MEM_HIT"]),
        (&3.into(), &2.into())
    );
    let tier = json!({"tier": "memory", "responses": 2, "octets": null, "budget": 1 << 20});
    assert_eq!(stats["tiers"], json!([tier]));
    assert_eq!(
        (&stats["hits"], &stats["misses"], &stats["purged"]),
        (&2.into(), &3.into(), &1.into())
    );

    let (_, stdout, _) = proxy.cache(&["stats"]);
    for part in [
        "TIER    RESPONSES     SIZE   BUDGET  USED\nmemory          2    2",
        "     1 MB    2%\n\nhits            2  40%\nmisses          3  60%\npurged          1\n\n",
        "                2  TCP_MEM_HIT\n                3  TCP_MISS\n",
    ] {
        assert!(stdout.contains(part), "no {part:?} in:\n{stdout}");
    }

    let page = |name| {
        proxy
            .get(&format!("cache_object://localhost/{name}"), &[])
            .text()
    };
    let info = page("info");
    for part in [
        "Purged responses: 1\n",
        "Cache in memory: 2 responses, 2",
        " KB of 1024 KB\n",
    ] {
        assert!(info.contains(part), "{info}");
    }
    let metrics = page("metrics");
    for part in [
        "wproxy_cache_purged_total 1\n",
        "wproxy_cache_responses{tier=\"memory\"} 2\n",
        "wproxy_cache_budget_bytes{tier=\"memory\"} 1048576\n",
        &format!("wproxy_cache_bytes{{tier=\"memory\"}} {octets}\n"),
    ] {
        assert!(metrics.contains(part), "no {part:?} in:\n{metrics}");
    }
}

#[test]
fn the_settings_say_where_the_socket_is() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let proxy = Proxy::start(&format!("control_socket = \"{}\"", socket.display()));
    let settings = proxy.settings();
    let arguments = ["cache", "ls", "--config", settings.to_str().unwrap()];
    let (code, stdout, stderr) = crate::support::proxy::run(&arguments);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "0 responses, 0 B\n"),
        "{stderr}"
    );
}

/// A policy that lets this machine purge.
const PURGERS: &str = r#"
[plugins.access-policy]
acl = ["localhost src 127.0.0.0/8", "purge method PURGE"]
http_access = ["allow purge localhost", "deny purge", "allow localhost"]
"#;

/// As a squid 5.7 was seen to do it, but for variants, which that leaves where they are.
#[test]
fn purge_by_method_removes_what_is_stored_for_the_uri() {
    let (proxy, origin) = (Proxy::with_policy(PURGERS, &[]), origin());
    fetch(&proxy, &origin, &["/a", "/b"]);
    fetch_variants(&proxy, &origin, "/vary/1");
    let asked = origin.all().len();
    for path in ["/a", "/vary/1"] {
        let url = origin.url(path);
        let purged = proxy.request("PURGE", &url, &[], b"");
        assert_eq!(
            (purged.status, purged.text()),
            (200, format!("purged {url}\n"))
        );
        let line = proxy.logged();
        assert!(line.contains(" TCP_MISS/200 "), "{line}");
        let expected = format!(" PURGE {url} - HIER_NONE/- text/plain");
        assert!(line.ends_with(&expected), "{line}");

        let missing = proxy.request("PURGE", &url, &[], b"");
        assert_eq!(missing.status, 404);
        let page = "404 Not Found: nothing is stored for it. There is nothing to purge.";
        assert!(missing.text().starts_with(page), "{}", missing.text());
        let line = proxy.logged();
        assert!(line.contains(" TCP_MISS/404 "), "{line}");
    }
    assert_eq!(origin.all().len(), 0, "{asked} requests before");
    assert_eq!(listed(&proxy, &origin, &[]), ["/b"]);
    fetch(&proxy, &origin, &["/a"]);
    fetch_variants(&proxy, &origin, "/vary/1");
    assert!(is_hit(&proxy.get(&origin.url("/b"), &[])));
}

/// What does not matter to it.
#[test]
fn purge_by_method_keeps_the_connection_and_minds_no_body() {
    let (proxy, origin) = (Proxy::with_policy(PURGERS, &[]), origin());
    fetch(&proxy, &origin, &["/a"]);
    let mut client = proxy.connect();
    let url = origin.url("/a");
    for (body, status) in [(&b"body"[..], 200), (b"", 404), (b"", 404)] {
        client.send(crate::support::proxy::request("PURGE", &url, &[], body));
        assert_eq!(client.response("PURGE").status, status);
    }
    client.send(crate::support::proxy::request("GET", &url, &[], b""));
    assert_eq!(client.response("GET").status, 200);
    // A URL it needs, not what CONNECT has.
    let tunnel = proxy.request("PURGE", &origin.address.to_string(), &[], b"");
    assert_eq!(tunnel.status, 400);
}

#[test]
fn purge_by_method_is_for_whom_policy_lets() {
    let denied = PURGERS.replace("allow purge localhost", "deny purge localhost");
    let (proxy, origin) = (Proxy::with_policy(&denied, &[]), origin());
    fetch(&proxy, &origin, &["/a"]);
    let purged = proxy.request("PURGE", &origin.url("/a"), &[], b"");
    assert_eq!(purged.status, 403);
    assert!(
        purged.text().contains("http_access deny purge localhost"),
        "{}",
        purged.text()
    );
    let line = proxy.logged();
    assert!(line.contains(" TCP_DENIED/403 "), "{line}");
    assert!(is_hit(&proxy.get(&origin.url("/a"), &[])));
}
