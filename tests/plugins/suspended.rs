//! Hooks that keep failing: for whom they are suspended, and until when.

use super::{assert_names_plugin, folder};
use crate::support::proxy::request;
use crate::support::{Connection, Origin, PATIENCE, Proxy, Response};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

#[test]
fn a_hook_that_keeps_failing_is_put_aside_and_comes_back() {
    let (folder, origin) = (folder("[limits]\nfailures = 3"), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    let trap = || proxy.get(&origin.url("/request/trap"), &[]);
    for _ in 0..3 {
        assert_names_plugin(&trap(), "request-headers", "it trapped");
    }
    proxy.says(
        "`request-headers`: it failed 3 times in a row and is suspended for 1s, for requests of \
         127.0.0.1",
    );
    let status = || proxy.command(&["status"]).1;
    const ASIDE: &str = "\n  suspended: request-headers for 127.0.0.1, which keeps failing\n";
    assert!(status().contains(ASIDE), "{}", status());
    // On a slow machine the pause may be over by now, and what fails next is its one probe.
    let aside = |response: &Response| response.text().contains("times in a row and is suspended");
    let refused = (0..20).map(|_| trap()).find(aside);
    assert_names_plugin(&refused.expect("put aside"), "request-headers", "");
    // What fails is that hook: the other one of the plugin's goes on deciding.
    let denied = proxy.get(&origin.url("/access/message"), &[]);
    assert_eq!(denied.status, 451, "{}", denied.text());
    let start = Instant::now();
    while proxy.get(&origin.url("/good"), &[]).status != 200 {
        assert!(start.elapsed() < PATIENCE);
    }
    proxy.says("plugin `hostile` is back in its hook `request-headers`, for requests of 127.0.0.1");
    assert!(!status().contains("suspended"), "{}", status());
}

/// GET by a client at that address.
fn get_from(address: [u8; 4], proxy: &Proxy, url: &str) -> Response {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    socket.connect(&proxy.address.into()).unwrap();
    let mut client = Connection::over(socket.into());
    client.send(request("GET", url, &[], b""));
    client.response("GET")
}

#[test]
fn one_client_s_requests_put_a_hook_aside_for_nobody_else() {
    let (folder, origin) = (folder("[limits]\nfailures = 3"), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    let (good, trap) = (origin.url("/good"), origin.url("/request/trap"));
    let (ann, bob) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    for _ in 0..3 {
        assert_names_plugin(&get_from(ann, &proxy, &trap), "request-headers", "trapped");
    }
    proxy.says("is suspended for 1s, for requests of 127.0.0.2");
    for _ in 0..2 {
        assert_eq!(get_from(bob, &proxy, &good).status, 200);
        assert_names_plugin(&get_from(bob, &proxy, &trap), "request-headers", "trapped");
    }
    // What fails for a second one, too, is the plugin's fault.
    for _ in 0..2 {
        assert_names_plugin(&get_from(bob, &proxy, &trap), "request-headers", "trapped");
    }
    let line = proxy.says("is suspended for 1s");
    assert!(line.ends_with("is suspended for 1s"), "{line}");
}

#[test]
fn a_swapped_plugin_is_not_blamed_for_the_failures_of_the_old_one() {
    let manifest = |limits: &str| format!("failures = 1\n{limits}");
    let (folder, origin) = (
        folder(&format!("[limits]\n{}", manifest(""))),
        Origin::plain(),
    );
    let proxy = Proxy::with_plugins("", folder.path());
    let url = origin.url("/access/trap");
    assert_names_plugin(&proxy.get(&url, &[]), "access", "it trapped");
    proxy.says("is suspended for 1s");
    let changed = format!(
        "name = \"hostile\"\ncomponent = \"hostile.wasm\"\n[limits]\n{}",
        manifest("calls = 7")
    );
    fs::write(folder.path().join("hostile/plugin.toml"), changed).unwrap();
    proxy.signal(Signal::HUP);
    proxy.says("generation 2 serves");
    assert_names_plugin(&proxy.get(&url, &[]), "access", "it trapped");
}
