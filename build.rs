//! Puts into the binary the default plugins, which it builds: `wproxy run` alone is enough. And the
//! sources of interface and SDK: `wproxy plugin new` needs no other repository.

#[path = "host/plugin/toolchain/rust.rs"]
mod rust;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const PLUGINS: [&str; 3] = ["access-policy", "header-scrub", "cache-rules"];

fn main() -> anyhow::Result<()> {
    for path in [
        "wit",
        "host/plugin/toolchain/rust.rs",
        "Cargo.lock",
        "Cargo.toml",
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    // Not all of plugins/: `wproxy plugin build` puts its components there.
    for folder in PLUGINS.iter().chain(&["sdk"]) {
        println!("cargo::rerun-if-changed=plugins/{folder}/src");
        println!("cargo::rerun-if-changed=plugins/{folder}/Cargo.toml");
    }
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Cargo holds the lock of its own target folder while this runs. Every profile and
    // `wproxy plugin build` share this one, so the plugins are compiled once.
    let target = root.join("target/plugins");
    let mut table = "&[\n".to_owned();
    for name in PLUGINS {
        let folder = root.join("plugins").join(name);
        let component = out.join(format!("{name}.wasm"));
        std::fs::write(
            &component,
            rust::build(&folder, rust::TARGET, Some(&target))?,
        )?;
        let manifest = folder.join("plugin.toml");
        writeln!(
            table,
            "BuiltIn {{ name: {name:?}, manifest: include_str!({}), component: include_bytes!({}) }},",
            quoted(&manifest),
            quoted(&component)
        )?;
    }
    table.push_str("]\n");
    std::fs::write(out.join("built_in.rs"), table)?;
    std::fs::write(out.join("wit.rs"), sources(&root.join("wit"))?)?;
    std::fs::write(out.join("sdk.rs"), sources(&root.join("plugins/sdk/src"))?)?;
    Ok(())
}

/// A table of what the files in that folder are called, and what is in them.
fn sources(folder: &Path) -> anyhow::Result<String> {
    let mut table = "&[\n".to_owned();
    for file in files(folder)? {
        let name = file.strip_prefix(folder)?;
        writeln!(
            table,
            "({}, include_str!({})),",
            quoted(name),
            quoted(&file)
        )?;
    }
    table.push_str("]\n");
    Ok(table)
}

/// All files in that folder and below it, in order.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
