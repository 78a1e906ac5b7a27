//! Sets: what files hold, asked by plugins, from the settings and from a manifest.

use super::{build, built, folder as hostile};
use crate::support::proxy::run;
use crate::support::{Origin, Proxy};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A policy that lets nobody to what is on the list, nor anybody who is not in the office.
const POLICY: &str = "
[sets]
blocked = { file = \"blocked.txt\", kind = \"domains\" }
office = { file = \"office.txt\", kind = \"addresses\" }
[plugins.access-policy]
acl = [\"blocked dstdomain set:blocked\", \"office src set:office\"]
http_access = [\"deny blocked\", \"allow office\", \"deny all\"]
";

fn folder(blocked: &str, office: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blocked.txt"), blocked).unwrap();
    fs::write(folder.path().join("office.txt"), office).unwrap();
    folder
}

/// How a request for that host is answered: its status, and the rule where it is denied.
fn asked(proxy: &Proxy, host: &str) -> String {
    let response = proxy.get(&format!("http://{host}/"), &[]);
    let text = response.text();
    let rule = text.split('`').nth(1).unwrap_or_default();
    format!("{} {rule}", response.status).trim_end().to_owned()
}

const BLOCKED: &str = "403 http_access deny blocked";

#[test]
fn a_policy_asks_sets_of_the_settings_and_a_swap_brings_what_has_changed() {
    let origin = Origin::plain();
    let address = origin.url("/");
    let folder = folder("# ads\n.ads.test\nhost.test # alone\n", "127.0.0.0/8 ::1\n");
    let proxy = Proxy::in_folder(folder, POLICY, &[]);
    for host in ["ads.test", "www.ads.test", "WWW.ADS.TEST.", "host.test"] {
        assert_eq!(asked(&proxy, host), BLOCKED, "{host}");
    }
    assert_eq!(proxy.get(&address, &[]).status, 200);

    // Nothing has changed, though it has been written again.
    let (blocked, office) = (
        proxy.folder.path().join("blocked.txt"),
        proxy.folder.path().join("office.txt"),
    );
    fs::write(&office, fs::read(&office).unwrap()).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("set `blocked`: 2 domains unchanged");
    proxy.says("set `office`: 2 addresses unchanged");
    proxy.says("generation 2 serves: 3 plugins, 3 of them unchanged");

    // One has: what is unchanged is not parsed again.
    fs::write(&blocked, "127.0.0.1\n").unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("set `blocked`: 1 domain from ");
    proxy.says("set `office`: 2 addresses unchanged");
    proxy.says("generation 3 serves: 3 plugins, ");
    let denied = proxy.get(&address, &[]);
    assert_eq!(denied.status, 403, "{}", denied.text());

    // What cannot be read leaves the one that serves.
    fs::write(&blocked, "a.test\nb.test *.c.test\n").unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("reload failed, generation 3 goes on serving");
    proxy.says("`*.c.test` is not a domain");
    proxy.says("blocked.txt:2:8");
    assert_eq!(proxy.get(&address, &[]).status, 403);
    fs::write(&blocked, "").unwrap();
    fs::write(&office, "192.0.2.0/24\n").unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("generation 4 serves");
    assert_eq!(asked(&proxy, "ads.test"), "403 http_access deny all");
}

#[test]
fn check_shows_sets_and_what_is_wrong_with_them() {
    let folder = folder(".ads.test\nhost.test\n", "127.0.0.1\n");
    let settings = folder.path().join("wproxy.toml");
    let check = |text: &str| {
        fs::write(&settings, text).unwrap();
        run(&["check", "--config", settings.to_str().expect("UTF-8")])
    };
    let (code, out, _) = check(POLICY);
    assert_eq!(code, Some(0), "{out}");
    let sets = "\n  sets    blocked (2 domains), office (1 address)\n";
    assert!(out.contains(sets), "{out}");
    #[rustfmt::skip]
    let cases = [
        ("file = \"blocked.txt\"", "file = \"nowhere.txt\"", "cannot read the set ", "wproxy.toml:3:20"),
        ("set:office", "set:ofice", "there is no set `ofice`; there are: blocked, office. Its file is named under [sets]", "wproxy.toml:6:"),
        ("set:office", "set:blocked", "the set `blocked` has domains; here, addresses are wanted", "wproxy.toml:6:"),
        ("set:blocked", "\\\"blocked.txt\\\"", "`blocked = { file = \"blocked.txt\", kind = \"domains\" }`, and write `set:blocked`", "wproxy.toml:6:"),
        ("\"domains\"", "\"domain\"", "unknown variant `domain`", "wproxy.toml:3:"),
        ("kind = \"domains\"", "kind = \"domains\", size = 3", "there is no key `size` here", "wproxy.toml:3:"),
    ];
    for (from, to, says, place) in cases {
        let (code, _, said) = check(&POLICY.replacen(from, to, 1));
        assert_ne!(code, Some(0), "{to}");
        assert!(said.contains(says) && said.contains(place), "{to}: {said}");
    }
}

/// A folder with access-policy alone, which has these sets of its own.
fn own(sets: &str) -> TempDir {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let component = BUILT.get_or_init(|| {
        let root = build(&["plugins/access-policy"]);
        root.join("plugins/access-policy/access-policy.wasm")
    });
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("access-policy");
    fs::create_dir(&plugin).unwrap();
    fs::copy(component, plugin.join("access-policy.wasm")).unwrap();
    let manifest = format!(
        "name = \"access-policy\"\ncomponent = \"access-policy.wasm\"\n[sets]\n{sets}\n[config]\n\
         acl = [\"blocked dstdomain set:blocked\"]\nhttp_access = [\"deny blocked\", \"deny all\"]\n"
    );
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    fs::write(plugin.join("own.txt"), ".own.test\n").unwrap();
    folder
}

#[test]
fn a_manifest_has_sets_of_its_own_unless_the_settings_have_others() {
    let plugins = own("blocked = { file = \"own.txt\", kind = \"domains\" }");
    let proxy = Proxy::with_plugins("", plugins.path());
    assert_eq!(asked(&proxy, "www.own.test"), BLOCKED);
    assert_eq!(asked(&proxy, "ads.test"), "403 http_access deny all");

    let (settings, _) = POLICY.split_once("office").expect("it is there");
    let folder = folder(".ads.test", "");
    // What is not asked need not be there.
    fs::remove_file(plugins.path().join("access-policy/own.txt")).unwrap();
    let plugins = plugins.path().to_str().expect("UTF-8").to_owned();
    let proxy = Proxy::in_folder(folder, settings, &["--plugins", &plugins]);
    assert_eq!(asked(&proxy, "www.own.test"), "403 http_access deny all");
    assert_eq!(asked(&proxy, "ads.test"), BLOCKED);
}

#[test]
fn inspect_names_the_right() {
    let plugins = own("blocked = { file = \"own.txt\", kind = \"domains\" }");
    let plugin = plugins.path().join("access-policy");
    let (code, out, _) = run(&["plugin", "inspect", plugin.to_str().expect("UTF-8")]);
    let right =
        "  wproxy:plugin/sets@0.2.0     asks the sets that its manifest and the settings name\n";
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains(right), "{out}");
}

/// How long it takes to look for them grows with both, and nothing can interrupt it.
#[test]
fn regular_expressions_are_not_looked_for_in_a_text_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("keeper");
    fs::create_dir(&plugin).unwrap();
    fs::copy(built("keeper"), plugin.join("keeper.wasm")).unwrap();
    fs::write(plugin.join("odd.txt"), "od{2}$\n").unwrap();
    let manifest = "name = \"keeper\"\ncomponent = \"keeper.wasm\"\n[grants]\nkv = true\n\
                    [sets]\nodd = { file = \"odd.txt\", kind = \"regexes\" }\n";
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    let proxy = Proxy::with_plugins("", folder.path());
    let ask = |length: usize, end: &str| {
        let head = "/has/";
        let filler = "x".repeat(length - head.len() - end.len());
        let response = proxy.get(&format!("http://a.test{head}{filler}{end}"), &[]);
        (response.status, response.text())
    };
    for (length, end, status, says) in [
        (100, "even", 403, "the rule `false`"),
        (8 << 10, "odd", 403, "the rule `true`"),
        (
            (8 << 10) + 1,
            "odd",
            500,
            "expressions for a text longer than 8 KB",
        ),
    ] {
        let (got, text) = ask(length, end);
        assert!(
            got == status && text.contains(says),
            "{length}: {got} {text}"
        );
    }
}

/// Who does not ask for it does not have it: nothing of a set reaches the plugin.
#[test]
fn a_plugin_that_asks_no_set_is_not_configured_anew_for_one() {
    let (plugins, sets) = (hostile(""), folder("a.test", ""));
    let settings = "[sets]\nblocked = { file = \"blocked.txt\", kind = \"domains\" }\n";
    let path: &Path = plugins.path();
    let arguments = ["--plugins", path.to_str().expect("UTF-8")];
    let proxy = Proxy::in_folder(sets, settings, &arguments);
    fs::write(proxy.folder.path().join("blocked.txt"), "b.test").unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("set `blocked`: 1 domain from ");
    proxy.says("generation 2 serves: 1 plugin, 1 of them unchanged");
}

#[test]
fn a_set_that_is_saved_is_swapped_in() {
    let folder = folder(".ads.test\n", "127.0.0.0/8\n");
    let proxy = Proxy::in_folder(folder, POLICY, &["--watch"]);
    assert_eq!(asked(&proxy, "www.ads.test"), BLOCKED);
    fs::write(proxy.folder.path().join("office.txt"), "192.0.2.1\n").unwrap();
    proxy.says("generation 2 serves");
    assert_eq!(asked(&proxy, "other.test"), "403 http_access deny all");
}
