//! `wproxy plugin inspect`: what is known of a component, and why one cannot be run.

use super::built;
use crate::support::proxy::run;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn inspect(path: &Path) -> (Option<i32>, String) {
    let (code, stdout, stderr) = run(&["plugin", "inspect", path.to_str().unwrap()]);
    assert_eq!(stderr, "");
    (code, stdout)
}

fn inspect_json(path: &Path) -> Value {
    let (_, stdout, _) = run(&["plugin", "inspect", "--json", path.to_str().unwrap()]);
    serde_json::from_str(&stdout).unwrap()
}

/// The hostile component with other octets in the place of some.
fn patched(replace: &[(&str, &str)]) -> (TempDir, std::path::PathBuf) {
    let mut bytes = fs::read(built("hostile")).unwrap();
    for (old, new) in replace {
        assert_eq!(old.len(), new.len());
        let places: Vec<usize> = (0..bytes.len() - old.len())
            .filter(|&place| bytes[place..].starts_with(old.as_bytes()))
            .collect();
        assert!(!places.is_empty(), "{old}");
        for place in places {
            bytes[place..place + new.len()].copy_from_slice(new.as_bytes());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patched.wasm");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_component_is_told_about_to_people_and_to_programs() {
    let (code, text) = inspect(&built("hostile"));
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "kind      a WebAssembly component\n",
        "size      1.",
        "digest    sha256:",
        "WIT       wproxy:plugin 0.2.0\n",
        "hooks     access, request-headers, response-headers, cache-rules, cache-key\n",
        "rights    wasi:cli/environment@0.2.6           reads environment and arguments: it finds none\n",
        "wasi:clocks/wall-clock@0.2.6         reads the time, which stands still without the grant `clock`\n",
        "made by   language: Rust\n          processed-by: rustc ",
        "runs      yes, on this host\n",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
    assert!(!text.contains("wproxy:plugin/http"), "{text}");

    let told = inspect_json(&built("hostile"));
    let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
    #[rustfmt::skip]
    let expected = ["digest", "explains", "help", "hooks", "kind", "producers", "reason", "rights", "runs", "size", "wit"];
    assert_eq!(keys, expected);
    assert_eq!(told["kind"], "component");
    assert_eq!(told["wit"], json!(["0.2.0"]));
    assert_eq!(told["size"], fs::metadata(built("hostile")).unwrap().len());
    assert_eq!(
        (&told["runs"], &told["reason"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(told["producers"]["language"], json!({ "Rust": "" }));
    let rights = told["rights"].as_array().unwrap();
    let random = rights
        .iter()
        .find(|right| right["import"] == "wasi:random/random@0.2.6");
    #[rustfmt::skip]
    assert_eq!(random.unwrap(), &json!({
        "import": "wasi:random/random@0.2.6",
        "means": "draws random numbers, always the same ones without the grant `random`",
        "grant": "random",
        "granted": null,
    }));
}

#[test]
fn of_a_folder_it_is_told_what_the_manifest_grants() {
    let folder = super::folder("[grants]\nclock = true");
    let plugin = folder.path().join("hostile");
    let (code, text) = inspect(&plugin);
    assert_eq!(code, Some(0));
    for line in [
        "the grant `clock` (granted)\n",
        "the grant `random` (not granted: `random = true`)\n",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
    fs::remove_file(plugin.join("hostile.wasm")).unwrap();
    let (code, stdout, stderr) = run(&["plugin", "inspect", plugin.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("build it: wproxy plugin build"), "{stderr}");
}

#[test]
fn a_file_that_is_no_component_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (bytes, kind, reason) in [
        (
            &b"\0asm\x01\0\0\0"[..],
            "kind      a core module of WebAssembly, no component\n",
            "runs      no: not a WebAssembly component, but a core module\n          help: `wproxy plugin build`",
        ),
        (
            b"#!/bin/sh\n",
            "kind      no WebAssembly\nsize      10 B\n",
            "runs      no: not a WebAssembly component, nor WebAssembly at all\n",
        ),
        (
            b"\0asm\x0d\0\x01\0broken",
            "kind      a WebAssembly component\n",
            "runs      no: not a WebAssembly component: ",
        ),
        (
            b"\0asm\x0d\0\x01\0",
            "hooks     none\n",
            "runs      no: the component serves no hook of this host's\n",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        let (code, text) = inspect(&path);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(kind) && text.contains(reason), "{text}");
        assert_eq!(inspect_json(&path)["runs"], false);
    }
    let (code, _, stderr) = run(&["plugin", "inspect", "/nowhere.wasm"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot read /nowhere.wasm"), "{stderr}");
}

#[test]
fn why_a_component_cannot_be_run_is_said() {
    for (replace, reason) in [
        // Of another time: both versions are named.
        (
            ("@0.2.0", "@7.3.1"),
            "the component was built for version 7.3.1 of wproxy:plugin\n          \
             help: this host has 0.2.0 and 0.1.0",
        ),
        // An import that is nowhere.
        (
            ("wproxy:plugin/log@", "wproxy:plugin/lag@"),
            "the component imports `wproxy:plugin/lag@0.2.0`, which this host lacks\n",
        ),
        // An export that nobody would call.
        (
            ("wproxy:plugin/cache-key@", "wproxy:plugin/cache-kex@"),
            "the component serves `wproxy:plugin/cache-kex@0.2.0`, which this host never calls\n",
        ),
        // A hook whose function has another name.
        (
            ("on-response", "on-responsx"),
            "it does not export `wproxy:plugin/response-headers@0.2.0#on-response`",
        ),
        // A verdict that is none.
        (
            ("authenticate", "authenticite"),
            "its hook `access` has other types: ",
        ),
    ] {
        let (_folder, path) = patched(&[replace]);
        let (code, text) = inspect(&path);
        assert_eq!(code, Some(1), "{replace:?}\n{text}");
        assert!(text.contains("runs      no: "), "{text}");
        assert!(text.contains(reason), "no {reason:?} in:\n{text}");
    }
}

#[test]
fn what_cannot_be_run_is_told_about_all_the_same() {
    let (_folder, path) = patched(&[("@0.2.0", "@7.3.1")]);
    let told = inspect_json(&path);
    assert_eq!(told["wit"], json!(["7.3.1"]));
    assert_eq!(told["hooks"].as_array().map(Vec::len), Some(5));
    assert_eq!(told["hooks"][0], "access@7.3.1");
    assert_eq!(told["producers"]["language"], json!({ "Rust": "" }));
}
