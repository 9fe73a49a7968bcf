use std::io;
use std::path::PathBuf;

use artifacts_declared::InstanceName;
use artifacts_text::Explain;
use rustix::io::Errno;

use crate::file_kind::FileKind;

/// Reports why a storage cannot be read or written. Paths are relative to the root, except that of the root itself.
/// The caller adds the instance that it asked about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path of a storage could leave the root, or has another meaning.
    #[error("invalid storage `{}`: {why}", .storage.escape_debug())]
    StorageName {
        /// Path as registered.
        storage: String,
        /// Reason.
        why: String,
    },
    /// The name of a file cannot be part of an entry.
    #[error("invalid name `{}` in `{}`: {why}", .name.escape_debug(), .path.escape_debug())]
    Name {
        /// Directory of the file.
        path: String,
        /// Name of the file.
        name: String,
        /// Reason.
        why: &'static str,
    },
    /// There is a symbolic link in place of a file or directory.
    #[error("`{}` is a symbolic link; artifacts does not follow links here", .path.escape_debug())]
    Link {
        /// Path of the link.
        path: String,
    },
    /// There is something of another kind.
    #[error("`{}` is a {found}, expected a {expected}", .path.escape_debug())]
    WrongKind {
        /// Path of it.
        path: String,
        /// Kind that it should be.
        expected: FileKind,
        /// Kind that it is.
        found: FileKind,
    },
    /// A file that this program writes has another hard link elsewhere.
    #[error("`{}` has {links} hard links, expected one: writing to it could change a file elsewhere", .path.escape_debug())]
    HardLinks {
        /// Path of the file.
        path: String,
        /// Number of its hard links.
        links: u64,
    },
    /// The new receipt would be rejected when it is read.
    #[error("internal error: cannot write a valid receipt: {why}")]
    Receipt {
        /// Instance of the receipt.
        instance: InstanceName,
        /// Reason.
        why: String,
    },
    /// The git repository belongs to another user, who could have made it to be found.
    #[error("the git repository `{}` belongs to user {owner}, not to root or user {user}", .path.display().to_string().escape_debug())]
    RepositoryOwner {
        /// Directory of the repository.
        path: PathBuf,
        /// User ID of its owner.
        owner: u32,
        /// User ID of this process.
        user: u32,
    },
    /// A `.git` differs from what git creates.
    #[error("`{}` is invalid: {}", .path.display().to_string().escape_debug(), .why.escape_debug())]
    RepositoryInvalid {
        /// Path of the file or link.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// A limit of the store is exceeded.
    #[error("`{}` is too large: {what} {limit}", .path.escape_debug())]
    TooLarge {
        /// Path of the file or entry.
        path: String,
        /// Text before the limit.
        what: &'static str,
        /// Limit, in bytes or files.
        limit: u64,
    },
    /// An entry exists where none existed when the work was planned.
    #[error("another process created this entry during the run; it was not overwritten")]
    Appeared {
        /// Instance of the entry.
        instance: InstanceName,
    },
    /// The entry in the trash is not the one that was recorded when it went there.
    #[error("its entry in the trash is not the one that was moved there")]
    TrashChanged {
        /// Instance of the entry.
        instance: InstanceName,
    },
    /// The entry differs from the one that the work was planned for.
    #[error("another process changed this entry during the run; it was not overwritten")]
    Changed {
        /// Instance of the entry.
        instance: InstanceName,
    },
    /// The entry that was to be replaced does not exist any more.
    #[error("the entry was removed during the run")]
    Vanished {
        /// Instance of the entry.
        instance: InstanceName,
    },
    /// Another run holds the lock of the storage.
    #[error("the storage `{}` is in use by another run{}", .storage.escape_debug(), .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// Path of the storage.
        storage: String,
        /// Process ID of the holder, as it wrote it into the lock file.
        pid: Option<u32>,
    },
    /// The file system cannot replace a directory in one step.
    #[error("`{}`: this file system cannot replace a directory atomically: {why}", .path.escape_debug())]
    Unsupported {
        /// Path of a directory on it.
        path: String,
        /// What was tried, and its result.
        why: String,
    },
    /// The file system is mounted read-only.
    #[error("cannot write `{}`: its file system is read-only", .path.escape_debug())]
    ReadOnly {
        /// Path on it.
        path: String,
    },
    /// No space or quota is left.
    #[error("cannot write `{}`: no space left", .path.escape_debug())]
    Full {
        /// Path that was written.
        path: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The user lacks the permission.
    #[error("`{}`: permission denied: cannot {action}: {source}", .path.escape_debug())]
    Denied {
        /// Path of the file.
        path: String,
        /// Action, as a verb with its object.
        action: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Any other error of the operating system.
    #[error("`{}`: cannot {action}: {source}", .path.escape_debug())]
    Io {
        /// Path of the file.
        path: String,
        /// Action, as a verb with its object.
        action: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// Chooses the variant for an error of the operating system.
    pub(crate) fn io(path: impl Into<String>, action: &'static str, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.into(), source.into());
        match Errno::from_io_error(&source) {
            Some(Errno::ROFS) => Self::ReadOnly { path },
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { path, source },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { path, action, source },
            Some(Errno::LOOP) => Self::Link { path },
            _ => Self::Io { path, action, source },
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "store"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::StorageName { .. } => "set the backend's `storage` to a plain relative path such as `secrets`",
            Self::Name { .. } => "rename it",
            Self::Link { .. } | Self::WrongKind { .. } | Self::HardLinks { .. } => {
                "find out where it came from (git log), then remove or replace it"
            }
            Self::Receipt { .. } => "report this bug; a backend version or a recipient exceeds its limit",
            Self::RepositoryOwner { .. } => "run as its owner, or give the checkout to this user (chown -R)",
            Self::RepositoryInvalid { .. } => {
                "check who put it there, and remove it; a moved working tree needs `git worktree repair`"
            }
            Self::TooLarge { .. } => "remove files that do not belong to the entry",
            Self::Appeared { .. } | Self::Changed { .. } | Self::Vanished { .. } => {
                "nothing was written; review the change (git status) and run the command again"
            }
            Self::TrashChanged { .. } => {
                "nothing was changed; another program changed or removed it: use a commit or a backup"
            }
            Self::Locked { .. } => "wait for the other run to finish; a killed run leaves no lock behind",
            Self::Unsupported { .. } => {
                "keep the checkout on a local file system such as ext4, btrfs, xfs or tmpfs, not in a container's image layer"
            }
            Self::ReadOnly { .. } => "pass --root with a writable checkout",
            Self::Full { .. } => "free some space; stored secrets are unchanged",
            Self::Denied { .. } => "run as the owner of the checkout, or fix its permissions",
            Self::Io { source, .. } if source.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => {
                "this needs Linux 5.6 or newer, and a container that allows openat2"
            }
            Self::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
