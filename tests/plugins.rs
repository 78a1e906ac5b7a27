//! Plugins that misbehave, and what it costs: their own request an error page, others nothing.

mod allow_list;
mod bodies;
mod cache_key;
mod cache_rules;
mod cases;
mod grants;
mod inspect;
mod kept;
mod limits;
mod logged;
mod lookup;
mod observer;
mod sets;
mod spared;
mod stack;
mod suspended;
mod table;
mod versions;

pub(crate) use cases::default_plugins;
pub(crate) use kept::quota;

use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Response, wproxy};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The component of a plugin of `tests/plugins`, built as an author builds one.
pub(crate) fn built(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let folder = format!("tests/plugins/{name}");
    let mut done = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if done.insert(name.to_owned()) {
        build(&[&folder]);
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(format!("{name}.wasm"))
}

/// Builds these folders, and gives the project's root: from there, by relative paths, as `make run`
/// does it.
fn build(folders: &[&str]) -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = wproxy()
        .args(["plugin", "build"])
        .args(folders)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target/plugins"))
        .output()
        .expect("wproxy runs");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    root
}

/// A folder with the hostile plugin; `manifest` is what its manifest has beyond the name.
pub(crate) fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, "hostile", manifest);
    folder
}

/// The hostile plugin in that folder of plugins, under that name.
pub(crate) fn add(folder: impl AsRef<Path>, name: &str, manifest: &str) {
    let plugin = folder.as_ref().join(name);
    fs::create_dir(&plugin).unwrap();
    fs::copy(built("hostile"), plugin.join("hostile.wasm")).unwrap();
    let manifest = format!("name = \"{name}\"\ncomponent = \"hostile.wasm\"\n{manifest}");
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
}

fn assert_names_plugin(response: &Response, hook: &str, reason: &str) {
    let text = response.text();
    assert_eq!(response.status, 500, "{text}");
    let what = format!("plugin `hostile` failed in its hook `{hook}`: ");
    assert!(text.contains(&what) && text.contains(reason), "{text}");
    let status = response.field("proxy-status").unwrap_or_default();
    assert!(status.contains("error=proxy_internal_error"), "{status}");
    assert_eq!(response.field("x-squid-error"), Some("ERR_PLUGIN_FAILED 0"));
}

#[test]
fn each_misbehaviour_costs_its_own_request_a_page_that_names_the_plugin() {
    let (folder, origin) = (folder("[limits]\nmemory = \"8 MB\""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    #[rustfmt::skip]
    let cases = [
        ("loop", "it ran longer than its limit of 10ms"),
        ("trap", "it trapped (wasm trap: wasm `unreachable` instruction executed)"),
        ("eat", "it wanted more memory than its limit of 8192 KB"),
        ("recurse", "it trapped (wasm trap: call stack exhausted)"),
    ];
    for (hook, path) in [
        ("access", "/access/"),
        ("request-headers", "/request/"),
        ("response-headers", "/response/"),
    ] {
        for (what, reason) in cases {
            let response = proxy.get(&origin.url(&format!("{path}{what}")), &[]);
            assert_names_plugin(&response, hook, reason);
            // The next one, on whatever worker, is served as if nothing had been.
            let good = proxy.get(&origin.url("/good"), &[]);
            assert_eq!((good.status, good.text().as_str()), (200, "/good"));
        }
    }
    // The operator is told, too.
    proxy.says("plugin `hostile` failed in its hook `access`: it ran longer");
}

#[test]
fn nonsense_is_a_failure_or_a_plain_denial() {
    let (folder, origin) = (folder(""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    let get = |path: &str| proxy.get(&origin.url(path), &[]);
    assert_names_plugin(&get("/access/utf8"), "access", "invalid utf-8");

    let status = get("/access/status");
    assert_eq!(status.status, 403);
    assert!(
        status.text().contains("the rule `/nowhere/7`"),
        "{}",
        status.text()
    );

    let long = get("/access/long");
    assert_eq!(long.status, 403);
    assert!(long.body.len() < 3000);

    let message = get("/access/message");
    assert_eq!(message.status, 451);
    assert!(
        message.text().contains("not in this <country>"),
        "{}",
        message.text()
    );

    let sermon = get("/access/sermon");
    let details = sermon.field("proxy-status").unwrap_or_default();
    assert_eq!(sermon.status, 403);
    assert!(sermon.body.len() < 3000 && details.len() < 2000);

    let challenge = get("/access/challenge");
    assert_names_plugin(&challenge, "access", "its challenge is longer than 8 KB");

    let splitting = get("/access/splitting");
    assert_eq!(splitting.status, 407);
    assert_eq!(
        (
            splitting.field("x-evil"),
            splitting.field("proxy-authenticate")
        ),
        (None, None)
    );

    // What is an address needs no look-up: asking for it is asking again.
    let again = get("/access/resolve");
    assert_eq!(again.status, 403);
    assert!(
        again
            .text()
            .contains("asked for addresses that it was given"),
        "{}",
        again.text()
    );

    let nobody = get("/access/pass");
    assert_eq!(nobody.status, 403);
    assert!(
        nobody
            .text()
            .contains("no plugin has a rule for this request"),
        "{}",
        nobody.text()
    );
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_plugin_can_ask_who_is_there() {
    let (folder, origin) = (folder(""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    let url = origin.url("/access/authenticate");
    let who = proxy.get(&url, &[]);
    assert_eq!(who.status, 407);
    assert_eq!(
        who.field("proxy-authenticate"),
        Some("Basic realm=\"hostile\"")
    );
    let proved = proxy.get(&url, &["Proxy-Authorization: Basic dTpw"]);
    assert_eq!(proved.status, 200);
    assert_eq!(origin.seen().field("proxy-authorization"), None);
}

#[test]
fn fields_are_changed_within_the_host_s_limits() {
    let (folder, origin) = (folder(""), Origin::plain());
    let response = Proxy::with_plugins("", folder.path()).get(&origin.url("/"), &[]);
    assert_eq!(response.field("x-refused"), Some("6"));
    assert_eq!(response.field("content-length"), Some("1"));
    let seen = origin.seen();
    assert_eq!(seen.field("x-refused"), Some("6"));
    assert_eq!(
        seen.field("host"),
        Some(origin.address.to_string().as_str())
    );
}

#[test]
fn an_open_failure_policy_serves_without_the_plugin_and_without_half_of_its_changes() {
    let policy =
        "[failure]\nrequest-headers = \"open\"\nresponse-headers = \"open\"\naccess = \"open\"";
    let folder = folder(policy);
    add(&folder, "second", "order = 60");
    let origin = Origin::plain();
    let proxy = Proxy::with_plugins("", folder.path());
    // `second` would trap as well, but its policy is closed.
    let denied = proxy.get(&origin.url("/access/trap"), &[]);
    assert!(
        denied.text().contains("plugin `second` failed"),
        "{}",
        denied.text()
    );
    fs::remove_dir_all(folder.path().join("second")).unwrap();
    let proxy = Proxy::with_plugins("", folder.path());
    for path in ["/request/trap", "/request/loop"] {
        assert_eq!(proxy.get(&origin.url(path), &[]).status, 200);
        assert_eq!(origin.seen().field("x-refused"), None, "{path}");
    }
    for path in ["/response/trap", "/response/eat"] {
        let response = proxy.get(&origin.url(path), &[]);
        assert_eq!(
            (response.status, response.field("x-refused")),
            (200, None),
            "{path}"
        );
    }
}

#[test]
fn a_response_is_not_stored_where_the_cache_rules_fail() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let folder = folder("");
    let proxy = Proxy::with_plugins("", folder.path());
    for _ in 0..2 {
        let response = proxy.get(&origin.url("/cache/trap"), &[]);
        assert_eq!(response.status, 200);
        assert_eq!(response.field("cache-status"), Some("none; fwd=uri-miss"));
    }
    assert_eq!(
        proxy
            .get(&origin.url("/cache/fine"), &[])
            .field("cache-status"),
        Some("none; fwd=uri-miss; stored")
    );
    let hit = proxy.get(&origin.url("/cache/fine"), &[]);
    assert_eq!(hit.field("x-cache"), Some("HIT from none"));
    // The hook, which was lent the fields to read, could not change them.
    assert_eq!(hit.field("x-stays"), None);
}

#[test]
fn plugins_are_asked_in_the_manifests_order_until_one_answers() {
    let folder = folder("order = 90");
    add(&folder, "first", "order = 10");
    let proxy = Proxy::with_plugins("logformat = \"json\"", folder.path());
    let origin = Origin::plain();
    let response = proxy.get(&origin.url("/"), &[]);
    assert_eq!(response.status, 200, "{}", response.text());
    let line: serde_json::Value = serde_json::from_str(&proxy.logged()).unwrap();
    assert_eq!(
        (&line["plugin"], &line["rule"]),
        (&"first".into(), &"hostile allows".into())
    );
    assert_eq!(line["generation"], 1);
    // Both edit, in that order: the second sees the first one's line.
    let refused = |fields: &[(String, String)]| {
        fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-refused"))
            .count()
    };
    assert_eq!(refused(&origin.seen().fields), 2);
}

/// The epoch cannot interrupt the host: what one call of its can take has to be bounded.
#[test]
fn what_is_handed_to_the_host_at_once_is_bounded() {
    let (folder, origin) = (folder("[limits]\ntime = \"1 s\""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    for (path, reason) in [
        ("/access/flood", "it wrote more at once than"),
        ("/access/freight", "fuel allocated for hostcalls"),
    ] {
        assert_names_plugin(&proxy.get(&origin.url(path), &[]), "access", reason);
    }
}

/// While one client keeps sending requests that loop, another is served at its usual pace.
#[test]
fn others_are_served_while_a_plugin_loops() {
    const LOOPS: Duration = Duration::from_secs(10);
    let (folder, origin) = (folder("[limits]\ntime = \"10 s\""), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 4", folder.path());
    let start = Instant::now();
    let mut looping = proxy.connect();
    looping.send(request("GET", &origin.url("/access/loop"), &[], b""));
    for _ in 0..30 {
        assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    }
    // All of them before the one that loops is interrupted.
    assert!(start.elapsed() < LOOPS);
}

#[test]
fn an_instance_is_renewed_after_its_number_of_calls() {
    let (folder, origin) = (folder("[limits]\ncalls = 2"), Origin::plain());
    let proxy = Proxy::with_plugins("workers = 1", folder.path());
    for _ in 0..9 {
        assert_eq!(proxy.get(&origin.url("/"), &[]).status, 200);
    }
}

/// `wproxy check` with that folder and these arguments.
fn check(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut check = wproxy();
    check.args(["check", "--plugins"]).arg(folder.path());
    let check = check.args(arguments).current_dir(folder.path()).output();
    check.expect("wproxy runs")
}

/// What `wproxy check` says against that folder.
fn refused(folder: &TempDir) -> String {
    let check = check(folder, &[]);
    assert!(!check.status.success());
    String::from_utf8(check.stderr).expect("UTF-8")
}

/// What it would do without it, nobody knows.
#[test]
fn a_component_that_imports_what_this_host_lacks_is_refused() {
    let folder = folder("");
    let path = folder.path().join("hostile/hostile.wasm");
    let component = fs::read(&path).unwrap();
    for (known, unknown) in [
        ("wproxy:plugin/log@0.2.0", "wproxy:plugin/lag@0.2.0"),
        ("wproxy:plugin/log@0.2.0", "secret:plugin/log@0.2.0"),
        ("wasi:random/random@0.2.6", "wasi:random/random@0.9.6"),
    ] {
        let mut patched = component.clone();
        for at in memchr::memmem::find_iter(&component, known) {
            patched[at..at + known.len()].copy_from_slice(unknown.as_bytes());
        }
        fs::write(&path, patched).unwrap();
        let said = refused(&folder);
        let what = format!("the component imports `{unknown}`, which this host lacks");
        assert!(
            said.contains(&what) && said.contains("plugin.toml:2"),
            "{said}"
        );
    }
}

#[test]
fn a_complaint_of_any_size_is_shown_as_a_line_at_its_place() {
    let folder = folder("[config]\ncomplaint = 1000000");
    let said = refused(&folder);
    for part in ["error: no no no ", "plugin.toml:4"] {
        assert!(said.contains(part) && said.len() < 3000, "{said}");
    }
}

#[test]
fn there_is_place_for_the_instances_of_as_many_workers_as_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("wproxy.toml");
    fs::write(&settings, "workers = 512").unwrap();
    let check = wproxy()
        .arg("check")
        .arg("--config")
        .arg(settings)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
}
