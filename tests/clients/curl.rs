//! curl.

use super::scene::{HOST, Ran, Scene};
use crate::support::Origin;
use std::fs;

const FILES: &[(&str, &[u8])] = &[("page", b"hello\n")];

fn curl(scene: &Scene, arguments: &[&str]) -> Ran {
    let (proxy, authority) = (scene.proxy_url(), scene.authority());
    // --disable has to come first.
    let mut all = vec!["--disable", "--silent", "--show-error"];
    all.extend(["--proxy", &proxy, "--cacert", &authority]);
    all.extend(arguments);
    scene.run("curl", &all)
}

/// Large enough for curl to wait for 100 (Continue), once with a length and once in chunks.
fn uploads(scene: &Scene, origin: &Origin, url: &str) {
    let content: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
    let (file, echo) = (scene.named("file"), scene.named("echo"));
    fs::write(&file, &content).unwrap();
    for framing in ["Content-Length", "Transfer-Encoding"] {
        let mut arguments = vec!["--upload-file", &file, "--output", &echo, url];
        if framing == "Transfer-Encoding" {
            arguments.extend(["--header", "Transfer-Encoding: chunked"]);
        }
        curl(scene, &arguments).output();
        assert!(fs::read(&echo).unwrap() == content, "{framing}");
        let seen = origin.seen();
        assert_eq!(seen.method, "PUT");
        assert!(seen.field(framing).is_some(), "{seen:?}");
        assert!(seen.body == content, "{framing}");
    }
}

#[test]
fn curl_fetches_and_uploads_by_http() {
    let scene = Scene::with_files(FILES);
    let url = scene.http_url("/page");
    assert_eq!(curl(&scene, &[&url, &url]).output(), "hello\nhello\n");
    let seen = scene.http.seen();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/page")
    );
    // What is between curl and the proxy stays there.
    assert_eq!(seen.field("proxy-connection"), None);
    scene.logged(&[
        format!("TCP_MISS/200 GET {url}"),
        format!("TCP_MEM_HIT/200 GET {url}"),
    ]);
    assert_eq!(scene.http.count(), 0);

    let url = scene.http_url("/echo");
    uploads(&scene, &scene.http, &url);
    scene.logged(&[format!("TCP_MISS/200 PUT {url}")]);
}

#[test]
fn curl_fetches_and_uploads_by_connect() {
    let scene = Scene::with_files(FILES);
    let url = scene.https_url("/page");
    assert_eq!(curl(&scene, &[&url, &url]).output(), "hello\nhello\n");
    // Both through one tunnel.
    let seen = scene.https.all();
    let connections: Vec<usize> = seen.iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0]);
    scene.logged(&[scene.tunnel()]);

    uploads(&scene, &scene.https, &scene.https_url("/echo"));
    scene.logged(&[scene.tunnel()]);
}

#[test]
fn curl_says_what_is_denied() {
    let scene = Scene::with_files(FILES);
    let url = format!("http://{HOST}:25/");
    let page = curl(&scene, &[&url]).output();
    assert!(page.contains("`http_access deny unsafe`"), "{page}");
    let said = curl(&scene, &["--fail", &url]).failed(22);
    assert!(
        said.contains("The requested URL returned error: 403"),
        "{said}"
    );
    scene.logged(&[format!("TCP_DENIED/403 GET {url}")]);

    let said = curl(&scene, &[&format!("https://{HOST}:25/")]).failed(56);
    assert!(
        said.contains("CONNECT tunnel failed, response 403"),
        "{said}"
    );
    scene.logged(&[format!("TCP_DENIED/403 CONNECT {HOST}:25")]);
}
