//! What plugin authors do: begin a plugin, build it, run it; in each language.

mod examples;
mod projects;
mod readme;
mod runtime;
mod tools;

use crate::support::wproxy;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What the tools of a language make, and no source.
const MADE: [&str; 6] = [
    "target",
    "node_modules",
    ".venv",
    "bindings",
    "package-lock.json",
    "__pycache__",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of that name for a test's plugins: always the same, so that cargo finds its work again.
/// It is empty.
fn workshop(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("authors")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// `wproxy plugin`, with its tools' work and downloads kept below `target/`.
fn plugin(arguments: &[&str], folder: &Path) -> Output {
    let work = root().join("target/plugins");
    let mut command = wproxy();
    command
        .arg("plugin")
        .args(arguments)
        .current_dir(folder)
        .env("npm_config_cache", work.join("npm"))
        .env("PIP_CACHE_DIR", work.join("pip"))
        .env("CARGO_TARGET_DIR", work);
    command.output().expect("wproxy runs")
}

/// stdout of what has to succeed.
fn good(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What `wproxy plugin test` says of a folder whose cases all have to hold.
fn tried(folder: &Path) -> String {
    let output = plugin(&["test"], folder);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// stderr of what has to fail, with nothing said to have been made.
fn bad(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// Builds the plugin in that folder. Most languages take their time: what was built before of the
/// same sources, by the same tools, is taken as it was. Gives what was said then, stderr first.
fn build(folder: &Path) -> String {
    let manifest = fs::read_to_string(folder.join("plugin.toml")).expect("a manifest");
    let manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
    let component = folder.join(manifest["component"].as_str().expect("text"));
    let kept = root().join("target/plugins/built").join(content(folder));
    if fs::copy(kept.join("component.wasm"), &component).is_ok() {
        return fs::read_to_string(kept.join("said")).expect("written before");
    }
    let output = plugin(&["build"], folder);
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    let made = good(output);
    let size = fs::metadata(&component).expect("a component").len() >> 10;
    let name = manifest["name"].as_str().expect("text");
    let file = component.file_name().expect("a name").display();
    assert_eq!(made, format!("{name}: ./{file} ({size} KB)\n"));
    said.push_str(&made);
    fs::create_dir_all(&kept).expect("a folder");
    fs::write(kept.join("said"), &said).expect("a file");
    // Whoever else builds the same finds all of it or nothing.
    let half = kept.join(format!("{}.half", std::process::id()));
    fs::copy(&component, &half).expect("a file");
    fs::rename(half, kept.join("component.wasm")).expect("one folder");
    said
}

/// A digest of what a component is made of: sources, tools and what calls them.
fn content(folder: &Path) -> String {
    let mut hasher = Sha256::new();
    let toolchain = root().join("host/plugin");
    for (base, path) in [
        (folder, folder.to_owned()),
        (&toolchain, toolchain.join("toolchain.rs")),
        (&toolchain, toolchain.join("toolchain")),
    ] {
        for file in files(&path) {
            if file.starts_with(base.join("cases")) || file.ends_with("README.md") {
                continue;
            }
            let name = file.strip_prefix(base).expect("below it");
            let content = fs::read(&file).expect("a file");
            hasher.update(format!("{} {}\n", name.display(), content.len()));
            hasher.update(content);
        }
    }
    hasher.update(fs::read(root().join("Cargo.lock")).expect("a file"));
    hasher.update(versions());
    let digest = hasher.finalize();
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The sources there, in order; links are followed.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name in UTF-8");
        !MADE.contains(&name) && !name.ends_with(".wasm")
    });
    paths.sort();
    paths.iter().flat_map(|path| files(path)).collect()
}

/// The versions of the tools that are not in a project's own folder.
fn versions() -> &'static str {
    static VERSIONS: OnceLock<String> = OnceLock::new();
    VERSIONS.get_or_init(|| {
        let tools = ["rustc", "clang", "wasm-ld", "node", "npm", "python3"];
        let version = |tool: &str| {
            let output = Command::new(tool).arg("--version").output();
            let output = output.unwrap_or_else(|error| panic!("{tool}: {error}: make tools"));
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        tools.map(version).concat()
    })
}

/// Compiles and configures what is in that folder of plugins, before a proxy has to be ready soon.
/// Gives what is in the log of that.
fn compile(plugins: &Path, settings: &str) -> String {
    let file = plugins.join("wproxy.toml");
    fs::write(&file, settings).expect("a file");
    let mut check = wproxy();
    check.arg("check").arg("--config").arg(&file);
    check.arg("--plugins").arg(plugins);
    let output = check.output().expect("it runs");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    good(output);
    log
}
