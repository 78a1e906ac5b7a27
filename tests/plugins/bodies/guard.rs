//! `examples/body-guard`: no private key goes out, no known signature comes in.

use super::add;
use crate::plugins::build;
use crate::support::proxy::run;
use crate::support::{Origin, Proxy, Then};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The example's folder, built once.
fn example() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["examples/body-guard"]).join("examples/body-guard"))
}

/// As an operator has it, before a plugin that allows everything.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), "onlooker", "[config]\nidle = true");
    let plugin = folder.path().join("body-guard");
    fs::create_dir(&plugin).unwrap();
    for file in ["plugin.toml", "body-guard.wasm"] {
        fs::copy(example().join(file), plugin.join(file)).unwrap();
    }
    folder
}

#[test]
fn the_example_passes_its_own_cases() {
    let path = example().to_str().unwrap();
    let (code, stdout, stderr) = run(&["plugin", "test", path]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert!(stdout.ends_with("\n10 passed\n"), "{stdout}");
    let (code, stdout, _) = run(&["plugin", "inspect", path]);
    assert_eq!(code, Some(0));
    let hooks = "hooks     request-headers, response-headers, request-body, response-body\n";
    assert!(stdout.contains(hooks), "{stdout}");
    assert!(!stdout.contains("wproxy:plugin/bodies"), "{stdout}");
}

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n";
const EICAR: &str = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

#[test]
fn a_private_key_does_not_go_out() {
    let (folder, origin) = (folder(), Origin::plain());
    let proxy = Proxy::with_plugins("", folder.path());
    let url = origin.url("/paste");
    let letter = proxy.request("POST", &url, &[], b"-----BEGIN PUBLIC KEY-----\n");
    assert_eq!(letter.status, 200);
    origin.seen();
    let denied = proxy.request("POST", &url, &[], KEY.as_bytes());
    assert_eq!(denied.status, 403);
    let what = "The upload holds a private key, and goes no further. Contact helpdesk@example.com";
    assert!(denied.text().contains(what), "{}", denied.text());
    assert_eq!(origin.count(), 0);
    // Over any border of what is sent at a time.
    let mut client = proxy.connect();
    let (one, two) = KEY.split_at(20);
    client.send(format!(
        "POST {url} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        KEY.len()
    ));
    client.until(b"\r\n\r\n").expect("it is asked for");
    client.send(one);
    client.send(two);
    assert_eq!(client.response("POST").status, 403);
    assert_eq!(origin.count(), 0);
}

/// Wherever it lies in a file, also over the borders of what the hook is shown at a time.
#[test]
fn a_signature_does_not_come_in() {
    const MB: usize = 1 << 20;
    let origin = Origin::start(|seen, stream| {
        assert_eq!(seen.field("accept-encoding"), None);
        let before: usize = seen.target.trim_start_matches('/').parse().unwrap();
        let mut body = vec![b'.'; before];
        body.extend_from_slice(EICAR.as_bytes());
        body.resize(3 * MB, b'.');
        let head = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n";
        let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        Ok(Then::Keep)
    });
    let folder = folder();
    let proxy = Proxy::with_plugins("", folder.path());
    for (before, is_page) in [
        (0, true),
        ((64 << 10) - 30, true),
        ((128 << 10) - 1, true),
        (2 * MB - 30, false),
        (3 * MB - EICAR.len(), false),
    ] {
        let mut client = proxy.connect();
        let url = origin.url(&format!("/{before}"));
        client.send(format!(
            "GET {url} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
        ));
        let response = client.response("GET");
        assert_eq!(response.status == 403, is_page, "{before}");
        let line = proxy.logged();
        assert!(line.contains("TCP_DENIED"), "{line}");
        match is_page {
            true => {
                let what = "The response holds EICAR test file, and goes no further.";
                assert!(response.text().contains(what), "{}", response.text());
            }
            false => {
                assert!(!response.complete, "{before}");
                assert!(response.body.len() < 3 * MB, "{before}");
                assert!(!response.text().contains(EICAR), "{before}");
            }
        }
    }
}
