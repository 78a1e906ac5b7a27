//! What plugins log.

use super::folder;
use crate::support::{Origin, Proxy};

#[test]
fn what_plugins_log_is_one_line_with_their_name() {
    let (folder, origin) = (folder(""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    proxy.get(&origin.url("/access/log"), &[]);
    let line = proxy.says("one");
    assert!(
        line.contains(r"one\ntwo\u{1b}[31m") && line.contains("hostile"),
        "{line}"
    );
}

#[test]
fn a_call_logs_a_hundred_lines_and_no_more() {
    let (folder, origin) = (folder("[limits]\ntime = \"1 s\""), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    assert_eq!(proxy.get(&origin.url("/access/chatter"), &[]).status, 200);
    assert_eq!(proxy.get(&origin.url("/access/log"), &[]).status, 200);
    proxy.says("chatter 99");
    let next = proxy.says("");
    assert!(
        next.contains("more lines of this call are left out"),
        "{next}"
    );
    let next = proxy.says("");
    assert!(next.contains("one"), "{next}");
}
