//! The examples, each as it is in `examples/`, between a client and an origin.

use super::{build, compile, files, good, plugin, root, tried, workshop};
use crate::support::{OPEN_POLICY, Origin, Proxy, Then, origin, wproxy};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder of plugins: the example, and access-policy with a policy for loopback behind it.
fn example(name: &str) -> PathBuf {
    let folder = workshop(&format!("example-{name}"));
    // A copy without links, as the examples' own pages have it.
    let from = root().join("examples").join(name);
    for file in files(&from) {
        let to = folder.join(name).join(file.strip_prefix(&from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    build(&folder.join(name));
    let policy = folder.join("access-policy");
    fs::create_dir(&policy).unwrap();
    for file in ["plugin.toml", "access-policy.wasm"] {
        fs::copy(policy_plugin().join(file), policy.join(file)).unwrap();
    }
    compile(&folder, OPEN_POLICY);
    tried(&folder.join(name));
    folder
}

/// plugins/access-policy, built.
fn policy_plugin() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        good(plugin(&["build", "plugins/access-policy"], root()));
        root().join("plugins/access-policy")
    })
}

fn serve(settings: &str, plugins: &Path) -> Proxy {
    Proxy::with_plugins(&format!("{OPEN_POLICY}{settings}"), plugins)
}

#[test]
fn c_closes_the_proxy_by_the_hour() {
    let (plugins, origin) = (example("c"), Origin::plain());
    let get = |closed: &str| {
        let settings = format!("[plugins.opening-hours]\nclosed = {closed}");
        serve(&settings, &plugins).get(&origin.url("/"), &[])
    };
    let denied = get("[\"00:00-00:00\", \"00:00-24:00\"]");
    assert_eq!(denied.status, 403);
    let text = denied.text();
    assert!(text.contains("closed 00:00-24:00; it is "), "{text}");
    assert_eq!(get("[]").status, 200);
    assert_eq!(origin.count(), 1);
}

#[test]
fn javascript_rewrites_fields_for_one_upstream() {
    let plugins = example("javascript");
    // It takes a compiler seconds, and whoever waits is told; what is compiled is kept.
    let cache = tempfile::tempdir().unwrap();
    let check = || {
        let mut check = wproxy();
        check.arg("check").arg("--plugins").arg(&plugins);
        let checked = check.env("XDG_CACHE_HOME", cache.path()).output();
        String::from_utf8(checked.expect("it runs").stderr).expect("UTF-8")
    };
    let told = "compiling plugin `api-fields`: the first time takes a while\n";
    let (first, second) = (check(), check());
    assert!(first.contains(told), "{first}");
    assert!(!second.contains(told), "{second}");
    let origin = Origin::start(|_, stream| {
        let ok = String::from_utf8(origin::ok("")).expect("UTF-8");
        let ok = ok.replacen("\r\n", "\r\nServer: secret/1.0\r\n", 1);
        write!(stream, "{ok}")?;
        Ok(Then::Keep)
    });
    let settings = "[plugins.api-fields]\nhost = \"127.0.0.1\"\n\
        request = { remove = [\"Cookie\"], set = { X-Api-Version = \"2\", Host = \"x\" } }\n\
        response = { remove = [\"Server\"], set = { X-Seen = \"äh\" } }";
    let proxy = serve(settings, &plugins);
    let fields = ["Cookie: a=b", "X-Api-Version: 1", "X-Other: 3"];
    let rewritten = proxy.get(&origin.url("/"), &fields);
    assert_eq!((rewritten.status, rewritten.field("server")), (200, None));
    assert_eq!(rewritten.field("x-seen"), Some("äh"));
    let seen = origin.seen();
    let values = ["cookie", "x-api-version", "x-other"].map(|name| seen.field(name));
    assert_eq!(values, [None, Some("2"), Some("3")]);
    // What belongs to the host stays, and the plugin says so in the log.
    proxy.says("Host is not set: host-owned");

    let url = format!("http://localhost:{}/", origin.address.port());
    let other = proxy.get(&url, &fields);
    assert_eq!(other.field("server"), Some("secret/1.0"));
    assert_eq!(origin.seen().field("cookie"), Some("a=b"));
}

#[test]
fn python_denies_by_pattern_and_explains_itself() {
    let (plugins, origin) = (example("python"), Origin::plain());
    let proxy = serve("", &plugins);
    let denied = proxy.get(&origin.url("/setup.exe?a"), &["User-Agent: curl/8"]);
    assert_eq!(denied.status, 403);
    let text = denied.text();
    assert!(
        text.contains("programs come from the software shelf"),
        "{text}"
    );
    assert_eq!(proxy.get(&origin.url("/setup.html"), &[]).status, 200);
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_wrong_pattern_is_shown_in_the_operator_s_file() {
    let plugins = example("python");
    let file = plugins.join("wproxy.toml");
    let settings = "[[plugins.patterns.deny]]\npattern = \"(\"\nbecause = \"x\"\n";
    fs::write(&file, settings).unwrap();
    let arguments = ["check", "--config", file.to_str().unwrap()];
    let plugins = ["--plugins", plugins.to_str().unwrap()];
    let (code, _, error) = crate::support::proxy::run(&[arguments.as_slice(), &plugins].concat());
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("not a regular expression: "), "{error}");
    assert!(error.contains("wproxy.toml:2:1\n"), "{error}");
}

/// The standard library for WASI, as it is: it finds no environment and no files, its clock stands
/// still, and what it prints is in the log.
#[test]
fn wasip2_gets_an_empty_wasi() {
    let (plugins, origin) = (example("wasip2"), Origin::plain());
    // What the proxy itself has is not the plugin's.
    let secret = plugins.join("secret");
    fs::write(&secret, "secret").unwrap();
    let settings =
        format!("[plugins.banner]\nfield = \"X-Banner\"\ntext = \"monitored\"\nfile = {secret:?}");
    let said = compile(&plugins, &format!("{OPEN_POLICY}{settings}"));
    assert!(
        said.contains("BANNER: environment variable not found"),
        "{said}"
    );
    let unread = format!("{}: No such file or directory", secret.display());
    assert!(said.contains(&unread), "{said}");
    let proxy = serve(&settings, &plugins);
    for _ in 1..=2 {
        let response = proxy.get(&origin.url("/"), &[]);
        assert_eq!(response.status, 200);
        assert_eq!(response.field("x-banner"), Some("monitored"));
        proxy.says("200 of 127.0.0.1, response ");
    }
}

/// One that no test builds would rot.
#[test]
fn every_example_is_tested() {
    let sources = files(&root().join("tests"));
    let sources = sources
        .iter()
        .filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let tests: String = sources
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if folder.join("plugin.toml").is_file() {
            let named = [
                format!("example(\"{name}\")"),
                format!("\"examples/{name}\""),
            ];
            let tested = named.iter().any(|name| tests.contains(name));
            assert!(tested, "examples/{name} has no test");
        }
    }
}
