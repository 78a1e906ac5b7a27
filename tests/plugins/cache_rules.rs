//! What cache-rules says is kept with what is stored.

use super::folder;
use crate::support::{Origin, Proxy};
use rustix::process::Signal;

/// Over `maximum_object_size_in_memory`: such an object stays on the disk, and is read anew for each
/// hit.
#[test]
fn cache_rules_is_asked_once_about_an_object_that_stays_on_the_disk() {
    const LENGTH: usize = 700_000;
    let large = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 700000\r\n\r\n";
    let origin = Origin::fixed(large.to_owned() + &"x".repeat(LENGTH));
    let folder = folder("");
    let proxy = Proxy::with_plugins("", folder.path());
    let get = |path: &str| {
        let response = proxy.get(&origin.url(path), &[]);
        assert_eq!(response.body.len(), LENGTH);
        response.field("x-cache").map(str::to_owned)
    };
    let asked = || proxy.says("asked about ");
    assert_eq!(get("/cache/told/1").as_deref(), Some("MISS from none"));
    assert!(asked().contains("/cache/told/1"));
    for generation in 1..3 {
        for _ in 0..3 {
            assert_eq!(get("/cache/told/1").as_deref(), Some("HIT from none"));
        }
        // Nothing was said in between.
        get(&format!("/cache/told/end-of-{generation}"));
        if generation > 1 {
            assert!(asked().contains("/cache/told/1"));
        }
        assert!(asked().contains(&format!("/cache/told/end-of-{generation}")));
        proxy.signal(Signal::HUP);
        proxy.says(&format!("generation {} serves", generation + 1));
    }
}
