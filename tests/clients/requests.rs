//! Python's `requests`.

use super::scene::{HOST, Scene};
use crate::support::{Origin, Seen};

const FILES: &[(&str, &[u8])] = &[("page", b"hello")];

/// One session: GET, a body with a length, a body in chunks, and what is denied.
const SCRIPT: &str = r#"
import requests, sys

proxy, authority, url, denied = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.proxies = {"http": proxy, "https": proxy}
session.verify = authority
print(session.get(url + "/page").text)
print(session.post(url + "/echo", json={"a": 1}).text)
print(session.put(url + "/echo", data=iter([b"chu", b"nks"])).text)
try:
    response = session.get(denied)
    print(response.status_code, response.reason, response.headers["X-Squid-Error"])
except requests.exceptions.ProxyError as error:
    print(error)
"#;

/// What the session says of the origin's answers, and of the denial.
fn session(scene: &Scene, url: &str, denied: &str) -> String {
    let (proxy, authority) = (scene.proxy_url(), scene.authority());
    // Debian's own: one of another place may be without `requests`.
    let python = "/usr/bin/python3";
    let ran = scene.run(
        python,
        &["-I", "-c", SCRIPT, &proxy, &authority, url, denied],
    );
    assert!(
        !ran.stderr.contains("ModuleNotFoundError"),
        "`requests` for {python} is missing; `make clients` installs it"
    );
    let said = ran.output();
    let answers = "hello\n{\"a\": 1}\nchunks\n";
    said.strip_prefix(answers).expect(&said).to_owned()
}

/// The origin saw the session, each request in the framing that `requests` chose.
fn assert_seen(origin: &Origin) {
    let seen = origin.all();
    let framing = |seen: &Seen| seen.field("transfer-encoding").map(str::to_owned);
    let seen = seen
        .iter()
        .map(|seen| (seen.method.as_str(), seen.target.as_str(), framing(seen)));
    let expected = [
        ("GET", "/page", None),
        ("POST", "/echo", None),
        ("PUT", "/echo", Some("chunked".to_owned())),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn requests_works_by_http() {
    let scene = Scene::with_files(FILES);
    let denied = format!("http://{HOST}:25/");
    let said = session(&scene, &scene.http_url(""), &denied);
    assert_eq!(said, "403 Forbidden ERR_ACCESS_DENIED 0\n");
    assert_seen(&scene.http);
    scene.logged(&[
        format!("TCP_MISS/200 GET {}", scene.http_url("/page")),
        format!("TCP_MISS/200 POST {}", scene.http_url("/echo")),
        format!("TCP_MISS/200 PUT {}", scene.http_url("/echo")),
        format!("TCP_DENIED/403 GET {denied}"),
    ]);
}

#[test]
fn requests_works_by_connect() {
    let scene = Scene::with_files(FILES);
    let said = session(&scene, &scene.https_url(""), &format!("https://{HOST}:25/"));
    assert!(
        said.contains("Tunnel connection failed: 403 Forbidden"),
        "{said}"
    );
    assert_seen(&scene.https);
    scene.logged(&[scene.tunnel(), format!("TCP_DENIED/403 CONNECT {HOST}:25")]);
}
