use std::io;
use std::path::PathBuf;

use artifacts_declared::InstanceName;
use artifacts_text::Explain;
use rustix::io::Errno;

use crate::FileKind;

/// Why a storage could not be read or written. Paths are relative to the root unless it is the root itself. Whose entry it is
/// about is for the caller to say, who asked about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A storage's path could leave the root or means something else.
    #[error("the storage `{}` is refused: {why}", .storage.escape_debug())]
    StorageName {
        /// As the registry gives it.
        storage: String,
        /// What is wrong with it.
        why: String,
    },
    /// A name that cannot stand in an entry.
    #[error("`{}` in `{}` is refused: {why}", .name.escape_debug(), .path.escape_debug())]
    Name {
        /// Where.
        path: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A link where a file or folder was expected.
    #[error("`{}` is a symbolic link: links are not followed", .path.escape_debug())]
    Link {
        /// The link.
        path: String,
    },
    /// Neither of the kinds that are taken.
    #[error("`{}` is a {found}, expected a {expected}", .path.escape_debug())]
    WrongKind {
        /// Where.
        path: String,
        /// What it should be.
        expected: FileKind,
        /// What it is.
        found: FileKind,
    },
    /// A file of the host's own with a second name elsewhere.
    #[error("`{}` has {links} hard links, expected one: writing to it could change a file elsewhere", .path.escape_debug())]
    HardLinks {
        /// Where.
        path: String,
        /// How many names it has.
        links: u64,
    },
    /// A receipt that could not be read again.
    #[error("its receipt is not written because it would be refused when it is read: {why}")]
    Receipt {
        /// Whose entry.
        instance: InstanceName,
        /// What is wrong with it.
        why: String,
    },
    /// A git repository that another user could have made to be found.
    #[error("the git repository `{}` belongs to user {owner}, not to root or user {user}", .path.display().to_string().escape_debug())]
    RepositoryOwner {
        /// Its directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// A `.git` that is not what git makes.
    #[error("`{}` is invalid: {}", .path.display().to_string().escape_debug(), .why.escape_debug())]
    RepositoryInvalid {
        /// The file or link.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// More than the host is willing to hold.
    #[error("`{}` is too large: {what} {limit}", .path.escape_debug())]
    TooLarge {
        /// Where.
        path: String,
        /// Which limit.
        what: &'static str,
        /// Bytes or files.
        limit: u64,
    },
    /// An entry lies where none lay when the work was planned.
    #[error("a slice lies there by now; it is not overwritten")]
    Appeared {
        /// Whose entry.
        instance: InstanceName,
    },
    /// The entry is not the one that the work was planned upon.
    #[error("the slice was changed by someone else in the meantime; it is not overwritten")]
    Changed {
        /// Whose entry.
        instance: InstanceName,
    },
    /// The entry that was to be replaced is gone.
    #[error("the slice that was to be replaced is gone")]
    Vanished {
        /// Whose entry.
        instance: InstanceName,
    },
    /// Another run holds the storage.
    #[error("the storage `{}` is in use by another run{}", .storage.escape_debug(), .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The storage.
        storage: String,
        /// The holder's process id, as it noted itself.
        pid: Option<u32>,
    },
    /// The file system cannot replace a folder at once.
    #[error("`{}` lies on a file system that cannot replace a folder in one step: {why}", .path.escape_debug())]
    Unsupported {
        /// Where.
        path: String,
        /// What was tried and what came of it.
        why: String,
    },
    /// Mounted read-only.
    #[error("`{}` cannot be written: its file system is read-only", .path.escape_debug())]
    ReadOnly {
        /// Where.
        path: String,
    },
    /// No space or quota left.
    #[error("`{}` cannot be written: no space is left", .path.escape_debug())]
    Full {
        /// Where.
        path: String,
        /// Disk or quota.
        source: io::Error,
    },
    /// This user may not.
    #[error("`{}`: this user may not {action}: {source}", .path.escape_debug())]
    Denied {
        /// Where.
        path: String,
        /// What was tried.
        action: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// Anything else that the system says.
    #[error("`{}`: cannot {action}: {source}", .path.escape_debug())]
    Io {
        /// Where.
        path: String,
        /// What was tried.
        action: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

impl Error {
    /// Sorts the system's word.
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
