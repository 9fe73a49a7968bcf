use std::io;
use std::path::PathBuf;

use artifacts_declared::InstanceName;
use artifacts_text::Explain;
use rustix::io::Errno;

use crate::FileKind;

/// Reports why a storage cannot be read or written. Paths are relative to the root, except that of the root itself.
/// The caller adds the instance that it asked about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path of a storage could leave the root, or has another meaning.
    #[error("the storage `{}` is refused: {why}", .storage.escape_debug())]
    StorageName {
        /// Path as registered.
        storage: String,
        /// Reason.
        why: String,
    },
    /// The name of a file cannot be part of an entry.
    #[error("`{}` in `{}` is refused: {why}", .name.escape_debug(), .path.escape_debug())]
    Name {
        /// Directory of the file.
        path: String,
        /// Name of the file.
        name: String,
        /// Reason.
        why: &'static str,
    },
    /// There is a symbolic link in place of a file or directory.
    #[error("`{}` is a symbolic link: links are not followed", .path.escape_debug())]
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
    #[error("its receipt is not written because it would be refused when it is read: {why}")]
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
    #[error("a slice lies there by now; it is not overwritten")]
    Appeared {
        /// Instance of the entry.
        instance: InstanceName,
    },
    /// The entry differs from the one that the work was planned for.
    #[error("the slice was changed by someone else in the meantime; it is not overwritten")]
    Changed {
        /// Instance of the entry.
        instance: InstanceName,
    },
    /// The entry that was to be replaced does not exist any more.
    #[error("the slice that was to be replaced is gone")]
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
    #[error("`{}` lies on a file system that cannot replace a folder in one step: {why}", .path.escape_debug())]
    Unsupported {
        /// Path of a directory on it.
        path: String,
        /// What was tried, and its result.
        why: String,
    },
    /// The file system is mounted read-only.
    #[error("`{}` cannot be written: its file system is read-only", .path.escape_debug())]
    ReadOnly {
        /// Path on it.
        path: String,
    },
    /// No space or quota is left.
    #[error("`{}` cannot be written: no space is left", .path.escape_debug())]
    Full {
        /// Path that was written.
        path: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The user lacks the permission.
    #[error("`{}`: this user may not {action}: {source}", .path.escape_debug())]
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
                "look who put it there (git log), and remove it or put the real thing in its place"
            }
            Self::Receipt { .. } => {
                "report it: the backend's version or a recipient is longer or stranger than it may be"
            }
            Self::RepositoryOwner { .. } => "run as its owner, or give the checkout to this user (chown -R)",
            Self::RepositoryInvalid { .. } => {
                "check who put it there, and remove it; a moved working tree needs `git worktree repair`"
            }
            Self::TooLarge { .. } => "remove what does not belong there",
            Self::Appeared { .. } | Self::Changed { .. } | Self::Vanished { .. } => {
                "nothing was written; look at it (git status) and run the command again"
            }
            Self::Locked { .. } => "wait until it has ended; a run that was killed holds nothing",
            Self::Unsupported { .. } => {
                "keep the checkout on a local file system such as ext4, btrfs, xfs or tmpfs, not in a container's image layer"
            }
            Self::ReadOnly { .. } => "name a checkout that can be written with --root",
            Self::Full { .. } => "make room; what was stored before is untouched",
            Self::Denied { .. } => "run as the owner of the checkout, or mend its permissions",
            Self::Io { source, .. } if source.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => {
                "this needs Linux 5.6 or newer, and a container that allows openat2"
            }
            Self::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
