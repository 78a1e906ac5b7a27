use super::written::MAX_BODY_TIME;
use super::*;
use crate::plugin::kv::Bounds;
use crate::plugin::watch::{Beyond, Bounds as BodyBounds};

fn manifest(text: &str) -> Result<Manifest, String> {
    let source = Source::new("p/plugin.toml", text);
    Manifest::from_source(&source).map_err(|mistake| mistake.to_string())
}

#[test]
fn the_least_and_the_most() {
    let least = manifest("name = 'a'\ncomponent = 'a.wasm'\n").expect("valid");
    assert_eq!((least.order, least.limits), (50, Limits::default()));
    assert_eq!(least.failure.of(Hook::Access), FailurePolicy::Closed);
    assert_eq!(least.config.json(), "{}");
    let most = manifest(
        "name = 'a'\ncomponent = 'a.wasm'\norder = 1\n[limits]\ntime = '2 s'\nmemory = '1 MB'\n\
         stack = '64 KB'\ncalls = 5\nfailures = 0\nlog_rate = 0\nlog_line = '80 bytes'\nseries = 10000\n\
         kv_size = '1 KB'\nkv_entries = 7\nbody = '2 GB'\nbody_beyond = 'pass'\nheld = '0 bytes'\n\
         held_beyond = 'stop'\nbody_time = '1 h'\nbodies = 1000\n[grants]\nclock = true\nkv = true\ndirectories = {'/a/b' = 'c'}\n[failure]\ncache-rules = 'open'\n\
         cache-key = 'open'\nresponse-body = 'open'\n[config]\nx = 1\n",
    )
    .expect("valid");
    assert_eq!((most.limits.memory, most.limits.failures), (1 << 20, 0));
    assert_eq!(most.limits.stack, 64 << 10);
    assert_eq!((most.limits.log_line, most.limits.series), (80, 10_000));
    let (octets, entries) = (1 << 10, 7);
    assert_eq!(most.limits.kv, Bounds { octets, entries });
    let bodies = BodyBounds {
        shown: 2 << 30,
        shown_beyond: Beyond::Pass,
        held: 0,
        held_beyond: Beyond::Stop,
        time: MAX_BODY_TIME,
        most: 1000,
    };
    assert_eq!(most.limits.bodies, bodies);
    assert_eq!(most.grants.to_string(), "clock, kv, /a/b (reads c)");
    assert_eq!(least.grants.to_string(), "none");
    for (hook, policy) in [
        (Hook::CacheRules, FailurePolicy::Open),
        (Hook::CacheKey, FailurePolicy::Open),
        (Hook::RequestBody, FailurePolicy::Closed),
        (Hook::ResponseBody, FailurePolicy::Open),
        (Hook::Access, FailurePolicy::Closed),
    ] {
        assert_eq!(most.failure.of(hook), policy, "{hook}");
    }
    assert_eq!(most.config.json(), r#"{"x":1}"#);
}

#[test]
fn a_component_is_a_file_or_in_a_registry() {
    let component = |text: &str| {
        let text = format!(
            "name = 'a'\ncomponent = '{text}'\ndigest = '{}'",
            Digest::of(b"")
        );
        let manifest = manifest(&text).expect("valid");
        let digest = manifest.digest.map(Spanned::into_inner);
        assert_eq!(digest, Some(Digest::of(b"")));
        manifest.component
    };
    let file = |path: &str| Component::File(path.into());
    assert_eq!(component("a/b.wasm"), file("a/b.wasm"));
    assert_eq!(component("r.test/a:1"), file("r.test/a:1"));
    let reference = "oci://r.test/a:1".parse().expect("good");
    assert_eq!(
        component("oci://r.test/a:1"),
        Component::Registry(reference)
    );
}

#[test]
fn mistakes_show_the_place() {
    #[rustfmt::skip]
    let cases = [
        ("component = 'a.wasm'", "missing field `name`", "1:1"),
        ("name = 'a b'\ncomponent = 'a'", "not a plugin's name", "1:8"),
        ("name = 'a'\ncomponent = 'oci://a'", "it does not say which registry", "2:13"),
        ("name = 'a'\ncomponent = 'a'\ndigest = 'sha256:0'", "64 hexadecimal digits", "3:10"),
        ("name = 'a'\ncomponent = 'a'\ndigest = 5", "invalid type: integer", "3:10"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\ntime = '0 s'", "1 ms to 10 s", "4:8"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nmemory = '2 GB'", "64 KB to 1 GB", "4:10"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\ncalls = 0", "one call at least", "4:9"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\ntable_elements = 100001", "1 to 100000", "4:18"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nstack = '2 MB'", "64, 128, 256 or 512 KB of stack, or 1 MB", "4:9"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nstack = '100 KB'", "64, 128, 256 or 512 KB", "4:9"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nhandles = 0", "1 to 10000 handles", "4:11"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nkv_size = '1 bytes'", "1 KB to 1 GB", "4:11"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nkv_entries = 0", "1 to 10000000 entries", "4:14"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nbody = '0 bytes'", "one octet of a body at least", "4:8"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nheld = '1 GB'", "0 to 64 MB", "4:8"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nbody_time = '2 h'", "1 ms to 1 h", "4:13"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nbodies = 1001", "1 to 1000 bodies", "4:10"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nheld_beyond = 'wait'", "unknown variant `wait`", "4:15"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nbatch = 4097", "1 to 4096 transactions", "4:9"),
        ("name = 'a'\ncomponent = 'a'\n[limits]\nqueue = 0", "1 to 1000000 transactions can wait", "4:9"),
        ("name = 'a'\ncomponent = 'a'\n[failure]\nobserver = 'closed'", "there is no key `observer`", "4:1"),
        ("name = 'a'\ncomponent = 'a'\n[grants]\ndirectories = {'a' = 'b'}", "not a directory's path", "4:16"),
        ("name = 'a'\ncomponent = 'a'\n[grants]\ndirectories = {'/a/../b' = 'b'}", "not a directory's path", "4:16"),
        ("name = 'a'\ncomponent = 'a'\n[grants]\nnetwork = true", "there is no key `network`", "4:1"),
        ("name = 'a'\ncomponent = 'a'\n[failure]\naccess = 'ajar'", "unknown variant `ajar`", "4:10"),
    ];
    for (text, message, place) in cases {
        let shown = manifest(text).expect_err(text);
        assert!(shown.contains(message), "{text}: {shown}");
        assert!(
            shown.contains(&format!("--> p/plugin.toml:{place}")),
            "{text}: {shown}"
        );
    }
}
