use std::io;
use std::path::PathBuf;

use artifacts_text::Explain;

/// Why there is no private folder, or no file in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No candidate will do.
    #[error("no RAM-backed folder for plaintext: expected a writable tmpfs or ramfs, found {}", listed(.tried))]
    NoPlace {
        /// Each candidate and what it is.
        tried: Vec<(PathBuf, String)>,
    },
    /// The program is on its way out.
    #[error("no private folder: the program is ending")]
    Ending,
    /// A folder could not be made or is not what was made.
    #[error("cannot make a private folder in {}: {why}", .place.display())]
    Directory {
        /// The RAM-backed place.
        place: PathBuf,
        /// What went wrong.
        why: io::Error,
    },
    /// A file in a private folder.
    #[error("`{}` in a private folder: {fault}", .name.escape_debug())]
    File {
        /// Its name.
        name: String,
        /// What is wrong with it.
        fault: IrregularFile,
    },
    /// Core dumps could not be switched off.
    #[error("cannot switch core dumps off: {0}")]
    CoreDumps(io::Error),
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "ram"
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoPlace { .. } => Some(
                "plaintext never touches a disk: mount a tmpfs (`mount -t tmpfs -o mode=0700 tmpfs DIR`) and set XDG_RUNTIME_DIR to it"
                    .to_owned(),
            ),
            Self::Directory { why, .. } | Self::File { fault: IrregularFile::Io(why), .. } => exhausted(why),
            Self::Ending | Self::File { .. } | Self::CoreDumps(_) => None,
        }
    }
}

/// What to do where the error says that something is used up.
fn exhausted(why: &io::Error) -> Option<String> {
    let text = match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the RAM-backed file system for plaintext is full: see `df -h` and `df -i`, and make room, or set XDG_RUNTIME_DIR to another tmpfs"
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

/// What is wrong with a file that was to be a regular one with one link.
#[derive(Debug, thiserror::Error)]
pub enum IrregularFile {
    /// No such file.
    #[error("expected a regular file, found nothing")]
    Missing,
    /// A folder.
    #[error("expected a regular file, found a folder")]
    Directory,
    /// A symbolic link; it is never followed.
    #[error("expected a regular file, found a symbolic link")]
    Link,
    /// A pipe, socket or device.
    #[error("expected a regular file, found a {0}")]
    Special(&'static str),
    /// It has other names too.
    #[error("expected a regular file with one link, found {0} links")]
    Links(u64),
    /// Too large.
    #[error("expected at most {limit} bytes, found {}", found.map_or_else(|| "more".to_owned(), |size| size.to_string()))]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
        /// Bytes found, if known.
        found: Option<u64>,
    },
    /// The name has a slash or means a folder.
    #[error("expected one clean file name")]
    Name,
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for IrregularFile {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
