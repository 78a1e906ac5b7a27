//! The types of `wasi:filesystem/types`, cases and fields in its order.

use super::super::clocks::Datetime;
use cap_std::fs::{FileType, Metadata, MetadataExt as _};
use rustix::io::Errno;
use wasmtime::component::{ComponentType, Lift, Lower, flags};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "WASI has more errors than reading brings about")]
pub(in super::super) enum ErrorCode {
    #[component(name = "access")]
    Access,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "already")]
    Already,
    #[component(name = "bad-descriptor")]
    BadDescriptor,
    #[component(name = "busy")]
    Busy,
    #[component(name = "deadlock")]
    Deadlock,
    #[component(name = "quota")]
    Quota,
    #[component(name = "exist")]
    Exist,
    #[component(name = "file-too-large")]
    FileTooLarge,
    #[component(name = "illegal-byte-sequence")]
    IllegalByteSequence,
    #[component(name = "in-progress")]
    InProgress,
    #[component(name = "interrupted")]
    Interrupted,
    #[component(name = "invalid")]
    Invalid,
    #[component(name = "io")]
    Io,
    #[component(name = "is-directory")]
    IsDirectory,
    #[component(name = "loop")]
    Loop,
    #[component(name = "too-many-links")]
    TooManyLinks,
    #[component(name = "message-size")]
    MessageSize,
    #[component(name = "name-too-long")]
    NameTooLong,
    #[component(name = "no-device")]
    NoDevice,
    #[component(name = "no-entry")]
    NoEntry,
    #[component(name = "no-lock")]
    NoLock,
    #[component(name = "insufficient-memory")]
    InsufficientMemory,
    #[component(name = "insufficient-space")]
    InsufficientSpace,
    #[component(name = "not-directory")]
    NotDirectory,
    #[component(name = "not-empty")]
    NotEmpty,
    #[component(name = "not-recoverable")]
    NotRecoverable,
    #[component(name = "unsupported")]
    Unsupported,
    #[component(name = "no-tty")]
    NoTty,
    #[component(name = "no-such-device")]
    NoSuchDevice,
    #[component(name = "overflow")]
    Overflow,
    #[component(name = "not-permitted")]
    NotPermitted,
    #[component(name = "pipe")]
    Pipe,
    #[component(name = "read-only")]
    ReadOnly,
    #[component(name = "invalid-seek")]
    InvalidSeek,
    #[component(name = "text-file-busy")]
    TextFileBusy,
    #[component(name = "cross-device")]
    CrossDevice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(
    dead_code,
    reason = "what is no file, directory or link is unknown here"
)]
pub(super) enum DescriptorType {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "block-device")]
    BlockDevice,
    #[component(name = "character-device")]
    CharacterDevice,
    #[component(name = "directory")]
    Directory,
    #[component(name = "fifo")]
    Fifo,
    #[component(name = "symbolic-link")]
    SymbolicLink,
    #[component(name = "regular-file")]
    RegularFile,
    #[component(name = "socket")]
    Socket,
}

#[derive(Debug, Clone, Copy, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only read, and taken no notice of")]
pub(super) enum Advice {
    #[component(name = "normal")]
    Normal,
    #[component(name = "sequential")]
    Sequential,
    #[component(name = "random")]
    Random,
    #[component(name = "will-need")]
    WillNeed,
    #[component(name = "dont-need")]
    DontNeed,
    #[component(name = "no-reuse")]
    NoReuse,
}

flags! {
    DescriptorFlags {
        #[component(name = "read")]
        const READ;
        #[component(name = "write")]
        const WRITE;
        #[component(name = "file-integrity-sync")]
        const FILE_INTEGRITY_SYNC;
        #[component(name = "data-integrity-sync")]
        const DATA_INTEGRITY_SYNC;
        #[component(name = "requested-write-sync")]
        const REQUESTED_WRITE_SYNC;
        #[component(name = "mutate-directory")]
        const MUTATE_DIRECTORY;
    }
}

flags! {
    PathFlags {
        #[component(name = "symlink-follow")]
        const SYMLINK_FOLLOW;
    }
}

flags! {
    OpenFlags {
        #[component(name = "create")]
        const CREATE;
        #[component(name = "directory")]
        const DIRECTORY;
        #[component(name = "exclusive")]
        const EXCLUSIVE;
        #[component(name = "truncate")]
        const TRUNCATE;
    }
}

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
pub(super) enum NewTimestamp {
    #[component(name = "no-change")]
    NoChange,
    #[component(name = "now")]
    Now,
    #[component(name = "timestamp")]
    Timestamp(Datetime),
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct DescriptorStat {
    #[component(name = "type")]
    kind: DescriptorType,
    #[component(name = "link-count")]
    link_count: u64,
    size: u64,
    #[component(name = "data-access-timestamp")]
    accessed: Option<Datetime>,
    #[component(name = "data-modification-timestamp")]
    modified: Option<Datetime>,
    #[component(name = "status-change-timestamp")]
    changed: Option<Datetime>,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct DirectoryEntry {
    #[component(name = "type")]
    pub(super) kind: DescriptorType,
    pub(super) name: String,
}

/// The same for the same file, and for that alone.
#[derive(ComponentType, Lower, Lift, PartialEq, Eq)]
#[component(record)]
pub(super) struct MetadataHash {
    lower: u64,
    upper: u64,
}

// === impl ErrorCode ===

impl From<&std::io::Error> for ErrorCode {
    fn from(error: &std::io::Error) -> ErrorCode {
        // cap-std says so itself, without an error of the system's: the path leads outside.
        let Some(errno) = Errno::from_io_error(error) else {
            return ErrorCode::NotPermitted;
        };
        match errno {
            Errno::ACCESS => ErrorCode::Access,
            Errno::INVAL => ErrorCode::Invalid,
            Errno::ISDIR => ErrorCode::IsDirectory,
            Errno::LOOP => ErrorCode::Loop,
            Errno::NAMETOOLONG => ErrorCode::NameTooLong,
            Errno::NOENT => ErrorCode::NoEntry,
            Errno::NOMEM | Errno::MFILE | Errno::NFILE => ErrorCode::InsufficientMemory,
            Errno::NOTDIR => ErrorCode::NotDirectory,
            Errno::PERM => ErrorCode::NotPermitted,
            Errno::NXIO | Errno::NODEV => ErrorCode::NoDevice,
            _ => ErrorCode::Io,
        }
    }
}

impl From<std::io::Error> for ErrorCode {
    fn from(error: std::io::Error) -> ErrorCode {
        ErrorCode::from(&error)
    }
}

// === impl DescriptorType ===

impl From<FileType> for DescriptorType {
    fn from(kind: FileType) -> DescriptorType {
        match kind {
            kind if kind.is_file() => DescriptorType::RegularFile,
            kind if kind.is_dir() => DescriptorType::Directory,
            kind if kind.is_symlink() => DescriptorType::SymbolicLink,
            _ => DescriptorType::Unknown,
        }
    }
}

// === impl DescriptorStat ===

impl From<&Metadata> for DescriptorStat {
    fn from(metadata: &Metadata) -> DescriptorStat {
        let time = |time: std::io::Result<cap_std::time::SystemTime>| {
            time.ok().map(|time| Datetime::from(time.into_std()))
        };
        DescriptorStat {
            kind: metadata.file_type().into(),
            link_count: metadata.nlink(),
            size: metadata.len(),
            accessed: time(metadata.accessed()),
            modified: time(metadata.modified()),
            changed: None,
        }
    }
}

// === impl MetadataHash ===

impl From<&Metadata> for MetadataHash {
    fn from(metadata: &Metadata) -> MetadataHash {
        let mut which = [0; 16];
        which[..8].copy_from_slice(&metadata.dev().to_le_bytes());
        which[8..].copy_from_slice(&metadata.ino().to_le_bytes());
        let hash = xxhash_rust::xxh3::xxh3_128(&which).to_le_bytes();
        let half = |at: usize| {
            let half = hash[at..at + 8].try_into();
            u64::from_le_bytes(half.expect("eight octets of sixteen"))
        };
        MetadataHash {
            lower: half(0),
            upper: half(8),
        }
    }
}
