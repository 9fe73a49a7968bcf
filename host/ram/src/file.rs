//! Handles files in an open directory, by one clean name each, and follows no symbolic link.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fchmod, fstat, mkdirat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::cleanup::clear;
use crate::error::IrregularFile;
use crate::rights::{open_entry, unlock_entry};

/// Writes a new file; an existing one of that name is an error.
///
/// # Errors
/// See [`IrregularFile`]; on a full file system the file may be left cut short.
pub fn write_new(dir: impl AsFd, name: &str, bytes: &[u8], mode: u32) -> Result<(), IrregularFile> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(dir, clean(name)?, flags, Mode::RUSR | Mode::WUSR)?;
    // Not through openat's mode, which the umask cuts.
    fchmod(&fd, Mode::from_raw_mode(mode))?;
    Ok(File::from(fd).write_all(bytes)?)
}

/// Writes a file in place of whatever has its name, which stays until the bytes are written.
pub(crate) fn replace(dir: BorrowedFd<'_>, name: &str, bytes: &[u8], mode: u32) -> Result<(), IrregularFile> {
    // Not a name that an editor would give.
    const NEW: &str = ".artifacts new";
    remove(dir, NEW)?;
    write_new(dir, NEW, bytes, mode)?;
    remove(dir, clean(name)?)?;
    Ok(renameat_with(dir, NEW, dir, name, RenameFlags::NOREPLACE)?)
}

/// Removes whatever has this name.
fn remove(dir: BorrowedFd<'_>, name: &str) -> Result<(), IrregularFile> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            clear(open_entry(dir, name)?)?;
            Ok(unlinkat(dir, name, AtFlags::REMOVEDIR)?)
        }
        Ok(_) => Ok(unlinkat(dir, name, AtFlags::empty())?),
    }
}

/// Reads a regular file with one link and at most `limit` bytes.
///
/// # Errors
/// See [`IrregularFile`].
pub fn read(dir: impl AsFd, name: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, IrregularFile> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // The type first: a socket cannot be opened, and the fault is to name what it is.
    regular(&statat(&dir, clean(name)?, AtFlags::SYMLINK_NOFOLLOW).map_err(absent)?)?;
    let fd = openat(&dir, name, flags, Mode::empty()).map_err(absent)?;
    let size = regular(&fstat(&fd)?)?;
    if size > limit {
        return Err(IrregularFile::TooLarge { limit, found: Some(size) });
    }
    // Room for all of it at once: growing would leave a copy of the plaintext behind.
    let room = usize::try_from(size).map_err(|_| IrregularFile::TooLarge { limit, found: Some(size) })?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    File::from(fd).take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > room {
        return Err(IrregularFile::TooLarge { limit: size, found: None });
    }
    Ok(bytes)
}

/// Creates a directory that only its owner may enter.
///
/// # Errors
/// See [`IrregularFile`].
pub fn make_dir(dir: impl AsFd, name: &str) -> Result<OwnedFd, IrregularFile> {
    mkdirat(&dir, clean(name)?, Mode::RWXU)?;
    open_dir(dir, name)
}

/// Creates a directory, or opens the one that was created before. Returns whether it is new.
///
/// # Errors
/// If there is something else, or the operating system reports an error.
pub fn make_or_open_dir(dir: impl AsFd, name: &str) -> Result<(OwnedFd, bool), IrregularFile> {
    match make_dir(&dir, name) {
        Ok(inner) => Ok((inner, true)),
        Err(IrregularFile::Io(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok((open_dir(dir, name)?, false))
        }
        Err(error) => Err(error),
    }
}

/// Opens a directory for reading, and first gives its owner the permissions that are missing.
///
/// # Errors
/// If it is not a directory, or a symbolic link to one.
pub fn open_dir(dir: impl AsFd, name: &str) -> Result<OwnedFd, IrregularFile> {
    Ok(open_entry(dir, clean(name)?)?)
}

/// Gives the owner read and write rights to a file that lacks them.
///
/// # Errors
/// When it is not there, or not the caller's.
pub fn unlock(dir: impl AsFd, name: &str) -> Result<(), IrregularFile> {
    Ok(unlock_entry(dir, clean(name)?)?)
}

fn clean(name: &str) -> Result<&str, IrregularFile> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        Err(IrregularFile::Name)
    } else {
        Ok(name)
    }
}

fn absent(errno: Errno) -> IrregularFile {
    match errno {
        Errno::NOENT => IrregularFile::Missing,
        Errno::LOOP => IrregularFile::Link,
        other => other.into(),
    }
}

/// Returns the size in bytes.
fn regular(stat: &rustix::fs::Stat) -> Result<u64, IrregularFile> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(IrregularFile::Directory),
        FileType::Symlink => return Err(IrregularFile::Link),
        FileType::Fifo => return Err(IrregularFile::Special("named pipe")),
        FileType::Socket => return Err(IrregularFile::Special("socket")),
        FileType::BlockDevice | FileType::CharacterDevice => return Err(IrregularFile::Special("device")),
        FileType::Unknown => return Err(IrregularFile::Special("file of unknown type")),
    }
    // The field's width differs between architectures.
    #[allow(clippy::useless_conversion)]
    match u64::from(stat.st_nlink) {
        1 => Ok(u64::try_from(stat.st_size).unwrap_or(0)),
        links => Err(IrregularFile::Links(links)),
    }
}
