//! Components by digest and out of registries: what is meant is what runs, or nothing does.

mod endless;
mod scene;

use crate::support::registry::Registry;
use crate::support::tls::Identity;
use crate::support::{Origin, Proxy};
use rustix::process::{Pid, Signal, kill_process};
use scene::{NOTHING, Scene, component, said};
use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

#[test]
fn what_is_pushed_is_pulled_once_and_then_needs_no_registry() {
    let (scene, registry, origin) = (Scene::new(), Registry::start(), Origin::plain());
    let reference = scene.push(&registry, "team/hostile:1.0");
    assert_eq!(scene.push(&registry, "team/hostile:1.0"), reference);
    scene.manifest("named", &component(&reference));
    let (stdout, stderr) = scene.good();
    assert!(
        stdout.contains(&format!("\n  from    {reference}\n  digest  sha256:")),
        "{stdout}"
    );
    assert!(
        stderr.contains(&format!("plugin `hostile`: pulled {reference} (")),
        "{stderr}"
    );
    let proxy = Proxy::with_plugins("", &scene.path("named"));
    assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    assert_eq!(proxy.get(&origin.url("/access/message"), &[]).status, 451);

    drop(registry);
    let (offline, stderr) = scene.good();
    assert_eq!((offline, stderr.as_str()), (stdout, ""));
    let files = scene.cached();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        let whole = fs::read(file).unwrap();
        let mut damaged = whole.clone();
        damaged[100] ^= 1;
        fs::write(file, damaged).unwrap();
        let said = scene.refused();
        let changed = format!(
            "{} is not what was pulled: damaged, or changed",
            file.display()
        );
        assert!(said.contains(&changed), "{said}");
        assert!(
            said.contains("error: plugin `hostile`: its component cannot be pulled: "),
            "{said}"
        );
        fs::write(file, whole).unwrap();
    }
    scene.good();
    scene.empty_cache();
    scene.refuses(
        &component(&reference),
        "2:13",
        &[
            "plugin `hostile`: its component cannot be pulled: 127.0.0.1:",
            " cannot be reached: Connection refused",
            "help: is the registry up, and its address right?",
        ],
    );
}

#[test]
fn a_cache_that_was_damaged_is_mended_by_the_registry() {
    let (scene, registry) = (Scene::new(), Registry::start());
    scene.manifest("named", &component(&scene.push(&registry, "hostile:1")));
    scene.good();
    for file in scene.cached() {
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[1..]).unwrap();
        let (_, stderr) = scene.good();
        assert!(
            stderr.contains("it is pulled again") && stderr.contains("pulled oci://"),
            "{stderr}"
        );
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
}

#[test]
fn a_swap_pulls_and_where_that_fails_the_old_plugins_go_on_serving() {
    let (scene, registry, origin) = (Scene::new(), Registry::start(), Origin::plain());
    let reference = scene.push(&registry, "hostile:1");
    let proxy = Proxy::with_plugins("", &scene.path("made"));
    let swap = |lines: &str, says: &str| {
        scene.manifest("made", lines);
        proxy.signal(Signal::HUP);
        proxy.says(says);
        assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    };
    let wrong = reference.split('@').next().unwrap().to_owned() + "@" + NOTHING;
    let failed = "reload failed, generation 1 goes on serving";
    swap(&component(&wrong), failed);
    proxy.says("plugin `hostile`: its component cannot be pulled: ");
    proxy.says("made/hostile/plugin.toml:2:13");
    swap(
        &format!("{}\ndigest = \"{NOTHING}\"", component(&reference)),
        failed,
    );
    proxy.says("plugin `hostile`: its component is another one than this");
    let good = component(&reference);
    swap(&good, "generation 2 serves: 1 plugin, 0 of them unchanged");
    swap(&good, "generation 3 serves: 1 plugin, 1 of them unchanged");
    swap(
        &format!("{good}\norder = 7"),
        "generation 4 serves: 1 plugin, 0 of them unchanged",
    );
}

/// A registry that takes connections and says nothing; and a reference into it.
fn stalled() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reference = format!("oci://{address}/a@{NOTHING}");
    (listener, reference)
}

#[test]
fn a_registry_that_stalls_keeps_no_request_waiting() {
    let (scene, origin, (listener, reference)) = (Scene::new(), Origin::plain(), stalled());
    let proxy = Proxy::with_plugins("workers = 1", &scene.path("made"));
    scene.manifest("made", &component(&reference));
    proxy.signal(Signal::HUP);
    let connection = listener.accept().unwrap();
    for _ in 0..10 {
        assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    }
    drop((connection, listener));
    proxy.says("reload failed, generation 1 goes on serving");
    proxy.says("plugin `hostile`: its component cannot be pulled: ");
}

#[test]
fn a_registry_that_stalls_does_not_delay_the_end() {
    let (scene, (listener, reference)) = (Scene::new(), stalled());
    scene.manifest("named", &component(&reference));
    let mut child = scene
        .wproxy()
        .args(["run", "--plugins", "named"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _connection = listener.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_component_of_another_digest_than_the_manifest_gives_is_refused() {
    let (scene, registry) = (Scene::new(), Registry::start());
    let reference = scene.push(&registry, "hostile:1");
    scene.manifest("named", &component(&reference));
    let (stdout, _) = scene.good();
    let digest = stdout
        .split("  digest  ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let digest = digest.expect("a digest");
    fs::copy(
        scene.path("made/hostile/hostile.wasm"),
        scene.path("named/hostile/a.wasm"),
    )
    .unwrap();
    for component in [component("a.wasm"), component(&reference)] {
        scene.manifest("named", &format!("{component}\ndigest = \"{digest}\""));
        scene.good();
        scene.refuses(
            &format!("{component}\ndigest = \"{NOTHING}\""),
            "3:10",
            &[
                &format!(
                    "error: plugin `hostile`: its component is another one than this: its digest is \
                     {digest}, not {NOTHING}\n"
                ),
                &format!("help: if {} is", &component[13..component.len() - 1]),
                &format!(" is meant to have changed: digest = \"{digest}\"\n"),
            ],
        );
        for malformed in ["", "sha256:1", "md5:00", &NOTHING[7..]] {
            scene.refuses(
                &format!("{component}\ndigest = \"{malformed}\" # ^^^^"),
                "3:10",
                &[
                    "error: not a digest: `sha256:` and 64 hexadecimal digits in lower case",
                    "help: `wproxy check` shows that of every component",
                ],
            );
        }
    }
    // What is pushed is what the manifest means, too.
    scene.manifest(
        "made",
        &format!("component = \"hostile.wasm\"\ndigest = \"{NOTHING}\""),
    );
    let name = format!("{}/hostile:2", registry.address);
    let (code, stdout, stderr) = scene.run(&["plugin", "push", "made/hostile", &name]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains("its component is another one than this"),
        "{stderr}"
    );
}

#[test]
fn what_names_no_component_is_refused_with_how_to_mend_it() {
    let (scene, registry) = (Scene::new(), Registry::start());
    let reference = scene.push(&registry, "hostile:1");
    let address = registry.address;
    let tag = reference.split('@').next().unwrap();
    let config = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    registry.push_blob("image", config, b"{}");
    let image = registry.push_manifest(
        "image",
        "1",
        &format!(
            r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {{"mediaType": "application/vnd.oci.image.config.v1+json",
                            "digest": "{config}", "size": 2}}, "layers": []}}"#
        ),
    );
    let pulled = "plugin `hostile`: its component cannot be pulled: ";
    let pushes = "help: `wproxy plugin push` prints the reference of what it has pushed";
    #[rustfmt::skip]
    let cases: [(&str, &[&str]); 7] = [
        (tag, &[pulled, "it has no digest, and a tag can be moved to other code",
            &format!("help: what it names at this time is: component = \"{reference}\"")]),
        (&format!("{tag}@{NOTHING}"), &[pulled, "has nothing of that name and digest: manifest unknown", pushes]),
        (&format!("oci://{address}/nobody@{NOTHING}"), &[pulled, "has nothing of that name and digest: ", pushes]),
        (&format!("oci://{address}/image@{image}"), &[pulled,
            "it is not a wasm artifact: its configuration is `application/vnd.oci.image.config.v1+json`",
            "help: `wproxy plugin push` pushes components in the layout that is read here"]),
        ("oci://hostile:1", &["error: not a reference to a registry: it does not say which registry",
            "`oci://registry/name:tag@sha256:...` makes one"]),
        ("oci://ghcr.io/Team/policy", &["error: not a reference to a registry: invalid reference format"]),
        (&format!("oci://registry.invalid/a@{NOTHING}"), &[pulled, "registry.invalid cannot be reached: ", "is the registry up"]),
    ];
    for (reference, parts) in cases {
        scene.refuses(&component(reference), "2:13", parts);
    }
}

#[test]
fn credentials_are_what_docker_login_has_stored() {
    let (scene, registry) = (Scene::new(), Registry::with_password());
    let address = registry.address;
    fs::create_dir(scene.path("docker")).unwrap();
    // In base 64: user:wrong, user:secret.
    let login = |auth: &str| {
        let config = format!(r#"{{"auths": {{"{address}": {{"auth": "{auth}"}}}}}}"#);
        fs::write(scene.path("docker/config.json"), config).unwrap();
    };
    let name = format!("{address}/hostile:1");
    let push = || {
        let (code, stdout, stderr) = scene.run(&["plugin", "push", "made/hostile", &name]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        stderr
    };
    let file = scene.path("docker/config.json");
    let file = file.display();
    let wants = format!(
        "error: plugin `hostile` cannot be pushed: {address} wants credentials\n\
         help: `docker login {address}` stores them in {file}, as `auth`; credential helpers are not \
         asked\n"
    );
    assert_eq!(push(), wants);
    login("dXNlcjp3cm9uZw==");
    let said = push();
    assert!(
        said.contains("does not let these credentials do that\nhelp: they stand in "),
        "{said}"
    );
    login("");
    assert_eq!(push(), wants);
    login("%");
    let said = push();
    assert!(
        said.contains(&format!("for {address} is no `user:password` in base 64")),
        "{said}"
    );
    login("dXNlcjpzZWNyZXQ=");
    let reference = scene.push(&registry, "hostile:1");
    scene.manifest("named", &component(&reference));
    scene.good();
    scene.empty_cache();
    fs::remove_file(scene.path("docker/config.json")).unwrap();
    scene.refuses(
        &component(&reference),
        "2:13",
        &[
            "plugin `hostile`",
            "wants credentials",
            "`docker login 127.0.0.1:",
        ],
    );
}

/// Through a proxy, which alone knows where the registry is: this one.
#[test]
fn a_registry_elsewhere_is_spoken_to_in_tls_and_has_to_be_who_it_says() {
    const HOST: &str = "registry.test";
    let (scene, identity) = (Scene::new(), Identity::of(HOST));
    let registry = Registry::with_tls(&identity);
    fs::write(scene.path("authority.pem"), &identity.authority).unwrap();
    fs::write(scene.path("hosts"), format!("127.0.0.1 {HOST}\n")).unwrap();
    let hosts = scene.path("hosts");
    let proxy = Proxy::start(&format!("hosts_file = {hosts:?}"));
    let name = format!("{HOST}:{}/hostile:1", registry.address.port());
    let push = |trusted: &str| {
        let mut push = scene.wproxy();
        push.args(["plugin", "push", "made/hostile", &name])
            .env("HTTPS_PROXY", format!("http://{}", proxy.address))
            .env("SSL_CERT_FILE", scene.path(trusted));
        said(&mut push)
    };
    let (code, stdout, stderr) = push("authority.pem");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.starts_with(&format!("oci://{name}@sha256:")),
        "{stdout}"
    );
    let logged = proxy.logged();
    assert!(logged.contains("CONNECT registry.test:"), "{logged}");

    let other = Identity::of(HOST).authority;
    fs::write(scene.path("other.pem"), other).unwrap();
    let (code, _, stderr) = push("other.pem");
    assert_eq!(code, Some(1), "{stderr}");
    let registry = name.split('/').next().unwrap();
    for part in [
        &format!("{registry} cannot be trusted: invalid peer certificate: "),
        "help: the system's certificates vouch for registries; SSL_CERT_FILE names others",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    // Without any at all the client cannot even be made, and would end the process.
    fs::write(scene.path("empty.pem"), "").unwrap();
    let (code, _, stderr) = push("empty.pem");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("SSL_CERT_FILE") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_pushed_is_said_to_be_so_and_why() {
    let scene = Scene::new();
    scene.manifest("unbuilt", "component = \"a.wasm\"");
    scene.manifest("module", "component = \"a.wasm\"");
    fs::write(scene.path("module/hostile/a.wasm"), b"\0asm\x01\0\0\0").unwrap();
    scene.manifest(
        "named",
        &component(&format!("oci://127.0.0.1:1/a@{NOTHING}")),
    );
    let to = "127.0.0.1:1/a:1";
    #[rustfmt::skip]
    let cases = [
        ("made", "policy:1", "not a reference to a registry: it does not say which registry"),
        ("made", "127.0.0.1:1/a", "oci://127.0.0.1:1/a has no tag\nhelp: give it its version, as oci://127.0.0.1:1/a:1.0\n"),
        ("made", &format!("{to}@{NOTHING}"), "comes of what is pushed\nhelp: leave it out\n"),
        ("made", to, "plugin `hostile` cannot be pushed: 127.0.0.1:1 cannot be reached: Connection refused"),
        ("unbuilt", to, "help: build it: wproxy plugin build unbuilt/hostile"),
        ("module", to, "module/hostile/a.wasm cannot be pushed: not a WebAssembly component"),
        ("named", to, "a file is wanted here: the component is in a registry already"),
        ("nowhere", to, "cannot read nowhere/hostile/plugin.toml"),
    ];
    for (folder, name, what) in cases {
        let (code, stdout, stderr) =
            scene.run(&["plugin", "push", &format!("{folder}/hostile"), name]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(what), "{folder} {name}: {stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    }
}
