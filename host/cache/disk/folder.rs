//! The folder of the store: its lock, and what its files are called.
//!
//! ```text
//! lock                   held while a proxy uses the folder; the process's number is in it
//! seed                   by which keys become digests
//! tmp/0000000000000001   an object under way
//! a7/a7c3…               an object: 32 digits of its digest, in a folder of the first two
//! ```

use super::format::{Digest, Seed};
use super::health;
use super::index::Found;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _, OpenOptions};
use cap_std::fs::{Metadata, OpenOptionsExt as _};
use rustix::fs::OFlags;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

const LOCK: &str = "lock";
const SEED: &str = "seed";
const TEMPORARY: &str = "tmp";
/// What the store needs for itself.
const OWN: [&str; 3] = [LOCK, SEED, TEMPORARY];

#[derive(Debug)]
pub(super) struct Folder {
    dir: Dir,
    path: PathBuf,
    seed: Seed,
    last_temporary: AtomicU64,
    lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there, and cannot be made.
    #[error("the folder {} of the disk cache cannot be created: {why}; {}", .folder.display(), super::health::advice(.why))]
    Create {
        /// As the settings name it.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// It cannot be opened, or nothing can be made in it.
    #[error("the folder {} of the disk cache cannot be used: {why}; {}", .folder.display(), super::health::advice(.why))]
    Open {
        /// As the settings name it.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Another proxy uses it.
    #[error("the folder {} is the disk cache of another proxy that runs{}: give each a folder of its own", .folder.display(), of_process(.holder))]
    Locked {
        /// As the settings name it.
        folder: PathBuf,
        /// The process's number, where it is known.
        holder: Option<u32>,
    },
    /// The thread that looks after the store cannot be started.
    #[error("the disk cache cannot start its thread: {0}")]
    Thread(io::Error),
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) file: Arc<File>,
    name: String,
}

/// Which file it is, whatever it is called by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// A file that seems to be an object.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) found: Found,
    pub(super) modified: SystemTime,
}

/// What the store has not put there.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    pub(super) count: u64,
    pub(super) first: Option<String>,
}

// === impl Folder ===

impl Folder {
    /// Opens the folder, or makes it, for this process alone.
    pub(super) fn open(path: &Path) -> Result<Folder, OpenError> {
        let folder = || path.to_owned();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|why| OpenError::Create {
                folder: folder(),
                why,
            })?;
        let unusable = |why| OpenError::Open {
            folder: folder(),
            why,
        };
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(unusable)?;
        let mut lock = open_lock(&dir).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = lock.read_to_string(&mut holder);
                return Err(OpenError::Locked {
                    folder: folder(),
                    holder: read.ok().and_then(|_| holder.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
        }
        // Of use for a message alone: a full disk may do without.
        let _ = dir.write(LOCK, format!("{}\n", std::process::id()));
        let seed = match read_seed(&dir).map_err(unusable)? {
            Some(seed) => seed,
            None => new_seed(&dir, path).map_err(unusable)?,
        };
        Ok(Folder {
            dir,
            path: folder(),
            seed,
            last_temporary: AtomicU64::new(0),
            lock,
        })
    }

    pub(super) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// What an object with that key is called here.
    pub(super) fn digest(&self, key: &[u8]) -> Digest {
        self.seed.digest(key)
    }

    /// Removes what earlier runs have left half-written.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let entries = match self.dir.read_dir(TEMPORARY) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if is_temporary(&entry.file_name().to_string_lossy()) {
                entry.remove_file()?;
            }
        }
        Ok(())
    }

    /// A new file, which is to be [placed](Self::place) or [discarded](Self::discard).
    pub(super) fn temporary(&self) -> io::Result<Temporary> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        loop {
            let number = self.last_temporary.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY}/{number:016x}");
            match self.dir.open_with(&name, &options) {
                Ok(file) => {
                    let file = Arc::new(file.into_std());
                    return Ok(Temporary { file, name });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => self.make(TEMPORARY)?,
                // A sweep has failed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// It becomes the object, in place of the one that is there.
    pub(super) fn place(&self, temporary: &Temporary, digest: &Digest) -> io::Result<()> {
        let path = digest.path();
        match self.dir.rename(&temporary.name, &self.dir, &path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make(&shard(digest.shard()))?;
                self.dir.rename(&temporary.name, &self.dir, &path)
            }
            placed => placed,
        }
    }

    pub(super) fn discard(&self, temporary: &Temporary) -> io::Result<()> {
        self.dir.remove_file(&temporary.name)
    }

    fn make(&self, folder: &str) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match self.dir.create_dir_with(folder, &builder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Opens the file of an object, to read it.
    pub(super) fn object(&self, digest: &Digest) -> io::Result<Option<File>> {
        self.open_object(digest, OpenOptions::new().read(true))
    }

    /// Opens the file of an object, to write to it.
    pub(super) fn object_to_write(&self, digest: &Digest) -> io::Result<Option<File>> {
        self.open_object(digest, OpenOptions::new().write(true))
    }

    fn open_object(&self, digest: &Digest, options: &mut OpenOptions) -> io::Result<Option<File>> {
        // Nobody else is to put a link or a pipe there; where somebody did, nothing hangs.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
        match self.dir.open_with(digest.path(), options) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            file => Ok(Some(file?.into_std())),
        }
    }

    /// Whether the object's file is this one.
    pub(super) fn is(&self, digest: &Digest, identity: Identity) -> bool {
        let file = self.dir.symlink_metadata(digest.path());
        file.is_ok_and(|file| Identity::found(&file) == identity)
    }

    /// Whether it was there.
    pub(super) fn unlink(&self, digest: &Digest) -> io::Result<bool> {
        match self.dir.remove_file(digest.path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Whether nothing is there but what the store itself needs.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            if !OWN.iter().any(|own| name == *own) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is there beside folders of objects and what the store itself needs.
    pub(super) fn foreign(&self) -> io::Result<Foreign> {
        let mut foreign = Foreign::default();
        for entry in self.dir.entries()? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_shard = u8::from_str_radix(&name, 16).is_ok_and(|number| shard(number) == name);
            if !is_shard && !OWN.contains(&&*name) {
                foreign.add(name);
            }
        }
        Ok(foreign)
    }

    /// The objects of one folder.
    pub(super) fn list(&self, number: u8, foreign: &mut Foreign) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let entries = match self.dir.read_dir(shard(number)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(listed),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(Digest::parse);
            let digest = digest.filter(|digest| digest.shard() == number);
            let file = match entry.metadata() {
                // It has just been removed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                file => file?,
            };
            match digest.filter(|_| file.is_file()) {
                Some(digest) => listed.push(Listed {
                    found: Found {
                        digest,
                        file: file.len(),
                    },
                    modified: file.modified()?.into_std(),
                }),
                None => foreign.add(format!("{}/{}", shard(number), name.to_string_lossy())),
            }
        }
        Ok(listed)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // To close it is not enough: a process that is just being started may hold it for a moment.
        let _ = self.lock.unlock();
    }
}

/// Opened to read alone: it is not what keeps a file system from being made read-only.
fn open_lock(dir: &Dir) -> io::Result<File> {
    let lock = match dir.open(LOCK) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(0o600);
            dir.open_with(LOCK, &options)?;
            dir.open(LOCK)
        }
        lock => lock,
    };
    lock.map(cap_std::fs::File::into_std)
}

/// None where it is missing or torn, as after a power cut.
fn read_seed(dir: &Dir) -> io::Result<Option<Seed>> {
    match dir.read(SEED) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => Ok(Seed::parse(&text?)),
    }
}

/// Objects that were named by another seed are no longer found, and are evicted in their turn.
fn new_seed(dir: &Dir, path: &Path) -> io::Result<Seed> {
    let seed = Seed::random()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = dir.open_with(SEED, &options);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{seed}")) {
        let (path, advice) = (path.display(), health::advice(&error));
        tracing::warn!(
            "the disk cache {path} cannot write down its seed: {error}; what is stored now is not found after a restart; {advice}"
        );
    }
    Ok(seed)
}

fn shard(number: u8) -> String {
    format!("{number:02x}")
}

fn is_temporary(name: &str) -> bool {
    name.len() == 16 && u64::from_str_radix(name, 16).is_ok()
}

fn of_process(holder: &Option<u32>) -> String {
    holder.map_or_else(String::new, |holder| format!(" (process {holder})"))
}

// === impl Identity ===

impl Identity {
    pub(super) fn of(file: &fs::Metadata) -> Identity {
        Identity {
            device: file.dev(),
            inode: file.ino(),
        }
    }

    fn found(file: &Metadata) -> Identity {
        Identity {
            device: file.dev(),
            inode: file.ino(),
        }
    }
}

// === impl Foreign ===

impl Foreign {
    fn add(&mut self, name: String) {
        self.count += 1;
        self.first.get_or_insert(name);
    }
}
