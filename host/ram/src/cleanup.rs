//! Empties a directory: it follows no symbolic link, needs few descriptors at any depth, and adds missing permissions.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use crate::rights::{open_entry, unlock_entry};

/// Time after which it gives up on a directory that something keeps writing to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names that are read from a directory at a time.
const BATCH: usize = 1024;

/// Bytes of one file that are overwritten at most.
const WIPED: u64 = 256 << 20;

/// Wipes and removes everything in the directory `top`.
///
/// # Errors
/// If something cannot be removed; everything else is.
pub fn clear(top: impl AsFd) -> io::Result<()> {
    let top = top.as_fd();
    let mut clearing = Clearing { top, deadline: Instant::now() + PATIENCE, raised: 0 };
    loop {
        let names = names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        // One entry that cannot be removed keeps none of the others.
        let faults: Vec<_> = names.iter().filter_map(|name| clearing.remove(name).err()).collect();
        if faults.len() == names.len() {
            return faults.into_iter().next().map_or(Ok(()), Err);
        }
        clearing.in_time()?;
    }
}

struct Clearing<'a> {
    top: BorrowedFd<'a>,
    deadline: Instant,
    raised: u64,
}

impl Clearing<'_> {
    /// Removes one entry of the top. Directories two levels below it are moved up to it for a later pass, so that depth costs no
    /// descriptors.
    fn remove(&mut self, name: &CStr) -> io::Result<()> {
        if !is_dir(self.top, name)? {
            return remove_file(self.top, name);
        }
        let dir = open_entry(self.top, name)?;
        loop {
            let names = names(dir.as_fd())?;
            if names.is_empty() {
                match unlinkat(self.top, name, AtFlags::REMOVEDIR) {
                    // Another thread still writes into it.
                    Err(Errno::NOTEMPTY) => self.in_time()?,
                    other => return Ok(other?),
                }
            }
            for child in names {
                if is_dir(dir.as_fd(), &child)? {
                    self.raise(dir.as_fd(), &child)?;
                } else {
                    remove_file(dir.as_fd(), &child)?;
                }
            }
            self.in_time()?;
        }
    }

    fn raise(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        // A directory that its owner may not write cannot be moved.
        open_entry(dir, name)?;
        loop {
            self.raised += 1;
            match renameat_with(dir, name, self.top, format!("raised {}", self.raised), RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return Ok(other?),
            }
        }
    }

    fn in_time(&self) -> io::Result<()> {
        if Instant::now() > self.deadline { Err(Errno::TIMEDOUT.into()) } else { Ok(()) }
    }
}

fn remove_file(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // Best effort: memory that is freed is not handed out again before it is cleared.
    let _ = wipe(dir, name);
    Ok(unlinkat(dir, name, AtFlags::empty())?)
}

fn wipe(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    unlock_entry(dir, name)?;
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(dir, name, flags, Mode::empty())?;
    let stat = fstat(&fd)?;
    // A file with holes would grow: no more than what it occupies.
    let occupied = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let mut left = u64::try_from(stat.st_size).unwrap_or(0).min(occupied).min(WIPED);
    let mut file = File::from(fd);
    let zeros = [0; 16 << 10];
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    Ok(())
}

fn is_dir(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
            if names.len() == BATCH {
                break;
            }
        }
    }
    Ok(names)
}
