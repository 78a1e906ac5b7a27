//! The stack of a call: how much there is, for whom, and what happens at its end.

use super::limits::limit;
use super::{add, assert_names_plugin, folder, refused};
use crate::support::{Origin, Proxy};
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

/// Calls one within the other that need more than 64 KB, more than the usual 512 KB, and more than
/// 1 MB.
const DEPTHS: [u32; 3] = [4_000, 12_000, 40_000];

/// The hostile plugin with that limit.
fn with_stack(stack: &str) -> TempDir {
    folder(&format!(
        "[limits]\ntime = \"1 s\"\nfailures = 0\nstack = \"{stack}\""
    ))
}

#[test]
fn a_call_goes_as_deep_as_its_limit_and_not_for_ever() {
    let origin = Origin::plain();
    for (stack, deep) in [("64 KB", 0), ("512 KB", 1), ("1 MB", 2)] {
        let folder = with_stack(stack);
        let proxy = Proxy::with_plugins("", folder.path());
        let (within, beyond) = DEPTHS.split_at(deep);
        for depth in within {
            let response = proxy.get(&origin.url(&format!("/access/deep/{depth}")), &[]);
            assert_eq!(
                response.status,
                200,
                "{stack}: {depth}: {}",
                response.text()
            );
        }
        assert_eq!(limit(&proxy, "stack"), Some(0.0));
        let beyond = beyond.iter().map(|depth| format!("deep/{depth}"));
        let mut expected = 0.0;
        for path in beyond.chain(["recurse".into()]) {
            for (hook, part) in [("access", "access"), ("request-headers", "request")] {
                let response = proxy.get(&origin.url(&format!("/{part}/{path}")), &[]);
                assert_names_plugin(&response, hook, "call stack exhausted");
                expected += 1.0;
            }
            assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
        }
        assert_eq!(limit(&proxy, "stack"), Some(expected), "{stack}");
    }
}

/// The component is the same: it is for another stack that it is compiled again.
#[test]
fn a_swap_changes_the_stack_and_plugins_have_each_their_own() {
    let (folder, origin) = (with_stack("1 MB"), Origin::plain());
    add(
        &folder,
        "shallow",
        "order = 1\n[limits]\ntime = \"1 s\"\nfailures = 0\nstack = \"64 KB\"",
    );
    let proxy = Proxy::with_plugins("", folder.path());
    let deep = origin.url(&format!("/access/deep/{}", DEPTHS[0]));
    let response = proxy.get(&deep, &[]);
    let text = response.text();
    assert_eq!(response.status, 500, "{text}");
    assert!(
        text.contains("plugin `shallow` failed in its hook `access`"),
        "{text}"
    );

    let plugin = folder.path().join("shallow/plugin.toml");
    let manifest = fs::read_to_string(&plugin)
        .unwrap()
        .replace("64 KB", "1 MB");
    fs::write(&plugin, manifest).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("generation 2 serves: 2 plugins, 1 of them unchanged");
    assert_eq!(proxy.get(&deep, &[]).status, 200);
}

#[test]
fn a_stack_that_there_is_none_of_is_a_mistake_with_its_place() {
    let said = refused(&with_stack("2 MB"));
    for part in [
        "a call can have 64, 128, 256 or 512 KB of stack, or 1 MB",
        "plugin.toml:6:9",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
