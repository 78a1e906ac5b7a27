//! apt-get, with a repository of one package.

use super::scene::{HOST, Ran, Scene, publish};
use crate::support::{Origin, Seen};
use sha2::{Digest as _, Sha256};
use std::fs;

/// Publishes that version of the package `hello`.
fn repository(scene: &Scene, version: u64) {
    let [package, served] = [scene.path("package"), scene.path("served/debian")];
    fs::create_dir_all(package.join("DEBIAN")).unwrap();
    fs::create_dir_all(&served).unwrap();
    let control = format!(
        "Package: hello\nVersion: {version}\nArchitecture: all\n\
         Maintainer: Nobody <nobody@{HOST}>\nDescription: says hello\n"
    );
    fs::write(package.join("DEBIAN/control"), &control).unwrap();
    fs::write(package.join("hello"), vec![b'0'; 1 << 18]).unwrap();
    let deb = deb(scene, version);
    let arguments = [
        "--root-owner-group",
        "-Znone",
        "--build",
        &scene.named("package"),
        &deb,
    ];
    scene.run("dpkg-deb", &arguments).output();

    let (size, hash) = digest(&fs::read(&deb).unwrap());
    let packages = format!(
        "{control}Filename: debian/hello_{version}_all.deb\nSize: {size}\nSHA256: {hash}\n"
    );
    let (size, hash) = digest(packages.as_bytes());
    let release =
        format!("Date: Thu, 0{version} Jan 2020 00:00:00 UTC\nSHA256:\n {hash} {size} Packages\n");
    fs::write(served.join("Packages"), packages).unwrap();
    fs::write(served.join("Release"), release).unwrap();
    publish(&served, version);
}

fn deb(scene: &Scene, version: u64) -> String {
    scene.named(&format!("served/debian/hello_{version}_all.deb"))
}

fn digest(octets: &[u8]) -> (usize, String) {
    let hash = Sha256::digest(octets);
    (
        octets.len(),
        hash.iter().map(|octet| format!("{octet:02x}")).collect(),
    )
}

/// Settles apt-get, in a root of its own, on the repository below that URL.
fn configure(scene: &Scene, url: &str) {
    let path = |name: &str| scene.path("root").join(name);
    for folder in [
        "etc/apt",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    fs::write(path("status"), "").unwrap();
    let source = format!("deb [trusted=yes] {url} debian/\n");
    fs::write(path("etc/apt/sources.list"), source).unwrap();
    let (proxy, authority, root) = (scene.proxy_url(), scene.authority(), scene.named("root"));
    // The scene's folders are for this user alone.
    let settings = format!(
        "Dir \"{root}/\";\nDir::State::status \"{root}/status\";\nAPT::Sandbox::User \"\";\n\
         Acquire::http::Proxy \"{proxy}\";\nAcquire::https::CAInfo \"{authority}\";\n\
         Acquire::Languages \"none\";\nAcquire::Retries 0;\n"
    );
    fs::write(path("apt.conf"), settings).unwrap();
}

/// Files are left in the folder `home`.
fn apt_get(scene: &Scene, arguments: &[&str]) -> Ran {
    let settings = scene.named("root/apt.conf");
    scene.run_with("apt-get", arguments, &[("APT_CONFIG", &settings)])
}

/// What is downloaded is what is served.
fn download(scene: &Scene, version: u64) {
    let name = format!("hello={version}");
    apt_get(scene, &["download", &name]).output();
    let downloaded = scene.path("home").join(format!("hello_{version}_all.deb"));
    assert!(fs::read(&downloaded).unwrap() == fs::read(deb(scene, version)).unwrap());
    fs::remove_file(downloaded).unwrap();
}

fn update(scene: &Scene) -> String {
    apt_get(scene, &["update", "--error-on=any"]).output()
}

fn targets(origin: &Origin) -> Vec<String> {
    origin.all().into_iter().map(|seen| seen.target).collect()
}

#[test]
fn apt_get_updates_downloads_and_sees_a_new_version_by_http() {
    let scene = Scene::with_files(&[]);
    repository(&scene, 1);
    configure(&scene, &scene.http_url("/"));
    let line = |code: &str, name: &str| {
        format!("{code} GET {}", scene.http_url(&format!("/debian/{name}")))
    };

    update(&scene);
    let asked = targets(&scene.http);
    assert!(asked.contains(&"/debian/Packages".to_owned()), "{asked:?}");
    // The second time from the proxy's memory.
    download(&scene, 1);
    download(&scene, 1);
    assert_eq!(targets(&scene.http), ["/debian/hello_1_all.deb"]);
    scene.logged(&[
        line("TCP_MISS/200", "Release"),
        line("TCP_MISS/200", "Packages"),
        line("TCP_MISS/200", "hello_1_all.deb"),
        line("TCP_MEM_HIT/200", "hello_1_all.deb"),
    ]);

    // Another machine: what the first one fetched is not fetched again.
    fs::remove_dir_all(scene.path("root")).unwrap();
    configure(&scene, &scene.http_url("/"));
    update(&scene);
    download(&scene, 1);
    let asked = scene.http.all();
    // What the origin does not have cannot be stored.
    let missing = ["/debian/InRelease", "/debian/Release.gpg"];
    let fetched = |seen: &&Seen| seen.field("if-modified-since").is_none();
    let mut fetched = asked.iter().filter(fetched).map(|seen| &*seen.target);
    assert!(fetched.all(|target| missing.contains(&target)), "{asked:?}");
    scene.logged(&[line("TCP_MEM_HIT/200", "hello_1_all.deb")]);

    // apt asks for what is current, though the proxy takes its copy for fresh.
    let said = update(&scene);
    assert!(said.contains("Hit:"), "{said}");
    scene.logged(&[line("TCP_REFRESH_UNMODIFIED/304", "Release")]);
    repository(&scene, 2);
    update(&scene);
    download(&scene, 2);
    scene.logged(&[
        line("TCP_REFRESH_MODIFIED/200", "Release"),
        line("TCP_REFRESH_MODIFIED/200", "Packages"),
        line("TCP_MISS/200", "hello_2_all.deb"),
    ]);
}

#[test]
fn apt_get_updates_and_downloads_by_connect() {
    let scene = Scene::with_files(&[]);
    repository(&scene, 1);
    configure(&scene, &scene.https_url("/"));
    update(&scene);
    download(&scene, 1);
    let asked = targets(&scene.https);
    for name in ["Release", "Packages", "hello_1_all.deb"] {
        assert!(asked.contains(&format!("/debian/{name}")), "{asked:?}");
    }
    scene.logged(&[scene.tunnel()]);
}

#[test]
fn apt_get_says_what_is_denied() {
    let scene = Scene::with_files(&[]);
    for (scheme, method, said) in [
        ("http", "GET", "403  Forbidden"),
        (
            "https",
            "CONNECT",
            "Invalid response from proxy: HTTP/1.1 403 Forbidden",
        ),
    ] {
        configure(&scene, &format!("{scheme}://{HOST}:25/"));
        let complaint = apt_get(&scene, &["update", "--error-on=any"]).failed(100);
        assert!(complaint.contains(said), "{complaint}");
        let target = match method {
            "GET" => format!("http://{HOST}:25/debian/Release"),
            _ => format!("{HOST}:25"),
        };
        scene.logged(&[format!("TCP_DENIED/403 {method} {target}")]);
    }
}
