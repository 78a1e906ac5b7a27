//! Where the component is that a manifest names, and whether it is the one that it means.

use super::digest::Digest;
use super::manifest::Manifest;
use super::registry::{Reference, Registry, SCHEME};
use crate::config::Mistake;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// Its file, beside the manifest if relative.
    File(PathBuf),
    /// `oci://...`: in a registry.
    Registry(Reference),
}

// === impl Component ===

impl Component {
    /// What `component` says.
    ///
    /// # Errors
    /// It begins as a reference to a registry and is none.
    pub(super) fn parse(text: &str) -> Result<Component, String> {
        match text.starts_with(SCHEME) {
            true => text.parse().map(Component::Registry),
            false => Ok(Component::File(text.into())),
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Component::File(path) => path.display().fmt(f),
            Component::Registry(reference) => reference.fmt(f),
        }
    }
}

// === impl Manifest ===

impl Manifest {
    /// The octets of its component: from the file beside it, which is in that folder, or from the
    /// registry. Where the manifest has their digest, they have it.
    ///
    /// # Errors
    /// Why they cannot be had, or that they are others.
    pub fn read_component(&self, folder: &Path) -> Result<Vec<u8>, Mistake> {
        let octets = match &self.component {
            Component::File(_) => self.read_file(folder)?,
            Component::Registry(reference) => {
                let pulled = Registry::usual().pull(&self.name, reference);
                pulled.map_err(|trouble| {
                    let what = format!(
                        "plugin `{}`: its component cannot be pulled: {}",
                        self.name, trouble.what
                    );
                    self.component_mistake(what).help(trouble.help)
                })?
            }
        };
        self.check_digest(&octets)?;
        Ok(octets)
    }

    /// The file in that folder that is its component: what a build writes.
    ///
    /// # Errors
    /// The component is in a registry.
    pub fn component_file(&self, folder: &Path) -> Result<PathBuf, Mistake> {
        match &self.component {
            Component::File(path) => Ok(folder.join(path)),
            Component::Registry(_) => Err(self
                .component_mistake("a file is wanted here: the component is in a registry already")
                .help(format!("component = \"{}.wasm\"", self.name))),
        }
    }

    fn read_file(&self, folder: &Path) -> Result<Vec<u8>, Mistake> {
        let path = self.component_file(folder)?;
        std::fs::read(&path).map_err(|error| {
            let what = format!("cannot read the component {}: {error}", path.display());
            let mistake = self.component_mistake(what);
            match error.kind() {
                ErrorKind::NotFound => mistake.help(format!(
                    "build it: wproxy plugin build {}",
                    folder.display()
                )),
                _ => mistake,
            }
        })
    }

    fn check_digest(&self, octets: &[u8]) -> Result<(), Mistake> {
        let Some(wanted) = &self.digest else {
            return Ok(());
        };
        let found = Digest::of(octets);
        if found == *wanted.get_ref() {
            return Ok(());
        }
        let what = format!(
            "plugin `{}`: its component is another one than this: its digest is {found}, not {}",
            self.name,
            wanted.get_ref()
        );
        Err(self.digest_mistake(what).help(format!(
            "if {} is meant to have changed: digest = \"{found}\"",
            self.component
        )))
    }
}
