//! Each limit: what the host does at it, and how often it says that it did.

use super::{assert_names_plugin, folder};
use crate::support::{Origin, PATIENCE, Proxy};
use rustix::process::Signal;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The number that the proxy's metrics have for that series.
pub(super) fn metric(proxy: &Proxy, series: &str) -> Option<f64> {
    let url = format!("http://{}/squid-internal-mgr/metrics", proxy.address);
    let page = proxy.get(&url, &[]).text();
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.map(|number| number.trim().parse().expect("a number"))
}

pub(super) fn limit(proxy: &Proxy, limit: &str) -> Option<f64> {
    let series = format!("wproxy_plugin_limit_total{{plugin=\"hostile\",limit=\"{limit}\"}}");
    metric(proxy, &series)
}

#[test]
fn what_costs_a_call_its_instance_is_counted() {
    let manifest = "[limits]\nmemory = \"8 MB\"\nhandles = 10\nfailures = 2\ncalls = 9";
    let (folder, origin) = (folder(manifest), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 1", folder.path());
    for (path, name, reason) in [
        ("loop", "time", "it ran longer than its limit of 10ms"),
        (
            "eat",
            "memory",
            "it wanted more memory than its limit of 8192 KB",
        ),
        ("recurse", "stack", "call stack exhausted"),
        (
            "hoard",
            "handles",
            "more descriptors, streams and the like than its limit of 10",
        ),
        ("challenge", "answer", "its challenge is longer than 8 KB"),
    ] {
        assert_eq!(limit(&proxy, name), Some(0.0), "{name}");
        let response = proxy.get(&origin.url(&format!("/access/{path}")), &[]);
        assert_names_plugin(&response, "access", reason);
        assert_eq!(limit(&proxy, name), Some(1.0), "{name}");
    }
    let series = |name: &str| {
        let labels = "{plugin=\"hostile\",hook=\"access\"}";
        metric(&proxy, &format!("wproxy_plugin_{name}_total{labels}")).expect("it was called")
    };
    // Each page of metrics that was read is a call as well.
    assert_eq!((series("failures"), series("calls")), (5.0, 17.0));
    assert_eq!(limit(&proxy, "failures"), Some(0.0));
    for _ in 0..2 {
        assert_eq!(proxy.get(&origin.url("/access/trap"), &[]).status, 500);
    }
    // The page is not there before the hook is back.
    let start = Instant::now();
    let put_aside = loop {
        match limit(&proxy, "failures") {
            Some(times) => break times,
            None => assert!(start.elapsed() < PATIENCE),
        }
    };
    assert_eq!(put_aside, 1.0);
}

#[test]
fn renewed_instances_are_counted() {
    let (folder, origin) = (folder("[limits]\ncalls = 2"), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 1", folder.path());
    // All five hooks, and one of the page's.
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    assert_eq!(limit(&proxy, "calls"), Some(3.0));
    let instances = metric(&proxy, "wproxy_plugin_instances_total{plugin=\"hostile\"}");
    assert!(instances > Some(3.0), "{instances:?}");
}

/// It has a table, and that is as large as it is from the beginning.
#[test]
fn a_table_that_is_too_large_is_refused_at_load() {
    let folder = folder("");
    let proxy = Proxy::with_plugins("", folder.path());
    let manifest = "name = \"hostile\"\ncomponent = \"hostile.wasm\"\n[limits]\ntable_elements = 1";
    fs::write(folder.path().join("hostile/plugin.toml"), manifest).unwrap();
    proxy.signal(Signal::HUP);
    proxy
        .says("the plugin fails when it starts: it wanted more table elements than its limit of 1");
    assert_eq!(limit(&proxy, "table"), Some(1.0));
}

#[test]
fn a_call_writes_into_fields_what_its_limit_says() {
    let (folder, origin) = (folder("[limits]\nfields = \"600 bytes\""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    assert_eq!(proxy.get(&origin.url("/request/scribble"), &[]).status, 200);
    // 10 octets for X-Refused, 60 each time.
    let scribble = format!("{:050}", 9);
    let seen = origin.seen();
    assert_eq!(seen.field("x-scribble"), Some(scribble.as_str()));
    // One in each direction, and one of the page's own, was larger than any limit.
    assert_eq!(limit(&proxy, "fields"), Some(3.0));
}

#[test]
fn log_lines_have_their_length_number_and_rate() {
    let manifest = "[limits]\ntime = \"1 s\"\nlog_line = \"99 bytes\"\nlog_lines = 3\nlog_rate = 5";
    let (folder, origin) = (folder(manifest), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    assert_eq!(proxy.get(&origin.url("/access/line"), &[]).status, 200);
    let line = proxy.says("long long");
    assert_eq!(line.matches("long").count(), 20, "{line}");
    assert_eq!(limit(&proxy, "log"), Some(1.0));
    assert_eq!(proxy.get(&origin.url("/access/chatter"), &[]).status, 200);
    assert_eq!(limit(&proxy, "log"), Some(998.0));
    proxy.says("more lines of this call are left out");
    // What is too much for a second is told of in the next.
    let told = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !told.load(Ordering::Relaxed) {
                assert_eq!(proxy.get(&origin.url("/access/chatter"), &[]).status, 200);
            }
        });
        let line = proxy.says("lines were left out: it logs 5 a second at most");
        told.store(true, Ordering::Relaxed);
        assert!(line.contains("plugin=\"hostile\""), "{line}");
    });
    assert!(limit(&proxy, "log_rate") > Some(0.0));
}

/// The host trusts no handle and no list: the call traps, and nothing else happens.
#[test]
fn handles_and_lists_that_are_none_cost_their_call() {
    let (folder, origin) = (
        folder("[limits]\ntime = \"1 s\"\nfailures = 0"),
        Origin::plain(),
    );
    let proxy = Proxy::with_plugins("", folder.path());
    for (hook, path, reason) in [
        ("access", "/access/twice", "unknown handle index 1"),
        ("access", "/access/given-back", "unknown handle index 1"),
        // The fields were lent to another call, on the same instance.
        ("access", "/access/stale", "unknown handle index 2"),
        (
            "request-headers",
            "/request/confused",
            "handle index 1 used with the wrong type",
        ),
        (
            "request-headers",
            "/request/long-list",
            "fuel allocated for hostcalls",
        ),
        (
            "request-headers",
            "/request/many-names",
            "it named more than 1000 fields to remove at once",
        ),
        ("request-headers", "/request/list-beyond", "out of bounds"),
    ] {
        let response = proxy.get(&origin.url(path), &[]);
        assert_names_plugin(&response, hook, reason);
        assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    }
}

#[test]
fn log_lines_and_output_carry_the_request_s_number() {
    let (folder, origin) = (folder("[limits]\ntime = \"100 ms\""), Origin::plain());
    let proxy = Proxy::with_plugins("logformat = \"json\"", folder.path());
    for (path, lines) in [
        ("/access/log", &["one"][..]),
        ("/access/wasi", &["hello from stdout", "hello from stderr"]),
        ("/access/trap", &["failed in its hook `access`"]),
    ] {
        proxy.get(&origin.url(path), &[]);
        let logged: serde_json::Value = serde_json::from_str(&proxy.logged()).unwrap();
        let number = format!("request={}", logged["request"].as_u64().expect("a number"));
        for line in lines {
            let line = proxy.says(line);
            assert!(line.contains(&number), "{line}: {number}");
        }
    }
}

#[test]
fn a_trap_shows_where_in_the_plugin_it_was() {
    let (folder, origin) = (folder(""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    for (path, function) in [
        ("trap", "panic"),
        ("recurse", "hostile::recurse"),
        ("loop", "hostile"),
    ] {
        let response = proxy.get(&origin.url(&format!("/access/{path}")), &[]);
        // The page has the reason alone.
        assert!(!response.text().contains("0x"), "{}", response.text());
        proxy.says("plugin `hostile` failed in its hook `access`: ");
        let frame = proxy.says("");
        assert!(frame.starts_with("    0: "), "{frame}");
        let frame = if frame.contains(function) {
            frame
        } else {
            proxy.says(function)
        };
        assert!(
            frame.starts_with("    ") && !frame.contains("_ZN"),
            "{frame}"
        );
    }
}

#[test]
fn a_plugin_that_fails_when_it_starts_says_where_and_why() {
    let said = super::refused(&folder("[config]\npanics = true"));
    for part in [
        "panicked at ",
        "as asked",
        "plugin `hostile` fails in `configure`: it trapped",
        "hostile::fail_at_start",
        "error: the plugin fails when it starts: it trapped (wasm trap: wasm `unreachable`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
