//! Plugins as they stand on disk, or in the binary.

use super::Unbuilt;
use crate::config::{Mistake, Source};
use crate::plugin::Manifest;
use std::borrow::Cow;
use std::path::Path;

/// Reads every sub-folder that has a `plugin.toml`.
pub(super) fn read(folder: &Path) -> Result<Vec<Unbuilt>, Mistake> {
    let unreadable = |error: &std::io::Error| {
        Mistake::new(format!(
            "cannot read the plugin folder {}: {error}",
            folder.display()
        ))
    };
    let mut candidates = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&error))? {
        let path = entry.map_err(|error| unreadable(&error))?.path();
        if path.join("plugin.toml").is_file() {
            candidates.push(candidate(&path)?);
        }
    }
    if candidates.is_empty() {
        let mistake = format!("no plugin in {}", folder.display());
        return Err(Mistake::new(mistake).help("each sub-folder with a plugin.toml is one"));
    }
    Ok(candidates)
}

pub(super) fn candidate(folder: &Path) -> Result<Unbuilt, Mistake> {
    let manifest = Manifest::read(folder)?;
    let component = manifest.read_component(folder)?.into();
    Ok(Unbuilt {
        manifest,
        component,
    })
}

/// A plugin that the binary carries.
pub struct BuiltIn {
    /// Its name, which is that of its folder.
    pub name: &'static str,
    /// Its `plugin.toml`.
    pub manifest: &'static str,
    /// Its component's octets.
    pub component: &'static [u8],
}

/// All of them: the build script makes the table.
pub const BUILT_IN: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

// === impl BuiltIn ===

impl BuiltIn {
    /// Its manifest, as people call it.
    pub fn source(&self) -> Source {
        let name = format!("(built in) {}/plugin.toml", self.name);
        Source::new(&name, self.manifest)
    }
}

pub(super) fn built_in() -> Result<Vec<Unbuilt>, Mistake> {
    let built_in = BUILT_IN.iter().map(|plugin| {
        Ok(Unbuilt {
            manifest: Manifest::from_source(&plugin.source())?,
            component: Cow::Borrowed(plugin.component),
        })
    });
    built_in.collect()
}
