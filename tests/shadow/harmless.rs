//! Whatever the candidate does, clients get what they would have got.

use super::{ask, awake, brief, hostile, policy, report, settings, shadowed};
use crate::plugins::quota;
use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// What a client gets, octet for octet, but for what is another one each time.
fn seen(response: Response) -> (u16, String, Vec<(String, String)>, Vec<u8>) {
    let mut fields = response.fields;
    fields.retain(|(name, _)| name != "date");
    (response.status, response.reason, fields, response.body)
}

#[test]
fn a_candidate_that_traps_loops_or_leaks_changes_nothing_for_clients() {
    let manifest = "[limits]\nmemory = \"8 MB\"\nfailures = 0";
    let (plugins, (_folder, none)) = (hostile(manifest), settings(""));
    let origin = Origin::plain();
    // Two proxies, one of them with nothing in the shadow.
    let [plain, shadowed] = [
        &[][..],
        &[
            "--shadow",
            plugins.path().to_str().unwrap(),
            "--shadow-config",
            none.to_str().unwrap(),
        ],
    ]
    .map(|arguments| Proxy::with_policy(&awake(&policy("")), arguments));
    let mut clients = [plain.connect(), shadowed.connect()];
    let mut count = 0;
    for hook in ["access", "key", "request", "response", "cache"] {
        let all = ["trap", "loop", "eat", "recurse", "long-list"];
        let some = if hook == "access" {
            &all[..]
        } else {
            &all[..2]
        };
        for what in some {
            let url = origin.url(&format!("/{hook}/{what}"));
            let [one, other] = clients.each_mut().map(|client| {
                client.send(request("GET", &url, &["X-Mine: 1"], b""));
                seen(client.response("GET"))
            });
            assert_eq!(one, other, "{url}");
            assert_eq!(one.0, 200);
            let [one, other] = [origin.seen(), origin.seen()];
            assert_eq!((one.target, one.fields), (other.target, other.fields));
            count += 1;
        }
    }
    let report = report(&shadowed, count);
    assert_eq!(report["dropped"], 0);
    let kinds = report["differences"].as_array().unwrap();
    let failed = |hook: &str, reason: &str| {
        let failed = kinds
            .iter()
            .filter(|one| one["failed"] == true && one["hook"] == hook);
        let mut said = failed.map(|one| one["candidate"]["text"].as_str().unwrap());
        assert!(
            said.any(|said| said.contains(reason)),
            "{hook} {reason}: {report}"
        );
    };
    for hook in ["access", "cache-key", "request-headers", "response-headers"] {
        failed(hook, "it trapped (wasm trap: wasm `unreachable`");
        failed(hook, "it ran longer than its limit of 10ms");
    }
    for reason in [
        "it wanted more memory than its limit of 8192 KB",
        "it trapped (wasm trap: call stack exhausted)",
    ] {
        failed("access", reason);
    }
    // Its failures are its own: they are no differences, and no plugin's that serves.
    let access = kinds
        .iter()
        .find(|one| one["hook"] == "access" && one["failed"] == false);
    assert_eq!(access, None);
    let said = shadowed.says("plugin `hostile` failed in its hook `access`: it trapped");
    assert!(said.contains(" shadow: "), "{said}");
    let metrics = format!("http://{}/squid-internal-mgr/metrics", shadowed.address);
    let metrics = shadowed.get(&metrics, &[]).text();
    assert!(!metrics.contains("plugin=\"hostile\""), "{metrics}");
    assert!(
        metrics.contains("wproxy_shadow_failures_total{hook=\"access\"} "),
        "{metrics}"
    );
}

#[test]
fn what_there_is_no_time_for_is_dropped_and_counted() {
    const REQUESTS: u64 = 30;
    let plugins = hostile("[limits]\ntime = \"500 ms\"");
    let (_folder, none) = settings("");
    let live = format!(
        "{}queue = 1\nplugins = {:?}\nconfig = {none:?}\n",
        awake(&policy("")),
        plugins.path()
    );
    let (proxy, origin) = (Proxy::with_policy(&live, &[]), Origin::plain());
    let mut client = proxy.connect();
    // The first one keeps the candidate for long, the second one waits.
    for number in 0..REQUESTS {
        let path = if number == 0 { "/access/loop" } else { "/good" };
        client.send(request("GET", &origin.url(path), &[], b""));
        assert_eq!(client.response("GET").text(), path);
    }
    let report = report(&proxy, REQUESTS - 4);
    let count = |key: &str| report[key].as_u64().unwrap();
    assert!(count("dropped") >= REQUESTS - 4, "{report}");
    let all = count("requests") + count("dropped") + count("waiting");
    assert!(all <= REQUESTS, "{report}");
    let (_, text, _) = proxy.command(&["status"]);
    assert!(
        text.contains(&format!(", {} dropped", count("dropped"))),
        "{text}"
    );
    // Whoever asks for the page may be dropped as well.
    let dropped = super::metric(&proxy, "wproxy_shadow_dropped_total").expect("a counter");
    assert!(dropped >= count("dropped") as f64, "{dropped}");
}

/// What it counts is its own: the same quota is used up once by the live one, and once in the shadow.
#[test]
fn a_candidate_that_counts_uses_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, order) in [("quota", 5), ("hostile", 90)] {
        let plugin = folder.path().join(name);
        fs::create_dir(&plugin).unwrap();
        let (component, rest) = match name {
            "quota" => (
                quota().join("quota.wasm"),
                "[grants]\nkv = true\n[config]\nrequests = 5\nseconds = 600\nhelp = \"no\"\n",
            ),
            _ => (crate::plugins::built(name), ""),
        };
        fs::copy(component, plugin.join("a.wasm")).unwrap();
        let manifest =
            format!("name = \"{name}\"\ncomponent = \"a.wasm\"\norder = {order}\n{rest}");
        fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    }
    let plugins = folder.path().to_str().unwrap();
    let arguments = ["--plugins", plugins, "--shadow", plugins];
    let proxy = Proxy::with_policy(&awake(""), &arguments);
    let origin = Origin::plain();
    let statuses: Vec<u16> = (0..8)
        .map(|_| proxy.get(&origin.url("/"), &[]).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
    let report = report(&proxy, 8);
    // When it may ask again, each reckons from its own first request.
    let kinds = brief(&report);
    let otherwise = |kind: &&Value| kind.to_string().contains("allow");
    assert_eq!(kinds.iter().find(otherwise), None, "{report}");
}

/// Under load from several clients, with a candidate that differs everywhere: each gets its own.
#[test]
fn many_clients_at_once_get_what_is_theirs() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let (proxy, origin) = (shadowed(&policy(""), &candidate), Origin::plain());
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (proxy, origin) = (&proxy, &origin);
            scope.spawn(move || {
                let mut connection = proxy.connect();
                for number in 0..100 {
                    let path = format!("/private/{client}/{number}");
                    connection.send(request("GET", &origin.url(&path), &[], b""));
                    assert_eq!(connection.response("GET").text(), path);
                }
            });
        }
    });
    let report = report(&proxy, 800);
    assert_eq!(report["requests"], report["different"]);
    let _ = ask(&proxy, &["status"]);
    assert_eq!(
        report["differences"][0]["count"],
        report["requests"],
        "{}",
        json!(report)
    );
}

/// Of its thread alone: everything else is as important as ever.
#[test]
fn everything_else_comes_first() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let candidate = candidate.to_str().unwrap();
    let proxy = Proxy::with_policy(&policy(""), &["--shadow-config", candidate]);
    // By then all of them run, under their names.
    let origin = Origin::plain();
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    report(&proxy, 1);
    let threads = fs::read_dir(format!("/proc/{}/task", proxy.pid())).unwrap();
    let (mut nice, mut policy) = (BTreeMap::new(), BTreeMap::new());
    for thread in threads.map(|thread| thread.unwrap().path()) {
        let stat = fs::read_to_string(thread.join("stat")).unwrap();
        // proc(5): the name in parentheses is the second field, the nice value the 19th, the
        // scheduling policy the 41st.
        let (name, rest) = stat.rsplit_once(") ").unwrap();
        let name = name.split_once('(').unwrap().1.to_owned();
        let field = |number: usize| -> i32 {
            let field = rest.split(' ').nth(number - 3).unwrap();
            field.parse().unwrap()
        };
        nice.insert(name.clone(), field(19));
        policy.insert(name, field(41));
    }
    // SCHED_IDLE of sched(7).
    assert_eq!((nice["shadow"], policy["shadow"]), (19, 5), "{nice:?}");
    assert_eq!(policy["worker"], 0, "{policy:?}");
    assert_eq!(nice["worker"], nice["epoch"], "{nice:?}");
    assert!(nice["worker"] < 19, "{nice:?}");
}
