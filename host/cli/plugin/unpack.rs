//! `wproxy plugin unpack`

use crate::generation::{BUILT_IN, BuiltIn};
use crate::plugin::{Component, Manifest};
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(super) fn unpack(folder: &Path) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for plugin in BUILT_IN {
        let place = folder.join(plugin.name);
        // Before the first one is written. A link is there, wherever it leads.
        if place.symlink_metadata().is_ok() {
            bail!(
                "{} exists already: nothing was written\nhelp: name another folder, or move it away",
                place.display()
            );
        }
        files.extend(contents(plugin, &place)?);
    }
    let mut out = anstream::stdout();
    for (path, content) in files {
        let unwritable = || format!("cannot write {}", path.display());
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).with_context(unwritable)?;
        }
        let file = File::create_new(&path).and_then(|mut file| file.write_all(content));
        file.with_context(unwritable)?;
        writeln!(out, "wrote {}", path.display())?;
    }
    writeln!(out, "next:\n  wproxy check --plugins {}", folder.display())?;
    Ok(())
}

/// The files of a plugin, in that place.
fn contents(plugin: &BuiltIn, place: &Path) -> anyhow::Result<[(PathBuf, &'static [u8]); 2]> {
    let Component::File(component) = Manifest::from_source(&plugin.source())?.component else {
        bail!("the built-in plugin {} names no file", plugin.name);
    };
    Ok([
        (place.join("plugin.toml"), plugin.manifest.as_bytes()),
        (place.join(component), plugin.component),
    ])
}
