//! Tools that are not there, and tools that fail.

use super::{bad, good, plugin, workshop};
use crate::support::wproxy;
use std::fs;

#[test]
fn a_tool_that_is_missing_is_named_with_its_package() {
    let folder = workshop("missing");
    for (language, missing) in [
        (
            "rust",
            "error: `cargo` is missing: install rustup, see https://rustup.rs\n",
        ),
        ("c", "error: `wasm-ld` is missing: apt install clang lld\n"),
        (
            "javascript",
            "error: `npm` is missing: apt install nodejs npm\n",
        ),
        (
            "python",
            "error: `python3` is missing: apt install python3 python3-venv\n",
        ),
    ] {
        good(plugin(&["new", "--lang", language, language], &folder));
        let mut build = wproxy();
        build
            .args(["plugin", "build", language])
            .current_dir(&folder);
        build
            .env("PATH", folder.join("nowhere"))
            .env_remove("CARGO");
        let error = bad(build.output().expect("it runs"));
        assert!(error.ends_with(missing), "{error}");
        assert_eq!(error.matches("error: ").count(), 1, "{error}");
    }
}

#[test]
fn a_tool_that_fails_is_heard_and_leaves_what_was_built_before() {
    let folder = workshop("failing");
    good(plugin(&["new", "--lang", "c", "gate"], &folder));
    let said = good(plugin(&["build", "gate"], &folder));
    assert!(said.starts_with("gate: gate/gate.wasm ("), "{said}");
    let built = fs::read(folder.join("gate/gate.wasm")).unwrap();

    let source = folder.join("gate/plugin.c");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("*spared = 0;", "*spared = nought;")).unwrap();
    let error = bad(plugin(&["build", "gate"], &folder));
    assert!(
        error.contains("use of undeclared identifier 'nought'"),
        "{error}"
    );
    let last = error.lines().last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains("`clang` failed"),
        "{last}"
    );
    assert_eq!(fs::read(folder.join("gate/gate.wasm")).unwrap(), built);
}

#[test]
fn what_cannot_be_built_is_said_so() {
    let folder = workshop("nothing");
    let manifest = "name = \"a\"\ncomponent = \"a.wasm\"\n";
    fs::write(folder.join("plugin.toml"), manifest).unwrap();
    #[rustfmt::skip]
    let cases: [(&str, &str, &str); 6] = [
        ("README", "", "nothing to build here: a plugin in Rust has a Cargo.toml"),
        ("a.py", "", "which has to name componentize-py"),
        ("b.py", "", "which of a.py, b.py is the plugin? Call it plugin.py"),
        ("a.c", "int x;", "wit is not understood"),
        ("package.json", "{}", "`main` is missing"),
        ("package.json", "{\"main\": \"a.js\"}", "npm install --save-dev @bytecodealliance/componentize-js"),
    ];
    for (file, content, message) in cases {
        fs::write(folder.join(file), content).unwrap();
        let error = bad(plugin(&["build"], &folder));
        assert!(error.contains(message), "{file}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{error}");
    }
}
