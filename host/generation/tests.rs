use super::*;
use crate::config::{Configuration, Source};
use crate::http::{Fields, Form, RequestHead, Target, Version};
use crate::plugin::toolchain;
use crate::transaction::Request;
use bytes::Bytes;
use http::Method;
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;
use tempfile::TempDir;

/// A plugin of that name in a folder: the component of `tests/plugins/hostile`.
fn add(folder: &TempDir, name: &str, manifest: &str) {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    let component = COMPONENT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = root.join("target/plugins");
        let folder = root.join("tests/plugins/hostile");
        toolchain::rust::build(&folder, toolchain::rust::TARGET, Some(&target)).expect("it builds")
    });
    let plugin = folder.path().join(name);
    std::fs::create_dir(&plugin).expect("a folder");
    std::fs::write(plugin.join("a.wasm"), component).expect("a file");
    let manifest = format!("name = \"{name}\"\ncomponent = \"a.wasm\"\n{manifest}");
    std::fs::write(plugin.join("plugin.toml"), manifest).expect("a file");
}

/// A generation of hostile plugins with these manifests, asked in this order.
fn generation(manifests: &[&str]) -> Generation {
    let folder = tempfile::tempdir().expect("a folder");
    for (index, manifest) in manifests.iter().enumerate() {
        add(&folder, &format!("p{index}"), manifest);
    }
    let engine = Engine::new(1).expect("an engine");
    let plugins = Plugins::Folder(folder.path().into());
    Generation::build(1, &engine, &plugins, &settings(""), 1, None).expect("good plugins")
}

fn settings(text: &str) -> Configuration {
    let source = Source::new("wproxy.toml", text);
    Configuration::from_source(Some(&source), &[]).expect("good settings")
}

fn get(uri: &str) -> Arc<Request> {
    let Ok(Form::Proxy(target)) =
        Target::parse(&Method::GET, &Bytes::copy_from_slice(uri.as_bytes()))
    else {
        panic!("{uri}");
    };
    let head = RequestHead {
        method: Method::GET,
        target: Bytes::new(),
        version: Version::Http11,
        fields: Fields::default(),
    };
    let client = ([127, 0, 0, 1], 1).into();
    Arc::new(Request::new(head, target, client, SystemTime::UNIX_EPOCH))
}

#[test]
fn the_first_plugin_that_has_an_answer_names_the_key() {
    const MIRRORS: &str = "[config]\nmirrors = [\"a.test\", \"b.test\"]";
    let named = |key: &str| CacheKey::Named(key.into());
    let generation = generation(&["", MIRRORS]);
    for (uri, key) in [
        ("http://a.test/x?y", named("mirrors/x?y")),
        ("http://b.test:81/x?y", named("mirrors/x?y")),
        ("http://c.test/x?y", CacheKey::Uri),
        ("http://a.test/key/never", CacheKey::Never),
        ("http://a.test/key/longest", named(&"x".repeat(8192))),
    ] {
        assert_eq!(generation.key_for(&get(uri)), key, "{uri}");
    }
}

#[test]
fn what_is_no_key_is_a_failure_that_costs_the_cache_alone() {
    let open = generation(&["failure.cache-key = \"open\"\nlimits.failures = 0"]);
    let closed = generation(&["limits.failures = 0"]);
    for (path, reason) in [
        ("empty", "its key is empty"),
        ("longer", "its key is longer than 8 KB"),
        ("control", "its key has control characters"),
        (
            "trap",
            "it trapped (wasm trap: wasm `unreachable` instruction executed)",
        ),
    ] {
        let request = get(&format!("http://a.test/key/{path}"));
        let failed = closed.plugins()[0].key_for(&request).expect_err(path);
        assert_eq!((failed.hook, &*failed.reason), (Hook::CacheKey, reason));
        assert_eq!(closed.key_for(&request), CacheKey::Never, "{path}");
        assert_eq!(open.key_for(&request), CacheKey::Uri, "{path}");
    }
}

#[test]
fn a_plugin_is_asked_only_where_it_has_something_to_do() {
    let spares = |what: &str| {
        let generation = generation(&[&format!("[config]\nspares = [{what}]")]);
        let mut asked = Hook::ALL.to_vec();
        asked.retain(|hook| !generation.asked(*hook).is_empty());
        (asked, generation.overrules_storage())
    };
    // It neither looks into bodies nor observes.
    let served = Hook::ALL[..5].to_vec();
    assert_eq!(spares(""), (served.clone(), true));
    assert_eq!(spares("\"unstorable\""), (served, false));
    assert_eq!(
        spares("\"request-headers\", \"response-headers\", \"cache-rules\", \"cache-key\""),
        (vec![Hook::Access], false)
    );
    // One of them may overrule what the other never does.
    let both = generation(&["", "[config]\nspares = [\"unstorable\"]"]);
    assert!(both.overrules_storage());
}

#[test]
fn what_is_made_of_the_same_and_granted_nothing_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    add(&folder, "a", "");
    let engine = Engine::new(1).expect("an engine");
    let build = |engine: &Engine, previous: Option<&Generation>| {
        let plugins = Plugins::Folder(folder.path().into());
        Generation::build(1, engine, &plugins, &settings(""), 1, previous).expect("good plugins")
    };
    let first = build(&engine, None);
    // Its code is taken over, but neither its instances nor what it counts.
    let apart = build(&engine.apart(), Some(&first));
    let all = |a: &Generation, b: &Generation| Hook::ALL.map(|hook| a.says_the_same(b, hook));
    assert_eq!(all(&apart, &first), [true; Hook::ALL.len()]);
    assert_eq!(apart.changes_since(&first).changed, ["a"]);
    // And back, as it stands in memory.
    let moved = |generation: &Generation| generation.moved(2, &engine, 1, &first);
    let back = moved(&apart).expect("good plugins");
    assert!(back.changes_since(&first).is_none());

    let manifest = folder.path().join("a/plugin.toml");
    let same = std::fs::read_to_string(&manifest).expect("a file");
    for (more, says_the_same) in [
        ("[grants]\nmetrics = true", true),
        ("[grants]\nkv = true", false),
        ("[grants]\nclock = true", false),
        ("[grants]\nrandom = true", false),
    ] {
        std::fs::write(&manifest, format!("{same}\n{more}\n")).expect("a file");
        let granted = [build(&engine, None), build(&engine.apart(), None)];
        let [one, other] = &granted;
        assert_eq!(
            one.says_the_same(other, Hook::Access),
            says_the_same,
            "{more}"
        );
        assert!(!one.says_the_same(&first, Hook::Access), "{more}");
        let moved = moved(other).expect("good plugins");
        assert_eq!(moved.changes_since(&first).changed, ["a"]);
    }
    std::fs::write(&manifest, format!("{same}\norder = 60\n")).expect("a file");
    assert!(!build(&engine, None).says_the_same(&first, Hook::Access));
}

#[test]
fn other_helpers_are_a_difference_to_access_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    add(&folder, "a", "");
    let engine = Engine::new(1).expect("an engine");
    let with = |text: &str| {
        let plugins = Plugins::Folder(folder.path().into());
        Generation::build(1, &engine, &plugins, &settings(text), 1, None).expect("good plugins")
    };
    let helper = |url: &str| format!("[helpers.x]\nurl = \"{url}\"\n");
    let one = with(&helper("http://127.0.0.1/a"));
    for (text, same) in [
        (helper("http://127.0.0.1/a"), true),
        (helper("http://127.0.0.1/b"), false),
        (String::new(), false),
    ] {
        let other = with(&text);
        assert_eq!(one.says_the_same(&other, Hook::Access), same, "{text}");
        assert!(one.says_the_same(&other, Hook::ResponseHeaders), "{text}");
        assert_eq!(one.asks_the_same(&other), same, "{text}");
    }
}

#[test]
fn without_the_hook_access_nobody_is_admitted() {
    assert!(generation(&[""]).admits_anybody());
    assert!(!Generation::of(1, vec![]).admits_anybody());
}
