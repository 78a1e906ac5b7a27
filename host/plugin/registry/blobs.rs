//! What has been pulled, on the disk, by digest. Nothing is believed: what is read is what its name
//! says, or it is not there.

use super::super::digest::Digest;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// A folder with a file for each digest. Whoever wants the space can remove any of them.
#[derive(Debug, Clone)]
pub(super) struct Blobs {
    folder: PathBuf,
    /// Octets: no file is larger.
    limit: u64,
}

// === impl Blobs ===

impl Blobs {
    /// In that folder, which is made when it is first needed.
    pub(super) fn new(folder: PathBuf, limit: u64) -> Blobs {
        Blobs { folder, limit }
    }

    /// What has that digest, if it is here and whole.
    pub(super) fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let octets = match read(&path, self.limit) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(
                    "cannot read {}: {error}; it is pulled again",
                    path.display()
                );
                return None;
            }
        };
        if Digest::of(&octets) != *digest {
            let path = path.display();
            tracing::warn!(
                "{path} is not what was pulled: damaged, or changed; it is pulled again"
            );
            return None;
        }
        Some(octets)
    }

    /// Keeps these octets. That it cannot is said, and no more: they are at hand.
    pub(super) fn put(&self, octets: &[u8]) {
        if let Err(error) = self.write(octets) {
            let folder = self.folder.display();
            tracing::warn!("{folder} cannot keep what was pulled, it is pulled again: {error}");
        }
    }

    /// Whole or not at all.
    fn write(&self, octets: &[u8]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(&Digest::of(octets));
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let written = fs::write(&temporary, octets).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // What cannot be written need not be there to be removed.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("sha256-{}", digest.hex()))
    }
}

/// At most one octet more than the limit: no such file has the digest.
fn read(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_what_its_digest_says_or_it_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("deep/blobs"), 10);
        let digest = Digest::of(b"octets");
        assert_eq!(blobs.get(&digest), None);
        blobs.put(b"octets");
        assert_eq!(blobs.get(&digest).as_deref(), Some(&b"octets"[..]));
        let files: Vec<_> = fs::read_dir(&blobs.folder).unwrap().flatten().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        for damage in [&b"octet"[..], b"0ctets", b"", b"octets and more of them"] {
            fs::write(blobs.path(&digest), damage).unwrap();
            assert_eq!(blobs.get(&digest), None, "{damage:?}");
        }
        blobs.put(b"octets");
        assert!(blobs.get(&digest).is_some());
        fs::remove_file(blobs.path(&digest)).unwrap();
        fs::create_dir(blobs.path(&digest)).unwrap();
        assert_eq!(blobs.get(&digest), None);
        // It cannot be written either: that is no failure of who has pulled it.
        blobs.put(b"octets");
        let files: Vec<_> = fs::read_dir(&blobs.folder).unwrap().flatten().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }
}
