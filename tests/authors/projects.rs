//! From nothing to a plugin that serves.

use super::{build, compile, good, plugin, tried, workshop};
use crate::support::proxy::run;
use crate::support::{Origin, Proxy};
use std::fs;

/// What `wproxy plugin new` says, its languages alike.
#[test]
fn it_says_what_it_made_and_what_comes_next() {
    let folder = workshop("said");
    let said = good(plugin(&["new", "--lang", "c", "gate"], &folder));
    let expected = "\
gate: a plugin in C
  plugin.toml        what it is to the proxy, and its [config]
  plugin.c           the plugin
  cases/             what it has to answer
  wit/               the interface; plugin.wit has the hooks that it serves
  runtime/           in place of a C library
next:
  cd gate
  wproxy plugin build       # needs clang: apt install clang lld
  wproxy plugin test        # runs cases/
  wproxy run --plugins ..   # serves with it
";
    assert_eq!(said, expected);
    let readme = fs::read_to_string(folder.join("gate/README.md")).unwrap();
    assert_eq!(readme.lines().count(), 10, "{readme}");
}

#[test]
fn nothing_is_overwritten_and_a_name_is_a_name() {
    let folder = workshop("refused");
    fs::create_dir(folder.join("gate")).unwrap();
    let error = super::bad(plugin(&["new", "--lang", "rust", "gate"], &folder));
    assert_eq!(
        error,
        "error: gate exists already: nothing was written; choose another name\n"
    );
    assert_eq!(fs::read_dir(folder.join("gate")).unwrap().count(), 0);

    for name in ["../gate", "Gate", "2nd", ""] {
        let refused = plugin(&["new", "--lang", "rust", name], &folder);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{error}");
        assert!(
            error.contains("a lower-case letter, then letters"),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_new_plugin_in_rust_serves() {
    begins_builds_and_serves("rust");
}

#[test]
fn a_new_plugin_in_c_serves() {
    begins_builds_and_serves("c");
}

#[test]
fn a_new_plugin_in_javascript_serves() {
    begins_builds_and_serves("javascript");
}

#[test]
fn a_new_plugin_in_python_serves() {
    begins_builds_and_serves("python");
}

/// The same in every language: it is the same plugin.
fn begins_builds_and_serves(language: &str) {
    let folder = workshop(language);
    let name = format!("gate-{language}");
    good(plugin(&["new", "--lang", language, &name], &folder));
    build(&folder.join(&name));
    compile(&folder, "");
    assert!(tried(&folder.join(&name)).ends_with("2 passed\n"));

    // As an operator configures it.
    let origin = Origin::plain();
    let settings = format!("[plugins.{name}]\nhosts = [\"example.com\", \"0.0.1\"]");
    let proxy = Proxy::with_plugins(&settings, &folder);
    let allowed = proxy.get(&origin.url("/a"), &[]);
    assert_eq!((allowed.status, allowed.text().as_str()), (200, "/a"));
    let url = format!("http://localhost:{}/b", origin.address.port());
    let denied = proxy.get(&url, &["User-Agent: curl/8"]);
    assert_eq!(denied.status, 403);
    let message = "localhost: this proxy cannot be asked for that host";
    assert!(denied.text().contains(message), "{}", denied.text());
    assert_eq!(origin.count(), 1);

    // As it is, and as it is when somebody mistakes its configuration.
    let plugins = folder.to_str().unwrap();
    let url = "http://www.example.com/";
    let explain = ["explain", "GET", url, "--client", "127.0.0.1"];
    let (_, said, _) = run(&[&explain[..], &["--plugins", plugins]].concat());
    assert!(
        said.contains("\n\nallow\nrule     hosts example.com\n"),
        "{said}"
    );
    for (config, message, place) in [
        (
            "hosts = [\"a\", \"\"]",
            "a host is a name, such as \"example.com\"",
            "2:15",
        ),
        ("hosts = []\nhost = 1", "host", "3:1"),
    ] {
        let file = folder.join("wproxy.toml");
        fs::write(&file, format!("[plugins.{name}]\n{config}\n")).unwrap();
        let file = file.to_str().unwrap();
        let (code, _, error) = run(&["check", "--config", file, "--plugins", plugins]);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(message), "{error}");
        assert!(error.contains(&format!("wproxy.toml:{place}\n")), "{error}");
    }
}
