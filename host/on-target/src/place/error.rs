use std::io;
use std::path::PathBuf;

use artifacts_text::Explain;

/// Reports why files could not be deployed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The system refused something.
    #[error("{}: {why}", .path.display())]
    Path {
        /// What it was about.
        path: PathBuf,
        /// The system's word.
        why: io::Error,
    },
    /// Someone else could lead us elsewhere.
    #[error("{}: untrusted symbolic link `{}` in the path", .path.display(), .name.escape_debug())]
    Astray {
        /// Where it should go.
        path: PathBuf,
        /// The link.
        name: String,
    },
    /// A directory that must be ours alone is not.
    #[error("{}: expected a directory that only this user can write to, found {found}", .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Bytes of secrets would outlive the boot.
    #[error("{}: expected a directory in RAM (tmpfs or ramfs)", .path.display())]
    OnDisk {
        /// The directory.
        path: PathBuf,
    },
    /// What is there is not what is read.
    #[error("{}: expected a regular file with one link and at most {largest} bytes, found {found}", .path.display())]
    Unfit {
        /// The place.
        path: PathBuf,
        /// The most that is read, in bytes.
        largest: u64,
        /// What is there.
        found: String,
    },
    /// Something is among the bytes that was not put there by us.
    #[error("{}: expected {expected}, found something else", .path.display())]
    Planted {
        /// The place.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// Something is there that is not ours.
    #[error("{}: expected a symbolic link or nothing, found {found}; it was not replaced", .path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
}

impl Explain for PlaceError {
    fn kind(&self) -> &'static str {
        "deploy"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Path { .. } => None,
            Self::Unfit { .. } => Some("find out what created it, then run `systemctl restart UNIT`"),
            Self::Astray { .. } => Some("put the file into a directory that belongs to root"),
            Self::Foreign { .. } | Self::Planted { .. } => Some("find out what created it, then remove it"),
            Self::OnDisk { .. } => Some("mount a tmpfs there"),
            Self::Occupied { .. } => Some("move it away, or set another `path`"),
        };
        hint.map(str::to_owned)
    }
}
