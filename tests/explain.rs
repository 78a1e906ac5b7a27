//! `wproxy explain`: every rule that is looked at, of requests that are written down and of those
//! that a running proxy has served.

mod past;

use crate::plugins::{built, default_plugins, quota};
use crate::support::proxy::{request, run};
use crate::support::{OPEN_POLICY, Origin, Proxy, Then};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use tempfile::TempDir;

fn settings(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wproxy.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The exit code, and what is printed, of a request with these settings.
fn explain(text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let (_folder, path) = settings(text);
    let always = ["--client", "192.0.2.7", "--config", &path];
    let (code, stdout, stderr) = run(&[&["explain"], arguments, &always].concat());
    assert_eq!(stderr, "", "{stdout}");
    (code, stdout.replace(&path, "wproxy.toml"))
}

/// A policy in lines of squid.
fn policy(acl: &[&str], http_access: &[&str]) -> String {
    let quoted = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| format!("  {line:?},\n")).collect();
        lines.concat()
    };
    let (acl, http_access) = (quoted(acl), quoted(http_access));
    format!("[plugins.access-policy]\nacl = [\n{acl}]\nhttp_access = [\n{http_access}]\n")
}

/// Puts a plugin into a folder of them.
fn add(folder: &Path, name: &str, component: &Path, manifest: &str) {
    let plugin = folder.join(name);
    fs::create_dir(&plugin).unwrap();
    fs::copy(component, plugin.join("plugin.wasm")).unwrap();
    let manifest = format!("name = \"{name}\"\ncomponent = \"plugin.wasm\"\n{manifest}");
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
}

fn access_policy() -> std::path::PathBuf {
    default_plugins()[0].join("access-policy.wasm")
}

#[test]
fn every_rule_is_shown_up_to_the_one_that_decides() {
    let text = policy(
        &["web port 80", "web port 443", "ours dstdomain .example.com"],
        &["deny !web", "deny ours web !all", "allow ours", "deny all"],
    );
    let (code, stdout) = explain(&text, &["GET", "http://www.example.com/"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        stdout,
        "access: access-policy\n\
         \x20 - http_access deny !web    # wproxy.toml:8\n\
         \x20     no   !web  port 80, 443: 80\n\
         \x20 - http_access deny ours web !all    # wproxy.toml:9\n\
         \x20     yes  ours  dstdomain .example.com: host www.example.com\n\
         \x20     yes  web   port 80, 443: 80\n\
         \x20     no   !all  everyone\n\
         \x20 > http_access allow ours    # wproxy.toml:10\n\
         \x20     yes  ours  dstdomain .example.com: host www.example.com\n\n\
         request-headers: header-scrub\n\
         \x20 > request_header_access Referer deny all    # (built in) header-scrub/plugin.toml:12\n\
         \x20     yes  all  everyone\n\
         \x20 > request_header_access X-Forwarded-For deny all    # (built in) header-scrub/plugin.toml:13\n\
         \x20     yes  all  everyone\n\
         \x20 > request_header_access Via deny all    # (built in) header-scrub/plugin.toml:14\n\
         \x20     yes  all  everyone\n\
         \x20 > request_header_access Cache-Control deny all    # (built in) header-scrub/plugin.toml:15\n\
         \x20     yes  all  everyone\n\n\
         cache-rules: cache-rules, where the response may be stored\n\
         \x20 - refresh_pattern -i (/cgi-bin/|\\?) 0 0% 0    # (built in) cache-rules/plugin.toml:10\n\
         \x20     no   -i (/cgi-bin/|\\?)  http://www.example.com/\n\
         \x20 > squid's default: . 0 20% 4320\n\n\
         allow\n\
         rule     http_access allow ours\n\
         at       wproxy.toml:10, plugin access-policy\n"
    );
    // What is denied comes to no other hook, and neither does a tunnel.
    #[rustfmt::skip]
    let cases = [
        (&["GET", "http://a.example.com:81/"][..], 2, "deny     403\nrule     http_access deny !web\nat       wproxy.toml:8, plugin access-policy\n"),
        (&["CONNECT", "www.example.com:443"], 0, "allow\nrule     http_access allow ours\nat       wproxy.toml:10, plugin access-policy\n"),
    ];
    for (arguments, exit, end) in cases {
        let (code, stdout) = explain(&text, arguments);
        assert_eq!(code, Some(exit), "{stdout}");
        assert!(stdout.ends_with(end), "{stdout}");
        let hooks = stdout.lines().filter(|line| line.ends_with("-policy"));
        assert_eq!(hooks.count(), 2, "{stdout}");
        assert!(!stdout.contains("-headers: "), "{stdout}");
    }
}

/// Each type of acl, once so that it matches and once so that it does not.
#[test]
fn each_condition_says_what_was_compared_with_what() {
    #[rustfmt::skip]
    let acls = [
        ("src 192.0.2.0/24", "src 10.0.0.0/8", "client 192.0.2.7"),
        ("dst 198.51.100.0/24", "dst 10.0.0.0/8", "198.51.100.1 is 198.51.100.1"),
        ("dstdomain 198.51.100.1", "dstdomain .example.com", "host 198.51.100.1"),
        ("dstdom_regex ^198", "dstdom_regex -i example", "host 198.51.100.1"),
        ("port 8080", "port 80 443", "8080"),
        ("method get", "method POST PUT", "GET"),
        ("proto HTTP", "proto https", "http"),
        ("url_regex a[?]b$", "url_regex -i ftp:", "http://198.51.100.1:8080/a?b"),
        ("urlpath_regex ^/a", "urlpath_regex ^/b", "/a?b"),
        ("browser ^curl/", "browser Mozilla", "user-agent: curl/8"),
        ("req_header X-Tag good", "req_header X-Tag evil", "x-tag: good"),
        ("req_header Authorization ^Basic", "req_header Cookie id=1", ""),
    ];
    let mut acl = Vec::new();
    let mut lines = Vec::new();
    for (number, (matches, does_not, _)) in acls.iter().enumerate() {
        acl.push(format!("yes{number} {matches}"));
        acl.push(format!("no{number} {does_not}"));
        lines.push(format!("deny yes{number} !yes{number}"));
        lines.push(format!("deny !no{number} no{number}"));
    }
    // At what time it is asked, the test does not know: one of the two it is.
    acl.extend(["day time 0:00-12:00", "night time 12:00-24:00"].map(str::to_owned));
    lines.extend(["deny !day !night", "allow all"].map(str::to_owned));
    let acl: Vec<&str> = acl.iter().map(String::as_str).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let headers = [
        "User-Agent: curl/8",
        "X-Tag: good",
        "Authorization: Basic c2VjcmV0",
        "Cookie: id=0123456",
    ];
    let headers = headers.iter().flat_map(|field| ["--header", *field]);
    let url = "http://198.51.100.1:8080/a?b";
    let arguments: Vec<&str> = ["GET", url].into_iter().chain(headers).collect();
    let (code, stdout) = explain(&policy(&acl, &lines), &arguments);
    assert_eq!(code, Some(0), "{stdout}");
    let shown: Vec<Vec<&str>> = stdout
        .lines()
        .filter(|line| line.starts_with("      "))
        .map(|line| line.trim().splitn(3, "  ").map(str::trim).collect())
        .collect();
    for (number, (matches, does_not, subject)) in acls.iter().enumerate() {
        let (yes, no) = (format!("yes{number}"), format!("no{number}"));
        let said = |holds: &str, name: &str, acl: &str| {
            let found = shown
                .iter()
                .find(|shown| shown[0] == holds && shown[1] == name);
            let why = found.unwrap_or_else(|| panic!("no {holds} {name} in {stdout}"))[2];
            match subject.is_empty() {
                true => assert!(why.starts_with(&format!("{acl}: ")), "{why}"),
                false => assert_eq!(why, format!("{acl}: {subject}")),
            }
        };
        said("yes", &yes, matches);
        said("no", &format!("!{yes}"), matches);
        said("yes", &format!("!{no}"), does_not);
        said("no", &no, does_not);
    }
    assert!(stdout.contains("authorization: (not shown)\n"), "{stdout}");
    assert!(stdout.contains("cookie: (not shown)\n"), "{stdout}");
    assert!(!stdout.contains("c2VjcmV0") && !stdout.contains("0123456"));
    assert!(stdout.contains("time 0:00-12:00: "), "{stdout}");
}

#[test]
fn addresses_are_looked_up_where_a_rule_wants_them() {
    let text = policy(
        &["inside dst 127.0.0.0/8 ::1", "web port 80"],
        &["deny !web", "deny inside", "allow all"],
    );
    let (code, stdout) = explain(&text, &["GET", "http://localhost/"]);
    assert_eq!(code, Some(2));
    assert_eq!(
        stdout,
        "resolve  localhost: ::1, 127.0.0.1\n\n\
         access: access-policy\n\
         \x20 - http_access deny !web    # wproxy.toml:7\n\
         \x20     no   !web    port 80: 80\n\
         \x20 > http_access deny inside    # wproxy.toml:8\n\
         \x20     yes  inside  dst 127.0.0.0/8 ::1: localhost is ::1, 127.0.0.1\n\n\
         deny     403\n\
         rule     http_access deny inside\n\
         at       wproxy.toml:8, plugin access-policy\n"
    );
    // What an earlier rule decides needs none.
    let (_, stdout) = explain(&text, &["GET", "http://localhost:81/"]);
    assert!(!stdout.contains("resolve"), "{stdout}");
}

/// In their order; whether or not they can explain themselves, and whatever they were built for.
#[test]
fn every_plugin_that_is_asked_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    add(&plugins, "hostile", &built("hostile"), "order = 1\n");
    add(
        &plugins,
        "older",
        &built("older"),
        "order = 30\n[config]\nmood = \"good\"\n",
    );
    let manifest = "order = 2\n[config]\nacl = [\"web port 80\"]\nhttp_access = [\"allow !web\"]\n";
    add(&plugins, "lists", &access_policy(), manifest);
    let plugins = plugins.to_str().unwrap();
    let explain = |url: &str| {
        let arguments = [
            "explain",
            "GET",
            url,
            "--client",
            "::1",
            "--plugins",
            plugins,
        ];
        let (code, stdout, _) = run(&arguments);
        (code, stdout.replace(plugins, "P"))
    };
    let (code, stdout) = explain("http://a/access/pass");
    assert_eq!(code, Some(2), "{stdout}");
    let start = "access: hostile\n\
                 \x20 looks at no rule; it says: pass\n\n\
                 access: lists\n\
                 \x20 - http_access allow !web    # P/lists/plugin.toml:6\n\
                 \x20     no   !web  port 80: 80\n\
                 \x20 > no http_access line applies: the opposite of the last one\n\n";
    // The opposite of the last line: nobody else is asked.
    assert!(stdout.starts_with(start), "{stdout}");
    let end = "deny     403\n\
               rule     no http_access line applies: the opposite of the last one\n\
               at       plugin lists\n";
    assert!(stdout.ends_with(end), "{stdout}");
    // Its pages are edited by the two that can.
    for (plugin, how) in [
        ("hostile", "looks at no rule"),
        ("older", "does not explain itself"),
    ] {
        let edits = format!("response-headers: {plugin}\n  {how}\n\n");
        assert!(stdout.contains(&edits), "{stdout}");
    }

    let (code, stdout) = explain("http://a/access/trap");
    assert_eq!(code, Some(2));
    let trapped = "it trapped (wasm trap: wasm `unreachable` instruction executed)";
    let start = format!("access: hostile\n  looks at no rule; it says: nothing: {trapped}\n");
    assert!(stdout.starts_with(&start), "{stdout}");
    let end = format!("deny     plugin `hostile` failed in its hook `access`: {trapped}\n");
    assert!(stdout.ends_with(&end), "{stdout}");

    let (_, stdout) = explain("http://a/");
    let allowed = "access: hostile\n  looks at no rule; it says: allow, by hostile allows\n";
    assert!(stdout.starts_with(allowed), "{stdout}");
    assert!(
        stdout.contains("cache-key: hostile\n  looks at no rule; it says: pass\n"),
        "{stdout}"
    );

    fs::remove_dir_all(Path::new(&folder.path().join("plugins/hostile"))).unwrap();
    fs::remove_dir_all(Path::new(&folder.path().join("plugins/lists"))).unwrap();
    let (code, stdout) = explain("http://a/denied");
    assert_eq!(code, Some(2));
    assert!(
        stdout.starts_with("access: older\n  does not explain itself; it says: deny 451, by "),
        "{stdout}"
    );
}

/// As the cache is asked for it: under that key, and no server is.
#[test]
fn a_purge_is_explained_with_the_key_that_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "hostile", &built("hostile"), "");
    let plugins = folder.path().to_str().unwrap();
    let (code, stdout, _) = run(&[
        "explain",
        "PURGE",
        "http://a/",
        "--client",
        "::1",
        "--plugins",
        plugins,
    ]);
    assert_eq!(code, Some(0), "{stdout}");
    let key = "cache-key: hostile\n  looks at no rule; it says: pass\n";
    assert!(stdout.contains(key), "{stdout}");
    for hook in ["request-headers: ", "cache-rules: "] {
        assert!(!stdout.contains(hook), "{stdout}");
    }
}

#[test]
fn what_a_plugin_tells_is_bounded_and_on_one_line_and_not_what_decides() {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "hostile", &built("hostile"), "");
    let plugins = folder.path().to_str().unwrap();
    let explain = |path: &str| {
        let url = format!("http://a/explain/{path}");
        let arguments = [
            "explain",
            "GET",
            &url,
            "--client",
            "::1",
            "--plugins",
            plugins,
        ];
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(stdout.ends_with("\n\nallow\nrule     hostile allows\nat       plugin hostile\n"));
        (stdout, stderr)
    };
    for (path, reason) in [
        (
            "trap",
            "it trapped (wasm trap: wasm `unreachable` instruction executed)",
        ),
        ("loop", "it ran longer than its limit of 1s"),
        ("utf8", "invalid utf-8"),
        ("flood", ""),
    ] {
        let (stdout, stderr) = explain(path);
        let start = format!("access: hostile\n  cannot explain itself: {reason}");
        assert!(stdout.starts_with(&start), "{stdout}");
        assert!(
            stdout.contains("; it says: allow, by hostile allows\n"),
            "{stdout}"
        );
        let told = format!("WARN plugin `hostile` fails in `explain`: {reason}");
        assert!(stderr.contains(&told), "{stderr}");
    }
    let (stdout, _) = explain("odd");
    let long = "x".repeat(1000);
    let start = format!(
        "access: hostile\n\
         \x20 - a  b [31m\n\
         \x20     ?    a  b [31m  a  b [31m\n\
         \x20     no   x          {long}\n\
         \x20 > not what it says\n\
         \x20 it says: allow, by hostile allows\n\n"
    );
    assert!(stdout.starts_with(&start), "{stdout}");
}

#[test]
fn programs_get_the_same_as_json() {
    let (_folder, path) = settings(&policy(&["web port 80"], &["allow web", "deny all"]));
    let arguments = [
        "explain",
        "GET",
        "http://a:81/?q",
        "--client",
        "::1",
        "--json",
    ];
    let (code, stdout, _) = run(&[&arguments[..], &["--config", &path]].concat());
    assert_eq!(code, Some(2));
    let mut told: Value = serde_json::from_str(&stdout).expect("a line of JSON");
    assert!(told["request"]["received"].take().is_string());
    // Header-scrub and its like have nothing to do with what is denied.
    assert_eq!(
        told,
        json!({
            "request": {
                "id": null, "method": "GET", "uri": "http://a:81/?q", "name": "a", "client": "::1",
                "received": null, "addresses": null, "no_addresses": null, "answers": [],
            },
            "past": null,
            "generation": 1,
            "asked": [{
                "plugin": "access-policy", "hook": "access", "explains": true, "failure": null,
                "rules": [
                    {
                        "rule": "http_access allow web", "at": format!("{path}:6"), "outcome": "does-not-apply",
                        "conditions": [{ "condition": "web", "holds": false, "why": "port 80: 81" }],
                    },
                    {
                        "rule": "http_access deny all", "at": format!("{path}:7"), "outcome": "decides",
                        "conditions": [{ "condition": "all", "holds": true, "why": "everyone" }],
                    },
                ],
                "said": "deny 403",
                "by": { "rule": "http_access deny all", "plugin": "access-policy", "at": format!("{path}:7") },
            }],
            "verdict": {
                "verdict": "deny", "status": 403, "reason": null,
                "by": { "rule": "http_access deny all", "plugin": "access-policy", "at": format!("{path}:7") },
            },
        })
    );
}

#[test]
fn a_request_is_written_down_or_it_is_one_that_was_served() {
    #[rustfmt::skip]
    let cases = [
        (&["GET", "http://a/"][..], "--client <IP>"),
        (&["GET"], "<URL>"),
        (&["--id", "1", "GET"], "cannot be used with"),
        (&["--id", "1", "--client", "::1"], "cannot be used with"),
        (&["--id", "1", "--plugins", "plugins"], "cannot be used with"),
        (&["--id", "one"], "invalid value 'one'"),
        (&["GET", "http://a/", "--client", "::1", "--socket", "s"], "cannot be used with"),
    ];
    for (arguments, message) in cases {
        let (code, _, stderr) = run(&[&["explain"], arguments].concat());
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    let (code, stdout, _) = run(&["explain", "--help"]);
    assert_eq!(code, Some(0));
    for part in ["without a server", "the running proxy", "--id"] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
}
