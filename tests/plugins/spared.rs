//! Hooks that a plugin's configuration leaves nothing to do.

use super::{check, folder};
use crate::support::{Origin, Proxy, Then};
use std::fs;

#[test]
fn a_hook_that_a_plugin_spares_is_not_called() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let folder = |spares: &str| folder(&format!("[config]\nspares = [{spares}]"));
    for (spares, request, response) in [
        ("", true, true),
        ("\"request-headers\"", false, true),
        ("\"response-headers\"", true, false),
    ] {
        let folder = folder(spares);
        let got = Proxy::with_plugins("", folder.path()).get(&origin.url("/"), &[]);
        let called = (
            origin.seen().field("x-refused").is_some(),
            got.field("x-refused").is_some(),
        );
        assert_eq!(called, (request, response), "{spares}");
    }
    // A hook that the plugin spares cannot fail, and so cannot keep a response out of the cache.
    let folder = folder("\"cache-rules\"");
    let proxy = Proxy::with_plugins("", folder.path());
    let response = proxy.get(&origin.url("/cache/trap"), &[]);
    assert_eq!(
        response.field("cache-status"),
        Some("none; fwd=uri-miss; stored")
    );
}

/// As the documented configuration has it: what it never overrules is not asked about.
#[test]
fn cache_rules_that_spare_the_unstorable_are_asked_about_all_else() {
    let origin = Origin::start(|request, stream| {
        let control = match request.target.ends_with("trap") {
            true => "no-store",
            false => "max-age=60",
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: {control}\r\nContent-Length: 2\r\n\r\nok"
        )?;
        Ok(Then::Keep)
    });
    let failed = "plugin `hostile` failed in its hook `cache-rules`: ";
    for (spares, called) in [("", true), ("\"unstorable\"", false)] {
        let folder = folder(&format!("[config]\nspares = [{spares}]"));
        let proxy = Proxy::with_plugins("", folder.path());
        let no_store = proxy.get(&origin.url("/cache/trap"), &[]);
        assert_eq!(no_store.status, 200);
        assert_eq!(
            proxy
                .get(&origin.url("/cache/loop"), &[])
                .field("cache-status"),
            Some("none; fwd=uri-miss")
        );
        let trapped = proxy.says(failed).contains("it trapped");
        assert_eq!(trapped, called, "{spares}");
    }
}

/// The host calls any instance: what one of them spares, all have to.
#[test]
fn instances_that_disagree_about_what_they_spare_are_a_failure() {
    let manifest = |workers: usize| {
        let settings = format!("workers = {workers}");
        let manifest = "[limits]\ncalls = 1\nfailures = 0\n[grants]\nrandom = true\n\
                        [config]\nfickle = true";
        (settings, folder(manifest))
    };
    let reason = "an instance of it spares other calls than those before it";

    let (settings, plugins) = manifest(1);
    let (proxy, origin) = (
        Proxy::with_plugins(&settings, plugins.path()),
        Origin::plain(),
    );
    let mut responses = (0..100).map(|_| proxy.get(&origin.url("/good"), &[]));
    let failed = responses.find(|response| response.status != 200);
    let failed = failed.expect("one of a hundred disagrees");
    assert_eq!(failed.status, 500);
    assert!(failed.text().contains(reason), "{}", failed.text());

    let (settings, plugins) = manifest(64);
    let path = plugins.path().join("wproxy.toml");
    fs::write(&path, settings).unwrap();
    let check = check(&plugins, &["--config", path.to_str().expect("UTF-8")]);
    let said = String::from_utf8(check.stderr).expect("UTF-8");
    assert!(!check.status.success());
    assert!(
        said.contains(&format!("the plugin fails when it starts: {reason}")),
        "{said}"
    );
}

#[test]
fn check_shows_what_is_spared() {
    let shown = |spares: &str| {
        let folder = folder(&format!("[config]\nspares = [{spares}]"));
        let check = check(&folder, &[]);
        let said = String::from_utf8(check.stdout).expect("UTF-8");
        let hooks = said
            .lines()
            .find_map(|line| line.strip_prefix("  hooks   "));
        hooks.expect("a line of hooks").to_owned()
    };
    for (spares, hooks) in [
        (
            "",
            "access, request-headers, response-headers, cache-rules, cache-key",
        ),
        (
            "\"response-headers\", \"request-headers\"",
            "access, cache-rules, cache-key (request-headers, response-headers: nothing to do with \
             this configuration)",
        ),
        (
            "\"unstorable\"",
            "access, request-headers, response-headers, cache-rules, cache-key (cache-rules for \
             what must not be stored: nothing to do with this configuration)",
        ),
        (
            "\"unstorable\", \"cache-rules\", \"cache-key\"",
            "access, request-headers, response-headers (cache-rules, cache-key: nothing to do with this \
             configuration)",
        ),
    ] {
        assert_eq!(shown(spares), hooks, "{spares}");
    }
}
