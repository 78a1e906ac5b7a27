//! What is tried: a folder of plugins, one that fails, and rules that go by the time.

use super::scene::{Change, Names, Recording, Replayed, replay, replay_json, settings};
use crate::plugins::folder;
use crate::support::{OPEN_POLICY, Origin, Proxy, Then};
use std::fs;
use std::path::PathBuf;

/// A proxy, and a recording of a request for each of these paths.
fn recorded(paths: &[&str]) -> (Proxy, Names, PathBuf) {
    let names = Names::new(Origin::plain());
    let proxy = Proxy::with_policy(&settings(&names, OPEN_POLICY), &[]);
    let recording = Recording::begin(&proxy, &["--requests", &paths.len().to_string()]);
    for path in paths {
        proxy.get(&names.url("a.test", path), &[]);
    }
    let (file, _) = recording.ended();
    (proxy, names, file)
}

#[test]
fn a_folder_of_plugins_is_tried_and_one_that_fails_is_asked_on() {
    let paths = ["/a", "/access/trap", "/b", "/access/status"];
    // More in a row than what puts a hook aside in a proxy that serves.
    let many = ["/access/trap"; 8];
    let (proxy, names, file) = recorded(&[&paths[..], &many, &["/access/message"]].concat());
    let folder = folder("");
    let plugins = ["--plugins", folder.path().to_str().unwrap()];
    let none = proxy.folder.path().join("none.toml");
    fs::write(&none, "").unwrap();
    let all = [&["--json", "--examples", "100"], &plugins[..]].concat();
    let (code, stdout, stderr) = replay(&file, &none, &all);
    assert_eq!(code, Some(2), "{stderr}");
    let mut lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let summary = lines.pop().unwrap();
    let counted = ["transactions", "changed", "failed"].map(|key| summary[key].as_u64());
    assert_eq!(counted, [Some(13), Some(13), Some(9)]);
    let changes: Vec<Change> = lines.iter().map(super::scene::change).collect();
    let found: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.hook.as_str(),
                change.would_be.as_str(),
                change.uris.clone(),
            )
        })
        .collect();
    let of = |paths: &[&str]| -> Vec<String> {
        paths.iter().map(|path| names.url("a.test", path)).collect()
    };
    let trapped = "plugin `hostile` failed in its hook `access`: it trapped (wasm trap: wasm \
                   `unreachable` instruction executed)";
    let message = found[2].1;
    let expected = [
        ("access", trapped, of(&["/access/trap"; 9])),
        ("access", "deny 403 by /nowhere/7", of(&["/access/status"])),
        ("access", message, of(&["/access/message"])),
        // What header-scrub takes off, which is not in the folder, and what this one puts on.
        (
            "request-headers",
            "via, x-forwarded-for, x-refused",
            of(&["/a", "/b"]),
        ),
        ("response-headers", "x-refused", of(&["/a", "/b"])),
    ];
    assert_eq!(found, expected);
    assert!(message.starts_with("deny 451 \"not in this "), "{message}");
    let (_, stdout, _) = replay(&file, &none, &plugins);
    let note = "\nnote: in 9, a plugin of this policy failed, which is what would happen to the \
                clients\n";
    assert!(stdout.contains(note), "{stdout}");

    let empty = tempfile::tempdir().unwrap();
    let plugins = ["--plugins", empty.path().to_str().unwrap()];
    let (code, _, stderr) = replay(&file, &none, &plugins);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no plugin in "), "{stderr}");
}

#[test]
fn rules_go_by_the_time_that_was_recorded() {
    let (proxy, names, file) = recorded(&["/day", "/night"]);
    let text = fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(request) = line.pointer_mut("/transaction/request") {
            let night = request["uri"].as_str().unwrap().ends_with("/night");
            // Local time is what counts, two hours ahead of UTC.
            let time = if night { "01:30" } else { "10:30" };
            request["received"] = format!("2026-06-01T{time}:00Z").into();
            request["offset"] = 7200.into();
        }
        line.to_string() + "\n"
    });
    fs::write(&file, lines.collect::<String>()).unwrap();
    let other = proxy.folder.path().join("other.toml");
    for (hours, expected) in [("03:00-04:00", "/night"), ("12:00-13:00", "/day")] {
        let policy = format!(
            "[plugins.access-policy]\nacl = [\"localhost src 127.0.0.0/8\", \"closed time {hours}\"]\n\
             http_access = [\"deny closed\", \"allow localhost\"]\n"
        );
        fs::write(&other, policy).unwrap();
        let Replayed { code, changes, .. } = replay_json(&file, &other, &[]);
        assert_eq!((code, changes.len()), (Some(2), 1));
        assert_eq!(changes[0].would_be, "deny 403 by http_access deny closed");
        assert_eq!(changes[0].uris, [names.url("a.test", expected)]);
    }
}

/// Each of them would take all of the call's time.
#[test]
fn one_that_loops_is_put_aside_and_the_requests_are_counted() {
    let paths = [&["/access/loop"; 7][..], &["/a"]].concat();
    let (_proxy, _names, file) = recorded(&paths);
    let folder = folder("");
    let none = folder.path().join("none.toml");
    fs::write(&none, "").unwrap();
    let plugins = ["--json", "--plugins", folder.path().to_str().unwrap()];
    let (code, stdout, stderr) = replay(&file, &none, &plugins);
    assert_eq!(code, Some(2), "{stderr}");
    let mut lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.pop().unwrap()["failed"], 8);
    let groups = lines.iter().map(|line| {
        let text = line["would_be"]["text"].as_str().unwrap();
        let reason = text.strip_prefix("plugin `hostile` failed in its hook `access`: ");
        (line["count"].as_u64().unwrap(), reason.unwrap_or(text))
    });
    let expected = [
        (5, "it ran longer than its limit of 10ms"),
        (3, "it failed 5 times in a row and is suspended"),
    ];
    assert_eq!(groups.collect::<Vec<_>>(), expected);
}

#[test]
fn what_must_not_be_stored_is_shown_with_the_rule_that_says_so() {
    let names = Names::new(Origin::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")?;
        Ok(Then::Keep)
    }));
    let uri = names.url("a.test", "/never-store");
    let record = |policy: &str, arguments: &[&str]| {
        let proxy = Proxy::with_policy(&settings(&names, policy), arguments);
        let recording = Recording::begin(&proxy, &["--requests", "1"]);
        proxy.get(&uri, &[]);
        let (file, _) = recording.ended();
        (proxy, file)
    };
    let folder = folder("");
    let plugins = ["--plugins", folder.path().to_str().unwrap()];
    let (usual, by_default) = record(OPEN_POLICY, &[]);
    let (hostile, by_hostile) = record("", &plugins);
    let never = "not stored by not for keeps";
    let fresh = "0 20% 259200 by squid's default: . 0 20% 4320";
    for (file, config, plugins, expected) in [
        (by_default, hostile.settings(), &plugins[..], [fresh, never]),
        (by_hostile, usual.settings(), &[], [never, fresh]),
    ] {
        let Replayed { changes, .. } = replay_json(&file, &config, plugins);
        let found = changes.iter().find(|change| change.hook == "cache-rules");
        let found = found.map(|change| [change.was.as_str(), &change.would_be]);
        assert_eq!(found, Some(expected));
    }
}

/// What helpers answered is in the recording, and what they were asked is not there in clear.
#[test]
fn helpers_are_not_asked_again() {
    let names = Names::new(Origin::plain());
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let helper = format!(
        "[helpers.h]\ncommand = [\"/bin/sh\", \"-c\", \"while read -r key; do echo \\\"$key\\\" >> {}; \
         echo OK; done\"]\n",
        asked.display()
    );
    let policy = format!(
        "{helper}[plugins.access-policy]\nacl = [\"known external h %LOGIN %PASSWORD %>{{X-Tag}}\"]\n\
         http_access = [\"allow known\", \"deny all\"]\n"
    );
    let proxy = Proxy::with_policy(&settings(&names, &policy), &[]);
    let recording = Recording::begin(&proxy, &["--requests", "1"]);
    // ann, and a password that is too short to be looked for everywhere.
    let fields = ["Proxy-Authorization: Basic YW5uOmgwcnNl", "X-Tag: a b"];
    let response = proxy.get(&names.url("a.test", "/"), &fields);
    assert_eq!(response.status, 200);
    let (file, _) = recording.ended();
    let before = fs::read_to_string(&asked).unwrap();
    assert_eq!(before, "ann h0rse a%20b\n");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("h0rse") && text.contains("a%20b"), "{text}");
    let (code, stdout, _) = replay(&file, &proxy.settings(), &[]);
    assert_eq!(code, Some(0), "{stdout}");
    let live = fs::read_to_string(proxy.settings()).unwrap();
    let other = proxy.folder.path().join("other.toml");
    for (from, to, changed, undecided) in [
        ("allow known", "allow known", 0, 0),
        ("allow known", "deny known", 1, 0),
        // It asks something else.
        ("%LOGIN %PASSWORD", "%LOGIN", 0, 1),
    ] {
        fs::write(&other, live.replace(from, to)).unwrap();
        let Replayed { summary, .. } = replay_json(&file, &other, &[]);
        let counted = ["changed", "undecided"].map(|key| summary[key].as_u64());
        assert_eq!(counted, [Some(changed), Some(undecided)], "{to}");
    }
    assert_eq!(fs::read_to_string(&asked).unwrap(), before);
}
