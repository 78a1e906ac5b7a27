//! `examples/rust`: a list of domains in a directory that the manifest grants.

use super::grants::build_for_wasi;
use super::limits::metric;
use crate::support::{Origin, Proxy};
use rustix::process::Signal;
use std::fs;
use std::path::Path;

#[test]
fn the_list_decides_and_is_read_anew_with_each_swap() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rust");
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("allow-list");
    fs::create_dir_all(plugin.join("lists")).unwrap();
    for file in ["plugin.toml", "lists/domains.txt"] {
        fs::copy(example.join(file), plugin.join(file)).unwrap();
    }
    fs::copy(build_for_wasi("allow-list"), plugin.join("allow-list.wasm")).unwrap();
    let settings = "logformat = \"json\"";
    let (proxy, origin) = (
        Proxy::with_plugins(settings, folder.path()),
        Origin::plain(),
    );
    let port = origin.address.port();
    let localhost = format!("http://localhost:{port}/a");

    let allowed = proxy.get(&localhost, &[]);
    assert_eq!((allowed.status, allowed.text().as_str()), (200, "/a"));
    let line: serde_json::Value = serde_json::from_str(&proxy.logged()).unwrap();
    assert_eq!(line["rule"], "localhost (/lists/domains.txt:4)");

    let denied = proxy.get("http://www.example.org/", &[]);
    assert_eq!(denied.status, 403);
    let help = "www.example.org is not on the list. Ask helpdesk@example.com for what is missing.";
    assert!(denied.text().contains(help), "{}", denied.text());
    let manager = format!("{}", proxy.address);
    assert_eq!(proxy.get(&format!("http://{manager}/"), &[]).status, 403);

    // The plugin's folder is as it was, but for the list.
    let list = plugin.join("lists/domains.txt");
    fs::write(&list, "example.com\nno domain\n").unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("reload failed, generation 1 goes on serving:");
    proxy.says("/lists/domains.txt:2: `no domain` is not a domain: example.com, or .example.com");
    assert_eq!(proxy.get(&localhost, &[]).status, 200);

    fs::write(&list, format!("example.com\n{}\n", proxy.address.ip())).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("generation 2 serves: 1 plugin, 0 of them unchanged");
    assert_eq!(proxy.get(&localhost, &[]).status, 403);
    // Its own counter, from before the swap and after it.
    let counted = "wproxy_custom_denied_total{plugin=\"allow-list\"}";
    assert_eq!(metric(&proxy, counted), Some(3.0));

    fs::remove_file(&list).unwrap();
    proxy.signal(Signal::HUP);
    let said = proxy.says("cannot read /lists/domains.txt: ");
    assert!(said.contains("No such file"), "{said}");
}
