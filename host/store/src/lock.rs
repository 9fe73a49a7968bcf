//! The lock of a storage: one run at a time writes there.

use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use cap_std::fs::File;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat};
use rustix::io::{Errno, retry_on_intr};

use crate::disk::Disk;
use crate::names::WORK_DIR;
use crate::store_dir::StoreDir;
use crate::{Error, Storage};

/// Name of the lock file.
const LOCK: &str = "lock";

/// How often one who waits for the lock looks whether to go on waiting.
const TICK: Duration = Duration::from_millis(200);

/// Holds the lock and releases it when it is dropped, even while a forked child still holds a copy of the file.
pub(crate) struct StorageLock(File);

impl Drop for StorageLock {
    fn drop(&mut self) {
        // Closing the file would do the same, only later.
        let _ = flock(self.0.as_fd(), FlockOperation::Unlock);
    }
}

impl StorageLock {
    /// Takes the lock, and notes who holds it.
    ///
    /// # Errors
    /// If another run holds it or just removed it, or the file cannot be opened or written.
    pub(crate) fn take(disk: &Disk, work_dir: &StoreDir, storage: &Storage) -> Result<Self, Error> {
        let path = work_dir.at(LOCK);
        let failed = |errno: Errno| Error::io(path.clone(), "lock", errno);
        let flags = OFlags::RDWR | OFlags::CREATE;
        let (file, stat) =
            work_dir.open_file(LOCK, flags, Mode::RUSR | Mode::WUSR)?.ok_or_else(|| failed(Errno::NOENT))?;
        if stat.st_nlink != 1 {
            return Err(Error::HardLinks { path, links: stat.st_nlink });
        }
        match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            // The run that held it took its storage back, and the lock with it.
            Ok(()) if fstat(&file).map_err(failed)?.st_nlink == 0 => {
                return Err(Error::Locked { storage: storage.path().to_owned(), pid: None });
            }
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let pid = (&file).take(16).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(Error::Locked { storage: storage.path().to_owned(), pid });
            }
            Err(errno) => return Err(failed(errno)),
        }
        let mut lock = Self(file);
        (disk.hooks.step)("note who holds the lock").map_err(|error| Error::io(path.clone(), "lock", error))?;
        let pid = std::process::id();
        (lock.0.set_len(0))
            .and_then(|()| lock.0.rewind())
            .and_then(|()| writeln!(lock.0, "{pid}"))
            .map_err(|error| Error::io(path, "lock", error))?;
        Ok(lock)
    }
}

impl Storage {
    /// Waits until no run holds the lock, or `is_over` says that no one waits any more. It is not taken: another run may be first.
    /// Nothing is written.
    ///
    /// # Errors
    /// If the lock cannot be waited for.
    pub fn wait_for_lock(&self, is_over: impl Fn() -> bool) -> Result<(), Error> {
        let Some(work_dir) = self.root().store_dir().open(&format!("{}/{WORK_DIR}", self.path()))? else {
            return Ok(());
        };
        let path = work_dir.at(LOCK);
        let Some((file, _)) = work_dir.open_file(LOCK, OFlags::RDWR, Mode::empty())? else { return Ok(()) };
        let (send, free) = channel();
        // The kernel wakes who waits. Nothing else ends that, so whoever gives up leaves the thread behind.
        let waits = move || {
            let taken = retry_on_intr(|| flock(file.as_fd(), FlockOperation::LockShared));
            drop(StorageLock(file));
            let _ = send.send(taken);
        };
        thread::Builder::new().spawn(waits).map_err(|error| Error::io(path.clone(), "wait for the lock", error))?;
        while !is_over() {
            match free.recv_timeout(TICK) {
                Ok(taken) => return taken.map_err(|errno| Error::io(path, "wait for the lock", errno)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }
}
