//! Invariants of `host/lib.rs` that the source shows: who names what.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source of the host, by its path there.
fn sources(folder: &Path, all: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            None => sources(&path, all),
            Some(extension) if extension == "rs" => {
                let text = fs::read_to_string(&path).unwrap();
                all.push((path, text));
            }
            Some(_) => {}
        }
    }
}

#[test]
fn what_is_for_few_modules_is_named_in_no_other() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("host");
    let mut all = Vec::new();
    sources(&host, &mut all);
    let options = [
        "listen",
        "client",
        "upstream/connect",
        "control/socket",
        "http/writer",
    ];
    let descriptors = ["control/socket", "helper/process", "log/writer"];
    for (word, modules) in [
        ("wasmtime::", &["plugin"][..]),
        ("set_nodelay", &options),
        ("set_reuse_address", &options),
        ("set_linger", &options),
        ("SockRef", &options),
        ("socket2::", &options),
        ("OwnedFd", &descriptors),
        ("BorrowedFd", &descriptors),
        ("RawFd", &descriptors),
        ("as_fd()", &descriptors),
    ] {
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let named = all.iter().filter(|(_, text)| {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            code.lines().filter(is_code).any(|line| line.contains(word))
        });
        for (path, _) in named {
            let path = path.strip_prefix(&host).unwrap().with_extension("");
            let may = modules.iter().any(|module| path.starts_with(module));
            assert!(may, "host/{}.rs names {word}", path.display());
        }
    }
}
