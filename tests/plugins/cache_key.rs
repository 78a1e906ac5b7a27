//! Under which key a response is cached, where a plugin says.

use super::folder;
use crate::support::{Origin, Proxy};

/// squid's store_id: two names of one mirror, one stored response.
#[test]
fn a_plugin_can_say_that_two_urls_are_one_to_the_cache() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let folder = folder("[config]\nmirrors = [\"127.0.0.1\", \"localhost\"]");
    let proxy = Proxy::with_plugins("", folder.path());
    let named = |path: &str| format!("http://localhost:{}{path}", origin.address.port());
    proxy.get(&origin.url("/good"), &[]);
    let hit = proxy.get(&named("/good"), &[]);
    assert_eq!(hit.field("x-cache"), Some("HIT from none"));
    assert_eq!(origin.count(), 1);
    // What changes one of them changes both.
    proxy.request("DELETE", &named("/good"), &[], b"");
    let miss = proxy.get(&origin.url("/good"), &[]);
    assert_eq!(miss.field("x-cache"), Some("MISS from none"));
    origin.all();
    // And one can be kept out.
    for _ in 0..2 {
        let response = proxy.get(&origin.url("/key/never"), &[]);
        assert_eq!(response.field("cache-status"), Some("none; fwd=bypass"));
    }
    assert_eq!(origin.count(), 2);
}

/// RFC 9111 §4.4: a change is a change, whatever the plugin says of the method.
#[test]
fn what_has_a_key_for_get_alone_is_invalidated_all_the_same() {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    );
    let folder = folder("");
    let proxy = Proxy::with_plugins("", folder.path());
    let url = origin.url("/key/get-only");
    for method in ["DELETE", "PURGE"] {
        for found in ["MISS from none", "HIT from none"] {
            assert_eq!(proxy.get(&url, &[]).field("x-cache"), Some(found));
        }
        assert_eq!(proxy.request(method, &url, &[], b"").status, 200);
    }
    let after = proxy.get(&url, &[]);
    assert_eq!(after.field("x-cache"), Some("MISS from none"));
}
