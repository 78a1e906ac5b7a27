//! The shadow: what a candidate would do otherwise, which no client ever notices.

mod harmless;
mod helpers;
mod promoted;
mod renewed;

use crate::plugins::built;
use crate::support::proxy::request;
use crate::support::{Origin, PATIENCE, Proxy};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often it is looked whether the shadow has done what there is to do: whoever looks takes time
/// from it.
const LOOK: Duration = Duration::from_millis(50);

/// Clients and origins are on loopback; `rules` come first.
fn policy(rules: &str) -> String {
    format!(
        "[plugins.access-policy]\n\
         acl = [\"localhost src 127.0.0.0/8 ::1\", \"private urlpath_regex ^/private\", \"near dst 127.0.0.0/8\", \"secret url_regex secret\"]\n\
         http_access = [{rules}\"allow localhost\", \"deny all\"]\n"
    )
}

/// A file of settings in a folder of its own.
fn settings(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("candidate.toml");
    fs::write(&file, text).unwrap();
    (folder, file)
}

/// With a shadow that gets its share of the processors: a test waits for it, and others run beside.
fn awake(live: &str) -> String {
    format!("{live}[shadow]\nnice = 0\n")
}

/// A proxy with that policy, and with the other one in the shadow.
fn shadowed(live: &str, candidate: &Path) -> Proxy {
    let candidate = candidate.to_str().unwrap();
    Proxy::with_policy(&awake(live), &["--shadow-config", candidate])
}

/// A folder with the hostile plugin under that name; `manifest` is what its manifest has beyond that.
fn hostile(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("hostile");
    fs::create_dir(&plugin).unwrap();
    fs::copy(built("hostile"), plugin.join("hostile.wasm")).unwrap();
    let manifest = format!("name = \"hostile\"\ncomponent = \"hostile.wasm\"\n{manifest}");
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    folder
}

/// The JSON that a command prints in one line.
fn ask(proxy: &Proxy, command: &[&str]) -> Value {
    let (code, stdout, stderr) = proxy.command(&[command, &["--json"]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    serde_json::from_str(&stdout).expect("a line of JSON")
}

/// The report, once so many requests have been compared or dropped.
fn report(proxy: &Proxy, requests: u64) -> Value {
    let start = Instant::now();
    loop {
        let report = ask(proxy, &["shadow", "report"]);
        let count = |key: &str| report[key].as_u64().expect("a number");
        if count("requests") + count("dropped") >= requests {
            return report;
        }
        assert!(start.elapsed() < 3 * PATIENCE, "{report}");
        std::thread::sleep(LOOK);
    }
}

/// Of each kind of difference: hook, count, and what both sides say.
fn brief(report: &Value) -> Vec<Value> {
    let said = |said: &Value| match said["rule"]["rule"].as_str() {
        Some(rule) => format!("{}: {rule}", said["text"].as_str().unwrap()),
        None => said["text"].as_str().unwrap().to_owned(),
    };
    let kinds = report["differences"].as_array().expect("a list").iter();
    kinds
        .map(|one| {
            json!([
                one["hook"],
                one["count"],
                said(&one["live"]),
                said(&one["candidate"])
            ])
        })
        .collect()
}

fn metric(proxy: &Proxy, series: &str) -> Option<f64> {
    let url = format!("http://{}/squid-internal-mgr/metrics", proxy.address);
    let page = proxy.get(&url, &[]).text();
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.map(|number| number.trim().parse().expect("a number"))
}

#[test]
fn one_rule_shows_exactly_the_requests_that_it_changes() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let live = format!("logformat = \"json\"\n{}", policy(""));
    let (proxy, origin) = (shadowed(&live, &candidate), Origin::plain());
    let mut changed = Vec::new();
    let mut client = proxy.connect();
    for number in 0..20 {
        let private = number % 3 == 0;
        let path = format!(
            "/{}/{number}?key=secret",
            if private { "private" } else { "public" }
        );
        client.send(request("GET", &origin.url(&path), &[], b""));
        assert_eq!(client.response("GET").status, 200);
        let line: Value = serde_json::from_str(&proxy.logged()).unwrap();
        if private {
            changed.push(line["request"].as_u64().expect("a number"));
        }
    }
    let report = report(&proxy, 20);
    let live = "allow: http_access allow localhost";
    let expected = json!(["access", 7, live, "deny 403: http_access deny private"]);
    assert_eq!(brief(&report), [expected]);
    for (key, value) in [
        ("candidate", json!(1)),
        ("generation", json!(1)),
        ("requests", json!(20)),
        ("different", json!(7)),
        ("failed", json!(0)),
        ("dropped", json!(0)),
        ("left_out", json!(0)),
        ("plugins", Value::Null),
        ("config", json!(candidate.to_str().unwrap())),
    ] {
        assert_eq!(report[key], value, "{key}: {report}");
    }
    let difference = &report["differences"][0];
    let at = |said: &Value| said["rule"]["at"].as_str().expect("a place").to_owned();
    assert_eq!(
        at(&difference["live"]),
        format!("{}:6", proxy.settings().display())
    );
    assert_eq!(
        at(&difference["candidate"]),
        format!("{}:3", candidate.display())
    );
    let examples = difference["examples"].as_array().unwrap();
    let named: Vec<u64> = examples
        .iter()
        .map(|one| one["request"].as_u64().unwrap())
        .collect();
    assert_eq!(named, changed[..5]);
    let first = &examples[0];
    assert_eq!(first["uri"], origin.url("/private/0?"), "without its query");
    assert_eq!(
        (&first["client"], &first["method"]),
        (&json!("127.0.0.1"), &json!("GET"))
    );

    // The log has both rules, and some of a second's differences.
    let line = proxy.says("`access` differs: ");
    for part in [
        "shadow: ",
        "allow by http_access allow localhost (",
        "wproxy.toml:6, plugin access-policy); the candidate: deny 403 by http_access deny private (",
        "candidate.toml:3, plugin access-policy); GET http://",
        "/private/0? from 127.0.0.1 request=",
        &changed[0].to_string(),
    ] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    for (series, count) in [
        ("requests_total", 20.0),
        ("different_total", 7.0),
        ("dropped_total", 0.0),
        ("differences_total{hook=\"access\"}", 7.0),
    ] {
        // What looks is compared as well.
        let counted = metric(&proxy, &format!("wproxy_shadow_{series}")).expect(series);
        assert!(
            (count..=count + 4.0).contains(&counted),
            "{series}: {counted}"
        );
    }
}

#[test]
fn every_hook_is_compared() {
    let rest = "[plugins.header-scrub]\nrequest_header_access = [\"X-Secret deny all\"]\n\
                reply_header_access = [\"X-Powered-By deny all\"]\n\
                [plugins.cache-rules]\nrefresh_pattern = [\"-i [.]deb$ 60 50% 120\"]\n";
    let (_folder, candidate) = settings(&format!("{}{rest}", policy("\"deny secret\", ")));
    let live = policy("") + "[plugins.header-scrub]\nrequest_header_access = []\n";
    let proxy = shadowed(&live, &candidate);
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nX-Powered-By: x\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    for path in ["/a.deb", "/b.deb", "/secret"] {
        let response = proxy.get(&origin.url(path), &["X-Secret: topmost"]);
        assert_eq!(response.field("x-powered-by"), Some("x"));
        assert_eq!(origin.seen().field("x-secret"), Some("topmost"));
    }
    let (_, text, _) = {
        report(&proxy, 3);
        proxy.command(&["shadow", "report"])
    };
    let report = report(&proxy, 3);
    let mut kinds = brief(&report);
    kinds.sort_by_key(ToString::to_string);
    #[rustfmt::skip]
    let expected = [
        json!(["access", 1, "allow: http_access allow localhost", "deny 403: http_access deny secret"]),
        json!(["cache-rules", 2, "0 20% 259200: squid's default: . 0 20% 4320", "3600 50% 7200: refresh_pattern -i [.]deb$ 60 50% 120"]),
        json!(["request-headers", 2, "x-secret", "no x-secret"]),
        json!(["response-headers", 2, "x-powered-by", "no x-powered-by"]),
    ];
    assert_eq!(kinds, expected);
    assert!(!report.to_string().contains("topmost"), "{report}");

    for line in [
        "candidate  1 since 20",
        "beside     generation 1",
        "compared   3 requests since 20",
        "different  3",
        "failed     0",
        "dropped    0",
        "access differs once, 20",
        "  live       allow by http_access allow localhost (",
        "  candidate  deny 403 by http_access deny secret (",
        "request-headers differs 2 times, 20",
        "  candidate  no x-secret",
    ] {
        assert!(
            text.lines().any(|l| l.starts_with(line)),
            "no {line:?} in {text}"
        );
    }
    assert!(
        text.contains(&format!(
            "  127.0.0.1  GET {}  request ",
            origin.url("/secret")
        )),
        "{text}"
    );
}

/// The live policy has no use for them, and what has been served never learns of them.
#[test]
fn addresses_that_the_candidate_alone_wants_are_found_out_beside() {
    let (_folder, candidate) = settings(&policy("\"deny near\", "));
    let (proxy, origin) = (shadowed(&policy(""), &candidate), Origin::plain());
    let url = format!("http://localhost:{}/", origin.address.port());
    for _ in 0..3 {
        assert_eq!(proxy.get(&url, &[]).status, 200);
    }
    let live = "allow: http_access allow localhost";
    let expected = json!(["access", 3, live, "deny 403: http_access deny near"]);
    assert_eq!(brief(&report(&proxy, 3)), [expected]);
}

#[test]
fn a_tunnel_is_compared_when_it_stands() {
    let (_folder, candidate) = settings(&policy("\"deny near\", "));
    let (proxy, origin) = (shadowed(&policy(""), &candidate), Origin::plain());
    let authority = origin.address.to_string();
    let mut client = proxy.connect();
    client.send(format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    ));
    assert_eq!(client.response("CONNECT").status, 200);
    let report = report(&proxy, 1);
    assert_eq!(report["differences"][0]["examples"][0]["uri"], authority);
    client.send(request("GET", &origin.url("/"), &[], b""));
    assert_eq!(client.response("GET").status, 200);
}

#[test]
fn a_report_can_begin_anew() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let (proxy, origin) = (shadowed(&policy(""), &candidate), Origin::plain());
    proxy.get(&origin.url("/private"), &[]);
    report(&proxy, 1);
    let reset = ask(&proxy, &["shadow", "report", "--reset"]);
    assert_eq!(
        (&reset["requests"], &reset["different"]),
        (&json!(1), &json!(1))
    );
    let anew = ask(&proxy, &["shadow", "report"]);
    assert_eq!(
        (&anew["requests"], &anew["differences"]),
        (&json!(0), &json!([]))
    );
    proxy.get(&origin.url("/public"), &[]);
    assert_eq!(report(&proxy, 1)["different"], 0);
}

#[test]
fn status_and_check_show_what_is_in_the_shadow() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let proxy = shadowed(&policy(""), &candidate);
    let status = ask(&proxy, &["status"]);
    assert_eq!(status["shadow"]["candidate"], 1);
    let (_, text, _) = proxy.command(&["status"]);
    let line = "shadow      candidate 1; 0 compared since 20";
    assert!(text.lines().any(|l| l.starts_with(line)), "{text}");

    let settings = proxy.settings();
    let [settings, candidate] = [&settings, &candidate].map(|file| file.to_str().unwrap());
    let checked = ["check", "--config", settings, "--shadow-config", candidate];
    let (code, text, _) = crate::support::proxy::run(&checked);
    assert_eq!(code, Some(0));
    let (_, shadow) = text
        .split_once("\nin the shadow: the same plugins by ")
        .expect("it");
    assert!(
        shadow.contains("  http_access deny private    # "),
        "{text}"
    );

    let without = Proxy::start("");
    assert_eq!(ask(&without, &["status"]).get("shadow"), None);
    for verb in ["report", "promote"] {
        let (code, _, stderr) = without.command(&["shadow", verb]);
        assert_eq!(code, Some(1));
        assert!(
            stderr.starts_with("error: there is no candidate in the shadow\nhelp: name one"),
            "{stderr}"
        );
    }
}
