//! Every change to the disk, each announced to a hook, so that tests can end a run before any of them.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fchmod, fsync, mkdirat, renameat_with, unlinkat};
use rustix::io::Errno;

use crate::Error;
use crate::file_kind::FileKind;
use crate::store_dir::StoreDir;

/// Called with a stable name before each change to the disk; its error is reported like one of the operating system.
pub type FaultHook = Arc<dyn Fn(&'static str) -> io::Result<()> + Send + Sync>;

/// Renames within a file system, `renameat2(2)`: from a directory and name to a directory and name.
pub type RenameCall = fn(BorrowedFd<'_>, &str, BorrowedFd<'_>, &str, RenameFlags) -> io::Result<()>;

/// Holds what tests may replace.
#[derive(Clone)]
pub struct Hooks {
    /// Called before each change.
    pub step: FaultHook,
    /// Renames: the operating system's function, or one that behaves like another file system.
    pub rename: RenameCall,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { step: Arc::new(|_| Ok(())), rename }
    }
}

fn rename(from: BorrowedFd<'_>, name: &str, to: BorrowedFd<'_>, other: &str, flags: RenameFlags) -> io::Result<()> {
    Ok(renameat_with(from, name, to, other, flags)?)
}

/// Decides whether a commit survives a power cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Syncs everything before it counts.
    #[default]
    Full,
    /// Syncs nothing. For measurements: a crash of the program loses nothing, a crash of the machine may.
    NoSync,
}

/// Makes every change to the disk.
#[derive(Clone)]
pub(crate) struct Disk {
    pub hooks: Hooks,
    pub durability: Durability,
}

impl Disk {
    fn step(&self, name: &'static str, path: &str) -> Result<(), Error> {
        (self.hooks.step)(name).map_err(|error| Error::io(path, name, error))
    }

    /// Opens a directory in a directory and creates it first if it does not exist. The mode is set only when it is
    /// created.
    pub fn make(&self, step: &'static str, parent: &StoreDir, name: &str, mode: u32) -> Result<StoreDir, Error> {
        if let Some(directory) = parent.open(name)? {
            return Ok(directory);
        }
        self.step(step, &parent.at(name))?;
        match mkdirat(parent.fd(), name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io(parent.at(name), "make the directory", errno)),
        }
        let directory =
            parent.open(name)?.ok_or_else(|| Error::io(parent.at(name), "make the directory", Errno::NOENT))?;
        // The caller's umask is not asked: what is in a checkout is as readable as git would make it.
        set_mode(directory.fd(), mode, directory.path())?;
        Ok(directory)
    }

    /// Does the same, and syncs the parent, so that a power cut does not undo it.
    pub fn make_lasting(
        &self,
        step: &'static str,
        parent: &StoreDir,
        name: &str,
        mode: u32,
    ) -> Result<StoreDir, Error> {
        if let Some(directory) = parent.open(name)? {
            return Ok(directory);
        }
        let directory = self.make(step, parent, name, mode)?;
        self.sync(parent)?;
        Ok(directory)
    }

    /// Creates a file with these bytes and this mode.
    pub fn write(&self, directory: &StoreDir, name: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let path = directory.at(name);
        self.step("create the file", &path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let (mut file, _) = directory
            .open_file(name, flags, Mode::RUSR | Mode::WUSR)?
            .ok_or_else(|| Error::io(path.clone(), "create the file", Errno::NOENT))?;
        self.step("write the file", &path)?;
        file.write_all(bytes).map_err(|error| Error::io(path.clone(), "write", error))?;
        set_mode(std::os::fd::AsFd::as_fd(&file), mode, &path)?;
        if self.durability == Durability::Full {
            self.step("sync the file", &path)?;
            file.sync_all().map_err(|error| Error::io(path, "sync", error))?;
        }
        Ok(())
    }

    /// Syncs a directory, so that what was created, renamed or removed in it survives a power cut.
    pub fn sync(&self, directory: &StoreDir) -> Result<(), Error> {
        if self.durability == Durability::NoSync {
            return Ok(());
        }
        self.step("sync the directory", directory.path())?;
        fsync(directory.fd()).map_err(|errno| Error::io(directory.path(), "sync the directory", errno))
    }

    /// Moves a name to one that is not taken.
    pub fn rename(&self, step: &'static str, from: (&StoreDir, &str), to: (&StoreDir, &str)) -> Result<(), Error> {
        self.rename_with(step, from, to, RenameFlags::NOREPLACE)
    }

    /// Exchanges two names in one step.
    pub fn exchange(&self, step: &'static str, one: (&StoreDir, &str), other: (&StoreDir, &str)) -> Result<(), Error> {
        self.rename_with(step, one, other, RenameFlags::EXCHANGE)
    }

    fn rename_with(
        &self,
        step: &'static str,
        (from, name): (&StoreDir, &str),
        (to, other): (&StoreDir, &str),
        flags: RenameFlags,
    ) -> Result<(), Error> {
        self.step(step, &to.at(other))?;
        (self.hooks.rename)(from.fd(), name, to.fd(), other, flags)
            .map_err(|error| unsupported(to.at(other), step, error))
    }

    /// Checks whether a directory could be moved, without moving it: no rename replaces a directory that is not empty.
    pub fn movable(&self, (from, name): (&StoreDir, &str), (to, full): (&StoreDir, &str)) -> Result<(), Error> {
        match (self.hooks.rename)(from.fd(), name, to.fd(), full, RenameFlags::empty()) {
            Ok(()) => {
                let why = "a rename replaced a directory that was not empty".to_owned();
                Err(Error::Unsupported { path: to.at(full), why })
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
                _ => Err(unsupported(from.at(name), "move the directory", error)),
            },
        }
    }

    /// Removes a name with everything below it and follows no symbolic link. It is not an error if it does not exist.
    pub fn remove(&self, step: &'static str, directory: &StoreDir, name: &str, kind: FileKind) -> Result<(), Error> {
        self.step(step, &directory.at(name))?;
        let done = match kind {
            FileKind::Directory => directory.dir().remove_dir_all(name),
            _ => directory.dir().remove_file(name),
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(directory.at(name), "remove", error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a directory if it is empty. Returns whether it does not exist afterwards.
    pub fn remove_empty(&self, step: &'static str, parent: &StoreDir, name: &str) -> Result<bool, Error> {
        self.step(step, &parent.at(name))?;
        match unlinkat(parent.fd(), name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(errno) => Err(Error::io(parent.at(name), "remove the empty directory", errno)),
        }
    }
}

pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32, path: &str) -> Result<(), Error> {
    fchmod(fd, Mode::from_raw_mode(mode)).map_err(|errno| Error::io(path, "set the mode", errno))
}

/// Explains the error of a file system that cannot move a directory as a commit needs it.
fn unsupported(path: String, step: &'static str, error: io::Error) -> Error {
    let why = match Errno::from_io_error(&error) {
        Some(Errno::XDEV) => "part of it is on another file system or in a lower overlay layer",
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => "it does not support RENAME_EXCHANGE and RENAME_NOREPLACE",
        _ => return Error::io(path, step, error),
    };
    Error::Unsupported { path, why: format!("{why} ({step}: {error})") }
}
