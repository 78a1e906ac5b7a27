//! `wproxy status`, `reload` and `generations`: the running proxy asked by its control socket.

use crate::support::proxy::{fifo, request, run};
use crate::support::{Origin, Proxy, Then, wproxy};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::sync::{Arc, Barrier};

/// The settings are these from now on.
fn save(proxy: &Proxy, settings: &str) {
    let settings = format!("http_port = [\"127.0.0.1:0\"]\n{settings}");
    fs::write(proxy.settings(), settings).unwrap();
}

/// Of two policies, this one: access-policy alone is different.
fn policy(rule: &str) -> String {
    format!("[plugins.access-policy]\nacl = []\nhttp_access = [\"{rule}\"]\n")
}

/// What the command prints for programs: a line each.
fn json(proxy: &Proxy, command: &str) -> Vec<Value> {
    let (code, stdout, stderr) = proxy.command(&[command, "--json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The names of plugins.
fn names(plugins: &Value) -> Vec<&str> {
    let plugins = plugins.as_array().expect("a list").iter();
    plugins
        .map(|plugin| plugin["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn status_says_what_runs_and_how_it_fares() {
    let (proxy, origin) = (
        Proxy::start("workers = 3\ncache_mem = \"1 MB\"\ncache_dir = \"none\""),
        Origin::plain(),
    );
    let mut client = proxy.connect();
    for url in [&origin.url("/"), "http://127.0.0.1:25/"] {
        client.send(request("GET", url, &[], b""));
        client.response("GET");
        proxy.logged();
    }
    let lines = json(&proxy, "status");
    let [status] = &lines[..] else {
        panic!("one line: {lines:?}");
    };
    let mut keys: Vec<&str> = status.as_object().unwrap().keys().map(|k| &**k).collect();
    let mut expected = [
        "version",
        "pid",
        "uptime",
        "listeners",
        "workers",
        "connections",
        "generation",
        "since",
        "generations",
        "reloads",
        "reload_failures",
        "last_failure",
        "plugins",
        "helpers",
        "cache",
        "requests",
    ];
    expected.sort_unstable();
    keys.sort_unstable();
    assert_eq!(keys, expected);
    for (key, value) in [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("pid", json!(proxy.pid())),
        ("listeners", json!([proxy.address.to_string()])),
        ("workers", json!(3)),
        ("connections", json!(1)),
        ("generation", json!(1)),
        ("generations", json!(1)),
        ("reloads", json!(0)),
        ("reload_failures", json!(0)),
        ("last_failure", Value::Null),
        ("helpers", json!([])),
    ] {
        assert_eq!(status[key], value, "{key}");
    }
    assert_eq!(
        names(&status["plugins"]),
        ["access-policy", "header-scrub", "cache-rules"]
    );
    let access = &status["plugins"][0];
    assert_eq!(
        (&access["wit"], &access["hooks"], &access["aside"]),
        (&json!("0.2.0"), &json!(["access"]), &json!([]))
    );
    let digest = access["digest"].as_str().expect("a digest");
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{digest}"
    );
    assert_eq!(status["cache"][0]["budget"], 1 << 20);
    let requests = &status["requests"];
    let counted = ["TCP_MISS", "TCP_DENIED", "TCP_HIT"].map(|code| &requests[code]);
    assert_eq!(counted, [&json!(1), &json!(1), &json!(0)]);

    let (code, stdout, _) = proxy.command(&["status"]);
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = stdout.lines().collect();
    let head = format!(
        "wproxy      {}, pid {}, up ",
        env!("CARGO_PKG_VERSION"),
        proxy.pid()
    );
    assert!(lines[0].starts_with(&head), "{stdout}");
    assert_eq!(lines[1], format!("listens     {}", proxy.address));
    for line in [
        "generation  1 since 20",
        "reloads     0 done, 0 failed",
        "PLUGIN         WIT    DIGEST        HOOKS",
        &format!("access-policy  0.2.0  {}  access", &digest[7..19]),
        "REQUESTS  CODE",
        "       1  TCP_DENIED",
    ] {
        assert!(
            lines.iter().any(|l| l.starts_with(line)),
            "no {line:?} in {stdout}"
        );
    }
}

#[test]
fn reload_says_what_is_different_as_the_log_does() {
    let proxy = Proxy::with_policy(&format!("via = true\n{}", policy("allow all")), &[]);
    let all = "access-policy, header-scrub, cache-rules";
    for (settings, expected) in [
        (
            format!("via = true\n{}", policy("allow all")),
            format!("generation 2 serves: 3 plugins, 3 of them unchanged\nunchanged  {all}\n"),
        ),
        (
            format!("via = true\n{}", policy("deny all")),
            "generation 3 serves: 3 plugins, 2 of them unchanged\nchanged    access-policy\n\
             unchanged  header-scrub, cache-rules\n"
                .to_owned(),
        ),
        (
            format!("via = false\n{}", policy("deny all")),
            format!(
                "generation 4 serves: 3 plugins, 3 of them unchanged\nunchanged  {all}\nsettings \
                 outside [plugins], [sets], [helpers] and [shadow] have changed: restart the proxy to apply them\n"
            ),
        ),
    ] {
        // As it was started, but for what is named.
        let head = format!("cache_dir = {:?}\n", proxy.folder.path().join("cache"));
        save(&proxy, &format!("{head}{settings}"));
        let (code, stdout, stderr) = proxy.command(&["reload"]);
        assert_eq!(
            (code, stdout.as_str(), stderr.as_str()),
            (Some(0), &*expected, "")
        );
        proxy.says(expected.lines().next().unwrap());
    }
    assert_eq!(proxy.get("http://127.0.0.1:9/", &[]).status, 403);
}

#[test]
fn plugins_that_come_and_go_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let add = |name: &str| {
        let plugin = folder.path().join(name);
        fs::create_dir(&plugin).unwrap();
        fs::copy(crate::watch::built(), plugin.join("a.wasm")).unwrap();
        let config = "[config]\nacl = []\nhttp_access = [\"allow all\"]\n";
        let manifest = format!("name = \"{name}\"\ncomponent = \"a.wasm\"\n{config}");
        fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    };
    add("first");
    let proxy = Proxy::with_plugins("", folder.path());
    let reload = || json(&proxy, "reload").remove(0);
    add("second");
    let expected = json!({
        "generation": 2,
        "plugins": {"new": ["second"], "changed": [], "unchanged": ["first"], "gone": []},
        "restart_needed": false,
        "failure": null,
    });
    assert_eq!(reload(), expected);
    fs::remove_dir_all(folder.path().join("first")).unwrap();
    let expected = json!({"new": [], "changed": [], "unchanged": ["second"], "gone": ["first"]});
    assert_eq!(reload()["plugins"], expected);
}

#[test]
fn a_reload_that_fails_shows_the_whole_mistake_and_changes_nothing() {
    let proxy = Proxy::with_policy(&policy("allow all"), &[]);
    save(&proxy, &policy("allow our"));
    let file = proxy.settings();
    let mistake = format!(
        "acl `our` is not defined; there are: all\n --> {}:4:16\n  |\n4 | http_access = [\"allow \
         our\"]\n  |                ^^^^^^^^^^^",
        file.display()
    );
    let (code, stdout, stderr) = proxy.command(&["reload"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let failed = "reload failed, generation 1 goes on serving:\n";
    assert_eq!(stderr, format!("error: {failed}{mistake}\n"));
    proxy.says("reload failed, generation 1 goes on serving:");

    let (code, stdout, stderr) = proxy.command(&["reload", "--json"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let expected = json!({
        "generation": 1, "plugins": null, "restart_needed": false, "failure": mistake,
    });
    assert_eq!(
        serde_json::from_str::<Value>(&stdout).expect("JSON"),
        expected
    );

    let status = json(&proxy, "status").remove(0);
    assert_eq!(
        (
            &status["generation"],
            &status["reload_failures"],
            &status["last_failure"]
        ),
        (&json!(1), &json!(2), &json!(mistake))
    );
    let (_, stdout, _) = proxy.command(&["status"]);
    assert!(
        stdout.ends_with(&format!("\nThe last {failed}{mistake}\n")),
        "{stdout}"
    );

    save(&proxy, &policy("deny all"));
    assert_eq!(proxy.command(&["reload"]).0, Some(0));
    assert_eq!(json(&proxy, "status")[0]["last_failure"], Value::Null);
}

/// Which proxy it is stands in a file that may have a mistake: it is asked all the same.
#[test]
fn a_mistake_in_the_settings_hides_the_proxy_from_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("own.sock");
    let own = format!("control_socket = {socket:?}\n");
    let proxy = Proxy::with_policy(&own, &[]);
    let settings = proxy.settings();
    let asked = |command: &str| run(&[command, "--config", settings.to_str().unwrap()]);
    save(&proxy, &format!("{own}htp_port = []\n"));
    let (code, stdout, stderr) = asked("reload");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let failed =
        "error: reload failed, generation 1 goes on serving:\nthere is no key `htp_port` here\n";
    assert!(stderr.starts_with(failed), "{stderr}");
    assert!(
        stderr.ends_with("help: did you mean `http_port`?\n"),
        "{stderr}"
    );
    let (code, stdout, _) = asked("status");
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("\nThe last reload failed, generation 1 "),
        "{stdout}"
    );

    // What is no TOML says nothing about it.
    save(&proxy, "control_socket = \n");
    let (code, _, stderr) = asked("status");
    assert_eq!(code, Some(1));
    let unknown =
        "error: the proxy's control socket is not known, but can be named with --socket: ";
    assert!(
        stderr.starts_with(unknown) && stderr.contains("wproxy.toml:2:"),
        "{stderr}"
    );
}

/// The settings of a reload come from what is returned, once it has begun, until that is dropped.
fn slow_settings(proxy: &Proxy) -> impl FnOnce() -> File {
    let pipe = proxy.folder.path().join("pipe");
    fifo(&pipe);
    fs::rename(pipe, proxy.settings()).unwrap();
    let settings = proxy.settings();
    // It opens when the other side does.
    move || {
        File::options()
            .write(true)
            .open(settings)
            .expect("the proxy reads it")
    }
}

#[test]
fn of_two_reloads_each_has_its_own_result() {
    let proxy = Proxy::with_policy(&policy("allow all"), &[]);
    let begun = slow_settings(&proxy);
    let command = || {
        let mut command = wproxy();
        command.args(["reload", "--json", "--socket"]);
        command.arg(proxy.control_socket()).stdout(Stdio::piped());
        command.spawn().expect("it runs")
    };
    let first = command();
    let mut settings = begun();
    // It waits until the first one is done, and then finds what stands there now.
    let second = command();
    // Neither keeps other commands waiting.
    assert_eq!(json(&proxy, "status")[0]["generation"], 1);
    fs::remove_file(proxy.settings()).unwrap();
    save(&proxy, &policy("allow nobody"));
    settings.write_all(policy("deny all").as_bytes()).unwrap();
    drop(settings);
    let result = |command: std::process::Child| -> Value {
        let output = command.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let (first, second) = (result(first), result(second));
    assert_eq!(
        (&first["generation"], &first["plugins"]["changed"]),
        (&json!(2), &json!(["access-policy"]))
    );
    assert_eq!(
        (&second["generation"], &second["plugins"]),
        (&json!(2), &Value::Null)
    );
    let failure = second["failure"].as_str().expect("a mistake");
    assert!(failure.contains("acl `nobody` is not defined"), "{failure}");
}

#[test]
fn a_client_that_goes_away_does_not_break_off_its_reload() {
    let proxy = Proxy::with_policy(&policy("allow all"), &[]);
    let begun = slow_settings(&proxy);
    let mut client = UnixStream::connect(proxy.control_socket()).unwrap();
    client.write_all(b"{\"command\":\"reload\"}\n").unwrap();
    let mut settings = begun();
    drop(client);
    settings.write_all(policy("deny all").as_bytes()).unwrap();
    drop(settings);
    proxy.says("generation 2 serves: 3 plugins, 2 of them unchanged");
    assert_eq!(proxy.get("http://127.0.0.1:9/", &[]).status, 403);
}

#[test]
fn generations_are_there_while_requests_are_pinned_to_them() {
    let end = Arc::new(Barrier::new(2));
    let origin = Origin::start({
        let end = end.clone();
        move |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin")?;
            stream.flush()?;
            end.wait();
            stream.write_all(b"ended")?;
            Ok(Then::Keep)
        }
    });
    let proxy = Proxy::with_policy(&policy("allow all"), &[]);
    let mut client = proxy.connect();
    client.send(request("GET", &origin.url("/"), &[], b""));
    origin.seen();
    // One that nobody is pinned to does not stay.
    for _ in 0..2 {
        assert_eq!(proxy.command(&["reload"]).0, Some(0));
    }
    let brief = || -> Vec<Value> {
        let generations = json(&proxy, "generations");
        let brief = |g: &Value| json!([g["generation"], g["serves"], g["requests"]]);
        generations.iter().map(brief).collect()
    };
    assert_eq!(brief(), [json!([3, true, 0]), json!([1, false, 1])]);
    let all = json(&proxy, "generations");
    assert_eq!(all[0]["plugins"], all[1]["plugins"]);
    let plugins = &all[0]["plugins"];
    assert_eq!(
        names(plugins),
        ["access-policy", "header-scrub", "cache-rules"]
    );
    let since = |g: &Value| g["since"].as_str().expect("a moment").to_owned();
    assert!(since(&all[1]) <= since(&all[0]) && since(&all[0]).ends_with('Z'));

    let (code, stdout, _) = proxy.command(&["generations"]);
    assert_eq!(code, Some(0));
    let digest = plugins[0]["digest"].as_str().unwrap();
    let (first, digest) = (since(&all[1]), &digest[7..19]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert_eq!(
        lines[0],
        "GENERATION  STATE   SINCE                 REQUESTS  PLUGINS"
    );
    let line = format!("         1  pinned  {first}         1  access-policy {digest}, ");
    assert!(lines[2].starts_with(&line), "{stdout}");
    let (_, status, _) = proxy.command(&["status"]);
    assert!(status.contains("Z; 2 alive\n"), "{status}");

    end.wait();
    assert_eq!(client.response("GET").text(), "beginended");
    // Its line is written when it is over.
    proxy.logged();
    let over = || brief() == [json!([3, true, 0])];
    assert!((0..100).any(|_| over()), "{:?}", brief());
}

#[test]
fn where_no_proxy_can_be_asked_there_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let none = format!(
        "error: no proxy listens for commands: there is no {}\nhelp: start one with `wproxy run`; \
         if it runs, --socket or --config says where its control_socket is\n",
        socket.display()
    );
    let settings = folder.path().join("wproxy.toml");
    fs::write(&settings, format!("control_socket = {socket:?}\n")).unwrap();
    for command in ["status", "reload", "generations"] {
        for place in [
            ["--socket", socket.to_str().unwrap()],
            ["--config", settings.to_str().unwrap()],
        ] {
            for json in [&[][..], &["--json"]] {
                let (code, stdout, stderr) = run(&[&[command], &place[..], json].concat());
                assert_eq!((code, stdout.as_str(), &stderr), (Some(1), "", &none));
            }
        }
    }
}

/// A proxy of another version: neither the request nor the answer need be what this one knows.
#[test]
fn another_versions_proxy_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let odd = format!("error: wproxy {version} does not understand this answer: ");
    #[rustfmt::skip]
    let cases = [
        ("{\"error\":\"unknown command\",\"help\":\"start it anew\"}\n", "error: unknown command\nhelp: start it anew\n".to_owned()),
        ("{\"novel\":1}\n{\"end\":true}\n", odd.clone()),
        ("GET / HTTP/1.1\n", odd),
        ("", format!("error: the proxy at {} has broken off its answer", socket.display())),
    ];
    for command in ["status", "reload", "generations"] {
        for (answer, expected) in &cases {
            let said = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (stream, _) = listener.accept().unwrap();
                    let mut stream = BufReader::new(stream);
                    stream.read_line(&mut String::new()).unwrap();
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                });
                run(&[command, "--socket", socket.to_str().unwrap()])
            });
            let (code, stdout, stderr) = said;
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{command} {answer}");
            assert!(stderr.starts_with(expected), "{command} {answer}: {stderr}");
        }
    }

    // And what this one says to those that know more.
    let proxy = Proxy::start("");
    let mut stream = UnixStream::connect(proxy.control_socket()).unwrap();
    stream.write_all(b"{\"command\":\"novel\"}\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let refusal: Value = serde_json::from_str(&line).expect("JSON");
    let error =
        format!("wproxy {version} does not understand this request: unknown variant `novel`");
    assert!(
        refusal["error"].as_str().unwrap().starts_with(&error),
        "{refusal}"
    );
    let help = refusal["help"].as_str().unwrap();
    assert!(
        help.starts_with("ask with the `wproxy` of that version, or"),
        "{help}"
    );
}
