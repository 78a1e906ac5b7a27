//! wget.

use super::scene::{HOST, Ran, Scene};
use std::fs;

const FILES: &[(&str, &[u8])] = &[("page", b"hello\n"), ("other", b"there\n")];

/// Files are left in the folder `home`.
fn wget(scene: &Scene, arguments: &[&str]) -> Ran {
    let proxy = scene.proxy_url();
    let (http, https) = (
        format!("http_proxy={proxy}"),
        format!("https_proxy={proxy}"),
    );
    let authority = scene.authority();
    let mut all = vec!["--no-config", "--no-hsts", "--no-verbose", "--tries=1"];
    all.extend(["--execute", &http, "--execute", &https]);
    all.extend(["--ca-certificate", &authority]);
    all.extend(arguments);
    scene.run("wget", &all)
}

#[test]
fn wget_fetches_refetches_and_resumes_by_http() {
    let scene = Scene::with_files(FILES);
    let url = scene.http_url("/page");
    let page = scene.path("home/page");
    wget(&scene, &[&url]).output();
    assert_eq!(fs::read(&page).unwrap(), b"hello\n");
    wget(&scene, &["--timestamping", &url]).output();
    fs::write(&page, "hel").unwrap();
    wget(&scene, &["--continue", &url]).output();
    assert_eq!(fs::read(&page).unwrap(), b"hello\n");
    scene.logged(&[
        format!("TCP_MISS/200 GET {url}"),
        format!("TCP_IMS_HIT/304 GET {url}"),
        format!("TCP_MEM_HIT/206 GET {url}"),
    ]);
    assert_eq!(scene.http.count(), 1);
}

#[test]
fn wget_fetches_by_connect() {
    let scene = Scene::with_files(FILES);
    let (page, other) = (scene.https_url("/page"), scene.https_url("/other"));
    wget(&scene, &[&page, &other]).output();
    for (name, content) in FILES {
        assert_eq!(fs::read(scene.path("home").join(name)).unwrap(), *content);
    }
    assert_eq!(scene.https.count(), 2);
    scene.logged(&[scene.tunnel()]);
}

#[test]
fn wget_says_what_is_denied() {
    let scene = Scene::with_files(FILES);
    let url = format!("http://{HOST}:25/");
    let said = wget(&scene, &[&url]).failed(8);
    assert!(said.contains("ERROR 403: Forbidden"), "{said}");
    scene.logged(&[format!("TCP_DENIED/403 GET {url}")]);

    let said = wget(&scene, &[&format!("https://{HOST}:25/")]).failed(4);
    assert!(said.contains("Proxy tunneling failed: Forbidden"), "{said}");
    scene.logged(&[format!("TCP_DENIED/403 CONNECT {HOST}:25")]);
}
