//! What plugins keep from one call to the next, and `examples/quota`, which counts with it.

use super::cases::default_plugins;
use super::limits::metric;
use super::{add, build, built};
use crate::support::proxy::{request, run};
use crate::support::{Connection, Origin, Proxy, Response};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Barrier, OnceLock};
use tempfile::TempDir;

/// `tests/plugins/keeper` under that name, `manifest` being what its manifest has beyond that; and
/// one that allows what nobody denies, so that the page of metrics can be seen.
fn keeper(folder: &TempDir, name: &str, manifest: &str) {
    let plugin = folder.path().join(name);
    fs::create_dir_all(&plugin).unwrap();
    fs::copy(built("keeper"), plugin.join("keeper.wasm")).unwrap();
    let head = format!("name = \"{name}\"\ncomponent = \"keeper.wasm\"\n");
    fs::write(plugin.join("plugin.toml"), head + manifest).unwrap();
}

fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    keeper(&folder, "keeper", manifest);
    add(&folder, "page", "order = 90\n");
    folder
}

/// What the plugin says of that path.
fn told(proxy: &Proxy, path: &str) -> String {
    let text = proxy.get(&format!("http://192.0.2.1{path}"), &[]).text();
    let told = text
        .split("the rule `")
        .nth(1)
        .and_then(|rest| rest.split("` ").next());
    told.unwrap_or(&text).to_owned()
}

fn kept(proxy: &Proxy, name: &str, what: &str) -> Option<f64> {
    metric(
        proxy,
        &format!("wproxy_plugin_kv_{what}{{plugin=\"{name}\"}}"),
    )
}

fn refused(proxy: &Proxy, name: &str) -> Option<f64> {
    let series = format!("wproxy_plugin_limit_total{{plugin=\"{name}\",limit=\"kv\"}}");
    metric(proxy, &series)
}

fn swap(proxy: &Proxy, generation: usize) {
    proxy.signal(Signal::HUP);
    proxy.says(&format!("generation {generation} serves"));
}

#[test]
fn what_is_kept_is_bounded_and_outlasts_instances_and_swaps() {
    let grants = "[limits]\nkv_entries = 3\nkv_size = \"70 KB\"\n[grants]\nkv = true\n";
    let (folder, origin) = (folder(grants), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 2", folder.path());
    assert_eq!(kept(&proxy, "keeper", "entries"), Some(0.0));
    // 100 hours: no test takes that long.
    for (path, expected) in [
        ("/get/a", "is nothing"),
        ("/set/a/x/360000", "()"),
        ("/get/a", "is x"),
        ("/add/a/1/360000", "NotANumber: the value is not a number"),
        ("/set/a/41/360000", "()"),
        ("/add/a/1/1", "\"42 for 3"),
        ("/get/a", "is 42"),
        ("/add/b/-2/360000", "\"-2 for 360000s\""),
        ("/set/c/x/0", "()"),
        ("/get/c", "is nothing"),
        (
            "/large/c/65537",
            "TooLarge: the key or the value is too large",
        ),
        ("/large/c/65536", "()"),
        ("/set/d/x/360000", "Full: there is no room for it"),
        ("/add/d/1/360000", "Full: there is no room for it"),
        ("/add/b/1/360000", "\"-1 for 3"),
        ("/remove/c", "removed true"),
        ("/remove/c", "removed false"),
        ("/set/d/x/360000", "()"),
        // Fewer than the entries that it may have, and yet too much.
        ("/remove/a", "removed true"),
        ("/large/d/65536", "()"),
        ("/large/b/65536", "Full: there is no room for it"),
        ("/get/b", "is -1"),
    ] {
        let told = told(&proxy, path);
        assert!(told.starts_with(expected), "{path}: {told}");
    }
    assert_eq!(refused(&proxy, "keeper"), Some(4.0));
    assert_eq!(kept(&proxy, "keeper", "entries"), Some(2.0));
    let octets = (65_536 + 1 + 128) + (1 + 128);
    assert_eq!(kept(&proxy, "keeper", "bytes"), Some(octets.into()));
    assert_eq!(kept(&proxy, "page", "bytes"), None);

    // A call that fails has changed what it has changed.
    let failed = proxy.get("http://192.0.2.1/fail/b", &[]);
    assert_eq!(failed.status, 500);
    assert_eq!(told(&proxy, "/get/b"), "is 0");

    // Other limits: other instances, and the same store.
    keeper(
        &folder,
        "keeper",
        "[limits]\nkv_entries = 1\n[grants]\nkv = true\n",
    );
    swap(&proxy, 2);
    assert_eq!(told(&proxy, "/get/b"), "is 0");
    assert!(told(&proxy, "/set/e/x/360000").starts_with("Full"));

    // One that is gone, and comes back.
    let away = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("keeper"), away.path().join("keeper"));
    let moved = |from: &Path, to: &Path| {
        fs::create_dir_all(to).unwrap();
        for file in ["plugin.toml", "keeper.wasm"] {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
        fs::remove_dir_all(from).unwrap();
    };
    moved(&here, &there);
    swap(&proxy, 3);
    assert_eq!(proxy.get(&origin.url("/get/b"), &[]).text(), "/get/b");
    moved(&there, &here);
    swap(&proxy, 4);
    assert_eq!(told(&proxy, "/get/b"), "is 0");
}

#[test]
fn plugins_do_not_see_what_others_keep() {
    let folder = folder("[grants]\nkv = true\n");
    keeper(&folder, "another", "order = 1\n[grants]\nkv = true\n");
    let proxy = Proxy::with_plugins("", folder.path());
    // The one that is asked first answers; then it has another place, the other its own.
    assert_eq!(told(&proxy, "/set/a/x/360000"), "()");
    keeper(&folder, "another", "order = 80\n[grants]\nkv = true\n");
    swap(&proxy, 2);
    assert_eq!(told(&proxy, "/get/a"), "is nothing");
    assert_eq!(kept(&proxy, "another", "entries"), Some(1.0));
    assert_eq!(kept(&proxy, "keeper", "entries"), Some(0.0));
}

#[test]
fn it_has_to_be_granted_and_check_shows_it() {
    let said = super::refused(&folder(""));
    for part in [
        "the component imports `wproxy:plugin/kv@0.2.0`, which it was not granted",
        "plugin.toml:2:13",
        "help: `kv = true` under [grants] lets it keep values and counters from one call to the next",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let granted = folder("[limits]\nkv_size = \"1 MB\"\n[grants]\nkv = true\n");
    let check = String::from_utf8(super::check(&granted, &[]).stdout).expect("UTF-8");
    for part in ["  grants  kv\n", "1024 KB in kv, 100000 entries\n"] {
        assert!(check.contains(part), "no {part:?} in:\n{check}");
    }
    let inspect = |folder: &TempDir| {
        let plugin = folder.path().join("keeper");
        run(&["plugin", "inspect", plugin.to_str().unwrap()]).1
    };
    let right = "keeps values and counters from one call to the next";
    for (folder, granted) in [
        (folder(""), "not granted: `kv = true`"),
        (granted, "granted"),
    ] {
        let (told, right) = (inspect(&folder), format!("{right} ({granted})"));
        assert!(told.contains(&right), "no {right:?} in:\n{told}");
    }
}

/// `examples/quota`, built once.
pub(crate) fn quota() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["examples/quota"]).join("examples/quota"))
}

/// The same as an operator has it, with this quota, before a plugin that allows everything.
fn with_quota(config: &str, order: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, "page", "order = 90\n");
    let plugin = folder.path().join("quota");
    fs::create_dir(&plugin).unwrap();
    fs::copy(quota().join("quota.wasm"), plugin.join("quota.wasm")).unwrap();
    write_quota(&folder, config, order);
    folder
}

fn write_quota(folder: &TempDir, config: &str, order: &str) {
    let manifest = fs::read_to_string(quota().join("plugin.toml")).unwrap();
    let (head, _) = manifest.split_once("[config]").unwrap();
    let manifest = format!("{}[config]\n{config}", head.replace("order = 5", order));
    fs::write(folder.path().join("quota/plugin.toml"), manifest).unwrap();
}

/// A connection from that address of loopback.
fn connect_from(client: [u8; 4], proxy: &Proxy) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let client = SocketAddr::from((Ipv4Addr::from(client), 0));
    socket.bind(&client.into()).expect("an address of loopback");
    socket.connect(&proxy.address.into()).expect("it listens");
    Connection::over(socket.into())
}

fn get(connection: &mut Connection, url: &str) -> Response {
    connection.send(request("GET", url, &[], b""));
    connection.response("GET")
}

/// Eight connections at once, over four worker threads: of all their requests, as many pass as the
/// quota says, and not one more.
#[test]
fn a_quota_holds_over_all_worker_threads_and_swaps() {
    const CONNECTIONS: usize = 8;
    const EACH: usize = 40;
    const QUOTA: usize = 200;
    let config = format!("requests = {QUOTA}\nseconds = 36000\nhelp = \"Ask Ann.\"\n");
    let (folder, origin) = (with_quota(&config, "order = 5"), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 4", folder.path());
    let barrier = Barrier::new(CONNECTIONS);
    let ask = || {
        let mut connection = connect_from([127, 0, 0, 2], &proxy);
        barrier.wait();
        let statuses = (0..EACH).map(|_| get(&mut connection, &origin.url("/a")).status);
        statuses.collect::<Vec<_>>()
    };
    let mut statuses = BTreeMap::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(ask)).collect();
        let all = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        all.for_each(|status| *statuses.entry(status).or_insert(0) += 1);
    });
    let expected = [(200, QUOTA), (429, CONNECTIONS * EACH - QUOTA)];
    assert_eq!(statuses, BTreeMap::from(expected));

    let over = |generation: usize| {
        let denied = get(&mut connect_from([127, 0, 0, 2], &proxy), &origin.url("/a"));
        let text = denied.text();
        assert_eq!(denied.status, 429, "generation {generation}: {text}");
        for part in [
            "127.0.0.2 has made its 200 requests in 36000 seconds. Ask again in 3",
            " seconds. Ask Ann.",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    };
    over(1);
    // Others are not concerned.
    let other = get(&mut connect_from([127, 0, 0, 3], &proxy), &origin.url("/a"));
    assert_eq!(other.status, 200);
    // Neither by what is the same, nor by what is another plugin but for its name.
    swap(&proxy, 2);
    over(2);
    write_quota(&folder, &config, "order = 6");
    swap(&proxy, 3);
    over(3);
    // Two more than the 323 that there have been.
    let config = config.replace("200", "325");
    write_quota(&folder, &config, "order = 6");
    swap(&proxy, 4);
    let mut connection = connect_from([127, 0, 0, 2], &proxy);
    let mut ask = || get(&mut connection, &origin.url("/a")).status;
    assert_eq!([ask(), ask(), ask()], [200, 200, 429]);
}

/// Where another plugin wants to know the addresses, all are asked twice.
#[test]
fn a_request_counts_once_however_often_it_is_asked_about() {
    let folder = with_quota("requests = 2\nseconds = 36000\n", "order = 5");
    let policy = folder.path().join("access-policy");
    fs::create_dir(&policy).unwrap();
    let component = default_plugins()[0].join("access-policy.wasm");
    fs::copy(component, policy.join("access-policy.wasm")).unwrap();
    let manifest = "name = \"access-policy\"\ncomponent = \"access-policy.wasm\"\norder = 10\n\
        [config]\nacl = [\"near dst 127.0.0.0/8 ::1\"]\nhttp_access = [\"allow near\"]\n";
    fs::write(policy.join("plugin.toml"), manifest).unwrap();
    let (proxy, origin) = (Proxy::with_plugins("", folder.path()), Origin::plain());
    // The second is an address, about which nobody has to ask.
    let by_name = format!("http://localhost:{}/a", origin.address.port());
    let urls = [&by_name, &origin.url("/a"), &by_name];
    let mut client = connect_from([127, 0, 0, 2], &proxy);
    let statuses = urls.map(|url| get(&mut client, url).status);
    assert_eq!(statuses, [200, 200, 429]);
    // Twice, once, once; and once for the page that says so.
    let calls = "wproxy_plugin_calls_total{plugin=\"quota\",hook=\"access\"}";
    assert_eq!(metric(&proxy, calls), Some(5.0));
}

#[test]
fn a_quota_that_cannot_count_says_so_and_forgets_nobody() {
    let folder = with_quota("requests = 1\nseconds = 36000\n", "order = 5");
    let manifest = folder.path().join("quota/plugin.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace("kv_entries = 100000", "kv_entries = 1");
    fs::write(&manifest, text).unwrap();
    let (proxy, origin) = (Proxy::with_plugins("", folder.path()), Origin::plain());
    let ask = |last| {
        get(
            &mut connect_from([127, 0, 0, last], &proxy),
            &origin.url("/a"),
        )
    };
    assert_eq!(ask(2).status, 200);
    let not_counted = ask(3);
    assert_eq!(not_counted.status, 503);
    let message = "More clients have asked than can be counted. Try again later.";
    assert!(
        not_counted.text().contains(message),
        "{}",
        not_counted.text()
    );
    assert_eq!(ask(2).status, 429);
}

#[test]
fn the_example_passes_its_cases_and_neither_they_nor_explain_leave_anything() {
    let path = quota().to_str().unwrap();
    let (code, stdout, stderr) = run(&["plugin", "test", path]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.ends_with("5 passed\n"), "{stdout}");

    let folder = with_quota("requests = 1\nseconds = 36000\n", "order = 5");
    let plugins = ["--plugins", folder.path().to_str().unwrap()];
    let question = ["explain", "GET", "http://a.test/", "--client", "127.0.0.2"];
    for _ in 1..=2 {
        let (code, stdout, stderr) = run(&[&question[..], &plugins].concat());
        assert_eq!(code, Some(0), "{stdout}{stderr}");
    }
}
