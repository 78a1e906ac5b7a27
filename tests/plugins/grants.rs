//! What a plugin may do where its manifest grants it, and what it finds where not.

use super::limits::metric;
use super::{assert_names_plugin, folder};
use crate::support::proxy::fifo;
use crate::support::{Origin, Proxy};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Builds a Rust plugin of the workspace for WASI, as any toolchain for it does.
pub(super) fn build_for_wasi(package: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/plugins");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            "wasm32-wasip2",
            "--package",
            package,
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(root)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let file = format!("wasm32-wasip2/release/{}.wasm", package.replace('-', "_"));
    target.join(file)
}

/// `tests/plugins/granted` with these grants, and a folder `lists` beside its manifest.
fn granted(grants: &str) -> TempDir {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let component = BUILT.get_or_init(|| build_for_wasi("granted"));
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("granted");
    fs::create_dir_all(plugin.join("lists/deep")).unwrap();
    fs::copy(component, plugin.join("granted.wasm")).unwrap();
    let manifest = format!(
        "name = \"granted\"\ncomponent = \"granted.wasm\"\n[limits]\ntime = \"1 s\"\n\
         handles = 50\nseries = 5\n[grants]\n{grants}\n"
    );
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    fs::write(plugin.join("secret.txt"), "secret").unwrap();
    fs::write(plugin.join("lists/a.txt"), "abcdef").unwrap();
    fs::write(plugin.join("lists/deep/b.txt"), "b").unwrap();
    folder
}

const ALL: &str = "metrics = true\ndirectories = { \"/lists\" = \"lists\" }";

/// What the plugin says of that path.
fn told(proxy: &Proxy, path: &str) -> String {
    let text = proxy.get(&format!("http://192.0.2.1{path}"), &[]).text();
    let told = text
        .split("the rule `")
        .nth(1)
        .and_then(|rest| rest.split("` ").next());
    told.unwrap_or(&text).to_owned()
}

#[test]
fn a_granted_directory_can_be_read_and_nothing_else() {
    let folder = granted(ALL);
    let lists = folder.path().join("granted/lists");
    fs::write(lists.join("large"), vec![b'x'; 1 << 20]).unwrap();
    symlink("../secret.txt", lists.join("out")).unwrap();
    symlink("/etc/passwd", lists.join("far")).unwrap();
    symlink("deep/b.txt", lists.join("in")).unwrap();
    fifo(&lists.join("pipe"));
    let proxy = Proxy::with_plugins("", folder.path());
    for (path, expected) in [
        ("/read/lists/a.txt", "abcdef"),
        ("/read/lists/deep/b.txt", "b"),
        ("/read/lists/deep/../a.txt", "abcdef"),
        ("/read/lists/in", "b"),
        ("/tail/lists/a.txt", "def"),
        ("/size/lists/large", "1048576"),
        ("/list/lists", "a.txt deep far in large out pipe"),
        ("/list/lists/deep", "b.txt"),
        ("/kind/lists", "a directory"),
        ("/kind/lists/a.txt", "6 octets"),
        ("/kind/lists/in", "a link"),
        ("/read/lists/none", "NotFound: "),
        ("/read/lists/deep", "IsADirectory: "),
        ("/list/lists/a.txt", "NotADirectory: "),
        // None of these leads out.
        ("/read/lists/out", "PermissionDenied: "),
        ("/read/lists/far", "PermissionDenied: "),
        ("/read/lists/../secret.txt", ""),
        ("/read/etc/passwd", ""),
        // Nobody writes to it, and nobody waits for that.
        ("/read/lists/pipe", "Unsupported: "),
        ("/change/lists", "all of it is read-only"),
    ] {
        let told = told(&proxy, path);
        assert!(told.starts_with(expected), "{path}: {told}");
        assert!(
            !told.contains("secret\u{60}") && !told.contains("root:"),
            "{path}: {told}"
        );
    }
    assert_eq!(fs::read_to_string(lists.join("a.txt")).unwrap(), "abcdef");
    assert!(!lists.join("new").exists());
}

#[test]
fn what_is_open_is_bounded() {
    let (folder, origin) = (granted(ALL), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    let response = proxy.get(&origin.url("/hoard/lists/a.txt"), &[]);
    let reason = "it holds more descriptors, streams and the like than its limit of 50";
    assert_eq!(response.status, 500);
    assert!(response.text().contains(reason), "{}", response.text());
    assert_eq!(told(&proxy, "/read/lists/a.txt"), "abcdef");
}

#[test]
fn without_a_grant_there_are_no_files() {
    let folder = granted("metrics = true");
    let proxy = Proxy::with_plugins("", folder.path());
    for path in ["/read/lists/a.txt", "/list/lists", "/read/etc/passwd"] {
        let told = told(&proxy, path);
        assert!(!told.contains("abcdef") && told.contains(": "), "{told}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_shown_where_it_is_named() {
    let folder = granted("metrics = true\ndirectories = { \"/lists\" = \"list\" }");
    let said = super::refused(&folder);
    assert!(
        said.contains("cannot open the directory ") && said.contains("granted/list: "),
        "{said}"
    );
    assert!(said.contains("plugin.toml:9:28"), "{said}");
}

#[test]
fn what_is_imported_has_to_be_granted() {
    let folder = granted("");
    let said = super::refused(&folder);
    for part in [
        "the component imports `wproxy:plugin/metrics@0.2.0`, which it was not granted",
        "plugin.toml:2:13",
        "help: `metrics = true` under [grants] lets it have counters and histograms of its own",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn check_shows_what_is_granted() {
    let folder = granted(ALL);
    let check = super::check(&folder, &[]);
    let said = String::from_utf8(check.stdout).expect("UTF-8");
    assert!(said.contains("  grants  metrics, /lists (reads "), "{said}");
    assert!(
        said.contains("50 handles") && said.contains("5 series"),
        "{said}"
    );
}

/// The operators' page: an access policy that lets it be seen, and the plugin asked before it.
#[test]
fn what_a_plugin_counts_is_on_the_page_of_metrics_and_outlasts_a_swap() {
    let folder = granted(ALL);
    let plugin = folder.path().join("granted/plugin.toml");
    let page = folder.path().join("page");
    fs::create_dir(&page).unwrap();
    fs::copy(super::built("hostile"), page.join("hostile.wasm")).unwrap();
    let manifest = "name = \"page\"\ncomponent = \"hostile.wasm\"\norder = 90\n";
    fs::write(page.join("plugin.toml"), manifest).unwrap();
    let proxy = Proxy::with_plugins("", folder.path());
    let value = |series: &str| metric(&proxy, &format!("wproxy_custom_{series}"));
    let total = "hits_total{plugin=\"granted\",label=\"x\"}";

    assert_eq!(told(&proxy, "/count/hits/x"), "counted");
    assert_eq!(value(total), Some(2.0));
    told(&proxy, "/observe/0.5/100/1e12");
    let labels = "{plugin=\"granted\"}";
    assert_eq!(value(&format!("size_bytes_count{labels}")), Some(3.0));
    let bucket = |le: &str| {
        let page = format!("http://{}/squid-internal-mgr/metrics", proxy.address);
        let page = proxy.get(&page, &[]).text();
        let series = page
            .lines()
            .find(|line| line.starts_with("wproxy_custom_size_bytes_bucket{") && line.contains(le));
        series
            .and_then(|line| line.rsplit(' ').next())
            .map(str::to_owned)
    };
    assert_eq!(bucket("le=\"0.25\"").as_deref(), Some("0"));
    assert_eq!(bucket("le=\"0.5\"").as_deref(), Some("1"));
    assert_eq!(bucket("le=\"+Inf\"").as_deref(), Some("3"));

    // Beyond the limit nothing is made, what there is goes on.
    let dropped = "wproxy_plugin_limit_total{plugin=\"granted\",limit=\"series\"}";
    told(&proxy, "/count/many/100");
    assert_eq!(metric(&proxy, dropped), Some(97.0));
    let said = proxy.says("the metric `many` is left out: there are 5 series already");
    assert!(said.contains("plugin=\"granted\""), "{said}");
    told(&proxy, "/count/No-Name");
    assert_eq!(metric(&proxy, dropped), Some(98.0));
    told(&proxy, "/count/hits/x");
    assert_eq!(value(total), Some(4.0));

    // Another generation, another limit: nothing is lost.
    let manifest = fs::read_to_string(&plugin).unwrap();
    fs::write(&plugin, manifest.replace("handles = 50", "handles = 51")).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("generation 2 serves");
    told(&proxy, "/count/hits/x");
    assert_eq!(value(total), Some(6.0));
    let calls = "wproxy_plugin_calls_total{plugin=\"granted\",hook=\"access\"}";
    assert!(metric(&proxy, calls) > Some(10.0));
}

#[test]
fn what_is_printed_is_in_the_log() {
    let folder = granted(ALL);
    let proxy = Proxy::with_plugins("", folder.path());
    told(&proxy, "/print/hello");
    // What does not end with a line does with the call.
    for (line, level) in [("hello to stderr", "WARN"), ("hello to stdout", "INFO")] {
        let line = proxy.says(line);
        let tags = line.contains("plugin=\"granted\" request=") && line.contains(level);
        assert!(tags, "{line}");
    }
}

#[test]
fn an_empty_wasi_is_there_for_those_who_import_it() {
    let folder = folder("[limits]\ntime = \"100 ms\"");
    let origin = Origin::plain();
    let proxy = Proxy::with_plugins("", folder.path());
    let response = proxy.get(&origin.url("/access/wasi"), &[]);
    let text = response.text();
    let nothing = "0 variables, 0 arguments, 0 directories, 0 seconds, ";
    assert!(text.contains(nothing), "{text}");
    for line in ["hello from stdout", "hello from stderr"] {
        let line = proxy.says(line);
        assert!(line.contains("hostile"), "{line}");
    }
    // What is not there costs its request, and no more.
    assert_names_plugin(
        &proxy.get(&origin.url("/access/exit"), &[]),
        "access",
        "it called exit",
    );
    assert_names_plugin(
        &proxy.get(&origin.url("/access/socket"), &[]),
        "access",
        "it called `wasi:sockets/instance-network@0.2.6#instance-network`",
    );
    assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);

    let granted = "[limits]\ntime = \"100 ms\"\n[grants]\nclock = true\nrandom = true";
    let manifest = format!("name = \"hostile\"\ncomponent = \"hostile.wasm\"\n{granted}");
    fs::write(folder.path().join("hostile/plugin.toml"), manifest).unwrap();
    let proxy = Proxy::with_plugins("", folder.path());
    let granted = proxy.get(&origin.url("/access/wasi"), &[]).text();
    assert!(
        !granted.contains(" 0 seconds") && granted.contains(" 0 directories"),
        "{granted}"
    );
    let number = |text: &str| text.split("the number ").nth(1).map(str::to_owned);
    assert_ne!(number(&granted), number(&text));
}

/// `wproxy plugin inspect` says it of each import, `check` and the proxy in a line for each grant.
#[test]
fn what_is_empty_for_want_of_a_grant_is_said_with_the_line_that_grants_it() {
    let clock = "wasi:clocks/wall-clock@0.2.6: the time stands still; `clock = true` under \
                 [grants] lets it read the time";
    let random = "wasi:random/random@0.2.6: random numbers are always the same; `random = true` \
                  under [grants] lets it draw numbers that nobody can guess";
    for (grants, said) in [
        ("", [true, true]),
        ("[grants]\nclock = true", [false, true]),
        ("[grants]\nclock = true\nrandom = true", [false, false]),
    ] {
        let folder = folder(grants);
        let check = super::check(&folder, &[]);
        let checked = String::from_utf8(check.stdout).expect("UTF-8");
        let shown = [clock, random].map(|line| checked.contains(&format!("  empty   {line}\n")));
        assert_eq!(shown, said, "{checked}");
    }
    let folder = folder("");
    let proxy = Proxy::with_plugins("", folder.path());
    super::add(&folder, "another", "[grants]\nclock = true");
    proxy.signal(Signal::HUP);
    // Of the new one, and not again of the one that there was.
    let said = proxy.says(" imports wasi:");
    assert!(
        said.ends_with(&format!("plugin `another` imports {random}")),
        "{said}"
    );
}

/// Seconds and a number, as the hostile plugin finds them.
fn drawn(grants: &str) -> [(u64, u64); 2] {
    let manifest = format!("[limits]\ntime = \"100 ms\"\n[grants]\n{grants}");
    let (folder, origin) = (folder(&manifest), Origin::plain());
    // One worker, and so one instance.
    let proxy = Proxy::with_plugins("workers = 1", folder.path());
    [(); 2].map(|()| {
        let text = proxy.get(&origin.url("/access/wasi"), &[]).text();
        let before = |what: &str| {
            let number = text.split(what).next().and_then(|t| t.rsplit(' ').next());
            number.and_then(|number| number.parse().ok())
        };
        let number = text.split("the number ").nth(1).map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().expect("a number")
        });
        (before(" seconds, ").expect(&text), number.expect(&text))
    })
}

#[test]
fn a_granted_clock_is_right_and_granted_numbers_are_others_each_time() {
    let now = || {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
        since.expect("after 1970").as_secs()
    };
    let before = now();
    let [(first, one), (second, other)] = drawn("clock = true\nrandom = true");
    assert!(before <= first && first <= second && second <= now());
    let [(_, third), (_, fourth)] = drawn("clock = true\nrandom = true");
    let numbers = std::collections::BTreeSet::from([one, other, third, fourth]);
    assert_eq!(numbers.len(), 4);
    // Without the grants, another proxy's plugin finds the same.
    let nothing = drawn("");
    assert_eq!(nothing, drawn(""));
    assert_eq!((nothing[0].0, nothing[1].0), (0, 0));
}
