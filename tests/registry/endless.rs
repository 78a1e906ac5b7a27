//! A registry whose answers have no end.

use super::scene::{NOTHING, Scene, component};
use crate::support::Origin;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the client takes at most, with what the system keeps on the way to it.
const BOUND: u64 = 32 << 20;

/// A registry that may want a token, and whose answer for a path that contains `endless` is that
/// status and then one letter for ever; with what counts its octets.
fn registry(
    wants_token: bool,
    endless: &'static str,
    status: &'static str,
) -> (Origin, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let origin = Origin::start(move |seen, stream| {
        let host = seen.field("host").unwrap_or_default();
        let mut answer = |head: &str| {
            let end = "Connection: close\r\n\r\n";
            stream.write_all(format!("HTTP/1.1 {head}\r\n{end}").as_bytes())
        };
        if seen.target.contains(endless) {
            answer(status)?;
            let piece = [b'x'; 1 << 16];
            loop {
                stream.write_all(&piece)?;
                counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        }
        match seen.target.as_str() {
            "/v2/" if wants_token => answer(&format!(
                "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{host}/token\""
            ))?,
            "/v2/" => answer("200 OK")?,
            _ => answer("404 Not Found")?,
        }
        Err(io::ErrorKind::Other.into())
    });
    (origin, sent)
}

#[test]
fn an_answer_without_an_end_is_read_to_its_bound_and_said_to_be_too_long() {
    let scene = Scene::new();
    let strange = "gives an answer that cannot be understood:";
    #[rustfmt::skip]
    let cases = [
        (false, "/manifests/", "200 OK", format!("{strange} its manifest is longer than 4096 KB")),
        (true, "/token", "200 OK", format!("{strange} its token is longer than 64 KB")),
        (true, "/token", "401 Unauthorized", "wants credentials".into()),
        (false, "/manifests/", "500 Oh No", "refuses: 500: xxxxx".into()),
        (false, "/manifests/", "404 Not Found", "has nothing of that name and digest: 404".into()),
    ];
    for (wants_token, endless, status, said) in cases {
        let (registry, sent) = registry(wants_token, endless, status);
        let reference = format!("oci://{}/a@{NOTHING}", registry.address);
        let pulled = "plugin `hostile`: its component cannot be pulled: ";
        scene.refuses(&component(&reference), "2:13", &[pulled, &said]);
        let sent = sent.load(Ordering::Relaxed);
        assert!(
            (1..BOUND).contains(&sent),
            "{endless} {status}: {sent} octets"
        );
    }
}

#[test]
fn a_push_reads_no_more_of_what_is_said_against_it() {
    let scene = Scene::new();
    let (registry, sent) = registry(false, "/blobs/uploads/", "500 Oh No");
    let name = format!("{}/hostile:1", registry.address);
    let (code, stdout, stderr) = scene.run(&["plugin", "push", "made/hostile", &name]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let said = format!(
        "plugin `hostile` cannot be pushed: {} refuses: 500: xxxxx",
        registry.address
    );
    assert!(stderr.contains(&said), "{stderr}");
    assert!((1..BOUND).contains(&sent.load(Ordering::Relaxed)));
}
