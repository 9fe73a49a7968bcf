use serde::{Deserialize, Serialize};

/// Names an operation of a component's file system, as WASI 0.2 (`wasi:filesystem/types`) has it. Decoding refuses any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FileCall {
    /// Tells how a file will be read.
    Advise,
    /// Writes at the end of a file.
    Append,
    /// Creates a directory.
    CreateDirectoryAt,
    /// Asks how something was opened.
    GetFlags,
    /// Asks for the type of something that is open.
    GetType,
    /// Compares two open files.
    IsSameObject,
    /// Creates a hard link.
    LinkAt,
    /// Asks for a hash of the metadata of an open file.
    MetadataHash,
    /// Asks for a hash of the metadata at a path.
    MetadataHashAt,
    /// Opens for reading.
    OpenAt,
    /// Opens for writing, or creates.
    OpenAtForWriting,
    /// Reads a file.
    Read,
    /// Begins to list a directory.
    ReadDirectory,
    /// Reads one entry of a directory.
    ReadDirectoryEntry,
    /// Reads a symbolic link.
    ReadlinkAt,
    /// Removes a directory.
    RemoveDirectoryAt,
    /// Renames.
    RenameAt,
    /// Sets the size of a file.
    SetSize,
    /// Sets the times of an open file.
    SetTimes,
    /// Sets the times at a path.
    SetTimesAt,
    /// Asks for the metadata of an open file.
    Stat,
    /// Asks for the metadata at a path.
    StatAt,
    /// Creates a symbolic link.
    SymlinkAt,
    /// Writes a file and its metadata to the device.
    Sync,
    /// Writes a file to the device.
    SyncData,
    /// Removes a file.
    UnlinkFileAt,
    /// Writes a file.
    Write,
}

impl FileCall {
    /// Returns the name in WASI, and for opening whether it was for writing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advise => "advise",
            Self::Append => "append",
            Self::CreateDirectoryAt => "create-directory-at",
            Self::GetFlags => "get-flags",
            Self::GetType => "get-type",
            Self::IsSameObject => "is-same-object",
            Self::LinkAt => "link-at",
            Self::MetadataHash => "metadata-hash",
            Self::MetadataHashAt => "metadata-hash-at",
            Self::OpenAt => "open-at",
            Self::OpenAtForWriting => "open-at for writing",
            Self::Read => "read",
            Self::ReadDirectory => "read-directory",
            Self::ReadDirectoryEntry => "read-directory-entry",
            Self::ReadlinkAt => "readlink-at",
            Self::RemoveDirectoryAt => "remove-directory-at",
            Self::RenameAt => "rename-at",
            Self::SetSize => "set-size",
            Self::SetTimes => "set-times",
            Self::SetTimesAt => "set-times-at",
            Self::Stat => "stat",
            Self::StatAt => "stat-at",
            Self::SymlinkAt => "symlink-at",
            Self::Sync => "sync",
            Self::SyncData => "sync-data",
            Self::UnlinkFileAt => "unlink-file-at",
            Self::Write => "write",
        }
    }
}

/// Names the way in which a file-system call failed, as WASI 0.2 (`error-code`) has it. Decoding refuses any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of WASI")]
pub enum FileError {
    /// The call ended the component.
    Trap,
    Access,
    WouldBlock,
    Already,
    BadDescriptor,
    Busy,
    Deadlock,
    Quota,
    Exist,
    FileTooLarge,
    IllegalByteSequence,
    InProgress,
    Interrupted,
    Invalid,
    Io,
    IsDirectory,
    Loop,
    TooManyLinks,
    MessageSize,
    NameTooLong,
    NoDevice,
    NoEntry,
    NoLock,
    InsufficientMemory,
    InsufficientSpace,
    NotDirectory,
    NotEmpty,
    NotRecoverable,
    Unsupported,
    NoTty,
    NoSuchDevice,
    Overflow,
    NotPermitted,
    Pipe,
    ReadOnly,
    InvalidSeek,
    TextFileBusy,
    CrossDevice,
}

impl FileError {
    /// Returns the name in WASI.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Access => "access",
            Self::WouldBlock => "would-block",
            Self::Already => "already",
            Self::BadDescriptor => "bad-descriptor",
            Self::Busy => "busy",
            Self::Deadlock => "deadlock",
            Self::Quota => "quota",
            Self::Exist => "exist",
            Self::FileTooLarge => "file-too-large",
            Self::IllegalByteSequence => "illegal-byte-sequence",
            Self::InProgress => "in-progress",
            Self::Interrupted => "interrupted",
            Self::Invalid => "invalid",
            Self::Io => "io",
            Self::IsDirectory => "is-directory",
            Self::Loop => "loop",
            Self::TooManyLinks => "too-many-links",
            Self::MessageSize => "message-size",
            Self::NameTooLong => "name-too-long",
            Self::NoDevice => "no-device",
            Self::NoEntry => "no-entry",
            Self::NoLock => "no-lock",
            Self::InsufficientMemory => "insufficient-memory",
            Self::InsufficientSpace => "insufficient-space",
            Self::NotDirectory => "not-directory",
            Self::NotEmpty => "not-empty",
            Self::NotRecoverable => "not-recoverable",
            Self::Unsupported => "unsupported",
            Self::NoTty => "no-tty",
            Self::NoSuchDevice => "no-such-device",
            Self::Overflow => "overflow",
            Self::NotPermitted => "not-permitted",
            Self::Pipe => "pipe",
            Self::ReadOnly => "read-only",
            Self::InvalidSeek => "invalid-seek",
            Self::TextFileBusy => "text-file-busy",
            Self::CrossDevice => "cross-device",
        }
    }
}
