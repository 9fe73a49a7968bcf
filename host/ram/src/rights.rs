//! Gives the owner of a file or directory the permissions that it lacks.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, chmod, fstat, openat};
use rustix::path::Arg;

/// Opens a directory for reading, and first gives its owner the permissions that are missing. Takes any name that a listing
/// returned.
pub(crate) fn open_entry(dir: impl AsFd, name: impl Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(dir, name, flags, Mode::empty())?;
    give_rights(&place, 0o700)?;
    Ok(openat(&place, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Gives the owner read and write permissions to a file that lacks them. Takes any name that a listing returned.
pub(crate) fn unlock_entry(dir: impl AsFd, name: impl Arg) -> io::Result<()> {
    let place = openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    give_rights(&place, 0o600)
}

/// Changes the permissions of what was opened with `O_PATH`, whatever has its name by now.
fn give_rights(place: &OwnedFd, rights: u32) -> io::Result<()> {
    let stat = fstat(place)?;
    // The mode of a link cannot be changed, and no one needs it to.
    if stat.st_mode & rights == rights || FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Ok(());
    }
    Ok(chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::from_raw_mode(rights))?)
}
