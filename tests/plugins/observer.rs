//! The hook `observer`: who is told what of transactions that have ended; and `examples/denied`.

use super::cases::default_plugins;
use super::limits::metric;
use super::{build, built};
use crate::support::proxy::{request, run};
use crate::support::{OPEN_POLICY, Origin, PATIENCE, Proxy, Then};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// `tests/plugins/watcher` with these limits and this configuration, able to say all that it is told.
fn watcher(limits: &str, config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("watcher");
    fs::create_dir(&plugin).unwrap();
    fs::copy(built("watcher"), plugin.join("watcher.wasm")).unwrap();
    write(&folder, limits, config);
    folder
}

fn write(folder: &TempDir, limits: &str, config: &str) {
    let time = match limits.contains("time = ") {
        true => "",
        // Enough for a batch of words on a machine that has other things to do.
        false => "time = \"1 s\"\n",
    };
    let manifest = format!(
        "name = \"watcher\"\ncomponent = \"watcher.wasm\"\n[grants]\nmetrics = true\nkv = true\n\
         [limits]\nlog_lines = 10000\nlog_rate = 1000000\n{time}{limits}\n[config]\n{config}\n"
    );
    fs::write(folder.path().join("watcher/plugin.toml"), manifest).unwrap();
}

/// The next transaction that the plugin says it was told of.
fn seen(proxy: &Proxy) -> Value {
    let line = proxy.says(" saw {");
    let (from, to) = (line.find('{').unwrap(), line.rfind('}').unwrap());
    serde_json::from_str(&line[from..=to]).expect(&line)
}

fn logged(proxy: &Proxy) -> Value {
    serde_json::from_str(&proxy.logged()).expect("JSON")
}

fn observed(proxy: &Proxy, what: &str) -> Option<f64> {
    metric(
        proxy,
        &format!("wproxy_observer_{what}_total{{plugin=\"watcher\"}}"),
    )
}

/// What the proxy has begun to call it about.
fn calls(proxy: &Proxy) -> f64 {
    let series = "wproxy_plugin_calls_total{plugin=\"watcher\",hook=\"observer\"}";
    metric(proxy, series).unwrap_or_default()
}

/// Asks until it is so: what is told is told a little later.
fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn what_is_logged_is_observed() {
    let origin = Origin::start(|seen, stream| {
        let (length, body) = match seen.target.as_str() {
            "/long" => ("1000000", "not all of it"),
            _ => ("2", "ok"),
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Type: text/plain; a=b\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        Ok(Then::Keep)
    });
    let folder = watcher("batch = 3", "edition = 7");
    let settings = "logformat = \"json\"\nread_timeout = \"1 minute\"";
    let proxy = Proxy::with_plugins(settings, folder.path());
    let mut logs = Vec::new();
    let mut log = |code: &str| {
        let line = logged(&proxy);
        assert_eq!(line["code"], code, "{line}");
        logs.push(line);
    };
    for (path, status, code) in [
        ("/a?secret", 200, "TCP_MISS"),
        ("/a?secret", 200, "TCP_MEM_HIT"),
        ("/denied", 403, "TCP_DENIED"),
    ] {
        assert_eq!(proxy.get(&origin.url(path), &[]).status, status);
        log(code);
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    assert_eq!(proxy.get(&refused, &[]).status, 503);
    log("TCP_MISS");
    // A client that leaves in the middle, and one that never makes sense.
    let mut leaves = proxy.connect();
    leaves.send(request("GET", &origin.url("/long"), &[], b""));
    leaves.until(b"not all of it").unwrap();
    leaves.reset();
    log("TCP_MISS_ABORTED");
    let mut odd = proxy.connect();
    odd.send("nonsense\r\n\r\n");
    assert_eq!(odd.response("GET").status, 400);
    log("NONE_NONE");

    let echo = Origin::raw(|mut stream| {
        let mut octets = [0; 5];
        stream.read_exact(&mut octets)?;
        stream.write_all(&octets)
    });
    let mut tunnel = proxy.connect();
    let to = echo.address;
    tunnel.send(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\nhello"));
    assert_eq!(tunnel.response("CONNECT").status, 200);
    assert_eq!(tunnel.rest().0, b"hello");
    drop(tunnel);
    log("TCP_TUNNEL");

    let mut told: Vec<Value> = logs.iter().map(|_| seen(&proxy)).collect();
    for log in &mut logs {
        let of = |told: &Value| (told["request"].clone(), told["uri"].clone());
        let place = told.iter().position(|told| of(told) == of(log));
        let mut told = told.remove(place.unwrap_or_else(|| panic!("{log}: {told:?}")));
        let log = log.as_object_mut().unwrap();
        // The log rounds.
        let time = |of: Option<Value>| of.and_then(|time| time.as_f64()).unwrap();
        let told_at = time(told.as_object_mut().unwrap().remove("time"));
        assert!((time(log.remove("time")) - told_at).abs() < 0.002);
        for unknown in ["version", "user_agent"] {
            log.remove(unknown);
        }
        assert_eq!(told.as_object(), Some(&*log));
    }
    assert_eq!(told, [] as [Value; 0]);
}

#[test]
fn transactions_of_a_connection_come_in_their_order_and_a_batch_at_a_time() {
    const REQUESTS: usize = 100;
    let (folder, origin) = (watcher("batch = 8", ""), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 2", folder.path());
    let mut client = proxy.connect();
    for number in 0..REQUESTS {
        let url = origin.url(&format!("/{number}"));
        client.send(request("GET", &url, &[], b""));
        assert_eq!(client.response("GET").status, 200);
    }
    for number in 0..REQUESTS {
        assert_eq!(seen(&proxy)["uri"], origin.url(&format!("/{number}")));
    }
    let more = "wproxy_custom_batch_bucket{le=\"10.0\",plugin=\"watcher\"}";
    let all = "wproxy_custom_batch_count{plugin=\"watcher\"}";
    // In this order: the pages are transactions, too.
    let all = metric(&proxy, all);
    let small = metric(&proxy, more);
    assert!(all.is_some_and(|all| all >= 12.0), "{all:?}");
    assert!(small >= all, "{small:?} of {all:?}");
    assert_eq!(
        metric(&proxy, "wproxy_custom_again_total{plugin=\"watcher\"}"),
        None
    );
}

/// One worker, and an observer that does not come back before the test is over.
#[test]
fn an_observer_that_hangs_delays_nobody_and_what_it_misses_is_counted() {
    // What counts is when it is seen running, after half of that by the clock on the wall.
    const HANGS: Duration = Duration::from_secs(15);
    const REQUESTS: usize = 20;
    let limits = "time = \"10 s\"\nbatch = 1\nqueue = 5";
    let (folder, origin) = (watcher(limits, ""), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 1", folder.path());
    // Whoever has ended, pages of metrics included.
    let mut ended = 1;
    assert_eq!(proxy.get(&origin.url("/loop"), &[]).status, 200);
    let start = Instant::now();
    // As many as there are before it hangs.
    eventually(|| {
        ended += 1;
        calls(&proxy) > 0.0
    });
    for _ in 0..REQUESTS {
        assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
        ended += 1;
    }
    // But for the one that it is at, and those that wait.
    eventually(|| {
        ended += 1;
        let dropped = observed(&proxy, "dropped");
        // The page of metrics is not over when it is written.
        dropped == Some(f64::from(ended - 1 - 1 - 5))
    });
    assert!(start.elapsed() < HANGS);
    assert_eq!(observed(&proxy, "told"), Some(0.0));
}

#[test]
fn the_log_says_that_an_observer_does_not_keep_up() {
    let limits = "time = \"300 ms\"\nbatch = 1\nqueue = 1\nfailures = 0";
    let (folder, origin) = (watcher(limits, ""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    // Beside those that cost a call, there are some that found no room.
    eventually(|| {
        assert_eq!(proxy.get(&origin.url("/loop"), &[]).status, 200);
        let failures = "wproxy_plugin_failures_total{plugin=\"watcher\",hook=\"observer\"}";
        let failed = metric(&proxy, failures).unwrap_or_default();
        observed(&proxy, "dropped") > Some(failed)
    });
    let failed = proxy.says("plugin `watcher` failed in its hook `observer`: it ran longer");
    // It is about no request.
    assert!(!failed.contains("request="), "{failed}");
    let said = proxy.says("does not keep up in its hook `observer`: it was not told of ");
    assert!(said.ends_with(" transactions"), "{said}");
}

#[test]
fn an_observer_that_keeps_failing_is_put_aside_and_no_client_sees_it() {
    let (folder, origin) = (watcher("batch = 1\nfailures = 3", ""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    for _ in 0..3 {
        assert_eq!(proxy.get(&origin.url("/trap"), &[]).status, 200);
        proxy.says("plugin `watcher` failed in its hook `observer`: it trapped");
    }
    proxy.says("`observer`: it failed 3 times in a row and is suspended for 1s");
    eventually(|| observed(&proxy, "dropped") > Some(3.0));
    // After the pause, the next one is a probe.
    let before = observed(&proxy, "told");
    eventually(|| observed(&proxy, "told") > before);
    proxy.says("plugin `watcher` is back in its hook `observer`");
}

/// The old one's queue is its own: what ended while it served is told to it, and nothing twice.
#[test]
fn swaps_under_load_and_the_end_lose_nothing() {
    const CLIENTS: usize = 4;
    const EACH: usize = 150;
    const SWAPS: usize = 5;
    let (folder, origin) = (watcher("batch = 50", "edition = 1"), Origin::plain());
    let settings = "workers = 2\nlogformat = \"json\"";
    let mut proxy = Proxy::with_plugins(settings, folder.path());
    let ask = || {
        let mut client = proxy.connect();
        for _ in 0..EACH {
            client.send(request("GET", &origin.url("/good"), &[], b""));
            assert_eq!(client.response("GET").status, 200);
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        for swap in 1..=SWAPS {
            write(&folder, "batch = 50", &format!("edition = {}", swap + 1));
            let (code, _, stderr) = proxy.command(&["reload"]);
            assert_eq!(code, Some(0), "{stderr}");
        }
        clients.into_iter().for_each(|c| c.join().unwrap());
    });
    // Those before this one have told all they had, and are gone.
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", proxy.pid())).unwrap();
        let names =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "observer").count()
    };
    eventually(|| threads() == 1);
    // At once: the last batch is not even a second old.
    assert_eq!(proxy.get(&origin.url("/last"), &[]).status, 200);
    proxy.signal(Signal::TERM);
    let all = CLIENTS * EACH + 1;
    let number = |line: Value| line["request"].as_u64().unwrap();
    let told: BTreeSet<u64> = (0..all).map(|_| number(seen(&proxy))).collect();
    let logged: BTreeSet<u64> = (0..all).map(|_| number(logged(&proxy))).collect();
    assert_eq!((told.len(), &told), (all, &logged));
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn an_observer_that_hangs_does_not_prevent_the_end() {
    let limits = "time = \"10 s\"\nbatch = 1";
    let (folder, origin) = (watcher(limits, ""), Origin::plain());
    let mut proxy = Proxy::with_plugins("", folder.path());
    assert_eq!(proxy.get(&origin.url("/loop"), &[]).status, 200);
    eventually(|| calls(&proxy) > 0.0);
    proxy.signal(Signal::TERM);
    proxy.says("plugin `watcher` did not take its last batch within 2s");
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn what_is_cut_at_the_end_is_told() {
    let folder = watcher("", "");
    let origin = Origin::start(|_, stream| {
        // Until the proxy has had enough.
        while stream.read(&mut [0; 1024])? > 0 {}
        Ok(Then::Close)
    });
    let mut proxy = Proxy::with_plugins("logformat = \"json\"", folder.path());
    let mut waits = proxy.connect();
    waits.send(request("GET", &origin.url("/waits"), &[], b""));
    origin.seen();
    let to = origin.address;
    let mut tunnel = proxy.connect();
    tunnel.send(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    assert_eq!(tunnel.response("CONNECT").status, 200);
    proxy.signal(Signal::TERM);
    proxy.says("stopping: ");
    proxy.signal(Signal::TERM);
    let told: BTreeSet<String> = [(); 2].map(|()| seen(&proxy)["uri"].to_string()).into();
    let logged: BTreeSet<String> = [(); 2].map(|()| logged(&proxy)["uri"].to_string()).into();
    assert_eq!((told.len(), &told), (2, &logged));
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn who_wants_to_be_told_nothing_is_not_called_and_check_says_so() {
    let folder = watcher("batch = 1\nqueue = 9", "blind = true");
    let plugins = folder.path().to_str().unwrap();
    let shown = || run(&["check", "--plugins", plugins]).1;
    let blind = "  hooks   access (observer: nothing to do with this configuration)\n";
    assert!(shown().contains(blind), "{}", shown());
    let (proxy, origin) = (Proxy::with_plugins("", folder.path()), Origin::plain());
    assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    assert_eq!(calls(&proxy), 0.0);
    // Until it is told to look.
    write(&folder, "batch = 1\nqueue = 9", "");
    for part in [
        "  hooks   access, observer\n",
        "  batches 1 transactions, 9 can wait\n",
    ] {
        assert!(shown().contains(part), "no {part:?} in:\n{}", shown());
    }
    let (code, _, stderr) = proxy.command(&["reload"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(proxy.get(&origin.url("/seen"), &[]).status, 200);
    eventually(|| seen(&proxy)["uri"] == origin.url("/seen"));
}

/// `examples/denied`, built once.
fn denied() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["examples/denied"]).join("examples/denied"))
}

#[test]
fn the_example_counts_denied_requests_by_client() {
    let folder = tempfile::tempdir().unwrap();
    let policy = default_plugins()[0].as_path();
    for (from, name) in [(denied(), "denied"), (policy, "access-policy")] {
        let to = folder.path().join(name);
        fs::create_dir(&to).unwrap();
        for file in ["plugin.toml".to_owned(), format!("{name}.wasm")] {
            fs::copy(from.join(&file), to.join(&file)).unwrap();
        }
    }
    let origin = Origin::plain();
    let proxy = Proxy::with_plugins(OPEN_POLICY, folder.path());
    for url in ["http://192.0.2.1:25/", "http://192.0.2.2:25/"] {
        assert_eq!(proxy.get(url, &[]).status, 403);
        assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    }
    let series = "wproxy_custom_denied_total{plugin=\"denied\",client=\"127.0.0.1\"}";
    eventually(|| metric(&proxy, series) == Some(2.0));
    assert_eq!(proxy.get("http://192.0.2.3:25/", &[]).status, 403);
    eventually(|| metric(&proxy, series) == Some(3.0));
}

#[test]
fn the_example_passes_its_cases_and_a_case_can_fail() {
    let path = denied().to_str().unwrap();
    let (code, stdout, stderr) = run(&["plugin", "test", path]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.ends_with("3 passed\n"), "{stdout}");

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cases")).unwrap();
    for file in ["plugin.toml", "denied.wasm"] {
        fs::copy(denied().join(file), folder.path().join(file)).unwrap();
    }
    let test = |case: &str| {
        fs::write(folder.path().join("cases/a.toml"), case).unwrap();
        let (code, stdout, stderr) = run(&["plugin", "test", folder.path().to_str().unwrap()]);
        (code, stdout + &stderr)
    };
    let completed = "completed = [{ code = \"TCP_DENIED\", status = 403 }]\n";
    for (case, code, said) in [
        (
            format!("{completed}[expect]\nmetrics = []"),
            1,
            "| denied{client=\"127.0.0.1\"} 1",
        ),
        (
            completed.replace("TCP_DENIED", "DENIED"),
            2,
            "not a code of the access log",
        ),
        // A request is asked about, and there is none.
        (
            format!("{completed}[expect]\nkey = \"a\""),
            2,
            "what is this case's request for?",
        ),
    ] {
        let (got, text) = test(&case);
        assert_eq!(got, Some(code), "{case}\n{text}");
        assert!(text.contains(said), "no {said:?} in:\n{text}");
    }
    // Of one that is told nothing.
    let policy = &default_plugins()[0];
    for file in ["plugin.toml", "access-policy.wasm"] {
        fs::copy(policy.join(file), folder.path().join(file)).unwrap();
    }
    let (code, text) = test(&format!("{completed}[expect]\nmetrics = []"));
    let what =
        "the case `a` has `[[completed]]`, and the plugin does not serve the hook `observer`";
    assert!(code == Some(2) && text.contains(what), "{text}");
}
