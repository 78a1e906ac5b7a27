//! dnf, with a repository of one package.

use super::scene::{HOST, Ran, Scene, publish};
use std::fs;

/// Publishes that version of the package `hello`.
fn repository(scene: &Scene, version: u64) {
    let served = scene.named("served/rpm");
    fs::create_dir_all(&served).unwrap();
    let spec = format!(
        "Name: hello\nVersion: {version}\nRelease: 1\nSummary: says hello\nLicense: none\n\
         BuildArch: noarch\n%description\nSays hello.\n%install\n\
         echo hello {version} > %{{buildroot}}/hello\n%files\n/hello\n"
    );
    fs::write(scene.path("hello.spec"), spec).unwrap();
    let top = format!("_topdir {}", scene.named("build"));
    let packages = format!("_rpmdir {served}");
    let temporary = format!("_tmppath {}", scene.named("home"));
    let spec = scene.named("hello.spec");
    let arguments = [
        "-bb", "--define", &top, "--define", &packages, "--define", &temporary, &spec,
    ];
    scene.run("rpmbuild", &arguments).output();
    scene.run("createrepo_c", &["--quiet", &served]).output();
    publish(&scene.path("served/rpm"), version);
}

/// Settles dnf on that repository, and on nothing else.
fn configure(scene: &Scene, url: &str) {
    let (proxy, authority) = (scene.proxy_url(), scene.authority());
    let none = scene.named("none");
    let settings = format!(
        "[main]\nproxy={proxy}\nsslcacert={authority}\nreposdir={none}\nvarsdir={none}\n\
         plugins=0\ngpgcheck=0\nretries=1\n[hello]\nname=hello\nbaseurl={url}\n"
    );
    fs::write(scene.path("dnf.conf"), settings).unwrap();
}

/// Packages are installed to the folder `root`.
fn dnf(scene: &Scene, arguments: &[&str]) -> Ran {
    let settings = format!("--config={}", scene.named("dnf.conf"));
    let root = format!("--installroot={}", scene.named("root"));
    let mut all = vec!["dnf", "--assumeyes", "--releasever=1", &settings, &root];
    all.extend(arguments);
    // It installs as root alone. A namespace makes one of whoever runs the tests.
    if !rustix::process::geteuid().is_root() {
        all.splice(0..0, ["unshare", "--map-root-user"]);
    }
    scene.run(all[0], &all[1..])
}

fn installed(scene: &Scene) -> String {
    fs::read_to_string(scene.path("root/hello")).unwrap()
}

#[test]
fn dnf_installs_and_upgrades_by_http() {
    let scene = Scene::with_files(&[]);
    repository(&scene, 1);
    configure(&scene, &scene.http_url("/rpm/"));
    let line = |code: &str, target: &str| format!("{code} GET {}", scene.http_url(target));
    let (index, package) = (
        "/rpm/repodata/repomd.xml",
        "/rpm/noarch/hello-1-1.noarch.rpm",
    );

    dnf(&scene, &["makecache"]).output();
    let seen = scene.http.all().into_iter();
    let metadata: Vec<String> = seen
        .map(|seen| seen.target)
        .filter(|target| target != index)
        .collect();
    assert!(
        metadata
            .iter()
            .any(|target| target.contains("-primary.xml")),
        "{metadata:?}"
    );
    dnf(&scene, &["install", "hello"]).output();
    assert_eq!(installed(&scene), "hello 1\n");
    let fetched = metadata.iter().map(String::as_str).chain([index, package]);
    let fetched = fetched.map(|target| line("TCP_MISS/200", target));
    scene.logged(&fetched.collect::<Vec<_>>());
    assert_eq!(scene.http.seen().target, package);

    // A client that has nothing asks the origin for what is current, and gets the rest from the
    // proxy's memory.
    dnf(&scene, &["clean", "all"]).output();
    dnf(&scene, &["makecache"]).output();
    let hits = metadata
        .iter()
        .map(|target| line("TCP_MEM_HIT/200", target));
    scene.logged(&hits.collect::<Vec<_>>());
    assert!(scene.http.all().iter().all(|seen| seen.target == index));

    // Another machine: what the first one fetched is not fetched again.
    fs::remove_dir_all(scene.path("root")).unwrap();
    dnf(&scene, &["clean", "all"]).output();
    dnf(&scene, &["install", "hello"]).output();
    assert_eq!(installed(&scene), "hello 1\n");
    scene.logged(&[line("TCP_MEM_HIT/200", package)]);
    assert!(scene.http.all().iter().all(|seen| seen.target == index));

    repository(&scene, 2);
    dnf(&scene, &["--refresh", "upgrade"]).output();
    assert_eq!(installed(&scene), "hello 2\n");
    scene.logged(&[line("TCP_MISS/200", "/rpm/noarch/hello-2-1.noarch.rpm")]);
}

#[test]
fn dnf_installs_by_connect() {
    let scene = Scene::with_files(&[]);
    repository(&scene, 1);
    configure(&scene, &scene.https_url("/rpm/"));
    dnf(&scene, &["install", "hello"]).output();
    assert_eq!(installed(&scene), "hello 1\n");
    let seen = scene.https.all();
    assert!(
        seen.iter()
            .any(|seen| seen.target == "/rpm/noarch/hello-1-1.noarch.rpm"),
        "{seen:#?}"
    );
    scene.logged(&[scene.tunnel()]);
}

#[test]
fn dnf_says_what_is_denied() {
    let scene = Scene::with_files(&[]);
    let index = "/repodata/repomd.xml";
    for (scheme, said, logged) in [
        (
            "http",
            "Status code: 403",
            format!("GET http://{HOST}:25{index}"),
        ),
        (
            "https",
            "CONNECT tunnel failed, response 403",
            format!("CONNECT {HOST}:25"),
        ),
    ] {
        configure(&scene, &format!("{scheme}://{HOST}:25/"));
        let complaint = dnf(&scene, &["makecache"]).failed(1);
        assert!(complaint.contains(said), "{complaint}");
        scene.logged(&[format!("TCP_DENIED/403 {logged}")]);
    }
}
