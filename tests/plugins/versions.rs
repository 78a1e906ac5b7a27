//! Components for other versions of the WIT than the current one.

use super::{built, check, folder, refused};
use crate::support::{Origin, Proxy, Then};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder with the plugin of `tests/plugins/older`, and that configuration.
fn older(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("older");
    fs::create_dir(&plugin).unwrap();
    fs::copy(built("older"), plugin.join("older.wasm")).unwrap();
    let manifest = format!("name = \"older\"\ncomponent = \"older.wasm\"\n[config]\n{config}");
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    folder
}

/// What is built stays good: an installed plugin does not break with a new proxy.
#[test]
fn a_component_for_the_version_before_serves_all_its_hooks() {
    let origin = Origin::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-Store: yes\r\nContent-Length: 2\r\n\r\nok")?;
        Ok(Then::Keep)
    });
    let folder = older("mood = \"good\"");
    let proxy = Proxy::with_plugins("", folder.path());

    let denied = proxy.get(&origin.url("/denied"), &[]);
    let text = denied.text();
    assert_eq!(denied.status, 451, "{text}");
    assert!(text.contains("GET http: not for 127.0.0.1"), "{text}");
    assert_eq!(denied.field("x-older"), Some("451 GET true"));
    assert!(proxy.says("asked for").contains("older"));

    for found in ["MISS from none", "HIT from none"] {
        let response = proxy.get(&origin.url("/stored"), &["X-Secret: 1"]);
        assert_eq!(response.text(), "ok");
        assert_eq!(response.field("x-older"), Some("200 GET true"));
        assert_eq!(response.field("x-cache"), Some(found));
    }
    let seen = origin.seen();
    assert_eq!(seen.field("x-older"), Some("true true"));
    assert_eq!(seen.field("x-secret"), None);
}

#[test]
fn it_complains_of_its_configuration_as_a_new_one_does() {
    let said = refused(&older("mood = \"bad\""));
    assert!(
        said.contains("it has to be good") && said.contains("plugin.toml:4"),
        "{said}"
    );
}

#[test]
fn check_says_for_which_version_a_plugin_was_built() {
    for (folder, version) in [(older("mood = \"good\""), "0.1.0"), (folder(""), "0.2.0")] {
        let check = check(&folder, &[]);
        let said = String::from_utf8(check.stdout).expect("UTF-8");
        assert!(said.contains(&format!("\n  WIT     {version}\n")), "{said}");
    }
}

/// Puts other octets, as many, into the component of a plugin.
fn patch(component: &Path, from: &str, to: &str) {
    let octets = fs::read(component).unwrap();
    let mut patched = octets.clone();
    for at in memchr::memmem::find_iter(&octets, from) {
        patched[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    assert_ne!(octets, patched);
    fs::write(component, patched).unwrap();
}

/// A scrubber for another version of the interface would scrub nothing.
#[test]
fn what_this_host_does_not_know_is_refused_by_name() {
    #[rustfmt::skip]
    let cases = [
        ("@0.2.0", "@0.3.0", "the component was built for version 0.3.0 of wproxy:plugin"),
        ("request-headers@0.2.0", "request-headers@0.1.0", "and others of another version"),
        ("plugin/cache-rules@", "plugin/cache-ruler@",
         "serves `wproxy:plugin/cache-ruler@0.2.0`, which this host never calls"),
    ];
    for (from, to, complaint) in cases {
        let folder = folder("");
        patch(&folder.path().join("hostile/hostile.wasm"), from, to);
        let said = refused(&folder);
        assert!(
            said.contains(complaint) && said.contains("plugin.toml:2"),
            "{said}"
        );
        let help = match complaint.contains("version") {
            true => "this host has 0.2.0 and 0.1.0: rebuild it",
            false => "wproxy:plugin/cache-rules@0.2.0",
        };
        assert!(said.contains(help), "{said}");
    }
}
