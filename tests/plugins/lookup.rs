//! Plugins that ask helpers more than they may.

use super::{assert_names_plugin, folder};
use crate::support::{Origin, Proxy};

const HELPER: &str =
    "[helpers.h]\ncommand = [\"/bin/sh\", \"-c\", \"while read -r k; do echo ERR; done\"]\n";

#[test]
fn questions_that_cannot_be_put_are_failures_of_the_plugin_s() {
    let (folder, origin) = (folder(""), Origin::plain());
    let proxy = Proxy::with_plugins(HELPER, folder.path());
    for (path, reason) in [
        ("ask-nothing", "its key is empty"),
        ("ask-two", "its key has control characters"),
        ("ask-long", "its key is longer than 8 KB"),
    ] {
        let response = proxy.get(&origin.url(&format!("/access/{path}")), &[]);
        assert_names_plugin(&response, "access", reason);
    }
}

#[test]
fn questions_without_an_end_are_denied() {
    let (folder, origin) = (folder(""), Origin::plain());
    let proxy = Proxy::with_plugins(HELPER, folder.path());
    for (path, rule) in [
        (
            "ask-again",
            "a plugin asked the helper `h` the same question twice",
        ),
        (
            "ask-on",
            "a plugin asked more than 8 questions about one request",
        ),
        ("ask-nobody", "a plugin asked the helper `no bodyno body"),
    ] {
        let response = proxy.get(&origin.url(&format!("/access/{path}")), &[]);
        let text = response.text();
        // One that the settings do not name is the operator's mistake.
        let status = if path == "ask-nobody" { 503 } else { 403 };
        assert_eq!(response.status, status, "{path}: {text}");
        assert!(text.contains(rule), "{path}: {text}");
    }
    assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    assert_eq!(origin.count(), 1);
}
