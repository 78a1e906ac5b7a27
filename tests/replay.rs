//! `wproxy record` and `wproxy replay`: live traffic recorded, other policies tried on it.

mod candidates;
mod oracle;
mod scene;

use crate::support::proxy::run;
use crate::support::{Origin, Proxy};
use rustix::process::Signal;
use scene::{Names, Recording, Replayed, replay, replay_json, settings};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A policy of each kind.
const POLICY: &str = r#"
[plugins.access-policy]
acl = ["localhost src 127.0.0.0/8", "ads dstdomain .ads.test", "near dst 10.0.0.0/8"]
http_access = ["deny ads", "allow localhost", "deny all"]
[plugins.header-scrub]
request_header_access = ["Referer deny all"]
reply_header_access = ["Server deny all"]
[plugins.cache-rules]
refresh_pattern = ['\.rpm$ 0 20% 4320']
"#;

const STORABLE: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nX-Powered-By: y\r\n\
                        Last-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";

/// A proxy with [`POLICY`], and a recording of four requests of different kinds.
fn recorded() -> (Proxy, Names, Recording) {
    let names = Names::new(Origin::fixed(STORABLE));
    let proxy = Proxy::with_policy(&settings(&names, POLICY), &[]);
    let recording = Recording::begin(&proxy, &["--requests", "4"]);
    let fields = ["Referer: http://x.test/", "User-Agent: curl"];
    proxy.get(&names.url("a.test", "/1.rpm"), &fields);
    proxy.get(&names.url("a.test", "/2"), &[]);
    proxy.get(&names.url("www.ads.test", "/3"), &fields);
    let mut client = proxy.connect();
    client.send(format!(
        "CONNECT a.test:{0} HTTP/1.1\r\nHost: a.test:{0}\r\n\r\n",
        names.origin.address.port()
    ));
    assert_eq!(client.response("CONNECT").status, 200);
    drop(client);
    (proxy, names, recording)
}

#[test]
fn against_the_same_policy_nothing_changes() {
    let (proxy, _names, recording) = recorded();
    let (file, said) = recording.ended();
    assert!(said.contains("sample.rec: 4 transactions, "), "{said}");
    assert!(said.ends_with(": as many as were asked for\n"), "{said}");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, stdout, stderr) = replay(&file, &proxy.settings(), &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let mut lines = stdout.lines();
    let head = lines.next().unwrap_or_default();
    assert!(head.starts_with("4 transactions, recorded at 20"), "{head}");
    assert!(
        head.ends_with(" from generation 1 of wproxy 0.1.0"),
        "{head}"
    );
    assert_eq!(lines.next(), Some("none of them would change"));
    assert_eq!(lines.next(), None);
}

/// A change: hook, what was done, what would be, and to which URIs.
type Expected<'a> = (&'a str, &'a str, &'a str, &'a [&'a String]);

/// One line of the policy changes at a time: what is shown is that, and no other request.
#[test]
fn each_change_is_shown_with_its_rules_and_its_requests() {
    let (proxy, names, recording) = recorded();
    let (file, _) = recording.ended();
    let url = |host: &str, path: &str| names.url(host, path);
    let tunnel = format!("a.test:{}", names.origin.address.port());
    let (rpm, plain, ads) = (
        url("a.test", "/1.rpm"),
        url("a.test", "/2"),
        url("www.ads.test", "/3"),
    );
    #[rustfmt::skip]
    let cases: [(&str, &str, &[Expected]); 6] = [
        (r#""deny ads", "#, "", &[("access", "deny 403 by http_access deny ads", "allow by http_access allow localhost", &[&ads])]),
        (r#""allow localhost", "#, "", &[("access", "allow by http_access allow localhost", "deny 403 by http_access deny all", &[&rpm, &plain, &tunnel])]),
        ("Referer deny all", "Referer allow all", &[("request-headers", "no referer", "referer", &[&rpm])]),
        (r#""Referer deny all""#, r#""Referer deny all", "User-Agent deny all""#, &[("request-headers", "user-agent", "no user-agent", &[&rpm])]),
        ("Server deny all", "X-Powered-By deny all", &[
            ("response-headers", "x-powered-by, no server", "no x-powered-by, server", &[&rpm, &plain]),
            // The proxy's own page has a Server, too.
            ("response-headers", "no server", "server", &[&ads]),
        ]),
        ("20% 4320", "50% 4320 override-expire", &[("cache-rules", "0 20% 259200 by refresh_pattern \\.rpm$ 0 20% 4320", "0 50% 259200 override-expire by refresh_pattern \\.rpm$ 0 50% 4320 override-expire", &[&rpm])]),
    ];
    for (from, to, expected) in cases {
        let changed = fs::read_to_string(proxy.settings()).unwrap();
        assert!(changed.contains(from), "{from}");
        let other = proxy.folder.path().join("other.toml");
        fs::write(&other, changed.replacen(from, to, 1)).unwrap();
        let Replayed {
            code,
            changes,
            summary,
        } = replay_json(&file, &other, &[]);
        let found: Vec<_> = changes
            .iter()
            .map(|change| {
                (
                    change.hook.as_str(),
                    change.was.as_str(),
                    change.would_be.as_str(),
                    change.uris.iter().collect::<Vec<_>>(),
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(hook, was, would_be, uris)| (*hook, *was, *would_be, uris.to_vec()))
            .collect();
        assert_eq!(found, expected, "{from} -> {to}");
        assert_eq!((code, summary["undecided"].as_u64()), (Some(2), Some(0)));
    }
}

#[test]
fn for_people_a_change_has_rules_with_their_places_and_examples() {
    let (proxy, names, recording) = recorded();
    let (file, _) = recording.ended();
    let text = fs::read_to_string(proxy.settings()).unwrap();
    let line = |what: &str| 1 + text[..text.find(what).unwrap()].matches('\n').count();
    let (live, other) = (proxy.settings(), proxy.folder.path().join("other.toml"));
    fs::write(&other, text.replace(r#""allow localhost", "#, "")).unwrap();
    let (code, stdout, _) = replay(&file, &other, &["--examples", "1"]);
    assert_eq!(code, Some(2));
    let head = stdout.lines().next().unwrap_or_default();
    let id = stdout
        .split("from 127.0.0.1, request ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let expected = format!(
        "{head}\n3 of them would change\n\n3 in access\n  \
         was       allow by http_access allow localhost ({}:{at}, plugin access-policy)\n  \
         would be  deny 403 by http_access deny all ({}:{at}, plugin access-policy)\n    \
         GET {} from 127.0.0.1, request {id}\n    and 2 more\n",
        live.display(),
        other.display(),
        names.url("a.test", "/1.rpm"),
        at = line("http_access = "),
    );
    assert_eq!(stdout, expected);
}

/// Where the live policy did not ask for addresses, they are not in the recording; those of hosts
/// that are addresses are.
#[test]
fn what_the_recording_cannot_decide_is_counted_and_said() {
    let (proxy, names, recording) = recorded();
    let (file, _) = recording.ended();
    let text = fs::read_to_string(proxy.settings()).unwrap();
    let other = proxy.folder.path().join("other.toml");
    fs::write(
        &other,
        text.replace("\"deny ads\"", "\"deny ads\", \"deny near\""),
    )
    .unwrap();
    let (code, stdout, _) = replay(&file, &other, &[]);
    assert_eq!(code, Some(0), "{stdout}");
    let note = "\nnote: 3 cannot be judged: this policy asks for addresses of servers or answers of \
                helpers that are not in the recording\n";
    assert!(stdout.ends_with(note), "{stdout}");

    // Where that is all there is, nothing has been tried.
    let recording = Recording::begin(&proxy, &["--requests", "1"]);
    proxy.get(&names.url("a.test", "/4"), &[]);
    let (file, _) = recording.ended();
    let (code, stdout, _) = replay(&file, &other, &[]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(
        stdout.contains("\nnone of them could be tried\n"),
        "{stdout}"
    );

    // A proxy that asks for them records them.
    fs::copy(&other, proxy.settings()).unwrap();
    assert_eq!(proxy.command(&["reload"]).0, Some(0));
    let recording = Recording::begin(&proxy, &["--requests", "1"]);
    proxy.get(&names.url("a.test", "/4"), &[]);
    let (file, _) = recording.ended();
    let Replayed { summary, .. } = replay_json(&file, &other, &[]);
    assert_eq!(summary["undecided"], 0);
    let near = fs::read_to_string(&other)
        .unwrap()
        .replace("10.0.0.0/8", "127.0.0.0/8");
    fs::write(&other, near).unwrap();
    let Replayed { code, changes, .. } = replay_json(&file, &other, &[]);
    assert_eq!(
        (code, changes[0].would_be.as_str()),
        (Some(2), "deny 403 by http_access deny near")
    );
}

const SECRETS: [&str; 5] = [
    "cookie-of-the-client",
    "cookie-of-the-server",
    "c2VjcmV0OmhvcnNlLWJhdHRlcnk=",
    "signature-of-the-url",
    "key-in-a-field",
];

#[test]
fn secrets_are_taken_out_unless_they_are_wanted() {
    let names = Names::new(Origin::fixed(format!(
        "HTTP/1.1 200 OK\r\nSet-Cookie: b={}\r\nContent-Length: 0\r\n\r\n",
        SECRETS[1]
    )));
    let proxy = Proxy::with_policy(&settings(&names, POLICY), &[]);
    let send = || {
        let cookie = format!("Cookie: a={}", SECRETS[0]);
        let basic = format!("Authorization: Basic {}", SECRETS[2]);
        let key = format!("X-Api-Key: {}", SECRETS[4]);
        let path = format!("/a?x=1&X-Amz-Signature={}", SECRETS[3]);
        let url = names.url("ann:user-information@a.test", &path);
        proxy.get(&url, &[&cookie, &basic, &key]);
    };
    for (arguments, are_there) in [(&[][..], false), (&["--with-secrets"], true)] {
        let arguments = [&["--requests", "1"], arguments].concat();
        let recording = Recording::begin(&proxy, &arguments);
        send();
        let (file, _) = recording.ended();
        let text = fs::read_to_string(&file).unwrap();
        for secret in SECRETS {
            assert_eq!(text.contains(secret), are_there, "{secret}: {text}");
        }
        assert!(!text.contains("user-information"), "{text}");
        let (code, stdout, _) = replay(&file, &proxy.settings(), &[]);
        assert_eq!(code, Some(0), "{stdout}");
        let note = "in 1, tokens replace secrets (authorization, cookie, set-cookie, \
                    uri, x-api-key)";
        assert_eq!(stdout.contains(note), !are_there, "{stdout}");
        let Replayed { summary, .. } = replay_json(&file, &proxy.settings(), &[]);
        assert_eq!(summary["redacted"], u64::from(!are_there));
    }
}

#[test]
fn what_ends_a_recording_keeps_what_there_is() {
    let names = Names::new(Origin::plain());
    let mut proxy = Proxy::with_policy(&settings(&names, POLICY), &[]);
    let two = |proxy: &Proxy| {
        for number in 0..2 {
            proxy.get(&names.url("a.test", &format!("/{number}")), &[]);
        }
    };
    // ^C
    let recording = Recording::begin(&proxy, &[]);
    two(&proxy);
    recording.has(2);
    recording.signal(Signal::INT);
    let (file, said) = recording.ended();
    assert!(
        said.contains("sample.rec: 2 transactions, ") && said.ends_with(": interrupted\n"),
        "{said}"
    );
    let (code, stdout, _) = replay(&file, &proxy.settings(), &[]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 2), "{stdout}");

    // A size that the first one fits in.
    let one = fs::read_to_string(&file).unwrap();
    let one = one.lines().nth(1).unwrap().len() + 100;
    let size = format!("{one} bytes");
    let recording = Recording::begin(&proxy, &["--size", &size]);
    two(&proxy);
    let (_, said) = recording.ended();
    assert!(said.contains("sample.rec: 1 transaction, "), "{said}");
    assert!(
        said.contains("the next one would make it larger than"),
        "{said}"
    );

    // A time.
    let recording = Recording::begin(&proxy, &["--for", "1 ms"]);
    let (_, said) = recording.ended();
    assert!(
        said.contains("sample.rec: 0 transactions, ") && said.ends_with(": 1ms are over\n"),
        "{said}"
    );

    // The proxy's death.
    let recording = Recording::begin(&proxy, &[]);
    two(&proxy);
    recording.has(2);
    proxy.signal(Signal::KILL);
    proxy.ended();
    let (file, stderr) = recording.failed();
    let expected = format!(
        "error: {} has no more than 2 transactions: the proxy at ",
        file.display()
    );
    assert!(stderr.contains(&expected), "{stderr}");
    let (code, stdout, _) = replay(&file, &proxy.settings(), &[]);
    let note = "\nnote: the recording was broken off: its last line is missing\n";
    assert!(code == Some(0) && stdout.ends_with(note), "{stdout}");
}

#[test]
fn one_records_at_a_time_and_the_next_when_that_is_over() {
    let proxy = Proxy::start("");
    let first = Recording::begin(&proxy, &[]);
    let file = proxy.folder.path().join("second");
    let name = file.to_str().unwrap();
    let (code, _, stderr) = proxy.command(&["record", name]);
    assert_eq!(code, Some(1));
    let expected = "error: another recording goes on, and there is one at a time\nhelp: ";
    assert!(stderr.starts_with(expected), "{stderr}");
    let left: Vec<_> = fs::read_dir(proxy.folder.path())
        .unwrap()
        .flatten()
        .collect();
    let left = left
        .iter()
        .filter(|entry| entry.file_name().to_string_lossy().contains("second"));
    assert_eq!(left.count(), 0);
    first.signal(Signal::TERM);
    first.ended();
    proxy.says("the recording ends with 0 transactions");
    let (code, stdout, _) = proxy.command(&["record", name, "--for", "1 ms", "--json"]);
    assert_eq!(code, Some(0));
    let outcome: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&outcome["transactions"], &outcome["file"]),
        (&0.into(), &name.into())
    );
    // What is in the way is named before the proxy is asked.
    fs::write(format!("{name}.part"), "").unwrap();
    let (code, _, stderr) = proxy.command(&["record", name]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(&format!("error: {name}.part is there")),
        "{stderr}"
    );
}

#[test]
fn files_that_are_damaged_cut_off_or_newer_are_said_to_be_so() {
    let (proxy, _names, recording) = recorded();
    let (file, _) = recording.ended();
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let settings = proxy.settings();
    let try_it = |text: &str| {
        fs::write(&file, text).unwrap();
        replay(&file, &settings, &[])
    };
    // Cut off in the third transaction.
    let cut = [&lines[..3], &[&lines[3][..40]]].concat().join("\n");
    let (code, stdout, _) = try_it(&cut);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.starts_with("2 transactions, "), "{stdout}");
    let note = "the recording was broken off in the middle of its last line, which is left out";
    assert!(stdout.contains(note), "{stdout}");
    let (code, stdout, _) = try_it(&whole.replace("\"missed\":0", "\"missed\":7"));
    let note = "note: 7 more were not recorded: they came faster than they could be taken\n";
    assert!(code == Some(0) && stdout.ends_with(note), "{stdout}");
    let name = file.display();
    for (text, expected) in [
        (
            whole.replacen("\"verdict\"", "\"verdikt\"", 1),
            format!("error: {name}:2: the recording is damaged: `verdict` is missing"),
        ),
        (
            whole.replacen("\"method\":\"GET\"", "\"method\":\"G T\"", 1),
            format!("error: {name}:2: the recording is damaged: a method cannot be `G T`\nhelp: "),
        ),
        (
            whole.replacen(
                "{\"format\":1,\"wproxy\":\"0.1.0\"",
                "{\"format\":2,\"wproxy\":\"0.9.0\"",
                1,
            ),
            format!(
                "error: {name} was recorded by wproxy 0.9.0, in format 2; wproxy 0.1.0 reads formats \
                 up to 1\nhelp: "
            ),
        ),
        (
            "[settings]\n".into(),
            format!("error: {name}:1: this is not a recording: its first line is not JSON\nhelp: "),
        ),
    ] {
        let (code, stdout, stderr) = try_it(&text);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.starts_with(&expected), "{stderr}");
    }
    let (code, _, stderr) = run(&["replay", "/nowhere"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: cannot read /nowhere: "),
        "{stderr}"
    );
}

#[test]
fn bounds_that_are_none_are_said_to_be_so() {
    for (arguments, expected) in [
        (["--size", "64"], "a size is a number and a unit"),
        (["--for", "soon"], "a duration is a number and a unit"),
        (["--share", "0"], "a share is more than 0 and at most 1"),
        (["--requests", "-1"], "unexpected argument '-1'"),
    ] {
        let (code, _, stderr) = run(&[&["record", "f"], &arguments[..]].concat());
        assert_eq!(code, Some(1));
        assert!(stderr.contains(expected), "{stderr}");
    }
}
