//! `wproxy plugin build`

use crate::plugin::{Manifest, toolchain};
use anyhow::Context as _;
use clap::Args;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Plugins' folders: each has a plugin.toml, and a Cargo.toml (Rust), *.c (C), package.json
    /// (JavaScript) or *.py (Python)
    #[arg(default_value = ".", value_name = "DIR")]
    folders: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments
        .folders
        .iter()
        .try_for_each(|folder| build(folder))
}

fn build(folder: &Path) -> anyhow::Result<()> {
    let manifest = Manifest::read(folder)?;
    let path = manifest.component_file(folder)?;
    let into = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    let component = toolchain::build(folder, &manifest.grants)?;
    write_whole(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
    let (name, path, size) = (&manifest.name, path.display(), component.len() >> 10);
    writeln!(anstream::stdout(), "{name}: {path} ({size} KB)")?;
    Ok(())
}

/// Whoever watches the file sees the old or the new one, never half of it.
fn write_whole(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let new = path.with_added_extension("new");
    std::fs::write(&new, octets)?;
    std::fs::rename(new, path)
}
