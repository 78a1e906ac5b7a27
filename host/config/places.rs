//! Where things are that no setting names.

use std::path::{Path, PathBuf};

/// A folder of that name in `/var/cache/wproxy` for a service, in `$XDG_CACHE_HOME/wproxy` for a
/// person. Each purpose has its own: wasmtime removes from its cache what it does not know.
pub fn cache_directory(name: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = variable("CACHE_DIRECTORY")
        .map(PathBuf::from)
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| Path::new(&cache).join("wproxy")))
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/wproxy")))
        .unwrap_or_else(|| "/var/cache/wproxy".into());
    directory.is_absolute().then(|| directory.join(name))
}
