//! Builds the default plugins and puts them into the binary: `wproxy run` alone is enough.

#[path = "host/plugin/toolchain.rs"]
mod toolchain;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const PLUGINS: [&str; 3] = ["access-policy", "header-scrub", "cache-rules"];

fn main() -> anyhow::Result<()> {
    for path in [
        "wit",
        "host/plugin/toolchain.rs",
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
        std::fs::write(&component, toolchain::build_rust(&folder, Some(&target))?)?;
        let manifest = folder.join("plugin.toml");
        writeln!(
            table,
            "({name:?}, include_str!({}), include_bytes!({})),",
            quoted(&manifest),
            quoted(&component)
        )?;
    }
    table.push_str("]\n");
    std::fs::write(out.join("built_in.rs"), table)?;
    Ok(())
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
