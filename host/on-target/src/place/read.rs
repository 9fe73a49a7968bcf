//! Reading what someone put into its place, who may since have lost that place to another user.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, fstat, readlinkat, statat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::walk::{MOST_LINKS, closed, ours, walk};
use super::{PlaceError, at};
use crate::regular;

/// The bytes of a file by its absolute path. A link is followed only when root or the caller made it, in a directory where
/// no one else can put one: so a service cannot have root read for it what it may not read itself.
///
/// # Errors
/// When someone could lead us elsewhere, or it is no regular file of at most `largest` bytes, or one with a second name that
/// not everyone may read.
pub fn read(path: &Path, largest: u64) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
    let unfit = |found: String| PlaceError::Unfit { path: path.to_owned(), largest, found };
    let (dir, name) = find(path)?;
    let open = regular::open(&dir, &name).map_err(|why| at(path, why))?;
    let (file, stat) = open.ok_or_else(|| unfit("something else".to_owned()))?;
    // Anyone who may write to a directory can give a file there that is not theirs. In the Nix store, equal files are one.
    if stat.st_nlink != 1 && !Mode::from_raw_mode(stat.st_mode).contains(Mode::ROTH) {
        return Err(unfit(format!("one with {} links", stat.st_nlink)));
    }
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size > largest {
        return Err(unfit(format!("{size} bytes")));
    }
    // Room for all of it at once: growing would leave a copy of the plaintext behind.
    let room = usize::try_from(size).unwrap_or_default().saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    File::from(file).take(room as u64).read_to_end(&mut bytes).map_err(|why| at(path, why))?;
    if bytes.len() == room { Err(unfit("one that grows".to_owned())) } else { Ok(bytes) }
}

/// The directory that holds what a path leads to, and its name there, which is no link.
fn find(path: &Path) -> Result<(OwnedFd, OsString), PlaceError> {
    let mut next = path.to_owned();
    for _ in 0..MOST_LINKS {
        let (Some(parent), Some(name)) = (next.parent(), next.file_name()) else { return Err(at(path, Errno::INVAL)) };
        let dir = walk(parent, false)?;
        let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|why| at(path, why))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok((dir, name.to_owned()));
        }
        if !ours(&stat) || !closed(&fstat(&dir).map_err(|why| at(path, why))?) {
            return Err(PlaceError::Astray { path: path.to_owned(), name: name.to_string_lossy().into_owned() });
        }
        let to = readlinkat(&dir, name, Vec::new()).map_err(|why| at(path, why))?;
        next = parent.join(OsStr::from_bytes(to.to_bytes()));
    }
    Err(at(path, Errno::LOOP))
}
