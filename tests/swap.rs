//! SIGHUP: one policy for another while it serves.

use crate::support::numbered::{origin, policy, swap};
use crate::support::proxy::request;
use crate::support::{Connection, Origin, Proxy, Then};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Barrier};

#[test]
fn a_swap_changes_the_policy_and_keeps_connections_and_unchanged_plugins() {
    let (proxy, origin) = (Proxy::with_policy(&policy(1), &[]), origin());
    let mut client = proxy.connect();
    let asked = |client: &mut Connection| {
        client.send(request("GET", &origin.url("/"), &["X-Policy: mine"], b""));
        let response = client.response("GET");
        let connection = origin.seen().connection;
        (
            response.field("x-asked").map(str::to_owned),
            response.field("x-policy").map(str::to_owned),
            connection,
        )
    };
    let number = |n: &str| (Some(n.to_owned()), Some(n.to_owned()), 0);
    assert_eq!(asked(&mut client), number("1"));
    // cache-rules has not changed.
    swap(
        &proxy,
        &policy(2),
        "generation 2 serves: 3 plugins, 1 of them unchanged",
    );
    assert_eq!(asked(&mut client), number("2"));
    swap(
        &proxy,
        &policy(2),
        "generation 3 serves: 3 plugins, 3 of them unchanged",
    );
    for (rule, generation) in [
        ("http_access allow policy-1", 1),
        ("http_access allow policy-2", 2),
    ] {
        let line: serde_json::Value = serde_json::from_str(&proxy.logged()).unwrap();
        assert_eq!(
            (&line["rule"], &line["generation"]),
            (&rule.into(), &generation.into())
        );
    }
}

#[test]
fn a_swap_that_fails_is_loud_and_changes_nothing() {
    let (proxy, origin) = (Proxy::with_policy(&policy(1), &[]), origin());
    swap(
        &proxy,
        "http_prot = []",
        "reload failed, generation 1 goes on serving",
    );
    let said = proxy.says("did you mean");
    assert!(said.contains("`http_port`"), "{said}");
    let broken = policy(1).replace("allow policy-1", "allow nobody");
    swap(
        &proxy,
        &broken,
        "reload failed, generation 1 goes on serving",
    );
    proxy.says("acl `nobody` is not defined");
    assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    let info = proxy.get("cache_object://localhost/info", &[]).text();
    assert!(
        info.contains("Reload failures: 2\n")
            && info.contains("The last reload failed:\nacl `nobody`"),
        "{info}"
    );
    fs::remove_file(proxy.settings()).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("reload failed, generation 1 goes on serving");
    proxy.says("cannot read ");
    swap(&proxy, &policy(2), "generation 2 serves");
    let info = proxy.get("cache_object://localhost/info", &[]).text();
    assert!(!info.contains("The last reload failed"), "{info}");
}

#[test]
fn a_reload_in_progress_keeps_no_page_waiting() {
    let proxy = Proxy::with_policy(&format!("workers = 1\n{}", policy(1)), &[]);
    let mut settings = proxy.begin_reload();
    let info = proxy.get("cache_object://localhost/info", &[]).text();
    assert!(
        info.contains("Plugin generation: 1\nGenerations alive: 1\nReloads: 0\n"),
        "{info}"
    );
    settings.write_all(policy(2).as_bytes()).unwrap();
    drop(settings);
    proxy.says("generation 2 serves");
}

#[test]
fn settings_that_hold_only_after_a_start_are_named_as_such() {
    let proxy = Proxy::with_policy(&policy(1), &[]);
    let changed = format!("via = false\n{}", policy(1));
    swap(
        &proxy,
        &changed,
        "settings outside [plugins], [sets], [helpers] and [shadow] have changed",
    );
    proxy.says("generation 2 serves");
}

/// Downloads that go on pin their generations: here more of them than there are places for the
/// instances of.
#[test]
fn generations_that_are_pinned_hold_no_instances() {
    const PINNED: usize = 40;
    let end = Arc::new(Barrier::new(PINNED + 1));
    let origin = Origin::start({
        let end = end.clone();
        move |_, stream| {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nX-Policy: x\r\nContent-Length: 10\r\n\r\nbegin"
            )?;
            stream.flush()?;
            end.wait();
            stream.write_all(b"ended")?;
            Ok(Then::Keep)
        }
    });
    // 512 places, of which a generation that is another one takes 16.
    let workers = "workers = 8\n";
    let proxy = Proxy::with_policy(&format!("{workers}{}", policy(1)), &[]);
    let downloads: Vec<Connection> = (1..=PINNED)
        .map(|number| {
            let mut client = proxy.connect();
            client.send(request("GET", &origin.url("/"), &[], b""));
            origin.seen();
            let next = number + 1;
            swap(
                &proxy,
                &format!("{workers}{}", policy(next)),
                &format!("generation {next} serves"),
            );
            client
        })
        .collect();
    end.wait();
    for (index, mut client) in downloads.into_iter().enumerate() {
        let response = client.response("GET");
        assert_eq!(response.text(), "beginended");
        let number = (index + 1).to_string();
        assert_eq!(response.field("x-policy"), Some(number.as_str()));
    }
}
