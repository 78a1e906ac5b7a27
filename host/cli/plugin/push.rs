//! `wproxy plugin push`

use crate::plugin::Manifest;
use crate::plugin::registry::{Artifact, Reference, Registry};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use std::io::Write as _;
use std::path::Path;

/// Pushes the built component of the plugin in that folder, and prints the reference that names
/// it for good.
pub(super) fn push(folder: &Path, name: &str) -> anyhow::Result<()> {
    let reference = name.parse().map_err(anyhow::Error::msg)?;
    writable(&reference)?;
    let manifest = Manifest::read(folder)?;
    let file = manifest.component_file(folder)?;
    let component = manifest.read_component(folder)?;
    let size = component.len().div_ceil(1 << 10);
    let artifact = Artifact::new(component, made(&file))
        .with_context(|| format!("{} cannot be pushed", file.display()))?;
    let pinned = Registry::usual()
        .push(&reference, &artifact)
        .with_context(|| format!("plugin `{}` cannot be pushed", manifest.name))?;
    tracing::info!("plugin `{}`: pushed ({size} KB)", manifest.name);
    writeln!(anstream::stdout(), "{pinned}")?;
    Ok(())
}

/// Whether that can be a new name for something: one that people can tell from others.
fn writable(reference: &Reference) -> anyhow::Result<()> {
    if reference.digest().is_some() {
        bail!("the digest in {reference} comes of what is pushed\nhelp: leave it out");
    }
    if reference.tag().is_none() {
        bail!("{reference} has no tag\nhelp: give it its version, as {reference}:1.0");
    }
    Ok(())
}

/// When the component was made: a second push of it is to have the digest of the first.
fn made(file: &Path) -> Timestamp {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    let modified = modified
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    modified.unwrap_or(Timestamp::UNIX_EPOCH)
}
