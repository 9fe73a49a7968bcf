use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, fstat, fstatfs, openat};
use rustix::process::geteuid;

use crate::{Error, PrivateDir, private_dir};

/// Represents a RAM-backed directory that contains private directories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ram(pub(crate) Arc<RamDir>);

#[derive(Debug)]
pub(crate) struct RamDir {
    pub(crate) dir: OwnedFd,
    pub(crate) path: PathBuf,
}

impl Ram {
    /// Finds the first candidate that is RAM-backed by the type of its file system, writable, and in which no other
    /// user can replace the caller's directories.
    ///
    /// # Errors
    /// If no candidate is suitable; the error lists each with the reason.
    pub fn find(candidates: &[PathBuf]) -> Result<Self, Error> {
        let mut tried = Vec::new();
        for path in candidates {
            match open(path) {
                Ok(place) => return Ok(Self(Arc::new(place))),
                Err(why) => tried.push((path.clone(), why)),
            }
        }
        Err(Error::NoPlace { tried })
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Creates a private directory with an unpredictable name.
    ///
    /// # Errors
    /// If no space is left, or the program is ending ([`crate::remove_all`]).
    pub fn private_dir(&self) -> Result<PrivateDir, Error> {
        PrivateDir::new(self)
    }

    /// Removes the directories that killed runs of this user left, and no others. Returns their number.
    pub fn sweep(&self) -> usize {
        private_dir::sweep(&self.0)
    }
}

/// Opens a candidate, or returns what it is instead.
fn open(candidate: &Path) -> Result<RamDir, String> {
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

pub(crate) struct FileSystemKind {
    pub(crate) name: String,
    pub(crate) in_ram: bool,
}

/// Returns the type of the file system.
pub(crate) fn kind(dir: std::os::fd::BorrowedFd<'_>) -> io::Result<FileSystemKind> {
    // The magic numbers have 32 bits; the field's width and sign differ between architectures.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let magic = fstatfs(dir)?.f_type as u32;
    let (name, in_ram) = match magic {
        0x0102_1994 => ("tmpfs", true),
        0x8584_58f6 => ("ramfs", true),
        0x0000_ef53 => ("ext2/3/4", false),
        0x5846_5342 => ("xfs", false),
        0x9123_683e => ("btrfs", false),
        0x2fc1_2fc1 => ("zfs", false),
        0xca45_1a4e => ("bcachefs", false),
        0xf2f5_2010 => ("f2fs", false),
        0x794c_7630 => ("overlayfs", false),
        0x6573_5546 => ("fuse", false),
        0x0000_6969 => ("nfs", false),
        0x0102_1997 => ("9p", false),
        other => return Ok(FileSystemKind { name: format!("a file system of type {other:#x}"), in_ram: false }),
    };
    Ok(FileSystemKind { name: name.to_owned(), in_ram })
}
