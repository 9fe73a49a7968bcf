use std::io;
use std::path::PathBuf;

use artifacts_text::Explain;

/// Reports why there is no private directory, or no file in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No candidate is suitable.
    #[error("no RAM-backed directory for plaintext: expected a writable tmpfs or ramfs, found {}", listed(.tried))]
    NoPlace {
        /// Each candidate, and what it is.
        tried: Vec<(PathBuf, String)>,
    },
    /// The program is ending.
    #[error("canceled")]
    Ending,
    /// A directory could not be created, or was replaced.
    #[error("cannot create a private directory in {}: {why}", .place.display())]
    Directory {
        /// RAM-backed directory that was to contain it.
        place: PathBuf,
        /// Error of the operating system.
        why: io::Error,
    },
    /// A file in a private directory cannot be used.
    #[error("`{}` in a private directory: {fault}", .name.escape_debug())]
    File {
        /// Name of the file.
        name: String,
        /// Reason.
        fault: IrregularFile,
    },
    /// Core dumps could not be switched off.
    #[error("cannot disable core dumps: {0}")]
    CoreDumps(io::Error),
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "ram"
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoPlace { .. } => {
                Some("mount a tmpfs (`mount -t tmpfs -o mode=0700 tmpfs DIR`) and set XDG_RUNTIME_DIR to it".to_owned())
            }
            Self::Directory { why, .. } | Self::File { fault: IrregularFile::Io(why), .. } => exhausted(why),
            Self::Ending | Self::File { .. } | Self::CoreDumps(_) => None,
        }
    }
}

/// Returns what to do if a resource is used up.
fn exhausted(why: &io::Error) -> Option<String> {
    let text = match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the RAM-backed file system for plaintext is full: see `df -h` and `df -i`, free some space, or set XDG_RUNTIME_DIR to another tmpfs"
        }
        _ if why.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "raise the limit for open files (`ulimit -n 1024`)"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn listed(tried: &[(PathBuf, String)]) -> String {
    if tried.is_empty() {
        return "no candidate at all".to_owned();
    }
    tried.iter().map(|(path, what)| format!("{}: {what}", path.display())).collect::<Vec<_>>().join("; ")
}

/// Reports why a file is not a regular file with one link.
#[derive(Debug, thiserror::Error)]
pub enum IrregularFile {
    /// It does not exist.
    #[error("expected a regular file, found none")]
    Missing,
    /// It is a directory.
    #[error("expected a regular file, found a directory")]
    Directory,
    /// It is a symbolic link, which is never followed.
    #[error("expected a regular file, found a symbolic link")]
    Link,
    /// It is a named pipe, socket or device.
    #[error("expected a regular file, found a {0}")]
    Special(&'static str),
    /// It has this number of hard links.
    #[error("expected a regular file with one link, found {0} links")]
    Links(u64),
    /// It exceeds a limit.
    #[error("expected at most {limit} bytes, found {}", found.map_or_else(|| "more".to_owned(), |size| size.to_string()))]
    TooLarge {
        /// Limit, in bytes.
        limit: u64,
        /// Size in bytes, if known.
        found: Option<u64>,
    },
    /// The name has a slash or means a directory.
    #[error("expected one clean file name")]
    Name,
    /// Error of the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for IrregularFile {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
