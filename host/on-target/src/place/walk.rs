//! Reaching a directory without being led astray by those who may write on the way.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::error::PlaceError;
use crate::trace::prepend;

/// As many links as the kernel follows.
pub(super) const MOST_LINKS: usize = 40;

const DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory by its absolute path and makes what is missing. A link is followed only when root or the caller made it,
/// in a directory where no one else can put one: so a service cannot have root write elsewhere.
pub(crate) fn walk(path: &Path, make: bool) -> Result<OwnedFd, PlaceError> {
    let at = |why: Errno| PlaceError::Path { path: path.to_owned(), why: why.into() };
    if !path.is_absolute() {
        return Err(at(Errno::INVAL));
    }
    let mut parents: Vec<OwnedFd> = Vec::new();
    let mut here = openat(CWD, "/", DIR, Mode::empty()).map_err(at)?;
    let mut rest = VecDeque::new();
    prepend(&mut rest, path);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            here = parents.pop().unwrap_or(here);
            continue;
        }
        let stat = match statat(&here, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) if make => {
                match mkdirat(&here, &name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(why) => return Err(at(why)),
                }
                statat(&here, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(at)?
            }
            Err(why) => return Err(at(why)),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            links += 1;
            if links > MOST_LINKS {
                return Err(at(Errno::LOOP));
            }
            if !ours(&stat) || !closed(&fstat(&here).map_err(at)?) {
                return Err(PlaceError::Astray { path: path.to_owned(), name: name.to_string_lossy().into_owned() });
            }
            let to = readlinkat(&here, &name, Vec::new()).map_err(at)?;
            let to = PathBuf::from(OsString::from_vec(to.into_bytes()));
            if to.is_absolute() {
                parents.clear();
                here = openat(CWD, "/", DIR, Mode::empty()).map_err(at)?;
            }
            prepend(&mut rest, &to);
        } else {
            let next = openat(&here, &name, DIR, Mode::empty()).map_err(at)?;
            parents.push(std::mem::replace(&mut here, next));
        }
    }
    Ok(here)
}

/// Whether root or the caller owns it.
pub(super) fn ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

/// Whether no one but root and the caller can put something into a directory in the place of what is theirs.
pub(super) fn closed(stat: &Stat) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    ours(stat) && (!mode.intersects(Mode::WGRP | Mode::WOTH) || mode.contains(Mode::SVTX))
}
