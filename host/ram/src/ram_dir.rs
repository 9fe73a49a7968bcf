use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, fstat, openat};
use rustix::process::geteuid;

use crate::file_system::kind;

/// Holds a directory open that is RAM-backed, and in which no other user can replace this one's directories.
#[derive(Debug)]
pub(crate) struct RamDir {
    pub(crate) dir: OwnedFd,
    pub(crate) path: PathBuf,
}

impl RamDir {
    /// Opens a candidate, or returns what it is instead.
    pub(crate) fn open(candidate: &Path) -> Result<Self, String> {
        let plain = |error: io::Error| error.to_string();
        let path = candidate.canonicalize().map_err(plain)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = openat(CWD, &path, flags, Mode::empty()).map_err(|errno| plain(errno.into()))?;
        let kind = kind(dir.as_fd()).map_err(plain)?;
        if !kind.in_ram {
            return Err(format!("{}, which is not RAM-backed", kind.name));
        }
        let stat = fstat(&dir).map_err(|errno| plain(errno.into()))?;
        if stat.st_uid != 0 && stat.st_uid != geteuid().as_raw() {
            return Err(format!("{}, which user {} owns and could modify", kind.name, stat.st_uid));
        }
        if stat.st_mode & 0o022 != 0 && stat.st_mode & 0o1000 == 0 {
            return Err(format!("{}, which other users can write to (no sticky bit)", kind.name));
        }
        match accessat(&dir, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => Ok(RamDir { dir, path }),
            Err(errno) => Err(format!("{}, not writable: {}", kind.name, io::Error::from(errno))),
        }
    }
}
