//! `wasi:filesystem`: the directories that the manifest grants, to be read. Where none is granted
//! there are none, and so nothing to call the rest of it with.
//!
//! cap-std keeps every path within its directory, whatever dots and symbolic links are in it.
//! Whatever would write answers `read-only`.

mod types;

use super::io::{InputStream, IoError, OutputStream};
use super::{Call, Versioned};
use crate::plugin::state::State;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, FileExt as _, Metadata, OpenOptions, OpenOptionsExt as _, ReadDir};
use rustix::fs::OFlags;
use std::path::Path;
use std::sync::Arc;
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    MetadataHash, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower, Resource};

/// A directory that was granted.
#[derive(Debug)]
pub(in crate::plugin) struct Preopen {
    /// Its path for the guest.
    guest: String,
    directory: Arc<Dir>,
}

/// What a guest has opened.
pub(super) enum Descriptor {
    Directory(Arc<Dir>),
    File(Arc<File>),
}

/// A directory that is being listed.
pub(super) struct Entries(ReadDir);

type Answer<T> = Result<T, ErrorCode>;

/// Octets that are read at a time: a call of the host's must not take long.
pub(super) const MAX_READ: u64 = 64 << 10;

// === impl Preopen ===

impl Preopen {
    /// Opens a directory of the host's, which the guest knows by another path.
    pub(in crate::plugin) fn open(guest: &str, host: &Path) -> std::io::Result<Preopen> {
        Ok(Preopen {
            guest: guest.to_owned(),
            directory: Arc::new(Dir::open_ambient_dir(host, ambient_authority())?),
        })
    }
}

// === impl Descriptor ===

impl Descriptor {
    fn directory(&self) -> Answer<&Dir> {
        match self {
            Descriptor::Directory(directory) => Ok(directory),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    fn file(&self) -> Answer<&Arc<File>> {
        match self {
            Descriptor::Directory(_) => Err(ErrorCode::IsDirectory),
            Descriptor::File(file) => Ok(file),
        }
    }

    fn kind(&self) -> DescriptorType {
        match self {
            Descriptor::Directory(_) => DescriptorType::Directory,
            Descriptor::File(_) => DescriptorType::RegularFile,
        }
    }

    fn metadata(&self) -> Answer<Metadata> {
        Ok(match self {
            Descriptor::Directory(directory) => directory.dir_metadata()?,
            Descriptor::File(file) => file.metadata()?,
        })
    }

    fn metadata_at(&self, follow: PathFlags, path: &str) -> Answer<Metadata> {
        let directory = self.directory()?;
        Ok(match follow.contains(PathFlags::SYMLINK_FOLLOW) {
            true => directory.metadata(path)?,
            false => directory.symlink_metadata(path)?,
        })
    }

    fn open_at(
        &self,
        follow: PathFlags,
        path: &str,
        how: OpenFlags,
        wanted: DescriptorFlags,
    ) -> Answer<Descriptor> {
        let writes = DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY;
        let makes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if wanted.intersects(writes) || how.intersects(makes) {
            return Err(ErrorCode::ReadOnly);
        }
        let directory = self.directory()?;
        let found = self.metadata_at(follow, path)?;
        if found.is_dir() {
            let directory = directory.open_dir(path)?;
            return Ok(Descriptor::Directory(Arc::new(directory)));
        }
        if how.contains(OpenFlags::DIRECTORY) {
            return Err(ErrorCode::NotDirectory);
        }
        if found.is_symlink() {
            return Err(ErrorCode::Loop);
        }
        let mut options = OpenOptions::new();
        // A pipe that nobody writes to would have the worker wait.
        let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        options.read(true).custom_flags(without_waiting);
        let file = directory.open_with(path, &options)?;
        match file.metadata()?.is_file() {
            true => Ok(Descriptor::File(Arc::new(file))),
            false => Err(ErrorCode::Unsupported),
        }
    }

    fn read(&self, length: u64, offset: u64) -> Answer<(Vec<u8>, bool)> {
        let octets = read_at(self.file()?, length, offset)?;
        let end = octets.is_empty() && length > 0;
        Ok((octets, end))
    }

    fn entries(&self) -> Answer<Entries> {
        Ok(Entries(self.directory()?.entries()?))
    }

    /// Where a symbolic link leads, if that is within the directory.
    fn link(&self, path: &str) -> Answer<String> {
        let link = self.directory()?.read_link(path)?;
        let link = link.into_os_string().into_string();
        link.map_err(|_| ErrorCode::IllegalByteSequence)
    }
}

/// The octets there; none at the end.
pub(super) fn read_at(file: &File, length: u64, offset: u64) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(length.min(MAX_READ)).unwrap_or_default();
    let mut octets = vec![0; length];
    let read = file.read_at(&mut octets, offset)?;
    octets.truncate(read);
    Ok(octets)
}

// === impl Entries ===

impl Entries {
    fn next(&mut self) -> Answer<Option<DirectoryEntry>> {
        let Some(entry) = self.0.next().transpose()? else {
            return Ok(None);
        };
        let name = entry.file_name().into_string();
        Ok(Some(DirectoryEntry {
            kind: entry.file_type()?.into(),
            name: name.map_err(|_| ErrorCode::IllegalByteSequence)?,
        }))
    }
}

impl State {
    fn descriptor(&self, which: &Resource<Descriptor>) -> wasmtime::Result<&Descriptor> {
        Ok(self.wasi.table.get(which)?)
    }

    /// A handle where there is something to have one to.
    fn answer<T: Send + 'static>(
        &mut self,
        answer: Answer<T>,
    ) -> wasmtime::Result<(Answer<Resource<T>>,)> {
        Ok((match answer {
            Ok(what) => Ok(self.wasi.hold(what)?),
            Err(code) => Err(code),
        },))
    }
}

type This = Resource<Descriptor>;

pub(super) fn add_to_linker(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut preopens = linker.instance("wasi:filesystem/preopens")?;
    preopens.func_wrap("get-directories", |mut call: Call<'_>, (): ()| {
        let wasi = &mut call.data_mut().wasi;
        let granted = wasi.preopens.clone();
        let handles = granted.iter().map(|preopen| {
            let descriptor = Descriptor::Directory(preopen.directory.clone());
            Ok((wasi.hold(descriptor)?, preopen.guest.clone()))
        });
        Ok((handles.collect::<wasmtime::Result<Vec<_>>>()?,))
    })?;
    let types = &mut linker.instance("wasi:filesystem/types")?;
    opening(types)?;
    reading(types)?;
    looking(types)?;
    writing(types)
}

fn method(name: &str) -> String {
    format!("[method]descriptor.{name}")
}

fn opening(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        &method("open-at"),
        |mut call: Call<'_>,
         (this, follow, path, how, wanted): (
            This,
            PathFlags,
            String,
            OpenFlags,
            DescriptorFlags,
        )| {
            let opened = call.data().descriptor(&this)?;
            let opened = opened.open_at(follow, &path, how, wanted);
            call.data_mut().answer(opened)
        },
    )?;
    types.func_wrap(
        &method("read-directory"),
        |mut call: Call<'_>, (this,): (This,)| {
            let entries = call.data().descriptor(&this)?.entries();
            call.data_mut().answer(entries)
        },
    )?;
    types.func_wrap(
        "[method]directory-entry-stream.read-directory-entry",
        |mut call: Call<'_>, (entries,): (Resource<Entries>,)| {
            Ok((call.data_mut().wasi.table.get_mut(&entries)?.next(),))
        },
    )?;
    types.func_wrap(
        &method("read-via-stream"),
        |mut call: Call<'_>, (this, offset): (This, u64)| {
            let file = call.data().descriptor(&this)?.file().cloned();
            let stream = file.map(|file| InputStream::File { file, offset });
            call.data_mut().answer(stream)
        },
    )
}

fn reading(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        &method("read"),
        |call: Call<'_>, (this, length, offset): (This, u64, u64)| {
            Ok((call.data().descriptor(&this)?.read(length, offset),))
        },
    )?;
    types.func_wrap(
        &method("readlink-at"),
        |call: Call<'_>, (this, path): (This, String)| {
            Ok((call.data().descriptor(&this)?.link(&path),))
        },
    )?;
    types.func_wrap(
        &method("advise"),
        |_: Call<'_>, _: (This, u64, u64, Advice)| Ok((Ok::<(), ErrorCode>(()),)),
    )?;
    for name in ["sync", "sync-data"] {
        types.func_wrap(&method(name), |_: Call<'_>, (_,): (This,)| {
            Ok((Ok::<(), ErrorCode>(()),))
        })?;
    }
    types.func_wrap(
        "filesystem-error-code",
        |call: Call<'_>, (error,): (Resource<IoError>,)| {
            let error = &call.data().wasi.table.get(&error)?.0;
            Ok((Some(ErrorCode::from(error)),))
        },
    )
}

fn looking(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(&method("get-flags"), |_: Call<'_>, (_,): (This,)| {
        Ok((Ok::<_, ErrorCode>(DescriptorFlags::READ),))
    })?;
    types.func_wrap(&method("get-type"), |call: Call<'_>, (this,): (This,)| {
        let kind = call.data().descriptor(&this)?.kind();
        Ok((Ok::<_, ErrorCode>(kind),))
    })?;
    types.func_wrap(&method("stat"), |call: Call<'_>, (this,): (This,)| {
        let metadata = call.data().descriptor(&this)?.metadata();
        Ok((metadata.map(|found| DescriptorStat::from(&found)),))
    })?;
    types.func_wrap(
        &method("stat-at"),
        |call: Call<'_>, (this, follow, path): (This, PathFlags, String)| {
            let metadata = call.data().descriptor(&this)?.metadata_at(follow, &path);
            Ok((metadata.map(|found| DescriptorStat::from(&found)),))
        },
    )?;
    types.func_wrap(
        &method("metadata-hash"),
        |call: Call<'_>, (this,): (This,)| {
            let metadata = call.data().descriptor(&this)?.metadata();
            Ok((metadata.map(|found| MetadataHash::from(&found)),))
        },
    )?;
    types.func_wrap(
        &method("metadata-hash-at"),
        |call: Call<'_>, (this, follow, path): (This, PathFlags, String)| {
            let metadata = call.data().descriptor(&this)?.metadata_at(follow, &path);
            Ok((metadata.map(|found| MetadataHash::from(&found)),))
        },
    )?;
    types.func_wrap(
        &method("is-same-object"),
        |call: Call<'_>, (this, other): (This, This)| {
            let hash = |which: &This| -> wasmtime::Result<Option<MetadataHash>> {
                let metadata = call.data().descriptor(which)?.metadata();
                Ok(metadata.ok().map(|found| MetadataHash::from(&found)))
            };
            let (this, other) = (hash(&this)?, hash(&other)?);
            Ok((this.is_some() && this == other,))
        },
    )
}

/// Nothing is written here.
fn writing(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    refuse::<(This, u64), Resource<OutputStream>>(types, "write-via-stream")?;
    refuse::<(This,), Resource<OutputStream>>(types, "append-via-stream")?;
    refuse::<(This, Vec<u8>, u64), u64>(types, "write")?;
    refuse::<(This, u64), ()>(types, "set-size")?;
    refuse::<(This, NewTimestamp, NewTimestamp), ()>(types, "set-times")?;
    refuse::<(This, PathFlags, String, NewTimestamp, NewTimestamp), ()>(types, "set-times-at")?;
    refuse::<(This, PathFlags, String, This, String), ()>(types, "link-at")?;
    refuse::<(This, String, This, String), ()>(types, "rename-at")?;
    refuse::<(This, String, String), ()>(types, "symlink-at")?;
    for name in [
        "create-directory-at",
        "remove-directory-at",
        "unlink-file-at",
    ] {
        refuse::<(This, String), ()>(types, name)?;
    }
    Ok(())
}

fn refuse<Params, Return>(types: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()>
where
    Params: ComponentNamedList + Lift + 'static,
    Return: Lower + 'static,
{
    types.func_wrap(&method(name), |_: Call<'_>, _: Params| {
        Ok((Err::<Return, _>(ErrorCode::ReadOnly),))
    })
}
