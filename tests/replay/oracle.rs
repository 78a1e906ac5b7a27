//! A change of one rule, tried on many requests: exactly those are shown that an oracle, written here
//! in plain Rust, says that it changes.

use super::scene::{NAMES, Names, Recording, Replayed, replay_json, settings};
use crate::support::proxy::request;
use crate::support::{Connection, Origin, Proxy};
use std::collections::BTreeSet;
use std::fs;

/// A request of the many.
struct Asked {
    method: &'static str,
    host: &'static str,
    path: &'static str,
    agent: &'static str,
    uri: String,
}

const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "HEAD"];
const PATHS: [&str; 5] = ["/", "/v1/users", "/v2/users?x=/v1/", "/x/v1/", "/V1/a"];
const AGENTS: [&str; 3] = ["curl/8.14.1", "Mozilla/5.0 (X11)", "Go-http-client/1.1"];

const POLICY: &str = r#"
[plugins.access-policy]
acl = [
  "localhost src 127.0.0.0/8",
  "ads dstdomain .ads.test",
  "api dstdomain .api.test",
  "write method POST DELETE",
  "versioned urlpath_regex ^/v[12]/",
  "browser browser ^Mozilla",
]
http_access = [
  "deny ads",
  "deny api browser",
  "allow localhost",
  "deny all",
]
"#;

/// What [`POLICY`] does with it.
fn allowed(asked: &Asked) -> bool {
    let denied = match asked.host {
        host if below(host, "ads.test") => true,
        host => below(host, "api.test") && is_browser(asked),
    };
    !denied
}

fn below(host: &str, domain: &str) -> bool {
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

fn is_browser(asked: &Asked) -> bool {
    asked.agent.starts_with("Mozilla")
}

fn is_versioned(asked: &Asked) -> bool {
    ["/v1/", "/v2/"]
        .iter()
        .any(|prefix| asked.path.starts_with(prefix))
}

type Changes = fn(&Asked) -> bool;

/// A change of one line, and which requests it changes.
const CHANGES: [(&str, &str, Changes); 6] = [
    // A rule more.
    (
        r#""allow localhost","#,
        r#""deny write api versioned", "allow localhost","#,
        |asked| {
            let write = matches!(asked.method, "POST" | "DELETE");
            allowed(asked) && write && below(asked.host, "api.test") && is_versioned(asked)
        },
    ),
    // A rule less.
    (r#""deny ads","#, "", |asked| below(asked.host, "ads.test")),
    // Another order.
    (
        "\"deny ads\",\n  \"deny api browser\",\n  \"allow localhost\",",
        "\"deny ads\", \"allow localhost\", \"deny api browser\",",
        |asked| below(asked.host, "api.test") && is_browser(asked),
    ),
    // An acl that is wider.
    (
        "ads dstdomain .ads.test",
        "ads dstdomain .ads.test a.test",
        |asked| asked.host == "a.test",
    ),
    // One that is narrower.
    ("browser ^Mozilla", "browser ^Nothing", |asked| {
        below(asked.host, "api.test") && is_browser(asked)
    }),
    // What says the same in other words.
    (r#""deny all","#, r#""deny !localhost","#, |_| false),
];

/// Sends all of them, each method on a connection of its own.
fn send(proxy: &Proxy, names: &Names) -> Vec<Asked> {
    let mut sent = Vec::new();
    for method in METHODS {
        let mut client = proxy.connect();
        for host in NAMES {
            for path in PATHS {
                for agent in AGENTS {
                    let asked = Asked {
                        method,
                        host,
                        path,
                        agent,
                        uri: names.url(host, path),
                    };
                    assert_eq!(status(&mut client, &asked) == 200, allowed(&asked));
                    sent.push(asked);
                }
            }
        }
    }
    sent
}

fn status(client: &mut Connection, asked: &Asked) -> u16 {
    let agent = format!("User-Agent: {}", asked.agent);
    client.send(request(asked.method, &asked.uri, &[&agent], b""));
    client.response(asked.method).status
}

#[test]
fn a_change_of_one_rule_shows_exactly_the_requests_it_changes() {
    let names = Names::new(Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n",
    ));
    let proxy = Proxy::with_policy(&settings(&names, POLICY), &[]);
    let count = METHODS.len() * NAMES.len() * PATHS.len() * AGENTS.len();
    let recording = Recording::begin(&proxy, &["--requests", &count.to_string()]);
    let sent = send(&proxy, &names);
    assert_eq!(sent.len(), count);
    let (file, _) = recording.ended();
    // Numbers follow each other as the requests do on a connection, but not across these.
    let asked_of = numbers(&fs::read_to_string(&file).unwrap());
    assert_eq!(asked_of.len(), count);
    let live = fs::read_to_string(proxy.settings()).unwrap();
    let other = proxy.folder.path().join("other.toml");
    for (from, to, changes) in CHANGES {
        assert!(live.contains(from), "{from}");
        fs::write(&other, live.replace(from, to)).unwrap();
        let Replayed {
            code,
            changes: shown,
            summary,
        } = replay_json(&file, &other, &[]);
        let shown: BTreeSet<(&str, &str, &str)> = shown
            .iter()
            .inspect(|change| assert_eq!(change.hook, "access"))
            .flat_map(|change| &change.ids)
            .map(|id| {
                let (_, method, uri, agent) =
                    asked_of.iter().find(|(other, ..)| other == id).unwrap();
                (method.as_str(), uri.as_str(), agent.as_str())
            })
            .collect();
        let expected: BTreeSet<(&str, &str, &str)> = sent
            .iter()
            .filter(|asked| changes(asked))
            .map(|asked| (asked.method, asked.uri.as_str(), asked.agent))
            .collect();
        assert_eq!(shown, expected, "{from} -> {to}");
        assert_eq!(summary["changed"], expected.len());
        assert_eq!(summary["transactions"], count);
        assert_eq!(code, Some(if expected.is_empty() { 0 } else { 2 }));
    }
}

/// Of each transaction in the file: number, method, URI, User-Agent.
fn numbers(text: &str) -> Vec<(u64, String, String, String)> {
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let requests = lines.filter_map(|line| {
        let request = &line["transaction"]["request"];
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let fields = request["fields"].as_array()?;
        let agent = fields.iter().find(|field| field[0] == "User-Agent")?;
        Some((
            request["id"].as_u64()?,
            text(&request["method"]),
            text(&request["uri"]),
            text(&agent[1]),
        ))
    });
    requests.collect()
}
