use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use crate::cleanup::clear;
use crate::error::{Error, IrregularFile};
use crate::file;
use crate::file_system::kind;
use crate::ram_dir::RamDir;

/// Prefix of every directory's name; 32 hexadecimal digits follow.
const PREFIX: &str = "artifacts-";

/// Number of times that a directory is emptied while another thread fills it.
const ATTEMPTS: u32 = 1000;

/// Represents a private directory: mode 0700, on a RAM-backed file system. Dropping it wipes and removes it with its
/// content.
#[derive(Debug)]
pub struct PrivateDir {
    number: u64,
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    place: Arc<RamDir>,
    name: String,
    path: PathBuf,
    /// The directory, locked while it is in use: a later run recognizes an abandoned one by the missing lock.
    dir: OwnedFd,
    gone: Mutex<bool>,
}

/// Holds every directory of this process that is not removed yet.
#[derive(Default)]
struct Live {
    ending: bool,
    next: u64,
    directories: BTreeMap<u64, Arc<Held>>,
}

static LIVE: Mutex<Live> = Mutex::new(Live { ending: false, next: 0, directories: BTreeMap::new() });

/// Wipes and removes every private directory of this process and rejects new ones. For the way out after a signal;
/// call it from an ordinary thread, not from the handler.
pub fn remove_all() {
    let directories = {
        let mut live = lock(&LIVE);
        live.ending = true;
        std::mem::take(&mut live.directories)
    };
    for held in directories.values() {
        held.remove();
    }
}

impl PrivateDir {
    pub(crate) fn new(place: &Arc<RamDir>) -> Result<Self, Error> {
        // Held throughout, so that `remove_all` misses no directory that is just being made.
        let mut live = lock(&LIVE);
        if live.ending {
            return Err(Error::Ending);
        }
        let held = make(place).map_err(|why| Error::Directory { place: place.path.clone(), why })?;
        let held = Arc::new(held);
        let number = live.next;
        live.next += 1;
        live.directories.insert(number, Arc::clone(&held));
        Ok(Self { number, held })
    }

    /// Returns the path, for other programs.
    pub fn path(&self) -> &Path {
        &self.held.path
    }

    /// Returns the open directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.held.dir.as_fd()
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// When it exists, its name is not one clean component, or the place is full.
    pub fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let _open = self.open()?;
        file::write_new(self.dir(), name, bytes, mode).map_err(|fault| named(name, fault))
    }

    /// Writes a file in place of whatever has its name: a symbolic link is removed, not followed, and a directory is
    /// removed with its content.
    ///
    /// # Errors
    /// If the name is not one clean component, or no space is left: what has the name stays then.
    pub fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let _open = self.open()?;
        file::replace(self.dir(), name, bytes, mode).map_err(|fault| named(name, fault))
    }

    /// Reads a regular file with one link and at most `limit` bytes.
    ///
    /// # Errors
    /// See [`IrregularFile`].
    pub fn read(&self, name: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
        file::read(self.dir(), name, limit).map_err(|fault| named(name, fault))
    }

    /// Creates a directory in it, mode 0700.
    ///
    /// # Errors
    /// If it exists, its name is not one clean component, or no space is left.
    pub fn subdir(&self, name: &str) -> Result<OwnedFd, Error> {
        let _open = self.open()?;
        file::make_dir(self.dir(), name).map_err(|fault| named(name, fault))
    }

    /// Keeps the directory from being removed while something is written into it.
    fn open(&self) -> Result<MutexGuard<'_, bool>, Error> {
        let gone = lock(&self.held.gone);
        if *gone { Err(Error::Ending) } else { Ok(gone) }
    }

    /// Removes it now; the same as dropping it.
    pub fn remove(self) {}
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // First it is gone, then forgotten: anyone who ends the program meanwhile waits for it in `remove_all`.
        self.held.remove();
        lock(&LIVE).directories.remove(&self.number);
    }
}

impl Held {
    /// Removes it as far as possible; a later sweep removes the rest.
    fn remove(&self) {
        let mut gone = lock(&self.gone);
        if !*gone {
            *gone = remove(&self.place, &self.name, self.dir.as_fd()).is_ok();
        }
    }
}

fn named(name: &str, fault: IrregularFile) -> Error {
    Error::File { name: name.to_owned(), fault }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a directory and checks that it is new, of this user, private, locked, and still under its name.
fn make(place: &Arc<RamDir>) -> io::Result<Held> {
    loop {
        let name = format!("{PREFIX}{}", random()?);
        // A name that exists, a planted link among them, is an error here.
        mkdirat(&place.dir, &name, Mode::RWXU)?;
        // Another run's sweep may come between and take the directory: then we make another.
        let dir = match open(place, &name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => continue,
            other => other?,
        }
        if fstat(&dir)?.st_nlink == 0 {
            continue;
        }
        fchmod(&dir, Mode::RWXU)?;
        if !kind(dir.as_fd())?.in_ram {
            return Err(io::Error::other("it is not on the RAM-backed file system"));
        }
        let path = place.path.join(&name);
        return Ok(Held { place: Arc::clone(place), name, path, dir, gone: Mutex::new(false) });
    }
}

/// Opens a directory that is not a symbolic link and belongs to this user.
fn open(place: &RamDir, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(&place.dir, name, flags, Mode::empty())?;
    if fstat(&dir)?.st_uid == geteuid().as_raw() {
        Ok(dir)
    } else {
        Err(io::Error::other("it belongs to another user"))
    }
}

fn remove(place: &RamDir, name: &str, dir: BorrowedFd<'_>) -> io::Result<()> {
    for _ in 0..ATTEMPTS {
        clear(dir)?;
        // Only the directory that was cleared: another one under its name stays.
        let there = statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let ours = fstat(dir)?;
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino) {
            return Ok(());
        }
        match unlinkat(&place.dir, name, AtFlags::REMOVEDIR) {
            // Another thread still writes into it by its descriptor.
            Err(Errno::NOTEMPTY) => {}
            other => return Ok(other?),
        }
    }
    Err(Errno::NOTEMPTY.into())
}

pub(crate) fn sweep(place: &RamDir) -> usize {
    let Ok(entries) = Dir::read_from(&place.dir) else { return 0 };
    let names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned))
        .filter(|name| is_ours(name))
        .collect();
    names.iter().filter(|name| sweep_one(place, name).is_ok()).count()
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn sweep_one(place: &RamDir, name: &str) -> io::Result<()> {
    let stat = statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR.into());
    }
    let dir = open(place, name)?;
    flock(&dir, FlockOperation::NonBlockingLockExclusive)?;
    remove(place, name, dir.as_fd())
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
